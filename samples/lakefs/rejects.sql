-- Rows that cannot keep their meaning: each is named in the rejects file.

INSERT INTO graveler_staging_kv SELECT staging_token, x.key, x.identity, NULL
	FROM graveler_branches, (VALUES ('\x'::bytea, '\x01'::bytea), ('no identity', '\x')) AS x (key, identity)
	WHERE repository_id = 'edge' AND id = 'no-commit';
INSERT INTO auth_users (created_at, display_name) VALUES ('infinity', 'for ever'), ('0044-03-15 12:00:00+00 BC', 'caesar'),
	('10000-01-01 00:00:00+00', 'far');
INSERT INTO auth_policies (created_at, display_name, statement) VALUES ('2021-01-01 00:00:00+00', 'no list', '{"Effect": "allow"}'),
	('2021-01-01 00:00:00+00', 'number', '[{"Effect": 1, "Action": "x"}]');
INSERT INTO gateway_multiparts VALUES ('nested', 'x', '2021-01-01 00:00:00+00', 'x', '{"a": {"b": 1}}', 'x');
INSERT INTO graveler_commits VALUES ('edge', 'bad', 'x', 'x', '2021-01-01 00:00:00+00', 'm', '[1]', NULL, 0, 1),
	('edge', 'null parent', 'x', 'x', '2021-01-01 00:00:00+00', 'm', NULL, ARRAY['c1', NULL], 0, 1);
