-- How much of an hour's money is a bound (estimated), and how much is of a model without a price (unpriced). What was counted before
-- this is not told apart.
ALTER TABLE usage_hours ADD COLUMN estimated_requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hours ADD COLUMN estimated_nanos BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hours ADD COLUMN unpriced_requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hours ADD COLUMN unpriced_nanos BIGINT NOT NULL DEFAULT 0;
