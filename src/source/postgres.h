/*
 * postgres - what the files of the PostgreSQL driver share.
 *
 *   postgres.c         the driver's table, count, scalar
 *   postgres_open.c    connections that see one snapshot
 *   postgres_schema.c  which tables there are; the shape of a record
 *   postgres_table.c   the shape of one table
 *   postgres_beside.c  what else a table has
 *   postgres_types.c   how a column is read, by its type
 *   postgres_plan.c    the SELECT of a record, or of a piece of it
 *   postgres_parts.c   how a table is cut, so that several connections read it
 *   postgres_rows.c    COPY (...) TO STDOUT (FORMAT binary), row by row
 *   postgres_cell.c    binary values as cells
 *   postgres_changed.c what was committed since the snapshot
 *   postgres_may.c     which privileges are missing
 *   postgres_hold.c    nobody writes any more to what was read
 *   postgres_freeze.c  triggers that refuse writes; who else could write
 *
 * The first connection holds the snapshot and everything but rows goes through
 * it; a part of a record is read on whichever connection is free.
 */
#ifndef KVF_SOURCE_POSTGRES_H
#define KVF_SOURCE_POSTGRES_H

#include "base/buf.h"
#include "pg/dialect.h"
#include "source/driver.h"

#include <stdatomic.h>

#define KVF_POSTGRES_CONNECTIONS 16
#define KVF_POSTGRES_PIECE 32  /* bits of a row's number below that of its piece */
#define KVF_POSTGRES_PIECES 64 /* ranges of keys */

/* How the binary form of a column becomes a cell. */
enum kvf_postgres_how {
	KVF_POSTGRES_AS_TEXT, /* the bytes are the text; also what ::out gave */
	KVF_POSTGRES_AS_BLOB,
	KVF_POSTGRES_AS_BOOL,
	KVF_POSTGRES_AS_INT, /* int2, int4, int8 */
	KVF_POSTGRES_AS_OID,
	KVF_POSTGRES_AS_REAL,    /* float4, float8 */
	KVF_POSTGRES_AS_JSONB,   /* text behind a version */
	KVF_POSTGRES_AS_NUMERIC, /* from here on a text is made of it */
	KVF_POSTGRES_AS_UUID,
	KVF_POSTGRES_AS_DATE,
	KVF_POSTGRES_AS_TIME,
	KVF_POSTGRES_AS_TIMETZ,
	KVF_POSTGRES_AS_TIMESTAMP,
	KVF_POSTGRES_AS_TIMESTAMPTZ
};

/* What is known of a type. */
struct kvf_postgres_type {
	Oid oid;
	enum kvf_postgres_how how;
	const char *out;  /* its output function, where the server must
				    * make the text; or NULL */
	const char *name; /* for a cast, with out */
	struct kvf_postgres_type *next;
};

/* A shape together with what reading it needs. */
struct kvf_postgres_shape {
	struct kvf_table table;
	const char *query; /* text of a query, or NULL */
	const char *from;  /* behind FROM: ONLY "s"."t" */
	Oid oid;           /* of a table; 0 for a query */
	char relkind;
	const struct kvf_postgres_type **types; /* of the columns */
	int locked;                             /* nobody rewrites it any more */
	uint64_t *files; /* blocks in each of its files, once they are known */
	size_t nfiles;
	int no_blocks; /* one of them is no heap */
	struct kvf_postgres_shape *next;
};

/* A table in pieces: piece i begins at cut or bound i and ends before the next one;
 * the first has no beginning, the last no end. */
struct kvf_postgres_pieces {
	unsigned n;
	const char *column;                      /* quoted; NULL: ranges of blocks */
	uint64_t *cuts;                          /* of blocks */
	const char *bounds[KVF_POSTGRES_PIECES]; /* literals */
	int shared;       /* parts take what comes next; else part i is piece i */
	atomic_uint next; /* that no part has taken */
};

struct kvf_postgres {
	struct kvf_source base;
	struct kvf_pg pg;
	PGconn *conns[KVF_POSTGRES_CONNECTIONS];
	unsigned nconns;
	int borrowed;                   /* the connection is somebody else's */
	PGconn *hold;                   /* the locks of kvf_source_hold(), or NULL */
	struct kvf_postgres_seen *seen; /* by the snapshot, see postgres_changed.c; or NULL */
	char snapshot[128];             /* exported, or "" */
	int alone;                      /* more connections were refused: do not ask again */
	int standby;
	int sql_ascii; /* texts may be anything */
	int version;   /* 150020 */
	char identity[400];
	char *settings; /* of every transaction of ours */

	char **schemas; /* patterns of --schema */
	size_t nschemas;

	struct kvf_arena arena; /* shapes, types */
	struct kvf_postgres_shape *shapes;
	struct kvf_postgres_type *types;
	struct kvf_table *tables;           /* those of kvf_source_tables() */
	struct kvf_postgres_shape **listed; /* and what belongs to each */
	size_t ntables;
	int tables_known;

	/* The record that was planned last. */
	const struct kvf_record *planned;
	const struct kvf_postgres_shape *planned_shape;
	unsigned parts;
	struct kvf_postgres_pieces pieces;
	atomic_flag busy[KVF_POSTGRES_CONNECTIONS]; /* rows come over it */
	atomic_ullong not_utf8; /* texts carried as bytes, not yet reported */
};

/* ---- postgres.c ---- */

/* What other drivers on this one's ground share: see their contracts in driver.h. */
enum kvf_status kvf_postgres_open(size_t size, const struct kvf_source_driver *driver,
				  const char *place, const struct kvf_env *env,
				  struct kvf_source **out, struct kvf_err *err);
enum kvf_status kvf_postgres_schemas(struct kvf_source *base, const char *const *patterns,
				     size_t n, struct kvf_err *err);
enum kvf_status kvf_postgres_count(struct kvf_source *base, const struct kvf_record *record,
				   uint64_t *rows, struct kvf_err *err);
enum kvf_status kvf_postgres_scalar(struct kvf_source *base, const char *sql, char *buf,
				    size_t size, struct kvf_err *err);
const char *kvf_postgres_identity(const struct kvf_source *base);
int kvf_postgres_is_place(const struct kvf_source *base, const char *scheme, const char *rest);
void kvf_postgres_close(struct kvf_source *base);

/* ---- postgres_open.c ---- */

/* Connect and begin the snapshot. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_begin(struct kvf_postgres *s, struct kvf_err *err);
/* Have up to `n` connections; how many there are is in s->nconns. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_more(struct kvf_postgres *s, unsigned n,
						 struct kvf_err *err);
/* A connection beside those that read, in whose place one of them may go. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_extra(struct kvf_postgres *s, PGconn **out,
						  struct kvf_err *err);
/* The same with a snapshot of its own, of this moment; PQfinish() it, also after an error. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_fresh(struct kvf_postgres *s, PGconn **out,
						  struct kvf_err *err);
/* Let the snapshot go: the first connection then sees this moment. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_renew(struct kvf_postgres *s, struct kvf_err *err);
/* Add what the source knows to an error that kvf_pg_fail() made; `st` is returned. */
enum kvf_status kvf_postgres_explain(const struct kvf_postgres *s, enum kvf_status st,
				     struct kvf_err *err);
/* Run a statement of ours on the first connection; rows come as text. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_query(struct kvf_postgres *s, const char *doing,
						  PGresult **res, struct kvf_err *err,
						  const char *fmt, ...) KVF_PRINTF(5, 6);
/* Run somebody's: an error leaves the snapshot alive, and one of the statement
 * itself is KVF_EDEFINITION. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_try(struct kvf_postgres *s, const char *sql,
						const char *doing, PGresult **res,
						struct kvf_err *err);
/* Columns of a text result. */
char *kvf_postgres_keep(struct kvf_postgres *s, const PGresult *res, int row, int column);
Oid kvf_postgres_oid(const PGresult *res, int row, int column);

/* ---- postgres_schema.c ---- */

enum kvf_status kvf_postgres_tables(struct kvf_source *s, const struct kvf_table **tables,
				    size_t *n, struct kvf_err *err);
enum kvf_status kvf_postgres_describe(struct kvf_source *s, const struct kvf_record *record,
				      const struct kvf_table **shape, struct kvf_err *err);
/* The same, with what reading needs. */
KVF_MUST_CHECK enum kvf_status
kvf_postgres_shape(struct kvf_postgres *s, const struct kvf_record *record,
		   struct kvf_postgres_shape **out, struct kvf_err *err);

/* Does the transaction of `conn` see the tables that were listed, and no other?
 * *same = 1 also if none were. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_same_tables(struct kvf_postgres *s, PGconn *conn,
							int *same, struct kvf_err *err);

/* ---- postgres_table.c ---- */

/* Fill columns, keys, statements and sizes of a table whose oid, relkind, from
 * and name are set. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_read_table(struct kvf_postgres *s,
						       struct kvf_postgres_shape *shape,
						       struct kvf_err *err);
/* The columns that a SELECT without rows has. */
KVF_MUST_CHECK enum kvf_status
kvf_postgres_read_columns(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
			  const PGresult *res, struct kvf_err *err);

/* ---- postgres_beside.c ---- */

/* Add what else the tables have to their statements: all of them at once. */
KVF_MUST_CHECK enum kvf_status
kvf_postgres_read_beside(struct kvf_postgres *s, struct kvf_postgres_shape *const *shapes,
			 size_t n, struct kvf_err *err);

/* ---- postgres_types.c ---- */

KVF_MUST_CHECK enum kvf_status kvf_postgres_type(struct kvf_postgres *s, Oid oid,
						 const struct kvf_postgres_type **out,
						 struct kvf_err *err);

/* ---- postgres_plan.c ---- */

/* "t.a,t.b::text": the columns of a record, and what they are decoded as. */
KVF_MUST_CHECK enum kvf_status
kvf_postgres_add_columns(const struct kvf_postgres *s, const struct kvf_record *record,
			 const struct kvf_postgres_shape *shape, struct kvf_buf *sql,
			 const struct kvf_postgres_type **types, size_t n, struct kvf_err *err);

/*
 * The statement that reads one piece of a record, or counts it all; types[] of
 * the columns that it yields, in the arena of nobody: free() it.
 */
KVF_MUST_CHECK enum kvf_status
kvf_postgres_select(struct kvf_postgres *s, const struct kvf_record *record,
		    const struct kvf_postgres_shape *shape, unsigned piece, struct kvf_buf *sql,
		    const struct kvf_postgres_type ***types, size_t *n, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_postgres_count_sql(const struct kvf_record *record,
						      const struct kvf_postgres_shape *shape,
						      struct kvf_buf *sql, struct kvf_err *err);

/* ---- postgres_parts.c ---- */

/* Into how many parts, and pieces, the record was planned; 1 if it was not. */
unsigned kvf_postgres_parts(const struct kvf_postgres *s, const struct kvf_record *record,
			    const struct kvf_postgres_shape *shape);
unsigned kvf_postgres_pieces(const struct kvf_postgres *s, const struct kvf_record *record,
			     const struct kvf_postgres_shape *shape);
enum kvf_status kvf_postgres_plan(struct kvf_source *s, const struct kvf_record *record,
				  unsigned *parts, struct kvf_err *err);
enum kvf_status kvf_postgres_plan_small(struct kvf_source *s, const struct kvf_record *record,
					unsigned *at_once, unsigned *parts,
					struct kvf_err *err);

/* After a query: KVF_ESOURCE if one of its tables was rewritten since the snapshot. */
KVF_MUST_CHECK enum kvf_status kvf_postgres_untouched(const struct kvf_postgres *s,
						      PGconn *conn, const char *doing,
						      struct kvf_err *err);

/* ---- postgres_rows.c ---- */

enum kvf_status kvf_postgres_rows_open(struct kvf_source *s, const struct kvf_record *record,
				       unsigned part, struct kvf_rows **out,
				       struct kvf_err *err);
enum kvf_status kvf_postgres_rows_next(struct kvf_rows *rows, struct kvf_err *err);
void kvf_postgres_rows_close(struct kvf_rows *rows);

/* ---- postgres_may.c ---- */

enum kvf_status kvf_postgres_may_read(struct kvf_source *s,
				      const struct kvf_record *const *records, size_t n,
				      int exact, struct kvf_err *err);

/* ---- postgres_changed.c ---- */

enum kvf_status kvf_postgres_changed(struct kvf_source *s, int *changed, struct kvf_err *err);
/* Release s->seen. */
void kvf_postgres_forget(struct kvf_postgres *s);

/* ---- postgres_cell.c ---- */

/* Room for the text that is made of a value; SIZE_MAX if the bytes are none. */
size_t kvf_postgres_room(enum kvf_postgres_how how, const uint8_t *p, size_t len);
/* The value as a cell; what has to be made goes to *room, which moves on.  0 if
 * the bytes are not of the type. */
int kvf_postgres_cell(enum kvf_postgres_how how, const uint8_t *p, size_t len,
		      struct kvf_cell *cell, uint8_t **room);

/* ---- postgres_hold.c ---- */

enum kvf_status kvf_postgres_hold(struct kvf_source *s, int *held, struct kvf_err *err);
int kvf_postgres_is_held(struct kvf_source *s);

/* ---- postgres_freeze.c ---- */

enum kvf_status kvf_postgres_frozen(struct kvf_source *s, struct kvf_freeze *f,
				    struct kvf_err *err);

/* ---- postgres_drop.c: members of the freezer's table ---- */

enum kvf_status kvf_postgres_present(const char *rest, const struct kvf_env *env,
				     const struct kvf_drop *list, size_t n, int *there,
				     struct kvf_err *err);
enum kvf_status kvf_postgres_drop(const char *rest, const struct kvf_env *env,
				  const struct kvf_drop *list, size_t n, struct kvf_err *err);

#endif
