/*
 * streams - build, take apart and put together again small streams in memory.
 *
 * Memory is never short in a test: these helpers abort instead of failing.
 */
#ifndef KVF_TEST_STREAMS_H
#define KVF_TEST_STREAMS_H

#include <kvferry/stream.h>

#include <stddef.h>
#include <stdint.h>

/* Bytes that the holder frees with free(p). */
struct blob {
	uint8_t *p;
	size_t n;
};

struct blob blob_copy(const void *p, size_t n);
/* Append, reallocating. */
void blob_add(struct blob *b, const void *p, size_t n);
struct kvf_bytes blob_view(const struct blob *b);

/* What to build.  Zero is: no packages. */
struct recipe {
	unsigned threads;
	uint64_t chunk;  /* 0 = 4,096 */
	size_t packages; /* named "p0", "p1" ... */
	size_t entries;  /* in each package */
	size_t value;    /* length of values; they differ */
	int level, level_set;
	int partial, notes, nonce;
	int noise; /* values that hardly compress */
};
/* As the writer makes it; `out_end`, `out_tail` may be NULL. */
struct blob stream_build(const struct recipe *r, struct kvf_tail *out_tail);

/* Read it all.  `sum` (may be NULL) becomes a digest of everything that was
 * handed out; *warnings (may be NULL) their number. */
enum kvf_status stream_read(struct kvf_bytes file, const struct kvf_reader_options *o,
			    unsigned threads, uint8_t sum[32], size_t *warnings,
			    struct kvf_err *err);

/* L1 of a file; the whole in one frame, or in frames of `slice` bytes. */
struct blob stream_l1(struct kvf_bytes file);
struct blob stream_pack(struct kvf_bytes l1, size_t slice);

/* The units of L1. */
struct units {
	size_t n;
	struct kvf_bytes u[512];
};
void stream_units(struct kvf_bytes l1, struct units *units);
/* Native framing of units (raw frames), without what follows the tail. */
struct blob stream_frame(const struct units *units);
struct blob stream_frame_unit(struct kvf_bytes unit);

/* Where the tail's frame ends in a native file. */
size_t stream_tail_end(struct kvf_bytes file);

#endif
