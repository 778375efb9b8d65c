/*
 * What a store by the rules of CockroachDB has to stand: conflicts, COMMITs whose
 * answer is an error or does not come, connections that are lost anywhere.  The
 * server is one of PostgreSQL, behind a proxy that breaks the link where a test
 * says (../support/pgproxy.h), or with others who write at the same time.  Needs
 * a server: tests/integration/pg_cockroach.sh starts one and sets KVF_TEST_POSTGRES;
 * else every test is skipped.
 */
#include "../support/pgproxy.h"
#include "../support/stores.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES 12u

/* KVF_TEST_ONLY=NAME: one test.  KVF_TEST_EVERY=K: at every K-th statement and message, 1
 * is really every one (`make torture`, tests/torture/roach.py). */
static unsigned step(unsigned otherwise)
{
	const char *text = getenv("KVF_TEST_EVERY");
	unsigned long k = text ? strtoul(text, NULL, 10) : 0;

	return k ? (unsigned)k : otherwise;
}
#define STEP(n) step(n)

#define bytes(s) kvf_bytes_str(s)

/* A database, and the proxy before its server. */
static char database[64], through[256], straight[256];
static struct pgproxy *proxy;

static PGconn *application(void)
{
	char text[128];
	PGconn *conn;

	snprintf(text, sizeof(text), "dbname=%s options='-c client_min_messages=error'",
		 database);
	conn = PQconnectdb(text);
	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(conn));
	return conn;
}

/* The one value of a query, as text; static. */
static const char *ask(const char *query)
{
	static char text[512];
	PGconn *conn = application();
	PGresult *res = PQexec(conn, query);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", query, PQerrorMessage(conn));
	snprintf(text, sizeof(text), "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	PQfinish(conn);
	return text;
}

static void administer(const char *before, const char *after)
{
	PGconn *conn = PQconnectdb("dbname=postgres");
	char sql[160];
	PGresult *res;

	snprintf(sql, sizeof(sql), "%s %s %s", before, database, after);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
	PQfinish(conn);
}

static int set_up(void **state)
{
	static int n;

	(void)state;
	snprintf(database, sizeof(database), "kvf_roach_%ld_%d", (long)getpid(), n++);
	administer("CREATE DATABASE", "");
	proxy = pgproxy_start(getenv("PGHOST"), NULL);
	assert_non_null(proxy);
	snprintf(through, sizeof(through), "cockroachdb:host=%s dbname=%s",
		 pgproxy_folder(proxy), database);
	snprintf(straight, sizeof(straight), "cockroachdb:dbname=%s", database);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pgproxy_stop(proxy);
	administer("DROP DATABASE", "WITH (FORCE)");
	return 0;
}

static struct kvf_store *open_at(const char *place, const struct kvf_env *env)
{
	struct kvf_store *s = NULL;

	ok(kvf_store_open(place, KVF_STORE_WRITE, NULL, env, &s, &test_err));
	return s;
}

/* What is live is this, whole, and its version with it. */
static void is_live(unsigned n, const char *value, uint64_t version)
{
	struct kvf_store *s = open_at(straight, NULL);
	struct kvf_control c;
	struct kvf_bytes v;

	ok(kvf_store_control(s, &c, &test_err));
	assert_int_equal(c.ver, version);
	assert_int_equal(count_live(s, value), n);
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	assert_int_equal(kvf_bytes_cmp(v, bytes(value)), 0);
	kvf_store_close(s);
}

/*
 * Publish again and again, each time with the rule at another place, until a run
 * comes through without meeting it.  %u in the rule is the place.  Returns how
 * often it fired.
 */
static unsigned publish_with(const char *rule, unsigned stride)
{
	unsigned i, fired = 0, places = 0, hit = 1;
	char text[128], value[32], place[16];
	const char *at = strstr(rule, "%u");

	for (i = 1; hit; i += stride) {
		struct kvf_store *s = open_at(through, NULL);

		pgproxy_reset(proxy);
		snprintf(place, sizeof(place), "%u", i);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - rule), rule, place, at + 2);
		assert_int_equal(pgproxy_rule(proxy, text), 0);
		snprintf(value, sizeof(value), "%s-%u", rule, i);
		if (publish_on(s, value, ENTRIES, value, i, value, &test_err))
			fail_msg("%s: %s %s", text, test_err.message, test_err.detail);
		hit = pgproxy_fired(proxy);
		fired += hit;
		places += hit > 0;
		pgproxy_reset(proxy);
		kvf_store_close(s);
		is_live(ENTRIES, value, i);
	}
	assert_true(fired > 0);
	printf("# %s: %u places\n", rule, places);
	return fired;
}

/* ---- at every place ------------------------------------------------------------------- */

static void every_statement_may_give_way_to_another_transaction(void **state)
{
	(void)state;
	publish_with("fail 40001 %u", STEP(9));
	publish_with("fail 40P01 %u+3", STEP(29));
}

static void every_commit_may_be_refused_or_stay_without_an_answer(void **state)
{
	static const char *const rules[] = {
		"fail 40001 %u COMMIT",
		"fail 40003 %u COMMIT",
		"fail-done 40003 %u COMMIT",
		"lose-done %u COMMIT",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		publish_with(rules[i], 1);
	publish_with("fail 40001 %u+3 COMMIT", STEP(3));
	publish_with("fail-done 40003 %u+2 COMMIT", STEP(3));
	publish_with("fail-done 57P01 %u COMMIT", STEP(3));
}

static void every_statement_may_lose_its_connection(void **state)
{
	(void)state;
	publish_with("lose-done %u", STEP(13));
	publish_with("fail 57P01 %u", STEP(23));
}

static void the_link_may_be_cut_before_every_message_of_ours(void **state)
{
	(void)state;
	publish_with("cut-before client %u", STEP(83));
}

static void the_link_may_be_cut_within_every_message_of_ours(void **state)
{
	(void)state;
	publish_with("cut-within client %u", STEP(89));
}

static void the_link_may_be_cut_after_every_message_of_ours(void **state)
{
	(void)state;
	publish_with("cut-after client %u", STEP(71));
}

static void the_link_may_be_cut_within_every_message_of_the_server(void **state)
{
	(void)state;
	publish_with("cut-within server %u", STEP(193));
}

static void the_link_may_be_cut_after_every_message_of_the_server(void **state)
{
	(void)state;
	publish_with("cut-after server %u", STEP(181));
}

static void a_server_without_free_connections_is_asked_again(void **state)
{
	(void)state;
	/* The first connection is that of opening, which is not tried twice. */
	assert_true(publish_with("refuse 53300 %u", 1) > 0);
}

/* A lost session goes on with its statement: the same one, given again, meets it. */
static void a_table_that_a_lost_session_still_makes_is_waited_for(void **state)
{
	static const char *const rules[] = {
		"cut-after client 1 Q CREATE SCHEMA IF NOT EXISTS kvferry_g",
		"cut-after client 1 Q CREATE TABLE IF NOT EXISTS kvferry_g",
		"cut-after client 1 Q CREATE TABLE IF NOT EXISTS kvferry.control",
	};
	struct kvf_store *s;
	char value[24];
	size_t i;

	(void)state;
	(void)ask(
		"CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN "
		"PERFORM"
		" pg_sleep(0.3); END'; CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN"
		" ('CREATE SCHEMA', 'CREATE TABLE') EXECUTE FUNCTION slow(); SELECT 1");
	for (i = sizeof(rules) / sizeof(rules[0]); i-- > 0;) {
		s = open_at(through, NULL);
		pgproxy_reset(proxy);
		assert_int_equal(pgproxy_rule(proxy, rules[i]), 0);
		snprintf(value, sizeof(value), "v%zu", i);
		ok(publish_on(s, value, ENTRIES, value, 7, value, &test_err));
		assert_int_equal(pgproxy_fired(proxy), 1);
		kvf_store_close(s);
		is_live(ENTRIES, value, 7);
	}
}

static void an_error_that_is_no_conflict_ends_the_run(void **state)
{
	struct kvf_store *s;

	(void)state;
	s = open_at(through, NULL);
	ok(publish_on(s, "base", ENTRIES, "base", 7, "base", &test_err));
	assert_int_equal(pgproxy_rule(proxy, "fail 53100 1 INSERT INTO kvferry_g"), 0);
	gives(publish_on(s, "full", ENTRIES, "full", 8, "full", &test_err), KVF_ETARGET);
	assert_string_equal(test_err.code, "53100");
	assert_int_equal(pgproxy_fired(proxy), 1);
	kvf_store_close(s);
	is_live(ENTRIES, "base", 7);
}

static void conflicts_without_end_are_given_up(void **state)
{
	struct kvf_store *s;

	(void)state;
	s = open_at(through, NULL);
	ok(publish_on(s, "base", ENTRIES, "base", 7, "base", &test_err));
	assert_int_equal(pgproxy_rule(proxy, "fail 40001 1+ INSERT INTO kvferry_g"), 0);
	gives(publish_on(s, "never", ENTRIES, "never", 8, "never", &test_err), KVF_ETARGET);
	assert_string_equal(test_err.code, "40001");
	assert_true(pgproxy_fired(proxy) >= 20);
	kvf_store_close(s);
	is_live(ENTRIES, "base", 7);
}

static int stop_now(void *ctx)
{
	return *(atomic_int *)ctx;
}

static void *stop_later(void *ctx)
{
	while (pgproxy_fired(proxy) < 3)
		usleep(1000);
	atomic_store((atomic_int *)ctx, 1);
	return NULL;
}

static void whoever_is_asked_to_stop_tries_no_more(void **state)
{
	atomic_int stop = 0;
	const struct kvf_env env = { .threads = 1, .ctx = &stop, .stopped = stop_now };
	struct kvf_store *s = open_at(through, &env);
	pthread_t thread;

	(void)state;
	assert_int_equal(pgproxy_rule(proxy, "fail 40001 1+ INSERT INTO kvferry.units"), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_later, &stop), 0);
	assert_int_not_equal(publish_on(s, "r", ENTRIES, "r", 7, "r", &test_err), KVF_OK);
	pthread_join(thread, NULL);
	assert_true(pgproxy_fired(proxy) < 19);
	kvf_store_close(s);
}

/* ---- with others who write ------------------------------------------------------------ */

static atomic_int quit, held;

/* Does a transaction of others wait for a lock? */
static int somebody_waits(PGconn *conn)
{
	PGresult *res = PQexec(conn, "SELECT FROM pg_stat_activity WHERE datname ="
				     " current_database() AND wait_event_type = 'Lock'");
	int n = PQntuples(res);

	PQclear(res);
	return n;
}

/*
 * Somebody who writes what our transactions read, and commits when one of them waits for
 * that: then that one must fail.  Every other time it has also read what they write, and may
 * be the one that fails.  No more often than a transaction is given again.
 */
static void *disturb(void *arg)
{
	static const char *const begin[] = {
		"BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE kvferry.control SET why = 'x'",
		"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM kvferry.progress;"
		" UPDATE kvferry.control SET why = 'x'",
	};
	PGconn *conn = application(), *watch = application();
	PGresult *res;
	unsigned i;

	(void)arg;
	for (i = 0; i < 12 && !atomic_load(&quit); i++) {
		res = PQexec(conn, begin[i % 2]);
		atomic_store(&held, 1);
		while (PQresultStatus(res) == PGRES_COMMAND_OK && !somebody_waits(watch) &&
		       !atomic_load(&quit))
			usleep(2000);
		PQclear(res);
		PQclear(PQexec(conn, "COMMIT"));
		usleep(10000);
	}
	PQfinish(watch);
	PQfinish(conn);
	return NULL;
}

/* "transactions that were given again: N after a conflict ..." */
static void note_conflicts(void *ctx, enum kvf_log_level level, const char *text)
{
	const char *at = strstr(text, "given again: ");

	if (at && level == KVF_LOG_INFO)
		*(unsigned long *)ctx += strtoul(at + 13, NULL, 10);
}

/* Load beside one that writes to the control row; how many conflicts there were. */
static unsigned long load_disturbed(const char *run, const char *value)
{
	unsigned long conflicts = 0;
	const struct kvf_env env = { .threads = 4, .ctx = &conflicts, .log = note_conflicts };
	struct kvf_totals sum = { 0, 0, { 0 } }, t;
	struct kvf_store *s = open_at(straight, &env);
	struct kvf_control c;
	pthread_t thread;
	char prefix[16], sql[128];
	unsigned i;

	atomic_store(&quit, 0);
	atomic_store(&held, 0);
	acquire(s, run, &c);
	ok(kvf_store_stage(s, 0, &test_err));
	assert_int_equal(pthread_create(&thread, NULL, disturb, NULL), 0);
	while (!atomic_load(&held))
		usleep(1000);
	for (i = 0; i < 40; i++) {
		snprintf(prefix, sizeof(prefix), "%03u/", i);
		put_chunk(s, i, "p", prefix, 300, value, &sum);
	}
	ok(kvf_store_flush(s, &test_err));
	ok(kvf_store_seal(s, test_root, &sum, 1, &test_err));
	ok(kvf_store_commit(s, 8, bytes("8"), line(run), &test_err));
	atomic_store(&quit, 1);
	pthread_join(thread, NULL);
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &t, &test_err));
	assert_true(kvf_totals_equal(&t, &sum));
	kvf_store_close(s);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM kvferry.ledger WHERE run = '%s'", run);
	assert_string_equal(ask(sql), "1");
	return conflicts;
}

static void true_conflicts_change_nothing_but_the_time(void **state)
{
	char *value = malloc(2001);
	struct kvf_store *s;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 2000);
	value[2000] = '\0';
	s = open_at(straight, NULL);
	ok(publish_on(s, "base", ENTRIES, "base", 7, "base", &test_err));
	kvf_store_close(s);
	assert_true(load_disturbed("busy", value) > 0);
	free(value);
}

struct rival {
	const char *name;
	unsigned won;
	enum kvf_status st;
};

static void *compete(void *arg)
{
	struct rival *r = arg;
	struct kvf_store *s = NULL;
	struct kvf_err err = { 0 };
	unsigned i;

	for (i = 0; i < 6 && (!r->st || r->st == KVF_EBUSY); i++) {
		r->st = kvf_store_open(straight, KVF_STORE_WRITE, NULL, NULL, &s, &err);
		if (!r->st)
			r->st = publish_on(s, r->name, ENTRIES, r->name, 7, r->name, &err);
		r->won += !r->st;
		kvf_store_close(s);
	}
	return NULL;
}

/* No lock keeps them apart, only the epoch. */
static void of_two_that_run_at_once_each_publishes_whole_or_not_at_all(void **state)
{
	struct rival rival[2] = { { "one", 0, KVF_OK }, { "two", 0, KVF_OK } };
	struct kvf_store *s;
	struct kvf_bytes v;
	pthread_t thread[2];
	char winner[8];
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, compete, &rival[i]), 0);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 2; i++)
		assert_true(rival[i].st == KVF_OK || rival[i].st == KVF_EBUSY);
	assert_true(rival[0].won + rival[1].won > 0);
	s = open_at(straight, NULL);
	ok(kvf_store_get(s, bytes("meta"), bytes("schema/version"), &v, &test_err));
	snprintf(winner, sizeof(winner), "%.*s", (int)v.len, (const char *)v.ptr);
	assert_int_equal(count_live(s, winner), ENTRIES);
	kvf_store_close(s);
}

/* ---- keys -------------------------------------------------------------------------------- */

/* Packages whose keys lie between each other's; every run of keys looks for its own. */
static void a_key_of_two_packages_is_found_wherever_it_is(void **state)
{
	struct kvf_totals sum = { 0, 0, { 0 } };
	struct kvf_store *s = open_at(straight, NULL);
	struct kvf_chunk_info info;
	struct kvf_control c;
	struct kvf_entry e;
	char *value = malloc(3001), prefix[16];
	enum kvf_status st = KVF_OK;
	unsigned i, k;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 3000);
	value[3000] = '\0';
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	for (k = 0; k < 3; k++)
		for (i = 0; i < 20; i++) {
			snprintf(prefix, sizeof(prefix), "%03u.%u/", i, k);
			put_chunk(s, 20 * k + i, "p", prefix, 120, value, &sum);
		}
	ok(kvf_store_flush(s, &test_err));
	memset(&info, 0, sizeof(info));
	info.i = 60;
	e = entry("p", "007.1/000033", "another value");
	kvf_totals_add(&info.totals, &e);
	st = kvf_store_put(s, &e, &test_err);
	if (!st)
		st = kvf_store_chunk(s, &info, &test_err);
	if (!st)
		st = kvf_store_flush(s, &test_err);
	assert_int_equal(st, KVF_ESTREAM);
	assert_non_null(strstr(test_err.message, "007.1/000033"));
	assert_non_null(strstr(test_err.message, "different values"));
	kvf_store_close(s);
	free(value);
}

static void a_value_that_no_message_could_carry_is_refused(void **state)
{
	struct kvf_store *s = open_at(straight, NULL);
	struct kvf_control c;
	struct kvf_entry e = entry("p", "huge", "");
	char *value = calloc(1, 16u << 20);

	(void)state;
	assert_non_null(value);
	e.value = (struct kvf_bytes){ (const uint8_t *)value, 16u << 20 };
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	gives(kvf_store_put(s, &e, &test_err), KVF_EPREFLIGHT);
	assert_non_null(strstr(test_err.message, "huge"));
	kvf_store_close(s);
	free(value);
}

/* ---- what an application sees ---------------------------------------------------------- */

static void the_table_that_is_live_is_named_by_a_view(void **state)
{
	struct kvf_store *s = open_at(straight, NULL);

	(void)state;
	ok(publish_on(s, "one", ENTRIES, "one", 7, "one", &test_err));
	assert_string_equal(
		ask("SELECT version || ' ' || table_schema || '.' || table_name FROM"
		    " kvferry.live"),
		"7 kvferry_g2.kv");
	assert_string_equal(ask("SELECT count(*) FROM kvferry_g2.kv"), "13");
	ok(publish_on(s, "two", ENTRIES, "two", 8, "two", &test_err));
	assert_string_equal(ask("SELECT version || ' ' || table_schema FROM kvferry.live"),
			    "8 kvferry_g3");
	/* The one before is kept, for the way back. */
	assert_string_equal(ask("SELECT count(*) FROM kvferry_g2.kv"), "13");
	kvf_store_close(s);
}

static void a_table_that_was_there_before_keeps_its_name(void **state)
{
	struct kvf_ledger_row row = *line("back");
	struct kvf_totals live;
	struct kvf_control c;
	struct kvf_store *s;
	PGconn *conn = application();

	(void)state;
	PQclear(PQexec(conn, "CREATE TABLE kv (partition_key bytea, key bytea, value bytea,"
			     " PRIMARY KEY (partition_key, key));"
			     "INSERT INTO kv VALUES ('p', 'k', 'v')"));
	PQfinish(conn);
	s = open_at(straight, NULL);
	ok(publish_on(s, "one", ENTRIES, "one", 7, "one", &test_err));
	assert_string_equal(ask("SELECT table_schema FROM kvferry.live"), "kvferry_g2");
	assert_string_equal(ask("SELECT count(*) FROM public.kv"), "1");
	ok(kvf_store_control(s, &c, &test_err));
	ok(kvf_store_totals(s, KVF_SCAN_LIVE, &live, &test_err));
	row.event = "rollback";
	ok(kvf_store_rollback(s, c.epoch, &live, &row, &test_err));
	assert_string_equal(ask("SELECT table_schema || '.' || table_name FROM kvferry.live"),
			    "public.kv");
	assert_int_equal(count_live(s, "v"), 1);
	ok(kvf_store_sweep(s, &test_err));
	assert_string_equal(ask("SELECT count(*) FROM pg_namespace WHERE nspname ~"
				" '^kvferry_g'"),
			    "0");
	assert_string_equal(ask("SELECT count(*) FROM public.kv"), "1");
	kvf_store_close(s);
}

int main(void)
{
#define TEST(f)                                                                                \
	{                                                                                      \
#f, f, set_up, tear_down, NULL                                                 \
	}
	const struct CMUnitTest tests[] = {
		TEST(every_statement_may_give_way_to_another_transaction),
		TEST(every_commit_may_be_refused_or_stay_without_an_answer),
		TEST(every_statement_may_lose_its_connection),
		TEST(the_link_may_be_cut_before_every_message_of_ours),
		TEST(the_link_may_be_cut_within_every_message_of_ours),
		TEST(the_link_may_be_cut_after_every_message_of_ours),
		TEST(the_link_may_be_cut_within_every_message_of_the_server),
		TEST(the_link_may_be_cut_after_every_message_of_the_server),
		TEST(a_server_without_free_connections_is_asked_again),
		TEST(a_table_that_a_lost_session_still_makes_is_waited_for),
		TEST(an_error_that_is_no_conflict_ends_the_run),
		TEST(conflicts_without_end_are_given_up),
		TEST(whoever_is_asked_to_stop_tries_no_more),
		TEST(true_conflicts_change_nothing_but_the_time),
		TEST(of_two_that_run_at_once_each_publishes_whole_or_not_at_all),
		TEST(a_key_of_two_packages_is_found_wherever_it_is),
		TEST(a_value_that_no_message_could_carry_is_refused),
		TEST(the_table_that_is_live_is_named_by_a_view),
		TEST(a_table_that_was_there_before_keeps_its_name),
	};

	if (!getenv("KVF_TEST_POSTGRES")) {
		puts("1..1\nok 1 - no server: pg_cockroach.sh brings one # SKIP");
		return 0;
	}
	if (getenv("KVF_TEST_ONLY"))
		cmocka_set_test_filter(getenv("KVF_TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
