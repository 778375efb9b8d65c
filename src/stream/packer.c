/* packer - the writer's pipeline: digest and compress in parallel, write in order. */
#include "stream/packer.h"

#include "base/hash.h"
#include "stream/handed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd_errors.h>

/* ---- workers ------------------------------------------------------------------------ */

static enum kvf_status compress(struct kvf_packer *p, unsigned worker, struct kvf_packer_job *j,
				struct kvf_err *err)
{
	ZSTD_CCtx *c = p->contexts[worker];
	enum kvf_status st;
	size_t n;

	if (!c) {
		c = p->contexts[worker] = ZSTD_createCCtx();
		if (!c)
			return kvf_fail_nomem(err);
	}
	st = kvf_buf_reserve(&j->packed, ZSTD_compressBound(j->unit.len), err);
	if (st)
		return st;
	/* A context that starts from nothing: same unit, same frame. */
	ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, p->level);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 1);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(c, j->packed.ptr, j->packed.size, j->unit.ptr, j->unit.len);
	if (ZSTD_isError(n)) {
		if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
			return kvf_fail_nomem(err);
		return kvf_fail(err, KVF_EINTERNAL, "cannot compress: %s",
				ZSTD_getErrorName(n));
	}
	j->packed.len = n;
	return KVF_OK;
}

static int is_same(const struct kvf_earlier_unit *u, struct kvf_bytes unit)
{
	uint8_t digest[32];

	if (u->dsize != unit.len)
		return 0;
	kvf_sha256(unit.ptr, unit.len, digest);
	return memcmp(digest, u->digest, sizeof(digest)) == 0;
}

static enum kvf_status work(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	struct kvf_packer *p = ctx;
	struct kvf_packer_job *j = job;
	struct kvf_endc_record e;
	enum kvf_status st;

	st = kvf_buf_reserve(&j->unit, KVF_ENDC_RECORD_MAX, err);
	if (st)
		return st;
	kvf_unit_digest(kvf_buf_bytes(&j->unit), j->head, &j->chunk);
	e.b = j->chunk.info.totals.bytes;
	e.c = j->chunk.info.totals.entries;
	memcpy(e.d, j->chunk.info.d, sizeof(e.d));
	memcpy(e.m, j->chunk.info.totals.m, sizeof(e.m));
	j->unit.len += kvf_write_endc_record(j->unit.ptr + j->unit.len, &e);
	j->packed.len = 0;
	j->same = j->expected && is_same(j->expected, kvf_buf_bytes(&j->unit));
	return j->same || p->handed ? KVF_OK : compress(p, worker, j, err);
}

/* ---- jobs ---------------------------------------------------------------------------- */

void kvf_packer_job_free(struct kvf_packer_job *j)
{
	if (!j)
		return;
	kvf_buf_release(&j->unit);
	kvf_buf_release(&j->packed);
	free(j);
}

static void drop(void *ctx, void *job)
{
	(void)ctx;
	kvf_packer_job_free(job);
}

void kvf_packer_recycle(struct kvf_packer *p, struct kvf_packer_job *j)
{
	if (j->unit.size > KVF_KEEP_MAX) {
		kvf_buf_release(&j->unit);
		kvf_buf_release(&j->packed);
	}
	j->next = p->free;
	p->free = j;
}

enum kvf_status kvf_packer_job(struct kvf_packer *p, struct kvf_packer_job **out,
			       struct kvf_err *err)
{
	struct kvf_packer_job *j = p->free;

	if (j) {
		p->free = j->next;
	} else {
		j = calloc(1, sizeof(*j));
		if (!j)
			return kvf_fail_nomem(err);
		kvf_buf_init(&j->unit, (size_t)p->unit_max + KVF_UNIT_SLACK);
		kvf_buf_init(&j->packed,
			     ZSTD_COMPRESSBOUND((size_t)p->unit_max + KVF_UNIT_SLACK));
	}
	j->unit.len = 0;
	j->next = NULL;
	*out = j;
	return KVF_OK;
}

/* ---- frames out ------------------------------------------------------------------------ */

/* A hint and its frame. */
static enum kvf_status write_frame(struct kvf_packer *p, const void *frame, size_t len,
				   size_t content, struct kvf_err *err)
{
	uint8_t hint[KVF_HINT_LEN];
	enum kvf_status st;

	kvf_put_hint(hint, (uint32_t)len);
	st = kvf_output_write(p->out, hint, sizeof(hint), err);
	if (!st)
		st = kvf_output_write(p->out, frame, len, err);
	if (!st)
		st = kvf_frame_list_add(&p->frames, sizeof(hint), 0, err);
	if (!st)
		st = kvf_frame_list_add(&p->frames, len, content, err);
	return st;
}

/* ---- over what an earlier run left ---------------------------------------------------- */

/* The unit that is to come next, as an earlier run wrote it; NULL = none any more. */
static const struct kvf_earlier_unit *expect(struct kvf_packer *p)
{
	return p->follows && p->next < p->earlier.n ? &p->earlier.units[p->next++] : NULL;
}

/* It is the same: its frame stands. */
static enum kvf_status pass(struct kvf_packer *p, const struct kvf_earlier_unit *u,
			    struct kvf_err *err)
{
	enum kvf_status st = kvf_output_pass(p->out, KVF_HINT_LEN + (uint64_t)u->csize, err);

	if (!st)
		st = kvf_frame_list_add(&p->frames, KVF_HINT_LEN, 0, err);
	if (!st)
		st = kvf_frame_list_add(&p->frames, u->csize, u->dsize, err);
	return st;
}

/* It is not, or there are no more: from here on everything is written. */
static void leave(struct kvf_packer *p, int differs)
{
	char text[160];

	if (!p->follows)
		return;
	p->follows = 0;
	if (!differs || !p->env || !p->env->log)
		return;
	snprintf(
		text, sizeof(text),
		p->kept ? "starting over behind chunk %llu: the source is not what it was when "
			  "the export stopped"
			: "starting over: what the interrupted export left is of other data",
		(unsigned long long)p->kept);
	p->env->log(p->env->ctx, KVF_LOG_NOTE, text);
}

enum kvf_status kvf_packer_control(struct kvf_packer *p, struct kvf_bytes unit,
				   struct kvf_err *err)
{
	const struct kvf_earlier_unit *u = expect(p);
	enum kvf_status st;

	if (p->handed)
		return kvf_hand_control(p->out, unit, err);
	if (u && is_same(u, unit))
		return pass(p, u, err);
	leave(p, u != NULL);
	p->framed.len = 0;
	st = kvf_frame_raw(&p->framed, unit, err);
	if (!st)
		st = write_frame(p, p->framed.ptr, p->framed.len, unit.len, err);
	return st;
}

/* Wait for the oldest job, chain and write it.  KVF_EOF: none is under way. */
static enum kvf_status take_one(struct kvf_packer *p, struct kvf_err *err)
{
	enum kvf_status st;
	struct kvf_packer_job *j;
	void *job;

	if (p->under_way == 0)
		return KVF_EOF;
	st = kvf_pool_take(p->pool, &job, err);
	if (st) { /* the failing job is ours again */
		if (st != KVF_EOF)
			kvf_packer_job_free(job);
		return st == KVF_EOF ? kvf_fail(err, KVF_EINTERNAL, "a chunk got lost") : st;
	}
	j = job;
	p->under_way--;
	p->flying -= j->flying;
	kvf_sha256_chain(p->r, j->chunk.info.d);
	kvf_totals_merge(&p->totals, &j->chunk.info.totals);
	if (p->handed) {
		st = kvf_hand_chunk(p->out, &j->unit, &j->chunk, err);
	} else if (j->same && p->follows) {
		p->kept++;
		st = pass(p, j->expected, err);
	} else {
		leave(p, j->expected != NULL);
		/* One that was under way when those before it turned out to differ. */
		st = j->same ? compress(p, p->threads, j, err) : KVF_OK;
		if (!st)
			st = write_frame(p, j->packed.ptr, j->packed.len, j->unit.len, err);
	}
	kvf_packer_recycle(p, j);
	return st;
}

enum kvf_status kvf_packer_drain(struct kvf_packer *p, struct kvf_err *err)
{
	enum kvf_status st;

	do
		st = take_one(p, err);
	while (!st);
	return st == KVF_EOF ? KVF_OK : st;
}

/* Hand a chunk to the workers, when the window and the memory allow it. */
enum kvf_status kvf_packer_submit(struct kvf_packer *p, struct kvf_packer_job *j,
				  struct kvf_err *err)
{
	enum kvf_status st;

	if (!p->pool) {
		st = kvf_pool_new(p->threads, 2 * (size_t)p->threads + 1, work, p, &p->pool,
				  err);
		if (st)
			return st;
	}
	j->flying = j->unit.len;
	while (p->under_way &&
	       (kvf_pool_full(p->pool) || p->flying + j->flying > KVF_FLYING_MAX)) {
		st = take_one(p, err);
		if (st)
			return st;
	}
	j->expected = expect(p);
	st = kvf_pool_submit(p->pool, j, err);
	if (st)
		return st;
	p->under_way++;
	p->flying += j->flying;
	return KVF_OK;
}

/* A skippable frame; it has a line of its own in the seek table. */
enum kvf_status kvf_packer_note(struct kvf_packer *p, struct kvf_bytes payload,
				struct kvf_err *err)
{
	uint8_t head[KVF_SKIP_HEAD];
	enum kvf_status st;

	if (p->handed)
		return KVF_OK;
	kvf_put_le32(head, KVF_NOTE_MAGIC);
	kvf_put_le32(head + 4, (uint32_t)payload.len);
	st = kvf_output_write(p->out, head, sizeof(head), err);
	if (!st)
		st = kvf_output_write(p->out, payload.ptr, payload.len, err);
	if (!st)
		st = kvf_frame_list_add(&p->frames, sizeof(head) + payload.len, 0, err);
	return st;
}

enum kvf_status kvf_packer_table(struct kvf_packer *p, struct kvf_err *err)
{
	size_t n = p->frames.pairs.len / 8;
	uint8_t head[KVF_SKIP_HEAD], foot[9];
	enum kvf_status st;

	if (p->handed)
		return KVF_OK;
	if (p->frames.overflow) {
		if (p->env && p->env->log)
			p->env->log(p->env->ctx, KVF_LOG_WARN,
				    "the stream has too many frames for a seek table");
		return KVF_OK;
	}
	kvf_put_le32(head, KVF_TABLE_MAGIC);
	kvf_put_le32(head + 4, (uint32_t)(8 * n + sizeof(foot)));
	kvf_put_le32(foot, (uint32_t)n);
	foot[4] = 0;
	kvf_put_le32(foot + 5, KVF_SEEK_MAGIC);
	st = kvf_output_write(p->out, head, sizeof(head), err);
	if (!st)
		st = kvf_output_write(p->out, p->frames.pairs.ptr, 8 * n, err);
	if (!st)
		st = kvf_output_write(p->out, foot, sizeof(foot), err);
	return st;
}

enum kvf_status kvf_packer_init(struct kvf_packer *p, struct kvf_output *out,
				const struct kvf_env *env, uint64_t unit_max,
				struct kvf_err *err)
{
	memset(p, 0, sizeof(*p));
	p->out = out;
	p->env = env;
	p->level = 1;
	p->handed = kvf_output_has_parcels(out);
	p->unit_max = unit_max;
	p->threads = kvf_thread_count(env);
	kvf_buf_init(&p->framed, KVF_CONTROL_MAX + (64u << 10));
	kvf_frame_list_init(&p->frames);
	p->contexts = calloc(p->threads + 1, sizeof(ZSTD_CCtx *));
	if (!p->contexts)
		return kvf_fail_nomem(err);
	p->follows = kvf_output_earlier(out) > 0;
	return kvf_earlier_read(&p->earlier, out, env, unit_max + KVF_UNIT_SLACK, err);
}

void kvf_packer_release(struct kvf_packer *p)
{
	struct kvf_packer_job *j, *next;
	unsigned i;

	if (p->pool)
		kvf_pool_free(p->pool, drop);
	for (j = p->free; j; j = next) {
		next = j->next;
		kvf_packer_job_free(j);
	}
	for (i = 0; p->contexts && i <= p->threads; i++)
		ZSTD_freeCCtx(p->contexts[i]);
	free(p->contexts);
	kvf_buf_release(&p->frames.pairs);
	kvf_buf_release(&p->framed);
	kvf_earlier_release(&p->earlier);
}
