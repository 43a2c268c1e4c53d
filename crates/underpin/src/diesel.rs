//! A catalog as Diesel's own migration harness sees it.

use diesel::{
    backend::Backend,
    connection::BoxableConnection,
    migration::{
        Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion, Result,
    },
};
use underpin_catalog::Catalog;

/// Lets Diesel's harness run a catalog, which must be of the connection's dialect.
///
/// The harness knows no code: it fails at a migration that has some, and leaves nothing of it.
#[derive(Debug, Clone, Copy)]
pub struct DieselSource<'a>(pub &'a Catalog);

impl<DB: Backend> MigrationSource<DB> for DieselSource<'_> {
    fn migrations(&self) -> Result<Vec<Box<dyn Migration<DB>>>> {
        let boxed = |one: &underpin_catalog::Migration| -> Box<dyn Migration<DB>> {
            Box::new(One(one.clone()))
        };
        Ok(self.0.migrations().iter().map(boxed).collect())
    }
}

struct One(underpin_catalog::Migration);

impl<DB: Backend> Migration<DB> for One {
    fn run(&self, conn: &mut dyn BoxableConnection<DB>) -> Result<()> {
        if let Some(code) = &self.0.metadata.code {
            return Err(format!(
                "migration {self} runs the code `{code}`, which Diesel's harness cannot: apply it \
                 with `underpin upgrade`"
            )
            .into());
        }
        Ok(conn.batch_execute(&self.0.up)?)
    }

    fn revert(&self, conn: &mut dyn BoxableConnection<DB>) -> Result<()> {
        let script = self.0.down()?;
        let script =
            script.ok_or_else(|| format!("migration {} has no `down.sql`", self.0.version))?;
        Ok(conn.batch_execute(&script)?)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

impl MigrationMetadata for One {
    fn run_in_transaction(&self) -> bool {
        self.0.metadata.run_in_transaction
    }
}

impl MigrationName for One {
    fn version(&self) -> MigrationVersion<'_> {
        MigrationVersion::from(self.0.version.as_str())
    }
}

impl std::fmt::Display for One {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.0.version, self.0.name)
    }
}
