-- Back to tables without rules. Values that were put aside go back where they were; placeholders stay,
-- because rows point to them.

CREATE TABLE new_projects (
    id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    db_path VARCHAR(512) NOT NULL,
    root_path VARCHAR(512),
    current_phase VARCHAR(15),
    default_engine VARCHAR(255),
    spec_artifact_id INTEGER,
    selected_arch_option_id INTEGER,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id)
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

CREATE TABLE new_tasks (
    id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    title VARCHAR(512) NOT NULL,
    description TEXT,
    status VARCHAR(17) NOT NULL,
    current_phase VARCHAR(15),
    version INTEGER NOT NULL,
    active_version_id INTEGER,
    engine_override VARCHAR(255),
    extra_data TEXT,
    attempts INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
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

CREATE TABLE new_change_requests (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    phase VARCHAR(15) NOT NULL,
    content TEXT NOT NULL,
    status VARCHAR(11) NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
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
    status VARCHAR(9) NOT NULL,
    log_path VARCHAR(1024),
    gate_results TEXT,
    extra_data TEXT,
    start_time DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    end_time DATETIME,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
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
    FOREIGN KEY (task_id) REFERENCES tasks (id)
);
INSERT INTO new_task_versions (
    id, task_id, version_num, title, description, gates_json, deps_json, extra_data, created_at
) SELECT
    id, task_id, version_num, title, description, gates_json, deps_json, extra_data, created_at
FROM task_versions;
DROP TABLE task_versions;
ALTER TABLE new_task_versions RENAME TO task_versions;
CREATE INDEX ix_task_versions_task_id ON task_versions (task_id);

CREATE TABLE new_approvals (
    id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    change_request_id INTEGER,
    approver VARCHAR(255) NOT NULL,
    approved BOOLEAN NOT NULL,
    comment TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id),
    FOREIGN KEY (change_request_id) REFERENCES change_requests (id)
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
    artifact_type VARCHAR(12) NOT NULL,
    name VARCHAR(512) NOT NULL,
    file_path VARCHAR(1024) NOT NULL,
    storage_path VARCHAR(1024),
    sha256 VARCHAR(64),
    file_size INTEGER,
    extra_data TEXT,
    created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id),
    FOREIGN KEY (run_id) REFERENCES runs (id)
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
    paused BOOLEAN NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout_seconds INTEGER NOT NULL,
    current_task_id INTEGER,
    extra_data TEXT,
    updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
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

UPDATE projects SET current_phase = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'current_phase' AND r.row_key = CAST(projects.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'current_phase');
UPDATE tasks SET status = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'status' AND r.row_key = CAST(tasks.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'status');
UPDATE tasks SET current_phase = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'current_phase' AND r.row_key = CAST(tasks.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'current_phase');
UPDATE change_requests SET phase = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'change_requests' AND r.column_name = 'phase' AND r.row_key = CAST(change_requests.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'change_requests' AND r.column_name = 'phase');
UPDATE change_requests SET status = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'change_requests' AND r.column_name = 'status' AND r.row_key = CAST(change_requests.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'change_requests' AND r.column_name = 'status');
UPDATE runs SET status = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'runs' AND r.column_name = 'status' AND r.row_key = CAST(runs.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'runs' AND r.column_name = 'status');
UPDATE artifacts SET artifact_type = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'artifacts' AND r.column_name = 'artifact_type' AND r.row_key = CAST(artifacts.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'artifacts' AND r.column_name = 'artifact_type');
UPDATE approvals SET approved = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'approvals' AND r.column_name = 'approved' AND r.row_key = CAST(approvals.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'approvals' AND r.column_name = 'approved');
UPDATE control_state SET paused = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'paused' AND r.row_key = CAST(control_state.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'paused');
UPDATE projects SET spec_artifact_id = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'spec_artifact_id' AND r.row_key = CAST(projects.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'spec_artifact_id');
UPDATE tasks SET active_version_id = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'active_version_id' AND r.row_key = CAST(tasks.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'active_version_id');
UPDATE control_state SET current_task_id = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'current_task_id' AND r.row_key = CAST(control_state.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'current_task_id');
UPDATE task_versions SET version_num = (SELECT r.value FROM project_recovered_values AS r
    WHERE r.table_name = 'task_versions' AND r.column_name = 'version_num' AND r.row_key = CAST(task_versions.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'task_versions' AND r.column_name = 'version_num');
DROP TABLE project_recovered_values;
