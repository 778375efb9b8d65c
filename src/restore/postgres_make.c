/*
 * postgres_make - the plan: what a stream says, as statements of our own, and
 * the run of it.
 *
 * Each kind of statement that an export writes is taken apart as far as its names
 * go; what follows is an expression and checked as one.  A type, a sequence or
 * a table that is not understood refuses the restore; what only hangs on a table
 * is listed as not restored.
 */
#include "restore/postgres.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN "Export it again with kvferry, or leave it out with --exclude-table."
#define QUOTED (2 * KVF_PG_QUOTED + 2)

enum kvf_status kvf_pgr_plan(struct kvf_pgr *p, enum kvf_pgr_phase phase,
			     const struct kvf_table *t, const struct kvf_ddl *d, int may_fail,
			     const char *sql, struct kvf_err *err)
{
	struct kvf_pgr_step *s;

	/* A type or a sequence that several tables use is made once. */
	for (s = p->first; s; s = s->next)
		if (s->phase == phase && strcmp(s->sql, sql) == 0)
			return KVF_OK;
	s = kvf_arena_zalloc(&p->base.arena, sizeof(*s));
	if (!s)
		return kvf_fail_nomem(err);
	s->phase = phase;
	s->table = t;
	s->kind = d->kind;
	s->name = d->name;
	s->may_fail = may_fail;
	s->sql = kvf_arena_strdup(&p->base.arena, sql);
	if (!s->sql)
		return kvf_fail_nomem(err);
	*p->last = s;
	p->last = &s->next;
	return KVF_OK;
}

/* The statement and where we are in it. */
struct reading {
	struct kvf_pgr *p;
	struct kvf_restore_table *t;
	const struct kvf_ddl *d;
	struct kvf_lexer l;
};

static enum kvf_status not_understood(const struct reading *r, struct kvf_err *err)
{
	return kvf_restore_refuse(
		r->t->shape, NULL, AGAIN, err,
		"its statement for %s \"%.100s\" is none that an export writes", r->d->kind,
		r->d->name);
}

static enum kvf_status leave(const struct reading *r, const char *why, struct kvf_err *err)
{
	return kvf_restore_leave(&r->p->base, r->t->shape->name, r->d->kind, r->d->name, why,
				 err);
}

static enum kvf_status plan(const struct reading *r, enum kvf_pgr_phase phase, int may_fail,
			    struct kvf_err *err, const char *fmt, ...) KVF_PRINTF(5, 6);

static enum kvf_status plan(const struct reading *r, enum kvf_pgr_phase phase, int may_fail,
			    struct kvf_err *err, const char *fmt, ...)
{
	enum kvf_status st;
	char *sql = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&sql, fmt, ap);
	va_end(ap);
	if (n < 0)
		return kvf_fail_nomem(err);
	st = kvf_pgr_plan(r->p, phase, r->t->shape, r->d, may_fail, sql, err);
	free(sql);
	return st;
}

/* A schema that a name needs. */
static enum kvf_status plan_schema(const struct reading *r, const struct kvf_pgr_name *n,
				   struct kvf_err *err)
{
	struct kvf_pg_args args = { 0 };
	struct reading schema = *r;
	struct kvf_ddl d = { "schema", n->schema, NULL };
	char quoted[KVF_PG_QUOTED];
	int64_t is = 1;
	enum kvf_status st = KVF_OK;

	if (*n->schema) {
		kvf_pg_text(&args, n->schema);
		st = kvf_pg_ask(
			&r->p->pg, r->p->conn, &is,
			"SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1",
			&args, err);
	}
	if (st || is)
		return st;
	kvf_pg_quote(n->schema, quoted);
	d.name = kvf_arena_strdup(&r->p->base.arena, n->schema);
	schema.d = &d;
	return d.name ? plan(&schema, KVF_PGR_SCHEMA, 0, err, "CREATE SCHEMA %s", quoted)
		      : kvf_fail_nomem(err);
}

/* Is there an object of that name?  `function` is to_regtype or to_regclass. */
static enum kvf_status is_there(struct kvf_pgr *p, const char *function,
				const struct kvf_pgr_name *n, int *is, struct kvf_err *err)
{
	struct kvf_pg_args args = { 0 };
	char quoted[QUOTED], sql[100];
	int64_t yes = 0;
	enum kvf_status st;

	snprintf(sql, sizeof(sql), "SELECT pg_catalog.%s($1) IS NOT NULL", function);
	kvf_pg_text(&args, kvf_pgr_quoted(n, quoted));
	st = kvf_pg_ask(&p->pg, p->conn, &yes, sql, &args, err);
	*is = yes != 0;
	return st;
}

/* Does the plan make a sequence, or a partition, of that name? */
static int is_planned(const struct kvf_pgr *p, enum kvf_pgr_phase phase,
		      const struct kvf_pgr_name *n)
{
	size_t skip = strlen(phase == KVF_PGR_SEQUENCE ? "CREATE SEQUENCE " : "CREATE TABLE ");
	const struct kvf_pgr_step *s;
	char quoted[QUOTED];
	size_t len;

	kvf_pgr_quoted(n, quoted);
	len = strlen(quoted);
	for (s = p->first; s; s = s->next)
		if (s->phase == phase && strncmp(s->sql + skip, quoted, len) == 0 &&
		    s->sql[skip + len] == ' ')
			return 1;
	return 0;
}

/* ---- types ------------------------------------------------------------------------ */

/* ('a', 'b'): the end of the statement. */
static int is_enum_list(struct kvf_lexer l)
{
	if (!kvf_lex_mark(&l, '('))
		return 0;
	while (l.kind == KVF_TOKEN_STRING || (l.kind == KVF_TOKEN_MARK && *l.at == ','))
		kvf_lex_next(&l);
	return kvf_lex_mark(&l, ')') && l.kind == KVF_TOKEN_END;
}

/* RANGE (SUBTYPE = type, SUBTYPE_DIFF = function): what is called? */
static enum kvf_status check_range(const struct reading *r, int *is_fine, struct kvf_err *err)
{
	struct kvf_lexer l = r->l;
	struct kvf_pgr_name n;
	enum kvf_status st = KVF_OK;

	*is_fine = 1;
	while (l.kind != KVF_TOKEN_END && l.kind != KVF_TOKEN_BAD && *is_fine && !st) {
		if (kvf_lex_is_word(&l, "canonical")) {
			*is_fine = 0;
		} else if (kvf_lex_word(&l, "subtype_diff")) {
			kvf_lex_next(&l); /* = */
			*is_fine = kvf_lex_name(&l, &n);
			if (*is_fine)
				st = kvf_pgr_may_call(r->p, &n, is_fine, err);
		} else {
			kvf_lex_next(&l);
		}
	}
	return st;
}

/* An enum that is there has to have the same labels: a default may name one.  Other
 * types are compared when the tables are made. */
static enum kvf_status compare_enum(const struct reading *r, const struct kvf_pgr_name *n,
				    const char *labels, struct kvf_err *err)
{
	struct kvf_pg_args args = { 0 };
	char quoted[QUOTED];
	int64_t same = 0;
	enum kvf_status st;

	kvf_pg_text(&args, kvf_pgr_quoted(n, quoted));
	kvf_pg_text(&args, labels);
	st = kvf_pg_ask(
		&r->p->pg, r->p->conn, &same,
		"SELECT coalesce((SELECT '(' || string_agg(quote_literal(enumlabel), ', '"
		" ORDER BY enumsortorder) || ')' FROM pg_catalog.pg_enum"
		" WHERE enumtypid = pg_catalog.to_regtype($1)) = $2, false)",
		&args, err);
	if (!st && !same)
		return kvf_restore_refuse(
			r->t->shape, NULL,
			"Drop or rename that type, or name another database.", err,
			"type \"%.100s\" is there already, and is another one", r->d->name);
	return st;
}

static enum kvf_status plan_type(struct reading *r, struct kvf_err *err)
{
	const char *why = NULL, *rest;
	char quoted[QUOTED];
	struct kvf_pgr_name n;
	int domain, is_enum = 0, is_fine = 1, there;
	enum kvf_status st = KVF_OK;

	if (!kvf_lex_word(&r->l, "CREATE"))
		return not_understood(r, err);
	domain = kvf_lex_word(&r->l, "DOMAIN");
	if ((!domain && !kvf_lex_word(&r->l, "TYPE")) || !kvf_lex_name(&r->l, &n) ||
	    !kvf_lex_word(&r->l, "AS"))
		return not_understood(r, err);
	rest = r->l.at;
	if (domain) {
		st = kvf_pgr_expression(r->p, rest, &why, err);
	} else if (kvf_lex_word(&r->l, "ENUM")) {
		is_enum = is_fine = is_enum_list(r->l);
	} else {
		why = kvf_pgr_type_text(rest);
		st = check_range(r, &is_fine, err);
	}
	if (!st && (why || !is_fine))
		return kvf_restore_refuse(r->t->shape, NULL, AGAIN, err,
					  "type \"%.100s\" is not let through: %s", r->d->name,
					  why ? why : "it calls a function, or is none");
	if (!st)
		st = is_there(r->p, "to_regtype", &n, &there, err);
	if (st || there)
		return !st && is_enum ? compare_enum(r, &n, r->l.at, err) : st;
	st = plan_schema(r, &n, err);
	return st ? st
		  : plan(r, KVF_PGR_TYPE, 0, err, "CREATE %s %s AS %s",
			 domain ? "DOMAIN" : "TYPE", kvf_pgr_quoted(&n, quoted), rest);
}

/* ---- sequences ---------------------------------------------------------------------- */

static enum kvf_status plan_sequence(struct reading *r, struct kvf_err *err)
{
	char quoted[QUOTED];
	struct kvf_pgr_name n;
	const char *rest;
	int there;
	enum kvf_status st;

	if (!kvf_lex_word(&r->l, "CREATE") || !kvf_lex_word(&r->l, "SEQUENCE") ||
	    !kvf_lex_name(&r->l, &n))
		return not_understood(r, err);
	rest = r->l.at;
	while (r->l.kind == KVF_TOKEN_WORD || r->l.kind == KVF_TOKEN_NUMBER ||
	       (r->l.kind == KVF_TOKEN_OPERATOR && r->l.len == 1 && *r->l.at == '-'))
		kvf_lex_next(&r->l);
	if (r->l.kind != KVF_TOKEN_END)
		return not_understood(r, err);
	st = is_there(r->p, "to_regclass", &n, &there, err);
	if (!st && there)
		return kvf_restore_refuse(
			r->t->shape, NULL,
			"Drop or rename it, then give the same command again.", err,
			"its sequence \"%.100s\" is there already", r->d->name);
	if (!st)
		st = plan_schema(r, &n, err);
	return st ? st
		  : plan(r, KVF_PGR_SEQUENCE, 0, err, "CREATE SEQUENCE %s %s",
			 kvf_pgr_quoted(&n, quoted), rest);
}

/* ALTER SEQUENCE s OWNED BY t.c, with or without a schema. */
static enum kvf_status plan_owner(struct reading *r, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = r->t->own;
	char quoted[QUOTED], column[64], c[KVF_PG_QUOTED];
	struct kvf_pgr_name n, of;

	if (!kvf_lex_word(&r->l, "ALTER") || !kvf_lex_word(&r->l, "SEQUENCE") ||
	    !kvf_lex_name(&r->l, &n) || !kvf_lex_word(&r->l, "OWNED") ||
	    !kvf_lex_word(&r->l, "BY") || !kvf_lex_name(&r->l, &of))
		return not_understood(r, err);
	memcpy(column, of.name, sizeof(column));
	if (kvf_lex_mark(&r->l, '.') && !kvf_lex_ident(&r->l, column))
		return not_understood(r, err);
	if (r->l.kind != KVF_TOKEN_END || !is_planned(r->p, KVF_PGR_SEQUENCE, &n))
		return not_understood(r, err);
	kvf_pg_quote(column, c);
	return plan(r, KVF_PGR_OWNER, 1, err, "ALTER SEQUENCE %s OWNED BY %s.%s",
		    kvf_pgr_quoted(&n, quoted), own->quoted, c);
}

/* SELECT pg_catalog.setval('s', 42, true): only for what the table has itself. */
static enum kvf_status plan_value(struct reading *r, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = r->t->own;
	struct kvf_pgr_name n, function;
	struct kvf_lexer inner;
	char quoted[QUOTED], text[QUOTED], *literal, *table;
	size_t i, k = 0;
	long long value;
	enum kvf_status st;

	if (!kvf_lex_word(&r->l, "SELECT") || !kvf_lex_name(&r->l, &function) ||
	    strcmp(function.name, "setval") != 0 || !kvf_lex_mark(&r->l, '(') ||
	    r->l.kind != KVF_TOKEN_STRING || r->l.len >= sizeof(text) || *r->l.at != '\'')
		return not_understood(r, err);
	for (i = 1; i + 1 < r->l.len; i++) {
		i += r->l.at[i] == '\'';
		text[k++] = r->l.at[i];
	}
	text[k] = '\0';
	kvf_lex(&inner, text);
	if (!kvf_lex_name(&inner, &n) || inner.kind != KVF_TOKEN_END)
		return not_understood(r, err);
	kvf_lex_next(&r->l);
	if (!kvf_lex_mark(&r->l, ','))
		return not_understood(r, err);
	value = strtoll(r->l.at, NULL, 10);
	kvf_pgr_quoted(&n, quoted);
	literal = PQescapeLiteral(r->p->conn, quoted, strlen(quoted));
	table = PQescapeLiteral(r->p->conn, own->quoted, strlen(own->quoted));
	st = !literal || !table
		     ? kvf_fail_nomem(err)
		     : plan(r, KVF_PGR_VALUE, 0, err,
			    "SELECT pg_catalog.setval(%s, %lld, true) WHERE %s OR EXISTS "
			    "(SELECT 1"
			    " FROM pg_catalog.pg_depend WHERE objid = %s::regclass AND"
			    " refobjid = %s::regclass AND deptype IN ('a', 'i'))",
			    literal, value,
			    is_planned(r->p, KVF_PGR_SEQUENCE, &n) ? "true" : "false", literal,
			    table);
	PQfreemem(literal);
	PQfreemem(table);
	return st;
}

/* ---- what hangs on a table ------------------------------------------------------------- */

static enum kvf_status plan_partition(struct reading *r, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = r->t->own;
	char quoted[QUOTED], parent[QUOTED];
	struct kvf_pgr_name n, of;
	const char *why, *rest;
	int there;
	enum kvf_status st;

	if (!kvf_lex_word(&r->l, "CREATE") || !kvf_lex_word(&r->l, "TABLE") ||
	    !kvf_lex_name(&r->l, &n) || !kvf_lex_word(&r->l, "PARTITION") ||
	    !kvf_lex_word(&r->l, "OF") || !kvf_lex_name(&r->l, &of))
		return not_understood(r, err);
	/* Of this table, or of one of its partitions. */
	if (strcmp(of.name, own->name) != 0 && !is_planned(r->p, KVF_PGR_PARTITION, &of))
		return not_understood(r, err);
	if (strcmp(of.name, own->name) == 0)
		memcpy(of.schema, own->schema, sizeof(of.schema));
	rest = r->l.at;
	if (kvf_lex_word(&r->l, "FOR") ? !kvf_lex_word(&r->l, "VALUES")
				       : !kvf_lex_is_word(&r->l, "DEFAULT"))
		return not_understood(r, err);
	st = kvf_pgr_expression(r->p, r->l.at, &why, err);
	if (!st && why)
		return kvf_restore_refuse(r->t->shape, NULL, AGAIN, err,
					  "partition \"%.100s\" is not let through: %s",
					  r->d->name, why);
	if (!st)
		st = is_there(r->p, "to_regclass", &n, &there, err);
	if (!st && there)
		return kvf_restore_refuse(
			r->t->shape, NULL,
			"Drop or rename it, then give the same command again.", err,
			"its partition \"%.100s\" is there already", r->d->name);
	if (!st)
		st = plan_schema(r, &n, err);
	return st ? st
		  : plan(r, KVF_PGR_PARTITION, 0, err, "CREATE TABLE %s PARTITION OF %s %s",
			 kvf_pgr_quoted(&n, quoted), kvf_pgr_quoted(&of, parent), rest);
}

static enum kvf_status plan_constraint(struct reading *r, enum kvf_pgr_phase phase,
				       struct kvf_err *err)
{
	const struct kvf_pgr_table *own = r->t->own;
	char name[64], quoted[KVF_PG_QUOTED];
	struct kvf_pgr_name n;
	const char *why;
	int key = strcmp(r->d->kind, "primary-key") == 0;
	enum kvf_status st;

	if (!kvf_lex_word(&r->l, "ALTER") || !kvf_lex_word(&r->l, "TABLE") ||
	    !kvf_lex_name(&r->l, &n) || !kvf_lex_word(&r->l, "ADD") ||
	    !kvf_lex_word(&r->l, "CONSTRAINT") || !kvf_lex_ident(&r->l, name))
		return not_understood(r, err);
	st = kvf_pgr_expression(r->p, r->l.at, &why, err);
	if (st)
		return st;
	if (why)
		return key ? not_understood(r, err) : leave(r, why, err);
	kvf_pg_quote(name, quoted);
	return plan(r, phase, !key, err, "ALTER TABLE %s ADD CONSTRAINT %s %s", own->quoted,
		    quoted, r->l.at);
}

static enum kvf_status plan_index(struct reading *r, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = r->t->own;
	char name[64], quoted[KVF_PG_QUOTED];
	struct kvf_pgr_name n;
	const char *why;
	int unique;
	enum kvf_status st;

	if (!kvf_lex_word(&r->l, "CREATE"))
		return not_understood(r, err);
	unique = kvf_lex_word(&r->l, "UNIQUE");
	if (!kvf_lex_word(&r->l, "INDEX") || !kvf_lex_ident(&r->l, name) ||
	    !kvf_lex_word(&r->l, "ON"))
		return not_understood(r, err);
	/* Of a partitioned table's index only the root is written, with ONLY. */
	(void)kvf_lex_word(&r->l, "ONLY");
	if (!kvf_lex_name(&r->l, &n))
		return not_understood(r, err);
	st = kvf_pgr_expression(r->p, r->l.at, &why, err);
	if (st)
		return st;
	if (why)
		return leave(r, why, err);
	kvf_pg_quote(name, quoted);
	return plan(r, KVF_PGR_INDEX, 1, err, "CREATE %sINDEX %s ON %s %s",
		    unique ? "UNIQUE " : "", quoted, own->quoted, r->l.at);
}

/* ---- all of a table ----------------------------------------------------------------------- */

static int has_ddl(const struct kvf_table *there, const struct kvf_ddl *d)
{
	size_t i;

	for (i = 0; there && i < there->nddl; i++)
		if (strcmp(there->ddl[i].kind, d->kind) == 0 &&
		    strcmp(there->ddl[i].sql, d->sql) == 0)
			return 1;
	return 0;
}

static int is_of_making(const char *kind)
{
	static const char *const kinds[] = { "type",      "sequence", "sequence-owner",
					     "partition", "table",    NULL };
	size_t i;

	for (i = 0; kinds[i] && strcmp(kinds[i], kind) != 0; i++)
		;
	return kinds[i] != NULL;
}

static enum kvf_status plan_ddl(struct reading *r, struct kvf_err *err)
{
	static const struct {
		const char *kind;
		enum kvf_pgr_phase phase;
	} constraints[] = {
		{ "primary-key", KVF_PGR_KEY },
		{ "unique", KVF_PGR_KEY },
		{ "check", KVF_PGR_CHECK },
		{ "exclusion", KVF_PGR_CHECK },
		{ "foreign-key", KVF_PGR_FOREIGN_KEY },
	};
	const char *kind = r->d->kind;
	size_t i;

	kvf_lex(&r->l, r->d->sql);
	for (i = 0; i < sizeof(constraints) / sizeof(constraints[0]); i++)
		if (strcmp(kind, constraints[i].kind) == 0)
			return plan_constraint(r, constraints[i].phase, err);
	if (strcmp(kind, "index") == 0)
		return plan_index(r, err);
	if (strcmp(kind, "sequence-value") == 0)
		return plan_value(r, err);
	if (strcmp(kind, "trigger") == 0)
		return leave(r, "the function that it calls is not part of a table", err);
	if (!is_of_making(kind))
		return kvf_pgr_leave(r->p, r->t->shape, r->d, err);
	/* What follows is there when the table is. */
	if (r->t->exists)
		return KVF_OK;
	if (strcmp(kind, "type") == 0)
		return plan_type(r, err);
	if (strcmp(kind, "sequence") == 0)
		return plan_sequence(r, err);
	if (strcmp(kind, "sequence-owner") == 0)
		return plan_owner(r, err);
	if (strcmp(kind, "partition") == 0)
		return plan_partition(r, err);
	return kvf_pgr_plan_create(r->p, r->t, r->d, err);
}

enum kvf_status kvf_pgr_plan_table(struct kvf_pgr *p, struct kvf_restore_table *t,
				   const struct kvf_table *there, struct kvf_err *err)
{
	const struct kvf_pgr_table *own = t->own;
	struct kvf_pgr_name n = { "", "" };
	struct kvf_ddl none = { "table", t->shape->name, NULL };
	struct reading r = { .p = p, .t = t, .d = &none };
	enum kvf_status st;
	int tables = 0;
	size_t i;

	memcpy(n.schema, own->schema, sizeof(n.schema));
	st = t->exists ? KVF_OK : plan_schema(&r, &n, err);
	if (!st && t->foreign) {
		st = kvf_restore_leave_foreign(&p->base, t, err);
		return st || t->exists ? st : kvf_pgr_plan_foreign(p, t, err);
	}
	for (i = 0; i < t->shape->nddl && !st; i++) {
		r.d = &t->shape->ddl[i];
		tables += strcmp(r.d->kind, "table") == 0;
		if (!has_ddl(there, r.d))
			st = plan_ddl(&r, err);
	}
	if (!st && tables != 1)
		st = kvf_restore_refuse(t->shape, NULL, AGAIN, err,
					"the stream has %s statement that makes it",
					tables ? "more than one" : "no");
	return st;
}

/* ---- running --------------------------------------------------------------------------------- */

int kvf_pgr_is_of_statement(const struct kvf_err *err)
{
	static const char *const classes[] = { "42", "23", "22", "0A", "3F" };
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(err->code, classes[i], 2) == 0)
			return 1;
	return 0;
}

static enum kvf_status run_step(struct kvf_pgr *p, const struct kvf_pgr_step *s,
				struct kvf_err *err)
{
	char doing[300];
	const char *why;
	enum kvf_status st = KVF_OK;

	snprintf(doing, sizeof(doing), "make %s \"%.100s\" of table \"%.100s\"", s->kind,
		 s->name, s->table->name);
	if (s->may_fail)
		st = kvf_pg_exec(&p->pg, p->conn, "set a savepoint", err, "SAVEPOINT kvferry");
	if (!st)
		st = kvf_pg_query(&p->pg, p->conn, s->sql, NULL, doing, NULL, err);
	if (!s->may_fail || (st && !kvf_pgr_is_of_statement(err)))
		return st;
	if (st) {
		why = strstr(err->message, doing); /* the reason alone */
		st = kvf_restore_leave(&p->base, s->table->name, s->kind, s->name,
				       why ? why + strlen(doing) + 2 : err->message, err);
		if (!st)
			kvf_err_clear(err);
		if (!st)
			st = kvf_pg_exec(&p->pg, p->conn, "go back to a savepoint", err,
					 "ROLLBACK TO SAVEPOINT kvferry");
	}
	return st ? st
		  : kvf_pg_exec(&p->pg, p->conn, "release a savepoint", err,
				"RELEASE SAVEPOINT kvferry");
}

enum kvf_status kvf_pgr_run(struct kvf_pgr *p, enum kvf_pgr_phase from, enum kvf_pgr_phase to,
			    struct kvf_err *err)
{
	const struct kvf_pgr_step *s;
	enum kvf_status st = KVF_OK;
	int phase;

	for (phase = (int)from; phase <= (int)to && !st; phase++)
		for (s = p->first; s && !st; s = s->next)
			if ((int)s->phase == phase)
				st = run_step(p, s, err);
	return st;
}
