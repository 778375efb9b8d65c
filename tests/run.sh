#!/bin/sh
# Run every test of a build and count: B=build/release sh tests/run.sh [PATTERN ...]
# C tests speak TAP (cmocka); a script is one test: 0 passed, 77 skipped, else failed.
# As many run at once as there are processors (JOBS=1: one after the other); each
# tells its result when it ends.  The last line is "N passed, N failed, N skipped".
# A test that hangs is ended and has failed: after 5 minutes, a script after 15.
set -u
B=${B:-build/release}
export B
KVFERRY=$(pwd)/$B/kvferry; export KVFERRY
TOP=$(pwd); export TOP
SHARED=${SHARED:-$TOP/../shared}; export SHARED
ASAN_OPTIONS=${ASAN_OPTIONS:-allow_user_segv_handler=0:detect_stack_use_after_return=0}; export ASAN_OPTIONS
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}; export UBSAN_OPTIONS
TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}; export TSAN_OPTIONS
CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT
unset KVFERRY_FORMATS NO_COLOR

slow() { # what took long, and how long
    took=$(($(date +%s) - begin))
    [ "$took" -lt 10 ] || echo " ($took s)"
}

# A program: its own tests are counted.
program() {
    timeout -k 10 300 "$t" >"$log" 2>&1 </dev/null; rc=$?
    [ "$rc" -ne 124 ] || echo "# ended after 300 seconds" >>"$log"
    # cmocka 1.1.7 says "not ok N # SKIP" of a test that was skipped.
    ok=$(grep '^ok ' "$log" | grep -vc '# SKIP'); skip=$(grep -cE '^(not )?ok .*# SKIP' "$log")
    bad=$(grep '^not ok ' "$log" | grep -vc '# SKIP')
    [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ "$rc" -eq 0 ] && [ "$((ok + skip))" -eq 0 ] && bad=1
    printf '%-44s %s\n' "${t#"$B"/tests/}" "$ok ok$([ "$bad" -gt 0 ] && echo ", $bad FAILED")$(slow)"
    [ "$bad" -gt 0 ] && { echo "${t#"$B"/}" >>"$RESULTS/failed"; sed 's/^/    /' "$log" | tail -60; }
    echo "$ok $bad $skip" >>"$RESULTS/counts"
}

script() {
    dir=$(mktemp -d) || exit 1
    (cd "$dir" && TMPDIR=$dir timeout -k 10 900 sh "$TOP/$t") >"$log" 2>&1 </dev/null; rc=$?
    [ "$rc" -ne 124 ] || echo "ended after 900 seconds" >>"$log"
    case $rc in
    0) echo "1 0 0" >>"$RESULTS/counts"; printf '%-44s ok%s\n' "$t" "$(slow)"; sed -n 's/^REPORT /    /p' "$log";;
    77) echo "0 0 1" >>"$RESULTS/counts"; printf '%-44s SKIPPED: %s\n' "$t" "$(tail -1 "$log")";;
    *) echo "0 1 0" >>"$RESULTS/counts"; echo "$t" >>"$RESULTS/failed"
       printf '%-44s FAILED (exit %s)\n' "$t" "$rc"; sed 's/^/    /' "$log" | tail -60;;
    esac
    chmod -R u+rwx "$dir" 2>/dev/null; rm -rf "$dir"
}

if [ "${1:-}" = --one ]; then # one test, its result in one piece
    t=$2 log=$(mktemp) text=$(mktemp) begin=$(date +%s)
    case $t in *.sh) script;; *) program;; esac >"$text"
    cat "$text"
    rm -f "$log" "$text"
    exit 0
fi

wanted() { # does the name match one of the patterns?
    [ $# -eq 1 ] && return 0
    name=$1; shift
    for p in "$@"; do case $name in *$p*) return 0;; esac; done
    return 1
}

RESULTS=$(mktemp -d) || exit 1
export RESULTS
trap 'rm -rf "$RESULTS"' EXIT
: >"$RESULTS/counts"
: >"$RESULTS/failed"
# The long ones first, so that none is left over at the end.
for t in tests/crash/*.sh "$B"/tests/conform/* tests/integration/pg_*.sh tests/integration/*.sh "$B"/tests/unit/* tests/cli/*.sh \
    tests/fuzz/replay.sh samples/*/test.sh; do
    case $t in *.o|*.d|*.so|*.gcno|*.gcda) continue;; esac
    case $t in *.sh) [ -f "$t" ];; *) [ -x "$t" ] && [ -f "$t" ];; esac || continue
    wanted "$t" "$@" && echo "$t"
done | awk '!seen[$0]++' | xargs -P "${JOBS:-$(nproc 2>/dev/null || echo 1)}" -n 1 sh "$0" --one

[ -s "$RESULTS/failed" ] && { echo; echo "failed:"; sed 's/^/  /' "$RESULTS/failed"; }
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' "$RESULTS/counts"
