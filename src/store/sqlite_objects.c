/*
 * sqlite_objects - the tables that kvferry makes in a SQLite store, and what
 * in a database may stand in the way of a publication.  docs/objects.md
 * describes each of them for people.
 */
#include "store/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/*
 * Everything is plain SQL of 2013, so that an application with an old SQLite
 * can still read its database.  The ledger's third trigger is needed because
 * INSERT OR REPLACE deletes without firing a delete trigger.
 */
static const char objects_sql[] =
	"CREATE TABLE kvferry_control("
	" id INTEGER PRIMARY KEY CHECK (id = 1),"
	" format INTEGER NOT NULL CHECK (format = 4),"
	" live TEXT NOT NULL,"
	" epoch INTEGER NOT NULL CHECK (epoch >= 1),"
	" state TEXT NOT NULL CHECK (state IN ('IDLE', 'STAGING', 'SEALED', 'LIVE')),"
	" ver INTEGER NOT NULL DEFAULT 0 CHECK (ver >= 0),"
	" active INTEGER NOT NULL DEFAULT 0, stage INTEGER NOT NULL DEFAULT 0,"
	" prev INTEGER NOT NULL DEFAULT 0,"
	" prev_legacy INTEGER NOT NULL DEFAULT 0 CHECK (prev_legacy IN (0, 1, 2)),"
	" early INTEGER NOT NULL DEFAULT 0 CHECK (early IN (0, 1, 2)),"
	" run TEXT NOT NULL DEFAULT '', host TEXT NOT NULL DEFAULT '',"
	" pid INTEGER NOT NULL DEFAULT 0, pid_start INTEGER NOT NULL DEFAULT 0,"
	" started INTEGER NOT NULL DEFAULT 0, beat INTEGER NOT NULL DEFAULT 0,"
	" lease INTEGER NOT NULL DEFAULT 0, step TEXT NOT NULL DEFAULT '',"
	" tool TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '',"
	" legacy INTEGER NOT NULL DEFAULT 0 CHECK (legacy IN (0, 1, 2)),"
	" user_version INTEGER NOT NULL DEFAULT 0," /* before the last commit */
	" frozen TEXT NOT NULL DEFAULT '');"
	"CREATE TABLE kvferry_generations("
	" gen INTEGER PRIMARY KEY CHECK (gen >= 1),"
	" ver INTEGER NOT NULL, published INTEGER NOT NULL,"
	" run TEXT NOT NULL, app TEXT NOT NULL, tool TEXT NOT NULL,"
	" stream BLOB NOT NULL, root BLOB,"
	" entries INTEGER NOT NULL, bytes INTEGER NOT NULL, m BLOB NOT NULL,"
	" version_part BLOB NOT NULL, version_key BLOB NOT NULL,"
	" exact_packages INTEGER NOT NULL, mode TEXT NOT NULL, promised BLOB,"
	" source TEXT NOT NULL, version_started BLOB NOT NULL);"
	"CREATE TABLE kvferry_progress("
	" gen INTEGER NOT NULL, package INTEGER NOT NULL, chunk INTEGER NOT NULL,"
	" d BLOB NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL, m BLOB NOT NULL,"
	" marks BLOB NOT NULL, PRIMARY KEY (gen, package, chunk)) WITHOUT ROWID;"
	"CREATE TABLE kvferry_units("
	" gen INTEGER NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, unit BLOB NOT NULL,"
	" PRIMARY KEY (gen, name, n)) WITHOUT ROWID;"
	"CREATE TABLE kvferry_ledger("
	" id INTEGER PRIMARY KEY, at INTEGER NOT NULL, run TEXT, event TEXT NOT NULL,"
	" outcome TEXT, who TEXT, host TEXT, tool TEXT, app TEXT,"
	" from_version INTEGER NOT NULL, to_version INTEGER NOT NULL, document TEXT);"
	"CREATE TRIGGER kvferry_ledger_no_update BEFORE UPDATE ON kvferry_ledger BEGIN"
	" SELECT RAISE(ABORT, 'kvferry_ledger is append-only'); END;"
	"CREATE TRIGGER kvferry_ledger_no_delete BEFORE DELETE ON kvferry_ledger BEGIN"
	" SELECT RAISE(ABORT, 'kvferry_ledger is append-only'); END;"
	"CREATE TRIGGER kvferry_ledger_no_replace BEFORE INSERT ON kvferry_ledger"
	" WHEN EXISTS (SELECT 1 FROM kvferry_ledger WHERE id = NEW.id) BEGIN"
	" SELECT RAISE(ABORT, 'kvferry_ledger is append-only'); END;";

enum kvf_status kvf_lite_create_objects(struct kvf_lite *s, struct kvf_err *err)
{
	int has_live;
	enum kvf_status st = kvf_lite_has(s, s->db, "table", s->table, &has_live, err);

	if (!st)
		st = kvf_lite_exec(s, s->db, err, "%s", objects_sql);
	/* Data that are there become generation 1, made by nobody we know. */
	if (!st && has_live)
		st = kvf_lite_exec(s, s->db, err,
				   "INSERT INTO kvferry_generations VALUES"
				   " (1, 0, 0, '', '', '', x'', NULL, 0, 0, x'', x'', x'', 0,"
				   " '', NULL, '', x'')");
	if (!st)
		st = kvf_lite_exec(
			s, s->db, err,
			"INSERT INTO kvferry_control (id, format, live, epoch, state,"
			" active) VALUES (1, %d, %Q, 1, 'IDLE', %d)",
			KVF_CONTROL_FORMAT, s->table, has_live);
	return st;
}

enum kvf_status kvf_lite_has(struct kvf_lite *s, sqlite3 *db, const char *type,
			     const char *name, int *has, struct kvf_err *err)
{
	int64_t n;
	enum kvf_status st =
		kvf_lite_number(s, db, &n, err,
				"SELECT count(*) FROM sqlite_master WHERE type = %Q AND"
				" name = %Q COLLATE NOCASE",
				type, name);

	*has = n > 0;
	return st;
}

/* ---- what stands in the way --------------------------------------------------- */

/* Exactly our three columns, all BLOB, with our key? */
static enum kvf_status has_our_layout(struct kvf_lite *s, sqlite3 *db, int *fits,
				      struct kvf_err *err)
{
	int64_t columns, ours;
	enum kvf_status st;

	*fits = 0;
	st = kvf_lite_number(s, db, &columns, err,
			     "SELECT count(*) FROM pragma_table_xinfo(%Q)", s->table);
	if (!st)
		st = kvf_lite_number(s, db, &ours, err,
				     "SELECT count(*) FROM pragma_table_xinfo(%Q) WHERE type = "
				     "'BLOB' COLLATE"
				     " NOCASE AND hidden = 0 AND (name = 'partition_key' AND "
				     "pk = 1 AND cid = 0 OR"
				     " name = 'key' AND pk = 2 AND cid = 1 OR"
				     " name = 'value' AND pk = 0 AND cid = 2)",
				     s->table);
	if (!st)
		*fits = columns == 3 && ours == 3;
	return st;
}

/* Indexes and triggers of the live table: a rename would leave them behind. */
static enum kvf_status find_attached(struct kvf_lite *s, sqlite3 *db, char *buf, size_t size,
				     struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st;
	char list[256];

	st = kvf_lite_prepare(s, db, &stmt, err,
			      "SELECT group_concat(type || ' \"' || name || '\"', ', ') FROM"
			      " sqlite_master WHERE tbl_name = %Q COLLATE NOCASE AND"
			      " type IN ('index', 'trigger') AND sql IS NOT NULL",
			      s->table);
	if (st)
		return st;
	if (sqlite3_step(stmt) != SQLITE_ROW) {
		st = kvf_lite_fail(s, db, "read the schema", err);
	} else if (sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
		kvf_lite_text(stmt, 0, list, sizeof(list));
		snprintf(buf, size,
			 "table \"%.64s\" has objects that a publication would leave "
			 "behind: %s; drop them, and create them again afterwards",
			 s->table, list);
	}
	sqlite3_finalize(stmt);
	return st;
}

/* The table that kvferry publishes as in this database, if not the one asked for. */
static enum kvf_status check_live_name(struct kvf_lite *s, sqlite3 *db, char *buf, size_t size,
				       struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st;
	char live[256];
	int has;

	st = kvf_lite_has(s, db, "table", "kvferry_control", &has, err);
	if (st || !has)
		return st;
	st = kvf_lite_prepare(s, db, &stmt, err, "SELECT live FROM kvferry_control");
	if (st)
		return st;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		kvf_lite_text(stmt, 0, live, sizeof(live));
		if (sqlite3_stricmp(live, s->table) != 0)
			snprintf(buf, size,
				 "kvferry keeps table \"%.64s\" in this database; it "
				 "cannot keep \"%.64s\" as well",
				 live, s->table);
	}
	return kvf_lite_finish(s, stmt, KVF_OK, err);
}

enum kvf_status kvf_lite_blocker(struct kvf_lite *s, sqlite3 *db, int *fits, char *buf,
				 size_t size, struct kvf_err *err)
{
	static const char *const others[] = { "view", "index" };
	enum kvf_status st = check_live_name(s, db, buf, size, err);
	int64_t virtual;
	size_t i;
	int has;

	*fits = 0;
	if (st || buf[0])
		return st;
	for (i = 0; i < 2; i++) {
		st = kvf_lite_has(s, db, others[i], s->table, &has, err);
		if (st)
			return st;
		if (has) {
			snprintf(
				buf, size,
				"\"%.64s\" is %s %s, not a table; --table-name publishes under "
				"another name",
				s->table, i == 1 ? "an" : "a", others[i]);
			return KVF_OK;
		}
	}
	st = kvf_lite_has(s, db, "table", s->table, &has, err);
	if (st || !has)
		return st;
	st = kvf_lite_number(s, db, &virtual, err,
			     "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND"
			     " name = %Q COLLATE NOCASE AND rootpage = 0",
			     s->table);
	if (!st)
		st = has_our_layout(s, db, fits, err);
	if (st)
		return st;
	if (virtual || !*fits) {
		*fits = 0;
		snprintf(buf, size,
			 "table \"%.64s\" has another layout than (partition_key BLOB, "
			 "key BLOB, value BLOB, PRIMARY KEY (partition_key, key)); "
			 "--table-name publishes under another name",
			 s->table);
		return KVF_OK;
	}
	return find_attached(s, db, buf, size, err);
}

/* ---- inspect -------------------------------------------------------------------- */

/* Space and permissions of the folder, for a file that is there or not. */
static void look_at_folder(const struct kvf_lite *s, struct kvf_store_facts *f)
{
	const char *slash = strrchr(s->path, '/');
	char *folder = slash ? sqlite3_mprintf("%.*s", (int)(slash - s->path) + 1, s->path)
			     : sqlite3_mprintf(".");
	struct statvfs fs;
	struct stat st;

	f->free = UINT64_MAX;
	if (!folder)
		return;
	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		snprintf(f->blocker, sizeof(f->blocker), "there is no folder %.256s", folder);
	else if (access(folder, W_OK | X_OK))
		snprintf(f->blocker, sizeof(f->blocker),
			 "the folder %.256s cannot be written: %s", folder,
			 strerrordesc_np(errno));
	if (!statvfs(folder, &fs))
		f->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	f->writable = !f->blocker[0];
	sqlite3_free(folder);
}

enum kvf_status kvf_lite_changes(struct kvf_store *base, int64_t *n, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;

	return s->db ? kvf_lite_number(s, s->db, n, err, "PRAGMA data_version") : KVF_OK;
}

enum kvf_status kvf_lite_inspect(struct kvf_store *base, struct kvf_store_facts *f,
				 struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct kvf_generation g;
	enum kvf_status st;
	struct stat file;
	int64_t n = 0;

	look_at_folder(s, f);
	snprintf(f->table, sizeof(f->table), "%s", s->table);
	st = kvf_lite_look_again(s, err);
	if (st || !s->db)
		return st;
	f->exists = 1;
	if (stat(s->path, &file) == 0)
		f->size = (uint64_t)file.st_size;
	if (access(s->path, W_OK)) {
		f->writable = 0;
		if (!f->blocker[0])
			snprintf(f->blocker, sizeof(f->blocker), "%.256s cannot be written: %s",
				 s->path, strerrordesc_np(errno));
	}
	st = kvf_lite_has(s, s->db, "table", s->table, &f->has_table, err);
	if (!st)
		st = kvf_lite_has(s, s->db, "table", "kvferry_control", &f->has_control, err);
	if (st)
		return st;
	if (f->blocker[0]) {
		char later[sizeof(f->blocker)] = "";

		st = kvf_lite_blocker(s, s->db, &f->table_fits, later, sizeof(later), err);
	} else {
		st = kvf_lite_blocker(s, s->db, &f->table_fits, f->blocker, sizeof(f->blocker),
				      err);
	}
	if (st || !f->table_fits)
		return st;
	st = kvf_lite_number(s, s->db, &n, err, "SELECT count(*) FROM \"%w\"", s->table);
	if (st)
		return st;
	f->entries = (uint64_t)n;
	st = kvf_lite_early_intruder(s, f->intruder, sizeof(f->intruder), err);
	if (st)
		return st;
	st = kvf_lite_generation(base, KVF_SCAN_LIVE, &g, err);
	if (!st && g.version_key_len) {
		struct kvf_bytes value, part = { g.version_part, g.version_part_len };
		struct kvf_bytes key = { g.version_key, g.version_key_len };

		st = kvf_lite_get(base, part, key, &value, err);
		if (!st)
			f->entries--;
	}
	return st == KVF_ENOTFOUND ? KVF_OK : st;
}
