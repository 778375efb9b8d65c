/*
 * file - an output file that appears only when it is complete, and scratch
 * files that never appear.
 *
 *   open     a file without a name (O_TMPFILE) in the target's folder, or where
 *            that does not work one with a name that nobody can guess
 *   commit   fsync of the file; then give it its name, atomically and, unless
 *            it is to replace another, only if that name is free; then fsync of
 *            the folder
 *   close    whatever was not committed is gone; or it stays, as TARGET.partial
 *
 * Everything happens relative to the descriptor of the folder, so that nobody
 * who moves folders or plants symbolic links in between redirects the bytes.
 */
#include "io/io.h"

#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TEMP_NAME_SIZE 56
#define PARTIAL ".partial"
#define WRITE_BACK_BYTES (8u << 20)

struct file_output {
	struct kvf_output base;
	int fd;
	int dir; /* descriptor of the folder; -1: straight to `fd` */
	int replace;
	char *target;            /* name within the folder */
	char temp[NAME_MAX + 1]; /* name of the unfinished file, "" = none */
	int partial;             /* ... is TARGET.partial */
	int keep;                /* it stays */
	uint64_t earlier;        /* bytes in it that we have not written */
	uint64_t writing;        /* up to here the kernel was asked to write back */
};

/* ---- files of mode 0600 ---------------------------------------------------- */

static int temp_name(char *name)
{
	char hex[33];

	if (!kvf_io_random_hex(hex)) {
		errno = EIO;
		return 0;
	}
	snprintf(name, TEMP_NAME_SIZE, ".kvferry-%s.tmp", hex);
	return 1;
}

/* The umask can only take bits away; put them back. */
static int with_mode(int fd)
{
	int saved;

	if (fd < 0 || fchmod(fd, 0600) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* A file without a name, or -1 with errno. */
static int open_unnamed(int dir, int access)
{
	return with_mode(
		kvf_io_high_fd(openat(dir, ".", access | O_TMPFILE | O_CLOEXEC, 0600)));
}

/* A new file whose name nobody can guess, or -1 with errno.  `name` has room for
 * TEMP_NAME_SIZE bytes. */
static int open_named(int dir, int access, char *name)
{
	int fd;

	if (!temp_name(name)) {
		name[0] = '\0';
		return -1;
	}
	fd = openat(dir, name, access | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		name[0] = '\0';
		return -1;
	}
	fd = with_mode(kvf_io_high_fd(fd));
	if (fd < 0) {
		int saved = errno;

		unlinkat(dir, name, 0);
		name[0] = '\0';
		errno = saved;
	}
	return fd;
}

/* Give an unnamed file a name.  -1 with errno; EEXIST when it is taken. */
static int link_unnamed(int fd, int dir, const char *name)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW);
}

/* Can link_unnamed() work here at all?  Asked before gigabytes are written. */
static int can_link_unnamed(int fd)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return access(self, F_OK) == 0;
}

/* ---- writing ----------------------------------------------------------------- */

/*
 * Have the kernel write what it was given to the disk already, so that little is left
 * to wait for in the commit.  Only a wish: what comes of it, fsync() tells.
 */
static void begin_writing_back(struct file_output *out, uint64_t end)
{
	if (out->base.told < out->writing) /* it was cut */
		out->writing = out->base.told;
	if (end - out->writing < WRITE_BACK_BYTES)
		return;
	(void)sync_file_range(out->fd, (off_t)out->writing, (off_t)(end - out->writing),
			      SYNC_FILE_RANGE_WRITE);
	out->writing = end;
}

static enum kvf_status file_write(struct kvf_output *base, const void *buf, size_t len,
				  struct kvf_err *err)
{
	struct file_output *out = (struct file_output *)base;
	enum kvf_status st = KVF_OK;

	if (out->partial && out->earlier) {
		st = kvf_io_cut(out->fd, base->name, base->told, err);
		out->earlier = 0;
	}
	if (!st)
		st = kvf_io_write_fd(out->fd, base->name, base->told, buf, len, err);
	if (!st)
		begin_writing_back(out, base->told + len);
	return st;
}

static enum kvf_status fail_exists(const struct file_output *out, struct kvf_err *err)
{
	kvf_fail_errno(err, KVF_EPREFLIGHT, EEXIST, "cannot create %s", out->base.name);
	kvf_err_detail(err, "what is there was not touched");
	kvf_err_hint(err, "Name another file, or let this one be replaced with --overwrite.");
	return KVF_EPREFLIGHT;
}

/* Rename without overwriting; where the file system cannot, link and unlink. */
static int rename_to_free(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(dir, from, dir, to, 0))
		return -1;
	unlinkat(dir, from, 0); /* left over at worst: a second name of the file */
	return 0;
}

/* Put the finished file under its name.  -1 with errno. */
static int publish(struct file_output *out)
{
	int rc;

	if (!out->temp[0] && !out->replace)
		return link_unnamed(out->fd, out->dir, out->target);
	if (!out->temp[0]) { /* no system call replaces a name by an unnamed file */
		if (!temp_name(out->temp) || link_unnamed(out->fd, out->dir, out->temp)) {
			out->temp[0] = '\0';
			return -1;
		}
	}
	rc = out->replace ? renameat(out->dir, out->temp, out->dir, out->target)
			  : rename_to_free(out->dir, out->temp, out->target);
	if (rc == 0)
		out->temp[0] = '\0';
	return rc;
}

static enum kvf_status file_commit(struct kvf_output *base, struct kvf_err *err)
{
	struct file_output *out = (struct file_output *)base;
	enum kvf_status st;

	if (out->dir < 0)
		return KVF_OK; /* FIFO or device */
	st = kvf_io_sync(out->fd, "", base->name, err);
	KVF_FAILPOINT(st, err, "file.synced");
	if (st)
		return st;
	if (publish(out)) {
		if (errno == EEXIST)
			return fail_exists(out, err);
		kvf_fail_errno(err, KVF_ETARGET, errno, "cannot give %s its name", base->name);
		kvf_err_detail(err, "what was there before was not touched");
		return KVF_ETARGET;
	}
	KVF_FAILPOINT(st, err, "file.named");
	if (!st)
		st = kvf_io_sync(out->dir, "the folder of ", base->name, err);
	KVF_FAILPOINT(st, err, "file.committed");
	return st;
}

static int file_can_rewind(const struct kvf_output *base)
{
	return ((const struct file_output *)base)->dir >= 0;
}

static enum kvf_status file_rewind(struct kvf_output *base, uint64_t offset,
				   struct kvf_err *err)
{
	struct file_output *out = (struct file_output *)base;

	out->earlier = 0;
	return kvf_io_cut(out->fd, base->name, offset, err);
}

static struct kvf_bytes file_bytes(const struct kvf_output *base)
{
	(void)base;
	return (struct kvf_bytes){ NULL, 0 };
}

static void file_close(struct kvf_output *base)
{
	struct file_output *out = (struct file_output *)base;

	if (out->temp[0] && !out->keep)
		unlinkat(out->dir, out->temp, 0);
	if (out->fd >= 0)
		close(out->fd);
	if (out->dir >= 0)
		close(out->dir);
	free(out->target);
	free(out);
}

static const struct output_ops file_ops = { file_write,  file_commit, file_can_rewind,
					    file_rewind, file_bytes,  file_close };

/* ---- opening ------------------------------------------------------------------- */

/* Open the folder and keep the last part of the path as the target's name. */
static enum kvf_status split_path(struct file_output *out, const char *path,
				  struct kvf_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char *folder;

	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return kvf_fail(err, KVF_EPREFLIGHT, "%s does not name a file", out->base.name);
	out->target = strdup(last);
	folder =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!out->target || !folder) {
		free(folder);
		return kvf_fail_nomem(err);
	}
	out->dir = kvf_io_high_fd(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	free(folder);
	if (out->dir < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot open the folder of %s",
				      out->base.name);
	return KVF_OK;
}

/* What bears the name already decides: free, replaceable, or refused. */
static enum kvf_status check_target(struct file_output *out, struct kvf_err *err)
{
	struct stat st;

	if (fstatat(out->dir, out->target, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return KVF_OK;
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot look at %s",
				      out->base.name);
	}
	if (S_ISLNK(st.st_mode)) {
		kvf_fail(err, KVF_EPREFLIGHT, "%s is a symbolic link", out->base.name);
		kvf_err_hint(err, "Name the file that it points to.");
		return KVF_EPREFLIGHT;
	}
	if (S_ISDIR(st.st_mode))
		return kvf_fail(err, KVF_EPREFLIGHT, "%s is a folder", out->base.name);
	if (!S_ISREG(st.st_mode))
		return kvf_fail(err, KVF_EPREFLIGHT, "%s is not a regular file",
				out->base.name);
	return out->replace ? KVF_OK : fail_exists(out, err);
}

/* Is this file ours alone: nobody else can have written to it, or writes now? */
static int is_ours(const struct file_output *out, struct stat *st)
{
	struct stat named;

	return fstat(out->fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       st->st_nlink == 1 && (st->st_mode & 077) == 0 &&
	       flock(out->fd, LOCK_EX | LOCK_NB) == 0 &&
	       /* and not one that somebody has just finished */
	       fstatat(out->dir, out->temp, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == st->st_dev && named.st_ino == st->st_ino;
}

/* The file that an interrupted run left, or a new one by that name; 0 = neither. */
static int open_partial(struct file_output *out)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	size_t len = strlen(out->target);
	struct stat st;

	if (len + sizeof(PARTIAL) > sizeof(out->temp))
		return 0;
	snprintf(out->temp, sizeof(out->temp), "%s" PARTIAL, out->target);
	out->fd = kvf_io_high_fd(openat(out->dir, out->temp, flags, 0));
	if (out->fd < 0 && errno == ENOENT)
		out->fd = with_mode(kvf_io_high_fd(
			openat(out->dir, out->temp, flags | O_CREAT | O_EXCL, 0600)));
	if (out->fd >= 0 && is_ours(out, &st)) {
		out->partial = 1;
		out->earlier = (uint64_t)st.st_size;
		return 1;
	}
	if (out->fd >= 0)
		close(out->fd);
	out->fd = -1;
	out->temp[0] = '\0';
	return 0;
}

static enum kvf_status open_temp(struct file_output *out, struct kvf_err *err)
{
	if (out->partial && open_partial(out))
		return KVF_OK;
	out->partial = 0;
	out->fd = open_unnamed(out->dir, O_WRONLY);
	if (out->fd >= 0 && can_link_unnamed(out->fd))
		return KVF_OK;
	if (out->fd >= 0)
		close(out->fd);
	out->fd = open_named(out->dir, O_WRONLY, out->temp);
	if (out->fd < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot create %s",
				      out->base.name);
	return KVF_OK;
}

/* A FIFO or a device: no folder, no temporary file. */
static enum kvf_status open_direct(struct file_output *out, const char *path,
				   struct kvf_err *err)
{
	struct stat st;

	do
		out->fd = kvf_io_high_fd(open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY));
	while (out->fd < 0 && errno == EINTR);
	if (out->fd < 0 || fstat(out->fd, &st))
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot open %s",
				      out->base.name);
	if (S_ISREG(st.st_mode)) /* it was a FIFO a moment ago */
		return kvf_fail(err, KVF_ETARGET, "%s was replaced while we looked at it",
				out->base.name);
	return KVF_OK;
}

static enum kvf_status open_output(struct file_output *out, const char *path,
				   struct kvf_err *err)
{
	struct stat st;
	enum kvf_status rc;

	/* This follows links on purpose: /dev/stdout is one. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return open_direct(out, path, err);
	rc = split_path(out, path, err);
	if (!rc)
		rc = check_target(out, err);
	if (!rc)
		rc = open_temp(out, err);
	return rc;
}

static enum kvf_status open_file(const char *path, int replace, int partial,
				 struct kvf_output **out, struct kvf_err *err)
{
	struct file_output *o = calloc(1, sizeof(*o));
	enum kvf_status st;

	*out = NULL;
	if (!o)
		return kvf_fail_nomem(err);
	o->base.ops = &file_ops;
	o->fd = -1;
	o->dir = -1;
	o->replace = replace;
	o->partial = partial;
	o->base.name = kvf_io_name(path);
	st = o->base.name ? open_output(o, path, err) : kvf_fail_nomem(err);
	if (st) {
		kvf_output_close(&o->base);
		return st;
	}
	*out = &o->base;
	return KVF_OK;
}

enum kvf_status kvf_output_file(const char *path, int replace, struct kvf_output **out,
				struct kvf_err *err)
{
	return open_file(path, replace, 0, out, err);
}

/* ---- going on with a partial file --------------------------------------------- */

enum kvf_status kvf_output_resumable(const char *path, int replace, struct kvf_output **out,
				     struct kvf_err *err)
{
	return open_file(path, replace, 1, out, err);
}

static struct file_output *as_partial(const struct kvf_output *base)
{
	/* The cast gives back what the caller of the public call had. */
	union {
		const struct kvf_output *in;
		struct file_output *out;
	} u = { .in = base };

	return base->ops == &file_ops && u.out->partial ? u.out : NULL;
}

uint64_t kvf_output_earlier(const struct kvf_output *base)
{
	const struct file_output *out = as_partial(base);

	return out ? out->earlier : 0;
}

enum kvf_status kvf_output_read_earlier(struct kvf_output *base, uint64_t offset, void *buf,
					size_t want, size_t *got, struct kvf_err *err)
{
	struct file_output *out = as_partial(base);
	uint8_t *to = buf;
	ssize_t n = 1;

	for (*got = 0; out && *got < want && n > 0;) {
		n = pread(out->fd, to + *got, want - *got, (off_t)(offset + *got));
		if (n > 0)
			*got += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot read %s" PARTIAL,
				      base->name);
	return KVF_OK;
}

enum kvf_status kvf_output_pass(struct kvf_output *base, uint64_t len, struct kvf_err *err)
{
	struct file_output *out = as_partial(base);

	if (base->err.status) {
		if (err)
			*err = base->err;
		return base->err.status;
	}
	if (!out || len > out->earlier)
		return kvf_fail(err, KVF_EINTERNAL, "%s has no such bytes", base->name);
	out->earlier -= len;
	base->told += len;
	/* What is written next belongs behind it. */
	if (!out->earlier && lseek(out->fd, (off_t)base->told, SEEK_SET) < 0)
		return kvf_fail_errno(err, KVF_ETARGET, errno, "cannot write to %s",
				      base->name);
	return KVF_OK;
}

int kvf_output_keep(struct kvf_output *base)
{
	struct file_output *out = as_partial(base);

	if (out)
		out->keep = 1;
	return out != NULL;
}

/* ---- scratch ---------------------------------------------------------------------- */

static enum kvf_status fail_scratch(const char *dir, int errnum, struct kvf_err *err)
{
	char *name = kvf_io_name(dir);

	kvf_fail_errno(err, KVF_ETARGET, errnum, "cannot create a scratch file in %s",
		       name ? name : "its folder");
	free(name);
	return KVF_ETARGET;
}

enum kvf_status kvf_scratch_open(const char *dir, int *fd, struct kvf_err *err)
{
	int folder = kvf_io_high_fd(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), saved;
	char name[TEMP_NAME_SIZE];

	*fd = -1;
	if (folder < 0)
		return fail_scratch(dir, errno, err);
	*fd = open_unnamed(folder, O_RDWR | O_EXCL);
	if (*fd < 0) {
		*fd = open_named(folder, O_RDWR, name);
		saved = errno;
		if (*fd >= 0 && unlinkat(folder, name, 0)) {
			saved = errno;
			close(*fd);
			*fd = -1;
		}
		errno = saved;
	}
	saved = errno;
	close(folder);
	return *fd >= 0 ? KVF_OK : fail_scratch(dir, saved, err);
}
