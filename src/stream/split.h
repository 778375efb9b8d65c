/*
 * split - L1 bytes in any slices into units.
 *
 * Transported files have other frames than units, so that the ends of units
 * have to be found in the bytes themselves.  Only structure is looked at here:
 * a unit that comes out still has everything to prove.
 */
#ifndef KVF_SPLIT_H
#define KVF_SPLIT_H

#include "stream/record.h"

struct kvf_split {
	struct kvf_buf buf; /* the unit under construction, and what follows */
	struct kvf_mp_scan scan;
	size_t pos;      /* scanned so far */
	size_t object;   /* where the object under the scan began */
	uint64_t offset; /* of buf[0] in L1 */
	size_t unit_max; /* of chunk units */
	int head_seen, in_chunk, ended;
};

void kvf_split_init(struct kvf_split *s);
void kvf_split_release(struct kvf_split *s);
/* The largest chunk unit, once the head has said it; memory follows. */
void kvf_split_limit(struct kvf_split *s, size_t unit_max);

/* Append L1 bytes. */
KVF_MUST_CHECK enum kvf_status kvf_split_feed(struct kvf_split *s, const void *bytes,
					      size_t len, struct kvf_err *err);

/* *len becomes the length of the unit at the front, or 0: feed more. */
KVF_MUST_CHECK enum kvf_status kvf_split_next(struct kvf_split *s, size_t *len,
					      struct kvf_err *err);

/* Move the unit of `len` bytes into `unit`, whose old memory is reused. */
KVF_MUST_CHECK enum kvf_status kvf_split_take(struct kvf_split *s, size_t len,
					      struct kvf_buf *unit, struct kvf_err *err);

/* Is this how a stream begins?  KVF_EVERSION for another major version. */
KVF_MUST_CHECK enum kvf_status kvf_magic_check(const uint8_t *p, size_t len,
					       struct kvf_err *err);

/* Non-zero if the bytes are exactly one msgpack object (behind a MAGIC, if any). */
int kvf_is_one_record(struct kvf_bytes unit);

#endif
