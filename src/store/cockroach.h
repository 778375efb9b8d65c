/*
 * cockroach - a store by the rules of CockroachDB: what it does in another way
 * than that of PostgreSQL (postgres.h), whose handle and tables it shares.
 *
 *   cockroach_open.c     the driver's table
 *   cockroach_again.c    transactions that are given again until they are through
 *   cockroach_stage.c    acquire, stage, units
 *   cockroach_load.c     batches of at most 1 MiB, by INSERT ... ON CONFLICT
 *   cockroach_scan.c     entries in pages of ascending keys
 *   cockroach_commit.c   seal, publish, clear away
 *   cockroach_back.c     abort, rollback, cleanup
 *   cockroach_objects.c  generations, and what stands in the way
 *
 * Every transaction is SERIALIZABLE and behind the fence.  When another one is in
 * its way (40001) it is given again as a whole; when nobody can say whether its
 * COMMIT took effect (40003, a lost connection), what it would have written is
 * looked up first.  Tables are made and dropped outside of transactions, and no
 * table is ever renamed: a commit changes rows alone, and who reads the live data
 * asks the control row which generation that is.
 */
#ifndef KVF_STORE_COCKROACH_H
#define KVF_STORE_COCKROACH_H

#include "store/postgres.h"

/* ---- cockroach_open.c ------------------------------------------------------ */

extern const struct kvf_store_ops kvf_roach_ops;

/* ---- cockroach_again.c ----------------------------------------------------- */

/* A transaction. */
struct kvf_roach_work {
	const struct kvf_pg *pg;
	PGconn **conn;            /* connected when it is not, or no longer */
	int bare;                 /* without a fence: `run` looks for itself */
	enum kvf_run_state state; /* of the fence, which is this run's epoch */
	const char *lock;         /* "SHARE", "UPDATE": see kvf_pgs_guard() */
	/* Write; it may be called several times. */
	enum kvf_status (*run)(struct kvf_pgs *s, PGconn *conn, void *ctx, struct kvf_err *err);
	/* Outside a transaction: is what it writes there?  NULL: writing it once more
	 * changes nothing. */
	enum kvf_status (*happened)(struct kvf_pgs *s, PGconn *conn, void *ctx, int *yes,
				    struct kvf_err *err);
	void *ctx;
};
/*
 * Do it, as often as the dialect allows.  KVF_OK: it is committed, once.  On any
 * other status it is not, unless err->code is that of a lost connection or 40003:
 * then nobody knows.
 */
KVF_MUST_CHECK enum kvf_status
kvf_roach_transact(struct kvf_pgs *s, const struct kvf_roach_work *w, struct kvf_err *err);
/* Has a statement or a transaction of another kind failed so that it should be
 * given again?  Counts, waits, and connects again. */
int kvf_roach_again(struct kvf_pgs *s, struct kvf_pg_tries *t, const struct kvf_err *err);
/* IF NOT EXISTS, and yet: somebody makes the same at this moment, another run or a session of
 * ours that was lost and is still at it. */
int kvf_roach_is_made(const struct kvf_err *err);
/* A statement that changes tables, by itself; given again likewise. */
KVF_MUST_CHECK enum kvf_status
kvf_roach_ddl(struct kvf_pgs *s, const char *doing, struct kvf_err *err, const char *fmt, ...)
	KVF_PRINTF(4, 5);
/* Tell env->log how many transactions were given again since it was told last. */
void kvf_roach_report(struct kvf_pgs *s);

/* ---- cockroach_objects.c --------------------------------------------------- */

/* The number in "kvferry_g7"; 0 = another name. */
uint64_t kvf_roach_number(const char *schema);
/* Schemas of generations with their tables: rows of two texts. */
KVF_MUST_CHECK enum kvf_status kvf_roach_list(struct kvf_pgs *s, PGresult **res,
					      struct kvf_err *err);
/* Drop the generations that nobody needs, as far as this epoch may know. */
KVF_MUST_CHECK enum kvf_status kvf_roach_drop_orphans(struct kvf_pgs *s, struct kvf_err *err);
enum kvf_status kvf_roach_inspect(struct kvf_store *base, struct kvf_store_facts *f,
				  struct kvf_err *err);
/* As kvf_pgs_blocker(). */
KVF_MUST_CHECK enum kvf_status kvf_roach_blocker(struct kvf_pgs *s, int *has, int *fits,
						 char *buf, size_t size, struct kvf_err *err);

/* ---- cockroach_stage.c ----------------------------------------------------- */

enum kvf_status kvf_roach_acquire(struct kvf_store *base, uint64_t seen_epoch,
				  const struct kvf_claim *claim, struct kvf_err *err);
enum kvf_status kvf_roach_beat(struct kvf_store *base, const char *step, struct kvf_err *err);
/* KVF_EBUSY if the store, in that state, is no longer this run's. */
KVF_MUST_CHECK enum kvf_status kvf_roach_still_ours(struct kvf_pgs *s, enum kvf_run_state state,
						    struct kvf_err *err);
/* Its schema and its table, where they are not there. */
enum kvf_status kvf_roach_create_generation(struct kvf_pgs *s, uint64_t gen,
					    struct kvf_err *err);
enum kvf_status kvf_roach_stage(struct kvf_store *base, int copy_live, struct kvf_err *err);
enum kvf_status kvf_roach_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				    struct kvf_bytes unit, struct kvf_err *err);

/* ---- cockroach_load.c ------------------------------------------------------ */

enum kvf_status kvf_roach_put(struct kvf_store *base, const struct kvf_entry *entry,
			      struct kvf_err *err);
enum kvf_status kvf_roach_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
				struct kvf_bytes marks, struct kvf_err *err);
enum kvf_status kvf_roach_flush(struct kvf_store *base, struct kvf_err *err);
/* Fill the stage with the live entries, and look out for their keys from now on. */
KVF_MUST_CHECK enum kvf_status kvf_roach_copy_live(struct kvf_pgs *s, struct kvf_err *err);
/* Give up what was not committed; `st` is returned. */
enum kvf_status kvf_roach_give_up(struct kvf_pgs *s, enum kvf_status st);

/* ---- cockroach_scan.c ------------------------------------------------------ */

enum kvf_status kvf_roach_scan(struct kvf_store *base, enum kvf_scan which,
			       const struct kvf_entry *from, struct kvf_cursor **out,
			       struct kvf_err *err);
enum kvf_status kvf_roach_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				      struct kvf_err *err);
void kvf_roach_cursor_close(struct kvf_cursor *base);
enum kvf_status kvf_roach_totals(struct kvf_store *base, enum kvf_scan which,
				 struct kvf_totals *t, struct kvf_err *err);

/* ---- cockroach_commit.c ---------------------------------------------------- */

enum kvf_status kvf_roach_seal(struct kvf_store *base, const uint8_t root[32],
			       const struct kvf_totals *t, int exact_packages,
			       struct kvf_err *err);
enum kvf_status kvf_roach_commit(struct kvf_store *base, uint64_t schema,
				 struct kvf_bytes version_done,
				 const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_roach_ledger_append(struct kvf_store *base, uint64_t epoch,
					const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_roach_gc(struct kvf_store *base, struct kvf_err *err);

/* ---- cockroach_back.c ------------------------------------------------------ */

enum kvf_status kvf_roach_abort(struct kvf_store *base, uint64_t seen_epoch,
				const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_roach_rollback(struct kvf_store *base, uint64_t seen_epoch,
				   const struct kvf_totals *live,
				   const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_roach_sweep(struct kvf_store *base, struct kvf_err *err);
enum kvf_status kvf_roach_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				    struct kvf_err *err);
enum kvf_status kvf_roach_cleanup(struct kvf_store *base, uint64_t seen_epoch,
				  const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_roach_legacy(struct kvf_store *base, uint64_t seen_epoch,
				 enum kvf_legacy to, const struct kvf_ledger_row *row,
				 struct kvf_err *err);

#endif
