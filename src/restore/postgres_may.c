/*
 * postgres_may - which privileges are missing to make or fill the tables, all of them,
 * before anything is written.
 */
#include "restore/postgres.h"

#include <string.h>

#define DOING "see which privileges are missing"

/* Tables t(schema, name): what is made there, and what is done to those that are there,
 * takes. */
static const char missing[] =
	" SELECT pg_catalog.string_agg(what, ', ' ORDER BY what) FROM ("
	"SELECT 'CREATE on database ' || pg_catalog.quote_ident("
	"pg_catalog.current_database()) AS what WHERE EXISTS (SELECT 1 FROM t WHERE schema NOT"
	" IN (SELECT nspname FROM pg_catalog.pg_namespace)) AND NOT"
	" pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
	" UNION SELECT p || ' on schema ' || pg_catalog.quote_ident(schema) FROM t JOIN"
	" pg_catalog.pg_namespace n ON nspname = schema, (VALUES ('USAGE'), ('CREATE')) AS v(p)"
	" WHERE NOT pg_catalog.has_schema_privilege(n.oid, p)"
	" UNION SELECT 'ownership of table ' || pg_catalog.quote_ident(schema) || '.' ||"
	" pg_catalog.quote_ident(name) FROM t JOIN pg_catalog.pg_namespace n ON nspname ="
	" schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = name"
	" WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS m";

static enum kvf_status add_table(struct kvf_pgr *p, const struct kvf_pgr_table *own,
				 struct kvf_buf *sql, struct kvf_err *err)
{
	char *schema = PQescapeLiteral(p->conn, own->schema, strlen(own->schema));
	char *name = PQescapeLiteral(p->conn, own->name, strlen(own->name));
	const char *before = sql->len ? ", " : "WITH t(schema, name) AS (VALUES ";
	enum kvf_status st;

	if (schema && name)
		st = kvf_buf_printf(sql, err, "%s(%s, %s)", before, schema, name);
	else
		st = kvf_fail_nomem(err);
	PQfreemem(schema);
	PQfreemem(name);
	return st;
}

enum kvf_status kvf_pgr_may(struct kvf_pgr *p, struct kvf_err *err)
{
	PGresult *res = NULL;
	struct kvf_buf sql;
	enum kvf_status st = KVF_OK;
	size_t i;

	kvf_buf_init(&sql, 64u << 20);
	for (i = 0; i < p->base.ntables && !st; i++)
		st = add_table(p, p->base.tables[i].own, &sql, err);
	if (!st && sql.len)
		st = kvf_buf_printf(&sql, err, ")%s", missing);
	if (!st && sql.len)
		st = kvf_pg_query(&p->pg, p->conn, (const char *)sql.ptr, NULL, DOING, &res,
				  err);
	if (!st && res && !PQgetisnull(res, 0, 0)) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "user \"%.63s\" lacks privileges: %s",
			      PQuser(p->conn), PQgetvalue(res, 0, 0));
		kvf_err_detail(err, "%s. Nothing was changed.", p->pg.name);
		kvf_err_hint(err, "Let an administrator grant them, connect as another user, "
				  "or leave tables out with --exclude-table.");
	}
	PQclear(res);
	kvf_buf_release(&sql);
	return st;
}
