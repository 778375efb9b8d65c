# Sources that cannot be read or carried, as a user meets them: the exit status,
# what is named, and that neither output nor store shows anything of it.
. "$TOP/tests/support/integration.sh"
legacy a.db 20000
sqlite3 old.db "CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES('old')"
expect 0 migrate sqlite:old.db sqlite:s.db
live=$(contents s.db)

refused() { # STATUS SOURCE TEXT...: by export and by migrate, which leave nothing
    status=$1 source=$2; shift 2
    sum=$([ -f "$source" ] && sha256sum <"$source")
    for verb in 'export' 'migrate --replace'; do
        case $verb in export) to=x.kvf;; *) to=sqlite:s.db;; esac
        # shellcheck disable=SC2086
        expect "$status" $verb "sqlite:$source" $to
        for text; do says "$text"; done
        says next:
    done
    equal "$sum" "$([ -f "$source" ] && sha256sum <"$source")" "$source was changed"
    [ ! -e x.kvf ] || die "$source: a stream appeared"
    equal "$live" "$(contents s.db)" "$source: the live data were changed"
    expect 0 status sqlite:s.db
}

echo 'this is no database, although it is long enough to hold the header of one: it is a text.
' >text.db
: >empty.db
refused 4 text.db 'is not an SQLite database'
refused 4 empty.db 'is empty'
refused 4 missing.db 'No such file'
refused 4 . 'is a folder'
refused 4 /dev/zero 'is a device'
mkfifo fifo
refused 4 fifo 'is a device or a pipe'

# locked: waited for, then told
sqlite3 a.db 'BEGIN EXCLUSIVE' '.shell touch locked; sleep 14' &
locker=$!
while [ ! -e locked ]; do sleep 0.1; done
expect 4 export sqlite:a.db x.kvf
says 'is locked by another connection'
[ ! -e x.kvf ] || die 'a locked source gave a stream'
expect 4 migrate --replace sqlite:a.db sqlite:s.db
says 'is locked'
equal "$live" "$(contents s.db)" 'a locked source'
wait $locker

# damaged in the middle, cut in the middle
cp a.db damaged.db
dd if=/dev/zero of=damaged.db bs=4096 seek=100 count=3 conv=notrunc 2>dd.log
refused 4 damaged.db malformed 'it was not changed'
expect 4 migrate --replace sqlite:damaged.db sqlite:s.db
says 'Nothing was published.'
expect 0 status sqlite:s.db
says unfinished
head -c 300000 a.db >cut.db
refused 4 cut.db malformed

# a value over the cap, a key over its limit, a table whose name is none
sqlite3 big.db 'CREATE TABLE "big one"(a INTEGER PRIMARY KEY, b);
    INSERT INTO "big one" VALUES(1, zeroblob(33554432)), (7, zeroblob(67108864))'
refused 64 big.db '"big one"' 'key 7' --max-value
expect 0 export --max-value 65M sqlite:big.db big.kvf
expect 13 import big.kvf sqlite:big-store.db
says '--max-value'
expect 0 import --max-value 65M big.kvf sqlite:big-store.db
expect 0 verify --max-value 65M big.kvf sqlite:big-store.db
equal "$(sql big-store.db 'SELECT max(length(value)) > 67108864 FROM kv')" 1
sqlite3 long.db "CREATE TABLE t(k TEXT PRIMARY KEY); INSERT INTO t VALUES('short'), (printf('%.5000c', 'x'))"
refused 64 long.db 'Table "t", row' 'the limit is 4096'
sqlite3 nameless.db 'CREATE TABLE ""(a); CREATE TABLE t(a)'
refused 64 nameless.db 'table "" cannot be carried' "--exclude-table ''"
expect 0 export --exclude-table '' sqlite:nameless.db nameless.kvf

sqlite3 wordy.db "CREATE TABLE t(\"$(printf '%01025d' 0)\")"
refused 64 wordy.db 'of table "t" cannot be carried' 'more than 1,024 bytes'

# somebody who may not: the file, its folder, the output's folder
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 755 .
    mkdir ro mine
    chown 65534:65534 mine
    cp old.db ro/
    cp old.db ro/wal.db
    sqlite3 ro/wal.db "PRAGMA journal_mode = WAL; INSERT INTO t VALUES('more')" >wal.log
    sqlite3 secret.db 'CREATE TABLE t(a)'
    chmod 600 secret.db
    chmod 555 ro
    chmod 444 ro/*
    as() { # STATUS ARGS...
        want=$1; shift
        setpriv --reuid=65534 --regid=65534 --clear-groups "$K" "$@" >out 2>err </dev/null
        equal $? "$want" "as nobody: kvferry $*: $(cat err)"
    }
    if setpriv --reuid=65534 --regid=65534 --clear-groups "$K" version >out 2>&1; then
        as 0 export sqlite:ro/old.db mine/old.kvf
        as 0 export sqlite:ro/wal.db mine/wal.kvf
        expect 0 cat --keys mine/wal.kvf
        equal "$(wc -l <out)" 2 'a WAL database at rest in a folder that cannot be written'
        as 4 export sqlite:secret.db mine/x.kvf
        says 'Permission denied'
        as 5 export sqlite:ro/old.db ro/x.kvf
        says 'ro/x.kvf'
        as 13 import mine/old.kvf sqlite:ro/old.db
        says 'cannot be written'
        as 13 import mine/old.kvf sqlite:ro/new.db
        as 0 import mine/old.kvf sqlite:mine/new.db
        as 0 verify sqlite:ro/old.db sqlite:mine/new.db
        equal "$(ls ro)" "old.db
wal.db"
    fi
fi

expect 0 migrate --replace sqlite:a.db sqlite:s.db
expect 0 verify tables:sqlite:a.db sqlite:s.db
exit 0
