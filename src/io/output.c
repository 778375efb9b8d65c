/* output - the wrappers for outputs, and the drivers for descriptors and memory. */
#include "io/io.h"

#include "base/buf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- wrappers ------------------------------------------------------------ */

static enum kvf_status give(const struct kvf_output *out, struct kvf_err *err)
{
	if (err)
		*err = out->err;
	return out->err.status;
}

enum kvf_status kvf_output_write(struct kvf_output *out, const void *buf, size_t len,
				 struct kvf_err *err)
{
	enum kvf_status st;

	if (out->err.status)
		return give(out, err);
	if (out->committed)
		return kvf_fail(err, KVF_EINTERNAL, "%s is complete already", out->name);
	if (len == 0)
		return KVF_OK;
	st = out->ops->write(out, buf, len, &out->err);
	if (st)
		return give(out, err);
	out->told += len;
	return KVF_OK;
}

enum kvf_status kvf_output_commit(struct kvf_output *out, struct kvf_err *err)
{
	if (out->err.status)
		return give(out, err);
	if (out->committed)
		return KVF_OK;
	if (out->ops->commit(out, &out->err))
		return give(out, err);
	out->committed = 1;
	return KVF_OK;
}

int kvf_output_can_rewind(const struct kvf_output *out)
{
	return !out->committed && out->ops->can_rewind(out);
}

enum kvf_status kvf_output_rewind(struct kvf_output *out, uint64_t offset, struct kvf_err *err)
{
	if (out->err.status)
		return give(out, err);
	if (offset > out->told || !kvf_output_can_rewind(out))
		return kvf_fail(err, KVF_EINTERNAL, "%s cannot be rewound", out->name);
	if (out->ops->rewind(out, offset, &out->err))
		return give(out, err);
	out->told = offset;
	return KVF_OK;
}

struct kvf_bytes kvf_output_bytes(const struct kvf_output *out)
{
	return out->ops->bytes(out);
}

uint64_t kvf_output_tell(const struct kvf_output *out)
{
	return out->told;
}

const char *kvf_output_name(const struct kvf_output *out)
{
	return out->name;
}

void kvf_output_close(struct kvf_output *out)
{
	char *name;

	if (!out)
		return;
	name = out->name;
	out->ops->close(out);
	free(name);
}

/* ---- a borrowed descriptor --------------------------------------------------- */

struct fd_output {
	struct kvf_output base;
	int fd;
	off_t start; /* of a regular file that can be rewound, or -1 */
};

static enum kvf_status fd_write(struct kvf_output *base, const void *buf, size_t len,
				struct kvf_err *err)
{
	struct fd_output *out = (struct fd_output *)base;

	return kvf_io_write_fd(out->fd, base->name, base->told, buf, len, err);
}

static enum kvf_status fd_commit(struct kvf_output *base, struct kvf_err *err)
{
	struct fd_output *out = (struct fd_output *)base;
	struct stat st;

	if (fstat(out->fd, &st) == 0 && !S_ISREG(st.st_mode))
		return KVF_OK;
	return kvf_io_sync(out->fd, "", base->name, err);
}

static int fd_can_rewind(const struct kvf_output *base)
{
	return ((const struct fd_output *)base)->start >= 0;
}

static enum kvf_status fd_rewind(struct kvf_output *base, uint64_t offset, struct kvf_err *err)
{
	struct fd_output *out = (struct fd_output *)base;

	return kvf_io_cut(out->fd, base->name, (uint64_t)out->start + offset, err);
}

/* Where a regular file ends and is written to, or -1: what a cut would harm, and pipes. */
static off_t start_of(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (flags < 0 || (flags & O_APPEND) || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -1;
	return st.st_size == at ? at : -1;
}

static struct kvf_bytes no_bytes(const struct kvf_output *base)
{
	(void)base;
	return (struct kvf_bytes){ NULL, 0 };
}

static void fd_close(struct kvf_output *base)
{
	free(base);
}

static const struct output_ops fd_ops = { fd_write,  fd_commit, fd_can_rewind,
					  fd_rewind, no_bytes,  fd_close };

enum kvf_status kvf_output_fd(int fd, const char *name, struct kvf_output **out,
			      struct kvf_err *err)
{
	struct fd_output *o = calloc(1, sizeof(*o));
	enum kvf_status st;

	*out = NULL;
	if (!o)
		return kvf_fail_nomem(err);
	o->base.ops = &fd_ops;
	o->fd = fd;
	o->start = start_of(fd);
	o->base.name = kvf_io_name(name);
	st = o->base.name ? kvf_io_check_writable(fd, o->base.name, err) : kvf_fail_nomem(err);
	if (st) {
		kvf_output_close(&o->base);
		return st;
	}
	*out = &o->base;
	return KVF_OK;
}

/* ---- memory -------------------------------------------------------------------- */

struct memory_output {
	struct kvf_output base;
	struct kvf_buf buf;
};

static enum kvf_status memory_write(struct kvf_output *base, const void *bytes, size_t len,
				    struct kvf_err *err)
{
	struct memory_output *out = (struct memory_output *)base;
	enum kvf_status st = kvf_buf_append(&out->buf, bytes, len, err);

	if (st == KVF_EREJECT)
		return kvf_fail(err, KVF_ETARGET, "more than %zu bytes for an output in memory",
				out->buf.cap);
	return st;
}

static enum kvf_status memory_commit(struct kvf_output *base, struct kvf_err *err)
{
	(void)base;
	(void)err;
	return KVF_OK;
}

static int memory_can_rewind(const struct kvf_output *base)
{
	(void)base;
	return 1;
}

static enum kvf_status memory_rewind(struct kvf_output *base, uint64_t offset,
				     struct kvf_err *err)
{
	(void)err;
	((struct memory_output *)base)->buf.len = (size_t)offset;
	return KVF_OK;
}

static struct kvf_bytes memory_bytes(const struct kvf_output *base)
{
	return kvf_buf_bytes(&((const struct memory_output *)base)->buf);
}

static void memory_close(struct kvf_output *base)
{
	struct memory_output *out = (struct memory_output *)base;

	kvf_buf_release(&out->buf);
	free(out);
}

static const struct output_ops memory_ops = { memory_write,  memory_commit, memory_can_rewind,
					      memory_rewind, memory_bytes,  memory_close };

enum kvf_status kvf_output_memory(size_t cap, struct kvf_output **out, struct kvf_err *err)
{
	struct memory_output *o = calloc(1, sizeof(*o));

	*out = NULL;
	if (!o)
		return kvf_fail_nomem(err);
	o->base.ops = &memory_ops;
	kvf_buf_init(&o->buf, cap);
	o->base.name = kvf_io_name("(memory)");
	if (!o->base.name) {
		kvf_output_close(&o->base);
		return kvf_fail_nomem(err);
	}
	*out = &o->base;
	return KVF_OK;
}
