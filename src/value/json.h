/*
 * json - strict RFC 8259 in, canonical JSON out, nothing allocated per text.
 *
 * A text is parsed once into a tape: one token per value and member name, in
 * the order of the text, each knowing where its subtree ends.  The tape lies in
 * a buffer of the caller, which is reused; strings stay where they are in the
 * text and are unescaped only when somebody wants them.
 */
#ifndef KVF_JSON_H
#define KVF_JSON_H

#include <kvferry/base.h>

#include "base/buf.h"
#include "value/scratch.h"

#define KVF_JSON_DEPTH 64

enum kvf_json_type {
	KVF_JSON_NULL,
	KVF_JSON_TRUE,
	KVF_JSON_FALSE,
	KVF_JSON_NUMBER,
	KVF_JSON_STRING,
	KVF_JSON_ARRAY,
	KVF_JSON_OBJECT
};

struct kvf_json_token {
	uint8_t type;    /* enum kvf_json_type */
	uint8_t escaped; /* a string with backslashes */
	uint32_t start;  /* offset in the text; of a string: behind the quote */
	uint32_t len;    /* bytes; of an array or object: elements or members */
	uint32_t next;   /* index of the token behind this subtree */
};

/* A parsed text.  Tokens move when the tape grows: keep indexes. */
struct kvf_json {
	struct kvf_bytes text;
	struct kvf_buf *tape;
	uint32_t root;
};

/*
 * Parse all of `text`; tokens are appended to `tape` (of struct
 * kvf_json_token), so that several texts may share one.  `text` must stay where
 * it is.  KVF_EREJECT "not JSON: ... at byte N", also for more than
 * KVF_JSON_DEPTH nested containers; member names are not compared here.
 */
KVF_MUST_CHECK enum kvf_status kvf_json_parse(struct kvf_bytes text, struct kvf_buf *tape,
					      struct kvf_json *out, struct kvf_err *err);

static inline const struct kvf_json_token *kvf_json_at(const struct kvf_json *j, uint32_t i)
{
	return (const struct kvf_json_token *)(const void *)j->tape->ptr + i;
}

/* The text of a number token, or of a string without backslashes. */
static inline struct kvf_bytes kvf_json_raw(const struct kvf_json *j, uint32_t i)
{
	const struct kvf_json_token *t = kvf_json_at(j, i);
	struct kvf_bytes b = { j->text.ptr + t->start, t->len };

	return b;
}

/* A string token's text; unescaped into `scratch` only where it must be. */
KVF_MUST_CHECK enum kvf_status kvf_json_string(const struct kvf_json *j, uint32_t i,
					       struct kvf_scratch *scratch,
					       struct kvf_bytes *out, struct kvf_err *err);

/*
 * The value of the member `name` of object `i`: *value = its token, or 0 if
 * there is none (token 0 is never a member's value).  KVF_EREJECT if the name
 * stands there twice; with `any_case` ASCII capitals do not count.
 */
KVF_MUST_CHECK enum kvf_status
kvf_json_member(const struct kvf_json *j, uint32_t i, struct kvf_bytes name, int any_case,
		struct kvf_scratch *scratch, uint32_t *value, struct kvf_err *err);

/* The members of object `i`, ascending by name (bytes); KVF_EREJECT if a name
 * stands there twice.  The list lives in `scratch`. */
struct kvf_json_pair {
	struct kvf_bytes name;
	uint32_t value;
};
KVF_MUST_CHECK enum kvf_status kvf_json_sorted(const struct kvf_json *j, uint32_t i,
					       struct kvf_scratch *scratch,
					       struct kvf_json_pair **out, struct kvf_err *err);

/* Put a list into the order of its names. */
void kvf_json_sort(struct kvf_json_pair *list, size_t n);

/* How many bytes from `p` on mean themselves in a string: no control character,
 * quote or backslash. */
size_t kvf_json_plain_len(const uint8_t *p, size_t len);

/* Append a JSON string with the fewest escapes.  `s` is valid UTF-8. */
KVF_MUST_CHECK enum kvf_status kvf_json_write_string(struct kvf_buf *b, struct kvf_bytes s,
						     struct kvf_err *err);

/* Append the value at token `i`: members sorted, no white space, numbers as
 * they were written, strings with the fewest escapes. */
KVF_MUST_CHECK enum kvf_status kvf_json_write(struct kvf_buf *b, const struct kvf_json *j,
					      uint32_t i, struct kvf_scratch *scratch,
					      struct kvf_err *err);

#endif
