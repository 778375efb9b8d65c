/* sequence - the grammar of units, and what only their order can prove. */
#include "stream/sequence.h"

#include "base/hash.h"

#include <stdlib.h>

enum kvf_status kvf_sequence_init(struct kvf_sequence *q, const struct kvf_head *head,
				  struct kvf_bytes head_unit, struct kvf_err *err)
{
	uint8_t digest[32];

	memset(q, 0, sizeof(*q));
	q->head = head;
	kvf_sha256(head_unit.ptr, head_unit.len, digest);
	memcpy(q->h, digest, sizeof(q->h));
	memcpy(q->root, digest, sizeof(q->root));
	kvf_buf_init(&q->last, KVF_PART_MAX + KVF_KEY_MAX);
	kvf_arena_init(&q->arena);
	q->chunks = calloc(head->npackages ? head->npackages : 1, sizeof(*q->chunks));
	return q->chunks ? KVF_OK : kvf_fail_nomem(err);
}

void kvf_sequence_release(struct kvf_sequence *q)
{
	kvf_buf_release(&q->last);
	kvf_arena_release(&q->arena);
	kvf_begin_free(q->begin);
	free(q->chunks);
}

static enum kvf_status wrong(struct kvf_err *err, const char *what)
{
	return kvf_fail(err, KVF_ESTREAM, "damaged stream: %s", what);
}

enum kvf_status kvf_sequence_begin(struct kvf_sequence *q, struct kvf_bytes unit,
				   struct kvf_err *err)
{
	enum kvf_status st;

	if (q->expected != KVF_AT_BEGIN)
		return wrong(err, "a package begins where none may begin");
	kvf_begin_free(q->begin);
	q->begin = NULL;
	st = kvf_begin_parse(unit, &q->begin, err);
	if (st)
		return st;
	if (q->begin->n != q->package || q->package >= q->head->npackages ||
	    strcmp(q->begin->name, q->head->packages[q->package]) != 0)
		return wrong(err, "a package is not the one that the head names here (pkgs)");
	kvf_sha256(unit.ptr, unit.len, q->r);
	memset(&q->totals, 0, sizeof(q->totals));
	q->chunk = 0;
	q->last.len = 0;
	q->short_chunk = 0;
	q->expected = KVF_IN_PACKAGE;
	return KVF_OK;
}

/* Was the chunk closed where the rule says: first entry that reaches T? */
static enum kvf_status check_size(struct kvf_sequence *q, const struct kvf_unit *u,
				  struct kvf_err *err)
{
	if (u->entries.len - u->last_len >= q->head->chunk)
		return wrong(err, "a chunk goes on beyond its target size");
	if (q->short_chunk)
		return wrong(err, "a chunk ended before its target size");
	q->short_chunk = u->entries.len < q->head->chunk &&
			 u->info.totals.entries < KVF_CHUNK_ENTRIES_MAX;
	return KVF_OK;
}

enum kvf_status kvf_sequence_chunk(struct kvf_sequence *q, const struct kvf_unit *u,
				   struct kvf_err *err)
{
	struct kvf_entry last = { { q->last.ptr, q->last_part },
				  { q->last.ptr ? q->last.ptr + q->last_part : NULL,
				    q->last.len - q->last_part },
				  { NULL, 0 } };
	enum kvf_status st;

	if (q->expected != KVF_IN_PACKAGE)
		return wrong(err, "a chunk stands outside a package");
	if (memcmp(u->h, q->h, sizeof(q->h)) != 0 && q->head->minor)
		return wrong(err, "a chunk belongs to another stream, or the head was changed "
				  "(its v is not 0)");
	if (memcmp(u->h, q->h, sizeof(q->h)) != 0)
		return wrong(err, "a chunk belongs to another stream, or the head was changed");
	if (u->info.n != q->package || u->info.i != q->chunk)
		return wrong(err, "a chunk is missing, doubled or out of its place");
	st = check_size(q, u, err);
	if (st)
		return st;
	if (q->last.len && kvf_entry_cmp(&last, &u->first) >= 0)
		return wrong(err, "entries do not ascend strictly from chunk to chunk");
	q->last.len = 0;
	st = kvf_buf_append(&q->last, u->last.part.ptr, u->last.part.len, err);
	if (!st)
		st = kvf_buf_append(&q->last, u->last.key.ptr, u->last.key.len, err);
	if (st)
		return st;
	q->last_part = u->last.part.len;
	kvf_sha256_chain(q->r, u->info.d);
	kvf_totals_merge(&q->totals, &u->info.totals);
	q->chunk++;
	return KVF_OK;
}

enum kvf_status kvf_sequence_end(struct kvf_sequence *q, struct kvf_bytes unit,
				 struct kvf_err *err)
{
	struct kvf_totals sum;
	enum kvf_status st;
	uint8_t digest[32];

	if (q->expected != KVF_IN_PACKAGE)
		return wrong(err, "a package ends that did not begin");
	kvf_arena_reset(&q->arena);
	st = kvf_read_end(unit, &q->arena, &q->end, err);
	if (st)
		return st;
	if (q->end.n != q->package || q->end.chunks != q->chunk)
		return wrong(err, "the chunks of a package are not those that its end names");
	if (!kvf_totals_equal(&q->end.totals, &q->totals))
		return wrong(err, "the totals of a package do not match its end");
	if (memcmp(q->end.r, q->r, sizeof(q->r)) != 0)
		return wrong(err, "the root r of a package does not match");
	kvf_sha256(unit.ptr, unit.len, digest);
	kvf_sha256_chain(q->root, digest);
	q->chunks[q->package++] = q->chunk;
	q->tail.packages++;
	q->tail.chunks += q->chunk;
	q->tail.entries += q->totals.entries;
	q->tail.bytes += q->totals.bytes;
	memset(&sum, 0, sizeof(sum));
	memcpy(sum.m, q->tail.m, sizeof(sum.m));
	kvf_totals_merge(&sum, &q->totals);
	memcpy(q->tail.m, sum.m, sizeof(sum.m));
	q->expected = KVF_AT_BEGIN;
	return KVF_OK;
}

enum kvf_status kvf_sequence_tail(struct kvf_sequence *q, struct kvf_bytes unit,
				  struct kvf_err *err)
{
	struct kvf_tail tail;
	enum kvf_status st;

	if (q->expected != KVF_AT_BEGIN || q->package != q->head->npackages)
		return wrong(err, "the stream ends before all its packages were there");
	st = kvf_read_tail(unit, &tail, err);
	if (st)
		return st;
	if (tail.packages != q->tail.packages || tail.chunks != q->tail.chunks ||
	    tail.entries != q->tail.entries || tail.bytes != q->tail.bytes)
		return wrong(err, "the totals of the stream do not match its tail");
	if (memcmp(tail.r, q->root, sizeof(q->root)) != 0)
		return wrong(err, "the root R of the stream does not match");
	memcpy(q->tail.r, tail.r, sizeof(tail.r));
	q->expected = KVF_AT_END;
	return KVF_OK;
}
