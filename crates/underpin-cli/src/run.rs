//! A run towards a goal: what `upgrade` and `downgrade` share.

use std::fmt::Display;

use underpin::{Catalog, Goal};

use crate::{
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
    /// Goes where `goal` says. `confirm` may still stop a run that leaves nothing applied.
    pub(crate) async fn towards(
        self,
        context: &Context,
        out: Output,
        goal: impl FnOnce(&Catalog) -> anyhow::Result<Goal>,
        confirm: Option<fn(&dyn Display) -> anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let goal = goal(&catalog)?;
        if self.sql {
            let script = engine.script(&goal).await?;
            output::raw(&script)
        } else if self.dry_run {
            out.report(&engine.dry_run(&goal).await?, true)
        } else {
            if let Some(confirm) = confirm {
                let plan = engine.dry_run(&goal).await?;
                if plan.head.is_none() && !plan.steps.is_empty() {
                    confirm(&url)?;
                }
            }
            out.report(&engine.migrate(&goal).await?, false)
        }
    }
}
