//! The service, and short words for what these tests ask it.

use serde_json::{Value, json};
use underpin_db::{ConnectOptions, DatabaseUrl};
use underpin_testkit::{Dialect, block_on};

use crate::service::{Answer, Service};

/// The tables of a project.
const TABLES: [&str; 9] = [
    "approvals",
    "artifacts",
    "change_requests",
    "control_state",
    "events",
    "projects",
    "runs",
    "task_versions",
    "tasks",
];

/// A service on a database of its own.
pub(crate) struct Api {
    pub(crate) service: Service,
}

impl Api {
    pub(crate) fn start(dialect: Dialect) -> Self {
        Self::with(dialect, &[])
    }

    /// With these settings besides.
    pub(crate) fn with(dialect: Dialect, settings: &[(&str, &str)]) -> Self {
        Self { service: Service::with(dialect, settings) }
    }

    /// `path` is below `/api/v1`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.service.get(&format!("/api/v1{path}"))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask_with(method, path, &[], &body.to_string())
    }

    /// With these headers; the body is JSON, whatever it is.
    pub(crate) fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let json = ("Content-Type", "application/json");
        let headers = [headers, &[json]].concat();
        self.service.send(method, &format!("/api/v1{path}"), &headers, body)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, body)
    }

    /// What a request that succeeds gives.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
        answer.json()
    }

    /// What is at `path`.
    pub(crate) fn seen(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// The id of what is made at `path`.
    pub(crate) fn made(&self, path: &str, body: &Value) -> i64 {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 201, "{path} {body}: {answer:?}");
        answer.json()["id"].as_i64().unwrap()
    }

    pub(crate) fn project(&self, name: &str) -> i64 {
        self.made("/projects", &json!({ "name": name }))
    }

    pub(crate) fn task(&self, project: i64, title: &str) -> i64 {
        self.made(&format!("/projects/{project}/tasks"), &json!({ "title": title }))
    }

    pub(crate) fn approved(&self, project: i64, title: &str) -> i64 {
        let task = self.task(project, title);
        self.done("POST", &format!("/projects/{project}/tasks/{task}/approve"), &json!({}));
        task
    }

    /// A draft.
    pub(crate) fn change_request(&self, project: i64, task: i64) -> i64 {
        let body = json!({ "task_id": task, "phase": "coder", "content": "change it" });
        self.made(&format!("/projects/{project}/change-requests"), &body)
    }

    /// An open run of an approved task.
    pub(crate) fn run(&self, project: i64, task: i64) -> i64 {
        self.made(&format!("/projects/{project}/runs"), &json!({ "task_id": task }))
    }

    /// Where the database of a project is.
    pub(crate) fn url(&self, project: i64) -> DatabaseUrl {
        let (db, target) = (&self.service.db, format!("project_{project}"));
        match db.dialect() {
            Dialect::Sqlite => DatabaseUrl::file(&db.dir().join("data").join(target + ".db")),
            Dialect::Postgres => db.database_url().in_schema(&target),
        }
    }

    /// Every row of a project, as sorted texts.
    pub(crate) fn rows(&self, project: i64) -> Vec<String> {
        let url = self.url(project);
        block_on(async || {
            let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
            let mut queries = Vec::new();
            for table in TABLES {
                let row = match url.dialect() {
                    Dialect::Postgres => "to_jsonb(t)::text".to_owned(),
                    Dialect::Sqlite => {
                        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                        let columns = conn.texts(&columns).await.unwrap();
                        let quoted = columns.iter().map(|name| format!("quote({name})"));
                        quoted.collect::<Vec<_>>().join(" || ' ' || ")
                    }
                };
                queries.push(format!("SELECT '{table} ' || {row} FROM {table} t"));
            }
            let mut rows = conn.texts(&queries.join(" UNION ALL ")).await.unwrap();
            rows.sort();
            rows
        })
    }
}

impl Answer {
    /// Whether it is this refusal, in the form of these routes.
    pub(crate) fn refuses(&self, status: u16, detail: &str) {
        let expected = json!({ "detail": detail });
        assert_eq!((self.status, self.json()), (status, expected), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// Whether it is a refusal of this status, with a text.
    pub(crate) fn is_refused(&self, status: u16) {
        let text = self.json()["detail"].as_str().map(str::to_owned);
        assert_eq!(self.status, status, "{self:?}");
        assert!(text.is_some_and(|text| !text.is_empty()), "{self:?}");
    }

    /// The faults that it names: type and place, `missing body.name`; sorted.
    pub(crate) fn faults(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{self:?}");
        assert_eq!(self.json().as_object().unwrap().len(), 1, "{self:?}");
        let place = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let fault = |fault: &Value| {
            assert_eq!(fault.as_object().unwrap().len(), 3, "{self:?}");
            assert!(!fault["msg"].as_str().unwrap().is_empty(), "{self:?}");
            let place: Vec<_> = fault["loc"].as_array().unwrap().iter().map(place).collect();
            format!("{} {}", fault["type"].as_str().unwrap(), place.join("."))
        };
        let body = self.json();
        let mut faults: Vec<_> = body["detail"].as_array().unwrap().iter().map(fault).collect();
        faults.sort();
        faults
    }
}
