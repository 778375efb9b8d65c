/*
 * merge - records in memory, the list of spilled runs, and the merge of all.
 */
#ifndef KVF_SORT_MERGE_H
#define KVF_SORT_MERGE_H

#include "sort/spill.h"

/* ---- records in memory ------------------------------------------------------ */

struct block {
	uint8_t *ptr;
	size_t size, used;
	size_t n; /* records */
};

/* Blocks filled with records one behind the other, and perhaps their index. */
struct memory {
	struct block *blocks;
	size_t nblocks, size; /* allocated; room in the array */
	size_t current;       /* the block being filled */
	size_t n;             /* records */
	struct slot *index;   /* NULL: they are in order as they lie */
};

/*
 * Room for a record, which counts from now on.  *used grows by its size, by its
 * slot in an index that may have to be built, and by what is left unused.
 */
KVF_MUST_CHECK enum kvf_status kvf_memory_alloc(struct memory *m, size_t block, size_t size,
						struct record **out, uint64_t *used,
						struct kvf_err *err);

/* Build the index, in the order of arrival. */
KVF_MUST_CHECK enum kvf_status kvf_memory_index(struct memory *m, struct kvf_err *err);

/* Forget the records of the first block, which is not the one being filled. */
void kvf_memory_drop_first(struct memory *m, size_t block, uint64_t *used);

/* Forget the records; of the blocks of the usual size, `most` bytes are kept for the
 * next run. */
void kvf_memory_reset(struct memory *m, size_t block, uint64_t most);
void kvf_memory_release(struct memory *m);

/* The records in their order: by index, or as they lie. */
struct walk {
	const struct memory *mem;
	size_t i;   /* of the index, or of the blocks */
	size_t pos; /* in block i */
};
struct record *kvf_walk_next(struct walk *w);

/* ---- runs ---------------------------------------------------------------------- */

struct runs {
	struct extent *list; /* in the order in which they were put */
	size_t n, size;
};

KVF_MUST_CHECK enum kvf_status kvf_runs_add(struct runs *runs, const struct extent *run,
					    struct kvf_err *err);
/* The run continues the last one, in order and in the file. */
void kvf_runs_extend(struct runs *runs, const struct extent *run);
void kvf_runs_release(struct runs *runs);

/* ---- merge ----------------------------------------------------------------------- */

struct merge;

#define MERGE_FAN_IN 64 /* runs, the one in memory included */

/*
 * Merge the spilled runs and what is in memory, which is the last run.  All is
 * borrowed until kvf_merge_free(); more than 64 runs are merged to fewer first.
 */
KVF_MUST_CHECK enum kvf_status kvf_merge_new(struct runs *runs, struct spill *spill,
					     const struct memory *mem, struct merge **out,
					     struct kvf_err *err);

/* The next record and its value, valid until the next call.  KVF_EOF. */
KVF_MUST_CHECK enum kvf_status kvf_merge_next(struct merge *m, struct record **r,
					      const uint8_t **value, struct kvf_err *err);
void kvf_merge_free(struct merge *m);

#endif
