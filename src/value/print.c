/* print - values as JSON text: the common part, and raw bytes. */
#include "value/print.h"

#include "base/hash.h"
#include "base/text.h"
#include "value/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT (INT64_C(1) << 53)

void kvf_print_put_n(struct kvf_printer *p, const void *text, size_t len)
{
	if (!p->st && !p->bad && len)
		p->st = kvf_buf_append(p->out, text, len, p->err);
}

void kvf_print_put(struct kvf_printer *p, const char *text)
{
	kvf_print_put_n(p, text, strlen(text));
}

/* Bytes of the character at s[0..len) that has to be escaped, or 0.  `*code` is
 * the character: controls, quotes, and what turns the direction of writing. */
static size_t special(const uint8_t *s, size_t len, unsigned *code)
{
	*code = s[0];
	if (s[0] < 0x80)
		return s[0] < 0x20 || s[0] == 0x7f || s[0] == '"' || s[0] == '\\';
	if (s[0] == 0xc2 && len > 1 && s[1] < 0xa0) {
		*code = s[1];
		return 2;
	}
	if (s[0] == 0xe2 && len > 2 && (s[1] == 0x80 || s[1] == 0x81)) {
		*code = 0x2000u | (unsigned)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
		if ((*code >= 0x2028 && *code <= 0x202e) ||
		    (*code >= 0x2066 && *code <= 0x2069))
			return 3;
	}
	return 0;
}

static void escape(struct kvf_printer *p, unsigned code)
{
	char text[8];

	switch (code) {
	case '"': kvf_print_put(p, "\\\""); return;
	case '\\': kvf_print_put(p, "\\\\"); return;
	case '\n': kvf_print_put(p, "\\n"); return;
	case '\r': kvf_print_put(p, "\\r"); return;
	case '\t': kvf_print_put(p, "\\t"); return;
	default: break;
	}
	snprintf(text, sizeof(text), "\\u%04x", code);
	kvf_print_put(p, text);
}

void kvf_print_text_inside(struct kvf_printer *p, struct kvf_bytes b)
{
	size_t i = 0, from = 0, n;
	unsigned code;

	while (i < b.len) {
		n = special(b.ptr + i, b.len - i, &code);
		if (!n) {
			i++;
			continue;
		}
		kvf_print_put_n(p, b.ptr + from, i - from);
		escape(p, code);
		i += n;
		from = i;
	}
	if (b.len)
		kvf_print_put_n(p, b.ptr + from, i - from);
}

void kvf_print_text(struct kvf_printer *p, struct kvf_bytes b)
{
	kvf_print_put(p, "\"");
	kvf_print_text_inside(p, b);
	kvf_print_put(p, "\"");
}

void kvf_print_hex(struct kvf_printer *p, struct kvf_bytes b)
{
	char text[2 * 64 + 1];
	size_t i, n;

	kvf_print_put(p, "\"hex:");
	for (i = 0; i < b.len; i += n) {
		n = b.len - i < 64 ? b.len - i : 64;
		kvf_hex(b.ptr + i, n, text);
		kvf_print_put_n(p, text, 2 * n);
	}
	kvf_print_put(p, "\"");
}

void kvf_print_string(struct kvf_printer *p, struct kvf_bytes b)
{
	if (kvf_utf8_valid(b.ptr, b.len) == b.len)
		kvf_print_text(p, b);
	else
		kvf_print_hex(p, b);
}

void kvf_print_i64(struct kvf_printer *p, int64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), v > EXACT || v < -EXACT ? "\"%lld\"" : "%lld",
		 (long long)v);
	kvf_print_put(p, text);
}

void kvf_print_u64(struct kvf_printer *p, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), v > (uint64_t)EXACT ? "\"%llu\"" : "%llu",
		 (unsigned long long)v);
	kvf_print_put(p, text);
}

void kvf_print_real(struct kvf_printer *p, double v)
{
	char text[KVF_NUMBER_TEXT];
	size_t len = kvf_format_real(v, text);

	if (len)
		kvf_print_put_n(p, text, len);
	else
		kvf_print_put(p, isnan(v) ? "\"NaN\""
				 : v > 0  ? "\"Infinity\""
					  : "\"-Infinity\"");
}

/* May the bytes stand as text, by the rule of kvf_bytes_print()? */
static int is_text(struct kvf_bytes b)
{
	return kvf_utf8_valid(b.ptr, b.len) == b.len &&
	       !(b.len >= 4 && memcmp(b.ptr, "hex:", 4) == 0);
}

static void raw(struct kvf_printer *p, struct kvf_bytes b)
{
	if (b.len == 0)
		kvf_print_put(p, "\"\"");
	else if (is_text(b))
		kvf_print_text(p, b);
	else
		kvf_print_hex(p, b);
}

enum kvf_status kvf_print_value(struct kvf_buf *out, const struct kvf_print_as *as,
				struct kvf_bytes value, int *decoded, struct kvf_err *err)
{
	struct kvf_printer p = { .out = out, .err = err, .as = as };
	size_t mark = out->len;

	switch (as->enc) {
	case KVF_RAW: raw(&p, value); break;
	case KVF_MSGPACK: kvf_print_msgpack(&p, value); break;
	case KVF_JSON: kvf_print_json(&p, value); break;
	case KVF_PROTOBUF: kvf_print_protobuf(&p, value); break;
	}
	*decoded = !p.bad;
	if (p.bad && !p.st) {
		p.bad = 0;
		out->len = mark;
		kvf_print_hex(&p, value);
	}
	return p.st;
}

enum kvf_status kvf_print_bytes(struct kvf_buf *out, struct kvf_bytes b, struct kvf_err *err)
{
	struct kvf_printer p = { .out = out, .err = err };
	char text[64];
	char *more = NULL;

	/* kvf_bytes_print() decides; two digits a byte is its longest form. */
	if (2 * b.len + 8 > sizeof(text)) {
		more = malloc(2 * b.len + 8);
		if (!more)
			return kvf_fail_nomem(err);
	}
	kvf_bytes_print(b, more ? more : text, more ? 2 * b.len + 8 : sizeof(text));
	kvf_print_text(&p, kvf_bytes_str(more ? more : text));
	free(more);
	return p.st;
}
