-- What a company's directory provisions (SCIM). A source is an issuer by its configured name, with a tenant where the issuer has several.
-- Since when the directory says that a person may not come in; `disabled_at` is our own administrators' word.
ALTER TABLE people ADD COLUMN left_at BIGINT;

CREATE TABLE directory_users (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  source TEXT NOT NULL,
  person TEXT NOT NULL REFERENCES people (id),
  by_hand BIGINT NOT NULL,
  user_name TEXT NOT NULL,
  external_id TEXT,
  active BIGINT NOT NULL,
  body TEXT NOT NULL,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  version BIGINT NOT NULL,
  deleted_at BIGINT
);
CREATE UNIQUE INDEX directory_users_by_name ON directory_users (org, source, user_name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX directory_users_by_external ON directory_users (org, source, external_id);
CREATE UNIQUE INDEX directory_users_by_person ON directory_users (org, person) WHERE deleted_at IS NULL;
CREATE INDEX directory_users_in_order ON directory_users (org, source, id);

CREATE TABLE directory_groups (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  source TEXT NOT NULL,
  display_name TEXT NOT NULL,
  folded_name TEXT NOT NULL,
  external_id TEXT,
  created BIGINT NOT NULL,
  modified BIGINT NOT NULL,
  version BIGINT NOT NULL,
  deleted_at BIGINT
);
CREATE UNIQUE INDEX directory_groups_by_name ON directory_groups (org, source, folded_name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX directory_groups_by_external ON directory_groups (org, source, external_id) WHERE deleted_at IS NULL;
CREATE INDEX directory_groups_in_order ON directory_groups (org, source, id);

-- A member is a user's id as the directory wrote it; one that is nobody's yet waits here. `until` says when it was taken away.
CREATE TABLE directory_members (
  org TEXT NOT NULL,
  source TEXT NOT NULL,
  group_id TEXT NOT NULL,
  member TEXT NOT NULL,
  until BIGINT,
  PRIMARY KEY (org, source, group_id, member)
);
CREATE INDEX directory_members_by_member ON directory_members (org, source, member);

-- Whose groups changed, in the order they did; no person means anybody's.
CREATE TABLE directory_changes (
  org TEXT NOT NULL,
  seq BIGINT NOT NULL,
  person TEXT,
  at BIGINT NOT NULL,
  PRIMARY KEY (org, seq)
);

CREATE TABLE scim_tokens (
  id TEXT PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  org TEXT NOT NULL REFERENCES orgs (id),
  issuer TEXT NOT NULL,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  made_by TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  revoked_at BIGINT,
  used_at BIGINT
);
CREATE INDEX scim_tokens_by_issuer ON scim_tokens (org, issuer);
