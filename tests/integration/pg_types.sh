# Every type of PostgreSQL: carried as the server writes it, and restorable from that.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start "lc_monetary = 'C'"
pg_sql postgres 'CREATE EXTENSION IF NOT EXISTS hstore' 'CREATE EXTENSION IF NOT EXISTS citext' \
    'CREATE EXTENSION IF NOT EXISTS ltree' 'CREATE EXTENSION IF NOT EXISTS cube' 'CREATE EXTENSION IF NOT EXISTS seg' 2>/dev/null || pg_skip "hstore, citext and ltree are not installed (Debian: postgresql)"
pg_sql postgres "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s fine')" \
    "CREATE DOMAIN small AS int CHECK (VALUE < 100)" "CREATE DOMAIN smalls AS small[]" \
    "CREATE TYPE pair AS (a int, \"B c\" text)" "CREATE TYPE spread AS RANGE (subtype = float8)" \
    "CREATE DOMAIN pairs AS pair"
cat >cases.txt <<'END'
int2|-32768
int2|32767
int2|0
int4|-2147483648
int4|2147483647
int8|-9223372036854775808
int8|9223372036854775807
oid|4294967295
float4|0.1
float4|-0
float4|NaN
float4|Infinity
float4|-Infinity
float4|3.4028235e+38
float4|1e-45
float8|0.1
float8|-0
float8|NaN
float8|Infinity
float8|-Infinity
float8|5e-324
float8|1.7976931348623157e+308
numeric|0
numeric|0.00
numeric|-1
numeric|1.10
numeric|10000
numeric|9999.9999
numeric|100000000.00000001
numeric|0.00001234
numeric|-0.000000000000000000000000000000000000000001
numeric|123456789012345678901234567890.123456789012345678901234567890
numeric|1e200
numeric|NaN
numeric|Infinity
numeric|-Infinity
numeric(10,3)|12.5
numeric(5,-2)|12345
bool|t
bool|f
text|
text|Größe €🐟
text|tab	and "quotes" \ and ' one
varchar(10)|abc
char(8)|ab
char(3)|   
name|a_name
citext|CaSe
"char"|x
bytea|\x
bytea|\x00ff27
uuid|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
json|{"b": 1,  "a": [1, 2,null]}
jsonb|{"b": 1,  "a": [1, 2,null]}
jsonb|"text"
date|2026-11-20
date|0044-03-15 BC
date|0001-01-01
date|0001-12-31 BC
date|4713-01-01 BC
date|4714-11-24 BC
date|5874897-12-31
date|infinity
date|-infinity
date|2000-02-29
time|00:00:00
time|24:00:00
time|23:59:59.999999
time|12:34:56.7
time(0)|12:34:56
timetz|12:34:56.789+02
timetz|00:00:00-15:59:59
timetz|24:00:00+05:30
timestamp|2026-11-20 09:39:02.5
timestamp|0044-03-15 12:00:00.000001 BC
timestamp|294276-12-31 23:59:59.999999
timestamp|4713-01-01 00:00:00 BC
timestamp|4714-11-24 00:00:00 BC
timestamp|1999-12-31 23:59:59.999999
timestamp|infinity
timestamp|-infinity
timestamptz|2026-11-20 09:39:02.5+02
timestamptz|0044-03-15 12:00:00 BC
timestamptz|294276-12-31 23:59:59.999999+00
timestamptz|10000-01-01 00:00:00+00
timestamptz|4714-11-24 00:00:00+00 BC
timestamptz|infinity
timestamptz|-infinity
interval|1 year 2 mons -3 days 04:05:06.789
interval|-178000000 years
interval|178000000 years
interval|-00:00:00.000001
interval|-1 mons +3 days
interval|00:00:00
mood|it's fine
mood|sad
small|42
smalls|{1,NULL,99}
pair|(1,"a, ""b"" ")
pair|(,)
pairs|(7,x)
int4[]|{}
int4[]|{1,NULL,3}
int4[]|[-2:0]={1,2,3}
int4[]|[1:1][-2:-1][3:5]={{{1,2,3},{4,5,6}}}
text[]|{"a,b","",NULL,"NULL","\"q\" \\"}
numeric[]|{1.10,NaN}
timestamptz[]|{"2026-11-20 09:39:02+00",infinity}
bytea[]|{"\\x00ff"}
mood[]|{sad,"it's fine"}
pair[]|{"(1,x)","(2,)"}
small[]|{1,NULL,99}
uuid[]|{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}
inet[]|{10.0.0.1/8,::1}
int4range[]|{"[1,10)",empty}
interval[]|{"1 day",NULL}
hstore[]|{"\"a\"=>NULL"}
xml[]|{<a/>}
bit(3)[]|{101,000}
money[]|{$1.00}
date[]|{infinity,"0044-03-15 BC"}
citext[]|{CaSe}
jsonb[]|{"{\"a\": 1}"}
float8[]|{0.1,-0,NaN}
int4range|[1,10)
int4range|empty
int8range|(,5)
numrange|(1.10,2.20]
tsrange|["2026-01-01 00:00:00","2026-02-01 00:00:00")
tstzrange|["2026-01-01 00:00:00+00",)
daterange|[2026-01-01,infinity)
spread|[1.5,2.5]
int4multirange|{[1,3),[5,7)}
inet|192.168.1.1
inet|192.168.1.1/24
inet|::1
inet|2001:db8::1/32
cidr|10.0.0.0/8
cidr|::/0
macaddr|08:00:2b:01:02:03
macaddr8|08:00:2b:01:02:03:04:05
bit(5)|10101
bit|1
varbit|
varbit(12)|101010101
hstore|"a"=>"1", "b"=>NULL, "c d"=>"\"q\""
tsvector|'cat':3A 'fat':2B,4 'rat'
tsquery|'fat' & ( 'rat' | !'cat' )
ltree|Top.Science.Astronomy
cube|(1, 2.5),(3, 4)
seg|1.5 .. 5
ltree[]|{Top.A,NULL}
money|$-1,234.56
money|$92,233,720,368,547,758.07
xml|<a b="c">text &amp; more</a>
xml|text <b>and</b> nodes
point|(1.5,-0.1)
point|(Infinity,NaN)
point|(-0,1e-300)
line|{1,2,3}
lseg|[(0,0),(1,1)]
box|(1,1),(0,0)
path|[(0,0),(1,1),(2,0)]
polygon|((0,0),(1,1),(2,0))
circle|<(0,0),1.5>
pg_lsn|16/B374D848
xid|4294967295
xid8|18446744073709551615
tid|(42,7)
regclass|pg_class
regtype|integer
int2vector|1 2 3
jsonpath|$."a"[*]?(@ > 1)
pg_snapshot|10:20:10,14,15
END
# The longest numeric there is, and the one of the smallest scale.
[ "$(pg_sql postgres 'SHOW server_version_num')" -ge 150000 ] || sed -i '/,-2)|/d' cases.txt # scales below zero
awk 'BEGIN { printf "numeric|"; for (i = 0; i < 131072; i++) printf "9"; printf "."; for (i = 0; i < 16383; i++) printf "%d", i % 9 + 1
    printf "\nnumeric|-0."; for (i = 0; i < 16382; i++) printf "0"; print "1" }' >>cases.txt
cat >check.py <<'END'
import json, math, os, re, subprocess, sys
psql = os.environ["PG_BIN"] + "/psql"
env = dict(os.environ, PGOPTIONS="-c TimeZone=UTC -c extra_float_digits=3 -c lc_monetary=C")
def sql(text):
    return subprocess.run([psql, "-XqAt", "-v", "ON_ERROR_STOP=1"], input=text, env=env,
                          check=True, capture_output=True, text=True).stdout
quote = lambda s: "'" + s.replace("'", "''") + "'"
cases = [line.rstrip("\n").split("|", 1) for line in open("cases.txt", encoding="utf-8")]
columns = ["c%d" % i for i in range(len(cases))]
if sys.argv[1] == "make":
    sql("CREATE TABLE types(id int PRIMARY KEY, %s);" % ", ".join("%s %s" % (c, t) for c, (t, _) in zip(columns, cases))
        + "INSERT INTO types VALUES (1, %s);" % ", ".join("%s::%s" % (quote(v), t) for t, v in cases)
        + "INSERT INTO types(id) VALUES (2);")
    sys.exit()
rows = {r["value"]["id"]: r["value"] for r in map(json.loads, open("cat.json", encoding="utf-8"))}
bad = 0
for c, (t, literal) in zip(columns, cases):
    want = sql("SELECT %s FROM types WHERE id = 1" % c)[:-1]
    got = rows[1][c]
    base = re.sub(r"\(.*", "", t)
    if rows[2][c] is not None:
        bad += 1; print(t, "NULL is", rows[2][c])
    if base in ("int2", "int4", "int8", "oid", "small"):
        same, text = int(got) == int(want), str(got)
    elif base in ("float4", "float8"):
        g = float(got); w = float(want); text = repr(g)
        if base == "float4":
            import struct
            w = struct.unpack("f", struct.pack("f", w))[0]
        same = (math.isnan(g) and math.isnan(w)) or (g == w and math.copysign(1, g) == math.copysign(1, w))
    elif base == "bool":
        same, text = got == (want == "t"), str(got)
    elif base == "bytea":
        text = "\\x" + got[4:] if got.startswith("hex:") else "\\x" + got.encode().hex()
        same = text == want
    else:
        same, text = got == want, got
    if not same:
        bad += 1; print("%s %.200r: carried %.200r, the server says %.200r" % (t, literal, got, want))
        continue
    # And from what was carried the same value can be made again.
    again = sql("SELECT %s::%s;" % (quote(text), t))[:-1]
    if again != want:
        bad += 1; print("%s %r: %r gives %r again, not %r" % (t, literal, text, again, want))
sys.exit(bad > 0)
END
export PG_BIN
/usr/bin/python3 check.py make || die "the table cannot be made"
PGOPTIONS="-c TimeZone=America/New_York -c DateStyle=German -c extra_float_digits=0 -c IntervalStyle=iso_8601 -c bytea_output=escape" \
    expect 0 export dbname=postgres types.kvf
expect 0 verify types.kvf
"$K" cat types.kvf >cat.json || die cat
/usr/bin/python3 check.py check || die "types"
"$K" info types.kvf >/dev/null || die info
# A type that nobody here knows goes by its name.
zstd -dc types.kvf >plain
for name in seg cube 'ltree\[\]' tsvector pg_lsn; do
    LC_ALL=C grep -aq "$name" plain || die "no type named $name in the stream"
done

# Back to tables: the same types, values and shape, by COPY as text (any of these types in a table), and binary.
pg_sql postgres "CREATE DATABASE again" 'CREATE DATABASE narrow' || exit 1
pg_sql again 'CREATE EXTENSION hstore' 'CREATE EXTENSION citext' 'CREATE EXTENSION ltree' 'CREATE EXTENSION cube' 'CREATE EXTENSION seg' || exit 1
expect 0 import --as tables types.kvf dbname=again
expect 0 export dbname=again again.kvf
equal "$(zstd -dcq again.kvf | sha256sum)" "$(zstd -dcq types.kvf | sha256sum)" "every type, restored"
grep -E '^(int[248]|oid|float[48]|numeric|bool|text|varchar\(10\)|char\([38]\)|name|bytea|uuid|json|jsonb|date|time|timetz|timestamp|timestamptz|mood)\|' cases.txt |
    awk -F'|' '{ c = c ", c" NR " " $1; gsub("\047", "&&"); v = v ", \047" substr($0, index($0, "|") + 1) "\047" }
        END { print "CREATE TABLE narrow(id int PRIMARY KEY" c "); INSERT INTO narrow VALUES (1" v "); INSERT INTO narrow(id) VALUES (2)" }' >narrow.sql
pg_sql narrow "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s fine')" || exit 1
"$PG_BIN/psql" -Xq -v ON_ERROR_STOP=1 -d narrow -f narrow.sql || die 'making narrow'
expect 0 export dbname=narrow narrow.kvf
pg_sql postgres 'CREATE DATABASE narrow2' || exit 1
expect 0 import --as tables narrow.kvf dbname=narrow2
expect 0 export dbname=narrow2 narrow2.kvf
equal "$(zstd -dcq narrow.kvf | sha256sum)" "$(zstd -dcq narrow2.kvf | sha256sum)" "types that are written binary"

# Each of the server's encodings arrives as UTF-8; the one that it cannot turn into UTF-8 itself is refused.
encoding() { # ENCODING TEXT
    pg_sql postgres "CREATE DATABASE \"e_$1\" ENCODING '$1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'" || exit 1
    PGCLIENTENCODING=UTF8 pg_sql "e_$1" 'CREATE TABLE t(v text)' "INSERT INTO t VALUES ('$2')" || exit 1
    PGCLIENTENCODING=SQL_ASCII expect 0 export "dbname=e_$1" "$1.kvf"
    equal "$("$K" cat "$1.kvf" | jq -r .value.v)" "$2" "$1"
}
encoding EUC_JP 日本語
encoding WIN1251 Жук
encoding KOI8U Ґанок
encoding LATIN9 '€ œuvre'
encoding EUC_KR 한국어
pg_sql postgres "CREATE DATABASE mule ENCODING 'MULE_INTERNAL' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'" || exit 1
expect 4 export dbname=mule mule.kvf
says 'conversion between UTF8 and MULE_INTERNAL is not supported'
says 'pg_dump'
