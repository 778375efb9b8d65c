/* sqlite_make - the objects that a stream says there are. */
#include "restore/sqlite.h"

#include "source/over.h"

#include <stdlib.h>
#include <string.h>

/* "a" TEXT NOT NULL, ... PRIMARY KEY("a") of a table that another database had. */
static char *foreign_table(const struct kvf_restore_table *t, const char *const *types)
{
	const struct kvf_table *s = t->shape;
	sqlite3_str *sql = sqlite3_str_new(NULL);
	size_t i, k;

	sqlite3_str_appendf(sql, "CREATE TABLE \"%w\"(", s->name);
	for (i = 0; i < s->ncolumns; i++)
		sqlite3_str_appendf(
			sql, "%s\"%w\" %s%s", i ? ", " : "", s->columns[i].name, types[i],
			s->columns[i].flags & KVF_COLUMN_NOTNULL ? " NOT NULL" : "");
	for (i = 0; i < s->nkey; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : ", PRIMARY KEY(",
				    s->columns[s->key[i]].name);
	if (s->nkey)
		sqlite3_str_appendall(sql, ")");
	for (k = 0; k < s->nunique; k++) {
		if (s->unique[k].partial || !s->unique[k].ncolumns)
			continue;
		for (i = 0; i < s->unique[k].ncolumns; i++)
			sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : ", UNIQUE(",
					    s->columns[s->unique[k].columns[i]].name);
		sqlite3_str_appendall(sql, ")");
	}
	sqlite3_str_appendall(sql, ")");
	return sqlite3_str_finish(sql);
}

static enum kvf_status make_foreign(struct kvf_restore_lite *l, sqlite3 *db,
				    struct kvf_restore_table *t, struct kvf_err *err)
{
	const char **types;
	struct kvf_ddl ddl = { "table", t->shape->name, NULL };
	struct kvf_restore_statement s = { &l->base, t->shape, &ddl };
	char *sql = NULL;
	enum kvf_status st = kvf_restore_map(&l->base, t, &types, err);

	if (!st) {
		sql = foreign_table(t, types);
		ddl.sql = sql;
		st = sql ? kvf_restore_guarded(db, &s, err) : kvf_fail_nomem(err);
	}
	sqlite3_free(sql);
	return st;
}

/* Is there an object of that name?  Then its statement, and what it is. */
enum kvf_status kvf_restore_lite_find(struct kvf_restore_lite *l, sqlite3 *db, const char *name,
				      const char **type, const char **sql, struct kvf_err *err)
{
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = KVF_OK;
	int rc;

	*type = *sql = NULL;
	if (sqlite3_prepare_v2(db,
			       "SELECT type, coalesce(sql, '') FROM main.sqlite_schema"
			       " WHERE name = ?1 COLLATE NOCASE",
			       -1, &stmt, NULL) ||
	    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC))
		st = kvf_restore_lite_fail(l, db, "read its schema", err);
	rc = st ? SQLITE_DONE : sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*type = kvf_arena_strdup(&l->base.arena,
					 (const char *)sqlite3_column_text(stmt, 0));
		*sql = kvf_arena_strdup(&l->base.arena,
					(const char *)sqlite3_column_text(stmt, 1));
		if (!*type || !*sql)
			st = kvf_fail_nomem(err);
	} else if (!st && rc != SQLITE_DONE) {
		st = kvf_restore_lite_fail(l, db, "read its schema", err);
	}
	sqlite3_finalize(stmt);
	return st;
}

/* An index, view or trigger.  One that is there already, word for word, stays. */
static enum kvf_status make_one(struct kvf_restore_lite *l, sqlite3 *db,
				struct kvf_restore_table *t, const struct kvf_ddl *d,
				struct kvf_err *err)
{
	struct kvf_restore_statement s = { &l->base, t->shape, d };
	const char *type, *sql;
	enum kvf_status st = kvf_restore_lite_find(l, db, d->name, &type, &sql, err);

	if (st || (type && strcmp(type, d->kind) == 0 && strcmp(sql, d->sql) == 0))
		return st;
	if (type)
		return kvf_restore_refuse(t->shape, NULL,
					  "Drop or rename what is there, then give the same "
					  "command again.",
					  err, "there is another %s \"%.200s\" already", type,
					  d->name);
	return kvf_restore_guarded(db, &s, err);
}

enum kvf_status kvf_restore_lite_tables(struct kvf_restore_lite *l, sqlite3 *db,
					int also_existing, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i, k;

	for (i = 0; i < l->base.ntables && !st; i++) {
		struct kvf_restore_table *t = &l->base.tables[i];
		int made = 0;

		if (t->exists && !also_existing)
			continue;
		if (t->foreign) {
			st = make_foreign(l, db, t, err);
			continue;
		}
		for (k = 0; k < t->shape->nddl && !st; k++) {
			struct kvf_restore_statement s = { &l->base, t->shape,
							   &t->shape->ddl[k] };

			if (strcmp(s.ddl->kind, "table") != 0)
				continue;
			st = kvf_restore_guarded(db, &s, err);
			made = 1;
		}
		if (!st && !made)
			st = kvf_restore_refuse(t->shape, NULL, "Export it again with kvferry.",
						err,
						"the stream has no statement that makes it");
	}
	return st;
}

/* Do the tables have the columns that the stream says?  A statement can lie. */
enum kvf_status kvf_restore_lite_shapes(struct kvf_restore_lite *l, sqlite3 *db,
					int existing_only, struct kvf_err *err)
{
	struct kvf_source *source = NULL;
	const struct kvf_table *there;
	enum kvf_status st = kvf_source_over_sqlite(db, l->path, &l->base.quiet, &source, err);
	size_t i;

	for (i = 0; i < l->base.ntables && !st; i++) {
		struct kvf_restore_table *t = &l->base.tables[i];
		struct kvf_record record = { .name = t->place, .table = t->place };

		if (existing_only && !t->exists)
			continue;
		st = kvf_source_describe(source, &record, &there, err);
		if (!st)
			st = kvf_restore_same_shape(t, there, err);
	}
	kvf_source_close(source);
	return st;
}

/* AUTOINCREMENT goes on where it stood, or behind the largest key. */
static enum kvf_status set_sequence(struct kvf_restore_lite *l, sqlite3 *db,
				    const struct kvf_table *t, const struct kvf_ddl *d,
				    struct kvf_err *err)
{
	static const char *const steps[] = {
		"INSERT INTO sqlite_sequence(name, seq) SELECT ?1, 0 WHERE NOT EXISTS"
		" (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
		"UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
	};
	const char *comma = strrchr(d->sql, ',');
	const char *key = t->nkey ? t->columns[t->key[0]].name : "";
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = KVF_OK;
	int i, counts = 0;

	if (sqlite3_table_column_metadata(db, "main", t->name, key, NULL, NULL, NULL, NULL,
					  &counts) ||
	    !counts || !comma)
		return kvf_restore_refuse(t, NULL, "Export it again with kvferry.", err,
					  "it has no AUTOINCREMENT to set");
	for (i = 0; i < 2 && !st; i++) {
		if (sqlite3_prepare_v2(db, steps[i], -1, &stmt, NULL) ||
		    sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC) ||
		    (i == 1 && sqlite3_bind_int64(stmt, 2, strtoll(comma + 1, NULL, 10))) ||
		    sqlite3_step(stmt) != SQLITE_DONE)
			st = kvf_restore_lite_fail(l, db, "set the counter of AUTOINCREMENT",
						   err);
		sqlite3_finalize(stmt);
		stmt = NULL;
	}
	return st;
}

/*
 * Views belong to no table: their statements, and those of triggers on them, are
 * with the first one.  A selection of tables has no use for them.  `db` has
 * all that the stream says.
 */
enum kvf_status kvf_restore_lite_leave_views(struct kvf_restore_lite *l, sqlite3 *db,
					     struct kvf_restore_table *t, struct kvf_err *err)
{
	uint8_t *left = kvf_arena_zalloc(&l->base.arena, t->shape->nddl + 1);
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st = left ? KVF_OK : kvf_fail_nomem(err);
	size_t k;

	t->own = left;
	if (!st && sqlite3_prepare_v2(db,
				      "SELECT 1 FROM sqlite_schema o JOIN sqlite_schema v ON"
				      " v.name = o.tbl_name COLLATE NOCASE AND v.type = 'view'"
				      " WHERE o.type = ?1 AND o.name = ?2",
				      -1, &stmt, NULL))
		st = kvf_restore_lite_fail(l, db, "read its schema", err);
	for (k = 0; k < t->shape->nddl && !st; k++) {
		const struct kvf_ddl *d = &t->shape->ddl[k];

		if (sqlite3_bind_text(stmt, 1, d->kind, -1, SQLITE_STATIC) ||
		    sqlite3_bind_text(stmt, 2, d->name, -1, SQLITE_STATIC))
			st = kvf_restore_lite_fail(l, db, "read its schema", err);
		else if (sqlite3_step(stmt) == SQLITE_ROW) {
			left[k] = 1;
			st = kvf_restore_leave(
				&l->base, t->shape->name, d->kind, d->name,
				"it belongs to a view, and this is a selection of "
				"tables",
				err);
		}
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	return st;
}

enum kvf_status kvf_restore_lite_rest(struct kvf_restore_lite *l, sqlite3 *db,
				      struct kvf_err *err)
{
	static const char *const order[] = { "index", "view", "trigger", "sequence-value" };
	enum kvf_status st = KVF_OK;
	size_t i, k, o;

	for (o = 0; o < 4 && !st; o++) {
		for (i = 0; i < l->base.ntables && !st; i++) {
			struct kvf_restore_table *t = &l->base.tables[i];

			for (k = 0; !t->foreign && k < t->shape->nddl && !st; k++) {
				const struct kvf_ddl *d = &t->shape->ddl[k];

				if (strcmp(d->kind, order[o]) != 0)
					continue;
				if (t->own && ((const uint8_t *)t->own)[k])
					continue;
				st = o == 3 ? set_sequence(l, db, t->shape, d, err)
					    : make_one(l, db, t, d, err);
			}
		}
	}
	return st;
}
