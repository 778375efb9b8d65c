/*
 * packer - units into frames: the writer's pipeline.
 *
 *   job { unit } -> pool { digest, compress } -> in order: chain r, write
 *
 * Control units are written at once, so that they belong where no job is under
 * way.  Jobs are recycled: their number is bounded by the window, the bytes in
 * flight by KVF_FLYING_MAX, so that chunks with large values do not pile up.  Into a
 * pipe of parcels go the units themselves (handed.h).
 *
 * Over what an earlier run left (earlier.h) the units are made and digested as
 * always, compared, and passed over; the first that differs cuts off the rest.
 */
#ifndef KVF_PACKER_H
#define KVF_PACKER_H

#include <kvferry/stream.h>

#include "base/buf.h"
#include "par/par.h"
#include "stream/earlier.h"
#include "stream/frame.h"
#include "stream/unit.h"

#include <zstd.h>

#define KVF_FLYING_MAX ((size_t)32 << 20) /* unit bytes under way, or one unit */
#define KVF_KEEP_MAX ((size_t)20 << 20)   /* larger buffers are not kept for reuse */

/* One chunk on its way out. */
struct kvf_packer_job {
	struct kvf_buf unit;   /* chunk record and entries; endc is added */
	size_t head;           /* length of the chunk record */
	struct kvf_unit chunk; /* n, i and h are the submitter's */
	size_t flying;
	const struct kvf_earlier_unit *expected; /* what an earlier run wrote here, or NULL */
	int same;                                /* ... and it is this: not compressed */
	struct kvf_buf packed;
	struct kvf_packer_job *next; /* in the free list */
};

struct kvf_packer {
	struct kvf_output *out;
	const struct kvf_env *env;
	int level;
	int handed; /* units go to a reader of this program, as they are */
	uint64_t unit_max;
	struct kvf_pool *pool; /* made with the first chunk */
	ZSTD_CCtx **contexts;  /* one for each worker and one more, made when first used */
	unsigned threads;
	size_t under_way, flying;
	struct kvf_packer_job *free;
	struct kvf_frame_list frames;
	struct kvf_buf framed;
	/* Units that an earlier run left, and the next one to be compared; `follows`
	 * as long as all were the same. */
	struct kvf_earlier earlier;
	size_t next;
	int follows;
	uint64_t kept; /* chunks of them that stand */
	/* What the chunks that were written amount to; the writer resets them. */
	uint8_t r[32];
	struct kvf_totals totals;
};

/* Level 1; set p->level for another. */
KVF_MUST_CHECK enum kvf_status kvf_packer_init(struct kvf_packer *p, struct kvf_output *out,
					       const struct kvf_env *env, uint64_t unit_max,
					       struct kvf_err *err);
void kvf_packer_release(struct kvf_packer *p);

/* A job with an empty unit; give it to _submit or to _job_free. */
KVF_MUST_CHECK enum kvf_status kvf_packer_job(struct kvf_packer *p, struct kvf_packer_job **out,
					      struct kvf_err *err);
void kvf_packer_job_free(struct kvf_packer_job *j);
/* Give a job back that is not submitted after all. */
void kvf_packer_recycle(struct kvf_packer *p, struct kvf_packer_job *j);
/* On failure the job stays the caller's. */
KVF_MUST_CHECK enum kvf_status kvf_packer_submit(struct kvf_packer *p, struct kvf_packer_job *j,
						 struct kvf_err *err);
/* Write everything that is under way. */
KVF_MUST_CHECK enum kvf_status kvf_packer_drain(struct kvf_packer *p, struct kvf_err *err);

/* A hint, and the unit as a raw frame.  Where units are handed over there are no frames,
 * and neither notes nor table. */
KVF_MUST_CHECK enum kvf_status kvf_packer_control(struct kvf_packer *p, struct kvf_bytes unit,
						  struct kvf_err *err);
/* A note frame; the seek table, which is the last thing of all. */
KVF_MUST_CHECK enum kvf_status kvf_packer_note(struct kvf_packer *p, struct kvf_bytes payload,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_packer_table(struct kvf_packer *p, struct kvf_err *err);

#endif
