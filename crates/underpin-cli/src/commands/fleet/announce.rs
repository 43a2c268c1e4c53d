//! What a run would do to each target.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;
use underpin::{Adopted, Direction, Version, exit};
use underpin_fleet::{Action, Announced, Skipped};

use super::{Here, Looked, summary};

#[derive(Serialize)]
struct View<'a> {
    source: &'a str,
    set: &'a str,
    action: String,
    targets: &'a [Announced],
    skipped: &'a [Skipped],
}

/// What `action` would do to each target, each on a line of its own, and nothing is changed.
pub(super) fn announce(
    here: &Here<'_>,
    looked: &Looked,
    action: &Action,
) -> anyhow::Result<ExitCode> {
    let targets = looked.fleet().announce(&looked.found, action)?;
    let view = View {
        source: &looked.found.source,
        set: looked.catalog.set(),
        action: action.to_string(),
        targets: &targets,
        skipped: &looked.found.skipped,
    };
    here.out.write(&view, |out| write(out, &view))?;
    let fails = targets.iter().any(|one| one.error.is_some());
    Ok(if fails { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let told: Vec<_> = view.targets.iter().map(|one| (one, Told::of(one))).collect();
    // Most are alike, and their reader wants to see where they are not.
    for alike in told.chunk_by(|(_, one), (_, other)| one == other) {
        if let ([(first, told), ..], [.., (last, _)]) = (alike, alike) {
            match alike.len() {
                1 => writeln!(out, "{}: {}", first.id, told.text)?,
                count => {
                    writeln!(out, "{} to {}, {count} databases: {}", first.id, last.id, told.text)?;
                }
            }
        }
    }
    summary::skipped(out, view.skipped.iter().map(|one| (&*one.name, &*one.reason)))?;
    let of = |kind| told.iter().filter(|(_, one)| one.kind == kind).count();
    let (work, nothing, fail) = (of(Kind::Work), of(Kind::Nothing), of(Kind::Fail));
    writeln!(
        out,
        "{}: {work} to do, {nothing} with nothing to do, {fail} would fail; nothing was changed",
        view.action
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Work,
    Nothing,
    Fail,
}

/// What is said of one target.
#[derive(PartialEq, Eq)]
struct Told {
    kind: Kind,
    text: String,
}

impl Told {
    fn of(one: &Announced) -> Self {
        if let Some(error) = &one.error {
            let text = format!("would fail\n{}", summary::indented(error));
            return Self { kind: Kind::Fail, text };
        }
        let report = one.report.as_ref();
        let adopted = one.adopted.as_ref().or(report.and_then(|report| report.adopted.as_ref()));
        let steps = report.map_or(&[][..], |report| &report.steps);
        let mut words: Vec<_> = adopted.into_iter().map(adopts).collect();
        for (index, step) in steps.iter().enumerate() {
            let verb = match (index, step.direction) {
                (0, Direction::Up) => "apply ",
                (0, Direction::Down) => "revert ",
                _ => "",
            };
            words.push(format!("{verb}{} {}", step.version, step.name));
        }
        if words.is_empty() {
            let version = one.before.as_deref().unwrap_or("base");
            return Self { kind: Kind::Nothing, text: format!("nothing to do at {version}") };
        }
        let mut text = format!("would {}", words.join(", "));
        if let Some(report) = report {
            let head = report.head.as_ref().map_or("base", Version::as_str);
            text = format!("{text}; then at {head}");
        }
        for line in adopted.iter().flat_map(|one| one.changes.iter().chain(&one.notes)) {
            text = format!("{text}\n{}", summary::indented(line));
        }
        Self { kind: Kind::Work, text }
    }
}

fn adopts(adopted: &Adopted) -> String {
    format!("adopt at {} (this is {})", adopted.version, adopted.description)
}
