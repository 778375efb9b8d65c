/*
 * transport - L1 bytes out of frames of any kind, for the splitter.
 *
 * One streaming decoder goes through the frames in order; skippable frames are
 * passed over.  What NATIVE had decoded before it gave up comes first.
 */
#include "stream/reader.h"

#define WINDOW_MIN ((uint64_t)16 << 20) /* windows that are always allowed */

enum kvf_status kvf_intake_go_split(struct kvf_reader *r, int ended, struct kvf_err *err)
{
	if (!r->stream) {
		r->stream = ZSTD_createDCtx();
		if (!r->stream)
			return kvf_fail_nomem(err);
	}
	r->native = 0;
	r->hold = KVF_HOLD_NO;
	r->split.head_seen = r->head != NULL;
	r->split.offset = r->l1_at;
	kvf_split_limit(&r->split, r->lim.unit ? (size_t)r->lim.unit : KVF_CONTROL_MAX);
	r->split.ended = ended;
	return KVF_OK;
}

enum kvf_status kvf_intake_skip(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	enum kvf_status st;
	uint32_t len;

	st = kvf_feed_want(f, KVF_SKIP_HEAD, err);
	if (st)
		return st;
	if (kvf_feed_have(f) < KVF_SKIP_HEAD)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends inside a frame");
	len = kvf_get_le32(kvf_feed_ptr(f) + 4);
	if (len > KVF_SKIP_MAX)
		return kvf_fail(
			err, KVF_ESTREAM,
			"damaged stream: a skippable frame of %u bytes, 1 MiB is allowed", len);
	if (++r->skips > KVF_IN_A_ROW)
		return kvf_fail(err, KVF_ESTREAM,
				"damaged stream: more than 16 skippable frames in a row");
	st = kvf_feed_want(f, KVF_SKIP_HEAD + (size_t)len, err);
	if (st)
		return st;
	if (kvf_feed_have(f) < KVF_SKIP_HEAD + (size_t)len)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends inside a frame");
	kvf_feed_skip(f, KVF_SKIP_HEAD + (size_t)len);
	return KVF_OK;
}

/* A zstd frame begins at the feed: may it be decoded? */
static enum kvf_status begin_frame(struct kvf_reader *r, struct kvf_err *err)
{
	uint64_t max =
		kvf_intake_content_max(r) > WINDOW_MIN ? kvf_intake_content_max(r) : WINDOW_MIN;
	struct kvf_frame_head h;
	enum kvf_status st;
	size_t n;
	int rc;

	st = kvf_feed_want(&r->feed, KVF_FRAME_HEAD_MAX, err);
	if (st)
		return st;
	rc = kvf_frame_head_parse(kvf_feed_ptr(&r->feed), kvf_feed_have(&r->feed), &h);
	if (rc == 0)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends inside a frame");
	if (rc < 0)
		return kvf_fail(err, KVF_ESTREAM,
				"damaged stream: the header of a frame is invalid");
	if (h.dictionary)
		return kvf_fail(err, KVF_ESTREAM,
				"the stream was compressed with a dictionary");
	if (h.window > max) {
		kvf_fail(err, KVF_ESTREAM,
			 "a frame needs a window of %llu bytes, %llu are allowed",
			 (unsigned long long)h.window, (unsigned long long)max);
		kvf_err_hint(err, "Compress the stream again without --long: zstd -d < FILE | "
				  "zstd > NEW.kvf");
		return KVF_ESTREAM;
	}
	n = ZSTD_DCtx_reset(r->stream, ZSTD_reset_session_only);
	if (!ZSTD_isError(n))
		n = ZSTD_DCtx_setParameter(r->stream, ZSTD_d_windowLogMax, 30);
	if (ZSTD_isError(n))
		return kvf_fail(err, KVF_EINTERNAL, "zstd: %s", ZSTD_getErrorName(n));
	r->in_frame = 1;
	r->frame_bytes = 0;
	r->skips = 0;
	return KVF_OK;
}

/* Decode some bytes of the current frame into the splitter. */
static enum kvf_status decode_some(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_buf *b = &r->split.buf;
	ZSTD_outBuffer out;
	ZSTD_inBuffer in;
	enum kvf_status st;
	size_t n;

	st = kvf_feed_want(&r->feed, kvf_feed_have(&r->feed) ? 1 : KVF_SLICE, err);
	if (!st)
		st = kvf_buf_reserve(b, KVF_SLICE, err);
	if (st)
		return st;
	in.src = kvf_feed_ptr(&r->feed);
	in.size = kvf_feed_have(&r->feed);
	in.pos = 0;
	out.dst = b->ptr + b->len;
	out.size = KVF_SLICE;
	out.pos = 0;
	n = ZSTD_decompressStream(r->stream, &out, &in);
	if (ZSTD_isError(n))
		return kvf_fail(err, KVF_ESTREAM,
				"damaged stream: a frame cannot be decompressed: %s",
				ZSTD_getErrorName(n));
	kvf_feed_skip(&r->feed, in.pos);
	b->len += out.pos;
	r->frame_bytes += out.pos;
	if (n == 0) {
		r->in_frame = 0;
		if (r->frame_bytes)
			r->empties = 0;
		else if (++r->empties > KVF_IN_A_ROW)
			return kvf_fail(err, KVF_ESTREAM,
					"damaged stream: more than 16 empty frames in a row");
	} else if (in.size == 0 && out.pos == 0) {
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends inside a frame");
	}
	return KVF_OK;
}

/* Bytes that NATIVE had decoded already. */
static enum kvf_status feed_again(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_unit_job *j = r->again;
	size_t n = j->unit.len - r->again_at;
	enum kvf_status st;

	if (!j->unpacked) {
		*err = j->err;
		return j->st;
	}
	if (n > KVF_SLICE)
		n = KVF_SLICE;
	st = kvf_split_feed(&r->split, j->unit.ptr + r->again_at, n, err);
	if (st)
		return st;
	r->again_at += n;
	if (r->again_at == j->unit.len) {
		r->again = j->next;
		r->again_at = 0;
		kvf_intake_recycle(r, j);
	}
	return KVF_OK;
}

/* More L1 bytes for the splitter, or a hold. */
enum kvf_status kvf_intake_more(struct kvf_reader *r, struct kvf_err *err)
{
	enum kvf_status st;
	uint32_t magic;

	if (r->again)
		return feed_again(r, err);
	if (r->in_frame)
		return decode_some(r, err);
	st = kvf_feed_want(&r->feed, 4, err);
	if (st)
		return st;
	if (kvf_feed_have(&r->feed) == 0) {
		r->hold = KVF_HOLD_EOF;
		return KVF_OK;
	}
	magic = kvf_feed_have(&r->feed) < 4 ? 0 : kvf_get_le32(kvf_feed_ptr(&r->feed));
	if (magic == KVF_ZSTD_MAGIC)
		return begin_frame(r, err);
	if (kvf_is_skippable(magic) && !r->split.ended)
		return kvf_intake_skip(r, err);
	r->hold = KVF_HOLD_OTHER;
	return KVF_OK;
}
