/*
 * record_read - control records from bytes that nobody vouches for.
 *
 * Each record is a map with ascending keys.  The loop over its keys sets one
 * bit for each key it knows; what is missing is told at the end.
 */
#include "stream/record.h"

#include <stdlib.h>

static const struct {
	enum kvf_record_type type;
	const char *name;
} names[] = {
	{ KVF_REC_HEAD, "head" },   { KVF_REC_BEGIN, "begin" }, { KVF_REC_CHUNK, "chunk" },
	{ KVF_REC_ENDC, "endc" },   { KVF_REC_END, "end" },     { KVF_REC_TAIL, "tail" },
	{ KVF_REC_ABORT, "abort" },
};

enum kvf_record_type kvf_record_peek(const uint8_t *p, size_t len)
{
	size_t i, n;

	if (len < 4 || (p[0] & 0xf0) != 0x80 || p[1] != 0xa1 || p[2] != '$')
		return KVF_REC_NONE;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		n = strlen(names[i].name);
		if (p[3] == (0xa0 | n) && len >= 4 + n && memcmp(p + 4, names[i].name, n) == 0)
			return names[i].type;
	}
	return KVF_REC_NONE;
}

int kvf_record_open(struct kvf_mp *m, struct kvf_mp_map *map, const char *name)
{
	struct kvf_bytes v;

	if (!kvf_mp_map_open(m, map))
		return 0;
	if (!kvf_mp_map_next(m, map) || !kvf_mp_key_is(map, "$"))
		return kvf_mp_fail(m, "the first key is not \"$\"");
	if (!kvf_mp_str(m, 31, &v))
		return 0;
	if (v.len != strlen(name) || memcmp(v.ptr, name, v.len) != 0)
		return kvf_mp_fail(m, "another record was expected here");
	return 1;
}

int kvf_record_other(struct kvf_mp *m, struct kvf_mp_map *map, unsigned open)
{
	if (map->key.len && map->key.ptr[0] == '_')
		return kvf_mp_skip(m, open);
	return kvf_mp_fail(m, "a key is unknown");
}

enum kvf_status kvf_record_done(const struct kvf_mp *m, struct kvf_bytes unit, const char *name,
				struct kvf_err *err)
{
	const char *bad = m->bad;

	if (!bad && m->at != m->end)
		bad = "bytes follow the record";
	if (!bad)
		return KVF_OK;
	kvf_fail(err, KVF_ESTREAM, "damaged stream: record \"%s\": %s", name, bad);
	kvf_err_detail(err, "byte %zu of the unit", (size_t)(m->at - unit.ptr));
	return KVF_ESTREAM;
}

static const char missing[] = "a key is missing";

int kvf_read_chunk_record(struct kvf_mp *m, struct kvf_chunk_record *c)
{
	struct kvf_mp_map map;
	unsigned seen = 0;

	if (!kvf_record_open(m, &map, "chunk"))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "h"))
			seen |= kvf_mp_fixed(m, c->h, sizeof(c->h)) ? 1 : 0;
		else if (kvf_mp_key_is(&map, "i"))
			seen |= kvf_mp_uint(m, &c->i) ? 2 : 0;
		else if (kvf_mp_key_is(&map, "n"))
			seen |= kvf_mp_uint(m, &c->n) ? 4 : 0;
		else
			kvf_record_other(m, &map, 1);
	}
	return seen == 7 && !m->bad ? 1 : kvf_mp_fail(m, missing);
}

int kvf_read_endc_record(struct kvf_mp *m, struct kvf_endc_record *e)
{
	struct kvf_mp_map map;
	unsigned seen = 0;

	if (!kvf_record_open(m, &map, "endc"))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "b"))
			seen |= kvf_mp_uint(m, &e->b) ? 1 : 0;
		else if (kvf_mp_key_is(&map, "c"))
			seen |= kvf_mp_uint(m, &e->c) ? 2 : 0;
		else if (kvf_mp_key_is(&map, "d"))
			seen |= kvf_mp_fixed(m, e->d, sizeof(e->d)) ? 4 : 0;
		else if (kvf_mp_key_is(&map, "m"))
			seen |= kvf_mp_fixed(m, e->m, sizeof(e->m)) ? 8 : 0;
		else
			kvf_record_other(m, &map, 1);
	}
	return seen == 15 && !m->bad ? 1 : kvf_mp_fail(m, missing);
}

/* side: [[str, uint, bin 32]]; left out when there is none. */
static int read_sides(struct kvf_mp *m, struct kvf_arena *arena, struct kvf_end *end,
		      int *nomem)
{
	struct kvf_bytes name;
	struct kvf_side *s;
	size_t n, k, i;

	if (!kvf_mp_array(m, KVF_SIDES_MAX, &n))
		return 0;
	if (n == 0)
		return kvf_mp_fail(m, "an empty list has to be left out");
	s = kvf_arena_zalloc(arena, n * sizeof(*s));
	if (!s) {
		*nomem = 1;
		return kvf_mp_fail(m, "no memory");
	}
	for (i = 0; i < n; i++) {
		if (!kvf_mp_array(m, 3, &k))
			return 0;
		if (k != 3)
			return kvf_mp_fail(m, "not three elements");
		if (!kvf_mp_text(m, KVF_NAME_MAX, &name) || !kvf_mp_uint(m, &s[i].size) ||
		    !kvf_mp_fixed(m, s[i].sha256, 32))
			return 0;
		if (name.len == 0)
			return kvf_mp_fail(m, "a name is empty");
		s[i].name = kvf_arena_strndup(arena, name.ptr, name.len);
		if (!s[i].name) {
			*nomem = 1;
			return kvf_mp_fail(m, "no memory");
		}
	}
	end->sides = s;
	end->nsides = n;
	return 1;
}

enum kvf_status kvf_read_end(struct kvf_bytes unit, struct kvf_arena *arena,
			     struct kvf_end *end, struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(unit.ptr, unit.len);
	struct kvf_mp_map map;
	unsigned seen = 0;
	int nomem = 0;
	size_t i;

	memset(end, 0, sizeof(*end));
	if (kvf_record_open(&m, &map, "end")) {
		while (kvf_mp_map_next(&m, &map)) {
			if (kvf_mp_key_is(&map, "b"))
				seen |= kvf_mp_uint(&m, &end->totals.bytes) ? 1 : 0;
			else if (kvf_mp_key_is(&map, "c"))
				seen |= kvf_mp_uint(&m, &end->totals.entries) ? 2 : 0;
			else if (kvf_mp_key_is(&map, "k"))
				seen |= kvf_mp_uint(&m, &end->chunks) ? 4 : 0;
			else if (kvf_mp_key_is(&map, "m"))
				seen |= kvf_mp_fixed(&m, end->totals.m, 16) ? 8 : 0;
			else if (kvf_mp_key_is(&map, "n"))
				seen |= kvf_mp_uint(&m, &end->n) ? 16 : 0;
			else if (kvf_mp_key_is(&map, "r"))
				seen |= kvf_mp_fixed(&m, end->r, 32) ? 32 : 0;
			else if (kvf_mp_key_is(&map, "side"))
				read_sides(&m, arena, end, &nomem);
			else
				kvf_record_other(&m, &map, 1);
		}
		if (seen != 63)
			kvf_mp_fail(&m, missing);
	}
	for (i = 0; !nomem && i < end->nsides; i++)
		end->lacks_rows |= strcmp(end->sides[i].name, KVF_SIDE_REJECTS) == 0;
	if (nomem)
		return kvf_fail_nomem(err);
	return kvf_record_done(&m, unit, "end", err);
}

enum kvf_status kvf_read_tail(struct kvf_bytes unit, struct kvf_tail *tail, struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(unit.ptr, unit.len);
	struct kvf_mp_map map;
	unsigned seen = 0;

	memset(tail, 0, sizeof(*tail));
	if (kvf_record_open(&m, &map, "tail")) {
		while (kvf_mp_map_next(&m, &map)) {
			if (kvf_mp_key_is(&map, "b"))
				seen |= kvf_mp_uint(&m, &tail->bytes) ? 1 : 0;
			else if (kvf_mp_key_is(&map, "c"))
				seen |= kvf_mp_uint(&m, &tail->entries) ? 2 : 0;
			else if (kvf_mp_key_is(&map, "k"))
				seen |= kvf_mp_uint(&m, &tail->chunks) ? 4 : 0;
			else if (kvf_mp_key_is(&map, "p"))
				seen |= kvf_mp_uint(&m, &tail->packages) ? 8 : 0;
			else if (kvf_mp_key_is(&map, "r"))
				seen |= kvf_mp_fixed(&m, tail->r, 32) ? 16 : 0;
			else
				kvf_record_other(&m, &map, 1);
		}
		if (seen != 31)
			kvf_mp_fail(&m, missing);
	}
	return kvf_record_done(&m, unit, "tail", err);
}

enum kvf_status kvf_read_abort(struct kvf_bytes unit, struct kvf_abort_record *a,
			       struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(unit.ptr, unit.len);
	struct kvf_bytes text = { unit.ptr, 0 };
	struct kvf_mp_map map;
	unsigned seen = 0;

	memset(a, 0, sizeof(*a));
	if (kvf_record_open(&m, &map, "abort")) {
		while (kvf_mp_map_next(&m, &map)) {
			if (kvf_mp_key_is(&map, "code"))
				seen |= kvf_mp_uint(&m, &a->code) ? 1 : 0;
			else if (kvf_mp_key_is(&map, "msg"))
				seen |= kvf_mp_text(&m, KVF_ABORT_MAX, &text) ? 2 : 0;
			else
				kvf_record_other(&m, &map, 1);
		}
		if (seen != 3)
			kvf_mp_fail(&m, missing);
		if (a->code > 255)
			kvf_mp_fail(&m, "an exit status over 255");
	}
	memcpy(a->message, text.ptr, text.len);
	return kvf_record_done(&m, unit, "abort", err);
}

/* ---- where parsed things live ------------------------------------------------------ */

int kvf_keep_init(struct kvf_pool_text *k, size_t unit_len)
{
	memset(k, 0, sizeof(*k));
	kvf_arena_init(&k->arena);
	k->text = malloc(unit_len ? unit_len : 1);
	return k->text != NULL;
}

void kvf_keep_release(struct kvf_pool_text *k)
{
	kvf_arena_release(&k->arena);
	free(k->text);
	k->text = NULL;
}

const char *kvf_keep_text(struct kvf_pool_text *k, struct kvf_bytes b)
{
	char *s = k->text + k->used;

	if (b.len)
		memcpy(s, b.ptr, b.len);
	s[b.len] = '\0';
	k->used += b.len + 1;
	return s;
}

void *kvf_keep_array(struct kvf_pool_text *k, size_t n, size_t size)
{
	void *p = kvf_arena_zalloc(&k->arena, (n ? n : 1) * size);

	if (!p)
		k->nomem = 1;
	return p;
}
