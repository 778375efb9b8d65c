# A sample of what `make torture` does at every occurrence: kills, broken links,
# runs that meet, secrets.
case $B in
*asan*|*tsan*|*cov*) echo "one build is enough: strace and preloaded libraries, not code, are slow here"; exit 77;;
esac
CASES="kill cut error done meet secret" MOST=${MOST:-8} sh "$TOP/tests/torture/run.sh" >out 2>&1; rc=$?
[ "$rc" -eq 77 ] || [ "$rc" -eq 0 ] || { cat out; exit 1; }
[ "$rc" -eq 77 ] || echo "REPORT $(tail -1 out)"
[ "$rc" -ne 77 ] || tail -1 out
exit "$rc"
