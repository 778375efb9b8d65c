/*
 * cockroach - a source by the rules of CockroachDB: what it does in another way
 * than that of PostgreSQL (postgres.h), whose connections and shapes it shares.
 *
 *   cockroach.c       the driver's table, parts, changes
 *   cockroach_rows.c  rows in pages of ascending keys
 *
 * No snapshot is exported and no block is known.  All connections read at one
 * moment; a table is read in pages, each a SELECT that begins behind the last key
 * of the page before it; and parts are ranges of the key's first column.
 */
#ifndef KVF_SOURCE_COCKROACH_H
#define KVF_SOURCE_COCKROACH_H

#include "source/postgres.h"

struct kvf_cockroach {
	struct kvf_postgres pg;
	/* The record that was planned last: part i has the keys from bounds[i] to
	 * below bounds[i + 1]; the first has no beginning, the last no end. */
	const struct kvf_record *planned;
	const struct kvf_postgres_shape *planned_shape;
	unsigned parts;
	char bounds[KVF_POSTGRES_CONNECTIONS][64]; /* literals */
	int read_query; /* a query was read: of which tables, is not known */
};

/*
 * Names of the columns that tell the rows of a record apart, and order its pages;
 * 0 where there are none (a query, a view), or too many.
 */
#define KVF_COCKROACH_KEY 16
size_t kvf_cockroach_key(const struct kvf_cockroach *s, const struct kvf_postgres_shape *shape,
			 const char *names[KVF_COCKROACH_KEY]);

enum kvf_status kvf_cockroach_rows_open(struct kvf_source *s, const struct kvf_record *record,
					unsigned part, struct kvf_rows **out,
					struct kvf_err *err);
enum kvf_status kvf_cockroach_rows_next(struct kvf_rows *rows, struct kvf_err *err);
void kvf_cockroach_rows_close(struct kvf_rows *rows);

#endif
