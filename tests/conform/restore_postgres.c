/*
 * Restoring to PostgreSQL: what a stream may not do there.
 *
 * It needs a server that may be written to: tests/integration/pg_restore_hostile.sh
 * starts one and sets KVF_TEST_POSTGRES; else every test is skipped.
 */
#include "../support/tables.h"
#include "../support/test.h"

#include <kvferry/migrate.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAKE_T "CREATE TABLE t(id integer NOT NULL, name text)"

static PGconn *conn;

static char *ask(const char *sql)
{
	PGresult *res = PQexec(conn, sql);
	char *text;

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	text = strdup(PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return text;
}

/* A database that somebody uses.  evil() would show in keep. */
static int setup(void **state)
{
	(void)state;
	if (!getenv("KVF_TEST_POSTGRES"))
		return 0;
	conn = PQconnectdb(getenv("KVF_TEST_POSTGRES"));
	free(ask("SET client_min_messages = warning; DROP SCHEMA public CASCADE;"
		 "CREATE SCHEMA public;"
		 "CREATE TABLE keep(a text PRIMARY KEY); INSERT INTO keep VALUES ('mine');"
		 "CREATE SEQUENCE keep_seq;"
		 "CREATE TABLE keep_parts(id integer, name text) PARTITION BY LIST (id);"
		 "CREATE FUNCTION evil() RETURNS boolean LANGUAGE sql AS"
		 " 'INSERT INTO keep VALUES (random()::text) RETURNING true';"
		 "CREATE FUNCTION evil(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS"
		 " 'BEGIN INSERT INTO keep VALUES (random()::text); RETURN 1; END';"
		 "CREATE FUNCTION evil(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
		 " 'BEGIN INSERT INTO keep VALUES (random()::text); RETURN 1; END';"
		 "CREATE FUNCTION key(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS"
		 " 'BEGIN INSERT INTO keep VALUES (random()::text); RETURN 1; END';"
		 "CREATE FUNCTION lower(integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
		 " 'BEGIN INSERT INTO keep VALUES (random()::text); RETURN 1; END';"
		 "CREATE OPERATOR @@@@ (rightarg = integer, procedure = key)"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	PQfinish(conn);
	conn = NULL;
	return 0;
}

/* keep, its constraints, indexes and triggers; sequences; functions: all but t. */
static char *contents(void)
{
	return ask(
		"SELECT (SELECT string_agg(a, ',') FROM keep) || ' ' || (SELECT last_value ||"
		" is_called::text FROM keep_seq) || ' ' || (SELECT string_agg(conname, ',')"
		" FROM pg_constraint WHERE conrelid = 'keep'::regclass) || ' ' ||"
		" (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE"
		" relnamespace = 'public'::regnamespace AND relname NOT IN ('t', 's', 'i', 'c',"
		" 't_pkey')) || ' ' || (SELECT count(*) FROM pg_proc WHERE pronamespace ="
		" 'public'::regnamespace) || (SELECT count(*) FROM pg_inherits) || ' ' ||"
		" coalesce((SELECT string_agg(refobjid::regclass::text, ',') FROM pg_depend"
		" WHERE objid = 'keep_seq'::regclass AND deptype = 'a'), 'free')");
}

static enum kvf_status import(const struct told_table *t, struct kvf_report *report,
			      struct kvf_err *err)
{
	struct blob b = told_stream(t, 1);
	struct kvf_options o;
	enum kvf_status st;

	memset(&o, 0, sizeof(o));
	o.as_tables = 1;
	o.source = "-";
	o.target = getenv("KVF_TEST_POSTGRES");
	kvf_err_clear(err);
	assert_int_equal(kvf_input_memory(blob_view(&b), "test", &o.input, err), KVF_OK);
	st = kvf_import(&o, NULL, report, err);
	kvf_input_close(o.input);
	free(b.p);
	return st;
}

/* Refused, or restored without it: nothing of what is there may have changed. */
static void harmless(const struct told_table *t, const char *what, int may_pass)
{
	char *before = contents(), *after;
	struct kvf_report report;
	struct kvf_err err;
	enum kvf_status st = import(t, &report, &err);

	after = contents();
	if (strcmp(before, after) != 0)
		print_error("%s\n", what);
	assert_string_equal(before, after);
	if (may_pass == !!st)
		print_error("%s: %d: %s\n", what, (int)st, err.message);
	assert_int_equal(may_pass, !st);
	assert_true(st || report.nlost == 1);
	if (st && st != KVF_EPREFLIGHT && st != KVF_ETARGET)
		fail_msg("%s: %d: %s", what, (int)st, err.message);
	free(before);
	free(after);
	kvf_report_free(&report);
	free(ask("DROP TABLE IF EXISTS t; DROP SEQUENCE IF EXISTS s"));
}

static struct told_table plain(void)
{
	struct told_table t = {
		.name = "t",
		.dialect = "postgresql",
		.types = { "integer", "text" },
		.ddl = { { "table", "t", MAKE_T },
			 { "primary-key", "t_pkey",
			   "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY (id)" } },
		.flags = 0,
		.rows = 3,
		.notnull = 1
	};

	return t;
}

static void need_server(void)
{
	if (!getenv("KVF_TEST_POSTGRES"))
		skip();
}

static void a_plain_table_is_restored(void **state)
{
	struct told_table t = plain();
	struct kvf_report report;
	struct kvf_err err;
	char *n;

	(void)state;
	need_server();
	if (import(&t, &report, &err))
		fail_msg("%s", err.message);
	n = ask("SELECT count(*) FROM t");
	assert_string_equal(n, "3");
	free(n);
	kvf_report_free(&report);
	assert_int_equal(import(&t, &report, &err), KVF_EPREFLIGHT);
	kvf_report_free(&report);
	free(ask("DROP TABLE t"));
}

static void a_create_table_that_does_more_is_refused(void **state)
{
	static const char *const bad[] = {
		MAKE_T "; DROP TABLE keep",
		MAKE_T " -- ",
		MAKE_T " INHERITS (keep)",
		MAKE_T " TABLESPACE pg_default",
		MAKE_T " AS SELECT 1, 'x'",
		"DROP TABLE keep",
		"",
		"CREATE TABLE t AS SELECT evil()",
		"CREATE TABLE keep(id integer NOT NULL, name text)",
		"CREATE TEMP TABLE t(id integer NOT NULL, name text)",
		"CREATE TABLE t(id integer NOT NULL, name text, more integer)",
		"CREATE TABLE t(id integer NOT NULL)",
		"CREATE TABLE t(id integer NOT NULL CHECK (evil()), name text)",
		"CREATE TABLE t(id integer NOT NULL, name text REFERENCES keep(a))",
		"CREATE TABLE t(id integer NOT NULL, name text DEFAULT 'x' REFERENCES keep(a))",
		"CREATE TABLE t(id integer NOT NULL, name text DEFAULT 'x'); DROP TABLE keep; "
		"--)",
		"CREATE TABLE t(id integer GENERATED ALWAYS AS (evil(1)) STORED NOT NULL, name "
		"text)",
		"CREATE TABLE t(id integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "
		"keep_seq "
		"START WITH 1) NOT NULL, name text)",
		"CREATE TABLE t(id integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s OWNED "
		"BY "
		"keep.a) NOT NULL, name text)",
		"CREATE TABLE t(id integer NOT NULL, name text COLLATE \"C\" DEFAULT $$x$$)",
		"CREATE TABLE t(id integer NOT NULL, name text) PARTITION BY LIST (evil(id))",
		"CREATE TABLE t(id integer NOT NULL, name varchar)",
	};
	struct told_table t = plain();
	size_t i;

	(void)state;
	need_server();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.ddl[0].sql = bad[i];
		harmless(&t, bad[i], 0);
	}
}

static void a_type_is_a_type_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"text DEFAULT evil()",
		"text); DROP TABLE keep; --",
		"text CHECK (evil())",
		"text REFERENCES keep",
		"nothing_known",
		"text[]; SELECT evil()",
		"text, more text",
		"",
		"(SELECT 1)",
		"text COLLATE \"C\"",
		"\"text",
	};
	struct told_table t = plain();
	char sql[200];
	size_t i;

	(void)state;
	need_server();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(sql, sizeof(sql), "CREATE TABLE t(id integer NOT NULL, name %s)",
			 bad[i]);
		t.types[1] = bad[i];
		t.ddl[0].sql = sql;
		harmless(&t, bad[i], 0);
	}
}

/* What is not let through, in a check: the table comes, the check is listed. */
static void an_expression_that_does_more_is_left_out(void **state)
{
	static const char *const bad[] = {
		"evil()",
		"EVIL()",
		"\"evil\"()",
		"public.evil()",
		"public . evil ()",
		"evil(id) > 0",
		"evil\n(id) > 0",
		"evil(name) IS NULL",
		"(name).evil IS NULL",
		"(t.name).evil IS NULL",
		"t.evil IS NULL",
		"key(id) > 0",
		"(key(id)) > 0",
		"lower(id) IS NULL",
		"@@@@ id > 0",
		"OPERATOR(public.@@@@) id > 0",
		"(SELECT evil())",
		"EXISTS (SELECT 1 FROM keep)",
		"true), DROP COLUMN name",
		"true) NOT VALID, ADD CHECK (evil()",
		"true); DROP TABLE keep; --",
		"query_to_xml('DROP TABLE keep', true, true, '') IS NULL",
		"database_to_xml(true, true, '') IS NULL",
		"pg_read_file('/etc/passwd') IS NULL",
		"pg_ls_dir('/') IS NULL",
		"lo_import('/etc/passwd') > 0",
		"lo_export(1, '/tmp/x') > 0",
		"pg_sleep(1) IS NULL",
		"pg_terminate_backend(1)",
		"set_config('a.b', 'c', false) = ''",
		"setval('keep_seq', 99) > 0",
		"ts_stat('SELECT evil()') IS NULL",
		"ts_rewrite('a'::tsquery, 'SELECT evil()') IS NULL",
		"no_such_function(id)",
		"e/**/vil()",
		"true -- )",
		"U&\"\\0065vil\"()",
		"$$x$$ = name",
		"name = 'x",
		"coalesce(evil(), true)",
		"CASE WHEN evil() THEN true END",
		"true AND (evil())",
		"ARRAY[evil()] IS NULL",
		"(ARRAY[name])[1].evil IS NULL",
		"name COLLATE evil()",
		"E'\\'' = name OR evil() OR '' = ''",
		"'a' 'b' = name; SELECT evil()",
	};
	struct told_table t = plain();
	char sql[300];
	size_t i;

	(void)state;
	need_server();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE t ADD CONSTRAINT c CHECK (%s)", bad[i]);
		t.ddl[2] = (struct kvf_ddl){ "check", "c", sql };
		harmless(&t, bad[i], 1);
	}
}

static void what_hangs_on_a_table_reaches_no_other(void **state)
{
	static const struct {
		struct kvf_ddl ddl;
		int may_pass;
	} bad[] = {
		{ { "check", "c", "DROP TABLE keep" }, 0 },
		{ { "index", "i", "DROP TABLE keep" }, 0 },
		{ { "index", "i", "CREATE INDEX i ON keep USING btree (a)" }, 1 },
		{ { "index", "i", "CREATE INDEX i ON t USING btree (evil(id))" }, 1 },
		{ { "index", "i", "CREATE INDEX i ON t (id); DROP TABLE keep" }, 1 },
		{ { "index", "i", "CREATE INDEX i ON t USING btree (id) WHERE evil()" }, 1 },
		{ { "unique", "c",
		    "ALTER TABLE t ADD CONSTRAINT c UNIQUE (id), DROP COLUMN id" },
		  1 },
		{ { "foreign-key", "c",
		    "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (name) REFERENCES gone(a)" },
		  1 },
		{ { "trigger", "g",
		    "CREATE TRIGGER g BEFORE DELETE ON keep EXECUTE FUNCTION evil()" },
		  1 },
		{ { "view", "v", "CREATE VIEW v AS SELECT evil()" }, 1 },
		{ { "anything", "x", "DROP TABLE keep" }, 1 },
		{ { "sequence", "s", "CREATE SEQUENCE s OWNED BY keep.a" }, 0 },
		{ { "sequence", "s", "CREATE SEQUENCE s; DROP TABLE keep" }, 0 },
		{ { "sequence", "keep_seq", "CREATE SEQUENCE keep_seq START WITH 1" }, 0 },
		{ { "sequence-owner", "keep_seq", "ALTER SEQUENCE keep_seq OWNED BY t.id" },
		  0 },
		{ { "sequence-owner", "s", "ALTER SEQUENCE keep_seq RESTART" }, 0 },
		{ { "sequence-value", "x", "SELECT evil()" }, 0 },
		{ { "sequence-value", "x", "SELECT pg_catalog.setval('keep_seq; x', 9, true)" },
		  0 },
		{ { "partition", "p", "CREATE TABLE p PARTITION OF keep_parts DEFAULT" }, 0 },
		{ { "partition", "p", "CREATE TABLE p PARTITION OF t FOR VALUES IN (evil(1))" },
		  0 },
		{ { "type", "y", "CREATE TYPE y AS ENUM ('a'); DROP TABLE keep" }, 0 },
		{ { "type", "y", "CREATE TYPE y AS ENUM ('a', evil())" }, 0 },
		{ { "type", "y", "CREATE TYPE y AS (a integer); DROP TABLE keep" }, 0 },
		{ { "type", "y",
		    "CREATE TYPE y AS RANGE (SUBTYPE = integer, SUBTYPE_DIFF = evil)" },
		  0 },
		{ { "type", "y",
		    "CREATE TYPE y AS RANGE (SUBTYPE = integer, CANONICAL = evil)" },
		  0 },
		{ { "type", "y", "CREATE DOMAIN y AS integer CHECK (evil())" }, 0 },
		{ { "type", "y", "CREATE DOMAIN y AS integer DEFAULT evil(1)" }, 0 },
		{ { "type", "y", "CREATE TABLE y AS SELECT 1" }, 0 },
	};
	struct told_table t = plain();
	size_t i;

	(void)state;
	need_server();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Types and sequences stand before the table. */
		t = plain();
		t.ddl[2] = t.ddl[1];
		t.ddl[1] = t.ddl[0];
		t.ddl[0] = bad[i].ddl;
		harmless(&t, bad[i].ddl.sql, bad[i].may_pass);
	}
}

static void a_sequence_of_somebody_else_is_not_set(void **state)
{
	struct told_table t = plain();
	struct kvf_report report;
	struct kvf_err err;
	char *before, *after;

	(void)state;
	need_server();
	before = contents();
	t.ddl[2] = (struct kvf_ddl){ "sequence-value", "keep_seq",
				     "SELECT pg_catalog.setval('keep_seq', 99, true)" };
	assert_int_equal(import(&t, &report, &err), KVF_OK);
	kvf_report_free(&report);
	after = contents();
	assert_string_equal(before, after);
	free(before);
	free(after);
	free(ask("DROP TABLE t"));
}

static void names_are_only_names(void **state)
{
	struct told_table t = plain();

	(void)state;
	need_server();
	t.name = "t\"; DROP TABLE keep; --";
	t.ddl[0] = (struct kvf_ddl){ "table", t.name, MAKE_T };
	harmless(&t, t.name, 0);
	t = plain();
	t.name = "keep";
	harmless(&t, t.name, 0);
	t = plain();
	t.ddl[1] = (struct kvf_ddl){ "primary-key", "t_pkey",
				     "ALTER TABLE t ADD CONSTRAINT \"c\" PRIMARY KEY (id), ADD "
				     "CHECK (evil())" };
	harmless(&t, "a key with more", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_table_is_restored),
		cmocka_unit_test(a_create_table_that_does_more_is_refused),
		cmocka_unit_test(a_type_is_a_type_and_nothing_else),
		cmocka_unit_test(an_expression_that_does_more_is_left_out),
		cmocka_unit_test(what_hangs_on_a_table_reaches_no_other),
		cmocka_unit_test(a_sequence_of_somebody_else_is_not_set),
		cmocka_unit_test(names_are_only_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
