/*
 * over - a source over a connection that somebody else has open: it sees what
 * that connection's transaction sees, also what is not committed yet.  So a
 * restore reads back what it has written, by the way on which an export would
 * read it, while everything can still be undone.
 *
 * The connection is borrowed until kvf_source_close(), which leaves it open.
 * It offers one part, and does not know what else is committed meanwhile.
 */
#ifndef KVF_SOURCE_OVER_H
#define KVF_SOURCE_OVER_H

#include <kvferry/source.h>

#include "pg/pg.h"

struct sqlite3;

/* `path` is for messages. */
KVF_MUST_CHECK enum kvf_status
kvf_source_over_sqlite(struct sqlite3 *db, const char *path, const struct kvf_env *env,
		       struct kvf_source **out, struct kvf_err *err);
/* The transaction has the settings of an export: kvf_source_postgres_setup(). */
KVF_MUST_CHECK enum kvf_status
kvf_source_over_postgres(const struct kvf_pg *pg, PGconn *conn, const struct kvf_env *env,
			 struct kvf_source **out, struct kvf_err *err);
/* Set, for the transaction, all that decides how the server writes values as text. */
KVF_MUST_CHECK enum kvf_status kvf_source_postgres_setup(const struct kvf_pg *pg, PGconn *conn,
							 struct kvf_err *err);

#endif
