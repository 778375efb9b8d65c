/*
 * print_protobuf - protobuf values as JSON text, by the message tables of a
 * stream.  A field is printed where it stands first: all of a repeated field,
 * the last of any other.  What the tables do not know comes at the end.
 */
#include "value/print.h"

#include "value/protobuf.h"
#include "value/timestamp.h"

#include <stdio.h>
#include <string.h>

enum scalar {
	S_DOUBLE,
	S_FLOAT,
	S_INT32,
	S_INT64,
	S_UINT32,
	S_UINT64,
	S_SINT32,
	S_SINT64,
	S_FIXED32,
	S_FIXED64,
	S_SFIXED32,
	S_SFIXED64,
	S_BOOL,
	S_STRING,
	S_BYTES,
	S_ENUM,
	S_MESSAGE,
	S_TIMESTAMP,
	S_UNKNOWN
};

/* What the words of a field's type say. */
struct type {
	int repeated, map;
	enum scalar key, value;
};

static enum scalar scalar_named(const char *name, size_t len)
{
	static const char *const names[] = { "double",  "float",    "int32",    "int64",
					     "uint32",  "uint64",   "sint32",   "sint64",
					     "fixed32", "fixed64",  "sfixed32", "sfixed64",
					     "bool",    "string",   "bytes",    "enum",
					     "message", "timestamp" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return (enum scalar)i;
	return S_UNKNOWN;
}

static struct type type_of(const char *text)
{
	struct type t = { 0, 0, S_UNKNOWN, S_UNKNOWN };
	const char *comma;
	size_t len = strlen(text);

	if (strncmp(text, "repeated ", 9) == 0) {
		t.repeated = 1;
		t.value = scalar_named(text + 9, len - 9);
	} else if (strncmp(text, "map<", 4) == 0 && text[len - 1] == '>' &&
		   (comma = strchr(text, ','))) {
		t.map = 1;
		t.key = scalar_named(text + 4, (size_t)(comma - text - 4));
		comma++;
		t.value = scalar_named(comma, (size_t)(text + len - 1 - comma));
	} else {
		t.value = scalar_named(text, len);
	}
	return t;
}

static unsigned wire_of(enum scalar s)
{
	switch (s) {
	case S_DOUBLE:
	case S_FIXED64:
	case S_SFIXED64: return KVF_PB_I64;
	case S_FLOAT:
	case S_FIXED32:
	case S_SFIXED32: return KVF_PB_I32;
	case S_STRING:
	case S_BYTES:
	case S_MESSAGE:
	case S_TIMESTAMP: return KVF_PB_LEN;
	case S_INT32:
	case S_INT64:
	case S_UINT32:
	case S_UINT64:
	case S_SINT32:
	case S_SINT64:
	case S_BOOL:
	case S_ENUM:
	case S_UNKNOWN: return KVF_PB_VARINT;
	}
	return KVF_PB_VARINT;
}

static double real_of(enum scalar s, uint64_t v)
{
	uint32_t small = (uint32_t)v;
	double d;
	float f;

	if (s == S_FLOAT) {
		memcpy(&f, &small, sizeof(f));
		return (double)f;
	}
	memcpy(&d, &v, sizeof(d));
	return d;
}

#define YEAR_1 INT64_C(-62135596800)
#define YEAR_9999 INT64_C(253402300799)

static void timestamp(struct kvf_printer *p, struct kvf_bytes b)
{
	struct kvf_timestamp t = { 0, 0 };
	char text[KVF_TIMESTAMP_TEXT], plain[80];
	struct kvf_bytes printed = { (const uint8_t *)text, 0 };
	struct kvf_pb_field w;

	while (b.len) {
		if (!kvf_pb_next(&b, &w)) {
			p->bad = 1;
			return;
		}
		if (w.number == 1 && w.type == KVF_PB_VARINT)
			t.seconds = (int64_t)w.v;
		else if (w.number == 2 && w.type == KVF_PB_VARINT)
			t.nanos = (int32_t)w.v;
	}
	if (t.nanos >= 0 && t.nanos <= 999999999 && t.seconds >= YEAR_1 &&
	    t.seconds <= YEAR_9999) {
		printed.len = kvf_timestamp_format(t, text);
		kvf_print_text(p, printed);
		return;
	}
	snprintf(plain, sizeof(plain), "{\"seconds\":\"%lld\",\"nanos\":%ld}",
		 (long long)t.seconds, (long)t.nanos);
	kvf_print_put(p, plain);
}

static void enumerator(struct kvf_printer *p, int64_t ref, uint64_t v)
{
	const struct kvf_message *m;
	size_t i;

	if (ref >= 0 && (uint64_t)ref < p->as->nmessages) {
		m = &p->as->messages[ref];
		for (i = 0; i < m->nfields; i++)
			if (m->fields[i].number == v &&
			    strcmp(m->fields[i].type, "const") == 0) {
				kvf_print_text(p, kvf_bytes_str(m->fields[i].name));
				return;
			}
	}
	kvf_print_i64(p, (int64_t)v);
}

static void message(struct kvf_printer *p, uint64_t index, struct kvf_bytes b, unsigned depth);

/* A number or bool; message, string and the like have their own. */
static void number(struct kvf_printer *p, enum scalar s, int64_t ref, uint64_t v)
{
	switch (s) {
	case S_DOUBLE:
	case S_FLOAT: kvf_print_real(p, real_of(s, v)); return;
	case S_INT32:
	case S_SFIXED32: kvf_print_i64(p, (int32_t)(uint32_t)v); return;
	case S_INT64:
	case S_SFIXED64: kvf_print_i64(p, (int64_t)v); return;
	case S_UINT32:
	case S_FIXED32: kvf_print_u64(p, (uint32_t)v); return;
	case S_UINT64:
	case S_FIXED64: kvf_print_u64(p, v); return;
	case S_SINT32:
	case S_SINT64: kvf_print_i64(p, (int64_t)(v >> 1) ^ -(int64_t)(v & 1)); return;
	case S_BOOL: kvf_print_put(p, v ? "true" : "false"); return;
	case S_ENUM: enumerator(p, ref, v); return;
	case S_STRING:
	case S_BYTES:
	case S_MESSAGE:
	case S_TIMESTAMP:
	case S_UNKNOWN: break;
	}
	p->bad = 1;
}

static void one(struct kvf_printer *p, enum scalar s, int64_t ref, const struct kvf_pb_field *w,
		unsigned depth)
{
	if (s == S_UNKNOWN || w->type != wire_of(s)) {
		p->bad = 1;
		return;
	}
	switch ((int)s) {
	case S_STRING: kvf_print_string(p, w->b); return;
	case S_BYTES: kvf_print_hex(p, w->b); return;
	case S_TIMESTAMP: timestamp(p, w->b); return;
	case S_MESSAGE:
		if (depth == KVF_PRINT_DEPTH)
			kvf_print_put(p, "\"...\"");
		else
			message(p, ref < 0 ? UINT64_MAX : (uint64_t)ref, w->b, depth + 1);
		return;
	default: number(p, s, ref, w->v); return;
	}
}

/* Numbers packed into one field. */
static void packed(struct kvf_printer *p, enum scalar s, int64_t ref, struct kvf_bytes b,
		   int *first)
{
	unsigned type = wire_of(s);
	uint64_t v;
	int ok;

	while (b.len && !p->bad && !p->st) {
		ok = type == KVF_PB_VARINT ? kvf_pb_read_varint(&b, &v)
		     : type == KVF_PB_I64  ? kvf_pb_read_fixed(&b, 8, &v)
					   : kvf_pb_read_fixed(&b, 4, &v);
		if (!ok) {
			p->bad = 1;
			return;
		}
		if (!*first)
			kvf_print_put(p, ",");
		*first = 0;
		number(p, s, ref, v);
	}
}

/* What an entry of a map leaves out is empty or zero, as protobuf has it. */
static void map_default(struct kvf_printer *p, enum scalar s, int64_t ref)
{
	if (s == S_STRING || s == S_BYTES || s == S_TIMESTAMP)
		kvf_print_put(p, s == S_BYTES ? "\"hex:\"" : "\"\"");
	else if (s == S_MESSAGE)
		kvf_print_put(p, "{}");
	else
		number(p, s, ref, 0);
}

static void map_entry(struct kvf_printer *p, const struct type *t, int64_t ref,
		      struct kvf_bytes b, unsigned depth)
{
	struct kvf_pb_field w, key = { 0 }, value = { 0 };
	size_t mark;

	while (b.len) {
		if (!kvf_pb_next(&b, &w)) {
			p->bad = 1;
			return;
		}
		if (w.number == 1)
			key = w;
		else if (w.number == 2)
			value = w;
	}
	mark = p->out->len;
	if (key.number)
		one(p, t->key, -1, &key, depth);
	else
		map_default(p, t->key, -1);
	if (!p->bad && !p->st && p->out->ptr[mark] != '"') {
		char text[48];
		int n = snprintf(text, sizeof(text), "\"%.*s\"", (int)(p->out->len - mark),
				 (const char *)p->out->ptr + mark);

		p->out->len = mark;
		kvf_print_put_n(p, text, (size_t)n);
	}
	kvf_print_put(p, ":");
	if (value.number)
		one(p, t->value, ref, &value, depth);
	else
		map_default(p, t->value, ref);
}

/* Field f of a message, whose first occurrence is the first field of `b`. */
static void field(struct kvf_printer *p, const struct kvf_field *f, struct kvf_bytes b,
		  unsigned depth)
{
	struct type t = type_of(f->type);
	struct kvf_pb_field w, last = { 0 };
	int first = 1;

	kvf_print_text(p, kvf_bytes_str(f->name));
	kvf_print_put(p, t.map ? ":{" : t.repeated ? ":[" : ":");
	while (b.len && !p->bad && !p->st) {
		if (!kvf_pb_next(&b, &w)) {
			p->bad = 1;
			return;
		}
		if (w.number != f->number)
			continue;
		last = w;
		if (!t.map && !t.repeated)
			continue;
		if (t.repeated && w.type == KVF_PB_LEN && wire_of(t.value) != KVF_PB_LEN) {
			packed(p, t.value, f->ref, w.b, &first);
			continue;
		}
		if (!first)
			kvf_print_put(p, ",");
		first = 0;
		if (t.map && w.type != KVF_PB_LEN)
			p->bad = 1;
		else if (t.map)
			map_entry(p, &t, f->ref, w.b, depth);
		else
			one(p, t.value, f->ref, &w, depth);
	}
	if (t.map || t.repeated)
		kvf_print_put(p, t.map ? "}" : "]");
	else
		one(p, t.value, f->ref, &last, depth);
}

static void unknown(struct kvf_printer *p, const struct kvf_pb_field *w)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"field\":%lu,\"value\":", (unsigned long)w->number);
	kvf_print_put(p, text);
	if (w->type == KVF_PB_LEN)
		kvf_print_hex(p, w->b);
	else
		kvf_print_u64(p, w->v);
	kvf_print_put(p, "}");
}

/* Index of the field with this number, or nfields. */
static size_t find(const struct kvf_message *m, uint32_t field_number)
{
	size_t low = 0, high = m->nfields, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (m->fields[mid].number < field_number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->nfields && m->fields[low].number == field_number ? low : m->nfields;
}

#define FIELDS_MAX 512 /* of one message: stream-v1, Limits */

/* Recursion ends at KVF_PRINT_DEPTH. */
static void message(struct kvf_printer *p, uint64_t index, struct kvf_bytes b, unsigned depth)
{
	static const struct kvf_message none = { "", NULL, 0 };
	const struct kvf_message *m =
		index < p->as->nmessages ? &p->as->messages[index] : &none;
	uint8_t seen[FIELDS_MAX / 8] = { 0 };
	struct kvf_bytes all = b, here;
	size_t i, printed = 0, others = 0;
	struct kvf_pb_field w;

	kvf_print_put(p, "{");
	while (b.len && !p->bad && !p->st) {
		here = b;
		if (!kvf_pb_next(&b, &w)) {
			p->bad = 1;
			return;
		}
		i = find(m, w.number);
		if (i >= m->nfields || i >= FIELDS_MAX) {
			others++;
			continue;
		}
		if (seen[i / 8] & 1u << i % 8)
			continue;
		seen[i / 8] |= (uint8_t)(1u << i % 8);
		if (printed++)
			kvf_print_put(p, ",");
		field(p, &m->fields[i], here, depth);
	}
	if (others) {
		kvf_print_put(p, printed ? ",\"$unknown\":[" : "\"$unknown\":[");
		for (i = 0; all.len && !p->bad && !p->st;) {
			if (!kvf_pb_next(&all, &w))
				break;
			if (find(m, w.number) < m->nfields)
				continue;
			if (i++)
				kvf_print_put(p, ",");
			unknown(p, &w);
		}
		kvf_print_put(p, "]");
	}
	kvf_print_put(p, "}");
}

void kvf_print_protobuf(struct kvf_printer *p, struct kvf_bytes value)
{
	message(p, p->as->msg, value, 0);
}
