/*
 * failpoint - steps with a name, at which a test lets the program die, stop or fail.
 *
 *	KVF_FAILPOINT(st, err, "seal.before");
 *
 * is passed when all went well so far (st == KVF_OK), and may set st and *err.  In
 * what users install it is nothing at all.  `make tests-build` links a second
 * program, $(B)/tests/kvferry, with KVF_FAILPOINTS defined, in which the environment
 * says what happens:
 *
 *	KVF_FAILPOINT=NAME:N:ACTION   at the N-th pass of NAME (1, 2, ...)
 *	KVF_FAILPOINT=list            print every name, and exit
 *	KVF_FAILPOINT_TRACE=FILE      append the name of each point that is passed
 *	KVF_FAILPOINT_PATIENCE=MS     wait for locks no longer than that
 *
 * ACTION is kill, stop, term, int, hup (that signal), twice (SIGINT, and at once
 * another one), fail (KVF_ETARGET), or late (stop, and fail when it goes on).  What comes
 * after a COMMIT and fails is an acknowledgement that was lost.  The linker collects the names, so the list is
 * never incomplete; tests/torture/points.py walks it, and a point that no run
 * passes is a failure there.
 */
#ifndef KVF_FAILPOINT_H
#define KVF_FAILPOINT_H

#include <kvferry/base.h>

#ifdef KVF_FAILPOINTS

struct kvf_failpoint {
	const char *name;
	unsigned passes;
};

KVF_MUST_CHECK enum kvf_status kvf_failpoint_pass(struct kvf_failpoint *p, struct kvf_err *err);
int kvf_failpoint_patience(int ms);

#define KVF_FAILPOINT(st, err, name_)                                                          \
	do {                                                                                   \
		static struct kvf_failpoint point_ = { .name = (name_) };                      \
		static struct kvf_failpoint *const listed_                                     \
			__attribute__((section("kvf_failpoints"), used)) = &point_;            \
		if (!(st))                                                                     \
			(st) = kvf_failpoint_pass(listed_, (err));                             \
	} while (0)
/* Milliseconds for which a lock is waited for. */
#define KVF_PATIENCE(ms) kvf_failpoint_patience(ms)

#else

#define KVF_FAILPOINT(st, err, name_) ((void)0)
#define KVF_PATIENCE(ms) (ms)

#endif
#endif
