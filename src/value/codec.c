/* codec - bytes as text: base64, base32hex, percent, UUIDs. */
#include "value/codec.h"

#include "base/hash.h"

#include <string.h>

size_t kvf_base64(struct kvf_bytes in, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, at = 0;

	for (i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t v = (uint32_t)in.ptr[i] << 16;

		if (left > 1)
			v |= (uint32_t)in.ptr[i + 1] << 8;
		if (left > 2)
			v |= in.ptr[i + 2];
		out[at++] = digits[v >> 18];
		out[at++] = digits[v >> 12 & 63];
		out[at++] = left > 1 ? digits[v >> 6 & 63] : '=';
		out[at++] = left > 2 ? digits[v & 63] : '=';
	}
	return at;
}

size_t kvf_base32hex(struct kvf_bytes in, char *out)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t i, at = 0;

	for (i = 0; i < in.len; i++) {
		acc = (acc << 8 | in.ptr[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			out[at++] = digits[acc >> (bits - 5) & 31];
	}
	if (bits)
		out[at++] = digits[acc << (5 - bits) & 31];
	return at;
}

size_t kvf_urlencode(struct kvf_bytes in, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i, at = 0;

	for (i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~') {
			out[at++] = (char)c;
		} else {
			out[at++] = '%';
			out[at++] = digits[c >> 4];
			out[at++] = digits[c & 15];
		}
	}
	return at;
}

int kvf_uuid_parse(struct kvf_bytes text, uint8_t out[16])
{
	char hex[32];
	size_t i, n = 0;

	if (text.len == 32)
		return kvf_unhex((const char *)text.ptr, 32, out);
	if (text.len != KVF_UUID_TEXT)
		return 0;
	for (i = 0; i < text.len; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text.ptr[i] != '-')
				return 0;
		} else {
			hex[n++] = (char)text.ptr[i];
		}
	}
	return kvf_unhex(hex, n, out);
}

int kvf_uuid_namespace(struct kvf_bytes name, uint8_t out[16])
{
	/* 6ba7b810 and so on: they differ in the fourth byte. */
	static const char *const names[] = { "dns", "url", "oid", NULL, "x500" };
	size_t i;

	for (i = 0; i < 5; i++)
		if (names[i] && kvf_bytes_cmp(name, kvf_bytes_str(names[i])) == 0)
			return kvf_unhex("6ba7b8109dad11d180b400c04fd430c8", 32, out) &&
			       (out[3] = (uint8_t)(0x10 + i), 1);
	return 0;
}

void kvf_uuid_format(const uint8_t uuid[16], char out[KVF_UUID_TEXT])
{
	char hex[33];

	kvf_hex(uuid, 16, hex);
	memcpy(out, hex, 8);
	memcpy(out + 9, hex + 8, 4);
	memcpy(out + 14, hex + 12, 4);
	memcpy(out + 19, hex + 16, 4);
	memcpy(out + 24, hex + 20, 12);
	out[8] = out[13] = out[18] = out[23] = '-';
}

/*
 * SHA-1 (FIPS 180-4), for UUIDv5 only.  libcrypto's allocates a context for
 * each message, and there is one message per row here.
 */
static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
	unsigned i;

	for (i = 0; i < 16; i++)
		w[i] = kvf_get_be32(block + 4 * (size_t)i);
	for (; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (i = 0; i < 80; i++) {
		uint32_t f, k, t;

		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (i < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (i < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		t = rotate(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

struct sha1 {
	uint32_t h[5];
	uint8_t block[64];
	uint64_t len;
};

static void sha1_update(struct sha1 *s, const uint8_t *p, size_t len)
{
	while (len) {
		size_t at = (size_t)(s->len & 63), n = 64 - at;

		if (n > len)
			n = len;
		memcpy(s->block + at, p, n);
		p += n;
		len -= n;
		s->len += n;
		if (at + n == 64)
			sha1_block(s->h, s->block);
	}
}

static void sha1_end(struct sha1 *s, uint8_t out[20])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = s->len * 8;
	uint8_t length[8];
	size_t i;

	sha1_update(s, padding, 1 + (size_t)((119 - (s->len & 63)) & 63));
	kvf_put_be64(length, bits);
	sha1_update(s, length, 8);
	for (i = 0; i < 5; i++)
		kvf_put_be32(out + 4 * i, s->h[i]);
}

void kvf_uuid5(const uint8_t ns[16], struct kvf_bytes name, uint8_t out[16])
{
	struct sha1 s = { { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 },
			  { 0 },
			  0 };
	uint8_t digest[20];

	sha1_update(&s, ns, 16);
	sha1_update(&s, name.ptr, name.len);
	sha1_end(&s, digest);
	memcpy(out, digest, 16);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x50);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}
