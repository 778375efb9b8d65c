/*
 * sqlite_drop - legacy tables out of a SQLite database, in one transaction.
 *
 * What would be left behind broken stops it: a table that refers to one of them,
 * a view or a trigger that reads one.
 */
#include "source/sqlite.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_MS 30000

static enum kvf_status fail(const char *path, sqlite3 *db, const char *doing,
			    struct kvf_err *err)
{
	enum kvf_status st;

	if (sqlite3_errcode(db) == SQLITE_NOMEM)
		return kvf_fail_nomem(err);
	st = kvf_fail(err, KVF_ESOURCE, "%s: cannot %s: %s", path, doing, sqlite3_errmsg(db));
	kvf_err_detail(err, "No table was dropped.");
	return st;
}

/* Never makes a file, and takes every spelling of a path literally. */
static enum kvf_status connect(const char *rest, int flags, sqlite3 **db, struct kvf_err *err)
{
	char *path = realpath(rest, NULL);
	enum kvf_status st = KVF_OK;

	*db = NULL;
	if (!path)
		return kvf_fail(err, KVF_ESOURCE, "cannot open %s", rest);
	if (sqlite3_open_v2(path, db,
			    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
				    SQLITE_OPEN_PRIVATECACHE,
			    NULL))
		st = *db ? fail(path, *db, "open it", err) : kvf_fail_nomem(err);
	else
		sqlite3_busy_timeout(*db, BUSY_MS);
	free(path);
	return st;
}

static enum kvf_status prepare(const char *rest, sqlite3 *db, sqlite3_stmt **stmt,
			       struct kvf_err *err, const char *fmt, const char *name)
{
	char *sql = sqlite3_mprintf(fmt, name);
	enum kvf_status st = KVF_OK;

	*stmt = NULL;
	if (!sql)
		return kvf_fail_nomem(err);
	if (sqlite3_prepare_v2(db, sql, -1, stmt, NULL))
		st = fail(rest, db, "read its schema", err);
	sqlite3_free(sql);
	return st;
}

static enum kvf_status look(const char *rest, sqlite3 *db, const struct kvf_drop *list,
			    size_t n, int *there, struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = KVF_OK;
	size_t i;
	int rc;

	for (i = 0; i < n && !st; i++) {
		st = prepare(rest, db, &stmt, err,
			     list[i].kind == KVF_DROP_TABLE
				     ? "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND"
				       " name = %Q COLLATE NOCASE"
			     : list[i].kind == KVF_DROP_VIEW
				     ? "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND"
				       " name = %Q COLLATE NOCASE"
				     : "SELECT 1 WHERE %Q IS NULL", /* it has no other kinds */
			     list[i].name);
		if (st)
			break;
		rc = sqlite3_step(stmt);
		there[i] = rc == SQLITE_ROW;
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			st = fail(rest, db, "read its schema", err);
		sqlite3_finalize(stmt);
	}
	return st;
}

enum kvf_status kvf_sqlite_present(const char *rest, const struct kvf_env *env,
				   const struct kvf_drop *list, size_t n, int *there,
				   struct kvf_err *err)
{
	sqlite3 *db;
	enum kvf_status st = connect(rest, SQLITE_OPEN_READWRITE, &db, err);

	(void)env;
	if (!st)
		st = look(rest, db, list, n, there, err);
	sqlite3_close(db);
	return st;
}

static int listed(const char *name, const struct kvf_drop *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (sqlite3_stricmp(name, list[i].name) == 0)
			return 1;
	return 0;
}

static enum kvf_status in_the_way(const char *kind, const char *name, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "%s \"%.200s\" uses a table that is to be dropped", kind,
		 name);
	kvf_err_detail(err, "No table was dropped.");
	kvf_err_hint(err, "Drop it first, or list its table under 'drop:' too.");
	return KVF_EPREFLIGHT;
}

/* A table outside the list that refers to one in it. */
static enum kvf_status check_references(const char *rest, sqlite3 *db,
					const struct kvf_drop *list, size_t n,
					struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = prepare(rest, db, &stmt, err,
				     "SELECT m.name, f.\"table\" FROM sqlite_schema m, "
				     "pragma_foreign_key_list(m.name) f"
				     " WHERE m.type = 'table'%s",
				     "");
	int rc = SQLITE_DONE;

	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *to = (const char *)sqlite3_column_text(stmt, 1);

		if (name && to && listed(to, list, n) && !listed(name, list, n))
			st = in_the_way("table", name, err);
	}
	if (!st && rc != SQLITE_DONE)
		st = fail(rest, db, "read its schema", err);
	sqlite3_finalize(stmt);
	return st;
}

/* Does the last error of `db` say that one of the tables is not there? */
static int misses_one(sqlite3 *db, const struct kvf_drop *list, size_t n)
{
	static const char says[] = "no such table: ";
	const char *at = strstr(sqlite3_errmsg(db), says);

	if (!at)
		return 0;
	at += strlen(says);
	if (strncmp(at, "main.", 5) == 0)
		at += 5;
	return listed(at, list, n);
}

/* After the drop, in its transaction: a view that cannot be read any more. */
static enum kvf_status check_views(const char *rest, sqlite3 *db, const struct kvf_drop *list,
				   size_t n, struct kvf_err *err)
{
	sqlite3_stmt *stmt, *view;
	enum kvf_status st =
		prepare(rest, db, &stmt, err,
			"SELECT name FROM sqlite_schema WHERE type = 'view'%s", "");
	char *sql;

	while (!st && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		sql = sqlite3_mprintf("SELECT 1 FROM \"%w\"", name);
		if (!name || !sql)
			st = kvf_fail_nomem(err);
		else if (sqlite3_prepare_v2(db, sql, -1, &view, NULL) == SQLITE_OK)
			sqlite3_finalize(view);
		else if (misses_one(db, list, n))
			st = in_the_way("view", name, err);
		sqlite3_free(sql);
	}
	sqlite3_finalize(stmt);
	return st;
}

static enum kvf_status drop_all(const char *rest, sqlite3 *db, const struct kvf_drop *list,
				size_t n, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	char *sql;
	size_t i;

	for (i = 0; i < n && !st; i++) {
		if (list[i].kind != KVF_DROP_TABLE && list[i].kind != KVF_DROP_VIEW)
			continue;
		sql = sqlite3_mprintf("DROP %s IF EXISTS main.\"%w\"",
				      list[i].kind == KVF_DROP_VIEW ? "VIEW" : "TABLE",
				      list[i].name);
		if (!sql)
			return kvf_fail_nomem(err);
		if (sqlite3_exec(db, sql, NULL, NULL, NULL))
			st = fail(rest, db, "drop a table", err);
		sqlite3_free(sql);
		KVF_FAILPOINT(st, err, "sqlite.drop.table");
	}
	return st;
}

enum kvf_status kvf_sqlite_drop(const char *rest, const struct kvf_env *env,
				const struct kvf_drop *list, size_t n, struct kvf_err *err)
{
	sqlite3 *db;
	enum kvf_status st = connect(rest, SQLITE_OPEN_READWRITE, &db, err);

	(void)env;
	/* Without foreign keys a table is not emptied row by row before it goes. */
	if (!st && sqlite3_exec(db,
				"PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL;"
				"BEGIN IMMEDIATE",
				NULL, NULL, NULL))
		st = fail(rest, db, "begin to write", err);
	if (!st)
		st = check_references(rest, db, list, n, err);
	if (!st)
		st = drop_all(rest, db, list, n, err);
	if (!st)
		st = check_views(rest, db, list, n, err);
	KVF_FAILPOINT(st, err, "sqlite.drop.written");
	if (!st && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
		st = fail(rest, db, "commit", err);
	KVF_FAILPOINT(st, err, "sqlite.drop.committed");
	sqlite3_close(db); /* rolls back what is open */
	return st;
}
