/*
 * pipe - a bounded pipe in memory between two threads.
 *
 * Both ends share a ring.  Whoever closes last frees it.  An end that goes away
 * early is an error for the other one, never an end of the data.
 *
 * A pipe of parcels passes objects along instead of bytes, which nobody then has to
 * copy; what the reader has emptied comes back to the writer.
 */
#include "io/io.h"
#include "io/parcel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t bytes;   /* there is something to read, or an end */
	pthread_cond_t room;    /* there is room to write, or no reader */
	size_t cap, head, used; /* `used` bytes from `head` on wait */
	int complete;           /* the writer has committed */
	int no_reader, no_writer;
	int parcels; /* `used` counts their sizes, and there is no data */
	struct kvf_parcel *first, **end, *empty;
	uint8_t data[];
};

struct pipe_input {
	struct kvf_input base;
	struct ring *ring;
};

struct pipe_output {
	struct kvf_output base;
	struct ring *ring;
};

static void drop_all(struct kvf_parcel *p)
{
	struct kvf_parcel *next;

	for (; p; p = next) {
		next = p->next;
		p->drop(p);
	}
}

static void ring_free(struct ring *r)
{
	if (!r)
		return;
	drop_all(r->first);
	drop_all(r->empty);
	pthread_cond_destroy(&r->room);
	pthread_cond_destroy(&r->bytes);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct ring *ring_new(size_t cap, int parcels)
{
	pthread_condattr_t monotonic;
	struct ring *r;

	if (cap == 0)
		cap = 1;
	if (cap > SIZE_MAX / 2)
		return NULL;
	r = malloc(sizeof(*r) + (parcels ? 0 : cap));
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->cap = cap;
	r->parcels = parcels;
	r->end = &r->first;
	if (pthread_mutex_init(&r->lock, NULL))
		goto no_lock;
	if (pthread_condattr_init(&monotonic))
		goto no_bytes;
	if (pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) ||
	    pthread_cond_init(&r->bytes, &monotonic)) {
		pthread_condattr_destroy(&monotonic);
		goto no_bytes;
	}
	pthread_condattr_destroy(&monotonic);
	if (pthread_cond_init(&r->room, NULL))
		goto no_room;
	return r;
no_room:
	pthread_cond_destroy(&r->bytes);
no_bytes:
	pthread_mutex_destroy(&r->lock);
no_lock:
	free(r);
	return NULL;
}

/* ---- the reading end --------------------------------------------------------- */

/* Copy out up to `want` bytes.  Called with the lock. */
static size_t take_bytes(struct ring *r, uint8_t *to, size_t want)
{
	size_t n = want < r->used ? want : r->used;
	size_t first = r->cap - r->head < n ? r->cap - r->head : n;

	memcpy(to, r->data + r->head, first);
	memcpy(to + first, r->data, n - first);
	r->head = (r->head + n) % r->cap;
	r->used -= n;
	return n;
}

/* Wait for a change.  Called with the lock, which idle is called without. */
static enum kvf_status wait_for_bytes(struct kvf_input *base, struct ring *r,
				      struct kvf_err *err)
{
	enum kvf_status st;
	struct timespec t;

	if (!base->idle) {
		pthread_cond_wait(&r->bytes, &r->lock);
		return KVF_OK;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += KVF_IDLE_MS / 1000;
	if (pthread_cond_timedwait(&r->bytes, &r->lock, &t) != ETIMEDOUT)
		return KVF_OK;
	pthread_mutex_unlock(&r->lock);
	st = base->idle(base->idle_ctx, err);
	pthread_mutex_lock(&r->lock);
	return st;
}

static enum kvf_status no_bytes(const char *name, struct kvf_err *err)
{
	return kvf_fail(err, KVF_EINTERNAL, "%s does not carry bytes", name);
}

static enum kvf_status pipe_read(struct kvf_input *base, void *buf, size_t want, size_t *got,
				 struct kvf_err *err)
{
	struct ring *r = ((struct pipe_input *)base)->ring;
	enum kvf_status st = KVF_OK;

	*got = 0;
	if (r->parcels)
		return no_bytes(base->name, err);
	pthread_mutex_lock(&r->lock);
	while (!st && r->used == 0 && !r->complete && !r->no_writer)
		st = wait_for_bytes(base, r, err);
	if (st) {
		pthread_mutex_unlock(&r->lock);
		return st;
	}
	if (r->used > 0) {
		*got = take_bytes(r, buf, want);
		pthread_cond_signal(&r->room);
	} else if (!r->complete) {
		st = KVF_ETRUNC;
	}
	pthread_mutex_unlock(&r->lock);
	if (st)
		return kvf_fail(err, st, "%s ends before it is complete", base->name);
	return KVF_OK;
}

static enum kvf_status pipe_pread(struct kvf_input *base, uint64_t offset, void *buf,
				  size_t want, size_t *got, struct kvf_err *err)
{
	(void)offset;
	(void)buf;
	(void)want;
	*got = 0;
	return kvf_fail(err, KVF_EUSAGE, "%s has no offsets", base->name);
}

static enum kvf_status pipe_to_start(struct kvf_input *base, struct kvf_err *err)
{
	return kvf_fail(err, KVF_EUSAGE, "%s cannot be rewound", base->name);
}

static int pipe_changed(const struct kvf_input *base)
{
	(void)base;
	return 0;
}

static void pipe_input_close(struct kvf_input *base)
{
	struct ring *r = ((struct pipe_input *)base)->ring;
	int last;

	if (r) {
		pthread_mutex_lock(&r->lock);
		r->no_reader = 1;
		last = r->no_writer;
		pthread_cond_signal(&r->room);
		pthread_mutex_unlock(&r->lock);
		if (last)
			ring_free(r);
	}
	free(base);
}

static const struct input_ops input_ops = { pipe_read, pipe_pread, pipe_to_start, pipe_changed,
					    pipe_input_close };

/* ---- the writing end ----------------------------------------------------------- */

/* Copy in as much of `want` as there is room for.  Called with the lock. */
static size_t put_bytes(struct ring *r, const uint8_t *from, size_t want)
{
	size_t room = r->cap - r->used, n = want < room ? want : room;
	size_t tail = (r->head + r->used) % r->cap;
	size_t first = r->cap - tail < n ? r->cap - tail : n;

	memcpy(r->data + tail, from, first);
	memcpy(r->data, from + first, n - first);
	r->used += n;
	return n;
}

static enum kvf_status pipe_write(struct kvf_output *base, const void *buf, size_t len,
				  struct kvf_err *err)
{
	struct ring *r = ((struct pipe_output *)base)->ring;
	const uint8_t *from = buf;
	size_t done = 0;
	int gone;

	if (r->parcels)
		return no_bytes(base->name, err);
	pthread_mutex_lock(&r->lock);
	while (done < len && !r->no_reader) {
		if (r->used == r->cap) {
			pthread_cond_wait(&r->room, &r->lock);
			continue;
		}
		done += put_bytes(r, from + done, len - done);
		pthread_cond_signal(&r->bytes);
	}
	gone = r->no_reader;
	pthread_mutex_unlock(&r->lock);
	if (gone)
		return kvf_fail(err, KVF_ETARGET, "the reader of %s is gone", base->name);
	return KVF_OK;
}

static enum kvf_status pipe_commit(struct kvf_output *base, struct kvf_err *err)
{
	struct ring *r = ((struct pipe_output *)base)->ring;

	(void)err;
	pthread_mutex_lock(&r->lock);
	r->complete = 1;
	pthread_cond_signal(&r->bytes);
	pthread_mutex_unlock(&r->lock);
	return KVF_OK;
}

static struct kvf_bytes pipe_bytes(const struct kvf_output *base)
{
	(void)base;
	return (struct kvf_bytes){ NULL, 0 };
}

static void pipe_output_close(struct kvf_output *base)
{
	struct ring *r = ((struct pipe_output *)base)->ring;
	int last;

	if (r) {
		pthread_mutex_lock(&r->lock);
		r->no_writer = 1;
		last = r->no_reader;
		pthread_cond_signal(&r->bytes);
		pthread_mutex_unlock(&r->lock);
		if (last)
			ring_free(r);
	}
	free(base);
}

static int pipe_can_rewind(const struct kvf_output *base)
{
	(void)base;
	return 0;
}

static enum kvf_status pipe_rewind(struct kvf_output *base, uint64_t offset,
				   struct kvf_err *err)
{
	(void)offset;
	return kvf_fail(err, KVF_EINTERNAL, "%s cannot be rewound", base->name);
}

static const struct output_ops output_ops = { pipe_write,  pipe_commit, pipe_can_rewind,
					      pipe_rewind, pipe_bytes,  pipe_output_close };

static enum kvf_status new_pipe(size_t cap, int parcels, struct kvf_input **in,
				struct kvf_output **out, struct kvf_err *err)
{
	struct pipe_input *i = calloc(1, sizeof(*i));
	struct pipe_output *o = calloc(1, sizeof(*o));
	struct ring *r = ring_new(cap, parcels);
	char *name_in = kvf_io_name("the pipe"), *name_out = kvf_io_name("the pipe");

	*in = NULL;
	*out = NULL;
	if (!i || !o || !r || !name_in || !name_out) {
		free(i);
		free(o);
		ring_free(r);
		free(name_in);
		free(name_out);
		return kvf_fail_nomem(err);
	}
	i->base.ops = &input_ops;
	i->base.name = name_in;
	i->ring = r;
	o->base.ops = &output_ops;
	o->base.name = name_out;
	o->ring = r;
	*in = &i->base;
	*out = &o->base;
	return KVF_OK;
}

enum kvf_status kvf_pipe_new(size_t cap, struct kvf_input **in, struct kvf_output **out,
			     struct kvf_err *err)
{
	return new_pipe(cap, 0, in, out, err);
}

/* ---- parcels --------------------------------------------------------------------- */

enum kvf_status kvf_parcels_new(size_t cap, struct kvf_input **in, struct kvf_output **out,
				struct kvf_err *err)
{
	return new_pipe(cap, 1, in, out, err);
}

int kvf_input_has_parcels(const struct kvf_input *in)
{
	return in->ops == &input_ops && ((const struct pipe_input *)in)->ring->parcels;
}

int kvf_output_has_parcels(const struct kvf_output *out)
{
	return out->ops == &output_ops && ((const struct pipe_output *)out)->ring->parcels;
}

enum kvf_status kvf_output_give(struct kvf_output *out, struct kvf_parcel *p,
				struct kvf_err *err)
{
	struct ring *r = ((struct pipe_output *)out)->ring;
	int gone;

	pthread_mutex_lock(&r->lock);
	while (r->first && (p->size > r->cap || r->used > r->cap - p->size) && !r->no_reader)
		pthread_cond_wait(&r->room, &r->lock);
	gone = r->no_reader;
	if (!gone) {
		p->next = NULL;
		*r->end = p;
		r->end = &p->next;
		r->used += p->size;
		out->told += p->size;
		pthread_cond_signal(&r->bytes);
	}
	pthread_mutex_unlock(&r->lock);
	if (gone)
		return kvf_fail(err, KVF_ETARGET, "the reader of %s is gone", out->name);
	return KVF_OK;
}

struct kvf_parcel *kvf_output_empty(struct kvf_output *out)
{
	struct ring *r = ((struct pipe_output *)out)->ring;
	struct kvf_parcel *p;

	pthread_mutex_lock(&r->lock);
	p = r->empty;
	if (p)
		r->empty = p->next;
	pthread_mutex_unlock(&r->lock);
	return p;
}

enum kvf_status kvf_input_take(struct kvf_input *in, struct kvf_parcel **out,
			       struct kvf_err *err)
{
	struct ring *r = ((struct pipe_input *)in)->ring;
	enum kvf_status st = KVF_OK;
	struct kvf_parcel *p;

	*out = NULL;
	pthread_mutex_lock(&r->lock);
	while (!st && !r->first && !r->complete && !r->no_writer)
		st = wait_for_bytes(in, r, err);
	p = st ? NULL : r->first;
	if (p) {
		r->first = p->next;
		if (!r->first)
			r->end = &r->first;
		r->used -= p->size;
		pthread_cond_signal(&r->room);
	} else if (!st) {
		st = r->complete ? KVF_EOF : KVF_ETRUNC;
	}
	pthread_mutex_unlock(&r->lock);
	*out = p;
	if (st == KVF_ETRUNC)
		return kvf_fail(err, st, "%s ends before it is complete", in->name);
	return st;
}

void kvf_input_give_back(struct kvf_input *in, struct kvf_parcel *p)
{
	struct ring *r = ((struct pipe_input *)in)->ring;

	pthread_mutex_lock(&r->lock);
	p->next = r->empty;
	r->empty = p;
	pthread_mutex_unlock(&r->lock);
}
