//! `underpin redo`

use underpin::Engine;

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
    run::asking,
};

/// Take the newest migration back and apply it again
#[derive(clap::Args)]
pub(crate) struct Redo {
    /// Do not ask before the only migration is taken back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    policy: PolicyArgs,
}

impl Redo {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let redo = async |engine: &Engine<'_>| engine.redo().await;
        out.report(&asking(&engine, &url, self.yes, redo).await?, false)
    }
}
