# From the first write of a first upgrade on, the application's own version record says that
# it is not done: a server that knows the new place only, and is started too early, finds it
# and refuses, and does not take an empty store for a new one (defect 22 of lakeFS's own
# tool, docs/applications/lakefs.md).  Read by sqlite3 and psql alone.
. "$TOP/tests/support/integration.sh"
f=$TOP/formats/catalog
sh "$TOP/samples/catalog/make-shop.sh" shop.db || die "make-shop.sh"
expect 0 export -f "$f" --chunk 4096 sqlite:shop.db shop.kvf
head -c "$(($(wc -c <shop.kvf) * 2 / 3))" shop.kvf >cut.kvf

# scenario PLACE: `query` asks it, `record` is what the record says, `rows` counts the table
scenario() {
    expect 6 import cut.kvf "$1"
    equal "$(record)" 7 "in the middle"
    equal "$(rows)" 1
    expect 0 status "$1"
    says 'the version record in the store keeps the new one from starting'
    equal "$("$K" get --raw "$1" meta catalog/schema-version)" 7
    expect 11 get "$1" resources Product/harbour/gesha
    expect 4 backup "$1" none.kvf
    says 'nothing is live in it yet'
    expect 0 import --dry-run shop.kvf "$1"
    equal "$(record)" 7
    expect 0 import shop.kvf "$1" # it goes on
    equal "$(record)" 8 "when it is done"
    equal "$(rows)" 114
    # Back: the legacy tables count, and the new application must not start.
    run=$("$K" rollback --dry-run --json "$1" | jq -r .result.confirm)
    expect 0 rollback "$1" --confirm "$run"
    equal "$(record)" 7 "after a rollback"
    equal "$(rows)" 1
    expect 0 status "$1"
    says 'keeps the new application from starting'
    expect 0 cleanup "$1"
    equal "$(record)" 7
    expect 0 abort "$1"
    says 'the version record that kept the new application from starting is gone'
    equal "$(tables)" 0
    # Given up in the middle: as if nothing had been.
    expect 6 import cut.kvf "$1"
    equal "$(record)" 7
    expect 0 abort "$1"
    equal "$(tables)" 0
    # An empty table was there: it stays, empty.
    make_table
    expect 6 import cut.kvf "$1"
    equal "$(record)" 7
    expect 0 abort "$1"
    equal "$(tables)" 1
    equal "$(rows)" 0
    # Somebody sets itself up over the record: nothing goes over that, nor is it thrown away.
    expect 6 import cut.kvf "$1"
    query "INSERT INTO kv VALUES ($early_part, $early_key, $early_part)"
    for command in "import shop.kvf $1" "import --replace shop.kvf $1" "import --dry-run shop.kvf $1" "abort $1"; do
        expect 13 $command
        says 'holds 1 row that kvferry did not write, the first at users admin'
        equal "$(rows)" 2
    done
    expect 0 status "$1"
    says 'somebody has written to the store'
    expect 0 backup --overwrite "$1" saved.kvf
    equal "$("$K" cat saved.kvf | wc -l)" 1
    query "DELETE FROM kv"
    expect 0 import shop.kvf "$1"
    equal "$(record)" 8
    # Over live data the record that is there stays what it is.
    expect 6 import --replace cut.kvf "$1"
    equal "$(record)" 8
    equal "$(rows)" 114
    expect 0 abort "$1"
    equal "$(record)" 8
    echo "REPORT $1: the record said what was so"
}

query() { sqlite3 -bail s.db "$1" || die "$1"; }
record() { query "SELECT value FROM kv WHERE partition_key = CAST('meta' AS BLOB)"; }
rows() { query "SELECT count(*) FROM kv"; }
tables() { query "SELECT count(*) FROM sqlite_master WHERE name = 'kv'"; }
make_table() {
    query "CREATE TABLE kv (partition_key BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (partition_key, key)) WITHOUT ROWID"
}
early_part="CAST('users' AS BLOB)" early_key="CAST('admin' AS BLOB)"
scenario sqlite:s.db

# Written while the run is at work: its own commit notices.
mkfifo pipe
"$K" import - sqlite:late.db >out 2>err <pipe &
writer=$!
{
    cat cut.kvf
    until [ "$(sqlite3 late.db 'SELECT value FROM kv' 2>/dev/null)" = 7 ]; do sleep 0.1; done
    sqlite3 -cmd '.timeout 20000' late.db "UPDATE kv SET value = x'31'"
    tail -c "+$(($(wc -c <cut.kvf) + 1))" shop.kvf
} >pipe
wait $writer
equal $? 13 "a run over a record that was changed"
says 'the version record in table kv says 1, and kvferry wrote 7'
equal "$(sqlite3 late.db 'SELECT value FROM kv')" 1

# ---- PostgreSQL, as lakeFS has it ------------------------------------------------------
[ -x "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1)" ] || exit 0
. "$TOP/tests/support/pgtmp.sh"
pg_start
PATH=$PG_BIN:$PATH
query() { pg_sql one "$1" || die "$1"; }
record() { query "SELECT convert_from(value, 'UTF8') FROM kv WHERE partition_key = 'meta'"; }
rows() { query "SELECT count(*) FROM kv"; }
tables() { query "SELECT count(*) FROM pg_class WHERE relname = 'kv'"; }
make_table() {
    query "CREATE TABLE kv (partition_key bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL,
    PRIMARY KEY (partition_key, key))"
}
early_part="'users'" early_key="'admin'"
pg_sql postgres 'CREATE DATABASE one' 'CREATE DATABASE lake' || exit 1
scenario dbname=one

# The start-up statements of a lakeFS server (shared facts, section 7), which must find the
# layout that they would make: while the run is unfinished, and when it is done.
{
    echo 'CREATE TABLE IF NOT EXISTS kv (partition_key BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, PRIMARY KEY (partition_key, key)) PARTITION BY HASH (partition_key);'
    i=0
    while [ $i -lt 100 ]; do
        echo "CREATE TABLE IF NOT EXISTS kv_$i PARTITION OF kv FOR VALUES WITH (MODULUS 100, REMAINDER $i);"
        i=$((i + 1))
    done
    echo "CREATE OR REPLACE VIEW kv_v AS SELECT ENCODE(partition_key, 'escape') AS partition_key, ENCODE(key, 'escape') AS key, value FROM kv;"
} >server.sql
start() { psql -Xq -v ON_ERROR_STOP=1 -d lake -f server.sql >server.log 2>&1 || { cat server.log >&2; die "a server's start, $1"; }; }
children() { pg_sql lake "SELECT count(*) FROM pg_inherits WHERE inhparent = 'kv'::regclass AND inhrelid::regclass::text ~ '^kv_[0-9]+\$'"; }
seen() { pg_sql lake "SELECT convert_from(value, 'UTF8') FROM kv_v WHERE partition_key = 'meta' AND key = 'catalog/schema-version'"; }
expect 6 import --partitions 100 cut.kvf dbname=lake
equal "$(children)" 100 "partitions while it is unfinished"
start "too early"
equal "$(seen)" 7
# The view that it made names the table: an abort leaves that, without the record.
expect 0 abort dbname=lake
says 'stays, without rows: a view names it'
equal "$(pg_sql lake 'SELECT count(*) FROM kv_v')" 0
expect 6 import --partitions 100 cut.kvf dbname=lake
start "again"
equal "$(seen)" 7
expect 0 import --partitions 100 shop.kvf dbname=lake
equal "$(seen)" 8
equal "$(children)" 100
start "when it is done"
equal "$(seen)" 8
pg_sql lake "INSERT INTO kv VALUES ('users', 'new', '\\x01')" || die "a server writes"
equal "$(pg_sql lake "SELECT encode(value, 'hex') FROM kv_v WHERE partition_key = 'users' AND key = 'new'")" 01
run=$("$K" rollback --dry-run --json dbname=lake | jq -r .result.confirm)
expect 0 rollback dbname=lake --confirm "$run" --discard 1
equal "$(seen)" 7
equal "$(children)" 100
start "after the rollback"
equal "$(seen)" 7
echo "REPORT a server finds its own layout at every step"
