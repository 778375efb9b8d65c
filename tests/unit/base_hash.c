/*
 * SHA-256, XXH64, the multiset digest.  The vectors come from other programs:
 * sha256sum, xxhsum -H1 and xxhsum -H2 (of the leaf bytes that stream-v1 defines).
 */
#include "../support/test.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static struct kvf_bytes bytes(const void *p, size_t len)
{
	struct kvf_bytes b = { p, len };

	return b;
}

static void assert_hex(const uint8_t *got, size_t len, const char *want)
{
	char text[2 * KVF_SHA256_LEN + 1];

	kvf_hex(got, len, text);
	assert_string_equal(text, want);
}

static void sha256_agrees_with_its_vectors(void **state)
{
	uint8_t d[KVF_SHA256_LEN];
	struct kvf_sha256 h;
	char as[1000];
	int i;

	(void)state;
	kvf_sha256("", 0, d);
	assert_hex(d, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	kvf_sha256("abc", 3, d);
	assert_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(as, 'a', sizeof(as));
	kvf_sha256_begin(&h);
	for (i = 0; i < 1000; i++) {
		kvf_sha256_update(&h, as, (size_t)i);
		kvf_sha256_update(&h, as, sizeof(as) - (size_t)i);
	}
	kvf_sha256_end(&h, d);
	assert_hex(d, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void xxh64_agrees_with_xxhsum(void **state)
{
	const char *text = "The end of a file is never success.";

	(void)state;
	assert_true(kvf_xxh64("", 0) == UINT64_C(0xef46db3751d8e999));
	assert_true(kvf_xxh64(text, strlen(text)) == UINT64_C(0x99ee8639d3c9710d));
}

/* Three entries: the smallest there is, an ordinary one, a large binary one. */
static uint8_t large[4096];
static struct kvf_entry three[3];

static void make_three(void)
{
	size_t i;

	for (i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)i;
	three[0].part = bytes(NULL, 0);
	three[0].key = bytes("k", 1);
	three[0].value = bytes(NULL, 0);
	three[1].part = bytes("resources", 9);
	three[1].key = bytes("Product/default/chai", 20);
	three[1].value = bytes("{\"price\":18}", 12);
	three[2].part = bytes("\0\xff", 2);
	three[2].key = bytes("\0", 1);
	three[2].value = bytes(large, sizeof(large));
}

static void the_digest_of_one_entry_is_xxh3_128_of_its_leaf(void **state)
{
	static const char *const want[3] = {
		"668e09ba5e2800a6f6f2871c20f93faf",
		"ac1db476d4b7d937e0fbe99f2672a039",
		"e344de0c5d22be5db1091599bb465aac",
	};
	size_t i;

	(void)state;
	make_three();
	for (i = 0; i < 3; i++) {
		struct kvf_totals t = { 0 };

		kvf_totals_add(&t, &three[i]);
		assert_hex(t.m, 16, want[i]);
		assert_int_equal(t.entries, 1);
	}
}

/* The leaf is hashed in one piece up to 2,048 bytes and in pieces beyond. */
static void the_border_between_two_ways_of_hashing_does_not_show(void **state)
{
	static const struct {
		size_t len;
		const char *m;
	} want[] = {
		{ 224, "12e4c26dfe1813000acfbbe8d2dffb47" },
		{ 225, "0d7a284146feaf8afa69fe19717d1eb6" },
		{ 226, "2d3f10a10864ce786e9791b0b7ecf940" },
		{ 227, "5f61094dc57211626c97c7ae52a3c94a" },
		{ 2032, "c8340945e8bb7803bb1ccb656c0acdd1" },
		{ 2033, "56a6acf0e230be7f70435d6023534245" },
		{ 2034, "ceb196a4cd45de122552c7dcc6abef91" },
		{ 2035, "197cc8e4cd2b14b2070d8619f4d1f3ea" },
	};
	char v[2035];
	size_t i;

	(void)state;
	memset(v, 'v', sizeof(v));
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct kvf_entry e = { bytes("p", 1), bytes("k", 1), bytes(v, want[i].len) };
		struct kvf_totals t = { 0 };

		kvf_totals_add(&t, &e);
		assert_hex(t.m, 16, want[i].m);
		assert_int_equal(t.bytes, want[i].len + 2);
	}
}

static void a_set_sums_up_in_any_order(void **state)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	int o, i;

	(void)state;
	make_three();
	for (o = 0; o < 6; o++) {
		struct kvf_totals t = { 0 };

		for (i = 0; i < 3; i++)
			kvf_totals_add(&t, &three[orders[o][i]]);
		/* The sum modulo 2^128, by another program. */
		assert_hex(t.m, 16, "f5f09c3d9002983c88f7865502b23a94");
		assert_int_equal(t.entries, 3);
		assert_int_equal(t.bytes, 1 + 41 + 4099);
	}
}

static void moving_a_border_changes_the_digest(void **state)
{
	struct kvf_entry a = { bytes("ab", 2), bytes("c", 1), bytes("", 0) };
	struct kvf_entry b = { bytes("a", 1), bytes("bc", 2), bytes("", 0) };
	struct kvf_entry c = { bytes("ab", 2), bytes("", 0), bytes("c", 1) };
	struct kvf_totals t = { 0 }, u = { 0 }, v = { 0 };

	(void)state;
	kvf_totals_add(&t, &a);
	kvf_totals_add(&u, &b);
	kvf_totals_add(&v, &c);
	assert_false(kvf_totals_equal(&t, &u));
	assert_false(kvf_totals_equal(&t, &v));
	assert_false(kvf_totals_equal(&u, &v));
}

/* An entry that stands twice is not the same as one that is missing twice. */
static void a_doubled_entry_does_not_cancel_out(void **state)
{
	struct kvf_totals t = { 0 }, zero = { 0 };

	(void)state;
	make_three();
	kvf_totals_add(&t, &three[1]);
	kvf_totals_add(&t, &three[1]);
	t.entries = 0;
	t.bytes = 0;
	assert_false(kvf_totals_equal(&t, &zero));
}

static void subtracting_undoes_adding(void **state)
{
	struct kvf_totals all = { 0 }, part = { 0 }, rest = { 0 }, zero = { 0 };

	(void)state;
	make_three();
	kvf_totals_add(&part, &three[0]);
	kvf_totals_add(&part, &three[2]);
	kvf_totals_add(&rest, &three[1]);
	kvf_totals_merge(&all, &part);
	kvf_totals_merge(&all, &rest);
	kvf_totals_subtract(&all, &part);
	assert_true(kvf_totals_equal(&all, &rest));
	kvf_totals_subtract(&all, &rest);
	assert_true(kvf_totals_equal(&all, &zero));
	/* Below zero and back: the digest is a number modulo 2^128. */
	kvf_totals_subtract(&all, &part);
	assert_false(kvf_totals_equal(&all, &zero));
	kvf_totals_merge(&all, &part);
	assert_true(kvf_totals_equal(&all, &zero));
}

static void carries_go_all_the_way(void **state)
{
	struct kvf_totals t = { 0 }, one = { 0 }, zero = { 0 };

	(void)state;
	one.m[15] = 1;
	memset(t.m, 0xff, 16);
	kvf_totals_merge(&t, &one);
	assert_hex(t.m, 16, "00000000000000000000000000000000");
	kvf_totals_subtract(&t, &one);
	assert_hex(t.m, 16, "ffffffffffffffffffffffffffffffff");
	kvf_totals_subtract(&t, &zero);
	assert_hex(t.m, 16, "ffffffffffffffffffffffffffffffff");
	memset(t.m, 0, 16);
	memset(t.m + 8, 0xff, 8);
	kvf_totals_merge(&t, &one);
	assert_hex(t.m, 16, "00000000000000010000000000000000");
}

static void totals_are_equal_only_if_all_three_are(void **state)
{
	struct kvf_totals a = { 1, 2, { 3 } }, b = a;

	(void)state;
	assert_true(kvf_totals_equal(&a, &b));
	b.entries++;
	assert_false(kvf_totals_equal(&a, &b));
	b = a;
	b.bytes++;
	assert_false(kvf_totals_equal(&a, &b));
	b = a;
	b.m[15] ^= 1;
	assert_false(kvf_totals_equal(&a, &b));
}

static void a_link_of_a_chain_hashes_state_and_digest(void **state)
{
	uint8_t both[64], chained[32], want[32];

	(void)state;
	memset(both, 0x11, 32);
	memset(both + 32, 0x22, 32);
	memcpy(chained, both, 32);
	kvf_sha256(both, sizeof(both), want);
	kvf_sha256_chain(chained, both + 32);
	assert_memory_equal(chained, want, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_of_a_chain_hashes_state_and_digest),
		cmocka_unit_test(sha256_agrees_with_its_vectors),
		cmocka_unit_test(xxh64_agrees_with_xxhsum),
		cmocka_unit_test(the_digest_of_one_entry_is_xxh3_128_of_its_leaf),
		cmocka_unit_test(the_border_between_two_ways_of_hashing_does_not_show),
		cmocka_unit_test(a_set_sums_up_in_any_order),
		cmocka_unit_test(moving_a_border_changes_the_digest),
		cmocka_unit_test(a_doubled_entry_does_not_cancel_out),
		cmocka_unit_test(subtracting_undoes_adding),
		cmocka_unit_test(carries_go_all_the_way),
		cmocka_unit_test(totals_are_equal_only_if_all_three_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
