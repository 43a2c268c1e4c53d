//! `underpin-service dead-letters`: events that were put aside, without the service at work.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Subcommand;
use underpin::terminal::escaped_json;
use underpin_db::Db;
use underpin_models::bot::{DeadLetter, DeadLetterOutcome, DeadLetterRepository as _};

use crate::{Config, clock, http::Letter, nats::dead_letter::settle};

/// Letters that are read at a time.
const PAGE: i64 = 100;

/// What to do with events that were put aside.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print them, one JSON object per line, with what they say
    List {
        /// Also those that were applied or dropped
        #[arg(long)]
        include_settled: bool,
    },
    /// Apply one, with the time at which it happened
    Apply {
        /// Its number
        id: i64,
        /// Your name, for the record
        #[arg(long, value_name = "NAME", env = "USER")]
        by: String,
    },
    /// Decide that one is not needed; its row stays
    Drop {
        /// Its number
        id: i64,
        /// Your name, for the record
        #[arg(long, value_name = "NAME", env = "USER")]
        by: String,
    },
}

/// Does it in the main database, and prints what came of it.
///
/// # Errors
///
/// When the database does not answer, or the event stays what it is.
pub async fn run(config: &Config, action: Action) -> anyhow::Result<()> {
    let db = Db::connect(&config.database_url, &config.pool).await;
    let db = db.map_err(underpin::Error::from)?;
    let settled = |id, outcome, by| settle(&db, id, outcome, by, clock::now());
    match action {
        Action::List { include_settled } => {
            let mut after = 0;
            loop {
                let page = db.dead_letters(after, include_settled, PAGE).await?;
                let Some(last) = page.last() else { return Ok(()) };
                after = last.id;
                page.iter().try_for_each(print)?;
            }
        }
        Action::Apply { id, by } => print(&settled(id, DeadLetterOutcome::Applied, by).await?),
        Action::Drop { id, by } => print(&settled(id, DeadLetterOutcome::Dropped, by).await?),
    }
}

fn print(letter: &DeadLetter) -> anyhow::Result<()> {
    let line = serde_json::to_string(&Letter::from(letter.clone()))?;
    // Anybody may have published it.
    writeln!(io::stdout(), "{}", escaped_json(&line)).context("cannot print")
}
