/* redact - passwords out of texts that people see. */
#include "base/text.h"

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
