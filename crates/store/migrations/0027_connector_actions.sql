-- What connectors listed and what of it was approved: a row for each action of a connector at one place (the fingerprint of its address or
-- command: at another place nothing is approved). Definitions are canonical JSON. `kept` is the offered definition that somebody looked at
-- and left blocked. Listings say when a connector was last asked, and reviews what somebody found about a connector as a whole.
CREATE TABLE connector_actions (
  org TEXT NOT NULL REFERENCES orgs (id),
  connector TEXT NOT NULL,
  place TEXT NOT NULL,
  action TEXT NOT NULL,
  first_seen BIGINT NOT NULL,
  listed BIGINT NOT NULL,
  offered TEXT,
  unfit TEXT,
  offered_hash TEXT NOT NULL,
  offered_at BIGINT NOT NULL,
  class TEXT NOT NULL,
  basis TEXT NOT NULL,
  said TEXT,
  findings TEXT NOT NULL,
  approved TEXT,
  approved_hash TEXT,
  approved_by TEXT,
  approved_at BIGINT,
  kept_hash TEXT,
  kept_by TEXT,
  kept_at BIGINT,
  PRIMARY KEY (org, connector, place, action)
);
CREATE TABLE connector_listings (
  org TEXT NOT NULL REFERENCES orgs (id),
  connector TEXT NOT NULL,
  place TEXT NOT NULL,
  at BIGINT NOT NULL,
  actions BIGINT NOT NULL,
  dropped BIGINT NOT NULL,
  PRIMARY KEY (org, connector, place)
);
CREATE TABLE connector_reviews (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  connector TEXT NOT NULL,
  place TEXT NOT NULL,
  at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  risk TEXT NOT NULL,
  vendor TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX connector_reviews_in_order ON connector_reviews (org, connector, place, id);
