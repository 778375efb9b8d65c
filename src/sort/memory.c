/*
 * memory - what is held of a run: the desk, and blocks of sorted records.
 *
 *   put -> desk (4 MiB, in the order of arrival) -> sorted -> block
 *                                                             block ...
 *
 * A gigabyte of records in random order that is sorted as a whole is read record
 * by record from all over the memory, which costs more than the sorting.  Blocks
 * are sorted in the cache and then read from front to end.
 */
#include "sort/merge.h"

#include <stdlib.h>
#include <sys/mman.h>

#define RECORD_USUAL 64 /* bytes: a desk has slots for so small ones */
#define LINE 64         /* bytes that the processor fetches at once ... */
#define FETCH_MOST 1024 /* ... and it goes on by itself */
#define PAGE 4096u

/* ---- blocks -------------------------------------------------------------------- */

static enum kvf_status grow(struct memory *m, struct kvf_err *err)
{
	size_t n = m->size ? m->size * 2 : 16;
	struct block *blocks;

	if (m->nblocks + m->nkept < m->size)
		return KVF_OK;
	blocks = realloc(m->blocks, n * sizeof(*blocks));
	if (!blocks)
		return kvf_fail_nomem(err);
	m->blocks = blocks;
	m->size = n;
	return KVF_OK;
}

/* Have the kernel give all pages at once that will be written, which takes two thirds of
 * what it takes one by one.  Only a wish. */
static void populate(uint8_t *p, size_t used)
{
#ifdef MADV_POPULATE_WRITE
	uintptr_t begin = ((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)p + used) & ~(uintptr_t)(PAGE - 1);

	if (begin < end)
		(void)madvise(p + (begin - (uintptr_t)p), end - begin, MADV_POPULATE_WRITE);
#else
	(void)p;
	(void)used;
#endif
}

/* A block of `size` bytes behind those that hold records, of which `used` will be; it
 * does not count yet. */
static enum kvf_status next_block(struct memory *m, size_t size, size_t used,
				  struct kvf_err *err)
{
	enum kvf_status st;
	struct block b;

	if (size == m->block && m->nkept > 0)
		return KVF_OK;
	st = grow(m, err);
	if (st)
		return st;
	memset(&b, 0, sizeof(b));
	b.size = size;
	b.ptr = malloc(size);
	if (!b.ptr)
		return kvf_fail_nomem(err);
	populate(b.ptr, used);
	memmove(m->blocks + m->nblocks + 1, m->blocks + m->nblocks,
		m->nkept * sizeof(*m->blocks));
	m->blocks[m->nblocks] = b;
	m->nkept++;
	return KVF_OK;
}

/* From now on it counts. */
static struct block *take_block(struct memory *m)
{
	struct block *b = &m->blocks[m->nblocks++];

	m->nkept--;
	m->held += b->size;
	return b;
}

size_t kvf_memory_note(struct memory *m)
{
	struct block *b = &m->blocks[m->nblocks - 1];
	const struct record *last;

	b->joins = 0;
	if (m->nblocks == 1)
		return SIZE_MAX;
	last = b[-1].last;
	b->joins = record_cmp(last, b->first) <= 0;
	return record_common(last, b->first);
}

enum kvf_status kvf_memory_large(struct memory *m, size_t size, struct record **out,
				 struct kvf_err *err)
{
	enum kvf_status st = next_block(m, size, size, err);
	struct block *b;

	if (st)
		return st;
	b = take_block(m);
	b->used = size;
	b->first = b->last = *out = (struct record *)(void *)b->ptr;
	return KVF_OK;
}

void kvf_memory_drop_first(struct memory *m)
{
	struct block first = m->blocks[0];

	m->held -= first.size;
	m->nblocks--;
	memmove(m->blocks, m->blocks + 1, (m->nblocks + m->nkept) * sizeof(*m->blocks));
	if (first.size != m->block)
		free(first.ptr);
	else
		m->blocks[m->nblocks + m->nkept++] = first;
	if (m->nblocks)
		m->blocks[0].joins = 0;
}

void kvf_memory_drop_blocks(struct memory *m, uint64_t most)
{
	size_t n = m->nblocks + m->nkept, i;

	m->nblocks = m->nkept = 0;
	for (i = 0; i < n; i++) {
		if (m->blocks[i].size != m->block || m->nkept >= most / m->block)
			free(m->blocks[i].ptr);
		else
			m->blocks[m->nkept++] = m->blocks[i];
	}
	m->held = 0;
}

void kvf_memory_reset(struct memory *m, uint64_t most)
{
	kvf_memory_drop_blocks(m, most);
	m->desk.used = m->desk.n = 0;
}

void kvf_memory_release(struct memory *m)
{
	size_t i;

	for (i = 0; i < m->nblocks + m->nkept; i++)
		free(m->blocks[i].ptr);
	free(m->blocks);
	free(m->desk.ptr);
	free(m->desk.slots);
	memset(m, 0, sizeof(*m));
}

/* ---- the desk ------------------------------------------------------------------- */

int kvf_desk_has_room(const struct memory *m, size_t size)
{
	const struct desk *d = &m->desk;

	return d->n == 0 ? size <= m->block : d->n < d->most && size <= m->block - d->used;
}

enum kvf_status kvf_desk_place(struct memory *m, size_t size, struct record **out,
			       struct kvf_err *err)
{
	struct desk *d = &m->desk;

	if (!d->ptr)
		d->ptr = malloc(m->block);
	if (!d->slots) {
		d->most = m->block / RECORD_USUAL;
		d->slots = malloc(d->most * sizeof(*d->slots));
	}
	if (!d->ptr || !d->slots)
		return kvf_fail_nomem(err);
	if (d->n == 0) {
		d->shared = SIZE_MAX;
		d->ascending = 1;
	}
	*out = d->slots[d->n++].rec = (struct record *)(void *)(d->ptr + d->used);
	d->used += size;
	return KVF_OK;
}

void kvf_desk_note(struct memory *m)
{
	struct desk *d = &m->desk;
	const struct record *last, *r;
	size_t common;

	if (d->n < 2)
		return;
	last = d->slots[d->n - 2].rec;
	r = d->slots[d->n - 1].rec;
	common = record_common(last, r);
	if (common < d->shared)
		d->shared = common;
	if (d->ascending && record_cmp_from(last, r, common) > 0)
		d->ascending = 0;
}

/* Lay the records down in their order. */
static void lay_down(const struct desk *d, struct block *b)
{
	uint8_t *to = b->ptr, *last = to;
	size_t i, size;

	for (i = 0; i < d->n; i++) {
		size = record_padded(record_size(d->slots[i].rec));
		memcpy(to, d->slots[i].rec, size);
		last = to;
		to += size;
	}
	b->last = (struct record *)(void *)last;
}

enum kvf_status kvf_desk_clear(struct memory *m, struct kvf_err *err)
{
	struct desk *d = &m->desk;
	enum kvf_status st;
	struct block *b;
	uint8_t *ptr;

	if (d->n == 0)
		return KVF_OK;
	st = next_block(m, m->block, d->used, err);
	if (st)
		return st;
	b = take_block(m);
	b->used = d->used;
	if (d->ascending && d->used > m->block / 2) { /* they lie as they should */
		b->last = d->slots[d->n - 1].rec;
		ptr = b->ptr;
		b->ptr = d->ptr;
		d->ptr = ptr;
	} else {
		if (!d->ascending)
			kvf_slots_sort(d->slots, d->n, d->shared);
		lay_down(d, b);
	}
	b->first = (struct record *)(void *)b->ptr;
	d->used = d->n = 0;
	return KVF_OK;
}

/* ---- reading --------------------------------------------------------------------- */

/* The record behind has its turn when those of the other blocks have had theirs: time
 * to fetch it, as if it were as large as this one. */
static void fetch_ahead(const uint8_t *p, size_t size)
{
	size_t i;

	for (i = 0; i < size && i < FETCH_MOST; i += LINE)
		__builtin_prefetch(p + i);
}

struct record *kvf_walk_next(struct walk *w)
{
	const struct block *b = w->mem->blocks + w->i;
	struct record *r;

	while (w->i < w->end && w->pos == b->used) {
		b++;
		w->i++;
		w->pos = 0;
	}
	if (w->i == w->end)
		return NULL;
	r = (struct record *)(void *)(b->ptr + w->pos);
	w->pos += record_padded(record_size(r));
	fetch_ahead(b->ptr + w->pos, record_size(r));
	return r;
}
