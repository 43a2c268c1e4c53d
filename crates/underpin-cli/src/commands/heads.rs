//! `underpin heads`

use underpin::{Dialect, Named};

use crate::{context::Context, output::Output};

/// Show the newest migration there is
#[derive(clap::Args)]
pub(crate) struct Heads {}

impl Heads {
    pub(crate) fn run(context: &Context, out: Output) -> anyhow::Result<()> {
        // Both dialects are in lockstep, so without a database either will do.
        let dialect = context.url().map_or(Dialect::Sqlite, |url| url.dialect());
        let catalog = context.catalog(dialect)?;
        let head = catalog.head().map(Named::from);
        out.write(&head, |out| match &head {
            Some(Named { version, name }) => writeln!(out, "{version} {name}"),
            None => writeln!(out, "no migrations"),
        })
    }
}
