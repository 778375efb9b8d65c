/* digest - the identity of a definition: what it means, not how it is written. */
#include "formats/program.h"

#include "base/hash.h"

#include <string.h>

/* Every item goes in with its length or as a fixed-size number, in a fixed
 * order, so that no two different definitions give the same bytes. */
static void put_number(struct kvf_sha256 *h, uint64_t v)
{
	uint8_t p[8];

	kvf_put_be64(p, v);
	kvf_sha256_update(h, p, sizeof(p));
}

static void put_bytes(struct kvf_sha256 *h, struct kvf_bytes b)
{
	put_number(h, b.len);
	if (b.len)
		kvf_sha256_update(h, b.ptr, b.len);
}

/* A text that may be absent. */
static void put_text(struct kvf_sha256 *h, const char *s)
{
	put_number(h, s != NULL);
	if (s)
		put_bytes(h, kvf_bytes_str(s));
}

static void put_template(struct kvf_sha256 *h, const struct kvf_def_template *t)
{
	size_t i, k;

	put_number(h, t != NULL);
	if (!t)
		return;
	put_number(h, t->npieces);
	for (i = 0; i < t->npieces; i++) {
		const struct kvf_def_piece *p = &t->pieces[i];

		put_bytes(h, p->literal);
		put_text(h, p->name);
		put_number(h, (uint64_t)p->optional);
		put_number(h, p->nfilters);
		for (k = 0; k < p->nfilters; k++) {
			struct kvf_bytes uuid = { p->filters[k].uuid, 16 };

			put_text(h, p->filters[k].name);
			put_number(h, p->filters[k].n);
			put_bytes(h, uuid);
			/* The others' arguments are in n and uuid, spelled freely. */
			if (p->filters[k].id == KVF_FILTER_ELSE)
				put_bytes(h, p->filters[k].text);
		}
	}
}

static void put_operand(struct kvf_sha256 *h, const struct kvf_def_operand *x)
{
	uint64_t bits;

	put_number(h, (uint64_t)x->type);
	put_text(h, x->name);
	put_bytes(h, x->text);
	put_number(h, (uint64_t)x->i);
	memcpy(&bits, &x->r, sizeof(bits));
	put_number(h, bits);
}

static void put_expr(struct kvf_sha256 *h, const struct kvf_def_expr *e)
{
	size_t i;

	put_number(h, e ? e->nnodes : 0);
	for (i = 0; e && i < e->nnodes; i++) {
		put_number(h, (uint64_t)e->nodes[i].op);
		put_number(h, e->nodes[i].a);
		put_number(h, e->nodes[i].b);
		put_operand(h, &e->nodes[i].x);
		put_operand(h, &e->nodes[i].y);
	}
}

static void put_fields(struct kvf_sha256 *h, const struct kvf_def_field *fields, size_t n)
{
	size_t i;

	put_number(h, n);
	for (i = 0; i < n; i++) {
		const struct kvf_def_field *f = &fields[i];

		put_text(h, f->name);
		put_number(h, f->tag);
		put_number(h, (uint64_t)f->shape);
		put_text(h, kvf_type_name(f->type));
		put_text(h, f->shape == KVF_SHAPE_MAP ? kvf_type_name(f->key_type) : NULL);
		put_template(h, f->from);
		put_number(h, (uint64_t)f->is_const);
		put_bytes(h, f->constant);
		put_number(h, (uint64_t)f->has_default);
		put_bytes(h, f->fallback);
		put_number(h, (uint64_t)f->omit);
		put_number(h, (uint64_t)f->has_nulls);
		put_bytes(h, f->nulls);
		put_number(h, (uint64_t)f->any_case);
		put_number(h, (uint64_t)f->has_scale);
		put_number(h, f->scale);
		put_number(h, (uint64_t)f->unit);
		put_fields(h, f->fields, f->nfields);
	}
}

static void put_record(struct kvf_sha256 *h, const struct kvf_def_record *r)
{
	size_t i, k;

	put_text(h, r->name);
	put_text(h, r->table);
	put_text(h, r->where);
	put_text(h, r->query);
	put_number(h, (uint64_t)r->ordered);
	put_number(h, r->nlets);
	for (i = 0; i < r->nlets; i++) {
		put_text(h, r->lets[i].name);
		put_number(h, (uint64_t)r->lets[i].first);
		put_number(h, r->lets[i].nalternatives);
		for (k = 0; k < r->lets[i].nalternatives; k++)
			put_template(h, &r->lets[i].alternatives[k]);
	}
	put_number(h, r->nentries);
	for (i = 0; i < r->nentries; i++) {
		put_text(h, r->entries[i].kind);
		put_template(h, r->entries[i].partition);
		put_template(h, r->entries[i].key);
		put_text(h, r->entries[i].value_name);
		put_expr(h, r->entries[i].when);
	}
}

static void put_with(struct kvf_sha256 *h, const struct kvf_def_with *with, size_t n)
{
	size_t i;

	put_number(h, n);
	for (i = 0; i < n; i++) {
		put_text(h, with[i].name);
		put_text(h, with[i].query);
	}
}

static void put_checks(struct kvf_sha256 *h, const struct kvf_def_check *checks, size_t n)
{
	size_t i;

	put_number(h, n);
	for (i = 0; i < n; i++) {
		put_text(h, checks[i].code);
		put_text(h, checks[i].query);
		put_number(h, (uint64_t)checks[i].error);
	}
}

static void put_package(struct kvf_sha256 *h, const struct kvf_def_package *p)
{
	size_t i;

	put_text(h, p->name);
	put_number(h, p->version);
	put_with(h, p->with, p->nwith);
	put_number(h, p->nrecords);
	put_number(h, p->nsides);
	for (i = 0; i < p->nrecords + p->nsides; i++)
		put_record(h, &p->records[i]);
	put_checks(h, p->checks, p->nchecks);
	put_number(h, p->nback);
	for (i = 0; i < p->nback; i++) {
		put_text(h, p->back[i].table);
		put_text(h, p->back[i].query);
	}
	put_number(h, p->nvalues);
	for (i = 0; i < p->nvalues; i++) {
		put_text(h, p->values[i].name);
		put_text(h, kvf_encoding_name(p->values[i].encoding));
		put_template(h, p->values[i].from);
		put_fields(h, p->values[i].fields, p->values[i].nfields);
	}
}

void kvf_formats_digest(const struct kvf_formats *f, uint8_t digest[32])
{
	const struct kvf_def *def = &f->def;
	struct kvf_sha256 h;
	size_t i;

	kvf_sha256_begin(&h);
	put_text(&h, "kvferry definition 2");
	put_text(&h, def->application);
	put_text(&h, def->source_version);
	put_number(&h, def->source_requires);
	put_number(&h, def->nargs);
	for (i = 0; i < def->nargs; i++) {
		put_text(&h, def->args[i].name);
		put_number(&h, (uint64_t)def->args[i].type);
		put_text(&h, def->args[i].fallback);
		put_text(&h, def->args[i].files);
	}
	put_with(&h, def->with, def->nwith);
	put_checks(&h, def->checks, def->nchecks);
	put_number(&h, def->schema);
	put_bytes(&h, def->version_part);
	put_bytes(&h, def->version_key);
	put_bytes(&h, def->version_started);
	put_bytes(&h, def->version_done);
	put_number(&h, def->npackages);
	for (i = 0; i < def->npackages; i++)
		put_package(&h, &def->packages[i]);
	put_number(&h, def->ndrop);
	for (i = 0; i < def->ndrop; i++) {
		put_text(&h, def->drop[i].name);
		put_number(&h, def->drop[i].kind);
		put_number(&h, def->drop[i].part);
	}
	kvf_sha256_end(&h, digest);
}
