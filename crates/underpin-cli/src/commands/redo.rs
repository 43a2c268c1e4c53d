//! `underpin redo`

use anyhow::Context as _;
use underpin::{Error, Goal, History, Policy, plan};
use underpin_migrations::CODE;

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
        // What cannot be applied again is not taken back.
        if let Some(step) = engine.dry_run(&Goal::Down(1)).await?.steps.first() {
            let again = Goal::Only(step.version.clone());
            plan(&catalog, CODE, &History::default(), &again, Policy::default())
                .map_err(Error::from)?;
        }
        let mut report = engine.migrate(&Goal::Down(1)).await?;
        if let Some(version) = report.steps.first().map(|step| step.version.clone()) {
            let again = engine.migrate(&Goal::Only(version.clone())).await;
            let again = again.with_context(|| {
                format!("migration {version} was taken back, and could not be applied again")
            })?;
            report.steps.extend(again.steps);
            report.head = again.head;
        }
        out.report(&report, false)
    }
}
