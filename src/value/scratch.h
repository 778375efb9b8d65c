/*
 * scratch - memory for the length of one row.
 *
 * Pointers stay where they are until kvf_scratch_reset(), which keeps all the
 * memory in one block that is as large as everything used so far: after the
 * first rows nothing is allocated any more.
 */
#ifndef KVF_SCRATCH_H
#define KVF_SCRATCH_H

#include <kvferry/base.h>

struct kvf_scratch_block;

struct kvf_scratch {
	struct kvf_scratch_block *head;
	size_t held; /* bytes in all blocks */
	size_t cap;  /* `held` never grows beyond it */
};

/* Allocates nothing yet.  `cap` in bytes, > 0. */
void kvf_scratch_init(struct kvf_scratch *s, size_t cap);
void kvf_scratch_release(struct kvf_scratch *s);

/* Forget what was handed out. */
void kvf_scratch_reset(struct kvf_scratch *s);

/*
 * `size` bytes, aligned for any type, valid until the next reset.  KVF_ENOMEM,
 * or KVF_EREJECT when the row needs more than the cap.
 */
KVF_MUST_CHECK enum kvf_status kvf_scratch_alloc(struct kvf_scratch *s, size_t size, void **out,
						 struct kvf_err *err);

/* Give the end of the latest allocation back: it keeps `used` of its bytes. */
void kvf_scratch_trim(struct kvf_scratch *s, const void *latest, size_t used);

#endif
