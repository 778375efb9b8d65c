/* load - a package: its records, sides and kinds. */
#include "formats/load.h"

#include "formats/parse.h"
#include "formats/words.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- records ----------------------------------------------------------------- */

static enum kvf_status load_template(struct kvf_arena *arena, const struct kvf_node *node,
				     const char *what, const struct kvf_def_template **out,
				     struct kvf_err *err)
{
	struct kvf_def_template *t = kvf_arena_zalloc(arena, sizeof(*t));
	enum kvf_status st;

	if (!t)
		return kvf_fail_nomem(err);
	*out = t;
	st = kvf_node_scalar(node, what, err);
	return st ? st : kvf_template_parse(arena, node, t, err);
}

static enum kvf_status load_let(struct kvf_arena *arena, const struct kvf_node *node,
				struct kvf_def_let *let, struct kvf_err *err)
{
	static const char *const keys[] = { "first" };
	const struct kvf_node *m[1], *v;
	struct kvf_def_template *list;
	enum kvf_status st;
	size_t n = 1;

	let->pos = node->key->pos;
	st = kvf_node_name(node->key, "let", &let->name, err);
	v = node;
	if (!st && node->type != KVF_NODE_SCALAR) {
		st = kvf_node_members(node, "let", keys, 1, m, err);
		if (!st)
			st = kvf_node_required(node, m[0], "let", "first", err);
		if (!st)
			st = kvf_node_collection(m[0], KVF_NODE_LIST, "first", err);
		if (!st && m[0]->n == 0)
			st = kvf_def_fail(err, m[0]->pos, "first is empty");
		if (st)
			return st;
		let->first = 1;
		n = m[0]->n;
		v = m[0]->first;
	}
	if (st)
		return st;
	list = kvf_arena_zalloc(arena, n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	let->alternatives = list;
	let->nalternatives = n;
	for (; n && !st; n--, v = v->next) {
		st = kvf_node_scalar(v, "a let's template", err);
		if (!st)
			st = kvf_template_parse(arena, v, list++, err);
	}
	return st;
}

static enum kvf_status find_value(const struct kvf_def_package *p, const struct kvf_node *node,
				  struct kvf_def_entry *e, struct kvf_err *err)
{
	struct kvf_word words[64];
	size_t i;

	for (i = 0; i < p->nvalues; i++) {
		if (strcmp(p->values[i].name, e->value_name) == 0) {
			e->value = &p->values[i];
			return KVF_OK;
		}
		words[i < 64 ? i : 63].name = p->values[i].name;
	}
	kvf_def_fail(err, node->pos, "there is no value \"%s\" in this package", e->value_name);
	if (p->nvalues)
		kvf_word_hint(err, words, p->nvalues < 64 ? p->nvalues : 64, node->text);
	else
		kvf_err_hint(err, "Describe it under \"values:\".");
	return KVF_EDEFINITION;
}

static enum kvf_status load_entry(struct kvf_arena *arena, const struct kvf_node *node,
				  const struct kvf_def_package *p, struct kvf_def_entry *e,
				  struct kvf_err *err)
{
	static const char *const keys[] = { "partition", "key", "value", "when", "kind" };
	const struct kvf_node *m[COUNT(keys)];
	struct kvf_def_expr *when;
	enum kvf_status st;
	size_t i;

	e->pos = node->pos;
	st = kvf_node_members(node, "an entry", keys, COUNT(keys), m, err);
	for (i = 0; !st && i < 3; i++)
		st = kvf_node_required(node, m[i], "an entry", keys[i], err);
	if (!st)
		st = load_template(arena, m[0], "partition", &e->partition, err);
	if (!st)
		st = load_template(arena, m[1], "key", &e->key, err);
	if (!st && e->key->npieces == 0)
		st = kvf_def_fail(err, m[1]->pos, "the key is empty");
	if (!st)
		st = kvf_node_name(m[2], "value", &e->value_name, err);
	if (!st)
		st = find_value(p, m[2], e, err);
	if (!st && m[4])
		st = kvf_node_name(m[4], "kind", &e->kind, err);
	if (st || !m[3])
		return st;
	when = kvf_arena_zalloc(arena, sizeof(*when));
	if (!when)
		return kvf_fail_nomem(err);
	e->when = when;
	st = kvf_node_scalar(m[3], "when", err);
	return st ? st : kvf_expr_parse(arena, m[3], when, err);
}

static enum kvf_status load_lets(struct kvf_arena *arena, const struct kvf_node *node,
				 struct kvf_def_record *r, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "let", err);
	struct kvf_def_let *list;
	const struct kvf_node *v;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, node->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	r->lets = list;
	for (v = node->first; v && !st; v = v->next)
		st = load_let(arena, v, &list[r->nlets++], err);
	return st;
}

static enum kvf_status load_rows(const struct kvf_node *node, const struct kvf_node *const m[4],
				 struct kvf_def_record *r, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (!m[0] == !m[1])
		return kvf_def_fail(err, node->key->pos,
				    "the record \"%s\" needs either \"table\" or \"query\"%s",
				    r->name, m[0] ? ", not both" : "");
	if (m[2] && m[1])
		return kvf_def_fail(err, m[2]->key->pos,
				    "\"where\" goes with \"table\"; put it into the query");
	r->table_pos = (m[0] ? m[0] : m[1])->pos;
	if (m[0])
		st = kvf_node_text(m[0], "table", &r->table, err);
	if (!st && m[1])
		st = kvf_node_text(m[1], "query", &r->query, err);
	if (!st && m[2])
		st = kvf_node_text(m[2], "where", &r->where, err);
	if (!st && m[3])
		st = kvf_node_truth(m[3], "ordered", &r->ordered, err);
	return st;
}

static enum kvf_status load_record(struct kvf_arena *arena, const struct kvf_node *node,
				   const struct kvf_def_package *p, struct kvf_def_record *r,
				   struct kvf_err *err)
{
	static const char *const keys[] = { "table",   "query", "where",
					    "ordered", "let",   "entries" };
	const struct kvf_node *m[COUNT(keys)], *v;
	struct kvf_def_entry *list;
	enum kvf_status st;

	r->pos = node->key->pos;
	st = kvf_node_name(node->key, "record", &r->name, err);
	if (!st)
		st = kvf_node_members(node, "a record", keys, COUNT(keys), m, err);
	if (!st)
		st = load_rows(node, m, r, err);
	if (!st)
		st = kvf_node_required(node->key, m[5], "the record", "entries", err);
	if (!st && m[4])
		st = load_lets(arena, m[4], r, err);
	if (!st)
		st = kvf_node_collection(m[5], KVF_NODE_LIST, "entries", err);
	if (!st && m[5]->n == 0)
		st = kvf_def_fail(err, m[5]->pos, "entries is empty");
	if (st)
		return st;
	list = kvf_arena_zalloc(arena, m[5]->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	r->entries = list;
	for (v = m[5]->first; v && !st; v = v->next)
		st = load_entry(arena, v, p, &list[r->nentries++], err);
	return st;
}

/* ---- sides and named queries ---------------------------------------------------- */

/* A side is a record with one entry: its value is the line. */
static enum kvf_status load_side(struct kvf_arena *arena, const struct kvf_node *node,
				 const struct kvf_def_package *p, struct kvf_def_record *r,
				 struct kvf_err *err)
{
	static const char *const keys[] = { "query", "value", "let" };
	struct kvf_def_template *place = kvf_arena_zalloc(arena, sizeof(*place));
	struct kvf_def_piece *piece = kvf_arena_zalloc(arena, sizeof(*piece));
	struct kvf_def_entry *entry = kvf_arena_zalloc(arena, sizeof(*entry));
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st;
	size_t i;

	if (!place || !piece || !entry)
		return kvf_fail_nomem(err);
	r->pos = entry->pos = place->pos = piece->pos = node->key->pos;
	st = kvf_node_name(node->key, "side", &r->name, err);
	if (!st)
		st = kvf_node_members(node, "a side", keys, COUNT(keys), m, err);
	for (i = 0; !st && i < 2; i++)
		st = kvf_node_required(node->key, m[i], "the side", keys[i], err);
	if (!st)
		st = kvf_node_text(m[0], "query", &r->query, err);
	if (!st && m[2])
		st = load_lets(arena, m[2], r, err);
	if (!st)
		st = kvf_node_name(m[1], "value", &entry->value_name, err);
	if (!st)
		st = find_value(p, m[1], entry, err);
	if (!st && entry->value->encoding != KVF_JSON)
		st = kvf_def_fail(err, m[1]->pos, "the lines of a side are JSON");
	if (st)
		return st;
	r->table_pos = m[0]->pos;
	piece->literal = kvf_bytes_str(r->name);
	place->text = r->name;
	place->pieces = piece;
	place->npieces = 1;
	entry->kind = r->name;
	entry->partition = entry->key = place;
	r->entries = entry;
	r->nentries = 1;
	return KVF_OK;
}

static enum kvf_status load_named(const struct kvf_node *v, struct kvf_def_with *list, size_t n,
				  struct kvf_err *err)
{
	struct kvf_def_with *w = &list[n];
	enum kvf_status st = kvf_node_name(v->key, "with", &w->name, err);
	size_t i;

	w->pos = v->key->pos;
	if (!st && strspn(w->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(w->name))
		st = kvf_def_fail(err, w->pos,
				  "\"%s\" must be a name of SQL without quotes: small "
				  "letters, digits and _",
				  w->name);
	for (i = 0; !st && i < n; i++)
		if (strcmp(list[i].name, w->name) == 0)
			st = kvf_def_fail(err, w->pos,
					  "the query \"%s\" has its name already, in %s:%u",
					  w->name, list[i].pos.file, list[i].pos.line);
	return st ? st : kvf_node_text(v, "query", &w->query, err);
}

enum kvf_status kvf_load_with(struct kvf_arena *arena, const struct kvf_node *node,
			      const struct kvf_def_with **out, size_t *n, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "with", err);
	struct kvf_def_with *list;
	const struct kvf_node *v;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, (*n + node->n + 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	if (*n)
		memcpy(list, *out, *n * sizeof(*list));
	*out = list;
	for (v = node->first; v && !st; v = v->next, ++*n)
		st = load_named(v, list, *n, err);
	return st;
}

static enum kvf_status load_back(struct kvf_arena *arena, const struct kvf_node *node,
				 struct kvf_def_package *p, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "back", err);
	struct kvf_def_back *list;
	const struct kvf_node *v;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, (node->n ? node->n : 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	p->back = list;
	for (v = node->first; v && !st; v = v->next, p->nback++) {
		list[p->nback].pos = v->key->pos;
		st = kvf_node_text(v->key, "a table", &list[p->nback].table, err);
		if (!st)
			st = kvf_node_text(v, "query", &list[p->nback].query, err);
	}
	return st;
}

/* ---- kinds ---------------------------------------------------------------------- */

static int kind_taken(const struct kvf_def_package *p, const char *name)
{
	size_t i, k;

	for (i = 0; i < p->nrecords; i++)
		for (k = 0; k < p->records[i].nentries; k++)
			if (p->records[i].entries[k].kind &&
			    strcmp(p->records[i].entries[k].kind, name) == 0)
				return 1;
	return 0;
}

/* VALUE, then RECORD.VALUE, then RECORD.VALUE.2 ...; NULL without memory. */
static const char *kind_name(struct kvf_arena *arena, const struct kvf_def_record *r,
			     const struct kvf_def_entry *e, size_t serial)
{
	if (serial == 0)
		return e->value_name;
	if (serial == 1)
		return kvf_arena_printf(arena, "%s.%s", r->name, e->value_name);
	return kvf_arena_printf(arena, "%s.%s.%zu", r->name, e->value_name, serial);
}

static enum kvf_status name_kind(struct kvf_arena *arena, const struct kvf_def_package *p,
				 const struct kvf_def_record *r, struct kvf_def_entry *e,
				 struct kvf_err *err)
{
	const struct kvf_def_entry *before;
	const char *name;
	size_t serial = 0;

	/* The same value stood before it in this record: so many names are gone. */
	for (before = r->entries; before < e; before++)
		serial += before->value == e->value;
	for (serial -= serial > 0; !e->kind; serial++) {
		name = kind_name(arena, r, e, serial);
		if (!name)
			return kvf_fail_nomem(err);
		if (!kind_taken(p, name))
			e->kind = name;
	}
	return KVF_OK;
}

/* Names that were written come first; the others take what is free. */
static enum kvf_status name_kinds(struct kvf_arena *arena, const struct kvf_def_package *p,
				  struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t total = 0, i, k;

	for (i = 0; i < p->nrecords; i++)
		total += p->records[i].nentries;
	if (total > KVF_DEF_LIST_MAX)
		return kvf_def_fail(err, p->pos, "more than %d entries in a package",
				    KVF_DEF_LIST_MAX);
	for (i = 0; i < p->nrecords; i++)
		for (k = 0; !st && k < p->records[i].nentries; k++) {
			/* The entries were made by us, and are finished here. */
			uintptr_t entry = (uintptr_t)&p->records[i].entries[k];

			st = name_kind(arena, p, &p->records[i], (struct kvf_def_entry *)entry,
				       err);
		}
	return st;
}

static enum kvf_status written_kinds_differ(const struct kvf_def_package *p,
					    struct kvf_err *err)
{
	size_t i, k, seen = 0;
	const char *names[KVF_DEF_LIST_MAX];
	size_t j;

	for (i = 0; i < p->nrecords; i++)
		for (k = 0; k < p->records[i].nentries; k++) {
			const struct kvf_def_entry *e = &p->records[i].entries[k];

			for (j = 0; e->kind && j < seen; j++)
				if (strcmp(names[j], e->kind) == 0)
					return kvf_def_fail(err, e->pos,
							    "the kind \"%s\" stands here twice",
							    e->kind);
			if (e->kind && seen < KVF_DEF_LIST_MAX)
				names[seen++] = e->kind;
		}
	return KVF_OK;
}

enum kvf_status kvf_load_package(struct kvf_arena *arena, const struct kvf_node *root,
				 struct kvf_def_package *p, struct kvf_err *err)
{
	static const char *const keys[] = { "package", "version", "records", "values", "with",
					    "checks",  "sides",   "back",    "lost" };
	const struct kvf_node *m[COUNT(keys)], *v;
	struct kvf_def_record *list;
	const char *name;
	enum kvf_status st;
	size_t i;

	st = kvf_node_members(root, "a package", keys, COUNT(keys), m, err);
	for (i = 0; !st && i < 3; i++)
		st = kvf_node_required(root, m[i], "the package", keys[i], err);
	if (!st)
		st = kvf_node_name(m[0], "package", &name, err);
	if (!st && strcmp(name, p->name) != 0)
		st = kvf_def_fail(err, m[0]->pos,
				  "the package is called \"%s\", its file \"%s\"", name,
				  p->name);
	if (!st)
		st = kvf_node_number(m[1], "version", 1, INT64_MAX, &p->version, err);
	if (!st && m[3])
		st = kvf_load_values(arena, m[3], p, err);
	if (!st)
		st = kvf_node_collection(m[2], KVF_NODE_MAP, "records", err);
	if (!st && m[2]->n == 0)
		st = kvf_def_fail(err, m[2]->pos, "records is empty");
	if (st)
		return st;
	p->pos = root->pos;
	if (m[6])
		st = kvf_node_collection(m[6], KVF_NODE_MAP, "sides", err);
	if (!st && m[4])
		st = kvf_load_with(arena, m[4], &p->with, &p->nwith, err);
	if (!st && m[5])
		st = kvf_load_checks(arena, m[5], &p->checks, &p->nchecks, err);
	if (!st && m[7])
		st = load_back(arena, m[7], p, err);
	if (!st && m[8])
		st = kvf_load_texts(arena, m[8], "lost", "a text", &p->lost, &p->nlost, err);
	list = kvf_arena_zalloc(arena, (m[2]->n + (m[6] ? m[6]->n : 0)) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	p->records = list;
	for (v = m[2]->first; v && !st; v = v->next)
		st = load_record(arena, v, p, &list[p->nrecords++], err);
	for (v = m[6] ? m[6]->first : NULL; v && !st; v = v->next)
		st = load_side(arena, v, p, &list[p->nrecords + p->nsides++], err);
	if (!st)
		st = written_kinds_differ(p, err);
	return st ? st : name_kinds(arena, p, err);
}
