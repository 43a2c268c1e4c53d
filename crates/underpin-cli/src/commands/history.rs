//! `underpin history`

use serde::Serialize;
use underpin::{Catalog, Log, Migration, Record, terminal};

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// List every migration: applied or pending, when, how long it took, by whom
#[derive(clap::Args)]
pub(crate) struct History {}

/// One line of the list.
#[derive(Serialize)]
struct Line {
    version: String,
    name: String,
    state: &'static str,
    /// UTC, by the database's clock.
    applied_at: Option<String>,
    duration_ms: Option<i64>,
    actor: Option<String>,
    host: Option<String>,
}

impl History {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        let log = engine.log().await?;
        let lines = lines(&catalog, &log);
        out.write(&lines, |out| {
            for line in &lines {
                write!(out, "{:<11} {} {}", line.state, line.version, terminal::line(&line.name))?;
                if let Some(when) = &line.applied_at {
                    write!(out, ", {when}")?;
                }
                if let Some(duration) = line.duration_ms {
                    write!(out, ", {duration} ms")?;
                }
                if let (Some(actor), Some(host)) = (&line.actor, &line.host) {
                    let by = [actor, host].map(|text| terminal::line(text));
                    write!(out, ", by {} on {}", by[0], by[1])?;
                }
                writeln!(out)?;
            }
            Ok(())
        })
    }
}

fn lines(catalog: &Catalog, log: &Log) -> Vec<Line> {
    let known =
        catalog.migrations().iter().map(|one| line(catalog, log, one.version.as_str(), Some(one)));
    let strange = log.history.applied.keys().filter(|version| catalog.get(version).is_none());
    let strange = strange.map(|version| line(catalog, log, version.as_str(), None));
    let mut lines: Vec<_> = known.chain(strange).collect();
    lines.sort_by(|a, b| a.version.cmp(&b.version));
    lines
}

fn line(catalog: &Catalog, log: &Log, version: &str, migration: Option<&Migration>) -> Line {
    let ran = |record: &&Record| {
        record.set == catalog.set() && record.version == version && record.action != "repair"
    };
    let record = log.records.iter().rev().find(ran);
    let applied = log.history.applied.keys().any(|one| one.as_str() == version);
    let interrupted = log.history.interrupted.as_ref();
    let begun = interrupted.filter(|one| one.version.as_str() == version);
    let state = match (begun, applied, migration) {
        (Some(begun), ..) if begun.runner.is_some() => "running",
        (Some(_), ..) => "interrupted",
        (None, true, None) => "missing",
        (None, true, Some(_)) => "applied",
        (None, false, _) => "pending",
    };
    let shown = record.filter(|_| state != "pending");
    let when = shown.map(|record| record.started_at.clone());
    Line {
        version: version.to_owned(),
        name: migration
            .map(|one| one.name.to_string())
            .or(record.map(|one| one.name.clone()))
            .unwrap_or_default(),
        state,
        applied_at: when.or_else(|| log.run_on.get(version).cloned()),
        duration_ms: shown.and_then(|record| record.duration_ms),
        actor: shown.map(|record| record.actor.clone()),
        host: shown.map(|record| record.host.clone()),
    }
}
