/*
 * mark - a place in a package to come back to.
 *
 * Nothing is under way when a mark is set or returned to, so that the place is
 * a few numbers, the chain, and the bytes of the chunk under construction.
 */
#include "stream/writer.h"

#include <string.h>

enum kvf_status kvf_writer_mark(struct kvf_writer *w, struct kvf_err *err)
{
	struct kvf_writer_mark *m = &w->mark;
	const struct kvf_buf *bytes = w->open ? &w->open->unit : &w->last_copy;
	enum kvf_status st = kvf_writer_expect(w, KVF_IN_PACKAGE, "kvf_writer_mark", err);

	if (st)
		return st;
	if (!kvf_output_can_rewind(w->pack.out))
		return kvf_fail(err, KVF_EUSAGE, "the output cannot be rewound");
	st = kvf_packer_drain(&w->pack, err);
	if (st)
		return kvf_writer_stick(w, st, err);
	m->bytes.len = 0;
	st = kvf_buf_append(&m->bytes, bytes->ptr, bytes->len, err);
	if (st)
		return st;
	m->offset = kvf_output_tell(w->pack.out);
	m->frames = w->pack.frames.pairs.len;
	m->chunk = w->chunk;
	m->open_entries = w->open_entries;
	memcpy(m->r, w->pack.r, sizeof(m->r));
	m->totals = w->pack.totals;
	m->open = w->open != NULL;
	m->head = w->open ? w->open->head : 0;
	m->has_last = w->has_last;
	m->last_part = w->last_part;
	m->last_key = w->last_key;
	m->set = 1;
	return KVF_OK;
}

enum kvf_status kvf_writer_rewind(struct kvf_writer *w, struct kvf_err *err)
{
	const struct kvf_writer_mark *m = &w->mark;
	enum kvf_status st = kvf_writer_expect(w, KVF_IN_PACKAGE, "kvf_writer_rewind", err);
	struct kvf_buf *bytes;

	if (st)
		return st;
	if (!m->set)
		return kvf_fail(err, KVF_EUSAGE, "kvf_writer_rewind() needs a mark");
	st = kvf_packer_drain(&w->pack, err);
	if (!st)
		st = kvf_output_rewind(w->pack.out, m->offset, err);
	w->chunk = m->chunk;
	if (!st && m->open && !w->open)
		st = kvf_writer_open_chunk(w, err);
	if (st)
		return kvf_writer_stick(w, st, err);
	if (!m->open && w->open)
		kvf_packer_recycle(&w->pack, w->open);
	if (!m->open)
		w->open = NULL;
	if (w->open) {
		w->open->chunk.info.i = m->chunk;
		w->open->head = m->head;
	}
	bytes = w->open ? &w->open->unit : &w->last_copy;
	bytes->len = 0;
	st = kvf_buf_append(bytes, m->bytes.ptr, m->bytes.len, err);
	if (st)
		return kvf_writer_stick(w, st, err);
	w->pack.frames.pairs.len = m->frames;
	w->open_entries = m->open_entries;
	memcpy(w->pack.r, m->r, sizeof(m->r));
	w->pack.totals = m->totals;
	w->has_last = m->has_last;
	w->last_part = m->last_part;
	w->last_key = m->last_key;
	return KVF_OK;
}
