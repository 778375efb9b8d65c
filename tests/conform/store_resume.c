/*
 * The conformance suite for stores: a stage that a later run goes on with, the
 * owner's signs of life, and what a run that was overtaken can still do: nothing.
 */
#include "../support/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define bytes(s) kvf_bytes_str(s)

static const struct kvf_totals nothing;

/* Acquire as the stream of `claim` says, going on with what is there. */
static void resume(struct kvf_store *s, struct kvf_claim *mine, struct kvf_control *c)
{
	struct kvf_control seen;

	ok(kvf_store_control(s, &seen, &test_err));
	mine->active = seen.active;
	mine->resume = 1;
	ok(kvf_store_acquire(s, seen.epoch, mine, c, &test_err));
}

/* A run that brings the first two chunks of three, and is heard of no more. */
static struct kvf_control begin_and_vanish(struct place *p, struct kvf_claim *mine,
					   struct kvf_totals *t)
{
	struct kvf_store *s = open_store(p);
	struct kvf_control c, seen;
	enum kvf_status st = kvf_store_control(s, &seen, &test_err);

	assert_true(st == KVF_OK || st == KVF_ENOTFOUND);
	mine->active = seen.active;
	ok(kvf_store_acquire(s, seen.epoch, mine, &c, &test_err));
	assert_int_equal(c.stage, c.epoch);
	ok(kvf_store_stage(s, 0, &test_err));
	ok(kvf_store_keep_unit(s, "head", 0, bytes("first head"), &test_err));
	put_chunk(s, 0, "resources", "a/", 100, "v", t);
	put_chunk(s, 2, "resources", "c/", 100, "v", t); /* they come in any order */
	ok(kvf_store_flush(s, &test_err));
	kvf_store_close(s);
	return c;
}

/* ---- going on ------------------------------------------------------------------------- */

static void a_stage_of_the_same_stream_stays_with_its_chunks(void **state)
{
	struct place *p = *state;
	struct kvf_totals t = nothing, have, staged;
	struct kvf_control first = begin_and_vanish(p, claim("first"), &t), c;
	struct kvf_store *s = open_store(p);
	struct kvf_chunk_info info;
	struct kvf_bytes unit;
	uint64_t chunks;

	resume(s, claim("second"), &c);
	assert_int_equal(c.epoch, first.epoch + 1);
	assert_int_equal(c.stage, first.stage);
	assert_string_equal(c.run, "second");
	ok(kvf_store_stage(s, 0, &test_err));
	ok(kvf_store_applied(s, &chunks, &have, &test_err));
	assert_int_equal(chunks, 2);
	assert_int_equal(have.entries, t.entries);
	assert_int_equal(have.bytes, t.bytes);
	ok(kvf_store_progress(s, 0, 1, &info, &test_err));
	assert_int_equal(info.i, 2);
	assert_int_equal(info.d[0], 3);
	/* A unit that comes once more takes the place of the first. */
	ok(kvf_store_keep_unit(s, "head", 0, bytes("second head"), &test_err));
	put_chunk(s, 1, "resources", "b/", 100, "v", &t);
	ok(kvf_store_totals(s, KVF_SCAN_STAGE, &staged, &test_err));
	assert_true(kvf_totals_equal(&staged, &t));
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 7, bytes("1"), line("second"), &test_err));
	ok(kvf_store_gc(s, &test_err));
	assert_int_equal(count_live(s, "v"), 300);
	ok(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 0, &unit, &test_err));
	assert_int_equal(kvf_bytes_cmp(unit, bytes("second head")), 0);
	kvf_store_close(s);
}

static void a_chunk_that_is_there_cannot_be_put_twice(void **state)
{
	struct place *p = *state;
	struct kvf_totals t = nothing;
	struct kvf_control c;
	struct kvf_store *s;
	struct kvf_entry e = entry("resources", "a/000001", "v");
	struct kvf_chunk_info info;
	enum kvf_status st;

	begin_and_vanish(p, claim("first"), &t);
	s = open_store(p);
	resume(s, claim("second"), &c);
	ok(kvf_store_stage(s, 0, &test_err));
	memset(&info, 0, sizeof(info));
	info.i = 9;
	kvf_totals_add(&info.totals, &e);
	st = kvf_store_put(s, &e, &test_err);
	if (!st)
		st = kvf_store_chunk(s, &info, &test_err);
	if (!st)
		st = kvf_store_flush(s, &test_err);
	assert_int_equal(st, KVF_ESTREAM);
	kvf_store_close(s);
}

static void what_was_sealed_is_opened_again(void **state)
{
	struct place *p = *state;
	struct kvf_totals t = nothing;
	struct kvf_store *a = open_store(p), *b = open_store(p);
	struct kvf_control c;
	struct kvf_generation g;

	acquire(a, "first", &c);
	ok(kvf_store_stage(a, 0, &test_err));
	put_chunk(a, 0, "resources", "a/", 10, "v", &t);
	ok(kvf_store_seal(a, test_root, &t, 1, &test_err));
	resume(b, claim("second"), &c);
	assert_int_equal(c.state, KVF_RUN_STAGING);
	ok(kvf_store_generation(b, KVF_SCAN_STAGE, &g, &test_err));
	assert_false(g.has_root);
	gives(kvf_store_commit(a, 7, bytes("1"), line("first"), &test_err), KVF_EBUSY);
	ok(kvf_store_stage(b, 0, &test_err));
	ok(kvf_store_seal(b, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(b, 7, bytes("1"), line("second"), &test_err));
	assert_int_equal(count_live(b, "v"), 10);
	kvf_store_close(a);
	kvf_store_close(b);
}

/* ---- not going on ----------------------------------------------------------------------- */

/* A claim that differs from the first in one thing. */
static struct kvf_claim *other_claim(int what)
{
	struct kvf_claim *mine = claim("second");

	switch (what) {
	case 0: mine->stream[31] ^= 1; break;
	case 1: mine->app = "shop2"; break;
	case 2: mine->mode = "partitions=9"; break;
	case 3: mine->version_key = bytes("schema/other"); break;
	case 4: mine->version_part = bytes("metb"); break;
	case 5:
		mine->has_root = 1;
		memset(mine->root, 0x22, sizeof(mine->root));
		break;
	default: return NULL;
	}
	return mine;
}

static void a_stage_of_anything_else_is_left_behind(void **state)
{
	struct place *p = *state;
	struct kvf_control c;
	int what;

	for (what = 0; other_claim(what); what++) {
		struct kvf_totals t = nothing, have;
		struct kvf_claim first = *claim("first"), second = *other_claim(what);
		struct kvf_store *s;
		uint64_t chunks;

		first.has_root = 1;
		memset(first.root, 0x11, sizeof(first.root));
		begin_and_vanish(p, &first, &t);
		s = open_store(p);
		resume(s, &second, &c);
		assert_int_equal(c.stage, c.epoch);
		ok(kvf_store_stage(s, 0, &test_err));
		ok(kvf_store_applied(s, &chunks, &have, &test_err));
		assert_int_equal(chunks, 0);
		kvf_store_close(s);
	}
	assert_int_equal(what, 6);
}

static void a_root_that_is_not_known_yet_keeps_nobody_away(void **state)
{
	struct place *p = *state;
	struct kvf_totals t = nothing;
	struct kvf_claim second = *claim("second");
	struct kvf_control first = begin_and_vanish(p, claim("first"), &t), c;
	struct kvf_store *s = open_store(p);
	struct kvf_generation g;

	second.has_root = 1;
	memset(second.root, 0x22, sizeof(second.root));
	resume(s, &second, &c);
	assert_int_equal(c.stage, first.stage);
	ok(kvf_store_generation(s, KVF_SCAN_STAGE, &g, &test_err));
	assert_true(g.has_promised); /* from now on it is */
	assert_memory_equal(g.promised, second.root, 32);
	second.root[0]++;
	resume(s, &second, &c);
	assert_int_equal(c.stage, c.epoch);
	kvf_store_close(s);
}

static void nobody_goes_on_who_does_not_ask_to(void **state)
{
	struct place *p = *state;
	struct kvf_totals t = nothing;
	struct kvf_store *s;
	struct kvf_control c;

	begin_and_vanish(p, claim("first"), &t);
	s = open_store(p);
	acquire(s, "second", &c);
	assert_int_equal(c.stage, c.epoch);
	kvf_store_close(s);
}

static void live_data_are_nobodys_stage(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_control c;

	publish(p, "first", 10, "v");
	s = open_store(p);
	resume(s, claim("second"), &c);
	assert_int_equal(c.stage, c.epoch);
	assert_int_equal(count_live(s, "v"), 10);
	kvf_store_close(s);
}

/* ---- signs of life ------------------------------------------------------------------------ */

static void the_owner_says_what_it_does_and_for_how_long_it_may_be_silent(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p), *other = open_store(p);
	struct kvf_claim *mine = claim("r");
	struct kvf_totals t = nothing;
	struct kvf_control c;
	int64_t beat;

	mine->lease = 4000;
	ok(kvf_store_acquire(s, 0, mine, &c, &test_err));
	assert_int_equal(c.lease, 4000);
	assert_string_equal(c.step, "load");
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 10, "v", &t);
	ok(kvf_store_flush(s, &test_err));
	ok(kvf_store_control(other, &c, &test_err));
	beat = c.beat;
	ok(kvf_store_beat(s, "load", &test_err)); /* a quarter of the lease is not over */
	ok(kvf_store_control(other, &c, &test_err));
	assert_int_equal(c.beat, beat);
	ok(kvf_store_beat(s, "verify", &test_err));
	ok(kvf_store_control(other, &c, &test_err));
	assert_true(c.beat > beat);
	assert_string_equal(c.step, "verify");
	assert_true(c.lease >= 4000);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_beat(s, "publish", &test_err));
	ok(kvf_store_commit(s, 7, bytes("1"), line("r"), &test_err));
	ok(kvf_store_control(other, &c, &test_err));
	assert_int_equal(c.lease, 0);
	assert_string_equal(c.step, "");
	gives(kvf_store_beat(s, "more", &test_err), KVF_EUSAGE);
	kvf_store_close(s);
	kvf_store_close(other);
}

static void a_failure_lets_go_of_the_store_and_keeps_the_chunks(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = nothing, have;
	struct kvf_control c;
	uint64_t chunks;

	acquire(s, "first", &c);
	assert_int_equal(c.lease, KVF_LEASE_DEFAULT);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 10, "v", &t);
	kvf_store_note_failure(s, "the link was cut");
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.lease, 0);
	assert_string_equal(c.why, "the link was cut");
	resume(s, claim("second"), &c);
	assert_int_equal(c.lease, KVF_LEASE_DEFAULT);
	assert_string_equal(c.why, "");
	ok(kvf_store_applied(s, &chunks, &have, &test_err));
	assert_int_equal(chunks, 1);
	kvf_store_close(s);
}

/* ---- whoever was overtaken changes nothing --------------------------------------------------- */

enum late {
	LATE_FLUSH,
	LATE_BEAT,
	LATE_UNIT,
	LATE_STAGE,
	LATE_SEAL,
	LATE_COMMIT,
	LATE_GC,
	LATE_LEDGER,
	LATE_NOTE,
	LATE_COUNT
};

/* Bring a run to the point where `what` is its next step. */
static void go_as_far_as(struct kvf_store *s, enum late what, struct kvf_totals *t)
{
	struct kvf_control c;

	acquire(s, "late", &c);
	if (what == LATE_STAGE)
		return;
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "late/", 10, "late", t);
	if (what != LATE_FLUSH)
		ok(kvf_store_flush(s, &test_err));
	if (what == LATE_COMMIT || what == LATE_GC)
		ok(kvf_store_seal(s, test_root, t, 1, &test_err));
	if (what == LATE_GC)
		ok(kvf_store_commit(s, 7, bytes("1"), line("late"), &test_err));
}

static void step_late(struct kvf_store *s, enum late what, const struct kvf_totals *t)
{
	switch (what) {
	case LATE_FLUSH: gives(kvf_store_flush(s, &test_err), KVF_EBUSY); break;
	case LATE_BEAT: gives(kvf_store_beat(s, "verify", &test_err), KVF_EBUSY); break;
	case LATE_UNIT:
		gives(kvf_store_keep_unit(s, "head", 0, bytes("late"), &test_err), KVF_EBUSY);
		break;
	case LATE_STAGE: gives(kvf_store_stage(s, 0, &test_err), KVF_EBUSY); break;
	case LATE_SEAL: gives(kvf_store_seal(s, test_root, t, 1, &test_err), KVF_EBUSY); break;
	case LATE_COMMIT:
		gives(kvf_store_commit(s, 9, bytes("9"), line("late"), &test_err), KVF_EBUSY);
		break;
	case LATE_GC: gives(kvf_store_gc(s, &test_err), KVF_EBUSY); break;
	case LATE_LEDGER:
		gives(kvf_store_ledger_append(s, line("late"), &test_err), KVF_EBUSY);
		break;
	case LATE_NOTE: kvf_store_note_failure(s, "late"); return;
	case LATE_COUNT: return;
	}
	assert_non_null(strstr(test_err.message, "superseded"));
}

static unsigned count_ledger(struct kvf_store *s)
{
	struct kvf_ledger_row row;
	int64_t after = 0;
	unsigned n = 0;

	while (!kvf_store_ledger_next(s, after, &row, &test_err)) {
		after = row.id;
		n++;
	}
	return n;
}

/*
 * At each step another run acquires, goes on with the stage where it may, and
 * completes or is still at work; then the late step comes.
 */
static void late_step(struct place *p, enum late what, int completes)
{
	struct kvf_store *late = open_store(p), *s = open_store(p);
	struct kvf_totals t = nothing, mine = nothing;
	struct kvf_control c, after;
	unsigned lines;

	go_as_far_as(late, what, &t);
	if (what == LATE_FLUSH && strcmp(p->driver->name, "memory") != 0) {
		/* What it has open may hold the file: SQLite's lock is its own fence. */
		kvf_store_close(late);
		kvf_store_close(s);
		return;
	}
	acquire(s, "quick", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "quick/", 10, "quick", &mine);
	ok(kvf_store_flush(s, &test_err));
	if (completes) {
		ok(kvf_store_seal(s, test_root, &mine, 1, &test_err));
		ok(kvf_store_commit(s, 8, bytes("1"), line("quick"), &test_err));
	}
	ok(kvf_store_control(s, &c, &test_err));
	lines = count_ledger(s);
	step_late(late, what, &t);
	kvf_store_note_failure(late, "late");
	ok(kvf_store_control(s, &after, &test_err));
	assert_memory_equal(&after, &c, sizeof(c));
	assert_int_equal(count_ledger(s), lines);
	if (!completes) {
		ok(kvf_store_seal(s, test_root, &mine, 1, &test_err));
		ok(kvf_store_commit(s, 8, bytes("1"), line("quick"), &test_err));
	}
	assert_int_equal(count_live(s, "quick"), 10);
	kvf_store_close(late);
	kvf_store_close(s);
}

static void no_step_of_an_overtaken_run_changes_anything(void **state)
{
	enum late what;

	for (what = LATE_FLUSH; what < LATE_COUNT; what++) {
		late_step(*state, what, 0);
		late_step(*state, what, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_stage_of_the_same_stream_stays_with_its_chunks),
		STORE_TEST(a_chunk_that_is_there_cannot_be_put_twice),
		STORE_TEST(what_was_sealed_is_opened_again),
		STORE_TEST(a_stage_of_anything_else_is_left_behind),
		STORE_TEST(a_root_that_is_not_known_yet_keeps_nobody_away),
		STORE_TEST(nobody_goes_on_who_does_not_ask_to),
		STORE_TEST(live_data_are_nobodys_stage),
		STORE_TEST(the_owner_says_what_it_does_and_for_how_long_it_may_be_silent),
		STORE_TEST(a_failure_lets_go_of_the_store_and_keeps_the_chunks),
		STORE_TEST(no_step_of_an_overtaken_run_changes_anything),
	};

	return run_on_every_store(tests, sizeof(tests) / sizeof(tests[0]));
}
