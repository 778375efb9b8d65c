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

# ---- 22: a server that is started while the run is under way --------------------------------------
# It finds "0", and refuses; or nothing, offers its setup, and writes "1" over an empty store: then the
# run must neither take that for its own work nor write over it.
"$PROXY" 'hold client 2 d COPY kvferry_g' -- "$K" migrate -q -f "$F" -a as_of=$AS_OF -j 1 --chunk 4K --sides . --overwrite --partitions 100 \
    --allow-live-source dbname=lake dbname=lake >out 2>err </dev/null &
proxy=$!
wait_for lake "query LIKE '%COPY kvferry_g%'"
want=0
case $(version_in lake) in
0) ;;
'')
    want=13
    {
        echo 'CREATE TABLE kv (partition_key BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, PRIMARY KEY (partition_key, key)) PARTITION BY HASH (partition_key);'
        for i in $(seq 0 99); do echo "CREATE TABLE kv_$i PARTITION OF kv FOR VALUES WITH (MODULUS 100, REMAINDER $i);"; done
        echo "INSERT INTO kv VALUES ('kv-internal-metadata', 'kv/schema/version', '1'), ('auth', 'users/admin', 'new');"
    } | psql -Xq -v ON_ERROR_STOP=1 -d lake || die "a server's setup";;
*) die "version $(version_in lake) while the run is under way";;
esac
kill -USR1 $proxy
wait $proxy; equal $? $want "the run: $(cat err)"
equal "$(version_in lake)" 1
if [ $want -eq 13 ]; then
    equal "$(pg_sql lake 'SELECT count(*) FROM kv')" 2 "what the server set up"
    migrate; got=$?
    [ $got -ne 0 ] || die "a store that a server set up was taken for a migrated one"
    equal "$(pg_sql lake 'SELECT count(*) FROM kv')" 2 "what the server set up"
fi
echo "defect 22: a server that was started too early does not make the migration look done"
