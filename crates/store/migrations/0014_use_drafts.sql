-- The acceptable-use policy that somebody is writing: one of an organisation, with its own revisions, apart from what is in force.
CREATE TABLE acceptable_use_drafts (
  org TEXT PRIMARY KEY REFERENCES orgs (id),
  revision BIGINT NOT NULL,
  language TEXT NOT NULL,
  body TEXT NOT NULL,
  variables TEXT NOT NULL,
  author TEXT NOT NULL,
  saved BIGINT NOT NULL
);
