/*
 * cockroach_objects - generations that come and go, and what stands in the way of
 * a run, by the rules of CockroachDB.
 *
 * The queries keep to what both servers have in their catalogues.
 */
#include "store/cockroach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t kvf_roach_number(const char *schema)
{
	char *end;
	unsigned long long n = 0;

	if (strncmp(schema, "kvferry_g", 9) == 0 && schema[9] >= '1' && schema[9] <= '9')
		n = strtoull(schema + 9, &end, 10);
	return n && !*end && n <= INT64_MAX ? n : 0;
}

/*
 * Generations above our epoch belong to a run that came after.  One that is none
 * of the three never becomes one of them again, so that it does not matter when
 * it is dropped.
 */
static int is_orphan(const struct kvf_pgs *s, const struct kvf_control *c, uint64_t gen)
{
	return gen && gen <= s->base.epoch && gen != c->stage && gen != c->active &&
	       gen != c->prev;
}

enum kvf_status kvf_roach_list(struct kvf_pgs *s, PGresult **res, struct kvf_err *err)
{
	static const struct kvf_pg_args none;

	return kvf_pg_query(
		&s->pg, s->conn,
		"SELECT n.nspname, c.relname FROM pg_catalog.pg_namespace n LEFT JOIN"
		" pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'"
		" WHERE n.nspname LIKE 'kvferry_g%' ORDER BY 1, 2",
		&none, "list the generations", res, err);
}

static enum kvf_status drop_tables(struct kvf_pgs *s, const struct kvf_control *c,
				   struct kvf_err *err)
{
	char schema[64], table[64], quoted[KVF_PG_QUOTED];
	PGresult *res;
	enum kvf_status st = kvf_roach_list(s, &res, err);
	int i, n = st ? 0 : PQntuples(res);

	for (i = 0; i < n && !st; i++) {
		kvf_pg_get_text(res, i, 0, schema, sizeof(schema));
		kvf_pg_get_text(res, i, 1, table, sizeof(table));
		if (!is_orphan(s, c, kvf_roach_number(schema)))
			continue;
		kvf_pg_quote(table, quoted);
		if (*table)
			st = kvf_roach_ddl(s, "drop an old generation", err,
					   "DROP TABLE IF EXISTS %s.%s", schema, quoted);
		if (!st && (i + 1 == n || kvf_bytes_cmp(kvf_pg_get_bytes(res, i + 1, 0),
							kvf_pg_get_bytes(res, i, 0)) != 0))
			st = kvf_roach_ddl(s, "drop an old generation", err,
					   "DROP SCHEMA IF EXISTS %s", schema);
	}
	PQclear(res);
	return st;
}

static enum kvf_status drop_once(struct kvf_pgs *s, struct kvf_err *err)
{
	static const char *const of[] = {
		"DELETE FROM kvferry.units WHERE gen NOT IN (SELECT unnest(ARRAY[stage, active,"
		" prev]) FROM kvferry.control)",
		"DELETE FROM kvferry.generations WHERE gen NOT IN (SELECT unnest(ARRAY[stage,"
		" active, prev]) FROM kvferry.control)",
		"DELETE FROM kvferry.progress WHERE gen NOT IN (SELECT unnest(ARRAY[stage,"
		" active]) FROM kvferry.control)",
	};
	struct kvf_control c;
	enum kvf_status st = kvf_pgs_ready(s, err);
	size_t i;

	if (!st)
		st = kvf_pgs_read_control(s, s->conn, &c, err);
	if (!st)
		st = drop_tables(s, &c, err);
	for (i = 0; i < sizeof(of) / sizeof(of[0]) && !st; i++)
		st = kvf_roach_ddl(s, "write", err, "%s", of[i]);
	return st;
}

enum kvf_status kvf_roach_drop_orphans(struct kvf_pgs *s, struct kvf_err *err)
{
	struct kvf_pg_tries t = { 0 };
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	do
		st = drop_once(s, err);
	while (st == KVF_ETARGET && kvf_roach_again(s, &t, err));
	return st;
}

/* ---- what stands in the way ----------------------------------------------------------- */

/* Does the table hold what we publish: three columns of bytes, and our key? */
static enum kvf_status has_our_layout(struct kvf_pgs *s, int64_t oid, int *fits,
				      struct kvf_err *err)
{
	static const char sql[] =
		"SELECT c.relkind = 'r' AND (SELECT count(*) = 3 AND bool_and(a.atttypid = 17 "
		"AND"
		" a.attname IN ('partition_key', 'key', 'value')) FROM pg_catalog.pg_attribute "
		"a"
		" WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped) AND"
		" (SELECT string_agg(a.attname::text, ',' ORDER BY u.place) FROM"
		" pg_catalog.pg_constraint k JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS"
		" u(attnum, place) ON true JOIN pg_catalog.pg_attribute a ON a.attrelid ="
		" k.conrelid AND a.attnum = u.attnum WHERE k.conrelid = $1::int8::oid AND"
		" k.contype = 'p') = 'partition_key,key' FROM pg_catalog.pg_class c WHERE"
		" c.oid = $1::int8::oid";
	struct kvf_pg_args a = { 0 };
	int64_t n;
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = kvf_pg_ask(&s->pg, s->conn, &n, sql, &a, err);
	*fits = !st && n != 0;
	return st;
}

static enum kvf_status find_missing_privileges(struct kvf_pgs *s, char *buf, size_t size,
					       struct kvf_err *err)
{
	int64_t may;
	enum kvf_status st = kvf_pg_ask(
		&s->pg, s->conn, &may,
		"SELECT has_database_privilege(current_database(), 'CREATE')", NULL, err);

	if (!st && !may)
		snprintf(buf, size, "user \"%.63s\" lacks privileges: CREATE on database %.63s",
			 PQuser(s->conn), PQdb(s->conn));
	return st;
}

enum kvf_status kvf_roach_blocker(struct kvf_pgs *s, int *has, int *fits, char *buf,
				  size_t size, struct kvf_err *err)
{
	char live[2 * KVF_PG_QUOTED];
	int64_t oid = 0;
	enum kvf_status st = kvf_pgs_find_live(s, s->conn, live, sizeof(live), err);

	*has = *live != '\0';
	*fits = *has;
	/* The generations are ours; a table that was there before has to be looked at. */
	if (!st && *has && strcmp(live, s->live) == 0) {
		st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
		if (!st)
			st = has_our_layout(s, oid, fits, err);
	}
	if (!st)
		st = kvf_pgs_find_read_only(s, buf, size, err);
	if (!st && !buf[0])
		st = find_missing_privileges(s, buf, size, err);
	if (!st && !buf[0])
		st = kvf_pgs_check_live_name(s, buf, size, err);
	if (st || buf[0])
		return st;
	if (s->partitions)
		snprintf(buf, size,
			 "CockroachDB cuts its tables into ranges by itself: --partitions is "
			 "for PostgreSQL");
	else if (*has && !*fits)
		snprintf(buf, size,
			 "%.140s is no table (partition_key bytea, key bytea, value bytea,"
			 " PRIMARY KEY (partition_key, key)); --table-name publishes under "
			 "another name",
			 live);
	return KVF_OK;
}

/* What is there: entries, and bytes of the whole database where that is told. */
static enum kvf_status measure(struct kvf_pgs *s, struct kvf_store_facts *f,
			       struct kvf_err *err)
{
	char live[2 * KVF_PG_QUOTED], sql[sizeof(live) + 64];
	int64_t n = 0;
	enum kvf_status st = kvf_pgs_find_live(s, s->conn, live, sizeof(live), err);

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", live);
	if (!st)
		st = kvf_pg_ask(&s->pg, s->conn, &n, sql, NULL, err);
	f->entries = (uint64_t)n;
	n = 0;
	if (!st && s->pg.dialect->size)
		st = kvf_pg_ask(&s->pg, s->conn, &n, s->pg.dialect->size, NULL, err);
	f->size = (uint64_t)n;
	if (!st)
		st = kvf_pgs_early_intruder(s, f->intruder, sizeof(f->intruder), err);
	return st ? st : kvf_pgs_leave_record_out(&s->base, &f->entries, err);
}

enum kvf_status kvf_roach_inspect(struct kvf_store *base, struct kvf_store_facts *f,
				  struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	char why[sizeof(f->blocker)] = "";
	enum kvf_status st = kvf_pgs_ready(s, err);

	if (!st)
		st = kvf_pgs_find_read_only(s, why, sizeof(why), err);
	if (!st)
		st = kvf_roach_blocker(s, &f->has_table, &f->table_fits, f->blocker,
				       sizeof(f->blocker), err);
	if (!st)
		st = kvf_pgs_touched(s, s->conn, &f->has_control, err);
	if (st)
		return st;
	f->exists = 1;
	f->writable = !why[0];
	f->free = UINT64_MAX;
	snprintf(f->needs, sizeof(f->needs), "CREATE on database %.63s", PQdb(s->conn));
	return f->table_fits ? measure(s, f, err) : KVF_OK;
}
