/*
 * sqlite_rows - the rows of a record, as sqlite3_column_*() gives them.
 *
 * No ORDER BY: the sorter orders by the built key, which is not the order of
 * any column, and a walk in the order of the file is the fastest there is.
 */
#include "source/sqlite.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct sqlite_rows {
	struct kvf_rows base;
	struct kvf_sqlite *s;
	sqlite3_stmt *stmt;
	char *name; /* for messages */
	int n;
	struct kvf_cell cells[];
};

/* A column by name: exactly, else as SQLite compares names. */
static const struct kvf_column *find_column(const struct kvf_table *shape, const char *name)
{
	size_t i;

	for (i = 0; i < shape->ncolumns; i++)
		if (strcmp(shape->columns[i].name, name) == 0)
			return &shape->columns[i];
	for (i = 0; i < shape->ncolumns; i++)
		if (sqlite3_stricmp(shape->columns[i].name, name) == 0)
			return &shape->columns[i];
	return NULL;
}

static enum kvf_status unknown_column(const struct kvf_table *shape, const char *name,
				      struct kvf_err *err)
{
	const char *names[64], *near;
	size_t i, n = !shape->columns ? 0 : shape->ncolumns < 64 ? shape->ncolumns : 64;

	for (i = 0; i < n; i++)
		names[i] = shape->columns[i].name;
	near = kvf_did_you_mean(name, names, n);
	kvf_fail(err, KVF_EDEFINITION, "\"%s\" has no column \"%s\"", shape->name, name);
	if (near)
		kvf_err_hint(err, "Did you mean \"%s\"?", near);
	return KVF_EDEFINITION;
}

/* The columns, quoted and separated. */
static enum kvf_status add_columns(sqlite3_str *sql, const struct kvf_record *record,
				   const struct kvf_table *shape, struct kvf_err *err)
{
	size_t i, n = record->ncolumns ? record->ncolumns : shape->ncolumns;

	for (i = 0; i < n; i++) {
		const struct kvf_column *c = record->ncolumns
						     ? find_column(shape, record->columns[i])
						     : &shape->columns[i];

		if (!c)
			return unknown_column(shape, record->columns[i], err);
		sqlite3_str_appendf(sql, "%s\"%w\"", i ? "," : "", c->name);
	}
	return KVF_OK;
}

enum kvf_status kvf_sqlite_select(struct kvf_sqlite *s, const struct kvf_record *record,
				  const struct kvf_table *shape, int count, char **out,
				  struct kvf_err *err)
{
	sqlite3_str *sql = sqlite3_str_new(s->db);
	enum kvf_status st = KVF_OK;

	sqlite3_str_appendall(sql, count ? "SELECT count(*)" : "SELECT ");
	if (!count && record->query && !record->ncolumns)
		sqlite3_str_appendall(sql, "*");
	else if (!count)
		st = add_columns(sql, record, shape, err);
	/* A line break ends a comment at the end of somebody's SQL. */
	if (record->query)
		sqlite3_str_appendf(sql, " FROM (%s\n)", record->query);
	else
		sqlite3_str_appendf(sql, " FROM main.\"%w\"", shape->name);
	/* What an index over all columns says is not what the table says. */
	if (record->table && !count && !record->where &&
	    !(shape->flags & (KVF_TABLE_VIEW | KVF_TABLE_VIRTUAL)))
		sqlite3_str_appendall(sql, " NOT INDEXED");
	if (record->where)
		sqlite3_str_appendf(sql, " WHERE (%s\n)", record->where);
	*out = sqlite3_str_finish(sql);
	if (st) {
		sqlite3_free(*out);
		*out = NULL;
		return st;
	}
	return *out ? KVF_OK : kvf_fail_nomem(err);
}

enum kvf_status kvf_sqlite_plan(struct kvf_source *base, const struct kvf_record *record,
				unsigned *parts, struct kvf_err *err)
{
	const struct kvf_table *shape;
	enum kvf_status st = kvf_sqlite_describe(base, record, &shape, err);

	*parts = 1;
	return st;
}

enum kvf_status kvf_sqlite_rows_open(struct kvf_source *base, const struct kvf_record *record,
				     unsigned part, struct kvf_rows **out, struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	const struct kvf_table *shape = NULL;
	sqlite3_stmt *stmt = NULL;
	struct sqlite_rows *rows = NULL;
	char *sql = NULL;
	enum kvf_status st;
	int n;

	if (part != 0)
		return kvf_fail(err, KVF_EUSAGE, "an SQLite record has one part, not %u",
				part + 1);
	st = kvf_sqlite_describe(base, record, &shape, err);
	/* A query runs as it was written: inside another it could lose its order. */
	if (!st && (!record->query || record->ncolumns))
		st = kvf_sqlite_select(s, record, shape, 0, &sql, err);
	if (!st)
		st = kvf_sqlite_prepare_query(s, sql ? sql : record->query, shape->name, &stmt,
					      err);
	sqlite3_free(sql);
	if (st)
		return st;
	n = sqlite3_column_count(stmt);
	rows = calloc(1, sizeof(*rows) + (size_t)n * sizeof(rows->cells[0]));
	if (rows)
		rows->name = strdup(shape->name);
	if (!rows || !rows->name) {
		sqlite3_finalize(stmt);
		free(rows);
		return kvf_fail_nomem(err);
	}
	rows->s = s;
	rows->stmt = stmt;
	rows->n = n;
	rows->base.row.cells = rows->cells;
	rows->base.row.ncells = (size_t)n;
	*out = &rows->base;
	return KVF_OK;
}

/*
 * Borrowed from SQLite until the next step.  Asking the value rather than the
 * column takes a fifth less time for a whole row.  Such values are safe to ask
 * where the connection has no mutex, and ours has none.
 */
static enum kvf_status take_cell(sqlite3_value *v, struct kvf_cell *c, struct kvf_err *err)
{
	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		c->type = KVF_CELL_INT;
		c->u.i = sqlite3_value_int64(v);
		return KVF_OK;
	case SQLITE_FLOAT:
		c->type = KVF_CELL_REAL;
		c->u.r = sqlite3_value_double(v);
		return KVF_OK;
	case SQLITE_TEXT:
		c->type = KVF_CELL_TEXT;
		c->u.b.ptr = sqlite3_value_text(v);
		c->u.b.len = (size_t)sqlite3_value_bytes(v);
		return c->u.b.ptr ? KVF_OK : kvf_fail_nomem(err);
	case SQLITE_BLOB:
		c->type = KVF_CELL_BLOB;
		c->u.b.ptr = sqlite3_value_blob(v);
		c->u.b.len = (size_t)sqlite3_value_bytes(v);
		/* NULL stands for an empty blob, and for no memory to expand one. */
		return c->u.b.ptr || !c->u.b.len ? KVF_OK : kvf_fail_nomem(err);
	default: c->type = KVF_CELL_NULL; return KVF_OK;
	}
}

/* An error in the middle may have a better reason than the one SQLite gives. */
static enum kvf_status fail_rows(const struct sqlite_rows *r, int rc, struct kvf_err *err)
{
	enum kvf_status st = kvf_sqlite_still_whole(r->s, err);

	return st ? st
		  : kvf_sqlite_fail(r->s, rc, err, "read \"%s\" after row %llu", r->name,
				    (unsigned long long)r->base.row.ordinal);
}

enum kvf_status kvf_sqlite_rows_next(struct kvf_rows *base, struct kvf_err *err)
{
	struct sqlite_rows *r = (struct sqlite_rows *)base;
	int rc = sqlite3_step(r->stmt), i;
	enum kvf_status st = KVF_OK;

	if (rc == SQLITE_DONE) {
		st = kvf_sqlite_still_whole(r->s, err);
		return st ? st : KVF_EOF;
	}
	if (rc != SQLITE_ROW)
		return fail_rows(r, rc, err);
	for (i = 0; i < r->n && !st; i++)
		st = take_cell(sqlite3_column_value(r->stmt, i), &r->cells[i], err);
	return st;
}

void kvf_sqlite_rows_close(struct kvf_rows *base)
{
	struct sqlite_rows *r = (struct sqlite_rows *)base;

	sqlite3_finalize(r->stmt);
	free(r->name);
	free(r);
}
