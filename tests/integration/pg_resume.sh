# Imports that stop, are stopped, meet and go on: a store in PostgreSQL.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
. "$TOP/tests/support/resume.sh"
pg_start
PLACE=dbname=shop

ask() {
    pg_sql shop "$(printf %s "$1" | sed -E 's/\b(control|progress|ledger)\b/kvferry.\1/g')"
}
live() {
    pg_sql shop "SELECT encode(partition_key, 'hex'), encode(key, 'hex'), encode(value, 'hex')
        FROM kv ORDER BY 1, 2" | sha256sum
}
fresh() {
    pg_sql postgres "DROP DATABASE IF EXISTS shop WITH (FORCE)" "CREATE DATABASE shop" >/dev/null
}
fresh
resume_tests

# --- with several connections that load ----------------------------------------------
fresh
begin 40 a.kvf --partitions 4; kill_run
have=$(applied)
expect 0 import --partitions 4 a.kvf "$PLACE"
resumed "$have"
equal "$(live)" "$good"
fresh
begin 40 a.kvf --partitions 4; kill_run
expect 0 import --partitions 2 a.kvf "$PLACE"
says "starting over: run"
equal "$(live)" "$good"
