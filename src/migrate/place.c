/* place - what an operand on the command line names. */
#include <kvferry/migrate.h>

#include "base/text.h"

#include <string.h>

static int ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

/* Does the text begin like a URI, "scheme:"?  Returns the scheme's length or 0. */
static size_t scheme_length(const char *text)
{
	size_t n = 0;

	while ((text[n] >= 'a' && text[n] <= 'z') || (n && text[n] >= '0' && text[n] <= '9'))
		n++;
	return text[n] == ':' ? n : 0;
}

enum kvf_status kvf_place_parse(const char *text, struct kvf_place *out, struct kvf_err *err)
{
	size_t scheme;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "tables:", 7) == 0) {
		out->tables = 1;
		text += 7;
	}
	out->text = text;
	out->rest = text;
	if (strcmp(text, "-") == 0) {
		out->kind = KVF_PLACE_STDIO;
	} else if (kvf_is_conninfo(text)) {
		out->kind = KVF_PLACE_DATABASE;
		memcpy(out->scheme, "postgresql", sizeof("postgresql"));
	} else if ((scheme = scheme_length(text)) != 0 && scheme < sizeof(out->scheme)) {
		out->kind = KVF_PLACE_DATABASE;
		memcpy(out->scheme, text, scheme);
		out->rest = text + scheme + 1;
	} else if (ends_with(text, ".kvf") || strncmp(text, "/dev/", 5) == 0) {
		out->kind = KVF_PLACE_STREAM;
	} else {
		kvf_fail(err, KVF_EUSAGE, "'%s' is no place", text);
		if (ends_with(text, ".db") || ends_with(text, ".sqlite") ||
		    ends_with(text, ".sqlite3"))
			kvf_err_hint(err, "For an SQLite file, write sqlite:%s", text);
		else
			kvf_err_hint(err, "A place is sqlite:PATH, a connection string of "
					  "PostgreSQL (postgresql://..., service=...), "
					  "cockroachdb://HOST/DATABASE, a path "
					  "that ends in .kvf, or - for a pipe.");
		return KVF_EUSAGE;
	}
	if (out->kind == KVF_PLACE_DATABASE && !*out->rest) {
		kvf_fail(err, KVF_EUSAGE, "'%s' names no database", text);
		kvf_err_hint(err, "Write the path behind the colon: sqlite:shop.db");
		return KVF_EUSAGE;
	}
	if (out->tables && out->kind != KVF_PLACE_DATABASE) {
		kvf_fail(err, KVF_EUSAGE, "'tables:' goes before a database, not before '%s'",
			 text);
		return KVF_EUSAGE;
	}
	return KVF_OK;
}
