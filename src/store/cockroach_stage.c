/*
 * cockroach_stage - acquire a store and make its stage, by the rules of
 * CockroachDB.
 *
 * Tables are made before the transaction that fills them, each by a statement of
 * its own that does nothing where the table is there: whoever is overtaken on the
 * way leaves at most an empty table behind, which the next run finds.
 */
#include "store/cockroach.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Two that begin at once with an empty store: the other made a table first, or has
 * published and dropped it already.  A next look says who was quicker. */
static int is_race(const struct kvf_err *err)
{
	return kvf_roach_is_made(err) || strcmp(err->code, "42P01") == 0 ||
	       strcmp(err->code, "3F000") == 0;
}

enum kvf_status kvf_roach_give_up(struct kvf_pgs *s, enum kvf_status st)
{
	kvf_pgs_stop_loading(s);
	kvf_pgs_rollback(s, s->conn);
	kvf_roach_report(s);
	return st;
}

/* ---- acquire ------------------------------------------------------------------------- */

/* What an application asks when it starts: which version is live, and in which
 * table.  No row: none is. */
static const char live_view[] =
	"CREATE OR REPLACE VIEW kvferry.live AS SELECT c.ver AS version, c.active AS "
	"generation,"
	" CASE WHEN g.run = '' AND c.early <> 1 THEN c.live_schema ELSE 'kvferry_g' ||"
	" c.active::text END AS"
	" table_schema, c.live AS table_name FROM kvferry.control c JOIN kvferry.generations g"
	" ON g.gen = c.active";

/* Without its tables nothing can be acquired; they hold nothing until a run has. */
static enum kvf_status have_tables(struct kvf_pgs *s, struct kvf_err *err)
{
	int64_t oid;
	enum kvf_status st = kvf_pgs_oid(s, s->conn, "kvferry", "live", &oid, err);

	if (!st && !oid)
		st = kvf_pgs_create_tables(s, err);
	if (!st && !oid)
		st = kvf_pg_exec(&s->pg, s->conn, "create kvferry's view", err, "%s",
				 live_view);
	return st;
}

enum kvf_status kvf_roach_create_generation(struct kvf_pgs *s, uint64_t gen,
					    struct kvf_err *err)
{
	char table[KVF_PG_QUOTED + 32];
	enum kvf_status st = kvf_roach_ddl(s, "create the table", err,
					   "CREATE SCHEMA IF NOT EXISTS kvferry_g%llu",
					   (unsigned long long)gen);

	kvf_pgs_generation_table(s, gen, table, sizeof(table));
	return st ? st
		  : kvf_roach_ddl(s, "create the table", err,
				  "CREATE TABLE IF NOT EXISTS %s (partition_key bytea NOT NULL,"
				  " key bytea NOT NULL, value bytea NOT NULL,"
				  " PRIMARY KEY (partition_key, key))",
				  table);
}

/* The table of an early generation, empty; whoever is overtaken leaves it to the next. */
static enum kvf_status have_early(struct kvf_pgs *s, uint64_t seen,
				  const struct kvf_claim *claim, struct kvf_err *err)
{
	struct kvf_control c;
	int64_t live = 0;
	enum kvf_status st = kvf_pgs_read_control(s, s->conn, &c, err);

	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		memset(&c, 0, sizeof(c));
		st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &live, err);
	}
	if (st || live || c.epoch != seen || !kvf_pgs_early_wants(&c, claim))
		return st;
	return kvf_roach_create_generation(s, c.early ? c.active : seen + 1, err);
}

/* Is it our claim that stands in the control row? */
static int is_ours(const struct kvf_control *c, const struct kvf_claim *claim)
{
	return c->state == KVF_RUN_STAGING && strcmp(c->run, claim->run) == 0 &&
	       c->started == claim->now && c->pid == claim->pid;
}

enum kvf_status kvf_roach_acquire(struct kvf_store *base, uint64_t seen_epoch,
				  const struct kvf_claim *claim, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_tries t = { 0 };
	struct kvf_control c;
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	kvf_roach_give_up(s, KVF_OK); /* an earlier run on this handle */
	do {
		st = kvf_pgs_ready(s, err);
		if (!st)
			st = have_tables(s, err);
		if (!st && t.n) {
			st = kvf_pgs_read_control(s, s->conn, &c, err);
			if (!st && is_ours(&c, claim)) {
				kvf_pgs_acquired(s, c.epoch, c.stage);
				return KVF_OK;
			}
			st = st == KVF_ENOTFOUND ? KVF_OK : st;
		}
		if (!st)
			st = have_early(s, seen_epoch, claim, err);
		if (!st)
			st = kvf_pgs_acquire(base, seen_epoch, claim, err);
		if (st == KVF_ETARGET && is_race(err))
			snprintf(err->code, sizeof(err->code), "40001");
	} while (st == KVF_ETARGET && kvf_roach_again(s, &t, err));
	if (!st)
		kvf_err_clear(err);
	return st;
}

enum kvf_status kvf_roach_beat(struct kvf_store *base, const char *step, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_tries t = { 0 };
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	do {
		st = kvf_pgs_ready(s, err);
		if (!st)
			st = kvf_pgs_beat(base, step, err);
	} while (st == KVF_ETARGET && kvf_roach_again(s, &t, err));
	return st;
}

/* ---- the stage --------------------------------------------------------------------------- */

static enum kvf_status nothing_to_write(struct kvf_pgs *s, PGconn *conn, void *ctx,
					struct kvf_err *err)
{
	(void)s;
	(void)conn;
	(void)ctx;
	(void)err;
	return KVF_OK;
}

/* Whoever has been overtaken makes and drops nothing any more. */
enum kvf_status kvf_roach_still_ours(struct kvf_pgs *s, enum kvf_run_state state,
				     struct kvf_err *err)
{
	const struct kvf_roach_work w = { .pg = &s->pg,
					  .conn = &s->conn,
					  .state = state,
					  .lock = "SHARE",
					  .run = nothing_to_write };

	return kvf_roach_transact(s, &w, err);
}

enum kvf_status kvf_roach_stage(struct kvf_store *base, int copy, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	unsigned threads = kvf_thread_count(base->env);
	enum kvf_status st = kvf_roach_still_ours(s, KVF_RUN_STAGING, err);

	kvf_pgs_generation_table(s, s->stage, s->staged, sizeof(s->staged));
	if (!st)
		st = kvf_roach_drop_orphans(s, err);
	if (!st)
		st = kvf_roach_create_generation(s, s->stage, err);
	s->copy_live = copy;
	s->loaders = s->pg.dialect->loaders < threads ? s->pg.dialect->loaders : threads;
	s->last.len = 0;
	s->look = s->stage != base->epoch; /* what is there already is not known here */
	s->random = base->epoch;
	if (!st && copy)
		st = kvf_roach_copy_live(s, err);
	return st ? kvf_roach_give_up(s, st) : KVF_OK;
}

/* ---- units ---------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t n;
	struct kvf_bytes bytes;
};

static enum kvf_status write_unit(struct kvf_pgs *s, PGconn *conn, void *ctx,
				  struct kvf_err *err)
{
	const struct unit *u = ctx;
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, (int64_t)s->stage);
	kvf_pg_text(&a, u->name);
	kvf_pg_number(&a, (int64_t)u->n);
	kvf_pg_bytes(&a, u->bytes);
	return kvf_pg_query(
		&s->pg, conn,
		"INSERT INTO kvferry.units (gen, name, n, unit) VALUES ($1::int8,"
		" $2::text, $3::int8, $4::bytea) ON CONFLICT (gen, name, n) DO UPDATE"
		" SET unit = excluded.unit",
		&a, "write", NULL, err);
}

enum kvf_status kvf_roach_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				    struct kvf_bytes unit, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct unit u = { name, n, unit };
	const struct kvf_roach_work w = { .pg = &s->pg,
					  .conn = &s->conn,
					  .state = KVF_RUN_STAGING,
					  .lock = "SHARE",
					  .run = write_unit,
					  .ctx = &u };
	enum kvf_status st = kvf_roach_transact(s, &w, err);

	return st ? kvf_roach_give_up(s, st) : KVF_OK;
}
