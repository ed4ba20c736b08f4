-- Beside tools a connector has prompts and instructions, which Claude reads too: a definition is of a kind, and a name is of one kind alone.
-- What was known before is of tools.
CREATE TABLE connector_definitions (
  org TEXT NOT NULL REFERENCES orgs (id),
  connector TEXT NOT NULL,
  place TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
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
  PRIMARY KEY (org, connector, place, kind, name)
);
INSERT INTO connector_definitions (org, connector, place, kind, name, first_seen, listed, offered, unfit, offered_hash, offered_at, class, basis,
  said, findings, approved, approved_hash, approved_by, approved_at, kept_hash, kept_by, kept_at)
SELECT org, connector, place, 'tool', action, first_seen, listed, offered, unfit, offered_hash, offered_at, class, basis,
  said, findings, approved, approved_hash, approved_by, approved_at, kept_hash, kept_by, kept_at
FROM connector_actions;
DROP TABLE connector_actions;
