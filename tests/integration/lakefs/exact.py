# Is the key-value store what the legacy rows say?  Both are read by psql; every
# value is decoded by Google's protobuf with the classes that protoc made of
# formats/lakefs/lakefs.proto; the keys and ids are worked out here, from the rules
# in formats/lakefs/README.md.  Not a line of this is kvferry's.
#
#   exact.py LEGACY STORE AS_OF [SETTINGS]      connection strings; TABLE = kv
import calendar, hashlib, json, os, subprocess, sys, uuid
from datetime import datetime, timezone

import lakefs_pb2 as pb

legacy, store, as_of = sys.argv[1:4]
settings = sys.argv[4] if len(sys.argv) > 4 else None

def psql(place, sql):
    p = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", place, "-c", sql],
                       check=True, stdout=subprocess.PIPE, env=dict(os.environ, PGTZ="UTC"))
    return p.stdout.decode().split("\n")[:-1]

tables = {}  # of the 17: how many rows
def rows(table):
    """Rows as dicts of JSON; times as microseconds since 1970, bytes as bytes."""
    columns = [l.split("|") for l in psql(legacy,
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped" % table)]
    parts = []
    for name, kind in columns:
        if kind.startswith("timestamp"):
            parts.append("'%s', (extract(epoch FROM \"%s\") * 1000000)::numeric(30)::text" % (name, name))
        elif kind == "bytea":
            parts.append("'%s', encode(\"%s\", 'hex')" % (name, name))
        else:
            parts.append("'%s', \"%s\"" % (name, name))
    out = []
    for line in psql(legacy, "SELECT json_build_object(%s)::text FROM %s" % (", ".join(parts), table)):
        row = json.loads(line)
        for name, kind in columns:
            if row[name] is not None and kind.startswith("timestamp"):
                row[name] = int(row[name])
            if row[name] is not None and kind == "bytea":
                row[name] = bytes.fromhex(row[name])
        out.append(row)
    tables[table] = len(out)
    return out

ALPHABET = "0123456789abcdefghijklmnopqrstuv"
def xid(b):
    n = int.from_bytes(b, "big") << 4
    return "".join(ALPHABET[n >> 5 * i & 31] for i in range(19, -1, -1))
def sha(*parts):
    return hashlib.sha256(b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)).digest()
def u32(n):
    return (n & 0xffffffff).to_bytes(4, "big")
SORTED = "".join(sorted("-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))

def run_id(r):
    old, digest = r["run_id"], sha("kvferry.lakefs.run", r["repository_id"], r["run_id"])
    t = None
    if len(old) >= 14 and all(c in "0123456789" for c in old[:14]):
        try:
            t = calendar.timegm(datetime.strptime(old[:14], "%Y%m%d%H%M%S").timetuple())
        except ValueError:
            pass
    tail = old[14:]
    regular = t is not None and len(tail) == 8 and all(c in SORTED for c in tail)
    if t is None:
        t = r["start_time"] // 1000000
    head = u32(32500915200 - t)
    if not regular:
        return xid(head + digest[:8])
    n = 0
    for c in tail:
        n = n << 6 | (63 - SORTED.index(c))
    return xid(head + n.to_bytes(6, "big") + digest[:2])

def instance(r):
    us = r["creation_date"]
    return xid(u32(us // 1000000) + sha("kvferry.lakefs.repo", r["id"], r["storage_namespace"], us.to_bytes(8, "big", signed=True))[:8])

def new_token(repo, branch):
    b = bytearray(sha("kvferry.lakefs.token", repo, branch)[:16])
    b[6] = b[6] & 15 | 0x80
    b[8] = b[8] & 63 | 0x80
    return "%s-%s:%s" % (repo, branch, uuid.UUID(bytes=bytes(b)))

def stamp(field, us):
    field.seconds = us // 1000000
    field.nanos = us % 1000000 * 1000

expected = {}  # (partition, key) -> bytes, or a message
def put(partition, key, value):
    partition = partition if isinstance(partition, bytes) else partition.encode()
    key = key if isinstance(key, bytes) else key.encode()
    assert (partition, key) not in expected, (partition, key)
    expected[partition, key] = value
def index(key):
    return pb.SecondaryIndex(primary_key=key.encode())

# auth
users = {r["id"]: r for r in rows("auth_users")}
groups = {r["id"]: r for r in rows("auth_groups")}
policies = {r["id"]: r for r in rows("auth_policies")}
for r in users.values():
    m = pb.UserData(username=r["display_name"], friendly_name=r["friendly_name"] or "", email=r["email"] or "",
                    encrypted_password=r["encrypted_password"] or b"", source=r["source"], external_id=r["external_id"] or "")
    stamp(m.created_at, r["created_at"]); m.created_at.SetInParent()
    put("auth", "users/" + r["display_name"], m)
for r in groups.values():
    m = pb.GroupData(display_name=r["display_name"])
    stamp(m.created_at, r["created_at"]); m.created_at.SetInParent()
    put("auth", "groups/" + r["display_name"], m)
for r in policies.values():
    m = pb.PolicyData(display_name=r["display_name"])
    stamp(m.created_at, r["created_at"]); m.created_at.SetInParent()
    for s in r["statement"]:
        s = {k.lower(): v for k, v in s.items()}
        m.statement.add(effect=s.get("effect", ""), action=s.get("action", []), resource=s.get("resource", ""))
    put("auth", "policies/" + r["display_name"], m)
for r in rows("auth_user_groups"):
    u, g = users[r["user_id"]]["display_name"], groups[r["group_id"]]["display_name"]
    put("auth", "gUsers/%s/users/%s" % (g, u), index("users/" + u))
for r in rows("auth_user_policies"):
    u, p = users[r["user_id"]]["display_name"], policies[r["policy_id"]]["display_name"]
    put("auth", "uPolicies/%s/policies/%s" % (u, p), index("policies/" + p))
for r in rows("auth_group_policies"):
    g, p = groups[r["group_id"]]["display_name"], policies[r["policy_id"]]["display_name"]
    put("auth", "gPolicies/%s/policies/%s" % (g, p), index("policies/" + p))
for r in rows("auth_credentials"):
    if r["user_id"] is None:
        continue
    u = users[r["user_id"]]["display_name"]
    m = pb.CredentialData(access_key_id=r["access_key_id"], secret_access_key_encrypted_bytes=r["secret_access_key"], user_id=u.encode())
    stamp(m.issued_date, r["issued_date"]); m.issued_date.SetInParent()
    put("auth", "uCredentials/%s/credentials/%s" % (u, r["access_key_id"]), m)
limit = datetime.fromisoformat(as_of.replace("Z", "+00:00"))
limit = int((limit - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() * 1000000)
for r in rows("auth_expired_tokens"):
    if r["token_expires_at"] >= limit:
        m = pb.TokenData(token_id=r["token_id"])
        stamp(m.expired_at, r["token_expires_at"]); m.expired_at.SetInParent()
        put("auth", "expiredTokens/" + r["token_id"], m)
for r in rows("auth_installation_metadata"):
    if r["key_name"] in ("postgresql_version", "postgresql_aurora_version"):
        continue
    put("auth", "installation_metadata/" + r["key_name"], r["key_value"].encode())
    if r["key_name"] == "installation_id":
        put("auth", "installation_id", r["key_value"].encode())

# actions
runs = {}
for r in rows("actions_runs"):
    new = runs[r["repository_id"], r["run_id"]] = run_id(r)
    key = "repos/%s/runs/%s" % (r["repository_id"], new)
    m = pb.RunResultData(run_id=new, branch_id=r["branch_id"], commit_id=r["commit_id"], source_ref=r["source_ref"],
                         event_type=r["event_type"], passed=r["passed"])
    stamp(m.start_time, r["start_time"]); m.start_time.SetInParent()
    stamp(m.end_time, r["end_time"]); m.end_time.SetInParent()
    put("actions", key, m)
    if r["branch_id"]:
        put("actions", "repos/%s/branches/%s/%s" % (r["repository_id"], r["branch_id"], new), index(key))
    if r["commit_id"]:
        put("actions", "repos/%s/commits/%s/%s" % (r["repository_id"], r["commit_id"], new), index(key))
for r in rows("actions_run_hooks"):
    new = runs.get((r["repository_id"], r["run_id"]))
    if new is None:
        continue
    m = pb.TaskResultData(run_id=new, hook_run_id=r["hook_run_id"], hook_id=r["hook_id"], action_name=r["action_name"], passed=r["passed"])
    stamp(m.start_time, r["start_time"]); m.start_time.SetInParent()
    stamp(m.end_time, r["end_time"]); m.end_time.SetInParent()
    put("actions", "repos/%s/tasks/%s/%s" % (r["repository_id"], new, r["hook_run_id"]), m)
for repo in {k[0] for k in runs}: # newest first: descending old ids, ascending new ones
    regular = sorted((old for r, old in runs if r == repo and len(old) == 22 and all(c in SORTED for c in old[14:]) and "2015" < old[:4] < "2047"), key=lambda s: s.encode())
    new = [runs[repo, old] for old in regular]
    assert new == sorted(new, reverse=True), repo

# multiparts
for r in rows("gateway_multiparts"):
    m = pb.MultipartUploadData(upload_id=r["upload_id"], path=r["path"], physical_address=r["physical_address"] or "",
                               content_type=r["content_type"] or "")
    stamp(m.creation_date, r["creation_date"]); m.creation_date.SetInParent()
    for k, v in (r["metadata"] or {}).items():
        m.metadata[k] = v or ""
    put("multiparts", r["upload_id"], m)

# graveler
repos = {r["id"]: r for r in rows("graveler_repositories")}
partition = {}
for r in repos.values():
    uid = instance(r)
    partition[r["id"]] = "%s-%s" % (r["id"], uid)
    m = pb.RepositoryData(id=r["id"], storage_namespace=r["storage_namespace"], default_branch_id=r["default_branch"], instance_uid=uid)
    stamp(m.creation_date, r["creation_date"]); m.creation_date.SetInParent()
    put("graveler", "repos/" + r["id"], m)
tokens = set()
for r in rows("graveler_branches"):
    if r["repository_id"] not in repos:
        continue
    token = r["staging_token"] or new_token(r["repository_id"], r["id"])
    tokens.add(token)
    put(partition[r["repository_id"]], "branches/" + r["id"], pb.BranchData(id=r["id"], commit_id=r["commit_id"] or "", staging_token=token))
for r in rows("graveler_commits"):
    if r["repository_id"] not in repos:
        continue
    m = pb.CommitData(id=r["id"], committer=r["committer"], message=r["message"], meta_range_id=r["meta_range_id"],
                      parents=r["parents"] or [], version=r["version"], generation=r["generation"] or 0)
    stamp(m.creation_date, r["creation_date"]); m.creation_date.SetInParent()
    for k, v in (r["metadata"] or {}).items():
        m.metadata[k] = v or ""
    put(partition[r["repository_id"]], "commits/" + r["id"], m)
for r in rows("graveler_tags"):
    if r["repository_id"] in repos:
        put(partition[r["repository_id"]], "tags/" + r["id"], pb.TagData(id=r["id"], commit_id=r["commit_id"] or ""))
for r in rows("graveler_staging_kv"):
    if r["staging_token"] in tokens:
        put(r["staging_token"], r["key"], pb.StagedEntryData(key=r["key"], identity=r["identity"] or b"", data=r["data"] or b""))
for repo in os.listdir(settings) if settings else []:
    path = os.path.join(settings, repo, "protected_branches.json")
    if os.path.exists(path):
        raw = open(path, "rb").read()
        pb.BranchProtectionRules.FromString(raw)
        put(partition[repo], "settings/protected_branches", raw)

# compare
decoded = {}  # messages seen, by type
bad = 0
def complain(*words):
    global bad
    bad += 1
    if bad <= 20:
        print(*words)
seen = 0
for line in psql(store, "SELECT encode(partition_key, 'hex') || ' ' || encode(key, 'hex') || ' ' || encode(value, 'hex') FROM kv"):
    p, k, v = (bytes.fromhex(x) for x in line.split(" "))
    if (p, k) == (b"kv-internal-metadata", b"kv/schema/version"):
        if v != b"1":
            complain("version record", v)
        continue
    seen += 1
    want = expected.pop((p, k), None)
    if want is None:
        complain("not expected:", p, k)
    elif isinstance(want, bytes):
        if v != want:
            complain("raw value differs:", p, k, v, want)
    else:
        got = type(want).FromString(v)
        decoded[type(want).__name__] = decoded.get(type(want).__name__, 0) + 1
        if got != want:
            complain("differs:", p, k, "\n", got, "\n", want)
        elif got.SerializeToString(deterministic=True) != v:
            complain("same fields, other bytes:", p, k, v.hex(), got.SerializeToString(deterministic=True).hex())
        elif got.UnknownFields() if hasattr(got, "UnknownFields") and len(got.UnknownFields()) else False:
            complain("unknown fields:", p, k)
for p, k in expected:
    complain("missing:", p, k)
print("%d entries of %d tables, of which %d have rows, as %d kinds of messages, %d complaints"
      % (seen, len(tables), sum(n > 0 for n in tables.values()), len(decoded), bad))
sys.exit(bad > 0)
