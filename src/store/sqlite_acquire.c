/*
 * sqlite_acquire - take a SQLite store, with the stage that is there or a fresh one,
 * and say from time to time that its owner is alive.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <string.h>

/* What the slowest disk reads in a second, for quiet_time(). */
#define SCAN_BYTES_PER_S (16 << 20)

/* The owner into the control row, in the open transaction. */
static enum kvf_status write_owner(struct kvf_lite *s, const struct kvf_claim *claim,
				   uint64_t epoch, uint64_t stage, struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = kvf_lite_prepare(
		s, s->db, &stmt, err,
		"UPDATE kvferry_control SET live = ?1, epoch = ?2, state = 'STAGING',"
		" stage = ?3, run = ?4, host = ?5, pid = ?6, pid_start = ?7,"
		" started = ?8, beat = ?8, lease = ?9, step = 'load', tool = ?10,"
		" why = '', frozen = coalesce(?11, frozen) WHERE id = 1");

	if (st)
		return st;
	sqlite3_bind_text(stmt, 1, s->table, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)epoch);
	sqlite3_bind_int64(stmt, 3, (int64_t)stage);
	sqlite3_bind_text(stmt, 4, claim->run, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 5, claim->host, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 6, claim->pid);
	sqlite3_bind_int64(stmt, 7, claim->pid_start);
	sqlite3_bind_int64(stmt, 8, claim->now);
	sqlite3_bind_int64(stmt, 9, claim->lease);
	sqlite3_bind_text(stmt, 10, claim->tool, -1, SQLITE_STATIC);
	if (claim->frozen)
		sqlite3_bind_text(stmt, 11, claim->frozen, -1, SQLITE_STATIC);
	st = kvf_lite_run(s, stmt, "write", err);
	sqlite3_finalize(stmt);
	return st;
}

/* The row of a fresh stage. */
static enum kvf_status write_generation(struct kvf_lite *s, const struct kvf_claim *claim,
					uint64_t gen, struct kvf_err *err)
{
	const struct kvf_bytes stream = { claim->stream, sizeof(claim->stream) };
	const struct kvf_bytes root = { claim->root, sizeof(claim->root) };
	sqlite3_stmt *stmt;
	enum kvf_status st;

	st = kvf_lite_prepare(s, s->db, &stmt, err,
			      "INSERT INTO kvferry_generations VALUES (?1, 0, 0, ?2, ?3, ?4,"
			      " ?5, NULL, 0, 0, x'', ?6, ?7, 0, ?8, ?9, ?10, ?11)");
	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, (int64_t)gen);
	sqlite3_bind_text(stmt, 2, claim->run, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, claim->app, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, claim->tool, -1, SQLITE_STATIC);
	kvf_lite_bind(stmt, 5, stream);
	kvf_lite_bind(stmt, 6, claim->version_part);
	kvf_lite_bind(stmt, 7, claim->version_key);
	sqlite3_bind_text(stmt, 8, claim->mode, -1, SQLITE_STATIC);
	if (claim->has_root)
		kvf_lite_bind(stmt, 9, root);
	sqlite3_bind_text(stmt, 10, claim->source, -1, SQLITE_STATIC);
	kvf_lite_bind(stmt, 11, claim->version_started);
	st = kvf_lite_run(s, stmt, "write", err);
	sqlite3_finalize(stmt);
	return st;
}

/* Is there a stage that this claim may go on with?  0 = none. */
static enum kvf_status find_stage(struct kvf_lite *s, const struct kvf_control *c,
				  const struct kvf_claim *claim, uint64_t *stage,
				  struct kvf_err *err)
{
	struct kvf_generation g;
	enum kvf_status st;

	*stage = 0;
	if (!claim->resume || (c->state != KVF_RUN_STAGING && c->state != KVF_RUN_SEALED))
		return KVF_OK;
	memset(&g, 0, sizeof(g));
	st = kvf_lite_read_generation(s, s->db, c->stage, &g, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (!st && kvf_claim_continues(claim, &g))
		*stage = g.gen;
	return st;
}

/* The stage that is there becomes ours; what was sealed of it is open again. */
static enum kvf_status adopt(struct kvf_lite *s, const struct kvf_claim *claim, uint64_t stage,
			     struct kvf_err *err)
{
	const struct kvf_bytes root = { claim->root, sizeof(claim->root) };
	sqlite3_stmt *stmt;
	enum kvf_status st;

	st = kvf_lite_prepare(s, s->db, &stmt, err,
			      "UPDATE kvferry_generations SET run = ?1, tool = ?2, root = NULL,"
			      " promised = coalesce(?3, promised) WHERE gen = ?4");
	if (st)
		return st;
	sqlite3_bind_text(stmt, 1, claim->run, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, claim->tool, -1, SQLITE_STATIC);
	if (claim->has_root)
		kvf_lite_bind(stmt, 3, root);
	sqlite3_bind_int64(stmt, 4, (int64_t)stage);
	st = kvf_lite_run(s, stmt, "write", err);
	sqlite3_finalize(stmt);
	return st;
}

/* Refuse inside the transaction what inspect() would have refused before. */
static enum kvf_status check_blocker(struct kvf_lite *s, struct kvf_err *err)
{
	enum kvf_status st;
	char why[512] = "";
	int fits;

	st = kvf_lite_blocker(s, s->db, &fits, why, sizeof(why), err);
	if (st || !why[0])
		return st;
	st = kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->path, why);
	kvf_err_detail(err, "Nothing was changed.");
	return st;
}

/* In the open transaction: compare the epoch, and take the store. */
static enum kvf_status take(struct kvf_lite *s, uint64_t seen, const struct kvf_claim *claim,
			    uint64_t *epoch, uint64_t *stage, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = check_blocker(s, err);
	int touched = 1, fresh;

	*stage = 0;
	if (!st && seen == 0)
		st = kvf_lite_has(s, s->db, "table", "kvferry_control", &touched, err);
	fresh = !touched;
	if (!st && fresh)
		st = kvf_lite_create_objects(s, err);
	if (st)
		return st;
	st = kvf_lite_read_control(s, s->db, &c, err);
	if (st == KVF_ENOTFOUND)
		return kvf_fail(err, KVF_EBUSY, "%s: kvferry's control row is gone", s->path);
	if (!st && !fresh && (c.epoch != seen || c.active != claim->active))
		return kvf_store_held(&c, err);
	if (!st)
		st = find_stage(s, &c, claim, stage, err);
	*epoch = fresh && !c.active ? 1 : c.epoch + 1;
	if (!st)
		st = kvf_lite_early_begin(s, &c, claim, epoch, err);
	if (!st)
		st = *stage ? adopt(s, claim, *stage, err)
			    : write_generation(s, claim, *epoch, err);
	if (!*stage)
		*stage = *epoch;
	if (!st)
		st = write_owner(s, claim, *epoch, *stage, err);
	return st || !claim->row ? st : kvf_lite_insert_ledger(s, claim->row, err);
}

/*
 * The file is locked: by a run that was stopped in the middle of a transaction?  Its
 * lock is the system's, and no epoch opens it.  Who has it is not always the owner of
 * the store: it may be about to become that, or another program; the hint names it.
 */
static enum kvf_status name_holder(struct kvf_lite *s, enum kvf_status st, struct kvf_err *err)
{
	char hint[sizeof(err->hint)] = "";
	struct kvf_control c;
	int unfinished;

	s->hasty = 1;
	unfinished = !kvf_lite_read_control(s, s->db, &c, NULL) && c.lease > 0 &&
		     (c.state == KVF_RUN_STAGING || c.state == KVF_RUN_SEALED);
	s->hasty = 0;
	if (!unfinished || st != KVF_ETARGET)
		return st;
	if (err)
		memcpy(hint, err->hint, sizeof(hint));
	kvf_fail(err, KVF_EBUSY, "%s is locked; run %s is unfinished there", s->path, c.run);
	kvf_err_detail(err, "That run: host %s, process %lld, step %s. Nothing was changed.",
		       c.host, (long long)c.pid, c.step);
	kvf_err_hint(err, "%s", hint);
	return KVF_EBUSY;
}

enum kvf_status kvf_lite_acquire(struct kvf_store *base, uint64_t seen_epoch,
				 const struct kvf_claim *claim, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st;
	uint64_t epoch = 0, stage = 0;

	kvf_lite_rollback(s); /* of an earlier run on this handle */
	st = kvf_lite_create(s, err);
	if (!st) {
		st = kvf_lite_exec(s, s->db, err, "BEGIN IMMEDIATE");
		if (st && (sqlite3_errcode(s->db) & 0xff) == SQLITE_BUSY)
			st = name_holder(s, st, err);
	}
	if (st)
		return st;
	st = take(s, seen_epoch, claim, &epoch, &stage, err);
	if (!st)
		st = kvf_lite_live_begin(s, err);
	KVF_FAILPOINT(st, err, "sqlite.acquire.written");
	if (!st)
		st = kvf_lite_end(s, err);
	if (st) {
		kvf_lite_rollback(s);
		return st;
	}
	base->epoch = epoch;
	s->stage = stage;
	s->samples = 0;
	memset(&s->merge, 0, sizeof(s->merge));
	return KVF_OK;
}

/*
 * Seconds until we are heard again.  In a rollback database a scan of the stage
 * keeps everybody from writing, us as well: it asks for its time beforehand.
 */
static int64_t quiet_time(struct kvf_lite *s, const char *step)
{
	int64_t bytes = 0;

	if (strcmp(step, "verify") != 0 ||
	    kvf_lite_number(s, s->db, &bytes, NULL,
			    "SELECT coalesce(sum(bytes), 0) FROM kvferry_progress WHERE"
			    " gen = %lld",
			    (long long)s->stage))
		bytes = 0;
	return (int64_t)s->base.lease + bytes / SCAN_BYTES_PER_S;
}

/*
 * Our own readers may hold what the commit needs (a scan of the stage in a
 * rollback database), and so may others: then there is no beat this time.
 */
enum kvf_status kvf_lite_beat(struct kvf_store *base, const char *step, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt *stmt;
	enum kvf_status st = kvf_lite_flush(base, err);

	if (!st)
		st = kvf_lite_prepare(s, s->db, &stmt, err,
				      "UPDATE kvferry_control SET beat = ?1, step = ?2, lease ="
				      " ?4 WHERE id = 1 AND epoch = ?3 AND state IN ('STAGING',"
				      " 'SEALED')");
	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, kvf_now_us());
	sqlite3_bind_text(stmt, 2, step, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)base->epoch);
	sqlite3_bind_int64(stmt, 4, quiet_time(s, step));
	s->hasty = 1;
	st = kvf_lite_run(s, stmt, "write", err);
	if (st && (sqlite3_errcode(s->db) & 0xff) == SQLITE_BUSY) {
		kvf_err_clear(err);
		st = KVF_OK;
	} else if (!st && sqlite3_changes(s->db) != 1) {
		st = kvf_lite_lost(s, err);
	}
	s->hasty = 0;
	sqlite3_finalize(stmt);
	return st;
}
