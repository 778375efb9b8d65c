/*
 * sqlite_freeze - a database that refuses writes.
 *
 *   table kvferry_freeze                  one row: the run, who, when, its stamp
 *   trigger kvferry_freeze_insert_TABLE   BEFORE ..., RAISE(ABORT, ...)
 *   ..._update_TABLE, ..._delete_TABLE
 *
 * All of it comes and goes in one transaction each.  A trigger holds for every
 * program and every user, and it is still there when we are not.  What no
 * trigger sees: sqlite3_blob_write(), DROP and ALTER TABLE, and virtual tables,
 * which can have none; the watermarks of a run do.  (Their shadow tables could
 * have one.  But then FTS5 of SQLite 3.40 calls itself until the stack is full.)
 */
#include "source/sqlite.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A connection that writes to a source: there is no other. */
struct freezer {
	const struct kvf_env *env;
	sqlite3 *db;
	char *path;
	double busy_since;
};

/* Kvferry's own tables, which a store in the same file needs; the rest is the
 * application's. */
#define NOT_OURS                                                                               \
	" AND name <> 'kvferry_freeze' AND NOT (EXISTS (SELECT 1 FROM main.sqlite_schema"      \
	" WHERE type = 'table' AND name = 'kvferry_control') AND (name IN ('kvferry_control'," \
	" 'kvferry_generations', 'kvferry_progress', 'kvferry_units', 'kvferry_ledger') OR"    \
	" name GLOB 'kvferry_g[0-9]*'))"
#define TABLES                                                                                 \
	"SELECT name FROM pragma_table_list WHERE schema = 'main' AND"                         \
	" type = 'table' AND name NOT LIKE 'sqlite\\_%%' ESCAPE '\\'" NOT_OURS                 \
	" AND name <> %Q COLLATE NOCASE ORDER BY name"
#define VIRTUAL_TABLES                                                                         \
	"SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'"        \
	" ORDER BY name"
#define TRIGGERS                                                                               \
	"SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB"             \
	" 'kvferry_freeze_*'"

static const char create_marker[] =
	"CREATE TABLE IF NOT EXISTS main.kvferry_freeze("
	" id INTEGER PRIMARY KEY CHECK (id = 1), run TEXT NOT NULL, host TEXT NOT NULL,"
	" who TEXT NOT NULL, tool TEXT NOT NULL, at INTEGER NOT NULL, stamp TEXT NOT NULL,"
	" made_over TEXT NOT NULL, store TEXT NOT NULL)";

/* ---- errors and connections ---------------------------------------------------- */

static int stopped(const struct kvf_env *env)
{
	return env && env->stopped && env->stopped(env->ctx);
}

static int on_busy(void *ctx, int count)
{
	const struct timespec pause = { 0, 20000000L };
	struct freezer *z = ctx;

	if (count == 0)
		z->busy_since = kvf_monotonic();
	if (stopped(z->env) || kvf_monotonic() - z->busy_since > KVF_SQLITE_BUSY_SECONDS)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

/* Who is in the way goes into the detail. */
static enum kvf_status fail_busy(const struct freezer *z, struct kvf_err *err)
{
	struct kvf_writers w = { 0 };

	kvf_fail(err, KVF_EPREFLIGHT, "the source is in use: another program has %s locked",
		 z->path);
	if (!kvf_sqlite_writers(z->path, z->env, &w, NULL) && w.n)
		kvf_err_detail(err, "%s. Nothing was changed.", w.named);
	else
		kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Let it finish, or stop it, and run the same command again.");
	return KVF_EPREFLIGHT;
}

/* Of SQLite's code of a statement that was to freeze or to lift. */
static enum kvf_status fail(const struct freezer *z, int rc, const char *doing,
			    struct kvf_err *err)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM: return kvf_fail_nomem(err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		if (stopped(z->env))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		return fail_busy(z, err);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		kvf_fail(err, KVF_EPREFLIGHT, "cannot %s the source: %s cannot be written: %s",
			 doing, z->path, sqlite3_errstr(rc));
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err, "A freeze is written into the source: give yourself write "
				  "permission on the file and on its folder.");
		return KVF_EPREFLIGHT;
	default:
		kvf_fail(err, KVF_ESOURCE, "cannot %s the source %s: %s", doing, z->path,
			 sqlite3_errmsg(z->db));
		kvf_err_detail(err, "Nothing was changed.");
		return KVF_ESOURCE;
	}
}

static enum kvf_status fail_access(const struct freezer *z, const char *doing, const char *what,
				   int errnum, struct kvf_err *err)
{
	kvf_fail_errno(err, KVF_EPREFLIGHT, errnum,
		       "cannot %s the source: %s cannot be written", doing, what);
	kvf_err_detail(err, "%s. Nothing was changed.", z->path);
	kvf_err_hint(err,
		     "A freeze is written into the source, and SQLite needs its folder for "
		     "the journal: give yourself write permission on both.");
	return KVF_EPREFLIGHT;
}

static enum kvf_status check_access(const struct freezer *z, const char *doing,
				    struct kvf_err *err)
{
	char *folder = strdup(z->path), *slash;
	enum kvf_status st = KVF_OK;

	if (!folder)
		return kvf_fail_nomem(err);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0'; /* the path is absolute */
	if (access(z->path, W_OK))
		st = fail_access(z, doing, "the file", errno, err);
	else if (access(folder, W_OK | X_OK))
		st = fail_access(z, doing, "its folder", errno, err);
	free(folder);
	return st;
}

/* Connect and begin to write: nobody else does from here to the commit. */
static enum kvf_status begin(struct freezer *z, const char *rest, const struct kvf_env *env,
			     const char *doing, struct kvf_err *err)
{
	enum kvf_status st;
	int rc;

	memset(z, 0, sizeof(*z));
	z->env = env;
	if (sqlite3_initialize())
		return kvf_fail_nomem(err);
	z->path = realpath(rest, NULL);
	if (!z->path)
		return errno == ENOMEM ? kvf_fail_nomem(err)
				       : kvf_fail_errno(err, KVF_ESOURCE, errno,
							"cannot open %s", rest);
	st = check_access(z, doing, err);
	if (st)
		return st;
	rc = sqlite3_open_v2(z->path, &z->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE,
			     NULL);
	if (!z->db)
		return kvf_fail_nomem(err);
	if (!rc) {
		sqlite3_busy_handler(z->db, on_busy, z);
		sqlite3_db_config(z->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
		rc = sqlite3_exec(z->db, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE", NULL, NULL,
				  NULL);
	}
	return rc ? fail(z, rc, doing, err) : KVF_OK;
}

static enum kvf_status commit(struct freezer *z, const char *doing, struct kvf_err *err)
{
	int rc = sqlite3_exec(z->db, "COMMIT", NULL, NULL, NULL);

	return rc ? fail(z, rc, doing, err) : KVF_OK;
}

/* Closing gives up what was not committed. */
static void release(struct freezer *z)
{
	sqlite3_close(z->db);
	free(z->path);
}

/* Run SQL of a format ("%w", "%Q"). */
static enum kvf_status run(struct freezer *z, const char *doing, struct kvf_err *err,
			   const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int rc;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	if (!sql)
		return kvf_fail_nomem(err);
	rc = sqlite3_exec(z->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc ? fail(z, rc, doing, err) : KVF_OK;
}

/* Call `each` with the names that a query yields; they are read first, because
 * `each` changes the schema. */
static enum kvf_status for_names(struct freezer *z, char *sql, const char *doing,
				 enum kvf_status (*each)(struct freezer *z, const char *name,
							 void *ctx, struct kvf_err *err),
				 void *ctx, struct kvf_err *err)
{
	char **table = NULL;
	int i, rows = 0, columns = 0, rc;
	enum kvf_status st = KVF_OK;

	if (!sql)
		return kvf_fail_nomem(err);
	rc = sqlite3_get_table(z->db, sql, &table, &rows, &columns, NULL);
	sqlite3_free(sql);
	if (rc)
		st = fail(z, rc, doing, err);
	for (i = 1; !st && i <= rows; i++)
		st = each(z, table[i], ctx, err);
	sqlite3_free_table(table);
	return st;
}

/* ---- the marker ------------------------------------------------------------------ */

static void copy_text(sqlite3_stmt *stmt, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	snprintf(to, size, "%s", text ? text : "");
	kvf_text_clean(to, 0);
}

/* KVF_ENOTFOUND without one.  A table of that name that somebody else made has
 * other columns. */
static enum kvf_status read_marker(sqlite3 *db, struct kvf_freeze *f, struct kvf_err *err)
{
	static const char sql[] = "SELECT run, host, who, tool, at, stamp, made_over, store, "
				  "(SELECT count(*) FROM "
				  "main.sqlite_schema WHERE"
				  " type = 'trigger' AND name GLOB 'kvferry_freeze_insert_*')"
				  " FROM main.kvferry_freeze WHERE id = 1";
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (!rc)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		copy_text(stmt, 0, f->run, sizeof(f->run));
		copy_text(stmt, 1, f->host, sizeof(f->host));
		copy_text(stmt, 2, f->who, sizeof(f->who));
		copy_text(stmt, 3, f->tool, sizeof(f->tool));
		f->at = sqlite3_column_int64(stmt, 4);
		copy_text(stmt, 5, f->stamp, sizeof(f->stamp));
		copy_text(stmt, 6, f->over, sizeof(f->over));
		copy_text(stmt, 7, f->store, sizeof(f->store));
		f->tables = (uint64_t)sqlite3_column_int64(stmt, 8);
	}
	sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW)
		return KVF_OK;
	if (rc == SQLITE_DONE || (rc & 0xff) == SQLITE_ERROR)
		return kvf_fail(err, KVF_ENOTFOUND, "the source is not frozen");
	if ((rc & 0xff) == SQLITE_NOMEM)
		return kvf_fail_nomem(err);
	return kvf_fail(err, KVF_ESOURCE, "cannot see whether the source is frozen: %s",
			sqlite3_errstr(rc));
}

enum kvf_status kvf_sqlite_frozen(struct kvf_source *base, struct kvf_freeze *f,
				  struct kvf_err *err)
{
	const struct kvf_sqlite *s = (const struct kvf_sqlite *)base;
	enum kvf_status st = read_marker(s->db, f, err);

	snprintf(f->place, sizeof(f->place), "sqlite:%s", s->path);
	return st;
}

static enum kvf_status write_marker(struct freezer *z, const struct kvf_freeze_request *q,
				    struct kvf_freeze *f, struct kvf_err *err)
{
	enum kvf_status st = run(z, "freeze", err, "%s", create_marker);

	if (!st)
		st = run(z, "freeze", err,
			 "INSERT INTO main.kvferry_freeze VALUES"
			 " (1, %Q, %Q, %Q, %Q, %lld, %Q, %Q, %Q)",
			 q->run, q->host, q->who, KVF_VERSION, (long long)kvf_now_us(),
			 q->stamp, q->over, q->store);
	f->fresh = 1;
	return st;
}

/* The freeze that is there becomes that of this run. */
static enum kvf_status stamp_marker(struct freezer *z, const struct kvf_freeze_request *q,
				    struct kvf_err *err)
{
	return run(z, "freeze", err,
		   "UPDATE main.kvferry_freeze SET run = %Q, host = %Q, who = %Q, tool = %Q,"
		   " at = %lld, stamp = %Q WHERE id = 1",
		   q->run, q->host, q->who, KVF_VERSION, (long long)kvf_now_us(), q->stamp);
}

/* ---- set and lift ------------------------------------------------------------------ */

/* `ctx` is the text of the message. */
static enum kvf_status freeze_table(struct freezer *z, const char *name, void *ctx,
				    struct kvf_err *err)
{
	static const char *const events[] = { "insert", "update", "delete" };
	const char *text = ctx;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < 3; i++)
		st = run(z, "freeze", err,
			 "CREATE TRIGGER IF NOT EXISTS main.\"kvferry_freeze_%s_%w\" BEFORE %s "
			 "ON"
			 " \"%w\" BEGIN SELECT RAISE(ABORT, %Q); END",
			 events[i], name, events[i], name, text);
	return st;
}

/* `ctx` is the list of names. */
static enum kvf_status leave_open(struct freezer *z, const char *name, void *ctx,
				  struct kvf_err *err)
{
	struct kvf_freeze *f = ctx;
	size_t at = strlen(f->open);

	(void)z;
	(void)err;
	snprintf(f->open + at, sizeof(f->open) - at, "%s%s", at ? ", " : "", name);
	return KVF_OK;
}

static enum kvf_status drop_trigger(struct freezer *z, const char *name, void *ctx,
				    struct kvf_err *err)
{
	(void)ctx;
	return run(z, "unfreeze", err, "DROP TRIGGER main.\"%w\"", name);
}

static enum kvf_status freeze_set(const char *rest, const struct kvf_env *env,
				  const struct kvf_freeze_request *q, struct kvf_freeze *f,
				  struct kvf_err *err)
{
	struct freezer z;
	char text[512];
	enum kvf_status st = begin(&z, rest, env, "freeze", err);

	kvf_freeze_text(q, text, sizeof(text));
	if (!st)
		st = read_marker(z.db, f, err);
	if (st == KVF_ENOTFOUND)
		st = write_marker(&z, q, f, err);
	else if (!st)
		st = kvf_freeze_for(f, q, err) ? KVF_EPREFLIGHT : stamp_marker(&z, q, err);
	if (!st)
		st = for_names(&z, sqlite3_mprintf(TABLES, q->live_table ? q->live_table : ""),
			       "freeze", freeze_table, text, err);
	if (!st) {
		int fresh = f->fresh;

		st = read_marker(z.db, f, err); /* how many tables they are now */
		f->fresh = fresh;
	}
	if (!st)
		st = for_names(&z, sqlite3_mprintf(VIRTUAL_TABLES), "freeze", leave_open, f,
			       err);
	kvf_text_clean(f->open, 0);
	KVF_FAILPOINT(st, err, "sqlite.freeze.written");
	if (!st)
		st = commit(&z, "freeze", err);
	KVF_FAILPOINT(st, err, "sqlite.freeze.committed");
	if (!st)
		snprintf(f->place, sizeof(f->place), "sqlite:%s", z.path);
	release(&z);
	return st;
}

static enum kvf_status freeze_lift(const char *rest, const struct kvf_env *env,
				   const char *stamp, struct kvf_freeze *f, struct kvf_err *err)
{
	struct freezer z;
	enum kvf_status st = begin(&z, rest, env, "unfreeze", err);

	if (!st)
		st = read_marker(z.db, f, err);
	if (!st)
		st = kvf_freeze_is(f, stamp, err);
	if (!st)
		st = for_names(&z, sqlite3_mprintf(TRIGGERS), "unfreeze", drop_trigger, NULL,
			       err);
	if (!st)
		st = run(&z, "unfreeze", err, "DROP TABLE main.kvferry_freeze");
	KVF_FAILPOINT(st, err, "sqlite.thaw.written");
	if (!st)
		st = commit(&z, "unfreeze", err);
	KVF_FAILPOINT(st, err, "sqlite.thaw.committed");
	if (!st)
		snprintf(f->place, sizeof(f->place), "sqlite:%s", z.path);
	release(&z);
	return st;
}

const struct kvf_freezer kvf_sqlite_freezer = {
	.writers = kvf_sqlite_writers,
	.set = freeze_set,
	.lift = freeze_lift,
	.present = kvf_sqlite_present,
	.drop = kvf_sqlite_drop,
};
