# Sourced by tests: a PostgreSQL server of one's own, thrown away afterwards.
#
#   . "$TOP/tests/support/pgtmp.sh"
#   pg_start ['setting = value' ...]   make it (in $TMPDIR/pg) and start it, or exit 77 with a reason
#   pg_sql DATABASE STATEMENT...       what psql answers, bare
#   pg_stop [MODE]                     end it: fast, smart or immediate; pg_again starts it again
#   pg_end                             end and remove it; also when the script exits
#
# It listens on a socket only, asks for no password, and ends by its own pg_ctl.
# PGHOST, PGPORT, PGUSER and PGDATABASE name it, so that "dbname=x" is a place.
# A server does not run as root: then it runs as another user, by setpriv.

pg_skip() {
    echo "$*"
    exit 77
}

pg_find() {
    for PG_BIN in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -nr) \
                  "$(pg_config --bindir 2>/dev/null)"; do
        [ -x "$PG_BIN/initdb" ] && [ -x "$PG_BIN/pg_ctl" ] && return
    done
    pg_skip "no server of PostgreSQL is installed (Debian: postgresql)"
}

# pg_as COMMAND...: as the user of the server
pg_as() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid="$PG_USER" --regid="$(id -g "$PG_USER")" --clear-groups -- \
            env -i PATH="$PATH" LC_ALL="${PG_LOCALE:-C.UTF-8}" "$@"
    else
        env LC_ALL="${PG_LOCALE:-C.UTF-8}" "$@"
    fi
}

pg_start() {
    pg_find
    PG_USER=postgres
    id "$PG_USER" >/dev/null 2>&1 || PG_USER=nobody
    PG_DIR=${TMPDIR:?}/pg
    mkdir "$PG_DIR" "$PG_DIR/socket" || pg_skip "cannot make $PG_DIR"
    [ "${#PG_DIR}" -lt 80 ] || pg_skip "TMPDIR is too long for the name of a socket"
    if [ "$(id -u)" -eq 0 ]; then
        command -v setpriv >/dev/null 2>&1 || pg_skip "setpriv is not installed (Debian: util-linux)"
        chmod a+x "$TMPDIR"
        chown -R "$PG_USER" "$PG_DIR"
        pg_as test -w "$PG_DIR" || pg_skip "$PG_USER may not enter $TMPDIR"
    fi
    pg_as "$PG_BIN/initdb" -D "$PG_DIR/data" -U postgres -A trust -E "${PG_ENCODING:-UTF8}" \
        --no-sync >"$PG_DIR.log" 2>&1 || { cat "$PG_DIR.log" >&2; echo "initdb failed" >&2; exit 1; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$PG_DIR/socket'"
        echo "fsync = off"
        for setting in "$@"; do echo "$setting"; done
    } >>"$PG_DIR/data/postgresql.conf"
    PGHOST=$PG_DIR/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    export PGHOST PGPORT PGUSER PGDATABASE
    unset PGSERVICE PGPASSWORD PGOPTIONS PGSSLMODE PGCLIENTENCODING PGTZ PGDATESTYLE
    trap pg_end EXIT
    pg_again
}

pg_again() {
    # The server must not keep the caller's output open.
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/server.log" -w -t 60 start \
        >"$PG_DIR.log" 2>&1 </dev/null ||
        { cat "$PG_DIR.log" "$PG_DIR/server.log" >&2; echo "the server does not start" >&2; exit 1; }
}

pg_sql() {
    pg_db=$1; shift
    for pg_statement in "$@"; do
        "$PG_BIN/psql" -XqAt -v ON_ERROR_STOP=1 -d "$pg_db" -c "$pg_statement" ||
            { echo "psql $pg_db: $pg_statement" >&2; return 1; }
    done
}

pg_stop() {
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -w -t 60 -m "${1:-fast}" stop >/dev/null 2>&1
}

pg_end() {
    pg_status=$?
    trap - EXIT
    pg_stop immediate
    rm -rf "$PG_DIR" "$PG_DIR.log"
    exit "$pg_status"
}
