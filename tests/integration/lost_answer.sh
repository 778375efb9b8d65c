# A commit whose answer was lost is unknown, not failed: the ledger knows, which has the run's
# row or not, also where another run has published something else since.  Both kinds of store.
. "$TOP/tests/support/integration.sh"
POINTS=$TOP/$B/tests/kvferry
[ -x "$POINTS" ] || { echo "no $POINTS (make tests-build)"; exit 77; }
legacy a.db; legacy b.db 40
expect 0 export sqlite:a.db a.kvf
expect 0 export sqlite:b.db b.kvf
# import_at POINT:ACTION ARGS...
import_at() {
    point=$1; shift
    KVF_FAILPOINT=$point "$POINTS" import "$@" >out 2>err </dev/null; got=$?
}
published() { "$K" history --json "$STORE" | jq "[.result.runs[] | select(.event == \"publish\")] | length"; }

suite() {
    # It was done: success, with a warning, and nothing to do for the next run.
    fresh
    import_at "$1.commit.committed:1:fail" a.kvf "$STORE"
    equal "$got" 0 "its answer was lost"
    says 'the data are published, but the commit reported'
    equal "$(published)" 1
    expect 0 verify a.kvf "$STORE"
    expect 0 import a.kvf "$STORE"
    says 'nothing to do'
    # It was not done: a failure, nothing changed, and the next run goes on.
    import_at "$1.commit.written:1:fail" --replace b.kvf "$STORE"
    equal "$got" 5 "it did not come to the commit"
    says 'live data are as they were'
    equal "$(published)" 1
    expect 0 verify a.kvf "$STORE"
    expect 9 status --exit-code "$STORE"
    expect 0 import --replace b.kvf "$STORE"
    equal "$(published)" 2
    # It was done, the answer comes to nothing, and another run has published meanwhile:
    # the control row is another one, the ledger knows this run.
    fresh
    KVF_FAILPOINT=$1.commit.committed:1:late "$POINTS" import a.kvf "$STORE" >o 2>e </dev/null & pid=$!
    for i in $(seq 500); do grep -q '^State:.T' "/proc/$pid/status" && break; sleep 0.02; done
    expect 0 import --replace b.kvf "$STORE"
    kill -CONT "$pid"; wait "$pid"; got=$?
    equal "$got" 0 "$(cat e)"
    grep -q 'the data are published, but the commit reported' e || { cat e; die "no warning"; }
    equal "$(published)" 2
    expect 0 verify b.kvf "$STORE"
    # The same of a rollback: it took effect.
    run=$("$K" history --json "$STORE" | jq -r '.result.runs[-1].run')
    KVF_FAILPOINT=$1.back.committed:1:fail "$POINTS" rollback "$STORE" --confirm "$run" >out 2>err </dev/null
    expect 0 rollback "$STORE" --confirm "$run"
    expect 0 verify a.kvf "$STORE"
    equal "$("$K" history --json "$STORE" | jq '[.result.runs[] | select(.event == "rollback")] | length')" 1
}
STORE=sqlite:store.db
fresh() { rm -f store.db*; }
suite sqlite
. "$TOP/tests/support/pgtmp.sh"
pg_start
STORE=dbname=store
fresh() { pg_sql postgres 'DROP DATABASE IF EXISTS store WITH (FORCE)' 'CREATE DATABASE store' 2>x || die "store"; }
suite postgres
exit 0
