# An upgrade in place where something else has the name that the store needs: refused before
# anything is written, with its kind, its name and a way out; nothing of it is lost or changed.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
mkdir f
cat >f/application.yaml <<'END'
application: shop
source: {version: "SELECT n FROM version", requires: 1}
store: {version: {partition: meta, key: version, started: "1", done: "2"}}
packages: [things]
END
cat >f/things.yaml <<'END'
package: things
version: 1
records:
  thing:
    table: thing
    entries: [{partition: things, key: "thing/{id}", value: thing}]
values:
  thing: {encoding: json, fields: {id: {type: int}, name: {type: string}}}
END
pg_sql postgres 'CREATE DATABASE base' || exit 1
pg_sql base 'CREATE TABLE version (n int)' 'INSERT INTO version VALUES (1)' \
    'CREATE TABLE thing (id int PRIMARY KEY, name text)' \
    "INSERT INTO thing SELECT i, 'thing ' || i FROM generate_series(1, 300) i" \
    'CREATE EXTENSION file_fdw' 'CREATE SERVER files FOREIGN DATA WRAPPER file_fdw' 'CREATE SCHEMA aside' || exit 1
printf '7,seven\n' >"$PG_DIR/far.csv"

# All that is in the database, definitions and rows.
dump() { "$PG_BIN/pg_dump" shop | grep -v 'restrict' | sha256sum; }

# taken STATEMENTS TEXT [OPTION...]: nothing is written, whatever is asked for; --table-name is a way out
taken() {
    pg_sql postgres 'DROP DATABASE IF EXISTS shop' 'CREATE DATABASE shop TEMPLATE base' 2>/dev/null || exit 1
    pg_sql shop "$1" || exit 1
    text=$2 what=$1
    shift 2
    before=$(dump)
    for how in '' --replace --merge; do
        expect 13 migrate $how "$@" -f f dbname=shop dbname=shop
        says "$text"
        says 'Nothing was changed'
        says --table-name
        equal "$(dump)" "$before" "$what $how"
    done
    expect 13 plan "$@" -f f dbname=shop dbname=shop
    says "$text"
    expect 0 migrate "$@" --table-name aside.entries -f f dbname=shop dbname=shop
    equal "$(pg_sql shop 'SELECT count(*) FROM aside.entries')" 301 "$what"
    expect 0 verify -f f tables:dbname=shop dbname=shop
    pg_sql shop 'DROP SCHEMA kvferry CASCADE' 'DROP TABLE aside.entries' 2>/dev/null || exit 1
    equal "$(dump)" "$before" "$what: after the way out"
}
taken "CREATE TABLE kv (id int PRIMARY KEY, v text); INSERT INTO kv VALUES (1, 'mine')" '"kv" is a table of another shape'
taken 'CREATE VIEW kv AS SELECT id AS key, name AS value FROM thing' '"kv" is a view'
taken "CREATE FOREIGN TABLE kv (id int, v text) SERVER files OPTIONS (filename '$PG_DIR/far.csv', format 'csv')" \
    '"kv" is a foreign table'
# ... even where the columns are ours: nobody can move its rows.
taken "CREATE FOREIGN TABLE kv (partition_key bytea, key bytea, value bytea) SERVER files OPTIONS (filename '/dev/null')" \
    '"kv" is a foreign table'
taken 'CREATE SEQUENCE kv' '"kv" is a sequence'
taken 'CREATE TABLE kv_2 (a int); INSERT INTO kv_2 VALUES (1); CREATE VIEW kv_0 AS SELECT 1 AS one' \
    'the name of: table kv_2, view kv_0' --partitions 3
taken 'CREATE TABLE keys (a int CONSTRAINT kv_pkey PRIMARY KEY)' 'the name of: index kv_pkey'
taken "CREATE TYPE kv AS ENUM ('a')" 'the name of: type kv'

# A legacy table that is called kv is carried like any other, to a store beside it.
pg_sql postgres 'DROP DATABASE shop' 'CREATE DATABASE shop TEMPLATE base' || exit 1
pg_sql shop "CREATE TABLE kv (id int PRIMARY KEY, v text); INSERT INTO kv VALUES (1, 'mine')" || exit 1
expect 0 migrate --table-name aside.kv dbname=shop dbname=shop
expect 0 get dbname=shop kv 1
says mine
equal "$(pg_sql shop 'SELECT v FROM kv')" mine
exit 0
