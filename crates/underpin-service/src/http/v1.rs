//! `/api/v1`: projects and what is in them.
//!
//! One file per resource. A handler reads what the request says ([`input`](super::input)), opens the
//! project and calls its repositories; whatever they refuse is a [`Failure`].

use std::sync::Arc;

use axum::{
    Json,
    extract::DefaultBodyLimit,
    http::{HeaderName, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use chrono::NaiveDateTime;
use serde::Serialize;
use underpin_models::project::Page;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Fields, Id, Input, Noted, Text, Whole},
    live,
};

pub(super) mod approvals;
pub(super) mod artifacts;
pub(super) mod change_requests;
pub(super) mod contents;
pub(super) mod control;
pub(super) mod dependencies;
pub(super) mod gates;
pub(super) mod projects;
pub(super) mod reshape;
pub(super) mod runs;
pub(super) mod tasks;
pub(super) mod versions;

/// The engine of a project for which nobody named one.
pub(super) const ENGINE: &str = "copilot_cli";
/// Who acts when nobody says who.
pub(super) const SYSTEM: &str = "system";

/// Characters that the columns hold.
pub(super) mod most {
    pub(in crate::http) const NAME: usize = 255;
    pub(in crate::http) const TITLE: usize = 512;
    pub(in crate::http) const PATH: usize = 512;
    pub(in crate::http) const FILE_PATH: usize = 1_024;
    pub(in crate::http) const TASKS: usize = 1_000;
}

/// Every route of `/api/v1`; `uploads` is the limit of a body with a file in it.
pub(super) fn routes(uploads: DefaultBodyLimit) -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::new()
        .routes(routes!(projects::list, projects::post))
        .routes(routes!(projects::get, projects::patch, projects::delete))
        .routes(routes!(projects::restore))
        .routes(routes!(projects::purge))
        .routes(routes!(tasks::list, tasks::post))
        .routes(routes!(tasks::next))
        .routes(routes!(tasks::get, tasks::patch, tasks::delete))
        .routes(routes!(tasks::approve))
        .routes(routes!(tasks::advance))
        .routes(routes!(dependencies::get, dependencies::put))
        .routes(routes!(versions::list))
        .routes(routes!(gates::get, gates::put))
        .routes(routes!(reshape::split))
        .routes(routes!(reshape::merge))
        .routes(routes!(change_requests::list, change_requests::post))
        .routes(routes!(change_requests::get, change_requests::patch))
        .routes(routes!(change_requests::submit))
        .routes(routes!(change_requests::approve))
        .routes(routes!(change_requests::reject))
        .routes(routes!(change_requests::implement))
        .routes(routes!(approvals::list, approvals::post))
        .routes(routes!(artifacts::list, artifacts::post))
        .routes(routes!(artifacts::get, artifacts::delete))
        .merge(OpenApiRouter::new().routes(routes!(contents::upload)).layer(uploads))
        .routes(routes!(contents::download))
        .routes(routes!(contents::content))
        .routes(routes!(runs::list, runs::post))
        .routes(routes!(runs::get))
        .routes(routes!(runs::log))
        .routes(routes!(runs::finish))
        .routes(routes!(runs::cancel))
        .routes(routes!(live::events::get))
        .routes(routes!(control::get))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(control::limits))
}

/// A project, by its number.
pub(super) struct OfProject {
    pub(super) project_id: i32,
}

impl Input for OfProject {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let project_id = fields.required("project_id", &Id);
        Ok(Self { project_id: project_id? })
    }
}

/// A task of a project.
pub(super) struct OfTask {
    pub(super) project_id: i32,
    pub(super) task_id: i32,
}

impl Input for OfTask {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, task_id) =
            (fields.required("project_id", &Id), fields.required("task_id", &Id));
        Ok(Self { project_id: project_id?, task_id: task_id? })
    }
}

/// Which part of a list is wanted: `limit`, 100 unless asked otherwise and 1,000 at most, and the id
/// of the last row of the page before, `after`.
pub(super) fn page(fields: &mut Fields) -> Result<Page, Noted> {
    let (limit, after) =
        (fields.settable("limit", &Whole(1..=1_000)), fields.settable("after", &Id));
    Ok(Page { limit: limit?.unwrap_or(100).into(), after: after?, skip: 0 })
}

/// Who acts: `system` when nobody says who.
pub(super) fn approver(fields: &mut Fields) -> Result<String, Noted> {
    let approver = fields.settable("approver", &Text::some(most::NAME));
    Ok(approver?.unwrap_or_else(|| SYSTEM.to_owned()))
}

/// What was done, in a sentence.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    success: bool,
    message: String,
}

impl Done {
    pub(super) fn new(message: String) -> Self {
        Self { success: true, message }
    }
}

/// A row that is new: 201, and where it is.
pub(super) struct Created<T> {
    location: String,
    body: T,
}

impl<T> Created<T> {
    pub(super) fn new(location: String, body: T) -> Self {
        Self { location, body }
    }
}

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, [(header::LOCATION, self.location)], self.body).into_response()
    }
}

/// A row with a version, which is its `ETag`.
pub(super) struct Versioned<T>(pub(super) i32, pub(super) T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.0))], Json(self.1)).into_response()
    }
}

/// A part of a list, and the way to the next one.
pub(super) struct Listed<T> {
    rows: Vec<T>,
    next: Option<String>,
}

impl<T> Listed<T> {
    /// The page of `rows` that was asked for at `uri`. A full one may have a successor, which begins
    /// after the row with the last `id`.
    pub(super) fn new<R: Into<T>>(rows: Vec<R>, uri: &Uri, page: Page, id: fn(&R) -> i32) -> Self {
        let full = i64::try_from(rows.len()).is_ok_and(|count| count >= page.limit);
        let last = rows.last().map(id).filter(|_| full);
        let next = last.map(|last| {
            let query = uri.query().unwrap_or_default();
            let others = query.split('&').filter(|part| !part.starts_with("after="));
            let mut parts: Vec<_> = others.filter(|part| !part.is_empty()).collect();
            let after = format!("after={last}");
            parts.push(&after);
            format!("<{}?{}>; rel=\"next\"", uri.path(), parts.join("&"))
        });
        Self { rows: rows.into_iter().map(Into::into).collect(), next }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let link: Option<[(HeaderName, String); 1]> = self.next.map(|next| [(header::LINK, next)]);
        (link, Json(self.rows)).into_response()
    }
}

/// A time, in ISO 8601: UTC, without a zone, as clients of the original know it.
pub(super) fn time(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}
