#!/bin/sh
# The C door: a package that is a C function, exported and imported through the
# library, then looked at with sqlite3 alone.
set -eu
fail() { echo "$1"; exit 1; }
embed=$TOP/$B/samples/embed/embed

sqlite3 legacy.db <<'SQL'
PRAGMA user_version = 1;
CREATE TABLE notes (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, body TEXT NOT NULL, starred INTEGER);
INSERT INTO notes VALUES (1, 'ada', 'an engine', 1), (2, 'bob', '', 0), (3, 'ada', 'Zahlen: 1/2 · ½', NULL);
SQL
before=$(sqlite3 legacy.db .dump | sha256sum)

"$embed" sqlite:legacy.db notes.kvf sqlite:store.db >out 2>err || { cat out err; fail "embed failed"; }
cat >want <<'EOT'
export: 4 entries, schema version 2
import: 4 entries, schema version 2
EOT
diff want out

sqlite3 store.db "SELECT CAST(partition_key AS TEXT), CAST(key AS TEXT), CAST(value AS TEXT) FROM kv ORDER BY 1, 2" >got
cat >want <<'EOT'
meta|schema|2
notes|note/ada/00000000000000000001|an engine
notes|note/ada/00000000000000000003|Zahlen: 1/2 · ½
notes|note/bob/00000000000000000002|
notes|starred/ada/00000000000000000001|
EOT
diff want got

[ "$before" = "$(sqlite3 legacy.db .dump | sha256sum)" ] || fail "the legacy database was changed"

# A row that the function refuses stops the run: nothing appears.
sqlite3 legacy.db "INSERT INTO notes VALUES (4, 'a/b', 'x', 0)"
rm -f notes.kvf store.db
rc=0; "$embed" sqlite:legacy.db notes.kvf sqlite:store.db >out 2>err || rc=$?
[ "$rc" -eq 64 ] || { cat out err; fail "a refused row gave status $rc, not 64"; }
grep -q 'note 4' err || { cat err; fail "the refused row is not named"; }
[ ! -e notes.kvf ] && [ ! -e store.db ] || fail "a refused export left files behind"
