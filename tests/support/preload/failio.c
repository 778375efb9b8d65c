/*
 * failio - make the n-th system call of a chosen kind fail, or end the process
 * there.
 *
 *     FAULT_CALLS=write,pwrite FAULT_ERRNO=28 FAULT_N=3 LD_PRELOAD=.../failio.so kvferry ...
 *
 * See fault.h for N, MODE and REPORT.  FAULT_CALLS is a list of: read pread write
 * pwrite fsync open close rename link unlink ftruncate fallocate mkdir send thread
 * (pthread_create); variants
 * (pwrite64, writev, fdatasync, openat, renameat2 ...) count as their plain
 * name.  FAULT_ERRNO is the number to fail with, 5 by default.  FAULT_SHORT=1: a
 * read or write that is hit moves one byte instead of failing, or all where
 * there is only one.  FAULT_AFTER=1 with FAULT_MODE=kill: die after the call.
 * FAULT_NO_AGAIN=1: a file whose fsync has failed is lost; who gives that fsync again
 * ends with 97.
 *
 * Descriptors 0, 1 and 2 do not count: a message must be able to appear.  Only
 * calls that go through the dynamic linker are seen, which are all of ours and
 * of SQLite's, but not stdio's own.
 */
#include "fault.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h> /* rename */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum call {
	READ,
	PREAD,
	WRITE,
	PWRITE,
	FSYNC,
	OPEN,
	CLOSE,
	RENAME,
	LINK,
	UNLINK,
	FTRUNCATE,
	FALLOCATE,
	MKDIR,
	SEND,
	THREAD,
	CALLS
};
static const char *const call_names[CALLS] = {
	"read", "pread",  "write",     "pwrite",    "fsync", "open", "close",  "rename",
	"link", "unlink", "ftruncate", "fallocate", "mkdir", "send", "thread",
};

static atomic_int ready;
static int wanted[CALLS], fault_errno = EIO, fault_short, fault_no_again;

static void read_options(void)
{
	const char *s = getenv("FAULT_CALLS");
	int i;

	for (i = 0; s && i < CALLS; i++) {
		const char *at = s;
		size_t len = strlen(call_names[i]);

		while ((at = strstr(at, call_names[i])) != NULL) {
			if ((at == s || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
				wanted[i] = 1;
			at += len;
		}
	}
	s = getenv("FAULT_ERRNO");
	if (s)
		fault_errno = (int)strtol(s, NULL, 10);
	fault_short = getenv("FAULT_SHORT") != NULL;
	fault_kill_here = getenv("FAULT_AFTER") == NULL;
	fault_no_again = getenv("FAULT_NO_AGAIN") != NULL;
	atomic_store(&ready, 1);
}

enum verdict { GO_ON, FAIL, CUT, DIE };

/* What becomes of a call of this kind? */
static enum verdict judge(enum call c, int fd)
{
	if (fd >= 0 && fd <= 2)
		return GO_ON;
	if (!atomic_load_explicit(&fault_armed, memory_order_relaxed))
		return GO_ON;
	if (!atomic_load(&ready))
		read_options(); /* the first call: before any thread of ours */
	if (!wanted[c] || !fault_hit())
		return GO_ON;
	if (fault_mode == FAULT_KILL)
		return DIE;
	if (fault_short && (c == READ || c == PREAD || c == WRITE || c == PWRITE))
		return CUT;
	errno = fault_errno;
	return FAIL;
}

/* The end of every call: with FAULT_AFTER it was made, and nothing else will be. */
static ssize_t done(enum verdict v, ssize_t rc)
{
	if (v == DIE && !fault_kill_here)
		kill(getpid(), fault_signal);
	return rc;
}

/* Find the real function once; ISO C has no cast from void * to a function. */
#define REAL(name)                                                                             \
	static __typeof__(&name) real;                                                         \
	if (!real) {                                                                           \
		void *found = dlsym(RTLD_NEXT, #name);                                         \
		memcpy(&real, &found, sizeof(real));                                           \
	}

#define TRANSFER(name, kind, buffer, offset_type)                                              \
	ssize_t name(int fd, buffer buf, size_t n, offset_type at)                             \
	{                                                                                      \
		enum verdict v = judge(kind, fd);                                              \
		REAL(name)                                                                     \
		return v == FAIL ? -1 : done(v, real(fd, buf, v == CUT && n > 1 ? 1 : n, at)); \
	}
TRANSFER(pread, PREAD, void *, off_t)
TRANSFER(pread64, PREAD, void *, off64_t)
TRANSFER(pwrite, PWRITE, const void *, off_t)
TRANSFER(pwrite64, PWRITE, const void *, off64_t)

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	enum verdict v = judge(SEND, fd);

	REAL(send)
	return v == FAIL ? -1 : done(v, real(fd, buf, n, flags));
}

ssize_t read(int fd, void *buf, size_t n)
{
	enum verdict v = judge(READ, fd);

	REAL(read)
	return v == FAIL ? -1 : done(v, real(fd, buf, v == CUT && n > 1 ? 1 : n));
}

ssize_t write(int fd, const void *buf, size_t n)
{
	enum verdict v = judge(WRITE, fd);

	REAL(write)
	return v == FAIL ? -1 : done(v, real(fd, buf, v == CUT && n > 1 ? 1 : n));
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
	enum verdict v = judge(WRITE, fd);
	struct iovec first = { NULL, 1 };

	REAL(writev)
	if (v == CUT && n > 0 && pieces[0].iov_len > 1) {
		first.iov_base = pieces[0].iov_base;
		pieces = &first;
		n = 1;
	}
	return v == FAIL ? -1 : done(v, real(fd, pieces, n));
}

#define PLAIN(name, kind, fd, parameters, arguments)                                           \
	int name parameters                                                                    \
	{                                                                                      \
		enum verdict v = judge(kind, fd);                                              \
		REAL(name)                                                                     \
		return v == FAIL ? -1 : (int)done(v, real arguments);                          \
	}

/* The file of the fsync that has failed; given again, it would succeed and mean nothing. */
static void lost_for_good(int fd, enum verdict v)
{
	static const char text[] = "an fsync that had failed was given again\n";
	static struct stat lost;
	struct stat now;

	if (!fault_no_again || fstat(fd, &now) != 0)
		return;
	if (v == FAIL && !lost.st_ino)
		lost = now;
	else if (lost.st_ino && now.st_ino == lost.st_ino && now.st_dev == lost.st_dev)
		_exit(write(STDERR_FILENO, text, sizeof(text) - 1) > 0 ? 97 : 98);
}

#define SYNCER(name)                                                                           \
	int name(int fd)                                                                       \
	{                                                                                      \
		enum verdict v = judge(FSYNC, fd);                                             \
		REAL(name)                                                                     \
		lost_for_good(fd, v);                                                          \
		return v == FAIL ? -1 : (int)done(v, real(fd));                                \
	}
SYNCER(fsync)
SYNCER(fdatasync)
PLAIN(rename, RENAME, -1, (const char *a, const char *b), (a, b))
PLAIN(renameat, RENAME, -1, (int x, const char *a, int y, const char *b), (x, a, y, b))
PLAIN(renameat2, RENAME, -1, (int x, const char *a, int y, const char *b, unsigned f),
      (x, a, y, b, f))
PLAIN(link, LINK, -1, (const char *a, const char *b), (a, b))
PLAIN(linkat, LINK, -1, (int x, const char *a, int y, const char *b, int f), (x, a, y, b, f))
PLAIN(unlink, UNLINK, -1, (const char *a), (a))
PLAIN(unlinkat, UNLINK, -1, (int x, const char *a, int f), (x, a, f))
PLAIN(mkdir, MKDIR, -1, (const char *a, mode_t m), (a, m))
PLAIN(ftruncate, FTRUNCATE, fd, (int fd, off_t n), (fd, n))
PLAIN(ftruncate64, FTRUNCATE, fd, (int fd, off64_t n), (fd, n))

/* These two fail by their value, not by errno. */
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	enum verdict v = judge(THREAD, -1);

	REAL(pthread_create)
	return v == FAIL ? fault_errno : (int)done(v, real(t, a, run, arg));
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	enum verdict v = judge(FALLOCATE, fd);

	REAL(posix_fallocate)
	return v == FAIL ? fault_errno : (int)done(v, real(fd, at, n));
}

/* A close that fails has closed: a descriptor must not leak into the test. */
int close(int fd)
{
	enum verdict v = judge(CLOSE, fd);
	int rc;

	REAL(close)
	rc = (int)done(v, real(fd));
	if (v == FAIL) {
		errno = fault_errno;
		return -1;
	}
	return rc;
}

#define OPENER(name, parameters, arguments)                                                    \
	int name parameters                                                                    \
	{                                                                                      \
		enum verdict v = judge(OPEN, -1);                                              \
		mode_t mode = 0;                                                               \
		REAL(name)                                                                     \
		if (flags & (O_CREAT | __O_TMPFILE)) {                                         \
			va_list ap;                                                            \
			va_start(ap, flags);                                                   \
			mode = (mode_t)va_arg(ap, unsigned);                                   \
			va_end(ap);                                                            \
		}                                                                              \
		return v == FAIL ? -1 : (int)done(v, real arguments);                          \
	}
OPENER(open, (const char *path, int flags, ...), (path, flags, mode))
OPENER(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENER(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENER(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
