/*
 * tables_back - the entries of an application as rows of its legacy tables again.
 *
 *   stream or store -> entries -> kind, value as JSON -> a temporary table
 *        -> each kind a view, for the queries under `back:`
 *        -> INSERT INTO table SELECT ..., in the order of the definitions
 *        -> prove: the tables, read by the same definitions, give the entries again
 *        -> commit
 *
 * One transaction of one connection: whatever ends the run leaves the database as
 * it was.  The tables are there already, and empty: what else belongs to the
 * legacy schema is the business of the application's own release.
 */
#include "migrate/run.h"

#include "base/failpoint.h"
#include "restore/restore.h"
#include "value/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOC_MAX ((size_t)512 << 20)

struct back {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_formats *formats;
	const struct kvf_application *app;
	struct kvf_side_entries *side;
	struct kvf_restore *restore;
	struct kvf_restore_table entries; /* the temporary table */
	size_t *package_of;               /* of each of a stream: of the application */
	struct kvf_totals *totals;        /* of each of the application, as read */
	struct kvf_buf doc;
	struct kvf_meter meter;
	char scratch_dir[4096];
};

/* Everything that the queries may ask of an entry. */
static const struct kvf_column columns[] = {
	{ "package", "text", 0 }, { "kind", "text", 0 },   { "partition", "bytea", 0 },
	{ "key", "bytea", 0 },    { "value", "bytea", 0 }, { "doc", "text", 0 },
};
static const struct kvf_table entries_shape = { .name = "kvferry_entries",
						.columns = columns,
						.ncolumns = 6 };

/* ---- what the places are ------------------------------------------------------------- */

static enum kvf_status refuse(enum kvf_status st, const char *hint, struct kvf_err *err,
			      const char *what)
{
	kvf_fail(err, st, "%s", what);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "%s", hint);
	return st;
}

static enum kvf_status check_entries(struct back *b, struct kvf_err *err)
{
	const struct kvf_head *head = kvf_side_head(b->side);
	const char *const *names;
	size_t n = kvf_side_packages(b->side, &names), i, k;

	if (kvf_side_kind(b->side) == KVF_SIDE_TABLES || !head)
		return refuse(KVF_EPREFLIGHT,
			      "Name a stream, or a store that kvferry has filled.", err,
			      "the way back begins with a stream or a store");
	if (strcmp(head->app, b->app->name) != 0)
		return refuse(KVF_ESTREAM, "Name the definitions that made it.", err,
			      *head->app ? "it is of another application"
					 : "it holds tables that were carried as they are");
	b->package_of = calloc(n + 1, sizeof(*b->package_of));
	b->totals = calloc(b->app->npackages + 1, sizeof(*b->totals));
	if (!b->package_of || !b->totals)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		for (k = 0; k < b->app->npackages; k++)
			if (strcmp(b->app->packages[k]->name, names[i]) == 0)
				break;
		b->package_of[i] = k;
		if (k == b->app->npackages)
			return refuse(KVF_EVERSION, "Use the definitions that made it.", err,
				      "it has a package that these definitions do not");
	}
	return KVF_OK;
}

static enum kvf_status report_packages(struct back *b, struct kvf_err *err)
{
	const char **names = calloc(b->app->npackages + 1, sizeof(*names));
	enum kvf_status st;
	size_t i;

	for (i = 0; names && i < b->app->npackages; i++)
		names[i] = b->app->packages[i]->name;
	st = names ? kvf_report_packages(b->report, names, b->app->npackages, err)
		   : kvf_fail_nomem(err);
	free(names);
	return st;
}

/* Each table is there, and holds no row. */
static enum kvf_status check_tables(struct back *b, struct kvf_err *err)
{
	struct kvf_source *source = NULL;
	enum kvf_status st = b->restore->ops->source(b->restore, &source, err);
	size_t p, i, n = 0;

	for (p = 0; !st && p < b->app->npackages; p++) {
		const struct kvf_package *pkg = b->app->packages[p];

		for (i = 0; !st && i < pkg->nback; i++, n++) {
			struct kvf_record record = { .name = "back",
						     .table = pkg->back[i].table };
			const struct kvf_table *shape;
			uint64_t rows;

			st = kvf_source_describe(source, &record, &shape, err);
			if (!st)
				st = kvf_source_count(source, &record, &rows, err);
			if (!st && rows)
				st = kvf_restore_not_empty(shape, err);
		}
	}
	kvf_source_close(source);
	if (!st && !n)
		st = refuse(KVF_EDEFINITION, "Write queries under \"back:\" in its packages.",
			    err, "the definitions say nothing of a way back");
	if (st == KVF_EDEFINITION && !*err->hint)
		kvf_err_hint(err, "Make the legacy schema first, with the application's own "
				  "release; this fills its tables.");
	return st;
}

/* ---- entries ------------------------------------------------------------------------------ */

static struct kvf_cell text_cell(struct kvf_bytes b)
{
	struct kvf_cell c = { .type = KVF_CELL_TEXT, .u.b = b };

	return c;
}

static struct kvf_cell blob_cell(struct kvf_bytes b)
{
	struct kvf_cell c = { .type = KVF_CELL_BLOB, .u.b = b };

	return c;
}

static size_t kind_of(const struct kvf_package *p, const struct kvf_entry *e)
{
	return p->kind_of ? p->kind_of(p, e->part, e->key)
			  : kvf_kind_match(p->kinds, p->nkinds, e);
}

static enum kvf_status no_kind(const struct kvf_package *p, const struct kvf_entry *e,
			       const char *why, struct kvf_err *err)
{
	char part[200], key[300];

	kvf_bytes_print(e->part, part, sizeof(part));
	kvf_bytes_print(e->key, key, sizeof(key));
	kvf_fail(err, KVF_EREJECT, "package %s, partition %s, key %s: %s", p->name, part, key,
		 why);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "These definitions did not make it: an application may have written "
			  "it since.");
	return KVF_EREJECT;
}

/* A store keeps no packages: the first one that has a kind for it. */
static size_t package_of(const struct back *b, size_t given, const struct kvf_entry *e)
{
	size_t p;

	if (kvf_side_kind(b->side) == KVF_SIDE_STREAM)
		return b->package_of[given];
	for (p = 0; p + 1 < b->app->npackages; p++)
		if (kind_of(b->app->packages[p], e) < b->app->packages[p]->nkinds)
			break;
	return p;
}

static enum kvf_status put(struct back *b, const struct kvf_package *p,
			   const struct kvf_entry *e, struct kvf_err *err)
{
	struct kvf_cell cells[6] = { text_cell(kvf_bytes_str(p->name)),
				     text_cell(kvf_bytes_str("")),
				     blob_cell(e->part),
				     blob_cell(e->key),
				     blob_cell(e->value),
				     { .type = KVF_CELL_NULL } };
	struct kvf_print_as as = { KVF_RAW, p->messages, p->nmessages, 0 };
	size_t k = kind_of(p, e);
	enum kvf_status st;
	int decoded = 1;

	if (k == p->nkinds)
		return no_kind(p, e, "it is of no kind of its package", err);
	cells[1] = text_cell(kvf_bytes_str(p->kinds[k].name));
	as.enc = p->kinds[k].enc;
	as.msg = p->kinds[k].msg;
	if (as.enc != KVF_RAW) {
		b->doc.len = 0;
		st = kvf_print_value(&b->doc, &as, e->value, &decoded, err);
		if (st)
			return st;
		if (!decoded)
			return no_kind(p, e, "its value is not what its kind says", err);
		cells[5] = text_cell(kvf_buf_bytes(&b->doc));
	}
	return b->restore->ops->put(b->restore, &b->entries, cells, err);
}

static enum kvf_status load(struct back *b, struct kvf_err *err)
{
	size_t step = kvf_report_step(b->report, "load"), package = 0;
	struct kvf_restore *r = b->restore;
	const struct kvf_begin *begin;
	struct kvf_entry e;
	enum kvf_status st;

	kvf_meter_begin(&b->meter, b->env, "load", 1, 4, 0, 0);
	st = r->ops->begin_rows(r, &b->entries, err);
	if (!st)
		st = kvf_side_begin(b->side, 1, err);
	while (!st && !(st = kvf_side_next(b->side, &e, &package, &begin, err))) {
		size_t p = package_of(b, package, &e);

		kvf_totals_add(&b->totals[p], &e);
		kvf_totals_add(&b->report->left, &e);
		kvf_totals_add(&b->report->packages[p].totals, &e);
		kvf_meter_add(&b->meter, 1, e.part.len + e.key.len + e.value.len);
		st = put(b, b->app->packages[p], &e, err);
		if (!st && b->report->left.entries % 1024 == 0)
			st = kvf_check_stop(b->env, err);
	}
	if (st == KVF_EOF)
		st = r->ops->end_rows(r, &b->entries, err);
	kvf_report_step_end(b->report, step, b->report->left.entries, b->report->left.bytes);
	return st;
}

/* ---- tables -------------------------------------------------------------------------------- */

static int is_postgres(const struct back *b)
{
	return strcmp(b->restore->ops->dialect, "sqlite") != 0;
}

static enum kvf_status view(struct back *b, const struct kvf_package *p, size_t k, int drop,
			    struct kvf_err *err)
{
	const char *name = p->kinds[k].name; /* words and points: needs no escape in quotes */
	char sql[1024];

	if (drop)
		snprintf(sql, sizeof(sql), "DROP VIEW %s\"%s\"",
			 is_postgres(b) ? "pg_temp." : "temp.", name);
	else
		snprintf(sql, sizeof(sql),
			 "CREATE TEMPORARY VIEW \"%s\" AS SELECT partition, key, value, %s AS "
			 "doc "
			 "FROM kvferry_entries WHERE package = '%s' AND kind = '%s'",
			 name, is_postgres(b) ? "doc::jsonb" : "doc", p->name, name);
	return b->restore->ops->run(b->restore, "make a view of a kind", sql, err);
}

/* INSERT INTO "t" ("a", "b") query */
static enum kvf_status insert_sql(const struct kvf_back *back, const struct kvf_table *shape,
				  struct kvf_buf *sql, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_printf(sql, err, "INSERT INTO %s (", back->table);
	size_t i;

	for (i = 0; !st && i < shape->ncolumns; i++)
		st = kvf_buf_printf(sql, err, "%s\"%s\"", i ? ", " : "",
				    shape->columns[i].name);
	return st ? st : kvf_buf_printf(sql, err, ")\n%s", back->query);
}

static enum kvf_status fill(struct back *b, const struct kvf_package *p,
			    const struct kvf_back *back, struct kvf_err *err)
{
	struct kvf_record query = { .name = back->table, .query = back->query };
	struct kvf_record table = { .name = back->table, .table = back->table };
	struct kvf_report_record *row = &b->report->records[b->report->nrecords++];
	struct kvf_source *source = NULL;
	const struct kvf_table *shape;
	struct kvf_buf sql;
	char doing[200];
	enum kvf_status st = b->restore->ops->source(b->restore, &source, err);

	kvf_buf_init(&sql, 4u << 20);
	if (!st)
		st = kvf_source_describe(source, &query, &shape, err);
	if (!st)
		st = insert_sql(back, shape, &sql, err);
	snprintf(doing, sizeof(doing), "fill table %.150s", back->table);
	kvf_meter_at(&b->meter, back->table);
	kvf_meter_send(&b->meter);
	if (!st)
		st = b->restore->ops->run(b->restore, doing, (const char *)sql.ptr, err);
	if (!st)
		st = b->restore->ops->pass(b->restore, back->table, err);
	if (!st)
		st = kvf_source_count(source, &table, &row->rows, err);
	row->rows_exact = 1;
	row->entries = row->rows;
	row->bytes = UINT64_MAX;
	row->package = kvf_report_text(b->report, "%s", p->name);
	row->name = row->table = kvf_report_text(b->report, "%s", back->table);
	kvf_source_close(source);
	kvf_buf_release(&sql);
	if (!st && (!row->package || !row->name))
		st = kvf_fail_nomem(err);
	return st;
}

static enum kvf_status fill_package(struct back *b, const struct kvf_package *p,
				    struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < p->nkinds; i++)
		st = view(b, p, i, 0, err);
	for (i = 0; !st && i < p->nback; i++) {
		st = fill(b, p, &p->back[i], err);
		if (!st)
			st = kvf_check_stop(b->env, err);
	}
	for (i = 0; !st && i < p->nkinds; i++)
		st = view(b, p, i, 1, err);
	return st;
}

static enum kvf_status fill_all(struct back *b, struct kvf_err *err)
{
	size_t step = kvf_report_step(b->report, "fill"), n = 0, p;
	enum kvf_status st;

	for (p = 0; p < b->app->npackages; p++)
		n += b->app->packages[p]->nback;
	b->report->records = kvf_report_alloc(b->report, (n + 1) * sizeof(*b->report->records));
	if (!b->report->records)
		return kvf_fail_nomem(err);
	kvf_meter_begin(&b->meter, b->env, "fill", 2, 4, 0, 0);
	st = b->restore->ops->run(b->restore, "index the entries",
				  "CREATE INDEX kvferry_entries_kind ON kvferry_entries "
				  "(package, kind)",
				  err);
	if (!st)
		st = b->restore->ops->run(b->restore, "count the entries",
					  "ANALYZE kvferry_entries", err);
	for (p = 0; !st && p < b->app->npackages; p++)
		st = fill_package(b, b->app->packages[p], err);
	if (!st)
		st = b->restore->ops->run(b->restore, "drop the entries",
					  "DROP TABLE kvferry_entries", err);
	kvf_report_step_end(b->report, step, 0, 0);
	return st;
}

/* ---- the proof ------------------------------------------------------------------------------- */

static enum kvf_status package_totals(struct back *b, const struct kvf_bound *bound, size_t n,
				      struct kvf_totals *t, struct kvf_err *err)
{
	struct kvf_limits limits = kvf_options_limits(b->o);
	struct kvf_gather g;
	struct kvf_entry e;
	enum kvf_status st;

	memset(t, 0, sizeof(*t));
	st = kvf_gather_open(
		&g, bound, bound->selected[n], &limits,
		kvf_scratch_dir(b->o->target, b->env, b->scratch_dir, sizeof(b->scratch_dir)),
		b->env, NULL, err);
	while (!st && !(st = kvf_gather_next(&g, &e, err))) {
		kvf_totals_add(t, &e);
		kvf_meter_add(&b->meter, 1, 0);
	}
	kvf_gather_close(&g);
	return st == KVF_EOF ? KVF_OK : st;
}

/* What cannot return may leave its trace in the entries: then it is said. */
static enum kvf_status prove(struct back *b, struct kvf_err *err)
{
	size_t step = kvf_report_step(b->report, "verify"), n;
	struct kvf_source *source = NULL;
	struct kvf_bound bound;
	struct kvf_totals t;
	enum kvf_status st = b->restore->ops->source(b->restore, &source, err);

	memset(&bound, 0, sizeof(bound));
	kvf_meter_begin(&b->meter, b->env, "verify", 3, 4, b->report->left.entries, 0);
	if (!st)
		st = kvf_bound_open(b->o, source, kvf_side_head(b->side), 1, &bound, err);
	b->report->equal = 1;
	for (n = 0; !st && n < bound.nselected; n++) {
		const struct kvf_totals *want = &b->totals[bound.selected[n]];

		st = package_totals(b, &bound, n, &t, err);
		kvf_totals_merge(&b->report->right, &t);
		if (st || kvf_totals_equal(&t, want))
			continue;
		b->report->equal = 0;
		kvf_report_warn(b->report,
				"package %s: the tables give %" PRIu64
				" entries again, of %" PRIu64
				"%s; what cannot return is listed",
				bound.names[n], t.entries, want->entries,
				t.entries == want->entries ? ", and some differ" : "");
	}
	kvf_bound_close(&bound);
	kvf_source_close(source);
	kvf_report_step_end(b->report, step, b->report->right.entries, b->report->right.bytes);
	if (st == KVF_ESOURCE || st == KVF_EDEFINITION)
		st = err->status = KVF_ETARGET;
	return st;
}

static enum kvf_status list_lost(struct back *b, struct kvf_err *err)
{
	struct kvf_report *r = b->report;
	size_t n = 0, p, i;

	for (p = 0; p < b->app->npackages; p++)
		n += b->app->packages[p]->nlost;
	r->lost = kvf_report_alloc(r, (n + 1) * sizeof(*r->lost));
	if (!r->lost)
		return kvf_fail_nomem(err);
	for (p = 0; p < b->app->npackages; p++)
		for (i = 0; i < b->app->packages[p]->nlost; i++) {
			struct kvf_report_lost *l = &r->lost[r->nlost++];

			l->table = kvf_report_text(r, "%s", b->app->packages[p]->name);
			l->kind = kvf_report_text(r, "lost");
			l->name = kvf_report_text(r, "%s", "");
			l->why = kvf_report_text(r, "%s", b->app->packages[p]->lost[i]);
			if (!l->table || !l->kind || !l->name || !l->why)
				return kvf_fail_nomem(err);
		}
	return KVF_OK;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static enum kvf_status open_all(struct back *b, struct kvf_err *err)
{
	enum kvf_status st = kvf_formats_load(b->o->formats, &b->formats, err);

	if (st)
		return st;
	b->app = kvf_formats_application(b->formats);
	st = kvf_side_open(b->o, b->o->source, NULL, b->env, NULL, &b->side, err);
	if (!st)
		st = check_entries(b, err);
	if (!st)
		st = kvf_restore_open(b->o->target, b->o->dry_run, b->env, &b->restore, err);
	if (st)
		return st;
	snprintf(b->report->app, sizeof(b->report->app), "%s", b->app->name);
	kvf_report_name(b->report->source, sizeof(b->report->source), "%s",
			kvf_side_identity(b->side));
	kvf_report_name(b->report->target, sizeof(b->report->target), "%s",
			b->restore->identity);
	st = report_packages(b, err);
	if (!st)
		st = check_tables(b, err);
	return st ? st : list_lost(b, err);
}

static enum kvf_status run(struct back *b, struct kvf_err *err)
{
	struct kvf_restore *r = b->restore;
	enum kvf_status st;
	size_t step;

	b->entries.shape = &entries_shape;
	b->entries.place = entries_shape.name;
	st = r->ops->scratch(r, &b->entries, err);
	if (!st)
		st = load(b, err);
	KVF_FAILPOINT(st, err, "back.loaded");
	if (!st)
		st = fill_all(b, err);
	KVF_FAILPOINT(st, err, "back.filled");
	if (!st)
		st = prove(b, err);
	KVF_FAILPOINT(st, err, "back.proved");
	if (!st)
		st = kvf_check_stop(b->env, err);
	if (st)
		return st;
	step = kvf_report_step(b->report, "publish");
	st = r->ops->commit(r, err);
	b->report->published = !st;
	kvf_report_step_end(b->report, step, 0, 0);
	return st;
}

enum kvf_status kvf_import_back(const struct kvf_options *o, const struct kvf_env *env,
				struct kvf_report *report, struct kvf_err *err)
{
	struct back b = { .o = o, .env = env, .report = report };
	enum kvf_status st;

	kvf_buf_init(&b.doc, DOC_MAX);
	kvf_run_id(report->run, sizeof(report->run));
	st = open_all(&b, err);
	if (!st && !o->dry_run)
		st = run(&b, err);
	if (st && !*err->detail)
		kvf_err_detail(err, "Nothing was changed.");
	kvf_restore_close(b.restore);
	kvf_side_close(b.side);
	kvf_buf_release(&b.doc);
	free(b.package_of);
	free(b.totals);
	kvf_formats_free(b.formats);
	return st;
}
