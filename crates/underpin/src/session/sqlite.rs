//! What a script may change of its SQLite connection, and how that is undone.
//!
//! A migration finds the session as it began, whatever ran before it on the connection. Between
//! transactions a new connection sees to that. Inside one there is no other connection, so what was
//! changed is put back and looked at again; what SQLite cannot put back there is told, and the steps
//! then run apart.

use underpin_catalog::Dialect;
use underpin_db::{Conn, ConnectError, ConnectOptions, DatabaseUrl, DbError};

use super::{Held, Session};
use crate::{
    Step,
    sql::{identifier, literal},
};

/// Settings that hold as long as the connection. What a file keeps (`user_version`, `auto_vacuum`, …)
/// is the file's, and no other setting outlives a connection.
pub(crate) const SETTINGS: [&str; 35] = [
    "analysis_limit",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "fullfsync",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "temp_store_directory",
    "threads",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// Those of [`SETTINGS`] that no table-valued function tells.
const ASKED_ALONE: [&str; 3] = ["mmap_size", "temp_store_directory", "wal_autocheckpoint"];

/// Whether a script can change the session at all. No statement does that without one of these words,
/// which SQLite knows in no other spelling.
pub(crate) fn can_change(script: &str) -> bool {
    let script = script.to_ascii_lowercase();
    let mut words = script.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| {
        // To read `sqlite_temp_schema` opens the temporary database.
        word.starts_with("pragma")
            || word.starts_with("sqlite_temp")
            || ["temp", "temporary", "attach", "detach"].contains(&word)
    })
}

/// Whether a script can write another schema into the tables of the present one.
pub(crate) fn can_rewrite(script: &str) -> bool {
    script.to_ascii_lowercase().contains("writable_schema")
}

impl Step<'_> {
    /// SQLite: whether it can change the session. What code does cannot be told.
    pub(crate) fn can_change_session(&self) -> bool {
        self.dialect == Dialect::Sqlite && (self.code.is_some() || can_change(&self.text()))
    }

    /// SQLite: whether it can write another schema into the tables of the present one.
    pub(crate) fn can_rewrite_schema(&self) -> bool {
        self.code.is_some() || can_rewrite(&self.text())
    }
}

/// What scripts that can change a session were lent.
pub(crate) enum Lent {
    /// The connection to a file, which another one like it replaces.
    File(DatabaseUrl, ConnectOptions),
    /// The only connection to a database in memory, as they found it.
    Memory(Began),
}

/// A session as a script found it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Began {
    settings: Vec<Option<String>>,
    /// `LIKE` minds the case: there is no way to ask for the setting itself.
    like: i32,
    /// Whether there are more databases than the file: the temporary one, which a look into it would open
    /// and keep scripts from moving, or attached ones.
    others: bool,
}

impl Began {
    /// Looks at the session before a script runs.
    pub(crate) async fn of(conn: &mut Conn) -> Result<Self, DbError> {
        let asked = SETTINGS.map(|name| {
            if ASKED_ALONE.contains(&name) {
                return "NULL".to_owned();
            }
            format!("CAST((SELECT * FROM pragma_{name}) AS TEXT)")
        });
        let query = format!(
            "SELECT json_array('a' LIKE 'A', json_array({}), \
             (SELECT count(*) FROM pragma_database_list))",
            asked.join(", ")
        );
        let answer = conn.text(&query).await?.unwrap_or_default();
        let (like, mut settings, databases): (i32, Vec<Option<String>>, u32) =
            serde_json::from_str(&answer).map_err(|error| DbError {
                message: format!("SQLite tells its settings in another way: {error}"),
                ..DbError::default()
            })?;
        for (name, value) in SETTINGS.iter().zip(&mut settings) {
            if ASKED_ALONE.contains(name) {
                *value = conn.text(&format!("PRAGMA {name}")).await?;
            }
        }
        Ok(Self { settings, like, others: databases > 1 })
    }

    /// Makes the session as it began, and gives what of it SQLite cannot put back now. `rewritten`: another
    /// schema may have been written into the tables of the present one.
    pub(crate) async fn restore(
        &self,
        conn: &mut Conn,
        rewritten: bool,
    ) -> Result<Vec<String>, DbError> {
        let mut back = Vec::new();
        if rewritten {
            back.push("PRAGMA writable_schema = RESET".to_owned());
        }
        let now = Self::of(conn).await?;
        for (name, value) in self.differing(&now) {
            if name != "defer_foreign_keys" {
                back.push(format!("PRAGMA {name} = {}", literal(value)));
            }
        }
        if self.like != now.like {
            back.push("PRAGMA case_sensitive_like = OFF".to_owned());
        }
        if back.is_empty() && !now.others {
            return Ok(self.left(&now));
        }
        for statement in back {
            ignoring(conn, &statement).await;
        }
        drop_temporary(conn).await?;
        let attached = "SELECT name FROM pragma_database_list WHERE seq > 1";
        for name in conn.texts(attached).await? {
            ignoring(conn, &format!("DETACH {}", identifier(&name))).await;
        }
        let mut left = self.left(&Self::of(conn).await?);
        let kept = "SELECT 'temporary ' || type || ' `' || name || '`' FROM sqlite_temp_schema \
                    UNION ALL SELECT 'database `' || name || '`' FROM pragma_database_list WHERE seq > 1";
        left.extend(conn.texts(kept).await?);
        Ok(left)
    }

    /// The settings that are otherwise `now`.
    fn left(&self, now: &Self) -> Vec<String> {
        self.differing(now).map(|(name, _)| format!("`PRAGMA {name}`")).collect()
    }

    /// What is set otherwise `now`, with what it was.
    fn differing<'s>(&'s self, now: &'s Self) -> impl Iterator<Item = (&'static str, &'s str)> {
        let all = SETTINGS.iter().zip(&self.settings).zip(&now.settings);
        all.filter_map(|((name, was), is)| {
            let was = was.as_deref().unwrap_or_default();
            // In a file WAL is the file's own, and so is the end of it.
            let was = match (*name, was, is.as_deref()) {
                ("journal_mode", _, Some("wal")) => "wal",
                ("journal_mode", "wal", _) => "delete",
                _ => was,
            };
            (is.as_deref().unwrap_or_default() != was).then_some((*name, was))
        })
    }
}

/// Drops what is in the temporary database: all at once, or inside a transaction one by one. One may
/// refer to another, so what resists is tried again as long as anything goes.
async fn drop_temporary(conn: &mut Conn) -> Result<(), DbError> {
    const DROPS: &str = "SELECT 'DROP ' || iif(o.type = 'view', 'VIEW', iif(o.type = 'trigger', 'TRIGGER', \
        'TABLE')) || ' temp.\"' || replace(o.name, '\"', '\"\"') || '\"' FROM sqlite_temp_schema AS o \
        LEFT JOIN pragma_table_list AS t ON t.schema = 'temp' AND t.name = o.name \
        WHERE o.type <> 'index' AND o.name NOT LIKE 'sqlite\\_sequence' ESCAPE '\\' \
        AND coalesce(t.type, '') <> 'shadow' ORDER BY o.type DESC";
    let mut left = conn.texts("SELECT name FROM sqlite_temp_schema").await?.len();
    if left == 0 {
        return Ok(());
    }
    // SQLite drops all when the place of temporary tables is another one.
    let store = conn.text("PRAGMA temp_store").await?.unwrap_or_default();
    let other = if store == "1" { "2" } else { "1" };
    ignoring(conn, &format!("PRAGMA temp_store = {other}")).await;
    ignoring(conn, &format!("PRAGMA temp_store = {store}")).await;
    loop {
        for statement in conn.texts(DROPS).await? {
            ignoring(conn, &statement).await;
        }
        let now = conn.texts(DROPS).await?.len();
        if now == 0 || now >= left {
            return Ok(());
        }
        left = now;
    }
}

/// Runs what may be impossible: what is left is looked at afterwards.
async fn ignoring(conn: &mut Conn, statement: &str) {
    if let Err(error) = conn.batch(statement).await {
        tracing::debug!(%error, "`{statement}` does nothing here");
    }
}

impl Session<'_> {
    /// SQLite: remembers how `steps` find the session, when they can change it.
    pub(crate) async fn lend(&mut self, steps: &[Step<'_>]) -> Result<(), DbError> {
        if steps.iter().any(Step::can_change_session) {
            self.lent = Some(match self.again.clone() {
                Some((url, options)) => Lent::File(url, options),
                None => Lent::Memory(Began::of(&mut self.conn).await?),
            });
        }
        Ok(())
    }

    /// SQLite: makes the session as new outside a transaction, after scripts that can have changed it.
    /// A file gets a new connection, which is the whole of the truth; a database in memory has only one.
    pub(crate) async fn as_new(&mut self) -> Result<(), DbError> {
        let Some(lent) = self.lent.take() else { return Ok(()) };
        // A transaction that the script left open is for nobody to end in silence.
        self.conn.batch("BEGIN; ROLLBACK").await?;
        match lent {
            Lent::Memory(began) => began.restore(&mut self.conn, true).await.map(drop),
            Lent::File(url, options) => {
                let failed = |error: ConnectError| DbError {
                    message: underpin_db::with_causes(&error),
                    ..DbError::default()
                };
                // One that keeps the file to itself lets no other in before it is gone.
                let nothing = DatabaseUrl::memory().connect(&options).await.map_err(failed)?;
                self.conn = Held::Own(nothing);
                self.former.reconnected();
                self.conn = Held::Own(url.connect(&options).await.map_err(failed)?);
                Ok(())
            }
        }
    }
}
