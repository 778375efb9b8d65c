/*
 * sort - the ways out of quicksort that real keys hardly ever take.  order.c is
 * part of this file, so that they can be called by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/sort/order.c"

#include <stdlib.h>

#define N 1000

static uint64_t records[N][sizeof(struct record) / 8 + 2];
static struct slot slots[N];

/* Keys that differ in two places only, in one empty partition. */
static void make(unsigned letters)
{
	uint64_t x = 7;
	size_t i, k;

	for (i = 0; i < N; i++) {
		struct record *r = (struct record *)(void *)records[i];

		memset(r, 0, sizeof(records[i]));
		r->seq = (uint32_t)i;
		r->esc_len = 2;
		r->key_len = 10;
		for (k = 0; k < 10; k++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			r->bytes[2 + k] = 'm';
			if (k == 2 || k == 9)
				r->bytes[2 + k] = (uint8_t)('a' + (x >> 40) % letters);
		}
		slots[i].rec = r;
	}
}

static void assert_sorted(void)
{
	size_t i;

	for (i = 1; i < N; i++) {
		int c = record_cmp(slots[i - 1].rec, slots[i].rec);

		assert_true(c < 0 || (c == 0 && slots[i - 1].rec->seq < slots[i].rec->seq));
	}
}

static void heap_sort_sorts_by_key_and_then_by_arrival(void **state)
{
	unsigned letters;

	(void)state;
	for (letters = 1; letters < 20; letters++) {
		make(letters);
		heap_sort(slots, N, load_prefixes(slots, N, 0));
		assert_sorted();
		make(letters);
		insertion_sort(slots, N, load_prefixes(slots, N, 0));
		assert_sorted();
	}
}

static void a_range_that_partitions_badly_is_given_to_heap_sort(void **state)
{
	struct range r = { slots, N, 0, 0, 1 }, p[3];
	size_t i;

	(void)state;
	make(20);
	r.depth = load_prefixes(slots, N, 0);
	split(&r, p);
	assert_int_equal(p[0].n + p[1].n + p[2].n, N);
	for (i = 0; i < 3; i++) {
		assert_true(i == 0 || p[i].n <= p[i - 1].n);
		if (!p[i].equal)
			assert_int_equal(p[i].allowed, 0); /* what the loop asks for */
	}
}

static void ranges_of_every_small_length_are_sorted(void **state)
{
	size_t n, shift;
	unsigned letters;

	(void)state;
	for (letters = 1; letters < 6; letters++) {
		for (n = 0; n < 80; n++) {
			for (shift = 0; shift < 3; shift++) {
				make(letters);
				kvf_slots_sort(slots + shift, n, 0);
				for (size_t i = shift + 1; i < shift + n; i++)
					assert_true(record_cmp(slots[i - 1].rec,
							       slots[i].rec) <= 0);
			}
		}
		make(letters);
		kvf_slots_sort(slots, N, 2);
		assert_sorted();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_sort_sorts_by_key_and_then_by_arrival),
		cmocka_unit_test(a_range_that_partitions_badly_is_given_to_heap_sort),
		cmocka_unit_test(ranges_of_every_small_length_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
