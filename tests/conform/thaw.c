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
	const struct kvf_freeze_request request = {
		.run = "r", .host = "host", .who = "me", .store = p->text
	};
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

/* Who looked at the store before the abort must not acquire after it. */
static void a_freeze_alone_is_given_up_with_the_epoch(void **state)
{
	const struct place *p = *state;
	const struct kvf_freeze_request request = {
		.run = "again", .host = "host", .who = "me", .store = p->text
	};
	struct both b;
	struct kvf_report r;
	struct kvf_freeze f;
	struct kvf_store *s;
	struct kvf_control before, after;
	struct kvf_options o = { 0 };

	make(&b, *state);
	o.target = b.store->text;
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	kvf_report_free(&r);
	ok(kvf_freeze_set(b.place, &quiet, &request, &f, &test_err));
	s = open_store(b.store);
	ok(kvf_store_note_frozen(s, b.place, &test_err));
	ok(kvf_store_control(s, &before, &test_err));
	assert_int_equal(before.state, KVF_RUN_IDLE);
	kvf_store_close(s);
	is_writable(&b, 0);
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	assert_int_equal(r.already, 0);
	kvf_report_free(&r);
	is_writable(&b, 1);
	s = open_store(b.store);
	ok(kvf_store_control(s, &after, &test_err));
	assert_int_equal(after.epoch, before.epoch + 1);
	assert_int_equal(after.state, KVF_RUN_IDLE);
	kvf_store_close(s);
	ok(kvf_abort(&o, &quiet, &r, &test_err)); /* and now there is nothing */
	assert_int_equal(r.already, 1);
	kvf_report_free(&r);
	unlink(b.source);
}

/* Live data without a freeze; then one is made over them, by a run that fails. */
static void make_over(struct both *b, struct place *p, const char *over)
{
	struct kvf_freeze_request request = {
		.run = "second", .host = "host", .who = "me", .store = p->text, .over = over
	};
	struct kvf_report r;
	struct kvf_options o = { .target = p->text };
	struct kvf_freeze f;
	struct kvf_control c;
	struct kvf_store *s;

	make(b, p);
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	kvf_report_free(&r);
	s = open_store(p);
	ok(publish_on(s, "first", 20, "v", 7, "1", &test_err));
	ok(kvf_freeze_set(b->place, &quiet, &request, &f, &test_err));
	acquire(s, "second", &c);
	ok(kvf_store_note_frozen(s, b->place, &test_err));
	kvf_store_note_failure(s, "gave up");
	kvf_store_close(s);
	is_writable(b, 0);
}

static void abort_lifts_a_freeze_that_was_made_over_the_live_data(void **state)
{
	struct both b;
	struct kvf_report r;
	struct kvf_store *s;
	struct kvf_options o = { 0 };

	make_over(&b, *state, "first");
	o.target = b.store->text;
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	kvf_report_free(&r);
	is_writable(&b, 1);
	s = open_store(b.store);
	assert_int_equal(count_live(s, "v"), 20);
	kvf_store_close(s);
	unlink(b.source);
}

static void abort_keeps_a_freeze_that_the_live_data_were_published_behind(void **state)
{
	struct both b;
	struct kvf_report r;
	struct kvf_options o = { 0 };

	/* Made when nothing was live: "first" went on with it, and then "second". */
	make_over(&b, *state, "");
	o.target = b.store->text;
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	assert_int_equal(r.already, 0);
	kvf_report_free(&r);
	is_writable(&b, 0);
	ok(kvf_abort(&o, &quiet, &r, &test_err));
	assert_int_equal(r.already, 1);
	kvf_report_free(&r);
	is_writable(&b, 0);
	unlink(b.source);
}

/* ---- a migrate, and somebody who is quicker ----------------------------------------- */

struct rival {
	struct both b;
	int before_the_snapshot, done;
};

static void raise_epoch(struct rival *rival)
{
	struct kvf_ledger_row row = *line("rival");
	struct kvf_control c;
	struct kvf_store *s;

	if (rival->done++)
		return;
	row.event = "abort";
	s = open_store(rival->b.store);
	ok(kvf_store_control(s, &c, &test_err));
	ok(kvf_store_abort(s, c.epoch, &row, &test_err));
	kvf_store_close(s);
}

static void on_log(void *ctx, enum kvf_log_level level, const char *line)
{
	struct rival *rival = ctx;

	(void)level;
	if (rival->before_the_snapshot && strstr(line, "this run goes on with it"))
		raise_epoch(rival);
}

static void on_progress(void *ctx, const struct kvf_progress *p)
{
	struct rival *rival = ctx;

	(void)p;
	if (!rival->before_the_snapshot)
		raise_epoch(rival);
}

/* An abort that saw the freeze before it is stamped may lift it later: so a run does not
 * take a store that was changed since it looked, but begins anew. */
static void who_freezes_acquires_what_he_saw_before(void **state)
{
	struct rival rival = { 0 };
	struct kvf_env env = { .log = on_log, .progress = on_progress, .ctx = &rival };
	struct kvf_freeze f;
	struct kvf_report r;
	struct kvf_control c;
	struct kvf_store *s;
	char keep[160];
	struct kvf_options o = { .freeze = 1, .overwrite = 1 };

	make(&rival.b, *state);
	snprintf(keep, sizeof(keep), "%s.kvf", rival.b.source);
	o.source = rival.b.place;
	o.target = rival.b.store->text;
	o.keep = keep; /* the store is looked at when all has been read */
	for (rival.before_the_snapshot = 1; rival.before_the_snapshot >= 0;
	     rival.before_the_snapshot--) {
		rival.done = 0;
		assert_int_equal(kvf_migrate(&o, &env, &r, &test_err), KVF_EBUSY);
		assert_int_equal(rival.done, 1);
		assert_non_null(strstr(test_err.message, "another run changed the store"));
		assert_int_equal(r.published, 0);
		kvf_report_free(&r);
		s = open_store(rival.b.store);
		ok(kvf_store_control(s, &c, &test_err));
		assert_int_equal(c.state, KVF_RUN_IDLE);
		kvf_store_close(s);
	}
	/* The freeze is that of the last run, not of the first. */
	ok(kvf_freeze_look(rival.b.place, &quiet, &f, &test_err));
	assert_string_not_equal(f.run, "r");
	ok(kvf_migrate(&o, &quiet, &r, &test_err));
	ok(kvf_freeze_look(rival.b.place, &quiet, &f, &test_err));
	assert_string_equal(f.run, r.run);
	kvf_report_free(&r);
	unlink(keep);
	unlink(rival.b.source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(abort_lifts_the_freeze),
		STORE_TEST(rollback_lifts_it_and_a_publication_does_not),
		STORE_TEST(a_freeze_that_cannot_be_lifted_is_said),
		STORE_TEST(a_freeze_alone_is_given_up_with_the_epoch),
		STORE_TEST(abort_lifts_a_freeze_that_was_made_over_the_live_data),
		STORE_TEST(abort_keeps_a_freeze_that_the_live_data_were_published_behind),
		STORE_TEST(who_freezes_acquires_what_he_saw_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
