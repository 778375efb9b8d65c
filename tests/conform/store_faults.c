/*
 * SQLite stores under faults: for n = 1, 2, ... the n-th call that changes a
 * file fails, or the process dies in it, or the machine loses power, until a
 * run comes through without meeting it.  After each, a reader sees the old data
 * or the new data, whole, with the version that belongs to them, and the next
 * run succeeds.
 */
#include "../support/stores.h"
#include "../support/vfs_fault.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD 40u
#define NEW 600u

/* Every call; under a sanitizer, where a round takes ten times as long, every fifth. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 5u
#else
#define STRIDE 1u
#endif

enum base { NO_FILE, ROLLBACK, WAL };

struct bench {
	char folder[64], path[96], text[112];
	char *image; /* the file that every round begins with */
	size_t size;
	int wal;
};

static void write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void remove_files(const struct bench *b)
{
	static const char *const suffix[] = { "", "-journal", "-wal", "-shm" };
	char name[128];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", b->path, suffix[i]);
		unlink(name);
	}
}

static struct kvf_store *open_at(const struct bench *b, enum kvf_store_mode mode)
{
	static struct kvf_env env = { .threads = 1 };
	struct kvf_store *s = NULL;

	ok(kvf_store_open(b->text, mode, NULL, &env, &s, &test_err));
	return s;
}

/* A store with OLD entries live, version 7, kept in memory. */
static void prepare(struct bench *b, enum base base)
{
	struct kvf_store *s;
	struct stat st = { 0 };
	sqlite3 *db;
	int fd;

	memset(b, 0, sizeof(*b));
	vfs_fault_install();
	vfs_fault_set(VFS_COUNT, 0);
	/* Nothing here needs a disk: what was synced is known to the VFS. */
	snprintf(b->folder, sizeof(b->folder), "%s/kvf-faults.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/store.db", b->folder);
	snprintf(b->text, sizeof(b->text), "sqlite:%s", b->path);
	if (base == NO_FILE)
		return;
	b->wal = base == WAL;
	if (b->wal) {
		assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL),
				 SQLITE_OK);
		sqlite3_close(db);
	}
	s = open_at(b, KVF_STORE_WRITE);
	ok(publish_on(s, "older", 20, "older", 6, "6", &test_err));
	ok(publish_on(s, "old", OLD, "old", 7, "7", &test_err));
	kvf_store_close(s);
	fd = open(b->path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	b->size = (size_t)st.st_size;
	b->image = malloc(b->size);
	assert_non_null(b->image);
	assert_int_equal(read(fd, b->image, b->size), b->size);
	close(fd);
}

static void finish(struct bench *b)
{
	vfs_fault_set(VFS_COUNT, 0);
	remove_files(b);
	assert_int_equal(rmdir(b->folder), 0);
	free(b->image);
}

static void rewind_to_image(const struct bench *b)
{
	vfs_fault_set(VFS_COUNT, 0);
	remove_files(b);
	if (b->image)
		write_file(b->path, b->image, b->size);
}

/* PRAGMA user_version, and integrity_check says ok. */
static int64_t user_version(const struct bench *b)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t v;

	assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return v;
}

/* Old and whole, or new and whole: returns the version that is live, 0 = none. */
static uint64_t look(const struct bench *b)
{
	struct kvf_store *s = NULL;
	struct kvf_control c;
	struct kvf_bytes v;
	struct kvf_totals t;
	enum kvf_status st = kvf_store_open(b->text, KVF_STORE_READ, NULL, NULL, &s, &test_err);
	uint64_t n;

	if (st == KVF_ENOTFOUND) {
		assert_null(b->image);
		return 0;
	}
	ok(st);
	st = kvf_store_control(s, &c, &test_err);
	if (st == KVF_ENOTFOUND || c.ver == 0) {
		assert_null(b->image);
		assert_int_equal(count_live(s, NULL), 0);
		kvf_store_close(s);
		return 0;
	}
	ok(st);
	assert_true(c.ver == 7 || c.ver == 8);
	n = count_live(s, c.ver == 7 ? "old" : "new");
	assert_int_equal(n, c.ver == 7 ? OLD : NEW);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	assert_int_equal(t.entries, n);
	ok(kvf_store_get(s, kvf_bytes_str("meta"), kvf_bytes_str("schema/version"), &v,
			 &test_err));
	assert_int_equal(kvf_bytes_cmp(v, kvf_bytes_str(c.ver == 7 ? "7" : "8")), 0);
	kvf_store_close(s);
	assert_int_equal(user_version(b), c.ver);
	return c.ver;
}

/* The command that follows any failure. */
static void run_again(const struct bench *b)
{
	struct kvf_store *s = open_at(b, KVF_STORE_WRITE);

	ok(publish_on(s, "again", NEW, "new", 8, "8", &test_err));
	kvf_store_close(s);
	assert_int_equal(look(b), 8);
}

/* ---- dying ------------------------------------------------------------------------ */

/* In a child, so that it can die.  Returns whether it came through unhurt. */
static int run_in_child(const struct bench *b, enum vfs_fault_mode mode, unsigned n)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct kvf_env env = { .threads = 1 };
		struct kvf_store *s = NULL;
		struct kvf_err err;
		enum kvf_status st;

		vfs_fault_set(mode, n);
		st = kvf_store_open(b->text, KVF_STORE_WRITE, NULL, &env, &s, &err);
		if (!st)
			st = publish_on(s, "new", NEW, "new", 8, "8", &err);
		kvf_store_close(s);
		_exit(st ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFEXITED(status);
}

static void die_everywhere(enum base base, enum vfs_fault_mode mode)
{
	struct bench b;
	unsigned n, old = 0, fresh = 0;
	int through = 0;

	prepare(&b, base);
	for (n = 1; !through; n += STRIDE) {
		uint64_t ver;

		rewind_to_image(&b);
		through = run_in_child(&b, mode, n);
		ver = look(&b);
		old += ver != 8;
		fresh += ver == 8;
		run_again(&b);
	}
	assert_true(old > 5);   /* or the faults did not come where they should */
	assert_true(fresh > 1); /* also after the commit, in gc */
	print_message("# base %d mode %d: %u faults, %u found old data, %u new\n", (int)base,
		      (int)mode, (n - 1) / STRIDE - 1, old, fresh - 1);
	finish(&b);
}

static void killed_at_any_write_it_shows_old_or_new(void **state)
{
	(void)state;
	die_everywhere(NO_FILE, VFS_KILL);
	die_everywhere(ROLLBACK, VFS_KILL);
	die_everywhere(WAL, VFS_KILL);
}

static void killed_within_a_write_it_shows_old_or_new(void **state)
{
	(void)state;
	die_everywhere(ROLLBACK, VFS_TEAR);
	die_everywhere(WAL, VFS_TEAR);
}

static void without_power_it_shows_old_or_new(void **state)
{
	(void)state;
	die_everywhere(NO_FILE, VFS_POWER_ALL);
	die_everywhere(ROLLBACK, VFS_POWER_ALL);
	die_everywhere(ROLLBACK, VFS_POWER_SOME);
	die_everywhere(WAL, VFS_POWER_ALL);
	die_everywhere(WAL, VFS_POWER_SOME);
}

/* ---- failing ------------------------------------------------------------------------ */

/* What the error says of the live data is true. */
static void check_words(const struct kvf_err *err, uint64_t ver)
{
	assert_int_equal(err->status, KVF_ETARGET);
	assert_true(err->code[0] && err->hint[0]);
	if (strstr(err->detail, "The live data are as they were"))
		assert_true(ver != 8);
	else if (strstr(err->detail, "The new data are live"))
		assert_int_equal(ver, 8);
	else
		assert_non_null(strstr(err->detail, "could not be read"));
}

static void fail_everywhere(enum base base, enum vfs_fault_mode mode)
{
	struct bench b;
	unsigned n, failed = 0;
	int hit = 1;

	prepare(&b, base);
	for (n = 1; hit; n += STRIDE) {
		struct kvf_store *s;
		struct kvf_control c;
		struct kvf_err said;
		enum kvf_status st;
		uint64_t ver;
		int committed;

		rewind_to_image(&b);
		s = open_at(&b, KVF_STORE_WRITE);
		vfs_fault_set(mode, n);
		st = publish_on(s, "new", NEW, "new", 8, "8", &test_err);
		hit = vfs_fault_hit();
		said = test_err;
		vfs_fault_set(VFS_COUNT, 0);
		/* A failed gc comes after a commit that was reported. */
		committed = st && kvf_store_control(s, &c, NULL) == KVF_OK && c.ver == 8;
		if (st && mode == VFS_FAIL_EVER)
			kvf_store_note_failure(s, test_err.message);
		kvf_store_close(s);
		ver = look(&b);
		if (st) {
			failed++;
			if (!committed)
				check_words(&said, ver);
		} else {
			assert_int_equal(ver, 8);
		}
		run_again(&b);
	}
	assert_true(failed > 5);
	print_message("# base %d mode %d: %u faults, %u runs failed\n", (int)base, (int)mode,
		      (n - 1) / STRIDE - 1, failed);
	finish(&b);
}

static void any_call_that_fails_is_reported_truthfully(void **state)
{
	(void)state;
	fail_everywhere(NO_FILE, VFS_FAIL_ONCE);
	fail_everywhere(ROLLBACK, VFS_FAIL_ONCE);
	fail_everywhere(WAL, VFS_FAIL_ONCE);
}

static void a_disk_that_fails_for_good_is_reported_truthfully(void **state)
{
	(void)state;
	fail_everywhere(NO_FILE, VFS_FAIL_EVER);
	fail_everywhere(ROLLBACK, VFS_FAIL_EVER);
	fail_everywhere(WAL, VFS_FAIL_EVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_write_it_shows_old_or_new),
		cmocka_unit_test(killed_within_a_write_it_shows_old_or_new),
		cmocka_unit_test(without_power_it_shows_old_or_new),
		cmocka_unit_test(any_call_that_fails_is_reported_truthfully),
		cmocka_unit_test(a_disk_that_fails_for_good_is_reported_truthfully),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
