//! What the operations on the bot's data do, edge by edge, on both dialects.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod chat;
mod counts;
mod marks;
mod model;
mod outbound;
mod plans;
mod positions;
mod random;
mod sessions;
mod status;
mod tokens;
mod units;
mod users;

use underpin::{Engine, Goal, Options};
use underpin_db::{Db, Dialect, PoolOptions};
use underpin_testkit::{TestDb, block_on};

/// When most tests happen, in Unix seconds.
const NOW: i64 = 1_750_000_000;

/// Text that tends to go wrong somewhere: quotes, wildcards, other alphabets, long, and what only
/// looks alike.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "zoe",
        "Zoe",
        "ZOE",
        "Zo\u{eb}",
        "Zoe\u{308}",
        " zoe",
        "zoe ",
        "O'Brien",
        "\"; DROP TABLE user_stats; --",
        "%",
        "_",
        "zo_",
        "\\",
        "$1",
        "?",
        "\n\t",
        "\u{202e}moc",
        "\u{1f980}\u{1f469}\u{200d}\u{1f4bb}",
        "NULL",
        "0",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(64));
    texts.push("x".repeat(65));
    texts.push("\u{1f980}".repeat(2_000));
    texts
}

/// A new database at the head of the `bot` set.
fn at_head(dialect: Dialect) -> TestDb {
    let on = TestDb::new(dialect);
    let url = on.database_url();
    let catalog = underpin_migrations::bot(dialect);
    let engine = Engine::new(catalog, underpin_migrations::CODE, &url, Options::default()).unwrap();
    block_on(async || engine.migrate(&Goal::Head).await).unwrap();
    on
}

/// A database and the pools on it.
struct Bot {
    db: Db,
    /// For what no operation reads or writes.
    on: TestDb,
}

impl Bot {
    /// Makes the database refuse the chat line `boom`.
    fn refuse_boom(&self) {
        self.on.batch(match self.on.dialect() {
            Dialect::Sqlite => {
                "CREATE TRIGGER refuse BEFORE INSERT ON recent_chat WHEN new.message = 'boom' \
                 BEGIN SELECT RAISE(ABORT, 'no boom'); END"
            }
            Dialect::Postgres => {
                "ALTER TABLE recent_chat ADD CONSTRAINT no_boom CHECK (message <> 'boom')"
            }
        });
    }
}

/// Runs `test` on a new database.
fn on_head(dialect: Dialect, test: impl AsyncFnOnce(Bot) + Send) {
    let on = at_head(dialect);
    block_on(async || {
        let db = Db::connect(&on.database_url(), &PoolOptions::default()).await.unwrap();
        test(Bot { db, on }).await;
    });
}
