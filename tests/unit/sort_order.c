/* sort - the sorter gives the same sequence for every budget and every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sort/sort.h"

#include <kvferry/package.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 3000

struct item {
	uint8_t part[24], key[64], value[300];
	struct kvf_entry e;
	uint64_t put; /* when it was put: ties keep this order */
};

static struct item items[N], *sorted[N];
static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

/* Few different bytes, many zeros: partitions and keys that are prefixes of
 * each other, that end in zeros, that differ late. */
static size_t random_bytes(uint8_t *to, size_t least, size_t most)
{
	static const uint8_t alphabet[] = { 0, 0, 1, 'a', 'a', 'b', 0xff };
	size_t len = least + rnd(most - least + 1), i;

	for (i = 0; i < len; i++)
		to[i] = alphabet[rnd(sizeof(alphabet))];
	return len;
}

static void set(struct item *it, size_t part, size_t key, size_t value)
{
	it->e.part = (struct kvf_bytes){ it->part, part };
	it->e.key = (struct kvf_bytes){ it->key, key };
	it->e.value = (struct kvf_bytes){ it->value, value };
}

static void make_traps(void)
{
	size_t i, j, nvalue;

	for (i = 0; i < N; i++) {
		struct item *it = &items[i];

		nvalue = rnd(20) ? rnd(40) : rnd(300);
		for (j = 0; j < nvalue; j++)
			it->value[j] = (uint8_t)rnd(256);
		set(it, random_bytes(it->part, 0, rnd(3) ? 3 : 20),
		    random_bytes(it->key, 1, rnd(3) ? 5 : 40), nvalue);
	}
}

/* "repo-00012/<hex>" in one partition, as a real table has them. */
static void make_long_prefixes(void)
{
	static const char digits[] = "0123456789abcdef";
	size_t i, j;

	for (i = 0; i < N; i++) {
		struct item *it = &items[i];

		memcpy(it->part, "commits", 7);
		memcpy(it->key, "repo-00012/00000000000000000000", 31);
		it->key[9] = (uint8_t)digits[rnd(4)];
		for (j = 31; j < 64; j++)
			it->key[j] = (uint8_t)digits[rnd(16)];
		set(it, 7, 64, 8);
	}
}

static void make_equal(void)
{
	size_t i;

	for (i = 0; i < N; i++) {
		memcpy(items[i].part, "p", 1);
		memcpy(items[i].key, "the same", 8);
		set(&items[i], 1, 8, 4);
	}
}

static int by_entry(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
	int c = kvf_entry_cmp(&x->e, &y->e);

	return c ? c : (x->put > y->put) - (x->put < y->put);
}

enum order { AS_MADE, ASCENDING, DESCENDING, SAWTOOTH };

/* Decide when each item is put, and what must come out. */
static void arrange(enum order order, struct item **put)
{
	size_t i;

	for (i = 0; i < N; i++) {
		items[i].put = i;
		put[i] = &items[i];
	}
	if (order != AS_MADE)
		qsort(put, N, sizeof(*put), by_entry);
	for (i = 0; order == DESCENDING && i < N / 2; i++) {
		struct item *t = put[i];

		put[i] = put[N - 1 - i];
		put[N - 1 - i] = t;
	}
	if (order == SAWTOOTH) /* ten ascending sequences, one behind the other */
		for (i = 0; i < N; i++)
			sorted[i % 10 * (N / 10) + i / 10] = put[i];
	if (order == SAWTOOTH)
		memcpy(put, sorted, sizeof(sorted));
	for (i = 0; i < N; i++) {
		put[i]->put = i;
		sorted[i] = put[i];
	}
	qsort(sorted, N, sizeof(*sorted), by_entry);
}

static void assert_bytes(struct kvf_bytes a, struct kvf_bytes b)
{
	assert_int_equal(a.len, b.len);
	if (a.len)
		assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void run(uint64_t budget, struct item **put, struct kvf_sorter_stats *stats)
{
	struct kvf_env env = { .threads = 2 };
	struct kvf_sorter *s;
	struct kvf_origin origin;
	struct kvf_entry e;
	struct kvf_err err;
	size_t i;

	assert_int_equal(kvf_sorter_new(budget, "/tmp", &env, &s, &err), KVF_OK);
	for (i = 0; i < N; i++) {
		origin = (struct kvf_origin){ (uint32_t)(i % 7), i };
		assert_int_equal(kvf_sorter_put(s, &put[i]->e, 0, origin, &err), KVF_OK);
	}
	assert_int_equal(kvf_sorter_finish(s, &err), KVF_OK);
	for (i = 0; i < N; i++) {
		if (kvf_sorter_next(s, &e, &origin, &err) != KVF_OK)
			fail_msg("budget %llu: %s at %zu", (unsigned long long)budget,
				 err.message, i);
		assert_bytes(e.part, sorted[i]->e.part);
		assert_bytes(e.key, sorted[i]->e.key);
		assert_bytes(e.value, sorted[i]->e.value);
		assert_int_equal(origin.ordinal, sorted[i]->put);
		assert_int_equal(origin.record, sorted[i]->put % 7);
	}
	assert_int_equal(kvf_sorter_next(s, &e, &origin, &err), KVF_EOF);
	assert_int_equal(kvf_sorter_next(s, &e, &origin, &err), KVF_EOF);
	kvf_sorter_stats(s, stats);
	assert_int_equal(stats->entries, N);
	kvf_sorter_free(s);
}

/* One entry to a run, a few, many blocks to a run, everything at once. */
static const uint64_t budgets[] = { 1, 300, 5000, 50000, 200000, UINT64_MAX };
#define NBUDGETS (sizeof(budgets) / sizeof(*budgets))

static void all_orders_and_budgets(void (*make)(void))
{
	static struct item *put[N];
	struct kvf_sorter_stats stats;
	enum order order;
	size_t i;

	for (seed = 1; seed < 3; seed++) {
		uint64_t keep = seed;

		make();
		for (order = AS_MADE; order <= SAWTOOTH; order++) {
			arrange(order, put);
			for (i = 0; i < NBUDGETS; i++) {
				run(budgets[i], put, &stats);
				if (order == ASCENDING) {
					assert_true(stats.in_order);
					assert_int_equal(stats.runs, 1);
				}
				if (budgets[i] == UINT64_MAX)
					assert_int_equal(stats.spilled_bytes, 0);
				if (budgets[i] == 1)
					assert_true(stats.spilled_bytes > 0);
			}
		}
		seed = keep;
	}
}

static void traps_come_out_in_order_for_every_budget(void **state)
{
	(void)state;
	all_orders_and_budgets(make_traps);
}

static void long_common_prefixes_come_out_in_order_for_every_budget(void **state)
{
	(void)state;
	all_orders_and_budgets(make_long_prefixes);
}

static void equal_keys_keep_the_order_in_which_they_were_put(void **state)
{
	(void)state;
	all_orders_and_budgets(make_equal);
}

static void ascending_input_is_noticed_and_the_first_step_back_too(void **state)
{
	struct kvf_env env = { .threads = 1 };
	struct kvf_origin origin = { 0, 0 };
	struct kvf_sorter_stats stats;
	struct kvf_entry e = { .part = { (const uint8_t *)"p", 1 } };
	struct kvf_sorter *s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		const char *keys[] = { "a", "b", "b", i ? "ab" : "c" };
		size_t k;

		assert_int_equal(kvf_sorter_new(1u << 20, "/tmp", &env, &s, NULL), KVF_OK);
		for (k = 0; k < 4; k++) {
			e.key = kvf_bytes_str(keys[k]);
			assert_int_equal(kvf_sorter_put(s, &e, 0, origin, NULL), KVF_OK);
		}
		assert_int_equal(kvf_sorter_finish(s, NULL), KVF_OK);
		kvf_sorter_stats(s, &stats);
		assert_int_equal(stats.in_order, i == 0);
		assert_int_equal(stats.bytes, i ? 9 : 8);
		kvf_sorter_free(s);
	}
}

static void runs_that_do_not_overlap_are_not_merged(void **state)
{
	struct kvf_env env = { .threads = 2 };
	struct kvf_sorter_stats stats;
	struct kvf_entry e = { .part = { (const uint8_t *)"p", 1 } };
	struct kvf_origin origin;
	struct kvf_sorter *s;
	uint8_t key[4];
	uint32_t i, k;

	(void)state;
	/* Descending within 8 neighbours, ascending at large: each run must be
	 * sorted, but continues the one before. */
	e.key = (struct kvf_bytes){ key, 4 };
	assert_int_equal(kvf_sorter_new(16 * (32 + 7 + 1 + 16), "/tmp", &env, &s, NULL),
			 KVF_OK);
	for (i = 0; i < 1600; i++) {
		k = i ^ 7;
		key[0] = 0;
		key[1] = 0;
		key[2] = (uint8_t)(k >> 8);
		key[3] = (uint8_t)k;
		origin = (struct kvf_origin){ 0, k };
		assert_int_equal(kvf_sorter_put(s, &e, 0, origin, NULL), KVF_OK);
	}
	assert_int_equal(kvf_sorter_finish(s, NULL), KVF_OK);
	kvf_sorter_stats(s, &stats);
	assert_int_equal(stats.runs, 1);
	assert_false(stats.in_order);
	assert_true(stats.spilled_bytes > 0);
	for (i = 0; i < 1600; i++) {
		assert_int_equal(kvf_sorter_next(s, &e, &origin, NULL), KVF_OK);
		assert_int_equal(origin.ordinal, i);
	}
	kvf_sorter_free(s);
}

/* Put what differs and what is equal, with and without an ordinal, into `n`
 * sorters in turn, and join them. */
static struct kvf_sorter *filled(size_t n, uint64_t budget)
{
	static const struct kvf_env env = { .threads = 1 };
	struct kvf_sorter *list[4];
	struct kvf_origin origin = { 0, 0 };
	struct kvf_entry e = { .part = { (const uint8_t *)"p", 1 } };
	struct kvf_err err;
	char key[32];
	size_t i;

	for (i = 0; i < n; i++)
		assert_int_equal(kvf_sorter_new(budget, "/tmp", &env, &list[i], &err), KVF_OK);
	for (seed = 7, i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "%c%llu", i % 3 ? '#' : 'k',
			 (unsigned long long)(i % 3 ? rnd(300) : i));
		e.key = e.value = kvf_bytes_str(key);
		assert_int_equal(kvf_sorter_put(list[i * 7 / 3 % n], &e,
						i % 3 ? KVF_PUT_ORDINAL : 0, origin, &err),
				 KVF_OK);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(kvf_sorter_finish(list[i], &err), KVF_OK);
	if (n > 1)
		assert_int_equal(kvf_sorter_join(list[0], list + 1, n - 1, &err), KVF_OK);
	return list[0];
}

static void joined_sorters_give_what_one_gives(void **state)
{
	struct kvf_sorter *one, *joined;
	struct kvf_sorter_stats stats;
	struct kvf_origin origin;
	struct kvf_entry a, b;
	struct kvf_err err;
	size_t n, i;

	(void)state;
	for (n = 2; n <= 4; n++) {
		one = filled(1, UINT64_MAX);
		joined = filled(n, n == 3 ? 5000 : UINT64_MAX);
		for (i = 0; i < N; i++) {
			assert_int_equal(kvf_sorter_next(one, &a, &origin, &err), KVF_OK);
			assert_int_equal(kvf_sorter_next(joined, &b, &origin, &err), KVF_OK);
			assert_bytes(b.key, a.key);
			assert_bytes(b.value, a.value);
		}
		assert_int_equal(kvf_sorter_next(joined, &b, &origin, &err), KVF_EOF);
		assert_int_equal(kvf_sorter_next(joined, &b, &origin, &err), KVF_EOF);
		kvf_sorter_stats(joined, &stats);
		assert_int_equal(stats.entries, N);
		assert_int_equal(stats.spilled_bytes > 0, n == 3);
		kvf_sorter_free(one);
		kvf_sorter_free(joined);
	}
}

static void nothing_in_is_nothing_out(void **state)
{
	struct kvf_origin origin;
	struct kvf_sorter *s;
	struct kvf_entry e;

	(void)state;
	assert_int_equal(kvf_sorter_new(1u << 20, "/tmp", NULL, &s, NULL), KVF_OK);
	assert_int_equal(kvf_sorter_finish(s, NULL), KVF_OK);
	assert_int_equal(kvf_sorter_next(s, &e, &origin, NULL), KVF_EOF);
	kvf_sorter_free(s);
	kvf_sorter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traps_come_out_in_order_for_every_budget),
		cmocka_unit_test(long_common_prefixes_come_out_in_order_for_every_budget),
		cmocka_unit_test(equal_keys_keep_the_order_in_which_they_were_put),
		cmocka_unit_test(ascending_input_is_noticed_and_the_first_step_back_too),
		cmocka_unit_test(runs_that_do_not_overlap_are_not_merged),
		cmocka_unit_test(joined_sorters_give_what_one_gives),
		cmocka_unit_test(nothing_in_is_nothing_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
