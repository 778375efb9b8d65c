# lakeFS's defects of writing, shown absent here: 2, 5, 7, 8, 9, 10, 20 and 27 of the table in
# formats/lakefs/README.md.
. "$TOP/tests/integration/lakefs/lake.sh"
lake_start
lake lake --edges
export_lake dbname=lake whole.kvf
store() { pg_sql postgres "CREATE DATABASE $1"; }
unpublished() { # DATABASE WHAT: no version record says that it is done
    case $(version_in "$1") in ''|0) ;; *) die "$2: the version moved";; esac
}

# ---- 2: an error on one row or one write loses nothing quietly ----------------------------------
lake staged --staged 10000
pg_sql staged "INSERT INTO graveler_staging_kv SELECT staging_token, 'the bad one', '', 'x' FROM graveler_staging_kv LIMIT 1"
expect 64 migrate -q -f "$F" -a as_of=$AS_OF --sides . dbname=staged sqlite:none.db
expect 64 migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --max-rejects 1 --rejects rejects.ndjson dbname=staged sqlite:staged.db
equal "$(wc -l <rejects.ndjson)" 1
grep -q "$(printf 'the bad one' | od -An -tx1 | tr -d ' \n')" rejects.ndjson || grep -q 'the bad one' rejects.ndjson || die "which one?"
digest=$(sha256sum rejects.ndjson | cut -d' ' -f1)
expect 0 migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --max-rejects 1 --rejects rejects.ndjson --accept-rejects "$digest" dbname=staged sqlite:staged.db
equal "$("$K" cat --keys sqlite:staged.db | grep -c '"partition":"repo-[0-9]*-[^"]*:')" 10000
# A write that fails at the k-th of n loads: the run fails, and the same command completes all.
export_lake --chunk 4K dbname=lake chunks.kvf
n=$("$K" info --json chunks.kvf | jq '[.result.packages[].chunks | tonumber] | add')
[ "$n" -gt 8 ] || die "only $n chunks"
for k in 1 2 3; do
    store resumed$k
    "$PROXY" "fail 53100 $k COPY kvferry_g" -- "$K" import -q -j 1 --partitions 4 chunks.kvf dbname=resumed$k >out 2>err </dev/null; got=$?
    [ "$(sed 's/.*fired //' counts)" = 1 ] || { [ $k -gt 1 ] && break; die "no load failed"; }
    equal $got 5 "a write fault at load $k"
    unpublished resumed$k "a write fault at load $k"
    expect 0 import -q --partitions 4 chunks.kvf dbname=resumed$k
    expect 0 verify -q chunks.kvf dbname=resumed$k
done
echo "defect 2: one row is named and 10,000 arrive; a write that fails ends the run, which then completes"

# ---- 5: a record that is gone before the last step ------------------------------------------------
store checked
mkfifo pipe
"$K" import -q --partitions 4 - dbname=checked <pipe >out 2>err &
pid=$!
exec 3>pipe
head -c $(($(stat -c %s chunks.kvf) - 300)) chunks.kvf >&3
gone=
for i in $(seq 200); do
    t=$(pg_sql checked "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'kvferry_g%' AND relkind = 'p'" | head -1)
    [ -n "$t" ] && gone=$(pg_sql checked "DELETE FROM $t WHERE ctid = (SELECT ctid FROM $t LIMIT 1) AND tableoid = (SELECT tableoid FROM $t LIMIT 1) RETURNING 1" 2>/dev/null | head -1)
    [ "$gone" = 1 ] && break
    sleep 0.1
done
[ "$gone" = 1 ] || die "nothing was deleted"
tail -c 300 chunks.kvf >&3
exec 3>&-
wait $pid; got=$?
[ $got -eq 11 ] || die "a record is missing: exit $got"
unpublished checked "a record is missing"
echo "defect 5: a record that was deleted before the last step is missed, and no version moves"

# ---- 7: two databases: only the second one is written -----------------------------------------------
writes() { pg_sql postgres "SELECT tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = 'lake'"; }
pg_sql lake 'CREATE ROLE reader LOGIN' 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader'
before=$(legacy_sum lake)
sleep 1; written=$(writes) # the counts come a little later than what they count
store elsewhere
expect 0 migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --partitions 4 'dbname=lake user=reader' dbname=elsewhere
sleep 1
equal "$(writes)" "$written" "rows written in the source's database"
equal "$(legacy_sum lake)" "$before"
equal "$(pg_sql lake "SELECT count(*) FROM pg_class WHERE relname = 'kv' OR relname LIKE 'kvferry%'")" 0
expect 0 verify -q whole.kvf dbname=elsewhere
echo "defect 7: the source was read by a role that cannot write, and is what it was"

# ---- 8: two at once ------------------------------------------------------------------------------
store pair
"$PROXY" 'hold server 2 d FROM graveler_commits c JOIN' -- "$K" migrate -q -f "$F" -a as_of=$AS_OF -j 1 --sides . --overwrite --allow-live-source \
    dbname=lake dbname=pair >first.out 2>first.err </dev/null &
proxy=$!
wait_for lake "query LIKE '%graveler_commits c JOIN%'"
for i in $(seq 100); do
    "$K" status --json dbname=pair 2>x.err | jq -r '.result.stands // empty' >stands; grep -q STAGING stands && break; sleep 0.1
done
holder=$("$K" status --json dbname=pair | jq -r '.result.control.run // empty')
expect 8 migrate -q -f "$F" -a as_of=$AS_OF --sides . --overwrite --allow-live-source dbname=lake dbname=pair
[ -n "$holder" ] && says "$holder"
unpublished pair "while the first one runs"
kill -USR1 $proxy
wait $proxy; got=$?
equal $got 0 "the first one: $(cat first.err)"
equal "$(version_in pair)" 1
expect 0 verify -q whole.kvf dbname=pair
echo "defect 8: the second one is refused (8), and told who is at work"

# ---- 9: a full disk, refused writes: an end in bounded time, with a reason ----------------------------
store filled
for rule in 'fail 53100 1 COPY kvferry_g' 'fail 53100 1 COPY kvferry.progress' 'fail 25006 1 COPY kvferry_g' 'fail 42501 1 COPY kvferry_g'; do
    begin=$(date +%s)
    timeout 120 "$PROXY" "$rule" -- "$K" import -q chunks.kvf dbname=filled >out 2>err </dev/null; got=$?
    equal $got 5 "$rule"
    grep -q '^next: ' err || die "$rule: nobody says what to do"
    [ $(($(date +%s) - begin)) -lt 100 ] || die "$rule took long"
    unpublished filled "$rule"
done
pg_sql postgres 'CREATE ROLE nobody LOGIN'
expect 13 import -q chunks.kvf 'dbname=filled user=nobody'
expect 0 import -q chunks.kvf dbname=filled
expect 0 verify -q whole.kvf dbname=filled
echo "defect 9: a full disk and refused writes end the run, with a reason; the next one completes"

# ---- 10: few connections ---------------------------------------------------------------------------
# One to the source and one to the store are enough, with -j 8 too; in one database with one role, two.
for j in 1 8; do
    pg_sql postgres "DROP ROLE IF EXISTS one$j" "CREATE ROLE one$j LOGIN CONNECTION LIMIT 1"
    pg_sql lake "GRANT SELECT ON ALL TABLES IN SCHEMA public TO one$j"
    timeout 120 "$K" export -q --overwrite -f "$F" -a as_of=$AS_OF -j $j "dbname=lake user=one$j" few.kvf >out 2>err || die "one connection to the source, -j $j"
    equal "$(root_of few.kvf)" "$(root_of whole.kvf)"
done
pg_sql postgres 'CREATE ROLE source LOGIN CONNECTION LIMIT 1' 'CREATE ROLE target LOGIN CONNECTION LIMIT 1' \
    'CREATE DATABASE owned TEMPLATE lake OWNER source' 'CREATE DATABASE few OWNER target'
pg_sql owned 'ALTER SCHEMA public OWNER TO source' "DO \$\$ DECLARE t text; BEGIN FOR t IN SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP EXECUTE 'ALTER TABLE ' || t || ' OWNER TO source'; END LOOP; END \$\$"
pg_sql few 'ALTER SCHEMA public OWNER TO target'
few() { # OPTION...: PLACE is the store
    timeout 120 "$K" migrate -f "$F" -a as_of=$AS_OF -j 8 --sides . --overwrite "$@" 'dbname=owned user=source' "$PLACE" >out 2>err </dev/null
}
PLACE='dbname=few user=target'
few --freeze --partitions 4 || die "one connection to the source and one to the store: exit $?"
grep -q 'loading over the one connection, another is refused' err || die "nobody says what is slow"
expect 0 verify -q whole.kvf dbname=few
# What is written meanwhile is noticed by the one connection, too; and it leads back.
expect 0 rollback -q --confirm "$("$K" rollback -n --json "$PLACE" | jq -r .result.confirm)" "$PLACE"
expect 0 abort -q "$PLACE"
"$PROXY" 'hold client 2 d COPY kvferry_g' -- "$K" migrate -q -f "$F" -a as_of=$AS_OF -j 8 --sides . --overwrite --allow-live-source \
    'dbname=owned user=source' 'dbname=few user=target' >out 2>err </dev/null &
proxy=$!
wait_for few "query LIKE '%COPY kvferry_g%'"
pg_sql owned "UPDATE graveler_tags SET commit_id = 'another' WHERE id = 'v/1'"
kill -USR1 $proxy
wait $proxy; equal $? 13 "a row was changed"
says 'the source was changed while it was migrated'
unpublished few "a row was changed"
PLACE='dbname=owned user=source'
few; equal $? 5 "one connection for both"
says 'too many connections'
unpublished owned "one connection for both"
pg_sql postgres 'ALTER ROLE source CONNECTION LIMIT 2'
few --freeze --partitions 4 || die "two connections for both: exit $?"
equal "$(version_in owned)" 1
echo "defect 10: one connection to the source and one to the store are enough; none for the store ends it with a reason"

# ---- 20: each field of the stream's head, changed in turn ----------------------------------------------
mkdir heads
/usr/bin/python3 "$TOP/tests/integration/lakefs/head.py" whole.kvf heads >fields || die "head.py"
for field in app arg.as_of chunk feat from lim.key lim.part lim.raw lim.val pkgs schema v vrec.partition vrec.key vrec.started vrec.done; do
    grep -qx "$field" fields || die "the head has no $field"
done
while read -r field; do
    for file in heads/$field.kvf heads/$field.raw.kvf; do
        "$K" import -q -f "$F" $file sqlite:heads.db >out 2>err </dev/null; got=$?
        case $field.$got in
        app.6) says "of application 'lakefsx', not 'lakefs'";;
        feat.7) says 'feature "zzz"';;
        from.7) says 'the stream leads from schema 39 to 1, the definitions from 38 to 1';;
        schema.7) says 'the stream leads from schema 38 to 2, the definitions from 38 to 1';;
        pkgs.6) says 'not the one that the head names here (pkgs)';;
        chunk.6) says '(lim.raw) is too small for chunk';;
        lim.*.6) says "($field)";;
        kind.6) says 'unknown by its "$"';;
        arg.*.6) says "the stream's $field is 'x";;
        v.6) says 'the head was changed (its v is not 0)';;
        vrec.*.6) says "another version record than the definitions: $field was '"; says ", is 'x";;
        *) die "$file: exit $got";;
        esac
        [ ! -e heads.db ] || [ "$(sqlite3 heads.db 'SELECT count(*) > 1 FROM kv' 2>/dev/null)" != 1 ] || die "$file was published"
        rm -f heads.db
    done
done <fields
# A run that stopped, and is given again with other arguments: the field, then and now.
store stopped
head -c $(($(stat -c %s chunks.kvf) / 2)) chunks.kvf >cut.kvf
expect 6 import -q --partitions 4 cut.kvf dbname=stopped
expect 0 export -q --overwrite -f "$F" -a as_of=2023-01-01T00:00:00Z --chunk 8K dbname=lake other.kvf
expect 9 import -q other.kvf dbname=stopped
says "In the head arg.as_of was '2022-08-01T00:00:00Z', is '2023-01-01T00:00:00Z'; chunk was 4096, is 8192"
unpublished stopped "another stream"
echo "defect 20: $(wc -l <fields) fields of the head were changed; each was refused, and named"

# ---- 27: modes against present and missing keys; binary keys ------------------------------------------------
expect 0 import -q whole.kvf sqlite:modes.db
sqlite3 modes.db "DELETE FROM kv WHERE CAST(key AS TEXT) LIKE 'users/%';
    INSERT INTO kv VALUES(CAST('auth' AS BLOB), CAST('users/only here' AS BLOB), x'01')"
expect 13 import -q chunks.kvf sqlite:modes.db
says --replace
# Missing keys are put in, what only the store has stays; a present key with another value is named,
# and nothing is published.
cp modes.db merged.db
expect 0 import -q --merge chunks.kvf sqlite:merged.db
equal "$(sql merged.db "SELECT hex(value) FROM kv WHERE CAST(key AS TEXT) = 'users/only here'")" 01 "a key that only the store has"
sqlite3 merged.db "DELETE FROM kv WHERE CAST(key AS TEXT) = 'users/only here'"
expect 0 verify -q --entries whole.kvf sqlite:merged.db
sqlite3 modes.db "UPDATE kv SET value = x'00' WHERE CAST(key AS TEXT) = 'groups/empty'"
before=$(contents modes.db)
expect 5 import -q --merge chunks.kvf sqlite:modes.db
says 'groups/empty'
equal "$(contents modes.db)" "$before" "a merge that was refused"
cp modes.db replaced.db
expect 0 import -q --replace chunks.kvf sqlite:replaced.db
expect 0 verify -q --entries whole.kvf sqlite:replaced.db
equal "$(sql replaced.db "SELECT hex(key) FROM kv WHERE hex(key) = '00FF'")" 00FF "a key that is no text"
expect 0 backup -q sqlite:replaced.db back.kvf
store round
expect 0 import -q back.kvf dbname=round
equal "$(pg_sql round "SELECT encode(key, 'hex') FROM kv WHERE key = '\\x00ff'")" 00ff
expect 0 verify -q --entries whole.kvf dbname=round
for package in actions auth multiparts graveler; do
    equal "$("$K" info --json back.kvf | jq "[.result.packages[] | select(.name == \"$package\") | .entries | tonumber] | add")" \
        "$("$K" info --json whole.kvf | jq "[.result.packages[] | select(.name == \"$package\") | .entries | tonumber] | add")"
done
echo "defect 27: merge keeps and adds, replace replaces, a key that differs is named; binary keys came back"
