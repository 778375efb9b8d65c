/*
 * postgres - tables of a stream into PostgreSQL, in one transaction of one
 * connection: what the server, a lost connection or a kill ends was never there.
 */
#include "restore/postgres.h"

#include "base/failpoint.h"
#include "source/over.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST 120000
#define LOCK_MS KVF_PATIENCE(30000)

/* ---- what is there ------------------------------------------------------------------- */

/* Where the table goes: SCHEMA.TABLE of an export with --schema, else the current
 * schema.  Its own statement tells where the schema ends. */
static enum kvf_status find_place(struct kvf_pgr *p, struct kvf_restore_table *t,
				  struct kvf_err *err)
{
	struct kvf_pgr_table *own = kvf_arena_zalloc(&p->base.arena, sizeof(*own));
	const struct kvf_table *s = t->shape;
	struct kvf_pgr_name n = { "", "" };
	struct kvf_lexer l;
	size_t len = strlen(s->name), i;

	t->own = own;
	if (!own)
		return kvf_fail_nomem(err);
	for (i = 0; !t->foreign && i < s->nddl && strcmp(s->ddl[i].kind, "table") != 0; i++)
		;
	if (!t->foreign && i < s->nddl) {
		kvf_lex(&l, s->ddl[i].sql);
		(void)(kvf_lex_word(&l, "CREATE") && kvf_lex_word(&l, "UNLOGGED"));
		if (!kvf_lex_word(&l, "TABLE") || !kvf_lex_name(&l, &n))
			n.name[0] = '\0';
		i = strlen(n.name);
		if (*n.name && len > i + 1 && s->name[len - i - 1] == '.' &&
		    len - i - 1 < sizeof(own->schema) &&
		    strcmp(s->name + len - i, n.name) == 0) {
			memcpy(own->schema, s->name, len - i - 1);
			memcpy(own->name, n.name, sizeof(own->name));
		}
	}
	if (!*own->name) {
		if (len > 63 || (!t->foreign && strcmp(n.name, s->name) != 0))
			return kvf_restore_refuse(s, NULL, "Leave it out with --exclude-table.",
						  err,
						  "this cannot be the name of a table of "
						  "PostgreSQL");
		memcpy(own->name, s->name, len + 1);
		memcpy(own->schema, p->schema, sizeof(own->schema));
	}
	memcpy(n.schema, own->schema, sizeof(n.schema));
	memcpy(n.name, own->name, sizeof(n.name));
	kvf_pgr_quoted(&n, own->quoted);
	t->place = kvf_arena_printf(&p->base.arena, "%s.%s", own->schema, own->name);
	return t->place ? KVF_OK : kvf_fail_nomem(err);
}

/* An own trigger would fire for every row. */
static enum kvf_status has_trigger(struct kvf_pgr *p, struct kvf_restore_table *t, int64_t oid,
				   struct kvf_err *err)
{
	struct kvf_pg_args args = { 0 };
	int64_t n;
	enum kvf_status st;

	kvf_pg_number(&args, oid);
	st = kvf_pg_ask(
		&p->pg, p->conn, &n,
		"SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = $1::int8::oid"
		" AND NOT tgisinternal AND tgenabled <> 'D'",
		&args, err);
	if (!st && n)
		return kvf_restore_refuse(t->shape, NULL,
					  "ALTER TABLE ... DISABLE TRIGGER USER, then give the "
					  "same command again.",
					  err, "the table that is there has triggers");
	return st;
}

/* Keep it from others, and see whether it holds rows. */
static enum kvf_status is_empty(struct kvf_pgr *p, struct kvf_restore_table *t,
				struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	char sql[2 * KVF_PG_QUOTED + 80];
	int64_t n = 0;
	enum kvf_status st = KVF_OK;

	if (!p->base.dry_run)
		st = kvf_pg_exec(&p->pg, p->conn, "lock a table", err,
				 "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", own->quoted);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1) AS t",
		 own->quoted);
	if (!st)
		st = kvf_pg_ask(&p->pg, p->conn, &n, sql, NULL, err);
	return !st && n ? kvf_restore_not_empty(t->shape, err) : st;
}

static enum kvf_status look(struct kvf_pgr *p, struct kvf_restore_table *t, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	struct kvf_pg_args args = { 0 };
	PGresult *res = NULL;
	char kind[8] = "";
	int64_t oid = 0;
	enum kvf_status st;

	kvf_pg_text(&args, own->schema);
	kvf_pg_text(&args, own->name);
	st = kvf_pg_query(&p->pg, p->conn,
			  "SELECT c.oid::int8, c.relkind::text FROM pg_catalog.pg_class c"
			  " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
			  " WHERE n.nspname = $1 AND c.relname = $2",
			  &args, "look for a table", &res, err);
	if (!st && PQntuples(res)) {
		oid = kvf_pg_get_number(res, 0, 0);
		kvf_pg_get_text(res, 0, 1, kind, sizeof(kind));
	}
	PQclear(res);
	if (st || !oid)
		return st;
	if (*kind != 'r' && *kind != 'p')
		return kvf_restore_refuse(t->shape, NULL,
					  "Drop or rename it, or leave the table out with "
					  "--exclude-table.",
					  err, "there is %s of this name already",
					  *kind == 'v' || *kind == 'm' ? "a view"
					  : *kind == 'S'               ? "a sequence"
								       : "something else");
	t->exists = 1;
	st = is_empty(p, t, err);
	return st ? st : has_trigger(p, t, oid, err);
}

/* ---- the plan --------------------------------------------------------------------------- */

/* Foreign keys that are there are taken off while rows come, in any order. */
static enum kvf_status plan_own_keys(struct kvf_pgr *p, struct kvf_restore_table *t,
				     const struct kvf_table *there, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	char name[KVF_PG_QUOTED], *sql;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < there->nddl && !st; i++) {
		struct kvf_ddl d = { "foreign-key", NULL, NULL };

		if (strcmp(there->ddl[i].kind, "foreign-key") != 0)
			continue;
		d.name = kvf_arena_strdup(&p->base.arena, there->ddl[i].name);
		kvf_pg_quote(there->ddl[i].name, name);
		sql = kvf_arena_printf(&p->base.arena, "ALTER TABLE %s DROP CONSTRAINT %s",
				       own->quoted, name);
		if (!d.name || !sql)
			return kvf_fail_nomem(err);
		st = kvf_pgr_plan(p, KVF_PGR_TABLE, t->shape, &d, 0, sql, err);
		if (!st)
			st = kvf_pgr_plan(p, KVF_PGR_FOREIGN_KEY, t->shape, &d, 0,
					  there->ddl[i].sql, err);
	}
	return st;
}

static enum kvf_status plan_table(struct kvf_pgr *p, struct kvf_source *source,
				  struct kvf_restore_table *t, struct kvf_err *err)
{
	struct kvf_pgr_table *own = t->own;
	struct kvf_record record = { .name = t->place, .table = t->place };
	const struct kvf_table *there = NULL;
	enum kvf_status st = KVF_OK;

	if (t->foreign)
		st = kvf_restore_map(&p->base, t, &own->types, err);
	if (!st && t->exists)
		st = kvf_source_describe(source, &record, &there, err);
	if (!st && there)
		st = kvf_restore_same_shape(t, there, err);
	if (!st && there)
		st = plan_own_keys(p, t, there, err);
	return st ? st : kvf_pgr_plan_table(p, t, there, err);
}

static enum kvf_status pgr_check(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	struct kvf_source *source = NULL;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < r->ntables && !st; i++)
		st = find_place(p, &r->tables[i], err);
	if (!st)
		st = kvf_pgr_may(p, err);
	for (i = 0; i < r->ntables && !st; i++)
		st = look(p, &r->tables[i], err);
	if (!st)
		st = kvf_source_over_postgres(&p->pg, p->conn, &r->quiet, &source, err);
	for (i = 0; i < r->ntables && !st; i++)
		st = plan_table(p, source, &r->tables[i], err);
	kvf_source_close(source);
	return st;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int has_type(const struct kvf_table *t, const struct kvf_ddl *d)
{
	size_t i;

	for (i = 0; i < t->nddl; i++)
		if (strcmp(t->ddl[i].kind, "type") == 0 && strcmp(t->ddl[i].sql, d->sql) == 0)
			return 1;
	return 0;
}

/* Columns, and types that were there before: are they those of the stream? */
static enum kvf_status compare(struct kvf_pgr *p, struct kvf_source *source,
			       struct kvf_restore_table *t, struct kvf_err *err)
{
	struct kvf_record record = { .name = t->place, .table = t->place };
	const struct kvf_table *there;
	enum kvf_status st = kvf_source_describe(source, &record, &there, err);
	size_t i;

	(void)p;
	for (i = 0; !st && !t->foreign && i < t->shape->nddl; i++)
		if (strcmp(t->shape->ddl[i].kind, "type") == 0 &&
		    !has_type(there, &t->shape->ddl[i]))
			st = kvf_restore_refuse(
				t->shape, NULL,
				"Drop or rename that type, or name another database.", err,
				"type \"%.100s\" is there already, and is another one",
				t->shape->ddl[i].name);
	return st;
}

static enum kvf_status pgr_create(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	struct kvf_source *source = NULL;
	enum kvf_status st = kvf_pgr_run(p, KVF_PGR_SCHEMA, KVF_PGR_PARTITION, err);
	size_t i;

	if (!st)
		st = kvf_source_over_postgres(&p->pg, p->conn, &r->quiet, &source, err);
	for (i = 0; i < r->ntables && !st; i++)
		st = compare(p, source, &r->tables[i], err);
	kvf_source_close(source);
	return st;
}

/* One sequence of the table: behind the largest value of its column, of those that it may
 * reach. */
static enum kvf_status pass_largest(struct kvf_pgr *p, const struct kvf_pgr_table *own,
				    const PGresult *res, int row, struct kvf_err *err)
{
	char column[64], sequence[2 * KVF_PG_QUOTED], quoted[KVF_PG_QUOTED];
	int up = kvf_pg_get_number(res, row, 2) > 0;

	kvf_pg_get_text(res, row, 0, column, sizeof(column));
	kvf_pg_get_text(res, row, 1, sequence, sizeof(sequence));
	kvf_pg_quote(column, quoted);
	return kvf_pg_exec(
		&p->pg, p->conn, "set a sequence", err,
		"SELECT pg_catalog.setval('%lld'::oid::regclass, x.m, true)"
		" FROM (SELECT %s(%s)::int8 AS m FROM %s WHERE %s BETWEEN %lld AND %lld) x, %s "
		"s"
		" WHERE x.m %s s.last_value OR (x.m = s.last_value AND NOT s.is_called)",
		(long long)kvf_pg_get_number(res, row, 3), up ? "max" : "min", quoted,
		own->quoted, quoted, (long long)kvf_pg_get_number(res, row, 4),
		(long long)kvf_pg_get_number(res, row, 5), sequence, up ? ">" : "<");
}

static enum kvf_status pass_table(struct kvf_pgr *p, const struct kvf_pgr_table *own,
				  struct kvf_err *err)
{
	struct kvf_pg_args args = { 0 };
	PGresult *res = NULL;
	enum kvf_status st;
	int i;

	kvf_pg_text(&args, own->quoted);
	st = kvf_pg_query(
		&p->pg, p->conn,
		"SELECT a.attname::text, s.seqrelid::pg_catalog.regclass::text,"
		" s.seqincrement, s.seqrelid::int8, s.seqmin, s.seqmax FROM"
		" pg_catalog.pg_depend d"
		" JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid"
		" JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid"
		" AND a.attnum = d.refobjsubid"
		" WHERE d.refobjid = $1::text::pg_catalog.regclass AND d.deptype IN ('a', 'i')"
		" AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)",
		&args, "look for sequences", &res, err);
	for (i = 0; !st && i < PQntuples(res); i++)
		st = pass_largest(p, own, res, i, err);
	PQclear(res);
	return st;
}

static enum kvf_status pgr_finish(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	enum kvf_status st = kvf_pgr_run(p, KVF_PGR_OWNER, KVF_PGR_VALUE, err);
	size_t i;

	for (i = 0; i < r->ntables && !st; i++)
		st = pass_table(p, r->tables[i].own, err);
	/* What was deferred shows now, and not in the commit. */
	return st ? st
		  : kvf_pg_exec(&p->pg, p->conn, "check constraints", err,
				"SET CONSTRAINTS ALL IMMEDIATE");
}

/* ---- the way back of an application ------------------------------------------------------ */

static enum kvf_status pgr_scratch(struct kvf_restore *r, struct kvf_restore_table *t,
				   struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	struct kvf_pgr_table *own = kvf_arena_zalloc(&r->arena, sizeof(*own));
	char column[KVF_PG_QUOTED], name[KVF_PG_QUOTED];
	enum kvf_status st;
	struct kvf_buf sql;
	size_t i;

	if (!own)
		return kvf_fail_nomem(err);
	t->own = own;
	kvf_pg_quote(t->shape->name, name);
	snprintf(own->quoted, sizeof(own->quoted), "pg_temp.%s", name);
	kvf_buf_init(&sql, 1u << 16);
	st = kvf_buf_printf(&sql, err, "CREATE TEMPORARY TABLE %s (", name);
	for (i = 0; i < t->shape->ncolumns && !st; i++) {
		kvf_pg_quote(t->shape->columns[i].name, column);
		st = kvf_buf_printf(&sql, err, "%s%s %s", i ? "," : "", column,
				    t->shape->columns[i].type);
	}
	if (!st)
		st = kvf_buf_printf(&sql, err, ") ON COMMIT DROP");
	if (!st)
		st = kvf_pg_query(&p->pg, p->conn, (const char *)sql.ptr, NULL,
				  "make a temporary table", NULL, err);
	kvf_buf_release(&sql);
	return st;
}

static enum kvf_status pgr_run(struct kvf_restore *r, const char *doing, const char *sql,
			       struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;

	return kvf_pg_query(&p->pg, p->conn, sql, NULL, doing, NULL, err);
}

static enum kvf_status pgr_pass(struct kvf_restore *r, const char *table, struct kvf_err *err)
{
	struct kvf_pgr_table own = { .name = "" };

	kvf_pg_quote(table, own.quoted);
	return pass_table((struct kvf_pgr *)r, &own, err);
}

static enum kvf_status pgr_source(struct kvf_restore *r, struct kvf_source **out,
				  struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;

	return kvf_source_over_postgres(&p->pg, p->conn, &r->quiet, out, err);
}

static enum kvf_status pgr_commit(struct kvf_restore *r, struct kvf_err *err)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;
	enum kvf_status st = kvf_pg_exec(&p->pg, p->conn, "commit", err, "COMMIT");

	p->committed = !st;
	KVF_FAILPOINT(st, err, "postgres.restore.committed");
	if (st && kvf_pg_is_lost(err)) {
		kvf_err_detail(err,
			       "It is not known whether the commit took effect: all tables "
			       "are there with all rows, or none is.");
		kvf_err_hint(err, "See whether the tables are there: kvferry verify STREAM "
				  "tables:TARGET");
	}
	return st;
}

static void pgr_close(struct kvf_restore *r)
{
	struct kvf_pgr *p = (struct kvf_pgr *)r;

	PQfinish(p->conn); /* which undoes what was not committed */
	kvf_pg_release(&p->pg);
	kvf_buf_release(&p->rows);
	kvf_arena_release(&r->arena);
	free(p);
}

static const struct kvf_restore_ops ops = {
	.dialect = "postgresql",
	.check = pgr_check,
	.create = pgr_create,
	.begin_rows = kvf_pgr_begin_rows,
	.put = kvf_pgr_put,
	.end_rows = kvf_pgr_end_rows,
	.finish = pgr_finish,
	.scratch = pgr_scratch,
	.run = pgr_run,
	.pass = pgr_pass,
	.source = pgr_source,
	.commit = pgr_commit,
	.close = pgr_close,
};

/* ---- opening ------------------------------------------------------------------------------------ */

static enum kvf_status check_server(struct kvf_pgr *p, struct kvf_err *err)
{
	int version = PQserverVersion(p->conn);

	if (PQparameterStatus(p->conn, "crdb_version"))
		return kvf_fail(err, KVF_ETARGET,
				"%s is a CockroachDB; tables are restored to PostgreSQL",
				p->pg.name);
	if (version >= OLDEST)
		return KVF_OK;
	kvf_fail(err, KVF_ETARGET, "%s runs PostgreSQL %d; 12 is the oldest that is written",
		 p->pg.name, version / 10000);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Upgrade the server, or name another one.");
	return KVF_ETARGET;
}

static enum kvf_status begin(struct kvf_pgr *p, struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = kvf_pg_exec(&p->pg, p->conn, "begin", err,
					 "BEGIN; SET LOCAL lock_timeout = %d;"
					 "SET LOCAL standard_conforming_strings = on;"
					 "SET LOCAL check_function_bodies = off",
					 LOCK_MS);

	if (!st)
		st = kvf_source_postgres_setup(&p->pg, p->conn, err);
	if (!st)
		st = kvf_pg_query(&p->pg, p->conn,
				  "SELECT coalesce(pg_catalog.current_schema(), '')", NULL,
				  "see what the schema is", &res, err);
	if (!st)
		kvf_pg_get_text(res, 0, 0, p->schema, sizeof(p->schema));
	PQclear(res);
	if (!st && !*p->schema) {
		st = kvf_fail(err, KVF_EPREFLIGHT, "%s: no schema of the search path is there",
			      p->pg.name);
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err, "CREATE SCHEMA public, or set search_path for this role.");
	}
	return st;
}

enum kvf_status kvf_restore_postgres_open(const char *place, int dry_run,
					  const struct kvf_env *env, struct kvf_restore **out,
					  struct kvf_err *err)
{
	struct kvf_pgr *p = calloc(1, sizeof(*p));
	const char *version;
	enum kvf_status st;

	*out = NULL;
	if (!p)
		return kvf_fail_nomem(err);
	kvf_restore_init(&p->base, &ops, dry_run, env);
	kvf_buf_init(&p->rows, SIZE_MAX / 2);
	p->last = &p->first;
	st = kvf_pg_init(&p->pg, place, KVF_ETARGET, p->base.env, err);
	p->pg.reading = dry_run;
	if (!st)
		st = kvf_pg_connect(&p->pg, &p->conn, err);
	if (!st)
		st = check_server(p, err);
	if (!st)
		st = begin(p, err);
	if (st) {
		pgr_close(&p->base);
		return st;
	}
	version = PQparameterStatus(p->conn, "server_version");
	version = version ? version : "";
	snprintf(p->base.identity, sizeof(p->base.identity), "PostgreSQL %.*s, %s",
		 (int)strcspn(version, " "), version, p->pg.name);
	*out = &p->base;
	return KVF_OK;
}
