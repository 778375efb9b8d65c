"""Puts what a run of `make torture` has printed into docs/reliability.md.

    make torture >log; python3 tests/torture/record.py log docs/reliability.md

The table, the commit and the counts are the run's own; they stand between two
comments in the document, and nobody writes there by hand.
"""
import re
import sys

BEGIN, END = "<!-- make torture -->\n", "<!-- end -->\n"
log, document = open(sys.argv[1]).read(), open(sys.argv[2]).read()
table = re.search(r"^\| case \|.*?(?=\n\n)", log, re.M | re.S)
of = re.search(r"^commit ([0-9a-f]+)(.*)$", log, re.M)
counts = re.search(r"^(\d+) passed, (\d+) failed$", log, re.M)
if not (table and of and counts) or BEGIN not in document or END not in document:
    raise SystemExit("that is no whole run, or no document with a place for it")
if "with changes" in of.group(2):
    raise SystemExit("that run was not of a commit")
head, rest = document.split(BEGIN, 1)
text = "One run of the whole, with the build of commit `%s`%s: %s runs passed, %s failed.\n\n%s\n" % (
    of.group(1), of.group(2), *counts.groups(), table.group(0))
open(sys.argv[2], "w").write(head + BEGIN + text + END + rest.split(END, 1)[1])
