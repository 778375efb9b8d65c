/*
 * failalloc - make the n-th allocation of a process fail.
 *
 *     FAULT_N=17 FAULT_REPORT=count LD_PRELOAD=.../failalloc.so kvferry ...
 *
 * See fault.h.  Counted are malloc, calloc, realloc (a growing or new block),
 * aligned_alloc, memalign, posix_memalign and what libc builds on them
 * (strdup, getline, fopen ...).  glibc only: its __libc_ names are the real ones,
 * so that nothing needs dlsym(), which may allocate itself.
 */
#include "fault.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size);

static int refuse(void)
{
	if (!fault_hit())
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return refuse() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	/* realloc(p, 0) frees. */
	return (!p || size) && refuse() ? NULL : __libc_realloc(p, size);
}

void *memalign(size_t align, size_t size)
{
	return refuse() ? NULL : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (align % sizeof(void *) || (align & (align - 1)) || align == 0)
		return EINVAL;
	p = memalign(align, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}
