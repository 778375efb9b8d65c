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
 * caller takes everything back and sorts the whole record.  Where nothing can be
 * taken back, as from a pipe, the keys alone are read and merged before, in the
 * same parts and to nowhere: that takes a sixth of the time, and then it is known.
 * Where whoever reads the pipe can begin anew, the keys of the first parts do.
 */
#include "migrate/run.h"
#include "par/par.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE_MAX 6   /* parts of which some entries still wait: more is no order */
#define ASK_EVERY 1024 /* rows */
#define GUESS_PARTS 8  /* that tell whether the others are worth trying */

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
	const struct kvf_package *pkg;
	const struct kvf_record *record; /* of pkg, or with fewer columns */
	size_t at;                       /* ... and its number there */
	struct kvf_writer *writer;       /* NULL: only look whether it would do */
	struct kvf_buf last;             /* then: partition and key of the entry before */
	size_t last_part;
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
	struct window *w = s->w;
	const struct kvf_row *row;
	enum kvf_status st = KVF_OK;

	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		s->ordinal = row->ordinal;
		st = w->pkg->convert(w->pkg, w->at, row, &s->sink, err);
		if (st || s->ordinal % ASK_EVERY)
			continue;
		st = atomic_load(&w->over) ? kvf_fail(err, KVF_EINTERRUPTED, "not needed")
					   : kvf_check_stop(w->g->env, err);
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
	/* Earlier parts go on, small as they are: what ended one of them because of us
	 * would count as the failure. */
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

static int same_or_before(const struct window *w, const struct kvf_entry *e)
{
	struct kvf_entry last = { { w->last.ptr, w->last_part },
				  { w->last.ptr + w->last_part, w->last.len - w->last_part },
				  { NULL, 0 } };

	return w->last.len > 0 && kvf_entry_cmp(e, &last) <= 0;
}

static enum kvf_status put(struct window *w, const struct kvf_entry *e, struct kvf_err *err)
{
	enum kvf_status st;

	if (w->writer) {
		st = kvf_writer_put(w->writer, e, err);
	} else if (same_or_before(w, e)) {
		st = kvf_fail(err, KVF_EDEFINITION, "entries do not ascend");
	} else {
		w->last.len = 0;
		w->last_part = e->part.len;
		st = kvf_buf_append(&w->last, e->part.ptr, e->part.len, err);
		if (!st)
			st = kvf_buf_append(&w->last, e->key.ptr, e->key.len, err);
	}
	if (st == KVF_EDEFINITION)
		atomic_store(&w->unfit, 1);
	return st;
}

/* Write from active slice i what comes before `bound` (NULL = all of it). */
static enum kvf_status write_until(struct window *w, size_t i, const struct kvf_entry *bound,
				   struct kvf_err *err)
{
	struct slice *s = w->active[i];
	enum kvf_status st;

	do {
		st = put(w, &s->head, err);
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
	if (w->writer) {
		g->rows += s->ordinal;
		g->record_rows[g->record] += s->ordinal;
		g->record_entries[g->record] += s->entries;
		if (g->meter)
			kvf_meter_add(g->meter, s->ordinal, s->bytes);
	}
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

/* Read `parts` parts of w->record; g->disorder says whether that has failed. */
static enum kvf_status pass(struct window *w, unsigned at_once, struct kvf_err *err)
{
	struct kvf_gather *g = w->g;
	size_t slices = 2 * (size_t)at_once + ACTIVE_MAX, i;
	uint64_t budget = kvf_memory_budget(g->env) / slices;
	enum kvf_status st;

	atomic_init(&w->unfit, 0);
	atomic_init(&w->over, 0);
	kvf_buf_init(&w->last, (size_t)(g->limits.part + g->limits.key));
	w->all = calloc(slices, sizeof(*w->all));
	if (!w->all)
		return kvf_fail_nomem(err);
	st = kvf_pool_new(at_once, 2 * (size_t)at_once, read_slice, w, &w->pool, err);
	while (!st && w->nslices < slices)
		st = new_slice(w, budget, err);
	if (!st)
		st = run(w, err);
	atomic_store(&w->over, 1);
	kvf_pool_free(w->pool, NULL);
	g->disorder = atomic_load(&w->unfit);
	for (i = 0; i < w->nslices; i++) {
		kvf_sorter_free(w->all[i].sorter);
		kvf_sink_release(&w->all[i].sink);
	}
	free(w->all);
	kvf_buf_release(&w->last);
	return st;
}

enum kvf_status kvf_gather_window(struct kvf_gather *g, unsigned at_once, unsigned parts,
				  struct kvf_err *err)
{
	struct window w = { .g = g,
			    .pkg = g->bound->app->packages[g->package],
			    .at = g->record,
			    .writer = g->writer,
			    .parts = parts };

	w.record = &w.pkg->records[g->record];
	return pass(&w, at_once, err);
}

/* The table as if its key were all that it has. */
static enum kvf_status only_keys(const struct kvf_table *shape, struct kvf_table *keys,
				 const char ***names, struct kvf_err *err)
{
	struct kvf_column *columns = calloc(shape->nkey, sizeof(*columns));
	uint32_t *key = calloc(shape->nkey, sizeof(*key));
	uint32_t i;

	*names = calloc(shape->nkey, sizeof(**names));
	memset(keys, 0, sizeof(*keys));
	keys->columns = columns;
	keys->key = key;
	if (!columns || !key || !*names)
		return kvf_fail_nomem(err);
	for (i = 0; i < shape->nkey; i++) {
		columns[i] = shape->columns[shape->key[i]];
		(*names)[i] = columns[i].name;
		key[i] = i;
	}
	keys->name = shape->name;
	keys->ncolumns = keys->nkey = shape->nkey;
	return KVF_OK;
}

enum kvf_status kvf_gather_peek(struct kvf_gather *g, int guess, int *fits, struct kvf_err *err)
{
	const struct kvf_table *shape = g->bound->shapes[g->package][g->record];
	struct kvf_application *app = NULL;
	struct kvf_record record = { 0 };
	struct window w = { .g = g, .record = &record };
	unsigned at_once = kvf_thread_count(g->env);
	const char **names = NULL;
	struct kvf_table keys = { 0 };
	enum kvf_status st;

	*fits = 0;
	if (!g->bound->exact || !shape->nkey)
		return KVF_OK;
	st = only_keys(shape, &keys, &names, err);
	if (!st)
		st = kvf_exact_application(&keys, 1, &app, err);
	if (!st) {
		w.pkg = app->packages[0];
		record = w.pkg->records[0];
		record.columns = names;
		record.ncolumns = keys.ncolumns;
		st = kvf_source_plan_small(g->bound->source, &record, &at_once, &w.parts, err);
	}
	if (guess && w.parts > GUESS_PARTS)
		w.parts = GUESS_PARTS;
	/* One part may come by way of an index, in another order than the rows. */
	if (!st && w.parts > 1) {
		st = pass(&w, at_once, err);
		*fits = !st && !g->disorder;
		if (g->disorder) {
			kvf_err_clear(err);
			st = KVF_OK;
		}
	}
	kvf_exact_application_free(app);
	free(names);
	free((void *)(uintptr_t)keys.columns);
	free((void *)(uintptr_t)keys.key);
	return st;
}
