/*
 * import - one import under way, shared by its three parts: import.c (the
 * order of things, and the commit), load.c (staging), resume.c (what an earlier
 * run has staged), prove.c (the proof).
 */
#ifndef KVF_MIGRATE_IMPORT_H
#define KVF_MIGRATE_IMPORT_H

#include "migrate/ledger.h"

struct kvf_import {
	struct kvf_import_job *job;
	struct kvf_reader *reader;
	const struct kvf_head *head;
	struct kvf_store *store;
	struct kvf_control control;
	struct kvf_units units; /* the begin records read so far */
	uint8_t *package_roots; /* 32 bytes each, as the stream claims them */
	struct kvf_tail tail;
	struct kvf_totals totals; /* of all packages, as read */
	struct kvf_expected_root expected;
	int acquired, exact_packages, merge;
	struct kvf_claim claim; /* with the texts below */
	char host[256], mode[64];
	/* The stage was begun by an earlier run: its next progress row from where we
	 * are, and how many of its chunks we have met. */
	int resuming, has_applied;
	struct kvf_chunk_info applied;
	uint64_t met;
	int another; /* a chunk is not that of the earlier run */
	struct kvf_meter meter;
};

/*
 * resume.c.  Fill im->claim: who we are, and which stream this is.  Then: is
 * there an unfinished run, and may we go on with it?  KVF_EUNFINISHED if its
 * stream is another one.  After the acquire: what is there already?  And for each
 * chunk: is it?  KVF_ESTREAM, and im->another, when the one that is there differs.
 */
void kvf_import_claim(struct kvf_import *im);
/* What the ledger is told of it. */
struct kvf_work kvf_import_work(const struct kvf_import *im);
KVF_MUST_CHECK enum kvf_status kvf_import_unfinished(struct kvf_import *im,
						     struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_import_resume(struct kvf_import *im, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_import_is_applied(struct kvf_import *im,
						     const struct kvf_chunk_info *info,
						     int *applied, struct kvf_err *err);
/*
 * After im->another: acquire a fresh stage, and begin again at the beginning of the
 * stream.  Where that is not possible the failure in `err` stays, *yes = 0 and
 * job->start_over is set.
 */
KVF_MUST_CHECK enum kvf_status kvf_import_again(struct kvf_import *im, int *yes,
						struct kvf_err *err);
/* import.c: read the head, and make room for what it announces. */
KVF_MUST_CHECK enum kvf_status kvf_import_read(struct kvf_import *im, struct kvf_err *err);

/* load.c: claim the store, then everything up to the tail into the stage. */
KVF_MUST_CHECK enum kvf_status kvf_import_acquire(struct kvf_import *im, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_import_load(struct kvf_import *im, struct kvf_err *err);

/*
 * prove.c: is it the stream that was promised?  Is all of it in the stage, and
 * nothing else?  Conflicts of a merge, too.
 */
KVF_MUST_CHECK enum kvf_status kvf_import_prove(struct kvf_import *im, struct kvf_err *err);

#endif
