-- Since when somebody is new, for whom tasks are opened; nothing for whom a directory brought while it was synchronised for the first time.
ALTER TABLE people ADD COLUMN new_at BIGINT;
UPDATE people SET new_at = first_seen;
-- What is looked at every few seconds costs as much as there is to do, not as there are people.
CREATE INDEX people_new ON people (org, new_at) WHERE new_at IS NOT NULL;
CREATE INDEX people_out ON people (org, (COALESCE(disabled_at, left_at)));
CREATE INDEX directory_users_by_age ON directory_users (org, source, created);
CREATE INDEX tasks_to_do ON tasks (org, kind, id) WHERE closed_at IS NULL;
CREATE INDEX tasks_that_stand ON tasks (org, kind, about) WHERE over_at IS NULL;
