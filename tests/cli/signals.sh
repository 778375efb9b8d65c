# The first signal stops at a safe point: the old state stays, nothing half
# done is visible, the exit status tells, and the same command does the rest.
. "$TOP/tests/support/cli.sh"

sqlite3 big.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    INSERT INTO t SELECT i, hex(randomblob(60)) FROM n;"
kvferry -q export sqlite:big.db big.kvf
sqlite3 old.db 'CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);'
kvferry -q migrate sqlite:old.db sqlite:store.db

# Send SIGNAL as soon as the command has its big input open.
stop() { # SIGNAL COMMAND...
    signal=$1
    shift
    ran="$* (SIG$signal)"
    setsid env --default-signal "$@" >out 2>err </dev/null &
    pid=$!
    tries=0
    until ls -l /proc/$pid/fd 2>/dev/null | grep -q '/big\.' || [ $tries -eq 500 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    sleep 0.1
    kill -s "$signal" $pid || fail 'it was too quick to be stopped'
    wait $pid
    rc=$?
}

for signal in INT TERM HUP; do
    status=130
    [ $signal = TERM ] && status=143
    stop $signal kvferry import --replace big.kvf sqlite:store.db
    is $status
    out </dev/null
    err_has 'stopped on request'
    err_has 'othing was published'
    err_has 'next:'
    run kvferry get sqlite:store.db t 1
    is 0
    out <<'END'
{"id":1}
END
    stop $signal kvferry export --level 19 sqlite:big.db new.kvf
    is $status
    ok test ! -e new.kvf
    ok test -s new.kvf.partial
    err_has 'kept in new.kvf.partial'
    stop $signal kvferry migrate --replace sqlite:big.db sqlite:store.db
    is $status
    run kvferry get sqlite:store.db t 1
    out_has '{"id":1}'
done
stop INT kvferry import --json --replace big.kvf sqlite:store.db
is 130
json '.ok == false and .exit == 130 and .error.status == "interrupted"'

# The unfinished run is visible, the old data are live, the exit code says so.
run kvferry status sqlite:store.db
is 0
out_has 'has ended unfinished: stopped on request'
out_has 'next  kvferry import --replace big.kvf sqlite:store.db  # to give it up'
run kvferry status --exit-code sqlite:store.db
is 9
run kvferry status --exit-code --json sqlite:store.db
is 9
json '.ok and .exit == 9 and .result.state == "unfinished" and .error == null'

# A run at work is told from one that has died.
setsid env --default-signal kvferry -q import --replace big.kvf sqlite:store.db &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1
    run kvferry status --exit-code sqlite:store.db
    [ "$rc" -eq 9 ] || break
done
is 8
out_has 'is at work'
run kvferry import --replace big.kvf sqlite:store.db
is 8
err_has "process $pid"
kill -s KILL $pid
wait $pid 2>/dev/null
run kvferry status --exit-code sqlite:store.db
is 9
out_has 'has ended unfinished'

# A pipe whose other end stays silent can be left, too.
mkfifo fifo
sleep 5 >fifo &
sleeper=$!
ran='import from a silent pipe'
setsid env --default-signal kvferry import - sqlite:pipe.db <fifo >out 2>err &
pid=$!
sleep 0.3
kill -s INT $pid
wait $pid
rc=$?
is 130
kill $sleeper

# The same command again does the rest.
run kvferry import --replace big.kvf sqlite:store.db
is 0
out_has 'published: 1,000,000 entries verified'
run kvferry verify big.kvf sqlite:store.db
is 0
# No scratch or temporary files are left behind but what the next export goes on with.
run sh -c 'ls -A | grep -v -e "^big" -e "^old" -e "^store.db$" -e "^out$" -e "^err$" -e "^wanted$" -e "^fifo$" -e "^ok.log$" -e "^pipe.db" -e "^new.kvf.partial$"'
out </dev/null
finish
