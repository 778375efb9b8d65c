/*
 * migrate - export and import at once.
 *
 * One thread reads the source and makes the units of the stream; through a pipe in
 * memory they come to the caller's thread, which loads the store.  Nothing is kept on disk.
 * Two cases go through a file, one step after the other: --keep STREAM, and an
 * in-place upgrade, where a source snapshot would keep the same file locked
 * against the commits of the store.
 */
#include "migrate/run.h"

#include "base/failpoint.h"
#include "base/session.h"
#include "base/text.h"
#include "io/parcel.h"
#include "par/par.h"
#include "par/serial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BYTES (16u << 20) /* so much comes in while a commit waits for the disk */

struct migrate {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_serial *serial;
	struct kvf_source *source;
	struct kvf_bound bound;
	struct kvf_report *report;
	struct kvf_report exported; /* the exporter's own report */
	struct kvf_output *out;     /* the exporter's end */
	struct kvf_pool *exporter;  /* while it runs beside the importer */
	enum kvf_status ended;      /* how it did, once it was waited for */
	struct kvf_err why;
	const char *scratch;
	char dir[4096];
	int level;
	int start_over;              /* the stage of an earlier run was of other data, */
	atomic_int misguessed;       /* or what we read lies in another order */
	int sure;                    /* we do not guess again */
	struct kvf_still still;      /* the source must not change */
	char place[512];             /* of the source */
	char live_run[64];           /* whose data are live; "" = nobody's */
	uint64_t seen;               /* the epoch of the store before the source was frozen */
	int overtaken;               /* ... and it was another one after */
	struct kvf_rejects *rejects; /* rows may be left out; or NULL */
	int was_kept;                /* a whole stream was there for --keep, */
	uint8_t kept[32];            /* and this was its root */
};

/* ---- refusals ---------------------------------------------------------------- */

/* The store holds data: are they these?  Then there is nothing to do. */
static enum kvf_status compare_with_live(struct migrate *m, struct kvf_store *store,
					 struct kvf_err *err)
{
	struct kvf_report *r = m->report;
	enum kvf_status st;

	if (r->has_control && r->control.state == KVF_RUN_LIVE && r->live == r->schema &&
	    !m->bound.partial) {
		st = kvf_bound_totals(&m->bound, m->o, m->scratch, m->env, &r->left, err);
		if (!st)
			st = kvf_store_totals(store, KVF_SCAN_LIVE, &r->right, err);
		if (st)
			return st;
		r->already = kvf_totals_equal(&r->left, &r->right);
		if (r->already)
			return KVF_OK;
	}
	return kvf_refuse_not_empty(r, m->o->target, err);
}

/* Is the upgrade that these definitions describe already live in the store?
 * Then the source's own version may have moved with it (in-place upgrade). */
static int is_upgraded(const struct kvf_report *r)
{
	return r->has_control && r->control.state == KVF_RUN_LIVE;
}

/* Whose data are live?  To be kept with the freeze that is made over them. */
static enum kvf_status find_live_run(struct migrate *m, struct kvf_store *store,
				     struct kvf_err *err)
{
	struct kvf_generation g;
	enum kvf_status st = kvf_store_generation(store, KVF_SCAN_LIVE, &g, err);

	m->live_run[0] = '\0';
	if (!st && g.published)
		snprintf(m->live_run, sizeof(m->live_run), "%s", g.run);
	if (st != KVF_ENOTFOUND)
		return st;
	kvf_err_clear(err);
	return KVF_OK;
}

static enum kvf_status prepare(struct migrate *m, struct kvf_err *err)
{
	struct kvf_store_options so = { .table = m->o->table, .partitions = m->o->partitions };
	struct kvf_report *r = m->report;
	struct kvf_store *store = NULL;
	struct kvf_head *earlier = NULL;
	enum kvf_status st = kvf_source_open(m->o->source, m->env, &m->source, err);

	if (st)
		goto out;
	snprintf(m->place, sizeof(m->place), "%s", kvf_source_place(m->source));
	r->in_place = kvf_source_is_place(m->source, m->o->target);
	st = kvf_still_opened(m->source, r, err);
	if (st)
		goto out;
	st = kvf_store_open(m->o->target, KVF_STORE_READ, &so, m->env, &store, err);
	if (st == KVF_ENOTFOUND)
		st = kvf_preflight_new(m->o, m->env, r, err);
	else if (!st)
		st = kvf_import_preflight(store, m->o, m->env, "", r, err);
	if (st == KVF_EPREFLIGHT)
		st = kvf_preflight_source(m->o, m->source, err);
	if (!st && store)
		st = find_live_run(m, store, err);
	if (st)
		goto out;
	/* What an unfinished run began with, or what is live, to compare with it. */
	if (store && (!is_upgraded(r) || m->o->existing == KVF_EXISTING_REFUSE))
		st = kvf_units_head(store, is_upgraded(r) ? KVF_SCAN_LIVE : KVF_SCAN_STAGE,
				    &earlier, err);
	if (!st)
		st = kvf_bound_open(m->o, m->source, earlier, r->in_place && is_upgraded(r),
				    &m->bound, err);
	if (!st)
		st = kvf_report_bound(r, &m->bound, err);
	if (!st && store)
		st = kvf_import_preflight(store, m->o, m->env, m->bound.app->name, r, err);
	if (!st && m->bound.partial && !m->o->allow_partial) {
		kvf_fail(err, KVF_EPREFLIGHT, "a selection of the source was asked for");
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err,
			     "--allow-partial loads it all the same; the schema version is "
			     "not bumped then.");
		st = KVF_EPREFLIGHT;
	}
	if (!st && r->facts.entries && m->o->existing == KVF_EXISTING_REFUSE)
		st = compare_with_live(m, store, err);
	if (!st && !r->already)
		st = kvf_checks_run(&m->bound, m->env, r, err);
	if (!st && !r->already && r->in_place && is_upgraded(r) &&
	    m->bound.app->source_version && m->bound.from != m->bound.app->source_requires) {
		kvf_fail(err, KVF_EVERSION,
			 "the source has schema version %" PRIu64
			 ", these definitions read version %" PRIu64,
			 m->bound.from, m->bound.app->source_requires);
		kvf_err_detail(err, "Nothing was changed.");
		st = KVF_EVERSION;
	}
out:
	/* A freeze that we made says so itself. */
	if (st && err && !*err->detail && !*m->still.stamp)
		kvf_err_detail(err, "Nothing was changed.");
	kvf_head_free(earlier);
	kvf_store_close(store);
	return st;
}

/* The source is let go of, and so is what was known of it. */
static void let_go(struct migrate *m)
{
	struct kvf_report *r = m->report;

	kvf_bound_close(&m->bound);
	memset(&m->bound, 0, sizeof(m->bound));
	kvf_source_close(m->source);
	m->source = NULL;
	r->nrecords = r->npackages = r->nchecks = r->nwarnings = 0;
}

/*
 * The freeze that is there is not ours to stamp, and nobody asked for one: whoever it
 * belongs to may lift it.  So the source is looked at as if there were none.
 */
static enum kvf_status do_without(struct migrate *m, struct kvf_err *err)
{
	struct kvf_report *r = m->report;
	enum kvf_status st;

	kvf_logf(m->env, KVF_LOG_NOTE, "the freeze of the source is not relied on: %s",
		 err->message);
	kvf_err_clear(err);
	m->still.stamp[0] = '\0';
	st = prepare(m, err);
	r->is_frozen = 0;
	return st || r->already ? st : kvf_still_refuse(m->o, r, err);
}

/*
 * When nothing else stands in the way: the source is let go of, frozen, and looked at
 * anew, because the snapshot has to be of the frozen one.  The epoch that the acquire
 * will compare is that of a look before the freeze.
 */
static enum kvf_status freeze(struct migrate *m, struct kvf_err *err)
{
	struct kvf_report *r = m->report;
	enum kvf_status st;

	do {
		m->seen = kvf_still_epoch(r);
		let_go(m);
		st = kvf_still_freeze(&m->still, m->live_run, err);
		if (st == KVF_EPREFLIGHT && !m->o->freeze)
			return do_without(m, err);
		KVF_FAILPOINT(st, err, "migrate.frozen");
		if (!st)
			st = prepare(m, err);
		if (st || r->already ||
		    (kvf_still_epoch(r) == m->seen && kvf_still_ours(&m->still)))
			return st;
		st = kvf_check_stop(m->env, err);
	} while (!st && kvf_monotonic() < r->lock_until);
	if (st)
		return st;
	kvf_fail(err, KVF_EBUSY, "another run changed the store while the source was frozen");
	kvf_err_detail(err, "No data were changed.");
	kvf_err_hint(err, "Run the same command again.");
	return KVF_EBUSY;
}

/* ---- the run ------------------------------------------------------------------ */

static enum kvf_status export_all(struct migrate *m, struct kvf_err *err)
{
	struct kvf_export_job job = { .options = m->o,
				      .bound = &m->bound,
				      .out = m->out,
				      .level = m->level,
				      .scratch = m->scratch,
				      .env = m->env,
				      .step = 1,
				      .steps = 4,
				      .report = &m->exported,
				      .rejects = m->rejects };
	enum kvf_status st;

	if (kvf_output_has_parcels(m->out) && !m->sure)
		job.misguessed = &m->misguessed;
	kvf_rejects_clear(m->rejects); /* of an earlier reading */
	st = kvf_export_run(&job, err);
	if (!st && m->was_kept)
		st = kvf_kept_check(m->o, m->kept, m->exported.tail.r, err);
	return st ? st : kvf_output_commit(m->out, err);
}

static enum kvf_status export_job(void *ctx, unsigned worker, void *job, struct kvf_err *err)
{
	struct migrate *m = job;
	enum kvf_status st;

	(void)ctx;
	(void)worker;
	st = export_all(m, err);
	kvf_output_close(m->out); /* uncommitted: the importer learns that it was cut */
	m->out = NULL;
	kvf_serial_only(m->serial, NULL);
	return st;
}

/*
 * Both ends failed, or one: whose failure is the cause?  An importer that only
 * saw the end of the pipe was failed by the exporter; an exporter that saw the
 * pipe close, or was told to stop although nobody asked us to, by the importer.
 */
static int exporter_is_cause(const struct migrate *m, enum kvf_status imported,
			     enum kvf_status exported)
{
	if (!exported || m->report->published || m->start_over)
		return 0;
	if (!imported)
		return 1;
	return (imported == KVF_ETRUNC || imported == KVF_ESTREAM) && exported != KVF_ETARGET &&
	       !(exported == KVF_EINTERRUPTED && !kvf_stopped(m->env));
}

/* The exporter's end: waited for once. */
static void wait_for_exporter(struct migrate *m)
{
	void *job;

	if (m->exporter)
		m->ended = kvf_pool_take(m->exporter, &job, &m->why);
	kvf_pool_free(m->exporter, NULL);
	m->exporter = NULL;
}

/* What the run is to say: the exporter's failure where that is the cause. */
static enum kvf_status blame(struct migrate *m, enum kvf_status st, struct kvf_err *err)
{
	if (!exporter_is_cause(m, st, m->ended))
		return st;
	*err = m->why;
	if (!strstr(err->detail, "Nothing was published."))
		kvf_err_detail(err, "%s%sNothing was published.", m->why.detail,
			       *m->why.detail ? " " : "");
	return m->ended;
}

/* The importer has read all that the exporter wrote, which was cut: it has ended. */
static enum kvf_status find_cause(void *ctx, enum kvf_status st, struct kvf_err *err)
{
	struct migrate *m = ctx;

	wait_for_exporter(m);
	return blame(m, st, err);
}

static enum kvf_status import_from(struct migrate *m, struct kvf_input *in, struct kvf_err *err)
{
	struct kvf_import_job job = { .options = m->o,
				      .env = m->env,
				      .in = in,
				      .place = m->o->target,
				      .app = m->bound.app,
				      .definitions = m->bound.formats ? m->bound.digest : NULL,
				      .report = m->report,
				      .step = 2,
				      .steps = 4,
				      .may_begin = kvf_still_begin,
				      .may_publish = kvf_still_hold,
				      .last_look = kvf_still_last_look,
				      .made_of = m->place,
				      .made = &m->exported,
				      .ctx = &m->still,
				      .misguessed = &m->misguessed,
				      .cause = m->exporter ? find_cause : NULL,
				      .cause_ctx = m };
	enum kvf_status st;
	size_t i;

	if (*m->still.stamp)
		job.frozen = m->report->frozen.place;
	job.seen = m->seen;

	for (i = 0; i < m->report->nrecords && m->report->records[i].rows != UINT64_MAX; i++)
		job.total += m->report->records[i].rows;
	if (i < m->report->nrecords)
		job.total = 0; /* nobody knows how many rows a query gives */
	st = kvf_import_run(&job, err);
	m->start_over = job.start_over;
	m->overtaken = job.overtaken;
	m->seen = job.seen;
	return st;
}

/* What the exporter counted belongs into the one report of the run. */
static void join_reports(struct migrate *m)
{
	struct kvf_report *r = m->report, *x = &m->exported;
	size_t i;

	for (i = 0; i < r->npackages && i < x->npackages; i++) {
		r->packages[i].rows = x->packages[i].rows;
		r->packages[i].in_order = x->packages[i].in_order;
		r->packages[i].spilled = x->packages[i].spilled;
	}
	for (i = 0; i < r->nrecords && i < x->nrecords; i++) {
		r->records[i].rows = x->records[i].rows;
		r->records[i].rows_exact = x->records[i].rows_exact;
		r->records[i].entries = x->records[i].entries;
	}
	r->file_bytes = x->file_bytes;
	if (x->nsteps && r->nsteps < sizeof(r->steps) / sizeof(r->steps[0])) {
		memmove(r->steps + 1, r->steps, r->nsteps * sizeof(r->steps[0]));
		r->steps[0] = x->steps[0];
		r->nsteps++;
	}
}

static enum kvf_status through_pipe(struct migrate *m, struct kvf_err *err)
{
	struct kvf_input *in = NULL;
	enum kvf_status st;

	m->ended = KVF_OK;
	kvf_serial_only(m->serial, "export"); /* one line of progress at a time */
	st = kvf_parcels_new(PIPE_BYTES, &in, &m->out, err);
	if (!st)
		st = kvf_pool_new(1, 1, export_job, NULL, &m->exporter, err);
	if (!st)
		st = kvf_pool_submit(m->exporter, m, err);
	if (st)
		goto out;
	st = import_from(m, in, err);
	if (st)
		kvf_serial_stop(m->serial); /* an exporter that still reads stops now, */
	kvf_input_close(in);                /* and one that still writes */
	in = NULL;
	wait_for_exporter(m);
	st = blame(m, st, err);
out:
	kvf_pool_free(m->exporter, NULL);
	m->exporter = NULL;
	kvf_output_close(m->out);
	m->out = NULL;
	kvf_input_close(in);
	return st;
}

/*
 * The source has changed since the run whose stage was there, or its rows lie in another
 * order than their beginning: what is read is read again, from the same snapshot, into
 * a fresh stage.
 */
static enum kvf_status again(struct migrate *m, struct kvf_err *err)
{
	enum kvf_status st;

	if (atomic_load(&m->misguessed))
		kvf_logf(m->env, KVF_LOG_INFO, "starting over: %s", err->message);
	else
		kvf_logf(m->env, KVF_LOG_NOTE,
			 "starting over: the unfinished run read other data from the source");
	atomic_store(&m->misguessed, 0);
	m->sure = 1;
	kvf_err_clear(err);
	kvf_serial_go_on(m->serial);
	kvf_report_free(&m->exported);
	m->report->nsteps = 0;
	st = kvf_report_init(&m->exported, err);
	if (!st)
		st = kvf_report_bound(&m->exported, &m->bound, err);
	return st ? st : through_pipe(m, err);
}

/* --keep: into a file that stays.  What an unfinished run has kept is kept again. */
static enum kvf_status through_file(struct migrate *m, struct kvf_err *err)
{
	struct kvf_options o = *m->o;
	struct kvf_input *in = NULL;
	enum kvf_status st;

	m->was_kept = !o.overwrite && kvf_kept_root(m->o, m->kept);
	o.overwrite |= m->was_kept;
	st = kvf_open_output(&o, o.keep, &m->out, err);
	if (!st)
		st = export_all(m, err);
	kvf_output_close(m->out);
	m->out = NULL;
	if (!st)
		st = kvf_open_input(m->o->keep, &in, err);
	if (!st)
		st = import_from(m, in, err);
	kvf_input_close(in);
	return st;
}

/* In place: the snapshot ends before the store is written. */
static enum kvf_status through_scratch(struct migrate *m, struct kvf_err *err)
{
	struct kvf_input *in = NULL;
	enum kvf_status st;
	int fd = -1;

	kvf_logf(m->env, KVF_LOG_INFO,
		 "source and store are one database: the stream goes "
		 "through a scratch file in %s",
		 m->scratch);
	st = kvf_scratch_open(m->scratch, &fd, err);
	if (!st)
		st = kvf_output_fd(fd, "the scratch stream", &m->out, err);
	if (!st)
		st = export_all(m, err);
	kvf_output_close(m->out);
	m->out = NULL;
	if (!st && lseek(fd, 0, SEEK_SET) != 0)
		st = kvf_fail_errno(err, KVF_ETARGET, errno,
				    "cannot rewind the scratch stream");
	if (!st)
		st = kvf_input_fd(fd, "the scratch stream", &in, err);
	if (!st)
		st = import_from(m, in, err);
	kvf_input_close(in);
	if (fd >= 0)
		close(fd);
	return st;
}

/* From the freeze to the commit, once. */
static enum kvf_status run(struct migrate *m, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	m->start_over = m->overtaken = 0;
	if (m->o->freeze || m->report->is_frozen)
		st = freeze(m, err);
	if (st || m->report->already)
		return st;
	st = kvf_report_init(&m->exported, err);
	if (!st)
		st = kvf_report_bound(&m->exported, &m->bound, err);
	if (st)
		return st;
	if (m->o->keep)
		st = through_file(m, err);
	else if (m->report->in_place)
		st = through_scratch(m, err);
	else
		st = through_pipe(m, err);
	if (m->start_over || (st == KVF_ESOURCE && atomic_load(&m->misguessed)))
		st = again(m, err);
	return st;
}

/* ... and anew where another run was quicker, as long as the store is waited for. */
static enum kvf_status run_until(struct migrate *m, struct kvf_err *err)
{
	enum kvf_status st = run(m, err);

	while (st == KVF_EBUSY && m->overtaken && !m->o->keep &&
	       kvf_monotonic() < m->report->lock_until) {
		kvf_err_clear(err);
		kvf_serial_go_on(m->serial);
		kvf_report_free(&m->exported);
		memset(&m->exported, 0, sizeof(m->exported));
		m->report->nsteps = 0;
		st = run(m, err);
	}
	return st;
}

enum kvf_status kvf_migrate(const struct kvf_options *o, const struct kvf_env *env,
			    struct kvf_report *report, struct kvf_err *err)
{
	/* Source and store may be one: the in-place upgrade. */
	const struct kvf_operand sources[] = {
		{ "the source", o->source, 0, -1, 0 },
		{ "the kept stream", o->keep, 0, -1, 1 },
	};
	const struct kvf_operand targets[] = {
		{ "the store", o->target, 0, -1, 1 },
		{ "the kept stream", o->keep, 0, -1, 1 },
	};
	const struct kvf_env named = kvf_env_named(env, KVF_SESSION_MIGRATE);
	struct migrate m;
	enum kvf_status st;

	memset(&m, 0, sizeof(m));
	m.o = o;
	m.report = report;
	m.level = o->level_set ? o->level : 1;
	m.scratch = kvf_scratch_dir(o->target, env, m.dir, sizeof(m.dir));
	m.still = (struct kvf_still){ .o = o,
				      .report = report,
				      .read = &m.exported,
				      .bound = &m.bound,
				      .source = &m.source };
	st = kvf_report_init(report, err);
	if (!st)
		st = kvf_serial_new(&named, &m.serial, err);
	if (!st)
		m.env = m.still.env = kvf_serial_env(m.serial);
	if (!st && o->lock_wait)
		st = kvf_await_place(o->target, o, m.env, report, err);
	if (!st)
		st = kvf_refuse_same_file(sources, 2, err);
	if (!st)
		st = kvf_refuse_same_file(targets, 2, err);
	if (!st && (o->max_rejects || o->accept_rejects))
		st = kvf_rejects_new(o->max_rejects ? o->max_rejects : UINT64_MAX, &m.rejects,
				     err);
	if (!st)
		st = kvf_still_look(o, m.env, report, err);
	if (!st)
		st = prepare(&m, err);
	if (!st && !report->already)
		st = kvf_still_refuse(o, report, err);
	if (!st && o->dry_run && !report->already)
		st = kvf_report_count(report, &m.bound, err);
	if (st || report->already || o->dry_run)
		goto out;
	KVF_FAILPOINT(st, err, "migrate.begun");
	if (!st)
		st = run_until(&m, err);
	if (m.exported.nrecords)
		join_reports(&m);
out:
	if (m.serial)
		kvf_serial_go_on(m.serial); /* the exporter is over */
	kvf_still_end(&m.still, st, err);
	kvf_rejects_free(m.rejects);
	kvf_report_free(&m.exported);
	kvf_bound_close(&m.bound);
	kvf_source_close(m.source);
	kvf_serial_free(m.serial); /* whose env all of them had */
	return st;
}
