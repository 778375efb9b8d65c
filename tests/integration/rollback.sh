# The way back of a SQLite store: abort and rollback, by the program itself.
. "$TOP/tests/support/integration.sh"
f=$TOP/formats/catalog
blob() { echo "CAST('$1' AS BLOB)"; }
confirm() { "$K" rollback -n --json "$1" | jq -r .result.confirm; }
written() { "$K" rollback -n --json "$1" | jq -r '.result.written | "\(.keys) \(.new) \(.changed) \(.removed)"'; }
state() { "$K" status --json "$1" | jq -r .result.stands; }

# --- a first upgrade, in place ----------------------------------------------------
sh "$TOP/samples/catalog/make-shop.sh" shop.db
sql shop.db 'PRAGMA user_version = 5'
before=$(sqlite3 shop.db .dump | sha256sum)
equal "$(state sqlite:shop.db)" OLD
expect 0 migrate -f "$f" sqlite:shop.db sqlite:shop.db
equal "$(state sqlite:shop.db)" NEW
equal "$(sql shop.db 'PRAGMA user_version')" 8
equal "$(written sqlite:shop.db)" "0 0 0 0"

# Without the run's name nothing happens, and the command to type is said.
expect 2 rollback sqlite:shop.db
run=$(confirm sqlite:shop.db)
says "kvferry rollback sqlite:shop.db --confirm $run"
expect 2 rollback sqlite:shop.db --confirm "${run}x"
says "what is live was made by run $run"
equal "$(state sqlite:shop.db)" NEW

# The new application goes on: these keys are shown, and counted.
sql shop.db "DELETE FROM kv WHERE key = $(blob Product/harbour/yirgacheffe);
    INSERT INTO kv VALUES ($(blob resources), $(blob Product/harbour/zebra), $(blob new));
    UPDATE kv SET value = $(blob changed) WHERE key = $(blob Product/harbour/gesha)"
equal "$(written sqlite:shop.db)" "3 1 1 1"
for n in '' '--discard 2' '--discard 4'; do
    expect 2 rollback sqlite:shop.db --confirm "$run" $n
    says '3 keys were written after the commit'
    says "--discard 3"
    says '~ resources'
    says '- resources	Product/harbour/yirgacheffe'
    says '+ resources	Product/harbour/zebra'
done
expect 2 rollback sqlite:shop.db --confirm "$run" --discard x
# A value that is written again as it was is no difference.
sql shop.db "UPDATE kv SET value = value"
equal "$(written sqlite:shop.db)" "3 1 1 1"
expect 0 rollback sqlite:shop.db --confirm "$run" --discard 3 --save late.kvf
says 'the old application may run'
equal "$(sql shop.db 'PRAGMA user_version')" 5
equal "$(sql shop.db "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'kvferry_g[0-9]*'")" 0
# The new application, which knows the store only, must not take it for an empty one.
equal "$(sql shop.db "SELECT partition_key, key, value FROM kv")" "meta|catalog/schema-version|7"
equal "$(state sqlite:shop.db)" OLD
sqlite3 shop.db "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE tbl_name = 'kv' OR name GLOB 'kvferry*' OR tbl_name GLOB 'kvferry*'" 2>/dev/null &&
    cp shop.db clean.db
equal "$("$K" get --raw late.kvf resources Product/harbour/zebra)" new "what was saved"

# --- and forward again: the same data, then a rollback from a restore ----------------
rm -f shop.db; sh "$TOP/samples/catalog/make-shop.sh" shop.db
equal "$(sqlite3 shop.db .dump | sha256sum)" "$(sqlite3 clean.db .dump | sha256sum)" "the legacy tables"
expect 0 migrate -f "$f" --keep shop.kvf sqlite:shop.db sqlite:s.db
expect 0 rollback sqlite:s.db --confirm "$(confirm sqlite:s.db)"
expect 13 rollback sqlite:s.db
expect 0 import shop.kvf sqlite:s.db
expect 0 verify shop.kvf sqlite:s.db
live=$(contents s.db)
legacy plain.db 3000
expect 0 export sqlite:plain.db plain.kvf
rm -f t.db
expect 0 import plain.kvf sqlite:t.db
old=$(contents t.db)
sql t.db "INSERT INTO kv VALUES ($(blob users), $(blob late), x'01')"
kept=$(contents t.db)
sqlite3 plain.db "DELETE FROM users WHERE id % 3 = 0"
expect 0 export sqlite:plain.db --overwrite fewer.kvf
expect 0 import --replace fewer.kvf sqlite:t.db
expect 0 rollback sqlite:t.db --confirm "$(confirm sqlite:t.db)"
equal "$(contents t.db)" "$kept" "what was live before, with its late write"
equal "$(state sqlite:t.db)" NEW
expect 13 rollback sqlite:t.db

# --- after a merge: what was copied has its keys counted too -----------------------------
rm -f m.db more.db
expect 0 import plain.kvf sqlite:m.db
sqlite3 more.db "CREATE TABLE more(id INTEGER PRIMARY KEY, v); INSERT INTO more VALUES (1, 'a'), (2, 'b'), (3, 'c')"
expect 0 export sqlite:more.db more.kvf
before=$(contents m.db)
expect 0 import --merge more.kvf sqlite:m.db
equal "$(written sqlite:m.db)" "0 0 0 0"
sql m.db "DELETE FROM kv WHERE partition_key = $(blob users) AND key = $(blob 7);
    UPDATE kv SET value = x'00' WHERE partition_key = $(blob users) AND key = $(blob 8);
    DELETE FROM kv WHERE partition_key = $(blob more) AND key = $(blob 2);
    INSERT INTO kv VALUES ($(blob more), $(blob 4), x'00')"
equal "$(written sqlite:m.db)" "4 1 1 2"
expect 0 rollback sqlite:m.db --confirm "$(confirm sqlite:m.db)" --discard 4
equal "$(contents m.db)" "$before"

# --- an unfinished run --------------------------------------------------------------------
cp m.db u.db
rm -f fifo; mkfifo fifo
{ head -c 30000 plain.kvf; exec sleep 20; } >fifo 2>/dev/null &
feeder=$!
"$K" import --replace - sqlite:u.db <fifo >out1 2>err1 &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    [ "$(state sqlite:u.db)" = STAGED ] && break
done
equal "$(state sqlite:u.db)" STAGED
expect 8 abort sqlite:u.db
says 'process'
expect 8 rollback sqlite:u.db
kill -9 $pid; wait $pid 2>/dev/null
kill $feeder 2>/dev/null; wait $feeder 2>/dev/null
expect 9 rollback sqlite:u.db
says 'kvferry abort sqlite:u.db'
expect 9 cleanup sqlite:u.db
expect 9 status --exit-code sqlite:u.db
says 'kvferry abort sqlite:u.db'
expect 0 abort sqlite:u.db
says 'aborted run'
equal "$(state sqlite:u.db)" NEW
equal "$(contents u.db)" "$before"
expect 0 abort sqlite:u.db
says 'nothing to do'
equal "$(sql u.db "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'kvferry_g[0-9]*'")" 0

# A run that is believed dead, and is not: it changes nothing any more.
rm -f fifo; mkfifo fifo
{ head -c 30000 plain.kvf; sleep 3; tail -c +30001 plain.kvf; } >fifo 2>/dev/null &
"$K" import --replace - sqlite:u.db <fifo >out1 2>err1 &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    [ "$(state sqlite:u.db)" = STAGED ] && break
done
expect 0 abort --takeover sqlite:u.db
wait $pid; equal $? 8 "the run that was aborted"
equal "$(contents u.db)" "$before"
equal "$(state sqlite:u.db)" NEW

# --- two at once: one does it, the other changes nothing -----------------------------------
for i in 1 2 3 4 5; do
    rm -f two.db
    "$K" import -q plain.kvf sqlite:two.db && "$K" import -q --replace fewer.kvf sqlite:two.db || die "two"
    run=$(confirm sqlite:two.db)
    "$K" rollback sqlite:two.db --confirm "$run" >out1 2>err1 & a=$!
    "$K" rollback sqlite:two.db --confirm "$run" >out2 2>err2 & b=$!
    wait $a; a=$?
    wait $b; b=$?
    case "$a $b" in
    '0 8'|'8 0'|'0 13'|'13 0') ;;
    '0 0') cat out1 out2 | grep -q 'nothing to do: run .* has been rolled back' || die "both of them did it";;
    *) die "two rollbacks ended with $a and $b: $(cat err1 err2)";;
    esac
    equal "$(contents two.db)" "$old"
    equal "$(sql two.db "SELECT count(*) FROM kvferry_ledger WHERE event = 'rollback'")" 1
done

# --- killed at each write -------------------------------------------------------------------
command -v strace >/dev/null || { echo "no strace: nothing was killed"; exit 77; }
n=0 back=0
kill_at() { # SYSCALL: at its first, second ... until there are no more
    at=0
    while :; do
        at=$((at + 1))
        rm -f k.db*
        cp two.db k.db
        "$K" import -q --replace fewer.kvf sqlite:k.db || die "setting up"
        run=$(confirm sqlite:k.db)
        new=$(contents k.db)
        strace -f -o trace -e trace="$1" -e inject="$1":signal=KILL:when=$at \
            "$K" rollback -q sqlite:k.db --confirm "$run" >out 2>err && return
        n=$((n + 1))
        now=$(contents k.db)
        case "$now" in
        "$new") expect 0 rollback sqlite:k.db --confirm "$run";;
        "$old") back=$((back + 1)); expect 0 rollback sqlite:k.db --confirm "$run"
                says 'has been rolled back'
                equal "$(sql k.db "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'kvferry_g[0-9]*'")" 0;;
        *) die "killed at $1 $at: neither what was, nor what is to be";;
        esac
        equal "$(contents k.db)" "$old"
        equal "$(state sqlite:k.db)" NEW
        equal "$(sql k.db 'PRAGMA integrity_check')" ok
        expect 0 import --replace fewer.kvf sqlite:k.db
        [ "$at" -lt 200 ] || die "still not through after $at"
    done
}
for call in fdatasync unlink ftruncate pwrite64; do kill_at $call; done
echo "REPORT killed $n rollbacks, $back of them after the commit"
[ "$n" -gt 10 ] && [ "$back" -gt 0 ] || die "$n kills, $back after the commit: too few"
