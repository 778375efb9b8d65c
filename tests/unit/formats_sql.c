/* Named queries, arguments, checks and sides. */
#include "../support/test.h"
#include "../support/definitions.h"

#include <stdio.h>
#include <string.h>

#define APPLICATION                                                                            \
	"application: a\npackages: [p]\nstore: {schema: 1}\n"                                  \
	"args: {x: {type: text}, y: {type: integer, default: \"SELECT 1\"}}\n"                 \
	"with: {ours: SELECT 7 AS k}\n"

/* The query of record r as a source is to see it. */
static void query(const char *with, const char *text, const char *const *values,
		  const char *expected)
{
	struct definition d;
	char package[4096];

	snprintf(package, sizeof(package),
		 "package: p\nversion: 1\n%srecords:\n  r:\n    query: |-\n      %s\n"
		 "    entries: [{partition: x, key: \"{k}\", value: v}]\n"
		 "values: {v: {encoding: raw, from: x}}\n",
		 with, text);
	if (definition_load_both(&d, APPLICATION, package)) {
		assert_string_equal(d.err.message, expected);
		definition_close(&d);
		return;
	}
	if (values)
		assert_int_equal(kvf_formats_arguments(d.formats, values, &d.err), KVF_OK);
	assert_string_equal(kvf_formats_application(d.formats)->packages[0]->records[0].query,
			    expected);
	definition_close(&d);
}

static void a_query_takes_along_what_it_names(void **state)
{
	static const char with[] = "with:\n  one: 'SELECT 1 AS k -- one'\n"
				   "  two: SELECT k FROM one\n  other: SELECT 3\n";

	(void)state;
	query(with, "SELECT k FROM plain", NULL, "SELECT k FROM plain");
	query(with, "SELECT k FROM two", NULL,
	      "WITH one AS (SELECT 1 AS k -- one\n), two AS (SELECT k FROM one\n)\n"
	      "SELECT k FROM two");
	query(with, "SELECT k FROM ONE", NULL,
	      "WITH one AS (SELECT 1 AS k -- one\n)\nSELECT k FROM ONE");
	query(with, "SELECT 'two', \"two\", $$two$$, $t$ two $t$ /* two /* two */ */ AS k",
	      NULL, "SELECT 'two', \"two\", $$two$$, $t$ two $t$ /* two /* two */ */ AS k");
	query(with, "WITH z AS (SELECT k FROM one) SELECT k FROM z", NULL,
	      "p.yaml:9:12: a query that begins with WITH cannot name one of the package's "
	      "\"with\"");
	query("with: {mine: SELECT k FROM ours}\n", "SELECT k FROM mine", NULL,
	      "WITH ours AS (SELECT 7 AS k\n), mine AS (SELECT k FROM ours\n)\n"
	      "SELECT k FROM mine");
	query("with: {ours: SELECT 1}\n", "SELECT k FROM ours", NULL,
	      "p.yaml:3:8: the query \"ours\" has its name already, in application.yaml:5");
	query("with: {One: SELECT 1}\n", "SELECT k FROM One", NULL,
	      "p.yaml:3:8: \"One\" must be a name of SQL without quotes: small letters, digits "
	      "and _");
}

static void an_argument_is_a_literal_and_nothing_else(void **state)
{
	static const char *const plain[] = { "o'clock", "-5" };
	static const char *const hostile[] = { "'; DROP TABLE t; --", "\\" };

	(void)state;
	query("", "SELECT :'x' AS k, :'y'::int, a[1:2]", plain,
	      "SELECT 'o''clock' AS k, '-5'::int, a[1:2]");
	query("", "SELECT :'x' AS k, :'y'", hostile,
	      "SELECT '''; DROP TABLE t; --' AS k, '\\'");
	query("", "SELECT ':''x''' AS k -- :'x'", plain, "SELECT ':''x''' AS k -- :'x'");
	query("with: {w: \"SELECT :'x' AS k\"}\n", "SELECT k FROM w", plain,
	      "WITH w AS (SELECT 'o''clock' AS k\n)\nSELECT k FROM w");
	query("", "SELECT :'z' AS k", NULL, "p.yaml:5:12: there is no argument :'z'");
}

#define SIDE(query, value)                                                                     \
	"package: p\nversion: 1\n"                                                             \
	"records: {r: {table: t, entries: [{partition: x, key: \"{a}\", value: v}]}}\n"        \
	"values: {v: {encoding: raw, from: x}, line: {encoding: json, fields: {a: string}}}\n" \
	"sides: {map.ndjson: {" query "value: " value "}}\n"                                   \
	"checks: [{code: c, text: t, query: SELECT 1, level: error, hint: h}]\n"

static void a_side_is_a_record_that_nobody_sorts(void **state)
{
	const struct kvf_package *p;
	struct definition d;

	(void)state;
	assert_int_equal(definition_load(&d, SIDE("", "line")), KVF_EDEFINITION);
	assert_string_equal(d.err.message, "p.yaml:5:9: the side has no \"query\"");
	definition_close(&d);
	assert_int_equal(definition_load(&d, SIDE("query: SELECT a, ", "v")), KVF_EDEFINITION);
	assert_string_equal(d.err.message, "p.yaml:5:46: the lines of a side are JSON");
	definition_close(&d);
	assert_int_equal(definition_load(&d, SIDE("query: SELECT a, ", "line")), KVF_OK);
	p = kvf_formats_application(d.formats)->packages[0];
	assert_int_equal(p->nrecords, 1);
	assert_int_equal(p->nsides, 1);
	assert_string_equal(p->sides[0].name, "map.ndjson");
	assert_string_equal(p->sides[0].query, "SELECT a");
	assert_int_equal(p->nkinds, 1);
	assert_int_equal(p->nchecks, 1);
	assert_true(p->checks[0].error);
	assert_string_equal(p->checks[0].hint, "h");
	definition_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_takes_along_what_it_names),
		cmocka_unit_test(an_argument_is_a_literal_and_nothing_else),
		cmocka_unit_test(a_side_is_a_record_that_nobody_sorts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
