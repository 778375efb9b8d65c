/*
 * kvferry/io.h - bytes in and bytes out.
 *
 * An input is a file, a pipe or memory; an output is a file that appears under
 * its name only when it is complete, a pipe, or memory.  Inputs report
 * KVF_ESOURCE, outputs KVF_ETARGET.  Errors of an output are sticky.  A handle
 * belongs to one thread at a time.
 */
#ifndef KVFERRY_IO_H
#define KVFERRY_IO_H

#include <kvferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvf_input;
struct kvf_output;

/*
 * Open `path` for reading (O_CLOEXEC).  A folder is refused.  A regular file is
 * seekable; anything else that can be opened is read once, from front to back.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_input_file(const char *path, struct kvf_input **out,
						      struct kvf_err *err);

/* Read from a descriptor that stays the caller's; `name` is for messages (copied). */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_input_fd(int fd, const char *name, struct kvf_input **out, struct kvf_err *err);

/* Read from memory; `data` is borrowed until kvf_input_close().  Seekable. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_input_memory(struct kvf_bytes data, const char *name,
							struct kvf_input **out,
							struct kvf_err *err);

/*
 * Read `want` bytes into `buf`.  *got < want only at the end of the input:
 * short reads and EINTR are dealt with inside.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_input_read(struct kvf_input *in, void *buf, size_t want, size_t *got, struct kvf_err *err);

/* Read at an offset without moving.  Only where kvf_input_seekable(). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_input_pread(struct kvf_input *in, uint64_t offset,
						       void *buf, size_t want, size_t *got,
						       struct kvf_err *err);

/*
 * While a read waits for bytes that somebody else has to bring, call `idle` about
 * once a second; what it returns but KVF_OK ends the read.  NULL: call nobody.
 */
typedef enum kvf_status kvf_idle_fn(void *ctx, struct kvf_err *err);
KVF_API void kvf_input_on_idle(struct kvf_input *in, kvf_idle_fn *idle, void *ctx);

/* Read from the beginning again.  KVF_EUSAGE unless kvf_input_seekable(). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_input_rewind(struct kvf_input *in,
							struct kvf_err *err);

/* Non-zero if the input can be read at any offset; *size is then its length. */
KVF_API int kvf_input_seekable(const struct kvf_input *in, uint64_t *size);

/*
 * Non-zero if the file has changed (size, mtime, inode) since it was opened.
 * Always 0 for pipes and memory.
 */
KVF_API int kvf_input_changed(const struct kvf_input *in);

/* The name for messages; valid until close. */
KVF_API const char *kvf_input_name(const struct kvf_input *in);

/* Close and free.  NULL is allowed. */
KVF_API void kvf_input_close(struct kvf_input *in);

/*
 * Create a file that becomes visible as `path` only in kvf_output_commit().
 * Until then the bytes are in an unnamed or unpredictably named file of mode
 * 0600 in the same folder (O_EXCL | O_NOFOLLOW | O_CLOEXEC).  An existing
 * regular `path` is refused with KVF_EPREFLIGHT unless `replace` is non-zero.
 * Where `path` is a FIFO or a device, bytes go straight to it.
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_output_file(const char *path, int replace, struct kvf_output **out, struct kvf_err *err);

/*
 * The same in a file that has a name before it is complete, `path`.partial, so that
 * an interrupted run can be gone on with: a process that is killed leaves it, and so
 * does a close after kvf_output_keep().  What an earlier one left can be read, and
 * passed over as if it were written; the first write, or rewind, cuts the rest off.
 * Only a file of ours that nobody else can have written and nobody writes now is
 * used; where there is another one, or `path` is no regular file, this is
 * kvf_output_file().
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_resumable(const char *path, int replace,
							    struct kvf_output **out,
							    struct kvf_err *err);
/* Bytes of an earlier run behind kvf_output_tell(). */
KVF_API uint64_t kvf_output_earlier(const struct kvf_output *out);
/* Read them, at an offset of the file; *got < want at their end. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_output_read_earlier(struct kvf_output *out, uint64_t offset, void *buf, size_t want,
			size_t *got, struct kvf_err *err);
/* Let the next `len` of them stand as if they had been written now. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_pass(struct kvf_output *out, uint64_t len,
						       struct kvf_err *err);
/* Leave what was written when the output is closed without a commit.  0 if that is
 * not possible with this output. */
KVF_API int kvf_output_keep(struct kvf_output *out);

/* Write to a descriptor that stays the caller's; commit does not fsync pipes. */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_output_fd(int fd, const char *name, struct kvf_output **out, struct kvf_err *err);

/* Collect up to `cap` bytes in memory; see kvf_output_bytes(). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_memory(size_t cap, struct kvf_output **out,
							 struct kvf_err *err);

/* What a memory output holds; valid until the next write or close. */
KVF_API struct kvf_bytes kvf_output_bytes(const struct kvf_output *out);

/*
 * A bounded pipe in memory between two threads: what is written to *out is
 * read from *in.  A writer blocks while `cap` bytes wait; a reader blocks until
 * bytes or the end arrive.  kvf_output_commit() marks the end; closing an
 * uncommitted output makes the reader fail (KVF_ETRUNC); closing the input
 * makes the writer fail (KVF_ETARGET).
 */
KVF_API KVF_MUST_CHECK enum kvf_status
kvf_pipe_new(size_t cap, struct kvf_input **in, struct kvf_output **out, struct kvf_err *err);

/* Write all of it.  After an error every later call returns the same error. */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_write(struct kvf_output *out, const void *buf,
							size_t len, struct kvf_err *err);

/*
 * Non-zero if kvf_output_rewind() can take back what was written: a file, a
 * regular file behind a descriptor, memory; not a pipe.
 */
KVF_API int kvf_output_can_rewind(const struct kvf_output *out);

/* Forget what was written behind `offset`, which is at most kvf_output_tell(). */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_rewind(struct kvf_output *out,
							 uint64_t offset, struct kvf_err *err);

/* Bytes accepted so far. */
KVF_API uint64_t kvf_output_tell(const struct kvf_output *out);

/*
 * Make it durable and visible: flush, fsync, rename, fsync of the folder.  A
 * failed fsync is never retried.  After KVF_OK only close is left to do.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_output_commit(struct kvf_output *out,
							 struct kvf_err *err);

KVF_API const char *kvf_output_name(const struct kvf_output *out);

/* Close and free; what was not committed is removed.  NULL is allowed. */
KVF_API void kvf_output_close(struct kvf_output *out);

/*
 * An unlinked scratch file of mode 0600 in `dir`, open for reading and writing,
 * or KVF_ETARGET.  The caller owns the descriptor.
 */
KVF_API KVF_MUST_CHECK enum kvf_status kvf_scratch_open(const char *dir, int *fd,
							struct kvf_err *err);

#ifdef __cplusplus
}
#endif

#endif
