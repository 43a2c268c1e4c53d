//! `underpin adopt`

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Find out what a database without a history is, prove it, and record that
#[derive(clap::Args)]
pub(crate) struct Adopt {
    /// Say what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Adopt {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        let adopted =
            if self.dry_run { engine.adopt_dry_run().await? } else { engine.adopt().await? };
        out.adopted(adopted.as_ref(), self.dry_run)
    }
}
