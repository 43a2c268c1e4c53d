//! `underpin downgrade`

use std::{
    fmt::Display,
    io::{BufRead as _, IsTerminal as _, Write as _},
};

use crate::{context::Context, exit::Usage, output::Output, run::RunArgs, target};

/// Take applied migrations back
#[derive(clap::Args)]
pub(crate) struct Downgrade {
    /// -N, base, or the version to go back to
    #[arg(allow_hyphen_values = true)]
    target: String,
    /// Do not ask before everything is taken back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    run: RunArgs,
}

impl Downgrade {
    pub(crate) async fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let goal = |catalog: &_| target::downgrade(&self.target, catalog);
        self.run.towards(context, out, goal, self.yes).await
    }
}

/// Going to base takes all data with it, so somebody must mean it.
pub(crate) fn confirm(database: &dyn Display) -> anyhow::Result<()> {
    let unconfirmed =
        || Usage("going to base drops every table of the set: add `--yes`".to_owned());
    if !std::io::stdin().is_terminal() {
        return Err(unconfirmed().into());
    }
    let mut terminal = std::io::stderr();
    drop(write!(
        terminal,
        "this drops every table of the set in {database}; type `yes` to go on: "
    ));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(unconfirmed().into()) }
}
