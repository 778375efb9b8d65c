/* print_msgpack - msgpack values as JSON text. */
#include "value/print.h"

#include "value/msgpack.h"

#include <stdio.h>

/* What lies inside a container that is not printed. */
static void skip(struct kvf_printer *p, struct kvf_unpack *u, uint64_t objects)
{
	struct kvf_object o;

	for (; objects && !p->bad; objects--) {
		if (kvf_unpack_next(u, &o, NULL))
			p->bad = 1;
		else if (o.type == KVF_OBJECT_ARRAY)
			objects += o.u.n;
		else if (o.type == KVF_OBJECT_MAP)
			objects += 2 * (uint64_t)o.u.n;
	}
}

static void ext(struct kvf_printer *p, const struct kvf_object *o)
{
	char text[32];

	if (o->ext == KVF_EXT_TEXT) { /* text that is not UTF-8 */
		kvf_print_hex(p, o->u.b);
		return;
	}
	snprintf(text, sizeof(text), "{\"ext\":%d,\"bytes\":", o->ext);
	kvf_print_put(p, text);
	kvf_print_hex(p, o->u.b);
	kvf_print_put(p, "}");
}

static void scalar(struct kvf_printer *p, const struct kvf_object *o)
{
	switch (o->type) {
	case KVF_OBJECT_NIL: kvf_print_put(p, "null"); break;
	case KVF_OBJECT_BOOL: kvf_print_put(p, o->u.i ? "true" : "false"); break;
	case KVF_OBJECT_INT: kvf_print_i64(p, o->u.i); break;
	case KVF_OBJECT_UINT: kvf_print_u64(p, o->u.u); break;
	case KVF_OBJECT_REAL: kvf_print_real(p, o->u.r); break;
	case KVF_OBJECT_STR: kvf_print_string(p, o->u.b); break;
	case KVF_OBJECT_BIN: kvf_print_hex(p, o->u.b); break;
	case KVF_OBJECT_EXT: ext(p, o); break;
	case KVF_OBJECT_ARRAY:
	case KVF_OBJECT_MAP: break;
	}
}

/* JSON wants a string before the colon, msgpack allows anything. */
static void key(struct kvf_printer *p, struct kvf_unpack *u)
{
	struct kvf_object o;
	size_t mark;

	if (kvf_unpack_next(u, &o, NULL)) {
		p->bad = 1;
		return;
	}
	if (o.type == KVF_OBJECT_ARRAY || o.type == KVF_OBJECT_MAP) {
		kvf_print_put(p, "\"...\"");
		skip(p, u, o.type == KVF_OBJECT_MAP ? 2 * (uint64_t)o.u.n : o.u.n);
		return;
	}
	if (o.type == KVF_OBJECT_EXT) {
		kvf_print_hex(p, o.u.b);
		return;
	}
	mark = p->out->len;
	scalar(p, &o);
	if (!p->st && !p->bad && p->out->ptr[mark] != '"') { /* 5 -> "5" */
		char text[48];
		int n = snprintf(text, sizeof(text), "\"%.*s\"", (int)(p->out->len - mark),
				 (const char *)p->out->ptr + mark);

		p->out->len = mark;
		kvf_print_put_n(p, text, (size_t)n);
	}
}

/* One object.  Recursion ends at KVF_PRINT_DEPTH. */
static void object(struct kvf_printer *p, struct kvf_unpack *u, unsigned depth)
{
	struct kvf_object o;
	uint32_t i;

	if (p->st || p->bad)
		return;
	if (kvf_unpack_next(u, &o, NULL)) {
		p->bad = 1;
		return;
	}
	if (o.type != KVF_OBJECT_ARRAY && o.type != KVF_OBJECT_MAP) {
		scalar(p, &o);
		return;
	}
	if (depth == KVF_PRINT_DEPTH) {
		kvf_print_put(p, "\"...\"");
		skip(p, u, o.type == KVF_OBJECT_MAP ? 2 * (uint64_t)o.u.n : o.u.n);
		return;
	}
	kvf_print_put(p, o.type == KVF_OBJECT_MAP ? "{" : "[");
	for (i = 0; i < o.u.n && !p->st && !p->bad; i++) {
		if (i)
			kvf_print_put(p, ",");
		if (o.type == KVF_OBJECT_MAP) {
			key(p, u);
			kvf_print_put(p, ":");
		}
		object(p, u, depth + 1);
	}
	kvf_print_put(p, o.type == KVF_OBJECT_MAP ? "}" : "]");
}

void kvf_print_msgpack(struct kvf_printer *p, struct kvf_bytes value)
{
	struct kvf_unpack u;
	struct kvf_object o;

	kvf_unpack_init(&u, value);
	object(p, &u, 0);
	if (!p->st && !p->bad && kvf_unpack_next(&u, &o, NULL) != KVF_EOF)
		p->bad = 1; /* a second object: not one value */
}
