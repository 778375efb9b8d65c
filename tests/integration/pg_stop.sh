# A signal is noticed at once, also while the server is silent or holds a lock; and how long
# kvferry waits for either.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
P=dbname=postgres
pg_sql postgres 'CREATE TABLE t(id int PRIMARY KEY, v text)' \
    "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 1000) i" || exit 1
expect 0 export -t t "$P" t.kvf
pg_sql postgres 'CREATE DATABASE store' || exit 1
expect 0 import t.kvf dbname=store

ms() { date +%s%3N; }

# stops WHAT ARGS...: kvferry ARGS waits, for what does not come; one signal ends it, as
# interrupted, within a second on a machine that has nothing else to do
longest=0
stops() {
    what=$1; shift
    # An interactive shell gives its jobs SIGINT; this one lets them ignore it.
    "$K" "$@" >out 2>err </dev/null & run=$!
    sleep 0.7
    kill -0 "$run" 2>/dev/null || { wait "$run"; die "$what: it does not wait: $?"; }
    begin=$(ms)
    kill -TERM "$run"
    wait "$run"; got=$?
    took=$(($(ms) - begin))
    [ "$got" -eq 143 ] || die "$what: exit $got"
    [ "$took" -lt 8000 ] || die "$what: it took $took ms"
    [ "$took" -lt "$longest" ] || longest=$took
}

# hold DATABASE STATEMENT: another session has it locked until let_go
hold() {
    mkfifo held
    "$PG_BIN/psql" -Xq -v ON_ERROR_STOP=1 -d "$1" <held >held.log 2>&1 & holder=$!
    exec 8>held
    printf 'BEGIN;\n%s;\n\\echo locked\n' "$2" >&8
    for i in $(seq 100); do
        grep -q locked held.log && return
        sleep 0.05
    done
    cat held.log >&2
    die "no lock"
}
let_go() {
    exec 8>&-
    wait "$holder"
    rm held
}

# --- a server that takes connections and never says a word
mkdir silent
cat >silent.py <<'END'
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
time.sleep(60)
END
/usr/bin/python3 silent.py silent/.s.PGSQL.5432 & mute=$!
while [ ! -S silent/.s.PGSQL.5432 ]; do sleep 0.05; done
stops "connecting" export "host=$PWD/silent" no.kvf
stops "connecting to a store" import t.kvf "host=$PWD/silent"
begin=$(ms)
expect 4 export "host=$PWD/silent connect_timeout=2" no.kvf
says 'no answer within 2 seconds'
says 'See whether the server runs'
expect 5 import t.kvf "host=$PWD/silent connect_timeout=2"
says 'Nothing was changed'
took=$(($(ms) - begin))
[ "$took" -ge 4000 ] && [ "$took" -lt 20000 ] || die "two limits of 2 seconds took $took ms"
# The next of several hosts is tried where the first is not there.
expect 0 export -t t "host=/nonexistent,$PGHOST port=5432,5432 dbname=postgres" second.kvf
kill "$mute"

# --- a lock that another session holds
hold postgres 'LOCK TABLE t IN ACCESS EXCLUSIVE MODE'
stops "reading a locked table" export -t t "$P" no.kvf
PGOPTIONS='-c lock_timeout=300' expect 4 export -t t "$P" no.kvf
says 'lock timeout'
says 'pg_locks'
[ ! -e no.kvf ] || die "a stream of a locked table"
let_go
hold store 'SELECT * FROM kvferry.control FOR UPDATE'
stops "a store that is held" import t.kvf dbname=store --replace
let_go
# The loading connection waits as well as the first one.
sqlite3 more.db "CREATE TABLE m(id INTEGER PRIMARY KEY, v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 60000) INSERT INTO m SELECT i, hex(randomblob(200)) FROM n"
expect 0 export sqlite:more.db more.kvf
hold store 'LOCK TABLE kvferry.progress IN EXCLUSIVE MODE'
stops "a loader that waits" import more.kvf dbname=store --replace
let_go
expect 0 verify t.kvf dbname=store
expect 0 import more.kvf dbname=store --replace
hold store 'LOCK TABLE kv IN ACCESS EXCLUSIVE MODE'
stops "a commit that waits for a reader" import t.kvf dbname=store --replace
let_go
expect 0 verify more.kvf dbname=store
expect 0 import t.kvf dbname=store --replace
expect 0 verify t.kvf dbname=store

# Nobody waits for ever: who holds the lock is named, and what is live stays so.
waits() { # WHAT ARGS...: with a twentieth of the patience that kvferry has
    what=$1; shift
    KVF_FAILPOINT_PATIENCE=1500 "$TOP/$B/tests/kvferry" "$@" >out 2>err </dev/null; got=$?
    [ "$got" -eq 5 ] || die "$what: exit $got"
    says 'lock timeout'
    says 'Open transactions: process'
    says "a report of user postgres"
    says 'pg_terminate_backend('
}
export PGAPPNAME='a report'
hold store 'SELECT count(*) FROM kv'
unset PGAPPNAME
waits "a commit behind a reader" import more.kvf dbname=store --replace
says 'The live data are as they were; what was staged is kept for the next run. Open'
expect 0 verify t.kvf dbname=store
let_go
expect 0 abort dbname=store
run=$("$K" rollback -n --json dbname=store | jq -r .result.confirm)
export PGAPPNAME='a report'
hold store 'SELECT * FROM kvferry.control FOR UPDATE; SELECT count(*) FROM kv'
unset PGAPPNAME
waits "a rollback behind another session" rollback dbname=store --confirm "$run"
says 'Nothing was changed. Open'
waits "an import behind another session" import more.kvf dbname=store --replace
let_go
expect 0 verify t.kvf dbname=store
expect 0 import more.kvf dbname=store --replace
expect 0 verify more.kvf dbname=store
echo "REPORT stopped after $longest ms at most"
