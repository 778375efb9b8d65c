/* timestamp - points in time: legacy texts in, seconds and nanoseconds out. */
#ifndef KVF_TIMESTAMP_H
#define KVF_TIMESTAMP_H

#include <kvferry/base.h>

#define KVF_TIMESTAMP_TEXT 36

/* Seconds since 1970-01-01 UTC, rounded down, and 0...999,999,999 on top. */
struct kvf_timestamp {
	int64_t seconds;
	int32_t nanos;
};

/* The forms of docs/definitions.md, "Timestamps".  1 if it is one. */
int kvf_timestamp_parse(struct kvf_bytes text, struct kvf_timestamp *out);

/* From an integer that counts 1/per_second seconds; 0 outside years 1...9999. */
int kvf_timestamp_count(int64_t n, int64_t per_second, struct kvf_timestamp *out);

/* RFC 3339 in UTC with 0, 3, 6 or 9 digits of fraction; returns the length. */
size_t kvf_timestamp_format(struct kvf_timestamp t, char out[KVF_TIMESTAMP_TEXT]);

#endif
