#!/bin/sh
# Benchmarks on lakeFS's tables: rows per second of each package, peak memory, the
# ratio to COPY binary into zstd -1 of the same tables; is ten times as many runs at
# most eleven times the work; and loading against a loop that commits each record.
#
#	B=build/release [COMMITS=1000000] [STAGED=1000000] [RUNS=100000] [USERS=1000] [ROUNDS=3] \
#	    sh tests/bench/run_lakefs.sh                    (make bench-lakefs)
#
# A server of its own, fsync on.  What kvferry writes is checked after the clock has
# stopped: `kvferry verify` decodes the stream, psql alone counts what it must hold.
set -u
B=${B:-build/release}
COMMITS=${COMMITS:-1000000} STAGED=${STAGED:-1000000} RUNS=${RUNS:-100000} USERS=${USERS:-1000} ROUNDS=${ROUNDS:-3}
top=$(pwd) kvf=$top/$B/kvferry bin=$top/$B/tests/bench F=$top/formats/lakefs
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/kvf.XXXXXX") || exit 1
die() { echo "bench-lakefs: $*" >&2; exit 1; }
TMPDIR=$dir
. "$top/tests/support/pgtmp.sh"
pg_start 'fsync = on' 'shared_buffers = 1GB' 'max_wal_size = 32GB' 'checkpoint_timeout = 30min' 'work_mem = 64MB' 'jit = off' \
    'client_min_messages = warning'
trap 'pg_status=$?; trap - EXIT; pg_stop immediate; rm -rf "$dir"; exit $pg_status' EXIT
trap 'exit 130' INT TERM
cd "$dir" && cp "$kvf" kvferry || exit 1
kvf=$dir/kvferry PATH=$PG_BIN:$PATH
AS_OF=2022-07-01T00:00:00Z

fill() { # DATABASE COMMITS STAGED RUNS
    pg_sql postgres "CREATE DATABASE $1"
    "$top/samples/lakefs/generate" --repos 20 --commits "$2" --branches 200 --staged "$3" --runs "$4" --users "$USERS" "$1" ||
        die "cannot fill $1"
    pg_sql "$1" 'VACUUM (FREEZE, ANALYZE)'
}
tables() { # PACKAGE
    case $1 in
    actions) echo actions_runs actions_run_hooks;;
    auth) echo auth_users auth_groups auth_policies auth_user_groups auth_user_policies auth_group_policies auth_credentials \
        auth_expired_tokens auth_installation_metadata;;
    graveler) echo graveler_repositories graveler_branches graveler_commits graveler_tags;;
    staged) echo graveler_staging_kv;;
    esac
}
one() { # NAME COMMAND
    pg_sql postgres CHECKPOINT; sync
    "$bin/timed" clock "$2" >log 2>&1 || { tail -5 log >&2; die "$1 failed"; }
    cat clock >>"times.$1"
    printf '  %-20s %7s s %6s MiB\n' "$1" $(cut -d' ' -f1,2 clock) >&2
}
copy_out() { # DATABASE TABLE...
    db=$1; shift
    printf 'rm -f copy.*.zst; psql -Xq -d %s' "$db"
    for t; do printf ' -c "\\\\copy (SELECT * FROM %s) to program '\''zstd -q -1 -o copy.%s.zst'\'' (format binary)"' "$t" "$t"; done
    printf ' && sync copy.*.zst'
}
export_one() { printf '%s' "'$kvf' export -q -f '$F' -a as_of=$AS_OF --overwrite $2 dbname=$1 $1.kvf"; }
median() { awk '{print $1}' "times.$1" | sort -n | awk '{a[NR]=$1} END {print NR % 2 ? a[(NR+1)/2] : (a[NR/2]+a[NR/2+1])/2}'; }
peak() { awk '$2 > m {m = $2} END {print m}' "times.$1"; }

echo "bench-lakefs: filling" >&2
fill big "$COMMITS" "$STAGED" "$RUNS"
fill ten 1000 1000 $((RUNS * 10))
fill one 1000 1000 "$RUNS"
round=1
while [ "$round" -le "$ROUNDS" ]; do
    echo "bench-lakefs: round $round" >&2
    for p in actions auth graveler; do
        one "$p" "$(export_one big "-p $p")"
        t=$(tables $p); [ $p != graveler ] || t="$t $(tables staged)"
        one "$p-copy" "$(copy_out big $t)"
    done
    one all "$(export_one big '')"
    one all-copy "$(copy_out big $(tables actions) $(tables auth) $(tables graveler) $(tables staged))"
    one runs-1 "$(export_one one '-p actions')"
    one runs-10 "$(export_one ten '-p actions')"
    pg_sql postgres 'DROP DATABASE IF EXISTS kv WITH (FORCE)' 'CREATE DATABASE kv'
    one migrate "'$kvf' migrate -q -f '$F' -a as_of=$AS_OF --partitions 100 --sides . --overwrite dbname=big dbname=kv"
    round=$((round + 1))
done
"$kvf" verify -q big.kvf || die "the stream is not whole"
"$kvf" verify -q big.kvf dbname=kv || die "the store is another one"
for p in "commits:$COMMITS:^commits/" "staged:$STAGED:" "runs:$RUNS:"; do
    what=${p%%:*} n=${p#*:}; n=${n%%:*}
    case $what in
    commits) got=$(pg_sql kv "SELECT count(*) FROM kv WHERE encode(key, 'escape') LIKE 'commits/%'");;
    staged) got=$(pg_sql kv "SELECT count(*) FROM kv WHERE encode(partition_key, 'escape') LIKE '%:%'");;
    runs) got=$(pg_sql kv "SELECT count(*) FROM kv WHERE encode(key, 'escape') LIKE 'repos/%/runs/%'");;
    esac
    [ "$got" = "$n" ] || die "$got $what instead of $n"
done
# The loop that lakeFS's own tool is: each record on its own, committed.
LOOP=5000
pg_sql postgres 'DROP DATABASE IF EXISTS slow' 'CREATE DATABASE slow'
pg_sql slow 'CREATE TABLE kv (partition_key bytea, key bytea, value bytea, PRIMARY KEY (partition_key, key))'
psql -XAtq -d kv -c "SELECT format('INSERT INTO kv VALUES (%L, %L, %L) ON CONFLICT DO NOTHING;', partition_key, key, value) FROM kv LIMIT $LOOP" >loop.sql
one loop "psql -Xq -d slow -f loop.sql"

entries=$(pg_sql kv 'SELECT count(*) FROM kv')
rows() { pg_sql big "SELECT sum(n) FROM ($(for t in "$@"; do echo "SELECT count(*) AS n FROM $t UNION ALL"; done) SELECT 0) x"; }
line() { # LABEL CASE ROWS
    awk -v l="$1" -v a="$(median "$2")" -v b="$(median "$2-copy")" -v n="$3" -v m="$(peak "$2")" 'BEGIN {
        printf "| %-10s | %9d | %7.2f | %9d | %7.2f | %5.2f | %5d |\n", l, n, a, n / a, b, a / b, m }'
}
echo
echo "$COMMITS commits, $STAGED staged entries, $RUNS runs with 3 hooks each, $USERS users; medians of $ROUNDS rounds, $(nproc) processors"
echo
echo "| package    |      rows | seconds |    rows/s | COPY, s | ratio | peak |"
echo "|:---|---:|---:|---:|---:|---:|---:|"
line actions actions "$(rows $(tables actions))"
line auth auth "$(rows $(tables auth))"
line graveler graveler "$(rows $(tables graveler) $(tables staged))"
line all all "$(rows $(tables actions) $(tables auth) $(tables graveler) $(tables staged))"
awk -v a="$(median runs-1)" -v b="$(median runs-10)" 'BEGIN { printf "\nten times the runs: %.2f s and %.2f s, %.1f times (at most 11)\n", a, b, b / a; exit (b / a > 11) }' ||
    die "more than 11 times"
awk -v s="$(median migrate)" -v n="$entries" -v l="$(median loop)" -v k=$LOOP -v m="$(peak migrate)" 'BEGIN {
    printf "migrated, verified and published: %d entries in %.1f s, %d a second, peak %d MiB\n", n, s, n / s, m
    printf "defect 18: a loop that commits each record: %d a second, %.0f times slower (at least 10)\n", k / l, (n / s) / (k / l)
    exit ((n / s) / (k / l) < 10) }' || die "not 10 times as fast as a loop"
