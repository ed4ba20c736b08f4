-- When a sensor last told something, where nothing else in the store says it: silence must be told from nothing to tell.
CREATE TABLE sensor_words (
  org TEXT NOT NULL,
  sensor TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (org, sensor)
);
-- what is due first, without a walk through what is done
CREATE INDEX tasks_open_by_due ON tasks (org, due, id) WHERE closed_at IS NULL;
