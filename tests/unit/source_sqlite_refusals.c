/*
 * source_sqlite_refusals - what cannot be read is refused, with a reason that
 * a stranger understands and a sentence that says what to do.
 */
#include "../support/legacy.h"
#include "../support/test.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Opening FOLDER/name fails with this status; the words stand in the message. */
static void refused(const char *name, enum kvf_status status, const char *words)
{
	struct kvf_source *s = NULL;
	struct kvf_err err;
	char place[1100];

	snprintf(place, sizeof(place), "sqlite:%s", *name ? legacy_path(name) : "");
	assert_int_equal(kvf_source_open(place, legacy_env(), &s, &err), status);
	assert_null(s);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, err.message);
	assert_int_not_equal(err.hint[0], '\0');
}

static void put_file(const char *name, const char *bytes, size_t n)
{
	FILE *f = fopen(legacy_path(name), "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void what_is_no_database_is_refused(void **state)
{
	char zeros[4096] = "";

	(void)state;
	put_file("empty.db", "", 0);
	put_file("short.db", "SQLite format 3", 16);
	put_file("text.db", "CREATE TABLE t(a);\n", 19);
	put_file("zeros.db", zeros, sizeof(zeros));
	memcpy(zeros, "SQLite format 3", 16);
	put_file("header.db", zeros, sizeof(zeros));
	refused("empty.db", KVF_ESOURCE, "is empty");
	refused("short.db", KVF_ESOURCE, "not an SQLite database");
	refused("text.db", KVF_ESOURCE, "not an SQLite database");
	refused("zeros.db", KVF_ESOURCE, "not an SQLite database");
	refused("header.db", KVF_ESOURCE, "not an SQLite database");
	refused("missing.db", KVF_ESOURCE, "No such file");
	refused("missing/a.db", KVF_ESOURCE, "No such file");
	refused("text.db/a.db", KVF_ESOURCE, "Not a directory");
	refused("", KVF_EUSAGE, "path");
	assert_int_equal(access(legacy_path("missing.db"), F_OK), -1);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(legacy_path("pipe.db"), 0600), 0);
	assert_int_equal(symlink("loop.db", legacy_path("loop.db")), 0);
	refused(".", KVF_ESOURCE, "is a folder");
	refused("pipe.db", KVF_ESOURCE, "a device or a pipe");
	refused("loop.db", KVF_ESOURCE, "symbolic links");
}

static void a_file_that_may_not_be_read_is_refused(void **state)
{
	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a)");
	assert_int_equal(chmod(legacy_path("a.db"), 0), 0);
	assert_int_equal(chmod(legacy_path(""), 0755), 0);
	if (geteuid() == 0 && seteuid(65534)) {
		skip();
		return;
	}
	refused("a.db", KVF_ESOURCE, "Permission denied");
	assert_true(geteuid() != 65534 || seteuid(0) == 0);
}

static void an_unknown_kind_of_place_is_refused_without_repeating_it(void **state)
{
	struct kvf_source *s = NULL;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_source_open("oracle://scott:tiger@host", NULL, &s, &err),
			 KVF_EUSAGE);
	assert_null(strstr(err.message, "tiger"));
	assert_non_null(strstr(err.hint, "sqlite:"));
	assert_int_equal(kvf_source_open("shop.db", NULL, &s, &err), KVF_EUSAGE);
}

/* Half a second after the wait began, the caller wants to stop. */
static double stop_at;

static int stopped(void *ctx)
{
	(void)ctx;
	return kvf_monotonic() > stop_at;
}

static void a_locked_database_is_waited_for_then_refused(void **state)
{
	struct kvf_env env = { .stopped = stopped };
	struct kvf_source *s = NULL;
	struct kvf_err err;
	char place[1100];
	double since;
	pid_t pid;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a)");
	pid = legacy_sql_kept("a.db", "BEGIN EXCLUSIVE; INSERT INTO t VALUES(1)");
	snprintf(place, sizeof(place), "sqlite:%s", legacy_path("a.db"));
	since = kvf_monotonic();
	stop_at = since + 0.3;
	assert_int_equal(kvf_source_open(place, &env, &s, &err), KVF_EINTERRUPTED);
	assert_true(kvf_monotonic() - since < 3);
	since = kvf_monotonic();
	refused("a.db", KVF_ESOURCE, "is locked by another connection");
	assert_true(kvf_monotonic() - since >= 4.9);
	legacy_end(pid);
	kvf_source_close(legacy_open("a.db"));
}

static void damage_in_the_middle_names_the_table(void **state)
{
	struct kvf_source *s;
	struct kvf_err err;
	struct stat st;
	FILE *f;
	long at;

	(void)state;
	legacy_sql(
		"a.db",
		"CREATE TABLE good(v); INSERT INTO good VALUES(1), (2);"
		"CREATE TABLE \"bad one\"(v);"
		"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000)"
		" INSERT INTO \"bad one\" SELECT hex(randomblob(100)) FROM c");
	assert_int_equal(stat(legacy_path("a.db"), &st), 0);
	f = fopen(legacy_path("a.db"), "r+b");
	assert_non_null(f);
	at = (long)(st.st_size / 2 / 4096 * 4096);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	for (at = 0; at < 4096; at++)
		fputc(0xa5, f);
	fclose(f);
	s = legacy_open("a.db");
	assert_int_equal(legacy_read(s, "good", &err), 2);
	assert_int_equal(legacy_read(s, "bad one", &err), -KVF_ESOURCE);
	assert_non_null(strstr(err.message, "\"bad one\""));
	assert_non_null(strstr(err.message, "malformed"));
	assert_non_null(strstr(err.code, "SQLITE_CORRUPT"));
	assert_non_null(strstr(err.hint, "integrity_check"));
	kvf_source_close(s);
	/* A file that lost its end. */
	assert_int_equal(truncate(legacy_path("a.db"), st.st_size / 8192 * 4096), 0);
	refused("a.db", KVF_ESOURCE, "malformed");
}

static void errors_of_rows_are_sticky(void **state)
{
	struct kvf_record record = {
		.name = "r",
		.query = "SELECT CASE WHEN v = 2 THEN abs(-9223372036854775807 - 1) ELSE v END "
			 "FROM t"
	};
	struct kvf_source *s;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(v); INSERT INTO t VALUES(1), (2), (3)");
	s = legacy_open("a.db");
	assert_int_equal(kvf_rows_open(s, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_ESOURCE);
	kvf_err_clear(&err);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_ESOURCE);
	assert_non_null(strstr(err.message, "integer overflow"));
	kvf_rows_close(rows);
	kvf_source_close(s);
}

static void wrong_sql_is_a_wrong_definition(void **state)
{
	static const char *const wrong[] = {
		"SELECT nosuch FROM t",
		"SELEC 1",
		"",
		"-- nothing",
		"SELECT 1; SELECT 2",
		"DELETE FROM t",
		"CREATE TABLE u(a)",
		"SELECT :name",
		"PRAGMA journal_mode=WAL",
		"ATTACH 'x.db' AS x",
	};
	struct kvf_source *s;
	struct kvf_err err;
	const struct kvf_table *shape;
	char buf[16], *before, *after;
	size_t i;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(v); INSERT INTO t VALUES(1), (2)");
	before = legacy_fingerprint();
	s = legacy_open("a.db");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct kvf_record record = { .name = "r", .query = wrong[i] };

		if (*wrong[i])
			assert_int_equal(kvf_source_describe(s, &record, &shape, &err),
					 KVF_EDEFINITION);
		assert_int_equal(kvf_source_scalar(s, wrong[i], buf, sizeof(buf), &err),
				 KVF_EDEFINITION);
	}
	assert_int_equal(kvf_source_scalar(s, "SELECT v FROM t", buf, sizeof(buf), &err),
			 KVF_EDEFINITION);
	assert_int_equal(kvf_source_scalar(s, "SELECT v, v FROM t", buf, sizeof(buf), &err),
			 KVF_EDEFINITION);
	assert_int_equal(kvf_source_scalar(s, "SELECT 'a text that is too long'", buf,
					   sizeof(buf), &err),
			 KVF_EDEFINITION);
	assert_int_equal(
		kvf_source_scalar(s, "SELECT v FROM t WHERE v > 9", buf, sizeof(buf), &err),
		KVF_ENOTFOUND);
	assert_int_equal(kvf_source_scalar(s, "SELECT NULL", buf, sizeof(buf), &err),
			 KVF_ENOTFOUND);
	assert_int_equal(
		kvf_source_scalar(s, "SELECT max(v) FROM t; -- done", buf, sizeof(buf), &err),
		KVF_OK);
	assert_string_equal(buf, "2");
	kvf_source_close(s);
	after = legacy_fingerprint();
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void a_long_query_can_be_stopped(void **state)
{
	struct kvf_record record = { .name = "r",
				     .query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL "
					      "SELECT n + 1 FROM c) SELECT max(n) FROM c" };
	struct kvf_env env = { .stopped = stopped };
	struct kvf_source *s = NULL;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	char place[1100];

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(v)");
	snprintf(place, sizeof(place), "sqlite:%s", legacy_path("a.db"));
	stop_at = kvf_monotonic() + 0.3;
	assert_int_equal(kvf_source_open(place, &env, &s, &err), KVF_OK);
	assert_int_equal(kvf_rows_open(s, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_EINTERRUPTED);
	kvf_rows_close(rows);
	kvf_source_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_no_database_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_be_read_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			an_unknown_kind_of_place_is_refused_without_repeating_it, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_locked_database_is_waited_for_then_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(damage_in_the_middle_names_the_table, setup,
						teardown),
		cmocka_unit_test_setup_teardown(errors_of_rows_are_sticky, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_sql_is_a_wrong_definition, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_long_query_can_be_stopped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
