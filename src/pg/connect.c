/*
 * connect - connection strings and connections.
 *
 * What is a connection string is libpq's to say: a URI, keywords, a service, or
 * nothing but the PG* variables.  We add time limits where there are none, so
 * that a server that is gone is noticed.
 */
#include "pg/pg.h"

#include "base/session.h"
#include "base/text.h"
#include "pg/dialect.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Milliseconds after which we look whether somebody wants us to stop. */
#define LOOK_UP_MS 100

/* Parameters of every connection, unless the environment has an opinion. */
static const struct {
	const char *keyword, *value, *variable;
} defaults[] = {
	{ "connect_timeout", "15", "PGCONNECT_TIMEOUT" },
	{ "keepalives_idle", "30", NULL },
	{ "keepalives_interval", "10", NULL },
	{ "keepalives_count", "3", NULL },
	{ "tcp_user_timeout", "60000", NULL },
};
#define NDEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

int kvf_pg_is_place(const char *text)
{
	return strncmp(text, "postgresql:", 11) == 0 || strncmp(text, "postgres:", 9) == 0 ||
	       kvf_pg_dialect_of(text) != &kvf_pg_postgres || kvf_is_conninfo(text);
}

static const char *option(const PQconninfoOption *o, const char *keyword)
{
	for (; o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val ? o->val : "";
	return "";
}

/* A part of a name; what looks like "user:password@host" gone wrong is not one. */
static const char *plain(const char *text)
{
	return strchr(text, '@') ? "?" : text;
}

/* Name the place by what the string and the environment say. */
static void set_name(struct kvf_pg *pg, const PQconninfoOption *o)
{
	const char *host = option(o, "host"), *port = option(o, "port");
	const char *db = option(o, "dbname"), *service = option(o, "service");
	const char *env_host = getenv("PGHOST"), *env_db = getenv("PGDATABASE");

	if (!*host)
		host = option(o, "hostaddr");
	if (!*host && env_host)
		host = env_host;
	if (*service && !*db) {
		snprintf(pg->name, sizeof(pg->name), "%s:service=%s", pg->dialect->scheme,
			 service);
		return;
	}
	if (!*db && env_db)
		db = env_db;
	snprintf(pg->name, sizeof(pg->name), "%s://%.150s%s%.10s/%.80s", pg->dialect->scheme,
		 plain(host), *port ? ":" : "", plain(port), plain(db));
}

/* The scheme that libpq wants to see.  "postgresql:service=x" is our spelling,
 * "postgresql://..." its own; "cockroachdb://..." is not known to it. */
static const char *scheme_of_libpq(const struct kvf_pg *pg, const char **place)
{
	const char *colon = strchr(*place, ':');
	int ours = pg->dialect != &kvf_pg_postgres;

	if (!colon || (!ours && strncmp(*place, "postgres", 8) != 0))
		return "";
	if (strncmp(colon, "://", 3) != 0) {
		*place = colon + 1;
		return "";
	}
	*place = ours ? colon : *place;
	return ours ? "postgresql" : "";
}

enum kvf_status kvf_pg_init(struct kvf_pg *pg, const char *place, enum kvf_status side,
			    const struct kvf_env *env, struct kvf_err *err)
{
	PQconninfoOption *options;
	const char *scheme;
	char *why = NULL;
	enum kvf_status st;

	memset(pg, 0, sizeof(*pg));
	pg->env = env;
	pg->side = side;
	pg->session = env && env->session ? env->session : KVF_SESSION;
	pg->dialect = kvf_pg_dialect_of(place);
	scheme = scheme_of_libpq(pg, &place);
	if (asprintf(&pg->conninfo, "%s%s", scheme, place) < 0) {
		pg->conninfo = NULL;
		return kvf_fail_nomem(err);
	}
	options = PQconninfoParse(pg->conninfo, &why);
	if (options) {
		set_name(pg, options);
		/* A service has a port of its own, and would lose it to ours. */
		if (!*option(options, "service") && !getenv("PGSERVICE") && !getenv("PGPORT"))
			pg->port = pg->dialect->port;
		PQconninfoFree(options);
		return KVF_OK;
	}
	/* libpq's reason quotes the string, and a password may be in it. */
	PQfreemem(why);
	kvf_pg_release(pg);
	st = kvf_fail(err, KVF_EUSAGE, "the connection string cannot be read");
	kvf_err_hint(err, "Write postgresql://USER@HOST:PORT/DATABASE, service=NAME or "
			  "'host=HOST dbname=DATABASE'; in a URI, special characters are "
			  "written as %%XX.");
	return st;
}

void kvf_pg_release(struct kvf_pg *pg)
{
	if (pg->conninfo)
		explicit_bzero(pg->conninfo, strlen(pg->conninfo));
	free(pg->conninfo);
	pg->conninfo = NULL;
}

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

#define GRACE_S 1 /* seconds */

/* A failed connection has no SQLSTATE; the words must do. */
#define BUSY                                                                                   \
	"Wait until connections are free, or raise max_connections (or the role's CONNECTION " \
	"LIMIT)."
#define PASSWORD                                                                               \
	"Give the right password in ~/.pgpass or PGPASSWORD (or passfile=FILE in the "         \
	"connection string), never on a command line."
static const struct {
	const char *word, *too; /* both are said */
	const char *state, *hint;
} refusals[] = {
	{ "password authentication failed", NULL, "28P01", PASSWORD },
	{ "no password", NULL, "28P01", PASSWORD },
	{ "database \"", "does not exist", "3D000",
	  "See the names of the databases with: psql -l" },
	{ "role \"", "does not exist", "28000",
	  "Name a user that is there: user=NAME in the connection string, or PGUSER; without "
	  "one it is that of your system." },
	{ "role \"", "not permitted to log in", "28000",
	  "Name a user that may log in: user=NAME in the connection string, or PGUSER." },
	{ "pg_hba.conf", NULL, "28000",
	  "See which users, databases and methods the server's pg_hba.conf allows." },
	{ "permission denied for database", NULL, "42501",
	  "Let the owner GRANT CONNECT on the database, or name another user." },
	{ "too many c", NULL, "53300", BUSY },
	{ "remaining connection slots", NULL, "53300", BUSY },
	{ "conversion between", "is not supported", "0A000",
	  "The server cannot say its texts in UTF-8: pg_dump them into a database of another "
	  "encoding first." },
	{ "definition of service", NULL, "08001",
	  "See the names in ~/.pg_service.conf, or in the file that PGSERVICEFILE names." },
	{ "could not translate host name", NULL, "08001",
	  "See whether the name of the host is written right." },
	{ "SSL", NULL, "08001", "See sslmode, sslrootcert and what the server offers." },
};

/* Nothing but libpq's words, unless they may repeat a part of a password. */
static enum kvf_status not_connected(const struct kvf_pg *pg, const PGconn *conn,
				     struct kvf_err *err)
{
	const char *text = conn ? PQerrorMessage(conn) : "";
	enum kvf_status st;
	size_t i;

	if (strstr(text, "invalid ") || strchr(text, '@')) {
		st = kvf_fail(err, KVF_EUSAGE, "the connection string cannot be used");
		kvf_err_hint(err, "See host, port and the other parameters; in a URI, special "
				  "characters of a password are written as %%XX.");
		return st;
	}
	st = kvf_pg_fail(pg, conn, NULL, "connect", err);
	for (i = 0; err && i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (!strstr(text, refusals[i].word) ||
		    (refusals[i].too && !strstr(text, refusals[i].too)))
			continue;
		snprintf(err->code, sizeof(err->code), "%s", refusals[i].state);
		kvf_err_hint(err, "%s", refusals[i].hint);
		break;
	}
	if (pg->side == KVF_ETARGET)
		kvf_err_detail(err, "Nothing was changed.");
	return st;
}

/* ---- connecting ------------------------------------------------------------------- */

/* Seconds that one host may take, as the string or the environment says; 0 = any.
 * libpq has at least two. */
static int time_limit(PGconn *conn)
{
	PQconninfoOption *options = PQconninfo(conn);
	const char *text = options ? option(options, "connect_timeout") : "";
	long seconds = strtol(text, NULL, 10);

	PQconninfoFree(options);
	if (seconds <= 0 || seconds > INT_MAX / 1000)
		return 0;
	return seconds < 2 ? 2 : (int)seconds;
}

/* What of it a single address may take: libpq then tries the next one. */
static void limit_address(PGconn *conn, int seconds)
{
	unsigned ms = (unsigned)seconds * 1000;

	if (seconds)
		(void)setsockopt(PQsocket(conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
				 sizeof(ms));
}

/* The limit that the connection is to have from now on, as the options say. */
static void unlimit_address(PGconn *conn)
{
	PQconninfoOption *options = PQconninfo(conn);
	const char *text = options ? option(options, "tcp_user_timeout") : "";
	unsigned ms = (unsigned)strtoul(text, NULL, 10);

	(void)setsockopt(PQsocket(conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	PQconninfoFree(options);
}

/* Is it still the host that it was?  Then its time goes on. */
static int same_host(const PGconn *conn, char *host, size_t size)
{
	const char *name = PQhost(conn), *port = PQport(conn);
	char now[300];

	snprintf(now, sizeof(now), "%.250s:%.30s", name ? name : "", port ? port : "");
	if (strcmp(now, host) == 0)
		return 1;
	snprintf(host, size, "%s", now);
	return 0;
}

/*
 * Go on connecting until that has ended, well or badly.  Between the steps, and
 * while the server is silent, somebody may want to stop.
 */
static enum kvf_status wait_for_connection(const struct kvf_pg *pg, PGconn *conn,
					   struct kvf_err *err)
{
	PostgresPollingStatusType step = PGRES_POLLING_WRITING;
	int limit = time_limit(conn);
	double until = kvf_monotonic() + limit;
	char host[300] = "";
	struct pollfd p;
	int n;

	while (step != PGRES_POLLING_OK && step != PGRES_POLLING_FAILED) {
		if (kvf_pg_stopped(pg))
			return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
		if (!same_host(conn, host, sizeof(host)))
			until = kvf_monotonic() + limit;
		if (limit && kvf_monotonic() >= until)
			return kvf_pg_silent(pg, limit, err);
		limit_address(conn, limit);
		p.fd = PQsocket(conn);
		p.events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		n = poll(&p, 1, LOOK_UP_MS);
		if (n > 0 || (n < 0 && errno != EINTR))
			step = PQconnectPoll(conn);
	}
	if (step == PGRES_POLLING_OK)
		unlimit_address(conn);
	return KVF_OK;
}

/* Begin with every parameter, ours before those of the place. */
static PGconn *start(const struct kvf_pg *pg)
{
	const char *keywords[NDEFAULTS + 5], *values[NDEFAULTS + 5];
	size_t i, n = 0;

	for (i = 0; i < NDEFAULTS; i++) {
		if (defaults[i].variable && getenv(defaults[i].variable))
			continue;
		keywords[n] = defaults[i].keyword;
		values[n++] = defaults[i].value;
	}
	keywords[n] = "fallback_application_name";
	values[n++] = pg->session;
	if (pg->port) {
		keywords[n] = "port";
		values[n++] = pg->port;
	}
	keywords[n] = "dbname"; /* what it holds goes before what stood earlier */
	values[n++] = pg->conninfo;
	keywords[n] = "client_encoding";
	values[n++] = "UTF8";
	keywords[n] = values[n] = NULL;
	return PQconnectStartParams(keywords, values, 1);
}

static enum kvf_status connect_once(const struct kvf_pg *pg, PGconn **out, struct kvf_err *err)
{
	PGconn *conn = start(pg);
	enum kvf_status st = KVF_OK;

	*out = NULL;
	if (!conn)
		return kvf_fail_nomem(err);
	if (PQstatus(conn) != CONNECTION_BAD)
		st = wait_for_connection(pg, conn, err);
	if (!st && PQstatus(conn) != CONNECTION_OK)
		st = not_connected(pg, conn, err);
	if (st) {
		PQfinish(conn);
		return st;
	}
	/* Nothing is set for the session: behind a pooler it is not ours alone. */
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	*out = conn;
	return KVF_OK;
}

/* A session of ours that was closed a moment ago may still count against a limit. */
enum kvf_status kvf_pg_connect(const struct kvf_pg *pg, PGconn **out, struct kvf_err *err)
{
	const struct timespec pause = { 0, 50000000L };
	double until = kvf_monotonic() + GRACE_S;
	struct kvf_err why;
	enum kvf_status st;

	while ((st = connect_once(pg, out, &why)) && kvf_pg_is_full(&why) &&
	       kvf_monotonic() < until && !kvf_pg_stopped(pg))
		(void)nanosleep(&pause, NULL);
	if (st && err)
		*err = why;
	return st;
}

/* Append KEYWORD='VALUE' as libpq reads it; 0 where it does not fit. */
static int add_word(char *buf, size_t size, const char *keyword, const char *value)
{
	size_t at = strlen(buf);

	if (!value || !*value)
		return 1;
	if (at + strlen(keyword) + 2 * strlen(value) + 6 > size)
		return 0;
	at += (size_t)snprintf(buf + at, size - at, "%s%s='",
			       at && buf[at - 1] != ':' ? " " : "", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf[at++] = '\\';
		buf[at++] = *value;
	}
	buf[at++] = '\'';
	buf[at] = '\0';
	return 1;
}

void kvf_pg_place(const struct kvf_pg *pg, const PGconn *conn, int user, char *buf, size_t size)
{
	int fits;

	snprintf(buf, size, "%s%s", pg->dialect->pointed ? pg->dialect->scheme : "",
		 pg->dialect->pointed ? ":" : "");
	fits = add_word(buf, size, "host", PQhost(conn)) &&
	       add_word(buf, size, "port", PQport(conn)) &&
	       (!user || add_word(buf, size, "user", PQuser(conn))) &&
	       add_word(buf, size, "dbname", PQdb(conn));
	if (!fits)
		buf[0] = '\0';
	kvf_text_clean(buf, 0);
}
