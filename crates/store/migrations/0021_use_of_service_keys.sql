-- When a key was last used, so that one that nothing uses any more is found and taken away.
ALTER TABLE service_keys ADD COLUMN used_at BIGINT;
