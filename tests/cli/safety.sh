# What must never happen: success that was not written, a stream on a terminal,
# a source that is overwritten, a dry run that leaves something behind.
. "$TOP/tests/support/cli.sh"

sqlite3 shop.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, hex(randomblob(40)) FROM n;"
kvferry -q export sqlite:shop.db shop.kvf
kvferry -q import shop.kvf sqlite:store.db

# Nothing that could not be written is a success.
for c in 'help' 'version' 'help export' 'completion bash' 'plan sqlite:shop.db sqlite:new.db' \
    'info shop.kvf' 'verify shop.kvf' 'cat shop.kvf' 'get shop.kvf t 5' 'get --raw shop.kvf t 5' \
    'status sqlite:store.db' 'history sqlite:store.db' 'diff shop.kvf sqlite:store.db' \
    'version --json' 'cat --json shop.kvf' 'status --json sqlite:store.db' 'export sqlite:shop.db -' \
    'backup sqlite:store.db -'; do
    ran="kvferry $c >/dev/full"
    kvferry $c >/dev/full 2>err </dev/null
    rc=$?
    is 5
    err_has 'No space left on device'
    ran="kvferry $c >&-"
    kvferry $c >&- 2>err </dev/null
    rc=$?
    [ "$rc" -ne 0 ] || fail 'exit 0 with a closed standard output'
done
ran='export to /dev/full'
run kvferry export sqlite:shop.db /dev/full
is 5
# The work is done, its report is not: that is said.
rm -f done.kvf
ran='export, report to /dev/full'
kvferry export sqlite:shop.db done.kvf >/dev/full 2>err </dev/null
rc=$?
is 5
err_has 'the work itself is done'
ok kvferry verify done.kvf
# Closed descriptors are not taken for files.
ran='all closed'
rm -f closed.kvf
kvferry export sqlite:shop.db closed.kvf <&- >&- 2>&-
ok kvferry verify closed.kvf
kvferry import closed.kvf sqlite:closed.db <&- >&- 2>&-
ok kvferry verify closed.kvf sqlite:closed.db
kvferry import - sqlite:closed2.db <&- >out 2>err
rc=$?
[ "$rc" -ne 0 ] || fail 'imported from a closed standard input'

# A reader that goes away is no noise, but no success either.
run sh -c '(kvferry cat shop.kvf; echo $? >status) | head -1 >/dev/null'
err </dev/null
run cat status
out <<'END'
5
END
run sh -c '(kvferry export sqlite:shop.db -; echo $? >status) | head -c 10 >/dev/null'
run cat status
out <<'END'
5
END

# The source is never the output.
cp shop.db copy.db
cp shop.kvf copy.kvf
for c in 'export sqlite:copy.db copy.db' 'export --overwrite sqlite:copy.db copy.db' \
    'import copy.kvf copy.kvf' 'backup sqlite:copy.db copy.db' \
    'backup --overwrite sqlite:copy.db copy.db' 'export sqlite:copy.db sqlite:copy.db'; do
    run kvferry $c
    [ "$rc" -ne 0 ] || fail "succeeded: $c"
    ok cmp shop.db copy.db
    ok cmp shop.kvf copy.kvf
done
# ... nor through another name of it.
ln -s shop.db link.kvf
ln shop.db hard.kvf
for f in link.kvf hard.kvf; do
    run kvferry export --overwrite sqlite:shop.db $f
    ok sh -c 'sqlite3 shop.db "PRAGMA integrity_check; SELECT count(*) FROM t" | tr "\n" " " |
        grep -qx "ok 2000 "'
done

# ... nor where its own name looks like a stream's, whatever leads there.
mkdir same
cp shop.db same/tables.kvf
cp store.db same/store.kvf
before=$(cat same/* | sha256sum)
for c in 'export --overwrite sqlite:same/tables.kvf same/tables.kvf' \
    "export --overwrite sqlite:same/tables.kvf $PWD/same/../same/tables.kvf" \
    'export -n --overwrite sqlite:same/tables.kvf same/tables.kvf' \
    'export --overwrite sqlite:same/tables.kvf x.kvf --manifest same/tables.kvf' \
    'export sqlite:same/tables.kvf new.kvf --manifest ./new.kvf' \
    'backup --overwrite sqlite:same/store.kvf ./same/store.kvf' \
    'backup --overwrite sqlite:same/store.kvf x.kvf --manifest same/store.kvf' \
    'import --replace same/store.kvf sqlite:same/store.kvf' \
    'migrate --overwrite --keep same/tables.kvf sqlite:same/tables.kvf sqlite:same/new.db' \
    'migrate --keep same/new.kvf sqlite:same/tables.kvf sqlite:./same/new.kvf' \
    'migrate --replace --overwrite --keep same/store.kvf sqlite:shop.db sqlite:same/store.kvf'; do
    run kvferry $c
    is 2
    err_has 'are the same file'
    checks=$((checks + 1))
    [ "$before" = "$(cat same/* | sha256sum)" ] || fail 'a file was changed'
done
ran='export to standard output, which is the source'
kvferry export sqlite:same/tables.kvf - >>same/tables.kvf 2>err </dev/null
rc=$?
is 2
checks=$((checks + 1))
[ "$before" = "$(cat same/* | sha256sum)" ] || fail 'the source was written to'
ls same | grep -c . | grep -qx 2 || fail "new files: $(ls same)"

# An output that exists is kept, and so is an incomplete one's place.
run kvferry export sqlite:shop.db shop.kvf
is 13
err_has --overwrite
ok cmp shop.kvf copy.kvf
run kvferry export --overwrite sqlite:shop.db copy.kvf
is 0
run kvferry export sqlite:shop.db missing-folder/x.kvf
is 5

# A dry run leaves no trace: same files, same times, same bytes.
mkdir dry
cp shop.db shop.kvf store.db dry
cd dry
listing() { find . -printf '%p %s %T@ %C@ %i %m\n' | sort; }
before=$(listing; cat ./* | sha256sum)
for c in 'plan sqlite:shop.db sqlite:new.db' 'migrate -n sqlite:shop.db sqlite:new.db' \
    'migrate -n --keep k.kvf sqlite:shop.db sqlite:new.db' 'migrate -n sqlite:shop.db sqlite:shop.db' \
    'export -n sqlite:shop.db x.kvf' 'export -n --manifest m sqlite:shop.db x.kvf' \
    'import -n shop.kvf sqlite:new.db' 'import -n --replace shop.kvf sqlite:store.db' \
    'backup -n sqlite:store.db x.kvf' 'export -n --overwrite sqlite:shop.db shop.kvf' \
    'status sqlite:store.db' 'history sqlite:store.db' 'verify shop.kvf sqlite:store.db' \
    'diff tables:sqlite:shop.db sqlite:store.db' 'cat sqlite:store.db' 'get sqlite:store.db t 5' \
    'info shop.kvf' 'plan sqlite:shop.db sqlite:store.db'; do
    kvferry $c >../out 2>../err </dev/null
    rc=$? ran="kvferry $c"
    [ "$rc" -eq 0 ] || fail "exit $rc: $(cat ../err)"
    checks=$((checks + 1))
    after=$(listing; cat ./* | sha256sum)
    [ "$before" = "$after" ] || fail "left a trace: $(printf '%s\n' "$before" "$after" | sort | uniq -u)"
done
cd ..

# What a run would be refused for, plan and a dry run say as well.
for c in 'plan sqlite:shop.db sqlite:nowhere/new.db' 'migrate sqlite:shop.db sqlite:nowhere/new.db' \
    'migrate -n sqlite:shop.db sqlite:nowhere/new.db' 'import shop.kvf sqlite:nowhere/new.db' \
    'import -n shop.kvf sqlite:nowhere/new.db'; do
    run kvferry $c
    is 13
    err_has 'there is no folder nowhere/'
done

# Passwords are not printed.
secret=hunter2
for place in "postgresql://me:$secret@host/db" "host=h password=$secret" "sqlite://u:$secret@x/y.db"; do
    for c in status history 'cat' info; do
        run kvferry $c "$place"
        [ "$rc" -ne 0 ] || fail "succeeded"
        out_lacks $secret
        err_lacks $secret
        run kvferry $c --json "$place"
        out_lacks $secret
        err_lacks $secret
    done
    run kvferry export "$place" x.kvf
    err_lacks $secret
    run kvferry migrate sqlite:shop.db "$place"
    err_lacks $secret
done

# Control characters of names and keys never reach the terminal.
sqlite3 evil.db 'CREATE TABLE "a'"$(printf '\033')"'[31mb"(id TEXT PRIMARY KEY);
    INSERT INTO "a'"$(printf '\033')"'[31mb" VALUES (char(27) || "[2J"), (char(7));'
for c in 'plan sqlite:evil.db sqlite:e.db' 'export sqlite:evil.db e.kvf' 'cat e.kvf' 'info e.kvf' \
    'migrate sqlite:evil.db sqlite:e.db' 'diff e.kvf shop.kvf' 'info --json e.kvf' \
    'diff --json e.kvf shop.kvf' 'get e.kvf x y' 'cat --keys sqlite:e.db' \
    'export sqlite:evil.db -t no e.kvf'; do
    run kvferry $c
    checks=$((checks + 1))
    if LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" out err; then
        fail "control characters: $(cat -v out err | head -5)"
    fi
done
# A file may be called anything.  What is no text becomes "?" where it is told.
odd=$(printf 'B\303\274cher \377.db')
sqlite3 "$odd" 'CREATE TABLE t(id TEXT PRIMARY KEY); INSERT INTO t VALUES (1);'
run kvferry migrate "sqlite:$odd" sqlite:odd.db
is 0
run kvferry history --json sqlite:odd.db
json '.result.runs[0].document.source | endswith("/B\u00fccher ?.db")'
run kvferry export "sqlite:$odd" odd.kvf
is 0
for place in odd.kvf -; do
    ran="kvferry info --json $place"
    kvferry info --json $place <odd.kvf >out 2>err
    json '.result.note | contains("/B\u00fccher ?.db\n")'
done

# The application's own version record outlives a load that does not bump, however long it is.
mkdir shop
cat >shop/application.yaml <<'END'
application: shop
packages: [goods]
store: {schema: 2, version: {partition: meta, key: version, started: "1", done: "2"}}
END
cat >shop/goods.yaml <<'END'
package: goods
version: 1
records:
  product:
    table: products
    entries: [{partition: goods, key: "{id}", value: product}]
values:
  product: {encoding: raw, from: "{id}"}
END
sed -e 's/goods/extra/g' shop/goods.yaml >shop/extra.yaml
sed -i 's/\[goods\]/[goods, extra]/' shop/application.yaml
sqlite3 long.src 'CREATE TABLE products(id INTEGER PRIMARY KEY); INSERT INTO products VALUES (1);'
mv long.src long-src.db
run kvferry migrate sqlite:long-src.db sqlite:long.db -f shop
is 0
sqlite3 long.db "UPDATE kv SET value = zeroblob(300) WHERE key = CAST('version' AS BLOB)"
run kvferry migrate sqlite:long-src.db sqlite:long.db -f shop --package goods --allow-partial --replace
is 0
ran='sqlite3 long.db'
rc=$(sqlite3 long.db "SELECT length(value) FROM kv WHERE key = CAST('version' AS BLOB)")
is 300

# What the application wrote since may be larger than what was imported.
ok kvferry migrate -q --max-value 1K sqlite:long-src.db sqlite:big.db
sqlite3 big.db 'UPDATE kv SET value = zeroblob(2000)'
run kvferry backup sqlite:big.db big.kvf
is 64
err_has 'Raise the limit with --max-value 2000'
run kvferry backup --max-value 2000 --chunk 4K sqlite:big.db big.kvf
is 0
run kvferry verify --max-value 2000 big.kvf sqlite:big.db
is 0
# A selection that no side could make is not ignored.
run kvferry verify --package tables big.kvf sqlite:big.db
is 2
err_has 'a selection needs legacy tables on one side'

# What is in memory while it works, passwords and data, no crash writes to a disk.
mkfifo fifo
kvferry import - sqlite:core.db <fifo >out 2>err &
pid=$!
exec 9>fifo
ran='a run that waits for its stream'
for _ in 1 2 3 4 5 6 7 8 9 10; do
    limit=$(sed -n 's/^Max core file size *\([0-9]*\) *\([0-9]*\) *bytes.*/\1 \2/p' /proc/$pid/limits)
    case $limit in '0 0'|'1 1') break;; esac
    sleep 0.2
done
case $limit in '0 0'|'1 1') ;; *) fail "its core may have a size: $limit";; esac
kill -s KILL $pid
wait $pid 2>/dev/null
exec 9>&-

finish
