# Sourced by the scripts here: run kvferry, check its exit status and what it says.
set -u
K=$KVFERRY

die() {
    echo "FAILED: $*" >&2
    [ -s out ] && { echo "stdout:"; head -30 out; } >&2
    [ -s err ] && { echo "stderr:"; head -30 err; } >&2
    exit 1
}

# expect STATUS ARGS...: kvferry ARGS must end with it; output in ./out and ./err
expect() {
    want=$1; shift
    "$K" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$want" ] || die "kvferry $*: exit $got, expected $want"
}

# says TEXT: standard output or error must hold it
says() {
    grep -qF -- "$1" out err || die "nothing says '$1'"
}

# sql FILE STATEMENT: what sqlite3 alone answers
sql() {
    sqlite3 -bail "$1" "$2" || die "sqlite3 $1 '$2'"
}

equal() {
    [ "$1" = "$2" ] || die "'$1' is not '$2'${3:+: $3}"
}

# The contents of a store, by sqlite3 alone.
contents() {
    sqlite3 "$1" "SELECT hex(partition_key), hex(key), hex(value) FROM ${2:-kv} ORDER BY 1, 2" |
        sha256sum
}

# legacy FILE [ROWS]: a small legacy database with odd things in it
legacy() {
    sqlite3 -bail "$1" "
CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, born REAL, photo BLOB);
CREATE TABLE \"Order Details\"(o INTEGER, p TEXT, n INTEGER, PRIMARY KEY(o, p)) WITHOUT ROWID;
CREATE TABLE log(line TEXT, level INTEGER);
CREATE TABLE empty(a TEXT PRIMARY KEY);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < ${2:-300})
INSERT INTO users SELECT i, 'user ' || i, i / 8.0, randomblob(20) FROM c;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < ${2:-300})
INSERT INTO \"Order Details\" SELECT i % 17, 'part/' || i, i FROM c;
INSERT INTO log VALUES('same', 1), ('same', 1), (NULL, NULL), ('other', 2), ('same', 1);
" || die "making $1"
}
