/*
 * source_sqlite_quiet - whatever lies there, the source reads what was
 * committed and leaves every file as it was.
 */
#include "../support/legacy.h"
#include "../support/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAKE                                                                                   \
	"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);"                                      \
	"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)"        \
	" INSERT INTO t SELECT n, hex(randomblob(100)) FROM c;"
/* A transaction so large for its cache that it reaches the file before its end. */
#define SPILL                                                                                  \
	"PRAGMA cache_size=2; PRAGMA cache_spill=2; BEGIN;"                                    \
	"UPDATE t SET v = hex(randomblob(200)); DELETE FROM t WHERE id % 2;"

static char *before;

static int setup(void **state)
{
	(void)state;
	legacy_folder();
	before = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(before);
	legacy_remove();
	return 0;
}

static void remember(void)
{
	free(before);
	before = legacy_fingerprint();
}

static void nothing_changed(void)
{
	char *after = legacy_fingerprint();

	assert_string_equal(before, after);
	free(after);
}

static int exists(const char *name)
{
	return access(legacy_path(name), F_OK) == 0;
}

/* Open, read t, close: `rows` came, and nothing has changed, not even meanwhile. */
static void reads_quietly(const char *name, long long rows)
{
	struct kvf_source *s;
	struct kvf_err err;
	int changed = 1;

	remember();
	s = legacy_open(name);
	nothing_changed();
	assert_int_equal(legacy_read(s, "t", &err), rows);
	assert_int_equal(kvf_source_changed(s, &changed, &err), KVF_OK);
	assert_false(changed);
	nothing_changed();
	kvf_source_close(s);
	nothing_changed();
}

static void every_journal_mode_is_left_alone(void **state)
{
	static const char *const modes[] = { "DELETE", "TRUNCATE", "PERSIST",
					     "MEMORY", "OFF",      "WAL" };
	char sql[1024], name[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(name, sizeof(name), "%s.db", modes[i]);
		snprintf(sql, sizeof(sql),
			 "PRAGMA journal_mode=%s; %s UPDATE t SET v = v || '!'", modes[i],
			 MAKE);
		legacy_sql(name, sql);
		reads_quietly(name, 500);
	}
	assert_true(exists("PERSIST.db-journal"));
	assert_false(exists("WAL.db-wal"));
}

static void a_read_only_folder_is_enough(void **state)
{
	(void)state;
	legacy_sql("plain.db", MAKE);
	legacy_sql("wal.db", "PRAGMA journal_mode=WAL; " MAKE);
	legacy_sql("left.db", "PRAGMA journal_mode=WAL; " MAKE);
	legacy_sql_killed("left.db", "DELETE FROM t WHERE id > 100");
	assert_int_equal(unlink(legacy_path("left.db-shm")), 0);
	assert_int_equal(chmod(legacy_path(""), 0555), 0);
	reads_quietly("plain.db", 500);
	reads_quietly("wal.db", 500);
	reads_quietly("left.db", 100);
	assert_non_null(strstr(legacy_log(), "scratch copy"));
}

static void a_wal_is_read_beside_those_who_use_it(void **state)
{
	pid_t pid;

	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	pid = legacy_sql_kept("a.db", "DELETE FROM t WHERE id <= 100; BEGIN; DELETE FROM t");
	assert_true(exists("a.db-wal"));
	reads_quietly("a.db", 400);
	assert_string_equal(legacy_log(), "");
	legacy_end(pid);
}

static void a_wal_that_a_killed_writer_left_is_read(void **state)
{
	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	legacy_sql_killed("a.db",
			  "PRAGMA wal_autocheckpoint=0; DELETE FROM t WHERE id <= 100;" SPILL);
	assert_true(exists("a.db-wal"));
	assert_true(exists("a.db-shm"));
	reads_quietly("a.db", 400);
}

/* The names of scratch folders: none may be left. */
static int scratch_folders(void)
{
	char command[700];
	FILE *p;
	int n = -1;

	snprintf(command, sizeof(command), "ls -d \"%s\"/kvferry-* 2>/dev/null | wc -l",
		 legacy_path(""));
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static void a_wal_without_its_index_is_recovered_in_a_copy(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	legacy_sql_killed("a.db",
			  "PRAGMA wal_autocheckpoint=0; DELETE FROM t WHERE id <= 100;" SPILL);
	assert_int_equal(unlink(legacy_path("a.db-shm")), 0);
	reads_quietly("a.db", 400);
	assert_non_null(strstr(legacy_log(), "scratch copy"));
	/* Scratch beside the source, to see it: gone while the source is open. */
	setenv("SQLITE_TMPDIR", legacy_path(""), 1);
	s = legacy_open("a.db");
	assert_int_equal(scratch_folders(), 0);
	assert_int_equal(legacy_read(s, "t", &err), 400);
	kvf_source_close(s);
	unsetenv("SQLITE_TMPDIR");
}

static void a_hot_journal_is_rolled_back_in_a_copy_only(void **state)
{
	(void)state;
	legacy_sql("a.db", MAKE);
	legacy_sql_killed("a.db", SPILL);
	assert_true(exists("a.db-journal"));
	reads_quietly("a.db", 500);
	assert_non_null(strstr(legacy_log(), "-journal was left by an unfinished session"));
	/* The database itself still needs its journal: without it rows are gone. */
	assert_int_equal(unlink(legacy_path("a.db-journal")), 0);
	assert_int_not_equal(legacy_number("a.db", "SELECT count(*) FROM t"), 500);
}

static void a_hot_journal_of_a_wal_database_counts_as_well(void **state)
{
	(void)state;
	legacy_sql("a.db", MAKE);
	legacy_sql_killed("a.db", SPILL);
	/* Bytes 18 and 19 say WAL, as a crash in the change of modes leaves them. */
	{
		FILE *f = fopen(legacy_path("a.db"), "r+b");

		assert_non_null(f);
		assert_int_equal(fseek(f, 18, SEEK_SET), 0);
		assert_int_equal(fwrite("\2\2", 1, 2, f), 2);
		fclose(f);
	}
	reads_quietly("a.db", 500);
	assert_non_null(strstr(legacy_log(), "scratch copy"));
}

static void a_journal_of_a_living_writer_is_not_hot(void **state)
{
	pid_t pid;

	(void)state;
	legacy_sql("a.db", MAKE);
	pid = legacy_sql_kept("a.db", "BEGIN IMMEDIATE; DELETE FROM t WHERE id = 1");
	reads_quietly("a.db", 500);
	assert_string_equal(legacy_log(), "");
	legacy_end(pid);
}

static void the_snapshot_stays_while_a_wal_grows(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;
	int changed = 0;
	pid_t pid;

	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	pid = legacy_sql_kept("a.db", "DELETE FROM t WHERE id <= 100");
	s = legacy_open("a.db");
	legacy_sql("a.db", "DELETE FROM t; PRAGMA wal_checkpoint(PASSIVE)");
	assert_int_equal(legacy_read(s, "t", &err), 400);
	/* Also a commit right behind the open, before anybody asked. */
	assert_int_equal(kvf_source_changed(s, &changed, &err), KVF_OK);
	assert_true(changed);
	kvf_source_close(s);
	legacy_end(pid);
	reads_quietly("a.db", 0);
}

/* Also where nobody used the WAL when the snapshot began: it holds back whoever comes. */
static void the_snapshot_stays_when_a_writer_comes_to_a_left_wal(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	legacy_sql_killed("a.db", "DELETE FROM t WHERE id <= 100");
	s = legacy_open("a.db");
	legacy_sql_killed("a.db",
			  "DELETE FROM t WHERE id <= 200; PRAGMA wal_checkpoint(PASSIVE);"
			  "UPDATE t SET v = 'other'; PRAGMA wal_checkpoint(PASSIVE)");
	assert_int_equal(legacy_read(s, "t", &err), 400);
	kvf_source_close(s);
	reads_quietly("a.db", 300);
}

static void a_change_under_a_wal_database_at_rest_is_noticed(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "PRAGMA journal_mode=WAL; " MAKE);
	s = legacy_open("a.db");
	/* Somebody who only reads is no change, nor is a WAL that grows. */
	assert_int_equal(legacy_number("a.db", "SELECT count(*) FROM t"), 500);
	assert_int_equal(legacy_read(s, "t", &err), 500);
	legacy_sql_killed("a.db", "DELETE FROM t WHERE id <= 100");
	assert_int_equal(legacy_read(s, "t", &err), 500);
	legacy_sql_killed("a.db", "PRAGMA wal_checkpoint");
	assert_int_equal(legacy_read(s, "t", &err), -KVF_ESOURCE);
	assert_non_null(strstr(err.message, "was changed by another program"));
	assert_int_not_equal(err.hint[0], 0);
	kvf_source_close(s);
	reads_quietly("a.db", 400);
}

static void writers_of_a_rollback_journal_wait_for_the_snapshot(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;
	sqlite3 *db = NULL;

	(void)state;
	legacy_sql("a.db", MAKE);
	s = legacy_open("a.db");
	assert_int_equal(sqlite3_open(legacy_path("a.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM t", NULL, NULL, NULL), SQLITE_BUSY);
	assert_int_equal(legacy_read(s, "t", &err), 500);
	kvf_source_close(s);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM t", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A store in this process has the same file open: its locks must not go. */
static void locks_of_this_process_survive_a_source(void **state)
{
	struct kvf_source *s;
	sqlite3 *db = NULL;
	int status;
	pid_t pid;

	(void)state;
	legacy_sql("a.db", MAKE);
	assert_int_equal(sqlite3_open(legacy_path("a.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	s = legacy_open("a.db");
	kvf_source_close(s);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* SQLite must not be carried through a fork: a fresh program. */
		char sql[] = "BEGIN IMMEDIATE";

		close(2);
		execlp("sqlite3", "sqlite3", "-batch", legacy_path("a.db"), sql, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 127);
	assert_int_not_equal(WEXITSTATUS(status), 0);
	sqlite3_close(db);
}

static void odd_paths_mean_themselves(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;
	char place[1100];

	(void)state;
	legacy_sql("a?mode=rwc#%41 b.db", MAKE);
	reads_quietly("a?mode=rwc#%41 b.db", 500);
	assert_int_equal(symlink("a?mode=rwc#%41 b.db", legacy_path("link.db")), 0);
	s = legacy_open("link.db");
	assert_int_equal(legacy_read(s, "t", &err), 500);
	snprintf(place, sizeof(place), "sqlite:%s", legacy_path("a?mode=rwc#%41 b.db"));
	assert_true(kvf_source_is_place(s, place));
	snprintf(place, sizeof(place), "sqlite:%s", legacy_path("other.db"));
	assert_false(kvf_source_is_place(s, place));
	kvf_source_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_journal_mode_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_read_only_folder_is_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wal_is_read_beside_those_who_use_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_wal_that_a_killed_writer_left_is_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_wal_without_its_index_is_recovered_in_a_copy,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_hot_journal_is_rolled_back_in_a_copy_only,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_hot_journal_of_a_wal_database_counts_as_well,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_journal_of_a_living_writer_is_not_hot, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_snapshot_stays_while_a_wal_grows, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			the_snapshot_stays_when_a_writer_comes_to_a_left_wal, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_change_under_a_wal_database_at_rest_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			writers_of_a_rollback_journal_wait_for_the_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(locks_of_this_process_survive_a_source, setup,
						teardown),
		cmocka_unit_test_setup_teardown(odd_paths_mean_themselves, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
