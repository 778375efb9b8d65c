/*
 * sqlite_batch - many entries into a table with one statement.
 *
 * A batch is seen by SQLite as a table, `kvferry_batch`, that exists on this
 * connection alone, and goes into the stage by INSERT ... SELECT.  The cursor
 * on the stage then stays open from row to row, where it remembers that the
 * last key was the greatest; single prepared INSERTs find their place from the
 * root for each row, and take twice as long (docs/decisions/sqlite-store.md).
 *
 * INSERT OR FAIL leaves the rows before a duplicate in place, and `at` is then
 * the duplicate: the caller deals with it and goes on behind.
 */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

struct batch_table {
	sqlite3_vtab base;
	struct kvf_lite_batch *batch;
};

/* The cursor is batch->at itself: one statement reads it at a time. */

static int connect(sqlite3 *db, void *ctx, int argc, const char *const *argv,
		   sqlite3_vtab **out, char **message)
{
	struct batch_table *t;
	int rc = sqlite3_declare_vtab(db,
				      "CREATE TABLE batch (part BLOB, key BLOB, value BLOB)");

	(void)argc;
	(void)argv;
	(void)message;
	if (rc)
		return rc;
	t = sqlite3_malloc(sizeof(*t));
	if (!t)
		return SQLITE_NOMEM;
	memset(t, 0, sizeof(*t));
	t->batch = ctx;
	*out = &t->base;
	return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *t)
{
	sqlite3_free(t);
	return SQLITE_OK;
}

static int best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
	(void)t;
	info->estimatedCost = 1;
	return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
	sqlite3_vtab_cursor *c = sqlite3_malloc(sizeof(*c));

	(void)t;
	if (!c)
		return SQLITE_NOMEM;
	memset(c, 0, sizeof(*c));
	*out = c;
	return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *c)
{
	sqlite3_free(c);
	return SQLITE_OK;
}

static inline struct kvf_lite_batch *of(const sqlite3_vtab_cursor *c)
{
	return ((struct batch_table *)c->pVtab)->batch;
}

static int filter(sqlite3_vtab_cursor *c, int index, const char *name, int argc,
		  sqlite3_value **argv)
{
	(void)c;
	(void)index;
	(void)name;
	(void)argc;
	(void)argv;
	return SQLITE_OK; /* begin at batch->at */
}

static int next(sqlite3_vtab_cursor *c)
{
	of(c)->at++;
	return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *c)
{
	return of(c)->at >= of(c)->len;
}

static int column(sqlite3_vtab_cursor *c, sqlite3_context *ctx, int n)
{
	const struct kvf_lite_batch *b = of(c);
	const struct kvf_entry *e = &b->entries[b->at];
	const struct kvf_bytes *v = n == 0 ? &e->part : n == 1 ? &e->key : &e->value;

	sqlite3_result_blob64(ctx, v->len ? (const void *)v->ptr : "", v->len, SQLITE_STATIC);
	return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *id)
{
	*id = (sqlite3_int64)of(c)->at;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xConnect = connect, /* no xCreate: it is there without being in the schema */
	.xBestIndex = best_index,
	.xDisconnect = disconnect,
	.xDestroy = disconnect,
	.xOpen = open_cursor,
	.xClose = close_cursor,
	.xFilter = filter,
	.xNext = next,
	.xEof = at_end,
	.xColumn = column,
	.xRowid = rowid,
};

int kvf_lite_batch_register(sqlite3 *db, struct kvf_lite_batch *b)
{
	return sqlite3_create_module(db, "kvferry_batch", &module, b);
}

int kvf_lite_batch_add(struct kvf_lite_batch *b, const struct kvf_entry *e)
{
	const struct kvf_bytes *from[3] = { &e->part, &e->key, &e->value };
	struct kvf_bytes *to[3];
	size_t i, need = e->part.len + e->key.len + e->value.len;

	if (b->len == KVF_LITE_BATCH_ENTRIES || need > KVF_LITE_BATCH_BYTES - b->used)
		return 0;
	to[0] = &b->entries[b->len].part;
	to[1] = &b->entries[b->len].key;
	to[2] = &b->entries[b->len].value;
	for (i = 0; i < 3; i++) {
		to[i]->ptr = b->bytes + b->used;
		to[i]->len = from[i]->len;
		if (from[i]->len)
			memcpy(b->bytes + b->used, from[i]->ptr, from[i]->len);
		b->used += from[i]->len;
	}
	b->len++;
	return 1;
}

void kvf_lite_batch_clear(struct kvf_lite_batch *b)
{
	b->len = b->at = b->used = 0;
}
