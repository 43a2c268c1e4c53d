//! `/api/v1/projects/{project_id}/tasks/{task_id}/gates`: kept, never executed.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use serde_json::{Value, json};
use underpin_db::Db;
use underpin_models::project::{self, Kind, TaskVersionRepository as _};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Array, Body, Fields, Flag, IfMatch, Input, Noted, Path, Text, Whole},
    },
    OfTask, Versioned, most,
};
use crate::clock;

type GatesBody = Body<Array<Gate>>;

/// A command that a run must pass, as it is stored.
pub(in crate::http) struct Gate(Value);

impl Input for Gate {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let name = fields.required("name", &Text::some(most::NAME));
        let command = fields.required("command", &Text::some(usize::MAX));
        let description = fields.optional("description", &Text::any());
        let criteria = fields.settable("pass_criteria", &Text::some(most::NAME));
        let expected = fields.optional("expected_output", &Text::any());
        let timeout = fields.settable("timeout", &Whole(1..=i32::MAX));
        let fail = fields.settable("fail_task_on_error", &Flag);
        let required = fields.settable("required", &Flag);
        let criteria = criteria?.unwrap_or_else(|| "exit_code_0".to_owned());
        if !["exit_code_0", "output_contains", "output_matches"].contains(&criteria.as_str()) {
            let expected = "expected `exit_code_0`, `output_contains` or `output_matches`";
            return fields.fault("pass_criteria", expected.to_owned());
        }
        Ok(Self(json!({
            "name": name?,
            "command": command?,
            "description": description?,
            "pass_criteria": criteria,
            "expected_output": expected?,
            "timeout": timeout?.unwrap_or(60),
            "fail_task_on_error": fail?.unwrap_or(true),
            "required": required?.unwrap_or(true),
        })))
    }
}

impl From<Gate> for Value {
    fn from(Gate(value): Gate) -> Self {
        value
    }
}

/// The version of a task that has these gates.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Saved {
    success: bool,
    task_id: i32,
    version_id: Option<i32>,
    version_num: i32,
    gates_count: usize,
}

impl Saved {
    pub(in crate::http) fn new(task: &project::Task, gates_count: usize) -> Self {
        Self {
            success: true,
            task_id: task.id,
            version_id: task.active_version_id,
            version_num: task.version,
            gates_count,
        }
    }
}

/// The gates of a task
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks/{task_id}/gates", tag = "tasks",
    params(Path<OfTask>),
    responses(
        (status = 200, body = Vec<Object>),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
) -> Result<Json<Vec<Value>>, Failure> {
    let project = state.project(of.project_id).await?;
    let gates = project.gates(of.project_id, of.task_id).await?;
    gates.map(Json).ok_or_else(|| Failure::not_found(Kind::Task, of.task_id))
}

/// Give a task these gates and no others: a new version
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/tasks/{task_id}/gates", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(GatesBody)),
    responses(
        (status = 200, body = Saved),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn put(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
    Body(Array(gates)): GatesBody,
) -> Result<Versioned<Saved>, Failure> {
    let project = state.change(of.project_id).await?;
    let (version, saved) = set_gates(&project, &of, gates, expected).await?;
    Ok(Versioned(version, saved))
}

/// Sets the gates for whoever asked, in either form of the API; gives the task's version as well.
pub(in crate::http) async fn set_gates(
    project: &Db,
    of: &OfTask,
    gates: Vec<Gate>,
    expected: Option<i32>,
) -> Result<(i32, Saved), Failure> {
    let (count, gates) = (gates.len(), gates.into_iter().map(Value::from).collect());
    let set = project.set_gates(of.project_id, of.task_id, gates, expected, clock::utc());
    let task = set.await??;
    Ok((task.version, Saved::new(&task, count)))
}
