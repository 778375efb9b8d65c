/*
 * Put in front of every file by lint: what clang-tidy and cppcheck, which look
 * at one file at a time, cannot know.  kvf_fail() returns the status it is
 * given, and that is never KVF_OK; without this each caller seems to go on after a
 * failure.
 */
#include <kvferry/base.h>

#define kvf_fail(err, st, ...) ((void)kvf_fail(err, st, __VA_ARGS__), (st))
#define kvf_fail_errno(err, st, ...) ((void)kvf_fail_errno(err, st, __VA_ARGS__), (st))
#define kvf_fail_nomem(err) ((void)kvf_fail_nomem(err), KVF_ENOMEM)
