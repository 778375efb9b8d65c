# lakeFS's defects about a `kv` that is there already, shown absent here: 6 and 22 of the table in
# formats/lakefs/README.md.
. "$TOP/tests/integration/lakefs/lake.sh"
lake_start
lake lake --edges
migrate() { "$K" migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --partitions 100 "$@" dbname=lake dbname=lake >out 2>err </dev/null; }

# ---- 6: a foreign, filled kv is refused, and stays ---------------------------------------------
sum() { pg_sql lake "SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM kv x" "SELECT oid FROM pg_class WHERE oid = 'kv'::regclass"; }
for layout in ') PARTITION BY HASH (partition_key)' ')'; do
    pg_sql lake "CREATE TABLE kv (partition_key bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (partition_key, key)$layout"
    case $layout in *HASH*)
        for i in $(seq 0 99); do echo "CREATE TABLE kv_$i PARTITION OF kv FOR VALUES WITH (MODULUS 100, REMAINDER $i);"; done | psql -Xq -d lake;;
    esac
    pg_sql lake "INSERT INTO kv VALUES ('auth', 'users/mine', '\\x01'), ('somewhere', 'x', 'y')"
    before=$(sum)
    migrate; got=$?
    [ $got -eq 13 ] || die "a filled kv: exit $got"
    says kv
    equal "$(sum)" "$before" "somebody's kv"
    expect 0 plan -f "$F" -a as_of=$AS_OF dbname=lake dbname=lake
    says 'the store holds 2 entries: migrate needs --replace or --merge'
    pg_sql lake 'DROP TABLE kv'
done
echo "defect 6: a kv that somebody filled is refused, and stays to the byte"

# ---- 22: the version record is there, and "0", from the first write of the run on -------------------
# Whoever starts the server while the run is under way finds "0", and refuses to start.
"$PROXY" 'hold client 2 d COPY kvferry_g' -- "$K" migrate -q -f "$F" -a as_of=$AS_OF -j 1 --chunk 4K --sides . --overwrite --partitions 100 \
    --allow-live-source dbname=lake dbname=lake >out 2>err </dev/null &
proxy=$!
wait_for lake "query LIKE '%COPY kvferry_g%'"
equal "$(version_in lake)" 0 "the version while the run is under way"
kill -USR1 $proxy
wait $proxy || die "the run: exit $?"
equal "$(version_in lake)" 1
echo "defect 22: version 0 stands in the store as long as a run is under way"
