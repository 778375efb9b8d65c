# lakeFS, converted exactly: every entry of the store is worked out once more from
# the legacy rows, by a program that shares nothing with kvferry.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
command -v protoc >/dev/null || pg_skip "protoc is not installed (Debian: protobuf-compiler)"
/usr/bin/python3 -c 'import google.protobuf' 2>/dev/null || pg_skip "no protobuf for python3 (Debian: python3-protobuf)"
pg_start
PATH=$PG_BIN:$PATH F=$TOP/formats/lakefs S=$TOP/samples/lakefs AS_OF=2022-08-01T00:00:00Z
protoc -I"$F" --python_out=. lakefs.proto
legacy() { # NAME FILE...: a database of its own
    pg_sql postgres "CREATE DATABASE $1"
    name=$1; shift
    for file in "$S/schema.sql" "$@"; do
        psql -Xq -v ON_ERROR_STOP=1 -v repos=3 -v commits=400 -v branches=12 -v staged=500 -v runs=90 -v users=40 -v seed=7 \
            -d "$name" -f "$file" >load.log 2>&1 || { tail -5 load.log >&2; die "loading $file"; }
    done
}
exact() { # LEGACY STORE [SETTINGS]
    PYTHONPATH=. /usr/bin/python3 "$TOP/tests/integration/lakefs/exact.py" "dbname=$1" "dbname=$2" $AS_OF ${3:+"$3"} >exact.txt 2>&1 ||
        { cat exact.txt >&2; die "not exact"; }
    echo "REPORT $1: $(tail -1 exact.txt)"
}
mkdir -p settings/edge
printf '\012\013\012\004main\022\003\012\001\001' >settings/edge/protected_branches.json

# What the odd cases become: into the same database, 100 partitions, version record and all.
legacy odd "$S/edges.sql"
rows_of() { pg_dump -d "$1" --data-only --schema=public -T 'kv*' | grep -v restrict | md5sum; }
before=$(rows_of odd)
expect 0 migrate -f "$F" -a as_of=$AS_OF -a settings=settings --sides . --partitions 100 dbname=odd dbname=odd
says 'published: schema 38'
for code in hook-without-run irregular-run-id credential-without-user token-expired no-setup-timestamp metadata-left-out \
    statement-member-dropped upload-without-address upload-without-metadata upload-without-content-type unreachable staging-not-held \
    token-held-twice new-staging-token branch-without-commit tag-without-commit commit-without-generation tombstones; do
    says "$code"
done
exact odd odd settings
# All 17 tables, and every message of lakefs.proto that is a value of its own; protected branches are copied.
grep -q ' of 17 tables, of which 17 have rows, as 14 kinds of messages, 0 complaints' exact.txt || die "not everything was seen: $(tail -1 exact.txt)"
equal "$(pg_sql odd "SELECT count(*) FROM pg_inherits WHERE inhparent = 'kv'::regclass AND inhrelid::regclass::text ~ '^kv_[0-9]+\$'")" 100
equal "$(rows_of odd)" "$before" "the legacy rows"
# The server's own statements at its start change nothing, and it can read and write.
{
    echo 'CREATE TABLE IF NOT EXISTS kv (partition_key BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, PRIMARY KEY (partition_key, key)) PARTITION BY HASH (partition_key);'
    i=0
    while [ $i -lt 100 ]; do
        echo "CREATE TABLE IF NOT EXISTS kv_$i PARTITION OF kv FOR VALUES WITH (MODULUS 100, REMAINDER $i);"
        i=$((i + 1))
    done
    echo "CREATE OR REPLACE VIEW kv_v AS SELECT ENCODE(partition_key, 'escape') AS partition_key, ENCODE(key, 'escape') AS key, value FROM kv;"
} >server.sql
psql -Xq -v ON_ERROR_STOP=1 -d odd -f server.sql >server.log 2>&1 || { cat server.log >&2; die "the server's own statements"; }
equal "$(pg_sql odd "SELECT value FROM kv_v WHERE partition_key = 'kv-internal-metadata' AND key = 'kv/schema/version'")" '\x31'
pg_sql odd "INSERT INTO kv VALUES ('auth', 'users/new', '\\x01')"
equal "$(pg_sql odd "SELECT encode(value, 'hex') FROM kv WHERE partition_key = 'auth' AND key = 'users/new'")" 01

# The run map: every old id once, every new one in the store.
equal "$(jq -r '.repository_id + "/" + .old_run_id' run-map.ndjson | LC_ALL=C sort)" \
    "$(pg_sql odd "SELECT repository_id || '/' || run_id FROM actions_runs" | LC_ALL=C sort)"
jq -r '"repos/" + .repository_id + "/runs/" + .new_run_id' run-map.ndjson | LC_ALL=C sort >map.keys
pg_sql odd "SELECT key FROM kv_v WHERE partition_key = 'actions' AND key ~ '^repos/[^/]*/runs/'" | LC_ALL=C sort | diff map.keys - || die "run map"
equal "$(jq -r 'select(.repository_id == "gone") | .storage_namespace' run-map.ndjson)" null

# Plain rows, into another database; the same as_of gives the same stream, whatever -j.
legacy plain "$S/rows.sql" "$S/edges.sql"
pg_sql postgres 'CREATE DATABASE elsewhere'
expect 0 migrate -f "$F" -a as_of=$AS_OF --sides . --overwrite dbname=plain dbname=elsewhere
says protection-not-carried
exact plain elsewhere
equal "$(pg_sql plain "SELECT count(*) FROM pg_class WHERE relname = 'kv'")" 0
for j in 1 2 8; do
    expect 0 export -f "$F" -a as_of=2022-08-01T02:00:00+02:00 -j $j --overwrite dbname=plain j$j.kvf
    "$K" info --json j$j.kvf | jq -r '.result.root' >>roots
done
equal "$(sort -u roots | wc -l)" 1
cmp j1.kvf.run-map.ndjson j8.kvf.run-map.ndjson || die "run maps differ"
expect 0 verify j1.kvf dbname=elsewhere

# Without as_of, the store's own counts: nothing to do, and nothing differs.
expect 0 migrate -f "$F" --sides . --overwrite dbname=plain dbname=elsewhere
says already
expect 0 verify -f "$F" tables:dbname=plain dbname=elsewhere
expect 0 verify -f "$F" tables:dbname=plain j2.kvf

# The SQLite store.
expect 0 import j1.kvf sqlite:lake.db
expect 0 verify --entries sqlite:lake.db dbname=elsewhere
equal "$(sql lake.db "SELECT value FROM kv WHERE CAST(partition_key AS TEXT) = 'kv-internal-metadata'")" 1

# The plan has counts and sizes of every package, also of one that queries feed alone.
for p in actions auth multiparts graveler; do
    expect 0 plan -f "$F" -p $p -a as_of=$AS_OF dbname=plain sqlite:none.db
    grep -qE '^total +[1-9][0-9,]* +~[1-9][0-9.]* kB$' out || die "the plan has no counts and sizes of $p"
done
expect 0 plan --json -f "$F" -a as_of=$AS_OF dbname=plain sqlite:none.db
equal "$(jq '[.result.packages[].rows | tonumber] | add' out)" "$(jq '[.result.records[].rows | tonumber] | add' out)"

# What is refused, and what to do about it.
pg_sql odd 'DROP VIEW kv_v' 'DROP TABLE kv'
refuse() { # TEXT STATEMENT UNDO: the source after STATEMENT is refused with TEXT
    pg_sql plain "$2"
    "$K" plan -f "$F" -a as_of=$AS_OF dbname=plain sqlite:none.db >out 2>err; got=$?
    cat out err | grep -q "$1" || { cat out err >&2; die "status $got, without '$1', after $2"; }
    case $got in 3|4|7|13) ;; *) die "status $got after $2";; esac
    pg_sql plain "$3"
}
refuse 'upgrade to lakeFS 0.70' 'UPDATE schema_migrations SET version = 37' 'UPDATE schema_migrations SET version = 38'
refuse 'these definitions are too old' 'UPDATE schema_migrations SET version = 39' 'UPDATE schema_migrations SET version = 38'
refuse 'repair the' 'UPDATE schema_migrations SET dirty = true' 'UPDATE schema_migrations SET dirty = false'
refuse 'repair the' 'INSERT INTO schema_migrations VALUES (37, false)' 'DELETE FROM schema_migrations WHERE version = 37'
refuse 'repair the' 'DELETE FROM schema_migrations' 'INSERT INTO schema_migrations VALUES (38, false)'
refuse 'schema_migrations' 'ALTER TABLE schema_migrations RENAME TO x' 'ALTER TABLE x RENAME TO schema_migrations'
refuse 'graveler_tags.commit_id is varchar, not text' 'ALTER TABLE graveler_tags ALTER commit_id TYPE varchar' 'ALTER TABLE graveler_tags ALTER commit_id TYPE text'
refuse 'auth_expired_tokens.token_id is missing' 'ALTER TABLE auth_expired_tokens RENAME TO x' 'ALTER TABLE x RENAME TO auth_expired_tokens'
pg_sql plain 'ALTER TABLE graveler_tags ADD extra text'
expect 0 plan -f "$F" -a as_of=$AS_OF dbname=plain sqlite:none.db
says column-not-carried
says graveler_tags.extra
pg_sql plain 'ALTER TABLE graveler_tags DROP extra'
mkdir -p wrong/nowhere; cp settings/edge/protected_branches.json wrong/nowhere
expect 13 plan -f "$F" -a settings=wrong dbname=plain sqlite:none.db
says unknown-repository
# Without a change of the repositories: its folder has the name of one, and nothing below it.
mkdir -p deep/edge/more named/Edge
cp settings/edge/protected_branches.json deep/edge/more
cp settings/edge/protected_branches.json named/Edge
pg_sql plain "INSERT INTO graveler_repositories VALUES ('Edge', 's3://e', now(), 'main')"
for wrong in deep named; do
    expect 13 plan -f "$F" -a settings=$wrong dbname=plain sqlite:none.db
    says settings-path
    expect 13 export -f "$F" -a settings=$wrong --overwrite dbname=plain bad.kvf
    says settings-path
done
pg_sql plain "DELETE FROM graveler_repositories WHERE id = 'Edge'"
printf 'no message' >settings/edge/protected_branches.json
expect 64 export -f "$F" -a settings=settings --overwrite dbname=plain bad.kvf
says 'not a protobuf message'
expect 2 plan -f "$F" -a as_off=x dbname=plain sqlite:none.db
says 'as_of'
expect 2 plan -f "$F" -a as_of=yesterday dbname=plain sqlite:none.db
[ ! -e bad.kvf ] && [ ! -e none.db ] || die "something was written"
