/* query - statements with arguments, columns of their results, and COPY. */
#include "pg/pg.h"

#include "base/hash.h"
#include "base/text.h"
#include "pg/dialect.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Milliseconds after which we look whether somebody wants us to stop. */
#define LOOK_UP_MS 100
/* Bytes per call that COPY is fed with. */
#define PUT_BYTES 65536

/* ---- arguments ----------------------------------------------------------------- */

static void add(struct kvf_pg_args *a, const void *value, size_t len, int format)
{
	if (a->n == KVF_PG_ARGS)
		return; /* the server will miss it, and say so */
	a->value[a->n] = value;
	a->len[a->n] = (int)len;
	a->format[a->n++] = format;
}

void kvf_pg_bytes(struct kvf_pg_args *a, struct kvf_bytes b)
{
	add(a, b.len ? (const void *)b.ptr : "", b.len, 1);
}

void kvf_pg_text(struct kvf_pg_args *a, const char *text)
{
	add(a, text, text ? strlen(text) : 0, 1);
}

void kvf_pg_number(struct kvf_pg_args *a, int64_t n)
{
	if (a->n < KVF_PG_ARGS)
		kvf_put_be64(a->number[a->n], (uint64_t)n);
	add(a, a->n < KVF_PG_ARGS ? a->number[a->n] : NULL, 8, 1);
}

/* ---- statements ------------------------------------------------------------------ */

/* Ask the server to give the statement up; its answer comes all the same. */
static void cancel(PGconn *conn)
{
	PGcancel *c = PQgetCancel(conn);
	char why[256];

	if (c)
		(void)PQcancel(c, why, sizeof(why));
	PQfreeCancel(c);
}

/* Seconds in which the server has to answer when a statement is cancelled. */
#define CANCEL_S 2

/* A wait for the server; begin with zeros. */
struct wait {
	double since;  /* when we were first asked to stop */
	int cancelled; /* the statement */
};

/* The server does not even answer a cancel. */
static int is_hopeless(const struct kvf_pg *pg, const struct wait *w)
{
	return w->cancelled && kvf_monotonic() - w->since > pg->patience + CANCEL_S;
}

/* Look at the socket for a moment, and take what has come; 0 if the connection is
 * lost.  When somebody wants us to stop, the statement is cancelled. */
static int look(const struct kvf_pg *pg, PGconn *conn, short events, struct wait *w)
{
	struct pollfd p = { PQsocket(conn), events, 0 };
	int n = poll(&p, 1, LOOK_UP_MS);

	if (n < 0 && errno != EINTR)
		return 0;
	if (n > 0 && (p.revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(conn))
		return 0;
	if (w->cancelled || !kvf_pg_stopped(pg))
		return 1;
	if (w->since <= 0)
		w->since = kvf_monotonic();
	if (kvf_monotonic() - w->since >= pg->patience) {
		cancel(conn);
		w->cancelled = 1;
	}
	return 1;
}

/* Wait until a result can be had without blocking. */
static enum kvf_status wait_for_result(const struct kvf_pg *pg, PGconn *conn, const char *doing,
				       struct kvf_err *err)
{
	struct wait w = { 0 };
	int left;

	while ((left = PQflush(conn)) >= 0 && (left || PQisBusy(conn))) {
		if (!look(pg, conn, (short)(POLLIN | (left ? POLLOUT : 0)), &w))
			break;
		if (is_hopeless(pg, &w))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	}
	/* Of a lost connection there may still be a result, which says more. */
	if (PQisBusy(conn) && PQstatus(conn) == CONNECTION_OK)
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	return KVF_OK;
}

static int is_good(const PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT: return 1;
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR:
	case PGRES_COPY_BOTH:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED: break;
	}
	return 0;
}

/* Take the results of a statement; the first error wins, else the last one. */
static enum kvf_status take_results(const struct kvf_pg *pg, PGconn *conn, const char *doing,
				    PGresult **out, struct kvf_err *err)
{
	PGresult *res, *kept = NULL;
	enum kvf_status st = KVF_OK;

	for (;;) {
		enum kvf_status waited = wait_for_result(pg, conn, doing, err);

		if (waited)
			return PQclear(kept), waited;
		res = PQgetResult(conn);
		if (!res)
			break;
		if (st) {
			PQclear(res);
			continue;
		}
		PQclear(kept);
		kept = res;
		if (!is_good(res))
			st = kvf_pg_fail(pg, conn, res, doing, err);
		else if (PQresultStatus(res) == PGRES_COPY_IN ||
			 PQresultStatus(res) == PGRES_COPY_OUT)
			break;
	}
	if (!st && !kept)
		st = kvf_pg_fail(pg, conn, NULL, doing, err);
	if (st || !out)
		PQclear(kept);
	else
		*out = kept;
	return st;
}

static enum kvf_status send(const struct kvf_pg *pg, PGconn *conn, const char *sql,
			    const struct kvf_pg_args *args, const char *doing, PGresult **res,
			    struct kvf_err *err)
{
	int sent;

	if (args)
		sent = PQsendQueryParams(conn, sql, args->n, NULL, args->value, args->len,
					 args->format, 1);
	else
		sent = PQsendQuery(conn, sql);
	if (!sent)
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	return take_results(pg, conn, doing, res, err);
}

/* Who reads writes nothing, and it is the server that sees to it. */
static enum kvf_status once(const struct kvf_pg *pg, PGconn *conn, const char *sql,
			    const struct kvf_pg_args *args, const char *doing, PGresult **res,
			    struct kvf_err *err)
{
	enum kvf_status st;
	int wrap = pg->reading && PQtransactionStatus(conn) == PQTRANS_IDLE &&
		   strncmp(sql, "BEGIN", 5) != 0;

	if (!wrap)
		return send(pg, conn, sql, args, doing, res, err);
	st = send(pg, conn, "BEGIN READ ONLY", NULL, doing, NULL, err);
	if (!st)
		st = send(pg, conn, sql, args, doing, res, err);
	if (PQtransactionStatus(conn) != PQTRANS_IDLE)
		(void)!send(pg, conn, "ROLLBACK", NULL, doing, NULL, NULL);
	return st;
}

/* A statement that is its own transaction, and had to give way to another one, is
 * given again where the dialect says so; within one, that is the caller's to do. */
enum kvf_status kvf_pg_query(const struct kvf_pg *pg, PGconn *conn, const char *sql,
			     const struct kvf_pg_args *args, const char *doing, PGresult **res,
			     struct kvf_err *err)
{
	int alone = PQtransactionStatus(conn) == PQTRANS_IDLE;
	struct kvf_pg_tries t = { 0 };
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	do {
		if (res)
			*res = NULL;
		st = once(pg, conn, sql, args, doing, res, err);
	} while (st == pg->side && alone && PQtransactionStatus(conn) == PQTRANS_IDLE &&
		 kvf_pg_is_conflict(err) && !kvf_pg_is_unknown(err) &&
		 kvf_pg_again(pg, &t, err));
	if (!st && t.n)
		kvf_err_clear(err);
	return st;
}

enum kvf_status kvf_pg_exec(const struct kvf_pg *pg, PGconn *conn, const char *doing,
			    struct kvf_err *err, const char *fmt, ...)
{
	enum kvf_status st;
	char *sql = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&sql, fmt, ap);
	va_end(ap);
	if (n < 0)
		return kvf_fail_nomem(err);
	st = kvf_pg_query(pg, conn, sql, NULL, doing, NULL, err);
	free(sql);
	return st;
}

enum kvf_status kvf_pg_ask(const struct kvf_pg *pg, PGconn *conn, int64_t *n, const char *sql,
			   const struct kvf_pg_args *args, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res;
	enum kvf_status st =
		kvf_pg_query(pg, conn, sql, args ? args : &none, "read", &res, err);

	*n = 0;
	if (!st && PQntuples(res) > 0)
		*n = kvf_pg_get_number(res, 0, 0);
	PQclear(res);
	return st;
}

uint64_t kvf_pg_changed(const PGresult *res)
{
	char *text = PQcmdTuples((PGresult *)(uintptr_t)res);

	return strtoull(text, NULL, 10);
}

/* ---- columns --------------------------------------------------------------------- */

int64_t kvf_pg_get_number(const PGresult *res, int row, int column)
{
	const uint8_t *p = (const uint8_t *)PQgetvalue(res, row, column);

	switch (PQgetlength(res, row, column)) {
	case 1: return p[0];
	case 2: return (int16_t)(p[0] << 8 | p[1]);
	case 4:
		return PQftype(res, column) == 26 ? (int64_t)kvf_get_be32(p)
						  : (int32_t)kvf_get_be32(p);
	case 8: return (int64_t)kvf_get_be64(p);
	default: return 0;
	}
}

struct kvf_bytes kvf_pg_get_bytes(const PGresult *res, int row, int column)
{
	struct kvf_bytes b = { (const uint8_t *)PQgetvalue(res, row, column),
			       (size_t)PQgetlength(res, row, column) };

	return b;
}

void kvf_pg_get_text(const PGresult *res, int row, int column, char *to, size_t size)
{
	struct kvf_bytes b = kvf_pg_get_bytes(res, row, column);

	snprintf(to, size, "%.*s", (int)b.len, (const char *)b.ptr);
}

void kvf_pg_quote(const char *name, char to[KVF_PG_QUOTED])
{
	size_t n = 0;

	to[n++] = '"';
	for (; *name && n < KVF_PG_QUOTED - 3; name++) {
		if (*name == '"')
			to[n++] = '"';
		to[n++] = *name;
	}
	to[n++] = '"';
	to[n] = '\0';
}

/* ---- COPY -------------------------------------------------------------------------- */

/* Hand on what libpq holds; the server may be busy, or wait for a lock. */
static enum kvf_status push(const struct kvf_pg *pg, PGconn *conn, const char *doing,
			    struct kvf_err *err)
{
	struct wait w = { 0 };
	int left;

	while ((left = PQflush(conn)) > 0) {
		if (!look(pg, conn, POLLIN | POLLOUT, &w))
			return kvf_pg_fail(pg, conn, NULL, doing, err);
		if (w.cancelled)
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	}
	return left ? kvf_pg_fail(pg, conn, NULL, doing, err) : KVF_OK;
}

enum kvf_status kvf_pg_copy_put(const struct kvf_pg *pg, PGconn *conn, const void *bytes,
				size_t len, const char *doing, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	const char *p = bytes;
	size_t n;

	if (PQsetnonblocking(conn, 1))
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	for (; len && !st; p += n, len -= n) {
		n = len < PUT_BYTES ? len : PUT_BYTES;
		st = PQputCopyData(conn, p, (int)n) == 1
			     ? push(pg, conn, doing, err)
			     : kvf_pg_fail(pg, conn, NULL, doing, err);
	}
	if (!st && PQsetnonblocking(conn, 0))
		st = kvf_pg_fail(pg, conn, NULL, doing, err);
	return st;
}

enum kvf_status kvf_pg_copy_end(const struct kvf_pg *pg, PGconn *conn, const char *doing,
				struct kvf_err *err)
{
	if (PQputCopyEnd(conn, NULL) != 1)
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	return take_results(pg, conn, doing, NULL, err);
}

enum kvf_status kvf_pg_copy_get(const struct kvf_pg *pg, PGconn *conn, char **piece,
				size_t *len, const char *doing, struct kvf_err *err)
{
	struct wait w = { 0 };
	enum kvf_status st;
	int n;

	while ((n = PQgetCopyData(conn, piece, 1)) == 0) {
		if (is_hopeless(pg, &w))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		if (!look(pg, conn, POLLIN, &w)) {
			n = -2;
			break;
		}
	}
	*len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return KVF_OK;
	*piece = NULL;
	if (n == -2)
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	st = take_results(pg, conn, doing, NULL, err);
	return st ? st : KVF_EOF;
}
