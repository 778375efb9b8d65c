/*
 * driver - what a kind of store has to bring.
 *
 * A driver is one `static const` table of functions, all of them present, and
 * a struct that begins with struct kvf_store.  Nobody but store.c calls ->ops:
 * the wrappers there check mode, phase and arguments once, so that a driver
 * sees only calls that make sense, and keep the sticky error.
 *
 * What every driver must hold, whether it has multi-row transactions or not:
 *
 *  - acquire, seal and commit are one compare-and-set on the control row; each
 *    happens wholly or not at all, and commit is durable when it returns.
 *  - A chunk is there with its progress row, or it will be put again.  Where
 *    both cannot go into one transaction, the progress row comes after the data
 *    and putting the same entry again into the same stage changes nothing.
 *  - Nothing that a handle does after another one has acquired the store is
 *    ever seen in live data.
 *  - What readers of the live data see changes only in commit.
 */
#ifndef KVF_STORE_DRIVER_H
#define KVF_STORE_DRIVER_H

#include <kvferry/store.h>

#include "store/marks.h"

/* How far a handle that writes has come; put to commit in this order. */
enum kvf_store_phase {
	KVF_PHASE_LOOKING, /* not acquired */
	KVF_PHASE_ACQUIRED,
	KVF_PHASE_STAGING, /* the stage is there: put, chunk, keep_unit, flush */
	KVF_PHASE_SEALED,
	KVF_PHASE_DONE /* committed */
};

struct kvf_store_ops;

/* Layout of the control tables, in the control row. */
#define KVF_CONTROL_FORMAT 4

/* The part that all drivers share; the wrappers alone change it. */
struct kvf_store {
	const struct kvf_store_ops *ops;
	const struct kvf_env *env;
	enum kvf_store_mode mode;
	enum kvf_store_phase phase;
	uint64_t epoch;         /* ours, from acquire on */
	uint64_t puts;          /* entries since the last chunk ended */
	struct kvf_marks marks; /* ... and theirs */
	uint32_t lease;         /* of our claim, in seconds */
	char step[32];          /* of the last beat, and when it was */
	double beaten;
	struct kvf_err failed;                       /* sticky, from put to commit */
	uint8_t version_part[256], version_key[256]; /* of our claim */
	size_t version_part_len, version_key_len;
	char identity[512], place[512]; /* set by `open` */
	/* Called by kvf_store_last_look(). */
	kvf_look_fn *last_look;
	void *last_look_ctx;
	double look_seconds;
};

struct kvf_cursor {
	struct kvf_store *store;
};

struct kvf_store_ops {
	void (*close)(struct kvf_store *s);

	/* NULL: cannot tell. */
	enum kvf_status (*changes)(struct kvf_store *s, int64_t *n, struct kvf_err *err);
	enum kvf_status (*inspect)(struct kvf_store *s, struct kvf_store_facts *facts,
				   struct kvf_err *err);
	enum kvf_status (*control)(struct kvf_store *s, struct kvf_control *c,
				   struct kvf_err *err);
	enum kvf_status (*generation)(struct kvf_store *s, enum kvf_scan which,
				      struct kvf_generation *g, struct kvf_err *err);
	enum kvf_status (*scan)(struct kvf_store *s, enum kvf_scan which,
				const struct kvf_entry *from, struct kvf_cursor **out,
				struct kvf_err *err);
	enum kvf_status (*cursor_next)(struct kvf_cursor *c, struct kvf_entry *entry,
				       struct kvf_err *err);
	void (*cursor_close)(struct kvf_cursor *c);
	enum kvf_status (*totals)(struct kvf_store *s, enum kvf_scan which,
				  struct kvf_totals *t, struct kvf_err *err);
	enum kvf_status (*get)(struct kvf_store *s, struct kvf_bytes part, struct kvf_bytes key,
			       struct kvf_bytes *value, struct kvf_err *err);
	enum kvf_status (*unit)(struct kvf_store *s, enum kvf_scan which, const char *name,
				uint64_t n, struct kvf_bytes *unit, struct kvf_err *err);

	/* Sets s->epoch; claim->mode is not NULL, claim->lease not 0.  After an error in acquire ... flush nothing of the current
	 * transaction is left; commit says in err->detail what readers see. */
	enum kvf_status (*acquire)(struct kvf_store *s, uint64_t seen_epoch,
				   const struct kvf_claim *claim, struct kvf_err *err);
	/* In no transaction, or in one that it commits.  Never waits for a lock
	 * that this run's own readers may hold. */
	enum kvf_status (*beat)(struct kvf_store *s, const char *step, struct kvf_err *err);
	enum kvf_status (*stage)(struct kvf_store *s, int copy_live, struct kvf_err *err);
	enum kvf_status (*put)(struct kvf_store *s, const struct kvf_entry *entry,
			       struct kvf_err *err);
	/* `marks` are kept with the progress row. */
	enum kvf_status (*chunk)(struct kvf_store *s, const struct kvf_chunk_info *info,
				 struct kvf_bytes marks, struct kvf_err *err);
	enum kvf_status (*keep_unit)(struct kvf_store *s, const char *name, uint64_t n,
				     struct kvf_bytes unit, struct kvf_err *err);
	enum kvf_status (*flush)(struct kvf_store *s, struct kvf_err *err);
	enum kvf_status (*progress)(struct kvf_store *s, uint64_t n, uint64_t i,
				    struct kvf_chunk_info *info, struct kvf_err *err);
	enum kvf_status (*applied)(struct kvf_store *s, uint64_t *chunks, struct kvf_totals *t,
				   struct kvf_err *err);
	void (*merge_stats)(const struct kvf_store *s, struct kvf_merge_stats *m);
	enum kvf_status (*seal)(struct kvf_store *s, const uint8_t root[32],
				const struct kvf_totals *t, int exact_packages,
				struct kvf_err *err);
	enum kvf_status (*commit)(struct kvf_store *s, uint64_t schema,
				  struct kvf_bytes version_done,
				  const struct kvf_ledger_row *row, struct kvf_err *err);
	enum kvf_status (*gc)(struct kvf_store *s, struct kvf_err *err);
	enum kvf_status (*note_frozen)(struct kvf_store *s, const char *place,
				       struct kvf_err *err);
	void (*note_failure)(struct kvf_store *s, const char *why);
	/* `epoch`: guarded by it; 0 = by nothing. */
	enum kvf_status (*ledger_append)(struct kvf_store *s, uint64_t epoch,
					 const struct kvf_ledger_row *row, struct kvf_err *err);
	enum kvf_status (*ledger_next)(struct kvf_store *s, int64_t after,
				       struct kvf_ledger_row *row, struct kvf_err *err);

	/* The way back.  Whatever the handle has under way is over before. */
	enum kvf_status (*abort)(struct kvf_store *s, uint64_t seen_epoch,
				 const struct kvf_ledger_row *row, struct kvf_err *err);
	enum kvf_status (*marks)(struct kvf_store *s, uint64_t n, uint64_t i,
				 struct kvf_chunk_info *info, struct kvf_bytes *marks,
				 struct kvf_err *err);
	enum kvf_status (*rollback)(struct kvf_store *s, uint64_t seen_epoch,
				    const struct kvf_totals *live,
				    const struct kvf_ledger_row *row, struct kvf_err *err);
	enum kvf_status (*sweep)(struct kvf_store *s, struct kvf_err *err);
	enum kvf_status (*leftovers)(struct kvf_store *s, struct kvf_leftovers *l,
				     struct kvf_err *err);
	enum kvf_status (*cleanup)(struct kvf_store *s, uint64_t seen_epoch,
				   const struct kvf_ledger_row *row, struct kvf_err *err);
	enum kvf_status (*legacy)(struct kvf_store *s, uint64_t seen_epoch, enum kvf_legacy to,
				  const struct kvf_ledger_row *row, struct kvf_err *err);
};

/* Drivers that a place can name: "SCHEME:REST". */
enum kvf_status kvf_lite_open(const char *rest, enum kvf_store_mode mode,
			      const struct kvf_store_options *options,
			      const struct kvf_env *env, struct kvf_store **out,
			      struct kvf_err *err);

/* "postgresql:..." or keywords; `place` is the whole text. */
enum kvf_status kvf_pgs_open(const char *place, enum kvf_store_mode mode,
			     const struct kvf_store_options *options, const struct kvf_env *env,
			     struct kvf_store **out, struct kvf_err *err);

/* ---- shared by drivers (shared.c, store.c) ----------------------------------------- */

/* Is there something that an abort gives up: a run, the freeze of a source, or the record
 * that a rollback left? */
int kvf_store_gives_up(const struct kvf_control *c);

/* KVF_EBUSY: "superseded by run ..." or "run ... holds the store". */
enum kvf_status kvf_store_superseded(const struct kvf_control *c, struct kvf_err *err);
enum kvf_status kvf_store_held(const struct kvf_control *c, struct kvf_err *err);

/* KVF_EVERSION: the control row has another layout than ours. */
enum kvf_status kvf_store_other_format(const char *place, int64_t format, struct kvf_err *err);

/* KVF_EPREFLIGHT: what is to be read is kvferry's own table `kept`, not the one asked for. */
enum kvf_status kvf_store_other_table(const char *place, const char *kept, const char *asked,
				      struct kvf_err *err);

/* KVF_EPREFLIGHT: there is no way back; writers came between look and rollback. */
enum kvf_status kvf_store_no_way_back(const struct kvf_control *c, struct kvf_err *err);
enum kvf_status kvf_store_written(const struct kvf_totals *seen, const struct kvf_totals *now,
				  struct kvf_err *err);

/* KVF_ESTREAM for a key that is staged already. */
enum kvf_status kvf_store_duplicate(const struct kvf_entry *entry, int equal,
				    struct kvf_err *err);

/* Count a key of --merge that was there: as `same`, or as a conflict. */
void kvf_merge_count(struct kvf_merge_stats *m, const struct kvf_entry *entry, int equal);

/* Fill what the control row says of one generation: see struct kvf_control. */
void kvf_control_of(struct kvf_control *c, const struct kvf_generation *g);

/* The number of that generation; 0 = none. */
uint64_t kvf_control_gen(const struct kvf_control *c, enum kvf_scan which);

/* Is this the record at (vpart, vkey)?  Never, where there is none. */
int kvf_is_record(struct kvf_bytes part, struct kvf_bytes key, struct kvf_bytes vpart,
		  struct kvf_bytes vkey);

/* ---- early.c: the live table before anything is live ----------------------------------- */

/* The record of an early live table, and whose it is; borrowed. */
struct kvf_early_record {
	struct kvf_bytes part, key, value;
	const char *app, *tool;
	enum kvf_early kind;
};
/* What the claim says of it; value.len = 0: there is to be no early table. */
struct kvf_early_record kvf_early_of_claim(const struct kvf_claim *claim, enum kvf_early kind);
struct kvf_early_record kvf_early_of_generation(const struct kvf_generation *g,
						enum kvf_early kind);
/* The one that a rollback of generation `g` to the legacy tables leaves. */
enum kvf_early kvf_early_after(const struct kvf_control *c, const struct kvf_generation *g);
/* Is that the record of generation `g`? */
int kvf_early_is(const struct kvf_early_record *r, const struct kvf_generation *g);

/* What a driver has found in the table. */
struct kvf_early_look {
	uint64_t others; /* rows that are not the record */
	char first[300]; /* the first of them, for people */
	int has_record, same;
	char value[100]; /* of the record, if it is not the same */
};
/* "PARTITION KEY" for `first`. */
void kvf_early_name(struct kvf_early_look *l, struct kvf_bytes part, struct kvf_bytes key);
/* Say what others have written; "" if nothing. */
void kvf_early_describe(const struct kvf_early_look *l, const struct kvf_generation *g,
			const char *table, char *buf, size_t size);
/* KVF_EPREFLIGHT: `what` they have written.  `kept` ends the detail. */
enum kvf_status kvf_early_refuse(const char *what, const char *kept, struct kvf_err *err);
/* KVF_EPREFLIGHT: a table with rows, and we know of nothing live. */
enum kvf_status kvf_early_unknown(const char *place, const char *table, struct kvf_err *err);

/* In the transaction of a commit, when it keeps all others out: does the caller
 * still want it?  Any status but KVF_OK gives the transaction up. */
enum kvf_status kvf_store_last_look(struct kvf_store *s, struct kvf_err *err);

/* Has the embedder asked to stop?  KVF_EINTERRUPTED, with a message. */
enum kvf_status kvf_store_stopped(const struct kvf_store *s, struct kvf_err *err);

/* The same for a thread that waits for others to read the data; where it is our
 * own stage that they read, the owner is alive (kvf_store_beat()). */
enum kvf_status kvf_store_reading(struct kvf_store *s, struct kvf_err *err);

/* "IDLE" ... to the state; -1 for anything else. */
int kvf_run_state_parse(const char *name);

#endif
