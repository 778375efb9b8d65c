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
[ ! -e lake.db ] || equal "$(sqlite3 lake.db "SELECT count(*) FROM sqlite_master WHERE name = 'kv'")" 0
digest=$(sha256sum rejects.ndjson | cut -d' ' -f1)
expect 64 migrate -f "$F" --sides . --overwrite --max-rejects 20 --rejects rejects.ndjson --accept-rejects "$(echo "$digest" | tr 0-9a-f 1-9a-f0)" dbname=lake sqlite:lake.db
expect 0 migrate -f "$F" --sides . --overwrite --max-rejects 20 --rejects rejects.ndjson --accept-rejects "$digest" dbname=lake sqlite:lake.db
says published
"$K" history --json sqlite:lake.db | grep -q "$digest" || die "history does not name what was accepted"
# All others are there.
equal "$("$K" cat --keys sqlite:lake.db | grep -c '"partition":"auth","key":"users/')" 4
equal "$("$K" cat --keys sqlite:lake.db | grep -c '"key":"commits/')" 3
