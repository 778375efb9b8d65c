# The proxy that other tests stand on does what its header says, seen by psql.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
PGPROXY_COUNTS=$PWD/counts; export PGPROXY_COUNTS
pg_sql postgres 'CREATE TABLE t (n int)'

# behind RULES... -- STATEMENTS: psql behind the proxy; its codes of errors in `codes`
behind() {
    "$TOP/$B/tests/tools/pgproxy" "$@" >out 2>err; rc=$?
    sed -n 's/.*ERROR: *\([0-9A-Z]\{5\}\).*/\1/p; s/.*FATAL: *\([0-9A-Z]\{5\}\).*/\1/p' err |
        tr '\n' ' ' >codes
}
psql_do() { # the words that run psql in the command of the proxy
    echo "$PG_BIN/psql -XqAt -v VERBOSITY=verbose"
}
fired() { sed 's/.*fired //' counts; }
rows() { pg_sql postgres 'SELECT count(*) FROM t'; }
is() { [ "$1" = "$2" ] || { cat out err; die "$3: $1, not $2"; }; }

behind -- $(psql_do) -c 'SELECT 7' -c 'SELECT 8'
is "$rc $(tr '\n' ' ' <out)$(fired)" "0 7 8 0" "without rules"
is "$(cut -d' ' -f5,6 counts)" "statements 2" "statements"

# A statement that fails never ran; its transaction is a failed one on the server too.
behind 'fail 40001 2 INSERT' -- $(psql_do) -c 'BEGIN' -c 'INSERT INTO t VALUES (1)' \
    -c 'INSERT INTO t VALUES (2)' -c 'SELECT 1' -c 'COMMIT'
is "$(cat codes)$(fired) $(rows)" "40001 25P02 1 0" "fail"

# COMMIT: failed and not done, failed and done, done and without an answer.
for how in 'fail 40001:40001 1 0' 'fail 53100:53100 1 0' 'fail-done 40003:40003 1 1' \
    'fail-done 40P01:40P01 1 1' 'fail 57P01:57P01 1 0' 'fail-done 57P01:57P01 1 1' 'lose-done:1 1'; do
    pg_sql postgres 'TRUNCATE t'
    behind "${how%:*} 1 COMMIT" -- $(psql_do) -c 'BEGIN' -c 'INSERT INTO t VALUES (1)' -c 'COMMIT'
    is "$(cat codes)$(fired) $(rows)" "${how#*:}" "${how%:*} COMMIT"
done

# COPY: the rows are sent, and kept or not; what the server says to them is lost or another thing.
for how in 'fail 53100:53100 1 0' 'fail-done 57P01:57P01 1 2' 'lose-done:1 2'; do
    pg_sql postgres 'TRUNCATE t'
    printf '1\n2\n' >rows.txt
    behind "${how%:*} 1 COPY" -- timeout 20 $(psql_do) -c 'COPY t FROM STDIN' <rows.txt
    is "$(cat codes)$(fired) $(rows)" "${how#*:}" "${how%:*} COPY"
done

# The link is cut before, within and after the message of COMMIT, and of its answer.
for how in 'before client:0' 'within client:0' 'after client:1' 'before server:1' 'within server:1' 'after server:1'; do
    pg_sql postgres 'TRUNCATE t'
    case $how in *client*) nth='3 Q';; *) nth='3 C';; esac
    behind "cut-${how%:*} $nth" -- $(psql_do) -c 'BEGIN' -c 'INSERT INTO t VALUES (1)' -c 'COMMIT'
    for i in 1 2 3 4 5 6 7 8 9; do [ "$(rows)" = "${how#*:}" ] && break; sleep 0.2; done
    is "$rc $(fired) $(rows)" "2 1 ${how#*:}" "cut-${how%:*}"
done

behind 'refuse 53300 1' -- $(psql_do) -c 'SELECT 1'
is "$rc $(fired)" "2 1" "refuse"

# K in a row, and for ever.
behind 'fail 40001 2+2 SELECT' -- $(psql_do) -c 'SELECT 1' -c 'SELECT 2' -c 'SELECT 3' -c 'SELECT 4'
is "$(tr '\n' ' ' <out)$(cat codes)$(fired)" "1 4 40001 40001 2" "2+2"
behind 'fail 40001 2+ SELECT' -- $(psql_do) -c 'SELECT 1' -c 'SELECT 2' -c 'SELECT 3' -c 'SELECT 4'
is "$(tr '\n' ' ' <out)$(fired)" "1 3" "2+"

# What is held waits until it is let go.
behind 'hold server 1 D' -- sh -c "(sleep 0.5; kill -USR1 \$PPID) & date +%s%N; $(psql_do) -c 'SELECT 7'; date +%s%N"
took=$((($(sed -n 3p out) - $(sed -n 1p out)) / 1000000))
is "$(sed -n 2p out) $(fired)" "7 1" "hold"
[ "$took" -ge 400 ] || die "held for $took ms only"

for bad in '' 'cut' 'cut-before' 'cut-before client' 'cut-before nobody 1' 'cut-before client 0' \
    'cut-before client 1 QQ' 'fail 1 1' 'fail 40001' 'refuse 53300 1 x' 'hold server 3-4'; do
    behind "$bad" -- true
    is "$rc" 125 "'$bad'"
done
exit 0
