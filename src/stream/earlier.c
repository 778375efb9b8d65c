/* earlier - see the header. */
#include "stream/earlier.h"

#include "base/buf.h"
#include "base/hash.h"
#include "stream/frame.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct scan {
	struct kvf_output *out;
	uint64_t at, unit_max;
	ZSTD_DCtx *context;
	struct kvf_buf frame, unit;
};

/* Read a hint; 0 = there is none. */
static enum kvf_status read_hint(struct scan *s, uint32_t *size, struct kvf_err *err)
{
	uint8_t hint[KVF_HINT_LEN], want[KVF_HINT_LEN];
	size_t got;
	enum kvf_status st =
		kvf_output_read_earlier(s->out, s->at, hint, sizeof(hint), &got, err);

	*size = 0;
	if (st || got < sizeof(hint))
		return st;
	*size = kvf_get_le32(hint + KVF_SKIP_HEAD);
	kvf_put_hint(want, *size);
	if (memcmp(hint, want, sizeof(hint)) != 0 || *size > ZSTD_compressBound(s->unit_max))
		*size = 0;
	return KVF_OK;
}

/* Decode the frame of `size` bytes behind the hint into s->unit; *whole = 0 if it is none. */
static enum kvf_status read_unit(struct scan *s, uint32_t size, int *whole, struct kvf_err *err)
{
	unsigned long long content;
	enum kvf_status st;
	size_t got, n;

	*whole = 0;
	s->frame.len = s->unit.len = 0;
	st = kvf_buf_reserve(&s->frame, size, err);
	if (!st)
		st = kvf_output_read_earlier(s->out, s->at + KVF_HINT_LEN, s->frame.ptr, size,
					     &got, err);
	if (st || got < size)
		return st;
	content = ZSTD_getFrameContentSize(s->frame.ptr, size);
	if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR ||
	    content > s->unit_max)
		return KVF_OK;
	st = kvf_buf_reserve(&s->unit, (size_t)content + 1, err);
	if (st)
		return st;
	n = ZSTD_decompressDCtx(s->context, s->unit.ptr, (size_t)content, s->frame.ptr, size);
	*whole = !ZSTD_isError(n) && n == content;
	s->unit.len = (size_t)content;
	return KVF_OK;
}

static enum kvf_status add(struct kvf_earlier *e, const struct scan *s, uint32_t size,
			   struct kvf_err *err)
{
	size_t want = e->size ? 2 * e->size : 256;
	struct kvf_earlier_unit *p;

	if (e->n == e->size) {
		p = realloc(e->units, want * sizeof(*p));
		if (!p)
			return kvf_fail_nomem(err);
		e->units = p;
		e->size = want;
	}
	p = &e->units[e->n++];
	kvf_sha256(s->unit.ptr, s->unit.len, p->digest);
	p->csize = size;
	p->dsize = (uint32_t)s->unit.len;
	return KVF_OK;
}

enum kvf_status kvf_earlier_read(struct kvf_earlier *e, struct kvf_output *out,
				 const struct kvf_env *env, uint64_t unit_max,
				 struct kvf_err *err)
{
	struct scan s = { .out = out, .at = kvf_output_tell(out), .unit_max = unit_max };
	enum kvf_status st = KVF_OK;
	uint32_t size;
	int whole = 1;

	memset(e, 0, sizeof(*e));
	if (!kvf_output_earlier(out))
		return KVF_OK;
	kvf_buf_init(&s.frame, SIZE_MAX / 2);
	kvf_buf_init(&s.unit, SIZE_MAX / 2);
	s.context = ZSTD_createDCtx();
	if (!s.context)
		st = kvf_fail_nomem(err);
	while (!st && whole) {
		if (env && env->stopped && env->stopped(env->ctx))
			st = kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		if (!st)
			st = read_hint(&s, &size, err);
		if (st || !size)
			break;
		st = read_unit(&s, size, &whole, err);
		if (!st && whole)
			st = add(e, &s, size, err);
		s.at += KVF_HINT_LEN + (uint64_t)size;
	}
	ZSTD_freeDCtx(s.context);
	kvf_buf_release(&s.frame);
	kvf_buf_release(&s.unit);
	return st;
}

void kvf_earlier_release(struct kvf_earlier *e)
{
	free(e->units);
	memset(e, 0, sizeof(*e));
}
