/* encode_json - the notation of json values: no white space, fewest escapes. */
#include "formats/tree.h"

#include "value/codec.h"
#include "value/number.h"

static enum kvf_status json_open(struct kvf_buf *b, enum kvf_tree_node node, size_t *mark,
				 struct kvf_err *err)
{
	*mark = b->len;
	return kvf_buf_append(b, node == KVF_TREE_LIST ? "[" : "{", 1, err);
}

static enum kvf_status json_close(struct kvf_buf *b, enum kvf_tree_node node, size_t mark,
				  size_t n, struct kvf_err *err)
{
	(void)mark;
	(void)n;
	return kvf_buf_append(b, node == KVF_TREE_LIST ? "]" : "}", 1, err);
}

static enum kvf_status json_separate(struct kvf_buf *b, struct kvf_err *err)
{
	return kvf_buf_append(b, ",", 1, err);
}

static enum kvf_status json_name(struct kvf_buf *b, struct kvf_bytes name, struct kvf_err *err)
{
	enum kvf_status st = kvf_json_write_string(b, name, err);

	return st ? st : kvf_buf_append(b, ":", 1, err);
}

static enum kvf_status json_null(struct kvf_buf *b, struct kvf_err *err)
{
	return kvf_buf_append(b, "null", 4, err);
}

static enum kvf_status json_boolean(struct kvf_buf *b, int v, struct kvf_err *err)
{
	return kvf_buf_append(b, v ? "true" : "false", v ? 4 : 5, err);
}

static enum kvf_status json_i64(struct kvf_buf *b, int64_t v, struct kvf_err *err)
{
	char text[KVF_NUMBER_TEXT];

	return kvf_buf_append(b, text, kvf_format_i64(v, text), err);
}

static enum kvf_status json_u64(struct kvf_buf *b, uint64_t v, struct kvf_err *err)
{
	char text[KVF_NUMBER_TEXT];

	return kvf_buf_append(b, text, kvf_format_u64(v, text), err);
}

static enum kvf_status json_real(struct kvf_buf *b, double v, struct kvf_err *err)
{
	char text[KVF_NUMBER_TEXT];
	size_t len = kvf_format_real(v, text);

	if (!len)
		return kvf_fail(err, KVF_EREJECT, "not a finite number");
	return kvf_buf_append(b, text, len, err);
}

static enum kvf_status json_bytes(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err)
{
	enum kvf_status st;

	if (v.len > b->cap)
		return kvf_fail(err, KVF_EREJECT, "more than %zu bytes", b->cap);
	st = kvf_buf_reserve(b, kvf_base64_len(v.len) + 2, err);
	if (st)
		return st;
	b->ptr[b->len++] = '"';
	b->len += kvf_base64(v, (char *)b->ptr + b->len);
	b->ptr[b->len++] = '"';
	return KVF_OK;
}

static enum kvf_status json_decimal(struct kvf_buf *b, struct kvf_bytes v, struct kvf_err *err)
{
	return kvf_buf_append(b, v.ptr, v.len, err);
}

static enum kvf_status json_time(struct kvf_buf *b, struct kvf_timestamp v, struct kvf_err *err)
{
	char text[KVF_TIMESTAMP_TEXT + 2];
	size_t len = kvf_timestamp_format(v, text + 1);

	text[0] = '"';
	text[len + 1] = '"';
	return kvf_buf_append(b, text, len + 2, err);
}

const struct kvf_tree_writer kvf_tree_json = {
	json_open,    json_close,   json_separate, json_name,      json_null,
	json_boolean, json_i64,     json_u64,      json_real,      kvf_json_write_string,
	json_bytes,   json_decimal, json_time,     kvf_json_write,
};
