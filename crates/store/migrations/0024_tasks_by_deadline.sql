-- Tasks page by page, the nearest deadline first.
CREATE INDEX tasks_by_deadline ON tasks (org, due, id);
