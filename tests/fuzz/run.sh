#!/bin/sh
# Fuzz one target: FLAGS=... LIBS=... sh tests/fuzz/run.sh fuzz_NAME
# Called by `make fuzz`.  FUZZ_SECONDS (60) bounds the run.  New inputs go to
# build/fuzz/found/NAME; FUZZ_MERGE=1 afterwards adds those that reach new code
# to tests/fuzz/corpus/NAME.  Reproducers of a crash stand in build/fuzz/crash/.
set -eu
target=$1; name=${target#fuzz_}
seconds=${FUZZ_SECONDS:-60}
found=build/fuzz/found/$name crash=build/fuzz/crash/$name corpus=tests/fuzz/corpus/$name
bin=build/fuzz/tests/fuzz/$target
sh tests/support/deps.sh fuzz
mkdir -p "$found" "$crash" build/fuzz/tests/fuzz
# FLAGS and LIBS are lists of words.
clang $FLAGS -fsanitize=fuzzer -o "$bin" "tests/fuzz/$target.c" $LIBS
[ -d "$corpus" ] || { echo "$target: no corpus in $corpus" >&2; exit 1; }
dict=; [ -f "tests/fuzz/$name.dict" ] && dict=-dict=tests/fuzz/$name.dict
log=build/fuzz/$name.log
echo "$target: $seconds s ..."
ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1:detect_stack_use_after_return=0}; export ASAN_OPTIONS
rc=0
"$bin" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -max_len="${FUZZ_MAX_LEN:-65536}" -print_final_stats=1 -artifact_prefix="$crash/" $dict \
    "$found" "$corpus" >"$log" 2>&1 || rc=$?
if [ "$rc" -ne 0 ]; then
    tail -60 "$log"
    echo "$target: FAILED (exit $rc), reproducer in $crash/, log in $log" >&2
    exit 1
fi
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
cov=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
echo "$target: $runs runs, $cov edges, no finding; $(ls "$found" | wc -l) new inputs in $found"
if [ -n "${FUZZ_MERGE:-}" ]; then
    "$bin" -merge=1 "$corpus" "$found" >>"$log" 2>&1
    echo "$target: corpus has $(ls "$corpus" | wc -l) inputs now"
fi
