//! Whether a schema is what versions build, for what is recorded without running anything.
//!
//! What it must be is found out before. What it is, is looked at inside the transaction that records.

use underpin_catalog::Version;

use super::{AdoptRefused, Reference, versions};
use crate::{
    Difference, DifferenceKind, Error, History, Schema, error::Doing, session::Session,
    sql::literal,
};

/// What a schema must be for something to be recorded.
pub(crate) struct Expected {
    schema: Schema,
    /// Tables of other sets may be beside it.
    others: bool,
    refused: Box<dyn FnOnce(Vec<Difference>) -> AdoptRefused + Send>,
}

impl Expected {
    /// What `version` builds; `None` is an empty schema.
    pub(crate) async fn of_version(
        session: &mut Session<'_>,
        version: Option<&Version>,
    ) -> Result<Self, Error> {
        let schema = match version {
            None => Schema::default(),
            Some(version) => Reference::build(session).await?.schema_of(version),
        };
        let version = version.map_or_else(|| "base".to_owned(), ToString::to_string);
        let refused = |differences| AdoptRefused::Unfit { version, differences };
        Ok(Self { schema, others: false, refused: Box::new(refused) })
    }

    /// What the applied migrations build now that the script of `version` is edited.
    pub(crate) async fn of_edit(
        session: &mut Session<'_>,
        history: &History,
        version: &Version,
    ) -> Result<Self, Error> {
        let refused = |refusal| Err(Error::Adopt(Box::new(refusal)));
        let version = version.clone();
        let all = session.catalog.migrations().iter().map(|one| &one.version);
        if !all.take(history.applied.len()).eq(history.applied.keys()) {
            let reason =
                "not all migrations up to the newest that is applied are known and applied";
            return refused(AdoptRefused::Unchecked { version, reason: reason.to_owned() });
        }
        let built = match versions(session).await {
            Ok(built) => built,
            Err(Error::Adopt(told)) => match *told {
                AdoptRefused::Unprovable { version: which, reason } => {
                    let reason = format!("version {which} cannot be built beside it: {reason}");
                    return refused(AdoptRefused::Unchecked { version, reason });
                }
                other => return refused(other),
            },
            Err(error) => return Err(error),
        };
        let last = built.into_iter().take(history.applied.len()).next_back();
        let schema = last.map(|(_, schema)| schema).unwrap_or_default();
        let refused = |differences| AdoptRefused::Edited { version, differences };
        Ok(Self { schema, others: history.others, refused: Box::new(refused) })
    }

    /// Fails unless the schema is that now, in the transaction that is open, and keeps it so until that ends.
    pub(crate) async fn check(self, session: &mut Session<'_>) -> Result<(), Error> {
        if let Some(schema) = session.tables.schema() {
            let keep = keep(schema);
            session.conn.batch(&keep).await.doing("look at the schema")?;
        }
        let mut differences = self.schema.differences(&session.inspect().await?);
        if self.others {
            differences.retain(|one| one.kind != DifferenceKind::Unknown);
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Adopt(Box::new((self.refused)(differences))))
    }
}

/// PostgreSQL: lets nobody change the tables of `schema` until the transaction ends. Reading and writing rows
/// goes on.
fn keep(schema: &str) -> String {
    let body = format!(
        "DECLARE one record; BEGIN FOR one IN SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n \
         ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p') ORDER BY 1 LOOP \
         EXECUTE format('LOCK TABLE %I.%I IN ACCESS SHARE MODE', {schema}, one.relname); END LOOP; END",
        schema = literal(schema)
    );
    format!("DO {}", literal(&body))
}
