-- How often each reason refused something in an hour, counted when the ledger is shipped; what was shipped before is not counted.
CREATE TABLE refusal_hours (
  org TEXT NOT NULL,
  hour BIGINT NOT NULL,
  code TEXT NOT NULL,
  refusals BIGINT NOT NULL,
  PRIMARY KEY (org, hour, code)
);
-- One caller's use over weeks, without a walk through everyone's.
CREATE INDEX usage_hours_by_subject ON usage_hours (org, subject, hour);
