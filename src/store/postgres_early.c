/*
 * postgres_early - the live table before anything is live (see early.c): made by the
 * acquire, kept by the next one, replaced by the commit, taken away by an abort, and left
 * again by a rollback to the legacy tables.
 *
 * It is a generation like another, `active`, with nothing in it but the version record,
 * which scans and totals leave out.  By the rules of CockroachDB its table is that of the
 * generation, made before the transaction, and only the record moves in it.
 */
#include "store/postgres.h"

#include "base/failpoint.h"

#include <stdio.h>
#include <string.h>

/* ---- looking --------------------------------------------------------------------- */

/* Arguments: where the record of `g`, which outlives them, lies. */
static void add_record(struct kvf_pg_args *a, const struct kvf_generation *g)
{
	kvf_pg_bytes(a, (struct kvf_bytes){ g->version_part, g->version_part_len });
	kvf_pg_bytes(a, (struct kvf_bytes){ g->version_key, g->version_key_len });
}

/* What the message names: the first row of others, or what the record says. */
static enum kvf_status look_closer(struct kvf_pgs *s, const char *table,
				   const struct kvf_generation *g, struct kvf_early_look *l,
				   struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	char sql[640];
	enum kvf_status st;

	add_record(&a, g);
	snprintf(sql, sizeof(sql),
		 "SELECT partition_key, key, value FROM %s WHERE %s (partition_key = $1 AND"
		 " key = $2) ORDER BY partition_key, key LIMIT 1",
		 table, l->others ? "NOT" : "");
	st = kvf_pg_query(&s->pg, s->conn, sql, &a, "read", &res, err);
	if (!st && PQntuples(res) == 1) {
		kvf_early_name(l, kvf_pg_get_bytes(res, 0, 0), kvf_pg_get_bytes(res, 0, 1));
		kvf_bytes_print(kvf_pg_get_bytes(res, 0, 2), l->value, sizeof(l->value));
	}
	PQclear(res);
	return st;
}

static enum kvf_status look(struct kvf_pgs *s, const char *table,
			    const struct kvf_generation *g, struct kvf_early_look *l,
			    struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	char sql[640];
	enum kvf_status st;

	add_record(&a, g);
	kvf_pg_bytes(&a, (struct kvf_bytes){ g->version_started, g->version_started_len });
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FILTER (WHERE NOT r), count(*) FILTER (WHERE r), count(*)"
		 " FILTER (WHERE r AND value = $3) FROM (SELECT value, partition_key = $1 AND"
		 " key = $2 AS r FROM %s) AS t",
		 table);
	st = kvf_pg_query(&s->pg, s->conn, sql, &a, "read", &res, err);
	if (!st) {
		l->others = (uint64_t)kvf_pg_get_number(res, 0, 0);
		l->has_record = kvf_pg_get_number(res, 0, 1) != 0;
		l->same = kvf_pg_get_number(res, 0, 2) != 0;
	}
	PQclear(res);
	if (!st && (l->others || (l->has_record && !l->same)))
		st = look_closer(s, table, g, l, err);
	return st;
}

/* The early table of `c`, by its name; "" where it is gone. */
static enum kvf_status find(struct kvf_pgs *s, const struct kvf_control *c, char *table,
			    size_t size, int64_t *oid, struct kvf_err *err)
{
	char schema[32];

	*oid = 0;
	*table = '\0';
	if (!s->pg.dialect->pointed || c->early == KVF_EARLY_RECORD) {
		enum kvf_status st = kvf_pgs_oid(s, s->conn, s->schema, s->table, oid, err);

		if (!st && *oid)
			snprintf(table, size, "%s", s->live);
		return st;
	}
	kvf_pgs_generation_table(s, c->active, table, size);
	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)c->active);
	return kvf_pgs_oid(s, s->conn, schema, s->table, oid, err);
}

/* All of that: the table, what its record is, and what others have written. */
struct seen {
	char table[2 * KVF_PG_QUOTED];
	int64_t oid;
	struct kvf_generation g;
	struct kvf_early_look look;
	char what[512];
};

static enum kvf_status see(struct kvf_pgs *s, const struct kvf_control *c, struct seen *seen,
			   struct kvf_err *err)
{
	enum kvf_status st;

	memset(seen, 0, sizeof(*seen));
	st = find(s, c, seen->table, sizeof(seen->table), &seen->oid, err);
	if (!st)
		st = kvf_pgs_read_generation(s, s->conn, c->active, &seen->g, err);
	if (!st && seen->oid)
		st = look(s, seen->table, &seen->g, &seen->look, err);
	if (!st)
		kvf_early_describe(&seen->look, &seen->g, seen->table, seen->what,
				   sizeof(seen->what));
	return st;
}

enum kvf_status kvf_pgs_early_intruder(struct kvf_pgs *s, char *buf, size_t size,
				       struct kvf_err *err)
{
	struct kvf_control c;
	struct seen seen;
	enum kvf_status st = kvf_pgs_read_control(s, s->conn, &c, err);

	buf[0] = '\0';
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (st || !c.early)
		return st;
	st = see(s, &c, &seen, err);
	if (!st)
		snprintf(buf, size, "%s", seen.what);
	return st;
}

/* ---- making it --------------------------------------------------------------------- */

/* The record into its table, which is empty, and what is known of it into ours. */
static enum kvf_status set(struct kvf_pgs *s, const struct kvf_early_record *r, uint64_t gen,
			   struct kvf_err *err)
{
	struct kvf_pg_args row = { 0 }, of = { 0 };
	const struct kvf_control c = { .active = gen, .early = r->kind };
	char table[2 * KVF_PG_QUOTED], sql[512];
	int64_t oid;
	enum kvf_status st = find(s, &c, table, sizeof(table), &oid, err);

	if (st)
		return st;
	snprintf(sql, sizeof(sql),
		 "INSERT INTO %s (partition_key, key, value) VALUES ($1, $2, $3)", table);
	kvf_pg_bytes(&row, r->part);
	kvf_pg_bytes(&row, r->key);
	kvf_pg_bytes(&row, r->value);
	st = kvf_pg_query(&s->pg, s->conn, sql, &row, "write the version record", NULL, err);
	kvf_pg_number(&of, (int64_t)gen);
	kvf_pg_text(&of, r->app);
	kvf_pg_text(&of, r->tool);
	kvf_pg_bytes(&of, r->part);
	kvf_pg_bytes(&of, r->key);
	kvf_pg_bytes(&of, r->value);
	if (!st)
		st = kvf_pg_query(
			&s->pg, s->conn,
			"INSERT INTO kvferry.generations VALUES ($1, 0, 0, '', $2, $3, '',"
			" NULL, 0, 0, '', $4, $5, 0, '', NULL, '', $6) ON CONFLICT (gen) DO "
			"UPDATE"
			" SET app = excluded.app, tool = excluded.tool, version_part ="
			" excluded.version_part, version_key = excluded.version_key,"
			" version_started = excluded.version_started",
			&of, "write", NULL, err);
	KVF_FAILPOINT(st, err, "postgres.early.recorded");
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "write", err,
				 "UPDATE kvferry.control SET active = %llu, early = %d WHERE"
				 " id = 1",
				 (unsigned long long)gen, (int)r->kind);
	if (!st)
		s->early = r->kind;
	return st;
}

static enum kvf_status create(struct kvf_pgs *s, struct kvf_err *err)
{
	char schema[KVF_PG_QUOTED];

	if (s->pg.dialect->pointed)
		return KVF_OK;
	kvf_pg_quote(s->schema, schema);
	return kvf_pgs_create_table(s, schema, s->partitions, "", err);
}

/* Nothing of ours is live: is there a table, and what is in it? */
static enum kvf_status begin(struct kvf_pgs *s, const struct kvf_control *c,
			     const struct kvf_claim *claim, uint64_t *active, uint64_t *next,
			     struct kvf_err *err)
{
	struct kvf_early_record r = kvf_early_of_claim(claim, KVF_EARLY_TABLE);
	char live[2 * KVF_PG_QUOTED], sql[sizeof(live) + 64];
	struct kvf_generation g = { 0 };
	int64_t filled = 0;
	enum kvf_status st = kvf_pgs_find_live(s, s->conn, live, sizeof(live), err);

	if (!st && c->active)
		st = kvf_pgs_read_generation(s, s->conn, c->active, &g, err);
	if (st || g.published)
		return st;
	snprintf(sql, sizeof(sql), "SELECT EXISTS (SELECT 1 FROM %s)", live);
	if (*live)
		st = kvf_pg_ask(&s->pg, s->conn, &filled, sql, NULL, err);
	if (st || (c->active && filled))
		return st;
	if (filled)
		return kvf_early_unknown(s->pg.name, live, err);
	if (!r.value.len)
		return KVF_OK;
	if (*live)
		r.kind = KVF_EARLY_RECORD;
	else
		st = create(s, err);
	*active = c->active ? c->active : (*next)++;
	return st ? st : set(s, &r, *active, err);
}

/* May the table go?  What others have hung on it would be lost, or in the way; but it is
 * enough for their views that a table is there. */
static enum kvf_status may_drop(struct kvf_pgs *s, int64_t oid, int *may, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	char what[512] = "";
	int64_t views = 0;
	enum kvf_status st = kvf_pgs_find_attached(s, oid, what, sizeof(what), err);

	if (!st && what[0]) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "%s: %s", s->pg.name, what);
		kvf_err_detail(err, "Nothing was changed.");
	}
	kvf_pg_number(&a, oid);
	if (!st)
		st = kvf_pg_ask(&s->pg, s->conn, &views,
				"SELECT count(*) FROM pg_catalog.pg_depend WHERE classid ="
				" 'pg_catalog.pg_rewrite'::regclass AND refclassid ="
				" 'pg_catalog.pg_class'::regclass AND (refobjid ="
				" $1::int8::oid OR refobjid IN (SELECT inhrelid FROM"
				" pg_catalog.pg_inherits WHERE inhparent = $1::int8::oid))",
				&a, err);
	*may = !views;
	return st;
}

/* Has it another layout than the one that is asked for, and may be made anew? */
static enum kvf_status must_remake(struct kvf_pgs *s, const struct kvf_control *c, int64_t oid,
				   int *remake, struct kvf_err *err)
{
	enum kvf_status st;
	unsigned n;

	*remake = 0;
	if (!oid || c->early != KVF_EARLY_TABLE || s->pg.dialect->pointed)
		return KVF_OK;
	st = kvf_pgs_count_partitions(s, oid, &n, err);
	return st || n == s->partitions ? st : may_drop(s, oid, remake, err);
}

/* The table that is there, or was: with the record of this claim. */
static enum kvf_status keep(struct kvf_pgs *s, const struct kvf_control *c,
			    const struct kvf_claim *claim, const struct seen *seen,
			    struct kvf_err *err)
{
	struct kvf_early_record r = kvf_early_of_claim(claim, c->early);
	struct kvf_pg_args a = { 0 };
	char sql[512];
	int remake;
	enum kvf_status st = must_remake(s, c, seen->oid, &remake, err);

	if (!st && seen->oid && !remake && seen->look.same && kvf_early_is(&r, &seen->g)) {
		s->early = c->early;
		return KVF_OK;
	}
	add_record(&a, &seen->g);
	snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE partition_key = $1 AND key = $2",
		 seen->table);
	if (!st && remake)
		st = kvf_pg_exec(&s->pg, s->conn, "make the live table anew", err,
				 "DROP TABLE %s", seen->table);
	else if (!st && seen->oid)
		st = kvf_pg_query(&s->pg, s->conn, sql, &a, "write", NULL, err);
	if (!st && (remake || !seen->oid)) {
		r.kind = KVF_EARLY_TABLE;
		st = create(s, err);
	}
	return st ? st : set(s, &r, c->active, err);
}

int kvf_pgs_early_wants(const struct kvf_control *c, const struct kvf_claim *claim)
{
	return claim->version_key.len && claim->version_started.len &&
	       (!c->active || c->early == KVF_EARLY_TABLE);
}

enum kvf_status kvf_pgs_early_begin(struct kvf_pgs *s, const struct kvf_claim *claim,
				    uint64_t epoch, uint64_t *active, uint64_t *next,
				    struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	struct kvf_control c;
	struct seen seen;
	int64_t held = 0;
	enum kvf_status st;

	s->early = KVF_EARLY_NONE;
	kvf_pg_number(&a, (int64_t)epoch);
	kvf_pg_number(&a, (int64_t)*active);
	st = kvf_pg_ask(&s->pg, s->conn, &held,
			"SELECT id FROM kvferry.control WHERE id = 1 AND epoch = $1 AND"
			" active = $2 FOR UPDATE",
			&a, err);
	if (!st)
		st = kvf_pgs_read_control(s, s->conn, &c, err);
	if (!st && !held)
		return kvf_store_held(&c, err);
	if (st || !c.early)
		return st ? st : begin(s, &c, claim, active, next, err);
	st = see(s, &c, &seen, err);
	if (!st && seen.what[0])
		return kvf_early_refuse(seen.what, "Nothing was changed.", err);
	if (st || (claim->version_key.len && claim->version_started.len))
		return st ? st : keep(s, &c, claim, &seen, err);
	*active = 0;
	return kvf_pgs_early_end(s, &c, err);
}

/* ---- taking it away, and back again ------------------------------------------------ */

enum kvf_status kvf_pgs_early_end(struct kvf_pgs *s, const struct kvf_control *c,
				  struct kvf_err *err)
{
	int drop = c->early == KVF_EARLY_TABLE && !s->pg.dialect->pointed;
	struct seen seen;
	int64_t oid;
	enum kvf_status st;

	memset(&seen, 0, sizeof(seen));
	st = find(s, c, seen.table, sizeof(seen.table), &oid, err);
	if (!st && oid && !s->pg.dialect->pointed)
		st = kvf_pg_exec(&s->pg, s->conn, "lock the live table", err,
				 "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", seen.table);
	if (!st)
		st = see(s, c, &seen, err);
	if (!st && seen.what[0])
		return kvf_early_refuse(seen.what, "Nothing was changed.", err);
	if (!st && seen.oid && drop)
		st = may_drop(s, seen.oid, &drop, err);
	if (!st && seen.oid)
		st = kvf_pg_exec(&s->pg, s->conn, "take the version record away", err,
				 drop ? "DROP TABLE %s" : "DELETE FROM %s", seen.table);
	KVF_FAILPOINT(st, err, "postgres.early.taken");
	return st ? st
		  : kvf_pg_exec(&s->pg, s->conn, "write", err,
				"UPDATE kvferry.control SET active = 0, early = 0 WHERE"
				" id = 1");
}

enum kvf_status kvf_pgs_early_again(struct kvf_pgs *s, const struct kvf_control *before,
				    const struct kvf_generation *g, struct kvf_err *err)
{
	struct kvf_early_record r = kvf_early_of_generation(g, kvf_early_after(before, g));

	return r.kind ? set(s, &r, before->epoch + 1, err) : KVF_OK;
}
