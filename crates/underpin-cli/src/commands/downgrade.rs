//! `underpin downgrade`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use underpin::Goal;

use crate::{
    context::{Context, PolicyArgs},
    exit::Usage,
    output::Output,
    target,
};

/// Take applied migrations back
#[derive(clap::Args)]
pub(crate) struct Downgrade {
    /// -N, base, or the version to go back to
    #[arg(allow_hyphen_values = true)]
    target: String,
    /// Say what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a script for sqlite3 or psql and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    sql: bool,
    /// Do not ask before going to base
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    policy: PolicyArgs,
}

impl Downgrade {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let url = context.url()?;
        let catalog = context.catalog(url.dialect())?;
        let engine = context.engine(&catalog, &url, self.policy)?;
        let goal = target::downgrade(&self.target, &catalog)?;
        if self.sql {
            let script = engine.script(&goal).await?;
            out.write(&(), |out| out.write_all(script.as_bytes()))
        } else if self.dry_run {
            out.report(&engine.dry_run(&goal).await?, true)
        } else {
            if goal == Goal::Base && !self.yes {
                confirm(&url.to_string())?;
            }
            out.report(&engine.migrate(&goal).await?, false)
        }
    }
}

/// Going to base takes all data with it, so somebody must mean it.
fn confirm(database: &str) -> anyhow::Result<()> {
    let unconfirmed =
        || Usage("going to base drops every table of the set: add `--yes`".to_owned());
    if !std::io::stdin().is_terminal() {
        return Err(unconfirmed().into());
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "this drops every table of the set in {database}; type `yes` to go on: ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(unconfirmed().into()) }
}
