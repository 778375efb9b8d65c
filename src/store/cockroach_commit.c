/*
 * cockroach_commit - seal and publish a stage by the rules of CockroachDB.
 *
 * The commit writes rows and nothing else: the version record into the stage, the
 * control row, the generation's row, the ledger.  No table is renamed; the stage
 * is live because the control row says so.
 */
#include "store/cockroach.h"

#include <stdio.h>
#include <string.h>

/* ---- seal --------------------------------------------------------------------------- */

enum kvf_status kvf_roach_seal(struct kvf_store *base, const uint8_t root[32],
			       const struct kvf_totals *t, int exact_packages,
			       struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pg_tries tries = { 0 };
	struct kvf_control c;
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	do {
		st = kvf_pgs_ready(s, err);
		if (!st && tries.n) { /* sealed by a try whose answer was lost? */
			st = kvf_pgs_read_control(s, s->conn, &c, err);
			if (!st && c.epoch == base->epoch && c.state == KVF_RUN_SEALED)
				break;
		}
		if (!st)
			st = kvf_pgs_seal(base, root, t, exact_packages, err);
	} while (st == KVF_ETARGET && kvf_roach_again(s, &tries, err));
	if (!st)
		kvf_err_clear(err);
	kvf_roach_report(s);
	return st;
}

/* ---- commit --------------------------------------------------------------------------- */

struct publication {
	uint64_t schema;
	struct kvf_bytes done;
	const struct kvf_ledger_row *row;
};

/* The generation that was live, where it has entries; else it is not worth keeping. */
static enum kvf_status find_previous(struct kvf_pgs *s, const struct kvf_control *c,
				     uint64_t *prev, int *had, struct kvf_err *err)
{
	char live[2 * KVF_PG_QUOTED], sql[sizeof(live) + 64];
	int64_t filled = 0;
	enum kvf_status st = kvf_pgs_find_live(s, s->conn, live, sizeof(live), err);

	if (!st && *live) {
		snprintf(sql, sizeof(sql), "SELECT EXISTS (SELECT 1 FROM %s)", live);
		st = kvf_pg_ask(&s->pg, s->conn, &filled, sql, NULL, err);
	}
	*had = *live && c->early != KVF_EARLY_TABLE;
	*prev = filled && !c->early ? c->active : 0;
	return st;
}

static enum kvf_status publish(struct kvf_pgs *s, PGconn *conn, void *ctx, struct kvf_err *err)
{
	const struct publication *p = ctx;
	struct kvf_control c;
	uint64_t prev = 0;
	int had = 0;
	enum kvf_status st = kvf_pgs_read_control(s, conn, &c, err);

	if (!st)
		st = kvf_pgs_live_check(s, err);
	if (!st)
		st = find_previous(s, &c, &prev, &had, err);
	/* A table that was there keeps its name, and is not live any more. */
	if (!st && c.early == KVF_EARLY_RECORD)
		st = kvf_pgs_early_end(s, &c, err);
	if (!st)
		st = kvf_pgs_set_version(s, s->staged, &c, p->done, err);
	if (!st)
		st = kvf_pgs_point(s, p->schema, prev, had, p->row, err);
	return st ? st : kvf_store_last_look(&s->base, err);
}

/*
 * As long as the old session may still commit, it holds the row, and we wait for
 * it here.
 */
static enum kvf_status is_live(struct kvf_pgs *s, PGconn *conn, void *ctx, int *yes,
			       struct kvf_err *err)
{
	const struct publication *p = ctx;
	int64_t id = 0;
	enum kvf_status st =
		kvf_pg_ask(&s->quiet, conn, &id,
			   "SELECT id FROM kvferry.control WHERE id = 1 FOR UPDATE", NULL, err);

	*yes = 0;
	/* Another run may have adopted our stage and published it. */
	return st ? st : kvf_pgs_in_ledger(&s->quiet, conn, p->row, yes, err);
}

enum kvf_status kvf_roach_commit(struct kvf_store *base, uint64_t schema,
				 struct kvf_bytes version_done,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct publication p = { schema, version_done, row };
	const struct kvf_roach_work w = { .pg = &s->quiet, /* no signal stops us here */
					  .conn = &s->conn,
					  .state = KVF_RUN_SEALED,
					  .lock = "UPDATE",
					  .run = publish,
					  .happened = is_live,
					  .ctx = &p };
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	st = kvf_roach_transact(s, &w, err);
	kvf_roach_report(s);
	if (st == KVF_ETARGET && kvf_pg_is_unknown(err))
		kvf_err_detail(err, "Whether the new data are live could not be read.");
	else if (st && !err->detail[0])
		kvf_err_detail(err, "The live data are as they were; what was staged is "
				    "kept for the next run.");
	return st;
}

/* ---- the ledger ------------------------------------------------------------------------- */

struct event {
	uint64_t epoch; /* guarded by it; 0 = by nothing */
	const struct kvf_ledger_row *row;
};

static enum kvf_status append(struct kvf_pgs *s, PGconn *conn, void *ctx, struct kvf_err *err)
{
	const struct event *e = ctx;
	struct kvf_control c;
	enum kvf_status st = kvf_pgs_read_control(s, conn, &c, err);

	if (!st && e->epoch && c.epoch != e->epoch)
		st = kvf_store_superseded(&c, err);
	return st ? st : kvf_pgs_insert_ledger(s, e->row, err);
}

static enum kvf_status is_appended(struct kvf_pgs *s, PGconn *conn, void *ctx, int *yes,
				   struct kvf_err *err)
{
	const struct event *e = ctx;

	return kvf_pgs_in_ledger(&s->pg, conn, e->row, yes, err);
}

enum kvf_status kvf_roach_ledger_append(struct kvf_store *base, uint64_t epoch,
					const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct event e = { epoch, row };
	const struct kvf_roach_work w = { .pg = &s->pg,
					  .conn = &s->conn,
					  .bare = 1,
					  .run = append,
					  .happened = is_appended,
					  .ctx = &e };

	return kvf_roach_transact(s, &w, err);
}

enum kvf_status kvf_roach_gc(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = kvf_roach_still_ours(s, KVF_RUN_LIVE, err);

	return st ? st : kvf_roach_drop_orphans(s, err);
}
