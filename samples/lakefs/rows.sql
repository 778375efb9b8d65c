-- Rows for samples/lakefs/schema.sql, the same for the same numbers:
--   psql -v repos=5 -v commits=200 -v branches=20 -v staged=300 -v runs=50
--        -v users=20 -v seed=1 -f rows.sql
-- `commits`, `branches`, `staged`, `runs` and `users` are totals.  Each run has
-- three hooks.  generate calls this; the odd cases are in edges.sql, and in rejects.sql.

SET timezone = 'UTC';
BEGIN;
CREATE FUNCTION pg_temp.h(text) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex') $$;
-- 0 ... n-1, decided by the text
CREATE FUNCTION pg_temp.n(what text, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
	AS $$ SELECT (('x' || substr(md5(what), 1, 15))::bit(60)::bigint) % greatest(n, 1) $$;
CREATE FUNCTION pg_temp.at(what text) RETURNS timestamptz LANGUAGE sql IMMUTABLE
	AS $$ SELECT timestamptz '2019-06-01 00:00:00+00'
		+ pg_temp.n(what, 94608000) * interval '1 second'
		+ pg_temp.n(what || 'us', 1000000) * interval '1 microsecond' $$;
CREATE FUNCTION pg_temp.repo(i bigint) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT 'repo-' || lpad(i::text, 4, '0') $$;

INSERT INTO auth_users (created_at, display_name, friendly_name, source, email, encrypted_password, external_id)
SELECT pg_temp.at(:'seed' || 'u' || i), 'user' || i,
	CASE i % 3 WHEN 0 THEN 'Friend ' || i END,
	CASE i % 4 WHEN 0 THEN 'external' ELSE 'internal' END,
	CASE i % 2 WHEN 0 THEN 'user' || i || '@example.org' END,
	CASE i % 5 WHEN 0 THEN sha256(int8send(i)) END,
	CASE i % 7 WHEN 0 THEN 'ext-' || i END
FROM generate_series(1::bigint, :users) i;

INSERT INTO auth_groups (created_at, display_name)
SELECT pg_temp.at(:'seed' || 'g' || i), 'group' || i FROM generate_series(1::bigint, greatest(:users / 20, 2)) i;

INSERT INTO auth_policies (created_at, display_name, statement)
SELECT pg_temp.at(:'seed' || 'p' || i), 'policy' || i, jsonb_build_array(
	jsonb_build_object('Effect', CASE i % 3 WHEN 0 THEN 'deny' ELSE 'allow' END,
		'Action', jsonb_build_array('fs:Read*', 'fs:List' || i), 'Resource', 'arn:lakefs:fs:::repository/' || i || '/*'),
	jsonb_build_object('Effect', 'allow', 'Action', jsonb_build_array('auth:*'), 'Resource', '*'))
FROM generate_series(1::bigint, greatest(:users / 10, 2)) i;

INSERT INTO auth_user_groups
SELECT u.id, g.id FROM auth_users u JOIN auth_groups g
	ON pg_temp.n(:'seed' || u.display_name || g.display_name, 4) = 0;
INSERT INTO auth_user_policies
SELECT u.id, p.id FROM auth_users u JOIN auth_policies p
	ON pg_temp.n(:'seed' || u.display_name || p.display_name, 8) = 0;
INSERT INTO auth_group_policies
SELECT g.id, p.id FROM auth_groups g JOIN auth_policies p
	ON pg_temp.n(:'seed' || g.display_name || p.display_name, 3) = 0;
INSERT INTO auth_credentials
SELECT 'AKIAJ' || upper(substr(pg_temp.h(:'seed' || display_name), 1, 15)),
	sha256(convert_to(:'seed' || display_name || 'secret', 'UTF8')),
	created_at + interval '1 hour', id
FROM auth_users;
INSERT INTO auth_expired_tokens
SELECT 'token-' || pg_temp.h(:'seed' || i),
	timestamptz '2022-07-01 00:00:00+00' + (pg_temp.n(:'seed' || 't' || i, 2000) - 1000) * interval '1 hour'
FROM generate_series(1::bigint, :users) i;
INSERT INTO auth_installation_metadata VALUES
	('installation_id', 'b5f1d9c2-6f43-4f0e-9d6b-1c4f8a1f2e11'),
	('setup_timestamp', '2021-03-04T05:06:07Z'),
	('postgresql_version', '13.7'), ('postgresql_setting_work_mem', '4096');

INSERT INTO graveler_repositories
SELECT pg_temp.repo(i), 's3://bucket/' || pg_temp.repo(i), pg_temp.at(:'seed' || 'r' || i), 'main'
FROM generate_series(1::bigint, :repos) i;

INSERT INTO graveler_commits
SELECT pg_temp.repo(1 + i % :repos), pg_temp.h(:'seed' || 'c' || i), 'user' || (1 + i % :users),
	'commit number ' || i, timestamptz '2020-01-01 00:00:00+00' + i * interval '7.25 seconds',
	pg_temp.h(:'seed' || 'm' || i),
	CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}'::jsonb
		ELSE jsonb_build_object('job', 'etl-' || i % 17, 'run', i::text) END,
	CASE WHEN i < :repos THEN ARRAY[]::text[] ELSE ARRAY[pg_temp.h(:'seed' || 'c' || (i - :repos))] END,
	1, (i / :repos)::integer + 1
FROM generate_series(0::bigint, :commits - 1) i;

INSERT INTO graveler_branches
SELECT pg_temp.repo(1 + i % :repos), CASE WHEN i < :repos THEN 'main' ELSE 'feature/' || i END,
	pg_temp.repo(1 + i % :repos) || '-' || CASE WHEN i < :repos THEN 'main' ELSE 'feature/' || i END || ':' ||
		md5(:'seed' || 'b' || i)::uuid,
	pg_temp.h(:'seed' || 'c' || (i % :repos))
FROM generate_series(0::bigint, greatest(:branches, :repos) - 1) i;

INSERT INTO graveler_tags
SELECT pg_temp.repo(1 + i % :repos), 'v' || i, pg_temp.h(:'seed' || 'c' || i)
FROM generate_series(0::bigint, least(:commits, :branches) - 1) i;

INSERT INTO graveler_staging_kv
SELECT b.staging_token, convert_to('data/part-' || lpad(i::text, 9, '0') || '.parquet', 'UTF8'),
	CASE i % 11 WHEN 0 THEN NULL ELSE substr(sha256(int8send(i)), 1, 16) END,
	CASE i % 11 WHEN 0 THEN NULL ELSE sha256(int8send(i)) || sha256(int8send(-i)) END
FROM (SELECT staging_token, row_number() OVER (ORDER BY staging_token) - 1 AS k, count(*) OVER () AS n
	FROM graveler_branches) b
JOIN generate_series(0::bigint, :staged - 1) i ON i % b.n = b.k;

INSERT INTO actions_runs
SELECT pg_temp.repo(1 + i % :repos),
	to_char(t, 'YYYYMMDDHH24MISS') || translate(substr(md5(:'seed' || 'a' || i), 1, 8), 'abcdef', 'KZ_-qz'),
	CASE i % 2 WHEN 0 THEN 'pre-commit' ELSE 'pre-merge' END, t, t + interval '2.5 seconds',
	CASE i % 5 WHEN 0 THEN '' ELSE 'feature/' || i % 9 END, 'ref' || i,
	CASE i % 3 WHEN 0 THEN '' ELSE pg_temp.h(:'seed' || 'c' || i) END, i % 6 <> 0
FROM (SELECT i, timestamptz '2021-01-01 00:00:00+00' + (i / 3) * interval '1 second' AS t
	FROM generate_series(0::bigint, :runs - 1) i) r;

INSERT INTO actions_run_hooks
SELECT repository_id, run_id, lpad((k / 2)::text, 4, '0') || '_' || lpad((k % 2)::text, 4, '0'),
	'action ' || k, 'hook_' || k, start_time + k * interval '0.1 second', end_time, passed OR k = 0
FROM actions_runs, generate_series(0, 2) k;
COMMIT;
ANALYZE;
