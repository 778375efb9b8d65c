/*
 * run - what the verbs share: the report as it is filled, the application as it
 * is bound to a source, entries out of any place.
 *
 *   place.c    operands                 report.c   filling and freeing reports
 *   bound.c    definitions + source     gather.c     rows -> entries in stream order
 *   export.c   tables -> stream         import.c   stream -> store: the protocol
 *   gather_parts.c  parts of a record at once
 *   gather_window.c  small parts, merged as they come
 *   migrate.c  both, through a pipe     backup.c   store -> stream
 *   side.c     entries of any place     verify.c   two places compared
 *                              verify_stream.c  one stream checked
 *   units.c    what a store keeps of    ledger.c   history
 *              the stream's records     plan.c     what would happen; status
 *   apart.c    operands that must not be one file
 *   heads.c    two heads, field by field
 *   tables.c   stream -> relational tables (tables_rows.c, tables_prove.c)
 *   tables_back.c  an application's entries -> its legacy tables
 *   args.c     what --arg gives        checks.c     what definitions ask first
 *   sides.c    reports beside the stream
 *   freeze.c   a source that must not change   events.c   for machines
 *   rejects.c  rows that cannot be carried
 *   holder.c   who has the store            resume.c   a stage that is there already
 *   back.c     abort, rollback, cleanup        legacy.c  the end of the legacy tables
 *   thaw.c     the freeze they lift
 *   writes.c   what was written since a commit   keep.c   the stream of --keep
 */
#ifndef KVF_RUN_H
#define KVF_RUN_H

#include <kvferry/formats.h>
#include <kvferry/migrate.h>
#include <kvferry/source.h>

#include "base/buf.h"
#include "sort/sort.h"
#include "value/sink.h"

#include <stdatomic.h>

/* ---- report.c ------------------------------------------------------------ */

KVF_MUST_CHECK enum kvf_status kvf_report_init(struct kvf_report *r, struct kvf_err *err);
/* A text that lives as long as the report; NULL when out of memory. */
char *kvf_report_text(struct kvf_report *r, const char *fmt, ...) KVF_PRINTF(2, 3);
void *kvf_report_alloc(struct kvf_report *r, size_t size);
/* The store is known by this place from now on. */
void kvf_report_store(struct kvf_report *r, const struct kvf_store *store);
/* A name for people, cut to fit: valid UTF-8 without control characters. */
void kvf_report_name(char *to, size_t size, const char *fmt, ...) KVF_PRINTF(3, 4);
/* A warning is printed with the result, not as it happens. */
void kvf_report_warn(struct kvf_report *r, const char *fmt, ...) KVF_PRINTF(2, 3);
/* Steps: begin gives the index, end fills in time and amounts. */
size_t kvf_report_step(struct kvf_report *r, const char *name);
void kvf_report_step_end(struct kvf_report *r, size_t step, uint64_t entries, uint64_t bytes);
/* One row of kvf_report.packages for each name. */
KVF_MUST_CHECK enum kvf_status kvf_report_packages(struct kvf_report *r,
						   const char *const *names, size_t n,
						   struct kvf_err *err);

/* Count a difference, and name it while fewer than `max` are named; always the same
 * `max` for one report.  The entry of a side that has none is NULL. */
KVF_MUST_CHECK enum kvf_status
kvf_report_difference(struct kvf_report *r, size_t max, enum kvf_difference_side side,
		      const char *package, const struct kvf_entry *left,
		      const struct kvf_entry *right, struct kvf_err *err);

/* events.c */
void kvf_tell(const struct kvf_env *env, const char *name, const struct kvf_event_fact *facts,
	      size_t n);

int kvf_stopped(const struct kvf_env *env);
/* The same, with a name for sessions (base/session.h). */
struct kvf_env kvf_env_named(const struct kvf_env *env, const char *session);
/* KVF_EINTERRUPTED when somebody asked to stop. */
KVF_MUST_CHECK enum kvf_status kvf_check_stop(const struct kvf_env *env, struct kvf_err *err);
void kvf_logf(const struct kvf_env *env, enum kvf_log_level level, const char *fmt, ...)
	KVF_PRINTF(3, 4);

/* Counts entries and sends kvf_progress every few thousand of them. */
struct kvf_meter {
	const struct kvf_env *env;
	struct kvf_progress p;
	uint64_t next; /* entries at which the callback is due */
};
void kvf_meter_begin(struct kvf_meter *m, const struct kvf_env *env, const char *step,
		     unsigned index, unsigned steps, uint64_t total, int estimate);
/* `what` is kept until the next call. */
void kvf_meter_at(struct kvf_meter *m, const char *what);
void kvf_meter_send(struct kvf_meter *m);
static inline void kvf_meter_add(struct kvf_meter *m, uint64_t entries, uint64_t bytes)
{
	m->p.entries += entries;
	m->p.bytes += bytes;
	if (m->p.entries >= m->next)
		kvf_meter_send(m);
}

/* ---- bound.c ------------------------------------------------------------- */

/* An application bound to a source: which packages, which rows, which shapes. */
struct kvf_bound {
	const struct kvf_application *app;
	struct kvf_source *source;              /* borrowed */
	struct kvf_formats *formats;            /* when it came from -f */
	struct kvf_application *exact;          /* when it came from the tables */
	const struct kvf_table *const **shapes; /* [package][record] of app */
	size_t *selected;                       /* indexes into app->packages */
	const char **names;                     /* their names, in stream order */
	size_t nselected;
	int partial;           /* a selection was made */
	struct kvf_pair *args; /* for the head: sorted by name */
	size_t nargs;
	uint64_t from;      /* schema version that the source has */
	uint8_t digest[32]; /* of the definitions; 0 without */
	struct kvf_arena memory;
};

/*
 * Load -f, or make the application of the tables, and bind it.  Checks the
 * source's schema version (KVF_EVERSION) unless `any_version`.  Arguments that are
 * not given are those of `earlier`, the head of a stream of the same application
 * (NULL = none), or what the definitions say.
 */
KVF_MUST_CHECK enum kvf_status kvf_bound_open(const struct kvf_options *o,
					      struct kvf_source *source,
					      const struct kvf_head *earlier, int any_version,
					      struct kvf_bound *b, struct kvf_err *err);
/*
 * After `st`: where that says that a privilege is missing, or nothing wrong so far, every
 * one that is missing is named, KVF_EPREFLIGHT; else `st` is returned.
 */
enum kvf_status kvf_bound_may_read(const struct kvf_bound *b, enum kvf_status st,
				   struct kvf_err *err);
void kvf_bound_close(struct kvf_bound *b);
/* One cell for a message: short, escaped. */
void kvf_cell_print(const struct kvf_cell *c, char *buf, size_t size);
/*
 * args.c: give the arguments of `formats` (NULL = there are none) their values,
 * from the options or by asking the source; those that are to be shown go to
 * *pairs.  KVF_EUSAGE for one that is not declared, KVF_EDECISION without value.
 */
KVF_MUST_CHECK enum kvf_status
kvf_arguments(const struct kvf_options *o, struct kvf_source *source,
	      const struct kvf_head *earlier, struct kvf_formats *formats,
	      struct kvf_arena *memory, struct kvf_pair **pairs, size_t *npairs,
	      struct kvf_err *err);
/* checks.c: findings go to the report; KVF_EPREFLIGHT for those of an error.  The
 * application's own errors come first, before a record is described. */
KVF_MUST_CHECK enum kvf_status kvf_checks_first(const struct kvf_bound *b, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_checks_run(const struct kvf_bound *b,
					      const struct kvf_env *env, struct kvf_report *r,
					      struct kvf_err *err);
/* Where a record is read in parts, the ordinal of an origin is that of the row times
 * this, plus the part: so rows are told apart by their place first. */
#define KVF_ORIGIN_PARTS 256
/* The i-th column that tells a row of a record: 0 if there is none. */
int kvf_bound_key(const struct kvf_record *record, const struct kvf_table *shape, size_t i,
		  size_t *column);
/* The name of a column of its rows, or NULL. */
const char *kvf_bound_column(const struct kvf_record *record, const struct kvf_table *shape,
			     size_t i);
/* "products row 17 (sku A-1)": for messages; reads the record again, planned in
 * `parts` as before. */
void kvf_bound_name_row(const struct kvf_bound *b, size_t package, struct kvf_origin origin,
			unsigned parts, char *buf, size_t size);

/* ---- rejects.c: rows that cannot be carried ---------------------------------- */

struct kvf_rejects;
KVF_MUST_CHECK enum kvf_status kvf_rejects_new(uint64_t max, struct kvf_rejects **out,
					       struct kvf_err *err);
void kvf_rejects_free(struct kvf_rejects *r);
/* Forget all: what was read is read again. */
void kvf_rejects_clear(struct kvf_rejects *r);
/* A stable word for what a message of KVF_EREJECT says. */
const char *kvf_reject_code(const char *message);
/* Let a row pass; *err is why it was refused, and is cleared.  KVF_EREJECT, with
 * *err as it was, when that is one too many. */
KVF_MUST_CHECK enum kvf_status kvf_rejects_take(struct kvf_rejects *r,
						const struct kvf_bound *b, size_t package,
						size_t record, const struct kvf_row *row,
						const struct kvf_env *env, struct kvf_err *err);
/* A package has been read: *n is 1 if its `end` record is to have the side. */
struct kvf_side;
KVF_MUST_CHECK enum kvf_status kvf_rejects_end(struct kvf_rejects *r, struct kvf_side *side,
					       size_t *n, struct kvf_err *err);
/* Write the file, if there is anything in it, and fill the report. */
KVF_MUST_CHECK enum kvf_status
kvf_rejects_write(const struct kvf_rejects *r, const struct kvf_options *o,
		  struct kvf_report *report, struct kvf_err *err);
/* KVF_EREJECT, unless nothing is missing or that was accepted.  `changed` ends the
 * detail: "Nothing was published." */
KVF_MUST_CHECK enum kvf_status kvf_rejects_judge(const struct kvf_options *o,
						 struct kvf_report *r, const char *changed,
						 struct kvf_err *err);

/* ---- gather.c: rows of a bound application as entries in stream order -------- */

/*
 * The entries of one package.  For tables carried as they are each record is a
 * partition of its own and records follow each other, so that one table at a
 * time is sorted; otherwise all records of the package are sorted together.
 */
struct kvf_gather {
	const struct kvf_bound *bound;
	size_t package; /* index into app->packages */
	const struct kvf_env *env;
	const char *scratch;
	struct kvf_meter *meter;     /* counts what is read; may be NULL */
	struct kvf_writer *writer;   /* set by the caller: entries that come in order
				      may go there at once */
	int can_rewind;              /* ... and what went there can be taken back */
	atomic_int *misguessed;      /* or all can begin anew, once this is set; or NULL */
	int straight, disorder;      /* under way; and it did not ascend */
	size_t record;               /* next record to read */
	struct kvf_sorter *sorter;   /* NULL: read before going on */
	struct kvf_sorter **sorters; /* while reading: one for each part that is read
				      at the same time; [0] is `sorter` */
	unsigned nsorters;
	unsigned parts; /* in which the current records are read, at most */
	struct kvf_limits limits;
	struct kvf_rejects *rejects; /* rows may be left out; NULL = a bad one ends it */
	struct kvf_buf held;         /* entries of the row that is converted, then */
	int letting_go;              /* ... they are on their way */
	struct kvf_sink sink;
	struct kvf_origin reading; /* the row being converted */
	struct kvf_origin last;    /* of the entry handed out before */
	struct kvf_buf last_key;   /* its partition and key */
	size_t last_part;
	uint64_t rows, spilled;                 /* so far */
	int in_order;                           /* every record came in order */
	uint64_t *record_rows, *record_entries; /* per record of the package */
};
KVF_MUST_CHECK enum kvf_status kvf_gather_open(struct kvf_gather *f, const struct kvf_bound *b,
					       size_t package, const struct kvf_limits *limits,
					       const char *scratch, const struct kvf_env *env,
					       struct kvf_meter *meter, struct kvf_err *err);
/* The next entry, valid until the next call; KVF_EOF.  Equal keys are
 * KVF_EDEFINITION, with both rows named. */
KVF_MUST_CHECK enum kvf_status kvf_gather_next(struct kvf_gather *f, struct kvf_entry *entry,
					       struct kvf_err *err);
void kvf_gather_close(struct kvf_gather *f);

/* What all selected packages amount to. */
KVF_MUST_CHECK enum kvf_status
kvf_bound_totals(const struct kvf_bound *b, const struct kvf_options *o, const char *scratch,
		 const struct kvf_env *env, struct kvf_totals *t, struct kvf_err *err);

/* gather_parts.c: several parts of a record at once, each in a thread. */

/* How many parts the records from g->record to below `stop` offer at most. */
KVF_MUST_CHECK enum kvf_status kvf_gather_count_parts(struct kvf_gather *g, size_t stop,
						      unsigned *parts, struct kvf_err *err);
/* Read the parts of record g->reading.record, part i into g->sorters[i].  After
 * KVF_EREJECT g->reading is the row that was refused. */
KVF_MUST_CHECK enum kvf_status kvf_gather_read_parts(struct kvf_gather *g, unsigned parts,
						     struct kvf_err *err);
/* Finish all sorters, each in a thread, and join them to the first. */
KVF_MUST_CHECK enum kvf_status kvf_gather_join(struct kvf_gather *g, struct kvf_err *err);

/*
 * gather_window.c: read record g->record in small parts, several at once, and
 * merge neighbours straight into the writer.  g->disorder when its rows do not lie
 * nearly in the order of their keys, or do not fit otherwise: then all that went to
 * the writer has to be taken back.
 */
KVF_MUST_CHECK enum kvf_status kvf_gather_window(struct kvf_gather *g, unsigned at_once,
						 unsigned parts, struct kvf_err *err);

/* Would it, and with certainty?  For tables that are carried as they are.  With
 * `guess` the first parts speak for all. */
KVF_MUST_CHECK enum kvf_status kvf_gather_peek(struct kvf_gather *g, int guess, int *fits,
					       struct kvf_err *err);

/* ---- units.c: the head, begin and end units that a store keeps ---------------- */

struct kvf_units {
	struct kvf_head *head; /* NULL: nothing was imported */
	struct kvf_begin **begins;
	size_t n;
};
/* The head of what is live or staged; NULL where the store keeps none.  To be freed
 * by kvf_head_free(). */
KVF_MUST_CHECK enum kvf_status kvf_units_head(struct kvf_store *store, enum kvf_scan which,
					      struct kvf_head **head, struct kvf_err *err);
/* heads.c: in what they differ, "field was X, is Y; ..."; "" = in nothing. */
void kvf_heads_differ(const struct kvf_head *was, const struct kvf_head *is, char *buf,
		      size_t size);
/* Does a stream's head go with the definitions that the caller named?  Names the field
 * in which it does not. */
KVF_MUST_CHECK enum kvf_status kvf_head_check(const struct kvf_head *h,
					      const struct kvf_application *app,
					      struct kvf_err *err);
/* Leaves `u` empty where the store keeps none. */
KVF_MUST_CHECK enum kvf_status kvf_units_load(struct kvf_store *store, struct kvf_units *u,
					      struct kvf_err *err);
/*
 * The package that an entry belongs to: the first with a kind that matches it,
 * else the last.  Needs at least one package.
 */
size_t kvf_units_route(const struct kvf_units *u, const struct kvf_entry *e);
void kvf_units_release(struct kvf_units *u);

/* ---- side.c: entries of any place ------------------------------------------ */

/* One side of a comparison, or what cat prints. */
struct kvf_side_entries;
enum kvf_side_kind { KVF_SIDE_TABLES, KVF_SIDE_STREAM, KVF_SIDE_STORE };

KVF_MUST_CHECK enum kvf_status
kvf_side_open(const struct kvf_options *o, const char *place, const struct kvf_head *earlier,
	      const struct kvf_env *env, struct kvf_meter *meter, struct kvf_side_entries **out,
	      struct kvf_err *err);
enum kvf_side_kind kvf_side_kind(const struct kvf_side_entries *s);
const char *kvf_side_identity(const struct kvf_side_entries *s);
/* The head of a stream, or the one that a store keeps; NULL. */
const struct kvf_head *kvf_side_head(const struct kvf_side_entries *s);
/* Package names in order; a store has none. */
size_t kvf_side_packages(const struct kvf_side_entries *s, const char *const **names);
/* Non-zero if the place has a package of this name; a store remembers them. */
int kvf_side_has_package(const struct kvf_side_entries *s, const char *name);
/* Count, bytes and m of everything, by the fastest way. */
KVF_MUST_CHECK enum kvf_status kvf_side_totals(struct kvf_side_entries *s, struct kvf_totals *t,
					       struct kvf_err *err);
/*
 * Begin to hand out entries: `by_package` in the order of the packages, else in
 * the order of keys over all of them.  A side can be begun more than once,
 * unless it is a pipe.
 */
KVF_MUST_CHECK enum kvf_status kvf_side_begin(struct kvf_side_entries *s, int by_package,
					      struct kvf_err *err);
/* `begin` is NULL where the place does not say; KVF_EOF at the end. */
KVF_MUST_CHECK enum kvf_status
kvf_side_next(struct kvf_side_entries *s, struct kvf_entry *entry, size_t *package,
	      const struct kvf_begin **begin, struct kvf_err *err);
void kvf_side_close(struct kvf_side_entries *s);

/* ---- shared steps ---------------------------------------------------------- */

/* Limits that the options ask for. */
struct kvf_limits kvf_options_limits(const struct kvf_options *o);
/*
 * Where scratch files of a run go: the folder of the target, or where that is no
 * file (or NULL) env->scratch, or /tmp.  Valid as long as buf, which may hold it.
 */
const char *kvf_scratch_dir(const char *target, const struct kvf_env *env, char *buf,
			    size_t size);
/* A name for this run: time and 32 random bits. */
void kvf_run_id(char *buf, size_t size);
/* The head that a bound application gives. */
void kvf_bound_head(const struct kvf_options *o, const struct kvf_bound *b,
		    const struct kvf_limits *limits, struct kvf_head *head);
/* The begin record of one package of it. */
void kvf_bound_begin(const struct kvf_bound *b, size_t package, uint64_t n,
		     const char **sources, struct kvf_begin *begin);
/* An operand that may be a file: a place, or a plain path; NULL text = not given. */
struct kvf_operand {
	const char *what; /* "the source": for the message */
	const char *text;
	int is_path;
	int fd; /* what "-" stands for; -1 = nothing to compare */
	int written;
};
/* KVF_EUSAGE when one of them is written and another one is the same file. */
KVF_MUST_CHECK enum kvf_status kvf_refuse_same_file(const struct kvf_operand *list, size_t n,
						    struct kvf_err *err);
/* Open the stream to write: o->output, a file, or standard output. */
KVF_MUST_CHECK enum kvf_status kvf_open_output(const struct kvf_options *o, const char *place,
					       struct kvf_output **out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_open_input(const char *place, struct kvf_input **in,
					      struct kvf_err *err);

/* export.c: all selected packages into a writer on `out`; not committed. */
struct kvf_export_job {
	const struct kvf_options *options;
	const struct kvf_bound *bound;
	struct kvf_output *out;
	const char *path; /* of the stream, where it is a file; or NULL */
	int level;
	const char *scratch;
	const struct kvf_env *env;
	unsigned step, steps;        /* for progress */
	struct kvf_report *report;   /* packages, records, tail */
	struct kvf_rejects *rejects; /* or NULL */
	/* Whoever reads the output can begin anew: the order of rows may be guessed.  Set
	 * before the failure of a wrong guess.  Or NULL. */
	atomic_int *misguessed;
};
/* sides.c: opened before anything is read, so that a file that may not be
 * replaced is known early; written with the end of package `n` of the selection
 * (sides[its nsides]); visible after _commit. */
struct kvf_sides;
KVF_MUST_CHECK enum kvf_status kvf_sides_open(const struct kvf_export_job *job,
					      struct kvf_sides **out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_sides_write(struct kvf_sides *s, size_t n,
					       struct kvf_side *sides, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_sides_commit(struct kvf_sides *s, struct kvf_err *err);
void kvf_sides_close(struct kvf_sides *s);
KVF_MUST_CHECK enum kvf_status kvf_export_run(const struct kvf_export_job *job,
					      struct kvf_err *err);
/* plan.c: count the rows of every record that the shapes do not know. */
KVF_MUST_CHECK enum kvf_status kvf_report_count(struct kvf_report *r, const struct kvf_bound *b,
						struct kvf_err *err);
/* The `records` of the report; row counts come from the shapes. */
KVF_MUST_CHECK enum kvf_status kvf_report_bound(struct kvf_report *r, const struct kvf_bound *b,
						struct kvf_err *err);

/* ---- freeze.c: a source that must not change under a migrate ------------------- */

struct kvf_still {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *report;
	const struct kvf_report *read; /* the exporter's: rows by record */
	const struct kvf_bound *bound;
	struct kvf_source **source; /* the run's; NULL once it is closed */
	int64_t changes;            /* of the store, when our own writes began: in place */
	int held;                   /* writers are kept out */
	char stamp[80];             /* of our freeze; "" = we rely on none */
	unsigned stamps;            /* so far */
};
/* Who may write to o->source?  To be asked before it is opened. */
KVF_MUST_CHECK enum kvf_status kvf_still_look(const struct kvf_options *o,
					      const struct kvf_env *env, struct kvf_report *r,
					      struct kvf_err *err);
/* Is it frozen? */
KVF_MUST_CHECK enum kvf_status kvf_still_opened(struct kvf_source *source, struct kvf_report *r,
						struct kvf_err *err);
/* KVF_EPREFLIGHT for a live source, as the options say. */
KVF_MUST_CHECK enum kvf_status
kvf_still_refuse(const struct kvf_options *o, const struct kvf_report *r, struct kvf_err *err);
/* Freeze it, or make the freeze that is there ours; it must not be open.  `over` is the
 * run whose data are live in the store, "" = none. */
KVF_MUST_CHECK enum kvf_status kvf_still_freeze(struct kvf_still *s, const char *over,
						struct kvf_err *err);
/* Does the report show a freeze with our stamp? */
int kvf_still_ours(const struct kvf_still *s);
/* Is a freeze that was found for the store of the report?  Its place says so, or its
 * ledger (the store may have been moved). */
int kvf_still_for(const struct kvf_report *r, const struct kvf_freeze *f,
		  struct kvf_store *store);
/* The epoch of the control row that the report shows; 0 = there is none. */
uint64_t kvf_still_epoch(const struct kvf_report *r);
/* may_begin, may_publish and last_look of an import; `ctx` is a struct kvf_still.
 * KVF_EPREFLIGHT when the source has moved, with what it was. */
KVF_MUST_CHECK enum kvf_status kvf_still_begin(void *ctx, struct kvf_store *store,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_still_hold(void *ctx, struct kvf_store *store,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_still_last_look(void *ctx, struct kvf_store *store,
						   struct kvf_err *err);
/* After the run: what is to be said of the source. */
void kvf_still_end(struct kvf_still *s, enum kvf_status st, struct kvf_err *err);

/* import.c: a stream into a store. */
struct kvf_import_job {
	const struct kvf_options *options;
	const struct kvf_env *env;
	struct kvf_input *in;
	const char *place;                 /* of the store */
	const struct kvf_application *app; /* NULL: whatever the head says */
	const uint8_t *definitions;        /* digest, or NULL */
	struct kvf_report *report;
	unsigned step, steps; /* for progress */
	uint64_t total;       /* entries expected, 0 = unknown */
	/* Asked once before the first write, and once right before the commit: may
	 * it go ahead?  May be NULL. */
	enum kvf_status (*may_begin)(void *ctx, struct kvf_store *store, struct kvf_err *err);
	enum kvf_status (*may_publish)(void *ctx, struct kvf_store *store, struct kvf_err *err);
	/* ... and in its transaction, see kvf_store_before_commit(). */
	enum kvf_status (*last_look)(void *ctx, struct kvf_store *store, struct kvf_err *err);
	void *ctx;
	const struct kvf_report *made; /* the exporter's, in the same command; or NULL */
	const char *frozen;            /* the place of the source, if it is; or NULL */
	/* With it: the epoch that was seen before the source was frozen.  Where it is
	 * another one when the store is to be taken, whoever changed it may be about to
	 * lift the freeze: KVF_EBUSY, nothing was changed, and `overtaken` is set.  After
	 * the run: the epoch that it had. */
	uint64_t seen;
	int overtaken;
	/* The stream is made by this very command, of the source at this place: when the
	 * unfinished run was one of the same source, but its stream another one, the
	 * source or the command has changed, and the run begins again.  NULL: it is
	 * somebody else's stream. */
	const char *made_of;
	/* After KVF_ETRUNC: why was the stream cut?  Waits for its maker, and puts his
	 * failure in the place of *err where it is the cause.  May be NULL. */
	enum kvf_status (*cause)(void *ctx, enum kvf_status st, struct kvf_err *err);
	void *cause_ctx;
	/* The maker of the stream has guessed wrong, and ends it to begin anew; or NULL. */
	const atomic_int *misguessed;
	/* Out: the chunks of the unfinished run are of another stream, which cannot be
	 * read again from its beginning, or its maker has guessed wrong.  Nothing was
	 * published; the same job once more starts over. */
	int start_over;
};
KVF_MUST_CHECK enum kvf_status kvf_import_run(struct kvf_import_job *job, struct kvf_err *err);
/* tables_back.c: a stream or store of an application into its legacy tables. */
KVF_MUST_CHECK enum kvf_status kvf_import_back(const struct kvf_options *o,
					       const struct kvf_env *env,
					       struct kvf_report *report, struct kvf_err *err);
/* tables.c: a stream of exactly carried tables into tables again. */
KVF_MUST_CHECK enum kvf_status
kvf_import_tables(const struct kvf_options *o, const struct kvf_env *env, struct kvf_input *in,
		  struct kvf_report *report, struct kvf_err *err);
/*
 * Everything that refuses a store before anything is written.  `app` is the
 * application that wants to write.  Fills facts and control of the report.  Waits
 * for a run that holds the store, as the options say.
 */
KVF_MUST_CHECK enum kvf_status
kvf_import_preflight(struct kvf_store *store, const struct kvf_options *o,
		     const struct kvf_env *env, const char *app, struct kvf_report *report,
		     struct kvf_err *err);
/* holder.c: who has the store, and when another run may take it. */
/* Is a run at work on it, or has one left its work there? */
int kvf_is_unfinished(const struct kvf_control *c);
/*
 * May the store be acquired from the owner in report->control, which was just
 * read?  KVF_OK if he has let go or is dead, if --takeover says so, or as soon as
 * he was seen to give no sign of life for his whole lease, on our own clock; waits
 * for that, and for his end, up to o->lock_wait seconds in all.  KVF_EBUSY names
 * him.  report->control and has_control are then what was read last.
 */
KVF_MUST_CHECK enum kvf_status
kvf_await_store(struct kvf_store *store, const struct kvf_options *o, const struct kvf_env *env,
		struct kvf_report *report, struct kvf_err *err);
/* The same for a place, where there may be no store yet, before anything else is
 * opened: so that no snapshot is held while we wait. */
KVF_MUST_CHECK enum kvf_status kvf_await_place(const char *place, const struct kvf_options *o,
					       const struct kvf_env *env,
					       struct kvf_report *report, struct kvf_err *err);
/* The same for o->target, where there is no store yet; nothing is created. */
KVF_MUST_CHECK enum kvf_status
kvf_preflight_new(const struct kvf_options *o, const struct kvf_env *env,
		  struct kvf_report *report, struct kvf_err *err);
/* The store has refused with KVF_EPREFLIGHT in *err: what the source refuses, too, is told
 * beside it.  Returns KVF_EPREFLIGHT. */
KVF_MUST_CHECK enum kvf_status kvf_preflight_source(const struct kvf_options *o,
						    struct kvf_source *source,
						    struct kvf_err *err);
/* "the store is not empty": what an import says without --replace or --merge. */
KVF_MUST_CHECK enum kvf_status kvf_refuse_not_empty(const struct kvf_report *r,
						    const char *place, struct kvf_err *err);

/* keep.c: is a whole stream there already under o->keep?  Then its root. */
int kvf_kept_root(const struct kvf_options *o, uint8_t root[32]);
/* KVF_EPREFLIGHT if it is not the one that is to be kept. */
KVF_MUST_CHECK enum kvf_status kvf_kept_check(const struct kvf_options *o,
					      const uint8_t before[32], const uint8_t root[32],
					      struct kvf_err *err);

/* manifest.c */
KVF_MUST_CHECK enum kvf_status kvf_manifest_write(const char *path, const struct kvf_report *r,
						  const char *stream_path, int replace,
						  struct kvf_err *err);
/* The root that --expect-root or a manifest promises, if there is one. */
struct kvf_expected_root {
	int is_set;
	uint8_t root[32];
};
KVF_MUST_CHECK enum kvf_status kvf_expected_root(const struct kvf_options *o,
						 struct kvf_expected_root *want,
						 struct kvf_err *err);
/* KVF_ESTREAM, with both of them, if it is another one. */
KVF_MUST_CHECK enum kvf_status kvf_expected_root_check(const struct kvf_expected_root *want,
						       const uint8_t root[32],
						       struct kvf_err *err);

/* verify_stream.c: verify of a single stream. */
KVF_MUST_CHECK enum kvf_status
kvf_verify_stream(const struct kvf_options *o, const struct kvf_env *env,
		  struct kvf_report *report, struct kvf_err *err);

#endif
