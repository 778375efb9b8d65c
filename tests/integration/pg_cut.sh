# The link to a store is cut at every stage of an import: status 5, nothing is published, and the
# same command succeeds afterwards.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
pg_sql postgres 'CREATE DATABASE store' || exit 1
sqlite3 old.db "CREATE TABLE o (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO o VALUES (1, 'old')"
sqlite3 new.db "CREATE TABLE n (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 2000) INSERT INTO n SELECT i, hex(randomblob(200)) FROM i"
expect 0 export sqlite:old.db old.kvf
expect 0 export sqlite:new.db new.kvf
expect 0 import old.kvf dbname=store
PGPROXY_COUNTS=$PWD/counts; export PGPROXY_COUNTS

# cut RULE: an import behind the proxy; it fails before the commit
cut() {
    "$TOP/$B/tests/tools/pgproxy" "$1" -- "$K" import new.kvf dbname=store --replace >out 2>err </dev/null; got=$?
    equal "$(sed 's/.*fired //' counts)" 1 "$1 did not fire"
    [ "$got" -eq 5 ] || die "$1: exit $got"
    grep -q '^next: ' err || die "$1: nobody says what to do next"
    equal "$(pg_sql store 'SELECT count(*) FROM kv')" 1 "$1: published all the same"
}
cut 'cut-before server 1 Z'
cut 'cut-within server 9'
cut 'lose-done 1 pg_advisory'
cut 'fail 53100 1 COPY kvferry_g'
says 'Free space'
cut 'cut-before client 1 d'
cut 'cut-within client 1 d'
cut 'cut-after client 1 d'
cut 'cut-before client 1 c'
cut 'cut-after client 1 c'
cut 'cut-before server 1 d'
cut 'cut-within server 2 d'
cut 'cut-before server 1 c'
cut 'lose-done 1 SEALED'
cut 'cut-before server 1 H'
cut 'fail 40001 1 ALTER TABLE'
expect 0 verify old.kvf dbname=store
expect 0 import new.kvf dbname=store --replace
expect 0 verify new.kvf dbname=store

# Who reads a store behind such a link has no result, and no file: the end of a COPY is its end only
# when the server has said so.
reads() { # RULE ARGS...
    rule=$1; shift
    "$TOP/$B/tests/tools/pgproxy" "$rule" -- "$K" "$@" >out 2>err </dev/null; got=$?
    equal "$(sed 's/.*fired //' counts)" 1 "$* behind $rule did not fire"
    [ "$got" -eq 4 ] || [ "$got" -eq 5 ] || die "$* behind $rule: exit $got"
    grep -q '^next: ' err || die "$* behind $rule: nobody says what to do next"
    ! grep -q 'equal' out || die "$* behind $rule: compared what was cut"
}
for rule in 'cut-before server 1 H' 'cut-before server 1 d' 'cut-within server 1 d' 'cut-before server 1000 d' \
    'cut-within server 2000 d' 'cut-before server 1 c' 'cut-after server 1 c' 'cut-before server 1 C COPY (SELECT' \
    'fail 53100 1 COPY (SELECT' 'fail 57014 1 COPY (SELECT'; do
    reads "$rule" backup dbname=store no.kvf
    [ ! -e no.kvf ] || die "a backup behind $rule"
    reads "$rule" verify new.kvf dbname=store
    reads "$rule" diff dbname=store new.kvf
done
for rule in 'cut-before server 1 D SELECT value' 'cut-within server 1 D SELECT value' 'cut-before server 1 C SELECT value'; do
    reads "$rule" get dbname=store n 7
    [ ! -s out ] || die "a value behind $rule"
done
exit 0
