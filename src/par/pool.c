/*
 * pool - the ordered pool.
 *
 * Jobs have serial numbers, and a ring of `window` slots holds those that are
 * under way.  Three numbers move through it, always taken <= started <=
 * submitted:
 *
 *        taken             started           submitted
 *     ... | done or running | waiting          | free ...
 *
 * Workers start jobs strictly in order.  So when a job fails, all earlier ones
 * have been started already and will end, and none after it is started any
 * more: the failure with the lowest serial wins, whatever the timing.
 */
#include "par/par.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct slot {
	void *job;
	int done;
};

struct worker {
	struct kvf_pool *pool;
	unsigned index;
	pthread_t thread;
};

struct kvf_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;   /* there is a job to start, or an end to all */
	pthread_cond_t room;   /* the window has room, or a job failed */
	pthread_cond_t result; /* the next result is there, or no job runs */
	kvf_pool_fn *fn;
	void *ctx;
	size_t window;
	uint64_t taken, started, submitted;
	unsigned running;
	int stop;
	uint64_t failed; /* serial of the winning failure; UINT64_MAX = none */
	int failed_taken;
	struct kvf_err err; /* of job `failed` */
	struct slot *slots;
	struct worker *workers;
	unsigned nworkers; /* that were started */
};

static struct slot *slot_of(struct kvf_pool *p, uint64_t serial)
{
	return &p->slots[serial % p->window];
}

/* Is there a job that a worker may start now?  Called with the lock. */
static int may_start(const struct kvf_pool *p)
{
	return p->started < p->submitted && p->failed == UINT64_MAX;
}

/* Note the end of a job.  Called with the lock. */
static void end_job(struct kvf_pool *p, uint64_t serial, enum kvf_status st,
		    const struct kvf_err *err)
{
	slot_of(p, serial)->done = 1;
	p->running--;
	if (st && serial < p->failed) {
		p->failed = serial;
		p->err = *err;
		p->err.status = st;
		pthread_cond_broadcast(&p->room);
	}
	if (serial == p->taken || p->running == 0)
		pthread_cond_broadcast(&p->result);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct kvf_pool *p = w->pool;
	struct kvf_err err;
	enum kvf_status st;
	uint64_t serial;
	void *job;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		if (!may_start(p)) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		serial = p->started++;
		job = slot_of(p, serial)->job;
		p->running++;
		pthread_mutex_unlock(&p->lock);
		kvf_err_clear(&err);
		st = p->fn(p->ctx, w->index, job, &err);
		pthread_mutex_lock(&p->lock);
		end_job(p, serial, st, &err);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Start the workers, with all signals blocked: those are for the main thread. */
static enum kvf_status start_workers(struct kvf_pool *p, unsigned threads, struct kvf_err *err)
{
	sigset_t all, old;
	unsigned i;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < threads; i++) {
		struct worker *w = &p->workers[i];

		w->pool = p;
		w->index = i;
		rc = pthread_create(&w->thread, NULL, work, w);
		if (rc)
			break;
		p->nworkers++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->nworkers > 0)
		return KVF_OK;
	kvf_fail_errno(err, KVF_EINTERNAL, rc, "cannot start a thread");
	kvf_err_hint(err, "Allow more processes and threads (ulimit -u, cgroup pids.max).");
	return KVF_EINTERNAL;
}

static int init_locks(struct kvf_pool *p)
{
	if (pthread_mutex_init(&p->lock, NULL))
		return 0;
	if (pthread_cond_init(&p->work, NULL))
		goto no_work;
	if (pthread_cond_init(&p->room, NULL))
		goto no_room;
	if (pthread_cond_init(&p->result, NULL))
		goto no_result;
	return 1;
no_result:
	pthread_cond_destroy(&p->room);
no_room:
	pthread_cond_destroy(&p->work);
no_work:
	pthread_mutex_destroy(&p->lock);
	return 0;
}

enum kvf_status kvf_pool_new(unsigned threads, size_t window, kvf_pool_fn *fn, void *ctx,
			     struct kvf_pool **out, struct kvf_err *err)
{
	struct kvf_pool *p = calloc(1, sizeof(*p));
	enum kvf_status st;

	*out = NULL;
	if (!p)
		return kvf_fail_nomem(err);
	if (threads == 0)
		threads = 1;
	p->window = window ? window : 1;
	p->fn = fn;
	p->ctx = ctx;
	p->failed = UINT64_MAX;
	p->slots = calloc(p->window, sizeof(*p->slots));
	p->workers = calloc(threads, sizeof(*p->workers));
	if (!p->slots || !p->workers || !init_locks(p)) {
		free(p->slots);
		free(p->workers);
		free(p);
		return kvf_fail_nomem(err);
	}
	st = start_workers(p, threads, err);
	if (st) {
		kvf_pool_free(p, NULL);
		return st;
	}
	*out = p;
	return KVF_OK;
}

/* Hand out the winning failure; the lock is held, and no earlier job runs. */
static enum kvf_status give_failure(const struct kvf_pool *p, struct kvf_err *err)
{
	if (err)
		*err = p->err;
	return p->err.status;
}

enum kvf_status kvf_pool_submit(struct kvf_pool *p, void *job, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	struct slot *s;

	pthread_mutex_lock(&p->lock);
	while (p->failed == UINT64_MAX && p->submitted - p->taken >= p->window)
		pthread_cond_wait(&p->room, &p->lock);
	if (p->failed != UINT64_MAX) {
		while (p->running > 0) /* an earlier job may still fail */
			pthread_cond_wait(&p->result, &p->lock);
		st = give_failure(p, err);
	} else {
		s = slot_of(p, p->submitted++);
		s->job = job;
		s->done = 0;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return st;
}

int kvf_pool_full(struct kvf_pool *p)
{
	int full;

	pthread_mutex_lock(&p->lock);
	full = p->submitted - p->taken >= p->window;
	pthread_mutex_unlock(&p->lock);
	return full;
}

/* The job at the front has failed: hand it over once, its error for ever. */
static enum kvf_status take_failure(struct kvf_pool *p, void **job, struct kvf_err *err)
{
	if (!p->failed_taken) {
		*job = slot_of(p, p->taken)->job;
		slot_of(p, p->taken)->job = NULL;
		p->failed_taken = 1;
	}
	return give_failure(p, err);
}

enum kvf_status kvf_pool_take(struct kvf_pool *p, void **job, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	*job = NULL;
	pthread_mutex_lock(&p->lock);
	while (p->taken < p->submitted && !slot_of(p, p->taken)->done)
		pthread_cond_wait(&p->result, &p->lock);
	if (p->taken == p->failed) {
		st = take_failure(p, job, err);
	} else if (p->taken == p->submitted) {
		st = KVF_EOF;
	} else {
		*job = slot_of(p, p->taken)->job;
		p->taken++;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return st;
}

int kvf_pool_wait(struct kvf_pool *p, unsigned ms)
{
	struct timespec until;
	int rc = 0, ready;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&p->lock);
	while (!(ready = p->taken == p->submitted || slot_of(p, p->taken)->done) && !rc)
		rc = pthread_cond_timedwait(&p->result, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	return ready;
}

void kvf_pool_free(struct kvf_pool *p, void (*drop)(void *ctx, void *job))
{
	uint64_t serial;
	unsigned i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = 1;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nworkers; i++)
		pthread_join(p->workers[i].thread, NULL);
	for (serial = p->taken; drop && serial < p->submitted; serial++)
		if (!(serial == p->failed && p->failed_taken))
			drop(p->ctx, slot_of(p, serial)->job);
	pthread_cond_destroy(&p->result);
	pthread_cond_destroy(&p->room);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->workers);
	free(p->slots);
	free(p);
}

/* Processors that this process may run on: taskset and containers count. */
static unsigned processors(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

unsigned kvf_thread_count(const struct kvf_env *env)
{
	unsigned n = env ? env->threads : 0;

	if (n)
		return n;
	n = processors();
	return n > 16 ? 16 : n;
}
