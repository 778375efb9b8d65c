/*
 * sqlite_open - the way to a snapshot that leaves no trace.
 *
 * SQLite's ordinary reader writes: it rolls a hot journal back, and it creates
 * "-wal" and "-shm" beside a WAL database.  So the way depends on what lies
 * there.  SHARED is the lock that a reader holds on the database file; who
 * rolls back, commits without a WAL, deletes a WAL or leaves WAL mode needs
 * EXCLUSIVE.
 *
 *   PLAIN    no WAL mode: SQLite's own read-only connection holds SHARED.  A
 *            hot journal is refused by it (READONLY_ROLLBACK): then SCRATCH.
 *   BESIDE   "-wal" and "-shm" are there: SQLite's read-only connection with
 *            the index mapped read-only takes part in the locking of those who
 *            live there, or, when nobody does, keeps its own index in memory.
 *   STILL    WAL mode, but no WAL: all there is, is in the database file.  We
 *            hold SHARED, SQLite reads without locks and without looking for a
 *            WAL.  A writer who comes now makes a WAL first; only its
 *            checkpoint touches what we read, and that shows in the file's
 *            times, which are asked after each table.
 *   SCRATCH  a hot journal, or a WAL without index: both files are copied
 *            under SHARED and recovered in the copy.
 */
#include "source/sqlite.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRIES 5

enum way { PLAIN, BESIDE, STILL, SCRATCH_JOURNAL, SCRATCH_WAL };

static int on_busy(void *ctx, int count)
{
	const struct timespec pause = { 0, 20000000L };
	struct kvf_sqlite *s = ctx;

	if (count == 0)
		s->busy_since = kvf_monotonic();
	if (kvf_source_stopped(&s->base) ||
	    kvf_monotonic() - s->busy_since > KVF_SQLITE_BUSY_SECONDS)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

static int on_progress(void *ctx)
{
	return kvf_source_stopped(ctx);
}

/* A URI that means exactly this path. */
static char *make_uri(const char *path, const char *parameters)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(path);
	char *uri = sqlite3_malloc64(3 * n + strlen(parameters) + 8);
	char *p = uri;

	if (!uri)
		return NULL;
	memcpy(p, "file:", 5);
	p += 5;
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("/-_.", c)) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = digits[c >> 4];
			*p++ = digits[c & 15];
		}
	}
	memcpy(p, parameters, strlen(parameters) + 1);
	return uri;
}

enum kvf_status kvf_sqlite_connect(struct kvf_sqlite *s, const char *path,
				   const char *parameters, int flags, int *rc,
				   struct kvf_err *err)
{
	char *uri = make_uri(path, parameters);

	sqlite3_close(s->db);
	s->db = NULL;
	if (!uri)
		return kvf_fail_nomem(err);
	*rc = sqlite3_open_v2(uri, &s->db,
			      flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
				      SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE,
			      NULL);
	sqlite3_free(uri);
	if (!s->db)
		return kvf_fail_nomem(err);
	if (*rc)
		return kvf_sqlite_fail(s, *rc, err, "open %s", s->path);
	sqlite3_busy_handler(s->db, on_busy, s);
	if (s->base.env->stopped)
		sqlite3_progress_handler(s->db, 200000, on_progress, &s->base);
	/* A schema is input: it must not run what can write, or load code. */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	return KVF_OK;
}

enum kvf_status kvf_sqlite_snapshot(struct kvf_sqlite *s, int *rc, struct kvf_err *err)
{
	*rc = sqlite3_exec(s->db,
			   "PRAGMA query_only=1; PRAGMA cell_size_check=1; BEGIN;"
			   " SELECT count(*) FROM sqlite_schema;",
			   NULL, NULL, NULL);
	return *rc ? kvf_sqlite_fail(s, *rc, err, "read %s", s->path) : KVF_OK;
}

static enum kvf_status open_here(struct kvf_sqlite *s, const char *parameters, int *rc,
				 struct kvf_err *err)
{
	enum kvf_status st =
		kvf_sqlite_connect(s, s->path, parameters, SQLITE_OPEN_READONLY, rc, err);

	return st ? st : kvf_sqlite_snapshot(s, rc, err);
}

/* A journal whose first byte is zero was finished. */
static int journal_may_be_hot(const char *path)
{
	char *name = sqlite3_mprintf("%s-journal", path);
	int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char first = 0;
	ssize_t n = fd < 0 ? 0 : read(fd, &first, 1);

	if (fd >= 0)
		close(fd);
	sqlite3_free(name);
	return n == 1 && first != 0;
}

/* Refuse what is no database before SQLite sees it; is it in WAL mode? */
static enum kvf_status look_at_header(struct kvf_sqlite *s, struct kvf_sqlite_file *f, int *wal,
				      struct kvf_err *err)
{
	uint8_t header[100];
	sqlite3_int64 size = 0;
	int rc = f->file->pMethods->xFileSize(f->file, &size);

	if (!rc && size >= (sqlite3_int64)sizeof(header))
		rc = f->file->pMethods->xRead(f->file, header, sizeof(header), 0);
	if (rc)
		return kvf_sqlite_fail(s, rc, err, "read %s", s->path);
	if (size == 0) {
		kvf_fail(err, KVF_ESOURCE, "%s is empty: no database was ever written to it",
			 s->path);
		kvf_err_hint(err, "Check the path; a database that has tables is never empty.");
		return KVF_ESOURCE;
	}
	if (size < (sqlite3_int64)sizeof(header) ||
	    memcmp(header, "SQLite format 3", 16) != 0) {
		kvf_fail(err, KVF_ESOURCE, "%s is not an SQLite database", s->path);
		kvf_err_hint(err, "Check the path; an encrypted database has to be decrypted "
				  "first.");
		return KVF_ESOURCE;
	}
	*wal = header[19] == 2;
	return KVF_OK;
}

static enum kvf_status choose_way(struct kvf_sqlite *s, struct kvf_sqlite_file *f,
				  enum way *way, struct kvf_err *err)
{
	struct kvf_sqlite_state wal, shm;
	int wal_mode = 0;
	enum kvf_status st = look_at_header(s, f, &wal_mode, err);

	if (!st)
		st = kvf_sqlite_state_beside(s->path, "-wal", &wal, err);
	if (!st)
		st = kvf_sqlite_state_beside(s->path, "-shm", &shm, err);
	if (st)
		return st;
	if (!wal_mode)
		*way = PLAIN;
	else if (wal.size >= 0 && shm.size >= 0)
		*way = BESIDE;
	else if (wal.size > 0)
		*way = SCRATCH_WAL;
	else
		*way = journal_may_be_hot(s->path) ? SCRATCH_JOURNAL : STILL;
	return KVF_OK;
}

/* STILL; *again when somebody came between the look and the lock. */
static enum kvf_status open_still(struct kvf_sqlite *s, struct kvf_sqlite_file *f, int *again,
				  struct kvf_err *err)
{
	enum way way;
	int rc = 0;
	enum kvf_status st = kvf_sqlite_file_lock(s, f, err);

	if (!st)
		st = choose_way(s, f, &way, err);
	if (st)
		return st;
	if (way != STILL) {
		*again = 1;
		return KVF_OK;
	}
	st = kvf_sqlite_state_settled(s->path, "", &s->guarded, err);
	if (st)
		return st;
	s->guard = *f;
	memset(f, 0, sizeof(*f));
	st = open_here(s, "?immutable=1", &rc, err);
	return st ? st : kvf_sqlite_still_whole(s, err);
}

enum kvf_status kvf_sqlite_still_whole(struct kvf_sqlite *s, struct kvf_err *err)
{
	struct kvf_sqlite_state now;

	if (!s->guard.file)
		return KVF_OK;
	kvf_sqlite_state_read(s->path, &now);
	if (kvf_sqlite_state_equal(&now, &s->guarded))
		return KVF_OK;
	kvf_fail(err, KVF_ESOURCE, "%s was changed by another program while it was read",
		 s->path);
	kvf_err_hint(err,
		     "Run the same command again; while the other program has the database "
		     "open, it can be read beside it.");
	return KVF_ESOURCE;
}

/* Copy under SHARED, then recover the copy; *again when nothing needs it. */
static enum kvf_status open_scratch(struct kvf_sqlite *s, struct kvf_sqlite_file *f,
				    enum way way, int *again, struct kvf_err *err)
{
	const char *suffix = way == SCRATCH_WAL ? "-wal" : "-journal";
	struct kvf_sqlite_state shm;
	int reserved = 0;
	enum kvf_status st = kvf_sqlite_file_lock(s, f, err);

	if (st)
		return st;
	/* A journal belongs to whoever holds RESERVED: then it is not hot. */
	if (way == SCRATCH_JOURNAL) {
		f->file->pMethods->xCheckReservedLock(f->file, &reserved);
		if (reserved || !journal_may_be_hot(s->path)) {
			*again = 1;
			return KVF_OK;
		}
	}
	kvf_source_log(
		&s->base, KVF_LOG_WARN,
		"%s%s was left by an unfinished session: recovering it in a scratch copy, "
		"the files themselves stay as they are",
		s->path, suffix);
	st = kvf_sqlite_scratch_copy(s, f, suffix, err);
	if (st)
		return st;
	/* Under SHARED nobody could write to the WAL without making an index. */
	st = kvf_sqlite_state_beside(s->path, "-shm", &shm, err);
	if (st) {
		kvf_sqlite_scratch_remove(s);
		return st;
	}
	if (way == SCRATCH_WAL && shm.size >= 0) {
		kvf_sqlite_scratch_remove(s);
		*again = 1;
		return KVF_OK;
	}
	return kvf_sqlite_scratch_open(s, err);
}

static enum kvf_status begin_once(struct kvf_sqlite *s, int *again, struct kvf_err *err)
{
	struct kvf_sqlite_file f;
	enum way way = PLAIN;
	enum kvf_status st;
	int rc = 0;

	st = kvf_sqlite_file_open(s->path, &f, err);
	if (!st)
		st = choose_way(s, &f, &way, err);
	if (st) {
		kvf_sqlite_file_close(&f);
		return st;
	}
	if (way == PLAIN) {
		st = open_here(s, "?mode=ro", &rc, err);
		s->keeps_out = !st;
		if (st && rc == SQLITE_READONLY_ROLLBACK)
			way = SCRATCH_JOURNAL;
	} else if (way == BESIDE) {
		st = open_here(s, "?mode=ro&readonly_shm=1", &rc, err);
		if (st && rc == SQLITE_READONLY_ROLLBACK)
			way = SCRATCH_JOURNAL;
		/* Somebody cleaned up, or is just starting. */
		else if (st &&
			 ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_CANTOPEN))
			*again = 1;
	} else if (way == STILL) {
		st = open_still(s, &f, again, err);
	}
	if (way == SCRATCH_JOURNAL || way == SCRATCH_WAL) {
		sqlite3_close(s->db);
		s->db = NULL;
		st = open_scratch(s, &f, way, again, err);
	}
	kvf_sqlite_file_close(&f);
	return st;
}

enum kvf_status kvf_sqlite_begin(struct kvf_sqlite *s, struct kvf_err *err)
{
	const struct timespec pause = { 0, 100000000L };
	enum kvf_status st = KVF_OK;
	int i, again;

	for (i = 0; i < TRIES; i++) {
		again = 0;
		st = begin_once(s, &again, err);
		if (!again)
			return st;
		nanosleep(&pause, NULL);
	}
	if (st)
		return st;
	kvf_fail(err, KVF_ESOURCE, "%s is being opened and closed by another program", s->path);
	kvf_err_hint(err, "Stop the program that uses it, or try again.");
	return KVF_ESOURCE;
}
