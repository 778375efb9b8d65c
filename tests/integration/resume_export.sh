# Exports that stop and go on: what comes out is byte for byte what it would have
# been, and nothing is kept of what the source does not hold any more.
. "$TOP/tests/support/integration.sh"

l1() { zstd -dc "$1" | sha256sum; }
clean() { rm -f x.kvf x.kvf.partial; }

# In stream order: the keys are text of one length.
sqlite3 a.db "CREATE TABLE a(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;
    CREATE TABLE b(id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
    INSERT INTO a SELECT printf('%08d', i), hex(randomblob(50)) FROM n;
    INSERT INTO b SELECT CAST(k AS INTEGER), v FROM a" || die "making a.db"
expect 0 export --chunk 16K sqlite:a.db whole.kvf
[ ! -e whole.kvf.partial ] || die "a complete export left a partial file"
size=$(stat -c %s whole.kvf)

# resume WHAT KEPT: the same command again, whose stream is that of $good
good=$(l1 whole.kvf)
resume() {
    expect 0 export --chunk 16K --json sqlite:a.db x.kvf
    equal "$(l1 x.kvf)" "$good" "$1"
    equal "$(jq -r .result.resumed out)" "$2" "$1: chunks kept"
    [ ! -e x.kvf.partial ] || die "$1: the partial file is still there"
    expect 0 verify x.kvf
    zstd -lq x.kvf >/dev/null || die "$1: zstd -l"
    clean
}
none() { [ "$(jq -r .result.resumed out)" = 0 ]; }

# --- cut anywhere: at the borders of frames, beside them, in the middle -----------------
kept=0
for part in 0 1 11 12 13 200 5000 65536 $((size / 7)) $((size / 3)) $((size / 2)) \
            $((size * 9 / 10)) $((size - 9)) $size; do
    head -c $part whole.kvf >x.kvf.partial; chmod 600 x.kvf.partial
    expect 0 export --chunk 16K --json sqlite:a.db x.kvf
    equal "$(l1 x.kvf)" "$good" "cut at $part"
    now=$(jq -r .result.resumed out)
    [ "$now" -ge "$kept" ] || die "cut at $part: $now chunks kept, $kept before"
    kept=$now
    expect 0 verify x.kvf
    clean
done
equal "$kept" "$("$K" info --json whole.kvf | jq -r .result.chunks)" "all of it"

# What is damaged, and all behind it, is made again.
cp whole.kvf x.kvf.partial; chmod 600 x.kvf.partial
printf 'XXXX' | dd of=x.kvf.partial bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect 0 export --chunk 16K --json sqlite:a.db x.kvf
equal "$(l1 x.kvf)" "$good" damaged
now=$(jq -r .result.resumed out)
[ "$now" -gt 10 ] && [ "$now" -lt "$kept" ] || die "damaged: $now of $kept kept"
clean

# --- killed at many moments, again and again ---------------------------------------------
runs=0
for pause in 0.03 0.08 0.15 0.25 0.4 0.1 0.2; do
    "$K" export -j1 --level 12 --chunk 16K sqlite:a.db x.kvf >out 2>err &
    pid=$!
    sleep $pause
    kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
    [ -e x.kvf ] && break
    runs=$((runs + 1))
done
[ -e x.kvf ] || expect 0 export --chunk 16K sqlite:a.db x.kvf
equal "$(l1 x.kvf)" "$good" "killed $runs times"
clean

# --- a signal keeps what is there, and says so -----------------------------------------
"$K" export -j1 --level 19 --chunk 16K sqlite:a.db x.kvf >out 2>err &
pid=$!
tries=0
until [ "$(stat -c %s x.kvf.partial 2>/dev/null || echo 0)" -gt 100000 ]; do
    tries=$((tries + 1)); [ $tries -lt 200 ] || die "nothing is written"
    sleep 0.05
done
kill -TERM $pid; wait $pid; equal $? 143
says "kept in x.kvf.partial"
says "Give the same command again"
have=$(stat -c %s x.kvf.partial)
equal "$(stat -c %a x.kvf.partial)" 600
expect 0 export --chunk 16K sqlite:a.db x.kvf
says "resuming the export in x.kvf.partial: $have bytes are there already"
equal "$(l1 x.kvf)" "$good"
clean

# --- the source has changed ----------------------------------------------------------------
head -c $((size * 3 / 4)) whole.kvf >x.kvf.partial; chmod 600 x.kvf.partial
cp a.db b.db
sqlite3 b.db "UPDATE a SET v = 'changed' WHERE k = '00020000'"
expect 0 export --chunk 16K sqlite:b.db x.kvf
says "starting over behind chunk"
expect 0 verify sqlite:b.db x.kvf
equal "$("$K" cat x.kvf | grep -c changed)" 1
clean
head -c $((size * 3 / 4)) whole.kvf >x.kvf.partial; chmod 600 x.kvf.partial
expect 0 export --chunk 64K sqlite:a.db x.kvf
says "starting over: what the interrupted export left is of other data"
expect 0 verify sqlite:a.db x.kvf
clean

# --- files that are not ours to go on with ---------------------------------------------------
head -c $((size / 2)) whole.kvf >x.kvf.partial; chmod 644 x.kvf.partial
sum=$(sha256sum <x.kvf.partial)
expect 0 export --chunk 16K sqlite:a.db x.kvf
equal "$(l1 x.kvf)" "$good"
equal "$(sha256sum <x.kvf.partial)" "$sum" "a file that others can read was written to"
clean
echo precious >precious; chmod 600 precious; ln -s precious x.kvf.partial
expect 0 export --chunk 16K sqlite:a.db x.kvf
equal "$(cat precious)" precious
clean
head -c $((size / 2)) whole.kvf >x.kvf.partial; chmod 600 x.kvf.partial
flock x.kvf.partial sleep 3 &
sleep 0.3
expect 0 export --chunk 16K --json sqlite:a.db x.kvf
none || die "a file that somebody else is writing was gone on with"
equal "$(l1 x.kvf)" "$good"
wait
