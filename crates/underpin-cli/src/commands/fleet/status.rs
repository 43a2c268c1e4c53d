//! `underpin fleet status`

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;
use underpin::Version;
use underpin_fleet::{Skipped, Standing, Status as One};

use super::{Here, summary};
use crate::context::AllowArgs;

/// Show how many databases are at which version, and which need attention
///
/// Exits with 0 whenever it could look: broken databases are what it tells, not a failure of it.
#[derive(clap::Args)]
pub(super) struct Status {}

#[derive(Serialize)]
struct View<'a> {
    source: &'a str,
    set: &'a str,
    head: Option<&'a Version>,
    counts: Counts,
    /// Ascending; without those whose version is not known.
    versions: Vec<AtVersion>,
    targets: &'a [One],
    skipped: &'a [Skipped],
}

#[derive(Default, Serialize)]
struct Counts {
    current: usize,
    behind: usize,
    unknown: usize,
    refused: usize,
    broken: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct AtVersion {
    /// `None` where nothing is applied.
    version: Option<String>,
    name: Option<String>,
    targets: usize,
}

impl Status {
    pub(super) fn run(here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(AllowArgs::default())?;
        let targets = looked.fleet().status(&looked.found)?;
        let mut versions = BTreeMap::<_, usize>::new();
        for one in &targets {
            let known = !matches!(one.standing, Standing::Unknown | Standing::Broken { .. });
            if known {
                *versions.entry(one.version.clone()).or_default() += 1;
            }
        }
        let at_version = |(version, targets): (Option<String>, usize)| {
            let found = version.as_deref().and_then(|version| {
                looked.catalog.migrations().iter().find(|one| one.version.as_str() == version)
            });
            AtVersion { name: found.map(|one| one.name.to_string()), version, targets }
        };
        let view = View {
            source: &looked.found.source,
            set: looked.catalog.set(),
            head: looked.catalog.head().map(|head| &head.version),
            counts: Counts::of(&targets, looked.found.skipped.len()),
            versions: versions.into_iter().map(at_version).collect(),
            targets: &targets,
            skipped: &looked.found.skipped,
        };
        here.out.write(&view, |out| write(out, &view))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Counts {
    fn of(targets: &[One], skipped: usize) -> Self {
        let mut counts = Self { skipped, ..Self::default() };
        for one in targets {
            *match one.standing {
                Standing::Current => &mut counts.current,
                Standing::Behind { .. } => &mut counts.behind,
                Standing::Unknown => &mut counts.unknown,
                Standing::Refused { .. } => &mut counts.refused,
                Standing::Broken { .. } => &mut counts.broken,
            } += 1;
        }
        counts
    }
}

fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let head = view.head.map_or("base", Version::as_str);
    let Counts { current, behind, unknown, refused, broken, skipped } = view.counts;
    writeln!(
        out,
        "{} databases in {}; head of `{}`: {head}",
        view.targets.len(),
        view.source,
        view.set
    )?;
    writeln!(out)?;
    for (word, count, means) in [
        ("current", current, "at the head"),
        ("behind", behind, "something is pending"),
        ("unknown", unknown, "has tables and no history: `adopt` finds out what it is"),
        ("refused", refused, "history and migrations contradict each other"),
        ("broken", broken, "cannot be read"),
        ("skipped", skipped, "fits the pattern and is no target"),
    ] {
        if count > 0 || word == "current" {
            writeln!(out, "{word:<8} {count:>7}  {means}")?;
        }
    }
    histogram(out, &view.versions)?;
    let troubled = view.targets.iter().filter_map(|one| Some((one, one.standing.reason()?)));
    let troubled = troubled.map(|(one, reason)| (&*one.id, &*one.place, reason));
    summary::troubled(out, "need attention", troubled, "add `--json` to see all")?;
    summary::skipped(out, view.skipped.iter().map(|one| (&*one.name, &*one.reason)))
}

/// One bar per version; the longest has 40 characters.
fn histogram(out: &mut dyn Write, versions: &[AtVersion]) -> io::Result<()> {
    const WIDTH: usize = 40;
    let Some(most) = versions.iter().map(|one| one.targets).max() else { return Ok(()) };
    writeln!(out)?;
    let label = |one: &AtVersion| {
        let version = one.version.as_deref().unwrap_or("base");
        [version, one.name.as_deref().unwrap_or_default()].join(" ").trim_end().to_owned()
    };
    let width = versions.iter().map(|one| label(one).chars().count()).max().unwrap_or(0);
    for one in versions {
        let bar = "█".repeat((one.targets * WIDTH).div_ceil(most));
        writeln!(out, "{:<width$} {:>7} {bar}", label(one), one.targets)?;
    }
    Ok(())
}
