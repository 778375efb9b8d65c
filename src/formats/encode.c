/* encode - what the encoders share: where a field's value comes from. */
#include "formats/run.h"

#include <string.h>

enum kvf_status kvf_field_failed(const struct kvf_run *run, const struct kvf_prog_field *f,
				 enum kvf_status st, struct kvf_err *err)
{
	static const char over_cap[] = "more than "; /* kvf_buf's words */

	if (st != KVF_EREJECT)
		return st;
	if (err && !err->hint[0] && strncmp(err->message, over_cap, strlen(over_cap)) == 0)
		kvf_err_hint(err, "Raise the limit with --max-value SIZE.");
	return kvf_run_blame(run, f->def->pos, "field", f->def->name, err);
}

enum kvf_status kvf_field_value(struct kvf_run *run, const struct kvf_scope *scope,
				const struct kvf_prog_field *f, struct kvf_val *out,
				struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (f->def->is_const) {
		out->type = KVF_VAL_TEXT;
		out->json = NULL;
		out->u.b = f->def->constant;
		return KVF_OK;
	}
	st = kvf_eval_template(run, scope, f->from, out, err);
	if (!st && out->type == KVF_VAL_NULL && f->def->has_default) {
		out->type = KVF_VAL_TEXT;
		out->json = NULL;
		out->u.b = f->def->fallback;
	}
	return st;
}

enum kvf_status kvf_element_value(struct kvf_run *run, const struct kvf_def_field *def,
				  const struct kvf_json *json, uint32_t token,
				  struct kvf_val *out, struct kvf_err *err)
{
	enum kvf_status st = kvf_val_of_json(run, json, token, out, err);

	if (st || out->type != KVF_VAL_NULL || def->type == KVF_TYPE_JSON)
		return st;
	if (!def->has_nulls)
		return kvf_fail(err, KVF_EREJECT, "a null among the elements");
	out->type = KVF_VAL_TEXT;
	out->json = NULL;
	out->u.b = def->nulls;
	return KVF_OK;
}
