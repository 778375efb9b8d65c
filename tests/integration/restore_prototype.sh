#!/bin/sh
# What the stream says about tables is enough to make them again: a reader in
# another language restores them, and schema and cells are compared.
set -eu
python=/usr/bin/python3
command -v sqlite3 >/dev/null || { echo "there is no sqlite3"; exit 77; }
$python -c 'import msgpack, sqlite3' 2>/dev/null || { echo "python3 has no msgpack"; exit 77; }

there_and_back() { # DATABASE
    "$KVFERRY" export -q "sqlite:$1" out.kvf 2>log || { cat log; exit 1; }
    rm -f back.db
    $python "$TOP/tests/support/restore.py" out.kvf back.db
    $python "$TOP/tests/support/same_tables.py" "$1" back.db
    rm out.kvf
}

sqlite3 nasty.db <<'SQL'
CREATE TABLE "Order Details"("Order ID" INTEGER, "Product/Name" TEXT, "100%" REAL,
  PRIMARY KEY("Order ID", "Product/Name")) WITHOUT ROWID;
INSERT INTO "Order Details" VALUES(1, 'a/b', 1.0), (1, '', -0.0), (9223372036854775807, '%2F', 9e999),
  (-9223372036854775808, char(10), 0.1);
CREATE TABLE any_key(k PRIMARY KEY, v);
INSERT INTO any_key VALUES(1, 'int'), ('1', 'text'), (1.5, 'real'), (x'31', 'blob'), ('0x31', 't'),
  ('~', 't'), ('', 'empty'), (x'', 'empty blob'), (NULL, 'null'), (NULL, 'null'), (NULL, 'other null');
CREATE TABLE nokey(a, b);
INSERT INTO nokey VALUES(1, 2), (1, 2), (1, 2), (NULL, NULL), (CAST(x'fffe00' AS TEXT), 'a' || char(0) || 'b');
CREATE TABLE strict_one(i INT, t TEXT, b BLOB, a ANY, r REAL) STRICT;
INSERT INTO strict_one VALUES(1, '1', x'01', '1', 1), (NULL, NULL, NULL, 1, 0.5);
CREATE TABLE made(a INT, b TEXT, c INT AS (a * 2) VIRTUAL, d TEXT AS (b || '!') STORED, e AS (a + 1));
INSERT INTO made(a, b) VALUES(1, 'x'), (2, NULL);
CREATE TABLE "a/b"(id INTEGER PRIMARY KEY AUTOINCREMENT, "select" TEXT DEFAULT 'it''s', UNIQUE("select"));
INSERT INTO "a/b" VALUES(7, 'seven'), (3, NULL), (10, NULL);
CREATE TABLE a(id INTEGER PRIMARY KEY DESC, "日本語 ""x""" TEXT, [b "c] TEXT CHECK(1));
INSERT INTO a VALUES(1, 'x', 'y'), (NULL, 'x', 'y');
CREATE TABLE empty(x INTEGER PRIMARY KEY, y TEXT COLLATE NOCASE REFERENCES a(id));
CREATE INDEX "an ""index""" ON "Order Details"("100%" DESC, lower("Product/Name")) WHERE "Order ID" > 1;
CREATE UNIQUE INDEX u ON nokey(a, b) WHERE a > 5;
CREATE VIEW "a view" AS SELECT a.id, any_key.v FROM a LEFT JOIN any_key ON a.id = any_key.k;
CREATE TRIGGER "on it" INSTEAD OF INSERT ON "a view" BEGIN INSERT INTO empty VALUES(NULL, 'fired'); END;
CREATE TRIGGER must_not_fire AFTER INSERT ON nokey BEGIN INSERT INTO empty VALUES(NULL, 'fired'); END;
CREATE VIRTUAL TABLE notes USING fts5(title, body);
INSERT INTO notes(rowid, title, body) VALUES(5, 'five', 'some words'), (2, 'two', 'other words');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +label);
INSERT INTO boxes VALUES(4, 0, 1, 'four'), (1, 2.5, 3.5, 'one');
SQL
there_and_back nasty.db
[ "$(sqlite3 back.db "SELECT rowid FROM notes WHERE notes MATCH 'other'")" = 2 ]
# The comparison itself can fail: a text that was a number, an index that is gone.
sqlite3 back.db "UPDATE nokey SET b = '2' WHERE a = 1"
! $python "$TOP/tests/support/same_tables.py" nasty.db back.db >/dev/null || exit 1
cp nasty.db other.db && sqlite3 other.db "DROP INDEX u"
! $python "$TOP/tests/support/same_tables.py" nasty.db other.db >/dev/null || exit 1

sqlite3 wide.db "$(awk 'BEGIN { printf "CREATE TABLE w(c0"; for (i = 1; i < 1500; i++) printf ",c%d", i; print ");" }')"
sqlite3 wide.db "INSERT INTO w(c0, c1499) VALUES(1, 'last')"
there_and_back wide.db

if [ -r "$SHARED/data/chinook.sqlite" ]; then
    cp "$SHARED/data/chinook.sqlite" chinook.db
    there_and_back chinook.db
else
    echo "REPORT chinook.sqlite is not there: not restored"
fi
