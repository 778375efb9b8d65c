/* view - what the files that look into a stream by its index share. */
#ifndef KVF_VIEW_H
#define KVF_VIEW_H

#include <kvferry/stream.h>

#include "stream/reader.h"

struct kvf_frame_place {
	uint64_t at;
	uint32_t size;
}; /* of a zstd frame */

struct kvf_view_package {
	uint64_t begin; /* unit of the begin record; chunks follow it */
	uint64_t chunks;
	struct kvf_begin *record;
};

struct kvf_view {
	struct kvf_input *in;
	uint64_t size, bytes_read;
	struct kvf_head *head;
	struct kvf_limits caps;
	uint8_t h[8];
	struct kvf_frame_place *units;
	uint64_t nunits, room;
	struct kvf_view_package *packages;
	ZSTD_DCtx *decoder;
	struct kvf_buf packed, unit; /* scratch */
	struct kvf_buf probe;        /* the beginning of a chunk */
	uint64_t loaded;             /* the chunk that `unit` holds, checked */
	struct kvf_unit chunk;
};

/* Read bytes of the file; counts them. */
KVF_MUST_CHECK enum kvf_status kvf_view_fetch(struct kvf_view *v, uint64_t at, void *buf,
					      size_t want, size_t *got, struct kvf_err *err);
/* KVF_ESTREAM, with the file offset. */
enum kvf_status kvf_view_damaged(struct kvf_view *v, uint64_t at, struct kvf_err *err,
				 const char *what);
/* Read the frame at `p` into v->packed and its content into v->unit. */
KVF_MUST_CHECK enum kvf_status kvf_view_load(struct kvf_view *v,
					     const struct kvf_frame_place *p, size_t max,
					     struct kvf_err *err);

#endif
