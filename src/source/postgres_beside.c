/*
 * postgres_beside - what a table has beside rows, keys and indexes: who owns and may
 * read it, what is said about it, how it is stored, what stands on it.
 *
 * It is carried as statements, so that nothing of a table is lost in silence: a
 * restore makes none of it, and names every piece (docs/postgresql.md).  All tables
 * are asked about at once.  A partition counts as part of its root, and what it has for itself as
 * beside the table: its own indexes, constraints, triggers.
 */
#include "source/postgres.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOING "read what stands beside the tables"
#define CLASS "'pg_catalog.pg_class'::pg_catalog.regclass"
#define ARM " UNION ALL SELECT r.root, "
#define ALTER "'ALTER TABLE ' || r.called || "

/* r: the tables (root = oid) and their partitions. */
static const char relations[] =
	"WITH RECURSIVE t(root, oid) AS (SELECT v.oid, coalesce(p.relid::pg_catalog.oid, v.oid)"
	" FROM (SELECT oid::pg_catalog.oid FROM (VALUES %s) AS given(oid)) AS v"
	" LEFT JOIN LATERAL pg_catalog.pg_partition_tree(v.oid) p ON true),"
	" r AS (SELECT t.root, c.*, c.oid::pg_catalog.regclass::pg_catalog.text AS called"
	"  FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid),"
	/* What is built on a table, and on that. */
	" v(root, oid) AS (SELECT r.root, w.ev_class FROM r JOIN pg_catalog.pg_depend d ON"
	"   d.refclassid = " CLASS " AND d.refobjid = r.oid"
	"   AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
	"   JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> r.oid"
	"  UNION SELECT v.root, w.ev_class FROM v JOIN pg_catalog.pg_depend d ON"
	"   d.refclassid = " CLASS " AND d.refobjid = v.oid"
	"   AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
	"   JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> v.oid)"
	" SELECT root, kind, name, sql FROM ("
	"SELECT r.root, 0 AS place, 'foreign-table' AS kind, r.relname::text AS name,"
	" 'CREATE FOREIGN TABLE ' || r.called || coalesce(' PARTITION OF ' || (SELECT"
	"  i.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits i WHERE"
	"  i.inhrelid = r.oid LIMIT 1) || ' ' || pg_catalog.pg_get_expr(r.relpartbound,"
	"  r.oid), '') || ' SERVER ' || quote_ident(s.srvname) AS sql"
	" FROM r JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = r.oid"
	" JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver";

/* Who may do what with it. */
static const char rights[] = ARM
	"1, 'owner', pg_catalog.pg_get_userbyid(r.relowner)::text, " ALTER "' OWNER TO '"
	" || quote_ident(pg_catalog.pg_get_userbyid(r.relowner)) FROM r"
	" JOIN pg_catalog.pg_class q ON q.oid = r.root WHERE r.oid = r.root"
	" OR r.relowner <> q.relowner"
	/* Those of a column have its name in parentheses. */
	ARM "2, 'privilege', g.who, 'GRANT ' || string_agg(g.what, ', ' ORDER BY g.what)"
	" || ' ON ' || r.called || ' TO ' || g.who || CASE WHEN g.more THEN"
	" ' WITH GRANT OPTION' ELSE '' END FROM r JOIN LATERAL (SELECT CASE a.grantee WHEN 0"
	"  THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS who,"
	"  a.privilege_type || x.of AS what, a.is_grantable AS more"
	"  FROM (SELECT r.relacl AS acl, '' AS of UNION ALL SELECT b.attacl,"
	"   ' (' || quote_ident(b.attname) || ')' FROM pg_catalog.pg_attribute b WHERE"
	"   b.attrelid = r.oid AND b.attnum > 0 AND NOT b.attisdropped) x"
	"  CROSS JOIN LATERAL pg_catalog.aclexplode(x.acl) a WHERE a.grantee <> r.relowner) g"
	" ON true GROUP BY r.root, r.called, g.who, g.more" ARM
	"3, 'row-security', r.relname::text, " ALTER "CASE WHEN r.relrowsecurity THEN"
	" ' ENABLE' ELSE '' END || CASE WHEN r.relrowsecurity AND r.relforcerowsecurity THEN"
	" ' ROW LEVEL SECURITY, FORCE' WHEN r.relforcerowsecurity THEN ' FORCE' ELSE '' END"
	" || ' ROW LEVEL SECURITY' FROM r WHERE r.relrowsecurity OR r.relforcerowsecurity" ARM
	"4, 'policy', p.polname::text, 'CREATE POLICY ' || quote_ident(p.polname) || ' ON '"
	" || r.called || CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END"
	" || ' FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w'"
	"  THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END || ' TO ' || (SELECT"
	"  string_agg(CASE u WHEN 0 THEN 'PUBLIC' ELSE quote_ident("
	"   pg_catalog.pg_get_userbyid(u)) END, ', ' ORDER BY u) FROM unnest(p.polroles) u)"
	" || coalesce(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', '')"
	" || coalesce(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)"
	"  || ')', '') FROM r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid" ARM
	"5, 'security-label', l.provider, 'SECURITY LABEL FOR ' || quote_ident(l.provider)"
	" || ' ON TABLE ' || r.called || ' IS ' || quote_literal(l.label) FROM r"
	" JOIN pg_catalog.pg_seclabel l ON l.classoid = " CLASS " AND l.objoid = r.oid";

/* What it is part of, and what stands on it. */
static const char relatives[] = ARM
	"10, 'inheritance', i.inhparent::pg_catalog.regclass::text, " ALTER "' INHERIT '"
	" || i.inhparent::pg_catalog.regclass::text FROM r JOIN pg_catalog.pg_inherits i ON"
	" i.inhrelid = r.oid WHERE NOT r.relispartition" ARM
	"11, 'type-of-table', r.reloftype::pg_catalog.regtype::text, " ALTER "' OF '"
	" || r.reloftype::pg_catalog.regtype::text FROM r WHERE r.reloftype <> 0" ARM
	"12, 'rule', w.rulename::text, pg_catalog.pg_get_ruledef(w.oid) FROM r"
	" JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid" ARM
	"13, 'publication', p.pubname::text, 'ALTER PUBLICATION ' || quote_ident(p.pubname)"
	" || ' ADD TABLE ' || r.called FROM r JOIN pg_catalog.pg_publication_rel e ON"
	" e.prrelid = r.oid JOIN pg_catalog.pg_publication p ON p.oid = e.prpubid"
	" UNION ALL SELECT v.root, 30, CASE c.relkind WHEN 'm' THEN 'materialized-view' ELSE"
	" 'view' END, c.oid::pg_catalog.regclass::text, 'CREATE ' || CASE c.relkind WHEN 'm'"
	" THEN 'MATERIALIZED ' ELSE '' END || 'VIEW ' || c.oid::pg_catalog.regclass::text"
	" || ' AS' || pg_catalog.pg_get_viewdef(c.oid) FROM v JOIN pg_catalog.pg_class c ON"
	" c.oid = v.oid AND c.relkind IN ('v', 'm') WHERE c.relpersistence <> 't'";

/* How it is stored.  A column that only some servers have is asked for by to_jsonb. */
static const char storage[] = ARM
	"20, 'storage-parameters', r.relname::text, " ALTER "' SET (' || (SELECT"
	" string_agg(o, ', ' ORDER BY o) FROM (SELECT unnest(r.reloptions) UNION ALL SELECT"
	"  'toast.' || unnest(c.reloptions) FROM pg_catalog.pg_class c WHERE c.oid ="
	"  r.reltoastrelid) x(o)) || ')' FROM r LEFT JOIN pg_catalog.pg_class q ON"
	" q.oid = r.reltoastrelid WHERE r.reloptions IS NOT NULL OR q.reloptions IS NOT "
	"NULL" ARM "21, 'tablespace', s.spcname::text, " ALTER "' SET TABLESPACE '"
	" || quote_ident(s.spcname) FROM r JOIN pg_catalog.pg_tablespace s ON"
	" s.oid = r.reltablespace" ARM "22, 'access-method', m.amname::text, " ALTER
	"' SET ACCESS METHOD '"
	" || quote_ident(m.amname) FROM r JOIN pg_catalog.pg_am m ON m.oid = r.relam"
	" AND m.amname <> 'heap'" ARM "23, 'unlogged', r.relname::text, " ALTER
	"' SET UNLOGGED' FROM r"
	" WHERE r.relpersistence = 'u' AND r.oid <> r.root" ARM
	"24, 'column-storage', a.attname::text, " ALTER "' ALTER COLUMN '"
	" || quote_ident(a.attname) || CASE WHEN a.attstorage <> y.typstorage THEN"
	" ' SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'"
	"  WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END ELSE ' SET COMPRESSION ' || CASE"
	"  to_jsonb(a)->>'attcompression' WHEN 'l' THEN 'lz4' ELSE 'pglz' END END"
	" FROM r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT"
	" a.attisdropped JOIN pg_catalog.pg_type y ON y.oid = a.atttypid"
	" WHERE r.relkind IN ('r', 'p') AND (a.attstorage <> y.typstorage OR"
	" coalesce(to_jsonb(a)->>'attcompression', '') NOT IN ('', E'\\\\000'))" ARM
	"25, 'column-statistics', a.attname::text, " ALTER "' ALTER COLUMN '"
	" || quote_ident(a.attname) || CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN"
	" ' SET STATISTICS ' || a.attstattarget ELSE ' SET (' || o.list || ')' END FROM r"
	" JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT"
	" a.attisdropped CROSS JOIN LATERAL (SELECT string_agg(x, ', ') AS list FROM"
	"  unnest(a.attoptions) x WHERE x LIKE 'n!_distinct%' ESCAPE '!') o WHERE"
	" coalesce(a.attstattarget, -1) >= 0 OR o.list IS NOT NULL" ARM
	"26, 'statistics', e.stxname::text, pg_catalog.pg_get_statisticsobjdef(e.oid)"
	" FROM r JOIN pg_catalog.pg_statistic_ext e ON e.stxrelid = r.oid" ARM
	"27, 'cluster', x.relname::text, " ALTER "' CLUSTER ON ' || quote_ident(x.relname)"
	" FROM r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid AND i.indisclustered"
	" JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid" ARM
	"28, 'replica-identity', r.relname::text, " ALTER "' REPLICA IDENTITY ' || CASE"
	" r.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX '"
	" || coalesce((SELECT quote_ident(x.relname) FROM pg_catalog.pg_index i"
	"  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = r.oid"
	"  AND i.indisreplident), '') END FROM r WHERE r.relreplident <> 'd'"
	" AND r.relkind IN ('r', 'p')";

/* What a partition has and its root has not. */
static const char partitions[] = ARM
	"40, 'partition-index', x.relname::text, pg_catalog.pg_get_indexdef(x.oid) FROM r"
	" JOIN pg_catalog.pg_index i ON i.indrelid = r.oid JOIN pg_catalog.pg_class x ON"
	" x.oid = i.indexrelid WHERE r.oid <> r.root AND NOT x.relispartition"
	" AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = x.oid"
	"  AND k.conrelid = r.oid)" ARM "41, 'partition-constraint', k.conname::text, " ALTER
	"' ADD CONSTRAINT '"
	" || quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid) FROM r"
	" JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE r.oid <> r.root"
	" AND k.coninhcount = 0 AND k.conparentid = 0 AND k.contype IN ('p', 'u', 'f', 'x', "
	"'c')" ARM
	"42, 'partition-trigger', g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid)"
	" FROM r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal"
	" WHERE r.oid <> r.root AND g.tgname <> 'kvferry_freeze' AND NOT EXISTS (SELECT 1 FROM"
	"  pg_catalog.pg_trigger h JOIN t ON t.oid = h.tgrelid WHERE t.root = r.root"
	"  AND h.tgrelid <> r.oid AND h.tgname = g.tgname AND h.tgfoid = g.tgfoid)" ARM
	"43, 'partition-default', a.attname::text, " ALTER "' ALTER COLUMN '"
	" || quote_ident(a.attname) || coalesce(' SET DEFAULT '"
	" || pg_catalog.pg_get_expr(d.adbin, d.adrelid), ' DROP DEFAULT') FROM r"
	" JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT"
	" a.attisdropped JOIN pg_catalog.pg_attribute b ON b.attrelid = r.root AND b.attname ="
	" a.attname AND b.attnum > 0 LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid"
	" AND d.adnum = a.attnum LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = r.root"
	" AND e.adnum = b.attnum WHERE r.oid <> r.root"
	" AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM"
	" pg_catalog.pg_get_expr(e.adbin, e.adrelid)" ARM
	"44, 'partition-not-null', a.attname::text, " ALTER "' ALTER COLUMN '"
	" || quote_ident(a.attname) || ' SET NOT NULL' FROM r JOIN pg_catalog.pg_attribute a"
	" ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull"
	" JOIN pg_catalog.pg_attribute b ON b.attrelid = r.root AND b.attname = a.attname"
	" AND b.attnum > 0 AND NOT b.attnotnull WHERE r.oid <> r.root";

/* What is said about it, its columns, constraints and indexes. */
static const char comments[] = ARM
	"50, 'comment', r.relname::text, 'COMMENT ON TABLE ' || r.called || ' IS '"
	" || quote_literal(d.description) FROM r JOIN pg_catalog.pg_description d ON"
	" d.classoid = " CLASS " AND d.objoid = r.oid AND d.objsubid = 0" ARM
	"51, 'comment', a.attname::text, 'COMMENT ON COLUMN ' || r.called || '.'"
	" || quote_ident(a.attname) || ' IS ' || quote_literal(d.description) FROM r"
	" JOIN pg_catalog.pg_description d ON d.classoid = " CLASS " AND d.objoid = r.oid"
	" JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.objsubid"
	" AND a.attnum > 0" ARM "52, 'comment', x.relname::text, 'COMMENT ON INDEX '"
	" || x.oid::pg_catalog.regclass::text || ' IS ' || quote_literal(d.description) FROM r"
	" JOIN pg_catalog.pg_index i ON i.indrelid = r.oid JOIN pg_catalog.pg_class x ON"
	" x.oid = i.indexrelid JOIN pg_catalog.pg_description d ON d.classoid = " CLASS
	" AND d.objoid = x.oid" ARM
	"53, 'comment', k.conname::text, 'COMMENT ON CONSTRAINT ' || quote_ident(k.conname)"
	" || ' ON ' || r.called || ' IS ' || quote_literal(d.description) FROM r"
	" JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid"
	" JOIN pg_catalog.pg_description d ON d.objoid = k.oid"
	" AND d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass";

static enum kvf_status ask(struct kvf_postgres *s, struct kvf_postgres_shape *const *shapes,
			   size_t n, PGresult **res, struct kvf_err *err)
{
	struct kvf_buf oids;
	enum kvf_status st = KVF_OK;
	char *with = NULL;
	size_t i;

	kvf_buf_init(&oids, 64u << 20);
	for (i = 0; i < n && !st; i++)
		st = kvf_buf_printf(&oids, err, "%s(%u)", i ? "," : "", shapes[i]->oid);
	if (!st) {
		with = kvf_pg_fill(relations, (const char *)oids.ptr, NULL);
		if (!with)
			st = kvf_fail_nomem(err);
	}
	/* A planner that takes this for a long one compiles it, which takes a minute.  To name
	 * what a view is made of locks that, too; but what is locked is what was read
	 * (postgres_changed.c). */
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conns[0], DOING, err,
				 "SAVEPOINT kvferry_beside; SET LOCAL jit = off");
	if (!st)
		st = kvf_postgres_query(s, DOING, res, err,
					"%s%s%s%s%s%s) AS x ORDER BY root, place, name, sql",
					with, rights, relatives, storage, partitions, comments);
	if (!st)
		st = kvf_pg_exec(&s->pg, s->conns[0], DOING, err,
				 "ROLLBACK TO kvferry_beside; RELEASE kvferry_beside");
	free(with);
	kvf_buf_release(&oids);
	return st;
}

/* Rows `from` to `to` behind the statements of the table. */
static enum kvf_status append(struct kvf_postgres *s, struct kvf_table *t, const PGresult *res,
			      int from, int to, struct kvf_err *err)
{
	size_t n = t->nddl + (size_t)(to - from);
	struct kvf_ddl *ddl = kvf_arena_zalloc(&s->arena, (n + 1) * sizeof(*ddl)), *d;

	if (!ddl)
		return kvf_fail_nomem(err);
	if (t->nddl)
		memcpy(ddl, t->ddl, t->nddl * sizeof(*ddl));
	for (d = ddl + t->nddl; from < to; from++, d++) {
		d->kind = kvf_postgres_keep(s, res, from, 1);
		d->name = kvf_postgres_keep(s, res, from, 2);
		d->sql = kvf_postgres_keep(s, res, from, 3);
		if (!d->kind || !d->name || !d->sql)
			return kvf_fail_nomem(err);
	}
	t->ddl = ddl;
	t->nddl = n;
	return KVF_OK;
}

static struct kvf_table *find_table(struct kvf_postgres_shape *const *shapes, size_t n, Oid oid)
{
	size_t i;

	for (i = 0; i < n && shapes[i]->oid != oid; i++)
		;
	return i < n ? &shapes[i]->table : NULL;
}

enum kvf_status kvf_postgres_read_beside(struct kvf_postgres *s,
					 struct kvf_postgres_shape *const *shapes, size_t n,
					 struct kvf_err *err)
{
	PGresult *res = NULL;
	struct kvf_table *t;
	enum kvf_status st;
	int from, to;

	if (s->pg.dialect->create || !n) /* a server of another kind */
		return KVF_OK;
	st = ask(s, shapes, n, &res, err);
	for (from = 0; !st && from < PQntuples(res); from = to) {
		Oid root = kvf_postgres_oid(res, from, 0);

		for (to = from; to < PQntuples(res) && kvf_postgres_oid(res, to, 0) == root;)
			to++;
		t = find_table(shapes, n, root);
		if (t)
			st = append(s, t, res, from, to, err);
	}
	PQclear(res);
	return st;
}
