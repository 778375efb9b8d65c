/*
 * postgres_parse - the words of a statement of PostgreSQL.
 *
 * As the server reads them with standard_conforming_strings on.  Only what an
 * export writes is known: comments, dollar quotes, parameters and semicolons are
 * bad, and so is what does not end.
 */
#include "restore/postgres.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Behind the closing quote, or NULL; a doubled quote is one. */
static const char *quoted_end(const char *p, char quote, int escapes)
{
	for (; *p; p++) {
		if (escapes && *p == '\\' && p[1])
			p++;
		else if (*p == quote && p[1] == quote)
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return NULL;
}

static const char *word_end(const char *p)
{
	while (is_letter(*p) || is_digit(*p))
		p++;
	return p;
}

static const char *number_end(const char *p)
{
	while (is_digit(*p) || *p == '.')
		p++;
	if ((*p == 'e' || *p == 'E') &&
	    (is_digit(p[1]) || ((p[1] == '+' || p[1] == '-') && is_digit(p[2])))) {
		p += 2;
		while (is_digit(*p))
			p++;
	}
	return is_letter(*p) ? NULL : p;
}

/* NULL where a comment begins in it. */
static const char *operator_end(const char *p)
{
	for (; *p && strchr("+-*/<>=~!@#%^&|`?:", *p); p++)
		if ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*'))
			return NULL;
	return p;
}

static const char *scan(struct kvf_lexer *l, const char *p)
{
	if (*p == '"') {
		l->kind = KVF_TOKEN_QUOTED;
		return quoted_end(p + 1, '"', 0);
	}
	if (*p == '\'') {
		l->kind = KVF_TOKEN_STRING;
		return quoted_end(p + 1, '\'', 0);
	}
	if (is_letter(*p) && p[1] == '\'') {
		l->kind = KVF_TOKEN_STRING;
		return strchr("EeBbXxNn", *p) ? quoted_end(p + 2, '\'', *p == 'E' || *p == 'e')
					      : NULL;
	}
	if ((*p == 'u' || *p == 'U') && p[1] == '&')
		return NULL; /* U&"..." */
	if (is_letter(*p)) {
		l->kind = KVF_TOKEN_WORD;
		p = word_end(p);
		return *p == '$' || *p == '\'' || *p == '"' ? NULL : p;
	}
	if (is_digit(*p)) {
		l->kind = KVF_TOKEN_NUMBER;
		return number_end(p);
	}
	if (strchr("()[],.", *p)) {
		l->kind = KVF_TOKEN_MARK;
		return p + 1;
	}
	l->kind = KVF_TOKEN_OPERATOR;
	return strchr("+-*/<>=~!@#%^&|`?:", *p) ? operator_end(p) : NULL;
}

void kvf_lex_next(struct kvf_lexer *l)
{
	const char *p, *end;

	if (l->kind == KVF_TOKEN_BAD)
		return;
	l->end = l->at + l->len;
	p = l->end + strspn(l->end, " \t\r\n");
	l->at = p;
	l->len = 0;
	l->kind = KVF_TOKEN_END;
	if (!*p)
		return;
	end = scan(l, p);
	if (!end)
		l->kind = KVF_TOKEN_BAD;
	else
		l->len = (size_t)(end - p);
}

void kvf_lex(struct kvf_lexer *l, const char *text)
{
	l->kind = KVF_TOKEN_END;
	l->at = l->end = text;
	l->len = 0;
	kvf_lex_next(l);
}

int kvf_lex_is_word(const struct kvf_lexer *l, const char *word)
{
	return l->kind == KVF_TOKEN_WORD && l->len == strlen(word) &&
	       strncasecmp(l->at, word, l->len) == 0;
}

int kvf_lex_word(struct kvf_lexer *l, const char *word)
{
	if (!kvf_lex_is_word(l, word))
		return 0;
	kvf_lex_next(l);
	return 1;
}

int kvf_lex_words(struct kvf_lexer *l, const char *const *words)
{
	for (; *words; words++)
		if (!kvf_lex_word(l, *words))
			return 0;
	return 1;
}

int kvf_lex_mark(struct kvf_lexer *l, char mark)
{
	if (l->kind != KVF_TOKEN_MARK || *l->at != mark)
		return 0;
	kvf_lex_next(l);
	return 1;
}

int kvf_lex_ident(struct kvf_lexer *l, char out[64])
{
	size_t i, n = 0;

	if (l->kind == KVF_TOKEN_WORD) {
		if (l->len > 63)
			return 0;
		memcpy(out, l->at, l->len);
		n = l->len;
	} else if (l->kind == KVF_TOKEN_QUOTED) {
		for (i = 1; i + 1 < l->len && n < 64; i++) {
			if (l->at[i] == '"')
				i++;
			out[n++] = l->at[i];
		}
	}
	if (n == 0 || n > 63)
		return 0;
	out[n] = '\0';
	kvf_lex_next(l);
	return 1;
}

int kvf_lex_name(struct kvf_lexer *l, struct kvf_pgr_name *out)
{
	out->schema[0] = '\0';
	if (!kvf_lex_ident(l, out->name))
		return 0;
	if (!kvf_lex_mark(l, '.'))
		return 1;
	memcpy(out->schema, out->name, sizeof(out->schema));
	return kvf_lex_ident(l, out->name);
}

const char *kvf_pgr_quoted(const struct kvf_pgr_name *n, char buf[2 * KVF_PG_QUOTED + 2])
{
	char schema[KVF_PG_QUOTED], name[KVF_PG_QUOTED];

	kvf_pg_quote(n->schema, schema);
	kvf_pg_quote(n->name, name);
	snprintf(buf, 2 * KVF_PG_QUOTED + 2, "%s%s%s", *n->schema ? schema : "",
		 *n->schema ? "." : "", name);
	return buf;
}
