#!/bin/sh
# A lakeFS installation is migrated in place; the run is killed at random moments, and given
# again, until it is through: the store is the same as after an undisturbed run, to the byte.
#
#     KILLS=200 SEED=1 B=build/release sh tests/torture/lakefs.sh      (part of `make torture`)
#
# The last line is "N passed, N failed", a kill each.
set -u
TOP=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
B=${B:-build/release} KILLS=${KILLS:-200} SEED=${SEED:-$(date +%s)}
KVFERRY=${KVFERRY:-$TOP/$B/kvferry}
home=$(mktemp -d /dev/shm/kvferry-lakefs.XXXXXX 2>/dev/null || mktemp -d) || exit 1
TMPDIR=$home
export TMPDIR TOP B KVFERRY KILLS SEED
cd "$home" || exit 1
# By then the server has ended.
trap 'rc=$?; rm -rf "$home"; exit $rc' EXIT
sh -c '. "$TOP/tests/integration/lakefs/lake.sh"; lake_start "max_connections = 40"; lake lake --edges --commits 1000 --staged 1500 --runs 300
    export F AS_OF; /usr/bin/python3 "$TOP/tests/torture/lakefs.py"'
