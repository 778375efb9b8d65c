/*
 * merge - several runs become one sequence.
 *
 * A tree of losers: each inner node keeps the source that lost there, so that the
 * next record of the winner meets one opponent a level.  A source advances only
 * when the next record is asked for, so that the one handed out stays valid.  Among
 * equal keys the earlier run goes first, which is the order in which they were put.
 */
#include "sort/merge.h"

#include <limits.h>
#include <stdlib.h>

#define NOBODY UINT_MAX

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

/* ---- the tree ------------------------------------------------------------------------ */

struct source {
	int in_memory;
	struct walk walk;
	struct spilled file;
};

/* The record that a source stands at: eight of its bytes decide most comparisons. */
struct head {
	uint64_t prefix;
	struct record *rec; /* NULL at its end */
};

struct merge {
	struct source *sources; /* in the order in which their records were put */
	struct head *heads;     /* of them */
	unsigned *losers;       /* [1] to [n - 1] */
	unsigned n, winner;
	size_t shared; /* ordering bytes that all records have in common */
	int begun;     /* the winner was handed out: advance it first */
};

static int head_less(const struct merge *m, unsigned a, unsigned b)
{
	const struct head *x = &m->heads[a], *y = &m->heads[b];
	int c;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix;
	if (!x->rec || !y->rec)
		return x->rec ? 1 : y->rec ? 0 : a < b;
	c = record_cmp_from(x->rec, y->rec, m->shared);
	return c ? c < 0 : a < b;
}

/* Let a source play its way up; who loses stays there, for the next one. */
static void play(struct merge *m, unsigned i)
{
	unsigned node, other;

	for (node = (i + m->n) / 2; node > 0; node /= 2) {
		other = m->losers[node];
		if (other == NOBODY) { /* at the beginning: wait for somebody */
			m->losers[node] = i;
			return;
		}
		if (head_less(m, other, i)) {
			m->losers[node] = i;
			i = other;
		}
	}
	m->winner = i;
}

/* Move a source on. */
static enum kvf_status advance(struct merge *m, unsigned i, struct kvf_err *err)
{
	struct source *s = &m->sources[i];
	struct head *h = &m->heads[i];
	enum kvf_status st = KVF_OK;

	if (s->in_memory) {
		h->rec = kvf_walk_next(&s->walk);
	} else {
		st = kvf_spilled_advance(&s->file, err);
		h->rec = s->file.rec;
	}
	h->prefix = h->rec ? record_prefix(h->rec, m->shared) : UINT64_MAX;
	return st;
}

/* A source for each run of blocks that join; returns their number. */
static unsigned add_memory(struct source *s, const struct memory *mem)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < mem->nblocks; i++) {
		if (!mem->blocks[i].joins) {
			s[n].in_memory = 1;
			s[n].walk.mem = mem;
			s[n++].walk.i = i;
		}
		s[n - 1].walk.end = i + 1;
	}
	return n;
}

static enum kvf_status open_merge(struct merge *m, const struct extent *runs, size_t nruns,
				  struct spill *spill, const struct memory *mem,
				  struct kvf_err *err)
{
	size_t most = nruns + (mem ? mem->nblocks : 0), i;
	enum kvf_status st;

	m->sources = calloc(most + 1, sizeof(*m->sources));
	m->heads = calloc(most + 1, sizeof(*m->heads));
	m->losers = calloc(most + 1, sizeof(*m->losers));
	if (!m->sources || !m->heads || !m->losers)
		return kvf_fail_nomem(err);
	for (; m->n < nruns; m->n++)
		kvf_spilled_open(&m->sources[m->n].file, spill, &runs[m->n]);
	if (mem)
		m->n += add_memory(m->sources + m->n, mem);
	for (i = 0; i < m->n; i++)
		m->losers[i] = NOBODY;
	for (i = 0; i < m->n; i++) {
		st = advance(m, (unsigned)i, err);
		if (st)
			return st;
		play(m, (unsigned)i);
	}
	return KVF_OK;
}

void kvf_merge_free(struct merge *m)
{
	unsigned i;

	if (!m)
		return;
	for (i = 0; i < m->n; i++)
		kvf_spilled_release(&m->sources[i].file);
	free(m->sources);
	free(m->heads);
	free(m->losers);
	free(m);
}

enum kvf_status kvf_merge_next(struct merge *m, struct record **r, const uint8_t **value,
			       struct kvf_err *err)
{
	enum kvf_status st;
	struct source *s;

	if (m->n == 0)
		return KVF_EOF;
	if (m->begun && m->heads[m->winner].rec) {
		st = advance(m, m->winner, err);
		if (st)
			return st;
		play(m, m->winner);
	}
	m->begun = 1;
	*r = m->heads[m->winner].rec;
	if (!*r)
		return KVF_EOF;
	s = &m->sources[m->winner];
	if (!s->in_memory)
		return kvf_spilled_value(&s->file, value, err);
	*value = (const uint8_t *)*r + record_head_size(*r);
	return KVF_OK;
}

/* ---- more runs than can be merged at once ------------------------------------------------ */

/* Merge `n` neighbours, from the i-th on, into one run in their place. */
static enum kvf_status merge_neighbours(struct runs *runs, size_t i, size_t n,
					struct spill *spill, size_t shared, struct kvf_err *err)
{
	struct merge *m = calloc(1, sizeof(*m));
	const uint8_t *value;
	struct record *r;
	struct extent run;
	enum kvf_status st;
	size_t k;

	if (!m)
		return kvf_fail_nomem(err);
	m->shared = shared;
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
			      size_t shared, struct kvf_err *err)
{
	enum kvf_status st;
	size_t i = 0, n;

	while (runs->n > most) {
		n = runs->n - most + 1;
		if (n > MERGE_FAN_IN)
			n = MERGE_FAN_IN;
		if (i + n > runs->n)
			i = 0;
		st = merge_neighbours(runs, i, n, spill, shared, err);
		if (st)
			return st;
		i++;
	}
	return KVF_OK;
}

enum kvf_status kvf_merge_new(struct runs *runs, struct spill *spill, const struct memory *mem,
			      size_t shared, struct merge **out, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	struct merge *m;

	*out = NULL;
	if (shared == SIZE_MAX) /* of one record */
		shared = 0;
	if (runs)
		st = reduce(runs, MERGE_FAN_IN, spill, shared, err);
	if (st)
		return st;
	m = calloc(1, sizeof(*m));
	if (!m)
		return kvf_fail_nomem(err);
	m->shared = shared;
	st = open_merge(m, runs ? runs->list : NULL, runs ? runs->n : 0, spill, mem, err);
	if (st) {
		kvf_merge_free(m);
		return st;
	}
	*out = m;
	return KVF_OK;
}
