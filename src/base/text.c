/* text - UTF-8, near misses, patterns, sizes, clocks. */
#include "base/text.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define NOT_ASCII UINT64_C(0x8080808080808080) /* in any of eight bytes */

size_t kvf_utf8_valid(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t i = 0, n, k;

	while (i < len) {
		uint8_t c = p[i], low = 0x80, high = 0xbf;

		if (c < 0x80) {
			/* Many ASCII bytes at a time: most text is that. */
			uint64_t w[4];

			while (len - i >= 32) {
				memcpy(w, p + i, 32);
				if ((w[0] | w[1] | w[2] | w[3]) & NOT_ASCII)
					break;
				i += 32;
			}
			while (len - i >= 8) {
				memcpy(w, p + i, 8);
				if (w[0] & NOT_ASCII)
					break;
				i += 8;
			}
			while (i < len && p[i] < 0x80)
				i++;
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf) {
			n = 1;
		} else if (c >= 0xe0 && c <= 0xef) {
			n = 2;
			low = c == 0xe0 ? 0xa0 : 0x80;  /* overlong */
			high = c == 0xed ? 0x9f : 0xbf; /* surrogates */
		} else if (c >= 0xf0 && c <= 0xf4) {
			n = 3;
			low = c == 0xf0 ? 0x90 : 0x80;
			high = c == 0xf4 ? 0x8f : 0xbf; /* above U+10FFFF */
		} else {
			return i;
		}
		if (len - i <= n || p[i + 1] < low || p[i + 1] > high)
			return i;
		for (k = 2; k <= n; k++)
			if ((p[i + k] & 0xc0) != 0x80)
				return i;
		i += n + 1;
	}
	return i;
}

void kvf_text_clean(char *s, char keep)
{
	size_t len = strlen(s), good, i = 0;

	while (i < len) {
		good = i + kvf_utf8_valid(s + i, len - i);
		for (; i < good; i++) {
			uint8_t c = (uint8_t)s[i];

			if (c == 0xc2 && (uint8_t)s[i + 1] < 0xa0)
				s[i] = s[i + 1] = '?';
			else if ((c < 0x20 && s[i] != keep) || c == 0x7f)
				s[i] = '?';
		}
		if (i < len)
			s[i++] = '?';
	}
}

#define WORD_MAX 63

/* Edits between two words, in bytes; words over 63 bytes are "far". */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], la = strlen(a), lb = strlen(b), i, j, d;
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *unused;

	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (j = 0; j <= lb; j++)
		last[j] = j;
	for (i = 1; i <= la; i++) {
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			d = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			row[j] = d;
		}
		unused = before;
		before = last;
		last = row;
		row = unused;
	}
	return last[lb];
}

const char *kvf_did_you_mean(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), limit = len < 2 ? 0 : len < 6 ? 1 : len / 3;
	const char *found = NULL;
	size_t best = limit + 1, i, d;

	for (i = 0; i < n; i++) {
		d = strcasecmp(word, candidates[i]) ? distance(word, candidates[i]) : 0;
		if (d < best) {
			best = d;
			found = candidates[i];
		}
	}
	return found;
}

int kvf_glob(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;
	int quoted = 0, doubled;

	for (;;) {
		doubled = quoted && pattern[0] == '"' && pattern[1] == '"';
		if (*pattern == '"' && !doubled && (quoted || strchr(pattern + 1, '"'))) {
			quoted = !quoted;
			pattern++;
		} else if (*pattern == '*' && !quoted) {
			star = ++pattern;
			retry = name;
		} else if (*name && *pattern == '?' && !quoted) {
			pattern++;
			name++;
			while (((uint8_t)*name & 0xc0) ==
			       0x80) /* one character, not one byte */
				name++;
		} else if (*name && *pattern == *name) {
			name++;
			pattern += 1 + doubled;
		} else if (!*name && !*pattern) {
			return 1;
		} else if (star && *retry) {
			name = ++retry;
			pattern = star;
			quoted = 0;
		} else {
			return 0;
		}
	}
}

int kvf_parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	uint64_t v = 0;
	const char *u;
	unsigned shift = 0;

	if (*text < '0' || *text > '9')
		return 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return 0;
		v = v * 10 + digit;
	}
	if (*text) {
		char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;

		if (c == 'B' && !text[1]) {
			*out = v;
			return 1;
		}
		u = strchr(units, c);
		if (!u)
			return 0;
		shift = 10 * (unsigned)(u - units + 1);
		text++;
		if (*text == 'i')
			text++;
		if (*text == 'B' || *text == 'b')
			text++;
		if (*text)
			return 0;
	}
	if (shift && v > UINT64_MAX >> shift)
		return 0;
	*out = v << shift;
	return 1;
}

int64_t kvf_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

double kvf_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
