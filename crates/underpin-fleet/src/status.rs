//! How the targets of a fleet stand, and what a run would do to them.

use serde::Serialize;
use underpin::{Adopted, Error, Report};

use crate::{Action, Fleet, FleetError, Found, Target, error::explain, workers};

/// How one target stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Standing {
    /// At the catalog's head.
    Current,
    /// Something is pending.
    Behind {
        /// How many migrations.
        pending: usize,
    },
    /// It has tables and no history: `adopt` finds out what it is.
    Unknown,
    /// History and catalog contradict each other: a newer program, an edited script, an interrupted one.
    Refused {
        /// In which way.
        reason: String,
    },
    /// It cannot be read.
    Broken {
        /// Why.
        reason: String,
    },
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind { .. } => "behind",
            Self::Unknown => "unknown",
            Self::Refused { .. } => "refused",
            Self::Broken { .. } => "broken",
        }
    }

    /// Why nothing can be done with it as it is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused { reason } | Self::Broken { reason } => Some(reason),
            _ => None,
        }
    }
}

/// One target and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What people call it.
    pub id: String,
    /// Path, schema, or URL without a password.
    pub place: String,
    /// The newest applied version.
    pub version: Option<String>,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// What a run would do to one target.
#[derive(Debug, Serialize)]
pub struct Announced {
    /// What people call it.
    pub id: String,
    /// Path, schema, or URL without a password.
    pub place: String,
    /// The newest applied version before.
    pub before: Option<String>,
    /// What the engine would do.
    pub report: Option<Report>,
    /// What it would recognise, where nothing else is asked for.
    pub adopted: Option<Adopted>,
    /// Why it would do nothing.
    pub error: Option<String>,
}

impl Fleet<'_> {
    /// How every target stands. Changes nothing.
    pub fn status(&self, found: &Found) -> Result<Vec<Status>, FleetError> {
        self.probe(&found.targets, |target, standing| {
            let status = |version, standing| Status {
                id: target.id.clone(),
                place: target.place.to_string(),
                version,
                standing,
            };
            let standing = match standing {
                Ok(standing) => standing,
                Err(error) => {
                    return status(None, Standing::Broken { reason: explain(&error) });
                }
            };
            if standing.is_unknown() {
                return status(None, Standing::Unknown);
            }
            let version = standing.history.head().map(ToString::to_string);
            let url = target.url();
            let state = match self.engine(&url).map(|engine| engine.status_of(&standing.history)) {
                Err(error) => Standing::Broken { reason: explain(&error) },
                Ok(found) if !found.problems.is_empty() => {
                    let lines: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
                    Standing::Refused { reason: lines.join("\n") }
                }
                Ok(found) if found.pending.is_empty() => Standing::Current,
                Ok(found) => Standing::Behind { pending: found.pending.len() },
            };
            status(version, state)
        })
    }

    /// What a run would do to every target, each told as the engine tells it. Changes nothing.
    pub fn announce(&self, found: &Found, action: &Action) -> Result<Vec<Announced>, FleetError> {
        let standings = self.probe(&found.targets, |_, standing| standing)?;
        let standings = found.targets.iter().zip(standings);
        workers::map(self.jobs, standings, async |(target, standing)| {
            self.announce_one(target, standing, action).await
        })
    }

    async fn announce_one(
        &self,
        target: &Target,
        standing: Result<underpin::Standing, Error>,
        action: &Action,
    ) -> Announced {
        let mut announced = Announced {
            id: target.id.clone(),
            place: target.place.to_string(),
            before: None,
            report: None,
            adopted: None,
            error: None,
        };
        let url = target.url();
        let result = async {
            let standing = standing?;
            let engine = self.engine(&url)?;
            announced.before = standing.history.head().map(ToString::to_string);
            match action {
                Action::Adopt if standing.is_unknown() => {
                    announced.adopted = engine.adopt_dry_run().await?;
                }
                Action::Adopt => {}
                Action::Migrate(goal) if standing.is_unknown() => {
                    announced.report = Some(engine.dry_run(goal).await?);
                }
                Action::Migrate(goal) => {
                    announced.report = Some(engine.dry_run_of(&standing, goal)?);
                }
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = result.await {
            announced.error = Some(explain(&error));
        }
        announced
    }
}
