/* load - the chunks of a stream into the stage of a store. */
#include "migrate/import.h"

#include "base/hash.h"
#include "base/text.h"

#include <string.h>

enum kvf_status kvf_import_acquire(struct kvf_import *im, struct kvf_err *err)
{
	const struct kvf_report *r = im->job->report;
	const struct kvf_work work = kvf_import_work(im);
	struct kvf_ledger_line line;
	enum kvf_status st = kvf_ledger_begin(&line, &work, err);

	if (st)
		return st;
	im->claim.now = kvf_now_us();
	im->claim.active = r->has_control ? r->control.active : 0;
	im->claim.row = &line.row;
	st = kvf_store_acquire(im->store, r->has_control ? r->control.epoch : 0, &im->claim,
			       &im->control, err);
	im->claim.row = NULL;
	kvf_ledger_line_release(&line);
	if (st)
		return st;
	im->acquired = 1;
	st = kvf_store_stage(im->store, im->merge, err);
	if (!st)
		st = kvf_import_resume(im, err);
	if (!st)
		st = kvf_store_keep_unit(im->store, "head", 0, kvf_reader_head_unit(im->reader),
					 err);
	return st;
}

/* While the stream is waited for: bring in what is there, and say that we live. */
static enum kvf_status on_idle(void *ctx, struct kvf_err *err)
{
	struct kvf_import *im = ctx;
	enum kvf_status st = kvf_check_stop(im->job->env, err);

	if (!st)
		st = kvf_store_flush(im->store, err);
	return st ? st : kvf_store_beat(im->store, "load", err);
}

/* Would a backup of the store put this entry back into package n? */
static int goes_back(const struct kvf_import *im, const struct kvf_entry *e, uint64_t n)
{
	const struct kvf_begin *own = im->units.begins[n];

	/* Of the packages that follow nothing is known yet, and nothing matters:
	 * the first match wins. */
	if (kvf_units_route(&im->units, e) != n)
		return 0;
	return n + 1 == im->head->npackages ||
	       kvf_kind_match(own->kinds, own->nkinds, e) < own->nkinds;
}

static enum kvf_status put_chunk(struct kvf_import *im, const struct kvf_chunk *chunk,
				 struct kvf_err *err)
{
	const struct kvf_head *h = im->head;
	struct kvf_entry e;
	int applied;
	enum kvf_status st = kvf_import_is_applied(im, &chunk->info, &applied, err);
	size_t at = 0;

	while (!st && kvf_chunk_next(chunk, &at, &e)) {
		if (h->version_key.len && kvf_bytes_cmp(e.key, h->version_key) == 0 &&
		    kvf_bytes_cmp(e.part, h->version_part) == 0) {
			kvf_fail(err, KVF_ESTREAM,
				 "the stream holds the application's own version record");
			kvf_err_detail(err, "Nothing was published.");
			kvf_err_hint(err,
				     "Leave that key out of the definitions: the commit of the "
				     "import writes it.");
			return KVF_ESTREAM;
		}
		if (im->exact_packages && h->npackages > 1 && !goes_back(im, &e, chunk->info.n))
			im->exact_packages = 0;
		if (!applied)
			st = kvf_store_put(im->store, &e, err);
	}
	if (!st && !applied)
		st = kvf_store_chunk(im->store, &chunk->info, err);
	if (!st)
		st = kvf_store_beat(im->store, "load", err);
	if (st)
		return st;
	kvf_totals_merge(&im->totals, &chunk->info.totals);
	kvf_meter_add(&im->meter, chunk->info.totals.entries, chunk->info.totals.bytes);
	return KVF_OK;
}

static enum kvf_status begin_package(struct kvf_import *im, const struct kvf_item *item,
				     struct kvf_err *err)
{
	enum kvf_status st = kvf_begin_parse(item->raw, &im->units.begins[im->units.n], err);

	if (st)
		return st;
	im->units.n++;
	kvf_meter_at(&im->meter, im->job->report->packages[item->u.begin->n].name);
	im->job->report->packages[item->u.begin->n].rev = item->u.begin->rev;
	return kvf_store_keep_unit(im->store, "begin", item->u.begin->n, item->raw, err);
}

/* Rows are missing: the last package that says so speaks for all. */
static void note_rejects(struct kvf_report *r, const struct kvf_end *end)
{
	size_t i;

	for (i = 0; i < end->nsides; i++) {
		if (strcmp(end->sides[i].name, KVF_SIDE_REJECTS) != 0)
			continue;
		r->has_rejects = 1;
		memcpy(r->rejects_digest, end->sides[i].sha256, sizeof(r->rejects_digest));
	}
}

static enum kvf_status end_package(struct kvf_import *im, const struct kvf_item *item,
				   struct kvf_err *err)
{
	const struct kvf_end *end = item->u.end;
	struct kvf_report_package *row = &im->job->report->packages[end->n];

	row->chunks = end->chunks;
	row->totals = end->totals;
	memcpy(row->r, end->r, sizeof(row->r));
	note_rejects(im->job->report, end);
	memcpy(im->package_roots + 32 * end->n, end->r, 32);
	return kvf_store_keep_unit(im->store, "end", end->n, item->raw, err);
}

enum kvf_status kvf_import_load(struct kvf_import *im, struct kvf_err *err)
{
	struct kvf_item item;
	enum kvf_status st;

	kvf_input_on_idle(im->job->in, on_idle, im);
	while (!(st = kvf_reader_next(im->reader, &item, err))) {
		switch (item.type) {
		case KVF_ITEM_BEGIN: st = begin_package(im, &item, err); break;
		case KVF_ITEM_CHUNK: st = put_chunk(im, item.u.chunk, err); break;
		case KVF_ITEM_END: st = end_package(im, &item, err); break;
		case KVF_ITEM_TAIL: im->tail = *item.u.tail; break;
		}
		if (!st)
			st = kvf_check_stop(im->job->env, err);
		if (st)
			break;
	}
	kvf_input_on_idle(im->job->in, NULL, NULL);
	if (st != KVF_EOF)
		return st;
	kvf_meter_send(&im->meter);
	im->job->report->tail = im->tail;
	return kvf_store_flush(im->store, err);
}
