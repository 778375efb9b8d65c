/* report - filling and freeing reports, progress, log. */
#include "migrate/run.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kvf_status kvf_report_init(struct kvf_report *r, struct kvf_err *err)
{
	memset(r, 0, sizeof(*r));
	r->need_bytes = UINT64_MAX;
	r->free_bytes = UINT64_MAX;
	r->memory = malloc(sizeof(struct kvf_arena));
	if (!r->memory)
		return kvf_fail_nomem(err);
	kvf_arena_init(r->memory);
	return KVF_OK;
}

void kvf_report_free(struct kvf_report *r)
{
	if (!r || !r->memory)
		return;
	kvf_arena_release(r->memory);
	free(r->memory);
	memset(r, 0, sizeof(*r));
}

void *kvf_report_alloc(struct kvf_report *r, size_t size)
{
	return kvf_arena_zalloc(r->memory, size);
}

char *kvf_report_text(struct kvf_report *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return kvf_arena_strdup(r->memory, text);
}

void kvf_report_name(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to, size, fmt, ap);
	va_end(ap);
	kvf_text_clean(to, 0);
}

void kvf_report_warn(struct kvf_report *r, const char *fmt, ...)
{
	char text[1024], **list;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Warnings are few: a longer list each time is the simple way. */
	list = kvf_arena_alloc(r->memory, (r->nwarnings + 1) * sizeof(*list));
	if (!list)
		return;
	if (r->nwarnings)
		memcpy(list, r->warnings, r->nwarnings * sizeof(*list));
	list[r->nwarnings] = kvf_arena_strdup(r->memory, text);
	if (!list[r->nwarnings])
		return;
	r->warnings = list;
	r->nwarnings++;
}

enum kvf_status kvf_report_difference(struct kvf_report *r, size_t max,
				      enum kvf_difference_side side, const char *package,
				      const struct kvf_entry *left,
				      const struct kvf_entry *right, struct kvf_err *err)
{
	const struct kvf_entry *e = left ? left : right;
	struct kvf_difference *d;

	switch (side) {
	case KVF_ONLY_LEFT: r->only_left++; break;
	case KVF_ONLY_RIGHT: r->only_right++; break;
	case KVF_VALUES_DIFFER: r->differ++; break;
	}
	if (r->ndifferences == max)
		return KVF_OK;
	if (!r->differences)
		r->differences = kvf_report_alloc(r, max * sizeof(*r->differences));
	if (!r->differences)
		return kvf_fail_nomem(err);
	d = &r->differences[r->ndifferences];
	d->side = side;
	d->package = kvf_report_text(r, "%s", package);
	d->part = kvf_report_alloc(r, e->part.len + 1);
	d->key = kvf_report_alloc(r, e->key.len + 1);
	if (!d->package || !d->part || !d->key)
		return kvf_fail_nomem(err);
	if (e->part.len)
		memcpy(d->part, e->part.ptr, e->part.len);
	memcpy(d->key, e->key.ptr, e->key.len);
	d->part_len = e->part.len;
	d->key_len = e->key.len;
	d->left_value = left ? left->value.len : 0;
	d->right_value = right ? right->value.len : 0;
	r->ndifferences++;
	return KVF_OK;
}

size_t kvf_report_step(struct kvf_report *r, const char *name)
{
	size_t i = r->nsteps;

	if (i == sizeof(r->steps) / sizeof(r->steps[0]))
		return --i;
	r->nsteps++;
	r->steps[i].name = name;
	r->steps[i].seconds = -kvf_monotonic();
	return i;
}

void kvf_report_step_end(struct kvf_report *r, size_t step, uint64_t entries, uint64_t bytes)
{
	r->steps[step].seconds += kvf_monotonic();
	r->steps[step].entries = entries;
	r->steps[step].bytes = bytes;
}

enum kvf_status kvf_report_packages(struct kvf_report *r, const char *const *names, size_t n,
				    struct kvf_err *err)
{
	size_t i;

	r->packages = kvf_report_alloc(r, (n ? n : 1) * sizeof(*r->packages));
	if (!r->packages)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		r->packages[i].name = kvf_arena_strdup(r->memory, names[i]);
		if (!r->packages[i].name)
			return kvf_fail_nomem(err);
	}
	r->npackages = n;
	return KVF_OK;
}

int kvf_stopped(const struct kvf_env *env)
{
	return env && env->stopped && env->stopped(env->ctx);
}

struct kvf_env kvf_env_named(const struct kvf_env *env, const char *session)
{
	struct kvf_env named = { 0 };

	if (env)
		named = *env;
	named.session = session;
	return named;
}

enum kvf_status kvf_check_stop(const struct kvf_env *env, struct kvf_err *err)
{
	if (kvf_stopped(env))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	return KVF_OK;
}

void kvf_logf(const struct kvf_env *env, enum kvf_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!env || !env->log)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	env->log(env->ctx, level, text);
}

void kvf_meter_begin(struct kvf_meter *m, const struct kvf_env *env, const char *step,
		     unsigned index, unsigned steps, uint64_t total, int estimate)
{
	memset(m, 0, sizeof(*m));
	m->env = env;
	m->p.step = step;
	m->p.what = "";
	m->p.index = index;
	m->p.steps = steps;
	m->p.total = total;
	m->p.estimate = estimate;
	kvf_meter_send(m);
}

void kvf_meter_at(struct kvf_meter *m, const char *what)
{
	m->p.what = what;
}

void kvf_meter_send(struct kvf_meter *m)
{
	m->next = m->p.entries + 2048;
	if (m->env && m->env->progress)
		m->env->progress(m->env->ctx, &m->p);
}

void kvf_report_store(struct kvf_report *r, const struct kvf_store *store)
{
	const char *place = kvf_store_place(store);

	snprintf(r->store, sizeof(r->store), "%s", *place ? place : kvf_store_identity(store));
}
