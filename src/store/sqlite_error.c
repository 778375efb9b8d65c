/*
 * sqlite_error - what an error of SQLite means to a person: which file, what
 * was being done, whether anything was changed, and what to do next.
 */
#include "store/sqlite.h"

#include "base/lines.h"

#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	const char *name;
} code_names[] = {
	{ SQLITE_ERROR, "SQLITE_ERROR" },
	{ SQLITE_INTERNAL, "SQLITE_INTERNAL" },
	{ SQLITE_PERM, "SQLITE_PERM" },
	{ SQLITE_ABORT, "SQLITE_ABORT" },
	{ SQLITE_BUSY, "SQLITE_BUSY" },
	{ SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY" },
	{ SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT" },
	{ SQLITE_LOCKED, "SQLITE_LOCKED" },
	{ SQLITE_NOMEM, "SQLITE_NOMEM" },
	{ SQLITE_READONLY, "SQLITE_READONLY" },
	{ SQLITE_READONLY_RECOVERY, "SQLITE_READONLY_RECOVERY" },
	{ SQLITE_READONLY_CANTLOCK, "SQLITE_READONLY_CANTLOCK" },
	{ SQLITE_READONLY_ROLLBACK, "SQLITE_READONLY_ROLLBACK" },
	{ SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED" },
	{ SQLITE_READONLY_CANTINIT, "SQLITE_READONLY_CANTINIT" },
	{ SQLITE_READONLY_DIRECTORY, "SQLITE_READONLY_DIRECTORY" },
	{ SQLITE_INTERRUPT, "SQLITE_INTERRUPT" },
	{ SQLITE_IOERR, "SQLITE_IOERR" },
	{ SQLITE_IOERR_READ, "SQLITE_IOERR_READ" },
	{ SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ" },
	{ SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE" },
	{ SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC" },
	{ SQLITE_IOERR_DIR_FSYNC, "SQLITE_IOERR_DIR_FSYNC" },
	{ SQLITE_IOERR_TRUNCATE, "SQLITE_IOERR_TRUNCATE" },
	{ SQLITE_IOERR_FSTAT, "SQLITE_IOERR_FSTAT" },
	{ SQLITE_IOERR_UNLOCK, "SQLITE_IOERR_UNLOCK" },
	{ SQLITE_IOERR_RDLOCK, "SQLITE_IOERR_RDLOCK" },
	{ SQLITE_IOERR_DELETE, "SQLITE_IOERR_DELETE" },
	{ SQLITE_IOERR_NOMEM, "SQLITE_IOERR_NOMEM" },
	{ SQLITE_IOERR_ACCESS, "SQLITE_IOERR_ACCESS" },
	{ SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK" },
	{ SQLITE_IOERR_CLOSE, "SQLITE_IOERR_CLOSE" },
	{ SQLITE_IOERR_SHMOPEN, "SQLITE_IOERR_SHMOPEN" },
	{ SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE" },
	{ SQLITE_IOERR_SHMLOCK, "SQLITE_IOERR_SHMLOCK" },
	{ SQLITE_IOERR_SHMMAP, "SQLITE_IOERR_SHMMAP" },
	{ SQLITE_IOERR_DELETE_NOENT, "SQLITE_IOERR_DELETE_NOENT" },
	{ SQLITE_CORRUPT, "SQLITE_CORRUPT" },
	{ SQLITE_CORRUPT_INDEX, "SQLITE_CORRUPT_INDEX" },
	{ SQLITE_FULL, "SQLITE_FULL" },
	{ SQLITE_CANTOPEN, "SQLITE_CANTOPEN" },
	{ SQLITE_CANTOPEN_ISDIR, "SQLITE_CANTOPEN_ISDIR" },
	{ SQLITE_CANTOPEN_SYMLINK, "SQLITE_CANTOPEN_SYMLINK" },
	{ SQLITE_PROTOCOL, "SQLITE_PROTOCOL" },
	{ SQLITE_SCHEMA, "SQLITE_SCHEMA" },
	{ SQLITE_TOOBIG, "SQLITE_TOOBIG" },
	{ SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT" },
	{ SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK" },
	{ SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER" },
	{ SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL" },
	{ SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY" },
	{ SQLITE_MISMATCH, "SQLITE_MISMATCH" },
	{ SQLITE_MISUSE, "SQLITE_MISUSE" },
	{ SQLITE_AUTH, "SQLITE_AUTH" },
	{ SQLITE_NOTADB, "SQLITE_NOTADB" },
};

static const char *code_name(int code)
{
	size_t i;

	for (i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
		if (code_names[i].code == code)
			return code_names[i].name;
	return (code & 0xff) == code ? "SQLITE_ERROR" : code_name(code & 0xff);
}

/* Of a database and, where it is a WAL database, of the index beside it: that is what
 * writers lock then. */
struct holder {
	struct stat db, shm;
	long pid; /* of a writer; 0 = none was found */
};

static int is_holder(void *ctx, const struct kvf_file_lock *lock)
{
	struct holder *h = ctx;

	if (lock->writes && (kvf_same_file(&lock->of, &h->db) ||
			     (h->shm.st_ino && kvf_same_file(&lock->of, &h->shm))))
		h->pid = lock->pid;
	return h->pid != 0;
}

static long lock_holder(const struct kvf_lite *s)
{
	struct holder h = { .pid = 0 };
	char index[4096 + 8];

	snprintf(index, sizeof(index), "%s-shm", s->path);
	if (stat(s->path, &h.db))
		return 0;
	if (stat(index, &h.shm))
		memset(&h.shm, 0, sizeof(h.shm));
	kvf_each_lock(is_holder, &h);
	return h.pid;
}

static void add_busy_hint(const struct kvf_lite *s, struct kvf_err *err)
{
	long pid = lock_holder(s);

	if (!pid)
		kvf_err_hint(
			err,
			"Find the program that holds %s open in a transaction, let it go on "
			"or end it, then give the same command again.",
			s->path);
	else
		kvf_err_hint(err,
			     "Process %ld has the lock. If it is stopped in a transaction it "
			     "keeps it: let it go on (kill -CONT %ld), or end it (kill -KILL "
			     "%ld), then give the same command again.",
			     pid, pid, pid);
}

/* What to do next, by the primary code. */
static void add_hint(struct kvf_lite *s, int code, struct kvf_err *err)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		kvf_err_hint(err,
			     "Free space on the file system of %s, then give the same "
			     "command again.",
			     s->path);
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: add_busy_hint(s, err); break;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		kvf_err_hint(err, "See to it that this user may write %s and its folder.",
			     s->path);
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		kvf_err_hint(err,
			     "See what `PRAGMA integrity_check` says of %s; restore it from a "
			     "backup.",
			     s->path);
		break;
	case SQLITE_IOERR:
		kvf_err_hint(err, "Check the disk under %s, then give the same command again.",
			     s->path);
		break;
	default:
		kvf_err_hint(err, "See where the store stands: kvferry status sqlite:%s",
			     s->path);
		break;
	}
}

enum kvf_status kvf_lite_fail(struct kvf_lite *s, sqlite3 *db, const char *doing,
			      struct kvf_err *err)
{
	int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
	int sys = db ? sqlite3_system_errno(db) : 0;
	enum kvf_status st;

	if (code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
		return kvf_fail_nomem(err);
	if ((code & 0xff) == SQLITE_BUSY && kvf_store_stopped(&s->base, NULL))
		st = kvf_store_stopped(&s->base, err);
	else if (code == SQLITE_BUSY_SNAPSHOT)
		st = kvf_fail(err, KVF_ETARGET,
			      "%s: cannot %s: another program has written to it "
			      "meanwhile",
			      s->path, doing);
	else if ((code & 0xff) == SQLITE_BUSY)
		st = kvf_fail(err, KVF_ETARGET,
			      "%s: cannot %s: locked by another program for %d "
			      "seconds",
			      s->path, doing, KVF_LITE_BUSY_MS / 1000);
	else if ((code & 0xff) == SQLITE_IOERR && sys)
		st = kvf_fail_errno(err, KVF_ETARGET, sys, "%s: cannot %s: %s", s->path, doing,
				    sqlite3_errmsg(db));
	else
		st = kvf_fail(err, KVF_ETARGET, "%s: cannot %s: %s", s->path, doing,
			      sqlite3_errmsg(db));
	if (!err)
		return st;
	err->sys_errno = sys;
	snprintf(err->code, sizeof(err->code), "%s", code_name(code));
	if (s->base.mode == KVF_STORE_READ)
		kvf_err_detail(err, "Nothing was changed.");
	else
		kvf_err_detail(err, "The live data are as they were; what was staged is kept "
				    "for the next run.");
	add_hint(s, code, err);
	return st;
}
