/*
 * match - which kind made an entry.  The patterns in a stream know the literal
 * pieces of a template only; here everything counts that check knows of it: which
 * bytes a placeholder may hold, and how many.
 */
#include "formats/check_keys.h"
#include "formats/program.h"

#include <stdlib.h>
#include <string.h>

#define STATES 4096 /* units of a key, with the one behind the last */

struct kvf_matcher {
	const struct kvf_key *part, *key;
};

/* Places in the key at which one may be after a number of bytes. */
struct places {
	uint64_t bits[STATES / 64];
};

static int is_in(const struct places *p, size_t i)
{
	return (int)(p->bits[i / 64] >> i % 64 & 1);
}

static void add(struct places *p, const struct kvf_key *key, size_t i)
{
	p->bits[i / 64] |= UINT64_C(1) << i % 64;
	while (i < key->nunits && key->units[i].loop) { /* none of them is enough */
		i++;
		p->bits[i / 64] |= UINT64_C(1) << i % 64;
	}
}

static int accepts(const struct kvf_key *key, struct kvf_bytes text)
{
	struct places now, then;
	size_t at, i;

	if (key->too_large || key->nunits >= STATES)
		return 0;
	memset(&now, 0, sizeof(now));
	add(&now, key, 0);
	for (at = 0; at < text.len; at++) {
		uint8_t c = text.ptr[at];
		int any = 0;

		memset(&then, 0, sizeof(then));
		for (i = 0; i < key->nunits; i++) {
			if (!is_in(&now, i) || !(key->units[i].set[c / 32] >> c % 32 & 1))
				continue;
			add(&then, key, key->units[i].loop ? i : i + 1);
			any = 1;
		}
		if (!any)
			return 0;
		now = then;
	}
	return is_in(&now, key->nunits);
}

enum kvf_status kvf_formats_matchers(struct kvf_arena *arena, struct kvf_prog *prog,
				     struct kvf_err *err)
{
	const struct kvf_def_package *def = prog->def;
	struct kvf_matcher *list;
	enum kvf_status st = KVF_OK;
	size_t n = 0, r, e;

	for (r = 0; r < def->nrecords; r++)
		n += def->records[r].nentries;
	list = kvf_arena_zalloc(arena, (n ? n : 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	prog->matchers = list;
	for (r = 0; r < def->nrecords; r++)
		for (e = 0; !st && e < def->records[r].nentries; e++, list++) {
			const struct kvf_def_entry *entry = &def->records[r].entries[e];
			struct kvf_key *part = NULL, *key = NULL;

			st = kvf_key_read(arena, &def->records[r], entry->partition, NULL,
					  &part, err);
			if (!st)
				st = kvf_key_read(arena, &def->records[r], entry->key, NULL,
						  &key, err);
			list->part = part;
			list->key = key;
		}
	return st;
}

size_t kvf_formats_kind_of(const struct kvf_package *self, struct kvf_bytes part,
			   struct kvf_bytes key)
{
	const struct kvf_prog *prog = self->state;
	size_t i;

	for (i = 0; i < self->nkinds; i++)
		if (accepts(prog->matchers[i].part, part) &&
		    accepts(prog->matchers[i].key, key))
			break;
	return i;
}
