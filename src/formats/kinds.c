/* kinds - how to read a package's values without its definition. */
#include "formats/program.h"
#include "formats/yaml.h"

#include <string.h>

#define PIECES_MAX 8
#define PIECE_BYTES_MAX 256

static const struct kvf_bytes nothing = { (const uint8_t *)"", 0 };

static struct kvf_bytes first_bytes(struct kvf_bytes b)
{
	b.len = b.len < PIECE_BYTES_MAX ? b.len : PIECE_BYTES_MAX;
	return b;
}

static struct kvf_bytes last_bytes(struct kvf_bytes b)
{
	size_t cut = b.len > PIECE_BYTES_MAX ? b.len - PIECE_BYTES_MAX : 0;

	b.ptr += cut;
	b.len -= cut;
	return b;
}

/*
 * The literal pieces around the placeholders: prefix, those between, suffix.
 * What does not fit is left out, which makes the pattern match more, not less.
 */
static enum kvf_status pattern_of(struct kvf_arena *arena, const struct kvf_def_template *t,
				  struct kvf_pattern *out, struct kvf_err *err)
{
	struct kvf_bytes *pieces = kvf_arena_alloc(arena, PIECES_MAX * sizeof(*pieces));
	struct kvf_bytes prefix = nothing, suffix = nothing;
	size_t n = 1, first = 0, last = t->npieces, i;

	if (!pieces)
		return kvf_fail_nomem(err);
	out->pieces = pieces;
	if (first < last && !t->pieces[first].name)
		prefix = t->pieces[first++].literal;
	if (first == last && prefix.len <= PIECE_BYTES_MAX) {
		pieces[0] = prefix;
		out->npieces = 1;
		return KVF_OK;
	}
	if (first == last)
		suffix = prefix;
	else if (!t->pieces[last - 1].name)
		suffix = t->pieces[--last].literal;
	pieces[0] = first_bytes(prefix);
	for (i = first; i < last && n < PIECES_MAX - 1; i++)
		if (!t->pieces[i].name && t->pieces[i].literal.len)
			pieces[n++] = first_bytes(t->pieces[i].literal);
	pieces[n++] = last_bytes(suffix);
	out->npieces = n;
	return KVF_OK;
}

/* ---- message tables --------------------------------------------------------------- */

struct tables {
	struct kvf_arena *arena;
	struct kvf_message *list;
	size_t n;
};

static size_t count_messages(const struct kvf_def_field *fields, size_t n)
{
	size_t total = 1, i;

	for (i = 0; i < n; i++)
		if (fields[i].nfields)
			total += count_messages(fields[i].fields, fields[i].nfields);
	return total;
}

static const char *type_text(struct kvf_arena *arena, const struct kvf_def_field *f)
{
	if (f->shape == KVF_SHAPE_REPEATED)
		return kvf_arena_printf(arena, "repeated %s", kvf_type_name(f->type));
	if (f->shape == KVF_SHAPE_MAP)
		return kvf_arena_printf(arena, "map<%s,%s>", kvf_type_name(f->key_type),
					kvf_type_name(f->type));
	return kvf_type_name(f->type);
}

/* Add the table of one message and those inside it; *index = its place. */
static enum kvf_status add_message(struct tables *t, const char *name,
				   const struct kvf_def_field *fields, size_t n, int64_t *index,
				   struct kvf_err *err)
{
	struct kvf_message *m = &t->list[t->n];
	struct kvf_field *list = kvf_arena_zalloc(t->arena, n * sizeof(*list));
	enum kvf_status st;
	size_t i, at;

	if (!list || !name)
		return kvf_fail_nomem(err);
	*index = (int64_t)t->n++;
	m->name = name;
	m->fields = list;
	m->nfields = n;
	for (i = 0; i < n; i++) {
		struct kvf_field f = { fields[i].tag, fields[i].name, NULL, -1 };

		f.type = type_text(t->arena, &fields[i]);
		if (!f.type)
			return kvf_fail_nomem(err);
		if (fields[i].type == KVF_TYPE_MESSAGE) {
			st = add_message(t, fields[i].name, fields[i].fields, fields[i].nfields,
					 &f.ref, err);
			if (st)
				return st;
		}
		for (at = i; at && list[at - 1].number > f.number; at--)
			list[at] = list[at - 1];
		list[at] = f;
	}
	return KVF_OK;
}

static enum kvf_status messages_of(struct kvf_arena *arena, const struct kvf_def_package *def,
				   struct tables *t, int64_t *of_value, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t total = 0, i;

	for (i = 0; i < def->nvalues; i++)
		if (def->values[i].encoding == KVF_PROTOBUF)
			total += count_messages(def->values[i].fields, def->values[i].nfields);
	if (total > 1024)
		return kvf_def_fail(err, def->pos, "more than 1024 protobuf messages");
	t->arena = arena;
	t->n = 0;
	t->list = kvf_arena_zalloc(arena, total * sizeof(*t->list));
	if (!t->list)
		return kvf_fail_nomem(err);
	for (i = 0; !st && i < def->nvalues; i++)
		if (def->values[i].encoding == KVF_PROTOBUF)
			st = add_message(t, def->values[i].name, def->values[i].fields,
					 def->values[i].nfields, &of_value[i], err);
	return st;
}

enum kvf_status kvf_formats_kinds(struct kvf_arena *arena, const struct kvf_def_package *def,
				  struct kvf_package *out, struct kvf_err *err)
{
	int64_t *of_value = kvf_arena_zalloc(arena, def->nvalues * sizeof(*of_value));
	struct kvf_kind *kinds;
	enum kvf_status st;
	struct tables t = { 0 };
	size_t total = 0, n = 0, i, k;

	for (i = 0; i < def->nrecords; i++)
		total += def->records[i].nentries;
	kinds = kvf_arena_zalloc(arena, total * sizeof(*kinds));
	if (!of_value || !kinds)
		return kvf_fail_nomem(err);
	st = messages_of(arena, def, &t, of_value, err);
	if (st)
		return st;
	for (i = 0; i < def->nrecords; i++)
		for (k = 0; k < def->records[i].nentries; k++) {
			const struct kvf_def_entry *e = &def->records[i].entries[k];
			struct kvf_kind *kind = &kinds[n++];

			kind->name = e->kind;
			kind->rev = def->version;
			kind->enc = e->value->encoding;
			if (kind->enc == KVF_PROTOBUF)
				kind->msg = (uint32_t)of_value[e->value - def->values];
			st = pattern_of(arena, e->partition, &kind->part, err);
			if (!st)
				st = pattern_of(arena, e->key, &kind->key, err);
			if (st)
				return st;
		}
	out->kinds = kinds;
	out->nkinds = n;
	out->messages = t.list;
	out->nmessages = t.n;
	return KVF_OK;
}
