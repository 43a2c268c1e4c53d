//! What the service answers; one file per resource.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Uri,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch};
use tower::util::option_layer;
use underpin_db::{Db, with_causes};
use underpin_projects::{DeleteContents, ProjectError, Projects};

use crate::{Config, artifacts::Store, feed::Feed, nats::Waiting};

mod access;
mod arrival;
mod auth;
mod cached;
mod connections;
mod current;
mod dead_letters;
mod error;
mod extract;
mod failure;
mod flat;
mod guard;
mod health;
mod history;
mod host;
mod input;
mod limits;
mod live;
mod metrics;
mod open;
mod openapi;
mod origin;
mod outbound;
mod page;
mod ready;
mod say;
mod server;
mod stats;
mod tokens;
mod user;
mod v1;
mod wire;

pub use access::ProjectTokens;
pub use auth::Secret;
pub(crate) use dead_letters::Letter;
pub use limits::Limits;

use cached::Cached;
use connections::{Connections, Patience};
use error::{ApiError, Code};
use failure::Failure;
use limits::Places;

/// How long the head of a request may take, at most.
const HEAD: Duration = Duration::from_secs(10);
/// How long the database may take for an answer about itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every handler may use.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) db: Db,
    pub(crate) projects: Projects,
    pub(crate) artifacts: Store,
    pub(crate) feed: Feed,
    metrics: PrometheusHandle,
    health: Cached<health::Health>,
    outbound: Cached<metrics::Outbound>,
    dead_letters: Cached<Option<i64>>,
    page: Cached<page::Page>,
    /// Places of those who listen, and of files that are received.
    listeners: Places,
    uploads: Places,
    downloads: Places,
    /// Whether events wait for the database.
    waiting: Arc<Waiting>,
    stopping: watch::Sender<bool>,
}

/// How the contents of a project are deleted.
fn deleting(artifacts: Store) -> Arc<DeleteContents> {
    Arc::new(move |id| {
        let artifacts = artifacts.clone();
        Box::pin(async move {
            let deleted = artifacts.delete_project(id).await;
            deleted.map_err(|error| ProjectError::Contents { id, reason: with_causes(&error) })
        })
    })
}

impl State {
    pub(crate) fn new(
        config: Config,
        db: Db,
        metrics: PrometheusHandle,
        waiting: Arc<Waiting>,
    ) -> Self {
        let stopping = watch::channel(false).0;
        let artifacts = Store::new(&config.projects.data_dir, config.artifact_limit);
        let projects = Projects::with_contents(
            db.clone(),
            &config.database_url,
            config.projects.clone(),
            deleting(artifacts.clone()),
        );
        let feed = Feed::start(db.clone(), projects.clone());
        let most = config.http_limits;
        let listeners = Places::new("listeners", most.listeners, most.listeners_of_address);
        let uploads = Places::new("uploads", most.uploads, most.uploads.div_ceil(2));
        let downloads = Places::new("downloads", most.downloads, most.downloads.div_ceil(2));
        Self {
            config,
            db,
            projects,
            artifacts,
            feed,
            metrics,
            health: Cached::default(),
            outbound: Cached::default(),
            dead_letters: Cached::default(),
            page: Cached::default(),
            listeners,
            uploads,
            downloads,
            waiting,
            stopping,
        }
    }

    /// From now on the service is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends once [`State::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // The sender lives in `self`, so the channel cannot close first.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }
}

/// Answers requests until `stop` ends, then finishes those that are in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    stop: impl Future<Output = ()> + Send,
) {
    let (feed, limits, timeout) =
        (state.feed.clone(), state.config.http_limits, state.config.http_timeout);
    let patience = Patience { head: timeout.min(HEAD), idle: limits.keep_alive, answer: timeout };
    let connections = Connections::new(limits, patience);
    server::serve(listener, router(state), connections, stop).await;
    // WebSockets are no requests any more: the server does not wait for them.
    feed.nobody_listens().await;
}

fn router(state: Arc<State>) -> Router {
    let (limit, timeout) = (state.config.http_body_limit, state.config.http_timeout);
    // A file, and what is sent around it.
    let uploads = state.artifacts.limit().saturating_add(limit as u64);
    let uploads = DefaultBodyLimit::max(usize::try_from(uploads).unwrap_or(usize::MAX));
    let (projects, mut of_projects) = v1::routes(uploads).split_for_parts();
    openapi::may_need_token(&mut of_projects);
    let pages = Router::new()
        .route("/projects", get(page::projects::list))
        .route("/projects/{project_id}", get(page::projects::one));
    let projects = projects
        .merge(flat::routes(uploads))
        .merge(live::sockets())
        .merge(pages)
        // Within the layers: a browser asks with a method that no route has whether it may.
        .method_not_allowed_fallback(other_methods)
        .layer(from_fn(input::unless_read))
        .layer(from_fn_with_state(Arc::clone(&state), access::check))
        .layer(option_layer(origin::cors(&state.config.cors_origins)));
    let (routes, mut document) = openapi::routes().split_for_parts();
    document.merge(of_projects);
    openapi::name_operations(&mut document);
    routes
        .route("/", get(page::get))
        .merge(openapi::viewer(document))
        .merge(projects)
        .fallback(async |uri: Uri| {
            flat::without_slash(&uri).unwrap_or_else(|| refuse(uri.path(), no_route()))
        })
        .method_not_allowed_fallback(other_methods)
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn_with_state(Arc::clone(&state), origin::check))
        .layer(from_fn_with_state(Arc::clone(&state), host::check))
        .layer(from_fn_with_state(timeout, guard::guard))
        .with_state(state)
}

/// Below these paths failures have the form that clients of the original project service know.
const DETAILED: [&str; 7] = [
    "/api/v1/",
    "/api/projects",
    "/api/tasks",
    "/api/change-requests",
    "/api/artifacts",
    "/api/gates",
    "/ws",
];

/// A failure at `path`, in the form that its callers know.
fn refuse(path: &str, error: ApiError) -> Response {
    if DETAILED.iter().any(|prefix| path.starts_with(prefix)) {
        Failure::from(error).into_response()
    } else {
        error.into_response()
    }
}

/// The answer where a route is, and the method is another.
async fn other_methods(uri: Uri) -> Response {
    let error = ApiError::new(Code::MethodNotAllowed, "this route has other methods: see `Allow`");
    refuse(uri.path(), error)
}

/// The answer where nothing is.
fn no_route() -> ApiError {
    ApiError::new(Code::NotFound, "no such route: `/docs` lists them")
}
