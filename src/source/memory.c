/*
 * memory - tables that a caller holds in memory: for tests and for embedding.
 *
 * There is no SQL here: records name a table and perhaps its columns.  A
 * record is read in as many parts as it has rows, if somebody wants that.
 */
#include "source/driver.h"

#include <stdlib.h>
#include <string.h>

struct memory {
	struct kvf_source base;
	const struct kvf_memory_table *given;
	struct kvf_table *shapes; /* ascending by name */
	size_t n;
	const struct kvf_record *planned; /* the record that was planned last */
	unsigned parts;
};

struct memory_rows {
	struct kvf_rows base;
	const struct kvf_cell *at, *end; /* whole rows of the table */
	size_t stride;                   /* columns of the table */
	struct kvf_cell *picked;         /* when the record wants some of them */
	size_t *columns;
};

static const struct kvf_memory_table *find_given(const struct memory *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (strcmp(m->given[i].shape.name, name) == 0)
			return &m->given[i];
	return NULL;
}

static enum kvf_status find_table(const struct memory *m, const struct kvf_record *record,
				  const struct kvf_memory_table **out, struct kvf_err *err)
{
	const char **names;
	enum kvf_status st;
	size_t i;

	if (record->query || record->where) {
		kvf_fail(err, KVF_EDEFINITION, "record %s: tables in memory know no SQL",
			 record->name);
		return KVF_EDEFINITION;
	}
	*out = find_given(m, record->table);
	if (*out)
		return KVF_OK;
	names = calloc(m->n + 1, sizeof(*names));
	if (!names)
		return kvf_fail_nomem(err);
	for (i = 0; i < m->n; i++)
		names[i] = m->shapes[i].name;
	st = kvf_source_unknown_table(record->table, names, m->n, err);
	free(names);
	return st;
}

static enum kvf_status memory_tables(struct kvf_source *s, const struct kvf_table **tables,
				     size_t *n, struct kvf_err *err)
{
	struct memory *m = (struct memory *)s;

	(void)err;
	*tables = m->shapes;
	*n = m->n;
	return KVF_OK;
}

static enum kvf_status memory_describe(struct kvf_source *s, const struct kvf_record *record,
				       const struct kvf_table **shape, struct kvf_err *err)
{
	struct memory *m = (struct memory *)s;
	const struct kvf_memory_table *t = NULL;
	enum kvf_status st = find_table(m, record, &t, err);
	size_t i;

	for (i = 0; !st && i < m->n; i++)
		if (strcmp(m->shapes[i].name, t->shape.name) == 0)
			*shape = &m->shapes[i];
	return st;
}

static enum kvf_status memory_count(struct kvf_source *s, const struct kvf_record *record,
				    uint64_t *rows, struct kvf_err *err)
{
	const struct kvf_memory_table *t = NULL;
	enum kvf_status st = find_table((struct memory *)s, record, &t, err);

	if (!st)
		*rows = t->nrows;
	return st;
}

static enum kvf_status memory_scalar(struct kvf_source *s, const char *sql, char *buf,
				     size_t size, struct kvf_err *err)
{
	(void)s;
	(void)sql;
	(void)buf;
	(void)size;
	return kvf_fail(err, KVF_EDEFINITION, "tables in memory know no SQL");
}

static enum kvf_status memory_plan(struct kvf_source *s, const struct kvf_record *record,
				   unsigned *parts, struct kvf_err *err)
{
	struct memory *m = (struct memory *)s;
	const struct kvf_memory_table *t = NULL;
	enum kvf_status st = find_table(m, record, &t, err);

	if (st)
		return st;
	if (*parts > t->nrows)
		*parts = t->nrows ? (unsigned)t->nrows : 1;
	m->planned = record;
	m->parts = *parts;
	return KVF_OK;
}

/* Small parts have two rows. */
static enum kvf_status memory_plan_small(struct kvf_source *s, const struct kvf_record *record,
					 unsigned *at_once, unsigned *parts,
					 struct kvf_err *err)
{
	const struct kvf_memory_table *t = NULL;
	enum kvf_status st = find_table((struct memory *)s, record, &t, err);

	(void)at_once; /* any number of threads may read them */
	if (st)
		return st;
	*parts = t->nrows > 2 ? (unsigned)(t->nrows / 2) : 1;
	return memory_plan(s, record, parts, err);
}

/* Which of the table's columns the record wants. */
static enum kvf_status pick_columns(struct memory_rows *r, const struct kvf_record *record,
				    const struct kvf_table *shape, struct kvf_err *err)
{
	size_t i, k;

	r->columns = calloc(record->ncolumns, sizeof(*r->columns));
	r->picked = calloc(record->ncolumns, sizeof(*r->picked));
	if (!r->columns || !r->picked)
		return kvf_fail_nomem(err);
	for (i = 0; i < record->ncolumns; i++) {
		for (k = 0; k < shape->ncolumns; k++)
			if (strcmp(shape->columns[k].name, record->columns[i]) == 0)
				break;
		if (k == shape->ncolumns)
			return kvf_fail(err, KVF_EDEFINITION, "\"%s\" has no column \"%s\"",
					shape->name, record->columns[i]);
		r->columns[i] = k;
	}
	return KVF_OK;
}

static void memory_rows_close(struct kvf_rows *rows)
{
	struct memory_rows *r = (struct memory_rows *)rows;

	free(r->columns);
	free(r->picked);
	free(r);
}

static enum kvf_status memory_rows_open(struct kvf_source *s, const struct kvf_record *record,
					unsigned part, struct kvf_rows **out,
					struct kvf_err *err)
{
	const struct memory *m = (const struct memory *)s;
	const struct kvf_memory_table *t = NULL;
	unsigned parts = m->planned == record ? m->parts : 1;
	enum kvf_status st = find_table(m, record, &t, err);
	struct memory_rows *r;
	size_t from, to;

	if (st)
		return st;
	if (part >= parts)
		return kvf_fail(err, KVF_EUSAGE, "there are %u parts, not %u", parts, part + 1);
	r = calloc(1, sizeof(*r));
	if (!r)
		return kvf_fail_nomem(err);
	from = t->nrows / parts * part + (part < t->nrows % parts ? part : t->nrows % parts);
	to = from + t->nrows / parts + (part < t->nrows % parts);
	r->stride = t->shape.ncolumns;
	if (t->nrows) {
		r->at = t->cells + from * r->stride;
		r->end = t->cells + to * r->stride;
	}
	r->base.row.ncells = record->ncolumns ? record->ncolumns : r->stride;
	if (record->ncolumns)
		st = pick_columns(r, record, &t->shape, err);
	if (st) {
		memory_rows_close(&r->base);
		return st;
	}
	*out = &r->base;
	return KVF_OK;
}

static enum kvf_status memory_rows_next(struct kvf_rows *rows, struct kvf_err *err)
{
	struct memory_rows *r = (struct memory_rows *)rows;
	size_t i;

	(void)err;
	if (r->at == r->end)
		return KVF_EOF;
	rows->row.cells = r->at;
	if (r->picked) {
		for (i = 0; i < rows->row.ncells; i++)
			r->picked[i] = r->at[r->columns[i]];
		rows->row.cells = r->picked;
	}
	r->at += r->stride;
	return KVF_OK;
}

static enum kvf_status memory_changed(struct kvf_source *s, int *changed, struct kvf_err *err)
{
	(void)s;
	(void)err;
	*changed = 0;
	return KVF_OK;
}

static const char *memory_identity(const struct kvf_source *s)
{
	(void)s;
	return "tables in memory";
}

static int memory_is_place(const struct kvf_source *s, const char *scheme, const char *rest)
{
	(void)s;
	(void)scheme;
	(void)rest;
	return 0;
}

static void memory_close(struct kvf_source *s)
{
	struct memory *m = (struct memory *)s;

	free(m->shapes);
	free(m);
}

static const struct kvf_source_driver memory_driver = {
	.tables = memory_tables,
	.describe = memory_describe,
	.count = memory_count,
	.scalar = memory_scalar,
	.plan = memory_plan,
	.plan_small = memory_plan_small,
	.rows_open = memory_rows_open,
	.rows_next = memory_rows_next,
	.rows_close = memory_rows_close,
	.changed = memory_changed,
	.identity = memory_identity,
	.is_place = memory_is_place,
	.close = memory_close,
};

static int by_name(const void *a, const void *b)
{
	const struct kvf_table *x = a, *y = b;

	return strcmp(x->name, y->name);
}

enum kvf_status kvf_source_memory(const struct kvf_memory_table *tables, size_t n,
				  const struct kvf_env *env, struct kvf_source **out,
				  struct kvf_err *err)
{
	struct memory *m = calloc(1, sizeof(*m));
	size_t i;

	*out = NULL;
	if (m)
		m->shapes = calloc(n + 1, sizeof(*m->shapes));
	if (!m || !m->shapes) {
		free(m);
		return kvf_fail_nomem(err);
	}
	kvf_source_init(&m->base, &memory_driver, env);
	m->given = tables;
	m->n = n;
	for (i = 0; i < n; i++) {
		m->shapes[i] = tables[i].shape;
		m->shapes[i].rows = tables[i].nrows;
		m->shapes[i].rows_exact = 1;
	}
	if (n)
		qsort(m->shapes, n, sizeof(*m->shapes), by_name);
	*out = &m->base;
	return KVF_OK;
}
