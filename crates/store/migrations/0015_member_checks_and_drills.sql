-- The last member list that was held against the directory, its findings in pieces, and the drills that were run.
CREATE TABLE member_checks (
  org TEXT PRIMARY KEY REFERENCES orgs (id),
  record TEXT NOT NULL,
  at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  source TEXT NOT NULL,
  hash TEXT NOT NULL,
  result TEXT NOT NULL,
  findings BIGINT NOT NULL
);
CREATE TABLE member_findings (
  org TEXT NOT NULL REFERENCES orgs (id),
  piece BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (org, piece)
);
CREATE TABLE drills (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  drill TEXT NOT NULL,
  at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  passed BIGINT NOT NULL,
  steps TEXT NOT NULL
);
CREATE INDEX drills_in_order ON drills (org, id);
