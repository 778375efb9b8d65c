/* declared - type names to classes, in the spellings of SQLite and PostgreSQL. */
#include "formats/declared.h"

#include <string.h>
#include <strings.h>

/* The first word that occurs decides; so the narrower ones come first. */
static const struct {
	const char *word;
	enum kvf_declared declared;
} words[] = {
	{ "interval", KVF_DECLARED_ANY }, /* holds "int" and is none */
	{ "point", KVF_DECLARED_ANY },      { "bool", KVF_DECLARED_BOOL },
	{ "json", KVF_DECLARED_JSON },      { "int", KVF_DECLARED_INTEGER },
	{ "serial", KVF_DECLARED_INTEGER }, { "char", KVF_DECLARED_TEXT },
	{ "clob", KVF_DECLARED_TEXT },      { "text", KVF_DECLARED_TEXT },
	{ "uuid", KVF_DECLARED_TEXT },      { "blob", KVF_DECLARED_BLOB },
	{ "bytea", KVF_DECLARED_BLOB },     { "binary", KVF_DECLARED_BLOB },
	{ "real", KVF_DECLARED_REAL },      { "floa", KVF_DECLARED_REAL },
	{ "doub", KVF_DECLARED_REAL },      { "dec", KVF_DECLARED_DECIMAL },
	{ "num", KVF_DECLARED_DECIMAL },    { "money", KVF_DECLARED_DECIMAL },
	{ "date", KVF_DECLARED_TIME },      { "time", KVF_DECLARED_TIME },
};

enum kvf_declared kvf_declared_class(const char *type)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(type, words[i].word))
			return words[i].declared;
	return KVF_DECLARED_ANY;
}

size_t kvf_shape_column(const struct kvf_table *shape, const char *name)
{
	for (size_t i = 0; shape && i < shape->ncolumns; i++)
		if (!strcmp(shape->columns[i].name, name))
			return i;
	/* As SQL compares names, where the spelling itself is not there. */
	for (size_t i = 0; shape && i < shape->ncolumns; i++)
		if (!strcasecmp(shape->columns[i].name, name))
			return i;
	return SIZE_MAX;
}
