#!/bin/sh
# Run the variants of the import protocol's model: sh check.sh quick|all [NAME ...]
#
# Prints a table and then one line each, "ok ..." or "not ok ...", and a last line
# that counts.  A sound variant must have no error in the whole of its states; a
# bad one must break the invariant that it is known to break: a check that cannot
# fail is none.  JOBS (2) run at once, each with at most MEM (3000) megabytes.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${MODEL_BUILD:-$here/../../build/model}
JOBS=${JOBS:-2} MEM=${MEM:-3000}
export here out MEM

# one NAME EXPECTED FLAGS...: writes $out/NAME/result
one() {
    name=$1 expected=$2; shift 2
    dir=$out/$name
    rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" && cp "$here/import.pml" . || return 1
    found='did not run' states=- seconds=-
    # Where little is searched, it is the compiler that takes the time.
    how="-O0 -DSAFETY" run=""
    case $expected in
    sound) how="-O2 -DSAFETY";;
    I7) how="-O2 -DNFAIR=3" run="-a -f"; set -- -DLIVENESS "$@";;
    *) run=-E; set -- -DBAD "$@";;
    esac
    if spin -a "$@" import.pml >spin.log 2>&1 &&
        ${CC:-cc} -w $how -DCOLLAPSE -DMEMLIM="$MEM" -o pan pan.c >cc.log 2>&1; then
        # shellcheck disable=SC2086
        ./pan -m500000 $run >pan.log 2>&1
        states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
        seconds=$(sed -n 's/^pan: elapsed time \([0-9.]*\) seconds/\1/p' pan.log)
        broken=$(sed -n 's/^pan:[0-9]*: assertion violated \([A-Za-z0-9_]*\) .*/\1/p' pan.log)
        if [ -n "$broken" ]; then
            found=$broken
        elif grep -q 'acceptance cycle' pan.log && ! grep -q 'errors: 0' pan.log; then
            found=I7_no_commit
        elif grep -q 'errors: 0' pan.log &&
            ! grep -qE 'max search depth too small|out of memory|aborted|Search not completed|exceeds' pan.log; then
            found='no error'
        else
            found='search was not finished'
        fi
        rm -f pan pan.[bchmpt]
    fi
    case $expected:$found in
    sound:'no error'|I7:'no error') verdict=ok;;
    I7:*) verdict='not ok';;
    I*:"$expected"_*) verdict=ok;;
    *) verdict='not ok';;
    esac
    echo "$verdict|$name|$expected|$found|${states:--}|${seconds:--}|$*" >result
}

if [ "${1:-}" = one ]; then
    shift
    one "$@"
    exit 0
fi
case ${1:-} in
quick|all) when=$1; shift;;
*) echo "usage: check.sh quick|all [NAME ...]" >&2; exit 2;;
esac
list=$(sed -e 's/#.*//' -e '/^ *$/d' "$here/variants.txt" | awk -F'|' -v when="$when" -v only=" $* " '
    { gsub(/ /, "", $1); gsub(/ /, "", $2); gsub(/ /, "", $3); gsub(/^ +| +$/, "", $4) }
    only != "  " { if (index(only, " " $1 " ")) show(); next }
    when == "all" || $3 == "quick" { show() }
    function show() { print $1 " " $2 ($4 == "" ? "" : " " $4) }')
n=$(echo "$list" | grep -c .)
[ "$n" -gt 0 ] || { echo "no such variant: $*" >&2; exit 2; }
if ! command -v spin >/dev/null 2>&1; then
    echo "THE MODEL WAS NOT CHECKED: spin is not installed (Debian: spin)"
    echo "0 passed, 0 failed, $n skipped"
    exit 0
fi
mkdir -p "$out" || exit 1
echo "$list" | xargs -P "$JOBS" -L 1 sh "$here/check.sh" one
printf '%-23s %-9s %-32s %10s %8s\n' variant expected found states seconds
passed=0 failed=0
for name in $(echo "$list" | cut -d' ' -f1); do
    [ -f "$out/$name/result" ] || { failed=$((failed + 1)); echo "$name did not run"; continue; }
    IFS='|' read -r verdict name expected found states seconds flags <"$out/$name/result"
    printf '%-23s %-9s %-32s %10s %8s\n' "$name" "$expected" "$found" "$states" "$seconds"
done
echo
for name in $(echo "$list" | cut -d' ' -f1); do
    [ -f "$out/$name/result" ] || { echo "not ok $name did not run"; continue; }
    IFS='|' read -r verdict name expected found states seconds flags <"$out/$name/result"
    echo "$verdict $name: $found"
    if [ "$verdict" = ok ]; then passed=$((passed + 1)); continue; fi
    failed=$((failed + 1))
    echo "    to see it: cd $out/$name && spin -t -p $flags import.pml"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
