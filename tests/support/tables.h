/* tables - streams of exactly carried tables that say what a test wants them to say. */
#ifndef KVF_TEST_TABLES_H
#define KVF_TEST_TABLES_H

#include "streams.h"

/* A table with two columns, `id` (INTEGER, the key) and `name` (TEXT). */
struct told_table {
	const char *name, *dialect;
	const char *types[2];
	struct kvf_ddl ddl[6]; /* up to the first without a kind */
	unsigned flags;
	int notnull; /* id is NOT NULL */
	int rows;    /* id 1 ... rows, name "row" */
};

/* The stream of an export of such tables, ascending by name. */
struct blob told_stream(const struct told_table *tables, size_t n);

#endif
