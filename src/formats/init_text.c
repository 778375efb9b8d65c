/*
 * init_text - table shapes to the YAML of a first definition.
 *
 * One record for each table: partition = the application, key = the table's
 * name and its primary key, value = a msgpack map of the columns.  Rows without
 * a key are numbered in the order of their contents.
 */
#include <string.h>

#include "formats/declared.h"
#include "formats/init.h"

#define LABEL_MAX 64
#define KEY_TEXT_MAX 65536

const char *kvf_init_type(const struct kvf_column *column)
{
	switch (kvf_declared_class(column->type)) {
	case KVF_DECLARED_INTEGER: return "int";
	case KVF_DECLARED_REAL: return "float";
	case KVF_DECLARED_DECIMAL: return "decimal";
	case KVF_DECLARED_BOOL: return "bool";
	case KVF_DECLARED_BLOB: return "bytes";
	case KVF_DECLARED_TIME:
	case KVF_DECLARED_JSON:
	case KVF_DECLARED_TEXT:
	case KVF_DECLARED_ANY:
	case KVF_DECLARED_UNKNOWN: break;
	}
	return "string";
}

/* What a person may want to know about that choice. */
static const char *remark(const struct kvf_column *column)
{
	switch (kvf_declared_class(column->type)) {
	case KVF_DECLARED_TIME: return "; `timestamp` would give one form to all";
	case KVF_DECLARED_JSON: return "; `json` would nest it";
	case KVF_DECLARED_ANY: return "; texts and numbers only, `bytes` for blobs";
	case KVF_DECLARED_INTEGER:
	case KVF_DECLARED_REAL:
	case KVF_DECLARED_DECIMAL:
	case KVF_DECLARED_BOOL:
	case KVF_DECLARED_BLOB:
	case KVF_DECLARED_TEXT:
	case KVF_DECLARED_UNKNOWN: break;
	}
	return "";
}

static int carried(const struct kvf_column *c)
{
	return !(c->flags & (KVF_COLUMN_GENERATED | KVF_COLUMN_HIDDEN));
}

/* `word` and a number, NUL-terminated; at most 20 bytes longer than the word. */
static void number_name(char *out, const char *word, size_t number)
{
	char digits[24];
	size_t d = sizeof(digits), len = strlen(word);

	for (digits[--d] = '\0'; number; number /= 10)
		digits[--d] = (char)('0' + number % 10);
	memcpy(out, word, len);
	memcpy(out + len, digits + d, sizeof(digits) - d);
}

/*
 * The name of record and value: the table's own where the language allows it;
 * else what is like it, with ".N" behind it, which no table's own name ends in.
 */
static void label_of(const struct kvf_table *tables, size_t i, char label[LABEL_MAX])
{
	static const char fits[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *name = tables[i].name;
	size_t len = strlen(name), n = len < 40 ? len : 40;

	for (size_t k = 0; k < n; k++)
		label[k] = strchr(fits, name[k]) ? name[k] : '_';
	label[n] = '\0';
	if (n != len || strcmp(label, name) != 0 || !n) {
		label[n] = n ? '.' : '_';
		number_name(label + n + 1, "", i + 1);
	}
}

/* ---- keys ---------------------------------------------------------------------- */

/* Plain where nothing can be mistaken; between slashes no slash may come. */
static const char *key_filter(const struct kvf_column *c, size_t nkey)
{
	enum kvf_declared d = kvf_declared_class(c->type);

	if (d == KVF_DECLARED_BLOB)
		return "|hex";
	if (nkey == 1 || d == KVF_DECLARED_INTEGER || d == KVF_DECLARED_BOOL)
		return "";
	return "|urlencode";
}

/* The columns that make a row's key: the primary key, or else others that the
 * source keeps unique in every row.  NULL, *n = 0 where there are none. */
static const uint32_t *key_columns(const struct kvf_table *t, size_t *n)
{
	*n = t->nkey;
	if (t->nkey)
		return t->key;
	for (size_t u = 0; u < t->nunique; u++)
		if (!t->unique[u].partial && !t->unique[u].nullable) {
			*n = t->unique[u].ncolumns;
			return t->unique[u].columns;
		}
	return NULL;
}

/* The name of the column that numbers the rows of a table without a key. */
static const char *number_column(const struct kvf_table *t)
{
	static const char *const names[] = { "row_number", "row_number_", "row_number__" };
	size_t i = 0;

	while (i < 2 && kvf_shape_column(t, names[i]) != SIZE_MAX)
		i++;
	return names[i];
}

static enum kvf_status entry_text(struct kvf_buf *out, const char *application,
				  const struct kvf_table *t, const char *label,
				  struct kvf_err *err)
{
	struct kvf_buf key;
	enum kvf_status st;
	size_t nkey;
	const uint32_t *columns = key_columns(t, &nkey);

	kvf_buf_init(&key, KEY_TEXT_MAX);
	st = kvf_init_emit(&key, err, "%k/", t->name);
	for (size_t i = 0; st == KVF_OK && i < nkey; i++) {
		const struct kvf_column *c = &t->columns[columns[i]];

		st = kvf_init_emit(&key, err, "%s{%p%s}", i ? "/" : "", c->name,
				   key_filter(c, nkey));
	}
	if (st == KVF_OK && !nkey)
		st = kvf_init_emit(&key, err, "{%p}", number_column(t));
	if (st == KVF_OK)
		st = kvf_buf_append(&key, "", 1, err);
	if (st == KVF_OK)
		st = kvf_init_emit(
			out, err, "    entries:\n      - {partition: %s, key: %y, value: %w}\n",
			application, (const char *)key.ptr, label);
	kvf_buf_release(&key);
	return st;
}

/* ---- records --------------------------------------------------------------------- */

static enum kvf_status column_list(struct kvf_buf *out, const struct kvf_table *t,
				   struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	unsigned n = 0;

	for (size_t i = 0; st == KVF_OK && i < t->ncolumns; i++)
		if (carried(&t->columns[i]))
			st = kvf_init_emit(out, err, "%s%i", n++ ? ", " : "",
					   t->columns[i].name);
	return st;
}

/* Rows without a key: the query numbers them, in the order of all columns. */
static enum kvf_status numbering(struct kvf_buf *sql, const struct kvf_table *t,
				 const char *indent, struct kvf_err *err)
{
	enum kvf_status st;

	st = kvf_init_emit(sql, err, "%sSELECT row_number() OVER (ORDER BY ", indent);
	if (st == KVF_OK)
		st = column_list(sql, t, err);
	if (st == KVF_OK)
		st = kvf_init_emit(sql, err, ") AS %p,\n%s       ", number_column(t), indent);
	if (st == KVF_OK)
		st = column_list(sql, t, err);
	return st == KVF_OK ? kvf_init_emit(sql, err, "\n%sFROM %i\n", indent, t->name) : st;
}

static int block_can_hold(const struct kvf_table *t)
{
	int fits = kvf_init_plain(t->name);

	for (size_t i = 0; fits && i < t->ncolumns; i++)
		fits = kvf_init_plain(t->columns[i].name);
	return fits;
}

static enum kvf_status query_text(struct kvf_buf *out, const struct kvf_table *t,
				  struct kvf_err *err)
{
	struct kvf_buf sql;
	enum kvf_status st;

	st = kvf_init_emit(
		out, err,
		"    # The source keeps no columns unique: equal rows are told apart by their\n"
		"    # number.  A row's number changes when rows come before it.\n");
	if (st == KVF_OK && block_can_hold(t)) {
		st = kvf_init_emit(out, err, "    query: |\n");
		return st == KVF_OK ? numbering(out, t, "      ", err) : st;
	}
	kvf_buf_init(&sql, KVF_DEF_FILE_MAX);
	if (st == KVF_OK)
		st = numbering(&sql, t, "", err);
	if (st == KVF_OK)
		st = kvf_buf_append(&sql, "", 1, err);
	if (st == KVF_OK)
		st = kvf_init_emit(out, err, "    query: %y\n", (const char *)sql.ptr);
	kvf_buf_release(&sql);
	return st;
}

static enum kvf_status record_text(struct kvf_buf *out, const char *application,
				   const struct kvf_table *t, const char *label,
				   struct kvf_err *err)
{
	enum kvf_status st = kvf_init_emit(out, err, "\n  # %c", t->name);
	size_t nkey;
	const uint32_t *key = key_columns(t, &nkey);

	if (st == KVF_OK && t->rows != UINT64_MAX)
		st = kvf_init_emit(out, err, ": %s%u rows", t->rows_exact ? "" : "about ",
				   t->rows);
	for (size_t i = 0; st == KVF_OK && i < nkey; i++)
		st = kvf_init_emit(out, err, "%s%c", i ? ", " : "; key ",
				   t->columns[key[i]].name);
	if (st == KVF_OK)
		st = kvf_init_emit(out, err, "\n");
	if (st == KVF_OK && t->nkey && t->flags & KVF_TABLE_KEY_HAS_NULLS)
		st = kvf_init_emit(out, err,
				   "  # The source allows NULL in this key.  Such a row is "
				   "refused; `else:` and a\n"
				   "  # text that no row has would carry one.\n");
	if (st == KVF_OK)
		st = kvf_init_emit(out, err, "  %w:\n", label);
	if (st == KVF_OK)
		st = nkey ? kvf_init_emit(out, err, "    table: %w\n", t->name)
			  : query_text(out, t, err);
	return st == KVF_OK ? entry_text(out, application, t, label, err) : st;
}

/* A field is called as its column, where the language allows such a name. */
static enum kvf_status field_text(struct kvf_buf *out, const struct kvf_table *t, size_t i,
				  struct kvf_err *err)
{
	const struct kvf_column *c = &t->columns[i];
	char name[KVF_DEF_FIELD_NAME_MAX + 1];
	struct kvf_buf from;
	enum kvf_status st;
	size_t len;

	if (kvf_init_plain(c->name) && strlen(c->name) <= KVF_DEF_FIELD_NAME_MAX)
		return kvf_init_emit(out, err, "      %w: %s", c->name, kvf_init_type(c));
	number_name(name, "column_", i + 1);
	while (kvf_shape_column(t, name) != SIZE_MAX &&
	       (len = strlen(name)) < KVF_DEF_FIELD_NAME_MAX)
		memcpy(name + len, "_", 2);
	kvf_buf_init(&from, KEY_TEXT_MAX);
	st = kvf_init_emit(&from, err, "{%p}", c->name);
	if (st == KVF_OK)
		st = kvf_buf_append(&from, "", 1, err);
	if (st == KVF_OK)
		st = kvf_init_emit(out, err, "      %s: {type: %s, from: %y}", name,
				   kvf_init_type(c), (const char *)from.ptr);
	kvf_buf_release(&from);
	return st;
}

static enum kvf_status value_text(struct kvf_buf *out, const struct kvf_table *t,
				  const char *label, struct kvf_err *err)
{
	enum kvf_status st =
		kvf_init_emit(out, err, "\n  %w:\n    encoding: msgpack\n    fields:\n", label);
	size_t fields = 0;

	for (size_t i = 0; st == KVF_OK && i < t->ncolumns; i++) {
		const struct kvf_column *c = &t->columns[i];

		if (!carried(c)) {
			st = kvf_init_emit(out, err, "      # %c is computed by the source\n",
					   c->name);
			continue;
		}
		fields++;
		st = field_text(out, t, i, err);
		if (st == KVF_OK)
			st = c->type[0]
				     ? kvf_init_emit(out, err, "  # %c%s\n", c->type, remark(c))
				     : kvf_init_emit(out, err, "  # no type%s\n", remark(c));
	}
	if (st == KVF_OK && (fields > KVF_DEF_FIELDS_MAX || !fields)) {
		st = kvf_fail(err, KVF_EDEFINITION,
			      "table %s has %zu columns to carry; a value has "
			      "1 to %d fields",
			      t->name, fields, KVF_DEF_FIELDS_MAX);
		kvf_err_hint(err, "Without -f every table is carried as it is.");
	}
	return st;
}

/* ---- the two files ----------------------------------------------------------------- */

enum kvf_status kvf_init_application(struct kvf_buf *out, const char *application,
				     const struct kvf_table *tables, size_t n,
				     struct kvf_err *err)
{
	enum kvf_status st;

	st = kvf_init_emit(
		out, err,
		"# A first draft, made from the source's own schema.  The language is "
		"described in\n"
		"# docs/definitions.md; `kvferry check` says what a definition does not "
		"carry.\n"
		"\n"
		"application: %s\n"
		"\n"
		"# Refuse a source of another version than the one this was written for:\n"
		"# source:\n"
		"#   version: \"PRAGMA user_version\"       # any SQL that yields one number\n"
		"#   requires: 1\n"
		"\n"
		"store:\n"
		"  # The schema version that the last write of a migration sets.\n"
		"  schema: 1\n"
		"  # The record in which the application looks for it, if it has one:\n"
		"  # version: {partition: meta, key: schema-version, started: \"0\", done: "
		"\"1\"}\n"
		"\n"
		"packages: [" KVF_INIT_PACKAGE "]\n"
		"\n"
		"# Legacy tables that are of no use any more after a verified bump:\n"
		"# drop: [",
		application);
	for (size_t i = 0; st == KVF_OK && i < n; i++)
		st = kvf_init_emit(out, err, "%s%c", i ? ", " : "", tables[i].name);
	return st == KVF_OK ? kvf_init_emit(out, err, "]\n") : st;
}

enum kvf_status kvf_init_package(struct kvf_buf *out, const char *application,
				 const struct kvf_table *tables, size_t n, struct kvf_err *err)
{
	char label[LABEL_MAX];
	enum kvf_status st;

	st = kvf_init_emit(
		out, err,
		"# One record for each table.  A row becomes one entry: partition, key and "
		"value.\n"
		"#\n"
		"# Keys begin with the table's name and hold its primary key, so that no two "
		"rows\n"
		"# can have the same.  Where several columns make the key, texts are "
		"urlencoded:\n"
		"# a slash in one of them could be taken for the one between them.  Integers "
		"that\n"
		"# should sort by number: {id|pad:20}.\n"
		"#\n"
		"# Values are msgpack maps, a field for each column, NULLs left out.  A "
		"field's type\n"
		"# comes from the column's declared type; a row that holds something else is\n"
		"# refused by name, never bent.  Rename a field: {type: string, from: "
		"\"{Column}\"}.\n");
	if (st == KVF_OK)
		st = kvf_init_example(out, tables, n, err);
	if (st == KVF_OK)
		st = kvf_init_emit(out, err,
				   "\npackage: " KVF_INIT_PACKAGE "\nversion: 1\n\nrecords:\n");
	for (size_t i = 0; st == KVF_OK && i < n; i++) {
		label_of(tables, i, label);
		st = record_text(out, application, &tables[i], label, err);
	}
	if (st == KVF_OK)
		st = kvf_init_emit(out, err, "\nvalues:\n");
	for (size_t i = 0; st == KVF_OK && i < n; i++) {
		label_of(tables, i, label);
		st = value_text(out, &tables[i], label, err);
	}
	return st;
}
