-- The rules that the program had only in its head: foreign keys with the cascades of its ORM, and one
-- number per version of a task. projects.selected_arch_option_id points to no table and has none.
-- The enums are types already, and foreign keys that were there have kept every parent.
--
-- No row is dropped. A value that no rule allows moves to `project_recovered_values` as it was.

CREATE TABLE project_recovered_values (
    id SERIAL NOT NULL,
    table_name TEXT NOT NULL,
    row_key TEXT NOT NULL,
    column_name TEXT NOT NULL,
    value TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (id)
);

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

-- Keys and cascades
ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey,
    ADD CONSTRAINT tasks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE;
ALTER TABLE artifacts DROP CONSTRAINT artifacts_project_id_fkey,
    ADD CONSTRAINT artifacts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE;
ALTER TABLE control_state DROP CONSTRAINT control_state_project_id_fkey,
    ADD CONSTRAINT control_state_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE;
ALTER TABLE change_requests DROP CONSTRAINT change_requests_task_id_fkey,
    ADD CONSTRAINT change_requests_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE;
ALTER TABLE approvals DROP CONSTRAINT approvals_task_id_fkey,
    ADD CONSTRAINT approvals_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE;
ALTER TABLE task_versions DROP CONSTRAINT task_versions_task_id_fkey,
    ADD CONSTRAINT task_versions_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE;
ALTER TABLE runs DROP CONSTRAINT runs_task_id_fkey,
    ADD CONSTRAINT runs_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE;
ALTER TABLE approvals DROP CONSTRAINT approvals_change_request_id_fkey,
    ADD CONSTRAINT approvals_change_request_id_fkey FOREIGN KEY (change_request_id) REFERENCES change_requests (id) ON DELETE CASCADE;
ALTER TABLE artifacts DROP CONSTRAINT artifacts_run_id_fkey,
    ADD CONSTRAINT artifacts_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE;
ALTER TABLE artifacts DROP CONSTRAINT artifacts_task_id_fkey,
    ADD CONSTRAINT artifacts_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE SET NULL;
ALTER TABLE projects ADD CONSTRAINT projects_spec_artifact_id_fkey
    FOREIGN KEY (spec_artifact_id) REFERENCES artifacts (id) ON DELETE SET NULL;
CREATE INDEX ix_projects_spec_artifact_id ON projects (spec_artifact_id);
ALTER TABLE tasks ADD CONSTRAINT tasks_active_version_id_fkey
    FOREIGN KEY (active_version_id) REFERENCES task_versions (id) ON DELETE SET NULL;
CREATE INDEX ix_tasks_active_version_id ON tasks (active_version_id);
ALTER TABLE control_state ADD CONSTRAINT control_state_current_task_id_fkey
    FOREIGN KEY (current_task_id) REFERENCES tasks (id) ON DELETE SET NULL;
CREATE INDEX ix_control_state_current_task_id ON control_state (current_task_id);
-- The unique key serves as the index of the foreign key, too.
ALTER TABLE task_versions ADD UNIQUE (task_id, version_num);
DROP INDEX ix_task_versions_task_id;
