//! `underpin repair`

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Accept a script that was edited after it ran
#[derive(clap::Args)]
pub(crate) struct Repair {
    /// The migration whose script was edited
    version: String,
    /// Why the edit is right; kept in the history
    #[arg(long)]
    reason: String,
    /// Accept it although the schema is not what the script builds
    #[arg(long)]
    force: bool,
}

impl Repair {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        let migration = catalog.find(&self.version)?;
        out.status(&engine.repair(migration, &self.reason, self.force).await?)
    }
}
