//! The routes, and with the same words the document that describes them.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{
        ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{
    State, current, dead_letters, health, history, metrics, outbound, ready, say, stats, tokens,
    user,
};

/// What the document says besides its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "underpin-service",
        description = "The chat bot's data: times are Unix seconds, every failure is an `error`. \
            Projects, each with a database of its own, below `/api/v1`: times are UTC in ISO 8601, \
            every failure is a `detail`.",
        license(name = "MIT OR Apache-2.0"),
    ),
    modifiers(&Security),
    tags(
        (name = "bot", description = "What the bot knows, and what it is to say"),
        (name = "tokens", description = "Tokens of callers; only with an `ADMIN_TOKEN`"),
        (name = "dead letters", description = "Events that could not be applied; only with an \
            `ADMIN_TOKEN`"),
        (name = "projects", description = "Projects, each with a database of its own"),
        (name = "tasks", description = "Work in a project"),
        (name = "change requests", description = "What phases of tasks propose"),
        (name = "approvals", description = "Answers of people"),
        (name = "artifacts", description = "Files that a project produced or was given"),
        (name = "runs", description = "Attempts of engines at tasks"),
        (name = "control", description = "How far the runs of a project may go"),
        (name = "service", description = "How the service itself is"),
    )
)]
struct Document;

/// What the document calls a token of projects.
const PROJECT_TOKEN: &str = "project_token";

/// How callers prove who they are.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = "A token from `POST /api/tokens`";
        let key = ApiKey::Header(ApiKeyValue::with_description("X-API-Token", key));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The service's `ADMIN_TOKEN`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_token", SecurityScheme::ApiKey(key));
        components.add_security_scheme("admin_token", SecurityScheme::Http(bearer));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "`PROJECT_WRITE_TOKEN`, or to read `PROJECT_READ_TOKEN`, where they are set",
            ))
            .build();
        components.add_security_scheme(PROJECT_TOKEN, SecurityScheme::Http(bearer));
    }
}

/// The routes of the bot and of the service itself, with all that the document says besides routes.
pub(super) fn routes() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(stats::get))
        .routes(routes!(history::get))
        .routes(routes!(user::get))
        .routes(routes!(current::get))
        .routes(routes!(say::post))
        .routes(routes!(outbound::get))
        .routes(routes!(tokens::get, tokens::post))
        .routes(routes!(tokens::delete))
        .routes(routes!(dead_letters::get))
        .routes(routes!(dead_letters::apply))
        .routes(routes!(dead_letters::drop))
        .routes(routes!(health::get))
        .routes(routes!(ready::get))
        .routes(routes!(metrics::get))
}

/// Says of every operation that it takes a token of projects, and may do without.
pub(super) fn may_need_token(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let token = SecurityRequirement::new(PROJECT_TOKEN, Vec::<String>::new());
            operation.security = Some(vec![token, SecurityRequirement::default()]);
        }
    }
}

/// Gives every operation a name of its own, which generators of clients want: method and path.
pub(super) fn name_operations(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
        let place = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_");
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{place}"));
            }
        }
    }
}

/// `/openapi.json`, and `/docs` to read it. The viewer is part of this program and asks nobody else:
/// neither for its files nor for an opinion on the document.
pub(super) fn viewer(document: utoipa::openapi::OpenApi) -> Router<Arc<State>> {
    let config = Config::default().validator_url("none").use_base_layout();
    let viewer = SwaggerUi::new("/docs").config(config).url("/openapi.json", document);
    Router::from(viewer).layer(from_fn(only_from_here))
}

/// The viewer's scripts and styles are its own files; it sets styles in attributes, too.
async fn only_from_here(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return super::no_route().into_response();
    }
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
