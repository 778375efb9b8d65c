/* template - "text {column|filter:argument} text" into pieces. */
#include "formats/parse.h"
#include "formats/words.h"

#include "value/codec.h"
#include "value/number.h"

#include <string.h>

#define DECIMAL_DIGITS_MAX 30
#define PAD_MAX 200
#define LENGTH_MAX ((uint64_t)1 << 30)

enum argument { ARG_NONE, ARG_NUMBER, ARG_TEXT, ARG_UUID, ARG_UNIT };

/* In the order of enum kvf_filter. */
static const struct filter_info {
	const char *name;
	enum argument argument;
	uint64_t least, most;
} infos[] = {
	{ "hex", ARG_NONE, 0, 0 },
	{ "base32hex", ARG_NONE, 0, 0 },
	{ "lower", ARG_NONE, 0, 0 },
	{ "upper", ARG_NONE, 0, 0 },
	{ "urlencode", ARG_NONE, 0, 0 },
	{ "pad", ARG_NUMBER, 1, PAD_MAX },
	{ "be64", ARG_NONE, 0, 0 },
	{ "desc64", ARG_NONE, 0, 0 },
	{ "rfc3339", ARG_UNIT, 0, 0 },
	{ "uuid", ARG_NONE, 0, 0 },
	{ "uuid5", ARG_UUID, 0, 0 },
	{ "decimal", ARG_NUMBER, 0, DECIMAL_DIGITS_MAX },
	{ "else", ARG_TEXT, 0, 0 },
	{ "dns_label", ARG_NONE, 0, 0 },
	{ "dns_subdomain", ARG_NONE, 0, 0 },
	{ "segment", ARG_NONE, 0, 0 },
	{ "nonempty", ARG_NONE, 0, 0 },
	{ "max", ARG_NUMBER, 1, LENGTH_MAX },
	{ "min", ARG_NUMBER, 1, LENGTH_MAX },
};
#define NFILTERS (sizeof(infos) / sizeof(infos[0]))

const char *kvf_filter_name(enum kvf_filter id)
{
	return infos[id].name;
}

int kvf_is_word_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c >= 0x80;
}

struct scan {
	struct kvf_arena *arena;
	const struct kvf_node *node;
	const uint8_t *text;
	size_t len, at;
};

static enum kvf_status fail_at(const struct scan *s, size_t at, const char *what,
			       struct kvf_err *err)
{
	return kvf_def_fail(err, kvf_node_at(s->node, at), "%s", what);
}

static int take(struct scan *s, char c)
{
	if (s->at == s->len || s->text[s->at] != (uint8_t)c)
		return 0;
	s->at++;
	return 1;
}

/* At a quote: the text up to the closing one, doubled quotes made single. */
static enum kvf_status quoted(struct scan *s, struct kvf_bytes *out, struct kvf_err *err)
{
	size_t start = s->at++, n = 0, i;
	char *copy;

	for (; s->at < s->len; s->at++, n++)
		if (s->text[s->at] == '"') {
			if (s->at + 1 == s->len || s->text[s->at + 1] != '"')
				break;
			s->at++;
		}
	if (s->at == s->len)
		return fail_at(s, start, "a quote is not closed", err);
	s->at++;
	copy = kvf_arena_strndup(s->arena, s->text + start, n);
	if (!copy)
		return kvf_fail_nomem(err);
	for (i = 0, start++; i < n; i++, start++) {
		start += s->text[start] == '"';
		copy[i] = (char)s->text[start];
	}
	out->ptr = (const uint8_t *)copy;
	out->len = n;
	return KVF_OK;
}

/* The argument of a filter, to the next "|" or "}". */
static enum kvf_status argument_text(struct scan *s, struct kvf_bytes *out, struct kvf_err *err)
{
	size_t start = s->at;
	char *copy;

	if (s->at < s->len && s->text[s->at] == '"')
		return quoted(s, out, err);
	while (s->at < s->len && s->text[s->at] != '|' && s->text[s->at] != '}')
		s->at++;
	copy = kvf_arena_strndup(s->arena, s->text + start, s->at - start);
	if (!copy)
		return kvf_fail_nomem(err);
	out->ptr = (const uint8_t *)copy;
	out->len = s->at - start;
	return KVF_OK;
}

static enum kvf_status read_argument(struct scan *s, size_t start, struct kvf_def_filter *f,
				     struct kvf_err *err)
{
	static const struct kvf_word units[] = {
		{ "s", KVF_UNIT_S },
		{ "ms", KVF_UNIT_MS },
		{ "us", KVF_UNIT_US },
		{ "ns", KVF_UNIT_NS },
	};
	const struct filter_info *info = &infos[f->id];
	struct kvf_pos pos = kvf_node_at(s->node, start);
	int unit;

	switch (info->argument) {
	case ARG_NONE:
		return kvf_def_fail(err, pos, "filter \"%s\" takes no argument", info->name);
	case ARG_NUMBER:
		if (!kvf_parse_u64(f->text, &f->n) || f->n < info->least || f->n > info->most)
			return kvf_def_fail(err, pos,
					    "filter \"%s\" needs a number, %llu...%llu",
					    info->name, (unsigned long long)info->least,
					    (unsigned long long)info->most);
		return KVF_OK;
	case ARG_UUID:
		if (!kvf_uuid_parse(f->text, f->uuid) && !kvf_uuid_namespace(f->text, f->uuid))
			return kvf_def_fail(
				err, pos, "filter \"%s\" needs a UUID, or dns, url, oid, x500",
				info->name);
		return KVF_OK;
	case ARG_UNIT:
		unit = kvf_word_find(units, 4, f->text);
		if (unit < 0)
			return kvf_def_fail(err, pos, "filter \"%s\" needs s, ms, us or ns",
					    info->name);
		f->n = (uint64_t)unit;
		return KVF_OK;
	case ARG_TEXT: break;
	}
	return KVF_OK;
}

static enum kvf_status parse_filter(struct scan *s, struct kvf_def_filter *f,
				    struct kvf_err *err)
{
	struct kvf_word words[NFILTERS];
	size_t start = s->at, i;
	struct kvf_bytes name;
	enum kvf_status st;
	int id;

	for (i = 0; i < NFILTERS; i++) {
		words[i].name = infos[i].name;
		words[i].id = (int)i;
	}
	while (s->at < s->len && kvf_is_word_byte(s->text[s->at]))
		s->at++;
	name.ptr = s->text + start;
	name.len = s->at - start;
	id = kvf_word_find(words, NFILTERS, name);
	if (id < 0) {
		char buf[64];

		kvf_def_fail(err, kvf_node_at(s->node, start), "unknown filter \"%s\"",
			     kvf_bytes_print(name, buf, sizeof(buf)));
		kvf_word_hint(err, words, NFILTERS, name);
		return KVF_EDEFINITION;
	}
	f->pos = kvf_node_at(s->node, start);
	f->id = (enum kvf_filter)id;
	f->name = infos[id].name;
	if (take(s, ':')) {
		start = s->at;
		st = argument_text(s, &f->text, err);
		return st ? st : read_argument(s, start, f, err);
	}
	if (infos[id].argument == ARG_NONE || infos[id].argument == ARG_UNIT)
		return KVF_OK;
	return kvf_def_fail(err, f->pos, "filter \"%s\" needs an argument", f->name);
}

static enum kvf_status parse_name(struct scan *s, struct kvf_def_piece *piece,
				  struct kvf_err *err)
{
	size_t start = s->at;
	struct kvf_bytes name = { NULL, 0 };
	enum kvf_status st;

	if (s->at < s->len && s->text[s->at] == '"') {
		st = quoted(s, &name, err);
		if (st)
			return st;
		if (name.len == 0 || memchr(name.ptr, 0, name.len))
			return fail_at(s, start, "a name is empty or has a NUL in it", err);
		piece->name = (const char *)name.ptr;
		return KVF_OK;
	}
	if (!take(s, '.'))
		while (s->at < s->len && kvf_is_word_byte(s->text[s->at]))
			s->at++;
	if (s->at == start) {
		fail_at(s, start, "a placeholder needs a name", err);
		kvf_err_hint(err, "Write {{ for a brace, and {\"a name\"} for one with other "
				  "characters than letters, digits and \"_\".");
		return KVF_EDEFINITION;
	}
	piece->name = kvf_arena_strndup(s->arena, s->text + start, s->at - start);
	return piece->name ? KVF_OK : kvf_fail_nomem(err);
}

/* Behind "{". */
static enum kvf_status parse_placeholder(struct scan *s, struct kvf_def_piece *piece,
					 struct kvf_err *err)
{
	struct kvf_def_filter filters[KVF_DEF_FILTERS_MAX], *copy;
	size_t start = s->at - 1, n = 0;
	enum kvf_status st;

	memset(filters, 0, sizeof(filters));
	piece->pos = kvf_node_at(s->node, start);
	st = parse_name(s, piece, err);
	if (st)
		return st;
	piece->optional = take(s, '?');
	while (take(s, '|')) {
		if (n == KVF_DEF_FILTERS_MAX)
			return fail_at(s, s->at, "more than 16 filters", err);
		st = parse_filter(s, &filters[n++], err);
		if (st)
			return st;
	}
	if (!take(s, '}')) {
		if (s->at == s->len)
			return fail_at(s, start, "\"{\" is not closed", err);
		fail_at(s, s->at, "\"|\" or \"}\" expected", err);
		kvf_err_hint(err,
			     "A name with other characters than letters, digits and \"_\" is "
			     "quoted: {\"Order Details\"}.");
		return KVF_EDEFINITION;
	}
	copy = kvf_arena_alloc(s->arena, n * sizeof(*copy));
	if (!copy)
		return kvf_fail_nomem(err);
	memcpy(copy, filters, n * sizeof(*copy));
	piece->filters = copy;
	piece->nfilters = n;
	return KVF_OK;
}

/* Literal text up to a placeholder or the end; braces are doubled in it. */
static enum kvf_status parse_literal(struct scan *s, struct kvf_def_piece *piece,
				     struct kvf_err *err)
{
	size_t start = s->at, n = 0, i;
	char *copy;

	for (; s->at < s->len; s->at++, n++) {
		uint8_t c = s->text[s->at];

		if (c != '{' && c != '}')
			continue;
		if (s->at + 1 < s->len && s->text[s->at + 1] == c)
			s->at++;
		else if (c == '{')
			break;
		else
			return fail_at(s, s->at, "\"}\" without \"{\"; write }} for a brace",
				       err);
	}
	copy = kvf_arena_strndup(s->arena, s->text + start, n);
	if (!copy)
		return kvf_fail_nomem(err);
	piece->pos = kvf_node_at(s->node, start);
	for (i = 0; i < n; i++, start++) {
		start += s->text[start] == '{' || s->text[start] == '}';
		copy[i] = (char)s->text[start];
	}
	piece->literal.ptr = (const uint8_t *)copy;
	piece->literal.len = n;
	return KVF_OK;
}

enum kvf_status kvf_template_parse(struct kvf_arena *arena, const struct kvf_node *node,
				   struct kvf_def_template *out, struct kvf_err *err)
{
	struct kvf_def_piece pieces[KVF_DEF_TEMPLATE_PIECES], *copy;
	struct scan s = { arena, node, node->text.ptr, node->text.len, 0 };
	enum kvf_status st = KVF_OK;
	size_t n = 0;

	memset(pieces, 0, sizeof(pieces));
	while (s.at < s.len) {
		if (n == KVF_DEF_TEMPLATE_PIECES)
			return fail_at(&s, s.at, "more than 64 pieces in a template", err);
		if (s.text[s.at] == '{' && !(s.at + 1 < s.len && s.text[s.at + 1] == '{')) {
			s.at++;
			st = parse_placeholder(&s, &pieces[n++], err);
		} else {
			st = parse_literal(&s, &pieces[n++], err);
		}
		if (st)
			return st;
	}
	copy = kvf_arena_alloc(arena, n * sizeof(*copy));
	if (!copy)
		return kvf_fail_nomem(err);
	memcpy(copy, pieces, n * sizeof(*copy));
	out->pos = node->pos;
	out->text = (const char *)node->text.ptr;
	out->pieces = copy;
	out->npieces = n;
	return KVF_OK;
}

enum kvf_status kvf_template_of_name(struct kvf_arena *arena, struct kvf_pos pos,
				     const char *name, struct kvf_def_template *out,
				     struct kvf_err *err)
{
	struct kvf_def_piece *piece = kvf_arena_zalloc(arena, sizeof(*piece));

	if (!piece)
		return kvf_fail_nomem(err);
	piece->pos = pos;
	piece->name = name;
	out->pos = pos;
	out->text = name;
	out->pieces = piece;
	out->npieces = 1;
	return KVF_OK;
}
