# The end of the legacy tables, in place and apart, and a drop that fails on the way.
. "$TOP/tests/support/integration.sh"
f=$TOP/formats/catalog
drop="-f $f sqlite:shop.db"
state() { "$K" status --json "$1" | jq -r .result.stands; }
run_of() { "$K" drop-legacy -n --json $drop "$1" | jq -r .result.confirm; }
left() { sql shop.db "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('products', 'shops', 'settings', 'carts')"; }

for store in sqlite:shop.db sqlite:store.db; do
    rm -f shop.db store.db
    rm -f frozen.db frozen_store.db
    sh "$TOP/samples/catalog/make-shop.sh" shop.db
    cp shop.db frozen.db
    expect 13 drop-legacy $drop $store
    expect 0 migrate -f "$f" sqlite:shop.db $store
    run=$(run_of $store)

    # Not without definitions, nor by others, nor unconfirmed.
    expect 2 drop-legacy sqlite:shop.db $store
    expect 2 drop-legacy $drop $store
    says 'tables  collection_products, product_tags'
    says 'no rollback to the legacy tables is possible after this'
    says "kvferry drop-legacy -f $f sqlite:shop.db $store --confirm $run"
    expect 2 drop-legacy $drop $store --confirm x
    equal "$(left)" 4

    # Not when somebody has written to the legacy tables since.
    sql shop.db "INSERT INTO settings (name, value) VALUES ('late.word', 'x')"
    expect 11 drop-legacy $drop $store --confirm "$run"
    sql shop.db "DELETE FROM settings WHERE name = 'late.word'"

    # A view that would be broken is in the way: the ledger asks for work.
    sql shop.db "CREATE VIEW slugs AS SELECT slug FROM products"
    expect 13 drop-legacy $drop $store --confirm "$run"
    says 'view "slugs" uses a table'
    says 'These legacy tables remain: '
    equal "$(left)" 4
    equal "$(state $store)" NEW
    expect 9 status --exit-code $store
    says 'begun, and not finished'
    expect 13 rollback $store
    expect 0 history $store
    says manual-work
    says 'remaining: '
    command=$("$K" history --json $store | jq -r '.result.runs[] | select(.event == "manual-work") | .document.command')

    # When the cause is gone, that command finishes it.
    sql shop.db "DROP VIEW slugs"
    # What a freeze has left in the source goes with them.
    expect 0 migrate -f "$f" --freeze --replace sqlite:frozen.db sqlite:frozen_store.db
    expect 0 drop-legacy -f "$f" sqlite:frozen.db sqlite:frozen_store.db --confirm "$(
        "$K" history --json sqlite:frozen_store.db | jq -r '.result.runs[-1].run')"
    says 'the source may be written again'
    equal "$(sql frozen.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'kvferry_freeze%'")" 0
    expect 0 status sqlite:frozen_store.db
    grep -q frozen_store out; grep -q 'tables are frozen' out && die "the store says that it is frozen"
    (set -- $command; shift; "$K" "$@" >out 2>err) || die "$command"
    says 'the legacy tables are gone'
    equal "$(left)" 0
    equal "$(state $store)" DONE
    equal "$(sql shop.db 'PRAGMA integrity_check')" ok
    expect 0 get $store resources Product/harbour/gesha
    expect 0 drop-legacy $drop $store
    says 'nothing to do'
    expect 13 rollback $store
    says 'the legacy tables have been dropped'
done

# Views, and what older releases left behind, on demand; SQLite has no functions.
rm -f shop.db store.db
sh "$TOP/samples/catalog/make-shop.sh" shop.db
sql shop.db "CREATE TABLE old(a); INSERT INTO old VALUES(1); CREATE VIEW old_v AS SELECT a FROM old; CREATE VIEW slugs AS SELECT slug FROM products"
cp -r "$f" mine
sed -i 's/^drop: \(.*\)$/drop:\n  tables: \1\n  views: [slugs]\n  functions: [none]\n  leftovers: {tables: [old, older], views: [old_v]}/' mine/application.yaml
grep -q '^  leftovers:' mine/application.yaml || die "the definitions are as they were"
expect 0 migrate -f mine sqlite:shop.db sqlite:store.db
mine="-f mine sqlite:shop.db sqlite:store.db --confirm $("$K" history --json sqlite:store.db | jq -r '.result.runs[-1].run')"
expect 0 drop-legacy $mine
equal "$(left)" 0
equal "$(sql shop.db "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE name LIKE 'old%' OR name = 'slugs' ORDER BY 1)")" old,old_v
expect 0 drop-legacy $mine --leftovers
equal "$(sql shop.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'old%'")" 0
expect 0 drop-legacy $mine --leftovers
says 'nothing to do'

# --- killed at each write: the same command again finishes --------------------------------
command -v strace >/dev/null || { echo "no strace: nothing was killed"; exit 77; }
rm -f shop.db store.db
sh "$TOP/samples/catalog/make-shop.sh" shop.db
expect 0 migrate -f "$f" sqlite:shop.db sqlite:store.db
run=$(run_of sqlite:store.db)
cp shop.db shop.was; cp store.db store.was
n=0
for call in fdatasync unlink pwrite64; do
    at=0
    while :; do
        # Between the first and the last write there are some 60: every third will do.
        at=$((at + 1)); [ $call = pwrite64 ] && at=$((at + 2))
        cp shop.was shop.db; cp store.was store.db; rm -f *-journal
        strace -f -o trace -e trace=$call -e inject=$call:signal=KILL:when=$at \
            "$K" drop-legacy -q $drop sqlite:store.db --confirm "$run" >out 2>err && break
        n=$((n + 1))
        case "$(left)" in 0|4) ;; *) die "killed at $call $at: half of the tables";; esac
        expect 0 get sqlite:store.db resources Product/harbour/gesha
        expect 0 drop-legacy $drop sqlite:store.db --confirm "$run"
        equal "$(left)" 0
        equal "$(state sqlite:store.db)" DONE
        [ "$at" -lt 300 ] || die "still not through after $at"
    done
done
echo "REPORT killed $n drops"
[ "$n" -gt 10 ] || die "$n kills: too few"
