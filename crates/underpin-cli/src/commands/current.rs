//! `underpin current`

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Show what is applied, and what is pending
#[derive(clap::Args)]
pub(crate) struct Current {}

impl Current {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        out.status(&engine.status().await?)
    }
}
