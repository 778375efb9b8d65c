/*
 * The live table before anything is live: on every store, the application's own version
 * record says from the acquire on that the migration is not done (defect 22 of lakeFS's
 * own tool: a server that is started too early takes an empty store for a new one).
 */
#include "../support/stores.h"

#include <string.h>

static struct kvf_bytes bytes(const char *s)
{
	return kvf_bytes_str(s);
}

/* What the record says; "" = there is none. */
static const char *record(struct kvf_store *s)
{
	static char text[64];
	struct kvf_bytes v = { NULL, 0 };
	enum kvf_status st =
		kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err);

	if (st != KVF_ENOTFOUND)
		ok(st);
	assert_true(v.len < sizeof(text));
	if (v.len)
		memcpy(text, v.ptr, v.len);
	text[v.len] = '\0';
	return text;
}

static void stage(struct kvf_store *s, unsigned n, const char *value, struct kvf_totals *t)
{
	memset(t, 0, sizeof(*t));
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", n, value, t);
	ok(kvf_store_flush(s, &test_err));
}

static void roll_back(struct kvf_store *s)
{
	struct kvf_ledger_row row = *line("back");
	struct kvf_totals t;
	struct kvf_control c;

	row.event = "rollback";
	ok(kvf_store_control(s, &c, &test_err));
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	ok(kvf_store_rollback(s, c.epoch, &t, &row, &test_err));
}

static enum kvf_status give_up(struct kvf_store *s)
{
	struct kvf_ledger_row row = *line("given up");
	struct kvf_control c;

	row.event = "abort";
	ok(kvf_store_control(s, &c, &test_err));
	return kvf_store_abort(s, c.epoch, &row, &test_err);
}

static void from_the_acquire_on_the_record_says_that_it_is_not_done(void **state)
{
	struct kvf_store *s = open_store(*state), *other = open_store(*state);
	struct kvf_store_facts f;
	struct kvf_totals t;
	struct kvf_control c;

	acquire(s, "one", &c);
	assert_int_equal(c.early, KVF_EARLY_TABLE);
	assert_string_equal(record(other), "0");
	/* It is no entry, and nothing is live. */
	assert_int_equal(count_live(other, NULL), 0);
	ok(kvf_store_totals(other, KVF_SCAN_LIVE, &t, &test_err));
	assert_int_equal(t.entries, 0);
	ok(kvf_store_inspect(other, &f, &test_err));
	assert_int_equal(f.has_table, 1);
	assert_int_equal(f.entries, 0);
	assert_string_equal(f.intruder, "");
	stage(s, 10, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	assert_string_equal(record(other), "0");
	ok(kvf_store_commit(s, 7, bytes("1"), line("one"), &test_err));
	assert_string_equal(record(other), "1");
	ok(kvf_store_gc(s, &test_err));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.early, KVF_EARLY_NONE);
	assert_int_equal(c.prev, 0);
	assert_int_equal(c.prev_legacy, KVF_PREV_NOTHING);
	assert_int_equal(count_live(other, "v"), 10);
	kvf_store_close(other);
	kvf_store_close(s);
}

static void the_next_run_keeps_it(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_claim *mine;
	struct kvf_control c, next;
	struct kvf_totals t;

	acquire(s, "dies", &c);
	stage(s, 10, "v", &t);
	kvf_store_close(s);
	s = open_store(*state);
	mine = claim("goes on");
	mine->active = c.active;
	mine->resume = 1;
	ok(kvf_store_acquire(s, c.epoch, mine, &next, &test_err));
	assert_int_equal(next.stage, c.stage);
	assert_int_equal(next.active, c.active);
	assert_int_equal(next.early, KVF_EARLY_TABLE);
	assert_string_equal(record(s), "0");
	acquire(s, "starts over", &next);
	assert_int_equal(next.active, c.active);
	assert_string_equal(record(s), "0");
	stage(s, 10, "w", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 7, bytes("1"), line("starts over"), &test_err));
	assert_string_equal(record(s), "1");
	kvf_store_close(s);
}

static void another_value_takes_its_place(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_claim *mine;
	struct kvf_control c;

	acquire(s, "one", &c);
	mine = claim("two");
	mine->active = c.active;
	mine->version_started = bytes("migrating");
	ok(kvf_store_acquire(s, c.epoch, mine, &c, &test_err));
	assert_string_equal(record(s), "migrating");
	assert_int_equal(count_live(s, NULL), 0);
	/* An application without a value has nothing to say, and no table either. */
	mine = claim("three");
	mine->active = c.active;
	mine->version_started.len = 0;
	ok(kvf_store_acquire(s, c.epoch, mine, &c, &test_err));
	assert_int_equal(c.early, KVF_EARLY_NONE);
	assert_int_equal(c.active, 0);
	assert_string_equal(record(s), "");
	acquire(s, "four", &c);
	assert_string_equal(record(s), "0");
	kvf_store_close(s);
}

static void an_abort_takes_it_away(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_store_facts f;
	struct kvf_totals t;
	struct kvf_control c;

	acquire(s, "one", &c);
	stage(s, 10, "v", &t);
	ok(give_up(s));
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_IDLE);
	assert_int_equal(c.early, KVF_EARLY_NONE);
	assert_int_equal(c.active, 0);
	assert_string_equal(record(s), "");
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_int_equal(f.has_table, 0);
	gives(give_up(s), KVF_EBUSY);
	ok(publish_on(s, "two", 20, "v", 7, "1", &test_err));
	assert_string_equal(record(s), "1");
	kvf_store_close(s);
}

/* Servers that know the new place only must not find an empty store there. */
static void a_rollback_to_the_legacy_tables_leaves_it(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_leftovers l;
	struct kvf_control c;

	ok(publish_on(s, "one", 20, "v", 7, "1", &test_err));
	roll_back(s);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_IDLE);
	assert_int_equal(c.ver, 0);
	assert_int_equal(c.early, KVF_EARLY_TABLE);
	assert_string_equal(record(s), "0");
	assert_int_equal(count_live(s, NULL), 0);
	ok(kvf_store_sweep(s, &test_err));
	ok(kvf_store_leftovers(s, &l, &test_err));
	assert_int_equal(l.generations, 0);
	assert_string_equal(record(s), "0");
	/* The next migration goes over it, an abort takes it away. */
	ok(publish_on(s, "two", 10, "w", 7, "1", &test_err));
	assert_string_equal(record(s), "1");
	assert_int_equal(count_live(s, "w"), 10);
	roll_back(s);
	assert_string_equal(record(s), "0");
	ok(give_up(s));
	assert_string_equal(record(s), "");
	kvf_store_close(s);
}

static void what_is_live_keeps_its_record_until_the_commit(void **state)
{
	struct kvf_store *s = open_store(*state), *other = open_store(*state);
	struct kvf_control c;
	struct kvf_totals t;

	ok(publish_on(s, "one", 20, "old", 7, "1", &test_err));
	acquire(s, "two", &c);
	assert_int_equal(c.early, KVF_EARLY_NONE);
	stage(s, 10, "new", &t);
	assert_string_equal(record(other), "1");
	assert_int_equal(count_live(other, "old"), 20);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 8, bytes("2"), line("two"), &test_err));
	assert_string_equal(record(other), "2");
	roll_back(s);
	assert_string_equal(record(other), "1");
	assert_int_equal(count_live(other, "old"), 20);
	kvf_store_close(other);
	kvf_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(from_the_acquire_on_the_record_says_that_it_is_not_done),
		STORE_TEST(the_next_run_keeps_it),
		STORE_TEST(another_value_takes_its_place),
		STORE_TEST(an_abort_takes_it_away),
		STORE_TEST(a_rollback_to_the_legacy_tables_leaves_it),
		STORE_TEST(what_is_live_keeps_its_record_until_the_commit),
	};

	return run_on_every_store(tests, sizeof(tests) / sizeof(tests[0]));
}
