/*
 * postgres_inspect - what a run would fail on, found before anything is
 * written: a server that cannot be written, privileges that are missing, a
 * table of another layout, and objects that a publication would leave behind
 * with the old table.
 */
#include "store/cockroach.h"

#include <stdio.h>
#include <string.h>

/* The answer of a query with one text, into buf; "" for NULL. */
static enum kvf_status ask_text(struct kvf_pgs *s, const char *sql,
				const struct kvf_pg_args *args, char *buf, size_t size,
				struct kvf_err *err)
{
	PGresult *res;
	enum kvf_status st =
		kvf_pg_query(&s->pg, s->conn, sql, args, "see what the store is", &res, err);

	buf[0] = '\0';
	if (!st && PQntuples(res) > 0)
		kvf_pg_get_text(res, 0, 0, buf, size);
	PQclear(res);
	return st;
}

/* Can this server and session write at all? */
enum kvf_status kvf_pgs_find_read_only(struct kvf_pgs *s, char *buf, size_t size,
				       struct kvf_err *err)
{
	static const struct kvf_pg_args none;

	/* reset_val: our own sessions that read are read-only by choice. */
	return ask_text(
		s,
		"SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN"
		" 'the server is a standby, which cannot be written: name the primary server' "
		"WHEN reset_val = 'on'"
		" THEN 'the server is read-only (default_transaction_read_only): name one that "
		"takes"
		" writes, or end that' END"
		" FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'",
		&none, buf, size, err);
}

/*
 * Every privilege that a run needs, and whether the user has it.  $1 is the live
 * table, $2 its schema.  To replace a view takes CREATE in its schema, and to hand
 * a table on to its owner takes that the owner could have created it.
 */
static const char privileges[] =
	"WITH live AS (SELECT c.oid, relowner, relnamespace FROM pg_class c WHERE"
	" oid = $1::int8::oid), kept AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE"
	" nspname ~ '^kvferry(_g[0-9]+)?$'), views AS (SELECT DISTINCT v.oid, v.relnamespace,"
	" v.relowner FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid JOIN pg_depend d"
	" ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid ="
	" 'pg_class'::regclass JOIN live ON d.refobjid = live.oid WHERE v.relkind = 'v')"
	" SELECT string_agg(what, ', ' ORDER BY n), string_agg(what, ', ' ORDER BY n) FILTER"
	" (WHERE NOT coalesce(has, false)) FROM ("
	"SELECT 1 AS n, 'CREATE on database ' || quote_ident(current_database()) AS what,"
	" has_database_privilege(current_database(), 'CREATE') AS has UNION ALL"
	" SELECT 2, 'CREATE on tablespace ' || quote_ident(spcname),"
	" has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace WHERE"
	" spcname = current_setting('default_tablespace') UNION ALL"
	" SELECT 3, 'USAGE on language plpgsql', has_language_privilege(oid, 'USAGE')"
	" FROM pg_language WHERE lanname = 'plpgsql' AND NOT EXISTS (SELECT 1 FROM kept)"
	" UNION ALL SELECT 4, p.name || ' on schema ' || quote_ident(nspname),"
	" has_schema_privilege(oid, p.name) FROM pg_namespace, (VALUES ('USAGE'), ('CREATE'))"
	" p(name) WHERE nspname = $2 OR p.name = 'CREATE' AND oid IN (SELECT relnamespace"
	" FROM views) UNION ALL"
	" SELECT 5, 'ownership of table ' || quote_ident(nspname) || '.' ||"
	" quote_ident(relname), pg_has_role(c.relowner, 'USAGE') FROM pg_class c JOIN"
	" pg_namespace s ON s.oid = c.relnamespace WHERE c.oid IN (SELECT oid FROM live) OR NOT"
	" pg_has_role(c.relowner, 'USAGE') AND (c.oid IN (SELECT inhrelid FROM pg_inherits,"
	" live WHERE inhparent = live.oid) OR c.relkind IN ('r', 'p') AND NOT"
	" c.relispartition AND c.relnamespace IN (SELECT oid FROM kept)) UNION ALL"
	" SELECT 5, 'ownership of its ' || count(*) || ' partitions', true FROM pg_inherits,"
	" live WHERE inhparent = live.oid HAVING count(*) > 0 UNION ALL"
	" SELECT 6, 'ownership of view ' || quote_ident(nspname) || '.' || "
	"quote_ident(relname),"
	" pg_has_role(v.relowner, 'USAGE') FROM views v JOIN pg_class c ON c.oid = v.oid JOIN"
	" pg_namespace s ON s.oid = c.relnamespace UNION ALL"
	" SELECT 7, 'ownership of schema ' || quote_ident(nspname), pg_has_role(nspowner,"
	" 'USAGE') FROM kept UNION ALL"
	" SELECT 8, 'CREATE on schema ' || quote_ident(nspname) || ' for ' ||"
	" pg_get_userbyid(relowner) || ', who owns the table', has_schema_privilege(relowner,"
	" relnamespace, 'CREATE') FROM live JOIN pg_namespace s ON s.oid = relnamespace WHERE"
	" pg_get_userbyid(relowner) <> current_user AND NOT (SELECT rolsuper FROM pg_roles"
	" WHERE rolname = current_user)) m";

/* A list that does not fit ends with how many more there are. */
static void get_list(const PGresult *res, int column, char *buf, size_t size)
{
	const char *text = PQgetvalue(res, 0, column), *next;
	size_t room = size - sizeof(", and 1000000 more"), at = 0, more = 0;

	if ((size_t)PQgetlength(res, 0, column) < size) {
		kvf_pg_get_text(res, 0, column, buf, size);
		return;
	}
	for (next = strstr(text, ", "); next; next = strstr(next + 2, ", ")) {
		if ((size_t)(next - text) < room)
			at = (size_t)(next - text);
		else
			more++;
	}
	/* The last one that is told ends where the first that is not begins. */
	snprintf(buf, size, "%.*s, and %zu more", (int)at, text, more + 1);
}

/* What a run needs, to `needs` unless that is NULL; what of it is missing, to buf. */
static enum kvf_status find_missing_privileges(struct kvf_pgs *s, int64_t live, char *needs,
					       size_t needs_size, char *buf, size_t size,
					       struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	char list[640] = "";
	PGresult *res;
	enum kvf_status st;

	kvf_pg_number(&a, live);
	kvf_pg_text(&a, s->schema);
	st = kvf_pg_query(&s->pg, s->conn, privileges, &a, "see what is needed", &res, err);
	if (!st && needs_size)
		get_list(res, 0, needs, needs_size);
	if (!st)
		get_list(res, 1, list, sizeof(list));
	PQclear(res);
	if (!st && list[0])
		snprintf(buf, size,
			 "user \"%.63s\" lacks privileges: %s; let an administrator grant "
			 "them, or connect as another user",
			 PQuser(s->conn), list);
	return st;
}

/* The schema of the live table has to be there. */
static enum kvf_status find_missing_schema(struct kvf_pgs *s, char *buf, size_t size,
					   struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	int64_t n;
	enum kvf_status st;

	kvf_pg_text(&a, s->schema);
	st = kvf_pg_ask(&s->pg, s->conn, &n,
			"SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", &a,
			err);
	if (!st && !n)
		snprintf(buf, size,
			 "there is no schema \"%.63s\" for table \"%.63s\"; create it",
			 s->schema, s->table);
	return st;
}

/* Exactly our three columns, all bytea, with our key; plain or by hash? */
static enum kvf_status has_our_layout(struct kvf_pgs *s, int64_t oid, int *fits,
				      struct kvf_err *err)
{
	static const char sql[] =
		"SELECT c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT"
		" c.relispartition AND (SELECT count(*) = 3 AND bool_and(a.atttypid = 17 AND"
		" a.attgenerated = '' AND a.attname IN ('partition_key', 'key', 'value')) FROM"
		" pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT"
		" a.attisdropped) AND EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute p ON"
		" p.attrelid = c.oid AND p.attnum = i.indkey[0] JOIN pg_attribute k ON"
		" k.attrelid = c.oid AND k.attnum = i.indkey[1] WHERE i.indrelid = c.oid AND"
		" i.indisprimary AND i.indnatts = 2 AND p.attname = 'partition_key' AND"
		" k.attname = 'key') AND (c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM"
		" pg_inherits WHERE c.oid IN (inhparent, inhrelid)) OR EXISTS (SELECT 1 FROM"
		" pg_partitioned_table t JOIN pg_attribute p ON p.attrelid = c.oid AND"
		" p.attnum = t.partattrs[0] WHERE t.partrelid = c.oid AND t.partstrat = 'h'"
		" AND t.partnatts = 1 AND p.attname = 'partition_key'))"
		" FROM pg_class c WHERE c.oid = $1::int8::oid";
	struct kvf_pg_args a = { 0 };
	int64_t n;
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = kvf_pg_ask(&s->pg, s->conn, &n, sql, &a, err);
	*fits = !st && n != 0;
	return st;
}

/* What hangs on the live table, and would stay behind with the old one.  Views
 * are not among it: a commit makes them name the new one. */
enum kvf_status kvf_pgs_find_attached(struct kvf_pgs *s, int64_t oid, char *buf, size_t size,
				      struct kvf_err *err)
{
	static const char sql[] =
		"WITH r AS (SELECT $1::int8::oid AS oid UNION ALL SELECT inhrelid FROM"
		" pg_inherits WHERE inhparent = $1::int8::oid), d AS (SELECT d.* FROM "
		"pg_depend d"
		" WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM "
		"r)"
		" OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT t.oid FROM"
		" pg_type t WHERE t.typrelid = $1::int8::oid))"
		" SELECT string_agg(what, ', ') FROM ("
		"SELECT 'index ' || indexrelid::regclass AS what FROM pg_index JOIN r ON"
		" indrelid = oid WHERE NOT indisprimary UNION ALL"
		" SELECT 'trigger ' || quote_ident(tgname) FROM pg_trigger JOIN r ON"
		" tgrelid = r.oid WHERE NOT tgisinternal UNION ALL"
		" SELECT 'constraint ' || quote_ident(conname) || ' of ' || conrelid::regclass"
		" FROM pg_constraint WHERE conrelid = $1::int8::oid AND contype NOT IN ('p', "
		"'n')"
		" OR confrelid = $1::int8::oid UNION ALL"
		" SELECT 'rule ' || quote_ident(rulename) FROM pg_rewrite WHERE"
		" ev_class = $1::int8::oid UNION ALL"
		" SELECT 'policy ' || quote_ident(polname) FROM pg_policy WHERE"
		" polrelid = $1::int8::oid UNION ALL"
		" SELECT 'row-level security' FROM pg_class WHERE oid = $1::int8::oid AND"
		" relrowsecurity UNION ALL"
		" SELECT 'publication ' || quote_ident(pubname) FROM pg_publication_rel p JOIN"
		" pg_publication b ON b.oid = p.prpubid WHERE prrelid IN (SELECT oid FROM r)"
		" UNION ALL"
		" SELECT 'privileges on column ' || quote_ident(attname) FROM pg_attribute "
		"WHERE"
		" attrelid = $1::int8::oid AND attacl IS NOT NULL UNION ALL"
		" SELECT DISTINCT 'materialized view ' || c.oid::regclass FROM d JOIN "
		"pg_rewrite w"
		" ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass JOIN pg_class c ON"
		" c.oid = w.ev_class AND c.relkind = 'm' UNION ALL"
		" SELECT DISTINCT 'function ' || d.objid::regproc FROM d WHERE"
		" d.classid = 'pg_proc'::regclass) a";
	struct kvf_pg_args a = { 0 };
	char list[320];
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = ask_text(s, sql, &a, list, sizeof(list), err);
	if (!st && list[0])
		snprintf(buf, size,
			 "table %.64s has objects that a publication would leave behind: %s; "
			 "drop them, and create them again afterwards",
			 s->table, list);
	return st;
}

/* The table that kvferry publishes as in this database, if not the one asked for. */
enum kvf_status kvf_pgs_check_live_name(struct kvf_pgs *s, char *buf, size_t size,
					struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	char live[160], ours[160];
	enum kvf_status st;
	int has;

	st = kvf_pgs_touched(s, s->conn, &has, err);
	if (st || !has)
		return st;
	st = ask_text(s, "SELECT live_schema || '.' || live FROM kvferry.control", &none, live,
		      sizeof(live), err);
	snprintf(ours, sizeof(ours), "%s.%s", s->schema, s->table);
	if (!st && live[0] && strcmp(live, ours) != 0)
		snprintf(
			buf, size,
			"kvferry keeps table %.150s in this database; it cannot keep %.150s as "
			"well",
			live, ours);
	return st;
}

/*
 * Names that the live table, its partitions and keys will have, and that others have in its
 * schema ($2): a table and a key are names of relations, a table is that of a type too.
 */
static enum kvf_status find_taken_names(struct kvf_pgs *s, int64_t live, char *buf, size_t size,
					struct kvf_err *err)
{
	static const char sql[] =
		"WITH n(name) AS (SELECT $3::text UNION ALL SELECT $3 || '_' || i FROM"
		" generate_series(0, $4::int8 - 1) i), r(name) AS (SELECT name FROM n UNION ALL"
		" SELECT name || '_pkey' FROM n), own(oid) AS (SELECT $1::int8::oid UNION ALL"
		" SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::int8::oid)"
		" SELECT string_agg(what, ', ' ORDER BY what) FROM (SELECT CASE relkind WHEN"
		" 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign"
		" table ' WHEN 'S' THEN 'sequence ' WHEN 'c' THEN 'type ' WHEN 'i' THEN 'index "
		"'"
		" WHEN 'I' THEN 'index ' ELSE 'table ' END || quote_ident(relname) AS what FROM"
		" pg_class c JOIN r ON relname = name WHERE relnamespace = (SELECT oid FROM"
		" pg_namespace WHERE nspname = $2) AND c.oid NOT IN (SELECT oid FROM own UNION"
		" ALL SELECT indexrelid FROM pg_index JOIN own ON indrelid = own.oid) UNION ALL"
		" SELECT 'type ' || quote_ident(typname) FROM pg_type JOIN n ON typname = name"
		" WHERE typrelid = 0 AND typnamespace = (SELECT oid FROM pg_namespace WHERE"
		" nspname = $2)) taken";
	struct kvf_pg_args a = { 0 };
	unsigned n = s->partitions;
	char list[240];
	enum kvf_status st = KVF_OK;

	if (!n && live)
		st = kvf_pgs_count_partitions(s, live, &n, err);
	kvf_pg_number(&a, live);
	kvf_pg_text(&a, s->schema);
	kvf_pg_text(&a, s->table);
	kvf_pg_number(&a, n);
	if (!st)
		st = ask_text(s, sql, &a, list, sizeof(list), err);
	if (!st && list[0])
		snprintf(buf, size,
			 "schema \"%.63s\" holds what the store's table needs the name of: %s; "
			 "rename it, or publish under another name with --table-name",
			 s->schema, list);
	return st;
}

/* What is there in place of our table. */
static enum kvf_status describe_other(struct kvf_pgs *s, int64_t oid, char *buf, size_t size,
				      struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };
	char kind[32];
	enum kvf_status st;

	kvf_pg_number(&a, oid);
	st = ask_text(s,
		      "SELECT CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized"
		      " view' WHEN 'f' THEN 'a foreign table' WHEN 'S' THEN 'a sequence' WHEN"
		      " 'c' THEN 'a type' WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index'"
		      " ELSE 'a table of another shape' END FROM pg_class WHERE oid ="
		      " $1::int8::oid",
		      &a, kind, sizeof(kind), err);
	if (!st)
		snprintf(
			buf, size,
			"%.140s is %s; the store needs a table (partition_key bytea, key bytea,"
			" value bytea, PRIMARY KEY (partition_key, key)), plain or PARTITION BY"
			" HASH (partition_key); --table-name publishes under another name",
			s->live, kind);
	return st;
}

/* What stands in the way of a table of ours in the place of `oid`. */
static enum kvf_status find_blocker(struct kvf_pgs *s, int64_t oid, int *fits, char *buf,
				    size_t size, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	buf[0] = '\0';
	*fits = 0;
	if (oid)
		st = has_our_layout(s, oid, fits, err);
	if (!st)
		st = kvf_pgs_find_read_only(s, buf, size, err);
	if (!st && !buf[0])
		st = find_missing_schema(s, buf, size, err);
	if (!st && !buf[0])
		st = find_missing_privileges(s, oid, NULL, 0, buf, size, err);
	if (!st && !buf[0])
		st = kvf_pgs_check_live_name(s, buf, size, err);
	if (!st && !buf[0] && oid && !*fits)
		st = describe_other(s, oid, buf, size, err);
	if (!st && !buf[0])
		st = find_taken_names(s, oid, buf, size, err);
	if (!st && !buf[0] && oid)
		st = kvf_pgs_find_attached(s, oid, buf, size, err);
	return st;
}

enum kvf_status kvf_pgs_blocker(struct kvf_pgs *s, int *has, int *fits, char *buf, size_t size,
				struct kvf_err *err)
{
	int64_t oid = 0, now;
	enum kvf_status st;

	if (s->pg.dialect->pointed)
		return kvf_roach_blocker(s, has, fits, buf, size, err);
	do {
		st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
		if (!st)
			st = find_blocker(s, oid, fits, buf, size, err);
		now = oid;
		/* What was found may be the table that another run has just published. */
		if (!st && buf[0])
			st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &now, err);
	} while (!st && now != oid);
	*has = oid != 0;
	return st;
}

/* The version record is no entry. */
enum kvf_status kvf_pgs_leave_record_out(struct kvf_store *base, uint64_t *entries,
					 struct kvf_err *err)
{
	struct kvf_generation g;
	struct kvf_bytes value;
	enum kvf_status st;

	memset(&g, 0, sizeof(g));
	st = kvf_pgs_generation(base, KVF_SCAN_LIVE, &g, err);
	if (!st && g.version_key_len) {
		struct kvf_bytes part = { g.version_part, g.version_part_len };
		struct kvf_bytes key = { g.version_key, g.version_key_len };

		st = kvf_pgs_get(base, part, key, &value, err);
		if (!st)
			(*entries)--;
	}
	if (st != KVF_ENOTFOUND)
		return st;
	kvf_err_clear(err);
	return KVF_OK;
}

/* May the user read the live table, all rows of it, and what kvferry keeps? */
static enum kvf_status may_count(struct kvf_pgs *s, int64_t live, int64_t *may,
				 struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	kvf_pg_number(&a, live);
	return kvf_pg_ask(
		&s->pg, s->conn, may,
		"SELECT bool_and(has_schema_privilege(n.oid, 'USAGE') AND"
		" has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid))"
		" FROM pg_class c JOIN"
		" pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::int8::oid"
		" OR n.nspname = 'kvferry' AND c.relname IN ('control', 'generations')",
		&a, err);
}

/* A server does not tell what is free; where its files are, it does. */
static enum kvf_status find_place(struct kvf_pgs *s, char *buf, size_t size,
				  struct kvf_err *err)
{
	static const struct kvf_pg_args none;

	return ask_text(s,
			"SELECT 'tablespace ' || t.spcname || CASE WHEN"
			" pg_tablespace_location(t.oid) <> '' THEN ' (' ||"
			" pg_tablespace_location(t.oid) || ')' ELSE '' END FROM pg_tablespace t"
			" WHERE t.spcname = current_setting('default_tablespace') OR"
			" current_setting('default_tablespace') = '' AND t.oid = (SELECT"
			" dattablespace FROM pg_database WHERE datname = current_database())",
			&none, buf, size, err);
}

/* What is there: entries, and bytes of the whole database. */
static enum kvf_status measure(struct kvf_pgs *s, int64_t live, struct kvf_store_facts *f,
			       struct kvf_err *err)
{
	char sql[512];
	int64_t n = 0;
	enum kvf_status st = may_count(s, live, &n, err);

	if (!st && !n) {
		f->entries = UINT64_MAX;
		if (!f->blocker[0])
			snprintf(f->blocker, sizeof(f->blocker),
				 "user \"%.63s\" may not read all rows of table %s, or of "
				 "kvferry.control and kvferry.generations",
				 PQuser(s->conn), s->live);
	}
	if (st || !n)
		return st;
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", s->live);
	st = kvf_pg_ask(&s->pg, s->conn, &n, sql, NULL, err);
	f->entries = (uint64_t)n;
	if (!st)
		st = kvf_pg_ask(&s->pg, s->conn, &n,
				"SELECT pg_catalog.pg_database_size(current_database())", NULL,
				err);
	f->size = (uint64_t)n;
	if (!st)
		st = kvf_pgs_early_intruder(s, f->intruder, sizeof(f->intruder), err);
	return st ? st : kvf_pgs_leave_record_out(&s->base, &f->entries, err);
}

enum kvf_status kvf_pgs_inspect(struct kvf_store *base, struct kvf_store_facts *f,
				struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	char why[sizeof(f->blocker)] = "", ignored[sizeof(f->blocker)];
	int64_t oid = 0;
	enum kvf_status st = kvf_pgs_ready(s, err);

	if (!st) /* a connection has told the default schema */
		snprintf(f->table, sizeof(f->table), "%s.%s", s->schema, s->table);
	if (!st)
		st = kvf_pgs_find_read_only(s, why, sizeof(why), err);
	if (!st)
		st = kvf_pgs_blocker(s, &f->has_table, &f->table_fits, f->blocker,
				     sizeof(f->blocker), err);
	if (!st)
		st = kvf_pgs_touched(s, s->conn, &f->has_control, err);
	if (!st)
		st = kvf_pgs_oid(s, s->conn, s->schema, s->table, &oid, err);
	if (!st)
		st = find_missing_privileges(s, oid, f->needs, sizeof(f->needs), ignored,
					     sizeof(ignored), err);
	if (!st && !s->pg.dialect->paged)
		st = find_place(s, f->where, sizeof(f->where), err);
	if (st)
		return st;
	f->exists = 1;
	f->writable = !why[0];
	f->free = UINT64_MAX;
	return f->table_fits ? measure(s, oid, f, err) : KVF_OK;
}
