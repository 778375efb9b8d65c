/* tables_rows - entries of exactly carried tables as rows again. */
#include "migrate/tables.h"

#include "value/msgpack.h"

#include <string.h>

static enum kvf_status no_row(const struct kvf_table *t, const struct kvf_entry *e,
			      const char *why, struct kvf_err *err)
{
	char name[160], key[240];

	kvf_bytes_print(kvf_bytes_str(t->name), name, sizeof(name));
	kvf_bytes_print(e->key, key, sizeof(key));
	kvf_fail(err, KVF_ESTREAM, "table \"%s\", key %s: %s", name, key, why);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Export the tables again: this stream was not made by an export.");
	return KVF_ESTREAM;
}

/* The value is a map of all columns, in their order. */
static enum kvf_status read_row(const struct kvf_table *t, const struct kvf_entry *e,
				struct kvf_cell *cells, struct kvf_err *err)
{
	struct kvf_unpack u;
	struct kvf_object o;
	size_t i;

	kvf_unpack_init(&u, e->value);
	if (kvf_unpack_next(&u, &o, NULL) || o.type != KVF_OBJECT_MAP || o.u.n != t->ncolumns)
		return no_row(t, e, "the value is no map of the table's columns", err);
	for (i = 0; i < t->ncolumns; i++) {
		if (kvf_unpack_next(&u, &o, NULL) || o.type != KVF_OBJECT_STR ||
		    kvf_bytes_cmp(o.u.b, kvf_bytes_str(t->columns[i].name)) != 0)
			return no_row(t, e, "the row has other columns than the table", err);
		if (kvf_unpack_cell(&u, &cells[i], NULL))
			return no_row(t, e, "the row has something that is no cell", err);
	}
	if (kvf_unpack_next(&u, &o, NULL) != KVF_EOF)
		return no_row(t, e, "there is something behind the row", err);
	return KVF_OK;
}

enum kvf_status kvf_tables_end_rows(struct kvf_tables_run *run, struct kvf_err *err)
{
	struct kvf_restore *r = run->restore;
	size_t current = run->current;

	run->current = SIZE_MAX;
	return current == SIZE_MAX ? KVF_OK : r->ops->end_rows(r, &r->tables[current], err);
}

/* Which table is the partition?  Tables and entries come in the same order. */
static enum kvf_status find_table(struct kvf_tables_run *run, const struct kvf_entry *e,
				  struct kvf_err *err)
{
	const struct kvf_begin *b = run->begin;
	size_t i;

	for (i = 0; i < b->ntables; i++, run->last = (run->last + 1) % b->ntables)
		if (kvf_bytes_cmp(e->part, kvf_bytes_str(b->tables[run->last].name)) == 0)
			return KVF_OK;
	kvf_fail(err, KVF_ESTREAM, "an entry is of a table that the stream does not describe");
	kvf_err_detail(err, "Nothing was changed.");
	return KVF_ESTREAM;
}

static enum kvf_status put(struct kvf_tables_run *run, const struct kvf_entry *e,
			   struct kvf_err *err)
{
	struct kvf_restore *r = run->restore;
	const struct kvf_table *t;
	size_t chosen;
	enum kvf_status st = find_table(run, e, err);

	if (st)
		return st;
	t = &run->begin->tables[run->last];
	chosen = run->chosen[run->last];
	if (chosen == SIZE_MAX)
		return KVF_OK;
	if (chosen != run->current) {
		st = kvf_tables_end_rows(run, err);
		if (!st)
			st = r->ops->begin_rows(r, &r->tables[chosen], err);
		if (st)
			return st;
		run->current = chosen;
		kvf_meter_at(&run->meter, t->name);
	}
	kvf_totals_add(&run->totals[chosen], e);
	st = read_row(t, e, run->cells, err);
	return st ? st : r->ops->put(r, &r->tables[chosen], run->cells, err);
}

enum kvf_status kvf_tables_put_chunk(struct kvf_tables_run *run, const struct kvf_chunk *chunk,
				     struct kvf_err *err)
{
	struct kvf_entry e;
	enum kvf_status st = KVF_OK;
	size_t at = 0;

	while (!st && kvf_chunk_next(chunk, &at, &e))
		st = put(run, &e, err);
	if (!st)
		kvf_meter_add(&run->meter, chunk->info.totals.entries,
			      chunk->info.totals.bytes);
	return st;
}
