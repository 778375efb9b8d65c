/*
 * gen_commits - a legacy table of commits, the same for every run.
 *
 *	gen_commits FILE ROWS ordered|random	a database of SQLite
 *	gen_commits - ROWS ordered|random	rows for PostgreSQL's COPY, as text
 *
 * Both orders hold the same rows: "ordered" inserts them by primary key, as a
 * table that was never changed has them, "random" in the order of a hash.
 */
#include <sqlite3.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPOSITORIES 20

struct id {
	uint64_t repo, hash;
};

/* splitmix64: good enough to look like a SHA-256, and the same everywhere. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static int by_key(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	if (x->repo != y->repo)
		return x->repo < y->repo ? -1 : 1;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

static void hex64(char to[65], uint64_t seed, uint64_t first)
{
	snprintf(to, 65, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, first,
		 mix(seed + 1), mix(seed + 2), mix(seed + 3));
}

static const char *const authors[] = { "ada@example.com",      "grace@example.com",
				       "edsger@example.com",   "barbara@example.com",
				       "ci-robot@example.com", "nightly-ingest@example.com" };
static const char *const words[] = { "fix",      "add",    "ingest",    "partition",
				     "table",    "schema", "events",    "nightly",
				     "backfill", "remove", "customers", "orders",
				     "metrics",  "late",   "records",   "merge" };

static void make_message(char *to, size_t size, uint64_t h)
{
	size_t at = 0;
	int i, n = 3 + (int)(h % 5);

	for (i = 0; i < n; i++) {
		h = mix(h);
		at += (size_t)snprintf(to + at, size - at, "%s%s", i ? " " : "", words[h % 16]);
	}
}

struct commit {
	char repo[32], key[65], ref[65], message[128], metadata[160], parents[80];
	const char *author;
	int64_t time; /* microseconds since 1970 */
};

static void make_commit(struct commit *c, const struct id *id)
{
	uint64_t h = mix(id->hash ^ id->repo);
	char parent[65];

	snprintf(c->repo, sizeof(c->repo), "repo-%05" PRIu64, id->repo);
	hex64(c->key, id->hash, id->hash);
	hex64(c->ref, h, mix(h));
	hex64(parent, h + 7, mix(h + 7));
	make_message(c->message, sizeof(c->message), h);
	snprintf(c->metadata, sizeof(c->metadata),
		 "{\"source\":\"s3://lake/%s/%04" PRIu64 "\",\"job\":\"%" PRIu64 "\"}",
		 words[h % 16], h / 16 % 10000, h % 1000003);
	if (h % 10)
		snprintf(c->parents, sizeof(c->parents), "[\"%s\"]", parent);
	else
		snprintf(c->parents, sizeof(c->parents), "[]");
	c->author = authors[h % 6];
	c->time = (int64_t)(1600000000000000u + h % 100000000000000u);
}

static int insert(sqlite3_stmt *stmt, const struct id *id)
{
	struct commit c;
	int rc;

	make_commit(&c, id);
	sqlite3_bind_text(stmt, 1, c.repo, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, c.key, 64, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, c.author, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, c.message, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 5, c.time);
	sqlite3_bind_text(stmt, 6, c.ref, 64, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 7, c.metadata, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 8, c.parents, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE;
}

/* No column has anything that this format would want escaped. */
static int print(const struct id *ids, size_t n)
{
	struct commit c;
	char when[32];
	struct tm tm;
	time_t t;
	size_t i;

	for (i = 0; i < n; i++) {
		make_commit(&c, &ids[i]);
		t = (time_t)(c.time / 1000000);
		gmtime_r(&t, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		printf("%s\t%s\t%s\t%s\t%s.%06d+00\t%s\t%s\t%s\n", c.repo, c.key, c.author,
		       c.message, when, (int)(c.time % 1000000), c.ref, c.metadata, c.parents);
	}
	return !fflush(stdout) && !ferror(stdout);
}

static int fill(sqlite3 *db, const struct id *ids, size_t n)
{
	static const char schema[] =
		"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000;"
		"CREATE TABLE commits (repository_id TEXT NOT NULL, id TEXT NOT NULL,"
		" committer TEXT NOT NULL, message TEXT NOT NULL, creation_date INTEGER NOT "
		"NULL,"
		" meta_range_id TEXT NOT NULL, metadata TEXT, parents TEXT NOT NULL,"
		" PRIMARY KEY (repository_id, id));"
		"BEGIN";
	sqlite3_stmt *stmt = NULL;
	size_t i;

	if (sqlite3_exec(db, schema, NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(db, "INSERT INTO commits VALUES (?,?,?,?,?,?,?,?)", -1, &stmt,
			       NULL))
		return 0;
	for (i = 0; i < n; i++)
		if (!insert(stmt, &ids[i]))
			break;
	sqlite3_finalize(stmt);
	return i == n && !sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

int main(int argc, char **argv)
{
	sqlite3 *db = NULL;
	struct id *ids;
	size_t n, i;
	int ok;

	if (argc != 4 || (strcmp(argv[3], "ordered") != 0 && strcmp(argv[3], "random") != 0)) {
		fprintf(stderr, "usage: gen_commits FILE|- ROWS ordered|random\n");
		return 2;
	}
	n = strtoull(argv[2], NULL, 10);
	ids = calloc(n + 1, sizeof(*ids));
	if (!ids)
		return 1;
	for (i = 0; i < n; i++) {
		ids[i].hash = mix(i);
		ids[i].repo = mix(i + ((uint64_t)1 << 40)) % REPOSITORIES;
	}
	if (strcmp(argv[3], "ordered") == 0)
		qsort(ids, n, sizeof(*ids), by_key);
	if (strcmp(argv[1], "-") == 0) {
		ok = print(ids, n);
		free(ids);
		return ok ? 0 : 1;
	}
	remove(argv[1]);
	ok = !sqlite3_open(argv[1], &db) && fill(db, ids, n);
	if (!ok)
		fprintf(stderr, "gen_commits: %s: %s\n", argv[1], sqlite3_errmsg(db));
	sqlite3_close(db);
	free(ids);
	return ok ? 0 : 1;
}
