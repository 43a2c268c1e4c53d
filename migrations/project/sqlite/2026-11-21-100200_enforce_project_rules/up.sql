-- The rules that the program had only in its head: enums, foreign keys with the cascades of its ORM,
-- one number per version of a task. projects.selected_arch_option_id points to no table and has none.
--
-- No row is dropped. A parent that is missing gets a placeholder, named as recovered; a value that no
-- rule allows moves to `project_recovered_values` as it was, and its row goes on with the nearest one.

CREATE TABLE project_recovered_values (
    id INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_key TEXT NOT NULL,
    column_name TEXT NOT NULL,
    value TEXT,
    reason TEXT NOT NULL
);

-- An artifact of a run that is gone, and of no task, needs a task to hang the run on.
CREATE TEMP TABLE wanted_tasks AS
SELECT task_id AS id FROM change_requests UNION SELECT task_id FROM approvals
UNION SELECT task_id FROM task_versions UNION SELECT task_id FROM runs
UNION SELECT task_id FROM artifacts WHERE task_id IS NOT NULL;
CREATE TEMP TABLE stray_runs AS
SELECT run_id AS id, min(task_id) AS task_id, min(project_id) AS project_id FROM artifacts
WHERE run_id IS NOT NULL AND run_id NOT IN (SELECT id FROM runs) GROUP BY run_id;
UPDATE stray_runs SET task_id = (SELECT max(id) + 1 FROM (
    SELECT max(id) AS id FROM tasks UNION SELECT max(id) FROM wanted_tasks UNION SELECT 0))
WHERE task_id IS NULL;
INSERT INTO wanted_tasks SELECT task_id FROM stray_runs;

INSERT INTO tasks (id, project_id, title, status, version, attempts, priority)
SELECT DISTINCT w.id, coalesce(
    (SELECT min(a.project_id) FROM artifacts AS a WHERE a.task_id = w.id),
    (SELECT min(s.project_id) FROM stray_runs AS s WHERE s.task_id = w.id),
    (SELECT min(c.project_id) FROM control_state AS c),
    (SELECT min(p.id) FROM projects AS p), 1),
    'recovered task ' || w.id, 'PENDING', 1, 0, 0
FROM wanted_tasks AS w WHERE w.id NOT IN (SELECT id FROM tasks);
INSERT INTO runs (id, task_id, engine, status)
SELECT id, task_id, 'recovered run ' || id, 'FAILURE' FROM stray_runs;
INSERT INTO change_requests (id, task_id, phase, content, status, version)
SELECT change_request_id, min(task_id), 'PLANNER', 'recovered change request ' || change_request_id,
    'DRAFT', 1
FROM approvals WHERE change_request_id IS NOT NULL
    AND change_request_id NOT IN (SELECT id FROM change_requests)
GROUP BY change_request_id;
INSERT INTO projects (id, name, db_path)
SELECT id, 'recovered project ' || id, '' FROM (
    SELECT project_id AS id FROM tasks UNION SELECT project_id FROM artifacts
    UNION SELECT project_id FROM control_state
) WHERE id NOT IN (SELECT id FROM projects);
DROP TABLE stray_runs;
DROP TABLE wanted_tasks;

-- Pointers to nothing
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'projects', CAST(id AS TEXT), 'spec_artifact_id', CAST(spec_artifact_id AS TEXT), 'points to no row of artifacts'
FROM projects WHERE spec_artifact_id IS NOT NULL AND spec_artifact_id NOT IN (SELECT id FROM artifacts);
UPDATE projects SET spec_artifact_id = NULL WHERE spec_artifact_id IS NOT NULL AND spec_artifact_id NOT IN (SELECT id FROM artifacts);
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'tasks', CAST(id AS TEXT), 'active_version_id', CAST(active_version_id AS TEXT), 'points to no row of task_versions'
FROM tasks WHERE active_version_id IS NOT NULL AND active_version_id NOT IN (SELECT id FROM task_versions);
UPDATE tasks SET active_version_id = NULL WHERE active_version_id IS NOT NULL AND active_version_id NOT IN (SELECT id FROM task_versions);
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'control_state', CAST(id AS TEXT), 'current_task_id', CAST(current_task_id AS TEXT), 'points to no row of tasks'
FROM control_state WHERE current_task_id IS NOT NULL AND current_task_id NOT IN (SELECT id FROM tasks);
UPDATE control_state SET current_task_id = NULL WHERE current_task_id IS NOT NULL AND current_task_id NOT IN (SELECT id FROM tasks);

-- Versions of a task that share a number: the oldest keeps it
CREATE TEMP TABLE renumbered AS
SELECT d.id, d.version_num, m.highest + row_number() OVER (PARTITION BY d.task_id ORDER BY d.id) AS number
FROM (SELECT id, task_id, version_num,
        row_number() OVER (PARTITION BY task_id, version_num ORDER BY id) AS place
    FROM task_versions) AS d
JOIN (SELECT task_id, max(version_num) AS highest FROM task_versions GROUP BY task_id) AS m
    ON m.task_id = d.task_id
WHERE d.place > 1;
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'task_versions', CAST(id AS TEXT), 'version_num', CAST(version_num AS TEXT),
    'another version of the task has this number'
FROM renumbered;
UPDATE task_versions SET version_num =
    (SELECT number FROM renumbered WHERE renumbered.id = task_versions.id)
WHERE id IN (SELECT id FROM renumbered);
DROP TABLE renumbered;

-- Texts that are no name of their enum, and flags that are none
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'projects', id, 'current_phase', current_phase, 'not a name of phasetype' FROM projects
WHERE upper(trim(current_phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE projects SET current_phase = NULL
WHERE upper(trim(current_phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE projects SET current_phase = upper(trim(current_phase)) WHERE current_phase <> upper(trim(current_phase));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'tasks', id, 'status', status, 'not a name of taskstatus' FROM tasks
WHERE upper(trim(status)) NOT IN ('PENDING', 'IN_PROGRESS', 'AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED');
UPDATE tasks SET status = 'PENDING'
WHERE upper(trim(status)) NOT IN ('PENDING', 'IN_PROGRESS', 'AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED');
UPDATE tasks SET status = upper(trim(status)) WHERE status <> upper(trim(status));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'tasks', id, 'current_phase', current_phase, 'not a name of phasetype' FROM tasks
WHERE upper(trim(current_phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE tasks SET current_phase = NULL
WHERE upper(trim(current_phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE tasks SET current_phase = upper(trim(current_phase)) WHERE current_phase <> upper(trim(current_phase));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'change_requests', id, 'phase', phase, 'not a name of phasetype' FROM change_requests
WHERE upper(trim(phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE change_requests SET phase = 'PLANNER'
WHERE upper(trim(phase)) NOT IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER');
UPDATE change_requests SET phase = upper(trim(phase)) WHERE phase <> upper(trim(phase));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'change_requests', id, 'status', status, 'not a name of changerequeststatus' FROM change_requests
WHERE upper(trim(status)) NOT IN ('DRAFT', 'SUBMITTED', 'APPROVED', 'REJECTED', 'IMPLEMENTED');
UPDATE change_requests SET status = 'DRAFT'
WHERE upper(trim(status)) NOT IN ('DRAFT', 'SUBMITTED', 'APPROVED', 'REJECTED', 'IMPLEMENTED');
UPDATE change_requests SET status = upper(trim(status)) WHERE status <> upper(trim(status));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'runs', id, 'status', status, 'not a name of runstatus' FROM runs
WHERE upper(trim(status)) NOT IN ('RUNNING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED');
UPDATE runs SET status = 'FAILURE'
WHERE upper(trim(status)) NOT IN ('RUNNING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED');
UPDATE runs SET status = upper(trim(status)) WHERE status <> upper(trim(status));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'artifacts', id, 'artifact_type', artifact_type, 'not a name of artifacttype' FROM artifacts
WHERE upper(trim(artifact_type)) NOT IN ('SPEC', 'PLAN', 'ARCHITECTURE', 'ADR', 'TRANSCRIPT', 'DIFF', 'LOG', 'OTHER');
UPDATE artifacts SET artifact_type = 'OTHER'
WHERE upper(trim(artifact_type)) NOT IN ('SPEC', 'PLAN', 'ARCHITECTURE', 'ADR', 'TRANSCRIPT', 'DIFF', 'LOG', 'OTHER');
UPDATE artifacts SET artifact_type = upper(trim(artifact_type)) WHERE artifact_type <> upper(trim(artifact_type));
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'approvals', id, 'approved', approved, 'not a flag' FROM approvals WHERE approved NOT IN (0, 1);
UPDATE approvals SET approved = CASE WHEN typeof(approved) IN ('integer', 'real') THEN approved <> 0 ELSE 0 END
WHERE approved NOT IN (0, 1);
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'control_state', id, 'paused', paused, 'not a flag' FROM control_state WHERE paused NOT IN (0, 1);
UPDATE control_state SET paused = CASE WHEN typeof(paused) IN ('integer', 'real') THEN paused <> 0 ELSE 0 END
WHERE paused NOT IN (0, 1);

-- The tables with their rules
CREATE TABLE new_projects (
    id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    db_path VARCHAR(512) NOT NULL,
    root_path VARCHAR(512),
    current_phase VARCHAR(15)
        CHECK (current_phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER')),
    default_engine VARCHAR(255),
    spec_artifact_id INTEGER,
    selected_arch_option_id INTEGER,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (spec_artifact_id) REFERENCES artifacts (id) ON DELETE SET NULL
);
INSERT INTO new_projects (
    id, name, description, db_path, root_path, current_phase, default_engine, spec_artifact_id,
    selected_arch_option_id, created_at, updated_at
) SELECT
    id, name, description, db_path, root_path, current_phase, default_engine, spec_artifact_id,
    selected_arch_option_id, created_at, updated_at
FROM projects;
DROP TABLE projects;
ALTER TABLE new_projects RENAME TO projects;
CREATE INDEX ix_projects_spec_artifact_id ON projects (spec_artifact_id);

CREATE TABLE new_tasks (
    id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    title VARCHAR(512) NOT NULL,
    description TEXT,
    status VARCHAR(17) NOT NULL
        CHECK (status IN ('PENDING', 'IN_PROGRESS', 'AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED')),
    current_phase VARCHAR(15)
        CHECK (current_phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER')),
    version INTEGER NOT NULL,
    active_version_id INTEGER,
    engine_override VARCHAR(255),
    extra_data TEXT,
    attempts INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (active_version_id) REFERENCES task_versions (id) ON DELETE SET NULL
);
INSERT INTO new_tasks (
    id, project_id, title, description, status, current_phase, version, active_version_id,
    engine_override, extra_data, attempts, priority, created_at, updated_at
) SELECT
    id, project_id, title, description, status, current_phase, version, active_version_id,
    engine_override, extra_data, attempts, priority, created_at, updated_at
FROM tasks;
DROP TABLE tasks;
ALTER TABLE new_tasks RENAME TO tasks;
CREATE INDEX ix_tasks_project_id ON tasks (project_id);
CREATE INDEX ix_tasks_status ON tasks (status);
CREATE INDEX ix_tasks_active_version_id ON tasks (active_version_id);

CREATE TABLE new_change_requests (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    phase VARCHAR(15) NOT NULL
        CHECK (phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER')),
    content TEXT NOT NULL,
    status VARCHAR(11) NOT NULL
        CHECK (status IN ('DRAFT', 'SUBMITTED', 'APPROVED', 'REJECTED', 'IMPLEMENTED')),
    version INTEGER NOT NULL,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
);
INSERT INTO new_change_requests (
    id, task_id, phase, content, status, version, created_at, updated_at
) SELECT
    id, task_id, phase, content, status, version, created_at, updated_at
FROM change_requests;
DROP TABLE change_requests;
ALTER TABLE new_change_requests RENAME TO change_requests;
CREATE INDEX ix_change_requests_task_id ON change_requests (task_id);
CREATE INDEX ix_change_requests_status ON change_requests (status);

CREATE TABLE new_runs (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    engine VARCHAR(255) NOT NULL,
    status VARCHAR(9) NOT NULL
        CHECK (status IN ('RUNNING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED')),
    log_path VARCHAR(1024),
    gate_results TEXT,
    extra_data TEXT,
    start_time DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    end_time DATETIME,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
);
INSERT INTO new_runs (
    id, task_id, engine, status, log_path, gate_results, extra_data, start_time, end_time
) SELECT
    id, task_id, engine, status, log_path, gate_results, extra_data, start_time, end_time
FROM runs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX ix_runs_task_id ON runs (task_id);
CREATE INDEX ix_runs_status ON runs (status);

CREATE TABLE new_task_versions (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    version_num INTEGER NOT NULL,
    title VARCHAR(512) NOT NULL,
    description TEXT,
    gates_json TEXT,
    deps_json TEXT,
    extra_data TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
    UNIQUE (task_id, version_num)
);
INSERT INTO new_task_versions (
    id, task_id, version_num, title, description, gates_json, deps_json, extra_data, created_at
) SELECT
    id, task_id, version_num, title, description, gates_json, deps_json, extra_data, created_at
FROM task_versions;
DROP TABLE task_versions;
ALTER TABLE new_task_versions RENAME TO task_versions;

CREATE TABLE new_approvals (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    change_request_id INTEGER,
    approver VARCHAR(255) NOT NULL,
    approved BOOLEAN NOT NULL CHECK (approved IN (0, 1)),
    comment TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
    FOREIGN KEY (change_request_id) REFERENCES change_requests (id) ON DELETE CASCADE
);
INSERT INTO new_approvals (
    id, task_id, change_request_id, approver, approved, comment, created_at
) SELECT
    id, task_id, change_request_id, approver, approved, comment, created_at
FROM approvals;
DROP TABLE approvals;
ALTER TABLE new_approvals RENAME TO approvals;
CREATE INDEX ix_approvals_task_id ON approvals (task_id);
CREATE INDEX ix_approvals_change_request_id ON approvals (change_request_id);

CREATE TABLE new_artifacts (
    id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    task_id INTEGER,
    run_id INTEGER,
    artifact_type VARCHAR(12) NOT NULL
        CHECK (artifact_type IN ('SPEC', 'PLAN', 'ARCHITECTURE', 'ADR', 'TRANSCRIPT', 'DIFF', 'LOG', 'OTHER')),
    name VARCHAR(512) NOT NULL,
    file_path VARCHAR(1024) NOT NULL,
    storage_path VARCHAR(1024),
    sha256 VARCHAR(64),
    file_size INTEGER,
    extra_data TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE SET NULL,
    FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO new_artifacts (
    id, project_id, task_id, run_id, artifact_type, name, file_path, storage_path, sha256,
    file_size, extra_data, created_at
) SELECT
    id, project_id, task_id, run_id, artifact_type, name, file_path, storage_path, sha256,
    file_size, extra_data, created_at
FROM artifacts;
DROP TABLE artifacts;
ALTER TABLE new_artifacts RENAME TO artifacts;
CREATE INDEX ix_artifacts_project_id ON artifacts (project_id);
CREATE INDEX ix_artifacts_task_id ON artifacts (task_id);
CREATE INDEX ix_artifacts_run_id ON artifacts (run_id);

CREATE TABLE new_control_state (
    id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    paused BOOLEAN NOT NULL CHECK (paused IN (0, 1)),
    max_attempts INTEGER NOT NULL,
    timeout_seconds INTEGER NOT NULL,
    current_task_id INTEGER,
    extra_data TEXT,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (current_task_id) REFERENCES tasks (id) ON DELETE SET NULL,
    UNIQUE (project_id)
);
INSERT INTO new_control_state (
    id, project_id, paused, max_attempts, timeout_seconds, current_task_id, extra_data,
    updated_at
) SELECT
    id, project_id, paused, max_attempts, timeout_seconds, current_task_id, extra_data,
    updated_at
FROM control_state;
DROP TABLE control_state;
ALTER TABLE new_control_state RENAME TO control_state;
CREATE INDEX ix_control_state_current_task_id ON control_state (current_task_id);
