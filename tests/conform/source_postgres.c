/*
 * What only a PostgreSQL source has: others write to the same server while it
 * reads.  Needs a server: tests/integration/pg_conform.sh starts one and sets
 * KVF_TEST_PG to its database; else every test is skipped.
 */
#include "source/postgres.h"

#include "../support/pgproxy.h"
#include "../support/test.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *writer; /* an application in the same database */
static struct kvf_source *source;

static void sql(PGconn *conn, const char *text)
{
	PGresult *res = PQexec(conn, text);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", text, PQerrorMessage(conn));
	PQclear(res);
}

static PGconn *connect_to(const char *place)
{
	PGconn *conn = PQconnectdb(place);

	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(conn));
	sql(conn, "SET client_min_messages = error");
	return conn;
}

static int before(void **state)
{
	(void)state;
	writer = connect_to(getenv("KVF_TEST_PG"));
	sql(writer, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
		    "CREATE TABLE t(id int PRIMARY KEY, v text);"
		    "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i;"
		    "CREATE TABLE other(a int); INSERT INTO other VALUES (1);"
		    "CREATE TABLE parted(id int) PARTITION BY HASH (id);"
		    "CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH"
		    " (MODULUS 2, REMAINDER 0);"
		    "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH"
		    " (MODULUS 2, REMAINDER 1);"
		    "INSERT INTO parted SELECT generate_series(1, 10)");
	return 0;
}

static int after(void **state)
{
	(void)state;
	kvf_source_close(source);
	source = NULL;
	PQfinish(writer);
	return 0;
}

static void open_source(void)
{
	struct kvf_err err;

	if (kvf_source_open(getenv("KVF_TEST_PG"), NULL, &source, &err))
		fail_msg("%s", err.message);
}

/* Read a record to its end; how many rows it had. */
static uint64_t read_all(const struct kvf_record *record)
{
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	unsigned parts = 3, i;
	uint64_t n = 0;
	enum kvf_status st = kvf_source_plan(source, record, &parts, &err);

	for (i = 0; !st && i < parts; i++) {
		st = kvf_rows_open(source, record, i, &rows, &err);
		while (!st && !(st = kvf_rows_next(rows, &row, &err)))
			n++;
		kvf_rows_close(rows);
		rows = NULL;
		st = st == KVF_EOF ? KVF_OK : st;
	}
	if (st)
		fail_msg("%s", err.message);
	return n;
}

static void read_table(const char *name, uint64_t rows)
{
	struct kvf_record record = { .name = "r", .table = name };

	assert_int_equal(read_all(&record), rows);
}

static int changed(void)
{
	struct kvf_err err;
	int is;

	if (kvf_source_changed(source, &is, &err))
		fail_msg("%s", err.message);
	return is;
}

/* After `statement` of somebody else, is what was read of t another? */
static void t_changes(const char *statement, int expected)
{
	open_source();
	read_table("t", 100);
	assert_false(changed());
	sql(writer, statement);
	if (changed() != expected)
		fail_msg("changed is %d after %s", !expected, statement);
	kvf_source_close(source);
	source = NULL;
}

static void every_kind_of_change_is_seen(void **state)
{
	(void)state;
	t_changes("INSERT INTO t VALUES (1000, 'new')", 1);
	sql(writer, "DELETE FROM t WHERE id = 1000");
	t_changes("UPDATE t SET v = 'v' WHERE id = 7", 1);
	t_changes("BEGIN; SAVEPOINT a; UPDATE t SET v = 'v' WHERE id = 7; RELEASE a; COMMIT",
		  1);
	t_changes("DELETE FROM t WHERE id = 100", 1);
	sql(writer, "INSERT INTO t VALUES (100, 'again')");
	t_changes(
		"BEGIN; DELETE FROM t WHERE id = 100; INSERT INTO t VALUES (100, 'v'); COMMIT",
		1);
}

static void what_leaves_the_rows_as_they_were_is_no_change(void **state)
{
	(void)state;
	t_changes("BEGIN; INSERT INTO t VALUES (1000, 'new'); ROLLBACK", 0);
	t_changes("INSERT INTO t VALUES (1000, 'new'); DELETE FROM t WHERE id = 1000", 0);
	t_changes("BEGIN; SELECT * FROM t FOR UPDATE; COMMIT; ANALYZE t", 0);
	t_changes("VACUUM (FREEZE) t", 0);
	t_changes("INSERT INTO other VALUES (2)", 0);
	t_changes("CREATE TABLE late(a int); DROP TABLE late; CREATE TABLE later(a int)", 0);
}

static void another_database_is_none_of_ours(void **state)
{
	char place[1024];
	PGconn *conn;

	(void)state;
	sql(writer, "DROP DATABASE IF EXISTS kvf_beside");
	sql(writer, "CREATE DATABASE kvf_beside");
	snprintf(place, sizeof(place), "%s dbname=kvf_beside", getenv("KVF_TEST_PG"));
	conn = connect_to(place);
	open_source();
	read_table("t", 100);
	sql(conn, "CREATE TABLE t(id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')");
	assert_false(changed());
	PQfinish(conn);
	sql(writer, "DROP DATABASE kvf_beside");
}

/* It had begun before the snapshot was taken, and ended after that. */
static void a_commit_that_was_under_way_is_seen(void **state)
{
	PGconn *slow = connect_to(getenv("KVF_TEST_PG"));

	(void)state;
	sql(slow, "BEGIN; INSERT INTO t VALUES (1000, 'slow')");
	sql(writer, "INSERT INTO other VALUES (3)"); /* a later transaction, ended first */
	open_source();
	read_table("t", 100);
	assert_false(changed());
	sql(slow, "COMMIT");
	assert_true(changed());
	PQfinish(slow);
}

static void partitions_and_the_tables_of_a_query_are_looked_at(void **state)
{
	struct kvf_record query = { .name = "q",
				    .query = "SELECT t.id FROM t JOIN other o ON true" };

	(void)state;
	open_source();
	read_table("parted", 10);
	assert_int_equal(read_all(&query), 100);
	sql(writer, "CREATE TABLE unread(a int)");
	assert_false(changed());
	sql(writer, "INSERT INTO parted VALUES (11)");
	assert_true(changed());
	sql(writer, "DELETE FROM parted WHERE id = 11");
	assert_false(changed());
	sql(writer, "UPDATE other SET a = 9");
	assert_true(changed());
}

static void where_tables_were_listed_the_list_counts(void **state)
{
	const struct kvf_table *tables;
	struct kvf_err err;
	size_t n;

	(void)state;
	open_source();
	assert_int_equal(kvf_source_tables(source, &tables, &n, &err), KVF_OK);
	assert_int_equal(n, 3);
	sql(writer,
	    "CREATE SCHEMA beside; CREATE TABLE beside.t(a int); CREATE VIEW v AS SELECT 1");
	assert_false(changed());
	sql(writer, "CREATE TABLE late(a int)");
	assert_true(changed());
	sql(writer, "DROP TABLE late");
	assert_false(changed());
	sql(writer, "ALTER TABLE other RENAME TO another");
	assert_true(changed());
	sql(writer, "ALTER TABLE another RENAME TO other; DROP SCHEMA beside CASCADE");
	assert_false(changed());
	sql(writer, "DROP TABLE other");
	assert_true(changed());
}

/* ---- parts and pieces ---------------------------------------------------------------- */

#define BIG 60000

static void make_big(const char *table)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "INSERT INTO %s SELECT i, repeat(md5(i::text), 12) FROM"
		 " generate_series(1, %d) i",
		 table, BIG);
	sql(writer, text);
}

/* Read all parts at the same time, row by row in turn, and note each row's number by
 * its id; `first` is the part that begins. */
static unsigned number_rows(const struct kvf_record *record, uint64_t *numbers, unsigned wish,
			    unsigned first)
{
	struct kvf_rows *rows[KVF_POSTGRES_CONNECTIONS] = { NULL };
	const struct kvf_row *row;
	unsigned parts = wish, i, open;
	struct kvf_err err;
	uint64_t n = 0, id;
	enum kvf_status st;

	assert_int_equal(kvf_source_plan(source, record, &parts, &err), KVF_OK);
	for (i = 0; i < parts; i++) {
		st = kvf_rows_open(source, record, (first + i) % parts, &rows[i], &err);
		if (st)
			fail_msg("%s", err.message);
	}
	for (open = parts; open;) {
		for (i = 0; i < parts; i++) {
			if (!rows[i])
				continue;
			st = kvf_rows_next(rows[i], &row, &err);
			if (st == KVF_EOF) {
				kvf_rows_close(rows[i]);
				rows[i] = NULL;
				open--;
				continue;
			}
			if (st)
				fail_msg("%s", err.message);
			id = (uint64_t)row->cells[0].u.i;
			assert_in_range(id, 1, BIG);
			if (numbers[id])
				fail_msg("row %d comes twice", (int)id);
			numbers[id] = (uint64_t)(i + first) % parts << KVF_POSTGRES_PIECE
								    << 16 |
				      row->ordinal;
			n++;
		}
	}
	assert_int_equal(n, BIG);
	return parts;
}

/* A table in pieces has each row once, and a row has the same number whoever reads it. */
static void comes_in_pieces(const char *table, int by_key)
{
	static uint64_t once[BIG + 1], again[BIG + 1];
	const uint64_t number = (UINT64_C(1) << KVF_POSTGRES_PIECE << 16) - 1;
	struct kvf_record record = { .name = "r", .table = table };
	struct kvf_postgres *s = (struct kvf_postgres *)source;
	unsigned i, others = 0;

	memset(once, 0, sizeof(once));
	memset(again, 0, sizeof(again));
	assert_int_equal(number_rows(&record, once, 3, 0), 3);
	assert_true(s->pieces.n > 3);
	assert_int_equal(s->pieces.column != NULL, by_key);
	assert_int_equal(number_rows(&record, again, 3, 1), 3);
	for (i = 1; i <= BIG; i++) {
		assert_int_equal(once[i] & number, again[i] & number);
		others += once[i] != again[i];
	}
	assert_true(others > 0); /* another part has read it */
	memset(once, 0, sizeof(once));
	assert_int_equal(number_rows(&record, once, 1, 0), 1);
}

static void parts_take_the_next_piece_that_is_left(void **state)
{
	(void)state;
	sql(writer, "CREATE TABLE big(id int PRIMARY KEY, v text)");
	make_big("big");
	open_source();
	comes_in_pieces("big", 0);
}

static void where_blocks_cannot_be_asked_for_keys_are(void **state)
{
	struct kvf_record plain = { .name = "r", .table = "plain" };
	unsigned parts = 3;
	struct kvf_err err;

	(void)state;
	sql(writer, "CREATE TABLE big(id int PRIMARY KEY, v text);"
		    "CREATE TABLE texts(id int, v text, k text COLLATE \"C\" NOT NULL);"
		    "CREATE INDEX ON texts (k);"
		    "CREATE TABLE stamped(id int, v text, t timestamptz, PRIMARY KEY (t, id));"
		    "CREATE TABLE plain(id int, v text)");
	make_big("big"); /* without a histogram */
	make_big("plain");
	sql(writer, "INSERT INTO texts SELECT id, v, 'it''s \\' || md5(id::text) FROM big;"
		    "INSERT INTO stamped SELECT id, v, timestamptz '2026-01-01' + id *"
		    " interval '1 minute' FROM big;"
		    "ALTER TABLE big ADD UNIQUE (v); ANALYZE texts; ANALYZE stamped");
	open_source();
	((struct kvf_postgres *)source)->version = 130000;
	comes_in_pieces("big", 1);
	comes_in_pieces("texts", 1);
	comes_in_pieces("stamped", 1);
	assert_int_equal(kvf_source_plan(source, &plain, &parts, &err), KVF_OK);
	assert_int_equal(parts, 1);
	assert_int_equal(read_all(&plain), BIG);
}

static void rows_of_foreign_partitions_come_by_keys(void **state)
{
	(void)state;
	sql(writer, "CREATE EXTENSION IF NOT EXISTS file_fdw;"
		    "CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;"
		    "CREATE TABLE mixed(id int NOT NULL, v text) PARTITION BY RANGE (id);"
		    "CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES FROM (1) TO (100000);"
		    "CREATE INDEX ON mixed (id)");
	make_big("mixed");
	sql(writer, "CREATE FOREIGN TABLE mixed_2 PARTITION OF mixed FOR VALUES FROM (100000)"
		    " TO (200000) SERVER files OPTIONS (filename '/dev/null');"
		    "ANALYZE mixed");
	open_source();
	comes_in_pieces("mixed", 1);
}

static void a_query_over_a_table_that_was_emptied_is_refused(void **state)
{
	struct kvf_record query = { .name = "q", .query = "SELECT a FROM other" };
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	enum kvf_status st;

	(void)state;
	open_source();
	sql(writer, "TRUNCATE other");
	st = kvf_rows_open(source, &query, 0, &rows, &err);
	while (!st)
		st = kvf_rows_next(rows, &row, &err);
	kvf_rows_close(rows);
	assert_int_equal(st, KVF_ESOURCE);
	assert_non_null(strstr(err.message, "\"other\" was emptied or rewritten"));
}

/* ---- a link that breaks --------------------------------------------------------------- */

/* Open, read the three rows of `tiny`, close, all through the proxy.  How it ended. */
static enum kvf_status read_tiny(struct pgproxy *proxy, uint64_t *n)
{
	struct kvf_record record = { .name = "r", .table = "tiny" };
	struct kvf_source *s = NULL;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	char place[1024];
	enum kvf_status st;

	*n = 0;
	snprintf(place, sizeof(place), "%s host=%s", getenv("KVF_TEST_PG"),
		 pgproxy_folder(proxy));
	st = kvf_source_open(place, NULL, &s, &err);
	if (!st)
		st = kvf_rows_open(s, &record, 0, &rows, &err);
	while (!st && !(st = kvf_rows_next(rows, &row, &err)))
		++*n;
	if (st == KVF_ESOURCE && !*err.hint)
		fail_msg("no hint: %s", err.message);
	kvf_rows_close(rows);
	kvf_source_close(s);
	return st;
}

/* Cut at every message of one type ("" = any); how many there were. */
static unsigned cut_everywhere(struct pgproxy *proxy, const char *how, const char *type)
{
	enum kvf_status st;
	char rule[64];
	uint64_t rows;
	unsigned n;

	for (n = 1;; n++) {
		pgproxy_reset(proxy);
		snprintf(rule, sizeof(rule), "cut-%s server %u %s", how, n, type);
		assert_int_equal(pgproxy_rule(proxy, rule), 0);
		st = read_tiny(proxy, &rows);
		if (!pgproxy_fired(proxy))
			break;
		/* What came after the last row need not have arrived. */
		if (st != KVF_ESOURCE && (st != KVF_EOF || rows != 3))
			fail_msg("%s: status %d, %d rows", rule, (int)st, (int)rows);
		if (st == KVF_EOF && strpbrk(type, "Hdc"))
			fail_msg("%s: taken for the end", rule);
	}
	assert_int_equal(st, KVF_EOF);
	assert_int_equal(rows, 3);
	return n - 1;
}

static void a_cut_link_is_never_the_end_of_the_rows(void **state)
{
	static const char *const how[] = { "before", "within", "after" };
	struct pgproxy *proxy = pgproxy_start(getenv("PGHOST"), NULL);
	size_t i;

	(void)state;
	assert_non_null(proxy);
	sql(writer, "CREATE TABLE tiny(a int, b text); INSERT INTO tiny VALUES (1, 'one'),"
		    " (2, 'two'), (3, NULL)");
	for (i = 0; i < 3; i++) {
		assert_int_equal(cut_everywhere(proxy, how[i], "H"), 1);
		assert_in_range(cut_everywhere(proxy, how[i], "d"), 3, 6);
		assert_int_equal(cut_everywhere(proxy, how[i], "c"), 1);
	}
	assert_true(cut_everywhere(proxy, "within", "") > 20);
	pgproxy_stop(proxy);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, before, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_kind_of_change_is_seen),
		TEST(what_leaves_the_rows_as_they_were_is_no_change),
		TEST(another_database_is_none_of_ours),
		TEST(a_commit_that_was_under_way_is_seen),
		TEST(partitions_and_the_tables_of_a_query_are_looked_at),
		TEST(where_tables_were_listed_the_list_counts),
		TEST(parts_take_the_next_piece_that_is_left),
		TEST(where_blocks_cannot_be_asked_for_keys_are),
		TEST(rows_of_foreign_partitions_come_by_keys),
		TEST(a_query_over_a_table_that_was_emptied_is_refused),
		TEST(a_cut_link_is_never_the_end_of_the_rows),
	};

	if (!getenv("KVF_TEST_PG")) {
		puts("1..1\nok 1 - no server: pg_conform.sh brings one # SKIP");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
