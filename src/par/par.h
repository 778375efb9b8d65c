/*
 * par - an ordered pool of threads, and nothing else that locks.
 *
 * One thread submits jobs, workers run them, and the same or another thread
 * takes the results in the order of submission.  Both queues together hold at
 * most `window` jobs: a submitter that is ahead waits.  The first failing job
 * wins: its error is what take() returns from then on, later jobs are not run.
 */
#ifndef KVF_PAR_H
#define KVF_PAR_H

#include <kvferry/base.h>

struct kvf_pool;

/*
 * Run one job.  `worker` is 0 ... threads-1, so that a worker can own a context
 * (one ZSTD_CCtx each); `job` is the caller's.
 */
typedef enum kvf_status kvf_pool_fn(void *ctx, unsigned worker, void *job, struct kvf_err *err);

KVF_MUST_CHECK enum kvf_status kvf_pool_new(unsigned threads, size_t window, kvf_pool_fn *fn,
					    void *ctx, struct kvf_pool **out,
					    struct kvf_err *err);

/*
 * Hand a job over.  Blocks while the window is full, so that a thread which
 * both submits and takes must ask kvf_pool_full() first.  Returns the first
 * failure, if there was one; the job then stays the caller's.
 */
KVF_MUST_CHECK enum kvf_status kvf_pool_submit(struct kvf_pool *p, void *job,
					       struct kvf_err *err);
int kvf_pool_full(struct kvf_pool *p);

/*
 * The next result in order; waits for it.  KVF_EOF when nothing is under way, so
 * that a taker in another thread must know that a job was submitted.  After a
 * failure the error is returned for ever; the first time *job is the job that
 * failed, later it is NULL.
 */
KVF_MUST_CHECK enum kvf_status kvf_pool_take(struct kvf_pool *p, void **job,
					     struct kvf_err *err);

/* Wait for the next result, at most `ms` milliseconds; 0 if kvf_pool_take() would
 * still have to wait. */
int kvf_pool_wait(struct kvf_pool *p, unsigned ms);

/* Stop and join.  Jobs that were not taken are given to `drop` (may be NULL). */
void kvf_pool_free(struct kvf_pool *p, void (*drop)(void *ctx, void *job));

/* env->threads, or the number of processors, at most 16. */
unsigned kvf_thread_count(const struct kvf_env *env);

#endif
