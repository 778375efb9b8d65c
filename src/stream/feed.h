/*
 * feed - an input with a window on what comes next.
 *
 * The window grows with the bytes that arrive, never with a length that
 * somebody claims.
 */
#ifndef KVF_FEED_H
#define KVF_FEED_H

#include <kvferry/io.h>

struct kvf_feed {
	struct kvf_input *in; /* borrowed */
	uint8_t *buf;
	size_t at, len, size; /* buf[at..len) is the window */
	uint64_t offset;      /* of buf[at] in the input */
	int eof;
};

void kvf_feed_init(struct kvf_feed *f, struct kvf_input *in);
void kvf_feed_release(struct kvf_feed *f);

/* Let the window have `n` bytes, or all that is left of the input. */
KVF_MUST_CHECK enum kvf_status kvf_feed_want(struct kvf_feed *f, size_t n, struct kvf_err *err);

static inline size_t kvf_feed_have(const struct kvf_feed *f)
{
	return f->len - f->at;
}
static inline const uint8_t *kvf_feed_ptr(const struct kvf_feed *f)
{
	return f->buf + f->at;
}
/* Pass over bytes of the window. */
static inline void kvf_feed_skip(struct kvf_feed *f, size_t n)
{
	f->at += n;
	f->offset += n;
}

#endif
