/*
 * reader - what the files of the reader share.
 *
 *   intake.c     file -> frames -> units, checked by workers, in order
 *   transport.c  frames of any kind -> L1 bytes, for the splitter
 *   reader.c     units -> items: the public calls
 *   trailer.c    what follows the tail: notes, index, seek table
 *   diagnose.c   what a file is that is not a stream
 *
 * There are two ways from the file to units.  NATIVE: each frame behind a hint
 * is one unit; a worker decompresses and checks it.  SPLIT: frames are decoded
 * in order by one streaming decoder, units are cut out of the bytes, workers
 * check them.  Reading begins NATIVE if the head is found so, and goes over to
 * SPLIT, for good, at the first place that is not as native files are.  Units that a
 * writer of this program hands over (handed.h) come checked, and through no worker.
 */
#ifndef KVF_READER_H
#define KVF_READER_H

#include <kvferry/stream.h>

#include "base/hash.h"
#include "par/par.h"
#include "stream/feed.h"
#include "stream/frame.h"
#include "stream/sequence.h"
#include "stream/split.h"

#include <zstd.h>

#define KVF_WARNINGS_MAX 16
#define KVF_SLICE ((size_t)128 << 10) /* L1 bytes that SPLIT takes at a time */

/* One unit on its way. */
struct kvf_unit_job {
	struct kvf_buf packed; /* NATIVE: the frame */
	struct kvf_buf unit;   /* its L1 bytes */
	size_t content, flying;
	int native;
	uint64_t file_at, l1_at;
	/* results */
	enum kvf_record_type type; /* NONE: the frame is not one unit */
	int unpacked;              /* `unit` holds what the frame held */
	struct kvf_unit chunk;
	enum kvf_status st;
	struct kvf_err err;
	struct kvf_unit_job *next;
};

enum kvf_hold {
	KVF_HOLD_NO,
	KVF_HOLD_SPLIT, /* go on as SPLIT from here */
	KVF_HOLD_OTHER, /* something that is no frame with its hint */
	KVF_HOLD_EOF,
	KVF_HOLD_FAILED /* `scan_failure` is what comes next */
};

struct kvf_reader {
	struct kvf_feed feed;
	const struct kvf_env *env;
	struct kvf_limits caps, lim; /* the caller's; what holds for this stream */
	int strict, allow_partial;

	struct kvf_head *head;
	struct kvf_buf head_unit;
	struct kvf_sequence seq;
	uint64_t unit; /* ordinal of the next unit */

	int handed;
	int native;
	enum kvf_hold hold;
	enum kvf_status scan_status;
	struct kvf_err scan_failure;
	uint64_t l1_at; /* NATIVE: where the next unit begins in L1 */
	struct kvf_split split;
	ZSTD_DCtx *stream; /* SPLIT */
	int in_frame;
	uint64_t frame_bytes;       /* that came out of the frame so far */
	unsigned skips, empties;    /* in a row */
	struct kvf_unit_job *again; /* decoded as NATIVE, to be read as SPLIT */
	size_t again_at;

	struct kvf_pool *pool;
	unsigned threads;
	ZSTD_DCtx **contexts;
	size_t under_way, flying;
	struct kvf_unit_job *free, *current;
	struct kvf_unit_job *ready; /* done without the pool, and not taken yet */
	unsigned done_here;

	/* NATIVE: what the seek table should be. */
	struct kvf_sha256 table;
	uint64_t frames;

	enum kvf_status sticky;
	struct kvf_err failure;
	struct kvf_chunk chunk; /* of the current item */
	char *warnings[KVF_WARNINGS_MAX];
	size_t nwarnings;
	int has_table, has_index;
	char *note;
};

/* A flaw of the physical layer: remembered, or KVF_ESTREAM if that was asked for. */
KVF_MUST_CHECK enum kvf_status kvf_reader_warn(struct kvf_reader *r, struct kvf_err *err,
					       const char *fmt, ...) KVF_PRINTF(3, 4);

/* The head, in whatever framing; fills r->head and r->head_unit. */
KVF_MUST_CHECK enum kvf_status kvf_intake_head(struct kvf_reader *r, struct kvf_err *err);
/* The same from a pipe of parcels. */
KVF_MUST_CHECK enum kvf_status kvf_intake_handed_head(struct kvf_reader *r,
						      struct kvf_err *err);
/*
 * The next unit in order, checked by itself; KVF_EOF where no more frames are:
 * r->hold then says what stopped it.  Give the job back with _recycle.
 */
KVF_MUST_CHECK enum kvf_status kvf_intake_next(struct kvf_reader *r, struct kvf_unit_job **out,
					       struct kvf_err *err);
void kvf_intake_recycle(struct kvf_reader *r, struct kvf_unit_job *j);
void kvf_intake_release(struct kvf_reader *r);
/* Read on as SPLIT from where the feed stands; `ended`: behind the tail. */
KVF_MUST_CHECK enum kvf_status kvf_intake_go_split(struct kvf_reader *r, int ended,
						   struct kvf_err *err);
/* A frame that the seek table should list. */
void kvf_intake_count_frame(struct kvf_reader *r, size_t csize, size_t dsize);
/* More L1 bytes for the splitter, or a hold. */
KVF_MUST_CHECK enum kvf_status kvf_intake_more(struct kvf_reader *r, struct kvf_err *err);
/* The largest content of one native frame. */
static inline size_t kvf_intake_content_max(const struct kvf_reader *r)
{
	return r->lim.unit > KVF_CONTROL_MAX ? (size_t)r->lim.unit : KVF_CONTROL_MAX;
}
/* Pass over the payload of a skippable frame whose head is at the feed. */
KVF_MUST_CHECK enum kvf_status kvf_intake_skip(struct kvf_reader *r, struct kvf_err *err);

/*
 * Behind the tail, where the feed stands at something that is no zstd frame:
 * notes, index, table.  KVF_OK: at the end of the file, or at a zstd frame.
 */
KVF_MUST_CHECK enum kvf_status kvf_trailer_read(struct kvf_reader *r, struct kvf_err *err);
/* A note's text in place, behind which there is a NUL: nothing stays in it that a
 * terminal might obey. */
void kvf_note_clean(char *note, size_t len);
/* The end of the file: what is missing of the accelerators? */
KVF_MUST_CHECK enum kvf_status kvf_trailer_end(struct kvf_reader *r, struct kvf_err *err);

/*
 * `p` is how a file begins that could not be read as a stream (err says how).
 * If it is recognised, err is filled anew.  Returns the status of err.
 */
enum kvf_status kvf_diagnose(const uint8_t *p, size_t len, enum kvf_status st,
			     struct kvf_err *err);

/* Are these what we hold and know?  KVF_EVERSION, KVF_EPREFLIGHT. */
KVF_MUST_CHECK enum kvf_status kvf_reader_accept(const struct kvf_head *head,
						 struct kvf_limits *caps, int allow_partial,
						 struct kvf_err *err);

#endif
