/* Rows become entries: templates, filters, lets, conditions, json and msgpack. */
#include "../support/test.h"
#include "../support/definitions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PACKAGE(body) "package: p\nversion: 1\nrecords: {r: {table: t, " body
#define KEYED(key)                                                                             \
	PACKAGE("entries: [{partition: x, value: v, key: '" key "'}]}}\n"                      \
		"values: {v: {encoding: raw, from: y}}\n")
#define VALUED(value)                                                                          \
	PACKAGE("entries: [{partition: x, value: v, key: k}]}}\nvalues:\n  v:\n" value "\n")

/* One column "a" in the key: the key that comes out, or the reason why not. */
static void key(const char *package, struct kvf_cell cell, const char *expected)
{
	struct definition d;
	char want[512], text[sizeof(d.err.message) + 16];

	definition_open(&d, package, "a");
	if (definition_row(&d, &cell, 1) == KVF_OK) {
		snprintf(want, sizeof(want), "x | %s | y\n", expected);
		assert_string_equal(definition_text(&d), want);
	} else {
		snprintf(text, sizeof(text), "%s", d.err.message);
		assert_int_equal(d.err.status, KVF_EREJECT);
		assert_string_equal(text, expected);
		assert_int_equal(d.out.len, 0);
	}
	definition_close(&d);
}

#define REFUSED "record r, column \"a\": "

static void cells_have_one_text_each(void **state)
{
	(void)state;
	key(KEYED("<{a}>"), TEXT("text"), "<text>");
	key(KEYED("<{a}>"), BLOB("\x01\xff"), "hex:3c01ff3e");
	key(KEYED("<{a}>"), INT(INT64_MIN), "<-9223372036854775808>");
	key(KEYED("<{a}>"), REAL(1.5), "<1.5>");
	key(KEYED("<{a}>"), REAL(0.1), "<0.1>");
	key(KEYED("<{a}>"), REAL(2), "<2.0>");
	key(KEYED("<{a}>"), REAL(-1e300), "<-1e+300>");
	key(KEYED("<{a}>"), REAL(5e-324), "<5e-324>");
	key(KEYED("<{a}>"), REAL(0.1 + 0.2), "<0.30000000000000004>");
	key(KEYED("<{a}>"), REAL(9007199254740993.0), "<9007199254740992.0>");
	key(KEYED("<{a}>"), REAL(0.00012), "<0.00012>");
	key(KEYED("<{a}>"), REAL(INFINITY), REFUSED "not a finite number");
	key(KEYED("<{a}>"), TRUTH(1), "<true>");
	key(KEYED("{{{a}}}"), TEXT("b"), "{b}");
}

static void null_refuses_the_row_unless_something_stands_for_it(void **state)
{
	(void)state;
	key(KEYED("<{a}>"), NUL, REFUSED "NULL in a key");
	key(KEYED("<{a|hex|lower}>"), NUL, REFUSED "NULL in a key");
	key(KEYED("<{a?}>"), NUL, "<>");
	key(KEYED("<{a?|hex}>"), NUL, "<>");
	key(KEYED("<{a|else:none}>"), NUL, "<none>");
	key(KEYED("<{a|hex|else:\"a|}\"\"b\"|upper}>"), NUL, "<A|}\"B>");
	key(KEYED("<{a|else:none}>"), TEXT(""), "<>");
	key(KEYED("{a}"), TEXT(""), "record r, entry \"v\": the key is empty");
}

static void filters_give_what_the_table_says(void **state)
{
	(void)state;
	key(KEYED("{a|hex}"), BLOB("\x00\xab"), "00ab");
	key(KEYED("{a|min:3}"), TEXT("abc"), "abc");
	key(KEYED("{a|min:3}"), TEXT("ab"), REFUSED "min: 2 bytes, required are 3");
	key(KEYED("{a|base32hex}"), TEXT("foobar"), "cpnmuoj1e8");
	key(KEYED("{a|base32hex}"), BLOB("\xff"), "vs");
	key(KEYED("{a|lower}"), TEXT("ABC \xc3\x84"), "abc \xc3\x84");
	key(KEYED("{a|upper}"), TEXT("abz{`"), "ABZ{`");
	key(KEYED("{a|urlencode}"), TEXT("a/b c~\xc3\xa4"), "a%2Fb%20c~%C3%A4");
	key(KEYED("{a|pad:5}"), INT(42), "00042");
	key(KEYED("{a|pad:5}"), TEXT("42"), "00042");
	key(KEYED("{a|pad:1}"), INT(42), REFUSED "pad: the number has more digits");
	key(KEYED("{a|pad:5}"), INT(-1), REFUSED "pad: needs an integer that is not negative");
	key(KEYED("{a|pad:5}"), TEXT("007"),
	    REFUSED "pad: needs an integer that is not negative");
	key(KEYED("{a|be64|hex}"), INT(258), "0000000000000102");
	key(KEYED("{a|desc64|hex}"), INT(258), "fffffffffffffefd");
	key(KEYED("{a|be64|hex}"), TEXT("18446744073709551615"), "ffffffffffffffff");
	key(KEYED("{a|rfc3339}"), INT(0), "1970-01-01T00:00:00Z");
	key(KEYED("{a|rfc3339:ms}"), INT(-1), "1969-12-31T23:59:59.999Z");
	key(KEYED("{a|rfc3339}"), TEXT("2024-02-29 23:59:59.5+01:00"),
	    "2024-02-29T22:59:59.500Z");
	key(KEYED("{a|uuid}"), TEXT("6BA7B8109DAD11D180B400C04FD430C8"),
	    "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	key(KEYED("{a|uuid}"), BLOB("0123456789abcdef"),
	    "30313233-3435-3637-3839-616263646566");
	key(KEYED("{a|uuid}"), TEXT("no"), REFUSED "uuid: not a UUID");
	/* RFC 9562, appendix A.4 */
	key(KEYED("{a|uuid5:dns}"), TEXT("www.example.com"),
	    "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	key(KEYED("{a|decimal:2}"), REAL(9.99), "9.99");
	key(KEYED("{a|decimal:2}"), INT(-7), "-7.00");
	key(KEYED("{a|decimal:2}"), TEXT("1.500"), "1.50");
	key(KEYED("{a|decimal:2}"), TEXT("1e2"), "100.00");
	key(KEYED("{a|decimal:2}"), TEXT("125e-3"),
	    REFUSED "the number has more than 2 digits behind the point");
	key(KEYED("{a|decimal:3}"), TEXT("125e-3"), "0.125");
	key(KEYED("{a|decimal:2}"), TEXT("1,5"), REFUSED "not a decimal number");
	key(KEYED("{a|lower}"), BLOB("A"), REFUSED "lower: a blob is not text");
}

static void checks_pass_a_value_unchanged_or_refuse_it(void **state)
{
	static const char label63[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	(void)state;
	key(KEYED("{a|dns_label}"), TEXT("a-0"), "a-0");
	key(KEYED("{a|dns_label}"),
	    ((struct kvf_cell){ KVF_CELL_TEXT, .u.b = { (const uint8_t *)label63, 63 } }),
	    label63);
#define BAD_LABEL                                                                              \
	REFUSED "dns_label: not 1 to 63 of a-z, 0-9 and \"-\", with a letter or digit at "     \
		"both ends"
	key(KEYED("{a|dns_label}"), TEXT("A"), BAD_LABEL);
	key(KEYED("{a|dns_label}"), TEXT("-a"), BAD_LABEL);
	key(KEYED("{a|dns_label}"), TEXT(""), BAD_LABEL);
	key(KEYED("{a|dns_subdomain}"), TEXT("a.b-c.0"), "a.b-c.0");
	key(KEYED("{a|dns_subdomain}"), TEXT("a..b"),
	    REFUSED "dns_subdomain: not DNS labels joined with dots, at most 253 bytes");
	key(KEYED("{a|segment}"), TEXT("a b"), "a b");
	key(KEYED("{a|segment}"), TEXT("a/b"), REFUSED "segment: a \"/\" in it");
	key(KEYED("{a|nonempty}"), TEXT(""), REFUSED "nonempty: empty");
	key(KEYED("{a|max:3}"), TEXT("abc"), "abc");
	key(KEYED("{a|max:3}"), TEXT("abcd"), REFUSED "max: 4 bytes, allowed are 3");
}

static void a_let_sees_columns_and_the_lets_before_it(void **state)
{
	static const char package[] =
		PACKAGE("let: {a: {first: ['{a|uuid}', '{b|uuid}', 'none']}, c: '{a}/{b?}'}, "
			"entries: [{partition: '{c}', value: v, key: '{a}'}]}}\n"
			"values: {v: {encoding: raw, from: '{c|upper}'}}\n");
	struct kvf_cell row[2] = { TEXT(""), TEXT("00000000000000000000000000000abc") };
	struct definition d;

	(void)state;
	definition_open(&d, package, "a b");
	assert_int_equal(definition_row(&d, row, 2), KVF_OK);
	row[1] = NUL;
	assert_int_equal(definition_row(&d, row, 2), KVF_OK);
	assert_string_equal(
		definition_text(&d),
		"00000000-0000-0000-0000-000000000abc/00000000000000000000000000000abc | "
		"00000000-0000-0000-0000-000000000abc | "
		"00000000-0000-0000-0000-000000000ABC/00000000000000000000000000000ABC\n"
		"none/ | none | NONE/\n");
	row[0] = TEXT("bad"); /* not skipped: it is there, and wrong */
	assert_int_equal(definition_row(&d, row, 2), KVF_EREJECT);
	assert_string_equal(d.err.message, "record r, column \"a\": uuid: not a UUID");
	assert_string_equal(d.err.detail, "package p, p.yaml:3:44");
	definition_close(&d);
}

static void when_is(const char *condition, struct kvf_cell cell, const char *expected)
{
	char package[512];
	struct definition d;

	snprintf(package, sizeof(package),
		 PACKAGE("entries: [{partition: x, value: v, key: k, when: \"%s\"}]}}\n"
			 "values: {v: {encoding: raw, from: y}}\n"),
		 condition);
	definition_open(&d, package, "a");
	if (definition_row(&d, &cell, 1) != KVF_OK)
		assert_string_equal(d.err.message, expected);
	else if (strcmp(definition_text(&d), expected) != 0)
		fail_msg("%s", condition);
	definition_close(&d);
}

static void conditions_follow_sql(void **state)
{
	static const char yes[] = "x | k | y\n", no[] = "";

	(void)state;
	when_is("a != ''", TEXT("b"), yes);
	when_is("a != ''", TEXT(""), no);
	when_is("a != ''", NUL, no);
	when_is("a is null", NUL, yes);
	when_is("a is not null", NUL, no);
	when_is("a = 'it''s'", TEXT("it's"), yes);
	when_is("a < 'b'", BLOB("a"), yes);
	when_is("a >= 3", INT(3), yes);
	when_is("a > 2.5", INT(3), yes);
	when_is("a <= 9223372036854775807", REAL(9223372036854775808.0), no);
	when_is("a = 9007199254740993", REAL(9007199254740992.0), no);
	when_is("2 < a", REAL(2.5), yes);
	when_is("a = true", INT(1), yes);
	when_is("a = false", TRUTH(0), yes);
	when_is("not a = 1", NUL, no);
	when_is("NOT (a = 1 AND a = 2)", INT(1), yes);
	when_is("a = 1 or a is null", NUL, yes);
	when_is("a = 1 and a = 2 or a = 3", INT(3), yes);
	when_is("a = 3 or a = 1 and a = 2", INT(3), yes);
	when_is("(a = 3 or a = 1) and a = 2", INT(3), no);
	when_is("a = 1", TEXT("1"),
		"record r, condition on \"a\": a text does not compare with an integer");
}

static void value(const char *package, const char *columns, const struct kvf_cell *cells,
		  size_t n, const char *expected)
{
	struct definition d;
	struct kvf_bytes text;
	char shown[2048];

	definition_open(&d, package, columns);
	if (definition_row(&d, cells, n) != KVF_OK) {
		assert_string_equal(d.err.message, expected);
	} else {
		text = kvf_buf_bytes(&d.value);
		assert_string_equal(kvf_bytes_print(text, shown, sizeof(shown)), expected);
	}
	definition_close(&d);
}

#define ONE(package, cell, expected)                                                           \
	do {                                                                                   \
		const struct kvf_cell cells_[] = { cell };                                     \
		value(package, "a", cells_, 1, expected);                                      \
	} while (0)

#define JSON(type) VALUED("    {encoding: json, fields: {a: " type "}}")
#define MSGPACK(type) VALUED("    {encoding: msgpack, fields: {a: " type "}}")
#define FIELD_A "record r, field \"a\": "

static void every_type_of_json_values(void **state)
{
	(void)state;
	ONE(JSON("string"), TEXT("a\"\\\n\x01\x7f\xe2\x82\xac"),
	    "hex:7b2261223a22615c225c5c5c6e5c75303030317fe282ac227d");
	ONE(JSON("string"), INT(5), "{\"a\":\"5\"}");
	ONE(JSON("string"), TEXT("\xff"), FIELD_A "the text is not UTF-8");
	ONE(JSON("string"), BLOB("a"), FIELD_A "a blob is not a string");
	ONE(JSON("string"), NUL, "{}");
	ONE(JSON("{type: string, omit: never}"), NUL, "{\"a\":null}");
	ONE(JSON("{type: string, omit: empty}"), TEXT(""), "{}");
	ONE(JSON("{type: string, default: n/a}"), NUL, "{\"a\":\"n/a\"}");
	ONE(JSON("bytes"), BLOB("\x00\xff"), "{\"a\":\"AP8=\"}");
	ONE(JSON("bool"), INT(1), "{\"a\":true}");
	ONE(JSON("bool"), TEXT("false"), "{\"a\":false}");
	ONE(JSON("bool"), INT(2), FIELD_A "not a boolean (true, false, 0, 1)");
	ONE(JSON("int"), INT(INT64_MIN), "{\"a\":-9223372036854775808}");
	ONE(JSON("int"), TEXT("12"), "{\"a\":12}");
	ONE(JSON("int"), REAL(1), FIELD_A "a real is not an integer");
	ONE(JSON("int"), TEXT("+1"), FIELD_A "not a decimal integer of 64 bits");
	ONE(JSON("uint"), TEXT("18446744073709551615"), "{\"a\":18446744073709551615}");
	ONE(JSON("uint"), INT(-1), FIELD_A "a negative number");
	ONE(JSON("float"), REAL(0.1), "{\"a\":0.1}");
	ONE(JSON("float"), INT(INT64_MAX), FIELD_A "an integer that a float cannot hold");
	ONE(JSON("decimal"), TEXT("1.10"), "{\"a\":1.10}");
	ONE(JSON("{type: decimal, scale: 2}"), REAL(19.9), "{\"a\":19.90}");
	ONE(JSON("{type: decimal, omit: empty}"), TEXT("0.00"), "{}");
	ONE(JSON("timestamp"), TEXT("2026-11-20 09:39"), "{\"a\":\"2026-11-20T09:39:00Z\"}");
	ONE(JSON("{type: timestamp, unit: us}"), INT(1500000),
	    "{\"a\":\"1970-01-01T00:00:01.500Z\"}");
	ONE(JSON("timestamp"), TEXT("2023-02-29"),
	    FIELD_A "not a timestamp (2026-11-20 09:39:02.5 or RFC 3339)");
	ONE(JSON("json"), TEXT(" {\"b\": [1.0, null], \"a\": \"\\u00e9\\/\"} "),
	    "{\"a\":{\"a\":\"\xc3\xa9/\",\"b\":[1.0,null]}}");
	ONE(JSON("json"), TEXT("{\"b\":1,\"b\":2}"),
	    FIELD_A "the JSON member b stands there twice");
	ONE(JSON("json"), TEXT("[1,]"), FIELD_A "not JSON: no value at byte 3");
	ONE(JSON("repeated string"), TEXT("[\"x\",\"\",3]"), "{\"a\":[\"x\",\"\",\"3\"]}");
	ONE(JSON("repeated int"), TEXT("[1,null]"), FIELD_A "a null among the elements");
	ONE(JSON("repeated json"), TEXT("[\"x\",null,{}]"), "{\"a\":[\"x\",null,{}]}");
	ONE(JSON("repeated int"), TEXT("{}"), FIELD_A "not a JSON array");
	ONE(JSON("{type: repeated int, omit: empty}"), TEXT("[]"), "{}");
	ONE(JSON("'map<string,int>'"), TEXT("{\"z\":1,\"a\":2}"), "{\"a\":{\"a\":2,\"z\":1}}");
	ONE(JSON("{const: x, type: string}"), NUL, "{\"a\":\"x\"}");
}

static void every_type_of_msgpack_values(void **state)
{
	(void)state;
	ONE(MSGPACK("string"), TEXT("xy"), "hex:81a161a27879");
	ONE(MSGPACK("bytes"), BLOB("xy"), "hex:81a161c4027879");
	ONE(MSGPACK("bool"), INT(1), "hex:81a161c3");
	ONE(MSGPACK("int"), INT(-33), "hex:81a161d0df");
	ONE(MSGPACK("uint"), TEXT("18446744073709551615"), "hex:81a161cfffffffffffffffff");
	ONE(MSGPACK("float"), REAL(1.5), "hex:81a161cb3ff8000000000000");
	ONE(MSGPACK("decimal"), TEXT("1.50"), "hex:81a161a4312e3530");
	ONE(MSGPACK("timestamp"), INT(1), "hex:81a161d6ff00000001");
	ONE(MSGPACK("{type: timestamp, unit: ms}"), INT(1500),
	    "hex:81a161d7ff7735940000000001");
	ONE(MSGPACK("timestamp"), INT(-1), "hex:81a161c70cff00000000ffffffffffffffff");
	ONE(MSGPACK("{type: int, omit: never}"), NUL, "hex:81a161c0");
	ONE(MSGPACK("int"), NUL, "hex:80");
	ONE(MSGPACK("json"), TEXT("{\"b\":[true,-1],\"a\":0.5}"),
	    "hex:81a16182a161cb3fe0000000000000a16292c3ff");
	ONE(MSGPACK("json"), TEXT("99999999999999999999"),
	    FIELD_A "a JSON number that msgpack cannot hold");
	ONE(MSGPACK("repeated int"), TEXT("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"),
	    "hex:81a161dc00100102030405060708090a0b0c0d0e0f10");
	ONE(MSGPACK("'map<string,string>'"), TEXT("{\"b\":\"\",\"a\":\"x\"}"),
	    "hex:81a16182a161a178a162a0");
}

static void objects_group_or_read_json(void **state)
{
	static const char package[] = VALUED(
		"    encoding: json\n"
		"    fields:\n"
		"      meta: {fields: {id: {type: int, from: '{a}'}, none: {type: string, "
		"from: '{c}'}}}\n"
		"      empty: {omit: empty, fields: {none: {type: string, from: '{c}'}}}\n"
		"      one: {type: object, from: '{b}', fields: {X: string, y: {type: json, "
		"from: '{Y}'}}}\n"
		"      lines:\n"
		"        type: repeated object\n"
		"        from: '{d}'\n"
		"        fields: {sku: {type: string, from: '{S}-{n}'}, self: {type: json, "
		"from: '{.}'},\n"
		"                 deep: {fields: {n: int}}}");
	struct kvf_cell row[4] = { INT(7), TEXT("{\"Y\":\"t\",\"X\":1.50,\"z\":0}"), NUL,
				   TEXT("[{\"n\":2,\"S\":\"k\"},{\"S\":\"l\",\"n\":3}]") };

	(void)state;
	value(package, "a b c d", row, 4,
	      "{\"meta\":{\"id\":7},\"one\":{\"X\":\"1.50\",\"y\":\"t\"},\"lines\":["
	      "{\"sku\":\"k-2\",\"self\":{\"S\":\"k\",\"n\":2},\"deep\":{\"n\":2}},"
	      "{\"sku\":\"l-3\",\"self\":{\"S\":\"l\",\"n\":3},\"deep\":{\"n\":3}}]}");
	row[3] = TEXT("[{\"n\":2,\"n\":3,\"S\":\"k\"}]");
	value(package, "a b c d", row, 4,
	      "record r, member \"n\": the JSON member n stands there twice");
	row[3] = TEXT("[3]");
	value(package, "a b c d", row, 4,
	      "record r, field \"lines\": an element is not a JSON object");
	row[1] = TEXT("[]");
	value(package, "a b c d", row, 4, "record r, field \"one\": not a JSON object");
}

static void msgpack_fields_are_sorted_json_fields_are_not(void **state)
{
	const struct kvf_cell row[2] = { INT(1), INT(2) };

	(void)state;
	value(VALUED("    {encoding: json, fields: {b: int, a: int}}"), "a b", row, 2,
	      "{\"b\":2,\"a\":1}");
	value(VALUED("    {encoding: msgpack, fields: {b: int, a: int}}"), "a b", row, 2,
	      "hex:82a16101a16202");
}

static void limits_name_the_option(void **state)
{
	static char large[5000];
	struct kvf_cell cell = { KVF_CELL_TEXT,
				 .u.b = { (const uint8_t *)large, sizeof(large) } };
	struct definition d;

	(void)state;
	memset(large, 'x', sizeof(large));
	definition_open(&d, JSON("string"), "a");
	assert_int_equal(definition_row(&d, &cell, 1), KVF_EREJECT);
	assert_string_equal(d.err.message, FIELD_A "more than 4096 bytes");
	assert_string_equal(d.err.hint, "Raise the limit with --max-value SIZE.");
	definition_close(&d);
	definition_open(&d, KEYED("{a}"), "a");
	assert_int_equal(definition_row(&d, &cell, 1), KVF_EREJECT);
	assert_string_equal(d.err.message, "record r, template for the \"key\": the key has at "
					   "least 5000 bytes, the limit is 512");
	definition_close(&d);
}

static void a_row_of_another_shape_is_an_internal_error(void **state)
{
	struct kvf_cell row[2] = { INT(1), INT(2) };
	struct definition d;

	(void)state;
	assert_int_equal(definition_load(&d, KEYED("{a}")), KVF_OK);
	assert_int_equal(definition_row(&d, row, 1), KVF_EINTERNAL);
	assert_int_equal(definition_bind(&d, "a"), KVF_OK);
	assert_int_equal(definition_row(&d, row, 2), KVF_EINTERNAL);
	assert_int_equal(definition_row(&d, row, 1), KVF_OK);
	definition_close(&d);
}

static void expect_pattern(const struct kvf_pattern *p, const char *expected)
{
	char text[1024];
	size_t at = 0, i;

	for (i = 0; i < p->npieces; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", i ? "*" : "",
				       (int)p->pieces[i].len, (const char *)p->pieces[i].ptr);
	assert_string_equal(text, expected);
}

static void kinds_are_patterns_of_the_templates(void **state)
{
	static const char package[] =
		PACKAGE("entries: [{partition: x, value: v, key: 'repos/{a}/runs/{b}'}, "
			"{partition: '{a}', value: v, key: 'k'}, {partition: '{a}{b}', value: "
			"v, key: '{a}/x', "
			"kind: own}, {partition: '', value: v, key: "
			"'{a}1{a}2{a}3{a}4{a}5{a}6{a}7{a}8{a}9'}]}}\n"
			"values: {v: {encoding: raw, from: y}}\n");
	const struct kvf_package *p;
	struct definition d;

	(void)state;
	definition_open(&d, package, "a b");
	p = kvf_formats_application(d.formats)->packages[0];
	assert_int_equal(p->nkinds, 4);
	expect_pattern(&p->kinds[0].key, "repos/*/runs/*");
	expect_pattern(&p->kinds[0].part, "x");
	expect_pattern(&p->kinds[1].part, "*");
	expect_pattern(&p->kinds[1].key, "k");
	expect_pattern(&p->kinds[2].part, "*");
	expect_pattern(&p->kinds[2].key, "*/x");
	expect_pattern(&p->kinds[3].part, "");
	expect_pattern(&p->kinds[3].key, "*1*2*3*4*5*6*9");
	assert_string_equal(p->kinds[0].name, "v");
	assert_string_equal(p->kinds[1].name, "r.v");
	assert_string_equal(p->kinds[2].name, "own");
	assert_string_equal(p->kinds[3].name, "r.v.2");
	definition_close(&d);
}

static void only_the_columns_that_are_used_are_read(void **state)
{
	const struct kvf_record *r;
	struct definition d;

	(void)state;
	definition_open(
		&d,
		PACKAGE("let: {l: '{c}'}, entries: [{partition: x, value: v, key: '{l}{b}', "
			"when: 'd = 1'}]}}\nvalues: {v: {encoding: json, fields: "
			"{b: int, o: {type: object, from: '{e}', fields: {inner: int}}}}}\n"),
		"a b c d e");
	r = &kvf_formats_application(d.formats)->packages[0]->records[0];
	assert_int_equal(r->ncolumns, 4);
	assert_string_equal(r->columns[0], "c");
	assert_string_equal(r->columns[1], "d");
	assert_string_equal(r->columns[2], "b");
	assert_string_equal(r->columns[3], "e");
	definition_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_have_one_text_each),
		cmocka_unit_test(null_refuses_the_row_unless_something_stands_for_it),
		cmocka_unit_test(filters_give_what_the_table_says),
		cmocka_unit_test(checks_pass_a_value_unchanged_or_refuse_it),
		cmocka_unit_test(a_let_sees_columns_and_the_lets_before_it),
		cmocka_unit_test(conditions_follow_sql),
		cmocka_unit_test(every_type_of_json_values),
		cmocka_unit_test(every_type_of_msgpack_values),
		cmocka_unit_test(objects_group_or_read_json),
		cmocka_unit_test(msgpack_fields_are_sorted_json_fields_are_not),
		cmocka_unit_test(limits_name_the_option),
		cmocka_unit_test(a_row_of_another_shape_is_an_internal_error),
		cmocka_unit_test(kinds_are_patterns_of_the_templates),
		cmocka_unit_test(only_the_columns_that_are_used_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
