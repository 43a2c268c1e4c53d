//! `/api/gates/task/{id}`.

use axum::{Json, extract::State as Shared};
use serde_json::Value;
use underpin_models::project::{Kind, TaskVersionRepository as _};

use super::{
    super::{
        failure::Failure,
        input::{Array, Body, Path, Query},
        v1::{
            OfTask,
            gates::{Gate, Saved, set_gates},
        },
    },
    Here, Lenient, OfProject, OfRow, Perhaps, find, told,
};

/// A task that is nowhere has none.
pub(super) async fn get(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Vec<Value>>, Failure> {
    let Some(project_id) = find(&state, named, Kind::Task, id).await? else {
        return Ok(Json(Vec::new()));
    };
    let gates = state.project(project_id).await.map_err(told)?.gates(project_id, id).await?;
    Ok(Json(gates.unwrap_or_default()))
}

pub(super) async fn put(
    Shared(state): Here,
    Path(OfRow(task_id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
    Body(Array(gates)): Body<Array<Lenient<Gate>>>,
) -> Result<Json<Saved>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    let gates = gates.into_iter().map(|Lenient(gate)| gate).collect();
    let (_, saved) = set_gates(&project, &OfTask { project_id, task_id }, gates, None).await?;
    Ok(Json(saved))
}
