//! The contents of artifacts: sent, downloaded, read.

use std::sync::Arc;

use axum::{
    Json,
    body::Body as Bytes,
    extract::State as Shared,
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use serde_json::{Map, Value, json};
use underpin_models::project::{self, ArtifactType, NewArtifact};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody, Fault},
        input::{self, Fields, Form, Id, Input, Kind as _, Noted, OneOf, Part, Path, Text},
        limits::Peer,
    },
    Created, OfProject,
    artifacts::{Artifact, OfArtifact, artifact, created, sha256},
    most,
};
use crate::{
    artifacts::{Received, safe_name},
    clock,
};

mod file_name;

use file_name::file_name;

/// Bytes of the content that is given as text.
const MOST_TEXT: u64 = 1024 * 1024;
/// Bytes of a value that is sent beside a file.
const MOST_VALUE: usize = 4_096;

/// What was sent as `multipart/form-data`: one file, and values.
pub(in crate::http) struct Upload {
    file: File,
    /// What is said besides.
    values: Map<String, Value>,
}

struct File {
    content: Received,
    /// The path as it was sent.
    path: String,
    kind: Option<String>,
}

/// The form in which a file is sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document alone: the form is read part by part")]
pub(super) struct UploadForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// `spec`, `plan`, `architecture`, `adr`, `transcript`, `diff`, `log` or `other`.
    artifact_type: String,
    task_id: Option<i32>,
    run_id: Option<i32>,
    /// The SHA-256 that the content must have.
    sha256: Option<String>,
}

/// What is said of a file that is sent.
pub(in crate::http) struct About {
    artifact_type: ArtifactType,
    task_id: Option<i32>,
    run_id: Option<i32>,
    sha256: Option<String>,
}

impl Input for About {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let artifact_type = fields.required("artifact_type", &OneOf::new());
        let (task_id, run_id) = (fields.optional("task_id", &Id), fields.optional("run_id", &Id));
        let sha256 = sha256(fields);
        Ok(Self {
            artifact_type: artifact_type?,
            task_id: task_id?,
            run_id: run_id?,
            sha256: sha256?,
        })
    }
}

impl Upload {
    /// Receives a file and the values beside it, in whatever order they come.
    pub(in crate::http) async fn receive(
        state: &State,
        peer: Peer,
        mut form: Form,
    ) -> Result<Self, Failure> {
        let _place = state.uploads.take(peer)?;
        let (mut file, mut values) = (None, Map::new());
        while let Some((name, part)) = form.next().await? {
            if name != "file" {
                let value = value(part).await?;
                values.insert(name, value.into());
            } else if file.is_some() {
                return Err(fault("value_error", "expected one file, found another"));
            } else {
                file = Some(File::receive(state, part).await?);
            }
        }
        let file = file.ok_or_else(|| fault("missing", "expected a file"))?;
        Ok(Self { file, values })
    }

    /// What was said beside the file.
    pub(in crate::http) fn values<T: Input>(&mut self) -> Result<T, Failure> {
        input::read(std::mem::take(&mut self.values), "body")
    }

    /// Makes an artifact of it.
    pub(in crate::http) async fn store(
        self,
        state: &State,
        project_id: i32,
        about: About,
    ) -> Result<project::Artifact, Failure> {
        let File { content, path, kind } = self.file;
        let name = safe_name(&path);
        let extra_data = json!({ "original_filename": path, "content_type": kind }).to_string();
        let new = NewArtifact {
            task_id: about.task_id,
            run_id: about.run_id,
            artifact_type: about.artifact_type,
            name,
            file_path: path,
            sha256: about.sha256,
            extra_data: Some(extra_data),
        };
        let project = state.change(project_id).await?;
        let now = clock::utc();
        Ok(state.artifacts.create(&project, project_id, new, content, now).await??)
    }
}

impl File {
    async fn receive(state: &State, part: Part<'_>) -> Result<Self, Failure> {
        let path = file_name(part.field.headers())?;
        let path = Text::some(most::FILE_PATH).read(Value::from(path));
        let path = path.map_err(|_| {
            fault("value_error", "expected a file name of at most 1024 characters, without NUL")
        })?;
        let kind = part.field.content_type().map(str::to_owned).filter(|kind| !kind.contains('\0'));
        let content = state.artifacts.receive(part).await?;
        Ok(Self { content, path, kind })
    }
}

/// What is wrong with the file.
fn fault(kind: &'static str, message: &str) -> Failure {
    Failure::faults(vec![Fault::new(kind, message.to_owned()).within("file").within("body")])
}

/// A value beside the file.
async fn value(mut part: Part<'_>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MOST_VALUE {
            let message = format!("expected at most {MOST_VALUE} bytes beside the file");
            return Err(Failure::faults(vec![Fault::new("too_long", message).within("body")]));
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        let message = "expected text in UTF-8".to_owned();
        Failure::faults(vec![Fault::new("string_unicode", message).within("body")])
    })
}

/// Send a file: an artifact with a content
///
/// `multipart/form-data`, at most `ARTIFACT_LIMIT_BYTES`. Of the file's name the last part is kept.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/artifacts/upload", tag = "artifacts",
    params(Path<OfProject>),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = Artifact),
        (status = 404, description = "No such project, task or run", body = FailureBody),
        (status = 413, description = "The file is too large", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = 503, description = "Too many files are being received", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn upload(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    peer: Peer,
    form: Form,
) -> Result<Created<Json<Artifact>>, Failure> {
    // Not held while the file comes, which may take long: whoever archives the project need not wait.
    drop(state.project(of.project_id).await?);
    let mut upload = Upload::receive(&state, peer, form).await?;
    let about = upload.values()?;
    Ok(created(upload.store(&state, of.project_id, about).await?))
}

/// The content of an artifact for whoever asked, in either form of the API. Its tag is its SHA-256. A part of
/// it is not to be had: only the whole can be proven.
pub(in crate::http) async fn download_artifact(
    state: &State,
    peer: Peer,
    of: &OfArtifact,
) -> Result<Response, Failure> {
    let place = state.downloads.take(peer)?;
    let artifact = artifact(state, of).await?;
    let content = state.artifacts.open(&artifact).await?;
    let name: String = form_urlencoded::byte_serialize(content.name().as_bytes()).collect();
    let name = name.replace('+', "%20");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
        (header::CONTENT_LENGTH, content.size().to_string()),
        (header::CONTENT_SECURITY_POLICY, "sandbox".to_owned()),
        (header::ACCEPT_RANGES, "none".to_owned()),
    ];
    let tag = artifact.sha256.map(|sha256| [(header::ETAG, format!("\"{sha256}\""))]);
    // The answer has begun: that it does not end is all that can be told to the client.
    let id = artifact.id;
    let pieces = content.into_stream().inspect_err(move |error| {
        let _until_the_last_piece = &place;
        tracing::error!(artifact = id, "a download of artifact {id} was broken off: {error}");
    });
    Ok((headers, tag, Bytes::from_stream(pieces)).into_response())
}

/// The content of an artifact, as a file
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/artifacts/{artifact_id}/download",
    tag = "artifacts", params(Path<OfArtifact>),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream"),
        (status = 404, description = "No such project or artifact, or it has no content", body = FailureBody),
        (status = 304, description = "The caller has it: `If-None-Match` names its SHA-256"),
        (status = 500, description = "The content is damaged; a large one breaks off instead", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn download(
    Shared(state): Shared<Arc<State>>,
    peer: Peer,
    Path(of): Path<OfArtifact>,
) -> Result<Response, Failure> {
    download_artifact(&state, peer, &of).await
}

/// The content of an artifact, as a text.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct AsText {
    content: String,
    file_path: String,
    /// The type of the artifact.
    #[schema(value_type = String)]
    r#type: &'static str,
}

/// The content of an artifact as a text for whoever asked, in either form of the API.
pub(in crate::http) async fn read_artifact(
    state: &State,
    of: &OfArtifact,
) -> Result<AsText, Failure> {
    let artifact = artifact(state, of).await?;
    let content = state.artifacts.read_text(&artifact, MOST_TEXT).await?;
    let r#type = artifact.artifact_type.wire();
    Ok(AsText { content, file_path: artifact.file_path, r#type })
}

/// The content of an artifact, as a text of at most 1 MiB
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/artifacts/{artifact_id}/content",
    tag = "artifacts", params(Path<OfArtifact>),
    responses(
        (status = 200, body = AsText),
        (status = 400, description = "It is too long, or no text", body = FailureBody),
        (status = 404, description = "No such project or artifact, or it has no content", body = FailureBody),
        (status = 500, description = "The content is damaged", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn content(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfArtifact>,
) -> Result<Json<AsText>, Failure> {
    read_artifact(&state, &of).await.map(Json)
}
