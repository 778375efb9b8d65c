/* marks - see the header.  The reader is public: kvf_marks_next(). */
#include "store/marks.h"

#include "base/hash.h"

#include <kvferry/store.h>

#include <string.h>

#define VARINT_MAX 10

void kvf_marks_init(struct kvf_marks *m)
{
	kvf_buf_init(&m->out, SIZE_MAX / 2);
	kvf_buf_init(&m->part, SIZE_MAX / 2);
	kvf_buf_init(&m->key, SIZE_MAX / 2);
}

void kvf_marks_release(struct kvf_marks *m)
{
	kvf_buf_release(&m->out);
	kvf_buf_release(&m->part);
	kvf_buf_release(&m->key);
}

void kvf_marks_reset(struct kvf_marks *m)
{
	m->out.len = m->part.len = m->key.len = 0;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_bytes(uint8_t *p, const uint8_t *bytes, size_t len)
{
	p = put_varint(p, len);
	if (len)
		memcpy(p, bytes, len);
	return p + len;
}

void kvf_mark_hash(struct kvf_bytes value, uint8_t hash[KVF_MARK_HASH])
{
	kvf_put_be64(hash, kvf_xxh3(value.ptr, value.len));
}

static int same(const struct kvf_buf *a, struct kvf_bytes b)
{
	return a->len == b.len && (b.len == 0 || memcmp(a->ptr, b.ptr, b.len) == 0);
}

static size_t shared_bytes(const struct kvf_buf *last, struct kvf_bytes key)
{
	size_t n = last->len < key.len ? last->len : key.len, i = 0;

	while (i < n && last->ptr[i] == key.ptr[i])
		i++;
	return i;
}

/* `b` becomes these bytes, of which it holds the first `keep`. */
static enum kvf_status become(struct kvf_buf *b, struct kvf_bytes bytes, size_t keep,
			      struct kvf_err *err)
{
	b->len = keep;
	return keep == bytes.len ? KVF_OK
				 : kvf_buf_append(b, bytes.ptr + keep, bytes.len - keep, err);
}

enum kvf_status kvf_marks_add(struct kvf_marks *m, const struct kvf_entry *e,
			      struct kvf_err *err)
{
	int moved = m->out.len ? !same(&m->part, e->part) : e->part.len != 0;
	size_t shared = shared_bytes(&m->key, e->key);
	enum kvf_status st;
	uint8_t *p;

	st = kvf_buf_reserve(&m->out, 3 * VARINT_MAX + e->part.len + e->key.len + KVF_MARK_HASH,
			     err);
	if (!st && moved)
		st = become(&m->part, e->part, 0, err);
	if (!st)
		st = become(&m->key, e->key, shared, err);
	if (st)
		return st;
	p = put_varint(m->out.ptr + m->out.len, 2 * (uint64_t)shared + (moved != 0));
	if (moved)
		p = put_bytes(p, e->part.ptr, e->part.len);
	p = put_bytes(p, e->key.ptr + shared, e->key.len - shared);
	kvf_mark_hash(e->value, p);
	m->out.len = (size_t)(p + KVF_MARK_HASH - m->out.ptr);
	return KVF_OK;
}

/* ---- reading ------------------------------------------------------------------ */

struct cursor {
	const uint8_t *p, *end;
};

static int get_varint(struct cursor *c, uint64_t *v)
{
	unsigned shift;

	*v = 0;
	for (shift = 0; c->p < c->end && shift < 63; shift += 7) {
		*v |= (uint64_t)(*c->p & 0x7f) << shift;
		if (*c->p++ < 0x80)
			return 1;
	}
	return 0;
}

static int get_bytes(struct cursor *c, struct kvf_bytes *b)
{
	uint64_t len;

	if (!get_varint(c, &len) || len > (uint64_t)(c->end - c->p))
		return 0;
	*b = (struct kvf_bytes){ c->p, (size_t)len };
	c->p += len;
	return 1;
}

/* Take a mark apart; 0 if it is none. */
static int parse(struct cursor *c, const struct kvf_mark *before, uint64_t *shared, int *moved,
		 struct kvf_bytes *part, struct kvf_bytes *suffix, const uint8_t **hash)
{
	if (!get_varint(c, shared))
		return 0;
	*moved = (int)(*shared & 1);
	*shared >>= 1;
	if (*shared > before->key_len || (*moved && !get_bytes(c, part)) ||
	    !get_bytes(c, suffix) || c->end - c->p < KVF_MARK_HASH)
		return 0;
	*hash = c->p;
	c->p += KVF_MARK_HASH;
	return (!*moved || part->len <= sizeof(before->part)) &&
	       *shared + suffix->len <= sizeof(before->key);
}

enum kvf_status kvf_marks_next(struct kvf_bytes marks, size_t *at, struct kvf_mark *mark,
			       struct kvf_err *err)
{
	struct cursor c = { marks.ptr + *at, marks.ptr + marks.len };
	struct kvf_bytes part = { NULL, 0 }, suffix;
	const uint8_t *hash;
	uint64_t shared;
	int moved;

	if (*at == 0)
		mark->part_len = mark->key_len = 0;
	if (*at >= marks.len)
		return KVF_EOF;
	if (!parse(&c, mark, &shared, &moved, &part, &suffix, &hash))
		return kvf_fail(err, KVF_ETARGET,
				"what the store keeps of the committed keys is damaged");
	if (moved) {
		mark->part_len = part.len;
		if (part.len)
			memcpy(mark->part, part.ptr, part.len);
	}
	if (suffix.len)
		memcpy(mark->key + shared, suffix.ptr, suffix.len);
	mark->key_len = (size_t)shared + suffix.len;
	memcpy(mark->hash, hash, KVF_MARK_HASH);
	*at = (size_t)(c.p - marks.ptr);
	return KVF_OK;
}
