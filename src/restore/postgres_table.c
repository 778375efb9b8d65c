/*
 * postgres_table - CREATE TABLE out of the one that a stream has.
 *
 * It is taken apart column by column, along the columns that the stream
 * describes, and put together again: names quoted, types as they were checked,
 * defaults and generated columns if their expressions are let through.
 */
#include "restore/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct maker {
	struct kvf_pgr *p;
	struct kvf_restore_table *t;
	struct kvf_lexer l;
	struct kvf_buf sql;
	size_t column;
};

#define AGAIN "Export it again with kvferry, or leave it out with --exclude-table."

static enum kvf_status not_understood(const struct maker *m, struct kvf_err *err)
{
	const struct kvf_table *s = m->t->shape;

	return kvf_restore_refuse(s,
				  m->column < s->ncolumns ? s->columns[m->column].name : NULL,
				  AGAIN, err, "its CREATE TABLE is none that an export writes");
}

static enum kvf_status add(struct maker *m, struct kvf_err *err, const char *before,
			   const char *text, const char *after)
{
	return kvf_buf_printf(&m->sql, err, "%s%s%s", before, text, after);
}

/* ---- types ------------------------------------------------------------------------ */

/* Is it `name` of a type that the plan makes, or an array of it? */
static int is_planned(const struct kvf_pgr *p, const char *type)
{
	const struct kvf_pgr_step *s;
	const char *what;
	size_t n;

	for (s = p->first; s; s = s->next) {
		if (s->phase != KVF_PGR_TYPE)
			continue;
		what = s->sql + strlen("CREATE ");
		what = strchr(what, ' ') + 1;
		n = strlen(type);
		while (n > 2 && strncmp(type + n - 2, "[]", 2) == 0)
			n -= 2;
		/* Both are quoted by the same rule only after taking them apart. */
		if (n) {
			struct kvf_lexer a, b;
			struct kvf_pgr_name x, y;
			char *alone = strndup(type, n);
			int same;

			if (!alone)
				return 0;
			kvf_lex(&a, alone);
			kvf_lex(&b, what);
			same = kvf_lex_name(&a, &x) && a.kind == KVF_TOKEN_END &&
			       kvf_lex_name(&b, &y) && strcmp(x.name, y.name) == 0 &&
			       strcmp(x.schema, y.schema) == 0;
			free(alone);
			if (same)
				return 1;
		}
	}
	return 0;
}

/* The server knows it, and reads it as a type and nothing else. */
static enum kvf_status check_type(struct maker *m, struct kvf_err *err)
{
	const struct kvf_table *s = m->t->shape;
	const struct kvf_column *c = &s->columns[m->column];
	struct kvf_pg_args args = { 0 };
	struct kvf_err why;
	int64_t is = 0;
	enum kvf_status st;

	if (kvf_pgr_type_text(c->type))
		return kvf_restore_refuse(s, c->name, AGAIN, err,
					  "'%.100s' is not the name of a type", c->type);
	if (is_planned(m->p, c->type))
		return KVF_OK;
	kvf_pg_text(&args, c->type);
	st = kvf_pg_ask(&m->p->pg, m->p->conn, &is,
			"SELECT coalesce(pg_catalog.to_regtype($1)::oid::int8, 0)", &args,
			&why);
	if (st && !kvf_pgr_is_of_statement(&why)) {
		*err = why;
		return st;
	}
	if (st || !is)
		return kvf_restore_refuse(
			s, c->name,
			"CREATE EXTENSION makes types like hstore; or leave the table out with "
			"--exclude-table.",
			err, "there is no type '%.100s' in the target", c->type);
	return KVF_OK;
}

/* ---- clauses of a column ------------------------------------------------------------- */

/* The text from here to the end of an expression: a comma or parenthesis that is
 * not its own, or NOT NULL. */
static const char *expression_text(struct maker *m)
{
	const char *from = m->l.at, *to = from;
	struct kvf_lexer not_null;
	int depth = 0;

	while (m->l.kind != KVF_TOKEN_END && m->l.kind != KVF_TOKEN_BAD) {
		char mark = m->l.kind == KVF_TOKEN_MARK ? *m->l.at : '\0';

		if (depth == 0 && (mark == ',' || mark == ')'))
			break;
		not_null = m->l;
		if (depth == 0 && kvf_lex_word(&not_null, "NOT") &&
		    kvf_lex_word(&not_null, "NULL"))
			break;
		depth += mark == '(' || mark == '[';
		depth -= mark == ')' || mark == ']';
		to = m->l.at + m->l.len;
		kvf_lex_next(&m->l);
	}
	return kvf_arena_printf(&m->p->base.arena, "(%.*s)", (int)(to - from), from);
}

static enum kvf_status put_default(struct maker *m, struct kvf_err *err)
{
	const struct kvf_table *s = m->t->shape;
	const char *text = expression_text(m), *why;
	enum kvf_status st =
		text ? kvf_pgr_expression(m->p, text, &why, err) : kvf_fail_nomem(err);

	if (st)
		return st;
	if (why)
		return kvf_restore_leave(&m->p->base, s->name, "default",
					 s->columns[m->column].name, why, err);
	return add(m, err, " DEFAULT ", text, "");
}

/* AS (expression) STORED: without it the column cannot be. */
static enum kvf_status put_generated(struct maker *m, struct kvf_err *err)
{
	const struct kvf_table *s = m->t->shape;
	const char *text, *why;
	enum kvf_status st;

	if (!kvf_lex_mark(&m->l, '('))
		return not_understood(m, err);
	text = expression_text(m);
	if (!kvf_lex_mark(&m->l, ')') || !kvf_lex_word(&m->l, "STORED") ||
	    !(s->columns[m->column].flags & KVF_COLUMN_GENERATED))
		return not_understood(m, err);
	st = text ? kvf_pgr_expression(m->p, text, &why, err) : kvf_fail_nomem(err);
	if (!st && why)
		return kvf_restore_refuse(s, s->columns[m->column].name, AGAIN, err,
					  "it is generated, and the expression is not let "
					  "through: %s",
					  why);
	return st ? st : add(m, err, " GENERATED ALWAYS AS ", text, " STORED");
}

/* (SEQUENCE NAME n INCREMENT BY 1 ...): names and numbers. */
static enum kvf_status put_identity(struct maker *m, const char *when, struct kvf_err *err)
{
	char quoted[2 * KVF_PG_QUOTED + 2];
	struct kvf_pgr_name n;
	const char *from;
	enum kvf_status st;

	st = add(m, err, " GENERATED ", when, " AS IDENTITY");
	if (st || !kvf_lex_mark(&m->l, '('))
		return st;
	if (!kvf_lex_word(&m->l, "SEQUENCE") || !kvf_lex_word(&m->l, "NAME") ||
	    !kvf_lex_name(&m->l, &n))
		return not_understood(m, err);
	from = m->l.at;
	while (m->l.kind == KVF_TOKEN_WORD || m->l.kind == KVF_TOKEN_NUMBER ||
	       (m->l.kind == KVF_TOKEN_OPERATOR && m->l.len == 1 && *m->l.at == '-'))
		kvf_lex_next(&m->l);
	st = kvf_buf_printf(&m->sql, err, " (SEQUENCE NAME %s %.*s)",
			    kvf_pgr_quoted(&n, quoted), (int)(m->l.end - from), from);
	return st ? st : kvf_lex_mark(&m->l, ')') ? KVF_OK : not_understood(m, err);
}

static enum kvf_status put_collation(struct maker *m, struct kvf_err *err)
{
	char quoted[2 * KVF_PG_QUOTED + 2];
	struct kvf_pgr_name n;

	if (!kvf_lex_name(&m->l, &n))
		return not_understood(m, err);
	return add(m, err, " COLLATE ", kvf_pgr_quoted(&n, quoted), "");
}

static enum kvf_status put_clauses(struct maker *m, struct kvf_err *err)
{
	static const char *const always[] = { "ALWAYS", "AS", NULL }, *const by_default[] = {
		"BY", "DEFAULT", "AS", "IDENTITY", NULL
	};
	enum kvf_status st = KVF_OK;

	if (kvf_lex_word(&m->l, "COLLATE"))
		st = put_collation(m, err);
	if (!st && kvf_lex_word(&m->l, "GENERATED")) {
		if (!kvf_lex_is_word(&m->l, "ALWAYS"))
			st = kvf_lex_words(&m->l, by_default)
				     ? put_identity(m, "BY DEFAULT", err)
				     : not_understood(m, err);
		else if (!kvf_lex_words(&m->l, always))
			st = not_understood(m, err);
		else if (kvf_lex_word(&m->l, "IDENTITY"))
			st = put_identity(m, "ALWAYS", err);
		else
			st = put_generated(m, err);
	} else if (!st && kvf_lex_word(&m->l, "DEFAULT")) {
		st = put_default(m, err);
	}
	if (!st && kvf_lex_word(&m->l, "NOT"))
		st = kvf_lex_word(&m->l, "NULL") ? add(m, err, " NOT NULL", "", "")
						 : not_understood(m, err);
	return st;
}

/* name type clauses: the type is, word for word, the one of the shape. */
static enum kvf_status put_column(struct maker *m, struct kvf_err *err)
{
	const struct kvf_column *c = &m->t->shape->columns[m->column];
	char name[64], quoted[KVF_PG_QUOTED];
	enum kvf_status st;

	if (!kvf_lex_ident(&m->l, name) || strcmp(name, c->name) != 0 ||
	    strncmp(m->l.at, c->type, strlen(c->type)) != 0)
		return not_understood(m, err);
	st = check_type(m, err);
	if (st)
		return st;
	kvf_pg_quote(name, quoted);
	st = kvf_buf_printf(&m->sql, err, "%s%s %s", m->column ? ", " : "", quoted, c->type);
	kvf_lex(&m->l, m->l.at + strlen(c->type));
	return st ? st : put_clauses(m, err);
}

/* PARTITION BY RANGE (day, lower(x)) */
static enum kvf_status put_partitioning(struct maker *m, struct kvf_err *err)
{
	const char *text = m->l.at, *why;
	struct kvf_lexer end;
	enum kvf_status st;

	if (m->l.kind == KVF_TOKEN_END)
		return KVF_OK;
	end = m->l;
	if (!kvf_lex_word(&end, "PARTITION") || !kvf_lex_word(&end, "BY"))
		return not_understood(m, err);
	st = kvf_pgr_expression(m->p, text, &why, err);
	if (!st && why)
		return kvf_restore_refuse(m->t->shape, NULL, AGAIN, err,
					  "how it is partitioned is not let through: %s", why);
	return st ? st : add(m, err, " ", text, "");
}

static enum kvf_status put_table(struct maker *m, const char *sql, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = m->t->own;
	struct kvf_pgr_name n;
	enum kvf_status st;
	int unlogged;

	m->column = SIZE_MAX;
	kvf_lex(&m->l, sql);
	if (!kvf_lex_word(&m->l, "CREATE"))
		return not_understood(m, err);
	unlogged = kvf_lex_word(&m->l, "UNLOGGED");
	if (!kvf_lex_word(&m->l, "TABLE") || !kvf_lex_name(&m->l, &n) ||
	    strcmp(n.name, own->name) != 0 || !kvf_lex_mark(&m->l, '('))
		return not_understood(m, err);
	st = kvf_buf_printf(&m->sql, err, "CREATE %sTABLE %s (", unlogged ? "UNLOGGED " : "",
			    own->quoted);
	for (m->column = 0; m->column < m->t->shape->ncolumns && !st; m->column++) {
		if (m->column && !kvf_lex_mark(&m->l, ','))
			return not_understood(m, err);
		st = put_column(m, err);
	}
	if (st)
		return st;
	if (!kvf_lex_mark(&m->l, ')'))
		return not_understood(m, err);
	st = kvf_buf_printf(&m->sql, err, ")");
	return st ? st : put_partitioning(m, err);
}

enum kvf_status kvf_pgr_plan_create(struct kvf_pgr *p, struct kvf_restore_table *t,
				    const struct kvf_ddl *d, struct kvf_err *err)
{
	struct maker m = { .p = p, .t = t };
	enum kvf_status st;

	kvf_buf_init(&m.sql, 64u << 20);
	st = put_table(&m, d->sql, err);
	if (!st)
		st = kvf_pgr_plan(p, KVF_PGR_TABLE, t->shape, d, 0, (const char *)m.sql.ptr,
				  err);
	kvf_buf_release(&m.sql);
	return st;
}

/* ---- a table of another kind of database ------------------------------------------------ */

static enum kvf_status put_list(struct kvf_buf *sql, const struct kvf_table *s,
				const uint32_t *columns, size_t n, const char *what,
				struct kvf_err *err)
{
	char quoted[KVF_PG_QUOTED];
	enum kvf_status st = kvf_buf_printf(sql, err, ", %s (", what);
	size_t i;

	for (i = 0; i < n && !st; i++) {
		kvf_pg_quote(s->columns[columns[i]].name, quoted);
		st = kvf_buf_printf(sql, err, "%s%s", i ? ", " : "", quoted);
	}
	return st ? st : kvf_buf_printf(sql, err, ")");
}

enum kvf_status kvf_pgr_plan_foreign(struct kvf_pgr *p, struct kvf_restore_table *t,
				     struct kvf_err *err)
{
	const struct kvf_table *s = t->shape;
	struct kvf_pgr_table *own = t->own;
	struct kvf_ddl ddl = { "table", s->name, NULL };
	char quoted[KVF_PG_QUOTED];
	struct kvf_buf sql;
	enum kvf_status st;
	size_t i;

	kvf_buf_init(&sql, 64u << 20);
	st = kvf_buf_printf(&sql, err, "CREATE TABLE %s (", own->quoted);
	for (i = 0; i < s->ncolumns && !st; i++) {
		kvf_pg_quote(s->columns[i].name, quoted);
		st = kvf_buf_printf(
			&sql, err, "%s%s %s%s", i ? ", " : "", quoted, own->types[i],
			s->columns[i].flags & KVF_COLUMN_NOTNULL ? " NOT NULL" : "");
	}
	/* SQLite lets a key be NULL; then it is none here. */
	if (!st && s->nkey && !(s->flags & KVF_TABLE_KEY_HAS_NULLS))
		st = put_list(&sql, s, s->key, s->nkey, "PRIMARY KEY", err);
	for (i = 0; i < s->nunique && !st; i++)
		if (!s->unique[i].partial && s->unique[i].ncolumns)
			st = put_list(&sql, s, s->unique[i].columns, s->unique[i].ncolumns,
				      "UNIQUE", err);
	if (!st)
		st = kvf_buf_printf(&sql, err, ")");
	if (!st)
		st = kvf_pgr_plan(p, KVF_PGR_TABLE, s, &ddl, 0, (const char *)sql.ptr, err);
	kvf_buf_release(&sql);
	return st;
}
