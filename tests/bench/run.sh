#!/bin/sh
# Benchmarks: kvferry beside its peers, in one run.  `make bench`, or
#
#	B=build/release [ROWS=2000000] [ROUNDS=3] [CASES='export import'] sh tests/bench/run.sh
#
# Each round runs every case once, so that a slow minute hits all of them; the
# table at the end has medians and ratios.  Nothing is compared that is not
# proven: after the clock has stopped, sqlite3 alone counts and hashes the sorted
# rows of each result, and a case that fails this has no ratio.
set -u
B=${B:-build/release}
ROWS=${ROWS:-2000000}
ROUNDS=${ROUNDS:-3}
CASES=${CASES:-export random import stage}
top=$(pwd)
kvf=$top/$B/kvferry
bin=$top/$B/tests/bench
dir=$(mktemp -d "${BENCH_DIR:-$top/$B}/bench.XXXXXX") || exit 1
reader=
trap '[ -n "$reader" ] && kill $reader 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir" || exit 1

die() { echo "bench: $*" >&2; exit 1; }
hash_of() { # FILE TABLE ORDER: count and hash of all rows; the hash holds the query's text
    sqlite3 "$1" "CREATE TEMP VIEW v AS SELECT * FROM \"$2\";
        SELECT count(*), lower(hex(sha3_query('SELECT * FROM v ORDER BY $3', 256))) FROM v"
}

# ---- what the cases are made of ------------------------------------------------
echo "bench: $ROWS rows, $ROUNDS rounds, $(nproc) processors, in $dir" >&2
"$bin/gen_commits" ordered.db "$ROWS" ordered || die "cannot make the table"
want_rows=$(hash_of ordered.db commits repository_id,id)
case " $CASES " in *" random "*)
    "$bin/gen_commits" random.db "$ROWS" random || die "cannot make the table"
    [ "$(hash_of random.db commits repository_id,id)" = "$want_rows" ] || die "the two tables differ";;
esac
"$bin/peer_pipe" ordered.db >raw || die "peer_pipe"
"$bin/peer_load" raw proof.db kv || die "peer_load"
want_kv=$(hash_of proof.db kv partition_key,key)
[ "${want_kv%%|*}" -eq "$ROWS" ] || die "peer_load lost rows"
want_raw=$(sha256sum <raw)
rm -f proof.db
"$kvf" export -q sqlite:ordered.db ready.kvf || die "kvferry cannot export"
sqlite3 ordered.db .dump | zstd -q -1 -o ready.dump || die "sqlite3 .dump"

# A store with a little in it, in WAL mode, that a reader uses all the time.
case " $CASES " in *" stage "*)
    "$bin/gen_commits" little.db 1000 ordered && "$kvf" export -q sqlite:little.db little.kvf &&
        "$kvf" import -q little.kvf sqlite:live.db && sqlite3 live.db 'PRAGMA journal_mode=WAL' >/dev/null ||
        die "cannot make the store that has readers"
    sqlite3 live.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null;;
esac

# ---- checks: 0 = the result holds exactly what it should -----------------------------
check_stream() { # zstd and a loop of inserts read it, not kvferry
    zstd -q -dc "$1" | "$bin/peer_load" - out/check.db kv &&
        [ "$(hash_of out/check.db kv partition_key,key)" = "$want_kv" ]
}
check_kv() { [ "$(hash_of "$1" "$2" partition_key,key)" = "$want_kv" ]; }
check_pipe() { [ "$(zstd -q -dc "$1" | sha256sum)" = "$want_raw" ]; }
check_count() { [ "$(zstd -q -dc "$1" | wc -c)" = "$(wc -c <raw)" ]; }
check_dump() { [ "$(zstd -q -dc "$1" | grep -c '^INSERT INTO commits ')" = "$ROWS" ]; }
check_rows() { [ "$(hash_of "$1" commits repository_id,id)" = "$want_rows" ]; }

# ---- running -----------------------------------------------------------------------
# one NAME CHECK COMMAND: run it, check it, keep its time and peak memory.
one() {
    name=$1 check=$2 cmd=$3
    rm -rf out; mkdir out || exit 1
    sync
    case $name in stage-*)
        cp live.db out/busy.db
        "$bin/reader" out/busy.db >out/reader & reader=$!;;
    esac
    "$bin/timed" out/clock "$cmd" || { echo "bench: $name: failed" >&2; : >"bad.$name"; }
    if [ -n "$reader" ]; then
        kill "$reader" && wait "$reader" || { echo "bench: $name: the reader failed" >&2; : >"bad.$name"; }
        reader=
        cat out/reader >>"times.readers-$name"
    fi
    if [ -f out/clock ]; then
        $check || { echo "bench: $name: WRONG RESULT" >&2; : >"bad.$name"; }
        cat out/clock >>"times.$name"
        printf '  %-16s %s s, %s MiB, %s s of processor\n' "$name" $(cat out/clock) >&2
    fi
}

round=1
while [ "$round" -le "$ROUNDS" ]; do
    echo "bench: round $round" >&2
    for c in $CASES; do
        case $c in
        export)
            one export-kvferry "check_stream out/out.kvf" "'$kvf' export -q sqlite:ordered.db out/out.kvf"
            one export-pipe "check_pipe out/out.zst" "'$bin/peer_pipe' ordered.db | zstd -q -1 -T1 -o out/out.zst && sync out/out.zst"
            one export-dump "check_dump out/out.zst" "sqlite3 ordered.db .dump | zstd -q -1 -o out/out.zst && sync out/out.zst";;
        random)
            one random-kvferry "check_stream out/out.kvf" "'$kvf' export -q sqlite:random.db out/out.kvf"
            one random-pipe "check_count out/out.zst" "'$bin/peer_pipe' random.db | zstd -q -1 -T1 -o out/out.zst && sync out/out.zst"
            one random-dump "check_dump out/out.zst" "sqlite3 random.db .dump | zstd -q -1 -o out/out.zst && sync out/out.zst";;
        import)
            one import-kvferry "check_kv out/new.db kv" "'$kvf' import -q ready.kvf sqlite:out/new.db"
            one import-loop "check_kv out/new.db kv" "'$bin/peer_load' raw out/new.db kv"
            one import-reload "check_rows out/new.db" "zstd -q -dc ready.dump | sqlite3 out/new.db && sync out/new.db";;
        stage)
            one stage-kvferry "check_kv out/busy.db kv" "'$kvf' import -q --replace ready.kvf sqlite:out/busy.db"
            one stage-loop "check_kv out/busy.db stage" "'$bin/peer_load' raw out/busy.db stage";;
        *) die "no such case: $c";;
        esac
    done
    round=$((round + 1))
done

# ---- the table -----------------------------------------------------------------------
median() { # CASE COLUMN
    awk -v c="$2" '{print $c}' "times.$1" | sort -n | awk '{a[NR]=$1} END {print NR % 2 ? a[(NR+1)/2] : (a[NR/2]+a[NR/2+1])/2}'
}
peak() { awk '$2 > m {m = $2} END {print m}' "times.$1"; }
status=0
row() { # LABEL OURS PEER TARGET
    if [ -f "bad.$2" ] || [ -f "bad.$3" ]; then
        printf '| %-44s | no ratio: a result was wrong |\n' "$1"; status=1; return
    fi
    awk -v label="$1" -v a="$(median "$2" 1)" -v b="$(median "$3" 1)" \
        -v ca="$(median "$2" 3)" -v cb="$(median "$3" 3)" -v m="$(peak "$2")" -v t="$4" 'BEGIN {
        printf "| %-44s | %7.2f | %7.2f | %5.2f | %-4s | %9.2f | %5d |\n", label, a, b, a / b, t, ca / cb, m }'
}
bytes=$(wc -c <raw)
echo
echo "$ROWS rows, $((bytes / 1000000)) MB of entries, medians of $ROUNDS interleaved rounds, $(nproc) processors"
echo
printf '| %-44s | kvferry |    peer | ratio | goal | processor |  peak |\n' "seconds; peak of kvferry in MiB"
echo "|:---|---:|---:|---:|:---|---:|---:|"
for c in $CASES; do
    case $c in
    export)
        row "export / one reader into zstd -1 -T1" export-kvferry export-pipe "<1.3"
        row "export / sqlite3 .dump into zstd -1" export-kvferry export-dump "";;
    random)
        row "export, random keys / one reader, not sorted" random-kvferry random-pipe ""
        row "export, random keys / .dump, not sorted" random-kvferry random-dump "";;
    import)
        row "import, new file / loop of sorted inserts" import-kvferry import-loop "<1.3"
        row "import, new file / zstd -dc into sqlite3" import-kvferry import-reload "";;
    stage)
        row "import beside readers / loop beside readers" stage-kvferry stage-loop "<1.3";;
    esac
done
echo
echo "sizes: stream $(wc -c <ready.kvf), dump $(wc -c <ready.dump) bytes"
for f in times.readers-stage-*; do
    [ -f "$f" ] && echo "reader beside ${f#times.readers-stage-}: $(tr '\n' ';' <"$f")"
done
exit $status
