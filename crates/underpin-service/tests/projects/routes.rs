//! Every route of `/api/v1`, with a request that succeeds and what must be there first.

use serde_json::{Value, json};

use crate::{api::Api, service::Answer};

/// The type of a form with a file.
const FORM: &str = "multipart/form-data; boundary=limit";

/// A request that succeeds.
pub(crate) struct Case {
    pub(crate) status: u16,
    /// What the parts of the path in braces stand for.
    ids: Vec<(&'static str, i64)>,
    query: &'static str,
    pub(crate) body: Value,
    /// What is sent when it is no JSON.
    form: Option<&'static str>,
    /// Whether the answer has an end.
    pub(crate) ends: bool,
}

impl Case {
    fn new(project: i64, status: u16) -> Self {
        let ids = vec![("project_id", project)];
        Self { status, ids, query: "", body: Value::Null, form: None, ends: true }
    }

    fn id(mut self, name: &'static str, id: i64) -> Self {
        self.ids.push((name, id));
        self
    }

    fn body(self, body: Value) -> Self {
        Self { body, ..self }
    }

    fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    /// The body as it is sent.
    pub(crate) fn text(&self) -> String {
        match self.form {
            Some(form) => form.replace('\n', "\r\n"),
            None if self.body.is_null() => String::new(),
            None => self.body.to_string(),
        }
    }

    /// Asks for `path` as this case does.
    pub(crate) fn ask(
        &self,
        api: &Api,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let kind = if self.form.is_some() { FORM } else { "application/json" };
        let headers = [headers, &[("Content-Type", kind)]].concat();
        api.service.send(method, &format!("/api/v1{path}"), &headers, &self.text())
    }

    /// `path` for this case.
    pub(crate) fn path(&self, path: &str) -> String {
        self.path_with(path, "", "")
    }

    /// `path` for this case, but with `other` in the place of the parameter `name`.
    pub(crate) fn path_with(&self, path: &str, name: &str, other: &str) -> String {
        let path = self.ids.iter().fold(path.to_owned(), |path, (known, id)| {
            let value = if *known == name { other.to_owned() } else { id.to_string() };
            path.replace(&format!("{{{known}}}"), &value)
        });
        path + self.query
    }
}

/// A route as the document names it, below `/api/v1`.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Makes what the request needs, in this project.
    pub(crate) prepare: fn(&Api, i64) -> Case,
}

impl Route {
    pub(crate) fn with_case(self, api: &Api, project: i64) -> (Self, Case) {
        let case = (self.prepare)(api, project);
        (self, case)
    }
}

macro_rules! routes {
    ($($method:ident $path:literal, $prepare:expr;)*) => {
        [$(Route { method: stringify!($method), path: $path, prepare: $prepare },)*]
    };
}

fn of_task(api: &Api, project: i64, status: u16) -> Case {
    Case::new(project, status).id("task_id", api.task(project, "a task"))
}

/// A change request that has gone this way.
fn of_request(api: &Api, project: i64, way: &[&str]) -> Case {
    let request = api.change_request(project, api.task(project, "a task"));
    for step in way {
        let path = format!("/projects/{project}/change-requests/{request}/{step}");
        api.done("POST", &path, &json!({}));
    }
    Case::new(project, 200).id("change_request_id", request)
}

fn of_run(api: &Api, project: i64) -> Case {
    let run = api.run(project, api.approved(project, "a task"));
    Case::new(project, 200).id("run_id", run)
}

/// A project of its own.
fn other(api: &Api) -> Case {
    let projects = api.seen("/projects").as_array().unwrap().len();
    Case::new(api.project(&format!("project {projects}")), 200)
}

fn archived(api: &Api) -> Case {
    let case = other(api);
    api.done("DELETE", &case.path("/projects/{project_id}"), &json!({}));
    case
}

/// Every route.
pub(crate) fn all() -> Vec<Route> {
    let mut routes = Vec::from(of_projects());
    routes.extend(of_tasks());
    routes.extend(of_requests());
    routes.extend(of_runs());
    routes.extend(of_artifacts());
    routes
}

fn of_projects() -> [Route; 12] {
    routes! {
        GET "/projects", |_, project| Case::new(project, 200).query("?limit=1");
        POST "/projects", |_, project| {
            let body = json!({
                "name": "Cathedral", "description": "long", "root_path": "/srv/c",
                "default_engine": "codex",
            });
            Case::new(project, 201).body(body)
        };
        GET "/projects/{project_id}", |_, project| Case::new(project, 200);
        PATCH "/projects/{project_id}", |_, project| {
            let body = json!({
                "description": "longer", "root_path": "/srv/d", "default_engine": null,
                "current_phase": "architect",
            });
            Case::new(project, 200).body(body)
        };
        DELETE "/projects/{project_id}", |api, _| other(api);
        POST "/projects/{project_id}/restore", |api, _| archived(api);
        POST "/projects/{project_id}/purge", |api, _| archived(api);
        GET "/projects/{project_id}/events", |_, project| {
            Case { ends: false, ..Case::new(project, 200) }
        };
        GET "/projects/{project_id}/control", |_, project| Case::new(project, 200);
        POST "/projects/{project_id}/control/pause", |_, project| Case::new(project, 200);
        POST "/projects/{project_id}/control/resume", |_, project| Case::new(project, 200);
        PATCH "/projects/{project_id}/control/limits", |_, project| {
            Case::new(project, 200).body(json!({ "max_attempts": 5, "timeout_seconds": 60 }))
        };
    }
}

fn of_tasks() -> [Route; 15] {
    routes! {
        GET "/projects/{project_id}/tasks", |api, project| {
            of_task(api, project, 200).query("?status=pending&limit=1")
        };
        POST "/projects/{project_id}/tasks", |api, project| {
            let body = json!({
                "title": "Choir", "description": "in the east", "priority": -7,
                "engine_override": "codex", "dependencies": [api.task(project, "a task")],
            });
            Case::new(project, 201).body(body)
        };
        GET "/projects/{project_id}/tasks/next", |api, project| {
            api.approved(project, "a task");
            Case::new(project, 200)
        };
        GET "/projects/{project_id}/tasks/{task_id}", |api, project| of_task(api, project, 200);
        PATCH "/projects/{project_id}/tasks/{task_id}", |api, project| {
            let body = json!({
                "title": "Nave", "description": null, "status": "approved",
                "current_phase": "planner", "priority": 3, "engine_override": "codex",
            });
            of_task(api, project, 200).body(body)
        };
        DELETE "/projects/{project_id}/tasks/{task_id}", |api, project| {
            let case = of_task(api, project, 200);
            // SQLite would give the id of the newest task again, PostgreSQL would not.
            api.task(project, "a later task");
            case
        };
        POST "/projects/{project_id}/tasks/{task_id}/approve", |api, project| {
            of_task(api, project, 200).body(json!({ "approver": "ann", "comment": "good" }))
        };
        POST "/projects/{project_id}/tasks/{task_id}/advance", |api, project| {
            of_task(api, project, 200)
        };
        GET "/projects/{project_id}/tasks/{task_id}/dependencies", |api, project| {
            of_task(api, project, 200)
        };
        PUT "/projects/{project_id}/tasks/{task_id}/dependencies", |api, project| {
            let body = json!({ "dependencies": [api.task(project, "the first")] });
            of_task(api, project, 200).body(body)
        };
        GET "/projects/{project_id}/tasks/{task_id}/versions", |api, project| {
            of_task(api, project, 200)
        };
        GET "/projects/{project_id}/tasks/{task_id}/gates", |api, project| {
            let case = of_task(api, project, 200);
            let path = case.path("/projects/{project_id}/tasks/{task_id}/gates");
            api.done("PUT", &path, &json!([{ "name": "tests", "command": "make test" }]));
            case
        };
        PUT "/projects/{project_id}/tasks/{task_id}/gates", |api, project| {
            let body = json!([{
                "name": "tests", "command": "make test", "description": "all of them",
                "pass_criteria": "output_contains", "expected_output": "ok", "timeout": 5,
                "fail_task_on_error": false, "required": false,
            }]);
            of_task(api, project, 200).body(body)
        };
        POST "/projects/{project_id}/tasks/{task_id}/split", |api, project| {
            let body = json!({
                "task1_title": "one half", "task1_description": "the left one",
                "task2_title": "other half", "task2_description": null, "reason": "too large",
            });
            of_task(api, project, 201).body(body)
        };
        POST "/projects/{project_id}/tasks/merge", |api, project| {
            let tasks = ["one", "other"].map(|title| api.task(project, title));
            let body = json!({
                "task_ids": tasks, "merged_title": "both", "merged_description": "as one",
                "reason": "too small",
            });
            Case::new(project, 201).body(body)
        };
    }
}

fn of_requests() -> [Route; 10] {
    routes! {
        GET "/projects/{project_id}/change-requests", |api, project| {
            of_request(api, project, &[]).query("?limit=1&status=draft")
        };
        POST "/projects/{project_id}/change-requests", |api, project| {
            let task = api.task(project, "a task");
            let body = json!({ "task_id": task, "phase": "planner", "content": "more windows" });
            Case::new(project, 201).body(body)
        };
        GET "/projects/{project_id}/change-requests/{change_request_id}", |api, project| {
            of_request(api, project, &[])
        };
        PATCH "/projects/{project_id}/change-requests/{change_request_id}", |api, project| {
            of_request(api, project, &[]).body(json!({ "content": "fewer windows" }))
        };
        POST "/projects/{project_id}/change-requests/{change_request_id}/submit", |api, project| {
            of_request(api, project, &[])
        };
        POST "/projects/{project_id}/change-requests/{change_request_id}/approve", |api, project| {
            of_request(api, project, &["submit"]).body(json!({ "approver": "ann", "comment": "y" }))
        };
        POST "/projects/{project_id}/change-requests/{change_request_id}/reject", |api, project| {
            of_request(api, project, &["submit"]).body(json!({ "approver": "ann", "reason": "n" }))
        };
        POST "/projects/{project_id}/change-requests/{change_request_id}/implement",
            |api, project| of_request(api, project, &["submit", "approve"]);
        GET "/projects/{project_id}/approvals", |api, project| {
            api.approved(project, "a task");
            Case::new(project, 200).query("?limit=1")
        };
        POST "/projects/{project_id}/approvals", |api, project| {
            let task = api.task(project, "a task");
            let body = json!({
                "task_id": task, "change_request_id": api.change_request(project, task),
                "approver": "ann", "approved": false, "comment": "not yet",
            });
            Case::new(project, 201).body(body)
        };
    }
}

fn of_runs() -> [Route; 6] {
    routes! {
        GET "/projects/{project_id}/runs", |api, project| of_run(api, project).query("?limit=1");
        POST "/projects/{project_id}/runs", |api, project| {
            let task = api.approved(project, "a task");
            Case::new(project, 201).body(json!({ "task_id": task, "engine": "codex" }))
        };
        GET "/projects/{project_id}/runs/{run_id}", |api, project| of_run(api, project);
        PUT "/projects/{project_id}/runs/{run_id}/log", |api, project| {
            of_run(api, project).body(json!({ "log_path": "logs/1.txt" }))
        };
        POST "/projects/{project_id}/runs/{run_id}/finish", |api, project| {
            let body = json!({ "status": "failure", "gate_results": [{ "gate_name": "tests" }] });
            of_run(api, project).body(body)
        };
        POST "/projects/{project_id}/runs/{run_id}/cancel", |api, project| of_run(api, project);
    }
}

/// A file with a line of text.
const FILE: &str = "\
--limit
Content-Disposition: form-data; name=\"artifact_type\"

plan
--limit
Content-Disposition: form-data; name=\"file\"; filename=\"plans/choir.txt\"
Content-Type: text/plain

first the foundation
--limit--
";

/// A file that was sent.
fn of_file(api: &Api, project: i64) -> Case {
    let case = Case { form: Some(FILE), ..Case::new(project, 201) };
    let path = case.path("/projects/{project_id}/artifacts/upload");
    let answer = case.ask(api, "POST", &path, &[]);
    assert_eq!(answer.status, 201, "{answer:?}");
    Case::new(project, 200).id("artifact_id", answer.json()["id"].as_i64().unwrap())
}

fn of_artifacts() -> [Route; 7] {
    routes! {
        GET "/projects/{project_id}/artifacts", |api, project| {
            of_file(api, project).query("?limit=1&artifact_type=plan")
        };
        POST "/projects/{project_id}/artifacts", |api, project| {
            let task = api.approved(project, "a task");
            let body = json!({
                "artifact_type": "adr", "name": "Why stone", "file_path": "adr/1.md",
                "task_id": task, "run_id": api.run(project, task), "sha256": "0A".repeat(32),
                "extra_data": "{}",
            });
            Case::new(project, 201).body(body)
        };
        POST "/projects/{project_id}/artifacts/upload", |_, project| {
            Case { form: Some(FILE), ..Case::new(project, 201) }
        };
        GET "/projects/{project_id}/artifacts/{artifact_id}", |api, project| {
            of_file(api, project)
        };
        GET "/projects/{project_id}/artifacts/{artifact_id}/download", |api, project| {
            of_file(api, project)
        };
        GET "/projects/{project_id}/artifacts/{artifact_id}/content", |api, project| {
            of_file(api, project)
        };
        DELETE "/projects/{project_id}/artifacts/{artifact_id}", |api, project| {
            let case = of_file(api, project);
            // SQLite would give the id of the newest one again, PostgreSQL would not.
            of_file(api, project);
            case
        };
    }
}
