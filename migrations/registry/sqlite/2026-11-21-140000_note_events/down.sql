DROP TABLE project_changes;
DROP INDEX ix_registered_projects_change;
ALTER TABLE registered_projects DROP COLUMN change;
ALTER TABLE registered_projects DROP COLUMN last_event;
ALTER TABLE registered_projects DROP COLUMN events_before;
