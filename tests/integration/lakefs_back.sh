# lakeFS, the way back: legacy -> KV -> legacy, from the stream and from both stores.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/pgtmp.sh"
pg_start
PATH=$PG_BIN:$PATH F=$TOP/formats/lakefs S=$TOP/samples/lakefs AS_OF=2019-01-01T00:00:00Z
empty() {
    pg_sql postgres "CREATE DATABASE $1"
    psql -Xq -v ON_ERROR_STOP=1 -d "$1" -f "$S/schema.sql" >load.log 2>&1 || { cat load.log >&2; die schema; }
}
# All rows, with names for the numbers of users, groups and policies.
rows() {
    PGTZ=UTC psql -XAtq -v ON_ERROR_STOP=1 -d "$1" <<'END'
SELECT created_at, display_name, friendly_name, source, email, encrypted_password, external_id FROM auth_users ORDER BY display_name COLLATE "C";
SELECT created_at, display_name FROM auth_groups ORDER BY display_name COLLATE "C";
SELECT created_at, display_name, statement FROM auth_policies ORDER BY display_name COLLATE "C";
SELECT u.display_name, g.display_name FROM auth_user_groups JOIN auth_users u ON u.id = user_id JOIN auth_groups g ON g.id = group_id ORDER BY 1, 2;
SELECT u.display_name, p.display_name FROM auth_user_policies JOIN auth_users u ON u.id = user_id JOIN auth_policies p ON p.id = policy_id ORDER BY 1, 2;
SELECT g.display_name, p.display_name FROM auth_group_policies JOIN auth_groups g ON g.id = group_id JOIN auth_policies p ON p.id = policy_id ORDER BY 1, 2;
SELECT access_key_id, secret_access_key, issued_date, u.display_name FROM auth_credentials JOIN auth_users u ON u.id = user_id ORDER BY 1;
SELECT * FROM auth_expired_tokens ORDER BY 1;
SELECT * FROM auth_installation_metadata WHERE key_name <> 'postgresql_version' ORDER BY 1;
SELECT * FROM actions_runs ORDER BY 1, 2;
SELECT * FROM actions_run_hooks ORDER BY 1, 2, 3;
SELECT * FROM gateway_multiparts ORDER BY 1;
SELECT * FROM graveler_repositories ORDER BY 1;
SELECT * FROM graveler_branches ORDER BY 1, 2;
SELECT repository_id, id, committer, message, creation_date, meta_range_id, nullif(metadata, '{}'), nullif(parents, '{}'), version, generation
FROM graveler_commits ORDER BY 1, 2;
SELECT * FROM graveler_tags ORDER BY 1, 2;
SELECT * FROM graveler_staging_kv ORDER BY 1, 2;
END
}
empty plain
"$S/generate" --help >/dev/null 2>&1 && die "generate takes anything"
psql -Xq -v ON_ERROR_STOP=1 -v repos=3 -v commits=400 -v branches=12 -v staged=500 -v runs=90 -v users=40 -v seed=7 -d plain -f "$S/rows.sql" \
    >load.log 2>&1 || { cat load.log >&2; die rows; }
# What can be told apart in the legacy tables only: a NULL from an empty text.
pg_sql plain "UPDATE graveler_staging_kv SET data = NULL WHERE data = ''"
rows plain >before
[ "$(wc -l <before)" -gt 1400 ] || die "too few rows: $(wc -l <before)"
expect 0 export -f "$F" -a as_of=$AS_OF dbname=plain lake.kvf
expect 0 import lake.kvf sqlite:lake.db
pg_sql postgres 'CREATE DATABASE store'
expect 0 import --partitions 10 lake.kvf dbname=store
for from in lake.kvf sqlite:lake.db dbname=store; do
    pg_sql postgres 'DROP DATABASE IF EXISTS home' 2>/dev/null
    empty home
    expect 0 import --as tables -f "$F" $from dbname=home
    says 'which give the same entries again'
    says 'cannot return'
    rows home >after
    diff before after >diff.txt || { head -20 diff.txt >&2; die "from $from: other rows came back"; }
    equal "$(pg_sql home "SELECT count(*) FROM pg_class WHERE relname LIKE 'kvferry%'")" 0
done
# Numbers go on behind the largest.
equal "$(pg_sql home "INSERT INTO auth_users (created_at, display_name) VALUES (now(), 'next') RETURNING id" | head -1)" 41
# Once more: the tables hold rows, and stay as they are.
expect 13 import --as tables -f "$F" lake.kvf dbname=home
says 'holds rows'
equal "$(pg_sql home 'SELECT count(*) FROM auth_users')" 41
# No legacy schema; not this application's stream; a row that the schema refuses: nothing remains.
pg_sql postgres 'CREATE DATABASE bare'
expect 3 import --as tables -f "$F" lake.kvf dbname=bare
says 'Make the legacy schema first'
legacy shop.db
expect 0 export sqlite:shop.db shop.kvf
expect 6 import --as tables -f "$F" shop.kvf dbname=bare
pg_sql postgres 'DROP DATABASE home'
empty home
pg_sql home "ALTER TABLE graveler_tags ADD CHECK (id <> 'v3')"
expect 5 import --as tables -f "$F" lake.kvf dbname=home
says graveler_tags
equal "$(pg_sql home 'SELECT (SELECT count(*) FROM auth_users) + (SELECT count(*) FROM actions_runs)')" 0
# The odd cases return but for what is listed; the run says which packages differ.
empty odd
psql -Xq -v ON_ERROR_STOP=1 -d odd -f "$S/edges.sql" >load.log 2>&1 || die edges
expect 0 export -f "$F" -a as_of=$AS_OF dbname=odd odd.kvf
empty home2
expect 0 import --as tables -f "$F" odd.kvf dbname=home2
says 'package actions: the tables give 15 entries again, of 15, and some differ'
grep -q 'package auth:' err && die "auth differs"
grep -q 'package graveler:' err && die "graveler differs"
pg_sql odd "SELECT encode(key, 'hex'), identity, data FROM graveler_staging_kv WHERE staging_token LIKE 'edge-main%' ORDER BY 1" >before
pg_sql home2 "SELECT encode(key, 'hex'), identity, data FROM graveler_staging_kv WHERE staging_token LIKE 'edge-main%' ORDER BY 1" >after
cmp before after || die "staged rows"
