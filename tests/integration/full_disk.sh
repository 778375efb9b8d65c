# A disk that fills up, a folder and a file that cannot be written.
. "$TOP/tests/support/integration.sh"
legacy a.db 20000
expect 0 export sqlite:a.db a.kvf
mkdir small ro
if mount -t tmpfs -o size=256k none small 2>/dev/null; then
    trap 'umount small' EXIT
    inside=1
elif unshare -Urm true 2>/dev/null && [ -z "${KVF_INSIDE:-}" ]; then
    KVF_INSIDE=1 exec unshare -Urm sh "$0"
else
    echo "no small tmpfs can be mounted here"
    exit 77
fi
expect 5 export sqlite:a.db small/x.kvf
says small/
equal "$(ls -A small)" "" "a failed export left something"
# what can be known beforehand is refused beforehand
expect 13 import a.kvf sqlite:small/s.db
says space
equal "$(ls -A small)" "" "a refused import left something"
# through a pipe it cannot be known
cat a.kvf | "$K" import - sqlite:small/s.db >out 2>err; equal $? 5 "a full disk"
says small/s.db
expect 0 status sqlite:small/s.db
umount small; trap - EXIT
# a store that has room for the old data but not for the new
mount -t tmpfs -o size=1536k none small && trap 'umount small' EXIT
sqlite3 old.db "CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES('old')"
expect 0 migrate sqlite:old.db sqlite:small/s.db
live=$(contents small/s.db)
expect 5 import --replace a.kvf sqlite:small/s.db
equal "$live" "$(contents small/s.db)" "a full disk changed the live data"
umount small; trap - EXIT
exit 0
