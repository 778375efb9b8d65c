/* msgpack_pack - values into a buffer, by msgpack-c. */
#include "value/msgpack.h"

#include "base/text.h"

#include <msgpack.h>

#include <string.h>

/* msgpack-c's way out: 0, or negative once something has failed. */
static int append(void *data, const char *bytes, size_t len)
{
	struct kvf_pack *p = data;
	struct kvf_buf *b = p->buf;

	if (p->st)
		return -1;
	if (len > b->size - b->len)
		p->st = kvf_buf_reserve(b, len, p->err);
	if (p->st)
		return -1;
	if (len)
		memcpy(b->ptr + b->len, bytes, len);
	b->len += len;
	return 0;
}

static msgpack_packer packer(struct kvf_pack *p)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, p, append);
	return pk;
}

/* A length has 32 bits in msgpack. */
static int fits(struct kvf_pack *p, size_t n)
{
	if (!p->st && n > UINT32_MAX)
		p->st = kvf_fail(p->err, KVF_EREJECT,
				 "more than %u bytes or members in one value", UINT32_MAX);
	return !p->st;
}

void kvf_pack_init(struct kvf_pack *p, struct kvf_buf *buf, struct kvf_err *err)
{
	p->buf = buf;
	p->err = err;
	p->st = KVF_OK;
}

void kvf_pack_nil(struct kvf_pack *p)
{
	msgpack_packer pk = packer(p);

	msgpack_pack_nil(&pk);
}

void kvf_pack_bool(struct kvf_pack *p, int64_t v)
{
	msgpack_packer pk = packer(p);

	if (v)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
}

void kvf_pack_int(struct kvf_pack *p, int64_t v)
{
	msgpack_packer pk = packer(p);

	msgpack_pack_int64(&pk, v);
}

void kvf_pack_uint(struct kvf_pack *p, uint64_t v)
{
	msgpack_packer pk = packer(p);

	msgpack_pack_uint64(&pk, v);
}

void kvf_pack_real(struct kvf_pack *p, double v)
{
	msgpack_packer pk = packer(p);

	msgpack_pack_double(&pk, v);
}

void kvf_pack_str(struct kvf_pack *p, struct kvf_bytes b)
{
	msgpack_packer pk = packer(p);

	if (!fits(p, b.len))
		return;
	msgpack_pack_str(&pk, b.len);
	append(p, (const char *)b.ptr, b.len);
}

void kvf_pack_bin(struct kvf_pack *p, struct kvf_bytes b)
{
	msgpack_packer pk = packer(p);

	if (!fits(p, b.len))
		return;
	msgpack_pack_bin(&pk, b.len);
	append(p, (const char *)b.ptr, b.len);
}

void kvf_pack_ext(struct kvf_pack *p, int type, struct kvf_bytes b)
{
	msgpack_packer pk = packer(p);

	if (!fits(p, b.len))
		return;
	msgpack_pack_ext(&pk, b.len, (int8_t)type);
	append(p, (const char *)b.ptr, b.len);
}

void kvf_pack_array(struct kvf_pack *p, size_t n)
{
	msgpack_packer pk = packer(p);

	if (fits(p, n))
		msgpack_pack_array(&pk, n);
}

void kvf_pack_map(struct kvf_pack *p, size_t n)
{
	msgpack_packer pk = packer(p);

	if (fits(p, n))
		msgpack_pack_map(&pk, n);
}

void kvf_pack_text(struct kvf_pack *p, struct kvf_bytes b)
{
	if (kvf_utf8_valid(b.ptr, b.len) == b.len)
		kvf_pack_str(p, b);
	else
		kvf_pack_ext(p, KVF_EXT_TEXT, b);
}

void kvf_pack_cell(struct kvf_pack *p, const struct kvf_cell *cell)
{
	switch (cell->type) {
	case KVF_CELL_NULL: kvf_pack_nil(p); return;
	case KVF_CELL_INT: kvf_pack_int(p, cell->u.i); return;
	case KVF_CELL_REAL: kvf_pack_real(p, cell->u.r); return;
	case KVF_CELL_TEXT: kvf_pack_text(p, cell->u.b); return;
	case KVF_CELL_BLOB: kvf_pack_bin(p, cell->u.b); return;
	case KVF_CELL_BOOL: kvf_pack_bool(p, cell->u.i); return;
	}
	p->st = kvf_fail(p->err, KVF_EINTERNAL, "a cell of unknown type %d", (int)cell->type);
}

/* ---- cells without questions --------------------------------------------------- */

/* msgpack-c's way out, where there is room. */
static int append_at(void *data, const char *bytes, size_t len)
{
	uint8_t **to = data;

	memcpy(*to, bytes, len);
	*to += len;
	return 0;
}

static uint8_t *put_be(uint8_t *to, uint8_t head, size_t len, int bytes)
{
	*to++ = head;
	while (bytes-- > 0)
		*to++ = (uint8_t)(len >> 8 * bytes);
	return to;
}

/* A length in as few bytes as it has: `head` is the type for one. */
static uint8_t *put_length(uint8_t *to, uint8_t head, size_t len)
{
	if (len <= UINT8_MAX)
		return put_be(to, head, len, 1);
	if (len <= UINT16_MAX)
		return put_be(to, head + 1, len, 2);
	return put_be(to, head + 2, len, 4);
}

static uint8_t *put_bytes(uint8_t *to, struct kvf_bytes b)
{
	if (b.len)
		memcpy(to, b.ptr, b.len);
	return to + b.len;
}

static uint8_t *put_text(uint8_t *to, struct kvf_bytes b)
{
	msgpack_packer pk;

	if (kvf_utf8_valid(b.ptr, b.len) != b.len) {
		msgpack_packer_init(&pk, &to, append_at);
		msgpack_pack_ext(&pk, b.len, KVF_EXT_TEXT);
	} else if (b.len < 32) {
		*to++ = (uint8_t)(0xa0 | b.len);
	} else {
		to = put_length(to, 0xd9, b.len);
	}
	return put_bytes(to, b);
}

uint8_t *kvf_pack_cell_at(uint8_t *to, const struct kvf_cell *cell)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, &to, append_at);
	switch (cell->type) {
	case KVF_CELL_NULL: *to++ = 0xc0; break;
	case KVF_CELL_INT: msgpack_pack_int64(&pk, cell->u.i); break;
	case KVF_CELL_REAL: msgpack_pack_double(&pk, cell->u.r); break;
	case KVF_CELL_TEXT: return put_text(to, cell->u.b);
	case KVF_CELL_BLOB: return put_bytes(put_length(to, 0xc4, cell->u.b.len), cell->u.b);
	case KVF_CELL_BOOL: *to++ = cell->u.i ? 0xc3 : 0xc2; break;
	}
	return to;
}

void kvf_pack_raw(struct kvf_pack *p, const void *bytes, size_t len)
{
	append(p, bytes, len);
}
