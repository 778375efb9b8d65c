# Tables out of PostgreSQL: which ones, in how many parts, and every way in which it can fail.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
P=dbname=postgres

# The root of what P holds: the same for every -j, and for a file of chunks.
root() { sed -n 's/^root *//p' out; }

# --- which tables, and the odd ones among them
pg_sql postgres 'CREATE TABLE big(id int PRIMARY KEY, v text)' \
    "INSERT INTO big SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 100000) i" \
    'CREATE TABLE twice(a int, b text)' \
    "INSERT INTO twice SELECT i % 1000, 'same' FROM generate_series(1, 120000) i" \
    'CREATE TABLE empty(a int PRIMARY KEY)' 'CREATE TABLE bare()' \
    'CREATE TABLE dropped(a int, b text, c int PRIMARY KEY, d text)' \
    "INSERT INTO dropped VALUES (1, 'gone', 3, 'four')" 'ALTER TABLE dropped DROP COLUMN b' \
    "CREATE TABLE made(a int, b int GENERATED ALWAYS AS (a * 2) STORED, i int GENERATED ALWAYS AS IDENTITY)" \
    'INSERT INTO made(a) VALUES (21)' \
    'CREATE TABLE parted(id int, v text, PRIMARY KEY(id)) PARTITION BY RANGE (id)' \
    'CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50000)' \
    'CREATE TABLE parted_2(v text, id int NOT NULL)' \
    'ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (50000) TO (99999999)' \
    "INSERT INTO parted SELECT i, repeat('x', 100) FROM generate_series(1, 120000) i" \
    'CREATE TABLE parent(a int)' 'CREATE TABLE child(b int) INHERITS (parent)' \
    'INSERT INTO parent VALUES (1)' 'INSERT INTO child VALUES (2, 3)' \
    'CREATE UNLOGGED TABLE unlogged(a int)' 'INSERT INTO unlogged VALUES (1)' \
    'CREATE VIEW seen AS SELECT id FROM big' 'CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one' \
    'CREATE TABLE "Odd ""name"" %s/.é"("a %s" text PRIMARY KEY, "select" int)' \
    "INSERT INTO \"Odd \"\"name\"\" %s/.é\" VALUES ('k', 1)" \
    'CREATE SCHEMA other' 'CREATE TABLE other.t(a int)' 'INSERT INTO other.t VALUES (1)'
pg_sql postgres 'CREATE EXTENSION IF NOT EXISTS file_fdw' 'CREATE SERVER files FOREIGN DATA WRAPPER file_fdw' \
    "CREATE FOREIGN TABLE far(a int) SERVER files OPTIONS (filename '/dev/null')" || die "file_fdw"
expect 64 export "$P" x.kvf
says 'table bare cannot be carried: it has no columns'
expect 0 export -v -T bare "$P" x.kvf
says '"far" is left out: it is a foreign table'
says '"kept" is left out: it is a materialized view'
says 'the tables of schema "other" are not carried: name it with --schema'
first=$(root)
# Who chose is not told of what he did not ask for.
expect 0 export --overwrite -t empty "$P" x.kvf
grep -q 'warning' err && die "a warning about tables that nobody asked for"
expect 2 export -t 'fa*' "$P" no.kvf
says '"far" is left out: it is a foreign table'
expect 2 export -t other.t "$P" no.kvf
says 'the tables of schema "other" are not carried: name it with --schema'
# Temporary ones are those of sessions: this one ends when it is told to.
mkfifo session
"$PG_BIN/psql" -Xq -d postgres <session & session=$!
exec 8>session
echo 'CREATE TEMP TABLE mine(a int); CREATE TEMP TABLE big(a int); SELECT pg_notify($$x$$, $$y$$);' >&8
for i in 1 2 3 4 5 6 7 8 9; do [ "$(pg_sql postgres "SELECT count(*) FROM pg_class WHERE relname IN ('mine', 'big')")" = 3 ] && break; sleep 0.2; done
expect 0 export -T bare --overwrite "$P" x.kvf
says 'temporary tables of other sessions are left out: "big", "mine"'
equal "$(root)" "$first" "beside temporary tables"
exec 8>&-
wait $session
"$K" info --json x.kvf >info.json || die info
counts=$("$K" cat x.kvf | jq -r .partition | sort | uniq -c | awk '{c = $1; $1 = ""; print $0 "=" c}' | tr -d '\n')
equal "$counts" ' Odd "name" %s/.é=1 big=100000 child=1 dropped=1 made=1 parent=1 parted=120000 twice=120000 unlogged=1'
equal "$("$K" get x.kvf dropped 3 | jq -c .)" '{"a":1,"c":3,"d":"four"}' || die dropped
for j in 1 2 3 5; do
    expect 0 export -j "$j" -T bare --overwrite "$P" x.kvf
    equal "$(root)" "$first" "-j $j"
    expect 0 export -j "$j" -m 1M -T bare --overwrite "$P" x.kvf
    equal "$(root)" "$first" "-j $j, with runs on disk"
done
expect 0 verify -T bare "tables:$P" x.kvf
expect 0 export --schema 'o*' "$P" other.kvf
says other.t
# The same place by its URI, a service, and the environment alone
printf '[legacy]\nhost=%s\nport=%s\ndbname=postgres\nuser=postgres\n' "$PGHOST" "$PGPORT" >service.conf
expect 0 export -T bare --overwrite "$P" x.kvf
for place in "postgresql://postgres@$(echo "$PGHOST" | sed 's,/,%2F,g'):$PGPORT/postgres" service=legacy postgresql:// 'postgresql://?service=legacy'; do
    (case $place in *legacy*) unset PGHOST PGPORT PGUSER PGDATABASE; PGSERVICEFILE=$PWD/service.conf; export PGSERVICEFILE;; esac
        expect 0 export -T bare "$place" same.kvf) || exit 1
    equal "$(root)" "$first" "$place"
    rm same.kvf
done
expect 2 export --schema nosuch "$P" no.kvf
says 'Nothing was written'
expect 2 export -t nosuch "$P" no.kvf
says 'stands for any characters'
legacy l.db 3
expect 2 export --schema public sqlite:l.db no.kvf

# --- a definition: a view, a query with its order and types of its own, a table of another schema
mkdir def
cat >def/application.yaml <<'END'
application: shop
store: {version: {partition: meta, key: version, started: "0", done: "1"}}
source: {version: "SELECT max(a) FROM other.t", requires: 1}
packages: [p]
END
cat >def/p.yaml <<'END'
package: p
version: 1
records:
  v:
    table: seen
    where: "id <= 3"
    entries: [{partition: v, key: "{id}", value: v}]
  q:
    query: SELECT i AS id, '10.0.0.1'::inet AS ip, timestamptz '2026-11-20 09:39:02.5+00' AS t FROM generate_series(1, 2) i -- end
    entries: [{partition: q, key: "{id}", value: q}]
  o:
    table: other.t
    entries: [{partition: o, key: "{a}", value: v2}]
values:
  v: {encoding: json, fields: {id: {type: int}}}
  v2: {encoding: json, fields: {a: {type: int}}}
  q: {encoding: json, fields: {ip: {type: string}, t: {type: timestamp}}}
END
"$K" check def "$P" >out 2>err || true
# A table, a column that are not there: where it is said, that nothing was written, what to type.
for wrong in 's/table: other[.]t/table: other.gone/' 's/key: "{a}"/key: "{gone}"/' 's/SELECT i AS id/SELECT gone AS id/'; do
    rm -rf lacks
    mkdir lacks
    cp def/application.yaml lacks
    sed "$wrong" def/p.yaml >lacks/p.yaml
    expect 3 export -f lacks "$P" no.kvf
    grep -q 'lacks/p.yaml:[0-9]*:[0-9]*: .*gone' err || die "nobody says where: $wrong"
    says 'Nothing was written'
    says "'kvferry check lacks SOURCE' tells all"
    [ ! -e no.kvf ] || die "a stream in spite of: $wrong"
done
expect 0 export -f def "$P" def.kvf
equal "$("$K" cat def.kvf | jq -c '[.partition, .key, .value]' | tr '\n' ' ')" \
    '["o","1",{"a":1}] ["q","1",{"ip":"10.0.0.1","t":"2026-11-20T09:39:02.500Z"}] ["q","2",{"ip":"10.0.0.1","t":"2026-11-20T09:39:02.500Z"}] ["v","1",{"id":1}] ["v","2",{"id":2}] ["v","3",{"id":3}] '

# --- one snapshot, whatever is written meanwhile
pg_sql postgres 'CREATE TABLE a(id int PRIMARY KEY, v text)' 'CREATE TABLE b(id int PRIMARY KEY, v text)' \
    "INSERT INTO a SELECT i, repeat('a', 300) FROM generate_series(1, 60000) i" 'INSERT INTO b SELECT * FROM a'
# Each transaction moves a row from b to a: together there are always as many.
cat >move.sql <<'END'
WITH gone AS (DELETE FROM b WHERE id = (SELECT min(id) FROM b) RETURNING id, v) INSERT INTO a SELECT id + 1000000, v FROM gone;
END
"$PG_BIN/pgbench" -n -f move.sql -c 1 -T 8 postgres >bench.log 2>&1 & writer=$!
sleep 1
for i in 1 2 3; do
    expect 0 export -j 3 -t a -t b --overwrite "$P" ab.kvf
    equal "$("$K" cat --keys ab.kvf | wc -l)" 120000 "a writer was seen"
done
wait "$writer" || { cat bench.log >&2; die pgbench; }
[ "$(pg_sql postgres 'SELECT count(*) FROM b')" -lt 60000 ] || die "the writer wrote nothing"

# --- what ends a run: status 4, and no file
fails() { # WHAT IT SAYS, ARGS...
    text=$1; shift
    rm -f no.kvf
    expect 4 export "$@" no.kvf
    says "$text"
    [ ! -e no.kvf ] || die "a stream is there after: $text"
}
slow="SELECT i AS id, repeat('x', 1000) AS v FROM generate_series(1, 20000000) i"
mkdir slow
sed 's/\[p\]/[s]/; /^source/d' def/application.yaml >slow/application.yaml
cat >slow/s.yaml <<END
package: s
version: 1
records:
  s:
    query: $slow
    entries: [{partition: s, key: "{id|pad:9}", value: s}]
values:
  s: {encoding: json, fields: {v: {type: string}}}
END
PGOPTIONS='-c statement_timeout=300' fails 'statement timeout' -f slow "$P"
says PGOPTIONS
later() { # STATEMENT: when the export is in the middle
    (n=0
     while [ $n -lt 200 ]; do
        [ "$(pg_sql postgres "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY (%' AND pid <> pg_backend_pid() AND state = 'active'")" -gt 0 ] && break
        sleep 0.05; n=$((n + 1))
     done
     sleep 0.3
     eval "$1") >/dev/null 2>&1 &
}
later "pg_sql postgres \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY (%' AND pid <> pg_backend_pid()\""
fails 'terminating connection' -f slow "$P"
wait
later "pg_stop immediate"
fails 'cannot read query' -f slow "$P"
wait
fails 'cannot connect' "$P"
says 'See whether the server runs'
says 'Nothing was written'
pg_again
expect 0 export -t empty "$P" again.kvf
fails 'does not exist' dbname=nosuch
says 'psql -l'
fails 'role "nosuch" does not exist' 'dbname=postgres user=nosuch'
says 'Name a user'
fails 'service "nosuch" not found' service=nosuch
says 'pg_service.conf'
expect 2 export 'postgresql://[bad' no.kvf
pg_sql postgres 'CREATE ROLE poor LOGIN' 'GRANT SELECT ON big TO poor' 'CREATE TABLE hidden(a int)' \
    'CREATE TABLE ruled(a int)' 'INSERT INTO ruled VALUES (1), (2)' 'GRANT SELECT ON ruled TO poor' \
    'ALTER TABLE ruled ENABLE ROW LEVEL SECURITY' 'CREATE POLICY odd ON ruled USING (a = 1)'
expect 13 export -t hidden -t ruled 'dbname=postgres user=poor' no.kvf
says 'SELECT on table hidden, BYPASSRLS (row-level security of table ruled)'
says 'GRANT SELECT ON TABLE hidden TO poor'
[ ! -e no.kvf ] || die "a file is there after a refusal"
expect 0 export -t ruled "$P" ruled.kvf
equal "$("$K" cat --keys ruled.kvf | wc -l)" 2
# A password is never repeated.
expect 4 export "postgresql://poor:geheim@%2Fnowhere/postgres" no.kvf
grep -q geheim out err && die "the password is shown"
pg_sql postgres "ALTER ROLE poor PASSWORD 'right'"
{ echo 'local all poor scram-sha-256'; cat "$PG_DIR/data/pg_hba.conf"; } >hba && cat hba >"$PG_DIR/data/pg_hba.conf"
pg_sql postgres 'SELECT pg_reload_conf()' >/dev/null; sleep 0.5
PGPASSWORD=wrong fails 'password authentication failed' -t big 'dbname=postgres user=poor'
says 'pgpass'
PGPASSWORD=right expect 0 export -t big --overwrite 'dbname=postgres user=poor' right.kvf

# --- fewer connections than wanted: it says so, and the result is the same
pg_sql postgres "ALTER ROLE poor CONNECTION LIMIT 2"
PGPASSWORD=right expect 0 export -j 5 -t big --overwrite 'dbname=postgres user=poor' few.kvf
says '2 connections only'
pg_sql postgres "ALTER ROLE poor CONNECTION LIMIT 1"
PGPASSWORD=right expect 0 export -j 3 -t big --overwrite 'dbname=postgres user=poor' one.kvf
says '1 connection only'
expect 0 verify few.kvf one.kvf
# ... or the snapshot may not be shared
pg_sql postgres "ALTER ROLE poor CONNECTION LIMIT -1" 'REVOKE EXECUTE ON FUNCTION pg_export_snapshot FROM PUBLIC'
PGPASSWORD=right expect 0 export -j 3 -t big --overwrite 'dbname=postgres user=poor' one.kvf
says 'one connection only, because the snapshot cannot be shared'
expect 0 verify few.kvf one.kvf
pg_sql postgres 'GRANT EXECUTE ON FUNCTION pg_export_snapshot TO PUBLIC'
pg_sql postgres 'ALTER ROLE poor CONNECTION LIMIT 0'
PGPASSWORD=right fails 'too many connections' -t big 'dbname=postgres user=poor'
says 'Wait until connections are free'
pg_sql postgres 'ALTER ROLE poor NOLOGIN'
PGPASSWORD=right fails 'not permitted to log in' -t big 'dbname=postgres user=poor'
says 'may log in'
pg_sql postgres 'ALTER ROLE poor LOGIN CONNECTION LIMIT 2'
expect 0 verify -t big "tables:$P" few.kvf

# --- texts of SQL_ASCII that are no UTF-8 are carried as bytes
pg_sql postgres "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
PGCLIENTENCODING=SQL_ASCII "$PG_BIN/psql" -Xq -d ascii -c "CREATE TABLE t(id int PRIMARY KEY, v text)" \
    -c "INSERT INTO t VALUES (1, E'\\xe9t\\xe9'), (2, E'\\xc3\\xa9')" || die ascii
expect 0 export dbname=ascii ascii.kvf
says '1 text of this SQL_ASCII database is not UTF-8'
"$K" cat ascii.kvf | grep -q '"v":"é"' || die "UTF-8 in SQL_ASCII"
# ... and back, where texts may be anything
pg_sql postgres "CREATE DATABASE ascii2 ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'" 'CREATE DATABASE utf'
expect 0 import --as tables ascii.kvf dbname=ascii2
expect 0 diff ascii.kvf tables:dbname=ascii2
expect 5 import --as tables ascii.kvf dbname=utf
says 'encoding is SQL_ASCII'
says 'Nothing was changed'
pg_sql postgres "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
PGCLIENTENCODING=UTF8 pg_sql latin 'CREATE TABLE t(v text)' "INSERT INTO t VALUES ('été')"
expect 0 export dbname=latin latin.kvf
"$K" cat latin.kvf | grep -q '"v":"été"' || die "LATIN1 is not UTF-8"

# --- emptied after the snapshot: TRUNCATE shows in every snapshot
pg_sql postgres 'CREATE TABLE z(a int)' 'INSERT INTO z VALUES (1)'
later 'pg_sql postgres "TRUNCATE z"'
cat >slow/s.yaml <<END
package: s
version: 1
records:
  s:
    query: $slow LIMIT 1500000
    entries: [{partition: s, key: "{id|pad:9}", value: s}]
  z:
    table: z
    entries: [{partition: z, key: "{a}", value: z}]
values:
  s: {encoding: json, fields: {v: {type: string}}}
  z: {encoding: json, fields: {a: {type: int}}}
END
fails 'was emptied or rewritten after the snapshot' -j 1 -f slow "$P"
wait
