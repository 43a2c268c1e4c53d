//! `/api/gates/task/{id}`, and examples of gates.

use axum::{Json, extract::State as Shared};
use serde_json::{Value, json};
use underpin_models::project::TaskVersionRepository as _;

use super::{
    super::{
        failure::Failure,
        input::{Array, Path, Query, Said},
        v1::{
            OfTask,
            gates::{Gate, Saved, set_gates},
        },
    },
    Here, Lenient, OfProject, OfRow, Perhaps, meant, told,
};

/// A task that is nowhere has none.
pub(super) async fn get(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Vec<Value>>, Failure> {
    let Some(project_id) = meant(&state, named).await? else {
        return Ok(Json(Vec::new()));
    };
    let gates = state.project(project_id).await.map_err(told)?.gates(project_id, id).await?;
    Ok(Json(gates.unwrap_or_default()))
}

pub(super) async fn put(
    Shared(state): Here,
    Path(OfRow(task_id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
    Said(Array(gates)): Said<Array<Lenient<Gate>>>,
) -> Result<Json<Saved>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    let gates = gates.into_iter().map(|Lenient(gate)| gate).collect();
    let (_, saved) = set_gates(&project, &OfTask { project_id, task_id }, gates, None).await?;
    Ok(Json(saved))
}

/// Five gates of a kind that many projects have, in the form in which they are stored.
pub(super) async fn examples() -> Json<[Value; 5]> {
    let gate = |name: &str, description: &str, command: &str, timeout: u32| {
        json!({
            "name": name,
            "command": command,
            "description": description,
            "pass_criteria": "exit_code_0",
            "expected_output": null,
            "timeout": timeout,
            "fail_task_on_error": true,
            "required": true,
        })
    };
    let mut audit = gate("audit", "No dependency has a known fault", "cargo audit", 120);
    audit["required"] = false.into();
    let mut counted = gate("counted", "At least one test has run", "cargo test", 600);
    counted["pass_criteria"] = "output_matches".into();
    counted["expected_output"] = "[1-9][0-9]* passed".into();
    Json([
        gate("format", "The code is formatted", "cargo fmt --check", 60),
        gate("lint", "The linter has nothing to say", "cargo clippy -- -D warnings", 300),
        gate("tests", "Every test passes", "cargo test", 600),
        audit,
        counted,
    ])
}
