"""Where `import --as tables` makes tables again: what is there before, and after.

Two ways: tables that were carried as they are, into a database that has none ("made"),
and the entries of an application, by its own queries, into its legacy tables, which
are empty ("filled").  They are read through sqlite3 and psql alone.
"""
import os
import shutil
import sqlite3
import subprocess

import harness

QUERY = {"sqlite": "SELECT CAST(key AS TEXT) AS id, doc->>'body' AS body FROM row",
         "postgres": "SELECT convert_from(key, 'UTF8') AS id, doc->>'body' AS body FROM row"}
COLUMNS = "(id text PRIMARY KEY NOT NULL, body text NOT NULL)"


def place(bench):
    return "sqlite:again.db" if bench.store.kind == "sqlite" else "dbname=%s_again" % bench.store.db


def prepare(bench):
    """The stream, and definitions with the queries of this dialect."""
    if bench.store.kind == "cockroach":
        return
    folder = "formats_" + bench.store.kind
    if not os.path.isdir(folder):
        shutil.copytree("formats2", folder)
        for name in harness.NAMES:
            with open("%s/%s.yaml" % (folder, name), "a") as f:
                f.write("back:\n  %s: %s\n" % (name, QUERY[bench.store.kind]))
    if not os.path.exists("exact.kvf"):
        subprocess.run([harness.K, "export", "-q", "--chunk", "4K", "sqlite:new.db", "exact.kvf"], check=True)
    link = os.path.join(bench.folder, "exact.kvf")
    if not os.path.exists(link):
        os.link("exact.kvf", link)


def begin(bench, how):
    sql = ["CREATE TABLE %s %s" % (t, COLUMNS) for t in harness.NAMES if how == "filled"]
    if bench.store.kind == "sqlite":
        for f in ("again.db", "again.db-journal"):
            if os.path.exists(os.path.join(bench.folder, f)):
                os.unlink(os.path.join(bench.folder, f))
        if sql:
            db = sqlite3.connect(os.path.join(bench.folder, "again.db"))
            db.executescript(";".join(sql))
            db.close()
    else:
        name = place(bench)[7:]
        bench.store.server("DROP DATABASE IF EXISTS %s WITH (FORCE)" % name, "CREATE DATABASE " + name)
        if sql:
            ask(bench, *sql)


def ask(bench, *statements):
    a = harness.Asker(place(bench))
    try:
        return [a.ask(sql) for sql in statements]
    finally:
        a.close()


def look(bench):
    """{table: its rows}, by text."""
    query = "SELECT id || '=' || body FROM %s ORDER BY id"
    if bench.store.kind != "sqlite":
        names = ask(bench, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        return dict(zip(names[0], ask(bench, *(query % t for t in names[0]))))
    if not os.path.exists(os.path.join(bench.folder, "again.db")):
        return {}
    # A copy: what a dead process left is for the next run to recover.
    folder = os.path.join(bench.folder, "look")
    os.makedirs(folder, exist_ok=True)
    for f in ("again.db", "again.db-journal"):
        if os.path.exists(os.path.join(folder, f)):
            os.unlink(os.path.join(folder, f))
        if os.path.exists(os.path.join(bench.folder, f)):
            shutil.copy(os.path.join(bench.folder, f), folder)
    db = sqlite3.connect(os.path.join(folder, "again.db"))
    try:
        names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"
                                             " AND name NOT LIKE 'sqlite%'")]
        return {t: [r[0] for r in db.execute(query % t)] for t in names}
    finally:
        db.close()


def state(bench, how):
    """"whole", "before", or what is wrong."""
    db = sqlite3.connect("new.db")
    query = "SELECT id || '=' || body FROM %s ORDER BY id"
    whole = {t: [r[0] for r in db.execute(query % t)] for t in harness.NAMES}
    db.close()
    now = look(bench)
    if now == whole:
        return "whole"
    if now == ({t: [] for t in harness.NAMES} if how == "filled" else {}):
        return "before"
    return "rows: %s" % {t: len(rows) for t, rows in sorted(now.items())}
