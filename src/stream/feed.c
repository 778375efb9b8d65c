/* feed - an input with a window on what comes next. */
#include "stream/feed.h"

#include <stdlib.h>
#include <string.h>

#define FEED_STEP ((size_t)128 << 10)

void kvf_feed_init(struct kvf_feed *f, struct kvf_input *in)
{
	memset(f, 0, sizeof(*f));
	f->in = in;
}

void kvf_feed_release(struct kvf_feed *f)
{
	free(f->buf);
	memset(f, 0, sizeof(*f));
}

/* Room behind the window: it may double, or grow to two steps. */
static enum kvf_status make_room(struct kvf_feed *f, struct kvf_err *err)
{
	size_t have = kvf_feed_have(f), size;
	uint8_t *p;

	if (f->len < f->size)
		return KVF_OK;
	if (f->at) {
		memmove(f->buf, f->buf + f->at, have);
		f->at = 0;
		f->len = have;
	}
	size = have < FEED_STEP ? 2 * FEED_STEP : 2 * have;
	if (size <= f->size)
		return KVF_OK;
	p = realloc(f->buf, size);
	if (!p)
		return kvf_fail_nomem(err);
	f->buf = p;
	f->size = size;
	return KVF_OK;
}

enum kvf_status kvf_feed_want(struct kvf_feed *f, size_t n, struct kvf_err *err)
{
	enum kvf_status st;
	size_t want, got;

	while (kvf_feed_have(f) < n && !f->eof) {
		st = make_room(f, err);
		if (st)
			return st;
		want = n - kvf_feed_have(f);
		if (want > f->size - f->len)
			want = f->size - f->len;
		st = kvf_input_read(f->in, f->buf + f->len, want, &got, err);
		if (st)
			return st;
		f->len += got;
		f->eof = got < want;
	}
	return KVF_OK;
}
