/*
 * cockroach_rows - rows by SELECT, in pages of ascending keys.
 *
 *   SELECT columns, k1, k2 FROM table WHERE (k1, k2) > ($1, $2) ORDER BY k1, k2 LIMIT n
 *
 * The key's columns come once more at the end of each row, and the last ones of a
 * page are the arguments of the next: bytes and types as the server sent them, so
 * that no type has to be understood for it.  Values are binary, and rows come one
 * after the other, so that no page is ever in memory.  What has no key (a query, a
 * view) is one statement.
 *
 * The statements run behind a savepoint, as COPY does for PostgreSQL.
 */
#include "source/cockroach.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 10000

struct roach_rows {
	struct kvf_rows base;
	struct kvf_cockroach *s;
	PGconn *conn;
	char doing[300];
	const struct kvf_record *record;
	const struct kvf_postgres_shape *shape;
	unsigned part, parts;
	const struct kvf_postgres_type **types;
	struct kvf_cell *cells;
	size_t n; /* columns of the record ... */
	const char *key[KVF_COCKROACH_KEY];
	size_t nkey;         /* ... and of its key behind them */
	struct kvf_buf last; /* the key of the last row, field behind field */
	int lens[KVF_COCKROACH_KEY];
	Oid oids[KVF_COCKROACH_KEY];
	struct kvf_buf made; /* texts that were made of values of this row */
	struct kvf_pg_rows rows;
	unsigned page; /* rows of this page */
	int begun, over;
	unsigned long long not_utf8;
};

/* ---- the statement ------------------------------------------------------------------- */

/* "t.a, t.b" */
static enum kvf_status add_key(const struct roach_rows *r, struct kvf_buf *sql,
			       struct kvf_err *err)
{
	char name[KVF_PG_QUOTED];
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < r->nkey && !st; i++) {
		kvf_pg_quote(r->key[i], name);
		st = kvf_buf_printf(sql, err, "%st.%s", i ? ", " : "", name);
	}
	return st;
}

/* WHERE: the part, the page, and the record's own condition. */
static enum kvf_status add_where(const struct roach_rows *r, struct kvf_buf *sql,
				 struct kvf_err *err)
{
	const char *word = " WHERE ";
	char name[KVF_PG_QUOTED];
	enum kvf_status st = KVF_OK;
	size_t i;

	if (r->nkey)
		kvf_pg_quote(r->key[0], name);
	if (r->part > 0) {
		st = kvf_buf_printf(sql, err, "%st.%s >= %s", word, name,
				    r->s->bounds[r->part]);
		word = " AND ";
	}
	if (!st && r->part + 1 < r->parts) {
		st = kvf_buf_printf(sql, err, "%st.%s < %s", word, name,
				    r->s->bounds[r->part + 1]);
		word = " AND ";
	}
	if (!st && r->begun) {
		st = kvf_buf_printf(sql, err, "%s(", word);
		if (!st)
			st = add_key(r, sql, err);
		for (i = 0; i < r->nkey && !st; i++)
			st = kvf_buf_printf(sql, err, "%s$%zu", i ? ", " : ") > (", i + 1);
		if (!st)
			st = kvf_buf_printf(sql, err, ")");
		word = " AND ";
	}
	if (!st && r->record->where)
		st = kvf_buf_printf(sql, err, "%s(%s\n)", word, r->record->where);
	return st;
}

/* One table with a key: a page of it. */
static enum kvf_status make_page(struct roach_rows *r, struct kvf_buf *sql, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_printf(sql, err, "SELECT ");

	if (!st)
		st = kvf_postgres_add_columns(&r->s->pg, r->record, r->shape, sql, r->types,
					      r->n, err);
	if (!st)
		st = kvf_buf_printf(sql, err, "%s", r->n ? ", " : "");
	if (!st)
		st = add_key(r, sql, err);
	if (!st)
		st = kvf_buf_printf(sql, err, " FROM %s AS t", r->shape->from);
	if (!st)
		st = add_where(r, sql, err);
	if (!st)
		st = kvf_buf_printf(sql, err, " ORDER BY ");
	if (!st)
		st = add_key(r, sql, err);
	return st ? st : kvf_buf_printf(sql, err, " LIMIT %d", PAGE_ROWS);
}

/* ---- pages ----------------------------------------------------------------------------- */

static enum kvf_status start(struct roach_rows *r, struct kvf_err *err)
{
	const char *values[KVF_COCKROACH_KEY];
	const struct kvf_pg_key key = { r->begun ? (int)r->nkey : 0, r->oids, values, r->lens };
	const struct kvf_postgres_type **types = NULL;
	const char *p = r->last.len ? (const char *)r->last.ptr : "";
	struct kvf_buf sql;
	enum kvf_status st;
	size_t i, n;

	for (i = 0; r->begun && i < r->nkey; p += r->lens[i++])
		values[i] = p;
	kvf_buf_init(&sql, SIZE_MAX / 4);
	if (r->nkey) {
		st = make_page(r, &sql, err);
	} else {
		st = kvf_postgres_select(&r->s->pg, r->record, r->shape, 0, &sql, &types, &n,
					 err);
		if (!st)
			memcpy(r->types, types, r->n * sizeof(*types));
		free(types);
	}
	kvf_pg_rows_end(&r->rows);
	r->page = 0;
	if (!st)
		st = kvf_pg_rows_start(&r->rows, &r->s->pg.pg, r->conn, (const char *)sql.ptr,
				       &key, r->doing, err);
	kvf_buf_release(&sql);
	return kvf_postgres_explain(&r->s->pg, st, err);
}

/* The last row of a full page says where the next one begins. */
static enum kvf_status keep_key(struct roach_rows *r, struct kvf_err *err)
{
	const PGresult *res = r->rows.res;
	enum kvf_status st = KVF_OK;
	size_t i;

	r->last.len = 0;
	for (i = 0; i < r->nkey && !st; i++) {
		int column = (int)(r->n + i);

		r->oids[i] = PQftype(res, column);
		r->lens[i] = PQgetlength(res, 0, column);
		st = kvf_buf_append(&r->last, PQgetvalue(res, 0, column), (size_t)r->lens[i],
				    err);
	}
	r->begun = 1;
	return st;
}

static enum kvf_status end(struct roach_rows *r, struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_exec(&r->s->pg.pg, r->conn, r->doing, err,
					 "RELEASE SAVEPOINT kvferry_rows");

	r->over = 1;
	return st ? st : KVF_EOF;
}

/* The next row of the part, in r->rows.res. */
static enum kvf_status fetch(struct roach_rows *r, struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_rows_next(&r->rows, err);

	if (st == KVF_EOF && r->nkey && r->page == PAGE_ROWS) {
		st = start(r, err);
		if (!st)
			st = kvf_pg_rows_next(&r->rows, err);
	}
	if (st == KVF_EOF)
		return end(r, err);
	if (st)
		return kvf_postgres_explain(&r->s->pg, st, err);
	r->page++;
	return r->nkey && r->page == PAGE_ROWS ? keep_key(r, err) : KVF_OK;
}

/* ---- rows ------------------------------------------------------------------------------ */

static enum kvf_status damaged(const struct roach_rows *r, const char *what,
			       struct kvf_err *err)
{
	return kvf_fail(err, KVF_ESOURCE, "%s: cannot %s: after row %llu, %s", r->s->pg.pg.name,
			r->doing, (unsigned long long)r->base.row.ordinal, what);
}

/* Room for the texts that are made of this row's values. */
static enum kvf_status make_room(struct roach_rows *r, struct kvf_err *err)
{
	const PGresult *res = r->rows.res;
	size_t i, room, sum = 0;

	for (i = 0; i < r->n; i++) {
		if (PQgetisnull(res, 0, (int)i))
			continue;
		room = kvf_postgres_room(r->types[i]->how,
					 (const uint8_t *)PQgetvalue(res, 0, (int)i),
					 (size_t)PQgetlength(res, 0, (int)i));
		if (room == SIZE_MAX)
			return damaged(r, "a value is not of its type", err);
		sum += room;
	}
	r->made.len = 0;
	return kvf_buf_reserve(&r->made, sum, err);
}

enum kvf_status kvf_cockroach_rows_next(struct kvf_rows *base, struct kvf_err *err)
{
	struct roach_rows *r = (struct roach_rows *)base;
	enum kvf_status st = fetch(r, err);
	uint8_t *made;
	size_t i;

	if (st)
		return st;
	if (PQnfields(r->rows.res) != (int)(r->n + r->nkey))
		return damaged(r, "a row has another number of columns", err);
	st = make_room(r, err);
	if (st)
		return st;
	made = r->made.ptr;
	for (i = 0; i < r->n; i++) {
		const struct kvf_bytes v = kvf_pg_get_bytes(r->rows.res, 0, (int)i);
		struct kvf_cell *c = &r->cells[i];

		if (PQgetisnull(r->rows.res, 0, (int)i))
			c->type = KVF_CELL_NULL;
		else if (!kvf_postgres_cell(r->types[i]->how, v.ptr, v.len, c, &made))
			return damaged(r, "a value is not of its type", err);
		else if (r->s->pg.sql_ascii && c->type == KVF_CELL_TEXT &&
			 kvf_utf8_valid(c->u.b.ptr, c->u.b.len) != c->u.b.len)
			r->not_utf8++;
	}
	return KVF_OK;
}

/* ---- begin, and an early end ------------------------------------------------------------- */

void kvf_cockroach_rows_close(struct kvf_rows *base)
{
	struct roach_rows *r = (struct roach_rows *)base;
	struct kvf_err ignored;

	if (r->not_utf8)
		atomic_fetch_add(&r->s->pg.not_utf8, r->not_utf8);
	kvf_pg_rows_end(&r->rows);
	if (!r->over && PQstatus(r->conn) == CONNECTION_OK &&
	    kvf_pg_exec(&r->s->pg.pg, r->conn, "go back", &ignored,
			"ROLLBACK TO SAVEPOINT kvferry_rows; RELEASE SAVEPOINT kvferry_rows"))
		kvf_source_log(&r->s->pg.base, KVF_LOG_DEBUG, "%s", ignored.message);
	kvf_buf_release(&r->last);
	kvf_buf_release(&r->made);
	free(r->types);
	free(r->cells);
	free(r);
}

/* What is known before the first statement. */
static enum kvf_status prepare(struct roach_rows *r, struct kvf_err *err)
{
	const struct kvf_record *record = r->record;

	snprintf(r->doing, sizeof(r->doing), "read %s \"%.200s\"",
		 record->query ? "query" : "table", r->shape->table.name);
	kvf_buf_init(&r->last, SIZE_MAX / 4);
	kvf_buf_init(&r->made, SIZE_MAX / 4);
	r->nkey = kvf_cockroach_key(r->s, r->shape, r->key);
	r->n = record->ncolumns ? record->ncolumns : r->shape->table.ncolumns;
	r->types = calloc(r->n + 1, sizeof(*r->types));
	r->cells = calloc(r->n + 1, sizeof(*r->cells));
	if (!r->types || !r->cells)
		return kvf_fail_nomem(err);
	r->base.row.cells = r->cells;
	r->base.row.ncells = r->n;
	return kvf_pg_exec(&r->s->pg.pg, r->conn, r->doing, err, "SAVEPOINT kvferry_rows");
}

enum kvf_status kvf_cockroach_rows_open(struct kvf_source *base,
					const struct kvf_record *record, unsigned part,
					struct kvf_rows **out, struct kvf_err *err)
{
	struct kvf_cockroach *s = (struct kvf_cockroach *)base;
	struct kvf_postgres_shape *shape;
	struct roach_rows *r;
	unsigned parts;
	enum kvf_status st = kvf_postgres_shape(&s->pg, record, &shape, err);

	if (st)
		return st;
	parts = s->planned == record && s->planned_shape == shape ? s->parts : 1;
	if (part >= parts)
		return kvf_fail(err, KVF_EUSAGE, "the record has no part %u", part + 1);
	r = calloc(1, sizeof(*r));
	if (!r)
		return kvf_fail_nomem(err);
	r->s = s;
	r->conn = s->pg.conns[part];
	r->record = record;
	r->shape = shape;
	r->part = part;
	r->parts = parts;
	r->over = 1;
	st = prepare(r, err);
	if (!st) {
		r->over = 0;
		s->read_query |= !shape->oid || !strchr("rp", shape->relkind);
		st = start(r, err);
	}
	if (st) {
		kvf_cockroach_rows_close(&r->base);
		return st;
	}
	*out = &r->base;
	return KVF_OK;
}
