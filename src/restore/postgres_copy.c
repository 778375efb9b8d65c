/*
 * postgres_copy - rows as COPY wants them.
 *
 * A table whose columns are all of types with a plain binary form goes by binary
 * COPY; one with other types by COPY of text, which the types' own input
 * functions read: what an export carries as text is what they wrote.
 */
#include "restore/postgres.h"

#include "base/hash.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES (256u << 10)

static const char copy_header[19] = "PGCOPY\n\377\r\n"; /* no flags, no extension */
static const char copy_trailer[2] = "\377\377";

/* These numbers are part of PostgreSQL's catalogue and do not change. */
static const struct {
	unsigned oid;
	enum kvf_pgr_column column;
} known[] = {
	{ 16, KVF_PGR_BOOL },          { 17, KVF_PGR_BLOB },      { 19, KVF_PGR_PLAIN },
	{ 20, KVF_PGR_INT8 },          { 21, KVF_PGR_INT2 },      { 23, KVF_PGR_INT4 },
	{ 25, KVF_PGR_PLAIN },         { 26, KVF_PGR_OID },       { 114, KVF_PGR_PLAIN },
	{ 700, KVF_PGR_REAL4 },        { 701, KVF_PGR_REAL8 },    { 1042, KVF_PGR_PLAIN },
	{ 1043, KVF_PGR_PLAIN },       { 2950, KVF_PGR_UUID },    { 3802, KVF_PGR_JSONB },
	{ 1082, KVF_PGR_DATE },        { 1083, KVF_PGR_TIME },    { 1114, KVF_PGR_TIMESTAMP },
	{ 1184, KVF_PGR_TIMESTAMPTZ }, { 1700, KVF_PGR_NUMERIC },
};

/* The columns in their order, with what domains are made of. */
static const char columns_sql[] =
	"WITH RECURSIVE base(attnum, oid) AS ("
	"  SELECT a.attnum, a.atttypid FROM pg_catalog.pg_attribute a"
	"   WHERE a.attrelid = $1::text::pg_catalog.regclass AND a.attnum > 0"
	"   AND NOT a.attisdropped"
	"  UNION ALL SELECT b.attnum, t.typbasetype FROM base b"
	"   JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')"
	" SELECT t.oid::int8, t.typtype = 'e' FROM base b"
	" JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd' ORDER BY b.attnum";

static enum kvf_status read_columns(struct kvf_pgr *p, struct kvf_restore_table *t,
				    struct kvf_err *err)
{
	struct kvf_pgr_table *own = t->own;
	size_t n = t->shape->ncolumns, i, k;
	struct kvf_pg_args args = { 0 };
	PGresult *res = NULL;
	enum kvf_status st;

	own->columns = kvf_arena_zalloc(&p->base.arena, (n + 1) * sizeof(*own->columns));
	if (!own->columns)
		return kvf_fail_nomem(err);
	kvf_pg_text(&args, own->quoted);
	st = kvf_pg_query(&p->pg, p->conn, columns_sql, &args, "read the columns of a table",
			  &res, err);
	if (!st && (size_t)PQntuples(res) != n)
		st = kvf_restore_refuse(
			t->shape, NULL, "Export it again with kvferry.", err,
			"its statement makes other columns than the stream has");
	own->binary = 1;
	own->ncopied = 0;
	for (i = 0; i < n && !st; i++) {
		int64_t oid = kvf_pg_get_number(res, (int)i, 0);

		for (k = 0; k < sizeof(known) / sizeof(known[0]) && known[k].oid != oid; k++)
			;
		/* A number of SQLite comes as a number. */
		if (t->back && t->back[i] == KVF_RESTORE_NUMBER)
			own->columns[i] = KVF_PGR_TEXT;
		else if (k < sizeof(known) / sizeof(known[0]))
			own->columns[i] = known[k].column;
		else if (kvf_pg_get_number(res, (int)i, 1))
			own->columns[i] = KVF_PGR_PLAIN; /* an enum: its label */
		if (!t->foreign && (t->shape->columns[i].flags & KVF_COLUMN_GENERATED))
			continue;
		own->ncopied++;
		own->binary &= own->columns[i] != KVF_PGR_TEXT;
	}
	PQclear(res);
	return st;
}

static int is_copied(const struct kvf_restore_table *t, size_t i)
{
	return t->foreign || !(t->shape->columns[i].flags & KVF_COLUMN_GENERATED);
}

static enum kvf_status begin_copy(struct kvf_pgr *p, struct kvf_restore_table *t,
				  struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	char name[KVF_PG_QUOTED], doing[160];
	struct kvf_buf sql;
	enum kvf_status st;
	size_t i, k = 0;

	kvf_buf_init(&sql, 64u << 20);
	st = kvf_buf_printf(&sql, err, "COPY %s (", own->quoted);
	for (i = 0; i < t->shape->ncolumns && !st; i++) {
		if (!is_copied(t, i))
			continue;
		kvf_pg_quote(t->shape->columns[i].name, name);
		st = kvf_buf_printf(&sql, err, "%s%s", k++ ? "," : "", name);
	}
	if (!st)
		st = kvf_buf_printf(&sql, err, ") FROM STDIN (FORMAT %s)",
				    own->binary ? "binary" : "text");
	snprintf(doing, sizeof(doing), "write table \"%.120s\"", t->shape->name);
	if (!st)
		st = kvf_pg_query(&p->pg, p->conn, (const char *)sql.ptr, NULL, doing, NULL,
				  err);
	p->rows.len = 0;
	if (!st && own->binary)
		st = kvf_buf_append(&p->rows, copy_header, sizeof(copy_header), err);
	kvf_buf_release(&sql);
	return st;
}

enum kvf_status kvf_pgr_begin_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				   struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	const struct kvf_pgr_table *own = t->own;
	enum kvf_status st = read_columns(p, t, err);

	/* COPY cannot do without columns. */
	return st || !own->ncopied ? st : begin_copy(p, t, err);
}

/* ---- cells ----------------------------------------------------------------------------- */

static enum kvf_status refuse(const struct kvf_restore_table *t, size_t i, const char *what,
			      struct kvf_err *err)
{
	return kvf_restore_refuse(t->shape, t->shape->columns[i].name,
				  "Leave the table out with --exclude-table, or restore to the "
				  "kind of database that it comes from.",
				  err, "a row holds %s, which its type cannot keep", what);
}

static const char *cell_name(const struct kvf_cell *c)
{
	switch (c->type) {
	case KVF_CELL_NULL: return "NULL";
	case KVF_CELL_INT: return "an integer";
	case KVF_CELL_REAL: return "a floating-point number";
	case KVF_CELL_TEXT: return "a text";
	case KVF_CELL_BLOB: return "bytes";
	case KVF_CELL_BOOL: return "a boolean";
	}
	return "something";
}

/* Does the cell go with the column? */
static int goes_with(enum kvf_pgr_column column, const struct kvf_cell *c, int number)
{
	switch (column) {
	case KVF_PGR_TEXT:
		return c->type == KVF_CELL_TEXT ||
		       (number && (c->type == KVF_CELL_INT || c->type == KVF_CELL_REAL));
	case KVF_PGR_PLAIN:
	case KVF_PGR_JSONB:
	case KVF_PGR_DATE:
	case KVF_PGR_TIME:
	case KVF_PGR_TIMESTAMP:
	case KVF_PGR_TIMESTAMPTZ:
	case KVF_PGR_NUMERIC:
	case KVF_PGR_UUID: return c->type == KVF_CELL_TEXT;
	case KVF_PGR_BLOB: return c->type == KVF_CELL_BLOB;
	case KVF_PGR_BOOL: return c->type == KVF_CELL_BOOL;
	case KVF_PGR_INT2:
		return c->type == KVF_CELL_INT && c->u.i >= INT16_MIN && c->u.i <= INT16_MAX;
	case KVF_PGR_INT4:
		return c->type == KVF_CELL_INT && c->u.i >= INT32_MIN && c->u.i <= INT32_MAX;
	case KVF_PGR_INT8: return c->type == KVF_CELL_INT;
	case KVF_PGR_OID: return c->type == KVF_CELL_INT && c->u.i >= 0 && c->u.i <= UINT32_MAX;
	case KVF_PGR_REAL4:
	case KVF_PGR_REAL8: return c->type == KVF_CELL_REAL;
	}
	return 0;
}

static enum kvf_status check_cell(const struct kvf_restore_table *t, size_t i,
				  const struct kvf_cell *c, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	int number = t->back && t->back[i] == KVF_RESTORE_NUMBER;

	if (c->type == KVF_CELL_NULL)
		return KVF_OK;
	if (!goes_with(own->columns[i], c, number) ||
	    (number && (c->type == KVF_CELL_TEXT ||
			(c->type == KVF_CELL_REAL &&
			 (!isfinite(c->u.r) || (c->u.r == 0 && signbit(c->u.r)))))))
		return refuse(t, i, cell_name(c), err);
	if (c->type == KVF_CELL_TEXT && c->u.b.len && memchr(c->u.b.ptr, 0, c->u.b.len))
		return refuse(t, i, "a text with a NUL", err);
	if (t->foreign && c->type == KVF_CELL_TEXT &&
	    kvf_utf8_valid(c->u.b.ptr, c->u.b.len) != c->u.b.len)
		return refuse(t, i, "a text that is not UTF-8", err);
	return KVF_OK;
}

/* ---- binary ------------------------------------------------------------------------------- */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Only what an export writes: 8-4-4-4-12 digits. */
static int read_uuid(struct kvf_bytes b, uint8_t out[16])
{
	size_t i, n = 0;

	if (b.len != 36)
		return 0;
	for (i = 0; i < 36; i++) {
		int high = hex_value(b.ptr[i]), low = i < 35 ? hex_value(b.ptr[i + 1]) : -1;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (b.ptr[i] != '-')
				return 0;
			continue;
		}
		if (high < 0 || low < 0 || n == 16)
			return 0;
		out[n++] = (uint8_t)(high << 4 | low);
		i++;
	}
	return n == 16;
}

static enum kvf_status put_field(struct kvf_buf *b, const void *bytes, size_t len,
				 struct kvf_err *err)
{
	uint8_t be[4];
	enum kvf_status st;

	kvf_put_be32(be, (uint32_t)len);
	st = kvf_buf_append(b, be, sizeof(be), err);
	return st || !len ? st : kvf_buf_append(b, bytes, len, err);
}

static enum kvf_status put_number(struct kvf_buf *b, uint64_t v, size_t len,
				  struct kvf_err *err)
{
	uint8_t be[8];

	kvf_put_be64(be, v);
	return put_field(b, be + 8 - len, len, err);
}

static enum kvf_status put_real(struct kvf_buf *b, double v, size_t len, struct kvf_err *err)
{
	float single = (float)v;
	uint64_t bits8;
	uint32_t bits4;

	memcpy(&bits8, &v, sizeof(bits8));
	memcpy(&bits4, &single, sizeof(bits4));
	return put_number(b, len == 4 ? bits4 : bits8, len, err);
}

static enum kvf_status put_jsonb(struct kvf_buf *b, struct kvf_bytes text, struct kvf_err *err)
{
	uint8_t head[5] = { 0, 0, 0, 0, 1 };
	enum kvf_status st;

	kvf_put_be32(head, (uint32_t)text.len + 1);
	st = kvf_buf_append(b, head, sizeof(head), err);
	return st || !text.len ? st : kvf_buf_append(b, text.ptr, text.len, err);
}

/* Dates, times, numbers: made where they go. */
static enum kvf_status put_made(struct kvf_buf *b, enum kvf_pgr_column column,
				struct kvf_bytes text, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_reserve(b, 4 + kvf_pgr_binary_room(text.len), err);
	size_t n;

	if (st)
		return st;
	n = kvf_pgr_binary(column, text, b->ptr + b->len + 4);
	kvf_put_be32(b->ptr + b->len, (uint32_t)n);
	b->len += 4 + n;
	return n ? KVF_OK : KVF_EPREFLIGHT;
}

static enum kvf_status put_binary(struct kvf_buf *b, enum kvf_pgr_column column,
				  const struct kvf_cell *c, struct kvf_err *err)
{
	uint8_t uuid[16], be[4];

	if (c->type == KVF_CELL_NULL) {
		kvf_put_be32(be, UINT32_MAX);
		return kvf_buf_append(b, be, sizeof(be), err);
	}
	switch (column) {
	case KVF_PGR_TEXT: /* of this table none is binary */
	case KVF_PGR_PLAIN:
	case KVF_PGR_BLOB: return put_field(b, c->u.b.ptr, c->u.b.len, err);
	case KVF_PGR_JSONB: return put_jsonb(b, c->u.b, err);
	case KVF_PGR_UUID:
		return read_uuid(c->u.b, uuid) ? put_field(b, uuid, sizeof(uuid), err)
					       : KVF_EPREFLIGHT;
	case KVF_PGR_BOOL: return put_number(b, c->u.i != 0, 1, err);
	case KVF_PGR_INT2: return put_number(b, (uint64_t)c->u.i, 2, err);
	case KVF_PGR_OID:
	case KVF_PGR_INT4: return put_number(b, (uint64_t)c->u.i, 4, err);
	case KVF_PGR_INT8: return put_number(b, (uint64_t)c->u.i, 8, err);
	case KVF_PGR_REAL4: return put_real(b, c->u.r, 4, err);
	case KVF_PGR_REAL8: return put_real(b, c->u.r, 8, err);
	case KVF_PGR_DATE:
	case KVF_PGR_TIME:
	case KVF_PGR_TIMESTAMP:
	case KVF_PGR_TIMESTAMPTZ:
	case KVF_PGR_NUMERIC: return put_made(b, column, c->u.b, err);
	}
	return KVF_EPREFLIGHT;
}

/* ---- text ------------------------------------------------------------------------------------ */

static enum kvf_status put_escaped(struct kvf_buf *b, struct kvf_bytes text,
				   struct kvf_err *err)
{
	static const char letters[] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
					['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\' };
	enum kvf_status st = KVF_OK;
	size_t i, from = 0;
	char escaped[2] = "\\";

	for (i = 0; i < text.len && !st; i++) {
		if (text.ptr[i] >= sizeof(letters) || !letters[text.ptr[i]])
			continue;
		escaped[1] = letters[text.ptr[i]];
		if (i > from)
			st = kvf_buf_append(b, text.ptr + from, i - from, err);
		if (!st)
			st = kvf_buf_append(b, escaped, sizeof(escaped), err);
		from = i + 1;
	}
	return st || from == text.len
		       ? st
		       : kvf_buf_append(b, text.ptr + from, text.len - from, err);
}

static enum kvf_status put_hex(struct kvf_buf *b, struct kvf_bytes blob, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_append(b, "\\\\x", 3, err);
	char hex[2 * 64 + 1];
	size_t at, n;

	for (at = 0; !st && at < blob.len; at += n) {
		n = blob.len - at < 64 ? blob.len - at : 64;
		kvf_hex(blob.ptr + at, n, hex);
		st = kvf_buf_append(b, hex, 2 * n, err);
	}
	return st;
}

/* The locale of the process may have another point. */
static enum kvf_status put_real_text(struct kvf_buf *b, double v, struct kvf_err *err)
{
	char text[40], *p;

	if (isnan(v) || isinf(v))
		return kvf_buf_printf(b, err, "%s",
				      isnan(v) ? "NaN"
				      : v > 0  ? "Infinity"
					       : "-Infinity");
	snprintf(text, sizeof(text), "%.15g", v);
	if (strtod(text, NULL) != v)
		snprintf(text, sizeof(text), "%.17g", v);
	for (p = text; *p; p++)
		if (!strchr("0123456789+-e", *p))
			*p = '.';
	return kvf_buf_append(b, text, strlen(text), err);
}

static enum kvf_status put_text(struct kvf_buf *b, const struct kvf_cell *c,
				struct kvf_err *err)
{
	switch (c->type) {
	case KVF_CELL_NULL: return kvf_buf_append(b, "\\N", 2, err);
	case KVF_CELL_BOOL: return kvf_buf_append(b, c->u.i ? "t" : "f", 1, err);
	case KVF_CELL_INT: return kvf_buf_printf(b, err, "%" PRId64, c->u.i);
	case KVF_CELL_REAL: return put_real_text(b, c->u.r, err);
	case KVF_CELL_TEXT: return put_escaped(b, c->u.b, err);
	case KVF_CELL_BLOB: return put_hex(b, c->u.b, err);
	}
	return KVF_EPREFLIGHT;
}

/* ---- rows ------------------------------------------------------------------------------------- */

static enum kvf_status flush(struct kvf_pgr *p, const struct kvf_restore_table *t,
			     struct kvf_err *err)
{
	char doing[160];
	enum kvf_status st;

	snprintf(doing, sizeof(doing), "write table \"%.120s\"", t->shape->name);
	st = kvf_pg_copy_put(&p->pg, p->conn, p->rows.ptr, p->rows.len, doing, err);
	p->rows.len = 0;
	return st;
}

enum kvf_status kvf_pgr_put(struct kvf_restore *r, struct kvf_restore_table *t,
			    const struct kvf_cell *cells, struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	const struct kvf_pgr_table *own = t->own;
	struct kvf_buf *b = &p->rows;
	enum kvf_status st = KVF_OK;
	uint8_t count[2] = { (uint8_t)(own->ncopied >> 8), (uint8_t)own->ncopied };
	size_t i, k = 0;

	if (!own->ncopied)
		return kvf_pg_exec(&p->pg, p->conn, "write a row", err,
				   "INSERT INTO %s DEFAULT VALUES", own->quoted);
	if (own->binary)
		st = kvf_buf_append(b, count, sizeof(count), err);
	for (i = 0; i < t->shape->ncolumns && !st; i++) {
		if (!is_copied(t, i))
			continue;
		st = check_cell(t, i, &cells[i], err);
		if (!st && own->binary) {
			st = put_binary(b, own->columns[i], &cells[i], err);
			if (st == KVF_EPREFLIGHT)
				st = refuse(t, i, "a text", err);
		} else if (!st) {
			if (k++)
				st = kvf_buf_append(b, "\t", 1, err);
			if (!st)
				st = put_text(b, &cells[i], err);
		}
	}
	if (!st && !own->binary)
		st = kvf_buf_append(b, "\n", 1, err);
	return st || b->len < FLUSH_BYTES ? st : flush(p, t, err);
}

enum kvf_status kvf_pgr_end_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				 struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	const struct kvf_pgr_table *own = t->own;
	char doing[160];
	enum kvf_status st = KVF_OK;

	if (!own->ncopied)
		return KVF_OK;
	if (own->binary)
		st = kvf_buf_append(&p->rows, copy_trailer, sizeof(copy_trailer), err);
	if (!st)
		st = flush(p, t, err);
	snprintf(doing, sizeof(doing), "write table \"%.120s\"", t->shape->name);
	return st ? st : kvf_pg_copy_end(&p->pg, p->conn, doing, err);
}
