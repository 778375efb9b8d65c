# Streams that must not be believed; after each the store is as it was.
. "$TOP/tests/support/integration.sh"
legacy a.db
sqlite3 old.db "CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES('old')"
expect 0 export --chunk 4096 sqlite:a.db a.kvf
expect 0 export sqlite:old.db old.kvf
expect 0 import old.kvf sqlite:s.db
live=$(contents s.db)

refused() { # STATUS FILE TEXT: on an empty store, and on one that holds data
    rm -f n.db
    expect "$1" import "$2" sqlite:n.db
    [ -n "${3:-}" ] && says "$3"
    if [ -e n.db ]; then
        equal "$(sql n.db "SELECT count(*) FROM sqlite_schema WHERE name = 'kv'")" 0 "$2 published"
    fi
    expect "$1" import --replace "$2" sqlite:s.db
    equal "$live" "$(contents s.db)" "$2 changed the live data"
    [ "$1" -eq 7 ] || expect "$1" verify "$2"
}

size=$(stat -c %s a.kvf)
for cut in 0 1 11 12 40 200 1000 $((size / 2)) $((size - 3000)); do
    head -c $cut a.kvf >cut.kvf
    refused 6 cut.kvf
done
# a flipped bit in a chunk
/usr/bin/python3 - <<'PY'
b = bytearray(open('a.kvf', 'rb').read())
b[len(b) // 2] ^= 16
open('flip.kvf', 'wb').write(b)
b = open('a.kvf', 'rb').read()
open('crlf.kvf', 'wb').write(b.replace(b'\n', b'\r\n'))
open('utf8.kvf', 'wb').write(b.decode('latin-1').encode('utf-8'))
open('ascii.kvf', 'wb').write(bytes(x & 127 for x in b))
PY
refused 6 flip.kvf
refused 6 crlf.kvf text-mode
refused 6 utf8.kvf
refused 6 ascii.kvf
cat a.kvf a.kvf >twice.kvf
refused 6 twice.kvf
{ cat a.kvf; echo garbage; } >tail.kvf
refused 6 tail.kvf
gzip -c a.kvf >gz.kvf
refused 6 gz.kvf gzip
echo 'hello, this is not a stream at all' >text.kvf
refused 6 text.kvf
cp a.db db.kvf
refused 6 db.kvf

# another major, another feature, lengths that lie: made of L1 and compressed anew
zstd -dcq a.kvf >l1
/usr/bin/python3 - <<'PY'
import struct
l1 = open('l1', 'rb').read()
open('major', 'wb').write(l1.replace(b'KVF1', b'KVF2', 1))
open('array32', 'wb').write(l1[:9] + b'\xdd\xff\xff\xff\xff')
open('bin32', 'wb').write(l1[:9] + b'\xc6\xff\xff\xff\xffabc')
open('deep', 'wb').write(l1[:9] + b'\x91' * 1000000)
open('bomb', 'wb').write(l1[:9] + b'\0' * (1 << 28))
PY
for f in major array32 bin32 deep bomb; do zstd -q -c $f >$f.kvf; done
refused 7 major.kvf
for f in array32 bin32 deep; do refused 6 $f.kvf; done
# 256 MiB of zeros in a few KiB: refused without the memory for it
rm -f n.db
( ulimit -v 1000000; "$K" verify bomb.kvf >out 2>err ); [ $? -eq 6 ] || [ -n "${ASAN:-}" ] || {
    case $KVFERRY in *asan*|*tsan*) ;; *) die "zip bomb: $(cat err)";; esac; }

# recompressed is fine: all meaning is in the inner layer
zstd -q -19 -c l1 >re.kvf
expect 0 import re.kvf sqlite:re.db
expect 0 verify a.kvf sqlite:re.db
split -b 3000 l1 part.
for p in part.*; do zstd -q -c "$p"; done >many.kvf
expect 0 verify many.kvf a.kvf
expect 0 verify a.kvf many.kvf

# of another application
if [ -d "$TOP/formats/catalog" ] && [ -f "$TOP/samples/catalog/make-shop.sh" ]; then
    expect 6 import -f "$TOP/formats/catalog" a.kvf sqlite:other.db
    [ ! -e other.db ] || die "a foreign stream made a store"
fi
exit 0
