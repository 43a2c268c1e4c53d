//! What is written into the history without running a script.

use underpin_catalog::{Checksum, Dialect, Migration, Version};
use underpin_db::{Access, DbError};

use super::Engine;
use crate::{
    Error, Refusal, Refused, Status, adopt,
    error::Doing,
    session::{Entry, Session},
};

impl Engine<'_> {
    /// Records the versions up to `version` as applied and later ones as not, and runs no script.
    ///
    /// The schema must be what `version` builds, unless `force` is set.
    pub async fn stamp(&self, version: Option<&Version>, force: bool) -> Result<Status, Error> {
        let mut session = self.session(Access::ReadWrite).await?;
        let lock = self.lock(&mut session).await?;
        let result = self.stamp_locked(&mut session, version, force).await;
        lock.release().await;
        result
    }

    async fn stamp_locked(
        &self,
        session: &mut Session<'_>,
        version: Option<&Version>,
        force: bool,
    ) -> Result<Status, Error> {
        let history = session.refresh().await?;
        if !force {
            adopt::check_fit(session, version).await?;
        }
        let wanted =
            |migration: &&Migration| version.is_some_and(|last| migration.version <= *last);
        let mut message = session.tables.create();
        for migration in self.catalog.migrations() {
            let is = history.applied.contains_key(&migration.version);
            match (wanted(&migration), is) {
                (true, false) => message.push(session.tables.claim(&migration.version)),
                (false, true) => message.push(session.tables.release(&migration.version)),
                _ => {}
            }
            let half =
                history.interrupted.as_ref().is_some_and(|one| one.version == migration.version);
            if half || wanted(&migration) != is {
                message.push(session.record(&Entry::new(migration, "stamp")));
            }
        }
        session.whole(&message).await.doing("stamp")?;
        Ok(self.status_of(&session.refresh().await?))
    }

    /// Accepts the script of `migration` as it is now, and says why.
    pub async fn repair(&self, migration: &Migration, reason: &str) -> Result<Status, Error> {
        let mut session = self.session(Access::ReadWrite).await?;
        let lock = self.lock(&mut session).await?;
        let result = async {
            let history = session.refresh().await?;
            let mut entry = Entry { reason: Some(reason), ..Entry::new(migration, "repair") };
            // What was interrupted stays so: the rest of it is still to be run.
            let mut note = None;
            if let Some(half) = history.interrupted.filter(|one| one.version == migration.version) {
                entry.action = half.direction.action();
                entry.running = Some(half.done);
                if let Some(script) = half.direction.script(migration)? {
                    entry.checksum = Checksum::of(&script);
                    if half.is_rewritten(&script, self.catalog.dialect()) {
                        let version = half.version.clone();
                        return Err(
                            Refused(vec![Refusal::Rewritten { version, done: half.done }]).into()
                        );
                    }
                }
                note = half.note.map(|note| note.to_string());
            }
            let mut message = session.tables.create();
            message.push(session.record(&entry));
            // The newest row says what is done.
            let again = note.as_deref().map(|note| Entry { reason: Some(note), ..entry });
            message.extend(again.map(|entry| session.record(&entry)));
            session.whole(&message).await.doing("repair")?;
            Ok(self.status_of(&session.refresh().await?))
        };
        let result = result.await;
        lock.release().await;
        result
    }
}

impl Session<'_> {
    /// Runs statements in a transaction of their own; rolls back when one of them fails.
    pub(crate) async fn whole(&mut self, statements: &[String]) -> Result<(), DbError> {
        let result = async {
            // On PostgreSQL they travel together, and on SQLite the mark comes last.
            if self.conn.dialect() == Dialect::Postgres {
                let message = self.framed(statements.iter().map(String::as_str)).join(";\n");
                return self.conn.batch(&message).await;
            }
            self.conn.batch(&format!("BEGIN;\n{}", statements.join(";\n"))).await?;
            let history = self.history_now().await?;
            self.commit(&history).await
        };
        let result = result.await;
        if result.is_err() {
            self.roll_back().await;
        }
        result
    }
}
