//! A report for people: one HTML file that needs nothing else.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::DateTime;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Outcome, Report, State, TargetRow, printable, time};

mod durations;

const STYLE: &str = include_str!("html/style.css");
/// With more failures than this, each shows its reason only when it is opened.
const OPEN: usize = 20;
/// How many of the slowest are named.
const SLOWEST: usize = 8;
/// What the page says it was made by, before the version.
const GENERATOR: &str = "underpin fleet ";
/// How every page begins: this one, and those of programs that did not say yet what made it.
const BEGINNINGS: [&str; 2] = [
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
     <meta name=\"generator\" content=\"underpin fleet ",
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Run ",
];

impl Report {
    /// The report as an HTML file. It loads nothing and runs nothing.
    #[must_use]
    pub fn html(&self) -> String {
        let title = format!("Run {}: {}", self.run.number, self.run.action);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="generator" content={ (GENERATOR) (env!("CARGO_PKG_VERSION")) };
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " – Underpin" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.header(&title))
                    main {
                        (self.tiles())
                        (self.versions())
                        (self.durations())
                        (self.failures())
                        (self.skipped())
                    }
                }
            }
        };
        page.into_string()
    }

    /// Whether a file with this beginning is such a report, of this program or of an older one.
    #[must_use]
    pub fn is_html(beginning: &[u8]) -> bool {
        BEGINNINGS.iter().any(|known| beginning.starts_with(known.as_bytes()))
    }

    fn header(&self, title: &str) -> Markup {
        let run = &self.run;
        let (tone, outcome) = match run.outcome {
            Outcome::Done => ("good", "done"),
            Outcome::Failed => ("bad", "failed"),
            Outcome::Stopped => ("warn", "stopped"),
            Outcome::Running => ("warn", "running, or killed"),
            Outcome::Abandoned => ("warn", "killed, and not resumed"),
        };
        html! {
            header {
                div.name {
                    h1 { (title) }
                    p { "Set " code { (run.set) } " on " (run.source) }
                    p { (self.when()) }
                    @if let Some(copies) = &self.copies {
                        p { "Copies in " code { (printable::line(&copies.to_string_lossy())) } }
                    }
                }
                span class={ "pill " (tone) } { (outcome) }
            }
        }
    }

    fn when(&self) -> String {
        let clock = |millis, format: &str| {
            DateTime::from_timestamp_millis(millis)
                .map_or_else(String::new, |time| time.format(format).to_string())
        };
        let began = clock(self.run.started_at, "%-d %B %Y, %H:%M:%S");
        match self.run.ended_at {
            Some(ended) => format!("{began} to {} UTC", clock(ended, "%H:%M:%S")),
            None => format!("{began} UTC"),
        }
    }

    fn tiles(&self) -> Markup {
        let counts = &self.counts;
        let left = counts.waiting + counts.running;
        let took = self.run.ended_at.map(|ended| ended - self.run.started_at);
        let steps: i64 = self.targets.iter().map(|row| i64::from(row.steps)).sum();
        let tile = |tone: &str, count: i64, word: &str, means: &str| {
            let tone = if count == 0 { "" } else { tone };
            html! {
                section class={ "card tile " (tone) } {
                    strong { (number(count)) } span { (word) } small { (means) }
                }
            }
        };
        html! {
            div.tiles {
                (tile("good", counts.done, "done", "are where they should be"))
                (tile("", counts.unchanged, "unchanged", "were there already"))
                (tile("bad", counts.failed, "failed", "are not where they should be"))
                (tile("warn", left, "left", "nobody came to them"))
                (tile("", counts.skipped, "skipped", "fit the pattern and are none"))
                section.card.tile {
                    strong { @if let Some(took) = took { (time(took)) } @else { "–" } }
                    span { "time" }
                    small { (number(steps)) " migrations ran" }
                }
            }
        }
    }

    /// How many were at which version, and are.
    fn versions(&self) -> Markup {
        let mut versions = BTreeMap::<Option<&str>, (i64, i64)>::new();
        for row in self.targets.iter().filter(|row| row.state != State::Skipped) {
            let before = row.version_before.as_deref();
            let untouched = matches!(row.state, State::Waiting | State::Running);
            let after = if untouched { before } else { row.version_after.as_deref() };
            versions.entry(before).or_default().0 += 1;
            versions.entry(after).or_default().1 += 1;
        }
        let most = versions.values().map(|&(before, after)| before.max(after)).max().unwrap_or(1);
        let bar = |count: i64, tone: &str| {
            html! {
                td.bar { span class=(tone) style={ "width:" (share(count, most)) "%" } {} }
                td.count { (number(count)) }
            }
        };
        html! {
            section.card {
                h2 { "Versions" }
                table.versions {
                    thead { tr {
                        th { "version" } th colspan="2" { "before" } th colspan="2" { "after" }
                    } }
                    tbody {
                        @for (version, (before, after)) in &versions {
                            tr {
                                th scope="row" { (version.unwrap_or("none, or not readable")) }
                                (bar(*before, "before")) (bar(*after, "after"))
                            }
                        }
                    }
                }
            }
        }
    }

    fn durations(&self) -> Markup {
        let mut worked: Vec<_> =
            self.targets.iter().filter_map(|row| Some((row.duration_ms?, row))).collect();
        worked.sort_by_key(|(took, row)| (Reverse(*took), row.number));
        let all: Vec<_> = worked.iter().rev().map(|(took, _)| *took).collect();
        html! {
            section.card {
                h2 { "Time per database" }
                @if let Some(chart) = durations::chart(&all) {
                    (chart)
                    p.facts {
                        "slowest: "
                        @for (index, (took, row)) in worked.iter().take(SLOWEST).enumerate() {
                            @if index > 0 { ", " }
                            span { b { (row.id) } " " (time(*took)) }
                        }
                    }
                } @else {
                    p.facts { "No database was worked on." }
                }
            }
        }
    }

    fn failures(&self) -> Markup {
        let failed: Vec<&TargetRow> =
            self.targets.iter().filter(|row| row.state == State::Failed).collect();
        html! {
            @if !failed.is_empty() {
                section.card.wide {
                    h2 { "Failed" }
                    @for row in &failed {
                        (failure(row, failed.len() <= OPEN))
                    }
                }
            }
        }
    }

    fn skipped(&self) -> Markup {
        html! {
            @if self.counts.skipped > 0 {
                section.card.wide {
                    h2 { "Skipped" }
                    ul {
                        @for row in self.targets.iter().filter(|row| row.state == State::Skipped) {
                            li { b { (row.id) } " " (row.message.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

fn failure(row: &TargetRow, open: bool) -> Markup {
    let reason = row.message.as_deref().unwrap_or_default();
    let at = row.version_after.as_deref().map(|version| format!("at {version}"));
    html! {
        details open[open] {
            summary {
                b { (row.id) }
                @if row.id != row.place { " " code { (row.place) } }
                @if let Some(at) = at { " " span.soft { (at) } }
            }
            pre { (reason) }
        }
    }
}

/// `count` of `most` as a width, in percent, which is never nothing for something.
fn share(count: i64, most: i64) -> i64 {
    if count == 0 { 0 } else { (count * 100 / most.max(1)).max(1) }
}

/// With a space between thousands.
fn number(number: i64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join("\u{202f}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Run};

    fn row(number: i32, state: State, message: &str) -> TargetRow {
        TargetRow {
            number,
            id: format!("<b>{number}"),
            place: format!("/data/<i>{number}.db"),
            key: None,
            identity: Some(format!("the file <u>{number}")),
            wave: 1,
            state,
            version_before: Some("1".to_owned()),
            version_after: Some("2".to_owned()),
            steps: 1,
            duration_ms: (state == State::Done).then_some(i64::from(number) * 10),
            message: Some(message.to_owned()),
            goal: None,
        }
    }

    fn report(targets: Vec<TargetRow>) -> Report {
        let run = Run {
            number: 3,
            id: Some("0f".to_owned()),
            dialect: Some("sqlite".to_owned()),
            set: "<set>".to_owned(),
            catalog_head: None,
            catalog: None,
            source: "files `<script>*.db`".to_owned(),
            action: "upgrade head".to_owned(),
            started_at: 1_795_253_400_000,
            ended_at: Some(1_795_253_412_300),
            outcome: Outcome::Failed,
            options: String::new(),
        };
        Report {
            run,
            copies: Some("/copies/run-<0f>".into()),
            counts: Counts { done: 2, failed: 1, skipped: 1, ..Counts::default() },
            targets,
        }
    }

    #[test]
    fn everything_is_escaped_and_nothing_is_loaded() {
        let html = report(vec![
            row(1, State::Done, ""),
            row(2, State::Failed, "<script>alert(1)</script>"),
            row(3, State::Skipped, "\"<img src=x>\""),
        ])
        .html();

        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        for raw in ["<script", "<img", "<b>2", "<i>", "<set>", "http://", "https://", "src="] {
            let inside = html.replace("src=x&gt;", "");
            assert!(!inside.contains(raw), "{raw} in {html}");
        }
    }

    #[test]
    fn a_report_is_known_by_its_beginning() {
        let page = report(vec![row(1, State::Done, "")]).html();
        let generator = format!("{GENERATOR}{}", env!("CARGO_PKG_VERSION"));
        let said = format!("<meta name=\"generator\" content=\"{generator}\">");
        let older = page.replace(&said, "");

        assert!(page.contains(&said) && !older.contains("generator"), "{page}");
        assert!(Report::is_html(page.as_bytes()) && Report::is_html(older.as_bytes()), "{page}");
        let others: [&[u8]; 4] =
            [b"", b"<!DOCTYPE html>", b"SQLite format 3\0", b"<!DOCTYPE html><html lang=\"en\">"];
        assert!(!others.into_iter().any(Report::is_html));
    }

    #[test]
    fn what_happened_is_there() {
        let html =
            report(vec![row(1, State::Done, ""), row(2, State::Failed, "it was in the way")])
                .html();

        for text in ["Run 3: upgrade head", "12.3 s", "it was in the way", "2 migrations", "<svg"] {
            assert!(html.contains(text), "{text} in {html}");
        }
        assert!(html.contains("21 November 2026"), "{html}");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [number(0), number(999), number(1_234_567)],
            ["0", "999", "1\u{202f}234\u{202f}567"]
        );
    }
}
