/*
 * sqlite_table - the shape of one table: columns, keys, statements.
 *
 * Everything comes from SQLite's own pragmas, so that nothing is guessed from
 * the text of a CREATE statement, save the module of a virtual table.
 */
#include "source/sqlite.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* A growing array in the arena: the old one is left behind. */
static void *grow(struct kvf_arena *a, void *array, size_t n, size_t *room, size_t item)
{
	void *more;

	if (n < *room)
		return array;
	*room = *room ? *room * 2 : 8;
	more = kvf_arena_alloc(a, *room * item);
	if (more && n)
		memcpy(more, array, n * item);
	return more;
}

char *kvf_sqlite_keep_text(struct kvf_sqlite *s, sqlite3_stmt *stmt, int column)
{
	const void *text = sqlite3_column_text(stmt, column);

	return text ? kvf_arena_strndup(&s->arena, text,
					(size_t)sqlite3_column_bytes(stmt, column))
		    : kvf_arena_strdup(&s->arena, "");
}

static enum kvf_status bind_name(struct kvf_sqlite *s, const char *sql, const char *name,
				 sqlite3_stmt **stmt, struct kvf_err *err)
{
	enum kvf_status st = kvf_sqlite_prepare(s, sql, stmt, err);

	if (!st && sqlite3_bind_text(*stmt, 1, name, -1, SQLITE_STATIC))
		st = kvf_fail_nomem(err);
	return st;
}

static enum kvf_status end_of(struct kvf_sqlite *s, int rc, const char *name,
			      struct kvf_err *err)
{
	return rc == SQLITE_DONE
		       ? KVF_OK
		       : kvf_sqlite_fail(s, rc, err, "read the schema of \"%s\"", name);
}

/* ---- columns and keys ---------------------------------------------------------- */

static enum kvf_status not_utf8(const char *what, struct kvf_err *err)
{
	char text[256];

	kvf_fail(err, KVF_ESOURCE, "the name %s is not UTF-8",
		 kvf_bytes_print(kvf_bytes_str(what), text, sizeof(text)));
	kvf_err_hint(err, "Rename it with ALTER TABLE, or leave its table out with "
			  "--exclude-table.");
	return KVF_ESOURCE;
}

static unsigned column_flags(int notnull, int hidden)
{
	unsigned flags = notnull ? KVF_COLUMN_NOTNULL : 0;

	if (hidden == 2)
		flags |= KVF_COLUMN_GENERATED;
	else if (hidden == 3)
		flags |= KVF_COLUMN_GENERATED | KVF_COLUMN_STORED;
	return flags;
}

/* The columns, and the key columns by their place in the key. */
static enum kvf_status read_columns(struct kvf_sqlite *s, struct kvf_table *t,
				    struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	struct kvf_column *columns = NULL;
	uint32_t *key = NULL;
	size_t n = 0, room = 0;
	enum kvf_status st;
	int rc;

	st = bind_name(s,
		       "SELECT name, type, \"notnull\", pk, hidden"
		       " FROM pragma_table_xinfo(?1, 'main')",
		       t->name, &stmt, err);
	if (st)
		goto out;
	key = malloc(sizeof(*key) * (size_t)sqlite3_limit(s->db, SQLITE_LIMIT_COLUMN, -1));
	if (!key) {
		st = kvf_fail_nomem(err);
		goto out;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int pk = sqlite3_column_int(stmt, 3), hidden = sqlite3_column_int(stmt, 4);

		/* Arguments and commands of a virtual table hold no data. */
		if (hidden == 1)
			continue;
		columns = grow(&s->arena, columns, n, &room, sizeof(*columns));
		if (!columns)
			break;
		columns[n].name = kvf_sqlite_keep_text(s, stmt, 0);
		columns[n].type = kvf_sqlite_keep_text(s, stmt, 1);
		columns[n].flags = column_flags(sqlite3_column_int(stmt, 2), hidden);
		if (!columns[n].name || !columns[n].type)
			break;
		if (kvf_utf8_valid(columns[n].name, strlen(columns[n].name)) !=
		    strlen(columns[n].name)) {
			st = not_utf8(columns[n].name, err);
			goto out;
		}
		if (pk > 0) {
			key[pk - 1] = (uint32_t)n;
			t->nkey++;
		}
		n++;
	}
	st = rc == SQLITE_ROW ? kvf_fail_nomem(err) : end_of(s, rc, t->name, err);
	if (!st && t->nkey) {
		uint32_t *kept = kvf_arena_alloc(&s->arena, sizeof(*key) * t->nkey);

		if (kept)
			memcpy(kept, key, sizeof(*key) * t->nkey);
		else
			st = kvf_fail_nomem(err);
		t->key = kept;
	}
	t->columns = columns;
	t->ncolumns = n;
out:
	free(key);
	sqlite3_finalize(stmt);
	return st;
}

/* The columns of one unique index; `partial` where it covers expressions. */
static enum kvf_status read_unique(struct kvf_sqlite *s, const char *index,
				   const struct kvf_table *t, struct kvf_unique *u,
				   struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	uint32_t *columns = NULL;
	size_t n = 0, room = 0;
	enum kvf_status st;
	int rc = SQLITE_DONE;

	st = bind_name(s, "SELECT cid FROM pragma_index_xinfo(?1, 'main') WHERE key", index,
		       &stmt, err);
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int cid = sqlite3_column_int(stmt, 0);

		if (cid < 0 || (size_t)cid >= t->ncolumns) {
			u->partial = 1;
			continue;
		}
		columns = grow(&s->arena, columns, n, &room, sizeof(*columns));
		if (!columns)
			break;
		if (!(t->columns[cid].flags & KVF_COLUMN_NOTNULL))
			u->nullable = 1;
		columns[n++] = (uint32_t)cid;
	}
	if (!st)
		st = rc == SQLITE_ROW ? kvf_fail_nomem(err) : end_of(s, rc, t->name, err);
	u->columns = columns;
	u->ncolumns = n;
	sqlite3_finalize(stmt);
	return st;
}

/* Unique constraints besides the key; *pk_index: the key has an index. */
static enum kvf_status read_uniques(struct kvf_sqlite *s, struct kvf_table *t, int *pk_index,
				    struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	struct kvf_unique *uniques = NULL;
	size_t n = 0, room = 0;
	enum kvf_status st;
	int rc = SQLITE_DONE;

	st = bind_name(s,
		       "SELECT name, origin, partial FROM pragma_index_list(?1, 'main')"
		       " WHERE \"unique\" ORDER BY seq DESC",
		       t->name, &stmt, err);
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *origin = (const char *)sqlite3_column_text(stmt, 1);
		char *name;

		if (origin && strcmp(origin, "pk") == 0) {
			*pk_index = 1;
			continue;
		}
		name = kvf_sqlite_keep_text(s, stmt, 0);
		uniques = grow(&s->arena, uniques, n, &room, sizeof(*uniques));
		if (!uniques || !name)
			break;
		memset(&uniques[n], 0, sizeof(uniques[n]));
		uniques[n].partial = sqlite3_column_int(stmt, 2);
		st = read_unique(s, name, t, &uniques[n], err);
		n++;
	}
	if (!st)
		st = rc == SQLITE_ROW ? kvf_fail_nomem(err) : end_of(s, rc, t->name, err);
	t->unique = uniques;
	t->nunique = n;
	sqlite3_finalize(stmt);
	return st;
}

/*
 * SQLite lets key columns be NULL, unless the table has no rowid or the key is
 * the rowid itself, which shows in that it needs no index.
 */
static void find_nullable_key(struct kvf_table *t, int pk_index)
{
	size_t i;

	if (!pk_index || (t->flags & KVF_TABLE_WITHOUT_ROWID))
		return;
	for (i = 0; i < t->nkey; i++)
		if (!(t->columns[t->key[i]].flags & KVF_COLUMN_NOTNULL))
			t->flags |= KVF_TABLE_KEY_HAS_NULLS;
}

/* ---- virtual tables -------------------------------------------------------------- */

/* Does `sql`, CREATE VIRTUAL TABLE ..., say USING `module`? */
static int uses_module(const char *sql, const char *module)
{
	size_t n = strlen(module);
	const char *p = sql;

	for (; *p; p++) {
		const char *q = p;

		if (sqlite3_strnicmp(q, "using", 5) != 0)
			continue;
		for (q += 5; *q == ' ' || *q == '\t' || *q == '\n' || *q == '\r'; q++)
			;
		if (sqlite3_strnicmp(q, module, (int)n) == 0 &&
		    (q[n] == '\0' || strchr(" \t\r\n(;", q[n])))
			return 1;
	}
	return 0;
}

/*
 * A full-text table is looked up by rowid, which is data there and no column:
 * it is carried as one.  An R-tree's rowid is its first column.
 */
static enum kvf_status key_of_virtual(struct kvf_sqlite *s, struct kvf_table *t,
				      struct kvf_err *err)
{
	static const char *const fulltext[] = { "fts3", "fts4", "fts5" };
	static const uint32_t first;
	struct kvf_column *columns;
	const char *sql = "";
	size_t i;
	int is_fulltext = 0;

	for (i = 0; i < t->nddl; i++)
		if (strcmp(t->ddl[i].kind, "table") == 0)
			sql = t->ddl[i].sql;
	for (i = 0; i < 3; i++)
		is_fulltext |= uses_module(sql, fulltext[i]);
	if (is_fulltext) {
		for (i = 0; i < t->ncolumns; i++)
			if (sqlite3_stricmp(t->columns[i].name, "rowid") == 0)
				return KVF_OK;
		columns = kvf_arena_alloc(&s->arena, sizeof(*columns) * (t->ncolumns + 1));
		if (!columns)
			return kvf_fail_nomem(err);
		memcpy(columns + 1, t->columns, sizeof(*columns) * t->ncolumns);
		columns[0].name = "rowid";
		columns[0].type = "INTEGER";
		columns[0].flags = KVF_COLUMN_HIDDEN | KVF_COLUMN_NOTNULL;
		t->columns = columns;
		t->ncolumns++;
	} else if (!uses_module(sql, "rtree") && !uses_module(sql, "rtree_i32")) {
		return KVF_OK;
	}
	t->key = &first;
	t->nkey = 1;
	return KVF_OK;
}

/* ---- statements that make a table --------------------------------------------------- */

/* The statements of `sql`, which selects type, name and text. */
static enum kvf_status add_ddl(struct kvf_sqlite *s, struct kvf_table *t, const char *sql,
			       size_t *room, struct kvf_err *err)
{
	struct kvf_ddl *ddl;
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st;
	int rc = SQLITE_DONE;

	st = bind_name(s, sql, t->name, &stmt, err);
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct kvf_ddl item = { kvf_sqlite_keep_text(s, stmt, 0),
					kvf_sqlite_keep_text(s, stmt, 1),
					kvf_sqlite_keep_text(s, stmt, 2) };

		ddl = grow(&s->arena, (void *)(uintptr_t)t->ddl, t->nddl, room, sizeof(*ddl));
		if (!item.kind || !item.name || !item.sql || !ddl)
			break;
		t->ddl = ddl;
		ddl[t->nddl++] = item;
	}
	if (!st)
		st = rc == SQLITE_ROW ? kvf_fail_nomem(err) : end_of(s, rc, t->name, err);
	sqlite3_finalize(stmt);
	return st;
}

#define DDL_OF_TABLE                                                                           \
	"SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"                      \
	" AND tbl_name = ?1 COLLATE NOCASE AND NOT (type = 'trigger' AND name GLOB"            \
	" 'kvferry_freeze_*') ORDER BY type = 'table' DESC, rowid"
/* Views, and triggers on them. */
#define DDL_OF_VIEWS                                                                           \
	"SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND ?1 IS NOT NULL"   \
	" AND lower(tbl_name) IN (SELECT lower(name) FROM sqlite_schema WHERE type = 'view')"  \
	" ORDER BY type = 'view' DESC, rowid"

/* Where AUTOINCREMENT stands, as the statement that says so. */
#define SEQUENCE_OF_TABLE                                                                      \
	"SELECT 'sequence-value', name, 'INSERT INTO sqlite_sequence(name, seq) VALUES('"      \
	" || quote(name) || ', ' || seq || ')' FROM sqlite_sequence"                           \
	" WHERE name = ?1 COLLATE NOCASE AND typeof(seq) = 'integer'"

static enum kvf_status add_sequence(struct kvf_sqlite *s, struct kvf_table *t, size_t *room,
				    struct kvf_err *err)
{
	/* SQLite makes the table when the first one needs it. */
	if (sqlite3_table_column_metadata(s->db, "main", "sqlite_sequence", "seq", NULL, NULL,
					  NULL, NULL, NULL))
		return KVF_OK;
	return add_ddl(s, t, SEQUENCE_OF_TABLE, room, err);
}

/* ---- one table ------------------------------------------------------------------------ */

/* What ANALYZE left: how many rows there were then. */
static void estimate_rows(struct kvf_sqlite *s, struct kvf_table *t)
{
	sqlite3_stmt *stmt = NULL;

	t->rows = UINT64_MAX;
	t->bytes = UINT64_MAX;
	/* There is no such table before the first ANALYZE: that is no error. */
	if (!sqlite3_prepare_v2(s->db,
				"SELECT max(CAST(stat AS INTEGER)) FROM main.sqlite_stat1"
				" WHERE tbl = ?1 COLLATE NOCASE",
				-1, &stmt, NULL) &&
	    !sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC) &&
	    sqlite3_step(stmt) == SQLITE_ROW &&
	    sqlite3_column_type(stmt, 0) == SQLITE_INTEGER &&
	    sqlite3_column_int64(stmt, 0) >= 0)
		t->rows = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
}

enum kvf_status kvf_sqlite_read_table(struct kvf_sqlite *s, const char *name, unsigned flags,
				      struct kvf_table *t, struct kvf_err *err)
{
	enum kvf_status st;
	size_t room = 0;
	int pk_index = 0;

	memset(t, 0, sizeof(*t));
	t->name = name;
	t->dialect = "sqlite";
	t->flags = flags;
	if (kvf_utf8_valid(name, strlen(name)) != strlen(name))
		return not_utf8(name, err);
	estimate_rows(s, t);
	st = read_columns(s, t, err);
	if (!st)
		st = read_uniques(s, t, &pk_index, err);
	if (!st)
		st = add_ddl(s, t, DDL_OF_TABLE, &room, err);
	if (!st)
		st = add_sequence(s, t, &room, err);
	if (!st && (t->flags & KVF_TABLE_VIRTUAL))
		st = key_of_virtual(s, t, err);
	find_nullable_key(t, pk_index);
	return st;
}

enum kvf_status kvf_sqlite_add_views(struct kvf_sqlite *s, struct kvf_table *t,
				     struct kvf_err *err)
{
	size_t room = t->nddl;

	return add_ddl(s, t, DDL_OF_VIEWS, &room, err);
}
