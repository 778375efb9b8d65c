/*
 * sqlite - the SQLite driver: opening, errors, and what is neither schema nor
 * rows.  How the snapshot is taken without a trace: sqlite_open.c.
 *
 * One connection, one read transaction, one thread: a record has one part.
 */
#include "source/over.h"
#include "source/sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ---------------------------------------------------------------- */

static const struct {
	int rc;
	const char *name;
} code_names[] = {
	{ SQLITE_ERROR, "SQLITE_ERROR" },
	{ SQLITE_PERM, "SQLITE_PERM" },
	{ SQLITE_BUSY, "SQLITE_BUSY" },
	{ SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY" },
	{ SQLITE_LOCKED, "SQLITE_LOCKED" },
	{ SQLITE_READONLY, "SQLITE_READONLY" },
	{ SQLITE_READONLY_RECOVERY, "SQLITE_READONLY_RECOVERY" },
	{ SQLITE_READONLY_CANTINIT, "SQLITE_READONLY_CANTINIT" },
	{ SQLITE_READONLY_ROLLBACK, "SQLITE_READONLY_ROLLBACK" },
	{ SQLITE_INTERRUPT, "SQLITE_INTERRUPT" },
	{ SQLITE_IOERR, "SQLITE_IOERR" },
	{ SQLITE_IOERR_READ, "SQLITE_IOERR_READ" },
	{ SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ" },
	{ SQLITE_CORRUPT, "SQLITE_CORRUPT" },
	{ SQLITE_CORRUPT_VTAB, "SQLITE_CORRUPT_VTAB" },
	{ SQLITE_CORRUPT_INDEX, "SQLITE_CORRUPT_INDEX" },
	{ SQLITE_FULL, "SQLITE_FULL" },
	{ SQLITE_CANTOPEN, "SQLITE_CANTOPEN" },
	{ SQLITE_PROTOCOL, "SQLITE_PROTOCOL" },
	{ SQLITE_SCHEMA, "SQLITE_SCHEMA" },
	{ SQLITE_TOOBIG, "SQLITE_TOOBIG" },
	{ SQLITE_AUTH, "SQLITE_AUTH" },
	{ SQLITE_NOTADB, "SQLITE_NOTADB" },
};

static void put_code(int rc, struct kvf_err *err)
{
	size_t i;

	for (i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++) {
		if (code_names[i].rc == rc) {
			snprintf(err->code, sizeof(err->code), "%s", code_names[i].name);
			return;
		}
	}
	snprintf(err->code, sizeof(err->code), "SQLITE_%d", rc);
}

/* The sentence that tells what to do about a result code. */
static void put_hint(const struct kvf_sqlite *s, int rc, struct kvf_err *err)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		kvf_err_detail(err, "Part of %s is damaged; it was not changed.", s->path);
		kvf_err_hint(err,
			     "See what is wrong with 'PRAGMA integrity_check' in sqlite3, "
			     "then restore a backup, or save what is left with '.recover'.");
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		kvf_err_hint(err, "Stop the program that has the database open for writing, or "
				  "run again when it is done.");
		break;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
		kvf_err_hint(err,
			     "Check that the file, and -wal and -shm next to it, may be read "
			     "by this user.");
		break;
	case SQLITE_TOOBIG:
		kvf_err_hint(err, "This SQLite library reads values of at most %d bytes.",
			     s->db ? sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, -1) : 0);
		break;
	default: break;
	}
}

enum kvf_status kvf_sqlite_fail(const struct kvf_sqlite *s, int rc, struct kvf_err *err,
				const char *doing, ...)
{
	enum kvf_status st = KVF_ESOURCE;
	const char *why = sqlite3_errstr(rc);
	char what[512];
	va_list ap;

	va_start(ap, doing);
	vsnprintf(what, sizeof(what), doing, ap);
	va_end(ap);
	if ((rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		return kvf_fail_nomem(err);
	/* A busy wait that a stop cut short is a stop. */
	if ((rc & 0xff) == SQLITE_INTERRUPT ||
	    ((rc & 0xff) == SQLITE_BUSY && kvf_source_stopped(&s->base)))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped: did not %s", what);
	if (s->db && sqlite3_extended_errcode(s->db) == rc)
		why = sqlite3_errmsg(s->db);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		st = kvf_fail(err, st, "%s is locked by another connection (waited %.0f s)",
			      s->path, KVF_SQLITE_BUSY_SECONDS);
	else if (rc == SQLITE_NOTADB)
		st = kvf_fail(err, st, "%s is not an SQLite database, or is encrypted",
			      s->path);
	else
		st = kvf_fail(err, st, "cannot %s: %s", what, why);
	if (!err)
		return st;
	if ((rc & 0xff) == SQLITE_IOERR && s->db)
		err->sys_errno = sqlite3_system_errno(s->db);
	put_code(rc, err);
	put_hint(s, rc, err);
	return st;
}

/* ---- statements -------------------------------------------------------------- */

enum kvf_status kvf_sqlite_prepare(struct kvf_sqlite *s, const char *sql, sqlite3_stmt **stmt,
				   struct kvf_err *err)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, stmt, NULL);

	return rc ? kvf_sqlite_fail(s, rc, err, "read the schema of %s", s->path) : KVF_OK;
}

/* Is there nothing but blanks, comments and semicolons behind the statement? */
static int only_blanks(struct kvf_sqlite *s, const char *tail)
{
	sqlite3_stmt *next = NULL;
	int rc = SQLITE_OK;

	while (*tail && !rc && !next)
		rc = sqlite3_prepare_v2(s->db, tail, -1, &next, &tail);
	sqlite3_finalize(next);
	return !rc && !next;
}

enum kvf_status kvf_sqlite_prepare_query(struct kvf_sqlite *s, const char *sql,
					 const char *what, sqlite3_stmt **stmt,
					 struct kvf_err *err)
{
	const char *tail = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, stmt, &tail);

	if (rc == SQLITE_ERROR || rc == SQLITE_AUTH) {
		kvf_fail(err, KVF_EDEFINITION, "%s: the source refuses the SQL: %s", what,
			 sqlite3_errmsg(s->db));
		return KVF_EDEFINITION;
	}
	if (rc)
		return kvf_sqlite_fail(s, rc, err, "read %s", what);
	if (!*stmt)
		return kvf_fail(err, KVF_EDEFINITION, "%s: there is no SQL", what);
	if (!only_blanks(s, tail))
		kvf_fail(err, KVF_EDEFINITION, "%s: more than one SQL statement", what);
	else if (!sqlite3_stmt_readonly(*stmt) || sqlite3_column_count(*stmt) == 0)
		kvf_fail(err, KVF_EDEFINITION, "%s: the SQL is not a SELECT", what);
	else if (sqlite3_bind_parameter_count(*stmt))
		kvf_fail(err, KVF_EDEFINITION, "%s: the SQL has a parameter, %s", what,
			 sqlite3_bind_parameter_name(*stmt, 1)
				 ? sqlite3_bind_parameter_name(*stmt, 1)
				 : "?");
	else
		return KVF_OK;
	sqlite3_finalize(*stmt);
	*stmt = NULL;
	return KVF_EDEFINITION;
}

static enum kvf_status sqlite_scalar(struct kvf_source *base, const char *sql, char *buf,
				     size_t size, struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = kvf_sqlite_prepare_query(s, sql, "version query", &stmt, err);
	int rc, n;

	if (st)
		return st;
	if (sqlite3_column_count(stmt) != 1) {
		st = kvf_fail(err, KVF_EDEFINITION, "a query for one value has %d columns",
			      sqlite3_column_count(stmt));
		goto out;
	}
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE ||
	    (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_NULL)) {
		st = kvf_fail(err, KVF_ENOTFOUND, "a query for one value gave none");
		goto out;
	}
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		if (!text) {
			st = kvf_fail_nomem(err);
			goto out;
		}
		n = snprintf(buf, size, "%s", text);
		if (n < 0 || (size_t)n >= size) {
			st = kvf_fail(err, KVF_EDEFINITION,
				      "a query for one value gave %d bytes, "
				      "at most %zu are expected",
				      n, size - 1);
			goto out;
		}
		rc = sqlite3_step(stmt);
	}
	if (rc == SQLITE_ROW)
		st = kvf_fail(err, KVF_EDEFINITION, "a query for one value gave several rows");
	else if (rc != SQLITE_DONE)
		st = kvf_sqlite_fail(s, rc, err, "run a query for one value");
out:
	if (st)
		buf[0] = '\0';
	sqlite3_finalize(stmt);
	return st;
}

static enum kvf_status sqlite_count(struct kvf_source *base, const struct kvf_record *record,
				    uint64_t *rows, struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	const struct kvf_table *shape = NULL;
	sqlite3_stmt *stmt = NULL;
	char *sql = NULL;
	enum kvf_status st = kvf_sqlite_describe(base, record, &shape, err);
	int rc;

	if (!st)
		st = kvf_sqlite_select(s, record, shape, 1, &sql, err);
	if (!st)
		st = kvf_sqlite_prepare_query(s, sql, shape->name, &stmt, err);
	if (!st) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			*rows = (uint64_t)sqlite3_column_int64(stmt, 0);
		else
			st = kvf_sqlite_fail(s, rc, err, "count the rows of table \"%s\"",
					     shape->name);
	}
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return st ? st : kvf_sqlite_still_whole(s, err);
}

/* ---- the place ----------------------------------------------------------------- */

/*
 * An empty WAL comes and goes with readers: it says nothing.  Nor does the time
 * of its inode: SQLite, run by root, gives the WAL to the owner of the database
 * whenever it opens it.
 */
static int same_wal(const struct kvf_sqlite_state *a, const struct kvf_sqlite_state *b)
{
	struct kvf_sqlite_state c = *b;

	c.ctime = a->ctime;
	return (a->size <= 0 && b->size <= 0) || kvf_sqlite_state_equal(a, &c);
}

/*
 * Every commit writes to the database file or to its WAL, which shows in the
 * times of the file once they are older than a tick of the clock that sets
 * them.  The files are not opened for it: that could cost us our locks.
 */
static enum kvf_status read_mark(const struct kvf_sqlite *s, struct kvf_sqlite_mark *mark,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_sqlite_state_settled(s->path, "", &mark->db, err);

	return st ? st : kvf_sqlite_state_settled(s->path, "-wal", &mark->wal, err);
}

static enum kvf_status sqlite_changed(struct kvf_source *base, int *changed,
				      struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	struct kvf_sqlite_mark now;
	enum kvf_status st = read_mark(s, &now, err);

	if (st)
		return st;
	if (now.db.size < 0) {
		kvf_fail(err, KVF_ESOURCE, "%s is gone", s->path);
		kvf_err_hint(err, "Somebody moved or deleted the database while it was read.");
		return KVF_ESOURCE;
	}
	*changed = !kvf_sqlite_state_equal(&s->mark.db, &now.db) ||
		   !same_wal(&s->mark.wal, &now.wal);
	return KVF_OK;
}

static const char *sqlite_identity(const struct kvf_source *base)
{
	return ((const struct kvf_sqlite *)base)->identity;
}

static int sqlite_is_place(const struct kvf_source *base, const char *scheme, const char *rest)
{
	const struct kvf_sqlite *s = (const struct kvf_sqlite *)base;
	struct stat a, b;

	return strcmp(scheme, "sqlite") == 0 && !stat(s->path, &a) && !stat(rest, &b) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void sqlite_close(struct kvf_source *base)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;

	if (!s->borrowed)
		sqlite3_close(s->db);
	kvf_sqlite_file_close(&s->guard);
	kvf_sqlite_scratch_remove(s);
	kvf_arena_release(&s->arena);
	sqlite3_free(s->identity);
	free(s->path);
	free(s);
}

static const struct kvf_source_driver sqlite_driver = {
	.tables = kvf_sqlite_tables,
	.describe = kvf_sqlite_describe,
	.count = sqlite_count,
	.scalar = sqlite_scalar,
	.plan = kvf_sqlite_plan,
	.rows_open = kvf_sqlite_rows_open,
	.rows_next = kvf_sqlite_rows_next,
	.rows_close = kvf_sqlite_rows_close,
	.changed = sqlite_changed,
	.frozen = kvf_sqlite_frozen,
	.identity = sqlite_identity,
	.is_place = sqlite_is_place,
	.close = sqlite_close,
};

/* A regular file that exists; its absolute name without symlinks. */
static enum kvf_status resolve(const char *rest, char **path, struct kvf_err *err)
{
	struct stat st;
	int e;

	*path = NULL;
	if (*rest == '\0') {
		kvf_fail(err, KVF_EUSAGE, "sqlite: needs the path of a database");
		kvf_err_hint(err, "Write it as in sqlite:shop.db.");
		return KVF_EUSAGE;
	}
	*path = realpath(rest, NULL);
	if (!*path || stat(*path, &st)) {
		e = errno;
		free(*path);
		*path = NULL;
		if (e == ENOMEM)
			return kvf_fail_nomem(err);
		kvf_fail_errno(err, KVF_ESOURCE, e, "cannot open %s", rest);
		kvf_err_hint(err, "Check the path; a source is never created.");
		return KVF_ESOURCE;
	}
	if (S_ISREG(st.st_mode))
		return KVF_OK;
	kvf_fail(err, KVF_ESOURCE, "%s is %s, not a database file", rest,
		 S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
	kvf_err_hint(err, "Name the database file itself.");
	free(*path);
	*path = NULL;
	return KVF_ESOURCE;
}

enum kvf_status kvf_source_sqlite_open(const char *rest, const struct kvf_env *env,
				       struct kvf_source **out, struct kvf_err *err)
{
	struct kvf_sqlite *s;
	enum kvf_status st;

	*out = NULL;
	if (sqlite3_initialize())
		return kvf_fail_nomem(err);
	s = calloc(1, sizeof(*s));
	if (!s)
		return kvf_fail_nomem(err);
	kvf_source_init(&s->base, &sqlite_driver, env);
	kvf_arena_init(&s->arena);
	st = resolve(rest, &s->path, err);
	if (!st) {
		s->identity = sqlite3_mprintf("SQLite %s, %s", sqlite3_libversion(), s->path);
		st = s->identity ? KVF_OK : kvf_fail_nomem(err);
		if (snprintf(s->base.place, sizeof(s->base.place), "sqlite:%s", s->path) >=
		    (int)sizeof(s->base.place))
			s->base.place[0] = '\0';
	}
	if (!st)
		st = read_mark(s, &s->mark, err);
	if (!st)
		st = kvf_sqlite_begin(s, err);
	if (!st && s->keeps_out) /* what came before is in the snapshot */
		st = read_mark(s, &s->mark, err);
	if (st) {
		sqlite_close(&s->base);
		return st;
	}
	*out = &s->base;
	return KVF_OK;
}

enum kvf_status kvf_source_over_sqlite(struct sqlite3 *db, const char *path,
				       const struct kvf_env *env, struct kvf_source **out,
				       struct kvf_err *err)
{
	struct kvf_sqlite *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	kvf_source_init(&s->base, &sqlite_driver, env);
	kvf_arena_init(&s->arena);
	s->db = db;
	s->borrowed = 1;
	s->path = strdup(path);
	s->identity = sqlite3_mprintf("SQLite %s, %s", sqlite3_libversion(), path);
	if (!s->path || !s->identity) {
		sqlite_close(&s->base);
		return kvf_fail_nomem(err);
	}
	*out = &s->base;
	return KVF_OK;
}
