/*
 * What only a SQLite store has: an application beside us in the same file, a
 * file that others made, side files, permissions, and a schema to look at.
 */
#include "../support/stores.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KV                                                                                     \
	"CREATE TABLE kv (partition_key BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT "     \
	"NULL,"                                                                                \
	" PRIMARY KEY (partition_key, key)) WITHOUT ROWID;"

static sqlite3 *application(struct place *p)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static void sql(struct place *p, const char *text)
{
	sqlite3 *db = application(p);

	run(db, text);
	sqlite3_close(db);
}

/* The one value of a query, as text; static. */
static const char *ask(sqlite3 *db, const char *query)
{
	static char text[4096];
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL))
		fail_msg("%s: %s", query, sqlite3_errmsg(db));
	text[0] = '\0';
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return text;
}

static struct kvf_store *open_to_read(struct place *p)
{
	struct kvf_store *s = NULL;

	ok(p->driver->open(p, KVF_STORE_READ, &s, &test_err));
	return s;
}

static void blocked_because(struct place *p, const char *what)
{
	struct kvf_store *s = open_store(p);
	struct kvf_store_facts f;
	struct kvf_control c;

	ok(kvf_store_inspect(s, &f, &test_err));
	if (!strstr(f.blocker, what))
		fail_msg("\"%s\" should say \"%s\"", f.blocker, what);
	gives(kvf_store_acquire(s, 0, claim("r"), &c, &test_err), KVF_EPREFLIGHT);
	assert_non_null(strstr(test_err.message, what));
	gives(kvf_store_control(s, &c, &test_err), KVF_ENOTFOUND);
	kvf_store_close(s);
}

/* ---- beside an application ---------------------------------------------------------- */

static void views_triggers_and_references_go_on_naming_the_live_table(void **state)
{
	struct place *p = *state;
	sqlite3 *db;

	sql(p, KV "INSERT INTO kv VALUES (x'70', x'6b', x'76');"
		  "CREATE VIEW names AS SELECT CAST(key AS TEXT) AS name FROM kv;"
		  "CREATE VIEW broken AS SELECT gone FROM nowhere;"
		  "CREATE TABLE cart (id INTEGER PRIMARY KEY, part BLOB, key BLOB,"
		  " FOREIGN KEY (part, key) REFERENCES kv (partition_key, key));"
		  "CREATE TABLE log (n);"
		  "CREATE TRIGGER remember AFTER INSERT ON cart BEGIN"
		  " INSERT INTO log SELECT count(*) FROM kv; END;");
	publish(p, "run", 30, "v");
	db = application(p);
	assert_string_equal(ask(db, "SELECT count(*) FROM names"), "31"); /* + version record */
	assert_string_equal(ask(db, "SELECT name FROM names WHERE name LIKE 'b/%'"),
			    "b/000000");
	run(db, "INSERT INTO cart VALUES (1, x'00', x'00')");
	assert_string_equal(ask(db, "SELECT n FROM log"), "31");
	assert_non_null(strstr(ask(db, "SELECT sql FROM sqlite_master WHERE name = 'cart'"),
			       "REFERENCES kv "));
	/* What was there is the previous generation, number 1. */
	assert_string_equal(ask(db, "SELECT count(*) FROM kvferry_g1"), "1");
	assert_string_equal(ask(db, "SELECT prev || ' ' || active FROM kvferry_control"),
			    "1 2");
	assert_string_equal(ask(db, "PRAGMA user_version"), "7");
	assert_string_equal(ask(db, "PRAGMA integrity_check"), "ok");
	sqlite3_close(db);
}

static void the_application_sees_its_own_record_until_the_commit(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;
	struct stat st;
	sqlite3 *db;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "p", "a", 10, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	db = application(p);
	assert_string_equal(ask(db, "SELECT partition_key || key || value FROM kv"),
			    "metaschema/version0");
	assert_string_equal(ask(db, "PRAGMA user_version"), "0");
	ok(kvf_store_commit(s, 8, kvf_bytes_str("1"), line("r"), &test_err));
	assert_string_equal(ask(db, "SELECT count(*) FROM kv"), "11");
	assert_string_equal(ask(db, "PRAGMA user_version"), "8");
	assert_string_equal(ask(db, "PRAGMA page_size"), "16384");
	assert_string_equal(ask(db, "PRAGMA journal_mode"), "delete");
	sqlite3_close(db);
	kvf_store_close(s);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void legacy_tables_in_the_same_file_are_untouched(void **state)
{
	struct place *p = *state;
	sqlite3 *db;
	char before[4096];

	sql(p, "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT);"
	       "INSERT INTO products VALUES (1, 'tea'), (2, 'cup');"
	       "CREATE INDEX by_name ON products (name);");
	db = application(p);
	snprintf(before, sizeof(before), "%s",
		 ask(db, "SELECT group_concat(sql) || (SELECT group_concat(name) FROM products)"
			 " FROM sqlite_master WHERE tbl_name = 'products'"));
	sqlite3_close(db);
	publish(p, "one", 20, "v");
	publish(p, "two", 20, "w");
	db = application(p);
	assert_string_equal(ask(db,
				"SELECT group_concat(sql) || (SELECT group_concat(name) FROM"
				" products) FROM sqlite_master WHERE tbl_name = 'products'"),
			    before);
	sqlite3_close(db);
}

static void a_large_schema_version_leaves_user_version_alone(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_control c;
	sqlite3 *db;

	ok(publish_on(s, "r", 2, "v", 20261120123456, "1", &test_err));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.ver, 20261120123456);
	kvf_store_close(s);
	db = application(p);
	assert_string_equal(ask(db, "PRAGMA user_version"), "0");
	sqlite3_close(db);
}

static int always(void *ctx)
{
	(void)ctx;
	return 1;
}

static void a_reader_holds_a_commit_up_and_no_more(void **state)
{
	struct place *p = *state;
	static struct kvf_env env;
	struct kvf_store *s = NULL;
	sqlite3_stmt *reader;
	sqlite3 *db;

	publish(p, "one", 200, "v");
	db = application(p);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM kv", -1, &reader, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(reader), SQLITE_ROW);
	/* Asked to stop, we do not wait the whole time. */
	env.stopped = always;
	ok(kvf_store_open(p->text, KVF_STORE_WRITE, NULL, &env, &s, &test_err));
	gives(publish_on(s, "two", 200, "w", 8, "2", &test_err), KVF_EINTERRUPTED);
	kvf_store_close(s);
	while (sqlite3_step(reader) == SQLITE_ROW)
		;
	sqlite3_finalize(reader);
	assert_string_equal(ask(db, "SELECT count(*) FROM kv WHERE value = x'76'"), "200");
	sqlite3_close(db);
	publish(p, "three", 200, "x");
}

/* Eight processes that have seen the same epoch: the file decides. */
static void of_many_processes_one_acquires(void **state)
{
	struct place *p = *state;
	pid_t pids[8];
	int i, status, won = 0, round;

	for (round = 0; round < 3; round++) { /* the first makes the file */
		won = 0;
		for (i = 0; i < 8; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0) {
				struct kvf_store *s = NULL;
				struct kvf_control c;
				struct kvf_err err;
				enum kvf_status st;

				struct kvf_claim *mine = claim("r");

				/* The first takes two numbers: one is the early table's. */
				mine->active = round > 0;
				st = p->driver->open(p, KVF_STORE_WRITE, &s, &err);
				if (!st)
					st = kvf_store_acquire(s,
							       round ? (uint64_t)round + 1 : 0,
							       mine, &c, &err);
				kvf_store_close(s);
				_exit((int)st);
			}
		}
		for (i = 0; i < 8; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status));
			won += WEXITSTATUS(status) == KVF_OK;
			if (WEXITSTATUS(status))
				assert_int_equal(WEXITSTATUS(status), KVF_EBUSY);
		}
		assert_int_equal(won, 1);
	}
}

/* ---- what stands in the way ------------------------------------------------------------ */

static void what_a_publication_would_break_is_named_before(void **state)
{
	static const struct {
		const char *sql, *says;
	} cases[] = {
		{ "CREATE VIEW kv AS SELECT 1 AS partition_key, 2 AS key, 3 AS value",
		  "is a view" },
		{ "CREATE TABLE other (a); CREATE INDEX kv ON other (a)", "is an index" },
		{ "CREATE TABLE kv (key TEXT PRIMARY KEY, value)", "another layout" },
		{ "CREATE TABLE kv (partition_key TEXT, key BLOB, value BLOB,"
		  " PRIMARY KEY (partition_key, key))",
		  "another layout" },
		{ "CREATE TABLE kv (partition_key BLOB, key BLOB, value BLOB, more BLOB,"
		  " PRIMARY KEY (partition_key, key))",
		  "another layout" },
		{ "CREATE TABLE kv (partition_key BLOB, key BLOB, value BLOB,"
		  " PRIMARY KEY (key, partition_key))",
		  "another layout" },
		{ "CREATE VIRTUAL TABLE kv USING fts5 (partition_key, key, value)",
		  "another layout" },
		{ KV "CREATE INDEX by_value ON kv (value)", "index \"by_value\"" },
		{ KV "CREATE TRIGGER watch AFTER INSERT ON kv BEGIN SELECT 1; END",
		  "trigger \"watch\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *each;
		struct place *p;

		store_set_up(&each);
		p = each;
		sql(p, cases[i].sql);
		blocked_because(p, cases[i].says);
		store_tear_down(&each);
	}
}

static void an_index_made_during_a_run_stops_its_commit(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;

	publish(p, "one", 20, "v");
	s = open_store(p);
	acquire(s, "two", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "p", "a", 10, "w", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	sql(p, "CREATE INDEX late ON kv (value)");
	gives(kvf_store_commit(s, 8, kvf_bytes_str("2"), line("two"), &test_err), KVF_ETARGET);
	assert_non_null(strstr(test_err.message, "index \"late\""));
	assert_int_equal(count_live(s, "v"), 20);
	kvf_store_close(s);
}

static void what_is_no_database_is_refused(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = NULL;
	int fd = open(p->path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, "this is a letter, not a database\n", 33), 33);
	close(fd);
	gives(p->driver->open(p, KVF_STORE_WRITE, &s, &test_err), KVF_ETARGET);
	assert_non_null(strstr(test_err.message, "is not an SQLite database"));
	gives(p->driver->open(p, KVF_STORE_READ, &s, &test_err), KVF_ETARGET);
	unlink(p->path);
	gives(p->driver->open(p, KVF_STORE_READ, &s, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_open("sqlite:", KVF_STORE_READ, NULL, NULL, &s, &test_err), KVF_EUSAGE);
	gives(kvf_store_open("mysql:x", KVF_STORE_READ, NULL, NULL, &s, &test_err), KVF_EUSAGE);
	gives(kvf_store_open("shop.db", KVF_STORE_READ, NULL, NULL, &s, &test_err), KVF_EUSAGE);
	gives(kvf_store_open("sqlite:/tmp", KVF_STORE_READ, NULL, NULL, &s, &test_err),
	      KVF_ETARGET);
	assert_null(s);
}

static void a_folder_that_is_missing_is_named(void **state)
{
	struct kvf_store *s = NULL;
	struct kvf_store_facts f;

	(void)state;
	ok(kvf_store_open("sqlite:/tmp/no-such-folder-here/x.db", KVF_STORE_WRITE, NULL, NULL,
			  &s, &test_err));
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_string_equal(f.blocker, "there is no folder /tmp/no-such-folder-here/");
	assert_false(f.writable);
	kvf_store_close(s);
}

static void a_path_is_a_path_whatever_it_looks_like(void **state)
{
	static const char *const names[] = { ":memory:", "file:x?mode=memory", "a#b%41 c",
					     "-x" };
	struct place *p = *state;
	char before[4096], place[128];
	size_t i;

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(p->folder), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct kvf_store *s = NULL;

		snprintf(place, sizeof(place), "sqlite:%s", names[i]);
		ok(kvf_store_open(place, KVF_STORE_WRITE, NULL, NULL, &s, &test_err));
		ok(publish_on(s, "r", 2, "v", 1, "1", &test_err));
		kvf_store_close(s);
		ok(kvf_store_open(place, KVF_STORE_READ, NULL, NULL, &s, &test_err));
		assert_int_equal(count_live(s, "v"), 2);
		kvf_store_close(s);
		assert_int_equal(unlink(names[i]), 0);
	}
	assert_int_equal(chdir(before), 0);
}

/* ---- our own tables ------------------------------------------------------------------- */

static void the_database_itself_refuses_wrong_states_and_a_changed_ledger(void **state)
{
	static const char *const bad[] = {
		"UPDATE kvferry_ledger SET outcome = 'x'",
		"DELETE FROM kvferry_ledger",
		"INSERT OR REPLACE INTO kvferry_ledger SELECT * FROM kvferry_ledger",
		"REPLACE INTO kvferry_ledger VALUES (1,1,'','','','','','','',0,0,'')",
		"UPDATE kvferry_control SET state = 'live'",
		"UPDATE kvferry_control SET state = 'DONE'",
		"UPDATE kvferry_control SET epoch = 0",
		"UPDATE kvferry_control SET id = 2",
		"INSERT INTO kvferry_control SELECT * FROM kvferry_control",
	};
	struct place *p = *state;
	sqlite3 *db;
	size_t i;

	publish(p, "r", 2, "v");
	db = application(p);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (sqlite3_exec(db, bad[i], NULL, NULL, NULL) == SQLITE_OK)
			fail_msg("allowed: %s", bad[i]);
	assert_string_equal(ask(db, "SELECT count(*) || run || outcome FROM kvferry_ledger"),
			    "1rok");
	sqlite3_close(db);
}

/* docs/objects.md says how; the data stay, and the next run takes them as found. */
static void all_that_kvferry_made_can_be_removed(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_control c;
	sqlite3 *db;

	publish(p, "one", 10, "v");
	publish(p, "two", 20, "w");
	db = application(p);
	run(db, "BEGIN; DROP TABLE kvferry_ledger; DROP TABLE kvferry_progress;"
		"DROP TABLE kvferry_units; DROP TABLE kvferry_generations;"
		"DROP TABLE kvferry_control; DROP TABLE kvferry_g2; COMMIT");
	assert_string_equal(ask(db, "SELECT group_concat(name) FROM sqlite_master"), "kv");
	sqlite3_close(db);
	publish(p, "three", 30, "x");
	s = open_store(p);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.active, 2);
	assert_int_equal(c.prev, 1);
	assert_int_equal(count_live(s, "x"), 30);
	kvf_store_close(s);
}

static void damaged_control_rows_are_refused(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_control c;

	publish(p, "r", 2, "v");
	sql(p, "PRAGMA ignore_check_constraints=ON; UPDATE kvferry_control SET state = 'WAT'");
	s = open_store(p);
	gives(kvf_store_control(s, &c, &test_err), KVF_ETARGET);
	gives(kvf_store_acquire(s, 1, claim("r"), &c, &test_err), KVF_ETARGET);
	kvf_store_close(s);
	sql(p, "PRAGMA ignore_check_constraints=ON;"
	       "UPDATE kvferry_control SET state = 'LIVE', format = 99");
	s = open_store(p);
	gives(kvf_store_control(s, &c, &test_err), KVF_EVERSION);
	kvf_store_close(s);
	sql(p, "DELETE FROM kvferry_control");
	s = open_store(p);
	gives(kvf_store_control(s, &c, &test_err), KVF_ETARGET);
	gives(kvf_store_acquire(s, 0, claim("r"), &c, &test_err), KVF_ETARGET);
	kvf_store_close(s);
}

static void another_live_table_has_its_own_name(void **state)
{
	struct place *p = *state;
	struct kvf_store_options o = { .table = "my \"table\"" };
	struct kvf_store *s = NULL;
	struct kvf_store_facts f;
	sqlite3 *db;

	ok(kvf_store_open(p->text, KVF_STORE_WRITE, &o, NULL, &s, &test_err));
	ok(publish_on(s, "r", 10, "v", 1, "1", &test_err));
	ok(publish_on(s, "r2", 10, "w", 2, "1", &test_err));
	kvf_store_close(s);
	db = application(p);
	assert_string_equal(ask(db, "SELECT count(*) FROM \"my \"\"table\"\"\""), "11");
	sqlite3_close(db);
	s = open_to_read(p); /* it is known from the control row */
	assert_int_equal(count_live(s, "w"), 10);
	kvf_store_close(s);
	o.table = "kv";
	ok(kvf_store_open(p->text, KVF_STORE_WRITE, &o, NULL, &s, &test_err));
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_non_null(strstr(f.blocker, "cannot keep \"kv\" as well"));
	kvf_store_close(s);
	o.table = "kvferry_control";
	gives(kvf_store_open(p->text, KVF_STORE_READ, &o, NULL, &s, &test_err), KVF_EUSAGE);
	o.table = "SQLITE_x";
	gives(kvf_store_open(p->text, KVF_STORE_READ, &o, NULL, &s, &test_err), KVF_EUSAGE);
}

static void totals_are_the_same_for_any_number_of_threads(void **state)
{
	struct place *p = *state;
	struct kvf_env env = { .threads = 1 };
	struct kvf_store *s = NULL;
	struct kvf_totals want = { 0, 0, { 0 } }, t;
	struct kvf_control c;
	static char value[40001];
	sqlite3 *db;
	uint64_t i;

	memset(value, 'x', sizeof(value) - 1);
	s = open_store(p);
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	for (i = 0; i < 5; i++) { /* 16 MB each: a sample after each */
		char prefix[8];

		snprintf(prefix, sizeof(prefix), "%c/", (int)('e' - i));
		put_chunk(s, i, "p", prefix, 420, value, &want);
	}
	ok(kvf_store_seal(s, test_root, &want, 1, &test_err));
	kvf_store_close(s);
	db = application(p);
	assert_string_equal(ask(db, "SELECT count(*) FROM kvferry_units WHERE name = 'sample'"),
			    "5");
	run(db,
	    "UPDATE kvferry_units SET unit = x'ffffffff41' WHERE name = 'sample' AND n = 2");
	sqlite3_close(db);
	for (env.threads = 1; env.threads < 20; env.threads += 3) {
		ok(kvf_store_open(p->text, KVF_STORE_READ, NULL, &env, &s, &test_err));
		ok(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err));
		assert_true(kvf_totals_equal(&t, &want));
		kvf_store_close(s);
	}
}

/* Does this process hold SQLite's SHARED lock on the file?  Another one asks. */
static int is_locked(const char *path)
{
	struct flock l = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510
	};
	pid_t child = fork();
	int status, fd;

	if (child == 0) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		_exit(fd < 0 || fcntl(fd, F_GETLK, &l) ? 2 : l.l_type != F_UNLCK);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

/* Closing any descriptor of a file gives up all POSIX locks on it. */
static void a_snapshot_keeps_its_lock_whatever_else_looks_at_the_file(void **state)
{
	struct place *p = *state;
	struct kvf_store *s, *other;
	struct kvf_cursor *c;
	struct kvf_totals t;
	struct kvf_entry e;

	publish(p, "run", 30, "v");
	s = open_to_read(p);
	assert_false(is_locked(p->path));
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &test_err));
	ok(kvf_cursor_next(c, &e, &test_err));
	assert_true(is_locked(p->path));
	other = open_to_read(p);
	assert_true(is_locked(p->path));
	ok(kvf_store_totals(other, KVF_SCAN_LIVE, &t, &test_err));
	kvf_store_close(other);
	assert_true(is_locked(p->path));
	kvf_cursor_close(c);
	assert_false(is_locked(p->path));
	kvf_store_close(s);
}

/* Goes on with the stage of "run", and puts more than the cache holds; 0 = ok. */
static int put_much(struct place *p)
{
	static char value[16384];
	struct kvf_store *s = NULL;
	struct kvf_control c;
	struct kvf_claim *cl = claim("run");
	struct kvf_entry e;
	char key[32];
	int i, failed;

	memset(&c, 0, sizeof(c));
	cl->resume = 1;
	memset(value, 'x', sizeof(value));
	failed = p->driver->open(p, KVF_STORE_WRITE, &s, &test_err) ||
		 kvf_store_control(s, &c, &test_err);
	cl->active = c.active;
	failed = failed || kvf_store_acquire(s, c.epoch, cl, &c, &test_err) ||
		 kvf_store_stage(s, 0, &test_err);
	for (i = 0; i < 3000 && !failed; i++) {
		snprintf(key, sizeof(key), "b/%06d", i);
		e = entry("resources", key, "");
		e.value = (struct kvf_bytes){ (const uint8_t *)value, sizeof(value) };
		failed = kvf_store_put(s, &e, &test_err) != KVF_OK;
	}
	return failed;
}

/* Where nobody can read, a commit is larger than the cache, and pages go to the file
 * before it: a journal that a dead process leaves takes them back. */
static void what_was_written_before_a_commit_is_taken_back_after_a_death(void **state)
{
	struct place *p = *state;
	struct kvf_totals sum, t;
	struct kvf_store *s = open_store(p);
	struct kvf_claim *cl;
	struct kvf_control c;
	struct stat st;
	char journal[128];
	uint64_t chunks;
	sqlite3 *db;
	pid_t child;
	int status;

	memset(&sum, 0, sizeof(sum));
	acquire(s, "run", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 10, "v", &sum);
	ok(kvf_store_flush(s, &test_err));
	kvf_store_close(s);
	child = fork();
	if (child == 0)
		_exit(put_much(p));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(journal, sizeof(journal), "%s-journal", p->path);
	assert_int_equal(stat(journal, &st), 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_true(st.st_size > 20 << 20);

	s = open_store(p);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_STAGING);
	cl = claim("run");
	cl->active = c.active;
	cl->resume = 1;
	ok(kvf_store_acquire(s, c.epoch, cl, &c, &test_err));
	ok(kvf_store_stage(s, 0, &test_err));
	ok(kvf_store_applied(s, &chunks, &t, &test_err));
	assert_int_equal(chunks, 1);
	assert_int_equal(t.entries, sum.entries);
	put_chunk(s, 1, "resources", "b/", 50, "v", &sum); /* none of them is there */
	ok(kvf_store_flush(s, &test_err));
	memset(&t, 0, sizeof(t));
	ok(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err));
	assert_true(kvf_totals_equal(&t, &sum));
	kvf_store_close(s);
	db = application(p);
	assert_string_equal(ask(db, "PRAGMA integrity_check"), "ok");
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(views_triggers_and_references_go_on_naming_the_live_table),
		STORE_TEST(the_application_sees_its_own_record_until_the_commit),
		STORE_TEST(legacy_tables_in_the_same_file_are_untouched),
		STORE_TEST(a_large_schema_version_leaves_user_version_alone),
		STORE_TEST(a_reader_holds_a_commit_up_and_no_more),
		STORE_TEST(of_many_processes_one_acquires),
		STORE_TEST(what_a_publication_would_break_is_named_before),
		STORE_TEST(an_index_made_during_a_run_stops_its_commit),
		STORE_TEST(what_is_no_database_is_refused),
		STORE_TEST(a_folder_that_is_missing_is_named),
		STORE_TEST(a_path_is_a_path_whatever_it_looks_like),
		STORE_TEST(the_database_itself_refuses_wrong_states_and_a_changed_ledger),
		STORE_TEST(all_that_kvferry_made_can_be_removed),
		STORE_TEST(damaged_control_rows_are_refused),
		STORE_TEST(another_live_table_has_its_own_name),
		STORE_TEST(totals_are_the_same_for_any_number_of_threads),
		STORE_TEST(a_snapshot_keeps_its_lock_whatever_else_looks_at_the_file),
		STORE_TEST(what_was_written_before_a_commit_is_taken_back_after_a_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
