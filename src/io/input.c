/* input - the wrappers for inputs, and the drivers for descriptors and memory. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- wrappers ------------------------------------------------------------ */

enum kvf_status kvf_input_read(struct kvf_input *in, void *buf, size_t want, size_t *got,
			       struct kvf_err *err)
{
	uint8_t *to = buf;
	enum kvf_status st;
	size_t n;

	for (*got = 0; *got < want; *got += n) {
		st = in->ops->read(in, to + *got, want - *got, &n, err);
		if (st)
			return st;
		if (n == 0)
			break;
	}
	return KVF_OK;
}

enum kvf_status kvf_input_pread(struct kvf_input *in, uint64_t offset, void *buf, size_t want,
				size_t *got, struct kvf_err *err)
{
	uint8_t *to = buf;
	enum kvf_status st;
	size_t n;

	*got = 0;
	if (!in->seekable)
		return kvf_fail(err, KVF_EUSAGE, "%s can be read only once, from front to back",
				in->name);
	for (; *got < want; *got += n) {
		st = in->ops->pread(in, offset + *got, to + *got, want - *got, &n, err);
		if (st)
			return st;
		if (n == 0)
			break;
	}
	return KVF_OK;
}

void kvf_input_on_idle(struct kvf_input *in, kvf_idle_fn *idle, void *ctx)
{
	in->idle = idle;
	in->idle_ctx = ctx;
}

enum kvf_status kvf_input_rewind(struct kvf_input *in, struct kvf_err *err)
{
	if (!in->seekable)
		return kvf_fail(err, KVF_EUSAGE, "%s can be read only once, from front to back",
				in->name);
	return in->ops->rewind(in, err);
}

int kvf_input_seekable(const struct kvf_input *in, uint64_t *size)
{
	*size = in->seekable ? in->size : 0;
	return in->seekable;
}

int kvf_input_changed(const struct kvf_input *in)
{
	return in->ops->changed(in);
}

const char *kvf_input_name(const struct kvf_input *in)
{
	return in->name;
}

void kvf_input_close(struct kvf_input *in)
{
	char *name;

	if (!in)
		return;
	name = in->name;
	in->ops->close(in);
	free(name);
}

/* ---- descriptors ----------------------------------------------------------- */

struct fd_input {
	struct kvf_input base;
	int fd;
	int owned;
	char *path;     /* NULL for a borrowed descriptor */
	struct stat st; /* as it was when we opened it */
};

/* A read failed with errno: 1 = try again (after waiting), 0 = a real error. */
static int try_again(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (errno == EINTR)
		return 1;
	if (errno != EAGAIN)
		return 0;
	/* Somebody set O_NONBLOCK on a descriptor that we share with him. */
	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

/* One read() or pread() takes at most this on Linux. */
static size_t at_most(size_t want)
{
	return want > 0x7ffff000 ? 0x7ffff000 : want;
}

/* Somebody wants to be called while we wait: until there is something to read. */
static enum kvf_status wait_for_bytes(struct fd_input *in, struct kvf_err *err)
{
	struct pollfd p = { .fd = in->fd, .events = POLLIN };
	enum kvf_status st = KVF_OK;

	while (!st && poll(&p, 1, KVF_IDLE_MS) == 0)
		st = in->base.idle(in->base.idle_ctx, err);
	return st; /* what else poll() has to say, read() says too */
}

static enum kvf_status fd_read(struct kvf_input *base, void *buf, size_t want, size_t *got,
			       struct kvf_err *err)
{
	struct fd_input *in = (struct fd_input *)base;
	enum kvf_status st;
	ssize_t n;

	*got = 0;
	if (base->idle && !S_ISREG(in->st.st_mode)) {
		st = wait_for_bytes(in, err);
		if (st)
			return st;
	}
	do
		n = read(in->fd, buf, at_most(want));
	while (n < 0 && try_again(in->fd));
	if (n < 0)
		return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", base->name);
	*got = (size_t)n;
	return KVF_OK;
}

static enum kvf_status fd_pread(struct kvf_input *base, uint64_t offset, void *buf, size_t want,
				size_t *got, struct kvf_err *err)
{
	struct fd_input *in = (struct fd_input *)base;
	ssize_t n;

	if (offset > INT64_MAX - at_most(want)) {
		*got = 0;
		return KVF_OK;
	}
	do
		n = pread(in->fd, buf, at_most(want), (off_t)offset);
	while (n < 0 && try_again(in->fd));
	if (n < 0)
		return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s at offset %llu",
				      base->name, (unsigned long long)offset);
	*got = (size_t)n;
	return KVF_OK;
}

static enum kvf_status fd_rewind(struct kvf_input *base, struct kvf_err *err)
{
	if (lseek(((struct fd_input *)base)->fd, 0, SEEK_SET) == 0)
		return KVF_OK;
	return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot rewind %s", base->name);
}

static int fd_changed(const struct kvf_input *base)
{
	const struct fd_input *in = (const struct fd_input *)base;
	struct stat now;

	if (!S_ISREG(in->st.st_mode))
		return 0;
	if (fstat(in->fd, &now) || now.st_size != in->st.st_size ||
	    now.st_mtim.tv_sec != in->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != in->st.st_mtim.tv_nsec)
		return 1;
	if (!in->path)
		return 0;
	return stat(in->path, &now) || now.st_dev != in->st.st_dev ||
	       now.st_ino != in->st.st_ino;
}

static void fd_close(struct kvf_input *base)
{
	struct fd_input *in = (struct fd_input *)base;

	if (in->owned && in->fd >= 0)
		close(in->fd);
	free(in->path);
	free(in);
}

static const struct input_ops fd_ops = { fd_read, fd_pread, fd_rewind, fd_changed, fd_close };

static enum kvf_status new_fd_input(const char *name, struct fd_input **out,
				    struct kvf_err *err)
{
	struct fd_input *in = calloc(1, sizeof(*in));

	if (!in)
		return kvf_fail_nomem(err);
	in->base.ops = &fd_ops;
	in->fd = -1;
	in->base.name = kvf_io_name(name);
	if (!in->base.name) {
		kvf_input_close(&in->base);
		return kvf_fail_nomem(err);
	}
	*out = in;
	return KVF_OK;
}

/* Learn what the descriptor is.  Seekable is a regular file at its beginning:
 * there, offsets of the descriptor and of the input are the same. */
static enum kvf_status look_at_fd(struct fd_input *in, struct kvf_err *err)
{
	const char *name = in->base.name;
	int flags = fcntl(in->fd, F_GETFL);

	if (flags < 0 || fstat(in->fd, &in->st))
		return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", name);
	if ((flags & O_ACCMODE) == O_WRONLY)
		return kvf_fail(err, KVF_ESOURCE, "%s is open for writing only", name);
	if (S_ISDIR(in->st.st_mode))
		return kvf_fail(err, KVF_ESOURCE, "%s is a folder", name);
	if (S_ISREG(in->st.st_mode) && lseek(in->fd, 0, SEEK_CUR) == 0) {
		in->base.seekable = 1;
		in->base.size = (uint64_t)in->st.st_size;
	}
	return KVF_OK;
}

enum kvf_status kvf_input_file(const char *path, struct kvf_input **out, struct kvf_err *err)
{
	struct fd_input *in = NULL;
	enum kvf_status st;

	*out = NULL;
	st = new_fd_input(path, &in, err);
	if (st)
		return st;
	in->owned = 1;
	in->path = strdup(path);
	if (!in->path) {
		kvf_input_close(&in->base);
		return kvf_fail_nomem(err);
	}
	do
		in->fd = kvf_io_high_fd(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	while (in->fd < 0 && errno == EINTR);
	if (in->fd < 0)
		st = kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot open %s", in->base.name);
	else
		st = look_at_fd(in, err);
	if (st) {
		kvf_input_close(&in->base);
		return st;
	}
	*out = &in->base;
	return KVF_OK;
}

enum kvf_status kvf_input_fd(int fd, const char *name, struct kvf_input **out,
			     struct kvf_err *err)
{
	struct fd_input *in = NULL;
	enum kvf_status st;

	*out = NULL;
	st = new_fd_input(name, &in, err);
	if (st)
		return st;
	in->fd = fd;
	st = look_at_fd(in, err);
	if (st) {
		kvf_input_close(&in->base);
		return st;
	}
	*out = &in->base;
	return KVF_OK;
}

/* ---- memory ----------------------------------------------------------------- */

struct memory_input {
	struct kvf_input base;
	struct kvf_bytes data;
	size_t at;
};

static enum kvf_status memory_pread(struct kvf_input *base, uint64_t offset, void *buf,
				    size_t want, size_t *got, struct kvf_err *err)
{
	struct memory_input *in = (struct memory_input *)base;
	size_t left;

	(void)err;
	left = offset < in->data.len ? in->data.len - (size_t)offset : 0;
	*got = want < left ? want : left;
	if (*got)
		memcpy(buf, in->data.ptr + offset, *got);
	return KVF_OK;
}

static enum kvf_status memory_read(struct kvf_input *base, void *buf, size_t want, size_t *got,
				   struct kvf_err *err)
{
	struct memory_input *in = (struct memory_input *)base;
	enum kvf_status st = memory_pread(base, in->at, buf, want, got, err);

	in->at += *got;
	return st;
}

static enum kvf_status memory_rewind(struct kvf_input *base, struct kvf_err *err)
{
	(void)err;
	((struct memory_input *)base)->at = 0;
	return KVF_OK;
}

static int memory_changed(const struct kvf_input *base)
{
	(void)base;
	return 0;
}

static void memory_close(struct kvf_input *base)
{
	free(base);
}

static const struct input_ops memory_ops = { memory_read, memory_pread, memory_rewind,
					     memory_changed, memory_close };

enum kvf_status kvf_input_memory(struct kvf_bytes data, const char *name,
				 struct kvf_input **out, struct kvf_err *err)
{
	struct memory_input *in = calloc(1, sizeof(*in));

	*out = NULL;
	if (!in)
		return kvf_fail_nomem(err);
	in->base.ops = &memory_ops;
	in->base.seekable = 1;
	in->base.size = data.len;
	in->data = data;
	in->base.name = kvf_io_name(name);
	if (!in->base.name) {
		kvf_input_close(&in->base);
		return kvf_fail_nomem(err);
	}
	*out = &in->base;
	return KVF_OK;
}
