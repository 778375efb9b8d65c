/*
 * postgres_expr - which expressions of a stream are let through.
 *
 * A default, a check, a generated column, an index: each is run by the server,
 * some of them while rows arrive, and with the rights of whoever imports.  So a
 * text has to be one balanced piece, without queries, and every function that
 * it calls has to be one that only computes: one of the server's own that is
 * immutable or stable, one of an extension that is immutable, or one of a short
 * list.  Functions that somebody wrote are not called for a stream.
 */
#include "restore/postgres.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int one_of(const struct kvf_lexer *l, const char *const *list)
{
	for (; *list; list++)
		if (kvf_lex_is_word(l, *list))
			return 1;
	return 0;
}

/* A query, or what would begin one. */
static int is_forbidden(const struct kvf_lexer *l)
{
	static const char *const words[] = { "select", "table", "values", "into", NULL };

	return one_of(l, words);
}

/*
 * Words that may stand before a parenthesis without calling anything by name:
 * those of the grammar, and types, whose conversion does nothing else.  Those of
 * a constraint or an index stand outside of all parentheses.
 */
static int is_syntax(const struct kvf_lexer *l, int depth)
{
	static const char *const inside[] = {
		"and",      "or",        "not",       "in",          "any",       "all",
		"some",     "array",     "row",       "case",        "when",      "then",
		"else",     "between",   "like",      "ilike",       "similar",   "is",
		"from",     "for",       "coalesce",  "nullif",      "greatest",  "least",
		"cast",     "extract",   "overlay",   "position",    "substring", "trim",
		"both",     "leading",   "trailing",  "distinct",    "operator",  "collate",
		"numeric",  "decimal",   "varchar",   "varying",     "character", "char",
		"bit",      "bpchar",    "timestamp", "timestamptz", "time",      "timetz",
		"interval", "symmetric", NULL
	};
	static const char *const outside[] = {
		"check",   "key",  "unique",     "include", "exclude", "with", "where", "null",
		"default", "to",   "references", "range",   "list",    "hash", "btree", "gist",
		"gin",     "brin", "spgist",     "as",      "by",      NULL
	};

	return one_of(l, inside) || (depth == 0 && one_of(l, outside));
}

/* May this function be called?  All that have the name count. */
static enum kvf_status ask(struct kvf_pgr *p, const struct kvf_pgr_name *n, int *is_fine,
			   struct kvf_err *err)
{
	static const char sql[] =
		"SELECT coalesce(bool_and(CASE WHEN n.nspname = 'pg_catalog' THEN"
		"  p.proname !~ 'to_xml|_to_xmlschema|^lo_|^pg_' AND p.provolatile <> 'v'"
		"  OR p.proname IN ('nextval', 'clock_timestamp', 'timeofday', 'random',"
		"   'gen_random_uuid', 'statement_timestamp', 'pg_typeof')"
		" WHEN e.extname IS NOT NULL THEN p.provolatile = 'i'"
		"  OR e.extname = 'uuid-ossp' OR e.extname = 'pgcrypto' AND"
		"   p.proname IN ('gen_random_uuid', 'gen_random_bytes', 'gen_salt')"
		" ELSE false END), false)"
		" FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = "
		"p.pronamespace"
		" LEFT JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.deptype = 'e'"
		"  AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"
		" LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"
		" WHERE p.proname = $1 AND ($2 = '' OR n.nspname = $2)";
	/* Operators call functions, too. */
	static const char operators[] =
		"SELECT coalesce(bool_and(n.nspname = 'pg_catalog' OR d.objid IS NOT NULL), "
		"true)"
		" FROM pg_catalog.pg_operator o"
		" JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
		" LEFT JOIN pg_catalog.pg_depend d ON d.objid = o.oid AND d.deptype = 'e'"
		"  AND d.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass"
		" WHERE o.oprname = $1 AND ($2 = '' OR n.nspname = $2)";
	struct kvf_pg_args args = { 0 };
	int64_t yes = 0;
	enum kvf_status st;

	kvf_pg_text(&args, n->name);
	kvf_pg_text(&args, n->schema);
	st = kvf_pg_ask(&p->pg, p->conn, &yes,
			strpbrk(n->name, "+-*/<>=~!@#%^&|`?") == n->name ? operators : sql,
			&args, err);
	*is_fine = yes != 0;
	return st;
}

enum kvf_status kvf_pgr_may_call(struct kvf_pgr *p, const struct kvf_pgr_name *n, int *is_fine,
				 struct kvf_err *err)
{
	struct kvf_pgr_function *f;
	enum kvf_status st;

	for (f = p->functions; f; f = f->next)
		if (strcmp(f->name, n->name) == 0 && strcmp(f->schema, n->schema) == 0)
			break;
	if (!f) {
		f = kvf_arena_zalloc(&p->base.arena, sizeof(*f));
		if (!f)
			return kvf_fail_nomem(err);
		memcpy(f->schema, n->schema, sizeof(f->schema));
		memcpy(f->name, n->name, sizeof(f->name));
		st = ask(p, n, &f->is_fine, err);
		if (st)
			return st;
		f->next = p->functions;
		p->functions = f;
	}
	*is_fine = f->is_fine;
	return KVF_OK;
}

/* Where the name stands decides what it can be. */
struct place {
	int depth;     /* open parentheses and brackets */
	int of_type;   /* behind :: or COLLATE, or inside OPERATOR(...) */
	int closed;    /* behind a closing one */
	int reference; /* behind REFERENCES: a table */
};

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

/* A name at the lexer: a column, a type, a table, or a call. */
static enum kvf_status take_name(struct kvf_pgr *p, struct kvf_lexer *l, struct place *at,
				 const char **why, struct kvf_err *err)
{
	struct kvf_pgr_name n;
	int unquoted = l->kind == KVF_TOKEN_WORD, is_fine = 1;
	int syntax = unquoted && is_syntax(l, at->depth), of_type = at->of_type;
	int reference = at->reference, named_type;
	enum kvf_status st = KVF_OK;

	if (unquoted && is_forbidden(l)) {
		*why = "it holds a query";
		return KVF_OK;
	}
	named_type = kvf_lex_is_word(l, "collate") || kvf_lex_is_word(l, "operator");
	at->reference = kvf_lex_is_word(l, "references");
	at->of_type = named_type;
	n.schema[0] = '\0';
	if (!kvf_lex_ident(l, n.name)) {
		*why = "it holds a name that is too long";
		return KVF_OK;
	}
	if (unquoted)
		lower(n.name);
	if (l->kind == KVF_TOKEN_MARK && *l->at == '.') {
		memcpy(n.schema, n.name, sizeof(n.schema));
		kvf_lex_next(l);
		syntax = 0;
		if (l->kind == KVF_TOKEN_OPERATOR && of_type)
			return KVF_OK; /* OPERATOR(schema.+) */
		if (!kvf_lex_ident(l, n.name)) {
			*why = "it holds a name that cannot be understood";
			return KVF_OK;
		}
		if (l->kind != KVF_TOKEN_MARK || *l->at != '(')
			*why = of_type || reference || !p
				       ? NULL
				       : "it holds a name that may call a function";
	}
	if (*why || syntax || of_type || reference)
		return KVF_OK;
	if (p && l->kind == KVF_TOKEN_MARK && *l->at == '(') {
		st = kvf_pgr_may_call(p, &n, &is_fine, err);
		if (!st && !is_fine) {
			*why = kvf_arena_printf(&p->base.arena,
						"it calls %s%s%s(), which a stream may not",
						n.schema, *n.schema ? "." : "", n.name);
			if (!*why)
				return kvf_fail_nomem(err);
		}
	}
	return st;
}

/* + and the like: "::" is a cast. */
static enum kvf_status take_operator(struct kvf_pgr *p, const struct kvf_lexer *l,
				     const char **why, struct kvf_err *err)
{
	struct kvf_pgr_name n = { "", "" };
	int is_fine = 1;
	enum kvf_status st = KVF_OK;

	if (l->len >= sizeof(n.name)) {
		*why = "it holds an operator that is too long";
		return KVF_OK;
	}
	memcpy(n.name, l->at, l->len);
	if (p && *l->at != ':')
		st = kvf_pgr_may_call(p, &n, &is_fine, err);
	if (!st && !is_fine) {
		*why = kvf_arena_printf(&p->base.arena,
					"it uses the operator %s, which a stream may not",
					n.name);
		if (!*why)
			return kvf_fail_nomem(err);
	}
	return st;
}

/* Anything but a name. */
static const char *take_other(struct kvf_lexer *l, struct place *at)
{
	char mark = l->kind == KVF_TOKEN_MARK ? *l->at : '\0';

	at->of_type =
		l->kind == KVF_TOKEN_OPERATOR && l->len == 2 && memcmp(l->at, "::", 2) == 0;
	if (mark == '(' || mark == '[')
		at->depth++;
	else if ((mark == ')' || mark == ']') && --at->depth < 0)
		return "its parentheses do not match";
	else if (mark == ',' && at->depth == 0)
		return "it is more than one expression";
	else if (mark == '.' && at->closed)
		return "it holds a name that may call a function";
	at->closed = mark == ')' || mark == ']';
	kvf_lex_next(l);
	return NULL;
}

static enum kvf_status walk(struct kvf_pgr *p, const char *text, const char **why,
			    struct kvf_err *err)
{
	struct place at = { 0 };
	struct kvf_lexer l;
	enum kvf_status st = KVF_OK;
	int in_operator;

	*why = NULL;
	kvf_lex(&l, text);
	if (l.kind == KVF_TOKEN_END)
		*why = "it is empty";
	while (!st && !*why && l.kind != KVF_TOKEN_END) {
		if (l.kind == KVF_TOKEN_BAD) {
			*why = "it holds something that no export writes";
		} else if (l.kind == KVF_TOKEN_WORD || l.kind == KVF_TOKEN_QUOTED) {
			st = take_name(p, &l, &at, why, err);
			at.closed = 0;
		} else {
			if (l.kind == KVF_TOKEN_OPERATOR)
				st = take_operator(p, &l, why, err);
			if (st || *why)
				break;
			/* OPERATOR ( schema . + ) */
			in_operator = at.of_type && l.kind == KVF_TOKEN_MARK && *l.at == '(';
			*why = take_other(&l, &at);
			at.of_type |= in_operator;
		}
	}
	if (!st && !*why && at.depth)
		*why = "its parentheses do not match";
	return st;
}

enum kvf_status kvf_pgr_expression(struct kvf_pgr *p, const char *text, const char **why,
				   struct kvf_err *err)
{
	return walk(p, text, why, err);
}

const char *kvf_pgr_type_text(const char *text)
{
	const char *why = NULL;

	(void)!walk(NULL, text, &why, NULL);
	return why;
}
