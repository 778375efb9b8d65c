#!/bin/sh
# Faults at every occurrence: `make torture`, or
#
#     CASES='kill postgres' EVERY=5 B=build/release sh tests/torture/run.sh
#
#   CASES   beginnings of the names of cases, or parts of them (default: all; `CASES=list`
#           names them)
#   EVERY   only every k-th occurrence of each; 1: every one, which takes hours
#   MOST    at most so many of each, spread evenly
#           (default: torture.py says how many of each, about 20 minutes in all)
#   JOBS    runs at the same time (default 2)
#
# What is tried at an occurrence is in the head of each tests/torture/*.py.  The
# table at the end is the one in docs/reliability.md; the last line is "N passed,
# N failed", an occurrence each.
set -u
TOP=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
B=${B:-build/release}
KVFERRY=${KVFERRY:-$TOP/$B/kvferry}
export TOP B
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1

if [ "${CASES:-}" = list ]; then exec "$python" "$TOP/tests/torture/torture.py"; fi
command -v strace >/dev/null 2>&1 || { echo "strace is not installed"; exit 77; }
strace -o /dev/null true 2>/dev/null || { echo "no process may be traced here"; exit 77; }
"$python" -c 'import msgpack' 2>/dev/null || { echo "python3-msgpack is not installed"; exit 77; }

# In memory where possible: thousands of runs would wait for a disk otherwise.
home=$(mktemp -d /dev/shm/kvferry-torture.XXXXXX 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$home"' EXIT
trap 'exit 1' HUP INT TERM
cd "$home" || exit 1
TMPDIR=$home; export TMPDIR
# What is tried stays as it is while somebody builds anew.
mkdir bin || exit 1
cp "$KVFERRY" bin/kvferry && cp "$TOP/$B/tests/kvferry" bin/kvferry-points &&
    cp "$TOP/$B/tests/tools/pgproxy" "$TOP/$B/tests/support/failio.so" bin || exit 1
if (. "$TOP/tests/support/pgtmp.sh"; pg_find) >/dev/null 2>&1; then
    . "$TOP/tests/support/pgtmp.sh"
    pg_start "max_connections = 100" "autovacuum = off"
    trap 'rc=$?; pg_stop immediate; rm -rf "$home"; exit $rc' EXIT
    PATH=$PG_BIN:$PATH
    TORTURE_PG=1; export TORTURE_PG PG_BIN PG_DIR PG_USER
fi
"$python" "$TOP/tests/torture/torture.py"
