/*
 * record - one entry as the sorter keeps it, in memory and in scratch files.
 *
 *   struct record | ordering bytes | partition, if escaped | value
 *
 * The ordering bytes make one memcmp of what kvf_entry_cmp() does in two steps:
 * the partition with every 00 written as 00 01, then 00 00, then the key.  The
 * end of a partition thus sorts before everything that may continue it, and two
 * records that differ do so within the bytes of both, or one is a prefix of the
 * other and shorter.  A partition with a 00 in it is rare: only then it is kept
 * a second time, as it was.
 */
#ifndef KVF_SORT_RECORD_H
#define KVF_SORT_RECORD_H

#include "base/hash.h"

#include <string.h>

struct record {
	uint64_t origin; /* ordinal of the row << 1 | 1 if the key gets an ordinal */
	uint32_t seq;    /* 0, 1, 2 ... in its run: equal keys keep their order */
	uint32_t source; /* record of the package that the row is of */
	uint32_t part_len;
	uint32_t esc_len; /* escaped partition with its end */
	uint32_t key_len;
	uint32_t value_len;
	uint8_t bytes[];
};

#define RECORD_LIMIT (1u << 30) /* partition, key and value together */
#define ORDINAL_DIGITS 10u      /* behind a "." */

static inline size_t record_order_len(const struct record *r)
{
	return (size_t)r->esc_len + r->key_len;
}

/* Length of the extra copy of an escaped partition. */
static inline size_t record_extra_len(const struct record *r)
{
	return r->esc_len == r->part_len + 2 ? 0 : r->part_len;
}

/* Everything but the value, and everything; without padding. */
static inline size_t record_head_size(const struct record *r)
{
	return sizeof(*r) + record_order_len(r) + record_extra_len(r);
}

static inline size_t record_size(const struct record *r)
{
	return record_head_size(r) + r->value_len;
}

/* Records lie at multiples of 8. */
static inline size_t record_padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static inline int record_wants_ordinal(const struct record *r)
{
	return (int)(r->origin & 1);
}

static inline uint8_t *record_key(struct record *r)
{
	return r->bytes + r->esc_len;
}

static inline int record_cmp_from(const struct record *a, const struct record *b, size_t from)
{
	size_t la = record_order_len(a), lb = record_order_len(b), n = la < lb ? la : lb;
	int c = from < n ? memcmp(a->bytes + from, b->bytes + from, n - from) : 0;

	return c ? c : (la > lb) - (la < lb);
}

static inline int record_cmp(const struct record *a, const struct record *b)
{
	return record_cmp_from(a, b, 0);
}

/* How many ordering bytes two records have in common. */
static inline size_t record_common(const struct record *a, const struct record *b)
{
	size_t la = record_order_len(a), lb = record_order_len(b);
	size_t n = la < lb ? la : lb, i = 0;
	uint64_t x, y;

	for (; i + 8 <= n; i += 8) {
		memcpy(&x, a->bytes + i, 8);
		memcpy(&y, b->bytes + i, 8);
		if (x != y)
			break;
	}
	while (i < n && a->bytes[i] == b->bytes[i])
		i++;
	return i;
}

/* Eight ordering bytes from `depth` on as a number, zeros behind the end. */
static inline uint64_t record_prefix(const struct record *r, size_t depth)
{
	size_t len = record_order_len(r);
	uint8_t bytes[8] = { 0 };

	if (len >= depth + 8)
		return kvf_get_be64(r->bytes + depth);
	if (len > depth)
		memcpy(bytes, r->bytes + depth, len - depth);
	return kvf_get_be64(bytes);
}

/* ---- an index of records, and its order (order.c) --------------------------- */

/* Eight of the ordering bytes, big-endian, and the record that they are of. */
struct slot {
	uint64_t prefix;
	struct record *rec;
};

/* Sort by ordering bytes, then seq.  All records share the first `shared` bytes. */
void kvf_slots_sort(struct slot *slots, size_t n, size_t shared);

#endif
