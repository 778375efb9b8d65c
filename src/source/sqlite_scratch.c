/*
 * sqlite_scratch - a private copy, where a journal or a WAL has to be
 * recovered and the original must stay as it is.
 *
 * The copy lies in a folder of mode 0700 in SQLite's own folder for temporary
 * files (SQLITE_TMPDIR, TMPDIR, /var/tmp ...), and it is unlinked as soon as it
 * is open, so that not even a killed process leaves it behind for long.
 */
#include "source/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)

static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

static enum kvf_status fail_scratch(struct kvf_err *err, int errnum, const char *what,
				    const char *name)
{
	kvf_fail_errno(err, KVF_ETARGET, errnum, "cannot %s the scratch copy %s", what, name);
	kvf_err_detail(err, "The source needs to be recovered in a copy; it was not changed.");
	kvf_err_hint(err, "Name a folder with enough room in TMPDIR, or have the program that "
			  "owns the database open and close it once.");
	return KVF_ETARGET;
}

/* The folder, and its name in s->scratch. */
static enum kvf_status make_folder(struct kvf_sqlite *s, struct kvf_sqlite_file *f,
				   uint64_t need, struct kvf_err *err)
{
	char *name = NULL, *slash;
	struct statvfs fs;

	if (f->file->pMethods->xFileControl(f->file, SQLITE_FCNTL_TEMPFILENAME, &name) || !name)
		return fail_scratch(err, errno ? errno : EIO, "find a place for", "");
	slash = strrchr(name, '/');
	if (slash)
		*slash = '\0';
	s->scratch = sqlite3_mprintf("%s/kvferry-XXXXXX", slash ? name : ".");
	if (!s->scratch) {
		sqlite3_free(name);
		return kvf_fail_nomem(err);
	}
	if (!statvfs(slash ? name : ".", &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < need) {
		fail_scratch(err, ENOSPC, "make", slash ? name : ".");
		sqlite3_free(name);
		goto fail;
	}
	sqlite3_free(name);
	if (mkdtemp(s->scratch))
		return KVF_OK;
	fail_scratch(err, errno, "make", s->scratch);
fail:
	sqlite3_free(s->scratch);
	s->scratch = NULL;
	return KVF_ETARGET;
}

static char *scratch_name(const struct kvf_sqlite *s, const char *suffix)
{
	return sqlite3_mprintf("%s/copy%s", s->scratch, suffix);
}

/* A new file in the folder, or -1. */
static int create(const char *name)
{
	return open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

/* Read `n` bytes at `at` of the database or, when `in` is open, of that. */
static int read_piece(struct kvf_sqlite_file *f, int in, uint8_t *buf, size_t n, uint64_t at)
{
	size_t got = 0;

	if (in < 0)
		return f->file->pMethods->xRead(f->file, buf, (int)n, (sqlite3_int64)at);
	while (got < n) {
		ssize_t r = pread(in, buf + got, n - got, (off_t)(at + got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return SQLITE_IOERR_READ;
		got += (size_t)r;
	}
	return SQLITE_OK;
}

static enum kvf_status copy(struct kvf_sqlite *s, struct kvf_sqlite_file *f, int in,
			    uint64_t size, const char *suffix, struct kvf_err *err)
{
	char *name = scratch_name(s, suffix);
	uint8_t *buf = malloc(PIECE);
	enum kvf_status st = KVF_OK;
	uint64_t at;
	int out = -1;

	if (!name || !buf) {
		st = kvf_fail_nomem(err);
		goto out;
	}
	out = create(name);
	if (out < 0) {
		st = fail_scratch(err, errno, "make", name);
		goto out;
	}
	for (at = 0; at < size && !st; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;
		int rc = read_piece(f, in, buf, n, at);

		if (kvf_source_stopped(&s->base))
			st = kvf_sqlite_fail(s, SQLITE_INTERRUPT, err, "copy %s", s->path);
		else if (rc)
			st = kvf_sqlite_fail(s, rc, err, "read %s%s", s->path, suffix);
		else if (write_all(out, buf, n))
			st = fail_scratch(err, errno, "write", name);
	}
	if (close(out) && !st)
		st = fail_scratch(err, errno, "write", name);
out:
	free(buf);
	sqlite3_free(name);
	return st;
}

enum kvf_status kvf_sqlite_scratch_copy(struct kvf_sqlite *s, struct kvf_sqlite_file *f,
					const char *suffix, struct kvf_err *err)
{
	char *beside = sqlite3_mprintf("%s%s", s->path, suffix);
	sqlite3_int64 size = 0;
	enum kvf_status st;
	struct stat other;
	int in = -1, rc;

	if (!beside)
		return kvf_fail_nomem(err);
	in = open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0 || fstat(in, &other)) {
		st = kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", beside);
		goto out;
	}
	rc = f->file->pMethods->xFileSize(f->file, &size);
	if (rc) {
		st = kvf_sqlite_fail(s, rc, err, "read %s", s->path);
		goto out;
	}
	/* Recovering a WAL writes its pages into the copy as well. */
	st = make_folder(s, f, (uint64_t)size + 2 * (uint64_t)other.st_size, err);
	if (!st)
		st = copy(s, f, -1, (uint64_t)size, "", err);
	if (!st)
		st = copy(s, f, in, (uint64_t)other.st_size, suffix, err);
	if (st)
		kvf_sqlite_scratch_remove(s);
out:
	if (in >= 0)
		close(in);
	sqlite3_free(beside);
	return st;
}

enum kvf_status kvf_sqlite_scratch_open(struct kvf_sqlite *s, struct kvf_err *err)
{
	char *name = scratch_name(s, "");
	enum kvf_status st;
	int rc = 0;

	if (!name)
		return kvf_fail_nomem(err);
	st = kvf_sqlite_connect(s, name, "?mode=rw", SQLITE_OPEN_READWRITE, &rc, err);
	/* The first read recovers; leaving WAL mode puts all into one file. */
	if (!st) {
		rc = sqlite3_exec(s->db,
				  "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF;"
				  " SELECT count(*) FROM sqlite_schema;"
				  " PRAGMA journal_mode=DELETE",
				  NULL, NULL, NULL);
		if (rc)
			st = kvf_sqlite_fail(s, rc, err, "recover a scratch copy of %s",
					     s->path);
	}
	if (!st)
		st = kvf_sqlite_snapshot(s, &rc, err);
	if (!st)
		kvf_sqlite_scratch_remove(s);
	sqlite3_free(name);
	return st;
}

void kvf_sqlite_scratch_remove(struct kvf_sqlite *s)
{
	size_t i;

	if (!s->scratch)
		return;
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = scratch_name(s, suffixes[i]);

		if (name)
			unlink(name);
		sqlite3_free(name);
	}
	rmdir(s->scratch);
	sqlite3_free(s->scratch);
	s->scratch = NULL;
}
