/*
 * expr - "branch_id != '' and (n > 3 or n is null)" into nodes.
 *
 * Recursive descent; nodes are written children first, so that the root is the
 * last one and evaluation is a walk that cannot loop.
 */
#include "formats/parse.h"

#include "value/number.h"

#include <string.h>
#include <strings.h>

enum token { T_END, T_WORD, T_NAME, T_TEXT, T_NUMBER, T_OPERATOR, T_OPEN, T_CLOSE };

struct scan {
	struct kvf_arena *arena;
	const struct kvf_node *node;
	const uint8_t *text;
	size_t len, at;
	unsigned depth;
	/* the current token */
	enum token token;
	size_t start;           /* where it begins */
	struct kvf_bytes value; /* word, name, text (unquoted), number, operator */
	struct kvf_def_expr_node nodes[KVF_DEF_EXPR_NODES];
	uint32_t nnodes;
};

static enum kvf_status fail_at(const struct scan *s, size_t at, const char *what,
			       struct kvf_err *err)
{
	return kvf_def_fail(err, kvf_node_at(s->node, at), "%s", what);
}

static enum kvf_status expected(const struct scan *s, const char *what, struct kvf_err *err)
{
	char buf[64];

	if (s->token == T_END)
		return kvf_def_fail(err, kvf_node_at(s->node, s->start),
				    "%s expected at the end of the condition", what);
	return kvf_def_fail(err, kvf_node_at(s->node, s->start), "%s expected, not \"%s\"",
			    what, kvf_bytes_print(s->value, buf, sizeof(buf)));
}

/* From the opening quote to the closing one; doubled quotes made single. */
static enum kvf_status scan_quoted(struct scan *s, uint8_t quote, struct kvf_err *err)
{
	size_t from = s->start + 1, n = 0, i;
	char *copy;

	for (s->at++; s->at < s->len; s->at++, n++)
		if (s->text[s->at] == quote) {
			if (s->at + 1 == s->len || s->text[s->at + 1] != quote)
				break;
			s->at++;
		}
	if (s->at == s->len)
		return fail_at(s, s->start, "a quote is not closed", err);
	s->at++;
	copy = kvf_arena_strndup(s->arena, s->text + from, n);
	if (!copy)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++, from++) {
		from += s->text[from] == quote;
		copy[i] = (char)s->text[from];
	}
	s->value.ptr = (const uint8_t *)copy;
	s->value.len = n;
	return KVF_OK;
}

static enum kvf_status scan_operator(struct scan *s, struct kvf_err *err)
{
	uint8_t c = s->text[s->at], d = s->at + 1 < s->len ? s->text[s->at + 1] : 0;

	s->token = T_OPERATOR;
	s->value.len = (c == '!' || c == '<' || c == '>') && d == '=' ? 2 : 1;
	if ((c == '=' && d == '=') || (c == '<' && d == '>')) {
		fail_at(s, s->at, "unknown operator", err);
		kvf_err_hint(err, "Write %s.", c == '=' ? "=" : "!=");
		return KVF_EDEFINITION;
	}
	if (c != '=' && c != '<' && c != '>' && s->value.len == 1)
		return fail_at(s, s->at, "a character that means nothing in a condition", err);
	s->at += s->value.len;
	return KVF_OK;
}

static enum kvf_status advance(struct scan *s, struct kvf_err *err)
{
	struct kvf_bytes rest;
	uint8_t c;

	while (s->at < s->len &&
	       (s->text[s->at] == ' ' || s->text[s->at] == '\n' || s->text[s->at] == '\t'))
		s->at++;
	s->start = s->at;
	s->value.ptr = s->text + s->at;
	s->value.len = 0;
	if (s->at == s->len) {
		s->token = T_END;
		return KVF_OK;
	}
	c = s->text[s->at];
	if (c == '\'' || c == '"') {
		s->token = c == '"' ? T_NAME : T_TEXT;
		return scan_quoted(s, c, err);
	}
	if (c == '(' || c == ')') {
		s->token = c == '(' ? T_OPEN : T_CLOSE;
		s->value.len = 1;
		s->at++;
		return KVF_OK;
	}
	if (c == '-' || (c >= '0' && c <= '9')) {
		rest.ptr = s->value.ptr;
		rest.len = s->len - s->at;
		s->token = T_NUMBER;
		s->value.len = kvf_json_number_len(rest);
		s->at += s->value.len;
		if (!s->value.len || (s->at < s->len && kvf_is_word_byte(s->text[s->at])))
			return fail_at(s, s->start, "not a number", err);
		return KVF_OK;
	}
	if (!kvf_is_word_byte(c))
		return scan_operator(s, err);
	s->token = T_WORD;
	while (s->at < s->len && kvf_is_word_byte(s->text[s->at]))
		s->at++;
	s->value.len = s->at - s->start;
	return KVF_OK;
}

static int at_word(const struct scan *s, const char *word)
{
	return s->token == T_WORD && s->value.len == strlen(word) &&
	       strncasecmp((const char *)s->value.ptr, word, s->value.len) == 0;
}

static int at_keyword(const struct scan *s)
{
	static const char *const words[] = { "and", "or", "not", "is", "null" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (at_word(s, words[i]))
			return 1;
	return 0;
}

static enum kvf_status add_node(struct scan *s, const struct kvf_def_expr_node *node,
				uint32_t *out, struct kvf_err *err)
{
	if (s->nnodes == KVF_DEF_EXPR_NODES)
		return fail_at(s, s->start, "the condition is too long", err);
	s->nodes[s->nnodes] = *node;
	*out = s->nnodes++;
	return KVF_OK;
}

static enum kvf_status parse_operand(struct scan *s, struct kvf_def_operand *x,
				     struct kvf_err *err)
{
	memset(x, 0, sizeof(*x));
	x->pos = kvf_node_at(s->node, s->start);
	if (at_word(s, "null")) {
		fail_at(s, s->start, "nothing compares with null", err);
		kvf_err_hint(err, "Write \"is null\" or \"is not null\".");
		return KVF_EDEFINITION;
	}
	if (at_word(s, "true") || at_word(s, "false")) {
		x->type = KVF_OPERAND_BOOL;
		x->i = at_word(s, "true");
	} else if ((s->token == T_WORD && !at_keyword(s)) || s->token == T_NAME) {
		x->type = KVF_OPERAND_NAME;
		if (s->value.len == 0 || memchr(s->value.ptr, 0, s->value.len))
			return fail_at(s, s->start, "a name is empty or has a NUL in it", err);
		x->name = kvf_arena_strndup(s->arena, s->value.ptr, s->value.len);
		if (!x->name)
			return kvf_fail_nomem(err);
	} else if (s->token == T_TEXT) {
		x->type = KVF_OPERAND_TEXT;
		x->text = s->value;
	} else if (s->token == T_NUMBER) {
		x->type = KVF_OPERAND_INT;
		if (!kvf_parse_i64(s->value, &x->i)) {
			x->type = KVF_OPERAND_REAL;
			if (!kvf_parse_real(s->value, &x->r))
				return fail_at(s, s->start, "the number is too large", err);
		}
	} else {
		return expected(s, "a column, a text in single quotes or a number", err);
	}
	return advance(s, err);
}

static int comparison(const struct scan *s, enum kvf_expr_op *op)
{
	static const struct {
		const char *text;
		enum kvf_expr_op op;
	} ops[] = {
		{ "=", KVF_EXPR_EQ },  { "!=", KVF_EXPR_NE }, { "<", KVF_EXPR_LT },
		{ "<=", KVF_EXPR_LE }, { ">", KVF_EXPR_GT },  { ">=", KVF_EXPR_GE },
	};
	size_t i;

	for (i = 0; s->token == T_OPERATOR && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (kvf_bytes_cmp(s->value, kvf_bytes_str(ops[i].text)) == 0) {
			*op = ops[i].op;
			return 1;
		}
	return 0;
}

static enum kvf_status parse_test(struct scan *s, uint32_t *out, struct kvf_err *err)
{
	struct kvf_def_expr_node node;
	enum kvf_status st;

	memset(&node, 0, sizeof(node));
	node.pos = kvf_node_at(s->node, s->start);
	st = parse_operand(s, &node.x, err);
	if (st)
		return st;
	if (at_word(s, "is")) {
		if (node.x.type != KVF_OPERAND_NAME)
			return fail_at(s, s->start, "\"is\" needs a column before it", err);
		st = advance(s, err);
		node.op = KVF_EXPR_ISNULL;
		if (!st && at_word(s, "not")) {
			node.op = KVF_EXPR_NOTNULL;
			st = advance(s, err);
		}
		if (!st && !at_word(s, "null"))
			return expected(s, "\"null\"", err);
		if (!st)
			st = advance(s, err);
		return st ? st : add_node(s, &node, out, err);
	}
	if (!comparison(s, &node.op))
		return expected(s, "a comparison (= != < <= > >= is)", err);
	st = advance(s, err);
	if (!st)
		st = parse_operand(s, &node.y, err);
	if (!st && node.x.type != KVF_OPERAND_NAME && node.y.type != KVF_OPERAND_NAME)
		return kvf_def_fail(err, node.pos, "a comparison of two constants");
	return st ? st : add_node(s, &node, out, err);
}

static enum kvf_status parse_or(struct scan *s, uint32_t *out, struct kvf_err *err);

static enum kvf_status parse_not(struct scan *s, uint32_t *out, struct kvf_err *err)
{
	struct kvf_def_expr_node node;
	enum kvf_status st;

	if (++s->depth > KVF_DEF_EXPR_DEPTH)
		return fail_at(s, s->start, "the condition is nested too deeply", err);
	if (at_word(s, "not")) {
		memset(&node, 0, sizeof(node));
		node.pos = kvf_node_at(s->node, s->start);
		node.op = KVF_EXPR_NOT;
		st = advance(s, err);
		if (!st)
			st = parse_not(s, &node.a, err);
		if (!st)
			st = add_node(s, &node, out, err);
	} else if (s->token == T_OPEN) {
		st = advance(s, err);
		if (!st)
			st = parse_or(s, out, err);
		if (!st && s->token != T_CLOSE)
			st = expected(s, "\")\"", err);
		if (!st)
			st = advance(s, err);
	} else {
		st = parse_test(s, out, err);
	}
	s->depth--;
	return st;
}

/* Both levels of and/or: operands of one kind joined by one word. */
static enum kvf_status parse_joined(struct scan *s, int is_or, uint32_t *out,
				    struct kvf_err *err)
{
	enum kvf_status st = is_or ? parse_joined(s, 0, out, err) : parse_not(s, out, err);

	while (!st && at_word(s, is_or ? "or" : "and")) {
		struct kvf_def_expr_node node;

		memset(&node, 0, sizeof(node));
		node.pos = kvf_node_at(s->node, s->start);
		node.op = is_or ? KVF_EXPR_OR : KVF_EXPR_AND;
		node.a = *out;
		st = advance(s, err);
		if (!st)
			st = is_or ? parse_joined(s, 0, &node.b, err)
				   : parse_not(s, &node.b, err);
		if (!st)
			st = add_node(s, &node, out, err);
	}
	return st;
}

static enum kvf_status parse_or(struct scan *s, uint32_t *out, struct kvf_err *err)
{
	return parse_joined(s, 1, out, err);
}

enum kvf_status kvf_expr_parse(struct kvf_arena *arena, const struct kvf_node *node,
			       struct kvf_def_expr *out, struct kvf_err *err)
{
	struct kvf_def_expr_node *copy;
	enum kvf_status st;
	struct scan s;
	uint32_t root = 0;

	memset(&s, 0, sizeof(s));
	s.arena = arena;
	s.node = node;
	s.text = node->text.ptr;
	s.len = node->text.len;
	st = advance(&s, err);
	if (!st)
		st = parse_or(&s, &root, err);
	if (!st && s.token != T_END)
		st = expected(&s, "\"and\", \"or\" or the end", err);
	if (st)
		return st;
	copy = kvf_arena_alloc(arena, s.nnodes * sizeof(*copy));
	if (!copy)
		return kvf_fail_nomem(err);
	memcpy(copy, s.nodes, s.nnodes * sizeof(*copy));
	out->pos = node->pos;
	out->text = (const char *)node->text.ptr;
	out->nodes = copy;
	out->nnodes = s.nnodes;
	return KVF_OK;
}
