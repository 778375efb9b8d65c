/* Byte strings: their order and their printed form; encodings of integers. */
#include "../support/test.h"

#include "base/hash.h"

#include <string.h>

static struct kvf_bytes bytes(const char *s, size_t len)
{
	struct kvf_bytes b = { (const uint8_t *)s, len };

	return b;
}
#define B(literal) bytes(literal, sizeof(literal) - 1)

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static void order_is_that_of_unsigned_bytes_then_of_length(void **state)
{
	/* Ascending; the order of a stream. */
	const struct kvf_bytes up[] = {
		{ NULL, 0 }, B("\0"),     B("\0\0"),     B("\0a"),  B("a"),
		B("a\0"),    B("aa"),     B("b"),        B("\x7f"), B("\x80"),
		B("\xff"),   B("\xff\0"), B("\xff\xff"),
	};
	const int n = (int)(sizeof(up) / sizeof(up[0]));
	int i, j;

	(void)state;
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			assert_int_equal(sign(kvf_bytes_cmp(up[i], up[j])), sign(i - j));
}

static void an_entry_is_ordered_by_partition_then_key(void **state)
{
	struct kvf_entry a = { B("p"), B("z"), B("1") }, b = { B("q"), B("a"), B("0") };

	(void)state;
	assert_true(kvf_entry_cmp(&a, &b) < 0);
	assert_true(kvf_entry_cmp(&b, &a) > 0);
	/* "ab"+"c" is not "a"+"bc". */
	a.part = B("ab"), a.key = B("c");
	b.part = B("a"), b.key = B("bc");
	assert_true(kvf_entry_cmp(&a, &b) > 0);
	b = a;
	b.value = B("another");
	assert_int_equal(kvf_entry_cmp(&a, &b), 0);
}

static void text_is_printed_as_it_is(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(kvf_bytes_print(B("Order Details"), buf, sizeof(buf)),
			    "Order Details");
	assert_string_equal(kvf_bytes_print(B("caf\xc3\xa9"), buf, sizeof(buf)), "caf\xc3\xa9");
	assert_string_equal(kvf_bytes_print(B(""), buf, sizeof(buf)), "");
	assert_string_equal(kvf_bytes_print(bytes(NULL, 0), buf, sizeof(buf)), "");
	assert_string_equal(kvf_bytes_print(B("a@hex:"), buf, sizeof(buf)), "a@hex:");
}

static void what_cannot_be_pasted_is_printed_as_hex(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(kvf_bytes_print(B("a\0b"), buf, sizeof(buf)), "hex:610062");
	assert_string_equal(kvf_bytes_print(B("\x1b[2J"), buf, sizeof(buf)), "hex:1b5b324a");
	assert_string_equal(kvf_bytes_print(B("x\x7f"), buf, sizeof(buf)), "hex:787f");
	assert_string_equal(kvf_bytes_print(B("\xc2\x9b"), buf, sizeof(buf)), "hex:c29b");
	assert_string_equal(kvf_bytes_print(B("\xff"), buf, sizeof(buf)), "hex:ff");
	assert_string_equal(kvf_bytes_print(B("hex:61"), buf, sizeof(buf)), "hex:6865783a3631");
	assert_string_equal(kvf_bytes_print(B("@file"), buf, sizeof(buf)), "hex:4066696c65");
}

static void printing_fits_any_buffer(void **state)
{
	static const char *const inputs[] = {
		"a longer text than fits",
		"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
		"\x01\x02\x03\x04\x05\x06\x07\x08",
	};
	char buf[80];
	size_t i, size;

	(void)state;
	for (i = 0; i < 3; i++)
		for (size = 0; size < sizeof(buf) - 1; size++) {
			memset(buf, '#', sizeof(buf));
			kvf_bytes_print(kvf_bytes_str(inputs[i]), buf, size);
			assert_int_equal(buf[size], '#');
			if (size)
				assert_non_null(memchr(buf, '\0', size));
		}
	assert_string_equal(kvf_bytes_print(B("a longer text"), buf, 10), "a long...");
	assert_string_equal(kvf_bytes_print(B("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"), buf, 9),
			    "\xe2\x82\xac...");
	assert_string_equal(kvf_bytes_print(B("\1\2\3\4\5"), buf, 13), "hex:0102...");
	assert_string_equal(kvf_bytes_print(B("\1\2\3\4"), buf, 13), "hex:01020304");
}

static void hex_and_back(void **state)
{
	uint8_t in[256], out[256];
	char text[513];
	size_t i;

	(void)state;
	for (i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	kvf_hex(in, 256, text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text + 2 * 0xab, "abac", 4);
	assert_int_equal(kvf_unhex(text, 512, out), 1);
	assert_memory_equal(in, out, 256);
	assert_int_equal(kvf_unhex("aBFf", 4, out), 1);
	assert_memory_equal(out, "\xab\xff", 2);
	assert_int_equal(kvf_unhex("", 0, out), 1);
	assert_int_equal(kvf_unhex("abc", 3, out), 0);
	assert_int_equal(kvf_unhex("0g", 2, out), 0);
	assert_int_equal(kvf_unhex("0x", 2, out), 0);
	assert_int_equal(kvf_unhex(" 1", 2, out), 0);
	assert_int_equal(kvf_unhex("/:", 2, out), 0);
	assert_int_equal(kvf_unhex("@G", 2, out), 0);
	assert_int_equal(kvf_unhex("`g", 2, out), 0);
}

static void integers_are_laid_out_by_the_book(void **state)
{
	uint8_t b[8];

	(void)state;
	kvf_put_be32(b, 0x01020384);
	assert_memory_equal(b, "\1\2\3\x84", 4);
	assert_int_equal(kvf_get_be32(b), 0x01020384);
	kvf_put_le32(b, 0x81020304);
	assert_memory_equal(b, "\4\3\2\x81", 4);
	assert_int_equal(kvf_get_le32(b), 0x81020304);
	kvf_put_be64(b, UINT64_C(0xf102030405060708));
	assert_memory_equal(b, "\xf1\2\3\4\5\6\7\x08", 8);
	assert_true(kvf_get_be64(b) == UINT64_C(0xf102030405060708));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_that_of_unsigned_bytes_then_of_length),
		cmocka_unit_test(an_entry_is_ordered_by_partition_then_key),
		cmocka_unit_test(text_is_printed_as_it_is),
		cmocka_unit_test(what_cannot_be_pasted_is_printed_as_hex),
		cmocka_unit_test(printing_fits_any_buffer),
		cmocka_unit_test(hex_and_back),
		cmocka_unit_test(integers_are_laid_out_by_the_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
