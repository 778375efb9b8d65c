# Servers of other versions: the oldest that are taken go another way for what they lack, and give the
# same stream; older ones are refused by name. (The server is of one version and says
# another, through the proxy: what only an old one would refuse to parse does not show.)
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
pg_sql postgres 'CREATE DATABASE legacy' 'CREATE DATABASE store' 'CREATE DATABASE tables' || exit 1
pg_sql legacy 'CREATE TABLE t(id int PRIMARY KEY, v text, r int4range)' \
    "INSERT INTO t SELECT i, repeat(md5(i::text), 4), int4range(i, i + 1) FROM generate_series(1, 60000) i" \
    'CREATE TABLE p(k text, n int, PRIMARY KEY (k, n)) PARTITION BY HASH (n)' \
    'CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0)' \
    'CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1)' \
    "INSERT INTO p SELECT md5(i::text), i FROM generate_series(1, 60000) i" 'ANALYZE' || exit 1
as() { # VERSION STATUS ARGS...
    version=$1 want=$2; shift 2
    "$TOP/$B/tests/tools/pgproxy" "version $version" -- "$K" "$@" >out 2>err; got=$?
    [ "$got" -eq "$want" ] || die "PostgreSQL $version: kvferry $*: exit $got, expected $want"
}
root() { sed -n 's/^root *//p' out; }
expect 0 export -j 3 dbname=legacy new.kvf
first=$(root)
for v in 12.1 13.4; do
    as $v 0 export -v -j 3 --overwrite dbname=legacy old.kvf
    equal "$(root)" "$first" "PostgreSQL $v"
done
as 12.1 0 import new.kvf dbname=store --partitions 3
as 12.1 0 verify new.kvf dbname=store
as 12.1 0 import --as tables new.kvf dbname=tables
expect 0 diff new.kvf tables:dbname=tables

for refused in "4|export|dbname=legacy|no.kvf" "5|import|new.kvf|dbname=store|--replace" "4|migrate|dbname=legacy|sqlite:no.db" \
    "5|import|--as|tables|new.kvf|dbname=store" "5|status|dbname=store"; do
    (IFS='|'; set -- $refused; IFS=' '; as 11.22 "$@") || exit 1
    says 'runs PostgreSQL 11; 12 is the oldest'
    says 'next:'
    [ ! -e no.kvf ] && [ ! -e no.db ] || die "something was written: $refused"
done
exit 0
