/* exact_key - one cell as text that no other cell has. */
#include "formats/exact.h"

#include "base/hash.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY UINT64_C(0x0101010101010101) /* of eight bytes */

static enum kvf_status put(struct kvf_sink *sink, const void *bytes, size_t len,
			   struct kvf_err *err)
{
	return kvf_sink_append(sink, KVF_SINK_KEY, bytes, len, err);
}

static enum kvf_status put_int(struct kvf_sink *sink, int64_t v, struct kvf_err *err)
{
	char text[24], *p = text + sizeof(text);
	uint64_t u = v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	return put(sink, p, (size_t)(text + sizeof(text) - p), err);
}

/*
 * The shortest of 15, 16 or 17 digits that reads back as the same number.  The
 * process may have a locale with another decimal separator, of any length:
 * whatever is no digit, sign or 'e' becomes one point.
 */
static enum kvf_status put_real(struct kvf_sink *sink, double v, struct kvf_err *err)
{
	char raw[64], text[64];
	uint64_t bits;
	size_t i, n = 0;
	int digits, marked = 0;

	if (isnan(v)) {
		memcpy(&bits, &v, sizeof(bits));
		snprintf(text, sizeof(text), "+nan:%016llx", (unsigned long long)bits);
		return put(sink, text, strlen(text), err);
	}
	if (isinf(v))
		return put(sink, v > 0 ? "+inf" : "-inf", 4, err);
	for (digits = 15; digits <= 17; digits++) {
		snprintf(raw, sizeof(raw), "%.*g", digits, v);
		/* Bit by bit, which tells -0 from 0.  NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
		if (memcmp(&(double){ strtod(raw, NULL) }, &v, sizeof(v)) == 0)
			break;
	}
	for (i = 0; raw[i]; i++) {
		int plain = strchr("0123456789+-e", raw[i]) != NULL;

		if (plain || !n || text[n - 1] != '.')
			text[n++] = plain ? raw[i] : '.';
		marked |= text[n - 1] == '.' || text[n - 1] == 'e';
	}
	if (!marked) {
		text[n++] = '.';
		text[n++] = '0';
	}
	return put(sink, text, n, err);
}

/* Bytes that do not stand for themselves; c2 only where a C1 control follows. */
static const uint8_t is_special[256] = {
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,         1,         1,          1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ['/'] = 1, ['%'] = 1, [0x7f] = 1, [0xc2] = 2,
};

/* The top bit of every byte of w that is 0, and perhaps of some behind one. */
static uint64_t zeros(uint64_t w)
{
	return (w - EVERY * 0x01) & ~w & EVERY * 0x80;
}

/* Do eight bytes stand for themselves?  0 also for some that do. */
static int are_plain(uint64_t w)
{
	uint64_t controls = (w - EVERY * 0x20) & ~w & EVERY * 0x80;

	return !(controls | zeros(w ^ EVERY * '/') | zeros(w ^ EVERY * '%') |
		 zeros(w ^ EVERY * 0x7f) | (w & EVERY * 0x80));
}

/* How many bytes at p stand for themselves: valid UTF-8, no control, no / and %. */
static size_t plain_run(const uint8_t *p, size_t len)
{
	size_t n = kvf_utf8_valid(p, len), i = 0;
	uint64_t w;

	for (; i + 8 <= n; i += 8) {
		memcpy(&w, p + i, 8);
		if (!are_plain(w))
			break;
	}
	for (; i < n; i++)
		if (is_special[p[i]] && (is_special[p[i]] == 1 || p[i + 1] < 0xa0))
			return i;
	return n;
}

static int is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80;
}

static enum kvf_status put_text(struct kvf_sink *sink, struct kvf_bytes b, struct kvf_err *err)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *p = b.ptr;
	size_t len = b.len, run = plain_run(p, len);
	enum kvf_status st = KVF_OK;

	if (run == 0 || !is_letter(*p))
		st = put(sink, "'", 1, err);
	while (!st && len) {
		st = put(sink, p, run, err);
		p += run;
		len -= run;
		if (!st && len) {
			char escaped[3] = { '%', digits[*p >> 4], digits[*p & 15] };

			st = put(sink, escaped, sizeof(escaped), err);
			p++;
			len--;
		}
		run = plain_run(p, len);
	}
	return st;
}

static enum kvf_status put_blob(struct kvf_sink *sink, struct kvf_bytes b, struct kvf_err *err)
{
	enum kvf_status st = put(sink, "0x", 2, err);
	char hex[2 * 64 + 1];
	size_t at, n;

	for (at = 0; !st && at < b.len; at += n) {
		n = b.len - at < 64 ? b.len - at : 64;
		kvf_hex(b.ptr + at, n, hex);
		st = put(sink, hex, 2 * n, err);
	}
	return st;
}

enum kvf_status kvf_exact_key_cell(struct kvf_sink *sink, const struct kvf_cell *cell,
				   struct kvf_err *err)
{
	switch (cell->type) {
	case KVF_CELL_NULL: return put(sink, "~", 1, err);
	case KVF_CELL_INT: return put_int(sink, cell->u.i, err);
	case KVF_CELL_REAL: return put_real(sink, cell->u.r, err);
	case KVF_CELL_TEXT: return put_text(sink, cell->u.b, err);
	case KVF_CELL_BLOB: return put_blob(sink, cell->u.b, err);
	case KVF_CELL_BOOL:
		return cell->u.i ? put(sink, "+true", 5, err) : put(sink, "+false", 6, err);
	}
	return kvf_fail(err, KVF_EINTERNAL, "a cell of unknown type %d", (int)cell->type);
}
