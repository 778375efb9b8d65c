/* One env for two threads. */
#include "par/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>

#include <cmocka.h>

static atomic_int inside, met, calls;

static void progress(void *ctx, const struct kvf_progress *p)
{
	(void)ctx;
	(void)p;
	if (atomic_fetch_add(&inside, 1) != 0)
		atomic_store(&met, 1);
	atomic_fetch_add(&calls, 1);
	atomic_fetch_sub(&inside, 1);
}

static void *send(void *ctx)
{
	const struct kvf_env *env = ctx;
	const struct kvf_progress p = { .step = "load" };
	int i;

	for (i = 0; i < 20000; i++)
		env->progress(env->ctx, &p);
	return NULL;
}

static void two_threads_never_call_at_once(void **state)
{
	struct kvf_env outer = { .progress = progress };
	struct kvf_serial *s = NULL;
	struct kvf_err err;
	pthread_t other;

	(void)state;
	assert_int_equal(kvf_serial_new(&outer, &s, &err), KVF_OK);
	assert_int_equal(
		pthread_create(&other, NULL, send, (void *)(uintptr_t)kvf_serial_env(s)), 0);
	send((void *)(uintptr_t)kvf_serial_env(s));
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(atomic_load(&calls), 40000);
	assert_false(atomic_load(&met));
	kvf_serial_free(s);
}

static void only_one_step_is_passed_on_until_all_are(void **state)
{
	struct kvf_env outer = { .progress = progress };
	const struct kvf_progress load = { .step = "load" }, read = { .step = "export" };
	const struct kvf_env *env;
	struct kvf_serial *s = NULL;
	struct kvf_err err;

	(void)state;
	atomic_store(&calls, 0);
	assert_int_equal(kvf_serial_new(&outer, &s, &err), KVF_OK);
	env = kvf_serial_env(s);
	kvf_serial_only(s, "export");
	env->progress(env->ctx, &load);
	assert_int_equal(atomic_load(&calls), 0);
	env->progress(env->ctx, &read);
	assert_int_equal(atomic_load(&calls), 1);
	kvf_serial_only(s, NULL);
	env->progress(env->ctx, &load);
	assert_int_equal(atomic_load(&calls), 2);
	kvf_serial_free(s);
}

static void everybody_is_told_to_stop_even_without_an_outer_env(void **state)
{
	const struct kvf_env *env;
	struct kvf_serial *s = NULL;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_serial_new(NULL, &s, &err), KVF_OK);
	env = kvf_serial_env(s);
	assert_false(env->stopped(env->ctx));
	kvf_serial_stop(s);
	assert_true(env->stopped(env->ctx));
	kvf_serial_free(s);
	kvf_serial_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_never_call_at_once),
		cmocka_unit_test(only_one_step_is_passed_on_until_all_are),
		cmocka_unit_test(everybody_is_told_to_stop_even_without_an_outer_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
