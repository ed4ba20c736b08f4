-- The approval of the call that whoever decides would rather have made: the same action with other arguments.
ALTER TABLE approvals ADD COLUMN instead TEXT;
CREATE INDEX approvals_instead ON approvals (org, instead);
