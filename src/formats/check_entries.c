/*
 * check_entries - the keys: is there one for each row, are those of different
 * entries apart, and does a reader find the right kind for each?
 *
 * The proof that a key is unique: the source keeps some set of columns unique,
 * and each of them can be read out of partition and key again, because no other
 * value of it gives the same text (injective filters) and no other cutting of
 * the key at its placeholders is possible (check_walk.c).
 */
#include "formats/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define EXAMPLE_MAX 640

/* ---- one entry -------------------------------------------------------------- */

static int same_column(const struct kvf_check_entry *e, const char *a, const char *b)
{
	return e->shape ? !strcasecmp(a, b) : !strcmp(a, b);
}

/* NULL can stand in the column, as far as is known. */
static int nullable(const struct kvf_check_entry *e, const char *column)
{
	const struct kvf_table *t = e->shape;

	for (size_t i = 0; t && i < t->ncolumns; i++)
		if (same_column(e, t->columns[i].name, column))
			return !(t->columns[i].flags & KVF_COLUMN_NOTNULL);
	return 1;
}

static enum kvf_status determined_by(const struct kvf_key *key, const struct kvf_check_entry *e,
				     const char *column, int invert, enum kvf_answer *answer,
				     char *why, size_t size, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	*answer = KVF_NO;
	for (size_t i = 0; st == KVF_OK && *answer != KVF_YES && i < key->nitems; i++) {
		const struct kvf_key_item *item = &key->items[i];
		enum kvf_answer ambiguous;

		if (!item->column || !same_column(e, item->column, column))
			continue;
		if (!item->injective) {
			snprintf(why, size, "%s", item->why ? item->why : "it is changed");
		} else if (invert && !item->invertible) {
			snprintf(why, size, "it cannot be computed back");
		} else if (item->takes_null == 2 && nullable(e, column)) {
			snprintf(why, size,
				 "NULL and a text that may stand there give the same");
		} else {
			st = kvf_key_ambiguous(key, i, &ambiguous, why, size, err);
			if (ambiguous == KVF_UNDECIDED)
				snprintf(why, size, "the template is too large to decide");
			*answer = ambiguous == KVF_NO ? KVF_YES : KVF_NO;
		}
	}
	return st;
}

enum kvf_status kvf_check_determined(const struct kvf_check_entry *e, const char *column,
				     int invert, enum kvf_answer *answer, char *why,
				     size_t size, struct kvf_err *err)
{
	enum kvf_status st;

	snprintf(why, size, "it is in neither partition nor key");
	st = determined_by(e->key, e, column, invert, answer, why, size, err);
	if (st == KVF_OK && *answer != KVF_YES)
		st = determined_by(e->part, e, column, invert, answer, why, size, err);
	return st;
}

/* Does some placeholder give a text for a NULL in this column? */
static int takes_null(const struct kvf_check_entry *e, const char *column)
{
	const struct kvf_key *keys[] = { e->part, e->key };

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < keys[k]->nitems; i++)
			if (keys[k]->items[i].column && keys[k]->items[i].takes_null &&
			    same_column(e, keys[k]->items[i].column, column))
				return 1;
	return 0;
}

/* Do these columns, which the source keeps unique, make the key unique? */
static enum kvf_status proven_by(const struct kvf_check_entry *e, const uint32_t *columns,
				 size_t n, int nulls, enum kvf_answer *answer, char *why,
				 size_t size, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	char reason[EXAMPLE_MAX];

	*answer = n ? KVF_YES : KVF_NO;
	for (size_t i = 0; st == KVF_OK && *answer == KVF_YES && i < n; i++) {
		const char *name = e->shape->columns[columns[i]].name;

		st = kvf_check_determined(e, name, 0, answer, reason, sizeof(reason), err);
		if (st == KVF_OK && *answer == KVF_YES && nulls && nullable(e, name) &&
		    takes_null(e, name)) {
			*answer = KVF_NO;
			snprintf(reason, sizeof(reason), "several rows may have NULL there");
		}
		if (*answer != KVF_YES)
			snprintf(why, size, "column %s: %s", name, reason);
	}
	return st;
}

static enum kvf_status check_table_key(struct kvf_checker *c, const struct kvf_check_entry *e,
				       struct kvf_err *err)
{
	const struct kvf_table *t = e->shape;
	char why[EXAMPLE_MAX + 300], other[EXAMPLE_MAX + 300];
	enum kvf_answer answer = KVF_NO;
	enum kvf_status st;

	snprintf(why, sizeof(why), "%s keeps no columns unique", e->record->table);
	st = proven_by(e, t->key, t->nkey, t->flags & KVF_TABLE_KEY_HAS_NULLS, &answer, why,
		       sizeof(why), err);
	for (size_t u = 0; st == KVF_OK && answer != KVF_YES && u < t->nunique; u++)
		if (!t->unique[u].partial)
			st = proven_by(e, t->unique[u].columns, t->unique[u].ncolumns,
				       t->unique[u].nullable, &answer,
				       t->nkey || u ? other : why, sizeof(why), err);
	if (st != KVF_OK || answer == KVF_YES)
		return st;
	return kvf_check_add_at(
		c, err, KVF_FINDING_WARNING, &e->entry->key->pos, e->package, e->record,
		"key-may-collide",
		"two rows of %s may get one key; %s.  The export would stop and name "
		"them",
		e->record->table, why);
}

/* Without constraints to go by: can the key at least be cut in one way only? */
static enum kvf_status check_free_key(struct kvf_checker *c, const struct kvf_check_entry *e,
				      struct kvf_err *err)
{
	const struct kvf_key *keys[] = { e->part, e->key };
	const struct kvf_pos *pos[] = { &e->entry->partition->pos, &e->entry->key->pos };
	char why[EXAMPLE_MAX];
	enum kvf_status st = KVF_OK;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; st == KVF_OK && i < keys[k]->nitems; i++) {
			const struct kvf_key_item *item = &keys[k]->items[i];
			enum kvf_answer answer = KVF_NO;

			if (!item->piece)
				continue;
			if (item->column && !item->injective)
				snprintf(why, sizeof(why), "%s", item->why);
			else
				st = kvf_key_ambiguous(keys[k], i, &answer, why, sizeof(why),
						       err);
			if (st == KVF_OK && answer == KVF_NO &&
			    (item->injective || !item->column))
				continue;
			if (answer == KVF_UNDECIDED)
				snprintf(why, sizeof(why),
					 "the template is too large to decide");
			return st != KVF_OK
				       ? st
				       : kvf_check_add_at(
						 c, err, KVF_FINDING_WARNING, pos[k],
						 e->package, e->record, "key-may-collide",
						 "different rows may get one key: %s", why);
		}
	if (st != KVF_OK)
		return st;
	return kvf_check_add_at(
		c, err, KVF_FINDING_NOTE, &e->entry->key->pos, e->package, e->record,
		"key-not-proven",
		e->record->query
			? "a query promises no unique columns: whether two of its rows "
			  "get one key is known when it is read, and then both are named"
			: "which columns are unique is known when check is given the "
			  "source");
}

/* ---- entries against each other ------------------------------------------------ */

static enum kvf_status meet(const struct kvf_key *part_a, const struct kvf_key *key_a,
			    const struct kvf_key *part_b, const struct kvf_key *key_b,
			    int *both, char *example, size_t size, struct kvf_err *err)
{
	char part[200], key[400];
	enum kvf_answer p = KVF_NO, k;
	enum kvf_status st = kvf_key_meet(key_a, key_b, &k, key, sizeof(key), err);

	/* Keys first: their beginnings mostly differ, partitions are mostly one. */
	if (st == KVF_OK && k != KVF_NO)
		st = kvf_key_meet(part_a, part_b, &p, part, sizeof(part), err);
	*both = p != KVF_NO && k != KVF_NO;
	if (st != KVF_OK || !*both)
		return st;
	if (p == KVF_UNDECIDED || k == KVF_UNDECIDED)
		snprintf(example, size, "the templates are too large to decide");
	else
		snprintf(example, size, "partition \"%s\", key \"%s\"", part, key);
	return st;
}

static enum kvf_status check_pair(struct kvf_checker *c, const struct kvf_check_entry *a,
				  const struct kvf_check_entry *b, struct kvf_err *err)
{
	int conditions = a->record == b->record && a->entry->when && b->entry->when;
	char example[EXAMPLE_MAX];
	enum kvf_status st;
	int both;

	st = meet(a->part, a->key, b->part, b->key, &both, example, sizeof(example), err);
	if (st != KVF_OK || !both)
		return st;
	return kvf_check_add_at(
		c, err, conditions ? KVF_FINDING_NOTE : KVF_FINDING_WARNING,
		&b->entry->key->pos, b->package, b->record, "keys-may-meet",
		"an entry of %s/%s (%s:%u) may have the same key: %s%s", a->package->name,
		a->record->name, a->entry->key->pos.file, a->entry->key->pos.line, example,
		conditions ? ", unless their conditions exclude each other" : "");
}

/* A reader takes the first kind whose pattern fits: is it the right one? */
static enum kvf_status check_kinds(struct kvf_checker *c, const struct kvf_check_entry *e,
				   size_t package, struct kvf_err *err)
{
	const struct kvf_package *p = c->app->packages[package];
	enum kvf_status st = KVF_OK;

	for (size_t k = 0; st == KVF_OK && c->budget && k < e->ordinal; k++) {
		const struct kvf_kind *kind = &p->kinds[k];
		int alike = kind->enc == e->kind->enc &&
			    (kind->enc != KVF_PROTOBUF || kind->msg == e->kind->msg);
		struct kvf_key *part, *key;
		char example[EXAMPLE_MAX];
		int both;

		st = kvf_key_pattern(&c->arena, &kind->part, &part, err);
		if (st == KVF_OK)
			st = kvf_key_pattern(&c->arena, &kind->key, &key, err);
		if (st == KVF_OK)
			st = meet(e->part, e->key, part, key, &both, example, sizeof(example),
				  err);
		if (st == KVF_OK && both)
			st = kvf_check_add_at(
				c, err, alike ? KVF_FINDING_NOTE : KVF_FINDING_WARNING,
				&e->entry->pos, e->package, e->record, "kind-shadowed",
				"kind %s stands before kind %s and fits some of its keys, "
				"so that readers take one for the other: %s",
				kind->name, e->kind->name, example);
	}
	return st;
}

static enum kvf_status check_version_record(struct kvf_checker *c,
					    const struct kvf_check_entry *e,
					    struct kvf_err *err)
{
	struct kvf_pattern part_is = { &c->app->version_part, 1 };
	struct kvf_pattern key_is = { &c->app->version_key, 1 };
	struct kvf_key *part, *key;
	char example[EXAMPLE_MAX];
	enum kvf_status st;
	int both;

	st = kvf_key_pattern(&c->arena, &part_is, &part, err);
	if (st == KVF_OK)
		st = kvf_key_pattern(&c->arena, &key_is, &key, err);
	if (st == KVF_OK)
		st = meet(e->part, e->key, part, key, &both, example, sizeof(example), err);
	if (st != KVF_OK || !both)
		return st;
	return kvf_check_add_at(
		c, err, KVF_FINDING_ERROR, &e->entry->key->pos, e->package, e->record,
		"version-record-collides",
		"an entry may have the key of the application's version record: %s", example);
}

enum kvf_status kvf_check_entries(struct kvf_checker *c, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (size_t i = 0; st == KVF_OK && i < c->nentries; i++) {
		const struct kvf_check_entry *e = &c->entries[i];

		st = e->shape && e->record->table ? check_table_key(c, e, err)
						  : check_free_key(c, e, err);
		if (st == KVF_OK && c->app->version_part.len + c->app->version_key.len)
			st = check_version_record(c, e, err);
		if (st == KVF_OK)
			st = check_kinds(c, e, (size_t)(e->package - c->def->packages), err);
		for (size_t j = 0; st == KVF_OK && c->budget && j < i; j++)
			st = check_pair(c, &c->entries[j], e, err);
	}
	if (st != KVF_OK || c->budget)
		return st;
	return kvf_check_add_at(
		c, err, KVF_FINDING_WARNING, &c->def->pos, NULL, NULL, "keys-not-compared",
		"the definition is too large: not all of its keys were compared");
}
