#!/bin/sh
# The fault libraries do what the other tests in this folder trust them to do.
set -u
case $B in
*asan*|*tsan*) echo "a sanitizer has its own allocator, which cannot stand behind LD_PRELOAD"; exit 77;;
esac
lib=$TOP/$B/tests/support
bad=0
check() { # WHAT GOT WANT
    [ "$2" = "$3" ] || { echo "$1: got \"$2\", expected \"$3\""; bad=1; }
}
report() { od -An -v -tu8 count | tr -s ' ' | sed 's/^ //'; }

cat >alloc.c <<'X'
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *work(void *p) { int i; for (i = 0; i < 1000; i++) { char *q = malloc(10); if (q) q[0] = 1; free(q); } return p; }
__attribute__((constructor)) static void early(void) { free(malloc(1)); }
int main(int argc, char **argv)
{
	void *p = NULL, *q; pthread_t t[4]; int i;
	(void)argv;
	if (argc > 1) {
		for (i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, NULL);
		for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
		return 0;
	}
	q = malloc(3); fprintf(stderr, q ? "+" : "-"); free(q);
	q = calloc(1, 3); fprintf(stderr, q ? "+" : "-");
	p = realloc(q, 100); fprintf(stderr, p ? "+" : "-"); free(p ? p : q);
	q = aligned_alloc(64, 64); fprintf(stderr, q ? "+" : "-"); free(q);
	p = NULL; i = posix_memalign(&p, 64, 64); fprintf(stderr, i == 0 ? "+" : i == 12 ? "-" : "?"); free(p);
	q = memalign(64, 64); fprintf(stderr, q ? "+" : "-"); free(q);
	q = strdup("x"); fprintf(stderr, q ? "+" : "-"); free(q);
	return 0;
}
X
cat >io.c <<'X'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	char b[4] = "abc"; int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0) { fprintf(stderr, "open %d\n", errno); return 1; }
	fprintf(stderr, "%d ", (int)write(fd, b, 3));
	fprintf(stderr, "%d ", (int)write(fd, b, 3));
	fprintf(stderr, "%d ", (int)pwrite(fd, b, 3, 6));
	fprintf(stderr, "%d ", fsync(fd));
	fprintf(stderr, "%d ", fdatasync(fd));
	fprintf(stderr, "%d ", ftruncate(fd, 1));
	fprintf(stderr, "%d ", rename("f", "g"));
	fprintf(stderr, "%d\n", close(fd));
	return 0;
}
X
${CC:-cc} -std=c11 -D_GNU_SOURCE -O0 -fno-builtin -o alloc alloc.c -pthread && ${CC:-cc} -std=c11 -D_GNU_SOURCE -O0 -o io io.c || exit 1

run() { # VARIABLES... -- PROGRAM...: its stderr, with the library in $so
    rm -f count
    env FAULT_REPORT=count LD_PRELOAD="$so" "$@" 2>&1
}
so=$lib/failalloc.so
check "nothing fails" "$(run ./alloc)" "+++++++"
check "all are counted, the constructor's is not" "$(report)" "7 0"
check "the first fails" "$(run FAULT_N=1 ./alloc)" "-++++++"
check "the report says so" "$(report)" "7 1"
check "the fifth fails" "$(run FAULT_N=5 ./alloc)" "++++-++"
check "the seventh fails" "$(run FAULT_N=7 ./alloc)" "++++++-"
check "beyond the last nothing fails" "$(run FAULT_N=8 ./alloc)" "+++++++"
check "and the report tells" "$(report)" "7 0"
check "all fail from the third on" "$(run FAULT_N=3 FAULT_MODE=sticky ./alloc)" "++-----"
check "and are counted" "$(report)" "7 5"
run ./alloc threads >/dev/null; calls=$(report)
[ "${calls% 0}" -ge 4000 ] || { echo "threads: $calls"; bad=1; }
run FAULT_N=4000 ./alloc threads >/dev/null
check "of several threads one is hit" "$(report | cut -d' ' -f2)" 1
so=$lib/failio.so
check "nothing fails" "$(run FAULT_CALLS=write,fsync ./io)" "3 3 3 0 0 0 0 0"
check "two writes, two syncs" "$(report)" "4 0"
check "a pwrite is not a write" "$(run FAULT_CALLS=pwrite FAULT_N=1 ./io)" "3 3 -1 0 0 0 0 0"
check "only it counts" "$(report)" "1 1"
check "no space from the second on" "$(run FAULT_CALLS=write,pwrite FAULT_N=2 FAULT_MODE=sticky ./io)" "3 -1 -1 0 0 0 0 0"
check "the number is the one asked for" "$(run FAULT_CALLS=open FAULT_N=1 FAULT_ERRNO=28 ./io)" "open 28"
check "a short write" "$(run FAULT_CALLS=write FAULT_N=2 FAULT_SHORT=1 ./io)" "3 1 3 0 0 0 0 0"
check "fdatasync is an fsync" "$(run FAULT_CALLS=fsync FAULT_N=2 ./io)" "3 3 3 0 -1 0 0 0"
check "rename" "$(run FAULT_CALLS=rename FAULT_N=1 ./io)" "3 3 3 0 0 0 -1 0"
check "a close fails" "$(run FAULT_CALLS=close FAULT_N=1 ./io)" "3 3 3 0 0 0 0 -1"
rm -f f; run FAULT_CALLS=write FAULT_N=2 FAULT_MODE=kill ./io >/dev/null; rc=$?
check "killed" "$rc" 137
check "before the call" "$(cat f)" abc
rm -f f; run FAULT_CALLS=write FAULT_N=2 FAULT_MODE=kill FAULT_AFTER=1 ./io >/dev/null; rc=$?
check "killed" "$rc" 137
check "after the call" "$(cat f)" abcabc
exit $bad
