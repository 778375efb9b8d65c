#!/bin/sh
# Benchmarks on PostgreSQL: kvferry beside its peers, in one run.  `make bench-pg`, or
#
#	B=build/release [ROWS=2000000] [ROUNDS=3] [CASES='ordered import'] [BENCH_BIG=1] \
#	    sh tests/bench/run_pg.sh
#
# The server is one of its own (tests/support/pgtmp.sh), with fsync on.  Each round
# runs every case once, so that a slow minute hits all of them; the table at the end
# has medians and ratios.  Nothing is compared that is not proven: after the clock
# has stopped, psql (or sqlite3) alone counts and hashes the sorted rows of each
# result, and a case that fails this has no ratio.  A peer that is not installed is
# named.  BENCH_BIG=1 adds one round with ten times as many rows.
set -u
B=${B:-build/release}
ROWS=${ROWS:-2000000}
ROUNDS=${ROUNDS:-3}
CASES=${CASES:-ordered random ten import migrate memory}
BIG=${BENCH_BIG:-}
BIG_ROWS=${BIG_ROWS:-$((ROWS * 10))}
MEMORY=${MEMORY:-256M}
top=$(pwd)
kvf=$top/$B/kvferry
bin=$top/$B/tests/bench
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/kvf.XXXXXX") || exit 1
die() { echo "bench-pg: $*" >&2; exit 1; }

# ---- the server, and the peers ---------------------------------------------------------
TMPDIR=$dir
. "$top/tests/support/pgtmp.sh"
pg_start 'fsync = on' 'shared_buffers = 1GB' 'max_wal_size = 32GB' 'checkpoint_timeout = 30min' \
    'maintenance_work_mem = 512MB' 'work_mem = 64MB' 'TimeZone = UTC' 'DateStyle = ISO' \
    'jit = off' 'client_min_messages = warning'
trap 'pg_status=$?; trap - EXIT; pg_stop immediate; rm -rf "$dir"; exit $pg_status' EXIT
trap 'exit 130' INT TERM
cd "$dir" && cp "$kvf" kvferry || exit 1 # it may be built anew meanwhile
kvf=$dir/kvferry
PATH=$PG_BIN:$PATH
export PATH

absent=
have() { case " $absent " in *" $1 "*) return 1;; esac; }
for tool in psql pg_dump pg_restore pgcopydb sqlite3 zstd; do
    command -v $tool >/dev/null 2>&1 || absent="$absent $tool"
done
have psql && have sqlite3 && have zstd || die "psql, sqlite3 and zstd are needed;$absent missing"
[ -z "$absent" ] || echo "bench-pg: absent, and not compared:$absent" >&2

# What is made of a database in a case does not show in its time.
db_new() {
    pg_sql postgres "DROP DATABASE IF EXISTS $1 WITH (FORCE)" "CREATE DATABASE $1" || die "cannot make a database"
}
settle() { pg_sql postgres CHECKPOINT && sync; }

# ---- hashes of sorted rows, by psql alone ------------------------------------------------
# COPY in binary is one form for one content; its hash stands for all rows in order.
# Where a key gives that order, it is taken rather than a sort.
hash_sql() { # DATABASE SELECT ORDER: "count hash"
    pg_sql "$1" "SELECT count(*) FROM ($2) q" | tr '\n' ' ' &&
        psql -XqAt -d "$1" -c "SET work_mem = '1GB'; SET enable_sort = off" -c "COPY ($2 ORDER BY $3) TO STDOUT (FORMAT binary)" | sha256sum | cut -d' ' -f1
}
hash_kv() { hash_sql "$1" "SELECT partition_key, key, value FROM kv" "partition_key, key"; }
hash_rows() { # DATABASE TABLE
    hash_sql "$1" "SELECT * FROM $2" "repository_id, id"
}
hash_all() { # DATABASE: of each table of commits
    for t in $(tables_of "$1"); do echo "$t $(hash_rows "$1" "$t")"; done
}
tables_of() {
    pg_sql "$1" "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
}

# ---- what the cases are made of ------------------------------------------------------------
columns='repository_id text NOT NULL, id text NOT NULL, committer text NOT NULL, message text NOT NULL,
    creation_date timestamptz NOT NULL, meta_range_id text NOT NULL, metadata jsonb, parents jsonb NOT NULL'

make_source() { # DATABASE ROWS ordered|random
    db_new "$1"
    pg_sql "$1" "CREATE TABLE commits ($columns)" || exit 1
    "$bin/gen_commits" - "$2" "$3" | psql -Xq -d "$1" -c "COPY commits FROM STDIN" || die "cannot fill $1"
    pg_sql "$1" "ALTER TABLE commits ADD PRIMARY KEY (repository_id, id)" "VACUUM (FREEZE, ANALYZE) commits" || exit 1
}

# Ten tables of the same rows, from nearly a half of them down to a few.
make_ten() {
    db_new ten
    i=0
    "$bin/gen_commits" - "$ROWS" ordered | psql -Xq -d ten -c "CREATE TABLE commits ($columns)" -c "COPY commits FROM STDIN" ||
        die "cannot fill ten"
    for where in "< 'repo-00009'" "BETWEEN 'repo-00009' AND 'repo-00013'" "BETWEEN 'repo-00014' AND 'repo-00016'" \
        "= 'repo-00017'" "= 'repo-00018' AND id < 'c'" "= 'repo-00018' AND id >= 'c'" "= 'repo-00019' AND id < '8'" \
        "= 'repo-00019' AND id >= '8' AND id < 'e'" "= 'repo-00019' AND id >= 'e' AND id < 'ff'" \
        "= 'repo-00019' AND id >= 'ff'"; do
        pg_sql ten "CREATE TABLE commits_$i (LIKE commits, PRIMARY KEY (repository_id, id))" \
            "INSERT INTO commits_$i SELECT * FROM commits WHERE repository_id $where" || exit 1
        i=$((i + 1))
    done
    pg_sql ten "DROP TABLE commits" "VACUUM (FREEZE, ANALYZE)" || exit 1
}

# The entries that a source has to become, made by the server: "count hash".  The
# sorted rows stay in DATABASE.copy if $2 is not empty.
want_kv() { # DATABASE [keep]
    pg_sql "$1" "CREATE TABLE shape (LIKE $(tables_of "$1" | head -n 1))" || return 1
    sed 's/(c commits)/(c shape)/' "$top/tests/bench/pg.sql" | psql -Xq -d "$1" -v ON_ERROR_STOP=1 || return 1
    all=
    for t in $(tables_of "$1"); do
        [ "$t" = shape ] && continue
        row="ROW(c.*)::shape"
        all="$all${all:+ UNION ALL }SELECT '$t'::bytea AS partition_key, entry_key($row) AS key, entry_value($row) AS value FROM $t c"
    done
    pg_sql "$1" "CREATE VIEW want AS $all" || return 1
    if [ -z "${2:-}" ]; then
        hash_sql "$1" "SELECT partition_key, key, value FROM want" "partition_key, key"
    else # hash_sql, with the rows kept
        pg_sql "$1" "SELECT count(*) FROM want" | tr '\n' ' ' &&
            psql -Xq -d "$1" -c "SET work_mem = '1GB'" \
                -c "COPY (SELECT partition_key, key, value FROM want ORDER BY 1, 2) TO STDOUT (FORMAT binary)" |
            tee "$1.copy" | sha256sum | cut -d' ' -f1
    fi || return 1
    pg_sql "$1" "DROP VIEW want" "SET client_min_messages = error; DROP TABLE shape CASCADE"
}
kv_table='CREATE TABLE kv (partition_key bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (partition_key, key))'

# ---- checks: 0 = the result holds exactly what it should -------------------------------------
# $src is the database that the case read, $want what psql says that it has to become.
check_stream() { # zstd, a loop that knows msgpack, and psql read it, not kvferry
    db_new checked
    pg_sql checked "$kv_table" &&
        zstd -q -dc "$1" | "$bin/entries_copy" | psql -Xq -d checked -c "COPY kv FROM STDIN (FORMAT binary)" -c "ANALYZE kv" &&
        [ "$(hash_kv checked)" = "$(cat "want.kv.$src")" ]
}
check_copy() { # out/TABLE.zst for each table
    db_new checked
    for t in $(tables_of "$src"); do
        pg_sql checked "CREATE TABLE $t ($columns)" &&
            zstd -q -dc "out/$t.zst" | psql -Xq -d checked -c "COPY $t FROM STDIN (FORMAT binary)" || return 1
    done
    [ "$(hash_all checked)" = "$(cat "want.rows.$src")" ]
}
check_dump() {
    db_new checked
    pg_restore -d checked "$1" && [ "$(hash_all checked)" = "$(cat "want.rows.$src")" ]
}
check_db() { [ "$(hash_all "$1")" = "$(cat "want.rows.$src")" ]; }
check_kv() { [ "$(hash_kv "$1")" = "$(cat "want.kv.$src")" ]; }
check_sqlite_kv() { # hex text on both sides: sqlite3 has no other form in common with psql
    [ "$(sqlite3 "$1" "SELECT hex(partition_key), hex(key), hex(value) FROM kv ORDER BY partition_key, key" | sha256sum)" = \
        "$(cat "want.hex.$src")" ]
}
check_sqlite_rows() {
    [ "$(sqlite3 "$1" "SELECT * FROM commits ORDER BY repository_id, id" | sha256sum)" = "$(cat "want.lines.$src")" ]
}

# ---- running ---------------------------------------------------------------------------------
# one NAME CHECK COMMAND: run it, check it, keep its time and peak memory.
one() {
    name=$1 check=$2 cmd=$3
    rm -rf out; mkdir out || exit 1
    settle
    "$bin/timed" out/clock "$cmd" >out/log 2>&1 || { echo "bench-pg: $name: failed" >&2; tail -n 5 out/log >&2; : >"bad.$name"; }
    if [ -f out/clock ]; then
        eval "$check" >out/check 2>&1 || { echo "bench-pg: $name: WRONG RESULT" >&2; tail -n 5 out/check >&2; : >"bad.$name"; }
        cat out/clock >>"times.$name"
        printf '  %-24s %7s s %6s MiB\n' "$name" $(cut -d' ' -f1,2 out/clock) >&2
    fi
    for db in target checked; do pg_sql postgres "DROP DATABASE IF EXISTS $db WITH (FORCE)" 2>/dev/null; done
}

copy_out() { # one connection, one file for each table
    printf "psql -Xq -d %s" "$1"
    for t in $(tables_of "$1"); do
        printf ' -c "\\\\copy %s to program '\''zstd -q -1 -T2 -o out/%s.zst'\'' (format binary)"' "$t" "$t"
    done
    printf ' && sync out/*.zst'
}
export_cases() { # WORKLOAD PEER...
    src=$1; shift
    one "$src-kvferry" "check_stream out/out.kvf" "'$kvf' export -q dbname=$src out/out.kvf"
    for peer; do
        case $peer in
        copy) one "$src-copy" check_copy "$(copy_out "$src")";;
        dump1) have pg_dump && one "$src-dump1" "check_dump out/out.dump" "pg_dump -Fc -Z1 -f out/out.dump $src && sync out/out.dump";;
        dump) have pg_dump && one "$src-dump" "check_dump out/out.dump" "pg_dump -Fc -f out/out.dump $src && sync out/out.dump";;
        pgcopydb)
            have pgcopydb || continue
            db_new target
            one "$src-pgcopydb" "check_db target" "pgcopydb clone --dir '$dir/out/pgcopydb' --table-jobs 2 --index-jobs 2 \
                --source 'host=$PGHOST port=$PGPORT user=$PGUSER dbname=$src' --target 'host=$PGHOST port=$PGPORT user=$PGUSER dbname=target'";;
        esac
    done
}
copy_in() { # sorted entries into a keyed table, one connection, nothing verified
    printf "psql -Xq -d target -v ON_ERROR_STOP=1 -c BEGIN -c '%s' -c 'COPY kv FROM STDIN (FORMAT binary)' -c COMMIT <%s" "$kv_table" "$1"
}
import_cases() {
    src=ordered
    db_new target
    one import-kvferry "check_kv target" "'$kvf' import -q ready.kvf dbname=target"
    db_new target
    one import-copy "check_kv target" "$(copy_in ordered.copy)"
    have pg_restore || return
    db_new target
    one import-restore "check_kv target" "pg_restore -j2 -d target ready.dump"
    db_new target
    one parts-kvferry "check_kv target" "'$kvf' import -q --partitions 100 ready.kvf dbname=target"
}
migrate_cases() {
    src=ordered
    one migrate-kvferry "check_sqlite_kv out/new.db" "'$kvf' migrate -q dbname=ordered sqlite:out/new.db"
    one migrate-csv "check_sqlite_rows out/new.db" "sqlite3 out/new.db 'CREATE TABLE commits (repository_id TEXT, id TEXT,
        committer TEXT, message TEXT, creation_date TEXT, meta_range_id TEXT, metadata TEXT, parents TEXT,
        PRIMARY KEY (repository_id, id)) WITHOUT ROWID' &&
        psql -Xq -d ordered -c 'COPY commits TO STDOUT (FORMAT csv)' | sqlite3 out/new.db '.mode csv' '.import /dev/stdin commits' &&
        sync out/new.db"
}
memory_cases() { # DATABASE PREFIX: random order, so that the sorter has to spill
    src=$1
    one "$2-export" "check_stream out/out.kvf && mv out/out.kvf $2.kvf" "'$kvf' export -q --memory $MEMORY dbname=$src out/out.kvf"
    db_new target
    one "$2-import" "check_kv target" "'$kvf' import -q --memory $MEMORY $2.kvf dbname=target"
    rm -f "$2.kvf"
    db_new target # what the server alone does with as many rows
    one "$2-copy" "check_kv target" "$(copy_in "$src.copy")"
    [ "$2" = big ] || one "$2-migrate" "check_sqlite_kv out/new.db" "'$kvf' migrate -q --memory $MEMORY dbname=$src sqlite:out/new.db"
}

# ---- prepare -----------------------------------------------------------------------------------
need() { for c; do case " $CASES " in *" $c "*) return 0;; esac; done; return 1; }
prepare() { # DATABASE ROWS [keep]
    want_kv "$1" "${3:-}" >"want.kv.$1" || die "cannot make the entries of $1"
    [ "$(awk '{print $1}' "want.kv.$1")" = "$2" ] || die "$1 has another number of rows"
}
prepare_rows() { # DATABASE ROWS: for the peers that carry tables
    hash_all "$1" >"want.rows.$1" || die "cannot hash the rows of $1"
    [ "$(awk '{n += $2} END {print n}' "want.rows.$1")" = "$2" ] || die "$1 has another number of rows"
}
prepare_hex() { # DATABASE: the same as lines of hex, for stores of SQLite
    db_new checked
    pg_sql checked "CREATE TABLE kv (partition_key bytea, key bytea, value bytea)" || exit 1
    psql -Xq -d checked -c "COPY kv FROM STDIN (FORMAT binary)" <"$1.copy" || die "cannot load $1.copy"
    psql -Xq -d checked -c "COPY (SELECT upper(encode(partition_key, 'hex')), upper(encode(key, 'hex')),
        upper(encode(value, 'hex')) FROM kv ORDER BY partition_key, key) TO STDOUT (DELIMITER '|')" | sha256sum >"want.hex.$1"
}

echo "bench-pg: $ROWS rows, $ROUNDS rounds, $(nproc) processors, PostgreSQL $(pg_sql postgres 'SHOW server_version'), in $dir" >&2
if need ordered import migrate; then
    make_source ordered "$ROWS" ordered
    prepare ordered "$ROWS" keep
    prepare_rows ordered "$ROWS"
    psql -Xq -d ordered -c "COPY (SELECT * FROM commits ORDER BY repository_id, id) TO STDOUT (DELIMITER '|')" |
        sha256sum >want.lines.ordered
    need migrate && prepare_hex ordered
fi
if need random memory; then
    make_source random "$ROWS" random
    prepare random "$ROWS" keep
    ! need random || prepare_rows random "$ROWS"
    ! need memory || prepare_hex random
fi
if need ten; then
    make_ten
    prepare ten "$ROWS"
    prepare_rows ten "$ROWS"
fi
if need import; then
    "$kvf" export -q dbname=ordered ready.kvf || die "kvferry cannot export"
    db_new target
    psql -Xq -d target -c "$kv_table" -c "COPY kv FROM STDIN (FORMAT binary)" <ordered.copy || die "cannot make a kv"
    ! have pg_dump || pg_dump -Fc -Z1 -t kv -f ready.dump target || die "pg_dump"
    db_new target
fi

round=1
while [ "$round" -le "$ROUNDS" ]; do
    echo "bench-pg: round $round" >&2
    for c in $CASES; do
        case $c in
        ordered) export_cases ordered copy dump1 dump pgcopydb;;
        random) export_cases random copy dump1;;
        ten) export_cases ten copy dump1 pgcopydb;;
        import) import_cases;;
        migrate) migrate_cases;;
        memory) memory_cases random memory;;
        *) die "no such case: $c";;
        esac
    done
    round=$((round + 1))
done

if [ -n "$BIG" ]; then
    echo "bench-pg: $BIG_ROWS rows" >&2
    for db in ordered random ten; do pg_sql postgres "DROP DATABASE IF EXISTS $db WITH (FORCE)"; done
    rm -f ordered.copy random.copy ready.kvf ready.dump
    make_source big "$BIG_ROWS" random
    prepare big "$BIG_ROWS" keep
    memory_cases big big
fi

# ---- the table ---------------------------------------------------------------------------------
median() { # CASE
    awk '{print $1}' "times.$1" | sort -n | awk '{a[NR]=$1} END {print NR % 2 ? a[(NR+1)/2] : (a[NR/2]+a[NR/2+1])/2}'
}
peak() { awk '$2 > m {m = $2} END {print m}' "times.$1"; }
status=0
good() {
    for c; do
        [ -f "times.$c" ] && [ ! -f "bad.$c" ] || { status=1; return 1; }
    done
}
row() { # LABEL OURS PEER FIRST-TARGET AIM
    have "${6:-psql}" || { printf '| %-46s | no ratio: %s is not installed |\n' "$1" "$6"; return; }
    good "$2" "$3" || { printf '| %-46s | no ratio: a result was wrong |\n' "$1"; return; }
    awk -v label="$1" -v a="$(median "$2")" -v b="$(median "$3")" -v m="$(peak "$2")" -v t="$4" -v aim="$5" 'BEGIN {
        printf "| %-46s | %7.2f | %7.2f | %5.2f | %6s | %4s | %5d |\n", label, a, b, a / b, t, aim, m }'
}
echo
echo "$ROWS rows, medians of $ROUNDS interleaved rounds, $(nproc) processors, PostgreSQL $(pg_sql postgres 'SHOW server_version')"
if need ordered random ten import migrate; then
    echo
    printf '| %-46s | kvferry |    peer | ratio | target |  aim |  peak |\n' "seconds; peak of kvferry in MiB"
    echo "|:---|---:|---:|---:|---:|---:|---:|"
fi
for c in $CASES; do
    case $c in
    ordered)
        row "export / COPY binary, zstd -1 -T2" ordered-kvferry ordered-copy "<=1.3" 0.9
        row "export / pg_dump -Fc -Z1" ordered-kvferry ordered-dump1 "<=0.5" 0.35 pg_dump
        row "export / pg_dump -Fc" ordered-kvferry ordered-dump "<=0.2" 0.14 pg_dump
        row "export / pgcopydb, table to table" ordered-kvferry ordered-pgcopydb "<=0.6" 0.4 pgcopydb;;
    random)
        row "export, random keys / COPY, not sorted" random-kvferry random-copy "<=1.3" 0.9
        row "export, random keys / pg_dump -Fc -Z1" random-kvferry random-dump1 "<=0.5" 0.35 pg_dump;;
    ten)
        row "export, ten tables / COPY, not sorted" ten-kvferry ten-copy "<=1.3" 0.9
        row "export, ten tables / pg_dump -Fc -Z1" ten-kvferry ten-dump1 "<=0.5" 0.35 pg_dump
        row "export, ten tables / pgcopydb" ten-kvferry ten-pgcopydb "<=0.6" 0.4 pgcopydb;;
    import)
        row "import / sorted COPY, 1 connection, unverified" import-kvferry import-copy "<=1.7" 1.2
        row "import / pg_restore -j2" import-kvferry import-restore "<=0.8" 0.55 pg_restore
        row "import, 100 hash partitions / sorted COPY, plain" parts-kvferry import-copy "" "";;
    migrate)
        row "PostgreSQL to SQLite / COPY csv into .import" migrate-kvferry migrate-csv "<=0.5" 0.3;;
    esac
done
memory_row() { # LABEL PREFIX
    for what in export import copy migrate; do
        [ "$2-$what" != big-migrate ] || continue
        good "$2-$what" || { printf '| %-46s | no figure: a result was wrong |\n' "$what, $1"; continue; }
        printf '| %-46s | %7.2f | %9d | %5d |\n' "$what, $1" "$(median "$2-$what")" \
            "$(awk -v r="$3" -v s="$(median "$2-$what")" 'BEGIN {printf "%d", r / s}')" "$(peak "$2-$what")"
    done
}
if need memory || [ -n "$BIG" ]; then
    echo
    printf '| %-46s | seconds | rows/s | peak |\n' "random keys, --memory $MEMORY"
    echo "|:---|---:|---:|---:|"
    need memory && memory_row "$ROWS rows" memory "$ROWS"
    [ -z "$BIG" ] || memory_row "$BIG_ROWS rows" big "$BIG_ROWS"
fi
if [ -n "$BIG" ] && need memory; then
    for what in export import copy; do
        good "memory-$what" "big-$what" && awk -v w="$what" -v n="$BIG_ROWS" -v m="$ROWS" -v a="$(median "big-$what")" \
            -v b="$(median "memory-$what")" 'BEGIN {printf "rows per second of %s at %d against %d: %.2f\n", w, n, m, (n / a) / (m / b)}'
    done
fi
[ -z "$absent" ] || echo "absent, and not compared:$absent"
exit $status
