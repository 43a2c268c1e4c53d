//! `underpin stamp`

use crate::{
    context::{Context, PolicyArgs},
    output::Output,
};

/// Record versions as applied without running them
#[derive(clap::Args)]
pub(crate) struct Stamp {
    /// head, base, or the newest version that counts as applied
    target: String,
    /// Stamp although the schema is not what the version builds
    #[arg(long)]
    force: bool,
}

impl Stamp {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, PolicyArgs::default())?;
        let version = match self.target.as_str() {
            "base" => None,
            "head" => catalog.head().map(|head| &head.version),
            text => Some(&catalog.find(text)?.version),
        };
        out.status(&engine.stamp(version, self.force).await?)
    }
}
