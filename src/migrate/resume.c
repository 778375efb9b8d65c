/*
 * resume - an import that goes on where an earlier one stopped.
 *
 * A stage belongs to one stream: the head unit says which, and the root where it
 * is known before the first write.  That is a claim, not a proof.  The proof comes
 * with the chunks: each one that the store has is still read and digested, and its
 * digest compared with the one in the progress row.  The first that differs shows
 * that the stream is another one, and the run starts over in a fresh stage.
 */
#include "migrate/import.h"

#include "base/hash.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIFFERENCE 600 /* bytes that tell it */

/* ---- which stream is it? ---------------------------------------------------------- */

/* The root that the file ends with, if it is a file that can be looked into. */
static int root_of_file(struct kvf_import *im, uint8_t root[32])
{
	size_t n = im->head->npackages ? im->head->npackages : 1;
	struct kvf_end *ends = kvf_report_alloc(im->job->report, n * sizeof(*ends));
	struct kvf_reader_options ro = { .caps = kvf_options_limits(im->job->options),
					 .allow_features_partial = 1 };
	struct kvf_view *v = NULL;
	struct kvf_tail tail;
	struct kvf_err ignored;
	uint64_t size;
	int found;

	if (!ends || !kvf_input_seekable(im->job->in, &size))
		return 0;
	/* What is wrong with it shows when it is read. */
	found = !kvf_view_open(im->job->in, &ro, &v, &ignored) &&
		kvf_view_head(v)->npackages == im->head->npackages &&
		!kvf_view_totals(v, ends, &tail, &ignored);
	if (found) {
		memcpy(root, tail.r, 32);
		im->tail.chunks = tail.chunks;
	}
	kvf_view_close(v);
	return found;
}

void kvf_import_claim(struct kvf_import *im)
{
	struct kvf_bytes unit = kvf_reader_head_unit(im->reader);
	struct kvf_claim *c = &im->claim;
	int merge = im->job->options->existing == KVF_EXISTING_MERGE;

	memset(c, 0, sizeof(*c));
	if (gethostname(im->host, sizeof(im->host) - 1))
		im->host[0] = '\0';
	/* A stage with live entries in it is none for a run without them. */
	if (im->job->options->partitions)
		snprintf(im->mode, sizeof(im->mode), "%spartitions=%u", merge ? "merge " : "",
			 im->job->options->partitions);
	else if (merge)
		snprintf(im->mode, sizeof(im->mode), "merge");
	c->run = im->job->report->run;
	c->host = im->host;
	c->tool = KVF_VERSION;
	c->app = im->head->app;
	c->mode = im->mode;
	c->pid = getpid();
	c->pid_start = kvf_pid_start(getpid());
	kvf_sha256(unit.ptr, unit.len, c->stream);
	c->has_root = root_of_file(im, c->root);
	if (!c->has_root && im->expected.is_set) {
		memcpy(c->root, im->expected.root, sizeof(c->root));
		c->has_root = 1;
	}
	c->frozen = im->job->frozen;
	c->source = im->job->made_of;
	c->version_part = im->head->version_part;
	c->version_key = im->head->version_key;
	/* Never what says that it is done: definitions cannot say so, a stream could. */
	if (kvf_bytes_cmp(im->head->version_started, im->head->version_done) != 0)
		c->version_started = im->head->version_started;
}

struct kvf_work kvf_import_work(const struct kvf_import *im)
{
	const struct kvf_report *r = im->job->report;
	struct kvf_work w = { .report = r,
			      .options = im->job->options,
			      .head = im->head,
			      .stream = im->claim.stream,
			      .definitions = im->job->definitions,
			      .expected = im->expected.is_set ? im->expected.root : NULL };

	if (!r->has_control || !kvf_is_unfinished(&r->control) ||
	    strcmp(r->control.run, r->run) == 0)
		return w;
	w.after = r->control.run;
	w.resumes = im->claim.resume;
	if (kvf_owner_alive(&r->control))
		w.takeover = im->job->options->takeover ? "asked" : "silent";
	return w;
}

/* ---- may we go on with it? --------------------------------------------------------- */

/*
 * Is it the same migration, of the same source for the same application?  Then nobody
 * needs a stage whose stream cannot be made any more: what it was made of is read anew.
 */
static int is_same_work(const struct kvf_import *im, const struct kvf_generation *g)
{
	const char *place = im->job->made_of;

	return place && *place && strcmp(g->source, place) == 0 &&
	       strcmp(g->app, im->claim.app) == 0;
}

/* In what the head of the unfinished run differs from ours; best effort. */
static void find_difference(const struct kvf_import *im, char *buf, size_t size)
{
	struct kvf_head *was = NULL;
	struct kvf_err ignored;

	buf[0] = '\0';
	if (!kvf_units_head(im->store, KVF_SCAN_STAGE, &was, &ignored) && was)
		kvf_heads_differ(was, im->head, buf, size);
	kvf_head_free(was);
}

static enum kvf_status refuse_another(const struct kvf_import *im,
				      const struct kvf_generation *g, uint64_t chunks,
				      struct kvf_err *err)
{
	char how[DIFFERENCE];

	find_difference(im, how, sizeof(how));
	kvf_fail(err, KVF_EUNFINISHED, "run %s of another stream is unfinished in this store",
		 g->run);
	kvf_err_detail(err, "%s has %" PRIu64 " of its chunks%s%s. %s%s. Nothing was changed.",
		       im->job->report->target, chunks, *g->source ? ", made of " : "",
		       g->source,
		       *how ? "In the head " : "The heads are equal, the data differ", how);
	kvf_err_hint(
		err,
		"Give that run's command again to finish it, or give it up: 'kvferry abort "
		"%s'.",
		im->job->place);
	return KVF_EUNFINISHED;
}

/* Say why the stage that is there is not gone on with. */
static void start_over(const struct kvf_import *im, const char *run, const char *why)
{
	if (!im->job->options->dry_run)
		kvf_logf(im->job->env, KVF_LOG_NOTE, "starting over: run %s %s", run, why);
}

static void start_over_for(const struct kvf_import *im, const char *run)
{
	char how[DIFFERENCE], why[DIFFERENCE + 64];

	find_difference(im, how, sizeof(how));
	snprintf(why, sizeof(why), "had other definitions or options%s%s",
		 *how ? ": in the head " : "", how);
	start_over(im, run, why);
}

enum kvf_status kvf_import_unfinished(struct kvf_import *im, struct kvf_err *err)
{
	const struct kvf_report *r = im->job->report;
	struct kvf_generation g;
	struct kvf_totals t;
	uint64_t chunks;
	enum kvf_status st;
	int other_head, other_root;

	im->claim.resume = 0;
	if (!r->has_control || !kvf_is_unfinished(&r->control))
		return KVF_OK;
	st = kvf_store_applied(im->store, &chunks, &t, err);
	if (!st)
		st = kvf_store_generation(im->store, KVF_SCAN_STAGE, &g, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	if (st || !chunks)
		return st;
	other_head = memcmp(g.stream, im->claim.stream, sizeof(g.stream)) != 0;
	other_root = im->claim.has_root && g.has_promised &&
		     memcmp(g.promised, im->claim.root, sizeof(g.promised)) != 0;
	if ((other_head || other_root) && !is_same_work(im, &g))
		return refuse_another(im, &g, chunks, err);
	if (other_head)
		start_over_for(im, g.run);
	else if (other_root)
		start_over(im, g.run, "read other data from the source");
	else if (im->merge)
		start_over(im, g.run, "stopped, and a merge begins with what is live now");
	else if (!kvf_claim_continues(&im->claim, &g))
		start_over(im, g.run, "was begun with other options");
	else
		im->claim.resume = 1;
	return KVF_OK;
}

/* ---- what is there? ----------------------------------------------------------------- */

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t n, char buf[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), i, at = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

/* The next progress row from (n, i) on. */
static enum kvf_status next_row(struct kvf_import *im, uint64_t n, uint64_t i,
				struct kvf_err *err)
{
	enum kvf_status st = kvf_store_progress(im->store, n, i, &im->applied, err);

	im->has_applied = st == KVF_OK;
	return st == KVF_EOF ? KVF_OK : st;
}

enum kvf_status kvf_import_resume(struct kvf_import *im, struct kvf_err *err)
{
	char have[32], all[32];
	struct kvf_totals t;
	uint64_t chunks = 0;
	enum kvf_status st = KVF_OK;

	im->resuming = im->control.stage != im->control.epoch;
	im->has_applied = 0;
	im->met = 0;
	if (!im->resuming)
		return KVF_OK;
	st = kvf_store_applied(im->store, &chunks, &t, err);
	if (!st)
		st = next_row(im, 0, 0, err);
	if (st)
		return st;
	im->job->report->resumed = chunks;
	kvf_tell(im->job->env, "resume",
		 (const struct kvf_event_fact[]){ { "of", im->job->report->control.run, 0 },
						  { "chunks", NULL, chunks },
						  { "total", NULL, im->tail.chunks } },
		 3);
	if (im->tail.chunks)
		kvf_logf(im->job->env, KVF_LOG_NOTE,
			 "resuming run %s: %s of %s chunks are there already",
			 im->job->report->control.run, grouped(chunks, have),
			 grouped(im->tail.chunks, all));
	else
		kvf_logf(im->job->env, KVF_LOG_NOTE,
			 "resuming run %s: %s chunks are there already",
			 im->job->report->control.run, grouped(chunks, have));
	return KVF_OK;
}

static enum kvf_status differs(struct kvf_import *im, struct kvf_err *err)
{
	im->another = 1;
	kvf_fail(err, KVF_ESTREAM, "the stream is not the one of the unfinished run");
	kvf_err_detail(err,
		       "chunk %" PRIu64 " of package %s is another one than that which was "
		       "loaded. Nothing was published.",
		       im->applied.i, im->head->packages[im->applied.n]);
	kvf_err_hint(err, "Give the same command again: it starts over.");
	return KVF_ESTREAM;
}

enum kvf_status kvf_import_is_applied(struct kvf_import *im, const struct kvf_chunk_info *info,
				      int *applied, struct kvf_err *err)
{
	*applied = 0;
	if (!im->has_applied || im->applied.n != info->n || im->applied.i != info->i)
		return KVF_OK;
	if (memcmp(im->applied.d, info->d, sizeof(info->d)) != 0)
		return differs(im, err);
	*applied = 1;
	im->met++;
	return next_row(im, info->n, info->i + 1, err);
}

enum kvf_status kvf_import_again(struct kvf_import *im, int *yes, struct kvf_err *err)
{
	struct kvf_report *r = im->job->report;
	struct kvf_err why = *err;
	char run[64];
	uint64_t size;
	enum kvf_status st;

	*yes = kvf_input_seekable(im->job->in, &size);
	snprintf(run, sizeof(run), "%s", r->control.run);
	r->resumed = 0;
	r->control = im->control;
	r->has_control = 1;
	im->claim.resume = 0;
	im->another = im->resuming = im->has_applied = 0;
	if (!*yes) { /* what is there serves nobody: the next run finds a fresh stage */
		im->job->start_over = 1;
		st = kvf_store_acquire(im->store, im->control.epoch, &im->claim, &im->control,
				       err);
		if (!st)
			*err = why;
		return st ? st : why.status;
	}
	start_over(im, run, "loaded another stream");
	kvf_reader_close(im->reader);
	im->reader = NULL;
	memset(&im->totals, 0, sizeof(im->totals));
	im->exact_packages = 1;
	st = kvf_input_rewind(im->job->in, err);
	if (!st)
		st = kvf_import_read(im, err);
	if (st)
		return st;
	kvf_import_claim(im);
	return kvf_import_acquire(im, err);
}
