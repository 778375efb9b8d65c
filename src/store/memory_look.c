/*
 * memory_look - what a store in memory says of itself: control row, generations,
 * progress, ledger.
 */
#include "store/memory_data.h"

enum kvf_status kvf_mem_control(struct kvf_store *base, struct kvf_control *c,
				struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_table *t;
	int staged;

	if (!d->has_control)
		return kvf_fail(err, KVF_ENOTFOUND, "the store holds nothing of kvferry's");
	*c = d->c;
	staged = c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
	t = kvf_mem_table_for(d, staged ? KVF_SCAN_STAGE : KVF_SCAN_LIVE);
	if (!t)
		return KVF_OK;
	kvf_control_of(c, &t->g);
	return KVF_OK;
}

enum kvf_status kvf_mem_generation(struct kvf_store *base, enum kvf_scan which,
				   struct kvf_generation *g, struct kvf_err *err)
{
	struct kvf_mem_table *t = kvf_mem_table_for(kvf_mem_data_of(base), which);

	if (!t)
		return kvf_fail(err, KVF_ENOTFOUND, "there is no such generation");
	*g = t->g;
	return KVF_OK;
}

enum kvf_status kvf_mem_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				 struct kvf_chunk_info *info, struct kvf_err *err)
{
	struct kvf_mem_table *t = kvf_mem_table_for(kvf_mem_data_of(base), KVF_SCAN_STAGE);
	struct kvf_mem_chunk *c;

	if (!t)
		return kvf_fail(err, KVF_ENOTFOUND, "nothing is staged");
	for (c = t->chunks; c; c = c->next)
		if (c->info.n > n || (c->info.n == n && c->info.i >= i)) {
			*info = c->info;
			return KVF_OK;
		}
	return KVF_EOF;
}

enum kvf_status kvf_mem_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				struct kvf_err *err)
{
	struct kvf_mem_table *table = kvf_mem_table_for(kvf_mem_data_of(base), KVF_SCAN_STAGE);
	struct kvf_mem_chunk *c;

	(void)err;
	for (c = table ? table->chunks : NULL; c; c = c->next) {
		++*chunks;
		t->entries += c->info.totals.entries;
		t->bytes += c->info.totals.bytes;
	}
	return KVF_OK;
}

/* ---- the ledger ---------------------------------------------------------------- */

enum kvf_status kvf_mem_ledger_append(struct kvf_store *base, uint64_t epoch,
				      const struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_line *l;

	if (!d->has_control)
		return kvf_fail(err, KVF_ENOTFOUND, "the store holds nothing of kvferry's");
	if (epoch && d->c.epoch != epoch)
		return kvf_store_superseded(&d->c, err);
	l = kvf_mem_line_new(row);
	if (!l)
		return kvf_fail_nomem(err);
	kvf_mem_append(d, l);
	return KVF_OK;
}

enum kvf_status kvf_mem_ledger_next(struct kvf_store *base, int64_t after,
				    struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_mem_data *d = kvf_mem_data_of(base);
	struct kvf_mem_line *l;

	if (!d->has_control)
		return kvf_fail(err, KVF_ENOTFOUND, "the store holds nothing of kvferry's");
	for (l = d->ledger; l; l = l->next)
		if (l->row.id > after) {
			*row = l->row;
			return KVF_OK;
		}
	return KVF_EOF;
}
