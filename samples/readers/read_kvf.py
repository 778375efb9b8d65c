#!/usr/bin/python3
"""Read a KVF stream in another language:  zstd -dc shop.kvf | read_kvf.py

Prints every entry; exits non-zero unless the stream is complete and true."""
import hashlib, sys, msgpack
def sha(data):
    return hashlib.sha256(data).digest()
def check(good, why):
    if not good: sys.exit("read_kvf: " + why)
data = sys.stdin.buffer.read()
check(data[:9] == b"\xa8KVF1\r\n\x1a\n", "not a KVF stream, major version 1")
objects = msgpack.Unpacker(max_buffer_size=0)
objects.feed(data)
objects.unpack()  # the magic is a msgpack string
at, name = 9, None
for obj in objects:
    before, at = at, objects.tell()
    check(name != "tail", "bytes follow the tail")
    if isinstance(obj, list):
        print(*obj)
        continue
    name = obj["$"]
    check(name != "abort", "the producer gave up: " + str(obj.get("msg")))
    if name == "head":
        root = sha(data[:at])
    elif name == "begin":
        r = sha(data[before:at])
    elif name == "chunk":
        chunk = before
    elif name == "endc":
        check(obj["d"] == sha(data[chunk:before]), "d of a chunk does not match")
        r = sha(r + obj["d"])
    elif name == "end":
        check(obj["r"] == r, "r of package %d does not match" % obj["n"])
        root = sha(root + sha(data[before:at]))
    elif name == "tail":
        check(obj["r"] == root, "R of the stream does not match")
check(name == "tail" and at == len(data), "truncated: there is no tail")
