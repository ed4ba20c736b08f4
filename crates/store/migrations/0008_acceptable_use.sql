-- The acceptable-use policy: its versions, which never change, and who accepted which.
CREATE TABLE acceptable_use_versions (
  org TEXT NOT NULL REFERENCES orgs (id),
  version BIGINT NOT NULL,
  language TEXT NOT NULL,
  body TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  settings TEXT NOT NULL,
  accept_from BIGINT NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (org, version)
);
CREATE TABLE acceptable_use_acceptances (
  org TEXT NOT NULL REFERENCES orgs (id),
  person TEXT NOT NULL REFERENCES people (id),
  version BIGINT NOT NULL,
  at BIGINT NOT NULL,
  way TEXT NOT NULL,
  address TEXT,
  PRIMARY KEY (org, person, version)
);
