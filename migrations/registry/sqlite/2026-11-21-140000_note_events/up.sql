-- How many events each project has told, so that whoever listens hears of changes in projects that he does
-- not have open. `last_event` is the newest event that the registry was told of, by the change `change`;
-- `events_before` the newest one when the registry began to be told. Both are empty until the project is
-- opened the next time. The row of `project_changes` counts the changes, and is held until they commit.

ALTER TABLE registered_projects ADD COLUMN events_before BIGINT;
ALTER TABLE registered_projects ADD COLUMN last_event BIGINT;
ALTER TABLE registered_projects ADD COLUMN change BIGINT;
CREATE INDEX ix_registered_projects_change ON registered_projects (change);
CREATE TABLE project_changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    newest BIGINT NOT NULL
);
