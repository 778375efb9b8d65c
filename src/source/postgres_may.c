/*
 * postgres_may - which privileges are missing to read records, all of them.
 *
 * The catalogue answers for tables.  The tables of a query are those that the
 * server locks when it takes the query apart (PREPARE), which needs no privilege:
 * so they are known although the query may not run.  What a view reads is read with
 * the privileges of the view's owner, and not asked for.
 *
 * Of which table a column is missing, the server tells when it is asked to plan the
 * query (EXPLAIN) with every other table that lacks something covered by rows of our
 * own, in a WITH of the same name.  What still fails with all of them covered is a
 * function.  Only then, and where a schema is closed to us, the text of the query is
 * looked at: what is named there and may not be used is missing.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "see which privileges are missing"
#define LIST_MAX 560  /* of kvf_err.message */
#define GRANT_MAX 400 /* of kvf_err.hint */

/* What is missing for people, and behind GRANT, of the relations t(oid). */
static const char of_tables[] =
	"SELECT 'USAGE on schema ' || pg_catalog.quote_ident(n.nspname) AS what,"
	" 'USAGE ON SCHEMA' AS grants, pg_catalog.quote_ident(n.nspname) AS thing"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
	" UNION SELECT 'SELECT on table ' || c.oid::pg_catalog.regclass::pg_catalog.text,"
	" 'SELECT ON TABLE', c.oid::pg_catalog.regclass::pg_catalog.text"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" WHERE NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')";
/* Nor these, of the columns k(oid, at) and the functions f(oid) too, where the server is
 * a PostgreSQL. */
static const char of_others[] =
	" UNION SELECT 'BYPASSRLS (row-level security of table '"
	" || c.oid::pg_catalog.regclass::pg_catalog.text || ')', NULL, NULL"
	" FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
	" WHERE pg_catalog.row_security_active(c.oid)"
	" UNION SELECT 'SELECT on column ' || pg_catalog.quote_ident(a.attname) ||"
	" ' of table ' || k.oid::pg_catalog.regclass::pg_catalog.text, 'SELECT (' ||"
	" pg_catalog.quote_ident(a.attname) || ') ON TABLE',"
	" k.oid::pg_catalog.regclass::pg_catalog.text"
	" FROM k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.oid AND a.attnum = k.at"
	" WHERE NOT EXISTS (SELECT 1 FROM t WHERE t.oid = k.oid)"
	" UNION SELECT 'EXECUTE on function ' ||"
	" f.oid::pg_catalog.regprocedure::pg_catalog.text, 'EXECUTE ON FUNCTION',"
	" f.oid::pg_catalog.regprocedure::pg_catalog.text"
	" FROM f WHERE NOT pg_catalog.has_function_privilege(f.oid, 'EXECUTE')"
	" UNION SELECT 'USAGE on schema ' || pg_catalog.quote_ident(n.nspname),"
	" 'USAGE ON SCHEMA', pg_catalog.quote_ident(n.nspname)"
	" FROM f JOIN pg_catalog.pg_proc p ON p.oid = f.oid"
	" JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
	" WHERE NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')";
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
/*
 * The relations of a query that was taken apart, but for those below its views, that may
 * not be read wholly: oid, whether some of its columns may, and what covers it where its
 * name alone means it (materialized: a NULL that is seen through may end the planning early).
 */
static const char of_query[] =
	"SELECT c.oid, pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AND"
	" pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND NOT c.relrowsecurity,"
	" CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN pg_catalog.format("
	"'%1$I AS MATERIALIZED (SELECT (NULL::%2$I.%1$I).*)', c.relname, n.nspname) END"
	" FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid ="
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
	" AND (NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')"
	"  OR NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') OR c.relrowsecurity)";

/* Names in a text: a, or a.b; behind FROM, JOIN or ONLY; before a parenthesis. */
#define NAME "(\"(?:[^\"]|\"\")+\"|[[:alpha:]_][\\\\w$]*)"
#define FOLDED(m)                                                                              \
	"CASE WHEN " m " LIKE '\"%' THEN pg_catalog.replace(pg_catalog.btrim(" m               \
	", '\"'), '\"\"', '\"') ELSE pg_catalog.lower(" m ") END"
static const char names[] =
	" names AS (SELECT m[1] IS NOT NULL AS behind, " FOLDED("m[2]") " AS a, " FOLDED(
		"m[3]") " AS b, m[4] IS NOT NULL AS called FROM q, pg_catalog.regexp_matches("
			"q.text, E'((?:from|join|only)\\\\s+)?" NAME "(?:\\\\s*\\\\.\\\\s*" NAME
			")?(\\\\s*\\\\()?', 'gi') AS m) ";
/* The columns of relation q.oid that may not be read and are named; all where none is,
 * or all are asked for. */
static const char of_columns[] =
	"SELECT attrelid, attnum FROM (SELECT a.attrelid, a.attnum, named,"
	" pg_catalog.bool_or(named) OVER () AS one FROM q, pg_catalog.pg_attribute a, LATERAL"
	" (SELECT EXISTS (SELECT 1 FROM names WHERE a.attname IN (names.a, names.b)) OR"
	" q.text ~* E'(select|distinct|all|,|\\\\.)\\\\s*\\\\*') AS x(named) WHERE a.attrelid ="
	" q.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT"
	" pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')) AS y"
	" WHERE named OR NOT one";
static const char of_functions[] =
	"SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid ="
	" p.pronamespace JOIN names ON called AND p.proname = coalesce(b, a) AND (b IS NULL"
	" AND pg_catalog.pg_function_is_visible(p.oid) OR n.nspname = a) WHERE NOT"
	" pg_catalog.has_function_privilege(p.oid, 'EXECUTE') OR NOT"
	" pg_catalog.has_schema_privilege(n.oid, 'USAGE')";
static const char of_relations[] =
	"SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
	" c.relnamespace JOIN names ON b IS NULL AND behind AND c.relname = a AND"
	" pg_catalog.pg_table_is_visible(c.oid) OR n.nspname = a AND c.relname = b"
	" WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND (NOT"
	" pg_catalog.has_schema_privilege(n.oid, 'USAGE') OR NOT"
	" pg_catalog.has_any_column_privilege(c.oid, 'SELECT') OR c.relrowsecurity)";

/* ---- what is asked about ------------------------------------------------------------ */

struct asked {
	struct kvf_postgres *s;
	struct kvf_buf tables, columns, functions; /* behind VALUES */
};

static enum kvf_status add_oid(struct kvf_buf *list, Oid oid, struct kvf_err *err)
{
	return kvf_buf_printf(list, err, ",(%u)", oid);
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
	return st ? st : add_oid(&a->tables, shape->oid, err);
}

/* What is named in a query, a literal, and answers `sql`. */
static enum kvf_status add_named(struct asked *a, struct kvf_buf *list, const char *query,
				 Oid oid, const char *sql, struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = kvf_postgres_query(
		a->s, DOING, &res, err,
		"WITH q(text, oid) AS (SELECT %s::pg_catalog.text, %u::pg_catalog.oid),%s%s",
		query, oid, names, sql);
	int i;

	for (i = 0; !st && i < PQntuples(res); i++)
		st = PQnfields(res) == 1 ? add_oid(list, kvf_postgres_oid(res, i, 0), err)
					 : kvf_buf_printf(list, err, ",(%u,%s)",
							  kvf_postgres_oid(res, i, 0),
							  PQgetvalue(res, i, 1));
	PQclear(res);
	return st;
}

/* ---- queries ------------------------------------------------------------------------ */

enum { OID, IN_PART, COVER };

/* May the query be planned, with the tables of `res` covered, but for row `open`? */
static enum kvf_status is_denied(struct kvf_postgres *s, const char *query, const PGresult *res,
				 int open, int *denied, struct kvf_err *err)
{
	struct kvf_err why = { 0 };
	PGresult *plan = NULL;
	struct kvf_buf sql;
	enum kvf_status st;
	const char *before = "WITH ";
	int i;

	kvf_buf_init(&sql, 64u << 20);
	st = kvf_buf_printf(&sql, err, "EXPLAIN ");
	for (i = 0; i < PQntuples(res) && !st; i++) {
		if (i == open || PQgetisnull(res, i, COVER))
			continue;
		st = kvf_buf_printf(&sql, err, "%s%s", before, PQgetvalue(res, i, COVER));
		before = ", ";
	}
	if (!st)
		st = kvf_buf_printf(&sql, err, " SELECT * FROM (%s\n) AS t", query);
	if (!st) {
		st = kvf_postgres_try(s, (const char *)sql.ptr, DOING, &plan, &why);
		*denied = strcmp(why.code, "42501") == 0;
		/* Another failure of the statement is not our question. */
		if (*denied || st == KVF_EDEFINITION)
			st = KVF_OK;
		else if (st)
			*err = why;
	}
	PQclear(plan);
	kvf_buf_release(&sql);
	return st;
}

/* The query was taken apart; `text` is it as a literal. */
static enum kvf_status look_closer(struct asked *a, const char *query, const char *text,
				   struct kvf_err *err)
{
	PGresult *res = NULL;
	int denied = 0, this_one = 0, i;
	enum kvf_status st = kvf_postgres_query(a->s, DOING, &res, err, "%s", of_query);

	if (!st)
		st = is_denied(a->s, query, res, -1, &denied, err);
	if (!st && denied)
		st = add_named(a, &a->functions, text, 0, of_functions, err);
	for (i = 0; !st && i < PQntuples(res); i++) {
		Oid oid = kvf_postgres_oid(res, i, OID);

		if (*PQgetvalue(res, i, IN_PART) != 't') {
			st = add_oid(&a->tables, oid, err);
			continue;
		}
		this_one = denied;
		if (!denied)
			st = is_denied(a->s, query, res, i, &this_one, err);
		if (!st && this_one)
			st = add_named(a, &a->columns, text, oid, of_columns, err);
	}
	PQclear(res);
	return st;
}

/* One that is not understood has no tables.  They stay locked, as if they were read. */
static enum kvf_status add_query(struct asked *a, const char *query, struct kvf_err *err)
{
	struct kvf_postgres *s = a->s;
	PGresult *res = NULL;
	struct kvf_err why = { 0 };
	enum kvf_status st;
	char *sql = NULL, *text = PQescapeLiteral(s->conns[0], query, strlen(query));

	if (!text || asprintf(&sql, "PREPARE kvferry_look AS %s\n", query) < 0) {
		PQfreemem(text);
		return kvf_fail_nomem(err);
	}
	st = kvf_postgres_try(s, sql, DOING, &res, &why);
	PQclear(res);
	if (!st) {
		st = kvf_pg_exec(&s->pg, s->conns[0], DOING, err, "DEALLOCATE kvferry_look");
		if (!st)
			st = look_closer(a, query, text, err);
	} else if (strcmp(why.code, "42501") == 0) { /* of a schema */
		st = add_named(a, &a->tables, text, 0, of_relations, err);
		if (!st)
			st = add_named(a, &a->functions, text, 0, of_functions, err);
	} else if (st == KVF_EDEFINITION) {
		st = KVF_OK;
	} else {
		*err = why;
	}
	PQfreemem(text);
	free(sql);
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

static const char *values(const struct kvf_buf *list)
{
	return list->len ? (const char *)list->ptr : "";
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
		" k(oid, at) AS (SELECT oid::oid, at FROM (VALUES (0, 0)%s) AS v(oid, at)),"
		" f(oid) AS (SELECT oid::oid FROM (VALUES (0)%s) AS v(oid))"
		" SELECT what, grants, thing FROM (%s%s%s) AS m ORDER BY grants, what",
		values(&a->tables), values(&a->columns), values(&a->functions), of_tables,
		more ? of_others : "", more && exact ? of_sequences : "");
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

	kvf_buf_init(&a.tables, 64u << 20);
	kvf_buf_init(&a.columns, 64u << 20);
	kvf_buf_init(&a.functions, 64u << 20);
	for (i = 0; i < n && !st; i++) {
		if (records[i]->table)
			st = add_table(&a, records[i], err);
		else if (!a.s->pg.dialect->paged)
			st = add_query(&a, records[i]->query, err);
	}
	if (!st)
		st = ask(&a, exact, err);
	kvf_buf_release(&a.tables);
	kvf_buf_release(&a.columns);
	kvf_buf_release(&a.functions);
	return st;
}
