/* eval - references, templates and lets of one row. */
#include "formats/run.h"

#include "value/number.h"

#include <assert.h>
#include <string.h>

enum kvf_status kvf_run_blame(const struct kvf_run *run, struct kvf_pos pos, const char *what,
			      const char *name, struct kvf_err *err)
{
	char hint[sizeof(err->hint)];

	if (!err)
		return KVF_EREJECT;
	memcpy(hint, err->hint, sizeof(hint));
	kvf_fail(err, KVF_EREJECT, "record %s, %s \"%.100s\": %s", run->record->def->name, what,
		 name, err->message);
	kvf_err_detail(err, "package %s, %s:%u:%u", run->record->package->name, pos.file,
		       pos.line, pos.column);
	memcpy(err->hint, hint, sizeof(hint));
	return KVF_EREJECT;
}

static enum kvf_status blame_piece(const struct kvf_run *run, const struct kvf_prog_piece *p,
				   enum kvf_status st, struct kvf_err *err)
{
	static const char *const what[] = { "text", "column", "let", "member", "element" };

	if (st != KVF_EREJECT)
		return st;
	return kvf_run_blame(run, p->def->pos, what[p->ref.type], p->def->name, err);
}

enum kvf_status kvf_val_of_json(struct kvf_run *run, const struct kvf_json *json,
				uint32_t token, struct kvf_val *out, struct kvf_err *err)
{
	const struct kvf_json_token *t = kvf_json_at(json, token);

	out->json = json;
	out->token = token;
	switch ((enum kvf_json_type)t->type) {
	case KVF_JSON_NULL: out->type = KVF_VAL_NULL; return KVF_OK;
	case KVF_JSON_TRUE:
	case KVF_JSON_FALSE:
		out->type = KVF_VAL_BOOL;
		out->u.i = t->type == KVF_JSON_TRUE;
		return KVF_OK;
	case KVF_JSON_NUMBER:
		out->type = KVF_VAL_NUMBER;
		out->u.b = kvf_json_raw(json, token);
		return KVF_OK;
	case KVF_JSON_STRING:
		out->type = KVF_VAL_TEXT;
		return kvf_json_string(json, token, &run->sink->scratch, &out->u.b, err);
	case KVF_JSON_ARRAY:
	case KVF_JSON_OBJECT: break;
	}
	out->type = KVF_VAL_JSON;
	return KVF_OK;
}

static void val_of_cell(const struct kvf_cell *c, struct kvf_val *out)
{
	switch (c->type) {
	case KVF_CELL_NULL: out->type = KVF_VAL_NULL; return;
	case KVF_CELL_INT: out->type = KVF_VAL_INT; break;
	case KVF_CELL_BOOL: out->type = KVF_VAL_BOOL; break;
	case KVF_CELL_REAL:
		out->type = KVF_VAL_REAL;
		out->u.r = c->u.r;
		return;
	case KVF_CELL_TEXT:
	case KVF_CELL_BLOB:
		out->type = c->type == KVF_CELL_TEXT ? KVF_VAL_TEXT : KVF_VAL_BLOB;
		out->u.b = c->u.b;
		return;
	}
	out->u.i = c->u.i;
}

enum kvf_status kvf_eval_ref(struct kvf_run *run, const struct kvf_scope *scope,
			     const struct kvf_ref *ref, struct kvf_val *out,
			     struct kvf_err *err)
{
	enum kvf_status st;
	uint32_t token;

	out->json = NULL;
	switch (ref->type) {
	case KVF_REF_LITERAL:
		out->type = KVF_VAL_TEXT;
		out->u.b = ref->text;
		return KVF_OK;
	case KVF_REF_COLUMN:
		val_of_cell(&run->row->cells[run->record->cell_of[ref->index]], out);
		return KVF_OK;
	case KVF_REF_LET: *out = run->lets[ref->index]; return KVF_OK;
	case KVF_REF_SELF:
		assert(scope->json);
		return kvf_val_of_json(run, scope->json, scope->token, out, err);
	case KVF_REF_MEMBER: break;
	}
	assert(scope->json);
	if (kvf_json_at(scope->json, scope->token)->type != KVF_JSON_OBJECT)
		return kvf_fail(err, KVF_EREJECT, "the element is not a JSON object");
	st = kvf_json_member(scope->json, scope->token, ref->text, ref->any_case,
			     &run->sink->scratch, &token, err);
	if (st)
		return st;
	if (!token) {
		out->type = KVF_VAL_NULL;
		return KVF_OK;
	}
	return kvf_val_of_json(run, scope->json, token, out, err);
}

static enum kvf_status number_text(struct kvf_run *run, const struct kvf_val *v,
				   struct kvf_bytes *out, struct kvf_err *err)
{
	enum kvf_status st;
	void *p;

	st = kvf_scratch_alloc(&run->sink->scratch, KVF_NUMBER_TEXT, &p, err);
	if (st)
		return st;
	out->ptr = p;
	out->len =
		v->type == KVF_VAL_INT ? kvf_format_i64(v->u.i, p) : kvf_format_real(v->u.r, p);
	return out->len ? KVF_OK : kvf_fail(err, KVF_EREJECT, "not a finite number");
}

enum kvf_status kvf_val_text(struct kvf_run *run, const struct kvf_val *v,
			     struct kvf_bytes *out, struct kvf_err *err)
{
	switch (v->type) {
	case KVF_VAL_TEXT:
	case KVF_VAL_BLOB:
	case KVF_VAL_NUMBER: *out = v->u.b; return KVF_OK;
	case KVF_VAL_BOOL: *out = kvf_bytes_str(v->u.i ? "true" : "false"); return KVF_OK;
	case KVF_VAL_INT:
	case KVF_VAL_REAL: return number_text(run, v, out, err);
	case KVF_VAL_NULL:
	case KVF_VAL_JSON: break;
	}
	return kvf_fail(err, KVF_EREJECT, "%s is not text", kvf_val_describe(v));
}

/* One placeholder with its filters.  `first`: an empty text counts as NULL. */
static enum kvf_status eval_piece(struct kvf_run *run, const struct kvf_scope *scope,
				  const struct kvf_prog_piece *p, int first,
				  struct kvf_val *out, struct kvf_err *err)
{
	enum kvf_status st = kvf_eval_ref(run, scope, &p->ref, out, err);
	size_t i;

	if (st)
		return st;
	if (first && !p->nullable && (out->type == KVF_VAL_TEXT || out->type == KVF_VAL_BLOB) &&
	    out->u.b.len == 0)
		out->type = KVF_VAL_NULL;
	for (i = 0; !st && i < p->def->nfilters; i++) {
		const struct kvf_def_filter *f = &p->def->filters[i];

		if (out->type != KVF_VAL_NULL || f->id == KVF_FILTER_ELSE)
			st = kvf_filter_apply(run, f, out, err);
	}
	if (!st && out->type == KVF_VAL_NULL && p->def->optional) {
		out->type = KVF_VAL_TEXT;
		out->json = NULL;
		out->u.b = kvf_bytes_str("");
	}
	return st;
}

/* All pieces as texts.  *null = the piece that makes the template NULL. */
static enum kvf_status eval_texts(struct kvf_run *run, const struct kvf_scope *scope,
				  const struct kvf_prog_template *t, int first,
				  struct kvf_bytes *texts, const struct kvf_prog_piece **null,
				  struct kvf_err *err)
{
	struct kvf_val v;
	enum kvf_status st;
	size_t i;

	*null = NULL;
	for (i = 0; i < t->npieces; i++) {
		const struct kvf_prog_piece *p = &t->pieces[i];

		if (p->ref.type == KVF_REF_LITERAL) {
			texts[i] = p->ref.text;
			continue;
		}
		st = eval_piece(run, scope, p, first, &v, err);
		if (!st && v.type == KVF_VAL_NULL) {
			*null = p;
			return KVF_OK;
		}
		if (!st)
			st = kvf_val_text(run, &v, &texts[i], err);
		if (st)
			return blame_piece(run, p, st, err);
	}
	return KVF_OK;
}

static enum kvf_status join(struct kvf_run *run, const struct kvf_bytes *texts, size_t n,
			    struct kvf_bytes *out, struct kvf_err *err)
{
	size_t len = 0, i;
	enum kvf_status st;
	uint8_t *at;
	void *p;

	if (n == 1) {
		*out = texts[0];
		return KVF_OK;
	}
	for (i = 0; i < n; i++) {
		if (texts[i].len > SIZE_MAX / 2 - len)
			return kvf_fail(err, KVF_EREJECT, "the text is too long");
		len += texts[i].len;
	}
	st = kvf_scratch_alloc(&run->sink->scratch, len, &p, err);
	if (st)
		return st;
	at = p;
	for (i = 0; i < n; i++) {
		if (texts[i].len)
			memcpy(at, texts[i].ptr, texts[i].len);
		at += texts[i].len;
	}
	out->ptr = p;
	out->len = len;
	return KVF_OK;
}

static enum kvf_status eval_template(struct kvf_run *run, const struct kvf_scope *scope,
				     const struct kvf_prog_template *t, int first,
				     struct kvf_val *out, struct kvf_err *err)
{
	struct kvf_bytes texts[KVF_DEF_TEMPLATE_PIECES];
	const struct kvf_prog_piece *null;
	enum kvf_status st;

	if (t->plain) {
		st = eval_piece(run, scope, &t->pieces[0], first, out, err);
		return blame_piece(run, &t->pieces[0], st, err);
	}
	st = eval_texts(run, scope, t, first, texts, &null, err);
	if (st)
		return st;
	if (null) {
		out->type = KVF_VAL_NULL;
		return KVF_OK;
	}
	out->type = KVF_VAL_TEXT;
	out->json = NULL;
	st = join(run, texts, t->npieces, &out->u.b, err);
	if (st == KVF_EREJECT)
		return blame_piece(run, &t->pieces[t->npieces - 1], st, err);
	return st;
}

enum kvf_status kvf_eval_template(struct kvf_run *run, const struct kvf_scope *scope,
				  const struct kvf_prog_template *t, struct kvf_val *out,
				  struct kvf_err *err)
{
	return eval_template(run, scope, t, 0, out, err);
}

enum kvf_status kvf_eval_into(struct kvf_run *run, const struct kvf_prog_template *t,
			      const char *what, enum kvf_sink_buffer which, struct kvf_err *err)
{
	static const struct kvf_scope row = { NULL, 0 };
	struct kvf_bytes texts[KVF_DEF_TEMPLATE_PIECES];
	const struct kvf_prog_piece *null;
	enum kvf_status st;
	size_t i;

	st = eval_texts(run, &row, t, 0, texts, &null, err);
	if (st)
		return st;
	if (null) {
		kvf_fail(err, KVF_EREJECT, "NULL in a %s", what);
		kvf_err_hint(err,
			     "Where NULL is meant to be nothing, write {%s?}, or "
			     "{%s|else:TEXT}; or leave such rows out with \"when\".",
			     null->def->name, null->def->name);
		return blame_piece(run, null, KVF_EREJECT, err);
	}
	kvf_sink_reset(run->sink, which);
	for (i = 0; i < t->npieces; i++) {
		st = kvf_sink_append(run->sink, which, texts[i].ptr, texts[i].len, err);
		if (st == KVF_EREJECT)
			return kvf_run_blame(run, t->pieces[i].def->pos, "template for the",
					     what, err);
		if (st)
			return st;
	}
	return KVF_OK;
}

enum kvf_status kvf_eval_lets(struct kvf_run *run, struct kvf_err *err)
{
	static const struct kvf_scope row = { NULL, 0 };
	const struct kvf_def_record *def = run->record->def;
	enum kvf_status st;
	size_t i, k;

	for (i = 0; i < def->nlets; i++) {
		const struct kvf_prog_let *let = &run->record->lets[i];
		struct kvf_val *v = &run->lets[i];

		v->type = KVF_VAL_NULL;
		for (k = 0; k < let->def->nalternatives && v->type == KVF_VAL_NULL; k++) {
			st = eval_template(run, &row, &let->alternatives[k], let->def->first, v,
					   err);
			if (st)
				return st;
		}
	}
	return KVF_OK;
}
