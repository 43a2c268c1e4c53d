//! `/api/artifacts/`.

use axum::{Json, extract::State as Shared, response::IntoResponse};
use serde::Serialize;
use underpin_models::project::{
    self, ArtifactFilter, ArtifactRepository as _, Kind, NewArtifact, Page,
};

use super::{
    super::{
        State,
        failure::Failure,
        input::{Fields, Form, Id, Input, Noted, Path, Query, Said, Text},
        limits::Peer,
        v1::{
            Done,
            artifacts::{self, OfArtifact, artifact, delete_artifact, filter},
            contents::{About, AsText, Upload, download_artifact, read_artifact},
        },
    },
    Here, Lenient, OfRow, Perhaps, meant, of_row, page, told,
};
use crate::clock;

/// An artifact as the original shows it.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "what the original calls it")]
pub(super) struct Artifact {
    id: i32,
    project_id: i32,
    task_id: Option<i32>,
    run_id: Option<i32>,
    artifact_type: &'static str,
    name: String,
    file_path: String,
    sha256: Option<String>,
    extra_data: Option<String>,
}

impl From<project::Artifact> for Artifact {
    fn from(artifact: project::Artifact) -> Self {
        Self {
            id: artifact.id,
            project_id: artifact.project_id,
            task_id: artifact.task_id,
            run_id: artifact.run_id,
            artifact_type: artifact.artifact_type.wire(),
            name: artifact.name,
            file_path: artifact.file_path,
            sha256: artifact.sha256,
            extra_data: artifact.extra_data,
        }
    }
}

pub(super) struct Which {
    project_id: Option<i32>,
    filter: ArtifactFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let Perhaps(project_id) = Perhaps::read(fields)?;
        let (filter, page) = (filter(fields), page(fields));
        Ok(Self { project_id, filter: filter?, page: page? })
    }
}

pub(super) async fn list(
    Shared(state): Here,
    Query(Lenient(which)): Query<Lenient<Which>>,
) -> Result<Json<Vec<Artifact>>, Failure> {
    let Some(project_id) = meant(&state, which.project_id).await? else {
        return Ok(Json(Vec::new()));
    };
    let project = state.project(project_id).await.map_err(told)?;
    let artifacts = project.artifacts(project_id, which.filter, which.page).await??;
    Ok(Json(artifacts.into_iter().map(Artifact::from).collect()))
}

pub(super) struct New {
    project_id: i32,
    artifact: NewArtifact,
}

impl Input for New {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        // A digest is whatever the client calls one, and is kept as it is.
        let (project_id, sha256) =
            (fields.required("project_id", &Id), fields.optional("sha256", &Text::any()));
        let artifact = NewArtifact::read(fields);
        let (project_id, sha256) = (project_id?, sha256?);
        Ok(Self { project_id, artifact: NewArtifact { sha256, ..artifact? } })
    }
}

pub(super) async fn post(
    Shared(state): Here,
    Said(Lenient(New { project_id, artifact })): Said<Lenient<New>>,
) -> Result<Json<Artifact>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    Ok(Json(project.create_artifact(project_id, artifact, clock::utc()).await??.into()))
}

/// What is said of a file that is sent, its project included.
pub(super) struct Sent {
    project_id: i32,
    about: About,
}

impl Input for Sent {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, about) = (fields.required("project_id", &Id), About::read(fields));
        Ok(Self { project_id: project_id?, about: about? })
    }
}

pub(super) async fn upload(
    Shared(state): Here,
    peer: Peer,
    form: Form,
) -> Result<Json<artifacts::Artifact>, Failure> {
    let mut upload = Upload::receive(&state, peer, form).await?;
    let Lenient(Sent { project_id, about }) = upload.values()?;
    drop(state.project(project_id).await.map_err(told)?);
    Ok(Json(upload.store(&state, project_id, about).await?.into()))
}

/// The artifact in a path.
async fn of(state: &State, OfRow(id): OfRow, named: Option<i32>) -> Result<OfArtifact, Failure> {
    let project_id = of_row(state, named, Kind::Artifact, id).await?;
    Ok(OfArtifact { project_id, artifact_id: id })
}

pub(super) async fn get(
    Shared(state): Here,
    Path(row): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Artifact>, Failure> {
    Ok(Json(artifact(&state, &of(&state, row, named).await?).await?.into()))
}

pub(super) async fn download(
    Shared(state): Here,
    peer: Peer,
    Path(row): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<impl IntoResponse, Failure> {
    download_artifact(&state, peer, &of(&state, row, named).await?).await
}

pub(super) async fn content(
    Shared(state): Here,
    Path(row): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<AsText>, Failure> {
    read_artifact(&state, &of(&state, row, named).await?).await.map(Json)
}

pub(super) async fn delete(
    Shared(state): Here,
    Path(row): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Done>, Failure> {
    delete_artifact(&state, &of(&state, row, named).await?).await.map(Json)
}
