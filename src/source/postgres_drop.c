/*
 * postgres_drop - legacy tables out of a PostgreSQL database, by one statement:
 * they may refer to each other, and what refers to them from elsewhere stops it.
 */
#include "source/postgres.h"

#include "base/buf.h"
#include "base/failpoint.h"

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

static enum kvf_status look(const struct kvf_pg *pg, PGconn *conn, const char *const *tables,
			    size_t n, int *there, struct kvf_err *err)
{
	char name[2 * KVF_PG_QUOTED + 2];
	enum kvf_status st = KVF_OK;
	struct kvf_pg_args a;
	int64_t found;
	size_t i;

	for (i = 0; i < n && !st; i++) {
		memset(&a, 0, sizeof(a));
		quote(tables[i], name, sizeof(name));
		kvf_pg_text(&a, name);
		st = kvf_pg_ask(pg, conn, &found,
				"SELECT count(*) FROM pg_catalog.pg_class c WHERE c.oid ="
				" pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'f')",
				&a, err);
		there[i] = !st && found;
	}
	return st;
}

enum kvf_status kvf_postgres_present(const char *place, const struct kvf_env *env,
				     const char *const *tables, size_t n, int *there,
				     struct kvf_err *err)
{
	struct kvf_pg pg;
	PGconn *conn;
	enum kvf_status st = connect(&pg, &conn, place, env, err);

	if (!st)
		st = look(&pg, conn, tables, n, there, err);
	PQfinish(conn);
	kvf_pg_release(&pg);
	return st;
}

enum kvf_status kvf_postgres_drop(const char *place, const struct kvf_env *env,
				  const char *const *tables, size_t n, struct kvf_err *err)
{
	char name[2 * KVF_PG_QUOTED + 2];
	struct kvf_buf sql;
	struct kvf_pg pg;
	PGconn *conn;
	enum kvf_status st = connect(&pg, &conn, place, env, err);
	size_t i;

	kvf_buf_init(&sql, SIZE_MAX / 2);
	for (i = 0; i < n && !st; i++) {
		quote(tables[i], name, sizeof(name));
		st = kvf_buf_printf(&sql, err, "%s%s", i ? ", " : "", name);
	}
	if (!st)
		st = kvf_pg_exec(&pg, conn, "begin to write", err,
				 "SET lock_timeout = %d; SET synchronous_commit = on", LOCK_MS);
	KVF_FAILPOINT(st, err, "postgres.drop.begun");
	/* One statement: one transaction.  RESTRICT is what a server does anyway. */
	if (!st)
		st = kvf_pg_exec(&pg, conn, "drop the legacy tables", err,
				 "DROP TABLE IF EXISTS %s RESTRICT", (const char *)sql.ptr);
	KVF_FAILPOINT(st, err, "postgres.drop.committed");
	if (st && strcmp(err->code, "2BP01") == 0)
		kvf_err_hint(err, "Something outside the list depends on them: drop it first, "
				  "or list its table under 'drop:' too.");
	kvf_buf_release(&sql);
	PQfinish(conn);
	kvf_pg_release(&pg);
	return st;
}
