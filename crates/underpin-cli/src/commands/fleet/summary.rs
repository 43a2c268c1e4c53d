//! What came of a run, for people.

use std::io::{self, Write};

use underpin_fleet::{Outcome, Report, State, TargetRow, time};

use super::Here;

/// How many failures are told before one has to ask for the rest.
const SHOWN: usize = 20;
/// How many of the slowest are told, where so many more were worked on that it says something.
const SLOWEST: usize = 5;

/// Prints the report: a summary for people, or all of it as JSON.
pub(super) fn write(here: &Here<'_>, report: &Report) -> anyhow::Result<()> {
    let source = here.source.again(here.context).join(" ");
    let all = format!("underpin fleet report {} {source} --json", report.run.number);
    here.out.write(report, |out| write_text(out, report, &all))
}

fn write_text(out: &mut dyn Write, report: &Report, all: &str) -> io::Result<()> {
    let run = &report.run;
    let outcome = match run.outcome {
        Outcome::Running => "running, or killed",
        Outcome::Abandoned => "killed, and not resumed",
        outcome => outcome.as_str(),
    };
    writeln!(
        out,
        "run {}: {} of `{}` on {}: {outcome}",
        run.number, run.action, run.set, run.source
    )?;
    let counts = &report.counts;
    for (state, count) in [
        (State::Done, counts.done),
        (State::Unchanged, counts.unchanged),
        (State::Failed, counts.failed),
        (State::Waiting, counts.waiting),
        (State::Running, counts.running),
        (State::Skipped, counts.skipped),
    ] {
        if count > 0 {
            writeln!(out, "  {:<9} {count:>7}", state.as_str())?;
        }
    }
    if let Some(ended) = run.ended_at {
        writeln!(out, "  time      {:>7}", time(ended - run.started_at))?;
    }
    if let Some(copies) = &report.copies {
        writeln!(out, "  copies    in `{}`", copies.display())?;
    }
    let of = |state| report.targets.iter().filter(move |row: &&TargetRow| row.state == state);
    let reason = |row: &'_ TargetRow| row.message.clone().unwrap_or_default();
    let failed: Vec<_> = of(State::Failed).map(|row| (row, reason(row))).collect();
    let failed = failed.iter().map(|(row, reason)| (&*row.id, &*row.place, &**reason));
    troubled(out, "failed", failed, all)?;
    let left: Vec<_> = of(State::Skipped).map(|row| (&*row.id, reason(row))).collect();
    skipped(out, left.iter().map(|(name, reason)| (*name, &**reason)))?;
    slowest(out, report)
}

/// Lists targets with what is wrong with each; `all` says how to see those that are not told.
pub(super) fn troubled<'r>(
    out: &mut dyn Write,
    title: &str,
    targets: impl Iterator<Item = (&'r str, &'r str, &'r str)>,
    all: &str,
) -> io::Result<()> {
    let mut untold = 0_usize;
    for (index, (id, place, reason)) in targets.enumerate() {
        if index == 0 {
            writeln!(out, "\n{title}:")?;
        }
        if index >= SHOWN {
            untold += 1;
            continue;
        }
        // A target without a number is called by its place.
        if id == place {
            writeln!(out, "{id}")?;
        } else {
            writeln!(out, "{id} ({place})")?;
        }
        writeln!(out, "{}", indented(reason))?;
    }
    if untold > 0 {
        writeln!(out, "and {untold} more: {all}")?;
    }
    Ok(())
}

/// Lists what is no target.
pub(super) fn skipped<'r>(
    out: &mut dyn Write,
    names: impl Iterator<Item = (&'r str, &'r str)>,
) -> io::Result<()> {
    let mut untold = 0_usize;
    for (index, (name, reason)) in names.enumerate() {
        if index == 0 {
            writeln!(out, "\nskipped:")?;
        }
        if index < SHOWN {
            writeln!(out, "{name}: {reason}")?;
        } else {
            untold += 1;
        }
    }
    if untold > 0 { writeln!(out, "and {untold} more") } else { Ok(()) }
}

/// A text of several lines, each below what it is about.
pub(super) fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

fn slowest(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut worked: Vec<_> =
        report.targets.iter().filter_map(|row| Some((row.duration_ms?, row))).collect();
    if worked.len() <= 2 * SLOWEST {
        return Ok(());
    }
    worked.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    let slowest = worked.iter().take(SLOWEST);
    let slowest: Vec<_> =
        slowest.map(|(took, row)| format!("{} ({})", row.id, time(*took))).collect();
    writeln!(out, "\nslowest: {}", slowest.join(", "))
}
