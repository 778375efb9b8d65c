/*
 * kvferry/migrate.h - the verbs: plan, export, import, migrate, backup,
 * verify, status, history.  Each takes one struct of options, fills one report
 * and leaves all printing to its caller.
 *
 * Options: zero the struct, then set what differs from the default.  Strings
 * are borrowed for the call.  Reports: zeroed by the call, owned by the
 * caller, freed with kvf_report_free() also after a failure (they then say how
 * far it came).
 *
 * Unlike elsewhere, `err` must not be NULL here: what the verbs record of a
 * failure is taken from it.
 */
#ifndef KVFERRY_MIGRATE_H
#define KVFERRY_MIGRATE_H

#include <kvferry/base.h>
#include <kvferry/package.h>
#include <kvferry/source.h>
#include <kvferry/store.h>
#include <kvferry/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a place on the command line is. */
enum kvf_place_kind { KVF_PLACE_STREAM, KVF_PLACE_STDIO, KVF_PLACE_DATABASE };
struct kvf_place {
	enum kvf_place_kind kind;
	int tables;       /* "tables:" stood in front */
	char scheme[24];  /* "sqlite" ... for a database; "postgresql" also
				  * for "service=legacy" and the like */
	const char *rest; /* behind "SCHEME:", or the whole connection string:
				  * points into the text */
	const char *text; /* the whole, without "tables:" */
};
/* KVF_EUSAGE with a hint ("sqlite:shop.db") for what is no place. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_place_parse(const char *text, struct kvf_place *out,
						       struct kvf_err *err);

enum kvf_existing { KVF_EXISTING_REFUSE, KVF_EXISTING_REPLACE, KVF_EXISTING_MERGE };

struct kvf_report;

struct kvf_options {
	/* The application: a definitions folder, or one made in C, or neither =
	 * every table as it is. */
	const char *formats;                       /* -f DIR */
	const struct kvf_application *application; /* set by C callers only */

	const char *source, *target; /* places, as typed */
	const char *table;           /* --table-name of the store, NULL = kv */
	unsigned partitions;         /* --partitions of the store; 0 = as it is */
	const char *const *tables;   /* --table patterns (pg_dump's) */
	size_t ntables;
	const char *const *exclude_tables;
	size_t nexclude_tables;
	const char *const *schemas; /* --schema patterns */
	size_t nschemas;
	const char *const *packages; /* --package */
	size_t npackages;

	int level, level_set;    /* --level */
	uint64_t chunk;          /* --chunk, 0 = 1 MiB */
	uint64_t max_value;      /* --max-value, 0 = 64 MiB */
	const char *keep;        /* --keep STREAM */
	const char *const *args; /* --arg NAME=VALUE, for -f only */
	size_t nargs;
	const char *sides;          /* --sides DIR: for reports beside the stream */
	int overwrite;              /* --overwrite an output file */
	enum kvf_existing existing; /* --replace, --merge */
	int as_tables;              /* --as tables: import to relational tables */
	int no_verify;              /* --no-verify; recorded */
	uint64_t max_rejects;       /* --max-rejects: rows that may be left out; 0 */
	const char *rejects;        /* --rejects FILE: where they are written */
	const char *accept_rejects; /* --accept-rejects HEX: publish without them */
	int freeze;                 /* migrate --freeze: the source refuses writes */
	int allow_live_source;      /* migrate --allow-live-source; recorded */
	int dry_run;
	int allow_partial;       /* --allow-partial */
	unsigned lock_wait;      /* --lock-wait SECONDS for the run that holds the store */
	int takeover;            /* --takeover: whoever holds the store loses it */
	const char *expect_root; /* --expect-root HEX */
	const char *manifest;    /* export, backup: write; import, verify of
						   * one stream: must match */
	int quick;               /* verify of one stream: its control records
						   * only; needs a file */
	int entries;             /* verify --entries: merge both sides */
	size_t max_differences;  /* named by verify and diff; 0 = 20 */
	/* abort, rollback, cleanup, drop-legacy */
	const char *confirm; /* --confirm RUN */
	uint64_t discard;    /* --discard N, with discard_set */
	int discard_set;
	int leftovers;     /* drop-legacy --leftovers: what older releases left behind, too */
	int version_table; /* drop-legacy --version-table: the legacy schema's, too */
	const char *save;  /* --save STREAM: what is live, before it is given up */
	/*
	 * Without `confirm`: ask somebody, who has seen what the report says, to
	 * type report->confirm.  KVF_OK, or KVF_ECANCELLED with a message.  NULL =
	 * nobody can be asked.
	 */
	enum kvf_status (*ask)(void *ctx, const struct kvf_report *report, struct kvf_err *err);
	void *ask_ctx;
	/* How this was asked for, to be typed again, and where; without a password.  Kept
	 * in the ledger, for kvf_store_status(); NULL = not known. */
	const char *command, *folder;
	/* Set by the embedder to read or write another descriptor than 0 and 1. */
	struct kvf_input *input;   /* instead of source "-" */
	struct kvf_output *output; /* instead of target "-" */
};

struct kvf_report_package {
	char *name;
	uint64_t rev, rows, chunks;
	struct kvf_totals totals;
	uint8_t r[32];
	int in_order;     /* the rows came in stream order */
	uint64_t spilled; /* bytes of scratch files */
};

/* One table or record: what plan counts and export reads. */
struct kvf_report_record {
	char *package, *name, *table; /* table: or "(query)" */
	uint64_t rows;                /* UINT64_MAX = unknown */
	int rows_exact;
	uint64_t bytes;   /* estimate; UINT64_MAX = unknown */
	uint64_t entries; /* made from it (not in plan) */
};

/* A step of a run, with its time. */
struct kvf_report_step {
	const char *name;
	double seconds;
	uint64_t entries, bytes;
};

/* What a stream says of a table and an import to tables did not make. */
struct kvf_report_lost {
	char *table, *kind, *name, *why;
};

enum kvf_difference_side { KVF_ONLY_LEFT, KVF_ONLY_RIGHT, KVF_VALUES_DIFFER };
struct kvf_difference {
	enum kvf_difference_side side;
	char *package;       /* or "" where a side has no packages */
	uint8_t *part, *key; /* owned by the report */
	size_t part_len, key_len;
	uint64_t left_value, right_value; /* value lengths; UINT64_MAX = unknown */
};

/* What a check of the definitions found; nothing found is not listed. */
#define KVF_CHECK_SAMPLES 20
struct kvf_report_check {
	char *package, *code, *text, *hint; /* package "" = the application's; hint or NULL */
	int error;
	uint64_t count;
	char *samples[KVF_CHECK_SAMPLES];
	size_t nsamples;
};

struct kvf_report {
	char run[64];
	char app[65];
	char source[512], target[512]; /* identities for people */
	char store[512];               /* the target's place, in full */
	uint64_t from, schema;         /* schema versions: read, and set */
	uint64_t live;                 /* version live in the store before; 0 = none */
	int published;                 /* the version was bumped (or data published) */
	int already;                   /* nothing to do: the same data are live */
	int partial;                   /* a selection: never bumps */
	int in_place;                  /* source and store are one database */
	struct kvf_writers writers;    /* migrate, plan: who may write to the source */
	int has_rejects;               /* rows are missing that could not be carried */
	int rejects_accepted;          /* ... and that was accepted */
	uint64_t rejects;              /* how many; 0 where only the stream knows of them */
	uint8_t rejects_digest[32];    /* of the rejects file */
	char rejects_file[512], rejects_by_reason[512];
	char rejects_pending[65]; /* status: the digest that a run waits for; or "" */
	char *command, *folder;   /* status: what was last typed, and where; or NULL */
	int thawed;               /* abort, rollback: it may be written again */
	int is_frozen;            /* it refuses writes: */
	struct kvf_freeze frozen;
	struct kvf_report_package *packages;
	size_t npackages;
	struct kvf_report_record *records;
	size_t nrecords;
	struct kvf_report_check *checks;
	size_t nchecks;
	struct kvf_report_lost *lost;
	size_t nlost;
	struct kvf_report_step steps[8];
	size_t nsteps;
	struct kvf_tail tail;
	uint64_t file_bytes; /* size of the stream written or read */
	char staged_of[512]; /* status: the source of an unfinished migrate; "" = a stream */
	uint64_t resumed;    /* chunks that an earlier run had brought already; status:
				  that the unfinished run has brought */
	struct kvf_merge_stats merge;
	/* verify and diff */
	int equal;
	struct kvf_totals left, right;
	uint64_t only_left, only_right, differ;
	struct kvf_difference *differences;
	size_t ndifferences;
	/* rollback, cleanup, drop-legacy.  rollback: `left` and `right` are what was
	 * committed and what is live; only_left, only_right and differ count removed,
	 * new and changed keys, named in differences. */
	char confirm[64]; /* the run to confirm; "" = no need to */
	uint64_t written; /* keys that are not as they were committed */
	int written_known;
	struct kvf_leftovers leftovers;
	const char **tables; /* that drop-legacy drops, or dropped; "view NAME" ... */
	size_t ntables;
	/* plan */
	uint64_t need_bytes, free_bytes; /* UINT64_MAX = unknown */
	struct kvf_store_facts facts;
	struct kvf_control control; /* status and plan; zero if there is none */
	int has_control;
	double lock_until;     /* of --lock-wait; 0 = it has not begun */
	uint64_t silent_epoch; /* an owner who gave no sign of life while we watched, */
	int64_t silent_beat;   /* and his last one */
	char **warnings;
	size_t nwarnings;
	char note[1024]; /* KVFN of a stream that was read */
	void *memory;    /* owns the texts and lists above */
};
KVF_API void kvf_report_free(struct kvf_report *report);

/*
 * Give the arguments of `formats` their values, those of o->args or what the
 * source says, before its records are described.  The verbs below do it
 * themselves.
 */
struct kvf_formats;
struct kvf_source;
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_give_arguments(const struct kvf_options *o, struct kvf_source *source,
		   struct kvf_formats *formats, struct kvf_err *err);

/* What would happen; writes nothing, takes no lock. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_plan(const struct kvf_options *o,
						const struct kvf_env *env,
						struct kvf_report *report, struct kvf_err *err);
/* Source tables -> stream (target place or o->output). */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_export(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	   struct kvf_err *err);
/* Stream (source place or o->input) -> store, verified, then published.  With
 * o->as_tables: tables that were carried as they are -> tables again. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_import(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	   struct kvf_err *err);
/* Source tables -> store; both at once, through a pipe in memory. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_migrate(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	    struct kvf_err *err);
/* Store -> stream. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_backup(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	   struct kvf_err *err);
/*
 * Do two places (source and target of the options; any of tables, stream and
 * store) hold the same entries?  KVF_OK or KVF_EMISMATCH.  verify of a single
 * stream (target NULL) reads and checks it; KVF_ESTREAM if its root is not the
 * expected one.  kvf_diff always merges both sides and lists what differs.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_verify(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	   struct kvf_err *err);
KVF_API KVF_MUST_CHECK enum kvf_status kvf_diff(const struct kvf_options *o,
						const struct kvf_env *env,
						struct kvf_report *report, struct kvf_err *err);
/* Where the store (o->target) stands: control and facts of the report. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_store_status(const struct kvf_options *o, const struct kvf_env *env,
		 struct kvf_report *report, struct kvf_err *err);
/*
 * Give up the unfinished run of the store (o->target): nothing live changes.
 * report->already when there is none.  KVF_EBUSY for a run that is at work, unless
 * o->takeover.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_abort(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	  struct kvf_err *err);
/*
 * Back to what was live before the last run, confirmed by its id and by the number
 * of keys written since.  KVF_EUSAGE, with the command to type, without that;
 * KVF_EPREFLIGHT without a way back; KVF_EUNFINISHED while a run is unfinished.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_rollback(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	     struct kvf_err *err);
/* Remove previous generations and leftovers; confirmed where that ends the way back. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_cleanup(const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *report,
	    struct kvf_err *err);
/*
 * Drop the tables of the source that the application lists under `drop`, after
 * verifying again that the store holds them; confirmed.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_drop_legacy(const struct kvf_options *o, const struct kvf_env *env,
		struct kvf_report *report, struct kvf_err *err);
/*
 * Is the run that the control row names still at work, as far as one can tell from
 * this machine?  Not if it has let go, nor if its process on this host is gone; a
 * run on another host is believed.
 */
KVF_API int kvf_owner_alive(const struct kvf_control *c);
/* Each row of the ledger of o->target, oldest first, to `row`. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_history(const struct kvf_options *o, const struct kvf_env *env,
	    void (*row)(void *ctx, const struct kvf_ledger_row *row), void *ctx,
	    struct kvf_err *err);

/*
 * Entries of any place in stream order (for cat): by package for tables and
 * streams, by key for stores.  `name` is the package or "".  A non-zero return
 * of the callback ends it with KVF_OK.
 */
typedef int kvf_entry_fn(void *ctx, const char *name, const struct kvf_begin *begin,
			 const struct kvf_entry *entry);
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_each_entry(const struct kvf_options *o, const struct kvf_env *env, kvf_entry_fn *fn,
	       void *ctx, struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
