/*
 * protobuf - the proto3 wire format, written into a buffer.
 *
 * Only the mechanics: varints, tags, lengths.  Which fields are left out is the
 * caller's rule.  Field numbers are 1 ... 2^29 - 1.
 */
#ifndef KVF_PROTOBUF_H
#define KVF_PROTOBUF_H

#include <kvferry/base.h>

#include "base/buf.h"

enum kvf_pb_wire { KVF_PB_VARINT = 0, KVF_PB_I64 = 1, KVF_PB_LEN = 2, KVF_PB_I32 = 5 };

KVF_MUST_CHECK enum kvf_status kvf_pb_varint(struct kvf_buf *b, uint64_t v,
					     struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_pb_tag(struct kvf_buf *b, uint32_t number,
					  enum kvf_pb_wire wire, struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_pb_fixed32(struct kvf_buf *b, uint32_t v,
					      struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_pb_fixed64(struct kvf_buf *b, uint64_t v,
					      struct kvf_err *err);
/* Tag, length, bytes. */
KVF_MUST_CHECK enum kvf_status kvf_pb_bytes(struct kvf_buf *b, uint32_t number,
					    struct kvf_bytes bytes, struct kvf_err *err);

static inline uint64_t kvf_pb_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

/*
 * A length-delimited field whose length is known only afterwards: write tag and
 * contents between the two calls; the length is put in front by _close.
 */
KVF_MUST_CHECK enum kvf_status kvf_pb_open(struct kvf_buf *b, uint32_t number, size_t *mark,
					   struct kvf_err *err);
KVF_MUST_CHECK enum kvf_status kvf_pb_close(struct kvf_buf *b, size_t mark,
					    struct kvf_err *err);

/* A google.protobuf.Timestamp as the contents of a message. */
KVF_MUST_CHECK enum kvf_status kvf_pb_timestamp(struct kvf_buf *b, int64_t seconds,
						int32_t nanos, struct kvf_err *err);

/* ---- reading: 1, or 0 when the bytes are not that ----------------------------- */

struct kvf_pb_field {
	uint32_t number;
	unsigned type;      /* enum kvf_pb_wire */
	uint64_t v;         /* varint, 64 or 32 bits */
	struct kvf_bytes b; /* KVF_PB_LEN: a view */
};

/* Each takes what it reads off the front of *b. */
int kvf_pb_read_varint(struct kvf_bytes *b, uint64_t *v);
int kvf_pb_read_fixed(struct kvf_bytes *b, size_t n, uint64_t *v); /* little-endian */
int kvf_pb_next(struct kvf_bytes *b, struct kvf_pb_field *f);

#endif
