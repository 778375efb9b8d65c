/* back - what abort, rollback, cleanup and drop-legacy share. */
#ifndef KVF_MIGRATE_BACK_H
#define KVF_MIGRATE_BACK_H

#include "migrate/ledger.h"

#define KVF_WRITES_NAMED 20

/* ---- writes.c -------------------------------------------------------------- */

/* What the stream of the live generation held, by the progress rows; no entries
 * where nothing of them is kept. */
KVF_MUST_CHECK enum kvf_status kvf_stream_totals(struct kvf_store *store, struct kvf_totals *t,
						 struct kvf_err *err);
/*
 * Which keys are not as they were committed?  Fills left, right, the counts and
 * differences, and `written`.  written_known stays 0 where that is not kept any
 * more (kvf_store_cleanup()) and the totals differ.
 */
KVF_MUST_CHECK enum kvf_status kvf_written_since(struct kvf_store *store, const char *scratch,
						 const struct kvf_env *env,
						 struct kvf_report *r, struct kvf_err *err);

/* ---- back.c ---------------------------------------------------------------- */

/*
 * Open o->target and read its control row into the report; *store may be there
 * after an error.  KVF_EPREFLIGHT where kvferry never was.
 */
KVF_MUST_CHECK enum kvf_status kvf_back_open(const struct kvf_options *o,
					     const struct kvf_env *env, struct kvf_report *r,
					     struct kvf_store **store, struct kvf_err *err);
/* KVF_EBUSY or KVF_EUNFINISHED while a run is under way, naming what to type. */
KVF_MUST_CHECK enum kvf_status
kvf_back_settled(struct kvf_store *store, const struct kvf_options *o,
		 const struct kvf_env *env, struct kvf_report *r, struct kvf_err *err);
/* The store as it is typed: without a password, with the table where it was named. */
const char *kvf_back_typed(const struct kvf_options *o, char *buf, size_t size);
/* The command that does it, as it is to be typed. */
void kvf_back_command(const struct kvf_options *o, const struct kvf_report *r, const char *verb,
		      char *buf, size_t size);
/* Has r->confirm been confirmed?  `verb` is for the command to type. */
KVF_MUST_CHECK enum kvf_status kvf_back_confirmed(const struct kvf_options *o,
						  const struct kvf_report *r, const char *verb,
						  struct kvf_err *err);
/* The run that made what is live, into r->confirm. */
KVF_MUST_CHECK enum kvf_status kvf_back_live_run(struct kvf_store *store, struct kvf_report *r,
						 struct kvf_err *err);

/* ---- thaw.c ---------------------------------------------------------------- */

/* The freeze of the source, as it was before anything changed. */
struct kvf_frozen_source {
	const char *place; /* as it was typed, or as the control row has it; or "" */
	struct kvf_freeze freeze;
	int other;          /* it is for another store */
	enum kvf_status st; /* of the look */
	struct kvf_err why;
};
void kvf_thaw_look(struct kvf_store *store, const struct kvf_options *o,
		   const struct kvf_report *r, const struct kvf_env *env,
		   struct kvf_frozen_source *seen);
/*
 * Do the live data keep it?  Those do that were published behind it: the old program
 * stays fenced off.  Not those that were live already when it was made.
 */
int kvf_thaw_is_kept(struct kvf_store *store, const struct kvf_frozen_source *seen);
/* Lift it if it is still the one that was seen; another one is that of a run which came
 * after.  A place that is not frozen is as it should be: KVF_OK.  What fails is said. */
enum kvf_status kvf_thaw_lift(const struct kvf_frozen_source *seen, const struct kvf_options *o,
			      const struct kvf_env *env, struct kvf_report *r,
			      struct kvf_err *err);
/*
 * Last of all, when the control row has changed: the source may be written again.  What
 * fails here is said.  The note of a run that came after is not ours.
 */
void kvf_thaw(struct kvf_store *store, const struct kvf_frozen_source *seen,
	      const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *r,
	      struct kvf_err *err);
/* Nothing else was asked for than to lift a freeze that is not this store's. */
enum kvf_status kvf_thaw_refuse_other(const struct kvf_frozen_source *seen,
				      struct kvf_err *err);

#endif
