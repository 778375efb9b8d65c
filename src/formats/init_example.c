/*
 * init_example - the comment at the head of a first definition that shows, with
 * two tables of this very database where it has such a pair, how child rows
 * move into the value of their parent.
 */
#include <string.h>
#include <strings.h>

#include "formats/declared.h"
#include "formats/init.h"

#define FIELDS_SHOWN 4

struct family {
	const struct kvf_table *parent, *child;
	const struct kvf_column *link; /* of the child */
};

/* A column that is called as the parent's key, or "product_id" for product(s). */
static const struct kvf_column *link_of(const struct kvf_table *child,
					const struct kvf_table *parent)
{
	const char *key = parent->columns[parent->key[0]].name;

	for (size_t i = 0; i < child->ncolumns; i++) {
		const char *name = child->columns[i].name;
		size_t len = strlen(name);

		if (strcasecmp(key, "id") != 0 && !strcasecmp(name, key))
			return &child->columns[i];
		if (!strcasecmp(key, "id") && len > 3 && !strcasecmp(name + len - 3, "_id") &&
		    !strncasecmp(name, parent->name, len - 3) &&
		    (!parent->name[len - 3] || !strcasecmp(parent->name + len - 3, "s")))
			return &child->columns[i];
	}
	return NULL;
}

static int plain_names(const struct kvf_table *t)
{
	int plain = kvf_init_plain(t->name);

	for (size_t i = 0; plain && i < t->ncolumns; i++)
		plain = kvf_init_plain(t->columns[i].name);
	return plain;
}

/* Rather a child whose name begins with its parent's: Invoice, InvoiceLine. */
static int find_family(const struct kvf_table *tables, size_t n, struct family *f)
{
	int found = 0;

	for (size_t p = 0; p < n; p++)
		for (size_t c = 0; c < n; c++) {
			const struct kvf_column *link;

			if (c == p || tables[p].nkey != 1 || tables[c].ncolumns < 2 ||
			    !plain_names(&tables[p]) || !plain_names(&tables[c]))
				continue;
			link = link_of(&tables[c], &tables[p]);
			if (!link)
				continue;
			if (!found || !strncasecmp(tables[c].name, tables[p].name,
						   strlen(tables[p].name))) {
				f->parent = &tables[p];
				f->child = &tables[c];
				f->link = link;
				if (found++)
					return 1;
			}
		}
	return found;
}

static enum kvf_status members(struct kvf_buf *out, const struct family *f, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	unsigned n = 0;

	for (size_t i = 0; st == KVF_OK && i < f->child->ncolumns && n < FIELDS_SHOWN; i++) {
		const char *name = f->child->columns[i].name;

		if (&f->child->columns[i] != f->link)
			st = kvf_init_emit(out, err, "%s%t, c.%i",
					   n++ ? ",\n#                      " : "", name, name);
	}
	return st;
}

static enum kvf_status fields(struct kvf_buf *out, const struct family *f, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	unsigned n = 0;

	for (size_t i = 0; st == KVF_OK && i < f->child->ncolumns && n < FIELDS_SHOWN; i++) {
		const struct kvf_column *c = &f->child->columns[i];

		if (c != f->link && n++ < FIELDS_SHOWN)
			st = kvf_init_emit(out, err, "#           %w: %s\n", c->name,
					   kvf_init_type(c));
	}
	return st;
}

enum kvf_status kvf_init_example(struct kvf_buf *out, const struct kvf_table *tables, size_t n,
				 struct kvf_err *err)
{
	struct family f;
	enum kvf_status st;
	int sqlite;

	if (!find_family(tables, n, &f))
		return KVF_OK;
	sqlite = !strcmp(f.parent->dialect, "sqlite");
	st = kvf_init_emit(out, err,
			   "#\n"
			   "# Child rows can move into their parent's value: read the parent "
			   "with a query that\n"
			   "# gives its children as JSON, and delete the children's own record "
			   "and value.  A\n"
			   "# query has no way back to tables; what it reads is proven row by "
			   "row all the same.\n"
			   "#\n"
			   "#     query: |                       # instead of table:\n"
			   "#       SELECT p.*, (SELECT %s(\n#                      ",
			   sqlite ? "json_group_array(json_object"
				  : "json_agg(json_build_object");
	if (st == KVF_OK)
		st = members(out, &f, err);
	if (st == KVF_OK)
		st = kvf_init_emit(
			out, err,
			"))\n"
			"#                    FROM %i c WHERE c.%i = p.%i) AS children\n"
			"#       FROM %i p\n"
			"#\n"
			"#       children:                    # among the fields of the "
			"parent's value\n"
			"#         type: repeated object\n"
			"#         fields:\n",
			f.child->name, f.link->name, f.parent->columns[f.parent->key[0]].name,
			f.parent->name);
	return st == KVF_OK ? fields(out, &f, err) : st;
}
