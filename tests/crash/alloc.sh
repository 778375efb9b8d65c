#!/bin/sh
# Every verb survives the failure of any of its allocations: the n-th fails, once
# or from then on.  The program ends with a message and a status that is true,
# nothing is left behind, the source is as it was, the store is old or new, and the
# same command again succeeds.  ALLOC_ALL=1 takes every n; without it all of the
# first and last and a sample of those between.
set -u
case $B in
*asan*|*tsan*) echo "a sanitizer has its own allocator, which cannot stand behind LD_PRELOAD"; exit 77;;
esac
. "$TOP/tests/support/faults.sh"
fault_so=$lib/failalloc.so
allowed="1"
kv=$KVFERRY
formats=$TOP/formats/catalog
. "$TOP/tests/support/fault-fixtures.sh"

torture() { # KIND NAME -- COMMAND...
    reference "$@"; shift 3
    before=$faults_hits
    if [ -n "${ALLOC_ALL:-}" ]; then list=$(sample "$total" "$total" 0 0); else list=$(sample "$total" $((40 / share)) $((70 / share)) $((30 / share))); fi
    FAULT_MODE=once
    for FAULT_N in $list; do
        disturbed "$@"
        [ $((FAULT_N % 7)) -ne 0 ] || [ "$last_hits" -eq 0 ] || converges "$@"
    done
    once=$((faults_hits - before))
    FAULT_MODE=sticky
    for FAULT_N in $(sample "$total" 0 $((15 / share)) 0); do
        disturbed "$@"
        [ $((FAULT_N % 3)) -ne 0 ] || [ "$last_hits" -eq 0 ] || converges "$@"
    done
    # One run behind the last: the loop has come to its end.
    FAULT_MODE=once FAULT_N=$((total + 100000)); disturbed "$@"
    [ "$last_hits" -eq 0 ] || { echo "$fault_name: no end after $total allocations"; exit 1; }
    single=$((single + once))
    echo "$fault_name: $total allocations, $once failed one by one"
}
single=0
each_verb torture
echo "REPORT $single allocations failed one by one (of each command the first 40, the last 30 and every k-th between), $((faults_hits - single)) in rows; $faults_runs runs, $faults_bad complaints"
[ "$faults_after" -eq 0 ] || echo "REPORT $faults_after runs failed after the store had been published"
[ "$single" -ge 100 ] || { echo "only $single allocations failed"; exit 1; }
[ "$faults_bad" -eq 0 ]
