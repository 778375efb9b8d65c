#!/bin/sh
# Export, import, migrate and backup survive the failure of any system call that
# touches a file: the n-th write, fsync, rename ... fails (no space, input/output
# error), moves one byte only, or is where the process dies.  Then a disk that is
# really full.
set -u
case $B in
*asan*|*tsan*) echo "one build is enough for system calls, and the sanitizers make them of their own"; exit 77;;
esac
. "$TOP/tests/support/faults.sh"
fault_so=$lib/failio.so
kv=$KVFERRY
formats=$TOP/formats/catalog
. "$TOP/tests/support/fault-fixtures.sh"
many=${IO_MANY:-24} harmless=

# One kind of call, one kind of fault, at a sample of its occurrences.
loop() { # COMMAND...: with FAULT_MODE and FAULT_CALLS set; with FAULT_SHORT or harmless it is no error
    FAULT_N=0; begin_run
    (cd w && timeout 60 env FAULT_N=0 FAULT_REPORT=../report LD_PRELOAD="$fault_so" "$@") >out 2>err </dev/null
    hits; total=$last_calls
    for FAULT_N in $(sample "$total" $((many / 3 / share)) $((many / 3 / share)) $((many / 3 / share))); do
        disturbed "$@"
        if [ "$last_hits" -gt 0 ]; then
            if [ -n "${FAULT_SHORT:-}$harmless" ] && [ "$rc" -ne "$ref_rc" ]; then complain "that is no error, yet exit $rc"; fi
            if [ "$FAULT_MODE" = kill ] || [ $((FAULT_N % 5)) -eq 0 ]; then converges "$@"; fi
        fi
    done
}

faults() { # KIND NAME -- COMMAND...
    FAULT_CALLS=read,pread,write,pwrite,fsync,open,close,rename,link,unlink,ftruncate,fallocate,mkdir
    export FAULT_CALLS
    reference "$@"; name=$2; shift 3
    before=$faults_hits
    allowed="1 3 4 5 6 13"
    FAULT_MODE=once
    for call in write pwrite rename ftruncate unlink link mkdir; do
        FAULT_CALLS=$call FAULT_ERRNO=28 fault_name="$name, $call: ENOSPC"; export FAULT_ERRNO
        loop "$@"
    done
    for call in read pread close; do
        FAULT_CALLS=$call FAULT_ERRNO=5 fault_name="$name, $call: EIO"
        loop "$@"
    done
    # SQLite syncs a file again when it has written the old pages back.
    if [ "$kind" = file ]; then FAULT_NO_AGAIN=1; export FAULT_NO_AGAIN; fi
    FAULT_CALLS=fsync fault_name="$name, fsync: EIO"
    loop "$@"
    unset FAULT_NO_AGAIN
    usual=$many many=100000 # every one of these
    FAULT_CALLS=open FAULT_ERRNO=24 fault_name="$name, open: EMFILE"
    loop "$@"
    FAULT_CALLS=thread FAULT_ERRNO=11 fault_name="$name, a thread cannot start"
    loop "$@"
    many=$usual
    FAULT_MODE=sticky
    for call in write,pwrite,fallocate,ftruncate fsync rename; do
        FAULT_CALLS=$call FAULT_ERRNO=28 fault_name="$name, $call: ENOSPC for ever"
        loop "$@"
    done
    FAULT_MODE=once FAULT_SHORT=1 FAULT_CALLS=read,pread,write,pwrite fault_name="$name, short"; export FAULT_SHORT
    loop "$@"
    unset FAULT_SHORT
    harmless=1 FAULT_ERRNO=4 fault_name="$name, EINTR"
    loop "$@"
    harmless=
    FAULT_MODE=kill FAULT_CALLS=write,pwrite,fsync,rename,unlink,ftruncate,link fault_name="$name, killed before"
    loop "$@"
    FAULT_AFTER=1 fault_name="$name, killed after"; export FAULT_AFTER
    loop "$@"
    unset FAULT_AFTER
    echo "$name: $((faults_hits - before)) faults"
}
each_file_verb faults
each_store_verb faults
each_tables_verb faults
echo "REPORT $faults_hits system calls failed, were cut short, or were the last; $faults_runs runs, $faults_bad complaints"
[ "$faults_hits" -ge 100 ] || { echo "only $faults_hits calls failed"; exit 1; }

# A disk that is really full.
mkdir full
if mount -t tmpfs -o size=64k none full 2>/dev/null; then
    cp base/in.kvf keep.kvf
    "$kv" export -q --level -7 --chunk 4096 sqlite:base/src.db full/out.kvf 2>err; rc=$?
    size=$(wc -c <keep.kvf)
    if [ "$size" -gt 65536 ]; then
        [ "$rc" -eq 5 ] || { echo "full disk: export ends with $rc"; cat err; faults_bad=1; }
    fi
    rm -f full/out.kvf
    "$kv" import -q keep.kvf sqlite:full/store.db 2>err; rc=$?
    { [ "$rc" -eq 5 ] || [ "$rc" -eq 13 ]; } || { echo "full disk: import ends with $rc"; cat err; faults_bad=1; }
    left=$(ls -A full | grep -v '^store.db$')
    [ -z "$left" ] || { echo "full disk: left behind: $left"; faults_bad=1; }
    umount full
    echo "REPORT a full tmpfs refused both export and import"
else
    echo "REPORT no tmpfs may be mounted here: the full disk was left out"
fi
[ "$faults_bad" -eq 0 ]
