-- Each search of the ledger has one index that fits it, so that no planner can take another: without statistics SQLite holds every
-- index that begins with `org` for about as good. The one by time is of an expression, which the other searches do not use.
DROP INDEX ledger_records_by_time;
CREATE INDEX ledger_records_by_time ON ledger_records (org, (at + 0));
DROP INDEX ledger_records_by_request;
CREATE INDEX ledger_records_by_request ON ledger_records (org, request_id, at);
-- Calls leave two records each and are nearly all there is. What else happened is found by its kind without walking through them.
CREATE INDEX ledger_records_by_rare_kind ON ledger_records (org, kind, at) WHERE kind NOT IN ('decision', 'outcome');
