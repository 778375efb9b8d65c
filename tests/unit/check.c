/*
 * check: what it finds, and what it must not find.  The proofs about keys are
 * held against a table of cases in both directions, and against brute force:
 * every pair of short texts is put through random templates, and a template
 * that check calls unique must never have given one key twice.
 */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "formats/check_keys.h"
#include "formats/def.h"

static const char application[] =
	"application: app\n"
	"store:\n"
	"  version: {partition: meta, key: version, started: \"0\", done: \"1\"}\n"
	"packages: [pack]\n"
	"drop: [gone]\n";

/* Columns of the one table that most cases use. */
enum { ID, NUM, OWNER, NAME, NOTE, RAW, BLOB, NCOLUMNS };

static const struct kvf_column columns[NCOLUMNS] = {
	{ "id", "INTEGER", KVF_COLUMN_NOTNULL },
	{ "num", "BIGINT", KVF_COLUMN_NOTNULL },
	{ "owner", "VARCHAR(40)", KVF_COLUMN_NOTNULL },
	{ "name", "TEXT", KVF_COLUMN_NOTNULL },
	{ "note", "TEXT", 0 },
	{ "raw", "", KVF_COLUMN_NOTNULL },
	{ "data", "BLOB", KVF_COLUMN_NOTNULL },
};

static struct kvf_table table_with_key(const uint32_t *key, size_t nkey)
{
	struct kvf_table t = { .name = "t",
			       .dialect = "sqlite",
			       .columns = columns,
			       .ncolumns = NCOLUMNS,
			       .key = key,
			       .nkey = nkey,
			       .rows = UINT64_MAX,
			       .bytes = UINT64_MAX };

	return t;
}

static struct kvf_formats *load(const char *package)
{
	struct kvf_def_file files[] = { { "application.yaml", kvf_bytes_str(application) },
					{ "pack.yaml", kvf_bytes_str(package) } };
	struct kvf_formats *f = NULL;
	struct kvf_err err;

	if (kvf_formats_load_files(files, 2, &f, &err) != KVF_OK)
		fail_msg("%s\n%s", err.message, package);
	return f;
}

/* Check `package`, whose one record (if any shape is given) has `shape`. */
static struct kvf_findings check(const char *package, const struct kvf_table *shape)
{
	struct kvf_formats *f = load(package);
	const struct kvf_table *one[8] = { shape, shape, shape, shape,
					   shape, shape, shape, shape };
	const struct kvf_table *const *shapes[] = { one };
	struct kvf_findings found;
	struct kvf_err err;

	if (kvf_formats_check(f, shape ? shapes : NULL, shape, shape ? 1 : 0, &found, &err) !=
	    KVF_OK)
		fail_msg("%s", err.message);
	kvf_formats_free(f);
	return found;
}

static const struct kvf_finding *find(const struct kvf_findings *f, const char *code)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->list[i].code, code))
			return &f->list[i];
	return NULL;
}

static int has(const struct kvf_findings *f, const char *code)
{
	return find(f, code) != NULL;
}

static char *key_package(const char *let, const char *partition, const char *key)
{
	static char text[2048];

	snprintf(text, sizeof(text),
		 "package: pack\nversion: 1\nrecords:\n  r:\n    table: t\n%s"
		 "    entries:\n      - {partition: '%s', key: '%s', value: v}\n"
		 "values:\n  v: {encoding: raw, from: \"x\"}\n",
		 let, partition, key);
	return text;
}

/* ---- keys: the table of cases ---------------------------------------------- */

static const uint32_t by_id[] = { ID }, by_ints[] = { ID, NUM }, by_name[] = { NAME },
		      by_pair[] = { OWNER, NAME }, by_raw[] = { RAW }, by_blob[] = { BLOB },
		      by_three[] = { OWNER, NAME, ID };

#define KEY(k) k, sizeof(k) / sizeof(*k)

static const struct {
	const uint32_t *pk;
	size_t npk;
	const char *let, *partition, *key;
	int collides;
} keys[] = {
	{ KEY(by_id), "", "p", "{id}", 0 },
	{ KEY(by_id), "", "p", "{name}", 1 },
	{ KEY(by_id), "", "{id}", "{name}", 0 },
	{ KEY(by_id), "", "p", "{id}/{name}/{owner}", 0 },
	{ KEY(by_id), "", "p", "{name}/{id}", 0 },
	{ KEY(by_id), "", "p", "{name}{id}", 1 },
	{ KEY(by_id), "", "p", "{id}{name}", 1 },
	{ KEY(by_id), "", "p", "{id|pad:20}{name}", 0 },
	{ KEY(by_id), "", "p", "{name}{id|pad:20}", 0 },
	{ KEY(by_id), "", "p", "{name}{id|be64}{owner}", 1 },
	{ KEY(by_ints), "", "p", "{id}/{num}", 0 },
	{ KEY(by_ints), "", "p", "{id}{num}", 1 },
	{ KEY(by_ints), "", "p", "{id}-{num}", 1 },
	{ KEY(by_ints), "", "p", "{id}", 1 },
	{ KEY(by_ints), "", "{num}", "{id}", 0 },
	{ KEY(by_ints), "", "p", "{id|pad:20}{num|pad:20}", 0 },
	{ KEY(by_ints), "", "p", "{id|be64}{num|desc64}", 0 },
	{ KEY(by_name), "", "p", "{name}", 0 },
	{ KEY(by_name), "", "p", "{name|lower}", 1 },
	{ KEY(by_name), "", "p", "{name|upper}", 1 },
	{ KEY(by_name), "", "p", "{name|dns_label|upper}", 1 },
	{ KEY(by_name), "", "p", "{name|hex|lower}", 0 },
	{ KEY(by_name), "", "p", "{name|uuid}", 1 },
	{ KEY(by_name), "", "p", "{name|uuid5:dns}", 0 },
	{ KEY(by_name), "", "p", "{name|pad:8}", 1 },
	{ KEY(by_name), "", "p", "{name|decimal:2}", 1 },
	{ KEY(by_name), "", "p", "{name|rfc3339}", 1 },
	{ KEY(by_blob), "", "p", "{data|uuid}", 0 },
	{ KEY(by_blob), "", "p", "{data|base32hex}", 0 },
	{ KEY(by_raw), "", "p", "{raw}", 1 },
	{ KEY(by_pair), "", "p", "{owner}/{name}", 1 },
	{ KEY(by_pair), "", "p", "{owner}{name}", 1 },
	{ KEY(by_pair), "", "{owner}", "{name}", 0 },
	{ KEY(by_pair), "", "p", "{owner|segment}/{name}", 0 },
	{ KEY(by_pair), "", "p", "{owner}/{name|segment}", 0 },
	{ KEY(by_pair), "", "p", "{owner|nonempty}/{name|nonempty}", 1 },
	{ KEY(by_pair), "", "p", "{owner|segment}//{name}", 0 },
	{ KEY(by_pair), "", "p", "{owner|hex}{name|hex}", 1 },
	{ KEY(by_pair), "", "p", "{owner|hex}-{name|hex}", 0 },
	{ KEY(by_pair), "", "p", "{owner|hex}a{name|hex}", 1 },
	{ KEY(by_pair), "", "p", "{owner|hex}g{name|hex}", 0 },
	{ KEY(by_pair), "", "p", "{owner|urlencode}/{name|urlencode}", 0 },
	{ KEY(by_pair), "", "p", "{owner|dns_label}.{name|dns_label}", 0 },
	{ KEY(by_pair), "", "p", "{owner|dns_subdomain}.{name|dns_label}", 0 },
	{ KEY(by_pair), "", "p", "{owner|dns_subdomain}.{name|dns_subdomain}", 1 },
	{ KEY(by_pair), "", "p", "{owner|dns_label}-{name|dns_label}", 1 },
	{ KEY(by_pair), "", "p", "{owner|uuid5:dns}{name}", 0 },
	{ KEY(by_three), "", "p", "{owner|segment}/{name|segment}/{id}", 0 },
	{ KEY(by_three), "", "p", "{owner|segment}/{name}/{id}", 0 },
	{ KEY(by_three), "", "p", "{owner}/{id}/{name}", 1 },
	{ KEY(by_pair), "    let: {n: '{owner|dns_label}.{name|dns_label}'}\n", "p", "{n}", 0 },
	{ KEY(by_pair), "    let: {n: '{owner|dns_label}.{name|dns_label}'}\n", "p",
	  "{n|dns_subdomain}", 0 },
	{ KEY(by_pair), "    let: {n: '{owner}.{name}'}\n", "p", "{n|dns_subdomain}", 1 },
	{ KEY(by_pair), "    let: {a: '{owner}', b: '{a|segment}'}\n", "p", "{b}/{name}", 0 },
	{ KEY(by_pair), "    let: {n: {first: ['{note}', '{name}']}}\n", "p", "{n}", 1 },
	{ KEY(by_id), "    let: {n: {first: ['{note}', '{name}']}}\n", "p", "{id}/{n}", 0 },
};

static void keys_are_flagged_exactly_where_rows_may_collide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct kvf_table t = table_with_key(keys[i].pk, keys[i].npk);
		struct kvf_findings f =
			check(key_package(keys[i].let, keys[i].partition, keys[i].key), &t);

		if (has(&f, "key-may-collide") != keys[i].collides)
			fail_msg("%s | %s%s: %s", keys[i].partition, keys[i].let, keys[i].key,
				 keys[i].collides ? "not flagged"
						  : find(&f, "key-may-collide")->text);
		assert_false(has(&f, "key-not-proven"));
		kvf_findings_free(&f);
	}
}

static void unique_constraints_count_only_as_far_as_they_hold(void **state)
{
	static const uint32_t note[] = { NOTE }, raw[] = { RAW };
	struct {
		struct kvf_unique unique;
		const char *key;
		int collides;
	} cases[] = {
		{ { note, 1, 1, 0 }, "{note}", 0 },  /* NULL is refused */
		{ { note, 1, 1, 0 }, "{note?}", 1 }, /* several NULLs */
		{ { note, 1, 1, 0 }, "{note|else:-}", 1 },
		{ { note, 1, 1, 0 }, "{note|hex|else:-}", 1 },
		{ { note, 1, 0, 1 }, "{note}", 1 }, /* partial: holds for some rows */
		{ { by_pair, 2, 0, 0 }, "{owner|segment}/{name}", 0 },
		{ { raw, 1, 0, 0 }, "{raw}", 1 }, /* 1 and '1' are two values */
		{ { by_pair, 2, 0, 0 }, "{owner}/{name}", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kvf_table t = table_with_key(NULL, 0);
		struct kvf_findings f;

		t.unique = &cases[i].unique;
		t.nunique = 1;
		f = check(key_package("", "p", cases[i].key), &t);
		if (has(&f, "key-may-collide") != cases[i].collides)
			fail_msg("case %zu, %s", i, cases[i].key);
		kvf_findings_free(&f);
	}
}

static void a_table_without_unique_columns_has_no_provable_key(void **state)
{
	struct kvf_table t = table_with_key(NULL, 0);
	struct kvf_findings f = check(key_package("", "p", "{id}/{name}"), &t);

	(void)state;
	assert_true(has(&f, "key-may-collide"));
	assert_non_null(strstr(find(&f, "key-may-collide")->text, "no columns unique"));
	kvf_findings_free(&f);
}

static void a_key_whose_columns_may_be_null_is_proven_where_null_is_refused(void **state)
{
	struct kvf_table t = table_with_key(KEY(by_name));
	struct kvf_column nullable[NCOLUMNS];
	struct kvf_findings f;

	(void)state;
	memcpy(nullable, columns, sizeof(columns));
	nullable[NAME].flags = 0;
	t.columns = nullable;
	t.flags = KVF_TABLE_KEY_HAS_NULLS;
	f = check(key_package("", "p", "{name}"), &t);
	assert_false(has(&f, "key-may-collide"));
	kvf_findings_free(&f);
	f = check(key_package("", "p", "{name|hex|else:-}"), &t);
	assert_true(has(&f, "key-may-collide"));
	kvf_findings_free(&f);
}

static void a_collision_is_shown_with_both_readings(void **state)
{
	struct kvf_table t = table_with_key(KEY(by_pair));
	struct kvf_findings f =
		check(key_package("", "p", "{owner|nonempty}/{name|nonempty}"), &t);
	const char *text;

	(void)state;
	assert_true(has(&f, "key-may-collide"));
	text = find(&f, "key-may-collide")->text;
	assert_non_null(strstr(text, "is both (owner=\""));
	assert_non_null(strstr(text, ") and (owner=\""));
	assert_string_equal(find(&f, "key-may-collide")->where, "pack.yaml:7:31");
	kvf_findings_free(&f);
}

static void without_a_source_only_the_cutting_of_keys_is_judged(void **state)
{
	struct kvf_findings f = check(key_package("", "p", "{owner|segment}/{name}"), NULL);

	(void)state;
	assert_true(has(&f, "key-not-proven"));
	assert_false(has(&f, "key-may-collide"));
	kvf_findings_free(&f);
	f = check(key_package("", "p", "{owner}/{name}"), NULL);
	assert_true(has(&f, "key-may-collide"));
	assert_false(has(&f, "key-not-proven"));
	kvf_findings_free(&f);
	f = check(key_package("", "p", "{name|lower}"), NULL);
	assert_true(has(&f, "key-may-collide"));
	kvf_findings_free(&f);
}

/* ---- keys: brute force -------------------------------------------------------- */

/* A text column with one of these filters, rendered as the product does. */
static const char *const filters[] = { "", "|segment", "|nonempty", "|hex", "|dns_label" };
enum { NFILTERS = sizeof(filters) / sizeof(*filters) };
static const char *const separators[] = { "", "/", "-", ".", "6", "//", "a/", "66" };
enum { NSEPARATORS = sizeof(separators) / sizeof(*separators) };

/* 0: such a value is refused. */
static int render(const char *value, unsigned filter, char *out)
{
	size_t len = strlen(value);

	switch (filter) {
	case 1:
		if (!len || strchr(value, '/'))
			return 0;
		break;
	case 2:
		if (!len)
			return 0;
		break;
	case 3:
		for (size_t i = 0; i < len; i++)
			snprintf(out + 2 * i, 3, "%02x", (unsigned char)value[i]);
		out[2 * len] = '\0';
		return 1;
	case 4:
		if (!len || strpbrk(value, "/.") || value[0] == '-' || value[len - 1] == '-')
			return 0;
		break;
	default: break;
	}
	memcpy(out, value, len + 1);
	return 1;
}

/* All texts of up to three characters out of six. */
static size_t texts(char out[][4])
{
	static const char letters[] = "a6f/-.";
	size_t n = 0;

	out[n++][0] = '\0';
	for (int i = 0; i < 6; i++) {
		snprintf(out[n++], 4, "%c", letters[i]);
		for (int j = 0; j < 6; j++) {
			snprintf(out[n++], 4, "%c%c", letters[i], letters[j]);
			for (int k = 0; k < 6; k++)
				snprintf(out[n++], 4, "%c%c%c", letters[i], letters[j],
					 letters[k]);
		}
	}
	return n;
}

enum { NTEXTS = 1 + 6 + 36 + 216, SEEN = 1 << 18 };

/* Is one key made twice?  Keys are told apart by 64 bits of hash. */
static int brute_force_collides(unsigned f1, const char *sep, unsigned f2, const char *end)
{
	static char values[NTEXTS][4];
	static uint64_t seen[SEEN];
	size_t n = texts(values), ls = strlen(sep), le = strlen(end);

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < n; i++) {
		char key[48];
		size_t la;

		if (!render(values[i], f1, key))
			continue;
		la = strlen(key);
		memcpy(key + la, sep, ls);
		for (size_t j = 0; j < n; j++) {
			uint64_t h;
			size_t len, at;

			if (!render(values[j], f2, key + la + ls))
				continue;
			len = strlen(key);
			memcpy(key + len, end, le);
			h = kvf_xxh64(key, len + le) | 1;
			for (at = h >> 40; seen[at % SEEN] && seen[at % SEEN] != h; at++)
				;
			if (seen[at % SEEN] == h)
				return 1;
			seen[at % SEEN] = h;
			key[la + ls] = '\0';
		}
	}
	return 0;
}

static void proofs_agree_with_brute_force(void **state)
{
	struct kvf_table t = table_with_key(KEY(by_pair));
	unsigned unique = 0, colliding = 0;

	(void)state;
	for (unsigned f1 = 0; f1 < NFILTERS; f1++)
		for (unsigned f2 = 0; f2 < NFILTERS; f2++)
			for (unsigned s = 0; s < NSEPARATORS; s++) {
				const char *end = s % 2 ? "" : "/z";
				char key[128];
				struct kvf_findings f;
				int flagged;

				snprintf(key, sizeof(key), "{owner%s}%s{name%s}%s", filters[f1],
					 separators[s], filters[f2], end);
				f = check(key_package("", "p", key), &t);
				flagged = has(&f, "key-may-collide");
				kvf_findings_free(&f);
				if (flagged != brute_force_collides(f1, separators[s], f2, end))
					fail_msg("%s: check says %s, the rows say otherwise",
						 key,
						 flagged ? "it may collide" : "it is unique");
				*(flagged ? &colliding : &unique) += 1;
			}
	assert_true(unique > 20 && colliding > 20);
}

/* ---- entries against each other -------------------------------------------------- */

static struct kvf_findings check_entries(const char *entries)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		 "package: pack\nversion: 1\nrecords:\n  r:\n    query: \"SELECT 1\"\n    "
		 "entries:\n%s"
		 "values:\n  v: {encoding: raw, from: \"x\"}\n"
		 "  j: {encoding: json, fields: {id: int}}\n",
		 entries);
	return check(text, NULL);
}

static void entries_that_can_have_one_key_are_found(void **state)
{
	static const struct {
		const char *a, *b;
		int meet;
	} cases[] = {
		{ "partition: p, key: 'a/{x}'", "partition: p, key: 'b/{x}'", 0 },
		{ "partition: p, key: 'a/{x}'", "partition: q, key: 'a/{x}'", 0 },
		{ "partition: p, key: 'a/{x}'", "partition: p, key: 'a/{y}'", 1 },
		{ "partition: p, key: 'a/{x}'", "partition: p, key: 'a/b/{y}'", 1 },
		{ "partition: p, key: 'a/{x|segment}'", "partition: p, key: 'a/b/{y}'", 0 },
		{ "partition: p, key: '{x}/a'", "partition: p, key: 'b/{y}'", 1 },
		{ "partition: p, key: '{x|segment}/runs/{y|segment}'",
		  "partition: p, key: '{x|segment}/branches/{z|segment}/{y|segment}'", 0 },
		{ "partition: p, key: '{x}/runs/{y|segment}'",
		  "partition: p, key: '{x}/branches/{z|segment}/{y|segment}'", 1 },
		{ "partition: '{x}', key: 'k'", "partition: p, key: 'k'", 1 },
		{ "partition: '{x|hex}', key: 'k'", "partition: p, key: 'k'", 0 },
		{ "partition: p, key: '{x|pad:3}'", "partition: p, key: '{x|pad:4}'", 0 },
		{ "partition: p, key: '{x|lower}'", "partition: p, key: 'A'", 0 },
		{ "partition: p, key: '{x|upper}'", "partition: p, key: 'A'", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char entries[1024];
		struct kvf_findings f;

		snprintf(entries, sizeof(entries),
			 "      - {%s, value: v, kind: one}\n      - {%s, value: j, kind: "
			 "two}\n",
			 cases[i].a, cases[i].b);
		f = check_entries(entries);
		if (has(&f, "keys-may-meet") != cases[i].meet)
			fail_msg("%s | %s: %s", cases[i].a, cases[i].b,
				 cases[i].meet ? "not found" : find(&f, "keys-may-meet")->text);
		kvf_findings_free(&f);
	}
}

static void conditions_that_may_exclude_each_other_make_it_a_note(void **state)
{
	struct kvf_findings f = check_entries(
		"      - {partition: p, key: 'a/{x}', value: v, kind: one, when: \"x = 'a'\"}\n"
		"      - {partition: p, key: 'a/{x}', value: j, kind: two, when: \"x != "
		"'a'\"}\n");

	(void)state;
	assert_int_equal(find(&f, "keys-may-meet")->level, KVF_FINDING_NOTE);
	assert_true(has(&f, "row-may-be-left-out"));
	kvf_findings_free(&f);
}

static void a_kind_that_hides_a_later_one_is_found(void **state)
{
	/* The keys are apart, but the pattern of the first has no filters. */
	struct kvf_findings f = check_entries(
		"      - {partition: p, key: 'a/{x|hex}', value: v, kind: one}\n"
		"      - {partition: p, key: 'a/{x|hex}/z', value: j, kind: two}\n");

	(void)state;
	assert_false(has(&f, "keys-may-meet"));
	assert_int_equal(find(&f, "kind-shadowed")->level, KVF_FINDING_WARNING);
	kvf_findings_free(&f);

	/* The other way round the narrower pattern comes first. */
	f = check_entries("      - {partition: p, key: 'a/{x|hex}/z', value: j, kind: two}\n"
			  "      - {partition: p, key: 'a/{x|hex}', value: v, kind: one}\n");
	assert_false(has(&f, "kind-shadowed"));
	kvf_findings_free(&f);

	/* Of one encoding: the name is wrong, the value is read all the same. */
	f = check_entries("      - {partition: p, key: 'a/{x|hex}', value: j, kind: one}\n"
			  "      - {partition: p, key: 'a/{x|hex}/z', value: j, kind: two}\n");
	assert_int_equal(find(&f, "kind-shadowed")->level, KVF_FINDING_NOTE);
	kvf_findings_free(&f);
}

static void an_entry_that_can_be_the_version_record_is_an_error(void **state)
{
	struct kvf_findings f =
		check_entries("      - {partition: '{x}', key: '{y}', value: v}\n");

	(void)state;
	assert_int_equal(find(&f, "version-record-collides")->level, KVF_FINDING_ERROR);
	kvf_findings_free(&f);
	f = check_entries("      - {partition: '{x}', key: 'k/{y}', value: v}\n");
	assert_false(has(&f, "version-record-collides"));
	kvf_findings_free(&f);
}

static void values_that_no_entry_holds_are_found(void **state)
{
	struct kvf_findings f = check_entries("      - {partition: p, key: '{x}', value: v}\n");

	(void)state;
	assert_true(has(&f, "value-not-used"));
	assert_non_null(strstr(find(&f, "value-not-used")->text, " j"));
	kvf_findings_free(&f);
	f = check_entries("      - {partition: p, key: 'a/{x}', value: v}\n"
			  "      - {partition: p, key: 'b/{x}', value: j}\n");
	assert_false(has(&f, "value-not-used"));
	kvf_findings_free(&f);
}

static void templates_too_large_to_decide_are_never_called_unique(void **state)
{
	struct kvf_table t = table_with_key(KEY(by_pair));
	static char key[1400];
	struct kvf_findings f;
	size_t at;

	(void)state;
	at = (size_t)snprintf(key, sizeof(key), "{owner|segment}");
	memset(key + at, '/', 1200);
	snprintf(key + at + 1200, sizeof(key) - at - 1200, "{name}");
	f = check(key_package("", "p", key), &t);
	assert_true(has(&f, "key-may-collide"));
	assert_non_null(strstr(find(&f, "key-may-collide")->text, "too large"));
	kvf_findings_free(&f);
}

static void a_definition_too_large_for_an_answer_says_so_in_time(void **state)
{
	enum { N = 120, LONG = 600 };
	static char entries[N * (LONG + 100)], text[sizeof(entries) + 300];
	struct kvf_findings f;
	size_t at = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		at += (size_t)snprintf(entries + at, sizeof(entries) - at,
				       "      - {partition: p, value: v, kind: k%d, key: '{x}",
				       i);
		memset(entries + at, '/', LONG);
		at += LONG;
		at += (size_t)snprintf(entries + at, sizeof(entries) - at, "%d'}\n", i);
	}
	snprintf(text, sizeof(text),
		 "package: pack\nversion: 1\nrecords:\n  r:\n    query: \"SELECT 1\"\n    "
		 "entries:\n%s"
		 "values:\n  v: {encoding: raw, from: \"x\"}\n",
		 entries);
	f = check(text, NULL);
	assert_true(has(&f, "keys-not-compared"));
	kvf_findings_free(&f);
}

/* ---- against a source --------------------------------------------------------------- */

static struct kvf_findings check_record(const char *record, const char *fields,
					const struct kvf_table *shape)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		 "package: pack\nversion: 1\nrecords:\n  r:\n%s"
		 "    entries:\n      - {partition: p, key: 'r/{id}', value: v}\n"
		 "values:\n  v:\n    encoding: msgpack\n    fields:\n%s",
		 record, fields);
	return check(text, shape);
}

static const struct kvf_column four[] = {
	{ "id", "INTEGER", KVF_COLUMN_NOTNULL },
	{ "price", "DECIMAL(10,2)", 0 },
	{ "born", "DATETIME", 0 },
	{ "twice", "INTEGER", KVF_COLUMN_GENERATED },
};

static struct kvf_table four_columns(void)
{
	struct kvf_table t = table_with_key(KEY(by_id));

	t.columns = four;
	t.ncolumns = 4;
	return t;
}

static void columns_that_no_entry_has_are_named(void **state)
{
	struct kvf_table t = four_columns();
	struct kvf_findings f = check_record("    table: t\n", "      price: decimal\n", &t);
	const struct kvf_finding *born = find(&f, "column-not-carried");

	(void)state;
	assert_non_null(strstr(born->text, "column born"));
	assert_int_equal(born->level, KVF_FINDING_WARNING);
	assert_string_equal(born[1].code, "column-not-carried"); /* the generated one */
	assert_int_equal(born[1].level, KVF_FINDING_NOTE);
	assert_true(has(&f, "way-back-lossy"));
	kvf_findings_free(&f);
}

static void the_way_back_is_exact_only_where_every_column_returns(void **state)
{
	static const struct {
		const char *record, *fields;
		const char *code, *text;
	} cases[] = {
		{ "    table: t\n", "      price: decimal\n      born: string\n",
		  "way-back-exact", "" },
		{ "    table: t\n",
		  "      price: {type: decimal, scale: 2}\n      born: string\n",
		  "way-back-lossy", "price does" },
		{ "    table: t\n", "      price: decimal\n      born: timestamp\n",
		  "way-back-lossy", "born does" },
		{ "    table: t\n",
		  "      price: {type: decimal, omit: empty}\n      born: string\n",
		  "way-back-lossy", "price does" },
		{ "    table: t\n",
		  "      price: {type: decimal, default: \"0\"}\n      born: string\n",
		  "way-back-lossy", "price does" },
		{ "    table: t\n",
		  "      cost: {type: decimal, from: '{price}'}\n      born: string\n",
		  "way-back-exact", "" },
		{ "    table: t\n",
		  "      price: {type: string, from: '{price|decimal:2}'}\n      born: "
		  "string\n",
		  "way-back-lossy", "price does" },
		{ "    table: t\n    where: \"price > 0\"\n",
		  "      price: decimal\n      born: string\n", "way-back-lossy",
		  "only the rows" },
		{ "    query: \"SELECT * FROM t\"\n",
		  "      price: decimal\n      born: string\n", "way-back-none", "" },
		{ "    query: \"SELECT * FROM t\"\n",
		  "      price: decimal\nback: {t: SELECT 1}\nlost: [when it was born]\n",
		  "way-back-lossy", "queries lead back to 1 table;" },
	};
	struct kvf_table t = four_columns();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kvf_findings f = check_record(cases[i].record, cases[i].fields, &t);
		const struct kvf_finding *found = find(&f, cases[i].code);

		if (!found || !strstr(found->text, cases[i].text))
			fail_msg("case %zu: no %s with \"%s\"", i, cases[i].code,
				 cases[i].text);
		assert_int_equal(has(&f, "rows-not-carried"),
				 strstr(cases[i].record, "where") != NULL);
		kvf_findings_free(&f);
	}
}

static void tables_and_columns_that_no_query_names_are_found(void **state)
{
	struct kvf_table t = four_columns();
	struct kvf_findings f;

	(void)state;
	f = check_record("    query: \"SELECT id, price FROM t\"\n", "      price: decimal\n",
			 &t);
	assert_non_null(strstr(find(&f, "column-not-carried")->text, "born"));
	assert_null(strstr(find(&f, "column-not-carried")->text, "twice"));
	assert_false(has(&f, "table-not-carried"));
	kvf_findings_free(&f);

	f = check_record("    query: \"SELECT id, price, born FROM tt, t_t\"\n",
			 "      price: decimal\n", &t);
	assert_true(has(&f, "table-not-carried"));
	assert_true(has(&f, "drop-unknown-table"));
	kvf_findings_free(&f);

	f = check_record("    query: \"SELECT * FROM t\"\n", "      price: decimal\n", &t);
	assert_false(has(&f, "column-not-carried"));
	kvf_findings_free(&f);
}

static void what_hangs_on_a_table_is_listed(void **state)
{
	static const struct kvf_ddl ddl[] = {
		{ "table", "t",
		  "CREATE TABLE t (id INTEGER DEFAULT 1, checked TEXT CHECK (1))" },
		{ "index", "t_by_price", "CREATE INDEX t_by_price ON t (price)" },
		{ "trigger", "t_touch", "CREATE TRIGGER ..." },
	};
	static const uint32_t price[] = { 1 };
	static const struct kvf_unique unique = { price, 1, 1, 0 };
	struct kvf_table t = four_columns();
	struct kvf_findings f;
	unsigned constraints = 0;

	(void)state;
	t.ddl = ddl;
	t.nddl = 3;
	t.unique = &unique;
	t.nunique = 1;
	f = check_record("    table: t\n", "      price: decimal\n      born: string\n", &t);
	assert_non_null(strstr(find(&f, "index-not-carried")->text, "t_by_price"));
	assert_non_null(strstr(find(&f, "trigger-not-carried")->text, "t_touch"));
	for (size_t i = 0; i < f.n; i++)
		constraints += !strcmp(f.list[i].code, "constraint-not-carried");
	assert_int_equal(constraints, 3); /* CHECK, DEFAULT, UNIQUE */
	for (size_t i = 0; i < f.n; i++)
		assert_int_not_equal(f.list[i].level, KVF_FINDING_ERROR);
	kvf_findings_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_flagged_exactly_where_rows_may_collide),
		cmocka_unit_test(unique_constraints_count_only_as_far_as_they_hold),
		cmocka_unit_test(a_table_without_unique_columns_has_no_provable_key),
		cmocka_unit_test(
			a_key_whose_columns_may_be_null_is_proven_where_null_is_refused),
		cmocka_unit_test(a_collision_is_shown_with_both_readings),
		cmocka_unit_test(without_a_source_only_the_cutting_of_keys_is_judged),
		cmocka_unit_test(proofs_agree_with_brute_force),
		cmocka_unit_test(entries_that_can_have_one_key_are_found),
		cmocka_unit_test(conditions_that_may_exclude_each_other_make_it_a_note),
		cmocka_unit_test(a_kind_that_hides_a_later_one_is_found),
		cmocka_unit_test(an_entry_that_can_be_the_version_record_is_an_error),
		cmocka_unit_test(values_that_no_entry_holds_are_found),
		cmocka_unit_test(templates_too_large_to_decide_are_never_called_unique),
		cmocka_unit_test(a_definition_too_large_for_an_answer_says_so_in_time),
		cmocka_unit_test(columns_that_no_entry_has_are_named),
		cmocka_unit_test(the_way_back_is_exact_only_where_every_column_returns),
		cmocka_unit_test(tables_and_columns_that_no_query_names_are_found),
		cmocka_unit_test(what_hangs_on_a_table_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
