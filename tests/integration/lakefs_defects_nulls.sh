# lakeFS's defect 12: NULL in six columns fails the package.  A fixture for each row of rule 7:
# the run goes through, the field is absent, and what has to be known is reported with a count and a name.
. "$TOP/tests/integration/lakefs/lake.sh"
command -v protoc >/dev/null || pg_skip "protoc is not installed (Debian: protobuf-compiler)"
lake_start
pg_sql postgres 'CREATE DATABASE base'
psql -Xq -v ON_ERROR_STOP=1 -d base -f "$S/schema.sql" >load.log 2>&1 || die schema
T=r-main:11111111-2222-3333-4444-555555555555
pg_sql base "INSERT INTO graveler_repositories VALUES ('rep', 's3://r', '2021-01-01', 'main')" \
    "INSERT INTO auth_installation_metadata VALUES ('installation_id', 'x'), ('setup_timestamp', '2021-01-01T00:00:00Z')"
# message TYPE PARTITION KEY: the message there, as protoc reads it
message() {
    "$K" get --raw sqlite:s.db "$2" "$3" >value || die "no entry $2 $3"
    protoc --decode=lakefs."$1" -I"$F" lakefs.proto <value >text 2>proto.err || { cat proto.err >&2; die "$3 is no $1"; }
}
n=0
fixture() { # STATEMENT... : a database of its own with these rows, migrated
    n=$((n + 1))
    pg_sql postgres "CREATE DATABASE n$n TEMPLATE base"
    pg_sql n$n "$@"
    rm -f s.db
    expect 0 migrate -f "$F" -a as_of=$AS_OF --sides . --overwrite dbname=n$n sqlite:s.db
    says 'published'
}
reported() { says "$1"; grep -F "$1" out err | grep -qF "$2" || die "$1 does not name $2"; }
not_reported() { grep -qF "$1" out err && die "$1 is reported"; :; }
absent() { grep -q "^$1" text && die "field $1 is there"; :; }
P() { "$K" cat --keys sqlite:s.db | sed -n 's/.*"partition":"\(rep-[0-9a-v]\{20\}\)".*/\1/p' | head -1; }

# friendly_name, email, encrypted_password, external_id
fixture "INSERT INTO auth_users (created_at, display_name) VALUES ('2021-01-01', 'u')"
message UserData auth users/u
for field in friendly_name email encrypted_password external_id; do absent $field; done
grep -q '^username: "u"' text || die username
not_reported users

# gateway_multiparts.physical_address, metadata
fixture "INSERT INTO gateway_multiparts VALUES ('up', 'p', '2021-01-01', NULL, NULL, 'text/plain')"
message MultipartUploadData multiparts up
absent physical_address; absent metadata
grep -q '^content_type: "text/plain"' text || die content_type
reported upload-without-address up
reported upload-without-metadata up

# gateway_multiparts.content_type: carried, not left out
fixture "INSERT INTO gateway_multiparts VALUES ('up', 'p', '2021-01-01', 's3://x', '{}', NULL)"
message MultipartUploadData multiparts up
absent content_type
grep -q '^physical_address: "s3://x"' text || die physical_address
reported upload-without-content-type up

# graveler_branches.commit_id
fixture "INSERT INTO graveler_branches VALUES ('rep', 'b', '$T', NULL)"
message BranchData "$(P)" branches/b
absent commit_id
grep -q "^staging_token: \"$T\"" text || die staging_token
reported branch-without-commit rep/b

# graveler_branches.staging_token, also '': a new token, the same for the same branch
fixture "INSERT INTO graveler_branches VALUES ('rep', 'b', NULL, 'c'), ('rep', 'b/2', '', 'c')"
for branch in b b/2; do
    message BranchData "$(P)" branches/$branch
    uuid=$({ printf 'kvferry.lakefs.token\0rep\0%s' $branch; } | sha256sum | cut -c1-32)
    v=$(printf '%x' $((0x$(echo "$uuid" | cut -c17-18) & 63 | 128)))
    uuid=$(echo "$uuid" | sed "s/^\(.\{12\}\).\(...\)..\(.*\)/\18\2$v\3/; s/^\(.\{8\}\)\(....\)\(....\)\(....\)/\1-\2-\3-\4-/")
    grep -qxF "staging_token: \"rep-$branch:$uuid\"" text || { cat text >&2; die "the token of $branch is not rep-$branch:$uuid"; }
    reported new-staging-token rep/$branch
done

# graveler_tags.commit_id
fixture "INSERT INTO graveler_tags VALUES ('rep', 't', NULL)"
message TagData "$(P)" tags/t
absent commit_id
reported tag-without-commit rep/t

# graveler_commits.metadata, parents: no entries, not reported; generation: by repository
fixture "INSERT INTO graveler_commits VALUES ('rep', 'c', 'x', 'y', '2021-01-01', 'm', NULL, NULL, 0, 5)"
message CommitData "$(P)" commits/c
absent metadata; absent parents
grep -q '^generation: 5' text || die generation
not_reported commit-without-generation
fixture "INSERT INTO graveler_commits VALUES ('rep', 'c', 'x', 'y', '2021-01-01', 'm', '{\"a\": \"b\"}', '{p}', 0, NULL)"
message CommitData "$(P)" commits/c
absent generation
grep -q '^parents: "p"' text || die parents
reported commit-without-generation 'rep: 1'

# auth_credentials.user_id: not written, listed by access_key_id
fixture "INSERT INTO auth_credentials VALUES ('AKIAJ', '\\x01', '2021-01-01', NULL)"
"$K" cat --keys sqlite:s.db | grep -q uCredentials && die "a credential of nobody"
reported credential-without-user AKIAJ

# graveler_staging_kv.identity, data: absent; a deletion, counted apart, keeps its data
fixture "INSERT INTO graveler_branches VALUES ('rep', 'b', 'rep-b:11111111-2222-3333-4444-555555555555', 'c')" \
    "INSERT INTO graveler_staging_kv SELECT 'rep-b:11111111-2222-3333-4444-555555555555', k, i, d FROM (VALUES ('gone'::bytea, NULL::bytea, NULL::bytea),
        ('kept', NULL, 'data'), ('bare', 'id', NULL)) x (k, i, d)"
T=rep-b:11111111-2222-3333-4444-555555555555
message StagedEntryData $T gone; absent identity; absent data
message StagedEntryData $T kept; absent identity; grep -q '^data: "data"' text || die "the data of a deletion"
message StagedEntryData $T bare; absent data; grep -q '^identity: "id"' text || die identity
reported tombstones "$T: 2"
echo "defect 12: $n fixtures with NULLs, each carried and reported as rule 7 says"
