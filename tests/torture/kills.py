"""A signal at every system call of the importing process that changes anything.

The import has one job (-j 1).  An undisturbed run's calls are counted, then for
N = 1, 2, ... a run gets the signal as it enters the N-th call, which for SIGKILL
does not happen.  Runs for N = count + 1 must not be hit: so the loop's total is
that of the undisturbed run.  With SQLite, strace counts and hits, for each name of
a call; with PostgreSQL, where another thread sends to the server, a preloaded
library does, which counts for the process as a whole.

kill    SIGKILL; U; the same command again ends in NEW, U
again   for some of these kills: SIGKILL at every call of the run that recovers
term    SIGTERM, int: SIGINT; the run ends by itself, and says what is true
stop    SIGSTOP; another run takes over and completes; SIGCONT: nothing changes
"""
import collections
import os
import re
import signal
import sqlite3
import struct
import time

import harness

FILES = ("write writev pwrite64 pwritev fsync fdatasync rename renameat renameat2 unlink unlinkat "
         "link linkat ftruncate fallocate mkdir mkdirat rmdir fchmod fchown openat").split()
WIRE = "send,write,pwrite,fsync,rename,link,unlink,ftruncate,mkdir"


class Traced:
    """strace; an item is (name, N)."""

    def undisturbed(self, bench, command):
        file = os.path.join(bench.folder, "trace")
        rc, said = bench.run(*command, wrap=("strace", "-f", "-o", file, "-e", "trace=" + ",".join(FILES)))
        if rc:
            raise SystemExit("the undisturbed run: exit %d: %s" % (rc, said))
        found, count, threads = [], collections.Counter(), set()
        for line in open(file, errors="replace"):
            m = re.match(r"(\d+) +(\w+)\(", line)
            if not m:
                continue
            thread, name = m.groups()
            count[thread, name] += 1
            if name != "openat" or "O_CREAT" in line:
                threads.add(thread)
                found.append((name, count[thread, name]))
        os.unlink(file)
        if len(threads) != 1:
            raise SystemExit("%d threads change something" % len(threads))
        return found

    def beyond(self, found):
        last = collections.Counter()
        for name, n in found:
            last[name] = max(last[name], n)
        return [(name, n + 1) for name, n in last.items() if name != "openat"]

    def fault(self, bench, item, sig):
        name, n = item
        file = os.path.join(bench.folder, "trace")
        open(file, "w").close()
        return {"wrap": ("strace", "-f", "-o", file, "-e", "trace=" + name, "-e",
                         "inject=%s:signal=%s:when=%d" % (name, sig, n))}

    def was_hit(self, bench):
        return True

    def stopped(self, bench, run):
        """Its process, where it is stopped."""
        if "stopped by SIGSTOP" not in open(os.path.join(bench.folder, "trace")).read():
            return None
        child = open("/proc/%d/task/%d/children" % (run.pid, run.pid)).read().split()
        return int(child[0])


class Preloaded:
    """tests/support/preload/failio.c; an item is (N,)."""

    def env(self, bench, n, sig):
        file = os.path.join(bench.folder, "report")
        if os.path.exists(file):
            os.unlink(file)
        return {"LD_PRELOAD": harness.BIN + "/failio.so",
                "FAULT_CALLS": WIRE, "FAULT_MODE": "kill", "FAULT_N": str(n), "FAULT_REPORT": file,
                "FAULT_SIGNAL": str(int(getattr(signal, sig)))}

    def counts(self, bench):
        with open(os.path.join(bench.folder, "report"), "rb") as f:
            return struct.unpack("=QQ", f.read(16))

    def undisturbed(self, bench, command):
        rc, said = bench.run(*command, env=self.env(bench, 0, "SIGKILL"))
        if rc:
            raise SystemExit("the undisturbed run: exit %d: %s" % (rc, said))
        return [(n,) for n in range(1, self.counts(bench)[0] + 1)]

    def beyond(self, found):
        return [(len(found) + 1,)]

    def fault(self, bench, item, sig):
        return {"env": self.env(bench, item[0], sig)}

    def was_hit(self, bench):
        return self.counts(bench)[1] > 0

    def stopped(self, bench, run):
        state = open("/proc/%d/status" % run.pid).read()
        return run.pid if re.search(r"^State:\s+T", state, re.M) else None


HOW = {"sqlite": Traced(), "postgres": Preloaded()}


class Kill:
    def __init__(self, sig, image="old", before=None):
        self.sig, self.image, self.before = sig, image, before

    def items(self, bench):
        bench.store.fresh(self.image)
        self.how = HOW[bench.store.kind]
        found = self.how.undisturbed(bench, bench.load())
        bench.store.fresh(self.image)
        if self.how.undisturbed(bench, bench.load()) != found:
            raise SystemExit("two undisturbed runs make different system calls")
        return found

    def extra(self, found):
        return self.how.beyond(found) if self.sig == "SIGKILL" else []

    def one(self, bench, item, hit=True):
        how = HOW[bench.store.kind]
        before = self.before or bench.before[self.image]
        bench.store.fresh(self.image)
        rc, said = bench.run(*bench.load(), **how.fault(bench, item, self.sig))
        number = getattr(signal, self.sig)
        if not hit:
            bench.must(rc == 0, "there is one call more: exit %d" % rc)
            bench.tally["not hit"] += 1
            return
        if self.sig == "SIGKILL":
            bench.must(rc == -number, "it was not hit: exit %d" % rc)
        else:
            bench.must(rc in (-number, 128 + number, 0), "exit %d: %s" % (rc, said[:300]))
            bench.must(how.was_hit(bench), "it was not hit")
            bench.tally["exit 0" if rc == 0 else "stopped"] += 1
        outcome = bench.holds(before, ["new"])
        bench.true_end(rc, said, outcome)
        bench.tally[outcome] += 1
        bench.recovers(before, ["new"], bench.load())


class Again(Kill):
    """States that a kill leaves, each the beginning of a loop of its own."""
    firsts = 6

    def __init__(self):
        super().__init__("SIGKILL")

    def items(self, bench):
        found = super().items(bench)
        step = len(found) / self.firsts
        todo = []
        for i in range(self.firsts):
            bench.store.fresh("old")
            bench.run(*bench.load(), **self.how.fault(bench, found[int(step * (i + 0.5))], "SIGKILL"))
            image = "again%d" % i
            bench.store.save(image)
            todo += [(image, *item) for item in self.how.undisturbed(bench, bench.load())]
        return todo

    def extra(self, found):
        return []

    def one(self, bench, item, hit=True):
        Kill("SIGKILL", item[0], bench.before["old"]).one(bench, item[1:])


class Stop(Kill):
    def __init__(self):
        super().__init__("SIGSTOP")

    def one(self, bench, item, hit=True):
        before = bench.before["old"]
        bench.store.fresh("old")
        run = bench.start(*bench.load(), **HOW[bench.store.kind].fault(bench, item, "SIGSTOP"))
        try:
            pid = self.stopped(bench, run)
            if not bench.must(pid, "it does not stop"):
                return
            self.meanwhile(bench, run, pid, before)
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()

    def stopped(self, bench, run):
        for _ in range(1500):
            if run.poll() is not None:
                return None
            try:
                pid = HOW[bench.store.kind].stopped(bench, run)
                if pid:
                    return pid
            except OSError:
                pass
            time.sleep(0.01)
        return None

    def meanwhile(self, bench, run, pid, before):
        # Its lease runs out at once: it is set to one second where that can be done.
        how, owner = ("--takeover",), False
        try:
            owner = bool(bench.store.ask("SELECT stage FROM {c} WHERE stage <> 0"))
            bench.store.ask("UPDATE {c} SET lease = 1 WHERE stage <> 0")
            how = ("--lock-wait", "20")
        except (sqlite3.Error, SystemExit):  # the stopped process has it locked
            pass
        rc, said = bench.run(*bench.load("new", *how))
        # SQLite's own lock is one that a stopped process keeps.
        held = rc in (5, 8) and bench.store.kind == "sqlite"
        if not held and bench.must(rc == 0, "the other run: exit %d: %s" % (rc, said[:400])):
            then = self.now(bench)
        elif not held:
            return
        os.kill(pid, signal.SIGCONT)
        rc, said = bench.end(run)
        if held:
            bench.tally["locked"] += 1
            bench.must(rc == 0, "the run that held the lock: exit %d: %s" % (rc, said[:300]))
        else:
            # Before it acquired, it has the same to do as ever: all of it, or nothing.
            # There the server may have ended its session.
            bench.tally["overtaken" if owner else "not the owner"] += 1
            bench.must(rc in ((8,) if owner else (0, 5, 8)),
                       "the run that woke up: exit %d: %s" % (rc, said[:300]))
            bench.must(rc != 8 or "superseded" in said or "holds the store" in said or
                       "a run that is over" in said, "it does not say why: " + said[:300])
            if rc:
                bench.must(self.now(bench) == then, "the run that woke up changed something")
        outcome = bench.holds(before, ["new"], want="NEW", after="the run that woke up")
        bench.true_end(rc if rc == 0 else 0, "", outcome)
        bench.recovers(before, ["new"], bench.load())

    def now(self, bench):
        """All that is there, but for who came last."""
        store = bench.store.open()
        try:
            control = store.dicts("control")[0]
            return (repr([control[k] for k in ("epoch", "state", "ver", "active", "stage", "prev")]),
                    repr(store.dicts("ledger")), repr(store.entries(store.live_name(control))))
        finally:
            bench.store.shut(store)
