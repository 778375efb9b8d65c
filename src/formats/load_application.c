/* load_application - application.yaml. */
#include "formats/load.h"

#include "formats/sql.h"
#include "formats/words.h"
#include "value/number.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ARGS_MAX 32 /* what the head of a stream holds */

static enum kvf_status load_source(struct kvf_def *def, const struct kvf_node *node,
				   struct kvf_err *err)
{
	static const char *const keys[] = { "version", "requires", "otherwise" };
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st = kvf_node_members(node, "source", keys, COUNT(keys), m, err);

	if (!st)
		st = kvf_node_required(node, m[0], "source", "version", err);
	if (!st)
		st = kvf_node_required(node, m[1], "source", "requires", err);
	if (!st)
		st = kvf_node_text(m[0], "source.version", &def->source_version, err);
	if (!st)
		st = kvf_node_number(m[1], "source.requires", 0, INT64_MAX,
				     &def->source_requires, err);
	if (!st && m[2])
		st = kvf_node_text(m[2], "source.otherwise", &def->source_otherwise, err);
	return st;
}

static enum kvf_status load_version_record(struct kvf_def *def, const struct kvf_node *node,
					   struct kvf_err *err)
{
	static const char *const keys[] = { "partition", "key", "started", "done" };
	struct kvf_bytes *const to[] = { &def->version_part, &def->version_key,
					 &def->version_started, &def->version_done };
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st = kvf_node_members(node, "store.version", keys, COUNT(keys), m, err);
	size_t i;

	for (i = 0; !st && i < COUNT(keys); i++) {
		st = kvf_node_required(node, m[i], "store.version", keys[i], err);
		if (!st)
			st = kvf_node_scalar(m[i], keys[i], err);
		if (!st)
			*to[i] = m[i]->text;
	}
	if (st)
		return st;
	if (def->version_key.len == 0)
		return kvf_def_fail(err, m[1]->pos, "store.version.key is empty");
	if (kvf_bytes_cmp(def->version_started, def->version_done) == 0)
		return kvf_def_fail(err, m[3]->pos, "\"started\" and \"done\" are the same");
	return KVF_OK;
}

static enum kvf_status load_store(struct kvf_def *def, const struct kvf_node *node,
				  struct kvf_err *err)
{
	static const char *const keys[] = { "schema", "version" };
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st = kvf_node_members(node, "store", keys, COUNT(keys), m, err);

	if (!st && m[1])
		st = load_version_record(def, m[1], err);
	if (st)
		return st;
	if (m[0])
		return kvf_node_number(m[0], "store.schema", 1, INT64_MAX, &def->schema, err);
	if (m[1] && kvf_parse_u64(def->version_done, &def->schema) && def->schema >= 1 &&
	    def->schema <= INT64_MAX)
		return KVF_OK;
	kvf_def_fail(err, node->pos, "store has no \"schema\"");
	kvf_err_hint(err,
		     "Write the schema version that a finished import sets, a number of 1 or "
		     "more.");
	return KVF_EDEFINITION;
}

static enum kvf_status load_packages(struct kvf_def *def, const struct kvf_node *node,
				     struct kvf_def_package **out, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_LIST, "packages", err);
	struct kvf_def_package *list;
	const struct kvf_node *v;
	size_t n = 0, i;

	if (st)
		return st;
	if (node->n == 0 || node->n > KVF_DEF_PACKAGES_MAX)
		return kvf_def_fail(err, node->pos, "%s",
				    node->n ? "too many packages" : "packages is empty");
	list = kvf_arena_zalloc(&def->arena, node->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	for (v = node->first; v; v = v->next) {
		st = kvf_node_name(v, "package", &list[n].name, err);
		if (st)
			return st;
		if (!kvf_def_is_package_name(v->text))
			return kvf_def_fail(err, v->pos,
					    "the package \"%s\" may have no capitals, and "
					    "begins with a letter or digit",
					    list[n].name);
		if (strcmp(list[n].name, "application") == 0)
			return kvf_def_fail(err, v->pos,
					    "a package cannot be called \"application\"");
		for (i = 0; i < n; i++)
			if (strcmp(list[i].name, list[n].name) == 0)
				return kvf_def_fail(err, v->pos,
						    "the package \"%s\" is listed twice",
						    list[n].name);
		list[n++].pos = v->pos;
	}
	def->packages = list;
	def->npackages = n;
	*out = list;
	return KVF_OK;
}

enum kvf_status kvf_load_texts(struct kvf_arena *arena, const struct kvf_node *node,
			       const char *what, const char *element, const char *const **out,
			       size_t *count, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_LIST, what, err);
	const struct kvf_node *v;
	const char **list;
	size_t n = 0;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, (node->n ? node->n : 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	for (v = node->first; v; v = v->next, n++) {
		st = kvf_node_text(v, element, &list[n], err);
		if (st)
			return st;
	}
	*out = list;
	*count = n;
	return KVF_OK;
}

/* ---- args and checks ---------------------------------------------------------- */

static enum kvf_status load_arg(const struct kvf_node *node, struct kvf_def_arg *arg,
				struct kvf_err *err)
{
	static const char *const keys[] = { "type", "default", "files", "help" };
	static const struct kvf_word types[] = {
		{ "text", KVF_ARG_TEXT },
		{ "integer", KVF_ARG_INTEGER },
		{ "timestamp", KVF_ARG_TIMESTAMP },
		{ "folder", KVF_ARG_FOLDER },
	};
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st;
	int id = 0;

	arg->pos = node->key->pos;
	st = kvf_node_name(node->key, "argument", &arg->name, err);
	if (!st)
		st = kvf_node_members(node, "an argument", keys, COUNT(keys), m, err);
	if (!st)
		st = kvf_node_required(node->key, m[0], "the argument", "type", err);
	if (!st)
		st = kvf_word_read(m[0], "type", types, COUNT(types), &id, err);
	if (st)
		return st;
	arg->type = (enum kvf_arg_type)id;
	if (arg->type == KVF_ARG_FOLDER && m[1])
		return kvf_def_fail(err, m[1]->key->pos,
				    "a folder has no default: without it there are no files");
	if ((arg->type == KVF_ARG_FOLDER) != (m[2] != NULL))
		return kvf_def_fail(err, (m[2] ? m[2]->key : node->key)->pos,
				    m[2] ? "\"files\" is for folders"
					 : "the folder has no \"files\", a pattern");
	if (m[1])
		st = kvf_node_text(m[1], "default", &arg->fallback, err);
	if (!st && m[2])
		st = kvf_node_text(m[2], "files", &arg->files, err);
	if (!st && m[3])
		st = kvf_node_text(m[3], "help", &arg->help, err);
	return st;
}

static enum kvf_status load_args(struct kvf_def *def, const struct kvf_node *node,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "args", err);
	struct kvf_def_arg *list;
	const struct kvf_node *v;

	if (st)
		return st;
	if (node->n > ARGS_MAX)
		return kvf_def_fail(err, node->pos, "more than %d arguments", ARGS_MAX);
	list = kvf_arena_zalloc(&def->arena, node->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	def->args = list;
	for (v = node->first; v && !st; v = v->next)
		st = load_arg(v, &list[def->nargs++], err);
	return st;
}

static enum kvf_status load_check(const struct kvf_node *node, struct kvf_def_check *check,
				  struct kvf_err *err)
{
	static const char *const keys[] = { "code", "text", "query", "hint", "level" };
	static const struct kvf_word levels[] = { { "note", 0 }, { "error", 1 } };
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st;
	size_t i;

	check->pos = node->pos;
	st = kvf_node_members(node, "a check", keys, COUNT(keys), m, err);
	for (i = 0; !st && i < 3; i++)
		st = kvf_node_required(node, m[i], "a check", keys[i], err);
	if (!st)
		st = kvf_node_name(m[0], "code", &check->code, err);
	if (!st)
		st = kvf_node_text(m[1], "text", &check->text, err);
	if (!st)
		st = kvf_node_text(m[2], "query", &check->query, err);
	if (!st && m[3])
		st = kvf_node_text(m[3], "hint", &check->hint, err);
	if (!st && m[4])
		st = kvf_word_read(m[4], "level", levels, COUNT(levels), &check->error, err);
	return st;
}

enum kvf_status kvf_load_checks(struct kvf_arena *arena, const struct kvf_node *node,
				const struct kvf_def_check **out, size_t *n,
				struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_LIST, "checks", err);
	struct kvf_def_check *list;
	const struct kvf_node *v;
	size_t i;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, (node->n ? node->n : 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	*out = list;
	for (v = node->first; v && !st; v = v->next) {
		st = load_check(v, &list[*n], err);
		for (i = 0; !st && i < *n; i++)
			if (strcmp(list[i].code, list[*n].code) == 0)
				st = kvf_def_fail(err, v->pos,
						  "the check \"%s\" stands here twice",
						  list[i].code);
		++*n;
	}
	return st;
}

enum kvf_status kvf_load_application(struct kvf_def *def, const struct kvf_node *root,
				     struct kvf_def_package **packages, struct kvf_err *err)
{
	static const char *const keys[] = { "application", "packages", "store",  "source",
					    "drop",        "args",     "checks", "with" };
	const struct kvf_node *m[COUNT(keys)];
	enum kvf_status st;
	size_t i;

	st = kvf_node_members(root, "application.yaml", keys, COUNT(keys), m, err);
	for (i = 0; !st && i < 3; i++)
		st = kvf_node_required(root, m[i], "application.yaml", keys[i], err);
	if (!st)
		st = kvf_node_name(m[0], "application", &def->application, err);
	if (!st && !kvf_def_is_package_name(m[0]->text))
		st = kvf_def_fail(
			err, m[0]->pos,
			"the application \"%s\" may have no capitals, and begins with "
			"a letter or digit",
			def->application);
	if (!st)
		st = load_packages(def, m[1], packages, err);
	if (!st)
		st = load_store(def, m[2], err);
	if (!st && m[3])
		st = load_source(def, m[3], err);
	if (!st && m[4])
		st = kvf_load_drop(def, m[4], err);
	if (!st && m[5])
		st = load_args(def, m[5], err);
	if (!st && m[7])
		st = kvf_load_with(&def->arena, m[7], &def->with, &def->nwith, err);
	for (i = 0; !st && i < def->npackages; i++) { /* every package has them, too */
		(*packages)[i].with = def->with;
		(*packages)[i].nwith = def->nwith;
	}
	if (!st && m[6])
		st = kvf_load_checks(&def->arena, m[6], &def->checks, &def->nchecks, err);
	def->pos = root->pos;
	return st;
}
