# lakeFS's defect 19 (the program says "defect 19: ..."): a failed run starts over from nothing.  A few of the kills that
# `make torture` does 200 of.
case $B in
*asan*|*tsan*|*cov*) echo "one build is enough: what is killed is the same"; exit 77;;
esac
KILLS=${KILLS:-8} sh "$TOP/tests/torture/lakefs.sh" >out 2>&1; rc=$?
[ "$rc" -eq 0 ] || [ "$rc" -eq 77 ] || { cat out; exit 1; }
[ "$rc" -eq 77 ] || echo "REPORT $(tail -2 out | head -1)"
[ "$rc" -ne 77 ] || tail -1 out
exit "$rc"
