/* bound - an application's definitions, bound to the source that they read. */
#include "migrate/run.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Does the name match one of the patterns?  A pattern that matches nothing at
 * all is an error, as in pg_dump: used[] remembers. */
static int matches(const char *const *patterns, size_t n, const char *name, char *used)
{
	size_t i;
	int hit = 0;

	for (i = 0; i < n; i++) {
		if (kvf_glob(patterns[i], name)) {
			used[i] = 1;
			hit = 1;
		}
	}
	return hit;
}

static enum kvf_status unmatched(const char *option, const char *pattern,
				 const struct kvf_table *tables, size_t n, struct kvf_err *err)
{
	const char **names = calloc(n ? n : 1, sizeof(*names)), *near = NULL;
	size_t i;

	if (names) {
		for (i = 0; i < n; i++)
			names[i] = tables[i].name;
		near = kvf_did_you_mean(pattern, names, n);
	}
	kvf_fail(err, KVF_EUSAGE, "no table matches %s '%s'", option, pattern);
	kvf_err_detail(err, "The source has %zu tables; nothing was written.", n);
	if (near)
		kvf_err_hint(err, "Did you mean '%s'?", near);
	else
		kvf_err_hint(err, "* stands for any characters, ? for one; a table of a "
				  "schema that --schema named is called SCHEMA.TABLE. The "
				  "store's table has the option --table-name.");
	free(names);
	return KVF_EUSAGE;
}

/* Every table as it is, less what --table and --exclude-table leave out. */
static enum kvf_status bind_tables(const struct kvf_options *o, struct kvf_bound *b,
				   struct kvf_err *err)
{
	const struct kvf_table *all;
	struct kvf_table *chosen;
	char *used = NULL;
	size_t n, i, k = 0;
	enum kvf_status st = KVF_OK;

	if (o->nschemas)
		st = kvf_source_schemas(b->source, o->schemas, o->nschemas, err);
	kvf_source_wanted(b->source, o->tables, o->ntables);
	if (!st)
		st = kvf_source_tables(b->source, &all, &n, err);
	if (st)
		return st;
	chosen = kvf_arena_alloc(&b->memory, (n ? n : 1) * sizeof(*chosen));
	used = calloc(o->ntables + o->nexclude_tables + 1, 1);
	if (!chosen || !used) {
		st = kvf_fail_nomem(err);
		goto out;
	}
	for (i = 0; i < n; i++) {
		if (o->ntables && !matches(o->tables, o->ntables, all[i].name, used))
			continue;
		if (matches(o->exclude_tables, o->nexclude_tables, all[i].name,
			    used + o->ntables))
			continue;
		chosen[k++] = all[i];
	}
	for (i = 0; i < o->ntables + o->nexclude_tables; i++) {
		if (used[i])
			continue;
		st = i < o->ntables ? unmatched("--table", o->tables[i], all, n, err)
				    : unmatched("--exclude-table",
						o->exclude_tables[i - o->ntables], all, n, err);
		goto out;
	}
	if (n && !k) {
		kvf_fail(err, KVF_EUSAGE, "the patterns leave no table");
		kvf_err_detail(err, "The source has %zu tables; nothing was written.", n);
		st = KVF_EUSAGE;
		goto out;
	}
	b->partial = k != n;
	st = kvf_exact_application(chosen, k, &b->exact, err);
	b->app = b->exact;
out:
	free(used);
	return st;
}

static enum kvf_status bind_definitions(const struct kvf_options *o,
					const struct kvf_head *earlier, struct kvf_bound *b,
					struct kvf_err *err)
{
	enum kvf_status st;

	if (o->ntables || o->nexclude_tables || o->nschemas) {
		kvf_fail(err, KVF_EUSAGE, "--%s selects tables that are carried as they are",
			 o->ntables           ? "table"
			 : o->nexclude_tables ? "exclude-table"
					      : "schema");
		kvf_err_hint(err, "With definitions, select by --package NAME.");
		return KVF_EUSAGE;
	}
	if (o->application) {
		b->app = o->application;
		return KVF_OK;
	}
	st = kvf_formats_load(o->formats, &b->formats, err);
	if (st)
		return st;
	b->app = kvf_formats_application(b->formats);
	kvf_formats_digest(b->formats, b->digest);
	return kvf_arguments(o, b->source, earlier, b->formats, &b->memory, &b->args, &b->nargs,
			     err);
}

static enum kvf_status describe_records(struct kvf_bound *b, struct kvf_err *err)
{
	size_t np = b->app->npackages, p, r;
	enum kvf_status st;

	b->shapes = kvf_arena_zalloc(&b->memory, (np ? np : 1) * sizeof(*b->shapes));
	if (!b->shapes)
		return kvf_fail_nomem(err);
	for (p = 0; p < np; p++) {
		const struct kvf_package *pkg = b->app->packages[p];
		const struct kvf_table **shapes = kvf_arena_zalloc(
			&b->memory, (pkg->nrecords + pkg->nsides + 1) * sizeof(*shapes));

		if (!shapes)
			return kvf_fail_nomem(err);
		b->shapes[p] = shapes;
		for (r = 0; r < pkg->nrecords + pkg->nsides; r++) {
			st = kvf_source_describe(b->source,
						 r < pkg->nrecords
							 ? &pkg->records[r]
							 : &pkg->sides[r - pkg->nrecords],
						 &shapes[r], err);
			if (st)
				return b->formats ? kvf_formats_blame(b->formats, p, r, err)
						  : st;
		}
	}
	if (b->formats)
		return kvf_formats_bind(b->formats,
					(const struct kvf_table *const *const *)b->shapes, err);
	return KVF_OK;
}

static enum kvf_status select_packages(const struct kvf_options *o, struct kvf_bound *b,
				       struct kvf_err *err)
{
	size_t np = b->app->npackages, p, i;

	b->selected = kvf_arena_alloc(&b->memory, (np ? np : 1) * sizeof(*b->selected));
	b->names = kvf_arena_alloc(&b->memory, (np ? np : 1) * sizeof(*b->names));
	if (!b->selected || !b->names)
		return kvf_fail_nomem(err);
	for (p = 0; p < np; p++)
		b->names[p] = b->app->packages[p]->name;
	for (i = 0; i < o->npackages; i++) {
		for (p = 0; p < np && strcmp(b->names[p], o->packages[i]) != 0; p++)
			;
		if (p < np)
			continue;
		kvf_fail(err, KVF_EUSAGE, "there is no package '%s'", o->packages[i]);
		if (kvf_did_you_mean(o->packages[i], b->names, np))
			kvf_err_hint(err, "Did you mean '%s'?",
				     kvf_did_you_mean(o->packages[i], b->names, np));
		return KVF_EUSAGE;
	}
	for (p = 0; p < np; p++) {
		for (i = 0; i < o->npackages; i++)
			if (strcmp(b->app->packages[p]->name, o->packages[i]) == 0)
				break;
		if (o->npackages && i == o->npackages)
			continue;
		b->names[b->nselected] = b->app->packages[p]->name;
		b->selected[b->nselected++] = p;
	}
	if (b->nselected != np)
		b->partial = 1;
	return KVF_OK;
}

static enum kvf_status check_version(struct kvf_bound *b, int any_version, struct kvf_err *err)
{
	const struct kvf_application *app = b->app;
	char text[64], *end;
	enum kvf_status st;

	if (!app->source_version)
		return KVF_OK;
	st = kvf_source_scalar(b->source, app->source_version, text, sizeof(text), err);
	if (st == KVF_ENOTFOUND) {
		kvf_fail(err, KVF_EVERSION, "%s: the source has no schema version", app->name);
		kvf_err_detail(err, "asked by: %s", app->source_version);
		if (app->source_otherwise)
			kvf_err_hint(err, "%s", app->source_otherwise);
		else
			kvf_err_hint(err,
				     "This looks like another application's database; %s "
				     "needs schema version %" PRIu64 ".",
				     app->name, app->source_requires);
		return KVF_EVERSION;
	}
	if (st)
		return st;
	b->from = strtoull(text, &end, 10);
	if (end == text || *end) {
		kvf_fail(err, KVF_EVERSION, "%s: '%s' is no schema version", app->name, text);
		kvf_err_detail(err, "asked by: %s", app->source_version);
		return KVF_EVERSION;
	}
	if (b->from == app->source_requires || any_version)
		return KVF_OK;
	kvf_fail(err, KVF_EVERSION,
		 "%s: the source has schema version %" PRIu64
		 ", these definitions read version %" PRIu64,
		 app->name, b->from, app->source_requires);
	kvf_err_detail(err, "asked by: %s", app->source_version);
	if (app->source_otherwise)
		kvf_err_hint(err, "%s", app->source_otherwise);
	else if (b->from < app->source_requires)
		kvf_err_hint(err,
			     "Upgrade the installation to version %" PRIu64
			     " first, with the release of %s that brings it.",
			     app->source_requires, app->name);
	else
		kvf_err_hint(err, "Use the definitions that belong to version %" PRIu64 ".",
			     b->from);
	return KVF_EVERSION;
}

/* ---- privileges ------------------------------------------------------------------ */

/* Records that the source is asked about, and texts that it is asked, as records. */
struct asked {
	const struct kvf_record **list;
	struct kvf_record *queries;
	size_t n, nqueries;
};

static void add_query(struct asked *a, const char *query)
{
	struct kvf_record *q = &a->queries[a->nqueries++];

	q->name = "question";
	q->query = query;
	a->list[a->n++] = q;
}

static void add_package(struct asked *a, const struct kvf_package *p, int queries)
{
	size_t i;

	for (i = 0; i < p->nrecords; i++)
		if (queries || p->records[i].table)
			a->list[a->n++] = &p->records[i];
	for (i = 0; i < p->nsides; i++)
		if (queries || p->sides[i].table)
			a->list[a->n++] = &p->sides[i];
	for (i = 0; queries && i < p->nchecks; i++)
		add_query(a, p->checks[i].query);
}

/* All that an application wants to know of its source. */
static enum kvf_status gather_asked(const struct kvf_bound *b, int queries, struct asked *a,
				    struct kvf_err *err)
{
	const struct kvf_application *app = b->app;
	size_t i, n = 1 + app->nchecks;

	for (i = 0; i < app->npackages; i++)
		n += app->packages[i]->nrecords + app->packages[i]->nsides +
		     app->packages[i]->nchecks;
	memset(a, 0, sizeof(*a));
	a->list = calloc(n, sizeof(*a->list));
	a->queries = calloc(n, sizeof(*a->queries));
	if (!a->list || !a->queries)
		return kvf_fail_nomem(err);
	if (queries && app->source_version)
		add_query(a, app->source_version);
	for (i = 0; queries && i < app->nchecks; i++)
		add_query(a, app->checks[i].query);
	for (i = 0; i < (queries ? app->npackages : b->nselected); i++)
		add_package(a, app->packages[queries ? i : b->selected[i]], queries);
	return KVF_OK;
}

enum kvf_status kvf_bound_may_read(const struct kvf_bound *b, enum kvf_status st,
				   struct kvf_err *err)
{
	int denied = st == KVF_ESOURCE && strcmp(err->code, "42501") == 0;
	struct kvf_err why = { 0 };
	enum kvf_status may;
	struct asked a;

	if (!b->app || (st && !denied))
		return st;
	may = gather_asked(b, denied, &a, &why);
	if (!may)
		may = kvf_source_may_read(b->source, a.list, a.n, b->exact != NULL, &why);
	free(a.list);
	free(a.queries);
	if (!may || (st && may != KVF_EPREFLIGHT))
		return st;
	*err = why;
	return may;
}

enum kvf_status kvf_bound_open(const struct kvf_options *o, struct kvf_source *source,
			       const struct kvf_head *earlier, int any_version,
			       struct kvf_bound *b, struct kvf_err *err)
{
	enum kvf_status st;

	memset(b, 0, sizeof(*b));
	kvf_arena_init(&b->memory);
	b->source = source;
	st = o->formats || o->application ? bind_definitions(o, earlier, b, err)
					  : bind_tables(o, b, err);
	if (!st)
		st = check_version(b, any_version, err);
	if (!st && !any_version)
		st = kvf_checks_first(b, err);
	if (!st)
		st = describe_records(b, err);
	if (!st)
		st = select_packages(o, b, err);
	st = kvf_bound_may_read(b, st, err);
	if (st == KVF_EDEFINITION && o->formats && err && !*err->hint)
		kvf_err_hint(err, "'kvferry check %s SOURCE' tells all that does not fit.",
			     o->formats);
	return st;
}

void kvf_bound_close(struct kvf_bound *b)
{
	kvf_formats_free(b->formats);
	kvf_exact_application_free(b->exact);
	kvf_arena_release(&b->memory);
	memset(b, 0, sizeof(*b));
}

void kvf_cell_print(const struct kvf_cell *c, char *buf, size_t size)
{
	switch (c->type) {
	case KVF_CELL_NULL: snprintf(buf, size, "NULL"); return;
	case KVF_CELL_BOOL: snprintf(buf, size, "%s", c->u.i ? "true" : "false"); return;
	case KVF_CELL_INT: snprintf(buf, size, "%" PRId64, c->u.i); return;
	case KVF_CELL_REAL: snprintf(buf, size, "%.17g", c->u.r); return;
	case KVF_CELL_TEXT:
	case KVF_CELL_BLOB: kvf_bytes_print(c->u.b, buf, size); return;
	}
}

const char *kvf_bound_column(const struct kvf_record *record, const struct kvf_table *shape,
			     size_t i)
{
	if (record->ncolumns)
		return i < record->ncolumns ? record->columns[i] : NULL;
	return i < shape->ncolumns ? shape->columns[i].name : NULL;
}

int kvf_bound_key(const struct kvf_record *record, const struct kvf_table *shape, size_t i,
		  size_t *column)
{
	const char *name;

	if (!record->key) {
		*column = i < shape->nkey ? shape->key[i] : 0;
		return i < shape->nkey;
	}
	for (*column = 0; i < record->nkey; ++*column) {
		name = kvf_bound_column(record, shape, *column);
		if (!name || strcmp(name, record->key[i]) == 0)
			return name != NULL;
	}
	return 0;
}

static int is_key(const struct kvf_record *record, const struct kvf_table *shape, size_t column)
{
	size_t i, c;

	for (i = 0; kvf_bound_key(record, shape, i, &c); i++)
		if (c == column)
			return 1;
	return 0;
}

/* "COLUMN=VALUE" of one cell; 0 where there is none, or no room. */
static int print_cell(const struct kvf_record *record, const struct kvf_table *shape,
		      const struct kvf_row *row, size_t column, char *buf, size_t size,
		      size_t *at)
{
	const char *name = kvf_bound_column(record, shape, column);
	char text[64];
	int k;

	if (!name || column >= row->ncells)
		return 0;
	kvf_cell_print(&row->cells[column], text, sizeof(text));
	k = snprintf(buf + *at, size - *at, "%s%s=%s", *at ? ", " : "", name, text);
	if (k < 0 || (size_t)k >= size - *at)
		return 0;
	*at += (size_t)k;
	return 1;
}

/* The columns that tell a row: its key.  That of a definition may be the same for
 * several rows: it, or none, is followed by others, up to three in all. */
static void print_row(const struct kvf_record *record, const struct kvf_table *shape,
		      const struct kvf_row *row, char *buf, size_t size)
{
	size_t i, c, at = 0;

	for (i = 0; kvf_bound_key(record, shape, i, &c); i++)
		if (!print_cell(record, shape, row, c, buf, size, &at))
			return;
	if (i && !record->key)
		return;
	for (c = 0; i < 3 && c < row->ncells; c++)
		if (!is_key(record, shape, c)) {
			if (!print_cell(record, shape, row, c, buf, size, &at))
				return;
			i++;
		}
}

void kvf_bound_name_row(const struct kvf_bound *b, size_t package, struct kvf_origin origin,
			unsigned parts, char *buf, size_t size)
{
	uint64_t ordinal = origin.ordinal;
	const struct kvf_package *pkg = b->app->packages[package];
	const struct kvf_record *record = &pkg->records[origin.record];
	const struct kvf_table *shape = b->shapes[package][origin.record];
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err ignored;
	char cells[256] = "";
	enum kvf_status st = kvf_source_plan(b->source, record, &parts, &ignored);
	unsigned part = parts > 1 ? (unsigned)(ordinal % KVF_ORIGIN_PARTS) : 0;

	if (parts > 1)
		ordinal /= KVF_ORIGIN_PARTS;
	if (!st && !kvf_rows_open(b->source, record, part, &rows, &ignored)) {
		while (!kvf_rows_next(rows, &row, &ignored)) {
			if (row->ordinal < ordinal)
				continue;
			print_row(record, shape, row, cells, sizeof(cells));
			break;
		}
	}
	kvf_rows_close(rows);
	/* Counted in its part, the number of the row would mislead. */
	if (parts > 1)
		snprintf(buf, size, "a row of %s%s%s%s",
			 record->table ? record->table : record->name, *cells ? " (" : "",
			 cells, *cells ? ")" : "");
	else
		snprintf(buf, size, "%s row %" PRIu64 "%s%s%s",
			 record->table ? record->table : record->name, ordinal,
			 *cells ? " (" : "", cells, *cells ? ")" : "");
}
