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
    let (mut work, mut refused) = (0_usize, 0_usize);
    for one in view.targets {
        match &one.error {
            Some(error) => {
                refused += 1;
                writeln!(out, "{}: would fail", one.id)?;
                summary::indented(out, error)?;
            }
            None => work += usize::from(write_one(out, one)?),
        }
    }
    summary::skipped(out, view.skipped.iter().map(|one| (&*one.name, &*one.reason)))?;
    let there = view.targets.len() - work - refused;
    writeln!(
        out,
        "{}: {work} to do, {there} with nothing to do, {refused} would fail; nothing was changed",
        view.action
    )
}

/// Says whether there is something to do.
fn write_one(out: &mut dyn Write, one: &Announced) -> io::Result<bool> {
    let report = one.report.as_ref();
    let adopted = one.adopted.as_ref().or(report.and_then(|report| report.adopted.as_ref()));
    let steps = report.map_or(&[][..], |report| &report.steps);
    let mut words: Vec<String> = adopted.iter().map(|one| adopts(one)).collect();
    words.extend(steps.iter().map(|step| {
        let verb = if step.direction == Direction::Up { "apply" } else { "revert" };
        format!("{verb} {} {}", step.version, step.name)
    }));
    if words.is_empty() {
        let version = one.before.as_deref().unwrap_or("base");
        writeln!(out, "{}: nothing to do at {version}", one.id)?;
        return Ok(false);
    }
    write!(out, "{}: would {}", one.id, words.join(", "))?;
    match report {
        Some(report) => {
            writeln!(out, "; then at {}", report.head.as_ref().map_or("base", Version::as_str))?;
        }
        None => writeln!(out)?,
    }
    for line in adopted.iter().flat_map(|one| one.changes.iter().chain(&one.notes)) {
        writeln!(out, "  {line}")?;
    }
    Ok(true)
}

fn adopts(adopted: &Adopted) -> String {
    format!("adopt at {} (this is {})", adopted.version, adopted.description)
}
