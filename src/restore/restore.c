/* restore - the drivers by their schemes, and what both of them need. */
#include "restore/restore.h"

#include "base/text.h"
#include "pg/pg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kvf_status kvf_restore_open(const char *place, int dry_run, const struct kvf_env *env,
				 struct kvf_restore **out, struct kvf_err *err)
{
	*out = NULL;
	if (strncmp(place, "sqlite:", 7) == 0)
		return kvf_restore_sqlite_open(place + 7, dry_run, env, out, err);
	if (kvf_pg_is_place(place))
		return kvf_restore_postgres_open(place, dry_run, env, out, err);
	kvf_fail(err, KVF_EUSAGE, "tables cannot be restored to this kind of place");
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Name a database: sqlite:shop.db or postgresql://host/shop.");
	return KVF_EUSAGE;
}

void kvf_restore_init(struct kvf_restore *r, const struct kvf_restore_ops *ops, int dry_run,
		      const struct kvf_env *env)
{
	static const struct kvf_env none;

	r->ops = ops;
	r->env = env ? env : &none;
	r->quiet = *r->env;
	r->quiet.log = NULL;
	r->quiet.progress = NULL;
	r->dry_run = dry_run;
	kvf_arena_init(&r->arena);
}

enum kvf_status kvf_restore_tables(struct kvf_restore *r, const struct kvf_table *const *shapes,
				   size_t n, int whole, struct kvf_err *err)
{
	size_t i;

	r->tables = kvf_arena_zalloc(&r->arena, (n + 1) * sizeof(*r->tables));
	if (!r->tables)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		r->tables[i].shape = shapes[i];
		r->tables[i].foreign = strcmp(shapes[i]->dialect, r->ops->dialect) != 0;
		if (strcmp(shapes[i]->name, "kvferry_control") == 0)
			return kvf_restore_refuse(shapes[i], NULL,
						  "Leave it out with --exclude-table "
						  "kvferry_control.",
						  err, "kvferry keeps this name for itself");
		if (shapes[i]->flags & KVF_TABLE_VIEW)
			return kvf_restore_refuse(shapes[i], NULL,
						  "Leave it out with --exclude-table.", err,
						  "it is a view: rows cannot be put into it");
	}
	r->ntables = n;
	r->whole = whole;
	return KVF_OK;
}

void kvf_restore_close(struct kvf_restore *r)
{
	if (r)
		r->ops->close(r);
}

enum kvf_status kvf_restore_leave(struct kvf_restore *r, const char *table, const char *kind,
				  const char *name, const char *why, struct kvf_err *err)
{
	struct kvf_restore_left *l;
	size_t room = r->left_room ? 2 * r->left_room : 16;

	if (r->nleft == r->left_room) {
		l = kvf_arena_alloc(&r->arena, room * sizeof(*l));
		if (!l)
			return kvf_fail_nomem(err);
		if (r->nleft)
			memcpy(l, r->left, r->nleft * sizeof(*l));
		r->left = l;
		r->left_room = room;
	}
	l = &r->left[r->nleft];
	l->table = kvf_arena_strdup(&r->arena, table);
	l->kind = kvf_arena_strdup(&r->arena, kind);
	l->name = kvf_arena_strdup(&r->arena, name);
	l->why = kvf_arena_strdup(&r->arena, why);
	if (!l->table || !l->kind || !l->name || !l->why)
		return kvf_fail_nomem(err);
	r->nleft++;
	return KVF_OK;
}

enum kvf_status kvf_restore_refuse(const struct kvf_table *t, const char *column,
				   const char *hint, struct kvf_err *err, const char *fmt, ...)
{
	char text[512], table[200], name[200] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kvf_bytes_print(kvf_bytes_str(t->name), table, sizeof(table));
	if (column)
		kvf_bytes_print(kvf_bytes_str(column), name, sizeof(name));
	kvf_fail(err, KVF_EPREFLIGHT, "table \"%s\"%s%s%s: %s", table,
		 column ? ", column \"" : "", name, column ? "\"" : "", text);
	kvf_err_detail(err, "Nothing was changed.");
	if (hint)
		kvf_err_hint(err, "%s", hint);
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_restore_not_empty(const struct kvf_table *t, struct kvf_err *err)
{
	return kvf_restore_refuse(
		t, NULL,
		"Name a new database, empty or drop the table first, or leave "
		"it out with --exclude-table.",
		err, "it is there already and holds rows");
}
