/*
 * check_live - a definition held against the source: what of it is not carried,
 * and can the rows be made again from their entries?
 *
 * A record that reads a table is known column by column.  A query is opaque:
 * what it leaves out is found by the words that do not occur in it, which is
 * never a false alarm for columns it names, and silent for those it names
 * without carrying them.
 */
#include "formats/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/declared.h"

#define LIST_MAX 900

/* ---- the way back -------------------------------------------------------------- */

/* Does this type give back exactly what such a column holds? */
static int type_is_exact(const struct kvf_def_field *f, const struct kvf_column *column)
{
	enum kvf_declared d = kvf_declared_class(column->type);

	switch (f->type) {
	case KVF_TYPE_STRING: return d != KVF_DECLARED_BLOB && d != KVF_DECLARED_ANY;
	case KVF_TYPE_BYTES: return d == KVF_DECLARED_BLOB;
	case KVF_TYPE_BOOL: return d == KVF_DECLARED_BOOL;
	case KVF_TYPE_INT:
	case KVF_TYPE_UINT:
	case KVF_TYPE_INT32:
	case KVF_TYPE_INT64:
	case KVF_TYPE_UINT32:
	case KVF_TYPE_UINT64:
	case KVF_TYPE_SINT32:
	case KVF_TYPE_SINT64:
	case KVF_TYPE_FIXED32:
	case KVF_TYPE_FIXED64:
	case KVF_TYPE_SFIXED32:
	case KVF_TYPE_SFIXED64:
	case KVF_TYPE_ENUM: return d == KVF_DECLARED_INTEGER || d == KVF_DECLARED_BOOL;
	case KVF_TYPE_TIMESTAMP: return d == KVF_DECLARED_INTEGER;
	case KVF_TYPE_FLOAT:
	case KVF_TYPE_DOUBLE: return d == KVF_DECLARED_REAL;
	case KVF_TYPE_DECIMAL:
		return !f->has_scale && (d == KVF_DECLARED_DECIMAL || d == KVF_DECLARED_REAL ||
					 d == KVF_DECLARED_INTEGER);
	case KVF_TYPE_PB_FLOAT: /* 32 bits of 64 */
	case KVF_TYPE_JSON:     /* its white space and order are not kept */
	case KVF_TYPE_OBJECT:
	case KVF_TYPE_MESSAGE: return 0;
	}
	return 0;
}

/* Is a NULL in the column still a NULL afterwards, and nothing else one? */
static int null_is_exact(const struct kvf_def_field *f, const struct kvf_column *column,
			 enum kvf_encoding encoding)
{
	if (column->flags & KVF_COLUMN_NOTNULL)
		return 1; /* a field that is not there is the type's empty value */
	return !f->has_default && f->omit != KVF_OMIT_EMPTY && encoding != KVF_PROTOBUF;
}

/* A template that is `column` and nothing else. */
static int is_column(const struct kvf_def_template *t, const struct kvf_def_record *r,
		     const char *column)
{
	return t && t->npieces == 1 && t->pieces[0].name && !t->pieces[0].nfilters &&
	       !t->pieces[0].optional && !strcasecmp(t->pieces[0].name, column) &&
	       !kvf_def_find_let(r, r->nlets, t->pieces[0].name);
}

/* Groups of fields may hold groups: `depth` deep.
 * NOLINTNEXTLINE(misc-no-recursion) */
static int field_returns(const struct kvf_def_field *f, const struct kvf_def_record *r,
			 const struct kvf_column *column, enum kvf_encoding encoding,
			 unsigned depth)
{
	if (f->shape == KVF_SHAPE_ONE &&
	    (f->type == KVF_TYPE_OBJECT || f->type == KVF_TYPE_MESSAGE)) {
		for (size_t i = 0; !f->from && depth && i < f->nfields; i++)
			if (field_returns(&f->fields[i], r, column, encoding, depth - 1))
				return 1;
		return 0;
	}
	return f->shape == KVF_SHAPE_ONE && !f->is_const &&
	       is_column(f->from, r, column->name) && type_is_exact(f, column) &&
	       null_is_exact(f, column, encoding);
}

static int value_returns(const struct kvf_def_value *v, const struct kvf_def_record *r,
			 const struct kvf_column *column)
{
	if (v->encoding == KVF_RAW)
		return is_column(v->from, r, column->name) &&
		       (column->flags & KVF_COLUMN_NOTNULL) != 0 &&
		       kvf_declared_class(column->type) != KVF_DECLARED_ANY;
	for (size_t i = 0; i < v->nfields; i++)
		if (field_returns(&v->fields[i], r, column, v->encoding, KVF_DEF_FIELD_DEPTH))
			return 1;
	return 0;
}

/* Does every row's value of `column` come back from what is always written? */
static enum kvf_status column_returns(const struct kvf_check_entry *entries, size_t n,
				      const struct kvf_column *column, int *returns,
				      struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	char why[640];

	*returns = 0;
	for (size_t i = 0; st == KVF_OK && !*returns && i < n; i++) {
		const struct kvf_check_entry *e = &entries[i];
		enum kvf_answer answer;

		if (e->entry->when)
			continue;
		*returns = value_returns(e->entry->value, e->record, column);
		if (*returns)
			break;
		st = kvf_check_determined(e, column->name, 1, &answer, why, sizeof(why), err);
		*returns = st == KVF_OK && answer == KVF_YES;
	}
	return st;
}

/* ---- one record against its table ------------------------------------------------ */

static void list_add(char *list, size_t *n, const char *name)
{
	size_t at = strlen(list);

	(*n)++;
	if (at + strlen(name) + 8 < LIST_MAX)
		snprintf(list + at, LIST_MAX - at, "%s%s", at ? ", " : "", name);
	else if (at + 5 < LIST_MAX && (at < 4 || strcmp(list + at - 3, "...") != 0))
		snprintf(list + at, LIST_MAX - at, ", ...");
}

static int is_read(const char *const *names, size_t n, const char *column)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(names[i], column))
			return 1;
	return 0;
}

/* `e`: the record's entries, n of them, at least one. */
static enum kvf_status check_table_record(struct kvf_checker *c,
					  const struct kvf_check_entry *e, size_t n,
					  struct kvf_err *err)
{
	const struct kvf_def_record *r = e->record;
	size_t nnames = kvf_def_columns(r, NULL), nlost = 0;
	const char **names = kvf_arena_alloc(&c->arena, (nnames + 1) * sizeof(*names));
	enum kvf_status st = KVF_OK;
	char lost[LIST_MAX] = "";

	if (!names)
		return kvf_fail_nomem(err);
	kvf_def_columns(r, names);
	for (size_t i = 0; st == KVF_OK && i < e->shape->ncolumns; i++) {
		const struct kvf_column *column = &e->shape->columns[i];
		int computed = (column->flags & KVF_COLUMN_GENERATED) != 0, returns;

		if (!is_read(names, nnames, column->name)) {
			st = kvf_check_add_at(
				c, err, computed ? KVF_FINDING_NOTE : KVF_FINDING_WARNING,
				&r->table_pos, e->package, r, "column-not-carried",
				"%scolumn %s of %s is in no entry",
				computed ? "generated " : "", column->name, r->table);
		}
		if (st != KVF_OK || computed)
			continue;
		st = column_returns(e, n, column, &returns, err);
		if (st == KVF_OK && !returns)
			list_add(lost, &nlost, column->name);
	}
	if (st != KVF_OK || e->package->nback)
		return st;
	if (nlost)
		return kvf_check_add_at(
			c, err, KVF_FINDING_NOTE, &r->pos, e->package, r, "way-back-lossy",
			"%s can not be made again from its entries: %s %s not return "
			"unchanged",
			r->table, lost, nlost == 1 ? "does" : "do");
	if (r->where)
		return kvf_check_add_at(
			c, err, KVF_FINDING_NOTE, &r->pos, e->package, r, "way-back-lossy",
			"every column of %s returns unchanged, but only the rows with "
			"(%s) are carried",
			r->table, r->where);
	return kvf_check_add_at(
		c, err, KVF_FINDING_NOTE, &r->pos, e->package, r, "way-back-exact",
		"every column of %s returns unchanged from its entries", r->table);
}

static enum kvf_status check_record(struct kvf_checker *c, const struct kvf_check_entry *e,
				    size_t n, struct kvf_err *err)
{
	if (e->record->query && e->package->nback)
		return KVF_OK;
	if (e->record->query)
		return kvf_check_add_at(
			c, err, KVF_FINDING_NOTE, &e->record->table_pos, e->package, e->record,
			"way-back-none",
			"a query has no way back: no table is restored from its entries");
	return check_table_record(c, e, n, err);
}

/* Queries of its own lead the package's entries back: what they cannot give again is what
 * the definition says, and what import --as tables finds. */
static enum kvf_status check_back(struct kvf_checker *c, const struct kvf_def_package *p,
				  struct kvf_err *err)
{
	enum kvf_status st = kvf_check_add_at(
		c, err, KVF_FINDING_NOTE, &p->back[0].pos, p, NULL,
		p->nlost ? "way-back-lossy" : "way-back-exact",
		"queries lead back to %zu table%s; import --as tables compares what they give",
		p->nback, p->nback == 1 ? "" : "s");

	for (size_t i = 0; st == KVF_OK && i < p->nlost; i++)
		st = kvf_check_add_at(c, err, KVF_FINDING_NOTE, &p->back[0].pos, p, NULL,
				      "way-back-lossy", "cannot return: %s", p->lost[i]);
	return st;
}

/* ---- tables that nobody reads ------------------------------------------------------ */

static int word_char(unsigned char ch)
{
	return isalnum(ch) || ch == '_' || ch >= 0x80;
}

static int has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; len && (p = strcasestr(p, word)); p++)
		if ((p == text || !word_char((unsigned char)p[-1])) &&
		    !word_char((unsigned char)p[len]))
			return 1;
	return 0;
}

enum reading { UNREAD, BY_QUERY, BY_TABLE };

/* How the definition reads `table`; *all is set where a query says "*". */
static enum reading reading_of(const struct kvf_checker *c, const char *table, int *all)
{
	const struct kvf_def *def = c->def;
	enum reading how = UNREAD;

	*all = 0;
	for (size_t p = 0; p < def->npackages; p++) {
		for (size_t i = 0; i < def->packages[p].nrecords; i++) {
			const struct kvf_record *r = &c->app->packages[p]->records[i];

			if (r->table && !strcasecmp(r->table, table))
				return BY_TABLE;
			if (r->query && has_word(r->query, table)) {
				how = BY_QUERY;
				*all |= strchr(r->query, '*') != NULL;
			}
		}
	}
	return how;
}

static int column_in_queries(const struct kvf_checker *c, const char *table, const char *column)
{
	for (size_t p = 0; p < c->app->npackages; p++)
		for (size_t i = 0; i < c->app->packages[p]->nrecords; i++) {
			const struct kvf_record *r = &c->app->packages[p]->records[i];

			if (r->query && has_word(r->query, table) && has_word(r->query, column))
				return 1;
		}
	return 0;
}

static enum kvf_status table_finding(struct kvf_checker *c, const struct kvf_table *t,
				     enum kvf_finding_level level, const char *code,
				     const char *text, struct kvf_err *err)
{
	char where[300];

	snprintf(where, sizeof(where), "table %s", t->name);
	return kvf_check_add(c, err, level, where, NULL, NULL, code, "%s", text);
}

static int is_dropped(const struct kvf_def *def, const char *table)
{
	for (size_t i = 0; i < def->ndrop; i++)
		if (!strcasecmp(def->drop[i].name, table))
			return 1;
	return 0;
}

/* What belongs to a table besides its rows: entries have none of it. */
static enum kvf_status check_constraints(struct kvf_checker *c, const struct kvf_table *t,
					 struct kvf_err *err)
{
	static const char *const words[] = { "CHECK", "DEFAULT", "REFERENCES", "COLLATE" };
	enum kvf_status st = KVF_OK;
	char text[512], code[64];

	for (size_t i = 0; st == KVF_OK && i < t->nddl; i++) {
		const struct kvf_ddl *d = &t->ddl[i];

		if (strcmp(d->kind, "sequence-value") == 0)
			continue; /* its table or sequence says it already */
		if (strcmp(d->kind, "table") != 0) {
			snprintf(text, sizeof(text), "%s %s stays behind", d->kind, d->name);
			snprintf(code, sizeof(code), "%.40s-not-carried", d->kind);
			st = table_finding(c, t, KVF_FINDING_NOTE, code, text, err);
			continue;
		}
		for (size_t w = 0; st == KVF_OK && w < sizeof(words) / sizeof(*words); w++)
			if (has_word(d->sql, words[w])) {
				snprintf(text, sizeof(text),
					 "its %s stays behind: a store holds no "
					 "constraints",
					 words[w]);
				st = table_finding(c, t, KVF_FINDING_NOTE,
						   "constraint-not-carried", text, err);
			}
	}
	for (size_t u = 0; st == KVF_OK && u < t->nunique; u++) {
		char list[LIST_MAX] = "";
		size_t n = 0;

		for (size_t k = 0; k < t->unique[u].ncolumns; k++)
			list_add(list, &n, t->columns[t->unique[u].columns[k]].name);
		snprintf(text, sizeof(text), "nothing keeps (%.400s) unique afterwards", list);
		st = table_finding(c, t, KVF_FINDING_NOTE, "constraint-not-carried", text, err);
	}
	return st;
}

static enum kvf_status check_table(struct kvf_checker *c, const struct kvf_table *t,
				   struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	char list[LIST_MAX] = "", text[LIST_MAX + 100];
	size_t n = 0;
	int all;
	enum reading how = reading_of(c, t->name, &all);

	if (how == UNREAD)
		return table_finding(c, t, KVF_FINDING_WARNING, "table-not-carried",
				     is_dropped(c->def, t->name)
					     ? "no record reads it, and drop: lists it"
					     : "no record reads it",
				     err);
	for (size_t i = 0; how == BY_QUERY && !all && i < t->ncolumns; i++)
		if (!(t->columns[i].flags & KVF_COLUMN_GENERATED) &&
		    !column_in_queries(c, t->name, t->columns[i].name))
			list_add(list, &n, t->columns[i].name);
	if (n) {
		snprintf(text, sizeof(text), "no query names %s", list);
		st = table_finding(c, t, KVF_FINDING_WARNING, "column-not-carried", text, err);
	}
	return st == KVF_OK ? check_constraints(c, t, err) : st;
}

static enum kvf_status check_drop(struct kvf_checker *c, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (size_t i = 0; st == KVF_OK && i < c->def->ndrop; i++) {
		const struct kvf_drop *d = &c->def->drop[i];
		size_t t = 0;

		/* What older releases left behind may well be gone. */
		if (d->kind != KVF_DROP_TABLE || d->part == KVF_DROP_LEFTOVER)
			continue;
		while (t < c->ntables && strcasecmp(c->tables[t].name, d->name) != 0)
			t++;
		if (t == c->ntables)
			st = kvf_check_add_at(c, err, KVF_FINDING_WARNING, &c->def->pos, NULL,
					      NULL, "drop-unknown-table",
					      "drop: lists %s, which the source does not have",
					      d->name);
	}
	return st;
}

enum kvf_status kvf_check_live(struct kvf_checker *c, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (size_t i = 0, n; st == KVF_OK && i < c->nentries; i += n) {
		for (n = 1;
		     i + n < c->nentries && c->entries[i + n].record == c->entries[i].record;)
			n++;
		if (c->entries[i].shape)
			st = check_record(c, &c->entries[i], n, err);
	}
	for (size_t i = 0; st == KVF_OK && i < c->def->npackages; i++)
		if (c->def->packages[i].nback)
			st = check_back(c, &c->def->packages[i], err);
	if (!c->tables)
		return st;
	for (size_t i = 0; st == KVF_OK && i < c->ntables; i++)
		st = check_table(c, &c->tables[i], err);
	return st == KVF_OK ? check_drop(c, err) : st;
}
