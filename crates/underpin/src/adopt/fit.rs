//! Whether a schema is what versions build, for what is recorded without running anything.

use underpin_catalog::Version;

use super::{AdoptRefused, Reference, versions};
use crate::{DifferenceKind, Error, History, Schema, session::Session};

/// Fails unless the schema is what `version` builds; `None` is an empty one.
pub(crate) async fn check_fit(
    session: &mut Session<'_>,
    version: Option<&Version>,
) -> Result<(), Error> {
    let live = session.inspect().await?;
    let expected = match version {
        None => Schema::default(),
        Some(version) => Reference::build(session).await?.schema_of(version),
    };
    let differences = expected.differences(&live);
    if differences.is_empty() {
        return Ok(());
    }
    let version = version.map_or_else(|| "base".to_owned(), ToString::to_string);
    Err(Error::Adopt(Box::new(AdoptRefused::Unfit { version, differences })))
}

/// Fails unless the schema is what the applied migrations build now that the script of `version` is
/// edited. Tables of other sets may be beside them.
pub(crate) async fn check_edit(
    session: &mut Session<'_>,
    history: &History,
    version: &Version,
) -> Result<(), Error> {
    let refused = |refusal| Err(Error::Adopt(Box::new(refusal)));
    let version = version.clone();
    let all = session.catalog.migrations().iter().map(|one| &one.version);
    if !all.take(history.applied.len()).eq(history.applied.keys()) {
        let reason = "not all migrations up to the newest that is applied are known and applied";
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
    let expected = last.map(|(_, schema)| schema).unwrap_or_default();
    let mut differences = expected.differences(&session.inspect().await?);
    if history.others {
        differences.retain(|one| one.kind != DifferenceKind::Unknown);
    }
    if differences.is_empty() {
        return Ok(());
    }
    refused(AdoptRefused::Edited { version, differences })
}
