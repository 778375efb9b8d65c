/* Views: one key out of a stream, without reading the stream. */
#include "../support/test.h"
#include "../support/streams.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blob file;

static int make_file(void **state)
{
	struct recipe r = {
		.packages = 2, .entries = 20000, .value = 200, .chunk = 65536, .noise = 1
	};

	(void)state;
	file = stream_build(&r, NULL);
	return file.n < 300000;
}

static int free_file(void **state)
{
	(void)state;
	free(file.p);
	return 0;
}

static struct kvf_view *open_view(const struct blob *b, struct kvf_input **in)
{
	struct kvf_view *v;
	struct kvf_err err;

	assert_int_equal(kvf_input_memory(blob_view(b), "memory", in, &err), KVF_OK);
	if (kvf_view_open(*in, NULL, &v, &err))
		fail_msg("%s (%s)", err.message, err.detail);
	return v;
}

static enum kvf_status get(struct kvf_view *v, const char *package, const char *part,
			   const char *key, struct kvf_bytes *value)
{
	struct kvf_err err;
	size_t n = 99;
	enum kvf_status st = kvf_view_get(v, package, kvf_bytes_str(part), kvf_bytes_str(key),
					  value, &n, &err);

	if (!st)
		assert_int_equal(n, package && strcmp(package, "p1") == 0 ? 1 : 0);
	return st;
}

static void look_up_all(const struct blob *b)
{
	struct kvf_bytes value;
	struct kvf_input *in;
	struct kvf_view *v = open_view(b, &in);
	char key[32];
	size_t i;

	for (i = 0; i < 20000; i += 997) {
		snprintf(key, sizeof(key), "key/%08zu", i);
		assert_int_equal(get(v, NULL, i < 10000 ? "part" : "part2", key, &value),
				 KVF_OK);
		assert_int_equal(value.len, 200);
		assert_int_equal(value.ptr[0], "abcdefgh"[i * 7 % 8]);
		assert_int_equal(get(v, "p1", i < 10000 ? "part" : "part2", key, &value),
				 KVF_OK);
		assert_int_equal(value.ptr[0], "abcdefgh"[(i * 7 + 1) % 8]);
		assert_int_equal(get(v, NULL, i < 10000 ? "part2" : "part", key, &value),
				 KVF_ENOTFOUND);
	}
	assert_int_equal(get(v, NULL, "", "a", &value), KVF_ENOTFOUND);
	assert_int_equal(get(v, NULL, "z", "a", &value), KVF_ENOTFOUND);
	assert_int_equal(get(v, "p2", "part", "key/00000000", &value), KVF_ENOTFOUND);
	assert_string_equal(kvf_view_head(v)->app, "test");
	assert_string_equal(kvf_view_begin(v, 1)->name, "p1");
	assert_null(kvf_view_begin(v, 2));
	kvf_view_close(v);
	kvf_input_close(in);
}

static void every_key_is_found_by_the_index(void **state)
{
	(void)state;
	look_up_all(&file);
}

static void without_index_or_table_the_hints_lead_there(void **state)
{
	struct blob cut = blob_copy(file.p, stream_tail_end(blob_view(&file)));
	struct blob bad = blob_copy(file.p, file.n);

	(void)state;
	look_up_all(&cut);
	bad.p[bad.n - 30] ^= 4; /* a size in the table */
	look_up_all(&bad);
	bad.p[bad.n - 30] ^= 4;
	bad.p[stream_tail_end(blob_view(&file)) + 20] ^= 1; /* a count of the index */
	look_up_all(&bad);
	free(cut.p);
	free(bad.p);
}

static void a_lookup_reads_little_of_the_file(void **state)
{
	struct kvf_bytes value;
	struct kvf_input *in;
	struct kvf_view *v = open_view(&file, &in);
	uint64_t opened = kvf_view_bytes_read(v), once;

	(void)state;
	assert_true(opened < file.n / 20);
	assert_int_equal(get(v, NULL, "part", "key/00001234", &value), KVF_OK);
	once = kvf_view_bytes_read(v) - opened;
	assert_true(once < file.n / 5);
	assert_true(once > 0);
	kvf_view_close(v);
	kvf_input_close(in);
}

static void a_damaged_chunk_is_noticed_before_its_value_is_given(void **state)
{
	struct blob b = blob_copy(file.p, file.n);
	struct kvf_bytes value, good;
	struct kvf_input *in;
	struct kvf_view *v;
	size_t i, found = 0, end = stream_tail_end(blob_view(&file));

	(void)state;
	for (i = 400; i < end; i += 1009) {
		struct kvf_err err;

		b.p[i] ^= 0x20;
		assert_int_equal(kvf_input_memory(blob_view(&b), "memory", &in, &err), KVF_OK);
		if (!kvf_view_open(in, NULL, &v, &err)) {
			if (get(v, "p0", "part", "key/00000777", &value) == KVF_OK) {
				found++;
				assert_int_equal(value.len, 200);
				good = value;
				assert_int_equal(good.ptr[0], "abcdefgh"[777 * 7 % 8]);
			}
			kvf_view_close(v);
		}
		kvf_input_close(in);
		b.p[i] ^= 0x20;
	}
	assert_true(found > 0);
	free(b.p);
}

static void a_view_needs_a_native_seekable_stream(void **state)
{
	struct blob l1 = stream_l1(blob_view(&file)), packed = stream_pack(blob_view(&l1), 0);
	struct kvf_output *out;
	struct kvf_input *in;
	struct kvf_view *v;
	struct kvf_err err;
	size_t n;

	(void)state;
	assert_int_equal(kvf_input_memory(blob_view(&packed), "m", &in, &err), KVF_OK);
	assert_int_equal(kvf_view_open(in, NULL, &v, &err), KVF_EUSAGE);
	kvf_input_close(in);
	assert_int_equal(kvf_pipe_new(100, &in, &out, &err), KVF_OK);
	assert_int_equal(kvf_view_open(in, NULL, &v, &err), KVF_EUSAGE);
	kvf_input_close(in);
	kvf_output_close(out);
	for (n = 0; n < 2000; n += 3) { /* cut early: never an answer */
		struct kvf_bytes cut = { file.p, n };

		assert_int_equal(kvf_input_memory(cut, "m", &in, &err), KVF_OK);
		assert_int_not_equal(kvf_view_open(in, NULL, &v, &err), KVF_OK);
		kvf_input_close(in);
	}
	free(l1.p);
	free(packed.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_found_by_the_index),
		cmocka_unit_test(without_index_or_table_the_hints_lead_there),
		cmocka_unit_test(a_lookup_reads_little_of_the_file),
		cmocka_unit_test(a_damaged_chunk_is_noticed_before_its_value_is_given),
		cmocka_unit_test(a_view_needs_a_native_seekable_stream),
	};

	return cmocka_run_group_tests(tests, make_file, free_file);
}
