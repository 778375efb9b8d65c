# Imports into PostgreSQL by the program itself, and what may go wrong on the way.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start "max_connections = 60"
pg_sql postgres "CREATE DATABASE shop" || exit 1

pg_is() { # QUERY ANSWER
    equal "$(pg_sql shop "$1")" "$2" "$1"
}

sqlite3 big.db "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO t SELECT i, hex(randomblob(250)) FROM n"
sqlite3 old.db "CREATE TABLE o (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO o VALUES (1, 'old')"
expect 0 export sqlite:big.db big.kvf
expect 0 export sqlite:old.db old.kvf

# --- the ways of the program ------------------------------------------------------
expect 0 import old.kvf dbname=shop --partitions 2
pg_is "SELECT count(*) FROM kv_0 FULL JOIN kv_1 USING (key)" 1
expect 0 verify old.kvf dbname=shop
expect 0 import old.kvf dbname=shop
says "nothing to do"
expect 13 import big.kvf dbname=shop
expect 0 backup dbname=shop back.kvf
expect 0 diff old.kvf back.kvf
expect 0 get dbname=shop o 1
says old
expect 2 import old.kvf sqlite:x.db --partitions 2
[ ! -e x.db ] || die "a refused import made a file"

# --- source and store in one database --------------------------------------------------
pg_sql shop "CREATE TABLE o (id int PRIMARY KEY, v text)" \
    "INSERT INTO o VALUES (7, 'in place')" || exit 1
expect 0 migrate --table o dbname=shop dbname=shop --replace --allow-partial
pg_is "SELECT count(*) FROM o" 1
pg_is "SELECT count(*) FROM kv" 1
# What kvferry keeps there is no table of the application, by whatever name.
expect 0 export dbname=shop tables.kvf
grep -q 'schema' err && die "a warning about kvferry's own schemas"
equal "$("$K" cat tables.kvf | jq -r .partition | sort -u)" o
expect 0 export --schema '*' --overwrite dbname=shop tables.kvf
equal "$("$K" cat tables.kvf | jq -r .partition | sort -u)" public.o
pg_sql postgres "CREATE ROLE blind LOGIN" && pg_sql shop "GRANT SELECT ON o TO blind" || exit 1
expect 13 export "dbname=shop user=blind" blind.kvf
says 'its control row is not to be read'
says 'SELECT on table kv'
expect 0 export -t o "dbname=shop user=blind" blind.kvf
# From one database of a server to another: what the store writes is no change of the source.
pg_sql postgres "CREATE DATABASE beside" || exit 1
expect 0 migrate dbname=shop dbname=beside
says published
expect 0 verify tables:dbname=shop dbname=beside
expect 0 import old.kvf dbname=shop --replace
pg_sql shop "DROP TABLE o" || exit 1

# --- a run that is stopped half-way -------------------------------------------------
# Half of the stream is there, and some of it is in the stage.
begin_half() {
    mkfifo pipe
    "$K" import - dbname=shop --replace <pipe >half.out 2>half.err &
    half=$!
    exec 9>pipe
    head -c "$(($(wc -c <big.kvf) * 3 / 4))" big.kvf >&9
    for i in $(seq 200); do
        [ "$(pg_sql shop "SELECT count(*) > 5 FROM kvferry.progress")" = t ] && return
        sleep 0.1
    done
    die "nothing arrives in the stage"
}
end_half() { # STATUS: the rest of the stream, and how the run ends
    (trap '' PIPE; tail -c "+$(($(wc -c <big.kvf) * 3 / 4 + 1))" big.kvf >&9) 2>/dev/null
    exec 9>&-
    wait $half; got=$?
    rm pipe
    [ "$got" -eq "$1" ] || { cat half.out half.err >&2; die "exit $got, expected $1"; }
}
still_old() {
    pg_is "SELECT count(*) FROM kv" 1
    expect 0 verify old.kvf dbname=shop
}

begin_half
pg_sql shop "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kvferry'" >ended
end_half 5
grep -q 'PG\|server\|connection' half.err || die "nobody says why"
still_old

begin_half
pg_stop immediate
end_half 5
pg_again
still_old

begin_half
kill -9 $half
end_half 137
still_old

begin_half
kill -TERM $half
end_half 143
still_old

# --- two at once: the second is refused, the first goes on --------------------------
begin_half
expect 8 import big.kvf dbname=shop --replace
says "holds the store"
expect 0 status dbname=shop
end_half 0
expect 0 verify big.kvf dbname=shop
pg_is "SELECT count(*) FROM kv" 60000
pg_is "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^kvferry_g'" 1
expect 0 import old.kvf dbname=shop --replace

# --- what the server does not allow ----------------------------------------------------
pg_sql shop "CREATE ROLE poor LOGIN PASSWORD 'right'" || exit 1
sed -i '1i local all poor scram-sha-256' "$PG_DIR/data/pg_hba.conf"
pg_sql shop "SELECT pg_reload_conf()" >ended; sleep 1
export PGPASSWORD=canary
expect 5 import big.kvf "dbname=shop user=poor" --replace
says "password authentication failed"
says pgpass
! grep -q canary out err || die "a password is printed"
export PGPASSWORD=right
expect 13 import big.kvf "dbname=shop user=poor" --replace
says "ownership of table public.kv"
unset PGPASSWORD
pg_sql postgres "CREATE DATABASE empty" || exit 1
export PGPASSWORD=right
expect 13 import big.kvf "dbname=empty user=poor"
says "CREATE on database empty"
says "CREATE on schema public"
unset PGPASSWORD
equal "$(pg_sql empty "SELECT count(*) FROM pg_namespace WHERE nspname = 'kvferry'")" 0
pg_sql postgres "ALTER DATABASE empty SET default_transaction_read_only = on" || exit 1
expect 13 import big.kvf dbname=empty
says "read-only"
says "name one that takes writes"
expect 5 import big.kvf dbname=nothere
says "does not exist"
pg_sql postgres "ALTER DATABASE empty RESET default_transaction_read_only" \
    "ALTER DATABASE empty SET statement_timeout = '3ms'" || exit 1
expect 5 import big.kvf dbname=empty
says "statement timeout"
says "PGOPTIONS='-c statement_timeout=0' lifts it"
says "Nothing was changed"

# --- a disk that fills up, where a small one can be had ----------------------------------
mkdir "$PG_DIR/small"
if mount -t tmpfs -o size=12m none "$PG_DIR/small" 2>/dev/null; then
    chown "$PG_USER" "$PG_DIR/small"
    pg_sql postgres "CREATE TABLESPACE small LOCATION '$PG_DIR/small'" \
        "ALTER DATABASE shop SET default_tablespace = small" || exit 1
    expect 5 import big.kvf dbname=shop --replace
    says "No space left"
    says "Free space"
    still_old
    mount -o remount,size=300m "$PG_DIR/small"
    expect 0 import big.kvf dbname=shop --replace
    pg_stop immediate
    umount "$PG_DIR/small"
else
    echo "REPORT no small file system could be mounted: a full disk was not tried"
fi
exit 0
