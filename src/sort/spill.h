/*
 * spill - sorted runs of records in a scratch file, written through a pool that
 * compresses, and read back block by block.
 */
#ifndef KVF_SORT_SPILL_H
#define KVF_SORT_SPILL_H

#include "sort/record.h"

struct spill;

/* A run: its blocks lie one behind the other from `at` to `end`. */
struct extent {
	uint64_t at, end;
};

/* Create the scratch file; `block` is the size of a block before compression. */
KVF_MUST_CHECK enum kvf_status kvf_spill_new(const char *dir, size_t block,
					     const struct kvf_env *env, struct spill **out,
					     struct kvf_err *err);
void kvf_spill_free(struct spill *sp);

/* Append to the run being written; `value` is the record's, wherever it lies. */
KVF_MUST_CHECK enum kvf_status kvf_spill_put(struct spill *sp, const struct record *r,
					     const uint8_t *value, struct kvf_err *err);

/* End the run; it began where the one before it ended. */
KVF_MUST_CHECK enum kvf_status kvf_spill_end(struct spill *sp, struct extent *run,
					     struct kvf_err *err);

/* Compressed bytes written so far. */
uint64_t kvf_spill_written(const struct spill *sp);

/* The bytes of a run are not needed any more: give them back to the disk. */
void kvf_spill_discard(struct spill *sp, const struct extent *run);

/* ---- reading ---------------------------------------------------------------- */

/*
 * A run being read.  A value that did not fit into a block is not in `rec`: it
 * is read when kvf_spill_value() asks for it, so that 64 runs that each begin
 * with a large value need no more memory than one.
 */
struct spilled {
	struct spill *sp;
	struct extent left; /* blocks not read yet */
	uint8_t *stored;    /* a block as it lies in the file */
	uint8_t *raw;       /* the same decompressed: records */
	size_t stored_size, raw_size;
	size_t len, pos;    /* of raw; `pos` is behind rec */
	uint64_t value_at;  /* where the value of rec lies, 0 = in rec */
	struct record *rec; /* the current one, or NULL at the end */
};

void kvf_spilled_open(struct spilled *rd, struct spill *sp, const struct extent *run);
void kvf_spilled_release(struct spilled *rd);

/* Move to the next record. */
KVF_MUST_CHECK enum kvf_status kvf_spilled_advance(struct spilled *rd, struct kvf_err *err);

/* The value of the current record, valid until the next call on the spill. */
KVF_MUST_CHECK enum kvf_status kvf_spilled_value(struct spilled *rd, const uint8_t **value,
						 struct kvf_err *err);

#endif
