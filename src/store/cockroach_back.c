/*
 * cockroach_back - the way back by the rules of CockroachDB: abort, rollback,
 * cleanup.
 *
 * Each is one transaction that changes rows: it takes the control row, compares
 * what the caller has seen, and ends with the row of the ledger, which tells
 * whether it took effect.  Tables that nobody needs any more are dropped after
 * it; where that fails, the next run or cleanup does it.
 */
#include "store/cockroach.h"

#include <stdio.h>
#include <string.h>

struct change {
	uint64_t seen;
	int aborts;      /* a run is under way, or a freeze; else none may be */
	int must_live;   /* what is live has to be kvferry's */
	int way_back;    /* and there has to be something before it */
	const char *sql; /* statements without arguments */
	const struct kvf_generation *was; /* ... that was live, by a rollback */
	const struct kvf_ledger_row *row;
};

static enum kvf_status make(struct kvf_pgs *s, PGconn *conn, void *ctx, struct kvf_err *err)
{
	const struct change *ch = ctx;
	struct kvf_control c;
	int working;
	enum kvf_status st =
		kvf_pg_exec(&s->pg, conn, "begin to write", err,
			    "SELECT 1 FROM kvferry.control WHERE id = 1 FOR UPDATE");

	if (!st)
		st = kvf_pgs_read_control(s, conn, &c, err);
	if (st)
		return st;
	working = c.state == KVF_RUN_STAGING || c.state == KVF_RUN_SEALED;
	if (c.epoch != ch->seen || (ch->aborts ? !kvf_store_gives_up(&c) : working))
		return kvf_store_held(&c, err);
	if ((ch->must_live && c.state != KVF_RUN_LIVE) ||
	    (ch->way_back && !c.prev && !c.prev_legacy))
		return kvf_store_no_way_back(&c, err);
	st = kvf_pg_exec(&s->pg, conn, "write", err, "%s", ch->sql);
	if (!st && ch->aborts && c.early)
		st = kvf_pgs_early_end(s, &c, err);
	if (!st && ch->was)
		st = kvf_pgs_early_again(s, &c, ch->was, err);
	return st ? st : kvf_pgs_insert_ledger(s, ch->row, err);
}

/* As long as the old session may still commit, it holds the row, and we wait. */
static enum kvf_status is_made(struct kvf_pgs *s, PGconn *conn, void *ctx, int *yes,
			       struct kvf_err *err)
{
	const struct change *ch = ctx;
	struct kvf_pg_args a = { 0 };
	int64_t n = 0;
	enum kvf_status st =
		kvf_pg_exec(&s->quiet, conn, "read", err,
			    "SELECT 1 FROM kvferry.control WHERE id = 1 FOR UPDATE");

	kvf_pg_text(&a, ch->row->run);
	kvf_pg_text(&a, ch->row->event);
	if (!st)
		st = kvf_pg_ask(&s->quiet, conn, &n,
				"SELECT count(*) FROM kvferry.ledger WHERE run = $1 AND"
				" event = $2",
				&a, err);
	*yes = !st && n != 0;
	return st;
}

/* Give up what the handle has under way, and make the change. */
static enum kvf_status change(struct kvf_pgs *s, struct change *ch, struct kvf_err *err)
{
	const struct kvf_roach_work w = { .pg = &s->pg,
					  .conn = &s->conn,
					  .bare = 1,
					  .run = make,
					  .happened = is_made,
					  .ctx = ch };
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	kvf_roach_give_up(s, KVF_OK);
	st = kvf_roach_transact(s, &w, err);
	kvf_roach_report(s);
	if (!st)
		s->base.epoch = ch->seen + 1;
	else if (kvf_pg_is_unknown(err))
		kvf_err_detail(err, "Whether it took effect could not be read.");
	else if (!err->detail[0])
		kvf_err_detail(err, "Nothing was changed.");
	return st;
}

/* It took effect; tables that are left over harm nobody. */
static enum kvf_status sweep_after(struct kvf_pgs *s, enum kvf_status st)
{
	struct kvf_err err = { 0 };

	if (!st && kvf_roach_drop_orphans(s, &err) && s->base.env && s->base.env->log)
		s->base.env->log(s->base.env->ctx, KVF_LOG_WARN, err.message);
	return st;
}

enum kvf_status kvf_roach_abort(struct kvf_store *base, uint64_t seen,
				const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct change ch = { .seen = seen,
			     .aborts = 1,
			     .sql = KVF_PGS_LET_GO
			     "UPDATE kvferry.control SET stage = 0 WHERE id = 1",
			     .row = row };
	struct kvf_pgs *s = (struct kvf_pgs *)base;

	return sweep_after(s, change(s, &ch, err));
}

enum kvf_status kvf_roach_rollback(struct kvf_store *base, uint64_t seen,
				   const struct kvf_totals *live,
				   const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct change ch = { .seen = seen,
			     .must_live = 1,
			     .way_back = 1,
			     .sql = "UPDATE kvferry.control SET active = prev, prev = 0,"
				    " prev_legacy = 0, ver = coalesce((SELECT g.ver FROM"
				    " kvferry.generations g WHERE g.gen = prev), 0)"
				    " WHERE id = 1;" KVF_PGS_LET_GO,
			     .row = row };
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_generation g = { 0 };
	struct kvf_control c;
	struct kvf_totals now;
	enum kvf_status st = kvf_store_totals(base, KVF_SCAN_LIVE, &now, err);

	if (!st && !kvf_totals_equal(&now, live))
		st = kvf_store_written(live, &now, err);
	if (!st)
		st = kvf_pgs_control(base, &c, err);
	if (!st && c.active && c.epoch == seen) {
		st = kvf_pgs_read_generation(s, s->conn, c.active, &g, err);
		ch.was = &g;
	}
	if (!st && ch.was && kvf_early_after(&c, &g) == KVF_EARLY_TABLE)
		st = kvf_roach_create_generation(s, seen + 1, err);
	return st ? st : change(s, &ch, err);
}

enum kvf_status kvf_roach_cleanup(struct kvf_store *base, uint64_t seen,
				  const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct change ch = { .seen = seen,
			     .sql = KVF_PGS_LET_GO
			     "UPDATE kvferry.control SET prev = 0, prev_legacy = 0"
			     " WHERE id = 1;"
			     "UPDATE kvferry.progress SET marks = ''",
			     .row = row };
	struct kvf_pgs *s = (struct kvf_pgs *)base;

	return sweep_after(s, change(s, &ch, err));
}

enum kvf_status kvf_roach_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct change ch = { .seen = seen, .must_live = 1, .row = row };
	char sql[sizeof(KVF_PGS_LET_GO) + 128];

	snprintf(sql, sizeof(sql),
		 "%sUPDATE kvferry.control SET legacy = %d, prev_legacy = 0 WHERE id = 1",
		 KVF_PGS_LET_GO, (int)to);
	ch.sql = sql;
	return change((struct kvf_pgs *)base, &ch, err);
}

/* ---- what is left over ----------------------------------------------------------------- */

enum kvf_status kvf_roach_sweep(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_control c;
	enum kvf_status st;

	kvf_roach_give_up(s, KVF_OK);
	st = kvf_pgs_control(base, &c, err);
	if (!st && (c.state == KVF_RUN_STAGING || c.state == KVF_RUN_SEALED))
		st = kvf_store_held(&c, err);
	if (st)
		return st;
	base->epoch = c.epoch;
	return kvf_roach_drop_orphans(s, err);
}

/* Entries of a generation that is not live; nobody tells what they take. */
static enum kvf_status count_table(struct kvf_pgs *s, const char *schema, const char *table,
				   struct kvf_leftovers *l, struct kvf_err *err)
{
	char sql[256 + KVF_PG_QUOTED], quoted[KVF_PG_QUOTED];
	int64_t n = 0;
	enum kvf_status st;

	kvf_pg_quote(table, quoted);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %.64s.%s", schema, quoted);
	st = kvf_pg_ask(&s->pg, s->conn, &n, sql, NULL, err);
	l->generations++;
	l->entries += (uint64_t)n;
	l->bytes = UINT64_MAX;
	return st;
}

enum kvf_status kvf_roach_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				    struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	char schema[64], table[64];
	struct kvf_control c;
	PGresult *res = NULL;
	enum kvf_status st = kvf_pgs_control(base, &c, err);
	int i;

	if (!st)
		st = kvf_roach_list(s, &res, err);
	for (i = 0; !st && i < PQntuples(res); i++) {
		kvf_pg_get_text(res, i, 0, schema, sizeof(schema));
		kvf_pg_get_text(res, i, 1, table, sizeof(table));
		if (*table && kvf_roach_number(schema) && kvf_roach_number(schema) != c.active)
			st = count_table(s, schema, table, l, err);
	}
	PQclear(res);
	return st ? st : kvf_pgs_left_beside(s, &c, l, err);
}
