# backup, verify, diff, get and status on a store in PostgreSQL: plain and in a hundred partitions,
# under a name with a schema and capitals, empty, and without a version record.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
sqlite3 a.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 3000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n; CREATE TABLE u (k TEXT PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO u SELECT 'u' || i, i FROM n"
expect 0 export sqlite:a.db a.kvf
root() { "$K" info "$1" | sed -n 's/^root *//p'; }

# reads PLACE OPTION...: every verb that reads gives back what a.kvf holds
reads() {
    place=$1; shift
    expect 0 backup --overwrite "$place" b.kvf "$@"
    equal "$(root b.kvf)" "$(root a.kvf)" "the backup of $place $*"
    for other in a.kvf b.kvf sqlite:a.db; do
        expect 0 verify $other "$place" "$@"
        expect 0 diff "$place" $other "$@"
        says 'equal: 3,300 entries'
    done
    expect 0 get "$place" u u77 "$@"
    says '"v":"77"'
    expect 11 get "$place" u u301 "$@"
    expect 0 status "$place" "$@"
    says '3,300 entries'
}
# differs DATABASE TABLE: a value, a key more and a key less are found
differs() {
    pg_sql "$1" "UPDATE $2 SET value = 'x' WHERE partition_key = 'u' AND key = 'u1'" \
        "DELETE FROM $2 WHERE partition_key = 'u' AND key = 'u2'" "INSERT INTO $2 VALUES ('w', 'new', '')" || exit 1
    for verb in verify diff; do
        expect 11 $verb a.kvf "dbname=$1"
        says '1 only in A (-), 1 only in B (+), 1 with other values (~)'
    done
    expect 0 get --raw "dbname=$1" w new
    [ ! -s out ] || die "an empty value has bytes"
    expect 0 backup --overwrite "dbname=$1" b.kvf
    expect 0 verify b.kvf "dbname=$1"
}
for db in plain parts named; do pg_sql postgres "CREATE DATABASE $db" || exit 1; done
expect 0 import a.kvf dbname=plain
reads dbname=plain
differs plain kv
expect 0 import a.kvf dbname=parts --partitions 100
equal "$(pg_sql parts "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'kv'::regclass" | LC_ALL=C sort)" \
    "$(seq -f kv_%g 0 99 | LC_ALL=C sort)" "names of partitions"
reads dbname=parts
differs parts kv
pg_sql named 'CREATE SCHEMA "App Data"' || exit 1
expect 0 import a.kvf dbname=named --table-name 'App Data.Kv Store' --partitions 2
equal "$(pg_sql named "SELECT count(*) FROM \"App Data\".\"Kv Store_0\" FULL JOIN \"App Data\".\"Kv Store_1\" USING (key)")" 3300
reads dbname=named
reads dbname=named --table-name 'App Data.Kv Store'
differs named '"App Data"."Kv Store"'

# The store knows its own name; another one is not taken for an empty store.
for verb in 'verify a.kvf dbname=parts' 'diff a.kvf dbname=parts' 'get dbname=parts t 1' 'status dbname=parts' \
    'backup dbname=parts no.kvf' 'rollback -n dbname=parts'; do
    expect 13 $verb --table-name other
    says 'the store there is table public.kv, not public.other'
done
expect 0 import a.kvf sqlite:s.db
expect 13 verify a.kvf sqlite:s.db --table-name other
says 'the store there is table kv, not other'
[ ! -e no.kvf ] || die "a backup of another table"

# Who may not read all rows is told so, and never that there are none.
pg_sql postgres 'CREATE ROLE guest LOGIN' && pg_sql plain 'GRANT USAGE ON SCHEMA kvferry TO guest' \
    'GRANT SELECT ON ALL TABLES IN SCHEMA kvferry TO guest' || exit 1
hidden() { # TEXT
    for verb in 'verify a.kvf WHERE' 'diff a.kvf WHERE' 'diff WHERE a.kvf' 'get WHERE t 1' 'backup WHERE no.kvf' 'rollback --dry-run WHERE' \
        'cat WHERE'; do
        what=
        for word in $verb; do [ "$word" = WHERE ] && word='dbname=plain@user=guest'; what="$what $word"; done
        (set --; for word in $what; do set -- "$@" "$(echo "$word" | tr @ ' ')"; done; "$K" "$@" >out 2>err); got=$?
        [ "$got" -eq 4 ] || [ "$got" -eq 5 ] || die "$verb: exit $got"
        says "$1"
        [ ! -e no.kvf ] || die "a backup of rows that were not seen"
    done
    expect 0 status 'dbname=plain user=guest'
    says 'entries that this user may not read are published'
    equal "$("$K" status --json 'dbname=plain user=guest' | jq -r .result.store.entries)" null
    expect 13 import --replace a.kvf 'dbname=plain user=guest'
}
hidden 'permission denied for table kv'
pg_sql plain 'GRANT SELECT ON kv TO guest' || exit 1
expect 0 get 'dbname=plain user=guest' t 1
pg_sql plain 'ALTER TABLE kv ENABLE ROW LEVEL SECURITY' || exit 1
hidden 'row-level security of table "public"."kv" may hide rows from user "guest"'
pg_sql plain "CREATE POLICY parts ON kv USING (partition_key = 'u')" || exit 1
hidden 'row-level security of table "public"."kv" may hide rows from user "guest"'
expect 0 verify b.kvf dbname=named
pg_sql plain 'ALTER TABLE kv DISABLE ROW LEVEL SECURITY' || exit 1
expect 0 get 'dbname=plain user=guest' t 1

# A table that kvferry never touched: none, empty, with rows of others, with a value that is none.
pg_sql postgres 'CREATE DATABASE mine' || exit 1
expect 4 backup dbname=mine no.kvf
says 'there is no key-value store'
pg_sql mine 'CREATE TABLE kv (partition_key bytea, key bytea, value bytea, PRIMARY KEY (partition_key, key))' || exit 1
dump() { "$PG_BIN/pg_dump" mine | grep -v restrict | sha256sum; }
before=$(dump)
expect 0 status dbname=mine
says 'nothing was published here yet'
expect 11 verify a.kvf dbname=mine
says 'dbname=mine: 0 entries'
expect 11 diff a.kvf dbname=mine
expect 11 get dbname=mine t 1
expect 0 backup dbname=mine none.kvf
expect 0 verify none.kvf dbname=mine
equal "$(dump)" "$before" "who reads has written"
pg_sql mine "INSERT INTO kv VALUES ('app', 'one', '1'), ('app', '\\x00ff', '\\xff00'), ('', 'no partition', '')" || exit 1
expect 0 status dbname=mine
says 'holds 3 entries that kvferry did not write'
expect 0 backup dbname=mine some.kvf
expect 0 verify some.kvf dbname=mine
expect 0 diff dbname=mine some.kvf
expect 0 get --raw dbname=mine app hex:00ff
equal "$(od -An -tx1 <out | tr -d ' \n')" ff00
expect 11 diff some.kvf none.kvf
says '3 only in A'
pg_sql mine "INSERT INTO kv VALUES ('app', 'null', NULL)" || exit 1
for verb in 'backup dbname=mine no.kvf' 'verify some.kvf dbname=mine' 'diff some.kvf dbname=mine'; do
    "$K" $verb >out 2>err; got=$?
    [ "$got" -eq 4 ] || [ "$got" -eq 5 ] || die "$verb: exit $got"
    says 'an entry has no value, at key null'
done
[ ! -e no.kvf ] || die "a backup without a value"
exit 0
