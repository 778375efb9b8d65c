# faults.sh - sourced by tests/crash/*.sh: what must hold after a run in which something failed.
#
# The folder fixture/ is what each run starts from; it is copied to w/, the run
# happens there, and w/ is judged.  Words used below:
#
#   print    the command only reads: nothing in w/ may change
#   file     it writes w/out.kvf: whole and equal to the undisturbed one, or absent
#   store    it changes the store w/store.db: old or new, never half
#   folder   it makes the folder w/made: whole, or it says that it failed
#
# fault_run LIMITS KIND NAME -- COMMAND... runs one command with the faults that
# the environment (FAULT_...) describes and judges it.

# In memory where possible: thousands of runs would wait for a disk otherwise.
if shm=$(mktemp -d /dev/shm/kvferry-test.XXXXXX 2>/dev/null); then
    trap 'umount "$shm/full" 2>/dev/null; rm -rf "$shm"' EXIT
    trap 'exit 1' HUP INT TERM
    cd "$shm" || exit 1
fi
faults_bad=0 faults_runs=0 faults_hits=0 faults_after=0
lib=$TOP/$B/tests/support

complain() { # TEXT: name the run and keep going, but not for ever
    faults_bad=$((faults_bad + 1))
    echo "$fault_name, call $FAULT_N ($FAULT_MODE): $1"
    sed 's/^/    stderr: /' err | head -5
    if [ "$faults_bad" -ge 25 ]; then echo "25 complaints are enough"; exit 1; fi
}

# The live entries and versions of a store, or what $store_query asks for, as sqlite3
# sees them, behind a line that says whether the file is sound; also in the file "seen".
# Lets SQLite roll back what a dead process left.  (These functions start few processes:
# they run thousands of times.)
store_hash() {
    if [ -e "$1" ]; then
        sqlite3 "$1" "PRAGMA integrity_check; PRAGMA user_version; ${store_query:-SELECT hex(partition_key), hex(key), hex(value) FROM kv ORDER BY partition_key, key}" >seen 2>/dev/null || echo failed >>seen
        sha256sum <seen
    else
        echo ok >seen
        echo absent
    fi
}

# The same of a store in which nothing is live, and the catalog's version record
# says so: what an acquire leaves where there was no live table before.
begun_hash() {
    if [ ! -e "$1" ]; then version=0
    elif [ -n "$(sqlite3 "$1" "SELECT 1 FROM kv LIMIT 1" 2>/dev/null)" ]; then echo never; return
    else version=$(sqlite3 "$1" "PRAGMA user_version"); fi
    sqlite3 :memory: "SELECT 'ok'; SELECT $version; SELECT hex('meta'), hex('catalog/schema-version'), hex('7')" |
        sha256sum
}

# Legacy tables in the same file, for the in-place upgrade.
legacy_hash() {
    sqlite3 "$1" "$legacy_query" | sha256sum
}

begin_run() {
    rm -rf w; cp -R fixture w
    rm -f report out err
}

# Without what changes by itself from one run to the next.
steady() {
    sed -e 's/"free":"[0-9]*"/"free":0/g' -e 's/^time  *[a-z].*//' "$1"
}

# What a stream says: the note and the framing around it may differ.
stream_hash() {
    zstd -dcq "$1" 2>&1 | sha256sum
}

# Names of what is in a folder, without what SQLite itself keeps beside an open
# or crashed database.
listing() {
    find "$1" -mindepth 1 ! -name '*.db-journal' ! -name '*.db-wal' ! -name '*.db-shm' -printf './%P\n' | LC_ALL=C sort
}

hits() { # calls and hits of the last run
    set -- $(od -An -v -tu8 report 2>/dev/null)
    last_calls=${1:-0} last_hits=${2:-0}
}

# Run the undisturbed command; keep what it prints and makes as the reference.
reference() { # KIND NAME -- COMMAND...
    kind=$1 fault_name=$2; shift 3
    FAULT_N=0 FAULT_MODE=once
    begin_run
    rm -rf ref; mkdir ref
    (cd w && timeout 60 env FAULT_N=0 FAULT_REPORT=../report LD_PRELOAD="$fault_so" "$@") >out 2>err </dev/null; ref_rc=$?
    hits
    total=$last_calls
    case $ref_rc in 0|10|11) ;; *) echo "$fault_name: fails without any fault (exit $ref_rc):"; cat err; exit 1;; esac
    [ "$total" -gt 0 ] || { echo "$fault_name: nothing was counted, so nothing can fail"; exit 1; }
    steady out >ref/out
    listing w >ref/listing
    if [ "$kind" = file ]; then ref_stream=$(stream_hash w/out.kvf); fi
    case $kind in
    store)
        old=$(store_hash fixture/store.db) new=$(store_hash w/store.db) begun=$(begun_hash fixture/store.db)
        [ "$old" != "$new" ] || { echo "$fault_name: changes nothing, so the test shows nothing"; exit 1; };;
    folder) cp -R w/made ref/made;;
    esac
}

same_files() { # every file of the fixture is in w/ as it was
    store=; [ "$kind" != store ] || store=store.db
    diff -rq ${store:+-x} $store fixture w | sed -n -e 's/^Files fixture.\(.*\) and w.* differ$/\1/p' -e 's/^Only in fixture: //p'
}

# One run with a fault, then its judgement.  RC statuses that are allowed: $allowed.
disturbed() { # COMMAND...
    begin_run
    (cd w && timeout 60 env FAULT_N="$FAULT_N" FAULT_MODE="$FAULT_MODE" FAULT_REPORT=../report \
        LD_PRELOAD="$fault_so" "$@") >out 2>err </dev/null; rc=$?
    hits
    faults_runs=$((faults_runs + 1))
    [ "$last_hits" -gt 0 ] || return 0
    faults_hits=$((faults_hits + last_hits))
    if [ "$FAULT_MODE" != kill ]; then
        if [ "$rc" -eq 124 ]; then complain "hangs"; return 0
        elif [ "$rc" -ge 128 ]; then complain "dies of signal $((rc - 128))"; return 0; fi
        case " $allowed $ref_rc " in *" $rc "*) ;; *) complain "exit $rc";; esac
        if [ "$rc" -ne "$ref_rc" ] && ! grep -q . err && ! grep -q '"message"' out; then complain "exit $rc without a message"; fi
        if [ "$rc" -eq "$ref_rc" ] && [ "$kind" = print ] && ! steady out | cmp -s - ref/out; then
            complain "prints something else and succeeds"
        fi
    fi
    if [ "$FAULT_MODE" = kill ]; then good=-1; else good=$ref_rc; fi
    changed=$(same_files)
    [ -z "$changed" ] || complain "changed: $changed"
    listing w >left
    case $kind in
    print) cmp -s left ref/listing || complain "left behind: $(comm -13 ref/listing left | tr '\n' ' ')";;
    file)
        extra=$(comm -13 ref/listing left)
        # What the next run goes on with may stay, if it is said.
        grep -q 'is kept in out.kvf.partial' err && extra=$(echo "$extra" | grep -v 'out.kvf.partial')
        [ -z "$extra" ] || [ "$FAULT_MODE" = kill ] || complain "left behind: $extra"
        if [ -e w/out.kvf ]; then
            [ "$(stream_hash w/out.kvf)" = "$ref_stream" ] || complain "a stream that is not whole has its name"
        elif [ "$rc" -eq "$good" ]; then
            complain "succeeds without a stream"
        fi;;
    store)
        extra=$(comm -13 ref/listing left | tr '\n' ' ')
        [ -z "$extra" ] || [ "$FAULT_MODE" = kill ] || complain "left behind: $extra"
        now=$(store_hash w/store.db)
        # A store that was absent may be there without data (fault-fixtures.sh), and
        # where nothing was live the version record may say so.
        if [ "$now" = "$new" ]; then
            [ "$rc" -eq "$good" ] || faults_after=$((faults_after + 1))
        elif [ "$now" = "$old" ] || [ "$now" = "$begun" ] ||
            { [ "$old" = absent ] && [ "$now" = "$none" ]; }; then
            [ "$rc" -ne "$good" ] || complain "succeeds, and the store is as before"
        else
            complain "the store is neither old nor new"
        fi
        read -r sound <seen
        [ "$sound" = ok ] || complain "the store's file is damaged"
        if [ -n "${legacy_query:-}" ] && [ "$(legacy_hash w/store.db)" != "$legacy" ]; then
            complain "the legacy tables changed"
        fi;;
    folder)
        if [ "$rc" -eq "$good" ]; then
            diff -r w/made ref/made >/dev/null 2>&1 || complain "succeeds, and the folder is another one"
        fi;;
    esac
}

# The same command again, without faults, ends as if nothing had been.
converges() { # COMMAND...
    case $kind in print) return 0;; esac
    [ "$rc" -ne "$ref_rc" ] || return 0
    if [ "$kind" = folder ] && [ -e w/made ]; then return 0; fi
    if [ "$kind" = file ] && [ -e w/out.kvf ]; then return 0; fi
    (cd w && timeout 60 "$@") >out 2>err </dev/null; rc=$?
    case $kind in
    file) [ "$(stream_hash w/out.kvf)" = "$ref_stream" ] || complain "run again: exit $rc, and no stream like the first";;
    store)
        now=$(store_hash w/store.db)
        [ "$now" = "$new" ] || complain "run again: exit $rc, and the store is not the new one"
        [ "$rc" -eq 0 ] || [ "$rc" -eq 13 ] || complain "run again: exit $rc";;
    folder) [ "$rc" -eq 0 ] || complain "run again: exit $rc";;
    esac
}

# Which calls are hit: all of the first FIRST, then about MIDDLE more spread
# evenly, and all of the last LAST.
sample() { # TOTAL FIRST MIDDLE LAST
    awk -v t="$1" -v a="$2" -v m="$3" -v z="$4" 'BEGIN {
        for (n = 1; n <= t && n <= a; n++) print n
        step = (t - z - a) / (m ? m : 1); if (step < 1) step = 1
        if (m) for (x = a + 1; x <= t - z; x += step) print int(x)
        for (n = (t - z > a ? int(t - z) + 1 : a + 1); n <= t; n++) print n
    }' | uniq
}
