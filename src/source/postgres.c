/* postgres - the PostgreSQL driver: its table, and what needs no file of its own. */
#include "source/over.h"
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kvf_status kvf_postgres_count(struct kvf_source *base, const struct kvf_record *record,
				   uint64_t *rows, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	struct kvf_postgres_shape *shape;
	struct kvf_buf sql;
	PGresult *res = NULL;
	enum kvf_status st = kvf_postgres_shape(s, record, &shape, err);

	if (st)
		return st;
	kvf_buf_init(&sql, SIZE_MAX / 4);
	st = kvf_postgres_count_sql(record, shape, &sql, err);
	if (!st)
		st = kvf_postgres_try(s, (const char *)sql.ptr, "count rows", &res, err);
	if (!st)
		*rows = (uint64_t)kvf_pg_get_number(res, 0, 0);
	PQclear(res);
	kvf_buf_release(&sql);
	return st;
}

enum kvf_status kvf_postgres_scalar(struct kvf_source *base, const char *sql, char *buf,
				    size_t size, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	PGresult *res = NULL;
	enum kvf_status st;
	char *text = NULL;

	/* The server makes the text, whatever the type is. */
	if (asprintf(&text, "SELECT v::pg_catalog.text FROM (%s\n) AS t(v) LIMIT 2", sql) < 0)
		return kvf_fail_nomem(err);
	st = kvf_postgres_try(s, text, "ask for the schema version", &res, err);
	free(text);
	if (st)
		return st;
	if (PQntuples(res) > 1) {
		st = kvf_fail(err, KVF_EDEFINITION, "the query yields more than one row: %s",
			      sql);
	} else if (PQntuples(res) == 0 || PQgetisnull(res, 0, 0)) {
		st = kvf_fail(err, KVF_ENOTFOUND, "the query yields no value: %s", sql);
	} else if ((size_t)PQgetlength(res, 0, 0) >= size) {
		st = kvf_fail(err, KVF_EDEFINITION, "the value is too long: %s", sql);
	} else {
		kvf_pg_get_text(res, 0, 0, buf, size);
	}
	PQclear(res);
	return st;
}

const char *kvf_postgres_identity(const struct kvf_source *base)
{
	return ((const struct kvf_postgres *)base)->identity;
}

static int same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The same database of the same server, by the names that libpq makes of both:
 * it begins to connect, and we do not wait for it. */
int kvf_postgres_is_place(const struct kvf_source *base, const char *scheme, const char *rest)
{
	const struct kvf_postgres *s = (const struct kvf_postgres *)base;
	static const char *const keywords[] = { "dbname", NULL };
	const char *values[] = { NULL, NULL };
	struct kvf_pg other;
	PGconn *conn;
	int is;

	if (strcmp(scheme, s->pg.dialect->scheme) != 0 ||
	    kvf_pg_init(&other, rest, KVF_ESOURCE, s->base.env, NULL))
		return 0;
	values[0] = other.conninfo;
	conn = PQconnectStartParams(keywords, values, 1);
	is = conn && same(PQhost(conn), PQhost(s->conns[0])) &&
	     same(PQport(conn), PQport(s->conns[0])) && same(PQdb(conn), PQdb(s->conns[0]));
	PQfinish(conn);
	kvf_pg_release(&other);
	return is;
}

enum kvf_status kvf_postgres_schemas(struct kvf_source *base, const char *const *patterns,
				     size_t n, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	size_t i;

	s->schemas = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*s->schemas));
	for (i = 0; s->schemas && i < n; i++) {
		s->schemas[i] = kvf_arena_strdup(&s->arena, patterns[i]);
		if (!s->schemas[i])
			break;
	}
	if (!s->schemas || i < n)
		return kvf_fail_nomem(err);
	s->nschemas = n;
	return KVF_OK;
}

void kvf_postgres_close(struct kvf_source *base)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	unsigned long long n = atomic_load(&s->not_utf8);
	unsigned i;

	if (n)
		kvf_source_log(&s->base, KVF_LOG_WARN,
			       "%llu text%s of this SQL_ASCII database %s not UTF-8 and %s "
			       "carried as bytes",
			       n, n == 1 ? "" : "s", n == 1 ? "is" : "are",
			       n == 1 ? "was" : "were");
	for (i = 0; i < s->nconns && !s->borrowed; i++)
		PQfinish(s->conns[i]);
	PQfinish(s->hold);
	kvf_postgres_forget(s);
	free(s->settings);
	free(s->pieces.cuts);
	kvf_pg_release(&s->pg);
	kvf_arena_release(&s->arena);
	free(s);
}

static const struct kvf_source_driver driver = {
	.schemas = kvf_postgres_schemas,
	.tables = kvf_postgres_tables,
	.describe = kvf_postgres_describe,
	.may_read = kvf_postgres_may_read,
	.count = kvf_postgres_count,
	.scalar = kvf_postgres_scalar,
	.plan = kvf_postgres_plan,
	.plan_small = kvf_postgres_plan_small,
	.rows_open = kvf_postgres_rows_open,
	.rows_next = kvf_postgres_rows_next,
	.rows_close = kvf_postgres_rows_close,
	.changed = kvf_postgres_changed,
	.hold = kvf_postgres_hold,
	.is_held = kvf_postgres_is_held,
	.frozen = kvf_postgres_frozen,
	.identity = kvf_postgres_identity,
	.is_place = kvf_postgres_is_place,
	.close = kvf_postgres_close,
};

enum kvf_status kvf_postgres_open(size_t size, const struct kvf_source_driver *with,
				  const char *place, const struct kvf_env *env,
				  struct kvf_source **out, struct kvf_err *err)
{
	struct kvf_postgres *s = calloc(1, size);
	enum kvf_status st;

	if (!s)
		return kvf_fail_nomem(err);
	kvf_source_init(&s->base, with, env);
	kvf_arena_init(&s->arena);
	atomic_init(&s->not_utf8, 0);
	st = kvf_pg_init(&s->pg, place, KVF_ESOURCE, s->base.env, err);
	s->pg.reading = 1;
	if (!st)
		st = kvf_postgres_begin(s, err);
	if (st)
		kvf_postgres_close(&s->base);
	else
		*out = &s->base;
	return st;
}

enum kvf_status kvf_source_postgres_open(const char *place, const struct kvf_env *env,
					 struct kvf_source **out, struct kvf_err *err)
{
	return kvf_postgres_open(sizeof(struct kvf_postgres), &driver, place, env, out, err);
}

enum kvf_status kvf_source_over_postgres(const struct kvf_pg *pg, PGconn *conn,
					 const struct kvf_env *env, struct kvf_source **out,
					 struct kvf_err *err)
{
	struct kvf_postgres *s = calloc(1, sizeof(*s));
	const char *encoding = PQparameterStatus(conn, "server_encoding");

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	kvf_source_init(&s->base, &driver, env);
	kvf_arena_init(&s->arena);
	atomic_init(&s->not_utf8, 0);
	s->pg = *pg;
	s->pg.conninfo = NULL; /* no further connection is made */
	s->conns[0] = conn;
	s->nconns = 1;
	s->borrowed = s->alone = 1;
	s->version = PQserverVersion(conn);
	s->sql_ascii = encoding && strcmp(encoding, "SQL_ASCII") == 0;
	snprintf(s->identity, sizeof(s->identity), "PostgreSQL, %s", pg->name);
	*out = &s->base;
	return KVF_OK;
}
