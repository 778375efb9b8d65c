/*
 * restore - the tables of a stream, made again in a database.
 *
 *   restore.c          the drivers by their schemes; what both need
 *   shape.c            are two tables of the same shape?
 *   sqlite.c           SQLite: one transaction; rows
 *   sqlite_make.c      its tables and what hangs on them
 *   sqlite_guard.c     what a statement of a stream may do there
 *   postgres.c         PostgreSQL: one transaction of one connection
 *   postgres_may.c     which privileges are missing
 *   postgres_parse.c   the words of a statement
 *   postgres_expr.c    which expressions of a stream are let through
 *   postgres_table.c   CREATE TABLE, taken apart and put together
 *   postgres_make.c    all other statements, and their order
 *   postgres_left.c    what a table has beside that, and why it is not made
 *   postgres_copy.c    rows as COPY wants them
 *   postgres_binary.c  dates, times and numbers in binary form
 *   map.c              types of one database in the other
 *
 * A stream may come from a stranger: its names, types and statements are input.
 * Names are quoted.  SQLite's own authorizer watches over the statements that it
 * is given; PostgreSQL has none, so what it is given is put together here out of
 * checked pieces.  What is not understood is refused, or left out and listed.
 *
 * Everything happens in one transaction of one connection: until commit() the
 * database is as it was, and whatever ends the run leaves it so.
 */
#ifndef KVF_RESTORE_H
#define KVF_RESTORE_H

#include <kvferry/package.h>
#include <kvferry/source.h>

#include "base/buf.h"

struct kvf_restore;

/* What a cell of the target has to become to be the stream's again. */
enum kvf_restore_back {
	KVF_RESTORE_SAME,
	KVF_RESTORE_BOOL,  /* a number that is a boolean */
	KVF_RESTORE_NUMBER /* a text that is a number of SQLite */
};

struct kvf_restore_table {
	const struct kvf_table *shape; /* as the stream has it */
	const char *place;             /* how a source of the target calls it */
	int exists;                    /* an empty table of that shape is there */
	int foreign;                   /* the stream's dialect is another one */
	uint8_t *back;                 /* enum kvf_restore_back of each column; or NULL */
	void *own;                     /* of the driver */
};

/* Something that the stream says of a table and that is not made again. */
struct kvf_restore_left {
	const char *table, *kind, *name, *why;
};

struct kvf_restore_ops {
	const char *dialect;
	/* Take r->tables, which are set: refuse (KVF_EPREFLIGHT) what can be known
	 * to fail.  Nothing is written. */
	enum kvf_status (*check)(struct kvf_restore *r, struct kvf_err *err);
	/* The tables, as far as rows need them. */
	enum kvf_status (*create)(struct kvf_restore *r, struct kvf_err *err);
	/* Rows of one table after the other.  `cells` are those of the stream, all
	 * columns, also generated ones. */
	enum kvf_status (*begin_rows)(struct kvf_restore *r, struct kvf_restore_table *t,
				      struct kvf_err *err);
	enum kvf_status (*put)(struct kvf_restore *r, struct kvf_restore_table *t,
			       const struct kvf_cell *cells, struct kvf_err *err);
	enum kvf_status (*end_rows)(struct kvf_restore *r, struct kvf_restore_table *t,
				    struct kvf_err *err);
	/* Keys, indexes, sequences ...: what comes after the rows. */
	enum kvf_status (*finish)(struct kvf_restore *r, struct kvf_err *err);
	/*
	 * For the way back of an application (migrate/tables_back.c), whose tables are there:
	 * begin, and make t->shape, a table that goes away with the run; run one
	 * statement of the definitions; let the sequences of a table go on behind the
	 * largest value.
	 */
	enum kvf_status (*scratch)(struct kvf_restore *r, struct kvf_restore_table *t,
				   struct kvf_err *err);
	enum kvf_status (*run)(struct kvf_restore *r, const char *doing, const char *sql,
			       struct kvf_err *err);
	enum kvf_status (*pass)(struct kvf_restore *r, const char *table, struct kvf_err *err);
	/* A source that sees what was written. */
	enum kvf_status (*source)(struct kvf_restore *r, struct kvf_source **out,
				  struct kvf_err *err);
	enum kvf_status (*commit)(struct kvf_restore *r, struct kvf_err *err);
	/* Without commit() everything is undone. */
	void (*close)(struct kvf_restore *r);
};

struct kvf_restore { /* first in each driver's own */
	const struct kvf_restore_ops *ops;
	const struct kvf_env *env; /* never NULL */
	struct kvf_env quiet;      /* for the source: it may be stopped, and says nothing */
	int dry_run;
	char identity[512];
	struct kvf_arena arena;
	struct kvf_restore_table *tables; /* in the order of the stream */
	size_t ntables;
	int whole; /* all tables of the stream are there */
	struct kvf_restore_left *left;
	size_t nleft, left_room;
};

/* ---- restore.c ------------------------------------------------------------- */

/* Open the target.  With `dry_run` nothing can be written. */
KVF_MUST_CHECK enum kvf_status kvf_restore_open(const char *place, int dry_run,
						const struct kvf_env *env,
						struct kvf_restore **out, struct kvf_err *err);
/* Choose the tables: shapes[n] live as long as `r`. */
KVF_MUST_CHECK enum kvf_status kvf_restore_tables(struct kvf_restore *r,
						  const struct kvf_table *const *shapes,
						  size_t n, int whole, struct kvf_err *err);
void kvf_restore_close(struct kvf_restore *r);

/* For drivers. */
void kvf_restore_init(struct kvf_restore *r, const struct kvf_restore_ops *ops, int dry_run,
		      const struct kvf_env *env);
KVF_MUST_CHECK enum kvf_status kvf_restore_leave(struct kvf_restore *r, const char *table,
						 const char *kind, const char *name,
						 const char *why, struct kvf_err *err);
/* "table \"T\": " before a KVF_EPREFLIGHT, "Nothing was changed." behind it. */
enum kvf_status kvf_restore_refuse(const struct kvf_table *t, const char *column,
				   const char *hint, struct kvf_err *err, const char *fmt, ...)
	KVF_PRINTF(5, 6);
KVF_MUST_CHECK enum kvf_status kvf_restore_not_empty(const struct kvf_table *t,
						     struct kvf_err *err);
enum kvf_status kvf_restore_sqlite_open(const char *rest, int dry_run,
					const struct kvf_env *env, struct kvf_restore **out,
					struct kvf_err *err);
enum kvf_status kvf_restore_postgres_open(const char *place, int dry_run,
					  const struct kvf_env *env, struct kvf_restore **out,
					  struct kvf_err *err);

/* ---- shape.c ---------------------------------------------------------------- */

/*
 * Is `there`, a table of the target, what the stream calls for?  KVF_EPREFLIGHT
 * names the first column, key or flag that differs.  Of another dialect only the
 * columns' names count.
 */
KVF_MUST_CHECK enum kvf_status kvf_restore_same_shape(const struct kvf_restore_table *t,
						      const struct kvf_table *there,
						      struct kvf_err *err);

/* ---- map.c -------------------------------------------------------------------- */

/*
 * The type of column i of a table of the other dialect, or NULL: there is none
 * that keeps every value.
 */
const char *kvf_restore_map_to_sqlite(const struct kvf_table *t, size_t i, uint8_t *back);
const char *kvf_restore_map_to_postgres(const struct kvf_table *t, size_t i, uint8_t *back);
/* Undo it for one cell that was read back.  0 if that is not possible. */
int kvf_restore_map_back(enum kvf_restore_back back, struct kvf_cell *cell);
/*
 * Set t->back and types[i] of every column: KVF_EPREFLIGHT names one that has no
 * type in the target.
 */
KVF_MUST_CHECK enum kvf_status kvf_restore_map(struct kvf_restore *r,
					       struct kvf_restore_table *t, const char ***types,
					       struct kvf_err *err);
/* List what the stream says of the table but for its columns and keys. */
KVF_MUST_CHECK enum kvf_status kvf_restore_leave_foreign(struct kvf_restore *r,
							 const struct kvf_restore_table *t,
							 struct kvf_err *err);

#endif
