-- Telling those who answer that somebody asks, and everybody told so what became of it: when it is next tried, and how often it was.
ALTER TABLE access_requests ADD COLUMN notice_due BIGINT;
ALTER TABLE access_requests ADD COLUMN notice_tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX access_requests_notice ON access_requests (org, notice_due);
