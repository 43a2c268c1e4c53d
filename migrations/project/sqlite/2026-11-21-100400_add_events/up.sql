-- What happened, written with the change itself and told afterwards. A project numbers its events
-- without gaps and in the order of their commits: whoever has read up to a number has missed none.

ALTER TABLE projects ADD COLUMN last_event BIGINT DEFAULT 0 NOT NULL;

CREATE TABLE events (
    project_id INTEGER NOT NULL,
    number BIGINT NOT NULL,
    event_type VARCHAR(64) NOT NULL,
    task_id INTEGER,
    data TEXT NOT NULL,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (project_id, number),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
);
