"""A store by the rules of CockroachDB, on PostgreSQL behind the same proxy.

tests/conform/store_cockroach.c publishes again and again, each time with the link
broken at the next place, and looks whether what is live is whole: 40001 and 40P01 for
every statement; COMMIT refused, done with 40003 or 57P01, or without an answer; the
link cut before, within and after every message of either side.  Here an item is one of
its tests, and the tally counts the places; EVERY=k tries every k-th place, the 40th where nobody says.
"""
import os
import re
import subprocess

from harness import TOP

PROGRAM = os.path.join(TOP, os.environ["B"], "tests", "conform", "store_cockroach")
EVERY = os.environ.get("EVERY") or "40"
MINUTES = 90


class Roach:
    def items(self, bench):
        return []

    def extra(self, found):
        source = open(os.path.join(TOP, "tests", "conform", "store_cockroach.c")).read()
        return re.findall(r"TEST\((\w*every_\w+)\)", source)

    def one(self, bench, test, hit=True):
        env = dict(os.environ, KVF_TEST_POSTGRES="1", KVF_TEST_ONLY=test,
                   KVF_TEST_EVERY=EVERY, CMOCKA_MESSAGE_OUTPUT="TAP")
        p = subprocess.run([PROGRAM], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=60 * MINUTES)
        bench.must(p.returncode == 0 and "ok 1 - " + test in p.stdout, p.stdout[-600:])
        name = "places" if EVERY == "1" else "places, every %s-th" % EVERY
        bench.tally[name] += sum(map(int, re.findall(r": (\d+) places", p.stdout)))
