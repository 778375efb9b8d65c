/*
 * The conformance suite for stores: one set of tests, run on every driver.  A
 * driver is done when it passes.
 *
 * A test gets a place of its own and opens handles on it.  What a driver cannot
 * do by its nature is said in its row of `drivers`, never in a test.
 */
#include "store/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- drivers under test ------------------------------------------------------ */

struct place {
	const struct driver *driver;
	char folder[64];
	char text[96];           /* sqlite: the place */
	struct kvf_store *keeper; /* memory: keeps the data between handles */
};

struct driver {
	const char *name;
	int keeps_generations;   /* the previous generation is kept until cleanup */
	void (*make)(struct place *p);
	enum kvf_status (*open)(struct place *p, enum kvf_store_mode mode, struct kvf_store **s,
				struct kvf_err *err);
	void (*destroy)(struct place *p);
};

static void sqlite_make(struct place *p)
{
	snprintf(p->folder, sizeof(p->folder), "/tmp/kvf-store.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->text, sizeof(p->text), "sqlite:%s/store.db", p->folder);
}

static enum kvf_status sqlite_open(struct place *p, enum kvf_store_mode mode,
				   struct kvf_store **s, struct kvf_err *err)
{
	return kvf_store_open(p->text, mode, NULL, NULL, s, err);
}

static void sqlite_destroy(struct place *p)
{
	static const char *const suffix[] = { "", "-journal", "-wal", "-shm" };
	char name[128];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s/store.db%s", p->folder, suffix[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(p->folder), 0); /* and nothing else was left there */
}

static void memory_make(struct place *p)
{
	assert_int_equal(kvf_store_memory(NULL, &p->keeper, NULL), KVF_OK);
}

static enum kvf_status memory_open(struct place *p, enum kvf_store_mode mode,
				   struct kvf_store **s, struct kvf_err *err)
{
	(void)mode;
	return kvf_store_memory_share(p->keeper, s, err);
}

static void memory_destroy(struct place *p)
{
	kvf_store_close(p->keeper);
}

static const struct driver drivers[] = {
	{ "sqlite", 1, sqlite_make, sqlite_open, sqlite_destroy },
	{ "memory", 1, memory_make, memory_open, memory_destroy },
};

/* Which driver the running group is about. */
static const struct driver *current;

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->driver = current;
	p->driver->make(p);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	p->driver->destroy(p);
	free(p);
	return 0;
}

/* ---- helpers -------------------------------------------------------------------- */

static struct kvf_err err;

#define ok(call)                                                                      \
	do {                                                                          \
		enum kvf_status ok_st = (call);                                       \
		if (ok_st)                                                            \
			fail_msg("%s: %d %s", #call, (int)ok_st, err.message);        \
	} while (0)
#define gives(call, status) assert_int_equal((call), (status))

static struct kvf_store *open_store(struct place *p)
{
	struct kvf_store *s = NULL;

	ok(p->driver->open(p, KVF_STORE_WRITE, &s, &err));
	return s;
}

static struct kvf_bytes bytes(const char *s)
{
	return kvf_bytes_str(s);
}

static struct kvf_entry entry(const char *part, const char *key, const char *value)
{
	struct kvf_entry e = { bytes(part), bytes(key), bytes(value) };

	return e;
}

static const struct kvf_claim *claim(const char *run)
{
	static struct kvf_claim c;

	memset(&c, 0, sizeof(c));
	c.run = run;
	c.host = "host.example";
	c.tool = "kvferry test";
	c.app = "shop";
	c.pid = 4711;
	c.pid_start = 99;
	c.now = 1700000000000000;
	memset(c.stream, 0xab, sizeof(c.stream));
	c.version_part = bytes("meta");
	c.version_key = bytes("schema/version");
	c.version_started = bytes("0");
	return &c;
}

static void acquire(struct kvf_store *s, const char *run, struct kvf_control *c)
{
	struct kvf_control seen;
	enum kvf_status st = kvf_store_control(s, &seen, &err);

	if (st != KVF_ENOTFOUND)
		ok(st);
	ok(kvf_store_acquire(s, st ? 0 : seen.epoch, claim(run), c, &err));
}

/* Put `n` entries of one chunk: part, prefix + 0000 ..., value. */
static void put_chunk(struct kvf_store *s, uint64_t i, const char *part, const char *prefix,
		      unsigned n, const char *value, struct kvf_totals *sum)
{
	struct kvf_chunk_info info;
	char key[64];
	unsigned k;

	memset(&info, 0, sizeof(info));
	info.i = i;
	memset(info.d, (int)i + 1, sizeof(info.d));
	for (k = 0; k < n; k++) {
		struct kvf_entry e;

		snprintf(key, sizeof(key), "%s%06u", prefix, k);
		e = entry(part, key, value);
		ok(kvf_store_put(s, &e, &err));
		kvf_totals_add(&info.totals, &e);
	}
	ok(kvf_store_chunk(s, &info, &err));
	kvf_totals_merge(sum, &info.totals);
}

static const uint8_t root[32] = { 1, 2, 3 };

static const struct kvf_ledger_row *line(const char *run)
{
	static struct kvf_ledger_row row;

	memset(&row, 0, sizeof(row));
	row.at = 1700000000000001;
	row.run = run;
	row.event = "publish";
	row.outcome = "ok";
	row.to = 7;
	row.document = "{\"entries\":1}";
	return &row;
}

/* A whole run that publishes n entries under one value. */
static void publish(struct place *p, const char *run, unsigned n, const char *value)
{
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;

	acquire(s, run, &c);
	ok(kvf_store_stage(s, 0, &err));
	ok(kvf_store_keep_unit(s, "head", 0, bytes(run), &err));
	put_chunk(s, 0, "resources", "a/", n, value, &t);
	ok(kvf_store_seal(s, root, &t, 1, &err));
	ok(kvf_store_commit(s, 7, bytes("1"), line(run), &err));
	ok(kvf_store_gc(s, &err));
	kvf_store_close(s);
}

/* What is live: number of entries; all of them have this value. */
static uint64_t count_live(struct kvf_store *s, const char *value)
{
	struct kvf_cursor *c;
	struct kvf_entry e, last;
	enum kvf_status st;
	uint64_t n = 0;
	char part[64], key[64];

	memset(&last, 0, sizeof(last));
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &err));
	while (!(st = kvf_cursor_next(c, &e, &err))) {
		if (n++)
			assert_true(kvf_entry_cmp(&last, &e) < 0);
		if (value)
			assert_int_equal(kvf_bytes_cmp(e.value, bytes(value)), 0);
		assert_true(e.part.len < sizeof(part) && e.key.len < sizeof(key));
		if (e.part.len)
			memcpy(part, e.part.ptr, e.part.len);
		memcpy(key, e.key.ptr, e.key.len);
		last.part = (struct kvf_bytes){ (uint8_t *)part, e.part.len };
		last.key = (struct kvf_bytes){ (uint8_t *)key, e.key.len };
	}
	gives(st, KVF_EOF);
	kvf_cursor_close(c);
	return n;
}

/* ---- tests ------------------------------------------------------------------------ */

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

	ok(kvf_store_inspect(s, &f, &err));
	assert_false(f.has_control || f.has_table || f.entries);
	assert_true(f.writable);
	assert_string_equal(f.blocker, "");
	gives(kvf_store_control(s, &c, &err), KVF_ENOTFOUND);
	gives(kvf_store_generation(s, KVF_SCAN_LIVE, &g, &err), KVF_ENOTFOUND);
	gives(kvf_store_ledger_next(s, 0, &row, &err), KVF_ENOTFOUND);
	gives(kvf_store_get(s, bytes("a"), bytes("b"), &v, &err), KVF_ENOTFOUND);
	gives(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 0, &v, &err), KVF_ENOTFOUND);
	gives(kvf_store_ledger_append(s, line("r"), &err), KVF_ENOTFOUND);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &err));
	assert_int_equal(t.entries, 0);
	gives(kvf_store_scan(s, KVF_SCAN_STAGE, NULL, &cursor, &err), KVF_ENOTFOUND);
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

	publish(p, "run-1", 1000, "v1");
	s = open_store(p);
	ok(kvf_store_control(s, &c, &err));
	assert_int_equal(c.state, KVF_RUN_LIVE);
	assert_int_equal(c.ver, 7);
	assert_string_equal(c.run, "");
	assert_string_equal(c.app, "shop");
	assert_int_equal(c.stage, 0);
	assert_true(c.has_root && c.exact_packages);
	assert_memory_equal(c.root, root, 32);
	assert_int_equal(c.stream[31], 0xab);
	assert_int_equal(count_live(s, "v1"), 1000);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &err));
	assert_true(kvf_totals_equal(&t, &c.totals));
	ok(kvf_store_get(s, bytes("resources"), bytes("a/000999"), &v, &err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("v1")), 0);
	ok(kvf_store_unit(s, KVF_SCAN_LIVE, "head", 0, &v, &err));
	assert_int_equal(kvf_bytes_cmp(v, bytes("run-1")), 0);
	ok(kvf_store_ledger_next(s, 0, &row, &err));
	assert_string_equal(row.event, "publish");
	assert_string_equal(row.run, "run-1");
	assert_null(row.who);
	assert_int_equal(row.to, 7);
	gives(kvf_store_ledger_next(s, row.id, &row, &err), KVF_EOF);
	kvf_store_close(s);
}

#define TEST(f) { #f, f, set_up, tear_down, NULL }

static const struct CMUnitTest tests[] = {
	TEST(an_untouched_store_says_so),
	TEST(a_run_publishes_all_that_was_put),
};

int main(void)
{
	size_t i;
	int failed = 0;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		current = &drivers[i];
		failed += _cmocka_run_group_tests(current->name, tests,
						  sizeof(tests) / sizeof(tests[0]), NULL, NULL);
	}
	return failed != 0;
}
