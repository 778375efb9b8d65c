/* load_value - values and their fields. */
#include "formats/load.h"

#include "formats/parse.h"
#include "formats/words.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TAG_MAX 536870911u
#define SCALE_MAX 30

static const struct kvf_word plain_types[] = {
	{ "string", KVF_TYPE_STRING }, { "bool", KVF_TYPE_BOOL },
	{ "bytes", KVF_TYPE_BYTES },   { "timestamp", KVF_TYPE_TIMESTAMP },
	{ "int", KVF_TYPE_INT },       { "uint", KVF_TYPE_UINT },
	{ "float", KVF_TYPE_FLOAT },   { "decimal", KVF_TYPE_DECIMAL },
	{ "json", KVF_TYPE_JSON },     { "object", KVF_TYPE_OBJECT },
};
static const struct kvf_word protobuf_types[] = {
	{ "string", KVF_TYPE_STRING },     { "bool", KVF_TYPE_BOOL },
	{ "bytes", KVF_TYPE_BYTES },       { "timestamp", KVF_TYPE_TIMESTAMP },
	{ "double", KVF_TYPE_DOUBLE },     { "float", KVF_TYPE_PB_FLOAT },
	{ "int32", KVF_TYPE_INT32 },       { "int64", KVF_TYPE_INT64 },
	{ "uint32", KVF_TYPE_UINT32 },     { "uint64", KVF_TYPE_UINT64 },
	{ "sint32", KVF_TYPE_SINT32 },     { "sint64", KVF_TYPE_SINT64 },
	{ "fixed32", KVF_TYPE_FIXED32 },   { "fixed64", KVF_TYPE_FIXED64 },
	{ "sfixed32", KVF_TYPE_SFIXED32 }, { "sfixed64", KVF_TYPE_SFIXED64 },
	{ "enum", KVF_TYPE_ENUM },         { "message", KVF_TYPE_MESSAGE },
};
static const struct kvf_word encodings[] = {
	{ "raw", KVF_RAW },
	{ "msgpack", KVF_MSGPACK },
	{ "json", KVF_JSON },
	{ "protobuf", KVF_PROTOBUF },
};

const char *kvf_type_name(enum kvf_type t)
{
	size_t i;

	for (i = 0; i < COUNT(plain_types); i++)
		if (plain_types[i].id == (int)t)
			return plain_types[i].name;
	for (i = 0; i < COUNT(protobuf_types); i++)
		if (protobuf_types[i].id == (int)t)
			return protobuf_types[i].name;
	return "?";
}

const char *kvf_encoding_name(enum kvf_encoding e)
{
	size_t i;

	for (i = 0; i < COUNT(encodings); i++)
		if (encodings[i].id == (int)e)
			return encodings[i].name;
	return "?";
}

struct context {
	struct kvf_arena *arena;
	enum kvf_encoding encoding;
	unsigned depth;
	int copied; /* the fields say how bytes are read, not where they come from */
};

static int is_group(const struct kvf_def_field *f)
{
	return f->type == KVF_TYPE_OBJECT || f->type == KVF_TYPE_MESSAGE;
}

/* ---- types -------------------------------------------------------------------- */

static enum kvf_status type_word(const struct context *c, const struct kvf_node *node,
				 size_t at, size_t len, enum kvf_type *out, struct kvf_err *err)
{
	int protobuf = c->encoding == KVF_PROTOBUF;
	const struct kvf_word *words = protobuf ? protobuf_types : plain_types;
	size_t n = protobuf ? COUNT(protobuf_types) : COUNT(plain_types);
	struct kvf_bytes text = { node->text.ptr + at, len };
	char buf[64];
	int id = kvf_word_find(words, n, text);

	if (id >= 0) {
		*out = (enum kvf_type)id;
		return KVF_OK;
	}
	kvf_def_fail(err, kvf_node_at(node, at), "unknown type \"%s\" for a %s value",
		     kvf_bytes_print(text, buf, sizeof(buf)), kvf_encoding_name(c->encoding));
	kvf_word_hint(err, words, n, text);
	return KVF_EDEFINITION;
}

static int may_be_key(enum kvf_type t)
{
	return t == KVF_TYPE_STRING || t == KVF_TYPE_BOOL ||
	       (t >= KVF_TYPE_INT32 && t <= KVF_TYPE_SFIXED64);
}

/* "T", "repeated T", "map<K,T>". */
static enum kvf_status load_type(const struct context *c, const struct kvf_node *node,
				 struct kvf_def_field *f, struct kvf_err *err)
{
	static const char repeated[] = "repeated ", map[] = "map<";
	enum kvf_status st = kvf_node_scalar(node, "type", err);
	const char *text = (const char *)node->text.ptr, *comma;
	size_t at = 0, len = node->text.len, key;

	if (st)
		return st;
	if (len > strlen(map) && strncmp(text, map, strlen(map)) == 0) {
		comma = memchr(text, ',', len);
		if (!comma || text[len - 1] != '>')
			return kvf_def_fail(err, node->pos, "a map is written map<KEY,TYPE>");
		key = strlen(map);
		st = type_word(c, node, key, (size_t)(comma - text) - key, &f->key_type, err);
		if (!st && !may_be_key(f->key_type))
			st = kvf_def_fail(err, kvf_node_at(node, key),
					  "the keys of a map cannot be of type %s",
					  kvf_type_name(f->key_type));
		if (st)
			return st;
		f->shape = KVF_SHAPE_MAP;
		at = (size_t)(comma - text) + 1;
		at += text[at] == ' ';
		if (at > len - 1)
			at = len - 1;
		len -= at + 1;
		if (c->encoding != KVF_PROTOBUF && f->key_type != KVF_TYPE_STRING)
			return kvf_def_fail(err, kvf_node_at(node, key),
					    "the keys of a map in a %s value are strings",
					    kvf_encoding_name(c->encoding));
	} else if (len > strlen(repeated) && strncmp(text, repeated, strlen(repeated)) == 0) {
		f->shape = KVF_SHAPE_REPEATED;
		at = strlen(repeated);
		len -= at;
	}
	return type_word(c, node, at, len, &f->type, err);
}

/* ---- fields ---------------------------------------------------------------------- */

enum {
	F_TYPE,
	F_TAG,
	F_FROM,
	F_CONST,
	F_DEFAULT,
	F_OMIT,
	F_SCALE,
	F_UNIT,
	F_FIELDS,
	F_NULLS,
	F_MEMBERS,
	F_KEYS
};

static enum kvf_status load_fields(const struct context *c, const struct kvf_node *node,
				   const struct kvf_def_field **out, size_t *n,
				   struct kvf_err *err);

static enum kvf_status refuse(const struct kvf_node *member, const char *why,
			      struct kvf_err *err)
{
	return kvf_def_fail(err, member->key->pos, "\"%s\" %s",
			    (const char *)member->key->text.ptr, why);
}

/* Keys that contradict each other or the type. */
static enum kvf_status check_keys(const struct context *c,
				  const struct kvf_node *const m[F_KEYS],
				  const struct kvf_def_field *f, struct kvf_err *err)
{
	int single = f->shape == KVF_SHAPE_ONE && !is_group(f);

	if (m[F_CONST] && m[F_FROM])
		return refuse(m[F_CONST], "excludes \"from\"", err);
	if (m[F_CONST] && m[F_DEFAULT])
		return refuse(m[F_DEFAULT], "means nothing beside \"const\"", err);
	if (m[F_CONST] && !single)
		return refuse(m[F_CONST], "is for single values", err);
	if (m[F_DEFAULT] && !single)
		return refuse(m[F_DEFAULT], "is for single values", err);
	if (m[F_SCALE] && f->type != KVF_TYPE_DECIMAL)
		return refuse(m[F_SCALE], "is for type decimal", err);
	if (m[F_UNIT] && f->type != KVF_TYPE_TIMESTAMP)
		return refuse(m[F_UNIT], "is for type timestamp", err);
	if (m[F_FIELDS] && !is_group(f))
		return refuse(m[F_FIELDS], "is for objects and messages", err);
	if (m[F_NULLS] && (f->shape == KVF_SHAPE_ONE || is_group(f)))
		return refuse(m[F_NULLS], "is for lists and maps of single values", err);
	if (m[F_MEMBERS] && !is_group(f))
		return refuse(m[F_MEMBERS], "is for objects and messages", err);
	if (m[F_OMIT] && c->encoding == KVF_PROTOBUF)
		return refuse(m[F_OMIT], "is not accepted here: proto3 decides", err);
	if (m[F_TAG] && c->encoding != KVF_PROTOBUF)
		return refuse(m[F_TAG], "is for protobuf values", err);
	return KVF_OK;
}

static enum kvf_status load_from(const struct context *c, const struct kvf_node *node,
				 const struct kvf_node *from, struct kvf_def_field *f,
				 struct kvf_err *err)
{
	struct kvf_def_template *t;
	enum kvf_status st;

	if (c->copied || f->is_const || (!from && f->shape == KVF_SHAPE_ONE && is_group(f)))
		return KVF_OK;
	t = kvf_arena_zalloc(c->arena, sizeof(*t));
	if (!t)
		return kvf_fail_nomem(err);
	f->from = t;
	if (!from)
		return kvf_template_of_name(c->arena, node->key->pos, f->name, t, err);
	st = kvf_node_scalar(from, "from", err);
	if (!st)
		st = kvf_template_parse(c->arena, from, t, err);
	if (!st && t->npieces == 0) {
		st = kvf_def_fail(err, from->pos, "from is empty");
		kvf_err_hint(err, "A fixed value is written with \"const\".");
	}
	return st;
}

static enum kvf_status load_options(const struct context *c, const struct kvf_node *node,
				    const struct kvf_node *const m[F_KEYS],
				    struct kvf_def_field *f, struct kvf_err *err)
{
	static const struct kvf_word omits[] = {
		{ "null", KVF_OMIT_NULL },
		{ "empty", KVF_OMIT_EMPTY },
		{ "never", KVF_OMIT_NEVER },
	};
	static const struct kvf_word cases[] = { { "exact", 0 }, { "any-case", 1 } };
	static const struct kvf_word units[] = {
		{ "s", KVF_UNIT_S },
		{ "ms", KVF_UNIT_MS },
		{ "us", KVF_UNIT_US },
		{ "ns", KVF_UNIT_NS },
	};
	enum kvf_status st = KVF_OK;
	uint64_t number = 0;
	int id = 0;

	if (m[F_TAG]) {
		st = kvf_node_number(m[F_TAG], "tag", 1, TAG_MAX, &number, err);
		if (!st && number >= 19000 && number <= 19999)
			st = kvf_def_fail(err, m[F_TAG]->pos,
					  "the tags 19000...19999 are protobuf's own");
		f->tag = (uint32_t)number;
	} else if (c->encoding == KVF_PROTOBUF) {
		st = kvf_def_fail(err, node->key->pos, "the field \"%s\" has no tag", f->name);
	}
	if (!st && m[F_OMIT]) {
		st = kvf_word_read(m[F_OMIT], "omit", omits, COUNT(omits), &id, err);
		f->omit = (enum kvf_omit)id;
	}
	if (!st && m[F_UNIT]) {
		st = kvf_word_read(m[F_UNIT], "unit", units, COUNT(units), &id, err);
		f->unit = (enum kvf_time_unit)id;
	}
	if (!st && m[F_SCALE]) {
		st = kvf_node_number(m[F_SCALE], "scale", 0, SCALE_MAX, &number, err);
		f->has_scale = 1;
		f->scale = (unsigned)number;
	}
	if (!st && m[F_CONST]) {
		st = kvf_node_scalar(m[F_CONST], "const", err);
		f->is_const = 1;
		f->constant = m[F_CONST]->text;
	}
	if (!st && m[F_DEFAULT]) {
		st = kvf_node_scalar(m[F_DEFAULT], "default", err);
		f->has_default = 1;
		f->fallback = m[F_DEFAULT]->text;
	}
	if (!st && m[F_NULLS]) {
		st = kvf_node_scalar(m[F_NULLS], "nulls", err);
		f->has_nulls = 1;
		f->nulls = m[F_NULLS]->text;
	}
	if (!st && m[F_MEMBERS])
		st = kvf_word_read(m[F_MEMBERS], "members", cases, COUNT(cases), &f->any_case,
				   err);
	return st;
}

static enum kvf_status field_name(const struct kvf_node *key, const char **out,
				  struct kvf_err *err)
{
	enum kvf_status st = kvf_node_text(key, "a field's name", out, err);
	size_t i;

	if (st)
		return st;
	if (key->text.len > KVF_DEF_FIELD_NAME_MAX)
		return kvf_def_fail(err, key->pos, "a field's name has more than %d bytes",
				    KVF_DEF_FIELD_NAME_MAX);
	for (i = 0; i < key->text.len; i++)
		if (key->text.ptr[i] < 0x20 || key->text.ptr[i] == 0x7f)
			return kvf_def_fail(err, key->pos,
					    "a field's name has a control character in it");
	return KVF_OK;
}

static enum kvf_status load_field(const struct context *c, const struct kvf_node *node,
				  struct kvf_def_field *f, struct kvf_err *err)
{
	static const char *const keys[F_KEYS] = { "type",    "tag",   "from",   "const",
						  "default", "omit",  "scale",  "unit",
						  "fields",  "nulls", "members" };
	const struct kvf_node *m[F_KEYS];
	struct context inner = *c;
	enum kvf_status st;

	f->pos = node->key->pos;
	st = field_name(node->key, &f->name, err);
	if (st)
		return st;
	memset(m, 0, sizeof(m));
	if (node->type == KVF_NODE_SCALAR)
		m[F_TYPE] = node; /* "name: string" */
	else
		st = kvf_node_members(node, "a field", keys, F_KEYS, m, err);
	if (!st && c->copied && (m[F_FROM] || m[F_CONST] || m[F_DEFAULT] || m[F_NULLS]))
		st = kvf_def_fail(err, node->key->pos,
				  "the fields of a value that is copied have a tag and a type");
	if (!st && !m[F_TYPE] && !m[F_FIELDS])
		st = kvf_def_fail(err, node->key->pos, "the field \"%s\" has no type", f->name);
	f->type = c->encoding == KVF_PROTOBUF ? KVF_TYPE_MESSAGE : KVF_TYPE_OBJECT;
	if (!st && m[F_TYPE])
		st = load_type(c, m[F_TYPE], f, err);
	if (!st)
		st = check_keys(c, m, f, err);
	if (!st)
		st = load_options(c, node, m, f, err);
	if (!st)
		st = load_from(c, node, m[F_FROM], f, err);
	if (st || !is_group(f))
		return st;
	if (!m[F_FIELDS])
		return kvf_def_fail(err, node->key->pos,
				    "the field \"%s\" is of type %s and "
				    "has no fields",
				    f->name, kvf_type_name(f->type));
	inner.depth++;
	if (inner.depth > KVF_DEF_FIELD_DEPTH)
		return kvf_def_fail(err, m[F_FIELDS]->pos,
				    "fields are nested more than %d deep", KVF_DEF_FIELD_DEPTH);
	return load_fields(&inner, m[F_FIELDS], &f->fields, &f->nfields, err);
}

static enum kvf_status load_fields(const struct context *c, const struct kvf_node *node,
				   const struct kvf_def_field **out, size_t *n,
				   struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "fields", err);
	struct kvf_def_field *list;
	const struct kvf_node *v;
	size_t i;

	if (st)
		return st;
	if (node->n == 0 || node->n > KVF_DEF_FIELDS_MAX)
		return kvf_def_fail(err, node->pos, "%s",
				    node->n ? "more than 512 fields" : "fields is empty");
	list = kvf_arena_zalloc(c->arena, node->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	*out = list;
	*n = 0;
	for (v = node->first; v; v = v->next) {
		struct kvf_def_field *f = &list[*n];

		st = load_field(c, v, f, err);
		if (st)
			return st;
		for (i = 0; f->tag && i < *n; i++)
			if (list[i].tag == f->tag)
				return kvf_def_fail(
					err, f->pos,
					"the fields \"%s\" and \"%s\" have the same tag",
					list[i].name, f->name);
		(*n)++;
	}
	return KVF_OK;
}

/* ---- values ---------------------------------------------------------------------- */

static enum kvf_status load_raw(struct kvf_arena *arena, const struct kvf_node *node,
				struct kvf_def_value *v, struct kvf_err *err)
{
	struct kvf_def_template *t = kvf_arena_zalloc(arena, sizeof(*t));
	enum kvf_status st;

	if (!t)
		return kvf_fail_nomem(err);
	v->from = t;
	st = kvf_node_scalar(node, "from", err);
	return st ? st : kvf_template_parse(arena, node, t, err);
}

static enum kvf_status load_value(struct kvf_arena *arena, const struct kvf_node *node,
				  struct kvf_def_value *v, struct kvf_err *err)
{
	static const char *const keys[] = { "encoding", "from", "fields" };
	struct context c = { arena, KVF_RAW, 0, 0 };
	const struct kvf_node *m[COUNT(keys)];
	int id = 0, raw;
	enum kvf_status st;

	v->pos = node->key->pos;
	st = kvf_node_name(node->key, "value", &v->name, err);
	if (!st)
		st = kvf_node_members(node, "a value", keys, COUNT(keys), m, err);
	if (!st)
		st = kvf_node_required(node->key, m[0], "the value", "encoding", err);
	if (!st)
		st = kvf_word_read(m[0], "encoding", encodings, COUNT(encodings), &id, err);
	if (st)
		return st;
	v->encoding = c.encoding = (enum kvf_encoding)id;
	raw = v->encoding == KVF_RAW;
	if (v->encoding == KVF_PROTOBUF && m[1] && m[2]) { /* copied, if it is one */
		c.copied = 1;
		st = load_raw(arena, m[1], v, err);
		return st ? st : load_fields(&c, m[2], &v->fields, &v->nfields, err);
	}
	if (!m[raw ? 1 : 2])
		return kvf_def_fail(err, node->key->pos, "the %s value \"%s\" has no \"%s\"",
				    kvf_encoding_name(v->encoding), v->name, keys[raw ? 1 : 2]);
	if (m[raw ? 2 : 1])
		return kvf_def_fail(err, m[raw ? 2 : 1]->key->pos,
				    "\"%s\" is not for %s values", keys[raw ? 2 : 1],
				    kvf_encoding_name(v->encoding));
	return raw ? load_raw(arena, m[1], v, err)
		   : load_fields(&c, m[2], &v->fields, &v->nfields, err);
}

enum kvf_status kvf_load_values(struct kvf_arena *arena, const struct kvf_node *node,
				struct kvf_def_package *p, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, "values", err);
	struct kvf_def_value *list;
	const struct kvf_node *v;

	if (st)
		return st;
	list = kvf_arena_zalloc(arena, node->n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	p->values = list;
	for (v = node->first; v && !st; v = v->next)
		st = load_value(arena, v, &list[p->nvalues++], err);
	return st;
}
