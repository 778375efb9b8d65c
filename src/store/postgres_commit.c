/*
 * postgres_commit - seal and publish a stage, and clear away what is over.
 *
 * The commit is one transaction: fence, the live table into its generation's
 * schema, the stage into the live schema, views and privileges onto it, version
 * record, control row, ledger row.
 */
#include "store/postgres.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define AS_IT_WAS "The live data are as they were; what was staged is kept for the next run."

/* ---- gc and seal ------------------------------------------------------------------- */

enum kvf_status kvf_pgs_gc(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = kvf_pgs_begin(s, &s->pg, s->conn, KVF_RUN_LIVE, "UPDATE", err);

	if (!st)
		st = kvf_pgs_brief(s, 0, err);
	if (!st)
		st = kvf_pgs_drop_orphans(s, err);
	KVF_FAILPOINT(st, err, "postgres.gc.written");
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}

enum kvf_status kvf_pgs_seal(struct kvf_store *base, const uint8_t root[32],
			     const struct kvf_totals *t, int exact_packages,
			     struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	enum kvf_status st;

	kvf_pgs_stop_loading(s);
	/* What was staged becomes durable with this transaction. */
	st = kvf_pgs_begin(s, &s->pg, s->conn, KVF_RUN_STAGING, "UPDATE", err);
	if (st)
		return st;
	kvf_pg_bytes(&a, (struct kvf_bytes){ root, 32 });
	kvf_pg_number(&a, (int64_t)t->entries);
	kvf_pg_number(&a, (int64_t)t->bytes);
	kvf_pg_bytes(&a, (struct kvf_bytes){ t->m, sizeof(t->m) });
	kvf_pg_number(&a, exact_packages != 0);
	kvf_pg_number(&a, (int64_t)s->stage);
	st = kvf_pg_query(&s->pg, s->conn,
			  "UPDATE kvferry.generations SET root = $1, entries = $2, bytes = $3,"
			  " m = $4, exact_packages = $5 WHERE gen = $6",
			  &a, "write", NULL, err);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conn, "write", err,
				 "UPDATE kvferry.control SET state = 'SEALED' WHERE id = 1");
	KVF_FAILPOINT(st, err, "postgres.seal.written");
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}

/* ---- the ledger ------------------------------------------------------------------- */

enum kvf_status kvf_pgs_insert_ledger(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				      struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, row->at);
	kvf_pg_text(&a, row->run);
	kvf_pg_text(&a, row->event ? row->event : "");
	kvf_pg_text(&a, row->outcome);
	kvf_pg_text(&a, row->who);
	kvf_pg_text(&a, row->host);
	kvf_pg_text(&a, row->tool);
	kvf_pg_text(&a, row->app);
	kvf_pg_number(&a, (int64_t)row->from);
	kvf_pg_number(&a, (int64_t)row->to);
	kvf_pg_text(&a, row->document);
	return kvf_pg_query(&s->pg, s->conn,
			    "INSERT INTO kvferry.ledger (at, run, event, outcome, who, host,"
			    " tool, app, from_version, to_version, document) VALUES"
			    " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
			    &a, "write", NULL, err);
}

enum kvf_status kvf_pgs_in_ledger(const struct kvf_pg *pg, PGconn *conn,
				  const struct kvf_ledger_row *row, int *yes,
				  struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	int64_t n = 0;
	enum kvf_status st;

	kvf_pg_text(&a, row->run);
	kvf_pg_text(&a, row->event ? row->event : "");
	kvf_pg_number(&a, row->at);
	st = kvf_pg_ask(pg, conn, &n,
			"SELECT count(*) FROM kvferry.ledger WHERE run = $1 AND event = $2 AND"
			" at = $3",
			&a, err);
	*yes = !st && n != 0;
	return st;
}

/* In the open transaction: nobody has taken the store since we acquired it. */
static enum kvf_status fence(struct kvf_pgs *s, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	struct kvf_control c;
	int64_t epoch;
	char sql[128];
	enum kvf_status st;

	kvf_pg_number(&a, (int64_t)s->base.epoch);
	snprintf(sql, sizeof(sql),
		 "SELECT epoch FROM kvferry.control WHERE id = 1 AND epoch = $1 %s",
		 s->pg.dialect->fence);
	st = kvf_pg_ask(&s->pg, s->conn, &epoch, sql, &a, err);
	if (st || epoch)
		return st;
	st = kvf_pgs_read_control(s, s->conn, &c, err);
	return st ? st : kvf_store_superseded(&c, err);
}

enum kvf_status kvf_pgs_ledger_append(struct kvf_store *base, uint64_t epoch,
				      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);

	if (st)
		return st;
	if (!epoch)
		return kvf_pgs_insert_ledger(s, row, err);
	st = kvf_pgs_begin_write(s, &s->pg, s->conn, s->pg.dialect->begin, KVF_PGS_DURABLE,
				 err);
	if (!st)
		st = fence(s, err);
	if (!st)
		st = kvf_pgs_insert_ledger(s, row, err);
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}

void kvf_pgs_note_failure(struct kvf_store *base, const char *why)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };

	kvf_pgs_stop_loading(s);
	kvf_pgs_rollback(s, s->conn);
	if (kvf_pgs_ready(s, NULL))
		return;
	/* Who holds the control row is not waited for: it is a note only. */
	if (kvf_pg_exec(&s->quiet, s->conn, "begin to write", NULL,
			"BEGIN; SET LOCAL lock_timeout = 200"))
		return;
	kvf_pg_text(&a, why);
	kvf_pg_number(&a, (int64_t)base->epoch);
	(void)!kvf_pg_query(&s->quiet, s->conn,
			    "UPDATE kvferry.control SET why = $1, lease = 0 WHERE epoch = $2"
			    " AND state IN ('STAGING', 'SEALED')",
			    &a, "write", NULL, NULL);
	/* COMMIT of a transaction that has failed rolls it back. */
	(void)!kvf_pg_exec(&s->quiet, s->conn, "commit", NULL, "COMMIT");
}

/* ---- commit ------------------------------------------------------------------------ */

enum kvf_status kvf_pgs_remember(struct kvf_pgs *s, int64_t oid, PGresult **statements,
				 struct kvf_err *err)
{
	static const char sql[] =
		"SELECT format('GRANT %s ON %I.%I TO %s%s', x.privilege_type, n.nspname, "
		"c.relname,"
		" CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE "
		"quote_ident(pg_get_userbyid(x.grantee))"
		" END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 1 AS "
		"step,"
		" 'hand on the privileges' FROM pg_class c JOIN pg_namespace n ON"
		" n.oid = c.relnamespace, aclexplode(c.relacl) x WHERE c.oid = $1::int8::oid "
		"AND"
		" x.grantee <> c.relowner UNION ALL"
		" SELECT format('CREATE OR REPLACE VIEW %I.%I%s AS %s', n.nspname, c.relname,"
		" ' WITH (' || array_to_string(c.reloptions, ', ') || ')',"
		" pg_get_viewdef(c.oid)), 2, 'make view ' || quote_ident(c.relname) ||"
		" ' name the new table' FROM pg_class c JOIN pg_namespace n ON"
		" n.oid = c.relnamespace WHERE c.relkind = 'v' AND c.oid IN (SELECT w.ev_class"
		" FROM pg_rewrite w JOIN pg_depend d ON d.objid = w.oid AND"
		" d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass "
		"WHERE"
		" d.refobjid = $1::int8::oid OR d.refobjid IN (SELECT inhrelid FROM pg_inherits"
		" WHERE inhparent = $1::int8::oid)) UNION ALL"
		" SELECT format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname,"
		" pg_get_userbyid(c.relowner)), 3, 'hand on the ownership' FROM pg_class c JOIN"
		" pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::int8::oid AND"
		" pg_get_userbyid(c.relowner) <> current_user ORDER BY 2";
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, oid);
	return kvf_pg_query(&s->pg, s->conn, sql, &a, "read the schema", statements, err);
}

enum kvf_status kvf_pgs_recall(struct kvf_pgs *s, const PGresult *statements,
			       struct kvf_err *err)
{
	int i, n = statements ? PQntuples(statements) : 0;
	enum kvf_status st = KVF_OK;
	char doing[128];

	for (i = 0; i < n && !st; i++) {
		struct kvf_bytes b = kvf_pg_get_bytes(statements, i, 0);

		kvf_pg_get_text(statements, i, 2, doing, sizeof(doing));
		st = kvf_pg_exec(&s->pg, s->conn, doing, err, "%.*s", (int)b.len,
				 (const char *)b.ptr);
	}
	return st;
}

/*
 * Make room for the stage under the live name.  Sets *prev to the generation
 * that was live; 0 if there was none, or it was empty or an early one, and is not worth
 * keeping.
 */
static enum kvf_status retire_live(struct kvf_pgs *s, const struct kvf_control *c, int64_t oid,
				   uint64_t *prev, struct kvf_err *err)
{
	char why[512] = "", sql[512], schema[32];
	int64_t filled;
	int has, fits;
	enum kvf_status st;

	*prev = 0;
	st = kvf_pg_exec(&s->pg, s->conn, "lock the live table", err,
			 "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", s->live);
	if (!st)
		st = kvf_pgs_blocker(s, &has, &fits, why, sizeof(why), err);
	if (!st && why[0])
		return kvf_fail(err, KVF_ETARGET, "%s: %s", s->pg.name, why);
	if (!st)
		st = kvf_pgs_live_check(s, err);
	snprintf(sql, sizeof(sql), "SELECT EXISTS (SELECT 1 FROM %s)", s->live);
	if (!st)
		st = kvf_pg_ask(&s->pg, s->conn, &filled, sql, NULL, err);
	if (st)
		return st;
	if (filled && !c->active)
		return kvf_fail(err, KVF_ETARGET,
				"%s: table %s was filled by another program during this run",
				s->pg.name, s->live);
	*prev = filled && !c->early ? c->active : 0;
	/* An empty one goes to generation 0, which is dropped at the end. */
	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)*prev);
	st = kvf_pg_exec(&s->pg, s->conn, "keep the previous generation", err,
			 "CREATE SCHEMA IF NOT EXISTS %s", schema);
	return st ? st : kvf_pgs_move(s, oid, schema, err);
}

/* The application's record.  A load that does not bump has no record to write,
 * or the one that was live. */
enum kvf_status kvf_pgs_set_version(struct kvf_pgs *s, const char *table,
				    const struct kvf_control *c, struct kvf_bytes done,
				    struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	char sql[512];

	if (!c->version_key_len || !done.len)
		return KVF_OK;
	snprintf(sql, sizeof(sql),
		 "INSERT INTO %s (partition_key, key, value) VALUES ($1, $2, $3)", table);
	kvf_pg_bytes(&a, (struct kvf_bytes){ c->version_part, c->version_part_len });
	kvf_pg_bytes(&a, (struct kvf_bytes){ c->version_key, c->version_key_len });
	kvf_pg_bytes(&a, done);
	return kvf_pg_query(&s->pg, s->conn, sql, &a, "write the version record", NULL, err);
}

/* The stage becomes the live table. */
static enum kvf_status install(struct kvf_pgs *s, struct kvf_err *err)
{
	char schema[32];
	int64_t oid;
	struct kvf_pg_args a = { 0 };
	enum kvf_status st;

	snprintf(schema, sizeof(schema), "kvferry_g%llu", (unsigned long long)s->stage);
	st = kvf_pgs_oid(s, s->conn, schema, s->table, &oid, err);
	if (!st)
		st = kvf_pgs_move(s, oid, s->schema, err);
	kvf_pg_number(&a, oid);
	if (!st)
		st = kvf_pgs_run_made(
			s,
			"SELECT format('ALTER TABLE %s RESET (autovacuum_enabled)',"
			" c.oid::regclass) FROM pg_class c WHERE relkind = 'r' AND"
			" (c.oid = $1::int8::oid OR c.oid IN (SELECT inhrelid FROM"
			" pg_inherits WHERE inhparent = $1::int8::oid))",
			&a, "release the table to autovacuum", err);
	return st;
}

/* Exchange the tables. */
static enum kvf_status swap(struct kvf_pgs *s, const struct kvf_control *c, uint64_t *prev,
			    int *had, struct kvf_err *err)
{
	PGresult *statements = NULL;
	int64_t oid;
	enum kvf_status st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);

	*prev = 0;
	*had = !st && oid && c->early != KVF_EARLY_TABLE;
	if (!st && oid)
		st = kvf_pgs_remember(s, oid, &statements, err);
	if (!st && oid)
		st = retire_live(s, c, oid, prev, err);
	else if (!st) /* ... and it was not there before either? */
		st = kvf_pgs_live_check(s, err);
	KVF_FAILPOINT(st, err, "postgres.commit.retired");
	if (!st)
		st = install(s, err);
	if (!st)
		st = kvf_pgs_recall(s, statements, err);
	PQclear(statements);
	if (!st && oid && !*prev) {
		char table[KVF_PG_QUOTED];

		kvf_pg_quote(s->table, table);
		st = kvf_pg_exec(&s->pg, s->conn, "drop the empty table", err,
				 "DROP TABLE kvferry_g0.%s; DROP SCHEMA kvferry_g0", table);
	}
	return st;
}

enum kvf_status kvf_pgs_point(struct kvf_pgs *s, uint64_t schema, uint64_t prev, int had,
			      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st =
		kvf_pg_exec(&s->pg, s->conn, "write", err,
			    "DELETE FROM kvferry.generations WHERE gen = (SELECT active FROM"
			    " kvferry.control WHERE early <> 0);"
			    "UPDATE kvferry.control SET state = 'LIVE', ver = %lld,"
			    " active = stage, stage = 0, prev = %lld, prev_legacy = %d,"
			    " early = 0, run = '', why = '', lease = 0, step = '' WHERE id = 1;"
			    "UPDATE kvferry.generations SET ver = %lld, published = %lld"
			    " WHERE gen = %lld",
			    (long long)schema, (long long)prev,
			    prev  ? KVF_PREV_KEPT
			    : had ? KVF_PREV_EMPTY
				  : KVF_PREV_NOTHING,
			    (long long)schema, (long long)kvf_now_us(), (long long)s->stage);

	return st ? st : kvf_pgs_insert_ledger(s, row, err);
}

/* Everything but BEGIN and COMMIT. */
static enum kvf_status publish(struct kvf_pgs *s, uint64_t schema, struct kvf_bytes done,
			       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_control c;
	uint64_t prev;
	enum kvf_status st;
	int had;

	/* Names in what the server prints are then qualified. */
	st = kvf_pg_exec(&s->pg, s->conn, "begin to publish", err,
			 "SET LOCAL search_path = pg_catalog");
	/* From here on nobody can read the live table. */
	if (!st)
		st = kvf_pgs_brief(s, 0, err);
	if (!st)
		st = kvf_pgs_read_control(s, s->conn, &c, err);
	if (!st)
		st = swap(s, &c, &prev, &had, err);
	if (!st)
		st = kvf_pgs_set_version(s, s->live, &c, done, err);
	if (!st)
		st = kvf_pgs_point(s, schema, prev, had, row, err);
	if (!st && s->base.last_look)
		st = kvf_pgs_brief(s, 3 * s->base.look_seconds, err);
	return st ? st : kvf_store_last_look(&s->base, err);
}

/* The answer to COMMIT was lost.  The control row alone does not know: another run may have
 * adopted our stage, and published it. */
static enum kvf_status find_out(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				enum kvf_status lost, struct kvf_err *err)
{
	struct kvf_control c;
	int published;
	enum kvf_status st = kvf_pgs_find_out(s, row, &c, &published);

	if (!st && published) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (!st && c.epoch != s->base.epoch)
		return kvf_store_superseded(&c, err);
	if (st)
		kvf_err_detail(err, "Whether the new data are live could not be read.");
	else
		kvf_err_detail(err, AS_IT_WAS);
	return lost;
}

enum kvf_status kvf_pgs_commit(struct kvf_store *base, uint64_t schema,
			       struct kvf_bytes version_done, const struct kvf_ledger_row *row,
			       struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	st = kvf_pgs_begin(s, &s->pg, s->conn, KVF_RUN_SEALED, "UPDATE", err);
	if (st)
		return st;
	KVF_FAILPOINT(st, err, "postgres.commit.begun");
	if (!st)
		st = publish(s, schema, version_done, row, err);
	KVF_FAILPOINT(st, err, "postgres.commit.written");
	if (st) {
		kvf_pgs_undo(s, AS_IT_WAS, err);
		return st;
	}
	/* No signal stops us here: the answer is worth waiting for. */
	st = kvf_pgs_end(s, &s->quiet, s->conn, err);
	KVF_FAILPOINT(st, err, "postgres.commit.committed");
	if (st && PQstatus(s->conn) != CONNECTION_OK)
		return find_out(s, row, st, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}
