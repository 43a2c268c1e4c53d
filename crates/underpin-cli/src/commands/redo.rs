//! `underpin redo`

use underpin::Goal;

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Take the newest migration back and apply it again
#[derive(clap::Args)]
pub(crate) struct Redo {
    #[command(flatten)]
    policy: PolicyArgs,
}

impl Redo {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let mut report = engine.migrate(&Goal::Down(1)).await?;
        if !report.steps.is_empty() {
            let again = engine.migrate(&Goal::Up(1)).await?;
            report.steps.extend(again.steps);
            report.head = again.head;
        }
        out.report(&report, false)
    }
}
