/*
 * tables - a stream of tables that were carried as they are, into tables again.
 *
 *   head, shapes -> refuse?  (application, columns, tables that are there)
 *        -> create -> rows, rows ... tail
 *        -> keys, indexes, what else hangs on the tables
 *        -> prove: read back by the source of an export, same transaction
 *        -> commit: the only point at which anything becomes visible
 *
 * There is one transaction, and neither a stage nor a control row: whatever ends
 * the run before the commit, also a kill, leaves the database as it was.
 */
#include "migrate/tables.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 4 /* load, finish, verify, publish */

/* ---- what the stream is ------------------------------------------------------------ */

static enum kvf_status not_tables(const char *why, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "the stream cannot be restored to tables: %s", why);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Tables come out of an export without -f, which carries them as they "
			  "are; for an application's stream, name its definitions with -f.");
	return KVF_EPREFLIGHT;
}

static enum kvf_status check_head(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_report *r = run->report;
	size_t i;

	for (i = 0; i < run->head->nfeatures; i++)
		if (strcmp(run->head->features[i], KVF_FEATURE_PARTIAL) == 0)
			r->partial = 1;
	if (run->head->app[0] || run->head->npackages != 1)
		return not_tables("it holds packages of an application", err);
	if (!r->partial || run->o->allow_partial)
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "the stream holds a selection of its source");
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "--allow-partial restores the tables that it has.");
	return KVF_EPREFLIGHT;
}

static enum kvf_status check_options(const struct kvf_options *o, struct kvf_err *err)
{
	const char *bad = o->application                        ? "-f"
			  : o->existing == KVF_EXISTING_REPLACE ? "--replace"
			  : o->existing == KVF_EXISTING_MERGE   ? "--merge"
			  : o->table                            ? "--table-name"
			  : o->partitions                       ? "--partitions"
			  : o->no_verify                        ? "--no-verify"
								: NULL;

	if (!bad)
		return KVF_OK;
	kvf_fail(err, KVF_EUSAGE, "%s goes with a store, not with --as tables", bad);
	kvf_err_hint(err, "A restore puts rows into new or empty tables, and always reads them "
			  "back before it commits.");
	return KVF_EUSAGE;
}

/* Head and begin record: after them every shape is known. */
static enum kvf_status read_shapes(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_reader_options ro;
	struct kvf_item item;
	enum kvf_status st;

	memset(&ro, 0, sizeof(ro));
	ro.caps = kvf_options_limits(run->o);
	ro.allow_features_partial = 1; /* check_head() says it better */
	st = kvf_reader_open(run->in, &ro, run->env, &run->reader, err);
	if (st)
		return st;
	run->head = kvf_reader_head(run->reader);
	kvf_report_name(run->report->source, sizeof(run->report->source), "%s",
			kvf_input_name(run->in));
	st = check_head(run, err);
	if (!st)
		st = kvf_reader_next(run->reader, &item, err);
	if (st)
		return st;
	if (item.type != KVF_ITEM_BEGIN || !item.u.begin->ntables)
		return not_tables("it does not say what the tables are like", err);
	st = kvf_begin_parse(item.raw, &run->begin, err);
	return st ? st
		  : kvf_report_packages(run->report, run->head->packages, run->head->npackages,
					err);
}

/* ---- which tables --------------------------------------------------------------------- */

static int matches(const char *const *patterns, size_t n, const char *name, char *used)
{
	size_t i;
	int hit = 0;

	for (i = 0; i < n; i++)
		if (kvf_glob(patterns[i], name))
			hit = used[i] = 1;
	return hit;
}

/* SCHEMA.TABLE: does the part before the point match? */
static int in_schema(const struct kvf_options *o, const char *name, char *used)
{
	const char *point = strchr(name, '.');
	char schema[256];

	if (!o->nschemas)
		return 1;
	snprintf(schema, sizeof(schema), "%.*s", point ? (int)(point - name) : 0, name);
	return point && matches(o->schemas, o->nschemas, schema, used);
}

static enum kvf_status unmatched(const struct kvf_tables_run *run, const char *option,
				 const char *pattern, struct kvf_err *err)
{
	kvf_fail(err, KVF_EUSAGE, "no table of the stream matches --%s '%s'", option, pattern);
	kvf_err_detail(err, "It has %zu tables; nothing was changed.", run->begin->ntables);
	kvf_err_hint(err, "'kvferry info' lists them.");
	return KVF_EUSAGE;
}

static enum kvf_status all_used(const struct kvf_tables_run *run, const char *used,
				struct kvf_err *err)
{
	const struct kvf_options *o = run->o;
	const struct {
		const char *option, *const *patterns;
		size_t n;
	} lists[] = {
		{ "table", o->tables, o->ntables },
		{ "exclude-table", o->exclude_tables, o->nexclude_tables },
		{ "schema", o->schemas, o->nschemas },
	};
	size_t i, k;

	for (i = 0; i < 3; i++)
		for (k = 0; k < lists[i].n; k++)
			if (!*used++)
				return unmatched(run, lists[i].option, lists[i].patterns[k],
						 err);
	return KVF_OK;
}

/* --table, --exclude-table and --schema choose; SHAPES in the order of the stream. */
static enum kvf_status choose(struct kvf_tables_run *run, const struct kvf_table **shapes,
			      size_t *n, struct kvf_err *err)
{
	const struct kvf_options *o = run->o;
	char *used = calloc(o->ntables + o->nexclude_tables + o->nschemas + 1, 1);
	enum kvf_status st;
	size_t i;

	*n = 0;
	if (!used)
		return kvf_fail_nomem(err);
	for (i = 0; i < run->begin->ntables; i++) {
		const char *name = run->begin->tables[i].name;

		run->chosen[i] = SIZE_MAX;
		if (!in_schema(o, name, used + o->ntables + o->nexclude_tables) ||
		    (o->ntables && !matches(o->tables, o->ntables, name, used)) ||
		    matches(o->exclude_tables, o->nexclude_tables, name, used + o->ntables))
			continue;
		run->chosen[i] = *n;
		shapes[(*n)++] = &run->begin->tables[i];
	}
	st = all_used(run, used, err);
	if (!st && !*n)
		st = kvf_fail(err, KVF_EUSAGE, "the patterns leave no table");
	free(used);
	return st;
}

static enum kvf_status open_target(struct kvf_tables_run *run, struct kvf_err *err)
{
	const struct kvf_begin *b = run->begin;
	const struct kvf_table **shapes = calloc(b->ntables, sizeof(*shapes));
	size_t n = 0, i, widest = 0;
	enum kvf_status st;

	for (i = 0; i < b->ntables; i++)
		widest = b->tables[i].ncolumns > widest ? b->tables[i].ncolumns : widest;
	run->chosen = calloc(b->ntables, sizeof(*run->chosen));
	run->totals = calloc(b->ntables, sizeof(*run->totals));
	run->cells = calloc(widest + 1, sizeof(*run->cells));
	st = shapes && run->chosen && run->totals && run->cells ? KVF_OK : kvf_fail_nomem(err);
	if (!st)
		st = choose(run, shapes, &n, err);
	if (!st)
		st = kvf_restore_open(run->o->target, run->o->dry_run, run->env, &run->restore,
				      err);
	if (!st)
		st = kvf_restore_tables(run->restore, shapes, n, n == b->ntables, err);
	if (!st) {
		kvf_report_name(run->report->target, sizeof(run->report->target), "%s",
				run->restore->identity);
		st = run->restore->ops->check(run->restore, err);
	}
	free(shapes);
	return st;
}

/* ---- the report ------------------------------------------------------------------------ */

static enum kvf_status report_tables(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_restore *rs = run->restore;
	struct kvf_report *r = run->report;
	size_t i;

	r->partial |= !rs->whole;
	r->records = kvf_report_alloc(r, (rs->ntables + 1) * sizeof(*r->records));
	if (!r->records)
		return kvf_fail_nomem(err);
	for (i = 0; i < rs->ntables; i++) {
		struct kvf_report_record *row = &r->records[r->nrecords++];

		row->package = kvf_report_text(r, "%s", run->begin->name);
		row->name = kvf_report_text(r, "%s", rs->tables[i].shape->name);
		row->table = row->name;
		if (!row->package || !row->name)
			return kvf_fail_nomem(err);
		row->rows = run->o->dry_run ? UINT64_MAX : run->totals[i].entries;
		row->rows_exact = !run->o->dry_run;
		row->bytes = UINT64_MAX;
		row->entries = run->totals[i].entries;
		r->packages[0].rows += run->totals[i].entries;
		kvf_totals_merge(&r->left, &run->totals[i]);
	}
	r->lost = kvf_report_alloc(r, (rs->nleft + 1) * sizeof(*r->lost));
	if (!r->lost)
		return kvf_fail_nomem(err);
	for (i = 0; i < rs->nleft; i++) {
		struct kvf_report_lost *l = &r->lost[r->nlost++];

		l->table = kvf_report_text(r, "%s", rs->left[i].table);
		l->kind = kvf_report_text(r, "%s", rs->left[i].kind);
		l->name = kvf_report_text(r, "%s", rs->left[i].name);
		l->why = kvf_report_text(r, "%s", rs->left[i].why);
		if (!l->table || !l->kind || !l->name || !l->why)
			return kvf_fail_nomem(err);
	}
	return KVF_OK;
}

static void report_end(struct kvf_report *r, const struct kvf_begin *begin,
		       const struct kvf_end *end)
{
	struct kvf_report_package *row = &r->packages[0];

	row->rev = begin->rev;
	row->chunks = end->chunks;
	row->totals = end->totals;
	memcpy(row->r, end->r, sizeof(row->r));
}

/* ---- the run ---------------------------------------------------------------------------- */

static enum kvf_status load(struct kvf_tables_run *run, struct kvf_err *err)
{
	size_t step = kvf_report_step(run->report, "load");
	struct kvf_item item;
	enum kvf_status st;

	kvf_meter_begin(&run->meter, run->env, "load", 1, STEPS, 0, 0);
	run->current = SIZE_MAX;
	st = run->restore->ops->create(run->restore, err);
	KVF_FAILPOINT(st, err, "tables.created");
	while (!st && !(st = kvf_reader_next(run->reader, &item, err))) {
		if (item.type == KVF_ITEM_CHUNK)
			st = kvf_tables_put_chunk(run, item.u.chunk, err);
		else if (item.type == KVF_ITEM_END)
			report_end(run->report, run->begin, item.u.end);
		else if (item.type == KVF_ITEM_TAIL)
			run->report->tail = *item.u.tail;
		if (!st)
			st = kvf_check_stop(run->env, err);
	}
	kvf_meter_send(&run->meter);
	if (st == KVF_EOF) /* the stream is whole: every digest has matched */
		st = kvf_tables_end_rows(run, err);
	if (!st)
		st = kvf_expected_root_check(&run->expected, run->report->tail.r, err);
	kvf_report_step_end(run->report, step, run->report->tail.entries,
			    run->report->tail.bytes);
	return st;
}

static enum kvf_status prove(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_report *r = run->report;
	size_t step = kvf_report_step(r, "verify");
	enum kvf_status st;

	kvf_meter_begin(&run->meter, run->env, "verify", 3, STEPS, r->left.entries, 0);
	st = kvf_tables_prove(run, err);
	/* All tables together are the package, of which the stream says its sum. */
	if (!st && run->restore->whole && !kvf_totals_equal(&r->right, &r->packages[0].totals))
		st = kvf_fail(err, KVF_EMISMATCH,
			      "the tables, read back, are not what the stream holds");
	kvf_report_step_end(r, step, r->right.entries, r->right.bytes);
	return st;
}

static enum kvf_status restore(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_restore *rs = run->restore;
	enum kvf_status st = load(run, err);
	size_t step;

	KVF_FAILPOINT(st, err, "tables.loaded");
	if (!st) {
		step = kvf_report_step(run->report, "finish");
		kvf_meter_begin(&run->meter, run->env, "finish", 2, STEPS, 0, 0);
		st = rs->ops->finish(rs, err);
		kvf_report_step_end(run->report, step, 0, 0);
	}
	KVF_FAILPOINT(st, err, "tables.finished");
	if (!st)
		st = report_tables(run, err);
	if (!st)
		st = prove(run, err);
	KVF_FAILPOINT(st, err, "tables.proved");
	if (!st)
		st = kvf_check_stop(run->env, err);
	if (st)
		return st;
	step = kvf_report_step(run->report, "publish");
	kvf_meter_begin(&run->meter, run->env, "publish", STEPS, STEPS, 0, 0);
	st = rs->ops->commit(rs, err);
	run->report->published = !st;
	kvf_report_step_end(run->report, step, run->report->right.entries,
			    run->report->right.bytes);
	return st;
}

enum kvf_status kvf_import_tables(const struct kvf_options *o, const struct kvf_env *env,
				  struct kvf_input *in, struct kvf_report *report,
				  struct kvf_err *err)
{
	struct kvf_tables_run run;
	enum kvf_status st;
	size_t i;

	memset(&run, 0, sizeof(run));
	run.o = o;
	run.env = env;
	run.in = in;
	run.report = report;
	kvf_run_id(report->run, sizeof(report->run));
	st = check_options(o, err);
	if (!st)
		st = kvf_expected_root(o, &run.expected, err);
	if (!st)
		st = read_shapes(&run, err);
	if (!st)
		st = open_target(&run, err);
	if (!st)
		st = o->dry_run ? report_tables(&run, err) : restore(&run, err);
	if (st && run.restore && !*err->detail)
		kvf_err_detail(err, "Nothing was changed.");
	for (i = 0; run.reader && i < kvf_reader_warnings(run.reader); i++)
		kvf_report_warn(report, "%s", kvf_reader_warning(run.reader, i));
	kvf_restore_close(run.restore);
	kvf_reader_close(run.reader);
	kvf_begin_free(run.begin);
	free(run.chosen);
	free(run.totals);
	free(run.cells);
	return st;
}
