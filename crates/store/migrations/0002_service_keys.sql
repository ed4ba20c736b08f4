-- What a key's caller is a member of, and who made it; who took it away and why stands with the revocation.
ALTER TABLE service_keys ADD COLUMN groups_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE service_keys ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
CREATE INDEX service_keys_by_service ON service_keys (org, service);
