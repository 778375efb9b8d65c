/* scratch - memory for the length of one row. */
#include "value/scratch.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct kvf_scratch_block {
	struct kvf_scratch_block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

static size_t aligned(size_t n)
{
	return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void kvf_scratch_init(struct kvf_scratch *s, size_t cap)
{
	memset(s, 0, sizeof(*s));
	s->cap = cap;
}

static void free_blocks(struct kvf_scratch *s)
{
	while (s->head) {
		struct kvf_scratch_block *next = s->head->next;

		free(s->head);
		s->head = next;
	}
	s->held = 0;
}

void kvf_scratch_release(struct kvf_scratch *s)
{
	if (s)
		free_blocks(s);
}

static struct kvf_scratch_block *add_block(struct kvf_scratch *s, size_t size)
{
	struct kvf_scratch_block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = s->head;
	b->size = size;
	b->used = 0;
	s->head = b;
	s->held += size;
	return b;
}

void kvf_scratch_reset(struct kvf_scratch *s)
{
	size_t all = s->held;

	if (!s->head)
		return;
	if (s->head->next) {
		/* Without memory for the one block, the next row asks again. */
		free_blocks(s);
		add_block(s, all);
	} else {
		s->head->used = 0;
	}
}

enum kvf_status kvf_scratch_alloc(struct kvf_scratch *s, size_t size, void **out,
				  struct kvf_err *err)
{
	struct kvf_scratch_block *b = s->head;
	size_t need, block;

	if (size > s->cap || aligned(size) > s->cap)
		return kvf_fail(err, KVF_EREJECT,
				"the row needs more than %zu bytes of scratch", s->cap);
	need = aligned(size);
	if (!b || need > b->size - b->used) {
		block = s->held > 4096 ? s->held : 4096;
		if (block < need)
			block = need;
		if (block > s->cap - s->held)
			block = s->cap - s->held;
		if (block < need)
			return kvf_fail(err, KVF_EREJECT,
					"the row needs more than %zu bytes of scratch", s->cap);
		b = add_block(s, block);
		if (!b)
			return kvf_fail_nomem(err);
	}
	*out = b->data + b->used;
	b->used += need;
	return KVF_OK;
}

void kvf_scratch_trim(struct kvf_scratch *s, const void *latest, size_t used)
{
	struct kvf_scratch_block *b = s->head;
	size_t at = (size_t)((const uint8_t *)latest - b->data);

	b->used = at + aligned(used);
}
