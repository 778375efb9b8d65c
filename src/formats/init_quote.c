/* init_quote - names of any characters, written so that each language reads them back. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "formats/init.h"

static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

static int is_word(const char *s)
{
	return *s && strspn(s, word) == strlen(s);
}

static enum kvf_status put(struct kvf_buf *out, const char *s, struct kvf_err *err)
{
	return kvf_buf_append(out, s, strlen(s), err);
}

/*
 * The bytes at `p` that neither YAML nor a terminal should see as they are:
 * controls, separators of lines, the byte order mark.  Returns how many bytes
 * the character has, 0 if it may stand; *code is its code point.
 */
static size_t odd_character(const char *p, unsigned *code)
{
	const unsigned char *u = (const unsigned char *)p;

	*code = u[0];
	if (u[0] < 0x20 || u[0] == 0x7f)
		return 1;
	if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0) {
		*code = u[1];
		return 2;
	}
	if (u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9)) {
		*code = 0x2028 + (unsigned)(u[2] - 0xa8);
		return 3;
	}
	if (u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf) {
		*code = 0xfeff;
		return 3;
	}
	return 0;
}

int kvf_init_plain(const char *name)
{
	unsigned code;

	while (*name && !odd_character(name, &code))
		name++;
	return !*name;
}

static enum kvf_status put_yaml(struct kvf_buf *out, const char *text, struct kvf_err *err)
{
	enum kvf_status st = put(out, "\"", err);

	for (const char *p = text; st == KVF_OK && *p;) {
		unsigned code;
		size_t odd = odd_character(p, &code);

		if (odd)
			st = kvf_buf_printf(out, err, "\\u%04X", code);
		else if (*p == '"' || *p == '\\')
			st = kvf_buf_printf(out, err, "\\%c", *p);
		else
			st = kvf_buf_append(out, p, 1, err);
		p += odd ? odd : 1;
	}
	return st == KVF_OK ? put(out, "\"", err) : st;
}

/* In quotes, which are doubled inside. */
static enum kvf_status put_doubled(struct kvf_buf *out, const char *text, char quote,
				   struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_append(out, &quote, 1, err);

	for (const char *p = text; st == KVF_OK && *p; p++) {
		st = kvf_buf_append(out, p, 1, err);
		if (st == KVF_OK && *p == quote)
			st = kvf_buf_append(out, &quote, 1, err);
	}
	return st == KVF_OK ? kvf_buf_append(out, &quote, 1, err) : st;
}

static enum kvf_status put_segment(struct kvf_buf *out, const char *name, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (const char *p = name; st == KVF_OK && *p; p++)
		st = strchr(word, *p) || strchr("-.~", *p)
			     ? kvf_buf_append(out, p, 1, err)
			     : kvf_buf_printf(out, err, "%%%02X", (unsigned char)*p);
	return st;
}

static enum kvf_status put_comment(struct kvf_buf *out, const char *text, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (const char *p = text; st == KVF_OK && *p;) {
		unsigned code;
		size_t odd = odd_character(p, &code);

		st = kvf_buf_append(out, odd ? "?" : p, 1, err);
		p += odd ? odd : 1;
	}
	return st;
}

enum kvf_status kvf_init_emit(struct kvf_buf *out, struct kvf_err *err, const char *format, ...)
{
	enum kvf_status st = KVF_OK;
	va_list ap;

	va_start(ap, format);
	for (const char *p = format; st == KVF_OK && *p; p++) {
		size_t run = strcspn(p, "%");
		const char *s;

		if (run) {
			st = kvf_buf_append(out, p, run, err);
			p += run - 1;
			continue;
		}
		p++;
		if (*p == '%') {
			st = put(out, "%", err);
			continue;
		}
		if (*p == 'u') {
			st = kvf_buf_printf(out, err, "%" PRIu64, va_arg(ap, uint64_t));
			continue;
		}
		s = va_arg(ap, const char *);
		switch (*p) {
		case 's': st = put(out, s, err); break;
		case 'y': st = put_yaml(out, s, err); break;
		case 'w': st = is_word(s) ? put(out, s, err) : put_yaml(out, s, err); break;
		case 'i': st = put_doubled(out, s, '"', err); break;
		case 't': st = put_doubled(out, s, '\'', err); break;
		case 'p':
			st = is_word(s) ? put(out, s, err) : put_doubled(out, s, '"', err);
			break;
		case 'k': st = put_segment(out, s, err); break;
		case 'c': st = put_comment(out, s, err); break;
		default: st = kvf_fail(err, KVF_EINTERNAL, "no such directive: %%%c", *p);
		}
	}
	va_end(ap);
	return st;
}
