/*
 * buf - a growing byte buffer with a mandatory cap, and an arena for things
 * that are freed together.
 */
#ifndef KVF_BUF_H
#define KVF_BUF_H

#include <kvferry/base.h>

struct kvf_buf {
	uint8_t *ptr;
	size_t len, size;
	size_t cap; /* never grows beyond it */
};

/* An empty buffer; allocates nothing yet.  `cap` in bytes, > 0. */
void kvf_buf_init(struct kvf_buf *b, size_t cap);
void kvf_buf_release(struct kvf_buf *b);

/*
 * Make room for `more` bytes behind len.  KVF_ENOMEM; KVF_EREJECT over the cap,
 * with a plain text: what the cap means is the caller's to explain.  On failure
 * the buffer is as it was.
 */
KVF_MUST_CHECK enum kvf_status kvf_buf_reserve(struct kvf_buf *b, size_t more,
					       struct kvf_err *err);
/* Copy bytes in; they must not lie in the buffer itself. */
KVF_MUST_CHECK enum kvf_status kvf_buf_append(struct kvf_buf *b, const void *bytes, size_t len,
					      struct kvf_err *err);
/* Add a text.  A NUL follows it that does not count in len, but needs room
 * under the cap. */
KVF_MUST_CHECK enum kvf_status kvf_buf_printf(struct kvf_buf *b, struct kvf_err *err,
					      const char *fmt, ...) KVF_PRINTF(3, 4);
/* Exchange what two buffers hold; each keeps its own cap. */
void kvf_buf_swap(struct kvf_buf *a, struct kvf_buf *b);
/* What is in it, valid until the next call that may grow it. */
static inline struct kvf_bytes kvf_buf_bytes(const struct kvf_buf *b)
{
	struct kvf_bytes v = { b->ptr, b->len };
	return v;
}

/* Blocks of memory that are released at once; pointers never move. */
struct kvf_arena_block;
struct kvf_arena {
	struct kvf_arena_block *head;
	size_t used; /* bytes handed out */
};
void kvf_arena_init(struct kvf_arena *a);
void kvf_arena_release(struct kvf_arena *a);
/* Forget what was handed out; the newest block is kept for reuse. */
void kvf_arena_reset(struct kvf_arena *a);
/* `size` bytes aligned for any type, or NULL (then the caller reports ENOMEM). */
void *kvf_arena_alloc(struct kvf_arena *a, size_t size);
void *kvf_arena_zalloc(struct kvf_arena *a, size_t size);
/* Copies, or NULL; NUL-terminated even where the bytes are not. */
char *kvf_arena_strdup(struct kvf_arena *a, const char *s);
char *kvf_arena_strndup(struct kvf_arena *a, const void *p, size_t len);
char *kvf_arena_printf(struct kvf_arena *a, const char *fmt, ...) KVF_PRINTF(2, 3);

#endif
