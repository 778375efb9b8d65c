/*
 * postgres_hold - from now on nobody writes to what was read.
 *
 * A connection of its own locks every table that the snapshot's session has read
 * (SHARE: others may read), and keeps the locks until the source is closed.  So
 * the question whether something has changed has an answer that is still true
 * when the store commits.
 */
#include "source/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "keep others from writing"
#define HOLD_LOCK_MS 5000
/* Whoever is stopped with it keeps the application from writing no longer than that. */
#define HOLD_IDLE_MS 600000

/* What our session has locked, as one list; tables only. */
static const char read_so_far[] =
	"SELECT pg_catalog.string_agg(t, ', ') FROM (SELECT DISTINCT pg_catalog.format("
	"'ONLY %%I.%%I', n.nspname, c.relname) AS t FROM pg_catalog.pg_locks l"
	" JOIN pg_catalog.pg_class c ON c.oid = l.relation"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()"
	" AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname ="
	" pg_catalog.current_database()) AND c.relkind IN ('r', 'p')"
	" AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1) AS x";

static enum kvf_status refuse(const struct kvf_postgres *s, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "the source is being written to: a transaction is open");
	kvf_err_detail(err, "%s. Nothing was published.", s->pg.name);
	kvf_err_hint(err, "Stop the application that writes to it, or give --freeze, and run "
			  "the same command again.");
	return KVF_EPREFLIGHT;
}

/* May we not, or is this a server on which nobody can?  Then it is not held. */
static int is_not_allowed(const struct kvf_err *err)
{
	return strcmp(err->code, "42501") == 0 || strcmp(err->code, "25006") == 0 ||
	       strcmp(err->code, "0A000") == 0 || strcmp(err->code, "53300") == 0;
}

enum kvf_status kvf_postgres_hold(struct kvf_source *base, int *held, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	struct kvf_err why = { 0 };
	PGresult *res = NULL;
	enum kvf_status st;

	if (s->standby || s->hold)
		return KVF_OK;
	st = kvf_postgres_query(s, DOING, &res, err, read_so_far);
	if (st || PQgetisnull(res, 0, 0)) {
		PQclear(res);
		return st;
	}
	st = kvf_postgres_extra(s, &s->hold, &why);
	if (!st)
		st = kvf_pg_exec(
			&s->pg, s->hold, DOING, &why,
			"BEGIN READ ONLY; SET LOCAL lock_timeout = %d; SET LOCAL"
			" idle_in_transaction_session_timeout = %d; LOCK TABLE %s IN SHARE"
			" MODE",
			HOLD_LOCK_MS, HOLD_IDLE_MS, PQgetvalue(res, 0, 0));
	PQclear(res);
	*held = !st;
	if (!st)
		return KVF_OK;
	PQfinish(s->hold);
	s->hold = NULL;
	if (strcmp(why.code, "55P03") == 0 || strcmp(why.code, "40P01") == 0)
		return refuse(s, err);
	if (is_not_allowed(&why)) {
		kvf_source_log(base, KVF_LOG_INFO, "writers are not kept out: %s", why.message);
		return KVF_OK;
	}
	*err = why;
	return st;
}

int kvf_postgres_is_held(struct kvf_source *base)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;

	return s->hold && !kvf_pg_exec(&s->pg, s->hold, DOING, NULL, "SELECT 1");
}
