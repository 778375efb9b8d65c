/* coerce - a value as the type that a field asks for, or the reason why not. */
#include "formats/run.h"

#include "base/text.h"
#include "value/number.h"

#include <string.h>

#define EXACT_REAL ((int64_t)1 << 53) /* integers up to it are exact doubles */

const char *kvf_val_describe(const struct kvf_val *v)
{
	switch (v->type) {
	case KVF_VAL_NULL: return "NULL";
	case KVF_VAL_INT: return "an integer";
	case KVF_VAL_REAL: return "a real";
	case KVF_VAL_BOOL: return "a boolean";
	case KVF_VAL_TEXT: return "a text";
	case KVF_VAL_BLOB: return "a blob";
	case KVF_VAL_NUMBER: return "a JSON number";
	case KVF_VAL_JSON: break;
	}
	return "a JSON array or object";
}

static enum kvf_status not_a(const struct kvf_val *v, const char *type, struct kvf_err *err)
{
	return kvf_fail(err, KVF_EREJECT, "%s is not %s", kvf_val_describe(v), type);
}

enum kvf_status kvf_coerce_i64(const struct kvf_val *v, int64_t *out, struct kvf_err *err)
{
	if (v->type == KVF_VAL_INT) {
		*out = v->u.i;
		return KVF_OK;
	}
	if (v->type != KVF_VAL_TEXT && v->type != KVF_VAL_NUMBER)
		return not_a(v, "an integer", err);
	if (kvf_parse_i64(v->u.b, out))
		return KVF_OK;
	return kvf_fail(err, KVF_EREJECT, "not a decimal integer of 64 bits");
}

enum kvf_status kvf_coerce_u64(const struct kvf_val *v, uint64_t *out, struct kvf_err *err)
{
	if (v->type == KVF_VAL_INT) {
		if (v->u.i < 0)
			return kvf_fail(err, KVF_EREJECT, "a negative number");
		*out = (uint64_t)v->u.i;
		return KVF_OK;
	}
	if (v->type != KVF_VAL_TEXT && v->type != KVF_VAL_NUMBER)
		return not_a(v, "an integer", err);
	if (kvf_parse_u64(v->u.b, out))
		return KVF_OK;
	return kvf_fail(err, KVF_EREJECT, "not a decimal integer of 64 bits without a sign");
}

static int is_word(const struct kvf_val *v, const char *a, const char *b)
{
	return v->type == KVF_VAL_TEXT && (kvf_bytes_cmp(v->u.b, kvf_bytes_str(a)) == 0 ||
					   kvf_bytes_cmp(v->u.b, kvf_bytes_str(b)) == 0);
}

enum kvf_status kvf_coerce_bool(const struct kvf_val *v, int *out, struct kvf_err *err)
{
	if (v->type == KVF_VAL_BOOL ||
	    (v->type == KVF_VAL_INT && (v->u.i == 0 || v->u.i == 1))) {
		*out = v->u.i != 0;
		return KVF_OK;
	}
	*out = is_word(v, "true", "1");
	if (*out || is_word(v, "false", "0"))
		return KVF_OK;
	return kvf_fail(err, KVF_EREJECT, "not a boolean (true, false, 0, 1)");
}

enum kvf_status kvf_coerce_real(const struct kvf_val *v, double *out, struct kvf_err *err)
{
	if (v->type == KVF_VAL_REAL) {
		*out = v->u.r;
		return KVF_OK;
	}
	if (v->type == KVF_VAL_INT) {
		if (v->u.i > EXACT_REAL || v->u.i < -EXACT_REAL)
			return kvf_fail(err, KVF_EREJECT,
					"an integer that a float cannot hold");
		*out = (double)v->u.i;
		return KVF_OK;
	}
	if (v->type != KVF_VAL_TEXT && v->type != KVF_VAL_NUMBER)
		return not_a(v, "a number", err);
	if (kvf_parse_real(v->u.b, out))
		return KVF_OK;
	return kvf_fail(err, KVF_EREJECT, "not a finite number");
}

enum kvf_status kvf_coerce_string(struct kvf_run *run, const struct kvf_val *v,
				  struct kvf_bytes *out, struct kvf_err *err)
{
	enum kvf_status st;

	if (v->type == KVF_VAL_BLOB) {
		not_a(v, "a string", err);
		kvf_err_hint(err, "Use type bytes, or a filter that makes text of it, as hex.");
		return KVF_EREJECT;
	}
	st = kvf_val_text(run, v, out, err);
	if (!st && kvf_utf8_valid(out->ptr, out->len) != out->len)
		return kvf_fail(err, KVF_EREJECT, "the text is not UTF-8");
	return st;
}

enum kvf_status kvf_coerce_bytes(const struct kvf_val *v, struct kvf_bytes *out,
				 struct kvf_err *err)
{
	if (v->type != KVF_VAL_TEXT && v->type != KVF_VAL_BLOB)
		return not_a(v, "bytes", err);
	*out = v->u.b;
	return KVF_OK;
}

enum kvf_status kvf_coerce_decimal(struct kvf_run *run, const struct kvf_val *v, int scale,
				   struct kvf_bytes *out, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;
	size_t len;
	void *p;

	if (v->type == KVF_VAL_BLOB || v->type == KVF_VAL_BOOL || v->type == KVF_VAL_JSON)
		return not_a(v, "a decimal number", err);
	st = kvf_val_text(run, v, &text, err);
	if (st)
		return st;
	if (text.len == 0 || kvf_json_number_len(text) != text.len)
		return kvf_fail(err, KVF_EREJECT, "not a decimal number");
	*out = text;
	if (scale < 0)
		return KVF_OK;
	st = kvf_scratch_alloc(&run->sink->scratch, kvf_decimal_room(text, (unsigned)scale), &p,
			       err);
	if (st)
		return st;
	switch (kvf_decimal_scale(text, (unsigned)scale, p, &len)) {
	case KVF_DECIMAL_OK:
		kvf_scratch_trim(&run->sink->scratch, p, len);
		out->ptr = p;
		out->len = len;
		return KVF_OK;
	case KVF_DECIMAL_INEXACT:
		return kvf_fail(err, KVF_EREJECT,
				"the number has more than %d digits behind the point", scale);
	case KVF_DECIMAL_HUGE: return kvf_fail(err, KVF_EREJECT, "the exponent is too large");
	case KVF_DECIMAL_BAD: break;
	}
	return kvf_fail(err, KVF_EREJECT, "not a decimal number");
}

enum kvf_status kvf_coerce_time(const struct kvf_val *v, enum kvf_time_unit unit,
				struct kvf_timestamp *out, struct kvf_err *err)
{
	static const int64_t per_second[] = { 1, 1000, 1000000, 1000000000 };
	enum kvf_status st;
	int64_t n;

	if (v->type == KVF_VAL_INT || v->type == KVF_VAL_NUMBER) {
		st = kvf_coerce_i64(v, &n, err);
		if (st)
			return st;
		if (kvf_timestamp_count(n, per_second[unit], out))
			return KVF_OK;
		return kvf_fail(err, KVF_EREJECT, "a time outside the years 1 to 9999");
	}
	if (v->type != KVF_VAL_TEXT)
		return not_a(v, "a timestamp", err);
	if (kvf_timestamp_parse(v->u.b, out))
		return KVF_OK;
	return kvf_fail(err, KVF_EREJECT,
			"not a timestamp (2026-11-20 09:39:02.5 or RFC 3339)");
}

enum kvf_status kvf_coerce_json(struct kvf_run *run, const struct kvf_val *v,
				const struct kvf_json **json, uint32_t *token,
				struct kvf_err *err)
{
	struct kvf_json *parsed;
	enum kvf_status st;
	void *p;

	if (v->json) {
		*json = v->json;
		*token = v->token;
		return KVF_OK;
	}
	if (v->type != KVF_VAL_TEXT)
		return not_a(v, "JSON text", err);
	st = kvf_scratch_alloc(&run->sink->scratch, sizeof(*parsed), &p, err);
	if (st)
		return st;
	parsed = p;
	st = kvf_json_parse(v->u.b, &run->sink->tape, parsed, err);
	if (st)
		return st;
	*json = parsed;
	*token = parsed->root;
	return KVF_OK;
}

enum kvf_status kvf_coerce_container(struct kvf_run *run, const struct kvf_val *v,
				     enum kvf_json_type type, const struct kvf_json **json,
				     uint32_t *token, struct kvf_err *err)
{
	enum kvf_status st = kvf_coerce_json(run, v, json, token, err);

	if (st || kvf_json_at(*json, *token)->type == type)
		return st;
	return kvf_fail(err, KVF_EREJECT, "not a JSON %s",
			type == KVF_JSON_ARRAY ? "array" : "object");
}
