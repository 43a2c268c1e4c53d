DROP TABLE control_state;
DROP TABLE artifacts;
DROP TABLE approvals;
DROP TABLE task_versions;
DROP TABLE runs;
DROP TABLE change_requests;
DROP TABLE tasks;
DROP TABLE projects;
