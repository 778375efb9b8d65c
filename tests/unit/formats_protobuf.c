/*
 * Protobuf values, byte by byte.  The expected bytes were worked out by hand
 * from the wire format; tests/integration/protoc.sh lets protoc read the same
 * ones (tests/golden/protobuf/NAME.hex).
 */
#include "../support/test.h"
#include "../support/definitions.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKAGE(fields)                                                                        \
	"package: p\nversion: 1\nrecords: {r: {table: t, entries: [{partition: x, value: v, "  \
	"key: k}]}}\nvalues:\n  v:\n    encoding: protobuf\n    fields:\n" fields

/* Cells in the order of the columns; `expected` is hex, or a reason. */
static void value(const char *package, const char *columns, const struct kvf_cell *cells,
		  size_t n, const char *expected)
{
	struct definition d;
	char hex[2048];

	definition_open(&d, package, columns);
	if (definition_row(&d, cells, n)) {
		assert_string_equal(d.err.message, expected);
	} else {
		assert_true(d.value.len < sizeof(hex) / 2);
		kvf_hex(d.value.ptr, d.value.len, hex);
		assert_string_equal(hex, expected);
	}
	definition_close(&d);
}

static void one(const char *type, struct kvf_cell cell, const char *expected)
{
	char package[512];

	snprintf(package, sizeof(package), PACKAGE("      a: {tag: 1, type: '%s'}\n"), type);
	value(package, "a", &cell, 1, expected);
}

#define FIELD "record r, field \"a\": "

static void every_scalar_has_its_wire_form(void **state)
{
	(void)state;
	one("int32", INT(150), "089601");
	one("int32", INT(-1), "08ffffffffffffffffff01");
	one("int64", INT(INT64_MIN), "0880808080808080808001");
	one("uint32", INT(4294967295), "08ffffffff0f");
	one("uint64", TEXT("18446744073709551615"), "08ffffffffffffffffff01");
	one("sint32", INT(-1), "0801");
	one("sint32", INT(INT32_MIN), "08ffffffff0f");
	one("sint64", INT(INT64_MAX), "08feffffffffffffffff01");
	one("fixed32", INT(1), "0d01000000");
	one("fixed64", INT(1), "090100000000000000");
	one("sfixed32", INT(-2), "0dfeffffff");
	one("sfixed64", INT(-2), "09feffffffffffffff");
	one("double", REAL(1.5), "09000000000000f83f");
	one("float", REAL(1.5), "0d0000c03f");
	one("float", REAL(0.1), "0dcdcccc3d");
	one("float", REAL(16777216), "0d0000804b");
	one("bool", INT(1), "0801");
	one("string", TEXT("testing"), "0a0774657374696e67");
	one("bytes", BLOB("\x00\xff"), "0a0200ff");
	one("enum", INT(3), "0803");
	one("timestamp", TEXT("1970-01-01 00:00:01.5"), "0a0808011080cab5ee01");
	/* lakefs.md: 1969-12-31 23:59:59.5 is seconds -1, nanos 500000000 */
	one("timestamp", TEXT("1969-12-31 23:59:59.5"),
	    "0a1108ffffffffffffffffff011080cab5ee01");
}

static void zero_is_left_out_but_a_timestamp_is_not(void **state)
{
	static const char *const types[] = { "int32",   "uint64",   "sint64",
					     "fixed32", "sfixed64", "double",
					     "float",   "bool",     "enum" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		one(types[i], INT(0), "");
	one("string", TEXT(""), "");
	one("bytes", BLOB(""), "");
	one("timestamp", INT(0), "0a00");
	one("timestamp", NUL, "");
	one("string", NUL, "");
	one("repeated int32", TEXT("[]"), "");
	one("map<string,string>", TEXT("{}"), "");
}

static void out_of_range_is_refused(void **state)
{
	(void)state;
	one("int32", INT(2147483648), FIELD "out of the range of int32");
	one("uint32", INT(4294967296), FIELD "out of the range of uint32");
	one("uint32", INT(-1), FIELD "a negative number");
	one("sint32", INT(-2147483649), FIELD "out of the range of sint32");
	one("float", REAL(1e39), FIELD "out of the range of float");
	one("float", REAL(16777217), FIELD "a float would lose digits of it");
	one("string", TEXT("\xc0"), FIELD "the text is not UTF-8");
	one("string", BLOB("a"), FIELD "a blob is not a string");
	one("enum", TEXT("ACTIVE"), FIELD "not a decimal integer of 64 bits");
	one("repeated int32", TEXT("[1,null]"), FIELD "a null among the elements");
	one("repeated string", TEXT("{}"), FIELD "not a JSON array");
	one("map<bool,int32>", TEXT("{\"0\":1}"),
	    FIELD "a map's key is neither true nor false");
	one("map<int32,int32>", TEXT("{\"x\":1}"), FIELD "not a decimal integer of 64 bits");
}

static void lists_are_packed_where_they_can_be(void **state)
{
	(void)state;
	one("repeated int32", TEXT("[3,270,86942,0]"),
	    "0a0703"
	    "8e02"
	    "9ea705"
	    "00");
	one("repeated fixed32", TEXT("[1]"), "0a0401000000");
	one("repeated bool", TEXT("[true,false]"), "0a020100");
	one("repeated string", TEXT("[\"a\",\"\"]"), "0a01610a00");
	one("repeated timestamp", TEXT("[\"1970-01-01\"]"), "0a00");
}

static void maps_are_sorted_and_write_both_sides(void **state)
{
	(void)state;
	one("map<string,string>", TEXT("{\"b\":\"\",\"\":\"x\"}"),
	    "0a050a0012"
	    "0178"
	    "0a050a0162"
	    "1200");
	one("map<int32,bool>", TEXT("{\"10\":false,\"-1\":true,\"9\":true}"),
	    "0a0d08ffffffffffffffffff011001"
	    "0a0408091001"
	    "0a04080a1000");
	one("map<uint64,int32>", TEXT("{\"18446744073709551615\":1,\"0\":0}"),
	    "0a0408001000"
	    "0a0d08ffffffffffffffffff011001");
	one("map<bool,int32>", TEXT("{\"true\":1,\"false\":2}"),
	    "0a0408001002"
	    "0a0408011001");
}

static void fields_are_sorted_by_tag_and_messages_nest(void **state)
{
	static const char package[] =
		PACKAGE("      b: {tag: 3, type: string}\n"
			"      lines: {tag: 2, type: repeated message, fields: {n: {tag: 2, "
			"type: int32, from: "
			"'{N}'}, all: {tag: 1, type: repeated string}}}\n"
			"      group: {tag: 1, fields: {a: {tag: 1, type: int32}}}\n"
			"      one: {tag: 4, type: message, from: '{json}', fields: {x: {tag: "
			"1, type: bool}}}\n"
			"      none: {tag: 5, type: message, from: '{null}', fields: {x: {tag: "
			"1, type: bool}}}\n"
			"      fixed: {tag: 200, type: string, const: c}\n");
	const struct kvf_cell row[] = { INT(1), TEXT("z"),
					TEXT("[{\"N\":5,\"all\":[\"p\",\"q\"]},{}]"),
					TEXT("{}"), NUL };

	(void)state;
	value(package, "a b lines json null", row, 5,
	      "0a020801"
	      "12080a01700a01711005"
	      "1200"
	      "1a017a"
	      "2200"
	      "c20c0163");
}

/* The row of tests/golden/protobuf/: actions_runs as lakefs.md describes it. */
static void a_value_that_protoc_reads(void **state)
{
	static const char package[] =
		PACKAGE("      run_id:     {tag: 1, type: string, from: '{id|base32hex}'}\n"
			"      branch_id:  {tag: 2, type: string}\n"
			"      start_time: {tag: 6, type: timestamp}\n"
			"      end_time:   {tag: 7, type: timestamp}\n"
			"      passed:     {tag: 8, type: bool}\n"
			"      metadata:   {tag: 9, type: 'map<string,string>'}\n"
			"      parents:    {tag: 10, type: repeated string}\n"
			"      counts:     {tag: 11, type: repeated sint64}\n"
			"      ratio:      {tag: 12, type: double}\n"
			"      hooks:      {tag: 13, type: repeated message, fields: {name: "
			"{tag: 1, type: "
			"string}, ok: {tag: 2, type: bool}}}\n");
	const struct kvf_cell row[] = {
		BLOB("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb"),
		TEXT("main"),
		TEXT("2022-03-01 12:00:00.000001"),
		INT(0),
		TRUTH(1),
		TEXT("{\"b\":\"2\",\"a\":\"\"}"),
		TEXT("[\"p1\",\"p2\"]"),
		TEXT("[-1,0,1]"),
		REAL(0.5),
		TEXT("[{\"name\":\"pre\",\"ok\":true},{\"name\":\"post\",\"ok\":false}]"),
	};
	const char *top = getenv("TOP");
	char path[4096], hex[2048];
	size_t n;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/protobuf/run.hex", top ? top : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(hex, 1, sizeof(hex) - 1, f);
	fclose(f);
	while (n && hex[n - 1] == '\n')
		n--;
	hex[n] = '\0';
	value(package,
	      "id branch_id start_time end_time passed metadata parents counts ratio hooks",
	      row, 10, hex);
}

static void message_tables_follow_from_the_definition(void **state)
{
	static const char package[] = PACKAGE("      z: {tag: 9, type: 'map<string,message>', "
					      "fields: {x: {tag: 1, type: int32}}}\n"
					      "      a: {tag: 2, type: repeated string}\n"
					      "      t: {tag: 1, type: timestamp}\n");
	const struct kvf_package *p;
	struct definition d;

	(void)state;
	definition_open(&d, package, "z a t");
	p = kvf_formats_application(d.formats)->packages[0];
	assert_int_equal(p->nmessages, 2);
	assert_int_equal(p->kinds[0].msg, 0);
	assert_string_equal(p->messages[0].name, "v");
	assert_int_equal(p->messages[0].nfields, 3);
	assert_int_equal(p->messages[0].fields[0].number, 1);
	assert_string_equal(p->messages[0].fields[0].type, "timestamp");
	assert_string_equal(p->messages[0].fields[1].type, "repeated string");
	assert_int_equal(p->messages[0].fields[1].ref, -1);
	assert_string_equal(p->messages[0].fields[2].type, "map<string,message>");
	assert_int_equal(p->messages[0].fields[2].ref, 1);
	assert_string_equal(p->messages[1].name, "z");
	definition_close(&d);
}

#define COPIED                                                                                 \
	"package: p\nversion: 1\nrecords: {r: {table: t, entries: [{partition: x, value: v, "  \
	"key: k}]}}\nvalues:\n  v:\n    encoding: protobuf\n    from: '{a}'\n    fields:\n"    \
	"      s: {tag: 1, type: string}\n      n: {tag: 2, type: repeated int32}\n"           \
	"      m: {tag: 3, type: 'map<string,message>', fields: {t: {tag: 1, type: "           \
	"fixed32}}}\n"

static void a_message_is_copied_if_it_is_one(void **state)
{
	static const char no[] = "record r, value \"v\": not a protobuf message of this shape";
	const struct {
		struct kvf_cell cell;
		const char *expected;
	} list[] = {
		{ BLOB(""), "" },
		{ BLOB("\x0a\x01x"), "0a0178" },
		{ BLOB("\x12\x02\x01\x02\x10\x03"), "120201021003" }, /* packed, and not */
		{ BLOB("\x7a\x01x"), "7a0178" },                      /* unknown number */
		{ BLOB("\x1a\x0a\x0a\x01k\x12\x05\x0d\0\0\0\0"), "1a0a0a016b12050d00000000" },
		{ BLOB("\x1a\x09\x0a\x01k\x12\x05\x0d\0\0\0\0"), no }, /* cut short */
		{ BLOB("\x1a\x07\x0a\x01k\x12\x02\x08\x01"), no },     /* varint as fixed32 */
		{ BLOB("\x0a\x01\xff"), no },                          /* not UTF-8 */
		{ BLOB("\x08\x01"), no },                              /* a number as string */
		{ BLOB("\x0a\x05x"), no },
		{ BLOB("\x12\x01\xff"), no },
		{ BLOB("\xff"), no },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		value(COPIED, "a", &list[i].cell, 1, list[i].expected);
}

static void a_null_among_elements_becomes_what_nulls_says(void **state)
{
	struct kvf_cell map = TEXT("{\"k\":null}"), list = TEXT("[null,1]");

	(void)state;
	value(PACKAGE("      a: {tag: 1, type: 'map<string,string>', nulls: ''}\n"), "a", &map,
	      1, "0a050a016b1200");
	value(PACKAGE("      a: {tag: 1, type: repeated int32, nulls: '7'}\n"), "a", &list, 1,
	      "0a020701");
	value(PACKAGE("      a: {tag: 1, type: 'map<string,string>'}\n"), "a", &map, 1,
	      FIELD "a null among the elements");
}

static void members_of_any_case_are_found(void **state)
{
	struct kvf_cell one_each = TEXT("[{\"EFFECT\":\"x\"},{\"effect\":\"y\"}]");
	struct kvf_cell both = TEXT("[{\"Effect\":\"x\",\"effect\":\"y\"}]");
	static const char package[] =
		PACKAGE("      a: {tag: 1, type: repeated message, members: any-case, fields: "
			"{Effect: {tag: 1, type: string}}}\n");

	(void)state;
	value(package, "a", &one_each, 1, "0a030a01780a030a0179");
	value(package, "a", &both, 1,
	      "record r, member \"Effect\": the JSON member Effect stands there twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scalar_has_its_wire_form),
		cmocka_unit_test(zero_is_left_out_but_a_timestamp_is_not),
		cmocka_unit_test(out_of_range_is_refused),
		cmocka_unit_test(lists_are_packed_where_they_can_be),
		cmocka_unit_test(maps_are_sorted_and_write_both_sides),
		cmocka_unit_test(fields_are_sorted_by_tag_and_messages_nest),
		cmocka_unit_test(a_value_that_protoc_reads),
		cmocka_unit_test(message_tables_follow_from_the_definition),
		cmocka_unit_test(a_message_is_copied_if_it_is_one),
		cmocka_unit_test(a_null_among_elements_becomes_what_nulls_says),
		cmocka_unit_test(members_of_any_case_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
