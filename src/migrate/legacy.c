/*
 * legacy - the end of the legacy tables.
 *
 *   verify again -> confirm -> note DROPPING -> drop, in the source -> note DROPPED
 *
 * What is provable again: the tables hold what the stream of the live generation
 * held, so nothing was written to them since; and the store holds all of it, but
 * for keys that the application has written since, which are counted.  From the
 * first note on the tables are no way back any more: a rollback is refused, and
 * whatever fails then leaves the version as it is, with an event in the ledger
 * that names what remains and the command that finishes it.
 */
#include "migrate/back.h"

#include "base/failpoint.h"
#include "base/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 2000

struct legacy {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *r;
	struct kvf_store *store;
	const struct kvf_application *app;
	struct kvf_drop *list; /* what may go, and which of it is there */
	int *there;
	size_t n;
	uint64_t epoch;
	const char *scratch;
	char dir[4096];
};

/* ---- looking ------------------------------------------------------------------ */

static enum kvf_status refuse(enum kvf_status st, const char *message, const char *hint,
			      struct kvf_err *err)
{
	kvf_fail(err, st, "%s", message);
	kvf_err_detail(err, "No table was dropped.");
	kvf_err_hint(err, "%s", hint);
	return st;
}

static enum kvf_status check_store(const struct legacy *l, struct kvf_err *err)
{
	const struct kvf_control *c = &l->r->control;

	if (c->state != KVF_RUN_LIVE)
		return refuse(KVF_EPREFLIGHT, "nothing that kvferry published is live",
			      "First migrate; the legacy tables go last.", err);
	if (strcmp(c->app, l->app->name) != 0)
		return refuse(KVF_ESTREAM, "the store belongs to another application",
			      "Name the definitions that the data came by.", err);
	if (c->ver != l->app->schema)
		return refuse(KVF_EVERSION,
			      "the store's schema version is not the one of these definitions",
			      "Name the definitions that the data came by.", err);
	if (!l->app->ndrop)
		return refuse(KVF_EPREFLIGHT, "the definitions list no table under 'drop:'",
			      "application.yaml says which legacy tables are over.", err);
	return KVF_OK;
}

static int wanted(const struct kvf_options *o, const struct kvf_drop *d)
{
	return d->part == KVF_DROP_LEGACY || (d->part == KVF_DROP_LEFTOVER && o->leftovers) ||
	       (d->part == KVF_DROP_VERSION_TABLE && o->version_table);
}

/* What this run may drop, of what the definitions list. */
static enum kvf_status choose(struct legacy *l, struct kvf_err *err)
{
	const struct kvf_application *app = l->app;
	const char *live = l->o->table ? l->o->table : "kv";
	size_t i;

	l->list = calloc(app->ndrop, sizeof(*l->list));
	l->there = calloc(app->ndrop, sizeof(*l->there));
	if (!l->list || !l->there)
		return kvf_fail_nomem(err);
	for (i = 0; i < app->ndrop; i++) {
		const char *name = app->drop[i].name;

		if (strncmp(name, "kvferry", 7) == 0 || strcmp(name, live) == 0)
			return refuse(KVF_EDEFINITION,
				      "'drop:' lists a table that belongs to the store",
				      "Take it off the list.", err);
		if (wanted(l->o, &app->drop[i]))
			l->list[l->n++] = app->drop[i];
	}
	return KVF_OK;
}

/* Those that are there, into the report. */
static enum kvf_status look(struct legacy *l, struct kvf_err *err)
{
	static const char *const kinds[] = { [KVF_DROP_VIEW] = "view ",
					     [KVF_DROP_TABLE] = "",
					     [KVF_DROP_SEQUENCE] = "sequence ",
					     [KVF_DROP_FUNCTION] = "function ",
					     [KVF_DROP_TYPE] = "type " };
	struct kvf_report *r = l->r;
	enum kvf_status st;
	size_t i;

	st = kvf_legacy_present(l->o->source, l->env, l->list, l->n, l->there, err);
	r->tables = kvf_report_alloc(r, l->n * sizeof(*r->tables));
	r->ntables = 0;
	if (!st && l->n && !r->tables)
		return kvf_fail_nomem(err);
	for (i = 0; i < l->n && !st; i++)
		if (l->there[i]) {
			r->tables[r->ntables] = kvf_report_text(
				r, "%s%s", kinds[l->list[i].kind], l->list[i].name);
			if (!r->tables[r->ntables++])
				st = kvf_fail_nomem(err);
		}
	return st;
}

/* ---- verifying again ------------------------------------------------------------- */

static enum kvf_status source_totals(struct legacy *l, struct kvf_totals *t,
				     struct kvf_err *err)
{
	struct kvf_source *source = NULL;
	struct kvf_head *head = NULL; /* for the arguments */
	struct kvf_bound bound;
	enum kvf_status st = kvf_source_open(l->o->source, l->env, &source, err);

	memset(&bound, 0, sizeof(bound));
	if (!st) {
		kvf_report_name(l->r->source, sizeof(l->r->source), "%s",
				kvf_source_identity(source));
		/* In place the version has moved on: it was checked by the store's. */
		st = kvf_units_head(l->store, KVF_SCAN_LIVE, &head, err);
	}
	if (!st) {
		st = kvf_bound_open(l->o, source, head,
				    kvf_source_is_place(source, l->o->target), &bound, err);
	}
	if (!st)
		st = kvf_bound_totals(&bound, l->o, l->scratch, l->env, t, err);
	kvf_bound_close(&bound);
	kvf_head_free(head);
	kvf_source_close(source);
	return st;
}

static enum kvf_status verify(struct legacy *l, struct kvf_err *err)
{
	struct kvf_totals tables, stream;
	size_t step = kvf_report_step(l->r, "verify");
	enum kvf_status st;

	memset(&tables, 0, sizeof(tables));
	st = source_totals(l, &tables, err);
	if (!st)
		st = kvf_stream_totals(l->store, &stream, err);
	if (!st && !stream.entries)
		stream = l->r->control.totals;
	if (!st && !kvf_totals_equal(&tables, &stream)) {
		kvf_fail(err, KVF_EMISMATCH,
			 "the legacy tables do not hold what was put into the store");
		kvf_err_detail(err,
			       "tables: %" PRIu64 " entries; imported: %" PRIu64
			       " entries. No table was dropped.",
			       tables.entries, stream.entries);
		kvf_err_hint(err,
			     "'kvferry diff' names what differs; somebody may have written "
			     "to the legacy tables since.");
		st = KVF_EMISMATCH;
	}
	if (!st)
		st = kvf_written_since(l->store, l->scratch, l->env, l->r, err);
	if (!st && !l->r->written_known)
		kvf_report_warn(l->r, "what the application has written since cannot be "
				      "counted any more, after a cleanup");
	kvf_report_step_end(l->r, step, tables.entries, tables.bytes);
	return st;
}

/* ---- dropping -------------------------------------------------------------------- */

static void list_tables(const struct kvf_report *r, char *buf, size_t size)
{
	size_t i, at = 0;

	buf[0] = '\0';
	for (i = 0; i < r->ntables && at + 128 < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%.90s", i ? ", " : "",
				       r->tables[i]);
	if (i < r->ntables)
		snprintf(buf + at, size - at, " and %zu more", r->ntables - i);
}

/* Where the command is to be typed; "" = anywhere. */
static const char *folder(const struct legacy *l)
{
	return l->o->folder ? l->o->folder : "";
}

static enum kvf_status note(struct legacy *l, enum kvf_legacy to, const char *outcome,
			    struct kvf_err *err)
{
	struct kvf_ledger_line line;
	char tables[LIST_MAX], written[24], command[3000];
	const struct kvf_fact facts[] = {
		{ "run", l->r->confirm }, { "source", l->r->source },
		{ "tables", tables },     { "command", command },
		{ "folder", folder(l) },  { "written_since", written }
	};
	enum kvf_status st;

	list_tables(l->r, tables, sizeof(tables));
	snprintf(written, sizeof(written), "%" PRIu64, l->r->written);
	kvf_back_command(l->o, l->r, "drop-legacy", command, sizeof(command));
	st = kvf_ledger_event(&line, l->r, "drop-legacy", outcome, facts, 6, err);
	if (st)
		return st;
	st = kvf_store_legacy(l->store, l->epoch, to, &line.row, err);
	kvf_ledger_line_release(&line);
	if (!st)
		l->epoch++;
	return st;
}

/* The tables that a freeze was for are gone; what else there is may be written. */
static void thaw(struct legacy *l)
{
	struct kvf_err err;
	struct kvf_freeze seen;
	enum kvf_status st = kvf_freeze_look(l->o->source, l->env, &seen, &err);

	if (!st && !kvf_still_for(l->r, &seen, l->store)) {
		kvf_report_warn(l->r,
				"the rest of the source stays frozen, by run %s for another "
				"store: %s",
				seen.run, seen.store);
		return;
	}
	if (!st)
		st = kvf_freeze_lift(l->o->source, l->env, seen.stamp, &l->r->frozen, &err);
	l->r->thawed = st == KVF_OK;
	if ((!st || st == KVF_ENOTFOUND) && *l->r->control.frozen)
		st = kvf_store_note_frozen(l->store, "", &err);
	if (st && st != KVF_ENOTFOUND)
		kvf_report_warn(l->r, "the rest of the source is still frozen: %s",
				err.message);
}

/* The drop failed: somebody has to do something, and the ledger says what. */
static void ask_for_work(struct legacy *l, enum kvf_status failed, struct kvf_err *err)
{
	char tables[LIST_MAX], command[3000];
	const struct kvf_fact facts[] = { { "run", l->r->confirm },
					  { "remaining", tables },
					  { "command", command },
					  { "folder", folder(l) },
					  { "message", err->message } };
	struct kvf_ledger_line line;
	struct kvf_err second;

	if (look(l, &second)) /* then all that were there may still be */
		kvf_err_clear(&second);
	list_tables(l->r, tables, sizeof(tables));
	kvf_back_command(l->o, l->r, "drop-legacy", command, sizeof(command));
	if (!kvf_ledger_event(&line, l->r, "manual-work", kvf_status_word(failed), facts, 5,
			      &second)) {
		if (kvf_store_ledger_append(l->store, &line.row, &second))
			kvf_err_clear(&second);
		kvf_ledger_line_release(&line);
	}
	kvf_err_detail(err,
		       "The new version stays. These legacy tables remain: %s. The ledger "
		       "says so.",
		       tables);
	kvf_err_hint(err, "%s", command);
}

/* The drop reported an error: did it take effect all the same? */
static int is_done(struct legacy *l, const char **tables, size_t n, struct kvf_err *err)
{
	struct kvf_report *r = l->r;
	struct kvf_err ignored;

	if (look(l, &ignored) || r->ntables)
		return 0;
	r->tables = tables;
	r->ntables = n;
	kvf_report_warn(r, "the tables are gone, but the drop reported: %s", err->message);
	kvf_err_clear(err);
	return 1;
}

static enum kvf_status drop(struct legacy *l, struct kvf_err *err)
{
	const char **before = l->r->tables;
	size_t n = l->r->ntables;
	enum kvf_status st = note(l, KVF_LEGACY_DROPPING, "begun", err);

	if (st)
		return st;
	KVF_FAILPOINT(st, err, "drop-legacy.noted");
	if (l->r->ntables && !st)
		st = kvf_legacy_drop(l->o->source, l->env, l->list, l->n, err);
	KVF_FAILPOINT(st, err, "drop-legacy.dropped");
	if (st && is_done(l, before, n, err))
		st = KVF_OK;
	if (st) {
		ask_for_work(l, st, err);
		return st;
	}
	st = note(l, KVF_LEGACY_DROPPED, "ok", err);
	if (st)
		kvf_err_detail(err, "The tables are dropped; only the note of it is missing. "
				    "The same command again makes it.");
	else
		thaw(l);
	return st;
}

static enum kvf_status run(struct legacy *l, struct kvf_err *err)
{
	struct kvf_report *r = l->r;
	int begun = r->control.legacy != KVF_LEGACY_KEPT;
	enum kvf_status st = check_store(l, err);

	if (!st)
		st = choose(l, err);
	if (!st)
		st = look(l, err);
	if (!st)
		st = kvf_back_live_run(l->store, r, err);
	if (st)
		return st;
	r->already = !r->ntables && r->control.legacy == KVF_LEGACY_DROPPED;
	if (r->already) {
		if (*r->control.frozen && !l->o->dry_run) /* the run that dropped them died */
			thaw(l);
		return KVF_OK;
	}
	if (!r->ntables && !begun)
		return refuse(KVF_EPREFLIGHT, "none of the tables under 'drop:' is there",
			      "Is this the source that the data came from?", err);
	/* A drop that was begun was verified; some tables may be gone since.  One that
	 * is done may be followed by one of what older releases left behind. */
	if (!begun)
		st = verify(l, err);
	if (st || l->o->dry_run)
		return st;
	st = kvf_back_confirmed(l->o, r, "drop-legacy", err);
	KVF_FAILPOINT(st, err, "drop-legacy.verified");
	return st ? st : drop(l, err);
}

enum kvf_status kvf_drop_legacy(const struct kvf_options *o, const struct kvf_env *env,
				struct kvf_report *r, struct kvf_err *err)
{
	const struct kvf_env named = kvf_env_named(env, KVF_SESSION_DROP);
	struct legacy l = { .o = o, .env = &named, .r = r };
	struct kvf_formats *formats = NULL;
	enum kvf_status st = kvf_back_open(o, l.env, r, &l.store, err);

	l.epoch = r->control.epoch;
	l.scratch = kvf_scratch_dir(o->target, l.env, l.dir, sizeof(l.dir));
	if (!st)
		st = kvf_back_settled(l.store, o, l.env, r, err);
	if (!st && !o->formats && !o->application)
		st = refuse(KVF_EUSAGE, "which tables are over is said by definitions",
			    "Name them with -f: their application.yaml lists the tables under "
			    "'drop:'.",
			    err);
	if (!st && o->formats)
		st = kvf_formats_load(o->formats, &formats, err);
	if (!st) {
		l.app = formats ? kvf_formats_application(formats) : o->application;
		st = run(&l, err);
	}
	free(l.list);
	free(l.there);
	kvf_formats_free(formats);
	kvf_store_close(l.store);
	return st;
}
