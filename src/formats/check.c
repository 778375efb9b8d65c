/*
 * check - what can be said of a definition before a row is read: offline about
 * the definition alone (check_entries.c), and against a source (check_live.c).
 *
 * Codes are stable; their meaning is in docs/definitions.md.  An error is
 * something that must fail or corrupt, a warning something that loses or may
 * collide unless the data are kind, a note something to know.
 */
#include "formats/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 2048
#define FINDINGS_MAX 10000
#define BUDGET ((uint64_t)1 << 26) /* states: about a second */

void kvf_findings_free(struct kvf_findings *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].where);
		free(f->list[i].package);
		free(f->list[i].record);
		free(f->list[i].code);
		free(f->list[i].text);
	}
	free(f->list);
	memset(f, 0, sizeof(*f));
}

static enum kvf_status append(struct kvf_checker *c, struct kvf_err *err,
			      enum kvf_finding_level level, const char *where,
			      const char *package, const char *record, const char *code,
			      const char *text)
{
	struct kvf_finding *f;

	if (c->out->n == FINDINGS_MAX)
		return KVF_OK;
	if (c->out->n == FINDINGS_MAX - 1) {
		level = KVF_FINDING_WARNING;
		code = "too-many-findings";
		text = "there is more, which is not listed";
	}
	if (c->out->n == c->room) {
		size_t room = c->room ? 2 * c->room : 16;
		struct kvf_finding *list = realloc(c->out->list, room * sizeof(*list));

		if (!list)
			return kvf_fail_nomem(err);
		c->out->list = list;
		c->room = room;
	}
	f = &c->out->list[c->out->n++];
	f->level = level;
	f->where = strdup(where);
	f->package = strdup(package ? package : "");
	f->record = strdup(record ? record : "");
	f->code = strdup(code);
	f->text = strdup(text);
	if (!f->where || !f->package || !f->record || !f->code || !f->text)
		return kvf_fail_nomem(err);
	return KVF_OK;
}

enum kvf_status kvf_check_add(struct kvf_checker *c, struct kvf_err *err,
			      enum kvf_finding_level level, const char *where,
			      const char *package, const char *record, const char *code,
			      const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return append(c, err, level, where, package, record, code, text);
}

enum kvf_status
kvf_check_add_at(struct kvf_checker *c, struct kvf_err *err, enum kvf_finding_level level,
		 const struct kvf_pos *pos, const struct kvf_def_package *package,
		 const struct kvf_def_record *record, const char *code, const char *fmt, ...)
{
	char where[512], text[TEXT_MAX];
	va_list ap;

	snprintf(where, sizeof(where), "%s:%u:%u", pos->file, pos->line, pos->column);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return append(c, err, level, where, package ? package->name : NULL,
		      record ? record->name : NULL, code, text);
}

/* ---- the definition by itself ------------------------------------------------ */

static int value_is_used(const struct kvf_def_package *p, const struct kvf_def_value *v)
{
	for (size_t r = 0; r < p->nrecords + p->nsides; r++)
		for (size_t e = 0; e < p->records[r].nentries; e++)
			if (p->records[r].entries[e].value == v)
				return 1;
	return 0;
}

static enum kvf_status check_values(struct kvf_checker *c, const struct kvf_def_package *p,
				    struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (size_t v = 0; st == KVF_OK && v < p->nvalues; v++)
		if (!value_is_used(p, &p->values[v]))
			st = kvf_check_add_at(c, err, KVF_FINDING_WARNING, &p->values[v].pos, p,
					      NULL, "value-not-used",
					      "no entry holds the value %s", p->values[v].name);
	return st;
}

static enum kvf_status check_record(struct kvf_checker *c, const struct kvf_def_package *p,
				    const struct kvf_def_record *r, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t conditional = 0;

	for (size_t e = 0; e < r->nentries; e++)
		conditional += r->entries[e].when != NULL;
	if (!r->nentries)
		return kvf_check_add_at(c, err, KVF_FINDING_ERROR, &r->pos, p, r,
					"record-without-entries", "its rows become nothing");
	if (conditional == r->nentries)
		st = kvf_check_add_at(
			c, err, KVF_FINDING_WARNING, &r->pos, p, r, "row-may-be-left-out",
			"every entry has a condition: a row that meets none of them "
			"becomes nothing, and nobody is told");
	if (st == KVF_OK && r->where)
		st = kvf_check_add_at(
			c, err, KVF_FINDING_NOTE, &r->table_pos, p, r, "rows-not-carried",
			"rows of %s without (%s) are not carried", r->table, r->where);
	return st;
}

/* ---- gathering ------------------------------------------------------------------ */

static enum kvf_status gather_entry(struct kvf_checker *c, size_t p, size_t r, size_t e,
				    struct kvf_err *err)
{
	struct kvf_check_entry *x = &c->entries[c->nentries++];
	const struct kvf_package *package = c->app->packages[p];
	enum kvf_status st;

	x->package = &c->def->packages[p];
	x->record = &x->package->records[r];
	x->entry = &x->record->entries[e];
	x->shape = c->shapes ? c->shapes[p][r] : NULL;
	while (x->ordinal < package->nkinds &&
	       strcmp(package->kinds[x->ordinal].name, x->entry->kind) != 0)
		x->ordinal++;
	if (x->ordinal == package->nkinds)
		return kvf_fail(err, KVF_EINTERNAL, "entry of %s has no kind", x->record->name);
	x->kind = &package->kinds[x->ordinal];
	st = kvf_key_read(&c->arena, x->record, x->entry->partition, x->shape, &x->part, err);
	if (st == KVF_OK)
		st = kvf_key_read(&c->arena, x->record, x->entry->key, x->shape, &x->key, err);
	if (st == KVF_OK)
		x->part->budget = x->key->budget = &c->budget;
	return st;
}

static enum kvf_status gather(struct kvf_checker *c, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t n = 0;

	for (size_t p = 0; p < c->def->npackages; p++)
		for (size_t r = 0; r < c->def->packages[p].nrecords; r++)
			n += c->def->packages[p].records[r].nentries;
	c->entries = kvf_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->entries));
	if (!c->entries)
		return kvf_fail_nomem(err);
	for (size_t p = 0; p < c->def->npackages; p++)
		for (size_t r = 0; r < c->def->packages[p].nrecords; r++)
			for (size_t e = 0;
			     st == KVF_OK && e < c->def->packages[p].records[r].nentries; e++)
				st = gather_entry(c, p, r, e, err);
	return st;
}

enum kvf_status kvf_formats_check(struct kvf_formats *f,
				  const struct kvf_table *const *const *shapes,
				  const struct kvf_table *tables, size_t ntables,
				  struct kvf_findings *out, struct kvf_err *err)
{
	struct kvf_checker c = { .def = kvf_formats_def(f),
				 .app = kvf_formats_application(f),
				 .shapes = shapes,
				 .tables = tables,
				 .ntables = ntables,
				 .budget = BUDGET,
				 .out = out };
	enum kvf_status st = KVF_OK;

	memset(out, 0, sizeof(*out));
	kvf_arena_init(&c.arena);
	for (size_t p = 0; p < c.def->npackages; p++) {
		const struct kvf_def_package *package = &c.def->packages[p];

		for (size_t r = 0; st == KVF_OK && r < package->nrecords; r++)
			st = check_record(&c, package, &package->records[r], err);
		if (st == KVF_OK)
			st = check_values(&c, package, err);
	}
	if (st == KVF_OK)
		st = gather(&c, err);
	if (st == KVF_OK)
		st = kvf_check_entries(&c, err);
	if (st == KVF_OK)
		st = kvf_check_live(&c, err);
	kvf_arena_release(&c.arena);
	if (st != KVF_OK)
		kvf_findings_free(out);
	return st;
}
