/*
 * tables_prove - is what was written what the stream held?
 *
 * The tables are read by the source of an export, in the transaction that wrote
 * them, and turned into entries as an export would do it.  Their count, bytes
 * and multiset digest are compared with those of the stream, table by table.
 * A generated column that the database computes otherwise shows here, too.
 */
#include "migrate/tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct proof {
	struct kvf_tables_run *run;
	struct kvf_source *source;
	struct kvf_application *exact; /* over the stream's shapes */
	struct kvf_sink sink;
	struct kvf_sorter *sorter; /* counts equal rows of a table without a key */
	struct kvf_totals totals;  /* of the table being read */
	char scratch_dir[4096];
};

static enum kvf_status take(void *ctx, const struct kvf_entry *entry, unsigned flags,
			    struct kvf_err *err)
{
	struct proof *p = ctx;
	struct kvf_origin origin = { 0, 0 };
	enum kvf_status st = KVF_OK;

	if (!flags) {
		kvf_totals_add(&p->totals, entry);
		return KVF_OK;
	}
	if (!p->sorter)
		st = kvf_sorter_new(kvf_memory_budget(p->run->env),
				    kvf_scratch_dir(p->run->o->target, p->run->env,
						    p->scratch_dir, sizeof(p->scratch_dir)),
				    p->run->env, &p->sorter, err);
	return st ? st : kvf_sorter_put(p->sorter, entry, flags, origin, err);
}

/* Rows without a key have an ordinal among equal ones. */
static enum kvf_status take_sorted(struct proof *p, struct kvf_err *err)
{
	struct kvf_origin origin;
	struct kvf_entry e;
	enum kvf_status st;

	if (!p->sorter)
		return KVF_OK;
	st = kvf_sorter_finish(p->sorter, err);
	while (!st && !(st = kvf_sorter_next(p->sorter, &e, &origin, err)))
		kvf_totals_add(&p->totals, &e);
	kvf_sorter_free(p->sorter);
	p->sorter = NULL;
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status differs(const struct kvf_table *t, const struct kvf_totals *there,
			       const struct kvf_totals *stream, struct kvf_err *err)
{
	char name[200];
	int generated = 0;
	size_t i;

	for (i = 0; i < t->ncolumns; i++)
		generated |= (t->columns[i].flags & KVF_COLUMN_GENERATED) != 0;
	kvf_bytes_print(kvf_bytes_str(t->name), name, sizeof(name));
	if (there->entries != stream->entries)
		kvf_fail(err, KVF_EMISMATCH,
			 "table \"%s\" has %" PRIu64 " rows, the stream %" PRIu64, name,
			 there->entries, stream->entries);
	else
		kvf_fail(err, KVF_EMISMATCH,
			 "table \"%s\", read back, is not what the stream holds", name);
	kvf_err_detail(err, "Everything was undone: nothing was changed.");
	kvf_err_hint(err,
		     generated ? "A generated column computes something else here, or the "
				 "database changes values on their way; --exclude-table leaves "
				 "the table out."
			       : "The database changes values on their way; --exclude-table "
				 "leaves the table out.");
	return KVF_EMISMATCH;
}

/* Cells as the stream has them, where the target keeps them in another way. */
static int map_back(const struct kvf_restore_table *t, const struct kvf_row *row,
		    struct kvf_cell *cells, struct kvf_row *out)
{
	size_t i;

	*out = *row;
	if (!t->back)
		return 1;
	memcpy(cells, row->cells, row->ncells * sizeof(*cells));
	out->cells = cells;
	for (i = 0; i < row->ncells; i++)
		if (!kvf_restore_map_back((enum kvf_restore_back)t->back[i], &cells[i]))
			return 0;
	return 1;
}

static enum kvf_status read_rows(struct proof *p, size_t i, const struct kvf_record *record,
				 struct kvf_err *err)
{
	struct kvf_restore_table *t = &p->run->restore->tables[i];
	const struct kvf_package *exact = p->exact->packages[0];
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_row mapped;
	unsigned parts = 1;
	enum kvf_status st = kvf_source_plan(p->source, record, &parts, err);

	if (!st)
		st = kvf_rows_open(p->source, record, 0, &rows, err);
	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		if (row->ncells != t->shape->ncolumns ||
		    !map_back(t, row, p->run->cells, &mapped))
			st = differs(t->shape, &p->totals, &p->run->totals[i], err);
		else
			st = exact->convert(exact, i, &mapped, &p->sink, err);
		if (!st && row->ordinal % 1024 == 0) {
			kvf_meter_add(&p->run->meter, 1024, 0);
			st = kvf_check_stop(p->run->env, err);
		}
	}
	kvf_rows_close(rows);
	return st == KVF_EOF ? take_sorted(p, err) : st;
}

static enum kvf_status prove_table(struct proof *p, size_t i, struct kvf_err *err)
{
	struct kvf_restore_table *t = &p->run->restore->tables[i];
	struct kvf_record record = { .name = t->place, .table = t->place };
	const struct kvf_table *there;
	enum kvf_status st = kvf_source_describe(p->source, &record, &there, err);

	memset(&p->totals, 0, sizeof(p->totals));
	kvf_meter_at(&p->run->meter, t->shape->name);
	if (!st)
		st = kvf_restore_same_shape(t, there, err);
	if (!st)
		st = read_rows(p, i, &record, err);
	if (!st && !kvf_totals_equal(&p->totals, &p->run->totals[i]))
		st = differs(t->shape, &p->totals, &p->run->totals[i], err);
	kvf_totals_merge(&p->run->report->right, &p->totals);
	return st;
}

/* The exact application over the shapes of the chosen tables. */
static enum kvf_status make_exact(struct proof *p, struct kvf_table **shapes,
				  struct kvf_err *err)
{
	struct kvf_restore *r = p->run->restore;
	size_t i;

	*shapes = calloc(r->ntables + 1, sizeof(**shapes));
	if (!*shapes)
		return kvf_fail_nomem(err);
	for (i = 0; i < r->ntables; i++)
		(*shapes)[i] = *r->tables[i].shape;
	return kvf_exact_application(*shapes, r->ntables, &p->exact, err);
}

enum kvf_status kvf_tables_prove(struct kvf_tables_run *run, struct kvf_err *err)
{
	const struct kvf_limits *lim = &run->head->lim;
	struct kvf_sink_caps caps = { lim->part, lim->key, lim->value };
	struct proof p = { .run = run };
	struct kvf_table *shapes = NULL;
	enum kvf_status st = run->restore->ops->source(run->restore, &p.source, err);
	size_t i;

	kvf_sink_init(&p.sink, &caps, take, &p);
	if (!st)
		st = make_exact(&p, &shapes, err);
	for (i = 0; i < run->restore->ntables && !st; i++)
		st = prove_table(&p, i, err);
	kvf_meter_send(&run->meter);
	kvf_sink_release(&p.sink);
	kvf_sorter_free(p.sorter);
	kvf_exact_application_free(p.exact);
	kvf_source_close(p.source);
	free(shapes);
	/* What the target says while it is read back is the target's failure. */
	if (st == KVF_ESOURCE || st == KVF_EDEFINITION)
		st = err->status = KVF_ETARGET;
	return st;
}
