/* Numbers, times and codecs as text. */
#include "../support/test.h"

#include "value/codec.h"
#include "value/number.h"
#include "value/timestamp.h"

#include <stdlib.h>
#include <string.h>

static void integers_have_one_spelling(void **state)
{
	static const char *const bad[] = { "",   "-",   "+1",  "01",  "-0", "1 ",
					   " 1", "1.0", "0x1", "1e3", "--1" };
	int64_t i;
	uint64_t u;
	size_t k;

	(void)state;
	for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		assert_false(kvf_parse_i64(kvf_bytes_str(bad[k]), &i));
		assert_false(kvf_parse_u64(kvf_bytes_str(bad[k]), &u));
	}
	assert_true(kvf_parse_i64(kvf_bytes_str("-9223372036854775808"), &i) && i == INT64_MIN);
	assert_true(kvf_parse_i64(kvf_bytes_str("9223372036854775807"), &i) && i == INT64_MAX);
	assert_false(kvf_parse_i64(kvf_bytes_str("9223372036854775808"), &i));
	assert_false(kvf_parse_i64(kvf_bytes_str("-9223372036854775809"), &i));
	assert_true(kvf_parse_u64(kvf_bytes_str("18446744073709551615"), &u) &&
		    u == UINT64_MAX);
	assert_false(kvf_parse_u64(kvf_bytes_str("18446744073709551616"), &u));
	assert_false(kvf_parse_u64(kvf_bytes_str("99999999999999999999"), &u));
	assert_false(kvf_parse_u64(kvf_bytes_str("-1"), &u));
}

/* A small generator, always the same: xorshift64. */
static uint64_t next_bits(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void every_finite_double_reads_back(void **state)
{
	uint64_t seed = 88172645463325252u, bits;
	char text[KVF_NUMBER_TEXT];
	struct kvf_bytes bytes;
	double v, back;
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		bits = next_bits(&seed);
		if (i % 3 == 0)
			bits &= UINT64_C(0x800fffffffffffff); /* subnormal */
		memcpy(&v, &bits, sizeof(v));
		bytes.ptr = (const uint8_t *)text;
		bytes.len = kvf_format_real(v, text);
		if (!bytes.len)
			continue; /* infinite or NaN */
		assert_true(bytes.len <= sizeof(text));
		assert_true(kvf_parse_real(bytes, &back));
		assert_memory_equal(&v, &back, sizeof(v));
	}
}

static void real_is(double v, const char *expected)
{
	char text[KVF_NUMBER_TEXT + 1];

	text[kvf_format_real(v, text)] = '\0';
	assert_string_equal(text, expected);
}

static void reals_are_short(void **state)
{
	(void)state;
	real_is(0, "0.0");
	real_is(-0.0, "-0.0");
	real_is(1e15, "1000000000000000.0");
	real_is(1e16, "10000000000000000.0");
	real_is(1e17, "1e+17");
	real_is(123456.789, "123456.789");
	real_is(1e-5, "0.00001");
	real_is(1e-6, "1e-6");
	real_is(1.7976931348623157e308, "1.7976931348623157e+308");
	real_is(5e-324, "5e-324");
	real_is(0.3, "0.3");
	real_is(1.0 / 3, "0.3333333333333333");
}

static void scaled(const char *text, unsigned scale, enum kvf_decimal st, const char *expected)
{
	struct kvf_bytes in = kvf_bytes_str(text);
	size_t room = kvf_decimal_room(in, scale), len;
	char *out = malloc(room + 1); /* exactly: a sanitizer sees one byte more */

	assert_non_null(out);
	assert_int_equal(kvf_decimal_scale(in, scale, out, &len), st);
	if (st == KVF_DECIMAL_OK) {
		assert_true(len <= room);
		out[len] = '\0';
		assert_string_equal(out, expected);
	}
	free(out);
}

static void decimals_are_exact_or_refused(void **state)
{
	(void)state;
	scaled("1", 0, KVF_DECIMAL_OK, "1");
	scaled("1.5", 2, KVF_DECIMAL_OK, "1.50");
	scaled("-0.00", 2, KVF_DECIMAL_OK, "0.00");
	scaled("-0.01", 2, KVF_DECIMAL_OK, "-0.01");
	scaled("0.000", 0, KVF_DECIMAL_OK, "0");
	scaled("1e3", 1, KVF_DECIMAL_OK, "1000.0");
	scaled("12.34e1", 1, KVF_DECIMAL_OK, "123.4");
	scaled("0.5e1", 0, KVF_DECIMAL_OK, "5");
	scaled("0e5", 1, KVF_DECIMAL_OK, "0.0");
	scaled("0.05e2", 1, KVF_DECIMAL_OK, "5.0");
	scaled("1200e-2", 0, KVF_DECIMAL_OK, "12");
	scaled("5e-3", 3, KVF_DECIMAL_OK, "0.005");
	scaled("5e-3", 2, KVF_DECIMAL_INEXACT, NULL);
	scaled("1.005", 2, KVF_DECIMAL_INEXACT, NULL);
	scaled("0.1", 0, KVF_DECIMAL_INEXACT, NULL);
	scaled("1e401", 2, KVF_DECIMAL_HUGE, NULL);
	scaled("1e99999999999999999999", 2, KVF_DECIMAL_HUGE, NULL);
	scaled("1e-99999999999999999999", 2, KVF_DECIMAL_INEXACT, NULL);
	scaled("0e-99999999999999999999", 2, KVF_DECIMAL_OK, "0.00");
	scaled("01", 2, KVF_DECIMAL_BAD, NULL);
	scaled("1 ", 2, KVF_DECIMAL_BAD, NULL);
	scaled("", 2, KVF_DECIMAL_BAD, NULL);
}

static void time_is(const char *text, const char *expected)
{
	char out[KVF_TIMESTAMP_TEXT + 1];
	struct kvf_timestamp t;

	if (!kvf_timestamp_parse(kvf_bytes_str(text), &t))
		fail_msg("%s", text);
	out[kvf_timestamp_format(t, out)] = '\0';
	assert_string_equal(out, expected);
}

static void the_forms_of_a_timestamp(void **state)
{
	(void)state;
	time_is("1970-01-01", "1970-01-01T00:00:00Z");
	time_is("0001-01-01", "0001-01-01T00:00:00Z");
	time_is("9999-12-31 23:59:59.999999999", "9999-12-31T23:59:59.999999999Z");
	time_is("2000-02-29T12:34", "2000-02-29T12:34:00Z");
	time_is("1969-12-31 23:59:59.5", "1969-12-31T23:59:59.500Z");
	time_is("2026-11-20 09:39:02.123456", "2026-11-20T09:39:02.123456Z");
	time_is("2026-11-20T00:30:00+01:00", "2026-11-19T23:30:00Z");
	time_is("2026-11-20 00:30:00-05", "2026-11-20T05:30:00Z");
	time_is("1900-03-01T00:00:00Z", "1900-03-01T00:00:00Z");
}

static void all_else_is_no_timestamp(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-1-1",
		"2026-13-01",
		"2026-00-01",
		"2026-04-31",
		"1900-02-29",
		"2023-02-29",
		"0000-01-01",
		"10000-01-01",
		"2026-11-20 ",
		"2026-11-20 9:39:02",
		"2026-11-20 24:00:00",
		"2026-11-20 23:60:00",
		"2026-06-30 23:59:60",
		"2026-11-20 09:39:02.",
		"2026-11-20 09:39:02.1234567890",
		"2026-11-20 09:39:02z",
		"2026-11-20 09:39:02+1",
		"2026-11-20 09:39:02+01:00x",
		"2026-11-20 09",
		"0001-01-01 00:00:00+01:00",
		"9999-12-31 23:59:59-01:00",
	};
	struct kvf_timestamp t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (kvf_timestamp_parse(kvf_bytes_str(bad[i]), &t))
			fail_msg("\"%s\" was taken", bad[i]);
	assert_false(kvf_timestamp_count(INT64_MAX, 1, &t));
	assert_true(kvf_timestamp_count(-1, 1000000, &t));
	assert_int_equal(t.seconds, -1);
	assert_int_equal(t.nanos, 999999000);
}

/* Every day of the calendar, forwards and back. */
static void the_calendar_is_gregorian(void **state)
{
	char out[KVF_TIMESTAMP_TEXT];
	struct kvf_timestamp t = { -INT64_C(62135596800), 0 }, back;
	struct kvf_bytes text = { (const uint8_t *)out, 0 };

	(void)state;
	for (; t.seconds < INT64_C(253402300800); t.seconds += 86400) {
		text.len = kvf_timestamp_format(t, out);
		assert_true(kvf_timestamp_parse(text, &back));
		assert_true(back.seconds == t.seconds);
	}
	assert_memory_equal(out, "9999-12-31", 10);
}

static void codecs_follow_their_rfcs(void **state)
{
	/* RFC 4648, section 10; base32hex in lower case, without padding */
	static const char *const texts[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
	static const char *const base64[] = { "",         "Zg==",     "Zm8=",    "Zm9v",
					      "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	static const char *const base32[] = { "",        "co",       "cpng",      "cpnmu",
					      "cpnmuog", "cpnmuoj1", "cpnmuoj1e8" };
	uint8_t ns[16], uuid[16];
	char out[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < 7; i++) {
		struct kvf_bytes in = kvf_bytes_str(texts[i]);

		n = kvf_base64(in, out);
		assert_int_equal(n, kvf_base64_len(in.len));
		assert_int_equal(n, strlen(base64[i]));
		assert_memory_equal(out, base64[i], n);
		n = kvf_base32hex(in, out);
		assert_int_equal(n, kvf_base32hex_len(in.len));
		assert_int_equal(n, strlen(base32[i]));
		assert_memory_equal(out, base32[i], n);
	}
	assert_true(kvf_uuid_namespace(kvf_bytes_str("x500"), ns));
	kvf_uuid_format(ns, out);
	assert_memory_equal(out, "6ba7b814-9dad-11d1-80b4-00c04fd430c8", 36);
	assert_false(kvf_uuid_namespace(kvf_bytes_str("xyz"), ns));
	assert_false(
		kvf_uuid_parse(kvf_bytes_str("6ba7b814-9dad-11d1-80b400-c04fd430c8"), uuid));
	assert_false(kvf_uuid_parse(kvf_bytes_str("6ba7b8149dad11d180b400c04fd430cg"), uuid));
}

/* UUIDv5 of names of many lengths, so that every padding of SHA-1 is used; the
 * exclusive or of all of them is what Python's uuid.uuid5() gives. */
static void uuid5_takes_names_of_any_length(void **state)
{
	static char name[300];
	uint8_t ns[16], uuid[16], sum[16] = { 0 };
	struct kvf_bytes text = { (const uint8_t *)name, 0 };
	char out[36];
	size_t i;

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_true(kvf_uuid_namespace(kvf_bytes_str("url"), ns));
	for (text.len = 0; text.len < 300; text.len++) {
		kvf_uuid5(ns, text, uuid);
		for (i = 0; i < 16; i++)
			sum[i] ^= uuid[i];
	}
	kvf_uuid_format(sum, out);
	assert_memory_equal(out, "e1e07220-d89f-0ede-3991-0b4ed931e2b1", 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_have_one_spelling),
		cmocka_unit_test(every_finite_double_reads_back),
		cmocka_unit_test(reals_are_short),
		cmocka_unit_test(decimals_are_exact_or_refused),
		cmocka_unit_test(the_forms_of_a_timestamp),
		cmocka_unit_test(all_else_is_no_timestamp),
		cmocka_unit_test(the_calendar_is_gregorian),
		cmocka_unit_test(codecs_follow_their_rfcs),
		cmocka_unit_test(uuid5_takes_names_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
