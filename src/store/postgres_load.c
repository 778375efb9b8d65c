/*
 * postgres_load - whole chunks into the stage.
 *
 * Entries are put into COPY's binary form where they come in, until a batch is
 * full; then a thread with a connection of its own brings it to the server while
 * the next batch is filled.  A batch is one transaction: the fence, the entries,
 * the progress rows.  Its commit need not be durable: entries and progress rows
 * vanish together, and the seal is durable with all that came before it.
 */
#include "store/postgres.h"

#include "base/failpoint.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIQUE_VIOLATION "23505"

/* ---- batches -------------------------------------------------------------------- */

static const char copy_header[19] = "PGCOPY\n\377\r\n"; /* no flags, no extension */
static const char copy_trailer[2] = "\377\377";

static void free_batch(struct kvf_pgs_batch *b)
{
	if (!b)
		return;
	kvf_buf_release(&b->rows);
	kvf_buf_release(&b->progress);
	free(b);
}

void kvf_pgs_free_batches(struct kvf_pgs *s)
{
	struct kvf_pgs_batch *b;

	while ((b = s->idle) != NULL) {
		s->idle = b->next;
		free_batch(b);
	}
	free_batch(s->batch);
	s->batch = NULL;
}

void kvf_pgs_recycle(struct kvf_pgs *s, struct kvf_pgs_batch *b)
{
	b->entries = 0;
	b->next = s->idle;
	s->idle = b;
	/* One huge value must not be paid for in every batch. */
	b->look = b->alone = b->unsorted = 0;
	if (b->rows.size > 4 * s->pg.dialect->batch_bytes) {
		kvf_buf_release(&b->rows);
		kvf_buf_init(&b->rows, SIZE_MAX / 2);
	}
	b->rows.len = b->progress.len = 0;
}

enum kvf_status kvf_pgs_batch(struct kvf_pgs *s, struct kvf_pgs_batch **out,
			      struct kvf_err *err)
{
	struct kvf_pgs_batch *b = s->batch;
	enum kvf_status st;

	if (!b && s->idle) {
		b = s->idle;
		s->idle = b->next;
	}
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return kvf_fail_nomem(err);
		kvf_buf_init(&b->rows, SIZE_MAX / 2);
		kvf_buf_init(&b->progress, SIZE_MAX / 2);
	}
	s->batch = *out = b;
	if (b->rows.len)
		return KVF_OK;
	st = kvf_buf_append(&b->rows, copy_header, sizeof(copy_header), err);
	b->progress.len = 0;
	return st ? st : kvf_buf_append(&b->progress, copy_header, sizeof(copy_header), err);
}

static uint8_t *put_field(uint8_t *p, const void *bytes, size_t len)
{
	kvf_put_be32(p, (uint32_t)len);
	if (len)
		memcpy(p + 4, bytes, len);
	return p + 4 + len;
}

enum kvf_status kvf_pgs_batch_add(struct kvf_pgs_batch *b, const struct kvf_entry *e,
				  struct kvf_err *err)
{
	size_t len = 2 + 12 + e->part.len + e->key.len + e->value.len;
	enum kvf_status st = KVF_OK;
	uint8_t *p;

	if (b->rows.size - b->rows.len < len)
		st = kvf_buf_reserve(&b->rows, len, err);
	if (st)
		return st;
	p = b->rows.ptr + b->rows.len;
	p[0] = 0;
	p[1] = 3;
	p = put_field(p + 2, e->part.ptr, e->part.len);
	p = put_field(p, e->key.ptr, e->key.len);
	put_field(p, e->value.ptr, e->value.len);
	b->rows.len += len;
	b->entries++;
	return KVF_OK;
}

enum kvf_status kvf_pgs_batch_chunk(struct kvf_pgs_batch *b, uint64_t gen,
				    const struct kvf_chunk_info *info, struct kvf_bytes marks,
				    struct kvf_err *err)
{
	const uint64_t numbers[] = { gen, info->n, info->i },
		       sums[] = { info->totals.entries, info->totals.bytes };
	uint8_t row[2 + 8 * 4 + 5 * 8 + sizeof(info->d) + sizeof(info->totals.m)], be[8];
	uint8_t *p = row;
	enum kvf_status st;
	int i;

	*p++ = 0;
	*p++ = 8;
	for (i = 0; i < 3; i++) {
		kvf_put_be64(be, numbers[i]);
		p = put_field(p, be, 8);
	}
	p = put_field(p, info->d, sizeof(info->d));
	for (i = 0; i < 2; i++) {
		kvf_put_be64(be, sums[i]);
		p = put_field(p, be, 8);
	}
	p = put_field(p, info->totals.m, sizeof(info->totals.m));
	kvf_put_be32(p, (uint32_t)marks.len);
	st = kvf_buf_append(&b->progress, row, (size_t)(p + 4 - row), err);
	return st ? st : kvf_buf_append(&b->progress, marks.ptr, marks.len, err);
}

int kvf_pgs_batch_next(const struct kvf_pgs_batch *b, size_t *at, struct kvf_entry *e)
{
	struct kvf_bytes *fields[3] = { &e->part, &e->key, &e->value };
	const uint8_t *p = b->rows.ptr;
	size_t pos = *at ? *at : sizeof(copy_header);
	int i;

	if (pos + 2 > b->rows.len || p[pos] == 0xff)
		return 0;
	pos += 2;
	for (i = 0; i < 3; i++) {
		*fields[i] = (struct kvf_bytes){ p + pos + 4, kvf_get_be32(p + pos) };
		pos += 4 + fields[i]->len;
	}
	*at = pos;
	return 1;
}

/* ---- the threads that load ---------------------------------------------------------- */

static enum kvf_status copy_in(struct kvf_pgs *s, PGconn *conn, const char *into,
			       const struct kvf_buf *rows, struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_exec(&s->worker, conn, "load", err,
					 "COPY %s FROM STDIN (FORMAT binary)", into);

	if (!st)
		st = kvf_pg_copy_put(&s->worker, conn, rows->ptr, rows->len, "load", err);
	if (!st)
		st = kvf_pg_copy_end(&s->worker, conn, "load", err);
	return st;
}

static enum kvf_status load_over(struct kvf_pgs *s, PGconn *conn, const struct kvf_pgs_batch *b,
				 struct kvf_err *err)
{
	char into[sizeof(s->staged) + 32];
	enum kvf_status st;

	st = kvf_pgs_begin(s, &s->worker, conn, KVF_RUN_STAGING, "SHARE", err);
	KVF_FAILPOINT(st, err, "postgres.batch.begun");
	if (st)
		return st;
	snprintf(into, sizeof(into), "%s (partition_key, key, value)", s->staged);
	if (s->copy_live)
		st = kvf_pgs_load_merging(s, conn, b, err);
	else
		st = copy_in(s, conn, into, &b->rows, err);
	KVF_FAILPOINT(st, err, "postgres.batch.copied");
	if (!st)
		st = copy_in(s, conn, "kvferry.progress", &b->progress, err);
	KVF_FAILPOINT(st, err, "postgres.batch.written");
	if (!st)
		st = kvf_pgs_end(s, &s->worker, conn, err);
	KVF_FAILPOINT(st, err, "postgres.batch.committed");
	if (!st)
		return KVF_OK;
	kvf_pgs_rollback(s, conn);
	if (st == KVF_ETARGET && !s->copy_live && strcmp(err->code, UNIQUE_VIOLATION) == 0)
		st = kvf_pgs_name_duplicate(s, conn, b, err);
	return st;
}

static enum kvf_status load(void *ctx, unsigned worker, void *item, struct kvf_err *err)
{
	struct kvf_pgs *s = ctx;
	struct kvf_err local;

	return load_over(s, s->loader[worker], item, err ? err : &local);
}

/* ---- the thread that puts ------------------------------------------------------------ */

/* Take the oldest batch back. */
static enum kvf_status take(struct kvf_pgs *s, struct kvf_err *err)
{
	void *done = NULL;
	enum kvf_status st;

	kvf_pgs_await(s, s->pool);
	st = kvf_pool_take(s->pool, &done, err);
	if (done)
		kvf_pgs_recycle(s, done);
	return st;
}

enum kvf_status kvf_pgs_finish(struct kvf_pgs *s, struct kvf_pgs_batch **out,
			       struct kvf_err *err)
{
	struct kvf_pgs_batch *b = s->batch;
	enum kvf_status st;

	*out = NULL;
	if (!b ||
	    (b->rows.len <= sizeof(copy_header) && b->progress.len <= sizeof(copy_header)))
		return KVF_OK;
	st = kvf_buf_append(&b->rows, copy_trailer, sizeof(copy_trailer), err);
	if (!st)
		st = kvf_buf_append(&b->progress, copy_trailer, sizeof(copy_trailer), err);
	if (st)
		return st;
	*out = b;
	s->batch = NULL;
	return KVF_OK;
}

enum kvf_status kvf_pgs_submit(struct kvf_pgs *s, struct kvf_pgs_batch *b, kvf_pool_fn *fn,
			       struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (!s->pool)
		st = kvf_pool_new(s->loaders, s->loaders + 1, fn, s, &s->pool, err);
	if (!st && kvf_pool_full(s->pool))
		st = take(s, err);
	if (!st)
		st = kvf_pool_submit(s->pool, b, err);
	if (st)
		kvf_pgs_recycle(s, b);
	return st;
}

/*
 * A connection for each thread, or for as many as the server has any left.  Where it
 * has none this thread loads over the store's own, and may then ask env.
 */
static enum kvf_status have_loaders(struct kvf_pgs *s, struct kvf_err *err)
{
	const struct kvf_env *env = s->base.env;
	char text[1024];
	enum kvf_status st;
	unsigned n;

	for (n = 0; n < s->loaders; n++) {
		st = s->loader[n] ? KVF_OK : kvf_pg_connect(&s->pg, &s->loader[n], err);
		if (st && !kvf_pg_is_full(err))
			return st;
		if (!st)
			continue;
		s->loaders = n;
		if (!n)
			s->worker.env = env;
		snprintf(text, sizeof(text),
			 "loading over %s connection, another is refused: %s",
			 n ? "one more" : "the one", err->message);
		if (env && env->log)
			env->log(env->ctx, KVF_LOG_WARN, text);
		kvf_err_clear(err);
	}
	return KVF_OK;
}

enum kvf_status kvf_pgs_send(struct kvf_pgs *s, struct kvf_err *err)
{
	struct kvf_err local;
	struct kvf_pgs_batch *b;
	enum kvf_status st;

	if (!err)
		err = &local;
	st = kvf_pgs_finish(s, &b, err);
	if (st || !b)
		return st;
	if (!s->pool)
		st = have_loaders(s, err);
	if (!st && s->loaders)
		return kvf_pgs_submit(s, b, load, err);
	if (!st)
		st = load_over(s, s->conn, b, err);
	kvf_pgs_recycle(s, b);
	return st;
}

enum kvf_status kvf_pgs_drain(struct kvf_pgs *s, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	while (s->pool && !st)
		st = take(s, err);
	return st == KVF_EOF ? KVF_OK : st;
}

static void drop(void *ctx, void *item)
{
	kvf_pgs_recycle(ctx, item);
}

void kvf_pgs_stop_loading(struct kvf_pgs *s)
{
	unsigned i;

	atomic_store(&s->halt, 1);
	if (s->pool)
		kvf_pool_free(s->pool, drop);
	s->pool = NULL;
	atomic_store(&s->halt, 0);
	for (i = 0; i < KVF_PGS_CONNECTIONS; i++) {
		PQfinish(s->loader[i]);
		s->loader[i] = NULL;
	}
	while (s->waiting)
		kvf_pgs_recycle(s, s->window[--s->waiting]);
	if (s->batch)
		kvf_pgs_recycle(s, s->batch);
	s->batch = NULL;
}
