/*
 * sink - where convert() puts its entries: three buffers with caps, scratch
 * memory for the length of one row, and the callback that takes each entry.
 */
#ifndef KVF_SINK_H
#define KVF_SINK_H

#include <kvferry/package.h>

#include "base/buf.h"
#include "value/scratch.h"

/* Largest entry, in bytes; the members of struct kvf_limits that matter here. */
struct kvf_sink_caps {
	uint64_t part, key, value;
};

/* Takes one entry; the views are valid during the call only. */
typedef enum kvf_status kvf_sink_put_fn(void *ctx, const struct kvf_entry *entry,
					unsigned flags, struct kvf_err *err);

struct kvf_sink {
	struct kvf_buf buf[3];      /* by enum kvf_sink_buffer */
	struct kvf_scratch scratch; /* reset by convert() for every row */
	struct kvf_buf tape;        /* tokens of the JSON columns of one row */
	kvf_sink_put_fn *put;
	void *ctx;
};

/*
 * Allocates nothing yet; cannot fail.  An entry over a cap is refused with
 * KVF_EREJECT, the option that raises the cap in the hint, before `put` sees it.
 */
void kvf_sink_init(struct kvf_sink *sink, const struct kvf_sink_caps *caps,
		   kvf_sink_put_fn *put, void *ctx);
void kvf_sink_release(struct kvf_sink *sink);

#endif
