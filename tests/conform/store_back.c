/*
 * The conformance suite for stores, third part: the way back.  Abort, rollback,
 * cleanup, and what becomes of the legacy tables; on every driver.
 */
#include "../support/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define bytes(s) kvf_bytes_str(s)

/* A row of that event.  Static. */
static const struct kvf_ledger_row *event(const char *run, const char *name)
{
	static struct kvf_ledger_row row;

	row = *line(run);
	row.event = name;
	return &row;
}

static uint64_t epoch_of(struct kvf_store *s)
{
	struct kvf_control c;

	ok(kvf_store_control(s, &c, &test_err));
	return c.epoch;
}

/* Does the ledger end with this event? */
static void ledger_ends_with(struct kvf_store *s, const char *name)
{
	struct kvf_ledger_row row;
	char last[32] = "";
	int64_t after = 0;

	while (!kvf_store_ledger_next(s, after, &row, &test_err)) {
		snprintf(last, sizeof(last), "%s", row.event);
		after = row.id;
	}
	assert_string_equal(last, name);
}

static struct kvf_totals live_totals(struct kvf_store *s)
{
	struct kvf_totals t;

	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	return t;
}

static enum kvf_status roll_back(struct kvf_store *s, uint64_t epoch)
{
	struct kvf_totals t = live_totals(s);

	return kvf_store_rollback(s, epoch, &t, event("r-back", "rollback"), &test_err);
}

/* ---- abort -------------------------------------------------------------------- */

/* A run stops after `steps` steps; another handle gives it up. */
static void abort_after(struct place *p, int steps, int over_live)
{
	struct kvf_store *a = open_store(p), *b = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_entry e = entry("resources", "z", "late");
	struct kvf_chunk_info info = { .i = 9 };
	struct kvf_control c;
	struct kvf_bytes v;
	enum kvf_status st;

	if (over_live)
		ok(publish_on(b, "first", 20, "old", 7, "1", &test_err));
	acquire(a, "lost", &c);
	if (steps > 0)
		ok(kvf_store_stage(a, 0, &test_err));
	if (steps > 1)
		put_chunk(a, 0, "resources", "x/", 300, "new", &t);
	if (steps > 1)
		ok(kvf_store_flush(a, &test_err));
	if (steps > 2)
		ok(kvf_store_seal(a, test_root, &t, 1, &test_err));
	gives(kvf_store_abort(b, c.epoch - 1, event("r", "abort"), &test_err), KVF_EBUSY);
	ok(kvf_store_abort(b, c.epoch, event("r", "abort"), &test_err));
	ledger_ends_with(b, "abort");

	/* Whoever was believed dead does nothing any more. */
	kvf_totals_add(&info.totals, &e);
	if (steps > 2) {
		st = kvf_store_commit(a, 8, bytes("2"), line("lost"), &test_err);
	} else if (steps == 0) {
		st = kvf_store_stage(a, 0, &test_err);
	} else {
		st = kvf_store_put(a, &e, &test_err);
		if (!st)
			st = kvf_store_chunk(a, &info, &test_err);
		if (!st)
			st = kvf_store_flush(a, &test_err);
	}
	gives(st, KVF_EBUSY);
	kvf_store_note_failure(a, "late");
	kvf_store_close(a);
	ok(kvf_store_control(b, &c, &test_err));
	assert_int_equal(c.state, over_live ? KVF_RUN_LIVE : KVF_RUN_IDLE);
	assert_int_equal(c.stage, 0);
	assert_int_equal(c.ver, over_live ? 7 : 0);
	assert_string_equal(c.run, "");
	assert_string_equal(c.why, "");
	assert_int_equal(count_live(b, "old"), over_live ? 20 : 0);
	gives(kvf_store_get(b, bytes("meta"), bytes("schema/version"), &v, &test_err),
	      over_live ? KVF_OK : KVF_ENOTFOUND);
	/* Once is enough. */
	gives(kvf_store_abort(b, c.epoch, event("r2", "abort"), &test_err), KVF_EBUSY);
	ok(publish_on(b, "next", 20, "next", 9, "3", &test_err));
	assert_int_equal(count_live(b, "next"), 20);
	kvf_store_close(b);
}

static void a_run_is_aborted_at_any_step(void **state)
{
	int steps;

	for (steps = 0; steps < 4; steps++) {
		abort_after(*state, steps, 0);
		store_tear_down(state);
		store_set_up(state);
		abort_after(*state, steps, 1);
		store_tear_down(state);
		store_set_up(state);
	}
}

static void what_is_live_is_not_aborted(void **state)
{
	struct kvf_store *s = open_store(*state);

	gives(kvf_store_abort(s, 0, event("r", "abort"), &test_err) == KVF_OK, 0);
	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	gives(kvf_store_abort(s, epoch_of(s), event("r", "abort"), &test_err), KVF_EBUSY);
	assert_int_equal(count_live(s, "old"), 20);
	ledger_ends_with(s, "publish");
	kvf_store_close(s);
}

/* ---- rollback ------------------------------------------------------------------- */

static void a_rollback_restores_the_previous_generation(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_generation g;
	struct kvf_leftovers l;
	struct kvf_control c;
	struct kvf_bytes v;

	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	ok(publish_on(s, "second", 30, "new", 8, "2", &test_err));
	ok(kvf_store_control(s, &c, &test_err));
	ok(kvf_store_generation(s, KVF_SCAN_PREVIOUS, &g, &test_err));
	assert_string_equal(g.run, "first");
	ok(roll_back(s, c.epoch));
	ledger_ends_with(s, "rollback");
	assert_int_equal(count_live(s, "old"), 20);
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("1")), 0);
	assert_int_equal(epoch_of(s), c.epoch + 1);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_LIVE);
	assert_int_equal(c.ver, 7);
	assert_int_equal(c.active, g.gen);
	assert_int_equal(c.prev, 0);
	/* One run deep. */
	gives(roll_back(s, c.epoch), KVF_EPREFLIGHT);
	ok(kvf_store_sweep(s, &test_err));
	ok(kvf_store_leftovers(s, &l, &test_err));
	assert_int_equal(l.generations, 0);
	assert_int_equal(l.way_back, 0);
	ok(publish_on(s, "third", 10, "third", 8, "2", &test_err));
	assert_int_equal(count_live(s, "third"), 10);
	kvf_store_close(s);
}

static void a_first_upgrade_goes_back_to_nothing(void **state)
{
	struct kvf_claim *mine = claim("first");
	struct kvf_store *s = open_store(*state);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_store_facts f;
	struct kvf_control c;
	struct kvf_bytes v;

	mine->version_key.len = mine->version_started.len = 0; /* it has no record */
	ok(kvf_store_acquire(s, 0, mine, &c, &test_err));
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 20, "old", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 7, bytes("1"), line("first"), &test_err));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.prev_legacy, KVF_PREV_NOTHING);
	ok(roll_back(s, c.epoch));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_IDLE);
	assert_int_equal(c.active, 0);
	assert_int_equal(c.ver, 0);
	assert_int_equal(count_live(s, NULL), 0);
	gives(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err),
	      KVF_ENOTFOUND);
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_int_equal(f.has_table, 0);
	assert_string_equal(f.blocker, "");
	gives(roll_back(s, c.epoch), KVF_EPREFLIGHT);
	ok(kvf_store_sweep(s, &test_err));
	ok(publish_on(s, "again", 20, "again", 7, "1", &test_err));
	assert_int_equal(count_live(s, "again"), 20);
	kvf_store_close(s);
}

static void of_two_rollbacks_one_wins(void **state)
{
	struct kvf_store *a = open_store(*state), *b = open_store(*state);
	struct kvf_control c;
	uint64_t seen;

	ok(publish_on(a, "first", 20, "old", 7, "1", &test_err));
	ok(publish_on(a, "second", 30, "new", 8, "2", &test_err));
	seen = epoch_of(b);
	ok(roll_back(a, seen));
	gives(roll_back(b, seen), KVF_EBUSY);
	assert_int_equal(count_live(b, "old"), 20);
	/* Nor does a run whose plan was made before. */
	gives(kvf_store_acquire(b, seen, claim("late"), &c, &test_err), KVF_EBUSY);
	kvf_store_close(a);
	kvf_store_close(b);
}

static void nothing_is_rolled_back_that_was_not_counted(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_totals t;

	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	ok(publish_on(s, "second", 30, "new", 8, "2", &test_err));
	t = live_totals(s);
	t.m[3] ^= 1;
	gives(kvf_store_rollback(s, epoch_of(s), &t, event("r", "rollback"), &test_err),
	      KVF_EPREFLIGHT);
	assert_non_null(strstr(test_err.message, "was written"));
	assert_int_equal(count_live(s, "new"), 30);
	ledger_ends_with(s, "publish");
	kvf_store_close(s);
}

static void a_run_under_way_is_in_the_way(void **state)
{
	struct kvf_store *a = open_store(*state), *b = open_store(*state);
	struct kvf_control c;

	ok(publish_on(a, "first", 20, "old", 7, "1", &test_err));
	acquire(a, "busy", &c);
	ok(kvf_store_stage(a, 0, &test_err));
	gives(roll_back(b, c.epoch), KVF_EBUSY);
	gives(kvf_store_cleanup(b, c.epoch, event("r", "cleanup"), &test_err), KVF_EBUSY);
	gives(kvf_store_sweep(b, &test_err), KVF_EBUSY);
	gives(kvf_store_legacy(b, c.epoch, KVF_LEGACY_DROPPED, event("r", "d"), &test_err),
	      KVF_EBUSY);
	kvf_store_close(a);
	kvf_store_close(b);
}

/* ---- marks -------------------------------------------------------------------- */

static void every_committed_entry_has_a_mark(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_mark *mark = malloc(sizeof(*mark));
	struct kvf_chunk_info info = { 0 };
	struct kvf_bytes marks;
	uint8_t hash[8];
	char key[32], want[32];
	enum kvf_status st;
	unsigned n = 0;
	size_t at;

	assert_non_null(mark);
	kvf_mark_hash(bytes("old"), hash);
	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	while (!(st = kvf_store_marks(s, info.n, info.i, &info, &marks, &test_err))) {
		at = 0;
		while (!(st = kvf_marks_next(marks, &at, mark, &test_err))) {
			assert_memory_equal(mark->hash, hash, 8);
			assert_int_equal(mark->part_len, strlen("resources"));
			assert_memory_equal(mark->part, "resources", mark->part_len);
			snprintf(want, sizeof(want), "%c/%06u", info.i ? 'b' : 'a', n % 10);
			snprintf(key, sizeof(key), "%.*s", (int)mark->key_len, mark->key);
			assert_string_equal(key, want);
			n++;
		}
		gives(st, KVF_EOF);
		info.i++;
	}
	gives(st, KVF_EOF);
	assert_int_equal(n, 20);
	free(mark);
	kvf_store_close(s);
}

static void damaged_marks_are_an_error(void **state)
{
	static const uint8_t bad[][12] = {
		{ 0x02, 0x01, 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0 }, /* shares what is not there */
		{ 0x00, 0x7f, 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0 }, /* longer than there is */
		{ 0x00, 0x04, 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0 }, /* half a hash */
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};
	struct kvf_mark *mark = malloc(sizeof(*mark));
	size_t i, at;

	(void)state;
	assert_non_null(mark);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = 0;
		gives(kvf_marks_next((struct kvf_bytes){ bad[i], sizeof(bad[i]) }, &at, mark,
				     &test_err),
		      KVF_ETARGET);
	}
	free(mark);
}

/* ---- cleanup ------------------------------------------------------------------- */

static void a_cleanup_leaves_what_is_live(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_chunk_info info;
	struct kvf_leftovers l;
	struct kvf_bytes marks;
	struct kvf_control c;

	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	ok(publish_on(s, "second", 30, "new", 8, "2", &test_err));
	ok(kvf_store_leftovers(s, &l, &test_err));
	assert_int_equal(l.generations, 1);
	assert_int_equal(l.entries, 21); /* and the version record */
	assert_true(l.bytes > 0 && l.marks > 0);
	assert_int_equal(l.way_back, 1);
	ok(kvf_store_cleanup(s, epoch_of(s), event("r", "cleanup"), &test_err));
	ledger_ends_with(s, "cleanup");
	ok(kvf_store_leftovers(s, &l, &test_err));
	assert_int_equal(l.generations + l.entries + l.bytes + l.marks, 0);
	assert_int_equal(l.way_back, 0);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_LIVE);
	assert_int_equal(c.ver, 8);
	assert_int_equal(count_live(s, "new"), 30);
	gives(kvf_store_scan(s, KVF_SCAN_PREVIOUS, NULL, &(struct kvf_cursor *){ NULL },
			     &test_err),
	      KVF_ENOTFOUND);
	gives(roll_back(s, c.epoch), KVF_EPREFLIGHT);
	/* The progress rows stay, without their marks. */
	ok(kvf_store_marks(s, 0, 0, &info, &marks, &test_err));
	assert_int_equal(info.totals.entries, 15);
	assert_int_equal(marks.len, 0);
	kvf_store_close(s);
}

/* ---- the legacy tables ------------------------------------------------------------ */

static void what_becomes_of_the_legacy_tables_is_kept(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_control c;
	uint64_t epoch;

	ok(publish_on(s, "first", 20, "old", 7, "1", &test_err));
	epoch = epoch_of(s);
	ok(kvf_store_legacy(s, epoch, KVF_LEGACY_DROPPING, event("r", "drop-legacy"),
			    &test_err));
	gives(kvf_store_legacy(s, epoch, KVF_LEGACY_DROPPED, event("r", "drop-legacy"),
			       &test_err),
	      KVF_EBUSY);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.legacy, KVF_LEGACY_DROPPING);
	assert_int_equal(c.state, KVF_RUN_LIVE);
	gives(roll_back(s, c.epoch), KVF_EPREFLIGHT);
	ok(kvf_store_legacy(s, c.epoch, KVF_LEGACY_DROPPED, event("r2", "drop-legacy"),
			    &test_err));
	ok(publish_on(s, "second", 30, "new", 8, "2", &test_err));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.legacy, KVF_LEGACY_DROPPED);
	/* A generation is a way back all the same. */
	ok(roll_back(s, c.epoch));
	assert_int_equal(count_live(s, "old"), 20);
	kvf_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_run_is_aborted_at_any_step),
		STORE_TEST(what_is_live_is_not_aborted),
		STORE_TEST(a_rollback_restores_the_previous_generation),
		STORE_TEST(a_first_upgrade_goes_back_to_nothing),
		STORE_TEST(of_two_rollbacks_one_wins),
		STORE_TEST(nothing_is_rolled_back_that_was_not_counted),
		STORE_TEST(a_run_under_way_is_in_the_way),
		STORE_TEST(every_committed_entry_has_a_mark),
		STORE_TEST(damaged_marks_are_an_error),
		STORE_TEST(a_cleanup_leaves_what_is_live),
		STORE_TEST(what_becomes_of_the_legacy_tables_is_kept),
	};

	return run_on_every_store(tests, sizeof(tests) / sizeof(tests[0]));
}
