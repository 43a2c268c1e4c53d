//! What is written into the history without running a script.

use underpin_catalog::{Checksum, Dialect, Migration, Version};
use underpin_db::{Access, DbError};

use super::Engine;
use crate::{
    Adopted, Error, Refusal, Refused, Status,
    adopt::{self, Expected},
    checkpoint::checkpoint,
    error::Doing,
    session::{Entry, Session},
};

impl Engine<'_> {
    /// Recognises a database without a history, makes it fit a version and stamps that.
    ///
    /// `None` for an empty database, and for one that has a history.
    pub async fn adopt(&self) -> Result<Option<Adopted>, Error> {
        let mut session = self.session(Access::ReadWrite).await?;
        let lock = self.lock(&mut session).await?;
        let result = async {
            if session.refresh().await?.is_fresh() {
                self.back_up(&mut session).await?;
                adopt::adopt(&mut session).await
            } else {
                Ok(None)
            }
        };
        let result = result.await;
        lock.release().await;
        result
    }

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
        let expected =
            if force { None } else { Some(Expected::of_version(session, version).await?) };
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
        // What was interrupted and is not in the catalog any more has no other way out.
        let gone = history.interrupted.filter(|one| self.catalog.get(&one.version).is_none());
        message.extend(gone.map(|one| {
            session.record(&Entry {
                version: &one.version,
                name: "",
                action: "stamp",
                duration: "NULL".to_owned(),
                running: None,
                reason: None,
                checksum: None,
            })
        }));
        session.looked(expected, &message, "stamp").await?;
        Ok(self.status_of(&session.refresh().await?))
    }

    /// Accepts the script of `migration` as it is now, and says why.
    ///
    /// Refused when no edit is known, and, unless `force` is set, when the schema is not what the scripts
    /// build as they are now: an edit that was to change the database has not done so.
    pub async fn repair(
        &self,
        migration: &Migration,
        reason: &str,
        force: bool,
    ) -> Result<Status, Error> {
        let mut session = self.session(Access::ReadWrite).await?;
        let lock = self.lock(&mut session).await?;
        let result = self.repair_locked(&mut session, migration, reason, force).await;
        lock.release().await;
        result
    }

    async fn repair_locked(
        &self,
        session: &mut Session<'_>,
        migration: &Migration,
        reason: &str,
        force: bool,
    ) -> Result<Status, Error> {
        let history = session.refresh().await?;
        let version = &migration.version;
        let mut entry = Entry { reason: Some(reason), ..Entry::new(migration, "repair") };
        let half = history.interrupted.as_ref().filter(|one| one.version == *version);
        let mut note = None;
        let ran = match (half, history.applied.get(version)) {
            // What was interrupted stays so: the rest of it is still to be run.
            (Some(half), _) => {
                entry.action = half.direction.action();
                entry.running = Some(half.done);
                if let Some(script) = half.direction.script(migration)? {
                    entry.checksum = Some(Checksum::of(&script));
                    if half.is_rewritten(&script, self.catalog.dialect()) {
                        let version = version.clone();
                        return Err(refused(Refusal::Rewritten { version, done: half.done }));
                    }
                }
                note = half.note.as_ref().map(ToString::to_string);
                half.checksum
            }
            (None, Some(ran)) => *ran,
            (None, None) => return Err(refused(Refusal::NotApplied { version: version.clone() })),
        };
        if ran.is_none_or(|ran| Some(ran) == entry.checksum) {
            return Err(refused(Refusal::NotEdited { version: version.clone() }));
        }
        let mut expected = None;
        if half.is_none() && !force {
            expected = Some(Expected::of_edit(session, &history, version).await?);
        }
        let mut message = session.tables.create();
        message.push(session.record(&entry));
        // The newest row says what is done.
        let again = note.as_deref().map(|note| Entry { reason: Some(note), ..entry });
        message.extend(again.map(|entry| session.record(&entry)));
        session.looked(expected, &message, "repair").await?;
        Ok(self.status_of(&session.refresh().await?))
    }
}

fn refused(refusal: Refusal) -> Error {
    Refused(vec![refusal]).into()
}

impl Session<'_> {
    /// Runs statements in a transaction of their own that begins with a look at the schema: what is recorded
    /// is true when it is.
    async fn looked(
        &mut self,
        expected: Option<Expected>,
        statements: &[String],
        doing: &'static str,
    ) -> Result<(), Error> {
        checkpoint();
        let Some(expected) = expected else { return self.whole(statements).await.doing(doing) };
        let begin = adopt::begin(self);
        let result = async {
            self.conn.batch(&begin).await.doing(doing)?;
            expected.check(self).await?;
            self.conn.batch(&statements.join(";\n")).await.doing(doing)?;
            let history = self.history_now().await.doing(doing)?;
            self.commit(&history).await.doing(doing)
        };
        let result = result.await;
        if result.is_err() {
            self.roll_back().await;
        }
        result
    }

    /// Runs statements in a transaction of their own; rolls back when one of them fails.
    pub(crate) async fn whole(&mut self, statements: &[String]) -> Result<(), DbError> {
        let result = async {
            // On PostgreSQL they travel together, and on SQLite the mark comes last.
            if self.conn.dialect() == Dialect::Postgres {
                let message = self.framed(statements.iter().map(String::as_str)).join(";\n");
                return self.conn.batch(&message).await;
            }
            self.conn.batch(&format!("BEGIN IMMEDIATE;\n{}", statements.join(";\n"))).await?;
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
