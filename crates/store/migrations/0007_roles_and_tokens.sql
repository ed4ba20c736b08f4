-- Who may administer: a role given to one person, or to a group as one issuer names it.
CREATE TABLE role_bindings (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  role TEXT NOT NULL,
  holder TEXT NOT NULL,
  issuer TEXT NOT NULL,
  holder_id TEXT NOT NULL,
  made_by TEXT NOT NULL,
  created BIGINT NOT NULL,
  UNIQUE (org, role, holder, issuer, holder_id)
);

-- A person's tokens for the admin API; each a hash.
CREATE TABLE personal_tokens (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL REFERENCES people (id),
  token_hash TEXT NOT NULL,
  prefix TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes_json TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  last_used BIGINT,
  revoked_at BIGINT
);
CREATE UNIQUE INDEX personal_tokens_by_hash ON personal_tokens (org, token_hash);
CREATE INDEX personal_tokens_by_person ON personal_tokens (org, person, id);

-- What was answered to a request that named a key of its own, so that a repeat does nothing a second time.
CREATE TABLE idempotency_keys (
  org TEXT NOT NULL REFERENCES orgs (id),
  actor TEXT NOT NULL,
  operation TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  created BIGINT NOT NULL,
  status BIGINT,
  answer TEXT,
  PRIMARY KEY (org, actor, operation, idempotency_key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (org, created);
