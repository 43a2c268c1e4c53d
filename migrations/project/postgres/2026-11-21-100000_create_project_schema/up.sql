-- The schema of change-driven-dev, as its Alembic revision e6e5369fb4d1 builds
-- it: enums are types of their own.

CREATE TYPE phasetype AS ENUM (
    'PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER'
);
CREATE TYPE taskstatus AS ENUM (
    'PENDING', 'IN_PROGRESS', 'AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED'
);
CREATE TYPE changerequeststatus AS ENUM (
    'DRAFT', 'SUBMITTED', 'APPROVED', 'REJECTED', 'IMPLEMENTED'
);
CREATE TYPE artifacttype AS ENUM (
    'SPEC', 'PLAN', 'ARCHITECTURE', 'ADR', 'TRANSCRIPT', 'DIFF', 'LOG', 'OTHER'
);
CREATE TYPE runstatus AS ENUM (
    'RUNNING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED'
);

CREATE TABLE projects (
    id SERIAL NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    db_path VARCHAR(512) NOT NULL,
    root_path VARCHAR(512),
    current_phase phasetype,
    default_engine VARCHAR(255),
    spec_artifact_id INTEGER,
    selected_arch_option_id INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE tasks (
    id SERIAL NOT NULL,
    project_id INTEGER NOT NULL,
    title VARCHAR(512) NOT NULL,
    description TEXT,
    status taskstatus NOT NULL,
    current_phase phasetype,
    version INTEGER NOT NULL,
    active_version_id INTEGER,
    engine_override VARCHAR(255),
    extra_data TEXT,
    attempts INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);

CREATE TABLE change_requests (
    id SERIAL NOT NULL,
    task_id INTEGER NOT NULL,
    phase phasetype NOT NULL,
    content TEXT NOT NULL,
    status changerequeststatus NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
);

CREATE TABLE runs (
    id SERIAL NOT NULL,
    task_id INTEGER NOT NULL,
    engine VARCHAR(255) NOT NULL,
    status runstatus NOT NULL,
    log_path VARCHAR(1024),
    gate_results TEXT,
    extra_data TEXT,
    start_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    end_time TIMESTAMP,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
);

CREATE TABLE task_versions (
    id SERIAL NOT NULL,
    task_id INTEGER NOT NULL,
    version_num INTEGER NOT NULL,
    title VARCHAR(512) NOT NULL,
    description TEXT,
    gates_json TEXT,
    deps_json TEXT,
    extra_data TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
);

CREATE TABLE approvals (
    id SERIAL NOT NULL,
    task_id INTEGER NOT NULL,
    change_request_id INTEGER,
    approver VARCHAR(255) NOT NULL,
    approved BOOLEAN NOT NULL,
    comment TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id),
    FOREIGN KEY (change_request_id) REFERENCES change_requests (id)
);

CREATE TABLE artifacts (
    id SERIAL NOT NULL,
    project_id INTEGER NOT NULL,
    task_id INTEGER,
    run_id INTEGER,
    artifact_type artifacttype NOT NULL,
    name VARCHAR(512) NOT NULL,
    file_path VARCHAR(1024) NOT NULL,
    storage_path VARCHAR(1024),
    sha256 VARCHAR(64),
    file_size INTEGER,
    extra_data TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
    FOREIGN KEY (task_id) REFERENCES tasks (id),
    FOREIGN KEY (run_id) REFERENCES runs (id)
);

CREATE TABLE control_state (
    id SERIAL NOT NULL,
    project_id INTEGER NOT NULL,
    paused BOOLEAN NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout_seconds INTEGER NOT NULL,
    current_task_id INTEGER,
    extra_data TEXT,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
    UNIQUE (project_id)
);
