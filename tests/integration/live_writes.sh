# An application goes on writing to a store while an import runs: nothing that it
# wrote is lost quietly.  The stream comes through a pipe in two halves, and the
# application writes in between, so that it does so during every run.
. "$TOP/tests/support/integration.sh"

# during PLACE WRITE ARGS...: import the stream; between its halves, when the run
# has the store, the function WRITE is called.  Sets $got; files are out and err.
during() {
    place=$1 write=$2; shift 2
    rm -f pipe; mkfifo pipe
    "$K" import "$@" - "$place" <pipe >out 2>err &
    pid=$!
    exec 3>pipe
    head -c 2000 new.kvf >&3
    for i in $(seq 100); do
        [ "$(state)" = STAGING ] && break
        sleep 0.1
    done
    [ "$(state)" = STAGING ] || die "the run never had the store"
    "$write"
    tail -c +2001 new.kvf >&3
    exec 3>&-
    wait "$pid"; got=$?
    wait
}
# beside STATUS PLACE WRITE ARGS...: and it ends with that status.  A writer of SQLite
# gets its turn when it can: if that was after the commit, it is tried again.
beside() {
    want=$1; shift
    for try in 1 2 3 4 5 6 7 8; do
        during "$@"
        [ "$got" -ne "$want" ] && [ "$want" -eq 13 ] && [ "$got" -eq 0 ] || break
        [ "$2" = write_new ] && [ "$(q "SELECT count(*) FROM kv WHERE partition_key = $(b extra)")" != 1 ] &&
            die "a write was lost"
        expect 0 import --replace old.kvf "$1"
    done
    [ "$got" -eq "$want" ] || die "import beside $*: exit $got, expected $want, try $try"
}
write_none() { :; }
write_new() { w "INSERT INTO kv VALUES($(b extra), $(b k), $(b v))"; }
write_value() { w "UPDATE kv SET value = $(b changed) WHERE partition_key = $(b empty2) AND key = $(b 1)"; }
write_gone() { w "DELETE FROM kv WHERE partition_key = $(b empty2) AND key = $(b 2)"; }
write_back_and_forth() { w "INSERT INTO kv VALUES($(b extra), $(b k), $(b v));DELETE FROM kv WHERE partition_key = $(b extra)"; }
write_elsewhere() { w "INSERT INTO other VALUES(1)"; }

legacy a.db 60000
expect 0 export sqlite:a.db new.kvf
sqlite3 b.db "CREATE TABLE empty2(a INTEGER PRIMARY KEY, b); INSERT INTO empty2 VALUES(1, 'x'), (2, 'y')"
expect 0 export sqlite:b.db old.kvf

suite() { # PLACE
    expect 0 import old.kvf "$1"
    q "CREATE TABLE other(a int)"
    for how in --replace --merge; do
        for write in write_new write_value write_gone; do
            expect 0 import --replace old.kvf "$1"
            before=$(live)
            beside 13 "$1" "$write" "$how"
            says 'the live data were changed while this run was under way'
            says 'Nothing was published'
            says 'run the same command again'
            [ "$before" = "$(live)" ] && die "$write was lost, or changed nothing"
            expect 0 status "$1"
        done
        # What the application wrote is still live; the same command then succeeds.
        # Another table of the database is nobody's business.
        beside 0 "$1" write_elsewhere "$how"
        says published
        # Only the data count, not that somebody touched them.
        expect 0 import --replace old.kvf "$1"
    done
}

# ---- SQLite -----------------------------------------------------------------------------
b() { printf "CAST('%s' AS BLOB)" "$1"; }
# As soon as there is a gap, however short: the run holds the file most of the time.
w() {
    /usr/bin/python3 -c '
import sqlite3, sys, time
db = sqlite3.connect("s.db", timeout=0, isolation_level=None)
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        db.execute("BEGIN IMMEDIATE")
        for statement in sys.argv[1].split(";"):
            db.execute(statement)
        while db.in_transaction and time.monotonic() < until:
            try:
                db.execute("COMMIT")
            except sqlite3.OperationalError:
                time.sleep(0.0002)
        break
    except sqlite3.OperationalError:
        time.sleep(0.0002)
' "$1" 3>&- &
}
q() { sqlite3 -bail -cmd '.timeout 20000' s.db "$1" || die "sqlite3: $1"; }
live() { q "SELECT hex(partition_key), hex(key), hex(value) FROM kv ORDER BY 1, 2"; }
state() { sqlite3 -cmd '.timeout 20000' s.db 'SELECT state FROM kvferry_control' 2>/dev/null; }
for mode in delete wal; do
    rm -f s.db*
    sqlite3 s.db "PRAGMA journal_mode = $mode; CREATE TABLE t(a)" >/dev/null
    suite sqlite:s.db
    beside 0 sqlite:s.db write_back_and_forth --replace
done

# ---- PostgreSQL -------------------------------------------------------------------------
. "$TOP/tests/support/pgtmp.sh"
pg_start
b() { printf "'%s'::bytea" "$1"; }
w() { q "$1"; }
q() { pg_sql postgres "$1" || die "psql: $1"; }
live() { q "SELECT partition_key, key, value FROM kv ORDER BY 1, 2"; }
state() { pg_sql postgres 'SELECT state FROM kvferry.control' 2>/dev/null; }
suite dbname=postgres
q "DROP SCHEMA kvferry CASCADE; DROP TABLE kv, other"
expect 0 import --partitions 3 old.kvf dbname=postgres
q "CREATE TABLE other(a int)"
beside 13 dbname=postgres write_new --replace
beside 0 dbname=postgres write_none --replace
exit 0
