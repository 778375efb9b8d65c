/*
 * mp - the msgpack profile of the stream: one byte string for each datum.
 *
 * Only uint, bin, str, array and map exist, each in its shortest form.  The
 * reading half is a cursor over a whole unit: it never allocates, and compares
 * every count and length with its limit and with the bytes that are left
 * before it believes them.  A failure is sticky, `bad` says why and `at` where.
 */
#ifndef KVF_MP_H
#define KVF_MP_H

#include <kvferry/base.h>

#include "base/buf.h"

#include <string.h>

#define KVF_MP_DEPTH 5 /* containers open at once */
#define KVF_MP_KEYS 15 /* fixmap only */

/* ---- reading --------------------------------------------------------------- */

struct kvf_mp {
	const uint8_t *at, *end;
	const char *bad; /* static text, or NULL while all is well */
};

static inline struct kvf_mp kvf_mp_over(const uint8_t *p, size_t len)
{
	struct kvf_mp m = { p, p + len, NULL };

	return m;
}

/* Remember the first failure; always 0. */
static inline int kvf_mp_fail(struct kvf_mp *m, const char *why)
{
	if (!m->bad)
		m->bad = why;
	return 0;
}

/* Each returns 1, or 0 after a failure.  Views point into the unit. */
int kvf_mp_uint(struct kvf_mp *m, uint64_t *v);
int kvf_mp_bin(struct kvf_mp *m, size_t max, struct kvf_bytes *v);
int kvf_mp_str(struct kvf_mp *m, size_t max, struct kvf_bytes *v);
int kvf_mp_array(struct kvf_mp *m, size_t max, size_t *n);
/* A bin of exactly `len` bytes, copied. */
int kvf_mp_fixed(struct kvf_mp *m, void *to, size_t len);
/* A str without control characters. */
int kvf_mp_text(struct kvf_mp *m, size_t max, struct kvf_bytes *v);

/* A map, whose keys must ascend.  _next is 0 at the end and after a failure. */
struct kvf_mp_map {
	size_t left;
	struct kvf_bytes key; /* the current key */
};
int kvf_mp_map_open(struct kvf_mp *m, struct kvf_mp_map *map);
int kvf_mp_map_next(struct kvf_mp *m, struct kvf_mp_map *map);
static inline int kvf_mp_key_is(const struct kvf_mp_map *map, const char *name)
{
	return map->key.len == strlen(name) && memcmp(map->key.ptr, name, map->key.len) == 0;
}
/* Pass over a value that may be ignored; `open` containers are open around it. */
int kvf_mp_skip(struct kvf_mp *m, unsigned open);

/*
 * One bin of an entry, the hot path: NULL if it is not in its shortest form or
 * goes beyond `end`.
 */
static inline const uint8_t *kvf_mp_entry_bin(const uint8_t *p, const uint8_t *end,
					      struct kvf_bytes *v)
{
	size_t left = (size_t)(end - p), n;

	if (left < 2)
		return NULL;
	if (p[0] == 0xc4) {
		n = p[1];
		p += 2;
		left -= 2;
	} else if (p[0] == 0xc5 && left >= 3) {
		n = (size_t)p[1] << 8 | p[2];
		if (n < 256)
			return NULL;
		p += 3;
		left -= 3;
	} else if (p[0] == 0xc6 && left >= 5) {
		n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
		if (n < 65536)
			return NULL;
		p += 5;
		left -= 5;
	} else {
		return NULL;
	}
	if (n > left)
		return NULL;
	v->ptr = p;
	v->len = n;
	return p + n;
}

/* ---- finding the end of an object in bytes that still arrive ---------------- */

/* Where the scan of one object stands; zero it for the next one. */
struct kvf_mp_scan {
	size_t left[KVF_MP_DEPTH + 1]; /* elements still to come, by depth */
	unsigned depth;
};
enum kvf_mp_seen { KVF_MP_DONE, KVF_MP_MORE, KVF_MP_BAD };

/*
 * Go on from *pos in p[0..len).  DONE: *pos is behind the object.  MORE: the
 * bytes end inside it.  BAD: a form outside the profile, or a length that
 * leads beyond `cap`; *why says which.  Not every rule is checked: whoever
 * reads the object does that.
 */
enum kvf_mp_seen kvf_mp_scan(struct kvf_mp_scan *s, const uint8_t *p, size_t len, size_t *pos,
			     size_t cap, const char **why);

/* ---- writing ------------------------------------------------------------------ */

/* Appends to `buf`; the first failure stays in `st` and fills `err`. */
struct kvf_mpw {
	struct kvf_buf *buf;
	enum kvf_status st;
	struct kvf_err *err;
};
void kvf_mpw_uint(struct kvf_mpw *w, uint64_t v);
void kvf_mpw_bin(struct kvf_mpw *w, const void *bytes, size_t len);
void kvf_mpw_str(struct kvf_mpw *w, const char *s);
void kvf_mpw_array(struct kvf_mpw *w, size_t n);
void kvf_mpw_map(struct kvf_mpw *w, size_t n); /* n <= KVF_MP_KEYS */

/* The head of a bin of `n` bytes; returns the place behind it (at most 5 on). */
static inline uint8_t *kvf_mp_put_bin(uint8_t *p, size_t n)
{
	if (n < 256) {
		*p++ = 0xc4;
	} else if (n < 65536) {
		*p++ = 0xc5;
		*p++ = (uint8_t)(n >> 8);
	} else {
		*p++ = 0xc6;
		*p++ = (uint8_t)(n >> 24);
		*p++ = (uint8_t)(n >> 16);
		*p++ = (uint8_t)(n >> 8);
	}
	*p++ = (uint8_t)n;
	return p;
}

#endif
