/* protobuf - the proto3 wire format, written into a buffer. */
#include "value/protobuf.h"

#include "base/hash.h"

#include <string.h>

static size_t put_varint(uint8_t out[10], uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

enum kvf_status kvf_pb_varint(struct kvf_buf *b, uint64_t v, struct kvf_err *err)
{
	uint8_t text[10];

	return kvf_buf_append(b, text, put_varint(text, v), err);
}

enum kvf_status kvf_pb_tag(struct kvf_buf *b, uint32_t number, enum kvf_pb_wire wire,
			   struct kvf_err *err)
{
	return kvf_pb_varint(b, (uint64_t)number << 3 | (unsigned)wire, err);
}

enum kvf_status kvf_pb_fixed32(struct kvf_buf *b, uint32_t v, struct kvf_err *err)
{
	uint8_t p[4];

	kvf_put_le32(p, v);
	return kvf_buf_append(b, p, sizeof(p), err);
}

enum kvf_status kvf_pb_fixed64(struct kvf_buf *b, uint64_t v, struct kvf_err *err)
{
	uint8_t p[8];

	kvf_put_le32(p, (uint32_t)v);
	kvf_put_le32(p + 4, (uint32_t)(v >> 32));
	return kvf_buf_append(b, p, sizeof(p), err);
}

enum kvf_status kvf_pb_bytes(struct kvf_buf *b, uint32_t number, struct kvf_bytes bytes,
			     struct kvf_err *err)
{
	uint8_t head[20];
	size_t n = put_varint(head, (uint64_t)number << 3 | KVF_PB_LEN);
	enum kvf_status st;

	n += put_varint(head + n, bytes.len);
	if (bytes.len > SIZE_MAX - n) /* then it is over every cap */
		bytes.len = SIZE_MAX - n;
	st = kvf_buf_reserve(b, n + bytes.len, err);
	if (st)
		return st;
	memcpy(b->ptr + b->len, head, n);
	if (bytes.len)
		memcpy(b->ptr + b->len + n, bytes.ptr, bytes.len);
	b->len += n + bytes.len;
	return KVF_OK;
}

enum kvf_status kvf_pb_open(struct kvf_buf *b, uint32_t number, size_t *mark,
			    struct kvf_err *err)
{
	enum kvf_status st = kvf_pb_tag(b, number, KVF_PB_LEN, err);

	*mark = b->len;
	return st;
}

enum kvf_status kvf_pb_close(struct kvf_buf *b, size_t mark, struct kvf_err *err)
{
	size_t len = b->len - mark, n;
	uint8_t text[10];
	enum kvf_status st;

	n = put_varint(text, len);
	st = kvf_buf_reserve(b, n, err);
	if (st)
		return st;
	memmove(b->ptr + mark + n, b->ptr + mark, len);
	memcpy(b->ptr + mark, text, n);
	b->len += n;
	return KVF_OK;
}

enum kvf_status kvf_pb_timestamp(struct kvf_buf *b, int64_t seconds, int32_t nanos,
				 struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (seconds) {
		st = kvf_pb_tag(b, 1, KVF_PB_VARINT, err);
		if (!st)
			st = kvf_pb_varint(b, (uint64_t)seconds, err);
	}
	if (!st && nanos) {
		st = kvf_pb_tag(b, 2, KVF_PB_VARINT, err);
		if (!st)
			st = kvf_pb_varint(b, (uint64_t)(int64_t)nanos, err);
	}
	return st;
}

/* ---- reading ----------------------------------------------------------------- */

int kvf_pb_read_varint(struct kvf_bytes *b, uint64_t *v)
{
	unsigned shift;
	uint8_t c;

	*v = 0;
	for (shift = 0; shift < 64 && b->len; shift += 7) {
		c = *b->ptr++;
		b->len--;
		if (shift == 63 && c > 1)
			return 0;
		*v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return 1;
	}
	return 0;
}

int kvf_pb_read_fixed(struct kvf_bytes *b, size_t n, uint64_t *v)
{
	size_t i;

	if (b->len < n)
		return 0;
	for (*v = 0, i = 0; i < n; i++)
		*v |= (uint64_t)b->ptr[i] << 8 * i;
	b->ptr += n;
	b->len -= n;
	return 1;
}

int kvf_pb_next(struct kvf_bytes *b, struct kvf_pb_field *w)
{
	uint64_t tag, len;

	memset(w, 0, sizeof(*w));
	if (!kvf_pb_read_varint(b, &tag) || tag >> 3 == 0 || tag >> 3 >= 1u << 29)
		return 0;
	w->number = (uint32_t)(tag >> 3);
	w->type = (unsigned)tag & 7;
	switch (w->type) {
	case KVF_PB_VARINT: return kvf_pb_read_varint(b, &w->v);
	case KVF_PB_I64: return kvf_pb_read_fixed(b, 8, &w->v);
	case KVF_PB_I32: return kvf_pb_read_fixed(b, 4, &w->v);
	case KVF_PB_LEN:
		if (!kvf_pb_read_varint(b, &len) || len > b->len)
			return 0;
		w->b.ptr = b->ptr;
		w->b.len = (size_t)len;
		b->ptr += len;
		b->len -= (size_t)len;
		return 1;
	default: return 0;
	}
}
