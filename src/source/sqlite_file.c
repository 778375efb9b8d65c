/*
 * sqlite_file - the database file through SQLite's own VFS, and what stat(2)
 * says of it.
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

/* File times move in ticks of the kernel, at most this long. */
#define TICK_NS 50000000L
#define SETTLE_TRIES 20

enum kvf_status kvf_sqlite_file_open(const char *path, struct kvf_sqlite_file *f,
				     struct kvf_err *err)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	int rc, flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;

	memset(f, 0, sizeof(*f));
	if (!vfs)
		return kvf_fail(err, KVF_EINTERNAL, "SQLite has no file system");
	f->file = calloc(1, (size_t)vfs->szOsFile);
	/* xOpen looks for URI parameters behind the name: it must be SQLite's. */
	f->name = sqlite3_create_filename(path, "", "", 0, NULL);
	if (!f->file || !f->name) {
		kvf_sqlite_file_close(f);
		return kvf_fail_nomem(err);
	}
	rc = vfs->xOpen(vfs, f->name, f->file, flags, &flags);
	if (rc) {
		int e = faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) ? errno : EIO;

		kvf_sqlite_file_close(f);
		if (rc == SQLITE_NOMEM)
			return kvf_fail_nomem(err);
		kvf_fail_errno(err, KVF_ESOURCE, e, "cannot open %s", path);
		if (e == EACCES)
			kvf_err_hint(err, "Run as a user who may read the file, or have the "
					  "permission added.");
		return KVF_ESOURCE;
	}
	return KVF_OK;
}

void kvf_sqlite_file_close(struct kvf_sqlite_file *f)
{
	if (f->file && f->file->pMethods) {
		if (f->locked)
			f->file->pMethods->xUnlock(f->file, SQLITE_LOCK_NONE);
		f->file->pMethods->xClose(f->file);
	}
	free(f->file);
	if (f->name)
		sqlite3_free_filename(f->name);
	memset(f, 0, sizeof(*f));
}

enum kvf_status kvf_sqlite_file_lock(struct kvf_sqlite *s, struct kvf_sqlite_file *f,
				     struct kvf_err *err)
{
	const struct timespec pause = { 0, 20000000L };
	double since = kvf_monotonic();
	int rc;

	while ((rc = f->file->pMethods->xLock(f->file, SQLITE_LOCK_SHARED)) == SQLITE_BUSY) {
		if (kvf_source_stopped(&s->base))
			return kvf_sqlite_fail(s, SQLITE_INTERRUPT, err, "lock %s", s->path);
		if (kvf_monotonic() - since > KVF_SQLITE_BUSY_SECONDS)
			break;
		nanosleep(&pause, NULL);
	}
	if (rc)
		return kvf_sqlite_fail(s, rc, err, "lock %s", s->path);
	f->locked = 1;
	return KVF_OK;
}

void kvf_sqlite_state_read(const char *path, struct kvf_sqlite_state *state)
{
	struct stat st;

	memset(state, 0, sizeof(*state));
	state->size = -1;
	if (stat(path, &st))
		return;
	state->dev = st.st_dev;
	state->ino = st.st_ino;
	state->size = st.st_size;
	state->mtime = st.st_mtim;
	state->ctime = st.st_ctim;
}

enum kvf_status kvf_sqlite_state_beside(const char *path, const char *suffix,
					struct kvf_sqlite_state *state, struct kvf_err *err)
{
	char *name = sqlite3_mprintf("%s%s", path, suffix);

	if (!name)
		return kvf_fail_nomem(err);
	kvf_sqlite_state_read(name, state);
	sqlite3_free(name);
	return KVF_OK;
}

static int same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int kvf_sqlite_state_equal(const struct kvf_sqlite_state *a, const struct kvf_sqlite_state *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}

/* Did it change within the last tick?  Then the next change may not show. */
static int is_fresh(const struct kvf_sqlite_state *state)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = ((int64_t)now.tv_sec - state->mtime.tv_sec) * 1000000000 +
	      (now.tv_nsec - state->mtime.tv_nsec);
	return age >= 0 && age < TICK_NS;
}

enum kvf_status kvf_sqlite_state_settled(const char *path, const char *suffix,
					 struct kvf_sqlite_state *state, struct kvf_err *err)
{
	const struct timespec pause = { 0, TICK_NS / 2 };
	enum kvf_status st = KVF_OK;
	int i;

	for (i = 0; i < SETTLE_TRIES; i++) {
		st = kvf_sqlite_state_beside(path, suffix, state, err);
		if (st || state->size < 0 || !is_fresh(state))
			break;
		nanosleep(&pause, NULL);
	}
	return st;
}
