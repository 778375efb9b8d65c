/*
 * prove - that the stage holds what the stream held.
 *
 * Two independent looks: a scan of the staged entries gives their count, bytes
 * and multiset digest; the progress rows, written with each batch, give the
 * chain of chunk digests.
 */
#include "migrate/import.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The named conflicts as one text; what has no room is left to the report. */
static void list_conflicts(const struct kvf_merge_stats *m, char *text, size_t size)
{
	size_t i, at = 0;

	for (i = 0; i < m->nnamed; i++) {
		if (at + strlen(m->named[i]) + 32 > size) {
			snprintf(text + at, size - at, "; --json names %zu", m->nnamed);
			return;
		}
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "; " : "",
				       m->named[i]);
	}
}

static enum kvf_status check_conflicts(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_merge_stats *m = &im->job->report->merge;
	char names[900] = "";

	kvf_store_merge_stats(im->store, m);
	if (!m->conflicts)
		return KVF_OK;
	list_conflicts(m, names, sizeof(names));
	if (m->conflicts == 1)
		kvf_fail(err, KVF_ETARGET, "a key is in the store with another value");
	else
		kvf_fail(err, KVF_ETARGET,
			 "%" PRIu64 " keys are in the store with other values", m->conflicts);
	kvf_err_detail(err, "%s%s. Nothing was published.",
		       m->conflicts > m->nnamed ? "the first: " : "", names);
	kvf_err_hint(err,
		     "'kvferry diff' names what differs; --replace publishes the stream in "
		     "place of the live data.");
	return KVF_ETARGET;
}

/*
 * The store's own record of what was applied, chained as the stream chains it:
 * all chunks, only they, and each once.
 */
static enum kvf_status verify_chain(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_chunk_info info;
	struct kvf_bytes unit;
	enum kvf_status st;
	uint8_t r[32];
	uint64_t n, i;

	for (n = 0; n < im->head->npackages; n++) {
		st = kvf_store_unit(im->store, KVF_SCAN_STAGE, "begin", n, &unit, err);
		if (st)
			return st;
		kvf_sha256(unit.ptr, unit.len, r);
		for (i = 0; i < im->job->report->packages[n].chunks; i++) {
			st = kvf_store_progress(im->store, n, i, &info, err);
			if (st == KVF_EOF || (!st && (info.n != n || info.i != i)))
				return kvf_fail(err, KVF_EMISMATCH,
						"chunk %" PRIu64
						" of package %s was not applied",
						i, im->head->packages[n]);
			if (st)
				return st;
			kvf_sha256_chain(r, info.d);
		}
		if (memcmp(r, im->package_roots + 32 * n, 32) != 0)
			return kvf_fail(
				err, KVF_EMISMATCH,
				"the chunks applied for package %s are not the stream's",
				im->head->packages[n]);
	}
	return KVF_OK;
}

/* What the stage must amount to. */
static struct kvf_totals expected_totals(const struct kvf_import *im)
{
	const struct kvf_merge_stats *m = &im->job->report->merge;
	struct kvf_totals t = im->totals;

	if (im->merge) {
		kvf_totals_merge(&t, &m->copied);
		kvf_totals_subtract(&t, &m->same);
	}
	return t;
}

static enum kvf_status verify_totals(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_report *r = im->job->report;
	struct kvf_totals want = expected_totals(im);
	enum kvf_status st;
	size_t step;

	r->left = r->right = want;
	if (im->job->options->no_verify) {
		kvf_report_warn(r,
				"the data were not verified (--no-verify); history shows it");
		return KVF_OK;
	}
	step = kvf_report_step(r, "verify");
	kvf_meter_begin(&im->meter, im->job->env, "verify", im->job->step + 1, im->job->steps,
			want.entries, 0);
	st = kvf_store_beat(im->store, "verify", err);
	if (!st)
		st = kvf_store_totals(im->store, KVF_SCAN_STAGE, &r->right, err);
	if (!st && !kvf_totals_equal(&want, &r->right)) {
		kvf_fail(err, KVF_EMISMATCH, "the store does not hold what the stream held");
		kvf_err_detail(err,
			       "stream: %" PRIu64 " entries, %" PRIu64 " bytes; store: %" PRIu64
			       " entries, %" PRIu64 " bytes%s. Nothing was published.",
			       want.entries, want.bytes, r->right.entries, r->right.bytes,
			       want.entries == r->right.entries && want.bytes == r->right.bytes
				       ? "; the digests differ"
				       : "");
		kvf_err_hint(err,
			     "Run the same command again; if it happens twice, the storage of "
			     "the target is not to be trusted.");
		st = KVF_EMISMATCH;
	}
	if (!st) {
		st = verify_chain(im, err);
		if (st == KVF_EMISMATCH)
			kvf_err_detail(err, "Nothing was published.");
	}
	kvf_meter_add(&im->meter, r->right.entries, r->right.bytes);
	kvf_meter_send(&im->meter);
	kvf_report_step_end(r, step, r->right.entries, r->right.bytes);
	return st;
}

/* What is missing because another run has taken the stage, or has published and
 * cleared it away, is not damaged: the control row knows. */
static enum kvf_status or_superseded(struct kvf_import *im, enum kvf_status st,
				     struct kvf_err *err)
{
	struct kvf_err theirs;

	if (kvf_store_beat(im->store, "prove", &theirs) != KVF_EBUSY)
		return st;
	if (err)
		*err = theirs;
	return KVF_EBUSY;
}

enum kvf_status kvf_import_prove(struct kvf_import *im, struct kvf_err *err)
{
	enum kvf_status st = im->merge ? check_conflicts(im, err) : KVF_OK;

	if (!st)
		st = kvf_expected_root_check(&im->expected, im->tail.r, err);
	if (!st)
		st = verify_totals(im, err);
	return st ? or_superseded(im, st, err) : KVF_OK;
}
