# The checker of the universal postcondition, tests/support/postcondition.py, finds what
# is wrong with a store: each of these corruptions, planted in SQLite and, where a
# server is there, in PostgreSQL.  And it finds nothing in stores that are well.
. "$TOP/tests/support/integration.sh"
if [ -x "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1)" ]; then
    . "$TOP/tests/support/pgtmp.sh"
    pg_start
    PATH=$PG_BIN:$PATH
    server=1
else
    server=
fi
check() { /usr/bin/python3 "$TOP/tests/support/postcondition.py" "$@"; }
planted=0

# The streams: one of a definition, with a version record, and one of plain tables.
sh "$TOP/samples/catalog/make-shop.sh" shop.db || die "make-shop.sh"
legacy old.db 40
expect 0 export -f "$TOP/formats/catalog" --chunk 4096 sqlite:shop.db new.kvf
expect 0 export --chunk 4096 sqlite:old.db old.kvf
head -c "$(($(wc -c <new.kvf) * 2 / 3))" new.kvf >cut.kvf

# states PLACE SNAPSHOT...: each state of an import over live data is well
states() { # KVFERRY-PLACE CHECK-PLACE COPY-COMMAND PREFIX
    expect 0 import old.kvf "$1"
    check snapshot "$2" >"$4.before" || die "snapshot of $2"
    equal "$(check check --settled "$2" "$4.before" new.kvf)" OLD
    expect 6 import --replace cut.kvf "$1"
    equal "$(check check --want STAGED "$2" "$4.before" new.kvf)" STAGED
    $3 "$4.staged" || die "copy"
    expect 0 import --replace new.kvf "$1"
    equal "$(check check --settled --want NEW "$2" "$4.before" old.kvf new.kvf)" NEW
    $3 "$4.new" || die "copy"
    check check "$2" "$4.before" old.kvf >out && die "a stream that it does not know is none"
    check check --want OLD "$2" "$4.before" new.kvf >out && die "NEW is not OLD"
}

# finds CHECK-PLACE SNAPSHOT WHAT-IT-SAYS: a planted corruption
finds() {
    check check "$1" "$2.before" old.kvf new.kvf >out 2>err
    [ $? -eq 1 ] || die "not found: $3"
    grep -qF -- "$3" out || die "found, but not as: $3"
    planted=$((planted + 1))
}

# --- SQLite -------------------------------------------------------------------------
sqlite3 store.db "CREATE TABLE legacy(a PRIMARY KEY, b); INSERT INTO legacy VALUES (1, 'x'), (2, 'y')"
copy_lite() { sqlite3 store.db ".backup $1.db"; }
states sqlite:store.db store.db copy_lite lite

lite() { # STATE WHAT-IT-SAYS SQL
    cp "lite.$1.db" planted.db
    sql planted.db "PRAGMA ignore_check_constraints = ON; $3" >/dev/null
    finds planted.db lite "$2"
}
open_ledger="DROP TRIGGER kvferry_ledger_no_update; DROP TRIGGER kvferry_ledger_no_delete;"
close_ledger="CREATE TRIGGER kvferry_ledger_no_update BEFORE UPDATE ON kvferry_ledger BEGIN SELECT
RAISE(ABORT, 'append-only'); END; CREATE TRIGGER kvferry_ledger_no_delete BEFORE DELETE ON
kvferry_ledger BEGIN SELECT RAISE(ABORT, 'append-only'); END;"
neither='neither the old ones nor exactly one stream'
# A first upgrade: until the commit the live table is the version record alone.
first() { # KVFERRY-PLACE CHECK-PLACE COPY-COMMAND PREFIX
    check snapshot "$2" >"$4.before" || die "snapshot of $2"
    expect 6 import cut.kvf "$1"
    equal "$(check check --want STAGED "$2" "$4.before" new.kvf)" STAGED
    $3 "$4.staged" || die "copy"
    expect 0 import new.kvf "$1"
    equal "$(check check --settled --want NEW "$2" "$4.before" new.kvf)" NEW
    run=$("$K" rollback --dry-run --json "$1" | jq -r .result.confirm)
    expect 0 rollback "$1" --confirm "$run"
    equal "$(check check --settled --want OLD "$2" "$4.before" new.kvf)" OLD
    expect 0 abort "$1"
    equal "$(check check --settled --want OLD "$2" "$4.before" new.kvf)" OLD
}
mv store.db store.kept
sqlite3 store.db "CREATE TABLE legacy(a PRIMARY KEY, b); INSERT INTO legacy VALUES (1, 'x'), (2, 'y')"
first sqlite:store.db store.db copy_lite early
mv store.kept store.db
early() { # WHAT-IT-SAYS SQL
    cp early.staged.db planted.db
    sql planted.db "PRAGMA ignore_check_constraints = ON; $2" >/dev/null
    finds planted.db early "$1"
}
just='not just the version record'
early "$just" "INSERT INTO kv VALUES (x'61', x'62', x'63')"
early "$just" "UPDATE kv SET value = x'38'"
early "$just" "DELETE FROM kv"
early "$just" "DROP TABLE kv"
early 'the live data are not what was live before' \
    "UPDATE kvferry_control SET early = 0, active = 0"
early 'early in an unknown way' "UPDATE kvferry_control SET early = 3"
early 'without a generation' "UPDATE kvferry_control SET active = 0"
early 'something was published' "UPDATE kvferry_control SET prev_legacy = 1"
early 'is of no stream' "UPDATE kv SET value = x'39'; UPDATE kvferry_generations SET
    version_started = x'39' WHERE gen = 1"

lite new "$neither" "DELETE FROM kv WHERE key = (SELECT min(key) FROM kv)"
lite new "$neither" "UPDATE kv SET value = value || x'00' WHERE key = (SELECT max(key) FROM kv)"
lite new "$neither" "INSERT INTO kv SELECT * FROM kvferry_g1 LIMIT 1"
lite new "$neither" "UPDATE kv SET value = CAST('0' AS BLOB) WHERE key = (SELECT version_key FROM
    kvferry_generations, kvferry_control WHERE gen = active)"
lite new 'there are 0 control rows' "DELETE FROM kvferry_control"
lite new 'the state is WAT' "UPDATE kvferry_control SET state = 'WAT'"
lite new 'SEALED with stage 0' "UPDATE kvferry_control SET state = 'SEALED'"
lite new 'ver is 1' "UPDATE kvferry_control SET ver = 1"
lite new 'the epoch fell' "UPDATE kvferry_control SET epoch = 0"
lite new 'a generation is younger' "UPDATE kvferry_control SET epoch = active - 1"
lite new "the root is not the live stream's" "UPDATE kvferry_generations SET root = zeroblob(32)"
lite new "the counts are not" "UPDATE kvferry_generations SET entries = entries + 1"
lite new 'user_version is not' "PRAGMA user_version = 9"
lite new 'the previous generation was changed' "DELETE FROM kvferry_g1 WHERE key = (SELECT min(key) FROM kvferry_g1)"
lite new 'the previous generation is gone' "DROP TABLE kvferry_g1"
lite new 'out of nowhere' "CREATE TABLE kvferry_g99(a)"
lite new 'the ledger has forgotten' "$open_ledger UPDATE kvferry_ledger SET who = 'nobody' WHERE id = 1; $close_ledger"
lite new 'the ledger does not know it' "$open_ledger DELETE FROM kvferry_ledger WHERE id > 1; $close_ledger"
lite new 'not append-only' "$open_ledger"
lite new 'legacy is not what it was' "DELETE FROM legacy WHERE a = 1"
lite new 'another layout' "ALTER TABLE kv ADD COLUMN extra"
lite staged 'the live data are not' "INSERT INTO kv SELECT * FROM kvferry_g2 LIMIT 1"
lite staged 'not what its progress rows say' "DELETE FROM kvferry_g2 WHERE key = (SELECT min(key) FROM kvferry_g2)"
lite staged 'not what its progress rows say' "DELETE FROM kvferry_progress WHERE chunk = 0 AND package = 0"
lite staged 'of no one stream' "UPDATE kvferry_progress SET d = zeroblob(32) WHERE chunk = 0"
lite staged 'not a whole stream' "UPDATE kvferry_control SET state = 'SEALED'"
lite staged 'ver moved' "UPDATE kvferry_control SET ver = ver + 1"
cp lite.new.db planted.db
size=$(wc -c <planted.db)
dd if=/dev/zero of=planted.db bs=64 seek=$((size / 128)) count=8 conv=notrunc 2>/dev/null
check check planted.db lite.before old.kvf new.kvf >out 2>&1 && die "a damaged file is not found"
echo "REPORT $((planted + 1)) corruptions found in SQLite"

# --- PostgreSQL -----------------------------------------------------------------------
[ "$server" ] || { echo "REPORT no server of PostgreSQL: not tried there"; exit 0; }
planted=0
pg_sql postgres "CREATE DATABASE store" || exit 1
pg_sql store "CREATE TABLE legacy(a int PRIMARY KEY, b text)" "INSERT INTO legacy VALUES (1, 'x')" || exit 1
copy_pg() { pg_sql postgres "CREATE DATABASE \"$1\" TEMPLATE store"; }
states dbname=store dbname=store copy_pg pg

pg() { # STATE WHAT-IT-SAYS SQL
    pg_sql postgres "DROP DATABASE IF EXISTS planted" "CREATE DATABASE planted TEMPLATE \"pg.$1\"" || exit 1
    pg_sql planted "$3" >/dev/null || die "psql: $3"
    finds dbname=planted pg "$2"
}
pg new "$neither" "DELETE FROM kv WHERE key = (SELECT key FROM kv ORDER BY key LIMIT 1)"
pg new "$neither" "UPDATE kv SET value = value || '\\x00'::bytea WHERE key = (SELECT key FROM kv ORDER BY key DESC LIMIT 1)"
pg new "$neither" "INSERT INTO kv SELECT * FROM kvferry_g1.kv LIMIT 1"
pg new 'there are 0 control rows' "DELETE FROM kvferry.control"
pg new 'ver is 1' "UPDATE kvferry.control SET ver = 1"
pg new 'a generation is younger' "UPDATE kvferry.control SET epoch = active - 1"
pg new 'the previous generation was changed' "DELETE FROM kvferry_g1.kv WHERE key = (SELECT key FROM kvferry_g1.kv ORDER BY key LIMIT 1)"
pg new 'the previous generation is gone' "DROP SCHEMA kvferry_g1 CASCADE"
pg new 'out of nowhere' "CREATE SCHEMA kvferry_g99"
pg new 'the ledger has forgotten' "ALTER TABLE kvferry.ledger DISABLE TRIGGER append_only; DELETE FROM
    kvferry.ledger WHERE id = 1; ALTER TABLE kvferry.ledger ENABLE TRIGGER append_only"
pg new 'not append-only' "ALTER TABLE kvferry.ledger DISABLE TRIGGER append_only"
pg new 'legacy is not what it was' "DELETE FROM legacy"
pg staged 'the live data are not' "INSERT INTO kv SELECT * FROM kvferry_g2.kv LIMIT 1"
pg staged 'not what its progress rows say' "DELETE FROM kvferry_g2.kv WHERE key = (SELECT key FROM kvferry_g2.kv ORDER BY key LIMIT 1)"
pg staged 'of no one stream' "UPDATE kvferry.progress SET d = '\\x00' WHERE chunk = 0"
pg staged 'not a whole stream' "UPDATE kvferry.control SET state = 'SEALED'"
echo "REPORT $planted corruptions found in PostgreSQL"
