-- Every project there is, and where its data lives. AUTOINCREMENT gives no number twice: no project
-- ever meets the data of one that is gone.

CREATE TABLE registered_projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('CREATING', 'READY', 'ARCHIVED', 'FAILED')),
    head TEXT,
    problem TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL
);
CREATE INDEX ix_registered_projects_state ON registered_projects (state);
