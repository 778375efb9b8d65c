/*
 * gather_parts - several parts of a record at once.
 *
 *   part 0: rows -> convert() -> sink -> sorter 0 \
 *   part 1: rows -> convert() -> sink -> sorter 1  > joined: one sequence
 *   ...                                           /
 *
 * A part has a thread, a sink and a sorter of its own, and its rows come out of
 * a connection of its own; nothing is shared but the counters.  Entries do not
 * say from which part they are, so that the sequence is the same for any number
 * of parts.
 */
#include "migrate/run.h"
#include "par/par.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TELL_EVERY 1024 /* rows */

struct parts;

struct part {
	struct parts *all;
	unsigned index;
	struct kvf_sink sink;
	uint64_t ordinal;          /* of the row being converted */
	uint64_t rows, entries;    /* of this record */
	uint64_t told_rows, bytes; /* rows the meter knows; bytes it does not */
};

struct parts {
	struct kvf_gather *g;
	const struct kvf_record *record;
	struct part *part;
	atomic_int failed;         /* one has: the others need not go on */
	atomic_flag meter_busy;    /* one thread at a time moves the meter on */
	atomic_ullong rows, bytes; /* that the meter does not know yet */
};

enum kvf_status kvf_gather_count_parts(struct kvf_gather *g, size_t stop, unsigned *parts,
				       struct kvf_err *err)
{
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	/* One after the other, where rows may be left out. */
	unsigned wish = g->rejects ? 1 : kvf_thread_count(g->env), n;
	enum kvf_status st = KVF_OK;
	size_t r;

	*parts = 1;
	if (wish > KVF_ORIGIN_PARTS)
		wish = KVF_ORIGIN_PARTS;
	for (r = g->record; wish > 1 && !st && r < stop; r++) {
		n = wish;
		st = kvf_source_plan(g->bound->source, &pkg->records[r], &n, err);
		if (!st && n > *parts)
			*parts = n;
	}
	return st;
}

static enum kvf_status part_put(void *ctx, const struct kvf_entry *entry, unsigned flags,
				struct kvf_err *err)
{
	struct part *p = ctx;
	struct kvf_gather *g = p->all->g;
	struct kvf_origin origin = { g->reading.record,
				     p->ordinal * KVF_ORIGIN_PARTS + p->index };

	p->entries++;
	p->bytes += entry->part.len + entry->key.len + entry->value.len;
	return kvf_sorter_put(g->sorters[p->index], entry, flags, origin, err);
}

/* Count, and move the meter on unless another thread does that right now. */
static void tell(struct part *p)
{
	struct parts *all = p->all;
	struct kvf_meter *m = all->g->meter;

	atomic_fetch_add(&all->rows, p->rows - p->told_rows);
	atomic_fetch_add(&all->bytes, p->bytes);
	p->told_rows = p->rows;
	p->bytes = 0;
	if (!m || atomic_flag_test_and_set(&all->meter_busy))
		return;
	kvf_meter_add(m, atomic_exchange(&all->rows, 0), atomic_exchange(&all->bytes, 0));
	atomic_flag_clear(&all->meter_busy);
}

static enum kvf_status read_rows(struct part *p, struct kvf_rows *rows, struct kvf_err *err)
{
	struct parts *all = p->all;
	struct kvf_gather *g = all->g;
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	const struct kvf_row *row;
	enum kvf_status st = KVF_OK;

	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		p->ordinal = row->ordinal;
		st = pkg->convert(pkg, g->reading.record, row, &p->sink, err);
		if (st)
			break;
		if (++p->rows % TELL_EVERY)
			continue;
		if (atomic_load(&all->failed))
			return KVF_EOF;
		tell(p);
		st = kvf_check_stop(g->env, err);
	}
	return st;
}

static enum kvf_status read_part(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	struct part *p = job;
	struct parts *all = ctx;
	struct kvf_rows *rows = NULL;
	enum kvf_status st =
		kvf_rows_open(all->g->bound->source, all->record, p->index, &rows, err);

	(void)worker;
	if (!st)
		st = read_rows(p, rows, err);
	kvf_rows_close(rows);
	tell(p);
	if (st == KVF_EOF)
		return KVF_OK;
	atomic_store(&all->failed, 1);
	return st;
}

/* Run fn for each part; *failed is the part whose error it is. */
static enum kvf_status run(struct parts *all, unsigned n, kvf_pool_fn *fn, struct part **failed,
			   struct kvf_err *err)
{
	struct kvf_pool *pool = NULL;
	enum kvf_status st = kvf_pool_new(n, n, fn, all, &pool, err);
	void *job = NULL;
	unsigned i, n_given = 0;

	/* A failure ends the giving; taking then tells which part has failed. */
	while (!st && n_given < n)
		st = kvf_pool_submit(pool, &all->part[n_given++], err);
	for (i = 0; pool && i < n_given; i++) {
		st = kvf_pool_take(pool, &job, err);
		if (st)
			break;
	}
	*failed = st ? job : NULL;
	kvf_pool_free(pool, NULL);
	return st;
}

static enum kvf_status init(struct parts *all, struct kvf_gather *g, unsigned n,
			    struct kvf_err *err)
{
	struct kvf_sink_caps caps = { g->limits.part, g->limits.key, g->limits.value };
	unsigned i;

	memset(all, 0, sizeof(*all));
	all->g = g;
	all->record = &g->bound->app->packages[g->package]->records[g->reading.record];
	atomic_init(&all->failed, 0);
	atomic_flag_clear(&all->meter_busy);
	all->part = calloc(n, sizeof(*all->part));
	if (!all->part)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		all->part[i].all = all;
		all->part[i].index = i;
		kvf_sink_init(&all->part[i].sink, &caps, part_put, &all->part[i]);
	}
	return KVF_OK;
}

enum kvf_status kvf_gather_read_parts(struct kvf_gather *g, unsigned n, struct kvf_err *err)
{
	struct part *failed = NULL;
	struct parts all;
	enum kvf_status st = init(&all, g, n, err);
	unsigned i;

	if (st)
		return st;
	st = run(&all, n, read_part, &failed, err);
	if (st && failed)
		g->reading.ordinal = failed->ordinal * KVF_ORIGIN_PARTS + failed->index;
	for (i = 0; i < n; i++) {
		g->rows += all.part[i].rows;
		g->record_rows[g->reading.record] += all.part[i].rows;
		g->record_entries[g->reading.record] += all.part[i].entries;
		kvf_sink_release(&all.part[i].sink);
	}
	if (g->meter)
		kvf_meter_add(g->meter, all.rows, all.bytes);
	free(all.part);
	return st;
}

static enum kvf_status finish(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	const struct parts *all = ctx;
	const struct part *p = job;

	(void)worker;
	return kvf_sorter_finish(all->g->sorters[p->index], err);
}

enum kvf_status kvf_gather_join(struct kvf_gather *g, struct kvf_err *err)
{
	struct part *failed;
	struct parts all;
	enum kvf_status st;

	if (g->nsorters == 1)
		return kvf_sorter_finish(g->sorter, err);
	st = init(&all, g, g->nsorters, err);
	if (st)
		return st;
	st = run(&all, g->nsorters, finish, &failed, err);
	free(all.part);
	if (!st)
		st = kvf_sorter_join(g->sorter, g->sorters + 1, g->nsorters - 1, err);
	if (!st)
		g->nsorters = 1; /* the others belong to the first one now */
	return st;
}
