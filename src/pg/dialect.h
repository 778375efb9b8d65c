/*
 * dialect - in what PostgreSQL and CockroachDB differ, as data.
 *
 * The scheme of a place chooses the dialect; kvf_pg_settle() then asks the server
 * what it is.  A place `cockroachdb://` on a server of PostgreSQL is worked with
 * by all of CockroachDB's rules, and only the texts that PostgreSQL cannot parse
 * are replaced by its own: so the rules can be tested without a CockroachDB.
 * All texts that only CockroachDB parses stand in one table of dialect.c.
 */
#ifndef KVF_PG_DIALECT_H
#define KVF_PG_DIALECT_H

#include "pg/pg.h"

struct kvf_pg_dialect {
	const char *scheme;  /* of places */
	const char *product; /* "PostgreSQL", for people */
	const char *tables;  /* whose statements a stream then carries */
	const char *port;    /* where nobody says; NULL = libpq's */

	/* Rules. */
	unsigned tries;        /* how often a transaction is given, while another one is
				  in its way or the connection is lost */
	int paged;             /* rows come by SELECT in pages, not by COPY */
	int pointed;           /* a commit changes rows only: the control row says which
				  table is live, and no table moves */
	size_t batch_bytes;    /* of entries in a transaction that loads */
	size_t statement_rows; /* that one statement writes ... */
	size_t statement_bytes;
	unsigned loaders; /* connections that load into a plain table */
	size_t value_max; /* the largest field that the server takes */
	size_t index_row; /* the largest row of an index; 0 = any */

	/* Transactions that write. */
	const char *begin; /* the statement */
	const char *fence; /* behind the SELECT of the control row, in what several
			      connections do at once */

	/*
	 * Reading at one moment on several connections.  On the first: `open`, then
	 * `moment` answers with a text, then `first`; on each other one `join`.  %s
	 * is the text.
	 */
	const char *open, *moment, *first, *join;

	/* Statements and parts of them; "%s" is for kvf_pg_fill(). */
	const char *durable; /* in a transaction: its commit is durable, or need not be;
				 "" = all are */
	const char *staged;
	int evicts;            /* sessions that hold locks can be ended by others */
	const char *lock;      /* what keeps two runs from acquiring at once */
	const char *look;      /* before rows are looked up by a key, or read in its
				 order; "" = nothing */
	const char *lookup;    /* between INNER and JOIN there */
	const char *size;      /* bytes of the database; NULL = cannot be asked */
	const char *row_id[2]; /* tell the rows of a table without a key apart */
	const char *settings;  /* of a transaction that reads tables; NULL = as PostgreSQL */
	const char *keys;      /* primary, columns by their place, nullable, partial: the
				  keys of a table by its oid (%s, twice); NULL likewise */
	const char *visible;   /* AND ..., of pg_attribute a: not a hidden column */
	const char *only;      /* before a table from which others inherit */
	const char *as_text;   /* a column (%s) whose type we do not decode */
	const char *create;    /* kind, name, sql of the statements of a table: its name
				 (%s); NULL = as the catalogue of PostgreSQL has it */
	const char *estimate;  /* rows and bytes of a table, by its oid (%s, twice) */
	const char *live_mark; /* a text that every write into a table (%s) changes, and
				  its rows; NULL: its rows have an xmin */
};

extern const struct kvf_pg_dialect kvf_pg_postgres;
/* Before the server was asked it is taken for a CockroachDB. */
extern const struct kvf_pg_dialect kvf_pg_cockroach;

/* The dialect of a place: its scheme's, else PostgreSQL's. */
const struct kvf_pg_dialect *kvf_pg_dialect_of(const char *place);

/*
 * Ask the server what it is, and set pg->dialect.  pg->side for a CockroachDB
 * behind a place of PostgreSQL: the hint names the scheme that it takes.
 */
KVF_MUST_CHECK enum kvf_status kvf_pg_settle(struct kvf_pg *pg, PGconn *conn,
					     struct kvf_err *err);

/* `text` with each "%s" replaced by the next argument; free() it, NULL = no memory. */
char *kvf_pg_fill(const char *text, const char *first, const char *second);

/* ---- one moment ------------------------------------------------------------ */

#define KVF_PG_MOMENT 128
/*
 * Begin to read.  With an empty `moment` this is the first connection: the moment
 * is fixed and written there.  Else the connection joins it; the first has to be
 * open still.  NULL: there will be no other connection.
 */
KVF_MUST_CHECK enum kvf_status kvf_pg_read_at(const struct kvf_pg *pg, PGconn *conn,
					      char *moment, struct kvf_err *err);

/* ---- again ----------------------------------------------------------------- */

/* How often something was tried; begin with zeros. */
struct kvf_pg_tries {
	unsigned n;
	int unknown; /* an earlier try may have been committed */
};

/*
 * A transaction has failed with *err and was rolled back, or its COMMIT has no
 * answer (`unknown` of *t is then set).  Should it be given again?  Non-zero
 * after a pause of random length; 0 if the error is no conflict and no lost
 * connection, the dialect's tries are used up, or somebody wants us to stop.
 */
int kvf_pg_again(const struct kvf_pg *pg, struct kvf_pg_tries *t, const struct kvf_err *err);
/* Another transaction was in the way: 40001, 40P01; or 40003, when nobody can know. */
int kvf_pg_is_conflict(const struct kvf_err *err);
/* After COMMIT: may it have taken effect all the same? */
int kvf_pg_is_unknown(const struct kvf_err *err);

/* ---- rows, one after the other --------------------------------------------- */

/* The rows of one statement; begin with zeros. */
struct kvf_pg_rows {
	const struct kvf_pg *pg;
	PGconn *conn;
	const char *doing;
	PGresult *res; /* one row, binary */
	int open;      /* there may be more */
};
/* Arguments of any type: `n` of them, binary, with their types. */
struct kvf_pg_key {
	int n;
	const Oid *type;
	const char *const *value;
	const int *len;
};
/* `doing` is borrowed; `key` may be NULL. */
KVF_MUST_CHECK enum kvf_status
kvf_pg_rows_start(struct kvf_pg_rows *r, const struct kvf_pg *pg, PGconn *conn, const char *sql,
		  const struct kvf_pg_key *key, const char *doing, struct kvf_err *err);
/* The next row is r->res, valid until the next call.  KVF_EOF only when the server
 * has said that all rows were sent. */
KVF_MUST_CHECK enum kvf_status kvf_pg_rows_next(struct kvf_pg_rows *r, struct kvf_err *err);
/* Leave the rest; a connection that still sends is told to stop. */
void kvf_pg_rows_end(struct kvf_pg_rows *r);

#endif
