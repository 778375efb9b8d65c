# A process that is stopped (SIGSTOP) while it holds what the next command needs, in a
# PostgreSQL store or source: nobody has to end its sessions by hand.  The next command
# completes, and the one that wakes up changes nothing.
. "$TOP/tests/support/integration.sh"
POINTS=$TOP/$B/tests/kvferry
[ -x "$POINTS" ] || { echo "no $POINTS (make tests-build)"; exit 77; }
. "$TOP/tests/support/pgtmp.sh"
pg_start
K=$POINTS
KVF_FAILPOINT_PATIENCE=2000; export KVF_FAILPOINT_PATIENCE
STORE=dbname=store SRC=dbname=src
mkdir f
printf 'application: shop\nstore: {version: {partition: v, key: v, started: "0", done: "1"}}\npackages: [p]\ndrop: [t, u]\n' >f/application.yaml
cat >f/p.yaml <<'YAML'
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
fresh() {
    for db in store src; do pg_sql postgres "DROP DATABASE IF EXISTS $db WITH (FORCE)" "CREATE DATABASE $db" 2>x || die "$db"; done
    pg_sql src "CREATE TABLE t(a int PRIMARY KEY, b text NOT NULL); CREATE TABLE u(x int PRIMARY KEY);
        INSERT INTO t SELECT i, repeat('value ' || i, 30) FROM generate_series(1, 5000) i" || die "src"
}
run_of() { "$K" history --json $STORE | jq -r '[.result.runs[] | select(.event == "publish")][-1].run'; }
open_by() { pg_sql "$1" "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"; }

# meet POINT[:PASS] STATUSES FIRST -- SECOND: the first is stopped at the point, the second
# has to end with 0; the first then ends with one of STATUSES
meet() {
    point=$1 wakes=$2; shift 2
    case $point in *:*) ;; *) point=$point:1;; esac
    first=; while [ "$1" != -- ]; do first="$first $1"; shift; done; shift
    KVF_FAILPOINT=$point:stop "$K" $first >o 2>e </dev/null & pid=$!
    for i in $(seq 1000); do
        grep -q '^State:.T' "/proc/$pid/status" 2>/dev/null && break
        [ "$i" -lt 1000 ] || { cat e; die "$first: not stopped at $point"; }
        sleep 0.02
    done
    "${meanwhile:-true}"
    expect 0 "$@"
    kill -CONT "$pid"; wait "$pid"; got=$?
    case " $wakes " in *" $got "*) ;; *) cat o e >&2; die "$first: stopped at $point, it woke up and ended with $got";; esac
    held=$((held + 1))
}
held=0
fresh
"$K" export -q --chunk 64K -f f $SRC a.kvf && "$K" export -q --chunk 64K $SRC exact.kvf || die "export"

# --- an import: given up, and overtaken, wherever it was
for point in postgres.acquire.written postgres.stage.written postgres.batch.begun postgres.batch.written postgres.totals.reading \
    postgres.seal.written postgres.commit.written; do
    if [ $point != postgres.acquire.written ]; then
        fresh
        meet $point 8 import a.kvf $STORE -- abort --takeover $STORE
        equal "$("$K" status --json $STORE | jq -r .result.stands)" OLD "$point"
        "$K" import -q a.kvf $STORE 2>err || die "the next run"
    fi
    fresh
    meet $point "5 8 13" import a.kvf $STORE -- import --takeover a.kvf $STORE
    expect 0 verify a.kvf $STORE
    equal "$("$K" status --json $STORE | jq -r .result.stands)" NEW "$point"
done
# --- a commit from a source that is no server's: the last look is short
fresh
sqlite3 src.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT NOT NULL); INSERT INTO t VALUES(1, 'x')"
meet postgres.commit.written 8 migrate -f f sqlite:src.db $STORE -- migrate --takeover -f f sqlite:src.db $STORE
# --- a rollback: while it counts, and in its transaction
# While it counts it holds nothing but what it reads: a count may take longer than the
# server waits for a transaction that is silent.
reads_only() {
    equal "$(pg_sql store "SELECT count(*) FROM pg_locks WHERE relation = 'kvferry.control'::regclass AND mode <> 'AccessShareLock'")" 0
}
for point in postgres.totals.reading:1 postgres.totals.reading:2 postgres.back.written; do
    fresh
    "$K" import -q a.kvf $STORE && "$K" import -q --replace exact.kvf $STORE || die "import"
    run=$(run_of)
    case $point in *reading*) meanwhile=reads_only;; esac
    meet $point "5 8 13" rollback $STORE --confirm "$run" -- rollback $STORE --confirm "$run"
    meanwhile=
    expect 0 verify a.kvf $STORE
done
# --- a drop
for point in postgres.drop.begun postgres.drop.written; do
    fresh
    "$K" migrate -q -f f $SRC $STORE || die "migrate"
    run=$(run_of)
    meet $point 8 drop-legacy -f f $SRC $STORE --confirm "$run" -- drop-legacy -f f $SRC $STORE --confirm "$run"
    equal "$("$K" status --json $STORE | jq -r .result.stands)" DONE
    equal "$(pg_sql src "SELECT count(*) FROM pg_class WHERE relname IN ('t', 'u')")" 0
done
# --- a migrate that has frozen its source, and reads it: overtaken; given up, and the source
# is open again
for point in source.held postgres.commit.written; do
    for to in $STORE $SRC; do # apart, and in place
        fresh
        meet $point "4 5 8 13" migrate --freeze -f f $SRC $to -- migrate --takeover --freeze -f f $SRC $to
        equal "$("$K" status --json $to | jq -r .result.stands)" NEW "$point"
    done
done
for point in chunk.after source.held; do
    fresh
    meet $point "8 13" migrate --freeze -f f $SRC $STORE -- abort --takeover $STORE
    says 'the source may be written again'
    grep -q 'stays frozen' e && die "the run that woke up says that it is still frozen"
    pg_sql src "INSERT INTO t VALUES (0, '')" "DELETE FROM t WHERE a = 0" || die "frozen"
    equal "$(pg_sql src "SELECT count(*) FROM pg_namespace WHERE nspname = 'kvferry_freeze'")" 0
done
sleep 1
equal "$(open_by store)$(open_by src)" 00 "a session stayed"
echo "REPORT $held processes were stopped"
exit 0
