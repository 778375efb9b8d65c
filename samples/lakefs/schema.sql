-- The legacy schema of lakeFS 0.69 ... 0.80.2 as far as it holds data: the 17
-- tables of schema version 38, and what older releases left behind.
-- Written for kvferry from the facts in formats/lakefs/README.md.

CREATE TABLE schema_migrations (
	version bigint NOT NULL PRIMARY KEY,
	dirty boolean NOT NULL
);
INSERT INTO schema_migrations VALUES (38, false);

-- auth

CREATE TABLE auth_users (
	id serial NOT NULL PRIMARY KEY,
	created_at timestamptz NOT NULL,
	display_name text NOT NULL UNIQUE,
	friendly_name text,
	source text NOT NULL DEFAULT '',
	email text UNIQUE,
	encrypted_password bytea,
	external_id text UNIQUE
);
CREATE UNIQUE INDEX auth_users_lower_email ON auth_users (lower(email));

CREATE TABLE auth_groups (
	id serial NOT NULL PRIMARY KEY,
	created_at timestamptz NOT NULL,
	display_name text NOT NULL UNIQUE
);

CREATE TABLE auth_policies (
	id serial NOT NULL PRIMARY KEY,
	created_at timestamptz NOT NULL,
	display_name text NOT NULL UNIQUE,
	statement jsonb NOT NULL
);

CREATE TABLE auth_user_groups (
	user_id integer NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
	group_id integer NOT NULL REFERENCES auth_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
);

CREATE TABLE auth_user_policies (
	user_id integer NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
	policy_id integer NOT NULL REFERENCES auth_policies (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, policy_id)
);

CREATE TABLE auth_group_policies (
	group_id integer NOT NULL REFERENCES auth_groups (id) ON DELETE CASCADE,
	policy_id integer NOT NULL REFERENCES auth_policies (id) ON DELETE CASCADE,
	PRIMARY KEY (group_id, policy_id)
);

CREATE TABLE auth_credentials (
	access_key_id varchar(20) NOT NULL PRIMARY KEY,
	secret_access_key bytea NOT NULL,
	issued_date timestamptz NOT NULL,
	user_id integer REFERENCES auth_users (id) ON DELETE CASCADE
);

CREATE TABLE auth_expired_tokens (
	token_id text NOT NULL UNIQUE,
	token_expires_at timestamptz NOT NULL
);

CREATE TABLE auth_installation_metadata (
	key_name text NOT NULL PRIMARY KEY,
	key_value text NOT NULL
);

-- actions

CREATE TABLE actions_runs (
	repository_id text NOT NULL,
	run_id text NOT NULL,
	event_type text NOT NULL,
	start_time timestamptz NOT NULL,
	end_time timestamptz NOT NULL,
	branch_id text NOT NULL,
	source_ref text NOT NULL,
	commit_id text NOT NULL,
	passed boolean NOT NULL DEFAULT false,
	PRIMARY KEY (repository_id, run_id)
);

CREATE TABLE actions_run_hooks (
	repository_id text NOT NULL,
	run_id text NOT NULL,
	hook_run_id text NOT NULL,
	action_name text NOT NULL,
	hook_id text NOT NULL,
	start_time timestamptz NOT NULL,
	end_time timestamptz NOT NULL,
	passed boolean NOT NULL DEFAULT false,
	PRIMARY KEY (repository_id, run_id, hook_run_id)
);

-- gateway

CREATE TABLE gateway_multiparts (
	upload_id varchar NOT NULL PRIMARY KEY,
	path varchar COLLATE "C" NOT NULL,
	creation_date timestamptz NOT NULL DEFAULT now(),
	physical_address varchar,
	metadata jsonb,
	content_type text
);

-- graveler

CREATE TABLE graveler_repositories (
	id text NOT NULL PRIMARY KEY,
	storage_namespace text NOT NULL,
	creation_date timestamptz NOT NULL,
	default_branch text NOT NULL
);

CREATE TABLE graveler_branches (
	repository_id text NOT NULL,
	id text NOT NULL,
	staging_token text,
	commit_id text,
	PRIMARY KEY (repository_id, id)
);

CREATE TABLE graveler_commits (
	repository_id text NOT NULL,
	id text NOT NULL,
	committer text NOT NULL,
	message text NOT NULL,
	creation_date timestamptz NOT NULL,
	meta_range_id text NOT NULL,
	metadata jsonb,
	parents text[],
	version integer NOT NULL DEFAULT 0,
	generation integer,
	PRIMARY KEY (repository_id, id)
);

CREATE FUNCTION first_parent(text[]) RETURNS text
	LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
CREATE INDEX graveler_commits_first_parent
	ON graveler_commits (repository_id, first_parent(parents));

CREATE TABLE graveler_tags (
	repository_id text NOT NULL,
	id text NOT NULL,
	commit_id text,
	PRIMARY KEY (repository_id, id)
);

CREATE TABLE graveler_staging_kv (
	staging_token varchar NOT NULL,
	key bytea NOT NULL,
	identity bytea,
	data bytea,
	UNIQUE (staging_token, key)
) PARTITION BY HASH (staging_token);

DO $$
BEGIN
	FOR i IN 0..9 LOOP
		EXECUTE format('CREATE TABLE graveler_staging_kv_p%s PARTITION OF graveler_staging_kv '
			'FOR VALUES WITH (MODULUS 10, REMAINDER %s)', i, i);
	END LOOP;
END
$$;

-- left behind by releases before the commit graph moved to the object store: never read
-- any more, and dropped by no migration.  In shape, not in every column.

CREATE TYPE catalog_commit_status AS ENUM ('none', 'open', 'closed');
CREATE TYPE catalog_merge_type AS ENUM ('none', 'from_parent', 'from_child');
CREATE TYPE catalog_branch_export_status AS ENUM ('pending', 'in-progress', 'success', 'failed');
CREATE SEQUENCE catalog_repositories_id_seq;
CREATE SEQUENCE catalog_branches_id_seq;
CREATE SEQUENCE catalog_commit_id_seq;
CREATE FUNCTION catalog_max_commit_id() RETURNS bigint
	LANGUAGE sql IMMUTABLE AS 'SELECT 1000000000000000000';
CREATE TABLE catalog_repositories (
	id integer NOT NULL DEFAULT nextval('catalog_repositories_id_seq') PRIMARY KEY,
	name text NOT NULL UNIQUE,
	storage_namespace text NOT NULL
);
CREATE TABLE catalog_branches (
	id bigint NOT NULL DEFAULT nextval('catalog_branches_id_seq') PRIMARY KEY,
	repository_id integer NOT NULL REFERENCES catalog_repositories (id),
	name text NOT NULL
);
CREATE TABLE catalog_commits (
	branch_id bigint NOT NULL REFERENCES catalog_branches (id),
	commit_id bigint NOT NULL DEFAULT nextval('catalog_commit_id_seq'),
	merge_type catalog_merge_type NOT NULL DEFAULT 'none',
	PRIMARY KEY (branch_id, commit_id)
);
CREATE TABLE catalog_entries (
	branch_id bigint NOT NULL,
	path text NOT NULL,
	max_commit bigint NOT NULL DEFAULT catalog_max_commit_id()
);
CREATE VIEW catalog_entries_v AS
	SELECT path, CASE WHEN max_commit = catalog_max_commit_id() THEN 'open'::catalog_commit_status
		ELSE 'closed' END AS status FROM catalog_entries;
CREATE TABLE catalog_object_dedup (repository_id integer NOT NULL, dedup_id bytea NOT NULL);
CREATE TABLE catalog_repositories_config (repository_id integer NOT NULL REFERENCES catalog_repositories (id));
CREATE TABLE catalog_branches_export (branch_id bigint NOT NULL REFERENCES catalog_branches (id));
CREATE TABLE catalog_branches_export_state (
	branch_id bigint NOT NULL REFERENCES catalog_branches (id),
	state catalog_branch_export_status NOT NULL
);
