#!/bin/sh
# A source that needs recovery is recovered in a scratch copy, said so, and
# left as it was: with a hot journal, and with a WAL in a read-only folder.
set -eu
command -v sqlite3 >/dev/null || { echo "there is no sqlite3"; exit 77; }

killed() { # DATABASE SQL: run it in a process that dies without a close
    # shellcheck disable=SC2016
    printf '%s;\n.system kill -9 $PPID\n' "$2" | sqlite3 -batch "$1" >/dev/null 2>&1 || :
}

state() { # names, sizes, times and contents
    for f in lies/*; do stat -c '%n %i %s %y' "$f"; sha256sum "$f"; done
}

rows='WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)
      INSERT INTO t SELECT n, hex(randomblob(100)) FROM c'
spill='PRAGMA cache_size=2; PRAGMA cache_spill=2; BEGIN; UPDATE t SET b = hex(randomblob(200)); DELETE FROM t WHERE a > 9'

carried() { # DATABASE: all 500 rows come, the log says how, nothing has changed
    chmod 555 lies
    state >before
    "$KVFERRY" export "sqlite:lies/$1" out.kvf >out 2>err || { cat err; exit 1; }
    state >after
    chmod 755 lies
    cmp before after || { echo "the source has changed"; exit 1; }
    grep -q 'recovering it in a scratch copy' err || { echo "it was not said:"; cat err; exit 1; }
    "$KVFERRY" info out.kvf 2>&1 | grep -q '500 entries' || { "$KVFERRY" info out.kvf; exit 1; }
    rm out.kvf
}

mkdir lies scratch
export SQLITE_TMPDIR="$PWD/scratch"
sqlite3 lies/a.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b); $rows"
killed lies/a.db "$spill"
[ -s lies/a.db-journal ] || { echo "there is no hot journal"; exit 1; }
carried a.db

rm lies/*
sqlite3 lies/w.db "PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b)" >/dev/null
killed lies/w.db "$rows; $spill"
[ -s lies/w.db-wal ] || { echo "there is no WAL"; exit 1; }
rm -f lies/w.db-shm
carried w.db
[ -z "$(ls scratch)" ] || { echo "scratch files are left"; ls scratch; exit 1; }
