/*
 * The conformance suite for stores, first part: what goes in comes out.  One set
 * of tests, run on every driver; a driver is done when it passes.
 */
#include "../support/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define bytes(s) kvf_bytes_str(s)

static struct kvf_bytes raw(const void *ptr, size_t len)
{
	struct kvf_bytes b = { ptr, len };

	return b;
}

static uint64_t live(struct place *p, const char *value)
{
	struct kvf_store *s = open_store(p);
	uint64_t n = count_live(s, value);

	kvf_store_close(s);
	return n;
}

/* ---- looking ------------------------------------------------------------------- */

static void an_untouched_store_says_so(void **state)
{
	struct kvf_store *s = open_store(*state);
	struct kvf_store_facts f;
	struct kvf_control c;
	struct kvf_generation g;
	struct kvf_ledger_row row;
	struct kvf_bytes v;
	struct kvf_totals t;
	struct kvf_cursor *cursor;

	ok(kvf_store_inspect(s, &f, &test_err));
	assert_false(f.has_control || f.has_table || f.entries);
	assert_true(f.writable);
	assert_string_equal(f.blocker, "");
	gives(kvf_store_control(s, &c, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_generation(s, KVF_SCAN_LIVE, &g, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_ledger_next(s, 0, &row, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_get(s, bytes("a"), bytes("b"), &v, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 0, &v, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_ledger_append(s, line("r"), &test_err), KVF_ENOTFOUND);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	assert_int_equal(t.entries, 0);
	gives(kvf_store_scan(s, KVF_SCAN_STAGE, NULL, &cursor, &test_err), KVF_ENOTFOUND);
	gives(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err), KVF_ENOTFOUND);
	kvf_store_close(s);
}

static void a_run_publishes_all_that_was_put(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_control c;
	struct kvf_totals t;
	struct kvf_bytes v;
	struct kvf_ledger_row row;
	struct kvf_store_facts f;

	publish(p, "run-1", 1000, "v1");
	s = open_store(p);
	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.state, KVF_RUN_LIVE);
	assert_int_equal(c.ver, 7);
	assert_string_equal(c.run, "");
	assert_string_equal(c.app, "shop");
	assert_int_equal(c.stage, 0);
	assert_int_equal(c.prev, 0);
	assert_true(c.prev_legacy);
	assert_true(c.has_root && c.exact_packages);
	assert_memory_equal(c.root, test_root, 32);
	assert_int_equal(c.stream[31], 0xab);
	assert_int_equal(count_live(s, "v1"), 1000);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	assert_true(kvf_totals_equal(&t, &c.totals));
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_true(f.has_table && f.table_fits && f.has_control);
	assert_int_equal(f.entries, 1000);
	ok(kvf_store_get(s, bytes("resources"), bytes("b/000499"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("v1")), 0);
	ok(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 0, &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("run-1")), 0);
	gives(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 1, &v, &test_err), KVF_ENOTFOUND);
	ok(kvf_store_ledger_next(s, 0, &row, &test_err));
	assert_string_equal(row.event, "publish");
	assert_string_equal(row.run, "run-1");
	assert_null(row.who);
	assert_int_equal(row.to, 7);
	gives(kvf_store_ledger_next(s, row.id, &row, &test_err), KVF_EOF);
	kvf_store_close(s);
}

static void bytes_of_any_kind_come_back_in_order(void **state)
{
	static const struct {
		const char *part;
		size_t plen;
		const char *key;
		size_t klen;
	} in[] = {
		{ "", 0, "\0", 1 },     { "", 0, "\0\0", 2 },        { "", 0, "a", 1 },
		{ "", 0, "a\0", 2 },    { "", 0, "a\0b", 3 },        { "", 0, "ab", 2 },
		{ "", 0, "\x7f", 1 },   { "", 0, "\x80", 1 },        { "", 0, "\xff\xff", 2 },
		{ "\0", 1, "\xff", 1 }, { "p", 1, "\0", 1 },         { "p\0", 2, "\0", 1 },
		{ "\xff", 1, "\0", 1 }, { "\xff\0\xff", 3, "k", 1 },
	};
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_chunk_info info;
	struct kvf_control c;
	struct kvf_cursor *cursor;
	struct kvf_entry e;
	size_t i, n = sizeof(in) / sizeof(in[0]);

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	memset(&info, 0, sizeof(info));
	for (i = 0; i < n; i++) { /* from the back: order is the store's work */
		size_t k = n - 1 - i;

		e.part = raw(in[k].part, in[k].plen);
		e.key = raw(in[k].key, in[k].klen);
		e.value = raw(in[k].key, k % 3 ? in[k].klen : 0);
		ok(kvf_store_put(s, &e, &test_err));
		kvf_totals_add(&info.totals, &e);
	}
	ok(kvf_store_chunk(s, &info, &test_err));
	ok(kvf_store_seal(s, test_root, &info.totals, 1, &test_err));
	ok(kvf_store_scan(s, KVF_SCAN_STAGE, NULL, &cursor, &test_err));
	for (i = 0; i < n; i++) {
		ok(kvf_cursor_next(cursor, &e, &test_err));
		assert_int_equal(kvf_bytes_cmp(e.part, raw(in[i].part, in[i].plen)), 0);
		assert_int_equal(kvf_bytes_cmp(e.key, raw(in[i].key, in[i].klen)), 0);
		assert_int_equal(e.value.len, i % 3 ? in[i].klen : 0);
	}
	gives(kvf_cursor_next(cursor, &e, &test_err), KVF_EOF);
	gives(kvf_cursor_next(cursor, &e, &test_err), KVF_EOF);
	kvf_cursor_close(cursor);
	for (i = 0; i < n; i++) { /* from each key on */
		struct kvf_entry from = { raw(in[i].part, in[i].plen),
					  raw(in[i].key, in[i].klen), raw("", 0) };
		size_t rest = 0;

		ok(kvf_store_scan(s, KVF_SCAN_STAGE, &from, &cursor, &test_err));
		while (kvf_cursor_next(cursor, &e, &test_err) == KVF_OK)
			assert_true(rest++ > 0 || kvf_bytes_cmp(e.key, from.key) == 0);
		assert_int_equal(rest, n - i);
		kvf_cursor_close(cursor);
	}
	kvf_store_close(s);
}

static void large_entries_are_kept(void **state)
{
	const size_t sizes[] = { 0, 1, 16000, 131072, 131073, 5u << 20 };
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	uint8_t *value = calloc(1, 5u << 20);
	struct kvf_chunk_info info;
	struct kvf_totals t;
	struct kvf_control c;
	struct kvf_bytes v;
	size_t i, k;

	assert_non_null(value);
	for (k = 0; k < 5u << 20; k++)
		value[k] = (uint8_t)(k * 31 + (k >> 8));
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	memset(&info, 0, sizeof(info));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char key[2] = { (char)('a' + i), 0 };
		struct kvf_entry e = { bytes("p"), bytes(key), raw(value, sizes[i]) };

		ok(kvf_store_put(s, &e, &test_err));
		kvf_totals_add(&info.totals, &e);
	}
	ok(kvf_store_chunk(s, &info, &test_err));
	ok(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err));
	assert_true(kvf_totals_equal(&t, &info.totals));
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 1, bytes("1"), line("r"), &test_err));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char key[2] = { (char)('a' + i), 0 };

		ok(kvf_store_get(s, bytes("p"), bytes(key), &v, &test_err));
		assert_int_equal(kvf_bytes_cmp(v, raw(value, sizes[i])), 0);
	}
	free(value);
	kvf_store_close(s);
}

/* ---- keys that come twice, and --merge ------------------------------------------------- */

static void a_key_that_comes_twice_is_an_error(void **state)
{
	struct place *p = *state;
	int equal;

	for (equal = 0; equal < 2; equal++) {
		struct kvf_store *s = open_store(p);
		struct kvf_totals t = { 0, 0, { 0 } };
		struct kvf_chunk_info info;
		struct kvf_control c;
		struct kvf_entry e = entry("p", "a000005", equal ? "v" : "w");
		enum kvf_status st;

		acquire(s, "r", &c);
		ok(kvf_store_stage(s, 0, &test_err));
		put_chunk(s, 0, "p", "a", 10, "v", &t);
		memset(&info, 0, sizeof(info));
		kvf_totals_add(&info.totals, &e);
		st = kvf_store_put(s, &e, &test_err);
		if (!st)
			st = kvf_store_chunk(s, &info, &test_err);
		if (!st) /* some find it with the next chunks only */
			st = kvf_store_flush(s, &test_err);
		assert_int_equal(st, KVF_ESTREAM);
		assert_non_null(strstr(test_err.message, "p a000005"));
		assert_non_null(
			strstr(test_err.message, equal ? "the same value" : "different"));
		gives(kvf_store_flush(s, &test_err), KVF_ESTREAM);
		kvf_store_close(s);
	}
}

static void merge_counts_what_was_copied_equal_and_in_conflict(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_totals t = { 0, 0, { 0 } }, fresh = { 0, 0, { 0 } }, staged;
	struct kvf_merge_stats m;
	struct kvf_control c;
	struct kvf_bytes v;

	publish(p, "base", 1000, "base"); /* a/ and b/, 500 each */
	s = open_store(p);
	acquire(s, "merge", &c);
	ok(kvf_store_stage(s, 1, &test_err));
	put_chunk(s, 0, "resources", "a/", 400, "base", &t); /* there, equal */
	put_chunk(s, 1, "resources", "b/", 30, "other", &t); /* there, another value */
	put_chunk(s, 2, "resources", "c/", 50, "more", &fresh);
	ok(kvf_store_flush(s, &test_err));
	kvf_store_merge_stats(s, &m);
	assert_int_equal(m.copied.entries, 1000);
	assert_int_equal(m.same.entries, 400);
	assert_int_equal(m.conflicts, 30);
	assert_int_equal(m.nnamed, KVF_CONFLICTS_NAMED);
	assert_string_equal(m.named[0], "resources b/000000");
	assert_string_equal(m.named[19], "resources b/000019");
	ok(kvf_store_totals(s, KVF_SCAN_STAGE, &staged, &test_err));
	kvf_totals_merge(&fresh, &m.copied);
	assert_true(kvf_totals_equal(&staged, &fresh));
	/* What was live has stayed. */
	ok(kvf_store_seal(s, test_root, &staged, 0, &test_err));
	ok(kvf_store_commit(s, 8, bytes("2"), line("merge"), &test_err));
	ok(kvf_store_get(s, bytes("resources"), bytes("b/000000"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("base")), 0);
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("2")), 0);
	assert_int_equal(count_live(s, NULL), 1050);
	kvf_store_close(s);
}

/* ---- the version record -------------------------------------------------------------- */

static void the_version_record_moves_with_the_commit_alone(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_entry e = entry("meta", "schema/version", "9");
	struct kvf_generation g;
	struct kvf_control c;
	struct kvf_bytes v;

	publish(p, "base", 10, "base");
	s = open_store(p);
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 4, "new", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	/* It is found, and it is no entry. */
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("1")), 0);
	assert_int_equal(count_live(s, "base"), 10);
	ok(kvf_store_generation(s, KVF_SCAN_LIVE, &g, &test_err));
	assert_int_equal(g.ver, 7);
	assert_string_equal(g.run, "base");
	ok(kvf_store_generation(s, KVF_SCAN_STAGE, &g, &test_err));
	assert_string_equal(g.run, "r");
	assert_int_equal(g.totals.entries, 4);
	ok(kvf_store_commit(s, 8, bytes("2"), line("r"), &test_err));
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("2")), 0);
	assert_int_equal(count_live(s, "new"), 4);
	/* A stream cannot bring it. */
	acquire(s, "forger", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	gives(kvf_store_put(s, &e, &test_err), KVF_ESTREAM);
	kvf_store_close(s);
}

static void a_store_without_a_version_record_has_none(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_claim *plain = claim("r");
	struct kvf_control c;

	plain->app = "";
	plain->version_part = plain->version_key = raw(NULL, 0);
	ok(kvf_store_acquire(s, 0, plain, &c, &test_err));
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "meta", "schema/version", 3, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 0, raw(NULL, 0), line("r"), &test_err));
	assert_int_equal(count_live(s, "v"), 3);
	kvf_store_close(s);
}

/* What a load that does not bump does, where no record was live. */
static void a_commit_without_a_version_text_writes_no_record(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;
	struct kvf_bytes v;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "resources", "a/", 3, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 0, raw(NULL, 0), line("r"), &test_err));
	gives(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err),
	      KVF_ENOTFOUND);
	assert_int_equal(count_live(s, "v"), 3);
	kvf_store_close(s);
}

/* ---- generations and the ledger --------------------------------------------------------- */

static void one_previous_generation_is_kept(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_control c;
	char run[16];
	int i;

	for (i = 0; i < 4; i++) {
		snprintf(run, sizeof(run), "run-%d", i);
		publish(p, run, 10 + 2 * (unsigned)i, run);
		s = open_store(p);
		ok(kvf_store_control(s, &c, &test_err));
		/* Number 1 was the live table before there was anything live. */
		assert_int_equal(c.epoch, i + 2);
		assert_int_equal(c.active, i + 2);
		assert_int_equal(c.prev, i ? i + 1 : 0);
		assert_int_equal(c.prev_legacy, i == 0);
		assert_int_equal(count_live(s, run), 10 + 2 * i);
		kvf_store_close(s);
	}
}

static void a_run_without_entries_can_be_published(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;
	struct kvf_store_facts f;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	ok(kvf_store_commit(s, 3, bytes("1"), line("r"), &test_err));
	ok(kvf_store_gc(s, &test_err));
	ok(kvf_store_inspect(s, &f, &test_err));
	assert_true(f.has_table && f.table_fits);
	assert_int_equal(f.entries, 0);
	kvf_store_close(s);
	publish(p, "next", 10, "v");
	assert_int_equal(live(p, "v"), 10);
}

static void the_ledger_keeps_every_line_in_order(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_ledger_row row, in;
	int64_t id = 0;
	int i;

	publish(p, "run-0", 2, "v");
	s = open_store(p);
	for (i = 1; i < 5; i++) {
		char run[16];

		snprintf(run, sizeof(run), "run-%d", i);
		in = *line(run);
		in.event = "backup";
		in.who = i % 2 ? "someone" : NULL;
		in.from = (uint64_t)i;
		ok(kvf_store_ledger_append(s, &in, &test_err));
	}
	for (i = 0; i < 5; i++) {
		char run[16];

		snprintf(run, sizeof(run), "run-%d", i);
		ok(kvf_store_ledger_next(s, id, &row, &test_err));
		assert_true(row.id > id);
		id = row.id;
		assert_string_equal(row.run, run);
		assert_string_equal(row.event, i ? "backup" : "publish");
		assert_string_equal(row.document, "{\"entries\":1}");
		assert_int_equal(row.who != NULL, i % 2);
		assert_int_equal(row.from, i);
		assert_int_equal(row.at, 1700000000000001);
	}
	gives(kvf_store_ledger_next(s, id, &row, &test_err), KVF_EOF);
	kvf_store_close(s);
}

static void a_scan_is_a_snapshot(void **state)
{
	struct place *p = *state;
	struct kvf_store *s, *w;
	struct kvf_cursor *c;
	struct kvf_control control;
	struct kvf_entry e;
	uint64_t n = 0;

	publish(p, "base", 500, "base");
	s = open_store(p);
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &test_err));
	ok(kvf_cursor_next(c, &e, &test_err));
	/* Another handle may look, and the scan goes on with what it saw. */
	w = open_store(p);
	ok(kvf_store_control(w, &control, &test_err));
	assert_int_equal(count_live(w, "base"), 500);
	do {
		n++;
		assert_int_equal(kvf_bytes_cmp(e.value, bytes("base")), 0);
	} while (kvf_cursor_next(c, &e, &test_err) == KVF_OK);
	assert_int_equal(n, 500);
	kvf_cursor_close(c);
	kvf_store_close(w);
	kvf_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(an_untouched_store_says_so),
		STORE_TEST(a_run_publishes_all_that_was_put),
		STORE_TEST(bytes_of_any_kind_come_back_in_order),
		STORE_TEST(large_entries_are_kept),
		STORE_TEST(a_key_that_comes_twice_is_an_error),
		STORE_TEST(merge_counts_what_was_copied_equal_and_in_conflict),
		STORE_TEST(the_version_record_moves_with_the_commit_alone),
		STORE_TEST(a_store_without_a_version_record_has_none),
		STORE_TEST(a_commit_without_a_version_text_writes_no_record),
		STORE_TEST(one_previous_generation_is_kept),
		STORE_TEST(a_run_without_entries_can_be_published),
		STORE_TEST(the_ledger_keeps_every_line_in_order),
		STORE_TEST(a_scan_is_a_snapshot),
	};

	return run_on_every_store(tests, sizeof(tests) / sizeof(tests[0]));
}
