/*
 * sort - the sorter.
 *
 *   put      records onto the desk; full: order.c, a sorted block (memory.c)
 *   full     blocks merged -> spill.c: a run in the scratch file
 *   next     merge of all runs and of the blocks in memory (merge.c)
 *
 * Input in order costs one comparison for each entry and nothing else: blocks and
 * runs that continue each other are one.  When memory is full and the run has
 * ascended so far, only its first block is spilled, to make room: compression goes
 * on beside the reading then, and no more is spilled than does not fit.
 */
#include "sort/sorter.h"

#include <kvferry/package.h>

#include <stdlib.h>

#define BLOCK_MIN (4u << 10)
#define BLOCK_MAX (4u << 20)
#define SPILL_BLOCK_MIN (16u << 10)
#define SPILL_BLOCK_MAX (256u << 10)
#define ASK_EVERY 1024 /* entries between two questions to env->stopped */

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
	s->budget = s->room = budget;
	s->mem.block = block < BLOCK_MIN   ? BLOCK_MIN
		       : block > BLOCK_MAX ? BLOCK_MAX
					   : (size_t)block;
	s->shared = SIZE_MAX;
	s->ascending = 1;
	s->in_order = 1;
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

/* Nothing is in memory. */
static void forget(struct kvf_sorter *s)
{
	s->room = run_budget(s);
	kvf_memory_reset(&s->mem, s->room);
	s->shared = SIZE_MAX;
	s->ascending = 1;
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
	forget(s);
}

static int has_records(const struct memory *m)
{
	return m->nblocks > 0 || m->desk.n > 0;
}

void kvf_sorter_stats(const struct kvf_sorter *s, struct kvf_sorter_stats *stats)
{
	struct kvf_sorter_stats more;
	size_t i;

	*stats = s->stats;
	stats->runs = s->runs.n + (has_records(&s->mem) && !s->joined);
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

/* How does a record compare with the one spilled last, and how many bytes do they share? */
static int cmp_with_max(const struct kvf_sorter *s, const struct record *r, size_t *common)
{
	size_t len = record_order_len(r), n = len < s->max.len ? len : s->max.len, i = 0;

	while (i < n && s->max.ptr[i] == r->bytes[i])
		i++;
	*common = i;
	if (i < n)
		return s->max.ptr[i] < r->bytes[i] ? 1 : -1;
	return (len > s->max.len) - (len < s->max.len);
}

/* Does the run, whose least record is `first`, continue the one spilled last? */
static int continues(const struct kvf_sorter *s, const struct record *first)
{
	size_t common;

	return cmp_with_max(s, first, &common) >= 0;
}

static enum kvf_status open_spill(struct kvf_sorter *s, struct kvf_err *err)
{
	if (s->spill)
		return KVF_OK;
	return kvf_spill_new(s->scratch_dir, spill_block(s), s->env, &s->spill, err);
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
	struct walk w = { .mem = &s->mem, .end = 1 };
	struct record *r, *last = NULL;
	enum kvf_status st = open_spill(s, err);

	while (!st && (r = kvf_walk_next(&w))) {
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
		kvf_memory_drop_first(&s->mem);
	return st;
}

/* Write the blocks as one run. */
static enum kvf_status spill_merged(struct kvf_sorter *s, struct kvf_err *err)
{
	const uint8_t *value;
	struct merge *m;
	struct record *r;
	enum kvf_status st = kvf_merge_new(NULL, NULL, &s->mem, s->shared, &m, err);

	while (!st && !(st = kvf_merge_next(m, &r, &value, err)))
		st = kvf_spill_put(s->spill, r, value, err);
	kvf_merge_free(m);
	return st == KVF_EOF ? KVF_OK : st;
}

/* The least and the greatest record in memory, of equal ones any. */
static void find_ends(const struct memory *m, const struct record **least,
		      const struct record **greatest)
{
	const struct block *b = m->blocks;
	size_t i;

	*least = b->first;
	*greatest = b->last;
	for (i = 1; i < m->nblocks; i++) {
		if (record_cmp(b[i].first, *least) < 0)
			*least = b[i].first;
		if (record_cmp(b[i].last, *greatest) > 0)
			*greatest = b[i].last;
	}
}

/* Spill all blocks, and begin a new run. */
static enum kvf_status spill_run(struct kvf_sorter *s, struct kvf_err *err)
{
	const struct record *least, *greatest;
	enum kvf_status st = open_spill(s, err);

	find_ends(&s->mem, &least, &greatest);
	if (!st)
		st = close_open_run(s, err);
	if (!st)
		st = spill_merged(s, err);
	if (!st)
		st = close_run(s, s->runs.n > 0 && continues(s, least), err);
	if (!st)
		st = remember_max(s, greatest, err);
	s->room = run_budget(s);
	kvf_memory_drop_blocks(&s->mem, s->room);
	s->ascending = 1;
	return st;
}

/* Make room for a block of `size` bytes, beside the desk with its slots. */
static enum kvf_status make_room(struct kvf_sorter *s, uint64_t size, struct kvf_err *err)
{
	uint64_t most = s->room, desk = s->mem.block + s->mem.block / 4;
	enum kvf_status st = KVF_OK;

	most -= most < desk ? most : desk;
	while (!st && s->mem.nblocks > 0 && s->mem.held + size > most)
		st = s->ascending ? spill_front(s, err) : spill_run(s, err);
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

/* A block is complete: keep track of the order in which records arrive. */
static void note_block(struct kvf_sorter *s)
{
	const struct block *b = &s->mem.blocks[s->mem.nblocks - 1];
	size_t common = kvf_memory_note(&s->mem);

	if (s->mem.nblocks > 1) {
		s->ascending &= b->joins;
	} else if (s->max.len > 0 && cmp_with_max(s, b->first, &common) < 0) {
		s->in_order = 0;
		s->ascending &= !s->open;
	}
	if (common < s->shared)
		s->shared = common;
	if (!s->ascending)
		s->in_order = 0;
}

static enum kvf_status clear_desk(struct kvf_sorter *s, struct kvf_err *err)
{
	const struct desk *d = &s->mem.desk;
	size_t shared = d->shared;
	int ascending = d->ascending;
	enum kvf_status st = ask_stopped(s, err);

	if (st || d->n == 0)
		return st;
	st = make_room(s, s->mem.block, err);
	if (!st)
		st = kvf_desk_clear(&s->mem, err);
	if (st)
		return st;
	if (shared < s->shared)
		s->shared = shared;
	s->ascending &= ascending;
	note_block(s);
	return KVF_OK;
}

/* A record that does not fit onto the desk. */
static enum kvf_status put_large(struct kvf_sorter *s, struct record *head, size_t size,
				 const struct kvf_entry *e, struct kvf_err *err)
{
	enum kvf_status st = clear_desk(s, err);
	struct record *r;

	if (!st)
		st = make_room(s, size, err);
	if (!st)
		st = kvf_memory_large(&s->mem, size, &r, err);
	if (st)
		return st;
	*r = *head;
	fill_record(r, e);
	note_block(s);
	return KVF_OK;
}

static enum kvf_status put_record(struct kvf_sorter *s, struct record *head, size_t size,
				  const struct kvf_entry *e, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	struct record *r;

	if (size > s->mem.block)
		return put_large(s, head, size, e, err);
	if (!kvf_desk_has_room(&s->mem, size))
		st = clear_desk(s, err);
	if (!st)
		st = kvf_desk_place(&s->mem, size, &r, err);
	if (st)
		return st;
	head->seq = (uint32_t)s->mem.desk.n;
	*r = *head;
	fill_record(r, e);
	kvf_desk_note(&s->mem);
	return KVF_OK;
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
	struct record head;

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
	head.seq = 0;
	st = put_record(s, &head, record_padded(record_size(&head)), e, err);
	if (st)
		return st;
	s->stats.entries++;
	s->stats.bytes += e->part.len + e->key.len + e->value.len;
	return KVF_OK;
}

enum kvf_status kvf_sorter_finish(struct kvf_sorter *s, struct kvf_err *err)
{
	enum kvf_status st = clear_desk(s, err);
	const struct record *least, *greatest;

	if (!st)
		st = close_open_run(s, err);
	if (st)
		return st;
	if (s->mem.nblocks > 0) {
		find_ends(&s->mem, &least, &greatest);
		s->joined = s->runs.n > 0 && continues(s, least);
	}
	return kvf_merge_new(&s->runs, s->spill, &s->mem, s->shared, &s->merge, err);
}
