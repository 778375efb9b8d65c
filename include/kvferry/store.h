/*
 * kvferry/store.h - the key-value store: entries in, scan out, and the
 * primitives of the import protocol (docs/ARCHITECTURE.md, "Life of a batch").
 *
 * Every function that changes something checks epoch and state in the same
 * transaction.  Deciding what to do with them is the business of migrate; a
 * driver only keeps the guards.
 */
#ifndef KVFERRY_STORE_H
#define KVFERRY_STORE_H

#include <kvferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvf_store;

enum kvf_store_mode {
	KVF_STORE_READ, /* must exist; read-only, nothing is created or locked */
	KVF_STORE_WRITE /* created when missing, by the first call that writes */
};

struct kvf_store_options {
	const char *table;   /* the live table; NULL = the one that kvferry keeps
				there, else "kv" */
	unsigned partitions; /* of a new live table, where the store can: PARTITION BY
				HASH; 0 = as the live one is */
};

/*
 * Open a place ("sqlite:PATH", "postgresql://...").  KVF_ENOTFOUND in READ mode when there is
 * nothing at the place; KVF_ETARGET when it cannot be used; KVF_EUSAGE when no
 * driver knows the place.  `env` must outlive the store.  A handle belongs to
 * one thread at a time; its cursors are closed before it.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_open(const char *place, enum kvf_store_mode mode,
	       const struct kvf_store_options *options, const struct kvf_env *env,
	       struct kvf_store **out, struct kvf_err *err);
KVF_API void kvf_store_close(struct kvf_store *s);

/* "SQLite 3.40.1, /srv/store.db", for people. */
KVF_API const char *kvf_store_identity(const struct kvf_store *s);

/* Where it lies, in full, to be typed again and to be compared: the same text for the
 * same database, whether it is there already or not.  Never a secret; "" = not known. */
KVF_API const char *kvf_store_place(const struct kvf_store *s);

/* ---- looking ------------------------------------------------------------ */

struct kvf_store_facts {
	int exists;         /* there is a database at the place */
	int has_table;      /* the kv table is there */
	int table_fits;     /* ... and has the layout that we publish */
	int has_control;    /* kvferry's own objects are there */
	char table[136];    /* its name; with its schema, where there are any */
	uint64_t entries;   /* live entries, counted without the version record; UINT64_MAX:
				    the user may not read them */
	uint64_t size;      /* bytes on disk, or 0 */
	uint64_t free;      /* bytes free where it lies, UINT64_MAX = unknown ... */
	char where[192];    /* ... and then where to look: "tablespace pg_default", or "" */
	int writable;       /* permissions allow writing */
	char needs[640];    /* what a run must be allowed to do here, for people, or "" */
	char blocker[768];  /* why a publication would be refused (triggers,
				    foreign layout ...), or "" */
	char intruder[512]; /* what others have written into the table before anything
				    was published in it (kvf_control.early), or "" */
};
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_inspect(struct kvf_store *s, struct kvf_store_facts *facts, struct kvf_err *err);

/*
 * A number that another one follows as soon as anybody else has committed to the
 * database: what this handle commits does not count.  Always 0 where the store
 * cannot tell.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_changes(struct kvf_store *s, int64_t *n,
							 struct kvf_err *err);

/* On disk by name; never rename. */
enum kvf_run_state { KVF_RUN_IDLE, KVF_RUN_STAGING, KVF_RUN_SEALED, KVF_RUN_LIVE };
KVF_API const char *kvf_run_state_name(enum kvf_run_state st);

/* On disk by number; never renumber. */
enum kvf_prev_legacy {
	KVF_PREV_KEPT = 0,    /* no: `prev`, if it is not 0 */
	KVF_PREV_NOTHING = 1, /* yes: there was no live table */
	KVF_PREV_EMPTY = 2    /* yes: the live table was empty */
};
/*
 * The live table before anything is live, from the acquire of a first upgrade on, and after its
 * rollback: it holds the application's own version record alone, with the value of a migration
 * that is not done, so that nobody takes the store for a new one.
 */
enum kvf_early {
	KVF_EARLY_NONE = 0,
	KVF_EARLY_TABLE = 1, /* there was no live table: this one is ours */
	KVF_EARLY_RECORD = 2 /* there was one, and it was empty */
};
enum kvf_legacy { KVF_LEGACY_KEPT = 0, KVF_LEGACY_DROPPING = 1, KVF_LEGACY_DROPPED = 2 };

/* The control row (stream.md 2.1).  Texts are NUL-terminated and cut to fit. */
struct kvf_control {
	uint64_t epoch;
	enum kvf_run_state state;
	uint64_t ver;                     /* live schema version; 0 = none yet */
	uint64_t active, stage, prev;     /* generations; 0 = none */
	enum kvf_prev_legacy prev_legacy; /* is the way back the legacy tables? */
	enum kvf_early early;             /* `active` is our record and nothing else */
	enum kvf_legacy legacy;           /* what became of them */
	char run[64];                     /* the owner, "" = none */
	char host[256];
	int64_t pid, pid_start; /* pid_start: its start time, against pid reuse */
	int64_t started, beat;  /* microseconds since 1970, UTC */
	uint32_t lease;         /* seconds for which the owner may give no sign; 0 =
				    it has let go */
	char step[32];          /* what it was doing at its last beat: "load" ... */
	char tool[32];
	char why[768];    /* last failure, for people */
	char frozen[512]; /* the source that was frozen for what is staged or live, as a
			     place without secrets; "" = none */
	/*
	 * Of what is staged while the state is STAGING or SEALED, else of what is
	 * live; kvf_store_generation() tells either at any time.
	 */
	char app[65];
	uint8_t stream[32]; /* SHA-256 of the stream's head unit */
	uint8_t root[32];   /* R, known from the seal on */
	int has_root;
	struct kvf_totals totals;                    /* known from the seal on */
	uint8_t version_part[256], version_key[256]; /* the application's own */
	size_t version_part_len, version_key_len;    /* record; both 0 = none */
	int exact_packages;                          /* kinds name the package of every entry */
};
/* KVF_ENOTFOUND when kvferry never touched this store. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_control(struct kvf_store *s, struct kvf_control *c, struct kvf_err *err);

/* Where an installation stands, seen from outside (stream.md 2.2). */
enum kvf_outside {
	KVF_OUTSIDE_OLD,    /* the old application may run */
	KVF_OUTSIDE_FROZEN, /* neither may write; an export may run */
	KVF_OUTSIDE_STAGED, /* an unfinished run; what is live, if anything, stays readable */
	KVF_OUTSIDE_NEW,    /* the new application may run */
	KVF_OUTSIDE_DONE    /* ... and the legacy tables are gone */
};
/*
 * Of the control row (NULL = kvferry never touched the store), the freeze marker
 * of the source, and whether the legacy tables were dropped.
 */
KVF_API enum kvf_outside kvf_outside_state(const struct kvf_control *c, int frozen,
					   int legacy_dropped);
KVF_API const char *kvf_outside_name(enum kvf_outside o); /* "OLD" ... */

/* PREVIOUS: the generation that a rollback makes live, where it is one. */
enum kvf_scan { KVF_SCAN_LIVE, KVF_SCAN_STAGE, KVF_SCAN_PREVIOUS };

/* What is known of one generation of the data. */
struct kvf_generation {
	uint64_t gen;
	uint64_t ver;      /* schema version it was published with, or 0 */
	int64_t published; /* microseconds since 1970, or 0 */
	char run[64];      /* the run that made it; "" = it was there before */
	char app[65];
	char tool[32];
	uint8_t stream[32], root[32];
	int has_root;
	uint8_t promised[32]; /* R as it was known before the first write */
	int has_promised;
	char mode[64];            /* how it was filled, as the claim said ... */
	char source[512];         /* ... and of which place; "" = of a stream */
	struct kvf_totals totals; /* as sealed; an application may have written since */
	uint8_t version_part[256], version_key[256];
	size_t version_part_len, version_key_len;
	uint8_t version_started[256]; /* the record's value while it is not done */
	size_t version_started_len;
	int exact_packages;
};
/* KVF_ENOTFOUND when there is none, or kvferry never touched this store. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_generation(struct kvf_store *s, enum kvf_scan which, struct kvf_generation *g,
		     struct kvf_err *err);

/*
 * Entries ascending by (partition, key), from `from` on (NULL = all), in one
 * snapshot, without the application's version record.  An entry is valid until
 * the next call.  KVF_EOF at the end.  A store without a live table has no live
 * entries; KVF_ENOTFOUND where nothing is staged, or previous.  Close the cursor before the
 * store is written again: a reader may hold up a commit.
 */
struct kvf_cursor;
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_scan(struct kvf_store *s, enum kvf_scan which, const struct kvf_entry *from,
	       struct kvf_cursor **out, struct kvf_err *err);
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_cursor_next(struct kvf_cursor *c, struct kvf_entry *entry, struct kvf_err *err);
KVF_API void kvf_cursor_close(struct kvf_cursor *c);

/* Count, bytes and m of a whole scan, as fast as the driver can. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_totals(struct kvf_store *s, enum kvf_scan which, struct kvf_totals *t,
		 struct kvf_err *err);

/*
 * One live value, valid until the next call on `s`; KVF_ENOTFOUND.  The version
 * record is found as well: it is live data like any other.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_get(struct kvf_store *s, struct kvf_bytes part, struct kvf_bytes key,
	      struct kvf_bytes *value, struct kvf_err *err);

/* The head, begin and end units that were imported ("head", n = 0; "begin", n;
 * "end", n), live or staged.  Valid until the next call; KVF_ENOTFOUND. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_unit(struct kvf_store *s, enum kvf_scan which, const char *name, uint64_t n,
	       struct kvf_bytes *unit, struct kvf_err *err);

/* ---- the protocol -------------------------------------------------------- */

/* Seconds for which a run may give no sign, where a claim does not say. */
#define KVF_LEASE_DEFAULT 60

/* One line of the ledger; append-only.  Texts may be NULL. */
struct kvf_ledger_row {
	int64_t id;              /* set by the store */
	int64_t at;              /* microseconds since 1970 */
	const char *run, *event; /* event: begin publish fail refuse backup ... */
	const char *outcome;     /* "ok" or a status word */
	const char *who, *host, *tool, *app;
	uint64_t from, to;    /* schema versions */
	const char *document; /* JSON object with everything else */
};

/* What a run claims the store with. */
struct kvf_claim {
	const char *run, *host, *tool, *app;
	int64_t pid, pid_start, now; /* now: microseconds since 1970 */
	uint64_t active;             /* the live generation that the plan saw; 0 = none */
	uint32_t lease;              /* seconds; 0 = KVF_LEASE_DEFAULT */
	uint8_t stream[32];          /* SHA-256 of the head unit */
	uint8_t root[32];            /* R, where it is known before the first write */
	int has_root;
	const char *mode;   /* what else has to be the same for a stage to be kept: "",
			     "partitions=8" ...; NULL = "" */
	const char *frozen; /* the place of a frozen source; NULL = as the row has it */
	int resume;         /* keep the stage that is there, if it is ours (below) */
	const char *source; /* the place that the stream is made of, by the same command; NULL =
			     it is somebody else's stream */
	struct kvf_bytes version_part, version_key, version_started;
	const struct kvf_ledger_row *row; /* goes into the ledger with it; NULL = none */
};

/*
 * a1 Acquire: compare-and-set on the epoch that the caller has seen (0 and no
 * control row at first: then kvferry's objects are created).  Sets STAGING and
 * the owner, and writes claim->row, in one transaction; the epoch rises.  KVF_EBUSY if the epoch has moved; the
 * holder is named.  Also if another generation is live than the claim says: a
 * commit leaves the epoch as it is, and a run that was believed dead may have
 * made one since the caller looked.  On KVF_OK *c is the new control row and `s` writes under
 * its epoch from now on.  Live data that kvferry did not put there become
 * generation 1, so the first epoch over them is 2.
 *
 * The stage is a fresh one, c->stage == c->epoch, unless `claim->resume` is set,
 * the store was STAGING or SEALED, and kvf_claim_continues() what is staged: then
 * the generation stays, with the chunks that are in it.  Whoever goes on with it
 * compares their digests (kvf_store_progress()) with those of his stream, and
 * acquires again without `resume` when they differ.
 *
 * Where nothing is live and the claim has `version_started`, the live table is there from
 * now on, in the layout that it will have, with that record alone (enum kvf_early); it is
 * generation `active`, and takes a number of its own.  A later acquire keeps it, or makes it
 * again where it is gone.  KVF_EPREFLIGHT if somebody else has written into it, or if there
 * is a table with rows where nothing should be live.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_acquire(struct kvf_store *s, uint64_t seen_epoch, const struct kvf_claim *claim,
		  struct kvf_control *c, struct kvf_err *err);

/*
 * May a stage be filled further by this claim?  The same head unit, application,
 * version record and mode; and where both know R, the same R.  Equal heads with
 * different data are possible: only the chunks' digests tell those apart.
 */
KVF_API int kvf_claim_continues(const struct kvf_claim *claim, const struct kvf_generation *g);

/*
 * The owner is alive, and at `step`: compare-and-set on the epoch.  KVF_EBUSY when
 * superseded.  May be called as often as one likes between chunks: it writes when a
 * quarter of the lease is over, or the step is a new one.  Where others hold the
 * file it is left out.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_beat(struct kvf_store *s, const char *step,
						      struct kvf_err *err);

/*
 * a2 and a7: drop generations that are neither staged, active nor previous,
 * then create the stage if it is not there; `copy_live` fills it with the live
 * entries (--merge), and needs a fresh one.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_stage(struct kvf_store *s, int copy_live,
						       struct kvf_err *err);

/*
 * a3: add an entry of the current chunk; it is copied.  Entries should come
 * ascending within a package.  A key that is staged already is KVF_ESTREAM (it
 * stood in two packages), and so is the application's version record.  With
 * copy_live an equal value counts as `same`, another one as a conflict, and
 * what was live stays in the stage.  Errors may be reported by a later call on
 * the way to the seal, and from put to commit they are sticky: only a new
 * acquire makes the handle good again.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_put(struct kvf_store *s, const struct kvf_entry *entry, struct kvf_err *err);

/*
 * The chunk is whole: its progress row goes into the same transaction.  The
 * driver commits now or a few chunks later, and checks epoch and state in
 * every transaction (KVF_EBUSY "superseded").
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_chunk(struct kvf_store *s, const struct kvf_chunk_info *info, struct kvf_err *err);

/* Keep a unit with the stage, in place of what it kept under that name and
 * number; see kvf_store_unit(). */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_keep_unit(struct kvf_store *s, const char *name, uint64_t n, struct kvf_bytes unit,
		    struct kvf_err *err);

/* Commit whatever kvf_store_chunk() left open; what is stored is durable. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_flush(struct kvf_store *s,
						       struct kvf_err *err);

/* The first progress row of the stage at or after (n, i); KVF_EOF if none. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_progress(struct kvf_store *s, uint64_t n, uint64_t i, struct kvf_chunk_info *info,
		   struct kvf_err *err);

/* How many chunks are in the stage, and how many entries and bytes (not m). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_applied(struct kvf_store *s, uint64_t *chunks,
							 struct kvf_totals *t,
							 struct kvf_err *err);

#define KVF_CONFLICTS_NAMED 20
/* What --merge found. */
struct kvf_merge_stats {
	struct kvf_totals copied; /* live entries that were copied */
	struct kvf_totals same;   /* entries of the stream that were there, equal */
	uint64_t conflicts;       /* keys held with different values */
	size_t nnamed;
	char named[KVF_CONFLICTS_NAMED][192]; /* printed partition and key */
};
KVF_API void kvf_store_merge_stats(const struct kvf_store *s, struct kvf_merge_stats *m);

/* a5 Seal: CAS epoch and STAGING; remembers root and totals. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_seal(struct kvf_store *s, const uint8_t root[32], const struct kvf_totals *t,
	       int exact_packages, struct kvf_err *err);

/*
 * a6 Commit: the only commit point.  In one transaction: CAS epoch and SEALED;
 * the live entries are those that the acquire saw (else KVF_EPREFLIGHT: what was
 * written since would be lost);
 * live table -> previous generation, unless it is an early one, stage -> live; version record and
 * user_version := schema (left alone when the claim's app is ""), the record
 * only where the claim names one and version_done is not empty; state LIVE;
 * the ledger row.  KVF_EBUSY when superseded.  The result is durable on
 * KVF_OK.  On any other status the error's detail says what readers see, as far
 * as it could be found out; the control row is the truth.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_commit(struct kvf_store *s, uint64_t schema, struct kvf_bytes version_done,
		 const struct kvf_ledger_row *row, struct kvf_err *err);

/*
 * From now on kvf_store_commit() asks `look` in its transaction, when nobody else
 * can write to the store any more: any status but KVF_OK gives the commit up,
 * and is its status.  `look` may ask kvf_store_changes(), and may not write.  It is
 * known to take that many `seconds`: a server that keeps the store gives it three
 * times as long and 15 seconds more, and then takes us for a process that was stopped.
 */
typedef enum kvf_status kvf_look_fn(void *ctx, struct kvf_store *s, struct kvf_err *err);
KVF_API void kvf_store_before_commit(struct kvf_store *s, kvf_look_fn *look, void *ctx,
				     double seconds);

/* After commit: drop what is no longer needed (older generations, progress). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_gc(struct kvf_store *s, struct kvf_err *err);

/*
 * Remember why a run failed (control.why), and let go of the store: the lease
 * becomes 0.  Best effort, guarded by epoch and an unfinished state.  What
 * belongs to no whole chunk is given up; the handle needs a new acquire.
 */
KVF_API void kvf_store_note_failure(struct kvf_store *s, const char *why);

/*
 * An event, in a transaction of its own; needs kvferry's objects.  On a handle
 * that has acquired the store it is guarded by the epoch: KVF_EBUSY when
 * superseded.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_ledger_append(struct kvf_store *s,
							       const struct kvf_ledger_row *row,
							       struct kvf_err *err);
/* The row with the smallest id > after; valid until the next call; KVF_EOF. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_ledger_next(struct kvf_store *s, int64_t after,
							     struct kvf_ledger_row *row,
							     struct kvf_err *err);

/* Note that a source is frozen, or with "" that it is not any more.  Guarded by
 * nothing: the freeze itself lies in the source.  KVF_ENOTFOUND without a control
 * row. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_note_frozen(struct kvf_store *s, const char *place, struct kvf_err *err);

/* ---- the way back (docs/decisions/rollback.md) ---------------------------- */

/*
 * a9 Abort: compare-and-set on the epoch that the caller has seen, while the
 * state is STAGING or SEALED, or a source is noted as frozen.  In one transaction:
 * epoch + 1, the state LIVE or IDLE as it was before the run, no owner, the stage
 * dropped, the ledger row.  An early live table goes as well, or where it was there before
 * us, or a view names it, its record (KVF_EPREFLIGHT if others have written into it); that
 * can also be all there is to give up.  KVF_EBUSY if the epoch has moved or there is nothing
 * to give up.  Like every call of this
 * part it ends what the handle itself may have under way, and when the answer to
 * its commit was lost it finds out.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_abort(struct kvf_store *s, uint64_t seen_epoch,
						       const struct kvf_ledger_row *row,
						       struct kvf_err *err);

/* What is kept of a committed entry: its key, and a hash of its value. */
struct kvf_mark {
	uint8_t part[65536], key[65536];
	size_t part_len, key_len;
	uint8_t hash[8];
};
/* The hash that the mark of an entry with this value has. */
KVF_API void kvf_mark_hash(struct kvf_bytes value, uint8_t hash[8]);
/*
 * The first progress row of the live generation at or after (n, i), with the
 * marks of its entries, valid until the next call on `s`; KVF_EOF.  What --merge
 * copied has no marks: it is in the previous generation.  After kvf_store_cleanup()
 * marks are empty.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_marks(struct kvf_store *s, uint64_t n, uint64_t i, struct kvf_chunk_info *info,
		struct kvf_bytes *marks, struct kvf_err *err);
/* The next of the marks of a chunk, into the same *mark each time; begin with
 * *at = 0.  KVF_EOF. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_marks_next(struct kvf_bytes marks, size_t *at, struct kvf_mark *mark, struct kvf_err *err);

/*
 * a10 Rollback: compare-and-set on the epoch, while the state is LIVE and a way
 * back is known.  In one transaction: the live table to its generation's name,
 * the previous one to the live name with its own version record, version and
 * user_version as before the commit, epoch + 1, LIVE, or IDLE where kvferry had
 * not published what was there before; no way back from here; the ledger row.  To the
 * legacy tables: the live table is an early one again, if the application has a record.
 * Writers are kept out, and then `live` must be what the live entries amount to:
 * KVF_EPREFLIGHT if somebody has written since the caller looked.  KVF_EPREFLIGHT too
 * without a way back, KVF_EBUSY if the epoch has moved.  What was live is dropped by
 * kvf_store_sweep().
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_rollback(struct kvf_store *s, uint64_t seen_epoch, const struct kvf_totals *live,
		   const struct kvf_ledger_row *row, struct kvf_err *err);

/* Drop what is neither live, previous nor staged; not while a run is under way
 * (KVF_EBUSY).  Changes neither epoch nor state. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_store_sweep(struct kvf_store *s,
						       struct kvf_err *err);

/* What kvf_store_cleanup() would remove. */
struct kvf_leftovers {
	uint64_t generations; /* tables: the previous generation, and orphans */
	uint64_t entries;     /* in them */
	uint64_t bytes;       /* on disk; UINT64_MAX = unknown */
	uint64_t marks;       /* bytes of marks of the live generation */
	int way_back;         /* a rollback is possible until then */
};
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_leftovers(struct kvf_store *s, struct kvf_leftovers *l, struct kvf_err *err);
/*
 * Forget the way back, and drop everything that is not live: compare-and-set on
 * the epoch, while the state is LIVE or IDLE.  One transaction: epoch + 1, tables,
 * marks, the ledger row.  KVF_EBUSY if the epoch has moved or a run is under way.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_cleanup(struct kvf_store *s, uint64_t seen_epoch, const struct kvf_ledger_row *row,
		  struct kvf_err *err);

/*
 * a8, the store's part: note what becomes of the legacy tables.  Compare-and-set
 * on the epoch, while the state is LIVE; epoch + 1; from KVF_LEGACY_DROPPING on
 * they are no way back any more.  With the ledger row in one transaction.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_legacy(struct kvf_store *s, uint64_t seen_epoch, enum kvf_legacy to,
		 const struct kvf_ledger_row *row, struct kvf_err *err);

/* ---- the memory driver, for tests and embedding -------------------------- */

KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_memory(const struct kvf_env *env, struct kvf_store **out, struct kvf_err *err);
/* One more handle on the same data, which live until the last handle is closed. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_memory_share(struct kvf_store *with, struct kvf_store **out, struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
