/* postgres_open - the handle of a PostgreSQL store and its connection. */
#include "store/cockroach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST 120000

enum kvf_status kvf_pgs_ready(struct kvf_pgs *s, struct kvf_err *err)
{
	if (s->conn && PQstatus(s->conn) == CONNECTION_OK)
		return KVF_OK;
	PQfinish(s->conn);
	s->conn = NULL;
	return kvf_pg_connect(&s->pg, &s->conn, err);
}

void kvf_pgs_rollback(struct kvf_pgs *s, PGconn *conn)
{
	if (conn && PQstatus(conn) == CONNECTION_OK &&
	    PQtransactionStatus(conn) != PQTRANS_IDLE)
		(void)!kvf_pg_exec(&s->quiet, conn, "roll back", NULL, "ROLLBACK");
}

static int is_halted(void *ctx)
{
	return atomic_load(&((struct kvf_pgs *)ctx)->halt);
}

void kvf_pgs_await(struct kvf_pgs *s, struct kvf_pool *pool)
{
	while (!kvf_pool_wait(pool, 100))
		if (kvf_store_stopped(&s->base, NULL))
			atomic_store(&s->halt, 1);
}

void kvf_pgs_close(struct kvf_store *base)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;

	kvf_pgs_stop_loading(s);
	kvf_pgs_free_batches(s);
	PQfinish(s->conn);
	kvf_pg_release(&s->pg);
	kvf_pgs_live_release(&s->live_before);
	kvf_buf_release(&s->value);
	kvf_buf_release(&s->last);
	kvf_arena_release(&s->ledger);
	free(s);
}

static const struct kvf_store_ops ops = {
	.close = kvf_pgs_close,
	.inspect = kvf_pgs_inspect,
	.control = kvf_pgs_control,
	.generation = kvf_pgs_generation,
	.scan = kvf_pgs_scan,
	.cursor_next = kvf_pgs_cursor_next,
	.cursor_close = kvf_pgs_cursor_close,
	.totals = kvf_pgs_totals,
	.get = kvf_pgs_get,
	.unit = kvf_pgs_unit,
	.acquire = kvf_pgs_acquire,
	.beat = kvf_pgs_beat,
	.stage = kvf_pgs_stage,
	.put = kvf_pgs_put,
	.chunk = kvf_pgs_chunk,
	.keep_unit = kvf_pgs_keep_unit,
	.flush = kvf_pgs_flush,
	.progress = kvf_pgs_progress,
	.applied = kvf_pgs_applied,
	.merge_stats = kvf_pgs_merge_stats,
	.seal = kvf_pgs_seal,
	.commit = kvf_pgs_commit,
	.gc = kvf_pgs_gc,
	.note_frozen = kvf_pgs_note_frozen,
	.note_failure = kvf_pgs_note_failure,
	.ledger_append = kvf_pgs_ledger_append,
	.ledger_next = kvf_pgs_ledger_next,
	.abort = kvf_pgs_abort,
	.marks = kvf_pgs_marks,
	.rollback = kvf_pgs_rollback_to_previous,
	.sweep = kvf_pgs_sweep,
	.leftovers = kvf_pgs_leftovers,
	.cleanup = kvf_pgs_cleanup,
	.legacy = kvf_pgs_legacy,
};

/* "TABLE" or "SCHEMA.TABLE", as the caller wrote it. */
static enum kvf_status take_table_name(struct kvf_pgs *s, const char *name, struct kvf_err *err)
{
	const char *dot = strchr(name, '.'), *table = dot ? dot + 1 : name;
	size_t schema = dot ? (size_t)(dot - name) : 0;
	enum kvf_status st;

	if (*table && strlen(table) < sizeof(s->table) - 12 && schema < sizeof(s->schema) &&
	    (!dot || schema) && strncmp(name, "kvferry", 7) != 0 &&
	    strncmp(name, "pg_", 3) != 0) {
		snprintf(s->schema, sizeof(s->schema), "%.*s", (int)schema, name);
		snprintf(s->table, sizeof(s->table), "%s", table);
		s->table_given = 1;
		return KVF_OK;
	}
	st = kvf_fail(err, KVF_EUSAGE, "\"%.100s\" cannot be the name of the live table", name);
	kvf_err_hint(err,
		     "Write TABLE or SCHEMA.TABLE, at most %zu bytes each; names that "
		     "begin with kvferry or pg_ are taken.",
		     sizeof(s->table) - 13);
	return st;
}

/* The table that the control row names, where there is one that may be read; "" = none.
 * Where it may not be read, every use of it will say so. */
static enum kvf_status find_kept(struct kvf_pgs *s, char *schema, char *table, size_t size,
				 struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	int64_t has = 0;
	enum kvf_status st = kvf_pg_ask(
		&s->pg, s->conn, &has,
		"SELECT CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND"
		" has_table_privilege(c.oid, 'SELECT') THEN 1 ELSE -1 END FROM"
		" pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
		" c.relnamespace WHERE n.nspname = 'kvferry' AND c.relname = 'control'",
		&none, err);

	s->blind = has < 0 && !s->table_given;
	*schema = *table = '\0';
	if (st || has <= 0)
		return st;
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT live_schema, live FROM kvferry.control WHERE id = 1", &none,
			  "look for a store", &res, err);
	if (!st && PQntuples(res) == 1) {
		kvf_pg_get_text(res, 0, 0, schema, size);
		kvf_pg_get_text(res, 0, 1, table, size);
	}
	PQclear(res);
	return st;
}

/* The live table: as given, as kept in the control row, or "kv" where an
 * unqualified name would be created. */
static enum kvf_status find_table(struct kvf_pgs *s, struct kvf_err *err)
{
	char kept[2][sizeof(s->table)], schema[KVF_PG_QUOTED], table[KVF_PG_QUOTED];
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	enum kvf_status st = find_kept(s, kept[0], kept[1], sizeof(kept[0]), err);

	if (!s->table_given && *kept[1]) {
		snprintf(s->schema, sizeof(s->schema), "%s", kept[0]);
		snprintf(s->table, sizeof(s->table), "%s", kept[1]);
	}
	if (!st && !s->schema[0]) {
		st = kvf_pg_query(&s->pg, s->conn,
				  "SELECT coalesce(current_schema(), 'public')", &none,
				  "look for a store", &res, err);
		if (!st)
			kvf_pg_get_text(res, 0, 0, s->schema, sizeof(s->schema));
		PQclear(res);
	}
	if (!s->table[0])
		snprintf(s->table, sizeof(s->table), "kv");
	kvf_pg_quote(s->schema, schema);
	kvf_pg_quote(s->table, table);
	snprintf(s->live, sizeof(s->live), "%s.%s", schema, table);
	/* Who writes is told by inspect(). */
	if (st || s->base.mode != KVF_STORE_READ || !*kept[1] ||
	    (strcmp(kept[0], s->schema) == 0 && strcmp(kept[1], s->table) == 0))
		return st;
	snprintf(schema, sizeof(schema), "%.63s.%.63s", kept[0], kept[1]);
	snprintf(table, sizeof(table), "%.63s.%.63s", s->schema, s->table);
	return kvf_store_other_table(s->pg.name, schema, table, err);
}

static enum kvf_status check_server(const struct kvf_pgs *s, struct kvf_err *err)
{
	int version = PQserverVersion(s->conn);

	if (version >= OLDEST)
		return KVF_OK;
	kvf_fail(err, KVF_ETARGET, "%s runs PostgreSQL %d; 12 is the oldest that keeps a store",
		 s->pg.name, version / 10000);
	kvf_err_hint(err, "Upgrade the server, or name another one.");
	return KVF_ETARGET;
}

enum kvf_status kvf_pgs_open(const char *place, enum kvf_store_mode mode,
			     const struct kvf_store_options *options, const struct kvf_env *env,
			     struct kvf_store **out, struct kvf_err *err)
{
	const char *version;
	struct kvf_pgs *s;
	enum kvf_status st;

	s = calloc(1, sizeof(*s));
	if (!s)
		return kvf_fail_nomem(err);
	s->base.ops = &ops;
	s->base.env = env;
	s->base.mode = mode;
	s->partitions = options ? options->partitions : 0;
	kvf_buf_init(&s->value, SIZE_MAX / 2);
	kvf_buf_init(&s->last, SIZE_MAX / 2);
	kvf_arena_init(&s->ledger);
	st = kvf_pg_init(&s->pg, place, KVF_ETARGET, env, err);
	s->pg.reading = mode == KVF_STORE_READ;
	s->quiet = s->pg;
	s->quiet.env = NULL;
	atomic_init(&s->halt, 0);
	s->worker_env.ctx = s;
	s->worker_env.stopped = is_halted;
	s->worker = s->pg;
	s->worker.env = &s->worker_env;
	s->worker.patience = KVF_PGS_PATIENCE;
	if (!st && options && options->table)
		st = take_table_name(s, options->table, err);
	if (!st)
		st = kvf_pgs_ready(s, err);
	if (!st)
		st = kvf_pg_settle(&s->pg, s->conn, err);
	if (!st)
		st = check_server(s, err);
	s->quiet.dialect = s->worker.dialect = s->pg.dialect;
	if (s->pg.dialect->pointed)
		s->base.ops = &kvf_roach_ops;
	if (!st)
		st = find_table(s, err);
	if (st) {
		if (err && !*err->detail)
			kvf_err_detail(err, "Nothing was changed.");
		kvf_pgs_close(&s->base);
		return st;
	}
	version = PQparameterStatus(s->conn, "server_version");
	version = version ? version : "";
	snprintf(s->base.identity, sizeof(s->base.identity), "%s %.*s, %s",
		 s->pg.dialect->product, (int)strcspn(version, " "), version, s->pg.name);
	kvf_pg_place(&s->pg, s->conn, 0, s->base.place, sizeof(s->base.place));
	*out = &s->base;
	return KVF_OK;
}
