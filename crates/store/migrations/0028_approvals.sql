-- Calls of connectors' actions that somebody has to approve. `digest` is what one is bound to; of each call one is pending or approved.
-- `approver` is `self`, `second`, or a list of groups as JSON. `arguments` are sealed, and taken away a day after the end.
-- `notice_due` is when those who may decide are told next; none when they were, or when there were as many tries as there may be.
CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL,
  connector TEXT NOT NULL,
  action TEXT NOT NULL,
  arguments_sha256 TEXT NOT NULL,
  definition TEXT NOT NULL,
  policy_version BIGINT NOT NULL,
  digest TEXT NOT NULL,
  about TEXT NOT NULL,
  arguments BYTEA,
  approver TEXT NOT NULL,
  asked BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  state TEXT NOT NULL,
  decided_at BIGINT,
  decided_by TEXT,
  decided_label TEXT,
  reason TEXT,
  ended BIGINT,
  notice_tries BIGINT NOT NULL DEFAULT 0,
  notice_due BIGINT
);
CREATE UNIQUE INDEX approvals_live ON approvals (org, digest) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_of_call ON approvals (org, digest, id);
CREATE INDEX approvals_in_order ON approvals (org, state, id);
CREATE INDEX approvals_of_person ON approvals (org, person, id);
