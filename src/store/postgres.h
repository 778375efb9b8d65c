/*
 * postgres - what the files of the PostgreSQL store share.
 *
 *   postgres_open.c     the handle and its connection
 *   postgres_objects.c  kvferry's own schema and tables
 *   postgres_inspect.c  what may stand in the way: privileges, layout, dependents
 *   postgres_look.c     control row, generations, units, ledger; one value
 *   postgres_scan.c     entries out of COPY, in a snapshot
 *   postgres_totals.c   totals of a whole table, read by several connections
 *   postgres_stage.c    acquire, stage, put, chunk
 *   postgres_load.c     batches into the stage, by COPY, on other connections
 *   postgres_merge.c    batches whose keys may be there already
 *   postgres_early.c    the live table before anything is live
 *   postgres_live.c     were the live data changed meanwhile?
 *   postgres_commit.c   seal, commit, gc
 *   postgres_back.c     abort, rollback, cleanup
 *
 * What is done in another way by the rules of CockroachDB is in cockroach.h and
 * its files; everything else asks the dialect (pg/dialect.h).
 *
 * kvferry's own tables lie in the schema "kvferry"; a generation that is not
 * live lies, under the live table's own name, in the schema "kvferry_g<N>".  To
 * publish is to move tables from schema to schema.
 */
#ifndef KVF_STORE_POSTGRES_H
#define KVF_STORE_POSTGRES_H

#include "base/buf.h"
#include "par/par.h"
#include "pg/dialect.h"
#include "store/driver.h"

#include <stdatomic.h>

/* Connections that load at most; a plain table is filled by one
 * (docs/decisions/postgres-store.md). */
#define KVF_PGS_CONNECTIONS 8
#define KVF_PGS_READERS 8
#define KVF_PGS_LOCK_MS 30000
/* Seconds that a silent server has, when a run is stopped, before what a thread
 * waits for is cancelled. */
#define KVF_PGS_PATIENCE 0.4

/* Whole chunks on their way into the stage. */
struct kvf_pgs_batch {
	struct kvf_pgs_batch *next; /* of those that are idle */
	struct kvf_buf rows;        /* in COPY's binary form, with its header */
	struct kvf_buf progress;    /* the chunks' progress rows, likewise */
	uint64_t entries;
	/* By the rules of CockroachDB (cockroach_load.c). */
	int look;     /* keys may be there already */
	int alone;    /* not together with what was sent before */
	int unsorted; /* keys do not ascend */
	struct kvf_merge_stats merge;
};

/* What the live table was when the store was acquired. */
struct kvf_pgs_live {
	char *mark; /* which transactions had ended, or the latest write; malloc'd */
	uint64_t rows;
};

#define KVF_PGS_WINDOW 16
struct kvf_pgs {
	struct kvf_store base;
	struct kvf_pg pg;    /* asks env whether to stop; `conn` is its */
	struct kvf_pg quiet; /* for what nobody may stop */
	/* For threads, which may not ask env: the one that waits for them does, and
	 * then sets `halt`.  Healthy statements still have the time to end. */
	struct kvf_pg worker;
	struct kvf_env worker_env;
	atomic_int halt;
	PGconn *conn;
	int table_given, blind;          /* the control row, which names it, may not be read */
	int touched;                     /* kvferry's tables were seen */
	char schema[64], table[64];      /* of the live table */
	char live[2 * KVF_PG_QUOTED];    /* the same, quoted */
	unsigned partitions;             /* asked for; 0 = as they are */
	uint64_t stage;                  /* the generation we fill */
	char staged[KVF_PG_QUOTED + 32]; /* its table, quoted */
	int copy_live;
	int partitioned; /* ... in partitions */
	unsigned loaders;
	struct kvf_pool *pool;
	PGconn *loader[KVF_PGS_CONNECTIONS];
	struct kvf_pgs_batch *batch, *idle; /* being filled; empty ones */
	/* By the rules of CockroachDB (cockroach.h). */
	struct kvf_pgs_batch *window[KVF_PGS_WINDOW]; /* to be sent in any order */
	unsigned waiting;                             /* in it */
	struct kvf_buf last;                          /* partition and key put last */
	size_t last_part;
	int look; /* the keys that come may be there already */
	uint64_t random;
	atomic_ullong conflicts, unknown, lost; /* since we last told */
	struct kvf_merge_stats merge;
	struct kvf_pgs_live live_before;
	enum kvf_early early;    /* of the control row, since our acquire */
	struct kvf_buf value;    /* of get and unit */
	struct kvf_arena ledger; /* texts of the last ledger row */
};

/* ---- postgres_open.c ------------------------------------------------------ */

/* Have a connection, a new one where the old is lost. */
enum kvf_status kvf_pgs_ready(struct kvf_pgs *s, struct kvf_err *err);
void kvf_pgs_close(struct kvf_store *base);
void kvf_pgs_rollback(struct kvf_pgs *s, PGconn *conn);

/* Wait until a job of the pool is done, and let its threads know when somebody
 * wants us to stop. */
void kvf_pgs_await(struct kvf_pgs *s, struct kvf_pool *pool);

/* ---- postgres_objects.c ---------------------------------------------------- */

/* The table that readers mean by "live"; *table = "" where there is none. */
enum kvf_status kvf_pgs_find_live(struct kvf_pgs *s, PGconn *conn, char *table, size_t size,
				  struct kvf_err *err);
/* Create kvferry's schema and tables where they are not there. */
enum kvf_status kvf_pgs_create_tables(struct kvf_pgs *s, struct kvf_err *err);
/* The oid of a relation of any kind; 0 = none. */
enum kvf_status kvf_pgs_oid(struct kvf_pgs *s, PGconn *conn, const char *schema,
			    const char *name, int64_t *oid, struct kvf_err *err);
/* Is kvferry's control table there? */
enum kvf_status kvf_pgs_touched(struct kvf_pgs *s, PGconn *conn, int *has, struct kvf_err *err);
enum kvf_status kvf_pgs_create_objects(struct kvf_pgs *s, int *has_live, struct kvf_err *err);
/* The table of generation `gen`, quoted, beside the live one. */
void kvf_pgs_generation_table(const struct kvf_pgs *s, uint64_t gen, char *to, size_t size);
/* Create schema and table of the stage where they are not there yet, in the open
 * transaction. */
enum kvf_status kvf_pgs_create_stage(struct kvf_pgs *s, struct kvf_err *err);
/* The live table's name in that schema (quoted): plain, or with `n` partitions; `with` is for
 * each table that holds rows. */
enum kvf_status kvf_pgs_create_table(struct kvf_pgs *s, const char *schema, unsigned n,
				     const char *with, struct kvf_err *err);
enum kvf_status kvf_pgs_count_partitions(struct kvf_pgs *s, int64_t oid, unsigned *n,
					 struct kvf_err *err);
/* Drop every generation that nobody needs, in the open transaction. */
enum kvf_status kvf_pgs_drop_orphans(struct kvf_pgs *s, struct kvf_err *err);
/* Move a table and its partitions into another schema. */
enum kvf_status kvf_pgs_move(struct kvf_pgs *s, int64_t oid, const char *schema,
			     struct kvf_err *err);
/* Run the statements that a query makes: one text column, any number of rows. */
enum kvf_status kvf_pgs_run_made(struct kvf_pgs *s, const char *sql,
				 const struct kvf_pg_args *args, const char *doing,
				 struct kvf_err *err);

/* ---- postgres_inspect.c ---------------------------------------------------- */

/* What a publication would break or be broken by; "" if nothing. */
enum kvf_status kvf_pgs_blocker(struct kvf_pgs *s, int *has, int *fits, char *buf, size_t size,
				struct kvf_err *err);
/* Parts of it: what hangs on the live table (oid); can this server and session write at all; is the live table the
 * one that was asked for? */
enum kvf_status kvf_pgs_find_attached(struct kvf_pgs *s, int64_t oid, char *buf, size_t size,
				      struct kvf_err *err);
enum kvf_status kvf_pgs_find_read_only(struct kvf_pgs *s, char *buf, size_t size,
				       struct kvf_err *err);
enum kvf_status kvf_pgs_check_live_name(struct kvf_pgs *s, char *buf, size_t size,
					struct kvf_err *err);
/* The version record is no entry. */
enum kvf_status kvf_pgs_leave_record_out(struct kvf_store *base, uint64_t *entries,
					 struct kvf_err *err);
enum kvf_status kvf_pgs_inspect(struct kvf_store *base, struct kvf_store_facts *facts,
				struct kvf_err *err);

/* ---- postgres_look.c ------------------------------------------------------- */

/* A connection, and something to be read: KVF_ENOTFOUND if kvferry never touched the store. */
enum kvf_status kvf_pgs_ready_to_look(struct kvf_pgs *s, struct kvf_err *err);
enum kvf_status kvf_pgs_read_control(struct kvf_pgs *s, PGconn *conn, struct kvf_control *c,
				     struct kvf_err *err);
enum kvf_status kvf_pgs_read_generation(struct kvf_pgs *s, PGconn *conn, uint64_t gen,
					struct kvf_generation *g, struct kvf_err *err);
enum kvf_status kvf_pgs_control(struct kvf_store *base, struct kvf_control *c,
				struct kvf_err *err);
enum kvf_status kvf_pgs_generation(struct kvf_store *base, enum kvf_scan which,
				   struct kvf_generation *g, struct kvf_err *err);
enum kvf_status kvf_pgs_get(struct kvf_store *base, struct kvf_bytes part, struct kvf_bytes key,
			    struct kvf_bytes *value, struct kvf_err *err);
enum kvf_status kvf_pgs_unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			     uint64_t n, struct kvf_bytes *unit, struct kvf_err *err);
enum kvf_status kvf_pgs_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				struct kvf_err *err);
/* The first six columns of a progress row, without its generation. */
void kvf_pgs_take_chunk(const PGresult *res, struct kvf_chunk_info *info);
/* KVF_ENOTFOUND: "nothing is staged". */
enum kvf_status kvf_pgs_nothing(struct kvf_pgs *s, enum kvf_scan which, struct kvf_err *err);
enum kvf_status kvf_pgs_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				 struct kvf_chunk_info *info, struct kvf_err *err);
enum kvf_status kvf_pgs_ledger_next(struct kvf_store *base, int64_t after,
				    struct kvf_ledger_row *row, struct kvf_err *err);

/* ---- postgres_scan.c ------------------------------------------------------- */

/* The rows of a COPY OUT of three columns. */
struct kvf_pgs_rows {
	const struct kvf_pg *pg;
	PGconn *conn;
	char *piece; /* what the last row lies in */
	int begun, ended;
};
enum kvf_status kvf_pgs_rows_next(struct kvf_pgs_rows *r, struct kvf_entry *entry,
				  struct kvf_err *err);
void kvf_pgs_rows_release(struct kvf_pgs_rows *r);

/*
 * Connect, unless *conn is there, begin a snapshot, unless it is in a transaction, and say
 * which table is meant; table "" = none.  *conn is the caller's, also after a failure.
 */
enum kvf_status kvf_pgs_snapshot(struct kvf_pgs *s, enum kvf_scan which, PGconn **conn,
				 struct kvf_generation *g, char *table, size_t size,
				 struct kvf_err *err);
enum kvf_status kvf_pgs_scan(struct kvf_store *base, enum kvf_scan which,
			     const struct kvf_entry *from, struct kvf_cursor **out,
			     struct kvf_err *err);
enum kvf_status kvf_pgs_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				    struct kvf_err *err);
void kvf_pgs_cursor_close(struct kvf_cursor *base);

/* ---- postgres_totals.c ----------------------------------------------------- */

enum kvf_status kvf_pgs_totals(struct kvf_store *base, enum kvf_scan which,
			       struct kvf_totals *t, struct kvf_err *err);
/* The same of a table (quoted), less the records of `of`, as the transaction of
 * `conn` sees it, which is REPEATABLE READ. */
enum kvf_status kvf_pgs_add_up(struct kvf_pgs *s, PGconn *conn, const char *table,
			       const struct kvf_generation *of, struct kvf_totals *t,
			       struct kvf_err *err);

/* ---- postgres_load.c ------------------------------------------------------- */

/* The batch that is being filled; waits for one that is done. */
enum kvf_status kvf_pgs_batch(struct kvf_pgs *s, struct kvf_pgs_batch **b, struct kvf_err *err);
enum kvf_status kvf_pgs_batch_add(struct kvf_pgs_batch *b, const struct kvf_entry *e,
				  struct kvf_err *err);
enum kvf_status kvf_pgs_batch_chunk(struct kvf_pgs_batch *b, uint64_t gen,
				    const struct kvf_chunk_info *info, struct kvf_bytes marks,
				    struct kvf_err *err);
/* Walk over the entries of a finished batch; 0 at the end.  Begin with at = 0. */
int kvf_pgs_batch_next(const struct kvf_pgs_batch *b, size_t *at, struct kvf_entry *e);
/* The batch that is being filled is whole: *b, no longer s->batch; NULL = nothing
 * is in it. */
enum kvf_status kvf_pgs_finish(struct kvf_pgs *s, struct kvf_pgs_batch **b,
			       struct kvf_err *err);
/* Give a whole batch to the threads that run `fn`; it is the pool's, or idle. */
enum kvf_status kvf_pgs_submit(struct kvf_pgs *s, struct kvf_pgs_batch *b, kvf_pool_fn *fn,
			       struct kvf_err *err);
/* Put it away, empty. */
void kvf_pgs_recycle(struct kvf_pgs *s, struct kvf_pgs_batch *b);
/* Send the batch on its way. */
enum kvf_status kvf_pgs_send(struct kvf_pgs *s, struct kvf_err *err);
/* Wait until everything that was sent is in the stage. */
enum kvf_status kvf_pgs_drain(struct kvf_pgs *s, struct kvf_err *err);
/* End the threads, forget what was not sent, close the connections. */
void kvf_pgs_stop_loading(struct kvf_pgs *s);
void kvf_pgs_free_batches(struct kvf_pgs *s);

/* ---- postgres_merge.c ------------------------------------------------------ */

/* Put a batch in, in the open transaction, where keys may be staged already. */
enum kvf_status kvf_pgs_load_merging(struct kvf_pgs *s, PGconn *conn,
				     const struct kvf_pgs_batch *b, struct kvf_err *err);
/* Say which key of the batch is staged already. */
enum kvf_status kvf_pgs_name_duplicate(struct kvf_pgs *s, PGconn *conn,
				       const struct kvf_pgs_batch *b, struct kvf_err *err);
/* Fill the stage with the live entries. */
enum kvf_status kvf_pgs_copy_live(struct kvf_pgs *s, struct kvf_err *err);

/* Nobody holds the store; it is LIVE if kvferry published what is active. */
#define KVF_PGS_LET_GO                                                                         \
	"UPDATE kvferry.control c SET epoch = epoch + 1, run = '', why = '', lease = 0,"       \
	" step = '', state = CASE WHEN EXISTS (SELECT 1 FROM kvferry.generations g WHERE"      \
	" g.gen = c.active AND g.published > 0) THEN 'LIVE' ELSE 'IDLE' END WHERE id = 1;"

/* ---- postgres_early.c ------------------------------------------------------ */

/*
 * In the transaction of the acquire, which has seen `epoch` and *active: keep others from
 * the control row, and have the early live table where there is to be one.  Takes number
 * *next for it, if it needs one; *active is then what it was made.
 */
enum kvf_status kvf_pgs_early_begin(struct kvf_pgs *s, const struct kvf_claim *claim,
				    uint64_t epoch, uint64_t *active, uint64_t *next,
				    struct kvf_err *err);
/* Would it make a table?  By the rules of CockroachDB that comes before. */
int kvf_pgs_early_wants(const struct kvf_control *c, const struct kvf_claim *claim);
/* What others have written into it; "" if nothing. */
enum kvf_status kvf_pgs_early_intruder(struct kvf_pgs *s, char *buf, size_t size,
				       struct kvf_err *err);
/* In the transaction of an abort: take it away. */
enum kvf_status kvf_pgs_early_end(struct kvf_pgs *s, const struct kvf_control *c,
				  struct kvf_err *err);
/* In the transaction of a rollback, when it has changed the control row: leave one with the
 * record of `g`, which was live; its table is there, and empty. */
enum kvf_status kvf_pgs_early_again(struct kvf_pgs *s, const struct kvf_control *before,
				    const struct kvf_generation *g, struct kvf_err *err);

/* ---- postgres_stage.c ------------------------------------------------------ */

/* Begin a transaction that writes, with our limits.  What is only staged need not
 * be durable at once; what is published must. */
enum kvf_pgs_commit { KVF_PGS_STAGED, KVF_PGS_DURABLE };
/*
 * In it, a step that waits for the server alone: the server ends the session of
 * a process that is stopped there.  Before it has acquired and after its commit
 * such a process is nobody whose sessions the next run would end, and holds what
 * that run needs.  `seconds` are what else the step waits for.
 */
enum kvf_status kvf_pgs_brief(struct kvf_pgs *s, double seconds, struct kvf_err *err);
/* It has failed: roll it back, and say what is there then (`outcome`, unless *err knows
 * better), and for whom it may have waited in vain. */
void kvf_pgs_undo(struct kvf_pgs *s, const char *outcome, struct kvf_err *err);
/*
 * The answer to COMMIT was lost.  The ledger knows, once the old session is over: as long as
 * that may still commit it holds the control row locked, and we wait.  KVF_OK: *there says
 * whether `row` is in it, *c is the control row.
 */
enum kvf_status kvf_pgs_find_out(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				 struct kvf_control *c, int *there);
enum kvf_status kvf_pgs_begin_write(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
				    const char *begin, enum kvf_pgs_commit commit,
				    struct kvf_err *err);

/*
 * The fence: in the open transaction, make sure that we hold the store in
 * `state`, and that nobody takes it until the transaction is over; else KVF_EBUSY.
 * `lock` is "SHARE" for what several connections do at once, else "UPDATE".
 */
enum kvf_status kvf_pgs_guard(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			      enum kvf_run_state state, const char *lock, struct kvf_err *err);
/* Begin a transaction with the fence; after an error there is none. */
enum kvf_status kvf_pgs_begin(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			      enum kvf_run_state state, const char *lock, struct kvf_err *err);
enum kvf_status kvf_pgs_end(struct kvf_pgs *s, const struct kvf_pg *pg, PGconn *conn,
			    struct kvf_err *err);
/* Will this entry go in?  KVF_EPREFLIGHT, naming its key, if the server takes none
 * of that size. */
enum kvf_status kvf_pgs_check_size(const struct kvf_pgs *s, const struct kvf_entry *e,
				   struct kvf_err *err);
/*
 * The former owner may be stopped, or cut off, with a transaction open that holds
 * the control row, or reads its stage: end its sessions, as far as we may.  They are those
 * that write in kvferry.control, since whoever acquires or aborts stands in line before
 * that (dialect->lock), and those of ours that have the stage locked: nobody else reads it.
 */
enum kvf_status kvf_pgs_evict(struct kvf_pgs *s, uint64_t stage, struct kvf_err *err);
/* The store is ours: what the handle then knows. */
void kvf_pgs_acquired(struct kvf_pgs *s, uint64_t epoch, uint64_t stage);
enum kvf_status kvf_pgs_acquire(struct kvf_store *base, uint64_t seen_epoch,
				const struct kvf_claim *claim, struct kvf_err *err);
enum kvf_status kvf_pgs_beat(struct kvf_store *base, const char *step, struct kvf_err *err);
enum kvf_status kvf_pgs_stage(struct kvf_store *base, int copy_live, struct kvf_err *err);
enum kvf_status kvf_pgs_put(struct kvf_store *base, const struct kvf_entry *entry,
			    struct kvf_err *err);
enum kvf_status kvf_pgs_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			      struct kvf_bytes marks, struct kvf_err *err);
enum kvf_status kvf_pgs_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				  struct kvf_bytes unit, struct kvf_err *err);
enum kvf_status kvf_pgs_flush(struct kvf_store *base, struct kvf_err *err);
void kvf_pgs_merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m);

/* ---- postgres_live.c ------------------------------------------------------- */

void kvf_pgs_live_release(struct kvf_pgs_live *l);
/* In the transaction of the acquire, at its end. */
enum kvf_status kvf_pgs_live_begin(struct kvf_pgs *s, struct kvf_err *err);
/* In the transaction of the commit, when nobody else can write to the live table:
 * KVF_EPREFLIGHT if somebody did since the acquire. */
enum kvf_status kvf_pgs_live_check(struct kvf_pgs *s, struct kvf_err *err);

enum kvf_status kvf_pgs_note_frozen(struct kvf_store *base, const char *place,
				    struct kvf_err *err);

/* ---- postgres_commit.c ----------------------------------------------------- */

/* Two parts of a commit's transaction: the application's record into the table
 * that becomes live; control row, generation and ledger.  `had`: there was a live
 * table. */
enum kvf_status kvf_pgs_set_version(struct kvf_pgs *s, const char *table,
				    const struct kvf_control *c, struct kvf_bytes done,
				    struct kvf_err *err);
enum kvf_status kvf_pgs_point(struct kvf_pgs *s, uint64_t schema, uint64_t prev, int had,
			      const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_pgs_seal(struct kvf_store *base, const uint8_t root[32],
			     const struct kvf_totals *t, int exact_packages,
			     struct kvf_err *err);
enum kvf_status kvf_pgs_commit(struct kvf_store *base, uint64_t schema,
			       struct kvf_bytes version_done, const struct kvf_ledger_row *row,
			       struct kvf_err *err);
/* Insert a ledger row in whatever transaction is open. */
enum kvf_status kvf_pgs_insert_ledger(struct kvf_pgs *s, const struct kvf_ledger_row *row,
				      struct kvf_err *err);
/* Is it there: did the transaction that wrote it commit? */
enum kvf_status kvf_pgs_in_ledger(const struct kvf_pg *pg, PGconn *conn,
				  const struct kvf_ledger_row *row, int *yes,
				  struct kvf_err *err);
enum kvf_status kvf_pgs_gc(struct kvf_store *base, struct kvf_err *err);
void kvf_pgs_note_failure(struct kvf_store *base, const char *why);
enum kvf_status kvf_pgs_ledger_append(struct kvf_store *base, uint64_t epoch,
				      const struct kvf_ledger_row *row, struct kvf_err *err);

/*
 * Statements that make of a table under the live name what the live table was:
 * owner, privileges, and the views that name it.  Made before the tables move,
 * with everything qualified (search_path is pg_catalog), and run after.
 */
enum kvf_status kvf_pgs_remember(struct kvf_pgs *s, int64_t oid, PGresult **statements,
				 struct kvf_err *err);
enum kvf_status kvf_pgs_recall(struct kvf_pgs *s, const PGresult *statements,
			       struct kvf_err *err);

/* ---- postgres_back.c ------------------------------------------------------- */

enum kvf_status kvf_pgs_abort(struct kvf_store *base, uint64_t seen,
			      const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_pgs_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			      struct kvf_chunk_info *info, struct kvf_bytes *marks,
			      struct kvf_err *err);
enum kvf_status kvf_pgs_rollback_to_previous(struct kvf_store *base, uint64_t seen,
					     const struct kvf_totals *live,
					     const struct kvf_ledger_row *row,
					     struct kvf_err *err);
enum kvf_status kvf_pgs_sweep(struct kvf_store *base, struct kvf_err *err);
enum kvf_status kvf_pgs_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				  struct kvf_err *err);
/* Of the leftovers: marks, and whether there is a way back. */
enum kvf_status kvf_pgs_left_beside(struct kvf_pgs *s, const struct kvf_control *c,
				    struct kvf_leftovers *l, struct kvf_err *err);
enum kvf_status kvf_pgs_cleanup(struct kvf_store *base, uint64_t seen,
				const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_pgs_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
			       const struct kvf_ledger_row *row, struct kvf_err *err);

#endif
