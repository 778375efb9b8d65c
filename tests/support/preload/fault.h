/*
 * fault.h - what the LD_PRELOAD libraries share: when to fail, and the report.
 *
 *     FAULT_N=3        the 3rd call that counts is hit; 0 or unset: none is
 *     FAULT_MODE=once  only that one (default); "sticky": it and all later ones;
 *                      "kill": SIGKILL instead of the call, or FAULT_SIGNAL (a
 *                      number) before it
 *     FAULT_REPORT=F   two unsigned 64-bit numbers of the machine: calls that
 *                      counted, calls that were hit.  Read it with
 *                      `od -An -v -tu8 F`.  The file is mapped and shared, so
 *                      that it is right after a crash, a kill, and with children.
 *     FAULT_TRACE=1    the stack of each hit on stderr
 *
 * Calls count from the moment when main() begins, in all threads together:
 * the loader and the constructors of other libraries are not what is tested.
 */
#ifndef FAULT_H
#define FAULT_H

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum fault_mode { FAULT_ONCE, FAULT_STICKY, FAULT_KILL };

struct fault_report {
	_Atomic uint64_t calls, hits;
};

static struct fault_report fault_own, *fault_report = &fault_own;
static uint64_t fault_n;
static enum fault_mode fault_mode;
static int fault_trace, fault_kill_here = 1, fault_signal = SIGKILL;
static atomic_int fault_armed;

static void fault_setup(void)
{
	const char *s = getenv("FAULT_MODE");
	void *stack[1];
	int fd;

	if (s && strcmp(s, "sticky") == 0)
		fault_mode = FAULT_STICKY;
	else if (s && strcmp(s, "kill") == 0)
		fault_mode = FAULT_KILL;
	s = getenv("FAULT_SIGNAL");
	if (s)
		fault_signal = (int)strtol(s, NULL, 10);
	s = getenv("FAULT_N");
	fault_n = s ? strtoull(s, NULL, 10) : 0;
	fault_trace = getenv("FAULT_TRACE") != NULL;
	if (fault_trace)
		backtrace(stack, 1); /* its first call allocates */
	s = getenv("FAULT_REPORT");
	if (!s)
		return;
	fd = open(s, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, sizeof(fault_own)) == 0) {
		void *map = mmap(NULL, sizeof(fault_own), PROT_READ | PROT_WRITE, MAP_SHARED,
				 fd, 0);

		if (map != MAP_FAILED)
			fault_report = map;
	}
	if (fd >= 0)
		close(fd);
}

/* Does this call fail? */
static int fault_hit(void)
{
	uint64_t call;

	if (!atomic_load_explicit(&fault_armed, memory_order_relaxed))
		return 0;
	call = atomic_fetch_add(&fault_report->calls, 1) + 1;
	if (fault_n == 0 || call < fault_n || (call > fault_n && fault_mode != FAULT_STICKY))
		return 0;
	atomic_fetch_add(&fault_report->hits, 1);
	if (fault_trace) {
		void *stack[40];
		int saved = errno;

		atomic_store(&fault_armed, 0);
		backtrace_symbols_fd(stack, backtrace(stack, 40), 2);
		atomic_store(&fault_armed, 1);
		errno = saved;
	}
	if (fault_mode == FAULT_KILL && fault_kill_here)
		kill(getpid(), fault_signal);
	return 1;
}

/* main() is wrapped to know when it begins. */
typedef int fault_main_fn(int argc, char **argv, char **envp);
static fault_main_fn *fault_real_main;

static int fault_main(int argc, char **argv, char **envp)
{
	fault_setup();
	atomic_store(&fault_armed, 1);
	return fault_real_main(argc, argv, envp);
}

int __libc_start_main(fault_main_fn *start, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(fault_main_fn *start, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	int (*real)(fault_main_fn *, int, char **, void (*)(void), void (*)(void),
		    void (*)(void), void *);
	void *found = dlsym(RTLD_NEXT, "__libc_start_main");

	memcpy(&real, &found, sizeof(real));
	fault_real_main = start;
	return real(fault_main, argc, argv, init, fini, rtld_fini, stack_end);
}

#endif
