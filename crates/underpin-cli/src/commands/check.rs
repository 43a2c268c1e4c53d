//! `underpin check`

use std::process::ExitCode;

use underpin::{Refused, exit};

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Succeed only when nothing is pending, edited, unknown or out of order
#[derive(clap::Args)]
pub(crate) struct Check {}

impl Check {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<ExitCode> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        let status = engine.status().await?;
        out.status(&status)?;
        let code = match (status.problems.is_empty(), status.pending.is_empty()) {
            (false, _) => exit::code(&Refused(status.problems).into()),
            (true, false) => exit::PENDING,
            (true, true) => 0,
        };
        Ok(ExitCode::from(code))
    }
}
