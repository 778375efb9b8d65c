# A standby as the source: it shares its snapshot too, and says what to do when replay ends a query.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start 'wal_level = replica' 'max_wal_senders = 4'
pg_sql postgres 'CREATE TABLE t(id int PRIMARY KEY, v text)' \
    "INSERT INTO t SELECT i, repeat('v', 200) FROM generate_series(1, 60000) i" \
    'CREATE TABLE wide(id int PRIMARY KEY, v text)' \
    "INSERT INTO wide SELECT i, repeat('w', 1000) FROM generate_series(1, 400000) i"
S=$PG_DIR/standby
end_standby() { pg_as "$PG_BIN/pg_ctl" -D "$S" -w -m immediate stop >/dev/null 2>&1; }
pg_as "$PG_BIN/pg_basebackup" -h "$PGHOST" -U postgres -D "$S" -R -c fast >base.log 2>&1 || { cat base.log >&2; die pg_basebackup; }
{
    echo "unix_socket_directories = '$PG_DIR/standby_socket'"
    echo 'max_standby_streaming_delay = 0'
    echo 'wal_receiver_status_interval = 1'
} >>"$S/postgresql.conf"
pg_as mkdir "$PG_DIR/standby_socket"
pg_as "$PG_BIN/pg_ctl" -D "$S" -l "$PG_DIR/standby.log" -w -t 60 start >/dev/null 2>&1 </dev/null ||
    { cat "$PG_DIR/standby.log" >&2; die "the standby does not start"; }
trap 'pg_status=$?; end_standby; (exit $pg_status); pg_end' EXIT
P="host=$PG_DIR/standby_socket dbname=postgres"

expect 0 export -j 1 -t t dbname=postgres one.kvf
root=$(sed -n 's/^root *//p' out)
expect 0 export -j 3 -t t "$P" two.kvf
equal "$(sed -n 's/^root *//p' out)" "$root" "the standby's stream"
grep -q 'connection' err && die "the standby does not share its snapshot"

# Rows that the snapshot needs are vacuumed away on the primary: replay does not wait.
end=$(($(date +%s) + 60)) said=
while [ "$(date +%s)" -lt "$end" ] && [ -z "$said" ]; do
    (sleep 0.3; pg_sql postgres 'UPDATE wide SET v = v WHERE id % 50 = 0' 'VACUUM wide') >/dev/null 2>&1 & vacuum=$!
    rm -f no.kvf
    "$K" export -j 2 -t wide "$P" no.kvf >out 2>err; got=$?
    wait "$vacuum"
    if [ "$got" -ne 0 ]; then
        equal "$got" 4 "the status of a cancelled query"
        says max_standby_streaming_delay
        says hot_standby_feedback
        [ ! -e no.kvf ] || die "a stream of a cancelled query"
        said=1
    fi
done
[ -n "$said" ] || die "no query was ever cancelled"
