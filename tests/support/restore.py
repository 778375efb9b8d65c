"""Make the tables of an SQLite database again from a stream of exactly carried tables.

    restore.py STREAM NEW.db

It is written from docs/tables.md and formats/stream-v1.md alone and shares no
code with kvferry: what it needs and does not find in a stream, the format lacks.
"""
import sqlite3
import subprocess
import sys

import msgpack

GENERATED = 2


class Text(bytes):
    """Text that is not UTF-8."""


def unpack(data):
    def ext(code, payload):
        if code != 1:
            raise SystemExit("restore: ext type %d in a value" % code)
        return Text(payload)
    return msgpack.unpackb(data, ext_hook=ext, strict_map_key=True)


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def bind(cell):
    """A placeholder and what to bind to it."""
    if isinstance(cell, Text):
        return "CAST(? AS TEXT)", bytes(cell)
    if isinstance(cell, str):
        return "CAST(? AS TEXT)", cell.encode()  # SQLite ends plain text at a NUL
    return "?", cell


class Table:
    def __init__(self, cols):
        self.name = cols["name"].decode()
        if cols["dialect"] != "sqlite":
            raise SystemExit("restore: table %s speaks %s" % (self.name, cols["dialect"]))
        self.columns = [(c[0].decode(), c[2]) for c in cols["cols"]]
        self.ddl = [(kind, sql) for kind, _, sql in cols["ddl"]]

    def insert(self, db, row):
        if list(row) != [name for name, _ in self.columns]:
            raise SystemExit("restore: a row of %s has other columns" % self.name)
        names = [n for n, flags in self.columns if not flags & GENERATED]
        cells = [bind(row[n]) for n in names]
        if not names:
            db.execute("INSERT INTO %s DEFAULT VALUES" % quote(self.name))
            return
        db.execute("INSERT INTO %s(%s) VALUES(%s)" % (
            quote(self.name), ",".join(map(quote, names)), ",".join(c[0] for c in cells)),
            [c[1] for c in cells])


def main(stream, target):
    zstd = subprocess.Popen(["zstd", "-dcq", stream], stdout=subprocess.PIPE)
    db = sqlite3.connect(target, isolation_level=None)
    tables, complete = {}, False
    db.execute("BEGIN")
    for unit in msgpack.Unpacker(zstd.stdout, strict_map_key=True):
        if isinstance(unit, dict) and unit["$"] == "begin":
            tables = {t["name"]: Table(t) for t in unit["cols"]}
            for t in tables.values():
                for kind, sql in t.ddl:
                    if kind == "table":
                        db.execute(sql.decode())
        elif isinstance(unit, dict) and unit["$"] == "tail":
            complete = True
        elif isinstance(unit, list):
            tables[unit[0]].insert(db, unpack(unit[2]))
    if zstd.wait() or not complete:
        raise SystemExit("restore: the stream is not whole")
    for wanted in "index", "view", "trigger":
        for t in tables.values():
            for kind, sql in t.ddl:
                if kind == wanted:
                    db.execute(sql.decode())
    db.execute("COMMIT")
    db.close()


main(*sys.argv[1:])
