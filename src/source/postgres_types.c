/*
 * postgres_types - how a column is read, by its type.
 *
 * A few types are decoded here, because tables are full of them.  Of every
 * other, also one that nobody knows, the server makes the text, by the type's
 * own output function: a cast to text is not always the same (it takes blanks
 * off char(n), and puts a netmask behind an inet).
 */
#include "source/postgres.h"

#include <stdlib.h>
#include <string.h>

/* These numbers are part of PostgreSQL's catalogue and do not change. */
static const struct {
	Oid oid;
	enum kvf_postgres_how how;
} known[] = {
	{ 16, KVF_POSTGRES_AS_BOOL },          /* bool */
	{ 17, KVF_POSTGRES_AS_BLOB },          /* bytea */
	{ 19, KVF_POSTGRES_AS_TEXT },          /* name */
	{ 20, KVF_POSTGRES_AS_INT },           /* int8 */
	{ 21, KVF_POSTGRES_AS_INT },           /* int2 */
	{ 23, KVF_POSTGRES_AS_INT },           /* int4 */
	{ 25, KVF_POSTGRES_AS_TEXT },          /* text */
	{ 26, KVF_POSTGRES_AS_OID },           /* oid */
	{ 114, KVF_POSTGRES_AS_TEXT },         /* json */
	{ 700, KVF_POSTGRES_AS_REAL },         /* float4 */
	{ 701, KVF_POSTGRES_AS_REAL },         /* float8 */
	{ 1042, KVF_POSTGRES_AS_TEXT },        /* char(n) */
	{ 1043, KVF_POSTGRES_AS_TEXT },        /* varchar */
	{ 1082, KVF_POSTGRES_AS_DATE },        /* date */
	{ 1083, KVF_POSTGRES_AS_TIME },        /* time */
	{ 1114, KVF_POSTGRES_AS_TIMESTAMP },   /* timestamp */
	{ 1184, KVF_POSTGRES_AS_TIMESTAMPTZ }, /* timestamptz */
	{ 1266, KVF_POSTGRES_AS_TIMETZ },      /* timetz */
	{ 1700, KVF_POSTGRES_AS_NUMERIC },     /* numeric */
	{ 2950, KVF_POSTGRES_AS_UUID },        /* uuid */
	{ 3802, KVF_POSTGRES_AS_JSONB },       /* jsonb */
};

/* Ask the catalogue.  The binary form of an enum is its label. */
static enum kvf_status look_up(struct kvf_postgres *s, struct kvf_postgres_type *t,
			       struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = kvf_postgres_query(
		s, "read the types of columns", &res, err,
		"SELECT t.typtype, quote_ident(n.nspname) || '.' || quote_ident(p.proname),"
		" format_type(t.oid, -1)"
		" FROM pg_catalog.pg_type t"
		" JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput"
		" JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE t.oid = %u",
		t->oid);

	if (!st && PQntuples(res) != 1)
		st = kvf_fail(err, KVF_ESOURCE, "%s: there is no type with the oid %u",
			      s->pg.name, t->oid);
	if (!st && strcmp(PQgetvalue(res, 0, 0), "e") != 0) {
		t->out = kvf_postgres_keep(s, res, 0, 1);
		t->name = kvf_postgres_keep(s, res, 0, 2);
		if (!t->out || !t->name)
			st = kvf_fail_nomem(err);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_postgres_type(struct kvf_postgres *s, Oid oid,
				  const struct kvf_postgres_type **out, struct kvf_err *err)
{
	struct kvf_postgres_type *t;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (t = s->types; t; t = t->next)
		if (t->oid == oid)
			break;
	*out = t;
	if (t)
		return KVF_OK;
	t = kvf_arena_zalloc(&s->arena, sizeof(*t));
	if (!t)
		return kvf_fail_nomem(err);
	t->oid = oid;
	t->how = KVF_POSTGRES_AS_TEXT;
	for (i = 0; i < sizeof(known) / sizeof(known[0]) && known[i].oid != oid; i++)
		;
	if (i < sizeof(known) / sizeof(known[0]))
		t->how = known[i].how;
	else if (s->pg.dialect->as_text)
		t->out = t->name = ""; /* a cast will do */
	else
		st = look_up(s, t, err);
	if (st)
		return st;
	t->next = s->types;
	s->types = t;
	*out = t;
	return KVF_OK;
}
