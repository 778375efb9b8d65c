/*
 * init: whatever a database calls its tables and columns, the definition that
 * comes out can be loaded, says the same names, and check finds no error in it.
 */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/def.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kvferry-init.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", dir, name);
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	path_of(path, sizeof(path), "application.yaml");
	unlink(path);
	path_of(path, sizeof(path), "tables.yaml");
	unlink(path);
	return rmdir(dir);
}

static void clear(void)
{
	void *none = NULL;

	assert_int_equal(remove_dir(&none), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static struct kvf_table table(const char *name, const struct kvf_column *columns, size_t n,
			      const uint32_t *key, size_t nkey)
{
	struct kvf_table t = { .name = name,
			       .dialect = "sqlite",
			       .columns = columns,
			       .ncolumns = n,
			       .key = key,
			       .nkey = nkey,
			       .rows = UINT64_MAX,
			       .bytes = UINT64_MAX };

	return t;
}

static const uint32_t first[] = { 0 }, first_two[] = { 0, 1 };

/* Write, load and check a definition of `t`; the caller frees what is returned. */
static struct kvf_formats *init_and_load(const struct kvf_table *t, size_t n)
{
	struct kvf_formats *f = NULL;
	struct kvf_err err;

	if (kvf_formats_init(dir, "app", t, n, &err) != KVF_OK)
		fail_msg("init: %s", err.message);
	if (kvf_formats_load(dir, &f, &err) != KVF_OK)
		fail_msg("load: %s", err.message);
	return f;
}

static void assert_no_errors(struct kvf_formats *f, const struct kvf_table *tables, size_t n)
{
	const struct kvf_table *shapes[16];
	const struct kvf_table *const *one = shapes;
	struct kvf_findings found;
	struct kvf_err err;

	assert_true(n <= 16);
	for (size_t i = 0; i < n; i++)
		shapes[i] = &tables[i];
	assert_int_equal(kvf_formats_check(f, &one, tables, n, &found, &err), KVF_OK);
	for (size_t i = 0; i < found.n; i++)
		if (found.list[i].level != KVF_FINDING_NOTE)
			fail_msg("%s: %s", found.list[i].code, found.list[i].text);
	kvf_findings_free(&found);
}

static void names_of_any_characters_come_through(void **state)
{
	static const char *const odd[] = {
		"Order Details",
		"a/b",
		"100%",
		"say \"hi\"",
		"it's",
		"{braces}",
		"back\\slash",
		"tab\there",
		"line\nbreak",
		"Größe",
		"表",
		"true",
		"null",
		"- dash",
		"#",
		": colon",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxx\t",
		"\xc2\x85next\xe2\x80\xa8line",
		"\357\273\277bom",
		" ",
		"'",
		"&a",
		"*",
		"|",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct kvf_column columns[] = { { odd[i], "TEXT", KVF_COLUMN_NOTNULL },
						{ "column_1", "INTEGER", KVF_COLUMN_NOTNULL },
						{ "x y", "DECIMAL(10,2)", 0 } };
		struct kvf_table t[] = { table(odd[i], columns, 3, first, 1),
					 table("keyless", columns, 3, NULL, 0),
					 table("pair", columns, 3, first_two, 2) };
		struct kvf_formats *f = init_and_load(t, 3);
		const struct kvf_def_record *r = kvf_formats_def(f)->packages[0].records;

		assert_string_equal(r[0].table, odd[i]);
		assert_string_equal(r[0].entries[0].key->pieces[1].name, odd[i]);
		/* A field's own name has no controls, but it is read from that column. */
		assert_string_equal(r[0].entries[0].value->fields[0].from->pieces[0].name,
				    odd[i]);
		if (!strpbrk(odd[i], "\t\n\xc2\xef"))
			assert_string_equal(r[0].entries[0].value->fields[0].name, odd[i]);
		assert_string_equal(r[0].entries[0].value->fields[2].name, "x y");
		assert_null(r[1].table);
		assert_non_null(strstr(r[1].query, "row_number() OVER"));
		assert_int_equal(r[2].entries[0].key->npieces, 4);
		kvf_formats_free(f);
		clear();
	}
}

static void keys_come_from_what_the_source_keeps_unique(void **state)
{
	static const struct kvf_column columns[] = {
		{ "a", "TEXT", KVF_COLUMN_NOTNULL },
		{ "b", "INTEGER", KVF_COLUMN_NOTNULL },
		{ "c", "BLOB", KVF_COLUMN_NOTNULL },
		{ "d", "REAL", 0 },
		{ "sum", "INTEGER", KVF_COLUMN_GENERATED },
	};
	static const uint32_t ab[] = { 0, 1 }, c[] = { 2 }, d[] = { 3 };
	static const struct kvf_unique unique[] = { { d, 1, 1, 0 },
						    { c, 1, 0, 1 },
						    { ab, 2, 0, 0 } };
	struct kvf_table t[] = { table("t_a", columns, 5, first, 1),
				 table("t_ab", columns, 5, ab, 2),
				 table("t_c", columns, 5, c, 1),
				 table("t_u", columns, 5, NULL, 0),
				 table("t_none", columns, 5, NULL, 0) };
	static const char *const keys[] = { "t_a/{a}", "t_ab/{a|urlencode}/{b}", "t_c/{c|hex}",
					    "t_u/{a|urlencode}/{b}", "t_none/{row_number}" };
	const struct kvf_def_record *r;
	struct kvf_formats *f;

	(void)state;
	t[3].unique = unique;
	t[3].nunique = 3;
	f = init_and_load(t, 5);
	r = kvf_formats_def(f)->packages[0].records;
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(r[i].entries[0].key->text, keys[i]);
		assert_int_equal(r[i].entries[0].value->nfields, 4); /* not the generated one */
	}
	assert_no_errors(f, t, 5);
	kvf_formats_free(f);
	clear();
}

static void tables_with_like_names_stay_apart(void **state)
{
	static const struct kvf_column columns[] = { { "id", "INTEGER", KVF_COLUMN_NOTNULL } };
	struct kvf_table t[] = {
		table("a b", columns, 1, first, 1), table("a/b", columns, 1, first, 1),
		table("a_b", columns, 1, first, 1), table("a.b", columns, 1, first, 1),
		table("a", columns, 1, first, 1),   table("a/", columns, 1, first, 1)
	};
	struct kvf_formats *f = init_and_load(t, 6);

	(void)state;
	assert_int_equal(kvf_formats_def(f)->packages[0].nrecords, 6);
	assert_no_errors(f, t, 6);
	kvf_formats_free(f);
	clear();
}

static void a_first_definition_has_an_exact_way_back(void **state)
{
	static const struct kvf_column columns[] = {
		{ "id", "INTEGER", KVF_COLUMN_NOTNULL },
		{ "name", "NVARCHAR(120)", 0 },
		{ "price", "NUMERIC(10,2)", 0 },
		{ "ratio", "DOUBLE", 0 },
		{ "on", "BOOLEAN", 0 },
		{ "at", "DATETIME", 0 },
		{ "doc", "JSON", 0 },
		{ "bytes", "BLOB", 0 },
	};
	struct kvf_table t = table("t", columns, 8, first, 1);
	const struct kvf_table *shape = &t;
	const struct kvf_table *const *shapes = &shape;
	struct kvf_formats *f = init_and_load(&t, 1);
	struct kvf_findings found;
	struct kvf_err err;
	int exact = 0;

	(void)state;
	assert_int_equal(kvf_formats_check(f, &shapes, &t, 1, &found, &err), KVF_OK);
	for (size_t i = 0; i < found.n; i++)
		exact |= !strcmp(found.list[i].code, "way-back-exact");
	assert_true(exact);
	kvf_findings_free(&found);
	kvf_formats_free(f);
	clear();
}

static void the_example_shows_children_of_this_database(void **state)
{
	static const struct kvf_column invoice[] = { { "InvoiceId", "INTEGER", 1 } };
	static const struct kvf_column line[] = { { "InvoiceLineId", "INTEGER", 1 },
						  { "InvoiceId", "INTEGER", 1 },
						  { "Price", "NUMERIC", 1 } };
	struct kvf_table t[] = { table("Invoice", invoice, 1, first, 1),
				 table("InvoiceLine", line, 3, first, 1) };
	struct kvf_formats *f = init_and_load(t, 2);
	char path[128], text[8192];
	FILE *in;
	size_t n;

	(void)state;
	path_of(path, sizeof(path), "tables.yaml");
	in = fopen(path, "r");
	assert_non_null(in);
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	assert_non_null(
		strstr(text, "FROM \"InvoiceLine\" c WHERE c.\"InvoiceId\" = p.\"InvoiceId\""));
	kvf_formats_free(f);
	clear();
}

static void what_is_there_already_is_never_overwritten(void **state)
{
	static const struct kvf_column columns[] = { { "id", "INTEGER", KVF_COLUMN_NOTNULL } };
	static const char *const names[] = { "application.yaml", "tables.yaml" };
	struct kvf_table t = table("t", columns, 1, first, 1);
	char path[128], other[128];
	struct kvf_err err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct stat st;
		FILE *out;

		path_of(path, sizeof(path), names[i]);
		path_of(other, sizeof(other), names[!i]);
		out = fopen(path, "w");
		assert_non_null(out);
		fputs("mine\n", out);
		fclose(out);
		assert_int_equal(kvf_formats_init(dir, "app", &t, 1, &err), KVF_EPREFLIGHT);
		assert_non_null(strstr(err.message, names[i]));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 5);
		assert_int_equal(stat(other, &st), -1);
		unlink(path);
	}
}

static void what_the_language_cannot_say_is_refused(void **state)
{
	static struct kvf_column many[600];
	struct kvf_column columns[] = { { "id", "INTEGER", KVF_COLUMN_NOTNULL } };
	struct kvf_column bad[] = { { "\xff", "INTEGER", KVF_COLUMN_NOTNULL } };
	struct kvf_table t = table("t", columns, 1, first, 1);
	static const char *const names[] = { "", "App", "a b", "-a", ".", "über" };
	struct kvf_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(kvf_formats_init(dir, names[i], &t, 1, &err), KVF_EUSAGE);
	assert_int_equal(kvf_formats_init(dir, "app", &t, 0, &err), KVF_EDEFINITION);
	t = table("t", bad, 1, first, 1);
	assert_int_equal(kvf_formats_init(dir, "app", &t, 1, &err), KVF_EDEFINITION);
	for (size_t i = 0; i < 600; i++)
		many[i] = columns[0];
	t = table("wide", many, 600, first, 1);
	assert_int_equal(kvf_formats_init(dir, "app", &t, 1, &err), KVF_EDEFINITION);
	assert_non_null(strstr(err.message, "wide"));
	t = table("t", columns, 1, first, 1);
	assert_int_equal(kvf_formats_init("/nonexistent/folder", "app", &t, 1, &err),
			 KVF_ETARGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_any_characters_come_through),
		cmocka_unit_test(keys_come_from_what_the_source_keeps_unique),
		cmocka_unit_test(tables_with_like_names_stay_apart),
		cmocka_unit_test(a_first_definition_has_an_exact_way_back),
		cmocka_unit_test(the_example_shows_children_of_this_database),
		cmocka_unit_test(what_is_there_already_is_never_overwritten),
		cmocka_unit_test(what_the_language_cannot_say_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
