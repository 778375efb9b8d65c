/* A stream with marks and rewinds has the bytes of one without. */
#include <kvferry/stream.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const packages[] = { "a", "b" };

/* Entries of one size, so that `size` says where the chunks of 4 KiB end. */
static void put(struct kvf_writer *w, unsigned i, size_t size, const char *suffix,
		enum kvf_status want)
{
	static uint8_t value[8192];
	struct kvf_err err;
	struct kvf_entry e;
	char key[32];

	memset(value, 'v' + (int)(i % 5), sizeof(value));
	e.part = kvf_bytes_str("part");
	snprintf(key, sizeof(key), "%08u%s", i, suffix);
	e.key = kvf_bytes_str(key);
	e.value.ptr = value;
	e.value.len = size;
	assert_int_equal(kvf_writer_put(w, &e, &err), want);
}

/* Two packages of `n` entries; before entry `at`, `junk` entries are taken back. */
static struct kvf_output *stream(unsigned threads, unsigned n, size_t size, unsigned at,
				 unsigned junk, unsigned times)
{
	struct kvf_env env = { .threads = threads };
	struct kvf_head head = { .chunk = 4096, .packages = packages, .npackages = 2 };
	struct kvf_output *out = NULL;
	struct kvf_writer *w = NULL;
	struct kvf_begin begin;
	struct kvf_err err;
	unsigned p, i, k, t;

	assert_int_equal(kvf_output_memory(64u << 20, &out, &err), KVF_OK);
	assert_int_equal(kvf_writer_open(out, &head, NULL, &env, &w, &err), KVF_OK);
	for (p = 0; p < 2; p++) {
		memset(&begin, 0, sizeof(begin));
		begin.n = p;
		begin.name = packages[p];
		assert_int_equal(kvf_writer_begin(w, &begin, &err), KVF_OK);
		for (i = 0; i <= n; i++) {
			if (i == at && times) {
				assert_int_equal(kvf_writer_mark(w, &err), KVF_OK);
				for (t = 0; t < times; t++) {
					for (k = 0; k < junk; k++)
						put(w, i + k, size / (t + 1), "x", KVF_OK);
					assert_int_equal(kvf_writer_rewind(w, &err), KVF_OK);
				}
			}
			if (i < n)
				put(w, i, size, "", KVF_OK);
		}
		assert_int_equal(kvf_writer_end(w, NULL, 0, NULL, &err), KVF_OK);
	}
	assert_int_equal(kvf_writer_finish(w, NULL, &err), KVF_OK);
	kvf_writer_close(w);
	return out;
}

static void what_was_taken_back_was_never_there(void **state)
{
	static const size_t sizes[] = { 10, 500, 4000, 4096, 6000 };
	static const unsigned junk[] = { 0, 1, 7, 40 };
	struct kvf_output *plain, *marked;
	struct kvf_bytes a, b;
	unsigned s, j, at, threads;

	(void)state;
	for (s = 0; s < 5; s++) {
		plain = stream(1, 12, sizes[s], 0, 0, 0);
		a = kvf_output_bytes(plain);
		for (j = 0; j < 4; j++) {
			for (at = 0; at <= 12; at++) {
				threads = 1 + (at + j) % 3;
				marked = stream(threads, 12, sizes[s], at, junk[j], 1 + at % 3);
				b = kvf_output_bytes(marked);
				assert_int_equal(a.len, b.len);
				assert_memory_equal(a.ptr, b.ptr, a.len);
				kvf_output_close(marked);
			}
		}
		kvf_output_close(plain);
	}
}

static void an_entry_out_of_order_can_be_taken_back_with_those_before_it(void **state)
{
	struct kvf_env env = { .threads = 1 };
	struct kvf_head head = { .chunk = 4096, .packages = packages, .npackages = 1 };
	struct kvf_begin begin = { .name = "a" };
	struct kvf_output *out = NULL;
	struct kvf_writer *w = NULL;
	struct kvf_tail tail;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_output_memory(1u << 20, &out, &err), KVF_OK);
	assert_int_equal(kvf_writer_open(out, &head, NULL, &env, &w, &err), KVF_OK);
	assert_int_equal(kvf_writer_begin(w, &begin, &err), KVF_OK);
	assert_int_equal(kvf_writer_rewind(w, &err), KVF_EUSAGE); /* no mark yet */
	assert_int_equal(kvf_writer_mark(w, &err), KVF_OK);
	put(w, 5, 10, "", KVF_OK);
	put(w, 4, 10, "", KVF_EDEFINITION);
	assert_int_equal(kvf_writer_rewind(w, &err), KVF_OK);
	put(w, 4, 10, "", KVF_OK);
	put(w, 5, 10, "", KVF_OK);
	assert_int_equal(kvf_writer_end(w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_mark(w, &err), KVF_EUSAGE); /* not in a package */
	assert_int_equal(kvf_writer_finish(w, &tail, &err), KVF_OK);
	assert_int_equal(tail.entries, 2);
	kvf_writer_close(w);
	kvf_output_close(out);
}

static void a_pipe_has_no_marks(void **state)
{
	struct kvf_env env = { .threads = 1 };
	struct kvf_head head = { .chunk = 4096, .packages = packages, .npackages = 1 };
	struct kvf_begin begin = { .name = "a" };
	struct kvf_input *in = NULL;
	struct kvf_output *out = NULL;
	struct kvf_writer *w = NULL;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_pipe_new(1u << 20, &in, &out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	assert_int_equal(kvf_writer_open(out, &head, NULL, &env, &w, &err), KVF_OK);
	assert_int_equal(kvf_writer_begin(w, &begin, &err), KVF_OK);
	assert_int_equal(kvf_writer_mark(w, &err), KVF_EUSAGE);
	put(w, 1, 10, "", KVF_OK); /* and the stream goes on */
	assert_int_equal(kvf_writer_end(w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_finish(w, NULL, &err), KVF_OK);
	kvf_writer_close(w);
	kvf_output_close(out);
	kvf_input_close(in);
}

/* What a descriptor holds behind what we write must never be cut off. */
static void only_a_descriptor_at_the_end_of_its_file_can_be_rewound(void **state)
{
	char path[] = "/tmp/kvf-mark-XXXXXX", back[16] = "";
	struct kvf_output *out = NULL;
	struct kvf_err err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, "before", 6), 6);
	assert_int_equal(kvf_output_fd(fd, "file", &out, &err), KVF_OK);
	assert_true(kvf_output_can_rewind(out));
	assert_int_equal(kvf_output_write(out, "one two", 7, &err), KVF_OK);
	assert_int_equal(kvf_output_rewind(out, 4, &err), KVF_OK);
	assert_int_equal(kvf_output_tell(out), 4);
	assert_int_equal(kvf_output_write(out, "2", 1, &err), KVF_OK);
	kvf_output_close(out);
	assert_int_equal(pread(fd, back, sizeof(back) - 1, 0), 11);
	assert_string_equal(back, "beforeone 2");
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(kvf_output_fd(fd, "file", &out, &err), KVF_OK);
	assert_false(kvf_output_can_rewind(out));
	kvf_output_close(out);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_taken_back_was_never_there),
		cmocka_unit_test(an_entry_out_of_order_can_be_taken_back_with_those_before_it),
		cmocka_unit_test(a_pipe_has_no_marks),
		cmocka_unit_test(only_a_descriptor_at_the_end_of_its_file_can_be_rewound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
