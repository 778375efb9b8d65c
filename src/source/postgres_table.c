/*
 * postgres_table - the shape of one table: columns, keys, statements, sizes.
 *
 * All of it comes from the catalogue, which needs no privilege on the table, so
 * that one that may not be read can still be left out.  The types of a query
 * are those of a SELECT that yields nothing.  Statements are those that the
 * server's own functions write.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MULTIRANGE_TYPES 140000 /* the first server that has them */

/* ---- columns --------------------------------------------------------------------------- */

static enum kvf_status not_utf8(const char *what, struct kvf_err *err)
{
	char text[256];

	kvf_fail(err, KVF_ESOURCE, "the name %s is not UTF-8",
		 kvf_bytes_print(kvf_bytes_str(what), text, sizeof(text)));
	kvf_err_hint(err, "Rename it with ALTER TABLE, or leave its table out with "
			  "--exclude-table.");
	return KVF_ESOURCE;
}

/* The name of a type as people write it. */
static enum kvf_status type_name(struct kvf_postgres *s, Oid oid, int mod, const char **out,
				 struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st =
		kvf_postgres_query(s, "read the types of columns", &res, err,
				   "SELECT pg_catalog.format_type(%u, %d)", oid, mod);

	if (!st) {
		*out = kvf_postgres_keep(s, res, 0, 0);
		st = *out ? KVF_OK : kvf_fail_nomem(err);
	}
	PQclear(res);
	return st;
}

enum kvf_status kvf_postgres_read_columns(struct kvf_postgres *s,
					  struct kvf_postgres_shape *shape, const PGresult *res,
					  struct kvf_err *err)
{
	size_t n = (size_t)PQnfields(res), i;
	struct kvf_column *columns = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*columns));
	enum kvf_status st = KVF_OK;

	shape->types = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*shape->types));
	if (!columns || !shape->types)
		return kvf_fail_nomem(err);
	for (i = 0; i < n && !st; i++) {
		const char *name = PQfname(res, (int)i);

		if (kvf_utf8_valid(name, strlen(name)) != strlen(name))
			return not_utf8(name, err);
		columns[i].name = kvf_arena_strdup(&s->arena, name);
		if (!columns[i].name)
			return kvf_fail_nomem(err);
		st = kvf_postgres_type(s, PQftype(res, (int)i), &shape->types[i], err);
		if (!st)
			st = type_name(s, PQftype(res, (int)i), PQfmod(res, (int)i),
				       &columns[i].type, err);
	}
	shape->table.columns = columns;
	shape->table.ncolumns = n;
	return st;
}

/* A column of a table, with what its domain is made of. */
static const char attributes[] =
	"WITH RECURSIVE base(attnum, oid) AS ("
	"  SELECT a.attnum, a.atttypid FROM pg_catalog.pg_attribute a"
	"   WHERE a.attrelid = %u AND a.attnum > 0 AND NOT a.attisdropped"
	"  UNION ALL SELECT b.attnum, t.typbasetype FROM base b"
	"   JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')"
	" SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,"
	"  a.attgenerated, t.oid FROM pg_catalog.pg_attribute a"
	" JOIN base b ON b.attnum = a.attnum"
	" JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd'"
	" WHERE a.attrelid = %u%s ORDER BY a.attnum";

static enum kvf_status
take_attribute(struct kvf_postgres *s, const PGresult *res, int row, struct kvf_column *c,
	       const struct kvf_postgres_type **type, struct kvf_err *err)
{
	const char *name = PQgetvalue(res, row, 0);

	if (kvf_utf8_valid(name, strlen(name)) != strlen(name))
		return not_utf8(name, err);
	c->name = kvf_postgres_keep(s, res, row, 0);
	c->type = kvf_postgres_keep(s, res, row, 1);
	if (!c->name || !c->type)
		return kvf_fail_nomem(err);
	if (*PQgetvalue(res, row, 2) == 't')
		c->flags |= KVF_COLUMN_NOTNULL;
	if (*PQgetvalue(res, row, 3) == 's')
		c->flags |= KVF_COLUMN_GENERATED | KVF_COLUMN_STORED;
	else if (*PQgetvalue(res, row, 3) == 'v')
		c->flags |= KVF_COLUMN_GENERATED;
	return kvf_postgres_type(s, kvf_postgres_oid(res, row, 4), type, err);
}

static enum kvf_status read_attributes(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				       struct kvf_err *err)
{
	struct kvf_column *columns = NULL;
	PGresult *res = NULL;
	enum kvf_status st;
	size_t i, n = 0;

	st = kvf_postgres_query(s, "read the columns of a table", &res, err, attributes,
				shape->oid, shape->oid, s->pg.dialect->visible);
	if (!st) {
		n = (size_t)PQntuples(res);
		columns = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*columns));
		shape->types = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*shape->types));
		if (!columns || !shape->types)
			st = kvf_fail_nomem(err);
	}
	for (i = 0; i < n && !st; i++)
		st = take_attribute(s, res, (int)i, &columns[i], &shape->types[i], err);
	PQclear(res);
	shape->table.columns = columns;
	shape->table.ncolumns = n;
	return st;
}

/* ---- keys --------------------------------------------------------------------------------- */

/* "0 3 1": the places of columns among those that exist. */
static enum kvf_status read_list(struct kvf_postgres *s, const char *text, const uint32_t **out,
				 size_t *n, struct kvf_err *err)
{
	uint32_t *list = kvf_arena_alloc(&s->arena, (strlen(text) / 2 + 1) * sizeof(*list));
	char *end;

	if (!list)
		return kvf_fail_nomem(err);
	for (*n = 0; *text; text = *end ? end + 1 : end)
		list[(*n)++] = (uint32_t)strtoul(text, &end, 10);
	*out = list;
	return KVF_OK;
}

/* A statement about a table, given by its oid. */
static enum kvf_status ask(struct kvf_postgres *s, const char *sql, Oid oid, const char *doing,
			   PGresult **res, struct kvf_err *err)
{
	char number[16], *text;
	enum kvf_status st;

	snprintf(number, sizeof(number), "%u", oid);
	text = kvf_pg_fill(sql, number, number);
	st = text ? kvf_postgres_query(s, doing, res, err, "%s", text) : kvf_fail_nomem(err);
	free(text);
	return st;
}

static const char keys[] =
	"SELECT i.indisprimary,"
	" (SELECT string_agg((SELECT count(*) FROM pg_catalog.pg_attribute b"
	"   WHERE b.attrelid = i.indrelid AND b.attnum > 0 AND b.attnum < k.attnum"
	"   AND NOT b.attisdropped)::text, ' ' ORDER BY k.place)"
	"  FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)"
	"  WHERE k.place <= i.indnkeyatts AND k.attnum > 0),"
	" (SELECT coalesce(bool_or(NOT a.attnotnull), false)"
	"  FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid"
	"  AND a.attnum = ANY (i.indkey::int2[])),"
	" i.indpred IS NOT NULL OR i.indexprs IS NOT NULL"
	" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
	" WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid"
	" ORDER BY i.indisprimary DESC, c.relname";

/* Unique indexes: the primary key first.  One on expressions has no list. */
static enum kvf_status read_keys(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				 struct kvf_err *err)
{
	struct kvf_table *t = &shape->table;
	struct kvf_unique *unique;
	PGresult *res = NULL;
	enum kvf_status st;
	int i, n;

	st = ask(s, s->pg.dialect->keys ? s->pg.dialect->keys : keys, shape->oid,
		 "read the keys of a table", &res, err);
	if (st)
		return st;
	n = PQntuples(res);
	unique = kvf_arena_zalloc(&s->arena, ((size_t)n + 1) * sizeof(*unique));
	if (!unique)
		st = kvf_fail_nomem(err);
	for (i = 0; i < n && !st; i++) {
		struct kvf_unique *u = &unique[t->nunique];

		if (*PQgetvalue(res, i, 0) == 't') {
			st = read_list(s, PQgetvalue(res, i, 1), &t->key, &t->nkey, err);
			continue;
		}
		st = read_list(s, PQgetvalue(res, i, 1), &u->columns, &u->ncolumns, err);
		u->nullable = *PQgetvalue(res, i, 2) == 't';
		u->partial = *PQgetvalue(res, i, 3) == 't';
		t->nunique++;
	}
	t->unique = unique;
	PQclear(res);
	return st;
}

/* ---- statements --------------------------------------------------------------------------- */

/* CREATE TABLE, as pg_dump would write it; constraints come as statements of
 * their own, so that they can be made when the rows are there. */
static const char create_table[] =
	"SELECT 1 AS place, 'table' AS kind, c.relname::text AS name, 'CREATE '"
	" || CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || 'TABLE '"
	" || c.oid::pg_catalog.regclass::text || '(' || coalesce((SELECT string_agg("
	"   quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)"
	"   || CASE WHEN a.attcollation <> 0 AND a.attcollation <> y.typcollation THEN"
	"     ' COLLATE ' || (SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname)"
	"      FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n"
	"      ON n.oid = l.collnamespace WHERE l.oid = a.attcollation) ELSE '' END"
	"   || CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS ('"
	"      || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || CASE a.attgenerated"
	"      WHEN 'v' THEN ') VIRTUAL' ELSE ') STORED' END"
	"     WHEN a.attidentity <> '' THEN CASE a.attidentity WHEN 'a'"
	"       THEN ' GENERATED ALWAYS' ELSE ' GENERATED BY DEFAULT' END || ' AS IDENTITY'"
	"      || (SELECT ' (SEQUENCE NAME ' || p.seqrelid::pg_catalog.regclass::text"
	"        || ' INCREMENT BY ' || p.seqincrement || ' MINVALUE ' || p.seqmin"
	"        || ' MAXVALUE ' || p.seqmax || ' START WITH ' || p.seqstart || ' CACHE '"
	"        || p.seqcache || CASE WHEN p.seqcycle THEN ' CYCLE' ELSE '' END || ')'"
	"       FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_sequence p ON"
	"        p.seqrelid = e.objid WHERE e.deptype = 'i' AND e.refobjid = a.attrelid"
	"        AND e.refobjsubid = a.attnum"
	"        AND e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)"
	"     WHEN d.adbin IS NOT NULL THEN ' DEFAULT '"
	"      || pg_catalog.pg_get_expr(d.adbin, d.adrelid) ELSE '' END"
	"   || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, ', ' ORDER BY a.attnum)"
	"  FROM pg_catalog.pg_attribute a"
	"  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef d"
	"  ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
	"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'"
	" || CASE WHEN c.relkind = 'p' THEN ' PARTITION BY '"
	"    || pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END AS sql, 0 AS level"
	" FROM pg_catalog.pg_class c WHERE c.oid = (SELECT oid FROM t)";

/* Partitions, those of partitions too; their parents first. */
static const char partitions[] =
	" UNION ALL SELECT 2, 'partition', c.relname::text, 'CREATE TABLE '"
	"  || c.oid::pg_catalog.regclass::text || ' PARTITION OF '"
	"  || r.parentrelid::pg_catalog.regclass::text || ' '"
	"  || pg_catalog.pg_get_expr(c.relpartbound, c.oid)"
	"  || CASE WHEN c.relkind = 'p' THEN ' PARTITION BY '"
	"    || pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END, r.level"
	" FROM pg_catalog.pg_partition_tree((SELECT oid FROM t)) r"
	" JOIN pg_catalog.pg_class c ON c.oid = r.relid WHERE r.level > 0";

/*
 * The types that columns are made of, and those that these are made of: what
 * stands deeper comes first.  Not those of the server or of an extension.
 */
static const char types[] =
	" UNION ALL SELECT -1 - max(u.depth), 'type', y.typname::text, CASE y.typtype"
	"  WHEN 'e' THEN 'CREATE TYPE ' || pg_catalog.format_type(y.oid, -1) || ' AS ENUM ('"
	"   || (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)"
	"    FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid) || ')'"
	"  WHEN 'c' THEN 'CREATE TYPE ' || pg_catalog.format_type(y.oid, -1) || ' AS ('"
	"   || coalesce((SELECT string_agg(quote_ident(a.attname) || ' '"
	"    || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)"
	"    FROM pg_catalog.pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0"
	"    AND NOT a.attisdropped), '') || ')'"
	"  WHEN 'r' THEN 'CREATE TYPE ' || pg_catalog.format_type(y.oid, -1)"
	"   || ' AS RANGE (SUBTYPE = ' || (SELECT pg_catalog.format_type(r.rngsubtype, -1)"
	"    || CASE WHEN r.rngsubdiff <> 0 THEN ', SUBTYPE_DIFF = ' || r.rngsubdiff::regproc"
	"      ELSE '' END FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid) || ')'"
	"  ELSE 'CREATE DOMAIN ' || pg_catalog.format_type(y.oid, -1) || ' AS '"
	"   || pg_catalog.format_type(y.typbasetype, y.typtypmod)"
	"   || coalesce((SELECT ' COLLATE ' || quote_ident(n.nspname) || '.'"
	"    || quote_ident(l.collname) FROM pg_catalog.pg_collation l JOIN"
	"    pg_catalog.pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = y.typcollation"
	"    AND l.oid <> (SELECT z.typcollation FROM pg_catalog.pg_type z WHERE z.oid ="
	"    y.typbasetype)), '') || coalesce(' DEFAULT ' || y.typdefault, '')"
	"   || CASE WHEN y.typnotnull THEN ' NOT NULL' ELSE '' END"
	"   || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' '"
	"    || pg_catalog.pg_get_constraintdef(k.oid), '' ORDER BY k.conname)"
	"    FROM pg_catalog.pg_constraint k"
	"    WHERE k.contypid = y.oid AND k.contype = 'c'), '') END, 0"
	" FROM used u JOIN pg_catalog.pg_type y ON y.oid = u.oid"
	" LEFT JOIN pg_catalog.pg_class k ON k.oid = y.typrelid"
	" WHERE (y.typtype IN ('e', 'd', 'r') OR y.typtype = 'c' AND k.relkind = 'c')"
	" AND y.typnamespace NOT IN ('pg_catalog'::regnamespace,"
	"  'information_schema'::regnamespace)"
	" AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = y.oid AND"
	"  d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'e')"
	" GROUP BY y.oid, y.typname, y.typtype, y.typrelid, y.typbasetype, y.typtypmod,"
	"  y.typdefault, y.typnotnull, y.typcollation";
/* What a type is made of: the element, the base, the attributes, the subtype. */
static const char used_types[] =
	"used(oid, depth) AS (SELECT a.atttypid, 0 FROM pg_catalog.pg_attribute a"
	" WHERE a.attrelid = (SELECT oid FROM t) AND a.attnum > 0 AND NOT a.attisdropped"
	" UNION SELECT n.oid, u.depth + 1 FROM used u"
	" JOIN pg_catalog.pg_type y ON y.oid = u.oid CROSS JOIN LATERAL ("
	"  SELECT y.typelem WHERE y.typelem <> 0 AND y.typlen = -1"
	"  UNION ALL SELECT y.typbasetype WHERE y.typtype = 'd'"
	"  UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE y.typtype = 'c'"
	"   AND a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped"
	"  UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid"
	"  %s) n(oid))";
/* From PostgreSQL 14 on. */
#define MULTIRANGES                                                                            \
	"UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = y.oid"

/* Sequences that a column owns or that a default takes numbers from, and where
 * they stand.  What an identity has is part of the table. */
static const char used_sequences[] =
	", seq(oid, kind, attnum) AS (SELECT d.objid, d.deptype, d.refobjsubid"
	"  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence p ON p.seqrelid = d.objid"
	"  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	"  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	"  AND d.refobjid = (SELECT oid FROM t) AND d.deptype IN ('a', 'i')"
	" UNION SELECT d.refobjid, 'n', 0 FROM pg_catalog.pg_attrdef f"
	"  JOIN pg_catalog.pg_depend d ON d.objid = f.oid"
	"  AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
	"  JOIN pg_catalog.pg_sequence p ON p.seqrelid = d.refobjid"
	"  WHERE f.adrelid = (SELECT oid FROM t) AND NOT EXISTS (SELECT 1 FROM"
	"   pg_catalog.pg_depend o WHERE o.objid = d.refobjid AND o.deptype = 'a' AND"
	"   o.refobjid = (SELECT oid FROM t)))";
static const char sequences[] =
	" UNION ALL SELECT 0, 'sequence', q.relname::text, 'CREATE SEQUENCE '"
	"   || q.oid::pg_catalog.regclass::text || ' AS ' || p.seqtypid::regtype::text"
	"   || ' INCREMENT BY ' || p.seqincrement || ' MINVALUE ' || p.seqmin || ' MAXVALUE '"
	"   || p.seqmax || ' START WITH ' || p.seqstart || ' CACHE ' || p.seqcache"
	"   || CASE WHEN p.seqcycle THEN ' CYCLE' ELSE '' END, 0"
	" FROM seq JOIN pg_catalog.pg_class q ON q.oid = seq.oid"
	" JOIN pg_catalog.pg_sequence p ON p.seqrelid = seq.oid WHERE seq.kind <> 'i'"
	" UNION ALL SELECT 3, 'sequence-owner', q.relname::text, 'ALTER SEQUENCE '"
	"   || q.oid::pg_catalog.regclass::text || ' OWNED BY '"
	"   || a.attrelid::pg_catalog.regclass::text || '.' || quote_ident(a.attname), 0"
	" FROM seq JOIN pg_catalog.pg_class q ON q.oid = seq.oid"
	" JOIN pg_catalog.pg_attribute a ON a.attrelid = (SELECT oid FROM t)"
	"  AND a.attnum = seq.attnum WHERE seq.kind = 'a'"
	" UNION ALL SELECT 10, 'sequence-value', q.relname::text,"
	"   'SELECT pg_catalog.setval(' || quote_literal(q.oid::pg_catalog.regclass::text)"
	"   || ', ' || v.last || ', true)', 0"
	" FROM seq JOIN pg_catalog.pg_class q ON q.oid = seq.oid CROSS JOIN LATERAL"
	"  (SELECT CASE WHEN has_sequence_privilege(q.oid, 'SELECT, USAGE')"
	"   AND (q.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery())"
	"   THEN pg_catalog.pg_sequence_last_value(q.oid) END AS last) v"
	" WHERE v.last IS NOT NULL";
static const char constraints[] =
	" UNION ALL SELECT CASE k.contype WHEN 'p' THEN 3 WHEN 'u' THEN 4 WHEN 'f' THEN 7"
	"  ELSE 6 END, CASE k.contype WHEN 'p' THEN 'primary-key' WHEN 'u' THEN 'unique'"
	"  WHEN 'f' THEN 'foreign-key' WHEN 'x' THEN 'exclusion' ELSE 'check' END,"
	"  k.conname::text, 'ALTER TABLE ' || k.conrelid::pg_catalog.regclass::text"
	"  || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' '"
	"  || pg_catalog.pg_get_constraintdef(k.oid), 0"
	" FROM pg_catalog.pg_constraint k WHERE k.conrelid = (SELECT oid FROM t) AND k.contype "
	"IN"
	" ('p', 'u', 'f', 'x', 'c')";
static const char indexes[] =
	" UNION ALL SELECT 5, 'index', x.relname::text, pg_catalog.pg_get_indexdef(x.oid), 0"
	" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
	" WHERE i.indrelid = (SELECT oid FROM t) AND NOT EXISTS (SELECT 1 FROM "
	"pg_catalog.pg_constraint k"
	"  WHERE k.conindid = x.oid AND k.conrelid = i.indrelid)";
static const char triggers[] =
	" UNION ALL SELECT 8, 'trigger', g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid), 0"
	" FROM pg_catalog.pg_trigger g WHERE g.tgrelid = (SELECT oid FROM t) AND NOT "
	"g.tgisinternal"
	" AND g.tgname <> 'kvferry_freeze'";

/* All of them, in the order in which they can be run. */
static enum kvf_status ask_ddl(struct kvf_postgres *s, const struct kvf_postgres_shape *shape,
			       PGresult **res, struct kvf_err *err)
{
	static const char doing[] = "read the statements of a table";
	char *text;
	enum kvf_status st;

	if (s->pg.dialect->create) {
		text = kvf_pg_fill(s->pg.dialect->create, shape->from, NULL);
		st = text ? kvf_postgres_query(s, doing, res, err, "%s", text)
			  : kvf_fail_nomem(err);
		free(text);
		return st;
	}
	if (asprintf(&text, used_types, s->version >= MULTIRANGE_TYPES ? MULTIRANGES : "") < 0)
		return kvf_fail_nomem(err);
	st = kvf_postgres_query(s, doing, res, err,
				"WITH RECURSIVE t(oid) AS (SELECT %u::pg_catalog.oid), %s%s"
				" SELECT kind, name, sql FROM (%s%s%s%s%s%s%s) AS ddl"
				" ORDER BY place, level, name, sql",
				shape->oid, text, used_sequences, create_table, partitions,
				types, sequences, constraints, indexes, triggers);
	free(text);
	return st;
}

static enum kvf_status read_ddl(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				struct kvf_err *err)
{
	struct kvf_ddl *ddl;
	PGresult *res = NULL;
	enum kvf_status st;
	int i, n;

	st = ask_ddl(s, shape, &res, err);
	if (st)
		return st;
	n = PQntuples(res);
	ddl = kvf_arena_zalloc(&s->arena, ((size_t)n + 1) * sizeof(*ddl));
	for (i = 0; ddl && i < n; i++) {
		ddl[i].kind = kvf_postgres_keep(s, res, i, 0);
		ddl[i].name = kvf_postgres_keep(s, res, i, 1);
		ddl[i].sql = kvf_postgres_keep(s, res, i, 2);
		if (!ddl[i].kind || !ddl[i].name || !ddl[i].sql)
			break;
	}
	PQclear(res);
	if (!ddl || i < n)
		return kvf_fail_nomem(err);
	shape->table.ddl = ddl;
	shape->table.nddl = (size_t)n;
	return KVF_OK;
}

/* ---- sizes --------------------------------------------------------------------------------- */

/* What the server believes, of all partitions together; -1 is not known. */
static enum kvf_status read_sizes(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				  struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = ask(s, s->pg.dialect->estimate, shape->oid,
				 "read the size of a table", &res, err);

	shape->table.rows = shape->table.bytes = UINT64_MAX;
	if (!st && PQntuples(res) && !PQgetisnull(res, 0, 0))
		shape->table.rows = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
	if (!st && PQntuples(res) && !PQgetisnull(res, 0, 1))
		shape->table.bytes = strtoull(PQgetvalue(res, 0, 1), NULL, 10);
	PQclear(res);
	return st;
}

enum kvf_status kvf_postgres_read_table(struct kvf_postgres *s,
					struct kvf_postgres_shape *shape, struct kvf_err *err)
{
	enum kvf_status st;

	shape->table.dialect = s->pg.dialect->tables;
	shape->table.flags =
		shape->relkind == 'v' || shape->relkind == 'm' ? KVF_TABLE_VIEW : 0;
	st = read_attributes(s, shape, err);
	if (!st)
		st = read_sizes(s, shape, err);
	if (!st && !(shape->table.flags & KVF_TABLE_VIEW))
		st = read_keys(s, shape, err);
	if (!st && !(shape->table.flags & KVF_TABLE_VIEW))
		st = read_ddl(s, shape, err);
	return st;
}
