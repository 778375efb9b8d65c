# A million rows while others write, and while the server dies: one snapshot, or no stream at all.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start 'max_connections = 40' 'max_wal_size = 4GB'
P=dbname=postgres
pg_sql postgres 'CREATE TABLE acc(id int PRIMARY KEY, v int NOT NULL, filler text) WITH (fillfactor = 60)' \
    "INSERT INTO acc SELECT i, 100, 'ledger line ' || i FROM generate_series(1, 1000000) i" \
    'CREATE TABLE log(n int NOT NULL, moved int NOT NULL)' 'INSERT INTO log VALUES (0, 0)' || exit 1

# Each transaction moves money between two accounts, replaces a third one by another of the same
# value, and counts itself: the number of rows and their sum are always the same.
cat >move.sql <<'END'
\set a random(1, 999999)
\set b random(1, 999999)
\set k random(1, 9)
BEGIN;
UPDATE acc SET v = v - :k WHERE id = :a;
UPDATE acc SET v = v + :k WHERE id = (SELECT id FROM acc WHERE id <> :a AND id >= :b ORDER BY id LIMIT 1)
    AND EXISTS (SELECT 1 FROM acc WHERE id = :a);
WITH gone AS (DELETE FROM acc WHERE id = :b AND id <> :a RETURNING v)
    INSERT INTO acc SELECT (SELECT max(id) FROM acc) + 1, v, 'moved' FROM gone;
UPDATE log SET n = n + 1;
COMMIT;
END
total() { pg_sql postgres 'SELECT count(*) || $$ $$ || sum(v) FROM acc'; }
# Where the account :a is gone, nothing is taken and nothing given.
before=$(total)
equal "$before" "1000000 100000000"
"$PG_BIN/pgbench" -n -f move.sql -c 1 -T 600 postgres >bench.log 2>&1 & writer=$!
sleep 1
for j in 3 1; do
    moved=$(pg_sql postgres 'SELECT n FROM log')
    expect 0 export -j $j -t acc -t log --overwrite "$P" acc.kvf
    [ "$(pg_sql postgres 'SELECT n FROM log')" -gt "$moved" ] || die "nobody wrote meanwhile"
    "$K" cat acc.kvf | awk -F'"v":' '/"partition":"acc"/ { n++; split($2, f, /[,}]/); s += f[1] } END { printf "%d %d", n, s }' >seen
    equal "$(cat seen)" "1000000 100000000" "-j $j: not one snapshot"
done
[ "$(pg_sql postgres "SELECT count(*) FROM acc WHERE v <> 100")" -gt 0 ] || die "the writer did nothing"
kill "$writer"; wait "$writer" 2>/dev/null
equal "$(total)" "$before" "the writer itself"

# --- the server dies in the middle: of an export
in_the_middle() { # STATEMENT: when some rows have come over two connections or more
    (n=0
     while [ $n -lt 400 ]; do
        [ "$(pg_sql postgres "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY (%' AND pid <> pg_backend_pid() AND state = 'active'")" -gt 0 ] && break
        sleep 0.02; n=$((n + 1))
     done
     eval "$1") >/dev/null 2>&1 &
}
victim="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY (%' AND pid <> pg_backend_pid() LIMIT 1"
in_the_middle "pg_sql postgres \"$victim\""
expect 4 export -j 2 "$P" dead.kvf
wait
says 'give the same command again'
[ ! -e dead.kvf ] || die "a stream of a session that was ended"
in_the_middle 'pg_stop immediate'
expect 4 export -j 2 "$P" dead.kvf
wait
[ ! -e dead.kvf ] || die "a stream of a server that was killed"
pg_again
expect 0 export -j 2 "$P" dead.kvf
expect 0 verify "tables:$P" dead.kvf

# --- of an import: nothing is published, and the same command succeeds
pg_sql postgres 'CREATE DATABASE store' || exit 1
sqlite3 old.db "CREATE TABLE o (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO o VALUES (1, 'old')"
expect 0 migrate sqlite:old.db dbname=store
loading() { # STATEMENT: when some batches are in the stage
    (n=0
     while [ $n -lt 400 ]; do
        [ "$(pg_sql store "SELECT count(*) > 3 FROM kvferry.progress")" = t ] && break
        sleep 0.02; n=$((n + 1))
     done
     eval "$1") >/dev/null 2>&1 &
}
still_old() {
    equal "$(pg_sql store 'SELECT count(*) FROM kv')" 1 "published all the same"
    expect 0 verify sqlite:old.db dbname=store
}
loading "pg_sql store \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kvferry'\""
expect 5 import dead.kvf dbname=store --replace
wait
still_old
loading 'pg_stop immediate'
expect 5 import dead.kvf dbname=store --replace
wait
pg_again
still_old
expect 0 import dead.kvf dbname=store --replace
expect 0 verify dead.kvf dbname=store
exit 0
