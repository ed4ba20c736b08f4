-- In which order reviews were kept, whatever the clock of whoever took them said. Those from before stand before all that come.
ALTER TABLE connector_reviews ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
UPDATE connector_reviews SET number = 0 -
  (SELECT COUNT(*) FROM connector_reviews later WHERE later.org = connector_reviews.org AND later.id > connector_reviews.id);
