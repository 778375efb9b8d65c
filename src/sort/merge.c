/*
 * merge - several runs become one sequence.
 *
 * A heap of sources, the least record on top.  A source advances only when the
 * next record is asked for, so that the one handed out stays valid.  Among equal
 * keys the earlier run goes first, which is the order in which they were put.
 */
#include "sort/merge.h"

#include <stdlib.h>

/* ---- runs ------------------------------------------------------------------------ */

enum kvf_status kvf_runs_add(struct runs *runs, const struct extent *run, struct kvf_err *err)
{
	struct extent *list;
	size_t n;

	if (runs->n == runs->size) {
		n = runs->size ? runs->size * 2 : 16;
		list = realloc(runs->list, n * sizeof(*list));
		if (!list)
			return kvf_fail_nomem(err);
		runs->list = list;
		runs->size = n;
	}
	runs->list[runs->n++] = *run;
	return KVF_OK;
}

void kvf_runs_extend(struct runs *runs, const struct extent *run)
{
	runs->list[runs->n - 1].end = run->end;
}

void kvf_runs_release(struct runs *runs)
{
	free(runs->list);
	memset(runs, 0, sizeof(*runs));
}

/* ---- the heap ------------------------------------------------------------------------ */

struct source {
	struct record *rec; /* the current one */
	int in_memory;
	struct walk walk;
	struct spilled file;
};

struct merge {
	struct source *sources; /* in the order in which their runs were put */
	size_t nsources;
	unsigned heap[MERGE_FAN_IN + 1];
	size_t n;  /* in the heap */
	int begun; /* the top was handed out: advance it first */
};

static int source_less(const struct merge *m, unsigned a, unsigned b)
{
	int c = record_cmp(m->sources[a].rec, m->sources[b].rec);

	return c ? c < 0 : a < b;
}

static void sift_down(struct merge *m, size_t i)
{
	unsigned moving = m->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < m->n) {
		if (child + 1 < m->n && source_less(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (!source_less(m, m->heap[child], moving))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = moving;
}

/* Move a source on; rec is NULL at its end. */
static enum kvf_status advance(struct source *s, struct kvf_err *err)
{
	enum kvf_status st;

	if (s->in_memory) {
		s->rec = kvf_walk_next(&s->walk);
		return KVF_OK;
	}
	st = kvf_spilled_advance(&s->file, err);
	s->rec = s->file.rec;
	return st;
}

static enum kvf_status open_merge(struct merge *m, const struct extent *runs, size_t nruns,
				  struct spill *spill, const struct memory *mem,
				  struct kvf_err *err)
{
	enum kvf_status st;
	size_t i;

	m->sources = calloc(nruns + 1, sizeof(*m->sources));
	if (!m->sources)
		return kvf_fail_nomem(err);
	m->nsources = nruns + (mem != NULL);
	for (i = 0; i < m->nsources; i++) {
		struct source *s = &m->sources[i];

		if (i < nruns) {
			kvf_spilled_open(&s->file, spill, &runs[i]);
		} else {
			s->in_memory = 1;
			s->walk.mem = mem;
		}
		st = advance(s, err);
		if (st)
			return st;
		if (s->rec)
			m->heap[m->n++] = (unsigned)i;
	}
	for (i = m->n / 2; i > 0; i--)
		sift_down(m, i - 1);
	return KVF_OK;
}

void kvf_merge_free(struct merge *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->nsources; i++)
		kvf_spilled_release(&m->sources[i].file);
	free(m->sources);
	free(m);
}

enum kvf_status kvf_merge_next(struct merge *m, struct record **r, const uint8_t **value,
			       struct kvf_err *err)
{
	enum kvf_status st;
	struct source *s;

	if (m->begun && m->n > 0) {
		s = &m->sources[m->heap[0]];
		st = advance(s, err);
		if (st)
			return st;
		if (!s->rec)
			m->heap[0] = m->heap[--m->n];
		if (m->n > 1)
			sift_down(m, 0);
	}
	m->begun = 1;
	if (m->n == 0)
		return KVF_EOF;
	s = &m->sources[m->heap[0]];
	*r = s->rec;
	if (!s->in_memory)
		return kvf_spilled_value(&s->file, value, err);
	*value = (const uint8_t *)s->rec + record_head_size(s->rec);
	return KVF_OK;
}

/* ---- more runs than can be merged at once ------------------------------------------------ */

/* Merge `n` neighbours, from the i-th on, into one run in their place. */
static enum kvf_status merge_neighbours(struct runs *runs, size_t i, size_t n,
					struct spill *spill, struct kvf_err *err)
{
	struct merge *m = calloc(1, sizeof(*m));
	const uint8_t *value;
	struct record *r;
	struct extent run;
	enum kvf_status st;
	size_t k;

	if (!m)
		return kvf_fail_nomem(err);
	st = open_merge(m, runs->list + i, n, spill, NULL, err);
	while (!st) {
		st = kvf_merge_next(m, &r, &value, err);
		if (!st)
			st = kvf_spill_put(spill, r, value, err);
	}
	kvf_merge_free(m);
	if (st != KVF_EOF)
		return st;
	st = kvf_spill_end(spill, &run, err);
	if (st)
		return st;
	for (k = 0; k < n; k++)
		kvf_spill_discard(spill, &runs->list[i + k]);
	runs->list[i] = run;
	memmove(runs->list + i + 1, runs->list + i + n,
		(runs->n - i - n) * sizeof(*runs->list));
	runs->n -= n - 1;
	return KVF_OK;
}

/* Reduce the runs to `most`, reading no more of them than necessary, and none a
 * second time before all have been read once. */
static enum kvf_status reduce(struct runs *runs, size_t most, struct spill *spill,
			      struct kvf_err *err)
{
	enum kvf_status st;
	size_t i = 0, n;

	while (runs->n > most) {
		n = runs->n - most + 1;
		if (n > MERGE_FAN_IN)
			n = MERGE_FAN_IN;
		if (i + n > runs->n)
			i = 0;
		st = merge_neighbours(runs, i, n, spill, err);
		if (st)
			return st;
		i++;
	}
	return KVF_OK;
}

enum kvf_status kvf_merge_new(struct runs *runs, struct spill *spill, const struct memory *mem,
			      struct merge **out, struct kvf_err *err)
{
	size_t most = mem->n > 0 ? MERGE_FAN_IN - 1 : MERGE_FAN_IN;
	enum kvf_status st = reduce(runs, most, spill, err);
	struct merge *m;

	*out = NULL;
	if (st)
		return st;
	m = calloc(1, sizeof(*m));
	if (!m)
		return kvf_fail_nomem(err);
	st = open_merge(m, runs->list, runs->n, spill, mem, err);
	if (st) {
		kvf_merge_free(m);
		return st;
	}
	*out = m;
	return KVF_OK;
}
