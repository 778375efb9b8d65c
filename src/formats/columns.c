/* columns - which columns of a row a record reads. */
#include "formats/parse.h"

#include <string.h>

const struct kvf_def_let *kvf_def_find_let(const struct kvf_def_record *record, size_t upto,
					   const char *name)
{
	size_t i;

	for (i = upto; i-- > 0;)
		if (strcmp(record->lets[i].name, name) == 0)
			return &record->lets[i];
	return NULL;
}

/*
 * A walk over all mentions of columns.  It fills `names`, or, without room for
 * them, counts; counting asks a second walk for each mention whether it is the
 * first one of its name.
 */
struct collector {
	const struct kvf_def_record *record;
	const char **names;
	size_t n; /* names so far */
	size_t mentions;
	const char *wanted; /* second walk: look for this name ... */
	size_t found;       /* ... which is this mention; 0 = not yet */
};

static void walk(struct collector *c);

static int is_first(const struct collector *c, const char *name)
{
	struct collector second = { .record = c->record, .wanted = name };
	size_t i;

	if (c->names) {
		for (i = 0; i < c->n; i++)
			if (strcmp(c->names[i], name) == 0)
				return 0;
		return 1;
	}
	walk(&second);
	return second.found == c->mentions;
}

static void add_name(struct collector *c, size_t nlets, const char *name)
{
	if (kvf_def_find_let(c->record, nlets, name))
		return;
	c->mentions++;
	if (c->wanted) {
		if (!c->found && strcmp(c->wanted, name) == 0)
			c->found = c->mentions;
		return;
	}
	if (!is_first(c, name))
		return;
	if (c->names)
		c->names[c->n] = name;
	c->n++;
}

static void add_template(struct collector *c, size_t nlets, const struct kvf_def_template *t)
{
	size_t i;

	for (i = 0; i < t->npieces; i++)
		if (t->pieces[i].name)
			add_name(c, nlets, t->pieces[i].name);
}

static void add_fields(struct collector *c, const struct kvf_def_field *fields, size_t n)
{
	size_t all = c->record->nlets, i;

	for (i = 0; i < n; i++) {
		if (fields[i].from)
			add_template(c, all, fields[i].from);
		else if (!fields[i].is_const)
			add_fields(c, fields[i].fields, fields[i].nfields);
	}
}

static void add_operand(struct collector *c, const struct kvf_def_operand *x)
{
	if (x->type == KVF_OPERAND_NAME && x->name)
		add_name(c, c->record->nlets, x->name);
}

static void add_entry(struct collector *c, const struct kvf_def_entry *e)
{
	size_t all = c->record->nlets, i;

	for (i = 0; e->when && i < e->when->nnodes; i++) {
		add_operand(c, &e->when->nodes[i].x);
		add_operand(c, &e->when->nodes[i].y);
	}
	add_template(c, all, e->partition);
	add_template(c, all, e->key);
	if (e->value->from)
		add_template(c, all, e->value->from);
	else
		add_fields(c, e->value->fields, e->value->nfields);
}

static void walk(struct collector *c)
{
	size_t i, k;

	for (i = 0; i < c->record->nlets; i++)
		for (k = 0; k < c->record->lets[i].nalternatives; k++)
			add_template(c, i, &c->record->lets[i].alternatives[k]);
	for (i = 0; i < c->record->nentries; i++)
		add_entry(c, &c->record->entries[i]);
}

size_t kvf_def_columns(const struct kvf_def_record *record, const char **names)
{
	struct collector c = { .record = record, .names = names };

	walk(&c);
	return c.n;
}

/* What a template names: columns to the list, lets to the marks. */
static void add_names(struct collector *c, size_t nlets, const struct kvf_def_template *t,
		      uint8_t *marked)
{
	const struct kvf_def_let *let;
	size_t i;

	add_template(c, nlets, t);
	for (i = 0; i < t->npieces; i++) {
		let = t->pieces[i].name ? kvf_def_find_let(c->record, nlets, t->pieces[i].name)
					: NULL;
		if (let)
			marked[let - c->record->lets] = 1;
	}
}

size_t kvf_def_key_columns(const struct kvf_def_record *record, const char **names)
{
	struct collector c = { .record = record, .names = names };
	uint8_t marked[KVF_DEF_LIST_MAX] = { 0 };
	size_t i, k;

	for (i = 0; i < record->nentries; i++) {
		add_names(&c, record->nlets, record->entries[i].partition, marked);
		add_names(&c, record->nlets, record->entries[i].key, marked);
	}
	/* A let names those before it only. */
	for (i = record->nlets; i-- > 0;)
		for (k = 0; marked[i] && k < record->lets[i].nalternatives; k++)
			add_names(&c, i, &record->lets[i].alternatives[k], marked);
	return c.n;
}
