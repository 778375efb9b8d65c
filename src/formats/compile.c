/* compile - resolve every name of a definition, once. */
#include "formats/parse.h"
#include "formats/program.h"
#include "formats/run.h"
#include "formats/sql.h"
#include "formats/tree.h"

#include "value/json.h"

#include <string.h>

struct compiler {
	struct kvf_arena *arena;
	struct kvf_prog_record *record;
	size_t nfields;        /* compiled so far in this package */
	struct kvf_sink *sink; /* to try constants out */
};

/* How names are looked up: the first `nlets` lets and columns, or members. */
struct names {
	size_t nlets;
	int json, any_case;
};

static struct kvf_ref row_ref(const struct compiler *c, size_t nlets, const char *name)
{
	const struct kvf_def_record *def = c->record->def;
	const struct kvf_def_let *let = kvf_def_find_let(def, nlets, name);
	struct kvf_ref ref;
	uint32_t i = 0;

	memset(&ref, 0, sizeof(ref));
	if (let) {
		ref.type = KVF_REF_LET;
		ref.index = (uint32_t)(let - def->lets);
		return ref;
	}
	while (strcmp(c->record->columns[i], name) != 0)
		i++; /* kvf_def_columns() has listed them all */
	ref.type = KVF_REF_COLUMN;
	ref.index = i;
	return ref;
}

static enum kvf_status resolve(const struct compiler *c, const struct names *names,
			       const struct kvf_def_piece *piece, struct kvf_ref *ref,
			       struct kvf_err *err)
{
	memset(ref, 0, sizeof(*ref));
	if (!piece->name) {
		ref->type = KVF_REF_LITERAL;
		ref->text = piece->literal;
	} else if (names->json) {
		ref->type = strcmp(piece->name, ".") == 0 ? KVF_REF_SELF : KVF_REF_MEMBER;
		ref->text = kvf_bytes_str(piece->name);
		ref->any_case = names->any_case;
	} else if (strcmp(piece->name, ".") == 0) {
		kvf_def_fail(err, piece->pos, "{.} means the element, and there is none here");
		kvf_err_hint(err,
			     "It stands in the fields of an object that is read from JSON.");
		return KVF_EDEFINITION;
	} else {
		*ref = row_ref(c, names->nlets, piece->name);
	}
	return KVF_OK;
}

static enum kvf_status compile_into(const struct compiler *c, const struct names *names,
				    const struct kvf_def_template *def,
				    struct kvf_prog_template *t, struct kvf_err *err)
{
	struct kvf_prog_piece *pieces;
	enum kvf_status st;
	size_t i, k;

	pieces = kvf_arena_zalloc(c->arena, def->npieces * sizeof(*pieces));
	if (!pieces)
		return kvf_fail_nomem(err);
	t->pieces = pieces;
	t->npieces = def->npieces;
	t->plain = kvf_template_is_plain(def);
	for (i = 0; i < def->npieces; i++) {
		const struct kvf_def_piece *piece = &def->pieces[i];

		pieces[i].def = piece;
		pieces[i].nullable = piece->optional;
		for (k = 0; k < piece->nfilters; k++)
			if (piece->filters[k].id == KVF_FILTER_ELSE)
				pieces[i].nullable = 1;
		st = resolve(c, names, piece, &pieces[i].ref, err);
		if (st)
			return st;
	}
	return KVF_OK;
}

static enum kvf_status compile_template(const struct compiler *c, const struct names *names,
					const struct kvf_def_template *def,
					const struct kvf_prog_template **out,
					struct kvf_err *err)
{
	struct kvf_prog_template *t = kvf_arena_zalloc(c->arena, sizeof(*t));

	if (!t)
		return kvf_fail_nomem(err);
	*out = t;
	return compile_into(c, names, def, t, err);
}

/* ---- fields -------------------------------------------------------------------- */

/* What stands before a field's value: its packed or quoted name. */
static enum kvf_status head_of(const struct compiler *c, enum kvf_encoding encoding,
			       const char *name, struct kvf_bytes *out, struct kvf_err *err)
{
	struct kvf_bytes text = kvf_bytes_str(name);
	struct kvf_buf b;
	enum kvf_status st;
	char *copy = NULL;

	kvf_buf_init(&b, 8 * KVF_DEF_FIELD_NAME_MAX);
	if (encoding == KVF_JSON) {
		st = kvf_json_write_string(&b, text, err);
		if (!st)
			st = kvf_buf_append(&b, ":", 1, err);
	} else {
		uint8_t head[2] = { 0xd9, (uint8_t)text.len };

		if (text.len <= 31)
			head[1] = (uint8_t)(0xa0 | text.len);
		st = kvf_buf_append(&b, text.len <= 31 ? head + 1 : head,
				    text.len <= 31 ? 1 : 2, err);
		if (!st)
			st = kvf_buf_append(&b, text.ptr, text.len, err);
	}
	if (!st) {
		copy = kvf_arena_strndup(c->arena, b.ptr, b.len);
		out->ptr = (const uint8_t *)copy;
		out->len = b.len;
	}
	kvf_buf_release(&b);
	return st ? st : copy ? KVF_OK : kvf_fail_nomem(err);
}

/* A constant or default is encoded once now: a bad one is the definition's fault. */
static enum kvf_status try_constant(struct compiler *c, enum kvf_encoding encoding,
				    const struct kvf_def_field *def, struct kvf_bytes text,
				    const char *key, struct kvf_err *err)
{
	struct kvf_run run = { c->sink, c->record, NULL, NULL };
	struct kvf_def_field fixed = *def;
	struct kvf_prog_field f;
	enum kvf_status st;

	memset(&f, 0, sizeof(f));
	f.def = &fixed;
	fixed.is_const = 1;
	fixed.constant = text;
	kvf_scratch_reset(&c->sink->scratch);
	kvf_sink_reset(c->sink, KVF_SINK_VALUE);
	c->sink->tape.len = 0;
	if (encoding == KVF_PROTOBUF)
		st = kvf_encode_protobuf(&run, &f, 1, err);
	else
		st = kvf_encode_tree(&run,
				     encoding == KVF_JSON ? &kvf_tree_json : &kvf_tree_msgpack,
				     &f, 1, err);
	if (st == KVF_EREJECT)
		return kvf_def_fail(err, def->pos, "bad \"%s\": %.300s", key,
				    err ? err->message : "");
	return st;
}

/* msgpack maps are sorted by name, protobuf messages by tag. */
static int goes_before(enum kvf_encoding encoding, const struct kvf_prog_field *a,
		       const struct kvf_prog_field *b)
{
	if (encoding == KVF_PROTOBUF)
		return a->def->tag < b->def->tag;
	return encoding == KVF_MSGPACK && strcmp(a->def->name, b->def->name) < 0;
}

static enum kvf_status compile_fields(struct compiler *c, enum kvf_encoding encoding,
				      const struct names *names,
				      const struct kvf_def_field *def, size_t n,
				      const struct kvf_prog_field **out, struct kvf_err *err)
{
	struct kvf_prog_field *list, f;
	enum kvf_status st;
	size_t i, at;

	c->nfields += n;
	if (c->nfields > KVF_PROG_FIELDS_MAX)
		return kvf_def_fail(err, def->pos, "the package has too many fields");
	list = kvf_arena_zalloc(c->arena, n * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	*out = list;
	for (i = 0; i < n; i++) {
		struct names inner = *names;

		memset(&f, 0, sizeof(f));
		f.def = &def[i];
		f.nfields = def[i].nfields;
		inner.json |= def[i].from != NULL;
		inner.any_case = def[i].any_case;
		st = KVF_OK;
		if (def[i].is_const)
			st = try_constant(c, encoding, &def[i], def[i].constant, "const", err);
		if (!st && def[i].has_default)
			st = try_constant(c, encoding, &def[i], def[i].fallback, "default",
					  err);
		if (!st && encoding != KVF_PROTOBUF)
			st = head_of(c, encoding, def[i].name, &f.head, err);
		if (!st && def[i].from)
			st = compile_template(c, names, def[i].from, &f.from, err);
		if (!st && def[i].nfields)
			st = compile_fields(c, encoding, &inner, def[i].fields, def[i].nfields,
					    &f.fields, err);
		if (st)
			return st;
		for (at = i; at && goes_before(encoding, &f, &list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = f;
	}
	return KVF_OK;
}

/* ---- records -------------------------------------------------------------------- */

static enum kvf_status compile_when(const struct compiler *c, const struct kvf_def_expr *def,
				    struct kvf_prog_entry *e, struct kvf_err *err)
{
	size_t all = c->record->def->nlets, i;
	struct kvf_prog_test *tests;

	tests = kvf_arena_zalloc(c->arena, def->nnodes * sizeof(*tests));
	if (!tests)
		return kvf_fail_nomem(err);
	for (i = 0; i < def->nnodes; i++) {
		const struct kvf_def_expr_node *node = &def->nodes[i];

		tests[i].def = node;
		if (node->x.type == KVF_OPERAND_NAME && node->x.name)
			tests[i].x = row_ref(c, all, node->x.name);
		if (node->y.type == KVF_OPERAND_NAME && node->y.name)
			tests[i].y = row_ref(c, all, node->y.name);
	}
	e->when = tests;
	e->nwhen = def->nnodes;
	return KVF_OK;
}

/* Entries of one record that have the same value share its compiled form. */
static const struct kvf_prog_entry *same_value(const struct kvf_prog_entry *list, size_t n,
					       const struct kvf_def_value *value)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].def->value == value)
			return &list[i];
	return NULL;
}

static enum kvf_status compile_entry(struct compiler *c, const struct kvf_prog_entry *before,
				     size_t nbefore, const struct kvf_def_entry *def,
				     struct kvf_prog_entry *e, struct kvf_err *err)
{
	const struct names names = { c->record->def->nlets, 0, 0 };
	const struct kvf_prog_entry *same = same_value(before, nbefore, def->value);
	enum kvf_status st;

	e->def = def;
	e->nfields = def->value->nfields;
	st = compile_template(c, &names, def->partition, &e->partition, err);
	if (!st)
		st = compile_template(c, &names, def->key, &e->key, err);
	if (!st && def->when)
		st = compile_when(c, def->when, e, err);
	if (st)
		return st;
	if (same) {
		e->raw = same->raw;
		e->fields = same->fields;
		e->nfields = same->nfields;
		return KVF_OK;
	}
	if (def->value->from) { /* the fields of a copied message are never filled */
		st = compile_template(c, &names, def->value->from, &e->raw, err);
		e->nfields = 0;
		return st;
	}
	return compile_fields(c, def->value->encoding, &names, def->value->fields,
			      def->value->nfields, &e->fields, err);
}

static enum kvf_status compile_lets(const struct compiler *c, struct kvf_err *err)
{
	const struct kvf_def_record *def = c->record->def;
	struct kvf_prog_let *lets;
	enum kvf_status st;
	size_t i, k;

	lets = kvf_arena_zalloc(c->arena, def->nlets * sizeof(*lets));
	if (!lets)
		return kvf_fail_nomem(err);
	c->record->lets = lets;
	for (i = 0; i < def->nlets; i++) {
		const struct names names = { i, 0, 0 };
		struct kvf_prog_template *list;

		lets[i].def = &def->lets[i];
		list = kvf_arena_zalloc(c->arena, def->lets[i].nalternatives * sizeof(*list));
		if (!list)
			return kvf_fail_nomem(err);
		lets[i].alternatives = list;
		for (k = 0; k < def->lets[i].nalternatives; k++) {
			st = compile_into(c, &names, &def->lets[i].alternatives[k], &list[k],
					  err);
			if (st)
				return st;
		}
	}
	return KVF_OK;
}

static enum kvf_status list_columns(const struct compiler *c, struct kvf_err *err)
{
	struct kvf_prog_record *r = c->record;
	size_t most = kvf_def_columns(r->def, NULL);
	const char **names = kvf_arena_zalloc(c->arena, most * sizeof(*names));
	const char **key = kvf_arena_zalloc(c->arena, most * sizeof(*key));

	r->cell_of = kvf_arena_zalloc(c->arena, most * sizeof(*r->cell_of));
	if (!names || !key || !r->cell_of)
		return kvf_fail_nomem(err);
	r->columns = names;
	r->ncolumns = kvf_def_columns(r->def, names);
	r->key = key;
	r->nkey = kvf_def_key_columns(r->def, key);
	return KVF_OK;
}

static enum kvf_status compile_record(struct compiler *c, struct kvf_err *err)
{
	const struct kvf_def_record *def = c->record->def;
	struct kvf_prog_entry *entries;
	enum kvf_status st;
	size_t i;

	st = list_columns(c, err);
	if (!st)
		st = compile_lets(c, err);
	entries = kvf_arena_zalloc(c->arena, def->nentries * sizeof(*entries));
	if (!entries)
		return kvf_fail_nomem(err);
	c->record->entries = entries;
	for (i = 0; !st && i < def->nentries; i++)
		st = compile_entry(c, entries, i, &def->entries[i], &entries[i], err);
	return st;
}

/* The part that everybody else sees. */
static enum kvf_status fill_record(struct kvf_formats *f, const struct kvf_def_package *p,
				   const struct kvf_prog_record *prog, struct kvf_record *out,
				   struct kvf_err *err)
{
	const struct kvf_def_record *def = prog->def;
	enum kvf_status st;

	out->name = def->name;
	out->table = def->table;
	out->where = def->where;
	out->ordered = def->ordered;
	out->key = prog->key;
	out->nkey = prog->nkey;
	if (def->table) {
		out->columns = prog->columns;
		out->ncolumns = prog->ncolumns;
		return def->where ? kvf_sql_check(&f->def, def->table_pos, def->where, err)
				  : KVF_OK;
	}
	/* A query says itself what it yields. */
	st = kvf_sql_with(&f->def.arena, p, def->table_pos, def->query, &out->query, err);
	return st ? st : kvf_sql_check(&f->def, def->table_pos, out->query, err);
}

static enum kvf_status fill_checks(struct kvf_formats *f, const struct kvf_def_package *p,
				   const struct kvf_def_check *def, size_t n,
				   struct kvf_check **out, struct kvf_err *err)
{
	const struct kvf_def_package of_all = { .with = f->def.with, .nwith = f->def.nwith };
	struct kvf_check *list = kvf_arena_zalloc(&f->def.arena, (n ? n : 1) * sizeof(*list));
	enum kvf_status st = KVF_OK;
	size_t i;

	if (!list)
		return kvf_fail_nomem(err);
	*out = list;
	for (i = 0; !st && i < n; i++) {
		list[i].code = def[i].code;
		list[i].text = def[i].text;
		list[i].hint = def[i].hint;
		list[i].error = def[i].error;
		st = kvf_sql_with(&f->def.arena, p ? p : &of_all, def[i].pos, def[i].query,
				  &list[i].query, err);
		if (!st)
			st = kvf_sql_check(&f->def, def[i].pos, list[i].query, err);
	}
	return st;
}

static enum kvf_status fill_back(struct kvf_formats *f, struct kvf_prog *prog,
				 struct kvf_err *err)
{
	const struct kvf_def_package *def = prog->def;
	enum kvf_status st = KVF_OK;
	size_t i;

	prog->back = kvf_arena_zalloc(&f->def.arena,
				      (def->nback ? def->nback : 1) * sizeof(*prog->back));
	if (!prog->back)
		return kvf_fail_nomem(err);
	for (i = 0; !st && i < def->nback; i++) {
		prog->back[i].table = def->back[i].table;
		st = kvf_sql_with(&f->def.arena, def, def->back[i].pos, def->back[i].query,
				  &prog->back[i].query, err);
		if (!st)
			st = kvf_sql_check(&f->def, def->back[i].pos, prog->back[i].query, err);
	}
	return st;
}

static enum kvf_status fill_args(struct kvf_formats *f, struct kvf_err *err)
{
	struct kvf_arg *list;
	size_t n = f->def.nargs, i;

	list = kvf_arena_zalloc(&f->def.arena, (n ? n : 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		list[i].name = f->def.args[i].name;
		list[i].help = f->def.args[i].help;
		list[i].type = f->def.args[i].type;
		list[i].fallback = f->def.args[i].fallback;
		list[i].files = f->def.args[i].files;
	}
	f->application.args = list;
	f->application.nargs = n;
	return KVF_OK;
}

static enum kvf_status fill_package(struct kvf_formats *f, struct kvf_prog *prog,
				    struct kvf_package *out, struct kvf_err *err)
{
	const struct kvf_def_package *def = prog->def;
	size_t n = def->nrecords + def->nsides, i;
	enum kvf_status st = KVF_OK;

	prog->rows = kvf_arena_zalloc(&f->def.arena, n * sizeof(*prog->rows));
	if (!prog->rows)
		return kvf_fail_nomem(err);
	for (i = 0; !st && i < n; i++)
		st = fill_record(f, def, &prog->records[i], &prog->rows[i], err);
	if (!st)
		st = fill_checks(f, def, def->checks, def->nchecks, &prog->checks, err);
	if (!st)
		st = fill_back(f, prog, err);
	if (!st && def->nback)
		st = kvf_formats_matchers(&f->def.arena, prog, err);
	if (st)
		return st;
	out->name = def->name;
	out->rev = def->version;
	out->records = prog->rows;
	out->nrecords = def->nrecords;
	out->sides = prog->rows + def->nrecords;
	out->nsides = def->nsides;
	out->checks = prog->checks;
	out->nchecks = def->nchecks;
	out->back = prog->back;
	out->nback = def->nback;
	out->lost = def->lost;
	out->nlost = def->nlost;
	out->kind_of = def->nback ? kvf_formats_kind_of : NULL;
	out->convert = kvf_formats_convert;
	out->state = prog;
	return kvf_formats_kinds(&f->def.arena, def, out, err);
}

static enum kvf_status compile_package(struct kvf_formats *f, const struct kvf_def_package *def,
				       struct kvf_prog *prog, struct kvf_package *out,
				       struct kvf_err *err)
{
	static const struct kvf_sink_caps caps = { 1024, 4096, KVF_DEF_FILE_MAX * 16 };
	struct compiler c = { .arena = &f->def.arena };
	enum kvf_status st = KVF_OK;
	struct kvf_sink sink;
	size_t i;

	prog->def = def;
	prog->records = kvf_arena_zalloc(c.arena, (def->nrecords + def->nsides) *
							  sizeof(*prog->records));
	if (!prog->records)
		return kvf_fail_nomem(err);
	kvf_sink_init(&sink, &caps, NULL, NULL);
	c.sink = &sink;
	for (i = 0; !st && i < def->nrecords + def->nsides; i++) {
		c.record = &prog->records[i];
		c.record->package = def;
		c.record->def = &def->records[i];
		st = compile_record(&c, err);
	}
	kvf_sink_release(&sink);
	return st ? st : fill_package(f, prog, out, err);
}

enum kvf_status kvf_formats_compile(struct kvf_formats *f, struct kvf_err *err)
{
	struct kvf_application *app = &f->application;
	struct kvf_def *def = &f->def;
	struct kvf_package **list, *packages;
	enum kvf_status st = KVF_OK;
	size_t i;

	f->programs = kvf_arena_zalloc(&def->arena, def->npackages * sizeof(*f->programs));
	packages = kvf_arena_zalloc(&def->arena, def->npackages * sizeof(*packages));
	list = kvf_arena_zalloc(&def->arena, def->npackages * sizeof(*list));
	if (!f->programs || !packages || !list)
		return kvf_fail_nomem(err);
	for (i = 0; !st && i < def->npackages; i++) {
		list[i] = &packages[i];
		st = compile_package(f, &def->packages[i], &f->programs[i], &packages[i], err);
	}
	if (!st)
		st = fill_checks(f, NULL, def->checks, def->nchecks, &f->checks, err);
	if (!st)
		st = fill_args(f, err);
	app->checks = f->checks;
	app->nchecks = def->nchecks;
	app->source_otherwise = def->source_otherwise;
	app->name = def->application;
	app->packages = list;
	app->npackages = def->npackages;
	app->source_version = def->source_version;
	app->source_requires = def->source_requires;
	app->schema = def->schema;
	app->version_part = def->version_part;
	app->version_key = def->version_key;
	app->version_started = def->version_started;
	app->version_done = def->version_done;
	app->drop = def->drop;
	app->ndrop = def->ndrop;
	return st;
}
