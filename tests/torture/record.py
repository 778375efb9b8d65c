"""Puts what `make torture` has printed into docs/reliability.md.

    make torture >log; python3 tests/torture/record.py docs/reliability.md log ...

The counts and the commit are the run's own; they stand between two comments in the
document, and nobody writes there by hand.  Of several logs the last that has a case
counts; LOG=COMMIT names the commit of a run that was ended before it could say it.
Cases that no log has are named as such.
"""
import os
import re
import subprocess
import sys

BEGIN, END = "<!-- make torture -->\n", "<!-- end -->\n"
HEAD = ("| case | fault | tried | of which | the store afterwards | failed | commit |\n"
        "|---|---|---|---|---|---|---|\n")
CASE = re.compile(r"^([a-z-]+) +(\d+) tried \((.*?)\), (\d+) failed, \d+ s, (\d+) s of the processors; (.*)$", re.M)


def read(argument):
    """{case: (tried, how, failed, seconds, outcome, commit)}"""
    name, _, commit = argument.partition("=")
    log = open(name).read()
    said = re.search(r"^commit ([0-9a-f]+)(.*?);", log, re.M)
    if said and said.group(2):
        raise SystemExit("%s: that run was not of a commit" % name)
    if not (commit or said):
        raise SystemExit("%s: of which commit?" % name)
    return {c[0]: (*c[1:], commit or said.group(1)[:7]) for c in CASE.findall(log)}


def main():
    document, cases = open(sys.argv[1]).read(), {}
    for argument in sys.argv[2:]:
        cases.update(read(argument))
    here = os.path.dirname(os.path.abspath(__file__))
    listed = subprocess.run(["sh", here + "/run.sh"], env=dict(os.environ, CASES="list"), check=True,
                            stdout=subprocess.PIPE, text=True).stdout.splitlines()
    texts = dict(line.split(None, 1) for line in listed)
    rows = "".join("| %s | %s | %s | %s | %s | %s | `%s` |\n" % (
        name, text, cases[name][0], cases[name][1], cases[name][4], cases[name][2], cases[name][5])
        for name, text in texts.items() if name in cases)
    tried, failed, spent = (sum(int(c[i]) for c in cases.values()) for i in (0, 2, 3))
    text = "%d occurrences, %d failed; %d minutes of the processors.\n" % (tried, failed, round(spent / 60))
    if set(texts) - set(cases):
        text += "Not in it: %s.\n" % ", ".join(t for t in texts if t not in cases)
    with open(sys.argv[1], "w") as f:
        f.write(document.split(BEGIN)[0] + BEGIN + text + "\n" + HEAD + rows + END + document.split(END, 1)[1])


main()
