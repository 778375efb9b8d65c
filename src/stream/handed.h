/*
 * handed - units from a writer to a reader of the same program.
 *
 *   writer: job { unit, digests } --parcel--> reader: job { unit, digests }
 *
 * A stream that nobody keeps need not be framed, checksummed, copied through a pipe and
 * taken apart again.  What the writer's workers found out about a unit travels with its
 * bytes, which do not move at all (docs/decisions/0005-units-are-handed-over.md).
 */
#ifndef KVF_HANDED_H
#define KVF_HANDED_H

#include "base/buf.h"
#include "io/parcel.h"
#include "stream/unit.h"

struct kvf_handed {
	struct kvf_parcel parcel;
	struct kvf_buf unit;
	int is_chunk;
	struct kvf_unit chunk; /* if it is one; its views point into `unit` */
};

/* Give a control unit, copied; or a chunk, whose buffer is exchanged for an empty one. */
KVF_MUST_CHECK enum kvf_status kvf_hand_control(struct kvf_output *out, struct kvf_bytes unit,
						struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_hand_chunk(struct kvf_output *out, struct kvf_buf *unit,
					      const struct kvf_unit *chunk,
					      struct kvf_err *err);

/*
 * Take the next unit: its buffer is exchanged for what was in *unit.  `chunk` is filled,
 * and *is_chunk set, where it is one.  KVF_EOF behind the last.
 */
KVF_MUST_CHECK enum kvf_status kvf_hand_take(struct kvf_input *in, struct kvf_buf *unit,
					     int *is_chunk, struct kvf_unit *chunk,
					     struct kvf_err *err);

#endif
