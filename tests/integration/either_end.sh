# migrate: whichever end fails first is the cause that is told.
. "$TOP/tests/support/integration.sh"
legacy a.db 20000

# The importer fails before the exporter wrote anything: somebody takes the store
# between the look at it and the acquisition.  Simulated by a store that locks.
sqlite3 s.db "CREATE TABLE t(x)"
( sqlite3 s.db "BEGIN EXCLUSIVE; SELECT 1; " ".system sleep 3" "ROLLBACK" >/dev/null ) &
locker=$!
sleep 0.3
"$K" migrate sqlite:a.db sqlite:s.db >out 2>err
got=$?
wait $locker
case $got in
0) ;; # it waited until the lock was gone
4 | 5 | 13) says s.db ;;
*) die "a locked store: exit $got" ;;
esac
expect 0 migrate sqlite:a.db sqlite:t.db

# The exporter fails in the middle: a row that cannot be carried.
sqlite3 a.db "CREATE TABLE zz(k TEXT PRIMARY KEY, v BLOB); INSERT INTO zz VALUES('big', zeroblob(3000000))"
expect 64 migrate --max-value 1M sqlite:a.db sqlite:u.db
says zz
says max-value
equal "$(sql u.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
# With another limit it is another stream, of the same source: it starts over, and says so.
expect 0 migrate sqlite:a.db sqlite:u.db
says 'starting over'
expect 0 verify tables:sqlite:a.db sqlite:u.db
