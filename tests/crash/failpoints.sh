# A sample of what `make torture` does at every named failpoint; every point of the
# registry is passed by some command.
case $B in
*asan*|*tsan*|*cov*) echo "one build is enough: what is tried is the protocol, not the memory"; exit 77;;
esac
! grep -aq "chunk.before" "$KVFERRY" || { echo "what users install has failpoints"; exit 1; }
CASES="point-kill point-fail-sqlite point-fail-postgres point-twice point-stop-sqlite point-stop-postgres" MOST=${MOST:-10} sh "$TOP/tests/torture/run.sh" >out 2>&1; rc=$?
[ "$rc" -eq 77 ] || [ "$rc" -eq 0 ] || { cat out; exit 1; }
[ "$rc" -eq 77 ] || echo "REPORT $(tail -1 out)"
[ "$rc" -ne 77 ] || tail -1 out
exit "$rc"
