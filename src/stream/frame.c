/* frame - hints, raw frames, the lists for seek table and index. */
#include "stream/frame.h"

#include "base/hash.h"

#include <string.h>

#define RAW_BLOCK_MAX 65536u

int kvf_frame_head_parse(const uint8_t *p, size_t len, struct kvf_frame_head *h)
{
	static const uint8_t id_bytes[4] = { 0, 1, 2, 4 };
	static const uint8_t size_bytes[4] = { 0, 2, 4, 8 };
	size_t at = 5, idn, fcsn, i;
	int single;

	if (len < 5)
		return len >= 4 && kvf_get_le32(p) != KVF_ZSTD_MAGIC ? -1 : 0;
	if (kvf_get_le32(p) != KVF_ZSTD_MAGIC || p[4] & 0x08)
		return -1;
	single = (p[4] & 0x20) != 0;
	idn = id_bytes[p[4] & 3];
	fcsn = size_bytes[p[4] >> 6];
	if (single && fcsn == 0)
		fcsn = 1;
	h->len = 5 + (single ? 0u : 1u) + idn + fcsn;
	if (len < h->len)
		return 0;
	h->checksum = (p[4] & 4) != 0;
	h->window = 0;
	if (!single) {
		unsigned exponent = p[at] >> 3;
		uint64_t base = UINT64_C(1) << (10 + exponent);

		h->window = base + base / 8 * (p[at] & 7);
		at++;
	}
	h->dictionary = 0;
	for (i = 0; i < idn; i++)
		h->dictionary |= p[at++] != 0;
	h->content = fcsn ? 0 : UINT64_MAX;
	for (i = 0; i < fcsn; i++)
		h->content |= (uint64_t)p[at + i] << (8 * i);
	if (fcsn == 2)
		h->content += 256;
	if (single)
		h->window = h->content;
	return 1;
}

void kvf_put_hint(uint8_t to[KVF_HINT_LEN], uint32_t size)
{
	kvf_put_le32(to, KVF_SKIP_MAGIC);
	kvf_put_le32(to + 4, 4);
	kvf_put_le32(to + 8, size);
}

enum kvf_status kvf_frame_raw(struct kvf_buf *buf, struct kvf_bytes unit, struct kvf_err *err)
{
	size_t blocks = unit.len ? (unit.len + RAW_BLOCK_MAX - 1) / RAW_BLOCK_MAX : 1;
	size_t at = 0, n;
	uint32_t head;
	enum kvf_status st;
	uint8_t *p;

	st = kvf_buf_reserve(buf, 9 + 3 * blocks + unit.len + 4, err);
	if (st)
		return st;
	p = buf->ptr + buf->len;
	kvf_put_le32(p, KVF_ZSTD_MAGIC);
	p[4] = 0xa4; /* four bytes of content size, single segment, checksum */
	kvf_put_le32(p + 5, (uint32_t)unit.len);
	p += 9;
	do {
		n = unit.len - at < RAW_BLOCK_MAX ? unit.len - at : RAW_BLOCK_MAX;
		head = (uint32_t)n << 3 | (at + n == unit.len);
		p[0] = (uint8_t)head;
		p[1] = (uint8_t)(head >> 8);
		p[2] = (uint8_t)(head >> 16);
		memcpy(p + 3, unit.ptr + at, n);
		p += 3 + n;
		at += n;
	} while (at < unit.len);
	kvf_put_le32(p, (uint32_t)kvf_xxh64(unit.ptr, unit.len));
	buf->len = (size_t)(p + 4 - buf->ptr);
	return KVF_OK;
}

size_t kvf_frame_raw_start(const uint8_t *p, size_t len, const uint8_t **content)
{
	struct kvf_frame_head h;
	uint32_t block;
	size_t n;

	if (kvf_frame_head_parse(p, len, &h) != 1 || len < h.len + 3)
		return 0;
	block = p[h.len] | (uint32_t)p[h.len + 1] << 8 | (uint32_t)p[h.len + 2] << 16;
	if ((block >> 1 & 3) != 0)
		return 0;
	n = block >> 3;
	*content = p + h.len + 3;
	return n < len - h.len - 3 ? n : len - h.len - 3;
}

void kvf_frame_list_init(struct kvf_frame_list *l)
{
	kvf_buf_init(&l->pairs, (size_t)8 * KVF_TABLE_FRAMES_MAX + 64);
	l->overflow = 0;
}

enum kvf_status kvf_frame_list_add(struct kvf_frame_list *l, size_t csize, size_t dsize,
				   struct kvf_err *err)
{
	uint8_t pair[8];

	if (l->overflow)
		return KVF_OK;
	if (l->pairs.len / 8 >= KVF_TABLE_FRAMES_MAX) {
		l->overflow = 1;
		kvf_buf_release(&l->pairs);
		return KVF_OK;
	}
	kvf_put_le32(pair, (uint32_t)csize);
	kvf_put_le32(pair + 4, (uint32_t)dsize);
	return kvf_buf_append(&l->pairs, pair, sizeof(pair), err);
}

/* KVFI | u32le 1 | u32le packages | packages x u64le chunks */
enum kvf_status kvf_frame_index(struct kvf_buf *buf, const uint64_t *chunks, size_t packages,
				struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_reserve(buf, 12 + 8 * packages, err);
	uint8_t *p;
	size_t i;

	if (st)
		return st;
	p = buf->ptr + buf->len;
	memcpy(p, "KVFI", 4);
	kvf_put_le32(p + 4, 1);
	kvf_put_le32(p + 8, (uint32_t)packages);
	for (i = 0, p += 12; i < packages; i++, p += 8) {
		kvf_put_le32(p, (uint32_t)chunks[i]);
		kvf_put_le32(p + 4, (uint32_t)(chunks[i] >> 32));
	}
	buf->len += 12 + 8 * packages;
	return KVF_OK;
}

int kvf_frame_index_parse(struct kvf_bytes payload, uint64_t *chunks, size_t packages)
{
	size_t i;

	if (payload.len != 12 + 8 * packages || memcmp(payload.ptr, "KVFI", 4) != 0 ||
	    kvf_get_le32(payload.ptr + 4) != 1 || kvf_get_le32(payload.ptr + 8) != packages)
		return 0;
	for (i = 0; i < packages; i++)
		chunks[i] = kvf_get_le32(payload.ptr + 12 + 8 * i) |
			    (uint64_t)kvf_get_le32(payload.ptr + 16 + 8 * i) << 32;
	return 1;
}
