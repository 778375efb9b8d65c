#!/bin/sh
# What the tests of a build have run: sh tests/support/cov.sh build/cov
# Called by `make cov` after the tests.  Lines and branches of each file of the
# library and the program; branches that only an assertion or an allocation
# failure takes count as all others do.
set -eu
b=$1
sh tests/support/deps.sh cov
common="--root . --object-directory $b --filter src/ --exclude-unreachable-branches"
# shellcheck disable=SC2086
gcovr $common --html-details "$b/coverage.html" --txt "$b/lines.txt" --print-summary >"$b/summary.txt"
# shellcheck disable=SC2086
gcovr $common --branches --txt "$b/branches.txt"
sed -n '6,$p' "$b/lines.txt" | cut -c1-64
echo "branches:"; grep '^TOTAL' "$b/branches.txt"
cat "$b/summary.txt"
echo "in detail: $b/coverage.html"
