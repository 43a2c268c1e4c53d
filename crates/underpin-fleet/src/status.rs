//! How the targets of a fleet stand, and what a run would do to them.

use std::collections::HashMap;

use serde::Serialize;
use underpin::{Adopted, Error, Goal, Report};

use crate::{
    Action, Fleet, FleetError, Found, Place, Target,
    decision::{Decision, Judge},
    error::explain,
    workers,
};

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
    /// How every target stands: [`Standing::Behind`] and [`Standing::Refused`] are what a run to head
    /// would find. Changes nothing.
    pub fn status(&self, found: &Found) -> Result<Vec<Status>, FleetError> {
        let head = Action::Migrate(Goal::Head);
        let judge = Judge::new(self, &head, HashMap::new());
        self.probe(&found.targets, |target, standing| {
            let (version, state) = match (&standing, judge.decide(target, standing.as_ref())) {
                (Err(error), _) => (None, Standing::Broken { reason: explain(error) }),
                (Ok(standing), _) if standing.is_unknown() => (None, Standing::Unknown),
                (_, Decision::Nothing { version }) => (version, Standing::Current),
                (_, Decision::Work { before, steps, .. }) => {
                    (before, Standing::Behind { pending: steps })
                }
                (_, Decision::Refused { before, reason }) => (before, Standing::Refused { reason }),
            };
            Status {
                id: target.id.clone(),
                place: target.place.to_string(),
                version: version.map(|version| version.to_string()),
                standing: state,
            }
        })
    }

    /// What a run would do to every target, each told as the engine tells it. Changes nothing.
    pub fn announce(&self, found: &Found, action: &Action) -> Result<Vec<Announced>, FleetError> {
        let judge = Judge::new(self, action, HashMap::new());
        let standings = self.probe(&found.targets, |target, standing| {
            (judge.decide(target, standing.as_ref()), standing)
        })?;
        let standings = found.targets.iter().zip(standings);
        workers::map(self.jobs, standings, async |(target, (decision, standing))| {
            self.announce_one(target, decision, standing, action).await
        })
    }

    async fn announce_one(
        &self,
        target: &Target,
        decision: Decision,
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
        let goal = match (decision, action) {
            (Decision::Refused { before, reason }, _) => {
                announced.before = before.map(|version| version.to_string());
                announced.error = Some(reason);
                return announced;
            }
            (Decision::Work { goal, .. }, _) => goal.goal(),
            (Decision::Nothing { version }, Action::Adopt) => {
                announced.before = version.map(|version| version.to_string());
                return announced;
            }
            (Decision::Nothing { .. }, Action::Migrate(goal)) => Some(goal.clone()),
        };
        let url = target.url();
        let result = async {
            let standing = standing?;
            let engine = self.engine(&url)?;
            announced.before = standing.history.head().map(ToString::to_string);
            match goal {
                None => announced.adopted = engine.adopt_dry_run().await?,
                Some(goal) if standing.is_unknown() => {
                    announced.report = Some(engine.dry_run(&goal).await?);
                }
                Some(goal) => {
                    let report = engine.dry_run_of(&standing, &goal)?;
                    let asks =
                        !matches!(target.place, Place::File(_)) && engine.runs_outside(&report);
                    announced.report =
                        Some(if asks { engine.dry_run(&goal).await? } else { report });
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
