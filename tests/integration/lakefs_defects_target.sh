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
