# What the scripts in tests/cli share: run a command, then say exactly what it
# must have printed and returned.
#
#   run kvferry ...        runs it with an empty stdin; files out, err, and $rc
#   is 2                   its exit status
#   out <<'END' ... END    its standard output, exactly (also: out </dev/null)
#   err <<'END' ... END    its standard error, exactly
#   out_has TEXT, err_has TEXT, out_lacks TEXT, err_lacks TEXT
#   steady                 blanks times, run ids, file sizes, SQLite's version in out and err
#   json EXPRESSION        jq -e on its standard output, which is one document
#   ok COMMAND ...         succeeds
#   finish                 the last line of every script
#
# A failing check prints what was run and what differs; the script goes on, so
# that one run shows all failures.

PATH=$(dirname "$KVFERRY"):$PATH
export PATH
LC_ALL=C.UTF-8 TZ=UTC
export LC_ALL TZ
unset NO_COLOR TERM
checks=0 failed=0 ran=

run() {
    ran=$*
    "$@" >out 2>err </dev/null
    rc=$?
}

fail() {
    failed=$((failed + 1))
    echo "FAILED after: $ran"
    echo "$*"
}

is() {
    checks=$((checks + 1))
    [ "$rc" -eq "$1" ] && return
    fail "exit status $rc, not $1"
    sed 's/^/  out: /' out | head -20
    sed 's/^/  err: /' err | head -20
}

same_text() { # NAME of the file, the wanted text on stdin
    checks=$((checks + 1))
    cat >wanted
    cmp -s wanted "$1" && return
    fail "std$1 is not what it should be:"
    diff -u wanted "$1" | tail -n +3 | sed 's/^/  /'
}
out() { same_text out; }
err() { same_text err; }

has() { # FILE TEXT
    checks=$((checks + 1))
    grep -qF -e "$2" "$1" && return
    fail "std$1 lacks: $2"
    sed 's/^/  /' "$1" | head -20
}
lacks() {
    checks=$((checks + 1))
    grep -qF -e "$2" "$1" || return 0
    fail "std$1 has, but should not: $2"
    sed 's/^/  /' "$1" | head -20
}
out_has() { has out "$1"; }
err_has() { has err "$1"; }
out_lacks() { lacks out "$1"; }
err_lacks() { lacks err "$1"; }

steady() {
    sed -i -e 's/^time    [a-z]* [0-9].*/time    .../' -e 's/^\(stream  \).*/\1.../' \
        -e 's/[0-9]\{4\}-[0-9][0-9]-[0-9][0-9] [0-9:]\{8\} UTC/TIME/g' \
        -e 's/SQLite [0-9.]*, [^ ]*\//SQLite VERSION, /' \
        -e 's/[0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{8\}/RUN/g' out err
}

json() {
    checks=$((checks + 1))
    if [ "$(jq -s length out 2>/dev/null)" != 1 ]; then
        fail "stdout is not exactly one JSON document"
        sed 's/^/  /' out | head -20
    elif ! jq -e "$1" out >/dev/null; then
        fail "not true of the document: $1"
        jq . out | sed 's/^/  /' | head -60
    fi
}

ok() {
    checks=$((checks + 1))
    "$@" >ok.log 2>&1 && return
    fail "this failed: $*"
    sed 's/^/  /' ok.log | head -20
}

finish() {
    echo "$checks checks, $failed failed"
    [ "$failed" -eq 0 ] && [ "$checks" -gt 0 ]
    exit
}
