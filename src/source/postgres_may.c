/*
 * postgres_may - which privileges are missing to read records, all of them.
 *
 * The catalogue answers for tables.  The tables of a query are those that the
 * server locks when it takes the query apart (PREPARE), which needs no privilege:
 * so they are known although the query may not run.  What a view reads is read with
 * the privileges of the view's owner, and not asked for.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "see which privileges are missing"
#define LIST_MAX 560  /* of kvf_err.message */
#define GRANT_MAX 400 /* of kvf_err.hint */

/* What is missing for people, and behind GRANT, of the relations t(oid) and of the
 * schemas n(name). */
static const char of_tables[] =
	"SELECT 'USAGE on schema ' || pg_catalog.quote_ident(name) AS what,"
	" 'USAGE ON SCHEMA' AS grants, pg_catalog.quote_ident(name) AS thing FROM n"
	" UNION SELECT 'USAGE on schema ' || pg_catalog.quote_ident(n.nspname),"
	" 'USAGE ON SCHEMA', pg_catalog.quote_ident(n.nspname)"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
	" UNION SELECT 'SELECT on table ' || c.oid::pg_catalog.regclass::pg_catalog.text,"
	" 'SELECT ON TABLE', c.oid::pg_catalog.regclass::pg_catalog.text"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" WHERE NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')";
/* Nor these, where the server is a PostgreSQL. */
static const char of_policies[] =
	" UNION SELECT 'BYPASSRLS (row-level security of table '"
	" || c.oid::pg_catalog.regclass::pg_catalog.text || ')', NULL, NULL"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" WHERE pg_catalog.row_security_active(c.oid)";
/* Where they stand is part of a table that is carried as it is. */
static const char of_sequences[] =
	" UNION SELECT 'SELECT on sequence ' || q.oid::pg_catalog.regclass::pg_catalog.text,"
	" 'SELECT ON SEQUENCE', q.oid::pg_catalog.regclass::pg_catalog.text"
	" FROM t JOIN pg_catalog.pg_depend d ON d.refobjid = t.oid AND d.deptype IN ('a', 'i')"
	" AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	" AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	" JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'"
	" WHERE CASE WHEN q.relkind = 'S' THEN"
	" NOT pg_catalog.has_sequence_privilege(q.oid, 'SELECT, USAGE') END";
/* The relations of a query that was taken apart, but for those below its views; one
 * column that may be read could be the one that is. */
static const char of_query[] =
	"SELECT c.oid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid ="
	" l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()"
	" AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname ="
	" pg_catalog.current_database()) AND c.relkind IN ('r', 'p', 'f', 'm', 'v')"
	" AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS ("
	"  SELECT 1 FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.classid ="
	"  'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid"
	"  AND d.refobjid = c.oid JOIN pg_catalog.pg_locks v ON v.relation = w.ev_class"
	"  AND v.pid = l.pid AND v.database = l.database"
	"  WHERE w.ev_class <> c.oid AND w.ev_type = '1')"
	" AND (NOT pg_catalog.has_any_column_privilege(c.oid, 'SELECT')"
	"  OR NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') OR c.relrowsecurity)";

/* ---- what is asked about ------------------------------------------------------------ */

struct asked {
	struct kvf_postgres *s;
	struct kvf_buf oids, schemas; /* behind VALUES */
};

static enum kvf_status add_oid(struct asked *a, Oid oid, struct kvf_err *err)
{
	return kvf_buf_printf(&a->oids, err, ",(%u)", oid);
}

static enum kvf_status add_table(struct asked *a, const struct kvf_record *record,
				 struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = NULL;
	enum kvf_status st = kvf_postgres_shape(a->s, record, &shape, err);

	if (st == KVF_EDEFINITION) { /* there is none: not our question */
		kvf_err_clear(err);
		return KVF_OK;
	}
	return st ? st : add_oid(a, shape->oid, err);
}

/* The server looks for names in schemas that may be used, and tells the first other. */
static enum kvf_status add_schema(struct asked *a, const struct kvf_err *why,
				  struct kvf_err *err)
{
	static const char before[] = "for schema ";
	const char *name = strstr(why->message, before);
	char *literal;
	enum kvf_status st;

	if (!name) {
		*err = *why;
		return why->status;
	}
	name += strlen(before);
	literal = PQescapeLiteral(a->s->conns[0], name, strlen(name));
	st = literal ? kvf_buf_printf(&a->schemas, err, ",(%s)", literal) : kvf_fail_nomem(err);
	PQfreemem(literal);
	return st;
}

/* One that is not understood has no tables.  They stay locked, as if they were read. */
static enum kvf_status add_query(struct asked *a, const char *query, struct kvf_err *err)
{
	struct kvf_postgres *s = a->s;
	PGresult *res = NULL;
	struct kvf_err why = { 0 };
	enum kvf_status st;
	char *sql;
	int i;

	if (asprintf(&sql, "PREPARE kvferry_look AS %s\n", query) < 0)
		return kvf_fail_nomem(err);
	st = kvf_postgres_try(s, sql, DOING, &res, &why);
	PQclear(res);
	free(sql);
	if (st == KVF_EDEFINITION)
		return KVF_OK;
	if (st)
		return add_schema(a, &why, err);
	st = kvf_pg_exec(&s->pg, s->conns[0], DOING, err, "DEALLOCATE kvferry_look");
	if (!st)
		st = kvf_postgres_query(s, DOING, &res, err, "%s", of_query);
	for (i = 0; !st && i < PQntuples(res); i++)
		st = add_oid(a, kvf_postgres_oid(res, i, 0), err);
	PQclear(res);
	return st;
}

/* ---- the answer -------------------------------------------------------------------------- */

enum { WHAT, GRANTS, THING };

/* "GRANT SELECT ON TABLE a, b TO shop; ..."; what cannot be granted is not in it. */
static enum kvf_status put_grants(const PGresult *res, const char *role, struct kvf_buf *grants,
				  struct kvf_err *err)
{
	const char *before = "";
	enum kvf_status st = KVF_OK;
	int i, n = PQntuples(res);

	for (i = 0; i < n && !st; i++) {
		if (PQgetisnull(res, i, GRANTS))
			continue;
		if (strcmp(before, PQgetvalue(res, i, GRANTS)) == 0)
			st = kvf_buf_printf(grants, err, ", %s", PQgetvalue(res, i, THING));
		else
			st = kvf_buf_printf(grants, err, "%s%s%sGRANT %s %s",
					    *before ? " TO " : "", *before ? role : "",
					    *before ? "; " : "", PQgetvalue(res, i, GRANTS),
					    PQgetvalue(res, i, THING));
		before = PQgetvalue(res, i, GRANTS);
	}
	return st || !*before ? st : kvf_buf_printf(grants, err, " TO %s", role);
}

static enum kvf_status refuse(const struct kvf_postgres *s, const PGresult *res,
			      const char *role, int exact, struct kvf_err *err)
{
	struct kvf_buf list, grants;
	enum kvf_status st = KVF_OK;
	int i, n = PQntuples(res);

	kvf_buf_init(&list, 64u << 20);
	kvf_buf_init(&grants, 64u << 20);
	for (i = 0; i < n && !st; i++)
		st = kvf_buf_printf(&list, err, "%s%s", i ? ", " : "",
				    PQgetvalue(res, i, WHAT));
	if (!st)
		st = put_grants(res, role, &grants, err);
	if (st)
		goto out;
	/* More than an error has room for: one line for each. */
	for (i = 0; i < n && list.len > LIST_MAX; i++)
		kvf_source_log(&s->base, KVF_LOG_WARN, "user %s lacks %s", role,
			       PQgetvalue(res, i, WHAT));
	if (list.len > LIST_MAX)
		st = kvf_fail(err, KVF_EPREFLIGHT, "user %s lacks %d privileges to read", role,
			      n);
	else
		st = kvf_fail(err, KVF_EPREFLIGHT, "user %s lacks privileges to read: %s", role,
			      (const char *)list.ptr);
	kvf_err_detail(err, "%s. Nothing was written.", s->pg.name);
	if (grants.len && grants.len <= GRANT_MAX)
		kvf_err_hint(err, "%s;%s", (const char *)grants.ptr,
			     exact ? " or leave tables out with --exclude-table." : "");
	else
		kvf_err_hint(err,
			     "Let the owner grant them (GRANT SELECT ON ALL TABLES IN SCHEMA "
			     "... TO %s),%s or connect as another role.",
			     role, exact ? " leave tables out with --exclude-table," : "");
out:
	kvf_buf_release(&list);
	kvf_buf_release(&grants);
	return st;
}

/* Ask for all of them at once. */
static enum kvf_status ask(const struct asked *a, int exact, struct kvf_err *err)
{
	struct kvf_postgres *s = a->s;
	int more = !s->pg.dialect->paged;
	PGresult *res = NULL, *who = NULL;
	enum kvf_status st;

	st = kvf_postgres_query(
		s, DOING, &res, err,
		"WITH t(oid) AS (SELECT oid::oid FROM (VALUES (0)%s) AS v(oid)),"
		" n(name) AS (SELECT name FROM (VALUES ('')%s) AS v(name) WHERE name <> '')"
		" SELECT what, grants, thing FROM (%s%s%s) AS m ORDER BY grants, what",
		a->oids.len ? (const char *)a->oids.ptr : "",
		a->schemas.len ? (const char *)a->schemas.ptr : "", of_tables,
		more ? of_policies : "", more && exact ? of_sequences : "");
	if (!st && PQntuples(res) > 0) {
		st = kvf_postgres_query(s, DOING, &who, err,
					"SELECT pg_catalog.quote_ident(current_user)");
		if (!st)
			st = refuse(s, res, PQgetvalue(who, 0, 0), exact, err);
	}
	PQclear(who);
	PQclear(res);
	return st;
}

enum kvf_status kvf_postgres_may_read(struct kvf_source *base,
				      const struct kvf_record *const *records, size_t n,
				      int exact, struct kvf_err *err)
{
	struct asked a = { .s = (struct kvf_postgres *)base };
	enum kvf_status st = KVF_OK;
	size_t i;

	kvf_buf_init(&a.oids, 64u << 20);
	kvf_buf_init(&a.schemas, 1u << 20);
	for (i = 0; i < n && !st; i++) {
		if (records[i]->table)
			st = add_table(&a, records[i], err);
		else if (!a.s->pg.dialect->paged)
			st = add_query(&a, records[i]->query, err);
	}
	if (!st)
		st = ask(&a, exact, err);
	kvf_buf_release(&a.oids);
	kvf_buf_release(&a.schemas);
	return st;
}
