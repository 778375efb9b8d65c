#!/bin/sh
# Run every test of a build and count: B=build/release sh tests/run.sh [PATTERN ...]
# C tests speak TAP (cmocka); a script is one test: 0 passed, 77 skipped, else failed.
# The last line is "N passed, N failed, N skipped".  A test that hangs is ended
# and has failed: after 5 minutes, a script after 15.
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
passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
failures=$(mktemp) || exit 1
trap 'rm -f "$log" "$failures"' EXIT

wanted() { # does the name match one of the patterns?
    [ $# -eq 1 ] && return 0
    name=$1; shift
    for p in "$@"; do case $name in *$p*) return 0;; esac; done
    return 1
}

slow() { # what took long, and how long
    took=$(($(date +%s) - begin))
    [ "$took" -lt 10 ] || echo " ($took s)"
}

for t in "$B"/tests/unit/* "$B"/tests/conform/*; do
    case $t in *.o|*.d|*.so|*.gcno|*.gcda) continue;; esac
    [ -x "$t" ] && [ -f "$t" ] || continue
    wanted "$t" "$@" || continue
    begin=$(date +%s)
    timeout -k 10 300 "$t" >"$log" 2>&1 </dev/null; rc=$?
    [ "$rc" -ne 124 ] || echo "# ended after 300 seconds" >>"$log"
    # cmocka 1.1.7 says "not ok N # SKIP" of a test that was skipped.
    ok=$(grep '^ok ' "$log" | grep -vc '# SKIP'); skip=$(grep -cE '^(not )?ok .*# SKIP' "$log")
    bad=$(grep '^not ok ' "$log" | grep -vc '# SKIP')
    [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ "$rc" -eq 0 ] && [ "$((ok + skip))" -eq 0 ] && bad=1
    passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skip))
    printf '%-44s %s\n' "${t#"$B"/tests/}" "$ok ok$([ "$bad" -gt 0 ] && echo ", $bad FAILED")$(slow)"
    [ "$bad" -gt 0 ] && { echo "${t#"$B"/}" >>"$failures"; sed 's/^/    /' "$log" | tail -60; }
done

for t in tests/cli/*.sh tests/integration/*.sh tests/fuzz/replay.sh tests/crash/*.sh samples/*/test.sh; do
    [ -f "$t" ] || continue
    wanted "$t" "$@" || continue
    dir=$(mktemp -d) || exit 1
    begin=$(date +%s)
    (cd "$dir" && TMPDIR=$dir timeout -k 10 900 sh "$TOP/$t") >"$log" 2>&1 </dev/null; rc=$?
    [ "$rc" -ne 124 ] || echo "ended after 900 seconds" >>"$log"
    case $rc in
    0) passed=$((passed + 1)); printf '%-44s ok%s\n' "$t" "$(slow)"; sed -n 's/^REPORT /    /p' "$log";;
    77) skipped=$((skipped + 1)); printf '%-44s SKIPPED: %s\n' "$t" "$(tail -1 "$log")";;
    *) failed=$((failed + 1)); echo "$t" >>"$failures"
       printf '%-44s FAILED (exit %s)\n' "$t" "$rc"; sed 's/^/    /' "$log" | tail -60;;
    esac
    chmod -R u+rwx "$dir" 2>/dev/null; rm -rf "$dir"
done

[ -s "$failures" ] && { echo; echo "failed:"; sed 's/^/  /' "$failures"; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
