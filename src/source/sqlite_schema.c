/*
 * sqlite_schema - which tables there are, and the shape of a record.
 *
 * What is described stays in the arena until the source is closed.
 */
#include "source/sqlite.h"

#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One line of PRAGMA table_list. */
struct listed {
	const char *name, *type;
	unsigned flags;
	struct listed *next;
};

int kvf_sqlite_starts_with(const char *name, const char *prefix)
{
	return sqlite3_strnicmp(name, prefix, (int)strlen(prefix)) == 0;
}

/* As docs/objects.md lists them: another kvferry_ name is somebody's data. */
int kvf_sqlite_is_ours(const struct kvf_sqlite *s, const char *name)
{
	static const char *const names[] = { "kvferry_control", "kvferry_generations",
					     "kvferry_progress", "kvferry_units",
					     "kvferry_ledger" };
	static const char stage[] = "kvferry_g";
	size_t i;

	if (strcmp(name, "kvferry_freeze") == 0)
		return 1;
	if (!s->has_control)
		return 0;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	if (strncmp(name, stage, sizeof(stage) - 1) != 0)
		return 0;
	name += sizeof(stage) - 1;
	return *name && name[strspn(name, "0123456789")] == '\0';
}

/* ---- the list of tables ------------------------------------------------------------------ */

static enum kvf_status list_all(struct kvf_sqlite *s, struct listed **out, size_t *n,
				struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st;
	int rc = SQLITE_DONE;

	*out = NULL;
	*n = 0;
	st = kvf_sqlite_prepare(s,
				"SELECT name, type, wr, strict FROM pragma_table_list"
				" WHERE schema = 'main'",
				&stmt, err);
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct listed *l = kvf_arena_zalloc(&s->arena, sizeof(*l));

		if (!l)
			break;
		l->name = kvf_sqlite_keep_text(s, stmt, 0);
		l->type = kvf_sqlite_keep_text(s, stmt, 1);
		if (!l->name || !l->type)
			break;
		if (strcmp(l->type, "view") == 0)
			l->flags |= KVF_TABLE_VIEW;
		if (strcmp(l->type, "virtual") == 0)
			l->flags |= KVF_TABLE_VIRTUAL;
		if (sqlite3_column_int(stmt, 2))
			l->flags |= KVF_TABLE_WITHOUT_ROWID;
		if (sqlite3_column_int(stmt, 3))
			l->flags |= KVF_TABLE_STRICT;
		l->next = *out;
		*out = l;
		++*n;
	}
	if (!st && rc != SQLITE_DONE)
		st = rc == SQLITE_ROW
			     ? kvf_fail_nomem(err)
			     : kvf_sqlite_fail(s, rc, err, "read the schema of %s", s->path);
	sqlite3_finalize(stmt);
	return st;
}

/* Did kvferry publish into this database?  Then some tables are its own. */
static enum kvf_status find_own(struct kvf_sqlite *s, const struct listed *all,
				struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = KVF_OK;
	int rc;

	for (; all; all = all->next)
		if (strcmp(all->name, "kvferry_control") == 0)
			s->has_control = 1;
	if (!s->has_control)
		return KVF_OK;
	/* A table of that name that is not ours has no such columns: it is carried. */
	rc = sqlite3_prepare_v2(s->db, "SELECT live FROM main.kvferry_control WHERE active > 0",
				-1, &stmt, NULL);
	s->has_control = rc != SQLITE_ERROR;
	if (rc)
		return s->has_control ? kvf_sqlite_fail(s, rc, err, "read kvferry_control")
				      : KVF_OK;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		s->live = kvf_sqlite_keep_text(s, stmt, 0);
		if (!s->live)
			st = kvf_fail_nomem(err);
	}
	sqlite3_finalize(stmt);
	return st;
}

/* Is it carried without a definition?  What is left out is logged, once. */
static int is_carried(struct kvf_sqlite *s, const struct listed *l)
{
	if (kvf_sqlite_starts_with(l->name, "sqlite_") || strcmp(l->type, "view") == 0)
		return 0;
	if (strcmp(l->type, "shadow") == 0)
		return 0;
	if (kvf_sqlite_is_ours(s, l->name))
		return 0;
	return !s->live || strcmp(l->name, s->live) != 0;
}

/* A virtual table is read through its module, which this library may lack. */
static int has_module(struct kvf_sqlite *s, const struct listed *l)
{
	char *sql;
	sqlite3_stmt *stmt = NULL;
	int rc;

	if (!(l->flags & KVF_TABLE_VIRTUAL))
		return 1;
	sql = sqlite3_mprintf("SELECT * FROM main.\"%w\"", l->name);
	rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
	if (rc)
		kvf_source_log(&s->base, kvf_source_left_out(&s->base, l->name),
			       "virtual table \"%s\" is left out: %s", l->name,
			       sqlite3_errmsg(s->db));
	else
		kvf_source_log(&s->base, KVF_LOG_INFO,
			       "virtual table \"%s\": its rows are carried, "
			       "not the tables in which its module keeps them",
			       l->name);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return rc == SQLITE_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct kvf_table *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static enum kvf_status load_tables(struct kvf_sqlite *s, struct kvf_err *err)
{
	struct listed *all = NULL, *l;
	struct kvf_table *tables;
	size_t n = 0, count = 0;
	enum kvf_status st = list_all(s, &all, &n, err);

	if (!st)
		st = find_own(s, all, err);
	if (st)
		return st;
	tables = kvf_arena_zalloc(&s->arena, sizeof(*tables) * (n + 1));
	if (!tables)
		return kvf_fail_nomem(err);
	for (l = all; l && !st; l = l->next)
		if (is_carried(s, l) && has_module(s, l))
			st = kvf_sqlite_read_table(s, l->name, l->flags, &tables[count++], err);
	if (st)
		return st;
	qsort(tables, count, sizeof(*tables), by_name);
	/* Views belong to no table: the first one takes them along. */
	if (count)
		st = kvf_sqlite_add_views(s, &tables[0], err);
	s->tables = tables;
	s->ntables = count;
	s->tables_known = !st;
	return st;
}

enum kvf_status kvf_sqlite_tables(struct kvf_source *base, const struct kvf_table **tables,
				  size_t *n, struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	enum kvf_status st = s->tables_known ? KVF_OK : load_tables(s, err);

	if (!st)
		st = kvf_sqlite_still_whole(s, err);
	*tables = st ? NULL : s->tables;
	*n = st ? 0 : s->ntables;
	return st;
}

/* ---- one record ------------------------------------------------------------------------------ */

/* Which table does a definition mean by `name`?  Exactly, else as SQLite would. */
static enum kvf_status find_listed(struct kvf_sqlite *s, const char *name,
				   const struct listed **out, struct kvf_err *err)
{
	struct listed *all = NULL, *l;
	const char **names;
	size_t n = 0, i = 0;
	enum kvf_status st = list_all(s, &all, &n, err);

	*out = NULL;
	if (st)
		return st;
	for (l = all; l; l = l->next) {
		if (strcmp(l->name, name) == 0) {
			*out = l;
			return KVF_OK;
		}
		if (sqlite3_stricmp(l->name, name) == 0)
			*out = l;
	}
	if (*out)
		return KVF_OK;
	names = kvf_arena_alloc(&s->arena, sizeof(*names) * (n + 1));
	if (!names)
		return kvf_fail_nomem(err);
	for (l = all; l; l = l->next)
		if (!kvf_sqlite_starts_with(l->name, "sqlite_"))
			names[i++] = l->name;
	return kvf_source_unknown_table(name, names, i, err);
}

/* A query, or a view, has the columns that its statement says. */
static enum kvf_status describe_statement(struct kvf_sqlite *s, const char *sql,
					  const char *what, struct kvf_table *t,
					  struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	struct kvf_column *columns;
	enum kvf_status st = kvf_sqlite_prepare_query(s, sql, what, &stmt, err);
	int i, n;

	if (st)
		return st;
	n = sqlite3_column_count(stmt);
	columns = kvf_arena_zalloc(&s->arena, sizeof(*columns) * (size_t)n);
	for (i = 0; columns && i < n; i++) {
		const char *name = sqlite3_column_name(stmt, i);
		const char *type = sqlite3_column_decltype(stmt, i);

		columns[i].name = name ? kvf_arena_strdup(&s->arena, name) : NULL;
		columns[i].type = kvf_arena_strdup(&s->arena, type ? type : "");
		if (!columns[i].name || !columns[i].type)
			break;
	}
	sqlite3_finalize(stmt);
	if (!columns || i < n)
		return kvf_fail_nomem(err);
	t->columns = columns;
	t->ncolumns = (size_t)n;
	return KVF_OK;
}

static enum kvf_status describe_table(struct kvf_sqlite *s, const char *name,
				      struct kvf_table *t, struct kvf_err *err)
{
	const struct listed *l = NULL;
	enum kvf_status st = find_listed(s, name, &l, err);
	char *sql;

	if (st)
		return st;
	assert(l);
	if (!(l->flags & KVF_TABLE_VIEW))
		return kvf_sqlite_read_table(s, l->name, l->flags, t, err);
	memset(t, 0, sizeof(*t));
	t->name = l->name;
	t->dialect = "sqlite";
	t->flags = l->flags;
	t->rows = t->bytes = UINT64_MAX;
	sql = sqlite3_mprintf("SELECT * FROM main.\"%w\"", l->name);
	st = sql ? describe_statement(s, sql, name, t, err) : kvf_fail_nomem(err);
	sqlite3_free(sql);
	return st;
}

/* Described before?  Tables by name, queries by name and text. */
static const struct kvf_table *known(const struct kvf_sqlite *s,
				     const struct kvf_record *record)
{
	const char *name = record->query ? record->name : record->table;
	const struct kvf_sqlite_shape *k;
	size_t i;

	for (i = 0; !record->query && i < s->ntables; i++)
		if (strcmp(s->tables[i].name, name) == 0)
			return &s->tables[i];
	for (k = s->shapes; k; k = k->next) {
		if (!k->query != !record->query || sqlite3_stricmp(k->table.name, name) != 0)
			continue;
		if (!k->query || strcmp(k->query, record->query) == 0)
			return &k->table;
	}
	return NULL;
}

/* A condition that the source refuses is known before the first row is read. */
static enum kvf_status check_where(struct kvf_sqlite *s, const struct kvf_record *record,
				   const struct kvf_table *shape, struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	char *sql = NULL;
	enum kvf_status st;

	if (!record->where)
		return KVF_OK;
	st = kvf_sqlite_select(s, record, shape, 1, &sql, err);
	if (!st)
		st = kvf_sqlite_prepare_query(s, sql, shape->name, &stmt, err);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return st;
}

enum kvf_status kvf_sqlite_describe(struct kvf_source *base, const struct kvf_record *record,
				    const struct kvf_table **shape, struct kvf_err *err)
{
	struct kvf_sqlite *s = (struct kvf_sqlite *)base;
	struct kvf_sqlite_shape *k;
	enum kvf_status st;

	*shape = known(s, record);
	if (*shape)
		return check_where(s, record, *shape, err);
	k = kvf_arena_zalloc(&s->arena, sizeof(*k));
	if (!k)
		return kvf_fail_nomem(err);
	if (record->query) {
		k->query = kvf_arena_strdup(&s->arena, record->query);
		k->table.name = kvf_arena_strdup(&s->arena, record->name);
		k->table.dialect = "sqlite";
		k->table.rows = k->table.bytes = UINT64_MAX;
		st = k->query && k->table.name
			     ? describe_statement(s, record->query, record->name, &k->table,
						  err)
			     : kvf_fail_nomem(err);
	} else {
		st = describe_table(s, record->table, &k->table, err);
	}
	if (st)
		return st;
	k->next = s->shapes;
	s->shapes = k;
	*shape = &k->table;
	return check_where(s, record, *shape, err);
}
