-- People's own authorisations at connectors. `sealed` is what is secret of one, under a name that says whose it is, at which connector and
-- for which address. `version` grows with each change of what is sealed. `expires` is when its access token ends, where that is known;
-- `dead_since` is when the connector's authorization server refused to renew it. Until `renewing_until` one replica renews it.
CREATE TABLE grants (
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL REFERENCES people (id),
  connector TEXT NOT NULL,
  address TEXT NOT NULL,
  issuer TEXT NOT NULL,
  scope TEXT NOT NULL,
  sealed BYTEA NOT NULL,
  version BIGINT NOT NULL,
  connected BIGINT NOT NULL,
  renewed BIGINT NOT NULL,
  expires BIGINT,
  dead_since BIGINT,
  renewing_until BIGINT,
  PRIMARY KEY (org, person, connector)
);
CREATE INDEX grants_by_connector ON grants (org, connector, address);
