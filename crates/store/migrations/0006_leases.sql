-- Spending stands by chain, with what the chain's replica may spend of the purse: replicas that ship at once change rows of their
-- own. What was spent before stands under no chain's name.
CREATE TABLE spending_anew (
  org TEXT NOT NULL,
  purse TEXT NOT NULL,
  period TEXT NOT NULL,
  window_start BIGINT NOT NULL,
  chain TEXT NOT NULL,
  spent_nanos BIGINT NOT NULL,
  granted_nanos BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (org, purse, period, window_start, chain)
);
INSERT INTO spending_anew (org, purse, period, window_start, chain, spent_nanos)
  SELECT org, purse, period, window_start, '', spent_nanos FROM spending;
DROP TABLE spending;
ALTER TABLE spending_anew RENAME TO spending;
CREATE INDEX spending_by_window ON spending (org, period, window_start);
CREATE INDEX spending_granted ON spending (chain) WHERE granted_nanos > 0;

-- One row for each purse that is leased: held while money of it is granted. `called` grows when somebody went short.
CREATE TABLE purses (
  org TEXT NOT NULL REFERENCES orgs (id),
  purse TEXT NOT NULL,
  period TEXT NOT NULL,
  window_start BIGINT NOT NULL,
  called BIGINT NOT NULL,
  PRIMARY KEY (org, purse, period, window_start)
);
CREATE INDEX purses_by_call ON purses (org, called);
