-- Back to tables without these rules. Values that were put aside go back where they were.

ALTER TABLE task_versions DROP CONSTRAINT task_versions_task_id_version_num_key;
CREATE INDEX ix_task_versions_task_id ON task_versions (task_id);
DROP INDEX ix_projects_spec_artifact_id;
ALTER TABLE projects DROP CONSTRAINT projects_spec_artifact_id_fkey;
DROP INDEX ix_tasks_active_version_id;
ALTER TABLE tasks DROP CONSTRAINT tasks_active_version_id_fkey;
DROP INDEX ix_control_state_current_task_id;
ALTER TABLE control_state DROP CONSTRAINT control_state_current_task_id_fkey;
ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey,
    ADD CONSTRAINT tasks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id);
ALTER TABLE artifacts DROP CONSTRAINT artifacts_project_id_fkey,
    ADD CONSTRAINT artifacts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id);
ALTER TABLE control_state DROP CONSTRAINT control_state_project_id_fkey,
    ADD CONSTRAINT control_state_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id);
ALTER TABLE change_requests DROP CONSTRAINT change_requests_task_id_fkey,
    ADD CONSTRAINT change_requests_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id);
ALTER TABLE approvals DROP CONSTRAINT approvals_task_id_fkey,
    ADD CONSTRAINT approvals_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id);
ALTER TABLE task_versions DROP CONSTRAINT task_versions_task_id_fkey,
    ADD CONSTRAINT task_versions_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id);
ALTER TABLE runs DROP CONSTRAINT runs_task_id_fkey,
    ADD CONSTRAINT runs_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id);
ALTER TABLE approvals DROP CONSTRAINT approvals_change_request_id_fkey,
    ADD CONSTRAINT approvals_change_request_id_fkey FOREIGN KEY (change_request_id) REFERENCES change_requests (id);
ALTER TABLE artifacts DROP CONSTRAINT artifacts_run_id_fkey,
    ADD CONSTRAINT artifacts_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs (id);
ALTER TABLE artifacts DROP CONSTRAINT artifacts_task_id_fkey,
    ADD CONSTRAINT artifacts_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id);
UPDATE projects SET spec_artifact_id = (SELECT r.value::integer FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'spec_artifact_id' AND r.row_key = CAST(projects.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'projects' AND r.column_name = 'spec_artifact_id');
UPDATE tasks SET active_version_id = (SELECT r.value::integer FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'active_version_id' AND r.row_key = CAST(tasks.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'tasks' AND r.column_name = 'active_version_id');
UPDATE control_state SET current_task_id = (SELECT r.value::integer FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'current_task_id' AND r.row_key = CAST(control_state.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'control_state' AND r.column_name = 'current_task_id');
UPDATE task_versions SET version_num = (SELECT r.value::integer FROM project_recovered_values AS r
    WHERE r.table_name = 'task_versions' AND r.column_name = 'version_num' AND r.row_key = CAST(task_versions.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT r.row_key FROM project_recovered_values AS r
    WHERE r.table_name = 'task_versions' AND r.column_name = 'version_num');
DROP TABLE project_recovered_values;
