//! Finishes or takes back what somebody began to create and died over.

use underpin_projects::{ProjectError, Projects};

use crate::clock;

pub(super) async fn run(projects: &Projects) -> Result<Option<String>, ProjectError> {
    let repaired = projects.repair(clock::utc()).await?;
    Ok((repaired > 0).then(|| format!("{repaired} projects were half made")))
}
