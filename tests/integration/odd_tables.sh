#!/bin/sh
# Any schema goes without configuration: names, numbers and keys that trip
# others up.  What the store holds at the end is compared, cell by cell, with
# what Python reads from the source.
. "$TOP/tests/support/integration.sh"
[ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import msgpack' 2>/dev/null || {
    echo "there is no python3 with msgpack"
    exit 77
}

/usr/bin/python3 - <<'PY' || die 'making odd.db'
import sqlite3
db = sqlite3.connect('odd.db')
q = lambda name: '"' + name.replace('"', '""') + '"'
names = ['we"ird', 'new\nline', 'emoji\U0001f600', 'del\x7f', 'kv', 'kvferry_x', 'sqlitefoo',
         'a/b', 'a', 'select', 'Order Details', '%', '..', '/', '\\', "'q'", '[x]', '`y`', '*', '\xe9',
         'e\u0301', 'x' * 1024]
for i, name in enumerate(names):
    db.execute(f'CREATE TABLE {q(name)}({q("c" + name[:999])} INTEGER PRIMARY KEY, {q(name[:999] + " v")} TEXT)')
    db.execute(f'INSERT INTO {q(name)} VALUES (?, ?)', (i, name))
values = [2**63 - 1, -2**63, -0.0, 0.5, float('inf'), float('-inf'), 5e-324, 1.7976931348623157e308,
          'a\0b', b'a\0b', '', b'', None, 1, 1.5, '1', b'1', '1.5', 'inf', 'NULL', '#', "'", '0x31', '\u2028']
db.execute('CREATE TABLE keyed(k PRIMARY KEY, v)')
db.executemany('INSERT INTO keyed VALUES (?, ?)', [(v, v) for v in values])
db.execute("INSERT INTO keyed VALUES (CAST(x'ff80c000' AS TEXT), CAST(x'c3' AS TEXT))")
db.execute('CREATE TABLE nulls(a, b, PRIMARY KEY (a, b))')
db.executemany('INSERT INTO nulls VALUES (?, ?)', [(None, None), (1, None), (None, 1)] * 3 + [(1, 1)])
db.execute('CREATE TABLE worow(a TEXT COLLATE NOCASE, b INTEGER, v, PRIMARY KEY (a, b DESC)) WITHOUT ROWID')
db.executemany('INSERT INTO worow VALUES (?, ?, ?)', [(a, b, None) for a in 'bAZc' for b in range(3)])
db.execute('CREATE TABLE gen(a INTEGER PRIMARY KEY, b INT, v AS (b * 2) VIRTUAL, s AS (b * 3) STORED)')
db.execute('INSERT INTO gen(a, b) VALUES (1, 2), (3, 4)')
db.execute('CREATE TABLE rowids(rowid TEXT, _rowid_ TEXT, oid TEXT)')
db.executemany('INSERT INTO rowids VALUES (?, ?, ?)', [('a', 'b', 'c')] * 2)
db.execute('CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, x)')
db.execute('INSERT INTO auto(x) VALUES (1)')
db.execute('CREATE VIEW seen AS SELECT * FROM gen')
db.execute('CREATE VIRTUAL TABLE words USING fts5(x, y)')
db.execute("INSERT INTO words VALUES ('hello', 'world')")
db.execute('CREATE TABLE wide(%s)' % ','.join(f'c{i}' for i in range(2000)))
db.execute('INSERT INTO wide VALUES (%s)' % ','.join(map(str, range(2000))))
for i in range(500):
    db.execute(f'CREATE TABLE many{i}(a INTEGER PRIMARY KEY, b)')
    db.execute(f'INSERT INTO many{i} VALUES (?, ?)', (i, str(i)))
db.commit()
for encoding in 'le', 'be':
    wide = sqlite3.connect(f'utf16{encoding}.db')
    wide.execute(f"PRAGMA encoding = 'UTF-16{encoding}'")
    wide.execute('CREATE TABLE "t\xe4\U0001f600"(a TEXT PRIMARY KEY, b)')
    wide.execute('INSERT INTO "t\xe4\U0001f600" VALUES (?, ?)', ('\xe9\U0001f600', b'\0x'))
    wide.commit()
PY

cat >same.py <<'PY'
import collections, msgpack, sqlite3, struct, sys
source, store = (sqlite3.connect(f) for f in sys.argv[1:])
source.text_factory = bytes
def cell(kind, v):
    if kind == b'real':
        return 'real', struct.pack('>d', v)
    return kind.decode(), v
def stored(v):
    if isinstance(v, float):
        return 'real', struct.pack('>d', v)
    if isinstance(v, msgpack.ExtType):
        assert v.code == 1
        return 'text', v.data
    return {type(None): 'null', int: 'integer', str: 'text', bytes: 'blob'}[type(v)], \
        v.encode() if isinstance(v, str) else v
want, got = collections.Counter(), collections.Counter()
q = lambda name: '"' + name.replace('"', '""') + '"'
for (name,) in source.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
                              "type IN ('table', 'virtual') AND name NOT GLOB 'sqlite_*'").fetchall():
    name = name.decode()
    columns = [r[0].decode() for r in source.execute(
        'SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1', (name,))]
    for row in source.execute('SELECT %s FROM %s' % (','.join(map(q, columns)), q(name))).fetchall() \
            if len(columns) > 1000 else source.execute('SELECT %s FROM %s' % (
                ','.join(f'typeof({q(c)}), {q(c)}' for c in columns), q(name))).fetchall():
        if len(columns) > 1000:
            cells = [('integer', v) for v in row]
        else:
            cells = [cell(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        want[name.encode(), tuple(zip(columns, cells))] += 1
for part, key, value in store.execute('SELECT partition_key, key, value FROM kv'):
    m = msgpack.unpackb(value, raw=False, strict_map_key=False)
    if part == b'words':
        assert m.pop('rowid') == 1
    got[part, tuple((c, stored(v)) for c, v in m.items())] += 1
assert want == got, (want - got, got - want)
print(sum(want.values()))
PY

for db in odd utf16le utf16be; do
    expect 0 export sqlite:$db.db $db.kvf
    expect 0 import $db.kvf sqlite:$db.store
    expect 0 verify --entries sqlite:$db.db sqlite:$db.store
    /usr/bin/python3 same.py $db.db $db.store >same.out 2>&1 || die "$db: $(tail -3 same.out)"
    expect 0 backup sqlite:$db.store $db.back.kvf
    expect 0 diff $db.kvf $db.back.kvf
    expect 0 migrate --table-name entries sqlite:$db.db sqlite:$db.db
    expect 0 verify tables:sqlite:$db.db $db.kvf
done
[ "$(cat same.out)" -ge 1 ] || die 'nothing was compared'
exit 0
