//! The page of one project.

use maud::{Markup, html};
use underpin_models::project::{Event, Phase, Task, TaskStatus};

use super::{
    super::{
        format::{date, number},
        frame::{Follow, header},
    },
    Board, Column, Inside, KIND,
    list::state,
};

/// The whole page.
pub(super) fn page(board: &Board) -> Markup {
    let Board { registered, inside } = board;
    let line = html! { a href="/projects" { "Projects" } " · no. " (registered.id) };
    let follow = if inside.is_some() { Follow::Project(registered.id) } else { Follow::Nothing };
    let body = html! {
        (header(&registered.name, &line, &html! {}))
        main.board data-number=[inside.as_ref().map(|inside| inside.row.last_event)] {
            section.card {
                h2 { "Project" }
                p.pills {
                    (state(registered.state))
                    @if let Some(inside) = inside {
                        @if inside.paused { span.pill.warn { "paused" } } @else { span.pill.good { "active" } }
                    }
                }
                (facts(board))
            }
            @match inside {
                Some(inside) => {
                    section.columns aria-label="Tasks by status" {
                        @for one in &inside.columns { (column(one)) }
                    }
                    section.card {
                        h2 { "Newest events" }
                        (happened(&inside.events))
                    }
                }
                None => section.card.trouble {
                    h2 { "No tasks" }
                    p { "The project's database cannot be read at the moment." }
                },
            }
        }
    };
    KIND.page(&format!("{} — project", registered.name), &html! {}, &body, follow)
}

fn facts(Board { registered, inside }: &Board) -> Markup {
    let row = inside.as_ref().map(|Inside { row, .. }| row);
    let text = |text: Option<&str>| text.unwrap_or("—").to_owned();
    html! {
        dl.facts.next {
            @if let Some(row) = row {
                dt { "Description" } dd { bdi { (text(row.description.as_deref())) } }
                dt { "Code" } dd { (text(row.root_path.as_deref())) }
                dt { "Engine" } dd { (text(row.default_engine.as_deref())) }
                dt { "Phase" } dd { (text(row.current_phase.map(Phase::wire))) }
                dt { "Changed" } dd { (date(row.updated_at.and_utc().timestamp())) " UTC" }
            }
            dt { "Created" } dd { (date(registered.created_at.and_utc().timestamp())) " UTC" }
            dt { "Head" } dd { code { (text(registered.head.as_deref())) } }
            @if let Some(problem) = &registered.problem {
                dt { "Problem" } dd { (problem) }
            }
        }
    }
}

fn column(Column { status, count, tasks }: &Column) -> Markup {
    let more = count - i64::try_from(tasks.len()).unwrap_or(i64::MAX);
    html! {
        section.column.(status.wire()) {
            h2 { (name(*status)) data { (number(*count)) } }
            ol { @for task in tasks { (card(task)) } }
            @if more > 0 { p { "and " (number(more)) " more" } }
        }
    }
}

/// A status, for people.
fn name(status: TaskStatus) -> String {
    status.wire().replace('_', " ")
}

fn card(task: &Task) -> Markup {
    html! {
        li {
            bdi { (task.title) }
            small {
                "no. " (task.id)
                @if task.priority != 0 { " · priority " (task.priority) }
                @if task.attempts > 0 { " · runs " (task.attempts) }
                @if let Some(phase) = task.current_phase { " · " (phase.wire().replace('_', " ")) }
            }
        }
    }
}

fn happened(events: &[Event]) -> Markup {
    html! {
        @if events.is_empty() {
            p.empty { "Nothing is kept of what happened." }
        } @else {
            ol.events {
                @for event in events {
                    li {
                        data { (event.number) }
                        span { (event.event_type.replace('_', " ")) }
                        @if let Some(task) = event.task_id { span { "task no. " (task) } }
                        time { (date(event.created_at.and_utc().timestamp())) " UTC" }
                    }
                }
            }
        }
    }
}
