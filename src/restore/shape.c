/* shape - are two tables of the same shape? */
#include "restore/restore.h"

#include <string.h>

#define HINT "Drop or rename the table that is there, or leave it out with --exclude-table."

enum { COUNTED = KVF_COLUMN_NOTNULL | KVF_COLUMN_GENERATED | KVF_COLUMN_STORED };

static const char *type_of(const struct kvf_column *c)
{
	return c->type ? c->type : "";
}

static enum kvf_status same_column(const struct kvf_table *want, const struct kvf_column *a,
				   const struct kvf_column *b, struct kvf_err *err)
{
	if (strcmp(type_of(a), type_of(b)) != 0)
		return kvf_restore_refuse(
			want, a->name, HINT, err,
			"it is of type '%.100s' there, of type '%.100s' in the "
			"stream",
			type_of(b), type_of(a));
	if ((a->flags ^ b->flags) & KVF_COLUMN_NOTNULL)
		return kvf_restore_refuse(want, a->name, HINT, err, "it %s NULL there",
					  b->flags & KVF_COLUMN_NOTNULL ? "cannot be"
									: "may be");
	if ((a->flags ^ b->flags) & COUNTED)
		return kvf_restore_refuse(
			want, a->name, HINT, err, "it is %s there, %s in the stream",
			b->flags & KVF_COLUMN_GENERATED ? "generated" : "not generated",
			a->flags & KVF_COLUMN_GENERATED ? "generated" : "not generated");
	return KVF_OK;
}

static enum kvf_status same_key(const struct kvf_table *a, const struct kvf_table *b,
				struct kvf_err *err)
{
	size_t i;

	for (i = 0; i < a->nkey && i < b->nkey; i++)
		if (a->key[i] != b->key[i])
			break;
	if (i == a->nkey && i == b->nkey)
		return KVF_OK;
	return kvf_restore_refuse(
		a, i < a->nkey ? a->columns[a->key[i]].name : b->columns[b->key[i]].name, HINT,
		err, "the primary key is another one there");
}

enum kvf_status kvf_restore_same_shape(const struct kvf_restore_table *t,
				       const struct kvf_table *there, struct kvf_err *err)
{
	const struct kvf_table *want = t->shape;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < want->ncolumns && i < there->ncolumns && !st; i++) {
		const struct kvf_column *a = &want->columns[i], *b = &there->columns[i];

		if (strcmp(a->name, b->name) != 0)
			return kvf_restore_refuse(want, a->name, HINT, err,
						  "in its place there is a column '%.100s'",
						  b->name);
		if (!t->foreign)
			st = same_column(want, a, b, err);
	}
	if (st)
		return st;
	if (want->ncolumns != there->ncolumns)
		return kvf_restore_refuse(
			want,
			i < want->ncolumns ? want->columns[i].name : there->columns[i].name,
			HINT, err, "only the %s has it",
			i < want->ncolumns ? "stream" : "table that is there");
	if (t->foreign)
		return KVF_OK;
	if ((want->flags ^ there->flags) & ~(unsigned)KVF_TABLE_KEY_HAS_NULLS)
		return kvf_restore_refuse(want, NULL, HINT, err,
					  "it is made in another way there (STRICT, WITHOUT "
					  "ROWID, virtual)");
	return same_key(want, there, err);
}
