/*
 * declared - what the declared type of a column promises about its cells.
 *
 * SQLite does not hold a table to its types unless it is STRICT.  check and
 * init go by the promise; where a row breaks it, the export refuses the row or
 * names the two rows that meet, so nothing is lost by having believed it.
 */
#ifndef KVF_DECLARED_H
#define KVF_DECLARED_H

#include <kvferry/package.h>

enum kvf_declared {
	KVF_DECLARED_UNKNOWN, /* nobody said: no source at hand, or an expression */
	KVF_DECLARED_ANY,     /* a column without a type that we know */
	KVF_DECLARED_INTEGER,
	KVF_DECLARED_REAL,
	KVF_DECLARED_DECIMAL, /* NUMERIC(10,2), DECIMAL, MONEY ... */
	KVF_DECLARED_TEXT,
	KVF_DECLARED_BLOB,
	KVF_DECLARED_BOOL,
	KVF_DECLARED_TIME, /* DATE, DATETIME, TIMESTAMP: however it is written */
	KVF_DECLARED_JSON
};

/* The class of a type name in any spelling: "NVARCHAR(160)", "bigint". */
enum kvf_declared kvf_declared_class(const char *type);

/* Index of the column `name` in `shape`, or SIZE_MAX. */
size_t kvf_shape_column(const struct kvf_table *shape, const char *name);

#endif
