/*
 * import - a stream into a store: stage, prove, publish.
 *
 *   head -> refuse?  (version, application, caps, blockers, data already there)
 *        -> acquire -> stage -> chunk, chunk ... tail
 *        -> verify: count, bytes and m of the stage; chain of the progress rows
 *        -> seal -> commit: the only point at which anything becomes visible
 *
 * Whatever fails before the commit leaves the live data as they were; the next
 * run of the same stream goes on with the stage.  Whatever fails in the commit is unknown until the
 * control row has been read again.
 */
#include "migrate/import.h"

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum kvf_status check_features(struct kvf_import *im, struct kvf_err *err)
{
	size_t i;

	for (i = 0; i < im->head->nfeatures; i++)
		if (strcmp(im->head->features[i], KVF_FEATURE_PARTIAL) == 0)
			im->job->report->partial = 1;
	if (im->job->report->partial && !im->job->options->allow_partial) {
		kvf_fail(err, KVF_EPREFLIGHT, "the stream holds a selection of its source");
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err,
			     "--allow-partial loads it all the same; the schema version is "
			     "not bumped then.");
		return KVF_EPREFLIGHT;
	}
	return KVF_OK;
}

/* ---- the commit ------------------------------------------------------------- */

/* The answer to the commit was lost: only the control row knows. */
static enum kvf_status settle_commit(struct kvf_import *im, enum kvf_status st,
				     struct kvf_err *err)
{
	struct kvf_control now;
	struct kvf_err second;
	enum kvf_status again = kvf_store_control(im->store, &now, &second);

	/* The epoch is another one where somebody has done something since. */
	if (!again && ((now.state == KVF_RUN_LIVE && now.epoch == im->control.epoch) ||
		       kvf_ledger_has(im->store, im->job->report->run, "publish"))) {
		kvf_report_warn(im->job->report,
				"the data are published, but the commit reported: %s",
				err->message);
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (!again)
		return st;
	kvf_err_detail(err, "It is not known whether the commit took effect: %s",
		       second.message);
	kvf_err_hint(err, "'kvferry status %s' tells as soon as the store can be read.",
		     im->job->place);
	return st;
}

/*
 * A load that does not bump leaves the application's version record as it is:
 * `done` becomes what is live, kept in `buf`.
 */
static enum kvf_status keep_version_record(struct kvf_import *im, struct kvf_buf *buf,
					   struct kvf_bytes *done, struct kvf_err *err)
{
	struct kvf_bytes live;
	enum kvf_status st;

	done->len = 0;
	if (!im->head->version_key.len)
		return KVF_OK;
	st = kvf_store_get(im->store, im->head->version_part, im->head->version_key, &live,
			   err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (!st)
		st = kvf_buf_append(buf, live.ptr, live.len, err);
	*done = kvf_buf_bytes(buf);
	return st;
}

/* A stream that lacks rows is published only if that was accepted. */
static enum kvf_status judge_rejects(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_report *r = im->job->report;
	const struct kvf_report *made = im->job->made;

	if (made && made->has_rejects) { /* who made it knows more than it says */
		r->rejects = made->rejects;
		snprintf(r->rejects_file, sizeof(r->rejects_file), "%s", made->rejects_file);
		snprintf(r->rejects_by_reason, sizeof(r->rejects_by_reason), "%s",
			 made->rejects_by_reason);
	}
	return kvf_rejects_judge(im->job->options, r,
				 "Nothing was published; the live data are as they were.", err);
}

static enum kvf_status publish(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_report *r = im->job->report;
	struct kvf_bytes done = im->head->version_done;
	const struct kvf_work work = kvf_import_work(im);
	struct kvf_ledger_line line;
	struct kvf_buf kept;
	size_t step = kvf_report_step(r, "publish");
	uint64_t schema = r->partial ? r->live : im->head->schema;
	enum kvf_status st;

	kvf_meter_begin(&im->meter, im->job->env, "publish", im->job->steps, im->job->steps, 0,
			0);
	st = kvf_store_seal(im->store, im->tail.r, &r->right, im->exact_packages && !im->merge,
			    err);
	if (!st && im->job->may_publish)
		st = im->job->may_publish(im->job->ctx, im->store, err);
	if (!st)
		st = kvf_check_stop(im->job->env, err);
	if (st)
		return st;
	memset(&line, 0, sizeof(line));
	kvf_buf_init(&kept, (size_t)im->head->lim.value + 1);
	if (r->partial)
		st = keep_version_record(im, &kept, &done, err);
	if (!st)
		st = kvf_ledger_publish(&line, &work, err);
	if (!st) {
		st = kvf_store_commit(im->store, schema, done, &line.row, err);
		if (st)
			st = settle_commit(im, st, err);
	}
	kvf_ledger_line_release(&line);
	kvf_buf_release(&kept);
	if (st)
		return st;
	r->published = 1;
	kvf_tell(im->job->env, "commit",
		 (const struct kvf_event_fact[]){ { "app", r->app, 0 },
						  { "schema", NULL, schema },
						  { "entries", NULL, r->right.entries },
						  { "bytes", NULL, r->right.bytes } },
		 4);
	kvf_report_step_end(r, step, r->right.entries, r->right.bytes);
	st = kvf_store_gc(im->store, err);
	if (st) { /* published all the same: the next run tidies up */
		kvf_report_warn(r, "leftovers of the run remain until the next one: %s",
				err->message);
		kvf_err_clear(err);
	}
	return KVF_OK;
}

/* ---- the whole -------------------------------------------------------------- */

/* Is exactly this stream live already?  Reads it to the end to know its root. */
static enum kvf_status already_live(struct kvf_import *im, int *yes, struct kvf_err *err)
{
	struct kvf_report *r = im->job->report;
	struct kvf_totals stream, live;
	struct kvf_item item;
	enum kvf_status st;

	*yes = 0;
	memset(&stream, 0, sizeof(stream));
	if (!r->has_control || r->control.state != KVF_RUN_LIVE ||
	    r->control.ver != im->head->schema || r->partial)
		return KVF_OK;
	while (!(st = kvf_reader_next(im->reader, &item, err))) {
		if (item.type == KVF_ITEM_CHUNK)
			kvf_totals_merge(&stream, &item.u.chunk->info.totals);
		else if (item.type == KVF_ITEM_TAIL)
			r->tail = *item.u.tail;
		st = kvf_check_stop(im->job->env, err);
		if (st)
			return st;
	}
	if (st != KVF_EOF)
		return st;
	im->tail = r->tail;
	st = kvf_expected_root_check(&im->expected, im->tail.r, err);
	if (!st)
		st = kvf_store_totals(im->store, KVF_SCAN_LIVE, &live, err);
	if (st)
		return st;
	*yes = kvf_totals_equal(&stream, &live);
	r->left = stream;
	r->right = live;
	r->already = *yes;
	return KVF_OK;
}

static enum kvf_status allocate(struct kvf_import *im, struct kvf_err *err)
{
	size_t n = im->head->npackages ? im->head->npackages : 1;

	kvf_units_release(&im->units);
	free(im->package_roots);
	im->units.begins = calloc(n, sizeof(*im->units.begins));
	im->package_roots = calloc(n, 32);
	if (!im->units.begins || !im->package_roots)
		return kvf_fail_nomem(err);
	return kvf_report_packages(im->job->report, im->head->packages, im->head->npackages,
				   err);
}

static void fill_report(struct kvf_import *im)
{
	struct kvf_report *r = im->job->report;

	snprintf(r->app, sizeof(r->app), "%s", im->head->app);
	r->from = im->head->from;
	r->schema = im->head->schema;
	if (!*r->source)
		kvf_report_name(r->source, sizeof(r->source), "%s",
				kvf_input_name(im->job->in));
}

enum kvf_status kvf_import_read(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_reader_options ro;
	enum kvf_status st;

	memset(&ro, 0, sizeof(ro));
	ro.caps = kvf_options_limits(im->job->options);
	ro.allow_features_partial = 1; /* check_features() says it better */
	st = kvf_reader_open(im->job->in, &ro, im->job->env, &im->reader, err);
	if (st)
		return st;
	im->head = kvf_reader_head(im->reader);
	return allocate(im, err);
}

/* Everything up to the first look at what the store holds. */
static enum kvf_status open_both(struct kvf_import *im, struct kvf_err *err)
{
	const struct kvf_options *o = im->job->options;
	struct kvf_store_options so = { .table = o->table, .partitions = o->partitions };
	enum kvf_status st = kvf_expected_root(o, &im->expected, err);

	if (!st)
		st = kvf_import_read(im, err);
	if (st)
		return st;
	fill_report(im);
	st = check_features(im, err);
	if (!st)
		st = im->job->app ? kvf_head_check(im->head, im->job->app, err) : KVF_OK;
	if (!st)
		st = kvf_store_open(im->job->place,
				    o->dry_run ? KVF_STORE_READ : KVF_STORE_WRITE, &so,
				    im->job->env, &im->store, err);
	if (o->dry_run && st == KVF_ENOTFOUND) { /* opening it to write creates nothing */
		kvf_err_clear(err);
		st = kvf_store_open(im->job->place, KVF_STORE_WRITE, &so, im->job->env,
				    &im->store, err);
	}
	if (!st && im->job->last_look)
		kvf_store_before_commit(im->store, im->job->last_look, im->job->ctx, 0);
	if (!st)
		kvf_import_claim(im);
	return st;
}

/* May this stream go into the store as it is now, or is there nothing to do? */
static enum kvf_status look(struct kvf_import *im, int *done, struct kvf_err *err)
{
	const struct kvf_options *o = im->job->options;
	struct kvf_report *r = im->job->report;
	enum kvf_status st;
	uint64_t size;

	*done = 0;
	st = kvf_import_preflight(im->store, o, im->job->env, im->head->app, r, err);
	if (st)
		return st;
	if (kvf_input_seekable(im->job->in, &size) && r->facts.free < size) {
		kvf_fail(err, KVF_EPREFLIGHT, "not enough space for the data");
		kvf_err_detail(err,
			       "the stream alone has %" PRIu64 " bytes, %s has %" PRIu64
			       " free. Nothing was changed.",
			       size, r->target, r->facts.free);
		kvf_err_hint(err, "Free some space, or name a store on another disk.");
		return KVF_EPREFLIGHT;
	}
	if (r->facts.entries && o->existing == KVF_EXISTING_REFUSE) {
		st = already_live(im, done, err);
		return st || *done ? st : kvf_refuse_not_empty(r, im->job->place, err);
	}
	im->merge = o->existing == KVF_EXISTING_MERGE && r->facts.has_table &&
		    !(r->has_control && r->control.early);
	*done = o->dry_run;
	return kvf_import_unfinished(im, err);
}

/* May the acquire compare the epoch of this look?  See job->seen. */
static enum kvf_status check_seen(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_import_job *job = im->job;

	if (!job->frozen || kvf_still_epoch(job->report) == job->seen)
		return KVF_OK;
	job->overtaken = 1;
	kvf_fail(err, KVF_EBUSY, "another run changed the store after the source was frozen");
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Run the same command again.");
	return KVF_EBUSY;
}

/*
 * Make the store ours.  Another run may be quicker between our look and the
 * acquire: whoever waits for the store looks again.
 */
static enum kvf_status take_store(struct kvf_import *im, int *done, struct kvf_err *err)
{
	struct kvf_import_job *job = im->job;
	enum kvf_status st = look(im, done, err);

	if (!st && !*done)
		st = check_seen(im, err);
	if (!st && !*done && job->may_begin)
		st = job->may_begin(job->ctx, im->store, err);
	while (!st && !*done) {
		st = kvf_import_acquire(im, err);
		if (st != KVF_EBUSY || im->acquired ||
		    kvf_monotonic() >= job->report->lock_until)
			break;
		kvf_err_clear(err);
		st = look(im, done, err);
		if (!st && !*done)
			st = check_seen(im, err);
	}
	return st;
}

/* Has the maker of the stream ended it to begin anew? */
static int is_misguessed(const struct kvf_import *im)
{
	return im->job->misguessed && atomic_load(im->job->misguessed);
}

/* All chunks into the stage; from the beginning again where it held another stream. */
static enum kvf_status load(struct kvf_import *im, struct kvf_err *err)
{
	enum kvf_status st = kvf_import_load(im, err);
	int again;

	if (st == KVF_ETRUNC && is_misguessed(im))
		return kvf_import_again(im, &again, err);
	if (!im->another)
		return st;
	st = kvf_import_again(im, &again, err);
	return st || !again ? st : kvf_import_load(im, err);
}

/*
 * A stage that did not stand the proof is not gone on with: whoever acquires
 * without `resume` leaves it behind.
 */
static void give_up_stage(struct kvf_import *im)
{
	struct kvf_err ignored;

	im->claim.resume = 0;
	if (kvf_store_acquire(im->store, im->control.epoch, &im->claim, &im->control, &ignored))
		kvf_logf(im->job->env, KVF_LOG_DEBUG, "the stage stays: %s", ignored.message);
}

static void note_failure(struct kvf_import *im, enum kvf_status st, struct kvf_err *err)
{
	if (!im->acquired || st == KVF_EBUSY) /* superseded: nothing is ours any more */
		return;
	if (st == KVF_EMISMATCH)
		give_up_stage(im);
	kvf_store_note_failure(im->store, err->message); /* lets go of it */
	if (im->job->start_over && is_misguessed(im))
		return;
	kvf_ledger_failure(im->store, im->job->report, st, err);
	if (!*err->detail)
		kvf_err_detail(err, "Nothing was published; the live data are as they were.");
	if (!*err->hint)
		kvf_err_hint(err,
			     im->merge || st == KVF_EMISMATCH
				     ? "Run the same command again: it begins anew."
				     : "Run the same command again: it goes on where this run "
				       "stopped.");
}

enum kvf_status kvf_import_run(struct kvf_import_job *job, struct kvf_err *err)
{
	struct kvf_report *r = job->report;
	struct kvf_import im;
	enum kvf_status st;
	size_t i, step;
	int done = 0;

	memset(&im, 0, sizeof(im));
	im.job = job;
	im.exact_packages = 1;
	if (!*r->run)
		kvf_run_id(r->run, sizeof(r->run));
	job->start_over = job->overtaken = 0;
	st = open_both(&im, err);
	KVF_FAILPOINT(st, err, "import.opened");
	if (!st)
		st = take_store(&im, &done, err);
	if (st || done)
		goto failed;
	step = kvf_report_step(r, "load");
	kvf_meter_begin(&im.meter, job->env, "load", job->step, job->steps, job->total, 0);
	st = load(&im, err);
	KVF_FAILPOINT(st, err, "import.loaded");
	kvf_report_step_end(r, step, im.totals.entries, im.totals.bytes);
	if (!st)
		st = kvf_import_prove(&im, err);
	KVF_FAILPOINT(st, err, "import.proved");
	if (!st)
		st = judge_rejects(&im, err);
	if (!st)
		st = publish(&im, err);
failed:
	if (st == KVF_ETRUNC && job->cause) /* the ledger is to say what the user hears */
		st = job->cause(job->cause_ctx, st, err);
	if (st)
		note_failure(&im, st, err);
	if (im.acquired)
		job->seen = im.control.epoch;
	for (i = 0; im.reader && i < kvf_reader_warnings(im.reader); i++)
		kvf_report_warn(r, "%s", kvf_reader_warning(im.reader, i));
	kvf_units_release(&im.units);
	free(im.package_roots);
	kvf_reader_close(im.reader);
	kvf_store_close(im.store);
	return st;
}

enum kvf_status kvf_import(const struct kvf_options *o, const struct kvf_env *env,
			   struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_formats *formats = NULL;
	struct kvf_input *in = o->input;
	struct kvf_import_job job;
	uint8_t digest[32];
	const struct kvf_operand operands[] = {
		{ "the stream", in ? NULL : o->source, 0, STDIN_FILENO, 0 },
		{ "the store", o->target, 0, -1, 1 },
	};
	enum kvf_status st;

	memset(&job, 0, sizeof(job));
	st = kvf_report_init(report, err);
	if (!st)
		st = kvf_refuse_same_file(operands, 2, err);
	if (st)
		return st;
	if (o->formats && !o->as_tables) {
		st = kvf_formats_load(o->formats, &formats, err);
		if (st)
			return st;
		kvf_formats_digest(formats, digest);
		job.definitions = digest;
	}
	job.app = formats ? kvf_formats_application(formats) : o->application;
	if (o->as_tables && o->formats)
		return kvf_import_back(o, env, report, err);
	if (!in)
		st = kvf_open_input(o->source, &in, err);
	if (!st && o->as_tables) {
		st = kvf_import_tables(o, env, in, report, err);
	} else if (!st) {
		job.options = o;
		job.env = env;
		job.in = in;
		job.place = o->target;
		job.report = report;
		job.step = 1;
		job.steps = 3;
		st = kvf_import_run(&job, err);
	}
	if (in != o->input)
		kvf_input_close(in);
	kvf_formats_free(formats);
	return st;
}
