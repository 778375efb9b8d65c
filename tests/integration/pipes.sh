# Streams through pipes, both directions; what breaks a pipe breaks the run.
. "$TOP/tests/support/integration.sh"
legacy a.db 3000
expect 0 export sqlite:a.db a.kvf
"$K" export sqlite:a.db - 2>err | "$K" import - sqlite:p.db 2>err2 >out || die "export | import"
expect 0 verify a.kvf sqlite:p.db
"$K" export sqlite:a.db - 2>err | zstd -dcq | zstd -19 -q | "$K" import - sqlite:q.db >out 2>err ||
    die "a recompressed stream"
expect 0 verify a.kvf sqlite:q.db
"$K" backup sqlite:p.db - 2>err | "$K" verify - >out 2>err || die "backup | verify"

# the producer dies in the middle
head -c 20000 a.kvf | "$K" import - sqlite:r.db >out 2>err
[ $? -eq 6 ] || die "a cut pipe was not exit 6"
equal "$(sql r.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0
# the next run discards the stage and succeeds
expect 0 import a.kvf sqlite:r.db
expect 0 verify a.kvf sqlite:r.db

# the consumer dies
"$K" export sqlite:a.db - 2>err | head -c 100 >/dev/null
# a full device is never success
"$K" export sqlite:a.db - >/dev/full 2>err && die "exit 0 on /dev/full"
"$K" info a.kvf >/dev/full 2>err && die "info: exit 0 on /dev/full"
# binary does not go to a terminal
if command -v script >/dev/null; then
    script -qec "$K export sqlite:a.db -" /dev/null >out 2>&1 </dev/null && die "binary to a terminal"
fi
exit 0
