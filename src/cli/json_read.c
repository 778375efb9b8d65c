/*
 * json_read - JSON text into jansson's values.
 *
 * Not by jansson's own loader: when its buffer cannot grow it loses bytes
 * without a word, and may then run over the end of a text.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "value/json.h"
#include "value/scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_MAX (SIZE_MAX / 2)

struct reader {
	struct kvf_json json;
	struct kvf_scratch scratch;
	int no_memory;
};

static json_t *made(struct reader *r, json_t *v)
{
	if (!v)
		r->no_memory = 1;
	return v;
}

/* NULL for a number that neither an int64_t nor a double holds. */
static json_t *read_number(struct reader *r, struct kvf_bytes text)
{
	char digits[64];
	long long n;

	if (text.len >= sizeof(digits))
		return NULL;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	errno = 0;
	if (strpbrk(digits, ".eE")) {
		double d = strtod(digits, NULL);

		return d - d == 0 ? made(r, json_real(d)) : NULL;
	}
	n = strtoll(digits, NULL, 10);
	return errno ? NULL : made(r, json_integer(n));
}

/* The string at token `i`, NUL-terminated, in scratch; NULL: no memory. */
static const char *read_string(struct reader *r, uint32_t i, size_t *len)
{
	struct kvf_bytes b;
	void *copy;

	if (kvf_json_string(&r->json, i, &r->scratch, &b, NULL) ||
	    kvf_scratch_alloc(&r->scratch, b.len + 1, &copy, NULL)) {
		r->no_memory = 1;
		return NULL;
	}
	if (b.len)
		memcpy(copy, b.ptr, b.len);
	((char *)copy)[b.len] = '\0';
	*len = b.len;
	return copy;
}

static json_t *read_value(struct reader *r, uint32_t i);

/* The parser has held the depth to KVF_JSON_DEPTH.
 * NOLINTBEGIN(misc-no-recursion) */
static json_t *read_array(struct reader *r, uint32_t i)
{
	uint32_t at = i + 1, end = kvf_json_at(&r->json, i)->next;
	json_t *list = made(r, json_array()), *v;

	for (; list && at < end; at = kvf_json_at(&r->json, at)->next) {
		v = read_value(r, at);
		if (v && json_array_append_new(list, v) == 0)
			continue;
		r->no_memory |= v != NULL;
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *read_object(struct reader *r, uint32_t i)
{
	uint32_t at = i + 1, end = kvf_json_at(&r->json, i)->next;
	json_t *object = made(r, json_object()), *v;

	for (; object && at < end; at = kvf_json_at(&r->json, at + 1)->next) {
		size_t len = 0;
		const char *name = read_string(r, at, &len);

		/* jansson's names end at a NUL. */
		v = name && strlen(name) == len ? read_value(r, at + 1) : NULL;
		if (v && json_object_set_new(object, name, v) == 0)
			continue;
		r->no_memory |= v != NULL;
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *read_value(struct reader *r, uint32_t i)
{
	const char *text;
	size_t len = 0;

	switch ((enum kvf_json_type)kvf_json_at(&r->json, i)->type) {
	case KVF_JSON_NULL: return json_null();
	case KVF_JSON_TRUE: return json_true();
	case KVF_JSON_FALSE: return json_false();
	case KVF_JSON_NUMBER: return read_number(r, kvf_json_raw(&r->json, i));
	case KVF_JSON_STRING:
		text = read_string(r, i, &len);
		return text ? made(r, json_stringn(text, len)) : NULL;
	case KVF_JSON_ARRAY: return read_array(r, i);
	case KVF_JSON_OBJECT: return read_object(r, i);
	}
	return NULL;
}
/* NOLINTEND(misc-no-recursion) */

json_t *cli_json_read(struct cli *c, struct kvf_bytes text)
{
	struct reader r;
	struct kvf_buf tape;
	json_t *v = NULL;
	enum kvf_status st;

	memset(&r, 0, sizeof(r));
	kvf_buf_init(&tape, READ_MAX);
	kvf_scratch_init(&r.scratch, READ_MAX);
	st = kvf_json_parse(text, &tape, &r.json, NULL);
	if (!st)
		v = read_value(&r, r.json.root);
	if (st == KVF_ENOMEM || r.no_memory)
		c->json_bad = 1;
	kvf_scratch_release(&r.scratch);
	kvf_buf_release(&tape);
	return v;
}
