/*
 * sqlite_writers - which other processes have a database file open.
 *
 * The kernel knows, and says so in /proc: the descriptors of every process that
 * we may look into, and the locks of all of them.  The file itself is not
 * touched: to close a descriptor of it would cost this process its locks on it,
 * also those of an embedder's connections.
 *
 * A descriptor that only reads is no writer.  Of a process that we may not look
 * into, a lock must do: one that writers take on the database, or any on "-shm",
 * which every connection to a WAL database holds.  Where there is no /proc
 * nobody is seen.
 */
#include "source/sqlite.h"

#include "base/lines.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMED_MAX 8 /* in the text; all are counted */

/* A small file of /proc, NUL-terminated; 0 = not readable. */
static size_t read_small(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* "1234 (sqlite3)" into the list. */
static void add_process(struct kvf_writers *w, long pid)
{
	char path[64], comm[64];

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	read_small(AT_FDCWD, path, comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (w->n >= NAMED_MAX)
		w->n++;
	else
		kvf_writers_add(w, 1, "process %ld%s%.32s%s", pid, *comm ? " (" : "", comm,
				*comm ? ")" : "");
}

/* Can the descriptor be written to?  Unknown is yes. */
static int writes(int fdinfo, const char *fd)
{
	char text[256], *flags;

	if (!read_small(fdinfo, fd, text, sizeof(text)))
		return 1;
	flags = strstr(text, "flags:");
	return !flags || (strtol(flags + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* Has the process a descriptor of the file that writes?  *known = 0 if we may
 * not look. */
static int has_open(long pid, const struct stat *db, int *known)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	int fdinfo, found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	dir = opendir(path);
	*known = dir != NULL;
	if (!dir)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/fdinfo", pid);
	fdinfo = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (!found && (e = readdir(dir)))
		found = e->d_name[0] != '.' && !fstatat(dirfd(dir), e->d_name, &st, 0) &&
			kvf_same_file(&st, db) && (fdinfo < 0 || writes(fdinfo, e->d_name));
	if (fdinfo >= 0)
		close(fdinfo);
	closedir(dir);
	return found;
}

static void look_at_descriptors(const struct stat *db, struct kvf_writers *w)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	long pid;
	char *end;
	int known;

	while (proc && (e = readdir(proc))) {
		pid = strtol(e->d_name, &end, 10);
		if (*end == '\0' && pid > 0 && pid != (long)getpid() &&
		    has_open(pid, db, &known))
			add_process(w, pid);
	}
	if (proc)
		closedir(proc);
}

struct locked {
	const struct stat *db, *shm; /* st_ino of shm is 0 where it is not there */
	struct kvf_writers *w;
	long last;
};

static int look_at_lock(void *ctx, const struct kvf_file_lock *lock)
{
	struct locked *l = ctx;
	int known;

	if (lock->pid == l->last || (!(kvf_same_file(&lock->of, l->db) && lock->writes) &&
				     !(l->shm->st_ino && kvf_same_file(&lock->of, l->shm))))
		return 0;
	(void)has_open(lock->pid, l->db, &known);
	if (known) /* its descriptors have told */
		return 0;
	l->last = lock->pid;
	add_process(l->w, lock->pid);
	return 0;
}

enum kvf_status kvf_sqlite_writers(const char *rest, const struct kvf_env *env,
				   struct kvf_writers *w, struct kvf_err *err)
{
	char *shm_name = sqlite3_mprintf("%s-shm", rest);
	struct stat db, shm;
	struct locked locks = { &db, &shm, w, 0 };

	(void)env;
	if (!shm_name)
		return kvf_fail_nomem(err);
	if (!stat(rest, &db)) {
		if (stat(shm_name, &shm))
			memset(&shm, 0, sizeof(shm));
		look_at_descriptors(&db, w);
		kvf_each_lock(look_at_lock, &locks);
	}
	sqlite3_free(shm_name);
	return KVF_OK;
}
