/*
 * sort - entries in any order in, entries in stream order out, within a memory
 * budget.
 *
 * Entries are copied into runs.  A run over the budget is sorted and spilled
 * as checksummed zstd blocks to an unlinked file; the end merges the runs.
 * Input that arrives in order is noticed: then there is one run, and neither a
 * sort nor a merge.  Equal keys come out next to each other, in the order in
 * which they were put; telling whether that is an error is the caller's job,
 * except for KVF_PUT_ORDINAL entries, which get their ordinal here.
 */
#ifndef KVF_SORT_H
#define KVF_SORT_H

#include <kvferry/base.h>

struct kvf_sorter;

/* Where an entry comes from, so that both rows of a duplicate can be named. */
struct kvf_origin {
	uint32_t record;
	uint64_t ordinal;
};

struct kvf_sorter_stats {
	uint64_t entries, bytes;      /* put so far */
	uint64_t runs, spilled_bytes; /* spilled: compressed bytes written */
	int in_order;                 /* non-zero: input ascended, nothing was sorted */
};

/*
 * `budget` counts payload and index, at least 1 MiB; `scratch_dir` is where
 * spill files go (mode 0600, unlinked at once).
 */
KVF_MUST_CHECK enum kvf_status
kvf_sorter_new(uint64_t budget, const char *scratch_dir, const struct kvf_env *env,
	       struct kvf_sorter **out, struct kvf_err *err);

/* Copy one entry in.  `flags` as for kvf_sink_put().  KVF_ETARGET on spill. */
KVF_MUST_CHECK enum kvf_status
kvf_sorter_put(struct kvf_sorter *s, const struct kvf_entry *entry, unsigned flags,
	       struct kvf_origin origin, struct kvf_err *err);

/* No more entries; after this only _next(), _stats() and _free(). */
KVF_MUST_CHECK enum kvf_status kvf_sorter_finish(struct kvf_sorter *s, struct kvf_err *err);

/* The next entry, valid until the next call; KVF_EOF at the end. */
KVF_MUST_CHECK enum kvf_status
kvf_sorter_next(struct kvf_sorter *s, struct kvf_entry *entry, struct kvf_origin *origin,
		struct kvf_err *err);

void kvf_sorter_stats(const struct kvf_sorter *s, struct kvf_sorter_stats *stats);
void kvf_sorter_free(struct kvf_sorter *s);

/* The budget that env->memory means: itself, or min(25 % of RAM, 1 GiB), where
 * RAM is the smaller of physical memory and the cgroup limit. */
uint64_t kvf_memory_budget(const struct kvf_env *env);

#endif
