/* redact - passwords out of texts that people see; words that they type. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Put "***" in place of text[from..to), as far as there is room. */
static char *blot_out(char *from, char *to)
{
	size_t n = to - from < 3 ? (size_t)(to - from) : 3;

	memcpy(from, "***", n);
	memmove(from + n, to, strlen(to) + 1);
	return from + n;
}

/* Behind a value: 'quoted', with \ before what is meant literally, or bare. */
static char *value_end(char *p)
{
	int quoted = *p == '\'';

	if (quoted)
		p++;
	for (; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (quoted ? *p == '\'' : strchr(" \t\n&'\"", *p) != NULL)
			break;
	}
	return quoted && *p ? p + 1 : p;
}

/* password = VALUE, as connection strings have it; also sslpassword. */
static void redact_words(char *text)
{
	char *p = text;

	while ((p = strcasestr(p, "password"))) {
		p += strlen("password");
		p += strspn(p, " \t\n");
		if (*p != '=')
			continue;
		p++;
		p += strspn(p, " \t\n");
		p = blot_out(p, value_end(p));
	}
}

/* scheme://USER:PASSWORD@HOST/... */
static void redact_uris(char *text)
{
	char *p = text, *end, *at, *colon;

	while ((p = strstr(p, "//"))) {
		p += 2;
		end = p + strcspn(p, "/ \t\n'\"");
		at = memrchr(p, '@', (size_t)(end - p));
		colon = at ? memchr(p, ':', (size_t)(at - p)) : NULL;
		if (colon)
			p = blot_out(colon + 1, at);
	}
}

void kvf_text_redact(char *text)
{
	redact_words(text);
	redact_uris(text);
}

const char *kvf_text_word(const char *text, char *buf, size_t size)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-+=.,:/@%";
	size_t at = 0;

	if (*text && !text[strspn(text, safe)]) {
		snprintf(buf, size, "%s", text);
		return buf;
	}
	buf[at++] = '"';
	for (; *text && at + 4 < size; text++) {
		if (strchr("\"$`\\", *text))
			buf[at++] = '\\';
		buf[at++] = *text;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
