"""The universal postcondition: is a store in a state that the protocol allows?

    postcondition.py snapshot [--table NAME] PLACE >before.json
    postcondition.py check [OPTION ...] PLACE before.json [STREAM.kvf ...]

PLACE is a SQLite file, "dbname=..." for psql, or "cockroachdb:dbname=..." where a
server of PostgreSQL holds a store by the rules of CockroachDB.  `snapshot` notes what there is
before the commands that are tried.  `check` then says whether what is live is
exactly what was live before, or exactly one of the streams, whether everything
else in the store agrees with that, and prints OLD, STAGED or NEW; else it prints
each thing that is wrong, and exits 1.

    --want OLD|STAGED|NEW   nothing else will do
    --or SNAPSHOT           what was live then will do as well (after a rollback)
    --settled               the last run ended in success: no leftovers either
    --merge                 the stage may hold live data as well (import --merge)
    --table NAME            the live table where kvferry has not been yet (kv)

It is written from docs/protocol.md, docs/objects.md and formats/stream-v1.md,
reads through SQLite and psql alone, and shares no code with kvferry.
"""
import argparse
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys

import msgpack

MAGIC = bytes.fromhex("a84b5646310d0a1a0a")
STATES = ("IDLE", "STAGING", "SEALED", "LIVE")
OBJECTS = ("control", "generations", "progress", "units", "ledger")


def sha(data):
    return hashlib.sha256(data).digest()


def contents(rows):
    """A digest of entries, and how many they are."""
    h = hashlib.sha256()
    n = 0
    for row in sorted(rows):
        for field in row:
            h.update(len(field).to_bytes(8, "big") + field)
        n += 1
    return "%d:%s" % (n, h.hexdigest())


# ---- a stream, decoded for itself ------------------------------------------------

class Stream:
    def __init__(self, path):
        raw = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout
        self.path, self.chunks, self.root = path, {}, None
        if not raw.startswith(MAGIC):
            raise SystemExit("postcondition: %s is no stream" % path)
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=len(raw) + 1)
        unpacker.feed(raw[len(MAGIC):])
        at = len(MAGIC)
        start, rows = 0, []
        for item in unpacker:
            begin, at = at, len(MAGIC) + unpacker.tell()
            if isinstance(item, list):
                rows.append(tuple(item[:3]))
                continue
            kind = item[b"$"]
            if kind == b"head":
                self.head = item
                chain = sha(raw[:at])
            elif kind == b"chunk":
                start, rows, where = begin, [], (item[b"n"], item[b"i"])
            elif kind == b"endc":
                self.chunks[where] = (sha(raw[start:begin]), rows)
                if self.chunks[where][0] != item[b"d"]:
                    raise SystemExit("postcondition: %s: chunk %s is damaged" % (path, where))
            elif kind == b"end":
                chain = sha(chain + sha(raw[begin:at]))
            elif kind == b"tail":
                self.root = chain
                if chain != item[b"r"]:
                    raise SystemExit("postcondition: %s: its root is another one" % path)
        self.record = self.head.get(b"vrec")
        self.schema = self.head[b"schema"]
        self.app = self.head[b"app"].decode()

    def rows(self):
        return [row for _, rows in self.chunks.values() for row in rows]

    def live(self):
        """What a store holds that has published it: the version record, too."""
        r = self.record
        return contents(self.rows() + ([(r[0], r[1], r[3])] if r else []))


# ---- stores -------------------------------------------------------------------------

class Lite:
    """A SQLite file.  Opening it rolls back what a dead writer left."""
    late = False  # what was live is dropped in the commit, not after it

    def __init__(self, path, table):
        if not os.path.exists(path):
            raise SystemExit("postcondition: there is no file %s" % path)
        self.db = sqlite3.connect(path, timeout=30)
        self.path = path
        self.db.text_factory = bytes
        names = self.ask("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.names = [r[0].decode() for r in names]
        self.has = "kvferry_control" in self.names
        self.table = table

    def ask(self, sql):
        return self.db.execute(sql).fetchall()

    def dicts(self, what):
        c = self.db.execute("SELECT * FROM kvferry_%s" % what)
        return [dict(zip([d[0] for d in c.description], row)) for row in c.fetchall()]

    def objects(self):
        return [o for o in OBJECTS if "kvferry_" + o in self.names]

    def live_name(self, control):
        return control["live"].decode() if control else self.table

    def entries(self, name):
        """None: there is no such table."""
        if name not in self.names:
            return None
        rows = self.ask('SELECT * FROM "%s"' % name.replace('"', '""'))
        return [tuple(f if isinstance(f, bytes) else repr(f).encode() for f in r) for r in rows]

    def generation(self, g, control):
        return self.entries("kvferry_g%d" % g)

    def generations(self, control):
        return [int(n[9:]) for n in self.names if re.fullmatch("kvferry_g[0-9]+", n)]

    def shape(self, name):
        cols = self.ask("SELECT name, type, pk FROM pragma_table_xinfo('%s')" % name.replace("'", "''"))
        return [(a.decode(), b.decode(), p) for a, b, p in cols] == [
            ("partition_key", "BLOB", 1), ("key", "BLOB", 2), ("value", "BLOB", 0)]

    def guards(self):
        n = self.ask("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND"
                     " name GLOB 'kvferry_ledger_no_*' AND sql LIKE '%RAISE(ABORT%'")
        return n[0][0] == 3

    def damage(self):
        bad = [r[0].decode() for r in self.ask("PRAGMA integrity_check") if r[0] != b"ok"]
        return bad[:3]

    def version(self):
        return self.ask("PRAGMA user_version")[0][0]

    def others(self, control):
        """Everything that is not kvferry's: the legacy tables are among it."""
        mine = self.live_name(control)
        out = {}
        for name in self.names:
            if name == mine or name.startswith(("kvferry_", "sqlite_")):
                continue
            rows = self.ask('SELECT * FROM "%s"' % name.replace('"', '""'))
            out[name] = contents([tuple(repr(f).encode() for f in r) for r in rows])
        for kind, name, sql in self.ask("SELECT type, name, sql FROM sqlite_master WHERE type IN"
                                        " ('view', 'trigger', 'index') AND sql IS NOT NULL"):
            if not name.startswith(b"kvferry_"):
                out["%s %s" % (kind.decode(), name.decode())] = sql.decode()
        return out

    def leftovers(self):
        folder, base = os.path.split(os.path.abspath(self.path))
        return [f for f in os.listdir(folder) if f.startswith(base) and f != base and
                f[len(base):] not in ("-journal", "-wal", "-shm")]


class Postgres:
    late = False

    def __init__(self, place, table):
        self.place = place
        self.tables = set(self.ask("SELECT n.nspname || '.' || c.relname AS t FROM pg_class c JOIN"
                                   " pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
                                   " AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_)'", "t"))
        self.has = "kvferry.control" in self.tables
        self.table = table if "." in table else "public." + table

    def ask(self, sql, one=None):
        """Rows as objects; bytea become bytes."""
        text = "SELECT row_to_json(one_row)::text FROM (%s) one_row" % sql
        run = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.place, "-c", text],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if run.returncode:
            raise SystemExit("postcondition: psql: " + run.stderr.decode())
        rows = [json.loads(line) for line in run.stdout.decode().split("\n") if line]
        for row in rows:
            for k, v in row.items():
                if isinstance(v, str) and v.startswith("\\x"):
                    row[k] = bytes.fromhex(v[2:])
        return [r[one] for r in rows] if one else rows

    def dicts(self, what):
        return [{k: v.encode() if isinstance(v, str) else v for k, v in r.items()}
                for r in self.ask("SELECT * FROM kvferry.%s" % what)]

    def objects(self):
        return [o for o in OBJECTS if "kvferry." + o in self.tables]

    def live_name(self, control):
        if not control:
            return self.table
        return "%s.%s" % (control["live_schema"].decode(), control["live"].decode())

    def quoted(self, name):
        return ".".join('"%s"' % p.replace('"', '""') for p in name.split(".", 1))

    def entries(self, name):
        if name not in self.tables:
            return None
        rows = self.ask("SELECT * FROM " + self.quoted(name))
        return [tuple(v if isinstance(v, bytes) else repr(v).encode() for v in r.values()) for r in rows]

    def generation(self, g, control):
        return self.entries("kvferry_g%d.%s" % (g, control["live"].decode()))

    def generations(self, control):
        return [int(n[9:]) for n in self.ask("SELECT nspname FROM pg_namespace WHERE nspname ~"
                                             " '^kvferry_g[0-9]+$'", "nspname")]

    def shape(self, name):
        cols = self.ask("SELECT a.attname AS n, a.atttypid::regtype::text AS t FROM pg_attribute a WHERE"
                        " a.attrelid = '%s'::regclass AND a.attnum > 0 AND NOT a.attisdropped"
                        " ORDER BY a.attnum" % self.quoted(name).replace("'", "''"))
        key = self.ask("SELECT pg_get_constraintdef(oid) AS d FROM pg_constraint WHERE contype = 'p' AND"
                       " conrelid = '%s'::regclass" % self.quoted(name).replace("'", "''"), "d")
        return [tuple(c.values()) for c in cols] == [
            ("partition_key", "bytea"), ("key", "bytea"), ("value", "bytea")] and \
            key == ["PRIMARY KEY (partition_key, key)"]

    def guards(self):
        n = self.ask("SELECT count(*) AS n FROM pg_trigger WHERE tgrelid = 'kvferry.ledger'::regclass"
                     " AND tgname = 'append_only' AND tgenabled <> 'D'", "n")
        return n[0] == 1

    def damage(self):
        held = self.ask("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND database ="
                        " (SELECT oid FROM pg_database WHERE datname = current_database())", "n")[0]
        open_ = self.ask("SELECT count(*) AS n FROM pg_prepared_xacts WHERE database ="
                         " current_database()", "n")[0]
        return (["a lock is held"] if held else []) + (["a transaction is prepared"] if open_ else [])

    def version(self):
        return None

    def others(self, control):
        mine = self.live_name(control)
        out = {}
        for name in self.tables:
            if name != mine and not name.startswith("kvferry"):
                out[name] = contents([(json.dumps(r, default=repr, sort_keys=True).encode(),)
                                      for r in self.ask("SELECT * FROM " + self.quoted(name))])
        for row in self.ask("SELECT schemaname || '.' || viewname AS n, definition AS d FROM pg_views"
                            " WHERE schemaname !~ '^(pg_|information_|kvferry)'"):
            out["view " + row["n"]] = row["d"]
        return out

    def leftovers(self):
        return []


class Cockroach(Postgres):
    """By CockroachDB's rules no table moves: the control row says which one is live.
    Tables come before the transaction that needs them, and go after it; what a kill
    leaves goes with the next acquire, or cleanup."""
    late = True

    def __init__(self, place, table):
        super().__init__(place, table)
        self.has = self.has and bool(self.ask("SELECT id FROM kvferry.control"))

    def live_name(self, control):
        if control and control["active"]:
            rows = self.ask("SELECT run FROM kvferry.generations WHERE gen = %d" % control["active"], "run")
            if control["early"] == 1 or (rows and rows[0]):
                return "kvferry_g%d.%s" % (control["active"], control["live"].decode())
        return super().live_name(control)

    def generation(self, g, control):
        return None if g == control["active"] else super().generation(g, control)

    def guards(self):
        return True  # there are no triggers


def open_store(place, table):
    if place.startswith("cockroachdb:"):
        return Cockroach(place[12:], table)
    return Postgres(place, table) if re.search("=|^postgres(ql)?:", place) else Lite(place, table)


# ---- what was before ------------------------------------------------------------------

def plain(row):
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in sorted(row.items())}


def snapshot(store):
    control = store.dicts("control")[0] if store.has else None
    live = store.entries(store.live_name(control))
    return {
        "control": plain(control) if control else None,
        "live": None if live is None else contents(live),
        "entries": len(live or []),
        "version": store.version(),
        "others": store.others(control),
        "ledger": [plain(r) for r in sorted(store.dicts("ledger"), key=lambda r: r["id"])]
        if store.has else [],
    }


# ---- the postcondition -------------------------------------------------------------------

class Check:
    def __init__(self, store, before, streams, args):
        self.store, self.before, self.streams, self.args = store, before, streams, args
        self.wrong = []
        self.was = before["control"] or {"epoch": 0, "ver": 0, "prev": 0, "early": 0,
                                         "active": 1 if before["live"] else 0}
        # A live table with our record alone is nothing that was live.
        self.nothing = not before["entries"] or bool(self.was["early"])

    def must(self, holds, what):
        if not holds:
            self.wrong.append(what)
        return holds

    def run(self):
        s = self.store
        for what in s.damage():
            self.wrong.append("the database is damaged: " + what)
        self.must(not s.leftovers(), "files are left: %s" % ", ".join(s.leftovers()))
        if not s.has:
            return self.untouched()
        if not self.must(sorted(s.objects()) == sorted(OBJECTS), "some of kvferry's tables are missing"):
            return None
        rows = s.dicts("control")
        if not self.must(len(rows) == 1, "there are %d control rows" % len(rows)):
            return None
        self.c = c = rows[0]
        self.state = c["state"].decode()
        if not self.must(self.state in STATES, "the state is " + self.state):
            return None
        self.working = self.state in ("STAGING", "SEALED")
        self.rows = {g["gen"]: g for g in s.dicts("generations")}
        self.control()
        outcome = self.live()
        self.generations()
        self.previous()
        self.stage()
        self.ledger(outcome)
        others = s.others(c)
        for name in sorted(set(others) | set(self.before["others"])):
            self.must(others.get(name) == self.before["others"].get(name),
                      "%s is not what it was" % name)
        return "STAGED" if self.working and outcome == "OLD" else outcome

    def untouched(self):
        now = snapshot(self.store)
        for what in ("control", "live", "version", "others"):
            self.must(now[what] == self.before[what], "kvferry's tables are gone, or its %s" % what)
        return "OLD"

    def control(self):
        c = self.c
        self.must(c["id"] == 1, "the control row has another id")
        self.must(c["epoch"] >= self.was["epoch"], "the epoch fell from %d to %d" % (
            self.was["epoch"], c["epoch"]))
        self.must(c["epoch"] >= max(c["active"], c["stage"], c["prev"]),
                  "a generation is younger than the epoch")
        named = [g for g in (c["active"], c["stage"], c["prev"]) if g]
        self.must(len(named) == len(set(named)), "one generation is two of active, stage and previous")
        self.must(not (c["prev"] and c["prev_legacy"]), "there are two ways back")
        self.must(self.working == bool(c["stage"]), "%s with stage %d" % (self.state, c["stage"]))
        self.must(self.working == bool(c["run"]), "%s, and the owner is '%s'" % (
            self.state, c["run"].decode()))
        self.must(self.state != "LIVE" or c["active"], "LIVE without anything live")
        self.must(self.state != "IDLE" or not c["ver"], "IDLE with a schema version")
        self.must(c["early"] in (0, 1, 2), "the live table is early in an unknown way")
        self.must(not c["early"] or c["active"], "an early live table without a generation")
        self.must(not (c["early"] and (c["prev"] or c["prev_legacy"] or self.state == "LIVE")),
                  "the live table is early, and something was published")
        self.must(self.store.guards(), "the ledger is not append-only any more")

    def live(self):
        """OLD or NEW; what agrees with which."""
        s, c = self.store, self.c
        name = s.live_name(c)
        rows = s.entries(name)
        now = None if rows is None else contents(rows)
        self.must(rows is None or s.shape(name), "the live table has another layout")
        if c["early"]:
            return self.early(rows)
        old = c["active"] == self.was["active"] or (not c["active"] and self.nothing)
        if old:
            empty = now in (None, contents([])) and self.nothing
            self.must(now == self.before["live"] or empty,
                      "the live data are not what was live before")
            self.must(c["ver"] == self.was["ver"], "ver moved from %d to %d, the data did not" % (
                self.was["ver"], c["ver"]))
            self.must(s.version() == self.before["version"], "user_version moved, the data did not")
            return "OLD"
        for snap in self.args.others:
            if now == snap["live"] and c["ver"] == (snap["control"] or {"ver": 0})["ver"]:
                return "OLD"
        meta = self.rows.get(c["active"])
        if not self.must(meta is not None, "nothing is known of the live generation"):
            return None
        match = [t for t in self.streams if t.live() == now]
        if not self.must(match, "the live data are neither the old ones nor exactly one stream"):
            return "NEW"
        self.must(any(t.root == meta["root"] for t in match), "the root is not the live stream's")
        self.must(any(t.schema == c["ver"] == meta["ver"] for t in match),
                  "ver is %d, the live stream leads to %s" % (c["ver"], match[0].schema))
        size = sum(len(f) for row in match[0].rows() for f in row)
        self.must((meta["entries"], meta["bytes"]) == (len(match[0].rows()), size),
                  "the counts are not the live stream's")
        if match[0].app and s.version() is not None:
            self.must(s.version() == c["ver"], "user_version is not the schema version")
        return "NEW"

    def early(self, rows):
        """Nothing is live, and the version record says that the migration is not done."""
        c = self.c
        meta = self.rows.get(c["active"])
        if not self.must(meta is not None, "nothing is known of the live generation"):
            return "OLD"
        record = (meta["version_part"], meta["version_key"], meta["version_started"])
        self.must(rows is not None and contents(rows) == contents([record]),
                  "the live table is not just the version record of an unfinished migration")
        known = [tuple(t.record[:3]) for t in self.streams if t.record]
        self.must(record in known or contents([record]) == self.before["live"],
                  "that record is of no stream")
        self.must(not meta["published"], "it was published")
        self.must(self.nothing or any(not o["entries"] for o in self.args.others),
                  "what was live is gone")
        self.must(not c["ver"], "ver is %d, and nothing is live" % c["ver"])
        self.must(self.store.version() in [self.before["version"]] + [
            o["version"] for o in self.args.others], "user_version moved, the data did not")
        return "OLD"

    def generations(self):
        s, c = self.store, self.c
        keep = {c["active"], c["stage"], c["prev"]} - {0}
        tables = set(s.generations(c))
        # In PostgreSQL its schema may be there, empty, until somebody clears away.
        self.must(c["active"] not in tables or s.generation(c["active"], c) is None,
                  "the live generation is there twice")
        self.must(not c["prev"] or c["prev"] in tables, "the previous generation is gone")
        self.must(self.state != "SEALED" or c["stage"] in tables, "the sealed stage is gone")
        orphans = tables - keep
        self.must(all(g <= c["epoch"] + s.late for g in orphans), "a generation comes out of nowhere")
        if self.args.settled:
            self.must(not self.working, "the store is %s" % self.state)
            self.must(not orphans or s.late, "generations are left: %s" % sorted(orphans))
        # Runs that stopped between their acquire and their stage, or after their commit.
        allowed = keep | orphans | {self.was["active"], self.was["prev"], self.was.get("stage", 0)}
        allowed |= {g for g in self.rows if self.was["epoch"] < g <= c["epoch"]}
        self.must(keep <= set(self.rows), "nothing is known of generation %s" % sorted(
            keep - set(self.rows)))
        self.must(set(self.rows) <= (keep if self.args.settled and not s.late else allowed),
                  "generations are described that are not there")
        units = {u["gen"] for u in s.dicts("units")}
        self.must(units <= set(self.rows), "units of generations that are not there")

    def previous(self):
        """The way back leads to what was live, or to a stream that was between."""
        c = self.c
        if not c["prev"] or c["prev"] == self.was["prev"]:
            return
        rows = self.store.generation(c["prev"], c)
        good = [self.before["live"]] + [t.live() for t in self.streams] + [
            o["live"] for o in self.args.others]
        self.must(rows is None or contents(rows) in good, "the previous generation was changed")

    def stage(self):
        """A progress row and the entries of its chunk: both, or neither."""
        c = self.c
        progress = self.store.dicts("progress")
        self.must(all(p["gen"] in (c["stage"], c["active"], c["prev"]) or not self.args.settled
                      for p in progress), "progress of a generation that nobody fills")
        if not self.working:
            return
        mine = {(p["package"], p["chunk"]): p for p in progress if p["gen"] == c["stage"]}
        rows = self.store.generation(c["stage"], c)
        if rows is None:
            self.must(not mine, "progress without a stage")
            return
        if self.args.merge:
            return
        for t in self.streams:
            if all(k in t.chunks and t.chunks[k][0] == p["d"] and
                   p["entries"] == len(t.chunks[k][1]) for k, p in mine.items()):
                break
        else:
            self.must(False, "the stage holds chunks that are of no one stream")
            return
        want = [row for k in mine for row in t.chunks[k][1]]
        self.must(contents(rows) == contents(want), "the stage is not what its progress rows say")
        if self.state == "SEALED":
            self.must(set(mine) == set(t.chunks) and t.root == self.rows[c["stage"]]["root"],
                      "what is sealed is not a whole stream")

    def ledger(self, outcome):
        rows = [plain(r) for r in sorted(self.store.dicts("ledger"), key=lambda r: r["id"])]
        old = self.before["ledger"]
        self.must(rows[:len(old)] == old, "the ledger has forgotten or changed something")
        new = rows[len(old):]
        text = lambda r, k: bytes.fromhex(r[k] or "").decode()
        published = [r for r in new if text(r, "event") == "publish" and text(r, "outcome") == "ok"]
        back = [r for r in new if text(r, "event") == "rollback" and text(r, "outcome") == "ok"]
        if outcome == "NEW":
            run = self.rows[self.c["active"]]["run"].decode() if self.c["active"] in self.rows else ""
            if self.must(published, "the data are new, and the ledger does not know it"):
                last = published[-1]
                self.must(text(last, "run") == run and last["to_version"] == self.c["ver"],
                          "the ledger tells of another publication")
                document = json.loads(text(last, "document") or "{}")
                root = self.rows[self.c["active"]]["root"] or b""
                self.must(document.get("root") == root.hex(), "the ledger names another root")
        else:
            self.must(len(published) <= len(back), "the ledger tells of a publication that is not live")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mode", choices=["snapshot", "check"])
    p.add_argument("--table", default="kv")
    p.add_argument("--want", choices=["OLD", "STAGED", "NEW"])
    p.add_argument("--or", dest="others", action="append", default=[])
    p.add_argument("--settled", action="store_true")
    p.add_argument("--merge", action="store_true")
    p.add_argument("place")
    p.add_argument("before", nargs="?")
    p.add_argument("streams", nargs="*")
    args = p.parse_args()
    store = open_store(args.place, args.table)
    if args.mode == "snapshot":
        json.dump(snapshot(store), sys.stdout)
        return 0
    load = lambda path: json.load(open(path))
    args.others = [load(o) for o in args.others]
    check = Check(store, load(args.before), [Stream(s) for s in args.streams], args)
    outcome = check.run()
    if args.want and not check.wrong:
        check.must(outcome == args.want, "the store is %s, not %s" % (outcome, args.want))
    for line in check.wrong:
        print("U does not hold: " + line)
    if not check.wrong:
        print(outcome)
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
