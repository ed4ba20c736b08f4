-- How many users a directory has, those that were deleted included: counted one by one, because it is asked with each new one.
CREATE TABLE directory_sizes (
  org TEXT NOT NULL,
  source TEXT NOT NULL,
  users BIGINT NOT NULL,
  PRIMARY KEY (org, source)
);
INSERT INTO directory_sizes (org, source, users) SELECT org, source, COUNT(*) FROM directory_users GROUP BY org, source;
