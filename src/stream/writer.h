/* writer - a stream being written: shared by writer.c and mark.c. */
#ifndef KVF_STREAM_WRITER_H
#define KVF_STREAM_WRITER_H

#include <kvferry/stream.h>

#include "stream/packer.h"

enum kvf_writer_state { KVF_IN_STREAM, KVF_IN_PACKAGE, KVF_FINISHED };

/*
 * The last entry's partition and key, by offset: in the open chunk's bytes, or
 * in last_copy while no chunk is open.
 */
struct kvf_writer_position {
	size_t at, len;
};

/* Where the stream stood, when nothing was under way. */
struct kvf_writer_mark {
	int set;
	uint64_t offset; /* of the output */
	size_t frames;   /* length of the list */
	uint64_t chunk, open_entries;
	uint8_t r[32];
	struct kvf_totals totals;
	int open, has_last;
	size_t head; /* of the open chunk: length of its record */
	struct kvf_writer_position last_part, last_key;
	struct kvf_buf bytes; /* of the open chunk, else of last_copy */
};

struct kvf_writer {
	const struct kvf_head *head; /* = &own; its strings are borrowed */
	struct kvf_head own;
	const struct kvf_env *env;
	enum kvf_writer_state state;
	enum kvf_status sticky;
	struct kvf_err failure;
	struct kvf_packer pack;

	struct kvf_packer_job *open; /* the chunk under construction */
	uint64_t open_entries;
	struct kvf_writer_position last_part, last_key;
	int has_last;
	struct kvf_buf last_copy;
	struct kvf_writer_mark mark;

	uint8_t h[8], root[32];
	uint64_t package, chunk; /* ordinals */
	struct kvf_tail tail;
	uint64_t *chunks; /* of each package, for the index */
	struct kvf_buf notes, scratch;
};

/* Remember the first failure of the stream; returns `st`. */
enum kvf_status kvf_writer_stick(struct kvf_writer *w, enum kvf_status st, struct kvf_err *err);
/* KVF_OK in this state; the sticky failure, or KVF_EUSAGE naming the call. */
enum kvf_status kvf_writer_expect(struct kvf_writer *w, enum kvf_writer_state state,
				  const char *call, struct kvf_err *err);
/* Begin chunk w->chunk: its record is the first thing that d covers. */
enum kvf_status kvf_writer_open_chunk(struct kvf_writer *w, struct kvf_err *err);

#endif
