-- When a refresh token was exchanged for the second and last time.
ALTER TABLE refresh_tokens ADD COLUMN repeated_at BIGINT;
