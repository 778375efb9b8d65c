/* yaml - the strict subset of YAML, as a tree of nodes that know their place. */
#include "formats/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { EXACT_PLAIN = 1, EXACT_QUOTED = 2 };

enum kvf_status kvf_def_fail(struct kvf_err *err, struct kvf_pos pos, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return kvf_fail(err, KVF_EDEFINITION, "%s:%u:%u: %s", pos.file, pos.line, pos.column,
			text);
}

struct kvf_pos kvf_node_at(const struct kvf_node *node, size_t at)
{
	struct kvf_pos pos = node->pos;

	if (node->exact)
		pos.column += (unsigned)at + (node->exact == EXACT_QUOTED);
	return pos;
}

struct builder {
	struct kvf_arena *arena;
	const char *file;
	yaml_parser_t parser;
	struct kvf_node *open[KVF_DEF_YAML_DEPTH]; /* collections we are in */
	struct kvf_node *last[KVF_DEF_YAML_DEPTH]; /* their latest child */
	struct kvf_node *key[KVF_DEF_YAML_DEPTH];  /* key that waits for its value */
	size_t depth;
	struct kvf_node *root;
};

static struct kvf_pos pos_of(const struct builder *b, yaml_mark_t mark)
{
	struct kvf_pos pos = { b->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1 };

	return pos;
}

static enum kvf_status parser_failed(const struct builder *b, struct kvf_err *err)
{
	const yaml_parser_t *p = &b->parser;
	struct kvf_pos pos = pos_of(b, p->problem_mark);

	if (p->error == YAML_MEMORY_ERROR)
		return kvf_fail_nomem(err);
	if (p->error == YAML_READER_ERROR)
		return kvf_fail(err, KVF_EDEFINITION, "%s: %s at byte %zu", b->file,
				p->problem ? p->problem : "not UTF-8", p->problem_offset);
	return kvf_def_fail(err, pos, "%s", p->problem ? p->problem : "not YAML");
}

static enum kvf_status duplicate(const struct builder *b, const struct kvf_node *key,
				 struct kvf_err *err)
{
	const struct kvf_node *v;

	for (v = b->open[b->depth - 1]->first; v; v = v->next)
		if (kvf_bytes_cmp(v->key->text, key->text) == 0)
			return kvf_def_fail(
				err, key->pos,
				"the key \"%.60s\" stands here twice (first in line %u)",
				(const char *)key->text.ptr, v->key->pos.line);
	return KVF_OK;
}

/* Put a finished scalar or an opened collection where it belongs. */
static enum kvf_status place(struct builder *b, struct kvf_node *node, struct kvf_err *err)
{
	struct kvf_node *in;
	size_t d;

	if (b->depth == 0) {
		b->root = node;
		return KVF_OK;
	}
	d = b->depth - 1;
	in = b->open[d];
	if (in->type == KVF_NODE_MAP && !b->key[d]) {
		if (node->type != KVF_NODE_SCALAR || node->absent)
			return kvf_def_fail(err, node->pos, "a key must be a plain text");
		b->key[d] = node;
		return duplicate(b, node, err);
	}
	node->key = b->key[d];
	b->key[d] = NULL;
	if (b->last[d])
		b->last[d]->next = node;
	else
		in->first = node;
	b->last[d] = node;
	in->n++;
	if (in->n > KVF_DEF_LIST_MAX)
		return kvf_def_fail(err, node->pos, "more than %d entries", KVF_DEF_LIST_MAX);
	return KVF_OK;
}

static struct kvf_node *new_node(struct builder *b, enum kvf_node_type type, yaml_mark_t mark)
{
	struct kvf_node *node = kvf_arena_zalloc(b->arena, sizeof(*node));

	if (node) {
		node->type = type;
		node->pos = pos_of(b, mark);
	}
	return node;
}

static enum kvf_status add_scalar(struct builder *b, const yaml_event_t *e, struct kvf_err *err)
{
	struct kvf_node *node = new_node(b, KVF_NODE_SCALAR, e->start_mark);
	size_t len = e->data.scalar.length;
	int plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	char *text;

	text = node ? kvf_arena_strndup(b->arena, e->data.scalar.value, len) : NULL;
	if (!text)
		return kvf_fail_nomem(err);
	node->text.ptr = (const uint8_t *)text;
	node->text.len = len;
	node->absent = plain && (len == 0 || (len == 1 && text[0] == '~'));
	if (e->start_mark.line == e->end_mark.line) {
		size_t width = e->end_mark.column - e->start_mark.column;

		if (plain && width == len)
			node->exact = EXACT_PLAIN;
		else if (!plain && width == len + 2)
			node->exact = EXACT_QUOTED;
	}
	if (e->data.scalar.anchor)
		return kvf_def_fail(err, node->pos, "anchors are not accepted");
	if (e->data.scalar.tag)
		return kvf_def_fail(err, node->pos, "tags are not accepted");
	return place(b, node, err);
}

static enum kvf_status open_collection(struct builder *b, enum kvf_node_type type,
				       const yaml_event_t *e, struct kvf_err *err)
{
	int list = type == KVF_NODE_LIST;
	const yaml_char_t *anchor =
		list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor;
	const yaml_char_t *tag = list ? e->data.sequence_start.tag : e->data.mapping_start.tag;
	struct kvf_pos pos = pos_of(b, e->start_mark);
	struct kvf_node *node;
	enum kvf_status st;

	if (anchor)
		return kvf_def_fail(err, pos, "anchors are not accepted");
	if (tag)
		return kvf_def_fail(err, pos, "tags are not accepted");
	if (b->depth == KVF_DEF_YAML_DEPTH)
		return kvf_def_fail(err, pos, "nested more than %d deep", KVF_DEF_YAML_DEPTH);
	node = new_node(b, type, e->start_mark);
	if (!node)
		return kvf_fail_nomem(err);
	st = place(b, node, err);
	if (st)
		return st;
	b->open[b->depth] = node;
	b->last[b->depth] = NULL;
	b->key[b->depth] = NULL;
	b->depth++;
	return KVF_OK;
}

static enum kvf_status on_event(struct builder *b, const yaml_event_t *e, struct kvf_err *err)
{
	struct kvf_pos pos = pos_of(b, e->start_mark);

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->root)
			return kvf_def_fail(err, pos, "a second document is not accepted");
		if (e->data.document_start.version_directive ||
		    e->data.document_start.tag_directives.start !=
			    e->data.document_start.tag_directives.end)
			return kvf_def_fail(err, pos, "directives are not accepted");
		return KVF_OK;
	case YAML_ALIAS_EVENT: return kvf_def_fail(err, pos, "aliases are not accepted");
	case YAML_SCALAR_EVENT: return add_scalar(b, e, err);
	case YAML_SEQUENCE_START_EVENT: return open_collection(b, KVF_NODE_LIST, e, err);
	case YAML_MAPPING_START_EVENT: return open_collection(b, KVF_NODE_MAP, e, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: b->depth--; return KVF_OK;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT: return KVF_OK;
	}
	return kvf_def_fail(err, pos, "not YAML");
}

enum kvf_status kvf_yaml_parse(struct kvf_arena *arena, const char *file, struct kvf_bytes text,
			       struct kvf_node **root, struct kvf_err *err)
{
	static const uint8_t nothing[1];
	struct builder b = { .arena = arena };
	enum kvf_status st = KVF_OK;
	int end = 0;

	b.file = kvf_arena_strdup(arena, file);
	if (!b.file)
		return kvf_fail_nomem(err);
	if (text.len > KVF_DEF_FILE_MAX)
		return kvf_fail(err, KVF_EDEFINITION, "%s: larger than %zu bytes", file,
				KVF_DEF_FILE_MAX);
	if (!yaml_parser_initialize(&b.parser)) {
		return kvf_fail_nomem(err);
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, text.len ? text.ptr : nothing, text.len);
	while (!st && !end) {
		yaml_event_t e;

		if (!yaml_parser_parse(&b.parser, &e)) {
			st = parser_failed(&b, err);
			break;
		}
		end = e.type == YAML_STREAM_END_EVENT;
		st = on_event(&b, &e, err);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&b.parser);
	if (!st && !b.root)
		st = kvf_fail(err, KVF_EDEFINITION, "%s:1:1: the file is empty", file);
	*root = b.root;
	return st;
}
