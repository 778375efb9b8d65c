/*
 * memory - a store in memory, with the manners of the others: epochs, stages,
 * transactions that can be lost.  For tests, and for programs that embed the
 * library and want the entries themselves.
 *
 * The data outlive their handles as long as one is open, so that two handles
 * can race for them.  What was put since the last whole chunk belongs to the
 * handle alone and goes with it.  Not thread-safe: handles on the same data
 * belong to the same thread.
 */
#include "store/driver.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One entry, its three strings behind it. */
struct item {
	size_t part, key, value;
	uint8_t bytes[];
};

struct unit {
	struct unit *next;
	char name[16];
	uint64_t n;
	size_t len;
	uint8_t bytes[];
};

struct chunk {
	struct chunk *next;
	struct kvf_chunk_info info;
};

/* A generation: items ascending by key, units, progress rows. */
struct table {
	struct table *next;
	struct kvf_generation g;
	struct item **items;
	size_t len, size;
	struct unit *units;
	struct chunk *chunks;
};

struct line {
	struct line *next;
	struct kvf_ledger_row row; /* texts in `arena` */
	struct kvf_arena arena;
};

/* What the handles share. */
struct data {
	unsigned handles;
	int has_control;
	struct kvf_control c;
	struct table *tables;
	struct line *ledger, **ledger_end;
	int64_t ledger_id;
};

struct memory {
	struct kvf_store base;
	struct data *data;
	struct item **pending;   /* put, and not yet part of a chunk */
	size_t npending, pending_size;
	int copy_live;
	struct kvf_merge_stats merge;
	struct kvf_buf value;
};

struct memory_cursor {
	struct kvf_cursor base;
	struct item **items;     /* the snapshot: pointers to the table's items */
	size_t at, len;
	struct table *of;
};

static struct kvf_bytes view(const uint8_t *p, size_t len)
{
	struct kvf_bytes b = { p, len };

	return b;
}

static struct kvf_entry entry_of(const struct item *it)
{
	struct kvf_entry e;

	e.part = view(it->bytes, it->part);
	e.key = view(it->bytes + it->part, it->key);
	e.value = view(it->bytes + it->part + it->key, it->value);
	return e;
}

static struct item *item_new(const struct kvf_entry *e)
{
	struct item *it = malloc(sizeof(*it) + e->part.len + e->key.len + e->value.len);

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

/* Make room for one more pointer. */
static enum kvf_status grow(struct item ***items, size_t len, size_t *size, struct kvf_err *err)
{
	size_t want = *size ? *size * 2 : 64;
	struct item **p;

	if (len < *size)
		return KVF_OK;
	p = realloc(*items, want * sizeof(struct item *));
	if (!p)
		return kvf_fail_nomem(err);
	*items = p;
	*size = want;
	return KVF_OK;
}

/* ---- tables ------------------------------------------------------------------ */

/* Where the key is or would be; *found says which. */
static size_t find(const struct table *t, const struct kvf_entry *e, int *found)
{
	size_t lo = 0, hi = t->len;

	*found = 0;
	if (hi) { /* most come in order */
		struct kvf_entry last = entry_of(t->items[hi - 1]);

		if (kvf_entry_cmp(&last, e) < 0)
			return hi;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct kvf_entry m = entry_of(t->items[mid]);
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

static enum kvf_status table_insert(struct table *t, size_t at, struct item *it,
				    struct kvf_err *err)
{
	enum kvf_status st = grow(&t->items, t->len, &t->size, err);

	if (st)
		return st;
	memmove(t->items + at + 1, t->items + at, (t->len - at) * sizeof(t->items[0]));
	t->items[at] = it;
	t->len++;
	return KVF_OK;
}

static void table_free(struct table *t)
{
	size_t i;

	while (t->units) {
		struct unit *u = t->units;

		t->units = u->next;
		free(u);
	}
	while (t->chunks) {
		struct chunk *c = t->chunks;

		t->chunks = c->next;
		free(c);
	}
	for (i = 0; i < t->len; i++)
		free(t->items[i]);
	free(t->items);
	free(t);
}

static struct table *table_of(const struct data *d, uint64_t gen)
{
	struct table *t;

	for (t = d->tables; t; t = t->next)
		if (t->g.gen == gen && gen)
			return t;
	return NULL;
}

static struct table *table_for(const struct data *d, enum kvf_scan which)
{
	return table_of(d, which == KVF_SCAN_STAGE ? d->c.stage : d->c.active);
}

/* Drop what is neither staged, active nor previous. */
static void drop_orphans(struct data *d)
{
	struct table **p = &d->tables, *t;

	while ((t = *p)) {
		if (t->g.gen == d->c.stage || t->g.gen == d->c.active || t->g.gen == d->c.prev) {
			p = &t->next;
		} else {
			*p = t->next;
			table_free(t);
		}
	}
}

/* ---- looking ------------------------------------------------------------------ */

static enum kvf_status not_found(const char *what, struct kvf_err *err)
{
	return kvf_fail(err, KVF_ENOTFOUND, "%s", what);
}

static int is_version(const struct table *t, const struct kvf_entry *e)
{
	return kvf_is_record(e->part, e->key, view(t->g.version_part, t->g.version_part_len),
			     view(t->g.version_key, t->g.version_key_len));
}

static enum kvf_status inspect(struct kvf_store *base, struct kvf_store_facts *f,
			       struct kvf_err *err)
{
	struct data *d = ((struct memory *)base)->data;
	struct table *t = table_for(d, KVF_SCAN_LIVE);
	size_t i;

	(void)err;
	f->exists = 1;
	f->writable = 1;
	f->free = UINT64_MAX;
	f->has_control = d->has_control;
	f->has_table = f->table_fits = t != NULL;
	for (i = 0; t && i < t->len; i++) {
		struct kvf_entry e = entry_of(t->items[i]);

		f->entries += !is_version(t, &e);
	}
	return KVF_OK;
}

static enum kvf_status control(struct kvf_store *base, struct kvf_control *c,
			       struct kvf_err *err)
{
	struct data *d = ((struct memory *)base)->data;
	struct table *t;
	int staged;

	if (!d->has_control)
		return not_found("the store holds nothing of kvferry's", err);
	*c = d->c;
	staged = c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
	t = table_for(d, staged ? KVF_SCAN_STAGE : KVF_SCAN_LIVE);
	if (!t)
		return KVF_OK;
	memcpy(c->app, t->g.app, sizeof(c->app));
	memcpy(c->stream, t->g.stream, sizeof(c->stream));
	memcpy(c->root, t->g.root, sizeof(c->root));
	c->has_root = t->g.has_root;
	c->totals = t->g.totals;
	memcpy(c->version_part, t->g.version_part, sizeof(c->version_part));
	memcpy(c->version_key, t->g.version_key, sizeof(c->version_key));
	c->version_part_len = t->g.version_part_len;
	c->version_key_len = t->g.version_key_len;
	c->exact_packages = t->g.exact_packages;
	return KVF_OK;
}

static enum kvf_status generation(struct kvf_store *base, enum kvf_scan which,
				  struct kvf_generation *g, struct kvf_err *err)
{
	struct table *t = table_for(((struct memory *)base)->data, which);

	if (!t)
		return not_found("there is no such generation", err);
	*g = t->g;
	return KVF_OK;
}

static enum kvf_status scan(struct kvf_store *base, enum kvf_scan which,
			    const struct kvf_entry *from, struct kvf_cursor **out,
			    struct kvf_err *err)
{
	struct table *t = table_for(((struct memory *)base)->data, which);
	struct memory_cursor *c;
	int found;

	if (!t && which == KVF_SCAN_STAGE)
		return not_found("nothing is staged", err);
	c = calloc(1, sizeof(*c));
	if (!c)
		return kvf_fail_nomem(err);
	c->base.store = base;
	c->of = t;
	if (t && t->len) {
		c->items = malloc(t->len * sizeof(t->items[0]));
		if (!c->items) {
			free(c);
			return kvf_fail_nomem(err);
		}
		memcpy(c->items, t->items, t->len * sizeof(t->items[0]));
		c->len = t->len;
		c->at = from ? find(t, from, &found) : 0;
	}
	*out = &c->base;
	return KVF_OK;
}

static enum kvf_status cursor_next(struct kvf_cursor *base, struct kvf_entry *entry,
				   struct kvf_err *err)
{
	struct memory_cursor *c = (struct memory_cursor *)base;

	(void)err;
	while (c->at < c->len) {
		*entry = entry_of(c->items[c->at++]);
		if (!is_version(c->of, entry))
			return KVF_OK;
	}
	return KVF_EOF;
}

static void cursor_close(struct kvf_cursor *base)
{
	struct memory_cursor *c = (struct memory_cursor *)base;

	free(c->items);
	free(c);
}

static enum kvf_status totals(struct kvf_store *base, enum kvf_scan which, struct kvf_totals *t,
			      struct kvf_err *err)
{
	struct table *table = table_for(((struct memory *)base)->data, which);
	size_t i;

	if (!table && which == KVF_SCAN_STAGE)
		return not_found("nothing is staged", err);
	for (i = 0; table && i < table->len; i++) {
		struct kvf_entry e = entry_of(table->items[i]);

		if (!is_version(table, &e))
			kvf_totals_add(t, &e);
	}
	return KVF_OK;
}

static enum kvf_status hand_out(struct memory *s, struct kvf_bytes b, struct kvf_bytes *out,
				struct kvf_err *err)
{
	enum kvf_status st;

	s->value.len = 0;
	st = kvf_buf_append(&s->value, b.ptr, b.len, err);
	*out = kvf_buf_bytes(&s->value);
	return st;
}

static enum kvf_status get(struct kvf_store *base, struct kvf_bytes part, struct kvf_bytes key,
			   struct kvf_bytes *value, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct table *t = table_for(s->data, KVF_SCAN_LIVE);
	const struct kvf_entry want = { part, key, { NULL, 0 } };
	int found = 0;
	size_t at = t ? find(t, &want, &found) : 0;

	if (!found)
		return not_found("not found", err);
	return hand_out(s, entry_of(t->items[at]).value, value, err);
}

static enum kvf_status unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			    uint64_t n, struct kvf_bytes *out, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct table *t = table_for(s->data, which);
	struct unit *u;

	for (u = t ? t->units : NULL; u; u = u->next)
		if (u->n == n && strcmp(u->name, name) == 0)
			return hand_out(s, view(u->bytes, u->len), out, err);
	return not_found("no such unit", err);
}

/* ---- the protocol ------------------------------------------------------------- */

static void forget_pending(struct memory *s)
{
	while (s->npending)
		free(s->pending[--s->npending]);
}

/* Do we still hold the store, in this state? */
static enum kvf_status guard(struct memory *s, enum kvf_run_state state, struct kvf_err *err)
{
	struct data *d = s->data;

	if (d->c.epoch != s->base.epoch || d->c.state != state) {
		forget_pending(s);
		return kvf_store_superseded(&d->c, err);
	}
	d->c.beat = kvf_now_us();
	return KVF_OK;
}

static void cut(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static enum kvf_status acquire(struct kvf_store *base, uint64_t seen,
			       const struct kvf_claim *claim, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct data *d = s->data;
	struct table *t;

	if (d->c.epoch != seen)
		return kvf_store_held(&d->c, err);
	t = calloc(1, sizeof(*t));
	if (!t)
		return kvf_fail_nomem(err);
	forget_pending(s);
	memset(&s->merge, 0, sizeof(s->merge));
	d->has_control = 1;
	d->c.epoch = d->c.stage = t->g.gen = base->epoch = seen + 1;
	d->c.state = KVF_RUN_STAGING;
	cut(d->c.run, sizeof(d->c.run), claim->run);
	cut(d->c.host, sizeof(d->c.host), claim->host);
	cut(d->c.tool, sizeof(d->c.tool), claim->tool);
	d->c.pid = claim->pid;
	d->c.pid_start = claim->pid_start;
	d->c.started = d->c.beat = claim->now;
	d->c.why[0] = '\0';
	cut(t->g.run, sizeof(t->g.run), claim->run);
	cut(t->g.app, sizeof(t->g.app), claim->app);
	cut(t->g.tool, sizeof(t->g.tool), claim->tool);
	memcpy(t->g.stream, claim->stream, sizeof(t->g.stream));
	t->g.version_part_len = claim->version_part.len;
	t->g.version_key_len = claim->version_key.len;
	if (claim->version_part.len)
		memcpy(t->g.version_part, claim->version_part.ptr, claim->version_part.len);
	if (claim->version_key.len)
		memcpy(t->g.version_key, claim->version_key.ptr, claim->version_key.len);
	t->next = d->tables;
	d->tables = t;
	return KVF_OK;
}

static enum kvf_status stage(struct kvf_store *base, int copy_live, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct data *d = s->data;
	struct table *live = table_for(d, KVF_SCAN_LIVE), *t = table_for(d, KVF_SCAN_STAGE);
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);
	size_t i;

	if (st)
		return st;
	drop_orphans(d);
	s->copy_live = copy_live;
	for (i = 0; copy_live && live && i < live->len && !st; i++) {
		struct kvf_entry e = entry_of(live->items[i]);
		struct item *it;

		if (is_version(live, &e) || is_version(t, &e))
			continue;
		it = item_new(&e);
		st = it ? table_insert(t, t->len, it, err) : kvf_fail_nomem(err);
		if (st)
			free(it);
		else
			kvf_totals_add(&s->merge.copied, &e);
	}
	return st;
}

static enum kvf_status put(struct kvf_store *base, const struct kvf_entry *e,
			   struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	enum kvf_status st = grow(&s->pending, s->npending, &s->pending_size, err);
	struct item *it;

	if (st)
		return st;
	it = item_new(e);
	if (!it)
		return kvf_fail_nomem(err);
	s->pending[s->npending++] = it;
	return KVF_OK;
}

/* Move the pending items into the stage, all of them or none. */
static enum kvf_status apply(struct memory *s, struct table *t, struct kvf_err *err)
{
	struct kvf_merge_stats before = s->merge;
	enum kvf_status st = KVF_OK;
	size_t i, at;
	int found;

	for (i = 0; i < s->npending && !st; i++) {
		struct kvf_entry e = entry_of(s->pending[i]), is;

		at = find(t, &e, &found);
		if (!found) {
			st = table_insert(t, at, s->pending[i], err);
			continue;
		}
		is = entry_of(t->items[at]);
		if (s->copy_live)
			kvf_merge_count(&s->merge, &e, kvf_bytes_cmp(is.value, e.value) == 0);
		else
			st = kvf_store_duplicate(&e, kvf_bytes_cmp(is.value, e.value) == 0, err);
	}
	/* Undo, or free what was not moved: an item is in the table or it is not. */
	while (i--) {
		struct kvf_entry e = entry_of(s->pending[i]);

		at = find(t, &e, &found);
		if (!found || t->items[at] != s->pending[i]) {
			if (!st)
				free(s->pending[i]);
		} else if (st) {
			t->len--;
			memmove(t->items + at, t->items + at + 1, (t->len - at) * sizeof(t->items[0]));
		}
	}
	if (st) {
		s->merge = before;
		forget_pending(s);
	}
	s->npending = 0;
	return st;
}

static enum kvf_status chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			     struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct table *t;
	struct chunk *c, **at;
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);

	if (st)
		return st;
	c = malloc(sizeof(*c));
	if (!c) {
		forget_pending(s);
		return kvf_fail_nomem(err);
	}
	c->info = *info;
	t = table_for(s->data, KVF_SCAN_STAGE);
	st = apply(s, t, err);
	if (st) {
		free(c);
		return st;
	}
	for (at = &t->chunks; *at; at = &(*at)->next)
		if ((*at)->info.n > info->n ||
		    ((*at)->info.n == info->n && (*at)->info.i > info->i))
			break;
	c->next = *at;
	*at = c;
	return KVF_OK;
}

static enum kvf_status keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				 struct kvf_bytes bytes, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct table *t = table_for(s->data, KVF_SCAN_STAGE);
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);
	struct unit *u;

	if (st)
		return st;
	u = malloc(sizeof(*u) + bytes.len);
	if (!u)
		return kvf_fail_nomem(err);
	cut(u->name, sizeof(u->name), name);
	u->n = n;
	u->len = bytes.len;
	if (bytes.len)
		memcpy(u->bytes, bytes.ptr, bytes.len);
	u->next = t->units;
	t->units = u;
	return KVF_OK;
}

static enum kvf_status flush(struct kvf_store *base, struct kvf_err *err)
{
	return guard((struct memory *)base, KVF_RUN_STAGING, err);
}

static enum kvf_status progress(struct kvf_store *base, uint64_t n, uint64_t i,
				struct kvf_chunk_info *info, struct kvf_err *err)
{
	struct table *t = table_for(((struct memory *)base)->data, KVF_SCAN_STAGE);
	struct chunk *c;

	if (!t)
		return not_found("nothing is staged", err);
	for (c = t->chunks; c; c = c->next)
		if (c->info.n > n || (c->info.n == n && c->info.i >= i)) {
			*info = c->info;
			return KVF_OK;
		}
	return KVF_EOF;
}

static void merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m)
{
	*m = ((const struct memory *)base)->merge;
}

static enum kvf_status seal(struct kvf_store *base, const uint8_t root[32],
			    const struct kvf_totals *t, int exact_packages, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct table *table = table_for(s->data, KVF_SCAN_STAGE);
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);

	if (st)
		return st;
	memcpy(table->g.root, root, 32);
	table->g.has_root = 1;
	table->g.totals = *t;
	table->g.exact_packages = exact_packages;
	s->data->c.state = KVF_RUN_SEALED;
	return KVF_OK;
}

/* ---- the ledger ---------------------------------------------------------------- */

/* A line with copies of all texts, not yet in the ledger. */
static struct line *line_new(const struct kvf_ledger_row *row)
{
	struct line *l = calloc(1, sizeof(*l));
	const char **texts[] = { &l->row.run, &l->row.event, &l->row.outcome, &l->row.who,
				 &l->row.host, &l->row.tool, &l->row.app, &l->row.document };
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
			kvf_arena_release(&l->arena);
			free(l);
			return NULL;
		}
	}
	return l;
}

static void append(struct data *d, struct line *l)
{
	l->row.id = ++d->ledger_id;
	*d->ledger_end = l;
	d->ledger_end = &l->next;
}

static enum kvf_status ledger_append(struct kvf_store *base, const struct kvf_ledger_row *row,
				     struct kvf_err *err)
{
	struct data *d = ((struct memory *)base)->data;
	struct line *l;

	if (!d->has_control)
		return not_found("the store holds nothing of kvferry's", err);
	l = line_new(row);
	if (!l)
		return kvf_fail_nomem(err);
	append(d, l);
	return KVF_OK;
}

static enum kvf_status ledger_next(struct kvf_store *base, int64_t after,
				   struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct data *d = ((struct memory *)base)->data;
	struct line *l;

	if (!d->has_control)
		return not_found("the store holds nothing of kvferry's", err);
	for (l = d->ledger; l; l = l->next)
		if (l->row.id > after) {
			*row = l->row;
			return KVF_OK;
		}
	return KVF_EOF;
}

/* ---- commit -------------------------------------------------------------------- */

static enum kvf_status commit(struct kvf_store *base, uint64_t schema, struct kvf_bytes done,
			      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct data *d = s->data;
	struct table *t = table_for(d, KVF_SCAN_STAGE), *live = table_for(d, KVF_SCAN_LIVE);
	enum kvf_status st = guard(s, KVF_RUN_SEALED, err);
	struct item *record = NULL;
	struct kvf_entry e;
	struct line *l;
	int found;

	if (st)
		return st;
	l = line_new(row);
	if (!l)
		return kvf_fail_nomem(err);
	e.part = view(t->g.version_part, t->g.version_part_len);
	e.key = view(t->g.version_key, t->g.version_key_len);
	e.value = done;
	if (e.key.len) { /* the last thing that can fail */
		record = item_new(&e);
		st = record ? table_insert(t, find(t, &e, &found), record, err) : kvf_fail_nomem(err);
		if (st) {
			free(record);
			kvf_arena_release(&l->arena);
			free(l);
			return st;
		}
	}
	d->c.prev = live && live->len ? d->c.active : 0;
	d->c.prev_legacy = d->c.prev == 0;
	d->c.active = t->g.gen;
	d->c.stage = 0;
	d->c.ver = t->g.ver = schema;
	t->g.published = kvf_now_us();
	d->c.state = KVF_RUN_LIVE;
	d->c.run[0] = '\0';
	d->c.why[0] = '\0';
	append(d, l);
	return KVF_OK;
}

static enum kvf_status gc(struct kvf_store *base, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	enum kvf_status st = guard(s, KVF_RUN_LIVE, err);

	if (!st)
		drop_orphans(s->data);
	return st;
}

static void note_failure(struct kvf_store *base, const char *why)
{
	struct data *d = ((struct memory *)base)->data;

	forget_pending((struct memory *)base);
	if (d->c.epoch == base->epoch)
		cut(d->c.why, sizeof(d->c.why), why);
}

/* ---- the handle ---------------------------------------------------------------- */

static void close_store(struct kvf_store *base)
{
	struct memory *s = (struct memory *)base;
	struct data *d = s->data;

	forget_pending(s);
	free(s->pending);
	kvf_buf_release(&s->value);
	free(s);
	if (--d->handles)
		return;
	d->c.stage = d->c.active = d->c.prev = 0;
	drop_orphans(d);
	while (d->ledger) {
		struct line *l = d->ledger;

		d->ledger = l->next;
		kvf_arena_release(&l->arena);
		free(l);
	}
	free(d);
}

static const struct kvf_store_ops ops = {
	.close = close_store,
	.inspect = inspect,
	.control = control,
	.generation = generation,
	.scan = scan,
	.cursor_next = cursor_next,
	.cursor_close = cursor_close,
	.totals = totals,
	.get = get,
	.unit = unit,
	.acquire = acquire,
	.stage = stage,
	.put = put,
	.chunk = chunk,
	.keep_unit = keep_unit,
	.flush = flush,
	.progress = progress,
	.merge_stats = merge_stats,
	.seal = seal,
	.commit = commit,
	.gc = gc,
	.note_failure = note_failure,
	.ledger_append = ledger_append,
	.ledger_next = ledger_next,
};

static enum kvf_status open_on(struct data *d, const struct kvf_env *env, struct kvf_store **out,
			       struct kvf_err *err)
{
	struct memory *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	s->base.ops = &ops;
	s->base.env = env;
	s->base.mode = KVF_STORE_WRITE;
	cut(s->base.identity, sizeof(s->base.identity), "memory");
	kvf_buf_init(&s->value, SIZE_MAX / 2);
	s->data = d;
	d->handles++;
	*out = &s->base;
	return KVF_OK;
}

enum kvf_status kvf_store_memory(const struct kvf_env *env, struct kvf_store **out,
				 struct kvf_err *err)
{
	struct data *d = calloc(1, sizeof(*d));
	enum kvf_status st;

	*out = NULL;
	if (!d)
		return kvf_fail_nomem(err);
	d->ledger_end = &d->ledger;
	st = open_on(d, env, out, err);
	if (st)
		free(d);
	return st;
}

enum kvf_status kvf_store_memory_share(struct kvf_store *with, struct kvf_store **out,
				       struct kvf_err *err)
{
	if (with->ops != &ops)
		return kvf_fail(err, KVF_EUSAGE, "not a store in memory");
	return open_on(((struct memory *)with)->data, with->env, out, err);
}
