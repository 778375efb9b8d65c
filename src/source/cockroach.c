/* cockroach - the CockroachDB driver: its table, its parts, and what has changed. */
#include "source/cockroach.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "see whether something changes"
/* A part of integers is not smaller. */
#define PART_ROWS 1000

/* ---- keys and parts ---------------------------------------------------------------- */

size_t kvf_cockroach_key(const struct kvf_cockroach *s, const struct kvf_postgres_shape *shape,
			 const char *names[KVF_COCKROACH_KEY])
{
	const struct kvf_table *t = &shape->table;
	size_t i;

	if (!shape->oid || !strchr("rp", shape->relkind) || t->nkey > KVF_COCKROACH_KEY)
		return 0;
	for (i = 0; i < t->nkey; i++)
		names[i] = t->columns[t->key[i]].name;
	if (i)
		return i;
	for (; i < 2 && s->pg.pg.dialect->row_id[i]; i++)
		names[i] = s->pg.pg.dialect->row_id[i];
	return i;
}

/* Steps between the smallest and the largest number of a column. */
static enum kvf_status cut_numbers(struct kvf_cockroach *s,
				   const struct kvf_postgres_shape *shape, const char *name,
				   struct kvf_err *err)
{
	char quoted[KVF_PG_QUOTED];
	PGresult *res = NULL;
	int64_t low, high;
	uint64_t width;
	enum kvf_status st;
	unsigned i;

	kvf_pg_quote(name, quoted);
	st = kvf_postgres_query(&s->pg, "plan the parts of a table", &res, err,
				"SELECT min(%s), max(%s) FROM %s", quoted, quoted, shape->from);
	if (!st && !PQgetisnull(res, 0, 0)) {
		low = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
		high = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
		width = (uint64_t)high - (uint64_t)low;
		if (s->parts > width / PART_ROWS + 1)
			s->parts = (unsigned)(width / PART_ROWS) + 1;
		for (i = 1; i < s->parts; i++)
			snprintf(s->bounds[i], sizeof(s->bounds[i]), "%" PRId64,
				 (int64_t)((uint64_t)low + width / s->parts * i));
	} else {
		s->parts = 1;
	}
	PQclear(res);
	return st;
}

/* UUIDs are spread over all there are. */
static void cut_uuids(struct kvf_cockroach *s)
{
	unsigned i;

	for (i = 1; i < s->parts; i++)
		snprintf(s->bounds[i], sizeof(s->bounds[i]),
			 "'%08x-0000-0000-0000-000000000000'::uuid",
			 (unsigned)((UINT64_C(1) << 32) * i / s->parts));
}

/* Cut the record into s->parts ranges of keys, or fewer. */
static enum kvf_status cut(struct kvf_cockroach *s, const struct kvf_postgres_shape *shape,
			   struct kvf_err *err)
{
	const char *names[KVF_COCKROACH_KEY];
	enum kvf_postgres_how how = KVF_POSTGRES_AS_TEXT;

	if (!kvf_cockroach_key(s, shape, names)) {
		s->parts = 1;
		return KVF_OK;
	}
	if (shape->table.nkey)
		how = shape->types[shape->table.key[0]]->how;
	else if (!s->pg.pg.dialect->row_id[1]) /* one number */
		how = KVF_POSTGRES_AS_INT;
	if (how == KVF_POSTGRES_AS_INT)
		return cut_numbers(s, shape, names[0], err);
	if (how == KVF_POSTGRES_AS_UUID)
		cut_uuids(s);
	else
		s->parts = 1;
	return KVF_OK;
}

static enum kvf_status plan(struct kvf_source *base, const struct kvf_record *record,
			    unsigned *parts, struct kvf_err *err)
{
	struct kvf_cockroach *s = (struct kvf_cockroach *)base;
	struct kvf_postgres_shape *shape = NULL;
	enum kvf_status st = kvf_postgres_shape(&s->pg, record, &shape, err);

	if (st)
		return st;
	s->parts = *parts < KVF_POSTGRES_CONNECTIONS ? *parts : KVF_POSTGRES_CONNECTIONS;
	if (s->parts > 1)
		st = cut(s, shape, err);
	if (!st && s->parts > 1) {
		st = kvf_postgres_more(&s->pg, s->parts, err);
		if (!st && s->pg.nconns < s->parts) {
			s->parts = s->pg.nconns;
			st = cut(s, shape, err);
		}
	}
	s->planned = st ? NULL : record;
	s->planned_shape = shape;
	*parts = s->parts;
	return st;
}

/* ---- changes ------------------------------------------------------------------------- */

/* The latest write and the number of rows of a table, as a text. */
static enum kvf_status read_mark(const struct kvf_cockroach *s, PGconn *conn,
				 const struct kvf_postgres_shape *shape, char *to, size_t size,
				 struct kvf_err *err)
{
	char *sql = kvf_pg_fill(s->pg.pg.dialect->live_mark, shape->from, NULL);
	PGresult *res = NULL;
	enum kvf_status st = sql ? kvf_pg_query(&s->pg.pg, conn, sql, NULL, DOING, &res, err)
				 : kvf_fail_nomem(err);

	free(sql);
	if (!st)
		snprintf(to, size, "%s %s", PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
	PQclear(res);
	return st;
}

static enum kvf_status compare(const struct kvf_cockroach *s, PGconn *conn,
			       const struct kvf_postgres_shape *shape, int *changed,
			       struct kvf_err *err)
{
	char then[160], now[160];
	enum kvf_status st;

	if (!shape->oid || !strchr("rp", shape->relkind))
		return KVF_OK;
	st = read_mark(s, s->pg.conns[0], shape, then, sizeof(then), err);
	if (!st)
		st = read_mark(s, conn, shape, now, sizeof(now), err);
	if (!st)
		*changed |= strcmp(then, now) != 0;
	return st;
}

/* Whoever writes the time of each write into its rows is asked for the latest. */
static enum kvf_status changed(struct kvf_source *base, int *is, struct kvf_err *err)
{
	struct kvf_cockroach *s = (struct kvf_cockroach *)base;
	const struct kvf_postgres_shape *k;
	PGconn *conn = NULL;
	enum kvf_status st;
	size_t i;

	if (!s->pg.pg.dialect->live_mark)
		return kvf_postgres_changed(base, is, err);
	*is = s->read_query;
	if (*is)
		return KVF_OK;
	st = kvf_postgres_fresh(&s->pg, &conn, err);
	for (i = 0; i < s->pg.ntables && !st && !*is; i++)
		st = compare(s, conn, s->pg.listed[i], is, err);
	for (k = s->pg.shapes; k && !st && !*is; k = k->next)
		st = compare(s, conn, k, is, err);
	PQfinish(conn);
	return kvf_postgres_explain(&s->pg, st, err);
}

/* ---- the driver ------------------------------------------------------------------------ */

static const struct kvf_source_driver driver = {
	.schemas = kvf_postgres_schemas,
	.tables = kvf_postgres_tables,
	.describe = kvf_postgres_describe,
	.may_read = kvf_postgres_may_read,
	.count = kvf_postgres_count,
	.scalar = kvf_postgres_scalar,
	.plan = plan,
	.rows_open = kvf_cockroach_rows_open,
	.rows_next = kvf_cockroach_rows_next,
	.rows_close = kvf_cockroach_rows_close,
	.changed = changed,
	.frozen = kvf_postgres_frozen,
	.identity = kvf_postgres_identity,
	.is_place = kvf_postgres_is_place,
	.close = kvf_postgres_close,
};

enum kvf_status kvf_source_cockroach_open(const char *place, const struct kvf_env *env,
					  struct kvf_source **out, struct kvf_err *err)
{
	return kvf_postgres_open(sizeof(struct kvf_cockroach), &driver, place, env, out, err);
}

/* ---- freezing -------------------------------------------------------------------------- */

static enum kvf_status no_freeze(struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "kvferry cannot freeze a CockroachDB");
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Stop the application, and revoke INSERT, UPDATE and DELETE on its "
			  "tables from its role.");
	return KVF_EPREFLIGHT;
}

static enum kvf_status find_writers(const char *place, const struct kvf_env *env,
				    struct kvf_writers *w, struct kvf_err *err)
{
	(void)place;
	(void)env;
	(void)w;
	(void)err;
	return KVF_OK; /* sessions of other nodes are not to be seen */
}

static enum kvf_status set_freeze(const char *place, const struct kvf_env *env,
				  const struct kvf_freeze_request *request,
				  struct kvf_freeze *f, struct kvf_err *err)
{
	(void)place;
	(void)env;
	(void)request;
	(void)f;
	return no_freeze(err);
}

static enum kvf_status lift_freeze(const char *place, const struct kvf_env *env,
				   const char *stamp, struct kvf_freeze *f, struct kvf_err *err)
{
	(void)place;
	(void)env;
	(void)stamp;
	(void)f;
	return no_freeze(err);
}

const struct kvf_freezer kvf_cockroach_freezer = {
	.writers = find_writers,
	.set = set_freeze,
	.lift = lift_freeze,
	.present = kvf_postgres_present,
	.drop = kvf_postgres_drop,
};
