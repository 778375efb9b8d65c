/*
 * parcel - a pipe in memory that passes objects along.
 *
 * What two threads of one program have to say to each other need not become bytes and be
 * read again: a parcel is the head of a struct that the writer fills, gives away, and
 * the reader takes.  Ends, errors and waiting are those of a pipe (kvf_pipe_new()).
 */
#ifndef KVF_IO_PARCEL_H
#define KVF_IO_PARCEL_H

#include <kvferry/io.h>

struct kvf_parcel {
	struct kvf_parcel *next; /* the pipe's */
	size_t size;             /* what it counts for */
	void (*drop)(struct kvf_parcel *p);
};

/* A writer waits while parcels of `cap` bytes are under way; one may be larger. */
KVF_MUST_CHECK enum kvf_status kvf_parcels_new(size_t cap, struct kvf_input **in,
					       struct kvf_output **out, struct kvf_err *err);
/* Does this end carry parcels?  Only then the calls below are allowed. */
int kvf_input_has_parcels(const struct kvf_input *in);
int kvf_output_has_parcels(const struct kvf_output *out);

/* With KVF_OK the parcel belongs to the pipe. */
KVF_MUST_CHECK enum kvf_status kvf_output_give(struct kvf_output *out, struct kvf_parcel *p,
					       struct kvf_err *err);
/* A parcel that came back, or NULL. */
struct kvf_parcel *kvf_output_empty(struct kvf_output *out);

/* The next parcel, the caller's from then on; KVF_EOF behind the last. */
KVF_MUST_CHECK enum kvf_status kvf_input_take(struct kvf_input *in, struct kvf_parcel **out,
					      struct kvf_err *err);
void kvf_input_give_back(struct kvf_input *in, struct kvf_parcel *p);

#endif
