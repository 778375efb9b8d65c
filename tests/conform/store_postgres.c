/*
 * What only a PostgreSQL store has: an application beside us in the same
 * database, privileges, partitions.  Needs a server: tests/integration/pg_store.sh
 * starts one and sets KVF_TEST_POSTGRES; else every test is skipped.
 */
#include "../support/stores.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KV                                                                                     \
	"CREATE TABLE kv (partition_key bytea, key bytea, value bytea,"                        \
	" PRIMARY KEY (partition_key, key));"

#define bytes(s) kvf_bytes_str(s)

static PGconn *application(struct place *p)
{
	char text[200];
	PGconn *conn;

	snprintf(text, sizeof(text), "dbname=%s options='-c client_min_messages=error'",
		 p->path);
	conn = PQconnectdb(text);

	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(conn));
	return conn;
}

static void run(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
}

static void sql(struct place *p, const char *text)
{
	PGconn *conn = application(p);

	run(conn, text);
	PQfinish(conn);
}

/* The one value of a query, as text; static. */
static const char *ask(struct place *p, const char *query)
{
	static char text[4096];
	PGconn *conn = application(p);
	PGresult *res = PQexec(conn, query);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", query, PQerrorMessage(conn));
	snprintf(text, sizeof(text), "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	PQfinish(conn);
	return text;
}

static void blocked_because(struct place *p, const char *what)
{
	struct kvf_store *s = open_store(p);
	struct kvf_store_facts f;
	struct kvf_control c;

	ok(kvf_store_inspect(s, &f, &test_err));
	if (!strstr(f.blocker, what))
		fail_msg("\"%s\" should say \"%s\"", f.blocker, what);
	gives(kvf_store_acquire(s, 0, claim("r"), &c, &test_err), KVF_EPREFLIGHT);
	assert_non_null(strstr(test_err.message, what));
	gives(kvf_store_control(s, &c, &test_err), KVF_ENOTFOUND);
	kvf_store_close(s);
}

/* ---- beside an application ---------------------------------------------------------- */

static void views_and_privileges_go_over_to_the_new_table(void **state)
{
	struct place *p = *state;

	sql(p, "DROP ROLE IF EXISTS kvf_reader; CREATE ROLE kvf_reader;" KV
	       "INSERT INTO kv VALUES ('p', 'k', 'v');"
	       "CREATE VIEW kv_v WITH (security_barrier = true) AS SELECT"
	       " convert_from(key, 'UTF8') AS name FROM kv;"
	       "CREATE VIEW on_top AS SELECT count(*) AS n FROM kv_v;"
	       "GRANT SELECT, INSERT ON kv TO kvf_reader; GRANT SELECT ON kv TO PUBLIC;"
	       "GRANT SELECT ON kv_v TO kvf_reader");
	publish(p, "run", 30, "v");
	assert_string_equal(ask(p, "SELECT n FROM on_top"), "31"); /* + version record */
	assert_string_equal(ask(p, "SELECT name FROM kv_v WHERE name LIKE 'b/%' LIMIT 1"),
			    "b/000000");
	assert_string_equal(ask(p, "SELECT reloptions::text FROM pg_class WHERE relname ="
				   " 'kv_v'"),
			    "{security_barrier=true}");
	assert_string_equal(
		ask(p, "SELECT has_table_privilege('kvf_reader', 'kv', 'INSERT')::text ||"
		       " has_table_privilege('kvf_reader', 'kv', 'DELETE')::text ||"
		       " has_table_privilege('kvf_reader', 'kv_v', 'SELECT')::text"),
		"truefalsetrue");
	/* What was there is the previous generation, number 1. */
	assert_string_equal(ask(p, "SELECT count(*) FROM kvferry_g1.kv"), "1");
	assert_string_equal(ask(p, "SELECT prev || ' ' || active FROM kvferry.control"), "1 2");
	sql(p, "DROP OWNED BY kvf_reader; DROP ROLE kvf_reader");
}

static void an_empty_table_gives_way(void **state)
{
	struct place *p = *state;

	sql(p, KV "CREATE VIEW kv_v AS SELECT key FROM kv");
	publish(p, "run", 30, "v");
	assert_string_equal(ask(p, "SELECT count(*) FROM kv_v"), "31");
	assert_string_equal(ask(p, "SELECT count(*) FROM pg_namespace WHERE nspname ~"
				   " '^kvferry_g'"),
			    "0");
}

static void the_application_sees_its_own_record_until_the_commit(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "p", "a/", 40, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	assert_string_equal(ask(p, "SELECT convert_from(partition_key || key || value, 'UTF8')"
				   " FROM kv"),
			    "metaschema/version0");
	ok(kvf_store_commit(s, 3, bytes("1"), line("r"), &test_err));
	assert_string_equal(ask(p, "SELECT count(*) FROM kv"), "41");
	assert_string_equal(ask(p, "SELECT coalesce(reloptions::text, 'none') FROM pg_class"
				   " WHERE oid = 'kv'::regclass"),
			    "none");
	kvf_store_close(s);
}

static void what_a_publication_would_break_is_named_before(void **state)
{
	static const struct {
		const char *sql, *what;
	} cases[] = {
		{ "CREATE VIEW kv AS SELECT 1 AS a", "\"public\".\"kv\" is a view" },
		{ "CREATE MATERIALIZED VIEW kv AS SELECT 1 AS a", "is a materialized view" },
		{ "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w;"
		  " CREATE FOREIGN TABLE kv (partition_key bytea, key bytea, value bytea)"
		  " SERVER w",
		  "is a foreign table" },
		{ "CREATE SEQUENCE kv", "is a sequence" },
		{ "CREATE TABLE kv (key text PRIMARY KEY, value bytea)", "another shape" },
		{ "CREATE TABLE kv (partition_key bytea, key bytea, value bytea)",
		  "another shape" },
		{ "CREATE TYPE kv AS ENUM ('a')", "the name of: type kv; rename" },
		{ "CREATE TABLE t (a int CONSTRAINT kv_pkey PRIMARY KEY)",
		  "the name of: index kv_pkey" },
		{ "CREATE TABLE kv (partition_key bytea, key bytea, value bytea, PRIMARY KEY"
		  " (partition_key, key)) PARTITION BY HASH (partition_key);"
		  "CREATE TABLE other PARTITION OF kv FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
		  "CREATE VIEW kv_0 AS SELECT 1 AS a",
		  "the name of: view kv_0" },
		{ KV "CREATE INDEX by_value ON kv (value)", "index by_value" },
		{ KV
		  "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;"
		  " END'; CREATE TRIGGER watch BEFORE INSERT ON kv FOR EACH ROW EXECUTE"
		  " FUNCTION f()",
		  "trigger watch" },
		{ KV "CREATE MATERIALIZED VIEW m AS SELECT key FROM kv",
		  "materialized view m" },
		{ KV "CREATE TABLE r (p bytea, k bytea, FOREIGN KEY (p, k) REFERENCES kv)",
		  "constraint r_p_k_fkey" },
		{ KV "ALTER TABLE kv ENABLE ROW LEVEL SECURITY", "row-level security" },
		{ KV "ALTER TABLE kv ADD CHECK (length(value) < 9)",
		  "constraint kv_value_check" },
		{ KV "CREATE PUBLICATION feed FOR TABLE kv", "publication feed" },
		{ KV "GRANT SELECT (key) ON kv TO PUBLIC", "privileges on column key" },
		{ KV
		  "CREATE FUNCTION rows() RETURNS SETOF kv LANGUAGE sql AS 'SELECT * FROM kv'",
		  "function rows" },
	};
	struct place *p = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sql(p, cases[i].sql);
		blocked_because(p, cases[i].what);
		sql(p, "DROP PUBLICATION IF EXISTS feed; DROP SCHEMA public CASCADE;"
		       " DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE;"
		       " CREATE SCHEMA public");
	}
}

static void an_index_made_during_a_run_stops_its_commit(void **state)
{
	struct place *p = *state;
	struct kvf_store *s;
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;

	publish(p, "base", 10, "base");
	s = open_store(p);
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "p", "a/", 40, "new", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	sql(p, "CREATE INDEX late ON kv (value)");
	gives(kvf_store_commit(s, 9, bytes("9"), line("r"), &test_err), KVF_ETARGET);
	assert_non_null(strstr(test_err.message, "late"));
	assert_int_equal(count_live(s, "base"), 10);
	kvf_store_close(s);
}

/* ---- privileges ---------------------------------------------------------------------- */

static void every_missing_privilege_is_named_before(void **state)
{
	struct place *p = *state;
	char text[sizeof(p->text)];

	memcpy(text, p->text, sizeof(text));
	sql(p, "DROP ROLE IF EXISTS kvf_poor; CREATE ROLE kvf_poor LOGIN;" KV
	       "CREATE VIEW kv_v AS SELECT key FROM kv; GRANT SELECT ON kv TO kvf_poor");
	snprintf(p->text, sizeof(p->text), "dbname=%s user=kvf_poor", p->path);
	blocked_because(p, "CREATE on database");
	blocked_because(p, "CREATE on schema public");
	blocked_because(p, "ownership of table public.kv");
	blocked_because(p, "ownership of view public.kv_v");
	memcpy(p->text, text, sizeof(text));
	sql(p, "GRANT CREATE ON SCHEMA public TO kvf_poor; ALTER VIEW kv_v OWNER TO kvf_poor;"
	       " ALTER TABLE kv OWNER TO kvf_poor; DO 'BEGIN EXECUTE format(''GRANT CREATE ON"
	       " DATABASE %I TO kvf_poor'', current_database()); END'");
	snprintf(p->text, sizeof(p->text), "dbname=%s user=kvf_poor", p->path);
	publish(p, "rich", 10, "v"); /* these, and no others, are enough */
	memcpy(p->text, text, sizeof(text));
	sql(p, "DROP OWNED BY kvf_poor CASCADE; DROP ROLE kvf_poor");
}

static void a_read_only_server_is_refused(void **state)
{
	struct place *p = *state;
	char text[sizeof(p->text)];

	memcpy(text, p->text, sizeof(text));
	snprintf(p->text, sizeof(p->text),
		 "dbname=%s options='-c default_transaction_read_only=on'", p->path);
	blocked_because(p, "read-only");
	memcpy(p->text, text, sizeof(text));
}

/* ---- keys and partitions -------------------------------------------------------------- */

static void a_key_that_cannot_be_indexed_is_named(void **state)
{
	struct place *p = *state;
	char key[2800];
	struct kvf_control c;
	struct kvf_chunk_info info;
	struct kvf_totals t;
	size_t i, len;

	for (i = 0; i < sizeof(key); i++) /* without a pattern to compress */
		key[i] = (char)((i * 2654435761u) >> 11 ^ (i * i * 40503u) >> 7);
	for (len = 2680; len < 2710; len++) {
		struct kvf_store *s = open_store(p);
		struct kvf_entry e = entry("part", "", "v");
		enum kvf_status st;

		e.key = (struct kvf_bytes){ (const uint8_t *)key, len };
		acquire(s, "r", &c);
		ok(kvf_store_stage(s, 0, &test_err));
		st = kvf_store_put(s, &e, &test_err);
		if (st) {
			assert_int_equal(st, KVF_EPREFLIGHT);
			assert_non_null(strstr(test_err.message, "hex:"));
			assert_true(len > 2684); /* not refused for nothing */
			kvf_store_close(s);
			break;
		}
		memset(&info, 0, sizeof(info));
		kvf_totals_add(&info.totals, &e);
		ok(kvf_store_chunk(s, &info, &test_err));
		ok(kvf_store_flush(s, &test_err)); /* what put lets in goes in */
		ok(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err));
		assert_true(kvf_totals_equal(&t, &info.totals));
		kvf_store_close(s);
	}
	assert_true(len < 2710);
}

static void partitions_have_their_final_names(void **state)
{
	const struct kvf_store_options options = { .table = "store.items", .partitions = 3 };
	struct place *p = *state;
	struct kvf_store *s;
	int i;

	sql(p, "CREATE SCHEMA store");
	for (i = 0; i < 3; i++) { /* the second and the third as they are */
		ok(kvf_store_open(p->text, KVF_STORE_WRITE, i ? NULL : &options, NULL, &s,
				  &test_err));
		ok(publish_on(s, "run", 60, "v", 7, "1", &test_err));
		assert_int_equal(count_live(s, "v"), 60);
		kvf_store_close(s);
		assert_string_equal(
			ask(p,
			    "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY"
			    " inhrelid::regclass::text) FROM pg_inherits WHERE inhparent ="
			    " 'store.items'::regclass AND inhrelid::regclass::text ~ 's_.$'"),
			"store.items_0 store.items_1 store.items_2");
		assert_string_equal(
			ask(p, "SELECT string_agg(indexrelid::regclass || ' of ' ||"
			       " indrelid::regclass, ', ' ORDER BY indexrelid::regclass::text)"
			       " FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE"
			       " relnamespace = 'store'::regnamespace"),
			"store.items_0_pkey of store.items_0, store.items_1_pkey of "
			"store.items_1, store.items_2_pkey of store.items_2, "
			"store.items_pkey of store.items");
	}
	assert_string_equal(ask(p, "SELECT pg_get_partkeydef('store.items'::regclass)"),
			    "HASH (partition_key)");
}

static void totals_are_the_same_for_any_number_of_threads(void **state)
{
	struct place *p = *state;
	struct kvf_totals want = { 0, 0, { 0 } }, t;
	struct kvf_store *s = open_store(p);
	struct kvf_control c;
	struct kvf_env env;
	char *value = malloc(3001);
	uint64_t i;
	unsigned n;

	assert_non_null(value);
	memset(value, 'v', 3000);
	value[3000] = '\0';
	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	for (i = 0; i < 30; i++) {
		char prefix[8];

		snprintf(prefix, sizeof(prefix), "%02d/", (int)i);
		put_chunk(s, i, "p", prefix, 1000, value, &want);
	}
	ok(kvf_store_flush(s, &test_err));
	kvf_store_close(s);
	for (n = 1; n < 5; n++) {
		memset(&env, 0, sizeof(env));
		env.threads = n;
		ok(kvf_store_open(p->text, KVF_STORE_READ, NULL, &env, &s, &test_err));
		ok(kvf_store_totals(s, KVF_SCAN_STAGE, &t, &test_err));
		assert_true(kvf_totals_equal(&t, &want));
		kvf_store_close(s);
	}
	free(value);
}

static void the_database_itself_refuses_a_changed_ledger(void **state)
{
	struct place *p = *state;
	static const char *const changes[] = { "UPDATE kvferry.ledger SET run = 'x'",
					       "DELETE FROM kvferry.ledger",
					       "TRUNCATE kvferry.ledger",
					       "UPDATE kvferry.control SET state = 'HALF'" };
	PGconn *conn;
	size_t i;

	publish(p, "run", 10, "v");
	conn = application(p);
	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		PGresult *res = PQexec(conn, changes[i]);

		assert_int_equal(PQresultStatus(res), PGRES_FATAL_ERROR);
		PQclear(res);
	}
	PQfinish(conn);
}

/* ---- a commit without an answer ---------------------------------------------------------- */

/* In a process of its own: end the session whose commit waits for a standby that
 * does not exist.  The commit has taken effect on the server by then. */
static void end_the_waiting_session(struct place *p)
{
	PGconn *conn = application(p);
	int tries, ended = 0;

	for (tries = 0; tries < 400 && !ended; tries++) {
		PGresult *res = PQexec(conn, "SELECT pg_terminate_backend(pid) FROM"
					     " pg_stat_activity WHERE wait_event = 'SyncRep'");

		ended = PQntuples(res) > 0;
		PQclear(res);
		usleep(25000);
	}
	PQclear(PQexec(conn, "ALTER SYSTEM RESET synchronous_standby_names"));
	PQclear(PQexec(conn, "SELECT pg_reload_conf()"));
	PQfinish(conn);
	_exit(ended ? 0 : 1);
}

static void a_commit_whose_answer_was_lost_is_looked_up(void **state)
{
	struct place *p = *state;
	struct kvf_store *s = open_store(p);
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_control c;
	int status, tries;
	pid_t child;

	acquire(s, "r", &c);
	ok(kvf_store_stage(s, 0, &test_err));
	put_chunk(s, 0, "p", "a/", 40, "v", &t);
	ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
	sql(p, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	sql(p, "SELECT pg_reload_conf()");
	for (tries = 0;
	     tries < 200 && strcmp(ask(p, "SHOW synchronous_standby_names"), "nobody") != 0;
	     tries++)
		usleep(25000);
	usleep(200000); /* the session of `s` has the setting as well */
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		end_the_waiting_session(p);
	ok(kvf_store_commit(s, 3, bytes("1"), line("r"), &test_err));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0); /* it was ended, and not answered */
	assert_int_equal(count_live(s, "v"), 40);
	ok(kvf_store_gc(s, &test_err));
	kvf_store_close(s);
}

static void a_lost_connection_ends_the_run_and_the_next_one_succeeds(void **state)
{
	struct place *p = *state;
	int step;

	publish(p, "base", 10, "base");
	for (step = 0; step < 4; step++) {
		struct kvf_store *s = open_store(p);
		struct kvf_totals t = { 0, 0, { 0 } };
		struct kvf_control c;
		enum kvf_status st = KVF_OK;

		acquire(s, "lost", &c);
		if (step > 0)
			ok(kvf_store_stage(s, 0, &test_err));
		if (step > 1)
			put_chunk(s, 0, "p", "a/", 40, "half", &t);
		if (step > 2)
			ok(kvf_store_seal(s, test_root, &t, 1, &test_err));
		sql(p, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
		       " application_name = 'kvferry' AND datname = current_database()");
		if (step == 0)
			st = kvf_store_stage(s, 0, &test_err);
		else if (step < 3)
			st = kvf_store_seal(s, test_root, &t, 1, &test_err);
		else
			st = kvf_store_commit(s, 8, bytes("2"), line("r"), &test_err);
		assert_int_equal(st, KVF_ETARGET);
		assert_true(test_err.code[0] != '\0');
		kvf_store_note_failure(s, "lost");
		ok(kvf_store_control(s, &c, &test_err)); /* on a new connection */
		assert_string_equal(c.why, "lost");
		assert_int_equal(count_live(s, "base"), 10);
		kvf_store_close(s);
	}
	publish(p, "after", 20, "after");
	assert_string_equal(ask(p, "SELECT count(*) FROM kv"), "21");
}

static void all_that_kvferry_made_can_be_removed(void **state)
{
	struct place *p = *state;

	publish(p, "first", 10, "first");
	publish(p, "second", 20, "second");
	sql(p, "DROP SCHEMA kvferry CASCADE; DROP SCHEMA kvferry_g2 CASCADE");
	assert_string_equal(ask(p, "SELECT count(*) FROM pg_namespace WHERE nspname ~"
				   " '^kvferry'"),
			    "0");
	assert_string_equal(ask(p, "SELECT count(*) FROM kv"), "21");
	publish(p, "third", 30, "third"); /* what is there becomes generation 1 */
	assert_string_equal(ask(p, "SELECT count(*) FROM kvferry_g1.kv"), "21");
}

/* ---- connection strings ----------------------------------------------------------------- */

static void a_password_is_never_printed(void **state)
{
	static const char *const places[] = {
		"postgresql://someone:hunter2@/nothere",
		"postgresql://someone:hunter2/x@localhost/db",
		"postgresql://someone:hunter2@localhost:port/db",
		"host=/nowhere password=hunter2 nonsense",
		"dbname=nothere password=hunter2",
	};
	struct place *p = *state;
	struct kvf_store *s;
	size_t i;

	(void)p;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memset(&test_err, 0, sizeof(test_err));
		assert_int_not_equal(
			kvf_store_open(places[i], KVF_STORE_READ, NULL, NULL, &s, &test_err),
			0);
		if (strstr(test_err.message, "hunter") || strstr(test_err.detail, "hunter") ||
		    strstr(test_err.hint, "hunter"))
			fail_msg("%s: %s", places[i], test_err.message);
		assert_null(strchr(test_err.message, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(views_and_privileges_go_over_to_the_new_table),
		STORE_TEST(an_empty_table_gives_way),
		STORE_TEST(the_application_sees_its_own_record_until_the_commit),
		STORE_TEST(what_a_publication_would_break_is_named_before),
		STORE_TEST(an_index_made_during_a_run_stops_its_commit),
		STORE_TEST(every_missing_privilege_is_named_before),
		STORE_TEST(a_read_only_server_is_refused),
		STORE_TEST(a_key_that_cannot_be_indexed_is_named),
		STORE_TEST(partitions_have_their_final_names),
		STORE_TEST(totals_are_the_same_for_any_number_of_threads),
		STORE_TEST(the_database_itself_refuses_a_changed_ledger),
		STORE_TEST(a_commit_whose_answer_was_lost_is_looked_up),
		STORE_TEST(a_lost_connection_ends_the_run_and_the_next_one_succeeds),
		STORE_TEST(all_that_kvferry_made_can_be_removed),
		STORE_TEST(a_password_is_never_printed),
	};

	if (!getenv("KVF_TEST_POSTGRES")) {
		puts("1..1\nok 1 - no server: pg_store.sh brings one # SKIP");
		return 0;
	}
	return run_on_postgres(tests, sizeof(tests) / sizeof(tests[0]));
}
