/* json - the parser: a text becomes a tape of tokens. */
#include "value/json.h"

#include "base/text.h"
#include "value/number.h"

#include <string.h>

struct parser {
	const uint8_t *text;
	size_t len, at;
	struct kvf_buf *tape;
	uint32_t ntokens;
	uint32_t open[KVF_JSON_DEPTH]; /* the containers we are in */
	unsigned depth;
};

static enum kvf_status bad(const struct parser *p, const char *what, struct kvf_err *err)
{
	return kvf_fail(err, KVF_EREJECT, "not JSON: %s at byte %zu", what, p->at);
}

static struct kvf_json_token *token(const struct parser *p, uint32_t i)
{
	return (struct kvf_json_token *)(void *)p->tape->ptr + i;
}

static enum kvf_status add(struct parser *p, enum kvf_json_type type, size_t start, size_t len,
			   int escaped, struct kvf_err *err)
{
	struct kvf_json_token t;
	enum kvf_status st;

	memset(&t, 0, sizeof(t));
	t.type = (uint8_t)type;
	t.escaped = (uint8_t)escaped;
	t.start = (uint32_t)start;
	t.len = (uint32_t)len;
	t.next = p->ntokens + 1;
	st = kvf_buf_append(p->tape, &t, sizeof(t), err);
	if (!st)
		p->ntokens++;
	return st;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->len && (p->text[p->at] == ' ' || p->text[p->at] == '\n' ||
				  p->text[p->at] == '\t' || p->text[p->at] == '\r'))
		p->at++;
}

static int take(struct parser *p, char c)
{
	if (p->at == p->len || p->text[p->at] != (uint8_t)c)
		return 0;
	p->at++;
	return 1;
}

static int hex4(const uint8_t *p, uint32_t *out)
{
	uint32_t v = 0;
	unsigned i;

	for (i = 0; i < 4; i++) {
		uint8_t c = p[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v |= (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v |= (uint32_t)(c - 'A' + 10);
		else
			return 0;
	}
	*out = v;
	return 1;
}

/* At a backslash; moves behind the escape. */
static enum kvf_status check_escape(struct parser *p, struct kvf_err *err)
{
	const uint8_t *s = p->text + p->at;
	size_t left = p->len - p->at;
	uint32_t high, low;

	if (left >= 2 && s[1] != 'u') {
		if (!s[1] || !strchr("\"\\/bfnrt", s[1]))
			return bad(p, "an unknown escape", err);
		p->at += 2;
		return KVF_OK;
	}
	if (left < 6 || !hex4(s + 2, &high))
		return bad(p, "a broken \\u escape", err);
	p->at += 6;
	if (high < 0xd800 || high > 0xdfff)
		return KVF_OK;
	if (high > 0xdbff || left < 12 || s[6] != '\\' || s[7] != 'u' || !hex4(s + 8, &low) ||
	    low < 0xdc00 || low > 0xdfff) {
		p->at -= 6;
		return bad(p, "half a surrogate pair", err);
	}
	p->at += 6;
	return KVF_OK;
}

/* Eight at a time where eight are left. */
size_t kvf_json_plain_len(const uint8_t *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t w, quote, slash;
	size_t i = 0;

	for (; len - i >= 8; i += 8) {
		memcpy(&w, p + i, 8);
		quote = w ^ ones * '"';
		slash = w ^ ones * '\\';
		/* The high bit of each byte that is a control, quote or backslash. */
		if ((((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) |
		     ((slash - ones) & ~slash)) &
		    ones * 0x80)
			break;
	}
	while (i < len && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static enum kvf_status parse_string(struct parser *p, struct kvf_err *err)
{
	size_t start = ++p->at;
	enum kvf_status st;
	int escaped = 0;

	for (;;) {
		p->at += kvf_json_plain_len(p->text + p->at, p->len - p->at);
		if (p->at == p->len)
			return bad(p, "a string without an end", err);
		if (p->text[p->at] == '"')
			break;
		if (p->text[p->at] != '\\')
			return bad(p, "a control character in a string", err);
		escaped = 1;
		st = check_escape(p, err);
		if (st)
			return st;
	}
	st = add(p, KVF_JSON_STRING, start, p->at - start, escaped, err);
	p->at++;
	return st;
}

static int word(struct parser *p, const char *w)
{
	size_t n = strlen(w);

	if (p->len - p->at < n || memcmp(p->text + p->at, w, n) != 0)
		return 0;
	p->at += n;
	return 1;
}

static enum kvf_status open_container(struct parser *p, enum kvf_json_type type,
				      struct kvf_err *err)
{
	if (p->depth == KVF_JSON_DEPTH)
		return bad(p, "more than 64 nested arrays and objects", err);
	p->open[p->depth++] = p->ntokens;
	return add(p, type, p->at++, 0, 0, err);
}

static enum kvf_status parse_value(struct parser *p, struct kvf_err *err)
{
	struct kvf_bytes rest;
	size_t start = p->at, n;

	if (p->at == p->len)
		return bad(p, "a value is missing", err);
	switch (p->text[p->at]) {
	case '{': return open_container(p, KVF_JSON_OBJECT, err);
	case '[': return open_container(p, KVF_JSON_ARRAY, err);
	case '"': return parse_string(p, err);
	case 'n':
		if (word(p, "null"))
			return add(p, KVF_JSON_NULL, start, 4, 0, err);
		break;
	case 't':
		if (word(p, "true"))
			return add(p, KVF_JSON_TRUE, start, 4, 0, err);
		break;
	case 'f':
		if (word(p, "false"))
			return add(p, KVF_JSON_FALSE, start, 5, 0, err);
		break;
	default:
		rest.ptr = p->text + p->at;
		rest.len = p->len - p->at;
		n = kvf_json_number_len(rest);
		if (n) {
			p->at += n;
			return add(p, KVF_JSON_NUMBER, start, n, 0, err);
		}
		break;
	}
	return bad(p, "no value", err);
}

/* Inside a container, before an element or its end.  *value: one follows. */
static enum kvf_status parse_between(struct parser *p, int *value, struct kvf_err *err)
{
	uint32_t open = p->open[p->depth - 1];
	int object = token(p, open)->type == KVF_JSON_OBJECT;
	enum kvf_status st;

	*value = 0;
	skip_space(p);
	if (take(p, object ? '}' : ']')) {
		token(p, open)->next = p->ntokens;
		p->depth--;
		return KVF_OK;
	}
	if (token(p, open)->len > 0) {
		if (!take(p, ','))
			return bad(p, object ? "no \",\" or \"}\"" : "no \",\" or \"]\"", err);
		skip_space(p);
	}
	token(p, open)->len++;
	*value = 1;
	if (!object)
		return KVF_OK;
	if (p->at == p->len || p->text[p->at] != '"')
		return bad(p, "no member name", err);
	st = parse_string(p, err);
	if (st)
		return st;
	skip_space(p);
	if (!take(p, ':'))
		return bad(p, "no \":\"", err);
	skip_space(p);
	return KVF_OK;
}

enum kvf_status kvf_json_parse(struct kvf_bytes text, struct kvf_buf *tape,
			       struct kvf_json *out, struct kvf_err *err)
{
	struct parser p = { .text = text.ptr, .len = text.len, .tape = tape };
	enum kvf_status st;
	int value;

	p.ntokens = (uint32_t)(tape->len / sizeof(struct kvf_json_token));
	if (text.len > UINT32_MAX / 2 - p.ntokens)
		return kvf_fail(err, KVF_EREJECT, "a JSON text of %zu bytes is too long",
				text.len);
	p.at = kvf_utf8_valid(text.ptr, text.len);
	if (p.at != text.len)
		return bad(&p, "no UTF-8", err);
	p.at = 0;
	out->text = text;
	out->tape = tape;
	out->root = p.ntokens;
	skip_space(&p);
	st = parse_value(&p, err);
	while (!st && p.depth) {
		st = parse_between(&p, &value, err);
		if (!st && value)
			st = parse_value(&p, err);
	}
	if (st)
		return st;
	skip_space(&p);
	return p.at == p.len ? KVF_OK : bad(&p, "something behind the value", err);
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

/* The escapes were checked by the parser; the result is never longer. */
static size_t unescape(const uint8_t *s, size_t len, uint8_t *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	size_t i = 0, at = 0;
	uint32_t c = 0, low = 0;
	const char *e;

	while (i < len) {
		if (s[i] != '\\') {
			out[at++] = s[i++];
			continue;
		}
		if (s[i + 1] != 'u') {
			e = strchr(from, s[i + 1]);
			out[at++] = e ? (uint8_t)to[e - from] : s[i + 1];
			i += 2;
			continue;
		}
		hex4(s + i + 2, &c);
		i += 6;
		if (c >= 0xd800 && c <= 0xdbff) {
			hex4(s + i + 2, &low);
			i += 6;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
		at += put_utf8(out + at, c);
	}
	return at;
}

enum kvf_status kvf_json_string(const struct kvf_json *j, uint32_t i,
				struct kvf_scratch *scratch, struct kvf_bytes *out,
				struct kvf_err *err)
{
	const struct kvf_json_token *t = kvf_json_at(j, i);
	enum kvf_status st;
	void *p;

	*out = kvf_json_raw(j, i);
	if (!t->escaped)
		return KVF_OK;
	st = kvf_scratch_alloc(scratch, t->len, &p, err);
	if (st)
		return st;
	out->len = unescape(out->ptr, t->len, p);
	out->ptr = p;
	kvf_scratch_trim(scratch, p, out->len);
	return KVF_OK;
}
