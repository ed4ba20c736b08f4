-- What a browser's cookie stands for: a session, how long ago it was used, and when its person last proved who they are.
CREATE TABLE console_sessions (
  cookie_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  session TEXT NOT NULL UNIQUE REFERENCES sessions (id),
  person TEXT NOT NULL REFERENCES people (id),
  created BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  proved_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_by_use ON console_sessions (org, last_seen);
