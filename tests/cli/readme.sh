#!/bin/sh
# README.md tells the truth: its sh blocks run, one after the other, and print
# what the text block behind each of them shows, but for times and places.
set -eu
fail() { echo "$1"; exit 1; }
bin=$(cd "$(dirname "$KVFERRY")" && pwd)
PATH=$bin:$PATH
ln -s "$TOP/samples" samples
ln -s "$TOP/formats" formats

# 1.sh, 1.txt, 2.sh ...
awk '/^```sh$/ { n++; out = n ".sh"; next } /^```text$/ { out = n ".txt"; next } /^```$/ { out = ""; next }
     out { print > out }' "$TOP/README.md"
# The exact words of what is measured or depends on the place are no promise.
same() { sed -E 's/^(time +).*/\1TIME/; s/^(source +)SQLite [0-9.]+, .*/\1SOURCE/' "$1"; }

n=0
while [ -f $((n + 1)).sh ]; do
	n=$((n + 1))
	rc=0; sh -eu $n.sh >out 2>err </dev/null || rc=$?
	[ "$rc" -eq 0 ] || { cat $n.sh out err; fail "block $n of README.md ended with status $rc"; }
	[ -f $n.txt ] || fail "block $n of README.md does not show its output"
	same out >got; same $n.txt >want
	cmp -s want got || { cat $n.sh; diff want got || :; fail "block $n of README.md prints something else"; }
done
[ "$n" -ge 5 ] || fail "only $n blocks found in README.md"

# What it names is there.
grep -o '](\([^)#]*\))' "$TOP/README.md" | sed 's/^](//; s/)$//' | while read -r link; do
	case $link in http*) continue;; esac
	[ -e "$TOP/$link" ] || fail "README.md names $link, which is not there"
done
for target in $(sed -n 's/^    make \([a-z][a-z]*\).*/\1/p' "$TOP/README.md"); do
	grep -q "^$target[ a-z]*:" "$TOP/Makefile" || fail "README.md names make $target, which is not there"
done
echo "REPORT README.md: $n blocks run"
