/*
 * postgres_open - connections that see one snapshot, and statements on the
 * first of them.
 *
 * The first connection begins a read-only transaction of REPEATABLE READ and
 * exports its snapshot; the others join it.  A pooler that hands connections to
 * other servers, or a server that has none left, refuses that: then there is
 * one connection, and we say so.
 *
 * Everything is set for the transaction only (SET LOCAL), so that it also holds
 * behind a pooler, and stays with nobody else's session.
 */
#include "source/over.h"
#include "source/postgres.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST 120000
#define JOIN_S 5 /* seconds */

/* The texts that the server makes of values depend on these.  row_security
 * off: a policy that would hide rows is an error. */
static const char settings[] =
	"SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';"
	"SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 3;"
	"SET LOCAL bytea_output = 'hex'; SET LOCAL xmlbinary = 'base64';"
	"SET LOCAL lc_monetary = 'C'; SET LOCAL lc_numeric = 'C';"
	"SET LOCAL row_security = off; SET LOCAL synchronize_seqscans = off;"
	"SET LOCAL idle_in_transaction_session_timeout = 0;"
	"SET LOCAL client_encoding = '%s'";

enum kvf_status kvf_postgres_explain(const struct kvf_postgres *s, enum kvf_status st,
				     struct kvf_err *err)
{
	if (!err || st != KVF_ESOURCE)
		return st;
	/* A standby that ends a session in the middle of its sending cannot say why. */
	if (s->standby && (strcmp(err->code, "40001") == 0 || strcmp(err->code, "57P01") == 0 ||
			   strcmp(err->code, "40P01") == 0 || strncmp(err->code, "08", 2) == 0))
		kvf_err_hint(err,
			     "A standby ends queries that hold its replay up: raise "
			     "max_standby_streaming_delay there, turn hot_standby_feedback "
			     "on, or read from the primary server.");
	else if (strstr(err->message, "GC threshold"))
		kvf_err_hint(err, "The moment that is read has been garbage-collected: raise "
				  "gc.ttlseconds of the database above the time that this "
				  "takes, and begin again.");
	else if (strcmp(err->code, "42501") == 0 && strstr(err->message, "row-level security"))
		kvf_err_hint(err, "Rows would be missing. Connect as the owner of the table or "
				  "as a role with BYPASSRLS.");
	else if (strcmp(err->code, "42501") == 0)
		kvf_err_hint(err, "GRANT SELECT on it to this role, leave the table out with "
				  "--exclude-table, or connect as another role.");
	else if (strcmp(err->code, "22P05") == 0 || strcmp(err->code, "22021") == 0)
		kvf_err_hint(err, "The database holds a text that is not of its encoding, or "
				  "that UTF-8 cannot say: correct it there.");
	return st;
}

char *kvf_postgres_keep(struct kvf_postgres *s, const PGresult *res, int row, int column)
{
	return kvf_arena_strndup(&s->arena, PQgetvalue(res, row, column),
				 (size_t)PQgetlength(res, row, column));
}

Oid kvf_postgres_oid(const PGresult *res, int row, int column)
{
	return (Oid)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

enum kvf_status kvf_postgres_query(struct kvf_postgres *s, const char *doing, PGresult **res,
				   struct kvf_err *err, const char *fmt, ...)
{
	enum kvf_status st;
	char *sql = NULL;
	va_list ap;
	int n;

	*res = NULL;
	va_start(ap, fmt);
	n = vasprintf(&sql, fmt, ap);
	va_end(ap);
	if (n < 0)
		return kvf_fail_nomem(err);
	st = kvf_pg_query(&s->pg, s->conns[0], sql, NULL, doing, res, err);
	free(sql);
	return kvf_postgres_explain(s, st, err);
}

/* Is the statement itself to blame, rather than its time or the server? */
static int is_of_statement(const struct kvf_err *err)
{
	static const char *const classes[] = { "42", "22", "0A", "26", "34", "3F", "25", "P0" };
	size_t i;

	if (strcmp(err->code, "42501") == 0)
		return 0;
	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(err->code, classes[i], 2) == 0)
			return 1;
	return 0;
}

enum kvf_status kvf_postgres_try(struct kvf_postgres *s, const char *sql, const char *doing,
				 PGresult **res, struct kvf_err *err)
{
	static const struct kvf_pg_args none;
	PGconn *conn = s->conns[0];
	struct kvf_err ignored = { 0 }, *e = err;
	enum kvf_status st;

	*res = NULL;
	if (!e)
		e = &ignored;
	st = kvf_pg_exec(&s->pg, conn, "set a savepoint", e, "SAVEPOINT kvferry");
	if (!st)
		/* With arguments, be they none, it can only be one statement. */
		st = kvf_pg_query(&s->pg, conn, sql, &none, doing, res, e);
	if (st == KVF_ESOURCE && is_of_statement(e)) {
		st = e->status = KVF_EDEFINITION;
		e->hint[0] = '\0';
	}
	if (PQtransactionStatus(conn) == PQTRANS_INERROR &&
	    kvf_pg_exec(&s->pg, conn, "go back to a savepoint", &ignored,
			"ROLLBACK TO SAVEPOINT kvferry"))
		return st;
	if (PQtransactionStatus(conn) == PQTRANS_INTRANS &&
	    kvf_pg_exec(&s->pg, conn, "release a savepoint", &ignored,
			"RELEASE SAVEPOINT kvferry"))
		return st;
	return kvf_postgres_explain(s, st, e);
}

enum kvf_status kvf_source_postgres_setup(const struct kvf_pg *pg, PGconn *conn,
					  struct kvf_err *err)
{
	const char *encoding = PQparameterStatus(conn, "server_encoding");

	return kvf_pg_exec(pg, conn, "set up the transaction", err, settings,
			   encoding && strcmp(encoding, "SQL_ASCII") == 0 ? "SQL_ASCII"
									  : "UTF8");
}

/* ---- the snapshot ----------------------------------------------------------------------- */

/* Take a snapshot, or join the one of that name. */
static enum kvf_status begin_on(const struct kvf_postgres *s, const struct kvf_pg *pg,
				PGconn *conn, const char *snapshot, struct kvf_err *err)
{
	char join[200] = "", moment[KVF_PG_MOMENT];
	enum kvf_status st;

	if (pg->dialect->paged) {
		snprintf(moment, sizeof(moment), "%s", snapshot);
		st = kvf_pg_read_at(pg, conn, *moment ? moment : NULL, err);
		return st ? st : kvf_pg_exec(pg, conn, "begin to read", err, "%s", s->settings);
	}
	if (*snapshot)
		snprintf(join, sizeof(join), "SET TRANSACTION SNAPSHOT '%s';", snapshot);
	return kvf_pg_exec(pg, conn, "begin to read", err,
			   "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;%s%s", join,
			   s->settings);
}

static enum kvf_status check_server(const struct kvf_postgres *s, struct kvf_err *err)
{
	if (s->version >= OLDEST)
		return KVF_OK;
	kvf_fail(err, KVF_ESOURCE, "%s runs PostgreSQL %d; 12 is the oldest that is read",
		 s->pg.name, s->version / 10000);
	kvf_err_hint(err,
		     "Upgrade the server first (pg_upgrade), or restore a pg_dump of it on "
		     "a newer one and read that.");
	return KVF_ESOURCE;
}

/* Not exported: no reason to stop, only to begin again and to read on one
 * connection.  Nothing else was read in the first snapshot. */
static enum kvf_status export_snapshot(struct kvf_postgres *s, struct kvf_err *err)
{
	struct kvf_err why;
	PGresult *res = NULL;
	enum kvf_status st;

	st = kvf_postgres_query(s, "export the snapshot", &res, &why, "%s",
				"SELECT pg_catalog.pg_export_snapshot()");
	if (!st && PQntuples(res) == 1 &&
	    strspn(PQgetvalue(res, 0, 0), "0123456789ABCDEF-") == strlen(PQgetvalue(res, 0, 0)))
		snprintf(s->snapshot, sizeof(s->snapshot), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	if (*s->snapshot)
		return KVF_OK;
	s->alone = 1;
	kvf_source_log(&s->base, KVF_LOG_WARN,
		       "one connection only, because the snapshot cannot be shared: %s",
		       st ? why.message : "the server gave it no name");
	return kvf_postgres_renew(s, err);
}

/* What the server is, for people, and what every transaction of ours is set to. */
static enum kvf_status introduce(struct kvf_postgres *s, struct kvf_err *err)
{
	const char *version = PQparameterStatus(s->conns[0], "crdb_version");
	const char *encoding = PQparameterStatus(s->conns[0], "server_encoding");
	const char *own = s->pg.dialect->settings;

	if (!version)
		version = PQparameterStatus(s->conns[0], "server_version");
	version = version ? version : "";
	if (strncmp(version, "CockroachDB ", 12) == 0)
		version += 12;
	snprintf(s->identity, sizeof(s->identity), "%s %.*s, %s", s->pg.dialect->product,
		 (int)strcspn(version, " "), version, s->pg.name);
	s->sql_ascii = encoding && strcmp(encoding, "SQL_ASCII") == 0;
	kvf_pg_place(&s->pg, s->conns[0], 0, s->base.place, sizeof(s->base.place));
	s->settings =
		kvf_pg_fill(own ? own : settings, s->sql_ascii ? "SQL_ASCII" : "UTF8", NULL);
	return s->settings ? KVF_OK : kvf_fail_nomem(err);
}

enum kvf_status kvf_postgres_begin(struct kvf_postgres *s, struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = kvf_pg_connect(&s->pg, &s->conns[0], err);

	if (st)
		return st;
	s->nconns = 1;
	s->version = PQserverVersion(s->conns[0]);
	st = kvf_pg_settle(&s->pg, s->conns[0], err);
	if (!st)
		st = introduce(s, err);
	if (!st)
		st = check_server(s, err);
	if (!st && s->pg.dialect->paged) {
		st = kvf_pg_read_at(&s->pg, s->conns[0], s->snapshot, err);
		if (!st)
			st = kvf_pg_exec(&s->pg, s->conns[0], "begin to read", err, "%s",
					 s->settings);
	} else if (!st) {
		st = begin_on(s, &s->pg, s->conns[0], "", err);
		if (!st)
			st = export_snapshot(s, err);
	}
	if (!st)
		st = kvf_postgres_query(s, "see what the server is", &res, err,
					"SELECT pg_catalog.pg_is_in_recovery()");
	if (!st)
		s->standby = PQntuples(res) == 1 && *PQgetvalue(res, 0, 0) == 't';
	PQclear(res);
	return st;
}

/* One more connection.  A pooler may let us wait for what our first connection
 * holds: that is not worth more than a few seconds. */
static enum kvf_status join(const struct kvf_postgres *s, PGconn **conn, struct kvf_err *err)
{
	struct kvf_pg pg = s->pg;
	enum kvf_status st;

	pg.deadline = kvf_monotonic() + JOIN_S;
	st = kvf_pg_connect(&pg, conn, err);
	if (!st)
		st = begin_on(s, &pg, *conn, s->snapshot, err);
	if (st == KVF_EINTERRUPTED && !kvf_source_stopped(&s->base))
		st = kvf_fail(err, KVF_ESOURCE, "%s: no other connection within %d seconds",
			      s->pg.name, JOIN_S);
	return st;
}

enum kvf_status kvf_postgres_more(struct kvf_postgres *s, unsigned n, struct kvf_err *err)
{
	PGconn *conn = NULL;
	struct kvf_err why;
	enum kvf_status st;

	while (!s->alone && s->nconns < n && s->nconns < KVF_POSTGRES_CONNECTIONS) {
		st = join(s, &conn, &why);
		if (!st) {
			s->conns[s->nconns++] = conn;
			continue;
		}
		PQfinish(conn);
		if (st != KVF_ESOURCE && st != KVF_EUSAGE) {
			*err = why;
			return st;
		}
		s->alone = 1;
		kvf_source_log(&s->base, KVF_LOG_WARN,
			       "%u connection%s only, another is refused: %s", s->nconns,
			       s->nconns == 1 ? "" : "s", why.message);
	}
	return KVF_OK;
}

enum kvf_status kvf_postgres_extra(struct kvf_postgres *s, PGconn **out, struct kvf_err *err)
{
	struct kvf_err why;
	enum kvf_status st;

	while ((st = kvf_pg_connect(&s->pg, out, &why)) && kvf_pg_is_full(&why) &&
	       s->nconns > 1)
		PQfinish(s->conns[--s->nconns]);
	if (st && err)
		*err = why;
	return st;
}

enum kvf_status kvf_postgres_fresh(struct kvf_postgres *s, PGconn **out, struct kvf_err *err)
{
	enum kvf_status st = kvf_postgres_extra(s, out, err);

	return st ? st : begin_on(s, &s->pg, *out, "", err);
}

enum kvf_status kvf_postgres_renew(struct kvf_postgres *s, struct kvf_err *err)
{
	enum kvf_status st = kvf_pg_exec(&s->pg, s->conns[0], "begin again", err, "ROLLBACK");

	return st ? st : begin_on(s, &s->pg, s->conns[0], "", err);
}
