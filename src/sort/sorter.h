/*
 * sorter - what the files of the sorter share.
 *
 *   sort.c    entries in: desk, blocks, runs     order.c   one desk
 *   get.c     entries out                        memory.c  desk and blocks
 *   merge.c   several runs                       spill.c   the scratch file
 */
#ifndef KVF_SORT_SORTER_H
#define KVF_SORT_SORTER_H

#include "sort/merge.h"
#include "sort/sort.h"

#include "base/buf.h"

/* The next record of one of the sorters that were joined. */
struct head {
	struct record *r; /* NULL: it has no more */
	const uint8_t *value;
};

struct kvf_sorter {
	const struct kvf_env *env;
	char *scratch_dir;
	uint64_t budget;
	uint64_t room; /* for this run, of the budget */
	struct memory mem;
	size_t shared;      /* ordering bytes that all records share */
	struct kvf_buf max; /* ordering bytes of the record spilled last */
	int ascending;      /* this run so far */
	int in_order;       /* everything so far */
	int joined;         /* finished, and the run in memory continues the last */
	struct spill *spill;
	struct runs runs;
	int open;       /* the front of this run is being spilled ... */
	int open_joins; /* ... and continues the run spilled before */
	struct merge *merge;
	struct kvf_sorter **others; /* that were joined to this one */
	size_t nothers;
	struct head *heads;     /* of this one, then of the others */
	size_t taken;           /* whose head was handed out last */
	struct kvf_buf flagged; /* key of the last entry that got an ordinal */
	uint64_t ordinal;
	struct kvf_sorter_stats stats;
};

#endif
