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

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

static int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
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
			same_file(&st, db) && (fdinfo < 0 || writes(fdinfo, e->d_name));
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

/* "1: POSIX  ADVISORY  WRITE 1234 08:01:131073 1073741824 1073742335" */
static void look_at_lock(const char *line, const struct stat *db, const struct stat *shm,
			 long *last, struct kvf_writers *w)
{
	unsigned major, minor;
	unsigned long ino;
	char mode[16];
	struct stat locked;
	long pid;
	int known;

	if (sscanf(line, "%*d: %*s %*s %15s %ld %x:%x:%lu", mode, &pid, &major, &minor, &ino) !=
	    5)
		return;
	if (pid <= 0 || pid == (long)getpid() || pid == *last)
		return;
	memset(&locked, 0, sizeof(locked));
	locked.st_dev = makedev(major, minor);
	locked.st_ino = ino;
	if (!(same_file(&locked, db) && strcmp(mode, "WRITE") == 0) &&
	    !(shm->st_ino && same_file(&locked, shm)))
		return;
	(void)has_open(pid, db, &known);
	if (known) /* its descriptors have told */
		return;
	*last = pid;
	add_process(w, pid);
}

static void look_at_locks(const struct stat *db, const struct stat *shm, struct kvf_writers *w)
{
	int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC);
	char text[4096], *line, *end;
	size_t have = 0;
	long last = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)n;
		text[have] = '\0';
		for (line = text; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			look_at_lock(line, db, shm, &last, w);
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
	}
	if (fd >= 0)
		close(fd);
}

enum kvf_status kvf_sqlite_writers(const char *rest, const struct kvf_env *env,
				   struct kvf_writers *w, struct kvf_err *err)
{
	char *shm_name = sqlite3_mprintf("%s-shm", rest);
	struct stat db, shm;

	(void)env;
	if (!shm_name)
		return kvf_fail_nomem(err);
	if (!stat(rest, &db)) {
		if (stat(shm_name, &shm))
			memset(&shm, 0, sizeof(shm));
		look_at_descriptors(&db, w);
		look_at_locks(&db, &shm, w);
	}
	sqlite3_free(shm_name);
	return KVF_OK;
}
