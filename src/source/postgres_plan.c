/* postgres_plan - the SELECT of a record, or of a piece of it. */
#include "source/postgres.h"

#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the statement ------------------------------------------------------------------ */

static enum kvf_status unknown_column(const struct kvf_table *shape, const char *name,
				      struct kvf_err *err)
{
	const char *names[64], *near;
	size_t i, n = shape->ncolumns < 64 ? shape->ncolumns : 64;

	for (i = 0; i < n; i++)
		names[i] = shape->columns[i].name;
	near = kvf_did_you_mean(name, names, n);
	kvf_fail(err, KVF_EDEFINITION, "\"%s\" has no column \"%s\"", shape->name, name);
	if (near)
		kvf_err_hint(err, "Did you mean \"%s\"?", near);
	return KVF_EDEFINITION;
}

/* Column i of the record: where it is in the shape. */
static enum kvf_status find_column(const struct kvf_record *record,
				   const struct kvf_table *shape, size_t i, size_t *at,
				   struct kvf_err *err)
{
	*at = i;
	if (!record->ncolumns)
		return KVF_OK;
	for (*at = 0; *at < shape->ncolumns; ++*at)
		if (strcmp(shape->columns[*at].name, record->columns[i]) == 0)
			return KVF_OK;
	return unknown_column(shape, record->columns[i], err);
}

static enum kvf_status add_as_text(const struct kvf_postgres *s, const char *name, size_t i,
				   struct kvf_buf *sql, struct kvf_err *err)
{
	char *text = kvf_pg_fill(s->pg.dialect->as_text, name, NULL);
	enum kvf_status st = text ? kvf_buf_printf(sql, err, "%s%s", i ? "," : "", text)
				  : kvf_fail_nomem(err);

	free(text);
	return st;
}

/* The columns: of a query by their number, since their names may be equal. */
enum kvf_status
kvf_postgres_add_columns(const struct kvf_postgres *s, const struct kvf_record *record,
			 const struct kvf_postgres_shape *shape, struct kvf_buf *sql,
			 const struct kvf_postgres_type **types, size_t n, struct kvf_err *err)
{
	char name[KVF_PG_QUOTED];
	enum kvf_status st = KVF_OK;
	size_t i, at;

	for (i = 0; i < n && !st; i++) {
		st = find_column(record, &shape->table, i, &at, err);
		if (st)
			return st;
		types[i] = shape->types[at];
		if (record->query)
			snprintf(name, sizeof(name), "c%zu", at + 1);
		else
			kvf_pg_quote(shape->table.columns[at].name, name);
		if (types[i]->out && s->pg.dialect->as_text)
			st = add_as_text(s, name, i, sql, err);
		else if (types[i]->out)
			st = kvf_buf_printf(sql, err, "%spg_catalog.textin(%s(t.%s::%s))",
					    i ? "," : "", types[i]->out, name, types[i]->name);
		else
			st = kvf_buf_printf(sql, err, "%st.%s", i ? "," : "", name);
	}
	return st;
}

/* FROM (query) AS t(c1, c2 ...).  A line break ends a comment in there. */
static enum kvf_status add_query(const struct kvf_record *record,
				 const struct kvf_postgres_shape *shape, struct kvf_buf *sql,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_printf(sql, err, " FROM (%s\n) AS t(", record->query);
	size_t i;

	for (i = 0; i < shape->table.ncolumns && !st; i++)
		st = kvf_buf_printf(sql, err, "%sc%zu", i ? "," : "", i + 1);
	return st ? st : kvf_buf_printf(sql, err, ")");
}

/* One end of a piece: "t.ctid >= '(512,0)'::tid" or "t.id < '77'::integer". */
static enum kvf_status add_end(const struct kvf_postgres_pieces *p, unsigned at,
			       const char *word, const char *sign, struct kvf_buf *sql,
			       struct kvf_err *err)
{
	if (p->column)
		return kvf_buf_printf(sql, err, "%st.%s %s %s", word, p->column, sign,
				      p->bounds[at]);
	return kvf_buf_printf(sql, err, "%st.ctid %s '(%" PRIu64 ",0)'::tid", word, sign,
			      p->cuts[at]);
}

/* WHERE: the record's condition, and the ends of the piece. */
static enum kvf_status add_where(const struct kvf_postgres_pieces *p,
				 const struct kvf_record *record, unsigned piece,
				 unsigned pieces, struct kvf_buf *sql, struct kvf_err *err)
{
	const char *word = " WHERE ";
	enum kvf_status st = KVF_OK;

	assert(piece < pieces);
	if (piece > 0) {
		st = add_end(p, piece, word, ">=", sql, err);
		word = " AND ";
	}
	if (!st && piece + 1 < pieces) {
		st = add_end(p, piece + 1, word, "<", sql, err);
		word = " AND ";
	}
	if (!st && record->where)
		st = kvf_buf_printf(sql, err, "%s(%s\n)", word, record->where);
	return st;
}

/* May the query run as it was written? */
static int needs_nothing(const struct kvf_record *record,
			 const struct kvf_postgres_shape *shape)
{
	size_t i;

	if (!record->query || record->ncolumns)
		return 0;
	for (i = 0; i < shape->table.ncolumns; i++)
		if (shape->types[i]->out)
			return 0;
	return 1;
}

enum kvf_status
kvf_postgres_select(struct kvf_postgres *s, const struct kvf_record *record,
		    const struct kvf_postgres_shape *shape, unsigned piece, struct kvf_buf *sql,
		    const struct kvf_postgres_type ***types, size_t *n, struct kvf_err *err)
{
	enum kvf_status st;

	*n = record->ncolumns ? record->ncolumns : shape->table.ncolumns;
	*types = calloc(*n + 1, sizeof(**types));
	if (!*types)
		return kvf_fail_nomem(err);
	sql->len = 0;
	if (needs_nothing(record, shape)) {
		memcpy(*types, shape->types, *n * sizeof(**types));
		return kvf_buf_printf(sql, err, "%s\n", record->query);
	}
	st = kvf_buf_printf(sql, err, "SELECT ");
	if (!st)
		st = kvf_postgres_add_columns(s, record, shape, sql, *types, *n, err);
	if (!st && record->query)
		return add_query(record, shape, sql, err);
	if (!st)
		st = kvf_buf_printf(sql, err, " FROM %s AS t", shape->from);
	return st ? st
		  : add_where(&s->pieces, record, piece, kvf_postgres_pieces(s, record, shape),
			      sql, err);
}

enum kvf_status kvf_postgres_count_sql(const struct kvf_record *record,
				       const struct kvf_postgres_shape *shape,
				       struct kvf_buf *sql, struct kvf_err *err)
{
	sql->len = 0;
	if (record->query)
		return kvf_buf_printf(sql, err, "SELECT count(*) FROM (%s\n) AS t",
				      record->query);
	return kvf_buf_printf(sql, err, "SELECT count(*) FROM %s AS t%s%s%s", shape->from,
			      record->where ? " WHERE (" : "",
			      record->where ? record->where : "", record->where ? "\n)" : "");
}
