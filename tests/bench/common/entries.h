/*
 * entries - msgpack arrays [partition, key, value], one after the other, as a
 * stream holds them once `zstd -dc` has unpacked it.  What a stream has in
 * between, maps and strings, is skipped.  Shared by the peers, which know
 * nothing else of kvferry.
 */
#ifndef BENCH_ENTRIES_H
#define BENCH_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

struct entries {
	int fd;
	uint8_t *buf;
	size_t len, at;
	int eof;
};

struct piece {
	const uint8_t *ptr;
	size_t len;
};

/* PATH "-" is the standard input.  Non-zero if it can be read. */
int entries_open(struct entries *in, const char *path);
/* Partition, key and value, valid until the next call.  1 = there is one,
 * 0 = end, -1 = not understood. */
int entries_next(struct entries *in, struct piece entry[3]);
void entries_close(struct entries *in);

#endif
