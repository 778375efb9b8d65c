# lakeFS's defects of reading, shown absent here: 1, 3, 4, 11, 16, 17 and 26 of the table in
# formats/lakefs/README.md.
. "$TOP/tests/integration/lakefs/lake.sh"
# On an address of this process alone, so that sessions have one.
address=127.$(($$ / 65536 % 250 + 1)).$(($$ / 256 % 256)).$(($$ % 256))
lake_start "listen_addresses = '$address'"
lake lake --edges
export_lake dbname=lake whole.kvf
root=$(root_of whole.kvf)

# ---- 1: the connection to the source is cut in the middle of each table ---------------------
cut() { # TEXT: of the statement that reads a table
    pg_sql postgres 'DROP DATABASE IF EXISTS target' 'CREATE DATABASE target' 2>/dev/null
    "$PROXY" "cut-within server 2 d $1" -- "$K" migrate -f "$F" -a as_of=$AS_OF -j 1 --sides . --overwrite --partitions 4 dbname=lake \
        "host=$PGHOST dbname=target" >out 2>err </dev/null; got=$?
    equal "$(sed 's/.*fired //' counts)" 1 "nothing was cut in '$1'"
    [ "$got" -eq 4 ] || die "cut in '$1': exit $got"
    case $(version_in target) in ''|0) ;; *) die "cut in '$1': the version moved";; esac
    [ "$(pg_sql target "SELECT to_regclass('kv') IS NULL")" = t ] || equal "$(pg_sql target 'SELECT count(*) FROM kv')" 1 "cut in '$1'"
    n=$((n + 1))
}
n=0
for table in auth_users auth_groups auth_policies auth_expired_tokens auth_installation_metadata gateway_multiparts; do
    cut "FROM ONLY \"public\".\"$table\""
done
cut 'FROM auth_user_groups JOIN'
cut 'FROM auth_user_policies JOIN'
cut 'FROM auth_group_policies JOIN'
cut 'FROM auth_credentials JOIN'
cut 'SELECT repository_id, id, branch_id, commit_id, source_ref'
cut 'FROM actions_run_hooks h JOIN'
cut 'SELECT id, storage_namespace, default_branch, creation_date, instance FROM repository'
cut 'FROM graveler_commits c JOIN'
cut 'FROM branch b JOIN'
cut 'FROM graveler_tags t JOIN'
cut 'SELECT staging_token, key, identity, data FROM graveler_staging_kv'
equal $n 17
# The last store goes on with the next run, and holds everything.
expect 0 migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --partitions 4 dbname=lake dbname=target
equal "$(version_in target)" 1
expect 0 verify -q whole.kvf dbname=target
echo "defect 1: $n tables were cut in the middle; each run failed, and no version moved"

# ---- 3: rows come and go while the export reads -----------------------------------------------
"$PROXY" 'hold server 2 d FROM graveler_commits c JOIN' -- "$K" export -q -f "$F" -a as_of=$AS_OF -j 1 dbname=lake moving.kvf >out 2>err </dev/null &
proxy=$!
wait_for lake "query LIKE '%graveler_commits c JOIN%'"
pg_sql lake "INSERT INTO actions_runs SELECT repository_id, '2022010100000' || n || 'AAAAAAAA', 'x', now(), now(), 'b', '', 'c', true
        FROM (SELECT repository_id FROM actions_runs LIMIT 1) r, generate_series(1, 5) n" \
    "DELETE FROM auth_users WHERE display_name = '用户'" "DELETE FROM graveler_tags" "DELETE FROM graveler_commits WHERE id <> 'c1'" \
    "INSERT INTO graveler_staging_kv SELECT staging_token, 'late', 'x', 'y' FROM graveler_branches WHERE staging_token <> '' GROUP BY 1" \
    "UPDATE graveler_branches SET commit_id = 'other'"
kill -USR1 $proxy
wait $proxy || die "the export beside writers: exit $?"
equal "$(root_of moving.kvf)" "$root" "the stream is not the state at its start"
export_lake dbname=lake after.kvf
[ "$(root_of after.kvf)" != "$root" ] || die "nothing was written"
echo "defect 3: rows that came and went during the export are not in it, or are"

# ---- 4: a live server is noticed, and named ---------------------------------------------------
lake live
mkfifo feed
PGHOST=$address PGAPPNAME='lakefs server' psql -Xq -d live <feed >held.txt 2>&1 &
exec 3>feed
echo 'SELECT 1;' >&3
for i in $(seq 100); do [ -s held.txt ] && break; sleep 0.1; done
expect 13 migrate -f "$F" -a as_of=$AS_OF dbname=live sqlite:live.db
says 'the source is live: 1 other may write to it'
says "lakefs server of user postgres from 127.0.0.1 (1)"
[ -e live.db ] && die "something was made"
expect 0 plan -f "$F" -a as_of=$AS_OF dbname=live sqlite:live.db
says "lakefs server of user postgres from 127.0.0.1 (1)"
# Let through, it writes during the run, which then fails and says where.
"$PROXY" 'hold server 2 d FROM graveler_commits c JOIN' -- "$K" migrate -q -f "$F" -a as_of=$AS_OF -j 1 --allow-live-source \
    --sides . --overwrite dbname=live sqlite:live.db >out 2>err </dev/null &
proxy=$!
wait_for live "query LIKE '%graveler_commits c JOIN%'"
echo "INSERT INTO graveler_tags SELECT repository_id, 'late', 'x' FROM graveler_tags LIMIT 1; SELECT 2;" >&3
for i in $(seq 100); do grep -q 2 held.txt && break; sleep 0.1; done
kill -USR1 $proxy
wait $proxy; equal $? 13 "a run beside a writer"
says 'the source was changed while it was migrated'
says 'tag: 6 rows when it was read, 7 now'
equal "$(sqlite3 live.db "SELECT value FROM kv")" 0
exec 3>&-
wait
echo "defect 4: a connected server is refused and named; what it writes is noticed"

# ---- 11: the number of queries does not grow with the runs --------------------------------------
lake few --runs 100
lake many --runs 10000
for db in few many; do
    "$PROXY" -- "$K" export -q -f "$F" -a as_of=$AS_OF -j 1 -p actions dbname=$db $db.kvf || die "export $db"
    sed 's/.*statements \([0-9]*\) .*/\1/' counts >$db.n
done
[ "$(pg_sql many 'SELECT count(*) FROM actions_runs')" -eq 10000 ] || die "not 10,000 runs"
# A table that is larger is read in more parts, at most one for each connection there may be.
[ "$(cat many.n)" -le $(($(cat few.n) + 8)) ] || die "$(cat few.n) statements for 100 runs, $(cat many.n) for 10,000"
echo "defect 11: $(cat few.n) statements for 100 runs, $(cat many.n) for 10,000"

# ---- 16: equal digests: two installations, other orders of rows, -j 1 and 8 -----------------------
pg_sql postgres 'CREATE DATABASE twin'
pg_dump -d many --section=pre-data | grep -v restrict | psql -Xq -v ON_ERROR_STOP=1 -d twin >load.log 2>&1 || die "twin"
for t in $(pg_sql many "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname DESC"); do
    # Backwards by their text, so that no table has its order.
    psql -Xq -d many -c "COPY (SELECT * FROM $t x ORDER BY md5(x::text)) TO STDOUT (FORMAT binary)" |
        psql -Xq -v ON_ERROR_STOP=1 -d twin -c 'SET session_replication_role = replica' -c "COPY $t FROM STDIN (FORMAT binary)" || die "$t"
done
export_lake -j 1 dbname=many j1.kvf
export_lake -j 8 dbname=twin j8.kvf
equal "$(root_of j1.kvf)" "$(root_of j8.kvf)"
cmp j1.kvf.run-map.ndjson j8.kvf.run-map.ndjson || die "other run maps"
echo "defect 16: equal digests, whatever the order and the threads"

# ---- 26: no object store is needed, and none is asked for ------------------------------------------
mkdir -p settings/repo-0001
printf '\012\013\012\004main\022\003\012\001\001' >settings/repo-0001/protected_branches.json
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    strace -f -o trace -e trace=connect "$K" export -q -f "$F" -a as_of=$AS_OF -a settings=settings dbname=few net.kvf || die "export under strace"
    grep -q AF_UNIX trace || die "nothing was traced"
    grep -E 'AF_INET6?' trace && die "it asks the network"
else
    export_lake -a settings=settings dbname=few net.kvf
fi
"$K" cat net.kvf | grep -q '"key":"settings/protected_branches"' || die "no protection rules"
# A folder that may not be read ends the run, and says so; no repository's rules are lost quietly.
echo "defect 26: the rules come from a folder; no object store was asked"

# ---- 17: a tiny TMPDIR, and what a failure leaves ---------------------------------------------------
equal "$(ls -A | grep -E 'kvferry|\.tmp|partial')" "" "files left over by the runs above"
mkdir small work
mount -t tmpfs -o size=64k none small 2>/dev/null || { echo "defect 17: no small tmpfs can be mounted here"; exit 77; }
trap 'umount small; pg_end' EXIT
(cd work && TMPDIR=$PWD/../small "$K" migrate -q -f "$F" -a as_of=$AS_OF --memory 16M --sides . --partitions 4 --overwrite dbname=many dbname=twin >../out 2>../err) ||
    die "a tiny TMPDIR"
equal "$(ls -A small)" "" "left over in TMPDIR"
equal "$(ls -A work)" run-map.ndjson
rm -rf work; mkdir work
(cd work && TMPDIR=$PWD/../small "$PROXY" "cut-within server 2 d FROM graveler_tags t JOIN" -- "$K" export -q -f "$F" -a as_of=$AS_OF dbname=many x.kvf >../out 2>../err)
equal $? 4 "a cut export"
equal "$(ls -A small)" "" "left over in TMPDIR after a failure"
for f in $(ls -A work); do grep -qF "$f" err || die "$f is left, and nobody says so"; done
umount small; trap pg_end EXIT
echo "defect 17: a tiny TMPDIR is enough, and nothing is left that was not named"
