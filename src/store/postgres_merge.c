/*
 * postgres_merge - batches whose keys may be in the stage already: --merge, and
 * the search for the key that a plain load stumbled over.
 *
 * The batch goes into a table of its own, without a key, and is compared there,
 * with itself and with the stage, by one statement.
 */
#include "store/postgres.h"

#include <stdio.h>
#include <string.h>

/* Rows of the batch that are not the first of their key, and whether the value
 * is that of the first. */
#define COMPARE                                                                                \
	"SELECT b.n, b.value = coalesce(t.value, b.first) FROM (SELECT n, partition_key, key," \
	" value, first_value(value) OVER w AS first, row_number() OVER w AS nth FROM"          \
	" kvferry_g%llu.kvferry_batch WINDOW w AS (PARTITION BY partition_key, key ORDER BY"   \
	" n)) b LEFT JOIN %s t ON t.partition_key = b.partition_key AND t.key = b.key WHERE"   \
	" t.key IS NOT NULL OR b.nth > 1 ORDER BY b.n"

/* Bring the batch into its table, in the open transaction.  Its key's index is
 * how the stage is looked into, whatever the planner thinks of a new table. */
static enum kvf_status fill_table(struct kvf_pgs *s, PGconn *conn,
				  const struct kvf_pgs_batch *b, struct kvf_err *err)
{
	const unsigned long long g = s->stage;
	enum kvf_status st;

	st = kvf_pg_exec(
		&s->worker, conn, "compare", err,
		"SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
		"CREATE UNLOGGED TABLE kvferry_g%llu.kvferry_batch (n int8 GENERATED"
		" ALWAYS AS IDENTITY (MINVALUE 0 START 0), partition_key bytea, key"
		" bytea, value bytea);"
		"COPY kvferry_g%llu.kvferry_batch (partition_key, key, value) FROM STDIN"
		" (FORMAT binary)",
		g, g);
	if (!st)
		st = kvf_pg_copy_put(&s->worker, conn, b->rows.ptr, b->rows.len, "compare",
				     err);
	return st ? st : kvf_pg_copy_end(&s->worker, conn, "compare", err);
}

/* Compare; `each` row of the answer belongs to the entry that is given to it. */
static enum kvf_status compare(struct kvf_pgs *s, PGconn *conn, const struct kvf_pgs_batch *b,
			       enum kvf_status (*each)(struct kvf_pgs *s,
						       const struct kvf_entry *e, int equal,
						       struct kvf_err *err),
			       struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	char sql[1024];
	PGresult *res;
	struct kvf_entry e;
	enum kvf_status st = fill_table(s, conn, b, err);
	size_t at = 0;
	int64_t n = 0;
	int row, rows;

	if (st)
		return st;
	snprintf(sql, sizeof(sql), COMPARE, (unsigned long long)s->stage, s->staged);
	st = kvf_pg_query(&s->worker, conn, sql, &none, "compare", &res, err);
	rows = st ? 0 : PQntuples(res);
	for (row = 0; row < rows && !st; row++) {
		int64_t wanted = kvf_pg_get_number(res, row, 0);

		for (; n <= wanted && kvf_pgs_batch_next(b, &at, &e); n++)
			;
		if (n != wanted + 1)
			st = kvf_fail(err, KVF_EINTERNAL, "the batch has no row %lld",
				      (long long)wanted);
		else
			st = each(s, &e, kvf_pg_get_number(res, row, 1) != 0, err);
	}
	PQclear(res);
	return st;
}

static enum kvf_status count(struct kvf_pgs *s, const struct kvf_entry *e, int equal,
			     struct kvf_err *err)
{
	(void)err;
	kvf_merge_count(&s->merge, e, equal);
	return KVF_OK;
}

enum kvf_status kvf_pgs_load_merging(struct kvf_pgs *s, PGconn *conn,
				     const struct kvf_pgs_batch *b, struct kvf_err *err)
{
	const unsigned long long g = s->stage;
	enum kvf_status st = compare(s, conn, b, count, err);

	if (!st)
		st = kvf_pg_exec(&s->worker, conn, "load", err,
				 "INSERT INTO %s (partition_key, key, value) SELECT DISTINCT ON"
				 " (partition_key, key) partition_key, key, value FROM"
				 " kvferry_g%llu.kvferry_batch ORDER BY partition_key, key, n"
				 " ON CONFLICT DO NOTHING;"
				 "DROP TABLE kvferry_g%llu.kvferry_batch",
				 s->staged, g, g);
	return st;
}

static enum kvf_status refuse(struct kvf_pgs *s, const struct kvf_entry *e, int equal,
			      struct kvf_err *err)
{
	(void)s;
	return kvf_store_duplicate(e, equal, err);
}

enum kvf_status kvf_pgs_name_duplicate(struct kvf_pgs *s, PGconn *conn,
				       const struct kvf_pgs_batch *b, struct kvf_err *err)
{
	struct kvf_err found;
	enum kvf_status st =
		kvf_pgs_begin(s, &s->worker, conn, KVF_RUN_STAGING, "SHARE", &found);

	if (!st)
		st = compare(s, conn, b, refuse, &found);
	kvf_pgs_rollback(s, conn);
	if (!st) /* what was in the way is not there any more */
		return KVF_ETARGET;
	*err = found;
	return st;
}

/* An entry of the live table that has the key of our version record, where that
 * of the live data lies elsewhere. */
static enum kvf_status leave_out(struct kvf_pgs *s, struct kvf_bytes part, struct kvf_bytes key,
				 const struct kvf_generation *live, struct kvf_err *err)
{
	const struct kvf_bytes lpart = { live->version_part, live->version_part_len };
	const struct kvf_bytes lkey = { live->version_key, live->version_key_len };
	struct kvf_entry e = { part, key, { NULL, 0 } };
	struct kvf_totals one = { 0, 0, { 0 } };
	enum kvf_status st;

	if (!key.len || kvf_is_record(part, key, lpart, lkey))
		return KVF_OK;
	st = kvf_pgs_get(&s->base, part, key, &e.value, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	kvf_totals_add(&one, &e);
	if (!st)
		kvf_totals_subtract(&s->merge.copied, &one);
	return st;
}

/*
 * In one snapshot: what the live table amounts to, and a copy of it.  Both
 * versions' records stay behind.
 */
enum kvf_status kvf_pgs_copy_live(struct kvf_pgs *s, struct kvf_err *err)
{
	const struct kvf_bytes vpart = { s->base.version_part, s->base.version_part_len };
	const struct kvf_bytes vkey = { s->base.version_key, s->base.version_key_len };
	struct kvf_pg_args a = { 0 };
	struct kvf_generation live;
	char sql[768];
	int64_t oid;
	enum kvf_status st;

	memset(&live, 0, sizeof(live));
	st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
	if (st || !oid)
		return st;
	st = kvf_pgs_generation(&s->base, KVF_SCAN_LIVE, &live, err);
	if (st && st != KVF_ENOTFOUND)
		return st;
	kvf_err_clear(err);
	kvf_pg_bytes(&a, vpart);
	kvf_pg_bytes(&a, vkey);
	kvf_pg_bytes(&a, (struct kvf_bytes){ live.version_part, live.version_part_len });
	kvf_pg_bytes(&a, (struct kvf_bytes){ live.version_key, live.version_key_len });
	snprintf(sql, sizeof(sql),
		 "INSERT INTO %s (partition_key, key, value) SELECT partition_key, key, value"
		 " FROM %s WHERE (partition_key, key) <> ($1::bytea, $2::bytea) AND"
		 " (partition_key, key) <> ($3::bytea, $4::bytea) ORDER BY partition_key, key",
		 s->staged, s->live);
	st = kvf_pgs_begin_write(s, &s->pg, s->conn, "BEGIN ISOLATION LEVEL REPEATABLE READ",
				 KVF_PGS_STAGED, err);
	if (!st)
		st = kvf_pgs_guard(s, &s->pg, s->conn, KVF_RUN_STAGING, "SHARE", err);
	if (!st)
		st = kvf_pg_query(&s->pg, s->conn, sql, &a, "copy the live entries", NULL, err);
	if (!st)
		st = kvf_pgs_add_up(s, s->conn, s->live, &live, &s->merge.copied, err);
	if (!st)
		st = leave_out(s, vpart, vkey, &live, err);
	if (!st)
		st = kvf_pgs_end(s, &s->pg, s->conn, err);
	if (st)
		kvf_pgs_rollback(s, s->conn);
	return st;
}
