/* unit - one chunk unit: chunk record, entries, endc record. */
#ifndef KVF_UNIT_H
#define KVF_UNIT_H

#include <kvferry/stream.h>

#include "stream/record.h"

/* What a checked chunk unit is; the views point into its bytes. */
struct kvf_unit {
	struct kvf_chunk_info info;
	uint8_t h[8];
	struct kvf_bytes entries;
	struct kvf_entry first, last;
	size_t last_len; /* encoded length of the last entry */
};

/*
 * Check everything that the unit alone can show: canonical msgpack, limits,
 * ascending order, count, bytes, m and d.  KVF_ESTREAM says what is wrong, with
 * the byte of the unit in `detail`.
 */
KVF_MUST_CHECK enum kvf_status kvf_unit_check(struct kvf_bytes bytes,
					      const struct kvf_limits *lim,
					      struct kvf_unit *unit, struct kvf_err *err);

/*
 * What kvf_unit_check() would find in a unit that we built ourselves: chunk record of
 * `head` bytes, then entries that are known to be well-formed.  n, i and h are the
 * caller's.
 */
void kvf_unit_digest(struct kvf_bytes bytes, size_t head, struct kvf_unit *unit);

/* Read one entry at `p`; the place behind it, or NULL. */
const uint8_t *kvf_unit_entry(const uint8_t *p, const uint8_t *end, struct kvf_entry *entry);

#endif
