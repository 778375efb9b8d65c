# Sourced by tests/integration/resume.sh and pg_resume.sh: runs that stop, are
# stopped, meet and go on, against any kind of store.  The script brings:
#
#   PLACE             the store, as kvferry is given it
#   ask SQL           what the store's own database answers; control, progress and
#                     ledger stand for kvferry's tables
#   live              a digest of the live entries, made without kvferry
#   fresh             no store any more

# A stream of some hundred chunks, another one with the same head, and one with
# another head.
make_streams() {
    sqlite3 a.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO t SELECT i, hex(randomblob(50)) FROM n" || die "making a.db"
    cp a.db b.db
    sqlite3 b.db "UPDATE t SET v = 'changed' WHERE id % 1000 = 7" || die "making b.db"
    expect 0 export --chunk 32K sqlite:a.db a.kvf
    expect 0 export --chunk 32K sqlite:b.db b.kvf
    expect 0 export --chunk 64K sqlite:a.db c.kvf
    size=$(stat -c %s a.kvf)
    chunks=$("$K" info --json a.kvf | jq -r '.result.tail.chunks // .result.chunks')
}

# Wait until a test command says yes.
until_true() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || die "waited in vain for: $*"
        sleep 0.1
    done
}

applied() {
    ask "SELECT count(*) FROM progress p, control c WHERE p.gen = c.stage" 2>/dev/null
}
some_applied() { [ "$(applied)" -gt "${1:-0}" ] 2>/dev/null; }

# begin PERCENT STREAM [ARG...]: an import that gets so much of the stream, more than
# what is there, and waits for the rest.  $run is its process; what came is in the stage when this returns.
begin() {
    part=$((size * $1 / 100)); stream=$2; shift 2
    had=$(applied); had=${had:-0}
    rm -f fifo go; mkfifo fifo
    { head -c $part $stream; until [ -e go ]; do sleep 0.1; done
      tail -c +$((part + 1)) $stream; } >fifo 2>/dev/null &
    feeder=$!
    "$K" import "$@" - "$PLACE" <fifo >run.out 2>run.err &
    run=$!
    # A pause of the stream brings what was read into the store.
    until_true some_applied $had
    last=0
    while [ "$(applied)" != $last ]; do last=$(applied); sleep 2; done
}
# The rest of the stream; then what the run ends with.
finish() {
    : >go
    wait $run; ended=$?
    wait $feeder 2>/dev/null
}
kill_run() { # [SIGNAL]
    kill -${1:-KILL} $run; wait $run 2>/dev/null; ended=$?
    : >go; wait $feeder 2>/dev/null
}

# resumed: the last command went on with $1 of the chunks
resumed() {
    says "resuming run"
    says "$1 of $chunks chunks are there already"
}

resume_tests() {
    make_streams

    # --- killed, and killed again --------------------------------------------------
    begin 20 a.kvf; kill_run
    first=$(applied)
    equal "$(ask "SELECT state FROM control")" STAGING
    begin 55 a.kvf; kill_run
    second=$(applied)
    [ "$second" -gt "$first" ] || die "the second run got no further: $first, $second"
    grep -q "resuming run .*: $first chunks are there already" run.err ||
        die "the second run did not go on: $(cat run.err)"
    expect 0 import a.kvf "$PLACE"
    resumed $second
    expect 0 verify a.kvf "$PLACE"
    equal "$(ask "SELECT count(*) FROM control WHERE stage = active OR stage = 0")" 1
    good=$(live)
    fresh
    expect 0 import a.kvf "$PLACE"
    equal "$(live)" "$good" "a run that was resumed, and one that was not"

    # --- a signal: at a safe point, and how to go on -----------------------------------
    fresh
    begin 40 a.kvf; kill_run TERM
    equal $ended 143
    grep -q "goes on where this run stopped" run.err || die "no word how: $(cat run.err)"
    equal "$(ask "SELECT lease FROM control")" 0
    have=$(applied)
    expect 0 import a.kvf "$PLACE"
    resumed "$have"
    equal "$(live)" "$good"

    # --- other data behind the same head ----------------------------------------------
    fresh
    begin 50 a.kvf; kill_run
    cat b.kvf | "$K" import - "$PLACE" >out 2>err; equal $? 6
    says "not the one of the unfinished run"
    equal "$(applied)" 0
    cat b.kvf | "$K" import - "$PLACE" >out 2>err || die "it did not start over"
    expect 0 verify b.kvf "$PLACE"
    fresh
    begin 50 a.kvf; kill_run
    expect 0 import b.kvf "$PLACE"
    says "starting over"
    expect 0 verify b.kvf "$PLACE"

    # --- another stream has to say so ----------------------------------------------------
    fresh
    begin 30 a.kvf; kill_run
    have=$(applied)
    expect 9 import c.kvf "$PLACE"
    says "kvferry abort"
    equal "$(applied)" "$have"
    expect 0 import a.kvf "$PLACE"       # a file knows its root: now b is another one
    fresh
    begin 30 a.kvf --expect-root "$("$K" info --json a.kvf | jq -r '.result.root // .result.tail.r')"
    kill_run
    expect 9 import b.kvf "$PLACE"
    expect 0 import --no-verify a.kvf "$PLACE"
    says "resuming run"
    equal "$(live)" "$good"

    # --- migrate goes on, or sees that the source has changed ------------------------------
    fresh
    begin 50 a.kvf; kill_run
    expect 0 migrate --chunk 32K sqlite:a.db "$PLACE"
    says "chunks are there already"
    equal "$(live)" "$good"
    fresh
    begin 50 a.kvf; kill_run
    expect 0 migrate --chunk 32K sqlite:b.db "$PLACE"
    says "starting over: the unfinished run read other data from the source"
    expect 0 verify sqlite:b.db "$PLACE"

    # --- ... or the command: its own work is begun again, nobody else's is given up ----------
    fresh
    cp a.db m.db
    sqlite3 m.db "UPDATE t SET v = v || v || v || v; CREATE TABLE z(id INTEGER PRIMARY KEY, v TEXT);
        INSERT INTO z SELECT 1, v || v FROM t LIMIT 1" || die "making m.db"
    expect 64 migrate --max-value 600 sqlite:m.db "$PLACE"
    some_applied || die "nothing was staged"
    run=$(ask "SELECT run FROM control")
    expect 0 status "$PLACE"
    says "kvferry migrate --max-value 600 sqlite:m.db $PLACE  # to give it up"
    expect 9 import a.kvf "$PLACE"
    says "made of sqlite:$(pwd -P)/m.db"
    says 'In the head '
    expect 9 migrate --chunk 32K sqlite:a.db "$PLACE"
    says 'lim.val was 600, is 67108864'
    expect 0 migrate --chunk 32K sqlite:m.db "$PLACE"
    says "starting over: run $run had other definitions or options: in the head chunk was "
    says 'is 32768; lim.val was 600, is 67108864'
    expect 0 verify sqlite:m.db "$PLACE"
    equal "$("$K" history --json "$PLACE" | jq -r '[.result.runs[] | .event + " " + .outcome] | join(",")')" \
        "begin ,fail reject,begin ,publish ok"
    equal "$("$K" history --json "$PLACE" | jq -r '.result.runs[2].document.instead_of')" "$run"
    expect 0 history "$PLACE"
    says "starts over after run $run"

    # --- one at a time -----------------------------------------------------------------------
    fresh
    begin 50 a.kvf
    expect 0 status "$PLACE"
    says "is at work (step load, last sign of life"
    says "$(applied) chunks are in its stage"
    expect 8 import a.kvf "$PLACE"
    says "run $(ask "SELECT run FROM control") holds the store"
    says "process $run, since"
    says "step load, last sign of life"
    expect 8 migrate sqlite:a.db "$PLACE"
    "$K" import --lock-wait 60 a.kvf "$PLACE" >out 2>err &
    waiter=$!
    sleep 1
    finish
    equal $ended 0 "$(cat run.err)"
    wait $waiter || die "the one that waited"
    says "nothing to do"
    expect 0 verify a.kvf "$PLACE"

    # --- taken over while it lives ---------------------------------------------------------
    fresh
    begin 50 a.kvf
    have=$(applied)
    taken=$(ask "SELECT run FROM control")
    expect 0 import --takeover a.kvf "$PLACE"
    resumed "$have"
    "$K" history --json "$PLACE" | jq -e --arg run "$taken" '.result.runs | .[0].run == $run and .[0].event == "begin" and
        (.[1].document | .resumes == $run and .takeover == "asked")' >x || die "history of a takeover"
    unchanged_by_the_end_of_the_other

    # --- stopped for longer than its lease -----------------------------------------------------
    fresh
    begin 50 a.kvf
    have=$(applied)
    kill -STOP $run
    ask "UPDATE control SET lease = 2" >/dev/null
    expect 8 import a.kvf "$PLACE"
    expect 0 import --lock-wait 60 a.kvf "$PLACE"
    says "gave no sign of life for 2 seconds: taking over"
    resumed "$have"
    kill -CONT $run
    unchanged_by_the_end_of_the_other
}

# The run that was taken over gets the rest of its stream, and changes nothing.
unchanged_by_the_end_of_the_other() {
    equal "$(live)" "$good"
    before=$(ask "SELECT * FROM control"; ask "SELECT * FROM ledger"; live)
    finish
    equal $ended 8 "$(cat run.err)"
    grep -q superseded run.err || die "not superseded: $(cat run.err)"
    equal "$(ask "SELECT * FROM control"; ask "SELECT * FROM ledger"; live)" "$before"
}
