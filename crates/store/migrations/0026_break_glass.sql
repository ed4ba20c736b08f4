-- The break-glass account, where one is sealed: the hash of its code, and since when and by which session it is open.
CREATE TABLE break_glass (
  org TEXT PRIMARY KEY REFERENCES orgs (id),
  code_hash TEXT NOT NULL,
  sealed_at BIGINT NOT NULL,
  sealed_by TEXT NOT NULL,
  opened_at BIGINT,
  session TEXT
);
