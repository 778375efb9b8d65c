/*
 * spill - write sorted runs to a scratch file.
 *
 * The file is one block after the other, each behind a header that says what it
 * is and where it belongs, with checksums of header and contents.  Nobody but
 * this process ever reads it, so integers are in the machine's own order.
 *
 *   BLOCK_RECORDS   records, compressed
 *   BLOCK_HEAD      one record without its value, which follows as
 *   BLOCK_VALUE     the value alone, as it is: it may be as large as memory
 */
#include "sort/spill.h"

#include "base/hash.h"
#include "par/par.h"
#include <kvferry/io.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define SPILL_LEVEL                                                                            \
	(-3) /* written and read once: half the time of level 1, two thirds more bytes */

enum { BLOCK_RECORDS = 1, BLOCK_HEAD = 2, BLOCK_VALUE = 3 };

struct block_head {
	uint32_t kind, stored, raw, pad;
	uint64_t at;       /* offset in the file */
	uint64_t contents; /* XXH64 of the stored bytes */
	uint64_t check;    /* XXH64 of all before */
};

/* A block on its way through the pool. */
struct job {
	struct job *next; /* in the list of free ones */
	uint8_t *raw, *stored;
	size_t raw_len, stored_len;
	uint64_t contents;
};

struct spill {
	int fd;
	struct kvf_output *out;
	const struct kvf_env *env;
	size_t block, bound;
	uint64_t run_at; /* where the run being written begins */
	struct kvf_pool *pool;
	ZSTD_CCtx **cctx; /* one for each worker */
	unsigned nworkers;
	struct job *jobs, *free_jobs, *job; /* all; idle; being filled */
	size_t njobs;
	ZSTD_DCtx *dctx;
	uint8_t *value; /* the last large value that was read */
	size_t value_size;
};

static enum kvf_status compress(void *ctx, unsigned worker, void *arg, struct kvf_err *err)
{
	struct spill *sp = ctx;
	struct job *job = arg;

	job->stored_len = ZSTD_compressCCtx(sp->cctx[worker], job->stored, sp->bound, job->raw,
					    job->raw_len, SPILL_LEVEL);
	if (ZSTD_isError(job->stored_len))
		return kvf_fail(err, KVF_EINTERNAL, "cannot compress a scratch block: %s",
				ZSTD_getErrorName(job->stored_len));
	job->contents = kvf_xxh64(job->stored, job->stored_len);
	return KVF_OK;
}

static enum kvf_status open_scratch(struct spill *sp, const char *dir, struct kvf_err *err)
{
	char name[512], folder[480];
	enum kvf_status st = kvf_scratch_open(dir, &sp->fd, err);

	if (st)
		return st;
	snprintf(name, sizeof(name), "the scratch file in %s",
		 kvf_bytes_print(kvf_bytes_str(dir), folder, sizeof(folder)));
	return kvf_output_fd(sp->fd, name, &sp->out, err);
}

static enum kvf_status make_jobs(struct spill *sp, struct kvf_err *err)
{
	size_t i;

	sp->nworkers = kvf_thread_count(sp->env);
	sp->njobs = 2 * (size_t)sp->nworkers + 1;
	sp->jobs = calloc(sp->njobs, sizeof(*sp->jobs));
	sp->cctx = calloc(sp->nworkers, sizeof(ZSTD_CCtx *));
	sp->dctx = ZSTD_createDCtx();
	if (!sp->jobs || !sp->cctx || !sp->dctx)
		return kvf_fail_nomem(err);
	for (i = 0; i < sp->njobs; i++) {
		sp->jobs[i].raw = malloc(sp->block);
		sp->jobs[i].stored = malloc(sp->bound);
		if (!sp->jobs[i].raw || !sp->jobs[i].stored)
			return kvf_fail_nomem(err);
		sp->jobs[i].next = sp->free_jobs;
		sp->free_jobs = &sp->jobs[i];
	}
	for (i = 0; i < sp->nworkers; i++) {
		sp->cctx[i] = ZSTD_createCCtx();
		if (!sp->cctx[i])
			return kvf_fail_nomem(err);
	}
	/* One job is being filled while the others are under way. */
	return kvf_pool_new(sp->nworkers, sp->njobs - 1, compress, sp, &sp->pool, err);
}

enum kvf_status kvf_spill_new(const char *dir, size_t block, const struct kvf_env *env,
			      struct spill **out, struct kvf_err *err)
{
	struct spill *sp = calloc(1, sizeof(*sp));
	enum kvf_status st;

	*out = NULL;
	if (!sp)
		return kvf_fail_nomem(err);
	sp->fd = -1;
	sp->env = env;
	sp->block = block;
	sp->bound = ZSTD_compressBound(block);
	st = open_scratch(sp, dir, err);
	if (!st)
		st = make_jobs(sp, err);
	if (st) {
		kvf_spill_free(sp);
		return st;
	}
	*out = sp;
	return KVF_OK;
}

void kvf_spill_free(struct spill *sp)
{
	size_t i;

	if (!sp)
		return;
	kvf_pool_free(sp->pool, NULL);
	for (i = 0; sp->jobs && i < sp->njobs; i++) {
		free(sp->jobs[i].raw);
		free(sp->jobs[i].stored);
	}
	for (i = 0; sp->cctx && i < sp->nworkers; i++)
		ZSTD_freeCCtx(sp->cctx[i]);
	free(sp->jobs);
	free(sp->cctx);
	ZSTD_freeDCtx(sp->dctx);
	free(sp->value);
	kvf_output_close(sp->out);
	if (sp->fd >= 0)
		close(sp->fd);
	free(sp);
}

/* ---- writing ---------------------------------------------------------------- */

static enum kvf_status write_block(struct spill *sp, uint32_t kind, const void *stored,
				   size_t stored_len, size_t raw_len, uint64_t contents,
				   struct kvf_err *err)
{
	struct block_head h = {
		.kind = kind,
		.stored = (uint32_t)stored_len,
		.raw = (uint32_t)raw_len,
		.at = kvf_output_tell(sp->out),
		.contents = contents,
	};
	enum kvf_status st;

	if (sp->env && sp->env->stopped && sp->env->stopped(sp->env->ctx))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped while sorting");
	h.check = kvf_xxh64(&h, offsetof(struct block_head, check));
	st = kvf_output_write(sp->out, &h, sizeof(h), err);
	return st ? st : kvf_output_write(sp->out, stored, stored_len, err);
}

/* Write the oldest block under way.  KVF_EOF when there is none. */
static enum kvf_status write_oldest(struct spill *sp, struct kvf_err *err)
{
	enum kvf_status st;
	struct job *job;
	void *taken;

	st = kvf_pool_take(sp->pool, &taken, err);
	if (st)
		return st;
	job = taken;
	st = write_block(sp, BLOCK_RECORDS, job->stored, job->stored_len, job->raw_len,
			 job->contents, err);
	job->raw_len = 0;
	job->next = sp->free_jobs;
	sp->free_jobs = job;
	return st;
}

/* Hand the block over that is being filled, if there is one. */
static enum kvf_status submit(struct spill *sp, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (!sp->job)
		return KVF_OK;
	if (kvf_pool_full(sp->pool))
		st = write_oldest(sp, err);
	if (!st)
		st = kvf_pool_submit(sp->pool, sp->job, err);
	if (!st)
		sp->job = NULL;
	return st;
}

static enum kvf_status flush(struct spill *sp, struct kvf_err *err)
{
	enum kvf_status st = submit(sp, err);

	while (!st)
		st = write_oldest(sp, err);
	return st == KVF_EOF ? KVF_OK : st;
}

/* A record that is larger than a block. */
static enum kvf_status put_large(struct spill *sp, const struct record *r, const uint8_t *value,
				 struct kvf_err *err)
{
	size_t head = record_head_size(r);
	enum kvf_status st = flush(sp, err);

	if (!st)
		st = write_block(sp, BLOCK_HEAD, r, head, head, kvf_xxh64(r, head), err);
	if (!st)
		st = write_block(sp, BLOCK_VALUE, value, r->value_len, r->value_len,
				 kvf_xxh64(value, r->value_len), err);
	return st;
}

enum kvf_status kvf_spill_put(struct spill *sp, const struct record *r, const uint8_t *value,
			      struct kvf_err *err)
{
	size_t head = record_head_size(r), size = head + r->value_len;
	size_t padded = record_padded(size);
	enum kvf_status st;
	uint8_t *to;

	if (padded > sp->block)
		return put_large(sp, r, value, err);
	if (sp->job && padded > sp->block - sp->job->raw_len) {
		st = submit(sp, err);
		if (st)
			return st;
	}
	if (!sp->job) {
		if (!sp->free_jobs) {
			st = write_oldest(sp, err);
			if (st)
				return st;
		}
		sp->job = sp->free_jobs;
		sp->free_jobs = sp->job->next;
		sp->job->raw_len = 0;
	}
	to = sp->job->raw + sp->job->raw_len;
	memcpy(to, r, head);
	if (r->value_len)
		memcpy(to + head, value, r->value_len);
	memset(to + size, 0, padded - size);
	sp->job->raw_len += padded;
	return KVF_OK;
}

enum kvf_status kvf_spill_end(struct spill *sp, struct extent *run, struct kvf_err *err)
{
	enum kvf_status st = flush(sp, err);

	run->at = sp->run_at;
	run->end = kvf_output_tell(sp->out);
	sp->run_at = run->end;
	return st;
}

uint64_t kvf_spill_written(const struct spill *sp)
{
	return sp ? kvf_output_tell(sp->out) : 0;
}

void kvf_spill_discard(struct spill *sp, const struct extent *run)
{
	/* Only a courtesy to the disk; not every file system can do it. */
	if (fallocate(sp->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)run->at,
		      (off_t)(run->end - run->at)))
		return;
}

/* ---- reading ------------------------------------------------------------------ */

static enum kvf_status fail_damaged(uint64_t at, struct kvf_err *err)
{
	kvf_fail(err, KVF_ETARGET, "the scratch file is damaged at offset %llu",
		 (unsigned long long)at);
	kvf_err_hint(err, "Check the disk, or set TMPDIR to a folder on another one.");
	return KVF_ETARGET;
}

static enum kvf_status read_at(struct spill *sp, uint64_t at, void *buf, size_t len,
			       struct kvf_err *err)
{
	uint8_t *to = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(sp->fd, to + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot read back %s",
					      kvf_output_name(sp->out));
		if (n == 0)
			return fail_damaged(at, err);
		done += (size_t)n;
	}
	return KVF_OK;
}

/* A buffer of at least `need` bytes; what it held is lost. */
static enum kvf_status make_room(uint8_t **buf, size_t *size, size_t need, struct kvf_err *err)
{
	if (need <= *size)
		return KVF_OK;
	free(*buf);
	*size = 0;
	*buf = malloc(need);
	if (!*buf)
		return kvf_fail_nomem(err);
	*size = need;
	return KVF_OK;
}

static enum kvf_status read_head(struct spill *sp, uint64_t at, uint64_t end,
				 struct block_head *h, struct kvf_err *err)
{
	enum kvf_status st;

	if (end - at < sizeof(*h))
		return fail_damaged(at, err);
	st = read_at(sp, at, h, sizeof(*h), err);
	if (st)
		return st;
	if (h->check != kvf_xxh64(h, offsetof(struct block_head, check)) || h->at != at ||
	    h->stored > end - at - sizeof(*h))
		return fail_damaged(at, err);
	return KVF_OK;
}

static enum kvf_status read_contents(struct spill *sp, const struct block_head *h, uint8_t *buf,
				     struct kvf_err *err)
{
	enum kvf_status st = read_at(sp, h->at + sizeof(*h), buf, h->stored, err);

	if (!st && kvf_xxh64(buf, h->stored) != h->contents)
		return fail_damaged(h->at, err);
	return st;
}

void kvf_spilled_open(struct spilled *rd, struct spill *sp, const struct extent *run)
{
	memset(rd, 0, sizeof(*rd));
	rd->sp = sp;
	rd->left = *run;
}

void kvf_spilled_release(struct spilled *rd)
{
	free(rd->stored);
	free(rd->raw);
	rd->stored = NULL;
	rd->raw = NULL;
}

static enum kvf_status unpack_records(struct spilled *rd, const struct block_head *h,
				      struct kvf_err *err)
{
	enum kvf_status st;
	size_t n;

	if (h->raw > rd->sp->block)
		return fail_damaged(h->at, err);
	st = make_room(&rd->stored, &rd->stored_size, h->stored, err);
	if (!st)
		st = make_room(&rd->raw, &rd->raw_size, rd->sp->block, err);
	if (!st)
		st = read_contents(rd->sp, h, rd->stored, err);
	if (st)
		return st;
	n = ZSTD_decompressDCtx(rd->sp->dctx, rd->raw, h->raw, rd->stored, h->stored);
	if (ZSTD_isError(n) || n != h->raw)
		return fail_damaged(h->at, err);
	return KVF_OK;
}

/* A record whose value lies in the block behind. */
static enum kvf_status unpack_head(struct spilled *rd, const struct block_head *h,
				   struct kvf_err *err)
{
	struct block_head value;
	enum kvf_status st;

	st = make_room(&rd->raw, &rd->raw_size, h->stored, err);
	if (!st)
		st = read_contents(rd->sp, h, rd->raw, err);
	if (!st)
		st = read_head(rd->sp, rd->left.at, rd->left.end, &value, err);
	if (st)
		return st;
	if (value.kind != BLOCK_VALUE)
		return fail_damaged(value.at, err);
	rd->value_at = rd->left.at;
	rd->left.at += sizeof(value) + value.stored;
	return KVF_OK;
}

static enum kvf_status next_block(struct spilled *rd, struct kvf_err *err)
{
	struct block_head h;
	enum kvf_status st = read_head(rd->sp, rd->left.at, rd->left.end, &h, err);

	if (st)
		return st;
	rd->left.at += sizeof(h) + h.stored;
	rd->pos = 0;
	rd->len = h.raw;
	if (h.kind == BLOCK_RECORDS)
		return unpack_records(rd, &h, err);
	if (h.kind == BLOCK_HEAD)
		return unpack_head(rd, &h, err);
	return fail_damaged(h.at, err);
}

enum kvf_status kvf_spilled_advance(struct spilled *rd, struct kvf_err *err)
{
	enum kvf_status st;

	if (rd->pos == rd->len) {
		rd->rec = NULL;
		rd->value_at = 0;
		if (rd->left.at == rd->left.end) {
			kvf_spilled_release(rd);
			return KVF_OK;
		}
		st = next_block(rd, err);
		if (st)
			return st;
	}
	rd->rec = (struct record *)(void *)(rd->raw + rd->pos);
	rd->pos = rd->value_at ? rd->len : rd->pos + record_padded(record_size(rd->rec));
	if (rd->pos > rd->len) /* the checksum was right: then we wrote it wrong */
		return kvf_fail(err, KVF_EINTERNAL, "a scratch block holds half a record");
	return KVF_OK;
}

enum kvf_status kvf_spilled_value(struct spilled *rd, const uint8_t **value,
				  struct kvf_err *err)
{
	struct spill *sp = rd->sp;
	struct block_head h;
	enum kvf_status st;

	if (!rd->value_at) {
		*value = (const uint8_t *)rd->rec + record_head_size(rd->rec);
		return KVF_OK;
	}
	st = read_head(sp, rd->value_at, UINT64_MAX, &h, err);
	if (!st && h.stored != rd->rec->value_len)
		st = fail_damaged(h.at, err);
	if (!st)
		st = make_room(&sp->value, &sp->value_size, h.stored, err);
	if (!st)
		st = read_contents(sp, &h, sp->value, err);
	*value = sp->value;
	return st;
}
