/* copied - a protobuf message that the source holds already: copied if it is one. */
#include "formats/run.h"

#include "base/text.h"
#include "value/protobuf.h"

static unsigned wire_of(enum kvf_type t)
{
	switch ((int)t) {
	case KVF_TYPE_FIXED32:
	case KVF_TYPE_SFIXED32:
	case KVF_TYPE_PB_FLOAT: return KVF_PB_I32;
	case KVF_TYPE_FIXED64:
	case KVF_TYPE_SFIXED64:
	case KVF_TYPE_DOUBLE: return KVF_PB_I64;
	case KVF_TYPE_STRING:
	case KVF_TYPE_BYTES:
	case KVF_TYPE_TIMESTAMP:
	case KVF_TYPE_MESSAGE: return KVF_PB_LEN;
	default: return KVF_PB_VARINT;
	}
}

/* A run of packed numbers. */
static int is_packed(unsigned wire, struct kvf_bytes b)
{
	int ok = 1;
	uint64_t v;

	while (ok && b.len)
		ok = wire == KVF_PB_VARINT
			     ? kvf_pb_read_varint(&b, &v)
			     : kvf_pb_read_fixed(&b, wire == KVF_PB_I32 ? 4 : 8, &v);
	return ok;
}

static int is_message(struct kvf_bytes b, const struct kvf_def_field *fields, size_t n);

/* Is it one value of the type? */
static int is_value(const struct kvf_pb_field *f, enum kvf_type type,
		    const struct kvf_def_field *fields, size_t n)
{
	if (f->type != wire_of(type))
		return 0;
	if (type == KVF_TYPE_STRING)
		return kvf_utf8_valid(f->b.ptr, f->b.len) == f->b.len;
	if (type == KVF_TYPE_MESSAGE || type == KVF_TYPE_TIMESTAMP)
		return is_message(f->b, fields, n);
	return 1;
}

static int is_pair(struct kvf_bytes b, const struct kvf_def_field *def)
{
	struct kvf_pb_field f;

	while (b.len) {
		if (!kvf_pb_next(&b, &f))
			return 0;
		if (f.number == 1 && !is_value(&f, def->key_type, NULL, 0))
			return 0;
		if (f.number == 2 && !is_value(&f, def->type, def->fields, def->nfields))
			return 0;
	}
	return 1;
}

static int fits(const struct kvf_pb_field *f, const struct kvf_def_field *def)
{
	unsigned wire = wire_of(def->type);

	if (def->shape == KVF_SHAPE_MAP)
		return f->type == KVF_PB_LEN && is_pair(f->b, def);
	if (def->shape == KVF_SHAPE_REPEATED && wire != KVF_PB_LEN && f->type == KVF_PB_LEN)
		return is_packed(wire, f->b);
	return is_value(f, def->type, def->fields, def->nfields);
}

/* Recursion goes as deep as the definition: KVF_DEF_FIELD_DEPTH. */
static int is_message(struct kvf_bytes b, const struct kvf_def_field *fields, size_t n)
{
	struct kvf_pb_field f;
	size_t i;

	while (b.len) {
		if (!kvf_pb_next(&b, &f))
			return 0;
		for (i = 0; i < n; i++)
			if (fields[i].tag == f.number && !fits(&f, &fields[i]))
				return 0;
	}
	return 1;
}

enum kvf_status kvf_encode_copied(struct kvf_run *run, const struct kvf_prog_entry *e,
				  struct kvf_err *err)
{
	const struct kvf_def_value *value = e->def->value;
	enum kvf_status st = kvf_eval_into(run, e->raw, "value", KVF_SINK_VALUE, err);

	if (st || is_message(kvf_buf_bytes(&run->sink->buf[KVF_SINK_VALUE]), value->fields,
			     value->nfields))
		return st;
	kvf_fail(err, KVF_EREJECT, "not a protobuf message of this shape");
	return kvf_run_blame(run, value->from->pos, "value", value->name, err);
}
