-- What a check found, kept for as long as it counts: what it was, how it ended, what it is about, its facts and their hash.
CREATE TABLE evidence (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  kind TEXT NOT NULL,
  passed BIGINT NOT NULL,
  at BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  facts TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX evidence_in_order ON evidence (org, kind, id);
