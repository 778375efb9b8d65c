/*
 * lines - small text files of the system, line by line: without stdio, which allocates,
 * and without a word where they are not there.
 */
#ifndef KVF_LINES_H
#define KVF_LINES_H

#include <sys/stat.h>

/* Hand each line to `fn`, without its end, until that returns non-zero.  A line is the
 * callee's to change, and valid until it returns; one of more than 4 KiB ends it. */
typedef int kvf_line_fn(void *ctx, char *line);
void kvf_each_line(const char *path, kvf_line_fn *fn, void *ctx);

/* A lock on a file, by the kernel's list (/proc/locks). */
struct kvf_file_lock {
	long pid;
	int writes;
	struct stat of; /* st_dev and st_ino; the rest is 0 */
};
typedef int kvf_lock_fn(void *ctx, const struct kvf_file_lock *lock);
/* Those of other processes. */
void kvf_each_lock(kvf_lock_fn *fn, void *ctx);

int kvf_same_file(const struct stat *a, const struct stat *b);

#endif
