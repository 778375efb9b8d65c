# lakeFS: rows that cannot keep their meaning are rejected, named, and accepted by digest.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
PATH=$PG_BIN:$PATH F=$TOP/formats/lakefs S=$TOP/samples/lakefs
pg_sql postgres 'CREATE DATABASE lake'
psql -Xq -v ON_ERROR_STOP=1 -d lake -f "$S/schema.sql" -f "$S/edges.sql" -f "$S/rejects.sql" >load.log 2>&1 || { cat load.log >&2; die rows; }
expect 64 export -f "$F" -a as_of=2022-08-01T00:00:00Z dbname=lake none.kvf
[ ! -e none.kvf ] || die "a stream is there"
expect 64 migrate -f "$F" -a as_of=2022-08-01T00:00:00Z --sides . --max-rejects 20 --rejects rejects.ndjson dbname=lake sqlite:lake.db
# Ten rows: two staged ones, three users, two policies, an upload, two commits.
equal "$(wc -l <rejects.ndjson)" 10
for what in 'for ever' caesar far 'no list' number nested 'null parent'; do
    grep -q "\"$what\"" rejects.ndjson || { cat rejects.ndjson >&2; die "'$what' is not among the rejects"; }
done
equal "$(sqlite3 lake.db "SELECT value FROM kv")" 0 # the version record of a migration that is not done
digest=$(sha256sum rejects.ndjson | cut -d' ' -f1)
expect 64 migrate -f "$F" --sides . --overwrite --max-rejects 20 --rejects rejects.ndjson --accept-rejects "$(echo "$digest" | tr 0-9a-f 1-9a-f0)" dbname=lake sqlite:lake.db
expect 0 migrate -f "$F" --sides . --overwrite --max-rejects 20 --rejects rejects.ndjson --accept-rejects "$digest" dbname=lake sqlite:lake.db
says published
"$K" history --json sqlite:lake.db | grep -q "$digest" || die "history does not name what was accepted"
# All others are there.
equal "$("$K" cat --keys sqlite:lake.db | grep -c '"partition":"auth","key":"users/')" 4
equal "$("$K" cat --keys sqlite:lake.db | grep -c '"key":"commits/')" 4

# Text that is not UTF-8, which only a database without an encoding can hold.
pg_sql postgres "CREATE DATABASE ascii ENCODING SQL_ASCII TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
psql -Xq -v ON_ERROR_STOP=1 -d ascii -f "$S/schema.sql" -f "$S/edges.sql" >load.log 2>&1 || { cat load.log >&2; die ascii; }
PGCLIENTENCODING=SQL_ASCII psql -Xq -v ON_ERROR_STOP=1 -d ascii -c "INSERT INTO graveler_tags VALUES ('edge', E'bad\\xff', 'c1')" \
    -c "INSERT INTO graveler_commits VALUES ('edge', 'badmsg', 'x', E'm\\xfe', now(), 'm', '{}', NULL, 0, 1)" \
    -c "INSERT INTO auth_users (created_at, display_name) VALUES (now(), E'u\\xfd')" \
    -c "INSERT INTO graveler_branches VALUES ('edge', E'br\\xfb', NULL, 'c1')" || die "bytes"
expect 64 export -f "$F" -a as_of=2022-08-01T00:00:00Z --max-rejects 10 --rejects ascii.ndjson dbname=ascii ascii.kvf
equal "$(jq -r '.code + " " + .record' ascii.ndjson | LC_ALL=C sort)" "$(printf 'not-utf8 branch\nnot-utf8 commit\nnot-utf8 tag\nnot-utf8 user')"
equal "$(jq -c 'select(.record == "tag") | .key.repository_id, .key.id' ascii.ndjson)" "$(printf '"edge"\n"hex:626164ff"')" "the tag's key"
equal "$(jq -r 'select(.record == "branch") | .key.id' ascii.ndjson)" hex:6272fb
# A run's id stands in the run map as well: the run is rejected there, too, and by its old id to be found.
PGCLIENTENCODING=SQL_ASCII psql -Xq -v ON_ERROR_STOP=1 -d ascii -c "INSERT INTO actions_runs VALUES ('edge', E'20210101000000AZaz0\\xfcab', 'x', now(), now(), '', '', '', true)" \
    -c "INSERT INTO actions_runs VALUES ('edge', '20210101000001AZaz0abc', E'x\\xfa', now(), now(), '', '', '', true)" || die "bytes"
expect 64 export -f "$F" -a as_of=2022-08-01T00:00:00Z dbname=ascii run.kvf
says 'record run'
[ ! -e run.kvf ] || die "a stream is there"
expect 64 export -f "$F" -a as_of=2022-08-01T00:00:00Z --max-rejects 10 --rejects runs.ndjson dbname=ascii run.kvf
equal "$(jq -r 'select(.package == "actions") | .record + " " + .row.old_run_id' runs.ndjson | LC_ALL=C sort)" \
    "$(printf 'run 20210101000001AZaz0abc\nrun-map.ndjson hex:3230323130313031303030303030415a617a30fc6162')"
equal "$(grep -c AZaz0abc run.kvf.run-map.ndjson)" 1
