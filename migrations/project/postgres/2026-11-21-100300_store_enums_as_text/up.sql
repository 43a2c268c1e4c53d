-- Names of enums are checked text, as on SQLite. A pooled connection serves the schemas of many projects
-- with the same prepared statements, and an enum is another type in each of them.

ALTER TABLE projects ALTER COLUMN current_phase TYPE VARCHAR(15) USING CAST(current_phase AS TEXT),
    ADD CONSTRAINT projects_current_phase_check CHECK (current_phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER'));
ALTER TABLE tasks ALTER COLUMN status TYPE VARCHAR(17) USING CAST(status AS TEXT),
    ADD CONSTRAINT tasks_status_check CHECK (status IN ('PENDING', 'IN_PROGRESS', 'AWAITING_APPROVAL', 'APPROVED', 'REJECTED', 'COMPLETED', 'CANCELLED'));
ALTER TABLE tasks ALTER COLUMN current_phase TYPE VARCHAR(15) USING CAST(current_phase AS TEXT),
    ADD CONSTRAINT tasks_current_phase_check CHECK (current_phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER'));
ALTER TABLE change_requests ALTER COLUMN phase TYPE VARCHAR(15) USING CAST(phase AS TEXT),
    ADD CONSTRAINT change_requests_phase_check CHECK (phase IN ('PLANNER', 'ARCHITECT', 'REVIEW_APPROVAL', 'CODER'));
ALTER TABLE change_requests ALTER COLUMN status TYPE VARCHAR(11) USING CAST(status AS TEXT),
    ADD CONSTRAINT change_requests_status_check CHECK (status IN ('DRAFT', 'SUBMITTED', 'APPROVED', 'REJECTED', 'IMPLEMENTED'));
ALTER TABLE artifacts ALTER COLUMN artifact_type TYPE VARCHAR(12) USING CAST(artifact_type AS TEXT),
    ADD CONSTRAINT artifacts_artifact_type_check CHECK (artifact_type IN ('SPEC', 'PLAN', 'ARCHITECTURE', 'ADR', 'TRANSCRIPT', 'DIFF', 'LOG', 'OTHER'));
ALTER TABLE runs ALTER COLUMN status TYPE VARCHAR(9) USING CAST(status AS TEXT),
    ADD CONSTRAINT runs_status_check CHECK (status IN ('RUNNING', 'SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED'));

DROP TYPE phasetype;
DROP TYPE taskstatus;
DROP TYPE changerequeststatus;
DROP TYPE artifacttype;
DROP TYPE runstatus;
