# Sourced by the lakefs_*.sh: installations of lakeFS in a server of PostgreSQL of one's own.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
F=$TOP/formats/lakefs S=$TOP/samples/lakefs AS_OF=2022-08-01T00:00:00Z
PROXY=$TOP/$B/tests/tools/pgproxy PGPROXY_COUNTS=$PWD/counts
export PGPROXY_COUNTS

lake_start() { # [SETTING...]
    pg_start 'track_activity_query_size = 16kB' "$@"
    PATH=$PG_BIN:$PATH
}
lake() { # DATABASE [OPTION...]: an installation by samples/lakefs/generate
    pg_sql postgres "CREATE DATABASE $1"
    name=$1; shift
    "$S/generate" --repos 3 --commits 40 --branches 6 --staged 50 --runs 20 --users 10 --seed 7 "$@" "$name" >load.log 2>&1 ||
        { cat load.log >&2; die "generate $name"; }
}
root_of() { "$K" info --json "$1" | jq -r .result.root; }
# The version record of a lakeFS server in a database: "" where there is no table
version_in() {
    [ "$(pg_sql "$1" "SELECT to_regclass('kv') IS NOT NULL")" = t ] || return 0
    pg_sql "$1" "SELECT encode(value, 'escape') FROM kv WHERE partition_key = 'kv-internal-metadata' AND key = 'kv/schema/version'"
}
# All rows of the legacy tables, and their definitions: nothing of it may ever change
legacy_sum() { pg_dump -d "$1" --schema=public -T 'kv*' | grep -v restrict | md5sum; }
# wait_for DATABASE CONDITION: until a row of pg_stat_activity of kvferry is so
wait_for() {
    for i in $(seq 300); do
        [ "$(pg_sql "$1" "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name ~ '^kvferry( |$)' AND datname = '$1' AND $2")" = t ] && return
        sleep 0.1
    done
    die "nothing waits with $2"
}
# Exported with what every test here has in common
export_lake() { expect 0 export -q --overwrite -f "$F" -a as_of=$AS_OF "$@"; }
