# lakeFS: rules of formats/lakefs that nothing else here shows: equal keys, an installation without an id,
# and what the stream says of its arguments and of the run map.
. "$TOP/tests/integration/lakefs/lake.sh"
lake_start
lake lake --edges
export_lake dbname=lake lake.kvf
equal "$("$K" info --json lake.kvf | jq -c '.result.args')" '{"as_of":"2022-08-01T00:00:00Z"}'
/usr/bin/python3 - <<'END' || die "the stream does not hold the digest of the run map"
import hashlib, subprocess, sys
raw = subprocess.run(['zstd', '-dcq', 'lake.kvf'], stdout=subprocess.PIPE, check=True).stdout
sys.exit(hashlib.sha256(open('lake.kvf.run-map.ndjson', 'rb').read()).digest() not in raw)
END

# Without --arg it is the moment of the snapshot, and stands in the head as well.
expect 0 export -q -f "$F" dbname=lake now.kvf
"$K" info --json now.kvf | jq -r .result.args.as_of | grep -qE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$' || die "as_of"

# No installation id, no set-up: neither key, and both are said.
pg_sql lake "DELETE FROM auth_installation_metadata WHERE key_name IN ('installation_id', 'setup_timestamp')"
expect 0 migrate -f "$F" -a as_of=$AS_OF --sides . dbname=lake sqlite:lake.db
says '1 (installation_id) [no-installation-id]'
says '1 (setup_timestamp) [no-setup-timestamp]'
equal "$("$K" cat --keys sqlite:lake.db | grep -c installation_id)" 0

# Two rows with one key: both are named, and nothing is written.
pg_sql lake "INSERT INTO auth_users (created_at, display_name) VALUES (now(), 'b/users/c'), (now(), 'c')" \
    "INSERT INTO auth_groups (created_at, display_name) VALUES (now(), 'a'), (now(), 'a/users/b')" \
    "INSERT INTO auth_user_groups SELECT u.id, g.id FROM auth_users u, auth_groups g
        WHERE (g.display_name, u.display_name) IN (('a', 'b/users/c'), ('a/users/b', 'c'))"
expect 3 export -f "$F" -a as_of=$AS_OF dbname=lake two.kvf
says "two rows give one key: partition 'auth', key 'gUsers/a/users/b/users/c'"
says 'group=a, user=b/users/c'
says 'group=a/users/b, user=c'
[ ! -e two.kvf ] && [ ! -e two.kvf.run-map.ndjson ] || die "something was written"
