/* stores - see the header. */
#include "stores.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- drivers under test ------------------------------------------------------ */

static void sqlite_make(struct place *p)
{
	snprintf(p->folder, sizeof(p->folder), "/tmp/kvf-store.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->path, sizeof(p->path), "%s/store.db", p->folder);
	snprintf(p->text, sizeof(p->text), "sqlite:%s", p->path);
}

/* The same in a database that an application has put into WAL mode. */
static void wal_make(struct place *p)
{
	sqlite3 *db;

	sqlite_make(p);
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE legacy (a)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
}

static enum kvf_status place_open(struct place *p, enum kvf_store_mode mode,
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

/*
 * PostgreSQL: a database per place, on the server that the PG* variables name;
 * tests/integration/pg_store.sh starts one and sets KVF_TEST_POSTGRES.
 */
static void administer(const char *before, const char *name, const char *after)
{
	PGconn *conn = PQconnectdb("dbname=postgres");
	char sql[200];
	PGresult *res;

	snprintf(sql, sizeof(sql), "%s %s %s", before, name, after);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
	PQfinish(conn);
}

static void postgres_make(struct place *p)
{
	static int n;

	snprintf(p->path, sizeof(p->path), "kvf_%d_%d", (int)getpid(), n++);
	snprintf(p->text, sizeof(p->text), "dbname=%s", p->path);
	administer("CREATE DATABASE", p->path, "");
}

static enum kvf_status partitioned_open(struct place *p, enum kvf_store_mode mode,
					struct kvf_store **s, struct kvf_err *err)
{
	const struct kvf_store_options options = { .partitions = 5 };

	return kvf_store_open(p->text, mode, &options, NULL, s, err);
}

/* The same server by the rules of CockroachDB. */
static void cockroach_make(struct place *p)
{
	postgres_make(p);
	snprintf(p->text, sizeof(p->text), "cockroachdb:dbname=%s", p->path);
}

static void postgres_destroy(struct place *p)
{
	administer("DROP DATABASE", p->path, "WITH (FORCE)");
}

const struct store_driver store_drivers[] = {
	{ "sqlite", 1, sqlite_make, place_open, sqlite_destroy },
	{ "sqlite-wal", 1, wal_make, place_open, sqlite_destroy },
	{ "memory", 1, memory_make, memory_open, memory_destroy },
};

const size_t store_ndrivers = sizeof(store_drivers) / sizeof(store_drivers[0]);

const struct store_driver postgres_drivers[] = {
	{ "postgres", 1, postgres_make, place_open, postgres_destroy },
	{ "postgres-partitioned", 1, postgres_make, partitioned_open, postgres_destroy },
	{ "cockroach", 1, cockroach_make, place_open, postgres_destroy },
};

const size_t postgres_ndrivers = sizeof(postgres_drivers) / sizeof(postgres_drivers[0]);

/* ---- steps ------------------------------------------------------------------- */

struct kvf_err test_err;

struct kvf_store *open_store(struct place *p)
{
	struct kvf_store *s = NULL;

	ok(p->driver->open(p, KVF_STORE_WRITE, &s, &test_err));
	return s;
}

struct kvf_entry entry(const char *part, const char *key, const char *value)
{
	struct kvf_entry e = { kvf_bytes_str(part), kvf_bytes_str(key), kvf_bytes_str(value) };

	return e;
}

struct kvf_claim *claim(const char *run)
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
	c.version_part = kvf_bytes_str("meta");
	c.version_key = kvf_bytes_str("schema/version");
	c.version_started = kvf_bytes_str("0");
	return &c;
}

void acquire(struct kvf_store *s, const char *run, struct kvf_control *c)
{
	struct kvf_claim *mine = claim(run);
	struct kvf_control seen;
	enum kvf_status st = kvf_store_control(s, &seen, &test_err);

	if (st != KVF_ENOTFOUND)
		ok(st);
	mine->active = seen.active;
	ok(kvf_store_acquire(s, st ? 0 : seen.epoch, mine, c, &test_err));
}

void put_chunk(struct kvf_store *s, uint64_t i, const char *part, const char *prefix,
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
		ok(kvf_store_put(s, &e, &test_err));
		kvf_totals_add(&info.totals, &e);
	}
	ok(kvf_store_chunk(s, &info, &test_err));
	kvf_totals_merge(sum, &info.totals);
}

const uint8_t test_root[32] = { 1, 2, 3 };

const struct kvf_ledger_row *line(const char *run)
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

enum kvf_status publish_on(struct kvf_store *s, const char *run, unsigned n, const char *value,
			   uint64_t schema, const char *done, struct kvf_err *err)
{
	const char *const prefix[2] = { "a/", "b/" };
	struct kvf_totals t = { 0, 0, { 0 } };
	struct kvf_claim *mine = claim(run);
	struct kvf_control c;
	enum kvf_status st = kvf_store_control(s, &c, err);
	unsigned chunk, k;

	if (st && st != KVF_ENOTFOUND)
		return st;
	mine->active = c.active;
	st = kvf_store_acquire(s, c.epoch, mine, &c, err);
	if (!st)
		st = kvf_store_stage(s, 0, err);
	if (!st)
		st = kvf_store_keep_unit(s, "head", 0, kvf_bytes_str(run), err);
	for (chunk = 0; chunk < 2 && !st; chunk++) {
		struct kvf_chunk_info info;
		char key[64];

		memset(&info, 0, sizeof(info));
		info.i = chunk;
		for (k = 0; k < n / 2 && !st; k++) {
			struct kvf_entry e;

			snprintf(key, sizeof(key), "%s%06u", prefix[chunk], k);
			e = entry("resources", key, value);
			st = kvf_store_put(s, &e, err);
			kvf_totals_add(&info.totals, &e);
		}
		if (!st)
			st = kvf_store_chunk(s, &info, err);
		if (!st)
			st = kvf_store_flush(s, err);
		kvf_totals_merge(&t, &info.totals);
	}
	if (!st)
		st = kvf_store_seal(s, test_root, &t, 1, err);
	if (!st)
		st = kvf_store_commit(s, schema, kvf_bytes_str(done), line(run), err);
	return st ? st : kvf_store_gc(s, err);
}

void publish(struct place *p, const char *run, unsigned n, const char *value)
{
	struct kvf_store *s = open_store(p);

	ok(publish_on(s, run, n, value, 7, "1", &test_err));
	kvf_store_close(s);
}

uint64_t count_live(struct kvf_store *s, const char *value)
{
	struct kvf_cursor *c;
	struct kvf_entry e, last;
	enum kvf_status st;
	uint64_t n = 0;
	char part[64], key[64];

	memset(&last, 0, sizeof(last));
	ok(kvf_store_scan(s, KVF_SCAN_LIVE, NULL, &c, &test_err));
	while (!(st = kvf_cursor_next(c, &e, &test_err))) {
		if (n++)
			assert_true(kvf_entry_cmp(&last, &e) < 0);
		if (value)
			assert_int_equal(kvf_bytes_cmp(e.value, kvf_bytes_str(value)), 0);
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

/* ---- groups ------------------------------------------------------------------- */

/* Which driver the running group is about. */
static const struct store_driver *current = &store_drivers[0];

int store_set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->driver = current;
	p->driver->make(p);
	*state = p;
	return 0;
}

int store_tear_down(void **state)
{
	struct place *p = *state;

	p->driver->destroy(p);
	free(p);
	return 0;
}

int run_on_every_store(const struct CMUnitTest *tests, size_t n)
{
	const int server = getenv("KVF_TEST_POSTGRES") != NULL;
	const struct store_driver *drivers = server ? postgres_drivers : store_drivers;
	size_t i, ndrivers = server ? postgres_ndrivers : store_ndrivers;
	int failed = 0;

	for (i = 0; i < ndrivers; i++) {
		current = &drivers[i];
		failed += _cmocka_run_group_tests(current->name, tests, n, NULL, NULL);
	}
	return failed != 0;
}

int run_on_postgres(const struct CMUnitTest *tests, size_t n)
{
	current = &postgres_drivers[0];
	return _cmocka_run_group_tests(current->name, tests, n, NULL, NULL) != 0;
}
