"""Something happens at every named failpoint (src/base/failpoint.h).

A Scenario is a command on a store as it may be found.  An undisturbed run of it
tells which points it passes, and how often; a point that is passed more than three
times is tried at the first, the middle and the last pass.  A point of this kind of
store that no scenario passes is a failure.

kill    SIGKILL                 term, int  SIGTERM, SIGINT: ends by itself
twice   SIGINT, and at once a second one: ends at once, with 130
fail    the step fails; behind a COMMIT, its acknowledgement is lost
pair    for each state that such a kill leaves: SIGKILL at every point of the run
        that recovers.  States are told apart by the points that it passes
stop    SIGSTOP; the same command completes; SIGCONT: nothing changes
server  SIGSTOP; the server of PostgreSQL is stopped `immediate`; SIGCONT
meet    SIGSTOP; one to seven others come; SIGCONT

After each: U, for the source as well; then the command that finishes it ends as if
nothing had been, U.
"""
import collections
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import harness
import tables
from harness import POINTS

FREEZERS = 3  # legacy tables


class Scenario:
    """`args` on `image`; there `want` must hold in the end.

    before   the image whose snapshot is what was there before (default: image)
    others   images whose live data will do as well, after a rollback
    again    the command that recovers (default: the same)
    frozen   what the source is in the end: True, False, "gone" (its tables are)
    codes    how it may end where nothing happens to it, besides 0
    tables   what it does with those that it makes again: "made", "filled" (tables.py)
    """

    def __init__(self, name, image, args, want="NEW", before=None, others=(), again=None,
                 frozen=None, codes=(0,), tables=None):
        self.name, self.image, self.args, self.want = name, image, args, want
        self.before, self.others, self.again = before or image, others, again or args
        self.frozen, self.codes, self.tables = frozen, codes, tables


IMPORT = ["import", "-j", "1", "--replace", "new.kvf", "STORE"]
MIGRATE = ["migrate", "--freeze", "-j", "1", "--chunk", "4K", "-f", "../formats_legacy"]
SCENARIOS = [
    Scenario("import", "old", IMPORT),
    Scenario("failing", "old", ["import", "-j", "1", "--replace", "cut.kvf", "STORE"], codes=(6,),
             again=IMPORT),
    Scenario("migrate", "bare", MIGRATE + ["SOURCE", "STORE"], frozen=True),
    Scenario("in-place", "inplace", MIGRATE + ["STORE", "STORE"]),
    Scenario("abort", "frozen_half", ["abort", "STORE"], before="bare", want="OLD", frozen=False),
    Scenario("rollback", "replaced", ["rollback", "STORE", "--confirm", "RUN"], others=("old",),
             want="OLD"),
    Scenario("rollback-first", "frozen_done", ["rollback", "STORE", "--confirm", "RUN"],
             others=("bare",), want="OLD", frozen=False),
    Scenario("cleanup", "replaced", ["cleanup", "STORE", "--confirm", "RUN"], want="OLD"),
    Scenario("drop", "frozen_done", ["drop-legacy", "-f", "../formats_legacy", "SOURCE", "STORE",
                                     "--confirm", "RUN"], want="OLD", frozen="gone"),
    Scenario("export", "bare", ["export", "-j", "1", "--chunk", "4K", "-f", "../formats_legacy",
                                "--overwrite", "SOURCE", "out.kvf"], want="OLD", frozen=False),
    Scenario("tables", "old", ["import", "--as", "tables", "exact.kvf", "AGAIN"], want="OLD", tables="made",
             codes=(0, 13)),
    Scenario("back", "replaced", ["import", "--as", "tables", "-f", "FORMATS", "STORE", "AGAIN"], want="OLD",
             tables="filled", codes=(0, 13)),
]


# ---- what is there before ------------------------------------------------------------

class Images:
    """Made once for each kind of store; `runs` are those whose data are live."""
    made, runs = {}, {}

    @classmethod
    def make(cls, bench):
        kind = bench.store.kind
        if kind in cls.made:
            return
        known, store = cls.made.setdefault(kind, dict(bench.before)), bench.store
        if not os.path.isdir(os.path.join(harness.HOME, "formats_legacy")):
            shutil.copytree("formats2", "formats_legacy")
            with open("formats_legacy/application.yaml", "a") as f:
                f.write("drop: [%s]\n" % ", ".join(harness.NAMES))

        def keep(image, snapshot=True):
            known[image] = bench.snapshot() if snapshot else None
            if snapshot and (known[image]["control"] or {}).get("state") == b"LIVE".hex():
                cls.runs[kind, image] = cls.ran(bench)
            store.save(image, source=True)

        def must(rc, *args):
            got, said = bench.run(*fill(bench, args), program=POINTS)
            if got != rc:
                raise SystemExit("%s: exit %d: %s" % (args[0], got, said))

        store.fresh("old")
        cls.source(bench)
        must(0, *IMPORT)
        keep("replaced")
        cls.empty(bench)
        keep("bare")
        got, said = bench.run(*fill(bench, MIGRATE + ["SOURCE", "STORE"]), program=POINTS,
                              env={"KVF_FAILPOINT": "chunk.after:9:kill"})
        keep("frozen_half", snapshot=False)
        store.fresh("bare")
        must(0, *MIGRATE, "SOURCE", "STORE")
        keep("frozen_done")
        cls.empty(bench)
        cls.legacy(bench, store.place)
        keep("inplace")

    @staticmethod
    def ran(bench):
        rc, said = bench.run("rollback", "-n", "--json", bench.store.place)
        return json.loads(said)["result"]["confirm"]

    @staticmethod
    def empty(bench):
        """Neither a store nor a live table, but a table of somebody's, and the source."""
        store = bench.store
        if store.kind == "sqlite":
            for f in store.files(bench.folder):
                os.unlink(os.path.join(bench.folder, f))
        else:
            store.server("DROP DATABASE IF EXISTS %s WITH (FORCE)" % store.db,
                         "CREATE DATABASE " + store.db)
        store.ask("CREATE TABLE legacy (a int PRIMARY KEY)")
        store.ask("INSERT INTO legacy VALUES (1)")
        Images.source(bench)

    @staticmethod
    def source(bench):
        store = bench.store
        if store.kind != "sqlite":
            store.server("DROP DATABASE IF EXISTS %s_legacy WITH (FORCE)" % store.db,
                         "CREATE DATABASE %s_legacy" % store.db)
        Images.legacy(bench, store.source)

    @staticmethod
    def legacy(bench, place):
        """The tables that new.kvf is of."""
        rows = sqlite3.connect("new.db")
        if bench.store.kind == "sqlite":
            rows.execute("ATTACH '%s' AS there" % os.path.join(bench.folder, place[7:]))
            for t in harness.NAMES:
                rows.execute("CREATE TABLE there.%s (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL)" % t)
                rows.execute("INSERT INTO there.%s SELECT * FROM main.%s" % (t, t))
            rows.commit()
        else:
            a = harness.Asker(place.replace("cockroachdb:", ""))
            for t in harness.NAMES:
                a.ask("CREATE TABLE %s (id text PRIMARY KEY NOT NULL, body text NOT NULL)" % t)
                for row in rows.execute("SELECT * FROM %s" % t):
                    a.ask("INSERT INTO %s VALUES ('%s', '%s')" % (t, *row))
            a.close()
        rows.close()


def fill(bench, args, image=None):
    what = {"STORE": bench.store.place, "SOURCE": bench.store.source,
            "AGAIN": tables.place(bench), "FORMATS": "../formats_" + bench.store.kind,
            "RUN": Images.runs.get((bench.store.kind, image))}
    return [what.get(a, a) for a in args]


# ---- the source -----------------------------------------------------------------------

def source_is(bench, place):
    """Its tables are (True) frozen, (False) open, "gone", or something that cannot be."""
    if bench.store.kind == "sqlite":
        db = sqlite3.connect(os.path.join(bench.folder, place[7:]), timeout=5)
        one = lambda sql: db.execute(sql).fetchone()[0]
        guards = one("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE"
                     " 'kvferry_freeze_%'") / 3
        marks = one("SELECT count(*) FROM sqlite_master WHERE name = 'kvferry_freeze'")
        tables = one("SELECT count(*) FROM sqlite_master WHERE name IN ('%s', '%s', '%s')" % harness.NAMES)
        db.close()
    else:
        a = harness.Asker(place)
        one = lambda sql: int(a.ask(sql)[0])
        guards = one("SELECT count(*) FROM pg_trigger WHERE tgname = 'kvferry_freeze'")
        marks = one("SELECT count(*) FROM pg_namespace WHERE nspname = 'kvferry_freeze'")
        tables = one("SELECT count(*) FROM pg_class WHERE relname IN ('%s', '%s', '%s')" % harness.NAMES)
        a.close()
    if tables == 0 and not guards and not marks:
        return "gone"
    if tables == 3 and bool(guards) == bool(marks) and guards in (0, tables):
        return bool(guards)
    return "%d tables, %d frozen, %d markers" % (tables, guards, marks)


# ---- the cases --------------------------------------------------------------------------

class Points:
    """What all of them share; `hit` is one occurrence."""
    action, names, traces = "kill", None, {}

    def __init__(self, action="kill", names=None, each=3):
        self.action, self.names, self.each = action, names, each

    # What is the same there as on PostgreSQL, or refused.
    not_cockroach = ("in-place", "export", "tables", "back")

    def scenarios(self, bench):
        return [s for s in SCENARIOS if not self.names or s.name in self.names
                if bench.store.kind != "cockroach" or s.name not in self.not_cockroach]

    def passed(self, bench, scenario, args=None, as_it_is=False):
        """The points that an undisturbed run passes, in their order."""
        key = (bench.store.kind, scenario.name)
        if not as_it_is and key in self.traces:
            return self.traces[key]
        if not as_it_is:
            self.fresh(bench, scenario)
        file = os.path.join(bench.folder, "passed")
        rc, said = bench.run(*fill(bench, args or scenario.args, scenario.image), program=POINTS,
                             env={"KVF_FAILPOINT_TRACE": file})
        if rc and rc not in scenario.codes:
            raise SystemExit("%s, undisturbed: exit %d: %s" % (scenario.name, rc, said))
        names = open(file).read().split()
        for f in ("passed", "out.kvf"):
            if os.path.exists(os.path.join(bench.folder, f)):
                os.unlink(os.path.join(bench.folder, f))
        if not as_it_is:
            self.traces[key] = names
        return names

    def some(self, names):
        """(name, pass): the first, the middle and the last."""
        for name, n in collections.Counter(names).items():
            for i in sorted({1, (n + 1) // 2, n} if self.each == 3 else {1}):
                yield name, i

    def items(self, bench):
        self.prepare(bench)
        found, reached = [], set()
        for s in self.scenarios(bench):
            names = self.passed(bench, s)
            reached.update(names)
            found += [(s.name, *p) for p in self.some(names)]
        if not self.names:
            other = {"sqlite": ("postgres.", "cockroach."), "postgres": ("sqlite.", "cockroach.")}
            every = subprocess.run([POINTS], env=dict(os.environ, KVF_FAILPOINT="list"),
                                   stdout=subprocess.PIPE, text=True).stdout.split()
            mine = [n for n in every if n.startswith("cockroach.")] if bench.store.kind == "cockroach" else [
                n for n in every if not n.startswith(other[bench.store.kind])]
            never = sorted(set(mine) - reached)
            bench.must(every and not never, "no run passes %s" % ", ".join(never))
        return found

    def prepare(self, bench):
        Images.make(bench)
        Points.by_name = {s.name: s for s in SCENARIOS}
        cut = os.path.join(harness.HOME, "cut.kvf")
        if not os.path.exists(cut):
            whole = open("new.kvf", "rb").read()
            with open(cut, "wb") as f:
                f.write(whole[:len(whole) * 2 // 3])
            with open(os.path.join(harness.HOME, "whole.l1"), "wb") as f:
                subprocess.run(["zstd", "-dcq", "new.kvf"], stdout=f, check=True)
        tables.prepare(bench)
        link = os.path.join(bench.folder, "cut.kvf")
        if not os.path.exists(link):
            os.link(cut, link)

    def extra(self, found):
        return []

    def fresh(self, bench, s):
        bench.store.fresh(s.image)
        if s.tables:
            tables.begin(bench, s.tables)

    def known(self, bench, image):
        return Images.made[bench.store.kind][image]

    def judge(self, bench, s, **how):
        """U; in the end, what the scenario wants."""
        args = {"others": [self.known(bench, o) for o in s.others], **how}
        return bench.holds(self.known(bench, s.before), ["new"], **args)

    def source(self, bench, s, end):
        if s.frozen is None:
            return
        now = source_is(bench, bench.store.source)
        # A marker may outlive the tables, until the command has been given again.
        bench.must(now in (True, False, "gone") or not end and s.frozen == "gone" and "0 tables" in now,
                   "the source is half frozen: %s" % now)
        bench.must(not end or now == s.frozen, "the source, in the end: frozen %s" % now)

    def made(self, bench, s):
        """Its tables are whole: there is nothing to do any more."""
        if not s.tables:
            return False
        now = tables.state(bench, s.tables)
        bench.must(now in ("whole", "before"), "the tables are neither whole nor as before: " + now)
        return now == "whole"

    def disturbed(self, bench, s, point, n, action):
        return bench.run(*fill(bench, s.args, s.image), program=POINTS,
                         env={"KVF_FAILPOINT": "%s:%d:%s" % (point, n, action)})

    allowed = {"kill": {-signal.SIGKILL}, "term": {0, 143}, "int": {0, 130}, "twice": {130},
               "fail": {0, 5, 6, 8, 13}}

    def one(self, bench, item, hit=True):
        name, point, n = item
        s = self.by_name[name]
        self.prepare(bench)
        self.fresh(bench, s)
        rc, said = self.disturbed(bench, s, point, n, self.action)
        bench.must(rc in self.allowed[self.action] or rc in s.codes and rc,
                   "exit %d: %s" % (rc, said[:300]))
        self.after(bench, s, rc, said)

    def after(self, bench, s, rc, said):
        outcome = self.judge(bench, s)
        self.source(bench, s, False)
        if s.name in ("import", "migrate", "in-place", "failing"):
            # The second signal ends it at once, without a word.
            bench.true_end(-signal.SIGINT if self.action == "twice" else rc, said, outcome)
        bench.tally[outcome if rc else "exit 0"] += 1
        self.finish(bench, s)

    def finish(self, bench, s):
        """What recovers, undisturbed."""
        rc, said = bench.run("status", bench.store.place)
        bench.must(rc == 0 or s.name in ("migrate", "in-place", "export"),
                   "status: exit %d: %s" % (rc, said[:300]))
        # Tables that are there are not made once more.
        want = 13 if self.made(bench, s) else 0
        rc, said = bench.run(*fill(bench, s.again, s.image), program=POINTS)
        bench.must(rc == want, "the next run: exit %d: %s" % (rc, said[:400]))
        bench.must(not s.tables or self.made(bench, s), "the next run does not make the tables")
        self.source(bench, s, True)
        self.judge(bench, s, want=s.want, settled=True, after="the next run")
        if s.name == "export":
            here = os.path.join(bench.folder, "out.kvf")
            same = subprocess.run("zstd -dcq out.kvf | cmp - ../whole.l1", shell=True, cwd=bench.folder)
            bench.must(same.returncode == 0, "the stream is another one")
            os.unlink(here)
        bench.tidy()


class Pair(Points):
    """Killed again: an item is where the first run is killed, and where the second."""

    def items(self, bench):
        self.prepare(bench)
        found, seen = [], set()
        for s in self.scenarios(bench):
            for first in self.some(self.passed(bench, s)):
                self.fresh(bench, s)
                self.disturbed(bench, s, *first, "kill")
                names = self.passed(bench, s, args=s.again, as_it_is=True)
                if (s.name, *names) not in seen:
                    seen.add((s.name, *names))
                    found += [(s.name, *first, *p) for p in self.some(names)]
        return found

    def one(self, bench, item, hit=True):
        s = self.by_name[item[0]]
        self.prepare(bench)
        self.fresh(bench, s)
        for point, n, args in ((*item[1:3], s.args), (*item[3:], s.again)):
            rc, said = bench.run(*fill(bench, args, s.image), program=POINTS,
                                 env={"KVF_FAILPOINT": "%s:%d:kill" % (point, n)})
            # Source and store are two threads of a migrate: what the first one left may
            # be a step earlier or later than when it was looked at.
            if rc == 0 and s.args[0] == "migrate":
                bench.tally["not met"] += 1
                break
            bench.must(rc == -signal.SIGKILL, "it was not hit: exit %d: %s" % (rc, said[:300]))
        self.after(bench, s, rc, said)


class Stopped(Points):
    """A process that is stopped at a point, and what happens meanwhile."""
    patience = {"KVF_FAILPOINT_PATIENCE": "600"}

    def stop(self, bench, s, point, n):
        """The process, once it is stopped."""
        run = bench.start(*fill(bench, s.args, s.image), program=POINTS,
                          env={"KVF_FAILPOINT": "%s:%d:stop" % (point, n), **self.patience})
        for _ in range(3000):
            if run.poll() is not None:
                break
            if "\nState:\tT" in open("/proc/%d/status" % run.pid).read():
                return run
            time.sleep(0.01)
        bench.must(False, "it does not stop: %s" % run.poll())
        return run

    def one(self, bench, item, hit=True):
        name, point, n = item
        s = self.by_name[name]
        self.prepare(bench)
        self.fresh(bench, s)
        run = self.stop(bench, s, point, n)
        try:
            if run.poll() is None:
                self.meanwhile(bench, s, run, point)
        finally:
            if run.poll() is None:
                run.kill()
            run.stdout.close()
            run.stderr.close()
            run.wait()

    def go_on(self, bench, run):
        os.kill(run.pid, signal.SIGCONT)
        return bench.end(run)


class Stop(Stopped):
    """Another run completes; the one that wakes up changes nothing."""

    def meanwhile(self, bench, s, run, point):
        takes = s.args[0] in ("import", "migrate", "abort") and not s.tables
        owner = False
        try:
            owner = takes and bool(bench.store.ask("SELECT stage FROM {c} WHERE stage <> 0"))
        except (sqlite3.Error, SystemExit):
            pass
        how = ["--takeover"] if takes else []
        rc, said = bench.run(s.again[0], *how, *fill(bench, s.again, s.image)[1:], program=POINTS,
                             env=self.patience)
        # A lock of the file's, or of a table's, is one that a stopped process keeps.
        held = rc in (4, 5, 8, 13)
        bench.must(rc == 0 or held, "the other run: exit %d: %s" % (rc, said[:300]))
        if held:
            bench.must("Nothing was changed" in said or "No table was dropped" in said or
                       "othing was published" in said or "lock" in said, "it does not say what is so: " + said[:300])
        then = self.now(bench) if rc == 0 else None
        rc, said = self.go_on(bench, run)
        if held:
            bench.tally["locked"] += 1
            bench.must(rc in (0, 5, 8, 13) or rc in s.codes, "the run that held the lock: exit %d: %s" % (rc, said[:300]))
        else:
            # Abort takes no store: who gives nothing up any more has nothing to do.
            owner = owner and s.name != "abort" and s.image not in ("frozen_half",)
            bench.tally["overtaken" if owner else "not the owner"] += 1
            bench.must(rc in ((8, *filter(None, s.codes)) if owner else (0, 4, 5, 6, 8, 9, 11, 13)),
                       "the run that woke up: exit %d: %s" % (rc, said[:300]))
            if rc and rc not in s.codes:
                bench.must(self.now(bench) == then, "the run that woke up changed something")
        self.judge(bench, s, after="the run that woke up")
        self.source(bench, s, False)
        self.finish(bench, s)

    def now(self, bench):
        """All that is there, but for who came last."""
        store = bench.store.open()
        try:
            if not store.has:
                return None
            control = store.dicts("control")[0]
            return (repr([control[k] for k in ("epoch", "state", "ver", "active", "stage", "prev")]),
                    repr(store.dicts("ledger")), repr(store.entries(store.live_name(control))))
        finally:
            bench.store.shut(store)


class Server(Stopped):
    """The server ends without a word, and comes again: before the run goes on, or after."""

    def stop(self, bench, s, point, n):
        # The copy of a template has sequences whose next values are not in the log, so
        # that they would go back in a crash; after a checkpoint they are logged anew.
        bench.store.server("CHECKPOINT")
        return super().stop(bench, s, point, n)

    def script(self, bench, what):
        bench.store.close()
        subprocess.run(["sh", "-c", '. "$TOP/tests/support/pgtmp.sh"; ' + what], check=True,
                       stdout=subprocess.DEVNULL)

    def meanwhile(self, bench, s, run, point):
        late = "commit" in point
        self.script(bench, "pg_stop immediate" if late else "pg_stop immediate; pg_again")
        os.kill(run.pid, signal.SIGCONT)
        if late:
            time.sleep(0.5)
            self.script(bench, "pg_again")
        rc, said = bench.end(run)
        bench.must(rc in (0, 4, 5, 8, 13) or rc in s.codes, "exit %d: %s" % (rc, said[:300]))
        self.after(bench, s, rc, said)


class Meet(Stopped):
    """One is stopped at the point while one to seven others come; then it goes on."""

    def stop(self, bench, s, point, n):
        # The server would end the session that is stopped, and nobody would publish.
        self.patience = Stopped.patience if bench.store.kind == "sqlite" else {}
        return super().stop(bench, s, point, n)

    def meanwhile(self, bench, s, run, point):
        many = 2 + sum(point.encode()) % 7
        others = [bench.start(*fill(bench, s.args, s.image), program=POINTS, env=self.patience)
                  for _ in range(many - 1)]
        ended = [bench.end(p) for p in others]
        ended.append(self.go_on(bench, run))
        good = sum(rc == 0 for rc, _ in ended)
        for rc, said in ended:
            bench.must(rc in (0, 5, 8, 9, 13), "exit %d: %s" % (rc, said[:300]))
        bench.must(good, "nobody has published: %s" % [(rc, said[:150]) for rc, said in ended])
        bench.tally["%d of %d published" % (good, many) if good == many else
                    "1 published" if good == 1 else "some published"] += 1
        self.judge(bench, s, want=s.want, after="all of them")
        self.finish(bench, s)
