/* fd - what the drivers for descriptors share: writing, syncing, naming. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/hash.h"

char *kvf_io_name(const char *text)
{
	struct kvf_bytes b = kvf_bytes_str(text);
	size_t size = 2 * b.len + 8;
	char *name;

	if (b.len > 65536) /* no path is that long; the cut shows as "..." */
		size = 65536;
	name = malloc(size);
	return name ? kvf_bytes_print(b, name, size) : NULL;
}

/* A full disk deserves more than its errno. */
static enum kvf_status fail_write(int fd, const char *name, uint64_t written, size_t left,
				  int errnum, struct kvf_err *err)
{
	struct statvfs fs;

	if (errnum == EPIPE) {
		kvf_fail_errno(err, KVF_ETARGET, errnum, "the reader of %s is gone", name);
		kvf_err_detail(err, "%llu bytes were written before",
			       (unsigned long long)written);
		return KVF_ETARGET;
	}
	kvf_fail_errno(err, KVF_ETARGET, errnum, "cannot write to %s", name);
	if (fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0)
		kvf_err_detail(err,
			       "%llu bytes were written, at least %zu more are needed, "
			       "%llu are free on its file system",
			       (unsigned long long)written, left,
			       (unsigned long long)fs.f_bavail * fs.f_frsize);
	else
		kvf_err_detail(err, "%llu bytes were written, at least %zu more are needed",
			       (unsigned long long)written, left);
	if (errnum == ENOSPC || errnum == EDQUOT)
		kvf_err_hint(err, "Make room there, or name a place with more room.");
	else if (errnum == EFBIG)
		kvf_err_hint(err, "Raise the limit on file sizes (ulimit -f), or name a file "
				  "system that allows larger files.");
	return KVF_ETARGET;
}

/* A write failed with errno: 1 = try again (after waiting), 0 = a real error. */
static int try_again(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (errno == EINTR)
		return 1;
	if (errno != EAGAIN)
		return 0;
	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

enum kvf_status kvf_io_write_fd(int fd, const char *name, uint64_t told, const void *buf,
				size_t len, struct kvf_err *err)
{
	const uint8_t *from = buf;
	size_t done = 0, want;
	ssize_t n;

	while (done < len) {
		want = len - done > 0x7ffff000 ? 0x7ffff000 : len - done;
		n = write(fd, from + done, want);
		if (n < 0 && try_again(fd))
			continue;
		if (n <= 0)
			return fail_write(fd, name, told + done, len - done,
					  n < 0 ? errno : EIO, err);
		done += (size_t)n;
	}
	return KVF_OK;
}

enum kvf_status kvf_io_check_writable(int fd, const char *name, struct kvf_err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot write to %s", name);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return kvf_fail(err, KVF_ETARGET, "%s is open for reading only", name);
	return KVF_OK;
}

enum kvf_status kvf_io_cut(int fd, const char *name, uint64_t offset, struct kvf_err *err)
{
	if (ftruncate(fd, (off_t)offset) || lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot cut %s", name);
	return KVF_OK;
}

enum kvf_status kvf_io_sync(int fd, const char *what, const char *name, struct kvf_err *err)
{
	if (fsync(fd) == 0 || errno == EINVAL)
		return KVF_OK;
	/*
	 * Never again: the kernel may have dropped the dirty pages and marked
	 * them clean, so that a second fsync would report a success that is
	 * none.
	 */
	kvf_fail_errno(err, KVF_ETARGET, errno, "cannot flush %s%s to its disk", what, name);
	kvf_err_hint(err, "Do not use what was written; check the disk and begin again.");
	return KVF_ETARGET;
}

int kvf_io_high_fd(int fd)
{
	int high, saved;

	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	saved = errno;
	close(fd);
	errno = saved;
	return high;
}

int kvf_io_random_hex(char out[33])
{
	uint8_t bytes[16];
	ssize_t n;

	do
		n = getrandom(bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(bytes))
		return 0;
	kvf_hex(bytes, sizeof(bytes), out);
	return 1;
}
