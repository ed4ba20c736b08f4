-- What is to be done for people who come and go. `about` is a person's id, or an e-mail address of somebody the directory does not
-- know; a task is over when its occasion is, and only then may the same be opened anew.
CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  org TEXT NOT NULL REFERENCES orgs (id),
  about TEXT NOT NULL,
  label TEXT NOT NULL,
  occasion TEXT NOT NULL,
  kind TEXT NOT NULL,
  cause TEXT NOT NULL,
  since BIGINT NOT NULL,
  due BIGINT NOT NULL,
  opened BIGINT NOT NULL,
  opened_by TEXT NOT NULL,
  escalated_at BIGINT,
  closed_at BIGINT,
  closed_by TEXT,
  closed_as TEXT,
  evidence TEXT,
  over_at BIGINT
);
CREATE UNIQUE INDEX tasks_of_an_occasion ON tasks (org, about, kind) WHERE over_at IS NULL;
CREATE INDEX tasks_in_order ON tasks (org, id);
-- whether a person has tasks of an occasion at all, over or not
CREATE INDEX tasks_about ON tasks (org, about, occasion);
