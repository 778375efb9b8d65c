/* par - the ordered pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "par/par.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
	unsigned n;
	unsigned result;
	unsigned worker;
	unsigned delay_us;
	int fail;
	int dropped;
};

struct ctx {
	atomic_uint ran, running, most;
	atomic_uint gate; /* jobs wait until it is open, when `gated` */
	int gated;
};

static enum kvf_status run(void *arg, unsigned worker, void *j, struct kvf_err *err)
{
	struct ctx *c = arg;
	struct job *job = j;
	unsigned now = atomic_fetch_add(&c->running, 1) + 1;

	if (now > atomic_load(&c->most))
		atomic_store(&c->most, now);
	while (c->gated && !atomic_load(&c->gate))
		usleep(100);
	if (job->delay_us)
		usleep(job->delay_us);
	job->worker = worker;
	job->result = job->n * 2 + 1;
	atomic_fetch_add(&c->ran, 1);
	atomic_fetch_sub(&c->running, 1);
	if (job->fail)
		return kvf_fail(err, KVF_ESTREAM, "job %u is bad", job->n);
	return KVF_OK;
}

static void drop(void *arg, void *j)
{
	(void)arg;
	((struct job *)j)->dropped++;
}

static struct kvf_pool *new_pool(unsigned threads, size_t window, struct ctx *c)
{
	struct kvf_pool *p;
	struct kvf_err err;

	assert_int_equal(kvf_pool_new(threads, window, run, c, &p, &err), KVF_OK);
	return p;
}

/* Submit and take on one thread; results must come in order. */
static void in_order(unsigned threads, size_t window, unsigned n)
{
	struct ctx c = { 0 };
	struct job *jobs = calloc(n, sizeof(*jobs));
	struct kvf_pool *p = new_pool(threads, window, &c);
	struct kvf_err err;
	unsigned i, taken = 0;
	void *j;

	for (i = 0; i < n; i++) {
		jobs[i].n = i;
		jobs[i].delay_us = (i * 7919u) % 13 * 20;
		while (kvf_pool_full(p)) {
			assert_int_equal(kvf_pool_take(p, &j, &err), KVF_OK);
			assert_ptr_equal(j, &jobs[taken++]);
		}
		assert_int_equal(kvf_pool_submit(p, &jobs[i], &err), KVF_OK);
		assert_true(i + 1 - taken <= window);
	}
	while (kvf_pool_take(p, &j, &err) == KVF_OK)
		assert_ptr_equal(j, &jobs[taken++]);
	assert_null(j);
	assert_int_equal(taken, n);
	assert_int_equal(kvf_pool_take(p, &j, &err), KVF_EOF);
	kvf_pool_free(p, drop);
	for (i = 0; i < n; i++) {
		assert_int_equal(jobs[i].result, i * 2 + 1);
		assert_true(jobs[i].worker < threads);
		assert_int_equal(jobs[i].dropped, 0);
	}
	assert_true(atomic_load(&c.most) <= threads);
	free(jobs);
}

static void results_come_in_the_order_of_submission(void **state)
{
	(void)state;
	in_order(1, 1, 50);
	in_order(1, 4, 50);
	in_order(4, 1, 50);
	in_order(2, 4, 300);
	in_order(8, 32, 300);
	in_order(3, 5, 0);
}

static void one_thread_still_works_beside_the_submitter(void **state)
{
	struct ctx c = { .gated = 1 };
	struct job jobs[3] = { { .n = 0 }, { .n = 1 }, { .n = 2 } };
	struct kvf_pool *p = new_pool(1, 3, &c);
	struct kvf_err err;
	void *j;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) /* none of these may wait for the job */
		assert_int_equal(kvf_pool_submit(p, &jobs[i], &err), KVF_OK);
	assert_true(kvf_pool_full(p));
	assert_int_equal(atomic_load(&c.ran), 0);
	atomic_store(&c.gate, 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(kvf_pool_take(p, &j, &err), KVF_OK);
		assert_ptr_equal(j, &jobs[i]);
	}
	assert_false(kvf_pool_full(p));
	kvf_pool_free(p, drop);
}

static void the_failure_submitted_first_wins_whatever_the_timing(void **state)
{
	int round;

	(void)state;
	for (round = 0; round < 20; round++) {
		struct ctx c = { 0 };
		struct job jobs[12];
		struct kvf_pool *p = new_pool(4, 12, &c);
		struct kvf_err err;
		enum kvf_status st = KVF_OK;
		unsigned i, submitted = 0;
		void *j;

		memset(jobs, 0, sizeof(jobs));
		for (i = 0; i < 12; i++)
			jobs[i].n = i;
		jobs[2].fail = 1;
		jobs[2].delay_us = 3000; /* fails last in time */
		jobs[4].fail = 1;
		for (i = 0; i < 12 && !st; i++) {
			st = kvf_pool_submit(p, &jobs[i], &err);
			submitted += !st;
		}
		if (st) {
			assert_int_equal(st, KVF_ESTREAM);
			assert_string_equal(err.message, "job 2 is bad");
		}
		for (i = 0; i < 2; i++) {
			assert_int_equal(kvf_pool_take(p, &j, &err), KVF_OK);
			assert_ptr_equal(j, &jobs[i]);
		}
		assert_int_equal(kvf_pool_take(p, &j, &err), KVF_ESTREAM);
		assert_ptr_equal(j, &jobs[2]);
		assert_string_equal(err.message, "job 2 is bad");
		assert_int_equal(err.status, KVF_ESTREAM);
		assert_int_equal(kvf_pool_take(p, &j, &err), KVF_ESTREAM);
		assert_null(j);
		assert_int_equal(kvf_pool_submit(p, &jobs[0], &err), KVF_ESTREAM);
		kvf_pool_free(p, drop);
		for (i = 0; i < 12; i++)
			assert_int_equal(jobs[i].dropped, i >= 3 && i < submitted);
	}
}

static void jobs_after_a_failure_are_not_run(void **state)
{
	struct ctx c = { .gated = 1 };
	struct job jobs[8];
	struct kvf_pool *p = new_pool(1, 8, &c);
	struct kvf_err err;
	unsigned i;
	void *j;

	(void)state;
	memset(jobs, 0, sizeof(jobs));
	jobs[0].fail = 1;
	for (i = 0; i < 8; i++)
		assert_int_equal(kvf_pool_submit(p, &jobs[i], &err), KVF_OK);
	atomic_store(&c.gate, 1);
	assert_int_equal(kvf_pool_take(p, &j, &err), KVF_ESTREAM);
	kvf_pool_free(p, drop);
	assert_int_equal(atomic_load(&c.ran), 1);
}

struct feeder {
	struct kvf_pool *pool;
	struct job *jobs;
	unsigned n;
	enum kvf_status st;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;
	unsigned i;

	for (i = 0; i < f->n && !f->st; i++)
		f->st = kvf_pool_submit(f->pool, &f->jobs[i], NULL);
	return NULL;
}

static void a_full_window_holds_the_submitter_until_results_are_taken(void **state)
{
	struct ctx c = { 0 };
	struct job jobs[64];
	struct feeder f = { .jobs = jobs, .n = 64 };
	struct kvf_err err;
	pthread_t t;
	unsigned taken = 0;
	void *j;

	(void)state;
	memset(jobs, 0, sizeof(jobs));
	f.pool = new_pool(2, 2, &c);
	assert_int_equal(pthread_create(&t, NULL, feed, &f), 0);
	while (taken < 64) {
		enum kvf_status st = kvf_pool_take(f.pool, &j, &err);

		if (st == KVF_EOF) { /* nothing under way at this moment */
			usleep(50);
			continue;
		}
		assert_int_equal(st, KVF_OK);
		assert_ptr_equal(j, &jobs[taken++]);
		assert_true(atomic_load(&c.ran) <= taken + 2);
	}
	pthread_join(t, NULL);
	assert_int_equal(f.st, KVF_OK);
	kvf_pool_free(f.pool, drop);
}

static void a_failure_wakes_a_submitter_that_waits_for_room(void **state)
{
	struct ctx c = { .gated = 1 };
	struct job jobs[4] = { { .fail = 1 }, { .n = 1 }, { .n = 2 }, { .n = 3 } };
	struct feeder f = { .jobs = jobs, .n = 4 };
	pthread_t t;

	(void)state;
	f.pool = new_pool(1, 1, &c);
	assert_int_equal(pthread_create(&t, NULL, feed, &f), 0);
	usleep(2000);
	atomic_store(&c.gate, 1);
	pthread_join(t, NULL); /* would hang if nobody woke it */
	assert_int_equal(f.st, KVF_ESTREAM);
	kvf_pool_free(f.pool, drop);
	assert_int_equal(jobs[0].dropped, 1);
	assert_int_equal(jobs[1].dropped, 0);
}

static void a_pool_can_be_freed_in_the_middle_of_its_work(void **state)
{
	struct ctx c = { 0 };
	struct job jobs[16];
	struct kvf_pool *p = new_pool(3, 16, &c);
	unsigned i, dropped = 0;

	(void)state;
	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < 16; i++) {
		jobs[i].delay_us = 500;
		assert_int_equal(kvf_pool_submit(p, &jobs[i], NULL), KVF_OK);
	}
	kvf_pool_free(p, drop);
	for (i = 0; i < 16; i++)
		dropped += (unsigned)jobs[i].dropped;
	assert_int_equal(dropped, 16);
	kvf_pool_free(NULL, drop);
}

static void the_number_of_threads_follows_env_and_is_bounded(void **state)
{
	struct kvf_env env = { .threads = 7 };

	(void)state;
	assert_int_equal(kvf_thread_count(&env), 7);
	env.threads = 0;
	assert_in_range(kvf_thread_count(&env), 1, 16);
	assert_in_range(kvf_thread_count(NULL), 1, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_in_the_order_of_submission),
		cmocka_unit_test(one_thread_still_works_beside_the_submitter),
		cmocka_unit_test(the_failure_submitted_first_wins_whatever_the_timing),
		cmocka_unit_test(jobs_after_a_failure_are_not_run),
		cmocka_unit_test(a_full_window_holds_the_submitter_until_results_are_taken),
		cmocka_unit_test(a_failure_wakes_a_submitter_that_waits_for_room),
		cmocka_unit_test(a_pool_can_be_freed_in_the_middle_of_its_work),
		cmocka_unit_test(the_number_of_threads_follows_env_and_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
