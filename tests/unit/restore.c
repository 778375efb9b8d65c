/* Restoring to SQLite tables: what a stream may not do, and what its rows may not be. */
#include "../support/tables.h"
#include "../support/test.h"

#include <kvferry/migrate.h>

#include "restore/restore.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAKE_T "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"

static char path[64];

/* A database that somebody uses: one table with one row. */
static int setup(void **state)
{
	sqlite3 *db;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/kvf-restore-%d.db", (int)getpid());
	unlink(path);
	if (sqlite3_open(path, &db) ||
	    sqlite3_exec(db, "CREATE TABLE keep(a); INSERT INTO keep VALUES('mine')", NULL,
			 NULL, NULL))
		return -1;
	return sqlite3_close(db);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

/* What the database says: everything in its schema, and the rows of keep. */
static char *contents(void)
{
	static const char sql[] =
		"SELECT (SELECT group_concat(type || name || coalesce(sql, ''), char(10))"
		" FROM sqlite_schema) || char(10) || (SELECT group_concat(a) FROM keep)";
	sqlite3 *db;
	sqlite3_stmt *stmt;
	char *text;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

static enum kvf_status import_to(const struct told_table *tables, size_t n, const char *target,
				 struct kvf_report *report, struct kvf_err *err)
{
	struct blob b = told_stream(tables, n);
	struct kvf_options o;
	enum kvf_status st;

	memset(&o, 0, sizeof(o));
	o.as_tables = 1;
	o.source = "-";
	o.target = target;
	kvf_err_clear(err);
	assert_int_equal(kvf_input_memory(blob_view(&b), "test", &o.input, err), KVF_OK);
	st = kvf_import(&o, NULL, report, err);
	kvf_input_close(o.input);
	free(b.p);
	return st;
}

/* It must be refused with that status, and nothing may have changed. */
static void refused(const struct told_table *tables, size_t n, enum kvf_status want)
{
	char target[80], *before = contents(), *after;
	struct kvf_report report;
	struct kvf_err err;
	enum kvf_status st;

	snprintf(target, sizeof(target), "sqlite:%s", path);
	st = import_to(tables, n, target, &report, &err);
	if (st != want)
		print_error("%s: %d: %s\n", tables[0].ddl[0].sql, (int)st, err.message);
	assert_int_equal(st, want);
	assert_string_not_equal(err.message, "");
	assert_non_null(strstr(err.detail, "othing was changed"));
	after = contents();
	assert_string_equal(before, after);
	free(before);
	free(after);
	kvf_report_free(&report);
}

static struct told_table plain(void)
{
	struct told_table t = { .name = "t",
				.dialect = "sqlite",
				.types = { "INTEGER", "TEXT" },
				.ddl = { { "table", "t", MAKE_T } },
				.rows = 3 };

	return t;
}

static void a_plain_table_is_restored(void **state)
{
	struct told_table t = plain();
	struct kvf_report report;
	struct kvf_err err;
	char target[80];

	(void)state;
	snprintf(target, sizeof(target), "sqlite:%s", path);
	t.ddl[1] = (struct kvf_ddl){ "index", "i", "CREATE INDEX i ON t(name)" };
	assert_int_equal(import_to(&t, 1, target, &report, &err), KVF_OK);
	assert_int_equal(report.right.entries, 3);
	assert_true(report.published);
	kvf_report_free(&report);
	/* Now it is there, and not empty. */
	refused(&t, 1, KVF_EPREFLIGHT);
}

static void a_statement_that_does_something_else_is_refused(void **state)
{
	static const char *const bad[] = {
		MAKE_T "; DROP TABLE keep",
		MAKE_T "; UPDATE keep SET a = 'yours'",
		"DROP TABLE keep",
		"DELETE FROM keep",
		"UPDATE keep SET a = 'yours'",
		"INSERT INTO keep VALUES(1)",
		"ALTER TABLE keep RENAME TO t",
		"ATTACH 'other.db' AS o",
		"VACUUM INTO '/tmp/kvf-restore-stolen.db'",
		"PRAGMA writable_schema = 1",
		"PRAGMA journal_mode = off",
		"SELECT 1",
		"COMMIT",
		"SAVEPOINT x",
		"",
		"-- nothing",
		"CREATE TABLE other(id INTEGER PRIMARY KEY, name TEXT)",
		"CREATE TABLE t AS SELECT 1 AS id, a AS name FROM keep",
		"CREATE TEMP TABLE t(id INTEGER PRIMARY KEY, name TEXT)",
		"CREATE TABLE temp.t(id INTEGER PRIMARY KEY, name TEXT)",
		"CREATE VIEW t AS SELECT 1 AS id, 'x' AS name",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, x AS (load_extension('x')))",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT CHECK(load_extension(name)))",
		"CREATE VIRTUAL TABLE t USING csv(filename='/etc/passwd')",
		"CREATE VIRTUAL TABLE t USING dbstat",
		"CREATE VIRTUAL TABLE t USING sqlite_dbpage",
		"CREATE VIRTUAL TABLE keep USING fts5(x)",
		/* It does what it says, but not what the stream says of its columns. */
		"CREATE TABLE t(id INTEGER PRIMARY KEY)",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, more)",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, \"name \" TEXT)",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name BLOB)",
		"CREATE TABLE t(id INTEGER, name TEXT)",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT AS ('row'))",
		"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) WITHOUT ROWID",
	};
	struct told_table t = plain();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.ddl[0].sql = bad[i];
		refused(&t, 1, KVF_EPREFLIGHT);
		assert_int_equal(access("/tmp/kvf-restore-stolen.db", F_OK), -1);
	}
}

static void what_hangs_on_a_table_hangs_on_no_other(void **state)
{
	static const struct kvf_ddl bad[] = {
		{ "index", "i", "CREATE INDEX i ON keep(a)" },
		{ "index", "i", "CREATE INDEX j ON t(name)" },
		{ "index", "i", "DROP TABLE keep" },
		{ "trigger", "g",
		  "CREATE TRIGGER g AFTER INSERT ON keep BEGIN DELETE FROM keep; END" },
		{ "trigger", "g", "CREATE TRIGGER h AFTER INSERT ON t BEGIN SELECT 1; END" },
		{ "trigger", "g",
		  "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE keep" },
		{ "trigger", "g",
		  "CREATE TEMP TRIGGER g AFTER INSERT ON keep BEGIN SELECT 1; END" },
		{ "view", "v", "CREATE VIEW keep AS SELECT 1" },
		{ "view", "v", "CREATE TABLE v(a)" },
		{ "view", "keep", "CREATE VIEW keep AS SELECT 1" },
		{ "sequence-value", "t", "DELETE FROM keep" },
		{ "table", "t2", "CREATE TABLE t2(a)" },
	};
	struct told_table t = plain();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.ddl[1] = bad[i];
		refused(&t, 1, KVF_EPREFLIGHT);
	}
}

static void names_of_tables_are_checked(void **state)
{
	struct told_table t = plain();

	(void)state;
	t.name = "kvferry_control";
	t.ddl[0] = (struct kvf_ddl){
		"table", "kvferry_control",
		"CREATE TABLE kvferry_control(id INTEGER PRIMARY KEY, name TEXT)"
	};
	refused(&t, 1, KVF_EPREFLIGHT);
	t = plain();
	t.flags = KVF_TABLE_VIEW;
	refused(&t, 1, KVF_EPREFLIGHT);
	t = plain();
	t.dialect = "oracle";
	refused(&t, 1, KVF_EPREFLIGHT);
	t = plain();
	t.ddl[0].kind = NULL;
	refused(&t, 1, KVF_EPREFLIGHT);
	/* A name that would be another one if it were not quoted. */
	t = plain();
	t.name = "keep\"; DROP TABLE keep; --";
	t.ddl[0].name = t.name;
	refused(&t, 1, KVF_EPREFLIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_plain_table_is_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_statement_that_does_something_else_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_hangs_on_a_table_hangs_on_no_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_of_tables_are_checked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
