/* preflight - what refuses a store before anything is written to it. */
#include "migrate/ledger.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int kvf_owner_alive(const struct kvf_control *c)
{
	char host[256] = "";

	if (c->state != KVF_RUN_STAGING && c->state != KVF_RUN_SEALED)
		return 0;
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	if (strcmp(host, c->host) == 0) {
		if (c->pid <= 0 || (kill((pid_t)c->pid, 0) && errno == ESRCH))
			return 0;
		return c->pid_start == 0 || kvf_pid_start((pid_t)c->pid) == c->pid_start;
	}
	/* Another host: believe it for as long as it may be at work.  If that is
	 * wrong nothing is lost, because every write checks the epoch. */
	return kvf_now_us() - c->beat < INT64_C(600) * 1000000;
}

static enum kvf_status refuse_busy(const struct kvf_control *c, struct kvf_err *err)
{
	char when[32];

	kvf_time_text(c->started, when, sizeof(when));
	kvf_fail(err, KVF_EBUSY, "run %s is importing into this store", c->run);
	kvf_err_detail(err, "on host %s, process %" PRId64 ", since %s. Nothing was changed.",
		       c->host, c->pid, when);
	kvf_err_hint(err, "Wait for it to finish; 'kvferry status' shows where it stands.");
	return KVF_EBUSY;
}

enum kvf_status kvf_refuse_not_empty(const struct kvf_report *r, const char *place,
				     struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "the store is not empty: it holds %" PRIu64 " %s",
		 r->facts.entries, r->facts.entries == 1 ? "entry" : "entries");
	kvf_err_detail(err, "%s%s. Nothing was changed.", r->target,
		       r->right.entries ? " holds other data" : "");
	kvf_err_hint(err,
		     "--replace publishes the new data in their place and keeps the old "
		     "generation; --merge adds to them. 'kvferry backup %s FILE.kvf' saves "
		     "them first.",
		     place);
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_preflight_new(const struct kvf_options *o, const struct kvf_env *env,
				  struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table };
	struct kvf_store *store = NULL;
	enum kvf_status st;

	kvf_err_clear(err);
	st = kvf_store_open(o->target, KVF_STORE_WRITE, &so, env, &store, err);
	if (!st)
		st = kvf_import_preflight(store, "", report, err);
	kvf_store_close(store);
	kvf_report_name(report->target, sizeof(report->target), "%s", o->target);
	return st;
}

enum kvf_status kvf_import_preflight(struct kvf_store *store, const char *app,
				     struct kvf_report *report, struct kvf_err *err)
{
	/* First the control row, then the data: what is published between the two
	 * looks is seen here, or makes the acquire fail. */
	enum kvf_status st = kvf_store_control(store, &report->control, err);

	report->has_control = st == KVF_OK;
	if (st && st != KVF_ENOTFOUND)
		return st;
	st = kvf_store_inspect(store, &report->facts, err);
	if (st)
		return st;
	kvf_report_name(report->target, sizeof(report->target), "%s",
			kvf_store_identity(store));
	report->free_bytes = report->facts.free;
	if (report->has_control && kvf_owner_alive(&report->control))
		return refuse_busy(&report->control, err);
	if (report->has_control && *report->control.app && *app &&
	    strcmp(report->control.app, app) != 0) {
		kvf_fail(err, KVF_ESTREAM, "the store belongs to application '%s', not to '%s'",
			 report->control.app, app);
		kvf_err_detail(err, "%s. Nothing was changed.", report->target);
		return KVF_ESTREAM;
	}
	report->live = report->has_control ? report->control.ver : 0;
	if (*report->facts.blocker) {
		kvf_fail(err, KVF_EPREFLIGHT, "%s", report->facts.blocker);
		kvf_err_detail(err, "%s. Nothing was changed.", report->target);
		return KVF_EPREFLIGHT;
	}
	if (report->facts.exists && !report->facts.writable) {
		kvf_fail(err, KVF_EPREFLIGHT, "the store cannot be written");
		kvf_err_detail(err, "%s is read-only. Nothing was changed.", report->target);
		kvf_err_hint(err, "Give yourself write permission on the file and its folder.");
		return KVF_EPREFLIGHT;
	}
	return KVF_OK;
}
