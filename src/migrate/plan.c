/* plan - what would happen; where a store stands; what happened to it. */
#include "migrate/back.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAMPLE_ROWS 1000

/*
 * How much the store grows: entries are about as large as the rows, the old
 * generation stays until cleanup, and the tree and its journal want a share.
 */
static void estimate_space(struct kvf_report *r)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < r->nrecords; i++) {
		if (r->records[i].bytes == UINT64_MAX)
			return;
		bytes += r->records[i].bytes;
	}
	r->need_bytes = bytes + bytes / 4 + (1u << 20);
}

/* Bytes that a row of a query holds, by its first rows; 0 where they cannot be read. */
static double row_width(struct kvf_source *source, const struct kvf_record *record)
{
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err ignored;
	uint64_t n = 0, bytes = 0;
	unsigned parts = 1;
	size_t i;

	if (kvf_source_plan(source, record, &parts, &ignored) ||
	    kvf_rows_open(source, record, 0, &rows, &ignored))
		return 0;
	for (; n < SAMPLE_ROWS && !kvf_rows_next(rows, &row, &ignored); n++)
		for (i = 0; i < row->ncells; i++)
			bytes += row->cells[i].type == KVF_CELL_TEXT ||
						 row->cells[i].type == KVF_CELL_BLOB
					 ? row->cells[i].u.b.len
					 : 8;
	kvf_rows_close(rows);
	return n ? (double)bytes / (double)n : 0;
}

/* Queries are measured by a sample, unless the source does not know how large its tables
 * are: then there would be no sum. */
static void estimate_queries(struct kvf_report *r, const struct kvf_bound *b)
{
	size_t i, k, at = 0;
	int known = 1;

	for (i = 0; i < b->nselected; i++)
		for (k = 0; k < b->app->packages[b->selected[i]]->nrecords; k++, at++)
			known &= b->app->packages[b->selected[i]]->records[k].query ||
				 r->records[at].bytes != UINT64_MAX;
	for (i = at = 0; known && i < b->nselected; i++) {
		const struct kvf_package *pkg = b->app->packages[b->selected[i]];

		for (k = 0; k < pkg->nrecords; k++, at++)
			if (pkg->records[k].query && r->records[at].bytes == UINT64_MAX)
				r->records[at].bytes =
					(uint64_t)((double)r->records[at].rows *
						   row_width(b->source, &pkg->records[k]));
	}
}

/* What the shapes do not know for nothing is counted. */
enum kvf_status kvf_report_count(struct kvf_report *r, const struct kvf_bound *b,
				 struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i, k, at = 0;

	for (i = 0; !st && i < b->nselected; i++) {
		const struct kvf_package *pkg = b->app->packages[b->selected[i]];

		for (k = 0; !st && k < pkg->nrecords; k++, at++) {
			st = kvf_source_count(b->source, &pkg->records[k], &r->records[at].rows,
					      err);
			r->records[at].rows_exact = 1;
			r->packages[i].rows += r->records[at].rows;
		}
	}
	if (!st)
		estimate_queries(r, b);
	return st;
}

enum kvf_status kvf_plan(const struct kvf_options *o, const struct kvf_env *env,
			 struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table, .partitions = o->partitions };
	struct kvf_source *source = NULL;
	struct kvf_store *store = NULL;
	struct kvf_bound bound;
	enum kvf_status st = kvf_report_init(report, err);

	memset(&bound, 0, sizeof(bound));
	if (!st)
		st = kvf_still_look(o, env, report, err);
	if (!st)
		st = kvf_source_open(o->source, env, &source, err);
	if (!st)
		st = kvf_still_opened(source, report, err);
	if (!st)
		st = kvf_store_open(o->target, KVF_STORE_READ, &so, env, &store, err);
	if (st == KVF_ENOTFOUND)
		st = kvf_preflight_new(o, env, report, err);
	else if (!st)
		st = kvf_import_preflight(store, o, env, "", report, err);
	if (st == KVF_EPREFLIGHT)
		st = kvf_preflight_source(o, source, err);
	if (st)
		goto out;
	report->in_place = kvf_source_is_place(source, o->target);
	st = kvf_bound_open(o, source, NULL, report->in_place && report->live != 0, &bound,
			    err);
	if (!st)
		st = kvf_report_bound(report, &bound, err);
	if (!st)
		st = kvf_checks_run(&bound, env, report, err);
	if (!st)
		st = kvf_report_count(report, &bound, err);
	if (!st && store)
		st = kvf_import_preflight(store, o, env, bound.app->name, report, err);
	if (st)
		goto out;
	estimate_space(report);
	if (report->need_bytes != UINT64_MAX && report->free_bytes < report->need_bytes)
		kvf_report_warn(report,
				"the store may need %" PRIu64 " bytes, %" PRIu64 " are free",
				report->need_bytes, report->free_bytes);
	if (report->facts.entries && o->existing == KVF_EXISTING_REFUSE)
		kvf_report_warn(report,
				"the store holds %" PRIu64 " entries: migrate needs "
				"--replace or --merge, unless they are these data already",
				report->facts.entries);
	if (report->writers.n && !report->is_frozen)
		kvf_report_warn(
			report,
			"the source is live (%s): migrate needs it stopped, or --freeze, "
			"or --allow-live-source",
			report->writers.named);
	if (bound.partial)
		kvf_report_warn(report, "a selection never bumps the schema version");
out:
	kvf_bound_close(&bound);
	kvf_store_close(store);
	kvf_source_close(source);
	return st;
}

/* What an unfinished run has staged, and of what. */
static enum kvf_status look_at_stage(struct kvf_store *store, struct kvf_report *r,
				     struct kvf_err *err)
{
	struct kvf_generation g;
	struct kvf_totals staged;
	enum kvf_status st = kvf_store_applied(store, &r->resumed, &staged, err);

	if (!st)
		st = kvf_store_generation(store, KVF_SCAN_STAGE, &g, err);
	if (!st)
		snprintf(r->staged_of, sizeof(r->staged_of), "%s", g.source);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	}
	return st;
}

/* Does a source refuse writes for this store?  Without one it may be the store's own
 * database, and then nothing is said where that cannot be told. */
static enum kvf_status look_at_source(const struct kvf_options *o, const struct kvf_env *env,
				      struct kvf_store *store, struct kvf_report *r,
				      struct kvf_err *err)
{
	const char *place = o->source ? o->source : o->target;
	enum kvf_status st;

	if (!o->source && (!store || *r->control.frozen))
		return KVF_OK;
	st = kvf_freeze_look(place, env, &r->frozen, err);
	if (!st && store)
		kvf_report_store(r, store);
	r->is_frozen = !st && (!store || kvf_still_for(r, &r->frozen, store));
	if (!st || (o->source && st != KVF_ENOTFOUND))
		return st;
	kvf_err_clear(err);
	return KVF_OK;
}

enum kvf_status kvf_store_status(const struct kvf_options *o, const struct kvf_env *env,
				 struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table, .partitions = o->partitions };
	struct kvf_store *store = NULL;
	enum kvf_status st = kvf_report_init(report, err);

	if (!st)
		st = kvf_store_open(o->target, KVF_STORE_READ, &so, env, &store, err);
	if (st == KVF_ENOTFOUND && o->source) {
		st = look_at_source(o, env, NULL, report, err);
		goto out;
	}
	if (!st)
		st = kvf_store_inspect(store, &report->facts, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_hint(err, "Where a run has frozen a source for it, and died: 'kvferry "
				  "status STORE --source SOURCE'.");
		st = err->status = KVF_ESOURCE;
	}
	if (st)
		goto out;
	kvf_report_name(report->target, sizeof(report->target), "%s",
			kvf_store_identity(store));
	st = kvf_store_control(store, &report->control, err);
	if (!st) {
		report->has_control = 1;
		report->live = report->control.ver;
		if (kvf_is_unfinished(&report->control))
			st = look_at_stage(store, report, err);
		snprintf(report->app, sizeof(report->app), "%s", report->control.app);
		if (!st)
			st = kvf_back_live_run(store, report, err);
		if (!st)
			st = kvf_ledger_read(store, report, err);
	} else if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	}
	if (!st)
		st = look_at_source(o, env, store, report, err);
out:
	kvf_store_close(store);
	return st;
}

enum kvf_status kvf_history(const struct kvf_options *o, const struct kvf_env *env,
			    void (*fn)(void *ctx, const struct kvf_ledger_row *row), void *ctx,
			    struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table, .partitions = o->partitions };
	struct kvf_store *store = NULL;
	enum kvf_status st = kvf_store_open(o->target, KVF_STORE_READ, &so, env, &store, err);

	if (st == KVF_ENOTFOUND)
		st = err->status = KVF_ESOURCE;
	if (!st)
		st = kvf_ledger_each(store, fn, ctx, err);
	if (store && st == KVF_ENOTFOUND) { /* nothing was published here yet */
		kvf_err_clear(err);
		st = KVF_OK;
	}
	kvf_store_close(store);
	return st;
}
