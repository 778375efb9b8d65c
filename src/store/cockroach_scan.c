/*
 * cockroach_scan - entries in pages of ascending keys.
 *
 * A page is a SELECT that begins behind the last key of the page before it; the
 * key's index gives the order.  All pages are read at one moment.  Rows come one
 * after the other, so that a page is never in memory as a whole.
 */
#include "store/cockroach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 10000
#define OID_BYTEA 17u

struct roach_cursor {
	struct kvf_cursor base;
	struct kvf_pgs *s;
	PGconn *conn;
	struct kvf_generation of;
	char table[2 * KVF_PG_QUOTED];
	struct kvf_buf at; /* partition and key from which on, or behind which, to read */
	size_t part;
	int begun, behind; /* `at` says something; and is to be left out */
	struct kvf_pg_rows rows;
	unsigned n; /* rows of this page */
};

/* ---- pages ----------------------------------------------------------------------- */

static enum kvf_status keep_place(struct roach_cursor *c, const struct kvf_entry *e,
				  struct kvf_err *err)
{
	enum kvf_status st;

	c->at.len = 0;
	c->part = e->part.len;
	c->begun = 1;
	st = kvf_buf_append(&c->at, e->part.ptr, e->part.len, err);
	return st ? st : kvf_buf_append(&c->at, e->key.ptr, e->key.len, err);
}

static enum kvf_status next_page(struct roach_cursor *c, struct kvf_err *err)
{
	static const Oid types[2] = { OID_BYTEA, OID_BYTEA };
	const char *at = c->at.len ? (const char *)c->at.ptr : "";
	const char *values[2] = { at, at + c->part };
	const int lens[2] = { (int)c->part, (int)(c->at.len - c->part) };
	const struct kvf_pg_key key = { c->begun ? 2 : 0, types, values, lens };
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "SELECT partition_key, key, value FROM %s%s ORDER BY partition_key, key"
		 " LIMIT %d",
		 c->table,
		 !c->begun   ? ""
		 : c->behind ? " WHERE (partition_key, key) > ($1, $2)"
			     : " WHERE (partition_key, key) >= ($1, $2)",
		 PAGE_ROWS);
	kvf_pg_rows_end(&c->rows);
	c->n = 0;
	return kvf_pg_rows_start(&c->rows, &c->s->pg, c->conn, sql, &key, "read", err);
}

static enum kvf_status take_row(struct roach_cursor *c, struct kvf_entry *e,
				struct kvf_err *err)
{
	const PGresult *res = c->rows.res;
	enum kvf_status st;
	char name[256];

	e->part = kvf_pg_get_bytes(res, 0, 0);
	e->key = kvf_pg_get_bytes(res, 0, 1);
	e->value = kvf_pg_get_bytes(res, 0, 2);
	c->n++;
	if (PQgetisnull(res, 0, 2)) {
		st = kvf_fail(err, c->s->pg.side, "%s: an entry has no value, at key %s",
			      c->s->pg.name, kvf_bytes_print(e->key, name, sizeof(name)));
		kvf_err_hint(err, "Whatever wrote it must store bytes, not NULL.");
		return st;
	}
	return c->n == PAGE_ROWS ? keep_place(c, e, err) : KVF_OK;
}

/* The next entry of the table, whatever it is. */
static enum kvf_status next(struct roach_cursor *c, struct kvf_entry *e, struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_rows_next(&c->rows, err);

	if (st == KVF_EOF && c->n == PAGE_ROWS) {
		c->behind = 1;
		st = next_page(c, err);
		if (!st)
			st = kvf_pg_rows_next(&c->rows, err);
	}
	return st ? st : take_row(c, e, err);
}

/* ---- cursors ----------------------------------------------------------------------- */

enum kvf_status kvf_roach_scan(struct kvf_store *base, enum kvf_scan which,
			       const struct kvf_entry *from, struct kvf_cursor **out,
			       struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct roach_cursor *c = calloc(1, sizeof(*c));
	enum kvf_status st;

	if (!c)
		return kvf_fail_nomem(err);
	c->base.store = base;
	c->s = s;
	kvf_buf_init(&c->at, SIZE_MAX / 2);
	st = kvf_pgs_snapshot(s, which, &c->conn, &c->of, c->table, sizeof(c->table), err);
	if (!st && *s->pg.dialect->look)
		st = kvf_pg_exec(&s->pg, c->conn, "read", err, "%s", s->pg.dialect->look);
	if (!st && from)
		st = keep_place(c, from, err);
	if (!st && c->table[0])
		st = next_page(c, err);
	if (st) {
		kvf_roach_cursor_close(&c->base);
		return st;
	}
	*out = &c->base;
	return KVF_OK;
}

enum kvf_status kvf_roach_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				      struct kvf_err *err)
{
	struct roach_cursor *c = (struct roach_cursor *)base;
	const struct kvf_bytes part = { c->of.version_part, c->of.version_part_len };
	const struct kvf_bytes key = { c->of.version_key, c->of.version_key_len };
	enum kvf_status st;

	if (!c->table[0])
		return KVF_EOF;
	do
		st = next(c, entry, err);
	while (!st && kvf_is_record(entry->part, entry->key, part, key));
	if (st == KVF_EOF)
		c->table[0] = '\0';
	return st;
}

void kvf_roach_cursor_close(struct kvf_cursor *base)
{
	struct roach_cursor *c = (struct roach_cursor *)base;

	kvf_pg_rows_end(&c->rows);
	kvf_buf_release(&c->at);
	PQfinish(c->conn);
	free(c);
}

enum kvf_status kvf_roach_totals(struct kvf_store *base, enum kvf_scan which,
				 struct kvf_totals *t, struct kvf_err *err)
{
	struct kvf_cursor *c;
	struct kvf_entry e;
	enum kvf_status st = kvf_roach_scan(base, which, NULL, &c, err);

	memset(t, 0, sizeof(*t));
	if (st)
		return st;
	while (!(st = kvf_roach_cursor_next(c, &e, err))) {
		kvf_totals_add(t, &e);
		if (t->entries % 4096 == 0 && (st = kvf_store_reading(base, err)))
			break;
	}
	kvf_roach_cursor_close(c);
	return st == KVF_EOF ? KVF_OK : st;
}
