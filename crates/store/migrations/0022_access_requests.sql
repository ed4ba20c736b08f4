-- What people asked for beyond what they may use, and what was answered. `thing` is a model's id, a budget's period or a group's name.
-- Of each thing a person has one request that is open. One that nobody answered is told from `asked`; it is noted as expired when the
-- same is asked anew.
CREATE TABLE access_requests (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL,
  kind TEXT NOT NULL,
  thing TEXT NOT NULL,
  amount_cents TEXT,
  reason TEXT NOT NULL,
  asked BIGINT NOT NULL,
  state TEXT NOT NULL,
  closed_at BIGINT,
  closed_by TEXT,
  answer TEXT,
  granted_cents TEXT
);
CREATE UNIQUE INDEX access_requests_open ON access_requests (org, person, kind, thing) WHERE state = 'open';
CREATE INDEX access_requests_in_order ON access_requests (org, state, id);
CREATE INDEX access_requests_of_person ON access_requests (org, person, id);
