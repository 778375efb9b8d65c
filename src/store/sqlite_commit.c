/*
 * sqlite_commit - seal and publish a stage, and clear away what is over.
 *
 * The commit is one SQLite transaction: guard, rename of the live table to its
 * generation's name, rename of the stage to the live name, version record,
 * user_version, control row, ledger row.  Views and triggers of the application
 * name the live table, and go on naming it.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is over --------------------------------------------------------------- */

/* The next generation table that is neither staged nor previous; 0 = none. */
static enum kvf_status next_orphan(struct kvf_lite *s, uint64_t after, uint64_t *gen,
				   struct kvf_err *err)
{
	int64_t n;
	enum kvf_status st = kvf_lite_number(
		s, s->db, &n, err,
		"SELECT min(gen) FROM (SELECT CAST(substr(name, 10) AS INTEGER) AS gen"
		" FROM sqlite_master WHERE type = 'table' AND name GLOB 'kvferry_g[0-9]*'"
		" AND name = 'kvferry_g' || CAST(substr(name, 10) AS INTEGER))"
		" WHERE gen > %lld AND gen NOT IN (SELECT stage FROM kvferry_control"
		" UNION SELECT prev FROM kvferry_control)",
		(long long)after);

	*gen = n > 0 ? (uint64_t)n : 0;
	return st;
}

enum kvf_status kvf_lite_drop_orphans(struct kvf_lite *s, struct kvf_err *err)
{
	static const char keep[] = "(SELECT stage FROM kvferry_control UNION SELECT active FROM"
				   " kvferry_control UNION SELECT prev FROM kvferry_control)";
	enum kvf_status st;
	uint64_t gen = 0;

	do {
		st = next_orphan(s, gen, &gen, err);
		if (!st && gen)
			st = kvf_lite_exec(s, s->db, err, "DROP TABLE kvferry_g%llu",
					   (unsigned long long)gen);
	} while (!st && gen);
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   "DELETE FROM kvferry_units WHERE gen NOT IN %s;"
				   "DELETE FROM kvferry_generations WHERE gen NOT IN %s;"
				   "DELETE FROM kvferry_progress WHERE gen NOT IN"
				   " (SELECT stage FROM kvferry_control UNION SELECT active"
				   " FROM kvferry_control)",
				   keep, keep);
	return st;
}

enum kvf_status kvf_lite_gc(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = kvf_lite_begin(s, KVF_RUN_LIVE, err);

	if (st)
		return st;
	st = kvf_lite_drop_orphans(s, err);
	KVF_FAILPOINT(st, err, "sqlite.gc.written");
	if (!st)
		st = kvf_lite_end(s, err);
	if (st)
		kvf_lite_rollback(s);
	else /* in a WAL database: give the log back; readers may prevent it */
		sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return st;
}

/* ---- seal ------------------------------------------------------------------------ */

enum kvf_status kvf_lite_seal(struct kvf_store *base, const uint8_t root[32],
			      const struct kvf_totals *t, int exact_packages,
			      struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	const struct kvf_bytes r = { root, 32 }, m = { t->m, sizeof(t->m) };
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = kvf_lite_begin(s, KVF_RUN_STAGING, err);

	if (st)
		return st;
	st = kvf_lite_exec(s, s->db, err, "UPDATE kvferry_control SET state = 'SEALED'");
	if (!st)
		st = kvf_lite_prepare(
			s, s->db, &stmt, err,
			"UPDATE kvferry_generations SET root = ?1, entries = ?2,"
			" bytes = ?3, m = ?4, exact_packages = ?5 WHERE gen = ?6");
	if (!st) {
		kvf_lite_bind(stmt, 1, r);
		sqlite3_bind_int64(stmt, 2, (int64_t)t->entries);
		sqlite3_bind_int64(stmt, 3, (int64_t)t->bytes);
		kvf_lite_bind(stmt, 4, m);
		sqlite3_bind_int(stmt, 5, exact_packages != 0);
		sqlite3_bind_int64(stmt, 6, (int64_t)s->stage);
		st = kvf_lite_run(s, stmt, "write", err);
	}
	sqlite3_finalize(stmt);
	KVF_FAILPOINT(st, err, "sqlite.seal.written");
	if (!st)
		st = kvf_lite_end(s, err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

/* ---- the ledger ------------------------------------------------------------------- */

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

enum kvf_status kvf_lite_insert_ledger(struct kvf_lite *s, const struct kvf_ledger_row *row,
				       struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st =
		kvf_lite_prepare(s, s->db, &stmt, err,
				 "INSERT INTO kvferry_ledger VALUES (NULL, ?1, ?2, ?3,"
				 " ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");

	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, row->at);
	bind_text(stmt, 2, row->run);
	bind_text(stmt, 3, row->event ? row->event : "");
	bind_text(stmt, 4, row->outcome);
	bind_text(stmt, 5, row->who);
	bind_text(stmt, 6, row->host);
	bind_text(stmt, 7, row->tool);
	bind_text(stmt, 8, row->app);
	sqlite3_bind_int64(stmt, 9, (int64_t)row->from);
	sqlite3_bind_int64(stmt, 10, (int64_t)row->to);
	bind_text(stmt, 11, row->document);
	st = kvf_lite_run(s, stmt, "write", err);
	sqlite3_finalize(stmt);
	return st;
}

/* A transaction under our epoch, in whatever state. */
static enum kvf_status begin_fenced(struct kvf_lite *s, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = kvf_lite_exec(s, s->db, err, "BEGIN IMMEDIATE");

	if (!st)
		st = kvf_lite_read_control(s, s->db, &c, err);
	if (!st && c.epoch != s->base.epoch)
		st = kvf_store_superseded(&c, err);
	return st;
}

enum kvf_status kvf_lite_ledger_append(struct kvf_store *base, uint64_t epoch,
				       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = KVF_OK;
	int has = 0;

	if (s->db)
		st = kvf_lite_has(s, s->db, "table", "kvferry_ledger", &has, err);
	if (st)
		return st;
	if (!has)
		return kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's", s->path);
	if (!epoch)
		return kvf_lite_insert_ledger(s, row, err);
	st = begin_fenced(s, err);
	if (!st)
		st = kvf_lite_insert_ledger(s, row, err);
	if (!st)
		st = kvf_lite_end(s, err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

void kvf_lite_note_failure(struct kvf_store *base, const char *why)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt *stmt;

	kvf_lite_rollback(s);
	if (!s->db || kvf_lite_prepare(s, s->db, &stmt, NULL,
				       "UPDATE kvferry_control SET why = ?1, lease = 0 WHERE"
				       " epoch = ?2 AND state IN ('STAGING', 'SEALED')"))
		return;
	bind_text(stmt, 1, why);
	sqlite3_bind_int64(stmt, 2, (int64_t)base->epoch);
	(void)!kvf_lite_run(s, stmt, "write", NULL);
	sqlite3_finalize(stmt);
}

/* ---- commit ------------------------------------------------------------------------ */

/*
 * Make room for the stage under the live name.  Sets *prev to the generation
 * that was live; 0 if there was none, or it was empty, or an early one (as the look
 * before has found it).
 */
static enum kvf_status retire_live(struct kvf_lite *s, const struct kvf_control *c,
				   uint64_t *prev, struct kvf_err *err)
{
	enum kvf_status st;
	int64_t filled;
	char why[512] = "";
	int fits, table, view;

	*prev = 0;
	st = kvf_lite_has(s, s->db, "table", s->table, &table, err);
	if (!st)
		st = kvf_lite_has(s, s->db, "view", s->table, &view, err);
	if (st || (!table && !view))
		return st;
	st = kvf_lite_blocker(s, s->db, &fits, why, sizeof(why), err);
	if (!st && why[0])
		return kvf_fail(err, KVF_ETARGET, "%s: %s", s->path, why);
	if (!st)
		st = kvf_lite_number(s, s->db, &filled, err,
				     "SELECT EXISTS (SELECT 1 FROM \"%w\")", s->table);
	if (st)
		return st;
	if (!filled || c->early)
		return kvf_lite_exec(s, s->db, err, "DROP TABLE \"%w\"", s->table);
	if (!c->active)
		return kvf_fail(err, KVF_ETARGET,
				"%s: table \"%s\" was filled by another program "
				"during this run",
				s->path, s->table);
	*prev = c->active;
	return kvf_lite_exec(s, s->db, err, "ALTER TABLE \"%w\" RENAME TO kvferry_g%llu",
			     s->table, (unsigned long long)c->active);
}

/*
 * The version: the application's record, and SQLite's own number.  A load that
 * does not bump has no record to write, or the one that was live.
 */
static enum kvf_status set_version(struct kvf_lite *s, const struct kvf_control *c,
				   uint64_t schema, struct kvf_bytes done, struct kvf_err *err)
{
	const struct kvf_bytes part = { c->version_part, c->version_part_len };
	const struct kvf_bytes key = { c->version_key, c->version_key_len };
	sqlite3_stmt *stmt;
	enum kvf_status st = KVF_OK;

	if (key.len && done.len) {
		st = kvf_lite_prepare(s, s->db, &stmt, err,
				      "INSERT INTO \"%w\" VALUES (?1, ?2, ?3)", s->table);
		if (st)
			return st;
		kvf_lite_bind(stmt, 1, part);
		kvf_lite_bind(stmt, 2, key);
		kvf_lite_bind(stmt, 3, done);
		st = kvf_lite_run(s, stmt, "write", err);
		sqlite3_finalize(stmt);
	}
	if (!st && c->app[0] && schema && schema <= INT32_MAX)
		st = kvf_lite_exec(s, s->db, err, "PRAGMA user_version = %lld",
				   (long long)schema);
	return st;
}

/* Everything but BEGIN and COMMIT. */
static enum kvf_status publish(struct kvf_lite *s, uint64_t schema, struct kvf_bytes done,
			       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_control c;
	uint64_t prev;
	enum kvf_status st = kvf_lite_read_control(s, s->db, &c, err);
	int64_t before = 0;
	int had = 0;

	if (!st)
		st = kvf_lite_has(s, s->db, "table", s->table, &had, err);
	if (!st)
		st = kvf_lite_number(s, s->db, &before, err, "PRAGMA user_version");
	if (!st)
		st = retire_live(s, &c, &prev, err);
	KVF_FAILPOINT(st, err, "sqlite.commit.retired");
	if (!st)
		st = kvf_lite_exec(s, s->db, err, "ALTER TABLE kvferry_g%llu RENAME TO \"%w\"",
				   (unsigned long long)s->stage, s->table);
	if (!st)
		st = set_version(s, &c, schema, done, err);
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   "DELETE FROM kvferry_generations WHERE gen = (SELECT active"
				   " FROM kvferry_control WHERE early <> 0);"
				   "UPDATE kvferry_control SET state = 'LIVE', ver = %lld,"
				   " active = stage, stage = 0, prev = %lld, prev_legacy = %d,"
				   " early = 0, run = '', why = '', lease = 0, step = '',"
				   " user_version = %lld;"
				   "UPDATE kvferry_generations SET ver = %lld, published = %lld"
				   " WHERE gen = %lld",
				   (long long)schema, (long long)prev,
				   prev                                ? KVF_PREV_KEPT
				   : had && c.early != KVF_EARLY_TABLE ? KVF_PREV_EMPTY
								       : KVF_PREV_NOTHING,
				   (long long)before, (long long)schema,
				   (long long)kvf_now_us(), (long long)s->stage);
	return st ? st : kvf_lite_insert_ledger(s, row, err);
}

enum kvf_status kvf_lite_reconnect(struct kvf_lite *s, struct kvf_err *err)
{
	size_t i;

	for (i = 0; i < KVF_LITE_NSTMT; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
	s->in_tx = 0;
	return kvf_lite_connect(s, 1, &s->db, err);
}

enum kvf_status kvf_lite_in_ledger(struct kvf_lite *s, const struct kvf_ledger_row *row,
				   int *yes, struct kvf_err *err)
{
	int64_t n = 0;
	enum kvf_status st = kvf_lite_number(s, s->db, &n, err,
					     "SELECT count(*) FROM kvferry_ledger WHERE"
					     " run = %Q AND event = %Q AND at = %lld",
					     row->run, row->event, (long long)row->at);

	*yes = !st && n != 0;
	return st;
}

/*
 * COMMIT has failed.  Whether it took effect is read on a new connection, which
 * sees what every other reader will see.  The ledger knows it.  The control row alone
 * does not: another run may have adopted our stage, and published it.
 */
static enum kvf_status find_out(struct kvf_lite *s, const struct kvf_ledger_row *row,
				enum kvf_status failed, struct kvf_err *err)
{
	struct kvf_control c;
	int published;

	if (kvf_lite_reconnect(s, NULL)) {
		kvf_err_detail(err, "Whether the new data are live could not be read: the disk "
				    "gives errors.");
		return failed;
	}
	if (kvf_lite_in_ledger(s, row, &published, NULL) ||
	    kvf_lite_read_control(s, s->db, &c, NULL)) {
		kvf_err_detail(err, "Whether the new data are live could not be read.");
		return failed;
	}
	if (!published && c.epoch != s->base.epoch)
		return kvf_store_superseded(&c, err);
	if (published)
		kvf_err_detail(err, "The new data were published, but the disk reported an "
				    "error while they were made durable.");
	else
		kvf_err_detail(err, "The live data are as they were; what was staged is kept "
				    "for the next run.");
	return failed;
}

enum kvf_status kvf_lite_commit(struct kvf_store *base, uint64_t schema,
				struct kvf_bytes version_done, const struct kvf_ledger_row *row,
				struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = kvf_lite_begin(s, KVF_RUN_SEALED, err);

	if (st)
		return st;
	KVF_FAILPOINT(st, err, "sqlite.commit.begun");
	/* From here on nobody else writes to the file. */
	if (!st)
		st = kvf_lite_live_check(s, err);
	if (!st)
		st = kvf_store_last_look(base, err);
	if (!st)
		st = publish(s, schema, version_done, row, err);
	KVF_FAILPOINT(st, err, "sqlite.commit.written");
	if (st) {
		kvf_lite_rollback(s);
		return st;
	}
	st = kvf_lite_end(s, err);
	KVF_FAILPOINT(st, err, "sqlite.commit.committed");
	return st ? find_out(s, row, st, err) : KVF_OK;
}
