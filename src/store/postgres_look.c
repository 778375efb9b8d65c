/*
 * postgres_look - what a PostgreSQL store says of itself: control row,
 * generations, units, progress, ledger; and one value by its key.
 *
 * What has to fit together comes out of one statement, and so out of one
 * snapshot.
 */
#include "store/postgres.h"

#include <stdio.h>
#include <string.h>

/* KVF_ENOTFOUND when there is nothing to read: kvferry never touched this store. */
static enum kvf_status must_be_touched(struct kvf_pgs *s, PGconn *conn, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	int has = s->touched;

	if (!has)
		st = kvf_pgs_touched(s, conn, &has, err);
	if (!st && !has)
		return kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's",
				s->pg.name);
	/* What a transaction sees that is still open may be undone. */
	if (!st && PQtransactionStatus(conn) == PQTRANS_IDLE)
		s->touched = 1;
	return st;
}

enum kvf_status kvf_pgs_ready_to_look(struct kvf_pgs *s, struct kvf_err *err)
{
	enum kvf_status st = kvf_pgs_ready(s, err);

	return st ? st : must_be_touched(s, s->conn, err);
}

static uint64_t number(const PGresult *res, int column)
{
	int64_t n = kvf_pg_get_number(res, 0, column);

	return n > 0 ? (uint64_t)n : 0;
}

/* Exactly `size` bytes; zeros where there are others. */
static int fixed(const PGresult *res, int column, void *to, size_t size)
{
	struct kvf_bytes b = kvf_pg_get_bytes(res, 0, column);

	memset(to, 0, size);
	if (b.len != size)
		return 0;
	memcpy(to, b.ptr, size);
	return 1;
}

static size_t short_bytes(const PGresult *res, int column, uint8_t *to, size_t size)
{
	struct kvf_bytes b = kvf_pg_get_bytes(res, 0, column);
	size_t len = b.len < size ? b.len : size;

	if (len)
		memcpy(to, b.ptr, len);
	return len;
}

#define GENERATION                                                                             \
	"g.gen, g.ver, g.published, g.run, g.app, g.tool, g.stream, g.root, g.entries,"        \
	" g.bytes, g.m, g.version_part, g.version_key, g.exact_packages, g.mode, g.promised,"  \
	" g.source, g.version_started"

/* Columns GENERATION of the only row, from column `at` on. */
static void take_generation(const PGresult *res, int at, struct kvf_generation *g)
{
	g->gen = number(res, at);
	g->ver = number(res, at + 1);
	g->published = kvf_pg_get_number(res, 0, at + 2);
	kvf_pg_get_text(res, 0, at + 3, g->run, sizeof(g->run));
	kvf_pg_get_text(res, 0, at + 4, g->app, sizeof(g->app));
	kvf_pg_get_text(res, 0, at + 5, g->tool, sizeof(g->tool));
	fixed(res, at + 6, g->stream, sizeof(g->stream));
	g->has_root = fixed(res, at + 7, g->root, sizeof(g->root));
	g->totals.entries = number(res, at + 8);
	g->totals.bytes = number(res, at + 9);
	fixed(res, at + 10, g->totals.m, sizeof(g->totals.m));
	g->version_part_len =
		short_bytes(res, at + 11, g->version_part, sizeof(g->version_part));
	g->version_key_len = short_bytes(res, at + 12, g->version_key, sizeof(g->version_key));
	g->exact_packages = number(res, at + 13) != 0;
	kvf_pg_get_text(res, 0, at + 14, g->mode, sizeof(g->mode));
	g->has_promised = fixed(res, at + 15, g->promised, sizeof(g->promised));
	kvf_pg_get_text(res, 0, at + 16, g->source, sizeof(g->source));
	g->version_started_len =
		short_bytes(res, at + 17, g->version_started, sizeof(g->version_started));
}

enum kvf_status kvf_pgs_read_generation(struct kvf_pgs *s, PGconn *conn, uint64_t gen,
					struct kvf_generation *g, struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st;

	kvf_pg_number(&a, (int64_t)gen);
	st = kvf_pg_query(&s->pg, conn,
			  "SELECT " GENERATION " FROM kvferry.generations g WHERE gen = $1", &a,
			  "read", &res, err);
	if (!st && PQntuples(res) == 1)
		take_generation(res, 0, g);
	else if (!st)
		st = kvf_fail(err, KVF_ENOTFOUND, "%s holds no generation %llu", s->pg.name,
			      (unsigned long long)gen);
	PQclear(res);
	return st;
}

/* The columns of the control row itself. */
static enum kvf_status take_control(struct kvf_pgs *s, const PGresult *res,
				    struct kvf_control *c, struct kvf_err *err)
{
	char name[16];
	int state;

	if (PQntuples(res) != 1)
		return kvf_fail(err, KVF_ETARGET, "%s: kvferry.control has lost its row",
				s->pg.name);
	if (kvf_pg_get_number(res, 0, 0) != KVF_CONTROL_FORMAT)
		return kvf_store_other_format(s->pg.name, kvf_pg_get_number(res, 0, 0), err);
	kvf_pg_get_text(res, 0, 2, name, sizeof(name));
	state = kvf_run_state_parse(name);
	if (state < 0)
		return kvf_fail(err, KVF_ETARGET, "%s: kvferry.control holds an unknown state",
				s->pg.name);
	c->state = (enum kvf_run_state)state;
	c->epoch = number(res, 1);
	c->ver = number(res, 3);
	c->active = number(res, 4);
	c->stage = number(res, 5);
	c->prev = number(res, 6);
	c->prev_legacy = (enum kvf_prev_legacy)number(res, 7);
	kvf_pg_get_text(res, 0, 8, c->run, sizeof(c->run));
	kvf_pg_get_text(res, 0, 9, c->host, sizeof(c->host));
	c->pid = kvf_pg_get_number(res, 0, 10);
	c->pid_start = kvf_pg_get_number(res, 0, 11);
	c->started = kvf_pg_get_number(res, 0, 12);
	c->beat = kvf_pg_get_number(res, 0, 13);
	kvf_pg_get_text(res, 0, 14, c->tool, sizeof(c->tool));
	kvf_pg_get_text(res, 0, 15, c->why, sizeof(c->why));
	c->lease = (uint32_t)number(res, 16);
	kvf_pg_get_text(res, 0, 17, c->step, sizeof(c->step));
	c->legacy = (enum kvf_legacy)number(res, 18);
	kvf_pg_get_text(res, 0, 19, c->frozen, sizeof(c->frozen));
	c->early = (enum kvf_early)number(res, 20);
	return KVF_OK;
}

enum kvf_status kvf_pgs_read_control(struct kvf_pgs *s, PGconn *conn, struct kvf_control *c,
				     struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	struct kvf_generation g;
	PGresult *res;
	enum kvf_status st;

	memset(c, 0, sizeof(*c));
	st = must_be_touched(s, conn, err);
	if (st)
		return st;
	st = kvf_pg_query(
		&s->pg, conn,
		"SELECT c.format, c.epoch, c.state, c.ver, c.active, c.stage, c.prev,"
		" c.prev_legacy, c.run, c.host, c.pid, c.pid_start, c.started, c.beat, c.tool,"
		" c.why, c.lease, c.step, c.legacy, c.frozen, c.early, " GENERATION
		" FROM kvferry.control c LEFT JOIN kvferry.generations g"
		" ON g.gen = CASE WHEN c.state IN ('STAGING', 'SEALED') THEN c.stage ELSE"
		" c.active END WHERE c.id = 1",
		&none, "read", &res, err);
	if (st)
		return st;
	st = take_control(s, res, c, err);
	if (!st && !PQgetisnull(res, 0, 21)) {
		memset(&g, 0, sizeof(g));
		take_generation(res, 21, &g);
		kvf_control_of(c, &g);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_control(struct kvf_store *base, struct kvf_control *c,
				struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = kvf_pgs_ready(s, err);

	return st ? st : kvf_pgs_read_control(s, s->conn, c, err);
}

enum kvf_status kvf_pgs_nothing(struct kvf_pgs *s, enum kvf_scan which, struct kvf_err *err)
{
	static const char *const words[] = { "live", "staged", "previous" };

	return kvf_fail(err, KVF_ENOTFOUND, "%s: nothing is %s", s->pg.name, words[which]);
}

enum kvf_status kvf_pgs_generation(struct kvf_store *base, enum kvf_scan which,
				   struct kvf_generation *g, struct kvf_err *err)
{
	static const char *const sql[] = {
		[KVF_SCAN_LIVE] = "SELECT " GENERATION " FROM kvferry.generations g WHERE gen ="
				  " (SELECT active FROM kvferry.control WHERE active > 0)",
		[KVF_SCAN_STAGE] =
			"SELECT " GENERATION " FROM kvferry.generations g WHERE gen ="
			" (SELECT stage FROM kvferry.control WHERE stage > 0)",
		[KVF_SCAN_PREVIOUS] =
			"SELECT " GENERATION " FROM kvferry.generations g WHERE gen ="
			" (SELECT prev FROM kvferry.control WHERE prev > 0)",
	};
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	static const struct kvf_pg_args none;
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);

	if (st)
		return st;
	st = kvf_pg_query(&s->pg, s->conn, sql[which], &none, "read", &res, err);
	if (!st && PQntuples(res) == 1)
		take_generation(res, 0, g);
	else if (!st)
		st = kvf_pgs_nothing(s, which, err);
	PQclear(res);
	return st;
}

/* ---- single values -------------------------------------------------------------- */

/* The only column of the only row, copied; KVF_ENOTFOUND.  Clears `res`. */
static enum kvf_status keep_value(struct kvf_pgs *s, PGresult *res, struct kvf_bytes *out,
				  struct kvf_err *err)
{
	struct kvf_bytes b;
	enum kvf_status st;

	if (PQntuples(res) != 1) {
		PQclear(res);
		return kvf_fail(err, KVF_ENOTFOUND, "not found");
	}
	b = kvf_pg_get_bytes(res, 0, 0);
	s->value.len = 0;
	st = kvf_buf_append(&s->value, b.ptr, b.len, err);
	*out = kvf_buf_bytes(&s->value);
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_get(struct kvf_store *base, struct kvf_bytes part, struct kvf_bytes key,
			    struct kvf_bytes *value, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	char sql[512], live[2 * KVF_PG_QUOTED];
	struct kvf_control c;
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready(s, err);

	if (!st && s->blind) /* which table is meant is not known */
		st = kvf_pgs_read_control(s, s->conn, &c, err);
	if (!st)
		st = kvf_pgs_find_live(s, s->conn, live, sizeof(live), err);
	if (!st && !*live)
		return kvf_fail(err, KVF_ENOTFOUND, "not found");
	if (st)
		return st;
	snprintf(sql, sizeof(sql), "SELECT value FROM %s WHERE partition_key = $1 AND key = $2",
		 live);
	kvf_pg_bytes(&a, part);
	kvf_pg_bytes(&a, key);
	st = kvf_pg_query(&s->pg, s->conn, sql, &a, "read", &res, err);
	return st ? st : keep_value(s, res, value, err);
}

enum kvf_status kvf_pgs_unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			     uint64_t n, struct kvf_bytes *unit, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);

	if (st)
		return st;
	kvf_pg_text(&a, name);
	kvf_pg_number(&a, (int64_t)n);
	kvf_pg_number(&a, (int64_t)which);
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT u.unit FROM kvferry.units u, kvferry.control c WHERE u.gen ="
			  " CASE $3::int8 WHEN 0 THEN c.active WHEN 1 THEN c.stage ELSE"
			  " c.prev END AND u.gen > 0"
			  " AND u.name = $1 AND u.n = $2::int8",
			  &a, "read", &res, err);
	return st ? st : keep_value(s, res, unit, err);
}

void kvf_pgs_take_chunk(const PGresult *res, struct kvf_chunk_info *info)
{
	info->n = number(res, 0);
	info->i = number(res, 1);
	fixed(res, 2, info->d, sizeof(info->d));
	info->totals.entries = number(res, 3);
	info->totals.bytes = number(res, 4);
	fixed(res, 5, info->totals.m, sizeof(info->totals.m));
}

enum kvf_status kvf_pgs_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				 struct kvf_chunk_info *info, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);

	if (st)
		return st;
	kvf_pg_number(&a, (int64_t)n);
	kvf_pg_number(&a, (int64_t)i);
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT package, chunk, d, entries, bytes, m FROM kvferry.progress"
			  " WHERE gen = (SELECT stage FROM kvferry.control)"
			  " AND (package, chunk) >= ($1::int8, $2::int8)"
			  " ORDER BY package, chunk LIMIT 1",
			  &a, "read", &res, err);
	if (st)
		return st;
	if (PQntuples(res) == 1) {
		kvf_pgs_take_chunk(res, info);
	} else {
		st = KVF_EOF;
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_pgs_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);

	if (st)
		return st;
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT count(*), coalesce(sum(entries), 0)::int8,"
			  " coalesce(sum(bytes), 0)::int8 FROM kvferry.progress WHERE"
			  " gen = (SELECT stage FROM kvferry.control)",
			  &none, "read", &res, err);
	if (st)
		return st;
	*chunks = number(res, 0);
	t->entries = number(res, 1);
	t->bytes = number(res, 2);
	PQclear(res);
	return KVF_OK;
}

/* ---- the ledger -------------------------------------------------------------------- */

enum kvf_status kvf_pgs_ledger_next(struct kvf_store *base, int64_t after,
				    struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	const char **texts[] = { &row->run,  &row->event, &row->outcome, &row->who,
				 &row->host, &row->tool,  &row->app,     &row->document };
	struct kvf_pg_args a = { 0 };
	PGresult *res;
	enum kvf_status st = kvf_pgs_ready_to_look(s, err);
	int i;

	if (st)
		return st;
	kvf_pg_number(&a, after);
	st = kvf_pg_query(&s->pg, s->conn,
			  "SELECT run, event, outcome, who, host, tool, app, document, id, at,"
			  " from_version, to_version FROM kvferry.ledger WHERE id > $1"
			  " ORDER BY id LIMIT 1",
			  &a, "read", &res, err);
	if (st)
		return st;
	if (PQntuples(res) != 1)
		st = KVF_EOF;
	kvf_arena_reset(&s->ledger);
	for (i = 0; i < 8 && !st; i++) {
		struct kvf_bytes b = kvf_pg_get_bytes(res, 0, i);

		if (PQgetisnull(res, 0, i))
			continue;
		*texts[i] = kvf_arena_strndup(&s->ledger, b.ptr, b.len);
		if (!*texts[i])
			st = kvf_fail_nomem(err);
	}
	if (!st) {
		row->id = kvf_pg_get_number(res, 0, 8);
		row->at = kvf_pg_get_number(res, 0, 9);
		row->from = number(res, 10);
		row->to = number(res, 11);
	}
	PQclear(res);
	return st;
}
