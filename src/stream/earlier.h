/*
 * earlier - what an interrupted run has left of a stream: the units of the file's
 * beginning, as far as they are whole.  A writer that makes the same units again
 * passes over them instead of compressing and writing them.
 */
#ifndef KVF_EARLIER_H
#define KVF_EARLIER_H

#include <kvferry/base.h>
#include <kvferry/io.h>

struct kvf_earlier_unit {
	uint8_t digest[32]; /* SHA-256 of its L1 bytes */
	uint32_t csize, dsize;
};

struct kvf_earlier {
	struct kvf_earlier_unit *units;
	size_t n, size;
};

/*
 * Read what `out` holds behind kvf_output_tell(), hint and frame by turns, and stop
 * at the first thing that is neither or is damaged.  No unit may be larger than
 * `unit_max`.
 */
KVF_MUST_CHECK enum kvf_status kvf_earlier_read(struct kvf_earlier *e, struct kvf_output *out,
						const struct kvf_env *env, uint64_t unit_max,
						struct kvf_err *err);
void kvf_earlier_release(struct kvf_earlier *e);

#endif
