/*
 * Reading a SQLite store that anybody made, in any mode, with an application at
 * work in it: whole, and without leaving a trace.
 */
#include "../support/stores.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

static struct kvf_store *open_to_read(struct place *p)
{
	struct kvf_store *s = NULL;

	ok(p->driver->open(p, KVF_STORE_READ, &s, &test_err));
	return s;
}

static int exists(const struct place *p, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", p->path, suffix);
	return access(name, F_OK) == 0;
}

static void read_it_all(struct place *p, uint64_t n)
{
	struct kvf_store *s = open_to_read(p);
	struct kvf_store_facts f;
	struct kvf_totals t;
	struct kvf_control c;
	struct kvf_bytes v;

	ok(kvf_store_inspect(s, &f, &test_err));
	assert_int_equal(f.entries, n);
	(void)!kvf_store_control(s, &c, &test_err);
	assert_int_equal(count_live(s, NULL), n);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	assert_int_equal(t.entries, n);
	(void)!kvf_store_get(s, kvf_bytes_str("p"), kvf_bytes_str("k"), &v, &test_err);
	gives(kvf_store_acquire(s, 0, claim("r"), &c, &test_err), KVF_EUSAGE);
	gives(kvf_store_ledger_append(s, line("r"), &test_err), KVF_EUSAGE);
	kvf_store_close(s);
}

/* Read all there is; the file and its folder are as they were. */
static void reads_without_a_trace(struct place *p, uint64_t n)
{
	struct timespec past[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	struct stat file, folder;

	assert_int_equal(utimensat(AT_FDCWD, p->path, past, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, p->folder, past, 0), 0);
	read_it_all(p, n);
	assert_false(exists(p, "-journal") || exists(p, "-wal") || exists(p, "-shm"));
	assert_int_equal(stat(p->path, &file), 0);
	assert_int_equal(file.st_mtime, 1000000000);
	assert_int_equal(stat(p->folder, &folder), 0);
}

static void a_store_that_kvferry_never_touched_can_be_read(void **state)
{
	struct place *p = *state;

	sql(p, KV "INSERT INTO kv VALUES (x'70', x'6b', x'76'), (x'', x'00', x'');");
	reads_without_a_trace(p, 2);
	sql(p, "PRAGMA journal_mode=WAL");
	reads_without_a_trace(p, 2);
}

static void a_published_store_is_read_without_a_trace(void **state)
{
	struct place *p = *state;

	publish(p, "r", 500, "v");
	reads_without_a_trace(p, 500);
	sql(p, "PRAGMA journal_mode=WAL");
	reads_without_a_trace(p, 500);
}

static void a_wal_store_in_use_is_read_as_it_stands(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_cursor *c;
	struct kvf_entry e;
	sqlite3 *db;
	uint64_t n = 0;

	publish(p, "r", 500, "v");
	db = application(p);
	run(db, "PRAGMA journal_mode=WAL; INSERT INTO kv VALUES (x'70', x'6b', x'76')");
	read_it_all(p, 501);
	s = open_to_read(p);
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &test_err));
	ok(kvf_cursor_next(c, &e, &test_err));
	run(db, "DELETE FROM kv");
	do
		n++;
	while (kvf_cursor_next(c, &e, &test_err) == KVF_OK);
	assert_int_equal(n, 501);
	kvf_cursor_close(c);
	assert_int_equal(count_live(s, NULL), 0);
	kvf_store_close(s);
	sqlite3_close(db);
}

static void a_key_that_is_no_blob_is_reported_with_its_key(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_cursor *c;
	struct kvf_entry e;
	struct kvf_totals t;

	sql(p, KV "INSERT INTO kv VALUES ('p', 'text key', x'76');");
	s = open_to_read(p);
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &test_err));
	gives(kvf_cursor_next(c, &e, &test_err), KVF_ETARGET);
	assert_non_null(strstr(test_err.message, "text key"));
	kvf_cursor_close(c);
	gives(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err), KVF_ETARGET);
	kvf_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_store_that_kvferry_never_touched_can_be_read),
		STORE_TEST(a_published_store_is_read_without_a_trace),
		STORE_TEST(a_wal_store_in_use_is_read_as_it_stands),
		STORE_TEST(a_key_that_is_no_blob_is_reported_with_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
