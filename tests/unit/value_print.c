/* Values as JSON text for people. */
#include "../support/test.h"

#include "value/print.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(s) ((struct kvf_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

/* Print `value`, compare the text, and whether it could be decoded. */
static void expect(const struct kvf_print_as *as, struct kvf_bytes value, const char *text,
		   int decodes)
{
	struct kvf_buf out;
	struct kvf_err err;
	int decoded = -1;
	char *got;

	kvf_buf_init(&out, 1 << 20);
	assert_int_equal(kvf_print_value(&out, as, value, &decoded, &err), KVF_OK);
	got = strndup(out.len ? (const char *)out.ptr : "", out.len);
	assert_string_equal(got, text);
	assert_int_equal(decoded, decodes);
	free(got);
	kvf_buf_release(&out);
}

static void as(enum kvf_encoding enc, struct kvf_bytes value, const char *text)
{
	struct kvf_print_as how = { enc, NULL, 0, 0 };

	expect(&how, value, text, 1);
}

static void broken(enum kvf_encoding enc, struct kvf_bytes value, const char *text)
{
	struct kvf_print_as how = { enc, NULL, 0, 0 };

	expect(&how, value, text, 0);
}

static void raw_text_is_a_string_and_the_rest_is_hex(void **state)
{
	(void)state;
	as(KVF_RAW, BYTES(""), "\"\"");
	as(KVF_RAW, BYTES("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
	as(KVF_RAW, BYTES("\xff\x00"), "\"hex:ff00\"");
	as(KVF_RAW, BYTES("hex:ff"), "\"hex:6865783a6666\"");
	as(KVF_RAW, BYTES("a\"b\\c\n"), "\"a\\\"b\\\\c\\n\"");
}

static void what_moves_a_terminal_is_escaped(void **state)
{
	(void)state;
	as(KVF_RAW, BYTES("\x1b[2J"), "\"\\u001b[2J\"");
	as(KVF_RAW,
	   BYTES("\x7f\xc2\x9b"
		 "1m"),
	   "\"\\u007f\\u009b1m\"");
	as(KVF_RAW,
	   BYTES("\xe2\x80\xae"
		 "abc"),
	   "\"\\u202eabc\"");
	as(KVF_JSON, BYTES("\"\x7f\xc2\x9b\""), "\"\\u007f\\u009b\"");
	as(KVF_MSGPACK, BYTES("\xa2\x1b["), "\"\\u001b[\"");
}

static void msgpack_looks_like_its_json(void **state)
{
	(void)state;
	as(KVF_MSGPACK, BYTES("\xc0"), "null");
	as(KVF_MSGPACK,
	   BYTES("\x82\xa1"
		 "a\x01\xa1"
		 "b\x93\xc3\xc2\xc0"),
	   "{\"a\":1,\"b\":[true,false,null]}");
	as(KVF_MSGPACK, BYTES("\xcb\x3f\xf8\0\0\0\0\0\0"), "1.5");
	as(KVF_MSGPACK, BYTES("\xcb\x40\0\0\0\0\0\0\0"), "2.0");
	as(KVF_MSGPACK, BYTES("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1");
	as(KVF_MSGPACK, BYTES("\xcb\x7f\xf8\0\0\0\0\0\0"), "\"NaN\"");
	as(KVF_MSGPACK, BYTES("\xcb\xff\xf0\0\0\0\0\0\0"), "\"-Infinity\"");
	as(KVF_MSGPACK, BYTES("\xc4\x02\x01\x02"), "\"hex:0102\"");
	as(KVF_MSGPACK, BYTES("\xd4\x05\x07"), "{\"ext\":5,\"bytes\":\"hex:07\"}");
	as(KVF_MSGPACK, BYTES("\x81\x05\x90"), "{\"5\":[]}");
	as(KVF_MSGPACK, BYTES("\x81\x91\x01\x02"), "{\"...\":2}");
}

static void integers_that_readers_bend_are_strings(void **state)
{
	(void)state;
	as(KVF_MSGPACK, BYTES("\xcf\0\x20\0\0\0\0\0\0"), "9007199254740992");
	as(KVF_MSGPACK, BYTES("\xcf\0\x20\0\0\0\0\0\x01"), "\"9007199254740993\"");
	as(KVF_MSGPACK, BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	   "\"18446744073709551615\"");
	as(KVF_MSGPACK, BYTES("\xd3\x80\0\0\0\0\0\0\0"), "\"-9223372036854775808\"");
}

static void what_is_not_msgpack_is_printed_raw(void **state)
{
	(void)state;
	broken(KVF_MSGPACK, BYTES(""), "\"hex:\"");
	broken(KVF_MSGPACK, BYTES("\xc1"), "\"hex:c1\"");
	broken(KVF_MSGPACK, BYTES("\x92\x01"), "\"hex:9201\"");
	broken(KVF_MSGPACK, BYTES("\x01\x02"), "\"hex:0102\"");
	broken(KVF_MSGPACK, BYTES("\xdd\xff\xff\xff\xff"), "\"hex:ddffffffff\"");
}

static void json_is_checked_and_loses_its_blanks(void **state)
{
	(void)state;
	as(KVF_JSON, BYTES(" { \"a\" : [ 1 , -2.5e+7, \"x\\u00e9\\n\" ] , \"b\" : {} } "),
	   "{\"a\":[1,-2.5e+7,\"x\\u00e9\\n\"],\"b\":{}}");
	as(KVF_JSON, BYTES("123456789012345678901234567890"), "123456789012345678901234567890");
	as(KVF_JSON, BYTES("[]"), "[]");
}

static void what_is_not_json_is_printed_raw(void **state)
{
	static const char *const texts[] = {
		"",    "{",          "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{1:2}",
		"01",  "1.",         "-",    "nul",   "[1]x",    "\"\\x\"",  "\"\\u12\"",
		"\"a", "{\"a\":1,}", "]",    "1e",    "\"\t\"",  "[}",       "{\"a\":1"
	};
	struct kvf_print_as how = { KVF_JSON, NULL, 0, 0 };
	struct kvf_buf out;
	struct kvf_err err;
	size_t i;
	int decoded;

	(void)state;
	kvf_buf_init(&out, 1 << 16);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		out.len = 0;
		assert_int_equal(
			kvf_print_value(&out, &how, kvf_bytes_str(texts[i]), &decoded, &err),
			KVF_OK);
		assert_int_equal(decoded, 0);
		assert_memory_equal(out.ptr, "\"hex:", 5);
	}
	kvf_buf_release(&out);
}

static void depth_is_bounded_in_every_encoding(void **state)
{
	static const char cut[] = "[[[[[[[[[[[[[[[[\"...\"]]]]]]]]]]]]]]]]";
	uint8_t deep[40];

	(void)state;
	memset(deep, 0x91, 39);
	deep[39] = 7;
	as(KVF_MSGPACK, (struct kvf_bytes){ deep, 40 }, cut);
	as(KVF_JSON, BYTES("[[[[[[[[[[[[[[[[[[[1,\"]\"]]]]]]]]]]]]]]]]]]]"), cut);
	broken(KVF_JSON, BYTES("[[[[[[[[[[[[[[[[[[[1,\"]\"]]]]]]]]]]]]]]]]]]"),
	       "\"hex:5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b312c225d225d5d5d5d5d5d5d5d5d5d5d5d"
	       "5d5d5d5d5d5d\"");
}

/* ---- protobuf ------------------------------------------------------------------ */

static const struct kvf_field policy_fields[] = {
	{ 1, "created_at", "timestamp", -1 },
	{ 2, "display_name", "string", -1 },
	{ 3, "statement", "repeated message", 1 },
	{ 4, "numbers", "repeated sint32", -1 },
	{ 5, "labels", "map<string,string>", -1 },
	{ 6, "counts", "map<int32,message>", 1 },
	{ 7, "color", "enum", 2 },
	{ 8, "self", "message", 0 },
	{ 9, "ok", "bool", -1 },
	{ 10, "ratio", "double", -1 },
	{ 11, "id", "uint64", -1 },
	{ 12, "blob", "bytes", -1 },
	{ 13, "f", "float", -1 },
	{ 14, "x", "fixed32", -1 },
	{ 15, "y", "sfixed64", -1 },
};
static const struct kvf_field statement_fields[] = { { 1, "effect", "string", -1 },
						     { 2, "action", "repeated string", -1 } };
static const struct kvf_field color_fields[] = { { 0, "RED", "const", -1 },
						 { 1, "BLUE", "const", -1 } };
static const struct kvf_message messages[] = { { "Policy", policy_fields, 15 },
					       { "Statement", statement_fields, 2 },
					       { "Color", color_fields, 2 } };

static void proto(struct kvf_bytes value, const char *text, int decodes)
{
	struct kvf_print_as how = { KVF_PROTOBUF, messages, 3, 0 };

	expect(&how, value, text, decodes);
}

static void protobuf_is_read_by_its_tables(void **state)
{
	(void)state;
	proto(BYTES(""), "{}", 1);
	proto(BYTES("\x12\x02hi\x0a\x06\x08\x80\x92\xb8\xc3\x06"),
	      "{\"display_name\":\"hi\",\"created_at\":\"2025-07-09T06:15:28Z\"}", 1);
	proto(BYTES("\x1a\x05\x0a\x03"
		    "all\x12\x01x\x1a\x0a\x12\x03get\x12\x03put"),
	      "{\"statement\":[{\"effect\":\"all\"},{\"action\":[\"get\",\"put\"]}],"
	      "\"display_name\":\"x\"}",
	      1);
	proto(BYTES("\x48\x01\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x62\x01\xff"),
	      "{\"ok\":true,\"id\":\"18446744073709551615\",\"blob\":\"hex:ff\"}", 1);
	proto(BYTES("\x51\0\0\0\0\0\0\xf8\x3f\x6d\0\0\0\x40\x75\x07\0\0\0"),
	      "{\"ratio\":1.5,\"f\":2.0,\"x\":7}", 1);
	proto(BYTES("\x79\xff\xff\xff\xff\xff\xff\xff\xff"), "{\"y\":-1}", 1);
}

static void protobuf_repeats_maps_and_enums(void **state)
{
	(void)state;
	proto(BYTES("\x22\x03\x01\x02\x03\x20\x04"), "{\"numbers\":[-1,1,-2,2]}", 1);
	proto(BYTES("\x2a\x06\x0a\x01"
		    "a\x12\x01"
		    "b\x2a\x03\x0a\x01"
		    "c"),
	      "{\"labels\":{\"a\":\"b\",\"c\":\"\"}}", 1);
	proto(BYTES("\x32\x07\x08\x05\x12\x03\x0a\x01"
		    "e"),
	      "{\"counts\":{\"5\":{\"effect\":\"e\"}}}", 1);
	proto(BYTES("\x38\x01"), "{\"color\":\"BLUE\"}", 1);
	proto(BYTES("\x38\x09"), "{\"color\":9}", 1);
	proto(BYTES("\x12\x01"
		    "a\x12\x01"
		    "b"),
	      "{\"display_name\":\"b\"}", 1);
}

static void what_the_tables_do_not_know_stays_visible(void **state)
{
	(void)state;
	proto(BYTES("\x98\x06\x05\x12\x01"
		    "a\xa2\x06\x01\xff"),
	      "{\"display_name\":\"a\",\"$unknown\":[{\"field\":99,\"value\":5},"
	      "{\"field\":100,\"value\":\"hex:ff\"}]}",
	      1);
}

static void what_is_not_the_message_is_printed_raw(void **state)
{
	(void)state;
	proto(BYTES("\x12"), "\"hex:12\"", 0);
	proto(BYTES("\x12\x05"
		    "a"),
	      "\"hex:120561\"", 0);
	proto(BYTES("\x10\x05"), "\"hex:1005\"", 0); /* a string as a varint */
	proto(BYTES("\x07"), "\"hex:07\"", 0);
	proto(BYTES("\x22\x01\x80"), "\"hex:220180\"", 0);
}

static void a_message_that_holds_itself_ends(void **state)
{
	uint8_t buf[200];
	size_t len = 0, i;
	struct kvf_print_as how = { KVF_PROTOBUF, messages, 3, 0 };
	struct kvf_buf out;
	struct kvf_err err;
	int decoded;

	(void)state;
	for (i = 0; i < 60; i++) { /* self { self { ... } } */
		memmove(buf + 2, buf, len);
		buf[0] = 0x42;
		buf[1] = (uint8_t)len;
		len += 2;
	}
	kvf_buf_init(&out, 1 << 16);
	assert_int_equal(
		kvf_print_value(&out, &how, (struct kvf_bytes){ buf, len }, &decoded, &err),
		KVF_OK);
	assert_int_equal(decoded, 1);
	assert_non_null(memmem(out.ptr, out.len, "\"...\"", 5));
	assert_true(out.len < 400);
	kvf_buf_release(&out);
}

static void keys_are_printed_so_that_they_can_be_pasted_back(void **state)
{
	static const struct {
		struct kvf_bytes b;
		const char *text;
	} cases[] = {
		{ { (const uint8_t *)"a/b", 3 }, "\"a/b\"" },
		{ { (const uint8_t *)"@x", 2 }, "\"hex:4078\"" },
		{ { (const uint8_t *)"\x00\x01", 2 }, "\"hex:0001\"" },
		{ { (const uint8_t *)"say \"hi\"", 8 }, "\"say \\\"hi\\\"\"" },
	};
	struct kvf_buf out;
	struct kvf_err err;
	size_t i;

	(void)state;
	kvf_buf_init(&out, 1 << 16);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out.len = 0;
		assert_int_equal(kvf_print_bytes(&out, cases[i].b, &err), KVF_OK);
		assert_int_equal(out.len, strlen(cases[i].text));
		assert_memory_equal(out.ptr, cases[i].text, out.len);
	}
	kvf_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_text_is_a_string_and_the_rest_is_hex),
		cmocka_unit_test(what_moves_a_terminal_is_escaped),
		cmocka_unit_test(msgpack_looks_like_its_json),
		cmocka_unit_test(integers_that_readers_bend_are_strings),
		cmocka_unit_test(what_is_not_msgpack_is_printed_raw),
		cmocka_unit_test(json_is_checked_and_loses_its_blanks),
		cmocka_unit_test(what_is_not_json_is_printed_raw),
		cmocka_unit_test(depth_is_bounded_in_every_encoding),
		cmocka_unit_test(protobuf_is_read_by_its_tables),
		cmocka_unit_test(protobuf_repeats_maps_and_enums),
		cmocka_unit_test(what_the_tables_do_not_know_stays_visible),
		cmocka_unit_test(what_is_not_the_message_is_printed_raw),
		cmocka_unit_test(a_message_that_holds_itself_ends),
		cmocka_unit_test(keys_are_printed_so_that_they_can_be_pasted_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
