/* reader - units into items: the public calls. */
#include "io/parcel.h"
#include "stream/reader.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK 96 /* bytes that diagnosing wants to see */

enum kvf_status kvf_reader_warn(struct kvf_reader *r, struct kvf_err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->strict)
		return kvf_fail(err, KVF_ESTREAM, "damaged stream (physical layer): %s", text);
	if (r->nwarnings == KVF_WARNINGS_MAX)
		return KVF_OK;
	n = strlen(text) + 1;
	r->warnings[r->nwarnings] = malloc(n);
	if (!r->warnings[r->nwarnings])
		return kvf_fail_nomem(err);
	memcpy(r->warnings[r->nwarnings++], text, n);
	return KVF_OK;
}

size_t kvf_reader_warnings(const struct kvf_reader *r)
{
	return r->nwarnings;
}

const char *kvf_reader_warning(const struct kvf_reader *r, size_t i)
{
	return i < r->nwarnings ? r->warnings[i] : "";
}

const char *kvf_reader_note(const struct kvf_reader *r)
{
	return r->note ? r->note : "";
}

uint64_t kvf_reader_file_offset(const struct kvf_reader *r)
{
	return r->feed.offset;
}

const struct kvf_head *kvf_reader_head(const struct kvf_reader *r)
{
	return r->head;
}

struct kvf_bytes kvf_reader_head_unit(const struct kvf_reader *r)
{
	return kvf_buf_bytes(&r->head_unit);
}

/* ---- errors: where, and what was good before ------------------------------------------ */

/*
 * Say where it happened, in front of what the detail says already (such as the
 * byte inside the unit), and make the error sticky.
 */
static enum kvf_status stop(struct kvf_reader *r, enum kvf_status st, uint64_t file_at,
			    uint64_t l1_at, struct kvf_err *err)
{
	char inside[200], last[160];

	if (st == KVF_ESTREAM || st == KVF_ETRUNC) {
		snprintf(inside, sizeof(inside), "%s%.190s", err->detail[0] ? ", " : "",
			 err->detail);
		if (!r->head)
			snprintf(last, sizeof(last), "nothing");
		else if (r->seq.expected == KVF_IN_PACKAGE)
			snprintf(last, sizeof(last), "unit %llu, package %s, %llu chunks of it",
				 (unsigned long long)r->unit - 1,
				 r->head->packages[r->seq.package],
				 (unsigned long long)r->seq.chunk);
		else
			snprintf(last, sizeof(last), "unit %llu, %llu of %zu packages",
				 (unsigned long long)r->unit - 1,
				 (unsigned long long)r->seq.package, r->head->npackages);
		kvf_err_detail(
			err,
			"%s: file offset %llu, stream offset %llu, unit %llu%s; good up to: %s",
			kvf_input_name(r->feed.in), (unsigned long long)file_at,
			(unsigned long long)l1_at, (unsigned long long)r->unit, inside, last);
		if (!err->hint[0])
			kvf_err_hint(err, "%s",
				     st == KVF_ETRUNC ? "The stream is not complete: get it "
							"again, or export again."
						      : "Get the stream again, then check it: "
							"kvferry verify STREAM");
	}
	r->sticky = st;
	r->failure = *err;
	return st;
}

/* ---- opening ----------------------------------------------------------------------------- */

static int known_feature(const char *name)
{
	return strcmp(name, KVF_FEATURE_PARTIAL) == 0;
}

static enum kvf_status over_cap(struct kvf_err *err, const char *what, uint64_t claimed,
				uint64_t cap, const char *option)
{
	kvf_fail(err, KVF_EPREFLIGHT,
		 "the stream may hold %s of %llu bytes, %llu are allowed here", what,
		 (unsigned long long)claimed, (unsigned long long)cap);
	if (option)
		kvf_err_hint(err, "Raise the limit with %s %llu.", option,
			     (unsigned long long)claimed);
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_reader_accept(const struct kvf_head *head, struct kvf_limits *caps,
				  int allow_partial, struct kvf_err *err)
{
	struct kvf_limits normal = kvf_limits_default();
	size_t i;

	for (i = 0; i < head->nfeatures; i++) {
		if (!known_feature(head->features[i])) {
			kvf_fail(err, KVF_EVERSION,
				 "the stream needs the feature \"%s\", which this program does "
				 "not know",
				 head->features[i]);
			kvf_err_hint(err, "Read it with a newer kvferry.");
			return KVF_EVERSION;
		}
		if (!allow_partial) {
			kvf_fail(err, KVF_EPREFLIGHT,
				 "the stream holds a selection, not a whole installation");
			kvf_err_hint(err, "Allow it with --allow-partial; the schema version "
					  "is not changed then.");
			return KVF_EPREFLIGHT;
		}
	}
	caps->part = caps->part ? caps->part : normal.part;
	caps->key = caps->key ? caps->key : normal.key;
	caps->value = caps->value ? caps->value : normal.value;
	if (!caps->unit)
		caps->unit =
			head->chunk + caps->part + caps->key + caps->value + KVF_UNIT_SLACK;
	if (head->lim.value > caps->value)
		return over_cap(err, "values", head->lim.value, caps->value, "--max-value");
	if (head->lim.part > caps->part)
		return over_cap(err, "partitions", head->lim.part, caps->part, NULL);
	if (head->lim.key > caps->key)
		return over_cap(err, "keys", head->lim.key, caps->key, NULL);
	if (head->lim.unit > caps->unit)
		return over_cap(err, "units", head->lim.unit, caps->unit, NULL);
	return KVF_OK;
}

static enum kvf_status open_head(struct kvf_reader *r, struct kvf_err *err)
{
	uint8_t look[LOOK];
	enum kvf_status st;
	size_t n;

	if (kvf_input_has_parcels(r->feed.in)) {
		st = kvf_intake_handed_head(r, err);
		return st ? st : kvf_head_parse(kvf_buf_bytes(&r->head_unit), &r->head, err);
	}
	st = kvf_feed_want(&r->feed, LOOK, err);
	if (st)
		return st;
	n = kvf_feed_have(&r->feed) < LOOK ? kvf_feed_have(&r->feed) : LOOK;
	if (n == 0)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it is empty");
	memcpy(look, kvf_feed_ptr(&r->feed), n);
	st = kvf_intake_head(r, err);
	if (!st)
		st = kvf_head_parse(kvf_buf_bytes(&r->head_unit), &r->head, err);
	return st ? kvf_diagnose(look, n, st, err) : KVF_OK;
}

enum kvf_status kvf_reader_open(struct kvf_input *in, const struct kvf_reader_options *options,
				const struct kvf_env *env, struct kvf_reader **out,
				struct kvf_err *err)
{
	struct kvf_reader *r = calloc(1, sizeof(*r));
	struct kvf_err local;
	enum kvf_status st;

	*out = NULL;
	if (!r)
		return kvf_fail_nomem(err);
	if (!err)
		err = &local;
	kvf_feed_init(&r->feed, in);
	r->env = env;
	if (options) {
		r->caps = options->caps;
		r->strict = options->strict_physical;
		r->allow_partial = options->allow_features_partial;
	}
	st = open_head(r, err);
	if (st) {
		stop(r, st, r->feed.offset, 0, err);
		goto fail;
	}
	st = kvf_reader_accept(r->head, &r->caps, r->allow_partial, err);
	if (!st)
		st = kvf_sequence_init(&r->seq, r->head, kvf_buf_bytes(&r->head_unit), err);
	if (st)
		goto fail;
	r->lim = r->head->lim;
	kvf_split_limit(&r->split, (size_t)r->lim.unit);
	r->unit = 1;
	*out = r;
	return KVF_OK;
fail:
	kvf_reader_close(r);
	return st;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The abort record: what the producer said, with control bytes kept out. */
static enum kvf_status aborted(struct kvf_bytes unit, struct kvf_err *err)
{
	struct kvf_abort_record *a = malloc(sizeof(*a));
	enum kvf_status st;

	if (!a)
		return kvf_fail_nomem(err);
	st = kvf_read_abort(unit, a, err);
	if (!st) {
		st = kvf_fail(
			err, KVF_ETRUNC,
			"incomplete stream: its producer gave up with exit status %llu: %.600s",
			(unsigned long long)a->code, a->message);
		kvf_err_hint(err, "Solve what stopped the producer, then export again.");
	}
	free(a);
	return st;
}

/* Turn a unit, checked by itself, into an item. */
static enum kvf_status take_unit(struct kvf_reader *r, struct kvf_unit_job *j,
				 struct kvf_item *item, struct kvf_chunk *chunk,
				 struct kvf_err *err)
{
	struct kvf_bytes unit = kvf_buf_bytes(&j->unit);
	enum kvf_status st;

	memset(item, 0, sizeof(*item));
	if (j->st) {
		*err = j->err;
		return j->st;
	}
	if (r->seq.expected == KVF_AT_END)
		return kvf_fail(err, KVF_ESTREAM, "%s",
				unit.len && unit.ptr[0] == kvf_magic[0]
					? "a second stream follows the end of the first"
					: "damaged stream: a unit follows the tail");
	switch (j->type) {
	case KVF_REC_BEGIN:
		st = kvf_sequence_begin(&r->seq, unit, err);
		item->type = KVF_ITEM_BEGIN;
		item->raw = unit;
		item->u.begin = r->seq.begin;
		return st;
	case KVF_REC_CHUNK:
		st = kvf_sequence_chunk(&r->seq, &j->chunk, err);
		chunk->info = j->chunk.info;
		chunk->entries = j->chunk.entries;
		item->type = KVF_ITEM_CHUNK;
		item->u.chunk = chunk;
		return st;
	case KVF_REC_END:
		st = kvf_sequence_end(&r->seq, unit, err);
		item->type = KVF_ITEM_END;
		item->raw = unit;
		item->u.end = &r->seq.end;
		return st;
	case KVF_REC_TAIL:
		st = kvf_sequence_tail(&r->seq, unit, err);
		item->type = KVF_ITEM_TAIL;
		item->u.tail = &r->seq.tail;
		return st;
	case KVF_REC_ABORT: return aborted(unit, err);
	case KVF_REC_NONE:
	case KVF_REC_HEAD:
	case KVF_REC_ENDC: break;
	}
	return kvf_fail(err, KVF_ESTREAM,
			"damaged stream: a record is unknown or out of its place");
}

/*
 * No more frames as they were.  KVF_OK: go on reading; KVF_EOF: complete.
 */
static enum kvf_status at_hold(struct kvf_reader *r, struct kvf_err *err)
{
	int ended = r->seq.expected == KVF_AT_END;
	enum kvf_status st;

	if (r->hold == KVF_HOLD_EOF || (ended && r->hold == KVF_HOLD_OTHER)) {
		if (!ended) {
			if (!r->native && r->split.buf.len)
				return kvf_fail(err, KVF_ETRUNC,
						"truncated stream: it ends inside a unit");
			return kvf_fail(err, KVF_ETRUNC,
					"truncated stream: it ends without its tail");
		}
		if (r->handed)
			return KVF_EOF;
		st = kvf_trailer_read(r, err);
		if (st)
			return st;
		if (kvf_feed_have(&r->feed))
			return kvf_intake_go_split(r, 1, err);
		st = kvf_trailer_end(r, err);
		return st ? st : KVF_EOF;
	}
	if (r->hold == KVF_HOLD_OTHER && kvf_feed_have(&r->feed) >= 4 &&
	    kvf_is_skippable(kvf_get_le32(kvf_feed_ptr(&r->feed)))) {
		st = kvf_reader_warn(r, err,
				     "a skippable frame stands before the tail, at offset %llu",
				     (unsigned long long)r->feed.offset);
		if (!st)
			st = kvf_intake_skip(r, err);
		r->hold = KVF_HOLD_NO;
		return st;
	}
	if (!r->native && kvf_feed_have(&r->feed) < 4)
		return kvf_fail(err, KVF_ETRUNC, "truncated stream: it ends inside a frame");
	if (!r->native)
		return kvf_fail(err, KVF_ESTREAM,
				"damaged stream: no frame begins where one should");
	st = kvf_reader_warn(r, err, "a hint is damaged or missing at offset %llu",
			     (unsigned long long)r->feed.offset);
	return st ? st : kvf_intake_go_split(r, ended, err);
}

enum kvf_status kvf_reader_next(struct kvf_reader *r, struct kvf_item *item,
				struct kvf_err *err)
{
	struct kvf_err local;
	enum kvf_status st;

	if (!err)
		err = &local;
	if (r->sticky) {
		*err = r->failure;
		return r->sticky;
	}
	kvf_intake_recycle(r, r->current);
	r->current = NULL;
	if (r->env && r->env->stopped && r->env->stopped(r->env->ctx))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	for (;;) {
		st = kvf_intake_next(r, &r->current, err);
		if (!st) {
			st = take_unit(r, r->current, item, &r->chunk, err);
			if (st)
				return stop(r, st, r->current->file_at, r->current->l1_at, err);
			r->unit++;
			return KVF_OK;
		}
		if (st == KVF_EOF)
			st = at_hold(r, err);
		if (st == KVF_EOF)
			kvf_err_clear(err);
		if (st)
			return stop(r, st, r->feed.offset,
				    r->native ? r->l1_at : r->split.offset, err);
	}
}

void kvf_reader_close(struct kvf_reader *r)
{
	size_t i;

	if (!r)
		return;
	kvf_intake_release(r);
	kvf_sequence_release(&r->seq);
	kvf_head_free(r->head);
	kvf_feed_release(&r->feed);
	for (i = 0; i < r->nwarnings; i++)
		free(r->warnings[i]);
	free(r->note);
	free(r);
}
