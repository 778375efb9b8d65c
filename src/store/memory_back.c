/* memory_back - the way back of a store in memory: abort, rollback, cleanup. */
#include "store/memory_data.h"

/* Is the store as the caller saw it, and nobody at work in it? */
static enum kvf_status settled(const struct kvf_mem_data *d, uint64_t seen, struct kvf_err *err)
{
	if (!d->has_control)
		return kvf_fail(err, KVF_ENOTFOUND, "the store holds nothing of kvferry's");
	if (d->c.epoch != seen || d->c.state == KVF_RUN_STAGING || d->c.state == KVF_RUN_SEALED)
		return kvf_store_held(&d->c, err);
	return KVF_OK;
}

/* LIVE if kvferry published what is active, else IDLE. */
static enum kvf_run_state state_of(const struct kvf_mem_data *d)
{
	const struct kvf_mem_table *t = kvf_mem_table_of(d, d->c.active);

	return t && t->g.published ? KVF_RUN_LIVE : KVF_RUN_IDLE;
}

static void settle(struct kvf_store *base, struct kvf_mem_line *line)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);

	base->epoch = ++d->c.epoch;
	d->c.run[0] = '\0';
	d->c.why[0] = '\0';
	kvf_mem_append(d, line);
}

enum kvf_status kvf_mem_abort(struct kvf_store *base, uint64_t seen,
			      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_line *line;

	if (!d->has_control || d->c.epoch != seen || !kvf_store_gives_up(&d->c))
		return kvf_store_held(&d->c, err);
	line = kvf_mem_line_new(row);
	if (!line)
		return kvf_fail_nomem(err);
	d->c.stage = 0;
	if (d->c.early)
		d->c.active = 0;
	d->c.early = KVF_EARLY_NONE;
	d->c.state = state_of(d);
	kvf_mem_drop_orphans(d);
	settle(base, line);
	return KVF_OK;
}

enum kvf_status kvf_mem_marks(struct kvf_store *base, uint64_t n, uint64_t i,
			      struct kvf_chunk_info *info, struct kvf_bytes *marks,
			      struct kvf_err *err)
{
	const struct kvf_mem_table *t = kvf_mem_table_for(kvf_mem_data_of(base), KVF_SCAN_LIVE);
	const struct kvf_mem_chunk *c;

	(void)err;
	for (c = t ? t->chunks : NULL; c; c = c->next)
		if (c->info.n > n || (c->info.n == n && c->info.i >= i)) {
			*info = c->info;
			*marks = kvf_mem_bytes(c->marks, c->len);
			return KVF_OK;
		}
	return KVF_EOF;
}

enum kvf_status kvf_mem_rollback(struct kvf_store *base, uint64_t seen,
				 const struct kvf_totals *live,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_table *to, *was;
	struct kvf_early_record record;
	struct kvf_mem_line *line;
	struct kvf_totals now;
	enum kvf_status st = settled(d, seen, err);

	if (st)
		return st;
	to = kvf_mem_table_for(d, KVF_SCAN_PREVIOUS);
	if (d->c.state != KVF_RUN_LIVE || (!to && !d->c.prev_legacy))
		return kvf_store_no_way_back(&d->c, err);
	st = kvf_store_totals(base, KVF_SCAN_LIVE, &now, err);
	if (st)
		return st;
	if (!kvf_totals_equal(&now, live))
		return kvf_store_written(live, &now, err);
	line = kvf_mem_line_new(row);
	if (!line)
		return kvf_fail_nomem(err);
	was = kvf_mem_table_for(d, KVF_SCAN_LIVE);
	record = kvf_early_of_generation(&was->g, kvf_early_after(&d->c, &was->g));
	if (record.kind) {
		st = kvf_mem_early_set(d, &record, d->c.epoch + 1, err);
		if (st) {
			kvf_mem_line_free(line);
			return st;
		}
	} else {
		d->c.active = to ? to->g.gen : 0;
	}
	d->c.ver = to ? to->g.ver : 0;
	d->c.prev = 0;
	d->c.prev_legacy = KVF_PREV_KEPT;
	d->c.state = state_of(d);
	settle(base, line);
	return KVF_OK;
}

enum kvf_status kvf_mem_sweep(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	enum kvf_status st = settled(d, d->c.epoch, err);

	if (!st)
		kvf_mem_drop_orphans(d);
	return st;
}

enum kvf_status kvf_mem_leftovers(struct kvf_store *base, struct kvf_leftovers *l,
				  struct kvf_err *err)
{
	const struct kvf_mem_data *d = kvf_mem_data_of(base);
	const struct kvf_mem_table *t;
	const struct kvf_mem_chunk *c;
	size_t i;

	(void)err;
	l->way_back = d->c.state == KVF_RUN_LIVE && (d->c.prev || d->c.prev_legacy);
	for (t = d->tables; t; t = t->next) {
		if (t->g.gen == d->c.active) {
			for (c = t->chunks; c; c = c->next)
				l->marks += c->len;
			continue;
		}
		l->generations++;
		l->entries += t->len;
		for (i = 0; i < t->len; i++)
			l->bytes += t->items[i]->part + t->items[i]->key + t->items[i]->value;
	}
	return KVF_OK;
}

enum kvf_status kvf_mem_cleanup(struct kvf_store *base, uint64_t seen,
				const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_table *live;
	struct kvf_mem_line *line;
	struct kvf_mem_chunk *c;
	enum kvf_status st = settled(d, seen, err);

	if (st)
		return st;
	line = kvf_mem_line_new(row);
	if (!line)
		return kvf_fail_nomem(err);
	d->c.prev = 0;
	d->c.prev_legacy = KVF_PREV_KEPT;
	kvf_mem_drop_orphans(d);
	live = kvf_mem_table_for(d, KVF_SCAN_LIVE);
	for (c = live ? live->chunks : NULL; c; c = c->next)
		c->len = 0;
	settle(base, line);
	return KVF_OK;
}

enum kvf_status kvf_mem_legacy(struct kvf_store *base, uint64_t seen, enum kvf_legacy to,
			       const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_line *line;
	enum kvf_status st = settled(d, seen, err);

	if (!st && d->c.state != KVF_RUN_LIVE)
		st = kvf_store_no_way_back(&d->c, err);
	if (st)
		return st;
	line = kvf_mem_line_new(row);
	if (!line)
		return kvf_fail_nomem(err);
	d->c.legacy = to;
	d->c.prev_legacy = KVF_PREV_KEPT;
	settle(base, line);
	return KVF_OK;
}
