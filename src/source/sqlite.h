/*
 * sqlite - what the files of the SQLite driver share.
 *
 *   sqlite.c         the driver's table, errors, what a commit moves, count, scalar
 *   sqlite_open.c    the way to a snapshot that leaves no trace
 *   sqlite_scratch.c a private copy, where something has to be recovered
 *   sqlite_file.c    the database file through SQLite's own VFS
 *   sqlite_schema.c  which tables there are; the shape of a record
 *   sqlite_table.c   the shape of one table
 *   sqlite_rows.c    rows
 *   sqlite_freeze.c  triggers that refuse writes; the marker of a freeze
 *   sqlite_writers.c who else has the file open
 */
#ifndef KVF_SOURCE_SQLITE_H
#define KVF_SOURCE_SQLITE_H

#include "base/buf.h"
#include "source/driver.h"

#include <sqlite3.h>
#include <sys/stat.h>

/* How long to wait for somebody else's lock. */
#define KVF_SQLITE_BUSY_SECONDS 5.0

/*
 * The database file, opened through SQLite's VFS rather than with open(2): a
 * process that closes any descriptor of a file loses all its POSIX locks on
 * it, also those of a store that has the same file open.  SQLite keeps account
 * of that; we would not.
 */
struct kvf_sqlite_file {
	sqlite3_file *file;
	sqlite3_filename name;
	int locked;
};

/* What stat(2) says of a file that nobody may change while we read it. */
struct kvf_sqlite_state {
	dev_t dev;
	ino_t ino;
	off_t size; /* -1: there is no such file */
	struct timespec mtime, ctime;
};

/* What a commit moves. */
struct kvf_sqlite_mark {
	struct kvf_sqlite_state db, wal;
};

/* A shape together with what reading it needs. */
struct kvf_sqlite_shape {
	struct kvf_table table;
	const char *query; /* text of a query, or NULL */
	struct kvf_sqlite_shape *next;
};

struct kvf_sqlite {
	struct kvf_source base;
	sqlite3 *db;
	int borrowed; /* the connection is somebody else's */
	char *path;   /* absolute, without symlinks */
	char *identity;
	double busy_since;

	/* A WAL database without a WAL is read without SQLite's locks: this is
	 * ours, and what the file was like when we began. */
	struct kvf_sqlite_file guard;
	struct kvf_sqlite_state guarded;
	struct kvf_sqlite_mark mark; /* before the snapshot began */
	int keeps_out;               /* while it lasts nobody commits: a rollback journal */

	char *scratch; /* folder to remove, or NULL */

	struct kvf_arena arena;          /* shapes */
	struct kvf_sqlite_shape *shapes; /* all that were described */
	struct kvf_table *tables;        /* those of kvf_source_tables() */
	size_t ntables;
	int tables_known;
	int has_control; /* kvferry_control is there */
	char *live;      /* kvferry's published table, or NULL */
};

/* ---- sqlite.c ---- */

/*
 * Fill `err` from a result code.  `doing` completes "cannot ...": "read table
 * x".  The status is KVF_ESOURCE, or what a stop or lack of memory means.
 */
enum kvf_status kvf_sqlite_fail(const struct kvf_sqlite *s, int rc, struct kvf_err *err,
				const char *doing, ...) KVF_PRINTF(4, 5);

/* Prepare one statement that only reads and has no parameters.  What is wrong
 * with the text is KVF_EDEFINITION; `what` names it in the message. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_prepare_query(struct kvf_sqlite *s, const char *sql,
							const char *what, sqlite3_stmt **stmt,
							struct kvf_err *err);

/* Prepare a statement of ours. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_prepare(struct kvf_sqlite *s, const char *sql,
						  sqlite3_stmt **stmt, struct kvf_err *err);

/* ---- sqlite_file.c ---- */

KVF_MUST_CHECK enum kvf_status kvf_sqlite_file_open(const char *path, struct kvf_sqlite_file *f,
						    struct kvf_err *err);
void kvf_sqlite_file_close(struct kvf_sqlite_file *f);
/* Take the lock that readers of a rollback journal hold: nobody rolls back,
 * commits without a WAL, or leaves WAL mode while it is held.  Waits. */
KVF_MUST_CHECK enum kvf_status
kvf_sqlite_file_lock(struct kvf_sqlite *s, struct kvf_sqlite_file *f, struct kvf_err *err);

void kvf_sqlite_state_read(const char *path, struct kvf_sqlite_state *state);
int kvf_sqlite_state_equal(const struct kvf_sqlite_state *a, const struct kvf_sqlite_state *b);
/* The state of `path` with `suffix` added.  KVF_ENOMEM. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_state_beside(const char *path, const char *suffix,
						       struct kvf_sqlite_state *state,
						       struct kvf_err *err);
/* As read, but so long after the last change that a later one shows. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_state_settled(const char *path, const char *suffix,
							struct kvf_sqlite_state *state,
							struct kvf_err *err);

/* ---- sqlite_open.c ---- */

/* Open the database and begin the snapshot, by the way that fits. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_begin(struct kvf_sqlite *s, struct kvf_err *err);
/* Was everything read so far one snapshot?  Asked at the end of each table. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_still_whole(struct kvf_sqlite *s,
						      struct kvf_err *err);
/* Open `path` with SQLite, set up the connection and begin to read. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_connect(struct kvf_sqlite *s, const char *path,
						  const char *parameters, int flags, int *rc,
						  struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_sqlite_snapshot(struct kvf_sqlite *s, int *rc,
						   struct kvf_err *err);

/* ---- sqlite_scratch.c ---- */

/* Copy database and `suffix` ("-wal", "-journal") into a private folder, while
 * `f` is locked. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_scratch_copy(struct kvf_sqlite *s,
						       struct kvf_sqlite_file *f,
						       const char *suffix, struct kvf_err *err);
/* Recover the copy, begin the snapshot in it, and unlink it. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_scratch_open(struct kvf_sqlite *s,
						       struct kvf_err *err);
/* Remove what is left of the folder. */
void kvf_sqlite_scratch_remove(struct kvf_sqlite *s);

/* ---- sqlite_schema.c ---- */

enum kvf_status kvf_sqlite_tables(struct kvf_source *s, const struct kvf_table **tables,
				  size_t *n, struct kvf_err *err);
enum kvf_status kvf_sqlite_describe(struct kvf_source *s, const struct kvf_record *record,
				    const struct kvf_table **shape, struct kvf_err *err);

/* SQLite's comparison of names: ASCII letters without case. */
int kvf_sqlite_starts_with(const char *name, const char *prefix);

/* Did kvferry make the table of that name, in an in-place upgrade? */
int kvf_sqlite_is_ours(const struct kvf_sqlite *s, const char *name);

/* ---- sqlite_table.c ---- */

/* Fill *t; `name` stays where it is.  KVF_ESOURCE for names that are not UTF-8. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_read_table(struct kvf_sqlite *s, const char *name,
						     unsigned flags, struct kvf_table *t,
						     struct kvf_err *err);
/* Add the statements of all views to those of `t`. */
KVF_MUST_CHECK enum kvf_status kvf_sqlite_add_views(struct kvf_sqlite *s, struct kvf_table *t,
						    struct kvf_err *err);
/* A text column ("" for NULL) in the arena, or NULL: no memory. */
char *kvf_sqlite_keep_text(struct kvf_sqlite *s, sqlite3_stmt *stmt, int column);

/* ---- sqlite_rows.c ---- */

enum kvf_status kvf_sqlite_plan(struct kvf_source *s, const struct kvf_record *record,
				unsigned *parts, struct kvf_err *err);
enum kvf_status kvf_sqlite_rows_open(struct kvf_source *s, const struct kvf_record *record,
				     unsigned part, struct kvf_rows **out, struct kvf_err *err);
enum kvf_status kvf_sqlite_rows_next(struct kvf_rows *rows, struct kvf_err *err);
void kvf_sqlite_rows_close(struct kvf_rows *rows);
/* The SELECT that reads a record; `count` non-zero: that counts it.  Free with
 * sqlite3_free(). */
KVF_MUST_CHECK enum kvf_status
kvf_sqlite_select(struct kvf_sqlite *s, const struct kvf_record *record,
		  const struct kvf_table *shape, int count, char **sql, struct kvf_err *err);

/* ---- sqlite_freeze.c ---- */

enum kvf_status kvf_sqlite_frozen(struct kvf_source *s, struct kvf_freeze *f,
				  struct kvf_err *err);

/* ---- sqlite_writers.c ---- */

enum kvf_status kvf_sqlite_writers(const char *rest, const struct kvf_env *env,
				   struct kvf_writers *w, struct kvf_err *err);

/* ---- sqlite_drop.c: members of the freezer's table ---- */

enum kvf_status kvf_sqlite_present(const char *rest, const struct kvf_env *env,
				   const struct kvf_drop *list, size_t n, int *there,
				   struct kvf_err *err);
enum kvf_status kvf_sqlite_drop(const char *rest, const struct kvf_env *env,
				const struct kvf_drop *list, size_t n, struct kvf_err *err);

#endif
