/*
 * load_drop - what drop-legacy may remove: `drop:` of application.yaml, a list of
 * tables, or a mapping with more kinds of things and more occasions.
 */
#include "formats/load.h"

#include "formats/words.h"

#include <stdio.h>
#include <string.h>

#define KINDS (KVF_DROP_TYPE + 1)
#define KEYS (KINDS + 2)

static const struct {
	const char *key, *one;
} kinds[KINDS] = {
	[KVF_DROP_VIEW] = { "views", "view" },
	[KVF_DROP_TABLE] = { "tables", "table" },
	[KVF_DROP_SEQUENCE] = { "sequences", "sequence" },
	[KVF_DROP_FUNCTION] = { "functions", "function" },
	[KVF_DROP_TYPE] = { "types", "type" },
};

/* The lists by which a mapping says it, each under its kind. */
struct lists {
	const struct kvf_node *always[KEYS], *leftovers[KINDS];
};

static enum kvf_status add(struct kvf_drop *list, size_t *n, const struct kvf_node *node,
			   enum kvf_drop_kind kind, enum kvf_drop_part part,
			   struct kvf_err *err)
{
	char what[40];
	enum kvf_status st;
	size_t i;

	snprintf(what, sizeof(what), "a %s to drop", kinds[kind].one);
	st = kvf_node_text(node, what, &list[*n].name, err);
	if (st)
		return st;
	list[*n].kind = kind;
	list[*n].part = part;
	for (i = 0; i < *n; i++)
		if (list[i].kind == kind && strcmp(list[i].name, list[*n].name) == 0)
			return kvf_def_fail(err, node->pos, "the %s \"%s\" stands here twice",
					    kinds[kind].one, list[*n].name);
	++*n;
	return KVF_OK;
}

static enum kvf_status add_all(struct kvf_drop *list, size_t *n, const struct kvf_node *node,
			       enum kvf_drop_kind kind, enum kvf_drop_part part,
			       struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	const struct kvf_node *v;

	for (v = node ? node->first : NULL; v && !st; v = v->next)
		st = add(list, n, v, kind, part, err);
	return st;
}

static enum kvf_status read_lists(const struct kvf_node *node, struct lists *l,
				  struct kvf_err *err)
{
	const char *keys[KEYS];
	enum kvf_status st;
	size_t i;

	memset(l, 0, sizeof(*l));
	for (i = 0; i < KINDS; i++)
		keys[i] = kinds[i].key;
	keys[KINDS] = "leftovers";
	keys[KINDS + 1] = "version_table";
	if (node->type != KVF_NODE_MAP) {
		l->always[KVF_DROP_TABLE] = node;
		return kvf_node_collection(node, KVF_NODE_LIST, "drop", err);
	}
	st = kvf_node_members(node, "drop", keys, KEYS, l->always, err);
	if (!st && l->always[KINDS])
		st = kvf_node_members(l->always[KINDS], "drop.leftovers", keys, KINDS,
				      l->leftovers, err);
	for (i = 0; i < KINDS && !st; i++) {
		if (l->always[i])
			st = kvf_node_collection(l->always[i], KVF_NODE_LIST, keys[i], err);
		if (!st && l->leftovers[i])
			st = kvf_node_collection(l->leftovers[i], KVF_NODE_LIST, keys[i], err);
	}
	return st;
}

enum kvf_status kvf_load_drop(struct kvf_def *def, const struct kvf_node *node,
			      struct kvf_err *err)
{
	struct lists l;
	enum kvf_status st = read_lists(node, &l, err);
	const struct kvf_node *version = l.always[KINDS + 1];
	struct kvf_drop *list;
	size_t i, most = 1;

	if (st)
		return st;
	for (i = 0; i < KINDS; i++)
		most += (l.always[i] ? l.always[i]->n : 0) +
			(l.leftovers[i] ? l.leftovers[i]->n : 0);
	list = kvf_arena_zalloc(&def->arena, most * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	def->drop = list;
	for (i = 0; i < KINDS && !st; i++) {
		enum kvf_drop_kind kind = (enum kvf_drop_kind)i;

		st = add_all(list, &def->ndrop, l.always[i], kind, KVF_DROP_LEGACY, err);
		if (!st)
			st = add_all(list, &def->ndrop, l.leftovers[i], kind, KVF_DROP_LEFTOVER,
				     err);
		if (!st && version && kind == KVF_DROP_TABLE)
			st = add(list, &def->ndrop, version, kind, KVF_DROP_VERSION_TABLE, err);
	}
	return st;
}
