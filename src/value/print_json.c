/* print_json - JSON values, checked, without white space, fit for a terminal. */
#include "value/print.h"

#include "base/text.h"

#include <string.h>

struct scan {
	struct kvf_printer *p;
	const uint8_t *at, *end;
};

static void blank(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static int peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : -1;
}

static int is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* The text between the quotes keeps its escapes; other characters that must
 * not reach a terminal get one. */
static void string(struct scan *s, int print)
{
	const uint8_t *from = ++s->at;
	size_t n;

	while (s->at < s->end && *s->at != '"') {
		if (*s->at < 0x20)
			break;
		if (*s->at != '\\') {
			s->at++;
			continue;
		}
		n = 2;
		if (s->end - s->at < 2 || !strchr("\"\\/bfnrtu", s->at[1]) || !s->at[1])
			break;
		if (s->at[1] == 'u') {
			n = 6;
			if (s->end - s->at < 6 || !is_hex(s->at[2]) || !is_hex(s->at[3]) ||
			    !is_hex(s->at[4]) || !is_hex(s->at[5]))
				break;
		}
		s->at += n;
	}
	if (peek(s) != '"' ||
	    kvf_utf8_valid(from, (size_t)(s->at - from)) != (size_t)(s->at - from)) {
		s->p->bad = 1;
		return;
	}
	if (print)
		kvf_print_put(s->p, "\"");
	while (print && from < s->at) {
		const uint8_t *stop = from;
		struct kvf_bytes b;

		/* Escapes are copied, the runs between them are escaped. */
		while (stop < s->at && *stop != '\\')
			stop++;
		b.ptr = from;
		b.len = (size_t)(stop - from);
		kvf_print_text_inside(s->p, b);
		n = stop < s->at ? (stop[1] == 'u' ? 6 : 2) : 0;
		kvf_print_put_n(s->p, stop, n);
		from = stop + n;
	}
	if (print)
		kvf_print_put(s->p, "\"");
	s->at++;
}

static size_t digits(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *from = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return (size_t)(at - from);
}

static void number(struct scan *s, int print)
{
	const uint8_t *from = s->at;
	size_t n;

	if (peek(s) == '-')
		s->at++;
	n = digits(s->at, s->end);
	s->p->bad |= n == 0 || (n > 1 && *s->at == '0');
	s->at += n;
	if (peek(s) == '.') {
		n = digits(++s->at, s->end);
		s->p->bad |= n == 0;
		s->at += n;
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		n = digits(s->at, s->end);
		s->p->bad |= n == 0;
		s->at += n;
	}
	if (print)
		kvf_print_put_n(s->p, from, (size_t)(s->at - from));
}

static void word(struct scan *s, int print)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i, n;

	for (i = 0; i < 3; i++) {
		n = strlen(words[i]);
		if ((size_t)(s->end - s->at) < n || memcmp(s->at, words[i], n) != 0)
			continue;
		s->at += n;
		if (print)
			kvf_print_put(s->p, words[i]);
		return;
	}
	s->p->bad = 1;
}

static void scalar(struct scan *s, int print)
{
	int c = peek(s);

	if (c == '"')
		string(s, print);
	else if (c == '-' || (c >= '0' && c <= '9'))
		number(s, print);
	else
		word(s, print);
}

/* Deeper than what is printed: only brackets and tokens are looked at. */
static void skip(struct scan *s)
{
	uint64_t open = 0;
	int c;

	kvf_print_put(s->p, "\"...\"");
	do {
		blank(s);
		c = peek(s);
		if (c == '[' || c == '{')
			open++;
		else if (c == ']' || c == '}')
			open--;
		else if (c != ',' && c != ':') {
			scalar(s, 0);
			continue;
		}
		s->at++;
	} while (open && !s->p->bad);
}

static void expect(struct scan *s, int c)
{
	char text[2] = { (char)c, '\0' };

	blank(s);
	if (peek(s) != c) {
		s->p->bad = 1;
		return;
	}
	s->at++;
	kvf_print_put(s->p, text);
}

static void value(struct scan *s, unsigned depth)
{
	int c, close, first = 1;

	blank(s);
	c = peek(s);
	if (c != '[' && c != '{') {
		scalar(s, 1);
		return;
	}
	if (depth == KVF_PRINT_DEPTH) {
		skip(s);
		return;
	}
	close = c == '[' ? ']' : '}';
	expect(s, c);
	for (blank(s); peek(s) != close && !s->p->bad && !s->p->st; blank(s)) {
		if (!first)
			expect(s, ',');
		first = 0;
		if (c == '{') {
			blank(s);
			if (peek(s) != '"') {
				s->p->bad = 1;
				return;
			}
			string(s, 1);
			expect(s, ':');
		}
		if (!s->p->bad)
			value(s, depth + 1);
	}
	if (!s->p->bad)
		expect(s, close);
}

void kvf_print_json(struct kvf_printer *p, struct kvf_bytes v)
{
	struct scan s = { p, v.ptr, v.ptr + v.len };

	if (!v.len) {
		p->bad = 1;
		return;
	}
	value(&s, 0);
	if (!p->bad && !p->st) {
		blank(&s);
		p->bad = s.at != s.end;
	}
}
