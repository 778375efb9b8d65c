#!/usr/bin/python3
# How tests/golden/bad/ was made: tests/golden/make_bad.py V1-FOLDER ABORTED OUT
# No test runs it; see make.c.
import gzip, hashlib, os, struct, subprocess, sys

v1, aborted, out = sys.argv[1:4]
small = open(v1 + '/small.kvf', 'rb').read()
full = open(v1 + '/full.kvf', 'rb').read()
listing = []

def zstd(data, *args):
    return subprocess.run(['zstd', '-q', *args], input=data, stdout=subprocess.PIPE, check=True).stdout

def bad(name, status, words, data):
    open(f'{out}/{name}.kvf', 'wb').write(data)
    listing.append(f'{name}.kvf {status} {words}')

def l1(data):
    return zstd(data, '-dc')

def units(data):  # native frames: [(offset, whole length)]
    at, found = 0, []
    while data[at:at + 4] == b'\x50\x2a\x4d\x18':
        size = struct.unpack('<I', data[at + 8:at + 12])[0]
        found.append((at, 12 + size))
        at += 12 + size
    return found, at

def sha(b):
    return hashlib.sha256(b).digest()

def repaired(s):
    """L1 of small with d, r and R made true again (m is a sum: order does not matter)."""
    head_end = s.index(b'\x87\xa1$\xa5begin')
    chunk = s.index(b'\x84\xa1$\xa5chunk')
    endc = s.index(b'\x85\xa1$\xa4endc')
    end = s.index(b'\x87\xa1$\xa3end')
    tail = s.index(b'\x86\xa1$\xa4tail')
    head, begin = s[:head_end], s[head_end:chunk]
    d = sha(s[chunk:endc])
    r = sha(sha(begin) + d)
    ec = s[endc:end]
    i = ec.index(b'\xa1d\xc4\x20') + 4
    ec = ec[:i] + d + ec[i + 32:]
    e = s[end:tail]
    i = e.index(b'\xa1r\xc4\x20') + 4
    e = e[:i] + r + e[i + 32:]
    t = s[tail:]
    i = t.index(b'\xa1r\xc4\x20') + 4
    t = t[:i] + sha(sha(head) + sha(e)) + t[i + 32:]
    return head + begin + s[chunk:endc] + ec + e + t

u, end = units(full)
s = l1(small)
bad('empty-file', 'truncated', 'it is empty', b'')
bad('cut-in-head', 'truncated', 'inside a frame', small[:60])
bad('cut-in-frame', 'truncated', 'inside a frame', full[:u[3][0] + 40])
bad('cut-between-frames', 'truncated', 'without its tail', full[:u[3][0]])
bad('cut-before-tail', 'truncated', 'without its tail', full[:u[-1][0]])
bad('cut-in-l1', 'truncated', 'inside a unit', zstd(s[:-7]))
f = bytearray(full); f[u[3][0] + 100] ^= 4
bad('flipped-bit', 'stream', 'damaged stream', bytes(f))
bad('chunk-omitted', 'stream', 'missing, doubled or out of its place', full[:u[3][0]] + full[u[4][0]:])
bad('chunk-doubled', 'stream', 'missing, doubled or out of its place', full[:u[4][0]] + full[u[3][0]:])
bad('two-streams', 'stream', 'a second stream follows', small + small)
bad('garbage-behind', 'stream', 'garbage', small + b'garbage')
bad('crlf', 'stream', 'text-mode transfer: LF became CR LF', small.replace(b'\n', b'\r\n'))
bad('lf', 'stream', 'text-mode transfer: CR LF became LF', small.replace(b'\r\n', b'\n'))
bad('utf8', 'stream', 're-encoded as UTF-8', small.decode('latin-1').encode('utf-8'))
bad('gzip', 'stream', 'gzip', gzip.compress(small, mtime=0))
bad('decompressed', 'stream', 'decompressed', s)
bad('other-zstd', 'stream', 'not a KVF stream', zstd(b'just some text\n'))
bad('aborted', 'truncated', 'exit status 4: the source went away', open(aborted, 'rb').read())
bad('major-2', 'version', 'major version 2', zstd(s.replace(b'KVF1', b'KVF2')))
bad('feature', 'version', 'feature "attrs"', zstd(s.replace(b'\xa4feat\x90', b'\xa4feat\x91\xa5attrs')))
bad('partial', 'preflight', 'a selection', open(v1 + '/edges.kvf', 'rb').read())
bad('value-limit', 'preflight', 'values of 134217728 bytes',
    zstd(s.replace(b'\xa3val\xce\x04\0\0\0', b'\xa3val\xce\x08\0\0\0').replace(b'\xa3raw\xce\x04', b'\xa3raw\xce\x08')))
a, b = b'\x93\xc4\x01n\xc4\x04id/1\xc4\x05hello', b'\x93\xc4\x01n\xc4\x04id/2\xc4\x00'
bad('digest-d', 'stream', 'digest d', zstd(s.replace(b'hello', b'jello')))
bad('digest-m', 'stream', 'digest m', zstd(repaired(s.replace(b'hello', b'jello'))))
bad('unsorted', 'stream', 'ascend', zstd(repaired(s.replace(a + b, b + a))))
bad('duplicate', 'stream', 'ascend', zstd(repaired(s.replace(b'id/2', b'id/1'))))
bad('count', 'stream', 'counts of a chunk', zstd(repaired(s.replace(b'endc\xa1b\x0f\xa1c\x02', b'endc\xa1b\x0f\xa1c\x03'))))
bad('not-shortest', 'stream', 'shortest', zstd(repaired(s.replace(b'\xc4\x05hello', b'\xc5\x00\x05hello'))))
bad('foreign-h', 'stream', 'another stream', zstd(repaired(s.replace(b'demo', b'demu'))))
bad('root-r', 'stream', 'root R', zstd(s[:-1] + bytes([s[-1] ^ 1])))
bad('depth', 'stream', '5 containers', zstd(s[:s.index(b'\x87\xa1$\xa5begin')] + b'\x91' * 1000))
bad('array-2-32', 'stream', 'form', zstd(s[:s.index(b'\x93\xc4\x01n')] + b'\xdd\xff\xff\xff\xff'))
bad('bin-4-gib', 'stream', 'larger than its limit', zstd(s[:s.index(b'\x93\xc4\x01n')] + b'\x93\xc6\xff\xff\xff\xffxyz'))
bad('window', 'stream', 'window', small[:u[0][0] + 138] + b'\x28\xb5\x2f\xfd\x00\xff\x01\0\0')
open(out + '/LIST', 'w').write(
    '# file, status word, words of the message: what a reader with default options says\n'
    + '\n'.join(listing) + '\n')
