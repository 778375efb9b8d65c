/*
 * feed - the rows of one package as entries in stream order.
 *
 *   rows -> convert() -> sink -> sorter -> next()
 *
 * An entry carries its origin through the sorter, so that when two rows give
 * one key both can be named; the origin never reaches the stream.
 */
#include "migrate/run.h"

#include <stdlib.h>
#include <string.h>

static enum kvf_status feed_put(void *ctx, const struct kvf_entry *entry, unsigned flags,
				struct kvf_err *err)
{
	struct kvf_feed *f = ctx;

	f->record_entries[f->reading.record]++;
	return kvf_sorter_put(f->sorter, entry, flags, f->reading, err);
}

enum kvf_status kvf_feed_open(struct kvf_feed *f, const struct kvf_bound *b, size_t package,
			      const struct kvf_limits *limits, const char *scratch,
			      const struct kvf_env *env, struct kvf_meter *meter,
			      struct kvf_err *err)
{
	struct kvf_sink_caps caps = { limits->part, limits->key, limits->value };
	size_t n = b->app->packages[package]->nrecords;

	memset(f, 0, sizeof(*f));
	f->bound = b;
	f->package = package;
	f->env = env;
	f->scratch = scratch;
	f->meter = meter;
	f->in_order = 1;
	kvf_buf_init(&f->last_key, (size_t)(limits->part + limits->key + 64));
	kvf_sink_init(&f->sink, &caps, feed_put, f);
	f->record_rows = calloc(2 * (n ? n : 1), sizeof(*f->record_rows));
	if (!f->record_rows)
		return kvf_fail_nomem(err);
	f->record_entries = f->record_rows + n;
	return KVF_OK;
}

void kvf_feed_close(struct kvf_feed *f)
{
	kvf_sorter_free(f->sorter);
	kvf_sink_release(&f->sink);
	kvf_buf_release(&f->last_key);
	free(f->record_rows);
	memset(f, 0, sizeof(*f));
}

/* A row that cannot be carried stops the run; say which row it is. */
static enum kvf_status reject(struct kvf_feed *f, struct kvf_err *err)
{
	char row[512];
	struct kvf_err reason = *err;

	kvf_bound_name_row(f->bound, f->package, f->reading, row, sizeof(row));
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

static enum kvf_status read_part(struct kvf_feed *f, const struct kvf_record *record,
				 unsigned part, struct kvf_err *err)
{
	const struct kvf_package *pkg = f->bound->app->packages[f->package];
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	enum kvf_status st = kvf_rows_open(f->bound->source, record, part, &rows, err);

	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		f->reading.ordinal = row->ordinal;
		st = pkg->convert(pkg, f->reading.record, row, &f->sink, err);
		if (st == KVF_EREJECT)
			st = reject(f, err);
		if (st)
			break;
		f->rows++;
		f->record_rows[f->reading.record]++;
		if (f->meter)
			kvf_meter_add(f->meter, 1, 0);
		if (f->rows % 1024 == 0)
			st = kvf_check_stop(f->env, err);
	}
	kvf_rows_close(rows);
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status read_record(struct kvf_feed *f, size_t r, struct kvf_err *err)
{
	const struct kvf_record *record = &f->bound->app->packages[f->package]->records[r];
	unsigned parts = 1, part;
	enum kvf_status st;

	f->reading.record = (uint32_t)r;
	if (f->meter)
		kvf_meter_at(f->meter, record->table ? record->table : record->name);
	st = kvf_source_plan(f->bound->source, record, &parts, err);
	for (part = 0; !st && part < parts; part++)
		st = read_part(f, record, part, err);
	return st;
}

/* Read one table, or all records of the package, into a new sorter. */
static enum kvf_status fill(struct kvf_feed *f, struct kvf_err *err)
{
	const struct kvf_package *pkg = f->bound->app->packages[f->package];
	size_t stop = f->bound->exact ? f->record + 1 : pkg->nrecords;
	enum kvf_status st;

	st = kvf_sorter_new(kvf_memory_budget(f->env), f->scratch, f->env, &f->sorter, err);
	while (!st && f->record < stop)
		st = read_record(f, f->record++, err);
	if (f->meter)
		kvf_meter_send(f->meter);
	return st ? st : kvf_sorter_finish(f->sorter, err);
}

static void drop_sorter(struct kvf_feed *f)
{
	struct kvf_sorter_stats stats;

	kvf_sorter_stats(f->sorter, &stats);
	f->spilled += stats.spilled_bytes;
	f->in_order &= stats.in_order;
	kvf_sorter_free(f->sorter);
	f->sorter = NULL;
	f->last_key.len = 0; /* the next table is another partition */
}

static enum kvf_status duplicate(struct kvf_feed *f, const struct kvf_entry *e,
				 struct kvf_origin origin, struct kvf_err *err)
{
	char part[160], key[320], a[384], b[384];

	kvf_bytes_print(e->part, part, sizeof(part));
	kvf_bytes_print(e->key, key, sizeof(key));
	kvf_bound_name_row(f->bound, f->package, f->last, a, sizeof(a));
	kvf_bound_name_row(f->bound, f->package, origin, b, sizeof(b));
	kvf_fail(err, KVF_EDEFINITION,
		 "package %s: two rows give one key: partition '%s', key '%s'",
		 f->bound->names ? f->bound->app->packages[f->package]->name : "", part, key);
	kvf_err_detail(err, "%s; and %s. Nothing was published.", a, b);
	kvf_err_hint(err,
		     "Make the key template of the definition unique; 'kvferry check' shows "
		     "which keys may collide.");
	return KVF_EDEFINITION;
}

/* Remember the entry's key, to compare the next one with it. */
static enum kvf_status remember(struct kvf_feed *f, const struct kvf_entry *e,
				struct kvf_origin origin, struct kvf_err *err)
{
	enum kvf_status st;

	f->last_key.len = 0;
	f->last_part = e->part.len;
	f->last = origin;
	st = kvf_buf_append(&f->last_key, e->part.ptr, e->part.len, err);
	return st ? st : kvf_buf_append(&f->last_key, e->key.ptr, e->key.len, err);
}

static int same_key(const struct kvf_feed *f, const struct kvf_entry *e)
{
	return f->last_key.len == e->part.len + e->key.len && f->last_part == e->part.len &&
	       memcmp(f->last_key.ptr + e->part.len, e->key.ptr, e->key.len) == 0 &&
	       (e->part.len == 0 || memcmp(f->last_key.ptr, e->part.ptr, e->part.len) == 0);
}

enum kvf_status kvf_feed_next(struct kvf_feed *f, struct kvf_entry *entry, struct kvf_err *err)
{
	size_t n = f->bound->app->packages[f->package]->nrecords;
	struct kvf_origin origin;
	enum kvf_status st;

	for (;;) {
		if (!f->sorter) {
			if (f->record >= n)
				return KVF_EOF;
			st = fill(f, err);
			if (st)
				return st;
		}
		st = kvf_sorter_next(f->sorter, entry, &origin, err);
		if (st != KVF_EOF)
			break;
		drop_sorter(f);
	}
	if (st)
		return st;
	if (f->last_key.len && same_key(f, entry))
		return duplicate(f, entry, origin, err);
	return remember(f, entry, origin, err);
}
