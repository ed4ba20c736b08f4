-- Who writes a chain, while it does; and how the copy's last record of each chain ended, so that another one cannot follow it.
CREATE TABLE chain_claims (
  chain TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  place TEXT,
  beat BIGINT NOT NULL
);
ALTER TABLE ledger_cursors ADD COLUMN hash TEXT;
