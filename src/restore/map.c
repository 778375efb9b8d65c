/*
 * map - types of one kind of database in another.
 *
 * Only where every value that the type can hold goes there and comes back as
 * the same cell: a row is read back and compared in the end.  NULL for a type
 * of which that is not known.
 */
#include "restore/restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct pair {
	const char *from, *to; /* `from` ends in '*': any type that begins so */
};

static const char *find(const struct pair *list, size_t n, const char *type)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(list[i].from);
		if (list[i].from[len - 1] == '*' ? strncasecmp(list[i].from, type, len - 1) == 0
						 : strcasecmp(list[i].from, type) == 0)
			return list[i].to;
	}
	return NULL;
}

/* Is it one of the enums that the table's statements make? */
static int is_enum(const struct kvf_table *t, const char *type)
{
	size_t i;

	for (i = 0; i < t->nddl; i++)
		if (strcmp(t->ddl[i].kind, "type") == 0 &&
		    strncmp(t->ddl[i].sql, "CREATE TYPE ", 12) == 0 &&
		    strncmp(t->ddl[i].sql + 12, type, strlen(type)) == 0 &&
		    strncmp(t->ddl[i].sql + 12 + strlen(type), " AS ENUM (", 10) == 0)
			return 1;
	return 0;
}

const char *kvf_restore_map_to_sqlite(const struct kvf_table *t, size_t i, uint8_t *back)
{
	/* What has no cell of its own is text, and a TEXT column keeps it. */
	static const struct pair list[] = {
		{ "smallint", "INTEGER" },   { "integer", "INTEGER" },
		{ "bigint", "INTEGER" },     { "oid", "INTEGER" },
		{ "real", "REAL" },          { "double precision", "REAL" },
		{ "boolean", "BOOLEAN" },    { "bytea", "BLOB" },
		{ "text", "TEXT" },          { "character*", "TEXT" },
		{ "\"char\"", "TEXT" },      { "name", "TEXT" },
		{ "numeric*", "TEXT" },      { "uuid", "TEXT" },
		{ "json", "TEXT" },          { "jsonb", "TEXT" },
		{ "date", "TEXT" },          { "time", "TEXT" },
		{ "time without*", "TEXT" }, { "time with *", "TEXT" },
		{ "time(*", "TEXT" },        { "timestamp*", "TEXT" },
		{ "interval*", "TEXT" },     { "inet", "TEXT" },
		{ "cidr", "TEXT" },          { "macaddr", "TEXT" },
		{ "macaddr8", "TEXT" },      { "bit(*", "TEXT" },
		{ "bit varying*", "TEXT" },  { "money", "TEXT" },
		{ "xml", "TEXT" },           { "tsvector", "TEXT" },
		{ "citext", "TEXT" },        { "hstore", "TEXT" },
		{ "ltree", "TEXT" },         { "point", "TEXT" },
	};
	const char *type = t->columns[i].type, *to;
	size_t len = strlen(type);

	if (len > 2 && strcmp(type + len - 2, "[]") == 0)
		return "TEXT";
	to = find(list, sizeof(list) / sizeof(list[0]), type);
	if (to && strcmp(to, "BOOLEAN") == 0)
		*back = KVF_RESTORE_BOOL;
	return to ? to : is_enum(t, type) ? "TEXT" : NULL;
}

const char *kvf_restore_map_to_postgres(const struct kvf_table *t, size_t i, uint8_t *back)
{
	/* Types under which SQLite's users keep values of one storage class.  A cell
	 * of another class refuses the table, with its column. */
	static const struct pair list[] = {
		{ "integer", "bigint" },
		{ "int*", "bigint" },
		{ "bigint", "bigint" },
		{ "smallint", "bigint" },
		{ "tinyint*", "bigint" },
		{ "mediumint", "bigint" },
		{ "boolean", "bigint" },
		{ "bool", "bigint" },
		{ "real", "double precision" },
		{ "double*", "double precision" },
		{ "float*", "double precision" },
		{ "text", "text" },
		{ "clob", "text" },
		{ "char*", "text" },
		{ "varchar*", "text" },
		{ "nchar*", "text" },
		{ "nvarchar*", "text" },
		{ "date", "text" },
		{ "datetime", "text" },
		{ "timestamp", "text" },
		{ "time", "text" },
		{ "blob", "bytea" },
		{ "numeric*", "numeric" },
		{ "decimal*", "numeric" },
	};
	const char *to = find(list, sizeof(list) / sizeof(list[0]), t->columns[i].type);

	if (to && strcmp(to, "numeric") == 0)
		*back = KVF_RESTORE_NUMBER;
	return to;
}

/* Such a column of SQLite makes an integer of every number that is one. */
static int number_back(struct kvf_cell *cell)
{
	char text[400], *end;
	int64_t whole;

	if (cell->type != KVF_CELL_TEXT || cell->u.b.len >= sizeof(text))
		return 0;
	memcpy(text, cell->u.b.ptr, cell->u.b.len);
	text[cell->u.b.len] = '\0';
	errno = 0;
	whole = strtoll(text, &end, 10);
	if (!*end && !errno) {
		cell->type = KVF_CELL_INT;
		cell->u.i = whole;
		return 1;
	}
	cell->type = KVF_CELL_REAL;
	cell->u.r = strtod(text, &end);
	return !*end;
}

int kvf_restore_map_back(enum kvf_restore_back back, struct kvf_cell *cell)
{
	if (cell->type == KVF_CELL_NULL)
		return 1;
	switch (back) {
	case KVF_RESTORE_SAME: return 1;
	case KVF_RESTORE_BOOL:
		if (cell->type != KVF_CELL_INT || (cell->u.i != 0 && cell->u.i != 1))
			return 0;
		cell->type = KVF_CELL_BOOL;
		return 1;
	case KVF_RESTORE_NUMBER: return number_back(cell);
	}
	return 0;
}

enum kvf_status kvf_restore_map(struct kvf_restore *r, struct kvf_restore_table *t,
				const char ***types, struct kvf_err *err)
{
	const struct kvf_table *shape = t->shape;
	int to_sqlite = strcmp(r->ops->dialect, "sqlite") == 0;
	const char **list = kvf_arena_zalloc(&r->arena, (shape->ncolumns + 1) * sizeof(*list));
	size_t i;

	*types = list;
	t->back = kvf_arena_zalloc(&r->arena, shape->ncolumns + 1);
	if (!list || !t->back)
		return kvf_fail_nomem(err);
	if (strcmp(shape->dialect, to_sqlite ? "postgresql" : "sqlite") != 0)
		return kvf_restore_refuse(shape, NULL, NULL, err,
					  "it speaks a dialect that nobody here knows, '%s'",
					  shape->dialect);
	for (i = 0; i < shape->ncolumns; i++) {
		list[i] = to_sqlite ? kvf_restore_map_to_sqlite(shape, i, &t->back[i])
				    : kvf_restore_map_to_postgres(shape, i, &t->back[i]);
		if (!list[i])
			return kvf_restore_refuse(
				shape, shape->columns[i].name,
				"Leave the table out with --exclude-table, or restore to the "
				"kind of database that it comes from.",
				err, "%s has no type for '%.100s' that keeps every value",
				to_sqlite ? "SQLite" : "PostgreSQL", shape->columns[i].type);
	}
	return KVF_OK;
}

enum kvf_status kvf_restore_leave_foreign(struct kvf_restore *r,
					  const struct kvf_restore_table *t,
					  struct kvf_err *err)
{
	/* Databases of the other kind have no owners. */
	static const char *const carried[] = { "table", "primary-key", "unique",
					       "type",  "owner",       NULL };
	enum kvf_status st = KVF_OK;
	size_t i, k;

	for (i = 0; i < t->shape->nddl && !st; i++) {
		const struct kvf_ddl *d = &t->shape->ddl[i];

		for (k = 0; carried[k] && strcmp(carried[k], d->kind) != 0; k++)
			;
		if (!carried[k])
			st = kvf_restore_leave(r, t->shape->name, d->kind, d->name,
					       "the target speaks another dialect", err);
	}
	for (i = 0; i < t->shape->ncolumns && !st; i++)
		if (t->shape->columns[i].flags & KVF_COLUMN_GENERATED)
			st = kvf_restore_leave(r, t->shape->name, "generated-column",
					       t->shape->columns[i].name,
					       "its values are there, its expression is not",
					       err);
	return st;
}
