/* sql - names and arguments in queries. */
#include "formats/sql.h"

#include "formats/parse.h"
#include "formats/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- tokens ------------------------------------------------------------------- */

enum token { END, WORD, ARG, OTHER };

/* Behind the closing `quote`, which is doubled inside; or the end. */
static const char *skip_quoted(const char *p, char quote)
{
	for (; *p; p++)
		if (*p == quote && *++p != quote)
			return p;
	return p;
}

static const char *skip_comment(const char *p)
{
	unsigned depth = 1;

	for (; *p && depth; p++) {
		if (p[0] == '*' && p[1] == '/') {
			depth--;
			p++;
		} else if (p[0] == '/' && p[1] == '*') {
			depth++;
			p++;
		}
	}
	return p;
}

/* Behind $tag$...$tag$, or `p` if none begins here. */
static const char *skip_dollar(const char *p)
{
	const char *tag = p + 1, *end;
	size_t len;

	while (kvf_is_word_byte((uint8_t)*tag))
		tag++;
	if (*tag != '$')
		return p;
	len = (size_t)(tag + 1 - p);
	for (end = tag + 1; *end; end++)
		if (strncmp(end, p, len) == 0)
			return end + len;
	return end;
}

/* The token at *at, which moves behind it; its text is [*from, *to). */
static enum token next(const char **at, const char **from, const char **to)
{
	const char *p = *at;
	enum token t = OTHER;

	*from = p;
	if (!*p) {
		t = END;
	} else if (p[0] == ':' && p[1] == '\'') {
		*from = p + 2;
		p += 2;
		while (kvf_is_word_byte((uint8_t)*p))
			p++;
		if (*p == '\'')
			t = ARG;
		*to = p;
		*at = p + (*p != '\0');
		return t;
	} else if (p[0] == ':' && p[1] == ':') {
		p += 2;
	} else if (p[0] == '-' && p[1] == '-') {
		p += strcspn(p, "\n");
	} else if (p[0] == '/' && p[1] == '*') {
		p = skip_comment(p + 2);
	} else if (*p == '\'' || *p == '"') {
		p = skip_quoted(p + 1, *p);
	} else if (*p == '$' && skip_dollar(p) != p) {
		p = skip_dollar(p);
	} else if (kvf_is_word_byte((uint8_t)*p)) {
		t = WORD;
		while (kvf_is_word_byte((uint8_t)*p) || *p == '$')
			p++;
	} else {
		p++;
	}
	*at = *to = p;
	return t;
}

/* ---- named queries -------------------------------------------------------------- */

static int is_word(const char *from, const char *to, const char *word)
{
	return (size_t)(to - from) == strlen(word) &&
	       strncasecmp(from, word, (size_t)(to - from)) == 0;
}

/* Mark those of the first `n` named queries that `text` names. */
static void mark(const struct kvf_def_package *p, size_t n, const char *text, char *used)
{
	const char *from, *to;
	enum token t;
	size_t i;

	while ((t = next(&text, &from, &to)) != END)
		for (i = 0; t == WORD && i < n; i++)
			if (is_word(from, to, p->with[i].name))
				used[i] = 1;
}

static enum kvf_status join(struct kvf_arena *arena, const struct kvf_def_package *p,
			    const char *used, const char *text, const char **out,
			    struct kvf_err *err)
{
	const char *before = "WITH ";
	char *whole = NULL;
	enum kvf_status st = KVF_OK;
	struct kvf_buf b;
	size_t i;

	kvf_buf_init(&b, 2 * KVF_DEF_FILE_MAX);
	for (i = 0; !st && i < p->nwith; i++) {
		if (!used[i])
			continue;
		/* The line break is for a query that ends in a comment. */
		st = kvf_buf_printf(&b, err, "%s%s AS (%s\n)", before, p->with[i].name,
				    p->with[i].query);
		before = ", ";
	}
	if (!st)
		st = kvf_buf_printf(&b, err, "\n%s", text);
	if (!st)
		whole = kvf_arena_strndup(arena, b.ptr, b.len);
	kvf_buf_release(&b);
	*out = whole;
	return st ? st : whole ? KVF_OK : kvf_fail_nomem(err);
}

enum kvf_status kvf_sql_with(struct kvf_arena *arena, const struct kvf_def_package *p,
			     struct kvf_pos pos, const char *text, const char **out,
			     struct kvf_err *err)
{
	const char *at = text, *from, *to;
	char *used;
	enum kvf_status st;
	enum token t;
	size_t i;
	int any = 0;

	*out = text;
	if (!p->nwith)
		return KVF_OK;
	used = calloc(p->nwith, 1);
	if (!used)
		return kvf_fail_nomem(err);
	mark(p, p->nwith, text, used);
	for (i = p->nwith; i-- > 0;) {
		any |= used[i];
		if (used[i])
			mark(p, i, p->with[i].query, used);
	}
	st = any ? join(arena, p, used, text, out, err) : KVF_OK;
	free(used);
	if (st || !any)
		return st;
	do
		t = next(&at, &from, &to);
	while (t == OTHER);
	if (t == WORD && is_word(from, to, "with"))
		return kvf_def_fail(err, pos,
				    "a query that begins with WITH cannot name one of the "
				    "package's \"with\"");
	return KVF_OK;
}

/* ---- arguments -------------------------------------------------------------------- */

static size_t find_arg(const struct kvf_def *def, const char *from, const char *to)
{
	size_t i;

	for (i = 0; i < def->nargs; i++)
		if (strlen(def->args[i].name) == (size_t)(to - from) &&
		    memcmp(def->args[i].name, from, (size_t)(to - from)) == 0)
			break;
	return i;
}

enum kvf_status kvf_sql_check(const struct kvf_def *def, struct kvf_pos pos, const char *text,
			      struct kvf_err *err)
{
	const char *at = text, *from, *to;
	enum token t;

	while (at && (t = next(&at, &from, &to)) != END) {
		if (t != ARG || find_arg(def, from, to) < def->nargs)
			continue;
		kvf_def_fail(err, pos, "there is no argument :'%.*s'", (int)(to - from), from);
		kvf_err_hint(err, "Declare it under \"args:\" in application.yaml.");
		return KVF_EDEFINITION;
	}
	return KVF_OK;
}

static enum kvf_status append_literal(struct kvf_buf *b, const char *value, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_printf(b, err, "'");

	for (; !st && *value; value++) {
		st = kvf_buf_append(b, value, 1, err);
		if (!st && *value == '\'')
			st = kvf_buf_append(b, value, 1, err);
	}
	return st ? st : kvf_buf_printf(b, err, "'");
}

enum kvf_status kvf_sql_values(struct kvf_arena *arena, const struct kvf_def *def,
			       const char *const *values, const char *text, const char **out,
			       struct kvf_err *err)
{
	const char *at = text, *from, *to, *start;
	enum kvf_status st = KVF_OK;
	struct kvf_buf b;
	enum token t;
	char *whole;
	int any = 0;

	*out = text;
	if (!text || !def->nargs)
		return KVF_OK;
	kvf_buf_init(&b, 4 * KVF_DEF_FOLDER_MAX);
	for (start = at; !st && (t = next(&at, &from, &to)) != END; start = at) {
		if (t == ARG) {
			any = 1;
			st = append_literal(&b, values[find_arg(def, from, to)], err);
		} else {
			st = kvf_buf_append(&b, start, (size_t)(at - start), err);
		}
	}
	if (!st && any) {
		whole = kvf_arena_strndup(arena, b.ptr, b.len);
		*out = whole;
		st = whole ? KVF_OK : kvf_fail_nomem(err);
	}
	kvf_buf_release(&b);
	return st;
}
