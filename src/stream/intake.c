/* intake - from the file to units: the reader's pipeline. */
#include "stream/handed.h"
#include "stream/reader.h"

#include <stdlib.h>

#define FLYING_MAX ((size_t)32 << 20) /* unit bytes under way, or one unit */
#define KEEP_MAX ((size_t)20 << 20)   /* larger buffers are not kept for reuse */
#define SMALL ((size_t)64 << 10)      /* units that are done without a thread, */
#define ALONE 16                      /* as long as there are not more of them */

/* ---- workers ------------------------------------------------------------------------ */

static enum kvf_status unpack(struct kvf_reader *r, unsigned worker, struct kvf_unit_job *j)
{
	ZSTD_DCtx *d = r->contexts[worker];
	size_t n;

	if (!d) {
		d = r->contexts[worker] = ZSTD_createDCtx();
		if (!d)
			return kvf_fail_nomem(&j->err);
	}
	n = ZSTD_decompressDCtx(d, j->unit.ptr, j->content, j->packed.ptr, j->packed.len);
	if (ZSTD_isError(n) || n != j->content) {
		kvf_fail(&j->err, KVF_ESTREAM,
			 "damaged stream: a frame cannot be decompressed: %s",
			 ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong size");
		return KVF_ESTREAM;
	}
	j->unit.len = n;
	return KVF_OK;
}

/* Always KVF_OK: what is wrong with a unit is told in its turn. */
static enum kvf_status work(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	struct kvf_reader *r = ctx;
	struct kvf_unit_job *j = job;
	struct kvf_bytes unit;

	(void)err;
	j->st = j->native ? unpack(r, worker, j) : KVF_OK;
	if (j->st)
		return KVF_OK;
	j->unpacked = 1;
	unit = kvf_buf_bytes(&j->unit);
	j->type = kvf_record_peek(unit.ptr, unit.len);
	if (j->type == KVF_REC_CHUNK)
		j->st = kvf_unit_check(unit, &r->lim, &j->chunk, &j->err);
	else if (!kvf_is_one_record(unit))
		j->type = KVF_REC_NONE;
	return KVF_OK;
}

/* ---- jobs ----------------------------------------------------------------------------- */

static void job_free(struct kvf_unit_job *j)
{
	if (!j)
		return;
	kvf_buf_release(&j->packed);
	kvf_buf_release(&j->unit);
	free(j);
}

static void drop(void *ctx, void *job)
{
	(void)ctx;
	job_free(job);
}

static enum kvf_status job_get(struct kvf_reader *r, struct kvf_unit_job **out,
			       struct kvf_err *err)
{
	struct kvf_unit_job *j = r->free;

	*out = NULL;
	if (j) {
		r->free = j->next;
	} else {
		j = calloc(1, sizeof(*j));
		if (!j)
			return kvf_fail_nomem(err);
		kvf_buf_init(&j->packed, ZSTD_COMPRESSBOUND((size_t)KVF_UNIT_MAX));
		kvf_buf_init(&j->unit, KVF_UNIT_MAX + 2 * KVF_SLICE);
	}
	j->packed.len = j->unit.len = 0;
	j->next = NULL;
	j->type = KVF_REC_NONE;
	j->st = KVF_OK;
	j->unpacked = 0;
	j->native = 0;
	*out = j;
	return KVF_OK;
}

void kvf_intake_recycle(struct kvf_reader *r, struct kvf_unit_job *j)
{
	if (!j)
		return;
	if (j->unit.size > KEEP_MAX)
		kvf_buf_release(&j->unit);
	if (j->packed.size > KEEP_MAX)
		kvf_buf_release(&j->packed);
	j->next = r->free;
	r->free = j;
}

/*
 * Give a job to the workers.  The first small ones are done here and now: most
 * streams that tests and people look at end before a thread is worth starting.
 */
static enum kvf_status submit(struct kvf_reader *r, struct kvf_unit_job *j, size_t flying,
			      struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (!r->pool && flying < SMALL && r->done_here < ALONE) {
		r->done_here++;
		r->ready = j;
		return work(r, 0, j, err);
	}
	if (!r->pool)
		st = kvf_pool_new(r->threads, 2 * (size_t)r->threads + 1, work, r, &r->pool,
				  err);
	j->flying = flying;
	if (!st)
		st = kvf_pool_submit(r->pool, j, err);
	if (st) {
		job_free(j);
		return st;
	}
	r->under_way++;
	r->flying += flying;
	return KVF_OK;
}

/* The oldest job that is under way; KVF_EOF if there is none. */
static enum kvf_status take(struct kvf_reader *r, struct kvf_unit_job **out,
			    struct kvf_err *err)
{
	enum kvf_status st;
	void *p;

	*out = r->ready;
	r->ready = NULL;
	if (*out)
		return KVF_OK;
	if (r->under_way == 0)
		return KVF_EOF;
	st = kvf_pool_take(r->pool, &p, err);
	if (st)
		return st == KVF_EOF ? kvf_fail(err, KVF_EINTERNAL, "a unit got lost") : st;
	*out = p;
	r->under_way--;
	r->flying -= (*out)->flying;
	return KVF_OK;
}

static int has_room(const struct kvf_reader *r)
{
	if (r->ready)
		return 0;
	return r->under_way == 0 || (!kvf_pool_full(r->pool) && r->flying < FLYING_MAX);
}

void kvf_intake_count_frame(struct kvf_reader *r, size_t csize, size_t dsize)
{
	uint8_t pair[8];

	kvf_put_le32(pair, (uint32_t)csize);
	kvf_put_le32(pair + 4, (uint32_t)dsize);
	kvf_sha256_update(&r->table, pair, sizeof(pair));
	r->frames++;
}

/* ---- NATIVE ------------------------------------------------------------------------------ */

/*
 * Is a hint and the frame that it promises at the feed?  Then *frame is its
 * length and *content what it will decompress to.  Otherwise *hold says what
 * there is instead.
 */
static enum kvf_status native_frame(struct kvf_reader *r, size_t max, size_t *frame,
				    size_t *content, enum kvf_hold *hold, struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	struct kvf_frame_head h;
	enum kvf_status st;
	const uint8_t *p;
	uint32_t size;

	st = kvf_feed_want(f, KVF_HINT_LEN, err);
	if (st)
		return st;
	p = kvf_feed_ptr(f);
	*hold = kvf_feed_have(f) ? KVF_HOLD_OTHER : KVF_HOLD_EOF;
	if (kvf_feed_have(f) < KVF_HINT_LEN || kvf_get_le32(p) != KVF_SKIP_MAGIC ||
	    kvf_get_le32(p + 4) != 4)
		return KVF_OK;
	*hold = KVF_HOLD_SPLIT;
	size = kvf_get_le32(p + 8);
	if (size > ZSTD_COMPRESSBOUND(max))
		return KVF_OK;
	st = kvf_feed_want(f, KVF_HINT_LEN + (size_t)size, err);
	if (st)
		return st;
	if (kvf_feed_have(f) < KVF_HINT_LEN + (size_t)size)
		return KVF_OK;
	p = kvf_feed_ptr(f) + KVF_HINT_LEN;
	if (kvf_frame_head_parse(p, size, &h) != 1 || h.content > max || h.dictionary ||
	    ZSTD_findFrameCompressedSize(p, size) != size)
		return KVF_OK;
	*hold = KVF_HOLD_NO;
	*frame = size;
	*content = (size_t)h.content;
	if (!h.checksum)
		return kvf_reader_warn(r, err, "a frame without a checksum at offset %llu",
				       (unsigned long long)f->offset);
	return KVF_OK;
}

static enum kvf_status scan_native(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	struct kvf_unit_job *j;
	size_t size = 0, content = 0;
	enum kvf_status st;

	st = native_frame(r, kvf_intake_content_max(r), &size, &content, &r->hold, err);
	if (st || r->hold)
		return st;
	st = job_get(r, &j, err);
	if (st)
		return st;
	j->native = 1;
	j->content = content;
	j->file_at = f->offset + KVF_HINT_LEN;
	j->l1_at = r->l1_at;
	st = kvf_buf_append(&j->packed, kvf_feed_ptr(f) + KVF_HINT_LEN, size, err);
	if (!st)
		st = kvf_buf_reserve(&j->unit, content ? content : 1, err);
	if (st) {
		job_free(j);
		return st;
	}
	r->skips = 0;
	kvf_feed_skip(f, KVF_HINT_LEN + size);
	r->l1_at += content;
	kvf_intake_count_frame(r, KVF_HINT_LEN, 0);
	kvf_intake_count_frame(r, size, content);
	return submit(r, j, content + size, err);
}

/* ---- SPLIT: the bytes come from transport.c ------------------------------------------- */

/* Find one unit, and give it to the workers. */
static enum kvf_status scan_split(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_unit_job *j;
	enum kvf_status st;
	size_t len;

	for (;;) {
		st = kvf_split_next(&r->split, &len, err);
		if (st)
			return st;
		if (len)
			break;
		st = kvf_intake_more(r, err);
		if (st || r->hold)
			return st;
	}
	st = job_get(r, &j, err);
	if (st)
		return st;
	j->file_at = r->feed.offset;
	j->l1_at = r->split.offset;
	st = kvf_split_take(&r->split, len, &j->unit, err);
	if (st) {
		job_free(j);
		return st;
	}
	r->l1_at = r->split.offset;
	return submit(r, j, len, err);
}

/* ---- handed over: nothing is packed, and all is checked --------------------------------- */

static enum kvf_status take_handed(struct kvf_reader *r, struct kvf_unit_job **out,
				   struct kvf_err *err)
{
	struct kvf_unit_job *j;
	enum kvf_status st = job_get(r, &j, err);
	int is_chunk;

	if (st)
		return st;
	st = kvf_hand_take(r->feed.in, &j->unit, &is_chunk, &j->chunk, err);
	if (st) {
		kvf_intake_recycle(r, j);
		r->hold = st == KVF_EOF ? KVF_HOLD_EOF : r->hold;
		return st;
	}
	j->type = is_chunk ? KVF_REC_CHUNK : kvf_record_peek(j->unit.ptr, j->unit.len);
	j->file_at = j->l1_at = r->l1_at;
	r->l1_at += j->unit.len;
	*out = j;
	return KVF_OK;
}

enum kvf_status kvf_intake_handed_head(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_unit ignored;
	enum kvf_status st;
	int is_chunk;

	r->handed = r->native = 1;
	kvf_buf_init(&r->head_unit, KVF_UNIT_MAX);
	st = kvf_hand_take(r->feed.in, &r->head_unit, &is_chunk, &ignored, err);
	if (st == KVF_EOF)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it is empty");
	r->l1_at = r->head_unit.len;
	return st;
}

/* ---- both --------------------------------------------------------------------------------------- */

/*
 * A frame that looked native is not one unit, or its unit does not stand up:
 * whatever was decoded from here on is read again without that assumption.
 */
static enum kvf_status read_again(struct kvf_reader *r, struct kvf_unit_job *j,
				  struct kvf_err *err)
{
	struct kvf_unit_job **end = &r->again;
	enum kvf_status st;
	uint64_t at = j->l1_at;

	do {
		*end = j;
		j->next = NULL;
		end = &j->next;
		st = take(r, &j, err);
	} while (!st);
	if (st != KVF_EOF)
		return st;
	r->l1_at = at;
	st = kvf_reader_warn(r, err,
			     "the frames are not in native form from stream offset %llu on",
			     (unsigned long long)at);
	return st ? st : kvf_intake_go_split(r, r->seq.expected == KVF_AT_END, err);
}

/* Keep the workers busy; a failure waits until what was read before it is out. */
static void fill(struct kvf_reader *r)
{
	enum kvf_status st = KVF_OK;

	while (!st && !r->hold && has_room(r))
		st = r->native ? scan_native(r, &r->scan_failure)
			       : scan_split(r, &r->scan_failure);
	if (st) {
		r->hold = KVF_HOLD_FAILED;
		r->scan_status = st;
	}
}

enum kvf_status kvf_intake_next(struct kvf_reader *r, struct kvf_unit_job **out,
				struct kvf_err *err)
{
	struct kvf_unit_job *j;
	enum kvf_status st;

	if (r->handed)
		return take_handed(r, out, err);
	for (;;) {
		fill(r);
		st = take(r, &j, err);
		if (st == KVF_EOF && r->hold == KVF_HOLD_FAILED) {
			*err = r->scan_failure;
			return r->scan_status;
		}
		if (st)
			return st;
		if (!j->native || (!j->st && j->type != KVF_REC_NONE) || !j->unpacked) {
			*out = j;
			return KVF_OK;
		}
		st = read_again(r, j, err);
		if (st)
			return st;
	}
}

/* MAGIC and head as native files have them: *found, else nothing was consumed. */
static enum kvf_status native_head(struct kvf_reader *r, int *found, struct kvf_err *err)
{
	enum kvf_hold hold;
	enum kvf_status st;
	size_t size, content, n;

	*found = 0;
	st = native_frame(r, KVF_CONTROL_MAX, &size, &content, &hold, err);
	if (st || hold)
		return st;
	st = kvf_buf_reserve(&r->head_unit, content ? content : 1, err);
	if (st)
		return st;
	n = ZSTD_decompressDCtx(r->stream, r->head_unit.ptr, content,
				kvf_feed_ptr(&r->feed) + KVF_HINT_LEN, size);
	if (n != content)
		return KVF_OK;
	r->head_unit.len = n;
	if (!kvf_is_one_record(kvf_buf_bytes(&r->head_unit)) && n < KVF_MAGIC_LEN)
		return KVF_OK;
	st = kvf_magic_check(r->head_unit.ptr, n, err);
	if (st)
		return st;
	if (!kvf_is_one_record(kvf_buf_bytes(&r->head_unit)))
		return KVF_OK;
	kvf_intake_count_frame(r, KVF_HINT_LEN, 0);
	kvf_intake_count_frame(r, size, content);
	kvf_feed_skip(&r->feed, KVF_HINT_LEN + size);
	r->l1_at = n;
	*found = 1;
	return KVF_OK;
}

enum kvf_status kvf_intake_head(struct kvf_reader *r, struct kvf_err *err)
{
	enum kvf_status st;
	size_t len = 0;

	r->threads = kvf_thread_count(r->env);
	r->contexts = calloc(r->threads, sizeof(ZSTD_DCtx *));
	r->stream = ZSTD_createDCtx();
	if (!r->contexts || !r->stream)
		return kvf_fail_nomem(err);
	kvf_sha256_begin(&r->table);
	kvf_split_init(&r->split);
	kvf_buf_init(&r->head_unit, KVF_UNIT_MAX + 2 * KVF_SLICE);
	st = native_head(r, &r->native, err);
	if (st || r->native)
		return st;
	st = kvf_intake_go_split(r, 0, err);
	while (!st && !len) {
		st = kvf_split_next(&r->split, &len, err);
		if (st || len)
			break;
		st = kvf_intake_more(r, err);
		if (!st && r->hold == KVF_HOLD_EOF)
			st = kvf_fail(err, KVF_ETRUNC,
				      "truncated stream: it ends inside its head");
		else if (!st && r->hold)
			st = kvf_feed_have(&r->feed) < 4
				     ? kvf_fail(err, KVF_ETRUNC,
						"truncated stream: it ends inside its head")
				     : kvf_fail(err, KVF_ESTREAM, "not a KVF stream");
	}
	if (!st)
		st = kvf_split_take(&r->split, len, &r->head_unit, err);
	if (!st)
		st = kvf_reader_warn(r, err,
				     "the stream is not in native form (compressed again?)");
	return st;
}

void kvf_intake_release(struct kvf_reader *r)
{
	struct kvf_unit_job *j, *next;
	unsigned i;

	if (r->pool)
		kvf_pool_free(r->pool, drop);
	for (j = r->free; j; j = next) {
		next = j->next;
		job_free(j);
	}
	for (j = r->again; j; j = next) {
		next = j->next;
		job_free(j);
	}
	job_free(r->current);
	job_free(r->ready);
	for (i = 0; r->contexts && i < r->threads; i++)
		ZSTD_freeDCtx(r->contexts[i]);
	free(r->contexts);
	ZSTD_freeDCtx(r->stream);
	kvf_split_release(&r->split);
	kvf_buf_release(&r->head_unit);
}
