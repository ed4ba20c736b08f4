CREATE TABLE orgs (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE people (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  issuer TEXT NOT NULL,
  stable_id TEXT NOT NULL,
  email TEXT,
  name TEXT,
  groups_json TEXT NOT NULL,
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  disabled_at BIGINT,
  UNIQUE (org, issuer, stable_id)
);

CREATE TABLE services (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  name TEXT NOT NULL,
  created BIGINT NOT NULL,
  UNIQUE (org, name)
);

CREATE TABLE service_keys (
  key_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  service TEXT NOT NULL REFERENCES services (id),
  prefix TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  revoked_at BIGINT
);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL REFERENCES people (id),
  client TEXT NOT NULL,
  created BIGINT NOT NULL,
  ended_at BIGINT,
  ended_why TEXT,
  idp_sealed BYTEA
);
CREATE INDEX sessions_by_person ON sessions (person);

CREATE TABLE refresh_tokens (
  token_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  session TEXT NOT NULL REFERENCES sessions (id),
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  replaced_at BIGINT
);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires);

CREATE TABLE device_codes (
  device_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  user_code TEXT NOT NULL UNIQUE,
  client TEXT NOT NULL,
  address TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  state TEXT NOT NULL,
  person TEXT,
  session TEXT,
  interval_s BIGINT NOT NULL,
  polled_at BIGINT NOT NULL
);
CREATE INDEX device_codes_by_expiry ON device_codes (expires);

CREATE TABLE login_states (
  state_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  body TEXT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX login_states_by_expiry ON login_states (expires);

CREATE TABLE policies (
  org TEXT NOT NULL REFERENCES orgs (id),
  version BIGINT NOT NULL,
  body TEXT NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (org, version)
);

CREATE TABLE spend_limits (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  scope_type TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  period TEXT NOT NULL,
  amount_cents TEXT,
  pooled_json TEXT,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  UNIQUE (org, scope_type, scope_id, period)
);

CREATE TABLE spend_limit_audit (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  created BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  before_json TEXT,
  after_json TEXT
);
CREATE INDEX spend_limit_audit_by_time ON spend_limit_audit (org, created, id);

CREATE TABLE revocations (
  org TEXT NOT NULL REFERENCES orgs (id),
  seq BIGINT NOT NULL,
  target TEXT NOT NULL,
  target_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (org, seq)
);

CREATE TABLE counters (
  org TEXT NOT NULL REFERENCES orgs (id),
  name TEXT NOT NULL,
  value BIGINT NOT NULL,
  PRIMARY KEY (org, name)
);

CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  sealed BYTEA NOT NULL
);

CREATE TABLE ledger_cursors (
  chain TEXT PRIMARY KEY,
  next_seq BIGINT NOT NULL
);

-- `at` is part of the key so that the table can be cut into days by it.
CREATE TABLE ledger_records (
  org TEXT NOT NULL,
  at BIGINT NOT NULL,
  chain TEXT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  request_id TEXT,
  subject TEXT,
  body TEXT NOT NULL,
  PRIMARY KEY (chain, seq, at)
);
CREATE INDEX ledger_records_by_subject ON ledger_records (org, subject, at);
CREATE INDEX ledger_records_by_request ON ledger_records (org, request_id);
CREATE INDEX ledger_records_by_time ON ledger_records (org, at);

CREATE TABLE usage_hours (
  org TEXT NOT NULL,
  hour BIGINT NOT NULL,
  subject TEXT NOT NULL,
  model TEXT NOT NULL,
  client TEXT NOT NULL,
  upstream TEXT NOT NULL,
  outcome TEXT NOT NULL,
  requests BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  cache_read_tokens BIGINT NOT NULL,
  cost_nanos BIGINT NOT NULL,
  PRIMARY KEY (org, hour, subject, model, client, upstream, outcome)
);

CREATE TABLE spending (
  org TEXT NOT NULL,
  purse TEXT NOT NULL,
  period TEXT NOT NULL,
  window_start BIGINT NOT NULL,
  spent_nanos BIGINT NOT NULL,
  PRIMARY KEY (org, purse, period, window_start)
);
