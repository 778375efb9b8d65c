/*
 * check_keys - templates written out as little machines over bytes.
 *
 *   "Product/{shop|dns_label}/{name}"
 *    P r o d u c t /   [a-z0-9-] [a-z0-9-]*   /   [any]*
 *
 * check_walk.c walks them.
 */
#include "formats/check_keys.h"

#include <stdlib.h>
#include <string.h>

#include "formats/declared.h"

#define UNITS_MAX 4096   /* bytes and runs of one template */
#define RUN_MIN_MAX 64   /* a longer least length counts as this one */
#define LET_DEPTH_MAX 16 /* lets within lets */
#define PIECES_MAX 65536 /* read for one template, lets written out */

/* What is known of the text that a placeholder gives. */
struct text {
	uint32_t set[8];
	size_t min, max; /* max SIZE_MAX: no limit */
	int injective, invertible, takes_null;
	const char *why;
};

struct reader {
	struct kvf_arena *arena;
	const struct kvf_def_record *record;
	const struct kvf_table *shape;
	struct kvf_key_unit *units;
	struct kvf_key_item *items;
	size_t nunits, nitems, items_size;
	int too_large;
	size_t upto; /* lets that are seen */
	unsigned depth;
	size_t *pieces; /* how many may still be read */
};

/* ---- sets of bytes --------------------------------------------------------- */

static void set_add(uint32_t set[8], unsigned byte)
{
	set[byte / 32] |= (uint32_t)1 << (byte % 32);
}

static void set_add_text(uint32_t set[8], const void *text, size_t len)
{
	const uint8_t *p = text;

	for (size_t i = 0; i < len; i++)
		set_add(set, p[i]);
}

static void set_of(uint32_t set[8], const char *text)
{
	memset(set, 0, 8 * sizeof(*set));
	set_add_text(set, text, strlen(text));
}

static int set_has(const uint32_t set[8], unsigned byte)
{
	return (int)(set[byte / 32] >> (byte % 32) & 1);
}

static void set_and(uint32_t set[8], const uint32_t other[8])
{
	for (int i = 0; i < 8; i++)
		set[i] &= other[i];
}

#define DIGITS "0123456789"
#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- columns and filters ---------------------------------------------------- */

static void text_any(struct text *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->set, 0xff, sizeof(t->set));
	t->max = SIZE_MAX;
	t->injective = t->invertible = 1;
}

static void text_of_column(struct text *t, enum kvf_declared declared)
{
	text_any(t);
	switch (declared) {
	case KVF_DECLARED_INTEGER:
	case KVF_DECLARED_BOOL:
		set_of(t->set, "-" DIGITS);
		t->min = 1;
		t->max = 20;
		break;
	case KVF_DECLARED_REAL:
	case KVF_DECLARED_DECIMAL:
		set_of(t->set, "+-.e" DIGITS);
		t->min = 1;
		break;
	case KVF_DECLARED_ANY:
		t->injective = t->invertible = 0;
		t->why = "its column has no type that is known, so that the integer 1, the "
			 "text '1' "
			 "and the blob x'31' would be one";
		break;
	case KVF_DECLARED_UNKNOWN:
	case KVF_DECLARED_TEXT:
	case KVF_DECLARED_BLOB:
	case KVF_DECLARED_TIME:
	case KVF_DECLARED_JSON: break;
	}
}

static void text_fixed(struct text *t, const char *set, size_t len)
{
	set_of(t->set, set);
	t->min = t->max = len;
}

static void not_injective(struct text *t, const char *why)
{
	t->injective = t->invertible = 0;
	if (!t->why)
		t->why = why;
}

static void filter_case(struct text *t, const char *from, const char *to)
{
	int changed = 0;

	for (unsigned i = 0; i < 26; i++) {
		unsigned a = (unsigned char)from[i], b = (unsigned char)to[i];

		if (!set_has(t->set, a))
			continue;
		t->set[a / 32] &= ~((uint32_t)1 << (a % 32));
		set_add(t->set, b);
		changed = 1;
	}
	if (changed)
		not_injective(
			t,
			"lower and upper make texts equal that differ in their letters' case");
}

static void filter_null(struct text *t, const void *text, size_t len)
{
	uint32_t had[8];
	int fresh = len < t->min || len > t->max;

	memcpy(had, t->set, sizeof(had));
	for (size_t i = 0; i < len; i++)
		fresh |= !set_has(had, ((const uint8_t *)text)[i]);
	set_add_text(t->set, text, len);
	if (len < t->min)
		t->min = len;
	if (len > t->max)
		t->max = len;
	t->takes_null = 1;
	if (!fresh)
		t->takes_null = 2; /* the same text as some other value's */
}

static size_t twice(size_t n)
{
	return n > SIZE_MAX / 2 ? SIZE_MAX : 2 * n;
}

/* A filter that changes nothing: fewer texts pass. */
static void text_check(struct text *t, const struct kvf_def_filter *f)
{
	uint32_t set[8];

	if (f->id == KVF_FILTER_MAX) {
		t->max = f->n < t->max ? f->n : t->max;
		return;
	}
	if (f->id == KVF_FILTER_MIN) {
		t->min = f->n > t->min ? f->n : t->min;
		return;
	}
	t->min = t->min ? t->min : 1;
	if (f->id == KVF_FILTER_SEGMENT)
		t->set['/' / 32] &= ~((uint32_t)1 << ('/' % 32));
	if (f->id == KVF_FILTER_DNS_LABEL || f->id == KVF_FILTER_DNS_SUBDOMAIN) {
		set_of(set,
		       f->id == KVF_FILTER_DNS_LABEL ? DIGITS SMALL "-" : DIGITS SMALL "-.");
		set_and(t->set, set);
	}
}

static void text_filter(struct text *t, const struct kvf_def_filter *f,
			enum kvf_declared declared)
{
	int integer = declared == KVF_DECLARED_INTEGER || declared == KVF_DECLARED_BOOL;
	int number =
		integer || declared == KVF_DECLARED_REAL || declared == KVF_DECLARED_DECIMAL;

	switch (f->id) {
	case KVF_FILTER_HEX:
		set_of(t->set, DIGITS "abcdef");
		t->min = twice(t->min);
		t->max = twice(t->max);
		break;
	case KVF_FILTER_BASE32HEX:
		set_of(t->set, DIGITS "abcdefghijklmnopqrstuv");
		t->max = SIZE_MAX;
		break;
	case KVF_FILTER_LOWER: filter_case(t, CAPITALS, SMALL); break;
	case KVF_FILTER_UPPER: filter_case(t, SMALL, CAPITALS); break;
	case KVF_FILTER_URLENCODE:
		set_of(t->set, DIGITS SMALL CAPITALS "-._~%");
		t->max = SIZE_MAX;
		break;
	case KVF_FILTER_PAD:
		text_fixed(t, DIGITS, f->n);
		if (!integer)
			not_injective(t, "pad gives '7' and '07' the same digits");
		break;
	case KVF_FILTER_BE64:
	case KVF_FILTER_DESC64:
		memset(t->set, 0xff, sizeof(t->set));
		t->min = t->max = 8;
		break;
	case KVF_FILTER_RFC3339:
		set_of(t->set, DIGITS "-:.TZ");
		t->min = 20;
		t->max = 30;
		if (!integer)
			not_injective(t, "rfc3339 writes the spellings of one moment alike");
		break;
	case KVF_FILTER_UUID:
		text_fixed(t, DIGITS "abcdef-", 36);
		if (declared != KVF_DECLARED_BLOB)
			not_injective(t, "uuid writes the spellings of one UUID alike");
		break;
	case KVF_FILTER_UUID5:
		text_fixed(t, DIGITS "abcdef-", 36);
		t->invertible = 0;
		break;
	case KVF_FILTER_DECIMAL:
		set_of(t->set, DIGITS "-.");
		t->min = f->n ? f->n + 2 : 1;
		t->max = SIZE_MAX;
		if (!number)
			not_injective(t, "decimal gives '1.0' and '1.00' the same digits");
		break;
	case KVF_FILTER_ELSE: filter_null(t, f->text.ptr, f->text.len); break;
	case KVF_FILTER_DNS_LABEL:
	case KVF_FILTER_DNS_SUBDOMAIN:
	case KVF_FILTER_SEGMENT:
	case KVF_FILTER_NONEMPTY:
	case KVF_FILTER_MAX:
	case KVF_FILTER_MIN: text_check(t, f); break;
	}
}

/* A filter that only looks: it may as well look at each piece of a let. */
static int only_checks(const struct kvf_def_piece *p)
{
	for (size_t i = 0; i < p->nfilters; i++)
		if (p->filters[i].id < KVF_FILTER_DNS_LABEL)
			return 0;
	return !p->optional;
}

/* ---- templates ---------------------------------------------------------------- */

static void add_unit(struct reader *r, const uint32_t set[8], int loop)
{
	struct kvf_key_unit *u;

	if (r->nunits == UNITS_MAX) {
		r->too_large = 1;
		return;
	}
	u = &r->units[r->nunits++];
	memcpy(u->set, set, sizeof(u->set));
	u->item = (uint16_t)(r->nitems - 1);
	u->loop = (uint16_t)loop;
}

static enum kvf_status add_item(struct reader *r, const struct kvf_key_item *item,
				struct kvf_err *err)
{
	if (r->nitems == UNITS_MAX) {
		r->too_large = 1;
		return KVF_OK;
	}
	if (r->nitems == r->items_size) {
		size_t size = r->items_size ? 2 * r->items_size : 16;
		struct kvf_key_item *items = realloc(r->items, size * sizeof(*items));

		if (!items)
			return kvf_fail_nomem(err);
		r->items = items;
		r->items_size = size;
	}
	r->items[r->nitems++] = *item;
	return KVF_OK;
}

static enum kvf_status add_literal(struct reader *r, struct kvf_bytes text, struct kvf_err *err)
{
	struct kvf_key_item item = { 0 };
	enum kvf_status st = add_item(r, &item, err);

	for (size_t i = 0; st == KVF_OK && !r->too_large && i < text.len; i++) {
		uint32_t set[8] = { 0 };

		set_add(set, text.ptr[i]);
		add_unit(r, set, 0);
	}
	return st;
}

/* The bytes of the item that was added last. */
static void add_text(struct reader *r, const struct text *t)
{
	size_t min = t->min < RUN_MIN_MAX ? t->min : RUN_MIN_MAX;

	for (size_t i = 0; !r->too_large && i < min; i++)
		add_unit(r, t->set, 0);
	if (!r->too_large && t->max > min)
		add_unit(r, t->set, 1);
}

/* Lets may stand in lets, at most LET_DEPTH_MAX deep.
 * NOLINTBEGIN(misc-no-recursion) */
static enum kvf_status read_pieces(struct reader *r, const struct kvf_def_template *t,
				   const struct kvf_def_piece *outer, struct kvf_err *err);

/* A let that is chosen or changed: any mixture of the bytes it may hold. */
static enum kvf_status text_of_let(struct reader *r, const struct kvf_def_let *let,
				   struct text *t, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	text_any(t);
	memset(t->set, 0, sizeof(t->set));
	t->min = SIZE_MAX;
	for (size_t i = 0; st == KVF_OK && i < let->nalternatives; i++) {
		struct reader inner = { .arena = r->arena,
					.record = r->record,
					.shape = r->shape,
					.upto = r->upto,
					.depth = r->depth,
					.pieces = r->pieces };
		size_t min = 0;

		inner.units = malloc(UNITS_MAX * sizeof(*inner.units));
		if (!inner.units)
			return kvf_fail_nomem(err);
		st = read_pieces(&inner, &let->alternatives[i], NULL, err);
		for (size_t u = 0; u < inner.nunits; u++) {
			for (int w = 0; w < 8; w++)
				t->set[w] |= inner.units[u].set[w];
			min += !inner.units[u].loop;
		}
		if (min < t->min)
			t->min = min;
		r->too_large |= inner.too_large;
		free(inner.units);
		free(inner.items);
	}
	not_injective(t, "its value is chosen or computed, not a column");
	return st;
}

static enum kvf_status read_let(struct reader *r, const struct kvf_def_let *let,
				const struct kvf_def_piece *p, struct kvf_err *err)
{
	struct kvf_key_item item = { .piece = p };
	size_t upto = r->upto;
	enum kvf_status st;
	struct text t;

	if (r->depth == LET_DEPTH_MAX) {
		r->too_large = 1;
		return KVF_OK;
	}
	r->depth++;
	r->upto = (size_t)(let - r->record->lets);
	if (!let->first && only_checks(p)) {
		st = read_pieces(r, &let->alternatives[0], p, err);
		r->depth--;
		r->upto = upto;
		return st;
	}
	st = text_of_let(r, let, &t, err);
	r->depth--;
	r->upto = upto;
	if (st != KVF_OK)
		return st;
	for (size_t i = 0; i < p->nfilters; i++)
		text_filter(&t, &p->filters[i], KVF_DECLARED_UNKNOWN);
	if (p->optional)
		filter_null(&t, "", 0);
	item.takes_null = t.takes_null;
	item.why = t.why;
	st = add_item(r, &item, err);
	if (st == KVF_OK)
		add_text(r, &t);
	return st;
}

static enum kvf_status read_column(struct reader *r, const struct kvf_def_piece *p,
				   const struct kvf_def_piece *outer, struct kvf_err *err)
{
	size_t c = kvf_shape_column(r->shape, p->name);
	enum kvf_declared declared = c == SIZE_MAX
					     ? KVF_DECLARED_UNKNOWN
					     : kvf_declared_class(r->shape->columns[c].type);
	struct kvf_key_item item = { .piece = p, .column = p->name };
	enum kvf_status st;
	struct text t;

	if (c != SIZE_MAX && !r->shape->columns[c].type[0] && r->record->query)
		declared = KVF_DECLARED_UNKNOWN; /* an expression of a query */
	text_of_column(&t, declared);
	for (size_t i = 0; i < p->nfilters; i++)
		text_filter(&t, &p->filters[i], declared);
	if (p->optional)
		filter_null(&t, "", 0);
	for (size_t i = 0; outer && i < outer->nfilters; i++)
		text_filter(&t, &outer->filters[i], declared);
	item.injective = t.injective;
	item.invertible = t.invertible;
	item.takes_null = t.takes_null;
	item.why = t.why;
	st = add_item(r, &item, err);
	if (st == KVF_OK)
		add_text(r, &t);
	return st;
}

/* `outer`: the placeholder whose let this template is; its checks hold here. */
static enum kvf_status read_pieces(struct reader *r, const struct kvf_def_template *t,
				   const struct kvf_def_piece *outer, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	for (size_t i = 0; st == KVF_OK && !r->too_large && i < t->npieces; i++) {
		const struct kvf_def_piece *p = &t->pieces[i];
		const struct kvf_def_let *let =
			p->name ? kvf_def_find_let(r->record, r->upto, p->name) : NULL;

		if (!*r->pieces) {
			r->too_large = 1;
			return KVF_OK;
		}
		--*r->pieces;
		if (!p->name)
			st = add_literal(r, p->literal, err);
		else if (let)
			st = read_let(r, let, p, err);
		else
			st = read_column(r, p, outer, err);
	}
	return st;
}

/* NOLINTEND(misc-no-recursion) */

/* Move what was read into the arena. */
static enum kvf_status finish(struct reader *r, struct kvf_key **out, struct kvf_err *err)
{
	struct kvf_key *key = kvf_arena_zalloc(r->arena, sizeof(*key));

	if (!key)
		return kvf_fail_nomem(err);
	key->units = kvf_arena_alloc(r->arena, (r->nunits + 1) * sizeof(*key->units));
	key->items = kvf_arena_alloc(r->arena, (r->nitems + 1) * sizeof(*key->items));
	if (!key->units || !key->items)
		return kvf_fail_nomem(err);
	if (r->nunits)
		memcpy(key->units, r->units, r->nunits * sizeof(*key->units));
	if (r->nitems)
		memcpy(key->items, r->items, r->nitems * sizeof(*key->items));
	key->nunits = r->nunits;
	key->nitems = r->nitems;
	key->too_large = r->too_large;
	*out = key;
	return KVF_OK;
}

enum kvf_status kvf_key_read(struct kvf_arena *arena, const struct kvf_def_record *record,
			     const struct kvf_def_template *t, const struct kvf_table *shape,
			     struct kvf_key **out, struct kvf_err *err)
{
	size_t pieces = PIECES_MAX;
	struct reader r = { .arena = arena,
			    .record = record,
			    .shape = shape,
			    .upto = record->nlets,
			    .pieces = &pieces };
	enum kvf_status st;

	r.units = malloc(UNITS_MAX * sizeof(*r.units));
	if (!r.units)
		return kvf_fail_nomem(err);
	st = read_pieces(&r, t, NULL, err);
	if (st == KVF_OK)
		st = finish(&r, out, err);
	free(r.units);
	free(r.items);
	return st;
}

enum kvf_status kvf_key_pattern(struct kvf_arena *arena, const struct kvf_pattern *pattern,
				struct kvf_key **out, struct kvf_err *err)
{
	struct reader r = { .arena = arena };
	enum kvf_status st = KVF_OK;
	struct text any;

	text_any(&any);
	r.units = malloc(UNITS_MAX * sizeof(*r.units));
	if (!r.units)
		return kvf_fail_nomem(err);
	for (size_t i = 0; st == KVF_OK && i < pattern->npieces; i++) {
		struct kvf_key_item gap = { 0 };

		if (i > 0)
			st = add_item(&r, &gap, err);
		if (i > 0 && st == KVF_OK)
			add_text(&r, &any);
		if (st == KVF_OK)
			st = add_literal(&r, pattern->pieces[i], err);
	}
	if (st == KVF_OK)
		st = finish(&r, out, err);
	free(r.units);
	free(r.items);
	return st;
}
