DROP TABLE events;
ALTER TABLE projects DROP COLUMN last_event;
