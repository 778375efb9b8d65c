/* bind - the columns that a definition names, in the shapes that a source has. */
#include "formats/program.h"
#include "formats/yaml.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Where the record mentions the column first: for the message. */
static struct kvf_pos place_in_template(const struct kvf_def_template *t, const char *name)
{
	static const struct kvf_pos nowhere;
	size_t i;

	for (i = 0; t && i < t->npieces; i++)
		if (t->pieces[i].name && strcmp(t->pieces[i].name, name) == 0)
			return t->pieces[i].pos;
	return nowhere;
}

static struct kvf_pos place_in_fields(const struct kvf_def_field *fields, size_t n,
				      const char *name)
{
	struct kvf_pos pos = { NULL, 0, 0 };
	size_t i;

	for (i = 0; !pos.file && i < n; i++)
		pos = fields[i].from
			      ? place_in_template(fields[i].from, name)
			      : place_in_fields(fields[i].fields, fields[i].nfields, name);
	return pos;
}

static struct kvf_pos place_in_entry(const struct kvf_def_entry *e, const char *name)
{
	struct kvf_pos pos = { NULL, 0, 0 };
	size_t i;

	for (i = 0; e->when && !pos.file && i < e->when->nnodes; i++) {
		const struct kvf_def_expr_node *node = &e->when->nodes[i];

		if (node->x.name && strcmp(node->x.name, name) == 0)
			pos = node->x.pos;
		else if (node->y.name && strcmp(node->y.name, name) == 0)
			pos = node->y.pos;
	}
	if (!pos.file)
		pos = place_in_template(e->partition, name);
	if (!pos.file)
		pos = place_in_template(e->key, name);
	if (!pos.file)
		pos = place_in_template(e->value->from, name);
	if (!pos.file && !e->value->from)
		pos = place_in_fields(e->value->fields, e->value->nfields, name);
	return pos;
}

static struct kvf_pos place_of(const struct kvf_def_record *def, const char *name)
{
	struct kvf_pos pos = { NULL, 0, 0 };
	size_t i, k;

	for (i = 0; i < def->nlets; i++)
		for (k = 0; !pos.file && k < def->lets[i].nalternatives; k++)
			pos = place_in_template(&def->lets[i].alternatives[k], name);
	for (i = 0; !pos.file && i < def->nentries; i++)
		pos = place_in_entry(&def->entries[i], name);
	return pos.file ? pos : def->pos;
}

static enum kvf_status unknown_column(const struct kvf_prog_record *r, const char *name,
				      const struct kvf_table *shape, struct kvf_err *err)
{
	const char **names = calloc(shape->ncolumns + r->def->nlets + 1, sizeof(*names));
	const char *near = NULL;
	size_t i;

	kvf_def_fail(err, place_of(r->def, name), "the row of record %s has no column \"%s\"",
		     r->def->name, name);
	for (i = 0; names && i < shape->ncolumns; i++)
		names[i] = shape->columns[i].name;
	for (i = 0; names && i < r->def->nlets; i++)
		names[shape->ncolumns + i] = r->def->lets[i].name;
	if (names)
		near = kvf_did_you_mean(name, names, shape->ncolumns + r->def->nlets);
	if (near)
		kvf_err_hint(err, "Did you mean \"%s\"?", near);
	free(names);
	return KVF_EDEFINITION;
}

static enum kvf_status bind_record(struct kvf_prog_record *r, const struct kvf_table *shape,
				   struct kvf_err *err)
{
	size_t i, k, found = 0;

	for (i = 0; i < r->ncolumns; i++) {
		size_t count = 0;

		for (k = 0; k < shape->ncolumns; k++)
			if (strcmp(shape->columns[k].name, r->columns[i]) == 0) {
				found = k;
				count++;
			}
		if (count == 0)
			return unknown_column(r, r->columns[i], shape, err);
		if (count > 1)
			return kvf_def_fail(
				err, place_of(r->def, r->columns[i]),
				"the query of record %s yields the column \"%s\" twice",
				r->def->name, r->columns[i]);
		/* Of a table only the columns in r->columns are read, in that order. */
		r->cell_of[i] = (uint32_t)(r->def->table ? i : found);
	}
	r->ncells = r->def->table && r->ncolumns ? r->ncolumns : shape->ncolumns;
	r->bound = 1;
	return KVF_OK;
}

enum kvf_status kvf_formats_bind(struct kvf_formats *f,
				 const struct kvf_table *const *const *shapes,
				 struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t p, r;

	for (p = 0; p < f->def.npackages; p++)
		for (r = 0;
		     shapes[p] && r < f->def.packages[p].nrecords + f->def.packages[p].nsides;
		     r++) {
			if (shapes[p][r])
				st = bind_record(&f->programs[p].records[r], shapes[p][r], err);
			if (st)
				return st;
		}
	return KVF_OK;
}
