/*
 * freeze - a source that must not change while a migrate reads it.
 *
 *   before anything   who else could write?  A live source is refused, unless it
 *                     is frozen, --freeze freezes it, or --allow-live-source
 *   before the stage  in place: our own writes will move what others move
 *   before the commit keep writers out, where the source can; has anything moved?
 *   in the commit     has anything moved, as far as it was not kept out?
 *
 * A freeze is written into the source and outlives us: the next run goes on with
 * it, `abort` and `rollback` lift it.  Whoever relies on one stamps it, each time
 * after the look at the control row whose epoch the acquire compares: so who lifts
 * what he saw before he changed the control row never lifts that of a run that comes
 * after (docs/protocol.md).  Whatever has moved is never published.
 */
#include "migrate/ledger.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOVED_MAX 3 /* tables that are named */
#define TOO_MANY_CONNECTIONS "53300"

enum kvf_status kvf_still_look(const struct kvf_options *o, const struct kvf_env *env,
			       struct kvf_report *r, struct kvf_err *err)
{
	return kvf_source_writers(o->source, env, &r->writers, err);
}

enum kvf_status kvf_still_opened(struct kvf_source *source, struct kvf_report *r,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_source_frozen(source, &r->frozen, err);

	r->is_frozen = st == KVF_OK;
	if (st != KVF_ENOTFOUND)
		return st;
	kvf_err_clear(err);
	return KVF_OK;
}

enum kvf_status kvf_still_refuse(const struct kvf_options *o, const struct kvf_report *r,
				 struct kvf_err *err)
{
	if (!r->writers.n || r->is_frozen || o->freeze || o->allow_live_source)
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "the source is live: %u %s may write to it", r->writers.n,
		 r->writers.n == 1 ? "other" : "others");
	kvf_err_detail(err, "%s. Nothing was changed.", r->writers.named);
	kvf_err_hint(err,
		     "Stop the application, and run the same command again. --freeze lets the "
		     "source refuse writes from now on; --allow-live-source goes on, and "
		     "publishes only if nothing was written meanwhile.");
	return KVF_EPREFLIGHT;
}

int kvf_still_ours(const struct kvf_still *s)
{
	return s->report->is_frozen && strcmp(s->report->frozen.stamp, s->stamp) == 0;
}

int kvf_still_for(const struct kvf_report *r, const struct kvf_freeze *f,
		  struct kvf_store *store)
{
	if (strcmp(f->store, r->store) == 0)
		return 1;
	return store && r->has_control && *f->run && kvf_ledger_has(store, f->run, NULL);
}

uint64_t kvf_still_epoch(const struct kvf_report *r)
{
	return r->has_control ? r->control.epoch : 0;
}

enum kvf_status kvf_still_freeze(struct kvf_still *s, const char *over, struct kvf_err *err)
{
	const struct kvf_env *env = s->env;
	struct kvf_report *r = s->report;
	struct kvf_ledger_line who = { 0 };
	char stamp[sizeof(s->stamp)], earlier[64];
	struct kvf_freeze_request q = { .run = r->run,
					.host = who.host,
					.who = who.who,
					.store = r->store,
					.live_table = r->in_place ? r->facts.table : NULL,
					.stamp = stamp,
					.over = over };
	enum kvf_status st;

	kvf_ledger_who(&who);
	if (!*r->run)
		kvf_run_id(r->run, sizeof(r->run));
	snprintf(stamp, sizeof(stamp), "%s.%u", r->run, ++s->stamps);
	snprintf(earlier, sizeof(earlier), "%s", r->is_frozen ? r->frozen.run : "");
	st = kvf_freeze_set(s->o->source, env, &q, &r->frozen, err);
	if (st)
		return st;
	r->is_frozen = 1;
	memcpy(s->stamp, stamp, sizeof(stamp));
	kvf_tell(env, "freeze",
		 (const struct kvf_event_fact[]){ { "source", r->frozen.place, 0 },
						  { "by", r->frozen.run, 0 },
						  { "tables", NULL, r->frozen.tables } },
		 3);
	if (r->frozen.fresh)
		kvf_logf(env, KVF_LOG_NOTE,
			 "the source is frozen: %" PRIu64
			 " table%s, until 'kvferry abort' or 'rollback'",
			 r->frozen.tables, r->frozen.tables == 1 ? "" : "s");
	else if (strcmp(earlier, r->run) != 0)
		kvf_logf(env, KVF_LOG_NOTE,
			 "the source was frozen already, by run %s: this run goes on with it",
			 *earlier ? earlier : "another");
	if (*r->frozen.open)
		kvf_report_warn(r,
				"virtual tables cannot be frozen: %s; a write to them during "
				"the run is noticed, one after it is not",
				r->frozen.open);
	return KVF_OK;
}

/* ---- what has moved ------------------------------------------------------------ */

/* Has a record another number of rows now?  Sets *rows.  The names of tables that
 * are carried as they are were the source's own: the report has copies. */
static int has_moved(const struct kvf_still *s, struct kvf_source *now,
		     const struct kvf_record *record, const struct kvf_report_record *read,
		     uint64_t *rows)
{
	const struct kvf_record exact = { .name = read->table, .table = read->table };
	struct kvf_err ignored;

	return read->rows_exact && read->rows != UINT64_MAX &&
	       !kvf_source_count(now, s->bound->exact ? &exact : record, rows, &ignored) &&
	       *rows != read->rows;
}

/* "users: 300 rows when it was read, 301 now"; best effort. */
static void describe_move(const struct kvf_still *s, char *buf, size_t size)
{
	const struct kvf_bound *b = s->bound;
	struct kvf_source *now = NULL;
	struct kvf_err ignored;
	size_t i, k, len, at = 0, named = 0;
	uint64_t rows;

	buf[0] = '\0';
	if (kvf_source_open(s->o->source, s->env, &now, &ignored))
		return;
	for (i = 0; i < b->nselected; i++) {
		const struct kvf_package *pkg = b->app->packages[b->selected[i]];

		for (k = 0; k < pkg->nrecords && at < s->read->nrecords; k++, at++) {
			const struct kvf_report_record *read = &s->read->records[at];

			if (named == MOVED_MAX ||
			    !has_moved(s, now, &pkg->records[k], read, &rows))
				continue;
			len = strlen(buf);
			snprintf(buf + len, size - len,
				 "%s%.80s: %" PRIu64 " rows when it was read, %" PRIu64 " now",
				 named++ ? "; " : "",
				 pkg->records[k].table ? read->table : pkg->records[k].name,
				 read->rows, rows);
		}
	}
	kvf_source_close(now);
}

static enum kvf_status refuse_moved(const struct kvf_still *s, struct kvf_err *err)
{
	char moved[512];

	describe_move(s, moved, sizeof(moved));
	kvf_fail(err, KVF_EPREFLIGHT, "the source was changed while it was migrated");
	kvf_err_detail(err, "%s. %s. Nothing was published; the live data are as they were.",
		       s->report->source,
		       *moved ? moved
			      : "No table has another number of rows: rows were changed, or "
				"something else in it");
	kvf_err_hint(err,
		     "Stop the application that writes to it, or give --freeze, and run the "
		     "same command again.");
	return KVF_EPREFLIGHT;
}

static enum kvf_status check_source(const struct kvf_still *s, struct kvf_err *err)
{
	int changed;
	enum kvf_status st = kvf_source_changed(*s->source, &changed, err);

	return st || !changed ? st : refuse_moved(s, err);
}

/*
 * A freeze that this run relies on has to be there, and ours.  From here to the commit
 * it stays: PostgreSQL's lock on the tables keeps away who would lift it, and SQLite's
 * file is compared once more in the commit.
 */
static enum kvf_status check_freeze(const struct kvf_still *s, struct kvf_err *err)
{
	struct kvf_freeze now;
	enum kvf_status st;

	if (!*s->stamp)
		return KVF_OK;
	st = kvf_freeze_look(s->o->source, s->env, &now, err);
	if (st && *s->source && strcmp(err->code, TOO_MANY_CONNECTIONS) == 0) {
		/* The source's own connection sees now, after this. */
		st = check_source(s, err);
		if (!st)
			st = kvf_source_frozen(*s->source, &now, err);
	}
	if (!st && strcmp(now.stamp, s->stamp) == 0)
		return KVF_OK;
	if (!st)
		kvf_fail(err, KVF_EPREFLIGHT, "the source is frozen by another run now: %s",
			 now.run);
	else if (st == KVF_ENOTFOUND)
		kvf_fail(err, KVF_EPREFLIGHT,
			 "the freeze of the source was lifted while it was migrated");
	else
		return st;
	kvf_err_detail(err, "%s. Nothing was published; the live data are as they were.",
		       s->report->source);
	kvf_err_hint(err, "Run the same command again, with --freeze.");
	return KVF_EPREFLIGHT;
}

/* In place: what the store's own connection has seen others commit. */
static enum kvf_status check_store(const struct kvf_still *s, struct kvf_store *store,
				   struct kvf_err *err)
{
	int64_t changes;
	enum kvf_status st = kvf_store_changes(store, &changes, err);

	return st || changes == s->changes ? st : refuse_moved(s, err);
}

/*
 * SQLite: the snapshot of the source would keep the store from committing to the
 * same file.  PostgreSQL: it is in nobody's way, unless the live table was read
 * as one of the application's, before kvferry has made it its own.
 */
static int must_close(const struct kvf_still *s)
{
	struct kvf_place p;
	struct kvf_err ignored;

	return kvf_place_parse(s->o->source, &p, &ignored) || strcmp(p.scheme, "sqlite") == 0 ||
	       (s->report->facts.has_table && !s->report->has_control);
}

enum kvf_status kvf_still_begin(void *ctx, struct kvf_store *store, struct kvf_err *err)
{
	struct kvf_still *s = ctx;
	enum kvf_status st;

	if (!s->report->in_place || !must_close(s))
		return KVF_OK;
	st = kvf_store_changes(store, &s->changes, err);
	if (!st)
		st = check_source(s, err);
	kvf_source_close(*s->source);
	*s->source = NULL;
	return st;
}

enum kvf_status kvf_still_hold(void *ctx, struct kvf_store *store, struct kvf_err *err)
{
	struct kvf_still *s = ctx;
	/* Whoever has taken the store has frozen or written the source too: the first
	 * says more. */
	enum kvf_status st = kvf_store_beat(store, "publish", err);
	double begun;

	if (st)
		return st;
	if (!*s->source)
		st = check_store(s, store, err);
	else if (!s->held)
		st = kvf_source_hold(*s->source, &s->held, err);
	KVF_FAILPOINT(st, err, "source.held");
	if (!st)
		st = check_freeze(s, err);
	if (st || !*s->source)
		return st;
	begun = kvf_monotonic();
	st = check_source(s, err);
	kvf_store_before_commit(store, kvf_still_last_look, s, kvf_monotonic() - begun);
	return st;
}

enum kvf_status kvf_still_last_look(void *ctx, struct kvf_store *store, struct kvf_err *err)
{
	struct kvf_still *s = ctx;

	if (!*s->source)
		return check_store(s, store, err);
	return s->held ? KVF_OK : check_source(s, err);
}

void kvf_still_end(struct kvf_still *s, enum kvf_status st, struct kvf_err *err)
{
	struct kvf_report *r = s->report;
	struct kvf_freeze now = { 0 };
	char detail[sizeof(err->detail)];
	struct kvf_err ignored;

	if (!st && s->held && *s->source && !kvf_source_is_held(*s->source))
		kvf_report_warn(r,
				"the connection that kept writers out of the source was lost "
				"around the commit: compare by 'kvferry verify'");
	if (!st || !r->is_frozen || r->published)
		return;
	/* An abort may have lifted it, or another run have gone on with it. */
	if ((st == KVF_EBUSY || st == KVF_EPREFLIGHT) &&
	    kvf_freeze_look(s->o->source, s->env, &now, &ignored) == KVF_ENOTFOUND)
		return;
	if (*now.run)
		r->frozen = now;
	snprintf(detail, sizeof(detail), "%s", err->detail);
	kvf_err_detail(err,
		       "%s%sThe source stays frozen by run %s: the next run goes on with it, "
		       "'kvferry abort' lifts it.",
		       detail, *detail ? " " : "", r->frozen.run);
}
