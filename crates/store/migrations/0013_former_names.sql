-- Names that a group of a directory had, and until when: what a credential from before that says of them no longer holds.
CREATE TABLE directory_former_names (
  org TEXT NOT NULL,
  source TEXT NOT NULL,
  group_id TEXT NOT NULL,
  name TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (org, source, group_id, name)
);
