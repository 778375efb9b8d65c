# Chinook in PostgreSQL: the same rows as in SQLite, and migrated into a store.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
[ -r "$SHARED/chinook_postgresql.sql" ] || SHARED=$SHARED/data
[ -r "$SHARED/chinook_postgresql.sql" ] || pg_skip "no chinook_postgresql.sql in $SHARED"
pg_start
# The script makes its database and connects to it; names are folded to lower case or have _.
"$PG_BIN/psql" -Xq -v ON_ERROR_STOP=1 -d postgres -f "$SHARED/chinook_postgresql.sql" >load.log 2>&1 || { tail -5 load.log >&2; die "loading Chinook"; }
DB=$(pg_sql postgres "SELECT datname FROM pg_database WHERE datname ILIKE 'chinook%'")
[ -n "$DB" ] || DB=postgres
P="dbname=$DB"
expect 0 export "$P" pg.kvf
expect 0 export "sqlite:$SHARED/chinook.sqlite" lite.kvf
"$K" cat pg.kvf >pg.json && "$K" cat lite.kvf >lite.json || die cat
cat >same.py <<'END'
# Both as table -> set of rows, with what the two databases spell differently undone.
import json, re, sys
from decimal import Decimal
def name(s):
    return re.sub("_", "", s).lower()
def cell(c):
    if isinstance(c, str):
        if re.fullmatch(r"\d{4}-\d\d-\d\d 00:00:00", c):
            return c[:10]
        if re.fullmatch(r"-?\d+\.\d+", c):
            return Decimal(c)
        return c.rstrip(' ') # N'Edinburgh ' loses its blank on the way into PostgreSQL
    return Decimal(repr(c)) if isinstance(c, (int, float)) and not isinstance(c, bool) else c
def load(path):
    tables = {}
    for e in map(json.loads, open(path, encoding="utf-8")):
        row = tuple(sorted((name(k), str(cell(v).normalize()) if isinstance(cell(v), Decimal) else cell(v))
                           for k, v in e["value"].items()))
        tables.setdefault(name(e["partition"]), set()).add(row)
    return tables
a, b = load("pg.json"), load("lite.json")
bad = 0
if set(a) != set(b):
    bad = 1; print("tables", sorted(a), sorted(b))
for t in sorted(set(a) & set(b)):
    if a[t] != b[t]:
        bad += 1
        print(t, len(a[t]), len(b[t]), list(a[t] - b[t])[:2], list(b[t] - a[t])[:2])
print("%d tables, %d rows in both" % (len(a), sum(map(len, a.values()))))
sys.exit(bad > 0)
END
/usr/bin/python3 same.py >same.txt || { cat same.txt; die "Chinook differs"; }
echo "REPORT $(tail -1 same.txt)"
# Into a store in one run, through a pipe in memory; then the three are compared.
expect 0 migrate "$P" sqlite:store.db
says published
expect 0 verify "tables:$P" sqlite:store.db
expect 0 verify --entries pg.kvf sqlite:store.db
equal "$(sql store.db 'SELECT count(*) FROM kv')" "$("$K" cat --keys pg.kvf | wc -l)"
# What is written while it is migrated is not lost quietly.
pg_sql "$DB" 'CREATE TABLE filler AS SELECT i AS id, md5(i::text) AS a, md5(i::text) AS b FROM generate_series(1, 400000) i'
(sleep 0.4; pg_sql "$DB" 'CREATE TABLE late(a int)') & late=$!
"$K" migrate --allow-live-source "$P" sqlite:second.db >out 2>err; got=$?
wait "$late"
case $got in
13) says 'the source was changed';;
0) echo "too fast for the writer to be late";; # it came before the snapshot or after the end
*) die "migrate beside a writer: exit $got";;
esac
