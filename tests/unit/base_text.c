/* UTF-8, near misses, patterns, sizes. */
#include "../support/test.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALID(s) kvf_utf8_valid(s, sizeof(s) - 1)

static void good_utf8_is_valid_to_its_end(void **state)
{
	(void)state;
	assert_int_equal(kvf_utf8_valid(NULL, 0), 0);
	assert_int_equal(VALID("a"), 1);
	assert_int_equal(VALID("a\0b"), 3);
	assert_int_equal(VALID("\xc2\x80"), 2);
	assert_int_equal(VALID("\xdf\xbf"), 2);
	assert_int_equal(VALID("\xe0\xa0\x80"), 3);
	assert_int_equal(VALID("\xed\x9f\xbf"), 3); /* the last before the surrogates */
	assert_int_equal(VALID("\xee\x80\x80"), 3); /* the first behind them */
	assert_int_equal(VALID("\xef\xbf\xbf"), 3);
	assert_int_equal(VALID("\xf0\x90\x80\x80"), 4);
	assert_int_equal(VALID("\xf4\x8f\xbf\xbf"), 4); /* U+10FFFF */
	assert_int_equal(VALID("12345678\xc3\xa9"
			       "12345678\xe2\x82\xac"),
			 21);
}

static void bad_utf8_ends_where_it_begins(void **state)
{
	(void)state;
	assert_int_equal(VALID("a\x80"), 1); /* a lone continuation */
	assert_int_equal(VALID("a\xbf"), 1);
	assert_int_equal(VALID("a\xc0\x80"), 1); /* overlong NUL */
	assert_int_equal(VALID("a\xc1\xbf"), 1);
	assert_int_equal(VALID("a\xe0\x9f\xbf"), 1);     /* overlong */
	assert_int_equal(VALID("a\xed\xa0\x80"), 1);     /* U+D800 */
	assert_int_equal(VALID("a\xed\xbf\xbf"), 1);     /* U+DFFF */
	assert_int_equal(VALID("a\xf0\x8f\xbf\xbf"), 1); /* overlong */
	assert_int_equal(VALID("a\xf4\x90\x80\x80"), 1); /* U+110000 */
	assert_int_equal(VALID("a\xf5\x80\x80\x80"), 1);
	assert_int_equal(VALID("a\xff"), 1);
	assert_int_equal(VALID("12345678\xff"), 8);
	assert_int_equal(VALID("1234567\xff"), 7);
	assert_int_equal(VALID("\xc2"
			       "a"),
			 0);
	assert_int_equal(VALID("\xe2\x82"
			       "a"),
			 0);
	assert_int_equal(VALID("\xf0\x90\x80"
			       "a"),
			 0);
}

/* In a block of exactly its size: a byte read too far is found by a sanitizer. */
static void a_character_cut_off_is_not_read_beyond_its_end(void **state)
{
	static const char *const whole[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\xa2" };
	size_t i, n;

	(void)state;
	for (i = 0; i < 3; i++)
		for (n = 1; n < strlen(whole[i]); n++) {
			char *cut = malloc(n);

			assert_non_null(cut);
			memcpy(cut, whole[i], n);
			assert_int_equal(kvf_utf8_valid(cut, n), 0);
			free(cut);
		}
}

/* Every code point that there is, against its definition. */
static void every_code_point_is_judged_right(void **state)
{
	uint32_t c;

	(void)state;
	for (c = 0; c < 0x200000; c++) {
		uint8_t s[4];
		size_t n;

		if (c < 0x80) {
			n = 1;
			s[0] = (uint8_t)c;
		} else if (c < 0x800) {
			n = 2;
			s[0] = (uint8_t)(0xc0 | c >> 6);
		} else if (c < 0x10000) {
			n = 3;
			s[0] = (uint8_t)(0xe0 | c >> 12);
			s[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		} else {
			n = 4;
			s[0] = (uint8_t)(0xf0 | c >> 18);
			s[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
			s[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		}
		if (n > 1)
			s[n - 1] = (uint8_t)(0x80 | (c & 0x3f));
		if (kvf_utf8_valid(s, n) !=
		    ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : n))
			fail_msg("U+%04X", (unsigned)c);
	}
}

static void cleaning_leaves_nothing_that_a_terminal_obeys(void **state)
{
	char s[] = "a\tb\n\x1b[0m \x7f \xc2\x9b \xc3\xa9 \xff\xfe \xe2\x82";

	(void)state;
	kvf_text_clean(s, '\n');
	assert_string_equal(s, "a?b\n?[0m ? ?? \xc3\xa9 ?? ??");
	kvf_text_clean(s, 0);
	assert_string_equal(s, "a?b??[0m ? ?? \xc3\xa9 ?? ??");
}

static const char *mean(const char *word)
{
	static const char *const keys[] = { "package",   "version", "records", "values",
					    "partition", "key",     "table",   "query" };

	return kvf_did_you_mean(word, keys, sizeof(keys) / sizeof(keys[0]));
}

static void near_misses_are_recognised(void **state)
{
	(void)state;
	assert_string_equal(mean("packge"), "package");
	assert_string_equal(mean("pakcage"), "package");
	assert_string_equal(mean("tabel"), "table");
	assert_string_equal(mean("tables"), "table");
	assert_string_equal(mean("value"), "values");
	assert_string_equal(mean("kye"), "key");
	assert_string_equal(mean("partitons"), "partition");
	assert_string_equal(mean("query"), "query");
}

static void far_words_are_not_guessed(void **state)
{
	char word[200];

	(void)state;
	assert_null(mean(""));
	assert_null(mean("x"));
	assert_null(mean("kxx"));
	assert_null(mean("where"));
	assert_null(mean("encoding"));
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(mean(word));
	assert_null(kvf_did_you_mean("key", NULL, 0));
}

static void of_several_the_nearest_wins_then_the_first(void **state)
{
	static const char *const near[] = { "columns", "column", "colum" };
	static const char *const same[] = { "tagx", "tagy" };

	(void)state;
	assert_string_equal(kvf_did_you_mean("column", near, 3), "column");
	assert_string_equal(kvf_did_you_mean("columm", near, 3), "column");
	assert_string_equal(kvf_did_you_mean("tagz", same, 2), "tagx");
}

static void patterns_match_as_in_pg_dump(void **state)
{
	(void)state;
	assert_true(kvf_glob("", ""));
	assert_true(kvf_glob("*", ""));
	assert_true(kvf_glob("*", "Order Details"));
	assert_true(kvf_glob("auth_*", "auth_users"));
	assert_true(kvf_glob("auth_*", "auth_"));
	assert_true(kvf_glob("*_runs", "actions_runs"));
	assert_true(kvf_glob("a*b*c", "aXbbbYc"));
	assert_true(kvf_glob("*ab", "aab"));
	assert_true(kvf_glob("a**b", "ab"));
	assert_true(kvf_glob("???", "abc"));
	assert_true(kvf_glob("caf?", "caf\xc3\xa9"));
	assert_true(kvf_glob("?*", "\xe2\x82\xac"));
	assert_true(kvf_glob("\"Order Details\"", "Order Details"));
	assert_true(kvf_glob("\"a*b\"", "a*b"));
	assert_true(kvf_glob("*\"*\"?", "x*y"));
	assert_true(kvf_glob("a\"\"\"\"b", "a\"b"));
	assert_true(kvf_glob("we\"ird", "we\"ird"));
	assert_true(kvf_glob("*\"\"\"\"*", "we\"ird"));
	assert_true(kvf_glob("\"\"", ""));
	assert_false(kvf_glob("\"a*b\"", "axb"));
	assert_false(kvf_glob("\"a?b\"", "axb"));
	assert_false(kvf_glob("\"\"", "\"\""));
	assert_false(kvf_glob("", "a"));
	assert_false(kvf_glob("a", ""));
	assert_false(kvf_glob("a", "A"));
	assert_false(kvf_glob("?", ""));
	assert_false(kvf_glob("*??", "\xe2\x82\xac"));
	assert_false(kvf_glob("auth_*", "auth"));
	assert_false(kvf_glob("a*b*c", "aXbYcZ"));
	assert_false(kvf_glob("a.b", "axb"));
	assert_false(kvf_glob("[ab]", "a"));
}

/* No backtracking into exponential time. */
static void a_hostile_pattern_ends(void **state)
{
	char name[5001];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(kvf_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

static uint64_t size_of(const char *text)
{
	uint64_t v = 0;

	assert_true(kvf_parse_size(text, &v));
	return v;
}

static void sizes_are_read_in_powers_of_1024(void **state)
{
	(void)state;
	assert_true(size_of("0") == 0);
	assert_true(size_of("4096") == 4096);
	assert_true(size_of("4096B") == 4096);
	assert_true(size_of("64k") == 65536);
	assert_true(size_of("64M") == 67108864);
	assert_true(size_of("64MB") == 67108864);
	assert_true(size_of("1GiB") == 1073741824);
	assert_true(size_of("2T") == UINT64_C(2199023255552));
	assert_true(size_of("18446744073709551615") == UINT64_MAX);
	assert_true(size_of("16777215T") == UINT64_C(16777215) << 40);
}

static void nonsense_is_not_a_size(void **state)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "M",
					   "1X",
					   "1MM",
					   "1.5G",
					   "0x10",
					   "1BiB",
					   "18446744073709551616",
					   "18446744073709551620",
					   "99999999999999999999",
					   "16777216T",
					   "1iB",
					   "1KiBs" };
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (kvf_parse_size(bad[i], &v))
			fail_msg("\"%s\" was taken for a size", bad[i]);
}

static void passwords_are_blotted_out(void **state)
{
	static const char *const pairs[][2] = {
		{ "postgresql://u:geheim@h/db", "postgresql://u:***@h/db" },
		{ "host=h password=geheim dbname=d", "host=h password=*** dbname=d" },
		{ "password = 'a b\\'c' user=u", "password = *** user=u" },
		{ "password=a\\ b user=u", "password=*** user=u" },
		{ "postgresql://h/d?sslpassword=geheim&x=1",
		  "postgresql://h/d?sslpassword=***&x=1" },
		{ "the password was refused", "the password was refused" },
	};
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		snprintf(text, sizeof(text), "%s", pairs[i][0]);
		kvf_text_redact(text);
		assert_string_equal(text, pairs[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_blotted_out),
		cmocka_unit_test(good_utf8_is_valid_to_its_end),
		cmocka_unit_test(bad_utf8_ends_where_it_begins),
		cmocka_unit_test(a_character_cut_off_is_not_read_beyond_its_end),
		cmocka_unit_test(every_code_point_is_judged_right),
		cmocka_unit_test(cleaning_leaves_nothing_that_a_terminal_obeys),
		cmocka_unit_test(near_misses_are_recognised),
		cmocka_unit_test(far_words_are_not_guessed),
		cmocka_unit_test(of_several_the_nearest_wins_then_the_first),
		cmocka_unit_test(patterns_match_as_in_pg_dump),
		cmocka_unit_test(a_hostile_pattern_ends),
		cmocka_unit_test(sizes_are_read_in_powers_of_1024),
		cmocka_unit_test(nonsense_is_not_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
