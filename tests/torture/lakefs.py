"""Kills of `kvferry migrate` on a lakeFS installation: see lakefs.sh."""
import collections
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

K, F, AS_OF = os.environ["KVFERRY"], os.environ["F"], os.environ["AS_OF"]
KILLS, SEED = int(os.environ["KILLS"]), int(os.environ["SEED"])
random.seed(SEED)


def sql(db, text):
    r = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", db, "-c", text],
                       stdout=subprocess.PIPE, check=True)
    return r.stdout


def command(db):
    return [K, "migrate", "-q", "-f", F, "-a", "as_of=" + AS_OF, "--sides", ".", "--overwrite",
            "--chunk", "16K", "--partitions", "4", "dbname=" + db, "dbname=" + db]


def contents(db):
    return hashlib.sha256(sql(db, "SELECT partition_key, key, value FROM kv ORDER BY 1, 2")).hexdigest()


def version(db):
    if sql(db, "SELECT to_regclass('kv') IS NULL").strip() == b"t":
        return b""
    return sql(db, "SELECT value FROM kv WHERE encode(partition_key, 'escape') = 'kv-internal-metadata'").strip()


def fresh(db):
    sql("postgres", "DROP DATABASE IF EXISTS %s WITH (FORCE)" % db)
    sql("postgres", "CREATE DATABASE %s TEMPLATE lake" % db)


fresh("whole")
began = time.time()
subprocess.run(command("whole"), check=True)
alone = time.time() - began
want = contents("whole")

kills = failed = runs = 0
stood = collections.Counter()
while kills < KILLS:
    db = "killed"
    fresh(db)
    runs += 1
    while True:
        begun = time.time()
        p = subprocess.Popen(command(db), stderr=subprocess.PIPE)
        try:
            # The longer one waits, the more often it is through before.
            said = p.communicate(timeout=random.uniform(0, alone) if kills < KILLS else None)[1]
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.communicate()
            kills += 1
            r = subprocess.run([K, "status", "--json", "dbname=" + db], stdout=subprocess.PIPE)
            state = r.stdout.split(b'"stands":')[-1].split(b'"')[1].decode() if b"stands" in r.stdout else "nothing"
            stood[state] += 1
            if version(db) == b"\\x31" and contents(db) != want:
                print("seed %d, kill %d: version 1 over another store" % (SEED, kills))
                failed += 1
            continue
        if p.returncode == 0:
            alone = min(alone, time.time() - begun)  # the first one may have had a bad minute
            break
        if p.returncode == 8:  # the server has not yet noticed that the killed one is gone
            time.sleep(0.2)
            continue
        print("seed %d, kill %d: exit %d: %s" % (SEED, kills, p.returncode, said.decode()))
        failed += 1
        break
    if version(db) != b"\\x31" or contents(db) != want:
        print("seed %d, kill %d: not the same store" % (SEED, kills))
        failed += 1
print("defect 19: %d kills in %d migrations, seed %d; they left %s" % (
    kills, runs, SEED, ", ".join("%s %d times" % x for x in sorted(stood.items()))))
print("%d passed, %d failed" % (kills - failed, failed))
sys.exit(failed > 0 or kills < KILLS)
