"""head.py STREAM OUT: the stream with each field of its head changed in turn, as
OUT/FIELD.kvf.  The digests are made true again, so that the field alone is wrong;
OUT/FIELD.raw.kvf has the old ones."""
import hashlib, subprocess, sys
import msgpack

stream, out = sys.argv[1:3]
raw = subprocess.run(['zstd', '-dcq', stream], stdout=subprocess.PIPE, check=True).stdout
begin, end, tail = raw.index(b'\xa1$\xa5begin') - 1, raw.index(b'\xa1$\xa3end') - 1, raw.rindex(b'\xa1$\xa4tail') - 1
at = 0
while raw[at:at + 1] not in (b'\x8a', b'\x8b', b'\x8c', b'\x89', b'\x88', b'\x8d', b'\x8e') or b'$' not in raw[at:at + 4]:
    at += 1
magic, head = raw[:at], msgpack.unpackb(raw[at:begin], strict_map_key=False)
assert magic + msgpack.packb(head, use_bin_type=True) == raw[:begin], 'the head is packed in another way'

def sha(b):
    return hashlib.sha256(b).digest()

def changed(name, new):
    packed = magic + msgpack.packb(new, use_bin_type=True)
    t = raw[tail:]
    i = t.index(b'\xa1r\xc4\x20') + 4
    true = t[:i] + sha(sha(packed) + sha(raw[end:tail])) + t[i + 32:]
    for suffix, last in (('', true), ('.raw', t)):
        data = subprocess.run(['zstd', '-q'], input=packed + raw[begin:tail] + last, stdout=subprocess.PIPE, check=True).stdout
        open(f'{out}/{name}{suffix}.kvf', 'wb').write(data)
    print(name)

def with_(key, value):
    return {k: value if k == key else v for k, v in head.items()}

for key, value in head.items():
    if key == '$':
        changed('kind', with_(key, 'hand'))
    elif key == 'lim':
        for name in value:
            changed('lim.' + name, with_(key, {k: 1 if k == name else v for k, v in value.items()}))
    elif key == 'vrec':
        for i, part in enumerate(('partition', 'key', 'started', 'done')):
            changed('vrec.' + part, with_(key, [b'x' + v if k == i else v for k, v in enumerate(value)]))
    elif key == 'arg':
        for i, (name, text) in enumerate(value):
            changed('arg.' + name, with_(key, [[n, 'x' + t if k == i else t] for k, (n, t) in enumerate(value)]))
    elif key == 'pkgs':
        changed(key, with_(key, value[::-1]))
    elif key == 'feat':
        changed(key, with_(key, value + ['zzz']))
    elif isinstance(value, str):
        changed(key, with_(key, value + 'x'))
    elif isinstance(value, int):
        changed(key, with_(key, value + 1))
    elif isinstance(value, bytes):
        changed(key, with_(key, value[:-1] + bytes([value[-1] ^ 1])))
    else:
        sys.exit(f'head: what is {key}?')
