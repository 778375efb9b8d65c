# Back to tables: import --as tables into SQLite gives the database that was exported.
. "$TOP/tests/support/integration.sh"
python=/usr/bin/python3
same() { $python "$TOP/tests/support/same_tables.py" "$1" "$2" >same.txt || { cat same.txt >&2; die "$1 and $2 differ"; }; }
l1() { zstd -dcq "$1" | sha256sum; }

# everything that is odd about SQLite
sed -n '/^sqlite3 nasty.db/,/^SQL$/p' "$TOP/tests/integration/restore_prototype.sh" >nasty.sh
. ./nasty.sh
sqlite3 nasty.db 'DELETE FROM "a/b" WHERE id = 10' # AUTOINCREMENT must not give 10 again
expect 0 export sqlite:nasty.db nasty.kvf
expect 0 import --as tables nasty.kvf sqlite:back.db
says '32 rows of 10 tables verified'
same nasty.db back.db
expect 0 diff nasty.kvf tables:sqlite:back.db
expect 0 export sqlite:back.db again.kvf
equal "$(l1 nasty.kvf)" "$(l1 again.kvf)" "the second export"
equal "$(sql back.db 'PRAGMA integrity_check')" ok
equal "$(sql back.db "SELECT rowid FROM notes WHERE notes MATCH 'other'")" 2
equal "$(sql back.db 'INSERT INTO "a/b"(id) VALUES(NULL) RETURNING id')" 11
equal "$(sql back.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'kvferry%'")" 0
equal "$(stat -c %a back.db)" 600

# what is there already: a table with rows, an empty one, one of another shape
before=$(sqlite3 back.db .dump | sha256sum)
expect 13 import --as tables nasty.kvf sqlite:back.db
says 'holds rows'
says 'Nothing was changed'
equal "$before" "$(sqlite3 back.db .dump | sha256sum)"
sql back.db 'DELETE FROM nokey; DELETE FROM a'
expect 0 import --as tables -t a -t 'nok*' nasty.kvf sqlite:back.db
says '7 rows of 2 tables'
equal "$(sql back.db 'SELECT count(*) FROM nokey')" 5
equal "$(sql back.db 'SELECT count(*) FROM empty')" 0 # the trigger did not fire
sql back.db 'DELETE FROM nokey; DROP TABLE a; CREATE TABLE a(id INTEGER PRIMARY KEY DESC, x)'
before=$(sqlite3 back.db .dump | sha256sum)
expect 13 import --as tables -t a -t nokey nasty.kvf sqlite:back.db
says 'column "日本語'
equal "$before" "$(sqlite3 back.db .dump | sha256sum)"

# foreign keys in a circle; a generated column is computed again, and compared: this one says another thing than when its row came
sqlite3 circle.db 'PRAGMA foreign_keys = ON; CREATE TABLE a(id INTEGER PRIMARY KEY, b REFERENCES b(id)); CREATE TABLE b(id INTEGER PRIMARY KEY, a NOT NULL REFERENCES a(id));
    CREATE TABLE tree(id INTEGER PRIMARY KEY, up REFERENCES tree(id)); INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1;
    INSERT INTO tree VALUES (1, NULL), (2, 1); UPDATE tree SET up = 2 WHERE id = 1'
expect 0 export sqlite:circle.db circle.kvf
expect 0 import --as tables circle.kvf sqlite:circle2.db
same circle.db circle2.db
equal "$(sql circle2.db 'PRAGMA foreign_key_check')" ''
sqlite3 gen.db "CREATE TABLE g(id INTEGER PRIMARY KEY, n INT, m INT GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO g(id, n) VALUES (1, 2);
    PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'n * 2', 'n * 3')"
expect 0 export sqlite:gen.db gen.kvf
expect 11 import --as tables gen.kvf sqlite:gen2.db
says 'table "g", read back, is not what the stream holds'
says 'A generated column computes something else here'
[ ! -e gen2.db ] || die 'a refused restore left a file'

# a dry run, a selection, what is asked for and not there
expect 0 import --as tables --dry-run nasty.kvf sqlite:dry.db
[ ! -e dry.db ] || die 'a dry run made a file'
expect 0 import --as tables --json -T notes -T boxes nasty.kvf sqlite:some.db
equal "$(jq -r '.result.not_restored | map(.kind) | sort | join(" ")' out)" 'trigger view'
equal "$(jq -r '.result.published' out)" true
expect 2 import --as tables -t nothing nasty.kvf sqlite:none.db
says "matches --table 'nothing'"
[ ! -e none.db ] || die 'a refused run made a file'
expect 2 import --as tables --replace nasty.kvf sqlite:none.db
expect 2 import -t a nasty.kvf sqlite:none.db
says '--as tables'
expect 2 import --as tables nasty.kvf cql://host/keyspace
expect 6 import --as tables --expect-root "$(printf %064d 0)" nasty.kvf sqlite:none.db
[ ! -e none.db ] || die 'an unexpected stream made a file'

# a selection asks; packages of an application are no tables; a store's backup is the same stream
expect 0 export -t a -t nokey sqlite:nasty.db part.kvf
expect 13 import --as tables part.kvf sqlite:part.db
says --allow-partial
expect 0 import --as tables --allow-partial part.kvf sqlite:part.db
expect 0 import nasty.kvf sqlite:store.db
expect 0 backup sqlite:store.db store.kvf
expect 0 import --as tables store.kvf sqlite:fromstore.db
same nasty.db fromstore.db
sqlite3 legacy.db <"$TOP/samples/catalog/shop.sql"
expect 0 export -f "$TOP/formats/catalog" sqlite:legacy.db app.kvf
expect 13 import --as tables app.kvf sqlite:app.db
says 'without -f'

# cut off, killed, stopped: nothing is left as if it were finished
legacy big.db 60000
expect 0 export sqlite:big.db big.kvf
head -c 300000 big.kvf >cut.kvf
expect 6 import --as tables cut.kvf sqlite:cut.db
[ ! -e cut.db ] || die 'a cut stream left a file'
sqlite3 old.db 'CREATE TABLE t(a); INSERT INTO t VALUES(1)'
for bytes in 1000 200000 600000; do
    rm -f fifo; mkfifo fifo
    { head -c $bytes big.kvf; exec sleep 20; } >fifo 2>/dev/null &
    feeder=$!
    "$K" import --as tables - sqlite:old.db <fifo >out 2>err &
    pid=$!
    sleep 0.4
    kill -9 $pid; wait $pid 2>/dev/null
    kill $feeder 2>/dev/null; wait $feeder 2>/dev/null
    equal "$(sql old.db "SELECT group_concat(name) FROM sqlite_schema")" t "killed after $bytes bytes"
done
expect 0 import --as tables big.kvf sqlite:old.db
"$K" import --as tables - sqlite:piped2.db <big.kvf >out 2>err || die 'through a pipe'
same big.db piped2.db

if [ -r "$SHARED/data/chinook.sqlite" ]; then SHARED=$SHARED/data; fi
if [ -r "$SHARED/chinook.sqlite" ]; then
    cp "$SHARED/chinook.sqlite" chinook.db
    expect 0 export sqlite:chinook.db chinook.kvf
    expect 0 import --as tables chinook.kvf sqlite:chinook2.db
    same chinook.db chinook2.db
    expect 0 diff chinook.kvf tables:sqlite:chinook2.db
    expect 0 export sqlite:chinook2.db chinook2.kvf
    equal "$(l1 chinook.kvf)" "$(l1 chinook2.kvf)" 'Chinook, exported again'
else
    echo "REPORT chinook.sqlite is not there: not restored"
fi
