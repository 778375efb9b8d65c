# lakeFS, the end of the legacy tables: what drop-legacy removes, what its options add,
# what it leaves alone, and a drop that fails after the version has moved.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
PATH=$PG_BIN:$PATH F=$TOP/formats/lakefs S=$TOP/samples/lakefs AS_OF=2022-08-01T00:00:00Z
mkdir -p settings/edge
printf '\012\013\012\004main\022\003\012\001\001' >settings/edge/protected_branches.json

# What a database holds besides kv: one line for each thing.
things() {
    pg_sql "$1" "SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.relname FROM pg_class c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND relname !~ '^kv(_|\$)' AND NOT relispartition
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_proc.oid AND d.deptype = 'e')
        UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
        UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'" | LC_ALL=C sort
}
lake() {
    pg_sql postgres "CREATE DATABASE $1"
    psql -Xq -v ON_ERROR_STOP=1 -d "$1" -f "$S/schema.sql" -f "$S/edges.sql" -c 'CREATE EXTENSION pgcrypto' >load.log 2>&1 ||
        { cat load.log >&2; die rows; }
    expect 0 migrate -f "$F" -a as_of=$AS_OF -a settings=settings --sides . --overwrite --partitions 100 dbname="$1" dbname="$1"
    run=$("$K" history --json dbname="$1" | jq -r '[.result.runs[] | select(.event == "publish")] | last | .run')
}
drop() { # STATUS DATABASE OPTIONS...
    want=$1 db=$2; shift 2
    expect "$want" drop-legacy -f "$F" -a settings=settings "$@" dbname="$db" dbname="$db"
}
lake small
things small >before
grep -c '^table ' before | { read -r n; equal "$n" 26; }
for thing in 'view catalog_entries_v' 'function first_parent' 'function catalog_max_commit_id' 'type catalog_merge_type' \
    'sequence catalog_commit_id_seq' 'extension pgcrypto' 'table graveler_staging_kv'; do
    grep -qx "$thing" before || die "the sample has no $thing"
done
psql -XAtq -d small -c "SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%first_parent(%'" | grep -q graveler_commits || die "no index by first_parent"
sha() { pg_sql "$1" "SELECT md5(string_agg(md5(partition_key || key || value), '' ORDER BY partition_key, key)) FROM kv"; }
kv=$(sha small)

# Not a word of leftovers, nor of the version, unless asked; what it would do is what it does.
drop 2 small
says "kvferry drop-legacy -f $F --arg settings=settings dbname=small dbname=small --confirm $run"
things small | cmp -s before - || die "something went without a confirmation"
drop 0 small -n --json
equal "$(jq -r '.result.tables | length' out)" 18
drop 0 small -n --json --leftovers --version-table
equal "$(jq -r '.result.tables | length' out)" 35
drop 0 small --confirm "$run"
says 'the legacy tables are gone'
things small >now
# The sequences of the tables go with them; all else of the 17 tables and the function.
diff before now | sed -n 's/^< //p' | grep -v '^sequence auth_' >gone
equal "$(grep -c '^table ' gone)" 17
equal "$(grep -v '^table ' gone)" 'function first_parent'
grep -qx 'table graveler_staging_kv' gone || die "the staged rows are still there"
diff before now | grep -q '^> ' && die "something was made"
equal "$(sha small)" "$kv" "the store"
echo "defect 15: the staging table goes as well, and nothing else"

# Afterwards, what older releases left behind; then, if at all, the version.
drop 2 small --leftovers
says 'catalog_entries_v'
says "-f $F --leftovers --arg settings=settings dbname=small"
drop 0 small --leftovers --confirm "$run"
equal "$(things small)" "$(printf 'extension pgcrypto\ntable schema_migrations')"
drop 0 small --version-table --confirm "$run"
equal "$(things small)" 'extension pgcrypto'
drop 0 small --leftovers --version-table
says 'nothing to do'
equal "$(sha small)" "$kv" "the store"
expect 0 status --exit-code dbname=small

# All at once.
lake whole
drop 0 whole --leftovers --version-table --confirm "$run"
equal "$(things whole)" 'extension pgcrypto'

# A view of somebody's is in the way: nothing is dropped, the version stays, and the ledger
# says what to do; the status is another one than that of a failed migration.
lake stuck
things stuck >before
pg_sql stuck 'CREATE VIEW mine AS SELECT count(*) FROM graveler_tags' 'CREATE VIEW old AS SELECT * FROM catalog_branches'
drop 4 stuck --leftovers --confirm "$run"
says 'mine'
says 'The new version stays.'
says 'graveler_staging_kv'
pg_sql stuck 'DROP VIEW mine'
drop 4 stuck --leftovers --confirm "$run"
says 'old'
equal "$(things stuck | grep -vx 'view old')" "$(cat before)" "after a drop that failed"
expect 9 status --exit-code dbname=stuck
equal "$("$K" get --raw dbname=stuck kv-internal-metadata kv/schema/version)" 1
expect 0 history --json dbname=stuck
equal "$(jq -r '.result.runs[] | select(.event == "manual-work") | .document.remaining' out | tail -1 | tr ',' '\n' | wc -l)" 34
command=$(jq -r '.result.runs[] | select(.event == "manual-work") | .document.command' out | tail -1)
pg_sql stuck 'DROP VIEW old'
(set -- $command; shift; "$K" "$@" >out 2>err) || die "$command"
equal "$(things stuck)" "$(printf 'extension pgcrypto\ntable schema_migrations')"
expect 0 status --exit-code dbname=stuck
echo "defect 23: a failed drop leaves a committed run, and says so"
