//! `/api/v1/projects/{project_id}/artifacts`; their contents are in [`contents`](super::contents).

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::Uri};
use serde::Serialize;
use underpin_models::project::{
    self, ArtifactFilter, ArtifactRepository as _, Kind, NewArtifact, Page,
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Id, Input, Noted, OneOf, Path, Query, Text},
    },
    Created, Done, Listed, OfProject, most, page, time,
};
use crate::clock;

/// A file that a project produced or was given.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "what the original calls it")]
pub(in crate::http) struct Artifact {
    pub(in crate::http) id: i32,
    project_id: i32,
    task_id: Option<i32>,
    run_id: Option<i32>,
    /// `spec`, `plan`, `architecture`, `adr`, `transcript`, `diff`, `log` or `other`.
    #[schema(value_type = String)]
    artifact_type: &'static str,
    name: String,
    /// Where whoever made it says that it was.
    file_path: String,
    /// Where its content is, below `DATA_DIR`; `null` without one.
    storage_path: Option<String>,
    /// Of the content, in lower-case hexadecimal.
    sha256: Option<String>,
    /// Bytes.
    file_size: Option<i32>,
    extra_data: Option<String>,
    /// UTC, ISO 8601.
    created_at: String,
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
            storage_path: artifact.storage_path,
            sha256: artifact.sha256,
            file_size: artifact.file_size,
            extra_data: artifact.extra_data,
            created_at: time(artifact.created_at),
        }
    }
}

/// An artifact of a project.
pub(in crate::http) struct OfArtifact {
    pub(in crate::http) project_id: i32,
    pub(in crate::http) artifact_id: i32,
}

impl Input for OfArtifact {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, artifact_id) =
            (fields.required("project_id", &Id), fields.required("artifact_id", &Id));
        Ok(Self { project_id: project_id?, artifact_id: artifact_id? })
    }
}

/// One artifact, for whoever asked, in either form of the API.
pub(in crate::http) async fn artifact(
    state: &State,
    of: &OfArtifact,
) -> Result<project::Artifact, Failure> {
    let project = state.project(of.project_id).await?;
    let artifact = project.artifact(of.project_id, of.artifact_id).await?;
    artifact.ok_or_else(|| Failure::not_found(Kind::Artifact, of.artifact_id))
}

/// What is asked of artifacts.
pub(in crate::http) fn filter(fields: &mut Fields) -> Result<ArtifactFilter, Noted> {
    let task_id = fields.settable("task_id", &Id);
    let run_id = fields.settable("run_id", &Id);
    let artifact_type = fields.settable("artifact_type", &OneOf::new());
    Ok(ArtifactFilter { task_id: task_id?, run_id: run_id?, artifact_type: artifact_type? })
}

/// Which artifacts to list.
pub(super) struct Which {
    filter: ArtifactFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (filter, page) = (filter(fields), page(fields));
        Ok(Self { filter: filter?, page: page? })
    }
}

/// Artifacts, newest first
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/artifacts", tag = "artifacts",
    params(Path<OfProject>, Query<Which>),
    responses(
        (status = 200, body = Vec<Artifact>),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<Artifact>, Failure> {
    let project = state.project(of.project_id).await?;
    let artifacts = project.artifacts(of.project_id, which.filter, which.page).await??;
    Ok(Listed::new(artifacts, &uri, which.page, |artifact| artifact.id))
}

impl Input for NewArtifact {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let artifact_type = fields.required("artifact_type", &OneOf::new());
        let name = fields.required("name", &Text::some(most::TITLE));
        let file_path = fields.required("file_path", &Text::some(most::FILE_PATH));
        let task_id = fields.optional("task_id", &Id);
        let run_id = fields.optional("run_id", &Id);
        let sha256 = sha256(fields);
        let extra_data = fields.optional("extra_data", &Text::any());
        Ok(Self {
            task_id: task_id?,
            run_id: run_id?,
            artifact_type: artifact_type?,
            name: name?,
            file_path: file_path?,
            sha256: sha256?,
            extra_data: extra_data?,
        })
    }
}

/// A digest, in lower case whatever the caller wrote.
pub(super) fn sha256(fields: &mut Fields) -> Result<Option<String>, Noted> {
    let digest = fields.optional("sha256", &Text::any())?;
    match digest {
        Some(text) if text.len() != 64 || !text.bytes().all(|one| one.is_ascii_hexdigit()) => {
            fields.fault("sha256", "expected 64 hexadecimal digits".to_owned())
        }
        digest => Ok(digest.map(|digest| digest.to_ascii_lowercase())),
    }
}

type NewArtifactBody = Body<NewArtifact>;

/// Note an artifact whose content is elsewhere
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/artifacts", tag = "artifacts",
    params(Path<OfProject>),
    request_body(content = inline(NewArtifactBody)),
    responses(
        (status = 201, body = Artifact),
        (status = 404, description = "No such project, task or run", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(new): NewArtifactBody,
) -> Result<Created<Json<Artifact>>, Failure> {
    let project = state.change(of.project_id).await?;
    let artifact = project.create_artifact(of.project_id, new, clock::utc()).await??;
    Ok(created(artifact))
}

/// A new artifact, and where it is.
pub(super) fn created(artifact: project::Artifact) -> Created<Json<Artifact>> {
    let location = format!("/api/v1/projects/{}/artifacts/{}", artifact.project_id, artifact.id);
    Created::new(location, Json(artifact.into()))
}

/// One artifact
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/artifacts/{artifact_id}",
    tag = "artifacts", params(Path<OfArtifact>),
    responses(
        (status = 200, body = Artifact),
        (status = 404, description = "No such project or artifact", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfArtifact>,
) -> Result<Json<Artifact>, Failure> {
    Ok(Json(artifact(&state, &of).await?.into()))
}

/// Delete an artifact and its content
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}/artifacts/{artifact_id}",
    tag = "artifacts", params(Path<OfArtifact>),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such project or artifact", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfArtifact>,
) -> Result<Json<Done>, Failure> {
    delete_artifact(&state, &of).await.map(Json)
}

/// Deletes an artifact for whoever asked, in either form of the API.
pub(in crate::http) async fn delete_artifact(
    state: &State,
    of: &OfArtifact,
) -> Result<Done, Failure> {
    let project = state.change(of.project_id).await?;
    let (id, now) = (of.artifact_id, clock::utc());
    state.artifacts.delete(&project, of.project_id, id, now).await??;
    Ok(Done::new(format!("Artifact {id} deleted")))
}
