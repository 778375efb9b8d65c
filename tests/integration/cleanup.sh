# What a cleanup removes, says and records.
. "$TOP/tests/support/integration.sh"
tables() { sql s.db "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'kvferry_g[0-9]*'"; }
confirm() { "$K" cleanup -n --json sqlite:s.db | jq -r .result.confirm; }
legacy a.db 2000
legacy b.db 500
expect 0 export sqlite:a.db a.kvf
expect 0 export sqlite:b.db b.kvf
expect 13 cleanup sqlite:s.db
[ ! -e s.db ] || die "cleanup made a store"

expect 0 import a.kvf sqlite:s.db
expect 0 import --replace b.kvf sqlite:s.db
live=$(contents s.db)
equal "$(tables)" 1
sum=$(sha256sum <s.db)
expect 0 cleanup -n sqlite:s.db
says 'tables  1 that is not live, with 4,005 entries'
says 'a rollback is possible now, and not after this'
equal "$(sha256sum <s.db)" "$sum" "a dry run wrote"
expect 2 cleanup sqlite:s.db
says "kvferry cleanup sqlite:s.db --confirm $(confirm)"
expect 2 cleanup sqlite:s.db --confirm nobody
equal "$(tables)" 1
expect 0 cleanup --json sqlite:s.db --confirm "$(confirm)"
equal "$(jq -r '.result.leftovers | "\(.tables) \(.entries) \(.way_back)"' out)" "1 4005 true"
equal "$(tables)" 0
equal "$(contents s.db)" "$live"
equal "$(sql s.db 'SELECT total(length(marks)) FROM kvferry_progress')" 0.0
expect 13 rollback sqlite:s.db
expect 0 cleanup sqlite:s.db
says 'nothing to do'
expect 0 verify b.kvf sqlite:s.db

# What a killed run has left goes without a question: it is no way back.
sql s.db "CREATE TABLE kvferry_g99 (partition_key BLOB, key BLOB, value BLOB)"
expect 0 cleanup sqlite:s.db
equal "$(tables)" 0

# After a first upgrade there is no table to remove, but a way back to forget.
rm s.db
expect 0 import a.kvf sqlite:s.db
expect 2 cleanup sqlite:s.db
expect 0 cleanup sqlite:s.db --confirm "$(confirm)"
expect 13 rollback sqlite:s.db

# History keeps all of it, and is not to be changed.
expect 0 history sqlite:s.db
says cleanup
for change in "DELETE FROM kvferry_ledger" "UPDATE kvferry_ledger SET who = 'x'" \
    "INSERT OR REPLACE INTO kvferry_ledger (id, at, event, from_version, to_version) VALUES (1, 0, 'x', 0, 0)"; do
    sqlite3 s.db "$change" 2>err && die "$change"
    says append-only
done
