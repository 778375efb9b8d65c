/*
 * gather - the rows of one package as entries in stream order.
 *
 *   rows -> convert() -> sink -> sorter -> next()
 *                          `---> writer          while they come in order
 *
 * Where the source offers a record in parts, several threads do this at once,
 * each with a sorter of its own (gather_parts.c); what next() hands out is the
 * same.
 *
 * An entry carries its origin through the sorter, so that when two rows give
 * one key both can be named; the origin never reaches the stream.
 *
 * Where the stream can be rewound, entries go straight to the writer as long as
 * they ascend: reading and compressing then run side by side, and nothing has
 * to be held.  The first one that does not ascend takes back what was written
 * of its table, which is then read again, through the sorter.
 */
#include "migrate/run.h"

#include "par/par.h"

#include <stdlib.h>
#include <string.h>

/*
 * Where rows may be left out, the entries of a row wait until all of them are
 * there: a row goes whole or not at all.
 */
struct held {
	size_t part, key, value;
	unsigned flags;
};

static enum kvf_status hold(struct kvf_gather *g, const struct kvf_entry *e, unsigned flags,
			    struct kvf_err *err)
{
	const struct held h = { e->part.len, e->key.len, e->value.len, flags };
	enum kvf_status st = kvf_buf_append(&g->held, &h, sizeof(h), err);

	if (!st)
		st = kvf_buf_append(&g->held, e->part.ptr, e->part.len, err);
	if (!st)
		st = kvf_buf_append(&g->held, e->key.ptr, e->key.len, err);
	return st ? st : kvf_buf_append(&g->held, e->value.ptr, e->value.len, err);
}

static enum kvf_status gather_put(void *ctx, const struct kvf_entry *entry, unsigned flags,
				  struct kvf_err *err)
{
	struct kvf_gather *g = ctx;
	enum kvf_status st;

	if (g->rejects && !g->letting_go)
		return hold(g, entry, flags, err);
	g->record_entries[g->reading.record]++;
	if (g->meter)
		g->meter->p.bytes += entry->part.len + entry->key.len + entry->value.len;
	if (g->straight) {
		st = flags ? KVF_EDEFINITION : kvf_writer_put(g->writer, entry, err);
		g->disorder = st == KVF_EDEFINITION;
		return st;
	}
	return kvf_sorter_put(g->sorter, entry, flags, g->reading, err);
}

enum kvf_status kvf_gather_open(struct kvf_gather *g, const struct kvf_bound *b, size_t package,
				const struct kvf_limits *limits, const char *scratch,
				const struct kvf_env *env, struct kvf_meter *meter,
				struct kvf_err *err)
{
	struct kvf_sink_caps caps = { limits->part, limits->key, limits->value };
	size_t n = b->app->packages[package]->nrecords;

	memset(g, 0, sizeof(*g));
	g->bound = b;
	g->package = package;
	g->env = env;
	g->scratch = scratch;
	g->meter = meter;
	g->limits = *limits;
	g->in_order = 1;
	kvf_buf_init(&g->held, SIZE_MAX / 4);
	kvf_buf_init(&g->last_key, (size_t)(limits->part + limits->key + 64));
	kvf_sink_init(&g->sink, &caps, gather_put, g);
	g->record_rows = calloc(2 * (n ? n : 1), sizeof(*g->record_rows));
	if (!g->record_rows)
		return kvf_fail_nomem(err);
	g->record_entries = g->record_rows + n;
	return KVF_OK;
}

/* Those that were not joined to the first one, which stays. */
static void drop_sorters(struct kvf_gather *g)
{
	unsigned i;

	for (i = 1; i < g->nsorters; i++)
		kvf_sorter_free(g->sorters[i]);
	free(g->sorters);
	g->sorters = NULL;
	g->nsorters = 0;
}

void kvf_gather_close(struct kvf_gather *g)
{
	drop_sorters(g);
	kvf_sorter_free(g->sorter);
	kvf_sink_release(&g->sink);
	kvf_buf_release(&g->last_key);
	kvf_buf_release(&g->held);
	free(g->record_rows);
	memset(g, 0, sizeof(*g));
}

/* The entries of a row are complete. */
static enum kvf_status let_go(struct kvf_gather *g, struct kvf_err *err)
{
	const uint8_t *p = g->held.ptr, *end = p + g->held.len;
	enum kvf_status st = KVF_OK;
	struct kvf_entry e;
	struct held h;

	g->letting_go = 1;
	while (!st && p < end) {
		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		e.part = (struct kvf_bytes){ p, h.part };
		e.key = (struct kvf_bytes){ p + h.part, h.key };
		e.value = (struct kvf_bytes){ p + h.part + h.key, h.value };
		p += h.part + h.key + h.value;
		st = gather_put(g, &e, h.flags, err);
	}
	g->letting_go = 0;
	return st;
}

/* What became of a row, where rows may be left out. */
static enum kvf_status settle(struct kvf_gather *g, enum kvf_status st,
			      const struct kvf_row *row, struct kvf_err *err)
{
	if (!st)
		st = let_go(g, err);
	else if (st == KVF_EREJECT)
		st = kvf_rejects_take(g->rejects, g->bound, g->package, g->reading.record, row,
				      g->env, err);
	g->held.len = 0;
	return st;
}

/* A row that cannot be carried stops the run; say which row it is. */
static enum kvf_status reject(struct kvf_gather *g, struct kvf_err *err)
{
	char row[512];
	struct kvf_err reason = *err;

	kvf_bound_name_row(g->bound, g->package, g->reading, g->parts, row, sizeof(row));
	kvf_fail(err, KVF_EREJECT, "%s cannot be carried: %s", row, reason.message);
	kvf_err_detail(err, "%s%sNothing was published.", reason.detail,
		       *reason.detail ? " " : "");
	kvf_err_hint(
		err, "%s",
		*reason.hint
			? reason.hint
			: "Correct the row in the source, or the definition, and run again.");
	return KVF_EREJECT;
}

static enum kvf_status read_part(struct kvf_gather *g, const struct kvf_record *record,
				 unsigned part, struct kvf_err *err)
{
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	enum kvf_status st = kvf_rows_open(g->bound->source, record, part, &rows, err);

	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		g->reading.ordinal = row->ordinal;
		st = pkg->convert(pkg, g->reading.record, row, &g->sink, err);
		if (g->rejects)
			st = settle(g, st, row, err);
		if (st)
			break;
		g->rows++;
		g->record_rows[g->reading.record]++;
		if (g->meter)
			kvf_meter_add(g->meter, 1, 0);
		if (g->rows % 1024 == 0)
			st = kvf_check_stop(g->env, err);
	}
	kvf_rows_close(rows);
	return st == KVF_EOF ? KVF_OK : st;
}

/* In as many parts at once as there are sorters. */
static enum kvf_status read_record(struct kvf_gather *g, size_t r, struct kvf_err *err)
{
	const struct kvf_record *record = &g->bound->app->packages[g->package]->records[r];
	unsigned parts = g->parts;
	enum kvf_status st;

	g->reading.record = (uint32_t)r;
	if (g->meter)
		kvf_meter_at(g->meter, record->table ? record->table : record->name);
	st = kvf_source_plan(g->bound->source, record, &parts, err);
	if (!st)
		st = parts > 1 ? kvf_gather_read_parts(g, parts, err)
			       : read_part(g, record, 0, err);
	return st == KVF_EREJECT ? reject(g, err) : st;
}

/* Straight into the writer, as it comes or from a window of small parts. */
static enum kvf_status read_straight(struct kvf_gather *g, int declared, struct kvf_err *err)
{
	const struct kvf_record *record =
		&g->bound->app->packages[g->package]->records[g->record];
	unsigned at_once = kvf_thread_count(g->env), parts = 1;
	enum kvf_status st = KVF_OK;

	g->straight = 1;
	g->disorder = 0;
	if (!declared)
		st = kvf_source_plan_small(g->bound->source, record, &at_once, &parts, err);
	if (st || parts == 1) {
		if (!st)
			st = read_record(g, g->record, err);
		g->straight = 0;
		return st;
	}
	g->straight = 0;
	g->reading.record = (uint32_t)g->record;
	if (g->meter)
		kvf_meter_at(g->meter, record->table ? record->table : record->name);
	return kvf_gather_window(g, at_once, parts, err);
}

/* What was passed over of an earlier run would be lost by a rewind. */
static int rewinds(const struct kvf_gather *g)
{
	return g->can_rewind && !kvf_writer_follows(g->writer);
}

/*
 * Where nothing can be taken back, but everything begun anew: is a guess at the order
 * of the rows worth it?  What a wrong one costs has been read before; so that is to be
 * less than the record itself.
 */
static int may_guess(const struct kvf_gather *g)
{
	const struct kvf_table *shape = g->bound->shapes[g->package][g->record];

	return g->misguessed && g->meter && shape->bytes != UINT64_MAX &&
	       g->meter->p.bytes <= shape->bytes;
}

static enum kvf_status misguess(struct kvf_gather *g, struct kvf_err *err)
{
	const struct kvf_table *shape = g->bound->shapes[g->package][g->record];

	kvf_err_clear(err);
	atomic_store(g->misguessed, 1);
	return kvf_fail(err, KVF_ESOURCE,
			"the rows of %s do not lie in the order of their keys", shape->name);
}

/*
 * Try to read the next record straight into the writer.  KVF_OK and *done = 0
 * when that is not possible, with everything as it was.
 */
static enum kvf_status stream_record(struct kvf_gather *g, int *done, struct kvf_err *err)
{
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	int declared = pkg->nrecords == 1 && pkg->records[g->record].ordered;
	int rewind = rewinds(g), guess = !rewind && may_guess(g), fits = 1;
	uint64_t entries = 0, bytes = 0;
	enum kvf_status st = KVF_OK;

	*done = 0;
	if (!declared)
		st = rewind ? kvf_writer_mark(g->writer, err)
			    : kvf_gather_peek(g, guess, &fits, err);
	if (st || !fits)
		return st;
	if (g->meter) {
		entries = g->meter->p.entries;
		bytes = g->meter->p.bytes;
	}
	st = read_straight(g, declared, err);
	if (!st && !g->disorder) {
		*done = 1;
		g->record++;
		return KVF_OK;
	}
	if (!g->disorder)
		return st;
	if (declared) {
		kvf_err_hint(err,
			     "Take 'ordered' out of the definition, or let the query yield "
			     "its rows in the order of their keys' bytes.");
		return st;
	}
	if (guess)
		return misguess(g, err);
	if (!rewind && st != KVF_EREJECT) /* their order was looked at before */
		return st ? st
			  : kvf_fail(err, KVF_EINTERNAL, "rows changed their order meanwhile");
	kvf_err_clear(err);
	g->rows -= g->record_rows[g->record];
	g->record_rows[g->record] = g->record_entries[g->record] = 0;
	if (g->meter) {
		g->meter->p.entries = entries;
		g->meter->p.bytes = bytes;
		g->meter->next = 0;
	}
	/* A row that is refused ends the run: reading again tells which it is. */
	return rewind ? kvf_writer_rewind(g->writer, err) : KVF_OK;
}

/* Is it worth trying?  With several records in one package it hardly ever is. */
static int may_stream(const struct kvf_gather *g)
{
	const struct kvf_package *pkg = g->bound->app->packages[g->package];

	if (!g->writer || g->rejects || !(g->bound->exact || pkg->nrecords == 1))
		return 0;
	return rewinds(g) || g->bound->exact ||
	       (pkg->nrecords == 1 && pkg->records[g->record].ordered);
}

/* `n` sorters that share the memory. */
static enum kvf_status make_sorters(struct kvf_gather *g, unsigned n, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	g->sorters = calloc(n, sizeof(struct kvf_sorter *));
	if (!g->sorters)
		return kvf_fail_nomem(err);
	while (!st && g->nsorters < n) {
		st = kvf_sorter_new(kvf_memory_budget(g->env) / n, g->scratch, g->env,
				    &g->sorters[g->nsorters], err);
		if (!st)
			g->nsorters++;
	}
	g->sorter = g->sorters[0];
	return st;
}

/* Read one table, or all records of the package, into new sorters. */
static enum kvf_status fill(struct kvf_gather *g, unsigned parts, struct kvf_err *err)
{
	const struct kvf_package *pkg = g->bound->app->packages[g->package];
	size_t stop = g->bound->exact ? g->record + 1 : pkg->nrecords;
	enum kvf_status st = make_sorters(g, parts, err);

	while (!st && g->record < stop)
		st = read_record(g, g->record++, err);
	if (g->meter)
		kvf_meter_send(g->meter);
	if (!st)
		st = kvf_gather_join(g, err);
	drop_sorters(g);
	return st;
}

static void drop_sorter(struct kvf_gather *g)
{
	struct kvf_sorter_stats stats;

	kvf_sorter_stats(g->sorter, &stats);
	g->spilled += stats.spilled_bytes;
	g->in_order &= stats.in_order;
	kvf_sorter_free(g->sorter);
	g->sorter = NULL;
	g->last_key.len = 0; /* the next table is another partition */
}

static enum kvf_status duplicate(struct kvf_gather *g, const struct kvf_entry *e,
				 struct kvf_origin origin, struct kvf_err *err)
{
	char part[160], key[320], a[384], b[384];

	kvf_bytes_print(e->part, part, sizeof(part));
	kvf_bytes_print(e->key, key, sizeof(key));
	kvf_bound_name_row(g->bound, g->package, g->last, g->parts, a, sizeof(a));
	kvf_bound_name_row(g->bound, g->package, origin, g->parts, b, sizeof(b));
	kvf_fail(err, KVF_EDEFINITION,
		 "package %s: two rows give one key: partition '%s', key '%s'",
		 g->bound->names ? g->bound->app->packages[g->package]->name : "", part, key);
	kvf_err_detail(err, "%s; and %s. Nothing was published.", a, b);
	kvf_err_hint(err,
		     "Make the key template of the definition unique; 'kvferry check' shows "
		     "which keys may collide.");
	return KVF_EDEFINITION;
}

/* Remember the entry's key, to compare the next one with it. */
static enum kvf_status remember(struct kvf_gather *g, const struct kvf_entry *e,
				struct kvf_origin origin, struct kvf_err *err)
{
	enum kvf_status st;

	g->last_key.len = 0;
	g->last_part = e->part.len;
	g->last = origin;
	st = kvf_buf_append(&g->last_key, e->part.ptr, e->part.len, err);
	return st ? st : kvf_buf_append(&g->last_key, e->key.ptr, e->key.len, err);
}

static int same_key(const struct kvf_gather *g, const struct kvf_entry *e)
{
	return g->last_key.len == e->part.len + e->key.len && g->last_part == e->part.len &&
	       memcmp(g->last_key.ptr + e->part.len, e->key.ptr, e->key.len) == 0 &&
	       (e->part.len == 0 || memcmp(g->last_key.ptr, e->part.ptr, e->part.len) == 0);
}

enum kvf_status kvf_gather_next(struct kvf_gather *g, struct kvf_entry *entry,
				struct kvf_err *err)
{
	size_t n = g->bound->app->packages[g->package]->nrecords;
	struct kvf_origin origin;
	enum kvf_status st;
	unsigned parts;
	int done;

	for (;;) {
		if (!g->sorter) {
			if (g->record >= n)
				return KVF_EOF;
			st = kvf_gather_count_parts(g, g->bound->exact ? g->record + 1 : n,
						    &parts, err);
			if (st)
				return st;
			g->parts = 1;
			if (may_stream(g)) {
				st = stream_record(g, &done, err);
				if (st)
					return st;
				if (done)
					continue;
			}
			g->parts = parts;
			st = fill(g, parts, err);
			if (st)
				return st;
		}
		st = kvf_sorter_next(g->sorter, entry, &origin, err);
		if (st != KVF_EOF)
			break;
		drop_sorter(g);
	}
	if (st)
		return st;
	if (g->last_key.len && same_key(g, entry))
		return duplicate(g, entry, origin, err);
	return remember(g, entry, origin, err);
}

enum kvf_status kvf_bound_totals(const struct kvf_bound *b, const struct kvf_options *o,
				 const char *scratch, const struct kvf_env *env,
				 struct kvf_totals *t, struct kvf_err *err)
{
	struct kvf_limits limits = kvf_options_limits(o);
	enum kvf_status st = KVF_OK;
	struct kvf_rejects *rejects = NULL;
	struct kvf_gather gather;
	struct kvf_entry e;
	size_t n;

	memset(t, 0, sizeof(*t));
	if (o->max_rejects || o->accept_rejects)
		st = kvf_rejects_new(o->max_rejects ? o->max_rejects : UINT64_MAX, &rejects,
				     err);
	for (n = 0; !st && n < b->nselected; n++) {
		st = kvf_gather_open(&gather, b, b->selected[n], &limits, scratch, env, NULL,
				     err);
		gather.rejects = rejects;
		while (!st && !(st = kvf_gather_next(&gather, &e, err)))
			kvf_totals_add(t, &e);
		kvf_gather_close(&gather);
		if (st == KVF_EOF)
			st = KVF_OK;
	}
	kvf_rejects_free(rejects);
	return st;
}
