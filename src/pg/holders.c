/*
 * holders - who has what we waited for in vain.
 *
 * Our own session cannot say it any more: its transaction has failed, and it does
 * not wait.  So another one asks for the oldest open transactions that hold locks on
 * tables.  A process that was stopped keeps what it has: then it is among them.
 */
#include "pg/dialect.h"
#include "pg/pg.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 5000 /* beside a server in trouble */

static const char holders[] =
	"SELECT a.pid::text, pg_catalog.format('process %%s (%%s of user %%s, %%s) since %%s',"
	" a.pid, coalesce(nullif(a.application_name, ''), 'a session'), coalesce(a.usename,"
	" '?'), coalesce(a.state, '?'), pg_catalog.to_char(a.xact_start AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD HH24:MI:SS \"UTC\"')) FROM pg_catalog.pg_stat_activity a WHERE a.datname "
	"="
	" pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.pid <> "
	"%d"
	" AND a.xact_start IS NOT NULL AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks l JOIN"
	" pg_catalog.pg_class c ON c.oid = l.relation WHERE l.pid = a.pid AND l.granted AND"
	" l.locktype = 'relation' AND c.relkind IN ('r', 'p') AND c.relnamespace <>"
	" 'pg_catalog'::regnamespace) ORDER BY a.xact_start LIMIT 3";

void kvf_pg_name_holders(const struct kvf_pg *pg, const PGconn *waited, struct kvf_err *err)
{
	struct kvf_pg quiet = *pg;
	PGresult *res = NULL;
	PGconn *conn = NULL;
	char names[512] = "";
	enum kvf_status st;
	size_t at;
	int i;

	if (!err || (strcmp(err->code, "55P03") != 0 && strcmp(err->code, "40P01") != 0) ||
	    pg->dialect->pointed || !pg->conninfo || *err->detail)
		return;
	quiet.env = NULL;
	quiet.deadline = 0;
	st = kvf_pg_connect(&quiet, &conn, NULL);
	if (!st)
		st = kvf_pg_exec(&quiet, conn, "read", NULL, "SET statement_timeout = %d",
				 ASK_MS);
	if (!st) {
		char sql[sizeof(holders) + 16];

		snprintf(sql, sizeof(sql), holders, PQbackendPID(waited));
		st = kvf_pg_query(&quiet, conn, sql, NULL, "read", &res, NULL);
	}
	for (i = 0; !st && i < PQntuples(res); i++) {
		at = strlen(names);
		snprintf(names + at, sizeof(names) - at, "%s%.150s", i ? ", " : "",
			 PQgetvalue(res, i, 1));
	}
	kvf_text_clean(names, 0);
	if (*names) {
		kvf_err_detail(err, "Open transactions: %s.", names);
		kvf_err_hint(err,
			     "A process that was stopped keeps its locks: let it go on, or end "
			     "its session (SELECT pg_terminate_backend(%.20s)), then give the "
			     "same command again.",
			     PQgetvalue(res, 0, 0));
	}
	PQclear(res);
	PQfinish(conn);
}

int kvf_pg_end_sessions(const struct kvf_pg *pg, const char *session)
{
	struct kvf_pg quiet = *pg;
	struct kvf_pg_args a = { 0 };
	PGconn *conn = NULL;
	int64_t n = 0;
	enum kvf_status st;

	if (pg->dialect->pointed)
		return 0;
	quiet.env = NULL;
	quiet.deadline = 0;
	kvf_pg_text(&a, session);
	st = kvf_pg_connect(&quiet, &conn, NULL);
	if (!st)
		st = kvf_pg_ask(&quiet, conn, &n,
				"SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend("
				"pid)) FROM pg_catalog.pg_stat_activity WHERE datname ="
				" pg_catalog.current_database() AND pid <>"
				" pg_catalog.pg_backend_pid() AND application_name = $1 AND"
				" xact_start IS NOT NULL AND pg_catalog.pg_has_role(usename,"
				" 'MEMBER')",
				&a, NULL);
	PQfinish(conn);
	return !st && n > 0;
}
