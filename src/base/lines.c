/* lines - see lines.h. */
#include "base/lines.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void kvf_each_line(const char *path, kvf_line_fn *fn, void *ctx)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), done = 0;
	char text[4096], *line, *end;
	size_t have = 0;
	ssize_t n;

	while (fd >= 0 && !done && (n = read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)n;
		text[have] = '\0';
		for (line = text; !done && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			done = fn(ctx, line);
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
	}
	if (fd >= 0)
		close(fd);
}

int kvf_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

struct locks {
	kvf_lock_fn *fn;
	void *ctx;
};

/* "1: POSIX  ADVISORY  WRITE 1234 08:01:131073 1073741824 1073742335" */
static int take_lock(void *ctx, char *line)
{
	const struct locks *l = ctx;
	struct kvf_file_lock lock;
	unsigned major, minor;
	unsigned long ino;
	char mode[16];

	memset(&lock, 0, sizeof(lock));
	if (sscanf(line, "%*d: %*s %*s %15s %ld %x:%x:%lu", mode, &lock.pid, &major, &minor,
		   &ino) != 5 ||
	    lock.pid <= 0 || lock.pid == (long)getpid())
		return 0;
	lock.writes = strcmp(mode, "WRITE") == 0;
	lock.of.st_dev = makedev(major, minor);
	lock.of.st_ino = ino;
	return l->fn(l->ctx, &lock);
}

void kvf_each_lock(kvf_lock_fn *fn, void *ctx)
{
	struct locks l = { fn, ctx };

	kvf_each_line("/proc/locks", take_lock, &l);
}
