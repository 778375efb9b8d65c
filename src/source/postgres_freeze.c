/*
 * postgres_freeze - a database whose tables refuse writes.
 *
 *   schema kvferry_freeze             all that is ours
 *   table kvferry_freeze.marker       one row: the run, who, when, its stamp
 *   function kvferry_freeze.refuse()  RAISE EXCEPTION
 *   trigger kvferry_freeze            on every table: BEFORE INSERT OR UPDATE OR
 *                                     DELETE OR TRUNCATE, FOR EACH STATEMENT
 *
 * All of it comes and goes in one transaction each.  Triggers and not revoked
 * privileges, because owners and superusers need no privilege, and because what
 * was granted to whom would have to be put back (docs/decisions/freeze.md).  They
 * are ENABLE ALWAYS, so that session_replication_role = replica is no way around.
 * A subscription is one: its worker fires no statement triggers, so an enabled one
 * is refused.
 */
#include "source/postgres.h"

#include "base/failpoint.h"
#include "base/session.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FREEZE_LOCK_MS 10000
/* A session that was just closed is listed for a moment: look again. */
#define LOOKS 10

/* The application's tables, with alias c and n.  Not those of an extension: its
 * own workers write to them. */
#define TABLES                                                                                 \
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" \
	" WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'"   \
	" AND n.nspname <> 'information_schema'"                                               \
	" AND n.nspname !~ '^kvferry(_freeze|_g[0-9]+)?$' AND NOT EXISTS (SELECT 1 FROM"       \
	" pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND"        \
	" d.objid = c.oid AND d.deptype = 'e')"
/* Of those, what has no trigger yet and is not the live table ($1) of a store. */
#define TO_FREEZE                                                                              \
	TABLES                                                                                 \
	" AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND"   \
	" g.tgname = 'kvferry_freeze') AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class l"    \
	" JOIN pg_catalog.pg_namespace m ON m.oid = l.relnamespace WHERE (l.oid = c.oid OR"    \
	" l.oid IN (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE"                    \
	" i.inhrelid = c.oid)) AND (m.nspname || '.' || l.relname = $1 OR"                     \
	" l.relname = $1 AND m.nspname = pg_catalog.current_schema()))"

static const char frozen_tables[] =
	"SELECT count(*) FROM pg_catalog.pg_trigger g WHERE g.tgname = 'kvferry_freeze' AND"
	" g.tgfoid = 'kvferry_freeze.refuse()'::regprocedure";
static const char marker[] =
	"SELECT run, host, who, tool, at::pg_catalog.text, (SELECT count(*) FROM"
	" pg_catalog.pg_trigger g WHERE g.tgname = 'kvferry_freeze' AND"
	" g.tgfoid = 'kvferry_freeze.refuse()'::regprocedure)::pg_catalog.text, stamp,"
	" made_over, store FROM kvferry_freeze.marker WHERE id = 1";

/* A connection that writes to a source: there is no other. */
struct freezer {
	struct kvf_pg pg;
	PGconn *conn;
};

/* ---- errors and connections ---------------------------------------------------- */

/* What the place does not let us do is a refusal: nothing was changed. */
static enum kvf_status explain(struct freezer *z, enum kvf_status st, struct kvf_err *err)
{
	char holders[sizeof(err->detail)] = "";
	struct kvf_writers w = { 0 };

	if (st != KVF_ESOURCE || !err)
		return st;
	if (strcmp(err->code, "55P03") == 0 || strcmp(err->code, "40P01") == 0) {
		kvf_pg_name_holders(&z->pg, z->conn, err);
		snprintf(holders, sizeof(holders), "%s", err->detail);
		if (!*holders) {
			if (!kvf_postgres_freezer.writers(z->pg.conninfo, z->pg.env, &w,
							  NULL) &&
			    w.n)
				snprintf(holders, sizeof(holders), "%s.", w.named);
			kvf_err_hint(err,
				     "A transaction that writes is open: let it end, or end "
				     "its session, and run the same command again.");
		}
		err->status = st = KVF_EPREFLIGHT;
	}
	kvf_err_detail(err, "%s%sNothing was changed.", holders, *holders ? " " : "");
	if (st != KVF_ESOURCE)
		return st;
	if (strcmp(err->code, "25006") == 0 || strcmp(err->code, "42501") == 0)
		return err->status = KVF_EPREFLIGHT;
	return st;
}

static enum kvf_status refuse(struct kvf_err *err, const char *message, const char *names,
			      const char *hint)
{
	kvf_fail(err, KVF_EPREFLIGHT, "%s", message);
	kvf_err_detail(err, "%s. Nothing was changed.", names);
	kvf_err_hint(err, "%s", hint);
	return KVF_EPREFLIGHT;
}

static enum kvf_status exec(struct freezer *z, const char *doing, const char *sql,
			    struct kvf_err *err)
{
	return explain(z, kvf_pg_exec(&z->pg, z->conn, doing, err, "%s", sql), err);
}

static enum kvf_status query(struct freezer *z, const char *doing, const char *sql,
			     const struct kvf_pg_args *args, PGresult **res,
			     struct kvf_err *err)
{
	return explain(z, kvf_pg_query(&z->pg, z->conn, sql, args, doing, res, err), err);
}

static enum kvf_status begin(struct freezer *z, const char *place, const struct kvf_env *env,
			     struct kvf_freeze *f, struct kvf_err *err)
{
	enum kvf_status st;

	z->conn = NULL;
	st = kvf_pg_init(&z->pg, place, KVF_ESOURCE, env, err);
	if (!st)
		st = kvf_pg_connect(&z->pg, &z->conn, err);
	/* Who is stopped in here keeps nobody out for ever: the server ends it. */
	if (!st)
		st = kvf_pg_exec(&z->pg, z->conn, "begin", err,
				 "BEGIN; SET LOCAL lock_timeout = %d; SET LOCAL"
				 " synchronous_commit = on; SET LOCAL statement_timeout = 0;"
				 " SET LOCAL idle_in_transaction_session_timeout = %d",
				 KVF_PATIENCE(FREEZE_LOCK_MS), KVF_PATIENCE(FREEZE_LOCK_MS));
	if (!st)
		kvf_pg_place(&z->pg, z->conn, 1, f->place, sizeof(f->place));
	return st;
}

/* Closing gives up what was not committed. */
static void release(struct freezer *z)
{
	PQfinish(z->conn);
	kvf_pg_release(&z->pg);
}

/* ---- the marker ------------------------------------------------------------------ */

static void copy_text(const PGresult *res, int column, char *to, size_t size)
{
	snprintf(to, size, "%s", PQgetvalue(res, 0, column));
	kvf_text_clean(to, 0);
}

/* Of a result of `marker`, in text. */
static enum kvf_status take_marker(const PGresult *res, struct kvf_freeze *f,
				   struct kvf_err *err)
{
	if (PQntuples(res) != 1)
		return kvf_fail(err, KVF_ENOTFOUND, "the source is not frozen");
	copy_text(res, 0, f->run, sizeof(f->run));
	copy_text(res, 1, f->host, sizeof(f->host));
	copy_text(res, 2, f->who, sizeof(f->who));
	copy_text(res, 3, f->tool, sizeof(f->tool));
	f->at = strtoll(PQgetvalue(res, 0, 4), NULL, 10);
	f->tables = strtoull(PQgetvalue(res, 0, 5), NULL, 10);
	copy_text(res, 6, f->stamp, sizeof(f->stamp));
	copy_text(res, 7, f->over, sizeof(f->over));
	copy_text(res, 8, f->store, sizeof(f->store));
	return KVF_OK;
}

static const char has_marker[] =
	"SELECT CASE WHEN pg_catalog.to_regclass('kvferry_freeze.marker') IS NULL THEN '0' ELSE"
	" '1' END";

static enum kvf_status read_marker(struct freezer *z, struct kvf_freeze *f, struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = query(z, "see whether it is frozen", has_marker, NULL, &res, err);
	int has = !st && *PQgetvalue(res, 0, 0) == '1';

	PQclear(res);
	if (!st && !has)
		return kvf_fail(err, KVF_ENOTFOUND, "the source is not frozen");
	res = NULL;
	if (!st)
		st = query(z, "see whether it is frozen", marker, NULL, &res, err);
	if (!st)
		st = take_marker(res, f, err);
	PQclear(res);
	return st;
}

enum kvf_status kvf_postgres_frozen(struct kvf_source *base, struct kvf_freeze *f,
				    struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	PGresult *res = NULL;
	enum kvf_status st =
		kvf_postgres_query(s, "see whether it is frozen", &res, err, "%s", has_marker);
	int has = !st && *PQgetvalue(res, 0, 0) == '1';

	PQclear(res);
	if (!st && !has)
		return kvf_fail(err, KVF_ENOTFOUND, "the source is not frozen");
	res = NULL;
	if (!st)
		st = kvf_postgres_query(s, "see whether it is frozen", &res, err, "%s", marker);
	if (!st)
		st = take_marker(res, f, err);
	PQclear(res);
	kvf_pg_place(&s->pg, s->conns[0], 1, f->place, sizeof(f->place));
	return st;
}

/* Arguments $1 to $6: whose freeze it is, from now on. */
static void add_owner(struct kvf_pg_args *a, const struct kvf_freeze_request *q)
{
	kvf_pg_text(a, q->run);
	kvf_pg_text(a, q->host);
	kvf_pg_text(a, q->who);
	kvf_pg_text(a, KVF_VERSION);
	kvf_pg_number(a, kvf_now_us());
	kvf_pg_text(a, q->stamp);
}

/* The freeze that is there becomes that of this run; waits for who lifts it. */
static enum kvf_status stamp_marker(struct freezer *z, const struct kvf_freeze_request *q,
				    struct kvf_err *err)
{
	struct kvf_pg_args a = { 0 };

	add_owner(&a, q);
	return query(z, "freeze",
		     "UPDATE kvferry_freeze.marker SET run = $1, host = $2, who = $3,"
		     " tool = $4, at = $5, stamp = $6 WHERE id = 1",
		     &a, NULL, err);
}

/* The function's body is the message, so that it says the same to everybody. */
static enum kvf_status create_objects(struct freezer *z, const struct kvf_freeze_request *q,
				      struct kvf_err *err)
{
	static const char objects[] =
		"CREATE SCHEMA kvferry_freeze;"
		"CREATE TABLE kvferry_freeze.marker(id int8 PRIMARY KEY CHECK (id = 1),"
		" run text NOT NULL, host text NOT NULL, who text NOT NULL, tool text NOT NULL,"
		" at int8 NOT NULL, stamp text NOT NULL, made_over text NOT NULL,"
		" store text NOT NULL);"
		"GRANT USAGE ON SCHEMA kvferry_freeze TO PUBLIC;"
		"GRANT SELECT ON kvferry_freeze.marker TO PUBLIC";
	char text[512], sql[4096], *literal, *body = NULL;
	struct kvf_pg_args a = { 0 };
	enum kvf_status st = exec(z, "freeze", objects, err);

	if (st)
		return st;
	kvf_freeze_text(q, text, sizeof(text));
	literal = PQescapeLiteral(z->conn, text, strlen(text));
	if (literal) {
		snprintf(sql, sizeof(sql),
			 "BEGIN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = %s; END",
			 literal);
		body = PQescapeLiteral(z->conn, sql, strlen(sql));
	}
	if (body) {
		snprintf(sql, sizeof(sql),
			 "CREATE FUNCTION kvferry_freeze.refuse() RETURNS trigger LANGUAGE"
			 " plpgsql AS %s",
			 body);
		st = exec(z, "freeze", sql, err);
	} else {
		st = kvf_fail_nomem(err);
	}
	PQfreemem(body);
	PQfreemem(literal);
	add_owner(&a, q);
	kvf_pg_text(&a, q->over);
	kvf_pg_text(&a, q->store);
	return st ? st
		  : query(z, "freeze",
			  "INSERT INTO kvferry_freeze.marker VALUES (1, $1, $2, $3, $4, $5,"
			  " $6, $7, $8)",
			  &a, NULL, err);
}

/* ---- what stands in the way --------------------------------------------------------- */

/* The one text that a query yields, or "". */
static enum kvf_status ask_text(struct freezer *z, const char *sql,
				const struct kvf_pg_args *args, char *buf, size_t size,
				struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGresult *res = NULL;
	enum kvf_status st =
		query(z, "see whether it can be frozen", sql, args ? args : &none, &res, err);

	buf[0] = '\0';
	if (!st && PQntuples(res))
		kvf_pg_get_text(res, 0, 0, buf, size);
	PQclear(res);
	return st;
}

static enum kvf_status check(struct freezer *z, const struct kvf_pg_args *live,
			     struct kvf_err *err)
{
	char names[900];
	enum kvf_status st =
		ask_text(z, "SELECT 'x'::text WHERE pg_catalog.pg_is_in_recovery()", NULL,
			 names, 8, err);

	if (!st && *names)
		return refuse(err, "the source cannot be frozen: it is a standby", z->pg.name,
			      "Freeze the primary server: name it as the source.");
	if (!st)
		st = ask_text(z,
			      "SELECT pg_catalog.string_agg(t, ', ') FROM (SELECT"
			      " pg_catalog.format('%I.%I of %I', n.nspname, c.relname,"
			      " pg_catalog.pg_get_userbyid(c.relowner)) AS t" TO_FREEZE
			      " AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
			      " ORDER BY 1 LIMIT 10) AS x",
			      live, names, sizeof(names), err);
	if (!st && *names)
		return refuse(err, "the source cannot be frozen: not all tables are yours",
			      names,
			      "Triggers are made by the owner: connect as a role that owns the "
			      "tables or is a member of the owner, or as a superuser.");
	if (!st)
		st = ask_text(z,
			      "SELECT pg_catalog.string_agg(s.subname::text, ', ') FROM"
			      " pg_catalog.pg_subscription s WHERE s.subenabled AND s.subdbid ="
			      " (SELECT oid FROM pg_catalog.pg_database WHERE datname ="
			      " pg_catalog.current_database())",
			      NULL, names, sizeof(names), err);
	if (!st && *names)
		return refuse(err,
			      "the source cannot be frozen: a subscription writes to it past "
			      "all triggers",
			      names, "ALTER SUBSCRIPTION ... DISABLE, then run again.");
	return st;
}

/* ---- set and lift ------------------------------------------------------------------ */

static enum kvf_status freeze_tables(struct freezer *z, const struct kvf_pg_args *live,
				     struct kvf_err *err)
{
	static const char statements[] =
		"SELECT pg_catalog.format('CREATE TRIGGER kvferry_freeze BEFORE INSERT OR"
		" UPDATE OR DELETE OR TRUNCATE ON %1$I.%2$I FOR EACH STATEMENT EXECUTE FUNCTION"
		" kvferry_freeze.refuse(); ALTER TABLE %1$I.%2$I ENABLE ALWAYS TRIGGER"
		" kvferry_freeze', n.nspname, c.relname)" TO_FREEZE " ORDER BY c.oid";
	PGresult *res = NULL;
	enum kvf_status st = query(z, "freeze", statements, live, &res, err);
	int i, n = st ? 0 : PQntuples(res);

	for (i = 0; i < n && !st; i++) {
		struct kvf_bytes b = kvf_pg_get_bytes(res, i, 0);

		st = explain(z,
			     kvf_pg_exec(&z->pg, z->conn, "freeze", err, "%.*s", (int)b.len,
					 (const char *)b.ptr),
			     err);
	}
	PQclear(res);
	return st;
}

static enum kvf_status count_tables(struct freezer *z, struct kvf_freeze *f,
				    struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	int64_t n = 0;
	enum kvf_status st =
		explain(z, kvf_pg_ask(&z->pg, z->conn, &n, frozen_tables, &none, err), err);

	f->tables = (uint64_t)n;
	return st;
}

static enum kvf_status set(const char *place, const struct kvf_env *env,
			   const struct kvf_freeze_request *q, struct kvf_freeze *f,
			   struct kvf_err *err)
{
	struct kvf_pg_args live = { 0 };
	struct freezer z;
	enum kvf_status st = begin(&z, place, env, f, err);

	kvf_pg_text(&live, q->live_table ? q->live_table : "");
	if (!st)
		st = check(&z, &live, err);
	if (!st)
		st = read_marker(&z, f, err);
	if (st == KVF_ENOTFOUND) {
		st = create_objects(&z, q, err);
		f->fresh = 1;
	} else if (!st) {
		st = kvf_freeze_for(f, q, err) ? KVF_EPREFLIGHT : stamp_marker(&z, q, err);
	}
	if (!st)
		st = read_marker(&z, f, err);
	if (!st)
		st = freeze_tables(&z, &live, err);
	if (!st)
		st = count_tables(&z, f, err);
	KVF_FAILPOINT(st, err, "postgres.freeze.written");
	if (!st)
		st = exec(&z, "freeze", "COMMIT", err);
	KVF_FAILPOINT(st, err, "postgres.freeze.committed");
	release(&z);
	return st;
}

static enum kvf_status lift(const char *place, const struct kvf_env *env, const char *stamp,
			    struct kvf_freeze *f, struct kvf_err *err)
{
	static const char drop[] =
		"DO $$ DECLARE t record; BEGIN FOR t IN SELECT n.nspname, c.relname FROM"
		" pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN"
		" pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE"
		" g.tgname = 'kvferry_freeze' AND"
		" g.tgfoid = 'kvferry_freeze.refuse()'::regprocedure ORDER BY c.oid LOOP"
		" EXECUTE pg_catalog.format('DROP TRIGGER kvferry_freeze ON %I.%I', t.nspname,"
		" t.relname); END LOOP; END $$;"
		"DROP FUNCTION kvferry_freeze.refuse(); DROP TABLE kvferry_freeze.marker;"
		"DROP SCHEMA kvferry_freeze; COMMIT";
	struct freezer z;
	enum kvf_status st = begin(&z, place, env, f, err);

	if (!st)
		st = read_marker(&z, f, err);
	/* Nobody stamps it from here on. */
	if (!st)
		st = exec(&z, "unfreeze",
			  "LOCK TABLE kvferry_freeze.marker IN ACCESS EXCLUSIVE MODE", err);
	if (!st)
		st = read_marker(&z, f, err);
	if (!st)
		st = kvf_freeze_is(f, stamp, err);
	KVF_FAILPOINT(st, err, "postgres.thaw.begun");
	if (!st)
		st = exec(&z, "unfreeze", drop, err);
	KVF_FAILPOINT(st, err, "postgres.thaw.committed");
	release(&z);
	return st;
}

/*
 * A run that was stopped may still read, and keep the marker as it is.  Whoever freezes or
 * lifts has seen that it has the store no more, or takes it over: its sessions end.
 */
static int end_readers(const char *place, const struct kvf_env *env, const struct kvf_err *why)
{
	struct kvf_pg pg;
	int n;

	if (why->status != KVF_EPREFLIGHT || strcmp(why->code, "55P03") != 0 ||
	    kvf_pg_init(&pg, place, KVF_ESOURCE, env, NULL))
		return 0;
	n = kvf_pg_end_sessions(&pg, KVF_SESSION_MIGRATE);
	kvf_pg_release(&pg);
	return n;
}

static enum kvf_status freeze_set(const char *place, const struct kvf_env *env,
				  const struct kvf_freeze_request *q, struct kvf_freeze *f,
				  struct kvf_err *err)
{
	struct kvf_err first;
	enum kvf_status st = set(place, env, q, f, &first);

	if (st && end_readers(place, env, &first))
		st = set(place, env, q, f, &first);
	if (st && err)
		*err = first;
	return st;
}

static enum kvf_status freeze_lift(const char *place, const struct kvf_env *env,
				   const char *stamp, struct kvf_freeze *f, struct kvf_err *err)
{
	struct kvf_err first;
	enum kvf_status st = lift(place, env, stamp, f, &first);

	if (st && end_readers(place, env, &first))
		st = lift(place, env, stamp, f, &first);
	if (st && err)
		*err = first;
	return st;
}

/* ---- who else could write ------------------------------------------------------------ */

/* Names and numbers of those who could.  Of other users' sessions a role without
 * pg_read_all_stats sees no backend_type: those count. */
static const char sessions[] =
	"SELECT coalesce(nullif(a.application_name, ''), 'a session'),"
	" coalesce(a.usename::text, '?'), count(*)::text,"
	" coalesce(pg_catalog.host(a.client_addr), '') FROM pg_catalog.pg_stat_activity a"
	" WHERE a.datname = pg_catalog.current_database() AND a.pid <>"
	" pg_catalog.pg_backend_pid() AND coalesce(a.application_name, '') !~ '^kvferry( |$)' "
	"AND"
	" NOT pg_catalog.pg_is_in_recovery() AND (a.backend_type IS NULL OR a.backend_type ="
	" 'client backend' OR a.backend_type LIKE 'logical replication%worker') AND"
	" (a.usesysid IS NULL OR EXISTS (SELECT 1" TABLES
	" AND pg_catalog.has_table_privilege(a.usesysid, c.oid,"
	" 'INSERT, UPDATE, DELETE, TRUNCATE')))"
	" GROUP BY 1, 2, 4 UNION ALL SELECT 'a prepared transaction', p.owner::text, "
	"count(*)::text, ''"
	" FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()"
	" GROUP BY 2 UNION ALL SELECT 'replication from the primary server', '', "
	"count(*)::text, ''"
	" FROM pg_catalog.pg_stat_wal_receiver WHERE status IS NOT NULL HAVING count(*) > 0"
	" ORDER BY 3 DESC, 1, 2, 4";

static void take_sessions(const PGresult *res, struct kvf_writers *w)
{
	int i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < PQntuples(res); i++) {
		const char *app = PQgetvalue(res, i, 0), *user = PQgetvalue(res, i, 1);
		const char *from = PQgetvalue(res, i, 3);
		unsigned n = (unsigned)strtoul(PQgetvalue(res, i, 2), NULL, 10);

		if (*user)
			kvf_writers_add(w, n, "%.80s of user %.64s%s%.60s (%u)", app, user,
					*from ? " from " : "", from, n);
		else
			kvf_writers_add(w, n, "%s", app);
	}
}

static enum kvf_status find_writers(const char *place, const struct kvf_env *env,
				    struct kvf_writers *w, struct kvf_err *err)
{
	const struct timespec pause = { 0, 100000000L };
	PGresult *res = NULL;
	PGconn *conn = NULL;
	struct kvf_pg pg;
	enum kvf_status st = kvf_pg_init(&pg, place, KVF_ESOURCE, env, err);
	int i;

	if (st)
		return st;
	pg.reading = 1;
	st = kvf_pg_connect(&pg, &conn, err);
	for (i = 0; !st && i < LOOKS && !PQparameterStatus(conn, "crdb_version"); i++) {
		if (i)
			nanosleep(&pause, NULL);
		st = kvf_pg_query(&pg, conn, sessions, NULL, "see who else is connected", &res,
				  err);
		if (!st)
			take_sessions(res, w);
		PQclear(res);
		res = NULL;
		if (!w->n)
			break;
	}
	PQfinish(conn);
	kvf_pg_release(&pg);
	return st;
}

const struct kvf_freezer kvf_postgres_freezer = {
	.writers = find_writers,
	.set = freeze_set,
	.lift = freeze_lift,
	.present = kvf_postgres_present,
	.drop = kvf_postgres_drop,
};
