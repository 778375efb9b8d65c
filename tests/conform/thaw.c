/* A freeze goes with what it was made for: abort and rollback lift it, last of all. */
#include "../support/stores.h"

#include <kvferry/migrate.h>
#include <kvferry/source.h>

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct kvf_env quiet;

struct both {
	struct place *store;
	char source[128], place[160];
};

/* A legacy database that is frozen, and a store that knows of it. */
static void make(struct both *b, struct place *p)
{
	const struct kvf_freeze_request request = { "r", "host", "me", p->text, NULL };
	struct kvf_store *s = open_store(p);
	struct kvf_control c;
	struct kvf_freeze f;
	sqlite3 *db;

	b->store = p;
	snprintf(b->source, sizeof(b->source), "%s.legacy", p->path);
	snprintf(b->place, sizeof(b->place), "sqlite:%s", b->source);
	assert_int_equal(sqlite3_open(b->source, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	ok(kvf_freeze_set(b->place, &quiet, &request, &f, &test_err));
	acquire(s, "unfinished", &c);
	ok(kvf_store_note_frozen(s, b->place, &test_err));
	kvf_store_note_failure(s, "gave up");
	kvf_store_close(s);
}

static void is_writable(const struct both *b, int yes)
{
	struct kvf_store *s = open_store(b->store);
	struct kvf_control c;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(b->source, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO t VALUES (1)", NULL, NULL, NULL) ==
				 SQLITE_OK,
			 yes);
	sqlite3_close(db);
	ok(kvf_store_control(s, &c, &test_err));
	assert_string_equal(c.frozen, yes ? "" : b->place);
	kvf_store_close(s);
}

static void abort_lifts_the_freeze(void **state)
{
	struct both b;
	struct kvf_report r;
	struct kvf_options o = { 0 };

	make(&b, *state);
	is_writable(&b, 0);
	o.target = b.store->text;
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	assert_int_equal(r.nwarnings, 0);
	kvf_report_free(&r);
	is_writable(&b, 1);
	unlink(b.source);
}

static void rollback_lifts_it_and_a_publication_does_not(void **state)
{
	struct both b;
	struct kvf_report r;
	struct kvf_store *s;
	struct kvf_options o = { 0 };

	make(&b, *state);
	s = open_store(b.store);
	ok(publish_on(s, "first", 20, "v", 7, "1", &test_err));
	kvf_store_close(s);
	is_writable(&b, 0);
	o.target = b.store->text;
	o.confirm = "first";
	ok(kvf_abort(&o, &quiet, &r, &test_err)); /* nothing to abort: NEW stays as it is */
	kvf_report_free(&r);
	is_writable(&b, 0);
	ok(kvf_rollback(&o, &quiet, &r, &test_err));
	assert_int_equal(r.nwarnings, 0);
	kvf_report_free(&r);
	is_writable(&b, 1);
	unlink(b.source);
}

static void a_freeze_that_cannot_be_lifted_is_said(void **state)
{
	struct both b;
	struct kvf_report r;
	struct kvf_options o = { 0 };
	char away[160];

	make(&b, *state);
	snprintf(away, sizeof(away), "%s.away", b.source);
	assert_int_equal(rename(b.source, away), 0);
	o.target = b.store->text;
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	assert_int_equal(r.nwarnings, 1);
	assert_non_null(strstr(r.warnings[0], "still frozen"));
	kvf_report_free(&r);
	assert_int_equal(rename(away, b.source), 0);
	ok(kvf_abort(&o, &quiet, &r, &test_err)); /* once more */
	kvf_report_free(&r);
	is_writable(&b, 1);
	unlink(b.source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(abort_lifts_the_freeze),
		STORE_TEST(rollback_lifts_it_and_a_publication_does_not),
		STORE_TEST(a_freeze_that_cannot_be_lifted_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
