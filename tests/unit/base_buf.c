/* Growing buffers and arenas. */
#include "../support/test.h"

#include "base/buf.h"

#include <string.h>

static void a_buffer_holds_what_was_appended(void **state)
{
	struct kvf_buf b;
	struct kvf_err err;
	size_t i;

	(void)state;
	kvf_buf_init(&b, 1 << 20);
	for (i = 0; i < 5000; i++) {
		uint8_t c = (uint8_t)i;

		assert_int_equal(kvf_buf_append(&b, &c, 1, &err), KVF_OK);
	}
	assert_int_equal(kvf_buf_append(&b, NULL, 0, &err), KVF_OK);
	assert_int_equal(kvf_buf_bytes(&b).len, 5000);
	for (i = 0; i < 5000; i++)
		assert_int_equal(kvf_buf_bytes(&b).ptr[i], (uint8_t)i);
	kvf_buf_release(&b);
	assert_null(b.ptr);
	assert_int_equal(b.cap, 1 << 20);
	kvf_buf_release(&b);
	kvf_buf_release(NULL);
}

static void a_buffer_never_grows_beyond_its_cap(void **state)
{
	static const size_t caps[] = { 1, 2, 255, 256, 257, 300, 511, 512, 513, 100000 };
	uint8_t block[64] = { 0 };
	struct kvf_err err;
	size_t c, step;

	(void)state;
	for (c = 0; c < sizeof(caps) / sizeof(caps[0]); c++)
		for (step = 1; step <= sizeof(block); step += 21) {
			struct kvf_buf b;
			enum kvf_status st;

			kvf_buf_init(&b, caps[c]);
			while ((st = kvf_buf_append(&b, block, step, &err)) == KVF_OK)
				assert_true(b.len <= b.size && b.size <= caps[c]);
			assert_int_equal(st, KVF_EREJECT);
			assert_int_equal(b.len, caps[c] / step * step);
			/* What is left under the cap can still be used. */
			assert_int_equal(kvf_buf_reserve(&b, caps[c] - b.len, &err), KVF_OK);
			kvf_buf_release(&b);
		}
}

static void an_absurd_length_is_refused_before_it_allocates(void **state)
{
	struct kvf_buf b;
	struct kvf_err err;

	(void)state;
	kvf_buf_init(&b, 1000);
	assert_int_equal(kvf_buf_append(&b, "abc", 3, &err), KVF_OK);
	assert_int_equal(kvf_buf_reserve(&b, SIZE_MAX, &err), KVF_EREJECT);
	assert_int_equal(kvf_buf_reserve(&b, SIZE_MAX - 2, &err), KVF_EREJECT);
	assert_int_equal(kvf_buf_reserve(&b, 998, &err), KVF_EREJECT);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.ptr, "abc", 3);
	kvf_buf_release(&b);
}

static void text_is_formatted_behind_what_is_there(void **state)
{
	struct kvf_buf b;
	struct kvf_err err;

	(void)state;
	kvf_buf_init(&b, 8);
	assert_int_equal(kvf_buf_printf(&b, &err, "%d-", 12), KVF_OK);
	assert_int_equal(kvf_buf_printf(&b, &err, "%s", "abcd"), KVF_OK);
	assert_int_equal(b.len, 7);
	assert_string_equal((char *)b.ptr, "12-abcd");
	/* The NUL had the last byte; there is none for another text. */
	assert_int_equal(kvf_buf_printf(&b, &err, "x"), KVF_EREJECT);
	assert_string_equal((char *)b.ptr, "12-abcd");
	kvf_buf_release(&b);
}

static void an_arena_hands_out_apart_and_aligned_blocks(void **state)
{
	struct kvf_arena a;
	uint8_t *p[300];
	size_t i, j, len;

	(void)state;
	kvf_arena_init(&a);
	for (i = 0; i < 300; i++) {
		len = i * 17 % 700;
		p[i] = kvf_arena_alloc(&a, len);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)(i & 0xff), len);
	}
	for (i = 0; i < 300; i++)
		for (j = 0; j < i * 17 % 700; j++)
			assert_int_equal(p[i][j], i & 0xff);
	kvf_arena_release(&a);
	kvf_arena_release(&a);
	kvf_arena_release(NULL);
}

static void an_arena_takes_large_blocks_between_small_ones(void **state)
{
	struct kvf_arena a;
	char *small, *big, *after;

	(void)state;
	kvf_arena_init(&a);
	small = kvf_arena_strdup(&a, "small");
	big = kvf_arena_zalloc(&a, 3u << 20);
	after = kvf_arena_strdup(&a, "after");
	assert_non_null(big);
	assert_int_equal(big[0] | big[(3u << 20) - 1], 0);
	memset(big, 1, 3u << 20);
	assert_string_equal(small, "small");
	assert_string_equal(after, "after");
	kvf_arena_release(&a);
}

static void an_arena_refuses_what_cannot_be(void **state)
{
	struct kvf_arena a;

	(void)state;
	kvf_arena_init(&a);
	assert_null(kvf_arena_alloc(&a, SIZE_MAX));
	assert_null(kvf_arena_alloc(&a, SIZE_MAX - 15));
	assert_null(kvf_arena_zalloc(&a, SIZE_MAX / 2 + 1));
	assert_null(kvf_arena_strndup(&a, "x", SIZE_MAX));
	assert_non_null(kvf_arena_alloc(&a, 0));
	kvf_arena_release(&a);
}

static void a_reset_arena_uses_its_block_again(void **state)
{
	struct kvf_arena a;
	void *first;
	int i;

	(void)state;
	kvf_arena_init(&a);
	kvf_arena_reset(&a);
	first = kvf_arena_alloc(&a, 100);
	for (i = 0; i < 1000; i++) {
		kvf_arena_reset(&a);
		assert_int_equal(a.used, 0);
		assert_ptr_equal(kvf_arena_alloc(&a, 200), first);
	}
	kvf_arena_release(&a);
}

static void copies_end_in_a_nul(void **state)
{
	struct kvf_arena a;
	char *s;

	(void)state;
	kvf_arena_init(&a);
	s = kvf_arena_strndup(&a, "ab\0cd", 4);
	assert_memory_equal(s, "ab\0c", 5);
	assert_string_equal(kvf_arena_strndup(&a, NULL, 0), "");
	assert_string_equal(kvf_arena_printf(&a, "%s-%03d", "x", 7), "x-007");
	kvf_arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_holds_what_was_appended),
		cmocka_unit_test(a_buffer_never_grows_beyond_its_cap),
		cmocka_unit_test(an_absurd_length_is_refused_before_it_allocates),
		cmocka_unit_test(text_is_formatted_behind_what_is_there),
		cmocka_unit_test(an_arena_hands_out_apart_and_aligned_blocks),
		cmocka_unit_test(an_arena_takes_large_blocks_between_small_ones),
		cmocka_unit_test(an_arena_refuses_what_cannot_be),
		cmocka_unit_test(a_reset_arena_uses_its_block_again),
		cmocka_unit_test(copies_end_in_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
