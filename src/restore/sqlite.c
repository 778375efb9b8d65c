/*
 * sqlite - tables of a stream into an SQLite database, in one transaction.
 *
 * What the stream says is tried out first, in a database in memory: a statement
 * that does not do what it should is refused before the file is touched.
 */
#include "restore/sqlite.h"

#include "base/failpoint.h"
#include "source/over.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS KVF_PATIENCE(30000)
#define CACHE_KIB 65536

/* ---- errors and statements ------------------------------------------------------ */

enum kvf_status kvf_restore_lite_fail(const struct kvf_restore_lite *l, sqlite3 *db,
				      const char *doing, struct kvf_err *err)
{
	int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
	enum kvf_status st;

	if ((code & 0xff) == SQLITE_NOMEM)
		return kvf_fail_nomem(err);
	if ((code & 0xff) == SQLITE_INTERRUPT)
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	st = kvf_fail(err, KVF_ETARGET, "%s: cannot %s: %s", l->path, doing,
		      (code & 0xff) == SQLITE_BUSY ? "it is locked by another program"
						   : sqlite3_errmsg(db));
	kvf_err_detail(err, "Nothing was changed.");
	if (!err)
		return st;
	err->sys_errno = sqlite3_system_errno(db);
	if ((code & 0xff) == SQLITE_FULL)
		kvf_err_hint(err,
			     "Free space on the file system of %s, then give the same "
			     "command again.",
			     l->path);
	else if ((code & 0xff) == SQLITE_BUSY)
		kvf_err_hint(err,
			     "End the program that writes to %s, then give the same "
			     "command again.",
			     l->path);
	else if ((code & 0xff) == SQLITE_READONLY || (code & 0xff) == SQLITE_CANTOPEN)
		kvf_err_hint(err, "See to it that this user may write %s and its folder.",
			     l->path);
	else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
		kvf_err_hint(err, "Name another file, or see what 'PRAGMA integrity_check' "
				  "says of this one.");
	return st;
}

static enum kvf_status exec(const struct kvf_restore_lite *l, sqlite3 *db, const char *sql,
			    const char *doing, struct kvf_err *err)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL)
		       ? kvf_restore_lite_fail(l, db, doing, err)
		       : KVF_OK;
}

static int on_progress(void *ctx)
{
	const struct kvf_restore_lite *l = ctx;

	return l->base.env->stopped && l->base.env->stopped(l->base.env->ctx);
}

/* Open; what is in the file is input, and so is the stream. */
static enum kvf_status connect(struct kvf_restore_lite *l, const char *path, int flags,
			       sqlite3 **db, struct kvf_err *err)
{
	int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
				 NULL);
	char *sql;
	enum kvf_status st;

	if (!*db)
		return kvf_fail_nomem(err);
	if (rc)
		return kvf_restore_lite_fail(l, *db, "open it", err);
	sqlite3_busy_timeout(*db, BUSY_MS);
	sqlite3_progress_handler(*db, 100000, on_progress, l);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_limit(*db, SQLITE_LIMIT_ATTACHED, 0);
	/* The rows were all there before: what the source let in, goes in. */
	sql = sqlite3_mprintf("PRAGMA foreign_keys=0; PRAGMA ignore_check_constraints=1;"
			      " PRAGMA cache_size=-%d",
			      CACHE_KIB);
	st = sql ? exec(l, *db, sql, "set it up", err) : kvf_fail_nomem(err);
	sqlite3_free(sql);
	return st;
}

/* ---- before anything is written ------------------------------------------------------ */

/* Is the table there?  Then it has to be empty. */
static enum kvf_status look(struct kvf_restore_lite *l, struct kvf_restore_table *t,
			    struct kvf_err *err)
{
	const char *type, *sql;
	sqlite3_stmt *stmt = NULL;
	char *select;
	enum kvf_status st = kvf_restore_lite_find(l, l->db, t->shape->name, &type, &sql, err);
	int rc;

	if (st || !type)
		return st;
	if (strcmp(type, "table") != 0)
		return kvf_restore_refuse(t->shape, NULL,
					  "Drop or rename it, or leave the table out with "
					  "--exclude-table.",
					  err, "there is %s %s of this name already",
					  strcmp(type, "index") == 0 ? "an" : "a", type);
	select = sqlite3_mprintf("SELECT 1 FROM main.\"%w\" LIMIT 1", t->shape->name);
	if (!select)
		return kvf_fail_nomem(err);
	rc = sqlite3_prepare_v2(l->db, select, -1, &stmt, NULL);
	rc = rc ? rc : sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		st = kvf_restore_not_empty(t->shape, err);
	else if (rc != SQLITE_DONE)
		st = kvf_restore_lite_fail(l, l->db, "look into a table", err);
	t->exists = !st;
	sqlite3_finalize(stmt);
	sqlite3_free(select);
	return st;
}

/* All of it in a database that nobody sees. */
static enum kvf_status rehearse(struct kvf_restore_lite *l, struct kvf_err *err)
{
	sqlite3 *db = NULL;
	enum kvf_status st =
		connect(l, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);
	size_t i;

	if (!st)
		st = kvf_restore_lite_tables(l, db, 1, err);
	if (!st)
		st = kvf_restore_lite_shapes(l, db, 0, err);
	if (!st)
		st = kvf_restore_lite_rest(l, db, err);
	for (i = 0; i < l->base.ntables && !st; i++) {
		if (l->base.tables[i].foreign)
			st = kvf_restore_leave_foreign(&l->base, &l->base.tables[i], err);
		else if (!l->base.whole)
			st = kvf_restore_lite_leave_views(l, db, &l->base.tables[i], err);
	}
	sqlite3_close(db);
	return st;
}

static enum kvf_status lite_check(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < r->ntables; i++)
		r->tables[i].place = r->tables[i].shape->name;
	if (l->db)
		st = exec(l, l->db, r->dry_run ? "BEGIN" : "BEGIN IMMEDIATE", "begin", err);
	for (i = 0; l->db && i < r->ntables && !st; i++)
		st = look(l, &r->tables[i], err);
	if (!st)
		st = rehearse(l, err);
	if (!st && l->db)
		st = kvf_restore_lite_shapes(l, l->db, 1, err);
	return st;
}

/* ---- rows ------------------------------------------------------------------------------- */

/* Mode 0600, as every file that holds somebody's data. */
static enum kvf_status make_file(struct kvf_restore_lite *l, struct kvf_err *err)
{
	int fd = open(l->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum kvf_status st;

	if (fd < 0) {
		st = kvf_fail_errno(err, KVF_ETARGET, errno, "%s: cannot create the database",
				    l->path);
		kvf_err_detail(err, "Nothing was changed.");
		return st;
	}
	close(fd);
	l->made = 1;
	st = connect(l, l->path, SQLITE_OPEN_READWRITE, &l->db, err);
	return st ? st : exec(l, l->db, "BEGIN IMMEDIATE", "begin", err);
}

static enum kvf_status lite_create(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	enum kvf_status st = l->db ? KVF_OK : make_file(l, err);

	return st ? st : kvf_restore_lite_tables(l, l->db, 0, err);
}

static enum kvf_status lite_begin_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				       struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	const struct kvf_table *s = t->shape;
	sqlite3_str *sql = sqlite3_str_new(l->db);
	char *text;
	size_t i;
	int rc;

	free(l->bound);
	l->bound = calloc(s->ncolumns + 1, sizeof(*l->bound));
	l->nbound = 0;
	sqlite3_str_appendf(sql, "INSERT INTO main.\"%w\"", s->name);
	for (i = 0; l->bound && i < s->ncolumns; i++) {
		if (!t->foreign && (s->columns[i].flags & KVF_COLUMN_GENERATED))
			continue;
		sqlite3_str_appendf(sql, "%s\"%w\"", l->nbound ? "," : "(", s->columns[i].name);
		l->bound[l->nbound++] = i;
	}
	for (i = 0; i < l->nbound; i++)
		sqlite3_str_appendall(sql, i ? ",?" : ") VALUES(?");
	sqlite3_str_appendall(sql, l->nbound ? ")" : " DEFAULT VALUES");
	text = sqlite3_str_finish(sql);
	if (!text || !l->bound) {
		sqlite3_free(text);
		return kvf_fail_nomem(err);
	}
	rc = sqlite3_prepare_v3(l->db, text, -1, SQLITE_PREPARE_PERSISTENT, &l->insert, NULL);
	sqlite3_free(text);
	return rc ? kvf_restore_lite_fail(l, l->db, "write rows", err) : KVF_OK;
}

/* What another database's number is not here. */
static enum kvf_status check_foreign(const struct kvf_restore_table *t, size_t column,
				     const struct kvf_cell *c, struct kvf_err *err)
{
	if (c->type == KVF_CELL_REAL && isnan(c->u.r))
		return kvf_restore_refuse(t->shape, t->shape->columns[column].name,
					  "Correct the row in the source.", err,
					  "a row holds NaN, which SQLite cannot keep");
	if (c->type == KVF_CELL_REAL && c->u.r == 0 && signbit(c->u.r))
		return kvf_restore_refuse(t->shape, t->shape->columns[column].name,
					  "Correct the row in the source.", err,
					  "a row holds -0.0, which SQLite does not keep");
	return KVF_OK;
}

static int bind(sqlite3_stmt *stmt, int at, const struct kvf_cell *c)
{
	const char *bytes = c->type == KVF_CELL_TEXT || c->type == KVF_CELL_BLOB
				    ? (const char *)c->u.b.ptr
				    : NULL;

	switch (c->type) {
	case KVF_CELL_NULL: return sqlite3_bind_null(stmt, at);
	case KVF_CELL_BOOL:
	case KVF_CELL_INT: return sqlite3_bind_int64(stmt, at, c->u.i);
	case KVF_CELL_REAL: return sqlite3_bind_double(stmt, at, c->u.r);
	case KVF_CELL_TEXT:
		return sqlite3_bind_text64(stmt, at, c->u.b.len ? bytes : "", c->u.b.len,
					   SQLITE_STATIC, SQLITE_UTF8);
	case KVF_CELL_BLOB:
		return sqlite3_bind_blob64(stmt, at, c->u.b.len ? bytes : "", c->u.b.len,
					   SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static enum kvf_status lite_put(struct kvf_restore *r, struct kvf_restore_table *t,
				const struct kvf_cell *cells, struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	enum kvf_status st = KVF_OK;
	char doing[200];
	size_t i;

	for (i = 0; i < l->nbound && !st; i++) {
		if (t->foreign)
			st = check_foreign(t, l->bound[i], &cells[l->bound[i]], err);
		if (!st && bind(l->insert, (int)i + 1, &cells[l->bound[i]]))
			st = kvf_restore_lite_fail(l, l->db, "write rows", err);
	}
	if (!st && sqlite3_step(l->insert) != SQLITE_DONE) {
		snprintf(doing, sizeof(doing), "write a row of table \"%.150s\"",
			 t->shape->name);
		st = kvf_restore_lite_fail(l, l->db, doing, err);
	}
	sqlite3_reset(l->insert);
	return st;
}

static enum kvf_status lite_end_rows(struct kvf_restore *r, struct kvf_restore_table *t,
				     struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;

	(void)t;
	(void)err;
	sqlite3_finalize(l->insert);
	l->insert = NULL;
	return KVF_OK;
}

/* ---- after the rows ---------------------------------------------------------------------- */

static enum kvf_status lite_finish(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;

	return kvf_restore_lite_rest(l, l->db, err);
}

/* ---- the way back of an application ------------------------------------------------------ */

static enum kvf_status lite_run(struct kvf_restore *r, const char *doing, const char *sql,
				struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;

	return exec(l, l->db, sql, doing, err);
}

/* A real table, as rows go to the main database; the run drops it at its end. */
static enum kvf_status lite_scratch(struct kvf_restore *r, struct kvf_restore_table *t,
				    struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	enum kvf_status st = KVF_OK;
	char *text = NULL;
	size_t i;

	if (!l->db)
		return kvf_fail(err, KVF_EPREFLIGHT, "%s does not exist", l->path);
	st = exec(l, l->db, r->dry_run ? "BEGIN" : "BEGIN IMMEDIATE", "begin", err);
	if (!st) {
		sqlite3_str *sql = sqlite3_str_new(l->db);

		sqlite3_str_appendf(sql, "CREATE TABLE main.\"%w\"", t->shape->name);
		for (i = 0; i < t->shape->ncolumns; i++)
			sqlite3_str_appendf(sql, "%s\"%w\"", i ? "," : "(",
					    t->shape->columns[i].name);
		sqlite3_str_appendall(sql, ")");
		text = sqlite3_str_finish(sql);
		st = text ? exec(l, l->db, text, "make a table", err) : kvf_fail_nomem(err);
	}
	sqlite3_free(text);
	return st;
}

/* AUTOINCREMENT takes care of itself. */
static enum kvf_status lite_pass(struct kvf_restore *r, const char *table, struct kvf_err *err)
{
	(void)r;
	(void)table;
	(void)err;
	return KVF_OK;
}

static enum kvf_status lite_source(struct kvf_restore *r, struct kvf_source **out,
				   struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;

	return kvf_source_over_sqlite(l->db, l->path, &r->quiet, out, err);
}

static enum kvf_status lite_commit(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;
	enum kvf_status st = exec(l, l->db, "COMMIT", "commit", err);

	l->committed = !st;
	KVF_FAILPOINT(st, err, "sqlite.restore.committed");
	return st;
}

static void lite_close(struct kvf_restore *r)
{
	struct kvf_restore_lite *l = (struct kvf_restore_lite *)r;

	sqlite3_finalize(l->insert);
	if (l->db && !l->committed)
		sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(l->db);
	if (l->made && !l->committed && l->path)
		unlink(l->path);
	kvf_arena_release(&r->arena);
	free(l->bound);
	free(l->path);
	free(l);
}

static const struct kvf_restore_ops ops = {
	.dialect = "sqlite",
	.check = lite_check,
	.create = lite_create,
	.begin_rows = lite_begin_rows,
	.put = lite_put,
	.end_rows = lite_end_rows,
	.finish = lite_finish,
	.scratch = lite_scratch,
	.run = lite_run,
	.pass = lite_pass,
	.source = lite_source,
	.commit = lite_commit,
	.close = lite_close,
};

enum kvf_status kvf_restore_sqlite_open(const char *rest, int dry_run,
					const struct kvf_env *env, struct kvf_restore **out,
					struct kvf_err *err)
{
	struct kvf_restore_lite *l = calloc(1, sizeof(*l));
	enum kvf_status st = KVF_OK;
	struct stat file;

	*out = NULL;
	if (!l)
		return kvf_fail_nomem(err);
	kvf_restore_init(&l->base, &ops, dry_run, env);
	l->path = strdup(rest);
	if (!l->path || sqlite3_initialize())
		st = kvf_fail_nomem(err);
	if (!st && !stat(rest, &file)) {
		if (S_ISREG(file.st_mode))
			st = connect(l, rest,
				     dry_run ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE,
				     &l->db, err);
		else
			st = kvf_fail(err, KVF_ETARGET, "%s is no file", rest);
	}
	if (st) {
		lite_close(&l->base);
		return st;
	}
	snprintf(l->base.identity, sizeof(l->base.identity), "SQLite %s, %.400s",
		 sqlite3_libversion(), rest);
	*out = &l->base;
	return KVF_OK;
}
