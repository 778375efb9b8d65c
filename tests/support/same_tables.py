"""Do two SQLite databases hold the same schema and, cell by cell, the same rows?

    same_tables.py A.db B.db        prints how many rows of how many tables
"""
import sqlite3
import sys


class Text:
    def __init__(self, data):
        self.data = data

    def __repr__(self):
        return "text %r" % self.data


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def contents(path):
    db = sqlite3.connect(path)
    db.text_factory = Text  # so that 1, 1.0, '1' and x'31' all print differently
    schema = sorted(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"
                               " WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'").fetchall(),
                    key=repr)
    schema = [repr(row) for row in schema]
    tables = {}
    listed = db.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'"
                        " AND type IN ('table', 'virtual', 'view')").fetchall()
    for name, kind in listed:
        name, kind = name.data.decode(), kind.data
        if name.startswith("sqlite_"):
            continue
        names = [r[0].data.decode() for r in db.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,))]
        if kind == b"virtual":
            names.insert(0, "rowid")
        cells = ",".join(map(quote, names))
        tables[name] = sorted((repr(r) for r in db.execute(
            "SELECT %s FROM %s" % (cells, quote(name)))))
    return schema, tables


a, b = contents(sys.argv[1]), contents(sys.argv[2])
if a[0] != b[0]:
    for x in a[0] + b[0]:
        if (x in a[0]) != (x in b[0]):
            print("schema differs:", x)
    sys.exit(1)
for table in a[1]:
    if a[1][table] != b[1].get(table):
        print("rows of", table, "differ")
        sys.exit(1)
if a[1].keys() != b[1].keys():
    print("tables differ")
    sys.exit(1)
print("%d rows of %d tables and views" % (sum(map(len, a[1].values())), len(a[1])))
