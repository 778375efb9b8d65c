#!/bin/sh
# Is a table of entries filled faster with its key in place, or is the key faster made afterwards?  The server's
# processor time and the wall time of both, ROWS sorted rows, on a throwaway server (docs/decisions/postgres-store.md).
#   TOP=. ROWS=2000000 ROUNDS=3 sh tests/bench/pg_key.sh
set -u
TMPDIR=$(mktemp -d) && export TMPDIR || exit 1
. "$TOP/tests/support/pgtmp.sh"
pg_start 'shared_buffers = 512MB' 'max_wal_size = 8GB' 'autovacuum = off' 'fsync = on'
trap 'rm -f "$PG_DIR/rows"; pg_end' EXIT
pg_sql postgres "COPY (SELECT 'commits'::bytea, convert_to('repo-' || lpad((i % 20)::text, 4, '0') || '/' ||
    encode(sha256(i::text::bytea), 'hex'), 'UTF8') AS k, decode(repeat(md5(i::text), 25), 'hex') FROM
    generate_series(1, ${ROWS:-2000000}) i ORDER BY k) TO '$PG_DIR/rows' (FORMAT binary)" || exit 1
columns='partition_key bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL'
pid=$(head -1 "$PG_DIR/data/postmaster.pid")
ticks() { awk '{ print $16 + $17 }' "/proc/$pid/stat"; } # of sessions that have ended, and what helped them
for round in $(seq "${ROUNDS:-3}"); do
    for way in before afterwards; do
        pg_sql postgres 'DROP TABLE IF EXISTS kv' CHECKPOINT 2>/dev/null
        spent=$(ticks) begin=$(date +%s%N)
        case $way in
        before) pg_sql postgres "CREATE TABLE kv ($columns, PRIMARY KEY (partition_key, key))" "COPY kv FROM '$PG_DIR/rows' (FORMAT binary)";;
        afterwards) pg_sql postgres "CREATE TABLE kv ($columns)" "COPY kv FROM '$PG_DIR/rows' (FORMAT binary)" \
            'ALTER TABLE kv ADD PRIMARY KEY (partition_key, key)';;
        esac
        took=$((($(date +%s%N) - begin) / 10000000))
        sleep 0.5
        echo "key $way: server $((($(ticks) - spent) * 100 / $(getconf CLK_TCK))) cs of processor, $took cs of wall time"
    done
done
