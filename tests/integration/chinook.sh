#!/bin/sh
# A real database, all the way and back: Chinook's 15,607 rows in 11 tables,
# first with no configuration, then with what init wrote and a person edited
# (tests/integration/chinook/), where an invoice carries its lines.
set -eu
fail() { echo "$1"; exit 1; }
db=${SHARED:-}/data/chinook.sqlite
[ -f "$db" ] || { echo "no $db here"; exit 77; }
cp "$db" chinook.db && chmod u+w chinook.db
before=$(sha256sum <chinook.db)

# round NAME ENTRIES [-f DIR]: export, verify, import, verify, back up, compare.
round() {
	name=$1 entries=$2
	shift 2
	"$KVFERRY" export -q "$@" sqlite:chinook.db "$name.kvf" || fail "$name: export"
	"$KVFERRY" verify -q "$@" sqlite:chinook.db "$name.kvf" || fail "$name: the stream is not the source"
	"$KVFERRY" import -q "$@" "$name.kvf" "sqlite:$name.db" || fail "$name: import"
	"$KVFERRY" verify -q "$@" "$name.kvf" "sqlite:$name.db" || fail "$name: the store is not the stream"
	"$KVFERRY" backup -q "sqlite:$name.db" "$name.back.kvf" || fail "$name: backup"
	"$KVFERRY" diff -q "$name.kvf" "$name.back.kvf" || fail "$name: the two streams differ"
	zstd -qdc "$name.kvf" | sha256sum >l1.a
	zstd -qdc "$name.back.kvf" | sha256sum >l1.b
	cmp l1.a l1.b || fail "$name: the two streams have not the same inner bytes"
	n=$("$KVFERRY" info --json "$name.kvf" | jq -r .result.entries)
	[ "$n" = "$entries" ] || fail "$name: $n entries, expected $entries"
}

rows=0
for t in $(sqlite3 chinook.db "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"); do
	rows=$((rows + $(sqlite3 chinook.db "SELECT count(*) FROM \"$t\"")))
done
[ "$rows" -eq 15607 ] || fail "Chinook has $rows rows, not 15607"

round plain 15607
echo "REPORT no configuration: 15607 rows, 15607 entries"

# One value holds an invoice and its lines: 2240 rows less to be entries.
lines=$(sqlite3 chinook.db "SELECT count(*) FROM InvoiceLine")
round nested $((15607 - lines)) -f "$TOP/tests/integration/chinook"
echo "REPORT an invoice with its lines: 15607 rows, $((15607 - lines)) entries"

# Each invoice has its own lines, in order, and they add up to its total.
"$KVFERRY" cat sqlite:nested.db | jq -r 'select(.key | startswith("Invoice/")) | .value |
	[.InvoiceId, .Total, ([.lines[].InvoiceLineId] | join(" ")),
	 ([.lines[] | (.UnitPrice | tonumber) * .Quantity * 100 | round] | add)] | @tsv' | sort -n >got
sqlite3 -separator "$(printf '\t')" chinook.db "SELECT i.InvoiceId, i.Total,
	(SELECT group_concat(InvoiceLineId, ' ') FROM (SELECT * FROM InvoiceLine l WHERE l.InvoiceId = i.InvoiceId ORDER BY 1)),
	CAST(round(i.Total * 100) AS INTEGER) FROM Invoice i ORDER BY 1" >want
cmp want got || { diff want got | head; fail "the invoices in the store are not those of the source"; }
[ "$(wc -l <got)" -eq 412 ] || fail "$(wc -l <got) invoices instead of 412"

[ "$before" = "$(sha256sum <chinook.db)" ] || fail "the source was changed"
