//! PostgreSQL schemas of one database.

use std::sync::Arc;

use underpin_db::{ConnectOptions, DatabaseUrl};

use super::{Candidate, Found, Names, around};
use crate::{FleetError, Place};

pub(super) fn find(url: &DatabaseUrl, pattern: &str, names: Names) -> Result<Found, FleetError> {
    let (before, after) = around(pattern, '%')?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| FleetError::System {
        doing: "look for schemas",
        reason: error.to_string(),
    })?;
    let found = runtime.block_on(async {
        let mut conn = url.connect(&ConnectOptions::default()).await?;
        underpin::schemas_like(&mut conn, pattern).await
    })?;
    let database = Arc::new(url.clone());
    let candidate = |schema: String| Candidate {
        wildcard: schema[before.len()..schema.len() - after.len()].to_owned(),
        name: schema.clone(),
        place: Place::Schema { database: Arc::clone(&database), schema },
    };
    let candidates = found.into_iter().map(candidate);
    Ok(Found::sort(format!("schemas `{pattern}` of {url}"), names, candidates))
}
