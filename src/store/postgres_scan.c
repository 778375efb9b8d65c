/*
 * postgres_scan - entries out of a PostgreSQL store.
 *
 * Rows come by COPY in binary form: two bytes for the number of fields, then
 * each field behind its length of four bytes.  Every scan has a connection of
 * its own and one read-only REPEATABLE READ transaction on it, so that it is a
 * snapshot whatever its store does meanwhile.
 */
#include "store/postgres.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------ */

static const char signature[] = "PGCOPY\n\377\r\n"; /* and its NUL: 11 bytes */

static enum kvf_status garbled(const struct kvf_pgs_rows *r, struct kvf_err *err)
{
	return kvf_fail(err, r->pg->side, "%s: the server sends what is no COPY", r->pg->name);
}

/* Bytes of the header that the first piece begins with; 0 = there is none. */
static size_t header(const char *piece, size_t len)
{
	size_t more;

	if (len < 19 || memcmp(piece, signature, 11) != 0)
		return 0;
	more = kvf_get_be32((const uint8_t *)piece + 15);
	return more <= len - 19 ? 19 + more : 0;
}

static enum kvf_status take_row(const struct kvf_pgs_rows *r, const uint8_t *p, size_t len,
				struct kvf_entry *entry, struct kvf_err *err)
{
	struct kvf_bytes *fields[3] = { &entry->part, &entry->key, &entry->value };
	enum kvf_status st;
	char name[256];
	uint32_t n;
	int i;

	if (len < 2 || p[0] != 0 || p[1] != 3)
		return garbled(r, err);
	p += 2;
	len -= 2;
	for (i = 0; i < 3; i++) {
		if (len < 4)
			return garbled(r, err);
		n = kvf_get_be32(p);
		if (n == UINT32_MAX && i == 2) {
			st = kvf_fail(err, r->pg->side, "%s: an entry has no value, at key %s",
				      r->pg->name,
				      kvf_bytes_print(entry->key, name, sizeof(name)));
			kvf_err_hint(err, "Whatever wrote it must store bytes, not NULL.");
			return st;
		}
		if (n > len - 4)
			return garbled(r, err);
		*fields[i] = (struct kvf_bytes){ p + 4, n };
		p += 4 + n;
		len -= 4 + n;
	}
	return len ? garbled(r, err) : KVF_OK;
}

enum kvf_status kvf_pgs_rows_next(struct kvf_pgs_rows *r, struct kvf_entry *entry,
				  struct kvf_err *err)
{
	const uint8_t *p;
	enum kvf_status st;
	size_t len, skip;

	for (;;) {
		PQfreemem(r->piece);
		r->piece = NULL;
		st = kvf_pg_copy_get(r->pg, r->conn, &r->piece, &len, "read", err);
		if (st == KVF_EOF && !r->ended)
			return garbled(r, err);
		if (st)
			return st;
		p = (const uint8_t *)r->piece;
		if (!r->begun) {
			skip = header(r->piece, len);
			if (!skip)
				return garbled(r, err);
			r->begun = 1;
			p += skip;
			len -= skip;
		}
		if (len == 2 && p[0] == 0xff && p[1] == 0xff)
			r->ended = 1;
		else if (len)
			return r->ended ? garbled(r, err) : take_row(r, p, len, entry, err);
	}
}

void kvf_pgs_rows_release(struct kvf_pgs_rows *r)
{
	PQfreemem(r->piece);
	r->piece = NULL;
}

/* ---- snapshots --------------------------------------------------------------------- */

enum kvf_status kvf_pgs_snapshot(struct kvf_pgs *s, enum kvf_scan which, PGconn **conn,
				 struct kvf_generation *g, char *table, size_t size,
				 struct kvf_err *err)
{
	char schema[32];
	struct kvf_control c;
	enum kvf_status st = KVF_OK;
	uint64_t gen;
	int64_t oid;

	table[0] = '\0';
	memset(g, 0, sizeof(*g));
	if (!*conn)
		st = kvf_pg_connect(&s->pg, conn, err);
	if (!st && PQtransactionStatus(*conn) == PQTRANS_IDLE)
		st = kvf_pg_read_at(&s->pg, *conn, NULL, err);
	if (st)
		return st;
	st = kvf_pgs_read_control(s, *conn, &c, err);
	if (st && st != KVF_ENOTFOUND)
		return st;
	gen = st ? 0 : kvf_control_gen(&c, which);
	if (gen) {
		st = kvf_pgs_read_generation(s, *conn, gen, g, err);
		if (st && st != KVF_ENOTFOUND)
			return st;
	}
	kvf_err_clear(err);
	if (which == KVF_SCAN_LIVE)
		return kvf_pgs_find_live(s, *conn, table, size, err);
	if (gen && s->pg.dialect->pointed && !g->run[0]) { /* it was there before kvferry */
		snprintf(table, size, "%s", s->live);
		return KVF_OK;
	}
	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)gen);
	st = kvf_pgs_oid(s, *conn, schema, s->table, &oid, err);
	if (st)
		return st;
	if (!oid)
		return kvf_pgs_nothing(s, which, err);
	kvf_pgs_generation_table(s, gen, table, size);
	return KVF_OK;
}

/* ---- cursors ------------------------------------------------------------------------ */

struct pgs_cursor {
	struct kvf_cursor base;
	PGconn *conn;
	int open; /* rows may come */
	struct kvf_pgs_rows rows;
	struct kvf_generation of;
};

/* '\x...' of some bytes, behind what is in the buffer. */
static enum kvf_status add_literal(struct kvf_buf *sql, struct kvf_bytes b, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_reserve(sql, 2 * b.len + 16, err);

	if (st)
		return st;
	memcpy(sql->ptr + sql->len, "'\\x", 3);
	kvf_hex(b.ptr, b.len, (char *)sql->ptr + sql->len + 3);
	sql->len += 3 + 2 * b.len;
	return kvf_buf_append(sql, "'::bytea", 8, err);
}

/* The key's index gives the order; the planner has no figures of a new table,
 * and would sort. */
static enum kvf_status begin_copy(struct pgs_cursor *c, const char *table,
				  const struct kvf_entry *from, struct kvf_err *err)
{
	struct kvf_buf sql;
	enum kvf_status st;

	kvf_buf_init(&sql, SIZE_MAX / 2);
	st = kvf_buf_printf(
		&sql, err,
		"SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off;"
		"SET LOCAL enable_bitmapscan = off; SET LOCAL max_parallel_workers_per_gather"
		" = 0; COPY (SELECT partition_key, key, value FROM %s",
		table);
	if (!st && from) {
		st = kvf_buf_printf(&sql, err, " WHERE (partition_key, key) >= (");
		if (!st)
			st = add_literal(&sql, from->part, err);
		if (!st)
			st = kvf_buf_printf(&sql, err, ", ");
		if (!st)
			st = add_literal(&sql, from->key, err);
		if (!st)
			st = kvf_buf_printf(&sql, err, ")");
	}
	if (!st)
		st = kvf_buf_printf(&sql, err,
				    " ORDER BY partition_key, key) TO STDOUT (FORMAT binary)");
	if (!st)
		st = kvf_pg_exec(c->rows.pg, c->conn, "read", err, "%s", (char *)sql.ptr);
	kvf_buf_release(&sql);
	c->open = !st;
	return st;
}

enum kvf_status kvf_pgs_scan(struct kvf_store *base, enum kvf_scan which,
			     const struct kvf_entry *from, struct kvf_cursor **out,
			     struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct pgs_cursor *c = calloc(1, sizeof(*c));
	char table[2 * KVF_PG_QUOTED];
	enum kvf_status st;

	if (!c)
		return kvf_fail_nomem(err);
	c->base.store = base;
	st = kvf_pgs_snapshot(s, which, &c->conn, &c->of, table, sizeof(table), err);
	c->rows.pg = &s->pg;
	c->rows.conn = c->conn;
	if (!st && table[0])
		st = begin_copy(c, table, from, err);
	if (st) {
		kvf_pgs_cursor_close(&c->base);
		return st;
	}
	*out = &c->base;
	return KVF_OK;
}

enum kvf_status kvf_pgs_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				    struct kvf_err *err)
{
	struct pgs_cursor *c = (struct pgs_cursor *)base;
	const struct kvf_bytes part = { c->of.version_part, c->of.version_part_len };
	const struct kvf_bytes key = { c->of.version_key, c->of.version_key_len };
	enum kvf_status st;

	if (!c->open)
		return KVF_EOF;
	do
		st = kvf_pgs_rows_next(&c->rows, entry, err);
	while (!st && kvf_is_record(entry->part, entry->key, part, key));
	if (st == KVF_EOF)
		c->open = 0;
	return st;
}

void kvf_pgs_cursor_close(struct kvf_cursor *base)
{
	struct pgs_cursor *c = (struct pgs_cursor *)base;

	kvf_pgs_rows_release(&c->rows);
	PQfinish(c->conn);
	free(c);
}
