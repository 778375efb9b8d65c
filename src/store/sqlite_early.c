/*
 * sqlite_early - the live table before anything is live (see early.c): made by the
 * acquire, kept by the next one, replaced by the commit, taken away by an abort, and left
 * again by a rollback to the legacy tables.
 *
 * It is a generation like another, `active`, with nothing in it but the version record,
 * which scans and totals leave out.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"

#include <stdio.h>
#include <string.h>

enum kvf_status kvf_lite_create_live(struct kvf_lite *s, struct kvf_err *err)
{
	return kvf_lite_exec(s, s->db, err,
			     "CREATE TABLE \"%w\" (partition_key BLOB NOT NULL,"
			     " key BLOB NOT NULL, value BLOB NOT NULL,"
			     " PRIMARY KEY (partition_key, key)) WITHOUT ROWID",
			     s->table);
}

/* ---- looking --------------------------------------------------------------------- */

/* Columns of the one row: is it the record, and its value? */
static void take_look(sqlite3_stmt *stmt, const struct kvf_generation *g,
		      struct kvf_early_look *l)
{
	const struct kvf_bytes part = { g->version_part, g->version_part_len },
			       key = { g->version_key, g->version_key_len },
			       started = { g->version_started, g->version_started_len };
	struct kvf_bytes is[3] = { kvf_lite_blob(stmt, 0), kvf_lite_blob(stmt, 1),
				   kvf_lite_blob(stmt, 2) };

	if (kvf_is_record(is[0], is[1], part, key)) {
		l->has_record = 1;
		l->same = kvf_bytes_cmp(is[2], started) == 0;
		kvf_bytes_print(is[2], l->value, sizeof(l->value));
	} else if (!l->others++) {
		kvf_early_name(l, is[0], is[1]);
	}
}

static enum kvf_status look(struct kvf_lite *s, const struct kvf_generation *g,
			    struct kvf_early_look *l, struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = kvf_lite_prepare(
		s, s->db, &stmt, err, "SELECT partition_key, key, value FROM \"%w\"", s->table);
	int rc = SQLITE_DONE;

	memset(l, 0, sizeof(*l));
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		take_look(stmt, g, l);
	if (!st && rc != SQLITE_DONE)
		st = kvf_lite_fail(s, s->db, "read", err);
	sqlite3_finalize(stmt);
	return st;
}

/* The early table, if there is one: *has, what it holds, and what others wrote. */
static enum kvf_status look_at(struct kvf_lite *s, const struct kvf_control *c, int *has,
			       struct kvf_generation *g, struct kvf_early_look *l, char *what,
			       size_t size, struct kvf_err *err)
{
	enum kvf_status st = kvf_lite_has(s, s->db, "table", s->table, has, err);

	what[0] = '\0';
	memset(g, 0, sizeof(*g));
	memset(l, 0, sizeof(*l));
	if (!st && c->early)
		st = kvf_lite_read_generation(s, s->db, c->active, g, err);
	*has = *has && c->early;
	if (!st && *has)
		st = look(s, g, l, err);
	if (!st && *has)
		kvf_early_describe(l, g, s->table, what, size);
	return st;
}

enum kvf_status kvf_lite_early_intruder(struct kvf_lite *s, char *buf, size_t size,
					struct kvf_err *err)
{
	struct kvf_generation g;
	struct kvf_early_look l;
	struct kvf_control c;
	enum kvf_status st = kvf_lite_read_control(s, s->db, &c, err);
	int has;

	buf[0] = '\0';
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	return st || !c.early ? st : look_at(s, &c, &has, &g, &l, buf, size, err);
}

enum kvf_status kvf_lite_early_check(struct kvf_lite *s, const char *kept, struct kvf_err *err)
{
	char what[512];
	enum kvf_status st = kvf_lite_early_intruder(s, what, sizeof(what), err);

	return st || !what[0] ? st : kvf_early_refuse(what, kept, err);
}

/* ---- making it --------------------------------------------------------------------- */

static enum kvf_status insert_record(struct kvf_lite *s, const struct kvf_early_record *r,
				     struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = kvf_lite_prepare(
		s, s->db, &stmt, err, "INSERT INTO \"%w\" VALUES (?1, ?2, ?3)", s->table);

	if (st)
		return st;
	kvf_lite_bind(stmt, 1, r->part);
	kvf_lite_bind(stmt, 2, r->key);
	kvf_lite_bind(stmt, 3, r->value);
	st = kvf_lite_run(s, stmt, "write the version record", err);
	sqlite3_finalize(stmt);
	return st;
}

/* The record into the table, which is there and empty, as generation `gen`. */
static enum kvf_status set(struct kvf_lite *s, const struct kvf_early_record *r, uint64_t gen,
			   struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st = insert_record(s, r, err);

	if (!st)
		st = kvf_lite_prepare(s, s->db, &stmt, err,
				      "INSERT OR REPLACE INTO kvferry_generations VALUES (?1,"
				      " 0, 0, '', ?2, ?3, x'', NULL, 0, 0, x'', ?4, ?5, 0, '',"
				      " NULL, '', ?6)");
	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, (int64_t)gen);
	sqlite3_bind_text(stmt, 2, r->app, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, r->tool, -1, SQLITE_STATIC);
	kvf_lite_bind(stmt, 4, r->part);
	kvf_lite_bind(stmt, 5, r->key);
	kvf_lite_bind(stmt, 6, r->value);
	st = kvf_lite_run(s, stmt, "write", err);
	sqlite3_finalize(stmt);
	KVF_FAILPOINT(st, err, "sqlite.early.recorded");
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   "UPDATE kvferry_control SET active = %llu, early = %d",
				   (unsigned long long)gen, (int)r->kind);
	return st;
}

/* Where nothing is live: is there a table, and what is in it? */
static enum kvf_status begin(struct kvf_lite *s, const struct kvf_control *c,
			     const struct kvf_claim *claim, uint64_t *next, struct kvf_err *err)
{
	struct kvf_early_record r = kvf_early_of_claim(claim, KVF_EARLY_TABLE);
	struct kvf_generation g;
	int64_t filled = 0;
	int has;
	enum kvf_status st = kvf_lite_has(s, s->db, "table", s->table, &has, err);

	memset(&g, 0, sizeof(g));
	if (!st && c->active)
		st = kvf_lite_read_generation(s, s->db, c->active, &g, err);
	if (!st && has)
		st = kvf_lite_number(s, s->db, &filled, err,
				     "SELECT EXISTS (SELECT 1 FROM \"%w\")", s->table);
	if (st || g.published || (c->active && filled))
		return st;
	if (filled)
		return kvf_early_unknown(s->path, s->table, err);
	if (!r.value.len)
		return KVF_OK;
	if (has)
		r.kind = KVF_EARLY_RECORD;
	else
		st = kvf_lite_create_live(s, err);
	return st ? st : set(s, &r, c->active ? c->active : (*next)++, err);
}

enum kvf_status kvf_lite_early_begin(struct kvf_lite *s, const struct kvf_control *c,
				     const struct kvf_claim *claim, uint64_t *next,
				     struct kvf_err *err)
{
	struct kvf_early_record r = kvf_early_of_claim(claim, c->early);
	struct kvf_generation g;
	struct kvf_early_look l;
	char what[512];
	enum kvf_status st;
	int has;

	if (!c->early)
		return begin(s, c, claim, next, err);
	st = look_at(s, c, &has, &g, &l, what, sizeof(what), err);
	if (!st && what[0])
		return kvf_early_refuse(what, "Nothing was changed.", err);
	if (!st && !r.value.len)
		return kvf_lite_early_end(s, c, err);
	if (st || (l.same && kvf_early_is(&r, &g)))
		return st;
	if (has) {
		st = kvf_lite_exec(s, s->db, err, "DELETE FROM \"%w\"", s->table);
	} else {
		r.kind = KVF_EARLY_TABLE;
		st = kvf_lite_create_live(s, err);
	}
	return st ? st : set(s, &r, c->active, err);
}

/* ---- taking it away, and back again ------------------------------------------------ */

enum kvf_status kvf_lite_early_end(struct kvf_lite *s, const struct kvf_control *c,
				   struct kvf_err *err)
{
	struct kvf_generation g;
	struct kvf_early_look l;
	char what[512];
	enum kvf_status st;
	int has, fits;

	st = look_at(s, c, &has, &g, &l, what, sizeof(what), err);
	if (!st && what[0])
		return kvf_early_refuse(what, "Nothing was changed.", err);
	/* Indexes and triggers of others would go with the table. */
	if (!st && has)
		st = kvf_lite_blocker(s, s->db, &fits, what, sizeof(what), err);
	if (!st && what[0]) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->path, what);
		kvf_err_detail(err, "Nothing was changed.");
		return st;
	}
	if (!st && has)
		st = kvf_lite_exec(s, s->db, err,
				   c->early == KVF_EARLY_TABLE ? "DROP TABLE \"%w\""
							       : "DELETE FROM \"%w\"",
				   s->table);
	KVF_FAILPOINT(st, err, "sqlite.early.taken");
	return st ? st
		  : kvf_lite_exec(s, s->db, err,
				  "UPDATE kvferry_control SET active = 0, early = 0");
}

enum kvf_status kvf_lite_early_again(struct kvf_lite *s, const struct kvf_control *c,
				     struct kvf_err *err)
{
	struct kvf_early_record r;
	struct kvf_generation g;
	enum kvf_status st;

	memset(&g, 0, sizeof(g));
	st = kvf_lite_read_generation(s, s->db, c->active, &g, err);
	if (st)
		return st;
	r = kvf_early_of_generation(&g, kvf_early_after(c, &g));
	if (r.kind == KVF_EARLY_TABLE)
		st = kvf_lite_create_live(s, err);
	return st || !r.kind ? st : set(s, &r, c->epoch + 1, err);
}
