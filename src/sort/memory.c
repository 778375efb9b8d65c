/* memory - the run that is being filled: blocks of records. */
#include "sort/merge.h"

#include <stdlib.h>

#define AHEAD 8 /* records */

static enum kvf_status add_block(struct memory *m, size_t size, struct kvf_err *err)
{
	struct block *blocks;
	size_t n;

	if (m->nblocks == m->size) {
		n = m->size ? m->size * 2 : 16;
		blocks = realloc(m->blocks, n * sizeof(*blocks));
		if (!blocks)
			return kvf_fail_nomem(err);
		m->blocks = blocks;
		m->size = n;
	}
	m->blocks[m->nblocks].ptr = malloc(size);
	if (!m->blocks[m->nblocks].ptr)
		return kvf_fail_nomem(err);
	m->blocks[m->nblocks].size = size;
	m->blocks[m->nblocks].used = 0;
	m->blocks[m->nblocks].n = 0;
	m->nblocks++;
	return KVF_OK;
}

enum kvf_status kvf_memory_alloc(struct memory *m, size_t block, size_t size,
				 struct record **out, uint64_t *used, struct kvf_err *err)
{
	enum kvf_status st;
	struct block *b;

	while (m->current < m->nblocks) {
		b = &m->blocks[m->current];
		if (size <= b->size - b->used)
			break;
		*used += b->size - b->used;
		m->current++;
	}
	if (m->current == m->nblocks) {
		st = add_block(m, size > block ? size : block, err);
		if (st)
			return st;
	}
	b = &m->blocks[m->current];
	*out = (struct record *)(void *)(b->ptr + b->used);
	b->used += size;
	b->n++;
	m->n++;
	*used += size + sizeof(struct slot);
	return KVF_OK;
}

enum kvf_status kvf_memory_index(struct memory *m, struct kvf_err *err)
{
	struct walk w = { .mem = m };
	struct slot *index = malloc(m->n * sizeof(*index));
	struct record *r;
	size_t i = 0;

	if (!index)
		return kvf_fail_nomem(err);
	while ((r = kvf_walk_next(&w)))
		index[i++].rec = r;
	m->index = index;
	return KVF_OK;
}

void kvf_memory_drop_first(struct memory *m, size_t block, uint64_t *used)
{
	struct block first = m->blocks[0];

	*used -= first.size + first.n * sizeof(struct slot);
	m->n -= first.n;
	m->current--;
	memmove(m->blocks, m->blocks + 1, (m->nblocks - 1) * sizeof(*m->blocks));
	if (first.size > block) {
		free(first.ptr);
		m->nblocks--;
		return;
	}
	first.used = 0;
	first.n = 0;
	m->blocks[m->nblocks - 1] = first;
}

void kvf_memory_reset(struct memory *m, size_t block, uint64_t most)
{
	size_t i, kept = 0;

	free(m->index);
	m->index = NULL;
	for (i = 0; i < m->nblocks; i++) {
		if (m->blocks[i].size > block || kept >= most / block) {
			free(m->blocks[i].ptr);
			continue;
		}
		m->blocks[i].used = 0;
		m->blocks[i].n = 0;
		m->blocks[kept++] = m->blocks[i];
	}
	m->nblocks = kept;
	m->current = 0;
	m->n = 0;
}

void kvf_memory_release(struct memory *m)
{
	kvf_memory_reset(m, 1, 0);
	free(m->blocks);
	m->blocks = NULL;
	m->size = 0;
}

struct record *kvf_walk_next(struct walk *w)
{
	const struct memory *m = w->mem;
	struct record *r;

	if (m->index) {
		if (w->i + AHEAD < m->n) /* they lie scattered: be early */
			__builtin_prefetch(m->index[w->i + AHEAD].rec);
		return w->i < m->n ? m->index[w->i++].rec : NULL;
	}
	while (w->i < m->nblocks && w->pos == m->blocks[w->i].used) {
		w->i++;
		w->pos = 0;
	}
	if (w->i == m->nblocks)
		return NULL;
	r = (struct record *)(void *)(m->blocks[w->i].ptr + w->pos);
	w->pos += record_padded(record_size(r));
	return r;
}
