/*
 * marks - what was committed, small enough to be kept: of each entry its key
 * and eight bytes of a hash of its value.
 *
 * The wrappers in store.c make the marks of a chunk while it is put; the driver
 * keeps them with the chunk's progress row, in the same transaction.  Keys are
 * front-coded, so that a mark takes little more than its hash.  They answer the
 * question that a rollback has to ask: which keys are not as they were committed?
 *
 *   mark := varint(2 * shared + p) [varint(len) part] varint(len) suffix hash
 *
 * `shared` bytes of the key are those of the mark before; p = 1 when the partition
 * is another one.  The first mark of a chunk shares nothing.
 */
#ifndef KVF_STORE_MARKS_H
#define KVF_STORE_MARKS_H

#include "base/buf.h"

#define KVF_MARK_HASH 8

/* Marks of one chunk in the making. */
struct kvf_marks {
	struct kvf_buf out;  /* the marks */
	struct kvf_buf part; /* of the last one */
	struct kvf_buf key;
};
void kvf_marks_init(struct kvf_marks *m);
void kvf_marks_release(struct kvf_marks *m);
/* Forget all: a chunk begins. */
void kvf_marks_reset(struct kvf_marks *m);
KVF_MUST_CHECK enum kvf_status kvf_marks_add(struct kvf_marks *m, const struct kvf_entry *e,
					     struct kvf_err *err);

#endif
