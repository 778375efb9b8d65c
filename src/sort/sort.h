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
	uint64_t entries, bytes; /* put so far */
	uint64_t runs;           /* that are merged; 1 = nothing to merge */
	uint64_t spilled_bytes;  /* written to the scratch file */
	int in_order;            /* non-zero: input ascended, nothing was sorted */
};

/*
 * `budget` counts payload and index; an entry larger than it still passes.
 * `scratch_dir` is where spilled runs go, should there be any: one file of mode
 * 0600 without a name.  `env` must outlive the sorter.
 */
KVF_MUST_CHECK enum kvf_status kvf_sorter_new(uint64_t budget, const char *scratch_dir,
					      const struct kvf_env *env,
					      struct kvf_sorter **out, struct kvf_err *err);

/*
 * Copy one entry in.  `flags` as for kvf_sink_put().  KVF_EREJECT above 1 GiB,
 * KVF_ETARGET when it cannot be spilled, KVF_EINTERRUPTED when env says stop;
 * after an error only kvf_sorter_free() is left.
 */
KVF_MUST_CHECK enum kvf_status kvf_sorter_put(struct kvf_sorter *s,
					      const struct kvf_entry *entry, unsigned flags,
					      struct kvf_origin origin, struct kvf_err *err);

/* No more entries; after this only _next(), _stats() and _free(). */
KVF_MUST_CHECK enum kvf_status kvf_sorter_finish(struct kvf_sorter *s, struct kvf_err *err);

/*
 * Join sorters that several threads have filled and finished: `s`, finished too,
 * hands out the entries of all, as if all had been put there.  The others are
 * owned by `s` from then on.  Once, before the first kvf_sorter_next().
 */
KVF_MUST_CHECK enum kvf_status kvf_sorter_join(struct kvf_sorter *s,
					       struct kvf_sorter *const *others, size_t n,
					       struct kvf_err *err);

/* The next entry, valid until the next call; KVF_EOF at the end. */
KVF_MUST_CHECK enum kvf_status kvf_sorter_next(struct kvf_sorter *s, struct kvf_entry *entry,
					       struct kvf_origin *origin, struct kvf_err *err);

/* Forget all entries, in whatever state: as new, but for the memory it has. */
void kvf_sorter_reset(struct kvf_sorter *s);

void kvf_sorter_stats(const struct kvf_sorter *s, struct kvf_sorter_stats *stats);
void kvf_sorter_free(struct kvf_sorter *s);

/* The budget that env->memory means: itself, or min(25 % of RAM, 4 GiB), where
 * RAM is the smaller of physical memory and the cgroup limit. */
uint64_t kvf_memory_budget(const struct kvf_env *env);

#endif
