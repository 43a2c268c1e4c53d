//! Proves, before a transaction is committed, that it did what it should and nothing else.
//!
//! The schema must be what the scripts of its version build. On demand, the rows are counted as well:
//! a table that no script names must keep as many as it had. What fails is rolled back.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
};

use underpin_catalog::{Catalog, Dialect, Version};
use underpin_db::{Conn, DbError};

use crate::{
    Direction, Error, History, Schema, Step, StepCause, adopt, rebuild::rows, session::Session,
};

/// What the versions of a catalog build, for comparing many targets with.
#[derive(Debug)]
pub struct Proof {
    versions: BTreeMap<Version, Schema>,
    /// SQLite: digests of the texts of schemas that were compared and found right. Targets that were
    /// built by the same scripts have the same texts, and comparing these takes no time.
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
        let versions = adopt::versions(session).await?;
        let versions = versions.into_iter().map(|(one, schema)| (one.version.clone(), schema));
        Ok(Self { versions: versions.collect(), known: Mutex::default() })
    }

    /// What the versions up to `reached` build; `None` for versions with gaps, which nobody built.
    fn expected(&self, catalog: &Catalog, reached: &BTreeSet<Version>) -> Option<Cow<'_, Schema>> {
        let all = catalog.migrations().iter().map(|one| &one.version);
        if !all.take(reached.len()).eq(reached) {
            return None;
        }
        match reached.last() {
            Some(version) => self.versions.get(version).map(Cow::Borrowed),
            None => Some(Cow::Owned(Schema::default())),
        }
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
        let mut rows = if counts { rows(&mut self.conn).await? } else { BTreeMap::new() };
        let scripts: Vec<_> = steps.iter().map(|step| step.script.to_lowercase()).collect();
        rows.retain(|table, _| !scripts.iter().any(|script| names(script, table)));
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
        if let (Dialect::Postgres, Some(schema)) = (self.conn.dialect(), self.tables.schema()) {
            // The script may have set another path, and definitions show what is not in it.
            let path = adopt::scratch_path(schema);
            self.conn.batch(&path).await?;
        }
        self.prove_schema(proof, steps, history).await?;
        if before.rows.is_empty() {
            return Ok(());
        }
        let now = rows(&mut self.conn).await?;
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
        let Some(expected) = proof.expected(self.catalog, &reached) else { return Ok(()) };
        let digest = digest(&mut self.conn, reached.last()).await?;
        if digest.is_some_and(|digest| proof.is_known(digest)) {
            return Ok(());
        }
        let live = Schema::inspect(&mut self.conn).await;
        let live = live.map_err(|error| StepCause::Unfit(crate::exit::explain(&error)))?;
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

/// SQLite: of the texts of the whole schema, at a version.
async fn digest(conn: &mut Conn, version: Option<&Version>) -> Result<Option<u64>, DbError> {
    if conn.dialect() != Dialect::Sqlite {
        return Ok(None);
    }
    let query = "SELECT name || char(31) || tbl_name || char(31) || coalesce(sql, '') \
                 FROM sqlite_schema ORDER BY name, type";
    let texts = conn.texts(query).await?;
    let mut hasher = DefaultHasher::new();
    (version.map(Version::as_str), texts).hash(&mut hasher);
    Ok(Some(hasher.finish()))
}

/// Whether a script, in lower case, has the name of `table` in it as a word of its own.
fn names(script: &str, table: &str) -> bool {
    let name = table.to_lowercase();
    let within = |char: char| char.is_alphanumeric() || char == '_';
    script.match_indices(&name).any(|(at, _)| {
        !script[..at].ends_with(within) && !script[at + name.len()..].starts_with(within)
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_table_is_named_by_its_whole_name() {
        for (script, named) in [
            ("update task set a = 1", true),
            ("update \"task\" set a = 1", true),
            ("alter table main.task add b", true),
            ("update tasks set a = 1", false),
            ("update my_task set a = 1", false),
            ("", false),
        ] {
            assert_eq!(names(script, "Task"), named, "{script}");
        }
    }
}
