/* sort - ordinals, scratch files, large values, limits, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sort/budget.h"
#include "sort/sort.h"

#include <kvferry/package.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum kvf_status put(struct kvf_sorter *s, const char *part, const char *key,
			   unsigned flags, uint64_t ordinal, struct kvf_err *err)
{
	struct kvf_entry e = { kvf_bytes_str(part), kvf_bytes_str(key), kvf_bytes_str("v") };
	struct kvf_origin origin = { 3, ordinal };

	return kvf_sorter_put(s, &e, flags, origin, err);
}

static void assert_next(struct kvf_sorter *s, const char *part, const char *key,
			uint64_t ordinal)
{
	struct kvf_origin origin;
	struct kvf_entry e;
	struct kvf_err err;

	assert_int_equal(kvf_sorter_next(s, &e, &origin, &err), KVF_OK);
	assert_int_equal(e.part.len, strlen(part));
	assert_memory_equal(e.part.ptr, part, e.part.len);
	assert_int_equal(e.key.len, strlen(key));
	assert_memory_equal(e.key.ptr, key, e.key.len);
	assert_int_equal(e.value.len, 1);
	assert_int_equal(origin.record, 3);
	assert_int_equal(origin.ordinal, ordinal);
}

static struct kvf_sorter *new_sorter(uint64_t budget)
{
	struct kvf_sorter *s;

	assert_int_equal(kvf_sorter_new(budget, "/tmp", NULL, &s, NULL), KVF_OK);
	return s;
}

static void a_sorter_that_was_reset_is_as_new(void **state)
{
	const uint64_t budgets[] = { 1, UINT64_MAX };
	struct kvf_sorter_stats stats;
	struct kvf_err err;
	unsigned i, finished;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct kvf_sorter *s = new_sorter(budgets[i / 2]);

		finished = i % 2;
		assert_int_equal(put(s, "p", "b", KVF_PUT_ORDINAL, 1, &err), KVF_OK);
		assert_int_equal(put(s, "p", "a", 0, 2, &err), KVF_OK);
		if (finished) {
			assert_int_equal(kvf_sorter_finish(s, &err), KVF_OK);
			assert_next(s, "p", "a", 2);
		}
		kvf_sorter_reset(s);
		assert_int_equal(put(s, "p", "b", KVF_PUT_ORDINAL, 3, &err), KVF_OK);
		assert_int_equal(put(s, "p", "c", 0, 4, &err), KVF_OK);
		assert_int_equal(kvf_sorter_finish(s, &err), KVF_OK);
		kvf_sorter_stats(s, &stats);
		assert_int_equal(stats.entries, 2);
		assert_int_equal(stats.bytes, 6);
		assert_true(stats.in_order);
		assert_next(s, "p", "b.0000000001", 3);
		assert_next(s, "p", "c", 4);
		kvf_sorter_free(s);
	}
}

static void flagged_keys_are_numbered_from_one_within_equal_ones(void **state)
{
	const uint64_t budgets[] = { 1, 200, UINT64_MAX };
	struct kvf_origin origin;
	struct kvf_sorter *s;
	struct kvf_entry e;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		s = new_sorter(budgets[i]);
		assert_int_equal(put(s, "p", "bb", KVF_PUT_ORDINAL, 1, NULL), KVF_OK);
		assert_int_equal(put(s, "q", "aa", KVF_PUT_ORDINAL, 2, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "aa", KVF_PUT_ORDINAL, 3, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "cc", 0, 4, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "aa", KVF_PUT_ORDINAL, 5, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "aa", KVF_PUT_ORDINAL, 6, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "aa!", KVF_PUT_ORDINAL, 7, NULL), KVF_OK);
		assert_int_equal(put(s, "p", "cc", 0, 8, NULL), KVF_OK);
		assert_int_equal(kvf_sorter_finish(s, NULL), KVF_OK);
		assert_next(s, "p", "aa!.0000000001", 7); /* "!" is less than "." */
		assert_next(s, "p", "aa.0000000001", 3);
		assert_next(s, "p", "aa.0000000002", 5);
		assert_next(s, "p", "aa.0000000003", 6);
		assert_next(s, "p", "bb.0000000001", 1);
		assert_next(s, "p", "cc", 4);
		assert_next(s, "p", "cc", 8);
		assert_next(s, "q", "aa.0000000001", 2);
		assert_int_equal(kvf_sorter_next(s, &e, &origin, NULL), KVF_EOF);
		kvf_sorter_free(s);
	}
}

/* ---- scratch files ------------------------------------------------------------ */

/* The descriptor of a file without a name that this process holds, or -1. */
static int scratch_fd(void)
{
	struct stat st;
	int fd;

	for (fd = 3; fd < 256; fd++)
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
			return fd;
	return -1;
}

/* Put `n` entries in no order, with values of `len` bytes that do not compress. */
static enum kvf_status put_many(struct kvf_sorter *s, unsigned n, size_t len,
				struct kvf_err *err)
{
	uint8_t *value = malloc(len + 8);
	enum kvf_status st = KVF_OK;
	uint64_t x = 1;
	unsigned i;
	size_t k;

	for (i = 0; i < n && !st; i++) {
		uint32_t key = (i * 2654435761u) ^ 0x5a5a5a5a;
		struct kvf_entry e = { kvf_bytes_str("part"),
				       { (uint8_t *)&key, 4 },
				       { value, len } };

		for (k = 0; k < len; k += 8) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			memcpy(value + k, &x, 8);
		}
		st = kvf_sorter_put(s, &e, 0, (struct kvf_origin){ 0, i }, err);
	}
	free(value);
	return st;
}

static void damage_is_found_wherever_it_is(void **state)
{
	struct kvf_origin origin;
	struct kvf_sorter *s;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	struct stat file;
	uint8_t byte;
	off_t at;
	int fd, i;

	(void)state;
	for (i = 0; i < 200; i++) {
		s = new_sorter(20000);
		assert_int_equal(put_many(s, 200, i % 2 ? 400 : 20000, &err), KVF_OK);
		fd = scratch_fd();
		assert_int_equal(fstat(fd, &file), 0);
		assert_true(file.st_size > 40000);
		at = i < 60 ? i : (off_t)((uint64_t)i * 7919 * 7919 % (uint64_t)file.st_size);
		if (i == 199) {
			assert_int_equal(ftruncate(fd, file.st_size / 2), 0);
		} else {
			assert_int_equal(pread(fd, &byte, 1, at), 1);
			byte ^= (uint8_t)(1 << i % 8);
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		st = kvf_sorter_finish(s, &err);
		while (!st)
			st = kvf_sorter_next(s, &e, &origin, &err);
		assert_int_equal(st, KVF_ETARGET);
		assert_non_null(strstr(err.message, "damaged"));
		kvf_sorter_free(s);
		assert_int_equal(scratch_fd(), -1);
	}
}

static void a_block_in_the_place_of_another_is_damage(void **state)
{
	struct kvf_origin origin;
	struct kvf_sorter *s = new_sorter(20000);
	uint8_t *head = malloc(20100);
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	uint32_t stored;
	int fd;

	(void)state;
	/* Runs of one large record each: blocks of the same size in a row. */
	assert_int_equal(put_many(s, 20, 20000, &err), KVF_OK);
	fd = scratch_fd();
	assert_int_equal(pread(fd, head, 12, 0), 12);
	memcpy(&stored, head + 4, 4);
	stored += 40 + 40 + 20000; /* head block and value block with headers */
	assert_int_equal(pread(fd, head, 20100, stored), 20100);
	assert_int_equal(pwrite(fd, head, 20100, 0), 20100);
	st = kvf_sorter_finish(s, &err);
	while (!st)
		st = kvf_sorter_next(s, &e, &origin, &err);
	assert_int_equal(st, KVF_ETARGET);
	kvf_sorter_free(s);
	free(head);
}

static void a_scratch_file_that_cannot_be_made_or_written_is_a_target_error(void **state)
{
	struct rlimit old, small;
	struct kvf_sorter *s;
	struct kvf_err err;
	enum kvf_status st;

	(void)state;
	assert_int_equal(kvf_sorter_new(1000, "/nonexistent", NULL, &s, &err), KVF_OK);
	assert_int_equal(put_many(s, 100, 100, &err), KVF_ETARGET);
	assert_non_null(strstr(err.message, "/nonexistent"));
	kvf_sorter_free(s);

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 30000;
	s = new_sorter(10000);
	setrlimit(RLIMIT_FSIZE, &small);
	st = put_many(s, 1000, 100, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(st, KVF_ETARGET);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.message, "scratch file in /tmp"));
	kvf_sorter_free(s);
	assert_int_equal(scratch_fd(), -1);
}

static int stop_now;

static int stopped(void *ctx)
{
	(void)ctx;
	return stop_now;
}

static void a_request_to_stop_is_heeded(void **state)
{
	struct kvf_env env = { .threads = 2, .stopped = stopped };
	struct kvf_sorter *s;
	struct kvf_err err;

	(void)state;
	stop_now = 0;
	assert_int_equal(kvf_sorter_new(UINT64_MAX, "/tmp", &env, &s, &err), KVF_OK);
	assert_int_equal(put_many(s, 100, 8, &err), KVF_OK);
	stop_now = 1;
	assert_int_equal(put_many(s, 2000, 8, &err), KVF_EINTERRUPTED);
	assert_int_equal(kvf_sorter_finish(s, &err), KVF_EINTERRUPTED);
	kvf_sorter_free(s);

	stop_now = 0;
	assert_int_equal(kvf_sorter_new(10000, "/tmp", &env, &s, &err), KVF_OK);
	assert_int_equal(put_many(s, 400, 100, &err), KVF_OK);
	stop_now = 1;
	assert_int_equal(put_many(s, 400, 100, &err), KVF_EINTERRUPTED);
	kvf_sorter_free(s);
}

/* ---- large values, memory -------------------------------------------------------- */

static void values_larger_than_the_budget_pass(void **state)
{
	const size_t sizes[] = { 0, 70000, 16384, 3000000, 16384 - 45, 5, 300000, 1 };
	struct kvf_sorter *s = new_sorter(50000);
	uint8_t *value = malloc(3000000);
	struct kvf_origin origin;
	struct kvf_entry e;
	struct kvf_err err;
	uint8_t key;
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		key = (uint8_t)('a' + (i * 5) % 8);
		memset(value, key, sizes[i]);
		e = (struct kvf_entry){ { NULL, 0 }, { &key, 1 }, { value, sizes[i] } };
		assert_int_equal(kvf_sorter_put(s, &e, 0, (struct kvf_origin){ 0, i }, &err),
				 KVF_OK);
	}
	assert_int_equal(kvf_sorter_finish(s, &err), KVF_OK);
	for (i = 0; i < 8; i++) {
		assert_int_equal(kvf_sorter_next(s, &e, &origin, &err), KVF_OK);
		assert_int_equal(e.key.ptr[0], 'a' + i);
		assert_int_equal((origin.ordinal * 5) % 8, i);
		assert_int_equal(e.value.len, sizes[origin.ordinal]);
		memset(value, (int)('a' + i), e.value.len);
		if (e.value.len)
			assert_memory_equal(e.value.ptr, value, e.value.len);
	}
	assert_int_equal(kvf_sorter_next(s, &e, &origin, &err), KVF_EOF);
	kvf_sorter_free(s);
	free(value);
}

static void more_than_a_gigabyte_is_rejected(void **state)
{
	struct kvf_entry e = { { NULL, 0 }, { (const uint8_t *)"k", 1 }, { NULL, 1u << 30 } };
	struct kvf_sorter *s = new_sorter(1u << 20);
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_sorter_put(s, &e, 0, (struct kvf_origin){ 0, 0 }, &err),
			 KVF_EREJECT);
	kvf_sorter_free(s);
}

/* Shadow memory is memory: under a sanitizer there is nothing to measure. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MEASURES_MEMORY 1

/* In a child: `n` entries of `len` bytes; exits 0 if its peak stayed below. */
static void peak_stays_below(uint64_t budget, unsigned n, size_t len, long allowed_kib)
{
	struct kvf_env env = { .threads = 2 };
	struct kvf_origin origin;
	struct kvf_sorter *s;
	struct kvf_entry e;
	struct kvf_err err;
	struct rusage before, ru;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t got = 0;

		getrusage(RUSAGE_SELF, &before);
		if (kvf_sorter_new(budget, "/tmp", &env, &s, &err) ||
		    put_many(s, n, len, &err) || kvf_sorter_finish(s, &err))
			_exit(2);
		while (kvf_sorter_next(s, &e, &origin, &err) == KVF_OK)
			got++;
		getrusage(RUSAGE_SELF, &ru);
		_exit(got != n ? 3 : ru.ru_maxrss - before.ru_maxrss > allowed_kib ? 4 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void memory_stays_near_the_budget(void **state)
{
	(void)state;
	peak_stays_below(16u << 20, 200000, 400, (16 + 24) << 10);
	peak_stays_below(16u << 20, 1000000, 8, (16 + 24) << 10);
	/* 40 runs that begin with a value of 4 MiB each */
	peak_stays_below(4u << 20, 40, 4u << 20, (4 + 24) << 10);
}
#endif

/* ---- the budget ------------------------------------------------------------------- */

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void the_least_limit_of_all_groups_above_counts(void **state)
{
	static const char *const folders[] = { "a", "a/b", "memory", "memory/x" };
	static const char *const files[] = { "list", "a/memory.max", "a/b/memory.max",
					     "memory/memory.limit_in_bytes",
					     "memory/x/memory.limit_in_bytes" };
	char root[] = "/tmp/kvf-cg-XXXXXX";
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(mkdir(folders[i], 0700), 0);
	put_file("list", "0::/a/b\n");
	assert_true(kvf_cgroup_limit("list", root) == UINT64_MAX);
	put_file("a/b/memory.max", "max\n");
	assert_true(kvf_cgroup_limit("list", root) == UINT64_MAX);
	put_file("a/memory.max", "5000\n");
	assert_int_equal(kvf_cgroup_limit("list", root), 5000);
	put_file("a/b/memory.max", "4000\n");
	assert_int_equal(kvf_cgroup_limit("list", root), 4000);
	put_file("list", "0::/");
	assert_true(kvf_cgroup_limit("list", root) == UINT64_MAX);
	put_file("list", "3:cpu,memory:/x\n2:cpuset:/a\n1:memoryless:/a");
	put_file("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put_file("memory/x/memory.limit_in_bytes", "7000\n");
	assert_int_equal(kvf_cgroup_limit("list", root), 7000);
	put_file("list", "nonsense\n::\n:memory:\n");
	assert_true(kvf_cgroup_limit("list", root) > 7000);
	assert_true(kvf_cgroup_limit("missing", root) == UINT64_MAX);
	for (i = 0; i < 5; i++)
		unlink(files[i]);
	for (i = 4; i > 0; i--)
		rmdir(folders[i - 1]);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(root), 0);
}

static void the_budget_is_what_env_says_or_a_quarter_of_memory(void **state)
{
	struct kvf_env env = { .memory = 12345 };
	uint64_t budget;

	(void)state;
	assert_int_equal(kvf_memory_budget(&env), 12345);
	budget = kvf_memory_budget(NULL);
	assert_in_range(budget, 1u << 20, UINT64_C(4) << 30);
	env.memory = 0;
	assert_int_equal(kvf_memory_budget(&env), budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flagged_keys_are_numbered_from_one_within_equal_ones),
		cmocka_unit_test(a_sorter_that_was_reset_is_as_new),
		cmocka_unit_test(damage_is_found_wherever_it_is),
		cmocka_unit_test(a_block_in_the_place_of_another_is_damage),
		cmocka_unit_test(
			a_scratch_file_that_cannot_be_made_or_written_is_a_target_error),
		cmocka_unit_test(a_request_to_stop_is_heeded),
		cmocka_unit_test(values_larger_than_the_budget_pass),
		cmocka_unit_test(more_than_a_gigabyte_is_rejected),
#ifdef MEASURES_MEMORY
		cmocka_unit_test(memory_stays_near_the_budget),
#endif
		cmocka_unit_test(the_least_limit_of_all_groups_above_counts),
		cmocka_unit_test(the_budget_is_what_env_says_or_a_quarter_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
