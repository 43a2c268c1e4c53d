//! A run towards a goal: what `upgrade` and `downgrade` share.

use underpin::{Catalog, Engine, Error, Goal, Report};
use underpin_db::DatabaseUrl;

use crate::{
    commands::confirm,
    context::{Context, PolicyArgs},
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Say what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a script for sqlite3 or psql and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    sql: bool,
    #[command(flatten)]
    policy: PolicyArgs,
}

impl RunArgs {
    /// Goes where `goal` says, and asks before that leaves nothing applied unless `yes` says so.
    pub(crate) async fn towards(
        self,
        context: &Context,
        out: Output,
        goal: impl FnOnce(&Catalog) -> anyhow::Result<Goal>,
        yes: bool,
    ) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let goal = goal(&catalog)?;
        if self.sql {
            output::raw(&engine.script(&goal).await?)
        } else if self.dry_run {
            out.report(&engine.dry_run(&goal).await?, true)
        } else {
            let run = async |engine: &Engine<'_>| engine.migrate(&goal).await;
            out.report(&asking(&engine, &url, yes, run).await?, false)
        }
    }
}

/// Runs `work`. When that would leave nothing applied, a person must say yes first; whether it would is
/// decided where the work is done, and not by a look beforehand.
pub(crate) async fn asking(
    engine: &Engine<'_>,
    url: &DatabaseUrl,
    yes: bool,
    work: impl AsyncFn(&Engine<'_>) -> Result<Report, Error>,
) -> anyhow::Result<Report> {
    if !yes {
        match work(&engine.clone().sparing_last()).await {
            Err(Error::LeavesNothing) => confirm(url)?,
            done => return Ok(done?),
        }
    }
    Ok(work(engine).await?)
}
