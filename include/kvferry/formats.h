/*
 * kvferry/formats.h - package definitions: load them from a folder, check them,
 * write a first draft of them.
 */
#ifndef KVFERRY_FORMATS_H
#define KVFERRY_FORMATS_H

#include <kvferry/base.h>
#include <kvferry/package.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Load DIR/application.yaml and the packages it names, and compile them.
 * KVF_EDEFINITION with "file:line:column: what" and a did-you-mean.  Only the
 * YAML is read; whether the columns exist is known after kvf_formats_bind().
 */
struct kvf_formats;
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_formats_load(const char *dir, struct kvf_formats **out, struct kvf_err *err);

/*
 * Give every argument of the application its value, in the order of
 * application->args: each :'name' in a query becomes the value as an SQL
 * literal.  To be called once, before the source sees the records.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_formats_arguments(struct kvf_formats *f, const char *const *values, struct kvf_err *err);

/*
 * Bind to the shapes that a source gave for each record: resolves every
 * {column}.  shapes[p][r] belongs to record r of package p, and behind the
 * records to its sides.  Must be called
 * before convert().  KVF_EDEFINITION for a column that the row does not have.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_formats_bind(struct kvf_formats *f, const struct kvf_table *const *const *shapes,
		 struct kvf_err *err);

/*
 * A source refused a record's table or query: put the place in the definitions,
 * FILE:LINE:COLUMN, before the message.  Only a KVF_EDEFINITION is changed, and
 * only where the record exists.  Returns err->status.
 */
KVF_API enum kvf_status kvf_formats_blame(const struct kvf_formats *f, size_t package,
					  size_t record, struct kvf_err *err);

/* Packages and versions, for export and import; valid until _free. */
KVF_API const struct kvf_application *kvf_formats_application(const struct kvf_formats *f);

/* SHA-256 of the parsed, canonical definition: comments and order of keys do
 * not count. */
KVF_API void kvf_formats_digest(const struct kvf_formats *f, uint8_t digest[32]);

KVF_API void kvf_formats_free(struct kvf_formats *f);

/* ---- tables carried as they are ------------------------------------------ */

/*
 * The application "" with its one package "tables": one kind per table,
 * partition = its name, key = its key columns, value = msgpack map of all
 * columns (docs/tables.md).  `tables`, their names and all that hangs on them are
 * borrowed: they must outlive the application.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_exact_application(const struct kvf_table *tables, size_t n, struct kvf_application **out,
		      struct kvf_err *err);
KVF_API void kvf_exact_application_free(struct kvf_application *app);

/* ---- check and init ------------------------------------------------------- */

enum kvf_finding_level { KVF_FINDING_ERROR, KVF_FINDING_WARNING, KVF_FINDING_NOTE };

/* One thing that check found.  Texts are owned by the findings. */
struct kvf_finding {
	enum kvf_finding_level level;
	char *where; /* "actions.yaml:12:7" or "table actions_runs" */
	char *package, *record;
	char *code; /* stable word: "key-may-collide", "column-not-carried" */
	char *text;
};
struct kvf_findings {
	struct kvf_finding *list;
	size_t n;
};
KVF_API void kvf_findings_free(struct kvf_findings *f);

/*
 * What is not carried, which keys may collide, whether the way back is exact.
 * `shapes` as in bind, or NULL when there is no source; `tables` are all
 * tables of the source (to name those that no record reads), or NULL.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_formats_check(struct kvf_formats *f, const struct kvf_table *const *const *shapes,
		  const struct kvf_table *tables, size_t ntables, struct kvf_findings *out,
		  struct kvf_err *err);

/*
 * Write DIR/application.yaml and DIR/NAME.yaml from table shapes: commented,
 * working definitions.  Refuses a folder that has them already.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_formats_init(const char *dir, const char *application, const struct kvf_table *tables,
		 size_t n, struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
