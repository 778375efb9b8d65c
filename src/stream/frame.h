/*
 * frame - the physical layer: hints, zstd frames that are stored raw, notes,
 * the seek table.  Nothing in here carries meaning; R2 of the specification.
 */
#ifndef KVF_FRAME_H
#define KVF_FRAME_H

#include <kvferry/base.h>
#include <kvferry/io.h>

#include "base/buf.h"

#define KVF_SKIP_MAGIC 0x184D2A50u /* and the 15 above it */
#define KVF_ZSTD_MAGIC 0xFD2FB528u
#define KVF_NOTE_MAGIC 0x184D2A5Bu
#define KVF_TABLE_MAGIC 0x184D2A5Eu
#define KVF_SEEK_MAGIC 0x8F92EAB1u
#define KVF_SKIP_HEAD 8 /* magic and length of a skippable frame */
#define KVF_HINT_LEN 12
#define KVF_FRAME_HEAD_MAX 18   /* of a zstd frame, magic included */
#define KVF_SKIP_MAX (1u << 20) /* unknown skippable frames */
#define KVF_NOTE_MAX (64u << 10)
#define KVF_TABLE_FRAMES_MAX (1u << 27)
#define KVF_IN_A_ROW 16 /* skippable or empty frames */

/* What the header of a zstd frame says. */
struct kvf_frame_head {
	size_t len;       /* of the header */
	uint64_t content; /* UINT64_MAX: not said */
	uint64_t window;
	int checksum;
	int dictionary; /* one is needed */
};

/* 1: *h is filled.  0: more bytes are needed.  -1: not a zstd frame. */
int kvf_frame_head_parse(const uint8_t *p, size_t len, struct kvf_frame_head *h);

static inline int kvf_is_skippable(uint32_t magic)
{
	return (magic & 0xfffffff0u) == KVF_SKIP_MAGIC;
}

/* The hint in front of a frame of `size` bytes. */
void kvf_put_hint(uint8_t to[KVF_HINT_LEN], uint32_t size);

/* Append a unit as a zstd frame of raw blocks, with content size and checksum. */
KVF_MUST_CHECK enum kvf_status kvf_frame_raw(struct kvf_buf *buf, struct kvf_bytes unit,
					     struct kvf_err *err);

/*
 * The content of a frame whose first block is raw, as far as `p` shows it; 0 if
 * it is compressed.  Control records can be told apart by it without a decoder.
 */
size_t kvf_frame_raw_start(const uint8_t *p, size_t len, const uint8_t **content);

/* Pairs (csize, dsize) of the frames written so far, for the seek table. */
struct kvf_frame_list {
	struct kvf_buf pairs; /* u32le each */
	int overflow;         /* more frames than a table may have: none is written */
};
void kvf_frame_list_init(struct kvf_frame_list *l);
KVF_MUST_CHECK enum kvf_status kvf_frame_list_add(struct kvf_frame_list *l, size_t csize,
						  size_t dsize, struct kvf_err *err);

/* The index: how many chunks each package has; see formats/stream-v1.md, "KVFI". */
KVF_MUST_CHECK enum kvf_status kvf_frame_index(struct kvf_buf *buf, const uint64_t *chunks,
					       size_t packages, struct kvf_err *err);
/* *packages must be what the head says; chunks[] is filled.  0 if it is damaged. */
int kvf_frame_index_parse(struct kvf_bytes payload, uint64_t *chunks, size_t packages);

#endif
