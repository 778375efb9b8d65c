"""What the cases of `make torture` share: streams, stores, runs, and their judgement.

A Bench is where one run at a time happens: a folder and a store.  It notes what it
finds wrong; nothing it finds is an exception.  The universal postcondition is
tests/support/postcondition.py, which knows nothing of kvferry's code.
"""
import argparse
import base64
import collections
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

TOP = os.environ["TOP"]
BIN = os.path.join(os.getcwd(), "bin")  # run.sh has copied them there
K = BIN + "/kvferry"
POINTS = BIN + "/kvferry-points"  # the same with named failpoints
PGPROXY = BIN + "/pgproxy"
HAVE_PG = bool(os.environ.get("TORTURE_PG"))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
import postcondition  # noqa: E402

HOME = os.getcwd()
PATIENCE = 150  # seconds; a run that takes longer hangs
# They are in every value, every key, and in one password, and nowhere else.
SECRETS = ["CANARY" + what for what in ("value", "key", "password")]


def forms(secret):
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw)[:-2]]


HIDDEN = {s: forms(s) for s in SECRETS}

APPLICATION = """application: torture
store:
  version: {partition: meta, key: version, started: "%d0", done: "%d"}
packages: [accounts, notes, orders]
"""
PACKAGE = """package: %(name)s
version: 1
records:
  row:
    table: %(name)s
    entries:
      - {partition: %(name)s, key: "{id}", value: row}
values:
  row:
    encoding: json
    fields:
      body: string
"""
NAMES = ("accounts", "notes", "orders")


def make_stream(name, version, rows, size):
    """NAME.kvf: three packages; other names are other data behind the same head."""
    folder = "formats%d" % version
    if not os.path.isdir(folder):
        os.mkdir(folder)
        with open(folder + "/application.yaml", "w") as f:
            f.write(APPLICATION % (version, version))
        for package in NAMES:
            with open("%s/%s.yaml" % (folder, package), "w") as f:
                f.write(PACKAGE % {"name": package})
    db = sqlite3.connect(name + ".db")
    for package in NAMES:
        db.execute("CREATE TABLE %s (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL)" % package)
        db.executemany("INSERT INTO %s VALUES (?, ?)" % package, (
            ("CANARYkey%03d" % i, "CANARYvalue %s %d " % (name, i) + "%04d" % i * (size // 4))
            for i in range(rows)))
    db.commit()
    db.close()
    subprocess.run([K, "export", "-q", "--chunk", "4K", "-f", folder, "sqlite:%s.db" % name,
                    name + ".kvf"], check=True)


def make_streams():
    make_stream("old", 1, 8, 1400)
    make_stream("new", 2, 24, 1400)      # 3 packages, 24 chunks
    make_stream("small", 2, 3, 1400)     # 3 packages, 3 chunks
    for name in "abcd":
        make_stream(name, 2, 24, 1400)
    info = json.loads(subprocess.run([K, "info", "--json", "new.kvf"], check=True,
                                     stdout=subprocess.PIPE).stdout)["result"]["packages"]
    chunks = sum(int(p["chunks"]) for p in info)
    if len(info) < 3 or chunks < 20:
        raise SystemExit("the stream has %d packages, %d chunks" % (len(info), chunks))
    return {n: postcondition.Stream(n + ".kvf") for n in ("old", "new", "small", *"abcd")}


class Asker:
    """One psql that answers many questions."""

    def __init__(self, db):
        self.p = subprocess.Popen(["psql", "-XqAt", "-d", db], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ask(self, sql):
        self.p.stdin.write(sql.encode() + b"\n;\n\\echo ---END\n")
        self.p.stdin.flush()
        lines = []
        while True:
            line = self.p.stdout.readline()
            if not line:
                raise SystemExit("psql ended: %s" % lines)
            if line == b"---END\n":
                break
            lines.append(line.decode().rstrip("\n"))
        if any(x.startswith(("ERROR:", "FATAL:", "psql:")) for x in lines):
            raise SystemExit("psql: %s" % "; ".join(lines))
        return [x for x in lines if not x.startswith(("NOTICE", "WARNING"))]

    def close(self):
        self.p.stdin.close()
        self.p.stdout.read()
        self.p.wait()


class Quick:
    """The checker's store, with one psql for all of its questions."""

    def __init__(self, place, table):
        self.asker = Asker(place)
        super().__init__(place, table)

    def ask(self, sql, one=None):
        rows = [json.loads(x) for x in
                self.asker.ask("SELECT row_to_json(one_row)::text FROM (%s) one_row" % sql)]
        for row in rows:
            for k, v in row.items():
                if isinstance(v, str) and v.startswith("\\x"):
                    row[k] = bytes.fromhex(v[2:])
        return [r[one] for r in rows] if one else rows


class QuickPostgres(Quick, postcondition.Postgres):
    pass


class QuickCockroach(Quick, postcondition.Cockroach):
    pass


class Lite:
    kind = "sqlite"

    def __init__(self, bench):
        self.folder, self.place, self.source = bench.folder, "sqlite:store.db", "sqlite:legacy.db"
        self.file = os.path.join(bench.folder, "store.db")

    def files(self, folder):
        return [f for f in os.listdir(folder) if f.startswith(("store.db", "legacy.db"))]

    def copy(self, a, b):
        """With what a dead process left beside it."""
        os.makedirs(b, exist_ok=True)
        for f in self.files(b):
            os.unlink(os.path.join(b, f))
        for f in self.files(a):
            shutil.copy(os.path.join(a, f), b)

    def fresh(self, image):
        self.copy(os.path.join(HOME, "sqlite." + image), self.folder)
        if "frozen" in image:  # the store knows its source by the path
            self.ask("UPDATE {c} SET frozen = 'sqlite:%s/legacy.db' WHERE frozen <> ''" % self.folder)

    def save(self, image, source=False):
        self.copy(self.folder, os.path.join(HOME, "sqlite." + image))

    def quiet(self):
        pass

    def close(self):
        pass

    def open(self):
        # A copy is looked at: what is to be recovered here is left to kvferry.
        look = os.path.join(self.folder, "look")
        self.copy(self.folder, look)
        return postcondition.Lite(os.path.join(look, "store.db"), "kv")

    def shut(self, store):
        store.db.close()

    def ask(self, sql):
        db = sqlite3.connect(self.file, timeout=1)
        try:
            with db:
                return db.execute(sql.replace("{c}", "kvferry_control")).fetchall()
        finally:
            db.close()


class Pg:
    kind = "postgres"

    def __init__(self, bench):
        self.db, self.admin = "t_" + bench.name, None
        self.place, self.source = "dbname=" + self.db, "dbname=" + self.db + "_legacy"

    def server(self, *statements):
        """By one psql that stays: to start one costs more than what it is asked."""
        if not self.admin:
            self.admin = Asker("dbname=postgres")
        for s in statements:
            out = self.admin.ask(s)
        return out

    def close(self):
        if self.admin:
            self.admin.close()
            self.admin = None

    # An image has the legacy database beside the store, or has none.
    with_source = set()

    def create(self, db, image):
        # Files are copied, where the server can be told so, and nothing goes to its log.
        how = "" if self.server("SHOW server_version_num") < ["150000"] else " STRATEGY FILE_COPY"
        self.server("DROP DATABASE IF EXISTS %s WITH (FORCE)" % db,
                    "CREATE DATABASE %s TEMPLATE img_%s%s" % (db, image, how))

    def fresh(self, image):
        image = self.kind + "_" + image
        self.create(self.db, image)
        if image in self.with_source:
            self.create(self.db + "_legacy", image + "_legacy")
        if "frozen" in image:  # the store knows its source by the name
            self.ask("UPDATE {c} SET frozen = regexp_replace(frozen, 't_[a-z_0-9]*_legacy',"
                     " '%s_legacy') WHERE frozen <> ''" % self.db)

    def save(self, image, source=False):
        self.quiet()
        image = self.kind + "_" + image
        self.server("DROP DATABASE IF EXISTS img_%s WITH (FORCE)" % image,
                    "CREATE DATABASE img_%s TEMPLATE %s" % (image, self.db))
        if source:
            self.with_source.add(image)
            self.server("DROP DATABASE IF EXISTS img_%s_legacy WITH (FORCE)" % image,
                        "CREATE DATABASE img_%s_legacy TEMPLATE %s_legacy" % (image, self.db))

    def quiet(self):
        """Until no session of kvferry's is left: the server needs a while to notice."""
        for _ in range(300):
            if self.server("SELECT count(*) FROM pg_stat_activity WHERE datname IN ('%s', '%s_legacy',"
                           " '%s_again')" % (self.db, self.db, self.db)) == ["0"]:
                return
            time.sleep(0.02)
        raise SystemExit("a connection is left: %s" % self.server(
            "SELECT state, query FROM pg_stat_activity WHERE datname = '%s'" % self.db))

    def open(self):
        return QuickPostgres(self.place, "kv")

    def shut(self, store):
        store.asker.close()

    def ask(self, sql):
        a = Asker("dbname=" + self.db)
        try:
            a.ask("SET lock_timeout = 300")
            return a.ask(sql.replace("{c}", "kvferry.control"))
        finally:
            a.close()


class Roach(Pg):
    """By the rules of CockroachDB, on the same server."""
    kind = "cockroach"

    def __init__(self, bench):
        super().__init__(bench)
        self.place = "cockroachdb:" + self.place

    def open(self):
        return QuickCockroach("dbname=" + self.db, "kv")


class Bench:
    def __init__(self, name, kind, streams):
        self.name, self.streams = name, streams
        self.folder = os.path.join(HOME, "bench." + name)
        os.makedirs(self.folder, exist_ok=True)
        for s in streams:
            link = os.path.join(self.folder, s + ".kvf")
            if not os.path.exists(link):
                os.link(os.path.join(HOME, s + ".kvf"), link)
        self.store = {"sqlite": Lite, "postgres": Pg, "cockroach": Roach}[kind](self)
        self.wrong, self.tally, self.said = [], collections.Counter(), ""

    def must(self, holds, what):
        if not holds:
            self.wrong.append(what)
        return holds

    # ---- runs ----

    def start(self, *args, wrap=(), env=None, program=K):
        return subprocess.Popen([*wrap, program, *args], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=dict(os.environ, **(env or {})))

    def end(self, p, secrets=SECRETS):
        """(exit status, all that it said); nothing of it may be a secret."""
        try:
            out, err = p.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            self.must(False, "it hangs")
        self.heard(out + err, secrets)
        self.said = (out + err).decode(errors="replace")
        return p.returncode, self.said

    def run(self, *args, **how):
        return self.end(self.start(*args, **how))

    def heard(self, text, secrets=SECRETS):
        for s in secrets:
            if any(form in text for form in HIDDEN[s]):
                self.must(False, "it tells the secret of the %s: %s" % (
                    s[6:], text.decode(errors="replace")[:300]))

    def load(self, stream="new", *options):
        return ("import", "-j", "1", "--replace", *options, stream + ".kvf", self.store.place)

    # ---- judgement ----

    def holds(self, before, streams, want=None, settled=False, after="the fault", others=()):
        """U; what the store is, or None."""
        args = argparse.Namespace(others=list(others), want=want, settled=settled, merge=False)
        try:
            self.store.quiet()
            store = self.store.open()
            try:
                check = postcondition.Check(store, before, [self.streams[s] for s in streams], args)
                outcome = check.run()
                if want:
                    check.must(outcome == want, "the store is %s, not %s" % (outcome, want))
            finally:
                self.store.shut(store)
        except (SystemExit, sqlite3.Error) as e:
            self.must(False, "after %s: %s" % (after, e))
            return None
        for w in check.wrong:
            self.must(False, "U, after %s: %s" % (after, w))
        return outcome

    def snapshot(self):
        self.store.quiet()
        store = self.store.open()
        try:
            return postcondition.snapshot(store)
        finally:
            self.store.shut(store)

    def tidy(self):
        known = {s + ".kvf" for s in self.streams} | {
            "store.db-journal", "legacy.db-journal",  # SQLite's: the next who writes takes it away
            "cut.kvf", "exact.kvf", "store.db", "legacy.db", "again.db", "again.db-journal", "look", "trace", "counts", "report", "passed"}
        left = set(os.listdir(self.folder)) - known
        self.must(not left, "left behind: %s" % sorted(left))

    def true_end(self, rc, said, outcome):
        """U1: what it said is so."""
        if rc == 0:
            self.must(outcome == "NEW", "exit 0, and the store is %s" % outcome)
        if rc and rc > 0:
            self.must(said.strip(), "exit %d without a word" % rc)
        if "othing was published" in said or "othing was changed" in said:
            self.must(outcome != "NEW", "it says that nothing was published, and it was")
        for word in ("Segmentation", "runtime error:", "Sanitizer", "assert"):
            self.must(word not in said, "it says '%s'" % word)
        self.must(rc is None or rc >= 0 or -rc in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
                  "it dies of signal %d" % -(rc or 0))

    def recovers(self, before, streams, command):
        """The same command, undisturbed, ends as if nothing had been."""
        rc, said = self.run("status", self.store.place)
        self.must(rc == 0, "status: exit %d: %s" % (rc, said[:300]))
        rc, said = self.run(*command)
        self.must(rc == 0, "the next run: exit %d: %s" % (rc, said[:400]))
        self.holds(before, streams, want="NEW", settled=True,
                   after="the next run")
        self.tidy()
