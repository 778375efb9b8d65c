/* source_sqlite_schema - any schema: what is listed, how it is described, what is left out. */
#include "../support/legacy.h"
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* All names, in order, with a comma behind each. */
static void names_are(struct kvf_source *s, const char *expected)
{
	const struct kvf_table *list;
	struct kvf_err err;
	char text[1024] = "";
	size_t n, i, at = 0;

	assert_int_equal(kvf_source_tables(s, &list, &n, &err), KVF_OK);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s,", list[i].name);
	assert_string_equal(text, expected);
}

static const struct kvf_table *shape_of(struct kvf_source *s, const char *table)
{
	struct kvf_record record = { .name = table, .table = table };
	const struct kvf_table *shape = NULL;
	struct kvf_err err;

	assert_int_equal(kvf_source_describe(s, &record, &shape, &err), KVF_OK);
	return shape;
}

static void keys_are_found_however_they_are_declared(void **state)
{
	static const struct {
		const char *table;
		unsigned flags;
		size_t nkey;
	} expected[] = {
		{ "alias", 0, 1 },
		{ "descending", KVF_TABLE_KEY_HAS_NULLS, 1 },
		{ "anything", KVF_TABLE_KEY_HAS_NULLS, 1 },
		{ "certain", 0, 1 },
		{ "pair", KVF_TABLE_KEY_HAS_NULLS, 2 },
		{ "norowid", KVF_TABLE_WITHOUT_ROWID, 2 },
		{ "strict", KVF_TABLE_STRICT, 1 },
		{ "none", 0, 0 },
	};
	struct kvf_source *s;
	size_t i;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE alias(v, id INTEGER PRIMARY KEY);"
			   "CREATE TABLE descending(id INTEGER PRIMARY KEY DESC);"
			   "CREATE TABLE anything(k TEXT PRIMARY KEY);"
			   "CREATE TABLE certain(k TEXT NOT NULL PRIMARY KEY);"
			   "CREATE TABLE pair(a, b NOT NULL, c, PRIMARY KEY(c, a));"
			   "CREATE TABLE norowid(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID;"
			   "CREATE TABLE strict(a INT PRIMARY KEY NOT NULL) STRICT;"
			   "CREATE TABLE none(a UNIQUE, b)");
	s = legacy_open("a.db");
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct kvf_table *t = shape_of(s, expected[i].table);

		assert_int_equal(t->flags, expected[i].flags);
		assert_int_equal(t->nkey, expected[i].nkey);
	}
	assert_int_equal(shape_of(s, "alias")->key[0], 1);
	assert_int_equal(shape_of(s, "pair")->key[0], 2);
	assert_int_equal(shape_of(s, "pair")->key[1], 0);
	kvf_source_close(s);
}

static void generated_columns_are_carried_and_flagged(void **state)
{
	struct kvf_record record = { .name = "t", .table = "t" };
	struct kvf_source *s;
	const struct kvf_table *t;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db",
		   "CREATE TABLE t(a INT NOT NULL, v AS (a * 2), w TEXT AS (a || '!') STORED);"
		   "INSERT INTO t(a) VALUES(4)");
	s = legacy_open("a.db");
	t = shape_of(s, "t");
	assert_int_equal(t->ncolumns, 3);
	assert_int_equal(t->columns[0].flags, KVF_COLUMN_NOTNULL);
	assert_int_equal(t->columns[1].flags, KVF_COLUMN_GENERATED);
	assert_int_equal(t->columns[2].flags, KVF_COLUMN_GENERATED | KVF_COLUMN_STORED);
	assert_int_equal(kvf_rows_open(s, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[1].u.i, 8);
	assert_int_equal(row->cells[2].u.b.len, 2);
	kvf_rows_close(rows);
	kvf_source_close(s);
}

static void unique_constraints_say_when_they_hold(void **state)
{
	struct kvf_source *s;
	const struct kvf_table *t;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL, b, c NOT NULL,"
			   " UNIQUE(c, a), UNIQUE(b));"
			   "CREATE UNIQUE INDEX some ON t(a) WHERE b > 0;"
			   "CREATE UNIQUE INDEX expression ON t(lower(c));"
			   "CREATE INDEX ordinary ON t(b)");
	s = legacy_open("a.db");
	t = shape_of(s, "t");
	assert_int_equal(t->nunique, 4);
	assert_int_equal(t->unique[0].ncolumns, 2);
	assert_int_equal(t->unique[0].columns[0], 3);
	assert_int_equal(t->unique[0].columns[1], 1);
	assert_false(t->unique[0].nullable || t->unique[0].partial);
	assert_true(t->unique[1].nullable && !t->unique[1].partial);
	assert_true(t->unique[2].partial && t->unique[3].partial);
	kvf_source_close(s);
}

static void statements_come_with_their_table_and_views_with_the_first(void **state)
{
	struct kvf_source *s;
	const struct kvf_table *list;
	struct kvf_err err;
	size_t n;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE b(x); CREATE INDEX bx ON b(x); CREATE TABLE a(y);"
			   "CREATE VIEW v AS SELECT * FROM b;"
			   "CREATE TRIGGER vt INSTEAD OF INSERT ON v BEGIN SELECT 1; END;"
			   "CREATE TRIGGER bt AFTER INSERT ON B BEGIN SELECT 1; END");
	s = legacy_open("a.db");
	assert_int_equal(kvf_source_tables(s, &list, &n, &err), KVF_OK);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].nddl, 3);
	assert_string_equal(list[0].ddl[0].sql, "CREATE TABLE a(y)");
	assert_string_equal(list[0].ddl[1].kind, "view");
	assert_string_equal(list[0].ddl[2].name, "vt");
	assert_int_equal(list[1].nddl, 3);
	assert_string_equal(list[1].ddl[0].kind, "table");
	assert_string_equal(list[1].ddl[1].name, "bx");
	assert_string_equal(list[1].ddl[2].name, "bt");
	kvf_source_close(s);
}

static void a_view_is_read_when_a_record_names_it(void **state)
{
	struct kvf_source *s;
	const struct kvf_table *t;
	struct kvf_err err;

	(void)state;
	legacy_sql(
		"a.db",
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 2), (3, 4);"
		"CREATE VIEW \"a view\" AS SELECT a + b AS \"the sum\", \"literal\" AS x FROM "
		"t");
	s = legacy_open("a.db");
	names_are(s, "t,");
	t = shape_of(s, "A VIEW");
	assert_string_equal(t->name, "a view");
	assert_int_equal(t->flags, KVF_TABLE_VIEW);
	assert_int_equal(t->ncolumns, 2);
	assert_string_equal(t->columns[0].name, "the sum");
	assert_int_equal(legacy_read(s, "a view", &err), 2);
	kvf_source_close(s);
}

static void records_have_conditions_and_queries(void **state)
{
	struct kvf_record where = { .name = "w", .table = "t", .where = "b > 2 -- not all" };
	struct kvf_record query = { .name = "q",
				    .query = "SELECT b AS x, count(*) FROM t GROUP BY b ORDER "
					     "BY b DESC -- descending" };
	const struct kvf_table *shape;
	struct kvf_source *s;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	uint64_t n;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT); INSERT INTO t "
			   "VALUES(1, 2), (3, 4), (5, 4)");
	s = legacy_open("a.db");
	assert_int_equal(kvf_source_count(s, &where, &n, &err), KVF_OK);
	assert_int_equal(n, 2);
	assert_int_equal(kvf_rows_open(s, &where, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[0].u.i, 3);
	kvf_rows_close(rows);
	assert_int_equal(kvf_source_describe(s, &query, &shape, &err), KVF_OK);
	assert_string_equal(shape->name, "q");
	assert_string_equal(shape->columns[0].name, "x");
	assert_string_equal(shape->columns[0].type, "INT");
	assert_string_equal(shape->columns[1].type, "");
	assert_int_equal(kvf_source_count(s, &query, &n, &err), KVF_OK);
	assert_int_equal(n, 2);
	assert_int_equal(kvf_rows_open(s, &query, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[0].u.i, 4);
	assert_int_equal(row->cells[1].u.i, 2);
	kvf_rows_close(rows);
	where.where = "nosuch > 2";
	assert_int_equal(kvf_rows_open(s, &where, 0, &rows, &err), KVF_EDEFINITION);
	kvf_source_close(s);
}

static void virtual_tables_are_carried_by_their_rows(void **state)
{
	struct kvf_source *s;
	const struct kvf_table *t;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "CREATE VIRTUAL TABLE notes USING fts5(title, body);"
			   "INSERT INTO notes(rowid, title) VALUES(9, 'x'), (4, 'y');"
			   "CREATE VIRTUAL TABLE boxes USING rtree(id, a, b);"
			   "INSERT INTO boxes VALUES(3, 1, 2);"
			   "CREATE TABLE t(a)");
	s = legacy_open("a.db");
	names_are(s, "boxes,notes,t,");
	assert_non_null(strstr(legacy_log(), "\"notes\": its rows are carried"));
	t = shape_of(s, "notes");
	assert_int_equal(t->flags, KVF_TABLE_VIRTUAL);
	assert_int_equal(t->ncolumns, 3);
	assert_string_equal(t->columns[0].name, "rowid");
	assert_true(t->columns[0].flags & KVF_COLUMN_HIDDEN);
	assert_int_equal(t->nkey, 1);
	assert_int_equal(shape_of(s, "boxes")->nkey, 1);
	assert_int_equal(shape_of(s, "boxes")->ncolumns, 3);
	assert_int_equal(legacy_read(s, "notes", &err), 2);
	kvf_source_close(s);
}

static void a_virtual_table_without_its_module_is_left_out_aloud(void **state)
{
	struct kvf_source *s;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a); PRAGMA writable_schema=ON;"
			   "INSERT INTO sqlite_schema VALUES('table', 'odd', 'odd', 0,"
			   " 'CREATE VIRTUAL TABLE odd USING nosuchmodule(x)')");
	s = legacy_open("a.db");
	names_are(s, "t,");
	assert_non_null(strstr(legacy_log(), "\"odd\" is left out: no such module"));
	kvf_source_close(s);
}

static void what_sqlite_and_kvferry_keep_is_not_listed(void **state)
{
	struct kvf_source *s;

	(void)state;
	legacy_sql(
		"a.db",
		"CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES(1);"
		"CREATE TABLE kv(a); CREATE TABLE kvferry_notes(a); CREATE INDEX i ON kv(a); "
		"ANALYZE");
	s = legacy_open("a.db");
	names_are(s, "kv,kvferry_notes,t,");
	kvf_source_close(s);
	/* The control table marks what is kvferry's, and names the published table. */
	legacy_sql("a.db", "CREATE TABLE kvferry_control(live TEXT, active INT);"
			   "INSERT INTO kvferry_control VALUES('kv', 0);"
			   "CREATE TABLE kvferry_ledger(a); CREATE TABLE kvferry_g12(a);"
			   "CREATE TABLE kvferry_g(a); CREATE TABLE kvferry_g1x(a)");
	s = legacy_open("a.db");
	names_are(s, "kv,kvferry_g,kvferry_g1x,kvferry_notes,t,");
	kvf_source_close(s);
	legacy_sql("a.db", "UPDATE kvferry_control SET active = 3");
	s = legacy_open("a.db");
	names_are(s, "kvferry_g,kvferry_g1x,kvferry_notes,t,");
	kvf_source_close(s);
}

static void rows_are_estimated_for_nothing_and_counted_on_request(void **state)
{
	struct kvf_record record = { .name = "t", .table = "t" };
	struct kvf_source *s;
	struct kvf_err err;
	uint64_t n;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a PRIMARY KEY, b); CREATE TABLE u(a);"
			   "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3); ANALYZE; DELETE FROM t "
			   "WHERE a = 1");
	s = legacy_open("a.db");
	assert_int_equal(shape_of(s, "t")->rows, 3);
	assert_false(shape_of(s, "t")->rows_exact);
	assert_true(shape_of(s, "u")->rows == UINT64_MAX);
	assert_int_equal(kvf_source_count(s, &record, &n, &err), KVF_OK);
	assert_int_equal(n, 2);
	kvf_source_close(s);
}

static void utf_16_databases_give_utf_8(void **state)
{
	struct kvf_record record = { .name = "t",
				     .table = "Gr\xc3\xb6\xc3\x9f"
					      "e" };
	struct kvf_source *s;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;

	(void)state;
	legacy_sql("a.db", "PRAGMA encoding='UTF-16le'; CREATE TABLE \"Gr\xc3\xb6\xc3\x9f"
			   "e\"(a);"
			   "INSERT INTO \"Gr\xc3\xb6\xc3\x9f"
			   "e\" VALUES('\xf0\x9f\x90\x9f\xc3\xa9'), (x'ff00')");
	s = legacy_open("a.db");
	names_are(s, "Gr\xc3\xb6\xc3\x9f"
		     "e,");
	assert_int_equal(kvf_rows_open(s, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[0].u.b.len, 6);
	assert_memory_equal(row->cells[0].u.b.ptr, "\xf0\x9f\x90\x9f\xc3\xa9", 6);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[0].type, KVF_CELL_BLOB);
	kvf_rows_close(rows);
	kvf_source_close(s);
}

static void a_value_of_32_mib_is_read(void **state)
{
	struct kvf_record record = { .name = "t", .table = "t" };
	struct kvf_source *s;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	size_t size = (size_t)32 << 20;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE t(a, b); INSERT INTO t VALUES(zeroblob(33554432),"
			   " printf('%.*c', 33554432, 'x'))");
	s = legacy_open("a.db");
	assert_int_equal(kvf_rows_open(s, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->cells[0].type, KVF_CELL_BLOB);
	assert_int_equal(row->cells[0].u.b.len, size);
	assert_int_equal(row->cells[0].u.b.ptr[size - 1], 0);
	assert_int_equal(row->cells[1].type, KVF_CELL_TEXT);
	assert_int_equal(row->cells[1].u.b.len, size);
	assert_int_equal(row->cells[1].u.b.ptr[size - 1], 'x');
	kvf_rows_close(rows);
	kvf_source_close(s);
}

static void names_that_are_not_utf_8_are_refused(void **state)
{
	struct kvf_source *s;
	const struct kvf_table *list;
	struct kvf_err err;
	size_t n;

	(void)state;
	legacy_sql("a.db", "CREATE TABLE \"t\xff\"(a)");
	s = legacy_open("a.db");
	assert_int_equal(kvf_source_tables(s, &list, &n, &err), KVF_ESOURCE);
	assert_non_null(strstr(err.message, "not UTF-8"));
	assert_int_not_equal(err.hint[0], '\0');
	kvf_source_close(s);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(keys_are_found_however_they_are_declared),
		CASE(generated_columns_are_carried_and_flagged),
		CASE(unique_constraints_say_when_they_hold),
		CASE(statements_come_with_their_table_and_views_with_the_first),
		CASE(a_view_is_read_when_a_record_names_it),
		CASE(records_have_conditions_and_queries),
		CASE(virtual_tables_are_carried_by_their_rows),
		CASE(a_virtual_table_without_its_module_is_left_out_aloud),
		CASE(what_sqlite_and_kvferry_keep_is_not_listed),
		CASE(rows_are_estimated_for_nothing_and_counted_on_request),
		CASE(utf_16_databases_give_utf_8),
		CASE(a_value_of_32_mib_is_read),
		CASE(names_that_are_not_utf_8_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
