/*
 * peer_load - the least that an import could be: one loop of prepared inserts
 * of sorted entries, without decompression, digests, progress or proof.
 *
 *	peer_load ENTRIES FILE TABLE
 *
 * ENTRIES is what common/entries.h reads ("-" is the standard input).  Journal
 * mode, page size, cache and size of a commit are those of kvferry's store.
 */
#include "common/entries.h"

#include <sqlite3.h>

#include <stdio.h>

#define COMMIT_BYTES (16u << 20)

static int load(sqlite3 *db, struct entries *in, const char *table)
{
	char sql[512];
	sqlite3_stmt *stmt = NULL;
	struct piece e[3];
	size_t in_commit = 0;
	int more = -1, i;

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
	while ((more = entries_next(in, e)) > 0) {
		for (i = 0; i < 3; i++) {
			sqlite3_bind_blob(stmt, i + 1, e[i].ptr, (int)e[i].len, SQLITE_STATIC);
			in_commit += e[i].len;
		}
		if (sqlite3_step(stmt) != SQLITE_DONE)
			break;
		sqlite3_reset(stmt);
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
	struct entries in;
	sqlite3 *db = NULL;
	int ok;

	if (argc != 4) {
		fprintf(stderr, "usage: peer_load ENTRIES FILE TABLE\n");
		return 2;
	}
	ok = entries_open(&in, argv[1]) && !sqlite3_open(argv[2], &db) &&
	     !sqlite3_busy_timeout(db, 30000) && load(db, &in, argv[3]);
	if (!ok)
		fprintf(stderr, "peer_load: %s -> %s: %s\n", argv[1], argv[2],
			db ? sqlite3_errmsg(db) : "cannot open");
	if (sqlite3_close(db))
		ok = 0;
	entries_close(&in);
	return ok ? 0 : 1;
}
