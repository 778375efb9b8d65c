/*
 * postgres_live - were the live data changed while a run was under way?
 *
 * A commit would leave such a change behind in the previous generation.  So the
 * acquire remembers which transactions it sees and how many rows the live table
 * has; and the commit, which keeps everybody out of the table, asks the rows:
 *
 *   as many as at the acquire, and none whose xmin the acquire could not see
 *
 * Every INSERT and UPDATE leaves a row version with a new xmin, and a DELETE a row
 * less: when neither is found, the rows are the very ones of the acquire.  A
 * table that was dropped and made again has new rows, or none.  The price is one
 * scan at each end, in parallel, of which nothing leaves the server
 * (docs/performance.md).  CockroachDB has no xmin but the time of each write, and
 * the latest one together with the number of rows says the same.
 */
#include "store/postgres.h"

#include "pg/dialect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "see whether the live data change"

void kvf_pgs_live_release(struct kvf_pgs_live *l)
{
	free(l->mark);
	memset(l, 0, sizeof(*l));
}

/* The latest write and the number of rows, as one text. */
static enum kvf_status read_mark(struct kvf_pgs *s, const char *sql, const char *table,
				 struct kvf_pgs_live *l, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	char *text = kvf_pg_fill(sql, table, NULL);
	enum kvf_status st = text ? kvf_pg_query(&s->pg, s->conn, text, &none, DOING, &res, err)
				  : kvf_fail_nomem(err);

	free(text);
	if (!st) {
		l->mark = strndup(PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0));
		l->rows = (uint64_t)kvf_pg_get_number(res, 0, 1);
		if (!l->mark)
			st = kvf_fail_nomem(err);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_live_begin(struct kvf_pgs *s, struct kvf_err *err)
{
	static const char mark[] =
		"SELECT pg_catalog.txid_current_snapshot()::text, (SELECT count(*) FROM %s)";
	static const char no_table[] =
		"SELECT pg_catalog.txid_current_snapshot()::text, 0::int8";
	const char *own = s->pg.dialect->live_mark;
	struct kvf_pgs_live *l = &s->live_before;
	char table[2 * KVF_PG_QUOTED];
	enum kvf_status st = kvf_pgs_find_live(s, s->conn, table, sizeof(table), err);

	kvf_pgs_live_release(l);
	if (st || s->early || (!*table && own)) /* an early one is known row by row */
		return st;
	return read_mark(s, own ? own : *table ? mark : no_table, table, l, err);
}

static enum kvf_status refuse(const struct kvf_pgs *s, uint64_t rows, uint64_t written,
			      struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT,
		 "the live data were changed while this run was under way");
	kvf_err_detail(err,
		       "%s: table %s had %" PRIu64 " rows when it began, and has %" PRIu64
		       " now, of which %" PRIu64 " were written since. Nothing was published; "
		       "the live data are as they were written.",
		       s->pg.name, s->live, s->live_before.rows, rows, written);
	kvf_err_hint(err, "Stop the application that writes to the store, and run the same "
			  "command again.");
	return KVF_EPREFLIGHT;
}

/*
 * Rows, and those of them that the acquire could not see.  A row keeps 32 bits of
 * its xmin: the number meant is the last one below the end of the snapshot of this
 * moment that has them.
 */
static enum kvf_status count_rows(struct kvf_pgs *s, const char *table, uint64_t *rows,
				  uint64_t *written, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	const char *then = s->live_before.mark;
	struct kvf_pg_args a = { 0 };
	PGresult *res = NULL;
	enum kvf_status st;
	char sql[1024];
	int64_t last;

	st = kvf_pg_ask(&s->pg, s->conn, &last,
			"SELECT pg_catalog.txid_snapshot_xmax("
			"pg_catalog.txid_current_snapshot()) - 1",
			&none, err);
	if (st)
		return st;
	kvf_pg_text(&a, then);
	kvf_pg_number(&a, (int64_t)strtoull(then, NULL, 10)); /* all before it had ended */
	kvf_pg_number(&a, last);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*), count(*) FILTER (WHERE x >= $2::int8 AND NOT"
		 " pg_catalog.txid_visible_in_snapshot(x, $1::text::pg_catalog.txid_snapshot))"
		 " FROM (SELECT $3::int8 - (($3::int8 - xmin::pg_catalog.text::int8) &"
		 " 4294967295) AS x FROM %s) AS r",
		 table);
	st = kvf_pg_query(&s->pg, s->conn, sql, &a, DOING, &res, err);
	if (!st) {
		*rows = (uint64_t)kvf_pg_get_number(res, 0, 0);
		*written = (uint64_t)kvf_pg_get_number(res, 0, 1);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_live_check(struct kvf_pgs *s, struct kvf_err *err)
{
	const char *own = s->pg.dialect->live_mark;
	uint64_t rows = 0, written = 0;
	struct kvf_pgs_live now = { 0 };
	char table[2 * KVF_PG_QUOTED];
	char what[512] = "";
	enum kvf_status st;

	if (s->early) {
		st = kvf_pgs_early_intruder(s, what, sizeof(what), err);
		return st || !what[0] ? st
				      : kvf_early_refuse(
						what,
						"Nothing was published; the table is as it was "
						"written.",
						err);
	}
	st = kvf_pgs_find_live(s, s->conn, table, sizeof(table), err);
	if (!st && *table && own) {
		st = read_mark(s, own, table, &now, err);
		rows = now.rows;
		written = !st &&
			  (!s->live_before.mark || strcmp(now.mark, s->live_before.mark) != 0);
	} else if (!st && *table) {
		st = count_rows(s, table, &rows, &written, err);
	}
	kvf_pgs_live_release(&now);
	if (st || (rows == s->live_before.rows && !written))
		return st;
	return refuse(s, rows, written, err);
}

enum kvf_status kvf_pgs_note_frozen(struct kvf_store *base, const char *place,
				    struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	enum kvf_status st = kvf_pgs_ready(s, err);
	int has = 0;

	if (!st)
		st = kvf_pgs_touched(s, s->conn, &has, err);
	if (!st && !has)
		return kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's",
				s->pg.name);
	kvf_pg_text(&a, place);
	return st ? st
		  : kvf_pg_query(&s->pg, s->conn,
				 "UPDATE kvferry.control SET frozen = $1 WHERE id = 1", &a,
				 "write", NULL, err);
}
