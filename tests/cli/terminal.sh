# What is different on a terminal: colour, progress, and no binary.
. "$TOP/tests/support/cli.sh"
command -v script >/dev/null || { echo 'script(1) is not installed'; exit 77; }

# Run a command line with all three descriptors on a terminal; output in `out`.
tty() { # TERM, COMMAND
    ran="on a terminal: $2"
    TERM=$1 script -qec "$2" /dev/null >out 2>/dev/null </dev/null
    rc=$?
    : >err
}
esc=$(printf '\033')

sqlite3 shop.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1,'x'),(2,'y');"
kvferry -q export sqlite:shop.db shop.kvf
kvferry -q import shop.kvf sqlite:store.db

# A stream never goes to a terminal, nor comes from one.
for c in 'export sqlite:shop.db -' 'backup sqlite:store.db -' 'import - sqlite:x.db' 'verify -' \
    'info -' 'cat -' 'diff - shop.kvf' 'get - t 1'; do
    tty xterm "kvferry $c"
    is 2
    out_has 'a stream is binary'
    out_lacks KVF1
done
ok test ! -e x.db
tty xterm 'kvferry get --raw shop.kvf t 1'
is 2
out_has 'the value is binary'
tty xterm 'kvferry get shop.kvf t 1'
is 0
out_has '"v":"x"'

# Colour only there, and only when it is wanted.
tty xterm 'kvferry status sqlite:none.db'
is 4
out_has "$esc[31mkvferry:$esc[0m"
tty xterm 'NO_COLOR=1 kvferry status sqlite:none.db'
out_lacks "$esc"
tty xterm 'NO_COLOR= kvferry status sqlite:none.db'
out_has "$esc[31m"
tty dumb 'kvferry status sqlite:none.db'
out_lacks "$esc"
tty xterm 'kvferry --color=never status sqlite:none.db'
out_lacks "$esc"
tty dumb 'NO_COLOR=1 kvferry --color=always status sqlite:none.db'
out_has "$esc[31m"
run kvferry status sqlite:none.db
err_lacks "$esc"
run kvferry --color=always status sqlite:none.db
err_has "$esc[31m"
TERM=xterm run kvferry help
out_lacks "$esc"

# Progress: one line that is redrawn, cleared at the end; nothing with -q.
sqlite3 big.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
    INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;"
tty xterm 'kvferry migrate sqlite:big.db sqlite:big.store'
is 0
out_has "$esc[K[1/4] export"
out_has 'entries'
out_has 'published: 300,000 entries verified'
# Every drawing begins by clearing the line, and none is wider than it.
tr '\r' '\n' <out | grep -F '[K[' >drawn
[ "$(wc -l <drawn)" -ge 2 ] || fail "progress was drawn $(wc -l <drawn) times"
ok sh -c '! grep -q ".\{90\}" drawn'
tty dumb 'kvferry -q migrate --replace sqlite:big.db sqlite:big.store'
is 0
[ ! -s out ] || fail "-q printed: $(cat -v out)"
tty xterm 'kvferry verify --json big.db.kvf'
out_lacks "$esc"
run kvferry export sqlite:big.db big.kvf
err_lacks "$esc"
err_lacks "$(printf '\r')"
finish

# What gives data up asks, on a terminal, for the run; anything else is a no.
answer() { # TEXT, COMMAND
    ran="on a terminal, answering '$1': $2"
    { sleep 1; echo "$1"; sleep 1; } | TERM=dumb script -qec "$2" /dev/null >out 2>/dev/null
    rc=$?
    : >err
}
run_id=$(kvferry rollback -n --json sqlite:store.db | jq -r .result.confirm)
answer no 'kvferry rollback sqlite:store.db'
is 80
out_has "Type the run to go on ($run_id)"
out_has 'cancelled'
out_has 'lost    nothing'
answer '' 'kvferry cleanup sqlite:store.db'
is 80
ok test "$(kvferry cat --keys sqlite:store.db | wc -l)" -eq 2
answer "$run_id" 'kvferry rollback sqlite:store.db'
is 0
out_has 'rolled back'
kvferry -q import shop.kvf sqlite:store.db
answer no 'kvferry rollback --json sqlite:store.db'
is 2
out_lacks 'Type the run'
