/*
 * check_keys - which keys a template can make, and what can be told from them.
 *
 * A template is read as a little machine over bytes: a literal is a row of
 * single bytes, a placeholder a run of bytes out of a set, so long at least and
 * so long at most.  Two questions are answered by walking two such machines in
 * step, and the answer comes with an example:
 *
 *   - can one string come from both of two templates?
 *   - can one string come from a template in two ways, with different values
 *     for a given placeholder?
 *
 * "No" is a proof: every approximation made here only adds strings.
 */
#ifndef KVF_CHECK_KEYS_H
#define KVF_CHECK_KEYS_H

#include "base/buf.h"
#include "formats/def.h"

/* Literal pieces and placeholders, lets written out. */
struct kvf_key_item {
	const struct kvf_def_piece *piece; /* of a placeholder, else NULL */
	const char *column;                /* the one column it comes from, or NULL */
	int injective;                     /* different values give different texts */
	int invertible;  /* and the value can be computed back from its text */
	int takes_null;  /* NULL gives a text, not a refused row */
	const char *why; /* not injective: the reason, static text */
};

struct kvf_key_unit {
	uint32_t set[8]; /* the bytes it may be */
	uint16_t item;
	uint16_t loop; /* any number of times, also none */
};

struct kvf_key {
	struct kvf_key_unit *units;
	size_t nunits;
	struct kvf_key_item *items;
	size_t nitems;
	int too_large;    /* not written out: nothing can be proven */
	uint64_t *budget; /* states that may still be walked, shared; NULL = any number */
};

/* Read a template of `record`; `shape` may be NULL.  Lives in the arena. */
KVF_MUST_CHECK enum kvf_status
kvf_key_read(struct kvf_arena *arena, const struct kvf_def_record *record,
	     const struct kvf_def_template *t, const struct kvf_table *shape,
	     struct kvf_key **out, struct kvf_err *err);
/* The same for a kind's pattern and for one fixed text. */
KVF_MUST_CHECK enum kvf_status kvf_key_pattern(struct kvf_arena *arena,
					       const struct kvf_pattern *pattern,
					       struct kvf_key **out, struct kvf_err *err);

enum kvf_answer { KVF_NO, KVF_YES, KVF_UNDECIDED };

/* Can both make one string?  YES: `example` is printed as one (may be NULL). */
KVF_MUST_CHECK enum kvf_status kvf_key_meet(const struct kvf_key *a, const struct kvf_key *b,
					    enum kvf_answer *answer, char *example, size_t size,
					    struct kvf_err *err);

/*
 * Can one string be made with two values of item `item`?  YES: `example` says
 * which string and which values.
 */
KVF_MUST_CHECK enum kvf_status kvf_key_ambiguous(const struct kvf_key *key, size_t item,
						 enum kvf_answer *answer, char *example,
						 size_t size, struct kvf_err *err);

#endif
