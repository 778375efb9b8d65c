/* number - numbers as text, exactly and without a locale. */
#include "value/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

int kvf_parse_u64(struct kvf_bytes text, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (text.len == 0 || text.len > 20 || (text.ptr[0] == '0' && text.len > 1))
		return 0;
	for (i = 0; i < text.len; i++) {
		unsigned d = (unsigned)text.ptr[i] - '0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return 0;
		v = v * 10 + d;
	}
	*out = v;
	return 1;
}

int kvf_parse_i64(struct kvf_bytes text, int64_t *out)
{
	int negative = text.len > 0 && text.ptr[0] == '-';
	uint64_t v;

	if (negative) {
		text.ptr++;
		text.len--;
	}
	if (!kvf_parse_u64(text, &v))
		return 0;
	if (!negative) {
		if (v > INT64_MAX)
			return 0;
		*out = (int64_t)v;
		return 1;
	}
	if (v == 0 || v > (uint64_t)INT64_MAX + 1)
		return 0;
	*out = -(int64_t)(v - 1) - 1;
	return 1;
}

size_t kvf_format_u64(uint64_t v, char *out)
{
	char digits[20];
	size_t n = 0, i;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

size_t kvf_format_i64(int64_t v, char *out)
{
	if (v >= 0)
		return kvf_format_u64((uint64_t)v, out);
	out[0] = '-';
	return 1 + kvf_format_u64((uint64_t)(-(v + 1)) + 1, out + 1);
}

/* The digits of "%.{n-1}e" and its exponent; a locale's point is skipped. */
static size_t digits_of(double v, int n, char digits[20], int *exponent)
{
	char text[48];
	size_t len = 0;
	const char *p = text;
	int negative, e = 0;

	snprintf(text, sizeof(text), "%.*e", n - 1, v);
	for (; *p && *p != 'e'; p++)
		if (is_digit((uint8_t)*p) && len < 20)
			digits[len++] = *p;
	if (*p == 'e')
		p++;
	negative = *p == '-';
	for (; *p; p++)
		if (is_digit((uint8_t)*p))
			e = e * 10 + (*p - '0');
	*exponent = negative ? -e : e;
	while (len > 1 && digits[len - 1] == '0')
		len--;
	return len;
}

static int reads_back(const char *digits, size_t n, int exponent, double want)
{
	struct kvf_bytes text;
	char buf[64];
	int len;
	double v;

	len = snprintf(buf, sizeof(buf), "%.*se%d", (int)n, digits, exponent - (int)n + 1);
	text.ptr = (const uint8_t *)buf;
	text.len = (size_t)len;
	return kvf_parse_real(text, &v) && v == want;
}

static size_t put_digits(char *out, const char *digits, size_t n, int exponent)
{
	size_t at = 0, i;

	if (exponent >= -5 && exponent < 0) { /* 0.00012 */
		out[at++] = '0';
		out[at++] = '.';
		for (; exponent < -1; exponent++)
			out[at++] = '0';
		memcpy(out + at, digits, n);
		return at + n;
	}
	if (exponent >= 0 && exponent < 17) { /* 120.0, 1.25 */
		for (i = 0; i <= (size_t)exponent; i++)
			out[at++] = i < n ? digits[i] : '0';
		out[at++] = '.';
		if (n <= i)
			out[at++] = '0';
		for (; i < n; i++)
			out[at++] = digits[i];
		return at;
	}
	out[at++] = digits[0];
	if (n > 1) {
		out[at++] = '.';
		memcpy(out + at, digits + 1, n - 1);
		at += n - 1;
	}
	return at + (size_t)snprintf(out + at, 8, "e%+d", exponent);
}

size_t kvf_format_real(double v, char *out)
{
	char digits[20];
	size_t at = 0, n = 0;
	int exponent = 0, tries;

	if (!isfinite(v))
		return 0;
	if (signbit(v)) {
		out[at++] = '-';
		v = -v;
	}
	if (v < 1e15 && v == (double)(int64_t)v) { /* whole, and often so */
		at += kvf_format_u64((uint64_t)v, out + at);
		out[at++] = '.';
		out[at++] = '0';
		return at;
	}
	/* Any 15 digits survive a normal double; a subnormal one has fewer. */
	for (tries = v < DBL_MIN ? 1 : 15; tries <= 17; tries++) {
		n = digits_of(v, tries, digits, &exponent);
		if (tries == 17 || reads_back(digits, n, exponent, v))
			break;
	}
	return at + put_digits(out + at, digits, n, exponent);
}

size_t kvf_json_number_len(struct kvf_bytes text)
{
	const uint8_t *p = text.ptr, *end = text.ptr + text.len, *mark;

	if (p < end && *p == '-')
		p++;
	if (p == end || !is_digit(*p))
		return 0;
	if (*p == '0')
		p++;
	else
		while (p < end && is_digit(*p))
			p++;
	if (p < end && *p == '.') {
		for (mark = ++p; p < end && is_digit(*p);)
			p++;
		if (p == mark)
			return 0;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		for (mark = p; p < end && is_digit(*p);)
			p++;
		if (p == mark)
			return 0;
	}
	return (size_t)(p - text.ptr);
}

int kvf_parse_real(struct kvf_bytes text, double *out)
{
	char buf[512];
	locale_t c;

	if (text.len >= sizeof(buf) || kvf_json_number_len(text) != text.len || !text.len)
		return 0;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	/* The C library hands out one static object for "C": nothing to free. */
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return 0;
	*out = strtod_l(buf, NULL, c);
	freelocale(c);
	return isfinite(*out) != 0;
}

/* Split a checked JSON number: its digits without the point, and how many of
 * them stand before the point once the exponent has been applied. */
static int split(struct kvf_bytes text, char *digits, size_t *n, int64_t *point)
{
	int64_t e = 0;
	int negative = 0, seen_point = 0;
	size_t i;

	*n = 0;
	*point = 0;
	for (i = text.ptr[0] == '-'; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (c == '.') {
			seen_point = 1;
		} else if (is_digit(c)) {
			digits[(*n)++] = (char)c;
			*point += !seen_point;
		} else {
			break;
		}
	}
	if (i < text.len) {
		i++;
		negative = text.ptr[i] == '-';
		i += text.ptr[i] == '-' || text.ptr[i] == '+';
		for (; i < text.len; i++)
			if (e < 1000000)
				e = e * 10 + (text.ptr[i] - '0');
	}
	if (!negative && e > KVF_DECIMAL_EXPONENT_MAX)
		return 0;
	*point += negative ? -e : e;
	return 1;
}

enum kvf_decimal kvf_decimal_scale(struct kvf_bytes text, unsigned scale, char *out,
				   size_t *len)
{
	size_t n, at = 0, i;
	int64_t point, k;
	int zero = 1;
	char *digits;

	if (!text.len || kvf_json_number_len(text) != text.len)
		return KVF_DECIMAL_BAD;
	/* The digits wait at the end of `out`, behind all that is written. */
	digits = out + kvf_decimal_room(text, scale) - text.len;
	if (!split(text, digits, &n, &point))
		return KVF_DECIMAL_HUGE;
	for (i = 0; i < n; i++)
		zero &= digits[i] == '0';
	if (zero)
		point = 1; /* whatever the exponent says */
	for (k = point + (int64_t)scale > 0 ? point + (int64_t)scale : 0; k < (int64_t)n; k++)
		if (digits[k] != '0')
			return KVF_DECIMAL_INEXACT;
	if (text.ptr[0] == '-' && !zero)
		out[at++] = '-';
	for (k = 0; k < point && k < (int64_t)n && k + 1 < point && digits[k] == '0';)
		k++; /* leading zeros, as of 0.05e2 */
	if (point <= 0)
		out[at++] = '0';
	for (; k < point; k++)
		out[at++] = k < (int64_t)n ? digits[k] : '0';
	if (scale)
		out[at++] = '.';
	for (k = point; k < point + (int64_t)scale; k++)
		out[at++] = k >= 0 && k < (int64_t)n ? digits[k] : '0';
	*len = at;
	return KVF_DECIMAL_OK;
}
