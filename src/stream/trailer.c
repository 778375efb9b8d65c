/*
 * trailer - what follows the tail: notes, index, seek table.
 *
 * The stream is complete without any of it.  What is wrong here costs speed, so
 * that it is a warning.
 */
#include "stream/reader.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

void kvf_note_clean(char *note, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!note[i])
			note[i] = '?';
	kvf_text_clean(note, '\n');
}

/* KVFN: keep the text. */
static enum kvf_status keep_note(struct kvf_reader *r, const uint8_t *p, size_t len,
				 struct kvf_err *err)
{
	char *note = malloc(len + 1);

	if (!note)
		return kvf_fail_nomem(err);
	memcpy(note, p, len);
	note[len] = '\0';
	kvf_note_clean(note, len);
	free(r->note);
	r->note = note;
	return KVF_OK;
}

static enum kvf_status check_index(struct kvf_reader *r, struct kvf_bytes payload,
				   struct kvf_err *err)
{
	size_t n = r->head->npackages;
	uint64_t *chunks = calloc(n ? n : 1, sizeof(*chunks));
	int good;

	if (!chunks)
		return kvf_fail_nomem(err);
	good = kvf_frame_index_parse(payload, chunks, n) &&
	       (n == 0 || memcmp(chunks, r->seq.chunks, n * sizeof(*chunks)) == 0);
	free(chunks);
	r->has_index = 1;
	return good ? KVF_OK : kvf_reader_warn(r, err, "the index is damaged");
}

/* A skippable frame of at most 1 MiB whose head is in the window. */
static enum kvf_status read_note(struct kvf_reader *r, uint32_t magic, uint32_t len,
				 struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	enum kvf_status st;
	struct kvf_bytes payload;

	st = kvf_feed_want(f, KVF_SKIP_HEAD + (size_t)len, err);
	if (st)
		return st;
	if (kvf_feed_have(f) < KVF_SKIP_HEAD + (size_t)len) {
		kvf_feed_skip(f, kvf_feed_have(f));
		return kvf_reader_warn(r, err, "the file ends inside a note");
	}
	payload.ptr = kvf_feed_ptr(f) + KVF_SKIP_HEAD;
	payload.len = len;
	if (magic == KVF_NOTE_MAGIC && len >= 4 && memcmp(payload.ptr, "KVFN", 4) == 0) {
		if (len > KVF_NOTE_MAX)
			st = kvf_reader_warn(r, err, "the note is over 64 KiB");
		else
			st = keep_note(r, payload.ptr + 4, len - 4, err);
	} else if (magic == KVF_NOTE_MAGIC && len >= 4 && memcmp(payload.ptr, "KVFI", 4) == 0) {
		st = check_index(r, payload, err);
	}
	kvf_intake_count_frame(r, KVF_SKIP_HEAD + (size_t)len, 0);
	kvf_feed_skip(f, KVF_SKIP_HEAD + (size_t)len);
	return st;
}

/* The table is passed over in pieces: it may be larger than memory allows. */
static enum kvf_status read_table(struct kvf_reader *r, uint32_t len, struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	uint64_t left = len;
	int good = r->native && len == 8 * r->frames + 9;
	uint8_t expected[32], found[32], foot[9] = { 0 };
	struct kvf_sha256 sha;
	enum kvf_status st;
	size_t n;

	kvf_feed_skip(f, KVF_SKIP_HEAD);
	kvf_sha256_begin(&sha);
	while (left) {
		n = left > 9 ? (size_t)(left - 9 < 65536 ? left - 9 : 65536) : (size_t)left;
		st = kvf_feed_want(f, n, err);
		if (st)
			return st;
		if (kvf_feed_have(f) < n) {
			kvf_feed_skip(f, kvf_feed_have(f));
			return kvf_reader_warn(r, err, "the file ends inside the seek table");
		}
		if (left > 9)
			kvf_sha256_update(&sha, kvf_feed_ptr(f), n);
		else
			memcpy(foot, kvf_feed_ptr(f), n);
		kvf_feed_skip(f, n);
		left -= n;
	}
	kvf_sha256_end(&sha, found);
	kvf_sha256_end(&r->table, expected);
	good = good && memcmp(expected, found, sizeof(found)) == 0 &&
	       kvf_get_le32(foot) == r->frames && foot[4] == 0 &&
	       kvf_get_le32(foot + 5) == KVF_SEEK_MAGIC;
	if (r->has_table)
		return kvf_reader_warn(r, err, "there are two seek tables");
	r->has_table = 1;
	if (good || !r->native)
		return KVF_OK;
	return kvf_reader_warn(r, err, "the seek table is damaged");
}

/* Do these bytes begin as a skippable frame does? */
static int may_be_skippable(const uint8_t *p, size_t n)
{
	return (p[0] & 0xf0) == 0x50 && (n < 2 || p[1] == 0x2a) && (n < 3 || p[2] == 0x4d) &&
	       (n < 4 || p[3] == 0x18);
}

enum kvf_status kvf_trailer_read(struct kvf_reader *r, struct kvf_err *err)
{
	struct kvf_feed *f = &r->feed;
	enum kvf_status st;
	uint32_t magic, len;
	unsigned row = 0;
	size_t have;

	for (;;) {
		st = kvf_feed_want(f, KVF_SKIP_HEAD, err);
		if (st)
			return st;
		have = kvf_feed_have(f);
		if (have == 0)
			return KVF_OK;
		magic = have < 4 ? 0 : kvf_get_le32(kvf_feed_ptr(f));
		if (magic == KVF_ZSTD_MAGIC)
			return KVF_OK;
		if (!may_be_skippable(kvf_feed_ptr(f), have))
			return kvf_fail(err, KVF_ESTREAM,
					"garbage follows the end of the stream");
		if (have < KVF_SKIP_HEAD) {
			kvf_feed_skip(f, have);
			return kvf_reader_warn(r, err, "the file ends inside a note");
		}
		len = kvf_get_le32(kvf_feed_ptr(f) + 4);
		if (r->has_table) {
			st = kvf_reader_warn(r, err, "the seek table is not the last thing");
			if (st)
				return st;
		}
		if (magic == KVF_TABLE_MAGIC) {
			st = read_table(r, len, err);
		} else if (len > KVF_SKIP_MAX || ++row > KVF_IN_A_ROW) {
			return kvf_fail(
				err, KVF_ESTREAM,
				"garbage follows the end of the stream: a skippable frame "
				"of %u bytes, or too many of them",
				len);
		} else {
			st = read_note(r, magic, len, err);
		}
		if (st)
			return st;
	}
}

enum kvf_status kvf_trailer_end(struct kvf_reader *r, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (r->native && !r->has_index)
		st = kvf_reader_warn(r, err, "the index is missing");
	if (!st && r->native && !r->has_table && 2 * r->frames < KVF_TABLE_FRAMES_MAX)
		st = kvf_reader_warn(r, err, "the seek table is missing");
	if (!st && kvf_input_changed(r->feed.in))
		st = kvf_reader_warn(r, err, "the file was changed while it was read");
	return st;
}
