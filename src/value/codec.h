/* codec - bytes as text: base64, base32hex, percent, UUIDs. */
#ifndef KVF_CODEC_H
#define KVF_CODEC_H

#include <kvferry/base.h>

#define KVF_UUID_TEXT 36

/* Each writes to `out`, which has room, and returns the length. */
static inline size_t kvf_base64_len(size_t n)
{
	return (n + 2) / 3 * 4;
}
static inline size_t kvf_base32hex_len(size_t n)
{
	return n / 5 * 8 + (n % 5 * 8 + 4) / 5;
}
static inline size_t kvf_urlencode_max(size_t n)
{
	return n * 3;
}
size_t kvf_base64(struct kvf_bytes in, char *out);    /* RFC 4648, padded */
size_t kvf_base32hex(struct kvf_bytes in, char *out); /* lower case, no padding */
size_t kvf_urlencode(struct kvf_bytes in, char *out); /* RFC 3986 unreserved stay */

/* 32 hex digits, with or without the four hyphens.  1 if it is one. */
int kvf_uuid_parse(struct kvf_bytes text, uint8_t out[16]);
/* "dns", "url", "oid", "x500" (RFC 9562, 6.6); 1 if known. */
int kvf_uuid_namespace(struct kvf_bytes name, uint8_t out[16]);
void kvf_uuid_format(const uint8_t uuid[16], char out[KVF_UUID_TEXT]);
/* UUIDv5 (RFC 9562, 5.5). */
void kvf_uuid5(const uint8_t ns[16], struct kvf_bytes name, uint8_t out[16]);

#endif
