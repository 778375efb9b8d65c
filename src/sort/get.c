/* get - entries out of the sorter, or of several that were joined. */
#include "sort/sorter.h"

#include <stdlib.h>

#define NONE_TAKEN SIZE_MAX

enum kvf_status kvf_sorter_join(struct kvf_sorter *s, struct kvf_sorter *const *others,
				size_t n, struct kvf_err *err)
{
	struct kvf_sorter **kept = malloc((n + 1) * sizeof(struct kvf_sorter *));
	struct head *heads = malloc((n + 1) * sizeof(*heads));

	if (!kept || !heads) {
		free(kept);
		free(heads);
		return kvf_fail_nomem(err);
	}
	if (n)
		memcpy(kept, others, n * sizeof(struct kvf_sorter *));
	s->others = kept;
	s->nothers = n;
	s->heads = heads;
	s->taken = NONE_TAKEN;
	return KVF_OK;
}

/*
 * Overwrite the digits at the end of the key with the number of this entry
 * among those with an equal key.
 */
static enum kvf_status set_ordinal(struct kvf_sorter *s, struct record *r, struct kvf_err *err)
{
	size_t len = record_order_len(r) - ORDINAL_DIGITS;
	enum kvf_status st;
	uint64_t n;
	size_t i;

	if (s->ordinal > 0 && s->flagged.len == len &&
	    memcmp(s->flagged.ptr, r->bytes, len) == 0) {
		s->ordinal++;
	} else {
		s->ordinal = 1;
		s->flagged.len = 0;
		st = kvf_buf_append(&s->flagged, r->bytes, len, err);
		if (st)
			return st;
	}
	for (i = 0, n = s->ordinal; i < ORDINAL_DIGITS; i++, n /= 10)
		r->bytes[len + ORDINAL_DIGITS - 1 - i] = (uint8_t)('0' + n % 10);
	if (n > 0)
		return kvf_fail(err, KVF_EREJECT, "more than 9999999999 equal rows");
	return KVF_OK;
}

/* Move on where the last record came from; at the beginning, everywhere. */
static enum kvf_status advance_heads(struct kvf_sorter *s, struct kvf_err *err)
{
	size_t i = s->taken == NONE_TAKEN ? 0 : s->taken;
	size_t end = s->taken == NONE_TAKEN ? s->nothers + 1 : i + 1;
	enum kvf_status st;

	for (; i < end; i++) {
		struct head *h = &s->heads[i];

		st = kvf_merge_next(i ? s->others[i - 1]->merge : s->merge, &h->r, &h->value,
				    err);
		if (st == KVF_EOF)
			h->r = NULL;
		else if (st)
			return st;
	}
	return KVF_OK;
}

/* The least of the joined sorters' next records; there are few of them. */
static enum kvf_status next_joined(struct kvf_sorter *s, struct record **r,
				   const uint8_t **value, struct kvf_err *err)
{
	enum kvf_status st = advance_heads(s, err);
	size_t i, best = NONE_TAKEN;

	for (i = 0; !st && i <= s->nothers; i++)
		if (s->heads[i].r &&
		    (best == NONE_TAKEN || record_cmp(s->heads[i].r, s->heads[best].r) < 0))
			best = i;
	if (st)
		return st;
	if (best == NONE_TAKEN) {
		s->taken = 0; /* whose end stays the end */
		return KVF_EOF;
	}
	s->taken = best;
	*r = s->heads[best].r;
	*value = s->heads[best].value;
	return KVF_OK;
}

enum kvf_status kvf_sorter_next(struct kvf_sorter *s, struct kvf_entry *entry,
				struct kvf_origin *origin, struct kvf_err *err)
{
	const uint8_t *value;
	struct record *r;
	enum kvf_status st;

	st = s->nothers ? next_joined(s, &r, &value, err)
			: kvf_merge_next(s->merge, &r, &value, err);
	if (!st && record_wants_ordinal(r))
		st = set_ordinal(s, r, err);
	if (st)
		return st;
	entry->part.ptr = r->bytes + (record_extra_len(r) ? record_order_len(r) : 0);
	entry->part.len = r->part_len;
	entry->key.ptr = record_key(r);
	entry->key.len = r->key_len;
	entry->value.ptr = value;
	entry->value.len = r->value_len;
	origin->record = r->source;
	origin->ordinal = r->origin >> 1;
	return KVF_OK;
}
