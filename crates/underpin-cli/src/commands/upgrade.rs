//! `underpin upgrade`

use crate::{context::Context, output::Output, run::RunArgs, target};

/// Apply pending migrations
#[derive(clap::Args)]
pub(crate) struct Upgrade {
    /// head, +N, or the version to stop after
    #[arg(default_value = "head", allow_hyphen_values = true)]
    target: String,
    #[command(flatten)]
    run: RunArgs,
}

impl Upgrade {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let goal = |catalog: &_| target::upgrade(&self.target, catalog);
        self.run.towards(context, out, goal, false).await
    }
}
