/*
 * gather_window - a record whose rows lie nearly in the order of their keys.
 *
 *   part 0 | part 1 | part 2 | ...      each read and sorted by a thread
 *      \_______\________\__ merged --> writer, up to the newest part's first key
 *
 * Tables that only grow lie like that, but hardly ever exactly: a server puts a
 * short row into the room that an earlier page has left.  A few small parts are
 * held at a time, so that they are sorted and merged in the processor's cache, and
 * reading and compressing run side by side.
 *
 * That no later part has a key below those that were written is a guess.  A wrong
 * one shows as an entry that does not ascend, or as parts that pile up; then the
 * caller takes everything back and sorts the whole record.
 */
#include "migrate/run.h"
#include "par/par.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE_MAX 6   /* parts of which some entries still wait: more is no order */
#define ASK_EVERY 1024 /* rows */

struct window;

struct slice {
	struct window *w;
	struct slice *next; /* in one of the lists */
	struct kvf_sorter *sorter;
	struct kvf_sink sink;
	unsigned part;
	uint64_t ordinal, entries, bytes;
	struct kvf_entry head; /* the next one, once the part was taken */
};

struct window {
	struct kvf_gather *g;
	const struct kvf_record *record;
	struct kvf_pool *pool;
	unsigned parts, given, taken;
	struct slice *all, *free; /* every slice lies in `all` */
	size_t nslices;
	struct slice *active[ACTIVE_MAX + 1]; /* in the order of their parts */
	size_t nactive;
	atomic_int unfit; /* a row cannot go this way */
	atomic_int over;  /* the others need not go on */
};

/* ---- reading, in threads ---------------------------------------------------------- */

static enum kvf_status slice_put(void *ctx, const struct kvf_entry *entry, unsigned flags,
				 struct kvf_err *err)
{
	struct slice *s = ctx;
	struct kvf_origin origin = { s->w->g->reading.record, s->ordinal };

	if (flags) /* its key needs all rows */
		return kvf_fail(err, KVF_EREJECT, "the key of a row needs an ordinal");
	s->entries++;
	s->bytes += entry->part.len + entry->key.len + entry->value.len;
	return kvf_sorter_put(s->sorter, entry, flags, origin, err);
}

static enum kvf_status read_rows(struct slice *s, struct kvf_rows *rows, struct kvf_err *err)
{
	struct kvf_gather *g = s->w->g;
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	const struct kvf_row *row;
	enum kvf_status st = KVF_OK;

	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		s->ordinal = row->ordinal;
		st = pkg->convert(pkg, g->reading.record, row, &s->sink, err);
		if (st || s->ordinal % ASK_EVERY)
			continue;
		st = atomic_load(&s->w->over) ? kvf_fail(err, KVF_EINTERRUPTED, "not needed")
					      : kvf_check_stop(g->env, err);
	}
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status read_slice(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	struct window *w = ctx;
	struct slice *s = job;
	struct kvf_rows *rows = NULL;
	enum kvf_status st = kvf_rows_open(w->g->bound->source, w->record, s->part, &rows, err);

	(void)worker;
	if (!st)
		st = read_rows(s, rows, err);
	kvf_rows_close(rows);
	if (!st)
		st = kvf_sorter_finish(s->sorter, err);
	if (st)
		atomic_store(&w->over, 1);
	if (st == KVF_EREJECT)
		atomic_store(&w->unfit, 1);
	return st;
}

/* ---- slices -------------------------------------------------------------------------- */

static enum kvf_status new_slice(struct window *w, uint64_t budget, struct kvf_err *err)
{
	const struct kvf_gather *g = w->g;
	struct kvf_sink_caps caps = { g->limits.part, g->limits.key, g->limits.value };
	struct slice *s = &w->all[w->nslices];
	enum kvf_status st;

	s->w = w;
	st = kvf_sorter_new(budget, g->scratch, g->env, &s->sorter, err);
	if (st)
		return st;
	kvf_sink_init(&s->sink, &caps, slice_put, s);
	s->next = w->free;
	w->free = s;
	w->nslices++;
	return KVF_OK;
}

static void give_back(struct window *w, struct slice *s)
{
	kvf_sorter_reset(s->sorter);
	s->ordinal = s->entries = s->bytes = 0;
	s->next = w->free;
	w->free = s;
}

/* Let the threads have parts to read, as long as they may. */
static enum kvf_status give_parts(struct window *w, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	struct slice *s;

	while (!st && w->given < w->parts && w->free && !kvf_pool_full(w->pool)) {
		s = w->free;
		w->free = s->next;
		s->part = w->given++;
		st = kvf_pool_submit(w->pool, s, err);
	}
	return st;
}

/* ---- merging --------------------------------------------------------------------------- */

/* Move on in an active slice; at its end it is one no more. */
static enum kvf_status advance(struct window *w, size_t i, struct kvf_err *err)
{
	struct slice *s = w->active[i];
	struct kvf_origin origin;
	enum kvf_status st = kvf_sorter_next(s->sorter, &s->head, &origin, err);

	if (st != KVF_EOF)
		return st;
	w->nactive--;
	memmove(w->active + i, w->active + i + 1, (w->nactive - i) * sizeof(struct slice *));
	give_back(w, s);
	return KVF_EOF;
}

/* Write from active slice i what comes before `bound` (NULL = all of it). */
static enum kvf_status write_until(struct window *w, size_t i, const struct kvf_entry *bound,
				   struct kvf_err *err)
{
	struct slice *s = w->active[i];
	enum kvf_status st;

	do {
		st = kvf_writer_put(w->g->writer, &s->head, err);
		if (st == KVF_EDEFINITION)
			atomic_store(&w->unfit, 1);
		if (!st)
			st = advance(w, i, err);
	} while (!st && (!bound || kvf_entry_cmp(&s->head, bound) <= 0));
	return st == KVF_EOF ? KVF_OK : st;
}

/* Write what is before the first entry of the newest slice; all, at the end. */
static enum kvf_status write_some(struct window *w, int all, struct kvf_err *err)
{
	const struct kvf_entry *bound;
	enum kvf_status st = KVF_OK;
	size_t i, least;

	while (!st && w->nactive > 0) {
		least = 0;
		bound = NULL;
		for (i = 1; i < w->nactive; i++) {
			const struct kvf_entry *head = &w->active[i]->head;

			if (kvf_entry_cmp(head, &w->active[least]->head) < 0) {
				bound = &w->active[least]->head;
				least = i;
			} else if (!bound || kvf_entry_cmp(head, bound) < 0) {
				bound = head;
			}
		}
		if (!all && least + 1 == w->nactive)
			break;
		st = write_until(w, least, bound, err);
	}
	return st;
}

/* Take the next part that was read, in order. */
static enum kvf_status take_part(struct window *w, struct kvf_err *err)
{
	struct kvf_gather *g = w->g;
	struct slice *s;
	enum kvf_status st;
	void *job = NULL;

	st = kvf_pool_take(w->pool, &job, err);
	if (st)
		return st == KVF_EOF ? kvf_fail(err, KVF_EINTERNAL, "a part got lost") : st;
	s = job;
	w->taken++;
	g->rows += s->ordinal;
	g->record_rows[g->record] += s->ordinal;
	g->record_entries[g->record] += s->entries;
	if (g->meter)
		kvf_meter_add(g->meter, s->ordinal, s->bytes);
	w->active[w->nactive++] = s;
	st = advance(w, w->nactive - 1, err);
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status run(struct window *w, struct kvf_err *err)
{
	enum kvf_status st = give_parts(w, err);

	while (!st && w->taken < w->parts) {
		st = take_part(w, err);
		if (!st)
			st = give_parts(w, err); /* read on while this is written */
		if (!st)
			st = write_some(w, w->taken == w->parts, err);
		if (!st && w->nactive > ACTIVE_MAX) {
			atomic_store(&w->unfit, 1);
			return KVF_OK;
		}
		if (!st)
			st = give_parts(w, err);
	}
	return st;
}

enum kvf_status kvf_gather_window(struct kvf_gather *g, unsigned at_once, unsigned parts,
				  struct kvf_err *err)
{
	struct window w = { .g = g, .parts = parts };
	size_t slices = 2 * (size_t)at_once + ACTIVE_MAX, i;
	uint64_t budget = kvf_memory_budget(g->env) / slices;
	enum kvf_status st;

	w.record = &g->bound->app->packages[g->package]->records[g->record];
	atomic_init(&w.unfit, 0);
	atomic_init(&w.over, 0);
	w.all = calloc(slices, sizeof(*w.all));
	if (!w.all)
		return kvf_fail_nomem(err);
	st = kvf_pool_new(at_once, 2 * (size_t)at_once, read_slice, &w, &w.pool, err);
	while (!st && w.nslices < slices)
		st = new_slice(&w, budget, err);
	if (!st)
		st = run(&w, err);
	atomic_store(&w.over, 1);
	kvf_pool_free(w.pool, NULL);
	g->disorder = atomic_load(&w.unfit);
	for (i = 0; i < w.nslices; i++) {
		kvf_sorter_free(w.all[i].sorter);
		kvf_sink_release(&w.all[i].sink);
	}
	free(w.all);
	return st;
}
