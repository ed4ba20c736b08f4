-- Checkpoints are looked for among millions of other records.
CREATE INDEX ledger_records_of_the_system ON ledger_records (org, at, chain, seq) WHERE kind = 'system';
