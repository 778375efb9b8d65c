/*
 * rows - the rows of a statement one after the other (libpq's single-row mode),
 * so that no page of them is ever in memory as a whole.
 */
#include "pg/dialect.h"

#include <errno.h>
#include <poll.h>

#define LOOK_UP_MS 100

enum kvf_status kvf_pg_rows_start(struct kvf_pg_rows *r, const struct kvf_pg *pg, PGconn *conn,
				  const char *sql, const struct kvf_pg_key *key,
				  const char *doing, struct kvf_err *err)
{
	static const int binary[KVF_PG_ARGS] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
						 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	int n = key ? key->n : 0;

	r->pg = pg;
	r->conn = conn;
	r->doing = doing;
	r->res = NULL;
	r->open = 0;
	if (n > KVF_PG_ARGS)
		return kvf_fail(err, KVF_EINTERNAL, "too many arguments");
	if (!PQsendQueryParams(conn, sql, n, n ? key->type : NULL, n ? key->value : NULL,
			       n ? key->len : NULL, binary, 1))
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	r->open = 1;
	if (!PQsetSingleRowMode(conn))
		return kvf_pg_fail(pg, conn, NULL, doing, err);
	return KVF_OK;
}

/* Until a result can be had; somebody may want to stop. */
static enum kvf_status wait_for_row(const struct kvf_pg_rows *r, struct kvf_err *err)
{
	struct pollfd p = { PQsocket(r->conn), POLLIN, 0 };
	int left = 0, n;

	while (PQisBusy(r->conn) || (left = PQflush(r->conn)) > 0) {
		if (kvf_pg_stopped(r->pg))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		p.events = (short)(POLLIN | (left > 0 ? POLLOUT : 0));
		n = poll(&p, 1, LOOK_UP_MS);
		if ((n < 0 && errno != EINTR) ||
		    (n > 0 && p.revents & ~POLLOUT && !PQconsumeInput(r->conn)))
			return kvf_pg_fail(r->pg, r->conn, NULL, r->doing, err);
	}
	return left < 0 ? kvf_pg_fail(r->pg, r->conn, NULL, r->doing, err) : KVF_OK;
}

enum kvf_status kvf_pg_rows_next(struct kvf_pg_rows *r, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	int complete = 0;

	PQclear(r->res);
	r->res = NULL;
	while (r->open && !st) {
		st = wait_for_row(r, err);
		if (st)
			break;
		r->res = PQgetResult(r->conn);
		if (!r->res) {
			r->open = 0;
			break;
		}
		if (PQresultStatus(r->res) == PGRES_SINGLE_TUPLE)
			return KVF_OK;
		if (PQresultStatus(r->res) == PGRES_TUPLES_OK)
			complete = 1;
		else
			st = kvf_pg_fail(r->pg, r->conn, r->res, r->doing, err);
		PQclear(r->res);
		r->res = NULL;
	}
	if (st)
		return st;
	return complete ? KVF_EOF : kvf_pg_fail(r->pg, r->conn, NULL, r->doing, err);
}

void kvf_pg_rows_end(struct kvf_pg_rows *r)
{
	PGcancel *cancel;
	PGresult *res;
	char why[256];

	PQclear(r->res);
	r->res = NULL;
	if (!r->open || PQstatus(r->conn) != CONNECTION_OK)
		return;
	cancel = PQgetCancel(r->conn);
	if (cancel)
		(void)PQcancel(cancel, why, sizeof(why));
	PQfreeCancel(cancel);
	while ((res = PQgetResult(r->conn)) != NULL)
		PQclear(res);
	r->open = 0;
}
