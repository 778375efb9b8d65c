/*
 * merge - records in memory, the list of spilled runs, and the merge of all.
 */
#ifndef KVF_SORT_MERGE_H
#define KVF_SORT_MERGE_H

#include "sort/spill.h"

/* ---- records in memory ------------------------------------------------------ */

/* Records one behind the other, in order. */
struct block {
	uint8_t *ptr;
	size_t size, used;
	struct record *first, *last;
	int joins; /* its first record is not before the last one of the block before */
};

/* Where records lie in the order of their arrival, until it is full. */
struct desk {
	uint8_t *ptr;
	size_t used;
	struct slot *slots;
	size_t n, most;
	size_t shared; /* ordering bytes that all of them share */
	int ascending;
};

/*
 * What is held of a run.  A desk that is full is sorted while the processor's
 * caches hold it, and its records are laid down in a block, in order: whoever
 * merges the blocks reads each from its front to its end.
 */
struct memory {
	size_t block;          /* the size of a desk, and usually of a block */
	struct block *blocks;  /* in the order of arrival */
	size_t nblocks, nkept; /* with records; behind them, empty ones */
	size_t size;           /* room in the array */
	uint64_t held;         /* bytes of the blocks with records */
	struct desk desk;
};

/* Does a record of this padded size have room on the desk? */
int kvf_desk_has_room(const struct memory *m, size_t size);
/* The place for it, and a slot. */
KVF_MUST_CHECK enum kvf_status kvf_desk_place(struct memory *m, size_t size,
					      struct record **out, struct kvf_err *err);
/* The record that was placed last is complete: how does it follow the one before? */
void kvf_desk_note(struct memory *m);
/* Sort what lies there, and put it down as a block. */
KVF_MUST_CHECK enum kvf_status kvf_desk_clear(struct memory *m, struct kvf_err *err);

/* A block for one record that is larger than a desk; complete it, then call
 * kvf_memory_note(). */
KVF_MUST_CHECK enum kvf_status kvf_memory_large(struct memory *m, size_t size,
						struct record **out, struct kvf_err *err);
/* The last block is complete: how does it follow the one before?  Returns how many
 * ordering bytes they share, SIZE_MAX if it is the only one. */
size_t kvf_memory_note(struct memory *m);

/* Forget the records of the first block. */
void kvf_memory_drop_first(struct memory *m);
/* Forget those of all blocks, but not what lies on the desk.  Of the blocks of the usual
 * size, `most` bytes are kept for what comes next. */
void kvf_memory_drop_blocks(struct memory *m, uint64_t most);
/* Forget the desk as well. */
void kvf_memory_reset(struct memory *m, uint64_t most);
void kvf_memory_release(struct memory *m);

/* The records of some blocks that join each other. */
struct walk {
	const struct memory *mem;
	size_t i, end; /* of the blocks */
	size_t pos;    /* in block i */
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

#define MERGE_FAN_IN 64 /* runs in the file: each has buffers */

/*
 * Merge the spilled runs (NULL = none) and what is in memory, which was put last.
 * All records share their first `shared` ordering bytes.  All is borrowed until
 * kvf_merge_free(); more than 64 runs are merged to fewer first.
 */
KVF_MUST_CHECK enum kvf_status kvf_merge_new(struct runs *runs, struct spill *spill,
					     const struct memory *mem, size_t shared,
					     struct merge **out, struct kvf_err *err);

/* The next record and its value, valid until the next call.  KVF_EOF. */
KVF_MUST_CHECK enum kvf_status kvf_merge_next(struct merge *m, struct record **r,
					      const uint8_t **value, struct kvf_err *err);
void kvf_merge_free(struct merge *m);

#endif
