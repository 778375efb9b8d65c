-- The odd cases of every column: to be loaded behind schema.sql, with or
-- without rows.sql.  What cannot be carried is in rejects.sql.

SET timezone = 'UTC';
BEGIN;
INSERT INTO auth_users (created_at, display_name, friendly_name, source, email, encrypted_password, external_id) VALUES
	('1969-12-31 23:59:59.5+00', 'epoch minus', NULL, '', NULL, NULL, NULL),
	('1970-01-01 00:00:00+00', 'epoch', '', '', '', '', ''),
	('0001-01-01 00:00:00+00', 'first/year', 'Zoë', 'internal', 'zoe@example.org', '\x00ff', 'x/1'),
	('9999-12-31 23:59:59.999999+00', '用户', E'tab\tand\nline', 'external', 'last@example.org', decode(repeat('ab', 1000), 'hex'), 'x/2');
INSERT INTO auth_groups (created_at, display_name) VALUES ('2021-05-05 05:05:05.000001+00', 'team/a'), ('2021-05-05 05:05:05+00', 'empty');
INSERT INTO auth_policies (created_at, display_name, statement) VALUES
	('2021-05-06 00:00:00+00', 'none', '[]'),
	('2021-05-06 00:00:00+00', 'small letters', '[{"effect": "allow", "ACTION": ["fs:*", ""], "resource": "*"}]'),
	('2021-05-06 00:00:00+00', 'more', '[{"Effect": "deny", "Action": [], "Resource": "", "Condition": {"ip": 1}, "Sid": "x"}, {}]');
INSERT INTO auth_user_groups SELECT u.id, g.id FROM auth_users u, auth_groups g
	WHERE u.display_name IN ('用户', 'first/year') AND g.display_name = 'team/a';
INSERT INTO auth_user_policies SELECT u.id, p.id FROM auth_users u, auth_policies p
	WHERE u.display_name = '用户' AND p.display_name = 'none';
INSERT INTO auth_group_policies SELECT g.id, p.id FROM auth_groups g, auth_policies p
	WHERE g.display_name = 'team/a' AND p.display_name = 'more';
INSERT INTO auth_credentials VALUES
	('AKIAJEDGE0000000NULL', '\x0102', '2021-01-01 00:00:00+00', NULL),
	('AKIAJEDGE00000000001', '\x', '1965-01-01 00:00:00.000001+00', (SELECT id FROM auth_users WHERE display_name = '用户'));
INSERT INTO auth_expired_tokens VALUES ('past', '1999-01-01 00:00:00+00'), ('at as_of', '2022-08-01 00:00:00+00'),
	('far', '9000-01-01 00:00:00+00');
INSERT INTO auth_installation_metadata VALUES ('installation_id', 'b5f1d9c2-edge'), ('postgresql_version', '13.7'),
	('postgresql_aurora_version', '4.1'), ('postgresql_setting_x', ''), ('a/b', 'c')
	ON CONFLICT DO NOTHING;

INSERT INTO graveler_repositories VALUES
	('edge', 's3://edge/', '2021-01-02 03:04:05.678901+00', 'main'),
	('old-times', 's3://old', '1931-01-01 00:00:00.25+00', 'trunk'),
	('bare', 'local://bare', '2022-02-22 22:22:22+00', 'main');
INSERT INTO graveler_branches VALUES
	('edge', 'main', 'edge-main:11111111-2222-3333-4444-555555555555', 'c1'),
	('edge', 'no/token', NULL, 'c1'),
	('edge', 'empty-token', '', 'c2'),
	('edge', 'no-commit', 'edge-no-commit:11111111-2222-3333-4444-666666666666', NULL),
	('edge', 'shares', 'edge-main:11111111-2222-3333-4444-555555555555', 'c2'),
	('gone', 'main', 'gone-main:11111111-2222-3333-4444-777777777777', 'c9');
INSERT INTO graveler_commits VALUES
	('edge', 'c1', 'Zoë', '', '1969-07-20 20:17:40.000001+00', 'm1', NULL, NULL, 0, NULL),
	('edge', 'c2', '', E'first\nsecond', '2021-01-01 00:00:00+00', '', '{}', '{}', 2147483647, -5),
	('edge', 'c3', 'x', repeat('long ', 10000), '2021-01-01 00:00:00+00', 'm3', '{"b": "2", "a": "", "ü": null, "aa": "1"}',
		ARRAY['c2', '', 'c1'], -1, 7),
	('edge', 'c4', 'x', 'large', '2021-01-01 00:00:00+00', 'm4',
		(SELECT jsonb_object_agg('key/' || i, repeat('ü', i)) FROM generate_series(1, 500) i),
		(SELECT array_agg('parent ' || i ORDER BY i) FROM generate_series(1, 500) i), 0, 8),
	('gone', 'c9', 'x', 'y', '2021-01-01 00:00:00+00', 'm9', NULL, NULL, 0, 1);
INSERT INTO graveler_tags VALUES ('edge', 'v/1', 'c1'), ('edge', 'nowhere', NULL), ('gone', 'v9', 'c9');
INSERT INTO graveler_staging_kv VALUES
	('edge-main:11111111-2222-3333-4444-555555555555', 'a/b', '\x01', '\x0a0161'),
	('edge-main:11111111-2222-3333-4444-555555555555', '\x00ff', NULL, NULL),
	('edge-main:11111111-2222-3333-4444-555555555555', 'kept', NULL, '\x01'),
	('edge-main:11111111-2222-3333-4444-555555555555', 'no data', '\x02', NULL),
	('nobody:11111111-2222-3333-4444-888888888888', 'lost', '\x03', '\x03');

INSERT INTO gateway_multiparts VALUES
	('plain', 'a/b', '2021-01-01 00:00:00+00', 's3://x/1', '{"k": "v"}', 'text/plain'),
	('no/type', 'ü', '1960-01-01 00:00:00+00', 's3://x/2', '{}', NULL),
	('nothing', '', '2021-01-01 00:00:00+00', NULL, NULL, ''),
	('large', 'x', '2021-01-01 00:00:00+00', 's3://x/3',
		(SELECT jsonb_object_agg(i, repeat('v', i)) FROM generate_series(0, 500) i), 'x/y');

INSERT INTO actions_runs VALUES
	('edge', '20210101000000AZaz09_-', 'pre-commit', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', 'main', 'c1', '', true),
	('edge', '20210101000000AZaz09__', 'pre-commit', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', '', '', 'c1', false),
	('edge', '20470314024209zzzzzzzz', 'pre-merge', '2047-03-14 02:42:09+00', '2047-03-14 02:42:09+00', 'a/b', 'x', 'c3', true),
	('edge', '20210230000000abcdefgh', 'x', '2021-02-28 12:00:00.9+00', '2021-03-01 00:00:00+00', '', '', '', false),
	('edge', '20210101000000tooolong9', 'x', '2021-01-01 00:00:00+00', '2021-03-01 00:00:00+00', '', '', '', false),
	('edge', 'by hand', 'x', '1969-12-31 23:59:59.5+00', '2021-03-01 00:00:00+00', '', '', '', false),
	('gone', '20210101000000AZaz09_-', 'x', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', 'main', '', 'c9', true);
INSERT INTO actions_run_hooks VALUES
	('edge', '20210101000000AZaz09_-', '0000_0000', 'a/b', 'hook', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', true),
	('gone', '20210101000000AZaz09_-', '0000_0000', 'other', 'hook', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', false),
	('edge', 'no such run', '0000_0000', 'x', 'y', '2021-01-01 00:00:00+00', '2021-01-01 00:00:01+00', false);
COMMIT;
