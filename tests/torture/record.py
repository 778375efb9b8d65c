"""Puts what `make torture` has printed into docs/reliability.md.

    make torture >log; python3 tests/torture/record.py docs/reliability.md log ...

The counts and the commit are the run's own; they stand between two comments in the
document, and nobody writes there by hand.  Of several logs the last that has a case
counts; LOG=COMMIT names the commit of a run that was ended before it could say it.  A
case that no log has keeps its row, of the commit that stands there; one that has none
is named as such.
"""
import os
import re
import subprocess
import sys

BEGIN, END = "<!-- make torture -->\n", "<!-- end -->\n"
HEAD = ("| case | fault | tried | of which | the store afterwards | failed | commit |\n"
        "|---|---|---|---|---|---|---|\n")
ROW = re.compile(r"^\| ([a-z-]+) \| .* \| (\d+) \| [^|]* \| [^|]* \| (\d+) \| `\w+` \|\n", re.M)
CASE = re.compile(r"^([a-z-]+) +(\d+) tried \((.*?)\), (\d+) failed, \d+ s, \d+ s of the processors; (.*)$", re.M)


def read(argument):
    """{case: (tried, how, failed, outcome, commit)}"""
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
    rows = {m.group(1): m.group(0) for m in ROW.finditer(document)}
    rows.update((name, "| %s | %s | %s | %s | %s | %s | `%s` |\n" % (
        name, texts[name], tried, how, outcome, failed, commit))
        for name, (tried, how, failed, outcome, commit) in cases.items())
    rows = {name: rows[name] for name in texts if name in rows}
    tried, failed = (sum(int(ROW.match(row).group(i)) for row in rows.values()) for i in (2, 3))
    text = "%d occurrences, %d failed.\n" % (tried, failed)
    if set(texts) - set(rows):
        text += "Not yet in it: %s.\n" % ", ".join(t for t in texts if t not in rows)
    with open(sys.argv[1], "w") as f:
        f.write(document.split(BEGIN)[0] + BEGIN + text + "\n" + HEAD + "".join(rows.values()) + END +
                document.split(END, 1)[1])


main()
