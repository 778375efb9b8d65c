/*
 * view_totals - what the control records of a stream say, without its chunks.
 *
 * The root is a chain over the head and the end records, so that it can be
 * checked here as well; whether the chunks are what the end records say, only
 * the reader finds out.
 */
#include "stream/view.h"

#include "base/hash.h"

#include <string.h>

/* One end record: *end without its sides, and the digest of its unit. */
static enum kvf_status read_end(struct kvf_view *v, size_t n, struct kvf_end *end,
				uint8_t digest[32], struct kvf_err *err)
{
	const struct kvf_view_package *p = &v->packages[n];
	const struct kvf_frame_place *at = &v->units[p->begin + 1 + p->chunks];
	struct kvf_arena arena;
	enum kvf_status st;

	st = kvf_view_load(v, at, KVF_CONTROL_MAX, err);
	if (st)
		return st;
	kvf_arena_init(&arena);
	st = kvf_read_end(kvf_buf_bytes(&v->unit), &arena, end, err);
	kvf_arena_release(&arena);
	end->sides = NULL;
	end->nsides = 0;
	if (!st && (end->n != n || end->chunks != p->chunks))
		st = kvf_view_damaged(v, at->at, err, "an end record is of another package");
	kvf_sha256(v->unit.ptr, v->unit.len, digest);
	return st;
}

enum kvf_status kvf_view_totals(struct kvf_view *v, struct kvf_end *ends, struct kvf_tail *tail,
				struct kvf_err *err)
{
	const struct kvf_frame_place *last = &v->units[v->nunits - 1];
	struct kvf_totals sum = { 0, 0, { 0 } };
	uint8_t root[32], digest[32];
	uint64_t chunks = 0;
	enum kvf_status st;
	size_t i;

	st = kvf_view_load(v, &v->units[0], KVF_CONTROL_MAX, err);
	if (st)
		return st;
	kvf_sha256(v->unit.ptr, v->unit.len, root);
	for (i = 0; i < v->head->npackages; i++) {
		st = read_end(v, i, &ends[i], digest, err);
		if (st)
			return st;
		kvf_sha256_chain(root, digest);
		kvf_totals_merge(&sum, &ends[i].totals);
		chunks += ends[i].chunks;
	}
	st = kvf_view_load(v, last, KVF_CONTROL_MAX, err);
	if (!st)
		st = kvf_read_tail(kvf_buf_bytes(&v->unit), tail, err);
	if (st)
		return st;
	if (tail->packages != v->head->npackages || tail->chunks != chunks ||
	    tail->entries != sum.entries || tail->bytes != sum.bytes ||
	    memcmp(tail->r, root, sizeof(root)) != 0)
		return kvf_view_damaged(v, last->at, err,
					"the tail does not match its packages");
	memcpy(tail->m, sum.m, sizeof(tail->m));
	return KVF_OK;
}

enum kvf_status kvf_view_note(struct kvf_view *v, char *buf, size_t size, struct kvf_err *err)
{
	const struct kvf_frame_place *last = &v->units[v->nunits - 1];
	uint64_t at = last->at + last->size;
	uint8_t head[KVF_SKIP_HEAD + 4];
	enum kvf_status st;
	size_t got, len;
	unsigned frames;

	buf[0] = '\0';
	for (frames = 0; frames < 16; frames++) {
		st = kvf_view_fetch(v, at, head, sizeof(head), &got, err);
		if (st || got < sizeof(head) || kvf_get_le32(head) != KVF_NOTE_MAGIC)
			return st;
		len = kvf_get_le32(head + 4);
		if (len >= 4 && len <= KVF_NOTE_MAX &&
		    memcmp(head + KVF_SKIP_HEAD, "KVFN", 4) == 0)
			break;
		at += KVF_SKIP_HEAD + len;
	}
	if (frames == 16)
		return KVF_OK;
	len -= 4;
	st = kvf_view_fetch(v, at + sizeof(head), buf, len < size ? len : size - 1, &got, err);
	if (st)
		return st;
	buf[got] = '\0';
	kvf_note_clean(buf, got);
	return KVF_OK;
}
