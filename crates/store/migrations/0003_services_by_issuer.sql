-- A service is its issuer's: the same name at two issuers is two services. What has keys is ours; what came by token before is taken
-- over, with its id and what hangs on it, by the first issuer that names it.
CREATE TABLE services_anew (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  issuer TEXT NOT NULL,
  name TEXT NOT NULL,
  created BIGINT NOT NULL,
  UNIQUE (org, issuer, name)
);
INSERT INTO services_anew (id, org, issuer, name, created)
  SELECT s.id, s.org, CASE WHEN EXISTS (SELECT 1 FROM service_keys k WHERE k.service = s.id) THEN 'doorward' ELSE '' END, s.name, s.created
  FROM services s;
CREATE TABLE service_keys_anew (
  key_hash TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  service TEXT NOT NULL REFERENCES services_anew (id),
  prefix TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  revoked_at BIGINT,
  groups_json TEXT NOT NULL DEFAULT '[]',
  made_by TEXT NOT NULL DEFAULT ''
);
INSERT INTO service_keys_anew (key_hash, org, service, prefix, created, expires, revoked_at, groups_json, made_by)
  SELECT key_hash, org, service, prefix, created, expires, revoked_at, groups_json, made_by FROM service_keys;
DROP TABLE service_keys;
DROP TABLE services;
ALTER TABLE services_anew RENAME TO services;
ALTER TABLE service_keys_anew RENAME TO service_keys;
CREATE INDEX service_keys_by_service ON service_keys (org, service);

-- The latest window in which anything was spent is asked for at each start.
CREATE INDEX spending_by_window ON spending (org, period, window_start);
