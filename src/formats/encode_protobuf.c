/* encode_protobuf - fields as a proto3 message, ascending by tag. */
#include "formats/run.h"

#include "base/hash.h"
#include "value/number.h"
#include "value/protobuf.h"

#include <math.h>
#include <string.h>

struct walk {
	struct kvf_run *run;
	struct kvf_buf *b;
};

/* A number on its way to the wire: varint, or 4 or 8 bytes. */
struct wire {
	enum kvf_pb_wire type;
	uint64_t bits;
};

static enum kvf_status put_message(struct walk *k, const struct kvf_scope *scope,
				   const struct kvf_prog_field *fields, size_t n,
				   struct kvf_err *err);

/* ---- numbers: they say the reason only --------------------------------------------- */

static enum kvf_status out_of_range(enum kvf_type type, struct kvf_err *err)
{
	return kvf_fail(err, KVF_EREJECT, "out of the range of %s", kvf_type_name(type));
}

static int is_unsigned(enum kvf_type t)
{
	return t == KVF_TYPE_UINT32 || t == KVF_TYPE_UINT64 || t == KVF_TYPE_FIXED32 ||
	       t == KVF_TYPE_FIXED64;
}

static enum kvf_pb_wire wire_of(enum kvf_type t)
{
	if (t == KVF_TYPE_FIXED32 || t == KVF_TYPE_SFIXED32 || t == KVF_TYPE_PB_FLOAT)
		return KVF_PB_I32;
	if (t == KVF_TYPE_FIXED64 || t == KVF_TYPE_SFIXED64 || t == KVF_TYPE_DOUBLE)
		return KVF_PB_I64;
	return KVF_PB_VARINT;
}

static int is_32(enum kvf_type t)
{
	return t == KVF_TYPE_INT32 || t == KVF_TYPE_UINT32 || t == KVF_TYPE_SINT32 ||
	       t == KVF_TYPE_FIXED32 || t == KVF_TYPE_SFIXED32 || t == KVF_TYPE_ENUM;
}

static enum kvf_status integer(enum kvf_type type, const struct kvf_val *v, uint64_t *bits,
			       struct kvf_err *err)
{
	enum kvf_status st;
	uint64_t u;
	int64_t i;

	if (is_unsigned(type)) {
		st = kvf_coerce_u64(v, &u, err);
		if (st)
			return st;
		if (is_32(type) && u > UINT32_MAX)
			return out_of_range(type, err);
		*bits = u;
		return KVF_OK;
	}
	st = kvf_coerce_i64(v, &i, err);
	if (st)
		return st;
	if (is_32(type) && (i > INT32_MAX || i < INT32_MIN))
		return out_of_range(type, err);
	if (type == KVF_TYPE_SINT32 || type == KVF_TYPE_SINT64)
		*bits = kvf_pb_zigzag(i);
	else if (type == KVF_TYPE_SFIXED32)
		*bits = (uint32_t)i;
	else
		*bits = (uint64_t)i; /* int32 as well: ten bytes when negative */
	return KVF_OK;
}

/* A decimal of six digits survives a float (FLT_DIG); more must be one exactly. */
static enum kvf_status single(double r, uint64_t *bits, struct kvf_err *err)
{
	float f = (float)r;
	char text[KVF_NUMBER_TEXT];
	size_t n, i, digits = 0, zeros = 0;
	uint32_t word;

	if (isfinite(r) && !isfinite(f))
		return out_of_range(KVF_TYPE_PB_FLOAT, err);
	n = kvf_format_real(r, text);
	for (i = 0; i < n && text[i] != 'e'; i++) {
		if (text[i] == '0' && digits)
			zeros++;
		if (text[i] >= '1' && text[i] <= '9') {
			digits += zeros + 1;
			zeros = 0;
		}
	}
	if ((double)f < r || (double)f > r)
		if (digits > 6)
			return kvf_fail(err, KVF_EREJECT, "a float would lose digits of it");
	memcpy(&word, &f, sizeof(word));
	*bits = word;
	return KVF_OK;
}

static enum kvf_status number(enum kvf_type type, const struct kvf_val *v, struct wire *out,
			      struct kvf_err *err)
{
	enum kvf_status st;
	int truth;
	double r;

	out->type = wire_of(type);
	if (type == KVF_TYPE_BOOL) {
		st = kvf_coerce_bool(v, &truth, err);
		out->bits = !st && truth;
		return st;
	}
	if (type != KVF_TYPE_DOUBLE && type != KVF_TYPE_PB_FLOAT)
		return integer(type, v, &out->bits, err);
	st = kvf_coerce_real(v, &r, err);
	if (st || type == KVF_TYPE_PB_FLOAT)
		return st ? st : single(r, &out->bits, err);
	memcpy(&out->bits, &r, sizeof(r));
	return KVF_OK;
}

static enum kvf_status put_wire(struct walk *k, const struct wire *w, struct kvf_err *err)
{
	if (w->type == KVF_PB_I32)
		return kvf_pb_fixed32(k->b, (uint32_t)w->bits, err);
	if (w->type == KVF_PB_I64)
		return kvf_pb_fixed64(k->b, w->bits, err);
	return kvf_pb_varint(k->b, w->bits, err);
}

/* ---- one field or element ------------------------------------------------------------ */

static int is_text(enum kvf_type t)
{
	return t == KVF_TYPE_STRING || t == KVF_TYPE_BYTES;
}

/*
 * A scalar with its tag.  Zero and empty are left out unless `always`: in maps
 * and lists they count.  Says the reason only.
 */
static enum kvf_status put_scalar(struct walk *k, const struct kvf_def_field *def, uint32_t tag,
				  const struct kvf_val *v, int always, struct kvf_err *err)
{
	struct kvf_timestamp t;
	struct kvf_bytes text;
	enum kvf_status st;
	struct wire w;
	size_t mark;

	if (is_text(def->type)) {
		st = def->type == KVF_TYPE_BYTES ? kvf_coerce_bytes(v, &text, err)
						 : kvf_coerce_string(k->run, v, &text, err);
		if (st || (text.len == 0 && !always))
			return st;
		return kvf_pb_bytes(k->b, tag, text, err);
	}
	if (def->type == KVF_TYPE_TIMESTAMP) {
		st = kvf_coerce_time(v, def->unit, &t, err);
		if (!st)
			st = kvf_pb_open(k->b, tag, &mark, err);
		if (!st)
			st = kvf_pb_timestamp(k->b, t.seconds, t.nanos, err);
		return st ? st : kvf_pb_close(k->b, mark, err);
	}
	st = number(def->type, v, &w, err);
	if (st || (w.bits == 0 && !always))
		return st;
	st = kvf_pb_tag(k->b, tag, w.type, err);
	return st ? st : put_wire(k, &w, err);
}

/* An element of a list or the value of a map's pair, with its tag.  Blames. */
static enum kvf_status put_element(struct walk *k, const struct kvf_prog_field *f, uint32_t tag,
				   const struct kvf_json *json, uint32_t token,
				   struct kvf_err *err)
{
	struct kvf_scope inner = { json, token };
	struct kvf_val v;
	enum kvf_status st;
	size_t mark;

	if (f->def->type == KVF_TYPE_MESSAGE) {
		if (kvf_json_at(json, token)->type != KVF_JSON_OBJECT) {
			st = kvf_fail(err, KVF_EREJECT, "an element is not a JSON object");
			return kvf_field_failed(k->run, f, st, err);
		}
		st = kvf_field_failed(k->run, f, kvf_pb_open(k->b, tag, &mark, err), err);
		if (!st)
			st = put_message(k, &inner, f->fields, f->nfields, err);
		return st ? st
			  : kvf_field_failed(k->run, f, kvf_pb_close(k->b, mark, err), err);
	}
	st = kvf_element_value(k->run, f->def, json, token, &v, err);
	if (!st)
		st = put_scalar(k, f->def, tag, &v, 1, err);
	return kvf_field_failed(k->run, f, st, err);
}

/* Numbers, bools and enums: one length-delimited run.  Says the reason only. */
static enum kvf_status put_packed(struct walk *k, const struct kvf_prog_field *f,
				  const struct kvf_json *json, uint32_t token,
				  struct kvf_err *err)
{
	uint32_t n = kvf_json_at(json, token)->len, at = token + 1, i;
	enum kvf_status st;
	struct kvf_val v;
	struct wire w;
	size_t mark;

	st = kvf_pb_open(k->b, f->def->tag, &mark, err);
	for (i = 0; !st && i < n; i++, at = kvf_json_at(json, at)->next) {
		st = kvf_element_value(k->run, f->def, json, at, &v, err);
		if (!st)
			st = number(f->def->type, &v, &w, err);
		if (!st)
			st = put_wire(k, &w, err);
	}
	return st ? st : kvf_pb_close(k->b, mark, err);
}

static enum kvf_status put_list(struct walk *k, const struct kvf_prog_field *f,
				const struct kvf_val *v, struct kvf_err *err)
{
	enum kvf_type type = f->def->type;
	const struct kvf_json *json;
	uint32_t token, at, n, i;
	enum kvf_status st;

	st = kvf_coerce_container(k->run, v, KVF_JSON_ARRAY, &json, &token, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	n = kvf_json_at(json, token)->len;
	if (n && !is_text(type) && type != KVF_TYPE_MESSAGE && type != KVF_TYPE_TIMESTAMP)
		return kvf_field_failed(k->run, f, put_packed(k, f, json, token, err), err);
	for (i = 0, at = token + 1; i < n; i++, at = kvf_json_at(json, at)->next) {
		st = put_element(k, f, f->def->tag, json, at, err);
		if (st)
			return st;
	}
	return KVF_OK;
}

/* ---- maps ------------------------------------------------------------------------------ */

/*
 * Keys that are numbers are sorted by value: their names become eight bytes
 * that sort so (signed ones with the sign bit turned).
 */
static enum kvf_status number_keys(struct walk *k, enum kvf_type type,
				   struct kvf_json_pair *pairs, uint32_t n, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	void *bytes = NULL;
	uint32_t i;

	st = kvf_scratch_alloc(&k->run->sink->scratch, (size_t)n * 8, &bytes, err);
	for (i = 0; !st && i < n; i++) {
		uint8_t *at = (uint8_t *)bytes + 8 * (size_t)i;
		struct kvf_val v = { .type = KVF_VAL_TEXT, .u.b = pairs[i].name };
		uint64_t bits = 0;
		int64_t s;

		st = integer(type, &v, &bits, err);
		if (!st && !is_unsigned(type)) {
			st = kvf_coerce_i64(&v, &s, err);
			bits = (uint64_t)s ^ (uint64_t)1 << 63;
		}
		kvf_put_be64(at, bits);
		pairs[i].name.ptr = at;
		pairs[i].name.len = 8;
	}
	if (!st)
		kvf_json_sort(pairs, n);
	return st;
}

static enum kvf_status put_key(struct walk *k, enum kvf_type type, struct kvf_bytes name,
			       struct kvf_err *err)
{
	struct kvf_val v = { .type = KVF_VAL_TEXT, .u.b = name };
	enum kvf_status st;
	struct wire w;

	if (type == KVF_TYPE_STRING)
		return kvf_pb_bytes(k->b, 1, name, err);
	if (type != KVF_TYPE_BOOL) {
		uint64_t bits = kvf_get_be64(name.ptr);

		v.type = KVF_VAL_INT;
		v.u.i = (int64_t)(is_unsigned(type) ? bits : bits ^ (uint64_t)1 << 63);
		w.type = wire_of(type);
		w.bits = bits;
		st = is_unsigned(type) ? KVF_OK : integer(type, &v, &w.bits, err);
	} else if (name.len < 4) { /* "0" beside "false" would be one key twice */
		st = kvf_fail(err, KVF_EREJECT, "a map's key is neither true nor false");
	} else {
		st = number(type, &v, &w, err);
	}
	if (!st)
		st = kvf_pb_tag(k->b, 1, w.type, err);
	return st ? st : put_wire(k, &w, err);
}

static enum kvf_status put_map(struct walk *k, const struct kvf_prog_field *f,
			       const struct kvf_val *v, struct kvf_err *err)
{
	enum kvf_type type = f->def->key_type;
	struct kvf_json_pair *pairs;
	const struct kvf_json *json;
	uint32_t token, n, i;
	enum kvf_status st;
	size_t mark;

	st = kvf_coerce_container(k->run, v, KVF_JSON_OBJECT, &json, &token, err);
	if (!st)
		st = kvf_json_sorted(json, token, &k->run->sink->scratch, &pairs, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	n = kvf_json_at(json, token)->len;
	if (type != KVF_TYPE_STRING && type != KVF_TYPE_BOOL)
		st = number_keys(k, type, pairs, n, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	for (i = 0; i < n; i++) {
		st = kvf_pb_open(k->b, f->def->tag, &mark, err);
		if (!st)
			st = put_key(k, type, pairs[i].name, err);
		if (st)
			return kvf_field_failed(k->run, f, st, err);
		st = put_element(k, f, 2, json, pairs[i].value, err);
		if (st)
			return st;
		st = kvf_field_failed(k->run, f, kvf_pb_close(k->b, mark, err), err);
		if (st)
			return st;
	}
	return KVF_OK;
}

/* ---- messages: they blame ---------------------------------------------------------------- */

static enum kvf_status put_group(struct walk *k, const struct kvf_scope *scope,
				 const struct kvf_prog_field *f, struct kvf_err *err)
{
	enum kvf_status st;
	size_t mark;

	st = kvf_field_failed(k->run, f, kvf_pb_open(k->b, f->def->tag, &mark, err), err);
	if (!st)
		st = put_message(k, scope, f->fields, f->nfields, err);
	return st ? st : kvf_field_failed(k->run, f, kvf_pb_close(k->b, mark, err), err);
}

static enum kvf_status put_field(struct walk *k, const struct kvf_scope *scope,
				 const struct kvf_prog_field *f, struct kvf_err *err)
{
	const struct kvf_json *json;
	struct kvf_val v;
	enum kvf_status st;
	uint32_t token;

	if (!f->from && !f->def->is_const)
		return put_group(k, scope, f, err);
	st = kvf_field_value(k->run, scope, f, &v, err);
	if (st || v.type == KVF_VAL_NULL)
		return st;
	if (f->def->shape == KVF_SHAPE_REPEATED)
		return put_list(k, f, &v, err);
	if (f->def->shape == KVF_SHAPE_MAP)
		return put_map(k, f, &v, err);
	if (f->def->type != KVF_TYPE_MESSAGE) {
		st = put_scalar(k, f->def, f->def->tag, &v, 0, err);
		return kvf_field_failed(k->run, f, st, err);
	}
	st = kvf_coerce_container(k->run, &v, KVF_JSON_OBJECT, &json, &token, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	return put_element(k, f, f->def->tag, json, token, err);
}

/* Recursion goes as deep as the definition: KVF_DEF_FIELD_DEPTH. */
static enum kvf_status put_message(struct walk *k, const struct kvf_scope *scope,
				   const struct kvf_prog_field *fields, size_t n,
				   struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < n; i++)
		st = put_field(k, scope, &fields[i], err);
	return st;
}

enum kvf_status kvf_encode_protobuf(struct kvf_run *run, const struct kvf_prog_field *fields,
				    size_t n, struct kvf_err *err)
{
	static const struct kvf_scope row = { NULL, 0 };
	struct walk k = { run, &run->sink->buf[KVF_SINK_VALUE] };

	return put_message(&k, &row, fields, n, err);
}
