/* error - what an error of PostgreSQL means to a person. */
#include "pg/pg.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *state; /* SQLSTATE, or its class of two characters */
	const char *hint;
} hints[] = {
	{ "28P01",
	  "Give the right password in ~/.pgpass or PGPASSWORD (or passfile=FILE in the "
	  "connection string), never on a command line." },
	{ "28", "See which users, databases and methods pg_hba.conf allows." },
	{ "3D000", "See the names of the databases with: psql -l" },
	{ "42501", "Let the owner or an administrator GRANT what is missing, or connect as "
		   "another user." },
	{ "22P05", "The database's encoding has no such character: name one whose encoding is "
		   "UTF8." },
	{ "22021",
	  "The text is of no encoding: name a database whose encoding is SQL_ASCII, like "
	  "the one that it comes from." },
	{ "25006", "Connect to the primary server, or end its read-only mode "
		   "(default_transaction_read_only)." },
	{ "53100", "Free space on the server's disk, then give the same command again." },
	{ "53200", "The server has no memory left; give the same command again later." },
	{ "53300",
	  "Wait until connections are free, or raise max_connections; -j lowers how many "
	  "are used." },
	{ "53", "The server is short of resources; give the same command again later." },
	{ "55P03", "Find the session that holds the lock (pg_stat_activity, pg_locks), end it, "
		   "then give the same command again." },
	{ "57014", "If nobody cancelled it, a time limit of the server or of the role did: "
		   "PGOPTIONS='-c statement_timeout=0' lifts it." },
	{ "57P",
	  "The server was stopped or ended this session; give the same command again when "
	  "it is back." },
	{ "08", "See whether the server runs and can be reached, then give the same command "
		"again." },
	{ "40", "Another session was in the way; give the same command again." },
	{ "XX00", "The server reports damage or a defect of its own: see its log." },
	{ "58", "The server has trouble with its files: see its log." },
};

int kvf_pg_stopped(const struct kvf_pg *pg)
{
	if (pg->deadline > 0 && kvf_monotonic() >= pg->deadline)
		return 1;
	return pg->env && pg->env->stopped && pg->env->stopped(pg->env->ctx);
}

int kvf_pg_is_lost(const struct kvf_err *err)
{
	return strncmp(err->code, "08", 2) == 0 || strncmp(err->code, "57P0", 4) == 0;
}

int kvf_pg_is_full(const struct kvf_err *err)
{
	return strcmp(err->code, "53300") == 0;
}

/* libpq's message in one line, without "ERROR: " and without a password. */
static void one_line(const PGconn *conn, char *to, size_t size)
{
	const char *from = PQerrorMessage(conn), *password = PQpass(conn);
	size_t n = 0, secret = password ? strlen(password) : 0;

	while (*from && n + 5 < size) {
		if (secret > 2 && strncmp(from, password, secret) == 0) {
			memcpy(to + n, "***", 3);
			n += 3;
			from += secret;
		} else if (*from == '\n' || *from == '\t') {
			/* libpq puts what it supposes into a line of its own. */
			if (n && to[n - 1] != ' ' && from[1]) {
				if (isalnum((unsigned char)to[n - 1]))
					to[n++] = '.';
				to[n++] = ' ';
			}
			from++;
		} else {
			to[n++] = *from++;
		}
	}
	to[n] = '\0';
}

static void add_hint(struct kvf_err *err)
{
	size_t i, len;

	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		len = strlen(hints[i].state);
		if (strncmp(err->code, hints[i].state, len) == 0) {
			kvf_err_hint(err, "%s", hints[i].hint);
			return;
		}
	}
}

/* What is in the way of a DROP stands in the detail: names of things, no values. */
static const char *dependents(const PGresult *res, const char *state, char *to, size_t size)
{
	const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
	size_t n;

	if (!detail || !state || strcmp(state, "2BP01") != 0)
		return "";
	n = (size_t)snprintf(to, size, ": %s", detail);
	for (n = n < size ? n : size - 1; n; n--)
		if (to[n - 1] == '\n')
			to[n - 1] = ';';
	return to;
}

enum kvf_status kvf_pg_fail(const struct kvf_pg *pg, const PGconn *conn, const PGresult *res,
			    const char *doing, struct kvf_err *err)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	char text[512], more[400];
	enum kvf_status st;

	if (!conn || (!res && PQstatus(conn) == CONNECTION_OK && !*PQerrorMessage(conn)))
		return kvf_fail_nomem(err);
	if (state && strcmp(state, "57014") == 0 && kvf_pg_stopped(pg))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
	if (!primary) {
		one_line(conn, text, sizeof(text));
		primary = text;
	}
	if (!state && PQstatus(conn) != CONNECTION_OK)
		state = KVF_PG_LOST;
	st = kvf_fail(err, pg->side, "%s: cannot %s: %s%s", pg->name, doing, primary,
		      dependents(res, state, more, sizeof(more)));
	if (err) {
		snprintf(err->code, sizeof(err->code), "%.5s", state ? state : "");
		add_hint(err);
	}
	return st;
}

enum kvf_status kvf_pg_silent(const struct kvf_pg *pg, int seconds, struct kvf_err *err)
{
	enum kvf_status st =
		kvf_fail(err, pg->side, "%s: cannot connect: no answer within %d seconds",
			 pg->name, seconds);

	if (err) {
		snprintf(err->code, sizeof(err->code), KVF_PG_LOST);
		add_hint(err);
	}
	if (pg->side == KVF_ETARGET)
		kvf_err_detail(err, "Nothing was changed.");
	return st;
}
