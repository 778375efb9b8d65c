/*
 * sequence - the grammar of units, and everything that only the order of units
 * can prove: ordinals, keys across chunks, chains, totals.
 */
#ifndef KVF_SEQUENCE_H
#define KVF_SEQUENCE_H

#include "stream/unit.h"

enum kvf_expected { KVF_AT_BEGIN, KVF_IN_PACKAGE, KVF_AT_END };

struct kvf_sequence {
	const struct kvf_head *head; /* borrowed */
	enum kvf_expected expected;
	uint8_t h[8], r[32], root[32];
	uint64_t package, chunk;
	struct kvf_totals totals; /* of the package */
	struct kvf_tail tail;     /* totals of the stream */
	struct kvf_buf last;      /* partition and key of the last entry */
	size_t last_part;
	int short_chunk;  /* the last chunk ended before its target */
	uint64_t *chunks; /* of each package */

	/* What the last unit held; replaced by the next of its type. */
	struct kvf_begin *begin;
	struct kvf_end end;
	struct kvf_arena arena;
};

/* `head_unit` is MAGIC and head, `head` what was parsed of it. */
KVF_MUST_CHECK enum kvf_status
kvf_sequence_init(struct kvf_sequence *q, const struct kvf_head *head,
		  struct kvf_bytes head_unit, struct kvf_err *err);
void kvf_sequence_release(struct kvf_sequence *q);

KVF_MUST_CHECK enum kvf_status kvf_sequence_begin(struct kvf_sequence *q, struct kvf_bytes unit,
						  struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status
kvf_sequence_chunk(struct kvf_sequence *q, const struct kvf_unit *unit, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_sequence_end(struct kvf_sequence *q, struct kvf_bytes unit,
						struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_sequence_tail(struct kvf_sequence *q, struct kvf_bytes unit,
						 struct kvf_err *err);

#endif
