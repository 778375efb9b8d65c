/*
 * entries_copy - entries as rows of three bytea for COPY (FORMAT binary), so
 * that psql can load what `zstd -dc` makes of a stream.
 *
 *	zstd -dc STREAM | entries_copy | psql -c 'COPY kv FROM STDIN (FORMAT binary)'
 */
#include "common/entries.h"

#include <stdio.h>
#include <string.h>

static void put32(uint8_t *to, size_t n)
{
	to[0] = (uint8_t)(n >> 24);
	to[1] = (uint8_t)(n >> 16);
	to[2] = (uint8_t)(n >> 8);
	to[3] = (uint8_t)n;
}

int main(void)
{
	static const uint8_t header[19] = "PGCOPY\n\377\r\n", three[2] = { 0, 3 },
			     trailer[2] = { 0xff, 0xff };
	struct entries in;
	struct piece e[3];
	uint8_t len[4];
	int i, more = entries_open(&in, "-") ? 1 : -1;

	fwrite(header, sizeof(header), 1, stdout);
	while (more > 0 && (more = entries_next(&in, e)) > 0) {
		fwrite(three, sizeof(three), 1, stdout);
		for (i = 0; i < 3; i++) {
			put32(len, e[i].len);
			fwrite(len, sizeof(len), 1, stdout);
			fwrite(e[i].ptr, 1, e[i].len, stdout);
		}
	}
	entries_close(&in);
	if (more) {
		fprintf(stderr, "entries_copy: the input is damaged\n");
		return 1;
	}
	fwrite(trailer, sizeof(trailer), 1, stdout);
	return fflush(stdout) || ferror(stdout);
}
