/* buf - growing buffers and arenas. */
#include "base/buf.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kvf_buf_init(struct kvf_buf *b, size_t cap)
{
	memset(b, 0, sizeof(*b));
	b->cap = cap;
}

void kvf_buf_release(struct kvf_buf *b)
{
	if (!b)
		return;
	free(b->ptr);
	kvf_buf_init(b, b->cap);
}

void kvf_buf_swap(struct kvf_buf *a, struct kvf_buf *b)
{
	struct kvf_buf t = *a;

	*a = *b;
	*b = t;
	b->cap = a->cap;
	a->cap = t.cap;
}

enum kvf_status kvf_buf_reserve(struct kvf_buf *b, size_t more, struct kvf_err *err)
{
	size_t size;
	uint8_t *p;

	if (more <= b->size - b->len)
		return KVF_OK;
	if (more > b->cap - b->len)
		return kvf_fail(err, KVF_EREJECT, "more than %zu bytes", b->cap);
	size = b->size ? b->size : 256;
	while (size < b->len + more && size <= b->cap / 2)
		size *= 2;
	if (size < b->len + more || size > b->cap)
		size = b->cap;
	p = realloc(b->ptr, size);
	if (!p)
		return kvf_fail_nomem(err);
	b->ptr = p;
	b->size = size;
	return KVF_OK;
}

enum kvf_status kvf_buf_append(struct kvf_buf *b, const void *bytes, size_t len,
			       struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_reserve(b, len, err);

	if (st)
		return st;
	if (len)
		memcpy(b->ptr + b->len, bytes, len);
	b->len += len;
	return KVF_OK;
}

enum kvf_status kvf_buf_printf(struct kvf_buf *b, struct kvf_err *err, const char *fmt, ...)
{
	enum kvf_status st;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return kvf_fail(err, KVF_EINTERNAL, "cannot format a text");
	st = kvf_buf_reserve(b, (size_t)n + 1, err);
	if (st)
		return st;
	va_start(ap, fmt);
	vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return KVF_OK;
}

struct kvf_arena_block {
	struct kvf_arena_block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

void kvf_arena_init(struct kvf_arena *a)
{
	memset(a, 0, sizeof(*a));
}

static void free_blocks(struct kvf_arena_block *b)
{
	while (b) {
		struct kvf_arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void kvf_arena_release(struct kvf_arena *a)
{
	if (!a)
		return;
	free_blocks(a->head);
	kvf_arena_init(a);
}

void kvf_arena_reset(struct kvf_arena *a)
{
	if (a->head) {
		free_blocks(a->head->next);
		a->head->next = NULL;
		a->head->used = 0;
	}
	a->used = 0;
}

void *kvf_arena_alloc(struct kvf_arena *a, size_t size)
{
	struct kvf_arena_block *b = a->head;
	size_t need, block;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!b || need > b->size - b->used) {
		block = b ? b->size * 2 : 4096;
		if (block > (1u << 20))
			block = 1u << 20;
		if (block < need)
			block = need;
		b = malloc(sizeof(*b) + block);
		if (!b)
			return NULL;
		b->size = block;
		b->used = 0;
		b->next = a->head;
		a->head = b;
	}
	p = b->data + b->used;
	b->used += need;
	a->used += need;
	return p;
}

void *kvf_arena_zalloc(struct kvf_arena *a, size_t size)
{
	void *p = kvf_arena_alloc(a, size);

	if (p)
		memset(p, 0, size);
	return p;
}

char *kvf_arena_strndup(struct kvf_arena *a, const void *p, size_t len)
{
	char *s = len < SIZE_MAX ? kvf_arena_alloc(a, len + 1) : NULL;

	if (!s)
		return NULL;
	if (len)
		memcpy(s, p, len);
	s[len] = '\0';
	return s;
}

char *kvf_arena_strdup(struct kvf_arena *a, const char *s)
{
	return kvf_arena_strndup(a, s, strlen(s));
}

char *kvf_arena_printf(struct kvf_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	s = kvf_arena_alloc(a, (size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
