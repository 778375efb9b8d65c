"""Runs the cases of `make torture`: see run.sh for what can be chosen."""
import collections
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import harness
import kills
import others
import points
import roach
import wire

# name, what it does for readers, kind of store, case, runs at once (0: JOBS)
CASES = [
    ("kill-sqlite", "SIGKILL at every changing system call", "sqlite", kills.Kill("SIGKILL"), 0),
    ("kill-postgres", "SIGKILL at every message and changing system call", "postgres",
     kills.Kill("SIGKILL"), 0),
    ("again-sqlite", "SIGKILL again, at every such call of the run that recovers", "sqlite",
     kills.Again(), 0),
    ("again-postgres", "SIGKILL again, at every such call of the run that recovers", "postgres",
     kills.Again(), 0),
    ("term-sqlite", "SIGTERM at every changing system call", "sqlite", kills.Kill("SIGTERM"), 0),
    ("term-postgres", "SIGTERM at every message", "postgres", kills.Kill("SIGTERM"), 0),
    ("int-sqlite", "SIGINT at every changing system call", "sqlite", kills.Kill("SIGINT"), 0),
    ("int-postgres", "SIGINT at every message", "postgres", kills.Kill("SIGINT"), 0),
    ("stop-sqlite", "SIGSTOP beyond the lease, another run, SIGCONT", "sqlite", kills.Stop(), 12),
    ("stop-postgres", "SIGSTOP beyond the lease, another run, SIGCONT", "postgres", kills.Stop(), 4),
    ("cut-postgres", "connection cut before every message, which is behind another one, and inside",
     "postgres", wire.Cut(), 0),
    ("error-postgres", "40001, 40P01, 57P01, 53100, 53300 at every statement", "postgres",
     wire.Error(), 0),
    ("done-postgres", "COMMIT done and not done, its answer lost or an error; connections refused",
     "postgres", wire.Done(), 0),
    ("roach-postgres", "CockroachDB's rules: 40001, 40003, lost answers, cuts at every message", "postgres",
     roach.Roach(), 0),
    ("meet-sqlite", "two to eight runs at once, one to four streams", "sqlite", others.Meet(), 1),
    ("meet-postgres", "two to eight runs at once, one to four streams", "postgres", others.Meet(), 1),
    ("backup-sqlite", "backup and restore while a run holds the store", "sqlite", others.Backup(), 0),
    ("backup-postgres", "backup and restore while a run holds the store", "postgres",
     others.Backup(), 0),
    ("secret-sqlite", "secrets searched in all that is said and kept", "sqlite", others.Secret(), 0),
    ("secret-postgres", "secrets searched in all that is said and kept", "postgres",
     others.Secret(), 0),
] + [("point-%s-%s" % (name, kind), text, kind, case, jobs)
     for kind in ("sqlite", "postgres", "cockroach") for name, text, case, jobs in (
    ("kill", "SIGKILL at every named failpoint", points.Points("kill"), 0),
    ("fail", "every named failpoint fails; behind a COMMIT, its acknowledgement is lost",
     points.Points("fail"), 0),
    ("pair", "SIGKILL at a failpoint, and at every one of the run that recovers", points.Pair(each=1), 0),
    ("term", "SIGTERM at every named failpoint", points.Points("term", each=1), 0),
    ("int", "SIGINT at every named failpoint", points.Points("int", each=1), 0),
    ("twice", "SIGINT twice at every named failpoint", points.Points("twice", each=1), 0),
    ("stop", "SIGSTOP at every named failpoint, another run, SIGCONT", points.Stop("stop", each=1), 0),
    ("meet", "two to eight runs at once, one of them stopped at each failpoint",
     points.Meet("stop", names=("import",), each=1), 0),
    ("server", "the server stopped `immediate` at every named failpoint",
     points.Server("stop", each=1), 1),
) if kind == "postgres" or (kind == "sqlite" and name != "server") or name in ("kill", "fail", "pair", "stop")]
# How many of a case `make torture` tries where nobody says EVERY or MOST, so that the whole
# takes less than twenty minutes on two processors; the others it tries every one of.
USUAL = {
    "again-postgres": 60, "term-postgres": 50, "int-postgres": 30, "stop-sqlite": 20, "stop-postgres": 20,
    "cut-postgres": 300, "meet-sqlite": 30, "meet-postgres": 19, "point-stop-sqlite": 60,
    "point-stop-postgres": 40, "point-meet-postgres": 16, "point-server-postgres": 24,
    "point-pair-postgres": 200, "point-pair-cockroach": 60, "point-stop-cockroach": 20,
}
JOBS = int(os.environ.get("JOBS") or 2)
EVERY = int(os.environ.get("EVERY") or 0)
MOST = int(os.environ.get("MOST") or 0)
SHOWN = int(os.environ.get("SHOWN") or 12)  # complaints of one case


def chosen(name, items):
    """EVERY and MOST, or what is usual; the first and the last are always among them."""
    some, most = items[::EVERY or 1], MOST or (0 if EVERY else USUAL.get(name, 0))
    if most and len(some) > most:
        step = (len(some) - 1) / max(most - 1, 1)
        some = [some[int(i * step)] for i in range(most)]
    return some


def processor():
    """Seconds that all of this has taken of the processors, the server's as well."""
    ticks = 0
    try:
        pid = open(os.path.join(os.environ["PG_DIR"], "data", "postmaster.pid")).readline().strip()
        ticks = sum(map(int, open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[11:15]))
    except (KeyError, OSError, IndexError):
        pass
    return ticks / os.sysconf("SC_CLK_TCK") + sum(os.times()[:4])


class Result:
    def __init__(self):
        self.total = self.tried = self.failed = 0
        self.tally, self.took, self.spent = collections.Counter(), 0.0, 0.0


def images(streams):
    """A store that holds the old stream, of each kind; and what is in it."""
    before = {}
    for kind in ("sqlite", "postgres", "cockroach") if harness.HAVE_PG else ("sqlite",):
        bench = harness.Bench("first_" + kind, kind, streams)
        if kind != "sqlite":
            bench.store.server("CREATE DATABASE " + bench.store.db)
            bench.store.ask("CREATE TABLE legacy (a int PRIMARY KEY)")
            bench.store.ask("INSERT INTO legacy VALUES (1)")
        else:
            bench.store.ask("CREATE TABLE legacy (a PRIMARY KEY)")
            bench.store.ask("INSERT INTO legacy VALUES (1)")
        rc, said = bench.run("import", "old.kvf", bench.store.place)
        if rc:
            raise SystemExit("the old stream: exit %d: %s" % (rc, said))
        before[kind] = {"old": bench.snapshot()}
        bench.store.save("old")
        bench.store.close()
    return before


def work(case, bench, todo, lock, result):
    while True:
        with lock:
            if not todo:
                return
            item, hit = todo.pop(0)
        bench.wrong, bench.tally = [], collections.Counter()
        try:
            case.one(bench, item, hit)
        except (SystemExit, Exception) as e:
            bench.must(False, "%s: %s" % (type(e).__name__, e))
            if not isinstance(e, SystemExit):
                traceback.print_exc(file=sys.stdout)
        with lock:
            result.tried += 1
            result.tally += bench.tally
            if bench.wrong:
                result.failed += 1
                if result.failed <= SHOWN:
                    print("    FAILED at %s:" % (item if isinstance(item, str) else " ".join(map(str, item))))
                    for w in bench.wrong[:4]:
                        print("        " + w.replace("\n", "\n        "))
                    sys.stdout.flush()


def run_case(name, kind, case, jobs, streams, before):
    benches = [harness.Bench("%s_%d" % (kind[0], i), kind, streams) for i in range(jobs or JOBS)]
    for b in benches:
        b.before = before[kind]
    try:
        return all_of(name, case, benches)
    except SystemExit as e:
        print("    FAILED: %s" % e)
        result = Result()
        result.failed = 1
        return result
    finally:
        for b in benches:
            b.store.close()


def all_of(name, case, benches):
    result, begin, spent = Result(), time.time(), processor()
    items = case.items(benches[0])
    if benches[0].wrong:
        print("    FAILED: " + "; ".join(benches[0].wrong[:3]))
        result.failed += 1
    result.total = len(items)
    todo = [(i, True) for i in chosen(name, items)] + [(i, False) for i in case.extra(items)]
    result.total += len(case.extra(items))
    lock = threading.Lock()
    threads = [threading.Thread(target=work, args=(case, b, todo, lock, result)) for b in benches]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    result.took, result.spent = time.time() - begin, max(0, processor() - spent)
    return result


def commit():
    git = lambda *a: subprocess.run(["git", "-C", harness.TOP, *a], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + (
        " with changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def means(word, name):
    """A beginning of names, or else a part of them."""
    return name.startswith(word) if any(c[0].startswith(word) for c in CASES) else word in name


def main():
    # A shell that runs this in the background ignores it, and so would kvferry.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = os.environ.get("CASES", "").split()
    if wanted == ["list"]:
        for name, text, *_ in CASES:
            print("%-16s %s" % (name, text))
        return 0
    cases = [c for c in CASES if not wanted or any(means(w, c[0]) for w in wanted)]
    if not cases:
        raise SystemExit("no case is called that: CASES=list names them")
    begin, streams = time.time(), harness.make_streams()
    before = images(streams)
    rows, passed, failed = [], 0, 0
    for name, text, kind, case, jobs in cases:
        if kind not in before:
            print("%-16s left out: no server of PostgreSQL" % name)
            continue
        r = run_case(name, kind, case, jobs, streams, before)
        how = "every one" if r.tried == r.total else "of %d" % r.total
        outcome = ", ".join("%s %d" % (k, v) for k, v in sorted(r.tally.items(), key=str))
        print("%-20s %5d tried (%s), %d failed, %.0f s, %.0f s of the processors; %s" % (
            name, r.tried, how, r.failed, r.took, r.spent, outcome))
        sys.stdout.flush()
        rows.append("| %s | %s | %d | %s | %s | %d |" % (name, text, r.tried, how, outcome, r.failed))
        passed += r.tried - min(r.failed, r.tried)
        failed += r.failed
    print("\n| case | fault | tried | of which | the store afterwards | failed |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\ncommit %s; %.0f minutes, %.0f minutes of the processors" % (
        commit(), (time.time() - begin) / 60, processor() / 60))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


sys.exit(main())
