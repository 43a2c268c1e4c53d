//! Data on standard output: text for people, or one JSON document.

use std::io::{self, ErrorKind, Write};

use anyhow::Context as _;
use serde::Serialize;
use underpin::{
    Adopted, Direction, Named, Refusal, Report, Status, Version,
    terminal::{escaped, escaped_json, line},
};

/// Where a command's data goes, and in which form.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Writes `value` as JSON, or what `text` makes of it.
    pub(crate) fn write<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let shown = if self.json {
            escaped_json(&serde_json::to_string_pretty(value)?) + "\n"
        } else {
            let mut plain = Vec::new();
            text(&mut plain)?;
            escaped(&String::from_utf8_lossy(&plain))
        };
        raw(&shown)
    }

    pub(crate) fn report(self, report: &Report, dry_run: bool) -> anyhow::Result<()> {
        self.write(report, |out| write_report(out, report, dry_run))
    }

    pub(crate) fn adopted(self, adopted: Option<&Adopted>, dry_run: bool) -> anyhow::Result<()> {
        self.write(&adopted, |out| match adopted {
            Some(adopted) => write_adopted(out, adopted, dry_run),
            None => writeln!(out, "nothing to adopt: the database is empty or has a history"),
        })
    }

    pub(crate) fn status(self, status: &Status) -> anyhow::Result<()> {
        self.write(&StatusView::from(status), |out| write_status(out, status))
    }
}

/// Writes `text` as it is. A closed pipe is no error: what was asked for is done.
pub(crate) fn raw(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("the command is done, but what it has to say could not be written")
        }
        _ => Ok(()),
    }
}

fn write_report(out: &mut dyn Write, report: &Report, dry_run: bool) -> io::Result<()> {
    if let Some(adopted) = &report.adopted {
        write_adopted(out, adopted, dry_run)?;
    }
    for step in &report.steps {
        let verb = match (step.direction, dry_run) {
            (Direction::Up, false) => "applied",
            (Direction::Up, true) => "would apply",
            (Direction::Down, false) => "reverted",
            (Direction::Down, true) => "would revert",
        };
        write!(out, "{verb} {} {}", step.version, line(&step.name))?;
        if let Some(code) = step.code {
            write!(out, " with code `{code}`")?;
        }
        match step.elapsed_ms {
            Some(elapsed) => writeln!(out, " ({elapsed} ms)")?,
            None => writeln!(out)?,
        }
        for note in &step.notes {
            writeln!(out, "  note: {}", line(note))?;
        }
    }
    if report.single_transaction && report.steps.len() > 1 {
        writeln!(out, "all in one transaction")?;
    }
    let head = report.head.as_ref().map_or("base", Version::as_str);
    match (report.steps.is_empty() && report.adopted.is_none(), dry_run) {
        (true, _) => writeln!(out, "nothing to do: the database is at {head}"),
        (false, true) => writeln!(out, "the database would be at {head}; nothing was changed"),
        (false, false) => writeln!(out, "the database is at {head}"),
    }
}

fn write_adopted(out: &mut dyn Write, adopted: &Adopted, dry_run: bool) -> io::Result<()> {
    let verb = if dry_run { "would adopt" } else { "adopted" };
    writeln!(out, "{verb} at {}: this is {}", adopted.version, adopted.description)?;
    for change in &adopted.changes {
        writeln!(out, "  {change}")?;
    }
    for note in &adopted.notes {
        writeln!(out, "  note: {}", line(note))?;
    }
    Ok(())
}

/// A status as JSON: problems as sentences.
#[derive(Serialize)]
struct StatusView<'a> {
    set: &'a str,
    dialect: underpin::Dialect,
    head: Option<&'a Version>,
    applied_head: Option<&'a Version>,
    applied: usize,
    current: bool,
    pending: &'a [Named],
    problems: Vec<String>,
}

impl<'a> From<&'a Status> for StatusView<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            set: &status.set,
            dialect: status.dialect,
            head: status.head.as_ref(),
            applied_head: status.applied_head.as_ref(),
            applied: status.applied,
            current: status.is_current(),
            pending: &status.pending,
            problems: status.problems.iter().map(Refusal::to_string).collect(),
        }
    }
}

fn write_status(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let head = status.applied_head.as_ref().map_or("base", Version::as_str);
    match (status.pending.len(), status.applied_head == status.head) {
        (0, true) => writeln!(out, "{head} (head)")?,
        (0, false) => writeln!(out, "{head}")?,
        (count, _) => writeln!(out, "{head} ({count} pending)")?,
    }
    for Named { version, name } in &status.pending {
        writeln!(out, "pending {version} {}", line(name))?;
    }
    for problem in &status.problems {
        writeln!(out, "problem: {problem}")?;
    }
    Ok(())
}
