# fault-fixtures.sh - sourced by tests/crash/*.sh after faults.sh: the data, and
# one command of each verb.  All streams have chunks of 4 KiB and more than three of
# them in each package that matters.

# A legacy database with the shapes that differ: a rowid key, a composite key
# WITHOUT ROWID and a name with a space, no key at all.
make_legacy() { # FILE ROWS TEXT
    sqlite3 "$1" <<SQL
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, data BLOB);
CREATE TABLE "Order Details" (o INTEGER, p TEXT, quantity INTEGER, PRIMARY KEY (o, p)) WITHOUT ROWID;
CREATE TABLE tags (tag TEXT, item INTEGER);
CREATE TABLE empty (a, b);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO items SELECT i, '$3 ' || i || ' of many', i / 7.0, CAST(printf('%064x', i) AS BLOB) FROM n;
INSERT INTO "Order Details" SELECT id / 3, 'p' || id, id % 5 FROM items;
INSERT INTO tags SELECT 't' || (id % 10), id FROM items WHERE id % 2;
INSERT INTO tags SELECT tag, item FROM tags LIMIT 5;
SQL
}

base=$PWD/base
mkdir -p "$base"
make_legacy "$base/src.db" 240 item
make_legacy "$base/more.db" 20 item
sh "$TOP/samples/catalog/make-shop.sh" "$base/shop.db"
(
    cd "$base" || exit 1
    set -e
    "$kv" export -q --chunk 4096 sqlite:src.db in.kvf
    "$kv" export -q --chunk 4096 --table tags sqlite:src.db tags.kvf
    "$kv" export -q --chunk 4096 sqlite:more.db more.kvf
    "$kv" import -q in.kvf sqlite:full.db
    "$kv" import -q more.kvf sqlite:small.db
) || { echo "the fixtures cannot be made"; exit 1; }
chunks=$("$kv" info --json "$base/in.kvf" | jq '[.result.packages[].chunks | tonumber] | max')
[ "${chunks:-0}" -ge 3 ] || { echo "the stream has only $chunks chunks"; exit 1; }

share=1 # of the occurrences that are tried, every share-th

fixture() { # NAME=FILE ...: fixture/NAME is a copy of base/FILE
    rm -rf fixture; mkdir fixture
    for f in "$@"; do cp "$base/${f#*=}" "fixture/${f%%=*}"; done
    legacy_query= store_query=
    none=$(rm -f none.db; sqlite3 none.db 'PRAGMA user_version = 0'; touch none.db; store_hash none.db)
}

each_file_verb() {
    fixture src.db=src.db
    "$1" file "export" -- "$kv" export -j 2 --chunk 4096 sqlite:src.db out.kvf
    fixture shop.db=shop.db
    "$1" file "export -f" -- "$kv" export -j 2 --chunk 4096 -f "$formats" sqlite:shop.db out.kvf
    fixture full.db=full.db
    "$1" file "backup" -- "$kv" backup -j 2 --chunk 4096 sqlite:full.db out.kvf
}

each_store_verb() {
    fixture in.kvf=in.kvf
    "$1" store "import" -- "$kv" import -j 2 in.kvf sqlite:store.db
    fixture in.kvf=in.kvf store.db=small.db
    "$1" store "import --replace" -- "$kv" import -j 2 --replace in.kvf sqlite:store.db
    fixture shop.db=shop.db
    "$1" store "migrate -f" -- "$kv" migrate -j 2 --chunk 4096 -f "$formats" sqlite:shop.db sqlite:store.db
    fixture store.db=src.db
    legacy_query='SELECT * FROM items; SELECT * FROM "Order Details"; SELECT * FROM tags; SELECT sql FROM sqlite_schema WHERE name IN ("items", "Order Details", "tags", "empty")'
    legacy=$(legacy_hash "$base/src.db")
    "$1" store "migrate in place" -- "$kv" migrate -j 2 --chunk 4096 sqlite:store.db sqlite:store.db
}

# Back to tables: a new file, and one that has an empty table of the same shape.
each_tables_verb() {
    tables='SELECT name, sql FROM sqlite_schema ORDER BY name; SELECT * FROM tags; SELECT * FROM items; SELECT * FROM "Order Details"'
    share=3
    fixture in.kvf=more.kvf; store_query=$tables none=$(store_query=$tables; store_hash none.db)
    "$1" store "import --as tables" -- "$kv" import --as tables in.kvf sqlite:store.db
    fixture in.kvf=more.kvf store.db=shop.db; store_query=$tables
    sqlite3 fixture/store.db 'CREATE TABLE tags (tag TEXT, item INTEGER)'
    "$1" store "import --as tables, beside others" -- "$kv" import --as tables in.kvf sqlite:store.db
    share=1
}

each_print_verb() {
    fixture src.db=src.db in.kvf=in.kvf full.db=full.db more.kvf=more.kvf small.db=small.db
    "$1" print "verify, source and stream" -- "$kv" verify -j 2 sqlite:src.db in.kvf
    "$1" print "verify, stream and store" -- "$kv" verify -j 2 in.kvf sqlite:full.db
    "$1" print "diff" -- "$kv" diff more.kvf sqlite:full.db
    "$1" print "plan" -- "$kv" plan sqlite:src.db sqlite:small.db
    "$1" print "status --json" -- "$kv" status --json sqlite:full.db
    "$1" print "history" -- "$kv" history sqlite:full.db
    "$1" print "info" -- "$kv" info in.kvf
    "$1" print "cat" -- "$kv" cat more.kvf
    "$1" print "get" -- "$kv" get in.kvf items 5 --json
    "$1" print "check" -- "$kv" check "$formats"
    "$1" print "help" -- "$kv" help migrate
    "$1" print "version --json" -- "$kv" version --json
    "$1" print "completion" -- "$kv" completion bash
    fixture shop.db=shop.db
    "$1" print "check, with a source" -- "$kv" check "$formats" sqlite:shop.db
    fixture src.db=src.db
    "$1" folder "init" -- "$kv" init sqlite:src.db made
}

each_verb() {
    each_file_verb "$1"
    each_store_verb "$1"
    each_tables_verb "$1"
    each_print_verb "$1"
}
