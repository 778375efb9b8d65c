#!/bin/sh
# What init writes works as it stands: check finds no error in it, and every row
# of the source becomes an entry.
set -eu
fail() { echo "$1"; exit 1; }

# works NAME: NAME.db, through init's own definition, to a store and back.
works() {
	name=$1
	"$KVFERRY" init -q "sqlite:$name.db" "$name" || fail "$name: init"
	"$KVFERRY" check --json "$name" "sqlite:$name.db" >findings || { cat findings; fail "$name: check"; }
	[ "$(jq '[.result.findings[] | select(.level == "error")] | length' findings)" = 0 ] ||
		{ jq -c '.result.findings[]' findings; fail "$name: check finds errors"; }
	"$KVFERRY" migrate -q -f "$name" --keep "$name.kvf" "sqlite:$name.db" "sqlite:$name-store.db" || fail "$name: migrate"
	"$KVFERRY" verify -q -f "$name" "sqlite:$name.db" "$name.kvf" || fail "$name: the stream is not the source"
	rows=0
	sqlite3 "$name.db" "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
		AND name NOT LIKE 'kvferry%'" >tables
	while IFS= read -r t; do
		q=$(printf %s "$t" | sed 's/"/""/g')
		rows=$((rows + $(sqlite3 "$name.db" "SELECT count(*) FROM \"$q\"")))
	done <tables
	n=$(sqlite3 "$name-store.db" "SELECT count(*) FROM kv")
	[ "$rows" -gt 0 ] && [ "$n" -eq "$rows" ] || fail "$name: $rows rows, $n entries"
	rc=0; "$KVFERRY" init -q "sqlite:$name.db" "$name" 2>err || rc=$?
	[ "$rc" -eq 13 ] || fail "$name: a second init ended with $rc, not 13"
	grep -q 'exists already' err || { cat err; fail "$name: the refusal does not say why"; }
	echo "REPORT init of $name: $rows rows, $n entries"
}

sh "$TOP/samples/catalog/make-shop.sh" shop.db
works shop

sqlite3 odd.db <<'SQL'
CREATE TABLE "Order Details" ("Order ID" INTEGER, "Product/Part" TEXT, "say ""hi""" REAL, PRIMARY KEY ("Order ID", "Product/Part"));
INSERT INTO "Order Details" VALUES (1, 'a/b', 0.1), (1, 'a', 1e300), (11, 'a%2Fb', -0.0), (2, 'Größe {x}', NULL);
CREATE TABLE "a/b" (id INTEGER PRIMARY KEY, big INTEGER, data BLOB, twice INTEGER AS (big * 2));
INSERT INTO "a/b" (id, big, data) VALUES (-1, 9223372036854775807, x'00ff'), (0, -9223372036854775808, zeroblob(3)), (10, NULL, NULL);
CREATE TABLE a (b TEXT, n NUMERIC(10, 2));
INSERT INTO a VALUES ('x', 1), ('x', 1), ('x', 1), (NULL, 2.50), ('', NULL), (NULL, 2.5);
CREATE TABLE "{braces}" ("{x}" TEXT PRIMARY KEY NOT NULL, "true" BOOLEAN, "#" DATETIME) WITHOUT ROWID;
INSERT INTO "{braces}" VALUES ('{x}', 1, '2020-01-01'), ('}', 0, 1577836800), ('', NULL, NULL);
CREATE TABLE empty (k TEXT NOT NULL PRIMARY KEY);
CREATE TABLE code (token BLOB NOT NULL UNIQUE, note JSON);
INSERT INTO code VALUES (x'01', '{"a": 1}'), (x'0102', 'no JSON at all');
SQL
works odd

if [ -f "${SHARED:-}/data/chinook.sqlite" ]; then
	cp "$SHARED/data/chinook.sqlite" chinook.db
	works chinook
fi
