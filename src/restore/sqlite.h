/* sqlite - what the files of the SQLite target share. */
#ifndef KVF_RESTORE_SQLITE_H
#define KVF_RESTORE_SQLITE_H

#include "restore/restore.h"

#include <sqlite3.h>

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
