/*
 * sqlite_guard - what a statement of a stream may do to an SQLite database.
 *
 * SQLite asks about every action while it prepares a statement, and while a
 * virtual table's module works.  A statement may make the object that the
 * stream says it makes, and what SQLite itself needs for that.  It cannot read
 * or write other tables, attach files, set pragmas or load code.  What it leaves
 * behind (triggers, views, checks) runs later, when somebody uses the database,
 * with the functions of SQLite and no others.
 */
#include "restore/sqlite.h"

#include <stdio.h>
#include <string.h>

struct guard {
	const struct kvf_restore_statement *s;
	int made;    /* the one object was made */
	int running; /* the statement was prepared: it is modules that ask now */
};

static int is(const char *a, const char *b)
{
	return a && b && sqlite3_stricmp(a, b) == 0;
}

static int one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (is(name, *list))
			return 1;
	return 0;
}

/* sqlite_master, where the statement itself is kept. */
static int is_schema(const char *name)
{
	static const char *const names[] = { "sqlite_master", "sqlite_schema",
					     "sqlite_sequence", NULL };

	return one_of(name, names);
}

/* NAME_data and the like, in which the module of a virtual table NAME of the
 * stream keeps its rows. */
static int is_shadow(const struct guard *g, const char *name)
{
	const struct kvf_restore *r = g->s->restore;
	size_t i, n;

	for (i = 0; g->running && name && i < r->ntables; i++) {
		const char *table = r->tables[i].shape->name;

		n = strlen(table);
		if ((r->tables[i].shape->flags & KVF_TABLE_VIRTUAL) && strlen(name) > n + 1 &&
		    sqlite3_strnicmp(name, table, (int)n) == 0 && name[n] == '_')
			return 1;
	}
	return 0;
}

/* Does the statement's list make a view of this name? */
static int is_view(const struct kvf_table *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->nddl; i++)
		if (strcmp(t->ddl[i].kind, "view") == 0 && is(t->ddl[i].name, name))
			return 1;
	return 0;
}

static int make(struct guard *g, const char *kind, const char *name)
{
	if (strcmp(g->s->ddl->kind, kind) != 0 || !is(name, g->s->ddl->name) || g->made)
		return SQLITE_DENY;
	g->made = 1;
	return SQLITE_OK;
}

static int make_table(struct guard *g, const char *name)
{
	if (is_shadow(g, name) || is(name, "sqlite_sequence"))
		return SQLITE_OK;
	return is(name, g->s->table->name) ? make(g, "table", name) : SQLITE_DENY;
}

static int make_virtual(struct guard *g, const char *name, const char *module)
{
	static const char *const known[] = { "fts3",      "fts4",    "fts5", "rtree",
					     "rtree_i32", "geopoly", NULL };

	if (!one_of(module, known) || !is(name, g->s->table->name))
		return SQLITE_DENY;
	return make(g, "table", name);
}

static int make_index(struct guard *g, const char *name, const char *table)
{
	if (name && sqlite3_strnicmp(name, "sqlite_autoindex_", 17) == 0)
		return is(table, g->s->table->name) || is_shadow(g, table) ? SQLITE_OK
									   : SQLITE_DENY;
	if (is_shadow(g, table))
		return SQLITE_OK;
	return is(table, g->s->table->name) ? make(g, "index", name) : SQLITE_DENY;
}

static int make_trigger(struct guard *g, const char *name, const char *table)
{
	if (!is(table, g->s->table->name) && !is_view(g->s->table, table))
		return SQLITE_DENY;
	return make(g, "trigger", name);
}

/* A module reads, writes what is its own, and asks for two pragmas. */
static int of_module(const struct guard *g, int action, const char *name)
{
	static const char *const pragmas[] = { "page_size", "data_version", NULL };

	if (!g->running)
		return SQLITE_DENY;
	return action != SQLITE_PRAGMA || one_of(name, pragmas) ? SQLITE_OK : SQLITE_DENY;
}

static int ask(void *ctx, int action, const char *a, const char *b, const char *database,
	       const char *trigger)
{
	static const char *const bad[] = { "load_extension", "fts3_tokenizer", NULL };
	struct guard *g = ctx;
	const char *kind = g->s->ddl->kind;
	int is_body = strcmp(kind, "view") == 0 || strcmp(kind, "trigger") == 0;

	(void)trigger;
	if (database && strcmp(database, "main") != 0)
		return SQLITE_DENY;
	switch (action) {
	case SQLITE_CREATE_TABLE: return make_table(g, a);
	case SQLITE_CREATE_VTABLE: return make_virtual(g, a, b);
	case SQLITE_CREATE_INDEX: return make_index(g, a, b);
	case SQLITE_CREATE_VIEW: return make(g, "view", a);
	case SQLITE_CREATE_TRIGGER: return make_trigger(g, a, b);
	case SQLITE_READ: return SQLITE_OK;
	case SQLITE_FUNCTION: return one_of(b, bad) ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_REINDEX: return SQLITE_OK;
	case SQLITE_RECURSIVE:
	case SQLITE_SELECT: return is_body ? SQLITE_OK : of_module(g, action, a);
	case SQLITE_INSERT:
	case SQLITE_UPDATE: return is_schema(a) || is_shadow(g, a) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_DELETE: return is_shadow(g, a) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_PRAGMA: return of_module(g, action, a);
	default: return SQLITE_DENY;
	}
}

/* Not the statement is wrong, but where it runs. */
static int is_of_place(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_BUSY:
	case SQLITE_CORRUPT:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_INTERRUPT: return 1;
	default: return 0;
	}
}

enum kvf_status kvf_restore_guarded(sqlite3 *db, const struct kvf_restore_statement *s,
				    struct kvf_err *err)
{
	struct guard g = { .s = s };
	sqlite3_stmt *stmt = NULL;
	const char *tail = "";
	char name[200], doing[300];
	enum kvf_status st = KVF_OK;
	int rc;

	sqlite3_set_authorizer(db, ask, &g);
	rc = sqlite3_prepare_v2(db, s->ddl->sql, -1, &stmt, &tail);
	/* A module is asked while the statement runs. */
	if (!rc && stmt && g.made && !tail[strspn(tail, " \t\r\n;")]) {
		g.running = 1;
		rc = sqlite3_step(stmt);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	} else if (!rc) {
		rc = SQLITE_AUTH;
	}
	kvf_bytes_print(kvf_bytes_str(s->ddl->name), name, sizeof(name));
	if (rc && is_of_place(rc)) {
		snprintf(doing, sizeof(doing), "make %s \"%s\"", s->ddl->kind, name);
		st = kvf_restore_lite_fail((const struct kvf_restore_lite *)s->restore, db,
					   doing, err);
	} else if (rc) {
		st = kvf_restore_refuse(
			s->table, NULL,
			"Leave the table out with --exclude-table, or export it again with "
			"kvferry.",
			err, "its statement for %s \"%s\" %s%s", s->ddl->kind, name,
			(rc & 0xff) == SQLITE_AUTH ? "does something else than it says"
						   : "is not understood by this SQLite: ",
			(rc & 0xff) == SQLITE_AUTH ? "" : sqlite3_errmsg(db));
	}
	sqlite3_finalize(stmt);
	sqlite3_set_authorizer(db, NULL, NULL);
	if ((rc & 0xff) == SQLITE_NOMEM)
		return kvf_fail_nomem(err);
	return st;
}
