/*
 * run - the conversion of one row: values on their way from cells and JSON to
 * bytes.
 *
 * A function here that fails with KVF_EREJECT has either said the reason only
 * ("not a UUID"), or, where its comment says "blames", also the place: record,
 * column, file:line:column.  A reason is blamed exactly once.
 */
#ifndef KVF_RUN_H
#define KVF_RUN_H

#include "formats/program.h"
#include "value/json.h"
#include "value/sink.h"
#include "value/timestamp.h"

enum kvf_val_type {
	KVF_VAL_NULL,
	KVF_VAL_INT,
	KVF_VAL_REAL,
	KVF_VAL_BOOL,
	KVF_VAL_TEXT,
	KVF_VAL_BLOB,
	KVF_VAL_NUMBER, /* a JSON number, as it was written */
	KVF_VAL_JSON    /* a JSON array or object */
};

/* Views point into the row, the definition or the scratch: valid for the row. */
struct kvf_val {
	enum kvf_val_type type;
	uint32_t token; /* with `json`: the token it came from, unchanged */
	const struct kvf_json *json;
	union {
		int64_t i;
		double r;
		struct kvf_bytes b;
	} u;
};

/* Where names are looked up: in the row, or (json set) in a JSON value. */
struct kvf_scope {
	const struct kvf_json *json;
	uint32_t token;
};

struct kvf_run {
	struct kvf_sink *sink;
	const struct kvf_prog_record *record;
	const struct kvf_row *row;
	struct kvf_val *lets;
};

/* ---- eval.c ---------------------------------------------------------------- */

/* A token as a value. */
KVF_MUST_CHECK enum kvf_status kvf_val_of_json(struct kvf_run *run, const struct kvf_json *json,
					       uint32_t token, struct kvf_val *out,
					       struct kvf_err *err);

/* The text that `v` counts as in a template; not for NULL and KVF_VAL_JSON. */
KVF_MUST_CHECK enum kvf_status kvf_val_text(struct kvf_run *run, const struct kvf_val *v,
					    struct kvf_bytes *out, struct kvf_err *err);

/* Evaluate; NULL is a value.  Blames. */
KVF_MUST_CHECK enum kvf_status
kvf_eval_template(struct kvf_run *run, const struct kvf_scope *scope,
		  const struct kvf_prog_template *t, struct kvf_val *out, struct kvf_err *err);

/* Evaluate into a buffer of the sink; NULL refuses the row.  Blames. */
KVF_MUST_CHECK enum kvf_status
kvf_eval_into(struct kvf_run *run, const struct kvf_prog_template *t, const char *what,
	      enum kvf_sink_buffer which, struct kvf_err *err);

/* Compute run->lets, which has room for all.  Blames. */
KVF_MUST_CHECK enum kvf_status kvf_eval_lets(struct kvf_run *run, struct kvf_err *err);

/* Turn a reason into a full message with its place; returns KVF_EREJECT. */
enum kvf_status kvf_run_blame(const struct kvf_run *run, struct kvf_pos pos, const char *what,
			      const char *name, struct kvf_err *err);

/* The value that a reference names.  Says the reason only. */
KVF_MUST_CHECK enum kvf_status kvf_eval_ref(struct kvf_run *run, const struct kvf_scope *scope,
					    const struct kvf_ref *ref, struct kvf_val *out,
					    struct kvf_err *err);

/* ---- when.c ---------------------------------------------------------------- */

/* *made = is the condition true?  Blames. */
KVF_MUST_CHECK enum kvf_status kvf_eval_when(struct kvf_run *run,
					     const struct kvf_prog_entry *e, int *made,
					     struct kvf_err *err);

/* ---- filter.c -------------------------------------------------------------- */

/* Apply one filter to *v, which is not NULL unless the filter is `else`. */
KVF_MUST_CHECK enum kvf_status kvf_filter_apply(struct kvf_run *run,
						const struct kvf_def_filter *f,
						struct kvf_val *v, struct kvf_err *err);

/* ---- coerce.c: a value, not NULL, as a type ---------------------------------- */

KVF_MUST_CHECK enum kvf_status kvf_coerce_i64(const struct kvf_val *v, int64_t *out,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_u64(const struct kvf_val *v, uint64_t *out,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_bool(const struct kvf_val *v, int *out,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_real(const struct kvf_val *v, double *out,
					       struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_string(struct kvf_run *run, const struct kvf_val *v,
						 struct kvf_bytes *out, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_bytes(const struct kvf_val *v, struct kvf_bytes *out,
						struct kvf_err *err);
/* JSON number text; with `scale` >= 0 exactly so many digits behind the point. */
KVF_MUST_CHECK enum kvf_status kvf_coerce_decimal(struct kvf_run *run, const struct kvf_val *v,
						  int scale, struct kvf_bytes *out,
						  struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_coerce_time(const struct kvf_val *v, enum kvf_time_unit unit,
					       struct kvf_timestamp *out, struct kvf_err *err);
/* A parsed JSON value: text is parsed, a JSON container is itself; the struct
 * lives in the scratch. */
KVF_MUST_CHECK enum kvf_status kvf_coerce_json(struct kvf_run *run, const struct kvf_val *v,
					       const struct kvf_json **json, uint32_t *token,
					       struct kvf_err *err);
/* As above, of type KVF_JSON_ARRAY or KVF_JSON_OBJECT. */
KVF_MUST_CHECK enum kvf_status
kvf_coerce_container(struct kvf_run *run, const struct kvf_val *v, enum kvf_json_type type,
		     const struct kvf_json **json, uint32_t *token, struct kvf_err *err);
/* Says what `v` is: "an integer", "text". */
const char *kvf_val_describe(const struct kvf_val *v);

/* ---- encode_*.c: fields into the sink's value buffer; blame ------------------ */

/* The value of a field: from, const or default.  Blames. */
KVF_MUST_CHECK enum kvf_status
kvf_field_value(struct kvf_run *run, const struct kvf_scope *scope,
		const struct kvf_prog_field *f, struct kvf_val *out, struct kvf_err *err);

/* An element of a list or map: a null becomes what `nulls` says, or is refused.
 * Says the reason only. */
KVF_MUST_CHECK enum kvf_status kvf_element_value(struct kvf_run *run,
						 const struct kvf_def_field *def,
						 const struct kvf_json *json, uint32_t token,
						 struct kvf_val *out, struct kvf_err *err);

/* Pass `st` on; a reason is blamed on the field. */
enum kvf_status kvf_field_failed(const struct kvf_run *run, const struct kvf_prog_field *f,
				 enum kvf_status st, struct kvf_err *err);

/* copied.c: bytes that are the message already go to the value buffer if they
 * are one that `fields` describes; unknown numbers may stand in it.  Blames. */
KVF_MUST_CHECK enum kvf_status
kvf_encode_copied(struct kvf_run *run, const struct kvf_prog_entry *e, struct kvf_err *err);

/* Protobuf; the others are in tree.h. */
KVF_MUST_CHECK enum kvf_status kvf_encode_protobuf(struct kvf_run *run,
						   const struct kvf_prog_field *fields,
						   size_t n, struct kvf_err *err);

#endif
