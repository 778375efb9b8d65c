/*
 * The conformance suite for stores, second part: one run at a time, steps in
 * their order, and a stop after any of them.
 */
#include "../support/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define bytes(s) kvf_bytes_str(s)

static uint64_t live(struct place *p, const char *value)
{
	struct kvf_store *s = open_store(p);
	uint64_t n = count_live(s, value);

	kvf_store_close(s);
	return n;
}

/* ---- one run at a time ------------------------------------------------------------ */

static void of_two_that_saw_the_same_epoch_one_wins(void **state)
{
	struct place *p = *state;
	struct kvf_store *a = open_store(p), *b = open_store(p);
	struct kvf_claim *again;
	struct kvf_control c;

	ok(kvf_store_acquire(a, 0, claim("first"), &c, &test_err));
	gives(kvf_store_acquire(b, 0, claim("second"), &c, &test_err), KVF_EBUSY);
	assert_non_null(strstr(test_err.message, "run first"));
	assert_non_null(strstr(test_err.message, "host.example"));
	assert_non_null(strstr(test_err.message, "4711"));
	assert_non_null(strstr(test_err.message, "2023-11-14T22:13:20Z"));
	ok(kvf_store_control(b, &c, &test_err));
	assert_string_equal(c.run, "first");
	acquire(b, "second", &c);
	again = claim("third");
	again->active = c.active;
	gives(kvf_store_acquire(a, c.epoch - 1, again, &c, &test_err), KVF_EBUSY);
	kvf_store_close(a);
	kvf_store_close(b);
}

/* A commit does not move the epoch, but what a plan saw is no longer so. */
static void a_plan_made_before_a_commit_is_refused(void **state)
{
	struct place *p = *state;
	struct kvf_store *a = open_store(p), *b = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c, seen;

	acquire(a, "slow", &c);
	ok(kvf_store_stage(a, 0, &test_err));
	put_chunk(a, 0, "resources", "x/", 10, "slow", &t);
	ok(kvf_store_seal(a, test_root, &t, 1, &test_err));
	ok(kvf_store_control(b, &seen, &test_err)); /* nothing is live: load */
	ok(kvf_store_commit(a, 7, bytes("1"), line("slow"), &test_err));
	assert_int_equal(seen.epoch, c.epoch);
	gives(kvf_store_acquire(b, seen.epoch, claim("hasty"), &c, &test_err), KVF_EBUSY);
	ok(kvf_store_control(b, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_LIVE);
	acquire(b, "second look", &c);
	kvf_store_close(a);
	kvf_store_close(b);
	assert_int_equal(live(p, "slow"), 10);
}

/* Let `steps` steps of a run be done, then another run takes the store. */
static void supersede_after(struct place *p, int steps)
{
	struct kvf_store *a = open_store(p), *b = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_chunk_info info;
	struct kvf_entry e = entry("resources", "z/late", "late");
	struct kvf_control c;
	enum kvf_status st = KVF_OK;

	acquire(a, "old", &c);
	if (steps > 0)
		ok(kvf_store_stage(a, 0, &test_err));
	if (steps > 1) {
		put_chunk(a, 0, "resources", "x/", 300, "old", &t);
		ok(kvf_store_flush(a, &test_err));
	}
	if (steps > 2)
		ok(kvf_store_seal(a, test_root, &t, 1, &test_err));
	ok(publish_on(b, "new", 20, "new", 8, "2", &test_err));
	memset(&info, 0, sizeof(info));
	info.i = 9;
	if (steps == 0) {
		st = kvf_store_stage(a, 0, &test_err);
	} else if (steps < 3) {
		st = kvf_store_put(a, &e, &test_err);
		kvf_totals_add(&info.totals, &e);
		if (!st)
			st = kvf_store_chunk(a, &info, &test_err);
		if (!st)
			st = kvf_store_flush(a, &test_err);
	} else {
		st = kvf_store_commit(a, 9, bytes("9"), line("old"), &test_err);
	}
	assert_int_equal(st, KVF_EBUSY);
	assert_non_null(strstr(test_err.message, "superseded"));
	/* It stays so, and the text with it. */
	gives(kvf_store_put(a, &e, &test_err), KVF_EBUSY);
	kvf_store_note_failure(a, "late");
	kvf_store_close(a);
	ok(kvf_store_control(b, &c, &test_err));
	assert_string_equal(c.why, "");
	assert_int_equal(c.ver, 8);
	assert_int_equal(count_live(b, "new"), 20);
	kvf_store_close(b);
}

static void a_superseded_run_changes_nothing(void **state)
{
	int steps;

	for (steps = 0; steps < 4; steps++)
		supersede_after(*state, steps);
}

static void steps_out_of_order_are_refused(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_entry e = entry("p", "k", "v");
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_chunk_info info;
	struct kvf_control c;

	gives(kvf_store_stage(s, 0, &test_err), KVF_EUSAGE);
	gives(kvf_store_put(s, &e, &test_err), KVF_EUSAGE);
	gives(kvf_store_commit(s, 1, bytes("1"), line("r"), &test_err), KVF_EUSAGE);
	gives(kvf_store_gc(s, &test_err), KVF_EUSAGE);
	acquire(s, "r", &c);
	gives(kvf_store_put(s, &e, &test_err), KVF_EUSAGE);
	ok(kvf_store_stage(s, 0, &test_err));
	gives(kvf_store_stage(s, 0, &test_err), KVF_EUSAGE);
	gives(kvf_store_commit(s, 1, bytes("1"), line("r"), &test_err), KVF_EUSAGE);
	ok(kvf_store_put(s, &e, &test_err));
	gives(kvf_store_seal(s, test_root, &t, 1, &test_err), KVF_EUSAGE);
	memset(&info, 0, sizeof(info));
	info.totals.entries = 2; /* one was put */
	gives(kvf_store_chunk(s, &info, &test_err), KVF_EINTERNAL);
	gives(kvf_store_flush(s, &test_err), KVF_EINTERNAL);
	kvf_store_close(s);
	assert_int_equal(live(p, NULL), 0);
}

/* ---- stopping anywhere --------------------------------------------------------------- */

static void a_run_may_stop_after_any_step(void **state)
{
	struct place *p = *state;
	int step;

	publish(p, "base", 100, "base");
	for (step = 0; step < 7; step++) {
		struct kvf_store *s = open_store(p);
		struct kvf_totals t = { 0, 0, { 0 } }, staged;
		struct kvf_entry e = entry("resources", "c", "half");
		struct kvf_control c;

		acquire(s, "stops", &c);
		if (step > 0)
			ok(kvf_store_stage(s, step == 6, &test_err));
		if (step > 1)
			put_chunk(s, 0, "other", "x/", 400, "half", &t);
		if (step > 2)
			ok(kvf_store_flush(s, &test_err));
		if (step == 3) /* of a chunk that never ends */
			ok(kvf_store_put(s, &e, &test_err));
		if (step > 3)
			put_chunk(s, 1, "other", "y/", 400, "half", &t);
		if (step > 4 && step < 6)
			ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
		kvf_store_close(s);

		s = open_store(p);
		ok(kvf_store_control(s, &c, &test_err));
		assert_int_equal(c.state, step == 5 ? KVF_RUN_SEALED : KVF_RUN_STAGING);
		assert_string_equal(c.run, "stops");
		assert_int_equal(c.ver, 7);
		assert_int_equal(count_live(s, "base"), 100);
		/* The next run begins with an empty stage of its own. */
		acquire(s, "again", &c);
		ok(kvf_store_stage(s, 0, &test_err));
		ok(kvf_store_totals(s, KVF_SCAN_STAGE, &staged, &test_err));
		assert_int_equal(staged.entries, 0);
		kvf_store_close(s);
	}
	publish(p, "after", 50, "after");
	assert_int_equal(live(p, "after"), 50);
}

static void progress_rows_are_there_with_their_chunks(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_chunk_info info;
	struct kvf_control c;
	uint64_t i;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	gives(kvf_store_progress(s, 0, 0, &info, &test_err), KVF_EOF);
	for (i = 0; i < 3; i++)
		put_chunk(s, i, "p", i == 0 ? "a" : i == 1 ? "b" : "c", 10, "v", &t);
	ok(kvf_store_flush(s, &test_err));
	kvf_store_close(s);
	s = open_store(p); /* also after a stop */
	for (i = 0; i < 3; i++) {
		ok(kvf_store_progress(s, 0, i, &info, &test_err));
		assert_int_equal(info.n, 0);
		assert_int_equal(info.i, i);
		assert_int_equal(info.d[31], i + 1);
		assert_int_equal(info.totals.entries, 10);
		assert_int_equal(info.totals.bytes, 10 * 9);
	}
	gives(kvf_store_progress(s, 0, 3, &info, &test_err), KVF_EOF);
	gives(kvf_store_progress(s, 1, 0, &info, &test_err), KVF_EOF);
	kvf_store_close(s);
}

static void why_a_run_failed_is_remembered_until_the_next(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_entry e = entry("p", "k", "v");
	struct kvf_control c;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	ok(kvf_store_put(s, &e, &test_err));
	kvf_store_note_failure(s, "the disk is on fire");
	assert_int_not_equal(kvf_store_put(s, &e, &test_err), KVF_OK);
	ok(kvf_store_ledger_append(s, line("r"), &test_err));
	kvf_store_close(s);
	s = open_store(p);
	ok(kvf_store_control(s, &c, &test_err));
	assert_string_equal(c.why, "the disk is on fire");
	acquire(s, "next", &c);
	assert_string_equal(c.why, "");
	kvf_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(of_two_that_saw_the_same_epoch_one_wins),
		STORE_TEST(a_plan_made_before_a_commit_is_refused),
		STORE_TEST(a_superseded_run_changes_nothing),
		STORE_TEST(steps_out_of_order_are_refused),
		STORE_TEST(a_run_may_stop_after_any_step),
		STORE_TEST(progress_rows_are_there_with_their_chunks),
		STORE_TEST(why_a_run_failed_is_remembered_until_the_next),
	};

	return run_on_every_store(tests, sizeof(tests) / sizeof(tests[0]));
}
