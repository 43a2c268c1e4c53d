//! Proves, before a transaction is committed, that it did what it should and nothing else.
//!
//! The schema must be what the scripts of its version build. On demand, the rows are counted as well:
//! a table that no script names must keep as many as it had. What fails is rolled back.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use underpin_catalog::{Dialect, Migration, Version};
use underpin_db::{Conn, DbError};

use crate::{
    Direction, Error, History, Schema, Step, StepCause, adopt, error::Doing, rebuild::rows,
    session::Session, sql::has_word,
};

/// What the versions of a catalog build, for comparing many targets with.
#[derive(Debug)]
pub struct Proof {
    /// On SQLite not before they are needed.
    versions: OnceCell<BTreeMap<Version, Schema>>,
    /// SQLite: digests of the texts of schemas that are right, by themselves or because they were
    /// compared. Targets that were built by the same scripts have the same texts, and looking at these
    /// takes no time.
    known: Mutex<HashSet<u64>>,
}

/// What is proven of each transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proving<'a> {
    pub(crate) proof: &'a Proof,
    pub(crate) rows: bool,
}

impl Proof {
    /// Builds every version of the session's catalog, on SQLite in memory and on PostgreSQL in a
    /// transaction that is rolled back.
    pub(crate) async fn build(session: &mut Session<'_>) -> Result<Self, Error> {
        let proof = Self { versions: OnceCell::new(), known: Mutex::default() };
        if session.catalog.dialect() == Dialect::Postgres {
            proof.versions(session).await?;
            return Ok(proof);
        }
        let look = async |conn: &mut Conn, migration: &Migration| {
            digest(conn, Some(&migration.version)).await.doing("build a version")
        };
        for (_, digest) in adopt::in_memory(session.catalog, look).await? {
            proof.remember(digest);
        }
        Ok(proof)
    }

    async fn versions(
        &self,
        session: &mut Session<'_>,
    ) -> Result<&BTreeMap<Version, Schema>, Error> {
        let build = async || {
            let versions = adopt::versions(session).await?.into_iter();
            Ok(versions.map(|(one, schema)| (one.version.clone(), schema)).collect())
        };
        self.versions.get_or_try_init(build).await
    }

    fn is_known(&self, digest: u64) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest)
    }

    fn remember(&self, digest: u64) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }
}

/// What there was before the scripts.
#[derive(Default)]
pub(crate) struct Before {
    /// Of the tables that no script names.
    rows: BTreeMap<String, u64>,
}

impl Session<'_> {
    /// Counts what `steps` must not change, inside their transaction.
    pub(crate) async fn before_proof(&mut self, steps: &[Step<'_>]) -> Result<Before, DbError> {
        let counts = self.counts_rows()
            // Nobody knows what code changes.
            && steps.iter().all(|step| step.code.is_none());
        let schema = self.tables.schema();
        let mut rows = if counts { rows(&mut self.conn, schema).await? } else { BTreeMap::new() };
        let scripts: Vec<_> = steps.iter().map(|step| step.script.to_lowercase()).collect();
        rows.retain(|table, _| {
            !scripts.iter().any(|script| has_word(script, &table.to_lowercase()))
        });
        Ok(Before { rows })
    }

    /// Proves that `steps`, which led to `history`, built what their versions are and left the rest
    /// alone.
    pub(crate) async fn prove(
        &mut self,
        steps: &[Step<'_>],
        history: &History,
        before: &Before,
    ) -> Result<(), StepCause> {
        let Some(Proving { proof, .. }) = self.proving else { return Ok(()) };
        self.prove_schema(proof, steps, history).await?;
        if before.rows.is_empty() {
            return Ok(());
        }
        let now = rows(&mut self.conn, self.tables.schema()).await?;
        for (table, before) in &before.rows {
            let after = now.get(table).copied().unwrap_or(0);
            if after != *before {
                let table = table.clone();
                return Err(StepCause::RowsChanged { table, before: *before, after });
            }
        }
        Ok(())
    }

    async fn prove_schema(
        &mut self,
        proof: &Proof,
        steps: &[Step<'_>],
        history: &History,
    ) -> Result<(), StepCause> {
        // A script outside a transaction is recorded when it is proven.
        let mut reached: BTreeSet<_> = history.applied.keys().cloned().collect();
        for step in steps {
            match step.direction {
                Direction::Up => reached.insert(step.migration.version.clone()),
                Direction::Down => reached.remove(&step.migration.version),
            };
        }
        // Another set's tables are beside the set's own.
        if history.others {
            return Ok(());
        }
        // Versions with gaps nobody built.
        let all = self.catalog.migrations().iter().map(|one| &one.version);
        if !all.take(reached.len()).eq(&reached) {
            return Ok(());
        }
        let digest = match self.conn.dialect() {
            Dialect::Sqlite => Some(digest(&mut self.conn, reached.last()).await?),
            Dialect::Postgres => None,
        };
        if digest.is_some_and(|digest| proof.is_known(digest)) {
            return Ok(());
        }
        let nothing = Schema::default();
        let expected = match reached.last() {
            Some(version) => proof.versions(self).await.map_err(uncompared)?.get(version),
            None => Some(&nothing),
        };
        let Some(expected) = expected else { return Ok(()) };
        let live = self.inspect().await?;
        let differences = expected.differences(&live);
        if !differences.is_empty() {
            return Err(StepCause::Unfit(adopt::list(&differences)));
        }
        if let Some(digest) = digest {
            proof.remember(digest);
        }
        Ok(())
    }
}

/// What went wrong is not the script's, though the database said so.
fn uncompared(error: Error) -> StepCause {
    StepCause::Uncompared(Box::new(error))
}

/// SQLite: of the texts of a schema, at a version.
async fn digest(conn: &mut Conn, version: Option<&Version>) -> Result<u64, DbError> {
    let mut hasher = DefaultHasher::new();
    (version.map(Version::as_str), Schema::texts(conn).await?).hash(&mut hasher);
    Ok(hasher.finish())
}
