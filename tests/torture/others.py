"""Runs that meet, backups of a store that a run holds, and secrets.

meet     two to eight imports at once, of one stream and of several with the same
         head: those that end with 0 published; what is live is one of theirs
backup   while a run holds the store: `kvferry backup` and the database's own
         backup; neither restored copy needs a lock to be purged
secret   password, keys and values, at every verbosity, in failures, and in what
         kvferry keeps in the store.  (Every run of every other case is searched, too.)
"""
import os
import random
import shutil
import subprocess
import time

from harness import HIDDEN, K, PGPROXY, SECRETS


class Meet:
    """An item: how many, how many different streams, and a seed for when they begin."""
    rounds = 3

    def items(self, bench):
        return [(n, kinds, seed) for seed in range(self.rounds) for n in range(2, 9)
                for kinds in (1, 2, 4) if kinds <= n]

    def extra(self, found):
        return []

    def one(self, bench, item, hit=True):
        n, kinds, seed = item
        dice = random.Random(repr(item))
        before = bench.before["old"]
        bench.store.fresh("old")
        runs = []
        for i in range(n):
            stream = "abcd"[i % kinds]
            runs.append((stream, bench.start(*bench.load(stream))))
            if seed:
                time.sleep(dice.random() * 0.05 * seed)
        ended = [(stream, *bench.end(p)) for stream, p in runs]
        for stream, rc, said in ended:
            # 9: the unfinished run of another stream, whose process has just ended
            bench.must(rc in (0, 8, 9), "exit %d: %s" % (rc, said[:300]))
            bench.true_end(None, said.replace("othing was changed", ""), None)
        good = sorted({stream for stream, rc, said in ended if rc == 0})
        bench.must(good, "nobody has published: %s" % [(e[0], e[1], e[2][:200]) for e in ended])
        outcome = bench.holds(before, good or "abcd", want="NEW" if good else None)
        bench.tally["%d published" % sum(rc == 0 for _, rc, _ in ended)] += 1
        bench.recovers(before, "abcd", bench.load("a"))


class Backup:
    """An item: by whom, and how much of the holder's stream has arrived."""

    def items(self, bench):
        return [(how, part) for how in ("kvferry", "database") for part in (30, 60, 90)]

    def extra(self, found):
        return []

    def one(self, bench, item, hit=True):
        how, part = item
        before = bench.before["old"]
        bench.store.fresh("old")
        stream = open(os.path.join(bench.folder, "new.kvf"), "rb").read()
        run = subprocess.Popen([K, "import", "-j", "1", "--replace", "-", bench.store.place],
                               cwd=bench.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        try:
            run.stdin.write(stream[:len(stream) * part // 100])
            run.stdin.flush()
            self.until_held(bench, run)
            if how == "kvferry":
                self.by_kvferry(bench)
            else:
                self.by_database(bench, before)
            run.stdin.write(stream[len(stream) * part // 100:])
            rc, said = bench.end(run)
            bench.must(rc == 0, "the run that held the store: exit %d: %s" % (rc, said[:300]))
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
        bench.holds(before, ["new"], want="NEW")
        for f in os.listdir(bench.folder):
            if f.startswith("copy"):
                os.unlink(os.path.join(bench.folder, f))

    def until_held(self, bench, run):
        time.sleep(0.5)
        for _ in range(100):
            try:
                if bench.store.ask("SELECT stage FROM {c} WHERE stage <> 0"):
                    return
            except Exception:
                pass
            time.sleep(0.1)
        bench.must(False, "the run does not take the store: %s" % run.poll())

    def copy_place(self, bench):
        if bench.store.kind == "sqlite":
            return "sqlite:copy.db"
        bench.store.server("DROP DATABASE IF EXISTS copy_%s WITH (FORCE)" % bench.name,
                           "CREATE DATABASE copy_%s" % bench.name)
        return "dbname=copy_" + bench.name

    def by_kvferry(self, bench):
        place = self.copy_place(bench)
        rc, said = bench.run("backup", bench.store.place, "copy.kvf")
        bench.must(rc == 0, "backup: exit %d: %s" % (rc, said[:300]))
        for command in (("import", "copy.kvf", place), ("verify", "copy.kvf", place),
                        ("import", "--replace", "new.kvf", place)):
            rc, said = bench.run(*command)
            bench.must(rc == 0, "%s: exit %d: %s" % (command[0], rc, said[:300]))
            bench.must("resuming" not in said and "taking over" not in said, "a lock came along: " + said)
        bench.tally["restored"] += 1

    def by_database(self, bench, before):
        place = self.copy_place(bench)
        if bench.store.kind == "sqlite":
            subprocess.run(["sqlite3", "store.db", ".timeout 10000", ".backup copy.db"],
                           cwd=bench.folder, check=True)
        else:
            dump = subprocess.run(["pg_dump", "-d", bench.store.place], check=True,
                                  stdout=subprocess.PIPE).stdout
            subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", place], input=dump,
                           check=True, stdout=subprocess.DEVNULL)
        # The copy holds the control row of the run that is at work elsewhere.  One
        # command goes on there, and neither that run nor its store hears of it.
        rc, said = bench.run("status", place)
        bench.must(rc == 0, "status of the copy: exit %d: %s" % (rc, said[:300]))
        rc, said = bench.run("import", "--replace", "--takeover", "new.kvf", place)
        bench.must(rc == 0, "import into the copy: exit %d: %s" % (rc, said[:300]))
        rc, said = bench.run("verify", "new.kvf", place)
        bench.must(rc == 0, "verify of the copy: exit %d: %s" % (rc, said[:300]))
        bench.tally["restored"] += 1


class Secret:
    """Every run here is searched for what Bench.heard() knows; and so is the store."""
    options = [(), ("-v",), ("-vv",), ("--json",), ("-q",)]

    def items(self, bench):
        faults = ["", "damaged", "cut", "refused", "conflict"]
        if bench.store.kind == "postgres":
            faults += ["fail 53100 %d" % n for n in (3, 8, 12, 16, 20, 24)] + ["password"]
        return [(fault, o) for fault in faults for o in self.options]

    def extra(self, found):
        return []

    def place(self, bench, password=SECRETS[2]):
        if bench.store.kind == "sqlite":
            return bench.store.place
        return "%s user=torture password=%s" % (bench.store.place, password)

    def one(self, bench, item, hit=True):
        fault, options = item
        before = bench.before["old"]
        bench.store.fresh("old")
        if bench.store.kind == "postgres":
            bench.store.server("DO $$ BEGIN CREATE ROLE torture SUPERUSER LOGIN PASSWORD '%s';"
                               " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                               % SECRETS[2])
        stream, place, wrap, want = "new.kvf", self.place(bench), (), {0}
        file = os.path.join(bench.folder, "copy.kvf")
        shutil.copy(os.path.join(bench.folder, "new.kvf"), file)
        how = ("--replace",)
        if fault == "damaged":
            with open(file, "r+b") as f:
                f.seek(os.path.getsize(file) // 2)
                f.write(b"CANARY")
            stream, want = "copy.kvf", {6}
        elif fault == "cut":
            os.truncate(file, os.path.getsize(file) // 2)
            stream, want = "copy.kvf", {6}
        elif fault == "refused":
            how, want = (), {13}
        elif fault == "conflict":
            how, want = ("--merge",), {5}  # it names the keys, on purpose
        elif fault == "password":
            # A wrong one of the same kind, and a place that cannot be parsed.
            place, want = self.place(bench) + " nonsense", {2, 5, 13}
        elif fault:
            wrap, want = (PGPROXY, fault, "--"), {0, 5}
        run = bench.start("import", *options, *how, stream, place, wrap=wrap)
        rc, said = bench.end(run, SECRETS[::2] if fault == "conflict" else SECRETS)
        bench.must(rc in want, "exit %d: %s" % (rc, said[:300]))
        for command in (("status", place), ("history", place), ("status", "--json", place),
                        ("history", "--json", place)):
            if fault != "password":
                rc, said = bench.run(*command)
                bench.must(rc == 0, "%s: exit %d: %s" % (command[0], rc, said[:300]))
        os.unlink(file)
        self.kept(bench)
        if fault != "conflict":
            bench.holds(before, ["new"])
        bench.tally["silent"] += 1

    def kept(self, bench):
        """What kvferry itself keeps beside the entries."""
        store = bench.store.open()
        try:
            # Not its progress rows and units: they are of the data, and go with them.
            for what in ("control", "generations", "ledger"):
                text = b"".join(repr(row).encode() for row in store.dicts(what))
                bench.heard(text)
        finally:
            bench.store.shut(store)
