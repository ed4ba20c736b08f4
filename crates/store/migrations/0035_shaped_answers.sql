-- How many answers of a connector in that minute held text that is shaped like an order to whoever reads it.
ALTER TABLE connector_minutes ADD COLUMN shaped BIGINT NOT NULL DEFAULT 0;
