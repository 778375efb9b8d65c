/*
 * memory - a store in memory, with the manners of the others: epochs, stages,
 * transactions that can be lost.  For tests, and for programs that embed the
 * library and want the entries themselves.
 *
 * The data live as long as one handle on them, so that two handles can race for
 * them.  What was put since the last whole chunk belongs to the handle alone.
 * Handles on the same data belong to the same thread.
 */
#include "store/memory_data.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
	struct kvf_store base;
	struct kvf_mem_data *data;
	struct kvf_mem_item **pending; /* put, and not yet part of a chunk */
	size_t npending, pending_size;
	int copy_live;
	struct kvf_merge_stats merge;
	struct kvf_buf value;
};

struct memory_cursor {
	struct kvf_cursor base;
	struct kvf_mem_item **items; /* the snapshot: pointers to the table's items */
	size_t at, len;
	struct kvf_mem_table *of;
};

struct kvf_mem_data *kvf_mem_data_of(struct kvf_store *base)
{
	return ((struct memory *)base)->data;
}

/* ---- looking ------------------------------------------------------------------ */

static enum kvf_status not_found(const char *what, struct kvf_err *err)
{
	return kvf_fail(err, KVF_ENOTFOUND, "%s", what);
}

static enum kvf_status inspect(struct kvf_store *base, struct kvf_store_facts *f,
			       struct kvf_err *err)
{
	struct kvf_mem_data *d = ((struct memory *)base)->data;
	struct kvf_mem_table *t = kvf_mem_table_for(d, KVF_SCAN_LIVE);
	size_t i;

	(void)err;
	f->exists = 1;
	f->writable = 1;
	snprintf(f->table, sizeof(f->table), "kv");
	f->free = UINT64_MAX;
	f->has_control = d->has_control;
	f->has_table = f->table_fits = t != NULL;
	for (i = 0; t && i < t->len; i++) {
		struct kvf_entry e = kvf_mem_entry(t->items[i]);

		f->entries += !kvf_mem_is_version(t, &e);
	}
	return KVF_OK;
}

static enum kvf_status scan(struct kvf_store *base, enum kvf_scan which,
			    const struct kvf_entry *from, struct kvf_cursor **out,
			    struct kvf_err *err)
{
	struct kvf_mem_table *t = kvf_mem_table_for(((struct memory *)base)->data, which);
	struct memory_cursor *c;
	int found;

	if (!t && which != KVF_SCAN_LIVE)
		return not_found("there is no such generation", err);
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
		c->at = from ? kvf_mem_find(t, from, &found) : 0;
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
		*entry = kvf_mem_entry(c->items[c->at++]);
		if (!kvf_mem_is_version(c->of, entry))
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
	struct kvf_mem_table *table = kvf_mem_table_for(((struct memory *)base)->data, which);
	size_t i;

	if (!table && which != KVF_SCAN_LIVE)
		return not_found("there is no such generation", err);
	for (i = 0; table && i < table->len; i++) {
		struct kvf_entry e = kvf_mem_entry(table->items[i]);

		if (!kvf_mem_is_version(table, &e))
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
	struct kvf_mem_table *t = kvf_mem_table_for(s->data, KVF_SCAN_LIVE);
	const struct kvf_entry want = { part, key, { NULL, 0 } };
	int found = 0;
	size_t at = t ? kvf_mem_find(t, &want, &found) : 0;

	if (!found)
		return not_found("not found", err);
	return hand_out(s, kvf_mem_entry(t->items[at]).value, value, err);
}

static enum kvf_status unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			    uint64_t n, struct kvf_bytes *out, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct kvf_mem_table *t = kvf_mem_table_for(s->data, which);
	struct kvf_mem_unit *u;

	for (u = t ? t->units : NULL; u; u = u->next)
		if (u->n == n && strcmp(u->name, name) == 0)
			return hand_out(s, kvf_mem_bytes(u->bytes, u->len), out, err);
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
	struct kvf_mem_data *d = s->data;
	int64_t now = kvf_now_us();

	if (d->c.epoch != s->base.epoch || d->c.state != state) {
		forget_pending(s);
		return kvf_store_superseded(&d->c, err);
	}
	/* Every beat is another one, also within a microsecond. */
	d->c.beat = now > d->c.beat ? now : d->c.beat + 1;
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
	struct kvf_mem_data *d = s->data;
	const struct kvf_control before = d->c;
	struct kvf_mem_table *t = NULL;
	struct kvf_mem_line *line = NULL;
	uint64_t epoch = seen + 1;
	enum kvf_status st;

	if (d->c.epoch != seen || (seen && d->c.active != claim->active))
		return kvf_store_held(&d->c, err);
	st = kvf_mem_early_begin(d, claim, &epoch, err);
	if (st)
		return st;
	if (claim->resume && (d->c.state == KVF_RUN_STAGING || d->c.state == KVF_RUN_SEALED))
		t = kvf_mem_table_for(d, KVF_SCAN_STAGE);
	if (claim->row && !(line = kvf_mem_line_new(claim->row))) {
		d->c = before;
		return kvf_fail_nomem(err);
	}
	if (!t || !kvf_claim_continues(claim, &t->g))
		t = kvf_mem_stage_new(d, claim, epoch);
	if (!t) {
		d->c = before;
		if (line)
			kvf_mem_line_free(line);
		return kvf_fail_nomem(err);
	}
	if (line)
		kvf_mem_append(d, line);
	forget_pending(s);
	memset(&s->merge, 0, sizeof(s->merge));
	d->has_control = 1;
	d->c.epoch = base->epoch = epoch;
	d->c.stage = t->g.gen;
	d->c.state = KVF_RUN_STAGING;
	d->c.lease = claim->lease;
	cut(d->c.step, sizeof(d->c.step), "load");
	t->g.has_root = 0; /* what was sealed is open again */
	if (claim->has_root) {
		memcpy(t->g.promised, claim->root, sizeof(t->g.promised));
		t->g.has_promised = 1;
	}
	cut(d->c.run, sizeof(d->c.run), claim->run);
	cut(d->c.host, sizeof(d->c.host), claim->host);
	cut(d->c.tool, sizeof(d->c.tool), claim->tool);
	if (claim->frozen)
		cut(d->c.frozen, sizeof(d->c.frozen), claim->frozen);
	d->c.pid = claim->pid;
	d->c.pid_start = claim->pid_start;
	d->c.started = d->c.beat = claim->now;
	d->c.why[0] = '\0';
	cut(t->g.run, sizeof(t->g.run), claim->run);
	cut(t->g.tool, sizeof(t->g.tool), claim->tool);
	return KVF_OK;
}

static enum kvf_status beat(struct kvf_store *base, const char *step, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	enum kvf_status st = guard(
		s, base->phase == KVF_PHASE_SEALED ? KVF_RUN_SEALED : KVF_RUN_STAGING, err);

	if (!st)
		cut(s->data->c.step, sizeof(s->data->c.step), step);
	return st;
}

static enum kvf_status stage(struct kvf_store *base, int copy_live, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct kvf_mem_data *d = s->data;
	struct kvf_mem_table *live = kvf_mem_table_for(d, KVF_SCAN_LIVE),
			     *t = kvf_mem_table_for(d, KVF_SCAN_STAGE);
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);
	size_t i;

	if (st)
		return st;
	kvf_mem_drop_orphans(d);
	s->copy_live = copy_live;
	for (i = 0; copy_live && live && i < live->len && !st; i++) {
		struct kvf_entry e = kvf_mem_entry(live->items[i]);
		struct kvf_mem_item *it;

		if (kvf_mem_is_version(live, &e) || kvf_mem_is_version(t, &e))
			continue;
		it = kvf_mem_item_new(&e);
		st = it ? kvf_mem_insert(t, t->len, it, err) : kvf_fail_nomem(err);
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
	enum kvf_status st = kvf_mem_grow(&s->pending, s->npending, &s->pending_size, err);
	struct kvf_mem_item *it;

	if (st)
		return st;
	it = kvf_mem_item_new(e);
	if (!it)
		return kvf_fail_nomem(err);
	s->pending[s->npending++] = it;
	return KVF_OK;
}

static enum kvf_status chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			     struct kvf_bytes marks, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct kvf_merge_stats merge = s->merge;
	struct kvf_mem_table *t;
	struct kvf_mem_chunk *c, **at;
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);

	if (st)
		return st;
	c = malloc(sizeof(*c) + marks.len);
	if (!c) {
		forget_pending(s);
		return kvf_fail_nomem(err);
	}
	c->info = *info;
	c->len = marks.len;
	if (marks.len)
		memcpy(c->marks, marks.ptr, marks.len);
	t = kvf_mem_table_for(s->data, KVF_SCAN_STAGE);
	st = kvf_mem_move(t, s->pending, s->npending, s->copy_live ? &merge : NULL, err);
	if (st) {
		forget_pending(s);
		free(c);
		return st;
	}
	s->npending = 0;
	s->merge = merge;
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
	struct kvf_mem_table *t = kvf_mem_table_for(s->data, KVF_SCAN_STAGE);
	enum kvf_status st = guard(s, KVF_RUN_STAGING, err);
	struct kvf_mem_unit *u, *old, **at;

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
	for (at = &t->units; *at; at = &(*at)->next)
		if ((*at)->n == n && strcmp((*at)->name, name) == 0)
			break;
	old = *at;
	u->next = old ? old->next : NULL;
	*at = u;
	free(old);
	return KVF_OK;
}

static enum kvf_status flush(struct kvf_store *base, struct kvf_err *err)
{
	return guard((struct memory *)base, KVF_RUN_STAGING, err);
}

static void merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m)
{
	*m = ((const struct memory *)base)->merge;
}

static enum kvf_status seal(struct kvf_store *base, const uint8_t root[32],
			    const struct kvf_totals *t, int exact_packages, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct kvf_mem_table *table = kvf_mem_table_for(s->data, KVF_SCAN_STAGE);
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

static enum kvf_status note_frozen(struct kvf_store *base, const char *place,
				   struct kvf_err *err)
{
	struct kvf_mem_data *d = ((struct memory *)base)->data;

	if (!d->has_control)
		return not_found("the store holds nothing of kvferry's", err);
	cut(d->c.frozen, sizeof(d->c.frozen), place);
	return KVF_OK;
}

/* ---- commit -------------------------------------------------------------------- */

static enum kvf_status commit(struct kvf_store *base, uint64_t schema, struct kvf_bytes done,
			      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	struct kvf_mem_data *d = s->data;
	struct kvf_mem_table *t = kvf_mem_table_for(d, KVF_SCAN_STAGE),
			     *live = kvf_mem_table_for(d, KVF_SCAN_LIVE);
	enum kvf_status st = guard(s, KVF_RUN_SEALED, err);
	struct kvf_mem_item *record = NULL;
	struct kvf_entry e;
	struct kvf_mem_line *l;
	int found;

	if (!st)
		st = kvf_store_last_look(base, err);
	if (st)
		return st;
	l = kvf_mem_line_new(row);
	if (!l)
		return kvf_fail_nomem(err);
	e.part = kvf_mem_bytes(t->g.version_part, t->g.version_part_len);
	e.key = kvf_mem_bytes(t->g.version_key, t->g.version_key_len);
	e.value = done;
	if (e.key.len && done.len) { /* the last thing that can fail */
		record = kvf_mem_item_new(&e);
		st = record ? kvf_mem_insert(t, kvf_mem_find(t, &e, &found), record, err)
			    : kvf_fail_nomem(err);
		if (st) {
			free(record);
			kvf_mem_line_free(l);
			return st;
		}
	}
	d->c.prev = live && live->len && !d->c.early ? d->c.active : 0;
	d->c.prev_legacy = d->c.prev             ? KVF_PREV_KEPT
			   : live && !d->c.early ? KVF_PREV_EMPTY
						 : KVF_PREV_NOTHING;
	d->c.early = KVF_EARLY_NONE;
	d->c.active = t->g.gen;
	d->c.stage = 0;
	d->c.ver = t->g.ver = schema;
	t->g.published = kvf_now_us();
	d->c.state = KVF_RUN_LIVE;
	d->c.run[0] = d->c.why[0] = d->c.step[0] = '\0';
	d->c.lease = 0;
	kvf_mem_append(d, l);
	return KVF_OK;
}

static enum kvf_status gc(struct kvf_store *base, struct kvf_err *err)
{
	struct memory *s = (struct memory *)base;
	enum kvf_status st = guard(s, KVF_RUN_LIVE, err);

	if (!st)
		kvf_mem_drop_orphans(s->data);
	return st;
}

static void note_failure(struct kvf_store *base, const char *why)
{
	struct kvf_mem_data *d = ((struct memory *)base)->data;

	forget_pending((struct memory *)base);
	if (d->c.epoch != base->epoch ||
	    (d->c.state != KVF_RUN_STAGING && d->c.state != KVF_RUN_SEALED))
		return;
	cut(d->c.why, sizeof(d->c.why), why);
	d->c.lease = 0;
}

/* ---- the handle ---------------------------------------------------------------- */

static void close_store(struct kvf_store *base)
{
	struct memory *s = (struct memory *)base;
	struct kvf_mem_data *d = s->data;

	forget_pending(s);
	free(s->pending);
	kvf_buf_release(&s->value);
	free(s);
	if (--d->handles)
		return;
	d->c.stage = d->c.active = d->c.prev = 0;
	kvf_mem_drop_orphans(d);
	while (d->ledger) {
		struct kvf_mem_line *l = d->ledger;

		d->ledger = l->next;
		kvf_mem_line_free(l);
	}
	free(d);
}

static const struct kvf_store_ops ops = {
	.close = close_store,
	.inspect = inspect,
	.control = kvf_mem_control,
	.generation = kvf_mem_generation,
	.scan = scan,
	.cursor_next = cursor_next,
	.cursor_close = cursor_close,
	.totals = totals,
	.get = get,
	.unit = unit,
	.acquire = acquire,
	.beat = beat,
	.stage = stage,
	.put = put,
	.chunk = chunk,
	.keep_unit = keep_unit,
	.flush = flush,
	.progress = kvf_mem_progress,
	.applied = kvf_mem_applied,
	.merge_stats = merge_stats,
	.seal = seal,
	.commit = commit,
	.gc = gc,
	.note_frozen = note_frozen,
	.note_failure = note_failure,
	.ledger_append = kvf_mem_ledger_append,
	.ledger_next = kvf_mem_ledger_next,
	.abort = kvf_mem_abort,
	.marks = kvf_mem_marks,
	.rollback = kvf_mem_rollback,
	.sweep = kvf_mem_sweep,
	.leftovers = kvf_mem_leftovers,
	.cleanup = kvf_mem_cleanup,
	.legacy = kvf_mem_legacy,
};

static enum kvf_status open_on(struct kvf_mem_data *d, const struct kvf_env *env,
			       struct kvf_store **out, struct kvf_err *err)
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
	struct kvf_mem_data *d = calloc(1, sizeof(*d));
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
