# The way back of a PostgreSQL store, and the end of the legacy tables beside it.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start "max_connections = 60"
confirm() { "$K" rollback -n --json "$1" | jq -r .result.confirm; }
written() { "$K" rollback -n --json "$1" | jq -r '.result.written | "\(.keys) \(.new) \(.changed) \(.removed)"'; }
state() { "$K" status --json "$1" | jq -r .result.stands; }
pg_is() { # QUERY ANSWER
    equal "$(pg_sql shop "$1")" "$2" "$1"
}
pg_contents() {
    pg_sql shop "SELECT encode(partition_key, 'hex'), encode(key, 'hex'), encode(value, 'hex') FROM kv ORDER BY 1, 2" | sha256sum
}
schemas="SELECT count(*) FROM pg_namespace WHERE nspname ~ '^kvferry_g'"

# --- an application of two tables ---------------------------------------------------
mkdir f
cat >f/application.yaml <<'END'
application: shop
source:
  version: "SELECT n FROM version"
  requires: 1
store:
  version: {partition: meta, key: version, started: "1", done: "2"}
packages: [things]
drop: [part, thing, version]
END
cat >f/things.yaml <<'END'
package: things
version: 1
records:
  thing:
    table: thing
    entries:
      - {partition: things, key: "thing/{id}", value: thing}
  part:
    table: part
    entries:
      - {partition: things, key: "part/{id}", value: part}
values:
  thing:
    encoding: json
    fields: {id: {type: int}, name: {type: string}}
  part:
    encoding: json
    fields: {id: {type: int}, thing: {type: int}}
END
make_legacy() {
    pg_sql postgres "DROP DATABASE IF EXISTS shop" "CREATE DATABASE shop" &&
    pg_sql shop "CREATE TABLE version (n int)" "INSERT INTO version VALUES (1)" \
        "CREATE TABLE thing (id int PRIMARY KEY, name text)" \
        "CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing)" \
        "INSERT INTO thing SELECT i, 'thing ' || i FROM generate_series(1, 3000) i" \
        "INSERT INTO part SELECT i, i % 3000 + 1 FROM generate_series(1, 500) i" || exit 1
}
make_legacy

# --- a first upgrade in place, and back ------------------------------------------------
expect 0 migrate -f f dbname=shop dbname=shop
equal "$(state dbname=shop)" NEW
pg_is "SELECT convert_from(value, 'UTF8') FROM kv WHERE key = 'version'" 2
pg_sql shop "CREATE VIEW names AS SELECT key FROM kv" \
    "UPDATE kv SET value = value" \
    "UPDATE kv SET value = 'x' WHERE key IN ('thing/1', 'thing/2')" \
    "DELETE FROM kv WHERE key IN ('part/1', 'part/2', 'part/3')" \
    "INSERT INTO kv VALUES ('things', 'late', 'x')" || exit 1
equal "$(written dbname=shop)" "6 1 2 3"
run=$(confirm dbname=shop)
expect 2 rollback dbname=shop --confirm "$run"
says '6 keys were written after the commit'
expect 2 rollback dbname=shop --confirm "$run" --discard 5
expect 0 rollback dbname=shop --confirm "$run" --discard 6 --save late.kvf
equal "$(state dbname=shop)" OLD
equal "$("$K" get --raw late.kvf things late)" x
pg_is "SELECT count(*) FROM thing" 3000
# The new application, which knows the store only, must not take it for an empty one.
pg_is "SELECT convert_from(value, 'UTF8') FROM kv" 1
pg_is "SELECT count(*) FROM names" 1
pg_is "$schemas" 0
expect 13 rollback dbname=shop
says 'there is nothing to roll back to'
pg_sql shop "DROP VIEW names" || exit 1

# --- back to a generation: views, privileges and the record go with it ------------------
expect 0 migrate -f f --keep one.kvf dbname=shop dbname=shop
pg_sql postgres "CREATE ROLE app LOGIN" || exit 1
pg_sql shop "GRANT SELECT, INSERT ON kv TO app" "CREATE VIEW names AS SELECT key FROM kv" \
    "INSERT INTO kv VALUES ('things', 'mine', 'x')" || exit 1
was=$(pg_contents)
sed 's/INT/INT/; s/done: "2"/done: "3"/' f/application.yaml >x && mkdir g && cp f/things.yaml g && mv x g/application.yaml
expect 0 import --replace one.kvf dbname=shop
pg_sql shop "GRANT DELETE ON kv TO app" || exit 1
expect 0 rollback dbname=shop --confirm "$(confirm dbname=shop)"
equal "$(pg_contents)" "$was"
pg_is "SELECT count(*) FROM names" 3502
pg_is "SELECT has_table_privilege('app', 'kv', 'INSERT') AND has_table_privilege('app', 'kv', 'SELECT')" t
pg_is "$schemas" 0
expect 13 rollback dbname=shop

# --- after a merge --------------------------------------------------------------------------
sqlite3 more.db "CREATE TABLE more(id INTEGER PRIMARY KEY, v); INSERT INTO more VALUES (1, 'a'), (2, 'b')"
pg_sql postgres "CREATE DATABASE merged" || exit 1
expect 0 export sqlite:more.db more.kvf
sqlite3 less.db "CREATE TABLE less(id INTEGER PRIMARY KEY, v); INSERT INTO less VALUES (1, 'a'), (2, 'b')"
expect 0 migrate sqlite:less.db dbname=merged
expect 0 import --merge more.kvf dbname=merged
equal "$(written dbname=merged)" "0 0 0 0"
pg_sql merged "DELETE FROM kv WHERE partition_key = 'less' AND key = '1'" \
    "UPDATE kv SET value = 'x' WHERE partition_key = 'more' AND key = '1'" || exit 1
equal "$(written dbname=merged)" "2 0 1 1"
expect 0 rollback dbname=merged --confirm "$(confirm dbname=merged)" --discard 2
expect 0 verify tables:sqlite:less.db dbname=merged

# --- two at once; a session that writes meanwhile ------------------------------------------------
for i in 1 2 3; do
    expect 0 import --merge more.kvf dbname=merged
    run=$(confirm dbname=merged)
    "$K" rollback dbname=merged --confirm "$run" >out1 2>err1 & a=$!
    "$K" rollback dbname=merged --confirm "$run" >out2 2>err2 & b=$!
    wait $a; a=$?
    wait $b; b=$?
    case "$a $b" in
    '0 8'|'8 0'|'0 13'|'13 0') ;;
    '0 0') cat out1 out2 | grep -q 'nothing to do: run .* has been rolled back' || die "both of them did it";;
    *) die "two rollbacks ended with $a and $b: $(cat err1 err2)";;
    esac
    expect 0 verify tables:sqlite:less.db dbname=merged
done

# --- killed at each message to the server ---------------------------------------------------------
if command -v strace >/dev/null; then
    at=0 back=0
    expect 0 import --merge more.kvf dbname=merged
    run=$(confirm dbname=merged)
    while :; do
        # Every fourth message while it looks, each one from where it locks.
        [ "$at" -lt 56 ] && at=$((at + 4)) || at=$((at + 1))
        strace -f -o trace -e trace=sendto -e inject=sendto:signal=KILL:when=$at \
            "$K" rollback -q dbname=merged --confirm "$run" >out 2>err && break
        # The server may still be at what it was asked for.
        for i in $(seq 600); do
            pg_sql merged "SELECT count(*) FROM pg_stat_activity WHERE datname = 'merged' AND pid <> pg_backend_pid()" >n
            [ "$(cat n)" = 0 ] && break
            sleep 0.1
        done
        equal "$(cat n)" 0 "sessions of a process that was killed"
        equal "$(state dbname=merged)" NEW
        case "$(pg_sql merged "SELECT count(*), count(*) FILTER (WHERE partition_key = 'more') FROM kv")" in
        *4*2*) # as it was; now and then again without a kill
            [ $((at % 9)) -eq 0 ] || continue
            expect 0 rollback dbname=merged --confirm "$run";;
        *2*0*)
            back=$((back + 1))
            expect 0 rollback dbname=merged --confirm "$run"
            says 'has been rolled back'
            equal "$(pg_sql merged "$schemas")" 0;;
        *) die "killed at message $at: neither what was, nor what is to be";;
        esac
        expect 0 verify tables:sqlite:less.db dbname=merged
        expect 0 import --merge more.kvf dbname=merged
        run=$(confirm dbname=merged)
        [ "$at" -lt 200 ] || die "still not through after $at"
    done
    echo "REPORT killed $at rollbacks, $back of them after the commit"
    [ "$at" -gt 10 ] && [ "$back" -gt 0 ] || die "$at kills, $back after the commit: too few"
fi

# --- cleanup ------------------------------------------------------------------------------------------
expect 0 import --merge more.kvf dbname=merged
expect 0 cleanup -n dbname=merged
says 'a rollback is possible now'
expect 2 cleanup dbname=merged
expect 0 cleanup dbname=merged --confirm "$(confirm dbname=merged)"
equal "$(pg_sql merged "$schemas")" 0
expect 13 rollback dbname=merged
says 'not kept any more'
expect 0 cleanup dbname=merged
says 'nothing to do'

# --- the legacy tables ----------------------------------------------------------------------------------
make_legacy
expect 0 migrate -f f dbname=shop dbname=shop
pg_sql shop "UPDATE kv SET value = 'x' WHERE key = 'thing/1'" "UPDATE thing SET name = 'late' WHERE id = 7" || exit 1
run=$(confirm dbname=shop)
expect 11 drop-legacy -f f dbname=shop dbname=shop --confirm "$run"
says 'No table was dropped'
pg_sql shop "UPDATE thing SET name = 'thing 7' WHERE id = 7" \
    "CREATE TABLE elsewhere (id int REFERENCES thing)" || exit 1
expect 2 drop-legacy -f f dbname=shop dbname=shop
says "--confirm $run"
says '1 key written since'
expect 4 drop-legacy -f f dbname=shop dbname=shop --confirm "$run"
says 'The new version stays. These legacy tables remain: part, thing, version.'
equal "$(state dbname=shop)" NEW
expect 9 status --exit-code dbname=shop
says 'begun, and not finished'
says 'kvferry drop-legacy'
expect 0 history --json dbname=shop
equal "$(jq -r '[.result.runs[] | select(.event == "manual-work")] | length' out)" 1
equal "$(jq -r '.result.runs[] | select(.event == "manual-work") | .document.remaining' out)" "part, thing, version"
jq -r '.result.runs[] | select(.event == "manual-work") | .document.command' out | grep -q -- "--confirm $run" || die "no command"
expect 13 rollback dbname=shop
pg_sql shop "DROP TABLE elsewhere" || exit 1
# What the status and the ledger say, typed.
command=$("$K" history --json dbname=shop | jq -r '.result.runs[] | select(.event == "manual-work") | .document.command')
(set -- $command; shift; "$K" "$@" >out 2>err) || die "the command of the ledger"
says 'the legacy tables are gone'
pg_is "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'" 1
equal "$(state dbname=shop)" DONE
expect 0 drop-legacy -f f dbname=shop dbname=shop
says 'nothing to do'
expect 13 rollback dbname=shop
says 'have been dropped'

# The ledger takes no change.
pg_sql shop "DELETE FROM kvferry.ledger" >/dev/null 2>&1 && die "a row of the ledger was removed"
pg_sql shop "UPDATE kvferry.ledger SET outcome = 'ok'" >/dev/null 2>&1 && die "the ledger was changed"
pg_sql shop "TRUNCATE kvferry.ledger" >/dev/null 2>&1 && die "the ledger was emptied"
exit 0
