//! What all pages have in common: the look, and what the browser is allowed.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};
use underpin_models::project::EVENT_TYPES;

const STYLE: &str = include_str!("style.css");

/// What the script of a page follows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Follow {
    Nothing,
    /// The events of all projects: after each one the page is old.
    All,
    /// The events of one project after the `data-number` of `<main>`.
    Project(i32),
}

/// A kind of page: what it brings along besides the look of all.
pub(super) struct Kind {
    style: &'static str,
    script: Option<&'static str>,
    policy: HeaderValue,
}

impl Kind {
    /// The browser takes these style sheets, the script if there is one, what the script asks this
    /// service, and nothing else: no picture, no frame around it.
    pub(super) fn new(style: &'static str, script: Option<&'static str>) -> Self {
        let mut policy = format!("default-src 'none'; style-src {}", hash(STYLE));
        if !style.is_empty() {
            policy = format!("{policy} {}", hash(style));
        }
        if let Some(script) = script {
            policy = format!("{policy}; script-src {}; connect-src 'self'", hash(script));
        }
        policy += "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        let policy = HeaderValue::try_from(policy);
        let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { style, script, policy }
    }

    /// A page: `head` and `body` are what stands there beside what all have, and `follow` is what the
    /// script follows.
    pub(super) fn page(&self, title: &str, head: &Markup, body: &Markup, follow: Follow) -> Markup {
        let (socket, project) = match follow {
            Follow::Nothing => (None, None),
            Follow::All => (Some("/ws"), None),
            Follow::Project(id) => (None, Some(id)),
        };
        let events = project.map(|id| format!("/api/v1/projects/{id}/events"));
        let types = project.map(|_| EVENT_TYPES.join(" "));
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    (head)
                    title { (title) }
                    link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath d='M9 3h6v8H9zM6 12.5h12v3.5H6zM3 17.5h18V21H3z' fill='%23d9480f'/%3E%3C/svg%3E";
                    style { (PreEscaped(STYLE)) }
                    @if !self.style.is_empty() {
                        style { (PreEscaped(self.style)) }
                    }
                }
                body data-socket=[socket] data-events=[events] data-types=[types] {
                    (body)
                    (footer())
                    @if let Some(script) = self.script {
                        script { (PreEscaped(script)) }
                    }
                }
            }
        }
    }

    /// The answer that a page is.
    pub(super) fn answer(&self, status: StatusCode, page: String) -> Response {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (status, headers, Html(page)).into_response()
    }
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The head of a page, as people see it: what it is about, a line below, and how that is.
pub(super) fn header(title: &str, line: &Markup, pills: &Markup) -> Markup {
    html! {
        header {
            svg.logo viewBox="0 0 24 24" width="34" height="34" aria-hidden="true" {
                path d="M9 3h6v8H9zM6 12.5h12v3.5H6zM3 17.5h18V21H3z" {}
            }
            div.name {
                h1 { bdi { (title) } }
                p { (line) }
            }
            div.pills { (pills) }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            a href="/" { "Status" } a href="/projects" { "Projects" }
            a href="/docs/" { "API" } a href="/metrics" { "Metrics" }
            a href="/health" { "Health" }
            span { "underpin-service " (env!("CARGO_PKG_VERSION")) }
        }
    }
}
