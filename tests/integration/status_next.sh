# `status` in every state, both kinds of store: three lines, and what the third one says
# is typed as it stands, from another folder, and does what it is said to do.
. "$TOP/tests/support/integration.sh"
POINTS=$TOP/$B/tests/kvferry
[ -x "$POINTS" ] || { echo "no $POINTS (make tests-build)"; exit 77; }
HERE=$(pwd -P)
PATH=$(dirname "$K"):$PATH; export PATH
mkdir "folder of definitions" elsewhere
printf 'application: shop\nstore: {version: {partition: v, key: v, started: "0", done: "1"}}\npackages: [p]\ndrop: [t, u]\n' \
    >"folder of definitions/application.yaml"
cat >"folder of definitions/p.yaml" <<'YAML'
package: p
version: 1
records:
  r:
    table: t
    entries:
      - {partition: a, key: "{a}", value: one}
values:
  one:
    encoding: json
    fields:
      a: {type: int}
      b: {type: string}
YAML
# at POINT ARGS...: killed there
at() {
    point=$1; shift
    (KVF_FAILPOINT=$point:1:kill exec "$POINTS" "$@") >out 2>err </dev/null; got=$?
    [ "$got" -eq 137 ] || die "not killed at $point: exit $got"
}
# stands WHERE OLD-TEXT: what status says; its third line goes into $next
stands() {
    expect 0 status "$STORE"
    [ "$(wc -l <out)" -eq 3 ] || die "not three lines"
    grep -q "^now   $1, " out || die "it does not stand at $1"
    sed -n 's/^old   //p' out | grep -qF -- "$2" || die "of the old application it does not say: $2"
    next=$(sed -n 's/^next  //p' out)
    equal "$(cd elsewhere && typed=$("$K" status --json "$(other "$STORE")" | jq -r .result.next) && echo "${typed%%kvferry*}")" \
        "$(case $next in kvferry\ abort*|kvferry\ history*|kvferry\ status*|kvferry\ backup*|*SOURCE*) ;; *) echo "cd $HERE && ";; esac)" "from another folder"
}
# The same place from ./elsewhere.
other() { case $1 in sqlite:*) echo "sqlite:../${1#sqlite:}";; *) echo "$1";; esac; }
# type [STATUS]: what it says, as it stands
type_it() {
    sh -c "$next" >out 2>err </dev/null; got=$?
    [ "$got" -eq "${1:-0}" ] || die "typed: $next: exit $got"
}
# ... and the remark: to give it up
give_up() {
    case $next in *"# "*"to give it up: kvferry abort "*) ;; *) die "it does not say how to give it up: $next";; esac
    sh -c "kvferry abort ${next##*to give it up: kvferry abort }" >out 2>err </dev/null || die "to give it up: $next"
}
run_of() { "$K" history --json "$STORE" | jq -r '[.result.runs[] | select(.event == "publish")][-1].run'; }
writes() { src "INSERT INTO u VALUES ($1)" >x 2>&1; }

suite() {
    # Nothing of ours.
    fresh
    [ "$1" = sqlite ] || stands OLD "the old application may run"
    [ "$1" = sqlite ] || case $next in "kvferry migrate SOURCE "*) ;; *) die "next: $next";; esac
    expect 0 export -f "folder of definitions" --overwrite "$SRC" a.kvf
    expect 0 export --overwrite "$SRC" exact.kvf

    # An import, killed: given up, then finished.
    at chunk.after import a.kvf "$STORE"
    stands STAGED "the old application must not write"
    give_up
    stands OLD "the old application may run"
    type_it
    stands NEW "the old application must not run"
    type_it
    says publish
    # Sealed, over live data.
    at import.proved import --replace exact.kvf "$STORE"
    stands STAGED "the old application must not run: schema 1"
    type_it
    stands NEW "no version was bumped"
    expect 0 rollback "$STORE" --confirm "$(run_of)"
    stands NEW "the old application must not run"
    at "$1.commit.begun" import --replace exact.kvf "$STORE"
    stands STAGED "the old application must not run: schema 1"
    give_up
    stands NEW "the old application must not run"

    # A migrate that freezes, killed before it came to the store, on its way, and given up.
    fresh
    at migrate.frozen migrate --freeze -f "folder of definitions" "$SRC" "$STORE"
    writes 1 && die "not frozen"
    [ "$1" = sqlite ] && { expect 4 status "$STORE"; says 'status STORE --source SOURCE'; }
    expect 0 status "$STORE" --source "$SRC"
    says 'now   FROZEN, '
    says 'the old application cannot write'
    next=$(sed -n 's/^next  //p' out)
    type_it
    says 'the source may be written again'
    writes 1 || die "still frozen"
    at chunk.after migrate --freeze -f "folder of definitions" "$SRC" "$STORE"
    stands STAGED "the old application cannot write"
    give_up
    writes 2 || die "still frozen"
    stands OLD "the old application may run"
    type_it
    stands NEW "the old application cannot write"
    expect 0 cleanup "$STORE" --confirm "$(run_of)"
    stands NEW "the old application cannot write"

    # With --keep: the file that an unfinished run has kept is no obstacle; other data are.
    for point in export.package file.named acquire.after chunk.after import.proved; do
        fresh; rm -f kept.kvf
        at $point migrate --keep kept.kvf -f "folder of definitions" "$SRC" "$STORE"
        expect 0 migrate --keep kept.kvf -f "folder of definitions" "$SRC" "$STORE"
        expect 0 verify kept.kvf "$STORE"
    done
    fresh
    src "INSERT INTO t VALUES (21, 'more')"
    cp kept.kvf was.kvf
    expect 13 migrate --keep kept.kvf -f "folder of definitions" "$SRC" "$STORE"
    says 'holds the stream of other data already'
    cmp kept.kvf was.kvf || die "the kept stream was changed"
    echo mine >mine.kvf
    expect 13 migrate --keep mine.kvf -f "folder of definitions" "$SRC" "$STORE"
    equal "$(cat mine.kvf)" mine
    expect 0 migrate --keep kept.kvf --overwrite -f "folder of definitions" "$SRC" "$STORE"
    expect 0 verify kept.kvf "$STORE"

    # Rolled back to the legacy tables: and once more.
    fresh
    expect 0 migrate --freeze -f "folder of definitions" "$SRC" "$STORE"
    expect 0 rollback "$STORE" --confirm "$(run_of)"
    stands OLD "the old application may run"
    type_it
    stands NEW "the old application cannot write"

    # An abort that could not lift the freeze.
    fresh
    at chunk.after migrate --freeze -f "folder of definitions" "$SRC" "$STORE"
    away
    expect 0 abort "$STORE"
    says 'still frozen'
    stands FROZEN "the old application cannot write"
    back
    type_it
    says 'the source may be written again'
    stands OLD "the old application may run"

    # Rows that were rejected, pending, accepted; of a migrate and of an import.
    fresh
    expect 64 migrate --max-value 18 --max-rejects 5000 --rejects r -f "folder of definitions" "$SRC" "$STORE"
    stands STAGED "the old application must not write"
    case $next in *"--accept-rejects $(sha256sum <r | cut -d' ' -f1)  # publishes without"*) ;; *) die "next: $next";; esac
    "$K" history --json "$STORE" | jq -e '.result.runs[-1] | .event == "fail" and .outcome == "reject" and .document.rejects.rows == "19" and (.document.rejects.accepted | not)' >x ||
        die "history does not say what waits"
    type_it
    stands NEW "the old application must not run"
    says '19 rejected rows are missing, as accepted'
    # What is on top of it lacks nothing; what comes back does.
    expect 0 import --replace exact.kvf "$STORE"
    stands NEW "no version was bumped"
    grep -q 'rejected' out && die "nothing is missing in this"
    expect 0 rollback "$STORE" --confirm "$(run_of)"
    stands NEW "the old application must not run"
    says '19 rejected rows are missing, as accepted'
    fresh
    expect 64 export --overwrite --max-value 18 --max-rejects 5000 --rejects r2 -f "folder of definitions" "$SRC" lacks.kvf
    rm -f r r2
    expect 64 import lacks.kvf "$STORE"
    stands STAGED "the old application must not write"
    type_it
    stands NEW "the old application must not run"
    says 'rejected rows are missing, as accepted'

    # The legacy tables, half gone: what is in the way goes, and what it says finishes.
    fresh
    expect 0 migrate -f "folder of definitions" "$SRC" "$STORE"
    src 'CREATE VIEW v AS SELECT * FROM t'
    "$K" drop-legacy -f "folder of definitions" "$SRC" "$STORE" --confirm "$(run_of)" >out 2>err && die "a view was broken"
    stands NEW "the old application must not run"
    says 'begun, and not finished'
    expect 9 status --exit-code "$STORE"
    src 'DROP VIEW v'
    type_it
    stands DONE "the old application must not run"
    # Killed between the note and the drop.
    fresh
    expect 0 migrate -f "folder of definitions" "$SRC" "$STORE"
    at drop-legacy.noted drop-legacy -f "folder of definitions" "$SRC" "$STORE" --confirm "$(run_of)"
    stands NEW "the old application must not run"
    type_it
    stands DONE "the old application must not run"

    # At work: to be waited for.
    fresh
    KVF_FAILPOINT=chunk.after:1:stop "$POINTS" import a.kvf "$STORE" >o 2>e </dev/null & pid=$!
    for i in $(seq 500); do grep -q '^State:.T' "/proc/$pid/status" && break; sleep 0.02; done
    stands STAGED "the old application must not write"
    says 'is at work (step load'
    case $next in "kvferry status "*"# wait for it") ;; *) die "next: $next";; esac
    expect 8 import a.kvf "$STORE"
    # ... and whoever waits gets its turn when it has ended.
    "$K" import --lock-wait 60 --replace exact.kvf "$STORE" >o2 2>e2 </dev/null & waits=$!
    sleep 1
    kill -0 "$waits" || die "it does not wait"
    kill -CONT "$pid"; wait "$pid" || { cat e; die "the holder"; }
    wait "$waits" || { cat e2; die "who waited did not get its turn"; }
    expect 0 verify exact.kvf "$STORE"
    # A stream from standard input comes from there again.
    fresh
    (KVF_FAILPOINT=chunk.after:1:kill exec "$POINTS" import - "$STORE") <a.kvf >out 2>err
    stands STAGED "the old application must not write"
    sh -c "$next" <a.kvf >out 2>err || die "typed: $next"
    stands NEW "the old application must not run"
}

# ---- SQLite
STORE=sqlite:store.db SRC=sqlite:src.db
src() { sqlite3 -bail src.db "$1"; }
fresh() {
    rm -f store.db* src.db*
    src "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT NOT NULL); CREATE TABLE u(x INTEGER PRIMARY KEY);
        WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20) INSERT INTO t
        SELECT i, CASE i WHEN 1 THEN '' ELSE 'value ' || i END FROM c"
}
away() { mv src.db away.db; }
back() { mv away.db src.db; }
suite sqlite
# ---- PostgreSQL
. "$TOP/tests/support/pgtmp.sh"
pg_start
STORE="host=$PGHOST dbname=store" SRC="host=$PGHOST dbname=src"
src() { pg_sql src "$1"; }
fresh() {
    for db in store src; do pg_sql postgres "DROP DATABASE IF EXISTS $db WITH (FORCE)" "CREATE DATABASE $db" 2>x || die "$db"; done
    src "CREATE TABLE t(a int PRIMARY KEY, b text NOT NULL); CREATE TABLE u(x int PRIMARY KEY);
        INSERT INTO t SELECT i, CASE i WHEN 1 THEN '' ELSE 'value ' || i END FROM generate_series(1, 20) i" || die "src"
}
away() { pg_sql postgres 'ALTER DATABASE src RENAME TO away'; }
back() { pg_sql postgres 'ALTER DATABASE away RENAME TO src'; }
suite postgres
exit 0
