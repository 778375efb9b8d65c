/*
 * postgres_totals - count, bytes and digest of a whole table, as fast as server
 * and processors allow: this is how a stage is verified.
 *
 * Totals add up in any order, so the table is cut into ranges of blocks, and the
 * ranges go to a pool.  Every worker has a connection of its own; all of them
 * see the snapshot that the first one exported.
 */
#include "store/postgres.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks in a range (16 MiB), and the version from which on they can be asked for. */
#define RANGE_BLOCKS 2048
#define TID_RANGES_SINCE 140000
#define JOIN_S 5 /* seconds */

struct range {
	int relation; /* row of `relations` */
	int64_t from, to;
	struct kvf_totals t;
};

struct job {
	struct kvf_pgs *s;
	PGconn *conn[KVF_PGS_READERS];
	unsigned threads;
	PGresult *relations; /* name, blocks */
	const struct kvf_generation *of;
	struct range *ranges;
	size_t nranges;
	char snapshot[KVF_PG_MOMENT];
	atomic_int stop;
};

/* ---- one range ------------------------------------------------------------------ */

static enum kvf_status begin_range(struct job *j, PGconn *conn, const struct kvf_pg *pg,
				   const struct range *r, struct kvf_err *err)
{
	struct kvf_bytes name = kvf_pg_get_bytes(j->relations, r->relation, 0);
	char where[96] = "";

	if (r->to)
		snprintf(where, sizeof(where),
			 " WHERE ctid >= '(%lld,0)' AND ctid < '(%lld,0)'", (long long)r->from,
			 (long long)r->to);
	return kvf_pg_exec(pg, conn, "read", err,
			   "COPY (SELECT partition_key, key, value FROM ONLY %.*s%s) TO STDOUT"
			   " (FORMAT binary)",
			   (int)name.len, (const char *)name.ptr, where);
}

/* Add up one range on one connection. */
static enum kvf_status add_range(void *ctx, unsigned worker, void *item, struct kvf_err *err)
{
	struct job *j = ctx;
	struct range *r = item;
	/* Alone, we are the thread that may ask whether to stop. */
	const struct kvf_pg *pg = j->threads == 1 ? &j->s->pg : &j->s->worker;
	const struct kvf_bytes part = { j->of->version_part, j->of->version_part_len };
	const struct kvf_bytes key = { j->of->version_key, j->of->version_key_len };
	struct kvf_pgs_rows rows = { pg, j->conn[worker], NULL, 0, 0 };
	struct kvf_entry e;
	enum kvf_status st = begin_range(j, j->conn[worker], pg, r, err);

	KVF_FAILPOINT(st, err, "postgres.totals.reading");
	while (!st && !(st = kvf_pgs_rows_next(&rows, &e, err))) {
		if (kvf_is_record(e.part, e.key, part, key))
			continue;
		kvf_totals_add(&r->t, &e);
		if (r->t.entries % 4096)
			continue;
		if (kvf_pg_stopped(pg) || atomic_load_explicit(&j->stop, memory_order_relaxed))
			st = kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	}
	kvf_pgs_rows_release(&rows);
	return st == KVF_EOF ? KVF_OK : st;
}

/* ---- ranges ---------------------------------------------------------------------- */

static enum kvf_status cut(struct job *j, const char *table, struct kvf_err *err)
{
	int ranged = PQserverVersion(j->conn[0]) >= TID_RANGES_SINCE, i, n;
	struct kvf_pg_args a = { 0 };
	enum kvf_status st;
	int64_t at, blocks;
	size_t count = 0;

	kvf_pg_text(&a, table);
	st = kvf_pg_query(&j->s->pg, j->conn[0],
			  "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),"
			  " pg_catalog.pg_relation_size(c.oid) / "
			  "pg_catalog.current_setting('block_size')::int8"
			  " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON"
			  " n.oid = c.relnamespace WHERE c.relkind = 'r' AND "
			  "($1::text::regclass = c.oid OR"
			  " c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE"
			  " inhparent = $1::text::regclass)) ORDER BY c.oid",
			  &a, "read", &j->relations, err);
	if (st)
		return st;
	n = PQntuples(j->relations);
	for (i = 0; i < n; i++)
		count += 1 + (size_t)kvf_pg_get_number(j->relations, i, 1) / RANGE_BLOCKS;
	j->ranges = calloc(count ? count : 1, sizeof(*j->ranges));
	if (!j->ranges)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		blocks = kvf_pg_get_number(j->relations, i, 1);
		for (at = 0; at < blocks && j->nranges < count; at += RANGE_BLOCKS) {
			struct range *r = &j->ranges[j->nranges++];

			r->relation = i;
			r->from = at;
			r->to = ranged ? at + RANGE_BLOCKS : 0;
			if (!ranged)
				break;
		}
	}
	return KVF_OK;
}

/* One that sees what the first one sees.  A pooler may let us wait for what our
 * other connections hold: that is not worth more than a few seconds. */
static enum kvf_status open_reader(struct job *j, PGconn **conn, struct kvf_err *err)
{
	struct kvf_pg pg = j->s->pg;
	enum kvf_status st;

	pg.deadline = kvf_monotonic() + JOIN_S;
	st = kvf_pg_connect(&pg, conn, err);
	if (!st)
		st = kvf_pg_read_at(&pg, *conn, j->snapshot, err);
	if (!st)
		return st;
	PQfinish(*conn);
	*conn = NULL;
	return st;
}

/* Connections beside the first.  Where there are no more to be had, or nothing can
 * be shared, those that are there have to do. */
static enum kvf_status open_readers(struct job *j, unsigned threads, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	struct kvf_err why;
	PGresult *res;
	enum kvf_status st =
		kvf_pg_query(&j->s->pg, j->conn[0], "SELECT pg_catalog.pg_export_snapshot()",
			     &none, "share a snapshot", &res, err);

	if (st)
		return st;
	kvf_pg_get_text(res, 0, 0, j->snapshot, sizeof(j->snapshot));
	PQclear(res);
	while (j->threads < threads && !(st = open_reader(j, &j->conn[j->threads], &why)))
		j->threads++;
	return st ? kvf_store_stopped(&j->s->base, err) : KVF_OK;
}

/* Let the pool add up all ranges; this thread asks whether to stop. */
static enum kvf_status run(struct job *j, struct kvf_err *err)
{
	struct kvf_pool *pool;
	enum kvf_status st;
	size_t i = 0;
	void *done;

	st = kvf_pool_new(j->threads, 4u * j->threads, add_range, j, &pool, err);
	if (st)
		return st;
	while (!st) {
		while (!st && i < j->nranges && !kvf_pool_full(pool))
			st = kvf_pool_submit(pool, &j->ranges[i++], err);
		if (!st)
			kvf_pgs_await(j->s, pool);
		if (!st)
			st = kvf_pool_take(pool, &done, err);
		if (!st)
			st = kvf_store_reading(&j->s->base, err);
	}
	atomic_store(&j->stop, 1);
	kvf_pool_free(pool, NULL);
	atomic_store(&j->s->halt, 0);
	return st == KVF_EOF ? KVF_OK : st;
}

/* Between two ranges a sign of life, for which our own connection has to be free.  Nobody
 * else writes to a stage. */
static enum kvf_status breathe(struct kvf_pgs *s, PGconn *conn, struct kvf_err *err)
{
	int lent = conn == s->conn && s->base.phase == KVF_PHASE_STAGING;
	enum kvf_status st;

	if (lent)
		kvf_pgs_rollback(s, conn);
	st = kvf_store_reading(&s->base, err);
	return st || !lent ? st : kvf_pg_read_at(&s->pg, conn, NULL, err);
}

enum kvf_status kvf_pgs_add_up(struct kvf_pgs *s, PGconn *conn, const char *table,
			       const struct kvf_generation *of, struct kvf_totals *t,
			       struct kvf_err *err)
{
	struct job *j = calloc(1, sizeof(*j));
	unsigned threads = kvf_thread_count(s->base.env);
	enum kvf_status st;
	size_t i;

	if (!j)
		return kvf_fail_nomem(err);
	j->s = s;
	j->of = of;
	j->conn[0] = conn;
	j->threads = 1;
	st = cut(j, table, err);
	if (threads > KVF_PGS_READERS)
		threads = KVF_PGS_READERS;
	if (threads > j->nranges)
		threads = (unsigned)j->nranges;
	if (!st && threads > 1)
		st = open_readers(j, threads, err);
	if (!st && j->threads > 1)
		st = run(j, err);
	else
		for (i = 0; i < j->nranges && !st; i++) {
			st = breathe(s, conn, err);
			if (!st)
				st = add_range(j, 0, &j->ranges[i], err);
		}
	while (j->threads > 1) /* the first one is the caller's */
		PQfinish(j->conn[--j->threads]);
	for (i = 0; i < j->nranges && !st; i++)
		kvf_totals_merge(t, &j->ranges[i].t);
	PQclear(j->relations);
	free(j->ranges);
	free(j);
	return st;
}

enum kvf_status kvf_pgs_totals(struct kvf_store *base, enum kvf_scan which,
			       struct kvf_totals *t, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	char table[2 * KVF_PG_QUOTED];
	struct kvf_generation of;
	PGconn *conn = NULL;
	int open = PQtransactionStatus(s->conn) != PQTRANS_IDLE;
	struct kvf_err why;
	enum kvf_status st = kvf_pg_connect(&s->pg, &conn, &why);

	if (st && kvf_pg_is_full(&why)) { /* our own has to do */
		conn = s->conn;
		st = KVF_OK;
	}
	if (st && err)
		*err = why;
	if (!st)
		st = kvf_pgs_snapshot(s, which, &conn, &of, table, sizeof(table), err);
	if (!st && table[0])
		st = kvf_pgs_add_up(s, conn, table, &of, t, err);
	if (conn != s->conn)
		PQfinish(conn);
	else if (!open)
		kvf_pgs_rollback(s, conn);
	return st;
}
