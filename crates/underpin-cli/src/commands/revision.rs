//! `underpin revision`

use std::{fs, path::PathBuf, time::SystemTime};

use chrono::{DateTime, Utc};
use underpin::Dialect;

use crate::{context::Context, exit::Usage, output::Output};

/// Write the folders of a new migration, one for each dialect of the set
#[derive(clap::Args)]
pub(crate) struct Revision {
    /// What it does, in a few words
    #[arg(short, long, value_name = "TEXT")]
    message: String,
}

impl Revision {
    pub(crate) fn run(self, context: &Context, out: Output) -> anyhow::Result<()> {
        let folder = context.folder()?;
        if !folder.is_dir() {
            let text =
                format!("no folder `{}`: create it, or give `--migrations DIR`", folder.display());
            return Err(Usage(text).into());
        }
        let name = slug(&self.message);
        if name.is_empty() {
            return Err(
                Usage("expected letters or digits in the message, found none".to_owned()).into()
            );
        }
        let now = DateTime::<Utc>::from(SystemTime::now());
        let name = format!("{}_{name}", now.format("%Y-%m-%d-%H%M%S"));
        let own: Vec<_> =
            Dialect::ALL.into_iter().filter(|one| folder.join(one.as_str()).is_dir()).collect();
        let folders: Vec<PathBuf> = match own.as_slice() {
            [] => vec![folder.join(&name)],
            dialects => dialects.iter().map(|one| folder.join(one.as_str()).join(&name)).collect(),
        };
        for folder in &folders {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("up.sql"), header("what it changes, and why"))?;
            fs::write(
                folder.join("down.sql"),
                header("how the previous shape comes back, and what it cannot hold"),
            )?;
        }
        out.write(&folders, |out| {
            folders.iter().try_for_each(|folder| writeln!(out, "{}", folder.display()))
        })
    }
}

fn header(what: &str) -> String {
    format!(
        "-- Say here {what}. Then write the statements, `SELECT 1;` where there is nothing to do.\n\
         -- The engine runs them in one transaction, together with the history: no BEGIN or COMMIT.\n\
         -- What cannot run in a transaction, or rebuilds an SQLite table, needs a `metadata.toml`:\n\
         -- see MIGRATIONS.md.\n\n"
    )
}

/// Lower-case letters and digits, with an underscore for anything between them.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}
