/* encode_tree - fields and elements of json and msgpack values. */
#include "formats/tree.h"

struct walk {
	struct kvf_run *run;
	const struct kvf_tree_writer *w;
	struct kvf_buf *b;
};

static enum kvf_status put_object(struct walk *k, const struct kvf_scope *scope,
				  const struct kvf_prog_field *fields, size_t n, int *empty,
				  struct kvf_err *err);

/* ---- scalars: they say the reason only ----------------------------------------- */

static enum kvf_status put_int(struct walk *k, const struct kvf_val *v, int *empty,
			       struct kvf_err *err)
{
	enum kvf_status st;
	int64_t i;

	st = kvf_coerce_i64(v, &i, err);
	if (st)
		return st;
	*empty = i == 0;
	return k->w->i64(k->b, i, err);
}

static enum kvf_status put_uint(struct walk *k, const struct kvf_val *v, int *empty,
				struct kvf_err *err)
{
	enum kvf_status st;
	uint64_t u;

	st = kvf_coerce_u64(v, &u, err);
	if (st)
		return st;
	*empty = u == 0;
	return k->w->u64(k->b, u, err);
}

static enum kvf_status put_real(struct walk *k, const struct kvf_val *v, int *empty,
				struct kvf_err *err)
{
	enum kvf_status st;
	double r;

	st = kvf_coerce_real(v, &r, err);
	if (st)
		return st;
	*empty = !(r < 0) && !(r > 0);
	return k->w->real(k->b, r, err);
}

static int is_zero(struct kvf_bytes number)
{
	size_t i;

	for (i = 0; i < number.len && number.ptr[i] != 'e' && number.ptr[i] != 'E'; i++)
		if (number.ptr[i] >= '1' && number.ptr[i] <= '9')
			return 0;
	return 1;
}

static enum kvf_status put_decimal(struct walk *k, const struct kvf_def_field *def,
				   const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;

	st = kvf_coerce_decimal(k->run, v, def->has_scale ? (int)def->scale : -1, &text, err);
	if (st)
		return st;
	*empty = is_zero(text);
	return k->w->decimal(k->b, text, err);
}

static enum kvf_status put_text(struct walk *k, const struct kvf_def_field *def,
				const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;

	if (def->type == KVF_TYPE_BYTES)
		st = kvf_coerce_bytes(v, &text, err);
	else
		st = kvf_coerce_string(k->run, v, &text, err);
	if (st)
		return st;
	*empty = text.len == 0;
	return def->type == KVF_TYPE_BYTES ? k->w->bytes(k->b, text, err)
					   : k->w->string(k->b, text, err);
}

static enum kvf_status put_json(struct walk *k, const struct kvf_val *v, int *empty,
				struct kvf_err *err)
{
	const struct kvf_json_token *t;
	const struct kvf_json *json;
	enum kvf_status st;
	uint32_t token;

	st = kvf_coerce_json(k->run, v, &json, &token, err);
	if (st)
		return st;
	t = kvf_json_at(json, token);
	*empty = t->type == KVF_JSON_NULL || (t->type >= KVF_JSON_STRING && t->len == 0);
	return k->w->json(k->b, json, token, &k->run->sink->scratch, err);
}

static enum kvf_status put_scalar(struct walk *k, const struct kvf_def_field *def,
				  const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	struct kvf_timestamp t;
	enum kvf_status st;
	int truth;

	*empty = 0;
	if (def->type == KVF_TYPE_STRING || def->type == KVF_TYPE_BYTES)
		return put_text(k, def, v, empty, err);
	if (def->type == KVF_TYPE_INT)
		return put_int(k, v, empty, err);
	if (def->type == KVF_TYPE_UINT)
		return put_uint(k, v, empty, err);
	if (def->type == KVF_TYPE_FLOAT)
		return put_real(k, v, empty, err);
	if (def->type == KVF_TYPE_DECIMAL)
		return put_decimal(k, def, v, empty, err);
	if (def->type == KVF_TYPE_JSON)
		return put_json(k, v, empty, err);
	if (def->type == KVF_TYPE_BOOL) {
		st = kvf_coerce_bool(v, &truth, err);
		*empty = !st && !truth;
		return st ? st : k->w->boolean(k->b, truth, err);
	}
	st = kvf_coerce_time(v, def->unit, &t, err);
	return st ? st : k->w->time(k->b, t, err);
}

/* ---- containers: they blame ------------------------------------------------------ */

/* One element of a list or map. */
static enum kvf_status put_element(struct walk *k, const struct kvf_prog_field *f,
				   const struct kvf_json *json, uint32_t token,
				   struct kvf_err *err)
{
	struct kvf_scope inner = { json, token };
	struct kvf_val v;
	enum kvf_status st;
	int empty;

	if (f->def->type == KVF_TYPE_OBJECT) {
		if (kvf_json_at(json, token)->type == KVF_JSON_OBJECT)
			return put_object(k, &inner, f->fields, f->nfields, &empty, err);
		st = kvf_fail(err, KVF_EREJECT, "an element is not a JSON object");
		return kvf_field_failed(k->run, f, st, err);
	}
	st = kvf_element_value(k->run, f->def, json, token, &v, err);
	if (!st)
		st = put_scalar(k, f->def, &v, &empty, err);
	return kvf_field_failed(k->run, f, st, err);
}

static enum kvf_status put_list(struct walk *k, const struct kvf_prog_field *f,
				const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	const struct kvf_json *json;
	uint32_t token, at, n, i;
	enum kvf_status st;
	size_t mark;

	st = kvf_coerce_container(k->run, v, KVF_JSON_ARRAY, &json, &token, err);
	if (!st)
		st = k->w->open(k->b, KVF_TREE_LIST, &mark, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	n = kvf_json_at(json, token)->len;
	*empty = n == 0;
	for (i = 0, at = token + 1; i < n; i++, at = kvf_json_at(json, at)->next) {
		st = i ? k->w->separate(k->b, err) : KVF_OK;
		if (st)
			return kvf_field_failed(k->run, f, st, err);
		st = put_element(k, f, json, at, err);
		if (st)
			return st;
	}
	return kvf_field_failed(k->run, f, k->w->close(k->b, KVF_TREE_LIST, mark, n, err), err);
}

static enum kvf_status put_map(struct walk *k, const struct kvf_prog_field *f,
			       const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	struct kvf_json_pair *pairs;
	const struct kvf_json *json;
	enum kvf_status st;
	uint32_t token, n, i;
	size_t mark;

	st = kvf_coerce_container(k->run, v, KVF_JSON_OBJECT, &json, &token, err);
	if (!st)
		st = kvf_json_sorted(json, token, &k->run->sink->scratch, &pairs, err);
	if (!st)
		st = k->w->open(k->b, KVF_TREE_MAP, &mark, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	n = kvf_json_at(json, token)->len;
	*empty = n == 0;
	for (i = 0; i < n; i++) {
		st = i ? k->w->separate(k->b, err) : KVF_OK;
		if (!st)
			st = k->w->name(k->b, pairs[i].name, err);
		if (st)
			return kvf_field_failed(k->run, f, st, err);
		st = put_element(k, f, json, pairs[i].value, err);
		if (st)
			return st;
	}
	return kvf_field_failed(k->run, f, k->w->close(k->b, KVF_TREE_MAP, mark, n, err), err);
}

static enum kvf_status put_json_object(struct walk *k, const struct kvf_prog_field *f,
				       const struct kvf_val *v, int *empty, struct kvf_err *err)
{
	const struct kvf_json *json;
	struct kvf_scope inner;
	enum kvf_status st;
	uint32_t token;

	st = kvf_coerce_container(k->run, v, KVF_JSON_OBJECT, &json, &token, err);
	if (st)
		return kvf_field_failed(k->run, f, st, err);
	inner.json = json;
	inner.token = token;
	return put_object(k, &inner, f->fields, f->nfields, empty, err);
}

/* The value of one field; *omitted: it is NULL and has to be left out. */
static enum kvf_status put_value(struct walk *k, const struct kvf_scope *scope,
				 const struct kvf_prog_field *f, int *empty, int *omitted,
				 struct kvf_err *err)
{
	struct kvf_val v;
	enum kvf_status st;

	*omitted = 0;
	*empty = 0;
	if (!f->from && !f->def->is_const)
		return put_object(k, scope, f->fields, f->nfields, empty, err);
	st = kvf_field_value(k->run, scope, f, &v, err);
	if (st)
		return st;
	if (v.type == KVF_VAL_NULL) {
		*omitted = f->def->omit != KVF_OMIT_NEVER;
		st = *omitted ? KVF_OK : k->w->null(k->b, err);
		return kvf_field_failed(k->run, f, st, err);
	}
	if (f->def->shape == KVF_SHAPE_REPEATED)
		return put_list(k, f, &v, empty, err);
	if (f->def->shape == KVF_SHAPE_MAP)
		return put_map(k, f, &v, empty, err);
	if (f->def->type == KVF_TYPE_OBJECT)
		return put_json_object(k, f, &v, empty, err);
	return kvf_field_failed(k->run, f, put_scalar(k, f->def, &v, empty, err), err);
}

/* Recursion goes as deep as the definition: KVF_DEF_FIELD_DEPTH. */
static enum kvf_status put_object(struct walk *k, const struct kvf_scope *scope,
				  const struct kvf_prog_field *fields, size_t n, int *empty,
				  struct kvf_err *err)
{
	size_t mark, before, written = 0, i;
	enum kvf_status st;
	int none, omitted;

	st = k->w->open(k->b, KVF_TREE_MAP, &mark, err);
	for (i = 0; i < n; i++) {
		before = k->b->len;
		if (!st && written)
			st = k->w->separate(k->b, err);
		if (!st)
			st = kvf_buf_append(k->b, fields[i].head.ptr, fields[i].head.len, err);
		if (st)
			return kvf_field_failed(k->run, &fields[i], st, err);
		st = put_value(k, scope, &fields[i], &none, &omitted, err);
		if (st)
			return st;
		if (omitted || (none && fields[i].def->omit == KVF_OMIT_EMPTY))
			k->b->len = before;
		else
			written++;
	}
	*empty = written == 0;
	st = k->w->close(k->b, KVF_TREE_MAP, mark, written, err);
	return kvf_field_failed(k->run, &fields[n - 1], st, err);
}

enum kvf_status kvf_encode_tree(struct kvf_run *run, const struct kvf_tree_writer *w,
				const struct kvf_prog_field *fields, size_t n,
				struct kvf_err *err)
{
	static const struct kvf_scope row = { NULL, 0 };
	struct walk k = { run, w, &run->sink->buf[KVF_SINK_VALUE] };
	int empty;

	return put_object(&k, &row, fields, n, &empty, err);
}
