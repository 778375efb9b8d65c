/*
 * holder - one run at a time: who has the store, and when another may take it.
 *
 * Safety does not depend on any of this: every write of a run is fenced by its
 * epoch.  The owner's beat decides only when somebody else tries to take over.
 */
#include "migrate/ledger.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at the control row. */
#define LOOK_MS 300

int kvf_is_unfinished(const struct kvf_control *c)
{
	return c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
}

int kvf_owner_alive(const struct kvf_control *c)
{
	char host[256] = "";

	if (!kvf_is_unfinished(c) || c->lease == 0)
		return 0;
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	if (strcmp(host, c->host) != 0)
		return 1;
	if (c->pid <= 0 || (kill((pid_t)c->pid, 0) && errno == ESRCH))
		return 0;
	return c->pid_start == 0 || kvf_pid_start((pid_t)c->pid) == c->pid_start;
}

static enum kvf_status refuse(const struct kvf_control *c, const struct kvf_report *r,
			      unsigned waited, struct kvf_err *err)
{
	char since[32], beat[32];

	kvf_time_text(c->started, since, sizeof(since));
	kvf_time_text(c->beat, beat, sizeof(beat));
	kvf_fail(err, KVF_EBUSY, "run %s holds the store", c->run);
	kvf_err_detail(err,
		       "%s%shost %s, process %" PRId64 ", since %s; step %s, last sign of life "
		       "%s. Nothing was changed.",
		       r->target, *r->target ? ": " : "", c->host, c->pid, since, c->step,
		       beat);
	kvf_err_hint(err,
		     "%s--lock-wait %u waits for it, and takes over when it gives no sign of "
		     "life for %u seconds; --takeover takes the store from it at once. "
		     "'kvferry status' shows where it stands.",
		     waited ? "Wait longer: " : "", c->lease + 30, c->lease);
	return KVF_EBUSY;
}

static int found_silent(const struct kvf_report *r)
{
	return r->silent_epoch && r->silent_epoch == r->control.epoch &&
	       r->silent_beat == r->control.beat;
}

static enum kvf_status pause_and_look(struct kvf_store *store, const struct kvf_env *env,
				      struct kvf_report *r, struct kvf_err *err)
{
	const struct timespec t = { 0, LOOK_MS * 1000000L };
	enum kvf_status st;

	nanosleep(&t, NULL);
	st = kvf_check_stop(env, err);
	if (st)
		return st;
	st = kvf_store_control(store, &r->control, err);
	r->has_control = st == KVF_OK;
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	}
	return st;
}

enum kvf_status kvf_await_store(struct kvf_store *store, const struct kvf_options *o,
				const struct kvf_env *env, struct kvf_report *r,
				struct kvf_err *err)
{
	unsigned wait = o->dry_run ? 0 : o->lock_wait;
	double unchanged = kvf_monotonic();
	struct kvf_control before;
	enum kvf_status st;

	if (r->lock_until <= 0)
		r->lock_until = unchanged + wait;
	while (r->has_control && kvf_owner_alive(&r->control) && !o->takeover &&
	       !found_silent(r)) {
		if (kvf_monotonic() - unchanged >= r->control.lease) {
			r->silent_epoch = r->control.epoch;
			r->silent_beat = r->control.beat;
			kvf_logf(env, KVF_LOG_NOTE,
				 "run %s gave no sign of life for %u seconds: taking over",
				 r->control.run, r->control.lease);
			return KVF_OK;
		}
		if (kvf_monotonic() >= r->lock_until)
			return refuse(&r->control, r, wait, err);
		before = r->control;
		st = pause_and_look(store, env, r, err);
		if (st)
			return st;
		if (before.epoch != r->control.epoch || before.beat != r->control.beat ||
		    strcmp(before.run, r->control.run) != 0)
			unchanged = kvf_monotonic();
	}
	return KVF_OK;
}

enum kvf_status kvf_await_place(const char *place, const struct kvf_options *o,
				const struct kvf_env *env, struct kvf_report *r,
				struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table };
	struct kvf_store *store = NULL;
	enum kvf_status st = kvf_store_open(place, KVF_STORE_READ, &so, env, &store, err);

	if (!st)
		st = kvf_store_control(store, &r->control, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	} else if (!st) {
		r->has_control = 1;
		st = kvf_await_store(store, o, env, r, err);
	}
	kvf_store_close(store);
	return st;
}
