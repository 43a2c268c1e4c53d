-- Names of enums have types of their own again.

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

ALTER TABLE projects DROP CONSTRAINT projects_current_phase_check,
    ALTER COLUMN current_phase TYPE phasetype USING CAST(current_phase AS phasetype);
ALTER TABLE tasks DROP CONSTRAINT tasks_status_check,
    ALTER COLUMN status TYPE taskstatus USING CAST(status AS taskstatus);
ALTER TABLE tasks DROP CONSTRAINT tasks_current_phase_check,
    ALTER COLUMN current_phase TYPE phasetype USING CAST(current_phase AS phasetype);
ALTER TABLE change_requests DROP CONSTRAINT change_requests_phase_check,
    ALTER COLUMN phase TYPE phasetype USING CAST(phase AS phasetype);
ALTER TABLE change_requests DROP CONSTRAINT change_requests_status_check,
    ALTER COLUMN status TYPE changerequeststatus USING CAST(status AS changerequeststatus);
ALTER TABLE artifacts DROP CONSTRAINT artifacts_artifact_type_check,
    ALTER COLUMN artifact_type TYPE artifacttype USING CAST(artifact_type AS artifacttype);
ALTER TABLE runs DROP CONSTRAINT runs_status_check,
    ALTER COLUMN status TYPE runstatus USING CAST(status AS runstatus);
