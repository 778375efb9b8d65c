/*
 * check_walk - two key machines walked in step, breadth first, so that the
 * shortest example comes out.
 *
 * A state is (place in a, place in b, have they parted).  For "can both make
 * one string" parting plays no role.  For "is it ambiguous" a and b are the
 * same machine, and they part at a byte that belongs to the item in question
 * on one side and to another item on the other: if they never part, that item
 * has the same bytes in both readings.
 */
#include "formats/check_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX ((size_t)1 << 21)
#define NO_FOCUS SIZE_MAX
#define EXAMPLE_MAX 1024

struct walk {
	const struct kvf_key *a, *b;
	size_t focus; /* item, or NO_FOCUS */
	size_t nstates;
	uint32_t *parent; /* state + 1 that it was reached from; 0 = not reached */
	int16_t *byte;    /* the byte between them, or -1 */
	uint32_t *queue;
	size_t head, tail;
};

static size_t state_of(const struct walk *w, size_t i, size_t j, int parted)
{
	return (i * (w->b->nunits + 1) + j) * 2 + (size_t)parted;
}

static void reach(struct walk *w, size_t from, size_t to, int byte)
{
	if (w->parent[to])
		return;
	w->parent[to] = (uint32_t)from + 1;
	w->byte[to] = (int16_t)byte;
	w->queue[w->tail++] = (uint32_t)to;
}

/* A byte that both sets hold, one that reads well if there is a choice; or -1. */
static int common_byte(const uint32_t a[8], const uint32_t b[8])
{
	static const char nice[] = "axyz01";

	for (const char *p = nice; *p; p++)
		if ((a[*p / 32] & b[*p / 32]) >> (*p % 32) & 1)
			return *p;
	for (int pass = 0; pass < 2; pass++)
		for (int c = pass ? 0 : ' ' + 1; c < (pass ? 256 : 127); c++)
			if ((a[c / 32] & b[c / 32]) >> (c % 32) & 1)
				return c;
	return -1;
}

static int parts(const struct walk *w, const struct kvf_key_unit *u,
		 const struct kvf_key_unit *v)
{
	return w->focus != NO_FOCUS && u->item != v->item &&
	       (u->item == w->focus || v->item == w->focus);
}

static void step(struct walk *w, size_t state)
{
	size_t nb = w->b->nunits + 1;
	size_t i = state / 2 / nb, j = state / 2 % nb;
	int parted = (int)(state % 2), byte;
	const struct kvf_key_unit *u = i < w->a->nunits ? &w->a->units[i] : NULL;
	const struct kvf_key_unit *v = j < w->b->nunits ? &w->b->units[j] : NULL;

	if (u && u->loop)
		reach(w, state, state_of(w, i + 1, j, parted), -1);
	if (v && v->loop)
		reach(w, state, state_of(w, i, j + 1, parted), -1);
	if (!u || !v)
		return;
	byte = common_byte(u->set, v->set);
	if (byte >= 0)
		reach(w, state,
		      state_of(w, i + !u->loop, j + !v->loop, parted || parts(w, u, v)), byte);
}

/* *end: the state that proves it, or SIZE_MAX. */
static enum kvf_status run(struct walk *w, size_t *end, struct kvf_err *err)
{
	size_t goal = state_of(w, w->a->nunits, w->b->nunits, w->focus != NO_FOCUS);

	w->nstates = (w->a->nunits + 1) * (w->b->nunits + 1) * 2;
	w->parent = calloc(w->nstates, sizeof(*w->parent));
	w->byte = malloc(w->nstates * sizeof(*w->byte));
	w->queue = malloc(w->nstates * sizeof(*w->queue));
	if (!w->parent || !w->byte || !w->queue)
		return kvf_fail_nomem(err);
	reach(w, 0, 0, -1);
	while (w->head < w->tail && !w->parent[goal])
		step(w, w->queue[w->head++]);
	*end = w->parent[goal] ? goal : SIZE_MAX;
	return KVF_OK;
}

static void release(struct walk *w)
{
	free(w->parent);
	free(w->byte);
	free(w->queue);
}

/* The way back from `end`: the string, and which item made each byte. */
struct trail {
	uint8_t bytes[EXAMPLE_MAX];
	uint16_t a[EXAMPLE_MAX], b[EXAMPLE_MAX];
	size_t len;
};

static void follow(const struct walk *w, size_t end, struct trail *t)
{
	size_t nb = w->b->nunits + 1, n = 0, s;

	for (s = end; s; s = w->parent[s] - 1)
		n += w->byte[s] >= 0;
	t->len = n < EXAMPLE_MAX ? n : EXAMPLE_MAX;
	for (s = end; s; s = w->parent[s] - 1) {
		size_t from = w->parent[s] - 1;

		if (w->byte[s] < 0 || --n >= EXAMPLE_MAX)
			continue;
		t->bytes[n] = (uint8_t)w->byte[s];
		t->a[n] = w->a->units[from / 2 / nb].item;
		t->b[n] = w->b->units[from / 2 % nb].item;
	}
}

/* Their beginnings differ already: the usual case, found without a walk. */
static int apart(const struct kvf_key *a, const struct kvf_key *b)
{
	for (size_t i = 0;; i++) {
		int ends_a = i == a->nunits, ends_b = i == b->nunits;

		if ((!ends_a && a->units[i].loop) || (!ends_b && b->units[i].loop))
			return 0;
		if (ends_a || ends_b)
			return ends_a != ends_b;
		if (common_byte(a->units[i].set, b->units[i].set) < 0)
			return 1;
	}
}

/* Small enough to walk, and something left to spend on it. */
static int decidable(const struct kvf_key *a, const struct kvf_key *b)
{
	size_t states = (a->nunits + 1) * (b->nunits + 1) * 2;

	if (a->too_large || b->too_large || states > STATES_MAX)
		return 0;
	if (!a->budget)
		return 1;
	if (*a->budget < states) {
		*a->budget = 0;
		return 0;
	}
	*a->budget -= states;
	return 1;
}

enum kvf_status kvf_key_meet(const struct kvf_key *a, const struct kvf_key *b,
			     enum kvf_answer *answer, char *example, size_t size,
			     struct kvf_err *err)
{
	struct walk w = { .a = a, .b = b, .focus = NO_FOCUS };
	enum kvf_status st;
	struct trail t;
	size_t end;

	*answer = KVF_UNDECIDED;
	if (example)
		example[0] = '\0';
	if (!a->too_large && !b->too_large && apart(a, b)) {
		*answer = KVF_NO;
		return KVF_OK;
	}
	if (!decidable(a, b))
		return KVF_OK;
	st = run(&w, &end, err);
	if (st == KVF_OK) {
		*answer = end == SIZE_MAX ? KVF_NO : KVF_YES;
		if (end != SIZE_MAX && example) {
			follow(&w, end, &t);
			kvf_bytes_print((struct kvf_bytes){ t.bytes, t.len }, example, size);
		}
	}
	release(&w);
	return st;
}

/* The bytes of each placeholder in one reading: owner="x", name="y/z". */
static void print_reading(const struct kvf_key *key, const struct trail *t,
			  const uint16_t *items, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < key->nitems; i++) {
		uint8_t value[EXAMPLE_MAX];
		char text[96];
		size_t n = 0;
		int len;

		if (!key->items[i].piece)
			continue;
		for (size_t k = 0; k < t->len; k++)
			if (items[k] == i)
				value[n++] = t->bytes[k];
		kvf_bytes_print((struct kvf_bytes){ value, n }, text, sizeof(text));
		len = snprintf(out + at, size - at, "%s%s=\"%s\"", at ? ", " : "",
			       key->items[i].piece->name, text);
		if (len < 0 || (size_t)len >= size - at)
			return;
		at += (size_t)len;
	}
}

enum kvf_status kvf_key_ambiguous(const struct kvf_key *key, size_t item,
				  enum kvf_answer *answer, char *example, size_t size,
				  struct kvf_err *err)
{
	struct walk w = { .a = key, .b = key, .focus = item };
	char one[192], two[192], whole[128];
	enum kvf_status st;
	struct trail t;
	size_t end;

	*answer = KVF_UNDECIDED;
	if (size)
		example[0] = '\0';
	if (!decidable(key, key))
		return KVF_OK;
	st = run(&w, &end, err);
	if (st == KVF_OK) {
		*answer = end == SIZE_MAX ? KVF_NO : KVF_YES;
		if (end != SIZE_MAX) {
			follow(&w, end, &t);
			kvf_bytes_print((struct kvf_bytes){ t.bytes, t.len }, whole,
					sizeof(whole));
			print_reading(key, &t, t.a, one, sizeof(one));
			print_reading(key, &t, t.b, two, sizeof(two));
			snprintf(example, size, "\"%s\" is both (%s) and (%s)", whole, one,
				 two);
		}
	}
	release(&w);
	return st;
}
