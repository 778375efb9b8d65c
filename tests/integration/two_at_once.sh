# Two runs into one store, begun at any moment of each other: one wins whole, or
# one follows the other, never a mix; who is refused is told by whom.  Then runs
# that are ended by a signal at any moment, and converge when given again.
. "$TOP/tests/support/integration.sh"
export K
/usr/bin/python3 - "${ROUNDS:-12}" <<'PY' || die 'see above'
import collections, os, random, re, signal, sqlite3, subprocess, sys, time

K, rounds, seed = os.environ['K'], int(sys.argv[1]), int(time.time())
random.seed(seed)
def kvferry(*args, ok=None):
    r = subprocess.run([K, *args], capture_output=True, text=True)
    if ok is not None and r.returncode != ok:
        sys.exit(f'seed {seed}: kvferry {args}: exit {r.returncode}, not {ok}: {r.stderr}')
    return r

for name, rows in ('a', 40000), ('b', 30000), ('c', 1000):
    db = sqlite3.connect(name + '.db')
    db.execute(f'CREATE TABLE {"t" if name < "c" else "u"}(id INTEGER PRIMARY KEY, v)')
    db.executemany(f'INSERT INTO {"t" if name < "c" else "u"} VALUES (?, ?)',
                   ((i, name + os.urandom(40).hex()) for i in range(rows)))
    db.commit()
    kvferry('export', '--chunk', '64K', f'sqlite:{name}.db', f'{name}.kvf', ok=0)

def fresh():
    for f in os.listdir('.'):
        if f.startswith('s.db'):
            os.unlink(f)
def equal(name):
    return kvferry('verify', f'{name}.kvf', 'sqlite:s.db').returncode == 0
def start(*args):
    return subprocess.Popen([K, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
def tidy(what):
    left = [f for f in os.listdir('.') if f.startswith(('s.db-', '.'))]
    if left:
        sys.exit(f'seed {seed}: {what}: left behind {left}')

t0 = time.time()
fresh()
kvferry('import', 'a.kvf', 'sqlite:s.db', ok=0)
alone = time.time() - t0

met = collections.Counter()
for i in range(rounds):
    fresh()
    how = ['--replace'] if i % 2 else []
    runs = []
    for name in 'ab':
        runs.append(start('import', *how, f'{name}.kvf', 'sqlite:s.db'))
        if i % 3:
            time.sleep(random.random() * alone * 1.2)
    said = [r.communicate()[1] for r in runs]
    codes = tuple(r.returncode for r in runs)
    met[codes] += 1
    if 0 not in codes or not set(codes) <= {0, 8, 13} or (how and 13 in codes):
        sys.exit(f'seed {seed}: exit {codes}: {said}')
    for code, text in zip(codes, said):
        if code == 8 and not re.search(r'run \d{8}T\d{6}Z-[0-9a-f]{8}\b|a run that is over', text):
            sys.exit(f'seed {seed}: nobody is named: {text}')
    winners = [name for name in 'ab' if equal(name)]
    if len(winners) != 1 or codes['ab'.index(winners[0])] != 0:
        sys.exit(f'seed {seed}: {codes}, the store equals {winners}')
    tidy(codes)

ended = collections.Counter()
for i in range(rounds):
    fresh()
    kvferry('import', 'c.kvf', 'sqlite:s.db', ok=0)
    args = [('import', '--replace', 'a.kvf', 'sqlite:s.db'),
            ('migrate', '--replace', 'sqlite:a.db', 'sqlite:s.db'),
            ('import', '--merge', 'a.kvf', 'sqlite:s.db')][i % 3]
    run = start(*args)
    time.sleep(random.random() * alone * 1.2)
    sig = random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    run.send_signal(sig)
    text = run.communicate()[1]
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143}.get(sig, 130)
    # A signal before the program has set its handlers ends it as by default.
    if run.returncode not in (0, expected, -sig):
        sys.exit(f'seed {seed}: {sig!r}: exit {run.returncode}: {text}')
    ended['done' if run.returncode == 0 else sig.name] += 1
    kvferry('status', 'sqlite:s.db', ok=0)
    if run.returncode and not equal('c') and (args[1] == '--merge' or not equal('a')):
        keys = kvferry('cat', '--keys', 'sqlite:s.db', ok=0).stdout.count('\n')
        if keys != 41000:  # killed behind the commit
            sys.exit(f'seed {seed}: {sig!r} at {args}: {keys} entries are live')
    again = kvferry(*args)
    if again.returncode:
        sys.exit(f'seed {seed}: {args} again after {sig!r}: {again.stderr}')
    tidy(sig)
    if args[1] == '--merge':
        kvferry('verify', 'sqlite:a.db', 'sqlite:s.db', ok=11)
        keys = kvferry('cat', '--keys', 'sqlite:s.db', ok=0).stdout.count('\n')
        if keys != 41000:
            sys.exit(f'seed {seed}: merged: {keys} entries')
    elif not equal('a'):
        sys.exit(f'seed {seed}: {args} did not converge')
print('REPORT met:', dict(met), 'ended:', dict(ended))
PY
exit 0
