/*
 * sqlite - what the files of the SQLite target share.
 *
 *   sqlite.c        connections, what is there already, rows
 *   sqlite_make.c   the objects of a stream
 *   sqlite_guard.c  what a statement may do
 */
#ifndef KVF_RESTORE_SQLITE_H
#define KVF_RESTORE_SQLITE_H

#include "restore/restore.h"

#include <sqlite3.h>

struct kvf_restore_lite {
	struct kvf_restore base;
	char *path;
	sqlite3 *db; /* NULL while there is no file */
	int made;    /* the file is ours, and goes again without commit() */
	int committed;
	sqlite3_stmt *insert;
	size_t *bound; /* which columns are inserted */
	size_t nbound;
};

/* ---- sqlite.c ---- */

/* The error of the last call on `db`: "PATH: cannot DOING: reason". */
enum kvf_status kvf_restore_lite_fail(const struct kvf_restore_lite *l, sqlite3 *db,
				      const char *doing, struct kvf_err *err);

/* ---- sqlite_make.c ---- */

/* Is there an object of that name?  Then its statement, and what it is. */
KVF_MUST_CHECK enum kvf_status kvf_restore_lite_find(struct kvf_restore_lite *l, sqlite3 *db,
						     const char *name, const char **type,
						     const char **sql, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_restore_lite_tables(struct kvf_restore_lite *l, sqlite3 *db,
						       int also_existing, struct kvf_err *err);
/* Do the tables have the columns that the stream says?  A statement can lie. */
KVF_MUST_CHECK enum kvf_status kvf_restore_lite_shapes(struct kvf_restore_lite *l, sqlite3 *db,
						       int existing_only, struct kvf_err *err);
/* Indexes, views, triggers, where AUTOINCREMENT stands. */
KVF_MUST_CHECK enum kvf_status kvf_restore_lite_rest(struct kvf_restore_lite *l, sqlite3 *db,
						     struct kvf_err *err);
/*
 * Views belong to no table: their statements, and those of triggers on them, are
 * with the first one.  A selection of tables leaves them.  `db` has all that the
 * stream says.
 */
KVF_MUST_CHECK enum kvf_status
kvf_restore_lite_leave_views(struct kvf_restore_lite *l, sqlite3 *db,
			     struct kvf_restore_table *t, struct kvf_err *err);

/* ---- sqlite_guard.c ---- */

/* One statement of a stream, and what it says that it makes. */
struct kvf_restore_statement {
	const struct kvf_restore *restore;
	const struct kvf_table *table;
	const struct kvf_ddl *ddl;
};

/*
 * Run one statement of a stream on `db`: it makes the one object of that kind
 * and name, on its own table (a trigger also on a view of the stream), and does
 * nothing else; or KVF_EPREFLIGHT.
 */
KVF_MUST_CHECK enum kvf_status
kvf_restore_guarded(sqlite3 *db, const struct kvf_restore_statement *s, struct kvf_err *err);

#endif
