-- How often somebody's calls went to a connector in a minute, counted when the ledger is shipped, so that many calls in a short time are seen
-- whichever replica they came through. Kept for a few days.
CREATE TABLE connector_minutes (
  org TEXT NOT NULL,
  minute BIGINT NOT NULL,
  connector TEXT NOT NULL,
  subject TEXT NOT NULL,
  calls BIGINT NOT NULL,
  PRIMARY KEY (org, minute, connector, subject)
);
