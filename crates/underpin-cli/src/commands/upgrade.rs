//! `underpin upgrade`

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
    target,
};

/// Apply pending migrations
#[derive(clap::Args)]
pub(crate) struct Upgrade {
    /// head, +N, or the version to stop after
    #[arg(default_value = "head", allow_hyphen_values = true)]
    target: String,
    /// Say what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a script for sqlite3 or psql and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    sql: bool,
    #[command(flatten)]
    policy: PolicyArgs,
}

impl Upgrade {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let goal = target::upgrade(&self.target, &catalog)?;
        if self.sql {
            let script = engine.script(&goal).await?;
            out.write(&(), |out| out.write_all(script.as_bytes()))
        } else if self.dry_run {
            out.report(&engine.dry_run(&goal).await?, true)
        } else {
            out.report(&engine.migrate(&goal).await?, false)
        }
    }
}
