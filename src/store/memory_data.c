/* memory_data - see the header. */
#include "store/memory_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kvf_entry kvf_mem_entry(const struct kvf_mem_item *it)
{
	struct kvf_entry e;

	e.part = kvf_mem_bytes(it->bytes, it->part);
	e.key = kvf_mem_bytes(it->bytes + it->part, it->key);
	e.value = kvf_mem_bytes(it->bytes + it->part + it->key, it->value);
	return e;
}

struct kvf_mem_item *kvf_mem_item_new(const struct kvf_entry *e)
{
	struct kvf_mem_item *it = malloc(sizeof(*it) + e->part.len + e->key.len + e->value.len);

	if (!it)
		return NULL;
	it->part = e->part.len;
	it->key = e->key.len;
	it->value = e->value.len;
	if (it->part)
		memcpy(it->bytes, e->part.ptr, it->part);
	if (it->key)
		memcpy(it->bytes + it->part, e->key.ptr, it->key);
	if (it->value)
		memcpy(it->bytes + it->part + it->key, e->value.ptr, it->value);
	return it;
}

enum kvf_status kvf_mem_grow(struct kvf_mem_item ***items, size_t len, size_t *size,
			     struct kvf_err *err)
{
	size_t want = *size ? *size * 2 : 64;
	struct kvf_mem_item **p;

	if (len < *size)
		return KVF_OK;
	p = realloc(*items, want * sizeof(struct kvf_mem_item *));
	if (!p)
		return kvf_fail_nomem(err);
	*items = p;
	*size = want;
	return KVF_OK;
}

size_t kvf_mem_find(const struct kvf_mem_table *t, const struct kvf_entry *e, int *found)
{
	size_t lo = 0, hi = t->len;

	*found = 0;
	if (hi) { /* most come in order */
		struct kvf_entry last = kvf_mem_entry(t->items[hi - 1]);

		if (kvf_entry_cmp(&last, e) < 0)
			return hi;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct kvf_entry m = kvf_mem_entry(t->items[mid]);
		int c = kvf_entry_cmp(&m, e);

		if (c == 0) {
			*found = 1;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

enum kvf_status kvf_mem_insert(struct kvf_mem_table *t, size_t at, struct kvf_mem_item *it,
			       struct kvf_err *err)
{
	enum kvf_status st = kvf_mem_grow(&t->items, t->len, &t->size, err);

	if (st)
		return st;
	memmove(t->items + at + 1, t->items + at, (t->len - at) * sizeof(t->items[0]));
	t->items[at] = it;
	t->len++;
	return KVF_OK;
}

static void table_free(struct kvf_mem_table *t)
{
	size_t i;

	while (t->units) {
		struct kvf_mem_unit *u = t->units;

		t->units = u->next;
		free(u);
	}
	while (t->chunks) {
		struct kvf_mem_chunk *c = t->chunks;

		t->chunks = c->next;
		free(c);
	}
	for (i = 0; i < t->len; i++)
		free(t->items[i]);
	free(t->items);
	free(t);
}

struct kvf_mem_table *kvf_mem_table_of(const struct kvf_mem_data *d, uint64_t gen)
{
	struct kvf_mem_table *t;

	for (t = d->tables; t; t = t->next)
		if (t->g.gen == gen && gen)
			return t;
	return NULL;
}

struct kvf_mem_table *kvf_mem_table_for(const struct kvf_mem_data *d, enum kvf_scan which)
{
	return kvf_mem_table_of(d, kvf_control_gen(&d->c, which));
}

struct kvf_mem_table *kvf_mem_stage_new(struct kvf_mem_data *d, const struct kvf_claim *claim,
					uint64_t gen)
{
	struct kvf_mem_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->g.gen = gen;
	snprintf(t->g.app, sizeof(t->g.app), "%s", claim->app);
	snprintf(t->g.mode, sizeof(t->g.mode), "%s", claim->mode);
	snprintf(t->g.source, sizeof(t->g.source), "%s", claim->source);
	memcpy(t->g.stream, claim->stream, sizeof(t->g.stream));
	t->g.version_part_len = claim->version_part.len;
	t->g.version_key_len = claim->version_key.len;
	if (claim->version_part.len)
		memcpy(t->g.version_part, claim->version_part.ptr, claim->version_part.len);
	if (claim->version_key.len)
		memcpy(t->g.version_key, claim->version_key.ptr, claim->version_key.len);
	t->g.version_started_len = claim->version_started.len;
	if (claim->version_started.len)
		memcpy(t->g.version_started, claim->version_started.ptr,
		       claim->version_started.len);
	t->next = d->tables;
	d->tables = t;
	return t;
}

enum kvf_status kvf_mem_early_set(struct kvf_mem_data *d, const struct kvf_early_record *r,
				  uint64_t gen, struct kvf_err *err)
{
	const struct kvf_claim claim = { .app = r->app,
					 .mode = "",
					 .version_part = r->part,
					 .version_key = r->key,
					 .version_started = r->value };
	const struct kvf_entry e = { r->part, r->key, r->value };
	struct kvf_mem_item *it = kvf_mem_item_new(&e);
	struct kvf_mem_table *t = it ? kvf_mem_stage_new(d, &claim, gen) : NULL;
	enum kvf_status st = t ? kvf_mem_insert(t, 0, it, err) : kvf_fail_nomem(err);

	if (st) {
		free(it);
		return st;
	}
	d->c.active = gen;
	d->c.early = KVF_EARLY_TABLE;
	return KVF_OK;
}

/* Nobody but us writes to live data in memory: the one that is there is as we made it. */
enum kvf_status kvf_mem_early_begin(struct kvf_mem_data *d, const struct kvf_claim *claim,
				    uint64_t *next, struct kvf_err *err)
{
	const struct kvf_early_record r = kvf_early_of_claim(claim, KVF_EARLY_TABLE);
	const struct kvf_mem_table *live = kvf_mem_table_for(d, KVF_SCAN_LIVE);

	if (d->c.active && (!d->c.early || (live && kvf_early_is(&r, &live->g))))
		return KVF_OK;
	if (r.value.len)
		return kvf_mem_early_set(d, &r, (*next)++, err);
	d->c.active = 0;
	d->c.early = KVF_EARLY_NONE;
	return KVF_OK;
}

void kvf_mem_drop_orphans(struct kvf_mem_data *d)
{
	struct kvf_mem_table **p = &d->tables, *t;

	while ((t = *p)) {
		if (t->g.gen == d->c.stage || t->g.gen == d->c.active ||
		    t->g.gen == d->c.prev) {
			p = &t->next;
		} else {
			*p = t->next;
			table_free(t);
		}
	}
}

enum kvf_status kvf_mem_move(struct kvf_mem_table *t, struct kvf_mem_item **items, size_t n,
			     struct kvf_merge_stats *merge, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i, at;
	int found;

	for (i = 0; i < n && !st; i++) {
		struct kvf_entry e = kvf_mem_entry(items[i]), is;

		at = kvf_mem_find(t, &e, &found);
		if (!found) {
			st = kvf_mem_insert(t, at, items[i], err);
			continue;
		}
		is = kvf_mem_entry(t->items[at]);
		if (merge)
			kvf_merge_count(merge, &e, kvf_bytes_cmp(is.value, e.value) == 0);
		else
			st = kvf_store_duplicate(&e, kvf_bytes_cmp(is.value, e.value) == 0,
						 err);
	}
	/* Undo, or free what was not moved: an item is in the table or it is not. */
	while (i--) {
		struct kvf_entry e = kvf_mem_entry(items[i]);

		at = kvf_mem_find(t, &e, &found);
		if (!found || t->items[at] != items[i]) {
			if (!st)
				free(items[i]);
		} else if (st) {
			t->len--;
			memmove(t->items + at, t->items + at + 1,
				(t->len - at) * sizeof(t->items[0]));
		}
	}
	return st;
}

int kvf_mem_is_version(const struct kvf_mem_table *t, const struct kvf_entry *e)
{
	return kvf_is_record(e->part, e->key,
			     kvf_mem_bytes(t->g.version_part, t->g.version_part_len),
			     kvf_mem_bytes(t->g.version_key, t->g.version_key_len));
}

/* ---- the ledger ---------------------------------------------------------------- */

void kvf_mem_line_free(struct kvf_mem_line *l)
{
	kvf_arena_release(&l->arena);
	free(l);
}

struct kvf_mem_line *kvf_mem_line_new(const struct kvf_ledger_row *row)
{
	struct kvf_mem_line *l = calloc(1, sizeof(*l));
	const char **texts[] = {
		&l->row.run,  &l->row.event, &l->row.outcome, &l->row.who,
		&l->row.host, &l->row.tool,  &l->row.app,     &l->row.document
	};
	size_t i;

	if (!l)
		return NULL;
	l->row = *row;
	kvf_arena_init(&l->arena);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!*texts[i])
			continue;
		*texts[i] = kvf_arena_strdup(&l->arena, *texts[i]);
		if (!*texts[i]) {
			kvf_mem_line_free(l);
			return NULL;
		}
	}
	return l;
}

void kvf_mem_append(struct kvf_mem_data *d, struct kvf_mem_line *l)
{
	l->row.id = ++d->ledger_id;
	*d->ledger_end = l;
	d->ledger_end = &l->next;
}
