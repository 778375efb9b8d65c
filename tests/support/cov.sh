#!/bin/sh
# What the tests of a build have run: sh tests/support/cov.sh build/cov
# Called by `make cov` after the tests.  Lines and branches of each file of the
# library and the program; branches that only an assertion or an allocation
# failure takes count as all others do.
set -eu
b=$1
sh tests/support/deps.sh cov
gcovr --root . --object-directory "$b" --filter 'src/' --exclude-unreachable-branches \
    --html-details "$b/coverage.html" --txt "$b/lines.txt" --txt-metric line
gcovr --root . --object-directory "$b" --filter 'src/' --exclude-unreachable-branches \
    --txt "$b/branches.txt" --txt-metric branch
echo "lines:"; sed -n '6,$p' "$b/lines.txt" | cut -c1-64
echo "branches:"; tail -2 "$b/branches.txt" | cut -c1-64
echo "in detail: $b/coverage.html"
