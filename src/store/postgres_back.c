/*
 * postgres_back - the way back of a PostgreSQL store: abort, rollback, cleanup.
 *
 * Each is one transaction that begins by taking the control row and ends with
 * the row of the ledger, so that the ledger tells whether it took effect.
 */
#include "store/postgres.h"

#include "base/failpoint.h"
#include "base/session.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- transactions ------------------------------------------------------------ */

static int at_work(const struct kvf_control *c)
{
	return c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
}

/* The run that is given up may be stopped: it keeps what it has locked.  Nobody acquires
 * the store while we stand in that line. */
static enum kvf_status evict_owner(struct kvf_pgs *s, uint64_t seen, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st =
		kvf_pg_exec(&s->pg, s->conn, "begin to write", err, "%s", s->pg.dialect->lock);

	if (!st)
		st = kvf_pgs_read_control(s, s->conn, &c, err);
	if (st || c.epoch != seen || !at_work(&c))
		return st;
	return kvf_pgs_evict(s, c.stage, err);
}

/*
 * Begin, if the store is as the caller saw it; else there is no transaction.
 * The row is locked as an acquire would: whoever still loads ends first, or is ended
 * where his run is given up.
 */
static enum kvf_status begin(struct kvf_pgs *s, uint64_t seen, int aborts,
			     struct kvf_control *c, struct kvf_err *err)
{
	enum kvf_status st;

	kvf_pgs_stop_loading(s);
	kvf_pgs_rollback(s, s->conn);
	st = kvf_pgs_ready_to_look(s, err);
	if (!st)
		st = kvf_pgs_begin_write(s, &s->pg, s->conn, "BEGIN", KVF_PGS_DURABLE, err);
	/* A process that is stopped in here is not waited for, either. */
	if (!st)
		st = kvf_pgs_brief(s, 0, err);
	if (!st && aborts)
		st = evict_owner(s, seen, err);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "begin to write", err,
				 "SET LOCAL search_path = pg_catalog;"
				 "SELECT 1 FROM kvferry.control WHERE id = 1 FOR UPDATE");
	if (!st)
		st = kvf_pgs_read_control(s, s->conn, c, err);
	if (!st && (c->epoch != seen || !(aborts ? kvf_store_gives_up(c) : !at_work(c))))
		st = kvf_store_held(c, err);
	if (st)
		kvf_pgs_undo(s, "Nothing was changed.", err);
	return st;
}

/* The answer to COMMIT was lost. */
static enum kvf_status find_out(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				enum kvf_status lost, struct kvf_err *err)
{
	struct kvf_control c;
	int made;
	enum kvf_status st = kvf_pgs_find_out(s, row, &c, &made);

	if (!st && made) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	kvf_err_detail(err, st ? "Whether it took effect could not be read."
			       : "Nothing was changed.");
	return lost;
}

/* The last step of all: the ledger's row, and COMMIT. */
static enum kvf_status end(struct kvf_pgs *s, const struct kvf_ledger_row *row, uint64_t seen,
			   enum kvf_status st, struct kvf_err *err)
{
	struct kvf_err local;

	kvf_err_clear(&local);
	if (!err)
		err = &local;
	if (!st)
		st = kvf_pgs_insert_ledger(s, row, err);
	KVF_FAILPOINT(st, err, "postgres.back.written");
	if (st) {
		kvf_pgs_undo(s, "Nothing was changed.", err);
		return st;
	}
	s->base.epoch = seen + 1;
	/* No signal stops us here: the answer is worth waiting for. */
	st = kvf_pgs_end(s, &s->quiet, s->conn, err);
	KVF_FAILPOINT(st, err, "postgres.back.committed");
	if (st && PQstatus(s->conn) != CONNECTION_OK)
		return find_out(s, row, st, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}

enum kvf_status kvf_pgs_abort(struct kvf_store *base, uint64_t seen,
			      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 1, &c, err);

	if (st)
		return st;
	st = kvf_pg_exec(&s->pg, s->conn, "write", err,
			 KVF_PGS_LET_GO "UPDATE kvferry.control SET stage = 0 WHERE id = 1");
	if (!st && c.early)
		st = kvf_pgs_early_end(s, &c, err);
	if (!st)
		st = kvf_pgs_drop_orphans(s, err);
	return end(s, row, seen, st, err);
}

/* ---- marks -------------------------------------------------------------------- */

enum kvf_status kvf_pgs_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			      struct kvf_chunk_info *info, struct kvf_bytes *marks,
			      struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	struct kvf_bytes b;
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready(s, err);

	if (st)
		return st;
	kvf_pg_number(&a, (int64_t)n);
	kvf_pg_number(&a, (int64_t)i);
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT package, chunk, d, entries, bytes, m, marks FROM"
			  " kvferry.progress WHERE gen = (SELECT active FROM kvferry.control)"
			  " AND (package, chunk) >= ($1::int8, $2::int8)"
			  " ORDER BY package, chunk LIMIT 1",
			  &a, "read", &res, err);
	if (st)
		return st;
	st = KVF_EOF;
	if (PQntuples(res) == 1) {
		kvf_pgs_take_chunk(res, info);
		b = kvf_pg_get_bytes(res, 0, 6);
		s->value.len = 0;
		st = kvf_buf_append(&s->value, b.ptr, b.len, err);
		*marks = kvf_buf_bytes(&s->value);
	}
	PQclear(res);
	return st;
}

/* ---- rollback ------------------------------------------------------------------ */

/*
 * Are the live data those that the caller has counted?  That takes its time, and the
 * server ends who is silent so long with the control row locked.  So it comes before the
 * transaction, which then asks whether a row was written since.
 */
static enum kvf_status count_live(struct kvf_pgs *s, uint64_t seen,
				  const struct kvf_totals *live, struct kvf_err *err)
{
	struct kvf_totals now;
	struct kvf_control c;
	enum kvf_status st;

	kvf_pgs_stop_loading(s);
	kvf_pgs_rollback(s, s->conn);
	st = kvf_store_control(&s->base, &c, err);
	if (st || c.epoch != seen) /* begin() says it */
		return st;
	st = kvf_pgs_live_begin(s, err);
	if (!st)
		st = kvf_store_totals(&s->base, KVF_SCAN_LIVE, &now, err);
	if (st || kvf_totals_equal(&now, live))
		return st;
	/* Or has somebody else rolled back meanwhile? */
	st = kvf_store_control(&s->base, &c, err);
	return st || c.epoch != seen ? st : kvf_store_written(live, &now, err);
}

static enum kvf_status check_way_back(struct kvf_pgs *s, const struct kvf_control *c,
				      int64_t live_oid, const struct kvf_totals *live,
				      struct kvf_err *err)
{
	char why[512] = "";
	enum kvf_status st;
	int has, fits;

	if (c->state != KVF_RUN_LIVE || (!c->prev && !c->prev_legacy))
		return kvf_store_no_way_back(c, err);
	st = kvf_pgs_blocker(s, &has, &fits, why, sizeof(why), err);
	if (!st && why[0])
		return kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->pg.name, why);
	if (!st && live_oid)
		st = kvf_pg_exec(&s->pg, s->conn, "lock the live table", err,
				 "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", s->live);
	if (!st)
		st = kvf_pgs_live_check(s, err);
	return st == KVF_EPREFLIGHT ? kvf_store_written(live, live, err) : st;
}

/*
 * What comes under the live name: the previous generation, or an empty table
 * where there was one, or where views or a record need one.
 */
static enum kvf_status put_back(struct kvf_pgs *s, const struct kvf_control *c, int needed,
				struct kvf_err *err)
{
	char schema[KVF_PG_QUOTED];
	enum kvf_status st;
	int64_t oid;
	unsigned n;

	if (c->prev) {
		snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)c->prev);
		st = kvf_pgs_oid(s, s->conn, schema, s->table, &oid, err);
		if (!st && !oid)
			st = kvf_fail(err, KVF_ETARGET,
				      "%s: the table of generation %llu is gone", s->pg.name,
				      (unsigned long long)c->prev);
		return st ? st : kvf_pgs_move(s, oid, s->schema, err);
	}
	if (!needed)
		return KVF_OK;
	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)c->active);
	st = kvf_pgs_oid(s, s->conn, schema, s->table, &oid, err);
	if (!st)
		st = kvf_pgs_count_partitions(s, oid, &n, err);
	kvf_pg_quote(s->schema, schema);
	return st ? st : kvf_pgs_create_table(s, schema, n, "", err);
}

/* The live table gives its name back. */
static enum kvf_status exchange(struct kvf_pgs *s, const struct kvf_control *c, int64_t oid,
				enum kvf_early early, struct kvf_err *err)
{
	PGresult *statements = NULL;
	enum kvf_status st = KVF_OK;
	int needed = early || c->prev_legacy == KVF_PREV_EMPTY;
	char schema[32];

	if (oid) {
		snprintf(schema, sizeof(schema), "kvferry_g%llu",
			 (unsigned long long)c->active);
		st = kvf_pgs_remember(s, oid, &statements, err);
		needed |= !st && PQntuples(statements) > 0;
		if (!st)
			st = kvf_pg_exec(&s->pg, s->conn, "put the live table away", err,
					 "CREATE SCHEMA IF NOT EXISTS %s", schema);
		if (!st)
			st = kvf_pgs_move(s, oid, schema, err);
	}
	if (!st)
		st = put_back(s, c, needed, err);
	if (!st && (c->prev || needed))
		st = kvf_pgs_recall(s, statements, err);
	PQclear(statements);
	return st;
}

static enum kvf_status roll_back(struct kvf_pgs *s, uint64_t seen,
				 const struct kvf_totals *live,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_generation g = { 0 };
	struct kvf_control c;
	int64_t oid;
	enum kvf_status st = count_live(s, seen, live, err);

	if (!st)
		st = begin(s, seen, 0, &c, err);
	if (st)
		return st;
	st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
	if (!st)
		st = check_way_back(s, &c, oid, live, err);
	if (!st)
		st = kvf_pgs_read_generation(s, s->conn, c.active, &g, err);
	if (!st)
		st = exchange(s, &c, oid, kvf_early_after(&c, &g), err);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "write", err,
				 "UPDATE kvferry.control SET active = prev, prev = 0,"
				 " prev_legacy = 0, ver = coalesce((SELECT g.ver FROM"
				 " kvferry.generations g WHERE g.gen = prev), 0)"
				 " WHERE id = 1;" KVF_PGS_LET_GO);
	if (!st)
		st = kvf_pgs_early_again(s, &c, &g, err);
	return end(s, row, seen, st, err);
}

enum kvf_status kvf_pgs_rollback_to_previous(struct kvf_store *base, uint64_t seen,
					     const struct kvf_totals *live,
					     const struct kvf_ledger_row *row,
					     struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = roll_back(s, seen, live, row, err);

	/* Another one may be stopped while it counts. */
	if (st == KVF_ETARGET && err && strcmp(err->code, "55P03") == 0 &&
	    kvf_pg_end_sessions(&s->pg, KVF_SESSION_ROLLBACK)) {
		kvf_err_clear(err);
		st = roll_back(s, seen, live, row, err);
	}
	return st;
}

/* ---- cleaning up ---------------------------------------------------------------- */

enum kvf_status kvf_pgs_sweep(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_control c;
	enum kvf_status st = kvf_store_control(base, &c, err);

	if (!st)
		st = begin(s, c.epoch, 0, &c, err);
	if (st)
		return st;
	st = kvf_pgs_drop_orphans(s, err);
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}

/* Entries of one table that is not live, and its size. */
static enum kvf_status count_table(struct kvf_pgs *s, const char *schema, const char *table,
				   struct kvf_leftovers *l, struct kvf_err *err)
{
	char sql[256 + 2 * KVF_PG_QUOTED], qs[KVF_PG_QUOTED], qt[KVF_PG_QUOTED];
	struct kvf_pg_args a = { 0 };
	int64_t n, size = 0, oid = 0;
	enum kvf_status st;

	kvf_pg_quote(schema, qs);
	kvf_pg_quote(table, qt);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s.%s", qs, qt);
	st = kvf_pg_ask(&s->pg, s->conn, &n, sql, NULL, err);
	if (!st)
		st = kvf_pgs_oid(s, s->conn, schema, table, &oid, err);
	kvf_pg_number(&a, oid);
	if (!st)
		st = kvf_pg_ask(&s->pg, s->conn, &size,
				"SELECT sum(pg_catalog.pg_total_relation_size(o))::int8 FROM"
				" (SELECT $1::int8::oid AS o UNION ALL SELECT inhrelid FROM"
				" pg_catalog.pg_inherits WHERE inhparent = $1::int8::oid) t",
				&a, err);
	if (st)
		return st;
	l->generations++;
	l->entries += (uint64_t)n;
	l->bytes += (uint64_t)size;
	return KVF_OK;
}

enum kvf_status kvf_pgs_left_beside(struct kvf_pgs *s, const struct kvf_control *c,
				    struct kvf_leftovers *l, struct kvf_err *err)
{
	int64_t marks = 0;
	enum kvf_status st =
		kvf_pg_ask(&s->pg, s->conn, &marks,
			   "SELECT sum(length(p.marks))::int8 FROM kvferry.progress p,"
			   " kvferry.control c WHERE p.gen = c.active",
			   NULL, err);

	l->marks = (uint64_t)marks;
	l->way_back = !st && c->state == KVF_RUN_LIVE && (c->prev || c->prev_legacy);
	return st;
}

enum kvf_status kvf_pgs_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				  struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	char schema[64], table[64];
	struct kvf_control c;
	PGresult *res = NULL;
	enum kvf_status st = kvf_pgs_control(base, &c, err);
	int i;

	if (!st)
		st = kvf_pg_query(&s->pg, s->conn,
				  "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN"
				  " pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE"
				  " n.nspname ~ '^kvferry_g[1-9][0-9]{0,17}$' AND"
				  " c.relkind IN ('r', 'p') AND NOT c.relispartition",
				  &none, "read", &res, err);
	for (i = 0; !st && i < PQntuples(res); i++) {
		kvf_pg_get_text(res, i, 0, schema, sizeof(schema));
		kvf_pg_get_text(res, i, 1, table, sizeof(table));
		st = count_table(s, schema, table, l, err);
	}
	PQclear(res);
	return st ? st : kvf_pgs_left_beside(s, &c, l, err);
}

enum kvf_status kvf_pgs_cleanup(struct kvf_store *base, uint64_t seen,
				const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 0, &c, err);

	if (st)
		return st;
	st = kvf_pg_exec(&s->pg, s->conn, "write", err,
			 KVF_PGS_LET_GO "UPDATE kvferry.control SET prev = 0, prev_legacy = 0"
					" WHERE id = 1;"
					"UPDATE kvferry.progress SET marks = ''");
	if (!st)
		st = kvf_pgs_drop_orphans(s, err);
	return end(s, row, seen, st, err);
}

enum kvf_status kvf_pgs_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
			       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 0, &c, err);

	if (st)
		return st;
	if (c.state != KVF_RUN_LIVE)
		st = kvf_store_no_way_back(&c, err);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "write", err,
				 KVF_PGS_LET_GO "UPDATE kvferry.control SET legacy = %d,"
						" prev_legacy = 0 WHERE id = 1",
				 (int)to);
	return end(s, row, seen, st, err);
}
