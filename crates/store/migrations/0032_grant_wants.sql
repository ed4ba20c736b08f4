-- What a connector wanted for a call beyond what its person's grant covers, in its own words: they are asked for it when they connect anew.
ALTER TABLE grants ADD COLUMN wants TEXT NOT NULL DEFAULT '';
