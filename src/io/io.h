/*
 * io - what the inputs and outputs of this folder share.
 *
 * A driver is a static table of operations and a struct that begins with the
 * base.  The wrappers in input.c and output.c check state, loop over short
 * reads, keep the first error of an output, and are the only callers of `ops`.
 */
#ifndef KVF_IO_IO_H
#define KVF_IO_IO_H

#include <kvferry/io.h>

#include <sys/stat.h>
#include <sys/types.h>

struct input_ops {
	/* Some bytes, at least one; *got = 0 only at the end. */
	enum kvf_status (*read)(struct kvf_input *in, void *buf, size_t want, size_t *got,
				struct kvf_err *err);
	/* The same at an offset; called only when `seekable`. */
	enum kvf_status (*pread)(struct kvf_input *in, uint64_t offset, void *buf, size_t want,
				 size_t *got, struct kvf_err *err);
	/* To the beginning; called only when `seekable`. */
	enum kvf_status (*rewind)(struct kvf_input *in, struct kvf_err *err);
	int (*changed)(const struct kvf_input *in);
	void (*close)(struct kvf_input *in); /* frees `in`, but not its name */
};

struct kvf_input {
	const struct input_ops *ops;
	char *name;
	int seekable;
	uint64_t size;     /* when seekable */
	kvf_idle_fn *idle; /* see kvf_input_on_idle() */
	void *idle_ctx;
};

/* Milliseconds of waiting after which idle is called. */
#define KVF_IDLE_MS 1000

struct output_ops {
	enum kvf_status (*write)(struct kvf_output *out, const void *buf, size_t len,
				 struct kvf_err *err);
	enum kvf_status (*commit)(struct kvf_output *out, struct kvf_err *err);
	int (*can_rewind)(const struct kvf_output *out);
	enum kvf_status (*rewind)(struct kvf_output *out, uint64_t offset, struct kvf_err *err);
	struct kvf_bytes (*bytes)(const struct kvf_output *out);
	void (*close)(struct kvf_output *out); /* frees `out`, but not its name */
};

struct kvf_output {
	const struct output_ops *ops;
	char *name;
	uint64_t told; /* bytes accepted */
	int committed;
	struct kvf_err err; /* the first error; sticky */
};

/*
 * `text` as it may stand in a message: as it is, or escaped when it holds
 * control characters.  malloc'd; NULL = no memory.
 */
char *kvf_io_name(const char *text);

/* Write all of it to a descriptor: short writes, EINTR and EAGAIN are dealt with. */
enum kvf_status kvf_io_write_fd(int fd, const char *name, uint64_t told, const void *buf,
				size_t len, struct kvf_err *err);

/* KVF_OK unless the descriptor is closed or not open for writing. */
enum kvf_status kvf_io_check_writable(int fd, const char *name, struct kvf_err *err);

/* Cut a regular file at `offset` and go on writing there. */
enum kvf_status kvf_io_cut(int fd, const char *name, uint64_t offset, struct kvf_err *err);

/* fsync() once; what cannot be synced at all (EINVAL) counts as done. */
enum kvf_status kvf_io_sync(int fd, const char *what, const char *name, struct kvf_err *err);

/* `fd` moved above 2, so that nothing meant for a standard stream ends in a
 * file of ours; -1 with errno as `fd` itself may be. */
int kvf_io_high_fd(int fd);

/* 32 hex digits nobody can guess, and a NUL.  0 = no randomness to be had. */
int kvf_io_random_hex(char out[33]);

#endif
