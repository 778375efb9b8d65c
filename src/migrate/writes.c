/*
 * writes - what was written since a commit.
 *
 * The sealed totals tell whether anything was.  If so, the marks that were kept
 * with the progress rows say what each key was: they come package by package, and
 * what --merge copied is in the previous generation, so a sorter brings them into
 * the order of the store, and both are walked together.
 */
#include "migrate/back.h"

#include <stdlib.h>
#include <string.h>

struct writes {
	struct kvf_store *store;
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_sorter *was; /* key -> hash of the value, as committed */
	struct kvf_mark *mark;
	struct kvf_generation live;
	struct kvf_buf part, key; /* of the committed key before */
	int any;
};

enum kvf_status kvf_stream_totals(struct kvf_store *store, struct kvf_totals *t,
				  struct kvf_err *err)
{
	struct kvf_chunk_info info = { 0 };
	struct kvf_bytes marks;
	enum kvf_status st;

	memset(t, 0, sizeof(*t));
	while (!(st = kvf_store_marks(store, info.n, info.i, &info, &marks, err))) {
		kvf_totals_merge(t, &info.totals);
		info.i++;
	}
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status remember(struct writes *w, struct kvf_bytes part, struct kvf_bytes key,
				const uint8_t hash[8], struct kvf_err *err)
{
	static const struct kvf_origin nowhere;
	const struct kvf_entry e = { part, key, { hash, 8 } };

	return kvf_sorter_put(w->was, &e, 0, nowhere, err);
}

static enum kvf_status remember_marks(struct writes *w, struct kvf_bytes marks,
				      const struct kvf_chunk_info *info, struct kvf_err *err)
{
	enum kvf_status st;
	uint64_t n = 0;
	size_t at = 0;

	while (!(st = kvf_marks_next(marks, &at, w->mark, err))) {
		st = remember(w, (struct kvf_bytes){ w->mark->part, w->mark->part_len },
			      (struct kvf_bytes){ w->mark->key, w->mark->key_len },
			      w->mark->hash, err);
		if (st)
			return st;
		n++;
	}
	if (st == KVF_EOF && n != info->totals.entries)
		return kvf_fail(err, KVF_ETARGET,
				"what the store keeps of the committed keys is damaged");
	return st == KVF_EOF ? KVF_OK : st;
}

/* All that the stream brought.  *known = 0 where the marks are gone. */
static enum kvf_status remember_stream(struct writes *w, struct kvf_totals *t, int *known,
				       struct kvf_err *err)
{
	struct kvf_chunk_info info = { 0 };
	struct kvf_bytes marks;
	enum kvf_status st;

	memset(t, 0, sizeof(*t));
	*known = 1;
	while (!(st = kvf_store_marks(w->store, info.n, info.i, &info, &marks, err))) {
		if (info.totals.entries && !marks.len) {
			*known = 0;
			return KVF_OK;
		}
		st = remember_marks(w, marks, &info, err);
		if (!st)
			st = kvf_check_stop(w->env, err);
		if (st)
			return st;
		kvf_totals_merge(t, &info.totals);
		info.i++;
	}
	return st == KVF_EOF ? KVF_OK : st;
}

static int is_record(const struct kvf_generation *g, const struct kvf_entry *e)
{
	const struct kvf_bytes part = { g->version_part, g->version_part_len },
			       key = { g->version_key, g->version_key_len };

	return key.len && kvf_bytes_cmp(e->key, key) == 0 && kvf_bytes_cmp(e->part, part) == 0;
}

/* What a merge copied: the previous generation, which nobody writes any more. */
static enum kvf_status remember_previous(struct writes *w, struct kvf_err *err)
{
	struct kvf_cursor *c = NULL;
	struct kvf_entry e;
	uint8_t hash[8];
	uint64_t n = 0;
	enum kvf_status st = kvf_store_scan(w->store, KVF_SCAN_PREVIOUS, NULL, &c, err);

	while (!st && !(st = kvf_cursor_next(c, &e, err))) {
		if (is_record(&w->live, &e))
			continue;
		kvf_mark_hash(e.value, hash);
		st = remember(w, e.part, e.key, hash, err);
		if (!st && ++n % 4096 == 0)
			st = kvf_check_stop(w->env, err);
	}
	kvf_cursor_close(c);
	if (st != KVF_EOF && st != KVF_ENOTFOUND) /* there were no live data */
		return st;
	kvf_err_clear(err);
	return KVF_OK;
}

static int is_again(const struct writes *w, const struct kvf_entry *e)
{
	return w->any && kvf_bytes_cmp(kvf_buf_bytes(&w->key), e->key) == 0 &&
	       kvf_bytes_cmp(kvf_buf_bytes(&w->part), e->part) == 0;
}

/* The next committed key, another one than before: what a merge copied may be in
 * the stream as well. */
static enum kvf_status next_committed(struct writes *w, struct kvf_entry *e, int *end,
				      struct kvf_err *err)
{
	struct kvf_origin origin;
	enum kvf_status st;

	do
		st = kvf_sorter_next(w->was, e, &origin, err);
	while (!st && is_again(w, e));
	*end = st == KVF_EOF;
	if (st)
		return *end ? KVF_OK : st;
	w->any = 1;
	w->part.len = w->key.len = 0;
	st = kvf_buf_append(&w->part, e->part.ptr, e->part.len, err);
	return st ? st : kvf_buf_append(&w->key, e->key.ptr, e->key.len, err);
}

static enum kvf_status next_live(struct writes *w, struct kvf_cursor *c, struct kvf_entry *e,
				 int *end, struct kvf_err *err)
{
	struct kvf_totals *t = &w->report->right;
	enum kvf_status st = kvf_cursor_next(c, e, err);

	*end = st == KVF_EOF;
	if (st)
		return *end ? KVF_OK : st;
	kvf_totals_add(t, e);
	return t->entries % 4096 ? KVF_OK : kvf_check_stop(w->env, err);
}

/* How long the value was is not known. */
static enum kvf_status changed(struct kvf_report *r, const struct kvf_entry *was,
			       const struct kvf_entry *is, struct kvf_err *err)
{
	size_t before = r->ndifferences;
	enum kvf_status st =
		kvf_report_difference(r, KVF_WRITES_NAMED, KVF_VALUES_DIFFER, "", was, is, err);

	if (r->ndifferences > before)
		r->differences[before].left_value = UINT64_MAX;
	return st;
}

static enum kvf_status compare(struct writes *w, struct kvf_err *err)
{
	struct kvf_report *r = w->report;
	struct kvf_cursor *c = NULL;
	struct kvf_entry was, is;
	int was_end = 0, is_end = 0, cmp;
	uint8_t hash[8];
	enum kvf_status st = kvf_store_scan(w->store, KVF_SCAN_LIVE, NULL, &c, err);

	memset(&r->right, 0, sizeof(r->right));
	if (!st)
		st = next_committed(w, &was, &was_end, err);
	if (!st)
		st = next_live(w, c, &is, &is_end, err);
	while (!st && !(was_end && is_end)) {
		cmp = was_end ? 1 : is_end ? -1 : kvf_entry_cmp(&was, &is);
		if (!cmp)
			kvf_mark_hash(is.value, hash);
		if (cmp < 0)
			st = kvf_report_difference(r, KVF_WRITES_NAMED, KVF_ONLY_LEFT, "", &was,
						   NULL, err);
		else if (cmp > 0)
			st = kvf_report_difference(r, KVF_WRITES_NAMED, KVF_ONLY_RIGHT, "",
						   NULL, &is, err);
		else if (memcmp(hash, was.value.ptr, sizeof(hash)) != 0)
			st = changed(r, &was, &is, err);
		if (!st && cmp <= 0)
			st = next_committed(w, &was, &was_end, err);
		if (!st && cmp >= 0)
			st = next_live(w, c, &is, &is_end, err);
	}
	kvf_cursor_close(c);
	r->written = r->only_left + r->only_right + r->differ;
	r->written_known = !st;
	return st;
}

enum kvf_status kvf_written_since(struct kvf_store *store, const char *scratch,
				  const struct kvf_env *env, struct kvf_report *r,
				  struct kvf_err *err)
{
	struct writes w = { .store = store, .env = env, .report = r };
	struct kvf_totals stream;
	enum kvf_status st = kvf_store_generation(store, KVF_SCAN_LIVE, &w.live, err);
	int known;

	if (!st)
		st = kvf_store_totals(store, KVF_SCAN_LIVE, &r->right, err);
	if (st)
		return st;
	r->left = w.live.totals;
	r->written_known = kvf_totals_equal(&r->left, &r->right);
	if (r->written_known)
		return KVF_OK;
	kvf_buf_init(&w.part, SIZE_MAX / 2);
	kvf_buf_init(&w.key, SIZE_MAX / 2);
	w.mark = malloc(sizeof(*w.mark));
	st = w.mark ? kvf_sorter_new(kvf_memory_budget(env), scratch, env, &w.was, err)
		    : kvf_fail_nomem(err);
	if (!st)
		st = remember_stream(&w, &stream, &known, err);
	if (!st && known && !kvf_totals_equal(&stream, &r->left))
		st = remember_previous(&w, err);
	if (!st && known)
		st = kvf_sorter_finish(w.was, err);
	if (!st && known)
		st = compare(&w, err);
	kvf_sorter_free(w.was);
	kvf_buf_release(&w.part);
	kvf_buf_release(&w.key);
	free(w.mark);
	return st;
}
