/*
 * sqlite - what the files of the SQLite store share.
 *
 *   sqlite_open.c     connections, statements
 *   sqlite_error.c    what an error means to a person
 *   sqlite_objects.c  kvferry's own tables, and what may stand in their way
 *   sqlite_look.c     control row, generations, units, ledger; one value
 *   sqlite_scan.c     cursors, each in a snapshot of its own
 *   sqlite_totals.c   totals of a whole table, read by several threads
 *   sqlite_batch.c    many entries into a table with one statement
 *   sqlite_acquire.c  acquire, and the owner's signs of life
 *   sqlite_stage.c    stage, put, chunk: transactions that can be lost
 *   sqlite_early.c    the live table before anything is live
 *   sqlite_live.c     were the live data changed meanwhile?
 *   sqlite_commit.c   seal, commit, gc: those that cannot
 *   sqlite_back.c     abort, rollback, cleanup
 */
#ifndef KVF_STORE_SQLITE_H
#define KVF_STORE_SQLITE_H

#include "base/buf.h"
#include "store/driver.h"

#include <sqlite3.h>

/*
 * Bytes of entries after which an ended chunk is committed; at the latest after
 * KVF_LITE_COMMIT_S seconds.  What does not fit into the cache is written before, under
 * a lock that keeps readers out: in a file that holds nothing but our stage nobody reads,
 * and a commit can be large.
 */
#define KVF_LITE_COMMIT_BYTES (16u << 20)
#define KVF_LITE_COMMIT_BYTES_ALONE (128u << 20)
#define KVF_LITE_COMMIT_S 1.0
/* A key is kept as a sample every so many bytes. */
#define KVF_LITE_SAMPLE_BYTES (16u << 20)
/* Cache of a connection that writes, so that a small commit does not spill, of one
 * that may spill, and of one that reads. */
#define KVF_LITE_WRITE_CACHE_KIB 32768
#define KVF_LITE_ALONE_CACHE_KIB 16384
#define KVF_LITE_READ_CACHE_KIB 2048
/* Sample keys longer than this are not kept. */
#define KVF_LITE_SAMPLE_MAX 4096
/* Milliseconds to wait for another process's lock. */
#define KVF_LITE_BUSY_MS 30000
#define KVF_LITE_PAGE_SIZE 16384

/* Entries that go to SQLite in one statement; both counted in L2 cache. */
#define KVF_LITE_BATCH_ENTRIES 256
#define KVF_LITE_BATCH_BYTES (128u << 10)

/* Copies of entries that were put, not yet given to SQLite. */
struct kvf_lite_batch {
	struct kvf_entry entries[KVF_LITE_BATCH_ENTRIES];
	size_t len, at; /* at: the row that SQLite is reading */
	size_t used;    /* of bytes[] */
	uint8_t bytes[KVF_LITE_BATCH_BYTES];
};

enum kvf_lite_stmt { /* statements that are prepared once */
		     KVF_LITE_BEGIN,
		     KVF_LITE_END,
		     KVF_LITE_GUARD,
		     KVF_LITE_PUT,
		     KVF_LITE_STAGED,
		     KVF_LITE_CHUNK,
		     KVF_LITE_UNIT,
		     KVF_LITE_PROGRESS,
		     KVF_LITE_GET,
		     KVF_LITE_NSTMT
};

struct kvf_lite {
	struct kvf_store base;
	char *path;
	char *table;     /* the live table */
	int table_given; /* ... was named by the caller */
	sqlite3 *db;     /* NULL while there is no file */
	sqlite3_stmt *stmt[KVF_LITE_NSTMT];
	int in_tx;      /* a transaction of the stage is open */
	uint64_t stage; /* the generation we fill */
	int copy_live;
	uint64_t commit_bytes;
	uint64_t tx_bytes; /* put since the last commit */
	double tx_begun;
	uint64_t unsampled; /* bytes since the last sample */
	uint64_t samples;   /* keys kept as samples of this stage */
	int hasty;          /* do not wait for locks */
	struct kvf_lite_batch batch;
	struct kvf_merge_stats merge;
	int64_t data_version;    /* when the store was acquired */
	struct kvf_totals live;  /* of the live table then */
	struct kvf_buf value;    /* of get and unit */
	struct kvf_arena ledger; /* texts of the last ledger row */
};

/* ---- sqlite_open.c -------------------------------------------------------- */

/*
 * A new connection to the store's file, which must be there; for reading it
 * changes nothing.  Closed with sqlite3_close().
 */
enum kvf_status kvf_lite_connect(struct kvf_lite *s, int writing, sqlite3 **db,
				 struct kvf_err *err);

/* Connect if there was no file when the store was opened, and now there is. */
enum kvf_status kvf_lite_look_again(struct kvf_lite *s, struct kvf_err *err);

/* Make the file if there is none, and connect for writing. */
enum kvf_status kvf_lite_create(struct kvf_lite *s, struct kvf_err *err);

/* Prepare / run SQL that sqlite3_mprintf() makes of the format ("%w" in quotes). */
enum kvf_status kvf_lite_prepare(struct kvf_lite *s, sqlite3 *db, sqlite3_stmt **stmt,
				 struct kvf_err *err, const char *fmt, ...);
enum kvf_status kvf_lite_exec(struct kvf_lite *s, sqlite3 *db, struct kvf_err *err,
			      const char *fmt, ...);
/* Run SQL that yields one number; no row is 0. */
enum kvf_status kvf_lite_number(struct kvf_lite *s, sqlite3 *db, int64_t *n,
				struct kvf_err *err, const char *fmt, ...);
/* Step a prepared statement to its end and reset it. */
enum kvf_status kvf_lite_run(struct kvf_lite *s, sqlite3_stmt *stmt, const char *doing,
			     struct kvf_err *err);

/*
 * Finalize a statement whose columns were read, and return `st`, or what SQLite
 * could not allocate for a column: that shows here only.
 */
enum kvf_status kvf_lite_finish(struct kvf_lite *s, sqlite3_stmt *stmt, enum kvf_status st,
				struct kvf_err *err);

/* Bind bytes as a BLOB, also where they are empty.  Borrowed until the reset. */
void kvf_lite_bind(sqlite3_stmt *stmt, int at, struct kvf_bytes b);
struct kvf_bytes kvf_lite_blob(sqlite3_stmt *stmt, int column);
/* A BLOB of exactly `size` bytes; else zeros, and 0. */
int kvf_lite_fixed(sqlite3_stmt *stmt, int column, void *to, size_t size);
/* A column's text into a field of fixed size, cut to fit. */
void kvf_lite_text(sqlite3_stmt *stmt, int column, char *to, size_t size);

/* ---- sqlite_error.c ------------------------------------------------------- */

/* The error of the last call on `db`: "PATH: cannot DOING: reason". */
enum kvf_status kvf_lite_fail(struct kvf_lite *s, sqlite3 *db, const char *doing,
			      struct kvf_err *err);

/* ---- sqlite_objects.c ------------------------------------------------------ */

/* Create kvferry's tables and the control row in the open transaction. */
enum kvf_status kvf_lite_create_objects(struct kvf_lite *s, struct kvf_err *err);
/* Is there a table, view ... of this name?  Only on KVF_OK is *has an answer. */
enum kvf_status kvf_lite_has(struct kvf_lite *s, sqlite3 *db, const char *type,
			     const char *name, int *has, struct kvf_err *err);
/* What a publication would break or be broken by; "" if nothing. */
enum kvf_status kvf_lite_blocker(struct kvf_lite *s, sqlite3 *db, int *fits, char *buf,
				 size_t size, struct kvf_err *err);
enum kvf_status kvf_lite_changes(struct kvf_store *base, int64_t *n, struct kvf_err *err);
enum kvf_status kvf_lite_inspect(struct kvf_store *base, struct kvf_store_facts *facts,
				 struct kvf_err *err);

/* ---- sqlite_look.c --------------------------------------------------------- */

/* KVF_EPREFLIGHT: a kvferry_control of somebody else. */
enum kvf_status kvf_lite_not_ours(const struct kvf_lite *s, struct kvf_err *err);
enum kvf_status kvf_lite_read_control(struct kvf_lite *s, sqlite3 *db, struct kvf_control *c,
				      struct kvf_err *err);
enum kvf_status kvf_lite_read_generation(struct kvf_lite *s, sqlite3 *db, uint64_t gen,
					 struct kvf_generation *g, struct kvf_err *err);
/* KVF_ENOTFOUND: "nothing is staged". */
enum kvf_status kvf_lite_nothing(const struct kvf_lite *s, enum kvf_scan which,
				 struct kvf_err *err);
enum kvf_status kvf_lite_control(struct kvf_store *base, struct kvf_control *c,
				 struct kvf_err *err);
enum kvf_status kvf_lite_generation(struct kvf_store *base, enum kvf_scan which,
				    struct kvf_generation *g, struct kvf_err *err);
enum kvf_status kvf_lite_get(struct kvf_store *base, struct kvf_bytes part,
			     struct kvf_bytes key, struct kvf_bytes *value,
			     struct kvf_err *err);
enum kvf_status kvf_lite_unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			      uint64_t n, struct kvf_bytes *unit, struct kvf_err *err);
enum kvf_status kvf_lite_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				 struct kvf_err *err);
enum kvf_status kvf_lite_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				  struct kvf_chunk_info *info, struct kvf_err *err);
enum kvf_status kvf_lite_ledger_next(struct kvf_store *base, int64_t after,
				     struct kvf_ledger_row *row, struct kvf_err *err);

/* ---- sqlite_scan.c --------------------------------------------------------- */

enum kvf_status kvf_lite_scan(struct kvf_store *base, enum kvf_scan which,
			      const struct kvf_entry *from, struct kvf_cursor **out,
			      struct kvf_err *err);
enum kvf_status kvf_lite_cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				     struct kvf_err *err);
void kvf_lite_cursor_close(struct kvf_cursor *base);
/*
 * Connect, begin a snapshot, and say which table is meant; table "" = none.  *db
 * is the caller's to close, also after a failure.
 */
enum kvf_status kvf_lite_snapshot(struct kvf_lite *s, enum kvf_scan which, sqlite3 **db,
				  struct kvf_generation *g, char *table, size_t size,
				  struct kvf_err *err);
/* The three columns of a row as an entry; KVF_ETARGET if one is not a BLOB. */
enum kvf_status kvf_lite_entry(struct kvf_lite *s, sqlite3_stmt *stmt, struct kvf_entry *entry,
			       struct kvf_err *err);

/* ---- sqlite_totals.c ------------------------------------------------------- */

enum kvf_status kvf_lite_totals(struct kvf_store *base, enum kvf_scan which,
				struct kvf_totals *t, struct kvf_err *err);

/* ---- sqlite_batch.c -------------------------------------------------------- */

/* Let SQL on `db` see `b` as the table kvferry_batch.  A SQLite result code. */
int kvf_lite_batch_register(sqlite3 *db, struct kvf_lite_batch *b);
/* Copy an entry in; 0 if it does not fit any more. */
int kvf_lite_batch_add(struct kvf_lite_batch *b, const struct kvf_entry *e);
void kvf_lite_batch_clear(struct kvf_lite_batch *b);

/* ---- sqlite_acquire.c ----------------------------------------------------- */

enum kvf_status kvf_lite_acquire(struct kvf_store *base, uint64_t seen_epoch,
				 const struct kvf_claim *claim, struct kvf_err *err);
enum kvf_status kvf_lite_beat(struct kvf_store *base, const char *step, struct kvf_err *err);

/* ---- sqlite_stage.c -------------------------------------------------------- */

/* Begin a transaction in which we hold the store in `state`; else KVF_EBUSY. */
enum kvf_status kvf_lite_begin(struct kvf_lite *s, enum kvf_run_state state,
			       struct kvf_err *err);
enum kvf_status kvf_lite_end(struct kvf_lite *s, struct kvf_err *err);
/* Why the guard did not match: KVF_EBUSY, unless that cannot be read. */
enum kvf_status kvf_lite_lost(struct kvf_lite *s, struct kvf_err *err);
/* Give the open transaction up, and the locks with it. */
void kvf_lite_rollback(struct kvf_lite *s);
enum kvf_status kvf_lite_stage(struct kvf_store *base, int copy_live, struct kvf_err *err);
enum kvf_status kvf_lite_put(struct kvf_store *base, const struct kvf_entry *entry,
			     struct kvf_err *err);
enum kvf_status kvf_lite_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			       struct kvf_bytes marks, struct kvf_err *err);
enum kvf_status kvf_lite_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				   struct kvf_bytes unit, struct kvf_err *err);
enum kvf_status kvf_lite_flush(struct kvf_store *base, struct kvf_err *err);
void kvf_lite_merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m);

/* ---- sqlite_early.c -------------------------------------------------------- */

/* Make the live table, empty, in the open transaction. */
enum kvf_status kvf_lite_create_live(struct kvf_lite *s, struct kvf_err *err);
/* In the transaction of the acquire: have the early table where there is to be one, or
 * none where not.  Takes number *next for it, if it needs one. */
enum kvf_status kvf_lite_early_begin(struct kvf_lite *s, const struct kvf_control *c,
				     const struct kvf_claim *claim, uint64_t *next,
				     struct kvf_err *err);
/* KVF_EPREFLIGHT if there is one, and others have written into it. */
enum kvf_status kvf_lite_early_check(struct kvf_lite *s, const char *kept, struct kvf_err *err);
/* What they have written; "" if nothing. */
enum kvf_status kvf_lite_early_intruder(struct kvf_lite *s, char *buf, size_t size,
					struct kvf_err *err);
/* In the transaction of an abort: take it away. */
enum kvf_status kvf_lite_early_end(struct kvf_lite *s, const struct kvf_control *c,
				   struct kvf_err *err);
/* In the transaction of a rollback, when the tables have been exchanged; `c` is the row
 * before it. */
enum kvf_status kvf_lite_early_again(struct kvf_lite *s, const struct kvf_control *c,
				     struct kvf_err *err);

/* ---- sqlite_live.c --------------------------------------------------------- */

/* In the transaction of the acquire. */
enum kvf_status kvf_lite_live_begin(struct kvf_lite *s, struct kvf_err *err);
/* In the transaction of the commit: KVF_EPREFLIGHT if the live data are others
 * than they were at the acquire. */
enum kvf_status kvf_lite_live_check(struct kvf_lite *s, struct kvf_err *err);

enum kvf_status kvf_lite_note_frozen(struct kvf_store *base, const char *place,
				     struct kvf_err *err);

/* ---- sqlite_commit.c ------------------------------------------------------- */

/* Drop every generation that nobody needs, in the open transaction. */
enum kvf_status kvf_lite_drop_orphans(struct kvf_lite *s, struct kvf_err *err);
enum kvf_status kvf_lite_seal(struct kvf_store *base, const uint8_t root[32],
			      const struct kvf_totals *t, int exact_packages,
			      struct kvf_err *err);
enum kvf_status kvf_lite_commit(struct kvf_store *base, uint64_t schema,
				struct kvf_bytes version_done, const struct kvf_ledger_row *row,
				struct kvf_err *err);
enum kvf_status kvf_lite_gc(struct kvf_store *base, struct kvf_err *err);
void kvf_lite_note_failure(struct kvf_store *base, const char *why);
enum kvf_status kvf_lite_ledger_append(struct kvf_store *base, uint64_t epoch,
				       const struct kvf_ledger_row *row, struct kvf_err *err);
/* Give the connection up, with whatever is open on it, and take a new one. */
enum kvf_status kvf_lite_reconnect(struct kvf_lite *s, struct kvf_err *err);
/* Insert a row in whatever transaction is open. */
enum kvf_status kvf_lite_insert_ledger(struct kvf_lite *s, const struct kvf_ledger_row *row,
				       struct kvf_err *err);
/* Is this very row there? */
enum kvf_status kvf_lite_in_ledger(struct kvf_lite *s, const struct kvf_ledger_row *row,
				   int *yes, struct kvf_err *err);

/* ---- sqlite_back.c --------------------------------------------------------- */

enum kvf_status kvf_lite_abort(struct kvf_store *base, uint64_t seen,
			       const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_lite_rollback_to_previous(struct kvf_store *base, uint64_t seen,
					      const struct kvf_totals *live,
					      const struct kvf_ledger_row *row,
					      struct kvf_err *err);
enum kvf_status kvf_lite_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			       struct kvf_chunk_info *info, struct kvf_bytes *marks,
			       struct kvf_err *err);
enum kvf_status kvf_lite_sweep(struct kvf_store *base, struct kvf_err *err);
enum kvf_status kvf_lite_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				   struct kvf_err *err);
enum kvf_status kvf_lite_cleanup(struct kvf_store *base, uint64_t seen,
				 const struct kvf_ledger_row *row, struct kvf_err *err);
enum kvf_status kvf_lite_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
				const struct kvf_ledger_row *row, struct kvf_err *err);

#endif
