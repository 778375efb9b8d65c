# Runs that are killed, and runs that meet: the old state stays, the next run converges.
. "$TOP/tests/support/integration.sh"
legacy a.db 40000
sqlite3 old.db "CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES('old')"
expect 0 export sqlite:a.db a.kvf
expect 0 migrate sqlite:old.db sqlite:s.db
live=$(contents s.db)

# killed at many moments of an import that is slowed down by its own input
n=0
for bytes in 1000 30000 60000 120000 200000 300000; do
    rm -f fifo; mkfifo fifo
    { head -c $bytes a.kvf; exec sleep 20; } >fifo 2>/dev/null &
    feeder=$!
    "$K" import --replace - sqlite:s.db <fifo >out 2>err &
    pid=$!
    sleep 0.3
    kill -9 $pid; wait $pid 2>/dev/null
    kill $feeder 2>/dev/null; wait $feeder 2>/dev/null
    equal "$live" "$(contents s.db)" "killed after $bytes bytes"
    expect 0 status sqlite:s.db
    n=$((n + 1))
done
echo "REPORT killed $n imports"
expect 0 import --replace a.kvf sqlite:s.db
expect 0 verify a.kvf sqlite:s.db
equal "$(sql s.db "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'kvferry_g[0-9]*' AND type = 'table'")" 1

# SIGINT stops at a safe point and says so
rm -f fifo; mkfifo fifo
{ head -c 100000 a.kvf; exec sleep 20; } >fifo &
feeder=$!
"$K" import --replace - sqlite:s.db <fifo >out 2>err &
pid=$!
sleep 0.3
kill -INT $pid 2>/dev/null
sleep 0.2
kill $feeder 2>/dev/null
wait $pid; got=$?
case $got in 130|6) ;; *) die "SIGINT: exit $got";; esac
expect 0 verify a.kvf sqlite:s.db

# two at once: one is at work, the other is told who
rm -f fifo t.db; mkfifo fifo
{ head -c 100000 a.kvf; sleep 1.5; tail -c +100001 a.kvf; } >fifo &
"$K" import - sqlite:t.db <fifo >out1 2>err1 &
pid=$!
sleep 0.7
expect 8 import a.kvf sqlite:t.db
says run
wait $pid || die "the first import failed: $(cat err1)"
expect 0 verify a.kvf sqlite:t.db

# a source that changes under a migrate is not published
cp a.db live.db
rm -f u.db
( i=0; while [ $i -lt 60 ]; do
    sqlite3 -cmd '.timeout 5000' live.db "INSERT INTO log VALUES('late', $i)" 2>/dev/null; i=$((i + 1)); done ) &
writer=$!
"$K" migrate sqlite:live.db sqlite:u.db >out 2>err; got=$?
wait $writer
case $got in
13) says changed; equal "$(sql u.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0;;
0) ;; # the run was faster than the first write
*) die "a changing source: exit $got";;
esac
expect 0 migrate --replace sqlite:live.db sqlite:u.db
expect 0 verify tables:sqlite:live.db sqlite:u.db
