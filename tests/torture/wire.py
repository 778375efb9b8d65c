"""PostgreSQL behind a proxy (tests/support/pgproxy.h) that breaks one thing in each run.

cut     the connection, before and inside every message of either side.  (Behind a
        message is before the next one of that link, of whichever side; the last of
        each is the client's good-bye.)
error   40001, 40P01, 57P01, 53100 and 53300 in place of every statement
done    the same where every COMMIT has been done already, or the connection is
        cut before its answer; and every connection refused with 53300

After each: U; then the same command, without the proxy, ends in NEW, U.
"""
import os

from harness import PGPROXY, K

CODES = ("40001", "40P01", "57P01", "53100", "53300")


class Wire:
    def counts(self, bench):
        words = open(os.path.join(bench.folder, "counts")).read().split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def behind(self, bench, *rules):
        return bench.run(*bench.load("small"), wrap=(PGPROXY, *rules, "--"),
                         env={"PGPROXY_COUNTS": os.path.join(bench.folder, "counts")})

    def undisturbed(self, bench):
        bench.store.fresh("old")
        rc, said = self.behind(bench)
        if rc:
            raise SystemExit("the undisturbed run: exit %d: %s" % (rc, said))
        return self.counts(bench)

    def extra(self, found):
        return []

    def one(self, bench, rule, hit=True):
        before = bench.before["old"]
        bench.store.fresh("old")
        rc, said = self.behind(bench, rule)
        fired = self.counts(bench)["fired"]
        # What ends a session comes a little earlier or later from run to run.
        if not fired:
            bench.tally["not met"] += 1
            bench.must(rc == 0, "nothing was disturbed: exit %d: %s" % (rc, said[:300]))
            return
        bench.must(rc in (0, 5, 8, 13), "exit %d: %s" % (rc, said[:300]))
        outcome = bench.holds(before, ["small"])
        bench.true_end(rc, said, outcome)
        bench.tally[outcome] += 1
        bench.recovers(before, ["small"], bench.load("small"))


class Cut(Wire):
    def items(self, bench):
        c = self.undisturbed(bench)
        return ["cut-%s %s %d" % (where, side, n) for side in ("client", "server")
                for n in range(1, c[side] + 1) for where in ("before", "within")]


class Error(Wire):
    def items(self, bench):
        c = self.undisturbed(bench)
        return ["fail %s %d" % (code, n) for n in range(1, c["statements"] + 1) for code in CODES]


class Done(Wire):
    def items(self, bench):
        c = self.undisturbed(bench)
        commits = 0
        while True:
            bench.store.fresh("old")
            self.behind(bench, "lose-done %d COMMIT" % (commits + 1))
            if not self.counts(bench)["fired"]:
                break
            commits += 1
        todo = []
        for n in range(1, commits + 1):
            todo += ["%s %s %d COMMIT" % (how, code, n) for how in ("fail", "fail-done") for code in CODES]
            todo += ["lose-done %d COMMIT" % n]
        return todo + ["refuse 53300 %d" % n for n in range(1, c["connections"] + 1)]
