/*
 * pg - connections to PostgreSQL, statements on them, and what their errors
 * mean to a person: what the source and the store share.
 *
 *   connect.c  connection strings and connections
 *   query.c    statements, arguments, columns; COPY
 *   holders.c  who has the lock that we did not get
 *   error.c    messages of one line, SQLSTATE, what to do next
 *   dialect.c  PostgreSQL and CockroachDB (dialect.h, also for the next two)
 *   retry.c    transactions that are given again
 *   rows.c     the rows of a SELECT one after the other
 *
 * Arguments and results are binary.  No password is ever part of a message.
 */
#ifndef KVF_PG_H
#define KVF_PG_H

#include <kvferry/base.h>

#include <libpq-fe.h>

/* Where to connect.  Several threads may use one for connections of their own. */
struct kvf_pg_dialect;
struct kvf_pg {
	const struct kvf_pg_dialect *dialect; /* by the scheme; never NULL */
	const struct kvf_env *env;            /* asked while we wait; NULL = never (workers) */
	enum kvf_status side; /* KVF_ESOURCE or KVF_ETARGET: what a failure becomes */
	int reading;          /* every transaction of ours is read-only */
	double patience;      /* seconds that a silent server has, once we are asked to
				 stop, before a statement is cancelled */
	double deadline;      /* of the monotonic clock: from then on it is as if we had
				 been asked to stop; 0 = none */
	const char *port;     /* where the place has none; NULL = libpq's */
	const char *session;  /* application_name, unless the place or PGAPPNAME has one */
	char *conninfo;       /* may hold a password: never printed */
	char name[256];       /* "SCHEME://HOST:PORT/DB": for messages */
};

/* Is it "postgresql:...", "postgres:...", "cockroachdb:..." or "KEYWORD=VALUE ..."? */
int kvf_pg_is_place(const char *text);

/* KVF_EUSAGE for a connection string that libpq cannot read. */
KVF_MUST_CHECK enum kvf_status kvf_pg_init(struct kvf_pg *pg, const char *place,
					   enum kvf_status side, const struct kvf_env *env,
					   struct kvf_err *err);
void kvf_pg_release(struct kvf_pg *pg);

/* A new connection, in UTF-8; closed with PQfinish().  Somebody may stop us also
 * while the server does not answer; connect_timeout is for each host.  Where it has no
 * connection left we ask again for a second. */
KVF_MUST_CHECK enum kvf_status kvf_pg_connect(const struct kvf_pg *pg, PGconn **out,
					      struct kvf_err *err);

/* Where a connection leads to, to be typed again: without a password; the user
 * only if asked for.  "" where it does not fit. */
void kvf_pg_place(const struct kvf_pg *pg, const PGconn *conn, int user, char *buf,
		  size_t size);

/* ---- statements ------------------------------------------------------------ */

#define KVF_PG_ARGS 20
struct kvf_pg_args { /* begin with zeros */
	int n;
	const char *value[KVF_PG_ARGS];
	int len[KVF_PG_ARGS], format[KVF_PG_ARGS];
	uint8_t number[KVF_PG_ARGS][8];
};
/* Append one.  Bytes and texts are borrowed; NULL text is NULL.  A number is an
 * int8: write $n::int8 where the server could think of another type. */
void kvf_pg_bytes(struct kvf_pg_args *a, struct kvf_bytes b);
void kvf_pg_text(struct kvf_pg_args *a, const char *text);
void kvf_pg_number(struct kvf_pg_args *a, int64_t n);

/*
 * Run SQL to its end.  Without `args` there may be several statements, and rows
 * come as text; with them one, and rows come binary.  `res` may be NULL; else it
 * is the caller's, PQclear(), and NULL after an error.  While waiting the
 * embedder may stop us: the statement is cancelled, KVF_EINTERRUPTED.  A COPY
 * statement returns as soon as the rows may flow.
 */
KVF_MUST_CHECK enum kvf_status kvf_pg_query(const struct kvf_pg *pg, PGconn *conn,
					    const char *sql, const struct kvf_pg_args *args,
					    const char *doing, PGresult **res,
					    struct kvf_err *err);
/* The same without arguments or rows, of a format: "%s" quotes nothing. */
KVF_MUST_CHECK enum kvf_status kvf_pg_exec(const struct kvf_pg *pg, PGconn *conn,
					   const char *doing, struct kvf_err *err,
					   const char *fmt, ...) KVF_PRINTF(5, 6);
/* One number; no row or NULL is 0. */
KVF_MUST_CHECK enum kvf_status kvf_pg_ask(const struct kvf_pg *pg, PGconn *conn, int64_t *n,
					  const char *sql, const struct kvf_pg_args *args,
					  struct kvf_err *err);

/* Rows that the statement changed. */
uint64_t kvf_pg_changed(const PGresult *res);

/* Columns of a binary result.  A NULL is 0, "" or no bytes. */
int64_t kvf_pg_get_number(const PGresult *res, int row, int column); /* bool, int2/4/8, oid */
struct kvf_bytes kvf_pg_get_bytes(const PGresult *res, int row, int column);
void kvf_pg_get_text(const PGresult *res, int row, int column, char *to, size_t size);

/* "name" in double quotes, cut to fit (PostgreSQL's names have at most 63 bytes). */
#define KVF_PG_QUOTED 132
void kvf_pg_quote(const char *name, char to[KVF_PG_QUOTED]);

/* ---- COPY ------------------------------------------------------------------ */

/*
 * Send bytes of a COPY IN that is under way.  After KVF_EINTERRUPTED the COPY is
 * cancelled and the connection good for nothing but PQfinish().
 */
KVF_MUST_CHECK enum kvf_status kvf_pg_copy_put(const struct kvf_pg *pg, PGconn *conn,
					       const void *bytes, size_t len, const char *doing,
					       struct kvf_err *err);
/* End it: the rows are in the transaction on KVF_OK. */
KVF_MUST_CHECK enum kvf_status kvf_pg_copy_end(const struct kvf_pg *pg, PGconn *conn,
					       const char *doing, struct kvf_err *err);
/*
 * The next piece of a COPY OUT: a row, or header or trailer with one.  The piece
 * is freed with PQfreemem().  KVF_EOF only when the server says that the
 * COPY is complete: a lost connection is never an end.
 */
KVF_MUST_CHECK enum kvf_status kvf_pg_copy_get(const struct kvf_pg *pg, PGconn *conn,
					       char **piece, size_t *len, const char *doing,
					       struct kvf_err *err);

/* ---- errors ---------------------------------------------------------------- */

/*
 * The error of `res`, or else of `conn`: "NAME: cannot DOING: reason", SQLSTATE
 * in err->code, and a hint.  Only the server's primary message is taken: its
 * detail may hold values.
 */
enum kvf_status kvf_pg_fail(const struct kvf_pg *pg, const PGconn *conn, const PGresult *res,
			    const char *doing, struct kvf_err *err);
/* Where a lock was waited for in vain (55P03, 40P01): put the sessions that have open
 * transactions into err's detail, and how to end one into its hint; best effort, by another
 * connection than that which `waited`. */
void kvf_pg_name_holders(const struct kvf_pg *pg, const PGconn *waited, struct kvf_err *err);
/* End other sessions of this name that have a transaction open in the database of the
 * place: somebody who was stopped has left them.  0 if there is none that we may end. */
int kvf_pg_end_sessions(const struct kvf_pg *pg, const char *session);
/* "cannot connect: no answer within N seconds". */
enum kvf_status kvf_pg_silent(const struct kvf_pg *pg, int seconds, struct kvf_err *err);
/* Does this err->code say that the connection is gone? */
int kvf_pg_is_lost(const struct kvf_err *err);
#define KVF_PG_LOST "08006"
/* ... or that the server, the database or the role has no connection left? */
int kvf_pg_is_full(const struct kvf_err *err);

/* Has the embedder asked to stop? */
int kvf_pg_stopped(const struct kvf_pg *pg);

#endif
