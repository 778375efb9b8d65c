/*
 * sort - the sorter.
 *
 *   put      records into blocks of memory, in the order of arrival: the run
 *   full     index -> order.c -> spill.c: a run in the scratch file
 *   next     merge of all runs, the last one still in memory (merge.c)
 *
 * There is no index while records arrive: it is built when a run turns out to
 * need one.  Input in order costs one comparison for each entry and nothing
 * else, and runs that continue each other are one run.  When memory is full and
 * the run has ascended so far, only its first block is spilled, to make room:
 * compression goes on beside the reading then, and no more is spilled than does
 * not fit.
 */
#include "sort/sort.h"

#include "sort/merge.h"

#include "base/buf.h"

#include <kvferry/package.h>

#include <stdlib.h>

#define BLOCK_MIN (4u << 10)
#define BLOCK_MAX (4u << 20)
#define SPILL_BLOCK_MIN (16u << 10)
#define SPILL_BLOCK_MAX (256u << 10)
#define ASK_EVERY 1024 /* entries between two questions to env->stopped */
#define NONE_TAKEN SIZE_MAX

/* The next record of one of the sorters that were joined. */
struct head {
	struct record *r; /* NULL: it has no more */
	const uint8_t *value;
};

struct kvf_sorter {
	const struct kvf_env *env;
	char *scratch_dir;
	uint64_t budget;
	size_t block_size;
	uint64_t room; /* for this run, of the budget */
	struct memory mem;
	uint64_t used;       /* bytes of this run: records, waste, index to be */
	size_t shared;       /* ordering bytes that all records of the run share */
	struct record *last; /* put last in this run, NULL at its begin */
	uint32_t seq;        /* of the next record in this run */
	struct kvf_buf max;  /* ordering bytes of the record spilled last */
	int ascending;       /* this run so far */
	int in_order;        /* everything so far */
	int joined;          /* finished, and the run in memory continues the last */
	struct spill *spill;
	struct runs runs;
	int open;       /* the front of this run is being spilled ... */
	int open_joins; /* ... and continues the run spilled before */
	struct merge *merge;
	struct kvf_sorter **others; /* that were joined to this one */
	size_t nothers;
	struct head *heads;     /* of this one, then of the others */
	size_t taken;           /* whose head was handed out last */
	struct kvf_buf flagged; /* key of the last entry that got an ordinal */
	uint64_t ordinal;
	struct kvf_sorter_stats stats;
};

/* So small that the buffers of the largest merge take at most half the budget. */
static size_t spill_block(const struct kvf_sorter *s)
{
	uint64_t block = s->budget / (4 * MERGE_FAN_IN);

	return block < SPILL_BLOCK_MIN   ? SPILL_BLOCK_MIN
	       : block > SPILL_BLOCK_MAX ? SPILL_BLOCK_MAX
					 : (size_t)block;
}

/*
 * What the run in memory may take.  Each run that was spilled will be read back beside
 * it through two buffers, so the next ones are smaller: the peak, at the beginning of
 * the merge, is the same for few runs and for many.
 */
static uint64_t run_budget(const struct kvf_sorter *s)
{
	uint64_t n = s->runs.n < MERGE_FAN_IN ? s->runs.n : MERGE_FAN_IN;
	uint64_t merge = n * 2 * spill_block(s);

	return merge < s->budget / 2 ? s->budget - merge : s->budget / 2;
}

/* Nothing is in memory. */
static void begin_run(struct kvf_sorter *s)
{
	s->room = run_budget(s);
	kvf_memory_reset(&s->mem, s->block_size, s->room);
	s->used = 0;
	s->seq = 0;
	s->shared = SIZE_MAX;
	s->last = NULL;
	s->ascending = 1;
}

enum kvf_status kvf_sorter_new(uint64_t budget, const char *scratch_dir,
			       const struct kvf_env *env, struct kvf_sorter **out,
			       struct kvf_err *err)
{
	struct kvf_sorter *s = calloc(1, sizeof(*s));
	uint64_t block = budget / 16;

	*out = NULL;
	if (!s)
		return kvf_fail_nomem(err);
	s->env = env;
	s->budget = budget;
	s->block_size = block < BLOCK_MIN   ? BLOCK_MIN
			: block > BLOCK_MAX ? BLOCK_MAX
					    : (size_t)block;
	s->in_order = 1;
	begin_run(s);
	kvf_buf_init(&s->max, 2 * (size_t)RECORD_LIMIT + 2);
	kvf_buf_init(&s->flagged, 2 * (size_t)RECORD_LIMIT + 2);
	s->scratch_dir = strdup(scratch_dir);
	if (!s->scratch_dir) {
		kvf_sorter_free(s);
		return kvf_fail_nomem(err);
	}
	*out = s;
	return KVF_OK;
}

void kvf_sorter_free(struct kvf_sorter *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->nothers; i++)
		kvf_sorter_free(s->others[i]);
	free(s->others);
	free(s->heads);
	kvf_merge_free(s->merge);
	kvf_runs_release(&s->runs);
	kvf_spill_free(s->spill);
	kvf_memory_release(&s->mem);
	kvf_buf_release(&s->max);
	kvf_buf_release(&s->flagged);
	free(s->scratch_dir);
	free(s);
}

void kvf_sorter_reset(struct kvf_sorter *s)
{
	size_t i;

	for (i = 0; i < s->nothers; i++)
		kvf_sorter_free(s->others[i]);
	s->nothers = 0;
	kvf_merge_free(s->merge);
	s->merge = NULL;
	kvf_runs_release(&s->runs);
	kvf_spill_free(s->spill);
	s->spill = NULL;
	s->open = s->joined = 0;
	s->max.len = s->flagged.len = 0;
	s->ordinal = 0;
	s->in_order = 1;
	memset(&s->stats, 0, sizeof(s->stats));
	begin_run(s);
}

void kvf_sorter_stats(const struct kvf_sorter *s, struct kvf_sorter_stats *stats)
{
	struct kvf_sorter_stats more;
	size_t i;

	*stats = s->stats;
	stats->runs = s->runs.n + (s->mem.n > 0 && !s->joined);
	stats->spilled_bytes = kvf_spill_written(s->spill);
	stats->in_order = s->in_order && !s->nothers;
	for (i = 0; i < s->nothers; i++) {
		kvf_sorter_stats(s->others[i], &more);
		stats->entries += more.entries;
		stats->bytes += more.bytes;
		stats->runs += more.runs;
		stats->spilled_bytes += more.spilled_bytes;
	}
}

static enum kvf_status ask_stopped(const struct kvf_sorter *s, struct kvf_err *err)
{
	if (s->env && s->env->stopped && s->env->stopped(s->env->ctx))
		return kvf_fail(err, KVF_EINTERRUPTED, "stopped while sorting");
	return KVF_OK;
}

/* ---- spilling a run --------------------------------------------------------- */

/* Does the run, whose least record is `first`, continue the one spilled last? */
static int continues(const struct kvf_sorter *s, const struct record *first)
{
	size_t len = record_order_len(first), n = len < s->max.len ? len : s->max.len;
	int c = n ? memcmp(s->max.ptr, first->bytes, n) : 0;

	return c ? c < 0 : s->max.len <= len;
}

static enum kvf_status open_spill(struct kvf_sorter *s, struct kvf_err *err)
{
	if (s->spill)
		return KVF_OK;
	return kvf_spill_new(s->scratch_dir, spill_block(s), s->env, &s->spill, err);
}

/* Sort what is in memory, if it needs that. */
static enum kvf_status order_run(struct kvf_sorter *s, struct kvf_err *err)
{
	enum kvf_status st = ask_stopped(s, err);

	if (st || s->ascending || s->mem.n < 2)
		return st;
	st = kvf_memory_index(&s->mem, err);
	if (!st)
		kvf_slots_sort(s->mem.index, s->mem.n, s->shared);
	return st;
}

/* End the run that is being spilled. */
static enum kvf_status close_run(struct kvf_sorter *s, int joins, struct kvf_err *err)
{
	struct extent run;
	enum kvf_status st = kvf_spill_end(s->spill, &run, err);

	if (st)
		return st;
	if (!joins)
		return kvf_runs_add(&s->runs, &run, err);
	kvf_runs_extend(&s->runs, &run);
	return KVF_OK;
}

static enum kvf_status close_open_run(struct kvf_sorter *s, struct kvf_err *err)
{
	if (!s->open)
		return KVF_OK;
	s->open = 0;
	return close_run(s, s->open_joins, err);
}

static enum kvf_status spill_record(struct kvf_sorter *s, const struct record *r,
				    struct kvf_err *err)
{
	return kvf_spill_put(s->spill, r, (const uint8_t *)r + record_head_size(r), err);
}

static enum kvf_status remember_max(struct kvf_sorter *s, const struct record *r,
				    struct kvf_err *err)
{
	s->max.len = 0;
	return kvf_buf_append(&s->max, r->bytes, record_order_len(r), err);
}

/* Spill the first block of a run that has ascended so far. */
static enum kvf_status spill_front(struct kvf_sorter *s, struct kvf_err *err)
{
	struct walk w = { .mem = &s->mem };
	struct record *r, *last = NULL;
	enum kvf_status st = open_spill(s, err);

	while (!st && (r = kvf_walk_next(&w)) && w.i == 0) {
		if (!s->open) {
			s->open = 1;
			s->open_joins = s->runs.n > 0 && continues(s, r);
		}
		st = spill_record(s, r, err);
		last = r;
	}
	if (!st && last)
		st = remember_max(s, last, err);
	if (!st)
		kvf_memory_drop_first(&s->mem, s->block_size, &s->used);
	return st;
}

/* Spill everything that is in memory, and begin a new run. */
static enum kvf_status spill_run(struct kvf_sorter *s, struct kvf_err *err)
{
	struct walk w = { .mem = &s->mem };
	struct record *r, *last = NULL;
	enum kvf_status st = order_run(s, err);
	int joins = 0;

	if (!st)
		st = open_spill(s, err);
	if (!st)
		st = close_open_run(s, err);
	while (!st && (r = kvf_walk_next(&w))) {
		if (!last)
			joins = s->runs.n > 0 && continues(s, r);
		st = spill_record(s, r, err);
		last = r;
	}
	if (!st)
		st = close_run(s, joins, err);
	if (!st && last)
		st = remember_max(s, last, err);
	if (st)
		return st;
	begin_run(s);
	return KVF_OK;
}

/* Make room for `size` bytes more. */
static enum kvf_status make_room(struct kvf_sorter *s, uint64_t size, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	while (!st && s->mem.n > 0 &&
	       (s->used + size + sizeof(struct slot) > s->room || s->seq == UINT32_MAX)) {
		if (s->ascending && s->mem.current > 0 && s->seq != UINT32_MAX)
			st = spill_front(s, err);
		else
			st = spill_run(s, err);
	}
	return st;
}

/* ---- putting ------------------------------------------------------------------ */

static size_t count_zeros(struct kvf_bytes b)
{
	size_t i, n = 0;

	for (i = 0; i < b.len; i++)
		n += b.ptr[i] == 0;
	return n;
}

/* The partition in escaped form, with its end; returns behind it. */
static uint8_t *put_escaped(uint8_t *to, struct kvf_bytes part)
{
	size_t i;

	for (i = 0; i < part.len; i++) {
		*to++ = part.ptr[i];
		if (part.ptr[i] == 0)
			*to++ = 1;
	}
	*to++ = 0;
	*to++ = 0;
	return to;
}

static uint8_t *put_bytes(uint8_t *to, struct kvf_bytes b)
{
	if (b.len)
		memcpy(to, b.ptr, b.len);
	return to + b.len;
}

static void fill_record(struct record *r, const struct kvf_entry *e)
{
	uint8_t *to = r->bytes;

	if (record_extra_len(r)) {
		to = put_escaped(to, e->part);
	} else {
		to = put_bytes(to, e->part);
		*to++ = 0;
		*to++ = 0;
	}
	to = put_bytes(to, e->key);
	if (record_wants_ordinal(r)) {
		*to++ = '.';
		memset(to, '0', ORDINAL_DIGITS);
		to += ORDINAL_DIGITS;
	}
	if (record_extra_len(r))
		to = put_bytes(to, e->part);
	put_bytes(to, e->value);
}

/* How does `r` compare with the one before it?  Also narrows s->shared. */
static int compare_with_last(struct kvf_sorter *s, const struct record *r)
{
	const uint8_t *a = s->last->bytes, *b = r->bytes;
	size_t la = record_order_len(s->last), lb = record_order_len(r);
	size_t n = la < lb ? la : lb, i = 0;
	uint64_t x, y;

	for (; i + 8 <= n; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			break;
	}
	while (i < n && a[i] == b[i])
		i++;
	if (i < s->shared)
		s->shared = i;
	if (i < n)
		return a[i] < b[i] ? -1 : 1;
	return (la > lb) - (la < lb);
}

/* Keep track of the order in which records arrive. */
static void note_order(struct kvf_sorter *s, struct record *r)
{
	if (s->last) {
		if (compare_with_last(s, r) > 0)
			s->ascending = 0;
	} else if (s->runs.n > 0 && !continues(s, r)) {
		s->in_order = 0;
	}
	if (!s->ascending)
		s->in_order = 0;
	s->last = r;
}

static enum kvf_status check_sizes(const struct kvf_entry *e, struct kvf_err *err)
{
	if (e->part.len > RECORD_LIMIT || e->key.len > RECORD_LIMIT - e->part.len ||
	    e->value.len > RECORD_LIMIT - e->part.len - e->key.len)
		return kvf_fail(err, KVF_EREJECT, "an entry of more than %u bytes",
				RECORD_LIMIT);
	return KVF_OK;
}

enum kvf_status kvf_sorter_put(struct kvf_sorter *s, const struct kvf_entry *e, unsigned flags,
			       struct kvf_origin origin, struct kvf_err *err)
{
	int numbered = (flags & KVF_PUT_ORDINAL) != 0;
	enum kvf_status st = check_sizes(e, err);
	struct record head, *r;
	uint64_t size;

	if (!st && s->stats.entries % ASK_EVERY == 0)
		st = ask_stopped(s, err);
	if (st)
		return st;
	head.origin = origin.ordinal << 1 | (uint64_t)numbered;
	head.source = origin.record;
	head.part_len = (uint32_t)e->part.len;
	head.esc_len = (uint32_t)(e->part.len + count_zeros(e->part) + 2);
	head.key_len = (uint32_t)(e->key.len + (numbered ? 1 + ORDINAL_DIGITS : 0));
	head.value_len = (uint32_t)e->value.len;
	size = record_padded(record_size(&head));
	st = make_room(s, size, err);
	if (!st)
		st = kvf_memory_alloc(&s->mem, s->block_size, (size_t)size, &r, &s->used, err);
	if (st)
		return st;
	head.seq = s->seq++;
	*r = head;
	fill_record(r, e);
	note_order(s, r);
	s->stats.entries++;
	s->stats.bytes += e->part.len + e->key.len + e->value.len;
	return KVF_OK;
}

enum kvf_status kvf_sorter_finish(struct kvf_sorter *s, struct kvf_err *err)
{
	struct walk w = { .mem = &s->mem };
	enum kvf_status st = order_run(s, err);
	struct record *first = st ? NULL : kvf_walk_next(&w);

	if (!st)
		st = close_open_run(s, err);
	s->joined = first && s->runs.n > 0 && continues(s, first);
	return st ? st : kvf_merge_new(&s->runs, s->spill, &s->mem, &s->merge, err);
}

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

/* ---- getting ------------------------------------------------------------------- */

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
