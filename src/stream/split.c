/* split - L1 bytes in any slices into units. */
#include "stream/split.h"

#define SLACK ((size_t)256 << 10) /* a slice may reach beyond its unit */

void kvf_split_init(struct kvf_split *s)
{
	memset(s, 0, sizeof(*s));
	kvf_buf_init(&s->buf, 1);
	kvf_split_limit(s, KVF_CONTROL_MAX);
}

void kvf_split_release(struct kvf_split *s)
{
	kvf_buf_release(&s->buf);
}

void kvf_split_limit(struct kvf_split *s, size_t unit_max)
{
	s->unit_max = unit_max;
	s->buf.cap = (unit_max > KVF_CONTROL_MAX ? unit_max : KVF_CONTROL_MAX) + SLACK;
}

enum kvf_status kvf_split_feed(struct kvf_split *s, const void *bytes, size_t len,
			       struct kvf_err *err)
{
	return kvf_buf_append(&s->buf, bytes, len, err);
}

enum kvf_status kvf_magic_check(const uint8_t *p, size_t len, struct kvf_err *err)
{
	if (len >= KVF_MAGIC_LEN && memcmp(p, kvf_magic, KVF_MAGIC_LEN) == 0)
		return KVF_OK;
	if (len >= 5 && memcmp(p, kvf_magic, 4) == 0 && p[4] >= '0' && p[4] <= '9' &&
	    p[4] != '1') {
		kvf_fail(err, KVF_EVERSION,
			 "the stream has major version %c, this program reads 1", p[4]);
		kvf_err_hint(err, "Read it with a kvferry that knows version %c.", p[4]);
		return KVF_EVERSION;
	}
	return kvf_fail(err, KVF_ESTREAM, "not a KVF stream");
}

static enum kvf_status damaged(const struct kvf_split *s, struct kvf_err *err, const char *what)
{
	kvf_fail(err, KVF_ESTREAM, "damaged stream: %s", what);
	kvf_err_detail(err, "byte %zu of the unit", s->pos);
	return KVF_ESTREAM;
}

/* Bytes after the tail: say so if they are a second stream. */
static enum kvf_status after_the_end(const struct kvf_split *s, struct kvf_err *err)
{
	size_t n = s->buf.len < KVF_MAGIC_LEN ? s->buf.len : KVF_MAGIC_LEN;

	if (memcmp(s->buf.ptr, kvf_magic, n) == 0) {
		kvf_fail(err, KVF_ESTREAM, "a second stream follows the end of the first");
		kvf_err_hint(err, "A file holds one stream: keep them apart.");
		return KVF_ESTREAM;
	}
	return kvf_fail(err, KVF_ESTREAM, "damaged stream: bytes follow the last record");
}

/* MAGIC stands alone in front; it is no object of the head's unit. */
static enum kvf_status pass_magic(struct kvf_split *s, struct kvf_err *err)
{
	size_t have = s->buf.len < KVF_MAGIC_LEN ? s->buf.len : KVF_MAGIC_LEN;
	enum kvf_status st;

	if (s->pos || have == 0)
		return KVF_OK;
	if (have < KVF_MAGIC_LEN && memcmp(s->buf.ptr, kvf_magic, have) == 0)
		return KVF_OK;
	st = kvf_magic_check(s->buf.ptr, s->buf.len, err);
	if (!st)
		s->pos = s->object = KVF_MAGIC_LEN;
	return st;
}

/* An object ends at s->pos: is it the end of its unit? */
static enum kvf_status end_of_object(struct kvf_split *s, int *whole, struct kvf_err *err)
{
	const uint8_t *p = s->buf.ptr + s->object;
	enum kvf_record_type type = kvf_record_peek(p, s->pos - s->object);

	*whole = 0;
	if (s->in_chunk) {
		if ((*p & 0xf0) == 0x90)
			return KVF_OK;
		*whole = 1;
		return KVF_OK;
	}
	if (type == KVF_REC_CHUNK) {
		s->in_chunk = 1;
		return KVF_OK;
	}
	if (type == KVF_REC_NONE)
		return damaged(
			s, err,
			"a record is unknown by its \"$\", or an entry stands outside a chunk");
	s->head_seen = 1;
	s->ended = type == KVF_REC_TAIL || type == KVF_REC_ABORT;
	*whole = 1;
	return KVF_OK;
}

enum kvf_status kvf_split_next(struct kvf_split *s, size_t *len, struct kvf_err *err)
{
	const char *why = "";
	enum kvf_status st;
	size_t cap;
	int whole;

	*len = 0;
	if (s->ended)
		return s->buf.len ? after_the_end(s, err) : KVF_OK;
	if (!s->head_seen) {
		st = pass_magic(s, err);
		if (st || s->pos == 0)
			return st;
	}
	cap = s->in_chunk ? s->unit_max : KVF_CONTROL_MAX;
	while (s->pos < s->buf.len) {
		if (s->pos >= cap)
			return damaged(s, err, "a unit is larger than its limit");
		switch (kvf_mp_scan(&s->scan, s->buf.ptr, s->buf.len, &s->pos, cap, &why)) {
		case KVF_MP_DONE: break;
		case KVF_MP_MORE: return KVF_OK;
		case KVF_MP_BAD: return damaged(s, err, why);
		}
		st = end_of_object(s, &whole, err);
		if (st)
			return st;
		memset(&s->scan, 0, sizeof(s->scan));
		s->object = s->pos;
		if (whole) {
			*len = s->pos;
			return KVF_OK;
		}
		cap = s->in_chunk ? s->unit_max : KVF_CONTROL_MAX;
	}
	return KVF_OK;
}

enum kvf_status kvf_split_take(struct kvf_split *s, size_t len, struct kvf_buf *unit,
			       struct kvf_err *err)
{
	struct kvf_buf rest = *unit;
	enum kvf_status st;

	rest.cap = s->buf.cap;
	rest.len = 0;
	st = kvf_buf_append(&rest, s->buf.ptr + len, s->buf.len - len, err);
	*unit = rest; /* whatever append did to its memory */
	if (st)
		return st;
	rest = s->buf;
	rest.len = len;
	s->buf = *unit;
	*unit = rest;
	s->offset += len;
	s->pos = s->object = 0;
	s->in_chunk = 0;
	memset(&s->scan, 0, sizeof(s->scan));
	return KVF_OK;
}

int kvf_is_one_record(struct kvf_bytes unit)
{
	struct kvf_mp_scan scan;
	const char *why;
	size_t pos = 0;

	memset(&scan, 0, sizeof(scan));
	if (unit.len >= KVF_MAGIC_LEN && memcmp(unit.ptr, kvf_magic, KVF_MAGIC_LEN) == 0)
		pos = KVF_MAGIC_LEN;
	return unit.len > pos && unit.len <= KVF_CONTROL_MAX &&
	       kvf_mp_scan(&scan, unit.ptr, unit.len, &pos, unit.len, &why) == KVF_MP_DONE &&
	       pos == unit.len;
}
