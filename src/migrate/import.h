/*
 * import - one import under way, shared by its three parts: import.c (the
 * order of things, and the commit), load.c (staging), prove.c (the proof).
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
	struct kvf_meter meter;
};

/* load.c: claim the store, then everything up to the tail into the stage. */
KVF_MUST_CHECK enum kvf_status kvf_import_acquire(struct kvf_import *im, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_import_load(struct kvf_import *im, struct kvf_err *err);

/*
 * prove.c: is it the stream that was promised?  Is all of it in the stage, and
 * nothing else?  Conflicts of a merge, too.
 */
KVF_MUST_CHECK enum kvf_status kvf_import_prove(struct kvf_import *im, struct kvf_err *err);

#endif
