/*
 * print - a value as one line of JSON text, for people.
 *
 * Whatever the bytes are, the line is valid JSON without control characters,
 * and what cannot be decoded is printed as it is.  Nested deeper than
 * KVF_PRINT_DEPTH it is cut short.  The text is for reading, not for reading
 * back: docs/json.md says what each encoding looks like.
 */
#ifndef KVF_PRINT_H
#define KVF_PRINT_H

#include <kvferry/package.h>

#include "base/buf.h"

#define KVF_PRINT_DEPTH 16

/* How a value is to be read.  Zeroed: raw. */
struct kvf_print_as {
	enum kvf_encoding enc;
	const struct kvf_message *messages; /* protobuf only */
	size_t nmessages;
	uint32_t msg; /* index of the value's message */
};

/*
 * Append the text of `value` to `out`.  *decoded becomes 0 if the bytes are
 * not of the encoding `as` names; they are then printed as raw.  KVF_ENOMEM,
 * or KVF_EREJECT at the cap of `out`.
 */
KVF_MUST_CHECK enum kvf_status
kvf_print_value(struct kvf_buf *out, const struct kvf_print_as *as, struct kvf_bytes value,
		int *decoded, struct kvf_err *err);

/*
 * Append a JSON string that kvf_bytes_print()'s rule makes of the bytes: UTF-8
 * text as it is, everything else (and text that looks like it) as "hex:...".
 */
KVF_MUST_CHECK enum kvf_status kvf_print_bytes(struct kvf_buf *out, struct kvf_bytes b,
					       struct kvf_err *err);

/* ---- inside src/value only ------------------------------------------------- */

/* Where the text goes.  The first failure is kept: later calls do nothing. */
struct kvf_printer {
	struct kvf_buf *out;
	struct kvf_err *err;
	const struct kvf_print_as *as;
	enum kvf_status st; /* of `out` */
	int bad;            /* the bytes are not of the encoding */
};
void kvf_print_put(struct kvf_printer *p, const char *text);
void kvf_print_put_n(struct kvf_printer *p, const void *text, size_t len);
void kvf_print_text(struct kvf_printer *p, struct kvf_bytes utf8);        /* quoted, escaped */
void kvf_print_text_inside(struct kvf_printer *p, struct kvf_bytes utf8); /* no quotes */
void kvf_print_hex(struct kvf_printer *p, struct kvf_bytes b);            /* "hex:..." */
/* Text if it is UTF-8, else hex. */
void kvf_print_string(struct kvf_printer *p, struct kvf_bytes b);
/* Beyond 2^53 either way as a string: many readers would bend the number. */
void kvf_print_i64(struct kvf_printer *p, int64_t v);
void kvf_print_u64(struct kvf_printer *p, uint64_t v);
void kvf_print_real(struct kvf_printer *p, double v);

void kvf_print_msgpack(struct kvf_printer *p, struct kvf_bytes value);
void kvf_print_json(struct kvf_printer *p, struct kvf_bytes value);
void kvf_print_protobuf(struct kvf_printer *p, struct kvf_bytes value);

#endif
