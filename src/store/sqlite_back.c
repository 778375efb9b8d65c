/*
 * sqlite_back - the way back of a SQLite store: abort, rollback, cleanup.
 *
 * Each is one transaction that begins by comparing the epoch and ends with the
 * row of the ledger, so that the ledger tells whether it took effect.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"

#include <string.h>

/* Nobody holds the store; it is LIVE if kvferry published what is active. */
#define LET_GO                                                                                 \
	"UPDATE kvferry_control SET epoch = epoch + 1, run = '', why = '', lease = 0,"         \
	" step = '', state = CASE WHEN EXISTS (SELECT 1 FROM kvferry_generations WHERE"        \
	" gen = active AND published > 0) THEN 'LIVE' ELSE 'IDLE' END;"

/* ---- transactions ------------------------------------------------------------ */

static int at_work(const struct kvf_control *c)
{
	return c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
}

/* Begin, if the store is as the caller saw it; else there is no transaction. */
static enum kvf_status begin(struct kvf_lite *s, uint64_t seen, int aborts,
			     struct kvf_control *c, struct kvf_err *err)
{
	enum kvf_status st;

	kvf_lite_rollback(s);
	st = kvf_lite_look_again(s, err);
	if (!st && !s->db)
		st = kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's", s->path);
	if (!st)
		st = kvf_lite_exec(s, s->db, err, "BEGIN IMMEDIATE");
	if (st)
		return st;
	st = kvf_lite_read_control(s, s->db, c, err);
	if (!st && (c->epoch != seen || !(aborts ? kvf_store_gives_up(c) : !at_work(c))))
		st = kvf_store_held(c, err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

/* COMMIT has failed: is the row of the ledger there all the same? */
static enum kvf_status find_out(struct kvf_lite *s, const struct kvf_ledger_row *row,
				enum kvf_status lost, struct kvf_err *err)
{
	struct kvf_err second;
	int took_effect;

	if (kvf_lite_reconnect(s, &second) ||
	    kvf_lite_in_ledger(s, row, &took_effect, &second)) {
		kvf_err_detail(err, "Whether it took effect could not be read: %.300s",
			       second.message);
		return lost;
	}
	if (took_effect) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	kvf_err_detail(err, "Nothing was changed.");
	return lost;
}

/* The last step of all: the ledger's row, and COMMIT. */
static enum kvf_status end(struct kvf_lite *s, const struct kvf_ledger_row *row, uint64_t seen,
			   enum kvf_status st, struct kvf_err *err)
{
	if (!st)
		st = kvf_lite_insert_ledger(s, row, err);
	KVF_FAILPOINT(st, err, "sqlite.back.written");
	if (st) {
		kvf_lite_rollback(s);
		return st;
	}
	s->base.epoch = seen + 1;
	st = kvf_lite_end(s, err);
	KVF_FAILPOINT(st, err, "sqlite.back.committed");
	return st ? find_out(s, row, st, err) : KVF_OK;
}

enum kvf_status kvf_lite_abort(struct kvf_store *base, uint64_t seen,
			       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 1, &c, err);

	if (st)
		return st;
	st = kvf_lite_exec(s, s->db, err, LET_GO "UPDATE kvferry_control SET stage = 0");
	if (!st && c.early)
		st = kvf_lite_early_end(s, &c, err);
	if (!st)
		st = kvf_lite_drop_orphans(s, err);
	return end(s, row, seen, st, err);
}

/* ---- marks -------------------------------------------------------------------- */

enum kvf_status kvf_lite_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			       struct kvf_chunk_info *info, struct kvf_bytes *marks,
			       struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = kvf_lite_look_again(s, err);
	struct kvf_bytes b;
	sqlite3_stmt *stmt;
	int rc;

	if (st || !s->db)
		return st ? st : KVF_EOF;
	st = kvf_lite_prepare(s, s->db, &stmt, err,
			      "SELECT package, chunk, d, entries, bytes, m, marks FROM"
			      " kvferry_progress WHERE gen = (SELECT active FROM"
			      " kvferry_control) AND (package, chunk) >= (?1, ?2)"
			      " ORDER BY package, chunk LIMIT 1");
	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, (int64_t)n);
	sqlite3_bind_int64(stmt, 2, (int64_t)i);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		info->n = (uint64_t)sqlite3_column_int64(stmt, 0);
		info->i = (uint64_t)sqlite3_column_int64(stmt, 1);
		kvf_lite_fixed(stmt, 2, info->d, sizeof(info->d));
		info->totals.entries = (uint64_t)sqlite3_column_int64(stmt, 3);
		info->totals.bytes = (uint64_t)sqlite3_column_int64(stmt, 4);
		kvf_lite_fixed(stmt, 5, info->totals.m, sizeof(info->totals.m));
		b = kvf_lite_blob(stmt, 6);
		s->value.len = 0;
		st = kvf_buf_append(&s->value, b.ptr, b.len, err);
		*marks = kvf_buf_bytes(&s->value);
	} else {
		st = rc == SQLITE_DONE ? KVF_EOF : kvf_lite_fail(s, s->db, "read", err);
	}
	return kvf_lite_finish(s, stmt, st, err);
}

/* ---- rollback ------------------------------------------------------------------ */

static enum kvf_status check_way_back(struct kvf_lite *s, const struct kvf_control *c,
				      const struct kvf_totals *live, struct kvf_err *err)
{
	struct kvf_totals now;
	char why[512] = "";
	enum kvf_status st;
	int fits;

	if (c->state != KVF_RUN_LIVE || (!c->prev && !c->prev_legacy))
		return kvf_store_no_way_back(c, err);
	st = kvf_lite_blocker(s, s->db, &fits, why, sizeof(why), err);
	if (!st && why[0]) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->path, why);
		kvf_err_detail(err, "Nothing was changed.");
	}
	/* Others may read now, but not write. */
	if (!st)
		st = kvf_store_totals(&s->base, KVF_SCAN_LIVE, &now, err);
	if (!st && !kvf_totals_equal(&now, live))
		st = kvf_store_written(live, &now, err);
	return st;
}

/* The live table gives its name back. */
static enum kvf_status exchange(struct kvf_lite *s, const struct kvf_control *c,
				struct kvf_err *err)
{
	int has;
	enum kvf_status st = kvf_lite_has(s, s->db, "table", s->table, &has, err);

	if (!st && has)
		st = kvf_lite_exec(s, s->db, err, "ALTER TABLE \"%w\" RENAME TO kvferry_g%llu",
				   s->table, (unsigned long long)c->active);
	if (!st && c->prev)
		st = kvf_lite_exec(s, s->db, err, "ALTER TABLE kvferry_g%llu RENAME TO \"%w\"",
				   (unsigned long long)c->prev, s->table);
	if (!st && c->prev_legacy == KVF_PREV_EMPTY)
		st = kvf_lite_create_live(s, err);
	return st;
}

/* SQLite's own number, where the commit set it. */
static enum kvf_status restore_user_version(struct kvf_lite *s, const struct kvf_control *c,
					    struct kvf_err *err)
{
	int64_t before;
	enum kvf_status st;

	if (!c->app[0] || !c->ver)
		return KVF_OK;
	st = kvf_lite_number(s, s->db, &before, err,
			     "SELECT user_version FROM kvferry_control");
	return st ? st
		  : kvf_lite_exec(s, s->db, err, "PRAGMA user_version = %lld",
				  (long long)before);
}

enum kvf_status kvf_lite_rollback_to_previous(struct kvf_store *base, uint64_t seen,
					      const struct kvf_totals *live,
					      const struct kvf_ledger_row *row,
					      struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 0, &c, err);

	if (st)
		return st;
	st = check_way_back(s, &c, live, err);
	if (!st)
		st = exchange(s, &c, err);
	if (!st)
		st = restore_user_version(s, &c, err);
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   "UPDATE kvferry_control SET active = prev, prev = 0,"
				   " prev_legacy = 0, ver = coalesce((SELECT ver FROM"
				   " kvferry_generations WHERE gen = prev), 0);" LET_GO);
	if (!st)
		st = kvf_lite_early_again(s, &c, err);
	return end(s, row, seen, st, err);
}

/* ---- cleaning up ---------------------------------------------------------------- */

enum kvf_status kvf_lite_sweep(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st;

	kvf_lite_rollback(s);
	st = kvf_store_control(base, &c, err);
	if (!st)
		st = begin(s, c.epoch, 0, &c, err);
	if (st)
		return st;
	st = kvf_lite_drop_orphans(s, err);
	if (!st)
		st = kvf_lite_end(s, err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

/* Entries and bytes of every generation's table but the live one. */
static enum kvf_status count_tables(struct kvf_lite *s, struct kvf_leftovers *l,
				    struct kvf_err *err)
{
	sqlite3_stmt *stmt, *one;
	enum kvf_status st;
	int rc = SQLITE_DONE;

	st = kvf_lite_prepare(s, s->db, &stmt, err,
			      "SELECT name FROM sqlite_master WHERE type = 'table' AND"
			      " name GLOB 'kvferry_g[0-9]*'");
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		st = kvf_lite_prepare(s, s->db, &one, err,
				      "SELECT count(*), coalesce(sum(length(partition_key) +"
				      " length(key) + length(value)), 0) FROM \"%w\"",
				      (const char *)sqlite3_column_text(stmt, 0));
		if (st)
			break;
		if (sqlite3_step(one) == SQLITE_ROW) {
			l->generations++;
			l->entries += (uint64_t)sqlite3_column_int64(one, 0);
			l->bytes += (uint64_t)sqlite3_column_int64(one, 1);
		}
		st = kvf_lite_finish(s, one, st, err);
	}
	if (!st && rc != SQLITE_DONE)
		st = kvf_lite_fail(s, s->db, "read", err);
	sqlite3_finalize(stmt);
	return st;
}

enum kvf_status kvf_lite_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				   struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st = kvf_lite_control(base, &c, err);
	int64_t marks = 0;

	if (!st)
		st = count_tables(s, l, err);
	if (!st)
		st = kvf_lite_number(s, s->db, &marks, err,
				     "SELECT sum(length(marks)) FROM kvferry_progress WHERE"
				     " gen = (SELECT active FROM kvferry_control)");
	l->marks = (uint64_t)marks;
	l->way_back = !st && c.state == KVF_RUN_LIVE && (c.prev || c.prev_legacy);
	return st;
}

enum kvf_status kvf_lite_cleanup(struct kvf_store *base, uint64_t seen,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 0, &c, err);

	if (st)
		return st;
	st = kvf_lite_exec(s, s->db, err,
			   LET_GO "UPDATE kvferry_control SET prev = 0, prev_legacy = 0;"
				  "UPDATE kvferry_progress SET marks = x''");
	if (!st)
		st = kvf_lite_drop_orphans(s, err);
	return end(s, row, seen, st, err);
}

enum kvf_status kvf_lite_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
				const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_control c;
	enum kvf_status st = begin(s, seen, 0, &c, err);

	if (st)
		return st;
	if (c.state != KVF_RUN_LIVE)
		st = kvf_store_no_way_back(&c, err);
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   LET_GO "UPDATE kvferry_control SET legacy = %d,"
					  " prev_legacy = 0",
				   (int)to);
	return end(s, row, seen, st, err);
}
