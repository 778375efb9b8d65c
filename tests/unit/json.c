/* JSON: exactly RFC 8259 in, canonical out. */
#include "../support/test.h"

#include "value/json.h"

#include <stdio.h>
#include <string.h>

static enum kvf_status parse(const char *text, size_t len, struct kvf_buf *out,
			     struct kvf_err *err)
{
	const struct kvf_bytes bytes = { (const uint8_t *)text, len };
	struct kvf_scratch scratch;
	struct kvf_json json;
	struct kvf_buf tape;
	enum kvf_status st;

	kvf_scratch_init(&scratch, 1 << 20);
	kvf_buf_init(&tape, 1 << 20);
	kvf_buf_init(out, 1 << 20);
	st = kvf_json_parse(bytes, &tape, &json, err);
	if (!st)
		st = kvf_json_write(out, &json, json.root, &scratch, err);
	kvf_buf_release(&tape);
	kvf_scratch_release(&scratch);
	return st;
}

static void good(const char *text, const char *canonical)
{
	struct kvf_buf out;
	struct kvf_err err;

	if (parse(text, strlen(text), &out, &err))
		fail_msg("%s: %s", text, err.message);
	assert_int_equal(out.len, strlen(canonical));
	assert_memory_equal(out.ptr, canonical, out.len);
	kvf_buf_release(&out);
}

static void bad_bytes(const char *text, size_t len, const char *message)
{
	struct kvf_buf out;
	struct kvf_err err;

	assert_int_equal(parse(text, len, &out, &err), KVF_EREJECT);
	assert_string_equal(err.message, message);
	kvf_buf_release(&out);
}

#define bad(text, message) bad_bytes(text, sizeof(text) - 1, message)

static void values_come_back_canonical(void **state)
{
	(void)state;
	good(" null\n", "null");
	good("true", "true");
	good("false", "false");
	good("-0.50e+07", "-0.50e+07");
	good("1E400", "1E400");
	good("\"\"", "\"\"");
	good("[ ]", "[]");
	good("{\t}", "{}");
	good("[1 , [2,{\"a\" : []}] ]", "[1,[2,{\"a\":[]}]]");
	good("{\"b\":1,\"a\":{\"z\":0,\"y\":0},\"ab\":2,\"\":3}",
	     "{\"\":3,\"a\":{\"y\":0,\"z\":0},\"ab\":2,\"b\":1}");
	good("\"\\u0041\\/\\b\\f\\n\\r\\t\\\"\\\\\\u001f\\u007f\"",
	     "\"A/\\b\\f\\n\\r\\t\\\"\\\\\\u001f\x7f\"");
	good("\"\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	good("{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}");
}

static void everything_else_is_refused_with_its_place(void **state)
{
	(void)state;
	bad("", "not JSON: a value is missing at byte 0");
	bad("  ", "not JSON: a value is missing at byte 2");
	bad("nul", "not JSON: no value at byte 0");
	bad("NaN", "not JSON: no value at byte 0");
	bad("01", "not JSON: something behind the value at byte 1");
	bad("1.", "not JSON: no value at byte 0");
	bad(".5", "not JSON: no value at byte 0");
	bad("+1", "not JSON: no value at byte 0");
	bad("1e", "not JSON: no value at byte 0");
	bad("-", "not JSON: no value at byte 0");
	bad("'a'", "not JSON: no value at byte 0");
	bad("1 2", "not JSON: something behind the value at byte 2");
	bad("[1,]", "not JSON: no value at byte 3");
	bad("[1 2]", "not JSON: no \",\" or \"]\" at byte 3");
	bad("[", "not JSON: a value is missing at byte 1");
	bad("[1}", "not JSON: no \",\" or \"]\" at byte 2");
	bad("{\"a\":1,}", "not JSON: no member name at byte 7");
	bad("{a:1}", "not JSON: no member name at byte 1");
	bad("{\"a\" 1}", "not JSON: no \":\" at byte 5");
	bad("{\"a\":}", "not JSON: no value at byte 5");
	bad("\"a", "not JSON: a string without an end at byte 2");
	bad("\"\\x\"", "not JSON: an unknown escape at byte 1");
	bad("\"\\", "not JSON: a broken \\u escape at byte 1");
	bad("\"\\u12g4\"", "not JSON: a broken \\u escape at byte 1");
	bad("\"\\ud800\"", "not JSON: half a surrogate pair at byte 1");
	bad("\"\\ud800\\u0041\"", "not JSON: half a surrogate pair at byte 1");
	bad("\"\\udc00\"", "not JSON: half a surrogate pair at byte 1");
	bad("\"a\nb\"", "not JSON: a control character in a string at byte 2");
	bad("\"\xff\"", "not JSON: no UTF-8 at byte 1");
	bad("\"\xed\xa0\x80\"", "not JSON: no UTF-8 at byte 1");
	bad("1\0", "not JSON: something behind the value at byte 1");
	bad("// x\n1", "not JSON: no value at byte 0");
	bad("{\"a\":1,\"b\":2,\"\\u0061\":3}", "the JSON member a stands there twice");
	bad("{\"a\":1,\"a\":3}", "the JSON member a stands there twice");
}

static void depth_has_a_limit(void **state)
{
	char text[2 * KVF_JSON_DEPTH + 2];

	(void)state;
	memset(text, '[', KVF_JSON_DEPTH);
	memset(text + KVF_JSON_DEPTH, ']', KVF_JSON_DEPTH);
	text[2 * KVF_JSON_DEPTH] = '\0';
	good(text, text);
	memset(text, '[', sizeof(text));
	bad_bytes(text, sizeof(text),
		  "not JSON: more than 64 nested arrays and objects at byte 64");
}

static void members_are_found_by_their_unescaped_name(void **state)
{
	static const char text[] =
		"{\"x\":{\"a\":[1,{\"b\":2}]},\"\\u0061b\":3,\"c\":4,\"c\":5}";
	struct kvf_scratch scratch;
	struct kvf_json json;
	struct kvf_buf tape;
	struct kvf_err err;
	uint32_t token;

	(void)state;
	kvf_scratch_init(&scratch, 1 << 20);
	kvf_buf_init(&tape, 1 << 20);
	assert_int_equal(kvf_json_parse(kvf_bytes_str(text), &tape, &json, &err), KVF_OK);
	assert_int_equal(kvf_json_member(&json, json.root, kvf_bytes_str("ab"), 0, &scratch,
					 &token, &err),
			 KVF_OK);
	assert_memory_equal(kvf_json_raw(&json, token).ptr, "3", 1);
	assert_int_equal(kvf_json_member(&json, json.root, kvf_bytes_str("b"), 0, &scratch,
					 &token, &err),
			 KVF_OK);
	assert_int_equal(token, 0);
	assert_int_equal(kvf_json_member(&json, json.root, kvf_bytes_str("c"), 0, &scratch,
					 &token, &err),
			 KVF_EREJECT);
	kvf_buf_release(&tape);
	kvf_scratch_release(&scratch);
}

/* In any order: the sort is our own. */
static void hundreds_of_members_are_sorted(void **state)
{
	char text[8192], want[8192];
	struct kvf_buf out;
	struct kvf_err err;
	size_t at = 1, to = 1, i;

	(void)state;
	text[0] = want[0] = '{';
	for (i = 0; i < 500; i++) {
		size_t k = i * 211 % 500;

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"k%03zu\":%zu",
				       i ? "," : "", k, k % 7);
		to += (size_t)snprintf(want + to, sizeof(want) - to, "%s\"k%03zu\":%zu",
				       i ? "," : "", i, i % 7);
	}
	text[at++] = want[to++] = '}';
	assert_int_equal(parse(text, at, &out, &err), KVF_OK);
	assert_int_equal(out.len, to);
	assert_memory_equal(out.ptr, want, to);
	kvf_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_canonical),
		cmocka_unit_test(everything_else_is_refused_with_its_place),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(members_are_found_by_their_unescaped_name),
		cmocka_unit_test(hundreds_of_members_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
