/*
 * source - what every driver has to do.  The same tables are given to each:
 * as cells to the memory driver, as rows of a database file to SQLite.  To
 * PostgreSQL, whose columns have types, tables much like them, if KVF_TEST_PG
 * says where (tests/integration/pg_conform.sh).
 */
#include "../support/legacy.h"
#include "../support/test.h"

#include <float.h>
#include <libpq-fe.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INT(v)                                                                                 \
	{                                                                                      \
		KVF_CELL_INT,                                                                  \
		{                                                                              \
			.i = (v)                                                               \
		}                                                                              \
	}
#define REAL(v)                                                                                \
	{                                                                                      \
		KVF_CELL_REAL,                                                                 \
		{                                                                              \
			.r = (v)                                                               \
		}                                                                              \
	}
#define TEXT(s)                                                                                \
	{                                                                                      \
		KVF_CELL_TEXT,                                                                 \
		{                                                                              \
			.b = {(const uint8_t *)(s), sizeof(s) - 1 }                            \
		}                                                                              \
	}
#define BLOB(s)                                                                                \
	{                                                                                      \
		KVF_CELL_BLOB,                                                                 \
		{                                                                              \
			.b = {(const uint8_t *)(s), sizeof(s) - 1 }                            \
		}                                                                              \
	}
#define NONE                                                                                   \
	{                                                                                      \
		KVF_CELL_NULL,                                                                 \
		{                                                                              \
			.i = 0                                                                 \
		}                                                                              \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct kvf_column odd_columns[] = {
	{ "id", "INTEGER", 0 },
	{ "a b", "", 0 },
	{ "\"q\" 'x' `y` [z]", "TEXT", 0 },
	{ "Gr\xc3\xb6\xc3\x9f"
	  "e/%",
	  "BLOB", KVF_COLUMN_NOTNULL },
};
static const struct kvf_cell odd_cells[] = {
	INT(1),
	NONE,
	NONE,
	INT(0),
	INT(2),
	INT(INT64_MAX),
	TEXT(""),
	BLOB(""),
	INT(3),
	INT(INT64_MIN),
	TEXT("a\0b\0"),
	BLOB("\0\1\2\xff"),
	INT(4),
	REAL(1.5),
	TEXT("\xff\xfe not utf-8"),
	BLOB("\0"),
	INT(5),
	REAL(DBL_MAX),
	TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f"),
	TEXT("text in a blob"),
	INT(6),
	REAL(5e-324),
	TEXT("line\r\nline"),
	REAL((double)INFINITY),
	INT(7),
	REAL(0.1),
	TEXT("\xed\xa0\x80"),
	REAL(-(double)INFINITY),
};
static const uint32_t odd_key[] = { 0 };

static const struct kvf_column pair_columns[] = {
	{ "a", "TEXT", KVF_COLUMN_NOTNULL },
	{ "v", "INTEGER", 0 },
	{ "b", "TEXT", KVF_COLUMN_NOTNULL },
};
static const struct kvf_cell pair_cells[] = {
	TEXT("x"), INT(1), TEXT("y"), TEXT("x"), INT(2), TEXT("z"), TEXT("xy"), NONE, TEXT(""),
};
static const uint32_t pair_key[] = { 2, 0 };

static const struct kvf_column bare_columns[] = { { "v", "", 0 } };
static const struct kvf_cell bare_cells[] = {
	INT(1), TEXT("1"), INT(1), BLOB("1"), NONE, NONE
};

/* Not in the order of their names. */
static struct kvf_memory_table tables[] = {
	{ { .name = "zz \"odd\"",
	    .dialect = "sqlite",
	    .columns = odd_columns,
	    .ncolumns = 4,
	    .key = odd_key,
	    .nkey = 1 },
	  odd_cells,
	  COUNT(odd_cells) / 4 },
	{ { .name = "Pair",
	    .dialect = "sqlite",
	    .columns = pair_columns,
	    .ncolumns = 3,
	    .key = pair_key,
	    .nkey = 2 },
	  pair_cells,
	  COUNT(pair_cells) / 3 },
	{ { .name = "a/b", .dialect = "sqlite", .columns = bare_columns, .ncolumns = 1 },
	  bare_cells,
	  COUNT(bare_cells) },
	{ { .name = "empty", .dialect = "sqlite", .columns = bare_columns, .ncolumns = 1 },
	  NULL,
	  0 },
};
/* The same with a type for each column. */
static const struct kvf_column pg_odd_columns[] = {
	{ "id", "integer", KVF_COLUMN_NOTNULL },
	{ "a b", "bigint", 0 },
	{ "\"q\" 'x' `y` [z]", "text", 0 },
	{ "Gr\xc3\xb6\xc3\x9f"
	  "e/%",
	  "bytea", KVF_COLUMN_NOTNULL },
};
static const struct kvf_cell pg_odd_cells[] = {
	INT(1),
	NONE,
	NONE,
	BLOB("0"),
	INT(2),
	INT(INT64_MAX),
	TEXT(""),
	BLOB(""),
	INT(3),
	INT(INT64_MIN),
	TEXT("a\\b\t"),
	BLOB("\0\1\2\xff"),
	INT(4),
	INT(0),
	TEXT("\\N"),
	BLOB("\0"),
	INT(5),
	INT(-1),
	TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f"),
	BLOB("text in a blob"),
	INT(6),
	INT(7),
	TEXT("line\r\nline"),
	BLOB("\xff\xff"),
	INT(7),
	INT(8),
	TEXT("\xed\x9f\xbf"),
	BLOB("\r\n"),
};
static const struct kvf_column pg_pair_columns[] = {
	{ "a", "text", KVF_COLUMN_NOTNULL },
	{ "v", "integer", 0 },
	{ "b", "text", KVF_COLUMN_NOTNULL },
};
static const struct kvf_column pg_bare_columns[] = { { "v", "bigint", 0 } };
static const struct kvf_cell pg_bare_cells[] = { INT(1), INT(1), INT(-1), NONE, NONE, INT(0) };

static struct kvf_memory_table pg_tables[] = {
	{ { .name = "zz \"odd\"",
	    .dialect = "postgresql",
	    .columns = pg_odd_columns,
	    .ncolumns = 4,
	    .key = odd_key,
	    .nkey = 1 },
	  pg_odd_cells,
	  COUNT(pg_odd_cells) / 4 },
	{ { .name = "Pair",
	    .dialect = "postgresql",
	    .columns = pg_pair_columns,
	    .ncolumns = 3,
	    .key = pair_key,
	    .nkey = 2 },
	  pair_cells,
	  COUNT(pair_cells) / 3 },
	{ { .name = "a/b", .dialect = "postgresql", .columns = pg_bare_columns, .ncolumns = 1 },
	  pg_bare_cells,
	  COUNT(pg_bare_cells) },
	{ { .name = "empty",
	    .dialect = "postgresql",
	    .columns = pg_bare_columns,
	    .ncolumns = 1 },
	  NULL,
	  0 },
};
static const struct kvf_memory_table *given = tables; /* to the driver under test */
static const char *const in_order[] = { "Pair", "a/b", "empty", "zz \"odd\"" };

/* ---- the drivers ---------------------------------------------------------------- */

static int with_memory(void **state)
{
	struct kvf_source *s = NULL;
	struct kvf_err err;

	given = tables;
	assert_int_equal(kvf_source_memory(tables, COUNT(tables), NULL, &s, &err), KVF_OK);
	*state = s;
	return 0;
}

static void insert(sqlite3 *db, const struct kvf_memory_table *t)
{
	size_t row, i, n = t->shape.ncolumns;
	sqlite3_stmt *stmt = NULL;
	char *sql = sqlite3_mprintf("INSERT INTO \"%w\" VALUES(?1%s)", t->shape.name,
				    n == 4   ? ",?2,?3,?4"
				    : n == 3 ? ",?2,?3"
					     : "");

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	sqlite3_free(sql);
	for (row = 0; row < t->nrows; row++) {
		for (i = 0; i < n; i++) {
			const struct kvf_cell *c = &t->cells[row * n + i];
			int at = (int)i + 1;

			if (c->type == KVF_CELL_INT)
				sqlite3_bind_int64(stmt, at, c->u.i);
			else if (c->type == KVF_CELL_REAL)
				sqlite3_bind_double(stmt, at, c->u.r);
			else if (c->type == KVF_CELL_TEXT)
				sqlite3_bind_text(stmt, at, (const char *)c->u.b.ptr,
						  (int)c->u.b.len, SQLITE_STATIC);
			else if (c->type == KVF_CELL_BLOB)
				sqlite3_bind_blob(stmt, at, c->u.b.ptr, (int)c->u.b.len,
						  SQLITE_STATIC);
			else
				sqlite3_bind_null(stmt, at);
		}
		assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
}

static int with_sqlite(void **state)
{
	sqlite3 *db = NULL;
	size_t i;

	given = tables;
	legacy_folder();
	assert_int_equal(sqlite3_open(legacy_path("a.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			     "CREATE TABLE \"zz \"\"odd\"\"\"(id INTEGER PRIMARY KEY, \"a b\","
			     " \"\"\"q\"\" 'x' `y` [z]\" TEXT, \"Gr\xc3\xb6\xc3\x9f"
			     "e/%\" BLOB NOT NULL);"
			     "CREATE TABLE Pair(a TEXT NOT NULL, v INTEGER, b TEXT NOT NULL,"
			     " PRIMARY KEY(b, a));"
			     "CREATE TABLE \"a/b\"(v); CREATE TABLE empty(v);",
			     NULL, NULL, NULL),
		SQLITE_OK);
	for (i = 0; i < COUNT(tables); i++)
		insert(db, &tables[i]);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	*state = legacy_open("a.db");
	return 0;
}

static int without_memory(void **state)
{
	kvf_source_close(*state);
	return 0;
}

static int without_sqlite(void **state)
{
	kvf_source_close(*state);
	legacy_remove();
	return 0;
}

static void run(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
}

static void pg_insert(PGconn *conn, const struct kvf_memory_table *t, const char *sql)
{
	size_t row, i, n = t->shape.ncolumns;

	for (row = 0; row < t->nrows; row++) {
		const char *values[4] = { NULL };
		int lengths[4] = { 0 }, formats[4] = { 0 };
		char numbers[4][24];
		PGresult *res;

		for (i = 0; i < n; i++) {
			const struct kvf_cell *c = &t->cells[row * n + i];

			if (c->type == KVF_CELL_INT) {
				snprintf(numbers[i], sizeof(numbers[i]), "%lld",
					 (long long)c->u.i);
				values[i] = numbers[i];
			} else if (c->type != KVF_CELL_NULL) {
				values[i] = (const char *)c->u.b.ptr;
				lengths[i] = (int)c->u.b.len;
				formats[i] = 1;
			}
		}
		res = PQexecParams(conn, sql, (int)n, NULL, values, lengths, formats, 0);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail_msg("%s: %s", sql, PQerrorMessage(conn));
		PQclear(res);
	}
}

static int in_pages; /* this source reads its tables in the order of their keys */

static int with_postgres(void **state)
{
	const char *place = getenv("KVF_TEST_PG");
	struct kvf_source *s = NULL;
	struct kvf_err err;
	PGconn *conn;

	if (!place)
		return -1;
	given = pg_tables;
	/* By the rules of CockroachDB, the same server. */
	in_pages = strncmp(place, "cockroachdb:", 12) == 0;
	conn = PQconnectdb(in_pages ? place + 12 : place);
	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	run(conn, "SET client_min_messages = error; DROP SCHEMA public CASCADE;"
		  "CREATE SCHEMA public;"
		  "CREATE TABLE \"zz \"\"odd\"\"\"(id int PRIMARY KEY, \"a b\" int8,"
		  " \"\"\"q\"\" 'x' `y` [z]\" text, \"Gr\xc3\xb6\xc3\x9f"
		  "e/%\" bytea NOT NULL);"
		  "CREATE TABLE \"Pair\"(a text NOT NULL, v int, b text NOT NULL,"
		  " PRIMARY KEY(b, a));"
		  "CREATE TABLE \"a/b\"(v int8); CREATE TABLE empty(v int8);"
		  "CREATE VIEW no_table AS SELECT 1 AS one");
	pg_insert(conn, &pg_tables[0],
		  "INSERT INTO \"zz \"\"odd\"\"\" VALUES ($1, $2, $3, $4)");
	pg_insert(conn, &pg_tables[1], "INSERT INTO \"Pair\" VALUES ($1, $2, $3)");
	pg_insert(conn, &pg_tables[2], "INSERT INTO \"a/b\" VALUES ($1)");
	PQfinish(conn);
	if (kvf_source_open(place, NULL, &s, &err))
		fail_msg("%s", err.message);
	*state = s;
	return 0;
}

static int without_postgres(void **state)
{
	kvf_source_close(*state);
	return 0;
}

/* ---- the suite -------------------------------------------------------------------- */

static const struct kvf_memory_table *expected(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(tables); i++)
		if (strcmp(given[i].shape.name, name) == 0)
			return &given[i];
	fail();
	return NULL;
}

/* Which row of the table comes as its n-th?  The others are given in that order. */
static size_t nth(const struct kvf_memory_table *t, size_t n)
{
	return in_pages && strcmp(t->shape.name, "Pair") == 0 ? (n + 2) % 3 : n;
}

static void same_cell(const struct kvf_cell *a, const struct kvf_cell *b)
{
	assert_int_equal(a->type, b->type);
	if (a->type == KVF_CELL_TEXT || a->type == KVF_CELL_BLOB) {
		assert_int_equal(a->u.b.len, b->u.b.len);
		if (a->u.b.len)
			assert_memory_equal(a->u.b.ptr, b->u.b.ptr, a->u.b.len);
	} else if (a->type != KVF_CELL_NULL) {
		assert_int_equal(a->u.i, b->u.i);
	}
}

static void tables_are_listed_by_name_with_their_shapes(void **state)
{
	const struct kvf_table *list;
	struct kvf_err err;
	size_t n, i, k;

	assert_int_equal(kvf_source_tables(*state, &list, &n, &err), KVF_OK);
	assert_int_equal(n, COUNT(in_order));
	for (i = 0; i < n; i++) {
		const struct kvf_table *t = &expected(in_order[i])->shape;

		assert_string_equal(list[i].name, in_order[i]);
		assert_string_equal(list[i].dialect, t->dialect);
		assert_int_equal(list[i].ncolumns, t->ncolumns);
		for (k = 0; k < t->ncolumns; k++) {
			assert_string_equal(list[i].columns[k].name, t->columns[k].name);
			assert_string_equal(list[i].columns[k].type, t->columns[k].type);
			assert_int_equal(list[i].columns[k].flags, t->columns[k].flags);
		}
		assert_int_equal(list[i].nkey, t->nkey);
		for (k = 0; k < t->nkey; k++)
			assert_int_equal(list[i].key[k], t->key[k]);
	}
}

static void every_cell_comes_as_it_is(void **state)
{
	struct kvf_err err;
	size_t i, k;

	for (i = 0; i < COUNT(in_order); i++) {
		const struct kvf_memory_table *t = expected(in_order[i]);
		struct kvf_record record = { .name = "r", .table = in_order[i] };
		struct kvf_rows *rows = NULL;
		const struct kvf_row *row;
		uint64_t n = 0, count = 99;

		assert_int_equal(kvf_rows_open(*state, &record, 0, &rows, &err), KVF_OK);
		while (kvf_rows_next(rows, &row, &err) == KVF_OK) {
			assert_true(n < t->nrows);
			assert_int_equal(row->ncells, t->shape.ncolumns);
			for (k = 0; k < row->ncells; k++)
				same_cell(&row->cells[k],
					  &t->cells[nth(t, n) * row->ncells + k]);
			assert_int_equal(row->ordinal, ++n);
		}
		assert_int_equal(n, t->nrows);
		/* The end stays the end. */
		assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_EOF);
		assert_null(row);
		kvf_rows_close(rows);
		assert_int_equal(kvf_source_count(*state, &record, &count, &err), KVF_OK);
		assert_int_equal(count, n);
	}
}

static void a_record_may_want_some_columns_in_its_own_order(void **state)
{
	static const char *const wanted[] = { "v", "a" };
	static const char *const wrong[] = { "v", "nosuch" };
	struct kvf_record record = {
		.name = "r", .table = "Pair", .columns = wanted, .ncolumns = 2
	};
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;

	assert_int_equal(kvf_rows_open(*state, &record, 0, &rows, &err), KVF_OK);
	assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
	assert_int_equal(row->ncells, 2);
	same_cell(&row->cells[0], &pair_cells[3 * nth(expected("Pair"), 0) + 1]);
	same_cell(&row->cells[1], &pair_cells[3 * nth(expected("Pair"), 0)]);
	kvf_rows_close(rows);
	record.columns = wrong;
	assert_int_equal(kvf_rows_open(*state, &record, 0, &rows, &err), KVF_EDEFINITION);
	assert_non_null(strstr(err.message, "nosuch"));
	assert_null(rows);
}

static void what_the_source_does_not_know_is_a_wrong_definition(void **state)
{
	struct kvf_record record = { .name = "r", .table = "Pairs" };
	const struct kvf_table *shape;
	struct kvf_err err;
	unsigned parts = 2;
	uint64_t n;

	assert_int_equal(kvf_source_describe(*state, &record, &shape, &err), KVF_EDEFINITION);
	assert_non_null(strstr(err.message, "Pairs"));
	assert_non_null(strstr(err.hint, "\"Pair\""));
	assert_int_equal(kvf_source_plan(*state, &record, &parts, &err), KVF_EDEFINITION);
	assert_int_equal(kvf_source_count(*state, &record, &n, &err), KVF_EDEFINITION);
	record.query = "SELECT 1";
	assert_int_equal(kvf_source_describe(*state, &record, &shape, &err), KVF_EDEFINITION);
	record.table = record.query = NULL;
	assert_int_equal(kvf_source_describe(*state, &record, &shape, &err), KVF_EDEFINITION);
}

static void a_shape_stays_where_it_is(void **state)
{
	struct kvf_record record = { .name = "r", .table = "Pair" };
	const struct kvf_table *first, *second;
	struct kvf_err err;

	assert_int_equal(kvf_source_describe(*state, &record, &first, &err), KVF_OK);
	assert_int_equal(kvf_source_describe(*state, &record, &second, &err), KVF_OK);
	assert_ptr_equal(first, second);
	assert_string_equal(first->name, "Pair");
	assert_int_equal(first->nkey, 2);
}

/* One thread that reads one part: which values of "id" it saw. */
struct reader {
	struct kvf_source *s;
	const struct kvf_record *record;
	unsigned part;
	unsigned seen; /* bit per id */
	unsigned rows;
	enum kvf_status st;
};

static void *read_part(void *arg)
{
	struct reader *r = arg;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;

	r->st = kvf_rows_open(r->s, r->record, r->part, &rows, &err);
	while (!r->st && !(r->st = kvf_rows_next(rows, &row, &err))) {
		r->seen |= 1u << row->cells[0].u.i;
		r->rows++;
	}
	kvf_rows_close(rows);
	return NULL;
}

static void parts_hold_every_row_once(void **state)
{
	struct kvf_record record = { .name = "r", .table = "zz \"odd\"" };
	struct reader readers[4];
	pthread_t threads[4];
	struct kvf_err err;
	unsigned wish, parts, i, seen, rows;

	for (wish = 1; wish <= 4; wish++) {
		parts = wish;
		seen = rows = 0;
		assert_int_equal(kvf_source_plan(*state, &record, &parts, &err), KVF_OK);
		assert_in_range(parts, 1, wish);
		for (i = 0; i < parts; i++) {
			readers[i] = (struct reader){ *state, &record, i, 0, 0, KVF_OK };
			assert_int_equal(
				pthread_create(&threads[i], NULL, read_part, &readers[i]), 0);
		}
		for (i = 0; i < parts; i++)
			pthread_join(threads[i], NULL);
		for (i = 0; i < parts; i++) {
			assert_int_equal(readers[i].st, KVF_EOF);
			assert_int_equal(seen & readers[i].seen, 0);
			seen |= readers[i].seen;
			rows += readers[i].rows;
		}
		assert_int_equal(rows, 7);
		assert_int_equal(seen, 0xfe);
	}
}

static void small_parts_hold_every_row_once_too(void **state)
{
	struct kvf_record record = { .name = "r", .table = "zz \"odd\"" };
	struct kvf_err err;
	unsigned at_once = 2, parts = 0, i, seen = 0, rows = 0;

	assert_int_equal(kvf_source_plan_small(*state, &record, &at_once, &parts, &err),
			 KVF_OK);
	assert_in_range(at_once, 1, 2);
	assert_in_range(parts, 1, 7);
	for (i = 0; i < parts; i++) {
		struct reader r = { *state, &record, i, 0, 0, KVF_OK };

		read_part(&r);
		assert_int_equal(r.st, KVF_EOF);
		assert_int_equal(seen & r.seen, 0);
		seen |= r.seen;
		rows += r.rows;
	}
	assert_int_equal(rows, 7);
	assert_int_equal(seen, 0xfe);
}

static void a_part_that_was_not_planned_is_refused(void **state)
{
	struct kvf_record record = { .name = "r", .table = "Pair" };
	struct kvf_rows *rows = NULL;
	struct kvf_err err;
	unsigned parts = 1;

	assert_int_equal(kvf_source_plan(*state, &record, &parts, &err), KVF_OK);
	assert_int_equal(kvf_rows_open(*state, &record, parts, &rows, &err), KVF_EUSAGE);
	assert_null(rows);
}

static void rows_may_be_left_early_and_read_again(void **state)
{
	struct kvf_record record = { .name = "r", .table = "a/b" };
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_err err;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(kvf_rows_open(*state, &record, 0, &rows, &err), KVF_OK);
		assert_int_equal(kvf_rows_next(rows, &row, &err), KVF_OK);
		assert_int_equal(row->ordinal, 1);
		same_cell(&row->cells[0], &expected("a/b")->cells[0]);
		kvf_rows_close(rows);
	}
}

static void a_source_says_what_it_is_and_whether_it_changed(void **state)
{
	struct kvf_err err;
	int changed = 1;

	assert_int_not_equal(kvf_source_identity(*state)[0], '\0');
	assert_false(kvf_source_is_place(*state, "sqlite:/nosuch.db"));
	assert_false(kvf_source_is_place(*state, "postgresql://host/db"));
	assert_int_equal(kvf_source_changed(*state, &changed, &err), KVF_OK);
	assert_false(changed);
}

#define SUITE(with, without)                                                                   \
	CASE(tables_are_listed_by_name_with_their_shapes, with, without),                      \
		CASE(every_cell_comes_as_it_is, with, without),                                \
		CASE(a_record_may_want_some_columns_in_its_own_order, with, without),          \
		CASE(what_the_source_does_not_know_is_a_wrong_definition, with, without),      \
		CASE(a_shape_stays_where_it_is, with, without),                                \
		CASE(parts_hold_every_row_once, with, without),                                \
		CASE(small_parts_hold_every_row_once_too, with, without),                      \
		CASE(a_part_that_was_not_planned_is_refused, with, without),                   \
		CASE(rows_may_be_left_early_and_read_again, with, without),                    \
		CASE(a_source_says_what_it_is_and_whether_it_changed, with, without)
#define CASE(test, with, without)                                                              \
	{                                                                                      \
#with "/" #test, test, with, without, NULL                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE(with_memory, without_memory),
		SUITE(with_sqlite, without_sqlite),
	};
	const struct CMUnitTest postgres[] = { SUITE(with_postgres, without_postgres) };

	return getenv("KVF_TEST_PG") ? cmocka_run_group_tests(postgres, NULL, NULL)
				     : cmocka_run_group_tests(tests, NULL, NULL);
}
