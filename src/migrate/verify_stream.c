/*
 * verify_stream - is one stream whole, and the one that was expected?
 *
 * Read to its end, every digest is checked.  With --quick only the control
 * records are, by the index: what they say of themselves, not of the chunks.
 */
#include "migrate/run.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verification {
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_input *in;
	struct kvf_reader_options how;
};

static enum kvf_status report_head(struct verification *v, const struct kvf_head *head,
				   struct kvf_err *err)
{
	struct kvf_report *r = v->report;

	snprintf(r->app, sizeof(r->app), "%s", head->app);
	r->from = head->from;
	r->schema = head->schema;
	r->partial = head->nfeatures != 0;
	return kvf_report_packages(r, head->packages, head->npackages, err);
}

static void report_end(struct kvf_report *r, const struct kvf_end *end)
{
	struct kvf_report_package *row = &r->packages[end->n];

	row->chunks = end->chunks;
	row->totals = end->totals;
	memcpy(row->r, end->r, sizeof(row->r));
}

static void take_item(struct kvf_report *r, struct kvf_meter *meter,
		      const struct kvf_item *item)
{
	switch (item->type) {
	case KVF_ITEM_BEGIN: r->packages[item->u.begin->n].rev = item->u.begin->rev; break;
	case KVF_ITEM_CHUNK:
		kvf_totals_merge(&r->left, &item->u.chunk->info.totals);
		kvf_meter_add(meter, item->u.chunk->info.totals.entries,
			      item->u.chunk->info.totals.bytes);
		break;
	case KVF_ITEM_END: report_end(r, item->u.end); break;
	case KVF_ITEM_TAIL: r->tail = *item->u.tail; break;
	}
}

static enum kvf_status read_whole(struct verification *v, struct kvf_err *err)
{
	struct kvf_report *r = v->report;
	struct kvf_reader *reader = NULL;
	struct kvf_meter meter;
	struct kvf_item item;
	enum kvf_status st;
	size_t i;

	kvf_meter_begin(&meter, v->env, "verify", 1, 1, 0, 0);
	st = kvf_reader_open(v->in, &v->how, v->env, &reader, err);
	if (st)
		return st;
	st = report_head(v, kvf_reader_head(reader), err);
	while (!st && !(st = kvf_reader_next(reader, &item, err))) {
		take_item(r, &meter, &item);
		st = kvf_check_stop(v->env, err);
	}
	r->file_bytes = kvf_reader_file_offset(reader);
	snprintf(r->note, sizeof(r->note), "%s", kvf_reader_note(reader));
	kvf_text_clean(r->note, '\n'); /* a character may have been cut */
	for (i = 0; i < kvf_reader_warnings(reader); i++)
		kvf_report_warn(r, "%s", kvf_reader_warning(reader, i));
	kvf_reader_close(reader);
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status look_quickly(struct verification *v, struct kvf_err *err)
{
	struct kvf_report *r = v->report;
	struct kvf_view *view = NULL;
	struct kvf_end *ends = NULL;
	const struct kvf_head *head;
	enum kvf_status st;
	size_t n;

	st = kvf_view_open(v->in, &v->how, &view, err);
	if (st)
		return st;
	head = kvf_view_head(view);
	st = report_head(v, head, err);
	if (!st) {
		ends = calloc(head->npackages + 1, sizeof(*ends));
		st = ends ? kvf_view_totals(view, ends, &r->tail, err) : kvf_fail_nomem(err);
	}
	for (n = 0; !st && n < head->npackages; n++) {
		r->packages[n].rev = kvf_view_begin(view, n)->rev;
		report_end(r, &ends[n]);
		kvf_totals_merge(&r->left, &ends[n].totals);
	}
	if (!st)
		st = kvf_view_note(view, r->note, sizeof(r->note), err);
	(void)kvf_input_seekable(v->in, &r->file_bytes);
	free(ends);
	kvf_view_close(view);
	return st;
}

enum kvf_status kvf_verify_stream(const struct kvf_options *o, const struct kvf_env *env,
				  struct kvf_report *report, struct kvf_err *err)
{
	struct verification v = { .env = env, .report = report, .in = o->input };
	size_t step = kvf_report_step(report, "verify");
	struct kvf_expected_root want;
	enum kvf_status st = kvf_expected_root(o, &want, err);

	v.how.caps = kvf_options_limits(o);
	v.how.allow_features_partial = 1;
	if (!st && !v.in)
		st = kvf_open_input(o->source, &v.in, err);
	if (!st) {
		kvf_report_name(report->source, sizeof(report->source), "%s",
				kvf_input_name(v.in));
		st = o->quick ? look_quickly(&v, err) : read_whole(&v, err);
	}
	if (!st)
		st = kvf_expected_root_check(&want, report->tail.r, err);
	report->equal = !st;
	kvf_report_step_end(report, step, report->left.entries, report->left.bytes);
	if (v.in != o->input)
		kvf_input_close(v.in);
	return st;
}
