/* encode_msgpack - the notation of msgpack values: always the shortest form. */
#include "formats/tree.h"

#include "base/hash.h"
#include "value/msgpack.h"
#include "value/number.h"

#include <string.h>

/* One byte is kept free; what a longer head needs is made room for at the end. */
static enum kvf_status mp_open(struct kvf_buf *b, enum kvf_tree_node node, size_t *mark,
			       struct kvf_err *err)
{
	*mark = b->len;
	return kvf_buf_append(b, node == KVF_TREE_LIST ? "\x90" : "\x80", 1, err);
}

static enum kvf_status mp_close(struct kvf_buf *b, enum kvf_tree_node node, size_t mark,
				size_t n, struct kvf_err *err)
{
	size_t more = n <= 15 ? 0 : n <= 0xffff ? 2 : 4, i;
	uint8_t head = node == KVF_TREE_LIST ? 0xdc : 0xde;
	enum kvf_status st;

	if (!more) {
		b->ptr[mark] = (uint8_t)(b->ptr[mark] | n);
		return KVF_OK;
	}
	st = kvf_buf_reserve(b, more, err);
	if (st)
		return st;
	memmove(b->ptr + mark + 1 + more, b->ptr + mark + 1, b->len - mark - 1);
	b->len += more;
	b->ptr[mark] = more == 2 ? head : (uint8_t)(head + 1);
	for (i = 0; i < more; i++)
		b->ptr[mark + 1 + i] = (uint8_t)(n >> (8 * (more - 1 - i)));
	return KVF_OK;
}

static enum kvf_status mp_separate(struct kvf_buf *b, struct kvf_err *err)
{
	(void)b;
	(void)err;
	return KVF_OK;
}

static enum kvf_status mp_string(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_str(&p, v);
	return p.st;
}

static enum kvf_status mp_bytes(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_bin(&p, v);
	return p.st;
}

static enum kvf_status mp_null(struct kvf_buf *b, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_nil(&p);
	return p.st;
}

static enum kvf_status mp_boolean(struct kvf_buf *b, int v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_bool(&p, v);
	return p.st;
}

static enum kvf_status mp_u64(struct kvf_buf *b, uint64_t v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_uint(&p, v);
	return p.st;
}

static enum kvf_status mp_i64(struct kvf_buf *b, int64_t v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_int(&p, v);
	return p.st;
}

static enum kvf_status mp_real(struct kvf_buf *b, double v, struct kvf_err *err)
{
	struct kvf_pack p;

	kvf_pack_init(&p, b, err);
	kvf_pack_real(&p, v);
	return p.st;
}

/* The timestamp extension (type -1) in its shortest form. */
static enum kvf_status mp_time(struct kvf_buf *b, struct kvf_timestamp v, struct kvf_err *err)
{
	struct kvf_bytes text = { NULL, 12 };
	uint8_t bytes[12];
	struct kvf_pack p;

	if (v.seconds >= 0 && v.seconds <= UINT32_MAX && v.nanos == 0) {
		kvf_put_be32(bytes, (uint32_t)v.seconds);
		text.len = 4;
	} else if (v.seconds >= 0 && v.seconds >> 34 == 0) {
		kvf_put_be64(bytes, (uint64_t)v.nanos << 34 | (uint64_t)v.seconds);
		text.len = 8;
	} else {
		kvf_put_be32(bytes, (uint32_t)v.nanos);
		kvf_put_be64(bytes + 4, (uint64_t)v.seconds);
	}
	text.ptr = bytes;
	kvf_pack_init(&p, b, err);
	kvf_pack_ext(&p, -1, text);
	return p.st;
}

/* An integer where it is one of 64 bits, else a float, else refused. */
static enum kvf_status json_number(struct kvf_buf *b, struct kvf_bytes text,
				   struct kvf_err *err)
{
	uint64_t u;
	int64_t i;
	double r;

	if (kvf_parse_i64(text, &i))
		return mp_i64(b, i, err);
	if (kvf_parse_u64(text, &u))
		return mp_u64(b, u, err);
	if (memchr(text.ptr, '.', text.len) || memchr(text.ptr, 'e', text.len) ||
	    memchr(text.ptr, 'E', text.len)) {
		if (kvf_parse_real(text, &r))
			return mp_real(b, r, err);
	}
	return kvf_fail(err, KVF_EREJECT, "a JSON number that msgpack cannot hold");
}

static enum kvf_status mp_json(struct kvf_buf *b, const struct kvf_json *json, uint32_t token,
			       struct kvf_scratch *scratch, struct kvf_err *err);

static enum kvf_status json_container(struct kvf_buf *b, const struct kvf_json *json,
				      uint32_t token, struct kvf_scratch *scratch,
				      struct kvf_err *err)
{
	int list = kvf_json_at(json, token)->type == KVF_JSON_ARRAY;
	enum kvf_tree_node node = list ? KVF_TREE_LIST : KVF_TREE_MAP;
	uint32_t n = kvf_json_at(json, token)->len, at = token + 1, i;
	struct kvf_json_pair *pairs = NULL;
	enum kvf_status st = KVF_OK;
	size_t mark = 0;

	if (!list)
		st = kvf_json_sorted(json, token, scratch, &pairs, err);
	if (!st)
		st = mp_open(b, node, &mark, err);
	for (i = 0; !st && i < n; i++) {
		if (!list)
			st = mp_string(b, pairs[i].name, err);
		if (!st)
			st = mp_json(b, json, list ? at : pairs[i].value, scratch, err);
		if (list)
			at = kvf_json_at(json, at)->next;
	}
	return st ? st : mp_close(b, node, mark, n, err);
}

/* As deep as the parser let the text be: KVF_JSON_DEPTH. */
static enum kvf_status mp_json(struct kvf_buf *b, const struct kvf_json *json, uint32_t token,
			       struct kvf_scratch *scratch, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;

	switch ((enum kvf_json_type)kvf_json_at(json, token)->type) {
	case KVF_JSON_NULL: return mp_null(b, err);
	case KVF_JSON_TRUE: return mp_boolean(b, 1, err);
	case KVF_JSON_FALSE: return mp_boolean(b, 0, err);
	case KVF_JSON_NUMBER: return json_number(b, kvf_json_raw(json, token), err);
	case KVF_JSON_STRING:
		st = kvf_json_string(json, token, scratch, &text, err);
		return st ? st : mp_string(b, text, err);
	case KVF_JSON_ARRAY:
	case KVF_JSON_OBJECT: break;
	}
	return json_container(b, json, token, scratch, err);
}

const struct kvf_tree_writer kvf_tree_msgpack = {
	mp_open, mp_close, mp_separate, mp_string, mp_null,   mp_boolean, mp_i64,
	mp_u64,  mp_real,  mp_string,   mp_bytes,  mp_string, mp_time,    mp_json,
};
