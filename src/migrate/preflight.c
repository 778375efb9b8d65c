/* preflight - what refuses a store before anything is written to it. */
#include "migrate/ledger.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static enum kvf_status refuse_intruder(const struct kvf_report *r, const char *place,
				       struct kvf_err *err)
{
	char store[600];

	snprintf(store, sizeof(store), "%s", place);
	kvf_text_redact(store);
	kvf_fail(err, KVF_EPREFLIGHT,
		 "somebody has written to the store before anything was published in it");
	kvf_err_detail(err, "%s: %s. Nothing was changed.", r->target, r->facts.intruder);
	kvf_err_hint(err,
		     "A program has taken the store for its own: stop it. 'kvferry backup %s "
		     "FILE.kvf' saves its rows; delete all rows of the table, and run the same "
		     "command again.",
		     store);
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
		st = kvf_import_preflight(store, o, env, "", report, err);
	kvf_store_close(store);
	kvf_report_name(report->target, sizeof(report->target), "%s", o->target);
	return st;
}

static enum kvf_status refuse_blocked(const struct kvf_store *store,
				      const struct kvf_report *report, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "%s", report->facts.blocker);
	kvf_err_detail(err, "%s. Nothing was changed.", kvf_store_identity(store));
	return KVF_EPREFLIGHT;
}

static enum kvf_status look(struct kvf_store *store, const struct kvf_options *o,
			    const struct kvf_env *env, const char *app,
			    struct kvf_report *report, struct kvf_err *err)
{
	/* First the control row, then the data: what is published between the two
	 * looks is seen here, or makes the acquire fail. */
	enum kvf_status st = kvf_store_control(store, &report->control, err);
	struct kvf_err other;

	kvf_report_store(report, store);
	report->has_control = st == KVF_OK;
	if (st == KVF_ETARGET && !kvf_store_inspect(store, &report->facts, &other) &&
	    *report->facts.blocker)
		return refuse_blocked(store, report, err); /* and that may be why */
	if (st && st != KVF_ENOTFOUND)
		return st;
	if (report->has_control) {
		st = kvf_await_store(store, o, env, report, err);
		if (st)
			return st;
	}
	st = kvf_store_inspect(store, &report->facts, err);
	if (st)
		return st;
	kvf_report_name(report->target, sizeof(report->target), "%s",
			kvf_store_identity(store));
	report->free_bytes = report->facts.free;
	if (report->has_control && *report->control.app && *app &&
	    strcmp(report->control.app, app) != 0) {
		kvf_fail(err, KVF_ESTREAM, "the store belongs to application '%s', not to '%s'",
			 report->control.app, app);
		kvf_err_detail(err, "%s. Nothing was changed.", report->target);
		return KVF_ESTREAM;
	}
	report->live = report->has_control ? report->control.ver : 0;
	if (*report->facts.blocker)
		return refuse_blocked(store, report, err);
	if (*report->facts.intruder)
		return refuse_intruder(report, o->target, err);
	if (report->facts.exists && !report->facts.writable) {
		kvf_fail(err, KVF_EPREFLIGHT, "the store cannot be written");
		kvf_err_detail(err, "%s is read-only. Nothing was changed.", report->target);
		kvf_err_hint(err, "Give yourself write permission on the file and its folder.");
		return KVF_EPREFLIGHT;
	}
	return KVF_OK;
}

enum kvf_status kvf_import_preflight(struct kvf_store *store, const struct kvf_options *o,
				     const struct kvf_env *env, const char *app,
				     struct kvf_report *report, struct kvf_err *err)
{
	enum kvf_status st = look(store, o, env, app, report, err);

	if (st && err && !*err->detail)
		kvf_err_detail(err, "Nothing was changed.");
	return st;
}

enum kvf_status kvf_preflight_source(const struct kvf_options *o, struct kvf_source *source,
				     struct kvf_err *err)
{
	struct kvf_err of_store = *err, why = { 0 };
	struct kvf_bound bound;

	if (kvf_bound_open(o, source, NULL, 0, &bound, &why) == KVF_EPREFLIGHT) {
		kvf_fail(err, KVF_EPREFLIGHT, "%s", of_store.message);
		kvf_err_detail(err, "%s And of the source: %s. %s", of_store.detail,
			       why.message, why.detail);
		kvf_err_hint(err, "%s", *why.hint ? why.hint : of_store.hint);
	}
	kvf_bound_close(&bound);
	return KVF_EPREFLIGHT;
}
