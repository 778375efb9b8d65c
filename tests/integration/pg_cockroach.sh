# By the rules of CockroachDB, on a server of PostgreSQL: what the store has to
# stand (tests/conform/store_cockroach.c), and the whole way of the data.  The same
# tables give the same stream as by PostgreSQL's rules.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start "max_connections = 60"

KVF_TEST_POSTGRES=1 CMOCKA_MESSAGE_OUTPUT=TAP "$TOP/$B/tests/conform/store_cockroach" >out 2>err ||
    die "store_cockroach"
[ "$(grep -c '^ok ' out)" -ge 12 ] || die "too few tests ran"

# Every text of the dialects but those that the document lists is understood here.
KVF_TEST_POSTGRES=1 CMOCKA_MESSAGE_OUTPUT=TAP "$TOP/$B/tests/conform/pg_dialect" >out 2>err || die "pg_dialect"
[ "$(grep -c '^ok ' out)" -eq 3 ] || die "pg_dialect: too few tests ran"

for db in legacy store; do pg_sql postgres "CREATE DATABASE $db"; done
# Keys of one number, of a UUID, of two columns, none; more rows than a page has.
pg_sql legacy "CREATE TABLE num(id int8 PRIMARY KEY, v text, t timestamptz, n numeric, b bytea, j jsonb, a int[]);
    INSERT INTO num SELECT i * 7, 'value ' || i, '2026-01-01'::timestamptz + i * '1 s'::interval, i / 7.0,
     decode(md5(i::text), 'hex'), jsonb_build_object('i', i), ARRAY[i, NULL] FROM generate_series(1, 25000) i;
    CREATE TABLE uid(id uuid PRIMARY KEY, v text); INSERT INTO uid SELECT md5(i::text)::uuid, i::text
     FROM generate_series(1, 12000) i;
    CREATE TABLE two(a text, b int, v text, PRIMARY KEY (b, a)); INSERT INTO two SELECT 'k' || i, i % 100, 'x'
     FROM generate_series(1, 12000) i;
    CREATE TABLE bare(v text); INSERT INTO bare SELECT 'v' || i FROM generate_series(1, 12000) i;
    CREATE TABLE none(v int); CREATE TABLE parted(id int, v text) PARTITION BY HASH (id);
    CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO parted SELECT i, 'p' FROM generate_series(1, 12000) i;
    CREATE VIEW low AS SELECT id, v FROM num WHERE id < 700" || exit 1
root() { # the root of a stream
    "$K" info "$1" | sed -n 's/^root *//p'
}
expect 0 export postgresql:dbname=legacy a.kvf
expect 0 export -j 3 cockroachdb:dbname=legacy b.kvf
[ -n "$(root a.kvf)" ] && [ "$(root a.kvf)" = "$(root b.kvf)" ] || die "another stream"

# In, whole, and out again.
expect 0 import a.kvf cockroachdb:dbname=store
expect 0 verify a.kvf cockroachdb:dbname=store
expect 0 diff tables:cockroachdb:dbname=legacy cockroachdb:dbname=store
expect 0 backup cockroachdb:dbname=store c.kvf
[ "$(root a.kvf)" = "$(root c.kvf)" ] || die "the backup is another stream"
[ "$(pg_sql store 'SELECT table_schema, table_name FROM kvferry.live')" = 'kvferry_g1|kv' ] ||
    die "kvferry.live"
[ "$(pg_sql store 'SELECT count(*) FROM kvferry_g1.kv')" = 73000 ] || die "the live table"
[ "$(pg_sql store "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")" = 0 ] || die "a lock"
expect 0 import a.kvf cockroachdb:dbname=store
says "nothing to do"
pg_sql legacy "DELETE FROM num WHERE id % 14 = 0"
expect 0 migrate --replace cockroachdb:dbname=legacy cockroachdb:dbname=store
expect 0 verify tables:cockroachdb:dbname=legacy cockroachdb:dbname=store
[ "$(pg_sql store 'SELECT table_schema FROM kvferry.live')" = kvferry_g2 ] || die "kvferry.live"
expect 13 import --replace --partitions 3 a.kvf cockroachdb:dbname=store
says "--partitions is for PostgreSQL"
pg_sql postgres "CREATE DATABASE taken" && pg_sql taken "CREATE VIEW kv AS SELECT 1 AS a" || exit 1
expect 13 import a.kvf cockroachdb:dbname=taken
says 'is no table (partition_key bytea'
says --table-name
[ "$(pg_sql taken "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^kvferry'")" = 0 ] || die "a refused import has written"
expect 2 export cockroachdb://legacy:secret@x:port/y d.kvf
grep -q secret out err && die "a password is printed"

# A source whose connection breaks anywhere gives no stream; what is loaded through
# such a link comes through.
for n in 40 70 120; do
    rm -f e.kvf
    "$TOP/$B/tests/tools/pgproxy" "cut-within server $n" -- "$K" export cockroachdb:dbname=legacy e.kvf >out 2>err
    rc=$?
    [ "$rc" -eq 4 ] && [ ! -e e.kvf ] || die "cut after $n messages: exit $rc"
done
pg_sql postgres "CREATE DATABASE again"
PGPROXY_COUNTS=$PWD/counts "$TOP/$B/tests/tools/pgproxy" 'fail 40001 3+2 INSERT INTO kvferry_g' \
    'fail-done 40003 5 COMMIT' 'lose-done 8 COMMIT' -- "$K" -v import a.kvf cockroachdb:dbname=again >out 2>err ||
    die "import behind the proxy"
grep -q 'fired 4' counts || die "rules fired otherwise: $(cat counts)"
says "2 after a conflict (40001), 1 without a certain answer (40003), 1 after a lost connection"
expect 0 verify a.kvf cockroachdb:dbname=again

# A source of PostgreSQL that a run has frozen, and which is given up, is open again.
pg_sql postgres "CREATE DATABASE given_up" "CREATE DATABASE small"
pg_sql small "CREATE TABLE t (id int PRIMARY KEY)" "INSERT INTO t VALUES (1)"
[ ! -x "$TOP/$B/tests/kvferry" ] || {
    KVF_FAILPOINT=seal.before:1:kill "$TOP/$B/tests/kvferry" migrate --freeze dbname=small \
        cockroachdb:dbname=given_up >out 2>err && die "it was not killed"
    pg_sql small "INSERT INTO t VALUES (2)" 2>err && die "the source is not frozen"
    expect 0 abort cockroachdb:dbname=given_up
    pg_sql small "INSERT INTO t VALUES (2)" || die "the source is still frozen"
}
exit 0
