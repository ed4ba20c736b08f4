-- Programs that registered themselves to call connectors (RFC 7591). `used_at` is when somebody was last let in through one; one that
-- nobody was let in through leaves first.
CREATE TABLE oauth_clients (
  client_id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  name TEXT NOT NULL,
  redirect_uris TEXT NOT NULL,
  created BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX oauth_clients_by_use ON oauth_clients (org, used_at, created);
-- What a person's yes is worth to the program they said it to, for a minute and once. A used one stays for a while: if it comes again,
-- somebody else has it, and the session it began is ended.
CREATE TABLE authorization_codes (
  code_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  client_id TEXT NOT NULL,
  client_name TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  challenge TEXT NOT NULL,
  resource TEXT NOT NULL,
  scope TEXT NOT NULL,
  person TEXT NOT NULL,
  session TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX authorization_codes_by_end ON authorization_codes (expires);
-- The program and the connector that a session's tokens are for, and how it began: `code` or `assertion`.
CREATE TABLE session_bounds (
  session TEXT PRIMARY KEY REFERENCES sessions (id),
  org TEXT NOT NULL REFERENCES orgs (id),
  client_id TEXT NOT NULL,
  resource TEXT NOT NULL,
  scope TEXT NOT NULL,
  began_by TEXT NOT NULL
);
-- Assertions that were taken (RFC 7523, section 3): each counts once.
CREATE TABLE assertions (
  issuer TEXT NOT NULL,
  jti_hash TEXT NOT NULL,
  org TEXT NOT NULL REFERENCES orgs (id),
  expires BIGINT NOT NULL,
  PRIMARY KEY (org, issuer, jti_hash)
);
CREATE INDEX assertions_by_end ON assertions (expires);
