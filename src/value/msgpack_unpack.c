/*
 * msgpack_unpack - a walk over packed bytes that nobody vouches for.
 *
 * Two invariants bound everything: an object is at least one byte long, so the
 * objects that open containers still need are never more than the bytes left;
 * and no length is believed before the bytes left were asked.
 */
#include "value/msgpack.h"

#include "base/hash.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

void kvf_unpack_init(struct kvf_unpack *u, struct kvf_bytes bytes)
{
	u->start = u->at = bytes.ptr;
	u->end = bytes.len ? bytes.ptr + bytes.len : bytes.ptr;
	u->depth = 0;
	u->owed_all = 0;
}

static enum kvf_status bad(const struct kvf_unpack *u, struct kvf_err *err, const char *what)
{
	return kvf_fail(err, KVF_ESTREAM, "msgpack: %s at byte %zu", what,
			(size_t)(u->at - u->start));
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* How an object begins: what it is, and how wide the number behind its first byte. */
struct shape {
	enum kvf_object_type type;
	uint8_t width; /* bytes of number that follow the first byte */
	uint8_t is_signed;
	uint8_t in_first;  /* the number is in the first byte: no width */
	uint8_t is_fixext; /* length is `number`, no width */
	uint64_t number;
};

/* 0xc0 ... 0xdf, by msgpack's table; `width` 0xff marks what does not exist. */
static const struct shape shapes[32] = {
	[0x00] = { .type = KVF_OBJECT_NIL, .in_first = 1 },
	[0x01] = { .type = KVF_OBJECT_NIL, .width = 0xff },
	[0x02] = { .type = KVF_OBJECT_BOOL, .in_first = 1, .number = 0 },
	[0x03] = { .type = KVF_OBJECT_BOOL, .in_first = 1, .number = 1 },
	[0x04] = { .type = KVF_OBJECT_BIN, .width = 1 },
	[0x05] = { .type = KVF_OBJECT_BIN, .width = 2 },
	[0x06] = { .type = KVF_OBJECT_BIN, .width = 4 },
	[0x07] = { .type = KVF_OBJECT_EXT, .width = 1 },
	[0x08] = { .type = KVF_OBJECT_EXT, .width = 2 },
	[0x09] = { .type = KVF_OBJECT_EXT, .width = 4 },
	[0x0a] = { .type = KVF_OBJECT_REAL, .width = 4 },
	[0x0b] = { .type = KVF_OBJECT_REAL, .width = 8 },
	[0x0c] = { .type = KVF_OBJECT_UINT, .width = 1 },
	[0x0d] = { .type = KVF_OBJECT_UINT, .width = 2 },
	[0x0e] = { .type = KVF_OBJECT_UINT, .width = 4 },
	[0x0f] = { .type = KVF_OBJECT_UINT, .width = 8 },
	[0x10] = { .type = KVF_OBJECT_INT, .width = 1, .is_signed = 1 },
	[0x11] = { .type = KVF_OBJECT_INT, .width = 2, .is_signed = 1 },
	[0x12] = { .type = KVF_OBJECT_INT, .width = 4, .is_signed = 1 },
	[0x13] = { .type = KVF_OBJECT_INT, .width = 8, .is_signed = 1 },
	[0x14] = { .type = KVF_OBJECT_EXT, .is_fixext = 1, .number = 1 },
	[0x15] = { .type = KVF_OBJECT_EXT, .is_fixext = 1, .number = 2 },
	[0x16] = { .type = KVF_OBJECT_EXT, .is_fixext = 1, .number = 4 },
	[0x17] = { .type = KVF_OBJECT_EXT, .is_fixext = 1, .number = 8 },
	[0x18] = { .type = KVF_OBJECT_EXT, .is_fixext = 1, .number = 16 },
	[0x19] = { .type = KVF_OBJECT_STR, .width = 1 },
	[0x1a] = { .type = KVF_OBJECT_STR, .width = 2 },
	[0x1b] = { .type = KVF_OBJECT_STR, .width = 4 },
	[0x1c] = { .type = KVF_OBJECT_ARRAY, .width = 2 },
	[0x1d] = { .type = KVF_OBJECT_ARRAY, .width = 4 },
	[0x1e] = { .type = KVF_OBJECT_MAP, .width = 2 },
	[0x1f] = { .type = KVF_OBJECT_MAP, .width = 4 },
};

static struct shape shape_of(uint8_t first)
{
	struct shape s = { .in_first = 1 };

	if (first < 0x80) {
		s.type = KVF_OBJECT_INT;
		s.number = first;
	} else if (first < 0x90) {
		s.type = KVF_OBJECT_MAP;
		s.number = first & 0x0f;
	} else if (first < 0xa0) {
		s.type = KVF_OBJECT_ARRAY;
		s.number = first & 0x0f;
	} else if (first < 0xc0) {
		s.type = KVF_OBJECT_STR;
		s.number = first & 0x1f;
	} else if (first >= 0xe0) {
		s.type = KVF_OBJECT_INT;
		s.number = (uint64_t)(int64_t)(int8_t)first;
	} else {
		s = shapes[first - 0xc0];
	}
	return s;
}

/* Sign extension without shifting a negative number. */
static int64_t as_signed(uint64_t v, size_t width)
{
	uint64_t sign;

	assert(width >= 1 && width <= 8);
	sign = UINT64_C(1) << (8 * width - 1);

	return (int64_t)((v ^ sign) - sign);
}

static double as_real(uint64_t bits, size_t width)
{
	uint32_t bits32 = (uint32_t)bits;
	double d;
	float f;

	if (width == 8) {
		memcpy(&d, &bits, sizeof(d));
		return d;
	}
	memcpy(&f, &bits32, sizeof(f));
	return (double)f;
}

/* A container opens: its members are owed from now on. */
static enum kvf_status open_container(struct kvf_unpack *u, const uint8_t *next,
				      uint64_t members, struct kvf_err *err)
{
	if (members > (uint64_t)(u->end - next) ||
	    u->owed_all > (uint64_t)(u->end - next) - members)
		return bad(u, err, "more members are claimed than bytes are left");
	if (members == 0)
		return KVF_OK;
	if (u->depth == KVF_UNPACK_DEPTH)
		return bad(u, err, "too many containers inside each other");
	u->owed[u->depth++] = members;
	u->owed_all += members;
	return KVF_OK;
}

/* str, bin, ext: `length` bytes at `next`, behind the type of an ext. */
static enum kvf_status take_bytes(const struct kvf_unpack *u, const uint8_t **next,
				  uint64_t length, struct kvf_object *out, struct kvf_err *err)
{
	if (out->type == KVF_OBJECT_EXT) {
		if (*next == u->end)
			return bad(u, err, "the bytes end inside an object");
		out->ext = (int8_t) * (*next)++;
	}
	if (length > (uint64_t)(u->end - *next))
		return bad(u, err, "more bytes are claimed than are left");
	out->u.b.ptr = *next;
	out->u.b.len = (size_t)length;
	*next += length;
	return KVF_OK;
}

/* One object has come: it was owed by the innermost container that owes any. */
static void settle(struct kvf_unpack *u)
{
	while (u->depth && u->owed[u->depth - 1] == 0)
		u->depth--;
	if (u->depth) {
		u->owed[u->depth - 1]--;
		u->owed_all--;
	}
}

enum kvf_status kvf_unpack_next(struct kvf_unpack *u, struct kvf_object *out,
				struct kvf_err *err)
{
	const uint8_t *next = u->at;
	enum kvf_status st = KVF_OK;
	struct shape s;
	uint64_t v;

	if (next == u->end)
		return u->owed_all ? bad(u, err, "the bytes end inside a container") : KVF_EOF;
	s = shape_of(*next++);
	if (s.width == 0xff)
		return bad(u, err, "a byte that begins no object");
	if (s.width > u->end - next)
		return bad(u, err, "the bytes end inside an object");
	v = s.width ? big_endian(next, s.width) : s.number;
	next += s.width;

	/* The object itself is paid for before its members are added. */
	settle(u);
	memset(out, 0, sizeof(*out));
	out->type = s.type;
	out->depth = u->depth;
	switch (s.type) {
	case KVF_OBJECT_NIL: break;
	case KVF_OBJECT_BOOL: out->u.i = (int64_t)v; break;
	case KVF_OBJECT_INT: out->u.i = s.is_signed ? as_signed(v, s.width) : (int64_t)v; break;
	case KVF_OBJECT_UINT:
		out->u.u = v;
		if (v <= INT64_MAX) {
			out->type = KVF_OBJECT_INT;
			out->u.i = (int64_t)v;
		}
		break;
	case KVF_OBJECT_REAL:
		out->u.r = as_real(v, s.width);
		out->single = s.width == 4;
		break;
	case KVF_OBJECT_STR:
	case KVF_OBJECT_BIN:
	case KVF_OBJECT_EXT: st = take_bytes(u, &next, v, out, err); break;
	case KVF_OBJECT_ARRAY:
	case KVF_OBJECT_MAP:
		out->u.n = (uint32_t)v;
		st = open_container(u, next, s.type == KVF_OBJECT_MAP ? 2 * v : v, err);
		break;
	}
	if (!st && u->owed_all > (uint64_t)(u->end - next))
		st = bad(u, err, "the bytes end inside a container");
	if (!st)
		u->at = next;
	return st;
}

enum kvf_status kvf_unpack_cell(struct kvf_unpack *u, struct kvf_cell *out, struct kvf_err *err)
{
	struct kvf_object o;
	enum kvf_status st = kvf_unpack_next(u, &o, err);

	if (st == KVF_EOF)
		return bad(u, err, "a cell is missing");
	if (st)
		return st;
	out->u.i = o.u.i;
	switch (o.type) {
	case KVF_OBJECT_NIL: out->type = KVF_CELL_NULL; return KVF_OK;
	case KVF_OBJECT_BOOL: out->type = KVF_CELL_BOOL; return KVF_OK;
	case KVF_OBJECT_INT: out->type = KVF_CELL_INT; return KVF_OK;
	case KVF_OBJECT_REAL:
		if (o.single)
			break;
		out->type = KVF_CELL_REAL;
		out->u.r = o.u.r;
		return KVF_OK;
	case KVF_OBJECT_STR:
	case KVF_OBJECT_EXT:
		/* Each text has one form only: str exactly when it is UTF-8. */
		if (o.type == KVF_OBJECT_EXT && o.ext != KVF_EXT_TEXT)
			break;
		if ((kvf_utf8_valid(o.u.b.ptr, o.u.b.len) == o.u.b.len) !=
		    (o.type == KVF_OBJECT_STR))
			break;
		out->type = KVF_CELL_TEXT;
		out->u.b = o.u.b;
		return KVF_OK;
	case KVF_OBJECT_BIN:
		out->type = KVF_CELL_BLOB;
		out->u.b = o.u.b;
		return KVF_OK;
	case KVF_OBJECT_UINT:
	case KVF_OBJECT_ARRAY:
	case KVF_OBJECT_MAP: break;
	}
	return bad(u, err, "an object that is no cell ends");
}

enum kvf_status kvf_msgpack_check(struct kvf_bytes bytes, struct kvf_err *err)
{
	struct kvf_unpack u;
	struct kvf_object o;
	enum kvf_status st;
	uint64_t outermost = 0;

	kvf_unpack_init(&u, bytes);
	while (!(st = kvf_unpack_next(&u, &o, err)))
		outermost += o.depth == 0;
	if (st != KVF_EOF)
		return st;
	if (outermost != 1)
		return kvf_fail(err, KVF_ESTREAM, "msgpack: %s",
				outermost ? "more than one object" : "no object");
	return KVF_OK;
}
