# What a server is told, by its own log: loaded by binary COPY on several connections into a table that
# has its key, synchronous_commit off; read back by several connections in one snapshot; published by
# moving tables, with version and ledger, in one transaction that is durable.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start 'log_statement = all' "log_line_prefix = 'LINE %p %d '"
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
    entries: [{partition: "p{part}", key: "thing/{id}", value: thing}]
values:
  thing: {encoding: json, fields: {id: {type: int}, name: {type: string}}}
END
sqlite3 shop.db "CREATE TABLE version (n INTEGER); INSERT INTO version VALUES (1);
    CREATE TABLE thing (id INTEGER PRIMARY KEY, part INTEGER, name TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1
    FROM n WHERE i < 60000) INSERT INTO thing SELECT i, i % 50, hex(randomblob(250)) FROM n"

# told DATABASE ARGS...: the statements of a migrate, in order: "PID STATEMENT", each in one line
told() {
    db=$1; shift
    pg_sql postgres "CREATE DATABASE $db" || exit 1
    expect 0 migrate -j 3 "$@" -f f sqlite:shop.db dbname=$db
    sed -n "s/^LINE \([0-9]*\) $db LOG:  \(statement\|execute <unnamed>\): /\1 /p" "$PG_DIR/server.log" >said
    [ -s said ] || die "the server has logged nothing"
}
# pids PATTERN: how many sessions were told such a thing
pids() { grep -- "$1" said | cut -d' ' -f1 | sort -u | wc -l; }
# line PATTERN: where it was told first
line() { grep -n -- "$1" said | head -1 | cut -d: -f1; }
last() { grep -n -- "$1" said | tail -1 | cut -d: -f1; }
# begins PATTERN: with which synchronous_commit the transactions began in which such a thing was told
begins() {
    awk -v pattern="$1" '$2 ~ /^BEGIN/ { how[$1] = $0; sub(/.*synchronous_commit = /, "", how[$1]) }
        $0 ~ pattern { print $1 in how ? how[$1] : "alone" } $2 ~ /^COMMIT|^ROLLBACK/ { delete how[$1] }' said | sort -u
}

for way in plain parts; do
    case $way in
    plain) told plain; loaders=1;;
    parts) told parts --partitions 4; loaders=3;;
    esac
    copy='COPY kvferry_g2."kv" (partition_key, key, value) FROM STDIN (FORMAT binary)'
    equal "$(pids "$copy")" "$loaders" "$way: connections that load"
    equal "$(begins '^[0-9]* COPY kvferry_g2[.]"kv" .* FROM STDIN')" off "$way: how a batch is committed"
    equal "$(begins '^[0-9]* COPY kvferry.progress FROM STDIN')" off "$way: how progress is committed"

    # The key is there before the first row, and no other way of making one is seen.
    [ "$(line 'CREATE TABLE kvferry_g2."kv" .*PRIMARY KEY (partition_key, key)')" -lt "$(line "$copy")" ] || die "$way: the key"
    ! grep -q 'ADD PRIMARY KEY\|ADD CONSTRAINT\|CREATE UNIQUE INDEX\|CREATE INDEX' said || die "$way: a key afterwards"

    # Read back: after all was loaded, before anything is published, in one snapshot.
    scan='COPY (SELECT partition_key, key, value FROM ONLY kvferry_g2[.]'
    [ "$(pids "$scan")" -ge 2 ] || die "$way: one connection reads alone"
    equal "$(($(pids "$scan") - 1))" "$(pids 'SET TRANSACTION SNAPSHOT')" "$way: readers that share the snapshot"
    equal "$(grep -o "SET TRANSACTION SNAPSHOT '[^']*'" said | sort -u | wc -l)" 1 "$way: snapshots"
    grep "$scan" said | cut -d' ' -f1 | sort -u | grep -qx "$(grep pg_export_snapshot said | cut -d' ' -f1)" ||
        die "$way: who exports the snapshot does not read"
    [ "$(last "$copy")" -lt "$(line "$scan")" ] || die "$way: read before all was loaded"
    [ "$(last "$scan")" -lt "$(line "SET SCHEMA \"\?public")" ] || die "$way: published before it was read"

    # Published in one transaction, which is durable.
    pid=$(grep "UPDATE kvferry.control SET state = 'LIVE'" said | cut -d' ' -f1)
    grep "^$pid " said | cut -d' ' -f2- | awk '/^BEGIN/ { n = 0 } { t[n++] = $0 }
        /^COMMIT/ { for (i = 0; i < n; i++) if (t[i] ~ /state = .LIVE/) { for (k = 0; k < n; k++) print t[k]; exit } }' >commit
    grep -q "^BEGIN.*synchronous_commit = on" commit || die "$way: a commit that is not durable"
    n=$(grep -c 'SET SCHEMA "\?public' commit)
    equal "$n" "$([ $way = plain ] && echo 1 || echo 5)" "$way: tables that move in the commit"
    equal "$n" "$(grep -c 'SET SCHEMA "\?public' said)" "$way: tables that move elsewhere"
    grep -q 'INSERT INTO "public"."kv" (partition_key, key, value)' commit || die "$way: no version record in the commit"
    grep -q 'INSERT INTO kvferry.ledger' commit || die "$way: no row of the ledger in the commit"
    grep -q 'UPDATE kvferry.generations' commit || die "$way: no row of the generation in the commit"
    equal "$(tail -1 commit)" COMMIT
    # Whatever else is written is durable as well.
    equal "$(begins "^[0-9]* UPDATE kvferry.control SET (epoch|state)")" on "$way: acquire, seal, commit"
done
equal "$(pg_sql parts "SELECT convert_from(value, 'UTF8') FROM kv WHERE partition_key = 'meta'")" 2
equal "$(pg_sql parts "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace")" \
    'kv kv_0 kv_0_pkey kv_1 kv_1_pkey kv_2 kv_2_pkey kv_3 kv_3_pkey kv_pkey' "names of what is published"
exit 0
