# Behind a pooler of transactions (pgbouncer): sources and stores work, and nothing that kvferry sets
# stays in a session that others get next.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
BOUNCER=$(PATH=$PATH:/usr/sbin command -v pgbouncer) || pg_skip "pgbouncer is not installed (Debian: pgbouncer)"
pg_start 'max_connections = 60'
pg_sql postgres 'CREATE DATABASE shop' 'CREATE DATABASE store' || exit 1
pg_sql shop 'CREATE TABLE big(id int PRIMARY KEY, v text)' \
    "INSERT INTO big SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 100000) i" \
    'CREATE TABLE small(a int PRIMARY KEY)' 'INSERT INTO small VALUES (1), (2)' || exit 1
expect 0 export dbname=shop straight.kvf
root=$(sed -n 's/^root *//p' out)

SERVER=$PGHOST
bouncer() { # CONNECTIONS PER DATABASE
    mkdir -p "$PG_DIR/pool"
    cat >"$PG_DIR/pool/ini" <<END
[databases]
* = host=$SERVER port=5432
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $PG_DIR/pool
auth_type = any
pool_mode = transaction
default_pool_size = $1
max_client_conn = 50
logfile = $PG_DIR/pool/log
pidfile = $PG_DIR/pool/pid
END
    sed -i 's/^\* =/* = user=postgres/' "$PG_DIR/pool/ini"
    [ "$(id -u)" -ne 0 ] || chown -R "$PG_USER" "$PG_DIR/pool"
    pg_as "$BOUNCER" -q -d "$PG_DIR/pool/ini" >/dev/null 2>&1 </dev/null
    for i in $(seq 100); do
        [ -S "$PG_DIR/pool/.s.PGSQL.6432" ] && return
        sleep 0.05
    done
    cat "$PG_DIR/pool/log" >&2
    die "pgbouncer does not start"
}
end_bouncer() {
    kill "$(cat "$PG_DIR/pool/pid")"
    for i in $(seq 100); do
        [ -S "$PG_DIR/pool/.s.PGSQL.6432" ] || return
        sleep 0.05
    done
    die "pgbouncer does not end"
}
trap 'pg_status=$?; kill "$(cat "$PG_DIR/pool/pid" 2>/dev/null)" 2>/dev/null; (exit $pg_status); pg_end' EXIT
P="host=$PG_DIR/pool port=6432"

# What the next client of the pool gets: the server's own settings.
clean() {
    for d in shop store; do
        for i in 1 2 3 4; do
            equal "$("$PG_BIN/psql" -XqAt -h "$PG_DIR/pool" -p 6432 -d $d -c "SELECT string_agg(name || '=' || setting, ' ')
                FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding',
                'DateStyle', 'TimeZone', 'standard_conforming_strings', 'IntervalStyle')")" "" "$1: left in a session of $d"
        done
    done
}

# --- a pool of several: all connections share the snapshot
bouncer 8
expect 0 export -j 3 "$P dbname=shop" pooled.kvf
equal "$(sed -n 's/^root *//p' out)" "$root" "the stream"
grep -q 'connection' err && die "a connection was refused"
clean "an export"
expect 0 import pooled.kvf "$P dbname=store"
clean "an import"
expect 0 verify pooled.kvf "$P dbname=store"
expect 0 get "$P dbname=store" small 2
expect 0 backup "$P dbname=store" back.kvf
expect 0 diff pooled.kvf back.kvf
expect 0 status "$P dbname=store"
expect 0 history "$P dbname=store"
clean "looking"
pg_sql shop 'INSERT INTO small VALUES (3)' || exit 1
expect 0 migrate "$P dbname=shop" "$P dbname=store" --replace
says published
expect 0 verify "tables:$P dbname=shop" "$P dbname=store"
clean "a migration"
end_bouncer

# --- a pool of one: one connection, and it says so
bouncer 1
expect 0 export -j 3 --overwrite "$P dbname=shop" pooled.kvf
says '1 connection only'
expect 0 verify "tables:dbname=shop" pooled.kvf
clean "an export on one connection"
end_bouncer
exit 0
