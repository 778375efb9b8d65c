/* export - legacy tables to a stream. */
#include "migrate/ledger.h"
#include "par/serial.h"

#include "base/failpoint.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kvf_limits kvf_options_limits(const struct kvf_options *o)
{
	struct kvf_limits lim = kvf_limits_default();

	if (o->max_value)
		lim.value = o->max_value;
	return lim;
}

const char *kvf_scratch_dir(const char *target, const struct kvf_env *env, char *buf,
			    size_t size)
{
	const char *slash;
	struct kvf_place place;
	struct kvf_err ignored;

	if (target && !kvf_place_parse(target, &place, &ignored) &&
	    (place.kind == KVF_PLACE_STREAM || strcmp(place.scheme, "sqlite") == 0) &&
	    strncmp(place.rest, "/dev/", 5) != 0) {
		slash = strrchr(place.rest, '/');
		if (!slash)
			return ".";
		if ((size_t)(slash - place.rest) < size) {
			memcpy(buf, place.rest, (size_t)(slash - place.rest));
			buf[slash - place.rest] = '\0';
			return slash == place.rest ? "/" : buf;
		}
	}
	return env && env->scratch ? env->scratch : "/tmp";
}

void kvf_bound_head(const struct kvf_options *o, const struct kvf_bound *b,
		    const struct kvf_limits *limits, struct kvf_head *head)
{
	static const char *const partial[] = { KVF_FEATURE_PARTIAL };

	memset(head, 0, sizeof(*head));
	head->app = b->app->name;
	head->from = b->from;
	head->schema = b->app->schema;
	head->chunk = o->chunk ? o->chunk : KVF_CHUNK_DEFAULT;
	head->lim = *limits;
	head->packages = b->names;
	head->npackages = b->nselected;
	if (b->partial) {
		head->features = partial;
		head->nfeatures = 1;
	}
	head->args = b->args;
	head->nargs = b->nargs;
	head->version_part = b->app->version_part;
	head->version_key = b->app->version_key;
	head->version_started = b->app->version_started;
	head->version_done = b->app->version_done;
}

void kvf_bound_begin(const struct kvf_bound *b, size_t package, uint64_t n,
		     const char **sources, struct kvf_begin *begin)
{
	const struct kvf_package *pkg = b->app->packages[package];
	size_t i;

	memset(begin, 0, sizeof(*begin));
	begin->n = n;
	begin->name = pkg->name;
	begin->rev = pkg->rev;
	for (i = 0; i < pkg->nrecords; i++)
		if (pkg->records[i].table)
			sources[begin->nsources++] = pkg->records[i].table;
	begin->sources = sources;
	begin->kinds = pkg->kinds;
	begin->nkinds = pkg->nkinds;
	begin->messages = pkg->messages;
	begin->nmessages = pkg->nmessages;
	begin->tables = pkg->tables;
	begin->ntables = pkg->ntables;
}

enum kvf_status kvf_report_bound(struct kvf_report *r, const struct kvf_bound *b,
				 struct kvf_err *err)
{
	size_t n = 0, i, k, p;

	for (i = 0; i < b->nselected; i++)
		n += b->app->packages[b->selected[i]]->nrecords;
	r->records = kvf_report_alloc(r, (n ? n : 1) * sizeof(*r->records));
	if (!r->records)
		return kvf_fail_nomem(err);
	for (i = 0; i < b->nselected; i++) {
		p = b->selected[i];
		for (k = 0; k < b->app->packages[p]->nrecords; k++) {
			const struct kvf_record *record = &b->app->packages[p]->records[k];
			const struct kvf_table *shape = b->shapes[p][k];
			struct kvf_report_record *row = &r->records[r->nrecords++];

			row->package = kvf_report_text(r, "%s", b->app->packages[p]->name);
			row->name = kvf_report_text(r, "%s", record->name);
			row->table = kvf_report_text(r, "%s",
						     record->table ? record->table : "(query)");
			if (!row->package || !row->name || !row->table)
				return kvf_fail_nomem(err);
			row->rows = shape->rows;
			row->rows_exact = shape->rows_exact;
			row->bytes = shape->bytes;
		}
	}
	snprintf(r->app, sizeof(r->app), "%s", b->app->name);
	kvf_report_name(r->source, sizeof(r->source), "%s", kvf_source_identity(b->source));
	r->from = b->from;
	r->schema = b->app->schema;
	r->partial = b->partial;
	return kvf_report_packages(r, b->names, b->nselected, err);
}

/* What differs between equal exports: for people, outside of L1. */
static size_t make_notes(const struct kvf_bound *b, struct kvf_pair *notes, char *host,
			 size_t host_size, char *when, size_t when_size)
{
	size_t n = 0;

	if (gethostname(host, host_size))
		snprintf(host, host_size, "unknown");
	host[host_size - 1] = '\0';
	kvf_time_text(kvf_now_us(), when, when_size);
	notes[n].name = "created";
	notes[n++].value = when;
	notes[n].name = "host";
	notes[n++].value = host;
	notes[n].name = "source";
	notes[n++].value = kvf_source_identity(b->source);
	notes[n].name = "tool";
	notes[n++].value = "kvferry " KVF_VERSION;
	return n;
}

/* The rows of each record and what became of them, into the report. */
static void report_gather(struct kvf_report *r, const struct kvf_gather *f, size_t package_row)
{
	const struct kvf_package *pkg = f->bound->app->packages[f->package];
	struct kvf_report_package *row = &r->packages[package_row];
	size_t i, k;

	row->rev = pkg->rev;
	row->rows = f->rows;
	row->in_order = f->in_order;
	row->spilled = f->spilled;
	for (i = 0; i < r->nrecords && strcmp(r->records[i].package, pkg->name) != 0; i++)
		;
	for (k = 0; k < pkg->nrecords && i + k < r->nrecords; k++) {
		r->records[i + k].rows = f->record_rows[k];
		r->records[i + k].rows_exact = 1;
		r->records[i + k].entries = f->record_entries[k];
	}
}

static enum kvf_status export_package(const struct kvf_export_job *job, struct kvf_writer *w,
				      struct kvf_sides *sides, size_t n,
				      const struct kvf_limits *limits, struct kvf_meter *meter,
				      struct kvf_err *err)
{
	size_t package = job->bound->selected[n];
	size_t nsides = job->bound->app->packages[package]->nsides, nrejects = 0;
	struct kvf_side *written = calloc(nsides + 2, sizeof(*written));
	struct kvf_report_package *row = &job->report->packages[n];
	struct kvf_begin begin;
	struct kvf_entry entry;
	struct kvf_gather gather;
	struct kvf_end end;
	const char **sources;
	enum kvf_status st;

	sources = malloc((job->bound->app->packages[package]->nrecords + 1) * sizeof(*sources));
	if (!sources || !written) {
		free(sources);
		free(written);
		return kvf_fail_nomem(err);
	}
	kvf_bound_begin(job->bound, package, n, sources, &begin);
	st = kvf_gather_open(&gather, job->bound, package, limits, job->scratch, job->env,
			     meter, err);
	if (!st)
		st = kvf_writer_begin(w, &begin, err);
	gather.rejects = job->rejects;
	gather.writer = w;
	gather.can_rewind = kvf_output_can_rewind(job->out);
	gather.misguessed = job->misguessed;
	while (!st && !(st = kvf_gather_next(&gather, &entry, err)))
		st = kvf_writer_put(w, &entry, err);
	if (st == KVF_EOF)
		st = kvf_sides_write(sides, n, written, err);
	if (!st)
		st = kvf_rejects_end(job->rejects, &written[nsides], &nrejects, err);
	if (!st)
		st = kvf_writer_end(w, written, nsides + nrejects, &end, err);
	if (!st) {
		report_gather(job->report, &gather, n);
		row->chunks = end.chunks;
		row->totals = end.totals;
		memcpy(row->r, end.r, sizeof(row->r));
	}
	kvf_gather_close(&gather);
	KVF_FAILPOINT(st, err, "export.package");
	free(written);
	free(sources);
	return st;
}

static uint64_t expected_rows(const struct kvf_report *r, int *estimate)
{
	uint64_t total = 0;
	size_t i;

	*estimate = 0;
	for (i = 0; i < r->nrecords; i++) {
		if (r->records[i].rows == UINT64_MAX)
			return 0;
		total += r->records[i].rows;
		if (!r->records[i].rows_exact)
			*estimate = 1;
	}
	return total;
}

/* Is what was written worth going on with?  Then the output keeps it. */
static int keeps(const struct kvf_export_job *job, const struct kvf_writer *w,
		 enum kvf_status st)
{
	return (st == KVF_EINTERRUPTED || st == KVF_ESOURCE) &&
	       (kvf_writer_follows(w) || kvf_output_tell(job->out) > job->options->chunk) &&
	       kvf_output_keep(job->out);
}

static void say_kept(const char *name, struct kvf_err *err)
{
	char before[sizeof(err->detail)];

	memcpy(before, err->detail, sizeof(before));
	kvf_err_detail(err, "%s%sWhat was written is kept in %s.partial.", before,
		       *before ? " " : "", name);
	if (!*err->hint || err->status == KVF_EINTERRUPTED)
		kvf_err_hint(err,
			     "Give the same command again: it goes on with what is there.");
}

enum kvf_status kvf_export_run(const struct kvf_export_job *job, struct kvf_err *err)
{
	struct kvf_limits limits = kvf_options_limits(job->options);
	struct kvf_writer_options wo = { .level = job->level, .level_set = 1 };
	struct kvf_pair notes[8];
	struct kvf_sides *sides = NULL;
	struct kvf_writer *w = NULL;
	struct kvf_meter meter;
	struct kvf_head head;
	char host[256], when[32];
	enum kvf_status st;
	uint64_t total;
	int estimate;
	size_t n, step = kvf_report_step(job->report, "export");

	kvf_bound_head(job->options, job->bound, &limits, &head);
	wo.notes = notes;
	wo.nnotes = make_notes(job->bound, notes, host, sizeof(host), when, sizeof(when));
	total = expected_rows(job->report, &estimate);
	kvf_meter_begin(&meter, job->env, "export", job->step, job->steps, total, estimate);
	st = kvf_sides_open(job, &sides, err);
	if (!st)
		st = kvf_writer_open(job->out, &head, &wo, job->env, &w, err);
	for (n = 0; !st && n < job->bound->nselected; n++)
		st = export_package(job, w, sides, n, &limits, &meter, err);
	KVF_FAILPOINT(st, err, "export.packages");
	if (!st)
		st = kvf_sides_commit(sides, err);
	if (!st && job->rejects) /* before anybody can see the tail */
		st = kvf_rejects_write(job->rejects, job->options, job->report, err);
	if (!st)
		st = kvf_writer_finish(w, &job->report->tail, err);
	else if (w && keeps(job, w, st)) {
		say_kept(kvf_output_name(job->out), err);
	} else if (w) {
		struct kvf_err ignored;

		/* Whoever reads the pipe learns why; the first error stays ours. */
		if (kvf_writer_abort(w, kvf_exit_status(st), err->message, &ignored))
			kvf_logf(job->env, KVF_LOG_DEBUG, "no abort record: %s",
				 ignored.message);
	}
	if (w)
		job->report->resumed = kvf_writer_kept(w);
	kvf_writer_close(w);
	kvf_sides_close(sides);
	job->report->file_bytes = kvf_output_tell(job->out);
	kvf_report_step_end(job->report, step, job->report->tail.entries,
			    job->report->tail.bytes);
	return st;
}

enum kvf_status kvf_open_output(const struct kvf_options *o, const char *place,
				struct kvf_output **out, struct kvf_err *err)
{
	struct kvf_place p;
	enum kvf_status st;

	*out = NULL;
	st = kvf_place_parse(place, &p, err);
	if (st)
		return st;
	if (p.kind == KVF_PLACE_STDIO)
		return kvf_output_fd(STDOUT_FILENO, "standard output", out, err);
	if (p.kind == KVF_PLACE_STREAM)
		return kvf_output_file(p.rest, o->overwrite, out, err);
	kvf_fail(err, KVF_EUSAGE, "'%s' is a store, not a stream", place);
	kvf_err_hint(err, "Write to a path that ends in .kvf, or to - for a pipe; "
			  "'kvferry migrate' goes to a store directly.");
	return KVF_EUSAGE;
}

enum kvf_status kvf_open_input(const char *place, struct kvf_input **in, struct kvf_err *err)
{
	struct kvf_place p;
	enum kvf_status st;

	*in = NULL;
	st = kvf_place_parse(place, &p, err);
	if (st)
		return st;
	if (p.kind == KVF_PLACE_STDIO)
		return kvf_input_fd(STDIN_FILENO, "standard input", in, err);
	if (p.kind == KVF_PLACE_STREAM)
		return kvf_input_file(p.rest, in, err);
	kvf_fail(err, KVF_EUSAGE, "'%s' is a database, not a stream", place);
	kvf_err_hint(err, "Name a path that ends in .kvf, or - for a pipe.");
	return KVF_EUSAGE;
}

/* The path of a stream that is a file. */
static const char *stream_path(const char *place)
{
	struct kvf_place p;
	struct kvf_err ignored;

	return !kvf_place_parse(place, &p, &ignored) && p.kind == KVF_PLACE_STREAM ? p.rest
										   : NULL;
}

/* A file that an interrupted run may have begun; else as kvf_open_output(). */
static enum kvf_status open_resumable(const struct kvf_options *o, const struct kvf_env *env,
				      struct kvf_output **out, struct kvf_err *err)
{
	enum kvf_status st;
	struct kvf_place p;

	if (kvf_place_parse(o->target, &p, err) || p.kind != KVF_PLACE_STREAM)
		return kvf_open_output(o, o->target, out, err);
	st = kvf_output_resumable(p.rest, o->overwrite, out, err);
	if (!st && kvf_output_earlier(*out))
		kvf_logf(env, KVF_LOG_NOTE,
			 "resuming the export in %s.partial: %" PRIu64
			 " bytes are there already",
			 kvf_output_name(*out), kvf_output_earlier(*out));
	return st;
}

static enum kvf_status export(const struct kvf_options *o, const struct kvf_env *env,
			      struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_source *source = NULL;
	struct kvf_rejects *rejects = NULL;
	struct kvf_output *out = o->output;
	struct kvf_bound bound;
	struct kvf_export_job job;
	char dir[4096];
	const struct kvf_operand operands[] = {
		{ "the source", o->source, 0, -1, 0 },
		{ "the stream", out ? NULL : o->target, 0, STDOUT_FILENO, 1 },
		{ "the manifest", o->manifest, 1, -1, 1 },
	};
	enum kvf_status st;

	memset(&bound, 0, sizeof(bound));
	st = kvf_refuse_same_file(operands, 3, err);
	if (!st)
		st = kvf_source_open(o->source, env, &source, err);
	if (!st)
		st = kvf_bound_open(o, source, NULL, 0, &bound, err);
	if (!st)
		st = kvf_report_bound(report, &bound, err);
	if (!st)
		st = kvf_checks_run(&bound, env, report, err);
	if (!st && o->dry_run)
		st = kvf_report_count(report, &bound, err);
	if (st && err && !*err->detail)
		kvf_err_detail(err, "Nothing was written.");
	if (st || o->dry_run)
		goto out;
	if (!out)
		st = open_resumable(o, env, &out, err);
	if (st)
		goto out;
	kvf_report_name(report->target, sizeof(report->target), "%s", kvf_output_name(out));
	job = (struct kvf_export_job){ .options = o,
				       .bound = &bound,
				       .out = out,
				       .path = o->output ? NULL : stream_path(o->target),
				       .level = o->level_set ? o->level : 1,
				       .scratch = kvf_scratch_dir(o->target, env, dir,
								  sizeof(dir)),
				       .env = env,
				       .step = 1,
				       .steps = 1,
				       .report = report };
	if (o->max_rejects)
		st = kvf_rejects_new(o->max_rejects, &rejects, err);
	job.rejects = rejects;
	if (!st)
		st = kvf_export_run(&job, err);
	KVF_FAILPOINT(st, err, "export.written");
	if (!st)
		st = kvf_output_commit(out, err);
	KVF_FAILPOINT(st, err, "export.committed");
	if (!st && o->manifest)
		st = kvf_manifest_write(o->manifest, report, o->target, o->overwrite, err);
	if (!st)
		st = kvf_rejects_judge(o, report,
				       "The stream was written without them; an import of it "
				       "publishes nothing until that is accepted.",
				       err);
out:
	kvf_rejects_free(rejects);
	if (out != o->output)
		kvf_output_close(out);
	kvf_bound_close(&bound);
	kvf_source_close(source);
	return st;
}

enum kvf_status kvf_export(const struct kvf_options *o, const struct kvf_env *env,
			   struct kvf_report *report, struct kvf_err *err)
{
	struct kvf_serial *serial = NULL;
	enum kvf_status st = kvf_report_init(report, err);

	if (!st) /* parts are read by several threads */
		st = kvf_serial_new(env, &serial, err);
	if (!st)
		st = export(o, kvf_serial_env(serial), report, err);
	kvf_serial_free(serial);
	return st;
}
