/* serial - callbacks of an env, one at a time. */
#include "par/serial.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct kvf_serial {
	struct kvf_env env;
	const struct kvf_env *outer;
	const char *only;
	int stop;
	pthread_mutex_t lock;
};

static int serial_stopped(void *ctx)
{
	struct kvf_serial *s = ctx;
	int stopped;

	pthread_mutex_lock(&s->lock);
	stopped =
		s->stop || (s->outer && s->outer->stopped && s->outer->stopped(s->outer->ctx));
	pthread_mutex_unlock(&s->lock);
	return stopped;
}

static void serial_log(void *ctx, enum kvf_log_level level, const char *message)
{
	struct kvf_serial *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->outer->log(s->outer->ctx, level, message);
	pthread_mutex_unlock(&s->lock);
}

static void serial_progress(void *ctx, const struct kvf_progress *progress)
{
	struct kvf_serial *s = ctx;

	pthread_mutex_lock(&s->lock);
	if (!s->only || strcmp(s->only, progress->step) == 0)
		s->outer->progress(s->outer->ctx, progress);
	pthread_mutex_unlock(&s->lock);
}

static void serial_event(void *ctx, const struct kvf_event *event)
{
	struct kvf_serial *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->outer->event(s->outer->ctx, event);
	pthread_mutex_unlock(&s->lock);
}

enum kvf_status kvf_serial_new(const struct kvf_env *outer, struct kvf_serial **out,
			       struct kvf_err *err)
{
	struct kvf_serial *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	if (pthread_mutex_init(&s->lock, NULL)) {
		free(s);
		return kvf_fail_nomem(err);
	}
	s->outer = outer;
	if (outer) {
		s->env.threads = outer->threads;
		s->env.memory = outer->memory;
		s->env.scratch = outer->scratch;
		s->env.session = outer->session;
		s->env.log = outer->log ? serial_log : NULL;
		s->env.progress = outer->progress ? serial_progress : NULL;
		s->env.event = outer->event ? serial_event : NULL;
	}
	s->env.stopped = serial_stopped;
	s->env.ctx = s;
	*out = s;
	return KVF_OK;
}

const struct kvf_env *kvf_serial_env(const struct kvf_serial *s)
{
	return &s->env;
}

void kvf_serial_only(struct kvf_serial *s, const char *step)
{
	pthread_mutex_lock(&s->lock);
	s->only = step;
	pthread_mutex_unlock(&s->lock);
}

void kvf_serial_stop(struct kvf_serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = 1;
	pthread_mutex_unlock(&s->lock);
}

void kvf_serial_go_on(struct kvf_serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = 0;
	pthread_mutex_unlock(&s->lock);
}

void kvf_serial_free(struct kvf_serial *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}
