//! The page with all projects.

use maud::{Markup, html};
use underpin_models::registry::{ProjectState, RegisteredProject};

use super::{
    super::{
        format::date,
        frame::{Follow, header},
    },
    KIND, LISTED,
};

/// The projects after number `after`: up to a hundred, and one more when there is another page.
pub(super) fn page(after: i32, projects: &[RegisteredProject]) -> Markup {
    let shown = &projects[..projects.len().min(LISTED)];
    let next = shown.last().filter(|_| projects.len() > LISTED);
    let body = html! {
        (header("Projects", &html! { "each with a database of its own" }, &html! {}))
        main.list {
            section.card {
                @if shown.is_empty() {
                    p.empty { @if after == 0 { "There are no projects." } @else { "There are no more projects." } }
                } @else {
                    (table(shown))
                }
                @if after > 0 || next.is_some() {
                    p.pages {
                        @if after > 0 { a href="/projects" { "First projects" } }
                        @if let Some(last) = next {
                            a rel="next" href={ "/projects?after=" (last.id) } { "Next projects" }
                        }
                    }
                }
            }
        }
    };
    KIND.page("Projects", &html! {}, &body, Follow::All)
}

fn table(projects: &[RegisteredProject]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th { "No." } th { "Name" } th { "State" } th.extra { "Head" } th.extra { "Problem" }
                    th { "Created, UTC" }
                }
            }
            tbody {
                @for project in projects {
                    tr {
                        td.number { (project.id) }
                        td { a href={ "/projects/" (project.id) } { bdi { (project.name) } } }
                        td { (state(project.state)) }
                        td.extra { code { (project.head.as_deref().unwrap_or("—")) } }
                        td.extra { (project.problem.as_deref().unwrap_or("")) }
                        td { (date(project.created_at.and_utc().timestamp())) }
                    }
                }
            }
        }
    }
}

/// What may be done with a project.
pub(super) fn state(state: ProjectState) -> Markup {
    let tone = match state {
        ProjectState::Ready => "good",
        ProjectState::Creating => "warn",
        ProjectState::Archived => "",
        ProjectState::Failed => "bad",
    };
    html! { span.pill.(tone) { (state.wire()) } }
}

/// A page that only says something.
pub(super) fn message(title: &str, message: &str) -> Markup {
    let body = html! {
        (header(title, &html! { a href="/projects" { "Projects" } }, &html! {}))
        main.list { section.card { p.empty { (message) } } }
    };
    KIND.page(title, &html! {}, &body, Follow::Nothing)
}
