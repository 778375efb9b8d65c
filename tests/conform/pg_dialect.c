/*
 * Which texts of the dialects a server of PostgreSQL understands: all but those that
 * docs/cockroachdb.md lists as not run on a server, and of those none.  Needs a server:
 * tests/integration/pg_cockroach.sh starts one and sets KVF_TEST_POSTGRES; TOP is the
 * repository.
 */
#include "../support/test.h"

#include "pg/dialect.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER(m) offsetof(struct kvf_pg_dialect, m)

/* Every text of a dialect, and how a whole statement is made of it. */
static const struct text {
	const char *name;
	size_t at;
	const char *before, *behind;
	const char *first, *second; /* in place of %s */
} texts[] = {
	{ "begin", MEMBER(begin), "", "", NULL, NULL },
	{ "fence", MEMBER(fence), "SELECT v FROM t ", "", NULL, NULL },
	{ "open", MEMBER(open), "", "", NULL, NULL },
	{ "moment", MEMBER(moment), "", "", NULL, NULL },
	{ "first", MEMBER(first), "", "", "1700000000.0", NULL },
	{ "join", MEMBER(join), "", "", "1700000000.0", NULL },
	{ "durable", MEMBER(durable), "", "", NULL, NULL },
	{ "staged", MEMBER(staged), "", "", NULL, NULL },
	{ "lock", MEMBER(lock), "", "", NULL, NULL },
	{ "look", MEMBER(look), "", "", NULL, NULL },
	{ "lookup", MEMBER(lookup), "SELECT 1 FROM t a INNER ", "JOIN t b ON a.v = b.v", NULL,
	  NULL },
	{ "size", MEMBER(size), "", "", NULL, NULL },
	{ "row_id[0]", MEMBER(row_id), "SELECT ", " FROM t", NULL, NULL },
	{ "row_id[1]", MEMBER(row_id) + sizeof(char *), "SELECT ", " FROM t", NULL, NULL },
	{ "settings", MEMBER(settings), "", "", NULL, NULL },
	{ "keys", MEMBER(keys), "", "", "1", "1" },
	{ "visible", MEMBER(visible), "SELECT 1 FROM pg_catalog.pg_attribute a WHERE true", "",
	  NULL, NULL },
	{ "only", MEMBER(only), "SELECT 1 FROM ", "t", NULL, NULL },
	{ "as_text", MEMBER(as_text), "SELECT ", " FROM t", "v", NULL },
	{ "create", MEMBER(create), "", "", "t", NULL },
	{ "estimate", MEMBER(estimate), "", "", "1", "1" },
	{ "live_mark", MEMBER(live_mark), "", "", "t", NULL },
};
#define NTEXTS (sizeof(texts) / sizeof(texts[0]))

/* Whatever else is in the table: where, and how much. */
#define REST(m)                                                                                \
	{                                                                                      \
		offsetof(struct kvf_pg_dialect, m), sizeof(kvf_pg_postgres.m)                  \
	}
static const struct {
	size_t at, size;
} rest[] = {
	REST(scheme),  REST(product),         REST(tables),    REST(port),
	REST(tries),   REST(paged),           REST(pointed),   REST(batch_bytes),
	REST(evicts),  REST(value_max),       REST(index_row), REST(statement_rows),
	REST(loaders), REST(statement_bytes),
};

static PGconn *conn;

static const char *text_of(const struct kvf_pg_dialect *d, const struct text *t)
{
	const char *const *p = (const void *)((const char *)d + t->at);

	return *p;
}

/* Statement by statement: a server parses one at a time. */
static int is_understood(const struct kvf_pg_dialect *d, const struct text *t)
{
	char sql[4096], *filled = kvf_pg_fill(text_of(d, t), t->first, t->second);
	char *more = NULL, *one;
	PGresult *res;
	int all = 1;

	assert_non_null(filled);
	snprintf(sql, sizeof(sql), "%s%s%s", t->before, filled, t->behind);
	free(filled);
	for (one = strtok_r(sql, ";", &more); one; one = strtok_r(NULL, ";", &more)) {
		res = PQprepare(conn, "", one, 0, NULL);
		all &= PQresultStatus(res) == PGRES_COMMAND_OK;
		PQclear(res);
	}
	return all;
}

static const struct kvf_pg_dialect *settled(const char *place)
{
	struct kvf_err err = { 0 };
	struct kvf_pg pg;

	assert_int_equal(kvf_pg_init(&pg, place, KVF_ESOURCE, NULL, &err), KVF_OK);
	assert_int_equal(kvf_pg_settle(&pg, conn, &err), KVF_OK);
	kvf_pg_release(&pg);
	return pg.dialect;
}

static void every_text_of_the_table_is_looked_at(void **state)
{
	unsigned char seen[sizeof(struct kvf_pg_dialect)] = { 0 };
	size_t i, gap = 0;

	(void)state;
	for (i = 0; i < NTEXTS; i++)
		memset(seen + texts[i].at, 1, sizeof(char *));
	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		memset(seen + rest[i].at, 1, rest[i].size);
	for (i = 0; i < sizeof(seen); i++) {
		gap = seen[i] ? 0 : gap + 1;
		if (gap == sizeof(char *)) /* more than padding */
			fail_msg("a member that ends at byte %zu is not looked at", i + 1);
	}
}

static void a_server_of_postgresql_understands_what_it_is_given(void **state)
{
	const struct kvf_pg_dialect *const both[] = { settled("dbname=postgres"),
						      settled("cockroachdb:dbname=postgres") };
	size_t i, k;

	(void)state;
	assert_ptr_equal(both[0], &kvf_pg_postgres);
	assert_ptr_not_equal(both[1], &kvf_pg_cockroach);
	assert_true(both[1]->pointed && both[1]->paged);
	for (k = 0; k < 2; k++)
		for (i = 0; i < NTEXTS; i++)
			if (text_of(both[k], &texts[i]) && !is_understood(both[k], &texts[i]))
				fail_msg("%s: %s", texts[i].name, text_of(both[k], &texts[i]));
}

/* The first column of the last table of docs/cockroachdb.md: texts between backticks. */
static size_t documented(char list[16][80])
{
	char path[512], line[1024], *at, *end;
	size_t n = 0;
	int there = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/docs/cockroachdb.md", getenv("TOP"));
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		there |= strncmp(line, "## Texts that only CockroachDB parses", 37) == 0;
		if (!there || strncmp(line, "| `", 3) != 0)
			continue;
		end = strstr(line + 2, " |");
		assert_non_null(end);
		*end = '\0';
		/* Several are told apart by "; ", an ellipsis stands for names. */
		for (at = strchr(line, '`'); at && n < 16; at = strchr(end + 1, '`')) {
			end = strchr(++at, '`');
			assert_non_null(end);
			*end = '\0';
			snprintf(list[n++], sizeof(list[0]), "%s", at);
		}
	}
	fclose(f);
	return n;
}

/* Do the words of the document, around each ellipsis, stand in the text? */
static int holds(const char *text, const char *words)
{
	const char *gap = strstr(words, "…");
	char piece[80];
	size_t len;

	for (; gap; words = gap + strlen("…"), gap = strstr(words, "…")) {
		len = (size_t)(gap - words);
		while (len && strchr(" ']", words[len - 1]))
			len--;
		snprintf(piece, sizeof(piece), "%.*s", (int)len, words);
		if (!strstr(text, piece))
			return 0;
	}
	words += strspn(words, " ']");
	return strstr(text, words) != NULL;
}

static void what_only_cockroachdb_parses_is_what_the_document_lists(void **state)
{
	static char list[16][80];
	size_t n = documented(list), i, k, found[16] = { 0 };

	(void)state;
	assert_true(n >= 6);
	for (i = 0; i < NTEXTS; i++) {
		const char *text = text_of(&kvf_pg_cockroach, &texts[i]);
		char whole[4096] = "";
		int listed = 0;

		if (!text)
			continue;
		snprintf(whole, sizeof(whole), "%s%s%s", texts[i].before, text,
			 texts[i].behind);
		for (k = 0; k < n; k++)
			if (holds(whole, list[k])) {
				listed = 1;
				found[k] = 1;
			}
		if (listed == is_understood(&kvf_pg_cockroach, &texts[i]))
			fail_msg("%s is %slisted, and PostgreSQL %s it: %s", texts[i].name,
				 listed ? "" : "not ", listed ? "parses" : "does not parse",
				 text);
	}
	for (k = 0; k < n; k++)
		if (!found[k])
			fail_msg("no text of the table has %s", list[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_of_the_table_is_looked_at),
		cmocka_unit_test(a_server_of_postgresql_understands_what_it_is_given),
		cmocka_unit_test(what_only_cockroachdb_parses_is_what_the_document_lists),
	};
	int failed;

	if (!getenv("KVF_TEST_POSTGRES")) {
		puts("1..1\nok 1 - no server: pg_cockroach.sh brings one # SKIP");
		return 0;
	}
	conn = PQconnectdb("dbname=postgres options='-c client_min_messages=error'");
	PQclear(PQexec(conn, "CREATE TABLE t (v text); CREATE SCHEMA kvferry;"
			     "CREATE TABLE kvferry.control (id int8)"));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	PQclear(PQexec(conn, "DROP TABLE t; DROP SCHEMA kvferry CASCADE"));
	PQfinish(conn);
	return failed;
}
