/*
 * postgres_objects - the schemas and tables that kvferry makes in a PostgreSQL
 * database.  docs/objects.md describes each of them for people.
 */
#include "store/postgres.h"

#include "pg/dialect.h"

#include <stdio.h>
#include <string.h>

static const char tables_sql[] =
	"CREATE SCHEMA IF NOT EXISTS kvferry;"
	"CREATE TABLE kvferry.control("
	" id int8 PRIMARY KEY CHECK (id = 1),"
	" format int8 NOT NULL CHECK (format = 4),"
	" live_schema text NOT NULL, live text NOT NULL,"
	" epoch int8 NOT NULL CHECK (epoch >= 1),"
	" state text NOT NULL CHECK (state IN ('IDLE', 'STAGING', 'SEALED', 'LIVE')),"
	" ver int8 NOT NULL DEFAULT 0 CHECK (ver >= 0),"
	" active int8 NOT NULL DEFAULT 0, stage int8 NOT NULL DEFAULT 0,"
	" prev int8 NOT NULL DEFAULT 0,"
	" prev_legacy int8 NOT NULL DEFAULT 0 CHECK (prev_legacy IN (0, 1, 2)),"
	" early int8 NOT NULL DEFAULT 0 CHECK (early IN (0, 1, 2)),"
	" run text NOT NULL DEFAULT '', host text NOT NULL DEFAULT '',"
	" pid int8 NOT NULL DEFAULT 0, pid_start int8 NOT NULL DEFAULT 0,"
	" started int8 NOT NULL DEFAULT 0, beat int8 NOT NULL DEFAULT 0,"
	" lease int8 NOT NULL DEFAULT 0, step text NOT NULL DEFAULT '',"
	" tool text NOT NULL DEFAULT '', why text NOT NULL DEFAULT '',"
	" legacy int8 NOT NULL DEFAULT 0 CHECK (legacy IN (0, 1, 2)),"
	" frozen text NOT NULL DEFAULT '');"
	"CREATE TABLE kvferry.generations("
	" gen int8 PRIMARY KEY CHECK (gen >= 1),"
	" ver int8 NOT NULL, published int8 NOT NULL,"
	" run text NOT NULL, app text NOT NULL, tool text NOT NULL,"
	" stream bytea NOT NULL, root bytea,"
	" entries int8 NOT NULL, bytes int8 NOT NULL, m bytea NOT NULL,"
	" version_part bytea NOT NULL, version_key bytea NOT NULL,"
	" exact_packages int8 NOT NULL, mode text NOT NULL, promised bytea,"
	" source text NOT NULL, version_started bytea NOT NULL);"
	"CREATE TABLE kvferry.progress("
	" gen int8 NOT NULL, package int8 NOT NULL, chunk int8 NOT NULL,"
	" d bytea NOT NULL, entries int8 NOT NULL, bytes int8 NOT NULL, m bytea NOT NULL,"
	" marks bytea NOT NULL, PRIMARY KEY (gen, package, chunk));"
	"CREATE TABLE kvferry.units("
	" gen int8 NOT NULL, name text NOT NULL, n int8 NOT NULL, unit bytea NOT NULL,"
	" PRIMARY KEY (gen, name, n));"
	"CREATE TABLE kvferry.ledger("
	" id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at int8 NOT NULL, run text,"
	" event text NOT NULL, outcome text, who text, host text, tool text, app text,"
	" from_version int8 NOT NULL, to_version int8 NOT NULL, document text)";

/* Only where the dialect keeps such things in the transaction of the tables. */
static const char guards_sql[] =
	"CREATE FUNCTION kvferry.refuse() RETURNS trigger LANGUAGE plpgsql AS"
	" 'BEGIN RAISE EXCEPTION ''kvferry.ledger is append-only''; END';"
	"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON kvferry.ledger"
	" FOR EACH STATEMENT EXECUTE FUNCTION kvferry.refuse()";

enum kvf_status kvf_pgs_oid(struct kvf_pgs *s, PGconn *conn, const char *schema,
			    const char *name, int64_t *oid, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_text(&a, schema);
	kvf_pg_text(&a, name);
	return kvf_pg_ask(
		&s->pg, conn, oid,
		"SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
		" ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
		&a, err);
}

enum kvf_status kvf_pgs_touched(struct kvf_pgs *s, PGconn *conn, int *has, struct kvf_err *err)
{
	int64_t oid;
	enum kvf_status st = kvf_pgs_oid(s, conn, "kvferry", "control", &oid, err);

	*has = !st && oid != 0;
	/* Where tables come before the transaction that fills them, the row counts. */
	if (*has && s->pg.dialect->pointed) {
		st = kvf_pg_ask(&s->pg, conn, &oid, "SELECT count(*) FROM kvferry.control",
				NULL, err);
		*has = !st && oid != 0;
	}
	return st;
}

enum kvf_status kvf_pgs_create_tables(struct kvf_pgs *s, struct kvf_err *err)
{
	static const char create[] = "CREATE TABLE ";
	const char *at = tables_sql, *end;
	enum kvf_status st = KVF_OK;

	for (; *at && !st; at = *end ? end + 1 : end) {
		int table = strncmp(at, create, sizeof(create) - 1) == 0;

		end = at + strcspn(at, ";");
		at += table ? sizeof(create) - 1 : 0;
		st = kvf_pg_exec(&s->pg, s->conn, "create kvferry's tables", err, "%s%.*s",
				 table ? "CREATE TABLE IF NOT EXISTS " : "", (int)(end - at),
				 at);
	}
	return st;
}

/* The generation that the control row names; one that was there before kvferry
 * has kept its own name. */
static enum kvf_status find_pointed(struct kvf_pgs *s, PGconn *conn, char *table, size_t size,
				    struct kvf_err *err)
{
	struct kvf_generation g;
	struct kvf_control c;
	enum kvf_status st = kvf_pgs_read_control(s, conn, &c, err);

	memset(&g, 0, sizeof(g));
	if (!st && c.active)
		st = kvf_pgs_read_generation(s, conn, c.active, &g, err);
	if (st || !c.active)
		return st;
	if (g.run[0] || c.early == KVF_EARLY_TABLE)
		kvf_pgs_generation_table(s, c.active, table, size);
	else
		snprintf(table, size, "%s", s->live);
	return KVF_OK;
}

/* Rows that a policy hides from us must not be taken for rows that are not there. */
static enum kvf_status see_all_rows(struct kvf_pgs *s, PGconn *conn, int64_t oid,
				    struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	int64_t hides = 0;
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = kvf_pg_ask(&s->pg, conn, &hides,
			"SELECT pg_catalog.row_security_active($1::int8::oid)", &a, err);
	if (st || !hides)
		return st;
	st = kvf_fail(err, s->pg.side,
		      "%s: row-level security of table %s may hide rows from user \"%.63s\"",
		      s->pg.name, s->live, PQuser(conn));
	kvf_err_hint(err, "Connect as the table's owner, or as a role with BYPASSRLS.");
	return st;
}

enum kvf_status kvf_pgs_find_live(struct kvf_pgs *s, PGconn *conn, char *table, size_t size,
				  struct kvf_err *err)
{
	int64_t oid;
	enum kvf_status st = KVF_OK;
	int touched = 0;

	*table = '\0';
	if (s->pg.dialect->pointed)
		st = kvf_pgs_touched(s, conn, &touched, err);
	if (st || touched)
		return st ? st : find_pointed(s, conn, table, size, err);
	st = kvf_pgs_oid(s, conn, s->schema, s->table, &oid, err);
	if (!st && oid && !s->pg.dialect->pointed)
		st = see_all_rows(s, conn, oid, err);
	if (!st && oid)
		snprintf(table, size, "%s", s->live);
	return st;
}

enum kvf_status kvf_pgs_create_objects(struct kvf_pgs *s, int *has_live, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	int64_t oid;
	enum kvf_status st;

	st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
	*has_live = oid != 0;
	if (!st && !s->pg.dialect->pointed)
		st = kvf_pg_exec(&s->pg, s->conn, "create kvferry's tables", err, "%s;%s",
				 tables_sql, guards_sql);
	/* Hashes do not compress: where a server would try, it costs more than they do. */
	if (!st && !s->pg.dialect->paged)
		st = kvf_pg_exec(&s->pg, s->conn, "create kvferry's tables", err,
				 "ALTER TABLE kvferry.progress ALTER marks SET STORAGE"
				 " EXTERNAL");
	/* Data that are there become generation 1, made by nobody we know. */
	if (!st && oid)
		st = kvf_pg_exec(
			&s->pg, s->conn, "write", err,
			"INSERT INTO kvferry.generations VALUES"
			" (1, 0, 0, '', '', '', '', NULL, 0, 0, '', '', '', 0, '', NULL,"
			" '', '')");
	kvf_pg_text(&a, s->schema);
	kvf_pg_text(&a, s->table);
	kvf_pg_number(&a, oid != 0);
	kvf_pg_number(&a, KVF_CONTROL_FORMAT);
	if (!st)
		st = kvf_pg_query(
			&s->pg, s->conn,
			"INSERT INTO kvferry.control (id, format, live_schema, live,"
			" epoch, state, active) VALUES (1, $4, $1, $2, 1, 'IDLE', $3)",
			&a, "write", NULL, err);
	return st;
}

/* ---- statements that a query makes ------------------------------------------------ */

enum kvf_status kvf_pgs_run_made(struct kvf_pgs *s, const char *sql,
				 const struct kvf_pg_args *args, const char *doing,
				 struct kvf_err *err)
{
	PGresult *res;
	enum kvf_status st = kvf_pg_query(&s->pg, s->conn, sql, args, doing, &res, err);
	int i, n = st ? 0 : PQntuples(res);

	for (i = 0; i < n && !st; i++) {
		struct kvf_bytes b = kvf_pg_get_bytes(res, i, 0);

		st = kvf_pg_exec(&s->pg, s->conn, doing, err, "%.*s", (int)b.len,
				 (const char *)b.ptr);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_move(struct kvf_pgs *s, int64_t oid, const char *schema,
			     struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, oid);
	kvf_pg_text(&a, schema);
	return kvf_pgs_run_made(
		s,
		"SELECT pg_catalog.format('ALTER TABLE %I.%I SET SCHEMA %I', n.nspname,"
		" c.relname, $2::text) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace "
		"n"
		" ON n.oid = c.relnamespace WHERE c.oid = $1::int8::oid OR c.oid IN (SELECT"
		" inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = $1::int8::oid)",
		&a, "move the table", err);
}

/* ---- generations ------------------------------------------------------------------- */

void kvf_pgs_generation_table(const struct kvf_pgs *s, uint64_t gen, char *to, size_t size)
{
	char table[KVF_PG_QUOTED];

	kvf_pg_quote(s->table, table);
	snprintf(to, size, "kvferry_g%llu.%s", (unsigned long long)gen, table);
}

enum kvf_status kvf_pgs_count_partitions(struct kvf_pgs *s, int64_t oid, unsigned *n,
					 struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	int64_t children = 0;
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = kvf_pg_ask(&s->pg, s->conn, &children,
			"SELECT count(*) FROM pg_catalog.pg_inherits WHERE"
			" inhparent = $1::int8::oid",
			&a, err);
	*n = (unsigned)children;
	return st;
}

/* How many partitions: as asked for, else as the live table has. */
static enum kvf_status choose_partitions(struct kvf_pgs *s, unsigned *n, struct kvf_err *err)
{
	int64_t oid = 0;
	enum kvf_status st;

	*n = s->partitions;
	if (*n)
		return KVF_OK;
	st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
	return st || !oid ? st : kvf_pgs_count_partitions(s, oid, n, err);
}

enum kvf_status kvf_pgs_create_table(struct kvf_pgs *s, const char *schema, unsigned n,
				     const char *with, struct kvf_err *err)
{
	char child[sizeof(s->table) + 16], quoted[KVF_PG_QUOTED], table[KVF_PG_QUOTED];
	enum kvf_status st;
	unsigned i;

	kvf_pg_quote(s->table, table);
	st = kvf_pg_exec(&s->pg, s->conn, "create the table", err,
			 "CREATE TABLE %s.%s (partition_key bytea NOT NULL,"
			 " key bytea NOT NULL, value bytea NOT NULL,"
			 " PRIMARY KEY (partition_key, key)) %s",
			 schema, table, n ? "PARTITION BY HASH (partition_key)" : with);
	for (i = 0; i < n && !st; i++) {
		snprintf(child, sizeof(child), "%s_%u", s->table, i);
		kvf_pg_quote(child, quoted);
		st = kvf_pg_exec(&s->pg, s->conn, "create the table", err,
				 "CREATE TABLE %s.%s PARTITION OF %s.%s FOR VALUES WITH"
				 " (MODULUS %u, REMAINDER %u) %s",
				 schema, quoted, schema, table, n, i, with);
	}
	return st;
}

/* Is the stage there already, and in partitions? */
static enum kvf_status find_stage(struct kvf_pgs *s, int *found, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	char schema[32];
	int64_t kind;
	enum kvf_status st;

	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)s->stage);
	kvf_pg_text(&a, schema);
	kvf_pg_text(&a, s->table);
	st = kvf_pg_ask(&s->pg, s->conn, &kind,
			"SELECT CASE c.relkind WHEN 'p' THEN 2 ELSE 1 END FROM"
			" pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON"
			" n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
			&a, err);
	*found = kind > 0;
	s->partitioned = kind == 2;
	return st;
}

/*
 * Autovacuum keeps away from a table that is being filled; the commit gives it
 * the table.
 */
enum kvf_status kvf_pgs_create_stage(struct kvf_pgs *s, struct kvf_err *err)
{
	char schema[32];
	unsigned n;
	int found;
	enum kvf_status st = find_stage(s, &found, err);

	kvf_pgs_generation_table(s, s->stage, s->staged, sizeof(s->staged));
	if (st || found)
		return st;
	st = choose_partitions(s, &n, err);
	s->partitioned = n > 0;
	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)s->stage);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "create the stage", err, "CREATE SCHEMA %s",
				 schema);
	return st ? st
		  : kvf_pgs_create_table(s, schema, n, "WITH (autovacuum_enabled = off)", err);
}

enum kvf_status kvf_pgs_drop_orphans(struct kvf_pgs *s, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	static const char orphan[] = " FROM pg_catalog.pg_namespace n, kvferry.control k WHERE"
				     " n.nspname ~ '^kvferry_g[1-9][0-9]{0,17}$' AND"
				     " pg_catalog.substr(n.nspname, 10)::int8 NOT IN"
				     " (k.stage, k.prev)";
	char sql[1024];
	enum kvf_status st;

	/* Not CASCADE: what somebody has built on an old generation is theirs. */
	snprintf(sql, sizeof(sql),
		 "SELECT pg_catalog.format('DROP TABLE %%I.%%I', o.nspname, c.relname) FROM"
		 " (SELECT n.oid, n.nspname%s) o JOIN pg_catalog.pg_class c ON"
		 " c.relnamespace = o.oid WHERE c.relkind IN ('r', 'p') AND NOT "
		 "c.relispartition",
		 orphan);
	st = kvf_pgs_run_made(s, sql, &none, "drop an old generation", err);
	snprintf(sql, sizeof(sql), "SELECT pg_catalog.format('DROP SCHEMA %%I', n.nspname)%s",
		 orphan);
	if (!st)
		st = kvf_pgs_run_made(s, sql, &none, "drop an old generation", err);
	if (!st)
		st = kvf_pg_exec(
			&s->pg, s->conn, "write", err,
			"DELETE FROM kvferry.units u USING kvferry.control k WHERE"
			" u.gen NOT IN (k.stage, k.active, k.prev);"
			"DELETE FROM kvferry.generations g USING kvferry.control k WHERE"
			" g.gen NOT IN (k.stage, k.active, k.prev);"
			"DELETE FROM kvferry.progress p USING kvferry.control k WHERE"
			" p.gen NOT IN (k.stage, k.active)");
	return st;
}
