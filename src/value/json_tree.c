/* json_tree - look into a parsed text, and write it back canonically. */
#include "value/json.h"

#include <string.h>
#include <strings.h>

static enum kvf_status twice(struct kvf_bytes name, struct kvf_err *err)
{
	char text[80];

	return kvf_fail(err, KVF_EREJECT, "the JSON member %s stands there twice",
			kvf_bytes_print(name, text, sizeof(text)));
}

enum kvf_status kvf_json_member(const struct kvf_json *j, uint32_t i, struct kvf_bytes name,
				int any_case, struct kvf_scratch *scratch, uint32_t *value,
				struct kvf_err *err)
{
	uint32_t n = kvf_json_at(j, i)->len, at = i + 1;
	struct kvf_bytes have;
	enum kvf_status st;

	*value = 0;
	for (; n; n--, at = kvf_json_at(j, at + 1)->next) {
		st = kvf_json_string(j, at, scratch, &have, err);
		if (st)
			return st;
		if (have.len != name.len)
			continue;
		if (any_case ? strncasecmp((const char *)have.ptr, (const char *)name.ptr,
					   name.len) != 0
			     : memcmp(have.ptr, name.ptr, name.len) != 0)
			continue;
		if (*value)
			return twice(name, err);
		*value = at + 1;
	}
	return KVF_OK;
}

static void sift(struct kvf_json_pair *list, size_t root, size_t n)
{
	for (;;) {
		size_t child = 2 * root + 1;
		struct kvf_json_pair t;

		if (child >= n)
			return;
		if (child + 1 < n && kvf_bytes_cmp(list[child].name, list[child + 1].name) < 0)
			child++;
		if (kvf_bytes_cmp(list[root].name, list[child].name) >= 0)
			return;
		t = list[root];
		list[root] = list[child];
		list[child] = t;
		root = child;
	}
}

/* Heap sort: qsort() may allocate. */
void kvf_json_sort(struct kvf_json_pair *list, size_t n)
{
	size_t i;

	for (i = n / 2; i-- > 0;)
		sift(list, i, n);
	for (i = n; i-- > 1;) {
		struct kvf_json_pair t = list[0];

		list[0] = list[i];
		list[i] = t;
		sift(list, 0, i);
	}
}

enum kvf_status kvf_json_sorted(const struct kvf_json *j, uint32_t i,
				struct kvf_scratch *scratch, struct kvf_json_pair **out,
				struct kvf_err *err)
{
	uint32_t n = kvf_json_at(j, i)->len, at = i + 1, k;
	struct kvf_json_pair *list;
	enum kvf_status st;
	int in_order = 1;
	void *p;

	st = kvf_scratch_alloc(scratch, (size_t)n * sizeof(*list), &p, err);
	if (st)
		return st;
	list = p;
	for (k = 0; k < n; k++, at = kvf_json_at(j, at + 1)->next) {
		st = kvf_json_string(j, at, scratch, &list[k].name, err);
		if (st)
			return st;
		list[k].value = at + 1;
		if (k && kvf_bytes_cmp(list[k - 1].name, list[k].name) >= 0)
			in_order = 0;
	}
	if (!in_order) {
		kvf_json_sort(list, n);
		for (k = 1; k < n; k++)
			if (kvf_bytes_cmp(list[k - 1].name, list[k].name) == 0)
				return twice(list[k].name, err);
	}
	*out = list;
	return KVF_OK;
}

enum kvf_status kvf_json_write_string(struct kvf_buf *b, struct kvf_bytes s,
				      struct kvf_err *err)
{
	static const char digits[] = "0123456789abcdef";
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	enum kvf_status st;
	size_t i = 0, plain;

	st = kvf_buf_reserve(b, s.len + 2, err);
	if (!st)
		st = kvf_buf_append(b, "\"", 1, err);
	while (!st && i < s.len) {
		char esc[6] = "\\u00";
		const char *e;
		size_t n = 2;

		plain = kvf_json_plain_len(s.ptr + i, s.len - i);
		st = kvf_buf_append(b, s.ptr + i, plain, err);
		i += plain;
		if (st || i == s.len)
			break;
		e = s.ptr[i] ? strchr(from, s.ptr[i]) : NULL;
		if (e) {
			esc[1] = to[e - from];
		} else {
			esc[4] = digits[s.ptr[i] >> 4];
			esc[5] = digits[s.ptr[i] & 15];
			n = 6;
		}
		st = kvf_buf_append(b, esc, n, err);
		i++;
	}
	return st ? st : kvf_buf_append(b, "\"", 1, err);
}

static enum kvf_status write_array(struct kvf_buf *b, const struct kvf_json *j, uint32_t i,
				   struct kvf_scratch *scratch, struct kvf_err *err)
{
	uint32_t n = kvf_json_at(j, i)->len, at = i + 1, k;
	enum kvf_status st = kvf_buf_append(b, "[", 1, err);

	for (k = 0; !st && k < n; k++, at = kvf_json_at(j, at)->next) {
		if (k)
			st = kvf_buf_append(b, ",", 1, err);
		if (!st)
			st = kvf_json_write(b, j, at, scratch, err);
	}
	return st ? st : kvf_buf_append(b, "]", 1, err);
}

static enum kvf_status write_object(struct kvf_buf *b, const struct kvf_json *j, uint32_t i,
				    struct kvf_scratch *scratch, struct kvf_err *err)
{
	uint32_t n = kvf_json_at(j, i)->len, k;
	struct kvf_json_pair *list;
	enum kvf_status st;

	st = kvf_json_sorted(j, i, scratch, &list, err);
	if (!st)
		st = kvf_buf_append(b, "{", 1, err);
	for (k = 0; !st && k < n; k++) {
		if (k)
			st = kvf_buf_append(b, ",", 1, err);
		if (!st)
			st = kvf_json_write_string(b, list[k].name, err);
		if (!st)
			st = kvf_buf_append(b, ":", 1, err);
		if (!st)
			st = kvf_json_write(b, j, list[k].value, scratch, err);
	}
	return st ? st : kvf_buf_append(b, "}", 1, err);
}

/* As deep as the parser let the text be: KVF_JSON_DEPTH. */
enum kvf_status kvf_json_write(struct kvf_buf *b, const struct kvf_json *j, uint32_t i,
			       struct kvf_scratch *scratch, struct kvf_err *err)
{
	const struct kvf_json_token *t = kvf_json_at(j, i);
	struct kvf_bytes text;
	enum kvf_status st;

	if (t->type == KVF_JSON_ARRAY)
		return write_array(b, j, i, scratch, err);
	if (t->type == KVF_JSON_OBJECT)
		return write_object(b, j, i, scratch, err);
	if (t->type == KVF_JSON_STRING) {
		st = kvf_json_string(j, i, scratch, &text, err);
		return st ? st : kvf_json_write_string(b, text, err);
	}
	text = kvf_json_raw(j, i);
	return kvf_buf_append(b, text.ptr, text.len, err);
}
