/*
 * source_freeze_sqlite - a frozen SQLite database refuses every write, of every
 * kind of table, and is byte for byte the schema that it was when that is lifted.
 */
#include "../support/legacy.h"
#include "../support/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                                 \
	"CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);"          \
	"CREATE TABLE \"odd \"\" name\"(a, b, PRIMARY KEY(a)) WITHOUT ROWID;"                  \
	"CREATE TABLE child(u INTEGER REFERENCES users(id) ON DELETE CASCADE);"                \
	"CREATE TABLE g(a INT, b INT AS (a + 1)) STRICT;"                                      \
	"CREATE VIRTUAL TABLE notes USING fts5(body);"                                         \
	"CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);"                                  \
	"CREATE VIEW v AS SELECT name FROM users;"                                             \
	"CREATE TRIGGER v_i INSTEAD OF INSERT ON v BEGIN"                                      \
	" INSERT INTO users(name) VALUES(NEW.name); END;"                                      \
	"CREATE TRIGGER own AFTER INSERT ON users BEGIN SELECT 1; END;"                        \
	"CREATE INDEX i ON g(b);"                                                              \
	"INSERT INTO users(name) VALUES('a'), ('b'); INSERT INTO \"odd \"\" name\" VALUES(1, " \
	"2);"                                                                                  \
	"INSERT INTO child VALUES(1); INSERT INTO g VALUES(1);"                                \
	"INSERT INTO notes VALUES('hello'); INSERT INTO boxes VALUES(1, 0, 1);"                \
	"ANALYZE"

static int setup(void **state)
{
	(void)state;
	legacy_folder();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	legacy_remove();
	return 0;
}

static const char *place(void)
{
	static char text[512];

	snprintf(text, sizeof(text), "sqlite:%s", legacy_path("a.db"));
	return text;
}

static const struct kvf_freeze_request request = {
	.run = "20261120T120000Z-00000001", .host = "h", .who = "w", .store = "sqlite:/srv/s.db"
};

static void freeze(struct kvf_freeze *f)
{
	struct kvf_err err;

	assert_int_equal(kvf_freeze_set(place(), NULL, &request, f, &err), KVF_OK);
}

/* The whole of sqlite_schema, without the pages that tables begin on. */
static char *schema(void)
{
	sqlite3_stmt *stmt;
	char *text = NULL, *next;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(legacy_path("a.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT rowid, type, name, tbl_name, rootpage, sql"
					    " FROM sqlite_schema ORDER BY rowid",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const unsigned char *sql = sqlite3_column_text(stmt, 5);

		next = sqlite3_mprintf(
			"%z%s|%s|%s|%s|%s|%s\n", text, sqlite3_column_text(stmt, 0),
			sqlite3_column_text(stmt, 1), sqlite3_column_text(stmt, 2),
			sqlite3_column_text(stmt, 3), sqlite3_column_text(stmt, 4),
			sql ? sql : (const void *)"");
		text = next;
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

/* What another program hears when it writes; "" if it may. */
static const char *write_by(const char *sql, int defensive)
{
	static char text[600];
	sqlite3 *db;

	assert_int_equal(sqlite3_open(legacy_path("a.db"), &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, defensive, NULL);
	assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys=ON", NULL, NULL, NULL),
			 SQLITE_OK);
	text[0] = '\0';
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		snprintf(text, sizeof(text), "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	return text;
}

static void every_write_is_refused_and_names_the_run(void **state)
{
	static const char *const writes[] = {
		"INSERT INTO users(name) VALUES('c')",
		"INSERT OR IGNORE INTO users(name) VALUES('c')",
		"INSERT OR REPLACE INTO users(name) VALUES('a')",
		"INSERT INTO users(name) VALUES('a') ON CONFLICT DO UPDATE SET name = 'z'",
		"UPDATE users SET name = 'x'",
		"UPDATE OR IGNORE users SET name = 'x'",
		"DELETE FROM users",
		"DELETE FROM child",
		"INSERT INTO v VALUES('c')",
		"UPDATE \"odd \"\" name\" SET b = 3",
		"DELETE FROM \"odd \"\" name\"",
		"REPLACE INTO \"odd \"\" name\" VALUES(1, 4)",
		"INSERT INTO g VALUES(2)",
	};
	struct kvf_freeze f;
	size_t i;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	freeze(&f);
	assert_true(f.fresh);
	assert_true(f.tables >= 4);
	for (i = 0; i < 2 * sizeof(writes) / sizeof(*writes); i++) {
		const char *said = write_by(writes[i / 2], (int)(i % 2));

		if (!strstr(said, request.run) || !strstr(said, "kvferry"))
			fail_msg("%s: %s", writes[i / 2], said);
	}
	assert_int_equal(legacy_number("a.db", "SELECT count(*) FROM users"), 2);
}

/* Triggers on their shadow tables would crash FTS5; so they are named. */
static void virtual_tables_stay_open_and_are_named(void **state)
{
	struct kvf_freeze f;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	freeze(&f);
	assert_string_equal(f.open, "boxes, notes");
	assert_string_equal(write_by("INSERT INTO notes VALUES('more'); DELETE FROM notes;"
				     "INSERT INTO boxes VALUES(2, 0, 1)",
				     0),
			    "");
}

static void lifting_leaves_the_schema_as_it_was(void **state)
{
	struct kvf_freeze f;
	struct kvf_err err;
	char *before, *after;
	struct stat st;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	before = schema();
	freeze(&f);
	after = schema();
	assert_string_not_equal(before, after);
	sqlite3_free(after);
	assert_int_equal(kvf_freeze_lift(place(), NULL, request.run, &f, &err), KVF_OK);
	assert_string_equal(f.run, request.run);
	after = schema();
	assert_string_equal(before, after);
	sqlite3_free(before);
	sqlite3_free(after);
	assert_string_equal(write_by("INSERT INTO users(name) VALUES('c')", 0), "");
	assert_int_equal(stat(legacy_path("a.db-journal"), &st), -1);
	assert_int_equal(kvf_freeze_lift(place(), NULL, request.run, &f, &err), KVF_ENOTFOUND);
	assert_int_equal(kvf_freeze_look(place(), NULL, &f, &err), KVF_ENOTFOUND);
}

static void a_frozen_source_gives_the_same_shapes(void **state)
{
	const struct kvf_table *tables, *again;
	struct kvf_source *thawed, *frozen;
	struct kvf_freeze f;
	struct kvf_err err;
	size_t n, m, i, k;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	thawed = legacy_open("a.db");
	assert_int_equal(kvf_source_frozen(thawed, &f, &err), KVF_ENOTFOUND);
	assert_int_equal(kvf_source_tables(thawed, &tables, &n, &err), KVF_OK);
	/* The snapshot would hold the freeze up. */
	legacy_sql("b.db", SCHEMA);
	kvf_source_close(thawed);
	thawed = legacy_open("b.db");
	assert_int_equal(kvf_source_tables(thawed, &tables, &n, &err), KVF_OK);
	freeze(&f);
	frozen = legacy_open("a.db");
	memset(&f, 0, sizeof(f));
	assert_int_equal(kvf_source_frozen(frozen, &f, &err), KVF_OK);
	assert_string_equal(f.run, request.run);
	assert_true(strncmp(f.place, "sqlite:/", 8) == 0);
	assert_int_equal(kvf_source_tables(frozen, &again, &m, &err), KVF_OK);
	assert_int_equal(n, m);
	for (i = 0; i < n; i++) {
		assert_string_equal(tables[i].name, again[i].name);
		assert_int_equal(tables[i].nddl, again[i].nddl);
		for (k = 0; k < tables[i].nddl; k++)
			assert_string_equal(tables[i].ddl[k].sql, again[i].ddl[k].sql);
	}
	kvf_source_close(frozen);
	kvf_source_close(thawed);
}

static void a_second_freeze_completes_the_first_and_stamps_it(void **state)
{
	const struct kvf_freeze_request other = { .run = "another",
						  .host = "h",
						  .who = "w",
						  .store = request.store,
						  .stamp = "another.2",
						  .over = "live" };
	struct kvf_freeze_request elsewhere = other;
	struct kvf_freeze f;
	struct kvf_err err;
	uint64_t tables;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	freeze(&f);
	assert_string_equal(f.stamp, request.run);
	tables = f.tables;
	legacy_sql("a.db", "CREATE TABLE late(a)");
	assert_string_equal(write_by("INSERT INTO late VALUES(1)", 0), "");
	/* Not for another store. */
	elsewhere.store = "sqlite:/srv/other.db";
	assert_int_equal(kvf_freeze_set(place(), NULL, &elsewhere, &f, &err), KVF_EPREFLIGHT);
	assert_non_null(strstr(err.detail, request.store));
	assert_int_equal(kvf_freeze_look(place(), NULL, &f, &err), KVF_OK);
	assert_string_equal(f.stamp, request.run);
	assert_string_equal(f.store, request.store);
	assert_string_equal(write_by("INSERT INTO late VALUES(1)", 0), "");
	assert_int_equal(kvf_freeze_set(place(), NULL, &other, &f, &err), KVF_OK);
	assert_false(f.fresh);
	assert_string_equal(f.run, other.run);
	assert_string_equal(f.stamp, other.stamp);
	assert_string_equal(f.over, ""); /* nothing was live when it was made */
	assert_int_equal(f.tables, tables + 1);
	assert_string_not_equal(write_by("INSERT INTO late VALUES(1)", 0), "");
	/* Who saw the first one does not lift it. */
	assert_int_equal(kvf_freeze_lift(place(), NULL, request.run, &f, &err), KVF_EBUSY);
	assert_string_equal(f.stamp, other.stamp);
	assert_non_null(strstr(err.message, other.run));
	assert_string_not_equal(write_by("INSERT INTO late VALUES(1)", 0), "");
	assert_int_equal(kvf_freeze_lift(place(), NULL, other.stamp, &f, &err), KVF_OK);
	assert_string_equal(write_by("INSERT INTO late VALUES(1)", 0), "");
}

static void a_store_in_the_same_file_stays_free(void **state)
{
	struct kvf_freeze_request in_place = request;
	struct kvf_freeze f;
	struct kvf_err err;

	(void)state;
	in_place.live_table = "kv";
	legacy_sql("a.db",
		   "CREATE TABLE t(a); CREATE TABLE kv(a); CREATE TABLE kvferry_mine(a);"
		   "CREATE TABLE kvferry_control(a); CREATE TABLE kvferry_g12(a);"
		   "CREATE TABLE kvferry_ledger(a)");
	assert_int_equal(kvf_freeze_set(place(), NULL, &in_place, &f, &err), KVF_OK);
	assert_int_equal(f.tables, 2);
	assert_string_equal(write_by("INSERT INTO kv VALUES(1);"
				     "INSERT INTO kvferry_control VALUES(1);"
				     "INSERT INTO kvferry_g12 VALUES(1);"
				     "INSERT INTO kvferry_ledger VALUES(1)",
				     0),
			    "");
	assert_string_not_equal(write_by("INSERT INTO t VALUES(1)", 0), "");
	assert_string_not_equal(write_by("INSERT INTO kvferry_mine VALUES(1)", 0), "");
}

static void what_is_missing_is_named(void **state)
{
	struct kvf_freeze f;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	assert_int_equal(kvf_freeze_set("sqlite:/no/such/file", NULL, &request, &f, &err),
			 KVF_ESOURCE);
	if (geteuid()) { /* root may write whatever the mode says */
		assert_int_equal(chmod(legacy_path("a.db"), 0400), 0);
		assert_int_equal(kvf_freeze_set(place(), NULL, &request, &f, &err),
				 KVF_EPREFLIGHT);
		assert_non_null(strstr(err.message, "the file cannot be written"));
		assert_int_equal(chmod(legacy_path("a.db"), 0600), 0);
	}
	freeze(&f);
}

static void who_has_the_file_open_is_seen(void **state)
{
	struct kvf_writers w;
	struct kvf_err err;
	sqlite3 *own;
	char name[32];
	pid_t pid;

	(void)state;
	legacy_sql("a.db", SCHEMA);
	assert_int_equal(kvf_source_writers(place(), NULL, &w, &err), KVF_OK);
	assert_int_equal(w.n, 0);
	/* A connection of our own is not another's. */
	assert_int_equal(sqlite3_open(legacy_path("a.db"), &own), SQLITE_OK);
	assert_int_equal(sqlite3_exec(own, "SELECT count(*) FROM users", 0, 0, 0), SQLITE_OK);
	assert_int_equal(kvf_source_writers(place(), NULL, &w, &err), KVF_OK);
	assert_int_equal(w.n, 0);
	sqlite3_close(own);
	pid = legacy_sql_kept("a.db", "SELECT count(*) FROM users");
	assert_int_equal(kvf_source_writers(place(), NULL, &w, &err), KVF_OK);
	assert_int_equal(w.n, 1);
	snprintf(name, sizeof(name), "process %ld", (long)pid);
	assert_non_null(strstr(w.named, name));
	legacy_end(pid);
	assert_int_equal(kvf_source_writers(place(), NULL, &w, &err), KVF_OK);
	assert_int_equal(w.n, 0);
	assert_int_equal(kvf_source_writers("sqlite:/no/such/file", NULL, &w, &err), KVF_OK);
	assert_int_equal(w.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_write_is_refused_and_names_the_run, setup,
						teardown),
		cmocka_unit_test_setup_teardown(virtual_tables_stay_open_and_are_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lifting_leaves_the_schema_as_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_frozen_source_gives_the_same_shapes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_second_freeze_completes_the_first_and_stamps_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_in_the_same_file_stays_free, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_missing_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_the_file_open_is_seen, setup, teardown),
	};

	return cmocka_run_group_tests_name("source_freeze_sqlite", tests, NULL, NULL);
}
