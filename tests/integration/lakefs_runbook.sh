# docs/applications/lakefs.md: its commands run, one after the other, on a lakeFS installation.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
PATH=$PG_BIN:$(dirname "$K"):$PATH S=$TOP/samples/lakefs
ln -s "$TOP/formats" formats
for db in lake legacy; do
    pg_sql postgres "CREATE DATABASE $db"
    psql -Xq -v ON_ERROR_STOP=1 -d $db -f "$S/schema.sql" >load.log 2>&1 || { cat load.log >&2; die schema; }
done
psql -Xq -v ON_ERROR_STOP=1 -v repos=3 -v commits=400 -v branches=12 -v staged=500 -v runs=90 -v users=40 -v seed=7 \
    -d lake -f "$S/rows.sql" -f "$S/edges.sql" >load.log 2>&1 || { cat load.log >&2; die rows; }
printf '\012\013\012\004main\022\003\012\001\001' >protected_branches.json
awk '/^```sh$/ { n++; out = n ".sh"; next } /^```$/ { out = ""; next } out { print > out }' "$TOP/docs/applications/lakefs.md"
DB=dbname=lake LEGACY=dbname=legacy
export DB LEGACY
n=0
while [ -f $((n + 1)).sh ]; do
    n=$((n + 1))
    sh -eu $n.sh >out 2>err </dev/null || { cat $n.sh >&2; die "block $n ended with status $?"; }
    cat out >>all.txt
done
[ "$n" -ge 11 ] || die "only $n blocks"
grep -q 'published: schema 38' all.txt || die "nothing was published"
grep -q '^now   NEW' all.txt || die "status does not say NEW"
equal "$(pg_sql lake "SELECT count(*) FROM pg_class WHERE relname IN ('graveler_staging_kv', 'auth_users', 'actions_runs')")" 0 "tables that were dropped"
equal "$(pg_sql lake "SELECT count(*) FROM pg_class WHERE relname ~ '^catalog_' OR relname = 'schema_migrations'")" 0 "leftovers that were dropped"
[ "$(pg_sql legacy 'SELECT count(*) FROM graveler_commits')" -ge 400 ] || die "the way back"
[ -s renames.txt ] || die "no log folders"
echo "REPORT docs/applications/lakefs.md: $n blocks run"
