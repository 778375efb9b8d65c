/*
 * postgres_rows - COPY (...) TO STDOUT (FORMAT binary), row by row.
 *
 *   header | row row row ... | trailer      then the server says "COPY n"
 *   row: int16 columns | column ...         column: int32 length (-1 NULL) | bytes
 *
 * What has arrived is moved from libpq's buffer into ours, many rows at a time
 * and without an allocation, and decoded where it lies: cells point into it.
 * The rows have ended only when the trailer was seen, the server has said so,
 * and its number of rows is ours.
 *
 * A part reads one piece of its record after the other, each by a COPY of its own
 * (postgres_parts.c).  The statement runs behind a savepoint, so that rows that are left early,
 * which takes a cancel, do not cost the transaction and with it the snapshot.
 */
#include "source/postgres.h"

#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (256u << 10)
#define BUFFER_MAX (3u << 30) /* the server cannot send a row of more */
#define LOOK_UP_MS 100
#define HEADER_BYTES 19

struct postgres_rows {
	struct kvf_rows base;
	struct kvf_postgres *s;
	PGconn *conn;
	atomic_flag *busy; /* of the connection */
	const struct kvf_record *record;
	const struct kvf_postgres_shape *shape;
	unsigned part, piece;
	uint64_t count; /* rows of the piece so far */
	char doing[300];
	struct kvf_buf buf;  /* what has arrived ... */
	size_t pos;          /* ... and was used up to here */
	struct kvf_buf made; /* texts that were made of values of this row */
	const struct kvf_postgres_type **types;
	struct kvf_cell *cells;
	size_t n;
	int header_seen, over; /* over: nothing of the COPY is left */
	int done;              /* no piece is left either */
	unsigned long long not_utf8;
};

/* ---- bytes out of the connection ----------------------------------------------------- */

static enum kvf_status fail_rows(const struct postgres_rows *r, const PGresult *res,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_fail(&r->s->pg, r->conn, res, r->doing, err);

	return kvf_postgres_explain(r->s, st, err);
}

static enum kvf_status damaged(const struct postgres_rows *r, const char *what,
			       struct kvf_err *err)
{
	return kvf_fail(err, KVF_ESOURCE, "%s: cannot %s: after row %llu, %s", r->s->pg.name,
			r->doing, (unsigned long long)r->count, what);
}

/* Wait until something comes; meanwhile somebody may want to stop. */
static enum kvf_status wait_for_more(const struct postgres_rows *r, struct kvf_err *err)
{
	struct pollfd p = { PQsocket(r->conn), POLLIN, 0 };
	int n;

	do {
		if (kvf_source_stopped(&r->s->base))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		n = poll(&p, 1, LOOK_UP_MS);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return PQconsumeInput(r->conn) ? KVF_OK : fail_rows(r, NULL, err);
}

/* Move all that libpq has, as far as there is room; -1 at the end of the data. */
static int drain(struct postgres_rows *r)
{
	size_t room;
	int n = 1, got = 0;

	while (n > 0 && (room = r->buf.size - r->buf.len) > 0) {
		n = PQgetlineAsync(r->conn, (char *)r->buf.ptr + r->buf.len,
				   room < INT32_MAX ? (int)room : INT32_MAX);
		if (n > 0) {
			r->buf.len += (size_t)n;
			got = 1;
		}
	}
	return got ? 1 : n;
}

/* At least one byte more behind the unused ones; KVF_EOF when no data is left. */
static enum kvf_status fill(struct postgres_rows *r, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	int n;

	if (r->pos) {
		memmove(r->buf.ptr, r->buf.ptr + r->pos, r->buf.len - r->pos);
		r->buf.len -= r->pos;
		r->pos = 0;
	}
	if (r->buf.len == r->buf.size)
		st = kvf_buf_reserve(&r->buf, r->buf.size ? r->buf.size : BUFFER_BYTES, err);
	while (!st) {
		n = drain(r);
		if (n)
			return n > 0 ? KVF_OK : KVF_EOF;
		st = wait_for_more(r, err);
	}
	return st;
}

/* ---- the end ----------------------------------------------------------------------------- */

/* Take what is left of the results; the first error wins. */
static enum kvf_status take_results(struct postgres_rows *r, uint64_t *rows,
				    struct kvf_err *err)
{
	enum kvf_status st = KVF_OK, waited = KVF_OK;
	PGresult *res;
	int complete = 0;

	r->over = 1;
	for (;;) {
		while (!waited && PQisBusy(r->conn))
			waited = wait_for_more(r, err);
		if (waited)
			return waited;
		res = PQgetResult(r->conn);
		if (!res)
			break;
		if (PQresultStatus(res) != PGRES_COMMAND_OK && !st)
			st = fail_rows(r, res, err);
		else if (!complete && strncmp(PQcmdStatus(res), "COPY ", 5) == 0) {
			complete = 1;
			*rows = strtoull(PQcmdTuples(res), NULL, 10);
		}
		PQclear(res);
		if (PQstatus(r->conn) != CONNECTION_OK)
			break;
	}
	if (st)
		return st;
	return complete ? KVF_OK : fail_rows(r, NULL, err);
}

static void report_texts(struct postgres_rows *r)
{
	if (r->not_utf8)
		atomic_fetch_add(&r->s->not_utf8, r->not_utf8);
	r->not_utf8 = 0;
}

/* The data ended: was it all? */
static enum kvf_status end(struct postgres_rows *r, int trailer, struct kvf_err *err)
{
	uint64_t rows = UINT64_MAX;
	enum kvf_status st = take_results(r, &rows, err);

	if (st)
		return st;
	if (!trailer || r->pos != r->buf.len)
		return damaged(r, "the data ends without its trailer", err);
	if (rows != r->count)
		return damaged(r, "the server counts another number of rows", err);
	report_texts(r);
	st = r->record->query ? kvf_postgres_untouched(r->s, r->conn, r->doing, err) : KVF_OK;
	return st ? st : KVF_EOF;
}

/* Behind the trailer nothing may come. */
static enum kvf_status end_of_data(struct postgres_rows *r, struct kvf_err *err)
{
	enum kvf_status st;

	r->pos += 2;
	if (r->pos < r->buf.len)
		return damaged(r, "there is more behind the trailer", err);
	st = fill(r, err);
	if (st == KVF_OK)
		return damaged(r, "there is more behind the trailer", err);
	return st == KVF_EOF ? end(r, 1, err) : st;
}

/* ---- pieces -------------------------------------------------------------------------------- */

/* Send the statement; when this returns KVF_OK, rows may flow. */
static enum kvf_status start(struct postgres_rows *r, const struct kvf_buf *sql,
			     struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_exec(&r->s->pg, r->conn, r->doing, err,
					 "SAVEPOINT kvferry_rows;"
					 "COPY (%s) TO STDOUT (FORMAT binary);"
					 "RELEASE SAVEPOINT kvferry_rows",
					 (const char *)sql->ptr);
	struct kvf_err ignored;

	if (!st) {
		r->over = 0;
		return st;
	}
	if (PQtransactionStatus(r->conn) == PQTRANS_INERROR &&
	    kvf_pg_exec(&r->s->pg, r->conn, "go back", &ignored,
			"ROLLBACK TO SAVEPOINT kvferry_rows; RELEASE SAVEPOINT kvferry_rows"))
		return st;
	return kvf_postgres_explain(r->s, st, err);
}

/* Begin the next piece that no part has taken; r->done if there is none. */
static enum kvf_status begin_piece(struct postgres_rows *r, struct kvf_err *err)
{
	unsigned n = kvf_postgres_pieces(r->s, r->record, r->shape);
	const struct kvf_postgres_type **types = NULL;
	struct kvf_buf sql;
	enum kvf_status st;

	if (n > 1 && r->s->pieces.shared)
		r->piece = atomic_fetch_add(&r->s->pieces.next, 1);
	else
		r->piece = r->types ? n : r->part; /* there is one, and it was read */
	r->done = r->piece >= n;
	if (r->done && r->types)
		return KVF_OK;
	kvf_buf_init(&sql, SIZE_MAX / 4);
	st = kvf_postgres_select(r->s, r->record, r->shape, r->done ? 0 : r->piece, &sql,
				 &types, &r->n, err);
	free(r->types);
	r->types = types;
	r->count = 0;
	r->header_seen = 0;
	r->pos = r->buf.len = 0;
	if (!st && !r->done)
		st = start(r, &sql, err);
	kvf_buf_release(&sql);
	return st;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Have `need` unused bytes. */
static enum kvf_status have(struct postgres_rows *r, size_t need, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	while (!st && r->buf.len - r->pos < need)
		st = fill(r, err);
	return st == KVF_EOF ? end(r, 0, err) : st;
}

static enum kvf_status read_header(struct postgres_rows *r, struct kvf_err *err)
{
	static const char signature[] = "PGCOPY\n\377\r\n";
	enum kvf_status st = have(r, HEADER_BYTES, err);
	uint32_t more;

	if (st)
		return st;
	/* The signature's NUL counts; no flag is known. */
	if (memcmp(r->buf.ptr + r->pos, signature, sizeof(signature)) != 0 ||
	    kvf_get_be32(r->buf.ptr + r->pos + 11) != 0)
		return damaged(r, "the data has no header that is known", err);
	more = kvf_get_be32(r->buf.ptr + r->pos + 15);
	st = have(r, HEADER_BYTES + (size_t)more, err);
	r->pos += HEADER_BYTES + (size_t)more;
	r->header_seen = !st;
	return st;
}

/*
 * Is a whole row there?  Then its size, and the room that its texts take;
 * *size = 0 if not, SIZE_MAX if it is none.
 */
static void measure(const struct postgres_rows *r, size_t *size, size_t *room)
{
	const uint8_t *begin = r->buf.ptr + r->pos, *p = begin + 2;
	const uint8_t *stop = r->buf.ptr + r->buf.len;
	uint32_t len;
	size_t i, more;

	*size = *room = 0;
	for (i = 0; i < r->n; i++) {
		if (stop - p < 4)
			return;
		len = kvf_get_be32(p);
		p += 4;
		if (len == UINT32_MAX)
			continue;
		if (len > INT32_MAX) {
			*size = SIZE_MAX;
			return;
		}
		if ((size_t)(stop - p) < len)
			return;
		more = kvf_postgres_room(r->types[i]->how, p, len);
		if (more == SIZE_MAX) {
			*size = SIZE_MAX;
			return;
		}
		*room += more;
		p += len;
	}
	*size = (size_t)(p - begin);
}

static enum kvf_status decode(struct postgres_rows *r, struct kvf_err *err)
{
	const uint8_t *p = r->buf.ptr + r->pos + 2;
	uint8_t *made = r->made.ptr;
	uint32_t len;
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct kvf_cell *c = &r->cells[i];

		len = kvf_get_be32(p);
		p += 4;
		if (len == UINT32_MAX) {
			c->type = KVF_CELL_NULL;
			continue;
		}
		if (!kvf_postgres_cell(r->types[i]->how, p, len, c, &made))
			return damaged(r, "a value is not of its type", err);
		if (r->s->sql_ascii && c->type == KVF_CELL_TEXT &&
		    kvf_utf8_valid(c->u.b.ptr, c->u.b.len) != c->u.b.len)
			r->not_utf8++;
		p += len;
	}
	return KVF_OK;
}

/* The next row of the piece; KVF_EOF at its end. */
static enum kvf_status next_row(struct postgres_rows *r, struct kvf_err *err)
{
	enum kvf_status st = r->header_seen ? KVF_OK : read_header(r, err);
	size_t size = 0, room = 0;
	unsigned columns;

	if (!st)
		st = have(r, 2, err);
	if (st)
		return st;
	columns = (unsigned)r->buf.ptr[r->pos] << 8 | r->buf.ptr[r->pos + 1];
	if (columns == 0xffff)
		return end_of_data(r, err);
	if (columns != r->n)
		return damaged(r, "a row has another number of columns", err);
	while (measure(r, &size, &room), size == 0) {
		st = have(r, r->buf.len - r->pos + 1, err);
		if (st)
			return st;
	}
	if (size == SIZE_MAX)
		return damaged(r, "a value is not of its type", err);
	r->made.len = 0;
	st = kvf_buf_reserve(&r->made, room, err);
	if (!st)
		st = decode(r, err);
	r->pos += size;
	r->count++;
	return st;
}

/* The wrapper counts on from here: in its piece, whoever reads that. */
static void number_row(struct postgres_rows *r)
{
	uint64_t piece = r->s->pieces.shared ? r->piece : 0;

	r->base.row.ordinal = (piece << KVF_POSTGRES_PIECE) + r->count - 1;
}

enum kvf_status kvf_postgres_rows_next(struct kvf_rows *base, struct kvf_err *err)
{
	struct postgres_rows *r = (struct postgres_rows *)base;
	enum kvf_status st = KVF_EOF;

	while (!r->done && (st = next_row(r, err)) == KVF_EOF) {
		st = begin_piece(r, err);
		if (st)
			return st;
	}
	if (r->done)
		return KVF_EOF;
	if (!st)
		number_row(r);
	return st;
}

/* ---- begin, and an early end ------------------------------------------------------------- */

/* Rows are left in the connection: make the server stop, and go back. */
static void leave(struct postgres_rows *r)
{
	PGcancel *cancel = PQgetCancel(r->conn);
	struct kvf_err ignored;
	uint64_t rows;
	char why[256], *piece;

	if (cancel)
		(void)PQcancel(cancel, why, sizeof(why));
	PQfreeCancel(cancel);
	while (PQgetCopyData(r->conn, &piece, 0) > 0)
		PQfreemem(piece);
	if (!take_results(r, &rows, &ignored))
		return;
	if (PQtransactionStatus(r->conn) == PQTRANS_INERROR &&
	    kvf_pg_exec(&r->s->pg, r->conn, "go back", &ignored,
			"ROLLBACK TO SAVEPOINT kvferry_rows; RELEASE SAVEPOINT kvferry_rows"))
		kvf_source_log(&r->s->base, KVF_LOG_DEBUG, "%s", ignored.message);
}

void kvf_postgres_rows_close(struct kvf_rows *base)
{
	struct postgres_rows *r = (struct postgres_rows *)base;

	report_texts(r);
	if (!r->over && PQstatus(r->conn) == CONNECTION_OK)
		leave(r);
	if (r->busy)
		atomic_flag_clear(r->busy);
	kvf_buf_release(&r->buf);
	kvf_buf_release(&r->made);
	free(r->types);
	free(r->cells);
	free(r);
}

/* A connection over which no rows come. */
static enum kvf_status take_connection(struct postgres_rows *r, struct kvf_err *err)
{
	struct kvf_postgres *s = r->s;
	unsigned i;

	for (i = 0; i < s->nconns; i++) {
		if (atomic_flag_test_and_set(&s->busy[i]))
			continue;
		r->conn = s->conns[i];
		r->busy = &s->busy[i];
		return KVF_OK;
	}
	return kvf_fail(err, KVF_EUSAGE, "more than %u parts are read at once", s->nconns);
}

enum kvf_status kvf_postgres_rows_open(struct kvf_source *base, const struct kvf_record *record,
				       unsigned part, struct kvf_rows **out,
				       struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	struct kvf_postgres_shape *shape;
	struct postgres_rows *r = NULL;
	enum kvf_status st = kvf_postgres_shape(s, record, &shape, err);

	if (st)
		return st;
	if (part >= kvf_postgres_parts(s, record, shape))
		return kvf_fail(err, KVF_EUSAGE, "the record has no part %u", part + 1);
	r = calloc(1, sizeof(*r));
	if (!r)
		return kvf_fail_nomem(err);
	r->s = s;
	r->record = record;
	r->shape = shape;
	r->part = part;
	r->over = 1;
	kvf_buf_init(&r->buf, BUFFER_MAX);
	kvf_buf_init(&r->made, BUFFER_MAX);
	snprintf(r->doing, sizeof(r->doing), "read %s \"%.200s\"",
		 record->query ? "query" : "table", shape->table.name);
	st = take_connection(r, err);
	if (!st)
		st = begin_piece(r, err);
	r->cells = st ? NULL : calloc(r->n + 1, sizeof(*r->cells));
	if (!st && !r->cells)
		st = kvf_fail_nomem(err);
	if (st) {
		kvf_postgres_rows_close(&r->base);
		return st;
	}
	r->base.row.cells = r->cells;
	r->base.row.ncells = r->n;
	*out = &r->base;
	return KVF_OK;
}
