//! A database as the service has it, with people in it who can chat.

use anyhow::ensure;
use underpin::{Engine, Goal, Options};
use underpin_db::{ConnectOptions, Db, PoolOptions};
use underpin_models::bot::{RecentChatRepository as _, UserStatsRepository as _};
use underpin_testkit::{Dialect, TestDb};

/// Who chats; few, so that looking for their lines costs next to nothing.
const USERS: usize = 100;
/// As long as a line usually is.
pub(crate) const MESSAGE: &str = "what a lovely tune, who put that on the playlist tonight?";
/// Lines that are there from the start.
const LINES: usize = 1_000;
/// When everything happens, in Unix seconds.
pub(crate) const NOW: i64 = 1_750_000_000;

/// The user whose turn it is.
pub(crate) fn user(number: usize) -> String {
    format!("user-{:03}", number % USERS)
}

/// A migrated database with users and lines, its pools, and what commits wait for.
pub(crate) async fn prepare(dialect: Dialect) -> anyhow::Result<(TestDb, Db, String)> {
    let test_db = TestDb::new(dialect);
    let (catalog, code) = (underpin_migrations::bot(dialect), underpin_migrations::CODE);
    let url = test_db.database_url();
    Engine::new(catalog, code, &url, Options::default())?.migrate(&Goal::Head).await?;
    let db = Db::connect(&url, &PoolOptions::default()).await?;
    for number in 0..USERS {
        db.user_joined(user(number), NOW).await?;
    }
    for number in 0..LINES {
        db.log_chat(user(number), MESSAGE.to_owned(), NOW).await?;
    }
    let about = match dialect {
        Dialect::Sqlite => "SQLite, WAL, synchronous=FULL".to_owned(),
        Dialect::Postgres => {
            let mut conn = url.connect(&ConnectOptions::default()).await?;
            let version = conn.text("SHOW server_version").await?.unwrap_or_default();
            let fsync = conn.text("SHOW fsync").await?.unwrap_or_default();
            format!("PostgreSQL {version}, fsync {fsync}")
        }
    };
    Ok((test_db, db, about))
}

/// Looks at a database from beside.
pub(crate) struct Watch(underpin_db::Conn);

impl Watch {
    pub(crate) async fn open(test_db: &TestDb) -> anyhow::Result<Self> {
        Ok(Self(test_db.database_url().connect(&ConnectOptions::default()).await?))
    }

    /// Lines that were counted.
    pub(crate) async fn counted(&mut self) -> anyhow::Result<usize> {
        self.number("SELECT CAST(sum(total_chat_lines) AS TEXT) FROM user_stats").await
    }

    /// Lines that are kept, but for those from the start.
    pub(crate) async fn kept(&mut self) -> anyhow::Result<usize> {
        let all = self.number("SELECT CAST(count(*) AS TEXT) FROM recent_chat").await?;
        ensure!(all >= LINES, "lines were lost");
        Ok(all - LINES)
    }

    async fn number(&mut self, query: &str) -> anyhow::Result<usize> {
        Ok(self.0.text(query).await?.unwrap_or_default().parse()?)
    }
}
