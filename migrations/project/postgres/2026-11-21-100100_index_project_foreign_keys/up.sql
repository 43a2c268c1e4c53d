-- An index for every foreign key and for every status that lists are cut by. control_state.project_id
-- has one already: it is unique.

CREATE INDEX ix_tasks_project_id ON tasks (project_id);
CREATE INDEX ix_tasks_status ON tasks (status);
CREATE INDEX ix_change_requests_task_id ON change_requests (task_id);
CREATE INDEX ix_change_requests_status ON change_requests (status);
CREATE INDEX ix_runs_task_id ON runs (task_id);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX ix_task_versions_task_id ON task_versions (task_id);
CREATE INDEX ix_approvals_task_id ON approvals (task_id);
CREATE INDEX ix_approvals_change_request_id ON approvals (change_request_id);
CREATE INDEX ix_artifacts_project_id ON artifacts (project_id);
CREATE INDEX ix_artifacts_task_id ON artifacts (task_id);
CREATE INDEX ix_artifacts_run_id ON artifacts (run_id);
