/*
 * peer_load - the least that an import could be: one loop of prepared inserts
 * of sorted entries, without decompression, digests, progress or proof.
 *
 *	peer_load ENTRIES FILE TABLE
 *
 * ENTRIES is msgpack, [partition, key, value] one after the other ("-" is the
 * standard input); maps and strings in between are skipped, so that what
 * `zstd -dc` makes of a stream can be loaded as well.  Journal mode, page size,
 * cache and size of a commit are those of kvferry's store.
 */
#include <sqlite3.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_BYTES (16u << 20)
#define BUFFER (8u << 20)

struct in {
	int fd;
	uint8_t *buf;
	size_t len, at;
	int eof;
};

/* Make `want` bytes available at buf + at; 0 = there are not so many. */
static int need(struct in *in, size_t want)
{
	ssize_t n;

	if (in->len - in->at >= want)
		return 1;
	memmove(in->buf, in->buf + in->at, in->len - in->at);
	in->len -= in->at;
	in->at = 0;
	while (in->len < want || (in->len < BUFFER / 2 && !in->eof)) {
		if (want > BUFFER || in->eof)
			return 0;
		n = read(in->fd, in->buf + in->len, BUFFER - in->len);
		if (n <= 0)
			in->eof = 1;
		else
			in->len += (size_t)n;
		if (in->len >= want)
			return 1;
	}
	return in->len >= want;
}

/* Length of the object `off` bytes on, its head in *head; 0 = nothing we know. */
static size_t object(struct in *in, size_t off, size_t *head)
{
	size_t i, n, size;
	uint8_t c;

	if (!need(in, off + 1))
		return 0;
	c = in->buf[in->at + off];
	*head = 1;
	if (c < 0x80)
		return 1;
	if ((c & 0xe0) == 0xa0)
		return 1 + (size_t)(c & 0x1f);
	size = c == 0xc4 || c == 0xd9 ? 1 : c == 0xc5 || c == 0xda ? 2 : c == 0xc6 ? 4 : 0;
	if (size) {
		if (!need(in, off + 1 + size))
			return 0;
		for (i = 0, n = 0; i < size; i++)
			n = n << 8 | in->buf[in->at + off + 1 + i];
		*head = 1 + size;
		return 1 + size + n;
	}
	return c == 0xcc ? 2 : c == 0xcd ? 3 : c == 0xce ? 5 : c == 0xcf ? 9 : 0;
}

/* Skip one object with everything in it: a loop that counts what is still open. */
static int skip(struct in *in)
{
	size_t left = 1, head, n;
	uint8_t c;

	while (left > 0) {
		if (!need(in, 1))
			return 0;
		c = in->buf[in->at];
		left--;
		if ((c & 0xf0) == 0x80 || (c & 0xf0) == 0x90) {
			left += (size_t)(c & 15) * (c < 0x90 ? 2 : 1);
			in->at++;
		} else if (c == 0xdc) {
			if (!need(in, 3))
				return 0;
			left += (size_t)in->buf[in->at + 1] << 8 | in->buf[in->at + 2];
			in->at += 3;
		} else {
			n = object(in, 0, &head);
			if (n == 0 || !need(in, n))
				return 0;
			in->at += n;
		}
	}
	return 1;
}

/* Bind the next entry.  1 = there is one, 0 = end, -1 = not understood. */
static int next(struct in *in, sqlite3_stmt *stmt, size_t *bytes)
{
	size_t head[3], len[3], at = 1;
	int i;

	for (;;) {
		if (!need(in, 1))
			return in->len == in->at ? 0 : -1;
		if (in->buf[in->at] == 0x93)
			break;
		if (!skip(in))
			return -1;
	}
	for (i = 0; i < 3; i++) { /* all three must lie in the buffer at once */
		len[i] = object(in, at, &head[i]);
		if (len[i] == 0 || !need(in, at + len[i]))
			return -1;
		at += len[i];
	}
	*bytes = at;
	for (i = 0, at = 1; i < 3; at += len[i++])
		sqlite3_bind_blob(stmt, i + 1, in->buf + in->at + at + head[i],
				  (int)(len[i] - head[i]), SQLITE_STATIC);
	in->at += at;
	return 1;
}

static int load(sqlite3 *db, struct in *in, const char *table)
{
	char sql[512];
	sqlite3_stmt *stmt = NULL;
	size_t bytes, in_commit = 0;
	int more = -1;

	snprintf(sql, sizeof(sql),
		 "PRAGMA page_size=16384; PRAGMA cache_size=-40960; PRAGMA synchronous=FULL;"
		 "CREATE TABLE \"%s\" (partition_key BLOB NOT NULL, key BLOB NOT NULL,"
		 " value BLOB NOT NULL, PRIMARY KEY (partition_key, key)) WITHOUT ROWID; BEGIN",
		 table);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		return 0;
	snprintf(sql, sizeof(sql), "INSERT INTO \"%s\" VALUES (?1, ?2, ?3)", table);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		return 0;
	while ((more = next(in, stmt, &bytes)) > 0) {
		if (sqlite3_step(stmt) != SQLITE_DONE)
			break;
		sqlite3_reset(stmt);
		in_commit += bytes;
		if (in_commit < COMMIT_BYTES)
			continue;
		in_commit = 0;
		if (sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL))
			break;
	}
	sqlite3_finalize(stmt);
	return more == 0 && !sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

int main(int argc, char **argv)
{
	struct in in = { 0 };
	sqlite3 *db = NULL;
	int ok;

	if (argc != 4) {
		fprintf(stderr, "usage: peer_load ENTRIES FILE TABLE\n");
		return 2;
	}
	in.fd = strcmp(argv[1], "-") == 0 ? 0 : open(argv[1], O_RDONLY);
	in.buf = malloc(BUFFER);
	ok = in.fd >= 0 && in.buf && !sqlite3_open(argv[2], &db) &&
	     !sqlite3_busy_timeout(db, 30000) && load(db, &in, argv[3]);
	if (!ok)
		fprintf(stderr, "peer_load: %s -> %s: %s\n", argv[1], argv[2],
			db ? sqlite3_errmsg(db) : "cannot open");
	if (sqlite3_close(db))
		ok = 0;
	free(in.buf);
	return ok ? 0 : 1;
}
