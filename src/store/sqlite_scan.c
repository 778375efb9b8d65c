/*
 * sqlite_scan - entries out of a SQLite store, in order.
 *
 * Every scan has a connection of its own and one read transaction on it, so
 * that it is a snapshot whatever its store does meanwhile.
 */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

struct lite_cursor {
	struct kvf_cursor base;
	sqlite3 *db;
	sqlite3_stmt *stmt; /* NULL: there is no table */
	struct kvf_generation of;
	struct kvf_bytes skip_part, skip_key; /* the version record: into `of` */
};

enum kvf_status kvf_lite_entry(struct kvf_lite *s, sqlite3_stmt *stmt, struct kvf_entry *entry,
			       struct kvf_err *err)
{
	enum kvf_status st;
	char name[256];
	int i;

	for (i = 0; i < 3; i++)
		if (sqlite3_column_type(stmt, i) != SQLITE_BLOB)
			break;
	entry->part = kvf_lite_blob(stmt, 0);
	entry->key = kvf_lite_blob(stmt, 1);
	entry->value = kvf_lite_blob(stmt, 2);
	if (i == 3)
		return KVF_OK;
	st = kvf_fail(err, KVF_ETARGET, "%s: an entry holds another type than BLOB, at key %s",
		      s->path, kvf_bytes_print(entry->key, name, sizeof(name)));
	kvf_err_hint(err, "Whatever wrote it must bind byte strings, not text or numbers.");
	return st;
}

enum kvf_status kvf_lite_snapshot(struct kvf_lite *s, enum kvf_scan which, sqlite3 **db,
				  struct kvf_generation *g, char *table, size_t size,
				  struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = kvf_lite_connect(s, 0, db, err);
	uint64_t gen;
	int has;

	table[0] = '\0';
	memset(g, 0, sizeof(*g));
	if (!st)
		st = kvf_lite_exec(s, *db, err, "BEGIN");
	if (st)
		return st;
	st = kvf_lite_read_control(s, *db, &c, err);
	if (st && st != KVF_ENOTFOUND)
		return st;
	gen = st ? 0 : kvf_control_gen(&c, which);
	if (gen) {
		st = kvf_lite_read_generation(s, *db, gen, g, err);
		if (st && st != KVF_ENOTFOUND)
			return st;
	}
	if (which == KVF_SCAN_LIVE)
		sqlite3_snprintf((int)size, table, "%s", s->table);
	else
		sqlite3_snprintf((int)size, table, "kvferry_g%llu", (unsigned long long)gen);
	st = kvf_lite_has(s, *db, "table", table, &has, err);
	if (st)
		return st;
	if (!has) {
		if (which != KVF_SCAN_LIVE)
			return kvf_lite_nothing(s, which, err);
		table[0] = '\0';
	}
	kvf_err_clear(err);
	return KVF_OK;
}

/* Bind bytes that need not outlive the call; unbound they would match no row. */
static int bind_copy(sqlite3_stmt *stmt, int at, struct kvf_bytes b)
{
	return sqlite3_bind_blob64(stmt, at, b.len ? (const void *)b.ptr : "", b.len,
				   SQLITE_TRANSIENT);
}

enum kvf_status kvf_lite_scan(struct kvf_store *base, enum kvf_scan which,
			      const struct kvf_entry *from, struct kvf_cursor **out,
			      struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	struct lite_cursor *c = calloc(1, sizeof(*c));
	enum kvf_status st = KVF_OK;
	char table[256] = "";

	if (!c)
		return kvf_fail_nomem(err);
	c->base.store = base;
	if (s->db)
		st = kvf_lite_snapshot(s, which, &c->db, &c->of, table, sizeof(table), err);
	else if (which != KVF_SCAN_LIVE)
		st = kvf_lite_nothing(s, which, err);
	c->skip_part = (struct kvf_bytes){ c->of.version_part, c->of.version_part_len };
	c->skip_key = (struct kvf_bytes){ c->of.version_key, c->of.version_key_len };
	if (!st && table[0])
		st = kvf_lite_prepare(s, c->db, &c->stmt, err,
				      "SELECT partition_key, key, value FROM \"%w\" %s"
				      " ORDER BY partition_key, key",
				      table,
				      from ? "WHERE (partition_key, key) >= (?1, ?2)" : "");
	if (!st && c->stmt && from) {
		if (bind_copy(c->stmt, 1, from->part) || bind_copy(c->stmt, 2, from->key))
			st = kvf_fail_nomem(err);
	}
	if (st) {
		kvf_lite_cursor_close(&c->base);
		return st;
	}
	*out = &c->base;
	return KVF_OK;
}

enum kvf_status kvf_lite_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				     struct kvf_err *err)
{
	struct lite_cursor *c = (struct lite_cursor *)base;
	struct kvf_lite *s = (struct kvf_lite *)base->store;
	enum kvf_status st;
	int rc;

	if (!c->stmt)
		return KVF_EOF;
	do {
		rc = sqlite3_step(c->stmt);
		if (rc == SQLITE_DONE) {
			sqlite3_finalize(c->stmt); /* a further step would begin anew */
			c->stmt = NULL;
			return KVF_EOF;
		}
		if (rc != SQLITE_ROW)
			return kvf_lite_fail(s, c->db, "read", err);
		st = kvf_lite_entry(s, c->stmt, entry, err);
	} while (!st && kvf_is_record(entry->part, entry->key, c->skip_part, c->skip_key));
	return st;
}

void kvf_lite_cursor_close(struct kvf_cursor *base)
{
	struct lite_cursor *c = (struct lite_cursor *)base;

	sqlite3_finalize(c->stmt);
	sqlite3_close(c->db);
	free(c);
}
