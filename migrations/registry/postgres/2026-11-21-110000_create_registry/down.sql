DROP TABLE registered_projects;
