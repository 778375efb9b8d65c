/*
 * postgres_drop - legacy tables, and what belongs to them, out of a PostgreSQL
 * database in one transaction.  What refers to them from elsewhere stops it.
 */
#include "source/postgres.h"

#include "base/buf.h"
#include "base/failpoint.h"
#include "base/session.h"

#include <stdio.h>
#include <string.h>

#define LOCK_MS 30000

static enum kvf_status connect(struct kvf_pg *pg, PGconn **conn, const char *place,
			       const struct kvf_env *env, struct kvf_err *err)
{
	enum kvf_status st;

	*conn = NULL;
	st = kvf_pg_init(pg, place, KVF_ESOURCE, env, err);
	return st ? st : kvf_pg_connect(pg, conn, err);
}

/* "table" or "schema.table", in double quotes, piece by piece. */
static void quote(const char *name, char *to, size_t size)
{
	const char *dot = strchr(name, '.');
	char schema[64], first[KVF_PG_QUOTED], second[KVF_PG_QUOTED];

	if (!dot || (size_t)(dot - name) >= sizeof(schema)) {
		kvf_pg_quote(name, first);
		snprintf(to, size, "%s", first);
		return;
	}
	snprintf(schema, sizeof(schema), "%.*s", (int)(dot - name), name);
	kvf_pg_quote(schema, first);
	kvf_pg_quote(dot + 1, second);
	snprintf(to, size, "%s.%s", first, second);
}

/* How to find what has the name, and how to drop it. */
static const struct {
	const char *find, *word;
} kinds[] = {
	[KVF_DROP_VIEW] = { "pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)"
			    " AND c.relkind = 'v'",
			    "VIEW" },
	[KVF_DROP_TABLE] = { "pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)"
			     " AND c.relkind IN ('r', 'p', 'f')",
			     "TABLE" },
	[KVF_DROP_SEQUENCE] = { "pg_catalog.pg_class c WHERE c.oid ="
				" pg_catalog.to_regclass($1) AND c.relkind = 'S'",
				"SEQUENCE" },
	[KVF_DROP_FUNCTION] = { "pg_catalog.pg_proc p WHERE p.prokind = 'f' AND ($1 IN"
				" (pg_catalog.quote_ident(p.proname), '\"' || p.proname || "
				"'\"')"
				" AND pg_catalog.pg_function_is_visible(p.oid) OR $1 = '\"' ||"
				" p.pronamespace::pg_catalog.regnamespace || '\".\"' ||"
				" p.proname || '\"')",
				"FUNCTION" },
	[KVF_DROP_TYPE] = { "pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)"
			    " AND t.typtype IN ('e', 'd', 'r') ",
			    "TYPE" },
};

static enum kvf_status look(const struct kvf_pg *pg, PGconn *conn, const struct kvf_drop *list,
			    size_t n, int *there, struct kvf_err *err)
{
	char name[2 * KVF_PG_QUOTED + 2], sql[512];
	enum kvf_status st = KVF_OK;
	struct kvf_pg_args a;
	int64_t found;
	size_t i;

	for (i = 0; i < n && !st; i++) {
		memset(&a, 0, sizeof(a));
		quote(list[i].name, name, sizeof(name));
		kvf_pg_text(&a, name);
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", kinds[list[i].kind].find);
		st = kvf_pg_ask(pg, conn, &found, sql, &a, err);
		there[i] = !st && found;
	}
	return st;
}

enum kvf_status kvf_postgres_present(const char *place, const struct kvf_env *env,
				     const struct kvf_drop *list, size_t n, int *there,
				     struct kvf_err *err)
{
	struct kvf_pg pg;
	PGconn *conn;
	enum kvf_status st = connect(&pg, &conn, place, env, err);

	if (!st)
		st = look(&pg, conn, list, n, there, err);
	PQfinish(conn);
	kvf_pg_release(&pg);
	return st;
}

/* All of one kind by one statement: they may refer to each other.  RESTRICT is
 * what a server does anyway.  *i moves behind them. */
static enum kvf_status drop_kind(const struct kvf_pg *pg, PGconn *conn,
				 const struct kvf_drop *list, size_t n, size_t *i,
				 struct kvf_err *err)
{
	enum kvf_drop_kind kind = list[*i].kind;
	char name[2 * KVF_PG_QUOTED + 2];
	enum kvf_status st = KVF_OK;
	struct kvf_buf sql;
	const char *comma = "";

	kvf_buf_init(&sql, SIZE_MAX / 2);
	for (; *i < n && list[*i].kind == kind && !st; ++*i, comma = ", ") {
		quote(list[*i].name, name, sizeof(name));
		st = kvf_buf_printf(&sql, err, "%s%s", comma, name);
	}
	if (!st)
		st = kvf_pg_exec(pg, conn, "drop the legacy tables", err,
				 "DROP %s IF EXISTS %s RESTRICT", kinds[kind].word,
				 (const char *)sql.ptr);
	kvf_buf_release(&sql);
	return st;
}

/* In one transaction, in which the server ends the session of who is stopped. */
static enum kvf_status drop(const struct kvf_pg *pg, const struct kvf_drop *list, size_t n,
			    struct kvf_err *err)
{
	PGconn *conn = NULL;
	enum kvf_status st = kvf_pg_connect(pg, &conn, err);
	size_t i = 0;

	if (!st)
		st = kvf_pg_exec(pg, conn, "begin to write", err,
				 "BEGIN; SET LOCAL lock_timeout = %d; SET LOCAL"
				 " synchronous_commit = on; SET LOCAL"
				 " idle_in_transaction_session_timeout = %d",
				 KVF_PATIENCE(LOCK_MS), KVF_PATIENCE(LOCK_MS) / 2);
	KVF_FAILPOINT(st, err, "postgres.drop.begun");
	while (!st && i < n)
		st = drop_kind(pg, conn, list, n, &i, err);
	KVF_FAILPOINT(st, err, "postgres.drop.written");
	if (!st)
		st = kvf_pg_exec(pg, conn, "commit the drop", err, "COMMIT");
	KVF_FAILPOINT(st, err, "postgres.drop.committed");
	if (st)
		kvf_pg_name_holders(pg, conn, err);
	if (st && strcmp(err->code, "2BP01") == 0)
		kvf_err_hint(err, "Something outside the list depends on them: drop it first, "
				  "or list it under 'drop:' too.");
	PQfinish(conn); /* rolls back what is open */
	return st;
}

enum kvf_status kvf_postgres_drop(const char *place, const struct kvf_env *env,
				  const struct kvf_drop *list, size_t n, struct kvf_err *err)
{
	struct kvf_pg pg;
	enum kvf_status st = kvf_pg_init(&pg, place, KVF_ESOURCE, env, err);

	if (!st)
		st = drop(&pg, list, n, err);
	/* Who reads for a drop, or for a run that is over, and was stopped? */
	if (st && strcmp(err->code, "55P03") == 0 &&
	    kvf_pg_end_sessions(&pg, KVF_SESSION_DROP) +
		    kvf_pg_end_sessions(&pg, KVF_SESSION_MIGRATE)) {
		kvf_err_clear(err);
		st = drop(&pg, list, n, err);
	}
	kvf_pg_release(&pg);
	return st;
}
