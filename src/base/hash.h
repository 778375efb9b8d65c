/* hash - SHA-256 (libcrypto) and the encodings of integers that digests need. */
#ifndef KVF_HASH_H
#define KVF_HASH_H

#include <kvferry/base.h>

#define KVF_SHA256_LEN 32

/* One whole message. */
void kvf_sha256(const void *bytes, size_t len, uint8_t out[KVF_SHA256_LEN]);

/* In pieces.  Fixed size, no allocation; begin, update any number of times, end. */
struct kvf_sha256 {
	uint64_t opaque[16];
};
void kvf_sha256_begin(struct kvf_sha256 *h);
void kvf_sha256_update(struct kvf_sha256 *h, const void *bytes, size_t len);
void kvf_sha256_end(struct kvf_sha256 *h, uint8_t out[KVF_SHA256_LEN]);

/* One link of a chain: state = SHA-256(state | digest). */
void kvf_sha256_chain(uint8_t state[KVF_SHA256_LEN], const uint8_t digest[KVF_SHA256_LEN]);

/* XXH64 with seed 0, as zstd's content checksum needs it. */
uint64_t kvf_xxh64(const void *bytes, size_t len);

/* XXH3 of 64 bits, for what is compared with itself. */
uint64_t kvf_xxh3(const void *bytes, size_t len);

/* Lower-case hex of `len` bytes; out has room for 2 * len + 1. */
void kvf_hex(const void *bytes, size_t len, char *out);
/* The reverse; 0 if `text` is not exactly 2 * len hex digits, else 1. */
int kvf_unhex(const char *text, size_t textlen, void *out);

static inline void kvf_put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}
static inline void kvf_put_be64(uint8_t *p, uint64_t v)
{
	kvf_put_be32(p, (uint32_t)(v >> 32));
	kvf_put_be32(p + 4, (uint32_t)v);
}
static inline void kvf_put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}
static inline uint32_t kvf_get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t kvf_get_be64(const uint8_t *p)
{
	return (uint64_t)kvf_get_be32(p) << 32 | kvf_get_be32(p + 4);
}
static inline uint32_t kvf_get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
