/*
 * postgres_changed - was anything that we read committed anew since the snapshot?
 *
 * Two snapshots that see the same transactions are equal, and that is nearly
 * always the answer.  But transactions are numbered for the whole server: other
 * databases, other tables and our own store move the numbers as well.  So where
 * they differ, the rows are asked.
 *
 *   old snapshot      rows of a table                        n
 *   new snapshot      rows of the same table                 n' = n ?
 *                     ... whose xmin the old one cannot see  0 ?
 *
 * Every INSERT and UPDATE leaves a row version with a new xmin, and a DELETE one
 * row less: when both questions say "no", the new snapshot sees the very row
 * versions that we have read.  What we have read is what our session has locked:
 * a lock is held until the transaction ends, also for the tables behind a view
 * or a query.  It also keeps TRUNCATE and ALTER TABLE away.
 *
 * Two snapshots take two connections.  Where the server has one only, what the old
 * snapshot sees is written down, and its connection takes the new one: then nothing
 * but the same questions keeps TRUNCATE and ALTER TABLE away, and they do, because
 * whatever is in a table then has a new xmin.
 */
#include "source/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "see whether something changes"
/* xmin:xmax:xip, the same in every version that we read. */
#define ENDED "SELECT pg_catalog.txid_current_snapshot()"

/*
 * What the first connection holds locked, and how a query names it; views have no rows.
 * Of a partitioned table the partitions are in the list, or the table itself in the place
 * of those that may only be read through it.
 */
#define READ_SO_FAR                                                                            \
	"SELECT DISTINCT t.oid, t.relkind, pg_catalog.format('%%s%%I.%%I', CASE WHEN"          \
	" t.relkind = 'p' THEN '' ELSE 'ONLY ' END, n.nspname, t.relname)"                     \
	" FROM pg_catalog.pg_locks l"                                                          \
	" JOIN pg_catalog.pg_class c ON c.oid = l.relation"                                    \
	" JOIN pg_catalog.pg_class t ON t.oid = CASE WHEN c.relispartition AND NOT"            \
	" pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN"                                \
	" pg_catalog.pg_partition_root(c.oid) ELSE c.oid END"                                  \
	" JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace"                            \
	" WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()"               \
	" AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname ="            \
	" pg_catalog.current_database()) AND c.relkind IN ('r', 'm', 'f')"                     \
	" AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

/* A snapshot is "oldest:next:..." of 64-bit numbers. */
static uint64_t oldest(const char *snapshot)
{
	return strtoull(snapshot, NULL, 10);
}

static uint64_t next(const char *snapshot)
{
	const char *colon = strchr(snapshot, ':');

	return colon ? strtoull(colon + 1, NULL, 10) : 0;
}

/* "5:8:6,7" as a literal has nothing to escape; anything else is no snapshot. */
static enum kvf_status check_snapshot(const struct kvf_postgres *s, const char *text,
				      struct kvf_err *err)
{
	if (*text && strspn(text, "0123456789:,") == strlen(text))
		return KVF_OK;
	return kvf_fail(err, KVF_ESOURCE,
			"%s: the server names its snapshot in a way that is "
			"not known",
			s->pg.name);
}

/* The columns of a table, as the transaction of `conn` sees them. */
static enum kvf_status columns_of(const struct kvf_postgres *s, PGconn *conn, const char *oid,
				  char *to, size_t size, struct kvf_err *err)
{
	PGresult *res = NULL;
	char sql[400];
	enum kvf_status st;

	snprintf(sql, sizeof(sql),
		 "SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.format("
		 "'%%s %%I %%s %%s', attnum, attname, atttypid, atttypmod), ',' ORDER BY "
		 "attnum))"
		 " FROM pg_catalog.pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT"
		 " attisdropped",
		 oid);
	st = kvf_pg_query(&s->pg, conn, sql, NULL, DOING, &res, err);
	snprintf(to, size, "%s", st || PQntuples(res) != 1 ? "" : PQgetvalue(res, 0, 0));
	PQclear(res);
	return st;
}

/*
 * Rows of a table in the new snapshot, and those of them that the old one cannot
 * see.  A row keeps 32 bits of its xmin: the number meant is the last one below
 * the new snapshot's end that has them.
 */
static enum kvf_status count_new(const struct kvf_postgres *s, PGconn *conn, const char *from,
				 const char *then, const char *now, uint64_t *rows,
				 uint64_t *newer, struct kvf_err *err)
{
	unsigned long long last = next(now) - 1;
	PGresult *res = NULL;
	char *sql = NULL;
	enum kvf_status st;

	if (asprintf(&sql,
		     "SELECT count(*), count(*) FILTER (WHERE x >= %llu AND NOT"
		     " pg_catalog.txid_visible_in_snapshot(x, '%s')) FROM (SELECT %llu - ((%llu"
		     " - xmin::pg_catalog.text::int8) & 4294967295) AS x FROM %s) AS t",
		     (unsigned long long)oldest(then), then, last, last, from) < 0)
		return kvf_fail_nomem(err);
	st = kvf_pg_query(&s->pg, conn, sql, NULL, DOING, &res, err);
	free(sql);
	if (!st) {
		*rows = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
		*newer = strtoull(PQgetvalue(res, 0, 1), NULL, 10);
	}
	PQclear(res);
	return st;
}

/* ---- what the snapshot saw ---------------------------------------------------------- */

struct kvf_postgres_seen {
	PGresult *ended;  /* which transactions had */
	PGresult *tables; /* READ_SO_FAR */
	struct seen_table {
		int known;
		char columns[64];
		uint64_t rows;
	} * of;
	int let_go; /* all is known, and the snapshot is no longer there */
};

void kvf_postgres_forget(struct kvf_postgres *s)
{
	if (!s->seen)
		return;
	PQclear(s->seen->ended);
	PQclear(s->seen->tables);
	free(s->seen->of);
	free(s->seen);
	s->seen = NULL;
}

static enum kvf_status see(struct kvf_postgres *s, struct kvf_err *err)
{
	struct kvf_postgres_seen *seen;
	enum kvf_status st;

	if (s->seen && s->seen->let_go)
		return KVF_OK;
	kvf_postgres_forget(s);
	s->seen = seen = calloc(1, sizeof(*seen));
	if (!seen)
		return kvf_fail_nomem(err);
	st = kvf_postgres_query(s, DOING, &seen->ended, err, "%s", ENDED);
	if (!st)
		st = check_snapshot(s, PQgetvalue(seen->ended, 0, 0), err);
	if (!st)
		st = kvf_postgres_query(s, DOING, &seen->tables, err, READ_SO_FAR);
	if (st)
		return st;
	seen->of = calloc((size_t)PQntuples(seen->tables) + 1, sizeof(*seen->of));
	return seen->of ? KVF_OK : kvf_fail_nomem(err);
}

static int is_foreign(const struct kvf_postgres_seen *seen, int row)
{
	return *PQgetvalue(seen->tables, row, 1) == 'f';
}

/* Columns and rows of a table, as the snapshot sees them. */
static enum kvf_status recall(struct kvf_postgres *s, int row, struct kvf_err *err)
{
	const char *from = PQgetvalue(s->seen->tables, row, 2);
	struct seen_table *t = &s->seen->of[row];
	PGresult *res = NULL;
	enum kvf_status st;

	if (t->known || is_foreign(s->seen, row))
		return KVF_OK;
	st = columns_of(s, s->conns[0], PQgetvalue(s->seen->tables, row, 0), t->columns,
			sizeof(t->columns), err);
	if (!st)
		st = kvf_postgres_query(s, DOING, &res, err, "SELECT count(*) FROM %s", from);
	if (!st)
		t->rows = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
	PQclear(res);
	t->known = !st;
	return st;
}

/* A connection that sees now: another one, or else the first, which lets the snapshot go. */
static enum kvf_status look_now(struct kvf_postgres *s, PGconn **conn, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	int i;

	if (!s->seen->let_go) {
		st = kvf_postgres_fresh(s, conn, err);
		if (!st || !kvf_pg_is_full(err))
			return st;
		kvf_source_log(
			&s->base, KVF_LOG_INFO,
			"the snapshot is let go of, to see whether something has changed: "
			"%s",
			err->message);
		kvf_err_clear(err);
		for (i = 0, st = KVF_OK; !st && i < PQntuples(s->seen->tables); i++)
			st = recall(s, i, err);
		s->seen->let_go = !st;
	}
	*conn = s->conns[0];
	return st ? st : kvf_postgres_renew(s, err);
}

/* ---- now, compared with it ------------------------------------------------------------ */

/* Is one relation of READ_SO_FAR another one in the new snapshot? */
static enum kvf_status compare(struct kvf_postgres *s, PGconn *conn, int row, const char *now,
			       int *changed, struct kvf_err *err)
{
	const PGresult *read = s->seen->tables;
	const char *then = PQgetvalue(s->seen->ended, 0, 0);
	const char *from = PQgetvalue(read, row, 2);
	char columns[64];
	uint64_t rows = 0, newer = 0;
	enum kvf_status st;

	*changed = 1;
	if (is_foreign(s->seen, row)) {
		kvf_source_log(&s->base, KVF_LOG_INFO,
			       "%s is a foreign table: its changes are not to be seen", from);
		return KVF_OK;
	}
	st = recall(s, row, err);
	if (!st)
		st = columns_of(s, conn, PQgetvalue(read, row, 0), columns, sizeof(columns),
				err);
	if (st || strcmp(s->seen->of[row].columns, columns) != 0)
		return st;
	st = count_new(s, conn, from, then, now, &rows, &newer, err);
	if (!st)
		*changed = newer || rows != s->seen->of[row].rows;
	return st;
}

/* Look at everything that was read. */
static enum kvf_status compare_all(struct kvf_postgres *s, PGconn *conn, const char *now,
				   int *changed, struct kvf_err *err)
{
	int same = 1, i;
	enum kvf_status st = check_snapshot(s, now, err);

	if (!st)
		st = kvf_postgres_same_tables(s, conn, &same, err);
	*changed = !same;
	for (i = 0; !st && !*changed && i < PQntuples(s->seen->tables); i++)
		st = compare(s, conn, i, now, changed, err);
	return st;
}

enum kvf_status kvf_postgres_changed(struct kvf_source *base, int *changed, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	PGresult *now = NULL;
	PGconn *conn = NULL;
	struct kvf_err why;
	enum kvf_status st = see(s, &why);

	if (!st)
		st = look_now(s, &conn, &why);
	if (!st)
		st = kvf_pg_query(&s->pg, conn, ENDED, NULL, DOING, &now, &why);
	if (!st)
		*changed = strcmp(PQgetvalue(s->seen->ended, 0, 0), PQgetvalue(now, 0, 0)) != 0;
	if (!st && *changed)
		st = compare_all(s, conn, PQgetvalue(now, 0, 0), changed, &why);
	PQclear(now);
	if (conn != s->conns[0])
		PQfinish(conn);
	if (st == KVF_ESOURCE && strcmp(why.code, "42501") == 0) {
		/* Some columns may be ours to read, but not the rows' own. */
		kvf_source_log(&s->base, KVF_LOG_WARN,
			       "whether the source was changed is not to be seen: %s",
			       why.message);
		*changed = 1;
		return KVF_OK;
	}
	if (st && err)
		*err = why;
	return kvf_postgres_explain(s, st, err);
}
