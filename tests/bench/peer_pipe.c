/*
 * peer_pipe - the least that an export could be: one loop that reads the table
 * and writes the same entries that kvferry puts into a stream, in the order in
 * which they come, without sorting, chunks, digests or index.
 *
 *	peer_pipe FILE | zstd -1 -T1 >OUT
 */
#include <sqlite3.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER (1u << 20)

static uint8_t out[BUFFER];
static size_t used;

static int flush(void)
{
	size_t at = 0;
	ssize_t n;

	for (; at < used; at += (size_t)n) {
		n = write(1, out + at, used - at);
		if (n < 0)
			return 0;
	}
	used = 0;
	return 1;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

static uint8_t *put_head(uint8_t *to, size_t len, uint8_t fix, size_t fixmax, uint8_t first)
{
	if (len <= fixmax) {
		*to++ = (uint8_t)(fix | len);
	} else if (len < 256) {
		*to++ = first;
		*to++ = (uint8_t)len;
	} else {
		*to++ = (uint8_t)(first + 1);
		*to++ = (uint8_t)(len >> 8);
		*to++ = (uint8_t)len;
	}
	return to;
}

static uint8_t *put_str(uint8_t *to, const void *text, size_t len)
{
	return put(put_head(to, len, 0xa0, 31, 0xd9), text, len);
}

static uint8_t *put_bin(uint8_t *to, const void *bytes, size_t len)
{
	*to = 0xc4;
	return put(put_head(to, len, 0, 0, 0xc4), bytes, len);
}

/* Column 4 is the only integer, and always needs eight bytes. */
static uint8_t *put_cell(uint8_t *to, sqlite3_stmt *stmt, int i)
{
	uint64_t v;
	int shift;

	if (i != 4)
		return put_str(to, sqlite3_column_text(stmt, i),
			       (size_t)sqlite3_column_bytes(stmt, i));
	v = (uint64_t)sqlite3_column_int64(stmt, i);
	*to++ = 0xcf;
	for (shift = 56; shift >= 0; shift -= 8)
		*to++ = (uint8_t)(v >> shift);
	return to;
}

/* [partition, key, value]: the key is REPOSITORY/ID, the value a map of all columns. */
static void put_row(sqlite3_stmt *stmt, const char *const *names)
{
	static uint8_t value[4096], key[256];
	uint8_t *v = value, *k = key, *to = out + used;
	const uint8_t *id;
	int i;

	*v++ = 0x88;
	for (i = 0; i < 8; i++) {
		v = put_str(v, names[i], strlen(names[i]));
		v = put_cell(v, stmt, i);
	}
	k = put(k, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	*k++ = '/';
	id = sqlite3_column_text(stmt, 1);
	if (*id >= '0' && *id <= '9')
		*k++ = '\'';
	k = put(k, id, (size_t)sqlite3_column_bytes(stmt, 1));
	*to++ = 0x93;
	to = put_bin(to, "commits", 7);
	to = put_bin(to, key, (size_t)(k - key));
	to = put_bin(to, value, (size_t)(v - value));
	used = (size_t)(to - out);
}

int main(int argc, char **argv)
{
	const char *names[8];
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int i, rc = SQLITE_ERROR, ok = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: peer_pipe FILE\n");
		return 2;
	}
	if (!sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) &&
	    !sqlite3_prepare_v2(db, "SELECT * FROM commits", -1, &stmt, NULL)) {
		for (i = 0; i < 8; i++)
			names[i] = sqlite3_column_name(stmt, i);
		while (ok && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			put_row(stmt, names);
			if (used > BUFFER - 8192)
				ok = flush();
		}
	}
	ok = ok && rc == SQLITE_DONE && flush();
	if (!ok)
		fprintf(stderr, "peer_pipe: %s: %s\n", argv[1], sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return ok ? 0 : 1;
}
