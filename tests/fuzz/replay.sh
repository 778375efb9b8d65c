#!/bin/sh
# Every fuzz target survives its corpus, and the corpus reaches what its list
# tests/fuzz/corpus/NAME.reaches says.
set -u
bad=0 targets=0 total=0
for src in "$TOP"/tests/fuzz/fuzz_*.c; do
    [ -f "$src" ] || continue
    name=$(basename "$src" .c); name=${name#fuzz_}
    targets=$((targets + 1))
    corpus=$TOP/tests/fuzz/corpus/$name
    if ! [ -d "$corpus" ]; then
        echo "fuzz_$name: no corpus in tests/fuzz/corpus/$name"; bad=1; continue
    fi
    timeout 120 "$TOP/$B/tests/fuzz/replay_fuzz_$name" "$corpus" >out 2>err; rc=$?
    if [ "$rc" -ne 0 ]; then
        echo "fuzz_$name: exit $rc, the last input is named here:"; tail -40 err; bad=1; continue
    fi
    n=$(sed -n 's/ inputs$//p' out); total=$((total + n))
    sed -n 's/^saw //p' out | LC_ALL=C sort >saw
    if [ -f "$corpus.reaches" ]; then
        missing=$(grep -v '^#' "$corpus.reaches" | LC_ALL=C sort -u | LC_ALL=C comm -23 - saw)
        if [ -n "$missing" ]; then
            echo "fuzz_$name: no input reaches:" $missing; bad=1; continue
        fi
    fi
    echo "REPORT fuzz_$name: $n inputs, $(wc -l <saw) kinds of outcome"
done
if [ "$targets" -eq 0 ]; then
    echo "there are no fuzz targets"; exit 77
fi
exit $bad
