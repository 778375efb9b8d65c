/*
 * postgres_stage - acquire a PostgreSQL store and fill a stage in it.
 *
 * Every transaction begins at the fence: the control row, matched by epoch and
 * state, and locked.  FOR SHARE lets the loading connections pass together, and
 * makes the next run's acquire wait for them; FOR KEY SHARE would not.
 */
#include "store/postgres.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIND_OUT_S 30 /* seconds */

/* ---- transactions ------------------------------------------------------------ */

enum kvf_status kvf_pgs_guard(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			      enum kvf_run_state state, const char *lock, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	struct kvf_control c;
	char sql[128];
	int64_t epoch;
	enum kvf_status st;

	snprintf(sql, sizeof(sql),
		 "SELECT epoch FROM kvferry.control WHERE id = 1 AND epoch = $1 AND state = $2"
		 " %s",
		 *lock == 'S' ? s->pg.dialect->fence : "FOR UPDATE");
	kvf_pg_number(&a, (int64_t)s->base.epoch);
	kvf_pg_text(&a, kvf_run_state_name(state));
	st = kvf_pg_ask(pg, conn, &epoch, sql, &a, err);
	if (st || epoch)
		return st;
	st = kvf_pgs_read_control(s, conn, &c, err);
	return st ? st : kvf_store_superseded(&c, err);
}

/* Set for the transaction only: behind a pooler the session is others' as well. */
enum kvf_status kvf_pgs_begin_write(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
				    const char *begin, enum kvf_pgs_commit commit,
				    struct kvf_err *err)
{
	(void)s;
	return kvf_pg_exec(pg, conn, "begin to write", err,
			   "%s; SET LOCAL lock_timeout = %d;"
			   "SET LOCAL idle_in_transaction_session_timeout = 0;%s",
			   begin, KVF_PATIENCE(KVF_PGS_LOCK_MS),
			   commit == KVF_PGS_DURABLE ? pg->dialect->durable
						     : pg->dialect->staged);
}

enum kvf_status kvf_pgs_brief(struct kvf_pgs *s, double seconds, struct kvf_err *err)
{
	return kvf_pg_exec(&s->pg, s->conn, "begin to write", err,
			   "SET LOCAL idle_in_transaction_session_timeout = %.0f",
			   KVF_PATIENCE(KVF_PGS_LOCK_MS) / 2.0 + 1000 * seconds);
}

enum kvf_status kvf_pgs_begin(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			      enum kvf_run_state state, const char *lock, struct kvf_err *err)
{
	enum kvf_pgs_commit commit =
		strcmp(lock, "SHARE") == 0 ? KVF_PGS_STAGED : KVF_PGS_DURABLE;
	enum kvf_status st = kvf_pgs_begin_write(s, pg, conn, pg->dialect->begin, commit, err);

	if (!st)
		st = kvf_pgs_guard(s, pg, conn, state, lock, err);
	if (st)
		kvf_pgs_rollback(s, conn);
	return st;
}

enum kvf_status kvf_pgs_end(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			    struct kvf_err *err)
{
	(void)s;
	return kvf_pg_exec(pg, conn, "commit", err, "COMMIT");
}

void kvf_pgs_undo(struct kvf_pgs *s, const char *outcome, struct kvf_err *err)
{
	char holders[sizeof(err->detail)];

	kvf_pgs_rollback(s, s->conn);
	if (!err || err->detail[0])
		return;
	kvf_pg_name_holders(&s->pg, s->conn, err);
	snprintf(holders, sizeof(holders), "%s", err->detail);
	kvf_err_detail(err, "%s%s%s", outcome, *holders ? " " : "", holders);
}

enum kvf_status kvf_pgs_find_out(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				 struct kvf_control *c, int *there)
{
	double until = kvf_monotonic() + FIND_OUT_S;
	const struct timespec pause = { 0, 500000000 };
	enum kvf_status st;

	*there = 0;
	for (;;) {
		st = kvf_pgs_ready(s, NULL);
		if (!st)
			st = kvf_pg_exec(&s->quiet, s->conn, "read", NULL,
					 "BEGIN; SET LOCAL lock_timeout = %d; SELECT 1 FROM"
					 " kvferry.control FOR UPDATE; ROLLBACK",
					 KVF_PGS_LOCK_MS);
		if (!st)
			st = kvf_pgs_in_ledger(&s->quiet, s->conn, row, there, NULL);
		if (!st)
			st = kvf_pgs_read_control(s, s->conn, c, NULL);
		if (!st || kvf_monotonic() > until || kvf_pg_stopped(&s->pg))
			return st;
		kvf_pgs_rollback(s, s->conn);
		nanosleep(&pause, NULL);
	}
}

static enum kvf_status give_up(struct kvf_pgs *s, enum kvf_status st)
{
	kvf_pgs_stop_loading(s);
	kvf_pgs_rollback(s, s->conn);
	return st;
}

/* ---- acquire ------------------------------------------------------------------ */

/* The owner into the control row, in the open transaction. */
static enum kvf_status write_owner(struct kvf_pgs *s, const struct kvf_claim *claim,
				   uint64_t seen, uint64_t active, uint64_t epoch,
				   uint64_t stage, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st;

	kvf_pg_number(&a, (int64_t)epoch);
	kvf_pg_number(&a, (int64_t)stage);
	kvf_pg_text(&a, claim->run);
	kvf_pg_text(&a, claim->host);
	kvf_pg_number(&a, claim->pid);
	kvf_pg_number(&a, claim->pid_start);
	kvf_pg_number(&a, claim->now);
	kvf_pg_number(&a, claim->lease);
	kvf_pg_text(&a, claim->tool);
	kvf_pg_number(&a, (int64_t)seen);
	kvf_pg_number(&a, (int64_t)active);
	kvf_pg_text(&a, claim->frozen);
	st = kvf_pg_query(
		&s->pg, s->conn,
		"UPDATE kvferry.control SET epoch = $1, state = 'STAGING', stage = $2,"
		" run = $3, host = $4, pid = $5, pid_start = $6, started = $7,"
		" beat = $7, lease = $8, step = 'load', tool = $9, why = '',"
		" frozen = coalesce($12::text, frozen)"
		" WHERE id = 1 AND epoch = $10 AND active = $11",
		&a, "write", &res, err);
	if (!st && kvf_pg_changed(res) != 1)
		st = kvf_fail(err, KVF_EBUSY, "%s: another run took the store", s->pg.name);
	PQclear(res);
	return st;
}

/* The row of a fresh stage. */
static enum kvf_status write_generation(struct kvf_pgs *s, const struct kvf_claim *claim,
					uint64_t gen, struct kvf_err *err)
{
	struct kvf_pg_args g = { 0 };

	kvf_pg_number(&g, (int64_t)gen);
	kvf_pg_text(&g, claim->run);
	kvf_pg_text(&g, claim->app);
	kvf_pg_text(&g, claim->tool);
	kvf_pg_bytes(&g, (struct kvf_bytes){ claim->stream, sizeof(claim->stream) });
	kvf_pg_bytes(&g, claim->version_part);
	kvf_pg_bytes(&g, claim->version_key);
	kvf_pg_text(&g, claim->mode);
	kvf_pg_bytes(&g, (struct kvf_bytes){ claim->root,
					     claim->has_root ? sizeof(claim->root) : 0 });
	kvf_pg_text(&g, claim->source);
	kvf_pg_bytes(&g, claim->version_started);
	return kvf_pg_query(&s->pg, s->conn,
			    "INSERT INTO kvferry.generations VALUES ($1, 0, 0, $2, $3, $4, $5,"
			    " NULL, 0, 0, '', $6, $7, 0, $8, nullif($9::bytea, ''), $10, $11)",
			    &g, "write", NULL, err);
}

/* Is there a stage that this claim may go on with?  0 = none. */
static enum kvf_status find_stage(struct kvf_pgs *s, const struct kvf_control *c,
				  const struct kvf_claim *claim, uint64_t *stage,
				  struct kvf_err *err)
{
	struct kvf_generation g;
	enum kvf_status st;

	*stage = 0;
	if (!claim->resume || (c->state != KVF_RUN_STAGING && c->state != KVF_RUN_SEALED))
		return KVF_OK;
	memset(&g, 0, sizeof(g));
	st = kvf_pgs_read_generation(s, s->conn, c->stage, &g, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (!st && kvf_claim_continues(claim, &g))
		*stage = g.gen;
	return st;
}

/* The stage that is there becomes ours; what was sealed of it is open again. */
static enum kvf_status adopt(struct kvf_pgs *s, const struct kvf_claim *claim, uint64_t stage,
			     struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_text(&a, claim->run);
	kvf_pg_text(&a, claim->tool);
	kvf_pg_bytes(&a, (struct kvf_bytes){ claim->root,
					     claim->has_root ? sizeof(claim->root) : 0 });
	kvf_pg_number(&a, (int64_t)stage);
	return kvf_pg_query(&s->pg, s->conn,
			    "UPDATE kvferry.generations SET run = $1, tool = $2, root = NULL,"
			    " promised = coalesce(nullif($3::bytea, ''), promised)"
			    " WHERE gen = $4",
			    &a, "write", NULL, err);
}

enum kvf_status kvf_pgs_evict(struct kvf_pgs *s, uint64_t stage, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, (int64_t)stage);
	return kvf_pg_query(
		&s->pg, s->conn,
		"SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l JOIN"
		" pg_catalog.pg_stat_activity a ON a.pid = l.pid LEFT JOIN"
		" pg_catalog.pg_class c ON c.oid = l.relation LEFT JOIN"
		" pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE l.locktype ="
		" 'relation' AND l.granted AND (l.relation = 'kvferry.control'::regclass AND"
		" l.mode IN ('RowShareLock', 'RowExclusiveLock') OR a.application_name ~"
		" '^kvferry( |$)' AND n.nspname = 'kvferry_g' || $1::int8) AND l.pid <>"
		" pg_backend_pid() AND l.database = (SELECT oid FROM pg_catalog.pg_database"
		" WHERE datname = current_database()) AND pg_has_role(a.usename, 'MEMBER')",
		&a, "end the sessions of the former owner", NULL, err);
}

/* Refuse inside the transaction what inspect() would have refused before. */
static enum kvf_status check_blocker(struct kvf_pgs *s, struct kvf_err *err)
{
	char why[512] = "";
	int has, fits;
	enum kvf_status st = kvf_pgs_blocker(s, &has, &fits, why, sizeof(why), err);

	if (st || !why[0])
		return st;
	st = kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->pg.name, why);
	kvf_err_detail(err, "Nothing was changed.");
	return st;
}

/* In the open transaction: compare the epoch, and take the store. */
static enum kvf_status take(struct kvf_pgs *s, uint64_t seen, const struct kvf_claim *claim,
			    uint64_t *epoch, uint64_t *stage, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = check_blocker(s, err);
	uint64_t active = claim->active;
	int touched = 1, has_live;

	*stage = 0;
	if (!st)
		st = kvf_pgs_touched(s, s->conn, &touched, err);
	if (st)
		return st;
	if (!touched && seen)
		return kvf_fail(err, KVF_EBUSY, "%s: kvferry's control row is gone",
				s->pg.name);
	if (!touched) {
		st = kvf_pgs_create_objects(s, &has_live, err);
		*epoch = has_live ? 2 : 1;
		seen = 1;
		active = has_live ? 1 : 0;
	} else {
		st = kvf_pgs_read_control(s, s->conn, &c, err);
		if (!st && (c.epoch != seen || c.active != claim->active))
			return kvf_store_held(&c, err);
		if (!st)
			st = find_stage(s, &c, claim, stage, err);
		if (!st && s->pg.dialect->evicts &&
		    (c.state == KVF_RUN_STAGING || c.state == KVF_RUN_SEALED))
			st = kvf_pgs_evict(s, c.stage, err);
		*epoch = seen + 1;
	}
	if (!st)
		st = kvf_pgs_early_begin(s, claim, seen, &active, epoch, err);
	if (!st)
		st = *stage ? adopt(s, claim, *stage, err)
			    : write_generation(s, claim, *epoch, err);
	if (!*stage)
		*stage = *epoch;
	if (!st)
		st = write_owner(s, claim, seen, active, *epoch, *stage, err);
	return st || !claim->row ? st : kvf_pgs_insert_ledger(s, claim->row, err);
}

void kvf_pgs_acquired(struct kvf_pgs *s, uint64_t epoch, uint64_t stage)
{
	s->base.epoch = epoch;
	s->stage = stage;
	memset(&s->merge, 0, sizeof(s->merge));
}

enum kvf_status kvf_pgs_acquire(struct kvf_store *base, uint64_t seen_epoch,
				const struct kvf_claim *claim, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st;
	uint64_t epoch = 0, stage = 0;

	give_up(s, KVF_OK); /* an earlier run on this handle */
	st = kvf_pgs_ready(s, err);
	/* One after the other through here: then creating is no race, and the
	 * control row that we read is the last one. */
	if (!st)
		st = kvf_pgs_begin_write(s, &s->pg, s->conn, s->pg.dialect->begin,
					 KVF_PGS_DURABLE, err);
	if (!st)
		st = kvf_pgs_brief(s, 0, err);
	if (!st && *s->pg.dialect->lock)
		st = kvf_pg_exec(&s->pg, s->conn, "begin to write", err, "%s",
				 s->pg.dialect->lock);
	KVF_FAILPOINT(st, err, "postgres.acquire.begun");
	if (!st)
		st = take(s, seen_epoch, claim, &epoch, &stage, err);
	if (!st)
		st = kvf_pgs_live_begin(s, err);
	KVF_FAILPOINT(st, err, "postgres.acquire.written");
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st) {
		kvf_pg_name_holders(&s->pg, s->conn, err);
		return give_up(s, st);
	}
	kvf_pgs_acquired(s, epoch, stage);
	return KVF_OK;
}

/* A statement that changes one row if we hold the store still: it has? */
static enum kvf_status was_ours(struct kvf_pgs *s, const PGresult *res, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st;

	if (kvf_pg_changed(res) == 1)
		return KVF_OK;
	st = kvf_pgs_read_control(s, s->conn, &c, err);
	return st ? st : kvf_store_superseded(&c, err);
}

enum kvf_status kvf_pgs_beat(struct kvf_store *base, const char *step, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st;

	kvf_pg_number(&a, kvf_now_us());
	kvf_pg_text(&a, step);
	kvf_pg_number(&a, (int64_t)base->epoch);
	st = kvf_pg_query(&s->pg, s->conn,
			  "UPDATE kvferry.control SET beat = $1, step = $2 WHERE id = 1 AND"
			  " epoch = $3 AND state IN ('STAGING', 'SEALED')",
			  &a, "write", &res, err);
	if (!st)
		st = was_ours(s, res, err);
	PQclear(res);
	return st;
}

/* ---- the stage -------------------------------------------------------------------- */

enum kvf_status kvf_pgs_stage(struct kvf_store *base, int copy, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	unsigned threads = kvf_thread_count(base->env);
	enum kvf_status st = kvf_pgs_begin(s, &s->pg, s->conn, KVF_RUN_STAGING, "UPDATE", err);

	if (!st)
		st = kvf_pgs_drop_orphans(s, err);
	if (!st)
		st = kvf_pgs_create_stage(s, err);
	KVF_FAILPOINT(st, err, "postgres.stage.written");
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	s->copy_live = copy;
	/* In one table two would be in each other's way, and leave its index half
	 * empty.  A batch that merges has a table that two could not have at once. */
	s->loaders = copy || !s->partitioned ? 1 : threads;
	if (s->loaders > KVF_PGS_CONNECTIONS)
		s->loaders = KVF_PGS_CONNECTIONS;
	if (!st && copy)
		st = kvf_pgs_copy_live(s, err);
	return st ? give_up(s, st) : KVF_OK;
}

/* ---- entries -------------------------------------------------------------------- */

/* What a field of `len` bytes takes in an index row, behind `at`. */
static size_t index_field(size_t at, size_t len)
{
	return len < 127 ? at + 1 + len : ((at + 3) & ~(size_t)3) + 4 + len;
}

/*
 * An index row has its limit.  The server would compress a long key first, and
 * might get it in; but then it depends on the bytes whether a key can be stored.
 */
enum kvf_status kvf_pgs_check_size(const struct kvf_pgs *s, const struct kvf_entry *e,
				   struct kvf_err *err)
{
	const struct kvf_pg_dialect *d = s->pg.dialect;
	size_t row = 8 + index_field(index_field(0, e->part.len), e->key.len);
	enum kvf_status st;
	char name[512];

	if ((!d->index_row || row <= d->index_row) && e->value.len <= d->value_max)
		return KVF_OK;
	kvf_bytes_print(e->key, name, 200);
	if (e->value.len <= d->value_max)
		st = kvf_fail(
			err, KVF_EPREFLIGHT,
			"partition and key have %zu bytes, more than PostgreSQL can index "
			"(about 2690): %s",
			e->part.len + e->key.len, name);
	else
		st = kvf_fail(err, KVF_EPREFLIGHT,
			      "a value has %zu bytes, more than %s can store: key %s",
			      e->value.len, d->product, name);
	kvf_err_detail(err, "Nothing was published; the live data are as they were.");
	kvf_err_hint(err, "Shorten it in the definitions, or use another kind of store.");
	return st;
}

enum kvf_status kvf_pgs_put(struct kvf_store *base, const struct kvf_entry *entry,
			    struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pgs_batch *b = s->batch;
	enum kvf_status st = kvf_pgs_check_size(s, entry, err);

	if (!st && !b)
		st = kvf_pgs_batch(s, &b, err);
	if (!st)
		st = kvf_pgs_batch_add(b, entry, err);
	return st ? give_up(s, st) : KVF_OK;
}

enum kvf_status kvf_pgs_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			      struct kvf_bytes marks, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pgs_batch *b;
	enum kvf_status st = kvf_pgs_batch(s, &b, err);

	if (!st)
		st = kvf_pgs_batch_chunk(b, s->stage, info, marks, err);
	if (!st && b->rows.len >= s->pg.dialect->batch_bytes)
		st = kvf_pgs_send(s, err);
	return st ? give_up(s, st) : KVF_OK;
}

/* Commit what was put, and what still waits. */
enum kvf_status kvf_pgs_flush(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = kvf_pgs_send(s, err);

	if (!st)
		st = kvf_pgs_drain(s, err);
	return st ? give_up(s, st) : KVF_OK;
}

/* The fence and the row in one statement, and so in one transaction. */
enum kvf_status kvf_pgs_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				  struct kvf_bytes unit, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st;

	kvf_pg_number(&a, (int64_t)base->epoch);
	kvf_pg_text(&a, name);
	kvf_pg_number(&a, (int64_t)n);
	kvf_pg_bytes(&a, unit);
	st = kvf_pg_query(&s->pg, s->conn,
			  "WITH c AS (SELECT stage FROM kvferry.control WHERE id = 1 AND"
			  " epoch = $1 AND state = 'STAGING' FOR SHARE)"
			  " INSERT INTO kvferry.units SELECT stage, $2::text, $3::int8,"
			  " $4::bytea FROM c ON CONFLICT (gen, name, n) DO UPDATE SET"
			  " unit = excluded.unit",
			  &a, "write", &res, err);
	if (!st)
		st = was_ours(s, res, err);
	PQclear(res);
	return st ? give_up(s, st) : KVF_OK;
}

void kvf_pgs_merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m)
{
	*m = ((const struct kvf_pgs *)base)->merge;
}
