/*
 * back - abort, rollback, cleanup: what gives something up.
 *
 * Each looks first and says what it would do; then comes the confirmation, where
 * data are given up; then one transaction of the store, which changes nothing if
 * another run was faster.
 */
#include "migrate/back.h"

#include "base/failpoint.h"
#include "base/session.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- looking ------------------------------------------------------------------ */

const char *kvf_back_typed(const struct kvf_options *o, char *buf, size_t size)
{
	char place[600], word[700], table[200] = "";

	snprintf(place, sizeof(place), "%s", o->target);
	kvf_text_redact(place);
	kvf_text_word(place, word, sizeof(word));
	if (o->table)
		kvf_text_word(o->table, table, sizeof(table));
	snprintf(buf, size, "%s%s%s", word, o->table ? " --table-name " : "", table);
	return buf;
}

static enum kvf_status nothing_there(const struct kvf_report *r, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "the store holds nothing of kvferry's");
	kvf_err_detail(err, "%s. Nothing was changed.", r->target);
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_back_open(const struct kvf_options *o, const struct kvf_env *env,
			      struct kvf_report *r, struct kvf_store **store,
			      struct kvf_err *err)
{
	struct kvf_store_options so = { .table = o->table };
	enum kvf_status st = kvf_report_init(r, err);

	*store = NULL;
	if (st)
		return st;
	kvf_run_id(r->run, sizeof(r->run));
	/* To read first: what is not there must not be made. */
	st = kvf_store_open(o->target, KVF_STORE_READ, &so, env, store, err);
	if (!st && !o->dry_run) {
		kvf_store_close(*store);
		st = kvf_store_open(o->target, KVF_STORE_WRITE, &so, env, store, err);
	}
	if (st == KVF_ENOTFOUND) {
		snprintf(r->target, sizeof(r->target), "%s", o->target);
		kvf_text_redact(r->target);
		/* Opening it makes nothing; it tells which place this is. */
		st = kvf_store_open(o->target, KVF_STORE_WRITE, &so, env, store, err);
		if (st)
			return st;
		kvf_report_store(r, *store);
		return nothing_there(r, err);
	}
	if (st)
		return st;
	kvf_report_name(r->target, sizeof(r->target), "%s", kvf_store_identity(*store));
	kvf_report_store(r, *store);
	st = kvf_store_control(*store, &r->control, err);
	if (st == KVF_ENOTFOUND)
		return nothing_there(r, err);
	r->has_control = !st;
	r->live = r->control.ver;
	snprintf(r->app, sizeof(r->app), "%s", r->control.app);
	return st;
}

enum kvf_status kvf_back_settled(struct kvf_store *store, const struct kvf_options *o,
				 const struct kvf_env *env, struct kvf_report *r,
				 struct kvf_err *err)
{
	char place[900];
	enum kvf_status st;

	if (!kvf_is_unfinished(&r->control))
		return KVF_OK;
	st = kvf_await_store(store, o, env, r, err);
	if (st || !kvf_is_unfinished(&r->control))
		return st;
	kvf_fail(err, KVF_EUNFINISHED, "run %s is unfinished", r->control.run);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Finish it by its own command, or give it up: kvferry abort %s",
		     kvf_back_typed(o, place, sizeof(place)));
	return KVF_EUNFINISHED;
}

enum kvf_status kvf_back_live_run(struct kvf_store *store, struct kvf_report *r,
				  struct kvf_err *err)
{
	struct kvf_generation g;
	enum kvf_status st = kvf_store_generation(store, KVF_SCAN_LIVE, &g, err);

	if (!st)
		snprintf(r->confirm, sizeof(r->confirm), "%s", g.run);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		st = KVF_OK;
	}
	return st;
}

/* ---- the confirmation ----------------------------------------------------------- */

/* What a drop was told besides its places; an argument too long is left out. */
static void write_options(const struct kvf_options *o, char *buf, size_t size)
{
	char word[400];
	size_t i, at;

	at = (size_t)snprintf(buf, size, "%s%s", o->leftovers ? " --leftovers" : "",
			      o->version_table ? " --version-table" : "");
	for (i = 0; i < o->nargs; i++) {
		kvf_text_word(o->args[i], word, sizeof(word));
		if (strlen(word) + 8 < size - at)
			at += (size_t)snprintf(buf + at, size - at, " --arg %s", word);
	}
}

void kvf_back_command(const struct kvf_options *o, const struct kvf_report *r, const char *verb,
		      char *buf, size_t size)
{
	char place[900], from[600], source[1500] = "", discard[40] = "", options[400];
	char formats[300], word[700];

	if (o->formats) {
		write_options(o, options, sizeof(options));
		snprintf(from, sizeof(from), "%s", o->source);
		kvf_text_redact(from);
		snprintf(source, sizeof(source), " -f %s%s %s",
			 kvf_text_word(o->formats, formats, sizeof(formats)), options,
			 kvf_text_word(from, word, sizeof(word)));
	}
	if (r->written && strcmp(verb, "rollback") == 0)
		snprintf(discard, sizeof(discard), " --discard %" PRIu64, r->written);
	snprintf(buf, size, "kvferry %s%s %s --confirm %s%s", verb, source,
		 kvf_back_typed(o, place, sizeof(place)), r->confirm, discard);
}

enum kvf_status kvf_back_confirmed(const struct kvf_options *o, const struct kvf_report *r,
				   const char *verb, struct kvf_err *err)
{
	int rolls_back = strcmp(verb, "rollback") == 0;
	char command[3000];

	if (!r->confirm[0])
		return KVF_OK;
	if (!o->confirm && o->ask)
		return o->ask(o->ask_ctx, r, err);
	if (!o->confirm)
		kvf_fail(err, KVF_EUSAGE, "%s gives data up, and needs a confirmation", verb);
	else if (strcmp(o->confirm, r->confirm) != 0)
		kvf_fail(err, KVF_EUSAGE, "--confirm %.63s: what is live was made by run %s",
			 o->confirm, r->confirm);
	else if (rolls_back && (o->discard_set ? o->discard : 0) != r->written)
		kvf_fail(err, KVF_EUSAGE,
			 "%" PRIu64 " %s written after the commit, and would be lost",
			 r->written, r->written == 1 ? "key was" : "keys were");
	else
		return KVF_OK;
	kvf_back_command(o, r, verb, command, sizeof(command));
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "%s", command);
	return KVF_EUSAGE;
}

/* ---- abort ---------------------------------------------------------------------- */

/* The live table was to go, and a view names it. */
static void tell_what_stays(struct kvf_store *store, struct kvf_report *r, struct kvf_err *err)
{
	struct kvf_store_facts now;

	if (r->control.early == KVF_EARLY_TABLE && !kvf_store_inspect(store, &now, err) &&
	    now.has_table)
		kvf_report_warn(r, "table %s stays, without rows: a view names it", now.table);
	kvf_err_clear(err);
}

enum kvf_status kvf_abort(const struct kvf_options *o, const struct kvf_env *env,
			  struct kvf_report *r, struct kvf_err *err)
{
	struct kvf_ledger_line line;
	struct kvf_store *store;
	struct kvf_frozen_source seen;
	int lifts;
	enum kvf_status st = kvf_back_open(o, env, r, &store, err);
	const struct kvf_fact facts[] = { { "run", r->control.run },
					  { "takeover", o->takeover ? "yes" : "no" },
					  { "why", r->control.why } };

	if (st == KVF_EPREFLIGHT && o->source && !r->has_control && !o->dry_run) {
		/* The run died when it had frozen the source and not yet come here.  One
		 * that lives misses its freeze before it commits. */
		kvf_err_clear(err);
		r->already = 1;
		kvf_thaw_look(store, o, r, env, &seen);
		st = seen.other ? kvf_thaw_refuse_other(&seen, err) : KVF_OK;
		if (!st)
			(void)kvf_thaw_lift(&seen, o, env, r, err);
		kvf_store_close(store);
		return st;
	}
	if (!st && kvf_is_unfinished(&r->control) && !o->dry_run)
		st = kvf_await_store(store, o, env, r, err);
	if (st)
		goto out;
	kvf_thaw_look(store, o, r, env, &seen);
	if (seen.other && o->source && !kvf_is_unfinished(&r->control)) {
		st = kvf_thaw_refuse_other(&seen, err);
		goto out;
	}
	lifts = *seen.place && !kvf_thaw_is_kept(store, &seen);
	r->already = !kvf_is_unfinished(&r->control) && !r->control.early &&
		     (!lifts || (o->source && seen.st));
	if (r->already && lifts && !o->dry_run)
		(void)kvf_thaw_lift(&seen, o, env, r,
				    err); /* says why there is nothing to lift */
	if (r->already || o->dry_run)
		goto out;
	/* Also where only a freeze is given up: the epoch fences off who looked before. */
	if (!kvf_is_unfinished(&r->control) && !*r->control.frozen && !r->control.early)
		st = kvf_store_note_frozen(store, seen.freeze.place, err);
	KVF_FAILPOINT(st, err, "abort.looked");
	if (!st)
		st = kvf_ledger_event(&line, r, "abort", "ok", facts, 3, err);
	if (!st) {
		st = kvf_store_abort(store, r->control.epoch, &line.row, err);
		kvf_ledger_line_release(&line);
	}
	if (!st && r->control.early)
		tell_what_stays(store, r, err);
	if (!st && lifts)
		kvf_thaw(store, &seen, o, env, r, err);
out:
	kvf_store_close(store);
	return st;
}

/* ---- rollback ------------------------------------------------------------------- */

static int has_way_back(const struct kvf_report *r)
{
	const struct kvf_control *c = &r->control;

	return c->state == KVF_RUN_LIVE && (c->prev || c->prev_legacy);
}

static enum kvf_status check_way_back(const struct kvf_options *o, const struct kvf_report *r,
				      struct kvf_err *err)
{
	const struct kvf_control *c = &r->control;
	char place[900];

	if (has_way_back(r))
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "there is nothing to roll back to");
	kvf_err_detail(err, "%s. Nothing was changed.",
		       c->state != KVF_RUN_LIVE ? "nothing that kvferry published is live"
		       : c->legacy != KVF_LEGACY_KEPT
			       ? "the legacy tables have been dropped"
			       : "the previous generation is not kept any more");
	kvf_err_hint(err,
		     "'kvferry history %s' shows what happened to it; a backup is "
		     "restored with 'kvferry import --replace'.",
		     kvf_back_typed(o, place, sizeof(place)));
	return KVF_EPREFLIGHT;
}

/* The live data into a stream: exactly those that were counted. */
static enum kvf_status save(const struct kvf_options *o, const struct kvf_env *env,
			    const struct kvf_report *r, struct kvf_err *err)
{
	struct kvf_options b = *o;
	struct kvf_report saved;
	struct kvf_totals t = { 0 };
	enum kvf_status st;
	size_t i;

	b.source = o->target;
	b.target = o->save;
	b.manifest = NULL;
	b.input = NULL;
	b.output = NULL;
	st = kvf_backup(&b, env, &saved, err);
	for (i = 0; !st && i < saved.npackages; i++)
		kvf_totals_merge(&t, &saved.packages[i].totals);
	kvf_report_free(&saved);
	if (st) {
		if (!*err->detail)
			kvf_err_detail(err, "Nothing was rolled back.");
		return st;
	}
	if (kvf_totals_equal(&t, &r->right))
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "the store was written while it was saved");
	kvf_err_detail(err, "Nothing was rolled back; the stream is kept.");
	kvf_err_hint(err, "Stop the application, and give the command again.");
	return KVF_EPREFLIGHT;
}

/* What is neither live nor previous goes; what fails here is said. */
static void sweep(struct kvf_store *store, struct kvf_report *r, struct kvf_err *err)
{
	if (!kvf_store_sweep(store, err))
		return;
	kvf_report_warn(r, "what was rolled back still takes space until 'kvferry cleanup': %s",
			err->message);
	kvf_err_clear(err);
}

static enum kvf_status commit_rollback(struct kvf_store *store, struct kvf_report *r,
				       const struct kvf_options *o, struct kvf_err *err)
{
	const struct kvf_control *c = &r->control;
	struct kvf_ledger_line line;
	char written[24], to[40];
	const struct kvf_fact facts[] = { { "run", r->confirm },
					  { "discarded", written },
					  { "saved", o->save ? o->save : "" },
					  { "to", to } };
	enum kvf_status st;

	snprintf(written, sizeof(written), "%" PRIu64, r->written);
	if (c->prev)
		snprintf(to, sizeof(to), "generation %" PRIu64, c->prev);
	else
		snprintf(to, sizeof(to), "legacy tables");
	st = kvf_ledger_event(&line, r, "rollback", "ok", facts, 4, err);
	if (st)
		return st;
	line.row.from = r->live;
	line.row.to = r->schema;
	st = kvf_store_rollback(store, c->epoch, &r->right, &line.row, err);
	kvf_ledger_line_release(&line);
	if (st)
		return st;
	r->published = 1;
	sweep(store, r, err);
	return KVF_OK;
}

/*
 * A run that rolled back died before it had cleared away and lifted the freeze: is
 * this the same command?  Then it does the rest, as if it came later.
 */
static enum kvf_status finish_rollback(struct kvf_store *store, struct kvf_report *r,
				       const struct kvf_options *o, const struct kvf_env *env,
				       struct kvf_err *err)
{
	const struct kvf_fact facts[] = { { "run", o->confirm }, { "to", "legacy tables" } };
	struct kvf_ledger_line line;
	struct kvf_frozen_source seen;
	enum kvf_status st;

	if (!r->already || o->dry_run)
		return KVF_OK;
	sweep(store, r, err);
	if ((r->control.active && !r->control.early) || !*r->control.frozen)
		return KVF_OK;
	kvf_thaw_look(store, o, r, env, &seen);
	/* The epoch fences off who looked at the store before. */
	st = kvf_ledger_event(&line, r, "rollback", "ok", facts, 2, err);
	if (st)
		return st;
	st = kvf_store_cleanup(store, r->control.epoch, &line.row, err);
	kvf_ledger_line_release(&line);
	if (!st)
		kvf_thaw(store, &seen, o, env, r, err);
	return st;
}

/* What was looked at in several steps fits together if the epoch is the same. */
static enum kvf_status check_epoch(struct kvf_store *store, const struct kvf_report *r,
				   struct kvf_err *err)
{
	struct kvf_control now;
	enum kvf_status st = kvf_store_control(store, &now, err);

	if (st || now.epoch == r->control.epoch)
		return st;
	kvf_fail(err, KVF_EBUSY, "another run changed the store meanwhile");
	kvf_err_detail(err, "This one changed nothing.");
	kvf_err_hint(err, "Give the command again: it then looks at what is there now.");
	return KVF_EBUSY;
}

/* What would be live again, and what would be lost.  What is not there may have been moved
 * meanwhile: somebody else was quicker. */
static enum kvf_status look_back(struct kvf_store *store, const struct kvf_options *o,
				 const struct kvf_env *env, struct kvf_report *r,
				 struct kvf_err *err)
{
	struct kvf_generation prev;
	char dir[4096];
	enum kvf_status st = KVF_OK, meanwhile = KVF_OK;

	if (r->control.prev) {
		st = kvf_store_generation(store, KVF_SCAN_PREVIOUS, &prev, err);
		r->schema = st ? 0 : prev.ver;
	}
	if (!st)
		st = kvf_written_since(store, kvf_scratch_dir(o->target, env, dir, sizeof(dir)),
				       env, r, err);
	if (!st || st == KVF_ENOTFOUND || st == KVF_ETARGET)
		meanwhile = check_epoch(store, r, err);
	return meanwhile ? meanwhile : st;
}

enum kvf_status kvf_rollback(const struct kvf_options *o, const struct kvf_env *env,
			     struct kvf_report *r, struct kvf_err *err)
{
	const struct kvf_env named = kvf_env_named(env, KVF_SESSION_ROLLBACK);
	struct kvf_store *store;
	struct kvf_frozen_source seen;
	enum kvf_status st = kvf_back_open(o, &named, r, &store, err);

	env = &named;
	if (!st)
		st = kvf_back_settled(store, o, env, r, err);
	if (!st && !has_way_back(r) && o->confirm)
		st = kvf_ledger_rolled_back(store, o->confirm, &r->already, err);
	if (!st && r->already) {
		st = finish_rollback(store, r, o, env, err);
		goto out;
	}
	if (!st)
		st = check_way_back(o, r, err);
	if (!st)
		st = kvf_back_live_run(store, r, err);
	if (!st)
		st = look_back(store, o, env, r, err);
	if (!st && !r->written_known)
		st = kvf_fail(err, KVF_EPREFLIGHT,
			      "what was committed is not kept any more, so that later writes "
			      "cannot be counted");
	if (!st && !o->dry_run)
		st = kvf_back_confirmed(o, r, "rollback", err);
	if (!st && o->save && !o->dry_run)
		st = save(o, env, r, err);
	KVF_FAILPOINT(st, err, "rollback.looked");
	if (!st && !o->dry_run) {
		kvf_thaw_look(store, o, r, env, &seen);
		st = commit_rollback(store, r, o, err);
		if (!st && !r->control.prev)
			kvf_thaw(store, &seen, o, env, r, err);
	}
out:
	kvf_store_close(store);
	return st;
}

/* ---- cleanup -------------------------------------------------------------------- */

enum kvf_status kvf_cleanup(const struct kvf_options *o, const struct kvf_env *env,
			    struct kvf_report *r, struct kvf_err *err)
{
	char generations[24], entries[24];
	const struct kvf_fact facts[] = { { "run", r->confirm },
					  { "generations", generations },
					  { "entries", entries } };
	struct kvf_leftovers *l = &r->leftovers;
	struct kvf_ledger_line line;
	struct kvf_store *store;
	enum kvf_status st = kvf_back_open(o, env, r, &store, err);

	if (!st)
		st = kvf_back_settled(store, o, env, r, err);
	if (!st)
		st = kvf_store_leftovers(store, l, err);
	if (st)
		goto out;
	r->already = !l->generations && !l->marks && !l->way_back;
	if (l->way_back)
		st = kvf_back_live_run(store, r, err);
	if (st || r->already || o->dry_run)
		goto out;
	st = kvf_back_confirmed(o, r, "cleanup", err);
	KVF_FAILPOINT(st, err, "cleanup.looked");
	snprintf(generations, sizeof(generations), "%" PRIu64, l->generations);
	snprintf(entries, sizeof(entries), "%" PRIu64, l->entries);
	if (!st)
		st = kvf_ledger_event(&line, r, "cleanup", "ok", facts, 3, err);
	if (!st) {
		st = kvf_store_cleanup(store, r->control.epoch, &line.row, err);
		kvf_ledger_line_release(&line);
	}
out:
	kvf_store_close(store);
	return st;
}
