# A source that must not change: a live one is refused, --freeze has it refuse writes
# itself, what has moved is not published, and the way back is exact.
. "$TOP/tests/support/integration.sh"
unfreeze() { "$TOP/$B/tests/tools/unfreeze" "$1"; }
run_of() { "$K" plan --json "$1" sqlite:nowhere.db | jq -r '.result.frozen'; }

# Everything that does not depend on the kind of database.  Uses: q SQL; dump; held_open
# SQL (a session that has done it and stays, its process in $holder); let_go.
suite() { # SOURCE
    before=$(dump)
    expect 0 export --overwrite "$1" before.kvf
    root=$("$K" info --json before.kvf | jq -r .result.root)

    # Somebody could write: refused, and nothing is changed.  Nothing else is.
    held_open "SELECT count(*) FROM t"
    expect 13 migrate "$1" sqlite:s.db
    says 'the source is live: 1 other may write to it'
    says "$holder"
    says 'Nothing was changed'
    says --allow-live-source
    [ -e s.db ] && die "a refused run made a store"
    [ "$before" = "$(dump)" ] || die "a refused run changed the source"
    expect 0 plan "$1" sqlite:s.db
    says 'the source is live'
    expect 0 export --overwrite "$1" other.kvf
    expect 0 verify "tables:$1" other.kvf
    expect 13 migrate -n "$1" sqlite:s.db

    # It is let through, and recorded, if nothing is written.
    expect 0 migrate --allow-live-source "$1" sqlite:s.db
    "$K" history --json sqlite:s.db | jq -e '.result.runs[-1].document.live_source == "allowed"' >x ||
        die "history does not say that the source was live"
    rm -f s.db

    # A failed run leaves it frozen, and says so; the session that was open hears why.
    expect 64 migrate --freeze --max-value 1 "$1" sqlite:s.db
    says 'The source stays frozen by run'
    run=$(run_of "$1")
    [ "$run" != null ] || die "plan does not say that the source is frozen"
    for write in "INSERT INTO t VALUES(9, 'x')" "UPDATE t SET b = 'y' WHERE a = 1" "DELETE FROM t WHERE a = 1"; do
        try "$write" && die "a frozen table took: $write"
        grep -q "kvferry run $run has frozen this table" said || { cat said; die "who froze it?"; }
    done
    held_says "INSERT INTO t VALUES(8, 'held')" "kvferry run $run has frozen"

    # The next run goes on with it, without being told, beside the same session, and
    # stamps it: who saw the freeze of the first run does not lift this one.
    expect 0 migrate "$1" sqlite:s.db
    let_go
    grep -q "was frozen already, by run $run" err || { cat err; die "who had frozen it?"; }
    [ "$(run_of "$1")" = "$("$K" history --json sqlite:s.db | jq -r '.result.runs[-1].run')" ] ||
        die "the freeze is not that of the run"
    "$K" status --json sqlite:s.db | jq -e '.result.control.frozen | length > 0' >x || die "the store knows nothing of it"
    expect 0 status sqlite:s.db
    says 'the old application cannot write'
    expect 0 migrate "$1" sqlite:s.db
    says 'nothing to do'
    # The stream of a frozen source is the same.
    expect 0 export --overwrite "$1" other.kvf
    [ "$("$K" info --json other.kvf | jq -r .result.root)" = "$root" ] || die "another root"
    # A freeze that has to be completed is.
    q "CREATE TABLE later(a INTEGER PRIMARY KEY)"
    expect 0 migrate --freeze --replace "$1" sqlite:s.db
    try "INSERT INTO later VALUES(1)" && die "a new table is not frozen"
    q "DROP TABLE later"

    # Another one is not lifted.  This one is, also where the store knows nothing of it:
    # as if it had never been.
    run=$(run_of "$1")
    "$TOP/$B/tests/tools/unfreeze" "$1" another >x 2>said
    [ $? -eq 8 ] || die "the freeze of another run was lifted"
    grep -q "the source is frozen by run $run now" said || { cat said; die "which run?"; }
    try "INSERT INTO t VALUES(9, 'x')" && die "not frozen any more"
    rm -f s.db
    expect 0 abort sqlite:s.db --source "$1"
    says 'the source may be written again'
    after=$(dump)
    [ "$before" = "$after" ] || { echo "$before" >1; echo "$after" >2; diff 1 2; die "something stayed"; }
    q "INSERT INTO t VALUES(9, 'x')"; q "DELETE FROM t WHERE a = 9"
    unfreeze "$1" 2>said && die "nothing was frozen"
    expect 0 abort sqlite:s.db --source "$1"
    says 'was not frozen'
    # What is frozen for one store is not another's: neither gone on with, nor lifted.
    rm -f t.db
    expect 64 migrate --freeze --max-value 1 "$1" sqlite:s.db
    run=$(run_of "$1")
    expect 13 migrate --freeze "$1" sqlite:t.db
    says "the source is frozen for another store, by run $run"
    says "sqlite:$(pwd -P)/s.db"
    expect 0 migrate "$1" sqlite:t.db
    says 'not relied on: the source is frozen for another store'
    [ "$(run_of "$1")" = "$run" ] || die "the freeze became another one"
    expect 13 abort sqlite:t.db --source "$1"
    says "kvferry abort \"sqlite:$(pwd -P)/s.db\""
    expect 13 abort sqlite:nowhere.db --source "$1"
    [ ! -e nowhere.db ] || die "abort made a store"
    expect 0 rollback sqlite:t.db --confirm "$("$K" history --json sqlite:t.db | jq -r '.result.runs[-1].run')"
    try "INSERT INTO t VALUES(9, 'x')" && die "the freeze of another store was lifted"
    # A store that was moved is still the same.
    mv s.db moved.db
    expect 0 abort sqlite:moved.db
    says 'the source may be written again'
    [ "$before" = "$(dump)" ] || die "abort left something"
    # The note of a freeze that somebody lifted: another one is there now.
    expect 64 migrate --freeze --max-value 1 "$1" sqlite:s.db
    unfreeze "$1" >x || die "unfreeze"
    rm -f t.db
    expect 0 migrate --freeze "$1" sqlite:t.db
    expect 0 abort sqlite:s.db
    says 'the source stays frozen, by run'
    try "INSERT INTO t VALUES(9, 'x')" && die "the freeze of another store was lifted"
    expect 0 rollback sqlite:t.db --confirm "$("$K" history --json sqlite:t.db | jq -r '.result.runs[-1].run')"
    [ "$before" = "$(dump)" ] || die "rollback left something"
    rm -f s.db t.db moved.db
    # A first upgrade that is rolled back, and one that is given up.
    expect 0 migrate --freeze "$1" sqlite:s.db
    try "INSERT INTO t VALUES(9, 'x')" && die "not frozen"
    expect 0 rollback sqlite:s.db --confirm "$("$K" history --json sqlite:s.db | jq -r '.result.runs[-1].run')"
    says 'the source may be written again'
    [ "$before" = "$(dump)" ] || die "rollback left something"
    rm -f s.db
    expect 64 migrate --freeze --max-value 1 --max-rejects 9 "$1" sqlite:s.db
    expect 0 abort sqlite:s.db
    says 'the source may be written again'
    [ "$before" = "$(dump)" ] || die "abort left something"
    "$K" status --json sqlite:s.db | jq -e '.result.control.frozen == null' >x || die "the store says it is frozen"
    rm -f s.db
}

# Somebody writes all the time: nothing is published, and what moved is named.  (What was
# committed while the snapshot began counts as moved, but has been read: then nothing
# can be named.  A run during which the writer never got its turn is no test.)
moved() { # SOURCE TARGET
    for try in 1 2 3 4 5 6 7 8 9; do
        [ "$try" -lt 9 ] || die "no write came at the right moment"
        ( i=0; while [ ! -e stop ]; do try "INSERT INTO t(b) VALUES('late')"; i=$((i + 1)); done ) &
        "$K" migrate --replace --allow-live-source "$1" "$2" >out 2>err; got=$?
        touch stop; wait; rm stop
        [ "$got" -eq 0 ] && continue
        [ "$got" -eq 13 ] || die "beside a writer: exit $got, try $try"
        says 'Nothing was published'
        grep -q 'rows when it was read' err && break
    done
    says 'the source was changed while it was migrated'
    expect 0 migrate --replace "$1" "$2"
}

# ---- SQLite -----------------------------------------------------------------------------
q() { sqlite3 -bail -cmd '.timeout 20000' a.db "$1" >x || die "sqlite3: $1"; }
try() { sqlite3 -bail -cmd '.timeout 5000' a.db "$1" >said 2>&1; }
dump() { sqlite3 a.db "SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid" .dump; }
held_open() {
    rm -f pipe; mkfifo pipe
    sqlite3 -cmd '.timeout 5000' a.db <pipe >held 2>&1 &
    pid=$!
    exec 3>pipe
    echo "$1; SELECT 'ready';" >&3
    for i in $(seq 100); do grep -q ready held && break; sleep 0.05; done
    holder="process $pid (sqlite3)"
}
held_says() {
    echo "$1;" >&3
    for i in $(seq 100); do grep -q "$2" held && return; sleep 0.05; done
    cat held; die "the session that was open heard nothing"
}
let_go() { exec 3>&-; wait "$pid"; }
schema="CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE TABLE \"o \"\"dd\"(a, b, PRIMARY KEY(a)) WITHOUT ROWID;
    CREATE VIEW v AS SELECT * FROM t; CREATE TRIGGER own AFTER INSERT ON t BEGIN SELECT 1; END;
    INSERT INTO t VALUES(1, 'one'), (2, 'two'); INSERT INTO \"o \"\"dd\" VALUES(1, 2);"
for mode in delete wal; do
    rm -f a.db* s.db*
    sqlite3 -bail a.db "PRAGMA journal_mode = $mode; $schema" >x || die "making a.db"
    suite sqlite:a.db
    sqlite3 a.db "WITH RECURSIVE c(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM c WHERE i < 60000) INSERT INTO t SELECT i, 'b' FROM c"
    [ "$mode" = wal ] && moved sqlite:a.db sqlite:s.db
    rm -f s.db*
    moved sqlite:a.db sqlite:a.db
    # In place, frozen: the store's own tables go on being written.
    expect 0 migrate --freeze --replace sqlite:a.db sqlite:a.db
    try "INSERT INTO t(b) VALUES('x')" && die "not frozen in place"
    try "INSERT INTO kv VALUES(x'00', x'01', x'02')" || die "the live table is frozen"
    expect 0 migrate --replace sqlite:a.db sqlite:a.db
    expect 0 status sqlite:a.db
    says 'the old application cannot write'
done
# Somebody has begun to write: his process is named.  A virtual table is named as well.
rm -f a.db* s.db*
sqlite3 a.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE VIRTUAL TABLE notes USING fts5(body)"
held_open "BEGIN IMMEDIATE; INSERT INTO t VALUES(1, 2)"
expect 13 migrate --freeze sqlite:a.db sqlite:s.db
says "$holder"
let_go
expect 0 migrate --freeze sqlite:a.db sqlite:s.db
says 'virtual tables cannot be frozen: notes'
if [ "$(id -u)" -ne 0 ]; then
    unfreeze sqlite:a.db; chmod 400 a.db
    expect 13 migrate --freeze --replace sqlite:a.db sqlite:s.db
    says 'the file cannot be written'
    chmod 600 a.db
fi

# ---- PostgreSQL -------------------------------------------------------------------------
. "$TOP/tests/support/pgtmp.sh"
pg_start 'max_prepared_transactions = 4'
rm -f s.db*
q() { pg_sql postgres "$1" >x || die "psql: $1"; }
try() { "$PG_BIN/psql" -XqAt -v ON_ERROR_STOP=1 -c "$1" >said 2>&1; }
dump() { "$PG_BIN/pg_dump" postgres | grep -v '^.\(un\)\{0,1\}restrict '; }
held_open() {
    rm -f pipe; mkfifo pipe
    PGAPPNAME=shop "$PG_BIN/psql" -XqAt <pipe >held 2>&1 &
    pid=$!
    exec 3>pipe
    echo "$1; SELECT 'ready';" >&3
    for i in $(seq 100); do grep -q ready held && break; sleep 0.05; done
    holder='shop of user postgres (1)'
}
q "CREATE TABLE t(a int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (START 100), b text); INSERT INTO t VALUES(1, 'one'), (2, 'two');
   CREATE TABLE parts(a int, b text) PARTITION BY LIST (a); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
   INSERT INTO parts VALUES(1, 'x'); CREATE SCHEMA \"other S\"; CREATE TABLE \"other S\".\"t \"\"2\"(a int);
   CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
   CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE VIEW v AS SELECT * FROM t"
suite dbname=postgres
# Ways around: a partition by its name, a replica's session, TRUNCATE, COPY, a superuser.
expect 0 migrate --freeze dbname=postgres sqlite:s.db
for write in "INSERT INTO parts_1 VALUES(1, 'y')" "SET session_replication_role = replica; DELETE FROM t" \
    "TRUNCATE t" "TRUNCATE parts_1" "COPY t FROM PROGRAM 'echo 7'" "INSERT INTO v VALUES(7)" \
    "INSERT INTO \"other S\".\"t \"\"2\" VALUES(1)"; do
    try "$write" && die "a frozen table took: $write"
    grep -q 'has frozen this table' said || { cat said; die "$write"; }
done
unfreeze dbname=postgres >x
rm -f s.db*
# Who cannot write is not live; who owns nothing cannot freeze.
q "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA \"other S\" TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader"
PGUSER=reader held_open "SELECT count(*) FROM t"
expect 0 migrate dbname=postgres sqlite:s.db
let_go
expect 13 migrate --freeze --replace "dbname=postgres user=reader" sqlite:s.db
says 'not all tables are yours'
says 'public.t of postgres'
# A prepared transaction may still write, and a writer that has begun is waited for in vain.
q "BEGIN; INSERT INTO t(b) VALUES('later'); PREPARE TRANSACTION 'p'"
expect 13 migrate --replace dbname=postgres sqlite:s.db
says 'a prepared transaction'
expect 13 migrate --freeze --replace dbname=postgres sqlite:s.db
says 'lock timeout'
q "ROLLBACK PREPARED 'p'"
rm -f s.db*
# Another run stamps the freeze between the snapshot and the commit: nothing is published.
# (Before the snapshot it is 8.)
expect 0 migrate dbname=postgres sqlite:s.db
for try in 1 2 3 4 5 6 7 8 9; do
    [ "$try" -lt 9 ] || die "no stamp came at the right moment"
    rm -f pipe; mkfifo pipe
    sqlite3 s.db <pipe >x & pid=$!
    exec 3>pipe
    echo "BEGIN IMMEDIATE;" >&3 # which holds the run up
    "$K" migrate --freeze --replace dbname=postgres sqlite:s.db >out 2>err 3>&- & run=$!
    for i in $(seq 100); do try "SELECT 1 FROM kvferry_freeze.marker" && break; sleep 0.05; done
    sleep "0.$try"
    q "UPDATE kvferry_freeze.marker SET run = 'rival', stamp = 'rival.1'"
    let_go
    wait "$run"; got=$?
    unfreeze dbname=postgres >x
    [ "$got" -eq 13 ] && break
    [ "$got" -eq 8 ] || die "beside a rival: exit $got"
done
says 'frozen by another run now: rival'
says 'Nothing was published'
rm -f s.db*
q "INSERT INTO t(b) SELECT 'b' FROM generate_series(1, 100000)"
moved dbname=postgres sqlite:s.db
moved dbname=postgres dbname=postgres
expect 0 migrate --freeze --replace dbname=postgres dbname=postgres
try "INSERT INTO t(b) VALUES('x')" && die "not frozen in place"
try "INSERT INTO kv VALUES('a', 'b', 'c')" || die "the live table is frozen"
expect 0 migrate --replace dbname=postgres dbname=postgres
expect 0 status dbname=postgres
says 'the old application cannot write'
exit 0
