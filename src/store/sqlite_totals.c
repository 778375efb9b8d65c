/*
 * sqlite_totals - count, bytes and digest of a whole table, as fast as the
 * processors allow: this is how a stage is verified.
 *
 * Totals add up in any order, so the table is cut at sample keys, which loading
 * kept in kvferry_units every few megabytes, and the ranges go to a pool.  A
 * sample that has become stale makes ranges uneven, never wrong.  Every worker
 * has a connection of its own; that all of them see one state of the database
 * is made sure before the first row is read.
 */
#include "store/sqlite.h"

#include "base/hash.h"
#include "par/par.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 16
#define RANGES_MAX 4096

/* From one sample to the next; NULL at the ends of the table. */
struct range {
	const struct kvf_entry *from, *to;
	struct kvf_totals t;
};

struct job {
	struct kvf_lite *s;
	sqlite3 *db[THREADS_MAX];
	unsigned threads; /* connections that are open */
	char table[256];
	struct kvf_generation of;
	struct kvf_arena keys;
	struct kvf_entry *samples;
	struct range *ranges;
	size_t nsamples, nranges;
	atomic_int stop;
};

/* ---- one range ------------------------------------------------------------------ */

static enum kvf_status prepare_range(struct job *j, sqlite3 *db, const struct range *r,
				     sqlite3_stmt **stmt, struct kvf_err *err)
{
	static const char *const where[] = {
		"", "WHERE (partition_key, key) < (?3, ?4)",
		"WHERE (partition_key, key) >= (?1, ?2)",
		"WHERE (partition_key, key) >= (?1, ?2) AND (partition_key, key) < (?3, ?4)"
	};
	enum kvf_status st;

	st = kvf_lite_prepare(j->s, db, stmt, err,
			      "SELECT partition_key, key, value FROM \"%w\" %s", j->table,
			      where[(r->from ? 2 : 0) + (r->to ? 1 : 0)]);
	if (!st && r->from) {
		kvf_lite_bind(*stmt, 1, r->from->part);
		kvf_lite_bind(*stmt, 2, r->from->key);
	}
	if (!st && r->to) {
		kvf_lite_bind(*stmt, 3, r->to->part);
		kvf_lite_bind(*stmt, 4, r->to->key);
	}
	return st;
}

/* Add up one range on one connection. */
static enum kvf_status add_range(void *ctx, unsigned worker, void *item, struct kvf_err *err)
{
	struct job *j = ctx;
	struct range *r = item;
	const struct kvf_bytes part = { j->of.version_part, j->of.version_part_len };
	const struct kvf_bytes key = { j->of.version_key, j->of.version_key_len };
	sqlite3_stmt *stmt;
	struct kvf_entry e;
	enum kvf_status st = prepare_range(j, j->db[worker], r, &stmt, err);
	int rc = SQLITE_DONE;

	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		st = kvf_lite_entry(j->s, stmt, &e, err);
		if (st || kvf_is_record(e.part, e.key, part, key))
			continue;
		kvf_totals_add(&r->t, &e);
		if (r->t.entries % 4096)
			continue;
		/* Alone, we are the thread that may ask; else that one asks for us. */
		if (j->threads == 1)
			st = kvf_store_stopped(&j->s->base, err);
		else if (atomic_load_explicit(&j->stop, memory_order_relaxed))
			st = kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	}
	if (!st && rc != SQLITE_DONE)
		st = kvf_lite_fail(j->s, j->db[worker], "read", err);
	sqlite3_finalize(stmt);
	return st;
}

/* ---- ranges ---------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return kvf_entry_cmp(a, b);
}

/* The sample keys of this generation, ascending. */
static enum kvf_status read_samples(struct job *j, struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st;

	if (!j->of.gen)
		return KVF_OK;
	j->samples = calloc(RANGES_MAX, sizeof(*j->samples));
	if (!j->samples)
		return kvf_fail_nomem(err);
	st = kvf_lite_prepare(
		j->s, j->db[0], &stmt, err,
		"SELECT unit FROM kvferry_units WHERE gen = %lld AND name = 'sample'"
		" AND n %% (SELECT count(*) / %d + 1 FROM kvferry_units WHERE"
		" gen = %lld AND name = 'sample') = 0",
		(long long)j->of.gen, RANGES_MAX, (long long)j->of.gen);
	while (!st && j->nsamples < RANGES_MAX - 1 && sqlite3_step(stmt) == SQLITE_ROW) {
		struct kvf_bytes b = kvf_lite_blob(stmt, 0);
		uint8_t *copy = b.len > 4 ? kvf_arena_alloc(&j->keys, b.len) : NULL;
		struct kvf_entry *e = &j->samples[j->nsamples];
		size_t part = b.len > 4 ? kvf_get_be32(b.ptr) : 0;

		if (b.len > 4 && !copy)
			st = kvf_fail_nomem(err);
		if (!copy || part >= b.len - 4)
			continue; /* damaged: then the cut is elsewhere */
		memcpy(copy, b.ptr, b.len);
		e->part = (struct kvf_bytes){ copy + 4, part };
		e->key = (struct kvf_bytes){ copy + 4 + part, b.len - 4 - part };
		j->nsamples++;
	}
	sqlite3_finalize(stmt);
	qsort(j->samples, j->nsamples, sizeof(*j->samples), by_key);
	return st;
}

static enum kvf_status cut(struct job *j, struct kvf_err *err)
{
	enum kvf_status st = read_samples(j, err);
	size_t i;

	if (st)
		return st;
	j->nranges = j->nsamples + 1;
	j->ranges = calloc(j->nranges, sizeof(*j->ranges));
	if (!j->ranges)
		return kvf_fail_nomem(err);
	for (i = 0; i < j->nsamples; i++)
		j->ranges[i + 1].from = j->ranges[i].to = &j->samples[i];
	return KVF_OK;
}

/* ---- connections that see the same ------------------------------------------------- */

static void close_from(struct job *j, unsigned keep)
{
	while (j->threads > keep)
		sqlite3_close(j->db[--j->threads]);
}

/*
 * Open connections 1 ... threads-1 beside the first.  What another connection
 * committed while they were opened shows in data_version; then they are given
 * up, and one thread does the work.
 */
static enum kvf_status open_more(struct job *j, enum kvf_scan which, unsigned threads,
				 struct kvf_err *err)
{
	struct kvf_lite *s = j->s;
	struct kvf_generation g;
	int64_t before, after;
	char table[256];
	enum kvf_status st;

	st = kvf_lite_number(s, s->db, &before, err, "PRAGMA data_version");
	/* The first one again, so that it too begins after `before`. */
	close_from(j, 0);
	while (!st && j->threads < threads) {
		st = kvf_lite_snapshot(s, which, &j->db[j->threads++], &g, table, sizeof(table),
				       err);
		if (!st && (strcmp(table, j->table) != 0 || g.gen != j->of.gen))
			return kvf_fail(err, KVF_ETARGET,
					"%s: the data were replaced while they were "
					"read",
					s->path);
	}
	if (!st)
		st = kvf_lite_number(s, s->db, &after, err, "PRAGMA data_version");
	if (!st && before != after)
		close_from(j, 1);
	return st;
}

/* Let the pool add up all ranges; this thread asks whether to stop. */
static enum kvf_status run(struct job *j, struct kvf_err *err)
{
	struct kvf_pool *pool;
	enum kvf_status st, stopped;
	size_t i = 0;
	void *done;

	st = kvf_pool_new(j->threads, 4u * j->threads, add_range, j, &pool, err);
	if (st)
		return st;
	while (!st) {
		while (!st && i < j->nranges && !kvf_pool_full(pool))
			st = kvf_pool_submit(pool, &j->ranges[i++], err);
		if (!st)
			st = kvf_pool_take(pool, &done, err);
		stopped = st ? KVF_OK : kvf_store_reading(&j->s->base, err);
		if (stopped)
			st = stopped;
	}
	atomic_store(&j->stop, 1);
	kvf_pool_free(pool, NULL);
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status add_up(struct job *j, enum kvf_scan which, struct kvf_totals *t,
			      struct kvf_err *err)
{
	unsigned threads = kvf_thread_count(j->s->base.env);
	enum kvf_status st = cut(j, err);
	size_t i;

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (threads > j->nranges)
		threads = (unsigned)j->nranges;
	if (!st && threads > 1)
		st = open_more(j, which, threads, err);
	if (!st && j->threads > 1)
		st = run(j, err);
	else
		for (i = 0; i < j->nranges && !st; i++)
			st = add_range(j, 0, &j->ranges[i], err);
	for (i = 0; i < j->nranges && !st; i++)
		kvf_totals_merge(t, &j->ranges[i].t);
	return st;
}

enum kvf_status kvf_lite_totals(struct kvf_store *base, enum kvf_scan which,
				struct kvf_totals *t, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct job *j;
	enum kvf_status st;

	if (!s->db && which == KVF_SCAN_LIVE)
		return KVF_OK;
	if (!s->db)
		return kvf_lite_nothing(s, which, err);
	j = calloc(1, sizeof(*j));
	if (!j)
		return kvf_fail_nomem(err);
	j->s = s;
	kvf_arena_init(&j->keys);
	j->threads = 1;
	st = kvf_lite_snapshot(s, which, &j->db[0], &j->of, j->table, sizeof(j->table), err);
	if (!st && j->table[0])
		st = add_up(j, which, t, err);
	close_from(j, 0);
	kvf_arena_release(&j->keys);
	free(j->samples);
	free(j->ranges);
	free(j);
	return st;
}
