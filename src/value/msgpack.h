/*
 * msgpack - pack values, and walk over packed values that nobody vouches for.
 *
 * Packing goes through msgpack-c, but for the texts of cells, of which a table is
 * made: its writer is asked several times for each.  Unpacking does not: its unpacker reserves
 * memory for whatever length the bytes claim.  The walker here allocates
 * nothing, looks at one object at a time, and refuses a claim that the bytes
 * left cannot keep.
 *
 * The form of a cell, which docs/tables.md describes for readers elsewhere:
 *
 *   NULL nil | INT int, the shortest form | REAL float 64 | BOOL bool | BLOB bin
 *   TEXT str when it is valid UTF-8, else ext of type 1 with the same bytes
 */
#ifndef KVF_MSGPACK_H
#define KVF_MSGPACK_H

#include <kvferry/package.h>

#include "base/buf.h"

/* The ext type of text that is not UTF-8; never renumber */
#define KVF_EXT_TEXT 1

/* ---- packing ---------------------------------------------------------------- */

/*
 * Appends to `buf`.  The first failure is kept in `st` and `err` and makes all
 * later calls do nothing, so that a caller asks once, at the end.  The status
 * is KVF_ENOMEM, or KVF_EREJECT when the buffer's cap is reached.
 */
struct kvf_pack {
	struct kvf_buf *buf;
	struct kvf_err *err;
	enum kvf_status st;
};

void kvf_pack_init(struct kvf_pack *p, struct kvf_buf *buf, struct kvf_err *err);
void kvf_pack_nil(struct kvf_pack *p);
void kvf_pack_bool(struct kvf_pack *p, int64_t v); /* any non-zero is true */
void kvf_pack_int(struct kvf_pack *p, int64_t v);
void kvf_pack_uint(struct kvf_pack *p, uint64_t v);
void kvf_pack_real(struct kvf_pack *p, double v);          /* every bit is kept */
void kvf_pack_str(struct kvf_pack *p, struct kvf_bytes b); /* must be UTF-8 */
void kvf_pack_bin(struct kvf_pack *p, struct kvf_bytes b);
void kvf_pack_ext(struct kvf_pack *p, int type, struct kvf_bytes b); /* -128 ... 127 */
void kvf_pack_array(struct kvf_pack *p, size_t n);                   /* n objects must follow */
void kvf_pack_map(struct kvf_pack *p, size_t n); /* 2n objects must follow */
/* Str where the bytes are UTF-8, else ext KVF_EXT_TEXT. */
void kvf_pack_text(struct kvf_pack *p, struct kvf_bytes b);
void kvf_pack_cell(struct kvf_pack *p, const struct kvf_cell *cell);
/* The same bytes to where there is room for all of them, which is at most
 * KVF_PACK_CELL_MAX beside the cell's own; returns behind them.  It has at most
 * UINT32_MAX bytes. */
#define KVF_PACK_CELL_MAX 9
uint8_t *kvf_pack_cell_at(uint8_t *to, const struct kvf_cell *cell);
/* Bytes that are packed already. */
void kvf_pack_raw(struct kvf_pack *p, const void *bytes, size_t len);

/* ---- unpacking -------------------------------------------------------------- */

/* How many containers may be open at once. */
#define KVF_UNPACK_DEPTH 128

enum kvf_object_type {
	KVF_OBJECT_NIL,
	KVF_OBJECT_BOOL,  /* u.i is 0 or 1 */
	KVF_OBJECT_INT,   /* u.i; every integer that fits */
	KVF_OBJECT_UINT,  /* u.u, above INT64_MAX */
	KVF_OBJECT_REAL,  /* u.r */
	KVF_OBJECT_STR,   /* u.b; not checked to be UTF-8 */
	KVF_OBJECT_BIN,   /* u.b */
	KVF_OBJECT_EXT,   /* u.b, and ext */
	KVF_OBJECT_ARRAY, /* u.n objects follow */
	KVF_OBJECT_MAP    /* u.n pairs follow, key and value each an object */
};

struct kvf_object {
	enum kvf_object_type type;
	int ext;        /* type of a KVF_OBJECT_EXT, -128 ... 127 */
	int single;     /* a KVF_OBJECT_REAL that was packed as float 32 */
	unsigned depth; /* how many containers it lies in */
	union {
		int64_t i;
		uint64_t u;
		double r;
		uint32_t n;
		struct kvf_bytes b; /* points into the bytes that are walked */
	} u;
};

struct kvf_unpack {
	const uint8_t *start, *at, *end;
	unsigned depth;                  /* open containers */
	uint64_t owed[KVF_UNPACK_DEPTH]; /* objects each of them still needs */
	uint64_t owed_all;               /* their sum: never more than bytes left */
};

/* Walk over any number of objects that stand one behind the other. */
void kvf_unpack_init(struct kvf_unpack *u, struct kvf_bytes bytes);

/*
 * The next object; containers are announced, then their members come.
 * KVF_EOF when the bytes end and no container is open.  KVF_ESTREAM names the
 * offset of what is not msgpack; the walk is over then.
 */
KVF_MUST_CHECK enum kvf_status kvf_unpack_next(struct kvf_unpack *u, struct kvf_object *out,
					       struct kvf_err *err);

/*
 * The next object, as a cell in the form above; its bytes point into what is
 * walked.  KVF_ESTREAM if it is no cell: a container, another ext, a str that
 * is not UTF-8, an ext KVF_EXT_TEXT that is, an integer over INT64_MAX.
 */
KVF_MUST_CHECK enum kvf_status kvf_unpack_cell(struct kvf_unpack *u, struct kvf_cell *out,
					       struct kvf_err *err);

/* Are these bytes exactly one well-formed object?  KVF_OK or KVF_ESTREAM. */
KVF_MUST_CHECK enum kvf_status kvf_msgpack_check(struct kvf_bytes bytes, struct kvf_err *err);

#endif
