/*
 * kvferry/source.h - rows out of legacy relational tables, read in one
 * snapshot, never changing anything.
 */
#ifndef KVFERRY_SOURCE_H
#define KVFERRY_SOURCE_H

#include <kvferry/base.h>
#include <kvferry/package.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvf_source;
struct kvf_rows;

/*
 * Open a place ("sqlite:PATH", or a connection string of PostgreSQL) and begin one read-only snapshot that all later
 * calls share and that lasts until close.  Nothing at the place changes, not
 * even the list of files beside it.  KVF_ESOURCE when it cannot be read,
 * KVF_EUSAGE when no driver knows the place, KVF_EINTERRUPTED when env->stopped
 * says so.  `env` must outlive the source.
 *
 * The snapshot may hold back whoever wants to write: where source and store
 * are one SQLite file, close the source before the store is written to.
 *
 * A source belongs to one thread at a time, except for the rows of different
 * parts of one record (see kvf_source_plan()).
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_open(const char *place, const struct kvf_env *env, struct kvf_source **out,
		struct kvf_err *err);

/*
 * Which schemas kvf_source_tables() lists, by pg_dump's patterns ("*" = all);
 * tables are then called "schema.table".  Without this call it is the schema
 * in which the source makes new tables.  To be called before kvf_source_tables().
 * KVF_EUSAGE where there are no schemas.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_schemas(struct kvf_source *s,
							  const char *const *patterns, size_t n,
							  struct kvf_err *err);

/*
 * The tables that can be carried without a definition, ascending by name
 * (bytes), without the source's own tables and kvferry's.  Valid until close.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_tables(struct kvf_source *s,
							 const struct kvf_table **tables,
							 size_t *n, struct kvf_err *err);

/*
 * The shape of one record: of its table (also a view) with all columns, or of
 * its query.  KVF_EDEFINITION if the source does not know the table or refuses
 * the query; the nearest name is suggested.  Valid until close.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_describe(struct kvf_source *s, const struct kvf_record *record,
		    const struct kvf_table **shape, struct kvf_err *err);

/*
 * How many rows the record has in the snapshot, exactly.  This may read the
 * whole table; `rows` of a shape is what is known for nothing.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_count(struct kvf_source *s,
							const struct kvf_record *record,
							uint64_t *rows, struct kvf_err *err);

/* Run a query that yields one row of one column; NULL or no row is ENOTFOUND.
 * The text form is written to buf (NUL-terminated). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_scalar(struct kvf_source *s, const char *sql,
							 char *buf, size_t size,
							 struct kvf_err *err);

/*
 * Begin to read a record in `parts` disjoint parts (at least 1); the source
 * may offer fewer: *parts is updated.  Then open each part once.  Different
 * parts may be read by different threads at the same time.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_plan(struct kvf_source *s,
						       const struct kvf_record *record,
						       unsigned *parts, struct kvf_err *err);
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_rows_open(struct kvf_source *s, const struct kvf_record *record, unsigned part,
	      struct kvf_rows **out, struct kvf_err *err);

/* The next row, valid until the next call; KVF_EOF after the last one.  Errors
 * and the end are sticky.  Rows must be closed before their source. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_rows_next(struct kvf_rows *rows, const struct kvf_row **row, struct kvf_err *err);
KVF_API void kvf_rows_close(struct kvf_rows *rows);

/*
 * Was anything of what was read - the rows of records, and the list of tables if
 * it was asked for - committed anew since the snapshot began?  *changed = 0 only
 * if certainly not: what was read is all there is.  A driver that cannot tell its
 * tables apart may say 1 after any commit to the same database (SQLite), never
 * after one to another.  Where tables have to be compared this reads them again.
 * Not to be called while rows are open.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_source_changed(struct kvf_source *s, int *changed,
							  struct kvf_err *err);

/* "SQLite 3.40.1, /srv/shop.db" for people and notes; never a secret. */
KVF_API const char *kvf_source_identity(const struct kvf_source *s);

/* Non-zero if the other place is the same database file or server. */
KVF_API int kvf_source_is_place(const struct kvf_source *s, const char *place);

KVF_API void kvf_source_close(struct kvf_source *s);

/* ---- the memory driver, for tests and embedding ------------------------- */

/* A table with its rows; everything borrowed until kvf_source_close(). */
struct kvf_memory_table {
	struct kvf_table shape;
	const struct kvf_cell *cells; /* nrows * shape.ncolumns */
	size_t nrows;
};
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_source_memory(const struct kvf_memory_table *tables, size_t n, const struct kvf_env *env,
		  struct kvf_source **out, struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
