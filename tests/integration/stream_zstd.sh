#!/bin/sh
# Ordinary tools read a stream: zstd tests, lists and decompresses it, any
# msgpack reader understands what comes out, xxhsum agrees with m.
set -eu
command -v zstd >/dev/null || { echo "zstd is not installed"; exit 77; }
/usr/bin/python3 -c 'import msgpack' 2>/dev/null || { echo "python3-msgpack is not installed"; exit 77; }
n=0
for f in "$TOP"/tests/golden/v1/*.kvf; do
    name=$(basename "$f" .kvf)
    cp "$f" . && zstd -q -t "$name.kvf"
    zstd -dc "$name.kvf" >l1 2>err || { cat err; exit 1; }
    [ ! -s err ] || { echo "zstd -dc $name: $(cat err)"; exit 1; }
    zstd -l -v "$name.kvf" >list 2>&1
    grep -q "Check: XXH64" list || { echo "$name: zstd -l shows no checksum:"; cat list; exit 1; }
    # pzstd, where it is installed, gives the same bytes.
    if command -v pzstd >/dev/null; then
        pzstd -q -d -c "$name.kvf" 2>/dev/null | cmp - l1
    fi
    /usr/bin/python3 - "$name" "$TOP/tests/golden/v1/$name.txt" <<'PY'
import hashlib, msgpack, sys
want = [line.split() for line in open(sys.argv[2])]
objects = msgpack.Unpacker(open("l1", "rb"), max_buffer_size=1 << 30)
assert objects.unpack() == "KVF1\r\n\x1a\n"
entries, names = [], []
for o in objects:
    if isinstance(o, list):
        entries.append(o)
    else:
        names.append(o["$"])
assert names[0] == "head" and names[-1] == "tail", names
text = [line for line in want if line[0] == "entry"]
assert len(text) == len(entries)
for line, (part, key, value) in zip(text, entries):
    # An empty partition leaves one word less.
    assert line[1:] == [x for x in (part.hex(), key.hex()) if x] + [hashlib.sha256(value).hexdigest()]
PY
    n=$((n + 1))
done
[ "$n" -ge 5 ]

# m of the example, by xxhsum: the sum of the hashes of its two leaves.
if command -v xxhsum >/dev/null; then
    printf '\001\000\000\000\001n\000\000\000\004id/1\000\000\000\005hello' >leaf1
    printf '\001\000\000\000\001n\000\000\000\004id/2\000\000\000\000' >leaf2
    a=$(xxhsum -H2 leaf1 | cut -d' ' -f1); b=$(xxhsum -H2 leaf2 | cut -d' ' -f1)
    m=$(/usr/bin/python3 -c "print('%032x' % ((int('$a', 16) + int('$b', 16)) % 2**128))")
    grep -q "^end .* $m\$" "$TOP/tests/golden/v1/small.txt" || { echo "m is not $m"; exit 1; }
fi

# A reader in another language takes the good ones, and no other.
read_kvf() { zstd -dcq "$1" 2>/dev/null | /usr/bin/python3 "$TOP/samples/readers/read_kvf.py"; }
[ "$(wc -l <"$TOP/samples/readers/read_kvf.py")" -le 40 ]
for f in "$TOP"/tests/golden/v1/*.kvf; do
    read_kvf "$f" >out || { echo "read_kvf.py refuses $f"; exit 1; }
    [ "$(wc -l <out)" -eq "$(grep -c '^entry' "${f%.kvf}.txt")" ]
done
refused=0
for name in cut-before-tail cut-in-l1 chunk-omitted aborted digest-d root-r two-streams empty-file; do
    if read_kvf "$TOP/tests/golden/bad/$name.kvf" >out 2>&1; then
        echo "read_kvf.py accepts $name"; exit 1
    fi
    refused=$((refused + 1))
done
echo "REPORT $n streams read by zstd and msgpack, $refused refused by the sample reader"
