/* mp - the msgpack profile: strict reading, resumable scanning, writing. */
#include "stream/mp.h"

#include "base/text.h"

static const char ends_inside[] = "an object ends beyond its unit";
static const char not_shortest[] = "a number or length is not in its shortest form";

/* `n` big-endian bytes behind the type byte. */
static int number(struct kvf_mp *m, size_t n, uint64_t *v)
{
	size_t i;

	if ((size_t)(m->end - m->at) < n + 1)
		return kvf_mp_fail(m, ends_inside);
	*v = 0;
	for (i = 1; i <= n; i++)
		*v = *v << 8 | m->at[i];
	return 1;
}

int kvf_mp_uint(struct kvf_mp *m, uint64_t *v)
{
	size_t n;

	*v = 0;
	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if (*m->at < 0x80) {
		*v = *m->at++;
		return 1;
	}
	if (*m->at < 0xcc || *m->at > 0xcf)
		return kvf_mp_fail(m, "not an unsigned integer");
	n = (size_t)1 << (*m->at - 0xcc);
	if (!number(m, n, v))
		return 0;
	if ((n == 1 && *v < 0x80) || (n > 1 && *v >> (4 * n) == 0))
		return kvf_mp_fail(m, not_shortest);
	m->at += n + 1;
	return 1;
}

/* The bytes behind a head of `skip` bytes that claims `len` of them. */
static int payload(struct kvf_mp *m, size_t skip, uint64_t len, size_t max, struct kvf_bytes *v)
{
	if (len > max)
		return kvf_mp_fail(m, "longer than the format allows");
	if (len > (size_t)(m->end - m->at) - skip)
		return kvf_mp_fail(m, ends_inside);
	v->ptr = m->at + skip;
	v->len = (size_t)len;
	m->at += skip + len;
	return 1;
}

int kvf_mp_bin(struct kvf_mp *m, size_t max, struct kvf_bytes *v)
{
	uint64_t len = 0;
	size_t n;

	v->ptr = m->at;
	v->len = 0;
	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if (*m->at < 0xc4 || *m->at > 0xc6)
		return kvf_mp_fail(m, "not a bin");
	n = (size_t)1 << (*m->at - 0xc4);
	if (!number(m, n, &len))
		return 0;
	if (n > 1 && len >> (4 * n) == 0)
		return kvf_mp_fail(m, not_shortest);
	return payload(m, n + 1, len, max, v);
}

int kvf_mp_str(struct kvf_mp *m, size_t max, struct kvf_bytes *v)
{
	uint64_t len = 0;
	size_t n;

	v->ptr = m->at;
	v->len = 0;
	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if (*m->at >= 0xa0 && *m->at <= 0xbf) {
		if (!payload(m, 1, *m->at & 0x1f, max, v))
			return 0;
	} else if (*m->at == 0xd9 || *m->at == 0xda) {
		n = *m->at == 0xd9 ? 1 : 2;
		if (!number(m, n, &len))
			return 0;
		if (len < (n == 1 ? 32u : 256u))
			return kvf_mp_fail(m, not_shortest);
		if (!payload(m, n + 1, len, max, v))
			return 0;
	} else {
		return kvf_mp_fail(m, "not a str");
	}
	if (kvf_utf8_valid(v->ptr, v->len) != v->len)
		return kvf_mp_fail(m, "a str is not valid UTF-8");
	return 1;
}

int kvf_mp_fixed(struct kvf_mp *m, void *to, size_t len)
{
	struct kvf_bytes v;

	if (!kvf_mp_bin(m, len, &v))
		return 0;
	if (v.len != len)
		return kvf_mp_fail(m, "a bin has the wrong length");
	memcpy(to, v.ptr, len);
	return 1;
}

int kvf_mp_text(struct kvf_mp *m, size_t max, struct kvf_bytes *v)
{
	size_t i;

	if (!kvf_mp_str(m, max, v))
		return 0;
	for (i = 0; i < v->len; i++)
		if (v->ptr[i] < 0x20 || v->ptr[i] == 0x7f ||
		    (v->ptr[i] == 0xc2 && v->ptr[i + 1] < 0xa0))
			return kvf_mp_fail(m, "a name has control characters");
	return 1;
}

int kvf_mp_array(struct kvf_mp *m, size_t max, size_t *n)
{
	uint64_t count = 0;

	*n = 0;
	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if (*m->at >= 0x90 && *m->at <= 0x9f) {
		count = *m->at & 0x0f;
		m->at++;
	} else if (*m->at == 0xdc) {
		if (!number(m, 2, &count))
			return 0;
		if (count < 16)
			return kvf_mp_fail(m, not_shortest);
		m->at += 3;
	} else {
		return kvf_mp_fail(m, "not an array");
	}
	if (count > max)
		return kvf_mp_fail(m, "more elements than the format allows");
	if (count > (size_t)(m->end - m->at)) /* each takes a byte at least */
		return kvf_mp_fail(m, ends_inside);
	*n = (size_t)count;
	return 1;
}

int kvf_mp_map_open(struct kvf_mp *m, struct kvf_mp_map *map)
{
	memset(map, 0, sizeof(*map));
	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if ((*m->at & 0xf0) != 0x80)
		return kvf_mp_fail(m, "not a map of at most 15 keys");
	map->left = *m->at++ & 0x0f;
	return 1;
}

int kvf_mp_map_next(struct kvf_mp *m, struct kvf_mp_map *map)
{
	struct kvf_bytes key;

	if (m->bad || map->left == 0)
		return 0;
	map->left--;
	if (m->at < m->end && (*m->at & 0xe0) != 0xa0)
		return kvf_mp_fail(m, "a key is not a short str");
	if (!kvf_mp_str(m, 31, &key))
		return 0;
	if (map->key.ptr && kvf_bytes_cmp(map->key, key) >= 0)
		return kvf_mp_fail(m, "the keys of a map do not ascend");
	map->key = key;
	return 1;
}

int kvf_mp_skip(struct kvf_mp *m, unsigned open)
{
	struct kvf_mp_map map;
	struct kvf_bytes v;
	uint64_t u;
	size_t n;

	if (m->bad)
		return 0;
	if (m->at == m->end)
		return kvf_mp_fail(m, ends_inside);
	if (*m->at < 0x80 || (*m->at >= 0xcc && *m->at <= 0xcf))
		return kvf_mp_uint(m, &u);
	if (*m->at >= 0xc4 && *m->at <= 0xc6)
		return kvf_mp_bin(m, SIZE_MAX, &v);
	if ((*m->at & 0xe0) == 0xa0 || *m->at == 0xd9 || *m->at == 0xda)
		return kvf_mp_str(m, SIZE_MAX, &v);
	if (open >= KVF_MP_DEPTH)
		return kvf_mp_fail(m, "more than 5 containers are open");
	if ((*m->at & 0xf0) == 0x80) {
		if (!kvf_mp_map_open(m, &map))
			return 0;
		while (kvf_mp_map_next(m, &map))
			if (!kvf_mp_skip(m, open + 1))
				return 0;
		return !m->bad;
	}
	if (!kvf_mp_array(m, SIZE_MAX, &n))
		return 0;
	while (n--)
		if (!kvf_mp_skip(m, open + 1))
			return 0;
	return 1;
}

/* ---- scanning -------------------------------------------------------------------- */

/*
 * The head at p[0..len): *head bytes long, followed by *bytes of payload or
 * *items of elements.  DONE, MORE or BAD.
 */
static enum kvf_mp_seen token(const uint8_t *p, size_t len, size_t *head, uint64_t *bytes,
			      uint64_t *items, int *container)
{
	uint64_t v = 0;
	size_t n = 0, i;

	*bytes = *items = 0;
	*head = 1;
	*container = 0;
	if (p[0] < 0x80)
		return KVF_MP_DONE;
	if (p[0] <= 0x9f) {
		*container = 1;
		*items = p[0] < 0x90 ? 2u * (p[0] & 0x0fu) : p[0] & 0x0fu;
		return KVF_MP_DONE;
	}
	if (p[0] <= 0xbf) {
		*bytes = p[0] & 0x1f;
		return KVF_MP_DONE;
	}
	switch (p[0]) {
	case 0xc4:
	case 0xcc:
	case 0xd9: n = 1; break;
	case 0xc5:
	case 0xcd:
	case 0xda:
	case 0xdc: n = 2; break;
	case 0xc6:
	case 0xce: n = 4; break;
	case 0xcf: n = 8; break;
	default: return KVF_MP_BAD;
	}
	if (len < n + 1)
		return KVF_MP_MORE;
	for (i = 1; i <= n; i++)
		v = v << 8 | p[i];
	*head = n + 1;
	if (p[0] == 0xdc) {
		*container = 1;
		*items = v;
	} else if (p[0] < 0xcc || p[0] > 0xcf) {
		*bytes = v;
	}
	return KVF_MP_DONE;
}

enum kvf_mp_seen kvf_mp_scan(struct kvf_mp_scan *s, const uint8_t *p, size_t len, size_t *pos,
			     size_t cap, const char **why)
{
	uint64_t bytes, items;
	size_t head;
	int container;

	for (;;) {
		if (*pos >= len)
			return KVF_MP_MORE;
		switch (token(p + *pos, len - *pos, &head, &bytes, &items, &container)) {
		case KVF_MP_DONE: break;
		case KVF_MP_MORE: return KVF_MP_MORE;
		case KVF_MP_BAD:
			*why = "a msgpack form that the stream does not use";
			return KVF_MP_BAD;
		}
		if (head + bytes > cap - *pos || items > cap - *pos) {
			*why = "an object is larger than its limit";
			return KVF_MP_BAD;
		}
		if (head + bytes > len - *pos)
			return KVF_MP_MORE;
		*pos += head + (size_t)bytes;
		if (s->depth)
			s->left[s->depth]--;
		if (container && items) {
			if (s->depth == KVF_MP_DEPTH) {
				*why = "more than 5 containers are open";
				return KVF_MP_BAD;
			}
			s->left[++s->depth] = (size_t)items;
		}
		while (s->depth && s->left[s->depth] == 0)
			s->depth--;
		if (s->depth == 0)
			return KVF_MP_DONE;
	}
}

/* ---- writing ---------------------------------------------------------------------- */

static void put(struct kvf_mpw *w, const void *bytes, size_t len)
{
	if (!w->st)
		w->st = kvf_buf_append(w->buf, bytes, len, w->err);
}

/* The type byte, then the low `n` bytes of v, big-endian. */
static void put_head(struct kvf_mpw *w, unsigned type, uint64_t v, size_t n)
{
	uint8_t b[9];
	size_t i;

	b[0] = (uint8_t)type;
	for (i = 0; i < n; i++)
		b[1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	put(w, b, n + 1);
}

void kvf_mpw_uint(struct kvf_mpw *w, uint64_t v)
{
	if (v < 0x80)
		put_head(w, (unsigned)v, 0, 0);
	else if (v <= 0xff)
		put_head(w, 0xcc, v, 1);
	else if (v <= 0xffff)
		put_head(w, 0xcd, v, 2);
	else if (v <= 0xffffffff)
		put_head(w, 0xce, v, 4);
	else
		put_head(w, 0xcf, v, 8);
}

void kvf_mpw_bin(struct kvf_mpw *w, const void *bytes, size_t len)
{
	uint8_t head[5];

	put(w, head, (size_t)(kvf_mp_put_bin(head, len) - head));
	put(w, bytes, len);
}

void kvf_mpw_str(struct kvf_mpw *w, const char *s)
{
	size_t len = strlen(s);

	if (len < 32)
		put_head(w, 0xa0 | (unsigned)len, 0, 0);
	else if (len <= 0xff)
		put_head(w, 0xd9, len, 1);
	else if (len <= 0xffff)
		put_head(w, 0xda, len, 2);
	else if (!w->st)
		w->st = kvf_fail(w->err, KVF_EREJECT, "a text is over 65,535 bytes");
	put(w, s, len);
}

void kvf_mpw_array(struct kvf_mpw *w, size_t n)
{
	if (n < 16)
		put_head(w, 0x90 | (unsigned)n, 0, 0);
	else if (n <= 0xffff)
		put_head(w, 0xdc, n, 2);
	else if (!w->st)
		w->st = kvf_fail(w->err, KVF_EREJECT, "a list of more than 65,535 elements");
}

void kvf_mpw_map(struct kvf_mpw *w, size_t n)
{
	put_head(w, 0x80 | (unsigned)n, 0, 0);
}
